/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Circuits: byte pipes between two attached seats. The hub counts, it reads nothing. */
#include "core/room/hub_inner.h"

#include <stdlib.h>
#include <string.h>

static struct circuit_end *find(const struct hub_conn *c, uint32_t id)
{
    struct circuit_end *e = c->circuits;
    while (e != NULL && e->id != id) e = e->next;
    return e;
}

static void unlink_end(struct circuit_end *e)
{
    struct circuit_end **at = &e->conn->circuits;
    while (*at != e) at = &(*at)->next;
    *at = e->next;
    e->conn->n_circuits--;
}

static void tell_close(struct hub *h, const struct circuit_end *e, uint8_t reason)
{
    struct room_circuit_close m = {.id = e->id, .reason = reason};
    hub_send_fields(h, e->conn, ROOM_CIRCUIT_CLOSE, &room_circuit_close_fields, &m);
}

static void free_both(struct hub *h, struct circuit_end *e)
{
    struct circuit_end *other = e->other;
    unlink_end(e);
    unlink_end(other);
    free(e);
    free(other);
    h->numbers.circuits--;
}

void hub_circuits_end(struct hub *h, struct hub_conn *c, uint8_t reason)
{
    while (c->circuits != NULL) {
        struct circuit_end *e = c->circuits;
        tell_close(h, e->other, reason);
        if (!c->dying) tell_close(h, e, reason);
        free_both(h, e);
    }
}

static uint32_t fresh_id(struct hub_conn *c)
{
    do {
        c->next_circuit++;
    } while (c->next_circuit == 0 || find(c, c->next_circuit) != NULL);
    return c->next_circuit;
}

static struct circuit_end *add_end(struct hub_conn *c, struct circuit_end *e)
{
    e->conn = c;
    e->id = fresh_id(c);
    e->credit = ROOM_CIRCUIT_WINDOW;
    e->next = c->circuits;
    c->circuits = e;
    c->n_circuits++;
    return e;
}

static enum status open_circuit(struct hub *h, struct hub_conn *c, const uint8_t to[32],
                                struct circuit_end **ret)
{
    if (c->room == NULL || c->dropped) return ST_DENIED;
    struct hub_conn *peer = hub_find_seat(c->room, to);
    if (peer == NULL || peer == c) return ST_NOT_FOUND;
    if (h->draining) return ST_BUSY;
    if (c->n_circuits >= h->limits.circuits || peer->n_circuits >= h->limits.circuits)
        return ST_QUOTA;
    struct circuit_end *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    if (a == NULL || b == NULL) {
        free(a);
        free(b);
        return ST_BUSY;
    }
    a->other = b;
    b->other = a;
    *ret = add_end(c, a);
    add_end(peer, b);
    h->numbers.circuits++;
    return ST_OK;
}

static void on_open(struct hub *h, struct hub_conn *c, struct bytes payload)
{
    struct room_circuit_open m;
    struct circuit_end *e = NULL;
    if (fields_decode(&room_circuit_open_fields, payload, &m) != ST_OK || m.req == 0) {
        hub_kill(h, c, ST_PROTOCOL);
        return;
    }
    enum status st = open_circuit(h, c, m.to, &e);
    if (st != ST_OK) {
        hub_reply(h, c, m.req, st, BYTES_NONE);
        return;
    }
    struct room_circuit reply = {e->id};
    struct room_circuit_offer offer = {.id = e->other->id};
    memcpy(offer.from, c->seat, 32);
    hub_reply_fields(h, c, m.req, &room_circuit_fields, &reply);
    hub_send_fields(h, e->other->conn, ROOM_CIRCUIT_OFFER, &room_circuit_offer_fields, &offer);
}

/* An id that is not known belongs to a circuit that was closed meanwhile: silence. */
static void on_data(struct hub *h, struct hub_conn *c, struct bytes payload)
{
    struct room_circuit_data m;
    if (fields_decode(&room_circuit_data_fields, payload, &m) != ST_OK) {
        hub_kill(h, c, ST_PROTOCOL);
        return;
    }
    struct circuit_end *e = find(c, m.id);
    if (e == NULL || m.bytes.n == 0) return;
    if (m.bytes.n > e->credit) {
        tell_close(h, e, ROOM_CIRCUIT_OVERRUN);
        tell_close(h, e->other, ROOM_CIRCUIT_OVERRUN);
        free_both(h, e);
        return;
    }
    e->credit -= (uint32_t)m.bytes.n;
    m.id = e->other->id;
    hub_send_fields(h, e->other->conn, ROOM_CIRCUIT_DATA, &room_circuit_data_fields, &m);
}

static void on_credit(struct hub *h, struct hub_conn *c, struct bytes payload)
{
    struct room_circuit_credit m;
    if (fields_decode(&room_circuit_credit_fields, payload, &m) != ST_OK) {
        hub_kill(h, c, ST_PROTOCOL);
        return;
    }
    struct circuit_end *e = find(c, m.id);
    if (e == NULL || m.bytes == 0) return;
    uint32_t room = HUB_CREDIT_MAX - e->other->credit;
    if (m.bytes > room) m.bytes = room;
    if (m.bytes == 0) return;
    e->other->credit += m.bytes;
    m.id = e->other->id;
    hub_send_fields(h, e->other->conn, ROOM_CIRCUIT_CREDIT, &room_circuit_credit_fields, &m);
}

static void on_close(struct hub *h, struct hub_conn *c, struct bytes payload)
{
    struct room_circuit_close m;
    if (fields_decode(&room_circuit_close_fields, payload, &m) != ST_OK) {
        hub_kill(h, c, ST_PROTOCOL);
        return;
    }
    struct circuit_end *e = find(c, m.id);
    if (e == NULL) return;
    /* Only the reasons that a member can have. */
    tell_close(h, e->other,
               m.reason == ROOM_CIRCUIT_REFUSED ? ROOM_CIRCUIT_REFUSED : ROOM_CIRCUIT_DONE);
    free_both(h, e);
}

void hub_circuit_frame(struct hub *h, struct hub_conn *c, uint8_t type, struct bytes payload)
{
    switch (type) {
    case ROOM_CIRCUIT_OPEN: on_open(h, c, payload); break;
    case ROOM_CIRCUIT_DATA: on_data(h, c, payload); break;
    case ROOM_CIRCUIT_CREDIT: on_credit(h, c, payload); break;
    default: on_close(h, c, payload); break;
    }
}
