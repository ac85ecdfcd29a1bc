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
static bool same_key(struct shelf *s, const struct tree_file *ours, const struct tree_file *theirs)
{
    uint8_t a[32], b[32];
    bool open = shelf_cek(s, ours, a) == ST_OK;
    bool same = !open || (shelf_cek(s, theirs, b) == ST_OK && secret_same(a, b, 32));
    bytes_wipe(a, sizeof a);
    bytes_wipe(b, sizeof b);
    return same;
}

struct compare {
    struct shelf *s;
    struct tree *theirs;
    const struct tree_trash **trash; /* ours, in order */
    size_t n_trash, at;
    bool same;
};

static bool on_node(void *arg, const struct tree_node *node)
{
    struct compare *c = arg;
    const struct tree_node *own = tree_find(c->s->tree, node->path);
    c->same = own != NULL && (node->dir || same_key(c->s, &own->file, &node->file));
    return c->same;
}

static bool on_own_trash(void *arg, const struct tree_trash *e)
{
    struct compare *c = arg;
    c->trash[c->n_trash++] = e;
    return true;
}

static bool on_trash(void *arg, const struct tree_trash *e)
{
    struct compare *c = arg;
    c->same = c->at < c->n_trash && same_key(c->s, &c->trash[c->at]->file, &e->file);
    c->at++;
    return c->same;
}

static bool same_keys(struct shelf *s, struct tree *theirs)
{
    struct compare c = {.s = s, .theirs = theirs, .same = true};
    c.trash = calloc(TREE_TRASH_MAX + 1, sizeof(const struct tree_trash *));
    if (c.trash == NULL) return false;
    tree_list(theirs, BYTES_NONE, true, on_node, &c);
    tree_trash(s->tree, on_own_trash, &c);
    if (c.same) tree_trash(theirs, on_trash, &c);
    free((void *)c.trash);
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
