/*
 * address: where callbacks may go (runner.md §5.2). The text of an address is judged here; the
 * machine that its name leads to is judged when a call connects (http/client.h, public_only), and
 * once before a dispatch is accepted, so that who dispatches is told.
 */
#ifndef SIGNALBOX_RUNNER_ADDRESS_H
#define SIGNALBOX_RUNNER_ADDRESS_H
#include "runner/settings.h"

enum { CALLBACK_URL_BYTES_MAX = 2048 };

struct callback_place {
    str      host;              /* without brackets */
    uint16_t port;
    bool     is_https;
    bool     private_allowed;   /* named by the operator, who allows private ones */
};

/* NULL, or why this address is refused: one sentence. out is in mem. */
const char *callback_place(struct arena *mem, const struct runner_settings *s, str url,
                           struct callback_place *out);

/*
 * Looks the name up, for at most wait_ms. NULL when every address is allowed, or when nothing is
 * known in time: the call itself is judged again. Else a sentence.
 */
const char *callback_lookup(const struct callback_place *place, int64_t wait_ms);

#endif
