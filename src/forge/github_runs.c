/*
 * Workflow runs: dispatch, search, read, cancel, again (forges.md §2.5, atmos-pro.md §10.3).
 */
#include "base/rfc3339.h"
#include "forge/inside.h"

enum { FIND_BACK_MS = 2 * 60 * 1000 };

/* ---- dispatch ---- */

static bool wants_details(const struct job *j)
{
    return str_eq(j->g->api_version, STR("2022-11-28")) && !j->g->no_run_details && !j->phase;
}

static str dispatch_body(struct job *j)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, j->mem, (size_t)4 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("ref"), j->call.ref);
    json_key(&w, STR("inputs"));
    json_begin_object(&w);
    for (size_t i = 0; i < j->call.input_count; i++)
        json_field_str(&w, j->call.inputs[i].name, j->call.inputs[i].value);
    json_end_object(&w);
    if (wants_details(j))
        json_field_bool(&w, STR("return_run_details"), true);
    json_end_object(&w);
    return buf_ok(&b) ? buf_str(&b) : STR_NONE;
}

static void dispatch_take(struct job *j, const struct reply *r)
{
    /*
     * What was sent counts, not what another dispatch has learnt since: a forge that names the flag
     * was sent it.
     */
    bool refuses_flag = (r->status == 400 || r->status == 422) && !j->phase &&
                        str_has(r->message, STR("return_run_details"));
    if (refuses_flag) {         /* an older GHES: once more without */
        j->phase = 1;
        begin_dispatch(j);
        return;
    }
    if (!reply_ok(r)) {
        job_refused(j, r);
        return;
    }
    if (j->phase)
        j->g->no_run_details = true;
    int64_t id = github_id(json_get(r->body, STR("workflow_run_id")), r->mem);
    result_begin(j);
    if (id) {
        json_field_i64(&j->out, STR("run_id"), id);
        str url = json_str(json_get(r->body, STR("html_url")), r->mem);
        json_field_str(&j->out, STR("url"), url.ptr ? url : STR(""));
    }
    result_end(j);
}

void begin_dispatch(struct job *j)
{
    str body = dispatch_body(j);
    str file = address_escape(j->mem, j->call.file, false);
    if (!body.ptr) {
        job_fail(j, FORGE_REFUSED, 0, STR("the inputs are larger than GitHub takes"));
        return;
    }
    job_send(j, HTTP_POST,
             address_repo(j, "/actions/workflows/" PRI_STR "/dispatches", FMT_STR(file)), body,
             dispatch_take);
}

/* ---- reading ---- */

static const char *const state_names[] = {
    [FORGE_RUN_QUEUED] = "queued", [FORGE_RUN_WAITING] = "waiting",
    [FORGE_RUN_IN_PROGRESS] = "in_progress", [FORGE_RUN_COMPLETED] = "completed",
};

static void run_fields(struct job *j, struct arena *mem, struct json run,
                       const struct forge_event *v)
{
    struct json_out *w = &j->out;
    str actor = json_str(json_path(run, "actor.login"), mem);
    json_field_i64(w, STR("id"), v->run_id);
    json_field_i64(w, STR("attempt"), v->run_attempt);
    json_field_str(w, STR("state"), str_of(state_names[v->run_state]));
    json_field_str(w, STR("conclusion"), v->conclusion);
    json_field_str(w, STR("title"), v->run_title);
    json_field_str(w, STR("path"), v->run_path);
    json_field_str(w, STR("event"), v->run_event);
    json_field_str(w, STR("url"), v->url);
    json_field_i64(w, STR("created_ms"), clock_ours_ms(j->g, v->run_created_ms));
    json_field_i64(w, STR("started_ms"), clock_ours_ms(j->g, v->run_started_ms));
    json_field_i64(w, STR("updated_ms"), clock_ours_ms(j->g, v->at_ms));
    json_field_str(w, STR("actor"), actor.ptr ? actor : STR(""));
}

static void run_take(struct job *j, const struct reply *r)
{
    struct forge_event v = { .kind = FORGE_RUN };
    if (!reply_ok(r)) {
        job_refused(j, r);
        return;
    }
    github_run_read(r->mem, r->body, &v);
    github_event_blank(&v);
    if (!v.run_id) {
        job_garbage(j, r->status, "a run");
        return;
    }
    result_begin(j);
    run_fields(j, r->mem, r->body, &v);
    result_end(j);
}

void begin_read_run(struct job *j)
{
    job_send(j, HTTP_GET, address_repo(j, "/actions/runs/%lld", (long long)j->call.run_id),
             STR_NONE, run_take);
}

