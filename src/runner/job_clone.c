#include "runner/job_clone.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/scope.h"
#include "base/secret.h"
#include "runner/job_env.h"
#include "runner/job_git_words.h"
#include "runner/job_helper.h"

enum {
    ATTEMPTS = 3, RETRY_MS = 1000, SAID_BYTES = 64 << 10, GIT_GRACE_MS = 2000, GIT_KILL_MS = 2000,
    BRANCHES_SHOWN = 10, LIST_MS = 15000, ARGS_MOST = 32,
};

/* ---- addresses ---- */

static bool is_plain(str url)
{
    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.ptr[i] <= ' ' || url.ptr[i] == 0x7f)
            return false;
    /* "ext::…" would be a program for git. */
    size_t colon = str_find(url, ':', 0);
    return url.len > 0 && url.len <= 2048 && url.ptr[0] != '-' &&
           !str_starts(str_sub(url, colon, url.len), STR("::"));
}

static bool only(str s, const char *more)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i], lower = (char)(c | 0x20);
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && !strchr(more, c))
            return false;
    }
    return s.len > 0;
}

/* A name or an address of IPv4, or one of IPv6 in brackets; with a port where there may be one. */
static bool is_host(str s, bool port_allowed)
{
    str port, host;
    int64_t n;
    bool in_brackets = s.len > 0 && s.ptr[0] == '[';
    if (in_brackets) {
        host = str_cut(str_sub(s, 1, s.len), ']', &port);
        if (port.len > 0 && port.ptr[0] != ':')
            return false;
        port = str_sub(port, port.len > 0, port.len);
    } else {
        host = str_cut(s, ':', &port);
    }
    bool has_port = host.len + 2 * in_brackets < s.len;
    if (!only(host, in_brackets ? ":." : ".-_") || host.ptr[0] == '-')
        return false;
    return !has_port || (port_allowed && str_to_i64(port, 1, 65535, &n));
}

static bool is_host_and_path(str rest, bool user_allowed)
{
    str path, host = str_cut(rest, '/', &path);
    str name = str_after_last(host, '@');
    if (!user_allowed && name.len != host.len)
        return false;
    if (str_find(str_sub(host, 0, host.len - name.len), ':', 0) < host.len - name.len)
        return false;               /* a password */
    return is_host(name, true) && host.ptr[0] != '-' && path.len > 0;
}

static bool is_scp_form(str url)
{
    str path, host = str_cut(url, ':', &path), name = str_after_last(host, '@');
    return path.len > 0 && path.ptr[0] != '-' && name.len < host.len && host.ptr[0] != '-' &&
           is_host(name, false) && str_find(host, '/', 0) == host.len;
}

bool repo_address_check(str url, bool local, struct err *e)
{
    if (!is_plain(url))
        return fail(e, ERR_INVALID, "the address of the repository is empty, too long, begins with "
                                    "a dash, has white space in it, or names a program");
    if (str_starts(url, STR("https://"))) {
        if (is_host_and_path(str_sub(url, 8, url.len), false))
            return true;
        return fail(e, ERR_INVALID, "the address of the repository must be https://host/path, and "
                                    "no user or token may stand in it: use GIT_HTTPS_TOKEN");
    }
    if (str_starts(url, STR("ssh://")) && is_host_and_path(str_sub(url, 6, url.len), true))
        return true;
    if (local && (url.ptr[0] == '/' || str_starts(url, STR("file:///"))))
        return true;
    if (!str_has(url, STR("://")) && is_scp_form(url))
        return true;
    return fail(e, ERR_INVALID, "the address of the repository must be https://host/path, "
                                "ssh://user@host/path or user@host:path");
}

/* ---- git, once ---- */

struct clone {
    struct arena           *mem;
    const struct job_order *o;
    const struct workspace *w;
    struct job_line        *line;
    struct env_list         env;
    int                     token_fd;
    int64_t                 until_ms, deadline_ms;
    struct buf              said;
};

static void hear(void *clone, str bytes)
{
    struct buf *said = &((struct clone *)clone)->said;
    /* What git says last is what counts: a server may send much before. */
    if (said->len + bytes.len > SAID_BYTES) {
        str end = bytes.len > SAID_BYTES / 2 ? str_sub(bytes, bytes.len - SAID_BYTES / 2, bytes.len)
                                             : bytes;
        size_t keep = said->len < SAID_BYTES / 2 ? said->len : SAID_BYTES / 2;
        memmove(said->ptr, said->ptr + said->len - keep, keep);
        said->len = keep;
        bytes = end;
    }
    buf_add(said, bytes);
}

