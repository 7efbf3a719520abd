/* Which repository is meant. */
#include "cli/inside.h"

#include "base/io.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };

bool name_ok(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= 0x20 || s.ptr[i] == 0x7f || s.ptr[i] == '/')
            return false;
    return s.len > 0;
}

static bool split(struct cli *c, str full, const char *from, str *owner, str *name)
{
    *owner = str_cut(full, '/', name);
    return (name_ok(*owner) && name_ok(*name)) ||
           fail(&c->err, ERR_INVALID, "%s must be owner/repository, got " PRI_STR, from,
                FMT_STR(safe(c, str_sub(full, 0, 100))));
}

/* --- the clone that we stand in --- */

/* "git@host:owner/name.git", "https://host/owner/name", "ssh://git@host/owner/name.git" */
static bool origin_read(str url, str *owner, str *name)
{
    if (str_ends(url, STR(".git")))
        url = str_sub(url, 0, url.len - 4);
    *name = str_after_last(url, '/');
    if (name->len == url.len)
        return false;
    str front = str_sub(url, 0, url.len - name->len - 1);
    *owner = str_after_last(str_after_last(front, '/'), ':');
    return name_ok(*owner) && name_ok(*name) && owner->len < front.len;
}

static str origin_url(str config)
{
    bool inside = false;
    while (config.len) {
        str value, line = str_trim(str_cut(config, '\n', &config));
        if (str_starts(line, STR("[")))
            inside = str_eq(line, STR("[remote \"origin\"]"));
        else if (inside && str_eq(str_trim(str_cut(line, '=', &value)), STR("url")))
            return str_trim(value);
    }
    return STR_NONE;
}

static bool clone_read(struct cli *c, str *owner, str *name)
{
    str at = str_of(c->edge->folder), config;
    while (at.len) {
        struct err e = {0};
        const char *path = arena_print(c->mem, PRI_STR "/.git/config", FMT_STR(at)).ptr;
        if (io_read_file(c->mem, path, CONFIG_BYTES_MAX, &config, &e)) {
            if (!origin_read(origin_url(config), owner, name))
                return false;
            say(c, "note: the repository is " PRI_STR "/" PRI_STR ", as the clone here says\n",
                FMT_STR(safe(c, *owner)), FMT_STR(safe(c, *name)));
            return true;
        }
        str last = str_after_last(at, '/');
        at = str_sub(at, 0, last.len < at.len ? at.len - last.len - 1 : 0);
    }
    return false;
}

/* --- asking the server --- */

struct one {
    struct cli *c;
    str owner, name, wanted;
    int64_t id;
    size_t count;
};

static bool see_repository(void *ctx, struct json item)
{
    struct one *o = ctx;
    str owner = json_str(json_get(item, STR("owner")), o->c->mem),
        name = json_str(json_get(item, STR("name")), o->c->mem);
    str rest, first = str_cut(o->wanted, '/', &rest);
    if (o->wanted.len && !(str_eq_nocase(first, owner) && str_eq_nocase(rest, name)))
        return true;
    o->owner = owner;
    o->name = name;
    o->id = json_i64_or(json_get(item, STR("id")), 0);
    o->count++;
    return !o->wanted.len;
}

bool repo_read(struct cli *c, str *owner, str *name)
{
    static const char *const names[] = {"SIGNALBOX_REPO", "GITHUB_REPOSITORY"};
    struct one o = {.c = c};
    struct page p;
    if (opt_given(c, "repo"))
        return split(c, opt_text(c, "repo"), "--repo", owner, name);
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *v = c->edge->env(c->edge->ctx, names[i]);
        if (v && *v)
            return split(c, str_of(v), names[i], owner, name);
    }
    if (clone_read(c, owner, name))
        return true;
    if (!list_walk(c, STR("/api/v1/repositories"), 2, see_repository, &o, &p))
        return false;
    *owner = o.owner;
    *name = o.name;
    return o.count == 1 || fail(&c->err, ERR_INVALID,
                                o.count ? "which repository? There are several: give --repo "
                                          "owner/name, or set SIGNALBOX_REPO"
                                        : "the workspace has no repository yet: install the GitHub "
                                          "App on one, or see signalbox help repo add");
}

bool repo_id(struct cli *c, str text, int64_t *id)
{
    struct one o = {.c = c, .wanted = text};
    struct page p;
    str owner, name;
    if (str_to_i64(text, 1, INT64_MAX, id))
        return true;
    if (!split(c, text, "the repository", &owner, &name) ||
        !list_walk(c, STR("/api/v1/repositories"), 0, see_repository, &o, &p))
        return false;
    *id = o.id;
    return o.count ||
           fail(&c->err, ERR_NOT_FOUND,
                "there is no repository " PRI_STR
                " in the workspace, or the token does not cover it: see signalbox repo list",
                FMT_STR(safe(c, str_sub(text, 0, 200))));
}

/* --- pull requests --- */

/* An address of the forge: what stands before the number is owner and name. */
static str pull_of_address(struct cli *c, str text, str *number)
{
    for (size_t at = 0; at + 6 <= text.len; at++)
        if (str_eq(str_sub(text, at, at + 6), STR("/pull/"))) {
            str rest, front = str_sub(text, 0, at), name = str_after_last(front, '/');
            str before = str_sub(front, 0, front.len - name.len - (name.len < front.len));
            *number = str_cut(str_sub(text, at + 6, text.len), '/', &rest);
            return arena_print(c->mem, PRI_STR "/" PRI_STR, FMT_STR(str_after_last(before, '/')),
                               FMT_STR(name));
        }
    return STR("");
}

bool pull_read(struct cli *c, str text, int64_t *repository_id, str *number)
{
    str repo = str_cut(text, '#', number), owner, name;
    int64_t n;
    if (!number->ptr)
        repo = pull_of_address(c, text, number);
    if (!str_to_i64(*number, 1, INT64_MAX, &n))
        return fail(&c->err, ERR_INVALID, "a pull request is owner/repository#12, got " PRI_STR,
                    FMT_STR(safe(c, str_sub(text, 0, 100))));
    if (!repo.len) {
        if (!repo_read(c, &owner, &name))
            return false;
        repo = arena_print(c->mem, PRI_STR "/" PRI_STR, FMT_STR(owner), FMT_STR(name));
    }
    return repo_id(c, repo, repository_id);
}

/* ---- a node of a batch ---- */

bool instance_named(struct cli *c, bool *named)
{
    *named = opt_given(c, "component") || opt_given(c, "stack") || opt_given(c, "workflow");
    return !*named || (opt_text(c, "component").len && opt_text(c, "stack").len) ||
           fail(&c->err, ERR_INVALID, "%s is missing: an instance is a component in a stack",
                opt_text(c, "stack").len ? "--component" : "--stack");
}

bool position_read(struct cli *c, str text, int64_t *position)
{
    return str_to_i64(text, 0, INT32_MAX, position) ||
           fail(&c->err, ERR_INVALID, "a node's position is a whole number from 0, got " PRI_STR,
                FMT_STR(safe(c, str_sub(text, 0, 60))));
}
