/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * kit_file: keeps HOME/recovery-kit up to date: where this machine's enclaves
 * can be reached, sealed under the recovery words, for `enclave revoke-self`
 * from another machine. Mode 0600; a crash leaves the old one or the new one.
 *
 * Owns: the text while a worker writes it; env is borrowed and outlives
 *     the last job.
 * Errors: none come back: a file that cannot be written is told to the log, and
 *     tried again at the next change and the next start.
 * Order: kit_file_init; kit_file_stale when it has changed; kit_file_save from
 *     the loop, not from inside a call of the node. No more of it once the node
 *     stops.
 * Thread: loop thread.
 */
#ifndef ENCLAVE_ENCLAVED_KIT_FILE_H
#define ENCLAVE_ENCLAVED_KIT_FILE_H

#include "base/bytes.h"
#include "base/env.h"
#include "core/ports/work.h"
#include "node/node.h"

struct kit_file {
    const struct env *env;
    char path[4300];
    bool stale;
    bool writing;
    struct buf text;
    enum status st; /* of the job */
};

void kit_file_init(struct kit_file *k, const char *home, const struct env *env);
void kit_file_stale(struct kit_file *k);
/* Begins to write it if it is stale and no writing runs. */
void kit_file_save(struct kit_file *k, struct node *node, struct work work);

#endif
