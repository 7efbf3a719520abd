#include "world.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/pack.h"
#include "base/rfc3339.h"
#include "base/scope.h"
#include "store/uploads.h"

const char *const workflow_usual =
    "name: plan\nrun-name: plan ${{ inputs.component }}/${{ inputs.stack }}/${{ "
    "inputs.atmos_pro_run_id }}\n"
    "on:\n  workflow_dispatch:\n    inputs:\n      component: {required: true, type: string}\n"
    "      stack: {required: true, type: string}\n      sha: {type: string}\n      "
    "atmos_pro_run_id: {type: string}\n"
    "jobs:\n  plan:\n    runs-on: ubuntu-latest\n    steps: []\n";

/* vpc → eks → app, and dns alone. */
const char *const world_chain =
    "[" WORLD_NODE("vpc", WORLD_NODE("eks", WORLD_NODE("app", ""))) "," WORLD_NODE("dns", "") "]";
const char *const world_pull_session =
    "{\"event_name\":\"pull_request\",\"ref\":\"refs/pull/7/merge\",\"run_id\":\"501\"}";
const char *const world_merge_session =
    "{\"event_name\":\"pull_request\",\"ref\":\"refs/heads/main\",\"run_id\":\"777\"}";

/* ---- the forge in memory ---- */

static str input(const struct forge_call *c, const char *name)
{
    for (size_t i = 0; i < c->input_count; i++)
        if (str_eq(c->inputs[i].name, str_of(name)))
            return c->inputs[i].value;
    return STR("");
}

static struct pretend_run *make_run(struct world *w, const struct forge_call *c)
{
    struct pretend_run *r = &w->run[w->runs++];
    r->id = 9000 + w->runs;
    str id = input(c, "atmos_pro_run_id"), component = input(c, "component"),
        stack = input(c, "stack");
    snprintf(r->run_id, sizeof r->run_id, PRI_STR, FMT_STR(id));
    snprintf(r->component, sizeof r->component, PRI_STR, FMT_STR(component));
    snprintf(r->stack, sizeof r->stack, PRI_STR, FMT_STR(stack));
    snprintf(r->file, sizeof r->file, PRI_STR, FMT_STR(c->file));
    snprintf(r->title, sizeof r->title, "plan " PRI_STR "/" PRI_STR "%s" PRI_STR, FMT_STR(component), FMT_STR(stack),
             w->title_has_id ? "/" : "", FMT_STR(w->title_has_id ? id : STR("")));
    return r;
}

static void dispatch(struct world *w, struct arena *mem, const struct forge_call *c,
                     struct forge_answer *a)
{
    enum mood mood = w->mood_left > 0 ? w->mood : KIND;
    w->mood_left--;
    w->dispatch_calls++;
    a->outcome = FORGE_OK;
    if (mood == LOSES_ANSWER_BEFORE || mood == LOSES_ANSWER_AFTER)
        a->outcome = FORGE_LOST;
    else if (mood == UNREACHABLE)
        a->outcome = FORGE_NOT_SENT;
    else if (mood == LIMITS)
        a->outcome = FORGE_LIMITED;
    else if (mood == REFUSES)
        a->outcome = FORGE_REFUSED;
    a->message = STR("as the test says");
    if (mood == LIMITS)
        a->not_before_ms = engine_now_ms(w->engine) + 300;
    if (mood != KIND && mood != LOSES_ANSWER_AFTER)
        return;
    struct pretend_run *r = make_run(w, c);
    if (w->fault_after_dispatch) {
        w->fault_after_dispatch = false;
        /* of all that the database is asked now, storing this answer fails */
        db_fault_at("insert into fact");
    }
    if (mood == KIND && w->answers_run_id)
        a->result = arena_print(mem, "{\"run_id\":%lld,\"url\":\"https://forge/runs/%lld\"}", (long long)r->id, (long long)r->id);
}

