/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/repair/plan.h"

#include "crypto/hash.h"

#include <string.h>

unsigned plan_threshold(unsigned k, unsigned n)
{
    return k + (n - k + 1) / 2;
}

static const struct plan_holder *find(const struct plan_holder *h, size_t g, uint16_t number)
{
    for (size_t i = 0; i < g; i++)
        if (h[i].number == number) return &h[i];
    return NULL;
}

/* Columns per holder, as they will be. */
struct tally {
    unsigned holder[PLACE_HOLDERS_MAX];
};

static bool better(const struct plan_holder *h, const struct tally *t, size_t a, size_t b)
{
    if (t->holder[a] != t->holder[b]) return t->holder[a] < t->holder[b];
    if (h[a].weight != h[b].weight) return h[a].weight > h[b].weight;
    return h[a].number < h[b].number;
}

static uint16_t place_one(const struct plan_holder *h, size_t g, struct tally *t, unsigned cap)
{
    size_t best = g;
    for (size_t i = 0; i < g; i++) {
        if (!h[i].stays || h[i].away || !h[i].up || !h[i].fit || t->holder[i] >= cap) continue;
        if (best == g || better(h, t, i, best)) best = i;
    }
    if (best == g) return PLACE_NOBODY;
    t->holder[best]++;
    return h[best].number;
}

void plan_segment(const struct plan_holder *h, size_t g, const uint16_t *at, unsigned k, unsigned n,
                  bool open, struct plan *ret)
{
    bool gone[PLACE_COLUMNS_MAX] = {false};
    bool away[PLACE_COLUMNS_MAX] = {false};
    bool unplaced[PLACE_COLUMNS_MAX] = {false};
    struct tally t = {{0}};
    unsigned able = 0;
    memset(ret, 0, sizeof *ret);
    if (g > PLACE_HOLDERS_MAX) g = PLACE_HOLDERS_MAX;
    if (n > PLACE_COLUMNS_MAX || k > n) return;
    for (size_t i = 0; i < g; i++) able += h[i].stays && !h[i].away;
    for (unsigned c = 0; c < n; c++) {
        const struct plan_holder *holder = find(h, g, at[c]);
        unplaced[c] = at[c] == PLACE_NOBODY;
        gone[c] = !unplaced[c] && (!holder || !holder->stays);
        away[c] = !unplaced[c] && !gone[c] && holder->away;
        ret->gone += gone[c];
        if (unplaced[c] || gone[c] || away[c]) continue;
        ret->live++;
        t.holder[holder - h]++;
    }
    /* More columns on the only machine that is left survive nothing more. */
    if (!able || (able == 1 && ret->live >= k)) return;
    bool low = ret->live <= plan_threshold(k, n);
    unsigned cap = (n + able - 1) / able;
    for (unsigned c = 0; c < n; c++) {
        if (!gone[c] && !(away[c] && low) && !(unplaced[c] && open)) continue;
        ret->due++;
        uint16_t to = place_one(h, g, &t, cap);
        if (to == PLACE_NOBODY) continue;
        ret->index[ret->placed] = (uint8_t)c;
        ret->to[ret->placed++] = to;
    }
}

/* The holder with most columns that can give one, and the one with fewest that can take one. */
static bool extremes(const struct plan_holder *h, size_t g, const struct tally *t, size_t *ret_most,
                     size_t *ret_least)
{
    size_t most = g;
    size_t least = g;
    for (size_t i = 0; i < g; i++) {
        if (!h[i].up || !h[i].stays) continue;
        if (most == g || t->holder[i] > t->holder[most]) most = i;
        if (h[i].fit && !h[i].away && (least == g || better(h, t, i, least))) least = i;
    }
    *ret_most = most;
    *ret_least = least;
    return most != g && least != g && t->holder[most] > t->holder[least] + 1;
}

void plan_even_out(const struct plan_holder *h, size_t g, const uint16_t *at, unsigned n,
                   struct plan *ret)
{
    uint16_t now[PLACE_COLUMNS_MAX];
    struct tally t = {{0}};
    size_t most;
    size_t least;
    memset(ret, 0, sizeof *ret);
    if (g > PLACE_HOLDERS_MAX) g = PLACE_HOLDERS_MAX;
    if (n > PLACE_COLUMNS_MAX) return;
    for (unsigned c = 0; c < n; c++) {
        const struct plan_holder *holder = find(h, g, at[c]);
        now[c] = at[c];
        if (!holder) continue;
        ret->live++;
        t.holder[holder - h]++;
    }
    while (extremes(h, g, &t, &most, &least)) {
        unsigned c = 0;
        while (c < n && now[c] != h[most].number) c++;
        if (c == n) return;
        now[c] = PLACE_NOBODY; /* once each: it is where it shall be */
        t.holder[most]--;
        t.holder[least]++;
        ret->index[ret->placed] = (uint8_t)c;
        ret->to[ret->placed++] = h[least].number;
    }
    ret->due = ret->placed;
}

void plan_order(const uint8_t segment_id[32], uint16_t *leaves, size_t n)
{
    uint8_t key[PLACE_HOLDERS_MAX][32];
    if (n > PLACE_HOLDERS_MAX) n = PLACE_HOLDERS_MAX;
    for (size_t i = 0; i < n; i++) {
        uint8_t own[32];
        uint8_t number[2];
        uint16_t leaf = leaves[i];
        put_u16(number, leaf);
        SHA256_OF(own, BYTES_LIT("ENCLAVE turn"), BYTES(segment_id, 32), BYTES_OF(number));
        size_t at = i;
        for (; at > 0 && memcmp(key[at - 1], own, 32) > 0; at--) {
            memcpy(key[at], key[at - 1], 32);
            leaves[at] = leaves[at - 1];
        }
        memcpy(key[at], own, 32);
        leaves[at] = leaf;
    }
}
