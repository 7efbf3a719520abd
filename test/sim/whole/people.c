/*
 * people: who pushes, merges, makes drafts ready, changes settings, locks and orders.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/str.h"
#include "whole.h"

/* ---- settings -------------------------------------------------------------------------------- */

static const char *yes(bool b)
{
    return b ? "true" : "false";
}

str settings_text(struct arena *mem)
{
    if (now->settings)
        return str_of(now->settings);
    bool runner = now->runners && roll(3);
    return arena_print(
        mem,
        "{%s\"dispatch_concurrency\":%u,\"strict_plans\":%s,\"cancel_superseded_runs\":%s,"
        "\"comment\":%s,\"reviews\":%s,\"threshold_hold\":%s,\"threshold\":%u,"
        "\"rapid_push_hold\":%s,\"rapid_pushes\":%u,\"rapid_push_minutes\":%u}",
        runner ? "\"executor\":\"runner\",\"runner\":\"eu-1\"," : "",
        roll(3) ? 1 + roll(6) : 20, yes(roll(2)), yes(roll(2)), yes(now->comments), yes(roll(2)),
        yes(now->holds && roll(3)), 1 + roll(5), yes(now->holds && roll(3)), 1 + roll(3),
        1 + roll(10));
}

struct change_of_settings {
    char text[600];
};

static bool settings_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    const struct change_of_settings *x = arg;
    (void)mem;
    return db_exec(db, e, NULL, "update repository set settings = $1 where id = 1",
                   ARGS(A(str_of(x->text))));
}

static void settings_done(void *arg, const struct err *e)
{
    if (!e)
        engine_settings_changed(machine.engine, 1);
    free(arg);
}

void settings_change(str text)
{
    struct change_of_settings *x = calloc(1, sizeof *x);
    if (!x)
        abort();
    snprintf(x->text, sizeof x->text, PRI_STR, FMT_STR(text));
    narrate("settings %s", x->text);
    engine_write(machine.engine, settings_body, settings_done, x);
}

/* ---- orders by API --------------------------------------------------------------------------- */

static void command_stored(void *arg, enum fact_fate fate, int64_t id, const struct err *e)
{
    (void)arg;
    (void)fate;
    if (!e && now->accepted_count < ACCEPTED)
        now->accepted[now->accepted_count++] = id;
}

void command_by(const char *who, const char *json)
{
    narrate("order %s by %s", json, who);
    engine_submit(
        machine.engine,
        &(struct fact_new){.lane = 1, .kind = "order", .body = str_of(json), .actor = str_of(who)},
        command_stored, NULL);
}

void command(const char *json)
{
    command_by("bo", json);
}

void many_orders(uint32_t count)
{
    static uint32_t named;
    for (; count > 0; count--, named++)
        command(arena_print(now->mem,
                            "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"o%u\","
                            "\"workflow\":\"apply.yaml\",\"inputs\":{\"component\":\"o%u\"}}",
                            named, named)
                    .ptr);
}

/* What holds the newest held batch (or this one) is lifted, by whoever may. */
void let_go_one(const char *id)
{
    str batch =
        id ? str_of(id)
           : ask_text("select id from batch where state = 'held' order by seq desc limit 1");
    static const char *const orders[] = {"release", "parts"};
    if (!batch.len)
        return;
    if (roll(3) == 0)
        command(
            arena_print(now->mem, "{\"order\":\"resume\",\"change\":%lld}",
                        (long long)ask_of("select change_id from batch where id = $1", A(batch)))
                .ptr);
    else
        command(arena_print(now->mem, "{\"order\":\"%s\",\"batch\":\"" PRI_STR "\"}",
                            orders[roll(4) == 0], FMT_STR(batch))
                    .ptr);
    now->requests++;
}

void some_command(void)
{
    str batch = ask_text("select id from batch order by seq desc limit 1");
    uint32_t dice = roll(10);
    if (!batch.len)
        return;
    if (now->holds && roll(3) == 0) {
        let_go_one(NULL);
        return;
    }
    if (dice < 3)
        command(arena_print(now->mem, "{\"order\":\"cancel\",\"batch\":\"" PRI_STR "\"}",
                            FMT_STR(batch))
                    .ptr);
    else if (dice < 4)
        command(arena_print(now->mem,
                            "{\"order\":\"dispatch\",\"stack\":\"prod\",\"component\":\"c%u\","
                            "\"workflow\":\"apply.yaml\",\"inputs\":{\"component\":\"c%u\"}}",
                            dice, dice)
                    .ptr);
    else if (!now->again)
        return;
    else if (dice < 7)
        command(
            arena_print(now->mem, "{\"order\":\"retry\",\"batch\":\"" PRI_STR "\"}", FMT_STR(batch))
                .ptr);
    else
        command(arena_print(now->mem, "{\"order\":\"rerun\",\"batch\":\"" PRI_STR "\",\"node\":%u}",
                            FMT_STR(batch), roll(INSTANCES))
                    .ptr);
    now->requests++;
}

