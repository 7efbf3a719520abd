#include "oracle.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void put(FILE *to, const json_t *v)
{
    const char *key;
    json_t *member;
    size_t i;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        fprintf(to, "o%zu{", json_object_size(v));
        /* jansson takes the const away; it only reads */
        json_object_foreach((json_t *)(size_t)v, key, member) {
            fprintf(to, "%s=", key);
            put(to, member);
        }
        fputc('}', to);
        return;
    case JSON_ARRAY:
        fprintf(to, "a%zu[", json_array_size(v));
        json_array_foreach(v, i, member)
            put(to, member);
        fputc(']', to);
        return;
    case JSON_STRING:
        fprintf(to, "s%zu:", json_string_length(v));
        fwrite(json_string_value(v), 1, json_string_length(v), to);
        return;
    case JSON_INTEGER:
        fprintf(to, "i%lld;", (long long)json_integer_value(v));
        return;
    case JSON_REAL:
        fprintf(to, "r%.17g;", json_real_value(v));
        return;
    case JSON_TRUE:
        fputc('T', to);
        return;
    case JSON_FALSE:
        fputc('F', to);
        return;
    case JSON_NULL:
        fputc('N', to);
        return;
    }
}

enum verdict oracle_read(const char *text, size_t n, char **dump, size_t *dump_len)
{
    json_error_t why;
    json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!v) {
        enum json_error_code code = json_error_code(&why);
        return code == json_error_numeric_overflow || code == json_error_stack_overflow
                   ? ORACLE_CANNOT_SAY
                   : ORACLE_REFUSES;
    }
    FILE *to = open_memstream(dump, dump_len);
    if (!to)
        abort();
    put(to, v);
    fclose(to);
    json_decref(v);
    return ORACLE_ACCEPTS;
}
