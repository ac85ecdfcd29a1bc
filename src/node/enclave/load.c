/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* An enclave out of its rows: the record, the ledger replayed from its sealed entries by the rule
 * of a newcomer, then words and files. And what `status` shows of it. */
#include "node/enclave/enclave.h"
#include "node/enclave/handover.h"

#include "base/encode.h"
#include "core/door/safety.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status from_record(struct enclave *e, const struct enclave_record *r)
{
    if (r->version != ENCLAVE_RECORD_VERSION) return ST_VERSION;
    if (r->via > ENCLAVE_VIA_TOR) return ST_INTEGRITY;
    if (r->phase >= ENCLAVE_PHASES || r->phase == ENCLAVE_GONE) return ST_INTEGRITY;
    memcpy(e->tag, r->tag, 16);
    memcpy(e->name, r->name.p, r->name.n);
    memcpy(e->nick, r->nick.p, r->nick.n);
    memcpy(e->address, r->address.p, r->address.n);
    memcpy(e->pin, r->pin, 32);
    memcpy(e->room, r->room, 32);
    memcpy(e->enclave_id, r->enclave_id, 32);
    memcpy(e->keys->id_seed, r->id_seed, 32);
    memcpy(e->keys->seat_seed, r->seat_seed, 32);
    memcpy(e->keys->kem_seed, r->kem_seed, 32);
    memcpy(e->keys->reply_token, r->reply_token, 32);
    memcpy(e->safety, r->safety, 32);
    memcpy(e->keys->veto_seed, r->veto_seed, 32);
    sign_public(e->keys->id_seed, e->id);
    sign_public(e->keys->seat_seed, e->seat);
    e->read_upto = r->read_upto;
    e->joined_ms = r->joined_ms;
    buf_bytes(&e->invitation, r->invitation);
    buf_bytes(&e->knock, r->knock);
    e->via = (enum enclave_via)r->via;
    e->parting = r->parting != 0;
    e->phase = (enum enclave_phase)r->phase;
    sm_init(&e->sm, e->sm.table, r->phase);
    return ST_OK;
}

struct replay {
    struct enclave *e;
    enum status st;
};

static bool on_entry(void *arg, uint64_t n, struct bytes plain)
{
    struct replay *r = arg;
    struct enclave *e = r->e;
    struct group_event ev;
    if (n != e->feeds[FEED_LEDGER].seen.count || plain.n < 32) {
        r->st = ST_INTEGRITY;
        return false;
    }
    r->st =
        group_take(e->group, n, BYTES(plain.p + 32, plain.n - 32), env_wall_ms(e->node->ports.env));
    if (r->st != ST_OK) return false;
    while (group_event(e->group, &ev)) {
    } /* told when they came first */
    e->feeds[FEED_LEDGER].seen.count = n + 1;
    memcpy(e->feeds[FEED_LEDGER].seen.chain, plain.p, 32);
    return true;
}

static enum status load_feed_head(struct enclave *e, uint8_t feed)
{
    uint64_t last;
    struct enclave_feed *f = &e->feeds[feed];
    enum status st = keep_last(&e->node->keep, &f->space, &last);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st == ST_OK) st = enclave_kept(e, feed, last, NULL, f->seen.chain);
    /* Entries about files are read again from the sentinel where the disk has lost them. */
    while (st != ST_OK && feed == FEED_FILES && last > 0)
        st = enclave_kept(e, feed, --last, NULL, f->seen.chain);
    if (st != ST_OK && feed == FEED_FILES) return ST_OK;
    if (st == ST_OK) f->seen.count = last + 1;
    f->head = f->seen.count;
    if (feed == FEED_MAIL) f->on_disk = f->seen.count;
    return st;
}

