/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Older words between machines: message rows as rows of core/mail/history.h, and those that one member
 * shares with another, in private words. */
#include "node/post/share.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_BACK 100000 /* numbers gone back at most in search of what is to be shared */

/* ---- a message as a row ---- */

static void copy_id(const struct enclave *e, uint16_t leaf, uint8_t ret[32])
{
    const struct ledger_leaf *l =
        e->group == NULL ? NULL : ledger_leaf(group_ledger(e->group), leaf);
    if (l != NULL) memcpy(ret, l->id, 32);
}

static void put_signs(const struct enclave *e, struct bytes signs, struct buf *out)
{
    struct cursor c = cursor_of(signs);
    buf_init(out, HISTORY_SIGNS_MAX);
    while (c.left > 0) {
        struct bytes nick = bytes_str(enclave_nick(e, cursor_u16(&c)));
        struct bytes sign = cursor_take(&c, cursor_u8(&c));
        if (c.bad || nick.n == 0 || nick.n > HISTORY_NICK_MAX) return;
        buf_u8(out, (uint8_t)nick.n);
        buf_bytes(out, nick);
        buf_u8(out, (uint8_t)sign.n);
        buf_bytes(out, sign);
    }
}

static void put_answered(struct enclave *e, const struct message_row *m, struct history_row *h)
{
    struct buf row;
    struct message_row of;
    if ((m->state & POST_ANSWERS) == 0) return;
    h->flags |= HISTORY_ANSWERS;
    buf_init(&row, KV_VALUE_MAX);
    if (m->reply != 0 && post_get(e, m->reply, &row, &of) == ST_OK) {
        copy_id(e, of.leaf, h->of_author);
        memcpy(h->of_uuid, of.uuid, 16);
    }
    buf_free(&row);
}

bool share_may_leave(const struct message_row *m)
{
    return (m->state & POST_UNSAID) == 0 && m->lasts_s == 0 && m->ends_ms == 0;
}

enum status share_row(struct enclave *e, const struct message_row *m, struct buf *out)
{
    struct buf signs;
    struct history_row h = {.flags = m->own ? HISTORY_OWN : 0,
                            .time_ms = m->time_ms,
                            .edited_ms = m->edited_ms,
                            .nick = m->nick,
                            .path = m->path,
                            .text = m->text};
    copy_id(e, m->leaf, h.author);
    memcpy(h.uuid, m->uuid, 16);
    if (m->to != POST_ALL) {
        copy_id(e, m->to, h.to);
        h.to_nick = bytes_str(enclave_nick(e, m->to));
    }
    put_answered(e, m, &h);
    put_signs(e, m->signs, &signs);
    h.signs = buf_view(&signs);
    enum status st = history_put(&h, out);
    buf_free(&signs);
    return st;
}

/* ---- to a newcomer ---- */

/* Newest first, so that what is left out is the oldest. */
struct gathered {
    uint64_t numbers[NODE_SHARE_MAX];
    size_t n;
};

static bool may_be_shared(const struct message_row *m, uint64_t since_ms)
{
    return m->to == POST_ALL && share_may_leave(m) && m->time_ms >= since_ms &&
           (!m->own || m->sent);
}

/* Numbers of what is to be shared; the bytes of their rows stay below NODE_SHARE_BYTES. */
static enum status gather(struct enclave *e, const struct node_share *req, struct gathered *g)
{
    struct buf row, out;
    struct message_row m;
    size_t most = req->most == 0 || req->most > NODE_SHARE_MAX ? NODE_SHARE_MAX : req->most;
    size_t looked = 0, bytes = 0;
    enum status st = ST_OK;
    buf_init(&row, KV_VALUE_MAX);
    buf_init(&out, KV_VALUE_MAX);
    for (uint64_t n = e->next_message; st == ST_OK && n-- > 1 && g->n < most;) {
        if (looked++ == LOOK_BACK) break;
        if (post_get(e, n, &row, &m) != ST_OK || !may_be_shared(&m, req->since_ms)) continue;
        buf_clear(&out);
        st = share_row(e, &m, &out);
        if (st != ST_OK || out.n > HISTORY_BATCH_MAX) continue;
        bytes += out.n;
        if (bytes > NODE_SHARE_BYTES) break;
        g->numbers[g->n++] = n;
    }
    buf_free(&out);
    buf_free(&row);
    return st;
}

static enum status send_batch(struct enclave *e, uint16_t to, const struct buf *rows,
                              struct keep_batch *b)
{
    struct outgoing *o;
    uint8_t uuid[16];
    post_uuid(e, uuid);
    enum status st = post_outgoing(e, MAIL_HISTORY, to, uuid, 0, env_wall_ms(e->node->ports.env),
                                   buf_view(rows), &o);
    if (st != ST_OK) return st;
    post_queue(e, o, b);
    post_put_act(e, o, b);
    return ST_OK;
}

