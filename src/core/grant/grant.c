/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/grant/grant.h"

#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/sign.h"

#include <string.h>
#include <strings.h>

FIELDS_DEFINE(offer_wire, OFFER_FIELDS);
FIELDS_DEFINE(grant, GRANT_FIELDS);

#define GRANT_LABEL "ENCLAVE-SEAT grant"
#define BYE_LABEL "ENCLAVE-SEAT bye"
#define TICKET_BODY 32

/* ---- offers ---- */

uint64_t grant_ticket_quota(const uint8_t ticket[GRANT_TICKET])
{
    return get_u64(ticket);
}

uint64_t grant_ticket_expiry(const uint8_t ticket[GRANT_TICKET])
{
    return get_u64(ticket + 8);
}

static void ticket_mac(const uint8_t key[32], const uint8_t *body, uint8_t ret[32])
{
    HMAC_OF(ret, BYTES(key, 32), BYTES_LIT("ENCLAVE ticket"), BYTES(body, TICKET_BODY));
}

void grant_ticket_make(const uint8_t key[32], uint64_t quota, uint64_t expiry,
                       const uint8_t nonce[16], uint8_t ret[GRANT_TICKET])
{
    uint8_t mac[32];
    put_u64(ret, quota);
    put_u64(ret + 8, expiry);
    memcpy(ret + 16, nonce, 16);
    ticket_mac(key, ret, mac);
    memcpy(ret + TICKET_BODY, mac, 16);
}

enum status grant_ticket_check(const uint8_t key[32], const uint8_t ticket[GRANT_TICKET])
{
    uint8_t mac[32];
    uint8_t differ = 0;
    ticket_mac(key, ticket, mac);
    for (size_t i = 0; i < 16; i++) differ |= mac[i] ^ ticket[TICKET_BODY + i];
    bytes_wipe(mac, sizeof mac);
    return differ == 0 ? ST_OK : ST_DENIED;
}

/* host:port as it can be dialled; one line, no blanks. */
static bool address_ok(struct bytes a)
{
    size_t colon = 0;
    unsigned port = 0;
    for (size_t i = 0; i < a.n; i++) {
        if (a.p[i] <= 0x20 || a.p[i] >= 0x7f) return false;
        if (a.p[i] == ':') colon = i;
    }
    if (colon == 0 || a.n - colon < 2 || a.n - colon > 6) return false;
    for (size_t i = colon + 1; i < a.n; i++) {
        if (a.p[i] < '0' || a.p[i] > '9') return false;
        port = port * 10 + (unsigned)(a.p[i] - '0');
    }
    return port > 0 && port <= 65535;
}

enum status offer_to_text(const struct offer *o, char ret[GRANT_TEXT_MAX])
{
    struct offer_wire w = {.version = GRANT_VERSION, .address = bytes_str(o->address)};
    struct buf b;
    buf_init(&b, GRANT_OFFER_MAX);
    memcpy(w.key, o->key, 32);
    memcpy(w.ticket, o->ticket, GRANT_TICKET);
    enum status st = address_ok(w.address) ? fields_encode(&offer_wire_fields, &w, &b) : ST_USAGE;
    ret[0] = '\0';
    if (st == ST_OK) {
        memcpy(ret, GRANT_PREFIX, sizeof GRANT_PREFIX);
        base64_encode(buf_view(&b), ret + sizeof GRANT_PREFIX - 1);
    }
    buf_free(&b);
    return st;
}

enum status offer_from_text(const char *text, struct offer *ret)
{
    uint8_t room[GRANT_OFFER_MAX];
    struct offer_wire w;
    size_t n = 0, prefix = sizeof GRANT_PREFIX - 1;
    enum status st;
    memset(ret, 0, sizeof *ret);
    while (*text == ' ' || *text == '\n' || *text == '\t') text++;
    size_t len = strnlen(text, (size_t)4 * GRANT_TEXT_MAX);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (len < prefix || strncasecmp(text, GRANT_PREFIX, prefix) != 0) return ST_BAD_MESSAGE;
    TRY(base64_decode(text + prefix, len - prefix, room, sizeof room, &n));
    if (n > 0 && room[0] != GRANT_VERSION) return ST_VERSION;
    TRY(fields_decode(&offer_wire_fields, BYTES(room, n), &w));
    if (!address_ok(w.address)) return ST_BAD_MESSAGE;
    memcpy(ret->key, w.key, 32);
    memcpy(ret->ticket, w.ticket, GRANT_TICKET);
    memcpy(ret->address, w.address.p, w.address.n);
out:
    return st;
}