static enum status load_state(struct enclave *e, struct buf *ret)
{
    struct buf row;
    enum status st;
    uint32_t all = 0;
    buf_init(&row, KV_VALUE_MAX);
    for (uint64_t n = 0; n == 0 || ret->n < all; n++) {
        buf_clear(&row);
        TRY(keep_get(&e->node->keep, &e->s_state, n, &row));
        st = ST_INTEGRITY;
        if (row.n <= 4 || row.n > 4 + ENCLAVE_STATE_ROW) goto out;
        if (n > 0 && get_u32(row.p) != all) goto out;
        all = get_u32(row.p);
        buf_raw(ret, row.p + 4, row.n - 4);
        TRY(buf_status(ret));
    }
    st = ret->n == all ? ST_OK : ST_INTEGRITY;
out:
    buf_free(&row);
    return st;
}

static enum status load_group(struct enclave *e)
{
    struct buf saved;
    buf_init(&saved, ENCLAVE_STATE_MAX);
    struct replay r = {e, ST_OK};
    enum status st;
    TRY(load_state(e, &saved));
    TRY(group_load(buf_view(&saved), &e->group));
    TRY(keep_scan(&e->node->keep, &e->feeds[FEED_LEDGER].space, 0, on_entry, &r));
    st = r.st;
out:
    buf_free(&saved);
    return st;
}

enum status enclave_load(struct node *n, uint64_t slot, struct bytes record, struct enclave **ret)
{
    struct enclave_record r;
    struct enclave *e = NULL;
    enum status st;
    /* Another version has other fields. */
    if (record.n > 0 && record.p[0] != ENCLAVE_RECORD_VERSION) return ST_VERSION;
    TRY(fields_decode(&enclave_record_fields, record, &r));
    TRY(enclave_new(n, "", "?", &e));
    e->slot = slot;
    TRY(from_record(e, &r));
    enclave_spaces(e);
    if (e->phase ==
        ENCLAVE_CREATING) { /* its making did not come to an end: node_start erases it */
        *ret = e;
        e = NULL;
        goto out;
    }
    if (e->phase >= ENCLAVE_ENTERING) {
        if (e->phase != ENCLAVE_REFUSED) TRY(load_group(e));
        for (uint8_t f = 1; f < FEEDS; f++) TRY(load_feed_head(e, f));
    }
    if (e->phase == ENCLAVE_REMOVED) {
        enclave_removed_why(e);
        TRY(enclave_mail_load(e));
        TRY(enclave_shelf_load(e));
    }
    if (e->phase == ENCLAVE_MEMBER && e->group != NULL && group_lost(e->group) &&
        !group_in(e->group))
        TRY(enclave_mail_load(e));
    if (e->phase == ENCLAVE_MEMBER && e->group != NULL) TRY(enclave_renew_load(e));
    if (e->group != NULL && group_in(e->group)) {
        TRY(enclave_mail_load(e));
        TRY(enclave_epochs(e));
        TRY(handover_load(e));
        TRY(enclave_kept_load(e));
        TRY(enclave_doors_load(e));
        TRY(enclave_peers_start(e));
        TRY(enclave_shelf_load(e));
        struct intent leave = {.kind = INTENT_LEAVE};
        if (e->phase == ENCLAVE_LEAVING) TRY(enclave_intend(e, &leave));
        enclave_votes_load(e);
    }
    if (e->phase != ENCLAVE_REFUSED && e->phase != ENCLAVE_REMOVED) TRY(enclave_connect(e));
    *ret = e;
    e = NULL;
out:
    bytes_wipe(&r, sizeof r);
    enclave_free(e);
    return st;
}

/* ---- what status shows ---- */

static enum node_state state_of(const struct enclave *e)
{
    if (e->halted) return NODE_HALTED;
    switch (e->phase) {
    case ENCLAVE_CREATING:
    case ENCLAVE_MEMBER: return NODE_MEMBER;
    case ENCLAVE_LEAVING:
    case ENCLAVE_GONE: return NODE_LEAVING;
    case ENCLAVE_REFUSED: return NODE_REFUSED;
    case ENCLAVE_REMOVED: return NODE_REMOVED;
    default: return NODE_JOINING;
    }
}

