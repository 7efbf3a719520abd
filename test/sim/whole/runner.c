/*
 * runner: the truth on a self-hosted runner (runner.md §3, §5). It knows its runs by their ids, has
 * little room, dies and comes back, and now and then loses all that it knew. What it says of a run
 * comes late, twice, out of order or never; so do its answers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "whole.h"

enum { AT_ONCE = 2, FULL_MS = 15000 };

/* ---- its runs -------------------------------------------------------------------------------- */

static struct run *known(str uuid)
{
    for (uint32_t i = 0; i < now->runs; i++)
        if (str_eq(uuid, str_of(now->run[i].uuid)) && !now->run[i].forgotten)
            return &now->run[i];
    return NULL;
}

static uint32_t count_in(int state)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < now->runs; i++)
        n += now->run[i].uuid[0] && (int)now->run[i].state == state;
    return n;
}

static bool is_away(void)
{
    return !now->kind && machine.now_ms < now->away_until_ms;
}

static void say(const struct run *r, const char *status, const char *reason)
{
    MUST(now->reports < REPORTS, "the history fits the world", REPORTS, 0);
    narrate("the runner: %s of %s %s %s", r->uuid, r->component, status, reason);
    struct report *p = &now->report[now->reports++];
    *p = (struct report){.waits = true, .run = r, .status = status, .reason = reason};
}

static void over(struct run *r, const char *conclusion, const char *reason)
{
    r->state = RUN_OVER;
    r->updated_ms = machine.now_ms;
    r->conclusion = conclusion;
    r->reason = reason;
    say(r, reason[0] ? "failed" : "succeeded", reason);
}

void runner_run_ends(struct run *r, const char *conclusion)
{
    over(r, conclusion,
         !strcmp(conclusion, "success")     ? ""
         : !strcmp(conclusion, "cancelled") ? "cancelled"
         : !strcmp(conclusion, "timed_out") ? "timeout"
                                            : "exit_code");
}

void runner_run_advances(struct run *r)
{
    static const char *const ends[] = {"success", "success", "success",  "success",
                                       "success", "failure", "timed_out"};
    if (is_away())
        return;
    if (r->state == RUN_GOES && roll(5)) {
        runner_run_ends(r, r->stop && roll(4) ? "cancelled" : ends[roll(7)]);
    } else if (r->state == RUN_QUEUED && r->stop) {
        runner_run_ends(r, "cancelled");
    } else if (r->state == RUN_QUEUED && count_in(RUN_GOES) < AT_ONCE) {
        r->state = RUN_GOES;
        r->started_ms = machine.now_ms;
        say(r, "running", "");
    }
}

/* What ran has failed, what waits goes on; the journal is on its disk. */
void runner_dies(int64_t away_ms)
{
    narrate("the runner dies");
    now->away_until_ms = machine.now_ms + away_ms;
    for (uint32_t i = 0; i < now->runs; i++)
        if (now->run[i].uuid[0] && now->run[i].state == RUN_GOES)
            over(&now->run[i], "failure", "restarted");
}

/* With its disk: nothing of what it knew goes on, and nothing is said of it any more. */
void runner_forgets(void)
{
    narrate("the runner loses its disk");
    for (uint32_t i = 0; i < now->runs; i++) {
        struct run *r = &now->run[i];
        if (!r->uuid[0])
            continue;
        r->forgotten = true;
        if (run_is_live(r)) {
            r->state = RUN_OVER;
            r->conclusion = "failure";
        }
    }
    for (uint32_t i = 0; i < now->reports; i++)
        now->report[i].waits = false;
}

/* ---- what it does when it is asked ------------------------------------------------------------ */

static str text_at(struct arena *mem, struct json v, const char *path)
{
    return json_str(json_path(v, path), mem);
}

static struct json read_body(struct arena *mem, const struct talk *t)
{
    struct json v;
    struct err e = {0};
    MUST(json_parse(mem, str_of(t->body), 0, &v, &e), "a dispatch is JSON", 0, 0);
    return v;
}

