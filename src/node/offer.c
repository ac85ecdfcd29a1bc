/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How much this machine keeps for each enclave: the configuration's word, until its owner says another. */
#include "node/enclave/enclave.h"
#include "node/node_storage.h"

#include <stdlib.h>

#define OFFER_FIELDS(X, M)  \
    X(M, U8, version, 0, 0) \
    X(M, U64, bytes, 0, 0)
FIELDS_DECLARE(offer_row, OFFER_FIELDS);
FIELDS_DEFINE(offer_row, OFFER_FIELDS);

struct offering {
    struct node *n;
    uint64_t bytes;
    node_done *done;
    void *arg;
};

enum status node_offer_load(struct node *n)
{
    struct keep_space space = keep_space(&n->keep, "offer", BYTES_NONE);
    struct buf row = BUF_INIT;
    struct offer_row r;
    enum status st = keep_get(&n->keep, &space, 0, &row);
    if (st == ST_OK) st = fields_decode(&offer_row_fields, buf_view(&row), &r);
    if (st == ST_OK) n->options.offer = r.bytes;
    buf_free(&row);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

uint64_t node_storage_offered(const struct node *n)
{
    return n->options.offer;
}

static void on_kept(void *arg, enum status st)
{
    struct offering *o = arg;
    struct node *n = o->n;
    n->commits--;
    if (st == ST_OK) {
        n->options.offer = o->bytes;
        for (size_t i = 0; i < n->n; i++)
            if (!n->enclaves[i]->removed) enclave_files_quota(n->enclaves[i], o->bytes);
    }
    node_finish(o->done, o->arg, st, st == ST_OK ? "kept" : status_text(st), NULL);
    free(o);
}

enum status node_storage_offer(struct node *n, uint64_t bytes, node_done *done, void *arg)
{
    struct keep_space space;
    struct offer_row r = {.version = 1, .bytes = bytes};
    struct buf row = BUF_INIT;
    struct keep_batch b;
    if (!n->started) return ST_LOCKED;
    struct offering *o = calloc(1, sizeof *o);
    if (o == NULL) return ST_NO_MEMORY;
    *o = (struct offering){n, bytes, done, arg};
    space = keep_space(&n->keep, "offer", BYTES_NONE);
    keep_begin(&b, &n->keep);
    if (fields_encode(&offer_row_fields, &r, &row) == ST_OK)
        keep_put(&b, &space, 0, buf_view(&row));
    else
        b.bad = true;
    buf_free(&row);
    n->commits++;
    enum status st = keep_commit(&b, on_kept, o);
    if (st == ST_OK) return ST_OK;
    n->commits--;
    free(o);
    return st;
}
