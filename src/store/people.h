/*
 * people: who signs in, what they may do in a workspace (atmos-pro.md §17.2), and their browsers.
 * Secrets are not here: of a cookie its hash, of a password what base/secret.h makes of it, of an
 * invitation nothing at all.
 */
#ifndef SIGNALBOX_STORE_PEOPLE_H
#define SIGNALBOX_STORE_PEOPLE_H
#include "base/secret.h"
#include "db/db.h"
#include "domain/role.h"

#define PERSON_LOCAL  "local"
#define PERSON_GITHUB "github"

struct person {
    str     id, source, login, name, password;      /* name empty: the login is shown */
    int64_t forge_id;                               /* 0: local */
    int64_t created_ms;
};
enum { LOGIN_BYTES_MAX = 100, PERSON_NAME_BYTES_MAX = 200 };

/* Letters of ASCII in lower case: what else looks alike is another login. */
str login_fold(struct arena *mem, str login);

/* Logins are compared without case. p->id and created_ms are set; ERR_CONFLICT when it is taken. */
bool people_add(struct db *db, struct arena *mem, struct person *p, int64_t now_ms,
                struct err *e) MUST_CHECK;
bool people_get(struct db *db, struct arena *mem, str id, struct person *out, bool *found,
                struct err *e) MUST_CHECK;
bool people_local(struct db *db, struct arena *mem, str login, struct person *out, bool *found,
                  struct err *e) MUST_CHECK;
bool people_of_forge(struct db *db, struct arena *mem, str source, int64_t forge_id,
                     struct person *out, bool *found, struct err *e) MUST_CHECK;
/* What the forge calls somebody now. */
bool people_renamed(struct db *db, str id, str login, str name, int64_t now_ms,
                    struct err *e) MUST_CHECK;
bool people_set_password(struct db *db, str id, str password, int64_t now_ms,
                         struct err *e) MUST_CHECK;
/* any: somebody belongs to a workspace; local: … with an account of this house. */
bool people_are_there(struct db *db, struct arena *mem, bool *any, bool *local,
                      struct err *e) MUST_CHECK;

/* --- members --- */

/* Adds, or changes the role. */
bool members_put(struct db *db, str workspace_id, str person_id, enum role role, str by,
                 int64_t now_ms, struct err *e) MUST_CHECK;
bool members_role(struct db *db, struct arena *mem, str workspace_id, str person_id,
                  enum role *out, struct err *e) MUST_CHECK;
/* With the sessions there; whoever belongs to no other workspace is forgotten whole. */
bool members_remove(struct db *db, str workspace_id, str person_id, struct err *e) MUST_CHECK;
/* Owners of the workspace; on PostgreSQL it waits for others who change them. */
bool members_owners(struct db *db, struct arena *mem, str workspace_id, int64_t *out,
                    struct err *e) MUST_CHECK;
struct membership { str workspace_id, workspace, created_by; enum role role; };
/* Oldest first; *at is there for count. */
bool members_of(struct db *db, struct arena *mem, str person_id, struct membership **at,
                size_t *count, struct err *e) MUST_CHECK;

/* Where the repositories of an installation are; empty: it has none here. */
bool people_workspace_of_installation(struct db *db, struct arena *mem, int64_t installation_id,
                                      str *workspace_id, struct err *e) MUST_CHECK;

/* --- sessions --- */

struct person_session {
    str     id, workspace_id, hash, agent, peer;
    int64_t created_ms, seen_ms, expires_ms;
    struct person person;
    enum role role;                     /* of the person in the workspace; ROLE_NONE: no more */
};
enum { SESSION_AGENT_BYTES_MAX = 200 };
/* A session that nobody used for so long has ended; nor does it live longer than this. */
#define PERSON_IDLE_MS   (INT64_C(14) * 24 * 3600 * 1000)
#define PERSON_ALIVE_MS  (INT64_C(90) * 24 * 3600 * 1000)