static void list_runs(struct world *w, struct arena *mem, struct forge_answer *a)
{
    struct buf b;
    buf_init(&b, mem, 8 << 20);
    buf_add(&b, STR("{\"runs\":["));
    for (int i = 0; i < w->runs; i++)
        buf_print(&b,
                  "%s{\"id\":%lld,\"attempt\":1,\"state\":\"queued\",\"conclusion\":\"\",\"title\":"
                  "\"%s\",\"path\":\"%s\","
                  "\"event\":\"workflow_dispatch\",\"url\":\"u\",\"created_ms\":%lld,\"started_"
                  "ms\":0,\"updated_ms\":0}",
                  i ? "," : "", (long long)w->run[i].id, w->run[i].title, w->run[i].file,
                  (long long)engine_now_ms(w->engine));
    buf_add(&b, STR("]}"));
    a->result = buf_str(&b);
    w->find_calls++;
}

static void read_file(struct world *w, struct arena *mem, const struct forge_call *c,
                      struct forge_answer *a)
{
    bool settings = str_ends(c->path, STR("signalbox.yaml"));
    const char *text = settings ? w->settings_file : w->workflow_text;
    struct buf b;
    struct json_out j;
    buf_init(&b, mem, 1 << 20);
    json_out_init(&j, &b);
    json_begin_object(&j);
    json_field_bool(&j, STR("found"), text != NULL);
    if (text) {
        json_field_str(&j, STR("blob"), STR("b10b"));
        json_field_str(&j, STR("text"), str_of(text));
        json_field_str(&j, STR("etag"), STR("e"));
    }
    json_end_object(&j);
    a->result = buf_str(&b);
}

/* ---- the page of a pull request ---- */

static int our_comment(const struct world *w, str marker)
{
    for (int i = 0; i < w->comments; i++)
        if (w->comment[i].by_us && !w->comment[i].deleted && str_has(str_of(w->comment[i].text), marker))
            return i;
    return -1;
}

static int add_comment(struct world *w, bool by_us)
{
    if (w->comments == COMMENTS_MAX)
        stop_test("more than %d comments\n", COMMENTS_MAX);
    w->comment[w->comments].by_us = by_us;
    return w->comments++;
}

static void put_comment(struct world *w, struct arena *mem, const struct forge_call *c,
                        struct forge_answer *a)
{
    int i = (int)(c->object - COMMENT_FIRST);
    w->comment_calls++;
    snprintf(w->last_comment, sizeof w->last_comment, PRI_STR, FMT_STR(c->text));
    if (i >= 0 && i < w->comments && w->comment[i].deleted)
        w->gone_edits++;
    if (!c->object || i < 0 || i >= w->comments || w->comment[i].deleted)
        i = our_comment(w, c->marker);
    if (i < 0)
        i = add_comment(w, true);
    snprintf(w->comment[i].text, sizeof w->comment[i].text, PRI_STR, FMT_STR(c->text));
    a->result = arena_print(mem, "{\"id\":%d}", COMMENT_FIRST + i);
    if (w->comment_lost > 0) {
        w->comment_lost--;
        a->outcome = FORGE_LOST;
    }
}

static void tell_permission(struct world *w, struct arena *mem, const struct forge_call *c,
                            struct forge_answer *a)
{
    w->permission_calls++;
    a->outcome = FORGE_NOT_FOUND;
    for (int i = 0; i < PEOPLE_MAX && w->person[i].login; i++)
        if (str_eq(c->login, str_of(w->person[i].login))) {
            a->outcome = FORGE_OK;
            a->result = arena_print(mem, "{\"permission\":\"%s\",\"role\":\"%s\",\"user_id\":1}",
                                    w->person[i].permission, w->person[i].permission);
        }
    if (w->permission_left-- <= 0)
        return;
    a->result = STR("{}");
    a->message = STR("as the test says");
    a->outcome = w->permission_mood == LIMITS        ? FORGE_LIMITED
               : w->permission_mood == UNREACHABLE   ? FORGE_NOT_SENT
               : w->permission_mood == REFUSES       ? FORGE_NO_ACCESS
                                                     : FORGE_LOST;
    if (w->permission_mood == LIMITS)
        a->not_before_ms = engine_now_ms(w->engine) + 300;
}

