/*
 * check_budget: no more is given out than is safe, nothing is sent that was not given, and nobody
 * calls while told to wait.
 */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

enum { SAFE_PERCENT = 75, UNKNOWN_LIMIT = 1000 };

struct word {
    int64_t limit, remaining, reset_ms, blocked_until_ms, known;
};

static struct word last_word(void)
{
    struct db_rows r;
    LOOK(&r,
         "select limit_count, remaining, reset_ms, blocked_until_ms, known from quota where "
         "installation_id = 5 and resource = 'core'",
         NO_ARGS);
    if (!r.count)
        return (struct word){.limit = 0};
    return (struct word){db_at(&r, 0, 0)->i, db_at(&r, 0, 1)->i, db_at(&r, 0, 2)->i,
                         db_at(&r, 0, 3)->i, db_at(&r, 0, 4)->i};
}

/* What may be given out in all, as far as this word goes. */
static int64_t safe(const struct word *w)
{
    int64_t remaining = UNKNOWN_LIMIT;
    if (w->known && w->reset_ms > machine.now_ms)
        remaining = w->remaining;
    else if (w->limit && w->limit < remaining)
        remaining = w->limit;
    return remaining * SAFE_PERCENT / 100;
}

void check_budget(void)
{
    struct word w = last_word(), before = {now->word.limit, now->word.remaining, now->word.reset_ms,
                                           now->word.blocked_until_ms, now->word.known};
    int64_t given = ask("select coalesce(sum(left_over), 0) from claim");
    int64_t most = safe(&w) > safe(&before) ? safe(&w) : safe(&before);
    MUST(given <= now->given || given <= most, "no more is given out than is safe", given, most);
    MUST(ask("select count(*) from claim where left_over < 0 or wanted < 0 or calls < 0") == 0,
         "nobody owes budget", 0, 0);
    MUST((int64_t)(now->runs - now->on_runner) <= ask("select coalesce(sum(calls), 0) from claim"),
         "nothing is sent that was not given", now->runs, now->on_runner);
    now->given = given;
    now->blocked_before_ms = before.blocked_until_ms;
    now->word = (struct quota_row){w.limit, w.remaining, w.reset_ms, w.blocked_until_ms, w.known};
}

/* A dispatch that was decided on in this commit. */
void check_fresh_is_covered(int64_t batch, int64_t created_ms)
{
    struct db_rows r;
    LOOK(&r,
         "select coalesce((select left_over from claim where batch_seq = $1), 0), (select count(*) "
         "from node where batch_seq = $1 and state = 'dispatching')",
         ARGS(A(batch)));
    MUST(db_at(&r, 0, 0)->i >= db_at(&r, 0, 1)->i, "what is sent is covered", db_at(&r, 0, 0)->i,
         db_at(&r, 0, 1)->i);
    MUST(now->blocked_before_ms <= created_ms, "nothing is decided on while told to wait",
         now->blocked_before_ms, created_ms);
}

/* A call leaves the house. */
void check_departure(const struct forge_call *c)
{
    struct word w = last_word();
    MUST(w.blocked_until_ms <= machine.now_ms, "no call leaves while told to wait", c->kind,
         w.blocked_until_ms - machine.now_ms);
    arena_reset(now->look_mem);
}

void check_budget_end(void)
{
    int64_t spent = ask("select coalesce(sum(calls), 0) from spend");
    MUST(ask("select count(*) from claim where left_over > 0 or wanted > 0") == 0,
         "what is over holds no budget and waits for none", 0, 0);
    MUST(spent <= now->quota.calls + now->turned_away + (int64_t)now->lost,
         "the ledger names no call that was not made", spent, now->quota.calls);
}
