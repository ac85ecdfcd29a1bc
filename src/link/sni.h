/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sni: the name a member gives when it dials another one: base32(nonce 8 |
 * HMAC-SHA256(door key, leaf of the receiver u16 | window u64 | nonce)[0..16]).
 * Only who knows a door key of the enclave can make or recognise it (design.md
 * 3, protocol.md 13). Windows are 10 minutes; the one before and the one after
 * are taken too; a name works once.
 *
 * Owns: a replay cache owns its tables until sni_replay_free.
 * Errors: sni_check: ST_BAD_MESSAGE (no name of ours), ST_DENIED (made with no
 *     key of the list, or outside the windows). sni_replay_use: ST_REPLAY, ST_BUSY
 *     (SNI_REPLAY_MAX names in that window: only holders of a door key can do
 *     that; who left holds old ones only and can use up SNI_REPLAY_OLD),
 *     ST_NO_MEMORY.
 * Order: sni_check, then sni_replay_use with what it gave.
 */
#ifndef ENCLAVE_LINK_SNI_H
#define ENCLAVE_LINK_SNI_H

#include "base/bytes.h"

#define SNI_TEXT 39
#define SNI_NONCE 8
#define SNI_MAC 16
#define SNI_TOKEN 24
#define SNI_WINDOW_S 600
#define SNI_DOORS_MAX 32    /* door keys of the last 14 days */
#define SNI_REPLAY_MAX 4096 /* names kept per window */
#define SNI_REPLAY_OLD 1024 /* of these, made with keys that are not the newest */

struct sni_hit {
    uint8_t token[SNI_TOKEN];
    uint64_t window;
    size_t door; /* place in the list of keys */
};

struct sni_set {
    uint8_t (*slots)[SNI_TOKEN];
    size_t n;
    size_t n_old;
    uint64_t window;
};

struct sni_replay {
    struct sni_set sets[3];
};

uint64_t sni_window(uint64_t unix_s);
void sni_build(const uint8_t door_key[32], uint16_t leaf, uint64_t window,
               const uint8_t nonce[SNI_NONCE], char ret[SNI_TEXT + 1]);
/* doors: n keys (at most SNI_DOORS_MAX are tried), newest first; leaf: our own. */
enum status sni_check(struct bytes text, const uint8_t (*doors)[32], size_t n, uint16_t leaf,
                      uint64_t window, struct sni_hit *ret) MUST_USE;

void sni_replay_init(struct sni_replay *r);
void sni_replay_free(struct sni_replay *r);
enum status sni_replay_use(struct sni_replay *r, const struct sni_hit *hit, uint64_t now) MUST_USE;

#endif
