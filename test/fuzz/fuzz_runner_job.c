/*
 * What a job reads from outside: the output of a workflow through the masks (a byte for the size of the
 * chunks, secrets that end in NUL, an empty one, the output), and the words of git. No secret comes
 * out, and the chunks make no difference.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "runner/job_clone.h"
#include "runner/job_env.h"
#include "runner/job_git_words.h"
#include "runner/job_helper.h"

enum { SECRETS_MOST = 8, SECRET_BYTES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void to_buf(void *to, str text) { buf_add(to, text); }

static str fed(struct arena *mem, const struct mask_set *set, str text, size_t chunk)
{
    struct buf out;
    buf_init(&out, mem, 4 * text.len + 64);
    struct mask_stream m = { .set = set, .sink = to_buf, .to = &out };
    for (size_t at = 0; at < text.len; at += chunk)
        mask_feed(&m, str_sub(text, at, at + chunk));
    mask_flush(&m);
    return buf_str(&out);
}

static void check_masks(struct arena *mem, str in)
{
    struct mask_set set = { 0 };
    str secrets[SECRETS_MOST], rest = in;
    size_t count = 0, chunk = in.len ? (unsigned char)in.ptr[0] % 31 + 1 : 1;
    rest = str_sub(rest, 1, rest.len);
    while (count < SECRETS_MOST && rest.len > 0) {
        str secret = str_clip(str_cut(rest, '\0', &rest), SECRET_BYTES);
        if (secret.len == 0)
            break;
        mask_add(&set, secret);
        secrets[count++] = str_trim(secret);
    }
    mask_ready(&set);
    str out = fed(mem, &set, rest, chunk);
    assert(str_eq(out, fed(mem, &set, rest, rest.len + 1)));
    for (size_t i = 0; i < count; i++)  /* one with a star may arise from what replaces another */
        if (secrets[i].len >= MASK_LEAST_BYTES && str_find(secrets[i], '*', 0) == secrets[i].len)
            assert(!str_has(out, secrets[i]));
    mask_free(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *mem = arena_new(64 << 20, 256 << 20);
    str in = { (const char *)data, n }, rest, port;
    struct err e = { 0 };
    check_masks(mem, in);
    assert(failed_step(mem, in).len <= 500);
    str url = str_cut(in, '\n', &rest);
    struct git_trouble t = git_trouble(mem, rest, url, STR("main"));
    assert(t.text.len > 0);
    str host = url_host(mem, url, &port);
    if (repo_address_check(url, false, &e))
        assert(host.len > 0 && host.ptr[0] != '-');
    (void)askpass_prompt_is_of(arena_z(mem, in), arena_z(mem, host));
    arena_free(mem);
    return 0;
}
