/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * api: the operations of tables/operations.h answered by a node and a vault:
 * JSON in, node_* and vault_flow_* calls, JSON out. Keeps the ring of events.
 *
 * Names in an enclave and paths on this machine are bytes. In JSON they are
 * text where they are UTF-8 without control characters; else they are
 * percent-encoded (every byte but letters, digits and -._~/) and a second key
 * NAME_encoded is true. The same holds for what a caller sends.
 *
 * Errors of an operation are problem+json: {"status": "NOT_FOUND", "exit": 4,
 * "http": 404, "text": what happened, "next": what to type}.
 *
 * Owns: itself and the ring; node, vault and env are borrowed and outlive it.
 * Order: api_new, api_handle for each exchange (http_handler's shape), api_event
 *     for each event of the node, api_free when no exchange is open.
 * Thread: loop thread only.
 */
#ifndef ENCLAVE_API_API_H
#define ENCLAVE_API_API_H

#include "api/http.h"
#include "base/env.h"
#include "node/node.h"
#include "node/vault/vault_flow.h"

#define API_EVENTS_MAX 4096   /* events kept for readers that come later */
#define API_FOLLOWERS_MAX 32  /* streams and waiting polls */
#define API_WAIT_MAX_MS 60000 /* longest long-poll */
#define API_MESSAGES_MAX 1000 /* messages in one answer */
#define API_SEARCH_ROWS 2000  /* messages looked at in one call of search */
#define API_SEARCH_FOUND 200  /* and in its answer */

struct api;

struct api_options {
    const struct env *env;
    struct node *node;
    struct vault_flow *vault;
    const char *home;
    const char *hosted;      /* address of the sentinel inside this daemon, or NULL */
    const char *profile;     /* "k/n" of puts that name none; NULL: balanced */
    uint64_t upload_max;     /* largest file that put takes; 0: no limit */
    void (*stop)(void *arg); /* the owner asked the daemon to stop */
    void *arg;
};

enum status api_new(const struct api_options *options, struct api **ret) MUST_USE;
void api_free(struct api *a);
void api_handle(void *api, struct http_exchange *x);
void api_event(void *api, const struct node_event *e); /* node_listener */
/* Long-polls whose time is over are answered. Call when api_next_ms (mono) says so. */
uint64_t api_next_ms(const struct api *a);
void api_tick(struct api *a);
/* Ends all streams and waiting polls, so that the server can stop; calls are refused from now on. */
void api_close(struct api *a);

#endif
