/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * fields: one list per message gives the struct, encode, decode, size and the
 * mutation test (tests/unit/fields_mutate.h). There is one byte form: a decode
 * that succeeds re-encodes to the same bytes, trailing bytes are an error.
 *
 *     #define KNOCK_FIELDS(X, M) \
 *         X(M, U8,    version, 0, 0)     uint8_t version
 *         X(M, U64,   index,   0, 0)     uint64_t index
 *         X(M, FIX,   token,   32, 0)    uint8_t token[32]
 *         X(M, VAR8,  nick,    64, 0)    struct bytes nick, length u8, at most 64
 *         X(M, VAR16, message, 512, 0)   struct bytes, length u16
 *         X(M, VAR32, blob, 16384, 0)    struct bytes, length u32
 *         X(M, LIST8, keys, 96, 16)      struct list keys, count u8, items of 96 bytes, at most 16
 *         X(M, LIST16, ids, 32, 64)      struct list ids, count u16
 *         X(M, TAIL,  rest, 1024, 0)     struct bytes, everything that is left (last field only)
 *     FIELDS_DECLARE(knock, KNOCK_FIELDS);          in the header: struct knock, knock_fields
 *     FIELDS_DEFINE(knock, KNOCK_FIELDS);           in one .c file
 *
 * Owns nothing: decoded views point into the input and live as long as it.
 * Errors: encode: the buffer's, or ST_BUG if a view is larger than its
 *     maximum. decode: ST_BAD_MESSAGE, ST_TOO_BIG; the message is then zeroed.
 * Order: none.
 */
#ifndef ENCLAVE_BASE_FIELDS_H
#define ENCLAVE_BASE_FIELDS_H

#include "base/bytes.h"

enum field_kind {
    FIELD_U8,
    FIELD_U16,
    FIELD_U32,
    FIELD_U64,
    FIELD_FIX,
    FIELD_VAR8,
    FIELD_VAR16,
    FIELD_VAR32,
    FIELD_LIST8,
    FIELD_LIST16,
    FIELD_TAIL
};

/* n items of equal size, back to back; the size is in the message's field list. */
struct list {
    const uint8_t *p;
    size_t n;
};

struct field {
    const char *name;
    enum field_kind kind;
    uint32_t a; /* FIX: bytes; VAR, TAIL: most bytes; LIST: bytes of an item */
    uint32_t b; /* LIST: most items */
    size_t offset;
};

struct fields {
    const char *name;
    const struct field *list;
    size_t n;
    size_t struct_size;
};

#define FIELDS_MEMBER_U8(name, a) uint8_t name;
#define FIELDS_MEMBER_U16(name, a) uint16_t name;
#define FIELDS_MEMBER_U32(name, a) uint32_t name;
#define FIELDS_MEMBER_U64(name, a) uint64_t name;
#define FIELDS_MEMBER_FIX(name, a) uint8_t name[a];
#define FIELDS_MEMBER_VAR8(name, a) struct bytes name;
#define FIELDS_MEMBER_VAR16(name, a) struct bytes name;
#define FIELDS_MEMBER_VAR32(name, a) struct bytes name;
#define FIELDS_MEMBER_LIST8(name, a) struct list name;
#define FIELDS_MEMBER_LIST16(name, a) struct list name;
#define FIELDS_MEMBER_TAIL(name, a) struct bytes name;
#define FIELDS_MEMBER(msg, kind, name, a, b) FIELDS_MEMBER_##kind(name, a)
#define FIELDS_ROW(msg, kind, name, a, b) {#name, FIELD_##kind, a, b, offsetof(struct msg, name)},

#define FIELDS_DECLARE(msg, LIST) \
    struct msg {                  \
        LIST(FIELDS_MEMBER, msg)  \
    };                            \
    extern const struct fields msg##_fields

#define FIELDS_DEFINE(msg, LIST)                                      \
    static const struct field msg##_list[] = {LIST(FIELDS_ROW, msg)}; \
    const struct fields msg##_fields = {                              \
        #msg, msg##_list, sizeof(msg##_list) / sizeof(msg##_list[0]), sizeof(struct msg)}

/* Appends the message to out. */
enum status fields_encode(const struct fields *f, const void *msg, struct buf *out) MUST_USE;
/* Reads a whole message: all of in must be used. */
enum status fields_decode(const struct fields *f, struct bytes in, void *ret_msg) MUST_USE;
/* Reads a message from the front of c and leaves the rest (no TAIL field in the list). */
enum status fields_read(const struct fields *f, struct cursor *c, void *ret_msg) MUST_USE;
/* Bytes that encode would append. */
size_t fields_size(const struct fields *f, const void *msg);

/* Item i of a list whose items have size bytes; i < l.n. */
static inline const uint8_t *list_at(struct list l, size_t i, size_t size)
{
    return l.p + i * size;
}

#endif
