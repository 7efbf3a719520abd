/*
 * forge: the truth over there, and how it answers: late, out of order, or never.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "whole.h"

static const char *const workflow =
    "name: w\nrun-name: w ${{ inputs.component }} ${{ inputs.atmos_pro_run_id }}\n"
    "on:\n  workflow_dispatch:\n    inputs:\n      component: {type: string}\n"
    "      atmos_pro_run_id: {type: string}\njobs: {}\n";
static const char *const workflow_without_id =
    "name: w\non:\n  workflow_dispatch:\n    inputs:\n      component: {type: string}\n"
    "      atmos_pro_run_id: {type: string}\njobs: {}\n";

/* ---- mail ------------------------------------------------------------------------------------ */

void mail_send(const char *event, str body)
{
    if (now->mails == MAIL)
        return;
    struct mail *m = &now->mail[now->mails++];
    *m = (struct mail){.id = (int64_t)now->mails, .sent_ms = machine.now_ms};
    snprintf(m->event, sizeof m->event, "%s", event);
    snprintf(m->guid, sizeof m->guid, "guid-%u", now->mails);
    m->body = malloc(body.len + 1);
    if (!m->body)
        abort();
    memcpy(m->body, body.ptr, body.len);
    m->body[body.len] = '\0';
}

#define REPOSITORY                                                                                 \
    "\"repository\":{\"id\":4711,\"name\":\"infra\",\"full_name\":\"acme/infra\",\"owner\":{"      \
    "\"login\":\"acme\"},\"default_branch\":\"main\"},\"installation\":{\"id\":5},\"sender\":{"    \
    "\"login\":\"ana\",\"id\":7}"

static bool is(const struct pull *p, const char *state)
{
    return !strcmp(p->state, state);
}

void pull_mail(const struct pull *p, const char *action)
{
    char head[44];
    const char *merge = p->number % 2 ? "\"3e46e1\"" : "\"3e46e0\"";
    head_name(head, p, p->head);
    str at = rfc3339_write(now->mem, p->updated_ms + now->skew_ms),
        merged = rfc3339_write(now->mem, p->merged_ms + now->skew_ms);
    narrate("pull %d: %s %s%s", p->number, action, head, p->draft ? " (draft)" : "");
    mail_send("pull_request",
              arena_print(
                  now->mem,
                  "{\"action\":\"%s\",\"number\":%d,\"pull_request\":{\"id\":1,\"number\":%d,"
                  "\"state\":\"%s\",\"draft\":%s,\"merged\":%s,\"merged_at\":%s%s%s,"
                  "\"title\":\"t\",\"html_url\":\"https://f/p/%d\",\"user\":{\"login\":"
                  "\"ana\",\"id\":7},\"updated_at\":\"%s\",\"merge_commit_sha\":%s,"
                  "\"head\":{\"sha\":\"%s\",\"ref\":\"topic\",\"repo\":{\"id\":4711}},"
                  "\"base\":{\"sha\":\"ba5e\",\"ref\":\"main\",\"repo\":{\"id\":4711}}}," REPOSITORY
                  "}",
                  action, p->number, p->number, is(p, "open") ? "open" : "closed",
                  p->draft ? "true" : "false", is(p, "merged") ? "true" : "false",
                  is(p, "merged") ? "\"" : "", is(p, "merged") ? merged.ptr : "null",
                  is(p, "merged") ? "\"" : "", p->number, at.ptr, is(p, "merged") ? merge : "null",
                  head));
}

static const char *const run_states[] = {"queued", "waiting", "in_progress", "completed"};

static void run_mail(const struct run *r)
{
    str created = rfc3339_write(now->mem, r->created_ms + now->skew_ms),
        updated = rfc3339_write(now->mem, r->updated_ms + now->skew_ms);
    bool over = r->state == RUN_OVER;
    narrate("run %lld of %s: %s %s", (long long)r->id, r->component, run_states[r->state],
            over ? r->conclusion : "");
    mail_send("workflow_run",
              arena_print(now->mem,
                          "{\"action\":\"%s\",\"workflow_run\":{\"id\":%lld,\"run_number\":1,"
                          "\"run_attempt\":%d,\"event\":\"workflow_dispatch\",\"status\":\"%s\","
                          "\"conclusion\":%s%s%s,\"head_branch\":\"main\",\"head_sha\":\"abc\","
                          "\"display_title\":\"%s\",\"path\":\".github/workflows/%s\","
                          "\"html_url\":\"https://f/r/%lld\",\"created_at\":\"%s\","
                          "\"run_started_at\":\"%s\",\"updated_at\":\"%s\"}," REPOSITORY "}",
                          over ? "completed" : "in_progress", (long long)r->id, r->attempt,
                          run_states[r->state], over ? "\"" : "", over ? r->conclusion : "null",
                          over ? "\"" : "", r->title, r->file, (long long)r->id, created.ptr,
                          created.ptr, updated.ptr));
}

