#include "domain/action_run.h"

#include <assert.h>

#include "base/secret.h"
#include "domain/text.h"

#define GO(s)  { ACTION_MOVE, ACTION_##s }
#define LATE   { ACTION_STALE, 0 }

/* The runner said how it ended, and we believe it, whatever we had heard of its delivery. */
#define OUTCOME \
    [ACTION_SUCCEED] = GO(SUCCEEDED), [ACTION_FAIL] = GO(FAILED), \
    [ACTION_STOPPED] = GO(CANCELLED), [ACTION_REAP] = GO(TIMED_OUT)

/* What our own deliveries bring late. The runner's and a person's words are refused by now. */
#define ENDED \
    [ACTION_ACCEPTED] = LATE, [ACTION_DONE] = LATE, [ACTION_UNDELIVERED] = LATE, \
    [ACTION_UNPREPARED] = LATE, [ACTION_STOPPED] = LATE, [ACTION_REAP] = LATE

static const struct action_edge edges[ACTION_STATE_COUNT][ACTION_EVENT_COUNT] = {
    [ACTION_PENDING] = {
        OUTCOME,                                /* the callback overtook the answer to our call */
        [ACTION_ACCEPTED]    = GO(RUNNING),
        [ACTION_DONE]        = GO(SUCCEEDED),
        [ACTION_UNDELIVERED] = GO(FAILED),
        [ACTION_UNPREPARED]  = GO(FAILED),
        [ACTION_PROGRESS]    = GO(RUNNING),
        [ACTION_CANCEL]      = GO(CANCELLED),
    },
    [ACTION_RUNNING] = {
        OUTCOME,
        [ACTION_ACCEPTED]    = LATE,
        [ACTION_DONE]        = GO(SUCCEEDED),
        [ACTION_UNDELIVERED] = LATE,            /* it is there: only our answers were lost */
        [ACTION_UNPREPARED]  = LATE,
        [ACTION_PROGRESS]    = GO(RUNNING),
        [ACTION_CANCEL]      = GO(RUNNING),     /* remembered: it ends when the runner says so */
    },
    [ACTION_SUCCEEDED] = { ENDED },
    [ACTION_FAILED]    = { ENDED },
    [ACTION_CANCELLED] = { ENDED },
    [ACTION_TIMED_OUT] = { ENDED },
};

_Static_assert(ACTION_REFUSED == 0, "a pair that the table leaves out is refused");

static const struct { const char *name; bool ended; } states[ACTION_STATE_COUNT] = {
#define X(id, wire, is_ended) [id] = { wire, is_ended },
    ACTION_STATES(X)
#undef X
};

static const char *const events[ACTION_EVENT_COUNT] = {
#define X(id, wire) [id] = wire,
    ACTION_EVENTS(X)
#undef X
};

struct action_edge action_edge(enum action_state from, enum action_event ev)
{
    assert(from < ACTION_STATE_COUNT);
    assert(ev < ACTION_EVENT_COUNT);
    return edges[from][ev];
}

const char *action_state_name(enum action_state s)
{
    assert(s < ACTION_STATE_COUNT);
    return states[s].name;
}

const char *action_event_name(enum action_event ev)
{
    assert(ev < ACTION_EVENT_COUNT);
    return events[ev];
}

bool action_state_read(str name, enum action_state *out)
{
    unsigned at;
    if (!text_row(name, states, sizeof states[0], ACTION_STATE_COUNT, &at))
        return false;
    *out = (enum action_state)at;
    return true;
}

bool action_state_ended(enum action_state s)
{
    assert(s < ACTION_STATE_COUNT);
    return states[s].ended;
}

/* ---- the token ---- */

enum { UUID_BYTES = 36, MAC_BYTES_MIN = 32, MAC_BYTES_MAX = 128 };

bool action_run_id_ok(str id)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    _Static_assert(sizeof form == UUID_BYTES + 1, "the form is as long as an id");
    for (size_t i = 0; i < id.len && i < UUID_BYTES; i++) {
        char c = id.ptr[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (form[i] == '-' ? c != '-' : !hex)
            return false;
    }
    return id.len == UUID_BYTES;
}

str action_token(struct arena *mem, str key, str run_id, int64_t expires_ms)
{
    uint8_t mac[SHA256_BYTES];
    str said = arena_print(mem, PRI_STR ":%lld", FMT_STR(run_id), (long long)expires_ms);
    hmac_sha256(key, said, mac);
    str sealed = base64url_write(mem, (str){ (const char *)mac, sizeof mac });
    return arena_print(mem, PRI_STR ":" PRI_STR, FMT_STR(said), FMT_STR(sealed));
}

bool action_token_read(str token, str *run_id, int64_t *expires_ms)
{
    str rest, mac, id = str_cut(token, ':', &rest), expires = str_cut(rest, ':', &mac);
    *run_id = id;
    return action_run_id_ok(id) && str_to_i64(expires, 1, INT64_MAX, expires_ms) &&
           mac.len >= MAC_BYTES_MIN && mac.len <= MAC_BYTES_MAX;
}