/* s->id, created_ms, seen_ms and expires_ms are set. */
bool person_sessions_add(struct db *db, struct arena *mem, struct person_session *s, int64_t now_ms,
                         struct err *e) MUST_CHECK;
/* A live one, by the hash of its cookie. */
bool person_sessions_find(struct db *db, struct arena *mem, str hash, int64_t now_ms,
                          struct person_session *out, bool *found, struct err *e) MUST_CHECK;
/* When it will have ended if nobody uses it from now on. */
bool person_sessions_ends(struct db *db, struct arena *mem, str id, int64_t *ends_ms,
                          struct err *e) MUST_CHECK;
bool person_sessions_seen(struct db *db, str id, int64_t now_ms, struct err *e) MUST_CHECK;
bool person_sessions_look_at(struct db *db, str id, str workspace_id, struct err *e) MUST_CHECK;
/* *found false: this person has no such session. */
bool person_sessions_end(struct db *db, str person_id, str id, bool *found,
                         struct err *e) MUST_CHECK;
/* One person's live ones, newest first; a hundred at most. */
bool person_sessions_of(struct db *db, struct arena *mem, str person_id, int64_t now_ms,
                        struct person_session **at, size_t *count, struct err *e) MUST_CHECK;
/* All of a person's but one (empty: all). */
bool person_sessions_end_all(struct db *db, str person_id, str but, struct err *e) MUST_CHECK;
/* --- invitations --- */

struct invitation {
    str     id, workspace_id, login, created_by;    /* login empty: whoever has the code */
    enum role role;
    bool    first_start;
    int64_t created_ms, expires_ms;                 /* 0: until it is used */
};

/* i->id and created_ms are set. */
bool invitations_add(struct db *db, struct arena *mem, struct invitation *i, int64_t now_ms,
                     struct err *e) MUST_CHECK;
/* One that can still be used. */
bool invitations_get(struct db *db, struct arena *mem, str id, int64_t now_ms,
                     struct invitation *out, bool *found, struct err *e) MUST_CHECK;
/* Those of a workspace that can still be used, newest first; 500 at most. */
bool invitations_open(struct db *db, struct arena *mem, str workspace_id, int64_t now_ms,
                      struct invitation **at, size_t *count, struct err *e) MUST_CHECK;
bool invitations_of_login(struct db *db, struct arena *mem, str login, int64_t now_ms,
                          struct invitation *out, bool *found, struct err *e) MUST_CHECK;
/* *found false: somebody else used it this moment. */
bool invitations_use(struct db *db, str id, str person_id, int64_t now_ms, bool *found,
                     struct err *e) MUST_CHECK;
bool invitations_revoke(struct db *db, str workspace_id, str id, int64_t now_ms, bool *found,
                        struct err *e) MUST_CHECK;
/*
 * The one of the first start: made when there is none that can be used, else the same again; with
 * `anew` the old ones end.
 */
bool invitations_first(struct db *db, struct arena *mem, str workspace_id, bool anew,
                       int64_t now_ms, struct invitation *out, struct err *e) MUST_CHECK;
/* The code of an invitation: its id, signed. Anybody who has the key can make it again. */
str  invitation_code(struct arena *mem, const uint8_t key[SHA256_BYTES], str id);
bool invitation_code_read(struct arena *mem, const uint8_t key[SHA256_BYTES], str code, str *id);

/* --- failed attempts --- */

/* Until when nobody may try under this key; 0: now. */
bool sign_in_until(struct db *db, struct arena *mem, str key, int64_t *until_ms,
                   struct err *e) MUST_CHECK;
/* free: so many are no reason to wait. */
bool sign_in_failed(struct db *db, struct arena *mem, str key, int64_t now_ms, int64_t free,
                    int64_t *until_ms, struct err *e) MUST_CHECK;
bool sign_in_forgotten(struct db *db, str key, struct err *e) MUST_CHECK;
/* Sessions that are over, and attempts of yesterday. */
bool people_purge(struct db *db, int64_t now_ms, struct err *e) MUST_CHECK;

#endif
