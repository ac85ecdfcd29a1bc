/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Columns being read: pieces from the store to the link, one of a read at a time; and the leaf
 * hashes of a whole column. */
#include "core/files/segment.h"
#include "core/holder/holder_private.h"

#include <stdlib.h>
#include <string.h>

#define DATA_HEAD 8 /* req, offset */

struct holder_serve {
    struct holder_serve *next;
    struct holder_session *s;
    uint32_t req;
    struct shard_key key;
    uint32_t offset;
    uint32_t left;
    uint32_t piece; /* bytes in room that wait for the link */
    bool loading;
    bool dead;
    uint8_t room[DATA_HEAD + HOLDER_PIECE_MAX];
};

static void serve_free(struct holder_serve *r)
{
    struct holder_session *s = r->s;
    struct holder_serve **at = &s->reads;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
    s->reads_n--;
    free(r);
}

static void on_piece(void *arg, enum status st);

static void serve_load(struct holder_serve *r)
{
    const struct shard_store *store = &r->s->h->c.store;
    r->piece = r->left < HOLDER_PIECE_MAX ? r->left : (uint32_t)HOLDER_PIECE_MAX;
    r->loading = true;
    r->s->pending++;
    store->ops->read(store->ctx, &r->key, r->offset, r->room + DATA_HEAD, r->piece, on_piece, r);
}

/* Sends the piece in room and loads the next; false: the link is full. */
static bool serve_send(struct holder_serve *r)
{
    struct holder_session *s = r->s;
    put_u32(r->room, r->req);
    put_u32(r->room + 4, r->offset);
    struct bytes payload = BYTES(r->room, DATA_HEAD + r->piece);
    if (s->first || s->wire.send(s->wire.ctx, HOLDER_DATA, payload) == ST_BUSY) return false;
    r->offset += r->piece;
    r->left -= r->piece;
    r->piece = 0;
    if (r->left)
        serve_load(r);
    else
        serve_free(r);
    return true;
}

static void on_piece(void *arg, enum status st)
{
    struct holder_serve *r = arg;
    struct holder_session *s = r->s;
    r->loading = false;
    if (r->dead || s->closed) {
        serve_free(r);
    } else if (st != ST_OK) {
        serve_status(s, r->req, st);
        serve_free(r);
    } else {
        (void)serve_send(r); /* false: serve_reads_writable tries again */
    }
    serve_release(s);
}

enum status serve_read_start(struct holder_session *s, struct bytes payload)
{
    struct holder_read m;
    enum status st = fields_decode(&holder_read_fields, payload, &m);
    if (st != ST_OK) return st;
    uint64_t column = SHARD_UNITS_MAX * SHARD_UNIT;
    if (m.len < 1 || m.len > column || m.offset > column - m.len) return ST_BAD_MESSAGE;
    for (const struct holder_serve *r = s->reads; r; r = r->next)
        if (r->req == m.req && !r->dead) return ST_PROTOCOL;
    struct holder_serve *r = s->reads_n < HOLDER_READS_MAX ? malloc(sizeof *r) : NULL;
    if (!r) {
        serve_status(s, m.req, ST_BUSY);
        return ST_OK;
    }
    memset(r, 0, offsetof(struct holder_serve, room));
    r->s = s;
    r->req = m.req;
    memcpy(r->key.tag, s->h->c.tag, SHARD_TAG);
    memcpy(r->key.segment_id, m.segment_id, SHARD_ID);
    r->key.index = m.index;
    r->offset = m.offset;
    r->left = m.len;
    r->next = s->reads;
    s->reads = r;
    s->reads_n++;
    serve_load(r);
    return ST_OK;
}

static void serve_stop(struct holder_serve *r)
{
    r->dead = true;
    if (!r->loading) serve_free(r);
}

enum status serve_read_stop(struct holder_session *s, struct bytes payload)
{
    struct holder_req m;
    enum status st = fields_decode(&holder_req_fields, payload, &m);
    if (st != ST_OK) return st;
    for (struct holder_serve *r = s->reads; r; r = r->next)
        if (r->req == m.req && !r->dead) {
            serve_stop(r);
            break;
        }
    return ST_OK;
}

void serve_reads_writable(struct holder_session *s)
{
    for (struct holder_serve *r = s->reads, *next; r; r = next) {
        next = r->next;
        if (!r->loading && !r->dead && r->piece && !serve_send(r)) return;
    }
}

void serve_reads_close(struct holder_session *s)
{
    for (struct holder_serve *r = s->reads, *next; r; r = next) {
        next = r->next;
        serve_stop(r);
    }
}

/* --- the leaf hashes of a column ----------------------------------------------------------- */

struct tree_job {
    struct holder_session *s;
    uint32_t req;
    struct shard_key key;
    uint32_t units;
    uint8_t *column;
    uint8_t leaves[HOLDER_LEAVES_MAX * 32];
};

static void tree_free_job(struct tree_job *j)
{
    struct holder_session *s = j->s;
    s->trees--;
    free(j->column);
    free(j);
    serve_release(s);
}

static void tree_hash_run(void *arg)
{
    struct tree_job *j = arg;
    segment_leaves(j->column, j->units * SHARD_UNIT, j->leaves);
}

static void on_tree_hashed(void *arg)
{
    struct tree_job *j = arg;
    struct holder_leaves m = {.req = j->req, .leaves = {j->leaves, j->units * SEGMENT_UNIT_LEAVES}};
    serve_reply(j->s, HOLDER_LEAVES, &holder_leaves_fields, &m);
    tree_free_job(j);
}

static void tree_fail(struct tree_job *j, enum status st)
{
    serve_status(j->s, j->req, st);
    tree_free_job(j);
}

static void on_tree_read(void *arg, enum status st)
{
    struct tree_job *j = arg;
    const struct work *work = &j->s->h->c.work;
    if (st == ST_OK) st = work->submit(work->ctx, WORK_BULK, tree_hash_run, on_tree_hashed, j);
    if (st != ST_OK) tree_fail(j, st);
}

static void on_tree_told(void *arg, enum status st, const struct shard_info *info)
{
    struct tree_job *j = arg;
    const struct shard_store *store = &j->s->h->c.store;
    if (st == ST_OK) {
        j->units = info->units;
        j->column = malloc(j->units * SHARD_UNIT);
        if (!j->column) st = ST_NO_MEMORY;
    }
    if (st != ST_OK)
        tree_fail(j, st);
    else
        store->ops->read(store->ctx, &j->key, 0, j->column, j->units * SHARD_UNIT, on_tree_read, j);
}

enum status serve_tree_start(struct holder_session *s, struct bytes payload)
{
    struct holder_column m;
    enum status st = fields_decode(&holder_column_fields, payload, &m);
    if (st != ST_OK) return st;
    struct tree_job *j = s->trees < HOLDER_TREES_MAX ? calloc(1, sizeof *j) : NULL;
    if (!j) {
        serve_status(s, m.req, ST_BUSY);
        return ST_OK;
    }
    const struct shard_store *store = &s->h->c.store;
    j->s = s;
    j->req = m.req;
    memcpy(j->key.tag, s->h->c.tag, SHARD_TAG);
    memcpy(j->key.segment_id, m.segment_id, SHARD_ID);
    j->key.index = m.index;
    s->trees++;
    s->pending++;
    store->ops->info(store->ctx, &j->key, on_tree_told, j);
    return ST_OK;
}
