/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/audit/serve.h"

#include <stdlib.h>
#include <string.h>

struct asker {
    uint16_t id;
    uint64_t at_ms; /* when tokens was right */
    uint32_t tokens;
};

struct reply {
    struct reply *next;
    uint16_t asker;
    struct buf bytes;
};

struct audit_server {
    struct audit_server_config c;
    struct asker askers[AUDIT_ASKERS_MAX];
    size_t n_askers;
    unsigned jobs;
    struct reply *replies;
    bool freed;
};

struct job {
    struct audit_server *s;
    uint16_t asker;
    struct audit_challenge c;
    struct shard_key key;
    struct shard_info info;
    uint8_t *column;
    enum audit_code code;
    struct shard_trailer trailer; /* points into info */
    struct buf leaves;
};

struct audit_server *audit_server_new(const struct audit_server_config *c)
{
    struct audit_server *s = calloc(1, sizeof *s);
    if (s) s->c = *c;
    return s;
}

static void maybe_free(struct audit_server *s)
{
    if (!s->freed || s->jobs) return;
    while (s->replies) {
        struct reply *r = s->replies;
        s->replies = r->next;
        buf_free(&r->bytes);
        free(r);
    }
    free(s);
}

void audit_server_free(struct audit_server *s)
{
    if (!s) return;
    s->freed = true;
    maybe_free(s);
}

/* --- askers -------------------------------------------------------------------------------- */

static struct asker *asker_of(struct audit_server *s, uint16_t id, uint64_t now_ms)
{
    for (size_t i = 0; i < s->n_askers; i++)
        if (s->askers[i].id == id) return &s->askers[i];
    if (s->n_askers == AUDIT_ASKERS_MAX) return NULL;
    s->askers[s->n_askers] = (struct asker){id, now_ms, AUDIT_SERVE_BURST};
    return &s->askers[s->n_askers++];
}

static bool spend(struct asker *a, uint64_t now_ms)
{
    uint64_t step = UINT64_C(3600000) / AUDIT_SERVE_HOUR;
    uint64_t more = now_ms > a->at_ms ? (now_ms - a->at_ms) / step : 0;
    a->at_ms += more * step;
    a->tokens = more < AUDIT_SERVE_BURST - a->tokens ? a->tokens + (uint32_t)more
                                                     : (uint32_t)AUDIT_SERVE_BURST;
    if (!a->tokens) return false;
    a->tokens--;
    return true;
}

/* --- answers ------------------------------------------------------------------------------- */

static void reply_later(struct audit_server *s, uint16_t asker, struct bytes payload)
{
    unsigned waiting = 0;
    struct reply **at = &s->replies;
    for (; *at; at = &(*at)->next)
        if ((*at)->asker == asker) waiting++;
    struct reply *r = waiting < AUDIT_SERVE_WAITING ? calloc(1, sizeof *r) : NULL;
    if (!r) return; /* the asker's own time runs out */
    r->asker = asker;
    buf_bytes(&r->bytes, payload);
    *at = r;
}

static void answer(struct audit_server *s, uint16_t asker, const struct audit_answer *a)
{
    struct buf b = BUF_INIT;
    if (fields_encode(&audit_answer_fields, a, &b) == ST_OK &&
        s->c.send(s->c.ctx, asker, AUDIT_ANSWER, buf_view(&b)) == ST_BUSY)
        reply_later(s, asker, buf_view(&b));
    buf_free(&b);
}

void audit_server_writable(struct audit_server *s, uint16_t asker)
{
    for (struct reply **at = &s->replies; *at;) {
        struct reply *r = *at;
        if (r->asker != asker) {
            at = &r->next;
            continue;
        }
        if (s->c.send(s->c.ctx, asker, AUDIT_ANSWER, buf_view(&r->bytes)) == ST_BUSY) return;
        *at = r->next;
        buf_free(&r->bytes);
        free(r);
    }
}

void audit_server_gone(struct audit_server *s, uint16_t asker)
{
    for (struct reply **at = &s->replies; *at;) {
        struct reply *r = *at;
        if (r->asker != asker) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        buf_free(&r->bytes);
        free(r);
    }
}

/* --- a challenge --------------------------------------------------------------------------- */

static void job_free(struct job *j)
{
    struct audit_server *s = j->s;
    buf_free(&j->leaves);
    free(j->column);
    free(j);
    s->jobs--;
    maybe_free(s);
}

static void job_end(struct job *j, enum audit_code code)
{
    struct audit_server *s = j->s;
    struct audit_answer a = {.req = j->c.req, .code = (uint8_t)code};
    uint8_t text[AUDIT_STATEMENT];
    if (s->freed) {
        job_free(j);
        return;
    }
    if (code == AUDIT_CODE_HERE) {
        memcpy(a.root, j->trailer.root, 32);
        a.path = j->trailer.path;
        a.leaves = buf_view(&j->leaves);
    }
    if (code <= AUDIT_CODE_DAMAGED) {
        audit_statement(s->c.place, &j->c, &a, text);
        s->c.sign(s->c.ctx, BYTES_OF(text), a.sig);
    }
    answer(s, j->asker, &a);
    job_free(j);
}