/* ---- runs ------------------------------------------------------------------------------------ */

bool run_is_live(const struct run *r)
{
    return r->state != RUN_OVER;
}

static str input(const struct forge_call *c, const char *name)
{
    for (size_t i = 0; i < c->input_count; i++)
        if (str_eq(c->inputs[i].name, str_of(name)))
            return c->inputs[i].value;
    return STR("");
}

struct run *run_new(str run_id, str component, str file)
{
    MUST(now->runs < RUNS, "the history fits the world", now->runs, 0);
    struct run *r = &now->run[now->runs];
    *r = (struct run){.id = 9000 + (int64_t)now->runs,
                      .attempt = 1,
                      .created_ms = machine.now_ms,
                      .updated_ms = machine.now_ms,
                      .reason = ""};
    snprintf(r->run_id, sizeof r->run_id, PRI_STR, FMT_STR(run_id));
    snprintf(r->component, sizeof r->component, PRI_STR, FMT_STR(component));
    snprintf(r->file, sizeof r->file, PRI_STR, FMT_STR(file));
    return r;
}

static struct run *make_run(const struct forge_call *c)
{
    str id = input(c, "atmos_pro_run_id"), component = input(c, "component");
    struct run *r = run_new(id, component, c->file);
    snprintf(r->title, sizeof r->title, "w " PRI_STR "%s" PRI_STR, FMT_STR(component),
             now->titles ? " " : "", FMT_STR(now->titles ? id : STR("")));
    r->apply = str_eq(c->file, STR("apply.yaml"));
    r->listed_ms = machine.now_ms + (now->kind ? 0 : roll(LISTED_AFTER_MS));
    check_run_made(r);
    now->runs++;
    narrate("the forge makes run %lld for %s", (long long)r->id, r->run_id);
    if (roll(3))
        run_mail(r);
    return r;
}

void run_advance(struct run *r)
{
    static const char *const ends[] = {"success", "success", "success", "success",
                                       "success", "failure", "failure", "timed_out"};
    if (!run_is_live(r))
        return;
    if (r->uuid[0]) {
        runner_run_advances(r);
        return;
    }
    r->updated_ms = machine.now_ms;
    if (r->state == RUN_GOES ? roll(5) != 0 : r->stop && roll(3)) {
        r->state = RUN_OVER;
        r->conclusion = r->stop && roll(4) ? "cancelled" : ends[roll(8)];
    } else if (r->state == RUN_QUEUED && roll(8) == 0) {
        r->state = RUN_WAITS;
    } else if (r->state != RUN_GOES) {
        r->state = RUN_GOES;
        r->started_ms = machine.now_ms;
    }
    run_mail(r);
}

void run_ends(struct run *r, const char *conclusion)
{
    if (!run_is_live(r))
        return;
    if (r->uuid[0]) {
        runner_run_ends(r, conclusion);
        return;
    }
    r->updated_ms = machine.now_ms;
    r->state = RUN_OVER;
    r->conclusion = conclusion;
    run_mail(r);
}

void run_by_hand(struct run *r)
{
    if (run_is_live(r) || r->attempt > 3 || r->uuid[0])
        return;
    r->by_hand = true;
    r->stop = false;
    r->attempt++;
    r->state = RUN_QUEUED;
    r->updated_ms = machine.now_ms;
    narrate("somebody re-runs %lld over there", (long long)r->id);
    run_mail(r);
}

static void write_run(struct buf *b, const struct run *r)
{
    buf_print(b,
              "{\"id\":%lld,\"attempt\":%d,\"state\":\"%s\",\"conclusion\":\"%s\",\"title\":\"%s\","
              "\"path\":\"%s\",\"event\":\"workflow_dispatch\",\"url\":\"https://f/r/%lld\","
              "\"created_ms\":%lld,"
              "\"started_ms\":%lld,\"updated_ms\":%lld}",
              (long long)r->id, r->attempt, run_states[r->state],
              run_is_live(r) ? "" : r->conclusion, r->title, r->file, (long long)r->id,
              (long long)r->created_ms, (long long)r->started_ms, (long long)r->updated_ms);
}

