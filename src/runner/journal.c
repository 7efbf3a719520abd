#include "runner/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/scope.h"
#include "runner/journal_inside.h"

enum { FILE_BYTES_MAX = 2 << 20 };
#define DAMAGED ".damaged"

static const char *path_of(struct journal *j, struct arena *mem, const char *before, str id,
                           const char *after)
{
    return arena_print(mem, "%s/%s" PRI_STR "%s", j->dir, before, FMT_STR(id), after).ptr;
}

static const char *accepted_path(struct journal *j, struct arena *mem, str id)
{
    return path_of(j, mem, "queue/", id, ".json");
}

static const char *state_path(struct journal *j, struct arena *mem, str id)
{
    return path_of(j, mem, "runs/", id, "/state.json");
}

/* ---- folders ---- */

static bool make_folder(const char *path, struct err *e)
{
    struct stat st;
    if (mkdir(path, 0700) && errno != EEXIST)
        return fail(e, ERR_STORAGE, "cannot make the folder %s: %s", path, strerrordesc_np(errno));
    if (lstat(path, &st) || !S_ISDIR(st.st_mode))
        return fail(e, ERR_STORAGE, "%s is no folder", path);
    return true;
}

static bool take_lock(struct journal *j, const char *path, struct err *e)
{
    j->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->lock < 0)
        return fail(e, ERR_STORAGE, "cannot open %s: %s", path, strerrordesc_np(errno));
    if (flock(j->lock, LOCK_EX | LOCK_NB))
        return fail(e, ERR_CONFLICT, "another runner uses %s: give this one a STATE_DIR of its own",
                    j->dir);
    return true;
}

/* What a crash left between writing a file and renaming it. */
static void sweep_temporary(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (str_has(str_of(entry->d_name), STR(".new-")))
            unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
}

bool journal_open(struct journal *j, const char *dir, struct err *e)
{
    SCOPED(arena) struct arena *mem = arena_new(1 << 16, 1 << 20);
    *j = (struct journal){ .dir = dir, .lock = -1 };
    const char *queue = path_of(j, mem, "queue", STR_NONE, "");
    if (!make_folder(dir, e) || !make_folder(queue, e) ||
        !make_folder(path_of(j, mem, "runs", STR_NONE, ""), e) ||
        !take_lock(j, path_of(j, mem, "lock", STR_NONE, ""), e))
        return false;
    sweep_temporary(queue);
    return true;
}

void journal_close(struct journal *j)
{
    if (j->lock >= 0)
        close(j->lock);
    j->lock = -1;
}

/* ---- what was accepted ---- */

bool journal_accept(struct journal *j, struct arena *mem, const struct run *r,
                    const struct dispatch *d, struct err *e)
{
    struct err why = { 0 };
    const char *path = accepted_path(j, mem, str_of(r->id));
    if (io_replace_file(path, accepted_text(mem, r, d), 0600, &why))
        return true;
    return fail(e, ERR_STORAGE, "%s", why.text);
}

static bool read_json(struct arena *mem, const char *path, struct json *out, struct err *e)
{
    str text;
    return io_read_file(mem, path, FILE_BYTES_MAX, &text, e) && json_parse(mem, text, 0, out, e);
}

bool journal_accepted(struct journal *j, struct arena *mem, str id, struct accepted *out,
                      struct err *e)
{
    struct json v;
    return read_json(mem, accepted_path(j, mem, id), &v, e) && accepted_read(mem, v, out, e);
}

void journal_forget(struct journal *j, str id)
{
    SCOPED(arena) struct arena *mem = arena_new(1 << 16, 1 << 20);
    const char *path = accepted_path(j, mem, id);
    if (unlink(path) && errno != ENOENT)
        log_error("what a run was given cannot be removed", LS("run", id), LZ("path", path),
                  LZ("why", strerrordesc_np(errno)));
}

/* ---- how far it is ---- */

bool journal_write(struct journal *j, struct arena *mem, const struct run *r, struct err *e)
{
    struct err why = { 0 };
    if (make_folder(path_of(j, mem, "runs/", str_of(r->id), ""), &why) &&
        io_replace_file(state_path(j, mem, str_of(r->id)), run_text(mem, r), 0600, &why))
        return true;
    return fail(e, ERR_STORAGE, "%s", why.text);
}

/* Whatever lies there: all of it is ours, and none of it is a folder. */
static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
    if (rmdir(path) && errno != ENOENT)
        log_error("the folder of a run cannot be removed", LZ("path", path),
                  LZ("why", strerrordesc_np(errno)));
}

void journal_remove(struct journal *j, str id)
{
    SCOPED(arena) struct arena *mem = arena_new(1 << 16, 1 << 20);
    journal_forget(j, id);
    remove_folder(path_of(j, mem, "runs/", id, ""));
}

/* ---- the start ---- */

/* Kept for whoever wants to know why, where nobody reads it again. */
static void put_aside(const char *path, const struct err *e)
{
    char *to = NULL;
    log_error("a file of an earlier run cannot be read, it is put aside", LZ("path", path),
              LZ("why", e->text));
    if (asprintf(&to, "%s" DAMAGED, path) < 0)
        abort();
    (void)rename(path, to);
    free(to);
}

