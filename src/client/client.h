/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * client: what the files of libenclave share; users include enclave/enclave.h.
 *
 * Owns: as enclave.h says. Errors: as enclave.h says. Order: none.
 */
#ifndef ENCLAVE_CLIENT_CLIENT_H
#define ENCLAVE_CLIENT_CLIENT_H

#include "base/bytes.h"
#include "enclave/enclave.h"

#include <curl/curl.h>
#include <stdatomic.h>

struct enclave {
    char *home;
    int home_fd; /* open only where the socket's path is too long */
    CURL *easy;  /* kept: the connection stays open between calls */
    CURLM *multi;
    atomic_bool cancelled;
    unsigned long timeout_ms;
};

struct enclave_answer {
    int exit;
    char status[32];
    char *text;
    char *next;
    struct buf json; /* with a terminator */
};

enum status client_socket_path(struct enclave *e, char *out, size_t n) MUST_USE;
struct enclave_answer *client_answer(enum status st, const char *text, const char *next);
struct enclave_answer *client_read_answer(long http, struct buf *body);

#endif
