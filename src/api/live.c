/*
 * GET /api/v1/live: the door to the stream of changes. Who comes in has been let through the gate
 * like any other reader; the right is looked at again while the stream is open.
 */
#include "api/live.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"

enum { FIRST_CHECK_MS = 20 * 1000, THREAD_STACK_BYTES = 512 << 10, CHECK_BYTES = 1 << 20 };

/* ---- coming and going; the lock is held ----------------------------------------------------------- */

static struct scope *scope_of(struct live *l, int64_t workspace, int64_t repository)
{
    struct scope *s = l->scopes;
    while (s && (s->workspace != workspace || s->repository != repository))
        s = s->next;
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        abort();
    *s = (struct scope){l->scopes, workspace, repository, .since = l->seq};
    l->scopes = s;
    return s;
}

struct batch_key {
    str id;
    int64_t seq, repository;
};

static struct watched *watched_of(struct live *l, int64_t workspace, const struct batch_key *k)
{
    struct watched *w = l->watched;
    while (w && w->seq != k->seq)
        w = w->next;
    if (w)
        return w;
    w = calloc(1, sizeof *w);
    if (!w)
        abort();
    *w = (struct watched){
        .next = l->watched, .workspace = workspace, .repository = k->repository, .seq = k->seq};
    memcpy(w->id, k->id.ptr, k->id.len < sizeof w->id ? k->id.len : sizeof w->id - 1);
    l->watched = w;
    return w;
}

static void watched_left(struct live *l, struct watched *gone)
{
    if (!gone || --gone->listeners)
        return;
    struct watched **at = &l->watched;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    free(gone->told);
    free(gone);
}

static char *keep_header(const struct http_request *r, str name)
{
    str value = http_header_get(r, name);
    char *z = malloc(value.len + 1);
    if (!z)
        abort();
    if (value.len)
        memcpy(z, value.ptr, value.len);
    z[value.len] = '\0';
    return z;
}

static void forget_header(char *z)
{
    secret_wipe(z, strlen(z));
    free(z);
}

void live_listener_gone(struct live *l, struct listener **at)
{
    struct listener *x = *at;
    *at = x->next;
    l->count--;
    if (--x->scope->listeners == 0)
        x->scope->left_ms = clock_mono_ms();
    watched_left(l, x->watched);
    http_stream_end(x->stream);
    forget_header(x->authorization);
    forget_header(x->cookie);
    free(x);
}

static uint64_t person_of(const struct caller *who)
{
    return str_hash(who->type) ^ str_hash(who->name) * 3 ^ str_hash(who->token_id) * 5;
}

/* Streams that were closed over there count until somebody has noticed. */
static bool room_for(struct live *l, struct call *c, uint64_t person)
{
    unsigned open = 0, own = 0;
    for (const struct listener *x = l->listeners; x; x = x->next) {
        bool is_open = http_stream_open(x->stream);
        open += is_open;
        own += is_open && x->person == person;
    }
    if (l->stopping)
        return fail(&c->err, ERR_BUSY, "the server is stopping: connect again in a moment");
    if (open >= l->streams_max)
        return fail(&c->err, ERR_BUSY,
                    "%u streams are open, and this server gives no more (live_streams_max): ask "
                    "every few seconds instead",
                    open);
    if (own >= l->person_max)
        return fail(&c->err, ERR_BUSY,
                    "you have %u streams open, and more are not given to one person "
                    "(live_streams_person_max): close a tab",
                    own);
    return true;
}

/* ---- what was missed ------------------------------------------------------------------------------ */

static void send_text(struct http_stream *s, str text)
{
    struct http_bytes *b = http_bytes_new(text);
    (void)http_stream_send(s, b);
    http_bytes_drop(b);
}

/* Everything after `after` is in the ring, or was never made for this scope. */
static bool can_resume(const struct live *l, const struct scope *s, str after, uint64_t *seq)
{
    return live_id_read(l->boot, after, seq) && *seq <= l->seq && *seq >= s->since &&
           *seq >= l->ring_lost;
}