enum git_end { GIT_OK, GIT_FAILED, GIT_STOPPED, GIT_NOT_STARTED };

static enum git_end git(struct clone *c, const char *cwd, const char *const *args, int64_t until_ms,
                        struct cloned *out, struct err *e)
{
    const char *argv[ARGS_MOST + 2] = {c->o->git};
    for (size_t i = 0; args[i] && i < ARGS_MOST; i++)
        argv[i + 1] = args[i];
    static const char *none[] = {NULL};
    /* It sees all files, but nothing that it starts outlives it, even when this process is killed. */
    struct sandbox box = {.hide = none, .keep = none, .namespaces = c->o->namespaces};
    struct child_plan plan = {
        .box = &box,
        .argv = argv, .env = c->env.items, .cwd = cwd, .inherit_fd = c->token_fd,
        .until_mono_ms = until_ms, .grace_ms = GIT_GRACE_MS, .kill_ms = GIT_KILL_MS,
        .output = hear, .to = c,
    };
    struct child_end end;
    c->said.len = 0;
    if (!child_run(&plan, c->line, &end, e)) {
        (void)fail_ctx(e, "git (%s)", c->o->git);
        return GIT_NOT_STARTED;
    }
    out->stopped = end.stopped;
    if (end.stopped != STOP_NOT)
        return GIT_STOPPED;
    return WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0 ? GIT_OK : GIT_FAILED;
}

/* ---- what git needs ---- */

static bool write_private(struct clone *c, const char *name, str text, struct err *e)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", c->w->private_dir, name);
    SCOPED(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(e, "%s: %m", path);
    return io_write_all(fd, text, e);
}

/* However it came through an environment: "\n" spelt out, line ends of Windows, none at the end. */
static bool write_key(struct clone *c, struct err *e)
{
    str key = str_trim(str_of(c->o->repo.ssh_key));
    char *text = arena_take(c->mem, key.len + 2, 1);
    size_t n = 0;
    for (size_t i = 0; i < key.len; i++) {
        bool spelt = key.ptr[i] == '\\' && i + 1 < key.len && key.ptr[i + 1] == 'n';
        if (key.ptr[i] != '\r')
            text[n++] = spelt ? '\n' : key.ptr[i];
        i += spelt;
    }
    text[n++] = '\n';
    bool ok = key.len == 0 || write_private(c, "id", (str){text, n}, e);
    secret_wipe(text, n);
    return ok;
}

static bool write_known_hosts(struct clone *c, struct err *e)
{
    struct buf b;
    str all = str_of(c->o->repo.known_hosts);
    buf_init(&b, c->mem, all.len + 2);
    for (size_t i = 0; i < all.len; i++) {
        bool spelt = all.ptr[i] == '\\' && i + 1 < all.len && all.ptr[i + 1] == 'n';
        buf_char(&b, spelt ? '\n' : all.ptr[i]);
        i += spelt;
    }
    buf_char(&b, '\n');
    return write_private(c, "known_hosts", buf_str(&b), e);
}

/* A % would be expanded by ssh. */
static str ssh_path(struct arena *mem, const char *dir, const char *name)
{
    struct buf b;
    buf_init(&b, mem, 16 << 10);
    for (; *dir; dir++)
        buf_add(&b, *dir == '%' ? STR("%%") : (str){dir, 1});
    buf_char(&b, '/');
    buf_add(&b, str_of(name));
    return buf_str(&b);
}

static bool write_ssh_config(struct clone *c, struct err *e)
{
    str key = ssh_path(c->mem, c->w->private_dir, "id");
    str hosts = ssh_path(c->mem, c->w->private_dir, "known_hosts");
    str text = arena_print(c->mem,
        "IdentityFile \"" PRI_STR "\"\n"
        "UserKnownHostsFile \"" PRI_STR "\"\n"
        "GlobalKnownHostsFile /dev/null\n"
        "StrictHostKeyChecking yes\n"
        "IdentitiesOnly yes\nIdentityAgent none\nPreferredAuthentications publickey\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nBatchMode yes\n"
        "ConnectTimeout 15\nServerAliveInterval 15\nServerAliveCountMax 4\n"
        "UpdateHostKeys no\nForwardAgent no\nForwardX11 no\nPermitLocalCommand no\n"
        "ControlMaster no\nControlPath none\nProxyCommand none\n"
        "LogLevel DEBUG1\n",        /* else it does not tell which key a host showed */
        FMT_STR(key), FMT_STR(hosts));
    return write_private(c, "ssh_config", text, e);
}

