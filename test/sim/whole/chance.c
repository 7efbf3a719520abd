/*
 * chance: what happens next.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/pack.h"
#include "base/str.h"
#include "whole.h"

uint32_t roll(uint32_t n)
{
    now->state += 0x9e3779b97f4a7c15u;
    uint64_t z = now->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

bool chance(uint32_t percent)
{
    return !now->kind && roll(100) < percent;
}

void head_name(char out[44], const struct pull *p, int head)
{
    snprintf(out, 44, "c0ffee%02d%02d", p->number, head);
}

/* ---- the server ------------------------------------------------------------------------------ */

void server_start(void)
{
    struct err e = {0};
    struct engine_config c = {.database = now->url,
                              .workspace_id = STR("ws_sim"),
                              .public_url = STR("https://box.example"),
                              .forge = &now->port,
                              .runner = &now->runner_port,
                              .seal_key = SEAL_KEY,
                              .callback_key = SEAL_KEY,
                              .app_id = 99,
                              .heal_deliveries = true,
                              .bot_login = STR("signalbox[bot]")};
    narrate("the server starts");
    bool armed = db_fault_armed(), ok = machine_start(&c, &e);
    if (!ok && armed && !db_fault_armed()) {
        narrate("it cannot, and is started again: %s", e.text);
        err_clear(&e);
        ok = machine_start(&c, &e);
    }
    if (!ok) {
        fprintf(stderr, "%s\n", e.text);
        MUST(false, "the server starts", 0, 0);
    }
}

void server_dies(void)
{
    narrate("kill -9");
    now->crashes++;
    machine.dead = true;
    db_fault_after(0);
    forge_dies();
    machine_kill();
    machine.now_ms += roll(4) ? roll(2000) : roll(60000);
    server_start();
}

static void server_stops(void)
{
    narrate("the server is stopped");
    engine_quiet(machine.engine);
    forge_dies();
    machine_stop();
    machine.now_ms += roll(20000);
    server_start();
}

void turns(uint32_t max)
{
    machine_turns(max);
    if (machine.dead)
        server_dies();
}

/* ---- what reaches the server ----------------------------------------------------------------- */

static void mail_stored(void *arg, enum fact_fate fate, int64_t id, const struct err *e)
{
    struct mail *m = arg;
    if (e) {
        if (m->state != MAIL_STORED)
            m->state = MAIL_FAILED;
        return;
    }
    if (fate == FACT_STORED) {
        MUST(m->state != MAIL_STORED, "a delivery that was accepted is known", m->id, id);
        MUST(now->accepted_count < ACCEPTED, "the history fits the world", 0, 0);
        now->accepted[now->accepted_count++] = id;
    }
    m->state = MAIL_STORED;
}

void mail_deliver(struct mail *m)
{
    if (chance(6)) { /* a proxy was down, a timeout */
        narrate("delivery %s is lost", m->guid);
        if (m->state == MAIL_SENT)
            m->state = MAIL_FAILED;
        m->again = false;
        return;
    }
    const char *kind = arena_print(now->mem, "webhook.%s", m->event).ptr;
    narrate("delivery %s: %s", m->guid, m->event);
    m->again = chance(8);
    engine_submit(machine.engine,
                  &(struct fact_new){
                      .lane = 1, .kind = kind, .key = str_of(m->guid), .body = str_of(m->body)},
                  mail_stored, m);
    /* It is not delivered again before its fate is known. */
    if (!m->again && m->state == MAIL_SENT)
        m->state = MAIL_FAILED;
}

struct mail *some_mail(void)
{
    uint32_t count = 0, nth;
    for (uint32_t i = 0; i < now->mails; i++)
        count += now->mail[i].state == MAIL_SENT || now->mail[i].again;
    if (!count)
        return NULL;
    nth = now->staged || roll(3) ? 0 : roll(count);
    for (uint32_t i = 0; i < now->mails; i++)
        if ((now->mail[i].state == MAIL_SENT || now->mail[i].again) && nth-- == 0)
            return &now->mail[i];
    return NULL;
}

#define ONE_WORKFLOW(activity, file)                                                               \
    "\"" activity "\":{\"workflows\":{\"" file                                                     \
    "\":{\"inputs\":{\"component\":\"{{ .atmos_component }}\"}}}}"
