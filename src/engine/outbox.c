/*
 * outbox: effects become calls of the forge; answers become facts. Prepared inside the lane's
 * transaction, handed over after its commit.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/secret.h"
#include "domain/workflow.h"
#include "engine/inside.h"
#include "store/feedback.h"

static const char *const call_names[] = {
    [FORGE_DISPATCH] = "dispatch",
    [FORGE_FIND_RUNS] = "find_runs",
    [FORGE_READ_RUN] = "read_run",
    [FORGE_CANCEL_RUN] = "cancel_run",
    [FORGE_RERUN] = "rerun",
    [FORGE_READ_FILE] = "read_file",
    [FORGE_PUT_CHECK] = "put_check",
    [FORGE_PUT_COMMENT] = "put_comment",
    [FORGE_REVIEW] = "review",
    [FORGE_READ_PULL] = "read_pull",
    [FORGE_FIND_PULLS] = "find_pulls",
    [FORGE_LIST_PULLS] = "list_pulls",
    [FORGE_READ_REPO] = "read_repo",
    [FORGE_READ_COMMIT] = "read_commit",
    [FORGE_PERMISSION] = "permission",
    [FORGE_LIST_REPOS] = "list_repos",
    [FORGE_LIST_INSTALLATIONS] = "list_installations",
    [FORGE_LIST_DELIVERIES] = "list_deliveries",
    [FORGE_REDELIVER] = "redeliver",
    [FORGE_READ_QUOTA] = "read_quota",
};

void outbox_add(struct step *s, int64_t effect_id, const struct forge_call *call, str memo)
{
    struct outgoing *o = arena_make(s->mem, struct outgoing, 1);
    o->effect_id = effect_id;
    o->call = *call;
    o->memo = memo;
    if (s->lane->has_repo) {
        if (!o->call.installation_id)
            o->call.installation_id = s->lane->repo.installation_id;
        o->call.owner = arena_copy(s->mem, s->lane->repo.owner);
        o->call.name = arena_copy(s->mem, s->lane->repo.name);
    }
    *s->out_last = o;
    s->out_last = &o->next;
}

void outbox_add_runner(struct step *s, int64_t effect_id, const struct runner_call *call, str memo)
{
    struct outgoing *o = arena_make(s->mem, struct outgoing, 1);
    o->effect_id = effect_id;
    o->runner = arena_make(s->mem, struct runner_call, 1);
    *o->runner = *call;
    o->memo = memo;
    *s->out_last = o;
    s->out_last = &o->next;
}

/* ---- one function a kind of effect ----------------------------------------------------------- */

static bool prepare_dispatch(struct step *s, const struct effect *f, struct json body,
                             bool maybe_sent, struct err *e)
{
    struct json inputs = json_get(body, STR("inputs"));
    struct forge_call c = {.kind = FORGE_DISPATCH,
                           .file = json_str(json_get(body, STR("file")), s->mem),
                           .ref = json_str(json_get(body, STR("ref")), s->mem)};
    struct forge_input *in = arena_make(s->mem, struct forge_input, json_count(inputs) + 1);
    struct json_iter it = json_iter(inputs);
    struct json v;
    (void)e;
    while (json_next(&it, s->mem, &in[c.input_count].name, &v))
        in[c.input_count++].value = json_str(v, s->mem);
    c.inputs = in;
    if (maybe_sent) {
        c.kind = FORGE_FIND_RUNS;
        c.since_ms = f->created_ms;
    }
    outbox_add(s, f->id, &c, STR(""));
    return true;
}

static bool prepare_read_workflow(struct step *s, const struct effect *f, struct json body,
                                  bool maybe_sent, struct err *e)
{
    str file = json_str(json_get(body, STR("file")), s->mem),
        ref = json_str(json_get(body, STR("ref")), s->mem);
    struct workflow_row w = { .etag = STR("") };
    bool found;
    (void)maybe_sent;
    if (!workflows_get(s->db, s->mem, s->lane->id, ref, file, &w, &found, e))
        return false;
    outbox_add(s, f->id,
               &(struct forge_call){
                   .kind = FORGE_READ_FILE,
                   .ref = ref,
                   .etag = found ? w.etag : STR(""),
                   .path = arena_print(s->mem, ".github/workflows/" PRI_STR, FMT_STR(file))},
               STR(""));
    return true;
}