static bool open_token(struct clone *c, struct err *e)
{
    str token = str_trim(str_of(c->o->repo.https_token));
    if (token.len == 0)
        return true;
    c->token_fd = memfd_create("token", MFD_CLOEXEC);
    if (c->token_fd < 0)
        return fail_errno(e, "memfd: %m");
    return io_write_all(c->token_fd, token, e);
}

static const char *under(struct clone *c, const char *name)
{
    return arena_print(c->mem, "%s/%s", c->w->private_dir, name).ptr;
}

static void put_helpers(struct clone *c)
{
    str port, host = url_host(c->mem, str_of(c->o->repo.url), &port);
    env_put(&c->env, "GIT_SSH", under(c, HELPER_SSH));
    env_put(&c->env, "GIT_SSH_VARIANT", "ssh");
    env_put(&c->env, SSH_CONFIG, under(c, "ssh_config"));
    env_put(&c->env, "GIT_ASKPASS", under(c, HELPER_ASKPASS));
    env_put(&c->env, ASKPASS_HOST,
            port.len > 0
                ? arena_print(c->mem, PRI_STR ":" PRI_STR, FMT_STR(host), FMT_STR(port)).ptr
                : arena_z(c->mem, host));
    if (c->token_fd >= 0)
        env_put(&c->env, ASKPASS_FD, arena_print(c->mem, "%d", c->token_fd).ptr);
}

/* From nothing, like the workflow's; of what was passed only how to reach the network. */
static void put_environment(struct clone *c)
{
    static const char *const passed[] = {
        "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
    };
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
        const char *value = env_get(&c->o->env, passed[i]);
        if (value)
            env_put(&c->env, passed[i], value);
    }
    const char *ca = env_get(&c->o->env, "SSL_CERT_FILE");
    if (ca && !env_get(&c->o->env, "GIT_SSL_CAINFO"))
        env_put(&c->env, "GIT_SSL_CAINFO", ca);
    env_put(&c->env, "PATH", env_path(c->o));
    env_put(&c->env, "HOME", c->w->private_dir);
    env_put(&c->env, "TMPDIR", c->w->private_dir);
    env_put(&c->env, "LC_ALL", "C");            /* its words are read */
    env_put(&c->env, "GIT_ALLOW_PROTOCOL", c->o->repo.allow_local ? "https:ssh:file" : "https:ssh");
    env_put(&c->env, "GIT_TERMINAL_PROMPT", "0");
    env_put(&c->env, "GIT_CONFIG_NOSYSTEM", "1");
    env_put(&c->env, "GIT_CONFIG_GLOBAL", under(c, "gitconfig"));
    env_put(&c->env, "GIT_TEMPLATE_DIR", under(c, "empty"));
    env_put(&c->env, "GIT_LFS_SKIP_SMUDGE", "1");
    put_helpers(c);
}

static bool prepare(struct clone *c, struct err *e)
{
    buf_init(&c->said, c->mem, SAID_BYTES * 2);
    c->env.mem = c->mem;
    /* A local repository may be of another user; git asks for that to be said. */
    str config = arena_print(c->mem,
        "[core]\n\thooksPath = %s\n[protocol \"ext\"]\n\tallow = never\n[credential]\n\thelper =\n"
        "\tusername = " ASKPASS_USER "\n[advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n"
        "[http]\n\tlowSpeedLimit = 1\n\tlowSpeedTime = 60\n%s",
        under(c, "empty"),
        c->o->repo.allow_local ? "[safe]\n\tdirectory = *\n[protocol \"file\"]\n\tallow = always\n" : "");
    if (mkdir(under(c, "empty"), 0700) < 0)
        return fail_errno(e, "%s: %m", under(c, "empty"));
    if (!write_private(c, "gitconfig", config, e) || !helper_links(c->w->private_dir, e) ||
        !write_key(c, e) || !write_known_hosts(c, e) || !write_ssh_config(c, e) ||
        !open_token(c, e))
        return false;
    put_environment(c);
    return true;
}

