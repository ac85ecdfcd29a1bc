/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Grants: taking a storage node on, signing what another member took on, renewing in time. No vote is
 * held: a node learns no more than the member who brings it could tell anybody, and it is the members'
 * daemons that place shards. So each signs the terms of its own accord, once it has seen that the seat
 * list in them is the room's. */
#include "node/shelf/shelf_depots.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATED_AGAIN_MS 600000

static int by_seat(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

bool shelf_seats(const struct shelf *s, uint8_t ret[GRANT_SEATS_MAX][32], size_t *ret_n)
{
    const struct enclave *e = s->e;
    const struct ledger *l = group_ledger(e->group);
    if (e->n_seat_list == 0 || e->n_seat_list != ledger_members(l)) return false;
    for (size_t i = 0; i < e->n_seat_list; i++) {
        const struct ledger_leaf *leaf = ledger_by_seat(l, e->seat_list[i]);
        if (leaf == NULL || !leaf->member_now) return false;
    }
    memcpy(ret, e->seat_list, e->n_seat_list * 32);
    qsort(ret, e->n_seat_list, 32, by_seat);
    *ret_n = e->n_seat_list;
    return true;
}

static enum status queue(struct shelf *s, struct buf *body, enum status st, node_done *done,
                         void *arg)
{
    if (st == ST_OK) st = buf_status(body);
    if (st == ST_OK) st = shelf_queue(s, TREE_OP, buf_view(body), NULL, done, arg);
    buf_free(body);
    return st;
}

/* ---- of our own accord ---- */

static bool signed_by_us(const struct shelf *s, const struct depot_taken *t)
{
    uint16_t own = group_leaf(s->e->group);
    for (size_t i = 0; i < t->sigs.n; i++)
        if (get_u16(list_at(t->sigs, i, DEPOTS_SIG_ITEM)) == own) return true;
    return false;
}

static void sign_terms(struct shelf *s, const struct depot_taken *t, struct depot_link *l)
{
    uint8_t seats[GRANT_SEATS_MAX][32], sigs[GRANT_SEATS_MAX * ROOM_SIG_ITEM];
    size_t n;
    struct grant g;
    struct buf body;
    uint64_t wall = enclave_unix_ms(s->e);
    if (l->signed_expiry == t->expiry || signed_by_us(s, t)) return;
    if (t->list_version != s->e->seat_version || !shelf_seats(s, seats, &n)) return;
    if (t->seats.n != n || memcmp(t->seats.p, seats, n * 32) != 0) return;
    if (t->expiry <= wall || t->expiry > wall + GRANT_LIFE_MS + DEPOT_VISIT_MS) return;
    struct depot_sign r = {.number = t->number, .expiry = t->expiry};
    memcpy(r.seat, s->e->seat, 32);
    depots_grant(t, s->e->room, sigs, &g);
    grant_sign(s->e->keys->seat_seed, &g, r.sig);
    buf_init(&body, TREE_BODY_MAX);
    tree_body_start(&body);
    if (queue(s, &body, tree_add_depot_sign(&body, &r), NULL, NULL) == ST_OK)
        l->signed_expiry = t->expiry;
}

static enum status state_terms(struct shelf *s, struct depot_take *r, node_done *done, void *arg)
{
    uint8_t seats[GRANT_SEATS_MAX][32];
    size_t n;
    struct buf body;
    if (!shelf_seats(s, seats, &n)) return ST_PENDING;
    r->list_version = s->e->seat_version;
    r->seats = (struct list){seats[0], n};
    buf_init(&body, TREE_BODY_MAX);
    tree_body_start(&body);
    enum status st = queue(s, &body, tree_add_depot(&body, r), done, arg);
    r->seats = (struct list){NULL, 0}; /* they lie here */
    return st;
}

/* The one who stated the terms renews them; if it is late, or gone, the member of the lowest number does,
 * and in the last week anybody. Two who do it at once do no harm: the later terms hold. */
static bool my_turn(const struct shelf *s, const struct depot_taken *t, uint64_t left)
{
    const struct ledger *l = group_ledger(s->e->group);
    uint16_t own = group_leaf(s->e->group), lowest = own;
    const struct ledger_leaf *maker = ledger_leaf(l, t->leaf);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now && leaf->leaf < lowest) lowest = leaf->leaf;
    }
    if (t->leaf == own || left < DEPOT_RENEW_MS / 4) return true;
    bool late = maker == NULL || !maker->member_now || left < DEPOT_RENEW_MS / 2;
    return late && lowest == own;
}

static void renew(struct shelf *s, const struct depot_taken *t, struct depot_link *l, uint64_t now)
{
    uint64_t expiry = enclave_unix_ms(s->e) + GRANT_LIFE_MS;
    struct depot_take r = {.quota = t->quota,
                           .expiry = expiry > t->expiry ? expiry : t->expiry + 1,
                           .address = bytes_str(t->address)};
    memcpy(r.key, t->key, 32);
    memcpy(r.ticket, t->ticket, GRANT_TICKET);
    if (state_terms(s, &r, NULL, NULL) == ST_OK) l->stated_ms = now;
}

