/*
 * apply_upload: a complete affected set looks for the event it belongs to (atmos-pro.md §10.1). The
 * rules are domain/join.c's; here is what they need to know.
 */
#include "base/log.h"
#include "domain/join.h"
#include "engine/inside.h"
#include "store/uploads.h"

static struct session_facts session_of(struct step *s, struct json v)
{
    return (struct session_facts){
        .event_name = json_str(json_get(v, STR("event_name")), s->mem),
        .ref = json_str(json_get(v, STR("ref")), s->mem),
        .head_ref = json_str(json_get(v, STR("head_ref")), s->mem),
        .base_ref = json_str(json_get(v, STR("base_ref")), s->mem),
        .run_id = json_str(json_get(v, STR("run_id")), s->mem),
        .workflow_ref = json_str(json_get(v, STR("workflow_ref")), s->mem),
    };
}

/*
 * The change an upload speaks of: by the pull request's number in the ref, by the queue's head, or
 * the newest with this head.
 */
static bool find_change(struct step *s, const struct upload *u, const struct session_facts *session,
                        struct change *c, bool *found, struct err *e)
{
    int64_t number = join_pull_number(session->ref);
    struct change *by_head;
    size_t count;
    *found = false;
    if (number && !changes_by_key(s->db, s->mem, s->lane->id, STR("pull_request"),
                                  arena_print(s->mem, "%lld", (long long)number), c, found, e))
        return false;
    if (*found)
        return true;
    str tag = join_tag(session->ref);
    if (tag.len && (!changes_by_tag(s->db, s->mem, s->lane->id, tag, c, found, e) || *found))
        return e->code == ERR_NONE;
    if (!changes_by_head(s->db, s->mem, s->lane->id, u->head_sha, &by_head, &count, e))
        return false;
    for (size_t i = 0; i < count && !*found; i++) {
        bool queue = str_eq(by_head[i].kind, STR("merge_group"));
        if (session->event_name.len && queue != str_eq(session->event_name, STR("merge_group")))
            continue;
        *c = by_head[i];
        *found = true;
    }
    return true;
}

static bool known_change(struct step *s, const struct change *c, struct known_change *out,
                         struct change_event **rows, size_t *row_count, struct err *e)
{
    if (!change_events_of(s->db, s->mem, c->id, rows, row_count, e))
        return false;
    struct waiting_event *ev = arena_make(s->mem, struct waiting_event, *row_count + 1);
    struct change_event *kept = arena_make(s->mem, struct change_event, *row_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < *row_count; i++) {
        bool waiting = str_eq((*rows)[i].state, STR("waiting")),
             joined = str_eq((*rows)[i].state, STR("joined"));
        if (!waiting && !joined)
            continue;
        kept[n] = (*rows)[i];
        ev[n++] = (struct waiting_event){.activity = (*rows)[i].activity,
                                         .head_sha = (*rows)[i].head_sha,
                                         .at_ms = (*rows)[i].at_ms,
                                         .joined = joined};
    }
    *rows = kept;
    *row_count = n;
    *out = (struct known_change){
        .kind = str_eq(c->kind, STR("release"))       ? CHANGE_RELEASE
                : str_eq(c->kind, STR("merge_group")) ? CHANGE_MERGE_GROUP
                                                      : CHANGE_PULL_REQUEST,
        .head_sha = c->head_sha,
        .open = str_eq(c->state, STR("open")),
        .merged = str_eq(c->state, STR("merged")),
        .draft = c->draft,
        .merged_ms = c->merged_ms,
        .events = ev,
        .event_count = n,
    };
    return true;
}

static bool earlier_uploads(struct step *s, const struct upload *u, struct earlier_upload **out,
                            size_t *count, struct err *e)
{
    struct upload *all;
    size_t all_count;
    if (!uploads_of_head(s->db, s->mem, s->lane->id, u->head_sha, &all, &all_count, e))
        return false;
    *out = arena_make(s->mem, struct earlier_upload, all_count + 1);
    *count = 0;
    for (size_t i = all_count; i-- > 0;) {
        struct json session;
        struct err ignored = { 0 };
        if (str_eq(all[i].id, u->id) || all[i].received_ms > u->received_ms)
            continue;
        str run = json_parse(s->mem, all[i].session.len ? all[i].session : STR("{}"), 0, &session,
                             &ignored)
                      ? json_str(json_get(session, STR("run_id")), s->mem)
                      : STR("");
        (*out)[(*count)++] = (struct earlier_upload){.base_sha = all[i].base_sha,
                                                     .run_id = run,
                                                     .received_ms = all[i].received_ms,
                                                     .joined = str_eq(all[i].state, STR("joined"))};
    }
    return true;
}

static bool join_events(struct step *s, const struct change *c, const struct change_event *ev,
                        size_t count, uint64_t which, const struct upload *u, str *note,
                        struct err *e)
{
    str batch_id = STR_NONE;
    if (!uploads_end(s->db, u->id, STR("joined"), c->id, STR_NONE, e))
        return false;
    for (size_t i = 0; i < count && i < 64; i++) {
        struct change_event row = ev[i];
        if (!(which >> i & 1))
            continue;
        /*
         * published and released of one release are one batch: the first that has workflows (§24
         * no. 28).
         */
        if (batch_id.len && str_eq(c->kind, STR("release"))) {
            if (!change_events_end(s->db, row.id, STR("joined"), batch_id,
                                   STR("one release, one batch"), e))
                return false;
            continue;
        }
        str made = STR_NONE;
        if (!batch_make(s, c, &row, u->id, false, &made, note, e))
            return false;
        if (made.len)
            batch_id = made;
    }
    return true;
}

