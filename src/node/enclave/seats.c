/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The sentinel's seat list, brought in line with the ledger by whoever is online, and the answers
 * at the door. Every operation here may be done by several members: the second one is harmless. */
#include "node/enclave/enclave.h"

#include "core/door/reply.h"

#include <stdlib.h>
#include <string.h>

#define SEATS_AGAIN_MS 3000
#define SEATS_SOON_MS 200 /* after a change that another member made first */
/* Our word for a new list comes at a random moment within this time for each member, so that not all
 * write to the ledger at once. */
#define SEATS_HEAD_MS 1000
/* Another version of the same list: no hurry. Who counts up for nothing does not fill the ledger. */
#define SEATS_SAME_MS (UINT64_C(3600) * 1000)
/* A listed seat may be unexplained so long: its ADD may be on the way, or be kept from us by a sentinel
 * that wants us to vote a member out. It opens nothing, so there is time. */
#define SEATS_ODD_MS (UINT64_C(24) * 3600 * 1000)
#define SEATS_LOOK_MS 60000

static bool listed(const struct room_seat_list *list, const uint8_t seat[32])
{
    for (size_t i = 0; i < list->seats.n; i++)
        if (memcmp(list_at(list->seats, i, 32), seat, 32) == 0) return true;
    return false;
}

static void on_changed(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    (void)body;
    e->seats_busy = false;
    if (e->removed || st == ST_CLOSED) return;
    uint64_t now = env_mono_ms(e->node->ports.env);
    if (st == ST_OK && now >= e->seats_changed_ms + SEATS_SOON_MS) {
        e->seats_changed_ms = now;
    } else if (st == ST_OK || st == ST_EXISTS || st == ST_NOT_FOUND || st == ST_CONFLICT) {
        /* A sentinel that says so for ever must not keep us busy. */
        e->seats_again_ms = now + SEATS_SOON_MS;
    } else {
        env_log(e->node->ports.env, ENV_WARN, "seats", "a change of the seat list was refused: %s",
                status_text(st));
        e->seats_again_ms = now + 10 * SEATS_AGAIN_MS;
    }
    e->seats_due = true;
    enclave_seats(e);
}

static bool add_seat(struct enclave *e, const struct room_seat_list *list,
                     const struct ledger_leaf *leaf)
{
    const struct ledger_proposal *p = ledger_admission(group_ledger(e->group), leaf->leaf);
    if (p == NULL) return false;
    uint8_t *sigs = calloc(LEDGER_MEMBERS_MAX, ROOM_SIG_ITEM);
    if (sigs == NULL) return false;
    struct room_add_seat msg = {.version = list->version, .sigs = {sigs, 0}};
    for (size_t i = 0; i < p->n_voters && msg.sigs.n < LEDGER_MEMBERS_MAX; i++) {
        const struct ledger_voter *v = &p->voters[i];
        if (bytes_zero(BYTES_OF(v->seat_sig)) || !listed(list, v->seat)) continue;
        memcpy(sigs + msg.sigs.n * ROOM_SIG_ITEM, v->seat, 32);
        memcpy(sigs + msg.sigs.n * ROOM_SIG_ITEM + 32, v->seat_sig, 64);
        msg.sigs.n++;
    }
    memcpy(msg.seat, leaf->seat, 32);
    memcpy(msg.proposal, p->hash, 32);
    e->seats_busy =
        uplink_request(&e->up, ROOM_ADD_SEAT, &room_add_seat_fields, &msg, on_changed, e) == ST_OK;
    free(sigs);
    return e->seats_busy;
}

static bool drop_seat(struct enclave *e, const struct ledger_leaf *leaf)
{
    struct room_drop_seat msg = {0};
    memcpy(msg.room, e->room, 32);
    memcpy(msg.seat, leaf->seat, 32);
    memcpy(msg.sig, leaf->drop_sig, 64);
    e->seats_busy = uplink_request(&e->up, ROOM_DROP_SEAT, &room_drop_seat_fields, &msg, on_changed,
                                   e) == ST_OK;
    return e->seats_busy;
}

/* The seat of one that was removed: our vote to drop it; the sentinel keeps it until enough have come
 * (protocol.md 2). Never in a ballot: a vetoed removal would still drop its target. */
