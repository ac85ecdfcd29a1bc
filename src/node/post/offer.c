/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A word of ours that the sentinel let go of before everybody had it is said again under its uuid, in the
 * newest epoch, for 14 days from when it was said. */
#include "node/post/post.h"

#include <string.h>

/* By its receipt, or by a HEAD, which says how much of feed 1 its author had on its disk. */
static bool has(const struct enclave *e, const struct ledger_leaf *l, uint64_t index)
{
    return e->post->marks[l->leaf % LEDGER_EVER_MAX].delivered > index ||
           l->head_seen[0].count > index;
}

static bool all_have(const struct enclave *e, const struct message_row *m)
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!leaf->member_now || leaf->leaf == group_leaf(e->group)) continue;
        if (m->to != POST_ALL && leaf->leaf != m->to) continue;
        if (!has(e, leaf, m->index)) return false;
    }
    return true;
}

static bool in_question(const struct enclave *e, const struct message_row *m, uint64_t now)
{
    bool word = m->own && m->sent && m->index != POST_NO_INDEX && (m->state & POST_UNSAID) == 0;
    bool fresh = now < m->time_ms || now - m->time_ms < POST_OFFER_MS;
    return word && fresh && !all_have(e, m);
}

void post_offer(struct enclave *e)
{
    struct post *p = e->post;
    struct message_row m;
    struct buf row;
    uint64_t now = env_wall_ms(e->node->ports.env), low = UINT64_MAX;
    uint8_t again[POST_OFFER_MAX][16];
    size_t n = 0;
    /* While words wait, what was made again may be among them. */
    if (p == NULL || e->kept.first <= p->offer_low || e->out_first != NULL || !enclave_in(e))
        return;
    buf_init(&row, KV_VALUE_MAX);
    for (uint64_t i = e->next_message; i-- > 1;) {
        if (post_get(e, i, &row, &m) != ST_OK) continue;
        if (m.arrived_ms < now && now - m.arrived_ms > POST_OFFER_MS) break;
        if (!in_question(e, &m, now)) continue;
        if (m.index >= e->kept.first) {
            if (m.index < low) low = m.index;
        } else if (n < POST_OFFER_MAX) {
            memcpy(again[n++], m.uuid, 16);
        } else {
            low = 0; /* there are more: looked at again when these are out */
        }
    }
    buf_free(&row);
    p->offer_low = low;
    while (n > 0) post_say_again(e, again[--n]); /* the oldest first */
}
