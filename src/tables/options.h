/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * options: the one reader of enclave.yaml for all programs. What may stand in
 * the file is a table of rows (option_rows.c: every key of every program, so
 * that one file can serve them all); what is not in the table is an error that
 * names file, line and the nearest known key.
 *
 * Precedence: command line > environment ENCLAVE_SECTION_KEY > file > profile
 * > default. Readers may be called in any order: a value set from a higher
 * origin is not overwritten by a lower one.
 *
 * Owns: struct options owns its values; texts it hands out live until the next
 *     change or options_free. The table is borrowed and const.
 * Errors: ST_CONFIG (unknown key, wrong type, out of bounds, not YAML, aliases,
 *     too deep), ST_TOO_BIG (file over OPTIONS_FILE_MAX), ST_NOT_FOUND, ST_DENIED,
 *     ST_IO, ST_NO_MEMORY. fault (may be NULL) then holds one plain line such as
 *     "enclave.yaml:7: unknown key coordinator.prot; did you mean coordinator.port?"
 *     Reading a key that is not in the table, or with the wrong type, stops the
 *     program: that is a bug of ours.
 * Order: options_new, options_read_* and options_set, readers, options_free.
 */
#ifndef ENCLAVE_TABLES_OPTIONS_H
#define ENCLAVE_TABLES_OPTIONS_H

#include "base/bytes.h"

#define OPTIONS_FILE_MAX ((size_t)64 << 10)
#define OPTIONS_DEPTH_MAX 3   /* section, key, value: nothing nests deeper */
#define OPTIONS_TEXT_MAX 4096 /* bytes of one value */
#define OPTIONS_ROWS_MAX 128

enum option_type {
    OPTION_TEXT,    /* min, max: length in bytes */
    OPTION_NUMBER,  /* decimal integer, min..max */
    OPTION_REAL,    /* decimal fraction such as 0.5, kept in millionths; min, max in millionths */
    OPTION_FLAG,    /* true or false */
    OPTION_DURATION /* 200ms, 20s, 10m, 12h, 7d; kept in milliseconds; min, max in milliseconds */
};

/* Which program takes notice of a row; a file may hold the keys of all of them. */
enum { OPTION_FOR_SENTINEL = 1, OPTION_FOR_DAEMON = 2, OPTION_FOR_STORAGE = 4 };

struct option_row {
    const char *key; /* "section.key", or "key" at the top level */
    enum option_type type;
    uint64_t min, max;
    const char *initial; /* the default, as it would be written in the file */
    const char *help;
    unsigned programs;
};

/* Values that a profile puts in place of defaults: the row "profile" names one. */
struct option_profile {
    const char *name;
    const char *const *settings; /* "section.key=value", ends with NULL */
};

struct option_table {
    const struct option_row *rows;
    size_t n;
    const struct option_profile *profiles;
    size_t n_profiles;
};

/* Every key of every program, and the profiles. */
const struct option_table *options_all(void);

struct options_fault {
    char text[640];
};

enum options_origin {
    OPTIONS_DEFAULT,
    OPTIONS_PROFILE,
    OPTIONS_FILE,
    OPTIONS_ENVIRONMENT,
    OPTIONS_COMMAND_LINE
};

struct options;

enum status options_new(const struct option_table *table, struct options **ret) MUST_USE;
void options_free(struct options *o);

enum status options_read_file(struct options *o, const char *path,
                              struct options_fault *fault) MUST_USE;
/* name stands in faults in place of the file's name. */
enum status options_read_yaml(struct options *o, struct bytes text, const char *name,
                              struct options_fault *fault) MUST_USE;
/* environ: "NAME=value" strings, ends with NULL. ENCLAVE_COORDINATOR_PORT is coordinator.port.
 * A variable that begins like a section but names no key is an error; others are not ours. */
enum status options_read_environment(struct options *o, char *const *environment,
                                     struct options_fault *fault) MUST_USE;
/* One value from the command line; where names its origin in faults, e.g. "--listen". */
enum status options_set(struct options *o, const char *key, const char *value, const char *where,
                        struct options_fault *fault) MUST_USE;
/* What belongs together is checked here, once all is read (shards_required <= shards_total). */
enum status options_check(const struct options *o, struct options_fault *fault) MUST_USE;

const char *options_text(const struct options *o, const char *key);    /* OPTION_TEXT */
uint64_t options_number(const struct options *o, const char *key);     /* OPTION_NUMBER */
uint64_t options_millionths(const struct options *o, const char *key); /* OPTION_REAL */
bool options_flag(const struct options *o, const char *key);           /* OPTION_FLAG */
uint64_t options_ms(const struct options *o, const char *key);         /* OPTION_DURATION */
enum options_origin options_origin_of(const struct options *o, const char *key);

/* Appends the whole configuration as YAML, each key with its help, for programs' rows. */
void options_dump(const struct options *o, unsigned programs, struct buf *out);

#endif
