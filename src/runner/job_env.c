#include "runner/job_env.h"

#include <stdlib.h>

#include "base/json.h"

#define VAR_PREFIX "ATMOS_RUNNER_VAR_"

void env_put(struct env_list *env, const char *name, const char *value)
{
    const char *item = arena_print(env->mem, "%s=%s", name, value).ptr;
    size_t n = strlen(name) + 1;
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->items[i], item, n) == 0) {
            env->items[i] = item;
            return;
        }
    if (env->count + 1 >= env->cap) {
        size_t cap = env->cap ? env->cap * 2 : 64;
        env->items = arena_grow(env->mem, env->items, env->cap, cap, sizeof *env->items);
        env->cap = cap;
    }
    env->items[env->count++] = item;
}

const char *env_get(const struct job_vars *of, const char *name)
{
    for (size_t i = 0; i < of->count; i++)
        if (strcmp(of->items[i].name, name) == 0)
            return of->items[i].value;
    return NULL;
}

const char *env_path(const struct job_order *o)
{
    const char *path = env_get(&o->env, "PATH");
    return path && *path ? path : JOB_PATH;
}

static const char *const fixed[][2] = {
    {"LANG", "C.UTF-8"},
    {"CI", "true"},
    {"NO_COLOR", "1"},
    {"TF_IN_AUTOMATION", "1"},
    {"TF_INPUT", "0"},
    {"ATMOS_INTERACTIVE", "false"},
    {"ATMOS_PAGER", "false"},
    {"ATMOS_TELEMETRY_ENABLED", "false"},
    {"ATMOS_VERSION_CHECK_ENABLED", "false"},
};

/* Of XDG: where in the home folder. */
static const char *const homes[][2] = {
    {"XDG_CACHE_HOME", ".cache"},       {"XDG_CONFIG_HOME", ".config"},
    {"XDG_DATA_HOME", ".local/share"},  {"XDG_STATE_HOME", ".local/state"},
    {"XDG_RUNTIME_DIR", ".run"},
};

/* Of the runner itself, whatever PASS_ENV says (runner.md §6.5). */
static bool is_ours(str name)
{
    static const str starts[] = {STR_INIT("RUNNER_AUTH_TOKEN"), STR_INIT("GIT_SSH_KEY"),
                                 STR_INIT("GIT_HTTPS_TOKEN"), STR_INIT("ATMOS_REPO_")};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (str_starts(name, starts[i]))
            return true;
    return false;
}

/* A name that the loader, a shell, git, Atmos, Terraform or a cloud's CLI would obey (§6.4). */
static bool is_obeyed(str name)
{
    static const str exact[] = {STR_INIT("PATH"), STR_INIT("HOME"), STR_INIT("TMPDIR"),
                                STR_INIT("IFS"), STR_INIT("ENV"), STR_INIT("BASH_ENV"),
                                STR_INIT("SHELLOPTS"), STR_INIT("CI"), STR_INIT("LANG")};
    static const str starts[] = {STR_INIT("LD_"), STR_INIT("BASH_"), STR_INIT("GIT_"),
                                 STR_INIT("SSH_"), STR_INIT("ATMOS_"), STR_INIT("TF_"),
                                 STR_INIT("AWS_"), STR_INIT("XDG_"), STR_INIT("PYTHON"),
                                 STR_INIT("NODE_"), STR_INIT("PERL"), STR_INIT("DYLD_")};
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++)
        if (str_eq(name, exact[i]))
            return true;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (str_starts(name, starts[i]))
            return true;
    return false;
}

static void put_vars(struct env_list *env, const struct job_order *o)
{
    for (size_t i = 0; i < o->vars.count; i++) {
        const struct job_var *v = &o->vars.items[i];
        env_put(env, arena_print(env->mem, VAR_PREFIX "%s", v->name).ptr, v->value);
        if (o->tfvar)
            env_put(env, arena_print(env->mem, "TF_VAR_%s", v->name).ptr, v->value);
    }
    for (const char **name = o->export_plain; *name; name++) {
        const char *value = env_get(&o->vars, *name);
        if (value && !is_obeyed(str_of(*name)))
            env_put(env, *name, value);
    }
}

