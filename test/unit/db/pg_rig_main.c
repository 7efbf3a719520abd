/*
 * pg-rig: a PostgreSQL for tests in other languages. Prints its URL, then answers lines from stdin
 * until it closes: fresh     the URL of a new, empty database kill      "killed"          revive
 * "ready"
 */
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "pg_rig.h"

static void answer(struct pg_rig *rig, const char *line)
{
    SCOPED(arena) struct arena *mem = arena_new(1 << 16, 1 << 20);

    if (strcmp(line, "fresh\n") == 0) {
        puts(pg_rig_fresh(rig, mem).ptr);
    } else if (strcmp(line, "kill\n") == 0) {
        pg_rig_kill(rig);
        puts("killed");
    } else if (strcmp(line, "revive\n") == 0) {
        pg_rig_revive(rig);
        puts("ready");
    } else {
        puts("unknown: say fresh, kill or revive");
    }
    fflush(stdout);
}

int main(void)
{
    struct pg_rig *rig = NULL;
    struct err e = { 0 };
    char line[64];

    if (!pg_rig_start(&rig, &e)) {
        fprintf(stderr, "pg-rig: %s\n", e.text);
        return 1;
    }
    puts(pg_rig_url(rig).ptr);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin))
        answer(rig, line);
    pg_rig_stop(rig);
    return 0;
}
