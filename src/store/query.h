/*
 * query: what the dashboard and the command line read, as JSON in the words of docs/openapi.yaml.
 * Read-only, page by page.
 *
 * Every query sees one workspace, and only one repository of it when the scope names one. Pages are
 * found by key, never by offset: a cursor is the key of the last row that was shown.
 */
#ifndef SIGNALBOX_STORE_QUERY_H
#define SIGNALBOX_STORE_QUERY_H
#include "base/json.h"
#include "db/db.h"

struct query {
    str     workspace_id;
    int64_t repository_id;          /* 0: every repository of the workspace */
    bool    house;                  /* may see what belongs to no repository */
    int64_t limit;                  /* rows of a page, 1 … 500 */
    str     after;                  /* the cursor's key; empty: from the beginning */
    int64_t now_ms;
    const uint8_t *seal_key;        /* of secrets that are masked; NULL: there are none */
    str     part;                   /* of one thing: the second part of its path */
    /* Filters; empty (or -1): no matter. Each list knows some of them. */
    str stack, component, state, command, change, head_sha, batch_id, drift, kind, action, category,
        key, prefix, actor, target, q;
    int64_t since_ms, until_ms;     /* 0: no matter; from since on, before until */
    int64_t orphaned;               /* 0, 1, -1 */
};

/*
 * Writes the items into an open array; *next is the key for the next page, empty when this was the
 * last.
 */
typedef bool query_list(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                        str *next, struct err *e);
query_list query_workspaces, query_repositories, query_permissions, query_batches, query_nodes,
    query_runs, query_instances, query_installations, query_locks, query_uploads, query_facts, query_audit, query_tokens,
    query_members;
/* Of one repository: q->repository_id is never 0. q->action: only the one of this name. */
query_list query_secrets, query_runners, query_actions;
query_list query_action_runs;

/* One thing as a value; *found false: not there, or not in the scope. */
typedef bool query_one(struct db *db, struct arena *mem, const struct query *q, str id,
                       struct json_out *w, bool *found, struct err *e);
query_one query_member, query_repository, query_batch, query_run, query_budget, query_action_run, query_graph,
    query_node, query_home;
query_one query_change, query_fact;
/* q->repository_id, q->stack and q->component say which; `id` does not matter. */
query_one query_instance;
/* A page of the audit as lines: CSV (its first page with a head), or JSON. */
bool query_audit_lines(struct db *db, struct arena *mem, const struct query *q, bool csv,
                       struct buf *to, str *next, struct err *e) MUST_CHECK;
/* The output of a run, as the CLI reported it; empty when it reported none. */
bool query_run_output(struct db *db, struct arena *mem, const struct query *q, str id, str *text,
                      bool *found, struct err *e) MUST_CHECK;

/* Of a batch of the scope: its sequence number and lane. */
bool query_batch_key(struct db *db, struct arena *mem, const struct query *q, str id, int64_t *seq,
                     int64_t *repository_id, int64_t *nodes, bool *found, struct err *e) MUST_CHECK;
/* Positions of the nodes of one instance in a batch (workflow empty: all). */
bool query_batch_positions(struct db *db, struct arena *mem, int64_t seq, str stack, str component,
                           str workflow, int64_t **positions, size_t *count,
                           struct err *e) MUST_CHECK;

/* Helpers of the query files. */
/* null or 0 → null */
void query_time(struct json_out *w, const char *key, const struct db_value *v);
/* null → null */
void query_i64(struct json_out *w, const char *key, const struct db_value *v);
/* null → null */
void query_str(struct json_out *w, const char *key, const struct db_value *v);
/* JSON of ours; null or empty → null */
void query_json(struct json_out *w, const char *key, const struct db_value *v);
/* the cursor as a number, `first` without one */
int64_t query_after_i64(const struct query *q, int64_t first);
str query_after_text(const struct query *q, str first);
/*
 * limit + 1 rows were asked for: how many to show; sets *next from that column of the last shown.
 */
size_t query_shown(const struct query *q, const struct db_rows *r, size_t key_column,
                   struct arena *mem, str *next);

#endif