/* A work job: the whole column against its root, then the leaves that were asked for. */
static void hash_run(void *arg)
{
    struct job *j = arg;
    uint32_t n = j->info.units * (uint32_t)SEGMENT_UNIT_LEAVES;
    uint8_t hashes[SEGMENT_COLUMN_LEAVES * 32];
    uint8_t root[32], path[MERKLE_PATH_MAX][MERKLE_HASH];
    segment_leaves(j->column, j->info.units * SHARD_UNIT, hashes);
    merkle_root(hashes, n, root);
    j->code = AUDIT_CODE_DAMAGED;
    if (memcmp(root, j->trailer.root, 32) != 0) return;
    j->code = AUDIT_CODE_HERE;
    for (uint32_t i = 0; i < j->c.count; i++) {
        uint32_t no = audit_leaf_number(j->c.nonce, j->c.segment_id, i, n);
        size_t len = merkle_path(hashes, n, no, path);
        buf_raw(&j->leaves, j->column + no * SEGMENT_LEAF, SEGMENT_LEAF);
        buf_u8(&j->leaves, (uint8_t)len);
        buf_raw(&j->leaves, path, len * 32);
    }
    if (buf_status(&j->leaves) != ST_OK) j->code = AUDIT_CODE_FAULT;
}

static void on_hashed(void *arg)
{
    struct job *j = arg;
    job_end(j, j->code);
}

static void on_read(void *arg, enum status st)
{
    struct job *j = arg;
    const struct work *w = &j->s->c.work;
    if (st == ST_INTEGRITY || st == ST_NOT_FOUND)
        job_end(j, AUDIT_CODE_DAMAGED); /* it was there a moment ago: it is too short, say */
    else if (st != ST_OK || w->submit(w->ctx, WORK_BULK, hash_run, on_hashed, j) != ST_OK)
        job_end(j, AUDIT_CODE_FAULT);
}

/* What stands around the units: AUDIT_CODE_HERE, or what is to be said. */
static enum audit_code look(struct job *j)
{
    struct shard_header h;
    struct bytes trailer = BYTES(j->info.trailer, j->info.trailer_len);
    if (segment_header_read(BYTES_OF(j->info.header), &h) != ST_OK ||
        memcmp(h.segment_id, j->c.segment_id, SHARD_ID) != 0 || h.index != j->c.index ||
        j->info.units < 1 || j->info.units > SHARD_UNITS_MAX ||
        segment_trailer_read(trailer, h.k, j->info.units, &j->trailer) != ST_OK)
        return AUDIT_CODE_DAMAGED;
    if (segment_trailer_check(&j->trailer, h.index, h.n, j->c.root) != ST_OK)
        return AUDIT_CODE_OTHER;
    return AUDIT_CODE_HERE;
}

static void on_told(void *arg, enum status st, const struct shard_info *info)
{
    struct job *j = arg;
    const struct shard_store *store = &j->s->c.store;
    if (st == ST_NOT_FOUND) {
        job_end(j, AUDIT_CODE_GONE);
        return;
    }
    if (st != ST_OK) {
        job_end(j, st == ST_INTEGRITY ? AUDIT_CODE_DAMAGED : AUDIT_CODE_FAULT);
        return;
    }
    j->info = *info;
    enum audit_code code = look(j);
    if (code == AUDIT_CODE_HERE) {
        j->column = malloc(j->info.units * SHARD_UNIT);
        if (!j->column) code = AUDIT_CODE_FAULT;
    }
    if (code != AUDIT_CODE_HERE) {
        job_end(j, code);
        return;
    }
    store->ops->read(store->ctx, &j->key, 0, j->column, j->info.units * SHARD_UNIT, on_read, j);
}

unsigned audit_server_jobs(const struct audit_server *s)
{
    return s->jobs;
}

enum status audit_server_frame(struct audit_server *s, uint16_t asker, struct bytes payload,
                               uint64_t now_ms)
{
    struct audit_challenge c;
    enum status st = fields_decode(&audit_challenge_fields, payload, &c);
    if (st != ST_OK) return st;
    if (c.count < 1 || c.count > AUDIT_COUNT_MAX || c.index >= SHARD_COLUMNS_MAX ||
        c.wait_ms < AUDIT_WAIT_MIN_MS || c.wait_ms > AUDIT_WAIT_MAX_MS)
        return ST_PROTOCOL;
    struct asker *a = asker_of(s, asker, now_ms);
    struct job *j = NULL;
    bool room = s->jobs < AUDIT_SERVE_JOBS && (!s->c.room || s->c.room(s->c.ctx));
    if (a && room && spend(a, now_ms)) j = calloc(1, sizeof *j);
    if (!j) {
        struct audit_answer busy = {.req = c.req, .code = AUDIT_CODE_BUSY};
        answer(s, asker, &busy);
        return ST_OK;
    }
    s->jobs++;
    j->s = s;
    j->asker = asker;
    j->c = c;
    buf_init(&j->leaves, AUDIT_LEAVES_MAX);
    memcpy(j->key.tag, s->c.tag, SHARD_TAG);
    memcpy(j->key.segment_id, c.segment_id, SHARD_ID);
    j->key.index = c.index;
    s->c.store.ops->info(s->c.store.ctx, &j->key, on_told, j);
    return ST_OK;
}
