/*
 * log: one line a thing to stderr: time level message key=value … (or JSON). The message is a
 * constant, data stands in key=value pairs, so that logs can be searched. Control characters in
 * values are escaped; values are cut at 1 KiB. Thread-safe; a line is one write.
 *
 *     log_info("webhook stored", LS("event", ev), LS("delivery", id), LI("bytes", n));
 */
#ifndef SIGNALBOX_BASE_LOG_H
#define SIGNALBOX_BASE_LOG_H
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_pair { const char *key; str s; int64_t n; bool is_number; };
#define LS(k, v) ((struct log_pair){ .key = (k), .s = (v) })
#define LZ(k, v) ((struct log_pair){ .key = (k), .s = str_of(v) })
#define LI(k, v) ((struct log_pair){ .key = (k), .n = (int64_t)(v), .is_number = true })

void log_setup(enum log_level least, bool as_json);
bool log_wants(enum log_level level);
void log_line(enum log_level level, const char *message, const struct log_pair *pairs,
              size_t count);

#define LOG_PAIRS(...) (const struct log_pair[]){ __VA_ARGS__ }, \
                       sizeof((const struct log_pair[]){ __VA_ARGS__ }) / sizeof(struct log_pair)
#define log_at(level, message, ...) \
    do { if (log_wants(level)) log_line((level), (message), LOG_PAIRS(__VA_ARGS__)); } while (0)
#define log_debug(message, ...) log_at(LOG_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...)  log_at(LOG_INFO, message, __VA_ARGS__)
#define log_warn(message, ...)  log_at(LOG_WARN, message, __VA_ARGS__)
#define log_error(message, ...) log_at(LOG_ERROR, message, __VA_ARGS__)

#endif