const char *const *env_of_atmos(struct arena *mem, const struct job_order *o,
                                const struct workspace *w)
{
    struct env_list env = {.mem = mem};
    for (size_t i = 0; i < o->env.count; i++)
        if (!is_ours(str_of(o->env.items[i].name)))
            env_put(&env, o->env.items[i].name, o->env.items[i].value);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        env_put(&env, fixed[i][0], fixed[i][1]);
    env_put(&env, "PATH", arena_print(mem, "%s:%s", w->bin, env_path(o)).ptr);
    env_put(&env, "HOME", w->home);
    env_put(&env, "TMPDIR", w->tmp);
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++)
        env_put(&env, homes[i][0], arena_print(mem, "%s/%s", w->home, homes[i][1]).ptr);
    if (o->vars_env) {
        put_vars(&env, o);
        env_put(&env, "ATMOS_RUNNER_VARS_FILE", w->vars_file);
    }
    return env.items;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct job_var *)a)->name, ((const struct job_var *)b)->name);
}

const char *const *argv_of_atmos(struct arena *mem, const struct job_order *o,
                                 const struct workspace *w)
{
    const char **argv = arena_make(mem, const char *, 8 + 2 * o->vars.count);
    size_t n = 0;
    argv[n++] = arena_print(mem, "%s/atmos", w->bin).ptr;
    argv[n++] = "workflow";
    argv[n++] = o->workflow;
    argv[n++] = arena_print(mem, "--stack=%s", o->stack).ptr;
    if (*o->workflow_file)
        argv[n++] = arena_print(mem, "--file=%s", o->workflow_file).ptr;
    if (o->dry_run)
        argv[n++] = "--dry-run";
    if (!o->vars_flag || o->vars.count == 0)
        return argv;
    struct job_var *sorted = arena_make(mem, struct job_var, o->vars.count);
    memcpy(sorted, o->vars.items, o->vars.count * sizeof *sorted);
    qsort(sorted, o->vars.count, sizeof *sorted, by_name);
    for (size_t i = 0; i < o->vars.count; i++) {
        argv[n++] = "--vars";
        argv[n++] = arena_print(mem, "%s=%s", sorted[i].name, sorted[i].value).ptr;
    }
    return argv;
}

str vars_json(struct arena *mem, const struct job_order *o)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 16 << 20);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (size_t i = 0; i < o->vars.count; i++)
        json_field_str(&w, str_of(o->vars.items[i].name), str_of(o->vars.items[i].value));
    json_end_object(&w);
    return buf_str(&b);
}

static size_t last_place(str in, str part)
{
    size_t found = in.len;
    for (size_t at = 0; at + part.len <= in.len; at++)
        if (memcmp(in.ptr + at, part.ptr, part.len) == 0)
            found = at;
    return found;
}

/* "…\n  text": a blank for a line's end and what indents the next. */
static str unwrapped(struct arena *mem, str text)
{
    struct buf b;
    buf_init(&b, mem, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\n') {
            buf_char(&b, text.ptr[i]);
            continue;
        }
        while (i + 1 < text.len && text.ptr[i + 1] == ' ')
            i++;
        buf_char(&b, ' ');
    }
    return buf_str(&b);
}

str failed_step(struct arena *mem, str output_end)
{
    str flag = STR("--from-step '");
    size_t at = last_place(output_end, flag);
    if (at == output_end.len)
        return STR_NONE;
    str rest = unwrapped(mem, str_sub(output_end, at + flag.len, output_end.len));
    size_t end = last_place(rest, STR("' -s '"));
    if (end == rest.len)
        end = last_place(rest, STR("'"));
    return str_clip(str_sub(rest, 0, end), 500);
}
