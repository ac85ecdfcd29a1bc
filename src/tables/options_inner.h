/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * options_inner: what options.c lends to options_yaml.c, and nobody else.
 *
 * Owns nothing. Errors: as options.h; options_say writes the fault's text and
 * gives ST_CONFIG. Order: none.
 */
#ifndef ENCLAVE_TABLES_OPTIONS_INNER_H
#define ENCLAVE_TABLES_OPTIONS_INNER_H

#include "tables/options.h"

__attribute__((format(printf, 2, 3))) enum status options_say(struct options_fault *fault,
                                                              const char *format, ...);
bool options_is_section(const struct options *o, const char *name);
const char *options_nearest(const struct options *o, const char *key);
enum status options_unknown_section(const struct options *o, const char *name, const char *where,
                                    struct options_fault *fault) MUST_USE;
enum status options_put(struct options *o, const char *key, const char *text,
                        enum options_origin origin, const char *where,
                        struct options_fault *fault) MUST_USE;

#endif
