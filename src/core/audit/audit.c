/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/audit/audit.h"

#include "crypto/hash.h"
#include "crypto/sign.h"

#include <string.h>

FIELDS_DEFINE(audit_challenge, AUDIT_CHALLENGE_FIELDS);
FIELDS_DEFINE(audit_answer, AUDIT_ANSWER_FIELDS);
FIELDS_DEFINE(audit_leaf, AUDIT_LEAF_FIELDS);
FIELDS_DEFINE(audit_proof, AUDIT_PROOF_FIELDS);

#define LABEL "ENCLAVE-AUDIT"

/* A hash as a big-endian integer, mod m. */
static uint32_t hash_mod(const uint8_t hash[32], uint32_t m)
{
    uint64_t r = 0;
    for (size_t i = 0; i < 32; i += 4) r = ((r << 32) | get_u32(hash + i)) % m;
    return (uint32_t)r;
}

static uint32_t draw_one(const uint8_t seed[32], uint32_t i, uint32_t m)
{
    uint8_t number[4], hash[32];
    put_u32(number, i);
    SHA256_OF(hash, BYTES_LIT("ENCLAVE audit draw"), BYTES(seed, 32), BYTES_OF(number));
    return hash_mod(hash, m);
}

size_t audit_draw(const uint8_t seed[32], uint32_t n, struct audit_draw ret[AUDIT_ROUND])
{
    size_t used = 0;
    if (n == 0) return 0;
    /* Floyd's sample: min(n, AUDIT_ROUND) different ones. */
    uint32_t want = n < AUDIT_ROUND ? n : AUDIT_ROUND;
    for (uint32_t top = n - want; top < n; top++) {
        uint32_t pick = draw_one(seed, top, top + 1);
        for (size_t i = 0; i < used; i++)
            if (ret[i].shard == pick) pick = top;
        ret[used++] = (struct audit_draw){pick, (uint16_t)(AUDIT_ROUND / want)};
    }
    for (uint32_t i = 0; i < AUDIT_ROUND % want; i++) ret[i].count++;
    return used;
}

void audit_nonce(const uint8_t seed[32], const uint8_t segment_id[SHARD_ID], uint8_t index,
                 uint8_t ret[32])
{
    SHA256_OF(ret, BYTES_LIT("ENCLAVE audit nonce"), BYTES(seed, 32), BYTES(segment_id, SHARD_ID),
              BYTES(&index, 1));
}

uint32_t audit_leaf_number(const uint8_t nonce[32], const uint8_t segment_id[SHARD_ID], uint32_t j,
                           uint32_t leaves)
{
    uint8_t number[4], hash[32];
    put_u32(number, j);
    SHA256_OF(hash, BYTES(nonce, 32), BYTES(segment_id, SHARD_ID), BYTES_OF(number));
    return hash_mod(hash, leaves);
}

void audit_statement(const uint8_t place[32], const struct audit_challenge *c,
                     const struct audit_answer *a, uint8_t ret[AUDIT_STATEMENT])
{
    uint8_t head[2] = {a->code, (uint8_t)a->path.n};
    uint8_t *p = ret;
    memcpy(p, place, 32);
    memcpy(p + 32, c->nonce, 32);
    memcpy(p + 64, c->segment_id, SHARD_ID);
    p += 64 + SHARD_ID;
    *p++ = c->index;
    put_u16(p, c->count);
    memcpy(p + 2, c->root, 32);
    SHA256_OF(p + 2 + 32, BYTES_OF(head), BYTES(a->root, 32), BYTES(a->path.p, a->path.n * 32),
              a->leaves);
}

static bool signed_by(const uint8_t place[32], const uint8_t key[32],
                      const struct audit_challenge *c, const struct audit_answer *a)
{
    uint8_t text[AUDIT_STATEMENT];
    audit_statement(place, c, a, text);
    const struct bytes parts[] = {BYTES_OF(text)};
    return sign_labelled_verify(key, LABEL, parts, 1, a->sig) == ST_OK;
}

