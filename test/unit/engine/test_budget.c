/*
 * The budget as a specification, in virtual time: what does not fit is held whole, goes by itself at
 * the reset, is granted once, and nothing is overdrawn. On both databases.
 */
#include "world.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/scope.h"
#include "domain/hold.h"

/* ---- time: the machine's, and what the test adds to it ---------------------------------------- */

static atomic_int_fast64_t shift_ms;

static int64_t machine_us(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_utc_ms(void) { return machine_us(CLOCK_REALTIME) / 1000 + atomic_load(&shift_ms); }
int64_t clock_mono_ms(void) { return machine_us(CLOCK_MONOTONIC) / 1000; }
int64_t clock_mono_us(void) { return machine_us(CLOCK_MONOTONIC); }

/* ---- a forge that counts ---------------------------------------------------------------------- */

enum { HOUR = 60 * 60 * 1000, INSTALLATION = 5 };

static struct {
    pthread_mutex_t mutex;
    void  (*inner)(void *self, const struct forge_call *c, forge_done *done, void *ctx);
    int64_t limit, remaining, reset_ms;
    int64_t told_until_ms;          /* a secondary limit */
    int     tell_next, tell_ms;     /* the next so many dispatches are told to wait so long */
    bool    nonsense, unreachable;
    int     dispatches, refused, early, quota_reads, calls;
} forge;

struct passed { forge_done *done; void *ctx; struct forge_quota quota; };

static void came_back(void *ctx, const struct forge_answer *a)
{
    struct passed *p = ctx;
    struct forge_answer with = *a;
    with.quota = p->quota;
    with.calls = 1;
    p->done(p->ctx, &with);
}

static struct forge_quota quota_now(void)
{
    if (forge.nonsense)
        return (struct forge_quota){ .said = true, .resource = STR("") };
    return (struct forge_quota){ .said = true, .known = true, .resource = STR("core"),
                                 .limit = forge.limit, .remaining = forge.remaining,
                                 .reset_ms = forge.reset_ms };
}

/* True: the call is taken. Otherwise *a says why not. */
static bool counted(const struct forge_call *c, struct arena *mem, struct forge_answer *a)
{
    int64_t now_ms = clock_utc_ms();
    bool dispatch = c->kind == FORGE_DISPATCH;
    *a = (struct forge_answer){ .outcome = FORGE_OK, .status = 200, .calls = 1,
                                .message = STR("as the test says"), .result = STR("{}") };
    if (now_ms >= forge.reset_ms) {
        forge.remaining = forge.limit;
        forge.reset_ms = now_ms + HOUR - now_ms % 1000;
    }
    a->quota = quota_now();
    if (dispatch && forge.unreachable) {
        *a = (struct forge_answer){ .outcome = FORGE_NOT_SENT, .message = STR("unreachable"),
                                    .result = STR("{}") };
        return false;
    }
    if (c->kind == FORGE_READ_QUOTA) {
        forge.quota_reads++;
        if (!forge.nonsense)
            a->result = arena_print(mem, "{\"limit\":%lld,\"remaining\":%lld,\"reset_ms\":%lld}",
                                    (long long)forge.limit, (long long)forge.remaining,
                                    (long long)forge.reset_ms);
        return false;
    }
    forge.calls++;
    if (dispatch && forge.told_until_ms > now_ms)
        forge.early++;
    if (dispatch && forge.tell_next > 0) {
        forge.tell_next--;
        forge.told_until_ms = now_ms + forge.tell_ms;
        a->outcome = FORGE_LIMITED;
        a->not_before_ms = forge.told_until_ms;
        return false;
    }
    if (forge.remaining == 0 && dispatch) {
        forge.refused++;
        a->outcome = FORGE_LIMITED;
        a->not_before_ms = forge.reset_ms;
        return false;
    }
    if (forge.remaining > 0)
        forge.remaining--;
    a->quota = quota_now();
    forge.dispatches += dispatch;
    return true;
}

static void call(void *self, const struct forge_call *c, forge_done *done, void *ctx)
{
    SCOPED(arena) struct arena *mem = arena_new(1 << 20, 1 << 24);
    struct forge_answer a;
    pthread_mutex_lock(&forge.mutex);
    bool taken = counted(c, mem, &a);
    pthread_mutex_unlock(&forge.mutex);
    if (taken)
        forge.inner(self, c, came_back, &(struct passed){ done, ctx, a.quota });
    else
        done(ctx, &a);
}

/* ---- given ------------------------------------------------------------------------------------ */

static struct world world;

/* The forge's last word before the test begins. */
static bool last_word(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL,
                   "insert into quota (installation_id, resource, limit_count, remaining, reset_ms, "
                   "observed_ms, known) values (5, 'core', $1, $2, $3, $4, 1)",
                   ARGS(A(forge.limit), A(forge.remaining), A(forge.reset_ms), A(clock_utc_ms())));
}

