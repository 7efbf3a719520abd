/*
 * query_inside: rows as JSON, shared by the query files. Private to them.
 *
 * A …_SELECT is followed by a where clause; the …_object writes the row at i as one value.
 */
#ifndef SIGNALBOX_STORE_QUERY_INSIDE_H
#define SIGNALBOX_STORE_QUERY_INSIDE_H
#include "domain/command.h"
#include "domain/node_words.h"
#include "store/nodes.h"
#include "store/query.h"
#include "store/rows.h"

/*
 * Batches (b) with their repository (r) and change (c); column 0 is the key of pages. Read newest
 * first by their key: the + keeps SQLite from choosing the index of the repository and sorting
 * everything.
 */
#define BATCH_SELECT                                                                               \
    "select b.seq, b.id, b.repository_id, r.owner || '/' || r.name, b.upload_id, b.event, "        \
    "b.activity, b.head_sha, b.base_sha, b.ref,"                                                   \
    " b.state, b.verdict, b.error, b.actor, b.node_count, b.dispatchable, b.cancelled, "           \
    "b.superseded_by, b.created_ms, b.started_ms,"                                                 \
    " b.ended_ms, b.updated_ms, c.id, c.kind, c.key, c.number, c.title, c.author, c.url, "         \
    "c.state, c.head_sha, c.head_ref, c.base_ref, b.counts"                                        \
    " from batch b join repository r on r.id = +b.repository_id left join change c on c.id = "     \
    "b.change_id"
/* The first `count` rows, each an item of the open array. */
bool query_put_batches(struct db *db, struct arena *mem, const struct query *q,
                       const struct db_rows *r, size_t count, struct json_out *w,
                       struct err *e) MUST_CHECK;

/* Runs (run) with their batch (b), its repository (r) and change (c). */
#define RUN_COLUMNS_SHOWN                                                                          \
    "run.id, b.id, run.position, run.attempt, run.repository_id, r.owner || '/' || r.name, "       \
    "run.stack, run.component, run.workflow, run.ref, run.sha, run.inputs, run.trigger_event, "    \
    "run.guess, run.reported, run.exit_code, run.state, run.fence, run.forge_run_id, "             \
    "run.forge_attempt, run.url, run.error_code, run.error_text, run.counts, run.created_ms, "     \
    "run.dispatched_ms, run.started_ms, run.ended_ms, run.seen_ms, b.actor, c.id, c.kind, "        \
    "c.number, c.title, c.url, run.runner, run.metadata, b.event, b.activity"
#define RUN_JOINS                                                                                  \
    " join batch b on b.seq = run.batch_seq join repository r on r.id = +run.repository_id left "  \
    "join change c on c.id = b.change_id"
#define RUN_SELECT "select " RUN_COLUMNS_SHOWN " from run" RUN_JOINS
/* A guess, by its stored name. */
enum command query_command(str name);
/* Into an open object. */
void query_run_fields(struct json_out *w, const struct db_rows *r, size_t i, int64_t now_ms);
void query_run_object(struct json_out *w, const struct db_rows *r, size_t i, int64_t now_ms);

#define LOCK_SELECT                                                                                \
    "select folded, id, workspace_id, key, message, properties, actor, token, created_ms, "        \
    "updated_ms, expires_ms from lock"
void query_lock_object(struct json_out *w, const struct db_rows *r, size_t i);
/* The lock on a key, or null. */
bool query_put_lock(struct db *db, struct arena *mem, const struct query *q, str folded,
                    struct json_out *w, struct err *e) MUST_CHECK;

#define UPLOAD_SELECT                                                                              \
    "select u.id, u.repository_id, r.owner || '/' || r.name, u.head_sha, u.base_sha, u.state, "    \
    "u.instances, u.affected, u.session, u.change_id, u.note, u.asked, case when u.state = "       \
    "'complete' and u.ask_ms > 0 then u.ask_ms end, u.received_ms from upload u join repository "  \
    "r on r.id = +u.repository_id"
void query_upload_object(struct json_out *w, const struct db_rows *r, size_t i);

/* What is known of the run of a node's present attempt. */
struct node_took {
    str     run_id, url, reported, counts;
    int64_t started_ms, ended_ms;       /* 0: not yet */
};
/* Into an open object: what the list of nodes says of one, but for what it waits for. */
void query_node_fields(struct json_out *w, int64_t position, const struct node_row *n,
                       str run_url);

/* The id of a batch that stands in a note; STR_NONE: there is none. */
str query_batch_in(str note);

/*
 * Where a page of rows that come in the order of their times may be looked for: keys in [from,
 * before). Clocks of servers differ a little, so the times have to be compared, too.
 */
enum query_table { QUERY_FACTS, QUERY_AUDIT };
struct query_span { int64_t from, before; };
bool query_span_of(struct db *db, struct arena *mem, const struct query *q, enum query_table t,
                   struct query_span *out, struct err *e) MUST_CHECK;

/* A batch with its graph, as far as it is drawn. */
struct drawn {
    int64_t           seq, repository_id;
    str               id, repository, owner, name, state, event, activity, settings;
    struct node_row  *node;
    struct node_took *took;             /* of the present attempts */
    struct batch     *b;                /* as it is weighed by what each took, or is expected to */
    const struct batch_edge *edge;
    size_t            count, edge_count;
};
bool drawn_read(struct db *db, struct arena *mem, const struct query *q, str id, struct drawn *out,
                bool *found, struct err *e) MUST_CHECK;
/* When its last node is expected to end; 0: it does not run, or nothing of it moves. */
int64_t drawn_expected_end_ms(struct arena *mem, const struct drawn *d, int64_t now_ms);
str drawn_command(const struct drawn *d, size_t node);

#endif
