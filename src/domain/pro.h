/*
 * pro: what an instance's `settings.pro` block says (atmos-pro.md §8).
 */
#ifndef SIGNALBOX_DOMAIN_PRO_H
#define SIGNALBOX_DOMAIN_PRO_H
#include "base/json.h"

/* What asks for workflows: an event key and an activity of it. */
/*
 * "pull_request" "merged", "release" "published", "merge_group" "checks_requested",
 * "drift_detection" "detect"
 */
struct trigger { str event, activity; };

struct pro_workflow { str file; struct json inputs; };     /* inputs: object or absent */

/* True when the block exists and `enabled` is not boolean false (§8.6). */
bool pro_enabled(struct json pro);
/*
 * The workflow files configured for the trigger, in document order; both
 * `<activity>.workflows.<file>` and `<activity>.<file>` (§8.5). merge_group falls back to
 * pull_request.synchronize (§8.2). File names with a slash, a leading dot or dash, or longer than
 * 255 bytes are returned too: dispatching refuses them by name. Returns the count (0: none or not
 * enabled).
 */
size_t pro_workflows(struct arena *mem, struct json pro, struct trigger t,
                     struct pro_workflow **out);
/* drift_detection.enabled is boolean true, and the block is enabled. */
bool pro_drift_enabled(struct json pro);
/*
 * For an inventory upload (§13.5): drift on needs at least one workflow under detect and one under
 * remediate. Adds one detail per problem to e ("stack prod, component vpc: …") and sets ERR_DRIFT.
 * True when all is well.
 */
bool pro_drift_check(struct arena *mem, str stack, str component, struct json pro, struct err *e);

#endif
