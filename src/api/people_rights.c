/*
 * Where a person may operate (atmos-pro.md §17.2). Of somebody from a forge it is asked there what
 * he may do with the repository; its word counts for RIGHT_FRESH_MS. Releasing what is held wants
 * write access there, whatever somebody's role is here.
 */
#include "api/call.h"

#include <stdlib.h>

#include "base/clock.h"

enum { RIGHT_FRESH_MS = 60000, OUTSIDE_MAX = 4 };

bool outside_enter(struct call *c)
{
    pthread_mutex_lock(&c->api->lock);
    bool ok = c->api->outside < OUTSIDE_MAX;
    c->api->outside += ok;
    pthread_mutex_unlock(&c->api->lock);
    return ok || fail(&c->err, ERR_BUSY, "GitHub is slow to answer for others already: try again");
}

void outside_leave(struct call *c)
{
    pthread_mutex_lock(&c->api->lock);
    c->api->outside--;
    pthread_mutex_unlock(&c->api->lock);
}

struct ask {
    pthread_mutex_t lock;
    pthread_cond_t  some;
    struct arena   *mem;
    bool            done;
    enum forge_outcome outcome;
    str             permission, message;
    int64_t         user_id;
};

/* On the client's thread, while the worker waits. */
static void answered(void *ctx, const struct forge_answer *a)
{
    struct ask *x = ctx;
    struct json v;
    struct err e = { 0 };
    pthread_mutex_lock(&x->lock);
    x->outcome = a->outcome;
    x->message = arena_copy(x->mem, a->message);
    if (a->outcome == FORGE_OK && json_parse(x->mem, arena_copy(x->mem, a->result), 0, &v, &e)) {
        x->permission = json_str(json_get(v, STR("permission")), x->mem);
        x->user_id = json_i64_or(json_get(v, STR("user_id")), 0);
    }
    x->done = true;
    pthread_cond_signal(&x->some);
    pthread_mutex_unlock(&x->lock);
}

static void ask_forge(struct call *c, const struct repository *r, struct ask *x)
{
    struct forge_port port = github_port(c->api->config.github);
    struct forge_call call = {.kind = FORGE_PERMISSION,
                              .installation_id = r->installation_id,
                              .owner = r->owner,
                              .name = r->name,
                              .login = c->who.name};
    *x = (struct ask){ .mem = c->mem };
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->some, NULL);
    port.call(port.self, &call, answered, x);
    pthread_mutex_lock(&x->lock);
    while (!x->done)        /* the client answers every call, at the latest when it times out */
        pthread_cond_wait(&x->some, &x->lock);
    pthread_mutex_unlock(&x->lock);
    pthread_cond_destroy(&x->some);
    pthread_mutex_destroy(&x->lock);
}

static bool may_write(const struct ask *x, int64_t forge_id)
{
    /* The login may be somebody else's by now. */
    return x->outcome == FORGE_OK && (!x->user_id || x->user_id == forge_id) &&
           (str_eq(x->permission, STR("admin")) || str_eq(x->permission, STR("maintain")) ||
            str_eq(x->permission, STR("write")));
}

static struct cached_right *slot_of(struct call *c, int64_t repository_id)
{
    uint64_t mark = (uint64_t)c->who.forge_id * 31 + (uint64_t)repository_id;
    return &c->api->right[mark % RIGHTS_CACHED];
}

static bool cached(struct call *c, int64_t repository_id, bool *writes)
{
    pthread_mutex_lock(&c->api->lock);
    struct cached_right k = *slot_of(c, repository_id);
    pthread_mutex_unlock(&c->api->lock);
    *writes = k.writes;
    return k.read_ms && k.forge_id == c->who.forge_id && k.repository_id == repository_id &&
           clock_mono_ms() - k.read_ms < RIGHT_FRESH_MS;
}

