/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/room/room_wire.h"

#include "crypto/hash.h"
#include "crypto/sign.h"

#include <string.h>

FIELDS_DEFINE(room_create, ROOM_CREATE_FIELDS);
FIELDS_DEFINE(room_attach, ROOM_ATTACH_FIELDS);
FIELDS_DEFINE(room_attached, ROOM_ATTACHED_FIELDS);
FIELDS_DEFINE(room_add_seat, ROOM_ADD_SEAT_FIELDS);
FIELDS_DEFINE(room_version, ROOM_VERSION_FIELDS);
FIELDS_DEFINE(room_drop_seat, ROOM_DROP_SEAT_FIELDS);
FIELDS_DEFINE(room_drop_voted, ROOM_DROP_VOTED_FIELDS);
FIELDS_DEFINE(room_seat_vote, ROOM_SEAT_VOTE_FIELDS);
FIELDS_DEFINE(room_seats, ROOM_SEATS_FIELDS);
FIELDS_DEFINE(room_seat_list, ROOM_SEAT_LIST_FIELDS);
FIELDS_DEFINE(room_rehome, ROOM_REHOME_FIELDS);
FIELDS_DEFINE(room_record, ROOM_RECORD_FIELDS);
FIELDS_DEFINE(room_plain, ROOM_PLAIN_FIELDS);
FIELDS_DEFINE(room_time, ROOM_TIME_FIELDS);
FIELDS_DEFINE(room_seat_set, ROOM_SEAT_SET_FIELDS);
FIELDS_DEFINE(room_append, ROOM_APPEND_FIELDS);
FIELDS_DEFINE(room_spot, ROOM_SPOT_FIELDS);
FIELDS_DEFINE(room_read, ROOM_READ_FIELDS);
FIELDS_DEFINE(room_reading, ROOM_READING_FIELDS);
FIELDS_DEFINE(room_item, ROOM_ITEM_FIELDS);
FIELDS_DEFINE(room_subscribe, ROOM_SUBSCRIBE_FIELDS);
FIELDS_DEFINE(room_entry, ROOM_ENTRY_FIELDS);
FIELDS_DEFINE(room_lagged, ROOM_LAGGED_FIELDS);
FIELDS_DEFINE(room_seats_changed, ROOM_SEATS_CHANGED_FIELDS);
FIELDS_DEFINE(room_signal, ROOM_SIGNAL_FIELDS);
FIELDS_DEFINE(room_signalled, ROOM_SIGNALLED_FIELDS);
FIELDS_DEFINE(room_presence, ROOM_PRESENCE_FIELDS);
FIELDS_DEFINE(room_door_open, ROOM_DOOR_OPEN_FIELDS);
FIELDS_DEFINE(room_door_close, ROOM_DOOR_CLOSE_FIELDS);
FIELDS_DEFINE(room_door_read, ROOM_DOOR_READ_FIELDS);
FIELDS_DEFINE(room_door, ROOM_DOOR_FIELDS);
FIELDS_DEFINE(room_knock, ROOM_KNOCK_FIELDS);
FIELDS_DEFINE(room_door_knocks, ROOM_DOOR_KNOCKS_FIELDS);
FIELDS_DEFINE(room_knock_list, ROOM_KNOCK_LIST_FIELDS);
FIELDS_DEFINE(room_knocked, ROOM_KNOCKED_FIELDS);
FIELDS_DEFINE(room_door_reply, ROOM_DOOR_REPLY_FIELDS);
FIELDS_DEFINE(room_door_poll, ROOM_DOOR_POLL_FIELDS);
FIELDS_DEFINE(room_replies, ROOM_REPLIES_FIELDS);
FIELDS_DEFINE(room_reply_blob, ROOM_REPLY_BLOB_FIELDS);
FIELDS_DEFINE(room_door_replied, ROOM_DOOR_REPLIED_FIELDS);
FIELDS_DEFINE(room_circuit_open, ROOM_CIRCUIT_OPEN_FIELDS);
FIELDS_DEFINE(room_circuit, ROOM_CIRCUIT_FIELDS);
FIELDS_DEFINE(room_circuit_offer, ROOM_CIRCUIT_OFFER_FIELDS);
FIELDS_DEFINE(room_circuit_data, ROOM_CIRCUIT_DATA_FIELDS);
FIELDS_DEFINE(room_circuit_credit, ROOM_CIRCUIT_CREDIT_FIELDS);
FIELDS_DEFINE(room_circuit_close, ROOM_CIRCUIT_CLOSE_FIELDS);
FIELDS_DEFINE(room_reply, ROOM_REPLY_FIELDS);

enum room_result room_result_of(enum status st)
{
    switch (st) {
#define ROOM_RESULT_CASE(name, number, status) \
    case status: return ROOM_RESULT_##name;
        ROOM_RESULTS(ROOM_RESULT_CASE)
#undef ROOM_RESULT_CASE
    default: return ROOM_RESULT_IO;
    }
}

enum status room_status_of(uint8_t result)
{
    switch (result) {
#define ROOM_STATUS_CASE(name, number, status) \
    case number: return status;
        ROOM_RESULTS(ROOM_STATUS_CASE)
#undef ROOM_STATUS_CASE
    default: return ST_PROTOCOL;
    }
}

