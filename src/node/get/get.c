/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/get/get.h"

#include "base/sm.h"
#include "crypto/hash.h"
#include "node/get/drain.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)1 << 20) /* of an unfinished file that is hashed again */
#define TELL_MS 200
#define TICK_MS 500

static const struct sm_state get_states[] = {
    [GET_OPENING] = {"opening", SM_BIT(GET_READING) | SM_BIT(GET_FAILED)},
    [GET_READING] = {"reading", SM_BIT(GET_CLOSING) | SM_BIT(GET_OPENING) | SM_BIT(GET_FAILED)},
    [GET_CLOSING] = {"closing", SM_BIT(GET_DONE) | SM_BIT(GET_FAILED)},
    [GET_DONE] = {"done", 0},
    [GET_FAILED] = {"failed", 0},
};
static const struct sm_table get_table = {"get", get_states, 5};

struct get {
    struct get_env env;
    struct buf sealed;
    uint8_t version[32];
    uint8_t cek[32];
    char *target;
    bool replace;
    bool part; /* not the whole file */
    bool stream;
    uint64_t from, to;
    get_event *event;
    void *arg;

    struct sm sm;
    struct manifest m;     /* of the file */
    struct manifest outer; /* of the manifest, if it has segments of its own */
    struct buf inner;
    struct drain *drain;
    struct file *file;
    struct sha256 hash;
    bool hash_open;
    uint64_t offset;  /* in the target: written and hashed */
    uint64_t at;      /* in the file: where the next chunk begins */
    size_t end;       /* chunk to end before */
    uint64_t resumed; /* bytes that were there already */
    size_t first;     /* chunk to go on with */
    uint8_t *block;
    size_t block_n;
    struct bytes piece; /* being written and hashed */
    size_t written;     /* of it: a pipe takes it bit by bit */
    unsigned parts;
    enum status st;
    bool dead;
    size_t pending;

    uint64_t told_ms;
    uint64_t rate_ms;
    uint64_t rate_at;
    uint64_t rate;
    struct get_bad bad[GET_BAD_MAX];
    size_t bad_n;
    uint16_t gave[HOLD_LEAVES_MAX];
    unsigned gave_n;
};

static void destroy(struct get *g)
{
    drain_free(g->drain);
    if (g->hash_open) sha256_drop(&g->hash);
    if (g->file) g->env.files.ops->abandon(g->file, true);
    manifest_free(&g->m);
    manifest_free(&g->outer);
    buf_free(&g->inner);
    buf_free(&g->sealed);
    free(g->block);
    free(g->target);
    bytes_wipe(g, sizeof *g);
    free(g);
}

static void release(struct get *g)
{
    if (--g->pending == 0 && g->dead) destroy(g);
}

void get_free(struct get *g)
{
    if (!g) return;
    g->dead = true;
    hold_unwatch(g->env.hold, g);
    if (!g->parts) { /* else its bytes are being written and hashed; destroy frees it */
        drain_free(g->drain);
        g->drain = NULL;
    }
    release(g);
}

static void tell(struct get *g, const uint8_t *hash)
{
    uint64_t size = g->to > g->from ? g->to - g->from : 0;
    struct get_progress p = {.phase = (enum get_phase)g->sm.state,
                             .st = g->st,
                             .size = size,
                             .done = g->offset,
                             .rate = g->rate,
                             .eta_ms = UINT64_MAX,
                             .holders = g->gave_n,
                             .bad_n = g->bad_n,
                             .bad = g->bad};
    if (g->rate) p.eta_ms = (size - g->offset) * 1000 / g->rate;
    if (hash) memcpy(p.hash, hash, 32);
    g->told_ms = env_mono_ms(g->env.env);
    if (!g->dead) g->event(g->arg, &p);
}

/* The unfinished file stays for the next try, unless what is in it cannot be right. */
static void fail(struct get *g, enum status st)
{
    if (g->dead || g->sm.state == GET_FAILED) return;
    if (g->parts) { /* a write runs; its end comes back here */
        if (g->st == ST_OK) g->st = st;
        return;
    }
    bool keep = st != ST_INTEGRITY && st != ST_BAD_SEAL;
    g->st = st;
    sm_move(&g->sm, GET_FAILED);
    drain_free(g->drain);
    g->drain = NULL;
    if (g->file) g->env.files.ops->abandon(g->file, keep);
    g->file = NULL;
    env_log(g->env.env, ENV_WARN, "get", "a get failed: %s", status_text(st));
    tell(g, NULL);
}

