/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * socks: the client's side of SOCKS5 (RFC 1928, user and password of RFC 1929)
 * as a machine of bytes, up to the moment at which the proxy has connected.
 * A name is given to the proxy as a name, never looked up here.
 *
 * Owns: nothing outside itself; it holds credentials: wipe it when done.
 * Errors: socks_init: ST_USAGE (a name or credential of 0 or over 255 bytes, port
 *     0). A failed machine has socks_status and words in `reason`: ST_PROXY (the
 *     proxy itself: no SOCKS5, wants another sign-in, refuses ours, ended),
 *     else what it said about the other side: ST_UNREACHABLE, ST_TIMEOUT,
 *     ST_DENIED.
 * Order: socks_init, then socks_output and socks_sent, socks_space and
 *     socks_filled in turn until the state is SOCKS_OPEN or SOCKS_FAILED.
 *     socks_space never asks for a byte that comes after the proxy's answer: that
 *     one is the other side's.
 */
#ifndef ENCLAVE_NET_SOCKS_H
#define ENCLAVE_NET_SOCKS_H

#include "base/bytes.h"

#define SOCKS_TEXT_MAX 255                     /* of a name, a user, a password */
#define SOCKS_OUT_MAX (3 + SOCKS_TEXT_MAX * 2) /* the longest: user and password */
#define SOCKS_IN_MAX (5 + SOCKS_TEXT_MAX + 2)  /* the longest: an answer with a name */
#define SOCKS_GREETING 4                       /* bytes of the first message */

enum socks_state { SOCKS_METHOD, SOCKS_SIGN_IN, SOCKS_ANSWER, SOCKS_OPEN, SOCKS_FAILED };

struct socks {
    enum socks_state state;
    enum status status; /* of SOCKS_FAILED */
    const char *reason; /* static */
    bool nameless;      /* the proxy took no user: it cannot tell our connections apart */
    char host[SOCKS_TEXT_MAX + 1];
    char user[SOCKS_TEXT_MAX + 1];
    char pass[SOCKS_TEXT_MAX + 1];
    uint16_t port;
    uint8_t out[SOCKS_OUT_MAX];
    size_t out_n, out_at;
    uint8_t in[SOCKS_IN_MAX];
    size_t in_n, in_want;
};

enum status socks_init(struct socks *s, const char *host, uint16_t port, const char *user,
                       const char *pass) MUST_USE;
struct bytes socks_output(const struct socks *s); /* empty: nothing to say now */
void socks_sent(struct socks *s, size_t n);
/* Where the next bytes go; NULL once open or failed. */
uint8_t *socks_space(struct socks *s, size_t *ret_room);
void socks_filled(struct socks *s, size_t n);
void socks_eof(struct socks *s);

#endif
