/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * operations: the one table of what the daemon can do: verb of the command
 * line, method and path of the local API, parameters, results, help, example,
 * exit codes. The command line, its help, "did you mean", docs/openapi.yaml,
 * the API's dispatch and checks, and libenclave's calls all read this table.
 *
 * Owns nothing: all is const data. Errors: ST_NOT_FOUND, ST_USAGE.
 * Order: none.
 */
#ifndef ENCLAVE_TABLES_OPERATIONS_H
#define ENCLAVE_TABLES_OPERATIONS_H

#include "base/bytes.h"

#define OPERATION_PARAMS_MAX 16

enum op_kind {
    OP_POSITIONAL, /* enclave send TEXT */
    OP_OPTION,     /* --as NICK */
    OP_FLAG        /* --follow: true when given */
};

enum op_type {
    OP_TEXT,   /* UTF-8 */
    OP_BYTES,  /* a name in an enclave: any bytes but NUL. In JSON percent-encoded if not UTF-8,
                  with a second key NAME_encoded: true */
    OP_LOCAL,  /* a path on this machine; the API takes it absolute; any bytes, as OP_BYTES */
    OP_NUMBER, /* 0 .. 2^53 - 1 */
    OP_BOOL,
    OP_CHOICE,   /* one of `choices` */
    OP_DURATION, /* 30s, 10m, 12h, 7d on the command line; milliseconds in the API */
    OP_SECRET    /* never on the command line: prompt, --password-file, --password-fd */
};

enum {
    OP_REQUIRED = 1,
    OP_ONLY_CLI = 2, /* handled by the command line, not sent */
    OP_ONLY_API = 4, /* not typed by people: the command line finds the value out itself */
    OP_REST = 8,     /* takes all words that are left, joined by one blank */
    OP_HIDDEN = 16
};

struct op_param {
    const char *name;   /* in JSON and in paths */
    const char *option; /* --option of the command line; NULL: name, with '-' for '_' */
    enum op_kind kind;
    enum op_type type;
    unsigned flags;
    char letter;         /* -x, or 0 */
    const char *meta;    /* "NICK" */
    const char *choices; /* OP_CHOICE: "yes|no" */
    const char *help;
};

struct op_shape;

enum op_value { OP_V_TEXT, OP_V_NUMBER, OP_V_BOOL, OP_V_TIME, OP_V_OBJECT, OP_V_LIST, OP_V_TEXTS };

struct op_field {
    const char *name;
    enum op_value value;
    const struct op_shape *shape; /* OP_V_OBJECT, OP_V_LIST */
    const char *help;
};

struct op_shape {
    const char *name; /* of the schema in openapi.yaml */
    const struct op_field *fields;
    size_t n;
};

struct op_exit {
    int code;
    const char *when;
};

struct operation {
    const char *id;      /* stable name, used by libenclave: "create", "vault_unlock" */
    const char *verb;    /* of the command line, one or two words; NULL: API only */
    const char *group;   /* heading in `enclave help` */
    const char *summary; /* one line */
    const char *method;  /* NULL: command line only */
    const char *path;    /* "/v1/enclaves/{enclave}/members" */
    const struct op_param *params;
    size_t n_params;
    const struct op_shape *result; /* NULL: an empty object */
    const char *help;              /* paragraphs */
    const char *example;           /* lines to type, with what they do; shown first */
    const struct op_exit *exits;   /* besides 0, 1, 2, 11 and 13, which hold for all */
    size_t n_exits;
    unsigned flags;
};

enum {
    OPERATION_STREAM = 1, /* answers with NDJSON, a line an event */
    OPERATION_LOCKED = 2, /* works also while the vault is locked or absent */
    OPERATION_HIDDEN = 4  /* not in `enclave help` */
};

const struct operation *operations_all(size_t *ret_n);
/* Options that every verb takes. */
const struct op_param *operations_globals(size_t *ret_n);

const struct operation *operation_by_id(const char *id); /* NULL: none */
/* Another word for a verb: {"upload", "put"}; NULL: there is no i-th one. */
struct op_alias {
    const char *word;
    const char *verb;
};
const struct op_alias *operation_alias(size_t i);
/* The longest verb, or other word for one, that words begin with; *ret_used = words it took. NULL: none. */
const struct operation *operation_by_words(const char *const *words, size_t n, size_t *ret_used);
/* The verb or its first word nearest to what was typed; NULL: none near enough. */
const char *operation_suggest(const char *const *words, size_t n);
const struct op_param *operation_param(const struct operation *op, const char *name);

/* A piece of a path that stood for a {name}. */
struct op_piece {
    const char *name;
    size_t name_n;
    struct bytes raw; /* as in the URL, still percent-encoded */
};
#define OPERATION_PIECES_MAX 4
/* The operation that answers method and path (no query). *ret_allowed is false where the path is
 * known but not by this method. */
const struct operation *operation_by_path(const char *method, struct bytes path,
                                          struct op_piece ret_pieces[OPERATION_PIECES_MAX],
                                          size_t *ret_n, bool *ret_known_path);

/* Texts built from the table. */
void operation_usage(const struct operation *op, struct buf *out); /* one line */
void operation_help(const struct operation *op, struct buf *out);  /* example first */
void operations_overview(struct buf *out);                         /* `enclave help` */
void operations_openapi(struct buf *out);                          /* docs/openapi.yaml */

/* What is wrong with the table, for tests: NULL or a plain line. */
const char *operations_fault(char *room, size_t n);

#endif
