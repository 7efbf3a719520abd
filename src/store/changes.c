#include "store/changes.h"

#include "store/rows.h"

#define CHANGE_COLUMNS \
    "id, repository_id, kind, key, number, title, author, url, state, draft, from_fork, head_sha," \
    " head_ref, base_sha, base_ref, merge_sha, merged_ms, forge_updated_ms, notice"

static struct change change_row(const struct db_rows *r, size_t i)
{
    return (struct change){
        .id = row_i64(r, i, 0),
        .repository_id = row_i64(r, i, 1),
        .kind = row_str(r, i, 2),
        .key = row_str(r, i, 3),
        .number = row_i64(r, i, 4),
        .title = row_str(r, i, 5),
        .author = row_str(r, i, 6),
        .url = row_str(r, i, 7),
        .state = row_str(r, i, 8),
        .draft = row_bool(r, i, 9),
        .from_fork = row_bool(r, i, 10),
        .head_sha = row_str(r, i, 11),
        .head_ref = row_str(r, i, 12),
        .base_sha = row_str(r, i, 13),
        .base_ref = row_str(r, i, 14),
        .merge_sha = row_str(r, i, 15),
        .merged_ms = row_i64(r, i, 16),
        .forge_updated_ms = row_i64(r, i, 17),
        .notice = row_str(r, i, 18),
    };
}

bool changes_put(struct db *db, struct arena *mem, const struct change *c, int64_t now_ms,
                 struct change *out, struct err *e)
{
    struct db_rows r;
    if (!db_query(
            db, mem, e, &r,
            "insert into change (repository_id, kind, key, number, title, author, url, state, "
            "draft, from_fork, head_sha, head_ref, base_sha, base_ref, merge_sha, merged_ms, "
            "forge_updated_ms, created_ms, updated_ms)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
            "$18, $18)"
            " on conflict (repository_id, kind, key) do update set title = excluded.title, author "
            "= excluded.author, url = excluded.url, state = excluded.state, draft = "
            "excluded.draft, from_fork = excluded.from_fork, head_sha = case when "
            "excluded.head_sha = '' then change.head_sha else excluded.head_sha end, head_ref = "
            "excluded.head_ref, base_sha = excluded.base_sha, base_ref = excluded.base_ref, "
            "merge_sha = excluded.merge_sha, merged_ms = excluded.merged_ms, forge_updated_ms = "
            "excluded.forge_updated_ms, updated_ms = excluded.updated_ms"
            " where excluded.forge_updated_ms >= change.forge_updated_ms and change.state <> "
            "'merged'"
            " returning " CHANGE_COLUMNS,
            ARGS(A(c->repository_id), A(c->kind), A(c->key), A(c->number), A(text(c->title)),
                 A(text(c->author)), A(text(c->url)), A(text(c->state)), A(c->draft),
                 A(c->from_fork), A(text(c->head_sha)), A(text(c->head_ref)), A(text(c->base_sha)),
                 A(text(c->base_ref)), A(text(c->merge_sha)),
                 c->merged_ms ? A(c->merged_ms) : (struct arg){0}, A(c->forge_updated_ms),
                 A(now_ms))))
        return false;
    if (r.count) {
        *out = change_row(&r, 0);
        return true;
    }
    bool found;
    return changes_by_key(db, mem, c->repository_id, c->kind, c->key, out, &found, e);
}

bool changes_learn_head(struct db *db, int64_t id, str head_sha, struct err *e)
{
    return db_exec(db, e, NULL, "update change set head_sha = $2 where id = $1 and head_sha = ''",
                   ARGS(A(id), A(head_sha)));
}

bool changes_notice(struct db *db, int64_t id, str notice, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update change set notice = $2 where id = $1 and notice <> $2",
                   ARGS(A(id), A(notice)));
}

static bool one_change(struct db_rows *r, struct change *out, bool *found)
{
    *found = r->count > 0;
    if (*found)
        *out = change_row(r, 0);
    return true;
}

bool changes_get(struct db *db, struct arena *mem, int64_t id, struct change *out, bool *found,
                 struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r, "select " CHANGE_COLUMNS " from change where id = $1",
                    ARGS(A(id))) &&
           one_change(&r, out, found);
}

bool changes_by_key(struct db *db, struct arena *mem, int64_t repository_id, str kind, str key,
                    struct change *out, bool *found, struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select " CHANGE_COLUMNS
                    " from change where repository_id = $1 and kind = $2 and key = $3",
                    ARGS(A(repository_id), A(kind), A(key))) &&
           one_change(&r, out, found);
}

