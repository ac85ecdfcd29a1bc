/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/*
 * A proof of two histories as a stranger brings it. Input: form u8, then: form even: the bytes of a proof;
 *                          odd: edits of three bytes of a right one: place u16, what is xored there.
 * What passes is a contradiction, signed on both sides; of the right one no byte can be another.
 */
#include "core/ledger/proof.h"
#include "crypto/sign.h"
#include "fuzz.h"

#include <string.h>

#define EDITS_MAX 64

/* Made once: two of one enclave about the same place, behind two histories. */
static struct bytes the_proof(void)
{
    static struct buf proof;
    static const uint8_t enclave[32] = {0x45}, seeds[2][32] = {{1}, {2}};
    struct entry0 e[2];
    if (proof.n > 0) return buf_view(&proof);
    buf_init(&proof, PROOF_ENTRY_MAX);
    for (size_t i = 0; i < 2; i++) {
        e[i] = (struct entry0){.index = 9, .rules = 1, .type = 17, .body = BYTES_LIT("12345678")};
        memset(e[i].prev_chain, (int)i + 7, 32);
        sign_public(seeds[i], e[i].actor);
        entry0_sign(&e[i], enclave, seeds[i]);
    }
    FUZZ_CHECK(proof_make(enclave, &e[0], &e[1], &proof) == ST_OK);
    return buf_view(&proof);
}

static void look(struct bytes in, bool right)
{
    struct proof_view v;
    enum status st = proof_check(in, &v);
    FUZZ_CHECK(!right || st == ST_OK);
    if (st != ST_OK) {
        FUZZ_CHECK(st == ST_BAD_MESSAGE || st == ST_BAD_SIGNATURE || st == ST_INTEGRITY);
        return;
    }
    FUZZ_CHECK(v.one.index == v.index && v.other.index == v.index);
    FUZZ_CHECK(entry0_verify(&v.one, v.enclave_id) == ST_OK);
    FUZZ_CHECK(entry0_verify(&v.other, v.enclave_id) == ST_OK);
    FUZZ_CHECK(v.other_history == (memcmp(v.one.prev_chain, v.other.prev_chain, 32) != 0));
    FUZZ_CHECK(v.other_history || memcmp(v.one.sig, v.other.sig, 64) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(BYTES(data, size));
    struct buf copy = BUF_INIT;
    if (cursor_u8(&c) % 2 == 0) {
        look(cursor_rest(&c), false);
        return 0;
    }
    struct bytes good = the_proof();
    buf_bytes(&copy, good);
    for (int i = 0; i < EDITS_MAX && c.left >= 3; i++) {
        size_t at = cursor_u16(&c) % copy.n;
        copy.p[at] ^= cursor_u8(&c);
    }
    bool same = bytes_same(buf_view(&copy), good);
    if (!same) {
        struct proof_view v;
        FUZZ_CHECK(proof_check(buf_view(&copy), &v) != ST_OK);
    }
    look(buf_view(&copy), same);
    buf_free(&copy);
    return 0;
}
