/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/files_mem.h"

#include <stdlib.h>
#include <string.h>

struct file {
    struct files_mem *f;
    struct files_mem_one *one;
    uint8_t *held; /* a read handle keeps the content that it opened */
    size_t held_n;
    bool writing, replace;
    unsigned busy;
    bool closed;
};

struct call {
    struct file *file;
    struct files_mem *f;
    enum status st;
    size_t n;
    struct file_info info;
    file_opened *opened;
    file_done *done;
    void *arg;
    uint8_t *to;
    struct bytes from;
};

static void file_release(struct file *h)
{
    if (!h->closed || h->busy > 0) return;
    free(h->held);
    free(h);
}

static void ran(void *arg)
{
    struct call *c = arg;
    struct file *h = c->file;
    /* As late as the port allows: whoever let go of the room too early is found out. */
    if (c->to && c->n) memcpy(c->to, c->from.p, c->n);
    if (c->opened)
        c->opened(c->arg, c->st, c->st == ST_OK ? h : NULL, &c->info);
    else if (c->done)
        c->done(c->arg, c->st, c->n);
    if (h) {
        h->busy--;
        file_release(h);
    }
    free(c);
}

/* The life before a crash is gone; its handle goes with the last call. */
static void dropped(void *arg)
{
    struct call *c = arg;
    if (c->file) {
        c->file->closed = true;
        c->file->busy--;
        file_release(c->file);
    }
    free(c);
}

static struct call *later(struct files_mem *f, struct file *h, void *arg)
{
    struct call *c = sim_alloc(sizeof *c);
    c->f = f;
    c->file = h;
    c->arg = arg;
    if (h) h->busy++;
    vtime_at(f->m->time, rng_below(&f->m->rng, 6), &f->m->life, ran, dropped, c);
    return c;
}

static struct files_mem_one *find(const struct files_mem *f, const char *path, bool unfinished,
                                  uint64_t tag)
{
    for (struct files_mem_one *o = f->first; o; o = o->next)
        if (o->unfinished == unfinished && strcmp(o->path, path) == 0 &&
            (!unfinished || o->tag == tag))
            return o;
    return NULL;
}

static struct files_mem_one *add(struct files_mem *f, const char *path)
{
    struct files_mem_one *o = sim_alloc(sizeof *o);
    o->path = sim_copy(path, strlen(path) + 1);
    o->inode = ++f->inodes;
    o->mtime_ms = f->m->env.wall_ms(f->m);
    o->next = f->first;
    f->first = o;
    return o;
}

static void remove_one(struct files_mem *f, struct files_mem_one *o)
{
    struct files_mem_one **at = &f->first;
    while (*at && *at != o) at = &(*at)->next;
    if (!*at) return;
    *at = o->next;
    free(o->path);
    free(o->p);
    free(o);
}

static struct file_info info_of(const struct files_mem_one *o)
{
    return (struct file_info){
        .size = o->n, .mtime_ms = o->mtime_ms, .inode = o->inode, .mode = o->mode};
}

static void op_open_read(void *ctx, const char *path, file_opened *done, void *arg)
{
    struct files_mem *f = ctx;
    struct files_mem_one *o = find(f, path, false, 0);
    struct file *h = NULL;
    if (o) {
        h = sim_alloc(sizeof *h);
        h->f = f;
        h->held = sim_copy(o->p, o->n);
        h->held_n = o->n;
    }
    struct call *c = later(f, h, arg);
    c->opened = done;
    c->st = o ? ST_OK : ST_NOT_FOUND;
    if (o) c->info = info_of(o);
}

static void op_info(void *ctx, const char *path, file_opened *done, void *arg)
{
    struct files_mem *f = ctx;
    struct files_mem_one *o = find(f, path, false, 0);
    struct call *c = later(f, NULL, arg);
    c->opened = done;
    c->st = o ? ST_OK : ST_NOT_FOUND;
    if (o) c->info = info_of(o);
}

static void op_create(void *ctx, const char *path, uint64_t tag, uint32_t mode, file_opened *done,
                      void *arg)
{
    struct files_mem *f = ctx;
    struct files_mem_one *o = find(f, path, true, tag);
    if (!o) {
        o = add(f, path);
        o->unfinished = true;
        o->tag = tag;
    }
    o->mode = mode;
    struct file *h = sim_alloc(sizeof *h);
    h->f = f;
    h->one = o;
    h->writing = true;
    struct call *c = later(f, h, arg);
    c->opened = done;
    c->info = info_of(o);
}

static void op_read(struct file *h, uint64_t offset, uint8_t *to, size_t n, file_done *done,
                    void *arg)
{
    const uint8_t *p = h->writing ? h->one->p : h->held;
    size_t size = h->writing ? h->one->n : h->held_n;
    struct call *c = later(h->f, h, arg);
    c->done = done;
    c->n = offset >= size ? 0 : n < size - offset ? n : (size_t)(size - offset);
    c->to = to;
    c->from = BYTES(p + (c->n ? offset : 0), c->n);
}

static void op_write(struct file *h, uint64_t offset, struct bytes from, file_done *done, void *arg)
{
    struct files_mem_one *o = h->one;
    struct call *c = later(h->f, h, arg);
    c->done = done;
    size_t end = (size_t)offset + from.n;
    if (h->f->m->full || end > FILES_MEM_MAX) {
        c->st = ST_NO_SPACE;
        return;
    }
    if (end > o->room) {
        size_t room = o->room ? o->room : 4096;
        while (room < end) room *= 2;
        uint8_t *p = sim_alloc(room);
        if (o->n) memcpy(p, o->p, o->n);
        free(o->p);
        o->p = p;
        o->room = room;
    }
    if (from.n) memcpy(o->p + offset, from.p, from.n);
    if (end > o->n) o->n = end;
    c->n = from.n;
}

static void op_commit(struct file *h, bool replace, file_done *done, void *arg)
{
    struct files_mem *f = h->f;
    struct files_mem_one *o = h->one, *old = find(f, o->path, false, 0);
    struct call *c = later(f, h, arg);
    c->done = done;
    h->closed = true;
    if (old && !replace) {
        c->st = ST_EXISTS;
        return;
    }
    if (old) remove_one(f, old);
    o->unfinished = false;
    o->tag = 0;
    o->mtime_ms = f->m->env.wall_ms(f->m);
}

static void op_abandon(struct file *h, bool keep)
{
    if (!keep) remove_one(h->f, h->one);
    h->closed = true;
    file_release(h);
}

static void op_close(struct file *h)
{
    h->closed = true;
    file_release(h);
}

void files_mem_init(struct files_mem *f, struct machine *m)
{
    memset(f, 0, sizeof *f);
    f->m = m;
}

void files_mem_free(struct files_mem *f)
{
    while (f->first) remove_one(f, f->first);
}

struct file_port files_mem_port(struct files_mem *f)
{
    static const struct file_ops ops = {.open_read = op_open_read,
                                        .create = op_create,
                                        .read = op_read,
                                        .write = op_write,
                                        .commit = op_commit,
                                        .abandon = op_abandon,
                                        .close = op_close,
                                        .info = op_info};
    return (struct file_port){&ops, f};
}

void files_mem_write(struct files_mem *f, const char *path, struct bytes content)
{
    struct files_mem_one *o = find(f, path, false, 0);
    if (o) remove_one(f, o);
    o = add(f, path);
    o->p = sim_copy(content.p, content.n);
    o->n = o->room = content.n;
    o->mode = 0600;
}

const struct files_mem_one *files_mem_find(const struct files_mem *f, const char *path)
{
    return find(f, path, false, 0);
}