static void take(struct arena *mem, struct json body, str uuid, uint64_t digest)
{
    str workflow = text_at(mem, body, "workflow");
    struct run *r = run_new(text_at(mem, body, "vars.atmos_pro_run_id"),
                            text_at(mem, body, "vars.atmos_component"), workflow);
    snprintf(r->uuid, sizeof r->uuid, PRI_STR, FMT_STR(uuid));
    r->apply = str_eq(workflow, STR("apply"));
    r->digest = digest;
    check_run_made(r);
    now->runs++;
    now->on_runner++;
    narrate("the runner takes %s, run %s", r->uuid, r->run_id);
}

static void do_dispatch(struct arena *mem, const struct talk *t, struct runner_answer *a)
{
    struct json body = read_body(mem, t);
    str uuid = text_at(mem, body, "runId"), token = text_at(mem, body, "callbackToken");
    const struct run *r = known(uuid);
    uint64_t digest = str_hash(str_of(t->body));
    MUST(str_starts(token, uuid) && str_has(text_at(mem, body, "callbackUrl"), uuid),
         "what the runner is told to call is of its run", t->serial, 0);
    if (r)
        MUST(r->digest == digest, "what is sent again is the same", t->serial, r->id);
    else if (count_in(RUN_QUEUED) >= now->room)
        *a = (struct runner_answer){
            .outcome = RUNNER_BUSY, .status = 429, .wait_ms = FULL_MS, .code = STR("queue_full")};
    else
        take(mem, body, uuid, digest);
}

static void unknown(struct runner_answer *a)
{
    *a = (struct runner_answer){
        .outcome = RUNNER_NOT_FOUND, .status = 404, .code = STR("unknown_run")};
}

static void do_cancel(struct run *r, struct runner_answer *a)
{
    if (run_is_live(r))
        r->stop = true;
    else
        *a = (struct runner_answer){
            .outcome = RUNNER_CONFLICT, .status = 409, .code = STR("conflict")};
}

static str write_time(struct arena *mem, const char *name, int64_t at_ms)
{
    return at_ms ? arena_print(mem, ",\"%s\":\"" PRI_STR "\"", name,
                               FMT_STR(rfc3339_write(mem, at_ms + now->skew_ms)))
                 : STR("");
}

/* Of a callback, and of what it shows when it is asked. */
static str metadata(struct arena *mem, const struct run *r, const char *reason)
{
    str started = write_time(mem, "startedAt", r->started_ms),
        finished = write_time(mem, "finishedAt", run_is_live(r) ? 0 : r->updated_ms);
    return arena_print(mem, "\"exitCode\":%d,\"reason\":\"%s\"" PRI_STR PRI_STR, reason[0] ? 3 : 0,
                       reason, FMT_STR(started), FMT_STR(finished));
}

static void do_read(struct arena *mem, const struct run *r, struct runner_answer *a)
{
    const char *state = r->state == RUN_QUEUED ? "queued"
                        : run_is_live(r)       ? "running"
                        : r->reason[0]         ? "failed"
                                               : "succeeded";
    str more = run_is_live(r) ? STR("\"position\":1") : metadata(mem, r, r->reason);
    a->result = arena_print(mem, "{\"runId\":\"%s\",\"state\":\"%s\"," PRI_STR "}", r->uuid, state,
                            FMT_STR(more));
}

/* "https://runner.example/runs/…/cancel" */
static struct run *run_in(const char *url)
{
    const char *at = strstr(url, "/runs/");
    MUST(at, "a runner is asked about runs alone", 0, 0);
    at += strlen("/runs/");
    return known((str){at, strcspn(at, "/")});
}

static bool is_dispatch(const struct talk *t)
{
    return str_ends(str_of(t->url), STR("/dispatch"));
}

