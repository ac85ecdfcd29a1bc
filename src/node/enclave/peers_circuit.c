/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Links through the sentinel: a link_pipe over ROOM_CIRCUIT frames. A circuit's memory goes when
 * its link has had its last event and no reply for it is on the way. */
#include "node/enclave/peers_private.h"

#include <stdlib.h>
#include <string.h>

static void forget(struct peers_circuit *c)
{
    struct peers *p = c->owner;
    if (p == NULL) return;
    for (size_t i = 0; i < p->n_circuits; i++)
        if (p->circuits[i] == c) p->circuits[i] = p->circuits[--p->n_circuits];
    c->owner = NULL;
}

static void free_if_done(struct peers_circuit *c)
{
    if (!c->link_gone || c->opening) return;
    forget(c);
    circuit_free(&c->core);
    free(c);
}

/* Sends what the circuit has to say. */
static void flush(struct peers_circuit *c)
{
    struct circuit_output out;
    enum circuit_say say;
    if (c->owner == NULL || c->id == 0 || c->flushing) return;
    struct peers *p = c->owner;
    c->flushing = true;
    while ((say = circuit_output(&c->core, &out)) != CIRCUIT_NONE) {
        enum status st = ST_OK;
        if (say == CIRCUIT_DATA) {
            struct room_circuit_data msg = {.id = c->id, .bytes = out.data};
            st = uplink_tell(p->uplink, ROOM_CIRCUIT_DATA, &room_circuit_data_fields, &msg);
        } else if (say == CIRCUIT_GIVE) {
            struct room_circuit_credit msg = {.id = c->id, .bytes = out.credit};
            st = uplink_tell(p->uplink, ROOM_CIRCUIT_CREDIT, &room_circuit_credit_fields, &msg);
        } else {
            struct room_circuit_close msg = {.id = c->id, .reason = ROOM_CIRCUIT_DONE};
            st = uplink_tell(p->uplink, ROOM_CIRCUIT_CLOSE, &room_circuit_close_fields, &msg);
        }
        /* The bytes of a circuit are in order or it is dead. */
        if (st != ST_OK && say != CIRCUIT_END) circuit_abort(&c->core, st);
    }
    c->flushing = false;
}

static void pipe_output(void *arg, struct bytes bytes)
{
    struct peers_circuit *c = arg;
    if (circuit_write(&c->core, bytes) != ST_OK) circuit_abort(&c->core, ST_BUSY);
    flush(c);
}

static void pipe_taken(void *arg, size_t n)
{
    struct peers_circuit *c = arg;
    circuit_taken(&c->core, n);
    flush(c);
}

static size_t pipe_room(void *arg)
{
    const struct peers_circuit *c = arg;
    return circuit_room(&c->core);
}

static void pipe_closed(void *arg)
{
    struct peers_circuit *c = arg;
    c->link_gone = true;
    c->link = NULL;
    circuit_eof(&c->core);
    flush(c);
    free_if_done(c);
}

static struct link_pipe pipe_of(struct peers_circuit *c)
{
    return (struct link_pipe){.output = pipe_output,
                              .closed = pipe_closed,
                              .arg = c,
                              .taken = pipe_taken,
                              .room = pipe_room};
}

static struct peers_circuit *circuit_new(struct peers *p)
{
    if (p->n_circuits >= PEERS_CIRCUITS_MAX) return NULL;
    struct peers_circuit *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->owner = p;
    circuit_init(&c->core);
    p->circuits[p->n_circuits++] = c;
    return c;
}

static void got_circuit(void *arg, enum status st, struct bytes body)
{
    struct peers_circuit *c = arg;
    struct room_circuit reply;
    c->opening = false;
    if (st == ST_OK) st = fields_decode(&room_circuit_fields, body, &reply);
    if (st == ST_OK)
        c->id = reply.id;
    else if (c->link != NULL && c->owner != NULL)
        c->owner->port.ops->pipe_eof(c->link);
    flush(c);
    free_if_done(c);
}