static bool is_late(struct world *w, struct arena *mem, const struct forge_call *c,
                    const struct forge_answer *a, forge_done *done, void *ctx)
{
    if (c->kind != FORGE_PUT_COMMENT || !w->answers_late)
        return false;
    struct json v = { 0 };
    struct err e = { 0 };
    if (w->backs == BACK_MAX || !json_parse(mem, a->result, 0, &v, &e))
        stop_test("too many late answers\n");
    w->back[w->backs++] = (struct pretend_answer){ done, ctx, json_i64_or(json_get(v, STR("id")), 0) };
    return true;
}

void world_answer(struct world *w)
{
    struct pretend_answer back[BACK_MAX];
    pthread_mutex_lock(&w->mutex);
    int backs = w->backs;
    memcpy(back, w->back, sizeof back);
    w->backs = 0;
    w->answers_late = false;
    pthread_mutex_unlock(&w->mutex);
    for (int i = 0; i < backs; i++) {
        char result[40];
        snprintf(result, sizeof result, "{\"id\":%lld}", (long long)back[i].id);
        struct forge_answer a = { .outcome = FORGE_OK, .status = 200, .result = str_of(result),
                                  .message = STR("") };
        back[i].done(back[i].ctx, &a);
    }
}

void world_comment(struct world *w, const char *action, int comment, const char *sender,
                   const char *before, const char *guid)
{
    struct buf b;
    struct json_out j;
    const struct pretend_comment *c = &w->comment[comment];
    buf_init(&b, w->both->mem, 1 << 20);
    json_out_init(&j, &b);
    json_begin_object(&j);
    json_field_str(&j, STR("action"), str_of(action));
    json_field_raw(&j, STR("issue"), STR("{\"number\":7,\"title\":\"Change 7\",\"pull_request\":{\"url\":\"u\"}}"));
    json_key(&j, STR("comment"));
    json_begin_object(&j);
    json_field_i64(&j, STR("id"), COMMENT_FIRST + comment);
    json_field_str(&j, STR("body"), str_of(c->text));
    json_field_str(&j, STR("updated_at"), rfc3339_write(w->both->mem, engine_now_ms(w->engine)));
    json_field_raw(&j, STR("user"), c->by_us ? STR("{\"login\":\"signalbox[bot]\",\"id\":2}")
                                             : STR("{\"login\":\"somebody\",\"id\":3}"));
    json_end_object(&j);
    if (before) {
        json_key(&j, STR("changes"));
        json_begin_object(&j);
        json_key(&j, STR("body"));
        json_begin_object(&j);
        json_field_str(&j, STR("from"), str_of(before));
        json_end_object(&j);
        json_end_object(&j);
    }
    json_field_raw(&j, STR("repository"), STR("{\"id\":4711,\"name\":\"infra\",\"full_name\":\"acme/infra\",\"owner\":{\"login\":\"acme\"}}"));
    json_field_raw(&j, STR("installation"), STR("{\"id\":5}"));
    json_key(&j, STR("sender"));
    json_begin_object(&j);
    json_field_str(&j, STR("login"), str_of(sender));
    json_field_i64(&j, STR("id"), 4);
    json_end_object(&j);
    json_end_object(&j);
    world_webhook(w, "issue_comment", guid, arena_copy(w->both->mem, buf_str(&b)).ptr);
}

int world_writes(struct world *w, const char *sender, const char *text)
{
    pthread_mutex_lock(&w->mutex);
    int i = add_comment(w, false);
    snprintf(w->comment[i].text, sizeof w->comment[i].text, "%s", text);
    pthread_mutex_unlock(&w->mutex);
    world_comment(w, "created", i, sender, NULL, NULL);
    return i;
}

/* False: there is no such control that is not ticked. */
static bool tick(struct world *w, const char *marker, int *comment, str *before)
{
    int i = *comment = our_comment(w, STR("<!-- signalbox:change:7 -->"));
    char *at = i < 0 ? NULL : strstr(w->comment[i].text, marker);
    while (at && at > w->comment[i].text && strncmp(at, "- [ ]", 5) != 0)
        at--;
    if (!at || strncmp(at, "- [ ]", 5) != 0)
        return false;
    *before = arena_copy(w->both->mem, str_of(w->comment[i].text));
    at[3] = 'x';
    return true;
}

