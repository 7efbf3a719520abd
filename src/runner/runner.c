#include "runner/runner.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "runner/settings.h"

enum { EXIT_SETTINGS = 78 };

static int say_problems(const struct err *e)
{
    for (unsigned i = 0; i < e->details; i++)
        fprintf(stderr, "signalbox runner: %s\n", e->detail[i]);
    if (!e->details)
        fprintf(stderr, "signalbox runner: %s\n", e->text);
    return EXIT_SETTINGS;
}

int runner_main(int argc, char **argv)
{
    SCOPED(arena) struct arena *mem = arena_new((size_t)1 << 20, (size_t)64 << 20);
    struct runner_settings settings;
    struct err e = { 0 };
    if (argc == 1 && str_eq(str_of(argv[0]), STR("--help"))) {
        printf(PRI_STR, FMT_STR(settings_help(mem)));
        return 0;
    }
    bool check = argc == 1 && str_eq(str_of(argv[0]), STR("--check"));
    if (argc && !check) {
        fprintf(stderr, "signalbox runner: unexpected argument %s; it takes --check or --help, and "
                        "its settings from the environment\n", argv[0]);
        return EXIT_SETTINGS;
    }
    if (!settings_read(mem, &settings, &e))
        return say_problems(&e);
    settings_forget_environment();
    if (check) {
        printf("the settings are fine\n");
        return 0;
    }
    fprintf(stderr, "signalbox runner: this build cannot serve yet\n");
    return 1;
}