/* The signed answer says that the leaves are here: are they? */
static bool leaves_right(const struct audit_segment *s, const struct audit_challenge *c,
                         const struct audit_answer *a, uint32_t *ret_leaf_no)
{
    struct shard_trailer t = {.path = a->path};
    uint32_t leaves = s->rows * (uint32_t)SEGMENT_UNIT_LEAVES;
    struct cursor in = cursor_of(a->leaves);
    memcpy(t.root, a->root, 32);
    if (segment_trailer_check(&t, c->index, s->n, s->root) != ST_OK) return false;
    for (uint32_t j = 0; j < c->count; j++) {
        struct audit_leaf leaf;
        uint8_t hash[32];
        uint32_t no = audit_leaf_number(c->nonce, c->segment_id, j, leaves);
        if (fields_read(&audit_leaf_fields, &in, &leaf) != ST_OK) return false;
        merkle_leaf(BYTES_OF(leaf.data), hash);
        if (merkle_verify(hash, no, leaves, leaf.path.p, leaf.path.n, a->root) == ST_OK) continue;
        *ret_leaf_no = no;
        return false;
    }
    return in.left == 0;
}

enum audit_verdict audit_check(const uint8_t place[32], const uint8_t holder_key[32],
                               const struct audit_segment *s, const struct audit_challenge *c,
                               const struct audit_answer *a, uint32_t *ret_leaf_no)
{
    *ret_leaf_no = UINT32_MAX;
    bool sane = c->count >= 1 && c->count <= AUDIT_COUNT_MAX && s->rows >= 1 &&
                s->rows <= SHARD_UNITS_MAX && c->index < s->n && memcmp(c->root, s->root, 32) == 0;
    if (!sane || a->code > AUDIT_CODE_DAMAGED || !signed_by(place, holder_key, c, a))
        return AUDIT_LATE;
    if (a->code == AUDIT_CODE_GONE) return AUDIT_GONE;
    if (a->code == AUDIT_CODE_DAMAGED) return AUDIT_DAMAGED;
    return leaves_right(s, c, a, ret_leaf_no) ? AUDIT_RIGHT : AUDIT_WRONG;
}

enum status audit_proof_make(uint16_t holder, const struct audit_challenge *c,
                             const struct audit_answer *a, struct buf *out)
{
    struct audit_proof p = {.version = AUDIT_PROOF_VERSION,
                            .holder = holder,
                            .index = c->index,
                            .count = c->count,
                            .code = a->code,
                            .path = a->path,
                            .leaves = a->leaves};
    memcpy(p.nonce, c->nonce, 32);
    memcpy(p.segment_id, c->segment_id, SHARD_ID);
    memcpy(p.sig, a->sig, 64);
    memcpy(p.root, a->root, 32);
    return fields_encode(&audit_proof_fields, &p, out);
}

enum audit_verdict audit_proof_check(const uint8_t place[32], const uint8_t holder_key[32],
                                     const struct audit_segment *s, const struct audit_proof *p,
                                     uint32_t *ret_leaf_no)
{
    struct audit_challenge c = {.index = p->index, .count = p->count};
    struct audit_answer a = {.code = p->code, .path = p->path, .leaves = p->leaves};
    memcpy(c.nonce, p->nonce, 32);
    memcpy(c.segment_id, p->segment_id, SHARD_ID);
    memcpy(c.root, s->root, 32); /* who was asked for another one signed something else */
    memcpy(a.sig, p->sig, 64);
    memcpy(a.root, p->root, 32);
    *ret_leaf_no = UINT32_MAX;
    if (p->version != AUDIT_PROOF_VERSION) return AUDIT_LATE;
    return audit_check(place, holder_key, s, &c, &a, ret_leaf_no);
}

const char *audit_verdict_text(enum audit_verdict v)
{
    static const char *const texts[AUDIT_VERDICTS] = {
        [AUDIT_RIGHT] = "right",
        [AUDIT_LATE] = "no answer in time",
        [AUDIT_GONE] = "says itself that the shard is gone",
        [AUDIT_DAMAGED] = "says itself that the shard is damaged",
        [AUDIT_WRONG] = "signed a wrong answer",
    };
    return v < AUDIT_VERDICTS ? texts[v] : "unknown";
}
