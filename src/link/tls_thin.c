/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A sentinel's connection after the handshake: the keys of its records (link/record) and no SSL. */
#include "link/tls_internal.h"

#include "base/encode.h"

#include <stdlib.h>
#include <string.h>

#define KEY_UPDATE 24 /* RFC 8446 4.6.3 */

/* A line of the key log: label, the client's random in hex, the secret in hex. */
void tls_thin_secret(const SSL *ssl, const char *line)
{
    static const char in[] = "CLIENT_TRAFFIC_SECRET_0 ", out[] = "SERVER_TRAFFIC_SECRET_0 ";
    struct tls *t = SSL_get_app_data(ssl);
    bool theirs = strncmp(line, in, sizeof in - 1) == 0;
    if (!theirs && strncmp(line, out, sizeof out - 1) != 0) return;
    const char *hex = strrchr(line, ' ');
    uint8_t secret[32];
    size_t n = 0;
    if (!t->thin) t->thin = calloc(1, sizeof *t->thin);
    if (t->thin && hex_decode(hex + 1, strlen(hex + 1), secret, sizeof secret, &n) == ST_OK &&
        n == sizeof secret) {
        record_side_set(theirs ? &t->thin->in : &t->thin->out, secret);
        *(theirs ? &t->thin->has_in : &t->thin->has_out) = true;
    }
    bytes_wipe(secret, sizeof secret);
}

void tls_thin_start(struct tls *t)
{
    if (!t->thin) return;
    /* Without both secrets, or with bytes that OpenSSL has read already, it goes on as it is. */
    if (!t->thin->has_in || !t->thin->has_out || SSL_has_pending(t->ssl)) {
        tls_thin_free(t);
        return;
    }
    SSL_free(t->ssl);
    t->ssl = NULL;
}

void tls_thin_free(struct tls *t)
{
    if (!t->thin) return;
    if (t->thin->rest) bytes_wipe(t->thin->rest, t->thin->rest_n);
    free(t->thin->rest);
    bytes_wipe(t->thin, sizeof *t->thin);
    free(t->thin);
    t->thin = NULL;
}

static enum status put_record(struct tls *t, uint8_t type, struct bytes plain)
{
    uint8_t *to = tls_out_space(t, plain.n + RECORD_OVER);
    if (!to) return ST_NO_MEMORY;
    record_seal(&t->thin->out, type, plain, to);
    return ST_OK;
}

void tls_thin_alert(struct tls *t, uint8_t level, uint8_t what)
{
    const uint8_t alert[2] = {level, what};
    (void)put_record(t, RECORD_ALERT, BYTES_OF(alert));
}

enum status tls_thin_write(struct tls *t, struct bytes in)
{
    enum status st = ST_OK;
    while (in.n && st == ST_OK) {
        size_t n = in.n < RECORD_PLAIN ? in.n : RECORD_PLAIN;
        st = put_record(t, RECORD_DATA, BYTES(in.p, n));
        in = BYTES(in.p + n, in.n - n);
    }
    if (st != ST_OK) tls_shut(t, st, NULL);
    return st;
}

/* ---- in ---- */

static bool fatal(struct tls *t, uint8_t alert, enum status st, const char *reason)
{
    t->bye_sent = true;
    tls_thin_alert(t, SSL3_AL_FATAL, alert);
    tls_shut(t, st, reason);
    return false;
}

static bool on_alert(struct tls *t, struct bytes b)
{
    char reason[TLS_REASON];
    if (b.n != 2) return fatal(t, SSL_AD_DECODE_ERROR, ST_PROTOCOL, "an alert that is none");
    if (b.p[1] == SSL_AD_USER_CANCELLED) return true;
    if (b.p[1] == SSL_AD_CLOSE_NOTIFY) {
        tls_close(t, ST_CLOSED, "closed by the other side");
        return false;
    }
    enum status st = tls_alert_fault(b.p[1], reason);
    tls_shut(t, st, reason);
    return false;
}

