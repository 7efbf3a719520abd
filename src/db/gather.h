/*
 * gather: SQLite writes its log frame by frame, and each frame in two pieces. This VFS holds what is
 * written to the log one after the other and hands it to the kernel in one piece: before the log is
 * flushed, read elsewhere, cut or measured. So a commit is in the file before its fsync, as it was
 * without; only system calls go away (docs/architecture.md §6). The file is kept longer than the
 * log, with zeros behind its end, so that a flush seldom has to write its length, too.
 */
#ifndef SIGNALBOX_DB_GATHER_H
#define SIGNALBOX_DB_GATHER_H
#include <stdbool.h>

struct sqlite3_file;

/* The VFS's name for sqlite3_open_v2; NULL, SQLite's own, if it cannot be had. Once per process. */
const char *gather_vfs(void);

/*
 * log: of a connection that gather_vfs opened. While put_off is true the flush that ends a commit is
 * left to gather_flush; what keeps the file whole (a new head before its first frames) is flushed at
 * once all the same.
 */
void gather_put_off(struct sqlite3_file *log, bool put_off);
/*
 * Any thread, until the log is closed: flushes what was committed before the call. False with errno:
 * nobody knows what of it is on disk.
 */
bool gather_flush(struct sqlite3_file *log);

#endif
