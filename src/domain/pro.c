#include "domain/pro.h"

#include "domain/text.h"

bool pro_enabled(struct json pro)
{
    return json_kind(pro) == JSON_OBJECT && json_bool_or(json_get(pro, STR("enabled")), true);
}

static bool is_file_name(str key)
{
    return str_ends(key, STR(".yml")) || str_ends(key, STR(".yaml"));
}

struct files {
    struct arena        *mem;
    struct pro_workflow *at;
    size_t               count, cap;
};

/* A file stands for itself with {} or null (no inputs); anything else there is not ours to guess
 * at. */
static void file_add(struct files *f, str file, struct json block)
{
    enum json_kind k = json_kind(block);
    if (file.len == 0 || (k != JSON_OBJECT && k != JSON_NULL))
        return;
    if (f->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 4;
        f->at = arena_grow(f->mem, f->at, f->cap, cap, sizeof *f->at);
        f->cap = cap;
    }
    struct json inputs = json_get(block, STR("inputs"));
    if (json_kind(inputs) != JSON_OBJECT)
        inputs = (struct json){ 0 };
    f->at[f->count++] = (struct pro_workflow){ .file = file, .inputs = inputs };
}

/* §8.5: `<activity>.workflows.<file>` or `<activity>.<file>`. Other keys are unknown and ignored
 * (§8.1). */
static void activity_read(struct files *f, struct json activity)
{
    struct json below = json_get(activity, STR("workflows"));
    bool direct = json_kind(below) != JSON_OBJECT;
    str key;
    struct json v;
    if (json_kind(activity) != JSON_OBJECT)
        return;
    for (struct json_iter it = json_iter(direct ? activity : below);
         json_next(&it, f->mem, &key, &v);)
        if (!direct || is_file_name(key))
            file_add(f, key, v);
}

static struct json activity_of(struct json pro, struct trigger t)
{
    struct json own = json_get(json_get(pro, t.event), t.activity);
    /* §8.2: the queue's own block, also an empty one, else what plans a push. */
    if (str_eq(t.event, STR("merge_group")) && json_kind(own) != JSON_OBJECT)
        return json_get(json_get(pro, STR("pull_request")), STR("synchronize"));
    return own;
}

size_t pro_workflows(struct arena *mem, struct json pro, struct trigger t,
                     struct pro_workflow **out)
{
    struct files f = { .mem = mem };
    if (pro_enabled(pro))
        activity_read(&f, activity_of(pro, t));
    *out = f.at;
    return f.count;
}

bool pro_drift_enabled(struct json pro)
{
    return pro_enabled(pro) && json_bool_or(json_path(pro, "drift_detection.enabled"), false);
}

bool pro_drift_check(struct arena *mem, str stack, str component, struct json pro, struct err *e)
{
    static const struct { str activity; const char *verb; } part[] = {
        { STR_INIT("detect"), "looks for drift" }, { STR_INIT("remediate"), "mends drift" } };
    if (!pro_drift_enabled(pro))
        return true;
    bool well = true;
    for (size_t i = 0; i < 2; i++) {
        struct pro_workflow *w;
        struct trigger t = { STR("drift_detection"), part[i].activity };
        if (pro_workflows(mem, pro, t, &w) > 0)
            continue;
        well = false;
        fail(e, ERR_DRIFT,
             "drift detection validation failed: each instance with drift detection on needs a "
             "detect workflow and a remediate workflow");
        if (e->details < ERR_DETAILS_MAX) {
            str s = text_plain(mem, stack, 200), c = text_plain(mem, component, 200);
            err_detail(e, arena_print(mem,
                                      "stack " PRI_STR ", component " PRI_STR
                                      ": drift detection is enabled but "
                                      "no workflow %s; add one under drift_detection.%s.workflows",
                                      FMT_STR(s), FMT_STR(c), part[i].verb, part[i].activity.ptr)
                              .ptr);
        }
    }
    return well;
}
