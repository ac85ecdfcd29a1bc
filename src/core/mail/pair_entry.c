/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/pair_entry.h"

#include "core/feed/pad.h"
#include "crypto/hash.h"

#include <string.h>

#define LABEL "ENCLAVE-PAIR"
#define EPOCH_AT (HINT_SIZE + KEM_CT)

FIELDS_DEFINE(pair_entry, PAIR_ENTRY_FIELDS);

void pair_first_of(const struct pair_keys *k, const uint8_t ss[KEM_SS], struct pair_first *ret)
{
    hkdf_extract(BYTES(k->enclave_id, 32), BYTES(ss, KEM_SS), ret->x);
    const struct bytes info[] = {BYTES_LIT("ENCLAVE pair hint"), BYTES(k->reader_id, 32)};
    hkdf_expand_parts(ret->x, info, 2, ret->hint, HINT_SIZE);
}

void pair_root(const uint8_t before[32], const uint8_t secret[32], uint8_t ret_root[32])
{
    hkdf_extract(BYTES(before, 32), BYTES(secret, 32), ret_root);
}

void pair_talk_id(const uint8_t root_0[32], const uint8_t began[32], const uint8_t other[32],
                  uint8_t ret[16])
{
    const struct bytes info[] = {BYTES_LIT("ENCLAVE pair talk"), BYTES(began, 32),
                                 BYTES(other, 32)};
    hkdf_expand_parts(root_0, info, 3, ret, 16);
}

void pair_chain_start(const uint8_t root[32], uint32_t turn, const uint8_t author[32],
                      const uint8_t reader[32], uint8_t ret_s0[32])
{
    uint8_t number[4];
    put_u32(number, turn);
    EXPAND_OF(ret_s0, root, BYTES_LIT("ENCLAVE pair chain"), BYTES_OF(number), BYTES(author, 32),
              BYTES(reader, 32));
}

/* The mask hides from who stores the entry that a KEM ciphertext is in it: those can be told from
 * random bytes. Members know the mask, but see a ciphertext in every private entry. */
static void mask_ct(const uint8_t *enclave_id, const uint8_t *hint, const uint8_t *in, uint8_t *out)
{
    uint8_t mask[KEM_CT];
    const struct bytes info[] = {BYTES_LIT("ENCLAVE pair mask"), BYTES(hint, HINT_SIZE)};
    hkdf_expand_parts(enclave_id, info, 2, mask, sizeof mask);
    for (size_t i = 0; i < KEM_CT; i++) out[i] = in[i] ^ mask[i];
}

static uint64_t epoch_mask(const uint8_t mask[32])
{
    uint8_t b[8];
    hkdf_expand(mask, BYTES_LIT("ENCLAVE pair epoch"), b, sizeof b);
    return get_u64(b);
}

static void entry_key(const struct pair_keys *k, const uint8_t ss[KEM_SS], uint8_t ret[32])
{
    uint8_t ikm[KEM_SS + 32], prk[32];
    memcpy(ikm, ss, KEM_SS);
    if (k->mk) memcpy(ikm + KEM_SS, k->mk, 32);
    hkdf_extract(BYTES(k->epoch_secret, 32), BYTES(ikm, KEM_SS + (k->mk ? 32U : 0U)), prk);
    EXPAND_OF(ret, prk, BYTES_LIT("ENCLAVE pair key"), BYTES(k->reader_id, 32));
    bytes_wipe(ikm, sizeof ikm);
    bytes_wipe(prk, sizeof prk);
}

static void ad_of(const struct pair_keys *k, const uint8_t *head, uint8_t ret[32 + PAIR_HEAD])
{
    memcpy(ret, k->room, 32);
    memcpy(ret + 32, head, PAIR_HEAD);
}

