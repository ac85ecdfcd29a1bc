/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room link node node/enclave node/contact node/host node/post node/vote node/shelf node/audit node/repair node/put node/get node/hold core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/audit core/vault tables store net */
/* The links of a member and its line to the sentinel, over ports that only count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "node/enclave/peers.h"

#include <stdlib.h>
#include <string.h>

#define CALLS_MAX 64

struct link {
    struct world *w;
    const struct link_events *events;
    void *arg;
    struct link_pipe pipe;
    bool closed;
    uint8_t sent[8]; /* types of frames */
    size_t n_sent;
};

struct world {
    struct env env;
    struct link_port port;
    struct uplink up;
    struct peers *peers;
    struct link links[CALLS_MAX];
    size_t n;
    unsigned dialled;
    const struct link_gate *gate;
    uint8_t key[32];
    uint8_t room[32];
    uint64_t now;
    enum status told;
    unsigned tolds;
    uint8_t last_req[4];
    struct uplink_events events;
};

static uint64_t mono(void *ctx)
{
    return ((struct world *)ctx)->now;
}

static void draw(void *ctx, uint8_t *p, size_t n)
{
    struct world *w = ctx;
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(w->now + i);
}

static void keep_quiet(void *ctx, enum env_level level, const char *module, const char *text)
{
    (void)ctx;
    (void)level;
    (void)module;
    (void)text;
}

static struct link *take(struct world *w, const struct link_events *events, void *arg)
{
    struct link *l = &w->links[w->n++];
    *l = (struct link){.w = w, .events = events, .arg = arg};
    return l;
}

static enum status dial_server(void *ctx, const char *address, const struct link_route *route,
                               const uint8_t pin[32], const struct link_events *events, void *arg,
                               struct link **ret)
{
    (void)address;
    (void)route;
    (void)pin;
    *ret = take(ctx, events, arg);
    return ST_OK;
}

static enum status dial_peer(void *ctx, const char *address, const struct link_route *route,
                             const char *sni, const struct link_identity *self,
                             const uint8_t expect[32], const struct link_events *events, void *arg,
                             struct link **ret)
{
    (void)route;
    struct world *w = ctx;
    (void)sni;
    (void)self;
    (void)expect;
    assert_string_equal(address, "192.0.2.7:4000");
    w->dialled++;
    *ret = take(w, events, arg);
    return ST_OK;
}

static enum status accept_pipe(void *ctx, const struct link_pipe *pipe,
                               const struct link_gate *gate, struct link **ret)
{
    (void)gate;
    *ret = take(ctx, NULL, NULL);
    (*ret)->pipe = *pipe;
    return ST_OK;
}

static enum status listen_on(void *ctx, const char *address, const struct link_gate *gate,
                             struct link_listener **ret, uint16_t *ret_port)
{
    struct world *w = ctx;
    (void)address;
    w->gate = gate;
    *ret = NULL;
    *ret_port = 7;
    return ST_OK;
}

static enum status send_frame(struct link *l, uint8_t type, struct bytes payload)
{
    if (l->n_sent < sizeof l->sent) l->sent[l->n_sent++] = type;
    if (payload.n >= 4) memcpy(l->w->last_req, payload.p, 4);
    return ST_OK;
}

static void end_of_pipe(struct link *l)
{
    (void)l;
}

static void close_link(struct link *l)
{
    l->closed = true;
}

static const struct link_ops ops = {.dial_server = dial_server,
                                    .dial_peer = dial_peer,
                                    .accept_pipe = accept_pipe,
                                    .pipe_eof = end_of_pipe,
                                    .listen = listen_on,
                                    .send = send_frame,
                                    .close = close_link};

static size_t doors(void *arg, uint8_t ret[SNI_DOORS_MAX][32])
{
    memcpy(ret[0], ((struct world *)arg)->key, 32);
    return 1;
}

static bool pair(void *arg, uint64_t *epoch, uint8_t ret[32])
{
    if (*epoch == UINT64_MAX) *epoch = 3;
    memcpy(ret, ((struct world *)arg)->key, 32);
    return true;
}

static uint64_t unix_s(void *arg)
{
    return ((struct world *)arg)->now / 1000;
}

static bool busy(void *arg, uint16_t leaf)
{
    (void)arg;
    (void)leaf;
    return false;
}

