/*
 * node_words: why a node stands as it does, in one short sentence: for tables, the graph and the
 * stream of changes. The whole chain is domain/explain.h's.
 */
#ifndef SIGNALBOX_DOMAIN_NODE_WORDS_H
#define SIGNALBOX_DOMAIN_NODE_WORDS_H
#include "base/arena.h"
#include "domain/node.h"

/*
 * Plain text in mem, empty when there is nothing to say that its state does not say. `inert`, `gate`
 * (JSON) and `error_text` are those of its row (store/nodes.h).
 */
str node_reason(struct arena *mem, enum node_state state, str inert, str gate, str error_text);

#endif