static bool prepare_cancel(struct step *s, const struct effect *f, struct json body,
                           bool maybe_sent, struct err *e)
{
    struct run_row r;
    bool found;
    (void)body;
    (void)maybe_sent;
    if (!runs_get(s->db, s->mem, f->key, &r, &found, e))
        return false;
    if (!found || r.ended_ms)
        return effects_done(s->db, f->id, false, STR("the run had ended"), s->now_ms, e);
    if (!r.forge_run_id)
        return outbox_later(s, f, s->now_ms + RETRY_FIRST_MS, STR("the run is not known yet"), e);
    outbox_add(s, f->id, &(struct forge_call){.kind = FORGE_CANCEL_RUN, .run_id = r.forge_run_id},
               STR(""));
    return true;
}

static bool prepare_numbered(struct step *s, const struct effect *f, enum forge_call_kind kind,
                             struct err *e)
{
    struct forge_call c = { .kind = kind };
    int64_t n;
    if (!str_to_i64(f->key, 1, INT64_MAX, &n))
        return effects_done(s->db, f->id, true, STR("its key is no number"), s->now_ms, e);
    c.number = c.run_id = c.object = n;
    outbox_add(s, f->id, &c, STR(""));
    return true;
}

static bool prepare_read_pull(struct step *s, const struct effect *f, struct json body,
                              bool maybe_sent, struct err *e)
{
    (void)body;
    (void)maybe_sent;
    return prepare_numbered(s, f, FORGE_READ_PULL, e);
}

static bool prepare_poll_run(struct step *s, const struct effect *f, struct json body,
                             bool maybe_sent, struct err *e)
{
    (void)body;
    (void)maybe_sent;
    return prepare_numbered(s, f, FORGE_READ_RUN, e);
}

static bool prepare_redeliver(struct step *s, const struct effect *f, struct json body,
                              bool maybe_sent, struct err *e)
{
    (void)body;
    (void)maybe_sent;
    return prepare_numbered(s, f, FORGE_REDELIVER, e);
}

static bool prepare_find_runs(struct step *s, const struct effect *f, struct json body,
                              bool maybe_sent, struct err *e)
{
    (void)maybe_sent;
    (void)e;
    outbox_add(
        s, f->id,
        &(struct forge_call){.kind = FORGE_FIND_RUNS,
                             .file = STR(""),
                             .since_ms = json_i64_or(json_get(body, STR("since")), f->created_ms)},
        STR(""));
    return true;
}

static bool prepare_find_pulls(struct step *s, const struct effect *f, struct json body,
                               bool maybe_sent, struct err *e)
{
    (void)body;
    (void)maybe_sent;
    (void)e;
    outbox_add(s, f->id, &(struct forge_call){ .kind = FORGE_FIND_PULLS, .sha = f->key }, STR(""));
    return true;
}

static bool prepare_deliveries(struct step *s, const struct effect *f, struct json body,
                               bool maybe_sent, struct err *e)
{
    (void)body;
    (void)maybe_sent;
    (void)e;
    /* GitHub keeps deliveries for three days (forges.md §1.1). */
    outbox_add(s, f->id,
               &(struct forge_call){.kind = FORGE_LIST_DELIVERIES,
                                    .since_ms = s->now_ms - 3LL * 24 * 3600 * 1000},
               STR(""));
    return true;
}

static bool prepare_of_installation(struct step *s, const struct effect *f,
                                    enum forge_call_kind kind, struct err *e)
{
    int64_t installation;
    if (!str_to_i64(f->key, 1, INT64_MAX, &installation))
        return effects_done(s->db, f->id, true, STR("its key is no number"), s->now_ms, e);
    outbox_add(s, f->id, &(struct forge_call){ .kind = kind, .installation_id = installation },
               STR(""));
    return true;
}

