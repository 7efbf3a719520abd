/* What is read in other forms than a page or one thing: files, tables of ours, an instance by name. */
#include "api/call.h"

#include "domain/settings.h"

enum { EXPORT_PAGE = 500, EXPORT_BYTES_MAX = 48 << 20, PAGE_SOFT = 16 << 20, PAGE_HARD = 256 << 20 };

static void as_text(struct call *c, str type)
{
    c->raw_type = type;
    call_header(c, STR("Cache-Control"), STR("no-store"));
}

/* As it is, for a pager or a file: the envelope would double it. */
enum outcome api_run_output(struct call *c)
{
    struct query q = call_query(c);
    bool found;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = query_run_output(db, c->mem, &q, c->path[0], &c->raw, &found, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (ok && !found)
        ok = fail(&c->err, ERR_NOT_FOUND,
                  "there is no such run in the workspace, or the token does not cover it");
    as_text(c, STR("text/plain; charset=utf-8"));
    return ok ? ANSWERED : FAILED;
}

/* ---- the audit as a file --------------------------------------------------------------------- */

static bool read_format(struct call *c, bool *csv)
{
    str format;
    if (!query_text(c, "format", &format))
        return false;
    *csv = !format.len || str_eq(format, STR("csv"));
    return *csv || str_eq(format, STR("ndjson")) ||
           fail(&c->err, ERR_INVALID, "format must be csv or ndjson");
}

/* Page after page, each in memory of its own; only the text stays. */
static bool export_pages(struct call *c, struct db *db, struct query *q, bool csv, struct buf *b)
{
    bool ok = true;
    do {
        str next;
        struct arena *mem = arena_new(PAGE_SOFT, PAGE_HARD);
        ok = query_audit_lines(db, mem, q, csv, b, &next, &c->err);
        q->after = ok ? arena_copy(c->mem, next) : STR_NONE;
        arena_free(mem);
    } while (ok && q->after.len && buf_ok(b));
    return ok && (buf_ok(b) || fail(&c->err, ERR_INVALID,
                                    "this is more than one file may have (48 MiB): ask for less "
                                    "with since and until"));
}

enum outcome api_audit_export(struct call *c)
{
    struct query q = call_query(c);
    struct buf b;
    bool csv;
    if (!call_filters(c, &q) || !read_format(c, &csv))
        return FAILED;
    q.limit = EXPORT_PAGE;
    q.after = STR_NONE;
    buf_init(&b, c->mem, EXPORT_BYTES_MAX);
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = call_scope(c, db, &q) && export_pages(c, db, &q, csv, &b);
    engine_read_done(c->api->config.engine, db);
    c->raw = ok ? buf_str(&b) : STR_NONE;
    as_text(c, csv ? STR("text/csv; charset=utf-8") : STR("application/x-ndjson"));
    call_header(c, STR("Content-Disposition"),
                csv ? STR("attachment; filename=\"audit.csv\"")
                    : STR("attachment; filename=\"audit.ndjson\""));
    return ok ? ANSWERED : FAILED;
}

/* ---- settings -------------------------------------------------------------------------------- */

enum outcome api_settings_table(struct call *c)
{
    json_begin_object(&c->data);
    json_field_raw(&c->data, STR("items"), settings_table_json(c->mem));
    json_end_object(&c->data);
    return ANSWERED;
}

/* ---- an instance ----------------------------------------------------------------------------- */

enum outcome api_instance(struct call *c)
{
    struct query q = call_query(c);
    struct repository r;
    bool found = false;
    if (!query_text(c, "stack", &q.stack) || !query_text(c, "component", &q.component))
        return FAILED;
    if (!q.stack.len || !q.component.len) {
        (void)fail(&c->err, ERR_INVALID, "%s is missing: an instance is a component in a stack",
                   q.stack.len ? "component" : "stack");
        return FAILED;
    }
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = call_find_repository(c, db, c->path[0], &r);
    if (ok) {
        q.repository_id = r.id;
        ok = query_instance(db, c->mem, &q, STR_NONE, &c->data, &found, &c->err);
    }
    engine_read_done(c->api->config.engine, db);
    if (ok && !found)
        ok = fail(&c->err, ERR_NOT_FOUND,
                  "there is no instance of this component in this stack: upload the inventory with "
                  "`atmos list instances --upload`");
    return ok ? ANSWERED : FAILED;
}
