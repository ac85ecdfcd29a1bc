/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/gate.h"

#include "node/enclave/enclave.h"

static bool wants(const struct enclave *e)
{
    return !e->removed && !e->halted && uplink_waiting(&e->up);
}

static bool others_want(const struct node *n, const struct enclave *e)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->enclaves[i] != e && wants(n->enclaves[i])) return true;
    return false;
}

static bool free_to_go(const struct node *n, const struct enclave *e)
{
    if (n->options.start_gap_ms == 0 || e->hurry) return true;
    return n->gate_last == e->slot && !others_want(n, e);
}

static void dial(struct node *n, struct enclave *e, uint64_t now_ms)
{
    uint64_t most = n->options.start_gap_ms;
    uint64_t least = most < GATE_PAUSE_MIN_MS ? most : GATE_PAUSE_MIN_MS;
    e->hurry = false;
    if (most > 0 && n->n > 1) {
        uint8_t draw[4];
        env_random(n->ports.env, draw, sizeof draw);
        n->gate_ms = now_ms + least + get_u32(draw) % (most - least + 1);
    }
    n->gate_last = e->slot;
    uplink_dial(&e->up);
}

/* One of those who wait for their turn, each as likely as the others. */
static struct enclave *next_of(struct node *n, uint64_t now_ms)
{
    struct enclave *due[NODE_ENCLAVES_MAX];
    size_t count = 0;
    uint8_t draw[4] = {0};
    for (size_t i = 0; i < n->n; i++) {
        struct enclave *e = n->enclaves[i];
        if (wants(e) && now_ms >= e->up.dial_at_ms) due[count++] = e;
    }
    if (count > 1) env_random(n->ports.env, draw, sizeof draw);
    return count == 0 ? NULL : due[get_u32(draw) % count];
}

void gate_tick(struct node *n, uint64_t now_ms)
{
    for (size_t i = 0; i < n->n; i++) {
        struct enclave *e = n->enclaves[i];
        if (wants(e) && now_ms >= e->up.dial_at_ms && free_to_go(n, e)) dial(n, e, now_ms);
    }
    struct enclave *next = now_ms >= n->gate_ms ? next_of(n, now_ms) : NULL;
    if (next != NULL) dial(n, next, now_ms);
}

uint64_t gate_next_ms(const struct node *n)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < n->n; i++) {
        const struct enclave *e = n->enclaves[i];
        if (!wants(e)) continue;
        uint64_t at = e->up.dial_at_ms;
        if (!free_to_go(n, e) && n->gate_ms > at) at = n->gate_ms;
        if (at < next) next = at;
    }
    return next;
}

void gate_hurry(struct enclave *e)
{
    if (e->node->options.start_gap_ms > 0 && !uplink_up(&e->up)) e->hurry = true;
}
