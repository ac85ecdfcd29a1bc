/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/epoch/commit.h"

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/secret.h"

#include <string.h>

FIELDS_DEFINE(commit_head, COMMIT_HEAD_FIELDS);

#define WRAP_OLD_PLAIN 32
#define WRAP_NEW_HEAD (32 + 32 + 8 + 32 + 32 + 2)
#define WRAP_MAX (COMMIT_NEW_PLAIN_MAX + AEAD_TAG)

const char *commit_part_text(enum commit_part part)
{
    switch (part) {
    case COMMIT_FINE: return "nothing";
    case COMMIT_LAYOUT: return "its layout";
    case COMMIT_OWN_WRAP: return "our own wrap";
    case COMMIT_CT: return "a ciphertext";
    case COMMIT_WRAP: return "a wrap";
    case COMMIT_BACK_PART: return "its way back";
    case COMMIT_TAG: return "its confirmation";
    }
    return "unknown";
}

void commit_roster_hash(const struct commit_leaf *leaves, size_t n, uint8_t ret[32])
{
    struct sha256 h;
    uint8_t number[4];
    sha256_start(&h);
    sha256_add(&h, BYTES_LIT("ENCLAVE-ROSTER"));
    put_u16(number, (uint16_t)n);
    sha256_add(&h, BYTES(number, 2));
    for (size_t i = 0; i < n; i++) {
        put_u16(number, leaves[i].leaf);
        put_u16(number + 2, leaves[i].member);
        sha256_add(&h, BYTES(number, 4));
        sha256_add(&h, BYTES(leaves[i].id, 32));
        sha256_add(&h, BYTES(leaves[i].pk, KEM_PUBLIC));
        sha256_add(&h, BYTES(leaves[i].seat, 32));
    }
    sha256_done(&h, ret);
}

/* All secrets of one COMMIT while it is made or judged; lives on the stack, wiped. */
struct work {
    const struct commit_plan *plan;
    uint8_t commit_secret[32];
    uint8_t joiner[32];
    struct commit_next next;
    const uint8_t *log_prev;
    const struct commit_key *keys; /* before the new epoch */
    size_t n_keys;
    uint8_t fresh[COMMIT_NEW_PLAIN_MAX]; /* plain text of a newcomer's wrap */
    size_t n_fresh;
};

static bool has_fresh(const struct commit_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan->leaves[i].fresh) return true;
    return false;
}

/* Epoch keys and generation from joiner; the generation before is given. */
static void derive(struct work *w, uint64_t generation, const uint8_t *dedup,
                   const uint8_t *placement)
{
    const struct commit_plan *p = w->plan;
    uint8_t roster[32];
    commit_roster_hash(p->leaves, p->n, roster);
    const struct schedule_context ctx = {p->enclave_id, p->epoch, p->chain_before, roster};
    schedule_epoch(w->joiner, &ctx, &w->next.keys);
    w->next.generation = p->new_generation ? p->epoch : generation;
    memcpy(w->next.dedup, p->new_generation ? w->next.keys.dedup : dedup, 32);
    memcpy(w->next.placement, p->new_generation ? w->next.keys.placement : placement, 32);
}

/* The plain text for newcomers: secrets and the keys of the epochs first .. e. */
static enum status fresh_plain(struct work *w, uint64_t first)
{
    const struct commit_plan *p = w->plan;
    size_t from = 0;
    while (from < w->n_keys && w->keys[from].epoch < first) from++;
    size_t n = w->n_keys - from + 1;
    if (first > p->epoch || n != p->epoch - first + 1 || n > COMMIT_KEYS_MAX) return ST_TOO_BIG;
    uint8_t *to = w->fresh;
    memcpy(to, w->commit_secret, 32);
    memcpy(to + 32, w->joiner, 32);
    put_u64(to + 64, w->next.generation);
    memcpy(to + 72, w->next.dedup, 32);
    memcpy(to + 104, w->next.placement, 32);
    put_u16(to + 136, (uint16_t)n);
    to += WRAP_NEW_HEAD;
    for (size_t i = from; i < w->n_keys; i++, to += COMMIT_KEY_ITEM) {
        put_u64(to, w->keys[i].epoch);
        memcpy(to + 8, w->keys[i].file_kek, 32);
        memcpy(to + 40, w->keys[i].tree, 32);
    }
    put_u64(to, p->epoch);
    memcpy(to + 8, w->next.keys.file_kek, 32);
    memcpy(to + 40, w->next.keys.tree, 32);
    w->n_fresh = (size_t)(to + COMMIT_KEY_ITEM - w->fresh);
    w->next.first = first;
    return ST_OK;
}

