/*
 * limits: the forge counts calls and says so in headers, sane or not, by a clock of its own; and the
 * client that obeys. What the headers mean and who has to wait is the real client's code
 * (forge/github_limit.c, github_clock.c); here are only the wire and the truth.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/rfc3339.h"
#include "forge/inside.h"
#include "whole.h"

enum { HOUR_MS = 60 * 60 * 1000, HEADERS = 8 };

static struct github client;

static int64_t now_ms(void *self)
{
    (void)self;
    return machine.now_ms;
}

/* ---- the client ------------------------------------------------------------------------------ */

void client_dies(void)
{
    for (size_t i = 0; i < sizeof client.parties / sizeof client.parties[0]; i++)
        for (struct party *p = client.parties[i], *next; p; p = next) {
            next = p->next;
            free(p);
        }
    client = (struct github){.now_ms = now_ms, .steady_ms = now_ms};
}

static bool is_apps(const struct forge_call *c)
{
    return c->kind == FORGE_LIST_DELIVERIES || c->kind == FORGE_REDELIVER ||
           c->kind == FORGE_LIST_INSTALLATIONS;
}

static struct party *party(const struct forge_call *c)
{
    return party_of(&client, is_apps(c) ? 0 : c->installation_id);
}

void client_told(void *self, int64_t installation_id, int64_t until_ms)
{
    struct party *p = party_of(&client, installation_id);
    (void)self;
    if (until_ms > p->limited_until_ms)
        p->limited_until_ms = until_ms;
}

static int64_t under_way(int64_t installation_id)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < CALLS; i++)
        n += now->call[i].used && now->call[i].left && !is_apps(&now->call[i].c) &&
             now->call[i].c.installation_id == installation_id;
    return n;
}

/* What remains may be spoken for by calls that are under way; when there are none, until the reset. */
static bool spoken_for(const struct forge_call *c, struct party *p)
{
    int64_t reset_ms = p->quota.reset_ms, out = under_way(c->installation_id);
    if (is_apps(c) || p->quota.limit <= 0 || reset_ms <= machine.now_ms || p->quota.remaining > out)
        return false;
    if (!out)
        p->limited_until_ms = reset_ms + 1000;
    return out > 0;
}

enum leaving client_lets(struct call *c, struct forge_answer *a)
{
    struct party *p = party(&c->c);
    if (c->left)
        return LEAVES;
    if (!party_limited(p, machine.now_ms) && spoken_for(&c->c, p))
        return STAYS;
    if (party_limited(p, machine.now_ms)) {
        *a = (struct forge_answer){.outcome = FORGE_LIMITED,
                                   .not_before_ms = p->limited_until_ms,
                                   .result = STR("{}"),
                                   .message = STR("not sent: told to wait")};
        return TOLD_TO_WAIT;
    }
    c->left = true;
    if (!is_apps(&c->c))
        check_departure(&c->c);
    return LEAVES;
}

/* ---- what the forge says --------------------------------------------------------------------- */

int64_t forge_now_ms(void)
{
    return machine.now_ms + now->skew_ms;
}

static str http_date(struct arena *mem, int64_t at_ms)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct rfc3339_parts t = rfc3339_parts(at_ms);
    return arena_print(mem, "Mon, %02lld %s %04lld %02lld:%02lld:%02lld GMT", (long long)t.day,
                       months[t.month - 1], (long long)t.year, (long long)t.hour,
                       (long long)t.minute, (long long)t.second);
}

struct said {
    struct http_answer http;
    struct http_header header[HEADERS];
    str message;
};

static void say(struct said *s, const char *name, str value)
{
    s->header[s->http.header_count++] = (struct http_header){str_of(name), value};
    s->http.headers = s->header;
}

static void say_number(struct arena *mem, struct said *s, const char *name, int64_t n)
{
    say(s, name, arena_print(mem, "%lld", (long long)n));
}

/* Numbers that no forge should say. */
static void say_nonsense(struct arena *mem, struct said *s)
{
    static const char *const limits[] = {"", "-1", "0", "many", "100", "99999999999999999999"};
    static const char *const remains[] = {"-5", "200", "soon", "99999999999999999999"};
    static const int64_t resets[] = {0, -1, 1, INT64_C(9999999999), INT64_C(1798761600)};
    say(s, "x-ratelimit-limit", str_of(limits[roll(6)]));
    say(s, "x-ratelimit-remaining", str_of(remains[roll(4)]));
    say_number(mem, s, "x-ratelimit-reset", resets[roll(5)]);
}

static void say_quota(struct arena *mem, struct said *s, int64_t remaining, int64_t reset_ms)
{
    if (now->nonsense && chance(now->nonsense)) {
        if (roll(4))
            say_nonsense(mem, s);
        return;
    }
    say_number(mem, s, "x-ratelimit-limit", now->quota.limit);
    say_number(mem, s, "x-ratelimit-remaining", remaining);
    say_number(mem, s, "x-ratelimit-reset", (reset_ms + now->skew_ms) / 1000);
    say(s, "x-ratelimit-resource", STR("core"));
}

