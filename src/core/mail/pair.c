/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/pair.h"

#include "core/mail/pair_inner.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

enum status pair_new(const uint8_t room[32], const uint8_t enclave_id[32], uint16_t own_leaf,
                     const uint8_t own_id[32], struct pair **ret)
{
    struct pair *p = secret_new(sizeof *p);
    if (!p) return ST_NO_MEMORY;
    memcpy(p->room, room, 32);
    memcpy(p->enclave_id, enclave_id, 32);
    memcpy(p->own_id, own_id, 32);
    p->own_leaf = own_leaf;
    p->restored = MAIL_NONE;
    p->head_dirty = true;
    buf_init(&p->plain, ENVELOPE_SEALED_MAX);
    buf_init(&p->unpacked, PAIR_CONTENT_MAX);
    *ret = p;
    return ST_OK;
}

static void peer_free(struct pair_peer *peer)
{
    for (size_t i = 0; i < PAIR_CHAINS_MAX; i++) pair_chain_free(peer, &peer->chains[i]);
    hints_free(&peer->send);
    secret_free(peer->secrets);
    free(peer->recent);
    free(peer);
}

void pair_free(struct pair *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n_peers; i++) peer_free(p->peers[i]);
    buf_free(&p->plain);
    buf_free(&p->unpacked);
    secret_free(p);
}

struct pair_epoch *pair_epoch_find(struct pair *p, uint64_t epoch)
{
    for (size_t i = p->n_epochs; i-- > 0;)
        if (p->epochs[i].epoch == epoch) return &p->epochs[i];
    return NULL;
}

struct pair_epoch *pair_epoch_newest(struct pair *p)
{
    return p->n_epochs ? &p->epochs[p->n_epochs - 1] : NULL;
}

static bool epoch_has(const struct pair_epoch *e, uint16_t leaf)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->leaves[i] == leaf) return true;
    return false;
}

bool pair_counts(struct pair *p, uint64_t epoch, uint16_t leaf, uint64_t index)
{
    const struct pair_epoch *next = pair_epoch_find(p, epoch + 1);
    const struct pair_epoch *after = pair_epoch_find(p, epoch + 2);
    if (next && index >= next->opened_at && !epoch_has(next, leaf)) return false;
    if (after && index >= after->opened_at && (!next || index >= next->opened_at)) return false;
    return true;
}

struct pair_peer *pair_peer_find(struct pair *p, uint16_t leaf)
{
    for (size_t i = 0; i < p->n_peers; i++)
        if (p->peers[i]->leaf == leaf) return p->peers[i];
    return NULL;
}

static void peer_remove(struct pair *p, size_t i)
{
    struct pair_peer *peer = p->peers[i];
    if (p->n_dropped < PAIR_PEERS_MAX) p->dropped[p->n_dropped++] = peer->leaf;
    peer_free(peer);
    p->peers[i] = p->peers[--p->n_peers];
    p->peers[p->n_peers] = NULL;
}

/* Who left first makes room. */
static bool peer_evict(struct pair *p)
{
    size_t first = p->n_peers;
    for (size_t i = 0; i < p->n_peers; i++) {
        if (p->peers[i]->present) continue;
        if (first == p->n_peers || p->peers[i]->gone_ms < p->peers[first]->gone_ms) first = i;
    }
    if (first == p->n_peers) return false;
    pair_drop_peer(p, p->peers[first]->leaf);
    return true;
}

enum status pair_peer_insert(struct pair *p, uint16_t leaf, const uint8_t id[32],
                             struct pair_peer **ret)
{
    if (p->n_peers == PAIR_PEERS_MAX && !peer_evict(p)) return ST_TOO_BIG;
    struct pair_peer *peer = calloc(1, sizeof *peer);
    if (!peer) return ST_NO_MEMORY;
    peer->leaf = leaf;
    memcpy(peer->id, id, 32);
    peer->blocked = MAIL_NONE;
    p->peers[p->n_peers++] = peer;
    *ret = peer;
    return ST_OK;
}

enum status pair_peer_open(struct pair_peer *peer)
{
    if (!peer->secrets) peer->secrets = secret_new(sizeof *peer->secrets);
    return peer->secrets ? ST_OK : ST_NO_MEMORY;
}

