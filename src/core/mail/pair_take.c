/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/pair.h"

#include "core/feed/squeeze.h"
#include "core/mail/pair_inner.h"
#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

/* What an entry opened with. */
struct found {
    struct pair_peer *peer;
    struct pair_chain *chain; /* NULL: a first entry */
    struct hints_place place;
    uint8_t mk[32]; /* of a place in a chain */
    uint8_t ss[KEM_SS];
    uint64_t epoch;
    struct pair_entry e;
};

static size_t early_at(const struct pair *p, uint64_t index)
{
    size_t i = 0;
    while (i < p->n_early && p->early[i].index != index) i++;
    return i;
}

static void early_remove(struct pair *p, size_t i)
{
    p->n_early--;
    memmove(&p->early[i], &p->early[i + 1], (p->n_early - i) * sizeof p->early[0]);
    bytes_wipe(&p->early[p->n_early], sizeof p->early[0]);
    p->head_dirty = true;
}

/* Its epoch is to come: it is handed in again then. The oldest makes room. */
static void early_add(struct pair *p, uint64_t index, const struct found *f)
{
    if (early_at(p, index) < p->n_early) return;
    if (p->n_early == PAIR_EARLY_MAX) early_remove(p, 0);
    struct pair_early *early = &p->early[p->n_early++];
    early->index = index;
    early->first = f->chain == NULL;
    if (early->first) memcpy(early->ss, f->ss, KEM_SS);
    p->head_dirty = true;
}

static bool to_come(struct pair *p, uint64_t epoch)
{
    const struct pair_epoch *newest = pair_epoch_newest(p);
    if (!newest) return epoch <= PAIR_EARLY_EPOCHS;
    return epoch > newest->epoch && epoch - newest->epoch <= PAIR_EARLY_EPOCHS;
}

/* ---- our own entries, as the feed shows them ---- */

static void trace_add(struct pair *p, uint64_t index, const struct pair_pending *w)
{
    if (p->n_trace == PAIR_TRACE_MAX) {
        p->n_trace--;
        memmove(&p->trace[0], &p->trace[1], p->n_trace * sizeof p->trace[0]);
    }
    struct pair_trace *t = &p->trace[p->n_trace++];
    t->index = index;
    t->epoch = w->epoch;
    t->leaf = w->leaf;
    memcpy(t->uuid, w->uuid, 16);
}

static void own_seen(struct pair *p, uint64_t index, size_t i, struct pair_message *ret)
{
    const struct pair_pending w = p->pending[i];
    ret->epoch = w.epoch;
    memcpy(ret->uuid, w.uuid, 16);
    ret->verdict = MAIL_OWN_LATE;
    if (pair_counts(p, w.epoch, p->own_leaf, index)) {
        ret->verdict = MAIL_OWN;
        trace_add(p, index, &w);
    }
    pair_pending_remove(p, i);
}

/* False: no hint that we made or are about to make. */
static bool take_own(struct pair *p, uint64_t index, struct bytes sealed, struct pair_message *ret)
{
    uint8_t hash[32];
    const struct pair_epoch *newest = pair_epoch_newest(p);
    for (size_t i = 0; i < p->n_pending; i++) {
        if (memcmp(p->pending[i].hint, sealed.p, HINT_SIZE) != 0) continue;
        sha256(sealed, hash);
        ret->verdict = MAIL_FORGED;
        ret->leaf = p->pending[i].leaf;
        if (memcmp(hash, p->pending[i].hash, 32) == 0) own_seen(p, index, i, ret);
        return true;
    }
    for (size_t i = 0; i < p->n_peers; i++) {
        struct pair_peer *peer = p->peers[i];
        struct hints_place place;
        if (!pair_sends(peer) || hints_find(&peer->send, sealed.p, NULL, &place) != ST_OK) continue;
        /* Nobody but this peer and we could know this hint. */
        ret->verdict = MAIL_OWN_UNKNOWN;
        ret->leaf = peer->leaf;
        pair_silence(peer);
        peer->blocked = newest ? newest->epoch : MAIL_NONE;
        peer->greet = true;
        return true;
    }
    return false;
}

/* ---- those of others ---- */