/* What stands in the state is newer than what was accepted. */
static void load_state(struct journal *j, struct queue *q, str id)
{
    SCOPED(arena) struct arena *mem = arena_new(8 << 20, 64 << 20);
    const char *path = state_path(j, mem, id);
    struct err e = { 0 };
    struct json v;
    struct run *known = queue_find(q, id), *r = known;
    enum run_stage stage;
    if (!read_json(mem, path, &v, &e) || !run_read(mem, v, id, &r, &stage, &e)) {
        if (e.code == ERR_NOT_FOUND)
            return;
        put_aside(path, &e);
        if (known)
            run_stage_set(q, r, RUN_STARTED);   /* so much is sure: it must not start again */
    } else if (known) {
        run_stage_set(q, r, stage);
        if (stage == RUN_CLOSED)
            journal_forget(j, id);      /* a crash came between the two steps of closing it */
    } else {
        r->stage = stage;
        queue_add(q, r);
    }
}

static void load_queued(struct journal *j, struct queue *q, str id)
{
    SCOPED(arena) struct arena *mem = arena_new(8 << 20, 64 << 20);
    const char *path = accepted_path(j, mem, id);
    struct err e = { 0 };
    struct json v;
    struct accepted a;
    struct run *r;
    if (!read_json(mem, path, &v, &e) || !accepted_read(mem, v, &a, &e) ||
        !accepted_run(mem, v, &a, &r, &e))
        put_aside(path, &e);
    else
        queue_add(q, r);
}

static bool put_aside_before(int folder, const char *name, int64_t before_ms)
{
    struct stat st;
    return str_ends(str_of(name), STR(DAMAGED)) && !fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) &&
           (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000 < before_ms;
}

static void prune_folder(const char *path, int64_t before_ms)
{
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (put_aside_before(dirfd(d), entry->d_name, before_ms) &&
            !unlinkat(dirfd(d), entry->d_name, 0))
            log_info("a damaged file was kept long enough", LZ("folder", path),
                     LZ("name", entry->d_name));
    if (d)
        closedir(d);
}

static bool has_state(struct journal *j, struct arena *mem, str id)
{
    return !access(state_path(j, mem, id), F_OK) || !access(accepted_path(j, mem, id), F_OK);
}

void journal_prune(struct journal *j, int64_t before_ms)
{
    SCOPED(arena) struct arena *mem = arena_new(1 << 16, 1 << 20);
    DIR *runs = opendir(path_of(j, mem, "runs", STR_NONE, ""));
    prune_folder(path_of(j, mem, "queue", STR_NONE, ""), before_ms);
    for (struct dirent *entry; runs && (entry = readdir(runs));) {
        str id = str_of(entry->d_name);
        if (!run_id_valid(id) || has_state(j, mem, id))
            continue;
        /* all that is known of it lay in the file that was put aside */
        const char *folder = path_of(j, mem, "runs/", id, "");
        struct stat st;
        const char *damaged = path_of(j, mem, "runs/", id, "/state.json" DAMAGED);
        if (!lstat(damaged, &st) && (int64_t)st.st_ctim.tv_sec * 1000 < before_ms)
            remove_folder(folder);
    }
    if (runs)
        closedir(runs);
}

typedef void take_id(struct journal *j, struct queue *q, str id);

static bool each_id(struct journal *j, struct queue *q, const char *folder, str suffix,
                    take_id *take, struct err *e)
{
    DIR *d = opendir(folder);
    if (!d)
        return fail(e, ERR_STORAGE, "cannot read %s: %s", folder, strerrordesc_np(errno));
    for (struct dirent *entry; (entry = readdir(d));) {
        str name = str_of(entry->d_name);
        str id = str_sub(name, 0, str_ends(name, suffix) ? name.len - suffix.len : 0);
        if (run_id_valid(id))
            take(j, q, id);
    }
    closedir(d);
    return true;
}

bool journal_load(struct journal *j, struct queue *q, struct err *e)
{
    SCOPED(arena) struct arena *mem = arena_new(1 << 16, 1 << 20);
    return each_id(j, q, path_of(j, mem, "queue", STR_NONE, ""), STR(".json"), load_queued,
                   e) &&
           each_id(j, q, path_of(j, mem, "runs", STR_NONE, ""), STR(""), load_state, e);
}

/* ---- its other files ---- */

str journal_log_path(struct journal *j, struct arena *mem, str id)
{
    return str_of(path_of(j, mem, "runs/", id, "/log"));
}

str journal_lock_path(struct journal *j, struct arena *mem, str id)
{
    return str_of(path_of(j, mem, "runs/", id, "/job.lock"));
}

bool journal_job_lives(struct journal *j, str id)
{
    SCOPED(arena) struct arena *mem = arena_new(1 << 16, 1 << 20);
    SCOPED(fd) int fd = open(journal_lock_path(j, mem, id).ptr, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
}
