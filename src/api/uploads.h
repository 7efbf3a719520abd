/*
 * uploads: what the two uploads of the CLI (affected stacks, inventory) share: whose they are, and
 * chunks (atmos-pro.md §4.14).
 */
#ifndef SIGNALBOX_API_UPLOADS_H
#define SIGNALBOX_API_UPLOADS_H
#include "api/call.h"
#include "store/uploads_chunks.h"

struct upload_call {
    struct call      *call;
    struct repository repo;
    const char       *items_name;           /* "stacks", "instances" */
    struct json       items;                /* the array of this request; absent when it was null */
    /* known: this whole upload was processed before */
    bool              chunked, complete, known;
    struct chunk      chunk;
    str               key;                  /* of the fact */
    str              *part;                 /* the arrays of all chunks in order, plain */
    size_t            parts;
};

/* Reads repository and chunk fields; checks rights. kind: "affected", "instances". */
bool upload_begin(struct upload_call *u, const char *kind, const char *items_name) MUST_CHECK;
/*
 * Stores the chunk of this request; when all are there (or it was not chunked) `part` is filled and
 * complete is set.
 */
bool upload_collect(struct upload_call *u) MUST_CHECK;

#endif
