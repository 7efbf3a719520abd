/* Values that must not be kept are found in text from outside, however they stand there. */
#include "given.h"
#include "base/secret.h"
#include "domain/mask.h"

static struct mask_set given_set(void)
{
    static const str values[] = { STR_INIT("s3cret-value"), STR_INIT("sml"), STR_INIT("") };
    return mask_of(values, sizeof values / sizeof values[0]);
}

static void values_are_taken_out_of_every_text_of_a_tree(void **state)
{
    SCOPED(mask_set) struct mask_set set = given_set();
    struct json v = given_json("{'a':'x s3cret-value','b':[1.50,true,null,{'c':'s3cret-value\\n'}],"
                               "'s3cret-value':1,'s3cret-value2':{'d':2},'e':{},'f':'sml is too short'}");
    then_text(mask_json(mem, &set, v),
              "{\"a\":\"x ***\",\"b\":[1.50,true,null,{\"c\":\"***\\n\"}],\"e\":{},\"f\":\"sml is too short\"}");
    then_text(mask_json(mem, &set, (struct json){ 0 }), "null");
}

static void what_is_named_like_a_secret_is_not_shown(void **state)
{
    SCOPED(mask_set) struct mask_set set = given_set(), none = mask_of(NULL, 0);
    struct json v = given_json("{'client_secret':'abc','Access_Token':'x','password':5,'tokens':['y'],"
                               "'note':'a s3cret-value','head':{'authorization':'Bearer z'}}");
    then_text(mask_json_named(mem, &set, v),
              "{\"client_secret\":\"***\",\"Access_Token\":\"***\",\"password\":5,\"tokens\":[\"y\"],"
              "\"note\":\"a ***\",\"head\":{\"authorization\":\"***\"}}");
    then_text(mask_json_named(mem, &none, given_json("{'note':'s3cret-value'}")),
              "{\"note\":\"s3cret-value\"}");
}

/* Still base64 afterwards: the log is read, only without the value. */
static void logs_are_masked_inside_their_base64(void **state)
{
    SCOPED(mask_set) struct mask_set set = given_set();
    str log = base64_write(mem, STR("\x1b[1mkey = s3cret-value\x1b[0m\n")), plain,
        clean = base64_write(mem, STR("nothing in it\n"));
    struct json v = given_json(arena_print(
        mem, "{'components':[{'logs':'" PRI_STR "','errors':['a s3cret-value']},{'logs':'" PRI_STR
             "'},{'logs':'no base64: s3cret-value'}],'log':'" PRI_STR "'}",
        FMT_STR(log), FMT_STR(clean), FMT_STR(base64_write(mem, STR("s3cret-value")))).ptr);
    struct json got = given_raw(mask_json_logs(mem, &set, v)), list = json_get(got, STR("components")),
                part[3];
    struct json_iter it = json_iter(list);
    str key;
    for (size_t i = 0; i < 3; i++)
        assert_true(json_next(&it, mem, &key, &part[i]));
    assert_true(base64_read(mem, json_str(json_get(part[0], STR("logs")), mem), &plain));
    then_text(plain, "\x1b[1mkey = ***\x1b[0m\n");
    then_text(json_raw(json_get(part[0], STR("errors"))), "[\"a ***\"]");
    then_text(json_str(json_get(part[1], STR("logs")), mem), clean.ptr);
    then_text(json_str(json_get(part[2], STR("logs")), mem), "no base64: ***");
    then_text(json_str(json_get(got, STR("log")), mem), "***");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_are_taken_out_of_every_text_of_a_tree),
        TEST(what_is_named_like_a_secret_is_not_shown),
        TEST(logs_are_masked_inside_their_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
