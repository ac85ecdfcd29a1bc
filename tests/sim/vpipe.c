/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Links over a pipe that the caller carries: the double of TLS inside a
 * circuit. Bytes: len u32 | crc u32 | type u8 | payload, where the checksum
 * stands for the seal: a carrier that changes a byte ends the link.
 */
#include "sim/vnet_inner.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 9
#define OUTPUT_MAX ((size_t)16384)
enum { NAME = 1, ANSWER = 2, CONFIRM = 3, OPEN = 4 };

void vpipe_put(struct link *l, uint8_t type, struct bytes payload)
{
    size_t from = l->out.n;
    buf_u32(&l->out, (uint32_t)(payload.n + 1));
    buf_u32(&l->out, 0);
    buf_u8(&l->out, type);
    buf_bytes(&l->out, payload);
    put_u32(l->out.p + from + 4, crc32_of(BYTES(l->out.p + from + 8, payload.n + 1)));
    vlink_pump_later(l);
}

void vpipe_start(struct link *l, const struct link_pipe *pipe, const struct link_gate *gate)
{
    l->is_pipe = true;
    l->pipe = *pipe;
    l->gate = gate;
    l->step = gate ? NAME : ANSWER;
    if (gate) return;
    struct buf hello = BUF_INIT;
    buf_raw(&hello, l->self, 32);
    buf_str(&hello, l->sni);
    vpipe_put(l, NAME, buf_view(&hello));
    buf_free(&hello);
}

void vpipe_input(struct link *l, struct bytes bytes)
{
    if (l->state >= VLINK_OVER || !l->m->up) return;
    buf_bytes(&l->in, bytes);
    l->untaken += bytes.n;
    vlink_pump_later(l);
}

void vpipe_eof(struct link *l)
{
    if (!l->m->up) return;
    l->eof = true;
    vlink_pump_later(l);
}

void vpipe_room(struct link *l)
{
    if (l->m->up) vlink_pump_later(l);
}

static void got_name(struct link *l, struct bytes payload)
{
    struct link_identity answer;
    struct buf out = BUF_INIT;
    if (payload.n < 32 ||
        l->gate->name(l->gate->arg, BYTES(payload.p + 32, payload.n - 32), &answer) != ST_OK) {
        vlink_over(l, ST_DENIED);
        return;
    }
    memcpy(l->peer.id, payload.p, 32);
    rng_bytes(&l->net->rng, l->peer.exporter, 32);
    buf_raw(&out, answer.id, 32);
    buf_raw(&out, l->peer.exporter, 32);
    vpipe_put(l, ANSWER, buf_view(&out));
    buf_free(&out);
    l->step = CONFIRM;
}

static void got_answer(struct link *l, struct bytes payload)
{
    if (payload.n != 64 || memcmp(payload.p, l->expect, 32) != 0) {
        vlink_over(l, ST_UNTRUSTED);
        return;
    }
    memcpy(l->peer.id, payload.p, 32);
    memcpy(l->peer.exporter, payload.p + 32, 32);
    vpipe_put(l, CONFIRM, BYTES_NONE);
    l->step = OPEN;
    l->state = VLINK_OPEN;
    if (l->events->opened) l->events->opened(l->arg, l, &l->peer);
}

static void got_confirm(struct link *l)
{
    if (l->gate->peer(l->gate->arg, l->peer.id) != ST_OK) {
        vlink_over(l, ST_DENIED);
        return;
    }
    l->step = OPEN;
    l->state = VLINK_OPEN;
    l->events = l->gate->accept(l->gate->arg, l, &l->arg);
    if (!l->events)
        vlink_over(l, ST_DENIED);
    else if (l->events->opened)
        l->events->opened(l->arg, l, &l->peer);
}

static void got_frame(struct link *l, uint8_t type, struct bytes payload)
{
    if (l->step == OPEN) {
        if (l->events->frame) l->events->frame(l->arg, l, type, payload);
    } else if (type != l->step) {
        vlink_over(l, ST_PROTOCOL);
    } else if (type == NAME) {
        got_name(l, payload);
    } else if (type == ANSWER) {
        got_answer(l, payload);
    } else {
        got_confirm(l);
    }
}

/* Takes one frame; false if there is no whole one. */
static bool take_one(struct link *l)
{
    if (l->in.n < HEAD) return false;
    size_t n = get_u32(l->in.p);
    if (n == 0 || n > LINK_FRAME_MAX) {
        vlink_over(l, ST_BAD_SEAL);
        return false;
    }
    if (l->in.n < 8 + n) return false;
    /* Out of the buffer first: the event may give more input. */
    uint8_t *frame = sim_copy(l->in.p, 8 + n);
    buf_consume(&l->in, 8 + n);
    if (crc32_of(BYTES(frame + 8, n)) != get_u32(frame + 4))
        vlink_over(l, ST_BAD_SEAL);
    else
        got_frame(l, frame[8], BYTES(frame + 9, n - 1));
    free(frame);
    return true;
}

static void flush(struct link *l)
{
    while (l->out.n > 0) {
        size_t n = l->out.n < OUTPUT_MAX ? l->out.n : OUTPUT_MAX;
        size_t room = l->pipe.room ? l->pipe.room(l->pipe.arg) : n;
        if (room == 0) return;
        if (n > room) n = room;
        uint8_t *copy = sim_copy(l->out.p, n);
        buf_consume(&l->out, n);
        l->pipe.output(l->pipe.arg, BYTES(copy, n));
        free(copy);
    }
}

/* A frame may be larger than the carrier's window: what came is taken as soon as it is read, whole
 * frame or not. */
static void taken(struct link *l)
{
    size_t n = l->untaken;
    if (l->state >= VLINK_OVER || l->paused || n == 0) return;
    l->untaken = 0;
    if (l->pipe.taken) l->pipe.taken(l->pipe.arg, n);
}

void vpipe_pump(struct link *l)
{
    taken(l);
    while (l->state < VLINK_OVER && !l->paused && take_one(l)) continue;
    if (!l->eof) flush(l);
    if (l->eof) vlink_over(l, ST_CLOSED);
}
