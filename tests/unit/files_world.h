/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * files_world: doubles of the ports that files need, on one virtual loop:
 * clock, random, work, shard store and files in memory, links between members.
 * For tests of holder, hold, put and get.
 *
 * Owns: the world owns everything until world_free. Errors: cmocka's assertions.
 * Order: world_new, members, world_run (until nothing is to be done), world_free.
 */
#ifndef ENCLAVE_TESTS_FILES_WORLD_H
#define ENCLAVE_TESTS_FILES_WORLD_H

#include "base/env.h"
#include "core/ports/file.h"
#include "core/ports/shard_store.h"
#include "core/ports/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world_event {
    struct world_event *next;
    void (*run)(void *arg);
    void *arg;
};

struct world_file {
    struct world_file *next;
    char path[256];
    struct buf bytes;
    uint64_t mtime_ms;
    uint64_t inode;
    uint64_t tag; /* unfinished: of this create */
    bool unfinished;
};

struct world {
    struct world_event *first;
    struct world_event **last;
    uint64_t now;
    uint64_t dice;
    struct env env;
    struct work work;
    unsigned jobs; /* submitted and not done */
    unsigned jobs_max;
    struct world_file *files;
    struct file_port file_port;
    uint64_t inode;
    size_t reads; /* of files, in bytes */
    void *user;   /* a test's own */
};

static inline void world_post(struct world *w, void (*run)(void *), void *arg)
{
    struct world_event *e = calloc(1, sizeof *e);
    e->run = run;
    e->arg = arg;
    *w->last = e;
    w->last = &e->next;
}

static inline bool world_step(struct world *w)
{
    struct world_event *e = w->first;
    if (!e) return false;
    w->first = e->next;
    if (!w->first) w->last = &w->first;
    e->run(e->arg);
    free(e);
    return true;
}

static inline void world_run(struct world *w)
{
    while (world_step(w)) continue;
}

static inline uint64_t world_mono(void *ctx)
{
    return ((struct world *)ctx)->now;
}

static inline uint64_t world_wall(void *ctx)
{
    return UINT64_C(1800000000000) + ((struct world *)ctx)->now;
}

static inline uint64_t world_roll(struct world *w)
{
    w->dice = w->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return w->dice >> 24;
}

static inline void world_random(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)world_roll(ctx);
}

static inline void world_log(void *ctx, enum env_level level, const char *area, const char *text)
{
    (void)ctx;
    (void)level;
    if (getenv("WORLD_LOG")) printf("%s: %s\n", area, text);
}

/* --- work ---------------------------------------------------------------------------------- */

struct world_job {
    struct world *w;
    work_run *run;
    work_done *done;
    void *arg;
};

static inline void world_job_run(void *arg)
{
    struct world_job j = *(struct world_job *)arg;
    free(arg);
    j.w->jobs--;
    j.run(j.arg);
    j.done(j.arg);
}

static inline enum status world_submit(void *ctx, enum work_lane lane, work_run *run,
                                       work_done *done, void *arg)
{
    struct world *w = ctx;
    (void)lane;
    if (w->jobs >= w->jobs_max) return ST_BUSY;
    struct world_job *j = malloc(sizeof *j);
    *j = (struct world_job){w, run, done, arg};
    w->jobs++;
    world_post(w, world_job_run, j);
    return ST_OK;
}

/* --- files --------------------------------------------------------------------------------- */

struct file {
    struct world *w;
    struct world_file *f;
};

struct world_file_call {
    struct world *w;
    struct file *file;
    file_opened *opened;
    file_done *done;
    void *arg;
    enum status st;
    size_t n;
    struct file_info info;
};

static inline struct world_file *world_file_find(struct world *w, const char *path, bool unfinished,
                                                 uint64_t tag)
{
    for (struct world_file *f = w->files; f; f = f->next)
        if (strcmp(f->path, path) == 0 && f->unfinished == unfinished &&
            (!unfinished || f->tag == tag))
            return f;
    return NULL;
}

static inline struct world_file *world_file_new(struct world *w, const char *path)
{
    struct world_file *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "%s", path);
    buf_init(&f->bytes, (size_t)1 << 30);
    f->inode = ++w->inode;
    f->mtime_ms = 1700000000000;
    f->next = w->files;
    w->files = f;
    return f;
}

static inline void world_file_drop(struct world *w, struct world_file *f)
{
    struct world_file **at = &w->files;
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    buf_free(&f->bytes);
    free(f);
}