/* The only message that may come after the handshake of a connection without tickets. */
static bool on_handshake(struct tls *t, struct bytes b)
{
    static const uint8_t head[4] = {KEY_UPDATE, 0, 0, 1}, answer[5] = {KEY_UPDATE, 0, 0, 1, 0};
    if (b.n != 5 || memcmp(b.p, head, sizeof head) != 0 || b.p[4] > 1)
        return fatal(t, SSL_AD_UNEXPECTED_MESSAGE, ST_PROTOCOL, "a TLS message out of turn");
    record_side_update(&t->thin->in);
    if (b.p[4] == 0) return true;
    /* Not for one who takes nothing and asks on and on. */
    if (t->out.waiting > LINK_HIGH_WATER)
        return fatal(t, SSL_AD_UNEXPECTED_MESSAGE, ST_PROTOCOL, "new keys asked for without end");
    if (put_record(t, RECORD_HANDSHAKE, BYTES_OF(answer)) != ST_OK) {
        tls_shut(t, ST_NO_MEMORY, NULL);
        return false;
    }
    record_side_update(&t->thin->out);
    return true;
}

/* The next record, if all of it is there; its head is checked before it is waited for. */
static bool next_record(struct tls *t, uint8_t *ret_type, struct bytes *ret_plain)
{
    struct tls_in *in = &t->in;
    uint8_t *p = in->p + in->from;
    size_t left = in->n - in->from;
    if (left < RECORD_HEAD) return false;
    size_t body = get_u16(p + 3);
    if (p[0] != RECORD_DATA || get_u16(p + 1) != 0x0303)
        return fatal(t, SSL_AD_UNEXPECTED_MESSAGE, ST_PROTOCOL, "a TLS record out of turn");
    if (body < RECORD_BODY_MIN || body > RECORD_BODY_MAX)
        return fatal(t, SSL_AD_RECORD_OVERFLOW, ST_PROTOCOL,
                     "a TLS record of a length that none has");
    if (left - RECORD_HEAD < body) return false;
    enum status st = record_open(&t->thin->in, p, RECORD_HEAD + body, ret_type, ret_plain);
    if (st == ST_BAD_SEAL)
        return fatal(t, SSL_AD_BAD_RECORD_MAC, st, "a record that does not decrypt");
    if (st != ST_OK) return fatal(t, SSL_AD_UNEXPECTED_MESSAGE, st, "a TLS record without a type");
    in->from += RECORD_HEAD + body;
    return true;
}

static size_t take_rest(struct tls_thin *x, uint8_t *p, size_t n)
{
    size_t left = x->rest_n - x->rest_from;
    if (n > left) n = left;
    memcpy(p, x->rest + x->rest_from, n);
    x->rest_from += n;
    if (x->rest_from == x->rest_n) {
        bytes_wipe(x->rest, x->rest_n);
        free(x->rest);
        x->rest = NULL;
    }
    return n;
}

/* Readers offer room for a whole record; this is for one who does not. */
static size_t keep_rest(struct tls *t, struct bytes plain, uint8_t *p, size_t n)
{
    struct tls_thin *x = t->thin;
    x->rest = malloc(plain.n);
    if (!x->rest) {
        tls_shut(t, ST_NO_MEMORY, NULL);
        return 0;
    }
    memcpy(x->rest, plain.p, plain.n);
    bytes_wipe(t->in.p + (plain.p - t->in.p), plain.n);
    x->rest_n = plain.n;
    x->rest_from = 0;
    return take_rest(x, p, n);
}

size_t tls_thin_read(struct tls *t, uint8_t *p, size_t n)
{
    uint8_t type;
    struct bytes plain;
    if (t->thin->rest) return take_rest(t->thin, p, n);
    while (next_record(t, &type, &plain)) {
        if (type == RECORD_DATA && plain.n > n) return keep_rest(t, plain, p, n);
        if (type == RECORD_DATA && plain.n > 0) {
            memcpy(p, plain.p, plain.n);
            bytes_wipe(t->in.p + (plain.p - t->in.p), plain.n); /* it lies where the record lay */
            return plain.n;
        }
        bool go_on = type == RECORD_DATA        ? true
                     : type == RECORD_ALERT     ? on_alert(t, plain)
                     : type == RECORD_HANDSHAKE ? on_handshake(t, plain)
                                                : fatal(t, SSL_AD_UNEXPECTED_MESSAGE, ST_PROTOCOL,
                                                        "a TLS record of no known type");
        if (!go_on) return 0;
    }
    return 0;
}
