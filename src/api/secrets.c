/*
 * Secrets of a repository: put, listed by their names, removed. A value comes in here, is sealed in
 * the writer, and never goes out again by the API.
 */
#include "api/call.h"

#include "domain/interpolate.h"
#include "store/secrets.h"

struct secret_call {
    struct call *call;
    struct repository repo;
    str name, value, description;
    bool is_new, found;
};

static bool whole_row(struct call *c, query_list *list, int64_t repository_id, str name)
{
    struct query q = { .workspace_id = c->who.workspace_id, .repository_id = repository_id,
                       .action = name, .limit = 1 };
    str next;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = list(db, c->mem, &q, &c->data, &next, &c->err);
    engine_read_done(c->api->config.engine, db);
    return ok;
}

bool call_show_named(struct call *c, query_list *list, int64_t repository_id, str name)
{
    size_t before = c->buf.len;
    return whole_row(c, list, repository_id, name) &&
           (c->buf.len > before ||
            fail(&c->err, ERR_NOT_FOUND, "the repository has nothing of the name " PRI_STR,
                 FMT_STR(str_sub(name, 0, 100))));
}

bool call_name_ok(struct call *c, str name)
{
    return interpolate_name_ok(name) ||
           fail(&c->err, ERR_INVALID,
                "a name here is letters, digits, _ and -, at most 64, got " PRI_STR,
                FMT_STR(str_sub(name, 0, 100)));
}

/* Line breaks are part of a value: a key has many lines. */
static bool read_value(struct call *c, str *out)
{
    struct json v = json_get(c->body, STR("value"));
    *out = json_str(v, c->mem);
    if (json_kind(v) != JSON_STRING)
        return fail(&c->err, ERR_INVALID, json_present(v) ? "value must be a text"
                                                          : "value is missing");
    if (!out->len)
        return fail(&c->err, ERR_INVALID, "value is empty: to take a secret away, remove it");
    if (out->len > SECRET_VALUE_BYTES_MAX)
        return fail(&c->err, ERR_INVALID, "value is longer than %d bytes", SECRET_VALUE_BYTES_MAX);
    /* Whoever reads it in a second pass would put something in its place. */
    return !str_has(*out, STR("{{")) ||
           fail(&c->err, ERR_INVALID, "value must not have {{ in it: it would be an expression");
}

static bool secret_put_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct secret_call *x = arg;
    struct call *c = x->call;
    struct audit_entry a = audit_of(c, x->repo.id, STR("secret.set"), STR("secret"), x->name);
    return secrets_put(db, mem, c->api->config.seal_key, x->repo.id, x->name, x->value,
                       x->description, c->who.name, c->now_ms, &x->is_new, e) &&
           audit_add(db, mem, &a, c->now_ms, e);
}

enum outcome api_secret_put(struct call *c)
{
    static const char *const known[] = { "value", "description", NULL };
    struct secret_call x = { .call = c, .name = c->path[1] };
    if (!only_known(c, known) || !call_name_ok(c, x.name) || !read_value(c, &x.value) ||
        !read_text(c, "description", false, 500, &x.description) || !call_path_repository(c, &x.repo))
        return FAILED;
    if (!json_present(json_get(c->body, STR("description"))))
        x.description = STR_NONE;
    if (!c->api->config.seal_key) {
        (void)fail(&c->err, ERR_INTERNAL, "this server has no key to seal secrets with");
        return FAILED;
    }
    if (!engine_write_wait(c->api->config.engine, secret_put_body, &x, &c->err))
        return FAILED;
    c->status = x.is_new ? 201 : 200;
    return call_show_named(c, query_secrets, x.repo.id, x.name) ? ANSWERED : FAILED;
}

static bool secret_remove_body(struct db *db, struct arena *mem, void *arg, struct err *e)
{
    struct secret_call *x = arg;
    struct call *c = x->call;
    struct audit_entry a = audit_of(c, x->repo.id, STR("secret.removed"), STR("secret"), x->name);
    return secrets_remove(db, x->repo.id, x->name, &x->found, e) &&
           (!x->found || audit_add(db, mem, &a, c->now_ms, e));
}

enum outcome api_secret_remove(struct call *c)
{
    struct secret_call x = { .call = c, .name = c->path[1] };
    if (!call_path_repository(c, &x.repo) ||
        !engine_write_wait(c->api->config.engine, secret_remove_body, &x, &c->err))
        return FAILED;
    if (!x.found) {
        (void)fail(&c->err, ERR_NOT_FOUND, "the repository has no secret of this name");
        return FAILED;
    }
    return ANSWERED;
}

/* ---- what must not be kept ------------------------------------------------------------------- */

/* The last part of a token is what nobody can guess: a signature, or all of it. */
static str bearer_secret(struct call *c)
{
    str header = http_header_get(c->request, STR("Authorization"));
    return str_after_last(str_after_last(str_after_last(header, ' '), ':'), '.');
}

bool call_masks(struct call *c, struct db *db, int64_t repository_id, struct mask_set *set)
{
    struct api *a = c->api;
    const struct secrets *webhook = atomic_load(&a->secrets);
    str *values = NULL;
    size_t count = 0;
    if (a->config.seal_key && !secrets_values(db, c->mem, a->config.seal_key, repository_id,
                                              &values, &count, &c->err))
        return false;
    for (size_t i = 0; i < count; i++)
        mask_add(set, values[i]);
    for (size_t i = 0; webhook && i < webhook->count; i++)
        mask_add(set, webhook->at[i]);
    pthread_mutex_lock(&a->lock);
    mask_add(set, a->config.github_client_secret);
    mask_add(set, a->config.github_private_key);
    pthread_mutex_unlock(&a->lock);
    mask_add(set, bearer_secret(c));
    mask_ready(set);
    return true;
}
