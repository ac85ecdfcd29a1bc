/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/ledger/proof.h"

#include <string.h>

static const uint8_t magic[8] = "ENCFORK1";

FIELDS_DEFINE(proof, PROOF_FIELDS);

static bool contradict(const struct entry0 *one, const struct entry0 *other)
{
    if (one->index != other->index) return false;
    if (memcmp(one->prev_chain, other->prev_chain, 32) != 0) return true;
    /* Behind the same history: two that were both shown as the next. */
    return memcmp(one->sig, other->sig, sizeof one->sig) != 0 &&
           (memcmp(one->actor, other->actor, 32) != 0 || !bytes_same(one->body, other->body) ||
            one->type != other->type);
}

enum status proof_make(const uint8_t enclave_id[32], const struct entry0 *one,
                       const struct entry0 *other, struct buf *out)
{
    struct buf a = BUF_INIT, b = BUF_INIT;
    struct proof p;
    if (!contradict(one, other)) return ST_USAGE;
    memcpy(p.magic, magic, sizeof p.magic);
    memcpy(p.enclave_id, enclave_id, 32);
    enum status st = entry0_plain(one, &a);
    if (st == ST_OK) st = entry0_plain(other, &b);
    p.one = buf_view(&a);
    p.other = buf_view(&b);
    if (st == ST_OK) st = fields_encode(&proof_fields, &p, out);
    buf_free(&a);
    buf_free(&b);
    return st;
}

enum status proof_check(struct bytes in, struct proof_view *ret)
{
    struct proof p;
    memset(ret, 0, sizeof *ret);
    if (fields_decode(&proof_fields, in, &p) != ST_OK) return ST_BAD_MESSAGE;
    if (memcmp(p.magic, magic, sizeof magic) != 0) return ST_BAD_MESSAGE;
    if (fields_decode(&entry0_fields, p.one, &ret->one) != ST_OK ||
        fields_decode(&entry0_fields, p.other, &ret->other) != ST_OK)
        return ST_BAD_MESSAGE;
    if (entry0_verify(&ret->one, p.enclave_id) != ST_OK ||
        entry0_verify(&ret->other, p.enclave_id) != ST_OK)
        return ST_BAD_SIGNATURE;
    if (!contradict(&ret->one, &ret->other)) return ST_INTEGRITY;
    memcpy(ret->enclave_id, p.enclave_id, 32);
    ret->index = ret->one.index;
    ret->other_history = memcmp(ret->one.prev_chain, ret->other.prev_chain, 32) != 0;
    return ST_OK;
}