static void head_of(const struct pair_keys *k, uint64_t epoch, const uint8_t *hint,
                    const uint8_t *ct, const uint8_t *ss, uint8_t ret[PAIR_HEAD])
{
    struct pair_first first;
    pair_first_of(k, ss, &first);
    memcpy(ret, hint ? hint : first.hint, HINT_SIZE);
    mask_ct(k->enclave_id, ret, ct, ret + HINT_SIZE);
    put_u64(ret + EPOCH_AT, epoch ^ epoch_mask(k->mk ? k->mk : first.x));
    bytes_wipe(&first, sizeof first);
}

enum status pair_entry_seal(const struct pair_keys *k, const struct pair_entry *e,
                            const uint8_t *hint, const uint8_t ct[KEM_CT], const uint8_t ss[KEM_SS],
                            const uint8_t nonce[XAEAD_NONCE], const uint8_t id_seed[SIGN_SEED],
                            struct buf *out)
{
    uint8_t head[PAIR_HEAD], ad[32 + PAIR_HEAD], key[32] = {0};
    struct buf plain;
    buf_init(&plain, ENVELOPE_SEALED_MAX);
    enum status st = ST_TOO_BIG;
    size_t class = e->content.n > PAIR_CONTENT_MAX ? 0 : pad_class(PAIR_OVERHEAD + e->content.n);
    if (class == 0) goto out;
    TRY(fields_encode(&pair_entry_fields, e, &plain));
    buf_zero(&plain, class - PAIR_OVERHEAD - e->content.n);
    uint8_t *sig = buf_space(&plain, SIGN_SIZE);
    TRY(buf_status(&plain));
    head_of(k, e->epoch, hint, ct, ss, head);
    const struct bytes parts[] = {BYTES(k->enclave_id, 32), BYTES(k->reader_id, 32), BYTES_OF(head),
                                  BYTES(plain.p, plain.n - SIGN_SIZE)};
    sign_labelled(id_seed, LABEL, parts, 4, sig);
    ad_of(k, head, ad);
    entry_key(k, ss, key);
    buf_raw(out, head, sizeof head);
    xaead_seal_to(key, nonce, BYTES_OF(ad), buf_view(&plain), out);
    st = buf_status(out);
out:
    bytes_wipe(key, sizeof key);
    buf_free(&plain);
    return st;
}

bool pair_entry_size(struct bytes sealed)
{
    return sealed.n >= PAIR_SEALED_MIN && pad_is_class(sealed.n);
}

void pair_entry_ct(const struct pair_keys *k, struct bytes sealed, uint8_t ret_ct[KEM_CT])
{
    mask_ct(k->enclave_id, sealed.p, sealed.p + HINT_SIZE, ret_ct);
}

uint64_t pair_entry_epoch(struct bytes sealed, const uint8_t mask[32])
{
    return get_u64(sealed.p + EPOCH_AT) ^ epoch_mask(mask);
}

enum status pair_entry_open(const struct pair_keys *k, struct bytes sealed,
                            const uint8_t ss[KEM_SS], struct buf *plain, struct pair_entry *ret)
{
    uint8_t ad[32 + PAIR_HEAD], key[32];
    memset(ret, 0, sizeof *ret);
    ad_of(k, sealed.p, ad);
    entry_key(k, ss, key);
    enum status st =
        envelope_open_body(&pair_entry_fields, key, BYTES_OF(ad), sealed, PAIR_HEAD, plain, ret);
    bytes_wipe(key, sizeof key);
    if (st != ST_OK) bytes_wipe(ret, sizeof *ret);
    return st;
}

enum status pair_entry_verify(const struct pair_keys *k, struct bytes sealed, struct bytes plain,
                              const uint8_t id[SIGN_PUBLIC])
{
    if (plain.n < SIGN_SIZE) return ST_BAD_MESSAGE;
    struct bytes before = BYTES(plain.p, plain.n - SIGN_SIZE);
    const struct bytes parts[] = {BYTES(k->enclave_id, 32), BYTES(k->reader_id, 32),
                                  BYTES(sealed.p, PAIR_HEAD), before};
    return sign_labelled_verify(id, LABEL, parts, 4, plain.p + before.n);
}
