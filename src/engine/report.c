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

enum { CHECK_PAUSE_MS = 2000, BATCHES_SHOWN = 2, PARENTS_SHOWN_MAX = 16 };

/* ---- views ----------------------------------------------------------------------------------- */

static void view_gate(struct step *s, const struct node_row *n, struct node_view *v)
{
    struct json gate;
    struct err ignored = { 0 };
    if (!n->gate.len || !json_parse(s->mem, n->gate, 0, &gate, &ignored))
        return;
    if (str_eq(json_str(json_get(gate, STR("kind")), s->mem), STR("lock"))) {
        v->lock_message = json_str(json_get(gate, STR("message")), s->mem);
        v->lock_actor = json_str(json_get(gate, STR("actor")), s->mem);
        v->lock_expires_ms = json_i64_or(json_get(gate, STR("expiresMs")), 0);
        if (!v->lock_message.ptr)
            v->lock_message = STR("");
    } else {
        v->blocked_by = json_str(json_get(gate, STR("workflow")), s->mem);
    }
}

static void view_run(struct step *s, const struct run_row *r, struct trigger t, enum command guess,
                     struct node_view *v)
{
    struct json counts;
    struct err ignored = { 0 };
    v->run_url = r->url;
    v->started_ms = r->started_ms;
    v->ended_ms = r->ended_ms;
    v->has_exit = r->has_exit;
    v->exit_code = r->exit_code;
    v->badge = command_badge(t, guess, command_read(r->reported));
    if (!r->counts.len || !json_parse(s->mem, r->counts, 0, &counts, &ignored))
        return;
    v->has_counts = true;
    v->create = json_i64_or(json_get(counts, STR("create")), 0);
    v->change = json_i64_or(json_get(counts, STR("change")), 0);
    v->replace = json_i64_or(json_get(counts, STR("replace")), 0);
    v->destroy = json_i64_or(json_get(counts, STR("destroy")), 0);
}

static enum command guess_of(str name)
{
    for (int c = COMMAND_UNKNOWN; c <= COMMAND_REMEDIATE; c++)
        if (str_eq(name, str_of(command_name((enum command)c))))
            return (enum command)c;
    return COMMAND_UNKNOWN;
}

/* Parents of every node, from the children lists: two passes, one array. */
static void view_parents(struct step *s, const struct batch *b, struct node_view *v)
{
    uint32_t *count = arena_make(s->mem, uint32_t, b->count + 1);
    uint32_t **at = arena_make(s->mem, uint32_t *, b->count + 1);
    for (uint32_t i = 0; i < b->count; i++)
        for (uint32_t k = 0; k < b->node[i].child_count; k++)
            count[b->children[b->node[i].first_child + k]]++;
    for (uint32_t i = 0; i < b->count; i++)
        at[i] = arena_make(s->mem, uint32_t, count[i] + 1);
    for (uint32_t i = 0; i < b->count; i++)
        for (uint32_t k = 0; k < b->node[i].child_count; k++) {
            uint32_t child = b->children[b->node[i].first_child + k];
            at[child][v[child].parent_count++] = i;
        }
    for (uint32_t i = 0; i < b->count; i++)
        v[i].parents = at[i];
}

static str page(struct step *s, const char *what, str id)
{
    return arena_print(s->mem, PRI_STR "/%s/" PRI_STR, FMT_STR(s->en->public_url), what,
                       FMT_STR(id));
}

