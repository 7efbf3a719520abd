/*
 * yaml: read a small YAML document into the same `struct json` handles (YAML 1.2 core schema), by
 * libyaml events with our limits: 1 MiB, depth 64, 50,000 nodes after alias expansion, 1,000
 * aliases; duplicate keys refused; `on:` stays the string "on".
 */
#ifndef SIGNALBOX_BASE_YAML_H
#define SIGNALBOX_BASE_YAML_H
#include "base/json.h"

/* The document as JSON. ERR_INVALID with line and column; ERR_LIMIT past a limit. An empty document
 * is null. */
bool yaml_parse(struct arena *mem, str text, struct json *out, struct err *e) MUST_CHECK;

#endif
