/* What people tick and write: each row is a comment and what it orders. */
#include "given.h"
#include "base/buf.h"
#include "domain/feedback.h"
#include "domain/order.h"

#define BOX(x)    "- [" x "] **Dispatch all 247 stacks anyway** <!-- signalbox:dispatch batch_01 -->\n"
#define RESUME(x) "- [" x "] **Resume dispatches** <!-- signalbox:resume -->\n"
#define HEAD      "<!-- signalbox:change:7 -->\n### held\n\n"

/* "dispatch(batch_01); retry(prod vpc)" */
static str shown(const struct orders *o)
{
    str all = STR("");
    for (size_t i = 0; i < o->count; i++) {
        const struct order *x = &o->at[i];
        str what = arena_print(mem, PRI_STR PRI_STR PRI_STR, FMT_STR(x->batch), FMT_STR(x->key),
                               FMT_STR(x->word));
        if (x->stack.len)
            what = arena_print(mem, PRI_STR " " PRI_STR, FMT_STR(x->stack), FMT_STR(x->component));
        all = arena_print(mem, PRI_STR "%s%s%s" PRI_STR "%s", FMT_STR(all), i ? "; " : "",
                          order_rule(x->kind)->name, what.len ? "(" : "", FMT_STR(what),
                          what.len ? ")" : "");
    }
    return all;
}

struct row { const char *what, *before, *after, *want; };

static void check_rows(const struct row *row, size_t count,
                       void (*read)(str, str, struct orders *))
{
    for (size_t i = 0; i < count; i++) {
        struct orders got;
        read(str_of(row[i].before), str_of(row[i].after), &got);
        if (!str_eq(shown(&got), str_of(row[i].want)))
            wrong("%s: got \"" PRI_STR "\", want \"%s\"", row[i].what, FMT_STR(shown(&got)),
                  row[i].want);
    }
}

static void a_tick_is_a_control_that_was_empty_and_is_not(void **state)
{
    static const struct row row[] = {
        { "ticked", HEAD BOX(" "), HEAD BOX("x"), "dispatch(batch_01)" },
        { "a capital X", HEAD BOX(" "), HEAD BOX("X"), "dispatch(batch_01)" },
        { "unticked again", HEAD BOX("x"), HEAD BOX(" "), "" },
        { "was ticked before", HEAD BOX("x"), HEAD BOX("x"), "" },
        { "something else edited", HEAD BOX(" "), HEAD "hello\n" BOX(" "), "" },
        { "one of two", BOX(" ") RESUME(" "), BOX(" ") RESUME("x"), "resume" },
        { "the other while one is ticked", BOX("x") RESUME(" "), BOX("x") RESUME("x"), "resume" },
        { "both in one edit", BOX(" ") RESUME(" "), BOX("x") RESUME("x"),
          "dispatch(batch_01); resume" },
        { "moved and ticked", BOX(" ") "text\n", "text\n" BOX("x"), "dispatch(batch_01)" },
        { "CRLF after the forge's editor", HEAD BOX(" "),
          "<!-- signalbox:change:7 -->\r\n### held\r\n\r\n- [x] **Dispatch all 247 stacks anyway** "
          "<!-- signalbox:dispatch batch_01 -->\r\n", "dispatch(batch_01)" },
        { "a star for a bullet", "* [ ] a <!-- signalbox:resume -->", "* [x] a <!-- signalbox:resume -->",
          "resume" },
        { "another label, the same marker", BOX(" "),
          "- [x] harmless <!-- signalbox:dispatch batch_01 -->", "dispatch(batch_01)" },
        { "by levels", "- [ ] p <!-- signalbox:parts batch_9 -->", "- [x] p <!-- signalbox:parts batch_9 -->",
          "parts(batch_9)" },
    };
    check_rows(row, sizeof row / sizeof row[0], orders_of_tick);
}

