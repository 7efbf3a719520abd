/* Values that must not be kept are found in text from outside, however they stand there. */
#include "given.h"
#include "domain/mask.h"

static const str values[] = { STR_INIT("s3cret-value"), STR_INIT("short"), STR_INIT(""),
                              STR_INIT("-----BEGIN KEY-----\nbGluZS1vbmU\nbGluZS10d28=\n-----END KEY-----\n") };
enum { VALUES = sizeof values / sizeof values[0] };

static void values_are_taken_out_of_text(void **state)
{
    static const struct { const char *text, *want; } row[] = {
        { "", "" },
        { "nothing", "nothing" },
        { "s3cret-value", "***" },
        { "a s3cret-value, s3cret-values3cret-value.", "a ***, ******." },
        { "s3cret-valu", "s3cret-valu" },
        { "short is too short to look for", "short is too short to look for" },
        { "czNjcmV0LXZhbHVl", "***" },                          /* base64 */
        { "key: bGluZS1vbmU", "key: ***" },                     /* a line of it */
        { "-----BEGIN KEY-----\r\nbGluZS1vbmU\r\nbGluZS10d28=\r\n-----END KEY-----", "***\r\n***\r\n***\r\n***" },
        { "-----BEGIN KEY-----\nbGluZS1vbmU\nbGluZS10d28=\n-----END KEY-----\n", "***" },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        then_text(mask_out(mem, str_of(row[i].text), values, VALUES), row[i].want);
    then_text(mask_out(mem, STR("s3cret-value"), NULL, 0), "s3cret-value");
}

static void values_are_taken_out_of_every_text_of_a_tree(void **state)
{
    struct json v = given_json("{'a':'x s3cret-value','b':[1.50,true,null,{'c':'s3cret-value\\n'}],"
                               "'s3cret-value':1,'s3cret-value2':{'d':2},'e':{}}");
    then_text(mask_out_json(mem, v, values, VALUES),
              "{\"a\":\"x ***\",\"b\":[1.50,true,null,{\"c\":\"***\\n\"}],\"e\":{}}");
    then_text(mask_out_json(mem, (struct json){ 0 }, values, VALUES), "null");
}

static void what_is_named_like_a_secret_is_not_shown(void **state)
{
    struct json v = given_json("{'client_secret':'abc','Access_Token':'x','password':5,'tokens':['y'],"
                               "'note':'a s3cret-value','head':{'authorization':'Bearer z'}}");
    then_text(mask_out_named(mem, v, values, VALUES),
              "{\"client_secret\":\"***\",\"Access_Token\":\"***\",\"password\":5,\"tokens\":[\"y\"],"
              "\"note\":\"a ***\",\"head\":{\"authorization\":\"***\"}}");
    then_text(mask_out_named(mem, given_json("{'note':'s3cret-value'}"), NULL, 0),
              "{\"note\":\"s3cret-value\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_are_taken_out_of_text),
        TEST(values_are_taken_out_of_every_text_of_a_tree),
        TEST(what_is_named_like_a_secret_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
