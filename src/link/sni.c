/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/sni.h"

#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

/* Open addressing at half load; a power of two. */
#define SLOTS ((size_t)SNI_REPLAY_MAX * 2)

uint64_t sni_window(uint64_t unix_s)
{
    return unix_s / SNI_WINDOW_S;
}

static void mac_of(const uint8_t door_key[32], uint16_t leaf, uint64_t window,
                   const uint8_t nonce[SNI_NONCE], uint8_t ret[SNI_MAC])
{
    uint8_t in[10], full[32];
    put_u16(in, leaf);
    put_u64(in + 2, window);
    HMAC_OF(full, BYTES(door_key, 32), BYTES_OF(in), BYTES(nonce, SNI_NONCE));
    memcpy(ret, full, SNI_MAC);
    bytes_wipe(full, sizeof full);
}

void sni_build(const uint8_t door_key[32], uint16_t leaf, uint64_t window,
               const uint8_t nonce[SNI_NONCE], char ret[SNI_TEXT + 1])
{
    uint8_t token[SNI_TOKEN];
    memcpy(token, nonce, SNI_NONCE);
    mac_of(door_key, leaf, window, nonce, token + SNI_NONCE);
    base32_encode(BYTES_OF(token), ret);
}

enum status sni_check(struct bytes text, const uint8_t (*doors)[32], size_t n, uint16_t leaf,
                      uint64_t window, struct sni_hit *ret)
{
    struct sni_hit hit = {0};
    size_t got = 0;
    if (text.n != SNI_TEXT ||
        base32_decode((const char *)text.p, text.n, hit.token, sizeof hit.token, &got) != ST_OK ||
        got != SNI_TOKEN)
        return ST_BAD_MESSAGE;
    /* base32_decode takes capitals too: a name has one form. */
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'Z') return ST_BAD_MESSAGE;
    if (n > SNI_DOORS_MAX) n = SNI_DOORS_MAX;
    for (size_t i = 0; i < n; i++)
        for (int off = -1; off <= 1; off++) {
            uint64_t w = window + (uint64_t)(int64_t)off; /* window 0 wraps: matches nothing real */
            uint8_t mac[SNI_MAC];
            mac_of(doors[i], leaf, w, hit.token, mac);
            if (!secret_same(mac, hit.token + SNI_NONCE, SNI_MAC)) continue;
            hit.window = w;
            hit.door = i;
            *ret = hit;
            return ST_OK;
        }
    return ST_DENIED;
}

void sni_replay_init(struct sni_replay *r)
{
    *r = (struct sni_replay){0};
}

void sni_replay_free(struct sni_replay *r)
{
    for (size_t i = 0; i < 3; i++) free(r->sets[i].slots);
    *r = (struct sni_replay){0};
}

/* The set of a window: a name of window w is taken while now is w-1, w or w+1, so three are enough
 * and the one of w-3 can go when w is first seen. */
static struct sni_set *set_of(struct sni_replay *r, uint64_t window)
{
    struct sni_set *set = &r->sets[window % 3];
    if (set->slots && set->window == window) return set;
    if (!set->slots) {
        set->slots = calloc(SLOTS, SNI_TOKEN);
        if (!set->slots) return NULL;
    } else {
        memset(set->slots, 0, SLOTS * SNI_TOKEN);
    }
    set->n = set->n_old = 0;
    set->window = window;
    return set;
}

enum status sni_replay_use(struct sni_replay *r, const struct sni_hit *hit, uint64_t now)
{
    /* A clock that went back must not wipe a set whose names would then pass again. */
    if (hit->window + 1 < now || hit->window > now + 1) return ST_DENIED;
    const struct sni_set *old = &r->sets[hit->window % 3];
    if (old->slots && old->window > hit->window) return ST_REPLAY;
    struct sni_set *set = set_of(r, hit->window);
    if (!set) return ST_NO_MEMORY;
    /* The MAC is spread evenly; an all-zero token cannot be told from an empty slot and is as
     * likely as guessing a MAC. */
    size_t at = get_u32(hit->token + SNI_NONCE) % SLOTS;
    while (!bytes_zero(BYTES(set->slots[at], SNI_TOKEN))) {
        if (bytes_same(BYTES(set->slots[at], SNI_TOKEN), BYTES_OF(hit->token))) return ST_REPLAY;
        at = (at + 1) % SLOTS;
    }
    if (set->n == SNI_REPLAY_MAX) return ST_BUSY;
    if (hit->door > 0 && set->n_old++ >= SNI_REPLAY_OLD) return ST_BUSY;
    memcpy(set->slots[at], hit->token, SNI_TOKEN);
    set->n++;
    return ST_OK;
}
