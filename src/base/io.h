/*
 * io: whole reads and writes, files replaced atomically, close-on-exec everywhere.
 */
#ifndef SIGNALBOX_BASE_IO_H
#define SIGNALBOX_BASE_IO_H
#include "base/arena.h"
#include "base/err.h"

bool io_write_all(int fd, str data, struct err *e) MUST_CHECK;
/* The whole file; ERR_NOT_FOUND when there is none, ERR_LIMIT past max bytes. */
bool io_read_file(struct arena *mem, const char *path, size_t max, str *out,
                  struct err *e) MUST_CHECK;
/* The same of one that is open already, a pipe or a socket, too: path is what messages call it. */
bool io_read_open(struct arena *mem, int fd, const char *path, size_t max, str *out,
                  struct err *e) MUST_CHECK;
/* Temporary file in the same folder, fsync, rename, fsync of the folder. mode e.g. 0600. */
bool io_replace_file(const char *path, str data, unsigned mode, struct err *e) MUST_CHECK;
void io_sanitize_fds(void);          /* opens /dev/null for missing 0, 1, 2; first thing in main */

#endif
