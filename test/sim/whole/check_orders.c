/*
 * check_orders: each order is carried out at most once, for somebody who may, and leaves its row in
 * the audit; nothing is left of it in our comments.
 */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

/* The order that leads to such an audit row; empty: the row is not an order's. */
static str order_behind(str category, str action)
{
    static const struct {
        const char *category, *action, *order;
    } rows[] = {{"dispatch", "dispatch.released", "dispatch"},
                {"dispatch", "dispatch.resumed", "resume"},
                {"dispatch", "dispatch.parts", "parts"},
                {"workflow", "cancelled", "cancel"},
                {"workflow", "retried", "retry"},
                {"workflow", "rerun", "retry"},
                {"workflow", "explained", "explain"},
                {"lock", "deleted", "unlock"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_eq(category, str_of(rows[i].category)) && str_eq(action, str_of(rows[i].action)))
            return str_of(rows[i].order);
    return STR("");
}

static void check_audit_row(const struct db_rows *r, size_t i)
{
    check_lock_audited(db_at(r, i, 1)->s, db_at(r, i, 2)->s, db_at(r, i, 3)->s, db_at(r, i, 6)->s,
                       db_at(r, i, 7)->s);
    str actor = db_at(r, i, 1)->s, action = db_at(r, i, 3)->s, from = db_at(r, i, 4)->s;
    str order = order_behind(db_at(r, i, 2)->s, action);
    int64_t number = db_at(r, i, 5)->null ? 0 : db_at(r, i, 5)->i;
    if (!str_eq(from, STR("checkbox")) && !str_eq(from, STR("comment")))
        return;
    if (str_eq(action, STR("order_denied")) || str_eq(action, STR("order_refused")))
        return;
    if (!order.len)
        fprintf(stderr, "the audit says " PRI_STR " of " PRI_STR "\n", FMT_STR(action),
                FMT_STR(actor));
    MUST(order.len, "what was ordered is known", number, 0);
    MUST(may_order(actor), "only who may write here orders anything", number, 0);
    struct asked *a = asked_of(actor, order, from, number);
    if (++a->carried_out > a->times)
        fprintf(stderr, PRI_STR " by " PRI_STR "\n", FMT_STR(order), FMT_STR(actor));
    MUST(a->carried_out <= a->times, "an order is carried out at most once", a->carried_out,
         a->times);
    now->obeyed++;
}

void check_orders(void)
{
    struct db_rows r;
    LOOK(
        &r,
        "select a.seq, a.actor, a.category, a.action, json_extract(a.metadata, '$.from'), case "
        "when a.target_type = 'batch' then (select c.number from batch b join change c on c.id = "
        "b.change_id where b.id = a.target) when a.action = 'explained' then (select c.number from "
        "change c where c.id = cast(a.target as int)) when a.target_type = 'change' then "
        "cast(substr(a.target, instr(a.target, '#') + 1) as int) else 0 end, a.target, a.description "
        "from audit a where "
        "a.seq > $1 order by a.seq",
        ARGS(A(now->audited)));
    for (size_t i = 0; i < r.count; i++)
        check_audit_row(&r, i);
    if (!r.count)
        return;
    now->audited = db_at(&r, r.count - 1, 0)->i;
    MUST(ask("select count(*) from hold h join batch b on b.seq = h.batch_seq where h.lifted_by <> "
             "'signalbox' and not exists (select 1 from audit a where a.actor = h.lifted_by and "
             "((a.target = b.id and a.action = 'dispatch.released' and json_extract(a.metadata, "
             "'$.from') = h.lifted_from) or (h.kind = 'rapid_push' and a.action = "
             "'dispatch.resumed')))") == 0,
         "who let something go stands in the audit", 0, 0);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void check_papers(void)
{
    for (uint32_t i = 0; i < now->papers; i++) {
        const struct paper *p = &now->paper[i];
        if (!p->comment || p->deleted || p->refused)
            continue;
        if (strstr(p->text, "- [x]") || strstr(p->text, "vandal"))
            fprintf(stderr, "%s\n", p->text);
        MUST(!strstr(p->text, "- [x]"), "no tick stays in our comment", p->id, 0);
        MUST(!strstr(p->text, "vandal"), "nothing of other people stays in our comment", p->id, 0);
    }
}

void check_orders_end(void)
{
    struct db_rows r;
    LOOK(&r,
         "select (select count(*) from fact where kind = 'asked'), (select count(*) from audit "
         "where "
         "action = 'order_denied'), (select count(*) from fact o where o.kind = 'asked' and exists "
         "(select 1 from fact c where c.key = 'command:' || o.key || ':0')), (select count(*) from "
         "fact where kind = 'order' and state = 2 and key like 'command:order:%'), (select "
         "count(*) from audit where action = 'order_refused')",
         NO_ARGS);
    MUST(db_at(&r, 0, 0)->i == db_at(&r, 0, 1)->i + db_at(&r, 0, 2)->i,
         "every order is carried out, refused or denied", db_at(&r, 0, 0)->i, db_at(&r, 0, 1)->i);
    MUST(db_at(&r, 0, 3)->i == db_at(&r, 0, 4)->i, "who is refused is told, and it is on record",
         db_at(&r, 0, 3)->i, db_at(&r, 0, 4)->i);
    LOOK(&r,
         "select forge_object from feedback where kind = 'comment' and forge_object is not null",
         NO_ARGS);
    for (size_t i = 0; i < r.count; i++)
        for (uint32_t k = 0; k < now->papers; k++)
            MUST(now->paper[k].id != db_at(&r, i, 0)->i || !now->paper[k].deleted ||
                     now->paper[k].refused,
                 "a comment that was deleted is made anew", now->paper[k].id, 0);
    check_papers();
}
