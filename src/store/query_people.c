/* The members of a workspace. */
#include "store/query.h"
#include "store/rows.h"

#define MEMBER                                                                                 \
    "select p.id, p.login, p.name, p.source, m.role, m.created_ms, m.created_by, (select "     \
    "max(s.seen_ms) from person_session s where s.person_id = p.id) from member m join person p " \
    "on p.id = m.person_id where m.workspace_id = $1 and $2 = 0 "

static void member_object(struct json_out *w, const struct db_rows *r, size_t i)
{
    json_begin_object(w);
    query_str(w, "id", db_at(r, i, 0));
    query_str(w, "login", db_at(r, i, 1));
    query_str(w, "name", db_at(r, i, row_str(r, i, 2).len ? 2 : 1));
    query_str(w, "source", db_at(r, i, 3));
    query_str(w, "role", db_at(r, i, 4));
    query_time(w, "createdAt", db_at(r, i, 5));
    query_str(w, "invitedBy", db_at(r, i, 6));
    query_time(w, "seenAt", db_at(r, i, 7));
    json_end_object(w);
}

/* Who has the token of one repository is told of nobody. */
bool query_members(struct db *db, struct arena *mem, const struct query *q, struct json_out *w,
                   str *next, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, MEMBER "and m.person_id > $3 order by m.person_id limit $4",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(query_after_text(q, STR(""))),
                       A(q->limit + 1))))
        return false;
    size_t n = query_shown(q, &r, 0, mem, next);
    for (size_t i = 0; i < n; i++)
        member_object(w, &r, i);
    return true;
}

bool query_member(struct db *db, struct arena *mem, const struct query *q, str id,
                  struct json_out *w, bool *found, struct err *e)
{
    struct db_rows r;
    if (!db_query(db, mem, e, &r, MEMBER "and m.person_id = $3",
                  ARGS(A(q->workspace_id), A(q->repository_id), A(id))))
        return false;
    *found = r.count > 0;
    if (*found)
        member_object(w, &r, 0);
    return true;
}
