/* The writer: groups, bodies that fail in company, and visitors (work.h). */
#include "both.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/work.h"

static atomic_long flushes;     /* that have ended */

/* SQLite's and ours, counted. */
int fdatasync(int fd)
{
    int rc = (int)syscall(SYS_fdatasync, fd);
    atomic_fetch_add(&flushes, 1);
    return rc;
}

enum kind { WRITES, WRITES_AND_FAILS, FAILS_AT_ONCE };

struct one {
    enum kind   kind;
    int64_t     id;
    atomic_int  runs, over;             /* over: 1 done, 2 failed */
    pthread_t   ran_on;
    sem_t      *wait_for, *tell;        /* the body waits there, and says that it began */
};

static bool body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct one *x = arg;
    (void)mem;
    atomic_fetch_add(&x->runs, 1);
    x->ran_on = pthread_self();
    if (x->tell)
        sem_post(x->tell);
    if (x->wait_for)
        sem_wait(x->wait_for);
    if (x->kind != FAILS_AT_ONCE &&
        !db_exec(db, e, NULL, "insert into t (id) values ($1)", ARGS(A(x->id))))
        return false;
    return x->kind == WRITES || fail(e, ERR_CONFLICT, "as the test wants it");
}

static void done(void *arg, const struct err *e)
{
    struct one *x = arg;
    atomic_store(&x->over, e ? 2 : 1);
}

static struct work *begin(struct both *b)
{
    static const char *const tables[] = { "t" };
    struct work *w;
    run(b, "create table t (id bigint primary key)", NO_ARGS);
    struct db *db = b->db;
    if (db_kind(db) == DB_POSTGRES)     /* SQLite's only writer is the one that the test has */
        db = both_open(b, false);
    db_news_watch(db, tables, 1);
    good(b, work_start(db, &w, &b->e));
    return w;
}

/* Ends the writer, so that everything is over; afterwards the rows can be looked at. */
static void finish(struct both *b, struct work *w)
{
    work_stop(w);
    if (strncmp(b->url.ptr, "sqlite", 6) == 0)
        b->db = both_open(b, false);
}

/* Three in one group, which forms while the writer is kept busy by another. */
static void in_company(struct both *b, struct work *w, struct one three[3])
{
    sem_t begun, go_on;
    sem_init(&begun, 0, 0);
    sem_init(&go_on, 0, 0);
    struct one first = { .id = 100, .tell = &begun, .wait_for = &go_on };
    work_submit(w, body, done, &first);
    sem_wait(&begun);
    for (int i = 0; i < 3; i++)
        work_submit(w, body, done, &three[i]);
    sem_post(&go_on);
    finish(b, w);
    sem_destroy(&begun);
    sem_destroy(&go_on);
    assert_int_equal(first.over, 1);
}

static void what_failed_after_it_wrote_leaves_nothing_and_harms_nobody(void **state)
{
    struct both *b = *state;
    struct one three[3] = { { .id = 1 }, { .id = 2, .kind = WRITES_AND_FAILS }, { .id = 3 } };
    in_company(b, begin(b), three);
    assert_int_equal(three[0].over, 1);
    assert_int_equal(three[1].over, 2);
    assert_int_equal(three[2].over, 1);
    assert_int_equal(number(b, "select count(*) from t where id in (1, 3)", NO_ARGS), 2);
    assert_int_equal(number(b, "select count(*) from t where id = 2", NO_ARGS), 0);
}

static void what_failed_without_writing_makes_nobody_run_again(void **state)
{
    struct both *b = *state;
    struct one three[3] = { { .id = 1 }, { .kind = FAILS_AT_ONCE }, { .id = 3 } };
    in_company(b, begin(b), three);
    for (int i = 0; i < 3; i++)
        assert_int_equal(three[i].runs, 1);
    assert_int_equal(three[1].over, 2);
    assert_int_equal(number(b, "select count(*) from t where id in (1, 3)", NO_ARGS), 2);
}

/* A refused statement (the same key twice) is a failure like any other. */
static void a_refused_statement_harms_nobody(void **state)
{
    struct both *b = *state;
    struct one three[3] = { { .id = 1 }, { .id = 1 }, { .id = 3 } };
    in_company(b, begin(b), three);
    assert_int_equal(three[0].over, 1);
    assert_int_equal(three[1].over, 2);
    assert_int_equal(three[2].over, 1);
    assert_int_equal(number(b, "select count(*) from t where id in (1, 3)", NO_ARGS), 2);
}

