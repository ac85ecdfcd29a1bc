/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * squeeze: the content of an entry, compressed before it is padded. Only where
 * the entry then has a smaller size class: what saves nothing is left as it is.
 * The packed form is one zstd frame that states its size; level 3, no
 * dictionary, so that nothing of one entry shows in the length of another.
 *
 * Owns nothing. Errors: open: ST_BAD_MESSAGE (no such frame, more than `most`,
 *     or it saves no class), ST_NO_MEMORY. Memory is bounded by `most`: the frame
 *     is opened in one piece, whatever window it asks for.
 * Order: what comes from others is opened only after its signature was checked.
 */
#ifndef ENCLAVE_CORE_FEED_SQUEEZE_H
#define ENCLAVE_CORE_FEED_SQUEEZE_H

#include "base/bytes.h"

/* What is larger than a text may be and gives more than so many times its size is not packed, and not taken: a
 * reader of a whole feed pays for what entries unpack to. */
#define SQUEEZE_FREE ((size_t)32768)
#define SQUEEZE_RATIO ((size_t)32)

/* Appends the packed form of in; false: it saves no class, and out is as before. overhead: bytes of
 * the sealed entry beside its content. */
bool squeeze_pack(size_t overhead, struct bytes in, struct buf *out);
enum status squeeze_open(size_t overhead, struct bytes packed, size_t most,
                         struct buf *out) MUST_USE;

#endif
