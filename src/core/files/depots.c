/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/files/depots.h"

#include "crypto/sign.h"

#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(depot_take, DEPOT_TAKE_FIELDS);
FIELDS_DEFINE(depot_sign, DEPOT_SIGN_FIELDS);
FIELDS_DEFINE(depot_let_go, DEPOT_LET_GO_FIELDS);
FIELDS_DEFINE(depot_kept, DEPOT_KEPT_FIELDS);

static void taken_free(struct depot_taken *t)
{
    free((void *)t->seats.p);
    free((void *)t->sigs.p);
    memset(t, 0, sizeof *t);
}

void depots_free(struct depots *d)
{
    for (size_t i = 0; i < d->n; i++) taken_free(&d->list[i]);
    d->n = 0;
}

const struct depot_taken *depots_find(const struct depots *d, uint16_t number)
{
    size_t at = (size_t)number - DEPOTS_FIRST;
    return number >= DEPOTS_FIRST && at < d->n ? &d->list[at] : NULL;
}

const struct depot_taken *depots_by_key(const struct depots *d, const uint8_t key[32])
{
    for (size_t i = 0; i < d->n; i++)
        if (memcmp(d->list[i].key, key, 32) == 0) return &d->list[i];
    return NULL;
}

static bool in_list(struct list l, size_t size, const uint8_t seat[32])
{
    for (size_t i = 0; i < l.n; i++)
        if (memcmp(list_at(l, i, size), seat, 32) == 0) return true;
    return false;
}

bool depots_grant(const struct depot_taken *t, const uint8_t room[32],
                  uint8_t sigs[GRANT_SEATS_MAX * ROOM_SIG_ITEM], struct grant *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->version = GRANT_VERSION;
    memcpy(ret->room, room, 32);
    memcpy(ret->pin, t->pin, 32);
    memcpy(ret->ticket, t->ticket, GRANT_TICKET);
    ret->quota = t->quota;
    ret->expiry = t->expiry;
    ret->list_version = t->list_version;
    ret->seats = t->seats;
    ret->sigs = (struct list){sigs, 0};
    for (size_t i = 0; i < t->sigs.n; i++) {
        const uint8_t *item = list_at(t->sigs, i, DEPOTS_SIG_ITEM) + 2;
        if (!in_list(t->seats, 32, item) || in_list(ret->sigs, ROOM_SIG_ITEM, item) ||
            grant_verify(item, ret, item + 32) != ST_OK)
            continue;
        memcpy(sigs + ret->sigs.n++ * ROOM_SIG_ITEM, item, ROOM_SIG_ITEM);
    }
    return 2 * ret->sigs.n > ret->seats.n;
}

/* Room for all signatures there can be, from the start. */
static bool set_terms(struct depot_taken *t, const struct depot_take *r, uint16_t leaf)
{
    uint8_t *seats = malloc(r->seats.n * 32);
    uint8_t *sigs = calloc(GRANT_SEATS_MAX, DEPOTS_SIG_ITEM);
    if (seats == NULL || sigs == NULL) {
        free(seats);
        free(sigs);
        return false;
    }
    free((void *)t->seats.p);
    free((void *)t->sigs.p);
    memcpy(seats, r->seats.p, r->seats.n * 32);
    t->seats = (struct list){seats, r->seats.n};
    t->sigs = (struct list){sigs, 0};
    t->leaf = leaf;
    memcpy(t->key, r->key, 32);
    sign_pin(t->key, t->pin);
    memcpy(t->ticket, r->ticket, GRANT_TICKET);
    t->quota = r->quota;
    t->expiry = r->expiry;
    t->list_version = r->list_version;
    bytes_text(r->address, t->address, sizeof t->address);
    return true;
}

static bool terms_ok(const struct depot_take *r)
{
    if (!grant_seats_ok(r->seats) || r->quota == 0 || r->address.n == 0) return false;
    for (size_t i = 0; i < r->address.n; i++)
        if (r->address.p[i] <= 0x20 || r->address.p[i] >= 0x7f) return false;
    return true;
}

