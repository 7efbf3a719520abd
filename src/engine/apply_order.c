/*
 * apply_order: orders of people, and reports of the CLI. Each order is one function, whoever gives
 * it and from wherever (API, command line, a tick, a comment). The note of an order is JSON: it is
 * the data of the API's answer.
 */
#include "base/id.h"
#include "domain/lock.h"
#include "engine/inside.h"
#include "store/audit.h"
#include "store/locks.h"

bool audit_order(struct step *s, const struct orderer *by, const char *category,
                 const char *action, str target_type, str target, str description, struct err *e)
{
    struct audit_entry a = {
        .workspace_id = s->lane->repo.workspace_id,
        .repository_id = s->lane->id,
        .category = str_of(category),
        .action = str_of(action),
        .actor_type = by->type,
        .actor = by->actor,
        .target_type = target_type,
        .target = target,
        .description = description,
        .metadata = arena_print(s->mem, "{\"from\":\"" PRI_STR "\"}", FMT_STR(by->from)),
    };
    return audit_add(s->db, s->mem, &a, s->now_ms, e);
}

static bool find_batch(struct step *s, struct json order, struct hot **h, struct err *e)
{
    struct batch_row row;
    bool found;
    str id = json_str(json_get(order, STR("batch")), s->mem);
    if (!batches_by_id(s->db, s->mem, id, &row, &found, e))
        return false;
    int64_t change = json_i64_or(json_get(order, STR("change")), 0);
    if (!found || row.repository_id != s->lane->id || (change && row.change_id != change))
        return fail(e, ERR_NOT_FOUND, id.len ? "no batch " PRI_STR : "there is no batch yet" PRI_STR,
                    FMT_STR(id));
    return hot_get(s, row.seq, h, e);
}

static bool cancel_node(struct step *s, struct hot *h, int64_t position, const struct orderer *by,
                        str *note, struct err *e)
{
    enum node_verdict verdict;
    if (position < 0 || position >= h->count)
        return fail(e, ERR_NOT_FOUND, "no such node in this batch");
    if (h->b->state != BATCH_RUNNING)
        return fail(e, ERR_CONFLICT, "a single node can be cancelled while its batch runs; this one %s",
                    h->b->state == BATCH_ENDED ? "has ended" : "has not begun");
    struct node_row *n = &h->node[position];
    if (!node_tell(s, h, (struct node_message){.event = NODE_CANCEL, .node = (uint32_t)position},
                   &verdict, e))
        return false;
    if (verdict != NODE_MOVE)
        return fail(e, ERR_CONFLICT, PRI_STR " in " PRI_STR " is %s; there is nothing to cancel",
                    FMT_STR(n->component), FMT_STR(n->stack), node_state_name(n->state));
    *note = arena_print(s->mem, "{\"batch\":\"" PRI_STR "\",\"node\":%lld}", FMT_STR(h->row.id),
                        (long long)position);
    return audit_order(
        s, by, "workflow", "cancelled", STR("batch"), h->row.id,
        arena_print(s->mem, PRI_STR " in " PRI_STR, FMT_STR(n->component), FMT_STR(n->stack)), e);
}

/* The batch, or with "node" one of its nodes alone. */
static bool cancel(struct step *s, struct json order, const struct orderer *by, str *note,
                   struct err *e)
{
    struct hot *h;
    struct decisions d = { .mem = s->mem };
    if (!find_batch(s, order, &h, e))
        return false;
    if (json_present(json_get(order, STR("node"))))
        return cancel_node(s, h, json_i64_or(json_get(order, STR("node")), -1), by, note, e);
    if (h->b->state == BATCH_ENDED)
        return fail(e, ERR_CONFLICT,
                    "the batch has ended (" PRI_STR "); there is nothing to cancel",
                    FMT_STR(h->row.verdict));
    batch_cancel(h->b, s->now_ms, &d);
    *note = arena_print(s->mem, "{\"batch\":\"" PRI_STR "\",\"live\":%u}", FMT_STR(h->row.id),
                        batch_live(h->b));
    return batch_carry_out(s, h, &d, e) &&
           audit_order(s, by, "workflow", "cancelled", STR("batch"), h->row.id,
                       STR("batch cancelled"), e);
}

