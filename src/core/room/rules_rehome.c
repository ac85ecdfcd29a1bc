/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A room built again at another sentinel, or anew at this one: protocol.md section 12. */
#include "core/room/rules_parts.h"

#include <string.h>

_Static_assert(ROOM_USED_MAX + ROOM_SEATS_MAX < ROOM_SEATS_EVER_MAX, "others can be added yet");

static const uint8_t nobody[32];

struct rehome {
    const struct room_rehome *m;
    struct seat_list seats; /* counted: signed */
    size_t signers;
    uint8_t proof[64]; /* list hash | hash of the SPKI hashes */
    struct buf valid;
};

static bool ascending(struct list l)
{
    for (size_t i = 1; i < l.n; i++)
        if (memcmp(list_at(l, i - 1, 32), list_at(l, i, 32), 32) >= 0) return false;
    return true;
}

/* Both ascending: one walk through the two. */
static bool disjoint(struct list a, struct list b)
{
    for (size_t i = 0, k = 0; i < a.n && k < b.n;) {
        int order = memcmp(list_at(a, i, 32), list_at(b, k, 32), 32);
        if (order == 0) return false;
        if (order < 0)
            i++;
        else
            k++;
    }
    return true;
}

static bool in_list(struct list l, const uint8_t key[32])
{
    for (size_t i = 0; i < l.n; i++)
        if (memcmp(list_at(l, i, 32), key, 32) == 0) return true;
    return false;
}

static enum status check_form(const struct room_rehome *m)
{
    bool fine = m->version > 0 && m->version <= ROOM_VERSION_MAX && m->seats.n > 0 &&
                ascending(m->seats) && ascending(m->used) && disjoint(m->seats, m->used);
    return fine ? ST_OK : ST_BAD_MESSAGE;
}

/* As with ADD_SEAT: each seat once, strangers do not count, a false one refuses the whole. */
static enum status count_signers(struct rehome *r)
{
    const struct room_rehome *m = r->m;
    for (size_t i = 0; i < m->seats.n; i++) memcpy(r->seats.ids[i], list_at(m->seats, i, 32), 32);
    r->seats.n = m->seats.n;
    room_list_hash(m->seats, r->proof);
    room_list_hash(m->spkis, r->proof + 32);
    for (size_t i = 0; i < m->sigs.n; i++) {
        const uint8_t *item = list_at(m->sigs, i, ROOM_SIG_ITEM);
        size_t at = rules_find_seat(&r->seats, item);
        if (at == SIZE_MAX || r->seats.counted[at]) continue;
        enum status st =
            room_verify_rehome(item, m->room, m->version, r->proof, r->proof + 32, item + 32);
        if (st != ST_OK) return st;
        r->seats.counted[at] = true;
        r->signers++;
        buf_raw(&r->valid, item, ROOM_SIG_ITEM);
    }
    if (2 * r->signers <= r->seats.n) return ST_DENIED;
    return buf_status(&r->valid);
}

/* The list that is brought vouches for itself only: anybody could make one of keys of his own, with
 * any version. A room that lives gives way to nobody but most of those who sit in it. */
static enum status may_replace(const struct call *c, const struct rehome *r)
{
    struct seat_list old;
    size_t agree = 0;
    enum status st = rules_load_seats(c, r->m->room, &old);
    if (st != ST_OK) return st;
    for (size_t i = 0; i < old.n; i++) {
        size_t at = rules_find_seat(&r->seats, old.ids[i]);
        if (at != SIZE_MAX && r->seats.counted[at]) agree++;
    }
    return 2 * agree > old.n ? ST_OK : ST_DENIED;
}

static enum status build(const struct call *c, const struct rehome *r)
{
    const struct room_rehome *m = r->m;
    const struct room_seat_row in = {.current = 1}, was = {.current = 0};
    struct room_record record = {.version = m->version,
                                 .kind = ROOM_RECORD_REHOME,
                                 .proof = BYTES_OF(r->proof),
                                 .sigs = {r->valid.p, r->signers}};
    enum status st = ST_OK;
    TRY(rules_start_room(c, m->room, m->version));
    for (size_t i = 0; i < m->seats.n; i++)
        TRY(c->store->seat_put(c->ctx, m->room, list_at(m->seats, i, 32), &in));
    /* drop_ms 0: long ago. There is no feed from which they could see why. */
    for (size_t i = 0; i < m->used.n; i++)
        TRY(c->store->seat_put(c->ctx, m->room, list_at(m->used, i, 32), &was));
    TRY(rules_add_record(c, m->room, &record));
out:
    return st;
}

enum status rules_rehome(const struct call *c, const void *msg)
{
    struct rehome r = {.m = msg};
    struct room_row row;
    uint64_t rooms = 0;
    bool there = false;
    enum status st = ST_OK;
    buf_init(&r.valid, (size_t)ROOM_SEATS_MAX * ROOM_SIG_ITEM);
    TRY(c->who->attached ? ST_PROTOCOL : ST_OK);
    TRY(check_form(r.m));
    TRY(in_list(r.m->spkis, c->who->spki) ? ST_OK : ST_DENIED);
    TRY(count_signers(&r));
    TRY(r.seats.n > c->r->limits.seats ? ST_QUOTA : ST_OK);
    st = c->store->room_get(c->ctx, r.m->room, &row);
    there = st == ST_OK;
    if (there && r.m->version <= row.version) {
        TRY(rules_put_version(c, row.version));
        st = ST_EXISTS;
    } else if (there) {
        TRY(may_replace(c, &r));
        TRY(c->store->room_erase(c->ctx, r.m->room));
    } else if (st == ST_NOT_FOUND) {
        TRY(c->store->rooms(c->ctx, &rooms));
        st = rooms >= c->r->limits.rooms ? ST_QUOTA : ST_OK;
    }
    if (st != ST_OK) goto out;
    TRY(build(c, &r));
    if (there) {
        rules_tell_seats(c, r.m->room, r.m->version, ROOM_RECORD_REHOME, nobody);
        c->effect->erased = true;
    }
    TRY(rules_put_version(c, r.m->version));
out:
    buf_free(&r.valid);
    return st;
}