/* ---- one attempt ---- */

/* A path copies all of the history, and shares its files with the workflow. */
static const char *address(struct clone *c)
{
    const char *url = c->o->repo.url;
    return url[0] == '/' ? arena_print(c->mem, "file://%s", url).ptr : url;
}

static enum git_end clone_branch(struct clone *c, struct cloned *out, struct err *e)
{
    const char *args[ARGS_MOST] = {"clone", "--quiet", "--single-branch", "--no-tags"};
    size_t n = 4;
    args[n++] = arena_print(c->mem, "--branch=%s", c->o->repo.branch).ptr;
    if (c->o->repo.depth > 0)
        args[n++] = arena_print(c->mem, "--depth=%lld", (long long)c->o->repo.depth).ptr;
    if (c->o->repo.submodules)
        args[n++] = "--recurse-submodules";
    if (c->o->repo.submodules && c->o->repo.depth > 0)
        args[n++] = "--shallow-submodules";
    args[n++] = "--";
    args[n++] = address(c);
    args[n++] = c->w->repo;
    return git(c, c->w->dir, args, c->until_ms, out, e);
}

/* A branch, a tag or a commit: clone takes no commits. */
static enum git_end clone_ref(struct clone *c, struct cloned *out, struct err *e)
{
    const char *depth = arena_print(c->mem, "--depth=%lld", (long long)c->o->repo.depth).ptr;
    const char *const steps[][8] = {
        {"init", "--quiet", "--", c->w->repo},
        {"remote", "add", "--", "origin", address(c)},
        {"fetch", "--quiet", "--no-tags", c->o->repo.depth > 0 ? depth : "--no-auto-gc", "--",
         "origin", c->o->repo.ref},
        {"checkout", "--quiet", "--detach", "FETCH_HEAD"},
        {"submodule", "--quiet", "update", "--init", "--recursive"},
    };
    size_t count = c->o->repo.submodules ? 5 : 4;
    for (size_t i = 0; i < count; i++) {
        enum git_end end = git(c, i == 0 ? c->w->dir : c->w->repo, steps[i], c->until_ms, out, e);
        if (end != GIT_OK)
            return end;
    }
    return GIT_OK;
}

static bool take_id(str text, struct cloned *out)
{
    str id = str_trim(text);
    for (size_t i = 0; i < id.len; i++)
        if (!strchr("0123456789abcdef", id.ptr[i]))
            return false;
    if (id.len != 40 && id.len != 64)
        return false;
    snprintf(out->commit, sizeof out->commit, PRI_STR, FMT_STR(id));
    return true;
}

/* What git has just written itself: HEAD, and the branch that it names. */
static bool read_commit(struct clone *c, struct cloned *out)
{
    struct err e = {0};
    str head, branch;
    const char *path = arena_print(c->mem, "%s/.git/HEAD", c->w->repo).ptr;
    if (!io_read_file(c->mem, path, 4096, &head, &e))
        return false;
    if (!str_starts(head, STR("ref: ")))
        return take_id(head, out);
    str name = str_trim(str_sub(head, 5, head.len));
    path = arena_print(c->mem, "%s/.git/" PRI_STR, c->w->repo, FMT_STR(name)).ptr;
    return io_read_file(c->mem, path, 4096, &branch, &e) && take_id(branch, out);
}

static bool take_commit(struct clone *c, struct cloned *out, struct err *e)
{
    const char *const args[] = {"rev-parse", "--verify", "--quiet", "HEAD^{commit}", NULL};
    if (read_commit(c, out))
        return true;
    if (git(c, c->w->repo, args, c->until_ms, out, e) == GIT_OK && take_id(buf_str(&c->said), out))
        return true;
    return e->code ? false : fail(e, ERR_INVALID, "the clone has no commit: is the branch empty?");
}

/* ---- what is wrong ---- */