static bool retry(struct step *s, struct json order, const struct orderer *by, str *note,
                  struct err *e)
{
    struct hot *h;
    struct decisions d = { .mem = s->mem };
    if (!find_batch(s, order, &h, e) || !batch_reopen(s, h, e))
        return false;
    uint32_t again = batch_retry(h->b, s->now_ms, &d);
    if (again == 0)
        return fail(e, ERR_CONFLICT,
                    h->row.superseded_by.len ? "a newer head took the place of this batch"
                                             : "nothing in this batch failed");
    *note =
        arena_print(s->mem, "{\"batch\":\"" PRI_STR "\",\"again\":%u}", FMT_STR(h->row.id), again);
    return batch_carry_out(s, h, &d, e) &&
           audit_order(s, by, "workflow", "retried", STR("batch"), h->row.id,
                       STR("failed nodes sent again"), e);
}

static bool rerun(struct step *s, struct json order, const struct orderer *by, str *note,
                  struct err *e)
{
    struct hot *h;
    enum node_verdict verdict;
    int64_t position = json_i64_or(json_get(order, STR("node")), -1);
    str stack = json_str(json_get(order, STR("stack")), s->mem),
        component = json_str(json_get(order, STR("component")), s->mem);
    if (!find_batch(s, order, &h, e) || !batch_reopen(s, h, e))
        return false;
    for (uint32_t i = 0; position < 0 && i < h->count; i++)
        if (str_eq(h->node[i].stack, stack) && str_eq(h->node[i].component, component))
            position = i;
    if (position < 0 || position >= h->count)
        return fail(e, ERR_NOT_FOUND, "no such node in this batch");
    struct node_row *n = &h->node[position];
    if (!node_tell(s, h, (struct node_message){.event = NODE_RERUN, .node = (uint32_t)position},
                   &verdict, e))
        return false;
    if (verdict != NODE_MOVE)
        return fail(e, ERR_CONFLICT, PRI_STR " in " PRI_STR " is %s and cannot be re-run%s",
                    FMT_STR(n->component), FMT_STR(n->stack), node_state_name(n->state),
                    h->row.superseded_by.len ? ": a newer head took its place" : "");
    *note = arena_print(s->mem, "{\"batch\":\"" PRI_STR "\",\"node\":%lld}", FMT_STR(h->row.id),
                        (long long)position);
    return audit_order(
        s, by, "workflow", "rerun", STR("batch"), h->row.id,
        arena_print(s->mem, PRI_STR " in " PRI_STR, FMT_STR(n->component), FMT_STR(n->stack)), e);
}

static bool dispatch(struct step *s, struct json order, const struct orderer *by, str *note,
                     struct err *e)
{
    return batch_make_manual(s, order, by->actor, json_bool_or(json_get(order, STR("dryRun")), false),
                             note, e);
}

/* What a person may lift is lifted from a held batch; "kind": of these only that. */
static bool release(struct step *s, struct json order, const struct orderer *by, str *note,
                    struct err *e)
{
    struct hot *h;
    enum hold_kind kind = HOLD_KIND_COUNT;
    str name = json_str(json_get(order, STR("kind")), s->mem);
    if (name.len && !hold_kind_read(name, &kind))
        return fail(e, ERR_INVALID, "no hold " PRI_STR, FMT_STR(name));
    return find_batch(s, order, &h, e) && holds_lift(s, h, kind, by, note, e);
}

static bool parts(struct step *s, struct json order, const struct orderer *by, str *note,
                  struct err *e)
{
    struct hot *h;
    return find_batch(s, order, &h, e) && holds_parts(s, h, by, note, e);
}

static bool resume(struct step *s, struct json order, const struct orderer *by, str *note,
                   struct err *e)
{
    return change_resume(s, json_i64_or(json_get(order, STR("change")), 0), by, note, e);
}

/* Keys of this repository only: whoever may write here need not be anybody elsewhere. */
static bool unlock(struct step *s, struct json order, const struct orderer *by, str *note,
                   struct err *e)
{
    str key = json_str(json_get(order, STR("key")), s->mem), folded;
    str home = arena_print(s->mem, PRI_STR "/" PRI_STR "/", FMT_STR(s->lane->repo.owner),
                           FMT_STR(s->lane->repo.name));
    struct lock l;
    bool found;
    if (!str_eq_nocase(str_sub(key, 0, home.len), home))
        key = arena_print(s->mem, PRI_STR PRI_STR, FMT_STR(home), FMT_STR(key));
    if (!lock_key_fold(s->mem, key, &folded, e) ||
        !locks_release(s->db, s->mem, s->lane->repo.workspace_id, folded, 0, s->now_ms, &l, &found,
                       e))
        return false;
    if (!found)
        return fail(e, ERR_NOT_FOUND,
                    "there is no lock on " PRI_STR ": it was not found or has expired already",
                    FMT_STR(str_clip(key, 200)));
    s->step_recheck = true;
    *note = arena_print(s->mem, "{\"token\":%lld}", (long long)l.token);
    return audit_order(s, by, "lock", "deleted", STR("lock"), l.key, l.message, e);
}

