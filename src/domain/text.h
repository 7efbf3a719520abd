/*
 * text: hostile text made fit for a sentence (an error, a reason, a loop's name). Markdown has its
 * own escaping in feedback.h.
 */
#ifndef SIGNALBOX_DOMAIN_TEXT_H
#define SIGNALBOX_DOMAIN_TEXT_H
#include "base/arena.h"

/*
 * Control characters, line separators, marks that turn or hide text, and bytes that are not UTF-8
 * become U+FFFD; cut to max_chars characters, the last one then being "…".
 */
str text_plain(struct arena *mem, str s, size_t max_chars);
/* Letters, digits and ._/- only, not empty, at most max bytes: one word to a shell, and no option. */
bool text_is_word(str s, size_t max);
/* 3,000 */
str text_number(struct arena *mem, int64_t n);
/* "247 stacks", "1 stack" */
str text_count(struct arena *mem, int64_t n, const char *one, const char *many);

/*
 * Which row of a table whose rows begin with their name (const char *) has this one; false: none.
 */
bool text_row(str name, const void *rows, size_t row_bytes, unsigned count, unsigned *at);

#endif
