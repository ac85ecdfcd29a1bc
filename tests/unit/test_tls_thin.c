/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto link */
/* A sentinel's side after the handshake (link/tls_thin, link/record), always against OpenSSL's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/sign.h"
#include "link/tls_internal.h"

#include <stdlib.h>
#include <string.h>

struct world {
    struct tls_ctx *ctx;
    struct tls *client, *server;
    uint8_t sent[100000], got[100000];
};

static void carry(struct tls *from, struct tls *to, size_t piece)
{
    struct bytes v;
    while (tls_output(from, &v, 1)) {
        if (v.n > piece) v.n = piece;
        assert_int_equal(tls_put(to, v), ST_OK);
        tls_sent(from, v.n);
        tls_step(to);
    }
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    uint8_t seed[32] = {7}, id[32], pin[32];
    sign_public(seed, id);
    sign_pin(id, pin);
    assert_int_equal(tls_ctx_new(&w->ctx), ST_OK);
    struct tls_config cs = {.role = TLS_AS_SERVER, .seed = seed};
    struct tls_config cc = {.role = TLS_TO_SERVER, .pin = pin};
    assert_int_equal(tls_new(w->ctx, &cs, &w->server), ST_OK);
    assert_int_equal(tls_new(w->ctx, &cc, &w->client), ST_OK);
    for (int i = 0; i < 4; i++) {
        carry(w->client, w->server, 5000);
        carry(w->server, w->client, 5000);
    }
    assert_int_equal(tls_state(w->client), TLS_OPEN);
    assert_int_equal(tls_state(w->server), TLS_OPEN);
    assert_null(w->server->ssl); /* which is the point of it */
    assert_non_null(w->client->ssl);
    for (size_t i = 0; i < sizeof w->sent; i++) w->sent[i] = (uint8_t)(i * 7 + i / 251);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    tls_free(w->client);
    tls_free(w->server);
    tls_ctx_free(w->ctx);
    free(w);
    return 0;
}

static void through(struct world *w, struct tls *from, struct tls *to, size_t n, size_t room,
                    size_t piece)
{
    size_t got = 0, now;
    memset(w->got, 0, n);
    assert_int_equal(tls_write(from, BYTES(w->sent, n)), ST_OK);
    carry(from, to, piece);
    while (got < n && (now = tls_read(to, w->got + got, room < n - got ? room : n - got)) > 0)
        got += now;
    assert_int_equal(got, n);
    assert_memory_equal(w->got, w->sent, n);
    assert_int_equal(tls_unread(to), 0);
}

static void bytes_both_ways(void **state)
{
    struct world *w = *state;
    static const size_t sizes[] = {1, 2, 500, 16383, 16384, 16385, 100000};
    static const size_t rooms[] = {7, 16384, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < 3; k++) {
            through(w, w->client, w->server, sizes[i], rooms[k], k == 1 ? 999 : 100000);
            through(w, w->server, w->client, sizes[i], rooms[k], k == 1 ? 999 : 100000);
        }
}

static void padding_is_taken_off(void **state)
{
    struct world *w = *state;
    assert_int_equal(SSL_set_block_padding(w->client->ssl, 1024), 1);
    assert_int_equal(tls_write(w->client, BYTES_LIT("x")), ST_OK);
    assert_true(tls_waiting(w->client) > 1024);
    carry(w->client, w->server, 100000);
    assert_int_equal(tls_read(w->server, w->got, 100), 1);
    through(w, w->client, w->server, 3000, 16384, 100000);
}

static void keys_change(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++) {
        int kind = i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
        assert_int_equal(SSL_key_update(w->client->ssl, kind), 1);
        through(w, w->client, w->server, 1000, 16384, 100000);
        assert_int_equal(tls_waiting(w->server) > 0, i % 2);
        through(w, w->server, w->client, 1000, 16384, 100000);
    }
    assert_int_equal(tls_state(w->client), TLS_OPEN);
}

static void each_end_says_that_it_ends(void **state)
{
    struct world *w = *state;
    tls_close(w->server, ST_CLOSED, NULL);
    carry(w->server, w->client, 1000);
    assert_int_equal(tls_read(w->client, w->got, 100), 0);
    assert_int_equal(tls_state(w->client), TLS_CLOSED);
    assert_int_equal(tls_status(w->client), ST_CLOSED);
    assert_int_equal(tls_write(w->server, BYTES_LIT("x")), ST_CLOSED);
}

static void the_client_says_that_it_ends(void **state)
{
    struct world *w = *state;
    assert_int_equal(tls_write(w->client, BYTES_LIT("last")), ST_OK);
    tls_close(w->client, ST_CLOSED, NULL);
    carry(w->client, w->server, 1000);
    assert_int_equal(tls_read(w->server, w->got, 100), 4);
    assert_int_equal(tls_read(w->server, w->got, 100), 0);
    assert_int_equal(tls_state(w->server), TLS_CLOSED);
    assert_int_equal(tls_status(w->server), ST_CLOSED);
    assert_true(tls_waiting(w->server) > 0); /* its own close_notify */
}

