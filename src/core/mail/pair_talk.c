/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The conversation: whose turn it is, what begins a turn, and which of two
 * conversations holds (docs/spec/mail.md).
 */
#include "core/mail/pair.h"

#include "core/feed/squeeze.h"
#include "core/mail/pair_inner.h"
#include "crypto/hash.h"

#include <string.h>

bool pair_sends(const struct pair_peer *peer)
{
    return peer->whose == PAIR_THEIRS || (peer->whose == PAIR_OURS && peer->turn > 0);
}

bool pair_chain_current(const struct pair_peer *peer, const struct pair_chain *c)
{
    if (peer->whose == PAIR_SILENT || memcmp(c->talk, peer->order.talk, 16) != 0) return false;
    return c->turn == (peer->whose == PAIR_OURS ? peer->turn + 1 : peer->turn);
}

static struct pair_epoch *newest_of(struct pair *p, uint64_t *ret_epoch)
{
    struct pair_epoch *e = pair_epoch_newest(p);
    *ret_epoch = e ? e->epoch : 0;
    return e;
}

void pair_chain_free(struct pair_peer *peer, struct pair_chain *c)
{
    if (!c->used) return;
    size_t slot = (size_t)(c - peer->chains);
    hints_free(&c->hints);
    bytes_wipe(&peer->secrets->chain[slot], sizeof peer->secrets->chain[slot]);
    memset(c, 0, sizeof *c);
}

static struct pair_chain *chain_slot(struct pair_peer *peer)
{
    struct pair_chain *oldest = NULL;
    for (size_t i = 0; i < PAIR_CHAINS_MAX; i++) {
        struct pair_chain *c = &peer->chains[i];
        if (!c->used) return c;
        if (!oldest || c->age < oldest->age) oldest = c;
    }
    pair_chain_free(peer, oldest);
    return oldest;
}

/* The peer's turn `turn`, which answers ours that left `root` and shows the public key of `sk`. */
static enum status chain_add(struct pair *p, struct pair_peer *peer, const uint8_t talk[16],
                             uint32_t turn, const uint8_t root[32], const uint8_t sk[32])
{
    uint8_t s0[32];
    struct pair_chain *c = chain_slot(peer);
    size_t slot = (size_t)(c - peer->chains);
    pair_chain_start(root, turn, peer->id, p->own_id, s0);
    enum status st = hints_init(&c->hints, peer->secrets->chain[slot].hints, s0);
    bytes_wipe(s0, sizeof s0);
    if (st != ST_OK) {
        hints_free(&c->hints);
        return st;
    }
    c->used = true;
    c->stepped = false;
    memcpy(c->talk, talk, 16);
    c->turn = turn;
    c->age = peer->age++;
    newest_of(p, &c->epoch);
    memcpy(peer->secrets->chain[slot].root, root, 32);
    memcpy(peer->secrets->chain[slot].sk, sk, 32);
    return ST_OK;
}

void pair_silence(struct pair_peer *peer)
{
    peer->whose = PAIR_SILENT;
    peer->turn = 0;
    hints_free(&peer->send);
    memset(peer->peer_pk, 0, KEM_PUBLIC);
    if (peer->secrets) {
        bytes_wipe(peer->secrets->root, 32);
        bytes_wipe(peer->secrets->secret, 32);
        bytes_wipe(peer->secrets->sk, 32);
        bytes_wipe(peer->secrets->send, HINTS_SECRETS);
    }
    peer->dirty = true;
}

/* A chain that is no longer the newest is kept for what may still come on it. */
static void touch_chains(struct pair *p, struct pair_peer *peer)
{
    for (size_t i = 0; i < PAIR_CHAINS_MAX; i++)
        if (peer->chains[i].used && pair_chain_current(peer, &peer->chains[i]))
            newest_of(p, &peer->chains[i].epoch);
}

static int order_compare(const struct pair_order *a, const struct pair_order *b)
{
    if (a->epoch != b->epoch) return a->epoch < b->epoch ? -1 : 1;
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    return memcmp(a->talk, b->talk, 16);
}

