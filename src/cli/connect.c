/* The server: its address, the token, one request at a time, and what its refusals mean. */
#include "cli/inside.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/rfc3339.h"
#include "base/secret.h"

enum { TRIES = 3, TRY_AGAIN_MS = 500, TOKEN_BYTES_MAX = 4096, ANSWER_BYTES_MAX = 64 << 20 };

static str env(const struct cli *c, const char *name)
{
    const char *v = c->edge->env(c->edge->ctx, name);
    return v ? str_of(v) : STR_NONE;
}

/* --- address --- */

static bool is_loopback(str server)
{
    str host = str_sub(server, STR("http://").len, server.len);
    return str_starts(host, STR("127.")) || str_starts(host, STR("localhost")) ||
           str_starts(host, STR("[::1]"));
}

static bool read_server(struct cli *c)
{
    str s = opt_text(c, "server");
    if (!s.len)
        s = env(c, "SIGNALBOX_URL");
    if (!s.len)
        s = STR("http://127.0.0.1:8080");
    while (str_ends(s, STR("/")))
        s = str_sub(s, 0, s.len - 1);
    if (!str_starts(s, STR("http://")) && !str_starts(s, STR("https://")))
        return fail(&c->err, ERR_INVALID,
                    "the server's address must begin with https:// or http://, got " PRI_STR,
                    FMT_STR(safe(c, str_sub(s, 0, 100))));
    if (str_find(s, '@', 0) < s.len)
        return fail(&c->err, ERR_INVALID,
                    "the server's address must not have a name or password in it: use a token");
    if (str_find(s, '?', 0) < s.len || str_find(s, '#', 0) < s.len)
        return fail(&c->err, ERR_INVALID, "the server's address must end before any ? or #");
    c->server = s;
    return true;
}

/* --- token --- */

static bool token_file(struct cli *c, str path, bool must, str *out)
{
    struct err e = {0};
    struct stat st;
    const char *z = arena_z(c->mem, path);
    if (!io_read_file(c->mem, z, TOKEN_BYTES_MAX, out, &e)) {
        if (e.code == ERR_NOT_FOUND && !must)
            return true;
        return fail(&c->err, ERR_TOKEN, "the token cannot be read from " PRI_STR ": %s",
                    FMT_STR(safe(c, path)), e.text);
    }
    if (stat(z, &st) == 0 && (st.st_mode & 077))
        say(c, "note: others can read " PRI_STR ": chmod 600 it\n", FMT_STR(safe(c, path)));
    c->token_from = path;
    return true;
}

static str token_path(struct cli *c)
{
    str base = env(c, "XDG_CONFIG_HOME");
    if (base.len && base.ptr[0] == '/') /* others are to be ignored, says the XDG's rule */
        return arena_print(c->mem, PRI_STR "/signalbox/token", FMT_STR(base));
    base = env(c, "HOME");
    return base.len ? arena_print(c->mem, PRI_STR "/.config/signalbox/token", FMT_STR(base))
                    : STR_NONE;
}

static bool read_token(struct cli *c)
{
    str file = opt_text(c, "token-file"), text = STR_NONE, usual = token_path(c);
    if (str_eq(file, STR("-"))) {
        c->token_from = STR("standard input");
        if (!io_read_open(c->mem, STDIN_FILENO, "standard input", TOKEN_BYTES_MAX, &text, &c->err))
            return false;
    } else if (file.ptr) {
        if (!token_file(c, file, true, &text))
            return false;
    } else if (env(c, "SIGNALBOX_TOKEN").len) {
        c->token_from = STR("SIGNALBOX_TOKEN");
        text = env(c, "SIGNALBOX_TOKEN");
    } else if (usual.len && !token_file(c, usual, false, &text)) {
        return false;
    }
    c->token = str_trim(text);
    for (size_t i = 0; i < c->token.len; i++)
        if (c->token.ptr[i] <= 0x20 || c->token.ptr[i] == 0x7f)
            return fail(&c->err, ERR_TOKEN,
                        "the token from " PRI_STR
                        " has blanks or other characters that no token has",
                        FMT_STR(safe(c, c->token_from)));
    return true;
}

bool connection_read(struct cli *c)
{
    c->timeout_ms = 30000;
    if (!read_server(c) || !opt_ms(c, "timeout", &c->timeout_ms) || !read_token(c))
        return false;
    if (c->timeout_ms < 1)
        return fail(&c->err, ERR_INVALID, "--timeout must be longer than nothing");
    if (c->token.len && str_starts(c->server, STR("http://")) && !is_loopback(c->server))
        say(c, "note: the token goes to " PRI_STR " in clear text: use https\n",
            FMT_STR(safe(c, c->server)));
    return true;
}

