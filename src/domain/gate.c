#include "domain/gate.h"

static const struct { enum gate_kind kind; str name, start; } gates[] = {
#define X(kind, name) { kind, STR_INIT(name), STR_INIT("{\"kind\":\"" name "\"") },
    GATE_TABLE(X)
#undef X
};
enum { GATES = sizeof gates / sizeof gates[0], GATE_BYTES_MAX = 1 << 16 };

struct json_out gate_begin(struct arena *mem, struct buf *b, enum gate_kind kind)
{
    struct json_out w;
    buf_init(b, mem, GATE_BYTES_MAX);
    json_out_init(&w, b);
    json_begin_object(&w);
    for (size_t i = 0; i < GATES; i++)
        if (gates[i].kind == kind)
            json_field_str(&w, STR("kind"), gates[i].name);
    return w;
}

enum gate_kind gate_kind(str gate)
{
    for (size_t i = 0; i < GATES; i++)
        if (str_starts(gate, gates[i].start))
            return gates[i].kind;
    return GATE_NONE;
}

enum gate_kind gate_read(struct arena *mem, str gate, struct json *fields)
{
    struct err ignored = { 0 };
    enum gate_kind kind = gate_kind(gate);
    return kind != GATE_NONE && json_parse(mem, gate, 0, fields, &ignored) ? kind : GATE_NONE;
}
