/* The first line to a job: all that it needs to know (runner.h, runner.md §4, §6). */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "runner/service.h"
#include "runner/which.h"

/* Ours, whatever the globs of PASS_ENV say (runner.md §6.5). */
static bool never_passed(str name)
{
    static const char *const ours[] = { "RUNNER_*", "GIT_SSH_*", "GIT_HTTPS_*", "ATMOS_REPO_*",
                                        "CALLBACK_*", "LD_*" };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (glob_match(str_of(ours[i]), name))
            return true;
    return false;
}

str passed_environment(struct arena *mem, str globs)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, 1 << 19);
    json_out_init(&w, &b);
    json_begin_object(&w);
    for (char **each = environ; *each; each++) {
        str value, name = str_cut(str_of(*each), '=', &value);
        if (list_matches(globs, name) && !never_passed(name))
            json_field_str(&w, name, value.ptr ? value : STR(""));
    }
    json_end_object(&w);
    return buf_str(&b);
}

/* Where what is kept is; a run still reaches its own folder. */
str hidden_paths(struct arena *mem, const struct runner_settings *c)
{
    struct buf b;
    struct json_out w;
    char real[PATH_MAX];
    buf_init(&b, mem, 1 << 16);
    json_out_init(&w, &b);
    json_begin_array(&w);
    json_put_str(&w, c->state_dir.text);
    json_put_str(&w, c->work_dir.text);
    size_t i = 0;
    for (const char *path; (path = settings_secret_file(mem, &i));)
        if (realpath(path, real))
            json_put_str(&w, str_of(real));
    json_end_array(&w);
    return buf_str(&b);
}

static void put_list(struct json_out *w, const char *name, str list)
{
    json_key(w, str_of(name));
    json_begin_array(w);
    for (str item; list_next(&list, &item);)
        json_put_str(w, item);
    json_end_array(w);
}

static void put_repo(struct json_out *w, const struct runner_settings *c, str ref)
{
    json_key(w, STR("repo"));
    json_begin_object(w);
    json_field_str(w, STR("url"), c->repo_url.text);
    json_field_str(w, STR("branch"), c->repo_branch.text);
    json_field_str(w, STR("ref"), ref.ptr ? ref : STR(""));
    json_field_i64(w, STR("depth"), c->clone_depth.n);
    json_field_bool(w, STR("submodules"), c->clone_submodules.n);
    json_field_str(w, STR("knownHosts"), c->repo_known_hosts.text);
    json_field_str(w, STR("sshKey"), c->ssh_key.text);
    json_field_str(w, STR("httpsToken"), c->https_token.text);
    json_field_bool(w, STR("allowLocal"), c->allow_local_repo.n);
    json_end_object(w);
}

static void put_secret(struct json_out *w, str secret)
{
    if (secret.len)
        json_put_str(w, secret);
}

/* What must never leave: of the service, of the platform, and of whoever named a variable so. */
static void put_masks(struct json_out *w, const struct runner_settings *c,
                      const struct dispatch *d)
{
    str key = c->ssh_key.text;
    json_key(w, STR("mask"));
    json_begin_array(w);
    put_secret(w, c->auth_token.text);
    put_secret(w, c->auth_token_previous.text);
    put_secret(w, c->https_token.text);
    put_secret(w, callback_token_secret(d->callback_token));
    for (str rest; key.len; key = rest) {
        str line = str_trim(str_cut(key, '\n', &rest));
        if (line.len && !str_starts(line, STR("-----")))
            json_put_str(w, line);
    }
    for (size_t i = 0; i < d->variable_count; i++)
        if (name_is_secret(d->variables[i].name))
            put_secret(w, d->variables[i].value);
    json_end_array(w);
}

static void put_limits(struct json_out *w, const struct runner_settings *c)
{
    json_field_i64(w, STR("stopGraceMs"), c->stop_grace.n);
    json_field_i64(w, STR("cloneTimeoutMs"), c->clone_timeout.n);
    json_field_i64(w, STR("logMaxBytes"), c->log_max.n);
    json_key(w, STR("limits"));
    json_begin_object(w);
    json_field_i64(w, STR("memoryBytes"), c->memory_max.n);
    json_field_i64(w, STR("processes"), c->processes_max.n);
    json_field_i64(w, STR("fileBytes"), c->file_size_max.n);
    json_end_object(w);
}

static void put_program(struct json_out *w, const char *name, str program)
{
    char path[4096];
    json_field_str(w, str_of(name), which(program, path, sizeof path) ? str_of(path) : program);
}

static void put_files(struct service *s, struct json_out *w, struct arena *mem, str id)
{
    json_field_str(w, STR("workDir"),
                   arena_print(mem, PRI_STR "/" PRI_STR, FMT_STR(s->settings.work_dir.text),
                               FMT_STR(id)));
    json_field_str(w, STR("logFile"), journal_log_path(&s->journal, mem, id));
    json_field_str(w, STR("lockFile"), journal_lock_path(&s->journal, mem, id));
}

str job_order_text(struct service *s, struct arena *mem, const struct run *r,
                   const struct accepted *a, int64_t deadline_ms)
{
    const struct runner_settings *c = &s->settings;
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, JOB_ORDER_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("runId"), str_of(r->id));
    json_field_str(&w, STR("workflow"), a->d.workflow);
    json_field_str(&w, STR("stack"), a->d.stack);
    json_field_str(&w, STR("workflowFile"), a->d.workflow_file);
    json_field_bool(&w, STR("dryRun"), a->d.dry_run);
    json_field_raw(&w, STR("vars"), json_raw(a->variables));
    put_files(s, &w, mem, str_of(r->id));
    put_repo(&w, c, a->d.ref);
    put_program(&w, "atmos", c->atmos_bin.text);
    put_program(&w, "git", c->git_bin.text);
    json_field_str(&w, STR("varsMode"), c->vars_mode.text);
    put_list(&w, "exportPlain", c->vars_export_plain.text);
    json_field_bool(&w, STR("tfvar"), c->vars_tfvar.n);
    json_field_raw(&w, STR("env"), s->passed_env);
    put_masks(&w, c, &a->d);
    json_field_raw(&w, STR("hide"), s->hidden);
    json_field_i64(&w, STR("deadlineMs"), deadline_ms);
    put_limits(&w, c);
    json_field_str(&w, STR("keepWorkspace"), c->keep_workspace.text);
    json_end_object(&w);
    return buf_ok(&b) ? buf_str(&b) : STR_NONE;
}