static void given(struct world *w, struct both *b, int64_t limit, int64_t remaining)
{
    struct err e = { 0 };
    atomic_store(&shift_ms, 0);
    memset(&forge, 0, sizeof forge);
    pthread_mutex_init(&forge.mutex, NULL);
    world_start(w, b);
    w->title_has_id = true;
    forge.inner = w->port.call;
    forge.limit = limit;
    forge.remaining = remaining;
    forge.reset_ms = clock_utc_ms() + HOUR;
    w->port.call = call;
    if (!engine_write_wait(w->engine, last_word, NULL, &e))
        stop_test("quota: %s\n", e.text);
}

#define GIVEN(w, limit, remaining) \
    struct world *w = &world; \
    given(w, *state, limit, remaining)

#define PRO                                                                                        \
    "\"settings\":{\"pro\":{\"enabled\":true,\"pull_request\":{\"opened\":{\"workflows\":{"        \
    "\"plan.yaml\":{\"inputs\":{\"component\":\"{{ .atmos_component }}\",\"stack\":\"{{ "          \
    ".atmos_stack }}\"}}}}}}}"

/* A pull request with so many stacks that wait for nothing. */
static void open_pull(struct world *w, int number, int stacks)
{
    str list = STR("[");
    const char *head = arena_print(w->both->mem, "aaaa%04d", number).ptr;
    for (int i = 0; i < stacks; i++)
        list = arena_print(w->both->mem,
                           PRI_STR "%s{\"component\":\"c%d-%d\",\"stack\":\"prod\"," PRO "}",
                           FMT_STR(list), i ? "," : "", number, i);
    list = arena_print(w->both->mem, PRI_STR "]", FMT_STR(list));
    world_pull(w, "opened", number, head, false, number);
    world_upload(w, arena_print(w->both->mem, "upl_%d", number).ptr, head,
                 arena_print(w->both->mem,
                             "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/%d/"
                             "merge\",\"run_id\":\"%d\"}",
                             number, 500 + number).ptr,
                 list.ptr);
}

static void time_goes_by(int64_t ms) { atomic_fetch_add(&shift_ms, ms); }
/* The reset, and what the scheduler waits beyond it. */
static void the_window_ends(void)
{
    pthread_mutex_lock(&forge.mutex);
    int64_t until_ms = forge.reset_ms - clock_utc_ms();
    pthread_mutex_unlock(&forge.mutex);
    time_goes_by((until_ms > 0 ? until_ms : 0) + 3000);
}

#define HELD "select count(*) from batch where state = 'held'"
#define SENT "select count(*) from node where attempt > 0 and state not in ('waiting', 'ready', 'locked', 'dispatching', 'cancelled')"
#define STANDING "select count(*) from hold where lifted_ms is null and kind = 'rate_limit'"
#define LEFT "select coalesce(sum(left_over), 0) from claim"

static void then_nothing_went_wrong(struct world *w, int64_t dispatches)
{
    assert_int_equal(forge.dispatches, dispatches);
    assert_int_equal(forge.refused, 0);
    assert_int_equal(forge.early, 0);
    assert_int_equal(now_is(w, "select count(*) from fact where state = 2"), 0);
    assert_int_equal(now_is(w, "select count(*) from claim where left_over < 0 or wanted < 0"), 0);
}

/* ---- specifications --------------------------------------------------------------------------- */

static void what_fits_goes_and_its_claim_is_spent(void **state)
{
    GIVEN(w, 1000, 900);
    open_pull(w, 7, 60);
    until(w, 60, SENT);
    until(w, 0, LEFT);
    assert_int_equal(now_is(w, "select calls from claim"), 60);
    assert_int_equal(now_is(w, "select count(*) from hold"), 0);
    then_nothing_went_wrong(w, 60);
    world_stop(w);
}

