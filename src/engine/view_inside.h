/* view_inside: between view.c and view_deep.c. */
#ifndef SIGNALBOX_ENGINE_VIEW_INSIDE_H
#define SIGNALBOX_ENGINE_VIEW_INSIDE_H
#include "engine/view.h"

bool view_deep_batch(const struct view *v, const struct batch_whole *w, struct node_view *n,
                     struct batch_view *out, struct err *e) MUST_CHECK;
bool view_deep_change(const struct view *v, const struct change_event *ev, size_t count,
                      struct change_view *out, struct err *e) MUST_CHECK;

#endif
