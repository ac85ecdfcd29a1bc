/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/ledger/ledger.h"
#include "crypto/hash.h"
#include "crypto/sign.h"

#define ADD_LABEL "ENCLAVE-SEAT add"
#define DROP_LABEL "ENCLAVE-SEAT drop"

void ledger_sign_add(const uint8_t seat_seed[32], const uint8_t room[32], const uint8_t seat[32],
                     const uint8_t proposal[32], uint8_t ret_sig[64])
{
    const struct bytes parts[] = {BYTES(room, 32), BYTES(seat, 32), BYTES(proposal, 32)};
    sign_labelled(seat_seed, ADD_LABEL, parts, 3, ret_sig);
}

enum status ledger_verify_add(const uint8_t voter_seat[32], const uint8_t room[32],
                              const uint8_t seat[32], const uint8_t proposal[32],
                              const uint8_t sig[64])
{
    const struct bytes parts[] = {BYTES(room, 32), BYTES(seat, 32), BYTES(proposal, 32)};
    return sign_labelled_verify(voter_seat, ADD_LABEL, parts, 3, sig);
}

void ledger_sign_drop(const uint8_t seat_seed[32], const uint8_t room[32], const uint8_t seat[32],
                      uint8_t ret_sig[64])
{
    const struct bytes parts[] = {BYTES(room, 32), BYTES(seat, 32)};
    sign_labelled(seat_seed, DROP_LABEL, parts, 2, ret_sig);
}

enum status ledger_verify_drop(const uint8_t voter_seat[32], const uint8_t room[32],
                               const uint8_t seat[32], const uint8_t sig[64])
{
    const struct bytes parts[] = {BYTES(room, 32), BYTES(seat, 32)};
    return sign_labelled_verify(voter_seat, DROP_LABEL, parts, 2, sig);
}

void ledger_renew_key(const uint8_t log_key_0[32], uint8_t ret[32])
{
    EXPAND_OF(ret, log_key_0, BYTES_LIT("ENCLAVE renew"));
}

void ledger_id_of(struct bytes genesis_body, uint8_t ret[32])
{
    SHA256_OF(ret, BYTES_LIT("ENCLAVE-ID"), genesis_body);
}

enum status ledger_proposal_hash(const struct entry0 *e, uint8_t ret[32])
{
    struct buf plain = BUF_INIT;
    enum status st = entry0_plain(e, &plain);
    if (st == ST_OK) SHA256_OF(ret, BYTES_LIT("ENCLAVE-PROPOSAL"), buf_view(&plain));
    buf_free(&plain);
    return st;
}