static void carry_out(struct arena *mem, const struct talk *t, struct runner_answer *a)
{
    struct run *r = is_dispatch(t) ? NULL : run_in(t->url);
    if (is_dispatch(t))
        do_dispatch(mem, t, a);
    else if (!r)
        unknown(a);
    else if (t->read)
        do_read(mem, r, a);
    else
        do_cancel(r, a);
}

/* ---- calls under way ------------------------------------------------------------------------- */

static void check_talk(const struct talk *t)
{
    struct arena *mem = now->look_mem;
    if (!is_dispatch(t))
        return;
    str uuid = text_at(mem, read_body(mem, t), "runId");
    check_sent_to_runner(uuid);
    for (uint32_t i = 0; i < TALKS; i++)
        MUST(&now->talk[i] == t || !now->talk[i].used || !is_dispatch(&now->talk[i]) ||
                 !strstr(now->talk[i].body, arena_z(mem, uuid)),
             "one call for one dispatch under way", now->talk[i].serial, t->serial);
    arena_reset(mem);
}

static char *copy_z(str s)
{
    char *z = malloc(s.len + 1);
    if (!z)
        abort();
    memcpy(z, s.ptr ? s.ptr : "", s.len);
    z[s.len] = '\0';
    return z;
}

void runner_call(void *self, const struct runner_call *c, runner_done *done, void *ctx)
{
    struct talk *t = now->talk;
    (void)self;
    while (t < now->talk + TALKS && t->used)
        t++;
    MUST(t < now->talk + TALKS, "calls under way have a limit", TALKS, 0);
    MUST(str_eq(c->token, STR("runner-5ecret")), "the runner is called with its token", 0, 0);
    *t = (struct talk){.used = true,
                       .serial = ++now->serial,
                       .url = copy_z(c->url),
                       .body = copy_z(c->body),
                       .read = c->read,
                       .done = done,
                       .ctx = ctx};
    narrate("call %lld: runner %s", (long long)t->serial, t->url);
    check_talk(t);
}

struct talk *runner_waiting(uint32_t nth)
{
    for (uint32_t i = 0; i < TALKS; i++)
        if (now->talk[i].used && nth-- == 0)
            return &now->talk[i];
    return NULL;
}

uint32_t runner_waiting_count(void)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < TALKS; i++)
        n += now->talk[i].used;
    return n;
}

static void answered(struct talk *t, const struct runner_answer *a)
{
    narrate("answer %lld: runner %d", (long long)t->serial, (int)a->outcome);
    t->used = false;
    t->done(t->ctx, a);
    free(t->url);
    free(t->body);
}

/* Before the call is looked at: a proxy, or who guessed too many tokens, is told to wait. */
#define NOT_LOOKED_AT                                                                              \
    (struct runner_answer)                                                                         \
    {                                                                                              \
        .outcome = RUNNER_BUSY, .status = 429, .wait_ms = 60000, .code = STR("too_many_failures")  \
    }

static enum runner_way some_way(const struct talk *t)
{
    uint32_t dice = roll(100);
    if (is_away())
        return RUNNER_AWAY;
    if (!chance(20 + now->mishaps))
        return RUNNER_HEARD;
    return dice < 20   ? RUNNER_CUT
           : dice < 30 ? RUNNER_AWAY
           : dice < 45 ? RUNNER_TOO_OFTEN
           : dice < 50 ? RUNNER_DENIES
           : dice < 60 ? RUNNER_TWICE
           : dice < 80 && !is_dispatch(t) ? RUNNER_ELSEWHERE
                                          : RUNNER_UNHEARD;
}

