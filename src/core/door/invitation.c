/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/door/invitation.h"

#include "base/encode.h"
#include "crypto/hash.h"

#include <string.h>
#include <strings.h>

FIELDS_DEFINE(invitation_wire, INVITATION_FIELDS);

static bool address_char_ok(uint8_t c)
{
    return c > 0x20 && c < 0x7f;
}

bool invitation_address_ok(struct bytes a)
{
    size_t colon = a.n;
    if (a.n > INVITATION_ADDRESS_MAX) return false;
    for (size_t i = 0; i < a.n; i++) {
        if (!address_char_ok(a.p[i])) return false;
        if (a.p[i] == ':') colon = i;
    }
    if (colon == 0 || colon >= a.n - 1 || a.n - colon - 1 > 5) return false;
    unsigned port = 0;
    for (size_t i = colon + 1; i < a.n; i++) {
        if (a.p[i] < '0' || a.p[i] > '9') return false;
        port = port * 10 + (unsigned)(a.p[i] - '0');
    }
    return a.p[colon + 1] != '0' && port <= 65535;
}

enum status invitation_encode(const struct invitation *i, struct buf *out, uint8_t ret_hash[32])
{
    struct invitation_wire w = {
        .version = INVITATION_VERSION, .address = bytes_str(i->address), .expiry = i->expiry};
    if (!invitation_address_ok(w.address)) return ST_USAGE;
    memcpy(w.pin, i->pin, 32);
    memcpy(w.room, i->room, 32);
    memcpy(w.door_secret, i->door_secret, 32);
    memcpy(w.enclave_id, i->enclave_id, 32);
    memcpy(w.inviter_hash, i->inviter_hash, 32);
    size_t from = out->n;
    enum status st = fields_encode(&invitation_wire_fields, &w, out);
    bytes_wipe(&w, sizeof w);
    if (st == ST_OK) st = buf_status(out);
    if (st == ST_OK && ret_hash) sha256(BYTES(out->p + from, out->n - from), ret_hash);
    return st;
}

enum status invitation_decode(struct bytes in, struct invitation *ret)
{
    struct invitation_wire w;
    memset(ret, 0, sizeof *ret);
    if (in.n > 0 && in.p[0] != INVITATION_VERSION) return ST_VERSION;
    enum status st = fields_decode(&invitation_wire_fields, in, &w);
    if (st != ST_OK) return st;
    if (!invitation_address_ok(w.address)) {
        bytes_wipe(&w, sizeof w);
        return ST_BAD_MESSAGE;
    }
    memcpy(ret->address, w.address.p, w.address.n);
    memcpy(ret->pin, w.pin, 32);
    memcpy(ret->room, w.room, 32);
    memcpy(ret->door_secret, w.door_secret, 32);
    memcpy(ret->enclave_id, w.enclave_id, 32);
    memcpy(ret->inviter_hash, w.inviter_hash, 32);
    ret->expiry = w.expiry;
    bytes_wipe(&w, sizeof w);
    return ST_OK;
}

enum status invitation_to_text(const struct invitation *i, char ret[INVITATION_TEXT_MAX])
{
    struct buf b;
    buf_init(&b, INVITATION_MAX);
    enum status st = invitation_encode(i, &b, NULL);
    if (st == ST_OK) {
        memcpy(ret, INVITATION_PREFIX, sizeof INVITATION_PREFIX);
        base64_encode(buf_view(&b), ret + sizeof INVITATION_PREFIX - 1);
    } else {
        ret[0] = 0;
    }
    buf_free(&b);
    return st;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

enum status invitation_from_text(const char *text, struct invitation *ret)
{
    uint8_t room[INVITATION_MAX];
    size_t n = 0, prefix = sizeof INVITATION_PREFIX - 1;
    memset(ret, 0, sizeof *ret);
    while (is_space(*text)) text++;
    size_t len = strnlen(text, (size_t)4 * INVITATION_TEXT_MAX);
    while (len > 0 && is_space(text[len - 1])) len--;
    if (len < prefix || strncasecmp(text, INVITATION_PREFIX, prefix) != 0) return ST_BAD_MESSAGE;
    enum status st = base64_decode(text + prefix, len - prefix, room, sizeof room, &n);
    if (st == ST_OK) st = invitation_decode(BYTES(room, n), ret);
    bytes_wipe(room, sizeof room);
    return st;
}

enum status invitation_hash(const struct invitation *i, uint8_t ret_hash[32])
{
    struct buf b;
    buf_init(&b, INVITATION_MAX);
    enum status st = invitation_encode(i, &b, ret_hash);
    buf_free(&b);
    return st;
}

bool invitation_expired(const struct invitation *i, uint64_t now_ms)
{
    return now_ms / 1000 >= i->expiry;
}

void invitation_wipe(struct invitation *i)
{
    bytes_wipe(i, sizeof *i);
}

void door_keys_of(const uint8_t door_secret[32], struct door_keys *ret)
{
    EXPAND_OF(ret->token, door_secret, BYTES_LIT("ENCLAVE door token"));
    EXPAND_OF(ret->record_key, door_secret, BYTES_LIT("ENCLAVE door record"));
    sha256(BYTES_OF(ret->token), ret->token_hash);
}