enum status peers_circuit_dial(struct peers *p, struct peer *peer, struct peers_link *pl)
{
    char sni[SNI_TEXT + 1];
    struct room_circuit_open msg = {0};
    struct peers_circuit *c = circuit_new(p);
    if (c == NULL) return ST_BUSY;
    c->leaf = peer->member.leaf;
    c->dialled = true;
    peers_sni(p, c->leaf, sni);
    memcpy(msg.to, peer->member.seat, 32);
    struct link_pipe pipe = pipe_of(c);
    enum status st = p->port.ops->dial_pipe(p->port.ctx, &pipe, sni, p->self, peer->member.id,
                                            &peers_link_events, pl, &c->link);
    if (st != ST_OK) {
        c->link_gone = true;
        free_if_done(c);
        return st;
    }
    pl->link = c->link;
    pl->circuit = c;
    c->opening = true;
    st = uplink_request(p->uplink, ROOM_CIRCUIT_OPEN, &room_circuit_open_fields, &msg, got_circuit,
                        c);
    if (st != ST_OK) {
        c->opening = false;
        p->port.ops->pipe_eof(c->link);
    }
    return ST_OK; /* a failure comes by the link's closed event */
}

static void refuse(struct peers *p, uint32_t id)
{
    struct room_circuit_close msg = {.id = id, .reason = ROOM_CIRCUIT_REFUSED};
    if (uplink_tell(p->uplink, ROOM_CIRCUIT_CLOSE, &room_circuit_close_fields, &msg) != ST_OK)
        env_log(p->env, ENV_DEBUG, "peers", "a refused circuit could not be closed");
}

static void on_offer(struct peers *p, struct bytes payload)
{
    struct room_circuit_offer in;
    if (fields_decode(&room_circuit_offer_fields, payload, &in) != ST_OK) return;
    struct peers_circuit *c = circuit_new(p);
    if (c == NULL) {
        refuse(p, in.id);
        return;
    }
    c->id = in.id;
    struct link_pipe pipe = pipe_of(c);
    if (p->port.ops->accept_pipe(p->port.ctx, &pipe, &p->gate, &c->link) != ST_OK) {
        refuse(p, in.id);
        c->link_gone = true;
        free_if_done(c);
    }
}

static struct peers_circuit *circuit_of(struct peers *p, uint32_t id)
{
    for (size_t i = 0; i < p->n_circuits && id != 0; i++)
        if (p->circuits[i]->id == id) return p->circuits[i];
    return NULL;
}

static void on_data(struct peers *p, struct bytes payload)
{
    struct room_circuit_data in;
    if (fields_decode(&room_circuit_data_fields, payload, &in) != ST_OK) return;
    struct peers_circuit *c = circuit_of(p, in.id);
    if (c == NULL) return;
    if (circuit_data(&c->core, in.bytes) == ST_OK && c->link != NULL)
        p->port.ops->pipe_input(c->link, in.bytes);
    else if (c->link != NULL)
        p->port.ops->pipe_eof(c->link);
    flush(c);
}

static void on_credit(struct peers *p, struct bytes payload)
{
    struct room_circuit_credit in;
    if (fields_decode(&room_circuit_credit_fields, payload, &in) != ST_OK) return;
    struct peers_circuit *c = circuit_of(p, in.id);
    if (c == NULL) return;
    if (circuit_credit(&c->core, in.bytes) != ST_OK && c->link != NULL)
        p->port.ops->pipe_eof(c->link);
    flush(c);
    if (c->link != NULL) p->port.ops->pipe_room(c->link);
}

static void on_close(struct peers *p, struct bytes payload)
{
    struct room_circuit_close in;
    if (fields_decode(&room_circuit_close_fields, payload, &in) != ST_OK) return;
    struct peers_circuit *c = circuit_of(p, in.id);
    if (c == NULL) return;
    circuit_end(&c->core);
    c->id = 0;
    if (c->link != NULL) p->port.ops->pipe_eof(c->link);
}

void peers_circuits_down(struct peers *p)
{
    for (size_t i = 0; i < p->n_circuits; i++) {
        struct peers_circuit *c = p->circuits[i];
        circuit_end(&c->core);
        c->id = 0;
        if (c->link != NULL) p->port.ops->pipe_eof(c->link);
    }
}

bool peers_circuit_push(struct peers *p, uint8_t type, struct bytes payload)
{
    switch (type) {
    case ROOM_CIRCUIT_OFFER: on_offer(p, payload); return true;
    case ROOM_CIRCUIT_DATA: on_data(p, payload); return true;
    case ROOM_CIRCUIT_CREDIT: on_credit(p, payload); return true;
    case ROOM_CIRCUIT_CLOSE: on_close(p, payload); return true;
    default: return false;
    }
}
