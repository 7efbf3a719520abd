/*
 * tools/embed.c: what stands in embed_files/ is in the program, byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/embedded.h"

extern const struct embedded embed_files[];
extern const size_t          embed_files_count;

static void every_file_is_there_sorted_by_name(void **state)
{
    static const char *const names[] = { "a_empty.txt", "b.txt", "below/bytes.bin",
                                         "below/every.bin" };

    assert_int_equal(embed_files_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(embed_files[i].name, names[i]);
}

static void every_byte_is_there(void **state)
{
    assert_int_equal(embed_files[0].len, 0);
    assert_int_equal(embed_files[1].len, 6);
    assert_memory_equal(embed_files[1].bytes, "plain\n", 7);
    assert_int_equal(embed_files[2].len, 10);
    assert_memory_equal(embed_files[2].bytes, "\0\1\2\"\\?\?/\n\377", 10);
    assert_int_equal(embed_files[3].len, 456);
    for (int i = 0; i < 256; i++)
        assert_int_equal((unsigned char)embed_files[3].bytes[i], i);
    for (int i = 256; i < 456; i++)
        assert_int_equal(embed_files[3].bytes[i], '0' + (i - 256) % 10);
    assert_int_equal(embed_files[3].bytes[456], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_there_sorted_by_name),
        cmocka_unit_test(every_byte_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
