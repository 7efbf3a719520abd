/*
 * Pace: GitHub's written limit on points (900 a minute of one caller; a read costs 1, a change 5;
 * forges.md §2.12), kept before it is told. A request counts from its departure until a window
 * after its answer: GitHub counted it some time in between, so its own sum is never higher than
 * ours.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "forge/inside.h"

enum { READ_POINTS = 1, CHANGE_POINTS = 5, SPENT_MAX = 1024, FOLLOW_UP_SHARE = 45 };

struct spent { int64_t at_ms; int64_t points; };

struct pace {
    /* points of requests under way; of those answered in this window */
    int64_t      out, sum;
    struct spent spent[SPENT_MAX];      /* a ring of the latter, oldest first */
    size_t       first, count;
};

static struct pace *pace_of(struct party *p)
{
    if (!p->pace && !(p->pace = calloc(1, sizeof *p->pace)))
        abort();
    return p->pace;
}

static int64_t cost_of(const struct job *j)
{
    return j->method == HTTP_GET ? READ_POINTS : CHANGE_POINTS;
}

static bool is_paced(const struct job *j)
{
    return j->g->points > 0 && j->auth == AUTH_INSTALLATION;
}

static void pace_forget(struct pace *a, int64_t before_ms)
{
    while (a->count && a->spent[a->first].at_ms <= before_ms) {
        a->sum -= a->spent[a->first].points;
        a->first = (a->first + 1) % SPENT_MAX;
        a->count--;
    }
}

bool pace_allows(struct job *j, struct party *p, int64_t *at_ms)
{
    struct github *g = j->g;
    *at_ms = 0;
    if (!is_paced(j) || g->unpaced)
        return true;
    struct pace *a = pace_of(p);
    int64_t now_ms = g->now_ms(g->now_self);
    pace_forget(a, now_ms - g->window_ms);
    /* A little is left for the second requests of calls that take several. */
    if (a->out + a->sum + cost_of(j) <= g->points - g->points / FOLLOW_UP_SHARE ||
        a->out + a->sum == 0)
        return true;
    if (a->count)
        *at_ms = a->spent[a->first].at_ms + g->window_ms;
    return false;
}

void pace_charge(struct job *j, struct party *p)
{
    if (!is_paced(j) || j->charged)
        return;
    j->charged = cost_of(j);
    pace_of(p)->out += j->charged;
}

void pace_refund(struct job *j, struct party *p)
{
    if (!j->charged)
        return;
    p->pace->out -= j->charged;
    j->charged = 0;
}

void pace_answered(struct job *j, struct party *p)
{
    if (!j->charged)
        return;
    struct pace *a = p->pace;
    int64_t now_ms = j->g->now_ms(j->g->now_self);
    pace_forget(a, now_ms - j->g->window_ms);
    if (a->count == SPENT_MAX) {        /* what came before it waits as long as the newest */
        struct spent *newest = &a->spent[(a->first + a->count - 1) % SPENT_MAX];
        newest->points += j->charged;
        newest->at_ms = now_ms;
    } else {
        a->spent[(a->first + a->count++) % SPENT_MAX] = (struct spent){ now_ms, j->charged };
    }
    a->sum += j->charged;
    pace_refund(j, p);
}

static void rang(void *ctx, bool stopping)
{
    struct github *g = ctx;
    g->unpaced = g->unpaced || stopping;
    g->alarm_ms = 0;
    for (size_t i = 0; i < sizeof g->parties / sizeof g->parties[0]; i++)
        for (struct party *p = g->parties[i]; p; p = p->next)
            slots_drain(g, p);
}

/* One alarm for all: the earliest. */
void pace_wait(struct github *g, int64_t at_ms)
{
    if (g->alarm_ms && g->alarm_ms <= at_ms)
        return;
    g->alarm_ms = at_ms;
    http_client_alarm(g->client, clock_mono_ms() + (at_ms - g->now_ms(g->now_self)), rang, g);
}
