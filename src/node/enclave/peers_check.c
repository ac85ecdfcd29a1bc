/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Is a link that was quiet still alive? Asked beside what is sent over it: what is said goes through the room
 * as well, and files are asked for again, so nothing waits for the answer. */
#include "node/enclave/peers_private.h"

#define PEERS_CHECK_FIELDS(X, M) X(M, U64, number, 0, 0)
FIELDS_DECLARE(peers_check, PEERS_CHECK_FIELDS);
FIELDS_DEFINE(peers_check, PEERS_CHECK_FIELDS);

static void say(struct peers_link *pl, uint8_t type, uint64_t number)
{
    struct peers_check msg = {.number = number};
    struct buf frame = BUF_INIT;
    if (fields_encode(&peers_check_fields, &msg, &frame) == ST_OK)
        (void)!pl->owner->port.ops->send(pl->link, type, buf_view(&frame)); /* BUSY: it is alive */
    buf_free(&frame);
}

void peers_check_before(struct peers_link *pl)
{
    uint64_t now = env_mono_ms(pl->owner->env);
    if (pl->check_ms != 0 || pl->paused || now - pl->heard_ms < PEERS_FRESH_MS) return;
    pl->check_ms = now;
    say(pl, PEERS_CHECK, now);
}

bool peers_check_frame(struct peers_link *pl, uint8_t type, struct bytes payload)
{
    struct peers_check in;
    pl->heard_ms = env_mono_ms(pl->owner->env);
    pl->check_ms = 0;
    if (type != PEERS_CHECK && type != PEERS_CHECKED) return false;
    if (type == PEERS_CHECK && fields_decode(&peers_check_fields, payload, &in) == ST_OK)
        say(pl, PEERS_CHECKED, in.number);
    return true;
}

void peers_check_paused(struct peers_link *pl, bool stop)
{
    pl->paused = stop;
    pl->check_ms = 0; /* the answer may lie among what we do not read */
}

uint64_t peers_check_ends_ms(const struct peers_link *pl)
{
    return pl->check_ms == 0 ? UINT64_MAX : pl->check_ms + PEERS_CHECK_MS;
}
