#include "stage.h"

#include <stdlib.h>

#include "base/log.h"

static enum runner_way ways[16];
static uint32_t ways_count;

int stage_begin(void **state)
{
    (void)state;
    log_setup((enum log_level)(LOG_ERROR + 1), false);
    world_catch_ends();
    world_open(1, getenv("TRACE") != NULL);
    now->kind = now->staged = true;
    ways_count = 0;
    now->titles = now->answers_id = now->again = now->comments = true;
    return 0;
}

int stage_end(void **state)
{
    (void)state;
    rest();
    check_held();
    for (int i = 0; i < 50 && some_live_run(); i++) {
        runs_end("success");
        rest();
    }
    if (ask("select count(*) from change_event where state = 'waiting'"))
        later(61 * 60000);
    check_end();
    check_same_bytes();
    engine_quiet(machine.engine);
    machine_stop();
    world_close();
    return 0;
}

void given(const char *settings)
{
    now->settings = settings;
    world_furnish();
}

/* ---- the runner ------------------------------------------------------------------------------ */

void runner_will(enum runner_way way)
{
    assert_true(ways_count < sizeof ways / sizeof *ways);
    ways[ways_count++] = way;
}

static enum runner_way runner_next(void)
{
    enum runner_way way = ways_count ? ways[0] : RUNNER_HEARD;
    if (ways_count)
        memmove(ways, ways + 1, --ways_count * sizeof *ways);
    return way;
}

/* ---- time ------------------------------------------------------------------------------------ */

static void all_arrives(void)
{
    struct mail *m;
    struct call *c;
    bool more = true;
    while (more) {
        more = false;
        turns(1000);
        while ((m = some_mail())) {
            mail_deliver(m);
            turns(1000);
            more = true;
        }
        some_upload();
        turns(1000);
        while ((c = forge_waiting(0))) {
            forge_answer(c);
            turns(1000);
            more = true;
        }
        for (struct talk *t; (t = runner_waiting(0));) {
            runner_answers(t, runner_next());
            turns(1000);
            more = true;
        }
        for (struct report *p; (p = some_report());) {
            report_deliver(p);
            turns(1000);
            more = true;
        }
        for (uint32_t i = 0; i < now->uploads; i++)
            more = more || now->upload[i].waits;
    }
}

void later(int64_t ms)
{
    int64_t step_ms = ms > 15 * 60000 ? 60000 : 5000;
    for (int64_t until_ms = machine.now_ms + ms; machine.now_ms < until_ms;) {
        int64_t left_ms = until_ms - machine.now_ms;
        all_arrives();
        machine.now_ms += left_ms < step_ms ? left_ms : step_ms;
        machine_tick();
        now->step++;
    }
    all_arrives();
    arena_reset(now->mem);
}

void rest(void)
{
    later(60000);
}

void dies(void)
{
    server_dies();
}

/* ---- what people do -------------------------------------------------------------------------- */

static void touch(struct pull *p)
{
    machine.now_ms += 1000;
    p->updated_ms = machine.now_ms - machine.now_ms % 1000;
}

void uploads(const struct pull *p, uint32_t stacks)
{
    if (stacks)
        affect(p, stacks);
}

struct pull *opens(int number, bool draft, uint32_t stacks)
{
    struct pull *p = &now->pull[number - 1];
    touch(p);
    p->state = "open";
    p->draft = draft;
    pull_mail(p, "opened");
    uploads(p, stacks);
    return p;
}

void pushes(struct pull *p, uint32_t stacks)
{
    touch(p);
    p->head++;
    pull_mail(p, "synchronize");
    uploads(p, stacks);
}

void merges(struct pull *p, uint32_t stacks)
{
    touch(p);
    p->state = "merged";
    p->merged_ms = p->updated_ms;
    pull_mail(p, "closed");
    uploads(p, stacks);
}

void tells(struct pull *p, const char *action)
{
    touch(p);
    if (!strcmp(action, "closed"))
        p->state = "closed";
    else if (!strcmp(action, "reopened"))
        p->state = "open";
    else if (!strcmp(action, "ready_for_review"))
        p->draft = false;
    else if (!strcmp(action, "converted_to_draft"))
        p->draft = true;
    pull_mail(p, action);
}

void runs_end(const char *conclusion)
{
    for (uint32_t i = 0; i < now->runs; i++)
        run_ends(&now->run[i], conclusion);
}

void orders(const char *name, int number)
{
    str batch = ask_text_of("select b.id from batch b left join change c on c.id = b.change_id "
                            "where $1 in (0, c.number) order by b.seq desc limit 1",
                            A((int64_t)number));
    int64_t change = ask_of("select id from change where number = $1", A((int64_t)number));
    command(
        !strcmp(name, "resume")
            ? arena_print(now->mem, "{\"order\":\"resume\",\"change\":%lld}", (long long)change).ptr
            : arena_print(now->mem, "{\"order\":\"%s\",\"batch\":\"" PRI_STR "\"}", name,
                          FMT_STR(batch))
                  .ptr);
}

/* ---- what is expected ------------------------------------------------------------------------ */

void is_(int64_t want, const char *sql, const char *file, int line)
{
    int64_t got = ask_(sql, NO_ARGS);
    arena_reset(now->look_mem);
    if (got == want)
        return;
    print_error("%s:%d: %lld instead of %lld: %s\n", file, line, (long long)got, (long long)want,
                sql);
    _fail(file, line);
}

static void has(const struct paper *p, const char *part)
{
    assert_non_null(p);
    if (strstr(p->text, part))
        return;
    print_error("no \"%s\" in\n%s\n", part, p->text);
    _fail(__FILE__, __LINE__);
}

void comment_says(int number, const char *part)
{
    has(paper_like(true, arena_print(now->mem, "<!-- signalbox:change:%d -->", number)), part);
}

void check_says(const struct pull *p, const char *part)
{
    char head[44];
    head_name(head, p, p->head);
    has(paper_like(false, str_of(head)), part);
}
