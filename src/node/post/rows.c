/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is shown: rows of messages, found by number or by author and uuid, also before they are on disk. */
#include "node/post/post.h"

#include "base/encode.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(message_row, MESSAGE_ROW_FIELDS);
FIELDS_DEFINE(act_row, ACT_ROW_FIELDS);

#define ODD_TIME_MS (UINT64_C(5) * 60 * 1000)
#define ROW_VERSION 2

struct post_unsaved {
    struct post_unsaved *next; /* newer */
    uint64_t number, commit;
    uint16_t leaf, by;
    uint8_t uuid[16];
    const char *kind; /* event; NULL */
    struct buf row;   /* empty: dropped */
};

uint64_t post_key(uint16_t leaf, const uint8_t uuid[16])
{
    uint8_t in[18], hash[32];
    put_u16(in, leaf);
    memcpy(in + 2, uuid, 16);
    sha256(BYTES_OF(in), hash);
    return get_u64(hash);
}

static struct post_unsaved *unsaved_of(const struct post *p, uint64_t number)
{
    struct post_unsaved *found = NULL;
    for (struct post_unsaved *u = p->oldest; u != NULL; u = u->next)
        if (u->number == number) found = u;
    return found;
}

static void remember(struct enclave *e, uint64_t number, const struct message_row *m,
                     struct bytes row, const char *kind, uint16_t by)
{
    struct post_unsaved *u = calloc(1, sizeof *u);
    if (u == NULL) return;
    *u = (struct post_unsaved){.number = number,
                               .commit = e->mail_commits + 1, /* the one that this batch becomes */
                               .leaf = m->leaf,
                               .by = by,
                               .kind = e->post->hush ? NULL : kind};
    memcpy(u->uuid, m->uuid, 16);
    buf_bytes(&u->row, row);
    if (e->post->newest == NULL)
        e->post->oldest = u;
    else
        e->post->newest->next = u;
    e->post->newest = u;
}

void post_put(struct enclave *e, uint64_t number, const struct message_row *m, const char *kind,
              uint16_t by, struct keep_batch *b)
{
    struct buf row;
    uint8_t place[8];
    struct message_row versioned = *m;
    versioned.version = ROW_VERSION;
    buf_init(&row, KV_VALUE_MAX);
    if (fields_encode(&message_row_fields, &versioned, &row) == ST_OK) {
        keep_put(b, &e->s_messages, number, buf_view(&row));
        put_u64(place, number);
        keep_put(b, &e->s_uuids, post_key(m->leaf, m->uuid), BYTES_OF(place));
        remember(e, number, m, buf_view(&row), kind, by);
    } else {
        b->bad = true;
    }
    buf_free(&row);
}

enum status post_get(struct enclave *e, uint64_t number, struct buf *row, struct message_row *ret)
{
    const struct post_unsaved *u = unsaved_of(e->post, number);
    enum status st = ST_OK;
    buf_clear(row);
    if (u != NULL && u->row.n == 0) return ST_NOT_FOUND;
    if (u != NULL)
        buf_bytes(row, buf_view(&u->row));
    else
        st = keep_get(&e->node->keep, &e->s_messages, number, row);
    return st == ST_OK ? fields_decode(&message_row_fields, buf_view(row), ret) : st;
}

enum status post_find(struct enclave *e, uint16_t leaf, const uint8_t uuid[16], struct buf *row,
                      struct message_row *ret, uint64_t *ret_number)
{
    struct buf place = BUF_INIT;
    uint64_t number = 0;
    for (const struct post_unsaved *u = e->post->oldest; u != NULL && number == 0; u = u->next)
        if (u->leaf == leaf && memcmp(u->uuid, uuid, 16) == 0) number = u->number;
    if (number == 0) {
        enum status st = keep_get(&e->node->keep, &e->s_uuids, post_key(leaf, uuid), &place);
        if (st == ST_OK && place.n == 8) number = get_u64(place.p);
        buf_free(&place);
        if (number == 0) return st == ST_OK ? ST_INTEGRITY : st;
    }
    enum status st = post_get(e, number, row, ret);
    if (st == ST_OK && (ret->leaf != leaf || memcmp(ret->uuid, uuid, 16) != 0)) st = ST_NOT_FOUND;
    *ret_number = number;
    return st;
}

bool post_known(struct enclave *e, uint16_t leaf, const uint8_t uuid[16])
{
    struct buf row;
    struct message_row m;
    uint64_t number;
    buf_init(&row, KV_VALUE_MAX);
    enum status st = post_find(e, leaf, uuid, &row, &m, &number);
    buf_free(&row);
    return st == ST_OK;
}

void post_drop(struct enclave *e, uint64_t number, const struct message_row *m,
               struct keep_batch *b)
{
    keep_erase(b, &e->s_messages, number);
    keep_erase(b, &e->s_uuids, post_key(m->leaf, m->uuid));
    remember(e, number, m, BYTES(NULL, 0), "gone", m->leaf);
}