static void a_visitor_runs_at_once_while_the_writer_rests(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    struct one good_one = { .id = 1 }, bad_one = { .id = 2, .kind = WRITES_AND_FAILS };
    work_submit_here(w, body, NULL, done, &good_one);
    assert_int_equal(good_one.over, 1);
    assert_true(pthread_equal(good_one.ran_on, pthread_self()));
    work_submit_here(w, body, NULL, done, &bad_one);      /* here or, after a slow disk, on the writer */
    finish(b, w);
    assert_int_equal(bad_one.over, 2);
    assert_int_equal(number(b, "select count(*) from t where id = 1", NO_ARGS), 1);
    assert_int_equal(number(b, "select count(*) from t", NO_ARGS), 1);
}

static void a_visitor_queues_while_the_writer_works(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    sem_t begun, go_on;
    sem_init(&begun, 0, 0);
    sem_init(&go_on, 0, 0);
    struct one first = { .id = 100, .tell = &begun, .wait_for = &go_on }, visitor = { .id = 1 };
    work_submit(w, body, done, &first);
    sem_wait(&begun);
    work_submit_here(w, body, NULL, done, &visitor);
    assert_int_equal(visitor.runs, 0);
    sem_post(&go_on);
    finish(b, w);
    sem_destroy(&begun);
    sem_destroy(&go_on);
    assert_int_equal(visitor.over, 1);
    assert_false(pthread_equal(visitor.ran_on, pthread_self()));
}

static void what_is_kept_goes_together(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    struct one three[3] = { { .id = 1 }, { .id = 2 }, { .id = 3 } };
    uint64_t commits, bodies;
    for (int i = 0; i < 3; i++)
        work_submit_soon(w, body, done, &three[i]);
    work_counts(w, &commits, &bodies);
    assert_int_equal(bodies, 0);
    work_submit_kept(w);
    struct one last = { .id = 4 };      /* behind them: what runs then has the counts of theirs */
    work_submit(w, body, done, &last);
    while (!atomic_load(&last.over))
        sched_yield();
    work_counts(w, &commits, &bodies);
    assert_true(commits <= 2);
    finish(b, w);
    assert_int_equal(number(b, "select count(*) from t", NO_ARGS), 4);
    for (int i = 0; i < 3; i++)
        assert_int_equal(three[i].over, 1);
}

/* The writer has work while the loop still reads. */
static void so_many_that_are_kept_go_unasked(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    struct one all[WORK_KEPT_MAX + 1] = { 0 };
    for (int i = 0; i <= WORK_KEPT_MAX; i++) {
        all[i].id = i + 1;
        work_submit_soon(w, body, done, &all[i]);
    }
    for (int i = 0; i < WORK_KEPT_MAX; i++)
        while (!atomic_load(&all[i].over))
            sched_yield();
    assert_int_equal(all[WORK_KEPT_MAX].runs, 0);
    work_submit_kept(w);
    finish(b, w);
    assert_int_equal(all[WORK_KEPT_MAX].over, 1);
    assert_int_equal(number(b, "select count(*) from t", NO_ARGS), WORK_KEPT_MAX + 1);
}

static void what_is_kept_when_the_writer_stops_is_told(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    struct one late = { .id = 1 };
    work_submit_soon(w, body, done, &late);
    finish(b, w);
    assert_int_equal(late.over, 2);
    assert_int_equal(number(b, "select count(*) from t", NO_ARGS), 0);
}

