/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How long this machine keeps messages: its owner's choice, told to nobody. */
#include "node/post/archive.h"
#include "node/post/post.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_ROWS 256       /* looked at in one commit */
#define SWEEP_LEAST_MS 60000 /* nothing was due: again then at the earliest */
#define SWEEP_ALONE_MS \
    UINT64_C(900000) /* the sentinel's clock is waited for so long after a start */
#define SWEEP_MOST_MS UINT64_C(3600000)
#define DAY_MS (UINT64_C(24) * 3600 * 1000)

struct sweep {
    struct enclave *e;
    struct keep_batch *b;
    uint64_t before_ms; /* what came earlier goes */
    size_t looked, dropped;
    uint64_t bundle; /* up to this number they went with their bundle */
    uint64_t from;   /* the next number to be looked at; 0: there is none */
    uint64_t oldest_ms;
};

static bool on_message(void *arg, uint64_t number, const struct message_row *m)
{
    struct sweep *s = arg;
    if (number <= s->bundle) return true;
    if (m->arrived_ms >= s->before_ms) {
        s->oldest_ms = m->arrived_ms;
        return false; /* they lie in the order in which they came */
    }
    if (s->looked == SWEEP_ROWS) {
        s->from = number;
        return false;
    }
    s->looked++;
    if (m->own != 0 && m->sent == 0) return true; /* still on its way: its text is needed */
    size_t together = post_bundle_forget(s->e, number, &s->bundle, s->b);
    if (together == 0) {
        if (m->ends_ms != 0) keep_erase(s->b, &s->e->s_ends, number);
        post_forget(s->e, number, m, s->b);
    }
    s->dropped += together == 0 ? 1 : together;
    return true;
}

/* Both clocks must say so: one that jumps must not cost the history. */
static uint64_t now_of(const struct enclave *e)
{
    uint64_t wall = env_wall_ms(e->node->ports.env), sentinel = enclave_unix_ms(e);
    return sentinel < wall ? sentinel : wall;
}

static uint64_t next_sweep(const struct sweep *s, uint64_t now_ms, uint64_t wall_ms,
                           uint64_t keep_ms)
{
    if (s->from != 0) return now_ms;
    uint64_t in = SWEEP_MOST_MS;
    if (s->oldest_ms != 0 && s->oldest_ms + keep_ms < wall_ms + in)
        in = s->oldest_ms + keep_ms < wall_ms ? 0 : s->oldest_ms + keep_ms - wall_ms;
    return now_ms + (in < SWEEP_LEAST_MS ? SWEEP_LEAST_MS : in);
}

void enclave_post_attached(struct enclave *e)
{
    if (e->post != NULL) e->post->sweep_at_ms = 0;
}

void post_sweep(struct enclave *e, uint64_t now_ms)
{
    struct keep_batch b;
    struct post *p = e->post;
    if (e->sentinel_ms == 0 && !p->sweep_waited) {
        p->sweep_waited = true;
        p->sweep_at_ms = now_ms + SWEEP_ALONE_MS;
        return;
    }
    uint64_t now = now_of(e), keep = p->kept.keep_ms;
    struct sweep s = {e, &b, now > keep ? now - keep : 0, 0, 0, 0, 0, 0};
    keep_begin(&b, &e->node->keep);
    enum status st = post_each(e, p->sweep_from, on_message, &s);
    size_t apart = archives_sweep(e->node, e->enclave_id, s.before_ms, SWEEP_ROWS, &b);
    p->sweep_from = s.from;
    p->sweep_at_ms = next_sweep(&s, now_ms, now, keep);
    if (apart == SWEEP_ROWS) p->sweep_at_ms = now_ms;
    if (st != ST_OK || b.n == 0) {
        keep_drop(&b);
        return;
    }
    char text[NODE_REASON_MAX];
    snprintf(text, sizeof text, "%zu messages older than %" PRIu64 " days were erased here",
             s.dropped + apart, keep / DAY_MS);
    enclave_mail_commit(e, &b, NULL, NULL, 0);
    enclave_tell(e, "gone", "", 0, text);
}

/* ---- what its owner asks for ---- */

struct keeping {
    struct enclave *e;
    node_done *done;
    void *arg;
    uint64_t keep_ms;
};

static void on_kept(void *arg, enum status st)
{
    struct keeping *k = arg;
    char text[NODE_REASON_MAX] = "this machine keeps all messages";
    if (k->keep_ms != 0)
        snprintf(text, sizeof text,
                 "this machine keeps messages for %" PRIu64 " days and erases older ones",
                 k->keep_ms / DAY_MS);
    if (st != ST_OK) snprintf(text, sizeof text, "nothing changed: the disk did not take it");
    node_finish(k->done, k->arg, st, text, NULL);
    free(k);
}

enum status node_history_keep(struct node *n, const char *name, uint64_t keep_ms, node_done *done,
                              void *arg)
{
    struct keep_batch b;
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->post == NULL) return ST_PENDING;
    if (keep_ms != 0 && (keep_ms < NODE_KEEP_MIN_MS || keep_ms > NODE_KEEP_MAX_MS)) return ST_USAGE;
    struct keeping *k = malloc(sizeof *k);
    if (k == NULL) return ST_NO_MEMORY;
    *k = (struct keeping){e, done, arg, keep_ms};
    e->post->kept.keep_ms = keep_ms;
    e->post->kept.next_message = e->next_message;
    e->post->sweep_at_ms = e->post->sweep_from = 0;
    keep_begin(&b, &n->keep);
    post_put_kept(e, &b);
    enclave_commit(e, &b, on_kept, k);
    return ST_OK;
}

uint64_t enclave_post_keeps_ms(const struct enclave *e)
{
    return e->post == NULL ? 0 : e->post->kept.keep_ms;
}

struct first {
    uint64_t time_ms, number;
};

static bool on_first(void *arg, uint64_t number, const struct message_row *m)
{
    *(struct first *)arg = (struct first){m->time_ms, number};
    return false;
}

enum status node_history(struct node *n, const char *name, struct node_history *ret)
{
    struct first first = {0, 0};
    *ret = (struct node_history){.keep_ms = 0};
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    enum status st = post_each(e, 0, on_first, &first);
    *ret = (struct node_history){.name = e->name,
                                 .keep_ms = enclave_post_keeps_ms(e),
                                 .first = first.number,
                                 .last = e->next_message - 1,
                                 .since_ms = first.time_ms};
    return st;
}
