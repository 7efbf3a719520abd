/*
 * The dashboard's pages, out of the program itself (tools/embed.c; web/). Every address of the table
 * below shows index.html, and the script in it draws the page; what it is made of lies under
 * /assets/, named by its content. There is no folder and no file behind any of them, so no path
 * leads out of anything.
 */
#include "api/call.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/embedded.h"

extern const struct embedded web_files[];
extern const size_t web_files_count;

enum { NONCE_BYTES = 16, GZIP_BYTES_LEAST = 18, INDEX_BYTES_MAX = 1 << 20 };

const struct route page_route = {HTTP_GET, "/{page*}", api_page, RIGHT_NOTHING,
                                 .doc = "A page of the dashboard, or a part of one."};

/* web/src/app/routes.tsx draws each of them. */
static const char *const page_paths[] = {
    "/deployments",
    "/batches/{batchId}",
    "/changes/{changeId}",
    "/runs/{runId}",
    "/repositories",
    "/repositories/{repositoryId}",
    "/repositories/{repositoryId}/settings",
    "/repositories/{repositoryId}/permissions",
    "/repositories/{repositoryId}/instances",
    "/repositories/{repositoryId}/uploads",
    "/repositories/{repositoryId}/webhooks",
    "/repositories/{repositoryId}/actions",
    "/instances",
    "/instances/{repositoryId}/{stack}/{component*}",
    "/locks",
    "/audit",
    "/budget",
    "/members",
    "/tokens",
    "/account",
    "/start",
    "/sign-in",
    "/welcome",
};

static const struct {
    const char *ending, *type;
} types[] = {
    {".css", "text/css; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".ico", "image/x-icon"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".png", "image/png"},
    {".svg", "image/svg+xml"},
    {".txt", "text/plain; charset=utf-8"},
    {".wasm", "application/wasm"},
    {".webmanifest", "application/manifest+json"},
    {".woff2", "font/woff2"},
};

struct pages {
    str index;
    char *bytes;
};

/* --- what is embedded --- */

static int by_name(const void *key, const void *at)
{
    const str *name = key;
    return str_cmp(*name, str_of(((const struct embedded *)at)->name));
}

/* index.html is none: it has to get its nonce first. */
static const struct embedded *part_of(str path)
{
    str name = str_sub(path, 1, path.len);
    if (!name.len || str_eq(name, STR("index.html")))
        return NULL;
    return bsearch(&name, web_files, web_files_count, sizeof web_files[0], by_name);
}

static str type_of(str name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (str_ends(name, str_of(types[i].ending)))
            return str_of(types[i].type);
    return STR("application/octet-stream");
}

/* The last four bytes of a gzip member say how long it was (RFC 1952 §2.3.1). */
static size_t plain_len(const struct embedded *f)
{
    const unsigned char *at = (const unsigned char *)f->bytes + f->len - 4;
    return f->len < GZIP_BYTES_LEAST
               ? 0
               : (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

static bool inflated(const struct embedded *f, char *to, size_t len)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)f->bytes,
                  .avail_in = (uInt)f->len,
                  .next_out = (Bytef *)to,
                  .avail_out = (uInt)len};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return false;
    bool whole = inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == len;
    inflateEnd(&z);
    return whole;
}

struct pages *pages_new(void)
{
    str name = STR("index.html");
    const struct embedded *f =
        bsearch(&name, web_files, web_files_count, sizeof web_files[0], by_name);
    struct pages *p = calloc(1, sizeof *p);
    assert(f && "the build put no index.html into the program");
    size_t len = plain_len(f);
    if (!p || !(p->bytes = malloc(len + 1)))
        abort();
    bool whole = inflated(f, p->bytes, len);
    assert(whole);
    p->index = (str){p->bytes, len};
    return p;
}

void pages_free(struct pages *p)
{
    if (!p)
        return;
    free(p->bytes);
    free(p);
}

/* --- which --- */

bool page_known(str path)
{
    str parts[PATH_PARTS_MAX];
    if (str_eq(path, STR("/")) || part_of(path))
        return true;
    for (size_t i = 0; i < sizeof page_paths / sizeof page_paths[0]; i++)
        if (path_matches(page_paths[i], path, parts))
            return true;
    return false;
}

static bool below(str path, str folder)
{
    return str_starts(path, folder) && (path.len == folder.len || path.ptr[folder.len] == '/');
}

