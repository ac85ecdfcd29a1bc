/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/audit core/grant */
/* What a member who means ill says about audits. The first byte chooses: an answer to a challenge of ours, a
 * proof, receipts, a digest. Nothing of it is right without the holder's signature. */
#include "core/audit/audit.h"
#include "core/audit/receipt.h"
#include "crypto/secret.h"
#include "fuzz.h"

static const uint8_t enclave_id[32] = {1}, id[32] = {2};
static const struct audit_segment segment = {.root = {3}, .rows = 2, .k = 2, .n = 3};

static void answer(struct bytes in)
{
    const struct audit_challenge c = {
        .req = 1, .index = 1, .count = 3, .root = {3}, .wait_ms = 30000};
    struct audit_answer a;
    uint32_t no;
    if (fields_decode(&audit_answer_fields, in, &a) != ST_OK) return;
    FUZZ_CHECK(audit_check(enclave_id, id, &segment, &c, &a, &no) == AUDIT_LATE);
}

static void proof(struct bytes in)
{
    struct audit_proof p;
    uint32_t no;
    if (fields_decode(&audit_proof_fields, in, &p) != ST_OK) return;
    FUZZ_CHECK(audit_proof_check(enclave_id, id, &segment, &p, &no) == AUDIT_LATE);
}

/* Receipts one after the other, each with its length: the sum of them is well formed. */
static void receipts(struct bytes in)
{
    static struct audit_fold f;
    struct cursor c = cursor_of(in);
    struct buf out = BUF_INIT;
    struct audit_digest d;
    static const uint8_t chain[32];
    uint64_t rows = 0;
    audit_fold_start(&f, NULL);
    while (c.left > 3) {
        uint16_t leaf = cursor_u8(&c);
        size_t n = cursor_u16(&c);
        struct bytes body = cursor_take(&c, n < c.left ? n : c.left);
        (void)!audit_fold_take(&f, leaf, body);
        FUZZ_CHECK(f.rows >= rows && f.n_holders <= AUDIT_DIGEST_HOLDERS);
        rows = f.rows;
    }
    FUZZ_CHECK(audit_fold_digest(&f, 1, 0, 1, chain, &out) == ST_OK);
    FUZZ_CHECK(audit_digest_read(buf_view(&out), &d) == ST_OK);
    FUZZ_CHECK(d.holders.n == f.n_holders && d.verifiers.n == f.n_verifiers);
    buf_free(&out);
}

static void digest(struct bytes in)
{
    static struct audit_fold f;
    struct audit_digest d;
    struct buf out = BUF_INIT;
    if (audit_digest_read(in, &d) != ST_OK) return;
    FUZZ_CHECK(d.from < d.count);
    audit_fold_start(&f, &d);
    FUZZ_CHECK(f.n_verifiers == d.verifiers.n);
    FUZZ_CHECK(audit_fold_digest(&f, d.day, d.from, d.count, d.chain, &out) == ST_OK);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    if (!started) started = crypto_start() == ST_OK;
    if (size < 1) return 0;
    struct bytes in = BYTES(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0: answer(in); break;
    case 1: proof(in); break;
    case 2: receipts(in); break;
    default: digest(in); break;
    }
    return 0;
}
