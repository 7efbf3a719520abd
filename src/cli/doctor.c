/* doctor: from the address to the App, what works and what does not, and how to mend it. */
#include "cli/inside.h"

#include <stdarg.h>

#include "base/rfc3339.h"

enum finding { GOOD, NOTE, WRONG };
enum { CLOCK_SKEW_MS = 60000, OLD_FACT_MS = 60000 };

struct doctor {
    struct cli *c;
    int code;
};

static void found(struct doctor *d, enum finding f, const char *what, const char *mend, ...)
    __attribute__((format(printf, 4, 5)));

static void found(struct doctor *d, enum finding f, const char *what, const char *mend, ...)
{
    static const struct {
        const char *word, *colour;
    } look[] = {{"ok", "32"}, {"note", "33"}, {"wrong", "31"}};
    struct cli *c = d->c;
    char text[1024];
    va_list ap;
    va_start(ap, mend);
    vsnprintf(text, sizeof text, mend, ap);
    va_end(ap);
    if (f == WRONG && !d->code)
        d->code = c->err.code ? err_exit(c->err.code) : err_exit(ERR_CONFLICT);
    if (c->plain)
        put(c, "%s\t%s\t%s\n", look[f].word, what, text);
    else
        put(c, "%s%-5s%s  %-12s %s\n", paint(c, look[f].colour), look[f].word, paint(c, "0"), what,
            text);
}

static bool open_data(struct cli *c, const char *path, struct reply *r)
{
    struct ask a = {.method = HTTP_GET, .path = str_of(path), .open = true};
    return call_server(c, &a, r);
}

/* "Sat, 21 Nov 2026 12:00:00 GMT" */
static int64_t http_date(struct cli *c, str s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t ms;
    if (s.len != 29)
        return 0;
    for (int m = 0; m < 12; m++)
        if (memcmp(months + 3 * m, s.ptr + 8, 3) == 0 &&
            rfc3339_read(arena_print(c->mem, "%.4s-%02d-%.2sT%.8sZ", s.ptr + 12, m + 1, s.ptr + 5,
                                     s.ptr + 17),
                         &ms))
            return ms;
    return 0;
}

static void check_clock(struct doctor *d, str date)
{
    struct cli *c = d->c;
    int64_t there = http_date(c, date), apart = there - c->now_ms;
    if (!there)
        found(d, NOTE, "clock", "the server did not tell its time");
    else if (apart > CLOCK_SKEW_MS || apart < -CLOCK_SKEW_MS)
        found(d, WRONG, "clock",
              "this machine and the server are " PRI_STR
              " apart: set both by NTP, or locks end at unexpected times",
              FMT_STR(duration_write(c->mem, apart < 0 ? -apart : apart)));
    else
        found(d, GOOD, "clock", "the same here and there");
}

static bool check_server(struct doctor *d)
{
    struct cli *c = d->c;
    struct reply r;
    if (!open_data(c, "/healthz", &r)) {
        found(d, WRONG, "server", "%s", c->err.text);
        return false;
    }
    found(d, GOOD, "server", PRI_STR " answers", FMT_STR(safe(c, c->server)));
    check_clock(d, r.server_date);
    if (!open_data(c, "/readyz", &r)) {
        found(d, WRONG, "readiness", "%s: look at the server's log", c->err.text);
        return true;
    }
    int64_t oldest = json_i64_or(json_get(r.data, STR("oldestFactMs")), 0);
    if (oldest > OLD_FACT_MS)
        found(d, NOTE, "readiness",
              "ready, but what came in waits for " PRI_STR ": look at the server's log",
              FMT_STR(duration_write(c->mem, oldest)));
    else
        found(d, GOOD, "readiness", "the database can be used, nothing is late");
    return true;
}

static bool check_token(struct doctor *d)
{
    struct cli *c = d->c;
    struct reply r;
    if (!have_token(c)) {
        found(d, WRONG, "token", "%s", c->err.text);
        return false;
    }
    if (!get_data(c, STR("/api/v1/workspaces"), &r)) {
        found(d, WRONG, "token", "%s (the one from " PRI_STR ")", c->err.text,
              FMT_STR(safe(c, c->token_from)));
        return false;
    }
    struct json_iter it = json_iter(json_get(r.data, STR("items")));
    struct json item = {0};
    str key;
    (void)json_next(&it, c->mem, &key, &item);
    str workspace = safe_z(c, item, "name");
    bool admin = get_data(c, STR("/api/v1/tokens?limit=1"), &r);
    found(d, GOOD, "token", "from " PRI_STR ": %s of workspace " PRI_STR,
          FMT_STR(safe(c, c->token_from)), admin ? "an admin's" : "a member's", FMT_STR(workspace));
    return true;
}

struct repositories {
    struct cli *c;
    size_t count, without;
};

static bool see_repository(void *ctx, struct json item)
{
    struct repositories *n = ctx;
    n->count++;
    n->without += !json_present(json_get(item, STR("installationId")));
    return true;
}

/* The set-up page is closed as soon as there is an App. */
static void check_app(struct doctor *d)
{
    struct cli *c = d->c;
    struct repositories n = {.c = c};
    struct reply r;
    struct page p;
    bool answered = open_data(c, "/setup", &r);
    if (!answered && c->err.code == ERR_CONFLICT)
        found(d, GOOD, "GitHub App", "is set up");
    else if (r.status == 200) {
        err_clear(&c->err);
        found(d, WRONG, "GitHub App", "there is none yet: open " PRI_STR "/setup in a browser",
              FMT_STR(safe(c, c->server)));
    } else
        found(d, NOTE, "GitHub App", "%s",
              answered ? "the set-up page is something else" : c->err.text);
    if (!list_walk(c, STR("/api/v1/repositories"), 0, see_repository, &n, &p))
        found(d, WRONG, "repositories", "%s", c->err.text);
    else if (!n.count)
        found(d, WRONG, "repositories",
              "there is none: install the App on one, or see signalbox help repo add");
    else if (n.without)
        found(d, NOTE, "repositories",
              "%zu, of which %zu have no installation of the App: nothing can be dispatched there",
              n.count, n.without);
    else
        found(d, GOOD, "repositories", "%zu, all with the App", n.count);
}

static void check_facts(struct doctor *d)
{
    struct cli *c = d->c;
    struct reply r;
    if (!get_data(c, STR("/api/v1/facts?state=set_aside&limit=1"), &r)) {
        found(d, NOTE, "facts", "%s", c->err.text);
        return;
    }
    struct json_iter it = json_iter(json_get(r.data, STR("items")));
    struct json item;
    str key;
    if (json_next(&it, c->mem, &key, &item))
        found(d, NOTE, "facts",
              "something that came in could not be applied (" PRI_STR ", number " PRI_STR
              "): " PRI_STR,
              FMT_STR(safe_z(c, item, "kind")), FMT_STR(safe_z(c, item, "id")),
              FMT_STR(safe_z(c, item, "note")));
    else
        found(d, GOOD, "facts", "everything that came in was understood");
}

int verb_doctor(struct cli *c)
{
    struct doctor d = {.c = c};
    if (!check_server(&d) || !check_token(&d))
        return d.code;
    check_app(&d);
    check_facts(&d);
    return d.code;
}
