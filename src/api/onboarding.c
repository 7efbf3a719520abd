/*
 * The first steps of a new house, and which of them are done: each is judged by what stands in the
 * database, so that it does not matter who took it, or how.
 */
#include "api/call.h"

#include "store/rows.h"
#include "store/tokens.h"

enum { WRONG_CHARS_MAX = 400 };

struct step { const char *id; bool done; int64_t at_ms; str wrong; const char *hint; };

/* ---- the steps ------------------------------------------------------------------------------- */

/* An App from the configuration has no row of its own, and no time. */
static bool look_app(struct call *c, struct db *db, struct step *s, str *slug)
{
    struct db_rows r;
    if (!db_query(db, c->mem, &c->err, &r, "select value, updated_ms from app_value where name = $1",
                  ARGS(A(STR(APP_VALUE_SLUG)))))
        return false;
    s->done = atomic_load(&c->api->app_ready);
    s->at_ms = r.count ? row_i64(&r, 0, 1) : 0;
    *slug = r.count ? row_str(&r, 0, 0) : c->api->config.app_slug;
    s->hint = "Create the GitHub App with one click: GitHub asks for its name and hands over its "
              "keys, which are stored encrypted here.";
    return true;
}

static bool look_install(struct call *c, struct db *db, struct step *s)
{
    struct db_rows r;
    if (!db_query(db, c->mem, &c->err, &r,
                  "select account, suspended, deleted_ms, updated_ms from installation order by "
                  "case when deleted_ms is null and suspended = 0 then 0 else 1 end, updated_ms "
                  "desc limit 1",
                  NO_ARGS))
        return false;
    s->hint = "Install the App on the account that the repositories belong to, and choose them.";
    s->done = r.count && !row_bool(&r, 0, 1) && row_null(&r, 0, 2);
    if (s->done)
        s->at_ms = row_i64(&r, 0, 3);
    else if (r.count)
        s->wrong = arena_print(c->mem, "the App was %s on " PRI_STR,
                               row_null(&r, 0, 2) ? "suspended" : "removed",
                               FMT_STR(row_str(&r, 0, 0)));
    return true;
}

static bool look_import(struct call *c, struct db *db, struct step *s)
{
    struct db_rows r;
    if (!db_query(db, c->mem, &c->err, &r,
                  "select count(*), min(created_ms) from repository where workspace_id = $1 and "
                  "($2 = 0 or id = $2) and removed_ms is null",
                  ARGS(A(c->who.workspace_id), A(c->who.repository_id))))
        return false;
    s->hint = "Repositories of the installation appear by themselves; others are imported by name.";
    s->done = row_i64(&r, 0, 0) > 0;
    s->at_ms = row_i64(&r, 0, 1);
    return true;
}

/* A workflow was read that can be dispatched, or one was dispatched. */
static bool look_workflows(struct call *c, struct db *db, struct step *s)
{
    struct db_rows r, bad;
    if (!db_query(db, c->mem, &c->err, &r,
                  "select min(f.read_ms) from workflow_file f join repository r on r.id = "
                  "f.repository_id where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and f.blob "
                  "<> '' and f.body like '%workflow_dispatch%'",
                  ARGS(A(c->who.workspace_id), A(c->who.repository_id))) ||
        !db_query(db, c->mem, &c->err, &bad,
                  "select n.error_text from node n join batch b on b.seq = n.batch_seq join "
                  "repository r on r.id = b.repository_id where r.workspace_id = $1 and ($2 = 0 or "
                  "r.id = $2) and b.seq in (select seq from batch order by seq desc limit 5) and "
                  "n.state = 'error' and n.error_text <> '' order by n.changed_ms desc limit 1",
                  ARGS(A(c->who.workspace_id), A(c->who.repository_id))))
        return false;
    s->hint = "Commit these workflow files to the default branch, and name them in settings.pro of "
              "the stacks. This step is done when the first batch has found them.";
    s->done = !row_null(&r, 0, 0);
    s->at_ms = row_i64(&r, 0, 0);
    if (bad.count)
        s->wrong = str_clip(row_str(&bad, 0, 0), WRONG_CHARS_MAX);
    return true;
}

static bool look_upload(struct call *c, struct db *db, struct step *s)
{
    struct db_rows r, newest;
    if (!db_query(db, c->mem, &c->err, &r,
                  "select min(u.received_ms) from upload u join repository r on r.id = "
                  "u.repository_id where r.workspace_id = $1 and ($2 = 0 or r.id = $2) and u.state "
                  "<> 'refused'",
                  ARGS(A(c->who.workspace_id), A(c->who.repository_id))) ||
        !db_query(db, c->mem, &c->err, &newest,
                  "select u.note from upload u join repository r on r.id = u.repository_id where "
                  "r.workspace_id = $1 and ($2 = 0 or r.id = $2) and u.state in ('refused', "
                  "'expired') and not exists (select 1 from upload n where n.repository_id = "
                  "u.repository_id and n.received_ms > u.received_ms and n.state not in "
                  "('refused', 'expired')) order by u.received_ms desc limit 1",
                  ARGS(A(c->who.workspace_id), A(c->who.repository_id))))
        return false;
    s->hint = "Open a pull request that changes a component: its workflow uploads what is affected.";
    s->done = !row_null(&r, 0, 0);
    s->at_ms = row_i64(&r, 0, 0);
    if (newest.count && row_str(&newest, 0, 0).len)
        s->wrong = str_clip(row_str(&newest, 0, 0), WRONG_CHARS_MAX);
    return true;
}

/* ---- the workflow files ---------------------------------------------------------------------- */

#define ATMOS_ENV                                                                                  \
    "    env:\n"                                                                                   \
    "      ATMOS_PRO_BASE_URL: " PRI_STR "\n"                                                      \
    "      ATMOS_PRO_WORKSPACE_ID: " PRI_STR "\n"
