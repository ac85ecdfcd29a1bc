/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * net/address: "host:port" texts, IPv6 in brackets.
 *
 * Owns nothing. Errors: ST_USAGE for a text that is none, a port over 65535, or
 *     (address_numeric) a host that is a name.
 */
#ifndef ENCLAVE_NET_ADDRESS_H
#define ENCLAVE_NET_ADDRESS_H

#include "core/ports/link.h"

#include <sys/socket.h>

enum status address_split(const char *text, char ret_host[LINK_ADDRESS_MAX + 1],
                          uint16_t *ret_port) MUST_USE;
enum status address_numeric(const char *host, uint16_t port, struct sockaddr_storage *ret) MUST_USE;

#endif