void runner_answers(struct talk *t, enum runner_way way)
{
    struct arena *mem = arena_new((size_t)1 << 20, (size_t)16 << 20);
    struct runner_answer a = {.outcome = RUNNER_OK, .status = 200};
    if (way == RUNNER_HEARD || way == RUNNER_TWICE || way == RUNNER_UNHEARD)
        carry_out(mem, t, &a);
    if (way == RUNNER_TWICE) /* a proxy sent it again */
        carry_out(mem, t, &a);
    now->lost += way == RUNNER_CUT || way == RUNNER_UNHEARD;
    if (way == RUNNER_CUT || way == RUNNER_UNHEARD)
        a = (struct runner_answer){.outcome = RUNNER_LOST};
    if (way == RUNNER_AWAY)
        a = (struct runner_answer){.outcome = RUNNER_NOT_SENT};
    if (way == RUNNER_TOO_OFTEN)
        a = NOT_LOOKED_AT;
    if (way == RUNNER_DENIES)
        a = (struct runner_answer){.outcome = RUNNER_NO_ACCESS, .status = 401};
    if (way == RUNNER_ELSEWHERE) /* a proxy that does not find its way */
        a = (struct runner_answer){.outcome = RUNNER_NOT_FOUND, .status = 404};
    a.message = STR("as the seed says");
    answered(t, &a);
    arena_free(mem);
}

/* Of calls under way some arrived; nobody hears of them. */
void runner_unheard(void)
{
    for (struct talk *t; (t = runner_waiting(0)) != NULL;)
        runner_answers(t, is_away() || roll(2) ? RUNNER_CUT : RUNNER_UNHEARD);
}

/* ---- what it says ---------------------------------------------------------------------------- */

static void report_stored(void *arg, enum fact_fate fate, int64_t id, const struct err *e)
{
    struct report *p = arg;
    (void)fate;
    if (e) {
        p->waits = true;
        return;
    }
    MUST(now->accepted_count < ACCEPTED, "the history fits the world", 0, 0);
    now->accepted[now->accepted_count++] = id;
}

/* What the API sees of the run before it takes the callback; it may be over a moment later. */
static bool has_ended(const struct run *r)
{
    int64_t ended =
        ask_of("select ended_ms is not null from run where runner_run = $1", A(str_of(r->uuid)));
    MUST(ended >= 0, "what goes on there is known here", r->id, 0);
    return ended > 0;
}

void report_deliver(struct report *p)
{
    const struct run *r = p->run;
    p->waits = chance(10);
    if (chance(6)) {
        narrate("what the runner says of %s is lost", r->uuid);
        return;
    }
    narrate("the runner says of %s: %s", r->uuid, p->status);
    if (has_ended(r) && roll(2)) {
        p->waits = false; /* 409 */
        return;
    }
    str error = strcmp(p->status, "failed") ? STR("") : STR("\"error\":\"it did not go well\",");
    engine_submit(machine.engine,
                  &(struct fact_new){
                      .lane = 1,
                      .kind = "callback",
                      .body = arena_print(now->mem,
                                          "{\"run\":\"%s\",\"status\":\"%s\"," PRI_STR
                                          "\"metadata\":{" PRI_STR "}}",
                                          r->uuid, p->status, FMT_STR(error),
                                          FMT_STR(metadata(now->mem, r, p->reason)))},
                  report_stored, p);
}

struct report *some_report(void)
{
    uint32_t count = 0, nth;
    for (uint32_t i = 0; i < now->reports; i++)
        count += now->report[i].waits;
    if (!count || is_away())
        return NULL;
    nth = now->staged || roll(3) ? 0 : roll(count);
    for (uint32_t i = 0; i < now->reports; i++)
        if (now->report[i].waits && nth-- == 0)
            return &now->report[i];
    return NULL;
}

static void some_answer(struct talk *t)
{
    runner_answers(t, some_way(t));
}

void runner_happens(void)
{
    uint32_t dice = roll(100), waiting = runner_waiting_count();
    struct report *p;
    if (dice < 40 && waiting)
        some_answer(runner_waiting(roll(waiting)));
    else if (dice < 65 && (p = some_report()))
        report_deliver(p);
    else if (dice == 98)
        runner_dies(roll(3) ? roll(20000) : roll(600000));
    else if (dice == 99 && roll(5) == 0)
        runner_forgets();
}