/* ---- locks ----------------------------------------------------------------------------------- */

struct lock_job {
    char folded[64], message[32];
    int64_t until_ms;
};

#define HANDS_OFF "hands off "

int64_t grant_in(str message)
{
    int64_t serial;
    return str_has(message, STR(HANDS_OFF)) &&
                   str_to_i64(str_after_last(message, ' '), 1, GRANTS - 1, &serial)
               ? serial
               : 0;
}

static bool lock_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    const struct lock_job *x = arg;
    (void)mem;
    return db_exec(db, e, NULL,
                   "insert into lock (id, workspace_id, key, folded, message, actor, token, "
                   "created_ms, updated_ms, expires_ms) values ($1, 'ws_sim', $1, $1, $4, "
                   "'bo', 1, $2, $2, $3) on conflict (workspace_id, folded) do update set "
                   "deleted_ms = null, expires_ms = excluded.expires_ms, message = "
                   "excluded.message, token = lock.token + 1",
                   ARGS(A(str_of(x->folded)), A(machine.now_ms), A(x->until_ms),
                        A(str_of(x->message))));
}

static bool unlock_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    const struct lock_job *x = arg;
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "update lock set deleted_ms = $2 where folded = $1 and deleted_ms is null "
                  "returning message",
                  ARGS(A(str_of(x->folded)), A(machine.now_ms))))
        return false;
    if (r.count)
        now->given_back[grant_in(db_at(&r, 0, 0)->s)] = true;
    return true;
}

static void lock_done(void *arg, const struct err *e)
{
    struct lock_job *x = arg;
    if (!e)
        engine_lock_changed(machine.engine, STR("ws_sim"), str_of(x->folded));
    free(x);
}

static void lock_or_not(bool take, const char *component, int64_t ms)
{
    struct lock_job *x = calloc(1, sizeof *x);
    if (!x)
        abort();
    snprintf(x->folded, sizeof x->folded, "acme/infra/prod/%s", component);
    x->until_ms = machine.now_ms + ms;
    MUST(now->grants + 1 < GRANTS, "the history fits the world", now->grants, GRANTS);
    now->grants += take;
    snprintf(x->message, sizeof x->message, HANDS_OFF "%lld", (long long)now->grants);
    narrate("%s %s", take ? "lock" : "unlock", component);
    engine_write(machine.engine, take ? lock_body : unlock_body, lock_done, x);
}

void some_lock(bool take, uint32_t i)
{
    char component[8];
    snprintf(component, sizeof component, "c%u", i);
    lock_or_not(take, component, 1000 + roll(120000));
}

void some_lock_of(const char *component)
{
    lock_or_not(true, component, 600000);
}

bool some_wait(struct wait *w)
{
    struct db_rows r;
    struct err e = {0};
    db_fault_after(0); /* it is meant for the engine's own statements */
    MUST(db_query(now->look, now->mem, &e, &r,
                  "select b.id, n.component, n.position, l.token, l.message from node n join batch "
                  "b on b.seq = n.batch_seq join lock l on l.folded = 'acme/infra/prod/' || "
                  "n.component where n.state = 'locked' and n.gate like '{\"kind\":\"lock\"%' "
                  "order by n.batch_seq, n.position",
                  NO_ARGS),
         "rows can be read", 0, 0);
    if (!r.count)
        return false;
    size_t i = roll((uint32_t)r.count);
    *w = (struct wait){.node = db_at(&r, i, 2)->i,
                       .token = db_at(&r, i, 3)->i,
                       .serial = grant_in(db_at(&r, i, 4)->s)};
    snprintf(w->batch, sizeof w->batch, PRI_STR, FMT_STR(db_at(&r, i, 0)->s));
    snprintf(w->component, sizeof w->component, PRI_STR, FMT_STR(db_at(&r, i, 1)->s));
    return true;
}

void skip_wait(const char *who, const struct wait *w)
{
    MUST(now->skips < SKIPS, "the history fits the world", SKIPS, 0);
    now->skip[now->skips++] = (struct skip){.who = who, .seen = *w};
    command_by(who, arena_print(now->mem,
                                "{\"order\":\"skip_wait\",\"batch\":\"%s\",\"node\":%lld,"
                                "\"token\":%lld,\"actorType\":\"user\"}",
                                w->batch, (long long)w->node, (long long)w->token)
                        .ptr);
}

/*
 * Somebody does not want to wait for a lock; by now it may be another one, and others may think the
 * same.
 */
