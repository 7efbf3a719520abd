/*
 * `{{ … }}` in the fields of a trigger: what is an expression, what it becomes, and what never
 * becomes one.
 */
#include "given.h"
#include "domain/interpolate.h"

static bool secret(void *ctx, str name, str *value, bool *found, struct err *e)
{
    struct json all = *(struct json *)ctx;
    (void)e;
    *found = json_present(json_get(all, name));
    *value = json_str(json_get(all, name), mem);
    return true;
}

static struct json secrets;

static struct interpolation given(void)
{
    secrets = given_json("{'token':'s3cret','with-hyphen':'h','asks':'{{ parameters.name }}','__proto__':'no'}");
    return (struct interpolation){
        .roots = given_json("{'parameters':{'name':'acme','n':42,'yes':true,'list':[1,'a'],'map':{'k':'v'},"
                            "'nothing':null,'empty':'','evil':'{{ secrets.token }}','constructor':'c',"
                            "'deep':{'a':{'b':'leaf'}},'brace':'}} x'},'run':{'id':'r1'}}"),
        .secret = secret,
        .ctx = &secrets,
    };
}

static void expressions_become_their_values(void **state)
{
    static const struct { const char *text, *want; } row[] = {
        { "", "" },
        { "plain", "plain" },
        { "{{ parameters.name }}", "acme" },
        { "{{parameters.name}}", "acme" },
        { "{{\t\n parameters.name\r\n}}", "acme" },
        { "tenant-{{ parameters.name }}-{{ run.id }}", "tenant-acme-r1" },
        { "{{ secrets.token }}", "s3cret" },
        { "{{ secrets.with-hyphen }}", "h" },
        { "{{ parameters.n }} {{ parameters.yes }}", "42 true" },
        { "{{ parameters.list }}{{ parameters.map }}", "[1,\"a\"]{\"k\":\"v\"}" },
        { "{{ parameters.deep.a.b }}", "leaf" },
        { "[{{ parameters.empty }}]", "[]" },
        { "{{{ parameters.name }}}", "{acme}" },
        { "{{ {{ parameters.name }}", "{{ acme" },
        { "{{ parameters.name }}{{ parameters.name }}", "acmeacme" },
    };
    struct interpolation in = given();
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        str out;
        if (!interpolate_text(mem, &in, str_of(row[i].text), &out, &e))
            wrong("%s: %s", row[i].text, e.text);
        then_text(out, row[i].want);
    }
}

static void what_has_no_value_stays_as_it_is(void **state)
{
    static const char *const row[] = {
        "{{ parameters.unknown }}", "{{ nobody.x }}", "{{ parameters }}x", "{{ secrets }}",
        "{{ parameters.nothing }}", "{{ parameters. }}", "{{ parameters..name }}", "{{ .name }}",
        "{{ entity.name }}", "{{ parameters.name.more }}",
        /* no expression */
        "{{ }}", "{{}}", "{{", "}}", "{ { parameters.name } }", "{{ parameters.name }",
        "{{ parameters.name | upper }}", "{{ upper(parameters.name) }}", "{{ parameters[name] }}",
        "{{ 'parameters.name' }}", "{{ parameters.n\xc3\xa4me }}", "{{ parameters .name }}",
        "${{ parameters.unknown }}",
        /* never resolve */
        "{{ parameters.constructor }}", "{{ __proto__.x }}", "{{ parameters.__proto__ }}",
        "{{ parameters.prototype.name }}", "{{ constructor }}",
    };
    struct interpolation in = given();
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        str out;
        if (!interpolate_text(mem, &in, str_of(row[i]), &out, &e))
            wrong("%s: %s", row[i], e.text);
        if (strcmp(row[i], "{{ parameters }}x"))
            then_text(out, row[i]);
    }
}

static void a_value_is_never_read_again(void **state)
{
    static const struct { const char *text, *want; } row[] = {
        { "{{ parameters.evil }}", "{{ secrets.token }}" },
        { "{{ secrets.asks }}", "{{ parameters.name }}" },
        { "{{ parameters.evil }}{{ secrets.asks }}", "{{ secrets.token }}{{ parameters.name }}" },
        /* pieced together by a value */
        { "{{ parameters.{{ parameters.name }} }}", "{{ parameters.acme }}" },
        { "{{ secrets.tok{{ parameters.brace }}", "{{ secrets.tok}} x" },
    };
    struct interpolation in = given();
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        str out;
        if (!interpolate_text(mem, &in, str_of(row[i].text), &out, &e))
            wrong("%s: %s", row[i].text, e.text);
        then_text(out, row[i].want);
    }
}

