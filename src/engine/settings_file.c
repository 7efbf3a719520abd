/*
 * settings_file: .github/signalbox.yaml of the default branch, read when the repository is imported
 * and when a push may have changed it. What it names counts from then on; what is wrong with it is
 * kept beside it and shown, and changes nothing.
 */
#include "domain/settings_file.h"

#include "base/log.h"
#include "engine/inside.h"
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

/* Also one that is gone: what it named is set by API again. */
bool settings_file_answered(struct step *s, enum forge_outcome outcome, struct json result,
                            str message, struct err *e)
{
    struct lane_repo *r = &s->lane->repo;
    struct err why = { 0 };
    str settings = STR("{}"), wrong = STR("");
    bool there = outcome == FORGE_OK && json_bool_or(json_get(result, STR("found")), false);
    if (outcome != FORGE_OK && outcome != FORGE_NOT_FOUND) {
        settings = r->file_settings;
        wrong = arena_print(s->mem, "it cannot be read: " PRI_STR, FMT_STR(message));
    } else if (there && !settings_file_read(s->mem, json_str(json_get(result, STR("text")), s->mem),
                                            &settings, &why)) {
        settings = r->file_settings;
        wrong = settings_file_wrong(s->mem, &why);
    }
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
