/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/vault/rows.h"

#include "crypto/hash.h"

#include <string.h>

#define PLACE (KV_SPACE + 8)

void rows_start(struct rows *r, const uint8_t mk[32])
{
    EXPAND_OF(r->seal_key, mk, BYTES_LIT("ENCLAVE rows"));
    EXPAND_OF(r->name_key, mk, BYTES_LIT("ENCLAVE row names"));
}

void rows_wipe(struct rows *r)
{
    bytes_wipe(r, sizeof *r);
}

void rows_space(const struct rows *r, const char *label, struct bytes tag,
                uint8_t ret_space[KV_SPACE])
{
    uint8_t mac[SHA256_SIZE];
    /* The label's terminator goes in: "a" with tag "b" is not "ab" with none. */
    HMAC_OF(mac, BYTES_OF(r->name_key), BYTES(label, strlen(label) + 1), tag);
    memcpy(ret_space, mac, KV_SPACE);
}

static void place_of(const uint8_t space[KV_SPACE], uint64_t n, uint8_t ret[PLACE])
{
    memcpy(ret, space, KV_SPACE);
    put_u64(ret + KV_SPACE, n);
}

void rows_seal(const struct rows *r, const uint8_t space[KV_SPACE], uint64_t n, struct bytes plain,
               const uint8_t nonce[ROWS_NONCE], struct buf *out)
{
    uint8_t ad[PLACE];
    place_of(space, n, ad);
    xaead_seal_to(r->seal_key, nonce, BYTES_OF(ad), plain, out);
}

enum status rows_open(const struct rows *r, const uint8_t space[KV_SPACE], uint64_t n,
                      struct bytes sealed, struct buf *out)
{
    uint8_t ad[PLACE];
    place_of(space, n, ad);
    return xaead_open_to(r->seal_key, BYTES_OF(ad), sealed, out);
}
