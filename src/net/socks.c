/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/socks.h"

#include <arpa/inet.h>
#include <string.h>

#define VERSION 5
#define SIGN_IN_VERSION 1
#define METHOD_NONE 0x00
#define METHOD_PASSWORD 0x02
#define METHOD_NO_ACCEPTABLE 0xFF
#define CONNECT 1
#define ADDRESS_IPV4 1
#define ADDRESS_NAME 3
#define ADDRESS_IPV6 4

static void fail(struct socks *s, enum status st, const char *reason)
{
    s->state = SOCKS_FAILED;
    s->status = st;
    s->reason = reason;
    s->out_n = s->out_at = 0;
}

/* The next message begins, and so many bytes are its first part. */
static void expect(struct socks *s, enum socks_state state, size_t want)
{
    s->state = state;
    s->in_n = 0;
    s->in_want = want;
}

static bool text_ok(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= SOCKS_TEXT_MAX;
}

enum status socks_init(struct socks *s, const char *host, uint16_t port, const char *user,
                       const char *pass)
{
    if (!text_ok(host) || !text_ok(user) || !text_ok(pass) || port == 0) return ST_USAGE;
    *s = (struct socks){.port = port, .status = ST_OK, .reason = ""};
    memcpy(s->host, host, strlen(host) + 1);
    memcpy(s->user, user, strlen(user) + 1);
    memcpy(s->pass, pass, strlen(pass) + 1);
    /* User and password come first: tor keeps apart what has different ones. */
    static const uint8_t greeting[SOCKS_GREETING] = {VERSION, 2, METHOD_PASSWORD, METHOD_NONE};
    memcpy(s->out, greeting, sizeof greeting);
    s->out_n = sizeof greeting;
    expect(s, SOCKS_METHOD, 2);
    return ST_OK;
}

struct bytes socks_output(const struct socks *s)
{
    return BYTES(s->out + s->out_at, s->out_n - s->out_at);
}

void socks_sent(struct socks *s, size_t n)
{
    s->out_at += n < s->out_n - s->out_at ? n : s->out_n - s->out_at;
}

uint8_t *socks_space(struct socks *s, size_t *ret_room)
{
    bool over = s->state == SOCKS_OPEN || s->state == SOCKS_FAILED;
    *ret_room = over ? 0 : s->in_want - s->in_n;
    return over ? NULL : s->in + s->in_n;
}

/* ---- what we say ---- */

static void put_text(struct socks *s, const char *text)
{
    size_t n = strlen(text);
    s->out[s->out_n++] = (uint8_t)n;
    memcpy(s->out + s->out_n, text, n);
    s->out_n += n;
}

static void say_sign_in(struct socks *s)
{
    s->out_n = s->out_at = 0;
    s->out[s->out_n++] = SIGN_IN_VERSION;
    put_text(s, s->user);
    put_text(s, s->pass);
    expect(s, SOCKS_SIGN_IN, 2);
}

static void say_connect(struct socks *s)
{
    static const uint8_t head[3] = {VERSION, CONNECT, 0};
    uint8_t address[16];
    memcpy(s->out, head, sizeof head);
    s->out_n = sizeof head;
    s->out_at = 0;
    if (inet_pton(AF_INET, s->host, address) == 1) {
        s->out[s->out_n++] = ADDRESS_IPV4;
        memcpy(s->out + s->out_n, address, 4);
        s->out_n += 4;
    } else if (inet_pton(AF_INET6, s->host, address) == 1) {
        s->out[s->out_n++] = ADDRESS_IPV6;
        memcpy(s->out + s->out_n, address, 16);
        s->out_n += 16;
    } else {
        s->out[s->out_n++] = ADDRESS_NAME;
        put_text(s, s->host);
    }
    put_u16(s->out + s->out_n, s->port);
    s->out_n += 2;
    expect(s, SOCKS_ANSWER, 2);
}

/* ---- what it says ---- */

static void got_method(struct socks *s)
{
    if (s->in[0] != VERSION) {
        fail(s, ST_PROXY, "what answers there is no SOCKS5 proxy");
    } else if (s->in[1] == METHOD_PASSWORD) {
        say_sign_in(s);
    } else if (s->in[1] == METHOD_NONE) {
        s->nameless = true;
        say_connect(s);
    } else {
        fail(s, ST_PROXY,
             s->in[1] == METHOD_NO_ACCEPTABLE
                 ? "the proxy takes no user and password, and not without either"
                 : "the proxy chose a sign-in that it was not offered");
    }
}

static void got_sign_in(struct socks *s)
{
    if (s->in[0] != SIGN_IN_VERSION)
        fail(s, ST_PROXY, "the proxy's answer to user and password is none");
    else if (s->in[1] != 0)
        fail(s, ST_PROXY, "the proxy does not take a user that it does not know");
    else
        say_connect(s);
}

/* RFC 1928, 6; from 0xF0 on tor's words about onion services (proposal 304). */
static void refused(struct socks *s, uint8_t code)
{
    switch (code) {
    case 1: fail(s, ST_UNREACHABLE, "the proxy says: general failure"); break;
    case 2: fail(s, ST_DENIED, "the proxy says: not allowed by its rules"); break;
    case 3: fail(s, ST_UNREACHABLE, "the proxy says: network unreachable"); break;
    case 4: fail(s, ST_UNREACHABLE, "the proxy says: host unreachable"); break;
    case 5: fail(s, ST_UNREACHABLE, "the proxy says: connection refused"); break;
    case 6: fail(s, ST_TIMEOUT, "the proxy says: no answer in time"); break;
    case 7: fail(s, ST_PROXY, "the proxy says: it does not connect"); break;
    case 8: fail(s, ST_PROXY, "the proxy says: it does not know this kind of address"); break;
    default:
        if (code >= 0xF0)
            fail(s, ST_UNREACHABLE, "the proxy says: the onion service does not answer");
        else
            fail(s, ST_PROXY, "the proxy gives a reason that is none");
    }
}

/* Version and code; then the kind of address and its first byte; then what is left of it. The address
 * itself is of no use to us. */
static void got_answer(struct socks *s)
{
    if (s->in[0] != VERSION) {
        fail(s, ST_PROXY, "the proxy's answer is none");
    } else if (s->in[1] != 0) {
        refused(s, s->in[1]);
    } else if (s->in_n == 2) {
        s->in_want = 5;
    } else if (s->in_n == 5) {
        switch (s->in[3]) {
        case ADDRESS_IPV4: s->in_want += 3 + 2; break;
        case ADDRESS_IPV6: s->in_want += 15 + 2; break;
        case ADDRESS_NAME: s->in_want += (size_t)s->in[4] + 2; break;
        default: fail(s, ST_PROXY, "the proxy's answer is none");
        }
    } else {
        s->state = SOCKS_OPEN;
    }
}

void socks_filled(struct socks *s, size_t n)
{
    if (s->state == SOCKS_OPEN || s->state == SOCKS_FAILED) return;
    s->in_n += n < s->in_want - s->in_n ? n : s->in_want - s->in_n;
    if (s->in_n < s->in_want) return;
    switch (s->state) {
    case SOCKS_METHOD: got_method(s); break;
    case SOCKS_SIGN_IN: got_sign_in(s); break;
    default: got_answer(s); break;
    }
}

void socks_eof(struct socks *s)
{
    if (s->state != SOCKS_OPEN && s->state != SOCKS_FAILED)
        fail(s, ST_PROXY, "the proxy ended the connection");
}
