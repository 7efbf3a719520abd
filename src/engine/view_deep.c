/* What only an explanation asks for: calls under way, files still missing, slots, who stopped it. */
#include "engine/inside.h"
#include "engine/view_inside.h"
#include "store/feedback.h"
#include "store/rows.h"

/* ---- calls under way ------------------------------------------------------------------------- */

static bool deep_calls(const struct view *v, const struct batch_whole *w, struct node_view *n,
                       struct err *e)
{
    struct db_rows r;
    if (!w->b->by_state[NODE_DISPATCHING])
        return true;
    if (!db_query(v->db, v->mem, e, &r,
                  "select n.position, f.attempts, f.not_before_ms, f.note from node n join effect "
                  "f on f.lane = $1 and f.kind in ('dispatch', 'runner_dispatch') and f.key = n.run_id and f.state = 0 "
                  "where n.batch_seq = $2 and n.state = 'dispatching' order by n.position",
                  ARGS(A(v->repo.id), A(w->row.seq))))
        return false;
    for (size_t i = 0; i < r.count; i++) {
        int64_t at = row_i64(&r, i, 0);
        if (at < 0 || at >= w->count)
            continue;
        n[at].call_tries = row_i64(&r, i, 1);
        n[at].call_at_ms = row_i64(&r, i, 2);
        n[at].call_note = row_str(&r, i, 3);
    }
    return true;
}

/*
 * Runs that wait for the answer of their dispatch, in the whole repository; and, when they are as
 * many as may be, what is ready in batches that go first: applies before plans, then the newest.
 */
static bool deep_slots(const struct view *v, const struct batch_whole *w, struct batch_view *out,
                       struct err *e)
{
    struct db_rows r;
    if (!w->b->by_state[NODE_READY])
        return true;
    if (!db_query(v->db, v->mem, e, &r,
                  "select count(*) from run where repository_id = $1 and ended_ms is null and "
                  "state = 'dispatching'",
                  ARGS(A(v->repo.id))))
        return false;
    out->slots_busy = row_i64(&r, 0, 0);
    if (out->slots_busy < out->slots)
        return true;
    bool apply = str_eq(w->row.activity, STR("merged")) ||
                 !str_eq(w->row.event, STR("pull_request"));
    if (!db_query(v->db, v->mem, e, &r,
                  "select count(*) from node n join batch b on b.seq = n.batch_seq where "
                  "b.repository_id = $1 and b.state = 'running' and n.state = 'ready' and "
                  "n.not_before_ms <= $4 and b.seq <> $2 and case when b.activity = 'merged' or "
                  "b.event <> 'pull_request' then $3 = 0 or b.seq > $2 else $3 = 0 and b.seq > $2 "
                  "end",
                  ARGS(A(v->repo.id), A(w->row.seq), A((int64_t)apply), A(v->now_ms))))
        return false;
    out->ready_before = row_i64(&r, 0, 0);
    return true;
}

/* ---- workflow files -------------------------------------------------------------------------- */

static bool deep_file(const struct view *v, str ref, str file, struct file_view *out,
                      struct err *e)
{
    struct workflow_row w;
    struct db_rows r;
    bool found;
    *out = (struct file_view){ .name = file };
    if (!workflows_get(v->db, v->mem, v->repo.id, ref, file, &w, &found, e))
        return false;
    out->known = !workflow_name_ok(file) ||
                 (found && !w.stale && v->now_ms - w.read_ms < WORKFLOW_FRESH_MS);
    if (out->known)
        return true;
    if (!db_query(v->db, v->mem, e, &r,
                  "select note, created_ms, not_before_ms from effect where lane = $1 and kind = "
                  "'read_workflow' and key = $2 and state = 0",
                  ARGS(A(v->repo.id),
                       A(arena_print(v->mem, PRI_STR " " PRI_STR, FMT_STR(ref), FMT_STR(file))))))
        return false;
    if (r.count) {
        out->note = row_str(&r, 0, 0);
        out->since_ms = row_i64(&r, 0, 1);
        out->next_ms = row_i64(&r, 0, 2);
    }
    return true;
}

enum { FILES_SHOWN = 100 };