static bool join_again(struct step *s, const struct change *c, str activity, const struct upload *u,
                       str *note, struct err *e)
{
    str batch_id = STR_NONE;
    struct change_event ev = {.change_id = c->id,
                              .activity = activity,
                              .head_sha = u->head_sha,
                              .at_ms = s->now_ms,
                              .state = STR("waiting"),
                              .expires_ms = s->now_ms};
    return uploads_end(s->db, u->id, STR("joined"), c->id, STR_NONE, e) &&
           change_events_add(s->db, s->mem, &ev, &ev.id, e) &&
           batch_make(s, c, &ev, u->id, true, &batch_id, note, e);
}

/*
 * Releases and queue heads cannot be asked for by number: their upload waits for the webhook
 * (failed deliveries are healed).
 */
static bool can_be_asked(const struct session_facts *session)
{
    return !str_starts(session->ref, STR("refs/tags/")) &&
           !str_eq(session->event_name, STR("merge_group"));
}

/* When it is looked at next; not after its end. */
static bool asked_once_more(struct step *s, const struct upload *u, bool counts, str why,
                            struct err *e)
{
    int64_t asked = u->asked + counts,
            at_ms = s->now_ms + join_ask_again_ms(counts ? asked : INT64_MAX),
            end_ms = u->received_ms + JOIN_UPLOAD_EXPIRES_MS + 1;
    return uploads_asked(s->db, u->id, asked, at_ms < end_ms ? at_ms : end_ms, why, e);
}

static bool ask_forge(struct step *s, const struct upload *u, const struct session_facts *session,
                      const struct change *c, str why, struct err *e)
{
    int64_t number = join_pull_number(session->ref);
    bool can = can_be_asked(session);
    if (!number && str_eq(c->kind, STR("pull_request")))
        number = c->number;
    if (!asked_once_more(s, u, can, why, e))
        return false;
    if (!can)
        return true;
    if (number)
        return step_effect(s, "read_pull", arena_print(s->mem, "%lld", (long long)number),
                           STR("{}"), 0, e);
    return step_effect(s, "find_pulls", u->head_sha, STR("{}"), 0, e);
}

bool apply_upload(struct step *s, str upload_id, bool asked, str *note, struct err *e)
{
    struct upload u;
    struct change c = { 0 };
    struct known_change known = { 0 };
    struct change_event *ev = NULL;
    struct earlier_upload *earlier;
    size_t ev_count = 0, earlier_count;
    struct json session_json;
    bool found;

    if (!uploads_get(s->db, s->mem, upload_id, &u, &found, e))
        return false;
    if (!found || !str_eq(u.state, STR("complete"))) {
        *note = STR("the upload is settled already");
        return true;
    }
    if (!json_parse(s->mem, u.session.len ? u.session : STR("{}"), 0, &session_json, e))
        return false;
    struct session_facts session = session_of(s, session_json);
    if (!find_change(s, &u, &session, &c, &found, e) ||
        (found && !known_change(s, &c, &known, &ev, &ev_count, e)) ||
        !earlier_uploads(s, &u, &earlier, &earlier_count, e))
        return false;
    struct upload_facts facts = {.head_sha = u.head_sha,
                                 .base_sha = u.base_sha,
                                 .received_ms = u.received_ms,
                                 .session = session};
    struct join j = join_upload(found ? &known : NULL, &facts, earlier, earlier_count, asked);

    if ((j.kind == JOIN_EVENTS || j.kind == JOIN_AGAIN) && !c.head_sha.len) {
        c.head_sha = u.head_sha;
        if (!changes_learn_head(s->db, c.id, u.head_sha, e))
            return false;
    }
    switch (j.kind) {
    case JOIN_EVENTS:
        return join_events(s, &c, ev, ev_count, j.events, &u, note, e);
    case JOIN_AGAIN:
        return join_again(s, &c, j.activity, &u, note, e);
    case JOIN_ASK:
        *note = str_of(j.why);
        return ask_forge(s, &u, &session, &c, *note, e);
    case JOIN_WAIT:
        *note = str_of(j.why);
        step_wake_at(s, u.received_ms + UNMATCHED_UPLOAD_MS);
        if (!asked && s->now_ms >= u.ask_ms && s->now_ms - u.received_ms >= UNMATCHED_UPLOAD_MS)
            return ask_forge(s, &u, &session, &c, *note, e);
        return true;
    case JOIN_NONE:
        break;
    }
    *note = str_of(j.why);
    return uploads_end(s->db, u.id, STR("expired"), 0, *note, e);
}

bool uploads_sweep(struct step *s, struct err *e)
{
    struct upload *u;
    size_t count;
    str note;
    if (!uploads_unjoined(s->db, s->mem, s->lane->id, s->now_ms - UNMATCHED_UPLOAD_MS, s->now_ms,
                          &u, &count, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (s->now_ms - u[i].received_ms > JOIN_UPLOAD_EXPIRES_MS) {
            if (!uploads_end(s->db, u[i].id, STR("expired"), 0,
                             STR("no event came for it within a day"), e))
                return false;
        } else if (!apply_upload(s, u[i].id, false, &note, e)) {
            return false;
        }
    }
    return true;
}
