/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: all */
/* A sentinel that says BUSY for a while: words keep their order, and none is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/room/room_wire.h"
#include "unit/people.h"

#define WORDS 120
#define REFUSED_FROM 10
#define REFUSED_TO 60

/* Stands between alice and her links: some of her appends to the mail feed are answered BUSY. */
struct busy {
    struct link_port real;
    struct link_ops ops;
    struct link *server;
    const struct link_events *events;
    void *arg;
    unsigned attempts;
    uint32_t refused[REFUSED_TO];
    size_t n;
    uv_idle_t idle;
    bool idle_closed;
};

static struct busy *busy; /* a hook of a link port has no argument of ours */

static enum status dial_server(void *ctx, const char *address, const struct link_route *route,
                               const uint8_t pin[32], const struct link_events *events, void *arg,
                               struct link **ret)
{
    enum status st = busy->real.ops->dial_server(ctx, address, route, pin, events, arg, ret);
    busy->server = st == ST_OK ? *ret : NULL;
    busy->events = events;
    busy->arg = arg;
    return st;
}

static void answer(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    for (size_t i = 0; i < busy->n; i++) {
        uint8_t reply[5] = {0, 0, 0, 0, ROOM_RESULT_BUSY};
        put_u32(reply, busy->refused[i]);
        busy->events->frame(busy->arg, busy->server, ROOM_REPLY, BYTES_OF(reply));
    }
    busy->n = 0;
}

static enum status send_frame(struct link *l, uint8_t type, struct bytes payload)
{
    struct room_append m;
    if (l == busy->server && type == ROOM_APPEND &&
        fields_decode(&room_append_fields, payload, &m) == ST_OK && m.feed == 1) {
        unsigned attempt = busy->attempts++;
        if (attempt >= REFUSED_FROM && attempt < REFUSED_TO) {
            busy->refused[busy->n++] = m.req;
            uv_idle_start(&busy->idle, answer);
            return ST_OK;
        }
    }
    return busy->real.ops->send(l, type, payload);
}

static void between(struct person *p)
{
    if (p != &p->town->people[0]) return;
    busy->real = p->ports.link;
    busy->ops = *p->ports.link.ops;
    busy->ops.dial_server = dial_server;
    busy->ops.send = send_frame;
    p->ports.link.ops = &busy->ops;
    uv_idle_init(&p->town->loop, &busy->idle);
}

struct seen {
    unsigned n;
    bool in_order;
};

static bool see(void *arg, const struct node_message *m)
{
    struct seen *s = arg;
    char text[32];
    snprintf(text, sizeof text, "word %u", s->n);
    s->in_order &= bytes_same(m->text, bytes_str(text));
    s->n++;
    return true;
}

static void on_closed(uv_handle_t *h)
{
    (void)h;
    busy->idle_closed = true;
}

static void nothing_is_lost_in_a_rush(void **state)
{
    (void)state;
    struct town t;
    struct busy b = {.n = 0};
    struct answer answers[WORDS] = {{0}};
    busy = &b;
    town_start_with(&t, 2, between);
    person_create(&t.people[0], "room");
    person_admit(&t, &t.people[1], "room");
    for (unsigned i = 0; i < WORDS; i++) {
        char text[32];
        snprintf(text, sizeof text, "word %u", i);
        assert_int_equal(node_send(t.people[0].node, "room",
                                   &(struct node_say){.text = bytes_str(text)}, person_answer,
                                   &answers[i]),
                         ST_OK);
    }
    char last[32];
    snprintf(last, sizeof last, "word %u", WORDS - 1);
    person_wait_message(&t.people[1], "room", "alice", last);
    for (;;) { /* those that were refused may come after it, but they come */
        struct seen s = {0, true};
        assert_int_equal(node_messages(t.people[1].node, "room", 0, see, &s), ST_OK);
        assert_true(s.n <= WORDS);
        if (s.n == WORDS) break;
        town_turn(&t);
    }
    assert_true(b.attempts >= REFUSED_TO);
    uv_close((uv_handle_t *)&b.idle, on_closed);
    person_wait(&t, &b.idle_closed);
    town_end(&t);
    busy = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_in_a_rush),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