/* The peer's turn holds: our next word answers it. */
static enum status theirs(struct pair *p, struct pair_peer *peer, uint32_t turn,
                          const uint8_t root[32], const struct pair_entry *e)
{
    uint8_t s0[32];
    touch_chains(p, peer);
    pair_silence(peer);
    pair_chain_start(root, turn + 1, p->own_id, peer->id, s0);
    enum status st = hints_init(&peer->send, peer->secrets->send, s0);
    bytes_wipe(s0, sizeof s0);
    if (st != ST_OK) {
        hints_free(&peer->send);
        return st;
    }
    memcpy(peer->secrets->root, root, 32);
    memcpy(peer->peer_pk, e->pk, KEM_PUBLIC);
    peer->whose = PAIR_THEIRS;
    peer->turn = turn;
    return ST_OK;
}

bool pair_blocked(const struct pair *p, const struct pair_peer *peer, uint64_t epoch)
{
    return (p->restored != MAIL_NONE && epoch <= p->restored) ||
           (peer->blocked != MAIL_NONE && epoch <= peer->blocked);
}

enum status pair_adopt(struct pair *p, struct pair_peer *peer, const struct pair_entry *e,
                       bool *ret_anew)
{
    uint8_t root[32];
    struct pair_order order = {.epoch = e->begun_epoch, .count = e->begun_count};
    *ret_anew = false;
    pair_root(p->enclave_id, e->secret, root);
    pair_talk_id(root, peer->id, p->own_id, order.talk);
    enum status st = ST_OK;
    if (peer->has_order && order_compare(&order, &peer->order) <= 0) goto out;
    bool wrote = peer->whose != PAIR_SILENT && peer->turn > 0;
    if (pair_blocked(p, peer, order.epoch) || !peer->present) {
        touch_chains(p, peer);
        pair_silence(peer);
    } else {
        TRY(pair_peer_open(peer));
        TRY(theirs(p, peer, 0, root, e));
        peer->greet = false; /* it knows of this one */
    }
    *ret_anew = wrote;
    peer->order = order;
    peer->has_order = true;
    peer->dirty = true;
out:
    bytes_wipe(root, sizeof root);
    return st;
}

enum status pair_step(struct pair *p, struct pair_peer *peer, struct pair_chain *c,
                      const struct pair_entry *e)
{
    uint8_t root[32];
    uint8_t *before = peer->secrets->chain[c - peer->chains].root;
    enum status st = ST_OK;
    pair_root(before, e->secret, root);
    if (peer->whose == PAIR_OURS && pair_chain_current(peer, c))
        TRY(theirs(p, peer, c->turn, root, e));
    bytes_wipe(before, 32);
    c->stepped = true;
    newest_of(p, &c->epoch);
    peer->dirty = true;
out:
    bytes_wipe(root, sizeof root);
    return st;
}

/* ---- writing ---- */

struct fresh {
    const uint8_t *coins, *nonce, *sk, *secret;
};

static struct fresh fresh_of(const uint8_t random[PAIR_RANDOM])
{
    const uint8_t *nonce = random + KEM_COINS, *sk = nonce + XAEAD_NONCE;
    return (struct fresh){random, nonce, sk, sk + KEM_SEED};
}

static void ours(struct pair_peer *peer, uint32_t turn, const struct fresh *f)
{
    peer->whose = PAIR_OURS;
    peer->turn = turn;
    memcpy(peer->secrets->secret, f->secret, 32);
    memcpy(peer->secrets->sk, f->sk, KEM_SEED);
}

static enum status begin_talk(struct pair *p, struct pair_peer *peer, const struct fresh *f)
{
    uint8_t root[32];
    struct pair_order next = {0};
    newest_of(p, &next.epoch);
    if (peer->has_order && peer->order.epoch == next.epoch)
        next.count = peer->order.count + (peer->order.count != UINT32_MAX);
    pair_root(p->enclave_id, f->secret, root);
    pair_talk_id(root, p->own_id, peer->id, next.talk);
    enum status st = chain_add(p, peer, next.talk, 1, root, f->sk);
    bytes_wipe(root, sizeof root);
    if (st != ST_OK) return st;
    peer->order = next;
    peer->has_order = true;
    ours(peer, 0, f);
    return ST_OK;
}

static enum status begin_turn(struct pair *p, struct pair_peer *peer, const struct fresh *f)
{
    uint8_t root[32];
    touch_chains(p, peer);
    pair_root(peer->secrets->root, f->secret, root);
    enum status st = chain_add(p, peer, peer->order.talk, peer->turn + 2, root, f->sk);
    bytes_wipe(root, sizeof root);
    if (st != ST_OK) return st;
    bytes_wipe(peer->secrets->root, 32);
    ours(peer, peer->turn + 1, f);
    return ST_OK;
}