/* False with ERR_UPSTREAM when the forge does not say. */
static bool forge_writes(struct call *c, int64_t repository_id, bool *writes)
{
    struct repository r;
    struct ask x;
    bool found = false;
    if (cached(c, repository_id, writes))
        return true;
    *writes = false;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = repositories_get(db, c->mem, c->who.workspace_id, repository_id, &r, &found, &c->err);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return false;
    if (!found || !r.installation_id || !c->api->config.github)
        return true;
    if (!outside_enter(c))
        return false;
    ask_forge(c, &r, &x);
    outside_leave(c);
    if (x.outcome != FORGE_OK && x.outcome != FORGE_NOT_FOUND && x.outcome != FORGE_NO_ACCESS &&
        x.outcome != FORGE_REFUSED)
        return fail(&c->err, ERR_UPSTREAM,
                    "GitHub did not say what you may do in this repository (" PRI_STR
                    "): try again",
                    FMT_STR(str_sub(x.message, 0, 200)));
    *writes = may_write(&x, c->who.forge_id);
    pthread_mutex_lock(&c->api->lock);
    *slot_of(c, repository_id) = (struct cached_right){.forge_id = c->who.forge_id,
                                                       .repository_id = repository_id,
                                                       .writes = *writes,
                                                       .read_ms = clock_mono_ms()};
    pthread_mutex_unlock(&c->api->lock);
    return true;
}

/* Somebody's word here is enough: no forge is asked. */
static bool by_role(const struct call *c, bool wants_forge)
{
    return c->who.kind != CALLER_PERSON || !c->who.forge_id ||
           (c->who.role >= ROLE_ADMIN && !wants_forge);
}

bool call_may_operate(struct call *c, int64_t repository_id)
{
    bool writes;
    if (by_role(c, c->route->forge_write))
        return true;            /* the gate has looked at the role */
    return forge_writes(c, repository_id, &writes) &&
           (writes || fail(&c->err, ERR_DENIED,
                           "this needs write access to the repository at GitHub, and you do not "
                           "have it"));
}

/* owner/repo/stack/component: whose repository is it? 0: of none that the workspace has. */
static bool repository_of_key(struct call *c, str key, int64_t *id)
{
    struct repository r;
    bool found = false;
    str rest, owner = str_cut(key, '/', &rest), name = str_cut(rest, '/', &rest);
    *id = 0;
    if (!name.len || !rest.len)
        return true;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = repositories_by_name(db, c->mem, c->who.workspace_id, owner, name, &r, &found,
                                   &c->err);
    engine_read_done(c->api->config.engine, db);
    if (ok && found)
        *id = r.id;
    return ok;
}

bool call_may_lock(struct call *c, str key)
{
    int64_t id;
    if (by_role(c, false))
        return true;
    if (!repository_of_key(c, key, &id))
        return false;
    if (!id)
        return fail(&c->err, ERR_DENIED,
                    "you may lock what belongs to a repository that you may write to: "
                    "owner/repository/stack/component");
    return call_may_operate(c, id);
}

/* --- GET /repositories/{repositoryId}/rights --- */

struct rights { bool operate, release; const char *why; };

static bool rights_of(struct call *c, int64_t repository_id, struct rights *out)
{
    bool writes = false;
    *out = (struct rights){ .operate = c->who.right >= RIGHT_OPERATE };
    out->release = out->operate;
    if (!out->operate) {
        out->why = c->who.kind == CALLER_PERSON
                       ? "Members with a local account read only: an owner can make you an admin."
                       : "This token reads only.";
        return true;
    }
    if (by_role(c, true))
        return true;
    if (!forge_writes(c, repository_id, &writes))
        return false;
    out->release = writes;
    out->operate = writes || by_role(c, false);
    out->why = writes         ? NULL
               : out->operate ? "Releasing needs write access to the repository at GitHub, and you "
                                "do not have it."
                              : "This needs write access to the repository at GitHub, and you do "
                                "not have it.";
    return true;
}

enum outcome api_rights(struct call *c)
{
    struct repository r;
    struct rights x;
    if (!call_path_repository(c, &r) || !rights_of(c, r.id, &x))
        return FAILED;
    json_begin_object(&c->data);
    json_field_bool(&c->data, STR("read"), true);
    json_field_bool(&c->data, STR("operate"), x.operate);
    json_field_bool(&c->data, STR("release"), x.release);
    json_field_bool(&c->data, STR("admin"), c->who.right >= RIGHT_ADMIN);
    json_field_str(&c->data, STR("why"), x.why ? str_of(x.why) : STR_NONE);
    json_end_object(&c->data);
    return ANSWERED;
}