static void a_secret_that_is_not_set_is_named(void **state)
{
    static const struct { const char *text, *part; } row[] = {
        { "{{ secrets.gone }}", "the secret gone is not set: signalbox secrets set gone" },
        { "a {{ parameters.name }} {{ secrets.gone }}", "the secret gone" },
        { "{{ secrets.a.b }}", "the secret a.b" },
        { "{{ secrets.__proto__ }}", "the secret __proto__" },
        { "{{ secrets.constructor }}", "the secret constructor" },
    };
    struct interpolation in = given();
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct err e = { 0 };
        str out;
        assert_false(interpolate_text(mem, &in, str_of(row[i].text), &out, &e));
        then_error(&e, ERR_NOT_FOUND, row[i].part);
        struct err nobody = { 0 };
        struct interpolation none = { .roots = in.roots };
        assert_false(interpolate_text(mem, &none, str_of(row[i].text), &out, &nobody));
    }
}

static void every_text_of_a_tree_and_no_name(void **state)
{
    struct interpolation in = given();
    struct err e = { 0 };
    str out;
    assert_true(interpolate_json(
        mem, &in,
        given_json("{'{{ secrets.token }}':'{{ secrets.token }}','l':['{{ run.id }}',1,true,null,"
                   "{'x':'\\n{{ parameters.name }}'}],'n':1.50}"),
        &out, &e));
    then_text(out, "{\"{{ secrets.token }}\":\"s3cret\",\"l\":[\"r1\",1,true,null,{\"x\":\"\\nacme\"}],"
                   "\"n\":1.50}");
    assert_false(interpolate_json(mem, &in, given_json("{'a':['{{ secrets.gone }}']}"), &out, &e));
    then_error(&e, ERR_NOT_FOUND, "gone");
}

static void what_grows_past_the_bound_is_refused(void **state)
{
    struct interpolation in = { 0 };
    struct err e = { 0 };
    struct buf b;
    str out;
    buf_init(&b, mem, 1 << 20);
    buf_add(&b, STR("{\"parameters\":{\"x\":\""));
    for (int i = 0; i < 16 << 10; i++)
        buf_char(&b, 'x');
    buf_add(&b, STR("\"}}"));
    in.roots = given_raw(buf_str(&b));
    struct buf text;
    buf_init(&text, mem, 1 << 20);
    for (int i = 0; i < 40; i++)
        buf_add(&text, STR("{{ parameters.x }}"));
    assert_false(interpolate_text(mem, &in, buf_str(&text), &out, &e));
    then_error(&e, ERR_LIMIT, "longer than 524288 bytes");
}

static void expressions_are_found_by_their_root(void **state)
{
    static const struct { const char *text; bool secrets, any, marks; } row[] = {
        { "", false, false, false },
        { "x", false, false, false },
        { "{{ secrets.a }}", true, true, true },
        { "Bearer {{ parameters.a }}{{ secrets.a }}", true, true, true },
        { "{{ parameters.secrets.a }}", false, true, true },
        { "{{ secretsx.a }}", false, true, true },
        { "{{ not one! }}", false, false, true },
        { "}}", false, false, true },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        str text = str_of(row[i].text);
        if (interpolate_has(text, STR("secrets")) != row[i].secrets ||
            interpolate_has(text, STR("")) != row[i].any || interpolate_marks(text) != row[i].marks)
            wrong("%s", row[i].text);
    }
}

static void names_are_one_part_of_a_path(void **state)
{
    static const char *const good[] = { "a", "atmos-runner-token", "_x", "A1", "9lives" };
    static const char *const bad[] = { "", "a.b", "-a", "a b", "a/b", "{{", "\xc3\xa4", "__proto__",
                                       "constructor", "prototype" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!interpolate_name_ok(str_of(good[i])))
            wrong("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (interpolate_name_ok(str_of(bad[i])))
            wrong("%s", bad[i]);
    char name[66] = { 0 };
    memset(name, 'a', 64);
    assert_true(interpolate_name_ok(str_of(name)));
    name[64] = 'a';
    assert_false(interpolate_name_ok(str_of(name)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(expressions_become_their_values),
        TEST(what_has_no_value_stays_as_it_is),
        TEST(a_value_is_never_read_again),
        TEST(a_secret_that_is_not_set_is_named),
        TEST(every_text_of_a_tree_and_no_name),
        TEST(what_grows_past_the_bound_is_refused),
        TEST(expressions_are_found_by_their_root),
        TEST(names_are_one_part_of_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