#define PRO                                                                                        \
    "\"settings\":{\"pro\":{\"enabled\":true,\"pull_request\":{" ONE_WORKFLOW(                     \
        "opened",                                                                                  \
        "plan."                                                                                    \
        "yaml") "," ONE_WORKFLOW("synchronize",                                                    \
                                 "plan.yaml") "," ONE_WORKFLOW("reopened",                         \
                                                               "plan.yaml") "," ONE_WORKFLOW("mer" \
                                                                                             "ge"  \
                                                                                             "d",  \
                                                                                             "app" \
                                                                                             "ly." \
                                                                                             "yam" \
                                                                                             "l") "}}}"

static void write_instance(struct buf *b, uint32_t i)
{
    bool first = true;
    buf_print(b, "{\"component\":\"c%u\",\"stack\":\"prod\"," PRO ",\"dependents\":[", i);
    for (uint32_t k = i + 1; k < INSTANCES; k++) {
        if (!now->edge[i][k])
            continue;
        if (!first)
            buf_add(b, STR(","));
        first = false;
        write_instance(b, k);
    }
    buf_add(b, STR("]}"));
}

/* Many that wait for nothing. */
static void write_wide(struct buf *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        buf_print(b, "%s{\"component\":\"m%u\",\"stack\":\"prod\"," PRO ",\"dependents\":[]}",
                  i ? "," : "", i);
}

static char *copy_z(str s)
{
    char *z = malloc(s.len + 1);
    if (!z)
        abort();
    memcpy(z, s.ptr, s.len);
    z[s.len] = '\0';
    return z;
}

void affect(const struct pull *p, uint32_t wide)
{
    if (now->uploads == UPLOADS || chance(4))
        return;
    struct upload *u = &now->upload[now->uploads++];
    struct buf b;
    bool first = true, merged = !strcmp(p->state, "merged");
    buf_init(&b, now->mem, 4 << 20);
    buf_add(&b, STR("["));
    write_wide(&b, wide);
    for (uint32_t i = 0; i < INSTANCES && !wide; i++) {
        if (roll(2))
            continue;
        if (!first)
            buf_add(&b, STR(","));
        first = false;
        write_instance(&b, i);
    }
    buf_add(&b, STR("]"));
    u->waits = true;
    u->stacks = copy_z(arena_print(now->mem, "[" PRI_STR "]", FMT_STR(buf_str(&b))));
    snprintf(u->id, sizeof u->id, "upl_%u", now->uploads);
    head_name(u->head, p, p->head);
    str ref =
        merged ? STR("refs/heads/main") : arena_print(now->mem, "refs/pull/%d/merge", p->number);
    snprintf(
        u->session, sizeof u->session,
        "{\"event_name\":\"pull_request\",\"ref\":\"" PRI_STR "\",\"run_id\":\"%u\"}", FMT_STR(ref),
        500 + (now->again && !now->staged && now->uploads > 1 && roll(6) == 0 ? now->uploads - 1
                                                                              : now->uploads));
}

static bool upload_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    const struct upload *u = arg;
    enum fact_fate fate;
    int64_t id;
    return db_exec(db, e, NULL,
                   "insert into upload (id, repository_id, head_sha, base_sha, state, session, "
                   "body, received_ms) values ($1, 1, $2, 'ba5e', 'complete', $3, $4, $5)",
                   ARGS(A(str_of(u->id)), A(str_of(u->head)), A(str_of(u->session)),
                        arg_blob(pack(mem, str_of(u->stacks))), A(machine.now_ms))) &&
           engine_store_fact(
               machine.engine, db, mem,
               &(struct fact_new){.lane = 1,
                                  .kind = "upload.affected",
                                  .key = arena_print(mem, "upload %s", u->id),
                                  .body = arena_print(mem, "{\"upload\":\"%s\"}", u->id)},
               &fate, &id, e);
}

/* The CLI repeats what it got no answer to; the row says whether it is there. */
static void upload_done(void *arg, const struct err *e)
{
    struct upload *u = arg;
    u->waits = e && e->code != ERR_CONFLICT;
    if (!e)
        engine_poke(machine.engine, 1);
}

