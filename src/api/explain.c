/*
 * Explanations: why a batch, a node or a pull request stands as it does. Read from the rows on a
 * reading connection, like everything else that is read; the words are domain/explain.h's.
 */
#include "api/call.h"

#include "domain/explain.h"
#include "engine/view.h"

/* Of one explanation: fifty thousand nodes with their rows are more than a request may take. */
#define EXPLAIN_SOFT_BYTES ((size_t)1 << 30)
#define EXPLAIN_HARD_BYTES ((size_t)4 << 30)

/* What is explained. */
struct subject {
    struct arena      *mem;
    struct view        v;
    struct change      change;
    struct change_view cv;
    struct batch_view  bv;
    const char        *kind;
    int64_t            position;        /* of a node */
    bool               has_batch;
};

static void put_change(struct json_out *w, const struct subject *s)
{
    const struct change *c = &s->change;
    json_key(w, STR("change"));
    json_begin_object(w);
    json_field_str(w, STR("kind"), str_of(change_kind_name(s->cv.kind)));
    json_key(w, STR("number"));
    if (c->number)
        json_put_i64(w, c->number);
    else
        json_put_null(w);
    json_field_str(w, STR("title"), c->title.ptr ? c->title : STR(""));
    json_field_str(w, STR("state"), c->state.ptr ? c->state : STR(""));
    json_field_bool(w, STR("draft"), c->draft);
    json_field_str(w, STR("headSha"), c->head_sha.ptr ? c->head_sha : STR(""));
    json_end_object(w);
}

static void put_batch(struct json_out *w, const struct subject *s)
{
    const struct batch_view *b = &s->bv;
    json_key(w, STR("batch"));
    if (!s->has_batch) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    json_field_str(w, STR("id"), b->id);
    json_field_str(w, STR("activity"), b->activity);
    json_field_str(w, STR("headSha"), b->head_sha);
    json_field_str(w, STR("state"), str_of(b->state));
    json_field_str(w, STR("verdict"), strcmp(b->verdict, "none") ? str_of(b->verdict) : STR(""));
    json_field_str(w, STR("url"), b->url);
    json_end_object(w);
}

static void put_node(struct json_out *w, const struct subject *s)
{
    json_key(w, STR("node"));
    if (s->position < 0) {
        json_put_null(w);
        return;
    }
    const struct node_view *n = &s->bv.node[s->position];
    json_begin_object(w);
    json_field_i64(w, STR("position"), s->position);
    json_field_str(w, STR("component"), n->component);
    json_field_str(w, STR("stack"), n->stack);
    json_field_str(w, STR("workflow"), n->workflow);
    json_field_str(w, STR("state"), str_of(node_state_name(n->state)));
    json_end_object(w);
}

static void answer(struct call *c, const struct subject *s, const struct reasons *r)
{
    struct json_out *w = &c->data;
    json_begin_object(w);
    json_field_str(w, STR("kind"), str_of(s->kind));
    json_field_str(w, STR("repository"), s->cv.repository);
    put_change(w, s);
    put_batch(w, s);
    put_node(w, s);
    json_field_time(w, STR("asOf"), c->now_ms);
    json_field_raw(w, STR("reasons"), reasons_json(s->mem, r));
    json_end_object(w);
}

static bool open_view(struct call *c, struct db *db, int64_t repository_id, struct subject *s)
{
    s->position = -1;
    return view_open(&s->v, db, s->mem, c->api->config.public_url, repository_id, c->now_ms,
                     &c->err);
}

/* ---- a batch, and a node of it --------------------------------------------------------------- */

static bool see_batch(struct call *c, struct db *db, struct subject *s)
{
    struct query q = { .workspace_id = c->who.workspace_id,
                       .repository_id = c->who.repository_id };
    struct batch_row row;
    int64_t seq, repository_id, nodes;
    bool found;
    if (!query_batch_key(db, c->mem, &q, c->path[0], &seq, &repository_id, &nodes, &found, &c->err))
        return false;
    if (!found)
        return fail(&c->err, ERR_NOT_FOUND,
                    "there is no such batch in the workspace, or the token does not cover it");
    if (!open_view(c, db, repository_id, s) ||
        !batches_by_seq(db, s->mem, seq, &row, &found, &c->err) ||
        !changes_get(db, s->mem, row.change_id, &s->change, &found, &c->err))
        return false;
    s->has_batch = true;
    /* Its change, without the batches of it: they may be large, and only this one is asked for. */
    return view_change_alone(&s->v, &s->change, &s->cv, &c->err) &&
           view_batch(&s->v, &s->change, &row, &s->bv, &c->err);
}

