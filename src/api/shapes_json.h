/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * shapes_json: what the node tells, as the JSON objects of tables/shapes.h.
 *
 * Owns: the caller owns what comes back. Errors: NULL without memory.
 * Order: none.
 */
#ifndef ENCLAVE_API_SHAPES_JSON_H
#define ENCLAVE_API_SHAPES_JSON_H

#include "node/node_storage.h"

#include <jansson.h>

json_t *json_enclave(const struct node_enclave_info *e);
json_t *json_member(const struct node_member *m);
json_t *json_proposal(const struct node_proposal *p);
json_t *json_setting(const struct node_setting *s);
json_t *json_loss(const struct node_leave_view *v);
json_t *json_verdict(const struct node_verdict *v);
json_t *json_check(const struct node_check *v);
json_t *json_revoked(const struct node_revoked *r);
json_t *json_message(const struct node_message *m);
json_t *json_transfer(const struct node_transfer *t);
json_t *json_file(const struct node_file *f);
json_t *json_file_version(const struct node_version *v);
json_t *json_drill(const struct node_drill_view *v);

#endif