void some_skip(void)
{
    struct wait w;
    uint32_t dice = roll(8);
    if (!some_wait(&w) || now->skips + 2 > SKIPS)
        return;
    if (!now->wait.token || roll(4) == 0)
        now->wait = w;
    else if (roll(4) == 0)
        w = now->wait;
    if (dice < 3 && dice)
        lock_or_not(false, w.component, 0);
    if (dice < 2)
        lock_or_not(true, w.component, 1000 + roll(120000));
    skip_wait("ana", &w);
    if (dice == 3)
        lock_or_not(true, w.component, 1000 + roll(120000));
    if (roll(3) == 0)
        skip_wait("cy", &w);
    now->requests++;
}

/* ---- people ---------------------------------------------------------------------------------- */

static void pull_push(struct pull *p)
{
    p->head++;
    pull_mail(p, "synchronize");
    affect(p, chance(12) && now->wide ? 7 + roll(now->wide) : 0);
}

/* Faster than anybody can look. */
static void pull_burst(struct pull *p)
{
    for (uint32_t n = 2 + roll(3); n > 0 && p->head + 1 < HEADS; n--) {
        machine.now_ms += 1000 + roll(30000);
        p->updated_ms = machine.now_ms;
        pull_push(p);
    }
}

static void pull_draft(struct pull *p, bool draft)
{
    p->draft = draft;
    pull_mail(p, draft ? "converted_to_draft" : "ready_for_review");
}

void some_pull(void)
{
    struct pull *p = &now->pull[roll(PULLS)];
    uint32_t dice = roll(10);
    machine.now_ms += 1000; /* the forge's times are whole seconds */
    p->updated_ms = machine.now_ms;
    if (!p->state) {
        p->state = "open";
        p->draft = now->holds && roll(3) == 0;
        pull_mail(p, "opened");
        affect(p, 0);
    } else if (!strcmp(p->state, "closed") && dice < 5) {
        p->state = "open";
        pull_mail(p, "reopened");
        affect(p, 0);
    } else if (strcmp(p->state, "open") != 0) {
        return;
    } else if (now->holds && roll(4) == 0) {
        if (roll(2))
            pull_draft(p, !p->draft);
        else
            pull_burst(p);
    } else if (dice < 5 && p->head + 1 < HEADS) {
        pull_push(p);
    } else if (dice < 8) {
        p->state = "merged";
        p->draft = false; /* a draft cannot be merged */
        p->merged_ms = machine.now_ms;
        pull_mail(p, "closed");
        affect(p, 0);
    } else if (dice < 9) {
        p->state = "closed";
        pull_mail(p, "closed");
    } else {
        pull_mail(p, "labeled");
    }
}

/* Kind days: nothing stays held for want of somebody who says a word. */
void people_let_go(void)
{
    for (int i = 0; i < PULLS; i++) {
        struct pull *p = &now->pull[i];
        if (!p->state || strcmp(p->state, "open") != 0 || !p->draft || roll(2))
            continue;
        machine.now_ms += 1000;
        p->updated_ms = machine.now_ms;
        pull_draft(p, false);
    }
    for (uint32_t i = 0; i < now->papers && now->people; i++)
        if (now->paper[i].comment && !now->paper[i].deleted && roll(2))
            person_ticks(&now->paper[i], "max", 0, NULL);
    for (int i = 0; i < 4; i++)
        let_go_one(ask_text_of("select id from batch where state = 'held' order by seq limit 1 "
                               "offset $1",
                               A((int64_t)roll(3)))
                       .ptr);
}

void check_rerequested(void)
{
    str head = ask_text("select head_sha from batch order by seq desc limit 1");
    if (!head.len || !now->again)
        return;
    now->requests++;
    mail_send("check_run",
              arena_print(now->mem,
                          "{\"action\":\"rerequested\",\"check_run\":{\"id\":71,\"head_sha\":"
                          "\"" PRI_STR "\",\"external_id\":\"x\",\"app\":{\"id\":99}},"
                          "\"repository\":{\"id\":4711,\"name\":\"infra\",\"full_name\":"
                          "\"acme/infra\",\"owner\":{\"login\":\"acme\"}},\"sender\":{\"login\":"
                          "\"ana\",\"id\":7}}",
                          FMT_STR(head)));
}

struct run *some_live_run(void)
{
    uint32_t count = 0, nth;
    for (uint32_t i = 0; i < now->runs; i++)
        count += run_is_live(&now->run[i]);
    nth = count ? roll(count) : 0;
    for (uint32_t i = 0; count && i < now->runs; i++)
        if (run_is_live(&now->run[i]) && nth-- == 0)
            return &now->run[i];
    return NULL;
}
