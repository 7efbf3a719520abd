/*
 * rows: small helpers shared by the store's files, to read one row without noise.
 */
#ifndef SIGNALBOX_STORE_ROWS_H
#define SIGNALBOX_STORE_ROWS_H
#include "db/db.h"

static inline int64_t row_i64(const struct db_rows *r, size_t row, size_t column)
{
    return db_at(r, row, column)->i;
}
static inline bool row_bool(const struct db_rows *r, size_t row, size_t column)
{
    return db_at(r, row, column)->i != 0;
}
static inline bool row_null(const struct db_rows *r, size_t row, size_t column)
{
    return db_at(r, row, column)->null;
}
/* Never a NULL pointer: SQL null reads as the empty text. */
static inline str row_str(const struct db_rows *r, size_t row, size_t column)
{
    const struct db_value *v = db_at(r, row, column);
    return v->null || !v->s.ptr ? STR("") : v->s;
}
/* For not null columns: an empty str that has no pointer is stored as '' and not as null. */
static inline str text(str s) { return s.ptr ? s : STR(""); }

#endif
