/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * call: one request to the API from its bytes to its answer: parameters read
 * and checked against the operation table, the answer or problem written.
 *
 * Owns: a call owns its exchange, parameters and JSON from call_new until one
 *     of call_answer, call_fail, call_drop has run; it is dead then.
 * Errors: call_new answers a bad request itself and gives NULL.
 * Order: call_new, getters, one of the three. Loop thread.
 */
#ifndef ENCLAVE_API_CALL_H
#define ENCLAVE_API_CALL_H

#include "api/api_inner.h"
#include "tables/operations.h"

#include <jansson.h>

struct call_arg {
    bool given;
    bool flag;
    uint64_t number;
    size_t at; /* in store, with a terminator */
    size_t n;
};

struct call {
    struct api *api;
    struct http_exchange *x;
    const struct operation *op;
    struct call_arg args[OPERATION_PARAMS_MAX];
    struct buf store; /* wiped: may hold passwords */
    /* makes the answer of what an operation of the node ended with; NULL: only its text */
    json_t *(*result)(const struct call *c, const struct node_result *r);
};

struct call *call_new(struct api *a, struct http_exchange *x);

/* The parameter must be one of the operation's; asking for another is a bug of ours. */
bool call_given(const struct call *c, const char *name);
struct bytes call_bytes(const struct call *c, const char *name); /* none: empty */
const char *call_text(const struct call *c, const char *name);   /* none: NULL */
uint64_t call_number(const struct call *c, const char *name, uint64_t otherwise);
bool call_flag(const struct call *c, const char *name);

void call_answer(struct call *c, json_t *answer); /* takes answer over */
/* text and next may be NULL: what the status says of itself. */
void call_fail(struct call *c, enum status st, const char *text, const char *next);
void call_drop(struct call *c); /* the exchange has gone elsewhere (streams) */

/* For node_* operations: st is what the call gave. Not ST_OK: answered now. */
void call_submitted(struct call *c, enum status st);
void call_done(void *call, const struct node_result *r); /* a node_done */

/* RFC 3339 in UTC. */
bool api_time(const char *text, uint64_t *ret_ms);

/* ---- JSON ---- */

/* name: value, and name_encoded: true where value is no plain text. */
void json_set_name(json_t *o, const char *name, struct bytes value);
void json_set_text(json_t *o, const char *name, const char *value); /* NULL: "" */
void json_set_number(json_t *o, const char *name, uint64_t value);
void json_set_bool(json_t *o, const char *name, bool value);
void json_set_time(json_t *o, const char *name, uint64_t ms); /* RFC 3339 */
/* For a list's visit: makes the array and appends item. */
void json_add(json_t *o, const char *list, json_t *item);
json_t *json_problem(enum status st, const char *text, const char *next);

#endif