static enum status may_make(struct pair *p, const struct pair_peer *peer,
                            const struct mail_draft *draft)
{
    const struct pair_epoch *e = pair_epoch_newest(p);
    bool in = false;
    if (!e) return ST_NOT_FOUND;
    for (size_t i = 0; i < e->n; i++) in |= e->leaves[i] == p->own_leaf;
    if (!in || !peer || !peer->present) return ST_DENIED;
    if (pair_blocked(p, peer, e->epoch)) return ST_CONFLICT;
    return draft->content.n > PAIR_CONTENT_MAX ? ST_TOO_BIG : ST_OK;
}

static void fill(const struct pair *p, const struct pair_peer *peer, const struct mail_draft *draft,
                 uint64_t epoch, struct pair_entry *e)
{
    *e = (struct pair_entry){.kind = draft->kind,
                             .flags = draft->flags,
                             .time_ms = draft->time_ms,
                             .epoch = epoch,
                             .leaf = p->own_leaf,
                             .seen_count = draft->seen_count,
                             .begun_epoch = peer->order.epoch,
                             .begun_count = peer->order.count,
                             .turn = peer->turn,
                             .content = draft->content};
    memcpy(e->uuid, draft->uuid, 16);
    memcpy(e->seen_chain, draft->seen_chain, 32);
    memcpy(e->secret, peer->secrets->secret, 32);
    kem_public(peer->secrets->sk, e->pk);
}

static void pending_add(struct pair *p, uint16_t leaf, uint64_t epoch, const uint8_t uuid[16],
                        struct bytes sealed)
{
    struct pair_pending *w = &p->pending[p->n_pending++];
    w->leaf = leaf;
    w->epoch = epoch;
    memcpy(w->uuid, uuid, 16);
    memcpy(w->hint, sealed.p, HINT_SIZE);
    sha256(sealed, w->hash);
    p->head_dirty = true;
}

enum status pair_make(struct pair *p, uint16_t leaf, const struct mail_draft *draft,
                      const uint8_t id_seed[SIGN_SEED], const uint8_t random[PAIR_RANDOM],
                      struct buf *out, uint64_t *ret_epoch)
{
    uint8_t ct[KEM_CT], ss[KEM_SS] = {0}, hint[HINT_SIZE], mk[32] = {0};
    struct pair_entry e = {0};
    struct buf packed = BUF_INIT;
    struct pair_peer *peer = pair_peer_find(p, leaf);
    const struct fresh f = fresh_of(random);
    uint64_t epoch = 0, n;
    const struct pair_epoch *newest = newest_of(p, &epoch);
    size_t from = out->n;
    enum status st = may_make(p, peer, draft);
    if (st != ST_OK || !newest) return st;
    pair_discard(p, leaf, draft->uuid);
    if (p->n_pending == PAIR_UNSEEN_MAX) return ST_BUSY;
    TRY(pair_peer_open(peer));
    TRY(kem_encaps(pair_sends(peer) ? peer->peer_pk : peer->kem, f.coins, ct, ss));
    if (peer->whose == PAIR_SILENT) TRY(begin_talk(p, peer, &f));
    if (peer->whose == PAIR_THEIRS) TRY(begin_turn(p, peer, &f));
    peer->dirty = true;
    if (pair_sends(peer)) TRY(hints_make(&peer->send, false, &n, hint, mk));
    fill(p, peer, draft, epoch, &e);
    if (draft->pack && squeeze_pack(PAIR_OVERHEAD, draft->content, &packed)) {
        e.flags |= ENVELOPE_PACKED;
        e.content = buf_view(&packed);
    }
    const struct pair_keys keys = {p->room, p->enclave_id, peer->id, newest->secret,
                                   pair_sends(peer) ? mk : NULL};
    TRY(pair_entry_seal(&keys, &e, pair_sends(peer) ? hint : NULL, ct, ss, f.nonce, id_seed, out));
    peer->greet = false;
    pending_add(p, leaf, epoch, draft->uuid, BYTES(out->p + from, out->n - from));
    *ret_epoch = epoch;
out:
    buf_free(&packed);
    bytes_wipe(ss, sizeof ss);
    bytes_wipe(mk, sizeof mk);
    bytes_wipe(&e, sizeof e);
    return st;
}
