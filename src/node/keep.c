/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/keep.h"

#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

enum status keep_start(struct keep *k, const struct env *env, const struct kv *kv,
                       const uint8_t mk[32])
{
    *k = (struct keep){.env = env, .kv = *kv, .rows = secret_new(sizeof(struct rows))};
    if (k->rows == NULL) return ST_NO_MEMORY;
    rows_start(k->rows, mk);
    return ST_OK;
}

void keep_stop(struct keep *k)
{
    if (k->rows != NULL) rows_wipe(k->rows);
    secret_free(k->rows);
    k->rows = NULL;
}

struct keep_space keep_space(const struct keep *k, const char *label, struct bytes tag)
{
    struct keep_space s;
    rows_space(k->rows, label, tag, s.id);
    return s;
}

enum status keep_get(struct keep *k, const struct keep_space *s, uint64_t n, struct buf *ret)
{
    struct buf sealed;
    buf_init(&sealed, KV_VALUE_MAX);
    enum status st = k->kv.ops->get(k->kv.ctx, s->id, n, &sealed);
    if (st == ST_OK) st = rows_open(k->rows, s->id, n, buf_view(&sealed), ret);
    buf_free(&sealed);
    return st;
}

struct scan {
    struct keep *keep;
    const struct keep_space *space;
    keep_visit *visit;
    void *arg;
    enum status st;
};

static bool on_row(void *arg, uint64_t n, struct bytes value)
{
    struct scan *scan = arg;
    struct buf plain;
    buf_init(&plain, KV_VALUE_MAX);
    bool more = false;
    scan->st = rows_open(scan->keep->rows, scan->space->id, n, value, &plain);
    if (scan->st == ST_OK) more = scan->visit(scan->arg, n, buf_view(&plain));
    buf_free(&plain);
    return more;
}

enum status keep_scan(struct keep *k, const struct keep_space *s, uint64_t from, keep_visit *visit,
                      void *arg)
{
    struct scan scan = {k, s, visit, arg, ST_OK};
    enum status st = k->kv.ops->scan(k->kv.ctx, s->id, from, on_row, &scan);
    return st == ST_OK ? scan.st : st;
}

enum status keep_last(struct keep *k, const struct keep_space *s, uint64_t *ret_n)
{
    return k->kv.ops->last(k->kv.ctx, s->id, ret_n, NULL);
}

void keep_begin(struct keep_batch *b, struct keep *k)
{
    *b = (struct keep_batch){.keep = k};
}

static struct kv_write *next_write(struct keep_batch *b, enum kv_verb verb,
                                   const struct keep_space *s, uint64_t n)
{
    if (b->n == b->room) {
        size_t room = b->room == 0 ? 8 : b->room * 2;
        struct kv_write *grown = realloc(b->writes, room * sizeof *grown);
        if (grown == NULL) {
            b->bad = true;
            return NULL;
        }
        b->writes = grown;
        b->room = room;
    }
    struct kv_write *w = &b->writes[b->n++];
    *w = (struct kv_write){.verb = verb, .n = n};
    memcpy(w->space, s->id, KV_SPACE);
    return w;
}

void keep_put(struct keep_batch *b, const struct keep_space *s, uint64_t n, struct bytes plain)
{
    uint8_t nonce[ROWS_NONCE];
    struct buf sealed;
    buf_init(&sealed, KV_VALUE_MAX);
    env_random(b->keep->env, nonce, sizeof nonce);
    rows_seal(b->keep->rows, s->id, n, plain, nonce, &sealed);
    struct kv_write *w = buf_status(&sealed) == ST_OK ? next_write(b, KV_PUT, s, n) : NULL;
    if (w == NULL) {
        b->bad = true;
        buf_free(&sealed);
        return;
    }
    b->bytes += sealed.n;
    w->value = buf_view(&sealed); /* freed with the batch: ciphertext needs no wiping */
}

void keep_erase(struct keep_batch *b, const struct keep_space *s, uint64_t n)
{
    next_write(b, KV_DROP, s, n);
}

void keep_erase_below(struct keep_batch *b, const struct keep_space *s, uint64_t n)
{
    next_write(b, KV_DROP_BELOW, s, n);
}

void keep_erase_space(struct keep_batch *b, const struct keep_space *s)
{
    next_write(b, KV_DROP_SPACE, s, 0);
}

void keep_drop(struct keep_batch *b)
{
    for (size_t i = 0; i < b->n; i++) free((void *)(uintptr_t)b->writes[i].value.p);
    free(b->writes);
    *b = (struct keep_batch){.keep = b->keep};
}

enum status keep_commit(struct keep_batch *b, kv_done *done, void *arg)
{
    struct kv *kv = &b->keep->kv;
    enum status st = b->bad ? ST_NO_MEMORY : kv->ops->commit(kv->ctx, b->writes, b->n, done, arg);
    keep_drop(b);
    return st;
}
