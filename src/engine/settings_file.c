/*
 * settings_file: .github/signalbox.yaml of the default branch, read when the repository is imported
 * and when a push may have changed it. What it names counts from then on; what is wrong with it is
 * kept beside it and shown, and changes nothing.
 */
#include "domain/settings_file.h"

#include "base/log.h"
#include "engine/inside.h"
#include "store/actions.h"
#include "store/audit.h"
#include "store/repositories.h"

bool settings_file_want(struct step *s, struct err *e)
{
    return !s->lane->has_repo ||
           step_effect(s, "read_settings", STR(SETTINGS_FILE), STR("{}"), 0, e);
}

bool settings_file_prepare(struct step *s, const struct effect *f)
{
    outbox_add(s, f->id,
               &(struct forge_call){ .kind = FORGE_READ_FILE,
                                     .ref = s->lane->repo.default_branch,
                                     .etag = STR(""),
                                     .path = STR(SETTINGS_FILE) },
               STR(""));
    return true;
}

static bool audit(struct step *s, str settings, str wrong, struct err *e)
{
    const struct lane_repo *r = &s->lane->repo;
    struct audit_entry a = {
        .workspace_id = r->workspace_id,
        .repository_id = s->lane->id,
        .action = STR("repository.settings_changed"),
        .actor_type = STR("system"),
        .actor = STR("signalbox"),
        .target_type = STR("repository"),
        .target = arena_print(s->mem, PRI_STR "/" PRI_STR, FMT_STR(r->owner), FMT_STR(r->name)),
        .description = wrong.len ? arena_print(s->mem, SETTINGS_FILE " is not used: " PRI_STR,
                                               FMT_STR(wrong))
                                 : STR("as " SETTINGS_FILE " says"),
        .metadata = arena_print(s->mem, "{\"from\":\"" SETTINGS_FILE "\",\"settings\":" PRI_STR "}",
                                FMT_STR(settings)),
    };
    return audit_add(s->db, s->mem, &a, s->now_ms, e);
}

static bool audit_action(struct step *s, const char *action, str name, struct err *e)
{
    return step_audit(s, "action", action, "system", STR("signalbox"), STR("action"), name,
                      STR("as " SETTINGS_FILE " says"), e);
}

/* The file's actions become these: those that it no longer has are gone. */
static bool keep_actions(struct step *s, struct json actions, struct err *e)
{
    struct action_row *row;
    struct json v;
    str name;
    size_t count;
    bool unused;
    if (!actions_of(s->db, s->mem, s->lane->id, STR(ACTION_FROM_FILE), &row, &count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!json_present(json_get(actions, row[i].name)) &&
            (!actions_remove(s->db, s->lane->id, row[i].name, STR(ACTION_FROM_FILE), &unused, e) ||
             !audit_action(s, "action.removed", row[i].name, e)))
            return false;
    for (struct json_iter it = json_iter(actions); json_next(&it, s->mem, &name, &v);) {
        struct action_row put = { name, STR(ACTION_FROM_FILE), json_raw(v) };
        size_t at = 0;
        while (at < count && !str_eq(row[at].name, name))
            at++;
        if (at < count && str_eq(row[at].definition, put.definition))
            continue;
        if (!actions_put(s->db, s->mem, s->lane->id, &put, STR(SETTINGS_FILE), s->now_ms, &unused,
                         e) ||
            !audit_action(s, "action.set", name, e))
            return false;
    }
    return true;
}

/* Also one that is gone: what it named is set by API again. */
bool settings_file_answered(struct step *s, enum forge_outcome outcome, struct json result,
                            str message, struct err *e)
{
    struct lane_repo *r = &s->lane->repo;
    struct err why = { 0 };
    struct json actions = { 0 };
    str settings = STR("{}"), wrong = STR("");
    bool there = outcome == FORGE_OK && json_bool_or(json_get(result, STR("found")), false);
    if (outcome != FORGE_OK && outcome != FORGE_NOT_FOUND) {
        settings = r->file_settings;
        wrong = arena_print(s->mem, "it cannot be read: " PRI_STR, FMT_STR(message));
    } else if (there && !settings_file_read(s->mem, json_str(json_get(result, STR("text")), s->mem),
                                            &settings, &actions, &why)) {
        settings = r->file_settings;
        wrong = settings_file_wrong(s->mem, &why);
    }
    if (!wrong.len && !keep_actions(s, actions, e))
        return false;
    if (str_eq(settings, r->file_settings) && str_eq(wrong, r->file_note))
        return true;
    log_info("settings of the repository's file", LI("lane", s->lane->id), LS("settings", settings),
             LS("wrong", wrong));
    /* read again, with all that is held, in a step of its own */
    atomic_store(&s->lane->reload, true);
    s->more = true;
    return repositories_set_file(s->db, s->lane->id, settings, wrong, e) &&
           audit(s, settings, wrong, e);
}
