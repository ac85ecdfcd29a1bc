/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * files_mem: core/ports/file.h in memory: the owner's own files on one machine.
 * What was committed outlives a crash; an unfinished file of a create keeps
 * what was written so far, as the real one does.
 *
 * Owns: all contents. Errors: as the port says. Order: as the port says.
 */
#ifndef ENCLAVE_TESTS_SIM_FILES_MEM_H
#define ENCLAVE_TESTS_SIM_FILES_MEM_H

#include "core/ports/file.h"
#include "sim/machine.h"

#define FILES_MEM_MAX ((size_t)64 << 20) /* of one file */

struct files_mem_one {
    struct files_mem_one *next;
    char *path;
    uint64_t tag; /* of an unfinished one, else 0 */
    bool unfinished;
    uint64_t inode, mtime_ms;
    uint32_t mode;
    uint8_t *p;
    size_t n, room;
};

struct files_mem {
    struct machine *m;
    struct files_mem_one *first;
    uint64_t inodes;
};

void files_mem_init(struct files_mem *f, struct machine *m);
void files_mem_free(struct files_mem *f);
struct file_port files_mem_port(struct files_mem *f);
/* Puts a file there, or replaces it, at once. */
void files_mem_write(struct files_mem *f, const char *path, struct bytes content);
/* NULL if there is none. */
const struct files_mem_one *files_mem_find(const struct files_mem *f, const char *path);

#endif
