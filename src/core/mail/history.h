/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * history: words that were said before, outside of the feed: rows as they are
 * handed from one machine to another, and the file that carries them sealed
 * under a password. docs/spec/history.md.
 *
 * Owns nothing; what is read points into its input. Keys: in guarded memory of
 *     the caller, who wipes them, and the root as soon as it is used.
 * Errors: of base/fields.h. head_read: ST_INTEGRITY (no such file, or weaker than
 *     the floor), ST_VERSION. open: ST_PASSWORD. next: ST_PENDING (the chunk is
 *     not all here), ST_BAD_SEAL (altered, or chunks in another order),
 *     ST_BAD_MESSAGE (something follows the end).
 * Order: write: history_start, history_seal a chunk, the last one with `last`.
 *     Read: history_head_read, password_root, history_open, history_next until
 *     keys.ended; in each chunk history_each. No row counts before the last chunk
 *     was opened: only then is the file known to be whole.
 */
#ifndef ENCLAVE_CORE_MAIL_HISTORY_H
#define ENCLAVE_CORE_MAIL_HISTORY_H

#include "base/fields.h"
#include "core/mail/note.h"
#include "crypto/password.h"

#define HISTORY_VERSION 1
#define HISTORY_HEAD 66
#define HISTORY_CHUNK ((size_t)64 << 10) /* a chunk is closed when it has so many bytes of rows */
#define HISTORY_CHUNK_MAX ((size_t)1 << 20) /* plain */
#define HISTORY_NICK_MAX 64
#define HISTORY_SIGNS_MAX 8192
#define HISTORY_TEXT_MAX 524288
/* What one private word carries when a member shares older words with a newcomer. */
#define HISTORY_BATCH_MAX ((size_t)48 << 10)

enum history_flags {
    HISTORY_OWN = 1,    /* who wrote the file had said it */
    HISTORY_ANSWERS = 2 /* of_author and of_uuid name a message, zeros: one that was not there */
};

/* to: zeros: said to all. signs: each nick len u8 | nick | sign len u8 | sign. */
#define HISTORY_ROW_FIELDS(X, M)             \
    X(M, FIX, author, 32, 0)                 \
    X(M, FIX, to, 32, 0)                     \
    X(M, FIX, uuid, 16, 0)                   \
    X(M, U8, flags, 0, 0)                    \
    X(M, U64, time_ms, 0, 0)                 \
    X(M, U64, edited_ms, 0, 0)               \
    X(M, FIX, of_author, 32, 0)              \
    X(M, FIX, of_uuid, 16, 0)                \
    X(M, VAR8, nick, HISTORY_NICK_MAX, 0)    \
    X(M, VAR8, to_nick, HISTORY_NICK_MAX, 0) \
    X(M, VAR16, path, NOTE_PATH_MAX, 0)      \
    X(M, VAR16, signs, HISTORY_SIGNS_MAX, 0) \
    X(M, VAR32, text, HISTORY_TEXT_MAX, 0)
FIELDS_DECLARE(history_row, HISTORY_ROW_FIELDS);

/* What a file is of: before its first row. */
#define HISTORY_ABOUT_FIELDS(X, M)              \
    X(M, FIX, enclave_id, 32, 0)                \
    X(M, FIX, by, 32, 0) /* who wrote it: ID */ \
    X(M, U64, made_ms, 0, 0)                    \
    X(M, VAR8, name, HISTORY_NICK_MAX, 0)       \
    X(M, VAR8, nick, HISTORY_NICK_MAX, 0)
FIELDS_DECLARE(history_about, HISTORY_ABOUT_FIELDS);

#define HISTORY_FILE_FIELDS(X, M) \
    X(M, FIX, magic, 8, 0)        \
    X(M, U16, version, 0, 0)      \
    X(M, U32, passes, 0, 0)       \
    X(M, U32, memory_kib, 0, 0)   \
    X(M, FIX, salt, 16, 0)        \
    X(M, FIX, check, 32, 0)
FIELDS_DECLARE(history_file, HISTORY_FILE_FIELDS);

struct history_cost {
    uint32_t passes, memory_kib;
    uint8_t salt[PASSWORD_SALT];
};

struct history_keys {
    uint8_t key[32];
    uint64_t n; /* chunks so far */
    bool ended;
};

/* Appends the head. cost.salt: fresh random bytes; root: password_root of it. */
enum status history_start(const struct history_cost *cost, const uint8_t root[32],
                          struct history_keys *ret, struct buf *out) MUST_USE;
/* plain: rows, HISTORY_CHUNK_MAX at most. Appends the chunk. */
enum status history_seal(struct history_keys *k, bool last, struct bytes plain,
                         struct buf *out) MUST_USE;

enum status history_head_read(struct bytes head, uint32_t floor_passes, uint32_t floor_kib,
                              struct history_cost *ret) MUST_USE;
enum status history_open(struct bytes head, const uint8_t root[32],
                         struct history_keys *ret) MUST_USE;
/* The next chunk's rows are appended to plain; *ret_used: bytes of `in` that it took. */
enum status history_next(struct history_keys *k, struct bytes in, size_t *ret_used,
                         struct buf *plain) MUST_USE;

/* ---- rows: len u32 | row ---- */

enum status history_put(const struct history_row *row, struct buf *out) MUST_USE;
enum status history_put_about(const struct history_about *about, struct buf *out) MUST_USE;
/* The next row; ST_NOT_FOUND: that was all. */
enum status history_get(struct cursor *in, struct history_row *ret) MUST_USE;
enum status history_get_about(struct cursor *in, struct history_about *ret) MUST_USE;
/* As it lies in a store, without a length. */
enum status history_row_read(struct bytes in, struct history_row *ret) MUST_USE;
/* The next reaction of a row; false: that was all. */
bool history_sign(struct cursor *signs, struct bytes *ret_nick, struct bytes *ret_sign);
/* Names a message wherever it lies. */
uint64_t history_key(const uint8_t author[32], const uint8_t uuid[16]);

#endif
