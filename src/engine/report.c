/*
 * report: the check and the comment, rendered from the database when their time has come. One
 * effect each, so writers are serial; a wish that comes while one is under way sends it again
 * afterwards (debounced).
 */
#include "base/log.h"
#include "base/secret.h"
#include "domain/feedback.h"
#include "engine/inside.h"
#include "store/feedback.h"

enum { CHECK_PAUSE_MS = 2000 };

/* ---- the view of a lane: batches as they are in memory ---------------------------------------- */

static bool hot_whole(void *ctx, int64_t seq, struct batch_whole *out, struct err *e)
{
    struct hot *h;
    if (!hot_get(ctx, seq, &h, e))
        return false;
    *out = (struct batch_whole){ .row = h->row, .node = h->node, .count = h->count, .b = h->b };
    return true;
}

static bool change_seen(struct step *s, const struct change *c, struct change_view *out,
                        struct err *e)
{
    struct view v = { .db = s->db,
                      .mem = s->mem,
                      .public_url = s->en->public_url,
                      .repo = s->lane->repo,
                      .settings = s->lane->settings,
                      .whole = hot_whole,
                      .ctx = s };
    return view_change(&v, c, out, e);
}

/* ---- wishes ---------------------------------------------------------------------------------- */

/* terminal: nothing will move by itself, so what is to be said is said at once. */
static uint32_t shown_nodes(struct step *s, int64_t change_id, bool *terminal)
{
    uint32_t nodes = 0;
    *terminal = true;
    for (struct hot *h = s->lane->hot; h; h = h->next) {
        if (h->row.change_id != change_id)
            continue;
        nodes = h->count > nodes ? h->count : nodes;
        *terminal = *terminal && (h->b->state == BATCH_ENDED || h->b->state == BATCH_HELD);
    }
    return nodes;
}

bool report_want(struct step *s, int64_t change_id, bool urgent, struct err *e)
{
    struct change c;
    bool found, terminal;
    struct feedback_row check, comment;
    if (!changes_get(s->db, s->mem, change_id, &c, &found, e) || !found)
        return e->code == ERR_NONE;
    if (!c.head_sha.len || str_eq(c.kind, STR("manual")))
        return true;
    uint32_t nodes = shown_nodes(s, change_id, &terminal);
    str key = arena_print(s->mem, "%lld", (long long)change_id);
    if (!feedback_get(s->db, s->mem, s->lane->id, STR("check"), c.head_sha, &check, e) ||
        !feedback_get(s->db, s->mem, s->lane->id, STR("comment"), key, &comment, e))
        return false;
    int64_t check_ms = terminal || urgent ? 0 : check.sent_ms + CHECK_PAUSE_MS;
    if (!step_effect(s, "check", key, STR("{}"), check_ms, e))
        return false;
    /* One that is there stays right when no more are wanted: it may offer what would be ordered. */
    bool pull = str_eq(c.kind, STR("pull_request")) && c.number > 0,
         numbered = pull && s->lane->settings.comment;
    int64_t comment_ms = urgent ? 0 : comment.sent_ms + feedback_debounce_ms(nodes, terminal);
    if ((numbered || (pull && comment.forge_object)) &&
        !step_effect(s, "comment", key, STR("{}"), comment_ms, e))
        return false;
    /* What came of an apply is a comment of its own, for the record (peers.md §5.4). */
    if (numbered && terminal && nodes && str_eq(c.state, STR("merged")) &&
        !step_effect(s, "result", key, STR("{}"), 0, e))
        return false;
    /* A formal review is opt-in (§15.4), comes when all is over, and never on a draft. */
    bool review = s->lane->settings.reviews && terminal && nodes && !c.draft &&
                  str_eq(c.kind, STR("pull_request")) && str_eq(c.state, STR("open"));
    return !review || step_effect(s, "review", key, STR("{}"), 0, e);
}

/* ---- rendering and sending ------------------------------------------------------------------- */

static str check_id(struct step *s, const struct change *c)
{
    return arena_print(s->mem, "change-%lld", (long long)c->id);
}

static str check_body(struct step *s, const struct change *c, const struct check_view *v)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, s->mem, (size_t)1 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("name"), STR("Signalbox"));
    json_field_str(&w, STR("head_sha"), c->head_sha);
    json_field_str(&w, STR("external_id"), check_id(s, c));
    json_field_str(&w, STR("details_url"), v->details_url);
    json_field_str(&w, STR("status"), str_of(v->status));
    if (v->conclusion)
        json_field_str(&w, STR("conclusion"), str_of(v->conclusion));
    json_key(&w, STR("output"));
    json_begin_object(&w);
    json_field_str(&w, STR("title"), v->title);
    json_field_str(&w, STR("summary"), v->summary);
    if (v->text.len)
        json_field_str(&w, STR("text"), v->text);
    json_end_object(&w);
    json_end_object(&w);
    return buf_str(&b);
}

static str memo_of(struct step *s, const struct effect *f, str key, str hash, str digest)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, s->mem, 1 << 16);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_i64(&w, STR("wanted"), f->wanted);
    json_field_str(&w, STR("key"), key);
    json_field_str(&w, STR("hash"), hash);
    json_field_str(&w, STR("digest"), digest);
    json_end_object(&w);
    return buf_str(&b);
}

static bool nothing_to_send(struct step *s, const struct effect *f, struct err *e)
{
    return effects_done(s->db, f->id, false, STR("already so"), s->now_ms, e);
}