static void tell(struct enclave *e, const struct post_unsaved *u)
{
    struct message_row m;
    char text[NODE_REASON_MAX] = "";
    const char *who = enclave_nick(e, u->by);
    if (u->row.n > 0 && fields_decode(&message_row_fields, buf_view(&u->row), &m) == ST_OK) {
        size_t n = m.text.n < 200 ? m.text.n : 200;
        if (strcmp(u->kind, "message") == 0 && m.text.n == 0)
            snprintf(text, sizeof text, "[file %.*s]", (int)m.path.n, (const char *)m.path.p);
        else
            snprintf(text, sizeof text, "%.*s", (int)n, (const char *)m.text.p);
    }
    enclave_tell(e, u->kind, who, u->number, text);
}

static void forget_oldest(struct post *p)
{
    struct post_unsaved *u = p->oldest;
    p->oldest = u->next;
    if (p->oldest == NULL) p->newest = NULL;
    buf_free(&u->row);
    free(u);
}

void post_settled(struct enclave *e, uint64_t commit)
{
    while (!e->removed && e->post != NULL && e->post->oldest != NULL &&
           e->post->oldest->commit <= commit) {
        if (e->post->oldest->kind != NULL) tell(e, e->post->oldest);
        forget_oldest(e->post);
    }
}

/* ---- life ---- */

static bool on_mark(void *arg, uint64_t n, struct bytes plain)
{
    struct enclave *e = arg;
    struct mail_marks m;
    struct marks_row own;
    if (n < LEDGER_EVER_MAX && fields_decode(&mail_marks_fields, plain, &m) == ST_OK)
        e->post->marks[n] = m;
    if (n == POST_MARKS_OWN && fields_decode(&marks_row_fields, plain, &own) == ST_OK)
        e->post->own = own;
    if (n >= POST_MARKS_ANEW && n < POST_MARKS_ANEW + LEDGER_EVER_MAX)
        e->post->anew[n - POST_MARKS_ANEW] = true;
    return true;
}

static bool on_end(void *arg, uint64_t n, struct bytes plain)
{
    struct enclave *e = arg;
    if (plain.n == 8) post_ends(e, n, get_u64(plain.p), NULL);
    return true;
}

enum status post_new(struct enclave *e)
{
    e->post = calloc(1, sizeof *e->post);
    return e->post == NULL ? ST_NO_MEMORY : ST_OK;
}

enum status post_load(struct enclave *e)
{
    enum status st = keep_scan(&e->node->keep, &e->s_marks, 0, on_mark, e);
    if (st == ST_OK) st = keep_scan(&e->node->keep, &e->s_ends, 0, on_end, e);
    if (st == ST_OK) post_plan(e);
    return st;
}

void post_free(struct enclave *e)
{
    struct post *p = e->post;
    if (p == NULL) return;
    while (p->oldest != NULL) forget_oldest(p);
    free(p->ends);
    free(p);
    e->post = NULL;
}

/* ---- looking ---- */

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

static bool on_message_row(void *arg, uint64_t n, struct bytes plain)
{
    struct looking *l = arg;
    struct message_row row;
    struct node_sign signs[LEDGER_LEAVES_MAX];
    char nick[NODE_NICK_MAX + 1], hex[33];
    if (fields_decode(&message_row_fields, plain, &row) != ST_OK) return true;
    snprintf(nick, sizeof nick, "%.*s", (int)row.nick.n, (const char *)row.nick.p);
    struct node_message m = {.number = n,
                             .nick = nick,
                             .own = row.own != 0,
                             .sent = row.sent != 0,
                             .time_ms = row.time_ms,
                             .text = row.text,
                             .lost_before = row.lost,
                             .private_word = row.to != POST_ALL,
                             .to = row.to != POST_ALL && row.own ? enclave_nick(l->e, row.to) : "",
                             .unsaid = (row.state & POST_UNSAID) != 0,
                             .muted = (row.state & POST_MUTED) != 0,
                             .mentions_us = (row.state & POST_MENTIONS) != 0,
                             .answers = (row.state & POST_ANSWERS) != 0,
                             .reply = row.reply,
                             .edited_ms = row.edited_ms,
                             .ends_ms = row.ends_ms,
                             .path = row.path,
                             .signs = signs};
    m.n_signs = signs_of(l->e, row.signs, signs);
    if (m.own) post_count(l->e, row.index, row.to, &m);
    uint64_t off =
        row.time_ms > row.arrived_ms ? row.time_ms - row.arrived_ms : row.arrived_ms - row.time_ms;
    m.odd_time = off > ODD_TIME_MS;
    hex_encode(BYTES_OF(row.uuid), hex);
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
    return keep_scan(&n->keep, &e->s_messages, from, on_message_row, &l);
}

enum status node_last_message(struct node *n, const char *name, uint64_t *ret)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    *ret = e->next_message - 1;
    return ST_OK;
}
