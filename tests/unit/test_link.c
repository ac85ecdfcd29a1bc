/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto link */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "crypto/secret.h"
#include "crypto/sign.h"
#include "link/circuit.h"
#include "link/session.h"
#include "link/sni.h"
#include "unit/fields_mutate.h"
#include "vectors/vectors.h"

#include <stdlib.h>
#include <string.h>

/* ---- frames ---- */

static void frames_in_any_split(void **state)
{
    (void)state;
    struct buf all = BUF_INIT;
    static uint8_t fill[300000];
    const size_t sizes[] = {0, 1, 5, 4096, 300000, 70000, 2};
    for (size_t i = 0; i < 7; i++) {
        uint8_t head[FRAME_HEADER];
        frame_header((uint8_t)(0x10 + i), sizes[i], head);
        buf_bytes(&all, BYTES_OF(head));
        buf_raw(&all, fill, sizes[i]);
    }
    for (size_t piece = 1; piece <= all.n; piece = piece * 7 + 3) {
        struct frame_reader r;
        struct frame f;
        size_t seen = 0;
        frame_reader_init(&r, NULL);
        for (size_t at = 0; at < all.n; at += piece) {
            size_t n = all.n - at < piece ? all.n - at : piece;
            assert_int_equal(frame_put(&r, BYTES(all.p + at, n)), ST_OK);
            while (frame_next(&r, &f) == ST_OK) {
                assert_int_equal(f.type, 0x10 + seen);
                assert_int_equal(f.payload.n, sizes[seen]);
                seen++;
            }
        }
        assert_int_equal(seen, 7);
        frame_trim(&r);
        assert_null(r.p);
        frame_reader_free(&r);
    }
    buf_free(&all);
}

static void frames_have_a_limit(void **state)
{
    (void)state;
    struct frame_reader r;
    struct frame f;
    uint8_t head[FRAME_HEADER];
    frame_reader_init(&r, NULL);
    frame_header(0x10, FRAME_PAYLOAD_MAX, head);
    assert_int_equal(frame_put(&r, BYTES_OF(head)), ST_OK);
    assert_int_equal(frame_next(&r, &f), ST_PENDING);
    assert_true(r.cap <= SPARE_SIZE); /* a promise costs nothing */
    frame_reader_free(&r);
    frame_reader_init(&r, NULL);
    frame_header(0x10, FRAME_PAYLOAD_MAX + 1, head);
    assert_int_equal(frame_put(&r, BYTES_OF(head)), ST_OK);
    assert_int_equal(frame_next(&r, &f), ST_TOO_BIG);
    assert_int_equal(frame_next(&r, &f), ST_TOO_BIG);
    frame_reader_free(&r);
}

static void messages_survive_mutation(void **state)
{
    (void)state;
    struct hello h = {.version_min = 1, .version_max = 1, .ledger_size = 9, .more = BYTES_LIT("m")};
    fields_mutate(&hello_fields, &h);
    h.more = BYTES_NONE;
    assert_int_equal(fields_size(&hello_fields, &h), HELLO_SIZE);
    struct ping p = {.number = 7};
    fields_mutate(&ping_fields, &p);
    struct link_bye b = {.code = CLOSE_BUSY, .text = BYTES_LIT("come back later")};
    fields_mutate(&link_bye_fields, &b);
    for (int c = 0; c <= CLOSE_DENIED; c++)
        assert_int_equal(close_code_of(close_status((uint8_t)c)), c);
    struct hello old = {.version_min = 1, .version_max = 2},
                 new = {.version_min = 2, .version_max = 9};
    struct hello newer = {.version_min = 3, .version_max = 3}, odd = {.version_min = 3};
    uint8_t v = 0;
    assert_int_equal(hello_meet(&old, &new, &v), ST_OK);
    assert_int_equal(v, 2);
    assert_int_equal(hello_meet(&old, &newer, &v), ST_VERSION);
    assert_int_equal(hello_meet(&newer, &old, &v), ST_VERSION);
    assert_int_equal(hello_meet(&old, &odd, &v), ST_BAD_MESSAGE);
}

/* ---- names ---- */