static bool deep_files(const struct view *v, const struct batch_whole *w, struct batch_view *out,
                       struct err *e)
{
    if (w->b->state != BATCH_PREPARING)
        return true;
    struct file_view *file = arena_make(v->mem, struct file_view, FILES_SHOWN);
    for (uint32_t i = 0; i < w->count && out->file_count < FILES_SHOWN; i++) {
        str name = w->node[i].workflow;
        bool known = name.len == 0;
        for (uint32_t k = 0; k < out->file_count && !known; k++)
            known = str_eq(file[k].name, name);
        if (!known && !deep_file(v, w->row.ref, name, &file[out->file_count++], e))
            return false;
    }
    out->file = file;
    return true;
}

/* ---- who stopped it -------------------------------------------------------------------------- */

/* What was done last to a batch or a node, by whom; in the words of the index audit_about. */
static bool last_act(const struct view *v, str target, const char *action, struct db_rows *out,
                     struct err *e)
{
    return db_query(v->db, v->mem, e, out,
                    "select actor, at_ms, description from audit where target_type in ('batch', "
                    "'node') and target = $1 and action = $2 order by seq desc limit 1",
                    ARGS(A(target), A(str_of(action))));
}

static bool deep_stopped(const struct view *v, const struct batch_whole *w, struct batch_view *out,
                         struct err *e)
{
    struct db_rows r;
    if (!w->b->cancelled)
        return true;
    if (!last_act(v, w->row.id, "cancelled", &r, e))
        return false;
    if (r.count) {
        out->stopped_by = row_str(&r, 0, 0);
        out->stopped_ms = row_i64(&r, 0, 1);
    }
    return true;
}

/* "vpc in prod: ended the lock by …": whose it was is known already. */
static str without_name(const struct view *v, const struct node_view *n, str description)
{
    str name = arena_print(v->mem, PRI_STR " in " PRI_STR ": ", FMT_STR(n->component),
                           FMT_STR(n->stack));
    return str_starts(description, name) ? str_sub(description, name.len, description.len)
                                         : description;
}

bool view_skip(const struct view *v, int64_t node, struct batch_view *b, struct err *e)
{
    struct db_rows r;
    str target = arena_print(v->mem, PRI_STR "/%lld", FMT_STR(b->id), (long long)node);
    if (!last_act(v, target, "node.wait_skipped", &r, e))
        return false;
    if (r.count) {
        b->skipped_by = row_str(&r, 0, 0);
        b->skipped_ms = row_i64(&r, 0, 1);
        b->skipped_what = without_name(v, &b->node[node], row_str(&r, 0, 2));
    }
    return true;
}

bool view_deep_batch(const struct view *v, const struct batch_whole *w, struct node_view *n,
                     struct batch_view *out, struct err *e)
{
    return deep_calls(v, w, n, e) && deep_slots(v, w, out, e) && deep_files(v, w, out, e) &&
           deep_stopped(v, w, out, e);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* "acme/infra/.github/workflows/atmos.yaml@refs/heads/main" */
static str file_of(str workflow_ref)
{
    str rest;
    return str_after_last(str_cut(workflow_ref, '@', &rest), '/');
}

static bool deep_uploader(const struct view *v, struct change_view *out, struct err *e)
{
    struct db_rows r;
    struct json session;
    struct err ignored = { 0 };
    if (!db_query(v->db, v->mem, e, &r,
                  "select session, received_ms from upload where repository_id = $1 order by "
                  "received_ms desc limit 1",
                  ARGS(A(v->repo.id))))
        return false;
    if (!r.count || !json_parse(v->mem, row_str(&r, 0, 0), 0, &session, &ignored))
        return true;
    out->uploader = file_of(json_str(json_get(session, STR("workflow_ref")), v->mem));
    out->uploader_ms = out->uploader.len ? row_i64(&r, 0, 1) : 0;
    return true;
}

bool view_deep_change(const struct view *v, const struct change_event *ev, size_t count,
                      struct change_view *out, struct err *e)
{
    struct event_view *to = arena_make(v->mem, struct event_view, count + 1);
    for (size_t i = count; i-- > 0;)
        to[out->event_count++] = (struct event_view){ .activity = ev[i].activity,
                                                      .head_sha = ev[i].head_sha,
                                                      .state = ev[i].state,
                                                      .note = ev[i].note,
                                                      .batch_id = ev[i].batch_id,
                                                      .at_ms = ev[i].at_ms,
                                                      .expires_ms = ev[i].expires_ms };
    out->event = to;
    return deep_uploader(v, out, e);
}