bool have_token(struct cli *c)
{
    return c->token.len ||
           fail(&c->err, ERR_TOKEN,
                "there is no token: set SIGNALBOX_TOKEN, or put it into " PRI_STR
                " (`signalbox bootstrap` on the server makes the first one)",
                FMT_STR(
                    safe(c, token_path(c).len ? token_path(c) : STR("a file for --token-file"))));
}

static bool start_client(struct cli *c)
{
    str ca = opt_text(c, "ca-file");
    if (!ca.len)
        ca = env(c, "SIGNALBOX_CA_FILE");
    struct http_client_config config = {.ca_file = ca.len ? arena_z(c->mem, ca) : NULL,
                                        .user_agent = "signalbox/" CLI_VERSION};
    return c->client || http_client_start(&config, &c->client, &c->err);
}

void connection_close(struct cli *c)
{
    if (c->client)
        http_client_stop(c->client);
    c->client = NULL;
}

/* --- paths --- */

static bool is_unreserved(char b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '-' ||
           b == '.' || b == '_' || b == '~';
}

str path_part(struct arena *mem, str s)
{
    struct buf b;
    buf_init(&b, mem, s.len * 3 + 1);
    for (size_t i = 0; i < s.len; i++)
        if (is_unreserved(s.ptr[i]))
            buf_char(&b, s.ptr[i]);
        else
            buf_print(&b, "%%%02X", (unsigned)(unsigned char)s.ptr[i]);
    /* A path may not be climbed: "." and ".." have to stay names. */
    if (str_eq(s, STR(".")) || str_eq(s, STR("..")))
        return s.len == 1 ? STR("%2E") : STR("%2E%2E");
    return buf_str(&b);
}

void query_add(struct buf *path, const char *name, str value)
{
    if (!value.len)
        return;
    buf_char(path, str_find(buf_str(path), '?', 0) < path->len ? '&' : '?');
    buf_add(path, str_of(name));
    buf_char(path, '=');
    buf_add(path, path_part(path->mem, value));
}

/* --- one request --- */

static bool no_answer(struct cli *c, const struct ask *a, const struct http_answer *h)
{
    bool harmless = a->method == HTTP_GET || a->once;
    str why = safe(c, str_of(h->why));
    if (h->outcome == HTTP_NOT_SENT)
        return fail(&c->err, ERR_BUSY,
                    "the server at " PRI_STR " cannot be reached: " PRI_STR
                    ". Is it running? `signalbox doctor` looks closer",
                    FMT_STR(safe(c, c->server)), FMT_STR(why));
    return fail(&c->err, ERR_UPSTREAM, "the server at " PRI_STR " gave no answer: " PRI_STR ". %s",
                FMT_STR(safe(c, c->server)), FMT_STR(why),
                harmless ? "Trying again does no harm"
                         : "It may have taken effect: look before you try again");
}

static enum err_code code_of_tag(str tag, int status)
{
    for (int k = ERR_NONE + 1; k < ERR_CODES; k++)
        if (str_eq(tag, str_of(err_tag((enum err_code)k))))
            return (enum err_code)k;
    for (int k = ERR_NONE + 1; k < ERR_CODES;
         k++) /* a newer server's tag: its status tells enough */
        if (err_http((enum err_code)k) == status)
            return (enum err_code)k;
    return status >= 500 ? ERR_INTERNAL : ERR_INVALID;
}

static bool refused(struct cli *c, const struct reply *r)
{
    c->trace = json_str(json_get(r->envelope, STR("traceId")), c->mem);
    str tag = json_str(json_get(r->envelope, STR("errorTag")), c->mem),
        message = json_str(json_get(r->envelope, STR("errorMessage")), c->mem);
    struct json list = json_path(r->envelope, "data.validationErrors"), item;
    struct json_iter it = json_iter(list);
    str key;
    (void)fail(
        &c->err, code_of_tag(tag, r->status), PRI_STR,
        FMT_STR(str_clip(message.len ? safe(c, message)
                                     : arena_print(c->mem, "the server answered %d", r->status),
                         ERR_TEXT_BYTES - 1)));
    while (json_next(&it, c->mem, &key, &item))
        err_detail(&c->err,
                   arena_z(c->mem, safe(c, json_kind(item) == JSON_STRING ? json_str(item, c->mem)
                                                                          : json_raw(item))));
    return false;
}

