/*
 * orders: what people tick and write on the forge (seed 002, atmos-pro.md §14).
 *
 *     comment ─▶ fact "asked" ─▶ effect "permission" ─▶ fact "order"
 *
 * The fact has a key of that person's edit of that comment: an event that is told twice gives none
 * the second time. Whatever an edit of our own comment came to, the comment is rendered afresh from
 * the database, so that no tick stays in it to be taken again.
 */
#include "base/log.h"
#include "base/pack.h"
#include "base/secret.h"
#include "domain/explain.h"
#include "domain/feedback.h"
#include "domain/order.h"
#include "engine/inside.h"
#include "engine/view.h"
#include "store/feedback.h"

/* An order that could not be looked into for so long is not what its person means any more. */
enum { ORDER_STALE_MS = 60 * 60 * 1000 };
enum { NOTICE_CHARS_MAX = 400, NOTICE_BYTES_MAX = 64 << 10, ORDER_BYTES_MAX = 1 << 20 };

/* ---- telling people -------------------------------------------------------------------------- */

/* Our comment is not what we wrote: it is written again, whatever is under way. */
static bool comment_anew(struct step *s, int64_t change_id, bool gone, struct err *e)
{
    str key = arena_print(s->mem, "%lld", (long long)change_id);
    step_urgent(s, change_id);
    return feedback_forget(s->db, s->lane->id, STR("comment"), key, gone, e);
}

static str notice_json(struct step *s, const struct notice_view *n)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, s->mem, NOTICE_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("who"), n->who);
    json_field_str(&w, STR("what"), n->what);
    json_field_str(&w, STR("why"), str_clip(n->why, NOTICE_CHARS_MAX * 4));
    json_field_bool(&w, STR("ok"), n->ok);
    json_field_i64(&w, STR("atMs"), n->at_ms);
    json_end_object(&w);
    return buf_str(&b);
}

/*
 * One line in the comment, until the next order or head. Where no comment is (nothing was ever
 * affected), an answer of its own; not to those who may not order anything.
 */
static bool tell(struct step *s, int64_t change_id, struct notice_view n, str reply_key,
                 struct err *e)
{
    struct batch_row *row;
    size_t count;
    n.at_ms = s->now_ms;
    str stored = notice_json(s, &n);
    step_urgent(s, change_id);
    if (!changes_notice(s->db, change_id, stored, e) ||
        !batches_of_change(s->db, s->mem, change_id, 1, &row, &count, e))
        return false;
    if (count || !reply_key.len)
        return true;
    str body = arena_print(s->mem, "{\"change\":%lld,\"notice\":" PRI_STR "}",
                           (long long)change_id, FMT_STR(stored));
    return step_effect(s, "reply", reply_key, body, 0, e);
}

/* ---- a comment comes in ---------------------------------------------------------------------- */

/* The batch that a person means who names none: the newest there is while they write. */
static bool newest_batch(struct step *s, int64_t change_id, str *id, struct err *e)
{
    struct batch_row *row;
    size_t count;
    *id = STR("");
    if (!batches_of_change(s->db, s->mem, change_id, 1, &row, &count, e))
        return false;
    if (count)
        *id = row[0].id;
    return true;
}

static void put_order(struct json_out *w, const struct order *o, str newest)
{
    json_begin_object(w);
    json_field_str(w, STR("order"), str_of(order_rule(o->kind)->name));
    json_field_str(w, STR("batch"), o->batch.len ? o->batch : newest);
    json_field_str(w, STR("stack"), o->stack.ptr ? o->stack : STR(""));
    json_field_str(w, STR("component"), o->component.ptr ? o->component : STR(""));
    json_field_str(w, STR("key"), o->key.ptr ? o->key : STR(""));
    json_field_str(w, STR("word"), o->word.ptr ? o->word : STR(""));
    json_end_object(w);
}

static str order_body(struct step *s, const struct change *c, const struct forge_event *v,
                      const struct orders *o, const char *from, str newest)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, s->mem, ORDER_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_i64(&w, STR("change"), c->id);
    json_field_str(&w, STR("login"), v->sender);
    json_field_str(&w, STR("from"), str_of(from));
    json_field_i64(&w, STR("comment"), v->comment_id);
    json_key(&w, STR("orders"));
    json_begin_array(&w);
    for (size_t i = 0; i < o->count; i++)
        put_order(&w, &o->at[i], newest);
    json_end_array(&w);
    json_end_object(&w);
    return buf_str(&b);
}

