/*
 * feedback_words: plain words for states, counts, names and times. A state is always an icon and a
 * word: colour blind people, screen readers and plain-text mail get the word.
 */
#include "base/rfc3339.h"
#include "domain/feedback_parts.h"
#include "domain/text.h"

static const struct {
    const char *icon, *word;
} states[] = {
    [NODE_WAITING] = { "⏳", "waiting" },
    [NODE_READY] = { "⏳", "ready" },
    [NODE_BLOCKED] = { "🔒", "locked" },
    [NODE_DISPATCHING] = { "📤", "being dispatched" },
    [NODE_QUEUED] = { "🕓", "queued" },
    [NODE_RUNNING] = { "🔄", "running" },
    [NODE_APPROVAL] = { "✋", "waiting for approval" },
    [NODE_CANCELLING] = { "⏹️", "being cancelled" },
    [NODE_SUCCEEDED] = { "✅", "succeeded" },
    [NODE_FAILED] = { "❌", "failed" },
    [NODE_CANCELLED] = { "⏹️", "cancelled" },
    [NODE_TIMED_OUT] = { "⌛", "timed out" },
    [NODE_SKIPPED] = { "⏭️", "skipped" },
    [NODE_SUPERSEDED] = { "⏩", "superseded" },
    [NODE_ERROR] = { "❗", "could not be dispatched" },
    [NODE_INERT] = { "➖", "not dispatched" },
};
_Static_assert(sizeof states / sizeof *states == NODE_STATE_COUNT, "a word for every state");

const char *state_icon(enum node_state s) { return states[s].icon; }
const char *state_word(enum node_state s) { return states[s].word; }

/* The order in which counts are told: bad news, then done, then open. */
static const enum node_state telling[] = {
    NODE_FAILED,    NODE_TIMED_OUT,   NODE_ERROR,   NODE_CANCELLED, NODE_SKIPPED,
    NODE_SUCCEEDED, NODE_APPROVAL,    NODE_BLOCKED, NODE_RUNNING,   NODE_CANCELLING,
    NODE_QUEUED,    NODE_DISPATCHING, NODE_READY,   NODE_WAITING,   NODE_SUPERSEDED,
};


static void add_item(struct buf *out, str item)
{
    if (out->len)
        buf_add(out, STR(", "));
    buf_add(out, item);
}

str words_states(struct arena *mem, const uint32_t by_state[NODE_STATE_COUNT])
{
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (size_t i = 0; i < sizeof telling / sizeof *telling; i++)
        if (by_state[telling[i]])
            add_item(&out, arena_print(mem, "%s %s", z(text_number(mem, by_state[telling[i]])),
                                       state_word(telling[i])));
    return buf_str(&out);
}

str words_changes(struct arena *mem, struct changes c, bool applied)
{
    const struct {
        int64_t n;
        const char *planned, *done;
    } part[] = {
        { c.destroy, "to destroy", "destroyed" },
        { c.replace, "to replace", "replaced" },
        { c.change, "to change", "changed" },
        { c.create, "to create", "created" },
    };
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (part[i].n)
            add_item(&out, arena_print(mem, "%s %s", z(text_number(mem, part[i].n)),
                                       applied ? part[i].done : part[i].planned));
    return out.len ? buf_str(&out) : STR("no changes");
}

static bool is_sha(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return s.len >= 7;
}

/* A true sha stands bare: the forge links it to the commit. */
str words_sha(struct arena *mem, str sha)
{
    return is_sha(sha) ? arena_copy(mem, str_sub(sha, 0, 7)) : markdown_code(mem, sha, 12);
}

static const char *command_word(enum command c)
{
    static const char *const word[] = { [COMMAND_UNKNOWN] = "run",
                                        [COMMAND_PLAN] = "plan",
                                        [COMMAND_APPLY] = "apply",
                                        [COMMAND_DETECT] = "drift detection",
                                        [COMMAND_REMEDIATE] = "remediation" };
    return word[c];
}

/* What the batch does: the commands of its nodes, each once. */
static str words_commands(struct arena *mem, const struct batch_view *b)
{
    bool has[COMMAND_REMEDIATE + 1] = { false };
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (uint32_t i = 0; i < b->count; i++)
        has[b->node[i].badge] |= b->node[i].state != NODE_INERT;
    for (int c = COMMAND_PLAN; c <= COMMAND_REMEDIATE; c++)
        if (has[c]) {
            if (out.len)
                buf_add(&out, STR(" and "));
            buf_add(&out, str_of(command_word((enum command)c)));
        }
    if (out.len == 0 && has[COMMAND_UNKNOWN])
        return STR("run");
    return buf_str(&out);
}

str words_subject(struct arena *mem, const struct summary *s)
{
    str commands = words_commands(mem, s->b);
    return arena_print(mem, "%s%s%s%s", z(commands), commands.len ? " of " : "",
                       z(words_sha(mem, s->b->head_sha)),
                       s->b->kind == CHANGE_MERGE_GROUP ? " in the merge queue" : "");
}

const char *summary_icon(const struct summary *s)
{
    const uint32_t *n = s->by_state;
    if (s->failed || s->b->error.len)
        return "❌";
    if (summary_held(s) || str_eq(str_of(s->b->state), STR("held")))
        return "✋";
    if (s->total == 0)
        return "➖";
    if (summary_ended(s))
        return n[NODE_CANCELLED]    ? "⏹️"
               : n[NODE_SUPERSEDED] ? "⏩"
               : n[NODE_SKIPPED]    ? "⏭️"
                                    : "✅";
    if (n[NODE_RUNNING] || n[NODE_QUEUED] || n[NODE_DISPATCHING] || n[NODE_CANCELLING])
        return "🔄";
    return n[NODE_APPROVAL] ? "✋" : n[NODE_BLOCKED] ? "🔒" : "⏳";
}

