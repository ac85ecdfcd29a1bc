/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Private words: entries of feed 1 that one other member opens (core/mail/pair.h). */
#include "node/post/post.h"

#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_MAX 512 /* own private words looked at when a peer began anew */

/* ---- epochs ---- */

enum status enclave_private_epoch(struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    uint64_t epoch = group_epoch(e->group);
    uint8_t secret[32];
    size_t n = 0;
    if (e->pair == NULL) return ST_OK;
    /* A member that lost the thread has no keys of it. */
    if (group_key(e->group, GROUP_KEY_PAIR, epoch, secret) != ST_OK) return ST_OK;
    struct pair_leaf *list = calloc(PAIR_PEERS_MAX, sizeof *list);
    enum status st = list == NULL ? ST_NO_MEMORY : ST_OK;
    for (size_t i = 0; st == ST_OK && i < ledger_leaves(l) && n < PAIR_PEERS_MAX; i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (ledger_in_epoch(l, leaf->leaf, epoch))
            list[n++] = (struct pair_leaf){leaf->leaf, leaf->id, leaf->kem_pk};
    }
    if (st == ST_OK)
        st = pair_add_epoch(e->pair, epoch, secret, list, n, ledger_epoch_seen(l, epoch, FEED_MAIL),
                            env_wall_ms(e->node->ports.env));
    bytes_wipe(secret, sizeof secret);
    free(list);
    return st;
}

void enclave_private_anew(struct enclave *e, uint16_t leaf)
{
    if (e->pair != NULL && leaf != group_leaf(e->group)) pair_anew(e->pair, leaf);
}

static bool waits_for(const struct enclave *e, uint16_t leaf)
{
    for (const struct outgoing *o = e->out_first; o != NULL; o = o->next)
        if (o->to == leaf) return true;
    return false;
}

/* Somebody who may still write where we cannot read hears of us, if there is nothing else to say. */
static void greet(struct enclave *e, uint16_t leaf)
{
    struct outgoing *o;
    struct keep_batch b;
    uint8_t uuid[16];
    if (waits_for(e, leaf)) return;
    post_uuid(e, uuid);
    if (post_outgoing(e, PAIR_HELLO, leaf, uuid, 0, env_wall_ms(e->node->ports.env), BYTES(NULL, 0),
                      &o) != ST_OK)
        return;
    keep_begin(&b, &e->node->keep);
    post_queue(e, o, &b);
    enclave_mail_commit(e, &b, NULL, NULL, 0);
}

void post_private_turn(struct enclave *e)
{
    uint8_t uuid[16];
    uint16_t leaf, greeted[PAIR_PEERS_MAX];
    size_t n = 0;
    if (e->pair == NULL) return;
    pair_expire(e->pair, env_wall_ms(e->node->ports.env));
    while (pair_late_own(e->pair, &leaf, uuid)) post_say_again(e, uuid);
    if (!enclave_in(e) || group_restored(e->group)) return;
    while (n < PAIR_PEERS_MAX && pair_greet(e->pair, n, &leaf)) greeted[n++] = leaf;
    for (size_t i = 0; i < n; i++) greet(e, greeted[i]);
}

/* ---- out ---- */

enum status post_private_make(struct enclave *e, uint16_t to, const struct mail_draft *draft,
                              struct buf *out, uint64_t *ret_epoch)
{
    uint8_t *random = secret_new(PAIR_RANDOM);
    if (random == NULL) return ST_NO_MEMORY;
    env_random(e->node->ports.env, random, PAIR_RANDOM);
    enum status st = pair_make(e->pair, to, draft, e->keys->id_seed, random, out, ret_epoch);
    secret_free(random);
    return st;
}

/* The peer began anew: what it has not confirmed may lie in a conversation that it cannot read. */
static void say_last_again(struct enclave *e, uint16_t leaf)
{
    struct buf row;
    struct message_row m;
    uint64_t from = e->next_message > AGAIN_MAX ? e->next_message - AGAIN_MAX : 1;
    buf_init(&row, KV_VALUE_MAX);
    for (uint64_t n = from; n < e->next_message; n++) {
        if (post_get(e, n, &row, &m) != ST_OK || !m.own || m.to != leaf || !m.sent) continue;
        if (m.index != POST_NO_INDEX && m.index < e->post->marks[leaf].delivered) continue;
        uint8_t uuid[16];
        memcpy(uuid, m.uuid, 16);
        post_say_again(e, uuid);
    }
    buf_free(&row);
}

