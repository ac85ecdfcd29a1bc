/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * http: a small HTTP/1.1 server on the program's libuv loop, on a Unix socket
 * (0600, same user only) and, if asked, on loopback TCP with a bearer token and
 * checks of Host and Origin. Hides libwebsockets.
 *
 * Owns: an exchange belongs to the handler from the handler's call until
 *     http_answer or http_stream_end; it outlives the client's connection, so a
 *     late answer to a client that went away is dropped, not a crash.
 * Errors: http_new: ST_EXISTS (another process listens there), ST_TOO_BIG (path),
 *     ST_DENIED, ST_IO. Bodies over HTTP_BODY_MAX get 413, chunked ones 411,
 *     foreign Host or Origin 403, wrong token 401: the handler sees none of these.
 *     http_new sets *ret also with an error (but NULL without memory): what it
 *     began is then undone by http_stop and http_free.
 * Order: http_new, exchanges, http_stop, run the loop until its done, http_free.
 * Thread: loop thread only. While a server stops, no other thread of the process may open
 *     files or sockets: libwebsockets 4.1 closes the number of its wake-up descriptor twice,
 *     and the second time it would be theirs.
 */
#ifndef ENCLAVE_API_HTTP_H
#define ENCLAVE_API_HTTP_H

#include "base/bytes.h"

#define HTTP_BODY_MAX ((size_t)256 << 10)
#define HTTP_HEAD_MAX 32768 /* request line and headers: names are long when percent-encoded */
#define HTTP_ARGUMENTS_MAX 16
#define HTTP_CONNECTIONS_MAX 64
#define HTTP_STREAM_WAITING_MAX ((size_t)1 << 20) /* bytes a slow reader may make us keep */
#define HTTP_TOKEN_SIZE 44                        /* 32 bytes in base64url, terminator */

struct uv_loop_s;
struct http;
struct http_exchange;

typedef void http_handler(void *arg, struct http_exchange *x);
typedef void http_stopped(void *arg);
typedef void http_gone(void *arg); /* the reader of a stream went away */

struct http_options {
    struct uv_loop_s *loop;
    const char *socket; /* path of the Unix socket; NULL: none */
    const char *listen; /* "127.0.0.1:0" or "[::1]:0"; NULL: none */
    const char *token;  /* for listen */
    http_handler *handler;
    void *arg;
};

enum status http_new(const struct http_options *options, struct http **ret) MUST_USE;
uint16_t http_port(const struct http *h); /* of `listen`; 0: none */
void http_stop(struct http *h, http_stopped *done, void *arg);
void http_free(struct http *h); /* after done */

const char *http_method(const struct http_exchange *x); /* "GET" "POST" "DELETE" or "" */
struct bytes http_path(const struct http_exchange *x);  /* decoded, without the query */
struct bytes http_body(const struct http_exchange *x);
/* Argument i of the query, decoded; false: there are no more. */
bool http_argument(const struct http_exchange *x, size_t i, struct bytes *ret_name,
                   struct bytes *ret_value);

/* Exactly once per exchange that does not stream. body is copied; the exchange is dead then. */
void http_answer(struct http_exchange *x, int status, const char *content_type, struct bytes body);

/* An answer of unknown length. gone runs at most once, never inside a call, and not
 * after http_stream_end; http_stream_end is still to be called after it. */
void http_stream_begin(struct http_exchange *x, const char *content_type, http_gone *gone,
                       void *arg);
/* ST_BUSY: the reader is too slow, nothing was taken; ST_CLOSED: it is gone. */
enum status http_stream_write(struct http_exchange *x, struct bytes bytes) MUST_USE;
void http_stream_end(struct http_exchange *x); /* the exchange is dead then */

#endif
