/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How far the others have come (receipts), and what is dropped after its time. */
#include "node/enclave/handover.h"
#include "node/post/post.h"

#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(marks_row, MARKS_ROW_FIELDS);

/* ---- theirs ---- */

void post_marked(struct enclave *e, uint16_t leaf, struct bytes content, struct keep_batch *b)
{
    struct mail_marks in, *have;
    struct buf row = BUF_INIT;
    if (leaf >= LEDGER_EVER_MAX || fields_decode(&mail_marks_fields, content, &in) != ST_OK) return;
    have = &e->post->marks[leaf];
    if (in.delivered <= have->delivered && in.read <= have->read) return;
    if (in.delivered > have->delivered) have->delivered = in.delivered;
    if (in.read > have->read) have->read = in.read;
    if (fields_encode(&mail_marks_fields, have, &row) == ST_OK)
        keep_put(b, &e->s_marks, leaf, buf_view(&row));
    buf_free(&row);
    enclave_tell(e, "receipt", enclave_nick(e, leaf), 0, "");
}

void post_count(const struct enclave *e, uint64_t index, uint16_t to, struct node_message *ret)
{
    if (e->group == NULL || e->post == NULL) return;
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!leaf->member_now || leaf->leaf == group_leaf(e->group)) continue;
        if (to != POST_ALL && leaf->leaf != to) continue;
        const struct mail_marks *m = &e->post->marks[leaf->leaf];
        ret->of++;
        if (index == POST_NO_INDEX) continue;
        ret->delivered += m->delivered > index;
        ret->read_by += m->read > index;
    }
}

/* ---- ours ---- */

static void put_own_marks(struct enclave *e, struct keep_batch *b)
{
    struct buf row = BUF_INIT;
    if (fields_encode(&marks_row_fields, &e->post->own, &row) == ST_OK)
        keep_put(b, &e->s_marks, POST_MARKS_OWN, buf_view(&row));
    buf_free(&row);
}

static bool marks_due(const struct enclave *e)
{
    const struct marks_row *own = &e->post->own;
    enum node_receipts wanted = e->node->options.receipts;
    /* What is said to be here is all of it. */
    if (wanted == NODE_RECEIPTS_OFF || handover_open(e)) return false;
    return own->here > own->told_here ||
           (wanted == NODE_RECEIPTS_READ && own->read > own->told_read);
}

/* One at a time: what is newer goes with the next. */
static bool marks_can_go(const struct enclave *e)
{
    if (!enclave_in(e) || !group_writable(e->group) || enclave_keys_shared(e)) return false;
    for (const struct outgoing *o = e->out_first; o != NULL; o = o->next)
        if (o->kind == MAIL_MARKS) return false;
    return true;
}

void post_plan(struct enclave *e)
{
    uint8_t r[2];
    struct post *p = e->post;
    if (p->marks_at_ms != 0 || !marks_due(e) || !marks_can_go(e)) return;
    uint64_t now = env_mono_ms(e->node->ports.env);
    env_random(e->node->ports.env, r, sizeof r);
    p->marks_at_ms = now + 1 + get_u16(r) % POST_MARKS_SOON_MS;
    if (p->marks_sent_ms != 0 && p->marks_at_ms < p->marks_sent_ms + POST_MARKS_EVERY_MS)
        p->marks_at_ms = p->marks_sent_ms + POST_MARKS_EVERY_MS;
}

void post_here(struct enclave *e, uint64_t index, struct keep_batch *b)
{
    if (index == POST_NO_INDEX || index < e->post->own.here) return;
    e->post->own.here = index + 1;
    put_own_marks(e, b);
    post_plan(e);
}

void post_read(struct enclave *e, uint64_t index, struct keep_batch *b)
{
    if (index == POST_NO_INDEX || index < e->post->own.read) return;
    e->post->own.read = index + 1;
    put_own_marks(e, b);
    post_plan(e);
}

