/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto link */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/kem.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "link/group_provider.h"
#include "link/tls.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

struct person {
    uint8_t seed[32], id[32], pin[32];
};

struct gate {
    struct link_gate port;
    const struct person *self;
    const uint8_t *let_in;
    const char *name;
    int names, peers;
};

struct world {
    struct tls_ctx *ctx;
    struct person alice, bob, eve, sentinel;
    struct gate gate;
};

static void person_make(struct person *p, uint8_t n)
{
    memset(p->seed, n, 32);
    sign_public(p->seed, p->id);
    sign_pin(p->id, p->pin);
}

static enum status gate_name(void *arg, struct bytes sni, struct link_identity *ret)
{
    struct gate *g = arg;
    g->names++;
    if (!bytes_same(sni, bytes_str(g->name))) return ST_DENIED;
    memcpy(ret->seed, g->self->seed, 32);
    memcpy(ret->id, g->self->id, 32);
    return ST_OK;
}

static enum status gate_peer(void *arg, const uint8_t id[32])
{
    struct gate *g = arg;
    g->peers++;
    return memcmp(id, g->let_in, 32) == 0 ? ST_OK : ST_DENIED;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_int_equal(tls_ctx_new(&w->ctx), ST_OK);
    person_make(&w->alice, 1);
    person_make(&w->bob, 2);
    person_make(&w->eve, 3);
    person_make(&w->sentinel, 4);
    w->gate = (struct gate){.port = {gate_name, gate_peer, NULL, NULL},
                            .self = &w->bob,
                            .let_in = w->alice.id,
                            .name = "ax3jd2mkrtawldg6u4aiwamafrr4zlpydfpqxsy"};
    w->gate.port.arg = &w->gate;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    tls_ctx_free(w->ctx);
    free(w);
    return 0;
}

/* Moves what one has for the other, in pieces of at most `piece` bytes; returns bytes moved. */
static size_t carry(struct tls *from, struct tls *to, size_t piece)
{
    size_t moved = 0;
    struct bytes v;
    while (tls_output(from, &v, 1)) {
        if (v.n > piece) v.n = piece;
        assert_int_equal(tls_put(to, v), ST_OK);
        tls_sent(from, v.n);
        tls_step(to);
        moved += v.n;
    }
    return moved;
}

static void settle(struct tls *a, struct tls *b, size_t piece)
{
    while (carry(a, b, piece) + carry(b, a, piece)) {
    }
}

static struct tls *server_peer(struct world *w)
{
    struct tls *t;
    struct tls_config c = {.role = TLS_AS_PEER, .gate = &w->gate.port};
    assert_int_equal(tls_new(w->ctx, &c, &t), ST_OK);
    return t;
}

static struct tls *client_peer(struct world *w, const struct person *self, const struct person *to,
                               const char *name)
{
    struct tls *t;
    struct tls_config c = {.role = TLS_TO_PEER, .seed = self->seed, .expect = to->id, .sni = name};
    assert_int_equal(tls_new(w->ctx, &c, &t), ST_OK);
    return t;
}