void pair_pending_remove(struct pair *p, size_t i)
{
    p->n_pending--;
    memmove(&p->pending[i], &p->pending[i + 1], (p->n_pending - i) * sizeof p->pending[0]);
    p->head_dirty = true;
}

void pair_drop_peer(struct pair *p, uint16_t leaf)
{
    size_t kept = 0;
    for (size_t i = p->n_pending; i-- > 0;)
        if (p->pending[i].leaf == leaf) pair_pending_remove(p, i);
    for (size_t i = 0; i < p->n_trace; i++)
        if (p->trace[i].leaf != leaf) p->trace[kept++] = p->trace[i];
    p->n_trace = kept;
    kept = 0;
    for (size_t i = 0; i < p->n_late; i++)
        if (p->late[i].leaf != leaf) p->late[kept++] = p->late[i];
    p->n_late = kept;
    p->head_dirty = true;
    for (size_t i = 0; i < p->n_peers; i++)
        if (p->peers[i]->leaf == leaf) {
            peer_remove(p, i);
            return;
        }
}

static void epoch_remove_first(struct pair *p)
{
    p->n_epochs--;
    memmove(&p->epochs[0], &p->epochs[1], p->n_epochs * sizeof p->epochs[0]);
    bytes_wipe(&p->epochs[p->n_epochs], sizeof p->epochs[0]);
    p->head_dirty = true;
}

/* Own entries of the epochs before the one opened now, judged by what its COMMIT saw. */
static void judge_own(struct pair *p, const struct pair_epoch *opened)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n_trace; i++) {
        const struct pair_trace own = p->trace[i];
        if (own.epoch == opened->epoch) {
            p->trace[kept++] = own;
        } else if (!pair_counts(p, own.epoch, p->own_leaf, own.index)) {
            if (p->n_late == PAIR_TRACE_MAX) continue;
            p->late[p->n_late].leaf = own.leaf;
            memcpy(p->late[p->n_late++].uuid, own.uuid, 16);
        } else if (own.epoch + 1 == opened->epoch && own.index >= opened->opened_at) {
            p->trace[kept++] = own;
        }
    }
    p->n_trace = kept;
}

