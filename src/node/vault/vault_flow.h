/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vault_flow: the vault of one home directory as a workflow: none, locked or
 * open. Argon2id runs as a work job; the vault file (core/vault's bytes, kept
 * by store/vault_file) is read and written here. The password floors of the
 * programs are enforced here.
 *
 * Owns: itself; copies of passwords and words are wiped before done runs, the
 *     master key lives in guarded memory until vault_flow_free. Ports are
 *     borrowed and outlive it.
 * Errors: a refused call returns at once and calls nothing back; an accepted
 *     one (ST_OK) calls done exactly once, later, on the loop thread.
 *     ST_EXISTS (init twice), ST_NOT_FOUND (no vault yet), ST_PASSWORD,
 *     ST_USAGE (password too short or not UTF-8, words misspelt: text tells
 *     which), ST_BUSY (another one is running), ST_LOOSE_MODE, ST_INTEGRITY, ST_IO.
 * Order: vault_flow_new, then init, unlock or recover; vault_flow_free only
 *     when vault_flow_busy says no.
 */
#ifndef ENCLAVE_NODE_VAULT_VAULT_FLOW_H
#define ENCLAVE_NODE_VAULT_VAULT_FLOW_H

#include "base/bytes.h"
#include "base/env.h"
#include "core/ports/work.h"

#define VAULT_FLOW_PASSWORD_MIN 8 /* characters: below this nobody is helped by Argon2id */
#define VAULT_FLOW_TEXT_MAX 256
#define VAULT_FLOW_WORDS_MAX 512 /* 24 words and blanks, terminator */

enum vault_flow_state { VAULT_NONE, VAULT_LOCKED, VAULT_WORKING, VAULT_OPEN };

struct vault_flow_result {
    enum status st;
    const char *text;  /* plain words; valid during the call */
    const char *words; /* init, and recover: the 24 words now valid; NULL elsewhere */
};

typedef void vault_flow_done(void *arg, const struct vault_flow_result *r);
/* Called once, when the vault has opened, with its master and recovery key: before the done of the call that opened it. A status
 * other than ST_OK is handed on to that done, the vault closes again. */
typedef enum status vault_flow_opened(void *arg, const uint8_t mk[32], const uint8_t rk[32]);

struct vault_flow_cost {
    uint32_t passes;
    uint32_t memory_kib;
};

struct vault_flow_ports {
    const struct env *env;
    struct work work;
    const char *home; /* the directory that holds the vault file */
    struct vault_flow_cost
        cost; /* for new vaults; programs: PASSWORD_PASSES, PASSWORD_MEMORY_KIB */
    struct vault_flow_cost floor; /* vaults below are refused; programs: PASSWORD_FLOOR_* */
};

struct vault_flow;

enum status vault_flow_new(const struct vault_flow_ports *ports, vault_flow_opened *opened,
                           void *arg, struct vault_flow **ret) MUST_USE;
void vault_flow_free(struct vault_flow *v);
enum vault_flow_state vault_flow_state(const struct vault_flow *v);
const char *
vault_flow_state_name(const struct vault_flow *v); /* "none" "locked" "working" "open" */
/* What was wrong with the call just refused, in words; "" if its status says all. */
const char *vault_flow_text(const struct vault_flow *v);
bool vault_flow_busy(const struct vault_flow *v);

/* A new vault; it is open afterwards. done's words are shown once and kept nowhere in the clear. */
enum status vault_flow_init(struct vault_flow *v, struct bytes password, vault_flow_done *done,
                            void *arg) MUST_USE;
enum status vault_flow_unlock(struct vault_flow *v, struct bytes password, vault_flow_done *done,
                              void *arg) MUST_USE;
/* Words open the vault and the new password takes the place of the forgotten one. */
enum status vault_flow_recover(struct vault_flow *v, struct bytes words, struct bytes password,
                               vault_flow_done *done, void *arg) MUST_USE;
/* The old password is asked for even while the vault is open. */
enum status vault_flow_change(struct vault_flow *v, struct bytes old_password,
                              struct bytes new_password, vault_flow_done *done, void *arg) MUST_USE;
/* Would these words open this vault? Changes nothing. Needs no open vault. */
enum status vault_flow_test(struct vault_flow *v, struct bytes words, vault_flow_done *done,
                            void *arg) MUST_USE;

#endif
