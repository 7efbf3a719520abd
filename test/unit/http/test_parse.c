/*
 * The fuzz target's demands on the parser (same verdict however the bytes are cut, one reading
 * only, nothing outside), on seeds and thirty thousand damaged copies of them, without needing a
 * fuzzer.
 */
#include "rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const str SEEDS[] = {
    STR_INIT("GET /a?b=c HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\nConnection: close\r\n\r\nrest"),
    STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"),
    STR_INIT("\r\nPOST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    STR_INIT("OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    STR_INIT("5;a=b\r\nhello\r\n0\r\nX-A: b\r\n\r\n"),
    STR_INIT("1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n"),
};

static uint64_t seed = 7;

static size_t roll(size_t sides)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % sides;
}

/* Bytes that matter to a parser come up more often than others. */
static uint8_t some_byte(void)
{
    static const char SHARP[] = "\r\n\0 \t:;,0fFgG+-/*%?#\x7f\x80\xff";
    return roll(3) ? (uint8_t)SHARP[roll(sizeof SHARP - 1)] : (uint8_t)roll(256);
}

static size_t damage(uint8_t *bytes, size_t len)
{
    for (size_t left = 1 + roll(4); left && len > 1; left--) {
        size_t at = roll(len);
        switch (roll(3)) {
        case 0:
            bytes[at] = some_byte();
            break;
        case 1:
            memmove(bytes + at, bytes + at + 1, --len - at);
            break;
        default:
            memmove(bytes + at + 1, bytes + at, len++ - at);
            bytes[at] = some_byte();
        }
    }
    return len;
}

static void damaged_requests_have_one_reading_however_they_are_cut(void **state)
{
    uint8_t bytes[256];
    for (int i = 0; i < 30000; i++) {
        const str *s = &SEEDS[roll(sizeof SEEDS / sizeof *SEEDS)];
        memcpy(bytes, s->ptr, s->len);
        LLVMFuzzerTestOneInput(bytes, damage(bytes, s->len));
    }
}

static void whole_requests_have_one_reading_however_they_are_cut(void **state)
{
    for (size_t i = 0; i < sizeof SEEDS / sizeof *SEEDS; i++)
        LLVMFuzzerTestOneInput((const uint8_t *)SEEDS[i].ptr, SEEDS[i].len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_requests_have_one_reading_however_they_are_cut),
        cmocka_unit_test(damaged_requests_have_one_reading_however_they_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
