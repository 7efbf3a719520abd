#include "runner/job_line.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/secret.h"

enum { TELL_WAIT_MS = 30000 };

/* False when the time is over. An interrupted wait goes on. */
static bool wait_for(int fd, short what, int64_t until_ms)
{
    for (;;) {
        int64_t left = until_ms - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = what};
        int n = poll(&p, 1, left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
        if (n > 0)
            return true;
        if (n == 0 && left <= 60000)
            return false;
    }
}

/* One read; false when there was nothing. */
static bool take(struct job_line *l)
{
    ssize_t n = recv(l->fd, l->in + l->len, JOB_ORDER_BYTES_MAX - l->len, MSG_DONTWAIT);
    if (n > 0)
        l->len += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        l->gone = true;
    return n > 0;
}

bool line_first(struct job_line *l, int64_t wait_ms, str *out, struct err *e)
{
    l->in = malloc(JOB_ORDER_BYTES_MAX);
    if (!l->in)
        abort();
    int64_t until = clock_mono_ms() + wait_ms;
    for (;;) {
        size_t end = str_find((str){l->in, l->len}, '\n', 0);
        if (end < l->len) {
            *out = (str){l->in, end};
            return true;
        }
        if (l->len == JOB_ORDER_BYTES_MAX)
            return fail(e, ERR_LIMIT, "the order of the service is longer than %d bytes",
                        JOB_ORDER_BYTES_MAX);
        if (l->gone || !wait_for(l->fd, POLLIN, until))
            return fail(e, ERR_TIMEOUT, "no order came over descriptor %d: signalbox runner starts "
                                        "this process, nobody else", l->fd);
        take(l);
    }
}

void line_first_done(struct job_line *l)
{
    size_t end = str_find((str){l->in, l->len}, '\n', 0);
    if (end == l->len)
        return;
    secret_wipe(l->in, end + 1);
    memmove(l->in, l->in + end + 1, l->len - end - 1);
    l->len -= end + 1;
}

static void obey(struct job_line *l, str line)
{
    struct arena *mem = arena_new(64 << 10, 8 << 20);
    struct json at;
    struct err e = {0};
    if (json_parse(mem, line, 8, &at, &e)) {
        str order = json_str(json_get(at, STR("order")), mem);
        l->cancel |= str_eq(order, STR(JOB_ORDER_CANCEL));
        l->stop |= str_eq(order, STR(JOB_ORDER_STOP));
    }
    arena_free(mem);
}

void line_read(struct job_line *l)
{
    while (!l->gone && take(l)) {
        for (size_t end; (end = str_find((str){l->in, l->len}, '\n', 0)) < l->len;) {
            obey(l, (str){l->in, end});
            memmove(l->in, l->in + end + 1, l->len - end - 1);
            l->len -= end + 1;
        }
        if (l->len == JOB_ORDER_BYTES_MAX)
            l->gone = true;         /* no service of ours says that */
    }
}

bool line_wants_end(const struct job_line *l) { return l->gone || l->cancel || l->stop; }

bool line_pause(struct job_line *l, int64_t wait_ms)
{
    for (int64_t until = clock_mono_ms() + wait_ms; !line_wants_end(l); line_read(l))
        if (!wait_for(l->fd, POLLIN, until))
            return false;
    return true;
}

void line_tell(struct job_line *l, str object)
{
    int64_t until = clock_mono_ms() + TELL_WAIT_MS;
    str parts[] = {object, STR("\n")};
    for (size_t i = 0; i < 2; i++)
        for (str left = parts[i]; left.len > 0 && !l->gone;) {
            ssize_t n = send(l->fd, left.ptr, left.len, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n > 0)
                left = str_sub(left, (size_t)n, left.len);
            else if (errno != EINTR && (errno != EAGAIN || !wait_for(l->fd, POLLOUT, until)))
                l->gone = true;
        }
}

void line_close(struct job_line *l)
{
    free(l->in);
    l->in = NULL;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}
