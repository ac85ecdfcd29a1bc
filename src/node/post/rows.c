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
FIELDS_DEFINE(kept_row, KEPT_ROW_FIELDS);

#define ROW_VERSION 2

struct post_unsaved {
    struct post_unsaved *next; /* newer */
    uint64_t number, commit;
    size_t count; /* a bundle of so many messages, number: of its last one; 0: one message */
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
        if (u->number == number && u->count == 0) found = u;
    return found;
}

bool post_going(const struct post *p, uint64_t number)
{
    const struct post_unsaved *u = unsaved_of(p, number);
    return u != NULL && u->row.n == 0;
}

bool post_unsaved_bundle(const struct post *p, uint64_t number, struct bytes *ret_row,
                         uint64_t *ret_last)
{
    bool found = false;
    for (const struct post_unsaved *u = p->oldest; u != NULL; u = u->next) {
        if (number > u->number || number + u->count <= u->number) continue;
        *ret_row = buf_view(&u->row);
        *ret_last = u->number;
        found = true;
    }
    return found;
}

void post_remember(struct enclave *e, uint64_t number, size_t count, uint16_t leaf,
                   const uint8_t uuid[16], struct bytes row, const char *kind, uint16_t by)
{
    struct post_unsaved *u = calloc(1, sizeof *u);
    if (u == NULL) return;
    *u = (struct post_unsaved){.number = number,
                               .count = count,
                               .commit = e->mail_commits + 1, /* the one that this batch becomes */
                               .leaf = leaf,
                               .by = by,
                               .kind = e->post->hush ? NULL : kind};
    memcpy(u->uuid, uuid, 16);
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
        post_remember(e, number, 0, m->leaf, m->uuid, buf_view(&row), kind, by);
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
    if (st == ST_NOT_FOUND) return post_bundle_member(e, number, row, ret);
    if (st == ST_OK) st = fields_decode(&message_row_fields, buf_view(row), ret);
    return st == ST_OK && (ret->state & POST_GONE) != 0 ? ST_NOT_FOUND : st;
}

/* The number that an author's uuid leads to; of a bundle that of its first message. */
static enum status number_of(struct enclave *e, uint16_t leaf, const uint8_t uuid[16],
                             uint64_t *ret)
{
    struct buf place = BUF_INIT;
    *ret = 0;
    for (const struct post_unsaved *u = e->post->oldest; u != NULL && *ret == 0; u = u->next)
        if (u->leaf == leaf && memcmp(u->uuid, uuid, 16) == 0)
            *ret = u->count == 0 ? u->number : u->number - u->count + 1;
    if (*ret != 0) return ST_OK;
    enum status st = keep_get(&e->node->keep, &e->s_uuids, post_key(leaf, uuid), &place);
    if (st == ST_OK && place.n == 8) *ret = get_u64(place.p);
    buf_free(&place);
    return st == ST_OK && *ret == 0 ? ST_INTEGRITY : st;
}

enum status post_find(struct enclave *e, uint16_t leaf, const uint8_t uuid[16], struct buf *row,
                      struct message_row *ret, uint64_t *ret_number)
{
    uint64_t number;
    enum status st = number_of(e, leaf, uuid, &number);
    if (st == ST_NOT_FOUND && !bundle_uuid_is_base(uuid)) {
        uint8_t base[16];
        memcpy(base, uuid, 16);
        bundle_uuid_base(base);
        st = number_of(e, leaf, base, &number);
        number += bundle_uuid_place(uuid);
    }
    if (st == ST_OK) st = post_get(e, number, row, ret);
    if (st == ST_OK && (ret->leaf != leaf || memcmp(ret->uuid, uuid, 16) != 0)) st = ST_NOT_FOUND;
    *ret_number = number;
    return st;
}

/* Also a bundle whose first message was dropped. */
bool post_known(struct enclave *e, uint16_t leaf, const uint8_t uuid[16])
{
    uint64_t number;
    return number_of(e, leaf, uuid, &number) == ST_OK;
}

void post_put_kept(struct enclave *e, struct keep_batch *b)
{
    struct buf row = BUF_INIT;
    if (fields_encode(&kept_row_fields, &e->post->kept, &row) == ST_OK)
        keep_put(b, &e->s_marks, POST_KEPT, buf_view(&row));
    buf_free(&row);
}

static void drop(struct enclave *e, uint64_t number, const struct message_row *m, const char *kind,
                 struct keep_batch *b)
{
    if (post_bundle_blank(e, number, b)) {
        struct message_row gone = *m;
        gone.state = POST_GONE;
        gone.text = gone.path = gone.signs = BYTES_NONE;
        post_put(e, number, &gone, kind, m->leaf, b);
        return;
    }
    keep_erase(b, &e->s_messages, number);
    keep_erase(b, &e->s_uuids, post_key(m->leaf, m->uuid));
    post_remember(e, number, 0, m->leaf, m->uuid, BYTES_NONE, kind, m->leaf);
    post_keep_numbers(e, b);
}

void post_keep_numbers(struct enclave *e, struct keep_batch *b)
{
    if (e->post->kept.next_message == e->next_message) return;
    e->post->kept.next_message = e->next_message;
    post_put_kept(e, b);
}

void post_drop(struct enclave *e, uint64_t number, const struct message_row *m,
               struct keep_batch *b)
{
    drop(e, number, m, "gone", b);
}

void post_forget(struct enclave *e, uint64_t number, const struct message_row *m,
                 struct keep_batch *b)
{
    drop(e, number, m, NULL, b);
}

static void tell(struct enclave *e, const struct post_unsaved *u)
{
    struct message_row m;
    char text[NODE_REASON_MAX] = "";
    const char *who = enclave_nick(e, u->by);
    if (u->count > 0) {
        post_bundle_words(buf_view(&u->row), text, sizeof text);
    } else if (u->row.n > 0 && fields_decode(&message_row_fields, buf_view(&u->row), &m) == ST_OK) {
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
    if (!e->removed && e->post != NULL) post_shared_settled(e, commit);
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
    if (n == POST_KEPT && fields_decode(&kept_row_fields, plain, &e->post->kept) != ST_OK)
        e->post->kept = (struct kept_row){.keep_ms = 0};
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
    early_free(e);
    free(p->ends);
    post_bundle_unlook(e);
    free(p);
    e->post = NULL;
}
