/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reading what was said: rows of messages and of bundles, in the order of their numbers. */
#include "node/post/post.h"

#include "base/encode.h"

#include <stdio.h>
#include <string.h>

#define ODD_TIME_MS (UINT64_C(5) * 60 * 1000)

/* ---- rows in order ---- */

struct each {
    struct enclave *e;
    post_visit *visit;
    void *arg;
    uint64_t next; /* number to be shown */
    bool enough;
    bool in_bundle; /* the next bundle is here: */
    struct post_bundle bundle;
    struct cursor at; /* behind so many of its messages: */
    size_t place;
};

/* Messages of the bundle, from l->next up to before `end`. */
static bool show_bundle(struct each *l, uint64_t end)
{
    struct message_row row;
    struct bytes text;
    while (l->next < end && l->next <= l->bundle.last) {
        size_t i = (size_t)(l->next - l->bundle.first);
        if (!bundle_next(&l->at, &text)) return true;
        if (l->place++ < i) continue;
        l->next++;
        post_bundle_message(&l->bundle, i, text, &row);
        if (!row.own && memchr(text.p, '@', text.n) != NULL && post_names(text, l->e->nick))
            row.state |= POST_MENTIONS;
        if (!l->visit(l->arg, l->next - 1, &row)) {
            l->enough = true;
            return false;
        }
    }
    return true;
}

static bool on_message_row(void *arg, uint64_t n, struct bytes plain)
{
    struct each *l = arg;
    struct message_row row;
    if (l->in_bundle) {
        if (n > l->bundle.last) return false;
        if (n >= l->bundle.first && l->next < l->bundle.first) l->next = l->bundle.first;
        if (n >= l->bundle.first && !show_bundle(l, n)) return false;
    }
    if (fields_decode(&message_row_fields, plain, &row) != ST_OK) return true;
    l->next = n + 1;
    if ((row.state & POST_GONE) != 0 || post_going(l->e->post, n)) return true;
    l->enough = !l->visit(l->arg, n, &row);
    return !l->enough;
}

/* Rows up to the next bundle, then that bundle, and so on. */
enum status post_each(struct enclave *e, uint64_t from, post_visit *visit, void *arg)
{
    struct each l = {.e = e, .visit = visit, .arg = arg, .next = from};
    enum status st = ST_OK;
    if (e->post == NULL) return ST_OK;
    do {
        st = post_bundle_from(e, l.next, &l.bundle);
        l.in_bundle = st == ST_OK;
        if (st == ST_NOT_FOUND) st = ST_OK;
        if (l.in_bundle) {
            l.at = cursor_of(l.bundle.head.content);
            l.place = 0;
        }
        if (st == ST_OK) st = keep_scan(&e->node->keep, &e->s_messages, l.next, on_message_row, &l);
        if (st == ST_OK && l.in_bundle && !l.enough) {
            if (l.next < l.bundle.first) l.next = l.bundle.first;
            (void)!show_bundle(&l, l.bundle.last + 1);
            l.next = l.bundle.last + 1;
        }
        post_bundle_free(&l.bundle);
    } while (st == ST_OK && l.in_bundle && !l.enough);
    return st;
}

/* ---- as others see them ---- */

struct looking {
    struct enclave *e;
    node_message_visit *visit;
    void *arg;
};

static size_t signs_of(const struct enclave *e, struct bytes signs,
                       struct node_sign ret[LEDGER_LEAVES_MAX])
{
    struct cursor c = cursor_of(signs);
    size_t n = 0;
    while (c.left > 0 && n < LEDGER_LEAVES_MAX) {
        uint16_t leaf = cursor_u16(&c);
        struct bytes sign = cursor_take(&c, cursor_u8(&c));
        if (c.bad) break;
        ret[n++] = (struct node_sign){enclave_nick(e, leaf), sign};
    }
    return n;
}

bool post_odd_time(uint64_t time_ms, uint64_t arrived_ms)
{
    uint64_t off = time_ms > arrived_ms ? time_ms - arrived_ms : arrived_ms - time_ms;
    return off > ODD_TIME_MS;
}

static bool show(void *arg, uint64_t n, const struct message_row *row)
{
    struct looking *l = arg;
    struct node_sign signs[LEDGER_LEAVES_MAX];
    char nick[NODE_NICK_MAX + 1], hex[33];
    snprintf(nick, sizeof nick, "%.*s", (int)row->nick.n, (const char *)row->nick.p);
    struct node_message m = {.number = n,
                             .nick = nick,
                             .own = row->own != 0,
                             .sent = row->sent != 0,
                             .time_ms = row->time_ms,
                             .text = row->text,
                             .lost_before = row->lost,
                             .private_word = row->to != POST_ALL,
                             .to =
                                 row->to != POST_ALL && row->own ? enclave_nick(l->e, row->to) : "",
                             .unsaid = (row->state & POST_UNSAID) != 0,
                             .muted = (row->state & POST_MUTED) != 0,
                             .mentions_us = (row->state & POST_MENTIONS) != 0,
                             .answers = (row->state & POST_ANSWERS) != 0,
                             .reply = row->reply,
                             .edited_ms = row->edited_ms,
                             .ends_ms = row->ends_ms,
                             .path = row->path,
                             .signs = signs};
    m.n_signs = signs_of(l->e, row->signs, signs);
    if (m.own) post_count(l->e, row->index, row->to, &m);
    m.odd_time = post_odd_time(row->time_ms, row->arrived_ms);
    hex_encode(BYTES_OF(row->uuid), hex);
    snprintf(m.uuid, sizeof m.uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return l->visit(l->arg, &m);
}

enum status node_messages(struct node *n, const char *name, uint64_t from,
                          node_message_visit *visit, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    struct looking l = {e, visit, arg};
    if (e == NULL) return ST_NOT_FOUND;
    return post_each(e, from, show, &l);
}

enum status node_last_message(struct node *n, const char *name, uint64_t *ret)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    *ret = e->next_message - 1;
    return ST_OK;
}
