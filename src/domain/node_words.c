#include "domain/node_words.h"

#include "base/json.h"
#include "domain/text.h"

enum { REASON_CHARS_MAX = 300 };

static str gate_words(struct arena *mem, str gate)
{
    struct json v;
    struct err ignored = { 0 };
    if (!gate.len || !json_parse(mem, gate, 0, &v, &ignored))
        return STR("behind a lock, or a live run of the same instance");
    str kind = json_str(json_get(v, STR("kind")), mem);
    if (str_eq(kind, STR("budget")))
        return STR("waits for the budget of its installation");
    if (str_eq(kind, STR("runner")))
        return arena_print(mem, "waits for runner " PRI_STR ", which is full",
                           FMT_STR(json_str(json_get(v, STR("runner")), mem)));
    if (str_eq(kind, STR("run")))
        return arena_print(mem, "waits for a live run of " PRI_STR " on the same instance",
                           FMT_STR(json_str(json_get(v, STR("workflow")), mem)));
    str actor = json_str(json_get(v, STR("actor")), mem);
    str message = json_str(json_get(v, STR("message")), mem);
    return arena_print(mem, "locked%s" PRI_STR "%s" PRI_STR, actor.len ? " by " : "",
                       FMT_STR(actor), message.len ? ": " : "", FMT_STR(message));
}

static str inert_words(str inert)
{
    static const struct { const char *name, *words; } all[] = {
        { "deleted", "deleted from the configuration" },
        { "disabled", "disabled in the configuration" },
        { "no_workflow", "no workflow is configured for this event" },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (str_eq(inert, str_of(all[i].name)))
            return str_of(all[i].words);
    return inert;
}

static str state_words(struct arena *mem, enum node_state state, str inert, str gate)
{
    switch (state) {
    case NODE_BLOCKED:    return gate_words(mem, gate);
    case NODE_APPROVAL:   return STR("waits for a reviewer at the forge");
    case NODE_SKIPPED:    return STR("what it waits for did not succeed");
    case NODE_SUPERSEDED: return STR("a newer head took its place");
    case NODE_INERT:      return inert_words(inert);
    case NODE_WAITING:
    case NODE_READY:
    case NODE_DISPATCHING:
    case NODE_QUEUED:
    case NODE_RUNNING:
    case NODE_CANCELLING:
    case NODE_SUCCEEDED:
    case NODE_FAILED:
    case NODE_CANCELLED:
    case NODE_TIMED_OUT:
    case NODE_ERROR:
    case NODE_STATE_COUNT:
        break;
    }
    return STR("");
}

str node_reason(struct arena *mem, enum node_state state, str inert, str gate, str error_text)
{
    bool failed = node_is_final(state) && !node_is_good(state);
    str said = failed && error_text.len ? error_text : state_words(mem, state, inert, gate);
    return said.len ? text_plain(mem, said, REASON_CHARS_MAX) : said;
}
