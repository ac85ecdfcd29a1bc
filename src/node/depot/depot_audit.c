/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Audits: a seat asks whether a column is still here, and is answered under the node's own key, which the
 * enclave's record of the grant names. The node knows no enclave id: it signs for the room. */
#include "node/depot/depot_private.h"

#include "crypto/sign.h"

#include <string.h>

static void sign_answer(void *ctx, struct bytes statement, uint8_t ret_sig[64])
{
    const struct depot_room *r = ctx;
    const struct bytes parts[] = {statement};
    sign_labelled(r->d->c.secret, "ENCLAVE-AUDIT", parts, 1, ret_sig);
}

/* Columns in memory are counted over all rooms. */
static bool has_room(void *ctx)
{
    const struct depot *d = ((const struct depot_room *)ctx)->d;
    unsigned jobs = 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->rooms[i]->audit != NULL) jobs += audit_server_jobs(d->rooms[i]->audit);
    return jobs < AUDIT_SERVE_JOBS;
}

/* An asker's number is its seat's place among those that have asked since the start: its ration outlives
 * its link. */
static uint16_t number_of(struct depot_room *r, const uint8_t seat[32])
{
    size_t n = r->askers.n / 32;
    for (size_t i = 0; i < n; i++)
        if (memcmp(r->askers.p + i * 32, seat, 32) == 0) return (uint16_t)i;
    if (n < AUDIT_ASKERS_MAX) buf_raw(&r->askers, seat, 32);
    return (uint16_t)n; /* one too many is told "busy" */
}

static enum status send_answer(void *ctx, uint16_t asker, uint8_t type, struct bytes payload)
{
    struct depot_room *r = ctx;
    for (struct depot_conn *c = r->d->conns; c != NULL; c = c->next)
        if (c->seated && c->session != NULL && c->asked && c->asker == asker &&
            memcmp(c->room_id, r->room, 32) == 0)
            return c->wire.send(c->wire.ctx, type, payload);
    return ST_CLOSED;
}

enum status depot_audit(struct depot_conn *c, struct depot_room *r, struct bytes payload)
{
    if (r->audit == NULL) {
        struct audit_server_config config = {.store = r->d->c.store,
                                             .work = r->d->c.work,
                                             .sign = sign_answer,
                                             .room = has_room,
                                             .send = send_answer,
                                             .ctx = r};
        memcpy(config.tag, r->tag, SHARD_TAG);
        memcpy(config.place, r->room, 32);
        r->audit = audit_server_new(&config);
        if (r->audit == NULL) return ST_OK; /* the asker's own time runs out */
    }
    c->asker = number_of(r, c->seat);
    c->asked = true;
    return audit_server_frame(r->audit, c->asker, payload, env_mono_ms(r->d->c.env));
}

void depot_audit_writable(struct depot_conn *c)
{
    struct depot_room *r = c->asked ? depot_room_of(c->d, c->room_id) : NULL;
    if (r != NULL && r->audit != NULL) audit_server_writable(r->audit, c->asker);
}

void depot_audit_gone(struct depot_conn *c)
{
    struct depot_room *r = c->asked ? depot_room_of(c->d, c->room_id) : NULL;
    if (r != NULL && r->audit != NULL) audit_server_gone(r->audit, c->asker);
}