/* ST_OK: it opens, belongs there and is signed by f->peer, which is found by its leaf if not known. */
static enum status try_open(struct pair *p, struct bytes sealed, struct found *f)
{
    const struct pair_epoch *epoch = pair_epoch_find(p, f->epoch);
    if (!epoch) return ST_BAD_MESSAGE;
    const struct pair_keys keys = {p->room, p->enclave_id, p->own_id, epoch->secret,
                                   f->chain ? f->mk : NULL};
    buf_clear(&p->plain);
    enum status st = pair_entry_open(&keys, sealed, f->ss, &p->plain, &f->e);
    if (st != ST_OK) return st;
    if (!f->peer) f->peer = pair_peer_find(p, f->e.leaf);
    if (!f->peer || f->e.leaf != f->peer->leaf || f->e.epoch != f->epoch ||
        f->e.turn != (f->chain ? f->chain->turn : 0) || f->e.begun_epoch > f->epoch)
        return ST_BAD_MESSAGE;
    st = pair_entry_verify(&keys, sealed, buf_view(&p->plain), f->peer->id);
    if (st != ST_OK || f->e.flags != ENVELOPE_PACKED) return st;
    buf_clear(&p->unpacked);
    st = squeeze_open(PAIR_OVERHEAD, f->e.content, PAIR_CONTENT_MAX, &p->unpacked);
    f->e.content = buf_view(&p->unpacked);
    f->e.flags = 0;
    return st;
}

static bool find_chain(struct pair *p, const uint8_t *hint, struct found *f)
{
    for (size_t i = 0; i < p->n_peers; i++)
        for (size_t c = 0; c < PAIR_CHAINS_MAX; c++) {
            struct pair_chain *chain = &p->peers[i]->chains[c];
            if (!chain->used || hints_find(&chain->hints, hint, NULL, &f->place) != ST_OK) continue;
            f->peer = p->peers[i];
            f->chain = chain;
            return true;
        }
    return false;
}

/* ST_NOT_FOUND: its epoch is none of ours. */
static enum status open_chain(struct pair *p, uint64_t index, struct bytes sealed, struct found *f)
{
    uint8_t ct[KEM_CT];
    const struct pair_keys keys = {.enclave_id = p->enclave_id};
    enum status st = hints_key(&f->chain->hints, &f->place, f->mk);
    if (st != ST_OK) return st;
    f->epoch = pair_entry_epoch(sealed, f->mk);
    if (!pair_epoch_find(p, f->epoch)) {
        if (to_come(p, f->epoch)) early_add(p, index, f);
        return ST_NOT_FOUND;
    }
    pair_entry_ct(&keys, sealed, ct);
    p->decaps++;
    st = kem_decaps(f->peer->secrets->chain[f->chain - f->peer->chains].sk, ct, f->ss);
    return st == ST_OK ? try_open(p, sealed, f) : st;
}

/* Whether one of our KEM keys gives the hint that the entry carries. */
static bool try_seeds(struct pair *p, struct bytes sealed, const uint8_t *const *seeds, size_t n,
                      struct found *f, struct pair_first *first)
{
    uint8_t ct[KEM_CT];
    const struct pair_keys keys = {.enclave_id = p->enclave_id, .reader_id = p->own_id};
    pair_entry_ct(&keys, sealed, ct);
    for (size_t i = 0; i < n; i++) {
        p->decaps++;
        if (kem_decaps(seeds[i], ct, f->ss) != ST_OK) continue;
        pair_first_of(&keys, f->ss, first);
        if (memcmp(first->hint, sealed.p, HINT_SIZE) == 0) return true;
    }
    return false;
}

static enum status open_first(struct pair *p, uint64_t index, struct bytes sealed,
                              const uint8_t *const *seeds, size_t n, struct found *f)
{
    struct pair_first first = {0};
    const struct pair_keys keys = {.enclave_id = p->enclave_id, .reader_id = p->own_id};
    size_t early = early_at(p, index);
    bool ours = false;
    enum status st = ST_NOT_FOUND;
    if (early < p->n_early && p->early[early].first) {
        memcpy(f->ss, p->early[early].ss, KEM_SS);
        pair_first_of(&keys, f->ss, &first);
        ours = memcmp(first.hint, sealed.p, HINT_SIZE) == 0;
    } else if (index >= p->tried) {
        ours = try_seeds(p, sealed, seeds, n, f, &first);
    }
    if (!ours) goto out;
    f->epoch = pair_entry_epoch(sealed, first.x);
    if (pair_epoch_find(p, f->epoch))
        st = try_open(p, sealed, f);
    else if (to_come(p, f->epoch))
        early_add(p, index, f);
out:
    bytes_wipe(&first, sizeof first);
    return st;
}

static uint64_t recent_key(const uint8_t uuid[16])
{
    uint8_t hash[32];
    sha256(BYTES(uuid, 16), hash);
    return get_u64(hash);
}

static enum status recent_reserve(struct pair_peer *peer)
{
    if (peer->n_recent < peer->recent_room || peer->recent_room == PAIR_RECENT_MAX) return ST_OK;
    size_t room = peer->recent_room ? peer->recent_room * 2 : 16;
    uint64_t *more = realloc(peer->recent, room * sizeof *more);
    if (!more) return ST_NO_MEMORY;
    peer->recent = more;
    peer->recent_room = room;
    return ST_OK;
}

