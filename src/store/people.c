/* Persons, their membership and their sessions; invitations are in people_welcome.c. */
#include "store/people.h"

#include "base/id.h"
#include "store/rows.h"

str login_fold(struct arena *mem, str login)
{
    char *to = arena_make(mem, char, login.len + 1);
    for (size_t i = 0; i < login.len; i++) {
        char c = login.ptr[i];
        to[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return (str){ to, login.len };
}

bool people_add(struct db *db, struct arena *mem, struct person *p, int64_t now_ms, struct err *e)
{
    p->id = id_new(mem, "per_", now_ms);
    p->created_ms = now_ms;
    return db_exec(db, e, NULL,
                   "insert into person (id, source, login, folded, forge_id, name, password, "
                   "created_ms, updated_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
                   ARGS(A(p->id), A(p->source), A(p->login), A(login_fold(mem, p->login)),
                        p->forge_id ? A(p->forge_id) : (struct arg){0}, A(text(p->name)),
                        A(text(p->password)), A(now_ms)));
}

static void person_row(const struct db_rows *r, size_t i, size_t from, struct person *out)
{
    *out = (struct person){.id = row_str(r, i, from),
                           .source = row_str(r, i, from + 1),
                           .login = row_str(r, i, from + 2),
                           .forge_id = row_i64(r, i, from + 3),
                           .name = row_str(r, i, from + 4),
                           .password = row_str(r, i, from + 5),
                           .created_ms = row_i64(r, i, from + 6)};
}
#define PERSON "p.id, p.source, p.login, p.forge_id, p.name, p.password, p.created_ms"

static bool one_person(const struct db_rows *r, struct person *out, bool *found)
{
    *found = r->count > 0;
    if (*found)
        person_row(r, 0, 0, out);
    return true;
}

bool people_get(struct db *db, struct arena *mem, str id, struct person *out, bool *found,
                struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r, "select " PERSON " from person p where p.id = $1",
                    ARGS(A(id))) &&
           one_person(&r, out, found);
}

bool people_local(struct db *db, struct arena *mem, str login, struct person *out, bool *found,
                  struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select " PERSON " from person p where p.source = 'local' and p.folded = $1",
                    ARGS(A(login_fold(mem, login)))) &&
           one_person(&r, out, found);
}

bool people_of_forge(struct db *db, struct arena *mem, str source, int64_t forge_id,
                     struct person *out, bool *found, struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select " PERSON " from person p where p.source = $1 and p.forge_id = $2",
                    ARGS(A(source), A(forge_id))) &&
           one_person(&r, out, found);
}

bool people_renamed(struct db *db, str id, str login, str name, int64_t now_ms, struct err *e)
{
    struct arena *mem = arena_new(64 << 10, 64 << 10);
    bool ok = db_exec(db, e, NULL,
                      "update person set login = $2, folded = $3, name = $4, updated_ms = $5 where "
                      "id = $1 and (login <> $2 or name <> $4)",
                      ARGS(A(id), A(login), A(login_fold(mem, login)), A(text(name)), A(now_ms)));
    arena_free(mem);
    return ok;
}

bool people_set_password(struct db *db, str id, str password, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL, "update person set password = $2, updated_ms = $3 where id = $1",
                   ARGS(A(id), A(password), A(now_ms)));
}

bool people_are_there(struct db *db, struct arena *mem, bool *any, bool *local, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select (select count(*) from (select 1 as one from member limit 1) as x), "
                  "(select count(*) from (select 1 as one from member m join person p on p.id = "
                  "m.person_id where p.source = 'local' limit 1) as y)",
                  NO_ARGS))
        return false;
    *any = row_bool(&r, 0, 0);
    *local = row_bool(&r, 0, 1);
    return true;
}

/* --- members --- */

bool members_put(struct db *db, str workspace_id, str person_id, enum role role, str by,
                 int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL,
                   "insert into member (workspace_id, person_id, role, created_ms, created_by) "
                   "values ($1, $2, $3, $4, $5) on conflict (workspace_id, person_id) do update "
                   "set role = excluded.role",
                   ARGS(A(workspace_id), A(person_id), A(role_name(role)), A(now_ms), A(text(by))));
}

