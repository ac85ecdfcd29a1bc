/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * fuzz: what a fuzz target is: one function over hostile bytes that must never
 * crash, leak, hang or break a promise (FUZZ_CHECK). libFuzzer calls it in
 * `make fuzz`, fuzz/replay.c in `make test`.
 *
 * Owns nothing: data lives during the call. Never fails; a broken promise stops
 * the program. No order.
 */
#ifndef ENCLAVE_FUZZ_FUZZ_H
#define ENCLAVE_FUZZ_FUZZ_H

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(promise)                                                               \
    do {                                                                                  \
        if (!(promise)) {                                                                 \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #promise); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

#endif
