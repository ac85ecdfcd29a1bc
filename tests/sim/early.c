/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Words handed over early: what the network does to them, and what a person's eye meets. A frame is lost,
 * doubled, spoiled, changes places with an older one or comes over the link of another; each word must be
 * seen once, and no hint be used for two entries, whether they reached the feed or not. */
#include "sim/sim.h"

#include "node/post/early.h"

#include <stdio.h>
#include <string.h>

static void keep(struct buf *to, struct bytes from)
{
    buf_clear(to);
    buf_bytes(to, from);
}

unsigned early_tap(void *arg, unsigned from, uint8_t type, struct bytes payload,
                   struct buf *ret_more)
{
    struct sim *s = arg;
    if (type != EARLY_FRAME) return 1;
    watch_early(s, from, payload);
    uint64_t r = rng_below(&s->early_rng, 100);
    unsigned copies = 1;
    if (r < 10) {
        copies = 0;
    } else if (r < 20) {
        copies = 2;
    } else if (r < 35) { /* it waits, and one that waited goes */
        keep(ret_more, buf_view(&s->early_held));
        keep(&s->early_held, payload);
        copies = 0;
    } else if (r < 45) {
        keep(ret_more, payload);
        ret_more->p[rng_below(&s->early_rng, ret_more->n)] ^= 1;
    } else if (r < 55) {
        keep(ret_more, buf_view(&s->early_last));
    }
    keep(&s->early_last, payload);
    return copies;
}

void early_seen(struct person *p, unsigned number, const char *uuid)
{
    char *eye = p->eye[number];
    if (eye[0] == '\0') snprintf(eye, sizeof p->eye[0], "%s", uuid);
    if (strcmp(eye, uuid) != 0) sim_fail(p->sim, "m%u sees w%u twice", p->i, number);
}

static bool on_early(void *arg, const struct node_message *m)
{
    struct person *p = arg;
    struct sim *s = p->sim;
    unsigned number = 0;
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)(m->text.n < 31 ? m->text.n : 31),
             (const char *)m->text.p);
    if (sscanf(text, "w%u ", &number) != 1 || number >= s->n_messages)
        sim_fail(s, "m%u is shown early what nobody said: %s", p->i, text);
    if (s->messages[number].from == p->i)
        sim_fail(s, "m%u is shown its own w%u early", p->i, number);
    if (m->number != 0 || !m->unsettled) sim_fail(s, "w%u is early and settled", number);
    s->checked[CHECK_EARLY]++;
    early_seen(p, number, m->uuid);
    return true;
}

void early_look(struct person *p)
{
    if (node_early(p->node, SIM_NAME, on_early, p) != ST_OK)
        sim_fail(p->sim, "m%u does not show what came early", p->i);
}

void early_end(struct sim *s)
{
    buf_free(&s->early_held);
    buf_free(&s->early_last);
}