/* ct and wrap of one leaf as they must be. */
static enum status wrap_leaf(const struct work *w, const struct commit_leaf *leaf,
                             uint8_t ct[KEM_CT], uint8_t wrap[WRAP_MAX], size_t *ret_n)
{
    const struct commit_plan *p = w->plan;
    uint8_t coins[KEM_COINS], ss[KEM_SS], key[AEAD_KEY];
    schedule_coins(w->commit_secret, p->enclave_id, p->epoch, leaf->leaf, leaf->wrap_pk, coins);
    enum status st = kem_encaps(leaf->wrap_pk, coins, ct, ss);
    if (st == ST_OK) {
        schedule_wrap_key(ss, p->enclave_id, p->epoch, leaf->leaf, key);
        struct bytes plain =
            leaf->fresh ? BYTES(w->fresh, w->n_fresh) : BYTES(w->commit_secret, WRAP_OLD_PLAIN);
        aead_seal(key, AEAD_NONCE_ZERO, BYTES_NONE, plain, wrap);
        *ret_n = plain.n + AEAD_TAG;
    }
    bytes_wipe(coins, sizeof coins);
    bytes_wipe(ss, sizeof ss);
    bytes_wipe(key, sizeof key);
    return st;
}

static void confirm_tag(const struct work *w, const uint8_t back[COMMIT_BACK], struct bytes body,
                        uint8_t ret[32])
{
    uint8_t hash[32];
    SHA256_OF(hash, BYTES(back, COMMIT_BACK), body);
    hmac_sha256(BYTES(w->next.keys.confirm, 32), BYTES_OF(hash), ret);
}

static void put_indexes(struct buf *out, const uint64_t *list, size_t n)
{
    buf_u16(out, (uint16_t)n);
    for (size_t i = 0; i < n; i++) buf_u64(out, list[i]);
}

static void put_head(const struct commit_plan *p, struct buf *out)
{
    buf_u64(out, p->epoch);
    buf_u16(out, p->committer);
    put_indexes(out, p->taken, p->n_taken);
    put_indexes(out, p->voids, p->n_voids);
    buf_raw(out, p->kem_pk, KEM_PUBLIC);
    buf_u16(out, (uint16_t)p->n);
}

/* ---- building ---- */

/* Where the newcomers' list may begin at the earliest, given the wish. */
static uint64_t first_of(const struct commit_plan *p, const struct commit_prev *prev, uint64_t wish)
{
    uint64_t first = wish > p->epoch ? p->epoch : wish;
    uint64_t have = prev->n_keys > 0 ? prev->keys[0].epoch : p->epoch;
    if (first < prev->first_floor) first = prev->first_floor;
    if (first < have) first = have;
    if (p->epoch - first >= COMMIT_KEYS_MAX) first = p->epoch - COMMIT_KEYS_MAX + 1;
    return first;
}

/* From what a member of e-1 holds to everything of e. */
static enum status advance(struct work *w, const struct commit_prev *prev, uint64_t first)
{
    w->log_prev = prev->log;
    w->keys = prev->keys;
    w->n_keys = prev->n_keys;
    w->next.first = UINT64_MAX;
    schedule_joiner(prev->init, w->commit_secret, w->joiner);
    derive(w, prev->generation, prev->dedup, prev->placement);
    return has_fresh(w->plan) ? fresh_plain(w, first) : ST_OK;
}