static bool view_batch(struct step *s, const struct change *c, const struct batch_row *row,
                       struct batch_view *out, struct err *e)
{
    struct hot *h;
    struct run_row *run;
    size_t run_count;
    if (!hot_get(s, row->seq, &h, e) ||
        !runs_of_batch(s->db, s->mem, row->seq, &run, &run_count, e))
        return false;
    struct trigger t = { .event = row->event, .activity = row->activity };
    struct node_view *v = arena_make(s->mem, struct node_view, h->count + 1);
    *out = (struct batch_view){
        .id = row->id,
        .url = page(s, "batches", row->id),
        .activity = row->activity,
        .head_sha = row->head_sha,
        .state = batch_state_name(h->b->state),
        .verdict = batch_verdict_name(batch_verdict(h->b)),
        .error = row->error,
        .node = v,
        .count = h->count,
        .as_of_ms = row->created_ms,
        .tree_differs = row->tree_differs,
        .superseded_by = h->row.superseded_by,
        .kind = CHANGE_PULL_REQUEST,
        .forecast_ms = batch_forecast_ms(h->b, (uint32_t)s->lane->settings.dispatch_concurrency),
    };
    if (row->error.len) {
        out->state = "ended";
        out->verdict = "failure";
    }
    for (int k = CHANGE_PULL_REQUEST; k <= CHANGE_DRIFT; k++)
        if (str_eq(c->kind, str_of(change_kind_name((enum change_kind)k))))
            out->kind = (enum change_kind)k;
    for (uint32_t i = 0; i < h->count; i++) {
        const struct node_row *n = &h->node[i];
        v[i] = (struct node_view){.stack = n->stack,
                                  .component = n->component,
                                  .workflow = n->workflow,
                                  .state = n->state,
                                  .inert = n->inert,
                                  .error_code = n->error_code,
                                  .error_text = n->error_text,
                                  .expected_ms = n->expected_ms,
                                  .level = (uint32_t)n->level,
                                  .badge = command_badge(t, guess_of(n->guess), COMMAND_UNKNOWN),
                                  .run_url = STR(""),
                                  .lock_message = STR_NONE,
                                  .lock_actor = STR(""),
                                  .blocked_by = STR("")};
        view_gate(s, n, &v[i]);
        if (n->changed_ms > out->as_of_ms)
            out->as_of_ms = n->changed_ms;
    }
    for (size_t i = 0; i < run_count; i++)
        if (run[i].position < h->count && run[i].attempt == h->node[run[i].position].attempt)
            view_run(s, &run[i], t, guess_of(h->node[run[i].position].guess), &v[run[i].position]);
    view_parents(s, h->b, v);
    return true;
}

static bool wait_of(struct step *s, const struct change *c, struct change_view *v, struct err *e)
{
    struct change_event *ev;
    size_t count;
    if (!change_events_of(s->db, s->mem, c->id, &ev, &count, e))
        return false;
    v->wait = str_eq(c->state, STR("closed")) ? WAIT_CLOSED : WAIT_NONE;
    for (size_t i = count; i-- > 0 && v->wait == WAIT_NONE;) {
        if (!str_eq(ev[i].head_sha, c->head_sha) || str_eq(ev[i].state, STR("superseded")))
            continue;
        v->wait_until_ms = ev[i].expires_ms;
        if (str_eq(ev[i].state, STR("waiting")))
            v->wait = WAIT_UPLOAD;
        else if (str_eq(ev[i].state, STR("expired")))
            v->wait = WAIT_NO_UPLOAD;
        else if (str_eq(ev[i].state, STR("ignored")))
            v->wait =
                str_starts(ev[i].note, STR("from a fork")) ? WAIT_FORK : WAIT_NOTHING_AFFECTED;
    }
    return true;
}

/* What there is to say about a change's present head. */
static bool view_change(struct step *s, const struct change *c, struct change_view *out,
                        struct err *e)
{
    struct batch_row *row;
    size_t row_count;
    struct batch_view *b = arena_make(s->mem, struct batch_view, BATCHES_SHOWN + 1);
    *out =
        (struct change_view){.product = STR("Signalbox"),
                             .number = c->number,
                             .title = c->title,
                             .head_sha = c->head_sha,
                             .batch = b,
                             .page_url = arena_print(s->mem, PRI_STR "/changes/%lld",
                                                     FMT_STR(s->en->public_url), (long long)c->id)};
    for (int k = CHANGE_PULL_REQUEST; k <= CHANGE_DRIFT; k++)
        if (str_eq(c->kind, str_of(change_kind_name((enum change_kind)k))))
            out->kind = (enum change_kind)k;
    if (!batches_of_change(s->db, s->mem, c->id, 8, &row, &row_count, e))
        return false;
    /*
     * Newest first; also those of an older head, so that a comment that exists goes on telling the
     * truth about them.
     */
    for (size_t i = 0; i < row_count && out->batch_count < BATCHES_SHOWN; i++)
        if (!view_batch(s, c, &row[i], &b[out->batch_count++], e))
            return false;
    return wait_of(s, c, out, e);
}

