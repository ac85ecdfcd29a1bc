/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * early: which messages were shown before they were settled, so that each is
 * shown once.
 *
 * Owns: nothing but its own bytes. Errors: when more than EARLY_SHOWN_MAX wait,
 *     the oldest is forgotten and would be shown again.
 * Order: early_shown for each that is shown unsettled, early_was for each settled one.
 */
#ifndef ENCLAVE_CLI_EARLY_H
#define ENCLAVE_CLI_EARLY_H

#include <stdbool.h>
#include <stddef.h>

#define EARLY_SHOWN_MAX 256

struct early_shown {
    char uuid[EARLY_SHOWN_MAX][37];
    size_t n, at;
};

/* False: it was shown already. */
bool early_shown(struct early_shown *s, const char *uuid);
/* A settled one: true if it was shown before; it is then forgotten. */
bool early_was(struct early_shown *s, const char *uuid);

#endif
