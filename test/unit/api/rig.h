/*
 * rig: the whole API over a real database (SQLite and PostgreSQL), with a pretend engine, forge and
 * server around it. Time stands still until a test moves it. A request is a function call; its
 * answer is there when the call returns.
 */
#ifndef SIGNALBOX_TEST_API_RIG_H
#define SIGNALBOX_TEST_API_RIG_H
#include "both.h"

#include "api/call.h"

#define WS "ws_0000000000000000000000000000"
#define WS_OTHER "ws_1111111111111111111111111111"
#define HEAD_A "1111111111111111111111111111111111111111"
#define BASE_A "2222222222222222222222222222222222222222"

struct answer {
    int         status;
    str         text;           /* the body */
    struct json body;           /* absent when it is not JSON */
    str         type, headers;  /* "Name: value\n…" */
};

struct engine {                 /* the pretend one */
    struct db *db;
    int64_t    now_ms;
    unsigned   pokes, lock_changes, settings_changes, facts_stored;
    int64_t    poked_lane;
    const char *note;           /* what facts come to; NULL: no outcome in time */
    bool       refused, database_gone;
    unsigned   reads;           /* connections asked for */
};

struct rig {
    /* what the pretend GitHub says of people */
    struct { const char *permission; int64_t user_id; enum forge_outcome outcome; unsigned asked;
             const char *who; } forge;
    struct both   *b;
    struct arena  *mem;
    struct engine  engine;
    struct api    *api;
    struct http_hooks hooks;
    struct jwt_key *key, *key_before;
    int64_t        repo, repo_other;    /* acme/infra, acme/other in WS */
    str            member, admin, repo_member;  /* static tokens; repo_member: acme/infra only */
    str            session;                     /* of a workflow of acme/infra */
    const char    *agent;                       /* User-Agent of the requests that follow */
};

int  rig_sqlite(void **state);
int  rig_postgres(void **state);
int  rig_end(void **state);
#define API_BOTH(f)                                              \
    { "sqlite:   " #f, f, rig_sqlite, rig_end, NULL },           \
    { "postgres: " #f, f, rig_postgres, rig_end, NULL }

/* token empty: none. body NULL: none. */
struct answer ask(struct rig *g, const char *method, const char *path, str token, const char *body);
struct answer ask_with(struct rig *g, const char *method, const char *path,
                       const struct http_header *headers, size_t header_count, str body);
/* A delivery of GitHub's, signed with this secret. */
struct answer deliver(struct rig *g, const char *event, const char *guid, const char *secret,
                      const char *payload);

/* An OIDC token of the pretend GitHub: claims as JSON. */
str oidc_token(struct rig *g, const char *jti, const char *more_claims);
str session_of(struct rig *g, const char *jti, const char *more_claims);

/* The answer is this status; on an error, with this tag. Prints the body otherwise. */
#define expect(a, status, tag) expect_((a), (status), (tag), __FILE__, __LINE__)
void expect_(struct answer a, int status, const char *tag, const char *file, int line);
str  at(struct rig *g, struct answer a, const char *dotted);        /* a text of the body */
int64_t num(struct answer a, const char *dotted);
#define count_rows(g, sql) number_((g)->b, (g)->b->db, "" sql, NO_ARGS)

#endif