void world_tick(struct world *w, const char *order, const char *sender, const char *guid)
{
    str marker = arena_print(w->both->mem, "<!-- signalbox:%s", order), before = STR("");
    int i = -1;
    until_so(w, tick(w, marker.ptr, &i, &before));
    world_comment(w, "edited", i, sender, before.ptr, guid);
}

static void call(void *self, const struct forge_call *c, forge_done *done, void *ctx)
{
    struct world *w = self;
    SCOPED(arena) struct arena *mem = arena_new(64 << 20, 256 << 20);
    struct forge_answer a = {
        .outcome = FORGE_OK, .status = 200, .result = STR("{}"), .message = STR("")};
    pthread_mutex_lock(&w->mutex);
    if (c->kind == FORGE_DISPATCH)
        dispatch(w, mem, c, &a);
    else if (c->kind == FORGE_FIND_RUNS)
        list_runs(w, mem, &a);
    else if (c->kind == FORGE_READ_FILE && w->files_away)
        a.outcome = FORGE_NOT_SENT;
    else if (c->kind == FORGE_READ_FILE)
        read_file(w, mem, c, &a);
    else if (c->kind == FORGE_PUT_CHECK) {
        w->check_calls++;
        snprintf(w->last_check, sizeof w->last_check, PRI_STR, FMT_STR(c->body));
        a.result = STR("{\"id\":71}");
    } else if (c->kind == FORGE_PUT_COMMENT) {
        put_comment(w, mem, c, &a);
    } else if (c->kind == FORGE_PERMISSION) {
        tell_permission(w, mem, c, &a);
    } else if (c->kind == FORGE_REVIEW) {
        w->review_calls++;
        snprintf(w->last_review, sizeof w->last_review, PRI_STR, FMT_STR(c->review));
        a.result = STR("{\"id\":73}");
    } else if (c->kind == FORGE_CANCEL_RUN)
        w->cancel_calls++;
    else if (c->kind == FORGE_READ_COMMIT)
        a.result = arena_print(mem, "{\"sha\":\"x\",\"tree\":\"%s\"}",
                               str_eq(c->ref, STR("3e46e")) && w->merge_tree ? w->merge_tree
                                                                             : "same");
    else if (c->kind == FORGE_READ_PULL && w->pull_json)
        a.result = str_of(w->pull_json);
    else if (c->kind == FORGE_READ_PULL || c->kind == FORGE_READ_RUN)
        a.outcome = FORGE_NOT_FOUND;
    bool late = is_late(w, mem, c, &a, done, ctx);
    pthread_mutex_unlock(&w->mutex);
    if (!late)
        done(ctx, &a);
}

/* ---- the engine ---- */

static bool furnish(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    (void)mem;
    (void)arg;
    return db_exec(db, e, NULL,
                   "insert into workspace (id, name, created_ms) values ('ws_test', 'test', 1) on "
                   "conflict (id) do nothing",
                   NO_ARGS) &&
           db_exec(db, e, NULL,
                   "insert into repository (workspace_id, forge_id, host, owner, name, "
                   "installation_id, created_ms)"
                   " values ('ws_test', 4711, 'github.com', 'acme', 'infra', 5, 1) on conflict "
                   "(workspace_id, forge, forge_id) do nothing",
                   NO_ARGS);
}

static bool try_start(struct world *w, struct err *e)
{
    struct engine_config c = {.database = w->both->url,
                              .workspace_id = STR("ws_test"),
                              .public_url = STR("https://box.example"),
                              .forge = &w->port,
                              .runner = w->runner.call ? &w->runner : NULL,
                              .seal_key = w->key,
                              .callback_key = w->key,
                              .lease_ms = 10000,
                              .sweep_ms = 500,
                              .silent_ms = 60000,
                              .find_settle_ms = 4000,
                              .app_id = 99,
                              .bot_login = STR("signalbox[bot]")};
    if (!engine_start(&c, &w->engine, e))
        return false;
    if (!engine_write_wait(w->engine, furnish, NULL, e)) {
        engine_stop(w->engine);
        w->engine = NULL;
        return false;
    }
    engine_poke(w->engine, 1);
    return true;
}