static void what_does_not_fit_is_held_whole_and_goes_by_itself_at_the_reset(void **state)
{
    GIVEN(w, 1000, 70);
    open_pull(w, 7, 60);
    until(w, 1, STANDING);
    until(w, 1, HELD);
    until(w, 1, "select count(*) from effect where kind = 'read_quota' and state = 0");
    assert_int_equal(forge.dispatches, 0);
    assert_int_equal(now_is(w, "select wanted from claim"), 60);
    assert_true(now_is(w, "select until_ms from hold") == forge.reset_ms);
    time_goes_by(HOUR / 2);
    nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
    assert_int_equal(forge.dispatches, 0);
    the_window_ends();
    until(w, 60, SENT);
    until(w, 0, LEFT);
    until(w, 0, STANDING);
    assert_text(world_text(w, "select lifted_by from hold"), "signalbox");
    then_nothing_went_wrong(w, 60);
    world_stop(w);
}

static int64_t recalled[CALL_CLASS_COUNT], recalls;

static void recall(void *self, int64_t installation_id, const int64_t calls[CALL_CLASS_COUNT])
{
    (void)self;
    assert_int_equal(installation_id, INSTALLATION);
    memcpy(recalled, calls, sizeof recalled);
    recalls++;
}

/* The limits of a minute hold for the minute, not for the life of a server. */
static void a_restart_remembers_what_was_sent_in_the_last_minute(void **state)
{
    GIVEN(w, 5000, 5000);
    recalls = 0;
    w->port.recall = recall;
    open_pull(w, 7, 40);
    until(w, 40, SENT);
    until(w, 0, LEFT);
    assert_int_equal(recalls, 0);                       /* there was nothing before */
    world_crash(w);
    assert_int_equal(recalls, 1);
    assert_true(recalled[CALL_CHANGE] >= 40 && recalled[CALL_CHANGE] < 80);
    assert_true(recalled[CALL_READ] >= 1);              /* its workflow file */
    memset(recalled, 0, sizeof recalled);
    time_goes_by(2 * 60 * 1000);
    world_crash(w);
    assert_true(recalled[CALL_CHANGE] < 40);            /* and no longer than that */
    world_stop(w);
}

#define LIMITED "kind = 'rate_limit' and lifted_ms is null"

/* What the row says, check and comment say, too. */
static void then_told(struct world *w)
{
    struct hold h;
    until(w, 0, "select count(*) from effect where state = 0 and kind <> 'read_quota'");
    assert_true(hold_read(w->both->mem, STR("rate_limit"), world_text(w, "select numbers from hold where " LIMITED),
                          now_is(w, "select since_ms from hold where " LIMITED), &h));
    const char *text = arena_print(w->both->mem, PRI_STR, FMT_STR(hold_text(w->both->mem, &h))).ptr;
    assert_non_null(strstr(w->last_comment, text));
    assert_non_null(strstr(w->last_check, text));
}

/* It is in no line, because a person has to let it go first; and yet nobody is told old figures. */
static void a_rate_limit_beside_another_hold_follows_the_quota(void **state)
{
    GIVEN(w, 100, 40);
    world_settings(w, "{\"threshold_hold\":true,\"threshold\":2}", NULL);
    open_pull(w, 7, 90);                                /* more than the 75 that could ever be safe */
    until(w, 1, STANDING);
    until(w, 1, "select count(*) from effect where kind = 'read_quota' and state = 0");
    then_told(w);
    for (int window = 0; window < 2; window++) {
        int64_t reset_ms = forge.reset_ms;
        the_window_ends();
        until_(w, 1, arena_print(w->both->mem, "select count(*) from hold where " LIMITED " and until_ms > %lld",
                                 (long long)reset_ms).ptr, __FILE__, __LINE__);
        then_told(w);
        until(w, 1, "select count(*) from effect where kind = 'read_quota' and state = 0");
    }
    assert_int_equal(now_is(w, "select count(*) from claim where wanted > 0"), 0);
    assert_int_equal(forge.quota_reads, 2);             /* once a window */
    assert_int_equal(forge.dispatches, 0);
    world_stop(w);
}

static void a_rate_limit_beside_another_hold_ends_with_the_window(void **state)
{
    GIVEN(w, 1000, 20);
    world_settings(w, "{\"threshold_hold\":true,\"threshold\":2}", NULL);
    open_pull(w, 7, 60);
    until(w, 1, STANDING);
    until(w, 1, "select count(*) from effect where kind = 'read_quota' and state = 0");
    the_window_ends();
    until(w, 0, STANDING);
    until(w, 0, "select count(*) from effect where state = 0 and kind <> 'read_quota'");
    assert_null(strstr(w->last_comment, "safe budget"));
    assert_non_null(strstr(w->last_comment, "the threshold is 2"));
    assert_int_equal(now_is(w, HELD), 1);
    then_nothing_went_wrong(w, 0);
    world_stop(w);
}