const char *depots_take(struct depots *d, const struct depot_take *r, uint16_t leaf,
                        enum status *st)
{
    struct depot_taken *t = (struct depot_taken *)depots_by_key(d, r->key);
    *st = ST_OK;
    if (!terms_ok(r)) return "no such terms";
    if (t != NULL && r->expiry <= t->expiry) return "later terms were stated before";
    if (t == NULL && d->n >= DEPOTS_MAX) return "there are as many storage nodes as there can be";
    if (t == NULL) {
        t = &d->list[d->n];
        memset(t, 0, sizeof *t);
    }
    if (!set_terms(t, r, leaf)) {
        *st = ST_NO_MEMORY;
        return NULL;
    }
    t->gone = false;
    if (t == &d->list[d->n]) t->number = (uint16_t)(DEPOTS_FIRST + d->n++);
    return NULL;
}

const char *depots_sign(struct depots *d, const struct depot_sign *r, uint16_t leaf)
{
    struct depot_taken *t = (struct depot_taken *)depots_find(d, r->number);
    if (t == NULL || t->expiry != r->expiry) return "these terms are not what stands now";
    size_t at = 0;
    while (at < t->sigs.n && get_u16(list_at(t->sigs, at, DEPOTS_SIG_ITEM)) != leaf) at++;
    if (at >= GRANT_SEATS_MAX) return "there are as many signatures as there can be";
    uint8_t *item = (uint8_t *)t->sigs.p + at * DEPOTS_SIG_ITEM;
    put_u16(item, leaf);
    memcpy(item + 2, r->seat, 32);
    memcpy(item + 34, r->sig, 64);
    if (at == t->sigs.n) t->sigs.n++;
    return NULL;
}

const char *depots_let_go(struct depots *d, const struct depot_let_go *r)
{
    struct depot_taken *t = (struct depot_taken *)depots_find(d, r->number);
    if (t == NULL) return "no such storage node";
    if (t->gone) return "let go of before";
    t->gone = true;
    return NULL;
}

/* ---- the state ---- */

enum status depots_write(const struct depots *d, struct buf *out)
{
    enum status st = ST_OK;
    struct buf take = BUF_INIT;
    buf_u16(out, (uint16_t)d->n);
    for (size_t i = 0; i < d->n; i++) {
        const struct depot_taken *t = &d->list[i];
        struct depot_take r = {.quota = t->quota,
                               .expiry = t->expiry,
                               .list_version = t->list_version,
                               .address = bytes_str(t->address),
                               .seats = t->seats};
        memcpy(r.key, t->key, 32);
        memcpy(r.ticket, t->ticket, GRANT_TICKET);
        buf_clear(&take);
        TRY(fields_encode(&depot_take_fields, &r, &take));
        struct depot_kept k = {
            .take = buf_view(&take), .leaf = t->leaf, .gone = t->gone, .sigs = t->sigs};
        TRY(fields_encode(&depot_kept_fields, &k, out));
    }
    st = buf_status(out);
out:
    buf_free(&take);
    return st;
}

static enum status load_one(struct depots *d, struct cursor *c)
{
    struct depot_kept k;
    struct depot_take r;
    enum status st;
    TRY(fields_read(&depot_kept_fields, c, &k));
    TRY(fields_decode(&depot_take_fields, k.take, &r));
    if (k.gone > 1 || depots_by_key(d, r.key) != NULL) return ST_BAD_MESSAGE;
    if (depots_take(d, &r, k.leaf, &st) != NULL) return ST_BAD_MESSAGE;
    if (st != ST_OK) return st;
    struct depot_taken *t = &d->list[d->n - 1];
    for (size_t i = 0; i < k.sigs.n; i++) {
        struct depot_sign s = {.number = t->number, .expiry = t->expiry};
        const uint8_t *item = list_at(k.sigs, i, DEPOTS_SIG_ITEM);
        memcpy(s.seat, item + 2, 32);
        memcpy(s.sig, item + 34, 64);
        if (depots_sign(d, &s, get_u16(item)) != NULL || t->sigs.n != i + 1) return ST_BAD_MESSAGE;
    }
    t->gone = k.gone == 1;
out:
    return st;
}

enum status depots_load(struct depots *d, struct cursor *c)
{
    enum status st = ST_OK;
    size_t n = cursor_u16(c);
    if (c->bad) return ST_BAD_MESSAGE;
    if (n > DEPOTS_MAX) return ST_TOO_BIG;
    for (size_t i = 0; i < n; i++) TRY(load_one(d, c));
out:
    return st;
}
