/*
 * settings_file: settings kept in git, in .github/signalbox.yaml of the default branch:
 *
 *     threshold_hold: true
 *     threshold: 80
 *     actions:
 *       provision-tenant: { trigger: … }        (domain/action.h)
 *
 * What the file names is the file's: it counts instead of what was set by API, which refuses to
 * change it. A file with anything wrong in it changes nothing.
 */
#ifndef SIGNALBOX_DOMAIN_SETTINGS_FILE_H
#define SIGNALBOX_DOMAIN_SETTINGS_FILE_H
#include "domain/settings.h"

#define SETTINGS_FILE ".github/signalbox.yaml"
enum { SETTINGS_FILE_COMMITS = 20 };    /* a push of so many may leave some out */

/*
 * *out: a JSON object of the settings in the file and their values; {} for none. *actions: an object
 * of names and definitions. ERR_INVALID (with a detail for each that is wrong) and ERR_LIMIT as
 * settings_merge, action_read and yaml_parse say.
 */
bool settings_file_read(struct arena *mem, str text, str *out, struct json *actions,
                        struct err *e) MUST_CHECK;
/* What is wrong, in one line. */
str  settings_file_wrong(struct arena *mem, const struct err *e);
/* May this push (a webhook's payload) have changed the file? */
bool settings_file_touched(struct arena *mem, struct json push);

#endif