/* --- events of the drain, both kinds ------------------------------------------------------- */

static void on_bad(void *arg, size_t segment, uint16_t leaf, uint8_t index, enum status why)
{
    struct get *g = arg;
    const struct manifest *m = g->m.segments ? &g->m : &g->outer;
    env_log(g->env.env, ENV_WARN, "get", "shard %u of segment %zu at leaf %u is bad: %s", index,
            segment, leaf, status_text(why));
    if (g->bad_n < GET_BAD_MAX) {
        struct get_bad *b = &g->bad[g->bad_n];
        *b = (struct get_bad){
            .leaf = leaf, .index = index, .segment = (uint16_t)segment, .why = why};
        memcpy(b->segment_id, m->segments[segment].id, 32);
    }
    g->bad_n++;
}

static void on_gave(void *arg, uint16_t leaf)
{
    struct get *g = arg;
    for (unsigned i = 0; i < g->gave_n; i++)
        if (g->gave[i] == leaf) return;
    if (g->gave_n < HOLD_LEAVES_MAX) g->gave[g->gave_n++] = leaf;
}

static void on_placed(void *arg, struct fetch_want *want)
{
    struct get *g = arg;
    uint16_t at[SHARD_COLUMNS_MAX];
    unsigned n = 0;
    if (!g->env.placed || !g->env.placed(g->env.ctx, want->id, at, &n)) return;
    for (unsigned i = 0; i < n && i < want->n; i++)
        if (at[i] != HOLD_NOBODY) want->at[i] = at[i];
}

static void drain_start(struct get *g, const struct manifest *m, size_t first, size_t end,
                        void (*chunk)(void *, size_t, struct bytes),
                        void (*done)(void *, enum status))
{
    struct drain_config c = {.env = g->env.env,
                             .work = g->env.work,
                             .hold = g->env.hold,
                             .m = m,
                             .first = first,
                             .end = end,
                             .placed = on_placed,
                             .bad = on_bad,
                             .gave = on_gave,
                             .chunk = chunk,
                             .done = done,
                             .arg = g};
    drain_free(g->drain);
    g->drain = drain_new(&c);
    if (!g->drain) fail(g, ST_NO_MEMORY);
}

/* --- the content --------------------------------------------------------------------------- */

static void content_start(struct get *g);

static void on_committed(void *arg, enum status st, size_t n)
{
    struct get *g = arg;
    (void)n;
    if (!g->dead) {
        if (st == ST_OK) {
            sm_move(&g->sm, GET_DONE);
            tell(g, g->m.hash);
        } else {
            fail(g, st);
        }
    }
    release(g);
}

static void on_content_done(void *arg, enum status st)
{
    struct get *g = arg;
    uint8_t hash[32];
    if (st != ST_OK) {
        fail(g, st);
        return;
    }
    sha256_done(&g->hash, hash);
    g->hash_open = false;
    if (!g->part && memcmp(hash, g->m.hash, 32) != 0) {
        /* Every chunk was authentic, so either what was there before is not ours or the writer
         * lied about the whole. The first is mended by starting over. */
        if (g->resumed) {
            g->resumed = 0;
            g->first = 0;
            g->offset = 0;
            g->at = 0;
            content_start(g);
        } else {
            fail(g, ST_INTEGRITY);
        }
        return;
    }
    sm_move(&g->sm, GET_CLOSING);
    struct file *f = g->file;
    g->file = NULL;
    g->pending++;
    g->env.files.ops->commit(f, g->replace, on_committed, g);
}

static void piece_part(struct get *g)
{
    if (--g->parts) return;
    if (g->dead) return;
    if (g->st != ST_OK) {
        enum status st = g->st;
        fail(g, st);
        return;
    }
    g->offset += g->piece.n;
    if (env_mono_ms(g->env.env) - g->told_ms >= TELL_MS) tell(g, NULL);
    if (!g->dead) drain_more(g->drain);
}

static void hash_run(void *arg)
{
    struct get *g = arg;
    sha256_add(&g->hash, g->piece);
}

static void on_hashed(void *arg)
{
    struct get *g = arg;
    piece_part(g);
    release(g);
}