static void what_is_cancelled_gives_its_claim_to_those_that_wait(void **state)
{
    GIVEN(w, 1000, 300);
    /* given a batch whose claim is not spent, because the forge does not take its dispatches yet */
    forge.unreachable = true;
    open_pull(w, 7, 200);
    until(w, 200, LEFT);
    open_pull(w, 8, 50);
    until(w, 1, STANDING);
    bool refused;
    str id = world_text(w, "select id from batch order by seq limit 1");
    world_order(w, arena_print(w->both->mem, "{\"order\":\"cancel\",\"batch\":\"" PRI_STR "\"}", FMT_STR(id)).ptr,
                  &refused);
    assert_false(refused);
    forge.unreachable = false;
    /* then the other one goes in the same window */
    until(w, 50, SENT);
    until(w, 0, LEFT);
    world_stop(w);
}

static void one_that_never_fits_goes_by_parts_when_somebody_agreed(void **state)
{
    GIVEN(w, 100, 80);
    open_pull(w, 7, 120);
    until(w, 1, STANDING);
    the_window_ends();
    until(w, 0, "select count(*) from effect where kind = 'read_quota' and state = 0 and "
                "not_before_ms < 1");
    assert_int_equal(forge.dispatches, 0);
    bool refused;
    str id = world_text(w, "select id from batch");
    world_order(w, arena_print(w->both->mem, "{\"order\":\"parts\",\"batch\":\"" PRI_STR "\"}", FMT_STR(id)).ptr,
                  &refused);
    assert_false(refused);
    int windows = 0;
    for (; windows < 6 && now_is(w, SENT) < 120; windows++) {
        int64_t before = now_is(w, SENT);
        for (int i = 0; i < 600 && now_is(w, SENT) == before; i++)
            nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
        until(w, 0, LEFT);
        if (now_is(w, SENT) < 120)
            until(w, 1, STANDING);
        assert_true(forge.dispatches <= (windows + 1) * 75);
        the_window_ends();
    }
    until(w, 120, SENT);
    until(w, 0, STANDING);
    then_nothing_went_wrong(w, 120);
    assert_int_equal(now_is(w, "select count(*) from node where gate <> ''"), 0);
    world_stop(w);
}

/* Whoever is told to wait in the middle of it, sends nothing more until then, and shows it. */
static void a_batch_that_is_limited_on_its_way_waits_and_goes_on(void **state)
{
    GIVEN(w, 5000, 4900);
    forge.tell_next = 3;
    forge.tell_ms = 10 * 60 * 1000;
    open_pull(w, 7, 60);
    open_pull(w, 8, 30);
    until(w, 1, "select count(*) from quota where blocked_until_ms > 0");
    until(w, 0, "select count(*) from node where state = 'dispatching'");
    /* what had been handed over when the first was told is the client's to stop (test_limit.c) */
    forge.early = 0;
    int sent = forge.dispatches;
    until(w, 2, STANDING);
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    assert_int_equal(forge.dispatches, sent);
    assert_int_equal(now_is(w, "select sum(left_over) from claim"), 0);
    assert_true(now_is(w, "select min(until_ms) from hold where lifted_ms is null") >= forge.told_until_ms - 1);
    time_goes_by(10 * 60 * 1000 + 3000);
    until(w, 90, SENT);
    until(w, 0, STANDING);
    until(w, 0, LEFT);
    then_nothing_went_wrong(w, 90);
    world_stop(w);
}

static void stored(void *arg, enum fact_fate fate, int64_t id, const struct err *e)
{
    (void)fate;
    atomic_store((atomic_int_fast64_t *)arg, e ? -1 : id);
}

/* Deliveries about the App belong to the house. */
static void house_webhook(struct world *w, const char *kind, const char *json)
{
    atomic_int_fast64_t id = 0;
    str note;
    bool refused;
    engine_submit(w->engine,
                  &(struct fact_new){ .lane = 0, .kind = kind, .key = STR_NONE, .body = str_of(json) },
                  stored, &id);
    while (atomic_load(&id) == 0)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    if (!engine_fact_wait(w->engine, atomic_load(&id), APPLIED_MS, w->both->mem, &note, &refused))
        stop_test("%s was not applied\n", kind);
}

