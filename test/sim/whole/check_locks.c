/*
 * check_locks: a lock that stood ends by its time, by who gives it back, or by somebody who is on
 * record. Who skips the wait for one ends the very lock that was seen, or none.
 */
#include <stdio.h>

#include "check.h"

static bool stands(int64_t serial)
{
    for (uint32_t i = 0; i < now->locks; i++)
        if (now->lock[i].serial == serial && now->lock[i].expires_ms > machine.now_ms)
            return true;
    return false;
}

/* ended: the lock that the audit names; 0: it had ended already. */
static struct skip *skip_behind(str who, str target, int64_t ended)
{
    for (uint32_t i = 0; i < now->skips; i++) {
        struct skip *s = &now->skip[i];
        str node =
            arena_print(now->look_mem, "%s/%lld", s->seen.batch, (long long)s->seen.node);
        if (!s->carried_out && str_eq(who, str_of(s->who)) && str_eq(target, node) &&
            (ended ? s->seen.serial == ended : !stands(s->seen.serial)))
            return s;
    }
    return NULL;
}

void check_lock_audited(str actor, str category, str action, str target, str description)
{
    int64_t serial = grant_in(description);
    if (str_eq(category, STR("lock")) && str_eq(action, STR("deleted"))) {
        MUST(!now->ended[serial], "a lock ends once", serial, 0);
        now->ended[serial] = true;
    }
    if (!str_eq(action, STR("node.wait_skipped")))
        return;
    struct skip *s = skip_behind(actor, target, serial);
    if (!s)
        fprintf(stderr, PRI_STR ", " PRI_STR ": " PRI_STR "\n", FMT_STR(actor), FMT_STR(target),
                FMT_STR(description));
    MUST(s, "who skips a wait ends the lock that was seen, and no other", serial, now->grants);
    MUST(!stands(serial), "who skips a wait ends the lock", serial, 0);
    s->carried_out = true;
    now->skipped++;
}

static bool stood(const struct lock *was, uint32_t was_count, int64_t serial)
{
    for (uint32_t i = 0; i < was_count; i++)
        if (was[i].serial == serial && was[i].expires_ms > machine.now_ms)
            return true;
    return false;
}

void check_locks(const struct lock *was, uint32_t was_count)
{
    struct db_rows r;
    LOOK(&r, "select message from lock where deleted_ms is not null", NO_ARGS);
    for (size_t i = 0; i < r.count; i++) {
        int64_t serial = grant_in(db_at(&r, i, 0)->s);
        MUST(now->given_back[serial] || now->ended[serial] || !stood(was, was_count, serial),
             "nobody's lock ends without a trace", serial, 0);
    }
    for (uint32_t i = 0; i < now->skips; i++)
        MUST(!now->skip[i].carried_out || !stands(now->skip[i].seen.serial),
             "a wait that was skipped is one for a lock that has ended", now->skip[i].seen.serial,
             0);
}
