/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The pump and the first half: read, cut, seal, pack. */
#include "node/put/pour_private.h"

#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

static struct pour_slot *slot_of(struct pour *p, uint32_t number)
{
    return &p->slots[number % POUR_CHUNKS];
}

/* Only what was written is wiped: a small file does not pay for the largest chunk. */
static void touch(struct pour_slot *s, size_t n)
{
    if (n > s->touched) s->touched = n;
}

static void destroy(struct pour *p)
{
    pour_rows_free(p);
    if (p->hash_open) sha256_drop(&p->hash);
    for (size_t i = 0; i < POUR_CHUNKS; i++) {
        struct pour_slot *s = &p->slots[i];
        if (s->in) bytes_wipe(s->in, s->touched);
        free(s->in);
        free(s->out);
    }
    segment_code_free(p->code);
    secret_free(p->keys);
    if (p->c.file) p->c.files->close(p->c.file);
    bytes_wipe(p, sizeof *p);
    free(p);
}

void pour_release(struct pour *p)
{
    if (--p->pending == 0 && p->dead) destroy(p);
}

static void on_start(void *arg)
{
    struct pour *p = arg;
    pour_pump(p);
    pour_release(p);
}

static void nothing(void *arg)
{
    (void)arg;
}

bool pour_job(struct pour *p, work_run *run, work_done *done, void *arg)
{
    if (p->c.work.submit(p->c.work.ctx, WORK_BULK, run, done, arg) != ST_OK) return false;
    p->pending++;
    return true;
}

struct pour *pour_new(const struct pour_config *c)
{
    struct pour *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->c = *c;
    p->pending = 1; /* the owner's */
    size_t row = c->code.n * UNIT_STRIDE;
    p->rows_max = POUR_ROW_BYTES / row > POUR_ROWS_MIN ? POUR_ROW_BYTES / row : POUR_ROWS_MIN;
    p->keys = secret_new(sizeof *p->keys);
    if (p->keys) *p->keys = *c->keys;
    cut_init(&p->cut, c->keys->chunk.dedup);
    sha256_start(&p->hash);
    p->hash_open = true;
    enum status st = p->keys ? ST_OK : ST_NO_MEMORY;
    if (st == ST_OK) st = segment_code_encode(c->code.k, c->code.n, &p->code);
    for (size_t i = 0; i < POUR_CHUNKS && st == ST_OK; i++) {
        struct pour_slot *s = &p->slots[i];
        s->p = p;
        s->in = malloc(CUT_MAX);
        s->out = malloc(CHUNK_SEALED_MAX);
        if (!s->in || !s->out) st = ST_NO_MEMORY;
    }
    if (st != ST_OK) {
        p->c.file = NULL; /* stays the caller's */
        destroy(p);
        return NULL;
    }
    (void)pour_job(p, nothing, on_start, p); /* no room: the owner pumps */
    return p;
}

void pour_free(struct pour *p)
{
    if (!p) return;
    p->dead = true;
    pour_rows_drop(p);
    pour_release(p);
}

void pour_fail(struct pour *p, enum status st)
{
    if (p->st == ST_OK) p->st = st;
}

/* --- read ---------------------------------------------------------------------------------- */

static void on_read(void *arg, enum status st, size_t n)
{
    struct pour_slot *s = arg;
    struct pour *p = s->p;
    p->reading = false;
    if (st == ST_BUSY && p->c.stream)
        st = ST_OK; /* nothing came for a while: asked again */
    else if (st == ST_OK && n == 0 && p->c.stream)
        p->ended = true;
    else if (st == ST_OK && n == 0)
        st = ST_CONFLICT; /* shorter than it was */
    if (st != ST_OK) pour_fail(p, st);
    s->have += n;
    p->offset += n;
    pour_pump(p);
    pour_release(p);
}

static void read_more(struct pour *p)
{
    struct pour_slot *s = slot_of(p, p->read_n);
    if (p->over || p->reading || s->state > SLOT_READ) return;
    if (s->state == SLOT_FREE) {
        s->state = SLOT_READ;
        s->number = p->read_n;
        s->have = 0;
        s->full = false;
    }
    uint64_t left = p->c.size - p->offset;
    size_t room = CUT_MAX - s->have;
    if (!left && !p->c.stream) p->ended = true;
    if (p->ended || !room) {
        s->full = true;
        return;
    }
    if (!left) { /* a pipe, and it goes on */
        pour_fail(p, ST_TOO_BIG);
        return;
    }
    size_t n = left < room ? (size_t)left : room;
    touch(s, s->have + n);
    if (!p->c.file) {
        memcpy(s->in + s->have, p->c.memory.p + p->offset, n);
        s->have += n;
        p->offset += n;
        s->full = true;
        return;
    }
    p->reading = true;
    p->pending++;
    p->c.files->read(p->c.file, p->offset, s->in + s->have, n, on_read, s);
}

/* --- cut ----------------------------------------------------------------------------------- */

static void cut_run(void *arg)
{
    struct pour_slot *s = arg;
    struct pour_slot *next = slot_of(s->p, s->number + 1);
    s->len = cut_next(&s->p->cut, s->in, s->have);
    touch(next, s->have - s->len);
    memcpy(next->in, s->in + s->len, s->have - s->len);
}

