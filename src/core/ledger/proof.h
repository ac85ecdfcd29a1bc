/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * proof: evidence of two histories that a third party can check: two entries
 * for one place in feed 0, each signed by a member, that cannot both be there.
 * Over two previous chains: whoever orders the entries showed two histories, or
 * one of the two authors signed a lie, for an honest member signs behind the
 * history that it was shown. Over the same one: both were shown as the next, or
 * one of them lost the race for the place and was never shown; only the word of
 * who brings the proof says which. Whether the two are members is for the reader
 * to know. docs/spec/ledger.md, "Proof of a fork".
 *
 * Owns nothing: views point into the proof. Errors: proof_make: ST_USAGE (the
 *     two do not contradict each other); proof_check: ST_BAD_MESSAGE,
 *     ST_BAD_SIGNATURE, ST_INTEGRITY (it proves nothing).
 * Order: none.
 */
#ifndef ENCLAVE_CORE_LEDGER_PROOF_H
#define ENCLAVE_CORE_LEDGER_PROOF_H

#include "core/feed/entry0.h"

#define PROOF_ENTRY_MAX ((size_t)512 << 10)

#define PROOF_FIELDS(X, M)                                                               \
    X(M, FIX, magic, 8, 0) /* "ENCFORK1" */                                              \
    X(M, FIX, enclave_id, 32, 0)                                                         \
    X(M, VAR32, one, PROOF_ENTRY_MAX, 0) /* plain entries with signature, without pad */ \
    X(M, VAR32, other, PROOF_ENTRY_MAX, 0)
FIELDS_DECLARE(proof, PROOF_FIELDS);

struct proof_view {
    uint8_t enclave_id[32];
    uint64_t index;     /* of the place */
    bool other_history; /* their previous chains differ; else: two entries behind the same one */
    struct entry0 one, other;
};

enum status proof_make(const uint8_t enclave_id[32], const struct entry0 *one,
                       const struct entry0 *other, struct buf *out) MUST_USE;
enum status proof_check(struct bytes in, struct proof_view *ret) MUST_USE;

#endif
