/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Many messages of one author in one entry and one row: said line by line, kept together, shown one by one.
 * A message of a bundle that is changed gets a row of its own, which goes before; its text in the
 * bundle is emptied. */
#include "node/post/post.h"

#include <stdio.h>
#include <string.h>

FIELDS_DEFINE(bundle_row, BUNDLE_ROW_FIELDS);

#define BUNDLE_VERSION 1

/* ---- rows ---- */

static bool first_bundle(void *arg, uint64_t n, struct bytes plain)
{
    struct post_bundle *p = arg;
    p->last = n;
    buf_bytes(&p->row, plain);
    return false;
}

void post_bundle_free(struct post_bundle *p)
{
    buf_free(&p->row);
}

/* The row in p->row, of the bundle that ends at p->last. */
static enum status read_bundle(struct post_bundle *p)
{
    enum status st = buf_status(&p->row);
    if (st == ST_OK) st = fields_decode(&bundle_row_fields, buf_view(&p->row), &p->head);
    if (st != ST_OK) return st;
    p->count = bundle_count(p->head.content);
    if (p->count == 0 || p->count > p->last) return ST_INTEGRITY;
    p->first = p->last - p->count + 1;
    return ST_OK;
}

enum status post_bundle_from(struct enclave *e, uint64_t number, struct post_bundle *ret)
{
    buf_init(&ret->row, KV_VALUE_MAX);
    ret->last = 0;
    enum status st = keep_scan(&e->node->keep, &e->s_bundles, number, first_bundle, ret);
    if (st != ST_OK) return st;
    return ret->last == 0 ? ST_NOT_FOUND : read_bundle(ret);
}

void post_bundle_unlook(struct enclave *e)
{
    buf_free(&e->post->last_bundle.row);
    e->post->last_bundle.count = 0;
}

enum status post_bundle_get(struct enclave *e, uint64_t number, struct post_bundle *ret)
{
    struct bytes row;
    if (post_unsaved_bundle(e->post, number, &row, &ret->last)) {
        buf_init(&ret->row, KV_VALUE_MAX);
        buf_bytes(&ret->row, row);
        return row.n == 0 ? ST_NOT_FOUND : read_bundle(ret); /* empty: it is about to go */
    }
    struct post_bundle *last = &e->post->last_bundle; /* its messages are asked for one by one */
    if (last->count > 0 && number >= last->first && number <= last->last) {
        buf_init(&ret->row, KV_VALUE_MAX);
        buf_bytes(&ret->row, buf_view(&last->row));
        ret->last = last->last;
        return read_bundle(ret);
    }
    enum status st = post_bundle_from(e, number, ret);
    if (st != ST_OK || ret->first > number) return st == ST_OK ? ST_NOT_FOUND : st;
    post_bundle_unlook(e);
    buf_init(&last->row, KV_VALUE_MAX);
    buf_bytes(&last->row, buf_view(&ret->row));
    if (!last->row.bad) {
        last->first = ret->first;
        last->last = ret->last;
        last->count = ret->count;
    }
    return ST_OK;
}

static void put_bundle(struct enclave *e, uint64_t last, const struct bundle_row *row, size_t count,
                       const char *kind, struct keep_batch *b)
{
    struct buf out;
    uint8_t place[8];
    struct bundle_row versioned = *row;
    versioned.version = BUNDLE_VERSION;
    post_bundle_unlook(e);
    buf_init(&out, KV_VALUE_MAX);
    if (fields_encode(&bundle_row_fields, &versioned, &out) == ST_OK) {
        put_u64(place, last - count + 1);
        keep_put(b, &e->s_bundles, last, buf_view(&out));
        keep_put(b, &e->s_uuids, post_key(row->leaf, row->uuid), BYTES_OF(place));
        post_remember(e, last, count, row->leaf, row->uuid, buf_view(&out), kind, row->leaf);
    } else {
        b->bad = true;
    }
    buf_free(&out);
}

void post_bundle_message(const struct post_bundle *p, size_t i, struct bytes text,
                         struct message_row *ret)
{
    const struct bundle_row *h = &p->head;
    *ret = (struct message_row){.leaf = h->leaf,
                                .to = POST_ALL,
                                .own = h->own,
                                .sent = h->sent,
                                .state = (uint8_t)(h->state | (text.n == 0 ? POST_UNSAID : 0)),
                                .time_ms = h->time_ms,
                                .arrived_ms = h->arrived_ms,
                                .index = h->index,
                                .lost = i == 0 ? h->lost : 0,
                                .nick = h->nick,
                                .text = text};
    bundle_uuid_of(h->uuid, i, ret->uuid);
}