void some_upload(void)
{
    uint32_t count = 0, nth;
    for (uint32_t i = 0; i < now->uploads; i++)
        count += now->upload[i].waits;
    if (!count)
        return;
    nth = roll(count);
    for (uint32_t i = 0; i < now->uploads; i++)
        if (now->upload[i].waits && nth-- == 0) {
            narrate("upload %s of %s", now->upload[i].id, now->upload[i].head);
            now->upload[i].waits = false;
            engine_write(machine.engine, upload_body, upload_done, &now->upload[i]);
            return;
        }
}

/* ---- little to spend -------------------------------------------------------------------------- */

/* Others spend, too; people order many things at once; and the window ends in the end. */
static void hours_pass(void)
{
    uint32_t dice = roll(4);
    if (dice == 0)
        now->quota.remaining = now->quota.remaining < 20 ? now->quota.remaining : roll(20);
    else if (dice == 1)
        many_orders(5 + roll(20));
    else
        machine.now_ms += roll(40) * 60000;
}

/* ---- a hostile time -------------------------------------------------------------------------- */

static void something_happens(void)
{
    uint32_t dice = roll(100), waiting = forge_waiting_count();
    struct mail *m;
    struct run *r;
    if (dice < (now->slow ? 10u : 30u) && waiting)
        forge_answer(forge_waiting(roll(waiting)));
    else if (dice < 52 && (m = some_mail()))
        mail_deliver(m);
    else if (dice < 60)
        some_upload();
    else if (dice < 74 && (r = some_live_run()))
        run_advance(r);
    else if (dice < 80)
        some_pull();
    else if (dice < 83)
        some_lock(roll(2), roll(INSTANCES));
    else if (dice < 86)
        some_command();
    else if (dice < 87)
        check_rerequested();
    else if (dice < 88 && now->again && now->runs)
        run_by_hand(&now->run[roll(now->runs)]);
    else if (dice < 90)
        db_fault_after(1 + roll(60));
    else if (dice < 91)
        server_dies();
    else if (dice < 92)
        server_stops();
    else if (dice < 96 && now->limits)
        hours_pass();
    else if (dice < 97 && (now->holds || now->runners))
        settings_change(settings_text(now->mem));
    else
        machine.now_ms += roll(20000);
    if (now->people && roll(12) == 0)
        some_comment();
    if (roll(10) == 0)
        some_skip();
    if (now->runners)
        runner_happens();
    machine.now_ms += roll(now->slow ? 3000 : 700);
    machine_tick();
    if (roll(4))
        turns(roll(3) ? 1000 : 1 + roll(3));
}

/* ---- kind days ------------------------------------------------------------------------------- */

static void answer_all(void)
{
    bool more = true;
    struct report *p;
    while (more) {
        more = false;
        for (uint32_t n; (n = forge_waiting_count()) > 0; more = true) {
            forge_answer(forge_waiting(roll(n)));
            turns(1000);
        }
        for (uint32_t n; (n = runner_waiting_count()) > 0; more = true) {
            runner_answers(runner_waiting(roll(n)), RUNNER_HEARD);
            turns(1000);
        }
        for (; (p = some_report()); more = true) {
            report_deliver(p);
            turns(1000);
        }
    }
}

bool nothing_is_on_its_way(void)
{
    for (uint32_t i = 0; i < now->mails; i++)
        if (now->mail[i].state != MAIL_STORED)
            return false;
    for (uint32_t i = 0; i < now->uploads; i++)
        if (now->upload[i].waits)
            return false;
    return !forge_waiting_count() && !runner_waiting_count() && !some_report() && machine_idle() &&
           ask("select count(*) from fact where state = 0") == 0;
}

/* Minutes, then five hours: longer than an event waits, shorter than a run may take. */
enum { SHORT_DAYS = 20, DAYS_MAX = SHORT_DAYS + 300 };

