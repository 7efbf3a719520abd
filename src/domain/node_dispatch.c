#include "domain/node_dispatch.h"

#include "base/secret.h"

enum { WORKFLOW_BYTES_MAX = 128, BODY_BYTES_MAX = 256 << 10 };

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool node_workflow(str file, str *name)
{
    static const str endings[] = { STR_INIT(".yaml"), STR_INIT(".yml") };
    *name = file;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (str_ends(file, endings[i])) {
            *name = str_sub(file, 0, file.len - endings[i].len);
            break;
        }
    if (!name->len || name->len > WORKFLOW_BYTES_MAX || !is_plain(name->ptr[0]) ||
        str_has(*name, STR("..")) || str_eq(*name, STR("help")))
        return false;
    for (size_t i = 0; i < name->len; i++)
        if (!is_plain(name->ptr[i]) && !memchr(" ._/{}-", name->ptr[i], 7))
            return false;
    return true;
}

str node_run_uuid(struct arena *mem, str run_id)
{
    str hex = sha256_hex(mem, run_id);
    static const char variants[] = "89ab";
    char variant = variants[(unsigned char)hex.ptr[16] & 3];
    return arena_print(mem, "%.8s-%.4s-8%.3s-%c%.3s-%.12s", hex.ptr, hex.ptr + 8, hex.ptr + 13,
                       variant, hex.ptr + 17, hex.ptr + 20);
}

int64_t runner_minutes(int64_t timeout_ms)
{
    int64_t minutes = timeout_ms / 60000, less = minutes / 12 > 1 ? minutes / 12 : 1;
    minutes = minutes - less > 1 ? minutes - less : 1;
    return minutes < RUNNER_MINUTES_MAX ? minutes : RUNNER_MINUTES_MAX;
}

bool node_dispatch_body(struct arena *mem, const struct node_send *s, str *out)
{
    const struct node_order *o = s->order;
    struct buf b;
    struct json_out w;
    buf_init(&b, mem, BODY_BYTES_MAX);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("runId"), s->run_id);
    json_field_str(&w, STR("workflow"), o->workflow);
    json_field_str(&w, STR("stack"), o->stack);
    json_field_raw(&w, STR("vars"), o->vars);
    json_field_str(&w, STR("callbackUrl"), s->callback_url);
    json_field_str(&w, STR("callbackToken"), s->callback_token);
    json_field_bool(&w, STR("waitForCompletion"), true);
    if (o->ref.len)
        json_field_str(&w, STR("ref"), o->ref);
    json_field_i64(&w, STR("timeoutMinutes"), o->minutes);
    json_field_bool(&w, STR("progress"), true);
    json_field_str(&w, STR("project"), o->project);
    json_end_object(&w);
    *out = buf_str(&b);
    return buf_ok(&b);
}