static void installation(struct world *w, const char *action)
{
    house_webhook(w, "webhook.installation",
                  arena_print(w->both->mem,
                              "{\"action\":\"%s\",\"installation\":{\"id\":5,\"account\":{\"login\":"
                              "\"acme\"},\"suspended_at\":%s},\"sender\":{\"login\":\"ana\",\"id\":7}}",
                              action, !strcmp(action, "suspend") ? "\"2026-01-01T00:00:00Z\"" : "null").ptr);
}

static void an_app_that_is_suspended_while_batches_are_held_sends_nothing(void **state)
{
    GIVEN(w, 1000, 30);
    open_pull(w, 7, 60);
    until(w, 1, STANDING);
    installation(w, "suspend");
    the_window_ends();
    nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
    assert_int_equal(forge.dispatches, 0);
    assert_int_equal(now_is(w, LEFT), 0);
    assert_int_equal(now_is(w, HELD), 1);
    installation(w, "unsuspend");
    until(w, 60, SENT);
    then_nothing_went_wrong(w, 60);
    world_stop(w);
}

static void a_removed_repository_gives_back_what_it_claimed(void **state)
{
    GIVEN(w, 1000, 100);
    forge.unreachable = true;
    open_pull(w, 7, 60);
    until(w, 60, LEFT);
    house_webhook(w, "webhook.installation_repositories",
                  "{\"action\":\"removed\",\"installation\":{\"id\":5,\"account\":{\"login\":\"acme\"}},"
                  "\"repositories_added\":[],\"repositories_removed\":[{\"id\":4711,\"name\":\"infra\","
                  "\"full_name\":\"acme/infra\"}],\"sender\":{\"login\":\"ana\",\"id\":7}}");
    until(w, 1, "select count(*) from repository where removed_ms is not null");
    until(w, 0, LEFT);
    world_stop(w);
}

static void odd_numbers_are_little_and_hold_nothing_for_ever(void **state)
{
    GIVEN(w, 5000, 5000);
    forge.nonsense = true;
    open_pull(w, 7, 60);
    until(w, 60, SENT);
    assert_int_equal(now_is(w, "select known from quota"), 0);
    open_pull(w, 8, 740);
    until(w, 1, STANDING);
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    assert_int_equal(forge.dispatches, 60);
    /* what was spent is forgotten after two hours; nobody answers with a sane word meanwhile */
    time_goes_by(2 * HOUR + 60000);
    until(w, 800, SENT);
    then_nothing_went_wrong(w, 800);
    world_stop(w);
}

static bool books_agree(struct world *w)
{
    int64_t checks = now_is(w, "select coalesce(sum(calls), 0) from spend where purpose = 'check'"),
            remaining = now_is(w, "select remaining from quota");
    pthread_mutex_lock(&w->mutex);
    bool agree = checks > 0 && checks == w->check_calls && remaining == forge.remaining;
    pthread_mutex_unlock(&w->mutex);
    return agree;
}

static void the_ledger_says_who_spent_what(void **state)
{
    GIVEN(w, 5000, 5000);
    open_pull(w, 7, 25);
    until(w, 25, SENT);
    until(w, 25, "select coalesce(sum(calls), 0) from spend where purpose = 'dispatch'");
    /* checks are told of meanwhile; sooner or later all that was called is in the books */
    int tries = 0;
    while (!books_agree(w) && tries++ < UNTIL_TRIES)
        world_moment();
    assert_true(tries < UNTIL_TRIES);
    assert_int_equal(now_is(w, "select calls from spend where purpose = 'read'"), 1);
    assert_int_equal(now_is(w, "select limit_count from quota"), 5000);
    world_stop(w);
}

/* ---- many, and servers that die ---------------------------------------------------------------- */

static void submitted(void *arg, enum fact_fate fate, int64_t id, const struct err *e)
{
    (void)fate;
    (void)id;
    atomic_fetch_add((atomic_int *)arg, e ? 1000000 : 1);
}