bool members_role(struct db *db, struct arena *mem, str workspace_id, str person_id,
                  enum role *out, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select role from member where workspace_id = $1 and person_id = $2",
                  ARGS(A(workspace_id), A(person_id))))
        return false;
    *out = r.count ? role_read(row_str(&r, 0, 0)) : ROLE_NONE;
    return true;
}

bool members_remove(struct db *db, str workspace_id, str person_id, struct err *e)
{
    return db_exec(db, e, NULL, "delete from member where workspace_id = $1 and person_id = $2",
                   ARGS(A(workspace_id), A(person_id))) &&
           db_exec(db, e, NULL,
                   "delete from person_session where person_id = $2 and workspace_id = $1",
                   ARGS(A(workspace_id), A(person_id))) &&
           db_exec(db, e, NULL,
                   "delete from person_session where person_id = $1 and not exists (select 1 from "
                   "member where person_id = $1)",
                   ARGS(A(person_id))) &&
           db_exec(db, e, NULL,
                   "delete from person where id = $1 and not exists (select 1 from member where "
                   "person_id = $1)",
                   ARGS(A(person_id)));
}

bool members_owners(struct db *db, struct arena *mem, str workspace_id, int64_t *out,
                    struct err *e)
{
    struct db_rows r;
    /* Two owners who remove each other at once would leave none. */
    if (db_kind(db) == DB_POSTGRES &&
        !db_query(db, mem, e, &r, "select id from workspace where id = $1 for update",
                  ARGS(A(workspace_id))))
        return false;
    if (!db_query(db, mem, e, &r,
                  "select count(*) from member where workspace_id = $1 and role = 'owner'",
                  ARGS(A(workspace_id))))
        return false;
    *out = row_i64(&r, 0, 0);
    return true;
}

bool members_of(struct db *db, struct arena *mem, str person_id, struct membership **at,
                size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select m.workspace_id, w.name, m.role, m.created_by from member m join workspace w on w.id = "
                  "m.workspace_id where m.person_id = $1 order by m.created_ms, m.workspace_id limit "
                  "500",
                  ARGS(A(person_id))))
        return false;
    *count = r.count;
    *at = arena_make(mem, struct membership, r.count + 1);
    for (size_t i = 0; i < r.count; i++)
        (*at)[i] = (struct membership){.workspace_id = row_str(&r, i, 0),
                                       .workspace = row_str(&r, i, 1),
                                       .role = role_read(row_str(&r, i, 2)),
                                       .created_by = row_str(&r, i, 3)};
    return true;
}

bool people_workspace_of_installation(struct db *db, struct arena *mem, int64_t installation_id,
                                      str *workspace_id, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select r.workspace_id from repository r left join installation i on i.id "
                  "= r.installation_id where r.installation_id = $1 and r.removed_ms is null and "
                  "i.deleted_ms is null order by r.id limit 1",
                  ARGS(A(installation_id))))
        return false;
    *workspace_id = r.count ? row_str(&r, 0, 0) : STR("");
    return true;
}

/* --- sessions --- */

bool person_sessions_add(struct db *db, struct arena *mem, struct person_session *s, int64_t now_ms,
                         struct err *e)
{
    s->id = id_new(mem, "pse_", now_ms);
    s->created_ms = s->seen_ms = now_ms;
    s->expires_ms = now_ms + PERSON_ALIVE_MS;
    return db_exec(db, e, NULL,
                   "insert into person_session (id, person_id, workspace_id, hash, created_ms, "
                   "seen_ms, expires_ms, agent, peer) values ($1, $2, $3, $4, $5, $5, $6, $7, $8)",
                   ARGS(A(s->id), A(s->person.id), A(s->workspace_id), arg_blob(s->hash), A(now_ms),
                        A(s->expires_ms), A(text(s->agent)), A(text(s->peer))));
}