static void on_written(void *arg, enum status st, size_t n)
{
    struct get *g = arg;
    g->written += n;
    if (st == ST_OK && g->written < g->piece.n && g->stream && !g->dead) {
        g->env.files.ops->write(g->file, g->offset,
                                BYTES(g->piece.p + g->written, g->piece.n - g->written), on_written,
                                g);
        return;
    }
    if (st == ST_OK && g->written != g->piece.n) st = ST_IO;
    if (st != ST_OK && g->st == ST_OK) g->st = st;
    piece_part(g);
    release(g);
}

/* What of a chunk is wanted. */
static struct bytes wanted(const struct get *g, struct bytes plain)
{
    size_t cut = g->from > g->at ? (size_t)(g->from - g->at) : 0;
    size_t n = g->to - g->at < plain.n ? (size_t)(g->to - g->at) : plain.n;
    return BYTES(plain.p + cut, n - cut);
}

static void on_chunk(void *arg, size_t i, struct bytes plain)
{
    struct get *g = arg;
    (void)i;
    g->piece = wanted(g, plain);
    g->at += plain.n;
    g->written = 0;
    g->parts = 2;
    g->pending += 2;
    g->env.files.ops->write(g->file, g->offset, g->piece, on_written, g);
    if (g->env.work.submit(g->env.work.ctx, WORK_BULK, hash_run, on_hashed, g) != ST_OK) {
        hash_run(g);
        on_hashed(g);
    }
}

static void content_start(struct get *g)
{
    if (!g->hash_open) sha256_start(&g->hash);
    g->hash_open = true;
    drain_start(g, &g->m, g->first, g->end, on_chunk, on_content_done);
}

/* --- an unfinished file of an earlier get -------------------------------------------------- */

static void rehash_more(struct get *g);

static void on_rehashed(void *arg)
{
    struct get *g = arg;
    if (!g->dead) {
        g->offset += g->block_n;
        rehash_more(g);
    }
    release(g);
}

static void rehash_run(void *arg)
{
    struct get *g = arg;
    sha256_add(&g->hash, BYTES(g->block, g->block_n));
}

static void on_block(void *arg, enum status st, size_t n)
{
    struct get *g = arg;
    if (g->dead) {
        release(g);
        return;
    }
    if (st != ST_OK || n == 0) {
        fail(g, st != ST_OK ? st : ST_IO);
    } else {
        g->block_n = n;
        g->pending++;
        if (g->env.work.submit(g->env.work.ctx, WORK_BULK, rehash_run, on_rehashed, g) != ST_OK) {
            rehash_run(g);
            on_rehashed(g);
        }
    }
    release(g);
}

static void rehash_more(struct get *g)
{
    uint64_t left = g->resumed - g->offset;
    if (!left) {
        content_start(g);
        return;
    }
    g->pending++;
    g->env.files.ops->read(g->file, g->offset, g->block, left < BLOCK ? (size_t)left : BLOCK,
                           on_block, g);
}

static void on_created(void *arg, enum status st, struct file *f, const struct file_info *info)
{
    struct get *g = arg;
    if (st != ST_OK) {
        fail(g, st);
    } else if (g->dead) {
        g->env.files.ops->abandon(f, true);
    } else {
        g->file = f;
        sm_move(&g->sm, GET_READING);
        g->stream = info->stream;
        while (!g->part && !g->stream && g->first < g->m.chunks_n &&
               g->resumed + g->m.chunks[g->first].plain <= info->size)
            g->resumed += g->m.chunks[g->first++].plain;
        g->at += g->resumed;
        g->rate_at = g->resumed;
        g->rate_ms = env_mono_ms(g->env.env);
        g->block = g->resumed ? malloc(BLOCK) : NULL;
        sha256_start(&g->hash);
        g->hash_open = true;
        if (g->resumed && !g->block)
            fail(g, ST_NO_MEMORY);
        else
            rehash_more(g);
    }
    release(g);
}

static void target_open(struct get *g)
{
    uint32_t mode = g->m.mode & 0777 ? g->m.mode & 0777 : 0600;
    uint64_t tag = get_u64(g->version);
    if (!g->to || g->to > g->m.size) g->to = g->m.size;
    g->part = g->from > 0 || g->to < g->m.size;
    if (g->from > g->to) {
        fail(g, ST_USAGE);
        return;
    }
    if (g->part) tag ^= (g->from << 1 | 1) * UINT64_C(0x9E3779B97F4A7C15) ^ g->to;
    while (g->end < g->m.chunks_n && (g->at < g->to)) g->at += g->m.chunks[g->end++].plain;
    g->at = 0;
    while (g->part && g->first < g->end && g->at + g->m.chunks[g->first].plain <= g->from)
        g->at += g->m.chunks[g->first++].plain;
    g->pending++;
    g->env.files.ops->create(g->env.files.ctx, g->target, tag, mode, on_created, g);
}

