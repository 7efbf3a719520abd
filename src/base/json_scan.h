/*
 * json_scan: what stands for itself inside a string, for the reader (json.c) and the writer
 * (json_write.c).
 */
#ifndef SIGNALBOX_BASE_JSON_SCAN_H
#define SIGNALBOX_BASE_JSON_SCAN_H
#include <stdbool.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__SSE2__)
/* A bit for each byte that needs a look. */
static inline unsigned json_marks(__m128i x)
{
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    /* Signed compare of what is one higher: DEL and bytes from 0x80 up are negative, so that "less"
     * finds controls, DEL and non-ASCII at once (0xff wraps to 0). */
    __m128i odd = _mm_cmplt_epi8(_mm_add_epi8(x, _mm_set1_epi8(1)), _mm_set1_epi8(' ' + 1));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(
        odd, _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash))));
}
#endif

static const bool json_mark[256] = {
    [0 ... ' ' - 1] = true, ['"'] = true, ['\\'] = true, [0x7f ... 0xff] = true,
};

/* The first byte at or after p that needs a look: quote, backslash, control, DEL, non-ASCII; or
 * end. */
static inline const unsigned char *json_plain(const unsigned char *p, const unsigned char *end)
{
#if defined(__SSE2__)
    while (end - p >= 16) {
        unsigned marks = json_marks(_mm_loadu_si128((const __m128i *)(const void *)p));
        if (marks)
            return p + __builtin_ctz(marks);
        p += 16;
    }
    if (end - p >= 8) {
        /* The upper half is zero: marked. */
        unsigned marks = json_marks(_mm_loadl_epi64((const __m128i *)(const void *)p));
        p += __builtin_ctz(marks);
        if (marks & 0xff)
            return p;
    }
#endif
    while (p < end && !json_mark[*p])
        p++;
    return p;
}

#endif
