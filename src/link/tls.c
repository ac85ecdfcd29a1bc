/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/tls_internal.h"

#include "crypto/sign.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_FIRST SPARE_SIZE
#define REST_MAX ((size_t)4 << 10) /* unread bytes that are put into a buffer of their size */

void tls_shut(struct tls *t, enum status why, const char *reason)
{
    if (t->state == TLS_CLOSED) return;
    t->state = TLS_CLOSED;
    t->status = why;
    snprintf(t->reason, sizeof t->reason, "%s", reason ? reason : status_text(why));
}

static void fail(struct tls *t)
{
    char reason[TLS_REASON];
    enum status st = tls_fault(t, reason);
    ERR_clear_error();
    tls_shut(t, st, reason);
}

static enum status set_up(struct tls *t, const struct tls_config *config)
{
    t->ssl = SSL_new(t->ctx->roles[t->role]);
    BIO *bio = t->ssl ? BIO_new(t->ctx->bio) : NULL;
    if (!bio) return ST_NO_MEMORY;
    BIO_set_data(bio, t);
    BIO_up_ref(bio); /* one reference for each direction */
    SSL_set0_rbio(t->ssl, bio);
    SSL_set0_wbio(t->ssl, bio);
    SSL_set_app_data(t->ssl, t);
    switch (t->role) {
    case TLS_TO_SERVER:
        memcpy(t->expect, config->pin, 32);
        SSL_set_connect_state(t->ssl);
        return ST_OK;
    case TLS_TO_PEER:
        memcpy(t->expect, config->expect, 32);
        if (strlen(config->sni) >= TLS_SNI_MAX) return ST_USAGE;
        if (SSL_set_tlsext_host_name(t->ssl, config->sni) != 1) return ST_NO_MEMORY;
        SSL_set_connect_state(t->ssl);
        return tls_show_key(t->ctx, t->ssl, config->seed);
    case TLS_AS_SERVER: {
        SSL_set_accept_state(t->ssl);
        enum status st = tls_show_server_key(t->ctx, t->ssl, config->seed);
        /* The seat's proof names the key that this handshake was made with. */
        EVP_PKEY *key = SSL_get_privatekey(t->ssl);
        size_t n = 32;
        uint8_t public_key[32];
        if (st == ST_OK && EVP_PKEY_get_raw_public_key(key, public_key, &n) != 1) st = ST_BUG;
        if (st == ST_OK) sign_pin(public_key, t->peer.spki);
        return st;
    }
    case TLS_AS_PEER:
        t->gate = config->gate;
        SSL_set_accept_state(t->ssl);
        return ST_OK;
    }
    return ST_USAGE;
}

enum status tls_new(struct tls_ctx *c, const struct tls_config *config, struct tls **ret)
{
    struct tls *t = calloc(1, sizeof *t);
    if (!t) return ST_NO_MEMORY;
    t->ctx = c;
    t->role = config->role;
    enum status st = set_up(t, config);
    ERR_clear_error();
    if (st != ST_OK) {
        tls_free(t);
        return st;
    }
    tls_step(t);
    *ret = t;
    return ST_OK;
}

/* What is sealed needs no wiping. */
static void block_free(struct tls *t, struct tls_block *b)
{
    if (b->cap == TLS_BLOCK)
        spare_give(&t->ctx->spare, (uint8_t *)b, 0);
    else
        free(b);
}

static void in_free(struct tls *t)
{
    if (t->in.cap == SPARE_SIZE)
        spare_give(&t->ctx->spare, t->in.p, 0);
    else
        free(t->in.p);
    t->in = (struct tls_in){0};
}

void tls_free(struct tls *t)
{
    if (!t) return;
    SSL_free(t->ssl);
    tls_thin_free(t);
    while (t->out.first) {
        struct tls_block *b = t->out.first;
        t->out.first = b->next;
        block_free(t, b);
    }
    in_free(t);
    bytes_wipe(t, sizeof *t);
    free(t);
}

/* ---- in ---- */

static bool in_grow(struct tls *t, size_t cap)
{
    uint8_t *p = cap == SPARE_SIZE ? spare_take(&t->ctx->spare) : malloc(cap);
    if (!p) return false;
    size_t left = t->in.n - t->in.from;
    if (left) memcpy(p, t->in.p + t->in.from, left);
    in_free(t);
    t->in = (struct tls_in){p, 0, left, cap};
    return true;
}

uint8_t *tls_space(struct tls *t, size_t *ret_room)
{
    struct tls_in *in = &t->in;
    *ret_room = 0;
    size_t left = in->n - in->from;
    if (left >= TLS_INPUT_STEP) return NULL;
    if (in->cap < INPUT_FIRST && !in_grow(t, INPUT_FIRST)) return NULL;
    if (in->from && (left == 0 || in->cap - in->n < TLS_RECORD / 2)) {
        memmove(in->p, in->p + in->from, left);
        in->from = 0;
        in->n = left;
    }
    if (in->n == in->cap && !in_grow(t, in->cap * 2)) return NULL;
    *ret_room = in->cap - in->n;
    return in->p + in->n;
}

void tls_filled(struct tls *t, size_t n)
{
    struct tls_in *in = &t->in;
    in->n += n;
    /* A carrier that filled all we offered has more: bulk. No memory only means smaller reads. */
    if (in->n == in->cap && in->cap < TLS_INPUT_STEP) (void)in_grow(t, in->cap * 4);
}