static bool prepare_list_repos(struct step *s, const struct effect *f, struct json body,
                               bool maybe_sent, struct err *e)
{
    (void)body;
    (void)maybe_sent;
    return prepare_of_installation(s, f, FORGE_LIST_REPOS, e);
}

static bool prepare_read_quota(struct step *s, const struct effect *f, struct json body,
                               bool maybe_sent, struct err *e)
{
    (void)body;
    (void)maybe_sent;
    return prepare_of_installation(s, f, FORGE_READ_QUOTA, e);
}

static bool prepare_report(struct step *s, const struct effect *f, struct json body,
                           bool maybe_sent, struct err *e)
{
    (void)body;
    return report_prepare(s, f, maybe_sent, e);
}

static bool prepare_order(struct step *s, const struct effect *f, struct json body,
                          bool maybe_sent, struct err *e)
{
    (void)maybe_sent;
    return order_prepare(s, f, body, e);
}

static bool prepare_read_settings(struct step *s, const struct effect *f, struct json body,
                                  bool maybe_sent, struct err *e)
{
    (void)body;
    (void)maybe_sent;
    (void)e;
    return settings_file_prepare(s, f);
}

static const struct {
    const char *kind;
    bool (*prepare)(struct step *, const struct effect *, struct json, bool, struct err *);
} kinds[] = {
    {"read_commit", trees_prepare},     {"result", prepare_report},
    {"dispatch", prepare_dispatch},     {"read_workflow", prepare_read_workflow},
    {"cancel_run", prepare_cancel},     {"check", prepare_report},
    {"comment", prepare_report},        {"review", prepare_report},
    {"read_pull", prepare_read_pull},   {"find_pulls", prepare_find_pulls},
    {"poll_run", prepare_poll_run},     {"find_runs", prepare_find_runs},
    {"deliveries", prepare_deliveries}, {"redeliver", prepare_redeliver},
    {"list_repos", prepare_list_repos}, {"read_quota", prepare_read_quota},
    {"permission", prepare_order},      {"reply", prepare_order},
    {"read_settings", prepare_read_settings},
};

bool outbox_prepare(struct step *s, const struct effect *f, bool maybe_sent, struct err *e)
{
    struct json body;
    if (str_starts(f->kind, STR("action_")))        /* of no forge: it needs no App */
        return !s->en->config.runner || action_prepare(s, f, e);
    if (str_starts(f->kind, STR("runner_")))
        return !s->en->config.runner ||
               (json_parse(s->mem, f->body.len ? f->body : STR("{}"), 0, &body, e) &&
                node_runner_prepare(s, f, body, maybe_sent, e));
    if (!s->en->config.forge)
        return true;
    if (s->lane->has_repo && (s->lane->repo.removed || s->lane->repo.suspended))
        return true;                        /* waits in the outbox until the App is back */
    if (!json_parse(s->mem, f->body.len ? f->body : STR("{}"), 0, &body, e))
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (str_eq(f->kind, str_of(kinds[i].kind)))
            return kinds[i].prepare(s, f, body, maybe_sent, e);
    return effects_done(s->db, f->id, true, STR("this server does not know such an effect"),
                        s->now_ms, e);
}

bool effect_end(struct step *s, const struct effect *f, bool given_up, str note, struct err *e)
{
    if (given_up)
        log_warn("an effect came to nothing", LS("kind", f->kind), LS("key", f->key),
                 LI("lane", f->lane), LI("status", f->status), LS("why", note));
    atomic_fetch_add(given_up ? &s->en->effects_failed : &s->en->effects_done, 1);
    return effects_done(s->db, f->id, given_up, note, s->now_ms, e);
}