static bool vote_removed(struct enclave *e, const struct ledger_leaf *leaf)
{
    uint8_t bit = (uint8_t)(1U << (leaf->leaf % 8));
    if (e->drop_voted[leaf->leaf / 8] & bit) return false;
    struct room_seat_vote msg = {.index = leaf->left};
    memcpy(msg.seat, leaf->seat, 32);
    ledger_sign_drop(e->keys->seat_seed, e->room, leaf->seat, msg.sig);
    e->seats_busy = uplink_request(&e->up, ROOM_SEAT_VOTE, &room_seat_vote_fields, &msg, on_changed,
                                   e) == ST_OK;
    if (e->seats_busy) e->drop_voted[leaf->leaf / 8] |= bit;
    return e->seats_busy;
}

/* The list as it is now, and whether our word for it, with which the room could be made again
 * elsewhere, has to be given anew. */
void enclave_seat_list(struct enclave *e, const struct room_seat_list *list)
{
    const struct ledger_leaf *self = ledger_leaf(group_ledger(e->group), group_leaf(e->group));
    uint64_t version;
    uint8_t sig[64], random[8];
    e->seat_version = list->version;
    e->n_seat_list = list->seats.n;
    if (list->seats.n > 0) memcpy(e->seat_list, list->seats.p, list->seats.n * 32);
    bool given;
    if (self == NULL || !enclave_rehome_sign(e, &version, sig, &given)) return;
    if (self->head_version == version && given) return;
    env_random(e->node->ports.env, random, sizeof random);
    uint64_t within = SEATS_HEAD_MS * ledger_members(group_ledger(e->group));
    uint64_t at = env_mono_ms(e->node->ports.env) + 1 + get_u64(random) % within;
    if (given) at += SEATS_SAME_MS;
    if (e->head_at_ms == 0 || at < e->head_at_ms) e->head_at_ms = at;
}

static void look_again(struct enclave *e, uint64_t now)
{
    e->seats_due = true;
    e->seats_again_ms = now + SEATS_LOOK_MS;
}

/* A listed seat that no ADD explains, as the yes of a majority in a vote that did not pass can bring
 * in: dropped by the votes of the daemons (protocol.md 2), after a while, for the ADD may only not
 * have come here yet. */
static void vote_odd_seat(struct enclave *e, const struct room_seat_list *list)
{
    const struct ledger *l = group_ledger(e->group);
    uint64_t now = env_mono_ms(e->node->ports.env);
    const uint8_t *odd = NULL;
    /* The sentinel keeps a vote; but its database may be an older one, or the seat come in again. */
    if (!listed(list, e->odd_voted) || now >= e->odd_voted_ms + SEATS_ODD_MS)
        memset(e->odd_voted, 0, 32);
    for (size_t i = 0; i < list->seats.n && odd == NULL; i++) {
        const uint8_t *seat = list_at(list->seats, i, 32);
        if (ledger_by_seat(l, seat) != NULL) continue;
        if (memcmp(seat, e->odd_voted, 32) != 0)
            odd = seat;
        else
            look_again(e, now);
    }
    if (!listed(list, e->odd_seat)) memset(e->odd_seat, 0, 32);
    if (odd == NULL) return;
    if (memcmp(odd, e->odd_seat, 32) != 0) {
        memcpy(e->odd_seat, odd, 32);
        e->odd_since_ms = now;
        enclave_recheck(e); /* is there more of the ledger than we were shown? */
    }
    if (now < e->odd_since_ms + SEATS_ODD_MS || !group_writable(e->group)) {
        look_again(e, now);
        return;
    }
    struct room_seat_vote msg = {.index = ledger_count(l) - 1};
    memcpy(msg.seat, odd, 32);
    ledger_sign_drop(e->keys->seat_seed, e->room, odd, msg.sig);
    memcpy(e->odd_voted, odd, 32);
    e->odd_voted_ms = now;
    look_again(e, now);
    enclave_tell(e, "warning", "", 0,
                 "somebody holds a place in the room whom nobody admitted: this member votes to "
                 "take it away. It can read nothing.");
    e->seats_busy = uplink_request(&e->up, ROOM_SEAT_VOTE, &room_seat_vote_fields, &msg, on_changed,
                                   e) == ST_OK;
}

/* A newcomer is answered once its seat is there. Who proposed it, closed its vote or posted its ADD
 * answers, and again after a restart as long as nothing was heard of it: one of them may be away. */
static void welcome_due(struct enclave *e, const struct ledger_leaf *leaf)
{
    const struct ledger_proposal *p = ledger_admission(group_ledger(e->group), leaf->leaf);
    if (p == NULL || leaf->head_index != LEDGER_NEVER || leaf->added < e->welcomed) return;
    uint16_t own = group_leaf(e->group);
    e->welcomed = leaf->added + 1;
    if (own == p->by || own == p->closed_by) enclave_welcome(e, p);
}