static void catch_up(struct live *l, struct arena *mem, const struct listener *x, str after)
{
    uint64_t seq;
    bool resumes = after.len && can_resume(l, x->scope, after, &seq);
    for (size_t i = 0; resumes && i < l->ring_count; i++) {
        const struct past *p = &l->ring[(l->ring_first + i) % RING_MAX];
        if (p->seq > seq && p->workspace == x->scope->workspace &&
            p->repository == x->scope->repository)
            (void)http_stream_send(x->stream, p->bytes);
    }
    if (after.len && !resumes)
        send_text(x->stream, live_event(l, mem, l->seq, "resync", STR("{}")));
    /* Who hears nothing else knows from here on what it has heard. */
    send_text(x->stream, arena_print(mem, "retry: 2000\nid: %s-%llu\n\n", l->boot,
                                     (unsigned long long)l->seq));
}

/* ---- the thread behind it ------------------------------------------------------------------------- */

static bool start_thread(struct live *l, struct err *e)
{
    pthread_attr_t attr;
    if (l->started)
        return true;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    l->started = pthread_create(&l->thread, &attr, live_hub, l) == 0;
    pthread_attr_destroy(&attr);
    return l->started || fail(e, ERR_BUSY, "a thread could not be started: try again");
}

/* The engine is asked to tell before anybody is promised to hear. */
static bool begin_listening(struct live *l, struct err *e)
{
    SCOPED(unlock) pthread_mutex_t *one = lock_mutex(&l->listen_lock);
    if (l->stopping)
        return fail(e, ERR_BUSY, "the server is stopping: connect again in a moment");
    if (!start_thread(l, e))
        return false;
    if (atomic_load(&l->listening))
        return true;
    if (!engine_listen(l->api->config.engine, live_told, l, e))
        return false;
    atomic_store(&l->listening, true);
    return true;
}

/* ---- the request ---------------------------------------------------------------------------------- */

static bool find_batch(struct call *c, str id, struct batch_key *k)
{
    struct query q = {.workspace_id = c->who.workspace_id,
                      .repository_id = c->who.repository_id,
                      .now_ms = c->now_ms};
    int64_t nodes;
    bool found = false;
    struct db *db = call_read(c);
    if (!db)
        return false;
    bool ok = query_batch_key(db, c->mem, &q, id, &k->seq, &k->repository, &nodes, &found, &c->err);
    engine_read_done(c->api->config.engine, db);
    k->id = id;
    return ok && (found || fail(&c->err, ERR_NOT_FOUND, "there is no such batch"));
}

static struct listener *listener_new(struct call *c, struct live *l, const struct batch_key *k)
{
    struct listener *x = calloc(1, sizeof *x);
    int64_t workspace = (int64_t)str_hash(c->who.workspace_id);
    if (!x)
        abort();
    x->scope = scope_of(l, workspace, c->who.repository_id);
    x->scope->listeners++;
    x->person = person_of(&c->who);
    x->check_ms = clock_mono_ms() + FIRST_CHECK_MS;
    x->authorization = keep_header(c->request, STR("Authorization"));
    x->cookie = keep_header(c->request, STR("Cookie"));
    if (k->seq) {
        x->watched = watched_of(l, workspace, k);
        x->watched->listeners++;
        x->wants_all = l->some_want_all = true;
    }
    return x;
}

static bool let_in(struct call *c, struct live *l, const struct batch_key *k, str after)
{
    SCOPED(arena) struct arena *mem = arena_new(CHECK_BYTES, 16 * CHECK_BYTES);
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&l->lock);
    if (!room_for(l, c, person_of(&c->who)))
        return false;
    struct listener *x = listener_new(c, l, k);
    after = arena_copy(mem, after);
    x->stream = call_stream(c, STR("text/event-stream"));
    x->next = l->listeners;
    l->listeners = x;
    l->count++;
    catch_up(l, mem, x, after);
    pthread_cond_signal(&l->woken);
    return true;
}

