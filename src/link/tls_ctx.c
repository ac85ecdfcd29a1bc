/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/tls_internal.h"

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

/* ---- the carrier's two ends as a BIO ---- */

static int bio_read(BIO *b, char *to, size_t n, size_t *ret_n)
{
    struct tls_in *in = &((struct tls *)BIO_get_data(b))->in;
    BIO_clear_retry_flags(b);
    size_t left = in->n - in->from;
    *ret_n = left < n ? left : n;
    if (*ret_n == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    memcpy(to, in->p + in->from, *ret_n);
    in->from += *ret_n;
    if (in->from == in->n) in->from = in->n = 0;
    return 1;
}

_Static_assert(sizeof(struct tls_block) + TLS_BLOCK <= SPARE_SIZE, "a block is a spare buffer");

static struct tls_block *block_for(struct tls_out *out, struct spare *spare, size_t n)
{
    struct tls_block *b = out->last;
    if (b && b->cap - b->n >= n) return b;
    /* A ping or a handshake needs little; bulk takes whole blocks. */
    size_t cap = TLS_BLOCK;
    if (!out->first && n <= TLS_BLOCK_LITTLE) cap = n > TLS_BLOCK_SMALL ? n : TLS_BLOCK_SMALL;
    if (n > cap) cap = n;
    b = cap == TLS_BLOCK ? (struct tls_block *)(void *)spare_take(spare) : malloc(sizeof *b + cap);
    if (!b) return NULL;
    *b = (struct tls_block){.cap = cap};
    if (out->last)
        out->last->next = b;
    else
        out->first = b;
    out->last = b;
    return b;
}

uint8_t *tls_out_space(struct tls *t, size_t n)
{
    struct tls_block *block = block_for(&t->out, &t->ctx->spare, n);
    if (!block) {
        t->out.failed = true;
        return NULL;
    }
    uint8_t *to = block->p + block->n;
    block->n += n;
    t->out.waiting += n;
    return to;
}

static int bio_write(BIO *b, const char *from, size_t n, size_t *ret_n)
{
    BIO_clear_retry_flags(b);
    *ret_n = 0;
    uint8_t *to = tls_out_space(BIO_get_data(b), n);
    if (!to) return 0;
    memcpy(to, from, n);
    *ret_n = n;
    return 1;
}

static long bio_ctrl(BIO *b, int cmd, long arg, void *p)
{
    (void)b;
    (void)arg;
    (void)p;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *b)
{
    BIO_set_init(b, 1);
    return 1;
}

static BIO_METHOD *bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "link");
    if (!m) return NULL;
    BIO_meth_set_read_ex(m, bio_read);
    BIO_meth_set_write_ex(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    BIO_meth_set_create(m, bio_create);
    return m;
}

/* ---- who we are ---- */

/* Always the same bytes but for key and signature: a certificate tells nothing else. */
static X509 *certificate(struct tls_ctx *c, EVP_PKEY *key)
{
    X509 *x = X509_new_ex(c->libctx, NULL);
    if (!x) return NULL;
    X509_NAME *name = X509_get_subject_name(x);
    if (X509_set_version(x, X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"enclave", -1, -1,
                                   0) &&
        X509_set_issuer_name(x, name) &&
        ASN1_TIME_set_string(X509_getm_notBefore(x), "20000101000000Z") &&
        ASN1_TIME_set_string(X509_getm_notAfter(x), "99991231235959Z") && X509_set_pubkey(x, key) &&
        X509_sign(x, key, NULL) > 0)
        return x;
    X509_free(x);
    return NULL;
}

enum status tls_show_key(struct tls_ctx *c, SSL *ssl, const uint8_t seed[TLS_KEY])
{
    enum status st = ST_BUG;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(c->libctx, "ED25519", NULL, seed, TLS_KEY);
    X509 *x = key ? certificate(c, key) : NULL;
    if (x && SSL_use_certificate(ssl, x) == 1 && SSL_use_PrivateKey(ssl, key) == 1) st = ST_OK;
    X509_free(x);
    EVP_PKEY_free(key);
    return st;
}