/* Oldest first, as many to an entry as fit. */
static enum status send_all(struct enclave *e, uint16_t to, const struct gathered *g,
                            struct keep_batch *b)
{
    struct buf row, out, rows;
    struct message_row m;
    enum status st = ST_OK;
    buf_init(&row, KV_VALUE_MAX);
    buf_init(&out, KV_VALUE_MAX);
    buf_init(&rows, HISTORY_BATCH_MAX);
    for (size_t i = g->n; st == ST_OK && i-- > 0;) {
        buf_clear(&out);
        if (post_get(e, g->numbers[i], &row, &m) != ST_OK) continue;
        st = share_row(e, &m, &out);
        if (st == ST_OK && rows.n > 0 && rows.n + out.n > HISTORY_BATCH_MAX) {
            st = send_batch(e, to, &rows, b);
            buf_clear(&rows);
        }
        buf_bytes(&rows, buf_view(&out));
        if (st == ST_OK) st = buf_status(&rows);
    }
    if (st == ST_OK && rows.n > 0) st = send_batch(e, to, &rows, b);
    buf_free(&rows);
    buf_free(&out);
    buf_free(&row);
    return st;
}

enum status node_history_share(struct node *n, const struct node_share *req, node_done *done,
                               void *arg)
{
    struct keep_batch b;
    uint16_t to;
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, req->enclave);
    if (e == NULL) return ST_NOT_FOUND;
    if (!enclave_in(e)) return ST_DENIED;
    enum status st = enclave_find_member(e, req->who, strlen(req->who), &to);
    if (st != ST_OK) return st;
    if (to == group_leaf(e->group)) return ST_USAGE;
    /* All have agreed that who comes in later learns nothing of before. */
    if (ledger_policy(group_ledger(e->group), LEDGER_POLICY_NO_HISTORY) != 0) return ST_REFUSED;
    struct gathered *g = calloc(1, sizeof *g);
    if (g == NULL) return ST_NO_MEMORY;
    st = gather(e, req, g);
    if (st == ST_OK && g->n == 0) st = ST_EXISTS;
    if (st == ST_OK) {
        keep_begin(&b, &n->keep);
        st = send_all(e, to, g, &b);
        uint64_t shared = g->n;
        /* What was made is listed and its chains have moved: it is kept also where not all could be. */
        if (b.n > 0) {
            enclave_mail_commit(e, &b, st == ST_OK ? done : NULL, arg, shared);
        } else {
            keep_drop(&b);
        }
    }
    free(g);
    return st;
}

/* ---- from a member ---- */

static struct archive *archive_from(struct enclave *e, const struct ledger_leaf *by)
{
    struct archive *a = archive_shared_by(e->node, e->enclave_id, by->id);
    char name[NODE_NAME_MAX + NODE_NICK_MAX + 2];
    if (a != NULL) return a;
    snprintf(name, sizeof name, "%s-%s", e->name, by->nick);
    const struct archive_made made = {ARCHIVE_SHARED, e->enclave_id,      by->id,
                                      name,           bytes_str(e->name), bytes_str(by->nick)};
    return archive_new(e->node, &made, &a) == ST_OK ? a : NULL;
}

void post_shared(struct enclave *e, const struct mail_message *m, struct keep_batch *b)
{
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_leaf *by = ledger_leaf(l, m->leaf);
    struct cursor c = cursor_of(m->content);
    struct history_row row;
    size_t added = 0;
    bool full = false;
    if (by == NULL || m->content.n == 0 || m->content.n > HISTORY_BATCH_MAX) return;
    struct archive *a = archive_from(e, by);
    if (a == NULL) return;
    while (!full && c.left > 0) {
        struct bytes bytes = cursor_take(&c, cursor_u32(&c));
        if (c.bad || history_row_read(bytes, &row) != ST_OK) break;
        /* Only what could have been said to all here, by somebody who was a member once. */
        if (!bytes_zero(BYTES_OF(row.to)) || ledger_by_id(l, row.author) == NULL) continue;
        enum status st = archive_add(e->node, a, bytes, &row, b);
        added += st == ST_OK;
        full = st == ST_QUOTA;
    }
    a->r.ready = 1;
    if (a->r.rows == 0) {
        archive_drop(e->node, a, b);
        return;
    }
    archive_put_record(e->node, a, b);
    if (added > 0) {
        bool same = e->post->shared.commit != 0 && e->post->shared.by == m->leaf;
        e->post->shared.n = same ? e->post->shared.n + added : added;
        e->post->shared.by = m->leaf;
        e->post->shared.commit = e->mail_commits + 1; /* the one that this batch becomes */
    }
    if (!full || a->full_told) return;
    a->full_told = true;
    enclave_tell(
        e, "warning", by->nick, 0,
        "they share more older messages than this machine takes of one member: the rest is "
        "left out");
}

void post_shared_settled(struct enclave *e, uint64_t commit)
{
    struct post *p = e->post;
    const struct ledger_leaf *by;
    char text[NODE_REASON_MAX];
    if (p->shared.commit == 0 || p->shared.commit > commit || e->group == NULL) return;
    p->shared.commit = 0;
    by = ledger_leaf(group_ledger(e->group), p->shared.by);
    const struct archive *a = by == NULL ? NULL : archive_shared_by(e->node, e->enclave_id, by->id);
    if (a == NULL) return;
    snprintf(text, sizeof text, "%.60s shares %zu older messages: enclave history read %s",
             by->nick, p->shared.n, a->name);
    enclave_tell(e, "history", by->nick, p->shared.n, text);
}
