/*
 * err: failures as values.
 *
 * A function that can fail returns bool and takes `struct err *` last. False means the error is
 * filled in; there is no second place to look. The code is from a closed table, so that HTTP
 * status, errorTag, exit code and retry are decided once. The first failure wins; callers add
 * context with fail_ctx, never replace it. Library code never logs errors: whoever stands at the
 * top (dispatcher, engine, main) does, once.
 */
#ifndef SIGNALBOX_BASE_ERR_H
#define SIGNALBOX_BASE_ERR_H
#include <errno.h>
#include <stdbool.h>

/*
 * code                   errorTag on the wire        http exit retry   meaning for the caller
 * (atmos-pro.md §3, §24 no. 16)
 */
#define ERR_TABLE(X) \
    X(ERR_NONE,              "Ok",                       200, 0, false) \
    X(ERR_INVALID,           "ValidationError",          400, 2, false) /* the request is wrong: fix it and resend */ \
    X(ERR_DRIFT,             "DriftDetectionValidationError", 400, 2, false) /* drift on without its workflows */ \
    X(ERR_NOT_ACTIONS,       "NotGitHubActionsSession",  400, 2, false) /* this call needs a session of a workflow */ \
    X(ERR_TOKEN,             "InvalidToken",             401, 3, false) \
    X(ERR_TOKEN_EXPIRED,     "TokenExpired",             401, 3, false) \
    X(ERR_TOKEN_REPLAYED,    "TokenReplayed",            401, 3, false) \
    X(ERR_SIGNATURE,         "InvalidSignature",         401, 3, false) /* webhook without a valid signature */ \
    X(ERR_SIGN_IN,           "SignInRefused",            401, 3, false) /* name or password is wrong */ \
    X(ERR_DENIED,            "PermissionDenied",         403, 3, false) \
    X(ERR_CSRF,              "CsrfRefused",              403, 3, false) /* not from a page of ours */ \
    X(ERR_REPO_FOREIGN,      "RepositoryNotInWorkspace", 403, 3, false) \
    X(ERR_REPO_MISMATCH,     "RepositoryMismatch",       403, 3, false) \
    X(ERR_NOT_FOUND,         "NotFound",                 404, 4, false) \
    X(ERR_WORKSPACE_UNKNOWN, "WorkspaceNotFound",        404, 4, false) \
    X(ERR_APP_MISSING,       "AppNotInstalled",          404, 4, false) \
    X(ERR_INSTANCE_UNKNOWN,  "InstanceNotFound",         404, 4, false) \
    X(ERR_LOCK_UNKNOWN,      "LockNotFound",             404, 4, false) \
    X(ERR_METHOD,            "MethodNotAllowed",         405, 2, false) \
    X(ERR_TIMEOUT,           "RequestTimeout",           408, 7, false) \
    X(ERR_CONFLICT,          "Conflict",                 409, 5, false) /* the state moved: read it again */ \
    X(ERR_LOCKED,            "LockAlreadyExists",        409, 5, false) \
    X(ERR_BATCH_MISMATCH,    "BatchMismatch",            409, 5, false) /* chunks of one upload disagree */ \
    X(ERR_LIMIT,             "PayloadTooLarge",          413, 6, false) /* over a documented bound */ \
    X(ERR_MEDIA,             "UnsupportedMediaType",     415, 2, false) \
    X(ERR_ATTEMPTS,          "TooManyAttempts",          429, 7, false) /* signing in: Retry-After says when */ \
    X(ERR_HEADERS,           "HeadersTooLarge",          431, 6, false) \
    X(ERR_INTERNAL,          "InternalError",            500, 9, true)  /* our fault; details only in the log */ \
    X(ERR_UPSTREAM,          "UpstreamError",            502, 8, true)  /* a forge failed */ \
    X(ERR_BUSY,              "Unavailable",              503, 7, true)  /* try later, nothing happened */ \
    X(ERR_STORAGE,           "StorageUnavailable",       503, 7, true)  /* database gone or disk full; nothing stored */

enum err_code {
#define X(code, ...) code,
    ERR_TABLE(X)
#undef X
    ERR_CODES
};

enum { ERR_TEXT_BYTES = 512, ERR_DETAILS_MAX = 51 };

/* Filled by the function that fails first. */
struct err {
    enum err_code code;
    int           sys;                  /* errno at the point of failure, or 0 */
    const char   *where;                /* "file.c:123" */
    char          text[ERR_TEXT_BYTES]; /* safe to show to the caller, except for ERR_INTERNAL */
    const char   *detail[ERR_DETAILS_MAX]; /* validationErrors; in the caller's arena */
    unsigned      details;
};

const char *err_tag(enum err_code c);
int         err_http(enum err_code c);
int         err_exit(enum err_code c);
bool        err_retry(enum err_code c);

#define ERR_STR_(x) #x
#define ERR_STR(x)  ERR_STR_(x)
#define ERR_HERE    __FILE__ ":" ERR_STR(__LINE__)

/*
 * All return false, so that a failure is one line:  return fail(e, ERR_NOT_FOUND, "no lock %s",
 * key);
 */
#define fail(e, code, ...)     err_set((e), (code), 0, ERR_HERE, __VA_ARGS__)
#define fail_errno(e, ...)     err_set((e), ERR_INTERNAL, errno, ERR_HERE, __VA_ARGS__)
bool err_set(struct err *e, enum err_code c, int sys, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 5, 6), cold, nonnull(1)));
/* On the way up: return fail_ctx(e, "claiming lane %s", id);  prefixes the text, keeps the code. */
bool fail_ctx(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), cold, nonnull(1)));
/*
 * Adds one line to the list of validation errors (past 50: "… and more"); the text is kept by the
 * caller's arena.
 */
void err_detail(struct err *e, const char *text);
void err_clear(struct err *e);

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