static bool understand(struct cli *c, const struct http_answer *h, struct reply *r)
{
    struct err e = {0};
    r->status = h->status;
    r->body = h->body;
    r->server_date = http_answer_header(h, STR("Date"));
    if (h->cut)
        return fail(&c->err, ERR_LIMIT, "the answer is larger than %d MiB: ask for less at once",
                    ANSWER_BYTES_MAX >> 20);
    if (!json_parse(c->mem, h->body, 0, &r->envelope, &e) ||
        json_kind(r->envelope) != JSON_OBJECT ||
        !json_present(json_get(r->envelope, STR("success"))))
        return fail(&c->err, ERR_UPSTREAM,
                    "what answers at " PRI_STR
                    " (status %d) is no Signalbox: check the address, and what stands in between",
                    FMT_STR(safe(c, c->server)), h->status);
    r->data = json_get(r->envelope, STR("data"));
    if (h->status < 200 || h->status > 299 ||
        !json_bool_or(json_get(r->envelope, STR("success")), false))
        return refused(c, r);
    return true;
}

static size_t headers_of(struct cli *c, const struct ask *a, struct http_header h[3])
{
    uint8_t key[16];
    size_t n = 0;
    if (c->token.len && !a->open)
        h[n++] = (struct http_header){STR("Authorization"),
                                      arena_print(c->mem, "Bearer " PRI_STR, FMT_STR(c->token))};
    if (a->body.ptr)
        h[n++] = (struct http_header){STR("Content-Type"), STR("application/json")};
    if (a->once) {
        random_bytes(key, sizeof key);
        h[n++] = (struct http_header){STR("Idempotency-Key"),
                                      hex_write(c->mem, (str){(const char *)key, sizeof key})};
    }
    return n;
}

/*
 * 503 says that nothing happened. Without an answer only what does no harm twice may be repeated.
 */
static bool worth_another(const struct ask *a, const struct http_answer *h)
{
    if (h->outcome == HTTP_ANSWERED)
        return h->status == 503;
    return h->outcome == HTTP_UNKNOWN && a->once;
}

bool call_server(struct cli *c, const struct ask *a, struct reply *r)
{
    struct http_header headers[3];
    struct http_answer h = {0};
    *r = (struct reply){0};
    err_clear(&c->err);
    c->trace = STR_NONE;
    c->by_server = true;
    if ((!a->open && !have_token(c)) || !start_client(c))
        return false;
    struct http_call call = {
        .method = a->method,
        .url = arena_print(c->mem, PRI_STR PRI_STR, FMT_STR(c->server), FMT_STR(a->path)),
        .headers = headers,
        .header_count = headers_of(c, a, headers),
        .body = a->body,
        .timeout_ms = c->timeout_ms,
        .body_max = ANSWER_BYTES_MAX};
    for (int tries = 1;; tries++) {
        http_call_wait(c->client, c->mem, &call, &h);
        if (tries == TRIES || !worth_another(a, &h))
            break;
        c->edge->sleep_ms(c->edge->ctx, TRY_AGAIN_MS * tries);
    }
    r->outcome = h.outcome;
    c->now_ms = c->edge->now_ms(c->edge->ctx);
    if (h.outcome == HTTP_ANSWERED ? !understand(c, &h, r) : !no_answer(c, a, &h))
        return false;
    c->by_server = false;
    return true;
}

bool get_data(struct cli *c, str path, struct reply *r)
{
    struct ask a = {.method = HTTP_GET, .path = path};
    return call_server(c, &a, r);
}

/* --- failing --- */

static const char *hint(const struct cli *c)
{
    switch ((int)c->err.code) {
    case ERR_TOKEN:
    case ERR_TOKEN_EXPIRED:
        return c->token.len ? "an admin makes a new token with: signalbox token create" : NULL;
    case ERR_DENIED:
        return "signalbox doctor shows what the token may do";
    default:
        return NULL;
    }
}

int report(struct cli *c)
{
    const char *more = hint(c);
    say(c, "%ssignalbox:%s %s\n", c->colour_err ? "\033[31;1m" : "", c->colour_err ? "\033[0m" : "",
        c->err.text);
    for (unsigned i = 0; i < c->err.details; i++)
        say(c, "  - %s\n", c->err.detail[i]);
    if (c->trace.len)
        say(c, "trace id: " PRI_STR "\n", FMT_STR(safe(c, c->trace)));
    if (more)
        say(c, "hint: %s\n", more);
    return err_exit(c->err.code);
}

int usage(struct cli *c, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    say(c, "signalbox: %s\n", text);
    if (c->verb)
        say(c, "usage: signalbox %s %s\nSee: signalbox help %s\n", c->verb->name,
            c->verb->arguments, c->verb->name);
    return err_exit(ERR_INVALID);
}

int failed(struct cli *c)
{
    return c->err.code == ERR_INVALID && !c->by_server ? usage(c, "%s", c->err.text) : report(c);
}