static void what_an_edit_writes_itself_is_no_order(void **state)
{
    static const struct row row[] = {
        { "no earlier version", "", HEAD BOX("x"), "" },
        { "forged and ticked in one edit", HEAD, HEAD BOX("x"), "" },
        { "another batch in the marker", BOX(" "),
          "- [x] a <!-- signalbox:dispatch batch_02 -->\n", "" },
        { "an id that is none", "- [ ] a <!-- signalbox:dispatch ../../x -->",
          "- [x] a <!-- signalbox:dispatch ../../x -->", "" },
        { "more than an id", "- [ ] a <!-- signalbox:dispatch b c -->",
          "- [x] a <!-- signalbox:dispatch b c -->", "" },
        { "two markers on a line", "- [ ] a <!-- signalbox:resume --> <!-- signalbox:parts b -->",
          "- [x] a <!-- signalbox:resume --> <!-- signalbox:parts b -->", "" },
        { "text behind the marker", "- [ ] <!-- signalbox:resume --> later",
          "- [x] <!-- signalbox:resume --> later", "" },
        { "an order that is no control", "- [ ] a <!-- signalbox:cancel batch_1 -->",
          "- [x] a <!-- signalbox:cancel batch_1 -->", "" },
        { "an unknown word", "- [ ] a <!-- signalbox:destroy -->", "- [x] a <!-- signalbox:destroy -->", "" },
        { "the marker of the comment", "- [ ] <!-- signalbox:change:7 -->", "- [x] <!-- signalbox:change:7 -->", "" },
        { "twice, one ticked before", BOX(" ") BOX("x"), BOX("x") BOX("x"), "" },
        { "twice, none ticked before: once", BOX(" ") BOX(" "), BOX("x") BOX("x"),
          "dispatch(batch_01)" },
        { "no box", "signalbox:dispatch <!-- signalbox:dispatch batch_01 -->",
          "[x] <!-- signalbox:dispatch batch_01 -->", "" },
        { "quoted", "> - [ ] a <!-- signalbox:resume -->", "> - [x] a <!-- signalbox:resume -->", "" },
        { "cut short", "- [ ] <!-- signalbox:", "- [x] <!-- signalbox:", "" },
        { "an empty marker", "- [ ] <!-- signalbox: -->", "- [x] <!-- signalbox: -->", "" },
        { "only a close", "- [x -->", "- [x] -->", "" },
    };
    check_rows(row, sizeof row / sizeof row[0], orders_of_tick);
}

static void a_line_that_begins_with_the_word_is_an_order(void **state)
{
    static const struct row row[] = {
        { "alone", "", "/signalbox dispatch", "dispatch" },
        { "resume", "", "/signalbox resume\n", "resume" },
        { "cancel", "", "/signalbox cancel", "cancel" },
        { "explain", "", "/signalbox explain", "explain" },
        { "parts", "", "/signalbox parts", "parts" },
        { "help", "", "/signalbox help", "help" },
        { "retry what failed", "", "/signalbox retry", "retry" },
        { "retry one", "", "/signalbox retry plat-ue1-prod network/vpc", "retry(plat-ue1-prod network/vpc)" },
        { "unlock", "", "/signalbox unlock acme/infra/prod/vpc", "unlock(acme/infra/prod/vpc)" },
        { "after other words", "", "I looked.\r\n\r\n/signalbox dispatch\r\nthanks", "dispatch" },
        { "blanks and capitals", "", "  /Signalbox \t DISPATCH  ", "dispatch" },
        { "several, in their order", "", "/signalbox cancel\n/signalbox explain\n/signalbox cancel",
          "cancel; explain" },
        { "in the middle of a line", "", "please /signalbox dispatch", "" },
        { "another word", "", "/signalboxes dispatch\n/signal dispatch", "" },
        { "a path", "", "/signalbox/dispatch", "" },
        { "quoted", "", "> /signalbox dispatch\n>/signalbox cancel", "" },
        { "fenced", "", "```\n/signalbox dispatch\n```\n/signalbox cancel", "cancel" },
        { "fenced with a word", "", "```sh\n/signalbox dispatch\n```", "" },
        { "a longer fence", "", "````\n```\n/signalbox dispatch\n````\n/signalbox cancel", "cancel" },
        { "tildes", "", "~~~\n/signalbox dispatch\n```\n/signalbox cancel\n~~~", "" },
        { "a fence that never ends", "", "```\n/signalbox dispatch", "" },
        { "code in a line is no fence", "", "```a``` b\n/signalbox dispatch", "dispatch" },
        { "indented code", "", "    /signalbox dispatch\n\t/signalbox cancel", "" },
        { "hidden", "", "<!--\n/signalbox dispatch\n--> \n/signalbox cancel", "cancel" },
        { "hidden to the end", "", "hi <!-- \n/signalbox dispatch\n", "" },
        { "hidden and shown on one line", "", "<!-- a --> <!-- b\n/signalbox dispatch\n-->", "" },
    };
    check_rows(row, sizeof row / sizeof row[0], orders_of_text);
}

static void what_does_not_fit_is_answered_with_help(void **state)
{
    static const struct row row[] = {
        { "nothing", "", "/signalbox", "help" },
        { "unknown", "", "/signalbox deploy now", "help(deploy now)" },
        { "too much", "", "/signalbox dispatch everything", "help(dispatch everything)" },
        { "half of a node", "", "/signalbox retry prod", "help(retry prod)" },
        { "more than a node", "", "/signalbox retry prod a b", "help(retry prod a b)" },
        { "no key", "", "/signalbox unlock", "help(unlock)" },
        { "two keys", "", "/signalbox unlock a b", "help(unlock a b)" },
    };
    check_rows(row, sizeof row / sizeof row[0], orders_of_text);
}

