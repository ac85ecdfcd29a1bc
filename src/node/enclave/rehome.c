/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Moving: the room is made again at another sentinel of the voted list, by the seat signatures that the
 * members' HEADs carry (protocol.md 12), and filled from our copy by the rule that gives an older
 * database back what it lost. Members follow to that list and to nowhere else: when a REHOME says
 * so, or when their sentinel is gone for a while and the room is found at another one. */
#include "node/audit/audit.h"
#include "node/enclave/enclave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AFTER_MS 60000 /* the sentinel is not there for so long: the others are looked at */
#define LOOK_MS 15000       /* each of them for so long */
#define BUILD_MS 60000      /* the new one has so long to answer */
/* A sentinel says which version its list has. One that no room comes to is not signed, nor taken from a
 * member: REHOME knows none above ROOM_VERSION_MAX, and the room must be able to go on counting. */
#define VERSION_MAX (ROOM_VERSION_MAX / 2)

struct rehome {
    bool build; /* we make the room; else: we go where it is */
    bool switch_due;
    bool made; /* the sentinel has the room */
    uint64_t until_ms;
    struct ledger_sentinel to;
};

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* Seats of the members (or of those who are out), in byte order; returns how many. */
static size_t seats_of(const struct enclave *e, bool in, uint8_t (*ret)[32], size_t most)
{
    const struct ledger *l = group_ledger(e->group);
    size_t n = 0;
    for (size_t i = 0; i < ledger_leaves(l) && n < most; i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now == in) memcpy(ret[n++], leaf->seat, 32);
    }
    qsort(ret, n, 32, by_bytes);
    return n;
}

static size_t pins_of(const struct enclave *e, uint8_t (*ret)[32])
{
    const struct ledger_sentinel *list;
    size_t n = ledger_sentinels(group_ledger(e->group), &list);
    for (size_t i = 0; i < n; i++) memcpy(ret[i], list[i].pin, 32);
    return n;
}

/* The word of that member for these lists; false: none, or a false one. */
static bool has_word(const struct enclave *e, const struct ledger_leaf *f, const uint8_t list[32],
                     const uint8_t spkis[32])
{
    return f->member_now && f->head_version > 0 && f->head_version <= VERSION_MAX &&
           room_verify_rehome(f->seat, e->room, f->head_version, list, spkis, f->head_sig) == ST_OK;
}

/* What the others have signed for these lists, and only if nobody has, what the sentinel says: it could
 * tell each another version, and no two words would fit together. 0: none. */
static uint64_t version_for(const struct enclave *e, const uint8_t list[32],
                            const uint8_t spkis[32])
{
    const struct ledger *l = group_ledger(e->group);
    uint64_t version = 0;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *f = ledger_leaf(l, (uint16_t)i);
        if (f->head_version > version && has_word(e, f, list, spkis)) version = f->head_version;
    }
    if (version > 0) return version;
    return e->seat_version <= VERSION_MAX ? e->seat_version : 0;
}

bool enclave_rehome_sign(const struct enclave *e, uint64_t *ret_version, uint8_t ret_sig[64],
                         bool *ret_given)
{
    uint8_t seats[ROOM_SEATS_MAX][32], pins[LEDGER_SENTINELS_MAX][32], list[32], spkis[32];
    const struct ledger_leaf *self = ledger_leaf(group_ledger(e->group), group_leaf(e->group));
    size_t n = seats_of(e, true, seats, ROOM_SEATS_MAX), n_pins = pins_of(e, pins);
    /* One sentinel only: there is nowhere to go. A list that is not the members': not yet. */
    if (n_pins < 2 || n != e->n_seat_list || memcmp(seats, e->seat_list, n * 32) != 0) return false;
    room_list_hash((struct list){seats[0], n}, list);
    room_list_hash((struct list){pins[0], n_pins}, spkis);
    *ret_version = version_for(e, list, spkis);
    if (*ret_version == 0) return false;
    room_sign_rehome(e->keys->seat_seed, e->room, *ret_version, list, spkis, ret_sig);
    *ret_given = self != NULL && has_word(e, self, list, spkis);
    return true;
}

/* ---- building ---- */

static void end(struct enclave *e, enum status st, const char *text)
{
    node_done *done = e->rehome_done;
    e->rehome_done = NULL;
    free(e->rehome);
    e->rehome = NULL;
    node_finish(done, e->rehome_arg, st, text, NULL);
}

static void on_built(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    (void)body;
    if (st == ST_CLOSED || e->removed || e->rehome == NULL) return;
    if (st == ST_OK || st == ST_EXISTS) {
        e->rehome->made = true;
        enclave_attach(e);
        return;
    }
    end(e, st,
        st == ST_DENIED ? "that sentinel does not take the room: too few of the members' words fit "
                          "the list of seats"
                        : "that sentinel does not take the room");
    uplink_redial(&e->up, st);
}

struct words {
    uint8_t seats[ROOM_SEATS_MAX][32];
    uint8_t used[ROOM_USED_MAX][32];
    uint8_t pins[LEDGER_SENTINELS_MAX][32];
    uint8_t sigs[ROOM_SEATS_MAX * ROOM_SIG_ITEM];
    const struct ledger_leaf *of[ROOM_SEATS_MAX]; /* others whose word is about these lists */
    size_t n;
    struct room_rehome msg;
};