static inline void world_file_called(void *arg)
{
    struct world_file_call c = *(struct world_file_call *)arg;
    free(arg);
    if (c.opened)
        c.opened(c.arg, c.st, c.file, &c.info);
    else
        c.done(c.arg, c.st, c.n);
}

static inline struct world_file_call *world_file_call(struct world *w, void *arg)
{
    struct world_file_call *c = calloc(1, sizeof *c);
    c->w = w;
    c->arg = arg;
    world_post(w, world_file_called, c);
    return c;
}

static inline void world_file_info(struct world_file_call *c, const struct world_file *f)
{
    c->info = (struct file_info){
        .size = f->bytes.n, .mtime_ms = f->mtime_ms, .inode = f->inode, .mode = 0100644};
}

static inline void world_open_read(void *ctx, const char *path, file_opened *done, void *arg)
{
    struct world *w = ctx;
    struct world_file_call *c = world_file_call(w, arg);
    struct world_file *f = world_file_find(w, path, false, 0);
    c->opened = done;
    c->st = f ? ST_OK : ST_NOT_FOUND;
    if (!f) return;
    c->file = malloc(sizeof *c->file);
    *c->file = (struct file){w, f};
    world_file_info(c, f);
}

static inline void world_create(void *ctx, const char *path, uint64_t tag, uint32_t mode,
                                file_opened *done, void *arg)
{
    struct world *w = ctx;
    struct world_file_call *c = world_file_call(w, arg);
    struct world_file *f = world_file_find(w, path, true, tag);
    (void)mode;
    if (!f) {
        f = world_file_new(w, path);
        f->unfinished = true;
        f->tag = tag;
    }
    c->opened = done;
    c->file = malloc(sizeof *c->file);
    *c->file = (struct file){w, f};
    world_file_info(c, f);
}

static inline void world_read(struct file *f, uint64_t offset, uint8_t *to, size_t n,
                              file_done *done, void *arg)
{
    struct world_file_call *c = world_file_call(f->w, arg);
    c->done = done;
    const struct buf *b = &f->f->bytes;
    size_t left = offset < b->n ? b->n - (size_t)offset : 0;
    c->n = n < left ? n : left;
    if (c->n) memcpy(to, b->p + offset, c->n);
    f->w->reads += c->n;
}

static inline void world_write(struct file *f, uint64_t offset, struct bytes from, file_done *done,
                               void *arg)
{
    struct world_file_call *c = world_file_call(f->w, arg);
    struct buf *b = &f->f->bytes;
    c->done = done;
    c->n = from.n;
    if (offset + from.n > b->n) buf_zero(b, (size_t)offset + from.n - b->n);
    if (from.n) memcpy(b->p + offset, from.p, from.n);
}

static inline void world_commit(struct file *f, bool replace, file_done *done, void *arg)
{
    struct world_file_call *c = world_file_call(f->w, arg);
    struct world_file *old = world_file_find(f->w, f->f->path, false, 0);
    c->done = done;
    if (old && !replace) {
        c->st = ST_EXISTS;
    } else {
        if (old) world_file_drop(f->w, old);
        f->f->unfinished = false;
    }
    free(f);
}

static inline void world_abandon(struct file *f, bool keep)
{
    if (!keep) world_file_drop(f->w, f->f);
    free(f);
}

static inline void world_close(struct file *f)
{
    free(f);
}

static inline void world_info(void *ctx, const char *path, file_opened *done, void *arg)
{
    struct world *w = ctx;
    struct world_file_call *c = world_file_call(w, arg);
    struct world_file *f = world_file_find(w, path, false, 0);
    c->opened = done;
    c->st = f ? ST_OK : ST_NOT_FOUND;
    if (f) world_file_info(c, f);
}

/* --- shard store --------------------------------------------------------------------------- */

struct mem_shard {
    struct mem_shard *next;
    struct shard_key key;
    uint64_t stored_ms;
    uint8_t header[SHARD_HEADER];
    uint32_t units;
    uint8_t trailer[SHARD_TRAILER_MAX];
    size_t trailer_len;
    uint8_t *bytes;
};

struct mem_store {
    struct world *w;
    struct mem_shard *shards;
    struct shard_space space;
    unsigned puts; /* not yet committed or abandoned */
    unsigned commits;
    bool full;
};