bool person_sessions_find(struct db *db, struct arena *mem, str hash, int64_t now_ms,
                          struct person_session *out, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select " PERSON ", s.id, s.workspace_id, s.hash, s.agent, s.peer, s.created_ms, "
                  "s.seen_ms, s.expires_ms, m.role from person_session s join person p on p.id = "
                  "s.person_id left join member m on m.person_id = s.person_id and m.workspace_id "
                  "= s.workspace_id where s.hash = $1 and s.expires_ms > $2 and s.seen_ms > $3",
                  ARGS(arg_blob(hash), A(now_ms), A(now_ms - PERSON_IDLE_MS))))
        return false;
    *found = r.count > 0;
    if (!*found)
        return true;
    *out = (struct person_session){.id = row_str(&r, 0, 7),
                                   .workspace_id = row_str(&r, 0, 8),
                                   .hash = row_str(&r, 0, 9),
                                   .agent = row_str(&r, 0, 10),
                                   .peer = row_str(&r, 0, 11),
                                   .created_ms = row_i64(&r, 0, 12),
                                   .seen_ms = row_i64(&r, 0, 13),
                                   .expires_ms = row_i64(&r, 0, 14),
                                   .role = role_read(row_str(&r, 0, 15))};
    person_row(&r, 0, 0, &out->person);
    return true;
}

bool person_sessions_ends(struct db *db, struct arena *mem, str id, int64_t *ends_ms, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, "select seen_ms, expires_ms from person_session where id = $1",
                  ARGS(A(id))))
        return false;
    int64_t idle_ms = r.count ? row_i64(&r, 0, 0) + PERSON_IDLE_MS : 0;
    *ends_ms = r.count && row_i64(&r, 0, 1) < idle_ms ? row_i64(&r, 0, 1) : idle_ms;
    return true;
}

bool person_sessions_seen(struct db *db, str id, int64_t now_ms, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update person_session set seen_ms = $2 where id = $1 and seen_ms < $2",
                   ARGS(A(id), A(now_ms)));
}

bool person_sessions_look_at(struct db *db, str id, str workspace_id, struct err *e)
{
    return db_exec(db, e, NULL, "update person_session set workspace_id = $2 where id = $1",
                   ARGS(A(id), A(workspace_id)));
}

bool person_sessions_end(struct db *db, str person_id, str id, bool *found, struct err *e)
{
    int64_t changed = 0;
    if (!db_exec(db, e, &changed, "delete from person_session where id = $1 and person_id = $2",
                 ARGS(A(id), A(person_id))))
        return false;
    *found = changed > 0;
    return true;
}

bool person_sessions_end_all(struct db *db, str person_id, str but, struct err *e)
{
    return db_exec(db, e, NULL, "delete from person_session where person_id = $1 and id <> $2",
                   ARGS(A(person_id), A(text(but))));
}

bool person_sessions_of(struct db *db, struct arena *mem, str person_id, int64_t now_ms,
                        struct person_session **at, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select id, workspace_id, agent, peer, created_ms, seen_ms, expires_ms from "
                  "person_session where person_id = $1 and expires_ms > $2 and seen_ms > $3 order "
                  "by created_ms desc, id desc limit 100",
                  ARGS(A(person_id), A(now_ms), A(now_ms - PERSON_IDLE_MS))))
        return false;
    *count = r.count;
    *at = arena_make(mem, struct person_session, r.count + 1);
    for (size_t i = 0; i < r.count; i++)
        (*at)[i] = (struct person_session){.id = row_str(&r, i, 0),
                                           .workspace_id = row_str(&r, i, 1),
                                           .agent = row_str(&r, i, 2),
                                           .peer = row_str(&r, i, 3),
                                           .created_ms = row_i64(&r, i, 4),
                                           .seen_ms = row_i64(&r, i, 5),
                                           .expires_ms = row_i64(&r, i, 6)};
    return true;
}

bool people_purge(struct db *db, int64_t now_ms, struct err *e)
{
    enum { FAILURES_KEPT_MS = 24 * 3600 * 1000 };
    return db_exec(db, e, NULL,
                   "delete from person_session where expires_ms < $1 or seen_ms < $2",
                   ARGS(A(now_ms), A(now_ms - PERSON_IDLE_MS))) &&
           db_exec(db, e, NULL, "delete from sign_in_failure where last_ms < $1",
                   ARGS(A(now_ms - FAILURES_KEPT_MS)));
}