str words_verdict(struct arena *mem, const struct summary *s)
{
    str counts = words_states(mem, s->by_state);
    const char *head =
        summary_held(s) ? "held: " : "";
    if (s->total == 0)
        counts = s->b->error.len ? STR("not planned") : STR("nothing to dispatch");
    str left = STR("");
    if (s->total && !summary_ended(s) && !summary_held(s) && s->b->forecast_ms > 0)
        left = arena_print(mem, ", about %s left", z(duration_write(mem, s->b->forecast_ms)));
    return arena_print(mem, "%s %s%s — %s%s", summary_icon(s), head, z(counts),
                       z(words_subject(mem, s)), z(left));
}

str words_node(struct arena *mem, const struct summary *s, uint32_t node)
{
    const struct node_view *n = &s->b->node[node];
    str component = markdown_code(mem, n->component, NAME_CHARS_MAX),
        stack = markdown_code(mem, n->stack, NAME_CHARS_MAX);
    str name = arena_print(mem, "%s in %s", z(component), z(stack));
    if (!s->twin[node] || n->workflow.len == 0)
        return name;
    return arena_print(mem, "%s by %s", z(name),
                       z(markdown_code(mem, n->workflow, NAME_CHARS_MAX)));
}

str words_nodes(struct arena *mem, const struct summary *s, const uint32_t *at, uint32_t count,
                uint32_t max)
{
    struct buf out;
    buf_init(&out, mem, SIZE_MAX);
    for (uint32_t i = 0; i < count && i < max; i++)
        add_item(&out, words_node(mem, s, at[i]));
    if (count > max)
        buf_print(&out, " and %s more", z(text_number(mem, count - max)));
    return buf_str(&out);
}

str words_time(struct arena *mem, int64_t at_ms, int64_t as_of_ms)
{
    struct rfc3339_parts t = rfc3339_parts(at_ms), ref = rfc3339_parts(as_of_ms);
    if (t.year == ref.year && t.month == ref.month && t.day == ref.day)
        return arena_print(mem, "%02d:%02d UTC", (int)t.hour, (int)t.minute);
    return arena_print(mem, "%04d-%02d-%02d %02d:%02d UTC", (int)t.year, (int)t.month, (int)t.day,
                       (int)t.hour, (int)t.minute);
}

str words_sentence(struct arena *mem, str hostile, size_t max_chars)
{
    str s = str_trim(hostile);
    while (s.len && s.ptr[s.len - 1] == '.')
        s.len--;
    return markdown_text(mem, s, max_chars);
}

str words_unlock(struct arena *mem, const struct batch_view *b, str repository,
                 const uint32_t *at, uint32_t count, uint32_t max, const char *mark)
{
    struct buf out;
    uint32_t told = 0;
    str repo = text_is_word(repository, NAME_CHARS_MAX)
                   ? arena_print(mem, " --repo %s", arena_z(mem, repository))
                   : STR("");
    buf_init(&out, mem, SIZE_MAX);
    for (uint32_t i = 0; i < count && told < max; i++) {
        const struct node_view *n = &b->node[at[i]];
        if (!text_is_word(n->component, NAME_CHARS_MAX) || !text_is_word(n->stack, NAME_CHARS_MAX))
            continue;
        buf_print(&out, "%s%ssignalbox unlock%s --component %s --stack %s%s",
                  !told++ ? "" : *mark ? ", " : "; ", mark, z(repo), arena_z(mem, n->component),
                  arena_z(mem, n->stack), mark);
    }
    if (told && told < count)
        buf_print(&out, "%s and %s more", *mark ? "" : ";", z(text_number(mem, count - told)));
    return buf_str(&out);
}

const char *words_hint(str code)
{
    static const struct {
        str code;
        const char *hint;
    } hints[] = {
        { STR_INIT("workflow_not_found"),
          "Add the file under `.github/workflows/` of the default branch, or correct its name in "
          "`settings.pro`." },
        { STR_INIT("workflow_not_dispatchable"), "Add `workflow_dispatch` to its `on:`." },
        { STR_INIT("workflow_unreadable"), "Correct its YAML." },
        { STR_INIT("bad_workflow_name"),
          "Name a file directly under `.github/workflows/`, ending in `.yml` or `.yaml`." },
        { STR_INIT("unrendered_template"),
          "Correct the template in the inputs of `settings.pro`." },
        { STR_INIT("missing_required_input"),
          "Give the input in `settings.pro`, or a default in the workflow." },
        { STR_INIT("input_not_an_option"), "Use a value that the workflow allows." },
        { STR_INIT("too_many_inputs"), "Declare fewer inputs in the workflow." },
        { STR_INIT("inputs_too_large"), "Shorten the inputs in `settings.pro`." },
        { STR_INIT("refused_by_forge"), "See what the forge answered, mend it, then re-run." },
        { STR_INIT("no_access"), "Give the App access to this repository, with Actions: write." },
        { STR_INIT("bad_atmos_workflow"),
          "Name a workflow of the atmos CLI in `settings.pro`, with or without `.yaml`." },
        { STR_INIT("bad_variable"), "Rename the input in `settings.pro`." },
        { STR_INIT("no_runner"),
          "Register it with `signalbox runners set`, or name another one in the setting `runner`." },
        { STR_INIT("runner_unreachable"), "Start the runner, or correct its endpoint." },
        { STR_INIT("refused_by_runner"), "See what the runner answered, mend it, then re-run." },
        { STR_INIT("outcome_unknown"), "Look for the run at the forge before you re-run it." },
    };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (str_eq(hints[i].code, code))
            return hints[i].hint;
    return "";
}