enum status post_bundle_member(struct enclave *e, uint64_t number, struct buf *row,
                               struct message_row *ret)
{
    struct post_bundle p;
    enum status st = post_bundle_get(e, number, &p);
    buf_clear(row);
    if (st == ST_OK) {
        buf_bytes(row, buf_view(&p.row)); /* what ret points into */
        st = buf_status(row);
    }
    if (st == ST_OK) st = fields_decode(&bundle_row_fields, buf_view(row), &p.head);
    if (st == ST_OK) {
        size_t i = (size_t)(number - p.first);
        post_bundle_message(&p, i, bundle_text(p.head.content, i), ret);
    }
    post_bundle_free(&p);
    return st;
}

bool post_bundle_blank(struct enclave *e, uint64_t number, struct keep_batch *b)
{
    struct post_bundle p;
    struct buf content;
    struct bytes text;
    enum status st = post_bundle_get(e, number, &p);
    bool there = st == ST_OK;
    if (!there && st != ST_NOT_FOUND) b->bad = true;
    if (there && bundle_text(p.head.content, (size_t)(number - p.first)).n > 0) {
        struct cursor c = cursor_of(p.head.content);
        buf_init(&content, KV_VALUE_MAX);
        for (uint64_t n = p.first; bundle_next(&c, &text); n++)
            bundle_add(&content, n == number ? BYTES_NONE : text);
        if (buf_status(&content) != ST_OK) b->bad = true;
        p.head.content = buf_view(&content);
        put_bundle(e, p.last, &p.head, p.count, NULL, b);
        buf_free(&content);
    }
    post_bundle_free(&p);
    return there;
}

size_t post_bundle_forget(struct enclave *e, uint64_t number, uint64_t *ret_last,
                          struct keep_batch *b)
{
    struct post_bundle p;
    struct bytes text;
    bool there = post_bundle_get(e, number, &p) == ST_OK;
    if (there) {
        struct cursor c = cursor_of(p.head.content);
        for (uint64_t n = p.first; bundle_next(&c, &text); n++) {
            uint8_t uuid[16];
            if (text.n > 0) continue;
            bundle_uuid_of(p.head.uuid, (size_t)(n - p.first), uuid); /* it has a row of its own */
            keep_erase(b, &e->s_messages, n);
            keep_erase(b, &e->s_uuids, post_key(p.head.leaf, uuid));
            post_remember(e, n, 0, p.head.leaf, uuid, BYTES_NONE, NULL, p.head.leaf);
        }
        post_bundle_unlook(e);
        keep_erase(b, &e->s_bundles, p.last);
        keep_erase(b, &e->s_uuids, post_key(p.head.leaf, p.head.uuid));
        post_remember(e, p.last, p.count, p.head.leaf, p.head.uuid, BYTES_NONE, NULL, p.head.leaf);
        post_keep_numbers(e, b);
        *ret_last = p.last;
    }
    post_bundle_free(&p);
    return there ? p.count : 0;
}

void post_bundle_words(struct bytes row, char *ret, size_t room)
{
    struct bundle_row h;
    if (fields_decode(&bundle_row_fields, row, &h) != ST_OK) return;
    size_t n = bundle_count(h.content);
    struct bytes text = bundle_text(h.content, 0);
    snprintf(ret, room, "%.*s (and %zu more)", (int)(text.n < 200 ? text.n : 200),
             (const char *)text.p, n > 0 ? n - 1 : 0);
}

/* ---- in ---- */

void post_show_bundle(struct enclave *e, const struct mail_message *m, uint64_t index, bool own,
                      struct keep_batch *b)
{
    size_t n = bundle_count(m->content);
    if (n == 0 || m->content.n > BUNDLE_CONTENT_MAX || !bundle_uuid_is_base(m->uuid))
        return; /* signed nonsense shows nothing */
    struct bundle_row row = {.leaf = m->leaf,
                             .own = own,
                             .sent = 1,
                             .time_ms = m->time_ms,
                             .arrived_ms = env_wall_ms(e->node->ports.env),
                             .index = index,
                             .lost = e->post->lost[m->leaf],
                             .nick = bytes_str(enclave_nick(e, m->leaf)),
                             .content = m->content};
    memcpy(row.uuid, m->uuid, 16);
    e->post->lost[m->leaf] = 0;
    e->next_message += n;
    e->post->hush = !own && post_mute(e, m->leaf, n, m->time_ms, m->content.n);
    if (e->post->hush) row.state |= POST_MUTED;
    put_bundle(e, e->next_message - 1, &row, n, "message", b);
    e->post->hush = false;
    if (!own) post_here(e, index, b);
}

