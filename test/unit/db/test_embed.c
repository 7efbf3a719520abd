/*
 * tools/embed.c: what stands in embed_files/ is in the program, byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "base/embedded.h"

extern const struct embedded embed_files[];
extern const size_t          embed_files_count;

/* The same files packed, by way of the folder that stands in for one that is not there. */
extern const struct embedded embed_packed[];
extern const size_t          embed_packed_count;

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

static void packed_files_hold_the_same_bytes(void **state)
{
    assert_int_equal(embed_packed_count, embed_files_count);
    for (size_t i = 0; i < embed_files_count; i++) {
        unsigned char out[1024];
        z_stream z = { .next_in = (unsigned char *)(uintptr_t)embed_packed[i].bytes,
                       .avail_in = (unsigned)embed_packed[i].len,
                       .next_out = out,
                       .avail_out = sizeof out };

        assert_string_equal(embed_packed[i].name, embed_files[i].name);
        assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.total_out, embed_files[i].len);
        assert_memory_equal(out, embed_files[i].bytes, embed_files[i].len);
        inflateEnd(&z);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_there_sorted_by_name),
        cmocka_unit_test(every_byte_is_there),
        cmocka_unit_test(packed_files_hold_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