/* Everybody in the roster is a peer; a leaf with another ID is somebody else. */
static enum status peers_ensure(struct pair *p, const struct pair_leaf *leaves, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (leaves[i].leaf == p->own_leaf) continue;
        struct pair_peer *peer = pair_peer_find(p, leaves[i].leaf);
        if (peer && memcmp(peer->id, leaves[i].id, 32) != 0) {
            pair_drop_peer(p, leaves[i].leaf);
            peer = NULL;
        }
        enum status st = peer ? ST_OK : pair_peer_insert(p, leaves[i].leaf, leaves[i].id, &peer);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static void peers_update(struct pair *p, const struct pair_leaf *leaves, size_t n, uint64_t now_ms)
{
    const struct pair_epoch *e = pair_epoch_newest(p);
    for (size_t i = 0; i < n; i++) {
        struct pair_peer *peer = pair_peer_find(p, leaves[i].leaf);
        if (!peer) continue;
        peer->dirty |= !peer->present || memcmp(peer->kem, leaves[i].kem, KEM_PUBLIC) != 0;
        peer->present = true;
        memcpy(peer->kem, leaves[i].kem, KEM_PUBLIC);
    }
    for (size_t i = 0; i < p->n_peers; i++) {
        struct pair_peer *peer = p->peers[i];
        if (!peer->present || epoch_has(e, peer->leaf)) continue;
        pair_silence(peer);
        peer->present = false;
        peer->gone_ms = now_ms;
    }
}

enum status pair_add_epoch(struct pair *p, uint64_t epoch, const uint8_t secret[32],
                           const struct pair_leaf *leaves, size_t n, uint64_t seen_mail,
                           uint64_t now_ms)
{
    struct pair_epoch *newest = pair_epoch_newest(p);
    if (newest && epoch <= newest->epoch) return ST_OK;
    if (n == 0 || n > MAIL_LEAVES_MAX) return ST_TOO_BIG;
    enum status st = peers_ensure(p, leaves, n);
    if (st != ST_OK) return st;
    if (newest) newest->replaced_ms = now_ms ? now_ms : 1;
    if (p->n_epochs == MAIL_EPOCHS_MAX) epoch_remove_first(p);
    struct pair_epoch *e = &p->epochs[p->n_epochs++];
    memset(e, 0, sizeof *e);
    e->epoch = epoch;
    e->opened_at = seen_mail;
    memcpy(e->secret, secret, 32);
    e->n = (uint16_t)n;
    for (size_t i = 0; i < n; i++) e->leaves[i] = leaves[i].leaf;
    peers_update(p, leaves, n, now_ms);
    judge_own(p, e);
    p->head_dirty = true;
    return ST_OK;
}

static bool old(uint64_t since_ms, uint64_t now_ms)
{
    return now_ms > since_ms && now_ms - since_ms >= MAIL_EPOCH_KEEP_MS;
}

/* A chain that was last of use in an epoch that is gone has nothing to come. */
static void chains_expire(struct pair_peer *peer, uint64_t oldest)
{
    for (size_t c = 0; c < PAIR_CHAINS_MAX; c++) {
        struct pair_chain *chain = &peer->chains[c];
        if (!chain->used || chain->epoch >= oldest || pair_chain_current(peer, chain)) continue;
        pair_chain_free(peer, chain);
        peer->dirty = true;
    }
}

void pair_expire(struct pair *p, uint64_t now_ms)
{
    while (p->n_epochs > 0 && p->epochs[0].replaced_ms != 0 &&
           old(p->epochs[0].replaced_ms, now_ms))
        epoch_remove_first(p);
    for (size_t i = p->n_peers; i-- > 0;) {
        struct pair_peer *peer = p->peers[i];
        if (!peer->present && old(peer->gone_ms, now_ms))
            pair_drop_peer(p, peer->leaf);
        else if (p->n_epochs > 0)
            chains_expire(peer, p->epochs[0].epoch);
    }
}

void pair_anew(struct pair *p, uint16_t leaf)
{
    struct pair_peer *peer = pair_peer_find(p, leaf);
    if (peer) pair_silence(peer);
}

void pair_restored(struct pair *p)
{
    const struct pair_epoch *newest = pair_epoch_newest(p);
    for (size_t i = 0; i < p->n_peers; i++) {
        pair_silence(p->peers[i]);
        p->peers[i]->greet = true;
    }
    if (!newest) return;
    p->restored = newest->epoch;
    p->head_dirty = true;
}

bool pair_greet(struct pair *p, size_t i, uint16_t *ret_leaf)
{
    const struct pair_epoch *newest = pair_epoch_newest(p);
    for (size_t n = 0; n < p->n_peers && newest; n++) {
        const struct pair_peer *peer = p->peers[n];
        if (!peer->greet || !peer->present || pair_blocked(p, peer, newest->epoch) || i-- > 0)
            continue;
        *ret_leaf = peer->leaf;
        return true;
    }
    return false;
}

void pair_discard(struct pair *p, uint16_t leaf, const uint8_t uuid[16])
{
    for (size_t i = 0; i < p->n_pending; i++)
        if (p->pending[i].leaf == leaf && memcmp(p->pending[i].uuid, uuid, 16) == 0) {
            pair_pending_remove(p, i);
            return;
        }
}

bool pair_late_own(struct pair *p, uint16_t *ret_leaf, uint8_t ret_uuid[16])
{
    if (p->n_late == 0) return false;
    *ret_leaf = p->late[0].leaf;
    memcpy(ret_uuid, p->late[0].uuid, 16);
    p->n_late--;
    memmove(&p->late[0], &p->late[1], p->n_late * sizeof p->late[0]);
    p->head_dirty = true;
    return true;
}

enum status pair_settle(struct pair *p, bool *ret_retake)
{
    *ret_retake = false;
    if (!p->fresh) return ST_OK;
    for (size_t i = 0; i < p->n_peers; i++)
        for (size_t c = 0; c < PAIR_CHAINS_MAX; c++) {
            bool grew = false;
            if (!p->peers[i]->chains[c].used) continue;
            enum status st = hints_extend(&p->peers[i]->chains[c].hints, &grew);
            if (st != ST_OK) return st;
            *ret_retake |= grew;
        }
    p->fresh = false;
    return ST_OK;
}

bool pair_early(const struct pair *p, size_t i, uint64_t *ret_index)
{
    if (i >= p->n_early) return false;
    *ret_index = p->early[i].index;
    return true;
}