/* ---- grants ---- */

bool grant_seats_ok(struct list seats)
{
    if (seats.n == 0 || seats.n > GRANT_SEATS_MAX) return false;
    for (size_t i = 1; i < seats.n; i++)
        if (memcmp(list_at(seats, i - 1, 32), list_at(seats, i, 32), 32) >= 0) return false;
    return true;
}

struct signed_grant {
    uint8_t numbers[24];
    uint8_t list[32];
    struct bytes parts[4];
};

static void signed_parts(const struct grant *g, struct signed_grant *ret)
{
    put_u64(ret->numbers, g->quota);
    put_u64(ret->numbers + 8, g->expiry);
    put_u64(ret->numbers + 16, g->list_version);
    sha256(BYTES(g->seats.p, g->seats.n * 32), ret->list);
    ret->parts[0] = BYTES(g->room, 32);
    ret->parts[1] = BYTES(g->pin, 32);
    ret->parts[2] = BYTES_OF(ret->numbers);
    ret->parts[3] = BYTES_OF(ret->list);
}

void grant_sign(const uint8_t seat_seed[32], const struct grant *g, uint8_t ret_sig[64])
{
    struct signed_grant s;
    signed_parts(g, &s);
    sign_labelled(seat_seed, GRANT_LABEL, s.parts, 4, ret_sig);
}

enum status grant_verify(const uint8_t seat[32], const struct grant *g, const uint8_t sig[64])
{
    struct signed_grant s;
    signed_parts(g, &s);
    return sign_labelled_verify(seat, GRANT_LABEL, s.parts, 4, sig);
}

/* Signatures of seats of the list but `except`, each counted once; strangers' do not count. */
typedef enum status check_sig(const void *what, const uint8_t signer[32], const uint8_t sig[64]);

static enum status count_sigs(struct list sigs, const uint8_t (*seats)[32], size_t n,
                              const uint8_t *except, check_sig *check, const void *what,
                              size_t *ret_yes)
{
    bool counted[GRANT_SEATS_MAX] = {false};
    *ret_yes = 0;
    for (size_t i = 0; i < sigs.n; i++) {
        const uint8_t *item = list_at(sigs, i, ROOM_SIG_ITEM);
        size_t at = 0;
        while (at < n && memcmp(seats[at], item, 32) != 0) at++;
        if (at == n || counted[at] || (except != NULL && memcmp(item, except, 32) == 0)) continue;
        enum status st = check(what, item, item + 32);
        if (st != ST_OK) return st;
        counted[at] = true;
        (*ret_yes)++;
    }
    return ST_OK;
}

static enum status check_grant(const void *what, const uint8_t signer[32], const uint8_t sig[64])
{
    return grant_verify(signer, what, sig);
}

enum status grant_majority(const struct grant *g, const uint8_t (*seats)[32], size_t n)
{
    size_t yes;
    if (n == 0 || n > GRANT_SEATS_MAX) return ST_DENIED;
    enum status st = count_sigs(g->sigs, seats, n, NULL, check_grant, g, &yes);
    if (st != ST_OK) return st;
    return 2 * yes > n ? ST_OK : ST_DENIED;
}

void grant_bye_sign(const uint8_t seat_seed[32], const uint8_t room[32], uint64_t list_version,
                    uint8_t ret_sig[64])
{
    uint8_t number[8];
    put_u64(number, list_version);
    const struct bytes parts[] = {BYTES(room, 32), BYTES_OF(number)};
    sign_labelled(seat_seed, BYE_LABEL, parts, 2, ret_sig);
}

enum status grant_bye_verify(const uint8_t seat[32], const uint8_t room[32], uint64_t list_version,
                             const uint8_t sig[64])
{
    uint8_t number[8];
    put_u64(number, list_version);
    const struct bytes parts[] = {BYTES(room, 32), BYTES_OF(number)};
    return sign_labelled_verify(seat, BYE_LABEL, parts, 2, sig);
}

/* ---- the seat list ---- */

void grant_seats_free(struct grant_seats *s)
{
    buf_free(&s->used);
    memset(s, 0, sizeof *s);
}

static size_t seat_at(const struct grant_seats *s, const uint8_t seat[32])
{
    size_t i = 0;
    while (i < s->n && memcmp(s->ids[i], seat, 32) < 0) i++;
    return i;
}

