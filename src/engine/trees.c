/*
 * trees: what a merge applies is the head of the pull request; after the squash merge of a branch
 * that was behind, that is not what is on the base branch now, and people are told (atmos-pro.md
 * §10.2). The merge commit's tree is read, then the head's.
 */
#include "engine/inside.h"

static str ask_for(struct step *s, str ref, str other_tree)
{
    struct buf b;
    struct json_out w;
    buf_init(&b, s->mem, 1 << 16);
    json_out_init(&w, &b);
    json_begin_object(&w);
    json_field_str(&w, STR("ref"), ref);
    json_field_str(&w, STR("other"), other_tree);
    json_end_object(&w);
    return buf_str(&b);
}

bool trees_want(struct step *s, const struct hot *h, const struct change *c, struct err *e)
{
    if (!str_eq(h->row.activity, STR("merged")) || !c->merge_sha.len ||
        str_eq(c->merge_sha, h->row.head_sha))
        return true;
    return step_effect(s, "read_commit", arena_print(s->mem, "%lld", (long long)h->row.seq),
                       ask_for(s, c->merge_sha, STR("")), 0, e);
}

bool trees_prepare(struct step *s, const struct effect *f, struct json body, bool maybe_sent,
                   struct err *e)
{
    (void)maybe_sent;
    (void)e;
    outbox_add(s, f->id,
               &(struct forge_call){.kind = FORGE_READ_COMMIT,
                                    .ref = json_str(json_get(body, STR("ref")), s->mem)},
               STR(""));
    return true;
}

bool trees_answered(struct step *s, const struct effect *f, str tree, struct err *e)
{
    int64_t seq;
    struct hot *h;
    struct json body;
    if (!tree.len || !str_to_i64(f->key, 1, INT64_MAX, &seq) ||
        !json_parse(s->mem, f->body, 0, &body, e) || !hot_get(s, seq, &h, e))
        return e->code == ERR_NONE;
    str other = json_str(json_get(body, STR("other")), s->mem);
    if (!other.len)
        return step_effect(s, "read_commit", f->key, ask_for(s, h->row.head_sha, tree), 0, e);
    if (str_eq(tree, other))
        return true;
    h->row.tree_differs = true;
    step_dirty(s, h->row.change_id);
    return batches_tree_differs(s->db, seq, e);
}