bool outbox_later(struct step *s, const struct effect *f, int64_t not_before_ms, str note,
                  struct err *e)
{
    int64_t wait_ms = RETRY_FIRST_MS;
    for (int64_t i = 0; i < f->attempts && wait_ms < RETRY_LAST_MS; i++)
        wait_ms *= 2;
    if (wait_ms > RETRY_LAST_MS)
        wait_ms = RETRY_LAST_MS;
    /* jitter: a thousand of them do not come back at once */
    wait_ms += (int64_t)(random_u64() % (uint64_t)(wait_ms / 2 + 1));
    int64_t at_ms = not_before_ms > s->now_ms ? not_before_ms : s->now_ms + wait_ms;
    if (f->attempts >= EFFECT_TRIES_MAX)
        return effect_end(s, f, true, note, e);
    step_due_at(s, at_ms);
    return effects_later(s->db, f->id, at_ms, note, e);
}

/* ---- leaving and coming back ----------------------------------------------------------------- */

struct call_out {
    struct engine *en;
    int64_t lane, effect_id, installation_id;
    enum forge_call_kind kind;
    size_t memo_len;
    char memo[];
};

/*
 * On the writer thread. An answer that could not be stored is lost: its effect is no longer under
 * way, and is looked at again soon.
 */
static void answer_stored(void *arg, enum fact_fate fate, int64_t fact_id, const struct err *e)
{
    struct call_out *c = arg;
    (void)fate;
    (void)fact_id;
    if (e && !atomic_load(&c->en->stopping)) {
        struct lane *l = lane_find(c->en, c->lane, true);
        for (size_t i = 0; i < l->inflight_count; i++)
            if (l->inflight[i] == c->effect_id) {
                l->inflight[i] = l->inflight[--l->inflight_count];
                break;
            }
        l->scan = true;
        atomic_store(&l->wake_ms, engine_now_ms(c->en) + RETRY_FIRST_MS);
        log_warn("an answer of the forge could not be stored; its effect is looked at again",
                 LI("effect", c->effect_id), LZ("why", e->text));
    }
    free(c);
}

/* Not known: a response said nothing of it, or nonsense. */
static void write_quota(struct json_out *w, const struct forge_quota *q)
{
    json_key(w, STR("quota"));
    json_begin_object(w);
    if (q->known) {
        json_field_i64(w, STR("limit"), q->limit);
        json_field_i64(w, STR("remaining"), q->remaining);
        json_field_i64(w, STR("resetMs"), q->reset_ms);
        json_field_str(w, STR("resource"), q->resource.ptr ? q->resource : STR(""));
    }
    json_end_object(w);
}

static void answered(void *ctx, const struct forge_answer *a)
{
    struct call_out *c = ctx;
    struct arena *mem = arena_new((size_t)64 << 20, (size_t)512 << 20);
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, (size_t)64 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_i64(&w, STR("effect"), c->effect_id);
    json_field_str(&w, STR("call"), str_of(call_names[c->kind]));
    json_field_str(&w, STR("outcome"), str_of(forge_outcome_name(a->outcome)));
    json_field_i64(&w, STR("status"), a->status);
    json_field_str(&w, STR("message"), a->message.ptr ? a->message : STR(""));
    json_field_i64(&w, STR("notBefore"), a->not_before_ms);
    json_field_str(&w, STR("memo"), (str){ c->memo, c->memo_len });
    json_field_i64(&w, STR("tookMs"), a->took_ms);
    json_field_i64(&w, STR("installation"), c->installation_id);
    json_field_i64(&w, STR("calls"), a->calls);
    if (a->quota.said)
        write_quota(&w, &a->quota);
    json_field_raw(&w, STR("result"), a->result.len ? a->result : STR("{}"));
    json_end_object(&w);
    engine_submit(c->en, &(struct fact_new){.lane = c->lane, .kind = "answer", .body = buf_str(&b)},
                  answer_stored, c);
    arena_free(mem);
}

/*
 * The outcome in the forge's words, too: what the engine does with any answer does not ask whose it
 * is. Nothing of what was sent is in it: the answer's message was masked.
 */
