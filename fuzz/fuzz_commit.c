/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/epoch */
/*
 * A COMMIT whose author means ill: a right one, edited. Input: who judges (0 an old member, 1 the
 * newcomer, both mod 2) | how it is cut u8 | edits of three bytes: place u16, what is xored there.
 * One byte that differs and nobody takes it.
 */
#include "core/epoch/commit.h"
#include "crypto/kem.h"
#include "fuzz.h"

#include <string.h>

#define LEAVES 3

struct scene {
    uint8_t ids[LEAVES][32], seats[LEAVES][32], seeds[LEAVES][KEM_SEED], pks[LEAVES][KEM_PUBLIC];
    uint8_t new_pk[KEM_PUBLIC], enclave[32], room[32], chain[32], secrets[4][32];
    struct commit_leaf leaves[LEAVES];
    struct commit_plan plan;
    struct commit_prev prev;
    struct commit_key key;
    uint64_t taken[1];
    struct buf body;
    uint8_t back[COMMIT_BACK];
};

/* Leaf 0 commits, 1 is old, 2 is new. Made once: keys are dear. */
static struct scene *the_scene(void)
{
    static struct scene *s;
    uint8_t new_seed[KEM_SEED] = {77}, commit_secret[32] = {78};
    struct commit_next next;
    if (s) return s;
    s = calloc(1, sizeof *s);
    FUZZ_CHECK(s);
    for (size_t i = 0; i < LEAVES; i++) {
        s->ids[i][0] = s->seats[i][1] = s->seeds[i][2] = (uint8_t)(i + 1);
        kem_public(s->seeds[i], s->pks[i]);
        s->leaves[i] = (struct commit_leaf){(uint16_t)i, (uint16_t)i, i == 2,   s->ids[i],
                                            s->seats[i], s->pks[i],   s->pks[i]};
    }
    kem_public(new_seed, s->new_pk);
    s->leaves[0].pk = s->new_pk;
    s->taken[0] = 5;
    for (size_t i = 0; i < 4; i++) s->secrets[i][0] = (uint8_t)(i + 9);
    s->plan = (struct commit_plan){.enclave_id = s->enclave,
                                   .room = s->room,
                                   .chain_before = s->chain,
                                   .epoch = 1,
                                   .taken = s->taken,
                                   .n_taken = 1,
                                   .kem_pk = s->new_pk,
                                   .leaves = s->leaves,
                                   .n = LEAVES};
    s->prev = (struct commit_prev){.init = s->secrets[0],
                                   .log = s->secrets[1],
                                   .dedup = s->secrets[2],
                                   .placement = s->secrets[3],
                                   .keys = &s->key,
                                   .n_keys = 1};
    FUZZ_CHECK(commit_build(&s->plan, &s->prev, commit_secret, 0, &s->body, s->back, &next) ==
               ST_OK);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene *s = the_scene();
    struct cursor in = cursor_of(BYTES(data, size));
    struct buf body = BUF_INIT;
    uint8_t back[COMMIT_BACK];
    struct commit_next next;
    struct commit_joined joined;
    struct commit_fault fault = {COMMIT_FINE, 0};
    uint8_t who = cursor_u8(&in), cut = cursor_u8(&in);
    if (in.bad) return 0;
    buf_bytes(&body, buf_view(&s->body));
    memcpy(back, s->back, sizeof back);
    if (cut >= 128) buf_zero(&body, cut - 127U);
    while (in.left >= 3) {
        size_t place = cursor_u16(&in) % (body.n + COMMIT_BACK);
        uint8_t turn = cursor_u8(&in);
        if (place < body.n)
            body.p[place] ^= turn;
        else
            back[place - body.n] ^= turn;
    }
    if (cut < 128 && cut < body.n) body.n -= cut;
    bool same =
        bytes_same(buf_view(&body), buf_view(&s->body)) && memcmp(back, s->back, sizeof back) == 0;
    /* A copy of exactly this size lets the sanitizer see a read past the end. */
    uint8_t *copy = malloc(body.n + 1);
    FUZZ_CHECK(copy);
    memcpy(copy, body.p, body.n);
    struct commit_own own = {.leaf = who & 1 ? 2 : 1, .kem_seed = s->seeds[who & 1 ? 2 : 1]};
    enum status st =
        who & 1 ? commit_open_new(&s->plan, s->prev.log, &own, BYTES(copy, body.n), back, &next,
                                  &joined, &fault)
                : commit_open(&s->plan, &s->prev, &own, BYTES(copy, body.n), back, &next, &fault);
    FUZZ_CHECK((st == ST_OK) == same);
    FUZZ_CHECK((fault.part == COMMIT_FINE) == same);
    free(copy);
    buf_free(&body);
    return 0;
}
