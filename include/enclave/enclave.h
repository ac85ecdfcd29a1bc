/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * libenclave: talks to a running enclaved through its Unix socket. What can be
 * called, with which parameters and results, is docs/openapi.yaml: an operation
 * is named by its operationId, parameters by their names there.
 *
 *     struct enclave *e;
 *     if (enclave_open(NULL, &e) != 0) ...
 *     struct enclave_param to[] = {{"enclave", "family", 0}, {"text", "hello", 0}};
 *     struct enclave_answer *a = enclave_call(e, "send", to, 2);
 *     if (enclave_exit(a) != 0) fprintf(stderr, "%s\n", enclave_text(a));
 *     enclave_answer_free(a);
 *     enclave_close(e);
 *
 * Files: enclave_upload, enclave_download and enclave_file_info (examples/keep.c uses all of them).
 * Build with `pkg-config --cflags --libs libenclave`.
 *
 * Owns: a handle belongs to its caller until enclave_close, an answer until
 *     enclave_answer_free; texts live as long as what they were asked from.
 * Errors: enclave_call always returns an answer, except when memory is out
 *     (NULL; all functions take NULL and then say exit 1). Exit codes are those
 *     of the command line: 0 ok, 2 usage, 4 not found, 5 conflict, 11 locked,
 *     12 wrong password, 13 the daemon does not run, 130 cancelled, ...
 * Order: enclave_open, calls one after the other, enclave_close.
 * Thread: one thread per handle; enclave_cancel from any thread or a signal
 *     handler.
 */
#ifndef ENCLAVE_ENCLAVE_H
#define ENCLAVE_ENCLAVE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ENCLAVE_ANSWER_MAX ((size_t)64 << 20)

struct enclave;
struct enclave_answer;

struct enclave_param {
    const char *name;
    const char *value; /* any bytes but NUL for names of files; numbers and true/false as text */
    size_t length;     /* of value; 0: it ends at its NUL */
};

/* home: the daemon's directory; NULL: $ENCLAVE_HOME, else $XDG_DATA_HOME/enclave, else
 * ~/.local/share/enclave. Does not connect yet. Returns 0 or an exit code. */
int enclave_open(const char *home, struct enclave **ret);
void enclave_close(struct enclave *e);
const char *enclave_home(const struct enclave *e);

struct enclave_answer *enclave_call(struct enclave *e, const char *operation,
                                    const struct enclave_param *params, size_t n);
int enclave_exit(const struct enclave_answer *a);
const char *enclave_status(const struct enclave_answer *a); /* "OK", "NOT_FOUND", ... */
const char *enclave_text(const struct enclave_answer *a);   /* what happened; "" if all is well */
const char *enclave_next(const struct enclave_answer *a);   /* what to type next; "" if nothing */
const char *enclave_json(const struct enclave_answer *a);   /* the whole document */
size_t enclave_json_length(const struct enclave_answer *a);
void enclave_answer_free(struct enclave_answer *a);

/* Calls line for each event (one JSON object, without newline) after number `after`, for ever: until
 * line returns 0, enclave_cancel, or the daemon goes. */
typedef int enclave_line(void *arg, const char *json, size_t n);
struct enclave_answer *enclave_follow(struct enclave *e, unsigned long long after,
                                      enclave_line *line, void *arg);

/* ---- files ---- */

/* How a transfer goes; valid during the call. */
struct enclave_progress {
    const char
        *state; /* "queued", "reading", "spreading", "accepted", "safe", "fetching", "waiting",
                          "done" or "failed" */
    const char *text; /* the same in plain words */
    unsigned long long bytes, total;
    unsigned long long rate;        /* bytes a second, lately; 0: not known */
    unsigned long long eta_ms;      /* time left; 0: not known */
    unsigned holders, holders_done; /* wanted; those that have acknowledged all of theirs */
};
/* Called in the thread of the call, at least once, at most every quarter of a second. 0: no more is
 * waited for (exit 130); the transfer itself goes on in the daemon. */
typedef int enclave_watch(void *arg, const struct enclave_progress *p);

/* All zeros is fine, and so is NULL for it. */
struct enclave_transfer {
    const char *enclave; /* by name; NULL: the only one of this home */
    const char *profile; /* upload: "K/N"; NULL: as the daemon is set */
    int to_the_end;      /* upload: wait until every column is kept, not only for the loss of one
                            holder to do no harm */
    int replace;         /* download: a file that is there is written over */
    enclave_watch *watch;
    void *arg;
};

/* Puts the file `local` into the enclave as `path` and waits until the loss of one holder would do no
 * harm. Exit 0: as safe as it can be; 3: safe from one loss, and still spreading; others: it failed,
 * or the wait for it ended. */
struct enclave_answer *enclave_upload(struct enclave *e, const char *local, const char *path,
                                      const struct enclave_transfer *how);
/* Writes `path` of the enclave to `local`: whole and verified, or not at all (exit 5: `local` is there
 * already; 8: too many shards are damaged). */
struct enclave_answer *enclave_download(struct enclave *e, const char *path, const char *local,
                                        const struct enclave_transfer *how);

struct enclave_file {
    unsigned long long size, version;
    int directory;
    unsigned may_vanish, holders; /* how many of the holders may vanish */
    unsigned k, n, segments, bad_shards;
    char sha256[65];  /* "" for a directory */
    char safety[128]; /* the same in plain words */
};
/* enclave: NULL for the only one. *ret is all zeros where the answer's exit is not 0. */
struct enclave_answer *enclave_file_info(struct enclave *e, const char *enclave, const char *path,
                                         struct enclave_file *ret);

/* ---- the call that runs ---- */

/* Ends the call that runs now and every later one with exit 130, until enclave_resume. */
void enclave_cancel(struct enclave *e);
void enclave_resume(struct enclave *e);

/* A call that takes longer is ended with exit 13; 0 (the start): no limit. */
void enclave_timeout(struct enclave *e, unsigned long ms);

const char *enclave_version(void);

#ifdef __cplusplus
}
#endif

#endif