/* ---- searching ----
 *
 * "Not listed" leads to a second dispatch, so a list that may be incomplete is never taken for an
 * answer. GitHub lists the newest first and gives at most 1,000 of a search: what is older is asked
 * for by another search, up to the oldest that was seen. */

static bool find_item(struct job *j, struct arena *mem, struct json v)
{
    struct forge_event run = { .kind = FORGE_RUN };
    github_run_read(mem, v, &run);
    github_event_blank(&run);
    if (run.run_created_ms && (!j->oldest_ms || run.run_created_ms < j->oldest_ms))
        j->oldest_ms = run.run_created_ms;
    bool other_event = run.run_event.len && !str_eq(run.run_event, STR("workflow_dispatch"));
    if (!run.run_id || other_event)
        return true;
    json_begin_object(&j->out);
    run_fields(j, mem, v, &run);
    json_end_object(&j->out);
    return true;
}

static void find_page(struct job *j, int64_t until_ms);

static void find_end(struct job *j, bool more)
{
    bool all = j->seen >= j->total, further = j->oldest_ms && j->oldest_ms != j->found;
    if (!more && all) {
        list_finish(j, false);
    } else if (!more && further && j->pages < PAGES_MAX) {
        j->found = j->oldest_ms;
        j->seen = 0;
        find_page(j, j->oldest_ms);
    } else {
        job_fail(j, FORGE_NOT_SENT, 200,
                 STR("GitHub lists more runs than can be read at once; asked again later"));
    }
}

static bool find_missing(struct job *j, const struct reply *r);

static const struct job_list find_list = {
    .name = STR_INIT("runs"), .array = STR_INIT("workflow_runs"), .item = find_item,
    .missing = find_missing, .end = find_end,
};

static void find_page(struct job *j, int64_t until_ms)
{
    int64_t from_ms = j->call.since_ms + j->g->ahead_ms;
    int64_t since_ms = from_ms > FIND_BACK_MS ? from_ms - FIND_BACK_MS : 0;
    str since = rfc3339_write(j->mem, since_ms), until = rfc3339_write(j->mem, until_ms);
    str created = until_ms
                      ? arena_print(j->mem, PRI_STR ".." PRI_STR, FMT_STR(since), FMT_STR(until))
                      : arena_print(j->mem, ">=" PRI_STR, FMT_STR(since));
    str file = j->call.file.len ? arena_print(j->mem, "/workflows/" PRI_STR,
                                              FMT_STR(address_escape(j->mem, j->call.file, false)))
                                : STR("");
    list_begin(j, &find_list,
               address_repo(j,
                            "/actions" PRI_STR "/runs?event=workflow_dispatch&created=" PRI_STR
                            "&per_page=%d&exclude_pull_requests=true",
                            FMT_STR(file), FMT_STR(address_escape(j->mem, created, false)),
                            PAGE_SIZE));
}

/* The workflow was deleted after it was dispatched: its runs are still among all of them. */
static bool find_missing(struct job *j, const struct reply *r)
{
    if (r->status != 404 || !j->call.file.len)
        return false;
    j->call.file = STR("");
    find_page(j, 0);
    return true;
}

static void find_take_clock(struct job *j, const struct reply *r) { find_page(j, 0); }

/* By a clock that is not ours: without knowing it, a run could be missed and sent twice. */
void begin_find_runs(struct job *j)
{
    if (j->g->clock_known)
        find_page(j, 0);
    else
        job_send(j, HTTP_GET, STR("/rate_limit"), STR_NONE, find_take_clock);
}

/* ---- effects on runs ---- */

static void cancel_take(struct job *j, const struct reply *r)
{
    if (reply_ok(r) || r->status == 409)        /* it has ended already: what was wanted */
        job_ok(j, STR("{}"));
    else
        job_refused(j, r);
}

void begin_cancel_run(struct job *j)
{
    job_send(j, HTTP_POST, address_repo(j, "/actions/runs/%lld/cancel", (long long)j->call.run_id),
             STR("{}"), cancel_take);
}

static void rerun_take(struct job *j, const struct reply *r)
{
    if (reply_ok(r))
        job_ok(j, STR("{}"));
    else
        job_refused(j, r);
}

void begin_rerun(struct job *j)
{
    job_send(j, HTTP_POST, address_repo(j, "/actions/runs/%lld/rerun", (long long)j->call.run_id),
             STR("{}"), rerun_take);
}