void post_bundle_landed(struct enclave *e, uint64_t number, uint64_t index, struct keep_batch *b)
{
    struct post_bundle p;
    if (post_bundle_get(e, number, &p) == ST_OK) {
        struct cursor c = cursor_of(p.head.content);
        struct bytes text;
        struct message_row m;
        struct buf row;
        p.head.sent = 1;
        p.head.index = index;
        put_bundle(e, p.last, &p.head, p.count, "sent", b);
        buf_init(&row, KV_VALUE_MAX);
        for (uint64_t n = p.first; bundle_next(&c, &text); n++) {
            if (text.n > 0 || post_get(e, n, &row, &m) != ST_OK) continue;
            m.sent = 1; /* it has a row of its own */
            m.index = index;
            post_put(e, n, &m, NULL, m.leaf, b);
        }
        buf_free(&row);
    }
    post_bundle_free(&p);
}

/* ---- out ---- */

enum status post_bundle_content(struct enclave *e, uint64_t number, struct buf *out,
                                struct message_row *ret)
{
    struct post_bundle p;
    struct bytes text;
    enum status st = post_bundle_get(e, number, &p);
    if (st == ST_OK) {
        struct cursor c = cursor_of(p.head.content);
        struct buf row;
        struct message_row m;
        buf_init(&row, KV_VALUE_MAX);
        post_bundle_message(&p, 0, BYTES_NONE, ret);
        for (uint64_t n = p.first; bundle_next(&c, &text); n++) {
            bool changed = text.n == 0 && post_get(e, n, &row, &m) == ST_OK;
            if (changed && out->n + bundle_size(m.text) <= BUNDLE_CONTENT_MAX) text = m.text;
            bundle_add(out, text);
        }
        buf_free(&row);
        st = buf_status(out);
    }
    post_bundle_free(&p);
    return st;
}

/* The next line that is not empty. */
static bool next_line(struct bytes *text, struct bytes *ret)
{
    while (text->n > 0) {
        const uint8_t *end = memchr(text->p, '\n', text->n);
        size_t n = end == NULL ? text->n : (size_t)(end - text->p);
        *ret = BYTES(text->p, n);
        n += end != NULL;
        *text = BYTES(text->p + n, text->n - n);
        if (ret->n > 0) return true;
    }
    return false;
}

/* Lines that fit into one entry; what is left stays in text. */
static size_t gather(struct bytes *text, struct buf *out)
{
    size_t n = 0;
    struct bytes rest = *text, line;
    while (n < BUNDLE_MOST && next_line(&rest, &line) &&
           (n == 0 || out->n + bundle_size(line) <= BUNDLE_CONTENT_MAX)) {
        bundle_add(out, line);
        *text = rest;
        n++;
    }
    return n;
}

static enum status say_bundle(struct enclave *e, struct bytes content, size_t n,
                              struct keep_batch *b)
{
    struct outgoing *o;
    uint64_t now = env_wall_ms(e->node->ports.env), first = e->next_message;
    struct bundle_row row = {.leaf = group_leaf(e->group),
                             .own = 1,
                             .time_ms = now,
                             .arrived_ms = now,
                             .index = POST_NO_INDEX,
                             .nick = bytes_str(e->nick),
                             .content = content};
    post_uuid(e, row.uuid);
    bundle_uuid_base(row.uuid);
    enum status st = post_outgoing(e, MAIL_BUNDLE, POST_ALL, row.uuid, first, now, content, &o);
    if (st != ST_OK) return st;
    e->next_message += n;
    post_queue(e, o, b);
    put_bundle(e, e->next_message - 1, &row, n, "message", b);
    if (e->read_upto + 1 == first) e->read_upto = e->next_message - 1;
    return ST_OK;
}

enum status post_say_lines(struct enclave *e, struct bytes text, struct keep_batch *b)
{
    struct buf content;
    struct bytes lines = text, line;
    size_t said = 0;
    enum status st = ST_OK;
    while (next_line(&lines, &line))
        if (line.n > NODE_TEXT_MAX) return ST_TOO_BIG;
    buf_init(&content, KV_VALUE_MAX);
    for (size_t n; st == ST_OK && (n = gather(&text, &content)) > 0; said += n) {
        if (n == 1)
            st = post_say_line(e, bundle_text(buf_view(&content), 0), b);
        else
            st = say_bundle(e, buf_view(&content), n, b);
        buf_clear(&content);
    }
    buf_free(&content);
    return said == 0 && st == ST_OK ? ST_USAGE : st;
}