static void names_of_the_model(void **state)
{
    (void)state;
    struct vectors v;
    VECTORS_OR_SKIP(&v, VECTORS_OWN "/protocol-own/sni.txt");
    while (vectors_next(&v)) {
        char text[SNI_TEXT + 1];
        struct sni_hit hit;
        uint64_t w = sni_window(vectors_u64(&v, "unix_time"));
        uint16_t leaf = (uint16_t)vectors_u64(&v, "leaf");
        uint8_t doors[2][32] = {{1}};
        memcpy(doors[1], vectors_bytes(&v, "door_key").p, 32);
        assert_int_equal(w, vectors_u64(&v, "window"));
        sni_build(doors[1], leaf, w, vectors_bytes(&v, "nonce").p, text);
        assert_string_equal(text, vectors_text(&v, "sni"));
        assert_int_equal(sni_check(bytes_str(text), doors, 2, leaf, w, &hit), ST_OK);
        assert_int_equal(hit.door, 1);
        assert_int_equal(hit.window, w);
        for (char *p = text; *p; p++) {
            if (*p < 'a' || *p > 'z') continue;
            *p = (char)(*p - 32); /* one capital is one too many */
            assert_int_equal(sni_check(bytes_str(text), doors, 2, leaf, w, &hit), ST_BAD_MESSAGE);
            *p = (char)(*p + 32);
        }
        assert_int_equal(sni_check(bytes_str(text), doors, 2, leaf, w + 1, &hit), ST_OK);
        if (w) assert_int_equal(sni_check(bytes_str(text), doors, 2, leaf, w - 1, &hit), ST_OK);
        assert_int_equal(sni_check(bytes_str(text), doors, 2, leaf, w + 2, &hit), ST_DENIED);
        assert_int_equal(sni_check(bytes_str(text), doors, 1, leaf, w, &hit), ST_DENIED);
        assert_int_equal(sni_check(bytes_str(text), doors, 2, leaf ^ 1, w, &hit), ST_DENIED);
        assert_int_equal(sni_check(BYTES(text, 38), doors, 2, leaf, w, &hit), ST_BAD_MESSAGE);
        text[5] = '=';
        assert_int_equal(sni_check(bytes_str(text), doors, 2, leaf, w, &hit), ST_BAD_MESSAGE);
    }
    vectors_close(&v);
}

static void names_work_once(void **state)
{
    (void)state;
    struct sni_replay r;
    struct sni_hit hit = {.window = 100};
    sni_replay_init(&r);
    for (uint32_t i = 0; i < SNI_REPLAY_MAX; i++) {
        put_u32(hit.token + 8, i * 2654435761U);
        put_u32(hit.token, i);
        hit.token[20] = 1;
        assert_int_equal(sni_replay_use(&r, &hit, 100), ST_OK);
        assert_int_equal(sni_replay_use(&r, &hit, 100), ST_REPLAY);
    }
    hit.token[23] = 9;
    assert_int_equal(sni_replay_use(&r, &hit, 100), ST_BUSY);
    hit.window = 101;
    assert_int_equal(sni_replay_use(&r, &hit, 100), ST_OK);
    hit.window = 103; /* takes the place of 100, whose names are too old by then */
    assert_int_equal(sni_replay_use(&r, &hit, 100), ST_DENIED);
    assert_int_equal(sni_replay_use(&r, &hit, 102), ST_OK);
    hit.window = 100; /* a clock that went back opens nothing */
    assert_int_equal(sni_replay_use(&r, &hit, 100), ST_REPLAY);
    hit.window = 101;
    assert_int_equal(sni_replay_use(&r, &hit, 102), ST_REPLAY);
    sni_replay_free(&r);
}

/* ---- circuits ---- */

static void circuit_keeps_to_its_credit(void **state)
{
    (void)state;
    struct circuit a, b;
    struct circuit_output out;
    static uint8_t fill[CIRCUIT_WINDOW * 2];
    circuit_init(&a);
    circuit_init(&b);
    size_t sent = 0, came = 0, wrote = 0;
    for (size_t i = 0; i < sizeof fill; i++) fill[i] = (uint8_t)(i % 251);
    while (came < 10 * sizeof fill) {
        if (wrote < 10 * sizeof fill && circuit_write(&a, BYTES_OF(fill)) == ST_OK)
            wrote += sizeof fill;
        enum circuit_say say;
        while ((say = circuit_output(&a, &out)) == CIRCUIT_DATA) {
            assert_true(out.data.n <= CIRCUIT_CHUNK);
            assert_int_equal(out.data.p[0], (sent % sizeof fill) % 251);
            sent += out.data.n;
            assert_int_equal(circuit_data(&b, out.data), ST_OK);
        }
        assert_int_equal(say, CIRCUIT_NONE);
        assert_true(sent - came <= CIRCUIT_WINDOW);
        assert_int_equal(circuit_output(&b, &out), CIRCUIT_NONE); /* nothing was taken yet */
        circuit_taken(&b, sent - came);
        came = sent;
        if (circuit_output(&b, &out) == CIRCUIT_GIVE)
            assert_int_equal(circuit_credit(&a, out.credit), ST_OK);
    }
    assert_int_equal(circuit_write(&a, BYTES_LIT("last")), ST_OK);
    circuit_eof(&a);
    assert_int_equal(circuit_write(&a, BYTES_LIT("x")), ST_CLOSED);
    assert_int_equal(circuit_output(&a, &out), CIRCUIT_DATA);
    assert_int_equal(circuit_output(&a, &out), CIRCUIT_END);
    assert_int_equal(out.why, ST_OK);
    assert_int_equal(circuit_output(&a, &out), CIRCUIT_NONE);
    circuit_end(&b);
    assert_true(circuit_over(&a) && circuit_over(&b));
    circuit_free(&a);
    circuit_free(&b);
}

