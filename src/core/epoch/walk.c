/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/epoch/walk.h"

#include "core/epoch/schedule.h"

#include <string.h>

enum status walk_back(const uint8_t room[32], const struct entry0_envelope *heads, size_t n,
                      uint64_t epoch, const uint8_t log_key[32], uint8_t *ret_keys,
                      uint64_t *ret_commits)
{
    /* Each epoch needs a COMMIT of its own, so a claim above n cannot be true. */
    if (n == 0 || epoch >= n) return ST_INTEGRITY;
    memcpy(ret_keys + epoch * 32, log_key, 32);
    ret_commits[0] = 0;
    size_t end = n;
    for (uint64_t e = epoch; e > 0; e--) {
        size_t found = n;
        for (size_t i = 0; i < end && found == n; i++)
            if (heads[i].epoch == e - 1 &&
                schedule_back_open(ret_keys + e * 32, room, e, heads[i].back,
                                   ret_keys + (e - 1) * 32) == ST_OK)
                found = i;
        if (found == n) return ST_INTEGRITY;
        ret_commits[e] = found;
        end = found; /* the COMMIT before it stands further down */
    }
    return ST_OK;
}