/* The lock of another program: the visitor's thread does not wait for it, the writer's does. */
static void a_visitor_does_not_wait_for_another_program(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    sqlite3 *other;
    assert_int_equal(sqlite3_open(arena_print(b->mem, "%s/test.db", b->dir).ptr, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "begin immediate", NULL, NULL, NULL), SQLITE_OK);
    struct one visitor = { .id = 1 };
    work_submit_here(w, body, NULL, done, &visitor);
    assert_int_equal(visitor.over, 0);
    assert_int_equal(sqlite3_exec(other, "rollback", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    finish(b, w);
    assert_int_equal(visitor.over, 1);
    assert_int_equal(number(b, "select count(*) from t", NO_ARGS), 1);
}

#define ON_SQLITE(f) { "sqlite:   " #f, f, both_sqlite, both_end, NULL }

/* ---- flushed on a thread of its own ---- */

struct apart {
    struct db  *db;
    int64_t     id;
    long        flushes_before;         /* when its statements ran */
    atomic_int  over;                   /* 1 done, 2 failed, 3 told before it was flushed */
};

static bool apart_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct apart *x = arg;
    (void)mem;
    x->db = db;
    x->flushes_before = atomic_load(&flushes);
    return db_exec(db, e, NULL, "insert into t (id) values ($1)", ARGS(A(x->id)));
}

static void apart_done(void *arg, const struct err *e)
{
    struct apart *x = arg;
    bool early = !e && db_kind(x->db) == DB_SQLITE && atomic_load(&flushes) <= x->flushes_before;
    atomic_store(&x->over, early ? 3 : e ? 2 : 1);
}

static int over_at_last(struct apart *x)
{
    for (int64_t until = clock_mono_ms() + 60000; !x->over && clock_mono_ms() < until;)
        usleep(1000);
    return atomic_load(&x->over);
}

/* With others in between, which are flushed at once. */
static void nobody_is_told_before_it_is_flushed(void **state)
{
    enum { JOBS = 600 };
    struct both *b = *state;
    struct work *w = begin(b);
    static struct apart jobs[JOBS];
    static struct one others[JOBS / 10];
    memset(jobs, 0, sizeof jobs);
    memset(others, 0, sizeof others);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].id = i;
        work_submit_apart(w, apart_body, apart_done, &jobs[i]);
        if (i % 10 == 3) {
            others[i / 10].id = 10000 + i;
            work_submit(w, body, done, &others[i / 10]);
        }
        if (i % 7 == 0)
            sched_yield();
    }
    finish(b, w);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(jobs[i].over, 1);
    for (int i = 0; i < JOBS / 10; i++)
        assert_int_equal(others[i].over, 1);
    assert_int_equal(number(b, "select count(*) from t", NO_ARGS), JOBS + JOBS / 10);
}

static void who_came_before_is_told_before(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    for (int i = 0; i < 50; i++) {
        struct apart before = { .id = i };
        struct one after = { .id = 1000 + i };
        work_submit_apart(w, apart_body, apart_done, &before);
        work_submit(w, body, done, &after);
        for (int64_t until = clock_mono_ms() + 60000; !after.over && clock_mono_ms() < until;)
            sched_yield();
        assert_int_equal(after.over, 1);
        assert_int_equal(before.over, 1);
    }
    finish(b, w);
}

/* ---- news ---- */

enum { NOTED = 600 };
struct noted { int64_t id; atomic_bool ran, told; atomic_int over; /* 1 done, 2 failed, 3 before the news */ };

static bool noted_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct noted *x = arg;
    (void)mem;
    x->ran = true;
    db_note(db, DB_NOTE_BATCH, x->id);
    return db_exec(db, e, NULL, "insert into t (id) values ($1)", ARGS(A(x->id)));
}

static void noted_done(void *arg, const struct err *e)
{
    struct noted *x = arg;
    atomic_store(&x->over, e ? 2 : x->told ? 1 : 3);
}

static void noted_told(void *arg, const struct db_news *news)
{
    struct noted *jobs = arg;
    for (size_t i = 0; i < news->count; i++)
        jobs[news->note[i].id].told = true;
    for (int i = 0; news->more && i < NOTED; i++)
        if (jobs[i].ran)
            jobs[i].told = true;
}

/* Groups that wait for the same flush among them. */
static void of_every_group_the_news_are_told_before_anybody_hears_that_it_is_done(void **state)
{
    static struct noted jobs[NOTED];
    struct both *b = *state;
    struct work *w = begin(b);
    work_on_news(w, &(struct work_news){ .told = noted_told, .arg = jobs });
    work_want_news(w, true);
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < NOTED; i++) {
        jobs[i].id = i;
        work_submit_apart(w, noted_body, noted_done, &jobs[i]);
        if (i % 3 == 0)
            usleep(50);
    }
    finish(b, w);
    for (int i = 0; i < NOTED; i++)
        assert_int_equal(jobs[i].over, 1);
}

static void healthy_at_last(struct work *w)
{
    char why[200];
    int64_t until = clock_mono_ms() + 60000;
    while (!work_healthy(w, why) && clock_mono_ms() < until)
        usleep(1000);
    assert_true(work_healthy(w, why));
}

