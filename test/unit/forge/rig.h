/*
 * rig: GitHub as a script. A small server answers each request by the first rule that fits and is
 * not used up, and writes down what it was sent. Time is virtual.
 *
 *     rig_when("GET", "/repos/acme/infra/pulls/7", 404, "{}");
 *     answer = rig_ask((struct forge_call){ .kind = FORGE_READ_PULL, .number = 7 });
 */
#ifndef SIGNALBOX_TEST_UNIT_FORGE_RIG_H
#define SIGNALBOX_TEST_UNIT_FORGE_RIG_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef fail
#undef fail_msg
#define fail_msg(...)                                                                              \
    (print_error("ERROR: " __VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#include "forge/inside.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define assert_str(got, want)                                                                      \
    do {                                                                                           \
        str got_ = (got), want_ = (want);                                                          \
        if (!str_eq(got_, want_))                                                                  \
            fail_msg("got \"%.*s\", want \"%.*s\"", FMT_STR(got_), FMT_STR(want_));                \
    } while (0)
#define assert_has(text, part)                                                                     \
    do {                                                                                           \
        str text_ = (text), part_ = (part);                                                        \
        if (!str_has(text_, part_))                                                                \
            fail_msg("\"%.*s\" is not in \"%.*s\"", FMT_STR(part_), FMT_STR(text_));               \
    } while (0)

enum { CLOSES = -1 };                       /* as status: reads the request, then cuts the line */

struct rule {
    const char *method, *target;            /* target: its beginning; "=…": all of it */
    int status;
    const char *body;                       /* "{BASE}" becomes the server's address */
    const char *headers;                    /* lines with \r\n each; "{BASE}" too */
    int times;                              /* 0: always */
    int used;
};

struct rig {
    uint16_t port;
    char base[64];
    struct http_client *client;
    struct github *github;
    struct forge_port forge;
    struct arena *mem;
    _Atomic int64_t now_ms;
    _Atomic int64_t shift_ms;               /* what the wall clock was set forth by; steady is not */
};
extern struct rig rig;

/*
 * Fixtures for cmocka: the key is made once a program; each test has a server and a port of its
 * own.
 */
int  rig_group_setup(void **state);
int  rig_group_teardown(void **state);
int  rig_setup(void **state);
int  rig_teardown(void **state);

struct rule *rig_rule(struct rule r);
/* A rule is written as far as it matters. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define rig_when(...) rig_rule((struct rule){ __VA_ARGS__ })
/* Calls, waits, and copies the answer into rig.mem. owner acme, name infra, installation 5 unless
 * given. */
struct forge_answer rig_ask(struct forge_call c);
/* The same of a port of its own; client and clock of `config` are set here. */
struct forge_answer rig_ask_other(struct github_config config, struct forge_call c);
/* How many requests had `part` in their text ("METHOD target\nheaders\n\nbody"). */
int  rig_seen(const char *part);
int  rig_requests(void);
str  rig_request(int n);                    /* the n-th from the end: 0 is the last */
void rig_forget(void);                      /* rules and requests */
struct json rig_json(str text);
str  rig_time(int64_t at_ms);               /* RFC 3339 */
const char *rig_pem(void);                  /* the App's private key */
str  rig_jwk(const char *kid);              /* its public half */
/* A token signed with the App's key, as GitHub Actions would. */
str  rig_token(const char *kid, const char *claims_json);

#endif