static void a_kind_day(uint32_t day)
{
    struct mail *m;
    for (uint32_t i = 0; i < INSTANCES && day == 0; i++)
        some_lock(false, i);
    turns(1000);
    while ((m = some_mail())) {
        mail_deliver(m);
        turns(1000);
    }
    for (uint32_t i = 0; i < now->uploads; i++)
        some_upload();
    turns(1000);
    answer_all();
    for (uint32_t i = 0; i < now->runs; i++)
        run_advance(&now->run[i]);
    machine_tick();
    turns(1000);
    answer_all();
    if (nothing_is_on_its_way())
        check_held();
    if (day % 4 == 3 && nothing_is_on_its_way()) {
        people_let_go();
        turns(1000);
    }
    /* When all is done that can be done, and something still has to be waited for. */
    if (day > SHORT_DAYS && roll(12) == 0)
        server_dies();
    machine.now_ms += day < SHORT_DAYS ? 10000 : 180000;
}

static bool all_quiet(void)
{
    return nothing_is_on_its_way() && !some_live_run() &&
           ask("select count(*) from effect where state = 0") == 0 &&
           ask("select count(*) from change_event where state = 'waiting'") == 0 &&
           ask("select count(*) from batch where state <> 'ended'") == 0;
}

static void say_what_is_open(void)
{
    static const char *const queries[] = {
        "select 'fact ' || kind || ' ' || coalesce(note, '') from fact where state = 0 limit 1",
        "select 'effect ' || kind || ' ' || key || ' ' || coalesce(note, '') from effect where "
        "state = 0 limit 1",
        "select 'event ' || activity || ' ' || head_sha from change_event where state = 'waiting' "
        "limit 1",
        "select 'batch ' || b.id || ' ' || b.state || ': ' || coalesce((select n.component || ' ' "
        "|| n.state || ' ' || n.gate from node n where n.batch_seq = b.seq and n.state not in "
        "('success', 'failure', 'cancelled', 'skipped', 'superseded', 'error', 'timed_out', "
        "'not_dispatched') limit 1), '') from batch b where state <> 'ended' limit 1",
    };
    for (uint32_t i = 0; i < now->mails; i++)
        if (now->mail[i].state != MAIL_STORED)
            fprintf(stderr, "open: delivery %s, %s\n", now->mail[i].guid, now->mail[i].event);
    for (uint32_t i = 0; i < now->uploads; i++)
        if (now->upload[i].waits)
            fprintf(stderr, "open: upload %s\n", now->upload[i].id);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        str open = ask_text_(queries[i], NO_ARGS);
        if (open.len)
            fprintf(stderr, "open: " PRI_STR "\n", FMT_STR(open));
    }
}

static void kind_days(void)
{
    uint32_t day = 0;
    narrate("kind days");
    now->kind = true;
    db_fault_after(0);
    for (day = 0; day < DAYS_MAX && !all_quiet(); day++) {
        a_kind_day(day);
        now->step++;
        arena_reset(now->mem);
    }
    if (!all_quiet())
        say_what_is_open();
    MUST(all_quiet(), "every batch ends, or says what it waits for", day, 0);
}

void world_run(void)
{
    uint32_t steps = 200 + roll(400);
    now->titles = roll(5) != 0;
    /* A workflow without the id, on a forge that does not name the run, cannot be followed. */
    now->answers_id = !now->titles || roll(3);
    now->again = roll(3) != 0;
    now->mishaps = roll(2) ? 10 + roll(30) : 3;
    now->slow = roll(3) == 0;
    now->comments = roll(5) != 0;
    now->holds = roll(4) != 0;
    now->people = roll(4) != 0;
    now->limits = roll(3) == 0;
    now->skew_ms = roll(3) ? 0 : (int64_t)roll(3) * 3600000 - 3600000 + roll(90000);
    now->told_percent = roll(2) ? 1 + roll(4) : 0;
    now->nonsense = roll(4) ? 0 : 5 + roll(95);
    now->quota.limit = now->limits && !now->nonsense ? 100 + roll(300) : 5000;
    now->wide = roll(3) ? 0 : 40;
    now->runners = roll(3) == 0;
    now->room = 1 + roll(4);
    now->bad_disk = roll(3) ? 3 : 12;
    for (uint32_t i = 0; i < INSTANCES; i++)
        for (uint32_t k = i + 1; k < INSTANCES; k++)
            now->edge[i][k] = roll(5) < 2;
    world_furnish();
    for (now->step = 0; now->step < steps; now->step++) {
        something_happens();
        arena_reset(now->mem);
    }
    kind_days();
    check_end();
    check_same_bytes();
    engine_quiet(machine.engine);
    machine_stop();
}
