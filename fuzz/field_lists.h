/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * field_lists: every field list that a header of src declares, found by
 * fuzz/CMakeLists.txt when the build is configured.
 *
 * Owns nothing: constants. Never fails. No order.
 */
#ifndef ENCLAVE_FUZZ_FIELD_LISTS_H
#define ENCLAVE_FUZZ_FIELD_LISTS_H

#include "base/fields.h"

extern const struct fields *const field_lists[]; /* ends with NULL */

#endif