/* The newest version that, with us, more than half have signed: the ledger keeps what anybody says, and
 * one that names a version of its own, or a false word, must not keep the others here. */
static uint64_t best_version(const struct enclave *e, struct words *w, const uint8_t list[32],
                             const uint8_t spkis[32])
{
    const struct ledger *l = group_ledger(e->group);
    uint64_t best = 0;
    for (size_t i = 0; i < ledger_leaves(l) && w->n < ROOM_SEATS_MAX - 1; i++) {
        const struct ledger_leaf *f = ledger_leaf(l, (uint16_t)i);
        if (f->leaf != group_leaf(e->group) && has_word(e, f, list, spkis)) w->of[w->n++] = f;
    }
    for (size_t i = 0; i < w->n; i++) {
        size_t same = 1;
        for (size_t k = 0; k < w->n; k++) same += w->of[k]->head_version == w->of[i]->head_version;
        if (2 * same > w->msg.seats.n && w->of[i]->head_version > best)
            best = w->of[i]->head_version;
    }
    if (best > 0) return best;
    return e->seat_version > 0 && e->seat_version <= VERSION_MAX ? e->seat_version : 1; /* alone */
}

static void put_word(struct words *w, const uint8_t seat[32], const uint8_t sig[64])
{
    uint8_t *item = w->sigs + w->msg.sigs.n++ * ROOM_SIG_ITEM;
    memcpy(item, seat, 32);
    memcpy(item + 32, sig, 64);
}

/* What the new sentinel is brought. ST_DENIED: fewer than half have given their word for the list. */
static enum status collect(const struct enclave *e, struct words *w)
{
    uint8_t list[32], spkis[32], own[64];
    w->msg = (struct room_rehome){.seats = {w->seats[0], 0}, .sigs = {w->sigs, 0}};
    w->msg.seats.n = seats_of(e, true, w->seats, ROOM_SEATS_MAX);
    w->msg.used = (struct list){w->used[0], seats_of(e, false, w->used, ROOM_USED_MAX)};
    w->msg.spkis = (struct list){w->pins[0], pins_of(e, w->pins)};
    memcpy(w->msg.room, e->room, 32);
    room_list_hash(w->msg.seats, list);
    room_list_hash(w->msg.spkis, spkis);
    uint64_t version = w->msg.version = best_version(e, w, list, spkis);
    for (size_t i = 0; i < w->n; i++)
        if (w->of[i]->head_version == version) put_word(w, w->of[i]->seat, w->of[i]->head_sig);
    room_sign_rehome(e->keys->seat_seed, e->room, version, list, spkis, own);
    put_word(w, e->seat, own);
    return 2 * w->msg.sigs.n > w->msg.seats.n ? ST_OK : ST_DENIED;
}

bool enclave_movable(const struct enclave *e)
{
    const struct ledger_sentinel *list;
    if (e->phase != ENCLAVE_MEMBER || ledger_sentinels(group_ledger(e->group), &list) < 2)
        return false;
    struct words *w = calloc(1, sizeof *w);
    bool can = w != NULL && collect(e, w) == ST_OK;
    free(w);
    return can;
}

bool enclave_rehome_up(struct enclave *e, const struct link_peer *peer)
{
    (void)peer;
    if (e->rehome == NULL || !e->rehome->build || e->rehome->made) return false;
    struct words *w = calloc(1, sizeof *w);
    enum status st = w == NULL ? ST_NO_MEMORY : collect(e, w);
    if (st == ST_OK)
        st = uplink_request(&e->up, ROOM_REHOME, &room_rehome_fields, &w->msg, on_built, e);
    free(w);
    if (st != ST_OK) end(e, st, "the room cannot be made again there");
    return st == ST_OK;
}

/* ---- going ---- */

static bool here(const struct enclave *e, const struct ledger_sentinel *s)
{
    return memcmp(s->pin, e->pin, 32) == 0 && strcmp(s->address, e->address) == 0;
}

static void go(struct enclave *e, const struct ledger_sentinel *to)
{
    uplink_stop(&e->up);
    e->attached = e->subscribed = e->resending = e->evidence.busy = false;
    e->seats_busy = e->join_busy = e->dropping = false;
    e->seat_version = 0;
    for (int f = 0; f < FEEDS; f++) e->feeds[f].reading = false;
    if (e->peers != NULL) peers_detached(e->peers);
    enclave_mail_down(e);
    if (e->shelf != NULL) enclave_files_down(e);
    enclave_audit_down(e);
    snprintf(e->address, sizeof e->address, "%s", to->address);
    memcpy(e->pin, to->pin, 32);
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    enclave_put_record(e, &b);
    enclave_commit(e, &b, NULL, NULL);
    enclave_tell(e, "kit", "", 0, "the recovery kit says where the enclave is now");
    if (enclave_connect(e) != ST_OK) enclave_trouble(e, "cannot dial %s", to->address);
}

