/* What is stored survives, what is damaged is put aside, what is secret goes. */
#include "given.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/io.h"
#include "runner/journal.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct house { char dir[64]; struct journal journal; struct arena *mem; };

static void open_again(struct house *h)
{
    struct err e = { 0 };
    if (!journal_open(&h->journal, h->dir, &e))
        fail_msg("%s", e.text);
}

static int given_house(void **state)
{
    struct house *h = calloc(1, sizeof *h);
    memcpy(h->dir, "/tmp/signalbox-journal-XXXXXX", 30);
    h->mem = arena_new(64 << 20, 512 << 20);
    if (!mkdtemp(h->dir))
        return -1;
    open_again(h);
    *state = h;
    return 0;
}

static void remove_below(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char inner[512];
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR)
            remove_below(inner);
        else
            unlink(inner);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int house_gone(void **state)
{
    struct house *h = *state;
    journal_close(&h->journal);
    remove_below(h->dir);
    arena_free(h->mem);
    free(h);
    return 0;
}

static struct run *given_accepted(struct house *h, const char *id, int64_t sequence)
{
    struct variable variables[] = { { STR("password"), STR("hunter2 \"\n\\") } };
    struct dispatch d = { .run_id = str_of(id), .workflow = STR("w"), .stack = STR("prod"),
                          .callback_url = STR("https://p.example.com/x"),
                          .callback_token = STR(TOKEN_OF(RUN_1)), .expires_ms = NOW_MS + 1000,
                          .timeout_ms = 5000, .variables = variables, .variable_count = 1,
                          .dry_run = true };
    struct err e = { 0 };
    struct run *r = run_new(d.run_id, d.workflow, d.stack, STR(DIGEST));
    r->sequence = sequence;
    r->accepted_ms = NOW_MS;
    r->expires_ms = d.expires_ms;
    r->dry_run = true;
    if (!journal_accept(&h->journal, h->mem, r, &d, &e))
        fail_msg("%s", e.text);
    return r;
}

static void write_run(struct house *h, const struct run *r)
{
    struct err e = { 0 };
    if (!journal_write(&h->journal, h->mem, r, &e))
        fail_msg("%s", e.text);
}

static void loaded(struct house *h, struct queue *q)
{
    struct err e = { 0 };
    *q = (struct queue){ 0 };
    if (!journal_load(&h->journal, q, &e))
        fail_msg("%s", e.text);
}

static str path_in(struct house *h, const char *name)
{
    return arena_print(h->mem, "%s/%s", h->dir, name);
}

static bool exists(struct house *h, const char *name)
{
    return access(path_in(h, name).ptr, F_OK) == 0;
}

static void what_was_accepted_waits_again_in_its_order(void **state)
{
    struct house *h = *state;
    struct queue q;
    run_free(given_accepted(h, RUN_2, 8));
    run_free(given_accepted(h, RUN_1, 7));
    loaded(h, &q);
    assert_int_equal(q.count, 2);
    assert_string_equal(q.first->id, RUN_1);
    assert_string_equal(q.first->next->id, RUN_2);
    assert_true(q.sequence == 8);
    assert_int_equal(q.first->stage, RUN_QUEUED);
    assert_string_equal(q.first->digest, DIGEST);
    assert_string_equal(q.first->stack, "prod");
    assert_true(q.first->dry_run && q.first->accepted_ms == NOW_MS);
    queue_free(&q);
}

