/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * veto: anonymous veto over ristretto255 (AV-net: Hao and Zielinski, Security
 * Protocols Workshop 2006; Schnorr proofs as RFC 8235; group of RFC 9496). Every
 * voter has a one-time key X = xG, shown ahead with a proof. Its ballot is
 * V = eY with a proof of e to the base Y, where Y = sum of X_j (j < i) - sum of
 * X_j (j > i) over the voters in byte order of their IDs; e = x says yes, any
 * other e vetoes. The sum of all V is the identity exactly if nobody vetoed.
 * Formulas and labels: docs/spec/ballot.md; vectors avnet-ristretto255.
 *
 * Owns nothing. Scalars: 32 bytes, little-endian, below the group's order.
 * Errors: ST_BAD_KEY: not a canonical point or scalar, or the identity where it
 *     may not stand; ST_BAD_SIGNATURE: a proof does not hold. veto_ballot_make:
 *     ST_BAD_KEY if Y is the identity (the keys given make this vote impossible).
 * Order: veto_key_make ahead of time; veto_key_check when it is shown; veto_ctx
 *     and veto_bases when a vote opens; veto_ballot_make, veto_ballot_check;
 *     veto_tally when every ballot is there. x is wiped by who spent it.
 */
#ifndef ENCLAVE_CRYPTO_VETO_H
#define ENCLAVE_CRYPTO_VETO_H

#include "base/bytes.h"

#define VETO_POINT 32
#define VETO_SCALAR 32
#define VETO_KEY 96    /* X 32 | R 32 | s 32 */
#define VETO_BALLOT 96 /* V 32 | R 32 | s 32 */
#define VETO_RANDOM 64 /* random bytes that one scalar is drawn from */

/* random: VETO_RANDOM for x, VETO_RANDOM for the proof's nonce. */
void veto_key_make(const uint8_t group_id[32], const uint8_t id[32], uint32_t serial,
                   const uint8_t random[2 * VETO_RANDOM], uint8_t ret_x[VETO_SCALAR],
                   uint8_t ret_key[VETO_KEY]);
enum status veto_key_check(const uint8_t group_id[32], const uint8_t id[32], uint32_t serial,
                           const uint8_t key[VETO_KEY]) MUST_USE;

/* X of a secret x. */
void veto_key_public(const uint8_t x[VETO_SCALAR], uint8_t ret[VETO_POINT]);

/* ids: n x 32 in byte order. ctx = SHA-256("ENCLAVE veto ctx" | group_id | epoch u64 | proposal 32 |
 * log_head 32 | n u16 | IDs). */
void veto_ctx(const uint8_t group_id[32], uint64_t epoch, const uint8_t proposal[32],
              const uint8_t log_head[32], const uint8_t *ids, size_t n, uint8_t ret[32]);
/* xs: n x 32, X in the order of the IDs; ret: n x 32, Y in the same order. n >= 2. */
enum status veto_bases(const uint8_t *xs, size_t n, uint8_t *ret) MUST_USE;

/* i: place in the order of IDs. random: VETO_RANDOM for the veto's exponent, VETO_RANDOM for the nonce;
 * both are drawn and used up whatever the choice, in the same time. */
enum status veto_ballot_make(const uint8_t ctx[32], uint16_t i, const uint8_t y[VETO_POINT],
                             const uint8_t x[VETO_SCALAR], bool yes,
                             const uint8_t random[2 * VETO_RANDOM],
                             uint8_t ret[VETO_BALLOT]) MUST_USE;
enum status veto_ballot_check(const uint8_t ctx[32], uint16_t i, const uint8_t y[VETO_POINT],
                              const uint8_t ballot[VETO_BALLOT]) MUST_USE;
/* vs: n x 32, each taken from a checked ballot. *ret_passed: nobody vetoed. */
enum status veto_tally(const uint8_t *vs, size_t n, bool *ret_passed) MUST_USE;

#endif
