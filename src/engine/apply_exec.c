/*
 * apply_exec: what newer CLIs tell of an execution (atmos-pro.md §4.9): exact plan counts for the
 * run that it belongs to.
 */
#include "base/pack.h"
#include "engine/inside.h"

enum { EXEC_BYTES_MAX = 64 << 20 };
#define EXEC_DATA_PREFIX "exd_"

/* The data itself: inline, or stored before under the handle that stands at the end of the URL. */
static bool exec_data(struct step *s, struct json data, struct json *out, struct err *e)
{
    struct db_rows r;
    str plain;
    *out = data;
    if (json_kind(data) != JSON_STRING)
        return true;
    str id = str_after_last(json_str(data, s->mem), '/');
    *out = (struct json){ 0 };
    if (!str_starts(id, STR(EXEC_DATA_PREFIX)))
        return true;
    if (!db_query(s->db, s->mem, e, &r,
                  "select body from exec_data where id = $1 and repository_id = $2",
                  ARGS(A(id), A(s->lane->id))))
        return false;
    return r.count == 0 || (unpack(s->mem, db_at(&r, 0, 0)->s, EXEC_BYTES_MAX, &plain, e) &&
                            json_parse(s->mem, plain, 0, out, e));
}

/* The entry of this run's instance; the only one there is, when it names none. */
static struct json component_of(struct step *s, struct json data, const struct run_row *r)
{
    struct json list = json_get(data, STR("components")), v, only = { 0 };
    struct json_iter it = json_iter(list);
    str key;
    while (json_next(&it, s->mem, &key, &v)) {
        str stack = json_str(json_get(v, STR("stack")), s->mem),
            component = json_str(json_get(v, STR("component")), s->mem);
        if (str_eq(stack, r->stack) && str_eq(component, r->component))
            return v;
        if (!stack.len && !component.len && json_count(list) == 1)
            only = v;
    }
    return only;
}

bool apply_exec(struct step *s, struct json fact, str *note, struct err *e)
{
    struct db_rows rows;
    struct run_row r;
    struct json body, data;
    struct hot *h;
    bool found = false;
    str plain, id = json_str(json_get(fact, STR("executionId")), s->mem);

    if (!db_query(s->db, s->mem, e, &rows,
                  "select run_id, command, body from exec_record where repository_id = $1 and "
                  "execution_id = $2",
                  ARGS(A(s->lane->id), A(id))))
        return false;
    *note = STR("an execution outside of our runs: stored");
    if (rows.count == 0 || db_at(&rows, 0, 0)->null)
        return true;
    if (!runs_get(s->db, s->mem, db_at(&rows, 0, 0)->s, &r, &found, e))
        return false;
    if (!found || r.repository_id != s->lane->id)
        return true;
    if (!unpack(s->mem, db_at(&rows, 0, 2)->s, EXEC_BYTES_MAX, &plain, e) ||
        !json_parse(s->mem, plain, 0, &body, e) ||
        !exec_data(s, json_get(body, STR("data")), &data, e))
        return false;
    struct json component = component_of(s, data, &r),
                counts = json_get(component, STR("resource_counts"));
    if (!json_present(component)) {
        *note = STR("nothing in it about the instance of its run");
        return true;
    }
    if (json_kind(counts) == JSON_OBJECT)
        r.counts = json_raw(counts);
    r.has_exit = json_i64(json_get(component, STR("exit_code")), &r.exit_code) || r.has_exit;
    if (!r.reported.len)
        r.reported = str_after_last(db_at(&rows, 0, 1)->s, ' ');
    *note = arena_print(s->mem, "counts of run " PRI_STR, FMT_STR(r.id));
    if (!runs_save(s->db, &r, e) || !hot_get(s, r.batch_seq, &h, e))
        return false;
    step_dirty(s, h->row.change_id);
    return true;
}