/* ---- wishes ---------------------------------------------------------------------------------- */

static uint32_t shown_nodes(struct step *s, int64_t change_id, bool *terminal)
{
    uint32_t nodes = 0;
    *terminal = true;
    for (struct hot *h = s->lane->hot; h; h = h->next) {
        if (h->row.change_id != change_id)
            continue;
        nodes = h->count > nodes ? h->count : nodes;
        *terminal = *terminal && h->b->state == BATCH_ENDED;
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
    bool numbered =
        str_eq(c.kind, STR("pull_request")) && c.number > 0 && s->lane->settings.comment;
    int64_t comment_ms = urgent ? 0 : comment.sent_ms + feedback_debounce_ms(nodes, terminal);
    if (numbered && !step_effect(s, "comment", key, STR("{}"), comment_ms, e))
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
                is_review = str_eq(f->kind, STR("review")), open;
    if (!str_to_i64(f->key, 1, INT64_MAX, &id) || !changes_get(s->db, s->mem, id, &c, &found, e) ||
        !found)
        return e->code == ERR_NONE && nothing_to_send(s, f, e);
    str key = is_check || is_review ? c.head_sha : f->key;
    if (!effects_get(s->db, s->mem, f->id, &now, &open, e) || !view_change(s, &c, &v, e) ||
        !feedback_get(s->db, s->mem, s->lane->id, f->kind, key, &sent, e))
        return false;
    struct forge_call call = {.kind = is_check ? FORGE_PUT_CHECK : FORGE_PUT_COMMENT,
                              .object = sent.forge_object,
                              .number = c.number};
    if (is_check) {
        struct check_view check;
        feedback_check(s->mem, &v, &check);
        call.body = check_body(s, &c, &check);
        call.sha = c.head_sha;
        call.marker = maybe_sent ? check_id(s, &c) : STR("");
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
        if (!call.text.len && !sent.forge_object)
            return nothing_to_send(s, f, e);
    }
    str hash = sha256_hex(s->mem, call.body);
    if (!call.body.len || ((sent.forge_object || is_review) && str_eq(hash, sent.sent_hash)))
        return nothing_to_send(s, f, e);
    outbox_add(s, f->id, &call,
               memo_of(s, &now, key, hash, sha256_hex(s->mem, feedback_digest(s->mem, &v))));
    return true;
}

bool report_answered(struct step *s, const struct effect *f, struct json memo, bool ok,
                     int64_t forge_object, struct err *e)
{
    int64_t change_id;
    bool terminal;
    struct feedback_row row = {.forge_object = forge_object,
                               .sent_hash = json_str(json_get(memo, STR("hash")), s->mem),
                               .sent_digest = json_str(json_get(memo, STR("digest")), s->mem),
                               .sent_ms = s->now_ms};
    if (!ok)
        row = (struct feedback_row){
            .sent_hash = STR(""), .sent_digest = STR(""), .sent_ms = s->now_ms};
    if (!feedback_sent(s->db, s->lane->id, f->kind, json_str(json_get(memo, STR("key")), s->mem),
                       &row, STR_NONE, e))
        return false;
    atomic_fetch_add(&s->en->effects_done, 1);
    if (!effects_done(s->db, f->id, false, ok ? STR("written") : STR("gone over there: made anew"),
                      s->now_ms, e))
        return false;
    if (ok && f->wanted == json_i64_or(json_get(memo, STR("wanted")), f->wanted))
        return true;
    if (!str_to_i64(f->key, 1, INT64_MAX, &change_id))
        return true;
    uint32_t nodes = shown_nodes(s, change_id, &terminal);
    int64_t pause_ms = str_eq(f->kind, STR("check")) ? (terminal ? 0 : CHECK_PAUSE_MS)
                                                     : feedback_debounce_ms(nodes, terminal);
    return step_effect(s, arena_z(s->mem, f->kind), f->key, STR("{}"), s->now_ms + pause_ms, e);
}
