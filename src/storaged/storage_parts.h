/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * storage_parts: what a node keeps beside database and shards: its directory,
 * key and address. Blocking; at the start only.
 *
 * Owns nothing. Errors: told in fault.text. Order: none.
 */
#ifndef ENCLAVE_STORAGED_PARTS_H
#define ENCLAVE_STORAGED_PARTS_H

#include "net/server.h"
#include "storaged/storage.h"

enum status storage_blame(struct storage_fault *fault, enum status st, const char *path);
/* Directory and key, made if missing. */
enum status storage_open_key(const struct storage_options *o, struct server_key *ret,
                             struct storage_fault *fault) MUST_USE;
/* The address to listen on: with port 0 the port of the last time, which offers name. */
enum status storage_last_port(const struct storage_options *o, char *ret, size_t room,
                              const char **ret_colon) MUST_USE;
enum status storage_keep_address(const struct storage_options *o, const char *address) MUST_USE;
bool storage_rebuilt(const struct storage_options *o);

#endif
