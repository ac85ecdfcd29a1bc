/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The standing door of this machine, and what others leave at theirs (core/door/revoke). */
#include "node/enclave/enclave.h"

#include "core/door/revoke.h"
#include "crypto/hash.h"

#include <string.h>

#define DOOR_MS (UINT64_C(360) * 24 * 3600 * 1000)

static enum status door_seed(const struct enclave *e, const uint8_t door[32], uint8_t ret[KEM_SEED])
{
    uint8_t log_key[32];
    enum status st = group_key(e->group, GROUP_KEY_LOG, 0, log_key);
    if (st == ST_OK) revoke_door_seed(log_key, door, ret);
    bytes_wipe(log_key, sizeof log_key);
    return st;
}

static void on_opened(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    (void)body;
    if (st == ST_OK || st == ST_EXISTS || st == ST_CLOSED || e->removed) return;
    env_log(e->node->ports.env, ENV_WARN, "revoke", "the standing door was not opened: %s",
            status_text(st));
}

void enclave_standing_door(struct enclave *e)
{
    uint8_t key[32], seed[KEM_SEED], nonce[XAEAD_NONCE], record[REVOKE_RECORD];
    struct revoke_door d;
    if (e->standing_door || e->phase != ENCLAVE_MEMBER || !e->subscribed) return;
    revoke_key(e->node->recovery, e->room, key);
    revoke_door_of(key, &d);
    if (door_seed(e, d.door, seed) == ST_OK) {
        env_random(e->node->ports.env, nonce, sizeof nonce);
        revoke_record_seal(&d, seed, nonce, record);
        struct room_door_open msg = {.expires_ms = enclave_unix_ms(e) + DOOR_MS,
                                     .record = BYTES_OF(record)};
        memcpy(msg.door, d.door, 32);
        e->standing_door = uplink_request(&e->up, ROOM_DOOR_OPEN, &room_door_open_fields, &msg,
                                          on_opened, e) == ST_OK;
    }
    bytes_wipe(key, sizeof key);
    bytes_wipe(seed, sizeof seed);
    bytes_wipe(&d, sizeof d);
}

static const struct ledger_leaf *leaf_of_key(const struct enclave *e, const uint8_t seat[32],
                                             const uint8_t key[32])
{
    uint8_t hash[32];
    const struct ledger_leaf *leaf = ledger_by_seat(group_ledger(e->group), seat);
    sha256(BYTES(key, 32), hash);
    if (leaf == NULL || !leaf->member_now || memcmp(leaf->revoke_hash, hash, 32) != 0) return NULL;
    return leaf;
}

void enclave_revoke_knock(struct enclave *e, const uint8_t door[32], struct bytes blob)
{
    uint8_t seed[KEM_SEED], seat[32];
    struct intent intent = {.kind = INTENT_REVOKE};
    if (e->phase != ENCLAVE_MEMBER || door_seed(e, door, seed) != ST_OK) return;
    const struct ledger_leaf *leaf = NULL;
    if (revoke_blob_open(seed, blob, seat, intent.key) == ST_OK)
        leaf = leaf_of_key(e, seat, intent.key);
    for (size_t i = 0; i < e->n_intents && leaf != NULL; i++)
        if (e->intents[i].kind == INTENT_REVOKE && e->intents[i].number == leaf->leaf) leaf = NULL;
    if (leaf != NULL) {
        intent.number = leaf->leaf;
        if (enclave_intend(e, &intent) != ST_OK)
            env_log(e->node->ports.env, ENV_WARN, "revoke", "too much waits for the ledger");
    }
    bytes_wipe(seed, sizeof seed);
    bytes_wipe(&intent, sizeof intent);
}

/* ---- the kit ---- */

static void put_sentinel(struct buf *out, const char *address, const uint8_t pin[32])
{
    buf_u8(out, (uint8_t)strlen(address));
    buf_str(out, address);
    buf_raw(out, pin, 32);
}

enum status enclave_kit_item(const struct enclave *e, struct buf *out)
{
    const struct ledger_sentinel *list;
    size_t n = ledger_sentinels(group_ledger(e->group), &list);
    struct revoke_item item = {.name = bytes_str(e->name), .proxied = enclave_routed(e)};
    struct buf sentinels = BUF_INIT;
    uint8_t used = 1;
    buf_u8(&sentinels, 0);
    put_sentinel(&sentinels, e->address, e->pin);
    for (size_t i = 0; i < n && used < REVOKE_SENTINELS_MAX; i++) {
        if (memcmp(list[i].pin, e->pin, 32) == 0 && strcmp(list[i].address, e->address) == 0)
            continue;
        put_sentinel(&sentinels, list[i].address, list[i].pin);
        used++;
    }
    enum status st = buf_status(&sentinels);
    if (st == ST_OK) {
        sentinels.p[0] = used;
        item.sentinels = buf_view(&sentinels);
        memcpy(item.room, e->room, 32);
        memcpy(item.seat, e->seat, 32);
        st = fields_encode(&revoke_item_fields, &item, out);
    }
    buf_free(&sentinels);
    return st;
}