static void circuit_refuses_more(void **state)
{
    (void)state;
    struct circuit c;
    struct circuit_output out;
    static uint8_t fill[CIRCUIT_QUEUE];
    circuit_init(&c);
    for (size_t i = 0; i < CIRCUIT_WINDOW / CIRCUIT_CHUNK; i++)
        assert_int_equal(circuit_data(&c, BYTES(fill, CIRCUIT_CHUNK)), ST_OK);
    assert_int_equal(circuit_data(&c, BYTES(fill, 1)), ST_PROTOCOL);
    assert_int_equal(circuit_output(&c, &out), CIRCUIT_END);
    assert_int_equal(out.why, ST_PROTOCOL);
    circuit_free(&c);
    circuit_init(&c);
    assert_int_equal(circuit_credit(&c, 1), ST_PROTOCOL);
    circuit_free(&c);
    circuit_init(&c);
    assert_int_equal(circuit_write(&c, BYTES_OF(fill)), ST_OK);
    assert_int_equal(circuit_room(&c), 0);
    assert_int_equal(circuit_write(&c, BYTES(fill, 1)), ST_BUSY);
    circuit_abort(&c, ST_CANCELLED);
    assert_int_equal(circuit_output(&c, &out), CIRCUIT_END);
    assert_int_equal(out.why, ST_CANCELLED);
    circuit_free(&c);
}

/* ---- sessions ---- */

struct pair {
    struct tls_ctx *ctx;
    struct session *client, *server;
    uint8_t seed[32], pin[32];
    struct hello client_hello, server_hello;
};

static int pair_up(void **state)
{
    struct pair *p = calloc(1, sizeof *p);
    uint8_t id[32];
    assert_int_equal(tls_ctx_new(&p->ctx), ST_OK);
    memset(p->seed, 5, 32);
    sign_public(p->seed, id);
    sign_pin(id, p->pin);
    p->client_hello = p->server_hello = (struct hello){.version_min = 1, .version_max = 1};
    *state = p;
    return 0;
}

static int pair_down(void **state)
{
    struct pair *p = *state;
    session_free(p->client);
    session_free(p->server);
    tls_ctx_free(p->ctx);
    free(p);
    return 0;
}

static void pair_start(struct pair *p, uint64_t now)
{
    struct tls_config c = {.role = TLS_TO_SERVER, .pin = p->pin};
    struct tls_config s = {.role = TLS_AS_SERVER, .seed = p->seed};
    assert_int_equal(session_new(p->ctx, &c, &p->client_hello, now, &p->client), ST_OK);
    assert_int_equal(session_new(p->ctx, &s, &p->server_hello, now, &p->server), ST_OK);
}

static size_t carry(struct session *from, struct session *to, uint64_t now)
{
    struct bytes v;
    size_t n = 0;
    while (session_output(from, &v, 1)) {
        assert_int_equal(session_put(to, v, now), ST_OK);
        n += v.n;
        session_sent(from, v.n, now);
    }
    return n;
}

/* Carries until one of the two has an event; returns it and whose it was. */
static enum session_event run(struct pair *p, uint64_t now, struct session **ret, struct frame *f)
{
    for (;;) {
        enum session_event e = session_next(*ret = p->client, f);
        if (e == SESSION_NONE) e = session_next(*ret = p->server, f);
        if (e != SESSION_NONE) return e;
        if (carry(p->client, p->server, now) + carry(p->server, p->client, now) == 0)
            return SESSION_NONE;
    }
}