static bool same_key(EVP_PKEY *key, const uint8_t seed[TLS_KEY])
{
    uint8_t have[TLS_KEY];
    size_t n = sizeof have;
    bool same = key && EVP_PKEY_get_raw_private_key(key, have, &n) == 1 && n == sizeof have &&
                secret_same(have, seed, sizeof have);
    bytes_wipe(have, sizeof have);
    return same;
}

enum status tls_show_server_key(struct tls_ctx *c, SSL *ssl, const uint8_t seed[TLS_KEY])
{
    if (!same_key(c->server_key, seed)) {
        X509_free(c->server_cert);
        EVP_PKEY_free(c->server_key);
        c->server_cert = NULL;
        c->server_key = EVP_PKEY_new_raw_private_key_ex(c->libctx, "ED25519", NULL, seed, TLS_KEY);
        if (c->server_key) c->server_cert = certificate(c, c->server_key);
    }
    return c->server_cert && SSL_use_certificate(ssl, c->server_cert) == 1 &&
                   SSL_use_PrivateKey(ssl, c->server_key) == 1
               ? ST_OK
               : ST_BUG;
}

/* ---- who they are ---- */

static bool ed25519_of(X509 *x, uint8_t ret[32])
{
    EVP_PKEY *key = x ? X509_get0_pubkey(x) : NULL;
    size_t n = 32;
    return key && EVP_PKEY_is_a(key, "ED25519") && EVP_PKEY_get_raw_public_key(key, ret, &n) == 1 &&
           n == 32;
}

/* In place of chain building. Runs when their certificate has come and before ours could go out:
 * TLS checks afterwards that they hold the key (CertificateVerify). */
static int verify(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_app_data(ssl);
    uint8_t got[32];
    bool same = false;
    if (ed25519_of(X509_STORE_CTX_get0_cert(store), got)) {
        sign_pin(got, t->peer.spki);
        memcpy(t->peer.id, got, sizeof got);
        if (t->role == TLS_TO_PEER) same = secret_same(got, t->expect, sizeof got);
        if (t->role == TLS_TO_SERVER) same = secret_same(t->peer.spki, t->expect, sizeof got);
        if (t->role == TLS_AS_PEER) same = true; /* the gate judges once it is proved: tls.c */
    }
    if (!same) t->refused = ST_UNTRUSTED;
    X509_STORE_CTX_set_error(store, same ? X509_V_OK : X509_V_ERR_CERT_UNTRUSTED);
    return same;
}

/* RFC 6066 section 3: list length u16, then one entry: type 0, name length u16, name. */
static bool name_of(SSL *ssl, struct bytes *ret)
{
    const unsigned char *p;
    size_t n;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n)) return false;
    struct cursor c = cursor_of(BYTES(p, n));
    struct cursor list = cursor_of(cursor_take(&c, cursor_u16(&c)));
    if (cursor_u8(&list) != TLSEXT_NAMETYPE_host_name) return false;
    *ret = cursor_take(&list, cursor_u16(&list));
    return cursor_end(&list) == ST_OK && cursor_end(&c) == ST_OK && ret->n > 0 &&
           ret->n < TLS_SNI_MAX;
}

