#include "store/audit.h"

#include "base/id.h"
#include "store/rows.h"

bool audit_add(struct db *db, struct arena *mem, const struct audit_entry *a, int64_t now_ms,
               struct err *e)
{
    if (a->workspace_id.len)
        db_note_workspace(db, a->workspace_id);
    if (a->repository_id)
        db_note(db, DB_NOTE_REPOSITORY, a->repository_id);
    return db_exec(db, e, NULL,
                   "insert into audit (id, workspace_id, repository_id, at_ms, category, action, "
                   "actor_type, actor, target_type, target, description, metadata) values ($1, $2, "
                   "$3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                   ARGS(A(id_new(mem, "aud_", now_ms)),
                        a->workspace_id.len ? A(a->workspace_id) : (struct arg){0},
                        a->repository_id ? A(a->repository_id) : (struct arg){0}, A(now_ms),
                        A(a->category.len ? a->category : str_cut(a->action, '.', &(str){0})),
                        A(a->action), A(text(a->actor_type)), A(text(a->actor)), A(text(a->target_type)), A(text(a->target)),
                        A(text(a->description)), A(a->metadata.len ? a->metadata : STR("{}"))));
}
