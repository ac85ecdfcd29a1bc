/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Snapshots: who brings the count of entries over the mark posts the state of the tree, with every
 * living CEK wrapped under the newest file-KEK; others compare it with theirs before they use it. */
#include "node/shelf/shelf.h"

#include <string.h>

struct found {
    const uint8_t *version;
    const struct tree_file *file;
};

static bool on_node(void *arg, const struct tree_node *node)
{
    struct found *f = arg;
    if (!node->dir && memcmp(node->file.version, f->version, 32) == 0) f->file = &node->file;
    return f->file == NULL;
}

static enum status rewrap(void *arg, const uint8_t version[32], uint64_t *epoch,
                          uint8_t wrap[TREE_WRAP])
{
    struct shelf *s = arg;
    struct found f = {version, NULL};
    uint8_t cek[32], kek[32], nonce[XAEAD_NONCE];
    uint64_t now = group_epoch(s->e->group);
    tree_list(s->tree, BYTES_NONE, true, on_node, &f);
    if (f.file == NULL) return ST_NOT_FOUND;
    enum status st = shelf_cek(s, f.file, cek);
    if (st == ST_OK) st = group_key(s->e->group, GROUP_KEY_FILE_KEK, now, kek);
    if (st == ST_OK) {
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

void shelf_took_snap(struct shelf *s, uint64_t index, uint64_t epoch, struct bytes body)
{
    struct tree_snap snap;
    uint8_t hash[32];
    s->since_snap = 0;
    if (tree_snap_read(body, &snap) != ST_OK || snap.count != index) return;
    tree_hash(s->tree, hash);
    if (memcmp(hash, snap.hash, 32) != 0) {
        enclave_tell(s->e, "warning", "", index,
                     "a snapshot of the files differs from what this member has: not used");
        return;
    }
    s->snap = index + 1;
    s->snap_epoch = epoch;
}
