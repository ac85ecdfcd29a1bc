/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Files: a transfer is begun in the daemon and watched to its end. */
#include "client/client.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS "250" /* how often a transfer is looked at, if nothing happens meanwhile */
#define PARAMS_MAX 8

static const char *text_of(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s != NULL ? s : "";
}

static unsigned long long number_of(const json_t *o, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(o, name));
    return n > 0 ? (unsigned long long)n : 0;
}

static json_t *document(const struct enclave_answer *a)
{
    return enclave_exit(a) != 0
               ? NULL
               : json_loadb(enclave_json(a), enclave_json_length(a), JSON_ALLOW_NUL, NULL);
}

/* The daemon has another working directory. To be freed. */
static char *absolute(const char *path)
{
    if (*path == '/') return strdup(path);
    char *here = getcwd(NULL, 0);
    size_t n = here == NULL ? 0 : strlen(here) + strlen(path) + 2;
    char *all = here == NULL ? NULL : malloc(n);
    if (all != NULL) snprintf(all, n, "%s/%s", here, path);
    free(here);
    return all;
}

/* ---- following a transfer ---- */

static bool is(const json_t *t, const char *state)
{
    return strcmp(text_of(t, "state"), state) == 0;
}

static bool enough(const json_t *t, const struct enclave_transfer *how)
{
    if (is(t, "done") || is(t, "failed") || is(t, "safe")) return true;
    return is(t, "accepted") && !how->to_the_end;
}

static bool told(const json_t *t, const struct enclave_transfer *how)
{
    struct enclave_progress p = {.state = text_of(t, "state"),
                                 .text = text_of(t, "text"),
                                 .bytes = number_of(t, "bytes"),
                                 .total = number_of(t, "total"),
                                 .rate = number_of(t, "rate"),
                                 .eta_ms = number_of(t, "eta_ms"),
                                 .holders = (unsigned)number_of(t, "holders"),
                                 .holders_done = (unsigned)number_of(t, "holders_done")};
    return how->watch == NULL || how->watch(how->arg, &p) != 0;
}

/* The state of a transfer that is over, as the answer of the whole call. Keeps the document. */
static void settle(struct enclave_answer *a, const json_t *t)
{
    char *text = strdup(text_of(t, "text"));
    if (text != NULL) {
        free(a->text);
        a->text = text;
    }
    if (is(t, "accepted")) a->exit = status_exit(ST_PARTIAL);
    if (!is(t, "failed")) return;
    a->exit = (int)number_of(t, "exit");
    if (a->exit == 0) a->exit = 1;
    snprintf(a->status, sizeof a->status, "%s", text_of(t, "status"));
}

/* Until something happens in the daemon, or a moment is over. *after: the newest event seen. NULL: all
 * is well, else what went wrong. */
static struct enclave_answer *wait_event(struct enclave *e, unsigned long long *after)
{
    char number[24];
    bool first = *after == 0;
    snprintf(number, sizeof number, "%llu", *after);
    struct enclave_param params[] = {{"after", number, 0}, {"wait", LOOK_MS, 0}};
    struct enclave_answer *a =
        first ? enclave_call(e, "daemon_status", NULL, 0) : enclave_call(e, "events", params, 2);
    json_t *o = document(a);
    if (o == NULL) return a != NULL ? a : client_answer(ST_NO_MEMORY, "out of memory", "");
    *after = number_of(o, first ? "last_event" : "last");
    json_decref(o);
    enclave_answer_free(a);
    return NULL;
}

/* a: the answer that began it; taken over. */
static struct enclave_answer *follow(struct enclave *e, struct enclave_answer *a,
                                     const struct enclave_transfer *how)
{
    char id[24];
    unsigned long long after = 0;
    json_t *t = document(a);
    if (t == NULL) return a;
    snprintf(id, sizeof id, "%llu", number_of(t, "id"));
    struct enclave_param params[] = {{"id", id, 0}};
    for (;;) {
        bool on = told(t, how);
        if (enough(t, how)) {
            settle(a, t);
            break;
        }
        enclave_answer_free(a);
        json_decref(t);
        t = NULL;
        if (!on)
            return client_answer(ST_CANCELLED, "it goes on in the daemon", "enclave transfers");
        a = wait_event(e, &after);
        if (a != NULL) break;
        a = enclave_call(e, "transfer", params, 1);
        t = document(a);
        if (t == NULL) break;
    }
    json_decref(t);
    return a;
}

struct params {
    struct enclave_param at[PARAMS_MAX];
    size_t n;
};

static void add(struct params *p, const char *name, const char *value)
{
    if (value != NULL) p->at[p->n++] = (struct enclave_param){name, value, 0};
}

static struct enclave_answer *transfer(struct enclave *e, const char *operation, const char *local,
                                       const char *path, const struct enclave_transfer *how)
{
    static const struct enclave_transfer plain;
    struct params p = {.n = 0};
    if (e == NULL || local == NULL || path == NULL)
        return client_answer(ST_USAGE, "a file of this machine and a path in the enclave", "");
    char *whole = absolute(local);
    if (whole == NULL) return client_answer(ST_NO_MEMORY, "out of memory", "");
    if (how == NULL) how = &plain;
    bool up = strcmp(operation, "put") == 0;
    add(&p, "local", whole);
    add(&p, "path", path);
    add(&p, "enclave", how->enclave);
    if (up) add(&p, "profile", how->profile);
    if (!up && how->replace != 0) add(&p, "replace", "true");
    struct enclave_answer *a = follow(e, enclave_call(e, operation, p.at, p.n), how);
    free(whole);
    return a;
}

struct enclave_answer *enclave_upload(struct enclave *e, const char *local, const char *path,
                                      const struct enclave_transfer *how)
{
    return transfer(e, "put", local, path, how);
}

struct enclave_answer *enclave_download(struct enclave *e, const char *path, const char *local,
                                        const struct enclave_transfer *how)
{
    struct stat s;
    bool replace = how != NULL && how->replace != 0;
    /* Said before anything is fetched; the daemon looks again when it is. */
    if (local != NULL && !replace && lstat(local, &s) == 0)
        return client_answer(ST_EXISTS, "the file exists already", "another name, or replace it");
    return transfer(e, "get", local, path, how);
}

/* ---- what a file is ---- */

struct enclave_answer *enclave_file_info(struct enclave *e, const char *enclave, const char *path,
                                         struct enclave_file *ret)
{
    struct params p = {.n = 0};
    memset(ret, 0, sizeof *ret);
    if (e == NULL || path == NULL) return client_answer(ST_USAGE, "a path in the enclave", "");
    add(&p, "path", path);
    add(&p, "enclave", enclave);
    struct enclave_answer *a = enclave_call(e, "info", p.at, p.n);
    json_t *f = document(a);
    if (f == NULL) return a;
    ret->size = number_of(f, "size");
    ret->version = number_of(f, "version");
    ret->directory = json_is_true(json_object_get(f, "directory"));
    ret->may_vanish = (unsigned)number_of(f, "may_vanish");
    ret->holders = (unsigned)number_of(f, "holders");
    ret->k = (unsigned)number_of(f, "k");
    ret->n = (unsigned)number_of(f, "n");
    ret->segments = (unsigned)number_of(f, "segments");
    ret->bad_shards = (unsigned)number_of(f, "bad_shards");
    snprintf(ret->sha256, sizeof ret->sha256, "%s", text_of(f, "sha256"));
    snprintf(ret->safety, sizeof ret->safety, "%s", text_of(f, "safety"));
    json_decref(f);
    return a;
}
