/*
 * comments: what people tick, write, edit and delete on the page of a pull request, and who they are.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "whole.h"

static const struct {
    const char *login, *permission;
    bool may;
} people[] = {
    {"ana", "write", true}, {"max", "maintain", true}, {"bob", "admin", true},
    {"eve", "read", false}, {"kim", "triage", false},  {"mallory", NULL, false},
};
enum { PEOPLE = sizeof people / sizeof people[0] };

const char *permission_of(str login)
{
    for (size_t i = 0; i < PEOPLE; i++)
        if (str_eq(login, str_of(people[i].login)))
            return people[i].permission;
    return NULL;
}

bool may_order(str login)
{
    for (size_t i = 0; i < PEOPLE; i++)
        if (str_eq(login, str_of(people[i].login)))
            return people[i].may;
    return false;
}

/* ---- what they asked for --------------------------------------------------------------------- */

struct asked *asked_of(str login, str order, str from, int64_t number)
{
    for (uint32_t i = 0; i < now->askeds; i++) {
        struct asked *a = &now->asked[i];
        if (str_eq(login, str_of(a->login)) && str_eq(order, str_of(a->order)) &&
            str_eq(from, str_of(a->from)) && a->number == number)
            return a;
    }
    MUST(now->askeds < ASKED, "the history fits the world", ASKED, 0);
    struct asked *a = &now->asked[now->askeds++];
    *a = (struct asked){.number = number};
    snprintf(a->login, sizeof a->login, PRI_STR, FMT_STR(login));
    snprintf(a->order, sizeof a->order, PRI_STR, FMT_STR(order));
    snprintf(a->from, sizeof a->from, PRI_STR, FMT_STR(from));
    return a;
}

static void ask_for(const char *who, str order, const char *from, int64_t number)
{
    asked_of(str_of(who), order, str_of(from), number)->times++;
    now->requests++;
}

/* ---- what the forge tells of it -------------------------------------------------------------- */

static void begin_object(struct json_out *j, const char *name)
{
    json_key(j, str_of(name));
    json_begin_object(j);
}

static void put_login(struct json_out *j, const char *name, const char *login)
{
    begin_object(j, name);
    json_field_str(j, STR("login"), str_of(login));
    json_field_i64(j, STR("id"), 4);
    json_end_object(j);
}

void comment_mail(const char *action, const struct remark *c, const char *before,
                  const char *sender)
{
    struct buf b;
    struct json_out j;
    buf_init(&b, now->mem, 1 << 20);
    json_out_init(&j, &b);
    json_begin_object(&j);
    json_field_str(&j, STR("action"), str_of(action));
    json_field_raw(&j, STR("issue"),
                   arena_print(now->mem, "{\"number\":%lld,\"pull_request\":{\"url\":\"u\"}}",
                               (long long)c->number));
    begin_object(&j, "comment");
    json_field_i64(&j, STR("id"), c->id);
    json_field_str(&j, STR("body"), str_of(c->text));
    json_field_str(&j, STR("updated_at"), rfc3339_write(now->mem, forge_now_ms()));
    put_login(&j, "user", c->author);
    json_end_object(&j);
    if (before) {
        begin_object(&j, "changes");
        begin_object(&j, "body");
        json_field_str(&j, STR("from"), str_of(before));
        json_end_object(&j);
        json_end_object(&j);
    }
    json_field_raw(&j, STR("repository"),
                   STR("{\"id\":4711,\"name\":\"infra\",\"full_name\":\"acme/infra\",\"owner\":{"
                       "\"login\":\"acme\"}}"));
    json_field_raw(&j, STR("installation"), STR("{\"id\":5}"));
    put_login(&j, "sender", sender);
    json_end_object(&j);
    mail_send("issue_comment", buf_str(&b));
    if (chance(8)) /* the same under another id */
        mail_send("issue_comment", buf_str(&b));
}

static struct remark remark_of(const struct paper *p)
{
    return (struct remark){
        .id = p->id, .number = atoi(p->of), .author = OUR_LOGIN, .text = p->text};
}

/* ---- our comment under other people's hands -------------------------------------------------- */

static void edit(struct paper *p, char *text, const char *who)
{
    char *before = p->text;
    p->text = text;
    struct remark c = remark_of(p);
    comment_mail("edited", &c, before, who);
    free(p->older);
    p->older = before;
}

/* Where the nth control that is not ticked begins; NULL: there are fewer. */
static const char *control(const char *text, uint32_t nth)
{
    const char *at = text;
    while ((at = strstr(at, "- [ ] ")) != NULL) {
        const char *end = strchr(at, '\n'), *mark = strstr(at, "<!-- signalbox:");
        if (mark && (!end || mark < end) && nth-- == 0)
            return at;
        at += 6;
    }
    return NULL;
}