bool report_prepare(struct step *s, const struct effect *f, bool maybe_sent, struct err *e)
{
    struct change c;
    struct change_view v;
    struct feedback_row sent;
    struct effect now = *f;
    int64_t id;
    bool found, is_check = str_eq(f->kind, STR("check")),
                is_review = str_eq(f->kind, STR("review")),
                is_result = str_eq(f->kind, STR("result")), open;
    if (!str_to_i64(f->key, 1, INT64_MAX, &id) || !changes_get(s->db, s->mem, id, &c, &found, e) ||
        !found)
        return e->code == ERR_NONE && nothing_to_send(s, f, e);
    str key = is_check || is_review ? c.head_sha : f->key;
    if (!effects_get(s->db, s->mem, f->id, &now, &open, e) || !change_seen(s, &c, &v, e))
        return false;
    const struct batch_view *result = is_result ? feedback_result_batch(&v) : NULL;
    if (is_result && !result)
        return nothing_to_send(s, f, e);
    if (is_result)
        key = result->id;
    if (!feedback_get(s->db, s->mem, s->lane->id, f->kind, key, &sent, e))
        return false;
    struct forge_call call = {.kind = is_check ? FORGE_PUT_CHECK : FORGE_PUT_COMMENT,
                              .object = sent.forge_object,
                              .number = c.number};
    if (is_check) {
        struct check_view check;
        feedback_check(s->mem, &v, &check);
        call.body = check_body(s, &c, &check);
        call.sha = c.head_sha;
        /* Asked for before and not known: it may be there all the same. */
        bool look = maybe_sent || (sent.sent_ms && !sent.forge_object);
        call.marker = look ? check_id(s, &c) : STR("");
    } else if (is_result) {
        call.text = call.body = feedback_result(s->mem, &v, result);
        call.marker = feedback_result_marker(s->mem, result->id);
        call.last_word = true;
    } else if (is_review) {
        const char *event = feedback_review(s->mem, &v, &call.text);
        if (!event)
            return nothing_to_send(s, f, e);
        call.kind = FORGE_REVIEW;
        call.review = str_of(event);
        call.sha = c.head_sha;
        call.object = 0;
        call.body = arena_print(s->mem, "%s " PRI_STR, event, FMT_STR(call.text));
    } else {
        call.text = call.body = feedback_comment(s->mem, &v);
        call.marker = feedback_marker(s->mem, c.number);
        (void)shown_nodes(s, id, &call.last_word);
        if (!call.text.len && !sent.forge_object)
            return nothing_to_send(s, f, e);
    }
    str hash = sha256_hex(s->mem, call.body);
    /* What was written by a call whose answer was lost is not known: it is written once more. */
    bool unheard = !is_review && (f->attempts > 0 || s->lane->fresh || s->lane->scan);
    if (!call.body.len ||
        (!unheard && (sent.forge_object || is_review) && str_eq(hash, sent.sent_hash)))
        return nothing_to_send(s, f, e);
    outbox_add(s, f->id, &call,
               memo_of(s, &now, key, hash, sha256_hex(s->mem, feedback_digest(s->mem, &v))));
    return true;
}

bool report_refused(struct step *s, const struct effect *f, struct json memo, struct err *e)
{
    struct feedback_row row;
    str key = json_str(json_get(memo, STR("key")), s->mem);
    if (!feedback_get(s->db, s->mem, s->lane->id, f->kind, key, &row, e))
        return false;
    if (row.forge_object)
        return true;
    row.sent_ms = s->now_ms;
    return feedback_sent(s->db, s->lane->id, f->kind, key, &row, STR("refused"), e);
}

bool report_answered(struct step *s, const struct effect *f, struct json memo, bool ok,
                     int64_t forge_object, struct err *e)
{
    int64_t change_id;
    bool terminal;
    struct feedback_row before;
    str key = json_str(json_get(memo, STR("key")), s->mem);
    struct feedback_row row = {.forge_object = forge_object,
                               .sent_hash = json_str(json_get(memo, STR("hash")), s->mem),
                               .sent_digest = json_str(json_get(memo, STR("digest")), s->mem),
                               .sent_ms = s->now_ms};
    if (!ok)
        row = (struct feedback_row){
            .sent_hash = STR(""), .sent_digest = STR(""), .sent_ms = s->now_ms};
    if (!feedback_get(s->db, s->mem, s->lane->id, f->kind, key, &before, e))
        return false;
    bool again = f->wanted != json_i64_or(json_get(memo, STR("wanted")), f->wanted);
    /* Somebody edited it while this was under way: nobody knows which of the two was last. */
    if (again && before.anew)
        row.sent_hash = STR("");
    if (!feedback_sent(s->db, s->lane->id, f->kind, key, &row, STR_NONE, e))
        return false;
    if (!effect_end(s, f, false, ok ? STR("written") : STR("gone over there: made anew"), e))
        return false;
    if (ok && !again)
        return true;
    if (!str_to_i64(f->key, 1, INT64_MAX, &change_id))
        return true;
    uint32_t nodes = shown_nodes(s, change_id, &terminal);
    int64_t pause_ms = str_eq(f->kind, STR("check")) ? (terminal ? 0 : CHECK_PAUSE_MS)
                                                     : feedback_debounce_ms(nodes, terminal);
    if (again && before.anew)
        pause_ms = 0;
    return step_effect(s, arena_z(s->mem, f->kind), f->key, STR("{}"),
                       pause_ms ? s->now_ms + pause_ms : 0, e);
}