/* ", it has: main, next": for whoever mistyped it. Empty when it cannot be said. */
static str branches_there(struct clone *c)
{
    const char *const args[] = {"ls-remote", "--heads", "--quiet", "--", address(c), NULL};
    struct cloned ignored = {0};
    struct err e = {0};
    struct buf b;
    int64_t until = clock_mono_ms() + LIST_MS;
    if (git(c, c->w->dir, args, until < c->deadline_ms ? until : c->deadline_ms, &ignored, &e) !=
        GIT_OK)
        return STR_NONE;
    buf_init(&b, c->mem, SAID_BYTES);
    size_t shown = 0;
    str sign = STR("refs/heads/");
    for (str rest = buf_str(&c->said); rest.len > 0;) {
        str name, line = str_cut(rest, '\n', &rest);
        (void)str_cut(line, '\t', &name);
        if (!str_starts(name, sign) || shown++ >= BRANCHES_SHOWN)
            continue;
        buf_add(&b, shown == 1 ? STR(". It has: ") : STR(", "));
        buf_add(&b, str_sub(name, sign.len, name.len));
    }
    if (shown == 0)
        return STR(": it is empty. Push a first commit");
    if (shown > BRANCHES_SHOWN)
        buf_print(&b, " and %zu more", shown - BRANCHES_SHOWN);
    return buf_str(&b);
}

static bool refuse(struct clone *c, const struct git_trouble *t, struct err *e)
{
    str more = t->asks_for_branches ? branches_there(c) : STR_NONE;
    return fail(e, ERR_UPSTREAM, PRI_STR PRI_STR, FMT_STR(t->text), FMT_STR(more));
}

static void clear_clone(struct clone *c)
{
    struct err e = {0};
    if (!workspace_remove(c->w->repo, &e))
        fprintf(stderr, "%s\n", e.text);
}

/* What ended git: the service, the deadline of the run, or the clone's own time limit. */
static bool was_stopped(struct clone *c, struct cloned *out, struct err *e)
{
    if (out->stopped == STOP_TIME && clock_mono_ms() < c->deadline_ms)
        out->stopped = STOP_NOT;
    if (out->stopped != STOP_NOT)
        return fail(e, ERR_TIMEOUT, "the clone was stopped");
    return fail(e, ERR_TIMEOUT, "cloning took longer than %lld s (CLONE_TIMEOUT)",
                (long long)(c->o->clone_timeout_ms / 1000));
}

static bool attempt_all(struct clone *c, struct cloned *out, struct err *e)
{
    const struct job_repo *r = &c->o->repo;
    for (int attempt = 1;; attempt++) {
        enum git_end end = *r->ref ? clone_ref(c, out, e) : clone_branch(c, out, e);
        if (end == GIT_OK)
            return take_commit(c, out, e);
        if (end == GIT_NOT_STARTED)
            return false;
        if (end == GIT_STOPPED)
            return was_stopped(c, out, e);
        struct git_trouble t = git_trouble(c->mem, buf_str(&c->said), str_of(r->url),
                                           str_of(*r->ref ? r->ref : r->branch));
        if (!t.is_network)
            return refuse(c, &t, e);
        if (attempt == ATTEMPTS)
            return fail(e, ERR_UPSTREAM, PRI_STR ", in %d attempts", FMT_STR(t.text), ATTEMPTS);
        clear_clone(c);
        if (line_pause(c->line, RETRY_MS << (attempt - 1)) || clock_mono_ms() >= c->until_ms) {
            out->stopped = c->line->cancel ? STOP_CANCEL : c->line->stop ? STOP_SERVICE
                           : c->line->gone ? STOP_GONE : STOP_TIME;
            return was_stopped(c, out, e);
        }
    }
}

bool job_clone(struct arena *mem, const struct job_order *o, const struct workspace *w,
               struct job_line *line, int64_t deadline_mono_ms, struct cloned *out, struct err *e)
{
    int64_t limit = clock_mono_ms() + o->clone_timeout_ms;
    struct clone c = {
        .mem = mem, .o = o, .w = w, .line = line, .token_fd = -1, .deadline_ms = deadline_mono_ms,
        .until_ms = limit < deadline_mono_ms ? limit : deadline_mono_ms,
    };
    *out = (struct cloned){0};
    bool ok = repo_address_check(str_of(o->repo.url), o->repo.allow_local, e) &&
              prepare(&c, e) && attempt_all(&c, out, e);
    secret_wipe(o->repo.ssh_key, strlen(o->repo.ssh_key));
    secret_wipe(o->repo.https_token, strlen(o->repo.https_token));
    scope_fd(&c.token_fd);
    struct err gone = {0};
    if (!workspace_remove(w->private_dir, &gone))
        ok = ok ? fail(e, ERR_INTERNAL, "%s", gone.text) : false;
    return ok;
}