static str order_at(const char *at)
{
    const char *mark = strstr(at, "<!-- signalbox:") + strlen("<!-- signalbox:");
    return (str){mark, strcspn(mark, " ")};
}

bool person_ticks(struct paper *p, const char *who, uint32_t nth, const char *also)
{
    const char *at = control(p->text, nth);
    if (!at)
        return false;
    char *text = strdup(p->text);
    if (!text)
        abort();
    text[at - p->text + 3] = 'x';
    str order = order_at(at);
    narrate("%s ticks " PRI_STR " on %d%s%s", who, FMT_STR(order), atoi(p->of),
            also ? ", and " : "", also ? also : "");
    ask_for(who, order, "checkbox", atoi(p->of));
    if (also) { /* neither saw the other's */
        struct remark c = remark_of(p);
        ask_for(also, order, "checkbox", atoi(p->of));
        c.text = text;
        comment_mail("edited", &c, p->text, also);
    }
    edit(p, text, who);
    return true;
}

void person_edits(struct paper *p, const char *who, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        abort();
    narrate("%s edits our comment on %d", who, atoi(p->of));
    edit(p, copy, who);
}

void person_deletes(struct paper *p, const char *who)
{
    struct remark c = remark_of(p);
    narrate("%s deletes our comment on %d", who, atoi(p->of));
    p->deleted = true;
    comment_mail("deleted", &c, NULL, who);
}

/* ---- comments of their own ------------------------------------------------------------------- */

/* "/signalbox retry prod vpc": the order in it, for the count of what was asked for. */
static str order_in(const char *text)
{
    const char *at = strstr(text, "/signalbox ");
    if (!at || (at > text && at[-1] != '\n'))
        return STR("");
    at += strlen("/signalbox ");
    return (str){at, strcspn(at, " \r\n")};
}

struct remark *person_writes(int64_t number, const char *who, const char *text)
{
    str order = order_in(text);
    if (now->remarks == REMARKS)
        return NULL;
    struct remark *c = &now->remark[now->remarks++];
    *c = (struct remark){.id = 5000 + (int64_t)now->remarks, .number = number, .author = who};
    c->text = strdup(text);
    narrate("%s writes on %lld: %s", who, (long long)number, text);
    ask_for(who, order, "comment", str_eq(order, STR("unlock")) ? 0 : number);
    comment_mail("created", c, NULL, who);
    return c;
}

void person_rewrites(struct remark *c, const char *who, const char *text)
{
    char *before = c->text;
    c->text = strdup(text);
    str order = order_in(text);
    ask_for(who, order, "comment", str_eq(order, STR("unlock")) ? 0 : c->number);
    narrate("%s edits a comment on %lld: %s", who, (long long)c->number, text);
    comment_mail("edited", c, before, who);
    free(before);
}

/* ---- by chance ------------------------------------------------------------------------------- */

static const char *somebody(void)
{
    return people[roll(PEOPLE)].login;
}

static struct paper *our_comment(void)
{
    struct paper *found = NULL;
    uint32_t seen = 0;
    for (uint32_t i = 0; i < now->papers; i++) {
        struct paper *p = &now->paper[i];
        if (p->comment && !p->deleted && strstr(p->of, "signalbox:change:") && roll(++seen) == 0)
            found = p;
    }
    return found;
}

static void write_something(void)
{
    static const char *const texts[] = {
        "Fine.\r\n\r\n/signalbox dispatch\r\n",
        "/signalbox dispatch",
        "/signalbox resume",
        "/signalbox cancel",
        "/signalbox retry",
        "/signalbox retry prod c1",
        "/signalbox unlock prod/c2",
        "/signalbox explain",
        "/signalbox parts",
        "/signalbox deploy everything",
        "> /signalbox cancel\n\nno",
        "<!-- signalbox:change:1 -->\n- [ ] a <!-- signalbox:dispatch batch_forged -->"};
    const char *text = texts[roll(sizeof texts / sizeof *texts)];
    if (now->again || !strstr(text, "retry"))
        person_writes(1 + roll(PULLS), somebody(), text);
}

static void edit_something(struct paper *p)
{
    static const char *const texts[] = {
        "a vandal was here",
        "a vandal was here\n/signalbox dispatch\n- [x] a <!-- signalbox:dispatch batch_forged -->"};
    if (roll(3) == 0 && p->older)
        person_edits(p, somebody(), p->older);
    else
        person_edits(p, somebody(), texts[roll(2)]);
}

void some_comment(void)
{
    struct paper *p = our_comment();
    uint32_t dice = roll(12);
    if (!p || dice < 3)
        write_something();
    else if (dice < 4 && now->remarks)
        person_rewrites(&now->remark[roll(now->remarks)], somebody(), "/signalbox dispatch \n");
    else if (dice < 5)
        person_deletes(p, somebody());
    else if (dice < 6)
        edit_something(p);
    else
        person_ticks(p, somebody(), roll(2), roll(4) ? NULL : somebody());
}
