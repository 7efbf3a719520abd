/*
 * rig: the command line with its machine held in the hands (streams, environment, clock), and a
 * server that answers from a script and writes down what was asked.
 */
#ifndef SIGNALBOX_TEST_CLI_RIG_H
#define SIGNALBOX_TEST_CLI_RIG_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail
#undef fail_msg

#include "cli/inside.h"
#include "http/server.h"

#define fail_msg(...)                                                                              \
    (print_error("ERROR: " __VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#define NOW    "2026-11-21T12:00:00Z"
#define NOW_MS 1795262400000

/* One answer; the n-th request gets the n-th, later ones the last again. */
struct step {
    const char *request;  /* "POST /api/v1/locks {…}": what is expected; NULL: anything */
    const char *data;     /* of a 200, as JSON; NULL: no data */
    int status;           /* 0: 200 */
    const char *envelope; /* instead: the whole body */
};

struct rig {
    /* given */
    const struct step *steps;
    size_t step_count;
    bool terminal, colours;
    unsigned columns;
    const char *env[8][2];
    bool full; /* stdout takes nothing */
    const char *folder;
    int64_t start_ms; /* 0: NOW_MS */
    /* seen */
    int code;
    char *out, *err;     /* freed by the next run */
    char asked[1 << 16]; /* requests, one a line */
    size_t asked_len, requests, authorized, keyed;
    char last_key[64];
    bool same_key;
    int64_t slept_ms;
    /* the machine */
    struct http_server *server;
    char url[64];
    int64_t now_ms;
};
extern struct rig rig;

int rig_setup(void **state); /* of a group */
int rig_teardown(void **state);
int rig_fresh(void **state); /* of a test: forgets, and sets SIGNALBOX_URL and _TOKEN */
void rig_env(const char *name, const char *value); /* NULL: not set */
int run(const char *first, ...);                   /* words, ending with NULL; the exit code */
int run_words(const char *const *words);
void script(const struct step *steps, size_t count);
#define SCRIPT(...)                                                                                \
    script((const struct step[]){__VA_ARGS__},                                                     \
           sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))
void assert_has(const char *text, const char *part);
void assert_lacks(const char *text, const char *part);

#endif