enum outcome api_live(struct call *c)
{
    struct live *l = c->api->live;
    struct batch_key key = {0};
    str batch, after;
    if (!query_text(c, "batch", &batch) || !query_text(c, "after", &after))
        return FAILED;
    if (!after.len)
        after = http_header_get(c->request, STR("Last-Event-ID"));
    if (batch.len && !find_batch(c, batch, &key))
        return FAILED;
    if (c->request->method == HTTP_HEAD) {
        c->raw = STR("");
        c->raw_type = STR("text/event-stream");
        return ANSWERED;
    }
    /* What comes after the gate's look at the clock is heard. */
    if (!begin_listening(l, &c->err))
        return FAILED;
    return let_in(c, l, &key, after) ? LATER : FAILED;
}

bool live_may_listen(struct live *l, const struct listener *x)
{
    SCOPED(arena) struct arena *mem = arena_new(CHECK_BYTES, 16 * CHECK_BYTES);
    const struct http_header headers[] = {{STR("Authorization"), str_of(x->authorization)},
                                          {STR("Cookie"), str_of(x->cookie)}};
    struct http_header sent[2];
    struct http_request r = {.method = HTTP_GET,
                             .method_text = STR("GET"),
                             .path = STR("/api/v1/live"),
                             .target = STR("/api/v1/live"),
                             .headers = sent,
                             .peer = STR("stream"),
                             .mem = mem};
    for (size_t i = 0; i < 2; i++)
        if (headers[i].value.len)
            sent[r.header_count++] = headers[i];
    struct call *c = arena_make(mem, struct call, 1);
    c->api = l->api;
    c->request = &r;
    c->mem = mem;
    c->now_ms = engine_now_ms(l->api->config.engine);
    if (!authenticate(c))
        return err_http(c->err.code) != 401 && err_http(c->err.code) != 403;
    return c->who.right >= RIGHT_READ && c->who.repository_id == x->scope->repository &&
           (int64_t)str_hash(c->who.workspace_id) == x->scope->workspace;
}

/* ---- life ----------------------------------------------------------------------------------------- */

struct live *live_new(struct api *a)
{
    struct live *l = calloc(1, sizeof *l);
    pthread_condattr_t attr;
    uint8_t random[BOOT_CHARS / 2];
    if (!l)
        abort();
    l->api = a;
    l->streams_max = a->config.live_streams_max;
    l->person_max = a->config.live_streams_person_max;
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->listen_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->woken, &attr);
    pthread_condattr_destroy(&attr);
    random_bytes(random, sizeof random);
    str boot = hex_write(a->mem, (str){(const char *)random, sizeof random});
    memcpy(l->boot, boot.ptr, BOOT_CHARS);
    return l;
}

void live_say_bye(struct live *l)
{
    pthread_mutex_lock(&l->listen_lock);
    pthread_mutex_lock(&l->lock);
    bool started = l->started;
    l->stopping = true;
    l->started = false;
    pthread_cond_signal(&l->woken);
    pthread_mutex_unlock(&l->lock);
    pthread_mutex_unlock(&l->listen_lock);
    /* Without the locks: it may be about to take them. From here on nobody begins anew. */
    if (started)
        pthread_join(l->thread, NULL);
    if (atomic_exchange(&l->listening, false))
        engine_listen_end(l->api->config.engine);
    pthread_mutex_lock(&l->lock);
    while (l->listeners) {
        send_text(l->listeners->stream, STR("event: bye\ndata: {}\n\n"));
        live_listener_gone(l, &l->listeners);
    }
    pthread_mutex_unlock(&l->lock);
}

void live_check_soon(struct live *l)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&l->lock);
    for (struct listener *x = l->listeners; x; x = x->next)
        x->check_ms = 0;
    l->check_now = l->listeners != NULL;
    pthread_cond_signal(&l->woken);
}

unsigned live_count(struct live *l)
{
    SCOPED(unlock) pthread_mutex_t *held = lock_mutex(&l->lock);
    return l->count;
}

void live_free(struct live *l)
{
    if (!l)
        return;
    if (!l->stopping)
        live_say_bye(l);
    for (struct scope *s = l->scopes, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    for (; l->ring_count; l->ring_count--, l->ring_first = (l->ring_first + 1) % RING_MAX)
        http_bytes_drop(l->ring[l->ring_first].bytes);
    pthread_cond_destroy(&l->woken);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->listen_lock);
    free(l);
}