static void change(void *arg, uint16_t leaf, bool up)
{
    (void)arg;
    (void)leaf;
    (void)up;
}

static void up_ready(void *arg, const struct link_peer *peer)
{
    (void)arg;
    (void)peer;
}

static void up_push(void *arg, uint8_t type, struct bytes payload)
{
    (void)arg;
    (void)type;
    (void)payload;
}

static void up_down(void *arg, enum status why)
{
    (void)arg;
    (void)why;
}

static void member(uint16_t leaf, struct peers_member *ret)
{
    ret->leaf = leaf;
    memset(ret->id, 0x10 + leaf, 32);
    memset(ret->seat, 0x40 + leaf, 32);
}

static void begin(struct world *w, bool direct)
{
    struct peers_member members[3];
    struct link_identity self = {{1}, {2}};
    assert_int_equal(crypto_start(), ST_OK);
    memset(w, 0, sizeof *w);
    w->now = 1000000;
    w->env =
        (struct env){.ctx = w, .mono_ms = mono, .wall_ms = mono, .random = draw, .log = keep_quiet};
    w->port = (struct link_port){&ops, w};
    w->events = (struct uplink_events){up_ready, up_push, up_down, NULL};
    uplink_init(&w->up, &w->env, &w->port, &w->events, w);
    struct peers_env penv = {.arg = w,
                             .direct = direct,
                             .doors = doors,
                             .pair = pair,
                             .unix_s = unix_s,
                             .busy = busy,
                             .change = change};
    assert_int_equal(peers_new(&w->env, &w->port, &w->up, &penv, &self, w->room, &w->peers), ST_OK);
    for (uint16_t i = 0; i < 3; i++) member(i, &members[i]);
    peers_roster(w->peers, 0, members, 3);
    assert_int_equal(peers_listen(w->peers, "127.0.0.1:0", "127.0.0.1"), ST_OK);
}

/* Lets every link that was closed have its last event. */
static void settle(struct world *w)
{
    for (size_t i = 0; i < w->n; i++) {
        struct link *l = &w->links[i];
        if (!l->closed || (l->events == NULL && l->pipe.closed == NULL)) continue;
        if (l->pipe.closed != NULL) l->pipe.closed(l->pipe.arg);
        if (l->events != NULL) l->events->closed(l->arg, l, ST_CLOSED);
        l->events = NULL;
        l->pipe.closed = NULL;
    }
}

static void end(struct world *w)
{
    peers_free(w->peers);
    for (size_t i = 0; i < w->n; i++)
        assert_true(w->links[i].closed || (w->links[i].events == NULL && !w->links[i].pipe.closed));
    settle(w);
    uplink_stop(&w->up);
}

/* What a member that breaks the mode would send: its address, sealed like everybody's. */
static void tell_address(struct world *w, uint16_t leaf)
{
    static const char hosts[] = "192.0.2.7:4000";
    uint8_t nonce[XAEAD_NONCE] = {9};
    struct peers_member m;
    struct buf plain = BUF_INIT, ad = BUF_INIT, sealed = BUF_INIT, payload = BUF_INIT;
    member(leaf, &m);
    buf_u8(&plain, 1);
    buf_u16(&plain, leaf);
    buf_u64(&plain, w->now / 1000);
    buf_u16(&plain, sizeof hosts - 1);
    buf_str(&plain, hosts);
    buf_zero(&plain, 512 - plain.n);
    buf_str(&ad, "ENCLAVE signal");
    buf_raw(&ad, w->room, 32);
    buf_raw(&ad, m.seat, 32);
    buf_u64(&ad, 3);
    buf_u64(&sealed, 3);
    xaead_seal_to(w->key, nonce, buf_view(&ad), buf_view(&plain), &sealed);
    struct room_signalled s = {.payload = buf_view(&sealed)};
    memcpy(s.from, m.seat, 32);
    assert_int_equal(fields_encode(&room_signalled_fields, &s, &payload), ST_OK);
    assert_true(peers_push(w->peers, ROOM_SIGNALLED, buf_view(&payload)));
    buf_free(&plain);
    buf_free(&ad);
    buf_free(&sealed);
    buf_free(&payload);
}

static void direct_mode_dials_what_it_is_told(void **state)
{
    (void)state;
    struct world w;
    begin(&w, true);
    assert_non_null(w.gate);
    tell_address(&w, 1);
    peers_want(w.peers, 1);
    assert_int_equal(w.dialled, 1);
    end(&w);
}