/* ---- carrying out ---------------------------------------------------------------------------- */

static void do_dispatch(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    const struct run *r = make_run(c);
    if (now->answers_id)
        a->result = arena_print(mem, "{\"run_id\":%lld,\"url\":\"https://f/r/%lld\"}",
                                (long long)r->id, (long long)r->id);
}

static void do_find_runs(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    struct buf b;
    bool first = true;
    buf_init(&b, mem, 4 << 20);
    buf_add(&b, STR("{\"runs\":["));
    for (uint32_t i = 0; i < now->runs; i++) {
        const struct run *r = &now->run[i];
        if (r->uuid[0] || r->listed_ms > machine.now_ms || r->created_ms < c->since_ms - 120000 ||
            (c->file.len && !str_eq(c->file, str_of(r->file))))
            continue;
        if (!first)
            buf_add(&b, STR(","));
        first = false;
        write_run(&b, r);
    }
    buf_add(&b, STR("]}"));
    a->result = buf_str(&b);
}

static struct run *run_numbered(int64_t id)
{
    return id >= 9000 && id < 9000 + (int64_t)now->runs ? &now->run[id - 9000] : NULL;
}

static void do_read_run(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    struct buf b;
    struct run *r = run_numbered(c->run_id);
    MUST(r, "only runs that are known are asked about", c->run_id, 0);
    buf_init(&b, mem, 1 << 16);
    write_run(&b, r);
    a->result = buf_str(&b);
}

static void do_cancel_run(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    (void)mem;
    (void)a;
    struct run *r = run_numbered(c->run_id);
    MUST(r, "only runs that are known are stopped", c->run_id, 0);
    r->stop |= run_is_live(r);
}

static void do_read_file(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    struct buf b;
    struct json_out j;
    if (str_eq(c->etag, STR("e"))) {
        a->result = STR("{\"unchanged\":true}");
        return;
    }
    buf_init(&b, mem, 1 << 16);
    json_out_init(&j, &b);
    json_begin_object(&j);
    json_field_bool(&j, STR("found"), true);
    json_field_str(&j, STR("blob"), STR("b10b"));
    json_field_str(&j, STR("text"), str_of(now->titles ? workflow : workflow_without_id));
    json_field_str(&j, STR("etag"), STR("e"));
    json_end_object(&j);
    a->result = buf_str(&b);
}

static str write_pull(struct arena *mem, const struct pull *p)
{
    char head[44];
    head_name(head, p, p->head);
    return arena_print(
        mem,
        "{\"number\":%d,\"title\":\"t\",\"author\":\"ana\",\"url\":\"https://f/p/%d\","
        "\"state\":\"%s\",\"draft\":%s,\"from_fork\":false,\"head_sha\":\"%s\","
        "\"head_ref\":\"topic\",\"base_sha\":\"ba5e\",\"base_ref\":\"main\","
        "\"merge_sha\":\"%s\",\"merged_ms\":%lld,\"updated_ms\":%lld}",
        p->number, p->number, p->state, p->draft ? "true" : "false", head,
        is(p, "merged") ? p->number % 2 ? "3e46e1" : "3e46e0" : "", (long long)p->merged_ms,
        (long long)p->updated_ms);
}

static void do_read_pull(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    for (int i = 0; i < PULLS; i++)
        if (now->pull[i].state && now->pull[i].number == c->number) {
            a->result = write_pull(mem, &now->pull[i]);
            return;
        }
    a->outcome = FORGE_NOT_FOUND;
}

/* The merges of odd pull requests are not what was planned. */
static void do_read_commit(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    a->result = arena_print(mem, "{\"sha\":\"x\",\"tree\":\"%s\"}",
                            str_eq(c->ref, STR("3e46e1")) ? "another" : "same");
}

static void do_find_pulls(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    str list = STR("");
    for (int i = 0; i < PULLS; i++)
        for (int h = 0; now->pull[i].state && h <= now->pull[i].head; h++) {
            char head[44];
            head_name(head, &now->pull[i], h);
            if (str_eq(c->sha, str_of(head)))
                list = arena_print(mem, PRI_STR "%s" PRI_STR, FMT_STR(list), list.len ? "," : "",
                                   FMT_STR(write_pull(mem, &now->pull[i])));
        }
    a->result = arena_print(mem, "{\"pulls\":[" PRI_STR "]}", FMT_STR(list));
}