bool page_for_unknown(const struct http_request *r)
{
    return (r->method == HTTP_GET || r->method == HTTP_HEAD) && !below(r->path, STR("/api")) &&
           !below(r->path, STR("/assets")) &&
           str_has(http_header_get(r, STR("Accept")), STR("text/html"));
}

static bool weighs_nothing(str weight)
{
    weight = str_trim(weight);
    if (weight.len < 3 || !str_eq_nocase(str_sub(weight, 0, 2), STR("q=")))
        return false;
    for (size_t i = 2; i < weight.len; i++)
        if (weight.ptr[i] != '0' && weight.ptr[i] != '.')
            return false;
    return true;
}

/* RFC 9110 §12.5.3: named, or by the asterisk, and not with the weight nought. */
static bool takes_gzip(const struct http_request *r)
{
    str rest = http_header_get(r, STR("Accept-Encoding"));
    bool any = false;
    while (rest.len) {
        str weight, name = str_trim(str_cut(str_cut(rest, ',', &rest), ';', &weight));
        if (str_eq_nocase(name, STR("gzip")) || str_eq_nocase(name, STR("x-gzip")))
            return !weighs_nothing(weight);
        any |= str_eq(name, STR("*")) && !weighs_nothing(weight);
    }
    return any;
}

/* Only inflating takes a while. */
bool page_on_loop(const struct http_request *r)
{
    return !part_of(r->path) || takes_gzip(r);
}

/* --- answers --- */

static void policy(struct call *c, str nonce)
{
    call_header(
        c, STR("Content-Security-Policy"),
        arena_print(c->mem,
                    "default-src 'none'; script-src 'self'; style-src 'self'%s" PRI_STR "%s; "
                    "img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
                    "manifest-src 'self'; base-uri 'none'; form-action 'self' " PRI_STR
                    "; frame-ancestors 'none'",
                    nonce.len ? " 'nonce-" : "", FMT_STR(nonce), nonce.len ? "'" : "",
                    FMT_STR(c->api->config.forge_web)));
    call_header(c, STR("Referrer-Policy"), STR("same-origin"));
    call_header(c, STR("Cross-Origin-Opener-Policy"), STR("same-origin"));
    call_header(c, STR("Cross-Origin-Resource-Policy"), STR("same-origin"));
}

static str with_nonce(struct call *c, str index, str nonce)
{
    struct buf b;
    str mark = STR("__NONCE__");
    buf_init(&b, c->mem, INDEX_BYTES_MAX);
    for (const char *at; (at = memmem(index.ptr, index.len, mark.ptr, mark.len));) {
        size_t before = (size_t)(at - index.ptr);
        buf_add(&b, str_sub(index, 0, before));
        buf_add(&b, nonce);
        index = str_sub(index, before + mark.len, index.len);
    }
    buf_add(&b, index);
    return buf_str(&b);
}

static void show_index(struct call *c)
{
    uint8_t random[NONCE_BYTES];
    random_bytes(random, sizeof random);
    str nonce = base64_write(c->mem, (str){(const char *)random, sizeof random});
    policy(c, nonce);
    call_header(c, STR("Permissions-Policy"),
                STR("camera=(), geolocation=(), microphone=(), payment=(), usb=()"));
    call_header(c, STR("Cache-Control"), STR("no-cache"));
    c->raw = with_nonce(c, c->api->pages->index, nonce);
    c->raw_type = STR("text/html; charset=utf-8");
}

static bool show_part(struct call *c, const struct embedded *f)
{
    str name = str_of(f->name);
    policy(c, STR_NONE);
    call_header(c, STR("Cache-Control"),
                str_starts(name, STR("assets/")) ? STR("public, max-age=31536000, immutable")
                                                 : STR("public, max-age=3600"));
    call_header(c, STR("Vary"), STR("Accept-Encoding"));
    c->raw_type = type_of(name);
    if (takes_gzip(c->request)) {
        call_header(c, STR("Content-Encoding"), STR("gzip"));
        c->raw = (str){f->bytes, f->len};
        return true;
    }
    size_t len = plain_len(f);
    char *plain = arena_make(c->mem, char, len + 1);
    if (arena_over(c->mem) || !inflated(f, plain, len))
        return fail(&c->err, ERR_INTERNAL, "a part of the pages cannot be unpacked");
    c->raw = (str){plain, len};
    return true;
}

enum outcome api_page(struct call *c)
{
    const struct embedded *f = part_of(c->request->path);
    if (f)
        return show_part(c, f) ? ANSWERED : FAILED;
    if (!page_known(c->request->path))
        c->status = 404;
    show_index(c);
    return ANSWERED;
}
