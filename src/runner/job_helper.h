/*
 * job_helper: what git starts instead of an askpass script and of ssh itself: links to our own
 * program, told apart by their names, so that no shell and no script is needed.
 */
#ifndef SIGNALBOX_RUNNER_JOB_HELPER_H
#define SIGNALBOX_RUNNER_JOB_HELPER_H
#include "base/err.h"

#define HELPER_ASKPASS "signalbox-askpass"
#define HELPER_SSH     "signalbox-ssh"
/* Their environment. */
#define ASKPASS_FD     "SIGNALBOX_ASKPASS_FD"       /* where the token can be read */
#define ASKPASS_HOST   "SIGNALBOX_ASKPASS_HOST"     /* host[:port] that may have it */
#define SSH_CONFIG     "SIGNALBOX_SSH_CONFIG"       /* the only configuration that ssh reads */

/* Most forges take any name with a token. */
#define ASKPASS_USER   "x-access-token"

/* Links to our program in `dir`. */
bool helper_links(const char *dir, struct err *e) MUST_CHECK;
/* Does the prompt of git ("Password for 'https://user@host': ") ask on behalf of that host? */
bool askpass_prompt_is_of(const char *prompt, const char *host);

#endif