/* ---- in ---- */

static struct mail_message as_mail(const struct pair_message *p)
{
    struct mail_message m = {.verdict = p->verdict,
                             .kind = p->kind,
                             .flags = p->flags,
                             .leaf = p->leaf,
                             .epoch = p->epoch,
                             .time_ms = p->time_ms,
                             .seen_count = p->seen_count,
                             .skipped = p->skipped,
                             .gap = p->skipped > 0,
                             .content = p->content};
    memcpy(m.uuid, p->uuid, 16);
    memcpy(m.id, p->id, 32);
    memcpy(m.seen_chain, p->seen_chain, 32);
    return m;
}

static void took(struct enclave *e, const struct pair_message *p, uint64_t index,
                 struct keep_batch *b)
{
    struct mail_message m = as_mail(p);
    struct seen claim = {.count = p->seen_count};
    switch (p->verdict) {
    case MAIL_MESSAGE:
        group_use(e->group, p->epoch);
        /* Made again for a peer that had it: shown once. */
        if (p->kind == MAIL_HISTORY)
            post_shared(e, &m, b);
        else if (!post_known(e, p->leaf, p->uuid))
            post_show(e, &m, index, group_leaf(e->group), false, b);
        memcpy(claim.chain, p->seen_chain, 32);
        if (group_check_seen(e->group, p->leaf, &claim) == ST_PENDING) enclave_recheck(e);
        break;
    case MAIL_OWN:
        group_use(e->group, p->epoch);
        post_arrived(e, p->uuid, index, b);
        break;
    case MAIL_OWN_LATE: post_late(e, p->uuid, b); break;
    case MAIL_FORGED:
        enclave_tell(e, "warning", p->leaf == PAIR_NOBODY ? "" : enclave_nick(e, p->leaf), 0,
                     "an entry that pretends to be a private word does not open: ignored");
        break;
    default: break;
    }
}

void post_private_take(struct enclave *e, uint64_t index, struct bytes sealed, struct keep_batch *b)
{
    const uint8_t *seeds[GROUP_SEEDS_MAX];
    struct pair_message m;
    if (e->pair == NULL) return;
    size_t n = group_kem_seeds(e->group, seeds);
    if (pair_take(e->pair, index, sealed, seeds, n, &m) != ST_OK) return;
    if (m.verdict != MAIL_UNKNOWN) mail_known(e->mail, index);
    took(e, &m, index, b);
    if (!m.anew || m.leaf >= LEDGER_EVER_MAX) return;
    /* Not now: what is made again must not reach the disk before what was just read. */
    e->post->anew[m.leaf] = true;
    keep_put(b, &e->s_marks, POST_MARKS_ANEW + m.leaf, BYTES_LIT("1"));
}

void post_private_settle(struct enclave *e)
{
    const bool *found;
    while (e->post != NULL && (found = memchr(e->post->anew, true, LEDGER_EVER_MAX)) != NULL) {
        struct keep_batch b;
        uint16_t leaf = (uint16_t)(found - e->post->anew);
        e->post->anew[leaf] = false;
        say_last_again(e, leaf);
        keep_begin(&b, &e->node->keep);
        keep_erase(&b, &e->s_marks, POST_MARKS_ANEW + leaf);
        enclave_commit(e, &b, NULL, NULL);
    }
}

/* ---- rows ---- */

void post_private_rows(struct enclave *e, struct keep_batch *b)
{
    uint64_t row;
    while (e->pair != NULL && !b->bad && pair_dirty(e->pair, &row)) {
        struct buf out;
        buf_init(&out, KV_VALUE_MAX);
        if (pair_save(e->pair, row, &out) != ST_OK)
            b->bad = true;
        else if (out.n == 0)
            keep_erase(b, &e->s_pair, row);
        else
            keep_put(b, &e->s_pair, row, buf_view(&out));
        buf_free(&out);
    }
}

static bool on_pair_row(void *arg, uint64_t n, struct bytes plain)
{
    struct enclave *e = arg;
    return pair_load(e->pair, n, plain) == ST_OK;
}

enum status post_private_load(struct enclave *e)
{
    return keep_scan(&e->node->keep, &e->s_pair, 0, on_pair_row, e);
}