static void an_edit_orders_only_what_is_new_in_it(void **state)
{
    static const struct row row[] = {
        { "a typo elsewhere", "helo\n/signalbox cancel", "hello\n/signalbox cancel", "" },
        { "a typo in the order", "/signalbox dipatch", "/signalbox dispatch", "dispatch" },
        { "one more", "/signalbox cancel", "/signalbox cancel\n/signalbox explain", "explain" },
        { "other arguments", "/signalbox retry a b", "/signalbox retry a c", "retry(a c)" },
        { "taken out of a fence", "```\n/signalbox cancel\n```", "/signalbox cancel", "cancel" },
        { "taken away", "/signalbox cancel", "", "" },
    };
    check_rows(row, sizeof row / sizeof row[0], orders_of_text);
}

static void huge_and_broken_bodies_end_soon(void **state)
{
    static const char *const piece[] = {
        "- [ ] a <!-- signalbox:dispatch batch_1 -->\n", "/signalbox cancel\n", "<!-- ", "-->", "```\n",
        "- [x] <!-- signalbox:<!-- signalbox:", "\r", "> ", "/signalbox retry ",
    };
    for (size_t p = 0; p < sizeof piece / sizeof piece[0]; p++) {
        struct buf b;
        struct orders o;
        buf_init(&b, mem, (size_t)16 << 20);
        while (b.len < (size_t)4 << 20)
            buf_add(&b, str_of(piece[p]));
        orders_of_text(STR(""), buf_str(&b), &o);
        assert_true(o.count <= ORDERS_MAX);
        orders_of_tick(buf_str(&b), buf_str(&b), &o);
        assert_int_equal(o.count, 0);
    }
    struct orders o;
    orders_of_text(STR_NONE, STR_NONE, &o);
    assert_int_equal(o.count, 0);
    orders_of_text(STR(""), (str){ "/signalbox \0 \xff", 14 }, &o);
    assert_int_equal(o.at[0].kind, ORDER_HELP);
}

static void more_than_a_person_orders_at_once_is_left_out(void **state)
{
    struct buf b, more;
    struct orders o;
    buf_init(&b, mem, 1 << 20);
    for (int i = 0; i < 20; i++)
        buf_print(&b, "/signalbox unlock key%d\n", i);
    orders_of_text(STR(""), buf_str(&b), &o);
    assert_int_equal(o.count, ORDERS_MAX);
    then_text(o.at[ORDERS_MAX - 1].key, "key7");
    buf_init(&more, mem, 1 << 20);
    buf_print(&more, "/signalbox cancel\n" PRI_STR, FMT_STR(buf_str(&b)));
    orders_of_text(buf_str(&b), buf_str(&more), &o);
    assert_int_equal(o.count, 0);
}

static void every_rule_is_complete(void **state)
{
    str usages = order_usages(mem);
    for (int k = 0; k < ORDER_KIND_COUNT; k++) {
        const struct order_rule *r = order_rule((enum order_kind)k);
        enum order_kind back;
        assert_true(r->name && r->usage && r->summary && *r->summary);
        assert_true(order_kind_read(str_of(r->name), &back) && (int)back == k);
        assert_true(str_has(usages, str_of(r->usage)));
    }
    enum order_kind none;
    assert_false(order_kind_read(STR("destroy"), &none));
    assert_false(order_kind_read(STR(""), &none));
}

static void the_line_about_an_order_is_one_line_of_harmless_text(void **state)
{
    static const struct { const char *stored, *want; } row[] = {
        { "{\"who\":\"ana\",\"what\":\"dispatch\",\"why\":\"\",\"ok\":true,\"atMs\":1795256100000}",
          "☑️ `dispatch` by ana at 10:15 UTC" },
        { "{\"who\":\"bob\",\"what\":\"cancel\",\"why\":\"the batch has ended\",\"ok\":false,"
          "\"atMs\":1795256100000}",
          "🚫 `cancel` by bob at 10:15 UTC was not carried out: the batch has ended" },
        { "{\"who\":\"a\\nb\",\"what\":\"x`\\n<b>\",\"why\":\"@all <i>[l](u)\\n# head\",\"ok\":false,"
          "\"atMs\":1795256100000}",
          "🚫 ``x` ‹b›`` by a b at 10:15 UTC was not carried out: @\xe2\x80\x8b"
          "all &#60;i&#62;&#91;l&#93;(u) &#35;\xe2\x80\x8b head" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct notice_view n;
        assert_true(notice_read(mem, str_of(row[i].stored), &n));
        then_text(feedback_notice(mem, &n), row[i].want);
    }
    static const char *const none[] = { "", "[]", "{", "{}", "{\"who\":\"\"}", "{\"who\":7}", "null" };
    struct notice_view n;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(notice_read(mem, str_of(none[i]), &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tick_is_a_control_that_was_empty_and_is_not),
        TEST(what_an_edit_writes_itself_is_no_order),
        TEST(a_line_that_begins_with_the_word_is_an_order),
        TEST(what_does_not_fit_is_answered_with_help),
        TEST(an_edit_orders_only_what_is_new_in_it),
        TEST(huge_and_broken_bodies_end_soon),
        TEST(more_than_a_person_orders_at_once_is_left_out),
        TEST(every_rule_is_complete),
        TEST(the_line_about_an_order_is_one_line_of_harmless_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