/* What became of the first one is not known; everything after it is stored for good. */
static void after_a_flush_that_failed_the_log_is_copied_back_first(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    struct apart jobs[3] = { { .id = 1 }, { .id = 2 }, { .id = 3 } };
    struct one last = { .id = 4 };
    char why[200];
    db_fault_flush(true);
    for (int i = 0; i < 2; i++) {
        work_submit_apart(w, apart_body, apart_done, &jobs[i]);
        assert_int_equal(over_at_last(&jobs[i]), 2);
    }
    assert_false(work_healthy(w, why));
    db_fault_flush(false);
    healthy_at_last(w);                 /* by itself */
    work_submit_apart(w, apart_body, apart_done, &jobs[2]);
    assert_int_equal(over_at_last(&jobs[2]), 1);
    work_submit(w, body, done, &last);
    finish(b, w);
    assert_int_equal(last.over, 1);
    assert_int_equal(number(b, "select count(*) from t where id in (3, 4)", NO_ARGS), 2);
}

static void it_is_found_out_that_the_disk_is_back_though_nobody_asks(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    struct apart job = { .id = 1 };
    char why[200];
    db_fault_flush(true);
    work_submit_apart(w, apart_body, apart_done, &job);
    assert_int_equal(over_at_last(&job), 2);
    assert_false(work_healthy(w, why));
    db_fault_flush(false);
    healthy_at_last(w);
    finish(b, w);
}

struct visit { struct apart job; int ready; bool too_late; };

static bool visit_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct visit *x = arg;
    return apart_body(db, mem, &x->job, e);
}

static void visit_ready(void *arg)
{
    struct visit *x = arg;
    x->ready++;
    x->too_late = x->job.over || atomic_load(&flushes) > x->job.flushes_before;
}

static void visit_done(void *arg, const struct err *e)
{
    struct visit *x = arg;
    apart_done(&x->job, e);
}

static void a_visitor_makes_his_answer_before_the_flush_and_gives_it_afterwards(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    struct visit first = { .job.id = 1 }, again = { .job.id = 1 };
    work_submit_here(w, visit_body, visit_ready, visit_done, &first);
    assert_int_equal(first.job.over, 1);
    assert_int_equal(first.ready, 1);
    assert_false(first.too_late);
    work_submit_here(w, visit_body, visit_ready, visit_done, &again);      /* it is refused */
    finish(b, w);
    assert_int_equal(again.job.over, 2);
    assert_int_equal(again.ready, 0);
}

static void a_visitor_whose_flush_fails_is_told_so_though_his_answer_was_made(void **state)
{
    struct both *b = *state;
    struct work *w = begin(b);
    struct visit visit = { .job.id = 1 };
    struct one next = { .id = 2 };
    char why[200];
    db_fault_flush(true);
    work_submit_here(w, visit_body, visit_ready, visit_done, &visit);
    assert_int_equal(visit.ready, 1);
    assert_int_equal(visit.job.over, 2);
    assert_false(work_healthy(w, why));
    db_fault_flush(false);
    healthy_at_last(w);
    work_submit_here(w, body, NULL, done, &next);
    finish(b, w);
    assert_int_equal(next.over, 1);
    assert_int_equal(number(b, "select count(*) from t where id = 2", NO_ARGS), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_failed_after_it_wrote_leaves_nothing_and_harms_nobody),
        BOTH(what_failed_without_writing_makes_nobody_run_again),
        BOTH(a_refused_statement_harms_nobody),
        BOTH(what_is_kept_goes_together),
        BOTH(so_many_that_are_kept_go_unasked),
        BOTH(what_is_kept_when_the_writer_stops_is_told),
        BOTH(nobody_is_told_before_it_is_flushed),
        BOTH(who_came_before_is_told_before),
        BOTH(of_every_group_the_news_are_told_before_anybody_hears_that_it_is_done),
        BOTH(after_a_flush_that_failed_the_log_is_copied_back_first),
        BOTH(it_is_found_out_that_the_disk_is_back_though_nobody_asks),
        ON_SQLITE(a_visitor_runs_at_once_while_the_writer_rests),
        ON_SQLITE(a_visitor_makes_his_answer_before_the_flush_and_gives_it_afterwards),
        ON_SQLITE(a_visitor_whose_flush_fails_is_told_so_though_his_answer_was_made),
        ON_SQLITE(a_visitor_queues_while_the_writer_works),
        ON_SQLITE(a_visitor_does_not_wait_for_another_program),
    };
    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