/* Remembers a message, room is reserved; false if it was there already. */
static bool recent_add(struct pair_peer *peer, const uint8_t uuid[16])
{
    uint64_t key = recent_key(uuid);
    for (size_t i = 0; i < peer->n_recent; i++)
        if (peer->recent[i] == key) return false;
    if (peer->n_recent < peer->recent_room) {
        peer->recent[peer->n_recent++] = key;
    } else {
        peer->recent[peer->recent_at] = key;
        peer->recent_at = (peer->recent_at + 1) % PAIR_RECENT_MAX;
    }
    peer->dirty = true;
    return true;
}

static void describe(const struct found *f, struct pair_message *ret)
{
    ret->leaf = f->peer->leaf;
    memcpy(ret->id, f->peer->id, 32);
    ret->kind = f->e.kind;
    ret->flags = f->e.flags;
    memcpy(ret->uuid, f->e.uuid, 16);
    ret->epoch = f->e.epoch;
    ret->time_ms = f->e.time_ms;
    ret->seen_count = f->e.seen_count;
    memcpy(ret->seen_chain, f->e.seen_chain, 32);
    ret->content = f->e.content;
}

/* Signed by the peer: the conversation goes on by it, if it counts, and its place is spent. */
static enum status accept(struct pair *p, uint64_t index, struct found *f, struct pair_message *ret)
{
    bool late = !pair_counts(p, f->e.epoch, f->e.leaf, index);
    enum status st = kem_check_public(f->e.pk);
    if (st != ST_OK) return st;
    TRY(recent_reserve(f->peer));
    uint64_t before = f->chain ? f->chain->hints.next : 0;
    if (!late && !f->chain) TRY(pair_adopt(p, f->peer, &f->e, &ret->anew));
    if (!late && f->chain && !f->chain->stepped) TRY(pair_step(p, f->peer, f->chain, &f->e));
    if (f->chain) {
        TRY(hints_spend(&f->chain->hints, &f->place));
        if (!f->place.skipped) ret->skipped = f->place.n - before;
        f->peer->dirty = true;
    }
    describe(f, ret);
    if (late)
        ret->verdict = MAIL_LATE;
    else if (f->e.kind == PAIR_HELLO && f->e.flags == 0)
        ret->verdict = MAIL_AGAIN;
    else if ((f->e.kind != MAIL_TEXT && f->e.kind != MAIL_NOTE && f->e.kind != MAIL_HISTORY) ||
             f->e.flags != 0)
        ret->verdict = MAIL_NEWER;
    else
        ret->verdict = recent_add(f->peer, f->e.uuid) ? MAIL_MESSAGE : MAIL_AGAIN;
out:
    return st;
}

static enum status take_theirs(struct pair *p, uint64_t index, struct bytes sealed,
                               const uint8_t *const *seeds, size_t n, struct pair_message *ret)
{
    struct found f = {0};
    enum status st = find_chain(p, sealed.p, &f) ? open_chain(p, index, sealed, &f)
                                                 : open_first(p, index, sealed, seeds, n, &f);
    if (st == ST_OK) st = accept(p, index, &f, ret);
    if (st == ST_OK || st == ST_NO_MEMORY) goto out;
    if (st != ST_NOT_FOUND) {
        memset(ret, 0, sizeof *ret);
        ret->verdict = MAIL_FORGED;
        ret->leaf = f.chain ? f.peer->leaf : PAIR_NOBODY;
    }
    st = ST_OK;
out:
    bytes_wipe(f.mk, sizeof f.mk);
    bytes_wipe(f.ss, sizeof f.ss);
    bytes_wipe(f.e.secret, sizeof f.e.secret);
    /* What stands before the content is copied out, and has the turn's secret in it. */
    if (p->plain.n >= PAIR_FIXED) bytes_wipe(p->plain.p, PAIR_FIXED);
    return st;
}

enum status pair_take(struct pair *p, uint64_t index, struct bytes sealed,
                      const uint8_t *const *seeds, size_t n_seeds, struct pair_message *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->verdict = MAIL_UNKNOWN;
    enum status st = ST_OK;
    if (index == MAIL_NONE) return ST_OK;
    if (pair_entry_size(sealed) && !take_own(p, index, sealed, ret)) {
        st = take_theirs(p, index, sealed, seeds, n_seeds, ret);
        if (st != ST_OK) return st;
        if (ret->verdict == MAIL_UNKNOWN) p->fresh |= index >= p->tried;
    }
    size_t early = early_at(p, index);
    if (early < p->n_early && ret->verdict != MAIL_UNKNOWN) early_remove(p, early);
    if (index >= p->tried) {
        p->tried = index + 1;
        p->head_dirty = true;
    }
    return ST_OK;
}