enum status commit_build(const struct commit_plan *plan, const struct commit_prev *prev,
                         const uint8_t commit_secret[32], uint64_t first, struct buf *out,
                         uint8_t ret_back[COMMIT_BACK], struct commit_next *ret_next)
{
    enum status st;
    struct work w = {.plan = plan};
    uint8_t ct[KEM_CT], wrap[WRAP_MAX], tag[32];
    size_t from = out->n, n = 0;
    memcpy(w.commit_secret, commit_secret, 32);
    TRY(advance(&w, prev, first_of(plan, prev, first)));
    schedule_back(w.next.keys.log, plan->room, plan->epoch, w.log_prev, ret_back);
    put_head(plan, out);
    for (size_t i = 0; i < plan->n; i++) {
        TRY(wrap_leaf(&w, &plan->leaves[i], ct, wrap, &n));
        buf_u16(out, plan->leaves[i].leaf);
        buf_raw(out, ct, sizeof ct);
        buf_u16(out, (uint16_t)n);
        buf_raw(out, wrap, n);
    }
    TRY(buf_status(out));
    confirm_tag(&w, ret_back, BYTES(out->p + from, out->n - from), tag);
    buf_raw(out, tag, sizeof tag);
    TRY(buf_status(out));
    *ret_next = w.next;
out:
    if (st != ST_OK) memset(ret_next, 0, sizeof *ret_next);
    bytes_wipe(&w, sizeof w);
    bytes_wipe(wrap, sizeof wrap);
    return st;
}

/* ---- judging ---- */

/* Where one leaf's part stands in a received body. */
struct part {
    const uint8_t *ct;
    struct bytes wrap;
};

struct received {
    struct part parts[COMMIT_LEAVES_MAX];
    struct bytes before_tag;
    const uint8_t *tag;
};

/* Cuts a body; its head and its leaves must be exactly the plan's. */
static bool cut(const struct commit_plan *p, struct bytes body, struct received *ret)
{
    struct cursor c = cursor_of(body);
    struct buf head = BUF_INIT;
    memset(ret, 0, sizeof *ret);
    put_head(p, &head);
    bool same = buf_status(&head) == ST_OK && bytes_same(cursor_take(&c, head.n), buf_view(&head));
    buf_free(&head);
    if (!same) return false;
    for (size_t i = 0; i < p->n; i++) {
        if (cursor_u16(&c) != p->leaves[i].leaf) return false;
        ret->parts[i].ct = cursor_take(&c, KEM_CT).p;
        ret->parts[i].wrap = cursor_take(&c, cursor_u16(&c));
        if (c.bad || ret->parts[i].wrap.n > WRAP_MAX) return false;
    }
    ret->before_tag = BYTES(body.p, body.n - c.left);
    ret->tag = cursor_take(&c, 32).p;
    return cursor_end(&c) == ST_OK;
}

static const struct commit_leaf *find_leaf(const struct commit_plan *p, uint16_t leaf,
                                           size_t *ret_i)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->leaves[i].leaf == leaf) {
            *ret_i = i;
            return &p->leaves[i];
        }
    return NULL;
}

/* Opens one wrap under a shared secret; the plain text has *ret_n bytes. */
static enum status open_wrap(const struct commit_plan *p, uint16_t leaf, const uint8_t ss[KEM_SS],
                             struct bytes wrap, uint8_t plain[COMMIT_NEW_PLAIN_MAX], size_t *ret_n)
{
    uint8_t key[AEAD_KEY];
    if (wrap.n < AEAD_TAG || wrap.n > WRAP_MAX) return ST_BAD_SEAL;
    schedule_wrap_key(ss, p->enclave_id, p->epoch, leaf, key);
    enum status st = aead_open(key, AEAD_NONCE_ZERO, BYTES_NONE, wrap, plain);
    bytes_wipe(key, sizeof key);
    *ret_n = wrap.n - AEAD_TAG;
    return st;
}

static enum status open_own(const struct commit_plan *p, const struct commit_own *own,
                            const struct part *part, uint8_t plain[COMMIT_NEW_PLAIN_MAX],
                            size_t *ret_n)
{
    uint8_t ss[KEM_SS];
    enum status st = kem_decaps(own->kem_seed, part->ct, ss);
    if (st == ST_OK) st = open_wrap(p, own->leaf, ss, part->wrap, plain, ret_n);
    bytes_wipe(ss, sizeof ss);
    return st;
}