bool changes_by_tag(struct db *db, struct arena *mem, int64_t repository_id, str tag,
                    struct change *out, bool *found, struct err *e)
{
    struct db_rows r;
    return db_query(db, mem, e, &r,
                    "select " CHANGE_COLUMNS
                    " from change where repository_id = $1 and kind = 'release' and head_ref = $2"
                    " order by id desc limit 1",
                    ARGS(A(repository_id), A(tag))) &&
           one_change(&r, out, found);
}

bool changes_by_head(struct db *db, struct arena *mem, int64_t repository_id, str head_sha,
                     struct change **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(
            db, mem, e, &r,
            "select " CHANGE_COLUMNS
            " from change where repository_id = $1 and head_sha = $2 order by id desc limit 20",
            ARGS(A(repository_id), A(head_sha))))
        return false;
    *out = arena_make(mem, struct change, r.count + 1);
    *count = r.count;
    for (size_t i = 0; i < r.count; i++)
        (*out)[i] = change_row(&r, i);
    return true;
}

bool change_events_add(struct db *db, struct arena *mem, const struct change_event *v, int64_t *id,
                       struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "insert into change_event (change_id, activity, head_sha, at_ms, expires_ms, "
                  "state, batch_id, note)"
                  " values ($1, $2, $3, $4, $5, $6, $7, $8) returning id",
                  ARGS(A(v->change_id), A(v->activity), A(v->head_sha), A(v->at_ms),
                       A(v->expires_ms), A(v->state), A(v->batch_id), A(v->note))))
        return false;
    *id = row_i64(&r, 0, 0);
    return true;
}

static void event_rows(struct arena *mem, const struct db_rows *r, struct change_event **out,
                       size_t *count)
{
    *out = arena_make(mem, struct change_event, r->count + 1);
    *count = r->count;
    for (size_t i = 0; i < r->count; i++)
        (*out)[i] = (struct change_event){.id = row_i64(r, i, 0),
                                          .change_id = row_i64(r, i, 1),
                                          .activity = row_str(r, i, 2),
                                          .head_sha = row_str(r, i, 3),
                                          .at_ms = row_i64(r, i, 4),
                                          .expires_ms = row_i64(r, i, 5),
                                          .state = row_str(r, i, 6),
                                          .batch_id = row_str(r, i, 7),
                                          .note = row_str(r, i, 8)};
}

bool change_events_of(struct db *db, struct arena *mem, int64_t change_id,
                      struct change_event **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select * from (select id, change_id, activity, head_sha, at_ms, expires_ms, "
                  "state, batch_id, note from change_event"
                  " where change_id = $1 order by id desc limit 60) as newest order by id",
                  ARGS(A(change_id))))
        return false;
    event_rows(mem, &r, out, count);
    return true;
}

bool change_events_end(struct db *db, int64_t id, str state, str batch_id, str note, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update change_event set state = $2, batch_id = $3, note = $4 where id = $1",
                   ARGS(A(id), A(state), A(batch_id), A(note)));
}

bool change_events_supersede(struct db *db, int64_t change_id, str head_sha, struct err *e)
{
    return db_exec(db, e, NULL,
                   "update change_event set state = 'superseded', note = 'a newer head came'"
                   " where change_id = $1 and head_sha <> $2 and state = 'waiting'",
                   ARGS(A(change_id), A(head_sha)));
}

bool change_events_expired(struct db *db, struct arena *mem, int64_t repository_id, int64_t now_ms,
                           struct change_event **out, size_t *count, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
                  "select v.id, v.change_id, v.activity, v.head_sha, v.at_ms, v.expires_ms, "
                  "v.state, v.batch_id, v.note"
                  " from change_event v join change c on c.id = v.change_id"
                  " where v.state = 'waiting' and v.expires_ms <= $2 and c.repository_id = $1 "
                  "order by v.id",
                  ARGS(A(repository_id), A(now_ms))))
        return false;
    event_rows(mem, &r, out, count);
    return true;
}

bool change_events_next_ms(struct db *db, struct arena *mem, int64_t repository_id,
                           int64_t *next_ms, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r,
            "select min(v.expires_ms) from change_event v join change c on c.id = v.change_id"
            " where v.state = 'waiting' and c.repository_id = $1", ARGS(A(repository_id))))
        return false;
    *next_ms = row_null(&r, 0, 0) ? 0 : row_i64(&r, 0, 0);
    return true;
}