void shelf_grants_tick(struct shelf *s, const struct depot_taken *t, struct depot_link *l,
                       uint64_t now_ms, bool complete)
{
    struct enclave *e = s->e;
    uint64_t wall = enclave_unix_ms(e), left = t->expiry > wall ? t->expiry - wall : 0;
    if (!enclave_synced(e, FEED_LEDGER) || !enclave_synced(e, FEED_FILES) ||
        !group_writable(e->group) || e->seat_version == 0)
        return;
    if (!complete) sign_terms(s, t, l);
    bool moved = !complete && t->list_version != e->seat_version;
    if (!moved && left >= DEPOT_RENEW_MS && !l->stuck) return;
    if (l->stated_ms != 0 && now_ms < l->stated_ms + STATED_AGAIN_MS) return;
    if (my_turn(s, t, left)) renew(s, t, l, now_ms);
}

/* ---- verbs ---- */

static enum status shelf_for(struct node *n, const char *name, struct shelf **ret)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->shelf == NULL || !enclave_in(e)) return ST_DENIED;
    *ret = e->shelf;
    return ST_OK;
}

enum status node_storage_add(struct node *n, const char *name, const char *offer, uint64_t quota,
                             node_done *done, void *arg)
{
    struct shelf *s;
    struct offer o;
    enum status st;
    TRY(shelf_for(n, name, &s));
    TRY(offer_from_text(offer, &o));
    if (quota == 0) quota = grant_ticket_quota(o.ticket);
    if (quota > grant_ticket_quota(o.ticket)) return ST_QUOTA;
    if (enclave_unix_ms(s->e) >= grant_ticket_expiry(o.ticket)) return ST_REPLAY;
    if (!enclave_direct(s->e) && !enclave_routed(s->e)) return ST_DENIED;
    struct depot_take r = {.quota = quota,
                           .expiry = enclave_unix_ms(s->e) + GRANT_LIFE_MS,
                           .address = bytes_str(o.address)};
    const struct depot_taken *t = depots_by_key(tree_depots(s->tree), o.key);
    if (t != NULL && r.expiry <= t->expiry) r.expiry = t->expiry + 1;
    memcpy(r.key, o.key, 32);
    memcpy(r.ticket, o.ticket, GRANT_TICKET);
    st = state_terms(s, &r, done, arg);
out:
    return st;
}

enum status node_storage_remove(struct node *n, const char *name, uint64_t number, node_done *done,
                                void *arg)
{
    struct shelf *s;
    struct buf body;
    enum status st;
    TRY(shelf_for(n, name, &s));
    if (number < DEPOTS_FIRST || number > UINT16_MAX ||
        depots_find(tree_depots(s->tree), (uint16_t)number) == NULL)
        return ST_NOT_FOUND;
    buf_init(&body, TREE_BODY_MAX);
    tree_body_start(&body);
    st = queue(s, &body, tree_add_depot_let_go(&body, (uint16_t)number), done, arg);
out:
    return st;
}

/* ---- as it stands ---- */

static void show_depot(const struct shelf *s, const struct depot_taken *t,
                       node_storage_visit *visit, void *arg)
{
    uint8_t sigs[GRANT_SEATS_MAX * ROOM_SIG_ITEM];
    struct grant g;
    char text[NODE_REASON_MAX] = "";
    const struct depot_link *l = s->depots[t->number - DEPOTS_FIRST];
    bool complete = depots_grant(t, s->e->room, sigs, &g);
    bool known = l != NULL && l->told && l->state.known;
    bool ready = known && l->state.seated;
    struct node_storage v = {.number = t->number,
                             .who = t->address,
                             .node = true,
                             .up = l != NULL && l->up,
                             .offered = t->quota,
                             .expiry_ms = t->expiry,
                             .text = text};
    v.state = t->gone ? "let go" : !complete ? "signing" : ready ? "ready" : "waiting";
    if (!complete && !t->gone)
        snprintf(text, sizeof text,
                 "signed by %zu of %zu; more than half are needed: the others' "
                 "daemons sign when they are online",
                 g.sigs.n, g.seats.n);
    else if (l != NULL && !t->gone)
        snprintf(text, sizeof text, "%s", l->trouble);
    if (known) {
        v.told = true;
        v.used = l->state.used;
        v.free = l->state.free;
        v.trash = l->state.trash;
    }
    hex_encode(BYTES_OF(t->pin), v.pin);
    visit(arg, &v);
}

static void show_member(const struct shelf *s, const struct ledger_leaf *leaf, uint64_t placed,
                        node_storage_visit *visit, void *arg)
{
    struct hold_room room;
    bool self = leaf->leaf == group_leaf(s->e->group);
    struct node_storage v = {.number = leaf->leaf,
                             .who = leaf->nick,
                             .self = self,
                             .up = hold_up(s->hold, leaf->leaf),
                             .placed = placed,
                             .state = "member",
                             .text = ""};
    v.told = hold_room(s->hold, leaf->leaf, &room);
    if (v.told) {
        v.used = room.used;
        v.free = room.free;
        v.offered = room.used + room.free;
    }
    visit(arg, &v);
}

enum status node_storage(struct node *n, const char *name, node_storage_visit *visit, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->shelf == NULL || e->group == NULL) return ST_DENIED;
    const struct ledger *l = group_ledger(e->group);
    uint64_t *kept = calloc(LEDGER_EVER_MAX, sizeof *kept);
    if (kept == NULL) return ST_NO_MEMORY;
    enclave_files_kept(e, kept);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now) show_member(e->shelf, leaf, kept[leaf->leaf], visit, arg);
    }
    free(kept);
    const struct depots *d = tree_depots(e->shelf->tree);
    for (size_t i = 0; i < d->n; i++) show_depot(e->shelf, &d->list[i], visit, arg);
    return ST_OK;
}
