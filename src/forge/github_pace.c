/*
 * Who waits and who goes: each request stands in line by its class, and the pace (domain/budget.h)
 * says who leaves next. The further requests of a call come before calls that have not begun.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "forge/inside.h"

enum { SECOND_MS = 1000 };      /* resets are told in seconds */

/* The App itself has no written pace of its own. */
static struct pace *pace_of(struct github *g, struct party *p)
{
    if (p->pace) {
        pace_divide(p->pace, atomic_load(&g->servers), g->steady_ms(g->now_self));
        return p->pace;
    }
    struct pace_limits l = g->limits;
    if (!p->id)
        pace_limits_share(&l, 0);
    p->mem = arena_new(1 << 20, 1 << 20);
    p->pace = pace_new(p->mem, &l);
    return pace_of(g, p);
}

static void line_add(struct line *l, struct job *j)
{
    struct job **at = &l->first;
    if (l->last && l->last->turn <= j->turn)
        at = &l->last->next_waiting;
    while (*at && (*at)->turn <= j->turn)
        at = &(*at)->next_waiting;
    j->next_waiting = *at;
    *at = j;
    if (!j->next_waiting)
        l->last = j;
}

static struct job *line_take(struct line *l)
{
    struct job *j = l->first;
    l->first = j->next_waiting;
    if (!l->first)
        l->last = NULL;
    return j;
}

/*
 * Whether what remains of the hour's quota is spoken for by calls that are under way: the next one
 * might be one too many. Their answers tell; without any, the reset.
 */
static bool quota_spoken_for(struct github *g, struct party *p, int64_t steady_ms)
{
    struct pace_state s;
    int64_t until_reset_ms = p->quota.reset_ms - g->now_ms(g->now_self);
    if (p->quota.limit <= 0 || until_reset_ms <= 0)
        return false;
    pace_look(pace_of(g, p), steady_ms, &s);
    if (p->quota.remaining > s.under_way)
        return false;
    if (s.under_way)
        return true;
    p->limited_until_ms = steady_ms + until_reset_ms + SECOND_MS;
    return false;
}

/* The next to leave; NULL: nobody now. */
static struct job *next_job(struct github *g, struct party *p)
{
    uint64_t turn[CALL_CLASS_COUNT];
    enum call_class c = CALL_READ;
    int64_t at_ms, now_ms = g->steady_ms(g->now_self);
    for (int i = 0; i < CALL_CLASS_COUNT; i++) {
        turn[i] = p->line[i].first ? p->line[i].first->turn : 0;
        if (turn[i] && (!turn[c] || turn[i] < turn[c]))
            c = (enum call_class)i;
    }
    if (!turn[c])
        return NULL;
    if (!g->unpaced && !party_limited(p, now_ms) && quota_spoken_for(g, p, now_ms))
        return NULL;
    /* Those that are only to be told to wait need not wait for it. */
    if (g->unpaced || party_limited(p, now_ms) ||
        pace_pick(pace_of(g, p), turn, now_ms, &c, &at_ms))
        return line_take(&p->line[c]);
    if (at_ms < INT64_MAX)
        pace_wait(g, at_ms);
    return NULL;
}

void line_drain(struct github *g, struct party *p)
{
    struct job *j;
    if (p->draining)            /* a job that ends while it is given its turn */
        return;
    p->draining = true;
    while ((j = next_job(g, p)))
        job_depart(j, p);
    p->draining = false;
}

void line_up(struct job *j)
{
    struct party *p = job_party(j);
    if (!j->turn)
        j->turn = ++p->turns;
    line_add(&p->line[j->class], j);
    line_drain(j->g, p);
}

/* ---- what the pace is told ---- */

void pace_leaves(struct job *j, struct party *p)
{
    j->sent = pace_left(pace_of(j->g, p), j->class, j->g->steady_ms(j->g->now_self));
    j->is_out = true;
}

void pace_returns(struct job *j, struct party *p, bool reached, bool refused)
{
    if (!j->is_out)
        return;
    j->is_out = false;
    if (reached)
        pace_answered(p->pace, j->sent, refused, j->g->steady_ms(j->g->now_self));
    else
        pace_not_sent(p->pace, j->sent);
}

int64_t pace_percent(struct party *p, int64_t steady_ms)
{
    struct pace_state s;
    pace_look(p->pace, steady_ms, &s);
    return s.level_percent;
}

/* ---- the alarm ---- */

static void rang(void *ctx, bool stopping)
{
    struct github *g = ctx;
    g->unpaced = g->unpaced || stopping;
    g->alarm_ms = 0;
    for (size_t i = 0; i < sizeof g->parties / sizeof g->parties[0]; i++)
        for (struct party *p = g->parties[i]; p; p = p->next)
            line_drain(g, p);
}

/* One alarm for all: the earliest. */
void pace_wait(struct github *g, int64_t at_ms)
{
    if (g->alarm_ms && g->alarm_ms <= at_ms)
        return;
    g->alarm_ms = at_ms;
    http_client_alarm(g->client, clock_mono_ms() + (at_ms - g->steady_ms(g->now_self)), rang, g);
}

/* ---- an earlier life ---- */

struct memory { struct github *g; int64_t installation_id, calls[CALL_CLASS_COUNT]; };

static void remembered(void *ctx, const struct http_answer *a)
{
    struct memory *m = ctx;
    struct github *g = m->g;
    struct party *p = party_of(g, m->installation_id);
    for (int c = 0; c < CALL_CLASS_COUNT; c++)
        pace_recall(pace_of(g, p), (enum call_class)c, m->calls[c], g->steady_ms(g->now_self));
    free(m);
}

void pace_post(struct github *g, int64_t installation_id, const int64_t calls[CALL_CLASS_COUNT])
{
    struct memory *m = malloc(sizeof *m);
    if (!m)
        abort();
    *m = (struct memory){ .g = g, .installation_id = installation_id };
    for (int c = 0; c < CALL_CLASS_COUNT; c++)
        m->calls[c] = calls[c];
    if (!client_post(g, remembered, m))
        free(m);
}