static void relay_mode_shows_its_address_to_nobody(void **state)
{
    (void)state;
    struct world w;
    begin(&w, false);
    assert_null(w.gate); /* and does not listen */
    tell_address(&w, 1);
    peers_want(w.peers, 1);
    w.now += 5000;
    peers_tick(w.peers, w.now);
    assert_int_equal(w.dialled, 0);
    end(&w);
}

static void one_member_cannot_take_all_places(void **state)
{
    (void)state;
    struct world w;
    struct peers_member m;
    struct link_peer who = {{0}, {0}, {0}};
    begin(&w, true);
    for (unsigned i = 0; i < 40; i++) {
        void *arg = NULL;
        struct link *l = take(&w, NULL, NULL);
        l->events = w.gate->accept(w.gate->arg, l, &arg);
        assert_non_null(l->events);
        l->arg = arg;
        member(i == 0 ? 2 : 1, &m);
        memcpy(who.id, m.id, 32);
        l->events->opened(l->arg, l, &who);
        settle(&w);
    }
    unsigned open = 0;
    for (size_t i = 0; i < w.n; i++) open += !w.links[i].closed;
    assert_in_range(open, 2, PEERS_LINKS_LEAF + 1);
    assert_true(peers_linked(w.peers, 2)); /* the other one was not touched */
    end(&w);
}

/* A circuit in the middle of its handshake would ask our gate again: it is closed at the end. */
static void no_gate_is_asked_after_the_end(void **state)
{
    (void)state;
    struct world w;
    struct buf payload = BUF_INIT;
    struct room_circuit_offer offer = {.id = 5};
    begin(&w, true);
    assert_int_equal(fields_encode(&room_circuit_offer_fields, &offer, &payload), ST_OK);
    assert_true(peers_push(w.peers, ROOM_CIRCUIT_OFFER, buf_view(&payload)));
    assert_int_equal(w.n, 1);
    assert_false(w.links[0].closed);
    end(&w);
    buf_free(&payload);
}

/* ---- the line to the sentinel ---- */

static void on_told(void *arg, enum status st, struct bytes body)
{
    struct world *w = arg;
    (void)body;
    w->told = st;
    w->tolds++;
}

static struct link *connect_up(struct world *w)
{
    struct link_peer who = {{0}, {0}, {0}};
    w->now = w->up.dial_at_ms;
    uplink_tick(&w->up, w->now);
    struct link *l = &w->links[w->n - 1];
    l->events->opened(l->arg, l, &who);
    return l;
}

static void every_request_is_answered_at_the_end(void **state)
{
    (void)state;
    struct world w;
    uint8_t pin[32] = {0};
    struct room_plain msg = {0};
    begin(&w, true);
    assert_int_equal(uplink_start(&w.up, "localhost:1", pin), ST_OK);
    connect_up(&w);
    assert_int_equal(uplink_request(&w.up, ROOM_PING, &room_plain_fields, &msg, on_told, &w),
                     ST_OK);
    uplink_stop(&w.up);
    assert_int_equal(w.tolds, 1);
    assert_int_equal(w.told, ST_CLOSED);
    end(&w);
}

static void who_is_turned_away_comes_back_slowly(void **state)
{
    (void)state;
    struct world w;
    uint8_t pin[32] = {0};
    struct room_plain msg = {0};
    begin(&w, true);
    assert_int_equal(uplink_start(&w.up, "localhost:1", pin), ST_OK);
    for (int i = 0; i < 8; i++) {
        uint8_t reply[5] = {0};
        struct link *l = connect_up(&w);
        assert_int_equal(uplink_request(&w.up, ROOM_PING, &room_plain_fields, &msg, on_told, &w),
                         ST_OK);
        memcpy(reply, w.last_req, 4);
        reply[4] = ROOM_RESULT_NOT_FOUND;
        l->events->frame(l->arg, l, ROOM_REPLY, BYTES_OF(reply));
        assert_int_equal(w.told, ST_NOT_FOUND);
        uplink_redial(&w.up, ST_NOT_FOUND);
        settle(&w);
    }
    assert_int_equal(w.up.pause_ms, UPLINK_PAUSE_MAX_MS);
    end(&w);
}