/* This edit of this comment by this person, however often we are told. */
static str order_key(struct step *s, const struct forge_event *v)
{
    str all = arena_print(s->mem, PRI_STR " " PRI_STR " " PRI_STR, FMT_STR(v->sender),
                          FMT_STR(sha256_hex(s->mem, v->comment_before)),
                          FMT_STR(sha256_hex(s->mem, v->comment_body)));
    return arena_print(s->mem, "order:%lld:%lld:%lld:" PRI_STR, (long long)s->lane->id,
                       (long long)v->comment_id, (long long)v->at_ms,
                       FMT_STR(str_sub(sha256_hex(s->mem, all), 0, 16)));
}

static bool take_orders(struct step *s, const struct change *c, const struct forge_event *v,
                        const struct orders *o, const char *from, str *note, struct err *e)
{
    enum fact_fate fate;
    int64_t id;
    str newest;
    if (!o->count || !v->sender.len)
        return true;
    if (!newest_batch(s, c->id, &newest, e))
        return false;
    struct fact_new f = { .lane = s->lane->id,
                          .kind = "asked",
                          .key = order_key(s, v),
                          .body = order_body(s, c, v, o, from, newest),
                          .actor = v->sender };
    if (!engine_store_fact(s->en, s->db, s->mem, &f, &fate, &id, e))
        return false;
    s->more = true;
    *note = fate == FACT_STORED ? STR("an order: the forge is asked whether they may")
                                : STR("this order is known already");
    return true;
}

/* Somebody touched our comment: a tick, a text of theirs in it, or it is gone. */
static bool ours_was_touched(struct step *s, const struct change *c, const struct forge_event *v,
                             const struct feedback_row *ours, str *note, struct err *e)
{
    struct orders o;
    bool gone = str_eq(v->action, STR("deleted"));
    if (gone) {
        *note = STR("our comment was deleted: it is made anew");
        return comment_anew(s, c->id, true, e);
    }
    orders_of_tick(v->comment_before, v->comment_body, &o);
    *note = STR("our comment as we wrote it");
    if (!o.count && str_eq(sha256_hex(s->mem, v->comment_body), ours->sent_hash))
        return true;
    *note = STR("our comment was edited: it is written again");
    return comment_anew(s, c->id, false, e) && take_orders(s, c, v, &o, "checkbox", note, e);
}

/* Before the answer to its making has come, ours is known by its author and its marker. */
static bool is_ours(struct step *s, const struct change *c, const struct forge_event *v,
                    const struct feedback_row *ours)
{
    str marker = feedback_marker(s->mem, c->number);
    if (ours->forge_object)
        return v->comment_id == ours->forge_object;
    return v->comment_by_us &&
           (str_has(v->comment_body, marker) || str_has(v->comment_before, marker));
}

bool apply_comment(struct step *s, const struct forge_event *v, str *note, struct err *e)
{
    struct change c;
    struct feedback_row ours;
    struct orders o;
    bool found, edited = str_eq(v->action, STR("edited"));
    if (v->sender_is_us) {
        *note = STR("our own doing");
        return true;
    }
    *note = STR("no order");
    if (!changes_by_key(s->db, s->mem, s->lane->id, STR("pull_request"), v->key, &c, &found, e) ||
        !found)
        return e->code == ERR_NONE;
    str key = arena_print(s->mem, "%lld", (long long)c.id);
    if (!feedback_get(s->db, s->mem, s->lane->id, STR("comment"), key, &ours, e))
        return false;
    if (is_ours(s, &c, v, &ours))
        return ours_was_touched(s, &c, v, &ours, note, e);
    if (v->comment_by_us || (!edited && !str_eq(v->action, STR("created"))) ||
        (edited && !v->comment_before.len))
        return true;
    orders_of_text(edited ? v->comment_before : STR(""), v->comment_body, &o);
    return take_orders(s, &c, v, &o, "comment", note, e);
}

bool apply_asked(struct step *s, const struct fact *f, struct json body, str *note, struct err *e)
{
    *note = STR("asked");
    return step_effect(s, "permission", f->key, json_raw(body), 0, e);
}

/* ---- may they? ------------------------------------------------------------------------------- */

static bool may_order(str permission)
{
    return str_eq(permission, STR("admin")) || str_eq(permission, STR("maintain")) ||
           str_eq(permission, STR("write"));
}