static void say_marks(struct enclave *e)
{
    struct post *p = e->post;
    struct outgoing *o;
    struct keep_batch b;
    struct buf content = BUF_INIT;
    uint8_t uuid[16];
    if (!marks_due(e) || !marks_can_go(e)) return;
    bool read = e->node->options.receipts == NODE_RECEIPTS_READ;
    struct mail_marks out = {p->own.here, read ? p->own.read : p->own.told_read};
    if (fields_encode(&mail_marks_fields, &out, &content) == ST_OK) {
        post_uuid(e, uuid);
        if (post_outgoing(e, MAIL_MARKS, POST_ALL, uuid, 0, env_wall_ms(e->node->ports.env),
                          buf_view(&content), &o) == ST_OK) {
            p->own.told_here = out.delivered;
            p->own.told_read = out.read;
            p->marks_sent_ms = env_mono_ms(e->node->ports.env);
            keep_begin(&b, &e->node->keep);
            post_queue(e, o, &b);
            put_own_marks(e, &b);
            enclave_mail_commit(e, &b, NULL, NULL, 0);
        }
    }
    buf_free(&content);
}

/* ---- what ends ---- */

void post_ends(struct enclave *e, uint64_t number, uint64_t at_ms, struct keep_batch *b)
{
    struct post *p = e->post;
    uint8_t when[8];
    if (p->n_ends == p->ends_room) {
        size_t room = p->ends_room == 0 ? 16 : 2 * p->ends_room;
        struct post_end *more = realloc(p->ends, room * sizeof *more);
        if (more == NULL) return; /* its row is found at the next start */
        p->ends = more;
        p->ends_room = room;
    }
    p->ends[p->n_ends++] = (struct post_end){number, at_ms};
    if (b == NULL) return;
    put_u64(when, at_ms);
    keep_put(b, &e->s_ends, number, BYTES_OF(when));
}

static void drop_ended(struct enclave *e, uint64_t wall)
{
    struct keep_batch b;
    struct message_row m;
    struct buf row;
    struct post *p = e->post;
    keep_begin(&b, &e->node->keep);
    buf_init(&row, KV_VALUE_MAX);
    for (size_t i = 0; i < p->n_ends;) {
        uint64_t number = p->ends[i].number;
        if (p->ends[i].at_ms > wall) {
            i++;
            continue;
        }
        if (post_get(e, number, &row, &m) == ST_OK) {
            post_drop(e, number, &m, &b);
            post_forget_acts(e, m.leaf, m.uuid, POST_ACTS_ALL, &b);
        }
        keep_erase(&b, &e->s_ends, number);
        p->ends[i] = p->ends[--p->n_ends];
    }
    buf_free(&row);
    if (b.n > 0)
        enclave_mail_commit(e, &b, NULL, NULL, 0);
    else
        keep_drop(&b);
}

/* ---- time ---- */

uint64_t enclave_post_next_ms(const struct enclave *e)
{
    const struct post *p = e->post;
    uint64_t next = UINT64_MAX, end = UINT64_MAX;
    if (p == NULL) return next;
    if (p->kept.keep_ms != 0) next = p->sweep_at_ms;
    if (p->marks_at_ms != 0 && e->attached && enclave_in(e) && p->marks_at_ms < next)
        next = p->marks_at_ms;
    for (size_t i = 0; i < p->n_ends; i++)
        if (p->ends[i].at_ms < end) end = p->ends[i].at_ms;
    if (end == UINT64_MAX) return next;
    uint64_t wall = env_wall_ms(e->node->ports.env), mono = env_mono_ms(e->node->ports.env);
    uint64_t at = end <= wall ? mono : mono + (end - wall);
    return at < next ? at : next;
}

void enclave_post_tick(struct enclave *e, uint64_t now_ms)
{
    struct post *p = e->post;
    if (p == NULL) return;
    if (p->marks_at_ms != 0 && now_ms >= p->marks_at_ms && e->attached && enclave_in(e)) {
        p->marks_at_ms = 0;
        say_marks(
            e); /* what is newer, or cannot go now, is planned when the feeds are read again */
    }
    if (p->kept.keep_ms != 0 && now_ms >= p->sweep_at_ms) post_sweep(e, now_ms);
    uint64_t wall = env_wall_ms(e->node->ports.env);
    for (size_t i = 0; i < p->n_ends; i++) {
        if (p->ends[i].at_ms > wall) continue;
        drop_ended(e, wall);
        return;
    }
}