/* The newest version of the list that a member has signed, or that we saw. */
static uint64_t known_version(const struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    uint64_t version = e->seat_version;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->head_version > version) version = leaf->head_version;
    }
    return version;
}

static void got_seats(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct room_seat_list list;
    e->seats_busy = false;
    if (e->removed || st == ST_CLOSED) return;
    if (st == ST_OK) st = fields_decode(&room_seat_list_fields, body, &list);
    if (st != ST_OK) return;
    uint64_t known = known_version(e);
    if (list.version < known)
        enclave_trouble(e,
                        "the sentinel shows an older seat list (version %llu; members have signed "
                        "version %llu): it has an older database, or lies about who is in the room",
                        (unsigned long long)list.version, (unsigned long long)known);
    enclave_seat_list(e, &list);
    e->seats_due = false;
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        bool in = listed(&list, leaf->seat);
        if (leaf->member_now && !in && add_seat(e, &list, leaf)) return;
        if (leaf->member_now && in) welcome_due(e, leaf);
        if (leaf->member_now || !in || leaf->leaf == group_leaf(e->group)) continue;
        if (leaf->left_by == LEDGER_LEAVE ? drop_seat(e, leaf) : vote_removed(e, leaf)) return;
    }
    if (enclave_synced(e, FEED_LEDGER)) vote_odd_seat(e, &list);
}

void enclave_seats(struct enclave *e)
{
    if (!e->seats_due || e->seats_busy || e->removed || !e->subscribed || e->group == NULL) return;
    if (!enclave_synced(e, FEED_LEDGER) || !group_in(e->group)) return;
    if (env_mono_ms(e->node->ports.env) < e->seats_again_ms) return;
    struct room_seats msg = {.from = e->seat_version + 1};
    e->seats_busy =
        uplink_request(&e->up, ROOM_SEATS, &room_seats_fields, &msg, got_seats, e) == ST_OK;
    if (!e->seats_busy) e->seats_again_ms = env_mono_ms(e->node->ports.env) + SEATS_SOON_MS;
}

/* ---- answers at the door ---- */

static void answer(struct enclave *e, const struct reply *r, const uint8_t kem_pk[1216],
                   const uint8_t to[32], enum room_outcome outcome)
{
    uint8_t coins[KEM_COINS], blob[REPLY_BLOB];
    env_random(e->node->ports.env, coins, sizeof coins);
    if (reply_seal(r, kem_pk, coins, blob) == ST_OK) {
        struct room_door_reply msg = {.outcome = (uint8_t)outcome, .blob = BYTES_OF(blob)};
        memcpy(msg.reply, to, 32);
        if (uplink_request(&e->up, ROOM_DOOR_REPLY, &room_door_reply_fields, &msg, NULL, NULL) !=
            ST_OK)
            env_log(e->node->ports.env, ENV_WARN, "door", "an answer could not be posted now");
    }
    bytes_wipe(coins, sizeof coins);
}

void enclave_pend(struct enclave *e, const uint8_t kem_pk[1216], const uint8_t to[32])
{
    struct reply r = {.kind = REPLY_PENDING};
    memcpy(r.enclave_id, e->enclave_id, 32);
    answer(e, &r, kem_pk, to, ROOM_OPEN);
}

/* After a vote the answer looks to the sentinel like one that says nothing yet: it does not learn how
 * people voted. At the door one of us alone has said no, and the knock is settled. */
void enclave_refuse(struct enclave *e, const uint8_t kem_pk[1216], const uint8_t to[32], bool voted)
{
    struct reply r = {.kind = REPLY_REFUSED};
    memcpy(r.enclave_id, e->enclave_id, 32);
    answer(e, &r, kem_pk, to, voted ? ROOM_OPEN : ROOM_REFUSED);
}

void enclave_welcome(struct enclave *e, const struct ledger_proposal *p)
{
    struct group_welcome w;
    if (!e->attached || group_welcome(e->group, p->added_leaf, &w) != ST_OK) return;
    struct reply r = {.kind = REPLY_WELCOME, .index = w.add_index, .epoch = w.epoch};
    memcpy(r.enclave_id, e->enclave_id, 32);
    memcpy(r.chain, w.chain, 32);
    memcpy(r.log_key, w.log_key, 32);
    answer(e, &r, p->candidate.kem, p->reply, ROOM_ACCEPTED);
    bytes_wipe(&r, sizeof r);
    bytes_wipe(&w, sizeof w);
}