static void on_cut(void *arg)
{
    struct pour_slot *s = arg;
    struct pour *p = s->p;
    struct pour_slot *next = slot_of(p, s->number + 1);
    s->state = SLOT_CUT;
    s->hashed = false;
    s->packed = 0;
    p->read_n++;
    if (s->len < s->have || (p->c.stream ? !p->ended : p->offset < p->c.size)) {
        next->state = SLOT_READ;
        next->number = p->read_n;
        next->have = s->have - s->len;
        next->full = false;
    } else {
        p->over = true;
        p->chunks = p->read_n;
    }
    pour_pump(p);
    pour_release(p);
}

static void cut_more(struct pour *p)
{
    struct pour_slot *s = slot_of(p, p->read_n);
    if (p->over || s->state != SLOT_READ || !s->full) return;
    if (!s->have) {
        p->over = true; /* an empty source */
        p->chunks = p->read_n;
        s->state = SLOT_FREE;
        return;
    }
    /* The rest goes into the next slot, so that must be free. */
    if (slot_of(p, p->read_n + 1)->state != SLOT_FREE) return;
    if (pour_job(p, cut_run, on_cut, s)) s->state = SLOT_CUTTING;
}

/* --- seal and hash ------------------------------------------------------------------------- */

static void seal_run(void *arg)
{
    struct pour_slot *s = arg;
    const struct pour *p = s->p;
    chunk_seal(&p->keys->chunk, p->c.first_chunk + s->number, BYTES(s->in, s->len), true, s->out,
               &s->sealed);
}

static void on_sealed(void *arg)
{
    struct pour_slot *s = arg;
    s->state = SLOT_SEALED;
    pour_pump(s->p);
    pour_release(s->p);
}

static void hash_run(void *arg)
{
    struct pour_slot *s = arg;
    sha256_add(&s->p->hash, BYTES(s->in, s->len));
}

static void on_hashed(void *arg)
{
    struct pour_slot *s = arg;
    struct pour *p = s->p;
    s->hashed = true;
    p->hashing = false;
    p->hash_n++;
    pour_pump(p);
    pour_release(p);
}

static void seal_more(struct pour *p)
{
    for (uint32_t n = p->pack_n; n < p->read_n; n++) {
        struct pour_slot *s = slot_of(p, n);
        if (s->state == SLOT_CUT && pour_job(p, seal_run, on_sealed, s)) s->state = SLOT_SEALING;
    }
    if (p->hashing || p->hash_n >= p->read_n) return;
    p->hashing = pour_job(p, hash_run, on_hashed, slot_of(p, p->hash_n));
}

/* --- pack ---------------------------------------------------------------------------------- */

static void slot_done(struct pour *p, struct pour_slot *s)
{
    struct manifest_chunk *c = &s->where;
    enum status st = p->c.events->chunk(p->c.arg, c);
    bytes_wipe(c, sizeof *c);
    bytes_wipe(&s->sealed, sizeof s->sealed);
    if (st != ST_OK) pour_fail(p, st);
    p->plain += s->len;
    p->pack_n++;
    s->state = SLOT_FREE;
}

/* true: it lies somewhere already. */
static bool slot_begin(struct pour *p, struct pour_slot *s)
{
    struct manifest_chunk *c = &s->where;
    memcpy(c->key, s->sealed.key, 32);
    memcpy(c->id, s->sealed.id, 32);
    c->sealed = s->sealed.n;
    c->plain = (uint32_t)s->len;
    c->compression = s->sealed.compression;
    return p->c.events->found && p->c.events->found(p->c.arg, c);
}

static void pack_more(struct pour *p)
{
    while (p->st == ST_OK && !p->dead) {
        struct pour_slot *s = slot_of(p, p->pack_n);
        if (p->pack_n >= p->read_n || s->state != SLOT_SEALED || !s->hashed) return;
        if (!s->packed && slot_begin(p, s)) {
            slot_done(p, s);
            continue;
        }
        size_t left = s->sealed.n - s->packed;
        size_t n = pour_put(p, s->out + s->packed, left, s->packed ? NULL : &s->where);
        s->packed += n;
        if (n < left) return; /* rows or segments are full; they call the pump */
        slot_done(p, s);
    }
}

void pour_chunks(struct pour *p)
{
    uint32_t before;
    do {
        before = p->pack_n;
        read_more(p);
        cut_more(p);
        seal_more(p);
        pack_more(p);
    } while (p->pack_n != before && p->st == ST_OK && !p->dead);
    if (p->over && p->pack_n == p->chunks && p->st == ST_OK) pour_close(p);
}

/* --- the pump ------------------------------------------------------------------------------ */

static void tell_end(struct pour *p)
{
    uint8_t hash[32] = {0};
    bool ended = p->over && p->pack_n == p->chunks && p->hash_n == p->chunks && !p->segs;
    if (p->told || (p->st == ST_OK && !ended)) return;
    p->told = true;
    if (p->st == ST_OK) {
        sha256_done(&p->hash, hash);
        p->hash_open = false;
    } else {
        pour_rows_drop(p);
    }
    p->c.events->done(p->c.arg, p->st, p->plain, hash);
}

void pour_pump(struct pour *p)
{
    if (p->inside || p->dead || p->told) return;
    p->inside = true;
    p->pending++;
    if (p->st == ST_OK) pour_rows(p);
    if (p->st == ST_OK && !p->dead) pour_chunks(p);
    if (p->st == ST_OK && !p->dead) pour_rows(p);
    if (!p->dead) tell_end(p);
    p->inside = false;
    pour_release(p);
}
