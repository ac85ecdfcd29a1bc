/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * api_inner: what the files of src/api share.
 *
 * Owns: as api.h says. Errors: none. Order: none.
 */
#ifndef ENCLAVE_API_API_INNER_H
#define ENCLAVE_API_API_INNER_H

#include "api/api.h"
#include "node/node_storage.h"

struct call;

struct api_ring {
    char **lines;  /* JSON of event n at n % API_EVENTS_MAX */
    uint64_t last; /* number of the newest; the first is 1 */
};

/* A reader that waits: a stream, or a long poll that is answered at once when something comes. */
struct api_follower {
    struct api *api;
    struct http_exchange *stream; /* NULL: none */
    struct call *poll;            /* NULL: none */
    uint64_t after;
    uint64_t until_ms;
};

struct api {
    struct api_options o;
    struct api_ring ring;
    struct api_follower followers[API_FOLLOWERS_MAX];
    uint64_t started_ms;
    unsigned calls; /* open now */
    bool closing;
};

typedef void api_handler(struct call *c);

void api_handle_vault_init(struct call *c);
void api_handle_vault_unlock(struct call *c);
void api_handle_vault_recover(struct call *c);
void api_handle_vault_test(struct call *c);
void api_handle_vault_password(struct call *c);
void api_handle_daemon_stop(struct call *c);
void api_handle_daemon_status(struct call *c);
void api_handle_version(struct call *c);
void api_handle_status(struct call *c);
void api_handle_events(struct call *c);

void api_handle_create(struct call *c);
void api_handle_enclaves(struct call *c);
void api_handle_enclave(struct call *c);
void api_handle_invite(struct call *c);
void api_handle_join(struct call *c);
void api_handle_proposals(struct call *c);
void api_handle_vote(struct call *c);
void api_handle_remove(struct call *c);
void api_handle_policy(struct call *c);
void api_handle_policy_set(struct call *c);
void api_handle_withdraw(struct call *c);
void api_handle_members(struct call *c);
void api_handle_away(struct call *c);
void api_handle_leave(struct call *c);
void api_handle_leave_preview(struct call *c);
void api_handle_destroy(struct call *c);
void api_handle_key(struct call *c);
void api_handle_key_export(struct call *c);
void api_handle_peer_add(struct call *c);
void api_handle_peers(struct call *c);
void api_handle_peer_remove(struct call *c);
void api_handle_peer_address(struct call *c);
void api_handle_send(struct call *c);
void api_handle_edit(struct call *c);
void api_handle_unsay(struct call *c);
void api_handle_react(struct call *c);
void api_handle_read(struct call *c);
void api_handle_search(struct call *c);
void api_handle_mark_read(struct call *c);

void api_handle_history(struct call *c);
void api_handle_history_keep(struct call *c);
void api_handle_history_share(struct call *c);
void api_handle_history_export(struct call *c);
void api_handle_history_import(struct call *c);
void api_handle_history_job(struct call *c);
void api_handle_history_read(struct call *c);
void api_handle_history_forget(struct call *c);

void api_handle_kit(struct call *c);
void api_handle_revoke(struct call *c);
void api_handle_verify(struct call *c);
void api_handle_check(struct call *c);
void api_handle_repair(struct call *c);
void api_handle_check_look(struct call *c);
void api_handle_proof(struct call *c);
void api_handle_proof_check(struct call *c);
void api_handle_rekey(struct call *c);
void api_handle_rehome(struct call *c);

void api_handle_put(struct call *c);
void api_handle_get(struct call *c);
void api_handle_ls(struct call *c);
void api_handle_info(struct call *c);
void api_handle_drill(struct call *c);
void api_handle_rebalance(struct call *c);
void api_handle_mkdir(struct call *c);
void api_handle_mv(struct call *c);
void api_handle_rm(struct call *c);
void api_handle_storage(struct call *c);
void api_handle_storage_add(struct call *c);
void api_handle_storage_remove(struct call *c);
void api_handle_storage_offer(struct call *c);
/* handlers_files.c: false: answered. */
bool api_path_fits(struct call *c, const char *name);
/* handlers_past.c: version and at; false: answered. */
bool api_version_of(struct call *c, struct node_version_of *ret);
void api_handle_versions(struct call *c);
void api_handle_trash(struct call *c);
void api_handle_restore(struct call *c);
void api_handle_retention(struct call *c);
void api_handle_retention_set(struct call *c);
void api_handle_gc(struct call *c);
void api_handle_gc_run(struct call *c);
void api_handle_transfers(struct call *c);
void api_handle_transfer(struct call *c);
void api_handle_audits(struct call *c);
void api_handle_audit_now(struct call *c);
void api_handle_audit_log(struct call *c);
void api_handle_audit_verify(struct call *c);
void api_handle_storage_why(struct call *c);

/* Name of the enclave that the call is about: as given, or the only one there is. NULL: answered
 * already. room: NODE_NAME_MAX + 1. */
const char *api_enclave_of(struct call *c, char *room, size_t n);
/* The node refused an operation on an enclave: says whether the enclave or something else is
 * unknown. Not called with ST_OK. */
void api_refused(struct call *c, const char *enclave, enum status st);
/* The same for an operation that is about no enclave of this home. */
void api_refused_alone(struct call *c, enum status st);

#endif