struct shard_put {
    struct mem_store *m;
    struct mem_shard *s;
    enum status st; /* of the first append that failed */
    unsigned running;
    bool abandoned;
};

struct mem_call {
    struct mem_store *m;
    struct shard_put *append;
    shard_done *done;
    shard_told *told;
    shard_had *had;
    void *arg;
    enum status st;
    uint64_t bitmap;
    bool found;
    struct shard_info info;
};

static inline struct mem_shard *mem_find(struct mem_store *m, const struct shard_key *k)
{
    for (struct mem_shard *s = m->shards; s; s = s->next)
        if (memcmp(s->key.segment_id, k->segment_id, 32) == 0 && s->key.index == k->index &&
            memcmp(s->key.tag, k->tag, 16) == 0)
            return s;
    return NULL;
}

static inline void mem_put_free(struct shard_put *p)
{
    p->m->puts--;
    if (p->s) {
        free(p->s->bytes);
        free(p->s);
    }
    free(p);
}

static inline void mem_called(void *arg)
{
    struct mem_call c = *(struct mem_call *)arg;
    free(arg);
    if (c.append) {
        c.append->running--;
        bool last = c.append->abandoned && !c.append->running;
        c.done(c.arg, c.st);
        if (last) mem_put_free(c.append);
    } else if (c.told) {
        c.told(c.arg, c.st, c.st == ST_OK ? &c.info : NULL);
    } else if (c.had) {
        c.had(c.arg, c.st, c.bitmap);
    } else {
        c.done(c.arg, c.st);
    }
}

static inline struct mem_call *mem_call(struct mem_store *m, void *arg)
{
    struct mem_call *c = calloc(1, sizeof *c);
    c->m = m;
    c->arg = arg;
    world_post(m->w, mem_called, c);
    return c;
}

static inline struct shard_put *mem_begin(void *ctx, const struct shard_key *key,
                                          const uint8_t header[SHARD_HEADER])
{
    struct mem_store *m = ctx;
    struct shard_put *p = calloc(1, sizeof *p);
    p->m = m;
    p->s = calloc(1, sizeof *p->s);
    p->s->key = *key;
    memcpy(p->s->header, header, SHARD_HEADER);
    p->s->bytes = calloc(SHARD_UNITS_MAX, SHARD_UNIT);
    m->puts++;
    return p;
}

static inline void mem_append(struct shard_put *p, uint32_t row, const uint8_t *unit,
                              shard_done *done, void *arg)
{
    struct mem_call *c = mem_call(p->m, arg);
    c->append = p;
    c->done = done;
    p->running++;
    if (p->m->full)
        c->st = p->st = ST_NO_SPACE;
    else
        memcpy(p->s->bytes + row * SHARD_UNIT, unit, SHARD_UNIT);
}

static inline void mem_commit(struct shard_put *p, uint32_t rows, struct bytes trailer,
                              shard_done *done, void *arg)
{
    struct mem_store *m = p->m;
    struct mem_call *c = mem_call(m, arg);
    struct mem_shard *old = mem_find(m, &p->s->key);
    c->done = done;
    c->st = p->running ? ST_BUG : p->st;
    if (c->st == ST_OK && old &&
        (old->trailer_len != trailer.n || memcmp(old->trailer, trailer.p, trailer.n) != 0))
        c->st = ST_EXISTS;
    if (c->st == ST_OK && !old) {
        struct mem_shard *s = p->s;
        s->units = rows;
        memcpy(s->trailer, trailer.p, trailer.n);
        s->trailer_len = trailer.n;
        s->stored_ms = world_wall(m->w);
        s->bytes = realloc(s->bytes, rows * SHARD_UNIT);
        s->next = m->shards;
        m->shards = s;
        m->space.count++;
        m->space.used += SHARD_HEADER + rows * SHARD_UNIT + trailer.n;
        m->commits++;
        p->s = NULL;
    }
    mem_put_free(p);
}

static inline void mem_abandon(struct shard_put *p)
{
    p->abandoned = true;
    if (!p->running) mem_put_free(p);
}

static inline void mem_read(void *ctx, const struct shard_key *key, uint64_t offset, uint8_t *to,
                            size_t n, shard_done *done, void *arg)
{
    struct mem_store *m = ctx;
    struct mem_call *c = mem_call(m, arg);
    const struct mem_shard *s = mem_find(m, key);
    c->done = done;
    if (!s)
        c->st = ST_NOT_FOUND;
    else if (offset + n > s->units * SHARD_UNIT)
        c->st = ST_INTEGRITY;
    else
        memcpy(to, s->bytes + offset, n);
}