static bool give_order(struct step *s, const struct effect *f, struct json body, struct json one,
                        size_t position, struct err *e)
{
    enum order_kind kind;
    enum fact_fate fate;
    int64_t id;
    struct buf b;
    struct json_out w;
    str stack = json_str(json_get(one, STR("stack")), s->mem);
    if (!order_kind_read(json_str(json_get(one, STR("order")), s->mem), &kind))
        return true;
    const char *name = kind == ORDER_DISPATCH             ? "release"
                     : kind == ORDER_RETRY && stack.len   ? "rerun"
                                                          : order_rule(kind)->name;
    buf_init(&b, s->mem, ORDER_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("order"), str_of(name));
    json_field_str(&w, STR("said"), str_of(order_rule(kind)->name));
    json_field_str(&w, STR("actorType"), STR("user"));
    json_field_str(&w, STR("from"), json_str(json_get(body, STR("from")), s->mem));
    json_field_i64(&w, STR("change"), json_i64_or(json_get(body, STR("change")), 0));
    json_field_str(&w, STR("replyKey"), arena_print(s->mem, PRI_STR ":%zu", FMT_STR(f->key), position));
    static const char *const copied[] = { "batch", "stack", "component", "key", "word" };
    for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++)
        json_field_str(&w, str_of(copied[i]), json_str(json_get(one, str_of(copied[i])), s->mem));
    json_end_object(&w);
    struct fact_new fact = { .lane = s->lane->id,
                             .kind = "order",
                             /* as it was always stored */
                             .key = arena_print(s->mem, "command:" PRI_STR ":%zu",
                                                FMT_STR(f->key), position),
                             .body = buf_str(&b),
                             .actor = json_str(json_get(body, STR("login")), s->mem) };
    s->more = true;
    return engine_store_fact(s->en, s->db, s->mem, &fact, &fate, &id, e);
}

static bool deny(struct step *s, struct json body, str why, struct err *e)
{
    str login = json_str(json_get(body, STR("login")), s->mem),
        from = json_str(json_get(body, STR("from")), s->mem);
    int64_t change_id = json_i64_or(json_get(body, STR("change")), 0);
    struct orderer by = { .actor = login, .type = STR("user"), .from = from };
    struct json_iter it = json_iter(json_get(body, STR("orders")));
    struct json one;
    str key, what = STR("");
    while (json_next(&it, s->mem, &key, &one)) {
        str name = json_str(json_get(one, STR("order")), s->mem);
        what = what.len ? arena_print(s->mem, PRI_STR ", " PRI_STR, FMT_STR(what), FMT_STR(name))
                        : name;
    }
    return audit_order(s, &by, "workflow", "order_denied", STR("change"),
                       arena_print(s->mem, "%lld", (long long)change_id),
                       arena_print(s->mem, PRI_STR ": " PRI_STR, FMT_STR(what), FMT_STR(why)), e) &&
           tell(s, change_id, (struct notice_view){ .who = login, .what = what, .why = why },
                STR(""), e);
}

