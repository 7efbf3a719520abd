/*
 * feedback_holds: a batch that is held says why, with its figures, what ends it, and offers the
 * controls (atmos-pro.md §14, seed 002). The texts are domain/hold.h's: check, comment, API and
 * explanation say the same.
 */
#include "domain/feedback_parts.h"
#include "domain/hold.h"

static bool is_live(const struct summary *s)
{
    for (int k = 0; k < NODE_STATE_COUNT; k++)
        if (s->by_state[k] && node_is_live((enum node_state)k))
            return true;
    return false;
}

bool summary_has_holds(const struct summary *s)
{
    return s->b->hold_count && !summary_ended(s) && !s->b->error.len;
}

/* Nothing of it moves before somebody, or the budget, lets it. */
bool summary_held(const struct summary *s)
{
    if (summary_ended(s))
        return false;
    return str_eq(str_of(s->b->state), STR("held")) || (summary_has_holds(s) && !is_live(s));
}

/* ---- words ----------------------------------------------------------------------------------- */

static const char *callout_head(enum hold_kind k)
{
    return k == HOLD_RAPID_PUSH ? "Dispatch paused" : "Dispatch held";
}

/* "; it goes on …" as a sentence of its own. */
static str sentence(struct arena *mem, str s)
{
    char *out = arena_take(mem, s.len + 1, 1);
    memcpy(out, s.ptr ? s.ptr : "", s.len);
    if (s.len && out[0] >= 'a' && out[0] <= 'z')
        out[0] = (char)(out[0] - 'a' + 'A');
    return (str){ out, s.len };
}

str words_holds_title(struct arena *mem, const struct summary *s)
{
    str first = hold_text(mem, &s->b->hold[0]);
    if (s->b->hold_count == 1)
        return arena_print(mem, "%s: %s",
                           s->b->hold[0].kind == HOLD_RAPID_PUSH ? "Paused" : "Held", z(first));
    size_t more = s->b->hold_count - 1;
    return arena_print(mem, "Held for %zu reasons: %s; and %zu more", s->b->hold_count, z(first),
                       more);
}

static str hold_line(struct arena *mem, const struct hold *h)
{
    return arena_print(mem, "**%s**: %s. %s.", callout_head(h->kind), z(hold_text(mem, h)),
                       z(sentence(mem, hold_way_out(mem, h))));
}

/* ---- the callout, and its controls ----------------------------------------------------------- */

/* One control an order: the one that tells most. */
static const struct hold *control_of(const struct batch_view *b, const char *order)
{
    const struct hold *best = NULL;
    for (size_t i = 0; i < b->hold_count; i++) {
        const struct hold *h = &b->hold[i];
        if (strcmp(hold_rule(h->kind)->order, order) == 0 &&
            (h->kind != HOLD_RATE_LIMIT || h->never_fits))
            best = h;                   /* the threshold names its number, a draft does not */
    }
    return best;
}

static bool put_controls(struct page *p, const struct batch_view *b)
{
    static const char *const orders[] = { "dispatch", "resume", "parts" };
    bool any = false;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        const struct hold *h = control_of(b, orders[i]);
        if (!h)
            continue;
        page_print(p, "%s- [ ] **%s** <!-- signalbox:%s %s -->", any ? "" : "\n",
                   z(hold_control(p->mem, h)), orders[i], z(arena_copy(p->mem, b->id)));
        any = true;
    }
    return any;
}

/* Callouts of the forge are quotes: they end with the first line that is none. */
static void put_callout(struct page *p, const struct summary *s)
{
    const struct batch_view *b = s->b;
    page_print(p, "\n> [!WARNING]");
    for (size_t i = 0; i < b->hold_count; i++)
        page_print(p, "%s> %s", i ? ">\n" : "", z(hold_line(p->mem, &b->hold[i])));
    if (b->forecast.len)
        page_print(p, ">\n> When it goes: %s.",
                   z(markdown_text(p->mem, b->forecast, ERROR_CHARS_MAX)));
    str link = markdown_link(p->mem, STR("View the batch"), b->url);
    page_print(p, ">\n> %s %s",
               str_eq(str_of(b->state), STR("held")) ? "Nothing of it has been sent."
                                                     : "What is left of it waits.",
               z(link));
}

void section_holds(struct page *p, const struct summary *s, bool controls)
{
    if (!summary_has_holds(s))
        return;
    put_callout(p, s);
    if (controls && put_controls(p, s->b))
        page_line(p, STR("\n<sub>Tick to order it, once. It takes write access to this repository.</sub>"));
}

/* ---- who let it go --------------------------------------------------------------------------- */

void section_released(struct page *p, const struct summary *s)
{
    const struct batch_view *b = s->b;
    for (size_t i = 0; i < b->released_count; i++) {
        const struct release_view *r = &b->released[i];
        page_print(p, "%s- ☑️ Released by %s at %s (%s)", i ? "" : "\n",
                   z(markdown_text(p->mem, r->by, NAME_CHARS_MAX)),
                   z(words_time(p->mem, r->at_ms, b->as_of_ms)),
                   z(hold_named_text(p->mem, r->hold)));
    }
}