static struct link *open_link(struct world *w, uint16_t leaf, bool dialled)
{
    struct link_peer who = {.id = {0}};
    void *arg = NULL;
    struct link *l;
    memset(who.id, 0x10 + leaf, 32);
    if (dialled) {
        l = &w->links[w->n - 1];
    } else {
        l = take(w, NULL, NULL);
        l->events = w->gate->accept(w->gate->arg, l, &arg);
        l->arg = arg;
    }
    l->events->opened(l->arg, l, &who);
    return l;
}

static void a_quiet_link_is_asked_whether_it_lives(void **state)
{
    (void)state;
    struct world w;
    const uint8_t number[8] = {0, 0, 0, 0, 0, 0, 0, 9};
    begin(&w, true);
    tell_address(&w, 1);
    peers_want(w.peers, 1);
    struct link *l = open_link(&w, 1, true);
    assert_int_equal(peers_send(w.peers, 1, 0x12, BYTES_LIT("now")), ST_OK);
    assert_int_equal(l->n_sent, 1); /* heard of just now */
    w.now += PEERS_FRESH_MS;
    assert_int_equal(peers_send(w.peers, 1, 0x12, BYTES_LIT("later")), ST_OK);
    assert_int_equal(l->n_sent, 3);
    assert_int_equal(l->sent[1], PEERS_CHECK);
    assert_int_equal(l->sent[2], 0x12); /* nothing waits for the answer */
    assert_true(peers_next_ms(w.peers) <= w.now + PEERS_CHECK_MS);
    l->events->frame(l->arg, l, PEERS_CHECKED, BYTES_OF(number));
    w.now += PEERS_CHECK_MS;
    peers_tick(w.peers, w.now);
    assert_true(peers_linked(w.peers, 1));
    /* It is asked itself: the same number goes back, and that is no use of the link. */
    l->events->frame(l->arg, l, PEERS_CHECK, BYTES_OF(number));
    assert_int_equal(l->sent[3], PEERS_CHECKED);
    assert_int_equal(l->n_sent, 4);
    /* No answer: let go of, and reached anew when somebody wants it. */
    w.now += PEERS_FRESH_MS;
    assert_int_equal(peers_send(w.peers, 1, 0x12, BYTES_LIT("hello?")), ST_OK);
    w.now += PEERS_CHECK_MS - 1;
    peers_tick(w.peers, w.now);
    assert_false(l->closed);
    w.now++;
    peers_tick(w.peers, w.now);
    assert_true(l->closed);
    assert_false(peers_linked(w.peers, 1));
    assert_int_equal(peers_send(w.peers, 1, 0x12, BYTES_LIT("gone")), ST_UNREACHABLE);
    settle(&w);
    unsigned before = w.dialled;
    peers_want(w.peers, 1);
    assert_int_equal(w.dialled, before + 1);
    end(&w);
}

static void of_two_links_that_crossed_both_take_the_same(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct world w;
        begin(&w, true);
        tell_address(&w, 1);
        peers_want(w.peers, 1);
        struct link *ours = &w.links[w.n - 1], *theirs;
        if (first == 0) open_link(&w, 1, true);
        theirs = open_link(&w, 1, false);
        assert_int_equal(peers_send(w.peers, 1, 0x12, BYTES_LIT("words")), ST_OK);
        if (first == 0) { /* we are leaf 0: ours */
            assert_int_equal(ours->n_sent, 1);
            assert_int_equal(theirs->n_sent, 0);
            assert_false(theirs->closed);
        } else { /* ours was not open yet: it is given up */
            assert_true(ours->closed);
            assert_int_equal(theirs->n_sent, 1);
        }
        /* Idle for long enough, both end. */
        w.now += PEERS_IDLE_MS;
        peers_tick(w.peers, w.now);
        assert_true(ours->closed && theirs->closed);
        assert_false(peers_linked(w.peers, 1));
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(direct_mode_dials_what_it_is_told),
        cmocka_unit_test(relay_mode_shows_its_address_to_nobody),
        cmocka_unit_test(one_member_cannot_take_all_places),
        cmocka_unit_test(no_gate_is_asked_after_the_end),
        cmocka_unit_test(every_request_is_answered_at_the_end),
        cmocka_unit_test(who_is_turned_away_comes_back_slowly),
        cmocka_unit_test(a_quiet_link_is_asked_whether_it_lives),
        cmocka_unit_test(of_two_links_that_crossed_both_take_the_same),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