static void what_was_accepted_can_be_carried_out(void **state)
{
    struct house *h = *state;
    struct accepted a;
    struct err e = { 0 };
    run_free(given_accepted(h, RUN_1, 1));
    assert_true(journal_accepted(&h->journal, h->mem, STR(RUN_1), &a, &e));
    assert_str(a.d.callback_url, STR("https://p.example.com/x"));
    assert_str(a.d.callback_token, STR(TOKEN_OF(RUN_1)));
    assert_true(a.d.timeout_ms == 5000 && a.d.dry_run);
    assert_int_equal(a.d.variable_count, 1);
    assert_str(a.d.variables[0].value, STR("hunter2 \"\n\\"));
    assert_false(journal_accepted(&h->journal, h->mem, STR(RUN_2), &a, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void what_is_stored_is_for_the_runner_alone(void **state)
{
    struct house *h = *state;
    struct stat st;
    struct run *r = given_accepted(h, RUN_1, 1);
    write_run(h, r);
    run_free(r);
    static const struct { const char *path; unsigned mode; } row[] = {
        { "queue/" RUN_1 ".json", 0600 }, { "runs/" RUN_1 "/state.json", 0600 },
        { "runs/" RUN_1, 0700 }, { "queue", 0700 }, { "runs", 0700 },
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        assert_int_equal(stat(path_in(h, row[i].path).ptr, &st), 0);
        assert_int_equal(st.st_mode & 0777, row[i].mode);
    }
}

static void how_far_it_is_counts_more_than_that_it_waits(void **state)
{
    struct house *h = *state;
    struct queue q;
    struct run *r = given_accepted(h, RUN_1, 1);
    r->stage = RUN_STARTED;
    r->started_ms = NOW_MS + 5;
    write_run(h, r);
    run_free(r);
    loaded(h, &q);
    assert_int_equal(q.count, 1);
    assert_int_equal(q.first->stage, RUN_STARTED);
    assert_true(q.first->started_ms == NOW_MS + 5);
    assert_int_equal(q.by_stage[RUN_QUEUED], 0);
    assert_int_equal(q.by_stage[RUN_STARTED], 1);
    queue_free(&q);
}

static void an_outcome_waits_with_all_that_is_to_be_told(void **state)
{
    struct house *h = *state;
    struct queue q;
    struct run *r = given_accepted(h, RUN_1, 1);
    r->stage = RUN_ENDED;
    r->attempts = 3;
    r->outcome = (struct outcome){ .reason = RUN_SIGNAL, .has_exit_code = false,
                                   .started_ms = 1, .finished_ms = 2, .clone_ms = 3 };
    memcpy(r->outcome.signal, "SIGKILL", 8);
    memcpy(r->outcome.commit, "abc", 4);
    text_set(&r->outcome.error, STR("it went wrong"));
    text_set(&r->outcome.failed_step, STR("step1"));
    text_set(&r->outcome.tail, STR("the end\n"));
    write_run(h, r);
    run_free(r);
    loaded(h, &q);
    const struct outcome *o = &q.first->outcome;
    assert_int_equal(q.first->stage, RUN_ENDED);
    assert_true(q.first->attempts == 3 && !o->succeeded && !o->has_exit_code);
    assert_int_equal(o->reason, RUN_SIGNAL);
    assert_string_equal(o->signal, "SIGKILL");
    assert_string_equal(o->commit, "abc");
    assert_string_equal(o->error, "it went wrong");
    assert_string_equal(o->failed_step, "step1");
    assert_string_equal(o->tail, "the end\n");
    assert_true(o->started_ms == 1 && o->finished_ms == 2 && o->clone_ms == 3);
    queue_free(&q);
}

static bool says(struct house *h, const char *name, const char *what)
{
    str text;
    struct err e = { 0 };
    return io_read_file(h->mem, path_in(h, name).ptr, 1 << 20, &text, &e) &&
           str_has(text, str_of(what));
}

/* A crash between the two steps of closing it: what it was given goes at the next start. */
static void what_is_closed_keeps_no_secrets_over_a_restart(void **state)
{
    struct house *h = *state;
    struct queue q;
    struct run *r = given_accepted(h, RUN_1, 1), *other = given_accepted(h, RUN_2, 2);
    r->stage = RUN_CLOSED;
    other->stage = RUN_ENDED;           /* its callback is still to be made */
    write_run(h, r);
    write_run(h, other);
    run_free(r);
    run_free(other);
    loaded(h, &q);
    assert_int_equal(q.by_stage[RUN_CLOSED], 1);
    assert_false(exists(h, "queue/" RUN_1 ".json"));
    assert_true(says(h, "queue/" RUN_2 ".json", "hunter2"));
    queue_free(&q);
}

static void what_is_closed_is_known_without_its_secrets(void **state)
{
    struct house *h = *state;
    struct queue q;
    struct run *r = given_accepted(h, RUN_1, 1);
    assert_true(says(h, "queue/" RUN_1 ".json", "hunter2"));
    r->stage = RUN_CLOSED;
    r->callback = CALLBACK_DELIVERED;
    r->outcome.succeeded = true;
    text_set(&r->outcome.tail, STR("the end\n"));
    write_run(h, r);
    run_free(r);
    journal_forget(&h->journal, STR(RUN_1));
    journal_forget(&h->journal, STR(RUN_1));
    assert_false(exists(h, "queue/" RUN_1 ".json"));
    assert_false(says(h, "runs/" RUN_1 "/state.json", "hunter2"));
    assert_false(says(h, "runs/" RUN_1 "/state.json", SIGNATURE));
    assert_false(says(h, "runs/" RUN_1 "/state.json", "the end"));
    loaded(h, &q);
    assert_int_equal(q.first->stage, RUN_CLOSED);
    assert_int_equal(q.first->callback, CALLBACK_DELIVERED);
    assert_string_equal(q.first->digest, DIGEST);
    assert_true(q.first->outcome.succeeded);
    queue_free(&q);
    journal_remove(&h->journal, STR(RUN_1));
    assert_false(exists(h, "runs/" RUN_1));
}

static void damaged_files_are_put_aside(void **state)
{
    struct house *h = *state;
    static const char *const texts[] = { "", "{", "[]", "{\"runId\":\"x\"}", "\xff" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct err e = { 0 };
        struct queue q;
        assert_true(io_replace_file(path_in(h, "queue/" RUN_1 ".json").ptr, str_of(texts[i]), 0600,
                                    &e));
        run_free(given_accepted(h, RUN_2, 1));
        loaded(h, &q);
        assert_int_equal(q.count, 1);
        assert_string_equal(q.first->id, RUN_2);
        assert_true(exists(h, "queue/" RUN_1 ".json.damaged"));
        assert_false(exists(h, "queue/" RUN_1 ".json"));
        queue_free(&q);
    }
}

static void what_was_put_aside_goes_in_time(void **state)
{
    struct house *h = *state;
    struct err e = { 0 };
    struct queue q;
    int64_t now_ms = clock_utc_ms();
    run_free(given_accepted(h, RUN_2, 1));
    assert_true(io_replace_file(path_in(h, "queue/" RUN_1 ".json").ptr, STR("{"), 0600, &e));
    assert_int_equal(mkdir(path_in(h, "runs/" RUN_1).ptr, 0700), 0);
    assert_true(io_replace_file(path_in(h, "runs/" RUN_1 "/state.json").ptr, STR("{"), 0600, &e));
    loaded(h, &q);
    journal_prune(&h->journal, now_ms - 60000);         /* it is of this moment */
    assert_true(exists(h, "queue/" RUN_1 ".json.damaged"));
    assert_true(exists(h, "runs/" RUN_1 "/state.json.damaged"));
    journal_prune(&h->journal, now_ms + 60000);
    assert_false(exists(h, "queue/" RUN_1 ".json.damaged"));
    assert_false(exists(h, "runs/" RUN_1));
    assert_true(exists(h, "queue/" RUN_2 ".json"));
    queue_free(&q);
}

/* It had begun, whatever else is unknown: to begin again could do harm. */
static void a_run_whose_state_is_damaged_does_not_wait_again(void **state)
{
    struct house *h = *state;
    struct err e = { 0 };
    struct queue q;
    struct run *r = given_accepted(h, RUN_1, 1);
    r->stage = RUN_STARTED;
    write_run(h, r);
    run_free(r);
    const char *path = path_in(h, "runs/" RUN_1 "/state.json").ptr;
    assert_true(io_replace_file(path, STR("{\"runId\":\"" RUN_1 "\"}"), 0600, &e));
    loaded(h, &q);
    assert_int_equal(q.count, 1);
    assert_int_equal(q.first->stage, RUN_STARTED);
    assert_int_equal(q.by_stage[RUN_QUEUED], 0);
    queue_free(&q);
}

static void half_written_files_are_swept(void **state)
{
    struct house *h = *state;
    struct err e = { 0 };
    const char *half = "queue/" RUN_1 ".json.new-0011223344556677";
    assert_true(io_replace_file(path_in(h, half).ptr, STR("{\"callbackTok"), 0600, &e));
    journal_close(&h->journal);
    open_again(h);
    assert_false(exists(h, half));
}

static void a_folder_has_one_runner(void **state)
{
    struct house *h = *state;
    struct journal second;
    struct err e = { 0 };
    assert_false(journal_open(&second, h->dir, &e));
    assert_non_null(strstr(e.text, "another runner"));
    journal_close(&second);
}

static void a_job_lives_as_long_as_its_lock(void **state)
{
    struct house *h = *state;
    struct run *r = given_accepted(h, RUN_1, 1);
    write_run(h, r);
    run_free(r);
    assert_false(journal_job_lives(&h->journal, STR(RUN_1)));
    const char *path = journal_lock_path(&h->journal, h->mem, STR(RUN_1)).ptr;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_false(journal_job_lives(&h->journal, STR(RUN_1)));
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_true(journal_job_lives(&h->journal, STR(RUN_1)));
    close(fd);
    assert_false(journal_job_lives(&h->journal, STR(RUN_1)));
}

#define WITH_HOUSE(name) cmocka_unit_test_setup_teardown(name, given_house, house_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOUSE(what_was_accepted_waits_again_in_its_order),
        WITH_HOUSE(what_was_accepted_can_be_carried_out),
        WITH_HOUSE(what_is_stored_is_for_the_runner_alone),
        WITH_HOUSE(how_far_it_is_counts_more_than_that_it_waits),
        WITH_HOUSE(an_outcome_waits_with_all_that_is_to_be_told),
        WITH_HOUSE(what_is_closed_keeps_no_secrets_over_a_restart),
        WITH_HOUSE(what_is_closed_is_known_without_its_secrets),
        WITH_HOUSE(damaged_files_are_put_aside),
        WITH_HOUSE(what_was_put_aside_goes_in_time),
        WITH_HOUSE(a_run_whose_state_is_damaged_does_not_wait_again),
        WITH_HOUSE(half_written_files_are_swept),
        WITH_HOUSE(a_folder_has_one_runner),
        WITH_HOUSE(a_job_lives_as_long_as_its_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