/* Before any certificate: an unknown name gets an alert and learns nothing. */
static int client_hello(SSL *ssl, int *alert, void *arg)
{
    (void)arg;
    struct tls *t = SSL_get_app_data(ssl);
    struct bytes name;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    if (t->role != TLS_AS_PEER) return SSL_CLIENT_HELLO_SUCCESS;
    if (!name_of(ssl, &name)) {
        t->refused = ST_DENIED;
        return SSL_CLIENT_HELLO_ERROR;
    }
    /* After a HelloRetryRequest the same name comes again, and is not a replay. */
    if (t->named_n) {
        if (bytes_same(name, BYTES(t->named, t->named_n))) return SSL_CLIENT_HELLO_SUCCESS;
        t->refused = ST_DENIED;
        return SSL_CLIENT_HELLO_ERROR;
    }
    struct link_identity self = {0};
    enum status st = t->gate->name(t->gate->arg, name, &self);
    if (st == ST_OK) st = tls_show_key(t->ctx, ssl, self.seed);
    bytes_wipe(&self, sizeof self);
    if (st != ST_OK) {
        t->refused = st;
        return SSL_CLIENT_HELLO_ERROR;
    }
    memcpy(t->named, name.p, name.n);
    t->named_n = name.n;
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* ---- contexts ---- */

static SSL_CTX *role_ctx(struct tls_ctx *c, enum tls_role role)
{
    bool server = role == TLS_AS_SERVER || role == TLS_AS_PEER;
    SSL_CTX *x =
        SSL_CTX_new_ex(c->libctx, NULL, server ? TLS_server_method() : TLS_client_method());
    if (!x) return NULL;
    /* Whatever the system's openssl.cnf says, each of these is ours. */
    SSL_CTX_set_security_level(x, 2);
    if (SSL_CTX_set_min_proto_version(x, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(x, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(x, "TLS_CHACHA20_POLY1305_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(x, GROUP_NAME) != 1 ||
        SSL_CTX_set1_sigalgs_list(x, "ed25519") != 1 ||
        SSL_CTX_set1_client_sigalgs_list(x, "ed25519") != 1 || SSL_CTX_set_num_tickets(x, 0) != 1 ||
        SSL_CTX_set_max_early_data(x, 0) != 1 || SSL_CTX_set_recv_max_early_data(x, 0) != 1) {
        SSL_CTX_free(x);
        return NULL;
    }
    SSL_CTX_set_options(x, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_clear_options(x, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(x, TLS_CERT_MAX);
    SSL_CTX_set_cert_verify_callback(x, verify, NULL);
    int mode = SSL_VERIFY_PEER;
    if (role == TLS_AS_PEER) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    if (role == TLS_AS_SERVER) mode = SSL_VERIFY_NONE;
    SSL_CTX_set_verify(x, mode, NULL);
    if (role == TLS_AS_PEER) SSL_CTX_set_client_hello_cb(x, client_hello, NULL);
    if (role == TLS_AS_SERVER) SSL_CTX_set_keylog_callback(x, tls_thin_secret);
    return x;
}

enum status tls_ctx_new(struct tls_ctx **ret)
{
    enum status st = ST_BUG;
    struct tls_ctx *c = calloc(1, sizeof *c);
    if (!c) return ST_NO_MEMORY;
    TRY(crypto_start());
    c->libctx = OSSL_LIB_CTX_new();
    c->bio = bio_method();
    if (!c->libctx || !c->bio) {
        st = ST_NO_MEMORY;
        goto out;
    }
    TRY(group_provider_open(c->libctx, &c->group));
    for (int i = 0; i < 4; i++) {
        c->roles[i] = role_ctx(c, (enum tls_role)i);
        if (!c->roles[i]) {
            st = ST_BUG;
            goto out;
        }
    }
    *ret = c;
    c = NULL;
out:
    ERR_clear_error();
    tls_ctx_free(c);
    return st;
}

void tls_ctx_free(struct tls_ctx *c)
{
    if (!c) return;
    for (int i = 0; i < 4; i++) SSL_CTX_free(c->roles[i]);
    X509_free(c->server_cert);
    EVP_PKEY_free(c->server_key);
    group_provider_close(&c->group);
    OSSL_LIB_CTX_free(c->libctx);
    BIO_meth_free(c->bio);
    spare_free(&c->spare);
    free(c);
}

struct spare *tls_ctx_spare(struct tls_ctx *c)
{
    return &c->spare;
}

bool tls_ctx_own_group(const struct tls_ctx *c)
{
    return c->group.ours != NULL;
}