void enclave_redial(struct enclave *e, const char *address)
{
    struct ledger_sentinel same = {0};
    snprintf(same.address, sizeof same.address, "%s", address);
    memcpy(same.pin, e->pin, 32);
    go(e, &same);
}

/* A REHOME came while we were reading: we go at the next tick, not inside an event. */
void enclave_rehomed(struct enclave *e)
{
    const struct ledger_sentinel *home = ledger_home(group_ledger(e->group));
    if (home == NULL || here(e, home) || e->phase != ENCLAVE_MEMBER || e->rehome != NULL) return;
    e->rehome = calloc(1, sizeof *e->rehome);
    if (e->rehome == NULL) return;
    e->rehome->switch_due = true;
    e->rehome->to = *home;
    enclave_tell(e, "sentinel", "", 0, "the enclave has moved to another sentinel of its list");
}

/* Attached where the room was made again: the ledger says so, for the others. */
static void settle(struct enclave *e)
{
    struct intent i = {.kind = INTENT_REHOME};
    memcpy(i.key, e->pin, 32);
    snprintf(i.text, sizeof i.text, "%s", e->address);
    if (enclave_intend(e, &i) != ST_OK) enclave_trouble(e, "too much waits for the ledger");
    end(e, ST_OK, "the enclave lives there now; the others follow when they miss the old one");
}

/* The sentinel is gone: perhaps the others have moved. */
static void look_around(struct enclave *e, uint64_t now_ms)
{
    const struct ledger_sentinel *list;
    size_t n = ledger_sentinels(group_ledger(e->group), &list);
    if (n < 2) return;
    for (size_t i = 0; i < n; i++) {
        const struct ledger_sentinel *s = &list[e->try_home++ % n];
        if (here(e, s)) continue;
        e->away_since_ms = now_ms + 1 + LOOK_MS - LOOK_AFTER_MS; /* the next one after LOOK_MS */
        go(e, s);
        return;
    }
}

void enclave_rehome_tick(struct enclave *e, uint64_t now_ms)
{
    struct rehome *r = e->rehome;
    if (e->group == NULL || e->phase != ENCLAVE_MEMBER) return;
    if (r != NULL && r->switch_due) {
        struct ledger_sentinel to = r->to;
        r->switch_due = false;
        if (!r->build) {
            free(e->rehome);
            e->rehome = NULL;
        }
        go(e, &to);
    } else if (r != NULL && r->made && e->subscribed) {
        settle(e);
    } else if (r != NULL && now_ms >= r->until_ms) {
        end(e, ST_UNREACHABLE, "that sentinel does not answer; the old one is tried again");
    } else if (r == NULL && !e->attached && e->away_since_ms != 0 &&
               (int64_t)(now_ms - e->away_since_ms) >= LOOK_AFTER_MS) {
        look_around(e, now_ms);
    }
}

uint64_t enclave_rehome_next_ms(const struct enclave *e)
{
    const struct ledger_sentinel *list;
    if (e->group == NULL || e->phase != ENCLAVE_MEMBER) return UINT64_MAX;
    if (e->rehome != NULL)
        return e->rehome->switch_due || (e->rehome->made && e->subscribed) ? 0
                                                                           : e->rehome->until_ms;
    if (e->attached || e->away_since_ms == 0 || ledger_sentinels(group_ledger(e->group), &list) < 2)
        return UINT64_MAX;
    return e->away_since_ms + LOOK_AFTER_MS;
}

void enclave_rehome_free(struct enclave *e)
{
    free(e->rehome);
    e->rehome = NULL;
}

static const struct ledger_sentinel *choose(struct enclave *e, const char *address)
{
    const struct ledger_sentinel *list;
    size_t n = ledger_sentinels(group_ledger(e->group), &list);
    for (size_t i = 0; i < n; i++) {
        const struct ledger_sentinel *s = &list[address != NULL ? i : e->try_home++ % n];
        if (address != NULL ? strcmp(s->address, address) == 0 : !here(e, s)) return s;
    }
    return NULL;
}

enum status node_rehome(struct node *n, const char *name, const char *address, node_done *done,
                        void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->phase != ENCLAVE_MEMBER || e->group == NULL || !group_in(e->group)) return ST_DENIED;
    if (e->rehome != NULL) return ST_BUSY;
    const struct ledger_sentinel *to = choose(e, address);
    if (to == NULL) return address != NULL ? ST_NOT_FOUND : ST_USAGE; /* not on the voted list */
    if (here(e, to) && e->attached) return ST_EXISTS;
    struct words *w = calloc(1, sizeof *w);
    enum status st = w == NULL ? ST_NO_MEMORY : collect(e, w);
    free(w);
    if (st != ST_OK) return st == ST_DENIED ? ST_PENDING : st; /* too few words yet */
    e->rehome = calloc(1, sizeof *e->rehome);
    if (e->rehome == NULL) return ST_NO_MEMORY;
    *e->rehome = (struct rehome){.build = true,
                                 .switch_due = true,
                                 .until_ms = env_mono_ms(n->ports.env) + BUILD_MS,
                                 .to = *to};
    e->rehome_done = done;
    e->rehome_arg = arg;
    return ST_OK;
}
