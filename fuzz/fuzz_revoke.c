/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/door */
/* What lies at a standing door, and the recovery kit. The first byte says which, and how the rest is
 * used: as the whole, or inside a seal that holds, as whoever has the keys may make it. */
#include "core/door/revoke.h"
#include "crypto/hash.h"
#include "fuzz.h"

#include <string.h>

static const uint8_t recovery[32] = {1}, room[32] = {2}, log_key[32] = {3};

static void kit(struct bytes in, bool inside)
{
    static const uint8_t nonce[XAEAD_NONCE] = {4};
    struct buf sealed = BUF_INIT, items = BUF_INIT;
    struct revoke_item item;
    if (inside)
        revoke_kit_seal(recovery, nonce, in, &sealed);
    else
        buf_bytes(&sealed, in);
    enum status st = revoke_kit_open(recovery, buf_view(&sealed), &items);
    FUZZ_CHECK(!inside || (st == ST_OK && bytes_same(buf_view(&items), in)));
    struct cursor c = cursor_of(buf_view(&items));
    while (st == ST_OK && c.left > 0) st = fields_read(&revoke_item_fields, &c, &item);
    buf_free(&sealed);
    buf_free(&items);
}

static void door(struct bytes in)
{
    uint8_t key[32], seed[KEM_SEED], pk[KEM_PUBLIC], seat[32], out[32];
    struct revoke_door d;
    revoke_key(recovery, room, key);
    revoke_door_of(key, &d);
    revoke_door_seed(log_key, d.door, seed);
    FUZZ_CHECK(revoke_record_open(&d, in, pk) != ST_OK);
    FUZZ_CHECK(revoke_blob_open(seed, in, seat, out) != ST_OK);
}

/* One changed byte of a good blob: not opened. */
static void changed(struct bytes in)
{
    static uint8_t blob[REVOKE_BLOB];
    static const uint8_t coins[KEM_COINS] = {5}, seat[32] = {6}, key[32] = {7};
    uint8_t seed[KEM_SEED], pk[KEM_PUBLIC], got_seat[32], got_key[32];
    struct revoke_door d;
    revoke_door_of(key, &d);
    revoke_door_seed(log_key, d.door, seed);
    kem_public(seed, pk);
    FUZZ_CHECK(revoke_blob_seal(pk, seat, key, coins, blob) == ST_OK);
    size_t at = in.n < 2 ? 0 : get_u16(in.p) % sizeof blob;
    uint8_t mask = in.n < 3 ? 0 : in.p[2];
    blob[at] ^= mask;
    enum status st = revoke_blob_open(seed, BYTES_OF(blob), got_seat, got_key);
    FUZZ_CHECK((st == ST_OK) == (mask == 0));
    FUZZ_CHECK(st != ST_OK || (memcmp(got_seat, seat, 32) == 0 && memcmp(got_key, key, 32) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct bytes in = BYTES(data + 1, size - 1);
    switch (data[0] % 4U) {
    case 0: kit(in, false); break;
    case 1: kit(in, true); break;
    case 2: door(in); break;
    default: changed(in); break;
    }
    return 0;
}
