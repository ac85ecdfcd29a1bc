/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/files/place.h"

#include "crypto/hash.h"

#include <string.h>

#define COLUMNS_AIM 20
#define BALANCED_UP 0.9
#define BALANCED_LOSS 1e-3
#define THRIFTY_UP 0.99
#define THRIFTY_LOSS 1e-6

double place_loss(const uint8_t *columns, const double *p, size_t holders, unsigned k)
{
    /* Poisson-binomial by dynamic programming over the number of columns that are up; all counts
     * of k or more share the last cell. */
    double up[PLACE_COLUMNS_MAX + 1] = {1.0};
    if (k > PLACE_COLUMNS_MAX) return 1.0;
    for (size_t i = 0; i < holders; i++) {
        double next[PLACE_COLUMNS_MAX + 1] = {0};
        for (unsigned c = 0; c <= k; c++) {
            unsigned to = c + columns[i];
            next[to < k ? to : k] += up[c] * p[i];
            next[c] += up[c] * (1.0 - p[i]);
        }
        memcpy(up, next, sizeof up);
    }
    double loss = 0;
    for (unsigned c = 0; c < k; c++) loss += up[c];
    return loss;
}

/* The smallest number t of holders that may vanish for which the loss is small enough. */
static struct place_code by_rule(size_t g, double up, double most)
{
    if (g <= 1) return (struct place_code){1, 1};
    if (g > PLACE_BEST) g = PLACE_BEST;
    unsigned s = (unsigned)((COLUMNS_AIM + g - 1) / g);
    uint8_t columns[PLACE_BEST];
    double p[PLACE_BEST];
    for (size_t i = 0; i < g; i++) {
        columns[i] = (uint8_t)s;
        p[i] = up;
    }
    unsigned t = 1;
    if (g > 2)
        while (t < g - 1 && place_loss(columns, p, g, s * (unsigned)(g - t)) > most) t++;
    return (struct place_code){(uint8_t)(s * (g - t)), (uint8_t)(s * g)};
}

struct place_code place_balanced(size_t g)
{
    return by_rule(g, BALANCED_UP, BALANCED_LOSS);
}

struct place_code place_thrifty(size_t g)
{
    return by_rule(g, THRIFTY_UP, THRIFTY_LOSS);
}

static enum status pair_of(const char *text, struct place_code *ret)
{
    unsigned v[2] = {0, 0};
    unsigned at = 0;
    unsigned digits = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '/' && at == 0 && digits) {
            at = 1;
            digits = 0;
        } else if (*c >= '0' && *c <= '9' && digits < 2) {
            v[at] = v[at] * 10 + (unsigned)(*c - '0');
            digits++;
        } else {
            return ST_USAGE;
        }
    }
    if (at != 1 || !digits || v[0] < 1 || v[1] < v[0] || v[1] > PLACE_COLUMNS_MAX) return ST_USAGE;
    *ret = (struct place_code){(uint8_t)v[0], (uint8_t)v[1]};
    return ST_OK;
}

enum status place_profile(const char *text, size_t g, struct place_code *ret)
{
    if (!g) return ST_USAGE;
    if (strcmp(text, "balanced") == 0) {
        *ret = place_balanced(g);
    } else if (strcmp(text, "thrifty") == 0) {
        *ret = place_thrifty(g);
    } else if (strcmp(text, "mirror") == 0) {
        *ret = (struct place_code){1, (uint8_t)(g < PLACE_COLUMNS_MAX ? g : PLACE_COLUMNS_MAX)};
    } else {
        return pair_of(text, ret);
    }
    return ST_OK;
}

struct ranked {
    uint8_t key[32];
    uint16_t leaf;
};

void place_columns(const uint8_t secret[32], const uint8_t segment_id[32], const uint16_t *leaves,
                   size_t g, unsigned n, uint16_t ret[PLACE_COLUMNS_MAX])
{
    struct ranked order[PLACE_HOLDERS_MAX];
    if (g > PLACE_HOLDERS_MAX) g = PLACE_HOLDERS_MAX;
    for (size_t i = 0; i < g; i++) {
        struct ranked r;
        uint8_t leaf[2];
        put_u16(leaf, leaves[i]);
        HMAC_OF(r.key, BYTES(secret, 32), BYTES(segment_id, 32), BYTES_OF(leaf));
        r.leaf = leaves[i];
        size_t at = i;
        while (at > 0 && memcmp(order[at - 1].key, r.key, 32) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = r;
    }
    size_t use = g > PLACE_BEST && n <= PLACE_BEST ? PLACE_BEST : g;
    for (unsigned i = 0; i < n; i++) ret[i] = use ? order[i % use].leaf : PLACE_NOBODY;
}

int place_may_vanish(const uint16_t *at, unsigned n, unsigned k, unsigned *ret_holders)
{
    uint16_t leaf[PLACE_COLUMNS_MAX];
    unsigned count[PLACE_COLUMNS_MAX] = {0};
    unsigned holders = 0;
    unsigned total = 0;
    for (unsigned i = 0; i < n && i < PLACE_COLUMNS_MAX; i++) {
        if (at[i] == PLACE_NOBODY) continue;
        unsigned h = 0;
        while (h < holders && leaf[h] != at[i]) h++;
        if (h == holders) leaf[holders++] = at[i];
        count[h]++;
        total++;
    }
    if (ret_holders) *ret_holders = holders;
    if (total < k) return -1;
    /* The worst case: those with the most columns go first. */
    int gone = 0;
    for (;;) {
        unsigned most = 0;
        for (unsigned h = 1; h < holders; h++)
            if (count[h] > count[most]) most = h;
        if (!count[most] || total - count[most] < k) return gone;
        total -= count[most];
        count[most] = 0;
        gone++;
    }
}

double place_survival(const uint16_t *at, unsigned n, unsigned k, place_chance *chance, void *arg,
                      uint16_t *ret_weakest)
{
    uint16_t number[PLACE_COLUMNS_MAX];
    uint8_t columns[PLACE_COLUMNS_MAX] = {0};
    double p[PLACE_COLUMNS_MAX];
    size_t holders = 0;
    for (unsigned i = 0; i < n && i < PLACE_COLUMNS_MAX; i++) {
        if (at[i] == PLACE_NOBODY) continue;
        size_t h = 0;
        while (h < holders && number[h] != at[i]) h++;
        if (h == holders) {
            number[h] = at[i];
            p[holders++] = chance(arg, at[i]);
        }
        columns[h]++;
    }
    double worst = -1;
    *ret_weakest = PLACE_NOBODY;
    for (size_t h = 0; h < holders; h++) {
        double was = p[h];
        p[h] = 0;
        /* Of those without whom as much is lost, the one who is the least there. */
        double without = place_loss(columns, p, holders, k) + (1 - was) * 1e-12;
        p[h] = was;
        if (without <= worst) continue;
        worst = without;
        *ret_weakest = number[h];
    }
    return 1 - place_loss(columns, p, holders, k);
}