/* One byte of a record is another: nothing of it is given out, and the other side is told. */
static void an_altered_record(void **state)
{
    size_t n = RECORD_HEAD + 4 + RECORD_BODY_MIN;
    (void)state;
    for (size_t at = 0; at < n; at++) {
        void *own;
        set_up(&own);
        struct world *x = own;
        struct bytes v;
        uint8_t record[64];
        assert_int_equal(tls_write(x->client, BYTES_LIT("text")), ST_OK);
        assert_int_equal(tls_output(x->client, &v, 1), 1);
        assert_int_equal(v.n, n);
        memcpy(record, v.p, n);
        record[at] ^= 0x04;
        assert_int_equal(tls_put(x->server, BYTES(record, n)), ST_OK);
        assert_int_equal(tls_read(x->server, x->got, 100), 0);
        /* A length that is now longer waits for the rest, and judges then. */
        if (at == 4 || at == 3) {
            while (tls_state(x->server) == TLS_OPEN && tls_unread(x->server) < 20000) {
                assert_int_equal(tls_put(x->server, BYTES(x->sent, 100)), ST_OK);
                assert_int_equal(tls_read(x->server, x->got, 100), 0);
            }
        }
        assert_int_equal(tls_state(x->server), TLS_CLOSED);
        assert_true(tls_status(x->server) == ST_BAD_SEAL || tls_status(x->server) == ST_PROTOCOL);
        carry(x->server, x->client, 1000);
        assert_int_equal(tls_read(x->client, x->got, 100), 0);
        assert_int_equal(tls_state(x->client), TLS_CLOSED);
        assert_non_null(strstr(tls_reason(x->client), "alert"));
        tear_down(&own);
    }
}

static void a_replayed_record(void **state)
{
    struct world *w = *state;
    struct bytes v;
    uint8_t record[64];
    assert_int_equal(tls_write(w->client, BYTES_LIT("text")), ST_OK);
    assert_int_equal(tls_output(w->client, &v, 1), 1);
    size_t n = v.n;
    memcpy(record, v.p, n);
    carry(w->client, w->server, 100);
    assert_int_equal(tls_read(w->server, w->got, 100), 4);
    assert_int_equal(tls_put(w->server, BYTES(record, n)), ST_OK);
    assert_int_equal(tls_read(w->server, w->got, 100), 0);
    assert_int_equal(tls_status(w->server), ST_BAD_SEAL);
}

/* What a client that holds the keys may still say wrongly. */
static void records_of_a_client_that_lies(void **state)
{
    static const struct {
        uint8_t type;
        uint8_t n;
        uint8_t bytes[6];
    } rows[] = {
        {0, 4, {0}},                             /* padding alone */
        {20, 1, {1}},                            /* change_cipher_spec */
        {99, 1, {1}},                            /* no type */
        {RECORD_ALERT, 1, {1}},                  /* half an alert */
        {RECORD_HANDSHAKE, 5, {24, 0, 0, 1, 2}}, /* a KeyUpdate of no kind */
        {RECORD_HANDSHAKE, 4, {24, 0, 0, 1}},    /* cut */
        {RECORD_HANDSHAKE, 6, {24, 0, 0, 1, 0}}, /* and something */
        {RECORD_HANDSHAKE, 4, {4, 0, 0, 0}},     /* another message */
        {RECORD_HANDSHAKE, 0, {0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *own;
        set_up(&own);
        struct world *w = own;
        struct record_side lies = w->server->thin->in;
        uint8_t record[64];
        record_seal(&lies, rows[i].type, BYTES(rows[i].bytes, rows[i].n), record);
        assert_int_equal(tls_put(w->server, BYTES(record, rows[i].n + (size_t)RECORD_OVER)), ST_OK);
        assert_int_equal(tls_read(w->server, w->got, 100), 0);
        assert_int_equal(tls_status(w->server), ST_PROTOCOL);
        carry(w->server, w->client, 100);
        assert_int_equal(tls_read(w->client, w->got, 100), 0);
        assert_non_null(strstr(tls_reason(w->client), "alert"));
        tear_down(&own);
    }
}

static void an_empty_record_is_nothing(void **state)
{
    struct world *w = *state;
    struct record_side side = w->server->thin->in;
    uint8_t record[64];
    record_seal(&side, RECORD_DATA, BYTES_NONE, record);
    assert_int_equal(tls_put(w->server, BYTES(record, RECORD_OVER)), ST_OK);
    record_seal(&side, RECORD_DATA, BYTES_LIT("ab"), record);
    assert_int_equal(tls_put(w->server, BYTES(record, RECORD_OVER + 2)), ST_OK);
    assert_int_equal(tls_read(w->server, w->got, 100), 2);
    assert_int_equal(tls_state(w->server), TLS_OPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(padding_is_taken_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_end_says_that_it_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_client_says_that_it_ends, set_up, tear_down),
        cmocka_unit_test(an_altered_record),
        cmocka_unit_test_setup_teardown(a_replayed_record, set_up, tear_down),
        cmocka_unit_test(records_of_a_client_that_lies),
        cmocka_unit_test_setup_teardown(an_empty_record_is_nothing, set_up, tear_down),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