#define RUN_FILE                                                                                   \
    "name: %s\n"                                                                                   \
    "run-name: %s ${{ inputs.component }}/${{ inputs.stack }}/${{ inputs.atmos_pro_run_id }}\n"     \
    "on:\n"                                                                                        \
    "  workflow_dispatch:\n"                                                                       \
    "    inputs:\n"                                                                                \
    "      component: { type: string, required: true }\n"                                          \
    "      stack: { type: string, required: true }\n"                                              \
    "      sha: { type: string, required: true }\n"                                                \
    "      atmos_pro_run_id: { type: string }\n"                                                   \
    "jobs:\n"                                                                                      \
    "  %s:\n"                                                                                      \
    "    runs-on: ubuntu-latest\n"                                                                 \
    "    permissions: { contents: read, id-token: write }\n" ATMOS_ENV                             \
    "      COMPONENT: ${{ inputs.component }}\n"                                                   \
    "      STACK: ${{ inputs.stack }}\n"                                                           \
    "    steps:\n"                                                                                 \
    "      - uses: actions/checkout@v4\n"                                                          \
    "        with: { ref: \"${{ inputs.sha }}\" }\n"                                               \
    "      - uses: cloudposse/github-action-setup-atmos@v2\n"                                      \
    "      - run: atmos terraform %s \"$COMPONENT\" -s \"$STACK\" --upload-status\n"
#define AFFECTED_FILE                                                                              \
    "name: affected\n"                                                                             \
    "on:\n"                                                                                        \
    "  pull_request:\n"                                                                            \
    "    types: [opened, synchronize, reopened, closed]\n"                                         \
    "jobs:\n"                                                                                      \
    "  affected:\n"                                                                                \
    "    runs-on: ubuntu-latest\n"                                                                 \
    "    permissions: { contents: read, id-token: write }\n" ATMOS_ENV                             \
    "    steps:\n"                                                                                 \
    "      - uses: actions/checkout@v4\n"                                                          \
    "        with: { fetch-depth: 0 }\n"                                                           \
    "      - uses: cloudposse/github-action-setup-atmos@v2\n"                                      \
    "      - run: atmos describe affected --upload\n"

static void put_file(struct json_out *w, const char *path, str text)
{
    json_begin_object(w);
    json_field_str(w, STR("path"), str_of(path));
    json_field_str(w, STR("text"), text);
    json_end_object(w);
}

static void put_files(struct call *c)
{
    struct json_out *w = &c->data;
    str url = c->api->config.public_url, workspace = c->who.workspace_id;
    json_key(w, STR("workflowFiles"));
    json_begin_array(w);
    put_file(w, ".github/workflows/atmos-terraform-plan.yaml",
             arena_print(c->mem, RUN_FILE, "plan", "plan", "plan", FMT_STR(url),
                         FMT_STR(workspace), "plan"));
    put_file(w, ".github/workflows/atmos-terraform-apply.yaml",
             arena_print(c->mem, RUN_FILE, "apply", "apply", "apply", FMT_STR(url),
                         FMT_STR(workspace), "apply"));
    put_file(w, ".github/workflows/atmos-affected.yaml",
             arena_print(c->mem, AFFECTED_FILE, FMT_STR(url), FMT_STR(workspace)));
    json_end_array(w);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void put_steps(struct json_out *w, const struct step *s, size_t count)
{
    json_key(w, STR("steps"));
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w);
        json_field_str(w, STR("id"), str_of(s[i].id));
        json_field_bool(w, STR("done"), s[i].done);
        json_field_time(w, STR("at"), s[i].at_ms);
        json_field_str(w, STR("wrong"), s[i].done ? STR_NONE : s[i].wrong);
        json_field_str(w, STR("hint"), str_of(s[i].hint));
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_app(struct call *c, const struct step *app, str slug)
{
    struct json_out *w = &c->data;
    const struct api_config *k = &c->api->config;
    json_key(w, STR("app"));
    if (!app->done || !slug.len) {
        json_put_null(w);
    } else {
        json_begin_object(w);
        json_field_str(w, STR("slug"), slug);
        json_field_str(w, STR("installUrl"),
                       arena_print(c->mem, PRI_STR "/apps/" PRI_STR "/installations/new",
                                   FMT_STR(k->forge_web), FMT_STR(slug)));
        json_end_object(w);
    }
    /* Its code makes whoever has it the owner of the App: admins alone may have it. */
    bool open = !app->done && k->github && k->seal_key && c->who.right == RIGHT_ADMIN;
    json_field_str(w, STR("setupUrl"),
                   open ? arena_print(c->mem, PRI_STR "/setup%s" PRI_STR, FMT_STR(k->public_url),
                                      k->setup_code.len ? "?code=" : "", FMT_STR(k->setup_code))
                        : STR_NONE);
}

enum outcome api_onboarding(struct call *c)
{
    struct step s[] = { { .id = "app" },       { .id = "install" }, { .id = "import" },
                        { .id = "workflows" }, { .id = "upload" } };
    str slug = STR_NONE;
    struct db *db = call_read(c);
    if (!db)
        return FAILED;
    bool ok = look_app(c, db, &s[0], &slug) && look_install(c, db, &s[1]) &&
              look_import(c, db, &s[2]) && look_workflows(c, db, &s[3]) &&
              look_upload(c, db, &s[4]);
    engine_read_done(c->api->config.engine, db);
    if (!ok)
        return FAILED;
    json_begin_object(&c->data);
    put_steps(&c->data, s, sizeof s / sizeof s[0]);
    put_app(c, &s[0], slug);
    put_files(c);
    json_end_object(&c->data);
    return ANSWERED;
}