/* --- the manifest -------------------------------------------------------------------------- */

static void on_inner_chunk(void *arg, size_t i, struct bytes plain)
{
    struct get *g = arg;
    (void)i;
    buf_bytes(&g->inner, plain);
    drain_more(g->drain);
}

static void on_inner_done(void *arg, enum status st)
{
    struct get *g = arg;
    uint8_t hash[32];
    if (st == ST_OK) st = buf_status(&g->inner);
    if (st == ST_OK) {
        sha256(buf_view(&g->inner), hash);
        if (memcmp(hash, g->outer.hash, 32) != 0) st = ST_INTEGRITY;
    }
    if (st == ST_OK) st = manifest_decode(buf_view(&g->inner), &g->m);
    if (st == ST_OK && g->m.kind != MANIFEST_FILE) st = ST_INTEGRITY;
    buf_free(&g->inner);
    if (st == ST_OK)
        target_open(g);
    else
        fail(g, st);
}

static void open_manifest(struct get *g)
{
    struct buf plain = BUF_INIT;
    uint8_t id[32];
    enum status st = ST_OK;
    sha256(buf_view(&g->sealed), id);
    if (memcmp(id, g->version, 32) != 0) st = ST_INTEGRITY;
    if (st == ST_OK) st = manifest_open(g->cek, buf_view(&g->sealed), &plain);
    bytes_wipe(g->cek, sizeof g->cek);
    if (st == ST_OK) st = manifest_decode(buf_view(&plain), &g->m);
    buf_free(&plain);
    if (st != ST_OK) {
        fail(g, st);
    } else if (g->m.kind == MANIFEST_LIST) {
        g->outer = g->m;
        manifest_init(&g->m);
        buf_init(&g->inner, MANIFEST_PLAIN_MAX);
        drain_start(g, &g->outer, 0, g->outer.chunks_n, on_inner_chunk, on_inner_done);
    } else {
        target_open(g);
    }
}

static void on_start(void *arg)
{
    struct get *g = arg;
    if (!g->dead && g->sm.state == GET_OPENING) open_manifest(g);
    release(g);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void on_hold(void *arg)
{
    struct get *g = arg;
    if (g->drain) drain_pump(g->drain);
}

/* The info call is only a way to be called back by the loop. */
static void on_looked(void *arg, enum status st, struct file *f, const struct file_info *info)
{
    (void)st;
    (void)f;
    (void)info;
    on_start(arg);
}

struct get *get_start(const struct get_env *env, const struct get_request *r, get_event *event,
                      void *arg)
{
    struct get *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->env = *env;
    g->event = event;
    g->arg = arg;
    g->replace = r->replace;
    g->from = r->from;
    g->to = r->to;
    memcpy(g->version, r->version, 32);
    memcpy(g->cek, r->cek, 32);
    buf_init(&g->sealed, MANIFEST_INLINE + 4096);
    buf_bytes(&g->sealed, r->manifest);
    g->target = strdup(r->target);
    sm_init(&g->sm, &get_table, GET_OPENING);
    g->pending = 1;
    if (!g->target || buf_status(&g->sealed) != ST_OK || !hold_watch(env->hold, on_hold, g)) {
        destroy(g);
        return NULL;
    }
    g->pending++;
    if (env->work.submit(env->work.ctx, WORK_SHORT, nothing, on_start, g) != ST_OK)
        env->files.ops->info(env->files.ctx, g->target, on_looked, g);
    return g;
}

uint64_t get_tick(struct get *g)
{
    uint64_t now = env_mono_ms(g->env.env);
    if (now >= g->rate_ms + 1000 && g->sm.state == GET_READING) {
        uint64_t fresh = (g->offset - g->rate_at) * 1000 / (now - g->rate_ms);
        g->rate = g->rate ? (g->rate + fresh) / 2 : fresh;
        g->rate_ms = now;
        g->rate_at = g->offset;
    }
    if (g->drain) drain_pump(g->drain);
    return now + TICK_MS;
}
