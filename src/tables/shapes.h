/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * shapes: the JSON objects that operations answer with.
 *
 * Owns nothing: const data. Errors: none. Order: none.
 */
#ifndef ENCLAVE_TABLES_SHAPES_H
#define ENCLAVE_TABLES_SHAPES_H

#include "tables/operations.h"

extern const struct op_shape shape_done;
extern const struct op_shape shape_words;
extern const struct op_shape shape_daemon;
extern const struct op_shape shape_version;
extern const struct op_shape shape_enclave;
extern const struct op_shape shape_enclaves;
extern const struct op_shape shape_loss;
extern const struct op_shape shape_invitation;
extern const struct op_shape shape_ballot;
extern const struct op_shape shape_proposal;
extern const struct op_shape shape_proposals;
extern const struct op_shape shape_vote;
extern const struct op_shape shape_setting;
extern const struct op_shape shape_policy;
extern const struct op_shape shape_member;
extern const struct op_shape shape_members;
extern const struct op_shape shape_verdict;
extern const struct op_shape shape_check;
extern const struct op_shape shape_proof;
extern const struct op_shape shape_kit;
extern const struct op_shape shape_revoked;
extern const struct op_shape shape_sent;
extern const struct op_shape shape_message;
extern const struct op_shape shape_messages;
extern const struct op_shape shape_search;
extern const struct op_shape shape_transfer;
extern const struct op_shape shape_transfers;
extern const struct op_shape shape_file;
extern const struct op_shape shape_files;
extern const struct op_shape shape_file_version;
extern const struct op_shape shape_file_versions;
extern const struct op_shape shape_retention;
extern const struct op_shape shape_gc;
extern const struct op_shape shape_drill;
extern const struct op_shape shape_audit;
extern const struct op_shape shape_audits;
extern const struct op_shape shape_audit_log;
extern const struct op_shape shape_audit_verdict;
extern const struct op_shape shape_event;
extern const struct op_shape shape_events;
extern const struct op_shape shape_status;
extern const struct op_shape shape_key;
extern const struct op_shape shape_peer;
extern const struct op_shape shape_peers;
extern const struct op_shape shape_storage;
extern const struct op_shape shape_problem;
extern const struct op_shape shape_kept;
extern const struct op_shape shape_archive;
extern const struct op_shape shape_history;
extern const struct op_shape shape_history_job;
extern const struct op_shape shape_shared;

/* All of them, in the order of their definition. */
const struct op_shape *const *shapes_all(size_t *ret_n);

#endif