static void expect_text(struct tls *from, struct tls *to, const char *text)
{
    uint8_t got[64];
    assert_int_equal(tls_write(from, bytes_str(text)), ST_OK);
    carry(from, to, 1000);
    assert_int_equal(tls_read(to, got, sizeof got), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void members_meet(void **state)
{
    struct world *w = *state;
    for (size_t piece = 1; piece < 100000; piece *= 997) {
        struct tls *b = server_peer(w), *a = client_peer(w, &w->alice, &w->bob, w->gate.name);
        settle(a, b, piece);
        assert_int_equal(tls_state(a), TLS_OPEN);
        assert_int_equal(tls_state(b), TLS_OPEN);
        assert_memory_equal(tls_peer(a)->id, w->bob.id, 32);
        assert_memory_equal(tls_peer(b)->id, w->alice.id, 32);
        assert_memory_equal(tls_peer(a)->exporter, tls_peer(b)->exporter, 32);
        assert_false(bytes_zero(BYTES_OF(tls_peer(a)->exporter)));
        expect_text(a, b, "from alice");
        expect_text(b, a, "from bob");
        tls_close(a, ST_CLOSED, NULL);
        carry(a, b, 1000);
        uint8_t got[8];
        assert_int_equal(tls_read(b, got, sizeof got), 0);
        assert_int_equal(tls_state(b), TLS_CLOSED);
        assert_int_equal(tls_status(b), ST_CLOSED);
        tls_free(a);
        tls_free(b);
    }
}

static void sentinel_is_pinned(void **state)
{
    struct world *w = *state;
    for (int right = 0; right < 2; right++) {
        struct tls *a, *s;
        struct tls_config cs = {.role = TLS_AS_SERVER, .seed = w->sentinel.seed};
        struct tls_config ca = {.role = TLS_TO_SERVER, .pin = right ? w->sentinel.pin : w->eve.pin};
        assert_int_equal(tls_new(w->ctx, &cs, &s), ST_OK);
        assert_int_equal(tls_new(w->ctx, &ca, &a), ST_OK);
        settle(a, s, 100000);
        if (right) {
            assert_int_equal(tls_state(a), TLS_OPEN);
            assert_int_equal(tls_state(s), TLS_OPEN);
            assert_memory_equal(tls_peer(a)->spki, w->sentinel.pin, 32);
            assert_memory_equal(tls_peer(s)->spki, w->sentinel.pin, 32);
            assert_true(bytes_zero(BYTES_OF(tls_peer(a)->id)));
            assert_memory_equal(tls_peer(a)->exporter, tls_peer(s)->exporter, 32);
            expect_text(a, s, "hello");
        } else {
            assert_int_equal(tls_status(a), ST_UNTRUSTED);
            assert_int_equal(tls_state(s), TLS_CLOSED);
            assert_non_null(strstr(tls_reason(s), "alert"));
        }
        tls_free(a);
        tls_free(s);
    }
}

/* Bytes that a refused caller gets: one alert record of 7 bytes and no more. */
static void unknown_name_gets_an_alert(void **state)
{
    struct world *w = *state;
    struct tls *b = server_peer(w), *a = client_peer(w, &w->alice, &w->bob, "someone");
    carry(a, b, 100000);
    assert_int_equal(tls_state(b), TLS_CLOSED);
    assert_int_equal(tls_status(b), ST_DENIED);
    assert_int_equal(tls_waiting(b), 7);
    settle(a, b, 100000);
    assert_int_equal(tls_status(a), ST_DENIED);
    tls_free(a);
    tls_free(b);
}

/* A man in the middle who knows the name but not bob's key never sees alice's certificate. */
static void stranger_sees_no_certificate(void **state)
{
    struct world *w = *state;
    w->gate.self = &w->eve;
    struct tls *b = server_peer(w), *a = client_peer(w, &w->alice, &w->bob, w->gate.name);
    settle(a, b, 100000);
    assert_int_equal(tls_status(a), ST_UNTRUSTED);
    assert_int_equal(tls_state(b), TLS_CLOSED);
    assert_int_equal(w->gate.peers, 0);
    assert_true(bytes_zero(BYTES_OF(tls_peer(b)->id)));
    tls_free(a);
    tls_free(b);
}

static void caller_with_another_key(void **state)
{
    struct world *w = *state;
    struct tls *b = server_peer(w), *e = client_peer(w, &w->eve, &w->bob, w->gate.name);
    settle(e, b, 100000);
    assert_int_equal(w->gate.peers, 1);
    assert_int_equal(tls_state(b), TLS_CLOSED);
    assert_int_equal(tls_status(b), ST_DENIED);
    uint8_t got[8];
    assert_int_equal(tls_read(e, got, sizeof got), 0);
    assert_int_equal(tls_state(e), TLS_CLOSED);
    tls_free(e);
    tls_free(b);
}

static void plain_text_is_named(void **state)
{
    struct world *w = *state;
    struct tls *b = server_peer(w);
    assert_int_equal(tls_put(b, BYTES_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), ST_OK);
    tls_step(b);
    assert_int_equal(tls_state(b), TLS_CLOSED);
    assert_non_null(strstr(tls_reason(b), "HTTP"));
    assert_true(tls_waiting(b) <= 7);
    tls_free(b);
    b = server_peer(w);
    assert_int_equal(tls_put(b, BYTES_LIT("SSH-2.0-OpenSSH_9.2\r\n")), ST_OK);
    tls_step(b);
    assert_int_equal(tls_status(b), ST_PROTOCOL);
    assert_true(tls_waiting(b) <= 7);
    tls_free(b);
}

/* A stock OpenSSL client over two memory BIOs; returns what the server said. */
static size_t stock_client(struct tls *b, const char *groups, const char *suites, int version)
{
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(x, version);
    if (groups) assert_int_equal(SSL_CTX_set1_groups_list(x, groups), 1);
    if (suites) assert_int_equal(SSL_CTX_set_ciphersuites(x, suites), 1);
    SSL *ssl = SSL_new(x);
    SSL_set_tlsext_host_name(ssl, "ax3jd2mkrtawldg6u4aiwamafrr4zlpydfpqxsy");
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    char *p;
    long n = BIO_get_mem_data(SSL_get_wbio(ssl), &p);
    assert_int_equal(tls_put(b, BYTES(p, (size_t)n)), ST_OK);
    tls_step(b);
    SSL_free(ssl);
    SSL_CTX_free(x);
    return tls_waiting(b);
}

static void no_hybrid_group_no_handshake(void **state)
{
    struct world *w = *state;
    struct tls *b = server_peer(w);
    assert_int_equal(stock_client(b, "X25519:P-256", NULL, TLS1_3_VERSION), 7);
    assert_int_equal(tls_status(b), ST_PROTOCOL);
    assert_non_null(strstr(tls_reason(b), GROUP_NAME));
    tls_free(b);
    b = server_peer(w);
    assert_int_equal(stock_client(b, NULL, NULL, TLS1_2_VERSION), 7);
    assert_int_equal(tls_status(b), ST_PROTOCOL);
    tls_free(b);
    b = server_peer(w);
    assert_int_equal(stock_client(b, NULL, "TLS_AES_128_GCM_SHA256", TLS1_3_VERSION), 7);
    assert_int_equal(tls_status(b), ST_PROTOCOL);
    tls_free(b);
}

/* A client that guessed X25519 first is asked again: the gate hears the name once. */
static void asked_again_with_the_same_name(void **state)
{
    struct world *w = *state;
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    struct group_provider g;
    assert_int_equal(group_provider_open(lib, &g), ST_OK);
    SSL_CTX *x = SSL_CTX_new_ex(lib, NULL, TLS_client_method());
    assert_int_equal(SSL_CTX_set1_groups_list(x, "X25519:" GROUP_NAME), 1);
    struct tls *b = server_peer(w);
    SSL *ssl = SSL_new(x);
    SSL_set_tlsext_host_name(ssl, w->gate.name);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    for (int i = 0; i < 4; i++) {
        SSL_do_handshake(ssl);
        uint8_t hop[8192];
        int n = BIO_read(SSL_get_wbio(ssl), hop, sizeof hop);
        if (n > 0) assert_int_equal(tls_put(b, BYTES(hop, (size_t)n)), ST_OK);
        tls_step(b);
        struct bytes v;
        while (tls_output(b, &v, 1)) {
            BIO_write(SSL_get_rbio(ssl), v.p, (int)v.n);
            tls_sent(b, v.n);
        }
    }
    assert_int_equal(w->gate.names, 1);
    assert_true(SSL_is_init_finished(ssl)); /* as far as it knows: it has no certificate to show */
    assert_int_equal(tls_status(b), ST_UNTRUSTED);
    assert_int_equal(w->gate.peers, 0);
    tls_free(b);
    SSL_free(ssl);
    SSL_CTX_free(x);
    group_provider_close(&g);
    OSSL_LIB_CTX_free(lib);
}

static void every_flipped_byte_is_refused(void **state)
{
    struct world *w = *state;
    struct tls *a = client_peer(w, &w->alice, &w->bob, w->gate.name);
    struct bytes v;
    assert_int_equal(tls_output(a, &v, 1), 1);
    uint8_t *copy = malloc(v.n);
    for (size_t i = 0; i < v.n; i += 13) {
        struct tls *b = server_peer(w);
        memcpy(copy, v.p, v.n);
        copy[i] ^= 0x41;
        assert_int_equal(tls_put(b, BYTES(copy, v.n)), ST_OK);
        tls_step(b);
        assert_int_not_equal(tls_state(b), TLS_OPEN);
        tls_free(b);
    }
    free(copy);
    tls_free(a);
}

static void records_that_were_altered(void **state)
{
    struct world *w = *state;
    struct tls *b = server_peer(w), *a = client_peer(w, &w->alice, &w->bob, w->gate.name);
    settle(a, b, 100000);
    uint8_t got[64], copy[200];
    struct bytes v;
    assert_int_equal(tls_write(a, BYTES_LIT("text")), ST_OK);
    assert_int_equal(tls_output(a, &v, 1), 1);
    memcpy(copy, v.p, v.n);
    copy[v.n - 1] ^= 1;
    assert_int_equal(tls_put(b, BYTES(copy, v.n)), ST_OK);
    assert_int_equal(tls_read(b, got, sizeof got), 0);
    assert_int_equal(tls_status(b), ST_BAD_SEAL);
    tls_free(a);
    tls_free(b);
}

/* The provider's own duties: shares of the wrong length or with a bad ML-KEM key are refused. */
static void malformed_shares(void **state)
{
    (void)state;
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    struct group_provider g;
    assert_int_equal(group_provider_open(lib, &g), ST_OK);
    if (!g.ours) {
        print_message("skipped: this OpenSSL has the group itself\n");
        group_provider_close(&g);
        OSSL_LIB_CTX_free(lib);
        return;
    }
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(lib, GROUP_NAME, NULL);
    EVP_PKEY *key = NULL, *peer = NULL;
    assert_int_equal(EVP_PKEY_keygen_init(c), 1);
    assert_int_equal(EVP_PKEY_keygen(c, &key), 1);
    assert_int_equal(EVP_PKEY_paramgen_init(c), 1);
    assert_int_equal(EVP_PKEY_paramgen(c, &peer), 1);
    EVP_PKEY_CTX_free(c);
    unsigned char *share = NULL;
    size_t n = EVP_PKEY_get1_encoded_public_key(key, &share);
    assert_int_equal(n, 1216);
    assert_int_equal(EVP_PKEY_set1_encoded_public_key(peer, share, n - 1), 0);
    assert_int_equal(EVP_PKEY_set1_encoded_public_key(peer, share, 0), 0);
    assert_int_equal(EVP_PKEY_set1_encoded_public_key(peer, share, n), 1);
    uint8_t ct[1120], s1[64], s2[64];
    size_t ct_n = sizeof ct, s_n = sizeof s1;
    EVP_PKEY_CTX *e = EVP_PKEY_CTX_new_from_pkey(lib, peer, NULL);
    EVP_PKEY_CTX *d = EVP_PKEY_CTX_new_from_pkey(lib, key, NULL);
    assert_int_equal(EVP_PKEY_encapsulate_init(e, NULL), 1);
    assert_int_equal(EVP_PKEY_encapsulate(e, ct, &ct_n, s1, &s_n), 1);
    assert_int_equal(ct_n, 1120);
    assert_int_equal(s_n, 64);
    assert_int_equal(EVP_PKEY_decapsulate_init(d, NULL), 1);
    assert_int_equal(EVP_PKEY_decapsulate(d, s2, &s_n, ct, ct_n), 1);
    assert_memory_equal(s1, s2, 64);
    assert_int_not_equal(EVP_PKEY_decapsulate(d, s2, &s_n, ct, ct_n - 1), 1);
    memset(ct + 1088, 0, 32); /* an X25519 key of small order */
    assert_int_not_equal(EVP_PKEY_decapsulate(d, s2, &s_n, ct, ct_n), 1);
    assert_true(bytes_zero(BYTES_OF(s2)));
    memset(share + 1184, 0, 32);
    assert_int_equal(EVP_PKEY_set1_encoded_public_key(peer, share, n), 1);
    assert_int_not_equal(EVP_PKEY_encapsulate(e, ct, &ct_n, s1, &s_n), 1);
    memset(share, 0xFF, 3); /* a coefficient of 4095 */
    assert_int_equal(EVP_PKEY_set1_encoded_public_key(peer, share, n), 0);
    OPENSSL_free(share);
    EVP_PKEY_CTX_free(e);
    EVP_PKEY_CTX_free(d);
    EVP_PKEY_free(key);
    EVP_PKEY_free(peer);
    group_provider_close(&g);
    OSSL_LIB_CTX_free(lib);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_meet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sentinel_is_pinned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_name_gets_an_alert, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stranger_sees_no_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(caller_with_another_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plain_text_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_hybrid_group_no_handshake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(asked_again_with_the_same_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_flipped_byte_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_that_were_altered, set_up, tear_down),
        cmocka_unit_test(malformed_shares),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