void room_head_put(const struct room_head *h, uint8_t to[ROOM_HEAD_ITEM])
{
    put_u64(to, h->count);
    memcpy(to + 8, h->chain, 32);
    put_u64(to + 40, h->first);
}

struct room_head room_head_at(struct list heads, size_t feed)
{
    struct room_head h = {0};
    if (feed >= heads.n) return h;
    const uint8_t *p = list_at(heads, feed, ROOM_HEAD_ITEM);
    h.count = get_u64(p);
    memcpy(h.chain, p + 8, 32);
    h.first = get_u64(p + 40);
    return h;
}

#define PARTS(...)                         \
    ((const struct bytes[]){__VA_ARGS__}), \
        sizeof((const struct bytes[]){__VA_ARGS__}) / sizeof(struct bytes)

void room_sign_create(const uint8_t seed[32], const uint8_t room[32], const uint8_t seat[32],
                      const uint8_t exporter[32], const uint8_t spki[32], uint8_t ret_sig[64])
{
    sign_labelled(seed, "ENCLAVE-SEAT create",
                  PARTS(BYTES(room, 32), BYTES(seat, 32), BYTES(exporter, 32), BYTES(spki, 32)),
                  ret_sig);
}

void room_sign_attach(const uint8_t seed[32], const uint8_t room[32], const uint8_t exporter[32],
                      const uint8_t spki[32], uint8_t ret_sig[64])
{
    sign_labelled(seed, "ENCLAVE-SEAT attach",
                  PARTS(BYTES(room, 32), BYTES(exporter, 32), BYTES(spki, 32)), ret_sig);
}

void room_sign_add(const uint8_t seed[32], const uint8_t room[32], const uint8_t seat[32],
                   const uint8_t proposal[32], uint8_t ret_sig[64])
{
    sign_labelled(seed, "ENCLAVE-SEAT add",
                  PARTS(BYTES(room, 32), BYTES(seat, 32), BYTES(proposal, 32)), ret_sig);
}

void room_sign_drop(const uint8_t seed[32], const uint8_t room[32], const uint8_t seat[32],
                    uint8_t ret_sig[64])
{
    sign_labelled(seed, "ENCLAVE-SEAT drop", PARTS(BYTES(room, 32), BYTES(seat, 32)), ret_sig);
}

void room_list_hash(struct list items, uint8_t ret[32])
{
    sha256(BYTES(items.p, items.n * 32), ret);
}

void room_sign_rehome(const uint8_t seed[32], const uint8_t room[32], uint64_t version,
                      const uint8_t seats_hash[32], const uint8_t spkis_hash[32],
                      uint8_t ret_sig[64])
{
    uint8_t number[8];
    put_u64(number, version);
    sign_labelled(
        seed, "ENCLAVE-SEAT rehome",
        PARTS(BYTES(room, 32), BYTES_OF(number), BYTES(seats_hash, 32), BYTES(spkis_hash, 32)),
        ret_sig);
}

enum status room_verify_create(const uint8_t seat[32], const uint8_t room[32],
                               const uint8_t exporter[32], const uint8_t spki[32],
                               const uint8_t sig[64])
{
    return sign_labelled_verify(
        seat, "ENCLAVE-SEAT create",
        PARTS(BYTES(room, 32), BYTES(seat, 32), BYTES(exporter, 32), BYTES(spki, 32)), sig);
}

enum status room_verify_attach(const uint8_t seat[32], const uint8_t room[32],
                               const uint8_t exporter[32], const uint8_t spki[32],
                               const uint8_t sig[64])
{
    return sign_labelled_verify(seat, "ENCLAVE-SEAT attach",
                                PARTS(BYTES(room, 32), BYTES(exporter, 32), BYTES(spki, 32)), sig);
}

enum status room_verify_add(const uint8_t signer[32], const uint8_t room[32],
                            const uint8_t seat[32], const uint8_t proposal[32],
                            const uint8_t sig[64])
{
    return sign_labelled_verify(signer, "ENCLAVE-SEAT add",
                                PARTS(BYTES(room, 32), BYTES(seat, 32), BYTES(proposal, 32)), sig);
}

enum status room_verify_drop(const uint8_t signer[32], const uint8_t room[32],
                             const uint8_t seat[32], const uint8_t sig[64])
{
    return sign_labelled_verify(signer, "ENCLAVE-SEAT drop",
                                PARTS(BYTES(room, 32), BYTES(seat, 32)), sig);
}

enum status room_verify_rehome(const uint8_t signer[32], const uint8_t room[32], uint64_t version,
                               const uint8_t seats_hash[32], const uint8_t spkis_hash[32],
                               const uint8_t sig[64])
{
    uint8_t number[8];
    put_u64(number, version);
    return sign_labelled_verify(
        signer, "ENCLAVE-SEAT rehome",
        PARTS(BYTES(room, 32), BYTES_OF(number), BYTES(seats_hash, 32), BYTES(spkis_hash, 32)),
        sig);
}
