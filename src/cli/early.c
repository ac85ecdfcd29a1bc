/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/early.h"

#include <stdio.h>
#include <string.h>

static size_t find(const struct early_shown *s, const char *uuid)
{
    size_t i = 0;
    while (i < s->n && strcmp(s->uuid[i], uuid) != 0) i++;
    return i;
}

bool early_shown(struct early_shown *s, const char *uuid)
{
    if (find(s, uuid) < s->n) return false;
    if (s->n < EARLY_SHOWN_MAX) s->at = s->n++;
    snprintf(s->uuid[s->at], sizeof s->uuid[0], "%s", uuid);
    s->at = (s->at + 1) % EARLY_SHOWN_MAX;
    return true;
}

bool early_was(struct early_shown *s, const char *uuid)
{
    size_t i = find(s, uuid);
    if (i == s->n) return false;
    s->n--;
    memmove(s->uuid[i], s->uuid[i + 1], (s->n - i) * sizeof s->uuid[0]);
    if (s->at > i) s->at--;
    return true;
}