static void do_list_deliveries(struct arena *mem, const struct forge_call *c,
                               struct forge_answer *a)
{
    (void)c;
    struct buf b;
    bool first = true;
    buf_init(&b, mem, 4 << 20);
    buf_add(&b, STR("{\"failed\":["));
    for (uint32_t i = 0; i < now->mails; i++) {
        if (now->mail[i].state != MAIL_FAILED)
            continue;
        buf_print(&b, "%s{\"id\":%lld,\"guid\":\"%s\",\"event\":\"%s\",\"action\":\"\"}",
                  first ? "" : ",", (long long)now->mail[i].id, now->mail[i].guid,
                  now->mail[i].event);
        first = false;
    }
    buf_add(&b, STR("]}"));
    a->result = buf_str(&b);
}

static void do_redeliver(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    (void)mem;
    (void)a;
    if (c->object >= 1 && c->object <= (int64_t)now->mails &&
        now->mail[c->object - 1].state == MAIL_FAILED)
        now->mail[c->object - 1].state = MAIL_SENT;
}

static struct paper *paper_of(bool comment, str of)
{
    for (uint32_t i = 0; i < now->papers; i++)
        if (now->paper[i].comment == comment && !now->paper[i].deleted &&
            str_eq(of, str_of(now->paper[i].of)))
            return &now->paper[i];
    return NULL;
}

struct paper *paper_like(bool comment, str part)
{
    for (uint32_t i = 0; i < now->papers; i++)
        if (now->paper[i].comment == comment && !now->paper[i].deleted &&
            str_has(str_of(now->paper[i].of), part))
            return &now->paper[i];
    return NULL;
}

/* Which check of a commit, or which comment of a pull request, the call speaks of. */
static str paper_name(struct arena *mem, const struct forge_call *c)
{
    struct json body;
    struct err e = {0};
    if (c->kind == FORGE_PUT_COMMENT) {
        size_t line = str_find(c->text, '\n', 0);
        return arena_print(mem, "%lld " PRI_STR, (long long)c->number,
                           FMT_STR(str_sub(c->text, 0, line < 100 ? line : 100)));
    }
    MUST(json_parse(mem, c->body, 0, &body, &e), "a check is JSON", 0, 0);
    str id = json_str(json_get(body, STR("external_id")), mem);
    return arena_print(mem, PRI_STR " " PRI_STR, FMT_STR(id), FMT_STR(c->sha));
}

static bool was_deleted(int64_t id)
{
    for (uint32_t i = 0; i < now->papers; i++)
        if (now->paper[i].id == id)
            return now->paper[i].deleted;
    return false;
}

/* The forge tells of what we wrote ourselves, too. */
static void tell_of_ours(const struct paper *p)
{
    struct remark c = {.id = p->id, .number = atoi(p->of), .author = OUR_LOGIN, .text = p->text};
    comment_mail("edited", &c, "what stood there", OUR_LOGIN);
}

static void do_paper(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    bool comment = c->kind == FORGE_PUT_COMMENT;
    str of = paper_name(mem, c), text = comment ? c->text : c->body;
    struct paper *p = paper_of(comment, of);
    if (!c->object && !c->marker.len)
        MUST(!p, "one check of one commit, one comment of one pull request", p ? p->id : 0, 0);
    if (!p) {
        MUST(now->papers < PAPERS, "the history fits the world", now->papers, 0);
        p = &now->paper[now->papers++];
        *p = (struct paper){.id = 70 + (int64_t)now->papers, .comment = comment};
        snprintf(p->of, sizeof p->of, PRI_STR, FMT_STR(of));
    }
    MUST(!c->object || c->object == p->id || was_deleted(c->object), "it is what it was", c->object,
         p->id);
    free(p->text);
    p->text = malloc(text.len + 1);
    if (!p->text)
        abort();
    memcpy(p->text, text.ptr, text.len);
    p->text[text.len] = '\0';
    p->refused = false;
    a->result = arena_print(mem, "{\"id\":%lld}", (long long)p->id);
    if (comment && chance(20))
        tell_of_ours(p);
}