/* ---- the wait for a lock --------------------------------------------------------------------- */

/* It is on record about the node, with what was ended, and about the lock as of every unlock. */
static bool audit_skip(struct step *s, const struct hot *h, int64_t position, const struct lock *l,
                       bool ended, const struct orderer *by, struct err *e)
{
    const struct node_row *n = &h->node[position];
    str what = ended ? arena_print(s->mem, "ended the lock" PRI_STR,
                                   FMT_STR(lock_words(s->mem, l->actor, l->expires_ms, l->message,
                                                        LOCK_MESSAGE_BYTES_MAX)))
                     : STR("the lock had ended already");
    return audit_order(s, by, "node", "node.wait_skipped", STR("node"),
                       arena_print(s->mem, PRI_STR "/%lld", FMT_STR(h->row.id),
                                   (long long)position),
                       arena_print(s->mem, PRI_STR " in " PRI_STR ": " PRI_STR,
                                   FMT_STR(n->component), FMT_STR(n->stack), FMT_STR(what)), e) &&
           (!ended || audit_order(s, by, "lock", "deleted", STR("lock"), l->key, l->message, e));
}

/* Ends the grant that the person saw, if it still stands, and no other one. */
static bool end_lock_seen(struct step *s, const struct node_row *n, int64_t token, struct lock *l,
                          bool *ended, struct err *e)
{
    str key = lock_key_of(s->mem, s->lane->repo.owner, s->lane->repo.name, n->stack, n->component);
    if (!locks_release(s->db, s->mem, s->lane->repo.workspace_id, key, token, s->now_ms, l, ended,
                       e))
        return false;
    if (*ended && l->token != token)
        return fail(e, ERR_CONFLICT,
                    PRI_STR " in " PRI_STR " is locked" PRI_STR ": this is another lock (token "
                            "%lld) than the one you saw; nothing was changed",
                    FMT_STR(n->component), FMT_STR(n->stack),
                    FMT_STR(lock_words(s->mem, l->actor, l->expires_ms, l->message, 200)),
                    (long long)l->token);
    return *ended || gate_kind(n->gate) == GATE_LOCK ||
           fail(e, ERR_CONFLICT,
                PRI_STR " in " PRI_STR " does not wait for a lock, but for something else: "
                        "signalbox explain says what",
                FMT_STR(n->component), FMT_STR(n->stack));
}

/*
 * Nothing is ever dispatched onto a locked instance: to skip the wait is to end the lock. The node
 * goes on in this step, through whatever else it waits for.
 */
static bool skip_wait(struct step *s, struct json order, const struct orderer *by, str *note,
                      struct err *e)
{
    struct hot *h;
    struct lock l = { 0 };
    bool ended;
    int64_t position = json_i64_or(json_get(order, STR("node")), -1),
            token = json_i64_or(json_get(order, STR("token")), 0);
    if (!find_batch(s, order, &h, e))
        return false;
    if (position < 0 || position >= h->count)
        return fail(e, ERR_NOT_FOUND, "no such node in this batch");
    if (token < 1)
        return fail(e, ERR_INVALID, "the token of the lock that is to end is missing");
    const struct node_row *n = &h->node[position];
    enum node_state state = h->b->node[position].state;
    if (state != NODE_BLOCKED)
        return fail(e, ERR_CONFLICT, PRI_STR " in " PRI_STR " does not wait for a lock: it is %s",
                    FMT_STR(n->component), FMT_STR(n->stack), node_state_name(state));
    if (!end_lock_seen(s, n, token, &l, &ended, e))
        return false;
    s->step_recheck = true;
    *note = arena_print(s->mem, "{\"batch\":\"" PRI_STR "\",\"node\":%lld,\"lockEnded\":%s}",
                        FMT_STR(h->row.id), (long long)position, ended ? "true" : "false");
    return audit_skip(s, h, position, &l, ended, by, e);
}

