/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * talk/complete: how the word before the cursor of a chat may go on: commands,
 * names of members, open votes, paths. Pure: directories are read by a function
 * of the caller.
 *
 * Owns: struct talk_found owns its texts until talk_found_free.
 * Errors: none; without memory less is found. Order: talk_complete, use, talk_found_free.
 */
#ifndef ENCLAVE_CLI_TALK_COMPLETE_H
#define ENCLAVE_CLI_TALK_COMPLETE_H

#include "base/bytes.h"

#define TALK_FOUND_MAX 64 /* more are counted only */

struct talk_found {
    size_t n; /* all that fit, also those that are not kept */
    char *words[TALK_FOUND_MAX];
    char *add;       /* what all of them have in common after what is typed; "" or NULL: nothing */
    size_t typed_n;  /* bytes of the word that are there already */
    const char *end; /* what follows the word if there is one only: " ", ": " or "" */
};

/* Calls each(found, name, is_directory) for all that lies in the directory ("": here). */
typedef void talk_each(struct talk_found *found, const char *name, bool directory);
typedef void talk_list(void *arg, const char *directory, talk_each *each, struct talk_found *found);

struct talk_known {
    const char *const *nicks;
    size_t n_nicks;
    const char *const *refs; /* of open votes */
    size_t n_refs;
    bool private_words;
    talk_list *list;
    void *list_arg;
};

/* line[0..cursor) is what stands before the cursor. */
void talk_complete(const struct talk_known *known, const char *line, size_t cursor,
                   struct talk_found *ret);
void talk_found_free(struct talk_found *found);

#endif