static void do_permission(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    const char *permission = permission_of(c->login);
    if (permission)
        a->result = arena_print(mem, "{\"permission\":\"%s\",\"role\":\"%s\",\"user_id\":4}",
                                permission, permission);
    else
        a->outcome = FORGE_NOT_FOUND;
}

/* The answer is there already: limits.c. */
static void do_nothing(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    (void)mem;
    (void)c;
    (void)a;
}

static void do_review(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    (void)mem;
    (void)c;
    a->result = STR("{\"id\":1}");
}

static const struct {
    enum forge_call_kind kind;
    const char *name;
    void (*carry_out)(struct arena *, const struct forge_call *, struct forge_answer *);
} kinds[] = {
    {FORGE_DISPATCH, "dispatch", do_dispatch},
    {FORGE_FIND_RUNS, "find runs", do_find_runs},
    {FORGE_READ_RUN, "read run", do_read_run},
    {FORGE_CANCEL_RUN, "cancel run", do_cancel_run},
    {FORGE_READ_FILE, "read file", do_read_file},
    {FORGE_PUT_CHECK, "check", do_paper},
    {FORGE_PUT_COMMENT, "comment", do_paper},
    {FORGE_REVIEW, "review", do_review},
    {FORGE_READ_QUOTA, "quota", do_nothing},
    {FORGE_PERMISSION, "permission", do_permission},
    {FORGE_READ_COMMIT, "read commit", do_read_commit},
    {FORGE_READ_PULL, "read pull", do_read_pull},
    {FORGE_FIND_PULLS, "find pulls", do_find_pulls},
    {FORGE_LIST_DELIVERIES, "deliveries", do_list_deliveries},
    {FORGE_REDELIVER, "redeliver", do_redeliver},
};

/* Its effect over there, and what would be answered. */
static void carry_out(struct arena *mem, const struct forge_call *c, struct forge_answer *a)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == c->kind) {
            kinds[i].carry_out(mem, c, a);
            return;
        }
    a->outcome = FORGE_NOT_FOUND;
}

/* ---- calls under way ------------------------------------------------------------------------- */

static str keep(char **at, str s)
{
    if (!s.ptr)
        return s;
    if (s.len)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return (str){*at - s.len, s.len};
}

static void copy_call(struct call *to, const struct forge_call *c)
{
    size_t bytes = c->file.len + c->ref.len + c->path.len + c->etag.len + c->text.len +
                   c->marker.len + c->body.len + c->sha.len + c->owner.len + c->name.len +
                   c->login.len;
    size_t inputs = c->input_count * sizeof(struct forge_input);
    for (size_t i = 0; i < c->input_count; i++)
        bytes += c->inputs[i].name.len + c->inputs[i].value.len;
    to->bytes = malloc(inputs + bytes + 1);
    if (!to->bytes)
        abort();
    struct forge_input *in = (struct forge_input *)(void *)to->bytes;
    char *at = to->bytes + inputs;
    to->c = *c;
    to->c.inputs = in;
    for (size_t i = 0; i < c->input_count; i++)
        in[i] = (struct forge_input){keep(&at, c->inputs[i].name), keep(&at, c->inputs[i].value)};
    str *field[] = {&to->c.file,   &to->c.ref, &to->c.path,  &to->c.etag, &to->c.text, &to->c.body,
                    &to->c.marker, &to->c.sha, &to->c.owner, &to->c.name, &to->c.login};
    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
        *field[i] = keep(&at, *field[i]);
    to->c.review = STR("");
}

static const char *call_name(const struct forge_call *c)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == c->kind)
            return kinds[i].name;
    return "another call";
}

void forge_call(void *self, const struct forge_call *c, forge_done *done, void *ctx)
{
    (void)self;
    check_call(c);
    struct call *at = now->call;
    while (at < now->call + CALLS && at->used)
        at++;
    MUST(at < now->call + CALLS, "calls under way have a limit", CALLS, 0);
    copy_call(at, c);
    at->used = true;
    at->left = false;
    at->serial = ++now->serial;
    at->done = done;
    at->ctx = ctx;
    str id = input(&at->c, "atmos_pro_run_id");
    narrate("call %lld: %s " PRI_STR " " PRI_STR " %lld", (long long)at->serial, call_name(c),
            FMT_STR(id), FMT_STR(c->sha), (long long)c->number);
    /* Some leave at once, and are on their way when others are told to wait. */
    struct forge_answer ignored;
    if (!now->staged && roll(2))
        client_lets(at, &ignored);
}