bool grant_seats_has(const struct grant_seats *s, const uint8_t seat[32])
{
    size_t at = seat_at(s, seat);
    return at < s->n && memcmp(s->ids[at], seat, 32) == 0;
}

static bool was_used(const struct grant_seats *s, const uint8_t seat[32])
{
    for (size_t i = 0; i + 32 <= s->used.n; i += 32)
        if (memcmp(s->used.p + i, seat, 32) == 0) return true;
    return false;
}

static enum status use_up(struct grant_seats *s, const uint8_t seat[32])
{
    if (s->used.n / 32 >= GRANT_USED_MAX) return ST_QUOTA;
    buf_raw(&s->used, seat, 32);
    return buf_status(&s->used);
}

enum status grant_seats_set(struct grant_seats *s, uint64_t version, struct list seats)
{
    enum status st = ST_OK;
    if (!grant_seats_ok(seats)) return ST_BAD_MESSAGE;
    for (size_t i = 0; i < seats.n; i++)
        if (was_used(s, list_at(seats, i, 32))) return ST_REPLAY;
    for (size_t i = 0; i < s->n; i++) {
        bool stays = false;
        for (size_t j = 0; j < seats.n && !stays; j++)
            stays = memcmp(s->ids[i], list_at(seats, j, 32), 32) == 0;
        if (!stays) TRY(use_up(s, s->ids[i]));
    }
    memcpy(s->ids, seats.p, seats.n * 32);
    s->n = seats.n;
    s->version = version;
out:
    return st;
}

struct change {
    const uint8_t *room;
    const struct room_record *record;
};

static enum status check_add(const void *what, const uint8_t signer[32], const uint8_t sig[64])
{
    const struct change *c = what;
    return room_verify_add(signer, c->room, c->record->seat, c->record->proof.p, sig);
}

static enum status check_drop(const void *what, const uint8_t signer[32], const uint8_t sig[64])
{
    const struct change *c = what;
    return room_verify_drop(signer, c->room, c->record->seat, sig);
}

static enum status follow_add(struct grant_seats *s, const struct change *c)
{
    size_t yes;
    const uint8_t *seat = c->record->seat;
    if (c->record->proof.n != 32) return ST_BAD_MESSAGE;
    if (grant_seats_has(s, seat) || was_used(s, seat)) return ST_REPLAY;
    if (s->n >= GRANT_SEATS_MAX) return ST_QUOTA;
    enum status st =
        count_sigs(c->record->sigs, (const uint8_t(*)[32])s->ids, s->n, NULL, check_add, c, &yes);
    if (st != ST_OK) return st;
    if (2 * yes <= s->n) return ST_DENIED;
    size_t at = seat_at(s, seat);
    memmove(s->ids[at + 1], s->ids[at], (s->n - at) * 32);
    memcpy(s->ids[at], seat, 32);
    s->n++;
    return ST_OK;
}

/* By its own signature, or by those of most of the others. The last seat goes by "bye" only: what it
 * leaves behind is then given up on purpose. */
static enum status follow_drop(struct grant_seats *s, const struct change *c)
{
    size_t yes;
    const uint8_t *seat = c->record->seat;
    if (!grant_seats_has(s, seat)) return ST_REPLAY;
    if (s->n == 1) return ST_DENIED;
    bool own = c->record->sigs.n == 1 && memcmp(c->record->sigs.p, seat, 32) == 0;
    enum status st;
    if (own) {
        st = check_drop(c, seat, c->record->sigs.p + 32);
    } else {
        st = count_sigs(c->record->sigs, (const uint8_t(*)[32])s->ids, s->n, seat, check_drop, c,
                        &yes);
        if (st == ST_OK && 2 * yes <= s->n - 1) st = ST_DENIED;
    }
    if (st == ST_OK) st = use_up(s, seat);
    if (st != ST_OK) return st;
    size_t at = seat_at(s, seat);
    s->n--;
    memmove(s->ids[at], s->ids[at + 1], (s->n - at) * 32);
    return ST_OK;
}

enum status grant_follow(struct grant_seats *s, const uint8_t room[32],
                         const struct room_record *record)
{
    struct change c = {room, record};
    enum status st;
    if (record->version <= s->version) return ST_OK;
    if (record->version != s->version + 1) return ST_CONFLICT;
    switch (record->kind) {
    case ROOM_RECORD_ADD: st = follow_add(s, &c); break;
    case ROOM_RECORD_DROP: st = follow_drop(s, &c); break;
    default: return ST_VERSION;
    }
    if (st == ST_OK) s->version = record->version;
    return st;
}
