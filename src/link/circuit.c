/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/circuit.h"

void circuit_init(struct circuit *c)
{
    *c = (struct circuit){.may_send = CIRCUIT_WINDOW, .may_come = CIRCUIT_WINDOW};
    buf_init(&c->queue, 2 * CIRCUIT_QUEUE); /* sent bytes are dropped late, in one move */
}

void circuit_free(struct circuit *c)
{
    buf_free(&c->queue);
}

static size_t queued(const struct circuit *c)
{
    return c->queue.n - c->from;
}

size_t circuit_room(const struct circuit *c)
{
    if (c->ending || c->end_said || c->end_heard) return 0;
    return CIRCUIT_QUEUE - queued(c);
}

enum status circuit_write(struct circuit *c, struct bytes in)
{
    if (c->ending || c->end_said || c->end_heard) return ST_CLOSED;
    if (in.n > circuit_room(c)) return ST_BUSY;
    if (c->from == c->queue.n) {
        buf_clear(&c->queue);
        c->from = 0;
    } else if (c->from >= CIRCUIT_QUEUE / 2) {
        buf_consume(&c->queue, c->from);
        c->from = 0;
    }
    buf_bytes(&c->queue, in);
    if (buf_status(&c->queue) != ST_OK) {
        circuit_abort(c, buf_status(&c->queue));
        return ST_NO_MEMORY;
    }
    return ST_OK;
}

void circuit_eof(struct circuit *c)
{
    c->ending = true;
}

void circuit_abort(struct circuit *c, enum status why)
{
    if (c->ending && c->from == c->queue.n) return;
    c->from = c->queue.n;
    c->ending = true;
    c->why = why;
}

enum circuit_say circuit_output(struct circuit *c, struct circuit_output *ret)
{
    *ret = (struct circuit_output){0};
    if (c->end_said || c->end_heard) return CIRCUIT_NONE;
    if (c->owed >= CIRCUIT_CREDIT) {
        ret->credit = (uint32_t)c->owed;
        c->may_come += c->owed;
        c->owed = 0;
        return CIRCUIT_GIVE;
    }
    size_t n = queued(c);
    if (n > CIRCUIT_CHUNK) n = CIRCUIT_CHUNK;
    if (n > c->may_send) n = c->may_send;
    if (n) {
        ret->data = BYTES(c->queue.p + c->from, n);
        c->from += n;
        c->may_send -= n;
        return CIRCUIT_DATA;
    }
    if (c->ending && queued(c) == 0) {
        ret->why = c->why;
        c->end_said = true;
        return CIRCUIT_END;
    }
    return CIRCUIT_NONE;
}

enum status circuit_data(struct circuit *c, struct bytes in)
{
    if (c->end_said || c->end_heard) return ST_CLOSED;
    if (in.n > CIRCUIT_CHUNK || in.n > c->may_come) {
        circuit_abort(c, ST_PROTOCOL);
        return ST_PROTOCOL;
    }
    c->may_come -= in.n;
    c->untaken += in.n;
    return ST_OK;
}

void circuit_taken(struct circuit *c, size_t n)
{
    if (n > c->untaken) n = c->untaken;
    c->untaken -= n;
    c->owed += n;
}

enum status circuit_credit(struct circuit *c, uint32_t n)
{
    if (c->end_said || c->end_heard) return ST_CLOSED;
    if (n == 0 || n > CIRCUIT_WINDOW - c->may_send) {
        circuit_abort(c, ST_PROTOCOL);
        return ST_PROTOCOL;
    }
    c->may_send += n;
    return ST_OK;
}

void circuit_end(struct circuit *c)
{
    c->end_heard = true;
}

bool circuit_over(const struct circuit *c)
{
    return c->end_said || c->end_heard;
}