uint32_t forge_waiting_count(void)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < CALLS; i++)
        n += now->call[i].used;
    return n;
}

struct call *forge_waiting(uint32_t nth)
{
    for (uint32_t i = 0; i < CALLS; i++)
        if (now->call[i].used && nth-- == 0)
            return &now->call[i];
    return NULL;
}

/* 401, 403, 422: final. What was to be written then stays unwritten. */
static void note_refusal(struct arena *mem, const struct forge_call *c)
{
    if (c->kind != FORGE_PUT_CHECK && c->kind != FORGE_PUT_COMMENT)
        return;
    struct paper *p = paper_of(c->kind == FORGE_PUT_COMMENT, paper_name(mem, c));
    if (p)
        p->refused = true;
    now->unwritten += !p;
}

/* What becomes of a call on its way. */
enum way { HEARD, NEVER_SENT, CUT, UNHEARD, NO_ACCESS, REFUSED };

static enum way some_way(void)
{
    uint32_t dice = roll(100);
    if (!chance(now->mishaps))
        return HEARD;
    return dice < 30   ? CUT
           : dice < 60 ? NEVER_SENT
           : dice < 65 ? NO_ACCESS
           : dice < 69 ? REFUSED
                       : UNHEARD;
}

static void mishap(struct arena *mem, const struct forge_call *c, enum way way,
                   struct forge_answer *a)
{
    static const enum forge_outcome outcomes[] = {FORGE_OK,   FORGE_NOT_SENT,  FORGE_LOST,
                                                  FORGE_LOST, FORGE_NO_ACCESS, FORGE_REFUSED};
    struct forge_answer unheard = {.outcome = FORGE_OK};
    now->lost += way == CUT || way == UNHEARD;
    if (way == UNHEARD && forge_takes(mem, c, &unheard)) /* only the answer was lost */
        carry_out(mem, c, &unheard);
    *a = (struct forge_answer){.outcome = outcomes[way],
                               .calls = way != NEVER_SENT,
                               .result = STR("{}"),
                               .message = STR("as the seed says")};
    if (way == NO_ACCESS || way == REFUSED) {
        now->turned_away++;
        note_refusal(mem, c);
    }
}

static void answered(struct call *c, const struct forge_answer *a)
{
    narrate("answer %lld: %s", (long long)c->serial, forge_outcome_name(a->outcome));
    c->used = false;
    c->done(c->ctx, a);
    free(c->bytes);
}

static struct call *on_the_wire(void)
{
    for (uint32_t i = 0; i < CALLS; i++)
        if (now->call[i].used && now->call[i].left)
            return &now->call[i];
    return NULL;
}

void forge_answer(struct call *c)
{
    struct arena *mem = arena_new((size_t)8 << 20, (size_t)64 << 20);
    struct forge_answer a = {
        .outcome = FORGE_OK, .status = 200, .result = STR("{}"), .message = STR("")};
    enum leaving leaving = client_lets(c, &a);
    enum way way = some_way();
    if (leaving == STAYS)
        c = on_the_wire();
    if (leaving != TOLD_TO_WAIT && way != HEARD)
        mishap(mem, &c->c, way, &a);
    else if (leaving != TOLD_TO_WAIT && forge_takes(mem, &c->c, &a))
        carry_out(mem, &c->c, &a);
    answered(c, &a);
    arena_free(mem);
}

void forge_dies(void)
{
    struct arena *mem = arena_new((size_t)8 << 20, (size_t)64 << 20);
    runner_unheard();
    for (uint32_t i = 0; i < CALLS; i++) {
        struct call *c = &now->call[i];
        if (!c->used)
            continue;
        struct forge_answer a = {.outcome = FORGE_OK};
        bool arrived = (c->left || client_lets(c, &a) == LEAVES) && roll(2) == 0;
        narrate("call %lld: %s", (long long)c->serial,
                arrived ? "arrived, unheard" : "never arrived");
        if (arrived && forge_takes(mem, &c->c, &a))
            carry_out(mem, &c->c, &a);
        c->used = false;
        /* What dies does not hear it; what is stopped may still write it down. */
        c->done(c->ctx, &(struct forge_answer){.outcome = arrived ? FORGE_LOST : FORGE_NOT_SENT,
                                               .result = STR("{}"),
                                               .message = STR("")});
        free(c->bytes);
    }
    client_dies();
    arena_free(mem);
}