/* A server that could not start because the database failed is started again. */
static void start(struct world *w)
{
    struct err e = { 0 };
    bool armed = db_fault_armed();
    if (try_start(w, &e))
        return;
    if (!armed || db_fault_armed())
        stop_test("engine: %s\n", e.text);
    err_clear(&e);
    if (!try_start(w, &e))
        stop_test("engine, at the second start: %s\n", e.text);
}

void world_start(struct world *w, struct both *b)
{
    world_start_with(w, b, (struct runner_port){ 0 });
}

void world_start_with(struct world *w, struct both *b, struct runner_port runner)
{
    memset(w, 0, sizeof *w);
    w->both = b;
    w->runner = runner;
    db_close(b->db);
    b->db = NULL;
    pthread_mutex_init(&w->mutex, NULL);
    w->title_has_id = w->answers_run_id = true;
    w->workflow_text = workflow_usual;
    w->port = (struct forge_port){ .self = w, .call = call };
    start(w);
}

/* Their engine is gone: nobody will ever hear of them. */
static void forget_late(struct world *w)
{
    for (int i = 0; i < w->backs; i++)
        free(w->back[i].ctx);
    w->backs = 0;
    w->answers_late = false;
}

void world_stop(struct world *w)
{
    engine_stop(w->engine);
    forget_late(w);
    w->engine = NULL;
    pthread_mutex_destroy(&w->mutex);
}

void world_crash(struct world *w)
{
    engine_stop(w->engine);
    forget_late(w);
    start(w);
}

bool world_start_fails(struct world *w, int64_t nth)
{
    struct err e = { 0 };
    engine_stop(w->engine);
    forget_late(w);
    w->engine = NULL;
    db_fault_after(nth);
    bool ok = try_start(w, &e);
    db_fault_after(0);
    if (!ok && e.code != ERR_STORAGE)
        stop_test("%s\n", e.text);
    return !ok;
}

int64_t now_is(struct world *w, const char *sql)
{
    struct err e = { 0 };
    struct db_rows r;
    struct db *db = engine_read(w->engine, &e);
    if (!db || !db_query_(db, w->both->mem, &e, &r, sql, NULL, 0))
        stop_test("%s: %s\n", sql, e.text);
    engine_read_done(w->engine, db);
    return r.count ? db_at(&r, 0, 0)->i : -1;
}

str world_text(struct world *w, const char *sql)
{
    struct err e = { 0 };
    struct db_rows r;
    struct db *db = engine_read(w->engine, &e);
    if (!db || !db_query_(db, w->both->mem, &e, &r, sql, NULL, 0))
        stop_test("%s: %s\n", sql, e.text);
    engine_read_done(w->engine, db);
    return r.count ? db_at(&r, 0, 0)->s : STR("");
}

void world_moment(void) { nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL); }

void until_(struct world *w, int64_t want, const char *sql, const char *file, int line)
{
    int64_t got = 0;
    for (int i = 0; i < UNTIL_TRIES; i++) {
        got = now_is(w, sql);
        if (got == want)
            return;
        world_moment();
    }
    print_error("%s: got %lld, want %lld\n", sql, (long long)got, (long long)want);
    print_error(
        "facts set aside: " PRI_STR "\n",
        FMT_STR(world_text(w, "select coalesce(max(note), 'none') from fact where state = 2")));
    _fail(file, line);
}

void world_rests(struct world *w)
{
    struct arena *all = w->both->mem;
    w->both->mem = arena_new(1 << 20, 1 << 24);
    for (int tries = 0;; tries++) {
        str sql = arena_print(w->both->mem,
                              "select (select count(*) from fact where state = 0) + (select count(*) "
                              "from effect where state = 0 and not_before_ms <= %lld)",
                              (long long)engine_now_ms(w->engine));
        if (now_is(w, sql.ptr) == 0)
            break;
        if (tries == UNTIL_TRIES)
            stop_test("it never comes to rest\n");
        arena_reset(w->both->mem);
        world_moment();
    }
    arena_free(w->both->mem);
    w->both->mem = all;
}

static void fact_stored(void *arg, enum fact_fate fate, int64_t id, const struct err *e)
{
    int64_t *out = arg;
    __atomic_store_n(out, e ? -2 : fate == FACT_DUPLICATE ? -1 : id, __ATOMIC_SEQ_CST);
}

