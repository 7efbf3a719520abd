#include "runner/job_order.h"

#include "base/json.h"
#include "base/secret.h"
#include "runner/runner.h"

bool job_name_is_secret(str name)
{
    static const str parts[] = {
        STR_INIT("secret"),     STR_INIT("token"),      STR_INIT("password"),
        STR_INIT("key"),        STR_INIT("credential"),
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (str_has_nocase(name, parts[i]))
            return true;
    return false;
}

/* What is read, from where, and what went wrong first. */
struct reader {
    struct arena *mem;
    struct json   at;
    struct err   *e;
    bool          failed;
};

static void refuse(struct reader *r, const char *name, const char *why)
{
    if (!r->failed)
        (void)fail(r->e, ERR_INVALID, "the order of the service is not usable: \"%s\" %s", name,
                   why);
    r->failed = true;
}

/* Copied, because the line is wiped; NUL-terminated, since most of it goes to system calls. */
static char *text(struct reader *r, const char *name, const char *otherwise)
{
    struct json v = json_get(r->at, str_of(name));
    if (!json_present(v) && otherwise)
        return (char *)(uintptr_t)arena_z(r->mem, str_of(otherwise));
    if (json_kind(v) != JSON_STRING)
        refuse(r, name, "is no text");
    return (char *)(uintptr_t)arena_z(r->mem, json_str(v, r->mem));
}

static const char *needed(struct reader *r, const char *name)
{
    const char *s = text(r, name, NULL);
    if (*s == '\0')
        refuse(r, name, "is empty");
    return s;
}

static const char *path(struct reader *r, const char *name)
{
    const char *s = needed(r, name);
    if (*s != '/')
        refuse(r, name, "is no absolute path");
    return s;
}

static int64_t number(struct reader *r, const char *name, int64_t otherwise)
{
    struct json v = json_get(r->at, str_of(name));
    int64_t n = otherwise;
    if (json_present(v) && (!json_i64(v, &n) || n < 0))
        refuse(r, name, "is no number from 0");
    return n;
}

static bool flag(struct reader *r, const char *name)
{
    return json_bool_or(json_get(r->at, str_of(name)), false);
}

static struct job_vars vars(struct reader *r, const char *name)
{
    struct json from = json_get(r->at, str_of(name)), value;
    struct job_vars out = {.items = arena_make(r->mem, struct job_var, json_count(from) + 1)};
    struct json_iter it = json_iter(from);
    for (str key; json_next(&it, r->mem, &key, &value);) {
        if (json_kind(value) != JSON_STRING || key.len == 0 || str_find(key, '=', 0) < key.len)
            refuse(r, name, "has a member that is no text");
        out.items[out.count++] = (struct job_var){
            .name = arena_z(r->mem, key), .value = arena_z(r->mem, json_str(value, r->mem))};
    }
    return out;
}

static const char **list(struct reader *r, const char *name)
{
    struct json from = json_get(r->at, str_of(name)), item;
    const char **out = arena_make(r->mem, const char *, json_count(from) + 1);
    size_t n = 0;
    struct json_iter it = json_iter(from);
    for (str key; json_next(&it, r->mem, &key, &item);) {
        if (json_kind(item) != JSON_STRING)
            refuse(r, name, "has an item that is no text");
        out[n++] = arena_z(r->mem, json_str(item, r->mem));
    }
    return out;
}

/* Of one decoding: the copy is what stays; where it was read from and decoded to is overwritten. */
static char *secret_text(struct reader *r, struct json v)
{
    str raw = json_raw(v), decoded = json_str(v, r->mem);
    char *copy = (char *)(uintptr_t)arena_z(r->mem, decoded);
    secret_wipe((char *)(uintptr_t)decoded.ptr, decoded.len);
    secret_wipe((char *)(uintptr_t)raw.ptr, raw.len);
    return copy;
}

static void take_masks(struct reader *r, struct mask_set *masks)
{
    struct json from = json_get(r->at, STR("mask")), item;
    struct json_iter it = json_iter(from);
    for (str key; json_next(&it, r->mem, &key, &item);) {
        char *secret = secret_text(r, item);
        mask_add(masks, str_of(secret));
        secret_wipe(secret, strlen(secret));
    }
}

static void mask_vars(const struct job_vars *of, struct mask_set *masks)
{
    for (size_t i = 0; i < of->count; i++)
        if (job_name_is_secret(str_of(of->items[i].name)))
            mask_add(masks, str_of(of->items[i].value));
}

static void read_repo(struct reader *r, struct job_repo *out)
{
    struct reader in = {.mem = r->mem, .at = json_get(r->at, STR("repo")), .e = r->e};
    out->url = needed(&in, "url");
    out->branch = needed(&in, "branch");
    out->ref = text(&in, "ref", "");
    out->known_hosts = text(&in, "knownHosts", "");
    out->ssh_key = secret_text(&in, json_get(in.at, STR("sshKey")));
    out->https_token = secret_text(&in, json_get(in.at, STR("httpsToken")));
    out->depth = number(&in, "depth", 1);
    out->submodules = flag(&in, "submodules");
    out->allow_local = flag(&in, "allowLocal");
    r->failed |= in.failed;
}

static void read_limits(struct reader *r, struct job_limits *out)
{
    struct reader in = {.mem = r->mem, .at = json_get(r->at, STR("limits")), .e = r->e};
    out->memory_bytes = number(&in, "memoryBytes", 0);
    out->processes = number(&in, "processes", 0);
    out->file_bytes = number(&in, "fileBytes", 0);
    r->failed |= in.failed;
}

static void read_atmos(struct reader *r, struct job_order *out)
{
    out->workflow = needed(r, "workflow");
    out->stack = needed(r, "stack");
    out->workflow_file = text(r, "workflowFile", "");
    out->dry_run = flag(r, "dryRun");
    /* Checked where the dispatch came in; here once more what would be worst (runner.md §0, 4). */
    if (out->workflow[0] == '-' || strcmp(out->workflow, "help") == 0)
        refuse(r, "workflow", "is no workflow but something else to the CLI");
    if (out->stack[0] == '-')
        refuse(r, "stack", "begins with a dash");
    str mode = str_of(text(r, "varsMode", "env"));
    out->vars_env = !str_eq(mode, STR("flag"));
    out->vars_flag = !str_eq(mode, STR("env"));
    out->vars = vars(r, "vars");
    out->env = vars(r, "env");
    out->export_plain = list(r, "exportPlain");
    out->tfvar = flag(r, "tfvar");
    out->atmos = needed(r, "atmos");
    out->git = text(r, "git", "git");
}

/* true (the default): all that the kernel has; "landlock": no namespaces; false: neither. */
static void read_sandbox(struct reader *r, struct job_order *out)
{
    struct json v = json_get(r->at, STR("sandbox"));
    out->namespaces = json_bool_or(v, json_kind(v) != JSON_STRING);
    out->landlock = json_bool_or(v, true);
}

bool job_order_read(struct arena *mem, str line, struct job_order *out, struct mask_set *masks,
                    struct err *e)
{
    struct reader r = {.mem = mem, .e = e};
    if (!json_parse(mem, line, 0, &r.at, e))
        return fail_ctx(e, "the order of the service");
    *out = (struct job_order){0};
    out->run_id = needed(&r, "runId");
    read_repo(&r, &out->repo);
    read_atmos(&r, out);
    read_limits(&r, &out->limits);
    out->work_dir = path(&r, "workDir");
    out->log_file = path(&r, "logFile");
    out->lock_file = path(&r, "lockFile");
    out->hide = list(&r, "hide");
    read_sandbox(&r, out);
    out->keep_failed = strcmp(text(&r, "keepWorkspace", "never"), "on-failure") == 0;
    out->deadline_ms = number(&r, "deadlineMs", 0);
    out->stop_grace_ms = number(&r, "stopGraceMs", 120000);
    out->kill_ms = number(&r, "killMs", JOB_KILL_AFTER_MS);
    out->clone_timeout_ms = number(&r, "cloneTimeoutMs", 300000);
    out->log_max_bytes = number(&r, "logMaxBytes", 10 << 20);
    take_masks(&r, masks);
    mask_add(masks, str_of(out->repo.ssh_key));
    mask_add(masks, str_of(out->repo.https_token));
    mask_vars(&out->vars, masks);
    mask_vars(&out->env, masks);
    mask_ready(masks);
    return !r.failed;
}