/* ---- all orders ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    bool (*apply)(struct step *, struct json, const struct orderer *, str *, struct err *);
} orders[] = {
    {"cancel", cancel},
    {"retry", retry},
    {"rerun", rerun},
    {"dispatch", dispatch},
    {"release", release},
    {"parts", parts},
    {"resume", resume},
    {"unlock", unlock},
    {"skip_wait", skip_wait},
    {"explain", order_explain},
    {"help", order_help},
    {"action_run", action_start},
    {"action_cancel", action_stop},
};

/* One of the API says neither: a token's. One from the forge was made by orders.c. */
struct orderer orderer_of(struct step *s, const struct fact *f, struct json order)
{
    str type = json_str(json_get(order, STR("actorType")), s->mem),
        from = json_str(json_get(order, STR("from")), s->mem);
    return (struct orderer){ .actor = f->actor,
                             .type = type.len ? type : STR("token"),
                             .from = from.len ? from : STR("api") };
}

/* An older server wrote "command", and "order" for what had been written in a comment. */
static str name_of(struct step *s, struct json order)
{
    str older = json_str(json_get(order, STR("command")), s->mem);
    return older.len ? older : json_str(json_get(order, STR("order")), s->mem);
}

bool apply_order(struct step *s, const struct fact *f, struct json body, str *note, struct err *e)
{
    str name = name_of(s, body);
    struct orderer by = orderer_of(s, f, body);
    if (!s->lane->has_repo)
        return fail(e, ERR_NOT_FOUND, "no such repository");
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        if (str_eq(name, str_of(orders[i].name)))
            return orders[i].apply(s, body, &by, note, e) &&
                   order_carried_out(s, body, &by, e);
    return fail(e, ERR_INVALID, "no order " PRI_STR, FMT_STR(name));
}

/* ---- what the CLI reports from inside a run (atmos-pro.md §4.5, §10.4) ----------------------- */

/*
 * The run that the session belongs to; with it the forge's run is known, too (forges.md §2.5 no.
 * 4).
 */
static bool reported_run(struct step *s, struct json body, struct run_row *r, bool *found,
                         struct err *e)
{
    struct json session = json_get(body, STR("session"));
    str stack = json_str(json_get(body, STR("stack")), s->mem),
        component = json_str(json_get(body, STR("component")), s->mem);
    str own = json_str(json_get(body, STR("run")), s->mem);
    int64_t forge_run = 0;
    *found = false;
    if (own.len)
        return runs_get(s->db, s->mem, own, r, found, e);
    if (!str_to_i64(json_str(json_get(session, STR("run_id")), s->mem), 1, INT64_MAX, &forge_run))
        return true;
    if (!runs_by_forge(s->db, s->mem, s->lane->id, forge_run, r, found, e) || *found)
        return e->code == ERR_NONE;
    /* Not matched yet: the only open dispatch of this instance whose run is unknown. */
    struct db_rows rows;
    if (!db_query(s->db, s->mem, e, &rows,
                  "select id from run where repository_id = $1 and stack = $2 and component = $3 "
                  "and ended_ms is null and forge_run_id is null and runner = '' limit 2",
                  ARGS(A(s->lane->id), A(stack), A(component))))
        return false;
    if (rows.count != 1)
        return true;
    if (!run_accepted(s, db_at(&rows, 0, 0)->s, forge_run, STR(""), e))
        return false;
    return runs_get(s->db, s->mem, db_at(&rows, 0, 0)->s, r, found, e);
}

bool apply_report(struct step *s, struct json body, str *note, struct err *e)
{
    struct run_row r;
    struct db_rows fence;
    bool found;
    struct hot *h;
    if (!reported_run(s, body, &r, &found, e))
        return false;
    if (!found || r.repository_id != s->lane->id) {
        *note = STR("not from a run that was dispatched here");
        return true;
    }
    if (!db_query(
            s->db, s->mem, e, &fence,
            "select fence from instance where repository_id = $1 and stack = $2 and component = $3",
            ARGS(A(s->lane->id), A(r.stack), A(r.component))))
        return false;
    if (fence.count && db_at(&fence, 0, 0)->i > r.fence)
        return fail(
            e, ERR_CONFLICT,
            "a result under token %lld, but token %lld was given for this instance since: refused",
            (long long)r.fence, (long long)db_at(&fence, 0, 0)->i);
    str command = json_str(json_get(body, STR("command")), s->mem);
    if (command.len)
        r.reported = command;
    r.has_exit = json_i64(json_get(body, STR("exitCode")), &r.exit_code) || r.has_exit;
    struct json counts = json_get(body, STR("counts"));
    if (json_kind(counts) == JSON_OBJECT)
        r.counts = json_raw(counts);
    *note = arena_print(s->mem, "run " PRI_STR " reported", FMT_STR(r.id));
    if (!runs_save(s->db, &r, e) || !hot_get(s, r.batch_seq, &h, e))
        return false;
    step_dirty(s, h->row.change_id);
    return true;
}