/* The first epoch of the list in a newcomer's plain text; UINT64_MAX if it makes no sense. */
static uint64_t first_in(struct bytes plain, uint64_t epoch)
{
    if (plain.n < WRAP_NEW_HEAD) return UINT64_MAX;
    size_t n = get_u16(plain.p + WRAP_NEW_HEAD - 2);
    if (n == 0 || n > COMMIT_KEYS_MAX || plain.n != WRAP_NEW_HEAD + n * COMMIT_KEY_ITEM)
        return UINT64_MAX;
    uint64_t first = get_u64(plain.p + WRAP_NEW_HEAD);
    return first <= epoch && epoch - first == n - 1 ? first : UINT64_MAX;
}

/* An old member reads where the newcomers' list begins from the first newcomer's own wrap: it is
 * the committer's choice, the same for all, and stands in the bytes that everybody judges. */
static uint64_t first_given(const struct work *w, const struct commit_leaf *leaf,
                            const struct part *part)
{
    const struct commit_plan *p = w->plan;
    uint8_t coins[KEM_COINS], ss[KEM_SS], ct[KEM_CT], plain[COMMIT_NEW_PLAIN_MAX];
    uint64_t first = UINT64_MAX;
    size_t n = 0;
    schedule_coins(w->commit_secret, p->enclave_id, p->epoch, leaf->leaf, leaf->wrap_pk, coins);
    if (kem_encaps(leaf->wrap_pk, coins, ct, ss) == ST_OK &&
        open_wrap(p, leaf->leaf, ss, part->wrap, plain, &n) == ST_OK)
        first = first_in(BYTES(plain, n), p->epoch);
    bytes_wipe(plain, sizeof plain);
    bytes_wipe(coins, sizeof coins);
    bytes_wipe(ss, sizeof ss);
    return first;
}

/* Rebuilds every part and compares bytes; names the first that differs. */
static enum status compare(const struct work *w, const struct received *r,
                           const uint8_t back[COMMIT_BACK], struct commit_fault *fault)
{
    uint8_t ct[KEM_CT], wrap[WRAP_MAX], must[COMMIT_BACK], tag[32];
    const struct commit_plan *p = w->plan;
    *fault = (struct commit_fault){COMMIT_FINE, 0};
    for (size_t i = 0; i < p->n && fault->part == COMMIT_FINE; i++) {
        size_t n = 0;
        fault->leaf = p->leaves[i].leaf;
        if (r->parts[i].ct == NULL || wrap_leaf(w, &p->leaves[i], ct, wrap, &n) != ST_OK ||
            memcmp(ct, r->parts[i].ct, KEM_CT) != 0)
            fault->part = COMMIT_CT;
        else if (!bytes_same(BYTES(wrap, n), r->parts[i].wrap))
            fault->part = COMMIT_WRAP;
    }
    schedule_back(w->next.keys.log, p->room, p->epoch, w->log_prev, must);
    confirm_tag(w, back, r->before_tag, tag);
    if (fault->part == COMMIT_FINE && memcmp(must, back, COMMIT_BACK) != 0)
        fault->part = COMMIT_BACK_PART;
    if (fault->part == COMMIT_FINE && !secret_same(tag, r->tag, 32)) fault->part = COMMIT_TAG;
    bytes_wipe(wrap, sizeof wrap);
    return fault->part == COMMIT_FINE ? ST_OK : ST_INTEGRITY;
}