static int64_t submit(struct world *w, const struct fact_new *f)
{
    int64_t id = 0;
    engine_submit(w->engine, f, fact_stored, &id);
    while (__atomic_load_n(&id, __ATOMIC_SEQ_CST) == 0)
        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
    return id;
}

static void submit_and_wait(struct world *w, const struct fact_new *f)
{
    int64_t id = submit(w, f);
    str note;
    bool refused;
    if (id > 0 && !engine_fact_wait(w->engine, id, APPLIED_MS, w->both->mem, &note, &refused))
        stop_test("fact %lld was not applied\n", (long long)id);
}

void world_webhook(struct world *w, const char *event, const char *guid, const char *json)
{
    const char *kind = arena_print(w->both->mem, "webhook.%s", event).ptr;
    str key =
        guid ? str_of(guid) : arena_print(w->both->mem, "guid-%lld", (long long)++w->next_delivery);
    struct fact_new f = { .lane = 1, .kind = kind, .key = key, .body = str_of(json) };
    struct json payload;
    struct err ignored = { 0 };
    if (json_parse(w->both->mem, f.body, 0, &payload, &ignored))
        webhook_rest(w->both->mem, str_of(event), payload, &f.rest);
    submit_and_wait(w, &f);
}

void world_pull(struct world *w, const char *action, int number, const char *head, bool merged,
                int64_t at_s)
{
    bool closed = !strcmp(action, "closed");
    char at[32];
    struct tm tm;
    time_t t = (time_t)(1795000000 + at_s);
    gmtime_r(&t, &tm);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm);
    str json = arena_print(
        w->both->mem,
        "{\"action\":\"%s\",\"number\":%d,\"pull_request\":{\"id\":1,\"number\":%d,\"state\":\"%"
        "s\",\"draft\":%s,\"merged\":%s,"
        "\"merged_at\":%s%s%s,\"title\":\"Change "
        "%d\",\"html_url\":\"https://forge/pull/%d\",\"user\":{\"login\":\"ana\",\"id\":7},"
        "\"updated_at\":\"%s\",\"merge_commit_sha\":%s,\"head\":{\"sha\":\"%s\",\"ref\":"
        "\"topic\",\"repo\":{\"id\":4711}},"
        "\"base\":{\"sha\":\"ba5e\",\"ref\":\"main\",\"repo\":{\"id\":4711}}},\"repository\":{"
        "\"id\":4711,\"name\":\"infra\","
        "\"full_name\":\"acme/"
        "infra\",\"owner\":{\"login\":\"acme\"},\"default_branch\":\"main\"},\"installation\":{"
        "\"id\":5},"
        "\"sender\":{\"login\":\"ana\",\"id\":7}}",
        action, number, number, closed ? "closed" : "open", w->draft ? "true" : "false",
        merged ? "true" : "false",
        merged ? "\"" : "", merged ? at : "null", merged ? "\"" : "", number, number, at,
        merged ? "\"3e46e\"" : "null", head);
    world_webhook(w, "pull_request", NULL, json.ptr);
}

struct settings_job { const char *json, *more; };

static bool settings_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct settings_job *x = arg;
    (void)mem;
    if (x->json && !db_exec(db, e, NULL, "update repository set settings = $1 where id = 1",
                            ARGS(A(str_of(x->json)))))
        return false;
    return !x->more || db_exec_(db, e, NULL, x->more, NO_ARGS);
}

void world_settings(struct world *w, const char *json, const char *more)
{
    struct err e = { 0 };
    struct settings_job x = { json, more };
    if (!engine_write_wait(w->engine, settings_body, &x, &e))
        stop_test("settings: %s\n", e.text);
    engine_settings_changed(w->engine, 1);
}

#define WORKFLOW(file) \
    "{\"workflows\":{\"" file "\":{\"inputs\":{\"component\":\"{{ .atmos_component }}\",\"stack\":\"{{ " \
    ".atmos_stack }}\"}}}}"

