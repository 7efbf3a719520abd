/*
 * apply_webhook: deliveries of the forge, each read into a forge_event and decided on (atmos-pro.md
 * §10, forges.md §1.2).
 */
#include "base/log.h"
#include "domain/join.h"
#include "domain/settings_file.h"
#include "engine/inside.h"
#include "store/feedback.h"
#include "store/uploads.h"

static const char *kind_of(enum forge_event_kind k)
{
    return k == FORGE_RELEASE ? "release" : k == FORGE_MERGE_GROUP ? "merge_group" : "pull_request";
}

/* ---- what a closed or moved change means for its batches ------------------------------------- */

static bool stop_batches(struct step *s, int64_t change_id, str keep_head, bool cancel,
                         struct err *e)
{
    for (struct hot *h = s->lane->hot; h; h = h->next) {
        struct decisions d = { .mem = s->mem };
        if (h->row.change_id != change_id || h->b->state == BATCH_ENDED ||
            str_eq(h->row.head_sha, keep_head))
            continue;
        if (cancel)
            batch_cancel(h->b, s->now_ms, &d);
        else
            batch_supersede(h->b, s->lane->settings.cancel_superseded_runs != 0, s->now_ms, &d);
        if (!cancel && !h->row.superseded_by.len)
            h->row.superseded_by = STR("a newer head");
        if (!batch_carry_out(s, h, &d, e))
            return false;
    }
    return true;
}

/*
 * Advisory locks that sessions of this pull request, or of runs dispatched for it, took are
 * nobody's any more.
 */
static bool drop_locks(struct step *s, const struct change *c, struct err *e)
{
    str ref = arena_print(s->mem, "refs/pull/%lld/merge", (long long)c->number);
    int64_t changed = 0;
    if (!db_exec(
            s->db, e, &changed,
            "update lock set deleted_ms = $3, updated_ms = $3 where workspace_id = $1 and "
            "session_repository = $4 and deleted_ms is null and (session_ref = $2 or session_ref "
            "in (select 'run/' || cast(run.forge_run_id as text)"
            " from run join batch on batch.seq = run.batch_seq where batch.change_id = $5 and "
            "run.forge_run_id is not null))",
            ARGS(A(s->lane->repo.workspace_id), A(ref), A(s->now_ms), A(s->lane->id), A(c->id))))
        return false;
    if (changed)
        s->step_recheck = true;
    return changed == 0 ||
           step_audit(s, "lock", "deleted", "system", STR("signalbox"), STR("change"), c->key,
                      STR("locks of a closed pull request"), e);
}

/* ---- a change and its activity --------------------------------------------------------------- */

static struct change change_of(struct step *s, const struct forge_event *v)
{
    return (struct change){
        .repository_id = s->lane->id,
        .kind = str_of(kind_of(v->kind)),
        .key = v->key,
        .number = v->number,
        .title = v->title,
        .author = v->author,
        .url = v->url,
        .state = v->state.len ? v->state : STR("open"),
        .draft = v->draft,
        .from_fork = v->from_fork,
        .head_sha = v->head_sha,
        .head_ref = v->head_ref,
        .base_sha = v->base_sha,
        .base_ref = v->base_ref,
        .merge_sha = v->merge_sha,
        .merged_ms = v->merged_ms,
        .forge_updated_ms = v->at_ms,
    };
}