/* Orders of people, one stack each: all of them are held where there is no budget. */
static void order_many(struct world *w, int from, int count)
{
    atomic_int stored = 0;
    for (int i = from; i < from + count; i++)
        engine_submit(w->engine,
                      &(struct fact_new){ .lane = 1,
                                          .kind = "order",
                                          .key = STR_NONE,
                                          .actor = STR("tester"),
                                          .body = arena_print(w->both->mem,
                                                              "{\"order\":\"dispatch\",\"stack\":\"prod\","
                                                              "\"component\":\"m%d\",\"workflow\":"
                                                              "\"plan.yaml\",\"inputs\":{\"component\":\"m%d\","
                                                              "\"stack\":\"prod\"}}", i, i) },
                      submitted, &stored);
    while (atomic_load(&stored) < count)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void no_component_ran_twice(struct world *w)
{
    for (int i = 0; i < w->runs; i++)
        for (int k = 0; k < i; k++)
            if (!strcmp(w->run[i].component, w->run[k].component))
                stop_test("%s was dispatched twice\n", w->run[i].component);
}

static void five_hundred_at_one_reset(void **state)
{
    GIVEN(w, 600, 0);
    forge.remaining = 3;                        /* enough to be told that there is nothing */
    order_many(w, 0, 500);
    until(w, 500, HELD);
    until(w, 500, "select count(*) from claim where wanted = 1");
    assert_int_equal(forge.dispatches, 0);
    the_window_ends();
    /* What is kept back shrinks with what remains: how many go in this window depends on how often somebody looks. */
    for (int looks = 0; looks < 200 && now_is(w, SENT) < 500; looks++) {
        nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
        if (now_is(w, "select count(*) from claim where left_over > 0") == 0)
            the_window_ends();
    }
    until(w, 500, SENT);
    until(w, 0, HELD);
    until(w, 0, LEFT);
    assert_int_equal(now_is(w, "select sum(calls) from claim"), 500);
    no_component_ran_twice(w);
    then_nothing_went_wrong(w, 500);
    world_stop(w);
}

static void a_server_that_dies_again_and_again_grants_once(void **state)
{
    GIVEN(w, 400, 0);
    forge.remaining = 3;
    order_many(w, 0, 120);
    until(w, 120, HELD);
    world_crash(w);
    the_window_ends();
    for (int i = 0; i < 8; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 30000000L * (i % 4) }, NULL);
        if (i % 2)
            db_fault_after(3 + 7 * i);
        world_crash(w);
    }
    db_fault_after(0);
    until(w, 120, SENT);
    until(w, 0, LEFT);
    assert_int_equal(now_is(w, "select sum(calls) from claim"), 120);
    no_component_ran_twice(w);
    then_nothing_went_wrong(w, 120);
    world_stop(w);
}

/* Two servers on one database: one of them schedules, both send, nothing is given out twice. */
static void two_servers_have_one_scheduler(void **state)
{
    GIVEN(w, 400, 0);
    forge.remaining = 3;
    struct engine *other;
    struct err e = { 0 };
    struct engine_config c = { .database = w->both->url,
                               .workspace_id = STR("ws_test"),
                               .public_url = STR("https://box.example"),
                               .forge = &w->port,
                               .lease_ms = 10000,
                               .sweep_ms = 500,
                               .app_id = 99,
                               .bot_login = STR("signalbox[bot]") };
    good(w->both, engine_start(&c, &other, &e));
    order_many(w, 0, 100);
    until(w, 100, HELD);
    until(w, 1, "select count(*) from lane where id = -5 and owner is not null");
    the_window_ends();
    until(w, 100, SENT);
    until(w, 0, LEFT);
    assert_int_equal(now_is(w, "select sum(calls) from claim"), 100);
    assert_int_equal(now_is(w, "select count(*) from fact where kind = 'budget' and lane = 1"), 100);
    assert_true(forge.quota_reads <= 6);
    no_component_ran_twice(w);
    then_nothing_went_wrong(w, 100);
    engine_stop(other);
    world_stop(w);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        BOTH(what_fits_goes_and_its_claim_is_spent),
        BOTH(what_does_not_fit_is_held_whole_and_goes_by_itself_at_the_reset),
        BOTH(a_restart_remembers_what_was_sent_in_the_last_minute),
        BOTH(a_rate_limit_beside_another_hold_follows_the_quota),
        BOTH(a_rate_limit_beside_another_hold_ends_with_the_window),
        BOTH(what_is_cancelled_gives_its_claim_to_those_that_wait),
        BOTH(one_that_never_fits_goes_by_parts_when_somebody_agreed),
        BOTH(a_batch_that_is_limited_on_its_way_waits_and_goes_on),
        BOTH(an_app_that_is_suspended_while_batches_are_held_sends_nothing),
        BOTH(a_removed_repository_gives_back_what_it_claimed),
        BOTH(odd_numbers_are_little_and_hold_nothing_for_ever),
        BOTH(the_ledger_says_who_spent_what),
        BOTH(five_hundred_at_one_reset),
        BOTH(a_server_that_dies_again_and_again_grants_once),
        { "postgres: two_servers_have_one_scheduler", two_servers_have_one_scheduler, both_postgres,
          both_end, NULL },
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