static bool node_at(struct call *c, struct subject *s, str position)
{
    if (s->bv.count && str_to_i64(position, 0, s->bv.count - 1, &s->position))
        return true;
    s->position = -1;
    return fail(&c->err, ERR_NOT_FOUND, "the batch has no node " PRI_STR ": it has %u, counted from 0",
                FMT_STR(str_sub(position, 0, 20)), s->bv.count);
}

/* ?component=…&stack=… (&workflow=…): the node of an instance, instead of its position. */
static bool node_named(struct call *c, struct subject *s)
{
    str stack, component, workflow;
    uint32_t found = 0;
    if (!query_text(c, "stack", &stack) || !query_text(c, "component", &component) ||
        !query_text(c, "workflow", &workflow))
        return false;
    if (!stack.len && !component.len && !workflow.len)
        return true;
    if (!stack.len || !component.len)
        return fail(&c->err, ERR_INVALID, "%s is missing: an instance is a component in a stack",
                    stack.len ? "component" : "stack");
    for (uint32_t i = 0; i < s->bv.count; i++) {
        const struct node_view *n = &s->bv.node[i];
        if (!str_eq(n->stack, stack) || !str_eq(n->component, component) ||
            (workflow.len && !str_eq(n->workflow, workflow)))
            continue;
        s->position = i;
        found++;
    }
    if (found == 0)
        return fail(&c->err, ERR_NOT_FOUND, "the batch has no such node");
    return found == 1 ||
           fail(&c->err, ERR_INVALID,
                "the batch has %u nodes of this instance: name the workflow too", found);
}

static bool see_skip(struct call *c, struct subject *s)
{
    return s->position < 0 || view_skip(&s->v, s->position, &s->bv, &c->err);
}

static bool see_node_named(struct call *c, struct db *db, struct subject *s)
{
    return see_batch(c, db, s) && node_named(c, s) && see_skip(c, s);
}

static bool see_node_at(struct call *c, struct db *db, struct subject *s)
{
    return see_batch(c, db, s) && node_at(c, s, c->path[1]) && see_skip(c, s);
}

/* ---- a pull request -------------------------------------------------------------------------- */

static bool see_pull(struct call *c, struct db *db, struct subject *s)
{
    struct repository repo;
    int64_t number;
    bool found = false;
    if (!call_find_repository(c, db, c->path[0], &repo) ||
        (str_to_i64(c->path[1], 1, INT64_MAX, &number) &&
         !changes_by_key(db, c->mem, repo.id, STR("pull_request"), c->path[1], &s->change, &found,
                         &c->err)))
        return false;
    if (!found)
        return fail(&c->err, ERR_NOT_FOUND,
                    "no event of pull request " PRI_STR " has come yet from GitHub: is the App "
                    "installed on the repository, and are its deliveries green?",
                    FMT_STR(str_sub(c->path[1], 0, 20)));
    if (!open_view(c, db, repo.id, s) || !view_change(&s->v, &s->change, &s->cv, &c->err))
        return false;
    s->has_batch = s->cv.batch_count > 0;
    if (s->has_batch)
        s->bv = s->cv.batch[0];
    return true;
}

/* ---- the three routes ------------------------------------------------------------------------ */

static void explain(struct subject *s, int64_t now_ms, struct reasons *r)
{
    if (strcmp(s->kind, "change") == 0) {
        explain_change(&s->cv, now_ms, r);
    } else if (s->position < 0) {
        explain_batch(&s->cv, &s->bv, now_ms, r);
    } else {
        s->kind = "node";
        explain_node(&s->cv, &s->bv, (uint32_t)s->position, now_ms, r);
    }
}

static enum outcome explained(struct call *c, const char *kind,
                              bool (*see)(struct call *, struct db *, struct subject *))
{
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    struct subject s = { .mem = arena_new(EXPLAIN_SOFT_BYTES, EXPLAIN_HARD_BYTES), .kind = kind };
    struct reasons r = { .mem = s.mem };
    bool ok = see(c, db, &s);
    engine_read_done(c->api->config.engine, db);
    if (ok) {
        explain(&s, c->now_ms, &r);
        answer(c, &s, &r);
    }
    arena_free(s.mem);
    return ok ? ANSWERED : FAILED;
}

enum outcome api_explain_batch(struct call *c) { return explained(c, "batch", see_node_named); }
enum outcome api_explain_node(struct call *c) { return explained(c, "batch", see_node_at); }
enum outcome api_explain_pull(struct call *c) { return explained(c, "change", see_pull); }