/* A secondary limit, in one of the forms that it has (forges.md §2.12). */
static void say_wait(struct arena *mem, struct said *s, enum told_form form, int64_t until_ms)
{
    int64_t wait_s = (until_ms - machine.now_ms + 999) / 1000;
    s->http.status = form == TOLD_429_SECONDS ? 429 : 403;
    s->message = form == TOLD_429_SECONDS || form == TOLD_RESET
                     ? STR("slow down")
                     : STR("You have exceeded a secondary rate limit.");
    if (form == TOLD_429_SECONDS || form == TOLD_403_SECONDS)
        say_number(mem, s, "retry-after", wait_s);
    if (form == TOLD_DATE)
        say(s, "retry-after", http_date(mem, until_ms + now->skew_ms + 999));
    if (form == TOLD_RESET) {
        say_number(mem, s, "x-ratelimit-remaining", 0);
        say_number(mem, s, "x-ratelimit-reset", (until_ms + now->skew_ms + 999) / 1000);
    }
}

/* ---- a call that has arrived ----------------------------------------------------------------- */

static void next_window(struct quota *q)
{
    if (machine.now_ms < q->reset_ms)
        return;
    q->remaining = q->limit;
    q->reset_ms = machine.now_ms - machine.now_ms % 1000 + HOUR_MS;
    q->windows++;
}

/* False: refused because of a limit. */
static bool taken(struct arena *mem, const struct forge_call *c, struct said *s)
{
    struct quota *q = &now->quota;
    next_window(q);
    q->calls++;
    /* a date has whole seconds */
    int64_t spare_ms = q->form == TOLD_DATE || q->form == TOLD_RESET ? 1000 : 0;
    if (machine.now_ms + spare_ms < q->told_until_ms) {
        say_wait(mem, s, q->form, q->told_until_ms);
    } else if (q->remaining == 0) {
        s->http.status = 403;
        s->message = STR("API rate limit exceeded for installation.");
        say_quota(mem, s, 0, q->reset_ms);
    } else if ((q->tell_next && c->kind == FORGE_DISPATCH) || chance(now->told_percent)) {
        q->tell_next -= q->tell_next > 0;
        q->form = now->staged ? q->form : (enum told_form)roll(TOLD_FORMS);
        q->told_until_ms = machine.now_ms + (q->tell_ms ? q->tell_ms : 1000 + roll(90000));
        say_wait(mem, s, q->form, q->told_until_ms);
    } else {
        q->remaining--;
        q->dispatches += c->kind == FORGE_DISPATCH;
        return true;
    }
    q->refused++;
    return false;
}

static void answer_of_quota(struct arena *mem, struct job *j, struct forge_answer *a)
{
    const struct quota *q = &now->quota;
    bool odd = now->nonsense && chance(now->nonsense);
    quota_judge(j, q->limit, odd ? q->limit + 7 : q->remaining, (q->reset_ms + now->skew_ms) / 1000,
                STR("core"), &a->quota);
    if (a->quota.known)
        a->result = arena_print(mem, "{\"limit\":%lld,\"remaining\":%lld,\"reset_ms\":%lld}",
                                (long long)a->quota.limit, (long long)a->quota.remaining,
                                (long long)a->quota.reset_ms);
}

bool forge_takes(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    struct said *s = arena_make(mem, struct said, 1);
    struct job j = {
        .g = &client, .mem = mem, .call = *c, .auth = is_apps(c) ? AUTH_APP : AUTH_INSTALLATION};
    struct limit_order order;
    a->calls = 1;
    if (is_apps(c))
        return true;
    s->http = (struct http_answer){.outcome = HTTP_ANSWERED, .status = 200};
    s->message = STR("");
    say(s, "date", http_date(mem, forge_now_ms()));
    bool free_of_charge = c->kind == FORGE_READ_QUOTA, is_taken = true;
    if (free_of_charge) {
        next_window(&now->quota);
        a->calls = 0;
    } else {
        is_taken = taken(mem, c, s);
    }
    if (is_taken && !free_of_charge)
        say_quota(mem, s, now->quota.remaining, now->quota.reset_ms);
    clock_learn(&client, &s->http);
    if (free_of_charge) {
        answer_of_quota(mem, &j, a);
        return true;
    }
    limit_read(&j, &s->http, s->message, &order);
    a->quota = order.quota;
    a->status = s->http.status;
    int64_t until_ms = party_told(party(c), &order, is_taken, machine.now_ms);
    MUST(order.is_limit != is_taken, "a limit is known for what it is", s->http.status, until_ms);
    if (is_taken)
        return true;
    /* dates have whole seconds */
    MUST(until_ms + 1000 >= now->quota.told_until_ms || now->quota.form == TOLD_NOTHING ||
             now->quota.remaining == 0,
         "it is waited for as long as was told", until_ms, now->quota.told_until_ms);
    a->outcome = FORGE_LIMITED;
    a->message = s->message;
    a->not_before_ms = until_ms;
    return false;
}