static bool seen_before(struct step *s, int64_t change_id, const struct forge_event *v, bool *seen,
                        struct err *e)
{
    struct change_event *old;
    size_t count;
    *seen = false;
    if (!change_events_of(s->db, s->mem, change_id, &old, &count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        *seen = *seen ||
                (str_eq(old[i].activity, v->activity) && str_eq(old[i].head_sha, v->head_sha) &&
                 (old[i].at_ms == v->at_ms || str_eq(v->activity, STR("merged")) ||
                  str_eq(v->activity, STR("checks_requested"))));
    return true;
}

/* The newest upload of the head that is complete or was joined already. */
static bool newest_upload(struct step *s, str head_sha, str *id, struct err *e)
{
    struct upload *u;
    size_t count;
    *id = STR_NONE;
    if (!uploads_of_head(s->db, s->mem, s->lane->id, head_sha, &u, &count, e))
        return false;
    for (size_t i = 0; i < count && !id->len; i++)
        if (str_eq(u[i].state, STR("complete")) || str_eq(u[i].state, STR("joined")))
            *id = u[i].id;
    return true;
}

static bool join_waiting_uploads(struct step *s, str head_sha, struct err *e)
{
    struct upload *u;
    size_t count;
    str note;
    if (!uploads_of_head(s->db, s->mem, s->lane->id, head_sha, &u, &count, e))
        return false;
    for (size_t i = count; i-- > 0;)
        if (str_eq(u[i].state, STR("complete")) && !apply_upload(s, u[i].id, false, &note, e))
            return false;
    return true;
}

/*
 * An activity like `labeled` or `closed`: nothing is uploaded for it, so what is known of the head
 * is used, if it configures anything.
 */
static bool quiet_activity(struct step *s, const struct change *c, struct change_event *ev,
                           str *note, struct err *e)
{
    str upload, batch_id = STR_NONE;
    if (!newest_upload(s, ev->head_sha, &upload, e))
        return false;
    if (!upload.len) {
        *note = STR("no upload for this head yet: nothing to do for this activity");
        return change_events_end(s->db, ev->id, STR("ignored"), STR_NONE, *note, e);
    }
    return batch_make(s, c, ev, upload, false, &batch_id, note, e);
}

/* The batch that `published` has made already when `released` comes, or the other way round. */
static bool batch_of_release(struct step *s, int64_t change_id, str *batch_id, struct err *e)
{
    struct change_event *old;
    size_t count;
    if (!change_events_of(s->db, s->mem, change_id, &old, &count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        if (str_eq(old[i].state, STR("joined")) && old[i].batch_id.len)
            *batch_id = old[i].batch_id;
    return true;
}

static bool take_activity(struct step *s, const struct change *c, const struct forge_event *v,
                          str *note, struct err *e)
{
    bool loud = join_brings_upload(v->activity), seen;
    struct change_event ev = {.change_id = c->id,
                              .activity = v->activity,
                              .head_sha = v->head_sha,
                              .at_ms = v->at_ms ? v->at_ms : s->now_ms,
                              .state = STR("waiting"),
                              .expires_ms =
                                  s->now_ms + s->lane->settings.event_wait_minutes * 60000};
    if (!v->activity.len || (!v->head_sha.len && v->kind != FORGE_RELEASE))
        return true;
    if (!seen_before(s, c->id, v, &seen, e))
        return false;
    if (seen) {
        *note = STR("this activity is known already");
        return true;
    }
    str batch_id = STR_NONE;
    if (v->kind == FORGE_RELEASE && !batch_of_release(s, c->id, &batch_id, e))
        return false;
    if (batch_id.len) {
        ev.state = STR("joined");
        ev.batch_id = batch_id;
        ev.note = STR("one release, one batch");
        *note = ev.note;
        return change_events_add(s->db, s->mem, &ev, &ev.id, e);
    }
    if (!change_events_add(s->db, s->mem, &ev, &ev.id, e))
        return false;
    step_dirty(s, c->id);
    if (c->from_fork && !s->lane->settings.fork_dispatch) {
        *note = STR("from a fork: its code would run with secrets (setting fork_dispatch)");
        return change_events_end(s->db, ev.id, STR("ignored"), STR_NONE, *note, e);
    }
    if (str_eq(c->kind, STR("pull_request")) && str_eq(c->state, STR("closed")) &&
        !str_eq(v->activity, STR("closed"))) {
        *note = STR("the pull request is closed");
        return change_events_end(s->db, ev.id, STR("ignored"), STR_NONE, *note, e);
    }
    if (!loud)
        return quiet_activity(s, c, &ev, note, e);
    step_wake_at(s, ev.expires_ms);
    *note = STR("waits for its upload");
    return join_waiting_uploads(s, v->head_sha, e);
}

bool apply_pull(struct step *s, const struct forge_event *v, str *note, struct err *e)
{
    struct change put = change_of(s, v), c, before;
    bool known;
    if (!v->key.len)
        return true;
    if (!changes_by_key(s->db, s->mem, s->lane->id, put.kind, put.key, &before, &known, e) ||
        !changes_put(s->db, s->mem, &put, s->now_ms, &c, e))
        return false;
    bool moved = known && v->kind == FORGE_PULL_REQUEST && !str_eq(before.head_sha, c.head_sha);
    bool closed = str_eq(c.state, STR("closed"));
    if (known && v->at_ms < before.forge_updated_ms && v->head_sha.len &&
        !str_eq(c.head_sha, v->head_sha)) {
        *note = STR("late: a newer state of this change is known");
        return true;
    }
    if (moved && (!changes_notice(s->db, c.id, STR(""), e) ||
                  !change_events_supersede(s->db, c.id, c.head_sha, e) ||
                  !stop_batches(s, c.id, c.head_sha, false, e)))
        return false;
    if (closed && str_eq(v->action, STR("closed")) &&
        (!change_events_supersede(s->db, c.id, STR(""), e) ||
         !stop_batches(s, c.id, STR(""), true, e)))
        return false;
    if (str_eq(v->action, STR("closed")) && str_eq(c.kind, STR("pull_request")) &&
        !drop_locks(s, &c, e))
        return false;
    /* A read tells of a merge whose webhook never came. */
    struct forge_event ev = *v;
    if (!ev.activity.len && str_eq(c.state, STR("merged")))
        ev.activity = STR("merged");
    else if (!ev.activity.len && !known)
        ev.activity = STR("opened");
    else if (!ev.activity.len && moved)
        ev.activity = STR("synchronize");
    if (!take_activity(s, &c, &ev, note, e) ||
        (moved && !change_pushed(s, &c, e)) ||
        (str_eq(c.state, STR("merged")) &&
         !holds_supersede(s, c.id, STR("the merge"), e)) ||
        !holds_look_again(s, c.id, e))
        return false;
    if (!str_eq(v->action, STR("read")))
        return true;
    /* Uploads of this head that were waiting for the forge's word. */
    struct upload *u;
    size_t count;
    if (!uploads_of_head(s->db, s->mem, s->lane->id, c.head_sha, &u, &count, e))
        return false;
    for (size_t i = count; i-- > 0;)
        if (str_eq(u[i].state, STR("complete")) && !apply_upload(s, u[i].id, true, note, e))
            return false;
    return true;
}

/* ---- the other events ------------------------------------------------------------------------ */

static const char not_dispatched[] = "not a dispatched run";
static const char files_stale[] =
    "workflow files of this ref are read again before the next dispatch";

static bool is_foreign(str run_event)
{
    return run_event.len && !str_eq(run_event, STR("workflow_dispatch"));
}

static str branch_of(str ref)
{
    return str_starts(ref, STR("refs/heads/")) ? str_sub(ref, 11, ref.len) : ref;
}

void webhook_rest(struct arena *mem, str event, struct json payload, struct fact_rest *out)
{
    *out = (struct fact_rest){ 0 };
    if (str_eq(event, STR("push"))) {
        str ref = json_str(json_get(payload, STR("ref")), mem);
        str usual = json_str(json_path(payload, "repository.default_branch"), mem);
        bool settings = str_eq(branch_of(ref), usual) && settings_file_touched(mem, payload);
        if (ref.len && !settings)
            *out = (struct fact_rest){ str_of(files_stale), branch_of(ref) };
    } else if (str_eq(event, STR("workflow_run"))) {
        struct json run = json_get(payload, STR("workflow_run"));
        if (json_i64_or(json_get(run, STR("id")), 0) > 0 &&
            is_foreign(json_str(json_get(run, STR("event")), mem)))
            out->note = str_of(not_dispatched);
    }
}

static bool apply_run(struct step *s, const struct forge_event *v, str *note, struct err *e)
{
    struct run_news n = {.run_id = v->run_id,
                         .attempt = v->run_attempt ? v->run_attempt : 1,
                         .state = v->run_state,
                         .conclusion = v->conclusion,
                         .title = v->run_title,
                         .path = v->run_path,
                         .url = v->url,
                         .created_ms = v->run_created_ms,
                         .started_ms = v->run_started_ms,
                         .updated_ms = v->at_ms};
    if (is_foreign(v->run_event)) {
        *note = str_of(not_dispatched);
        return true;
    }
    return run_heard(s, &n, note, e);
}

/*
 * GitHub's own re-run buttons on our check: the failed ones again, or everything when nothing
 * failed.
 */
static bool apply_rerun(struct step *s, const struct forge_event *v, str *note, struct err *e)
{
    struct db_rows r;
    struct hot *h;
    str why;
    if (!db_query(s->db, s->mem, e, &r,
                  "select seq from batch where repository_id = $1 and head_sha = $2 order by seq "
                  "desc limit 1",
                  ARGS(A(s->lane->id), A(v->head_sha))))
        return false;
    if (r.count == 0) {
        *note = STR("no batch for this head");
        return true;
    }
    if (!hot_get(s, db_at(&r, 0, 0)->i, &h, e))
        return false;
    if (!h->row.started_ms) {
        *note = STR("the batch never started: push again, or re-run the workflow that uploads");
        return true;
    }
    if (!holds_again(s, h, &why, e))
        return false;
    if (why.len) {
        *note = arena_print(s->mem, "nothing of the batch was sent, and it would be held: " PRI_STR,
                            FMT_STR(why));
        return true;
    }
    struct decisions d = { .mem = s->mem };
    uint32_t again = batch_retry(h->b, s->now_ms, &d);
    for (uint32_t i = 0; again == 0 && h->b->state == BATCH_ENDED && i < h->count; i++)
        if (h->b->node[i].state == NODE_SUCCEEDED)
            batch_step(h->b,
                       (struct node_message){.event = NODE_RERUN, .node = i, .now_ms = s->now_ms},
                       &d);
    *note = arena_print(s->mem, "asked for again by " PRI_STR, FMT_STR(v->sender));
    return batch_carry_out(s, h, &d, e) &&
           step_audit(s, "workflow", "rerun", "user", v->sender, STR("batch"), h->row.id,
                      STR("re-run asked for on GitHub"), e);
}

static bool apply_push(struct step *s, const struct forge_event *v, struct json payload, str *note,
                       struct err *e)
{
    bool settings = str_eq(branch_of(v->ref), s->lane->repo.default_branch) &&
                    settings_file_touched(s->mem, payload);
    *note = str_of(files_stale);
    return workflows_stale(s->db, s->lane->id, branch_of(v->ref), e) &&
           (!settings || settings_file_want(s, e));
}

static bool apply_repository(struct step *s, const struct forge_event *v, str *note, struct err *e)
{
    *note = STR("repository brought up to date");
    if (!db_exec(s->db, e, NULL,
                 "update repository set owner = $2, name = $3, default_branch = case when $4 = '' "
                 "then default_branch else $4 end, removed_ms = case when $5 = 1 then $6 else "
                 "removed_ms end where id = $1",
                 ARGS(A(s->lane->id), A(v->repo.owner), A(v->repo.name),
                      A(v->repo.default_branch.ptr ? v->repo.default_branch : STR("")),
                      A((int64_t)str_eq(v->action, STR("deleted"))), A(s->now_ms))))
        return false;
    bool found;
    str before = s->lane->repo.default_branch;
    return lanes_repo(s->db, s->lane->mem, s->lane->id, &s->lane->repo, &found, e) &&
           (str_eq(before, s->lane->repo.default_branch) || settings_file_want(s, e));
}

bool apply_webhook(struct step *s, const struct fact *f, str body, str *note, struct err *e)
{
    struct forge_event v;
    struct json payload;
    if (!json_parse(s->mem, body, 0, &payload, e))
        return false;
    github_event_read(s->mem, str_sub(f->kind, STR("webhook.").len, f->kind.len), payload,
                      s->en->config.app_id, s->en->config.bot_login, &v);
    *note = STR("nothing to do");
    if (s->lane->id == 0)
        return apply_house(s, &v, note, e);
    switch (v.kind) {
    case FORGE_PULL_REQUEST:
    case FORGE_RELEASE:
        return apply_pull(s, &v, note, e);
    case FORGE_MERGE_GROUP:
        return str_eq(v.action, STR("destroyed")) || apply_pull(s, &v, note, e);
    case FORGE_RUN:
        return apply_run(s, &v, note, e);
    case FORGE_RERUN_ASKED:
        return apply_rerun(s, &v, note, e);
    case FORGE_PUSH:
        return apply_push(s, &v, payload, note, e);
    case FORGE_REPOSITORY:
        return apply_repository(s, &v, note, e);
    case FORGE_INSTALLATION:
    case FORGE_INSTALLATION_REPOS:
        return apply_house(s, &v, note, e);
    case FORGE_COMMENT:
        return apply_comment(s, &v, note, e);
    case FORGE_IGNORED:
    case FORGE_PING:
    case FORGE_DEPLOYMENT_REVIEW:
        break;
    }
    return true;
}
