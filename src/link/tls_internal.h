/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * tls_internal: what tls.c, tls_ctx.c, tls_fault.c and tls_thin.c share. Not for others.
 *
 * Owns, Errors, Order: see link/tls.h.
 */
#ifndef ENCLAVE_LINK_TLS_INTERNAL_H
#define ENCLAVE_LINK_TLS_INTERNAL_H

#include "link/group_provider.h"
#include "link/record.h"
#include "link/tls.h"

#include <openssl/ssl.h>

struct tls_ctx {
    OSSL_LIB_CTX *libctx;
    struct group_provider group;
    BIO_METHOD *bio; /* reads struct tls_in, writes struct tls_out */
    SSL_CTX *roles[4];
    X509 *
        server_cert; /* what the last TLS_AS_SERVER showed: the next one most likely shows it, too */
    EVP_PKEY *server_key;
    struct spare spare;
};

/* Bytes from the carrier that TLS has not read. */
struct tls_in {
    uint8_t *p;
    size_t from, n, cap;
};

/* Sealed bytes for the carrier: blocks that hold four full records each. */
#define TLS_BLOCK ((size_t)4 * ((16 << 10) + 22))
#define TLS_BLOCK_SMALL ((size_t)1024)
#define TLS_BLOCK_LITTLE ((size_t)4 << 10)
struct tls_block {
    struct tls_block *next;
    size_t from, n, cap;
    uint8_t p[];
};

struct tls_out {
    struct tls_block *first, *last;
    size_t waiting;
    bool failed; /* out of memory */
};

/* What is left of TLS once a caller's handshake is done: OpenSSL's object has 15 KiB. */
struct tls_thin {
    struct record_side in, out;
    uint8_t *rest; /* of a record that a reader had no room for */
    size_t rest_from, rest_n;
    bool has_in, has_out;
};

struct tls {
    struct tls_ctx *ctx;
    SSL *ssl;              /* NULL: thin goes on */
    struct tls_thin *thin; /* TLS_AS_SERVER, from the moment the secrets are known */
    enum tls_role role;
    enum tls_state state;
    enum status status;
    enum status refused; /* what a callback of ours decided; ST_OK if none did */
    const struct link_gate *gate;
    uint8_t expect[32];      /* TLS_TO_PEER: their key; TLS_TO_SERVER: the pin */
    char named[TLS_SNI_MAX]; /* the name the gate took, for a second ClientHello */
    size_t named_n;
    bool bye_sent;
    struct link_peer peer;
    struct tls_in in;
    struct tls_out out;
    char reason[TLS_REASON];
};

/* Gives ssl our key and the throw-away certificate around it. */
enum status tls_show_key(struct tls_ctx *c, SSL *ssl, const uint8_t seed[TLS_KEY]) MUST_USE;
/* The same for a key that many connections show: certificate and key are made once. */
enum status tls_show_server_key(struct tls_ctx *c, SSL *ssl, const uint8_t seed[TLS_KEY]) MUST_USE;
/* Reads OpenSSL's error queue (and what our callbacks decided) into status and words. */
enum status tls_fault(const struct tls *t, char reason[TLS_REASON]);
enum status tls_alert_fault(int alert, char reason[TLS_REASON]);
void tls_shut(struct tls *t, enum status why, const char *reason);
/* Room for n bytes that go out next; NULL: out of memory. */
uint8_t *tls_out_space(struct tls *t, size_t n);

/* tls_thin.c */
void tls_thin_secret(const SSL *ssl, const char *line);
void tls_thin_start(struct tls *t);
void tls_thin_free(struct tls *t);
size_t tls_thin_read(struct tls *t, uint8_t *p, size_t n);
enum status tls_thin_write(struct tls *t, struct bytes in) MUST_USE;
void tls_thin_alert(struct tls *t, uint8_t level, uint8_t what);

#endif