static void pair_open(struct pair *p, uint64_t now)
{
    struct session *who;
    struct frame f;
    pair_start(p, now);
    assert_int_equal(run(p, now, &who, &f), SESSION_OPENED);
    assert_int_equal(run(p, now, &who, &f), SESSION_OPENED);
    assert_int_equal(run(p, now, &who, &f), SESSION_NONE);
    assert_true(session_open(p->client) && session_open(p->server));
}

static void sessions_greet(void **state)
{
    struct pair *p = *state;
    struct session *who;
    struct frame f;
    p->client_hello.ledger_size = 77;
    p->client_hello.ledger_head[0] = 3;
    pair_open(p, 0);
    assert_int_equal(session_hello(p->server)->ledger_size, 77);
    assert_int_equal(session_hello(p->server)->ledger_head[0], 3);
    for (int i = 0; i < 50; i++)
        assert_int_equal(session_send(p->client, 0x10, BYTES_LIT("small")), ST_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(run(p, 0, &who, &f), SESSION_FRAME);
        assert_ptr_equal(who, p->server);
    }
    assert_int_equal(session_send(p->client, LINK_HELLO, BYTES_NONE), ST_USAGE);
    assert_int_equal(session_send(p->client, 0x80, BYTES_NONE), ST_USAGE);
    session_close(p->client, ST_DENIED, "you were removed");
    assert_int_equal(session_send(p->client, 0x10, BYTES_NONE), ST_CLOSED);
    assert_int_equal(run(p, 0, &who, &f), SESSION_CLOSED);
    assert_ptr_equal(who, p->client);
    assert_int_equal(run(p, 0, &who, &f), SESSION_CLOSED);
    assert_int_equal(session_status(p->server), ST_DENIED);
    assert_non_null(strstr(session_reason(p->server), "you were removed"));
    assert_int_equal(run(p, 0, &who, &f), SESSION_NONE);
}

static void versions_that_do_not_meet(void **state)
{
    struct pair *p = *state;
    struct session *who;
    struct frame f;
    p->server_hello.version_min = 2;
    p->server_hello.version_max = 3;
    pair_start(p, 0);
    assert_int_equal(run(p, 0, &who, &f), SESSION_CLOSED);
    assert_int_equal(run(p, 0, &who, &f), SESSION_CLOSED);
    assert_int_equal(session_status(p->client), ST_VERSION);
    assert_int_equal(session_status(p->server), ST_VERSION);
    assert_non_null(strstr(session_reason(p->client), "versions 2 to 3"));
}

static void time_runs_out(void **state)
{
    struct pair *p = *state;
    struct session *who;
    struct frame f;
    pair_start(p, 1000);
    assert_int_equal(session_deadline(p->client), 1000 + SESSION_HANDSHAKE_MS);
    session_tick(p->client, 1000 + SESSION_HANDSHAKE_MS - 1);
    assert_false(session_over(p->client));
    session_tick(p->client, 1000 + SESSION_HANDSHAKE_MS);
    assert_int_equal(session_next(p->client, &f), SESSION_CLOSED);
    assert_int_equal(session_status(p->client), ST_TIMEOUT);
    session_free(p->client);
    session_free(p->server);
    pair_open(p, 1000);
    uint64_t t = 1000 + SESSION_PING_MS;
    assert_int_equal(session_deadline(p->client), t);
    session_tick(p->client, t);
    assert_int_equal(run(p, t, &who, &f), SESSION_NONE); /* PING and PONG: nobody above hears */
    assert_int_equal(session_deadline(p->client), t + SESSION_PING_MS);
    session_tick(p->client, t + SESSION_PING_MS);
    assert_int_equal(session_deadline(p->client), t + SESSION_DEAD_MS);
    session_tick(p->client, t + SESSION_DEAD_MS);
    assert_int_equal(session_next(p->client, &f), SESSION_CLOSED);
    assert_int_equal(session_status(p->client), ST_TIMEOUT);
    session_tick(p->server, t + 10 * SESSION_DEAD_MS); /* slept: asks first */
    assert_int_equal(session_deadline(p->server), t + 11 * SESSION_DEAD_MS - SESSION_PING_MS);
}