uint64_t enclave_away_ms(const struct enclave *e, const struct ledger_leaf *leaf)
{
    return leaf->away_ms > env_wall_ms(e->node->ports.env) ? leaf->away_ms : 0;
}

bool enclave_silent(const struct enclave *e, const struct ledger_leaf *leaf)
{
    uint64_t limit = ledger_policy(group_ledger(e->group), LEDGER_POLICY_IDLE_MS);
    uint64_t now = env_wall_ms(e->node->ports.env);
    if (limit == 0 || leaf->leaf == group_leaf(e->group) || enclave_away_ms(e, leaf) != 0)
        return false;
    return leaf->last_ms != 0 && now > leaf->last_ms && now - leaf->last_ms > limit;
}

/* How many confirm by signed words of theirs the history that we have. A clean partition shows as
 * nobody confirming. */
static void count_confirmed(const struct enclave *e, struct node_enclave_info *info)
{
    const struct ledger *l = group_ledger(e->group);
    uint64_t settled = group_settled(e->group, env_wall_ms(e->node->ports.env));
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!leaf->member_now) continue;
        bool later = leaf->added >= settled; /* nothing of it can be that old */
        if (later || group_agreed(e->group, leaf->leaf) >= settled) info->confirmed++;
    }
    bool alone = info->members > 1 && info->confirmed <= 1; /* of two, too, the other one must */
    info->doubtful = alone || 2 * info->confirmed < info->members;
}

static void count_members(struct enclave *e, struct node_enclave_info *info)
{
    const struct ledger *l = group_ledger(e->group);
    info->members = (unsigned)ledger_members(l);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!leaf->member_now) continue;
        if (leaf->leaf == group_leaf(e->group) ||
            (e->peers != NULL && peers_path(e->peers, leaf->leaf) != PEERS_OFFLINE))
            info->reachable++;
    }
    info->open_proposals = (unsigned)e->n_knocks;
    for (size_t i = 0; i < ledger_proposals(l); i++)
        info->open_proposals += ledger_is_current(ledger_proposal_at(l, i));
    count_confirmed(e, info);
    info->movable = enclave_movable(e);
    info->epoch = group_epoch(e->group);
    info->ledger_count = ledger_count(l);
    hex_encode(BYTES(ledger_chain(l), 8), info->head);
    info->ballot = ledger_ballot_kind(l) == BALLOT_SECRET ? "secret" : "open";
    info->mode = ledger_mode(l) == LEDGER_RELAY ? "relay"
                 : ledger_mode(l) == LEDGER_TOR ? "tor"
                                                : "direct";
}

void enclave_info(struct enclave *e, struct node_enclave_info *info)
{
    bool joining = e->phase == ENCLAVE_KNOCKING || e->phase == ENCLAVE_WAITING;
    *info =
        (struct node_enclave_info){.name = e->name,
                                   .state = state_of(e),
                                   .nick = e->nick,
                                   .sentinel = e->address,
                                   .online = e->attached || (joining && uplink_up(&e->up)),
                                   .trouble = e->trouble[0] != '\0' ? e->trouble : post_flooding(e),
                                   .ballot = "",
                                   .mode = "",
                                   .removed = e->removed_why,
                                   .outbox = enclave_mail_waiting(e),
                                   .keep_ms = enclave_post_keeps_ms(e)};
    hex_encode(BYTES_OF(e->enclave_id), info->id);
    if (e->group != NULL && ledger_started(group_ledger(e->group))) count_members(e, info);
    if (e->next_message > e->read_upto + 1) info->unread = e->next_message - 1 - e->read_upto;
    if (!bytes_zero(BYTES_OF(e->safety))) safety_code_of(e->safety, info->safety);
    if (e->shelf != NULL) info->held_bytes = enclave_files_held(e);
}