static void runner_answered(void *ctx, const struct runner_answer *a)
{
    static const enum forge_outcome as[] = {
        [RUNNER_OK] = FORGE_OK,               [RUNNER_NOT_SENT] = FORGE_NOT_SENT,
        [RUNNER_LOST] = FORGE_LOST,           [RUNNER_BUSY] = FORGE_LIMITED,
        [RUNNER_NOT_FOUND] = FORGE_NOT_FOUND, [RUNNER_NO_ACCESS] = FORGE_NO_ACCESS,
        [RUNNER_CONFLICT] = FORGE_REFUSED,    [RUNNER_REFUSED] = FORGE_REFUSED,
    };
    struct call_out *c = ctx;
    struct arena *mem = arena_new(1 << 20, 8 << 20);
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 1 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_i64(&w, STR("effect"), c->effect_id);
    json_field_str(&w, STR("call"), STR("runner"));
    json_field_str(&w, STR("outcome"), str_of(forge_outcome_name(as[a->outcome])));
    json_field_i64(&w, STR("runner"), a->outcome);
    json_field_i64(&w, STR("status"), a->status);
    json_field_str(&w, STR("message"), a->message.ptr ? a->message : STR(""));
    json_field_i64(&w, STR("waitMs"), a->wait_ms);
    json_field_str(&w, STR("code"), a->code.ptr ? a->code : STR(""));
    json_field_str(&w, STR("memo"), (str){ c->memo, c->memo_len });
    if (a->result.len)
        json_field_raw(&w, STR("result"), a->result);
    json_field_i64(&w, STR("tookMs"), a->took_ms);
    json_end_object(&w);
    engine_submit(c->en, &(struct fact_new){.lane = c->lane, .kind = "answer", .body = buf_str(&b)},
                  answer_stored, c);
    arena_free(mem);
}

static void wipe(str s)
{
    if (s.len)
        secret_wipe((void *)(uintptr_t)s.ptr, s.len);
}

static void call_runner(struct engine *en, struct runner_call *r, struct call_out *c)
{
    en->config.runner->call(en->config.runner->self, r, runner_answered, c);
    wipe(r->body);
    wipe(r->token);
    for (size_t i = 0; i < r->mask_count; i++)
        wipe(r->mask[i]);
}

static void note_inflight(struct lane *l, int64_t effect_id)
{
    if (l->inflight_count == l->inflight_cap) {
        l->inflight_cap = l->inflight_cap ? l->inflight_cap * 2 : 32;
        l->inflight = realloc(l->inflight, l->inflight_cap * sizeof *l->inflight);
        if (!l->inflight)
            abort();
    }
    l->inflight[l->inflight_count++] = effect_id;
}

void outbox_hand_over(struct step *s)
{
    struct engine *en = s->en;
    if (atomic_load(&en->quiet))
        /* stays in the outbox; the next start looks whether it was carried out */
        return;
    /*
     * A server that was paused for longer than its lease may have lost the lane: what it prepared
     * does not leave any more.
     */
    if (en->kind == DB_POSTGRES && engine_now_ms(en) - s->now_ms > en->config.lease_ms / 2) {
        s->lane->scan = true;
        atomic_store(&s->lane->wake_ms, engine_now_ms(en) + 1);
        return;
    }
    for (struct outgoing *o = s->out; o; o = o->next) {
        struct call_out *c = calloc(1, sizeof *c + o->memo.len);
        if (!c)
            abort();
        *c = (struct call_out){.en = en,
                               .lane = s->lane->id,
                               .effect_id = o->effect_id,
                               .installation_id = o->call.installation_id,
                               .kind = o->call.kind,
                               .memo_len = o->memo.len};
        if (o->memo.len)
            memcpy(c->memo, o->memo.ptr, o->memo.len);
        note_inflight(s->lane, o->effect_id);
        if (o->runner) {
            call_runner(en, o->runner, c);
            continue;
        }
        en->config.forge->call(en->config.forge->self, &o->call, answered, c);
    }
}