enum status tls_put(struct tls *t, struct bytes bytes)
{
    struct tls_in *in = &t->in;
    size_t left = in->n - in->from;
    if (bytes.n > TLS_INPUT_MAX - left) return ST_TOO_BIG;
    if (in->cap - in->n < bytes.n) {
        size_t cap = in->cap ? in->cap : INPUT_FIRST;
        while (cap < left + bytes.n) cap *= 2;
        if (!in_grow(t, cap)) return ST_NO_MEMORY;
    }
    if (bytes.n) memcpy(in->p + in->n, bytes.p, bytes.n);
    in->n += bytes.n;
    return ST_OK;
}

size_t tls_unread(const struct tls *t)
{
    return t->in.n - t->in.from;
}

void tls_rest(struct tls *t)
{
    size_t left = tls_unread(t);
    if (left == 0 && t->in.cap <= SPARE_SIZE)
        in_free(t);
    else if (left > 0 && left <= REST_MAX && t->in.cap > REST_MAX)
        (void)in_grow(t, REST_MAX);
}

void tls_trim(struct tls *t)
{
    if (tls_unread(t) == 0) in_free(t);
}

/* RFC 9266: label, an empty context, 32 bytes; unique to this connection. */
static bool exporter(struct tls *t)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    return SSL_export_keying_material(t->ssl, t->peer.exporter, sizeof t->peer.exporter, label,
                                      sizeof label - 1, (const uint8_t *)"", 0, 1) == 1;
}

static void finished(struct tls *t)
{
    if (!exporter(t)) {
        fail(t);
        return;
    }
    if (t->role == TLS_TO_SERVER) memset(t->peer.id, 0, sizeof t->peer.id);
    t->state = TLS_OPEN;
    if (t->role == TLS_AS_SERVER) tls_thin_start(t);
    /* Only now has the caller shown that it holds the key it came with. */
    if (t->role == TLS_AS_PEER) {
        enum status st = t->gate->peer(t->gate->arg, t->peer.id);
        if (st != ST_OK)
            tls_close(t, st == ST_NOT_FOUND ? ST_DENIED : st,
                      "the caller proved a key that is not let in");
    }
}

void tls_step(struct tls *t)
{
    if (t->state != TLS_HANDSHAKING) return;
    ERR_clear_error();
    int n = SSL_do_handshake(t->ssl);
    if (n == 1) {
        finished(t);
        return;
    }
    int why = SSL_get_error(t->ssl, n);
    if (why == SSL_ERROR_WANT_READ) return;
    fail(t);
}

void tls_eof(struct tls *t)
{
    if (t->state == TLS_HANDSHAKING)
        tls_shut(t, ST_CLOSED, "the other side ended in the middle of the handshake");
    else
        tls_shut(t, ST_CLOSED, "the other side ended without a word");
}

size_t tls_read(struct tls *t, uint8_t *p, size_t n)
{
    if (t->state != TLS_OPEN || n == 0) return 0;
    size_t got = 0;
    if (!t->ssl) return tls_thin_read(t, p, n);
    ERR_clear_error();
    if (SSL_read_ex(t->ssl, p, n, &got) == 1) return got;
    int why = SSL_get_error(t->ssl, 0);
    if (why == SSL_ERROR_WANT_READ) return 0;
    if (why == SSL_ERROR_ZERO_RETURN)
        tls_close(t, ST_CLOSED, "closed by the other side");
    else
        fail(t);
    return 0;
}

/* ---- out ---- */

enum status tls_write(struct tls *t, struct bytes in)
{
    if (t->state != TLS_OPEN) return ST_CLOSED;
    if (!t->ssl) return tls_thin_write(t, in);
    ERR_clear_error();
    while (in.n) {
        size_t done = 0;
        if (SSL_write_ex(t->ssl, in.p, in.n, &done) != 1) {
            fail(t);
            return t->status;
        }
        in = BYTES(in.p + done, in.n - done);
    }
    return ST_OK;
}

void tls_close(struct tls *t, enum status why, const char *reason)
{
    if (t->state == TLS_OPEN && !t->bye_sent) {
        t->bye_sent = true;
        ERR_clear_error();
        if (!t->ssl)
            tls_thin_alert(t, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
        else
            (void)SSL_shutdown(t->ssl); /* close_notify; nobody waits for theirs */
        ERR_clear_error();
    }
    tls_shut(t, why, reason);
}

size_t tls_output(const struct tls *t, struct bytes *ret, size_t max)
{
    size_t n = 0;
    for (const struct tls_block *b = t->out.first; b && n < max; b = b->next)
        if (b->n > b->from) ret[n++] = BYTES(b->p + b->from, b->n - b->from);
    return n;
}

void tls_sent(struct tls *t, size_t n)
{
    struct tls_out *out = &t->out;
    if (n > out->waiting) n = out->waiting;
    out->waiting -= n;
    while (n && out->first) {
        struct tls_block *b = out->first;
        size_t here = b->n - b->from < n ? b->n - b->from : n;
        b->from += here;
        n -= here;
        if (b->from < b->n) return;
        out->first = b->next;
        if (!out->first) out->last = NULL;
        block_free(t, b);
    }
}

size_t tls_waiting(const struct tls *t)
{
    return t->out.waiting;
}

enum tls_state tls_state(const struct tls *t)
{
    return t->state;
}

enum status tls_status(const struct tls *t)
{
    return t->status;
}

const char *tls_reason(const struct tls *t)
{
    return t->reason;
}

const struct link_peer *tls_peer(const struct tls *t)
{
    return &t->peer;
}
