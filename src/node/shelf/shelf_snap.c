/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Snapshots: who brings the count of entries over the mark posts the state of the tree, with every
 * living CEK wrapped under the newest file-KEK; others compare it with theirs before they use it. */
#include "node/shelf/shelf.h"

#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

/* The wrap of a file under the newest file-KEK; one that does not open stays as it is. */
static enum status rewrap(void *arg, const uint8_t version[32], uint64_t *epoch,
                          uint8_t wrap[TREE_WRAP])
{
    struct shelf *s = arg;
    uint8_t cek[32], kek[32], nonce[XAEAD_NONCE];
    uint64_t now = group_epoch(s->e->group);
    enum status st = group_key(s->e->group, GROUP_KEY_FILE_KEK, now, kek);
    if (st == ST_OK && shelf_unwrap(s, version, *epoch, wrap, cek) == ST_OK) {
        env_random(s->e->node->ports.env, nonce, sizeof nonce);
        cek_wrap(kek, nonce, version, now, cek, wrap);
        *epoch = now;
    }
    bytes_wipe(cek, sizeof cek);
    bytes_wipe(kek, sizeof kek);
    return st;
}

void shelf_snap(struct shelf *s)
{
    struct enclave *e = s->e;
    const struct seen *seen = &e->feeds[FEED_FILES].seen;
    struct buf body;
    s->snap_wanted = false;
    s->since_snap = 0;
    if (s->n_ops > 0) return; /* the next one over the mark */
    buf_init(&body, KV_VALUE_MAX);
    enum status st = tree_snap_build(s->tree, seen->count, seen->chain, rewrap, s, &body);
    if (st == ST_OK) st = shelf_queue(s, TREE_SNAP, buf_view(&body), NULL, NULL, NULL);
    if (st != ST_OK)
        env_log(e->node->ports.env, ENV_INFO, "files", "no snapshot is made: %s", status_text(st));
    buf_free(&body);
}

/* The state's hash leaves the wraps out: they are checked by opening (protocol.md 8). */
struct compare {
    struct shelf *s;
    const struct tree *theirs;
    bool same;
};

static bool same_key(void *arg, const uint8_t version[32])
{
    struct compare *c = arg;
    uint64_t epoch;
    uint8_t wrap[TREE_WRAP], a[32], b[32];
    bool open = shelf_cek(c->s, version, a) == ST_OK;
    c->same =
        !open || (tree_wrap(c->theirs, version, &epoch, wrap) &&
                  shelf_unwrap(c->s, version, epoch, wrap, b) == ST_OK && secret_same(a, b, 32));
    bytes_wipe(a, sizeof a);
    bytes_wipe(b, sizeof b);
    return c->same;
}

/* Both have the same versions: their hashes are the same. */
static bool same_keys(struct shelf *s, const struct tree *theirs)
{
    struct compare c = {.s = s, .theirs = theirs, .same = true};
    tree_versions(theirs, same_key, &c);
    return c.same;
}

static void refuse(struct shelf *s, uint64_t index)
{
    enclave_tell(s->e, "warning", "", index,
                 "a snapshot of the files differs from what this member has: not used");
}

void shelf_took_snap(struct shelf *s, uint64_t index, uint64_t epoch, struct bytes body)
{
    struct tree_snap snap;
    uint8_t hash[32];
    s->since_snap = 0;
    if (tree_snap_read(body, &snap) != ST_OK || snap.count != index) return;
    struct tree *theirs = tree_new();
    if (theirs == NULL || tree_load(theirs, snap.state) != ST_OK) goto bad;
    tree_hash(theirs, hash);
    if (memcmp(hash, snap.hash, 32) != 0) goto bad;
    if (s->blind) {
        /* Who came in without the keys of the beginning takes the tree as it is told. */
        struct tree *ours = s->tree;
        s->tree = theirs;
        theirs = ours;
        shelf_tree_ready(s);
        s->blind = false;
    } else {
        tree_hash(s->tree, hash);
        if (memcmp(hash, snap.hash, 32) != 0 || !same_keys(s, theirs)) goto bad;
    }
    tree_free(theirs);
    s->snap = index + 1;
    s->snap_epoch = epoch;
    return;
bad:
    tree_free(theirs);
    refuse(s, index);
}