enum status commit_open(const struct commit_plan *plan, const struct commit_prev *prev,
                        const struct commit_own *own, struct bytes body,
                        const uint8_t back[COMMIT_BACK], struct commit_next *ret_next,
                        struct commit_fault *ret_fault)
{
    enum status st = ST_INTEGRITY;
    struct work w = {.plan = plan};
    struct received r;
    uint8_t plain[COMMIT_NEW_PLAIN_MAX];
    uint64_t first = UINT64_MAX;
    size_t i = 0, n = 0;
    *ret_fault = (struct commit_fault){COMMIT_LAYOUT, own->leaf};
    const struct commit_leaf *self = find_leaf(plan, own->leaf, &i);
    if (self == NULL || self->fresh || !cut(plan, body, &r)) goto out;
    *ret_fault = (struct commit_fault){COMMIT_OWN_WRAP, own->leaf};
    if (own->commit_secret != NULL) {
        memcpy(w.commit_secret, own->commit_secret, 32);
    } else {
        if (open_own(plan, own, &r.parts[i], plain, &n) != ST_OK || n != WRAP_OLD_PLAIN) goto out;
        memcpy(w.commit_secret, plain, 32);
    }
    for (i = 0; i < plan->n && !plan->leaves[i].fresh;) i++;
    if (i < plan->n) {
        first = first_given(&w, &plan->leaves[i], &r.parts[i]);
        *ret_fault = (struct commit_fault){COMMIT_WRAP, plan->leaves[i].leaf};
        if (first == UINT64_MAX || first < prev->first_floor) goto out;
    }
    if (advance(&w, prev, first) != ST_OK) goto out;
    TRY(compare(&w, &r, back, ret_fault));
    *ret_next = w.next;
out:
    if (st != ST_OK) memset(ret_next, 0, sizeof *ret_next);
    bytes_wipe(&w, sizeof w);
    bytes_wipe(plain, sizeof plain);
    return st;
}

/* A newcomer's own plain text into the work; the keys of older epochs into joined. */
static bool take_fresh(struct work *w, struct bytes plain, struct commit_joined *joined)
{
    uint64_t first = first_in(plain, w->plan->epoch);
    if (first == UINT64_MAX) return false;
    struct cursor c = cursor_of(plain);
    uint8_t dedup[32], placement[32];
    cursor_copy(&c, w->commit_secret, 32);
    cursor_copy(&c, w->joiner, 32);
    uint64_t generation = cursor_u64(&c);
    cursor_copy(&c, dedup, 32);
    cursor_copy(&c, placement, 32);
    joined->n = (size_t)cursor_u16(&c) - 1;
    for (size_t i = 0; i < joined->n; i++) {
        struct commit_key *key = &joined->keys[i];
        key->epoch = cursor_u64(&c);
        cursor_copy(&c, key->file_kek, 32);
        cursor_copy(&c, key->tree, 32);
        if (key->epoch != first + i) return false;
    }
    w->keys = joined->keys;
    w->n_keys = joined->n;
    derive(w, generation, dedup, placement);
    bytes_wipe(dedup, sizeof dedup);
    bytes_wipe(placement, sizeof placement);
    /* Written again from what we took: any other byte in it shows. */
    return fresh_plain(w, first) == ST_OK && bytes_same(plain, BYTES(w->fresh, w->n_fresh));
}

enum status commit_open_new(const struct commit_plan *plan, const uint8_t log_prev[32],
                            const struct commit_own *own, struct bytes body,
                            const uint8_t back[COMMIT_BACK], struct commit_next *ret_next,
                            struct commit_joined *ret_joined, struct commit_fault *ret_fault)
{
    enum status st = ST_INTEGRITY;
    struct work w = {.plan = plan, .log_prev = log_prev};
    struct received r;
    uint8_t plain[COMMIT_NEW_PLAIN_MAX];
    size_t i = 0, n = 0;
    memset(ret_joined, 0, sizeof *ret_joined);
    *ret_fault = (struct commit_fault){COMMIT_LAYOUT, own->leaf};
    const struct commit_leaf *self = find_leaf(plan, own->leaf, &i);
    if (self == NULL || !self->fresh || !cut(plan, body, &r)) goto out;
    *ret_fault = (struct commit_fault){COMMIT_OWN_WRAP, own->leaf};
    if (open_own(plan, own, &r.parts[i], plain, &n) != ST_OK) goto out;
    if (!take_fresh(&w, BYTES(plain, n), ret_joined)) goto out;
    TRY(compare(&w, &r, back, ret_fault));
    *ret_next = w.next;
out:
    if (st != ST_OK) {
        memset(ret_next, 0, sizeof *ret_next);
        bytes_wipe(ret_joined, sizeof *ret_joined);
    }
    bytes_wipe(&w, sizeof w);
    bytes_wipe(plain, sizeof plain);
    return st;
}
