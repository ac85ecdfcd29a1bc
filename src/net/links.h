/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * net/links: core/ports/link.h for real: TLS sessions (link/session) over libuv
 * TCP, and over pipes that the caller carries. net/server.h adds listening as a
 * sentinel or storage node.
 *
 * Owns: itself, its links and listeners until links_close. loop and env are
 *     borrowed and outlive it.
 * Errors: those of the port. dial: ST_USAGE for an address that is no host:port,
 *     or a proxy that is no numeric one; what happens later comes by closed:
 *     ST_UNREACHABLE, ST_TIMEOUT, ST_PROXY (net/socks.h), ST_UNTRUSTED (another key),
 *     ST_DENIED (they do not want us, or the proxy's rules), ST_PROTOCOL, ST_VERSION.
 *     listen: ST_EXISTS (port in use), ST_DENIED, ST_UNREACHABLE (no such address).
 *     send before opened: ST_CLOSED.
 * Order: links_new, links_port, use; links_close closes every link (their closed
 *     events run, what was sent goes out for at most a second), then done.
 */
#ifndef ENCLAVE_NET_LINKS_H
#define ENCLAVE_NET_LINKS_H

#include "base/env.h"
#include "core/ports/link.h"

#include <uv.h>

#define LINKS_CONNECT_MS 10000 /* name, all addresses, TCP */
#define LINKS_PROXY_MS 60000   /* the same through a proxy: tor may have to build a circuit first */
#define LINKS_ADDRESS_MS 4000  /* one address, while others are left to try */
#define LINKS_ADDRESSES_MAX 16 /* addresses tried of one name */
#define LINKS_HALF_OPEN_MAX 256   /* handshakes at once per listener; the oldest gives way */
#define LINKS_HALF_OPEN_PER_IP 64 /* of these from one address (IPv6: one /64) */
#define LINKS_PER_LISTENER 8192   /* links at once per listener */
#define LINKS_LOG_BURST 20        /* refusals logged per listener in ten seconds */

struct links;

enum status links_new(uv_loop_t *loop, const struct env *env, struct links **ret) MUST_USE;
struct link_port links_port(struct links *n);
void links_close(struct links *n, void (*done)(void *arg), void *arg);

#endif