bool permission_answered(struct step *s, const struct effect *f, enum forge_outcome outcome,
                         struct json result, str message, struct err *e)
{
    struct json body, one;
    str key, permission = json_str(json_get(result, STR("permission")), s->mem);
    size_t position = 0;
    bool told = outcome == FORGE_OK || outcome == FORGE_NOT_FOUND;
    if (!json_parse(s->mem, f->body, 0, &body, e) ||
        !effects_done(s->db, f->id, !told, told ? permission : message, s->now_ms, e))
        return false;
    if (!told)
        return deny(s, body,
                    arena_print(s->mem, "GitHub does not say whether they may: " PRI_STR,
                                FMT_STR(message)),
                    e);
    if (outcome == FORGE_NOT_FOUND || !may_order(permission))
        return deny(s, body,
                    arena_print(s->mem, "it takes write access to this repository, they have %s",
                                permission.len && outcome == FORGE_OK &&
                                        !str_eq(permission, STR("none"))
                                    ? arena_z(s->mem, permission)
                                    : "none"),
                    e);
    if (s->now_ms - f->created_ms > ORDER_STALE_MS)
        return deny(s, body, STR("GitHub could not be asked for more than an hour: order it again"),
                    e);
    struct json_iter it = json_iter(json_get(body, STR("orders")));
    while (json_next(&it, s->mem, &key, &one))
        if (!give_order(s, f, body, one, position++, e))
            return false;
    return true;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static bool from_forge(str from)
{
    return str_eq(from, STR("checkbox")) || str_eq(from, STR("comment"));
}

static str text_of(struct step *s, struct json order, const char *name)
{
    str v = json_str(json_get(order, str_of(name)), s->mem);
    return v.ptr ? v : STR("");
}

/* What a person wrote or ticked; an older server called it "order". */
static str said_by(struct step *s, struct json order)
{
    str said = text_of(s, order, "said");
    return said.len ? said : text_of(s, order, "order");
}

bool order_carried_out(struct step *s, struct json order, const struct orderer *by, struct err *e)
{
    str said = said_by(s, order);
    int64_t change_id = json_i64_or(json_get(order, STR("change")), 0);
    if (!from_forge(by->from) || str_eq(said, STR("explain")) || str_eq(said, STR("help")))
        return true;                    /* these two have answered */
    return tell(s, change_id, (struct notice_view){ .who = by->actor, .what = said, .ok = true },
                text_of(s, order, "replyKey"), e);
}

bool order_refused(struct step *s, const struct fact *f, str why, struct err *e)
{
    struct json order;
    str body;
    if (!unpack(s->mem, f->body, ORDER_BYTES_MAX * 8, &body, e) ||
        !json_parse(s->mem, body, 0, &order, e))
        return false;
    struct orderer by = orderer_of(s, f, order);
    str said = said_by(s, order);
    int64_t change_id = json_i64_or(json_get(order, STR("change")), 0);
    if (!from_forge(by.from))
        return true;
    why = arena_copy(s->mem, why);
    return audit_order(s, &by, "workflow", "order_refused", STR("change"),
                       arena_print(s->mem, "%lld", (long long)change_id),
                       arena_print(s->mem, PRI_STR ": " PRI_STR, FMT_STR(said), FMT_STR(why)), e) &&
           tell(s, change_id,
                (struct notice_view){ .who = by.actor, .what = said, .why = why },
                text_of(s, order, "replyKey"), e);
}

bool order_help(struct step *s, struct json order, const struct orderer *by, str *note,
                struct err *e)
{
    str word = text_of(s, order, "word");
    str usages = order_usages(s->mem);
    *note = STR("{}");
    struct notice_view n = {
        .who = by->actor,
        .what = word.len ? word : STR("help"),
        .ok = word.len == 0,
        .why = word.len ? arena_print(s->mem, "there is no such order; there are: " PRI_STR,
                                      FMT_STR(usages))
                        : usages,
    };
    return tell(s, json_i64_or(json_get(order, STR("change")), 0), n, text_of(s, order, "replyKey"), e);
}

bool order_explain(struct step *s, struct json order, const struct orderer *by, str *note,
                   struct err *e)
{
    int64_t change_id = json_i64_or(json_get(order, STR("change")), 0);
    str key = text_of(s, order, "replyKey");
    *note = STR("{}");
    if (!change_id || !key.len)
        return fail(e, ERR_INVALID, "explain needs the change, and where to answer");
    return audit_order(s, by, "workflow", "explained", STR("change"),
                       arena_print(s->mem, "%lld", (long long)change_id), STR(""), e) &&
           step_effect(s, "reply", key,
                       arena_print(s->mem, "{\"change\":%lld}", (long long)change_id), 0, e);
}

/* ---- effects --------------------------------------------------------------------------------- */

static bool explanation(struct step *s, const struct change *c, str *text, struct err *e)
{
    struct view v;
    struct change_view view;
    struct reasons reasons = { .mem = s->mem };
    if (!view_open(&v, s->db, s->mem, s->en->public_url, s->lane->id, s->now_ms, e) ||
        !view_change(&v, c, &view, e))
        return false;
    explain_change(&view, s->now_ms, &reasons);
    *text = reasons_text(s->mem, &reasons, true);
    return true;
}

static bool prepare_reply(struct step *s, const struct effect *f, struct json body, struct err *e)
{
    struct json told = json_get(body, STR("notice"));
    struct notice_view n;
    struct change c;
    bool found;
    str text = STR("");
    if (!changes_get(s->db, s->mem, json_i64_or(json_get(body, STR("change")), 0), &c, &found, e))
        return false;
    if (!found || !c.number)
        return effects_done(s->db, f->id, true, STR("no such pull request"), s->now_ms, e);
    if (json_present(told))
        text = notice_read(s->mem, json_raw(told), &n) ? feedback_notice(s->mem, &n) : STR("");
    else if (!explanation(s, &c, &text, e))
        return false;
    str marker = arena_print(s->mem, "<!-- signalbox:reply:" PRI_STR " -->", FMT_STR(f->key));
    struct forge_call call = { .kind = FORGE_PUT_COMMENT, .number = c.number, .marker = marker };
    call.text = arena_print(s->mem, PRI_STR "\n" PRI_STR, FMT_STR(marker), FMT_STR(text));
    outbox_add(s, f->id, &call, STR(""));
    return true;
}

bool order_prepare(struct step *s, const struct effect *f, struct json body, struct err *e)
{
    if (str_eq(f->kind, STR("reply")))
        return prepare_reply(s, f, body, e);
    str login = json_str(json_get(body, STR("login")), s->mem);
    if (!login.len)
        return effects_done(s->db, f->id, true, STR("nobody to ask about"), s->now_ms, e);
    outbox_add(s, f->id, &(struct forge_call){ .kind = FORGE_PERMISSION, .login = login }, STR(""));
    return true;
}