static void who_takes_nothing_is_left(void **state)
{
    struct pair *p = *state;
    struct frame f;
    static uint8_t fill[LINK_FRAME_MAX - FRAME_HEADER];
    pair_open(p, 0);
    unsigned n = 0;
    while (session_send(p->client, 0x10, BYTES_OF(fill)) == ST_OK) n++;
    assert_int_equal(n, LINK_HIGH_WATER / LINK_FRAME_MAX);
    assert_int_equal(session_send(p->client, 0x10, BYTES_NONE), ST_BUSY);
    for (uint64_t t = 10000; t < SESSION_STUCK_MS; t += 10000) {
        session_filled(p->client, 0, t); /* it goes on talking */
        session_tick(p->client, t);
        assert_int_equal(session_next(p->client, &f), SESSION_NONE);
    }
    session_tick(p->client, SESSION_STUCK_MS);
    assert_int_equal(session_next(p->client, &f), SESSION_CLOSED);
    assert_int_equal(session_status(p->client), ST_TIMEOUT);
}

static void end_without_a_word(void **state)
{
    struct pair *p = *state;
    struct session *who;
    struct frame f;
    pair_open(p, 0);
    assert_int_equal(session_send(p->client, 0x10, BYTES_LIT("last")), ST_OK);
    carry(p->client, p->server, 0);
    session_eof(p->server); /* what came before the end still counts */
    assert_int_equal(run(p, 0, &who, &f), SESSION_FRAME);
    assert_int_equal(run(p, 0, &who, &f), SESSION_CLOSED);
    assert_int_equal(session_status(p->server), ST_CLOSED);
}

/* Frames as a peer that keeps TLS but not the rules could send them. */
static void illegal_frames(void **state)
{
    struct pair *p = *state;
    static const struct {
        uint8_t type;
        const char *payload;
    } wrong[] = {{LINK_HELLO, "x"}, {LINK_PING, "short"}, {0x05, ""},      {0x00, ""},
                 {0x80, ""},        {0xFF, ""},           {LINK_CLOSE, ""}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct tls_config c = {.role = TLS_TO_SERVER, .pin = p->pin};
        struct tls_config s = {.role = TLS_AS_SERVER, .seed = p->seed};
        struct tls *raw;
        struct bytes v;
        struct frame f;
        enum session_event e;
        assert_int_equal(tls_new(p->ctx, &c, &raw), ST_OK);
        assert_int_equal(session_new(p->ctx, &s, &p->server_hello, 0, &p->server), ST_OK);
        struct buf say = BUF_INIT;
        uint8_t head[FRAME_HEADER];
        frame_header(LINK_HELLO, HELLO_SIZE, head);
        buf_bytes(&say, BYTES_OF(head));
        assert_int_equal(fields_encode(&hello_fields, &p->client_hello, &say), ST_OK);
        frame_header(wrong[i].type, strlen(wrong[i].payload), head);
        buf_bytes(&say, BYTES_OF(head));
        buf_str(&say, wrong[i].payload);
        bool said = false;
        do {
            if (tls_state(raw) == TLS_OPEN && !said) {
                assert_int_equal(tls_write(raw, buf_view(&say)), ST_OK);
                said = true;
            }
            while (tls_output(raw, &v, 1)) {
                assert_int_equal(session_put(p->server, v, 0), ST_OK);
                tls_sent(raw, v.n);
            }
            e = session_next(p->server, &f);
            while (session_output(p->server, &v, 1)) {
                assert_int_equal(tls_put(raw, v), ST_OK);
                session_sent(p->server, v.n, 0);
            }
            tls_step(raw);
        } while (e == SESSION_NONE || e == SESSION_OPENED);
        assert_int_equal(e, SESSION_CLOSED);
        assert_int_equal(session_status(p->server), ST_PROTOCOL);
        session_free(p->server);
        p->server = NULL;
        tls_free(raw);
        buf_free(&say);
    }
}

int main(void)
{
    if (crypto_start() != ST_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_in_any_split),
        cmocka_unit_test(frames_have_a_limit),
        cmocka_unit_test(messages_survive_mutation),
        cmocka_unit_test(names_of_the_model),
        cmocka_unit_test(names_work_once),
        cmocka_unit_test(circuit_keeps_to_its_credit),
        cmocka_unit_test(circuit_refuses_more),
        cmocka_unit_test_setup_teardown(sessions_greet, pair_up, pair_down),
        cmocka_unit_test_setup_teardown(versions_that_do_not_meet, pair_up, pair_down),
        cmocka_unit_test_setup_teardown(time_runs_out, pair_up, pair_down),
        cmocka_unit_test_setup_teardown(who_takes_nothing_is_left, pair_up, pair_down),
        cmocka_unit_test_setup_teardown(end_without_a_word, pair_up, pair_down),
        cmocka_unit_test_setup_teardown(illegal_frames, pair_up, pair_down),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