const char *world_stacks(struct world *w, int count)
{
    struct buf b;
    buf_init(&b, w->both->mem, 64 << 20);
    for (int i = 0; i < count; i++)
        buf_print(&b,
                  "%s{\"component\":\"c%d\",\"stack\":\"prod\",\"settings\":{\"pro\":{\"enabled\":true,"
                  "\"pull_request\":{\"opened\":" WORKFLOW("plan.yaml") ",\"synchronize\":" WORKFLOW("plan.yaml")
                  ",\"merged\":" WORKFLOW("apply.yaml") "}}},\"dependents\":[]}",
                  i ? "," : "[", i);
    buf_add(&b, count ? STR("]") : STR("[]"));
    return arena_z(w->both->mem, buf_str(&b));
}

struct upload_job { struct world *w; const char *id, *head, *session, *stacks; int64_t fact; };

static bool upload_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct upload_job *x = arg;
    enum fact_fate fate;
    str body = arena_print(mem, "{\"upload\":\"%s\"}", x->id);
    return db_exec(db, e, NULL,
                   "insert into upload (id, repository_id, head_sha, base_sha, state, session, "
                   "body, received_ms)"
                   " values ($1, 1, $2, 'ba5e', 'complete', $3, $4, $5)",
                   ARGS(A(str_of(x->id)), A(str_of(x->head)), A(str_of(x->session)),
                        arg_blob(pack(mem, arena_print(mem, "[%s]", x->stacks))),
                        A(engine_now_ms(x->w->engine)))) &&
           engine_store_fact(x->w->engine, db, mem,
                             &(struct fact_new){.lane = 1, .kind = "upload.affected", .body = body},
                             &fate, &x->fact, e);
}

void world_upload(struct world *w, const char *id, const char *head, const char *session,
                  const char *stacks)
{
    struct err e = { 0 };
    struct upload_job x = { w, id, head, session, stacks, 0 };
    str note;
    bool refused;
    if (!engine_write_wait(w->engine, upload_body, &x, &e))
        stop_test("upload: %s\n", e.text);
    engine_poke(w->engine, 1);
    if (!engine_fact_wait(w->engine, x.fact, APPLIED_MS, w->both->mem, &note, &refused))
        stop_test("the upload was not applied\n");
}

void world_run_webhook(struct world *w, int run, const char *status, const char *conclusion,
                       int attempt)
{
    const struct pretend_run *r = &w->run[run];
    str at = rfc3339_write(w->both->mem, engine_now_ms(w->engine));
    str json = arena_print(w->both->mem,
                           "{\"action\":\"%s\",\"workflow_run\":{\"id\":%lld,\"run_number\":1,"
                           "\"run_attempt\":%d,\"event\":\"workflow_dispatch\","
                           "\"status\":\"%s\",\"conclusion\":%s%s%s,\"head_branch\":\"main\","
                           "\"head_sha\":\"abc\",\"display_title\":\"%s\","
                           "\"path\":\".github/workflows/%s\",\"html_url\":\"https://forge/runs/"
                           "%lld\",\"created_at\":\"%s\","
                           "\"run_started_at\":\"%s\",\"updated_at\":\"%s\"},"
                           "\"repository\":{\"id\":4711,\"name\":\"infra\",\"full_name\":\"acme/"
                           "infra\",\"owner\":{\"login\":\"acme\"}},"
                           "\"installation\":{\"id\":5},\"sender\":{\"login\":\"x\",\"id\":1}}",
                           !strcmp(status, "completed") ? "completed" : "in_progress",
                           (long long)r->id, attempt, status, conclusion ? "\"" : "",
                           conclusion ? conclusion : "null", conclusion ? "\"" : "", r->title,
                           r->file, (long long)r->id, at.ptr, at.ptr, at.ptr);
    world_webhook(w, "workflow_run", NULL, json.ptr);
}

str world_fact(struct world *w, const char *kind, const char *json, bool *refused)
{
    int64_t id = submit(w, &(struct fact_new){
                               .lane = 1, .kind = kind, .body = str_of(json), .actor = STR("tester")});
    str note = STR("");
    if (!engine_fact_wait(w->engine, id, APPLIED_MS, w->both->mem, &note, refused))
        stop_test("the %s was not applied\n", kind);
    return note;
}

str world_order(struct world *w, const char *json, bool *refused)
{
    return world_fact(w, "order", json, refused);
}