static inline void mem_info(void *ctx, const struct shard_key *key, shard_told *done, void *arg)
{
    struct mem_store *m = ctx;
    struct mem_call *c = mem_call(m, arg);
    const struct mem_shard *s = mem_find(m, key);
    c->told = done;
    c->st = s ? ST_OK : ST_NOT_FOUND;
    if (!s) return;
    c->info.units = s->units;
    c->info.stored_ms = s->stored_ms;
    memcpy(c->info.header, s->header, SHARD_HEADER);
    memcpy(c->info.trailer, s->trailer, s->trailer_len);
    c->info.trailer_len = (uint8_t)s->trailer_len;
}

static inline void mem_have(void *ctx, const uint8_t tag[SHARD_TAG],
                            const uint8_t segment_id[SHARD_ID], shard_had *done, void *arg)
{
    struct mem_store *m = ctx;
    struct mem_call *c = mem_call(m, arg);
    (void)tag;
    c->had = done;
    for (const struct mem_shard *s = m->shards; s; s = s->next)
        if (memcmp(s->key.segment_id, segment_id, 32) == 0)
            c->bitmap |= UINT64_C(1) << s->key.index;
}

static inline void mem_drop(void *ctx, const struct shard_key *key, shard_done *done, void *arg)
{
    struct mem_store *m = ctx;
    struct mem_call *c = mem_call(m, arg);
    struct mem_shard *s = mem_find(m, key);
    c->done = done;
    c->st = s ? ST_OK : ST_NOT_FOUND;
    if (!s) return;
    struct mem_shard **at = &m->shards;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    m->space.count--;
    m->space.used -= SHARD_HEADER + s->units * SHARD_UNIT + s->trailer_len;
    free(s->bytes);
    free(s);
}

static inline void mem_list(void *ctx, const uint8_t tag[SHARD_TAG], shard_visit *visit,
                            shard_done *done, void *arg)
{
    struct mem_store *m = ctx;
    struct mem_call *c = mem_call(m, arg);
    (void)tag;
    c->done = done;
    for (const struct mem_shard *s = m->shards; s; s = s->next) /* early, but the arg is alive */
        visit(arg, &s->key, SHARD_HEADER + s->units * SHARD_UNIT + s->trailer_len, s->stored_ms);
}

static inline void mem_space(void *ctx, struct shard_space *ret)
{
    struct mem_store *m = ctx;
    *ret = m->space;
    ret->free = m->full ? 0 : (uint64_t)1 << 40;
}

static inline struct shard_store mem_store_port(struct mem_store *m)
{
    static const struct shard_ops ops = {mem_begin, mem_append, mem_commit, mem_abandon, mem_read,
                                         mem_info,  mem_have,   mem_drop,   mem_list,    mem_space};
    return (struct shard_store){&ops, m};
}

static inline void mem_store_free(struct mem_store *m)
{
    while (m->shards) {
        struct mem_shard *s = m->shards;
        m->shards = s->next;
        free(s->bytes);
        free(s);
    }
}

/* --- the world ----------------------------------------------------------------------------- */

static inline struct world *world_new(uint64_t seed)
{
    static const struct file_ops ops = {world_open_read, world_create,  world_read,  world_write,
                                        world_commit,    world_abandon, world_close, world_info};
    struct world *w = calloc(1, sizeof *w);
    w->last = &w->first;
    w->now = 1000;
    w->dice = seed;
    w->jobs_max = 64;
    w->env = (struct env){w, world_mono, world_wall, world_random, world_log};
    w->work = (struct work){world_submit, w};
    w->file_port = (struct file_port){&ops, w};
    return w;
}

static inline void world_free(struct world *w)
{
    world_run(w);
    while (w->files) world_file_drop(w, w->files);
    free(w);
}

/* A file of n bytes that look random. */
static inline struct world_file *world_file_fill(struct world *w, const char *path, size_t n)
{
    struct world_file *f = world_file_new(w, path);
    uint8_t *p = buf_space(&f->bytes, n);
    uint64_t s = world_roll(w);
    for (size_t i = 0; i < n; i += 8) {
        uint8_t word[8];
        s = s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        put_u64(word, s ^ s >> 29);
        memcpy(p + i, word, n - i < 8 ? n - i : 8);
    }
    return f;
}

#endif
