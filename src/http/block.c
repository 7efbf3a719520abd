/*
 * Memory for bodies. From malloc a freed large block may stay with the process for ever (glibc
 * raises its threshold for mapping after the first one), so large blocks are mapped by ourselves:
 * they grow without copying, and go back to the kernel when the request ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "http/inside.h"

enum { MAPPED_BYTES_LEAST = 128 << 10 };

static _Noreturn void die(size_t n)
{
    fprintf(stderr, "http: out of memory (%zu bytes): aborting\n", n);
    abort();
}

static char *map(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        die(n);
    return p;
}

char *block_grow(char *old, size_t old_bytes, size_t new_bytes)
{
    if (new_bytes < MAPPED_BYTES_LEAST) {
        char *p = realloc(old, new_bytes);
        if (!p)
            die(new_bytes);
        return p;
    }
    if (old_bytes >= MAPPED_BYTES_LEAST) {
        void *p = mremap(old, old_bytes, new_bytes, MREMAP_MAYMOVE);
        if (p == MAP_FAILED)
            die(new_bytes);
        return p;
    }
    char *p = map(new_bytes);
    if (old_bytes)
        memcpy(p, old, old_bytes);
    free(old);
    return p;
}

void block_free(char *p, size_t bytes)
{
    if (bytes >= MAPPED_BYTES_LEAST)
        munmap(p, bytes);
    else
        free(p);
}
