/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * note: content of a message that is more than plain text: an answer, words
 * with a file or an end, a change of or a sign under an earlier message.
 * docs/spec/mail.md, "Notes".
 *
 * Owns nothing: a note read points into the content.
 * Errors: note_read: ST_BAD_MESSAGE, also for what its act does not allow.
 * Order: none.
 */
#ifndef ENCLAVE_CORE_MAIL_NOTE_H
#define ENCLAVE_CORE_MAIL_NOTE_H

#include "base/fields.h"

#define NOTE_TEXT_MAX 32768
#define NOTE_SIGN_MAX 32 /* bytes of a reaction: one emoji, joined ones too */
#define NOTE_MENTIONS_MAX 64
#define NOTE_PATH_MAX 4096
#define NOTE_LASTS_MAX_S (UINT32_C(366) * 86400)

enum note_act {
    NOTE_SAY = 1,   /* text or path; of: what it answers */
    NOTE_EDIT = 2,  /* of: an own message, text replaces its text */
    NOTE_UNSAY = 3, /* of: an own message, which all drop */
    NOTE_REACT = 4, /* of: any message; text: the sign, empty takes it back */
};

/* of_leaf, of_uuid: the message it speaks of, by its author; zeros: none. lasts_s: shown for so long
 * after it came, then dropped; 0: for good. mentions: leaves, ascending. path: a file of the enclave. */
#define NOTE_FIELDS(X, M)                        \
    X(M, U8, act, 0, 0)                          \
    X(M, U16, of_leaf, 0, 0)                     \
    X(M, FIX, of_uuid, 16, 0)                    \
    X(M, U32, lasts_s, 0, 0)                     \
    X(M, LIST16, mentions, 2, NOTE_MENTIONS_MAX) \
    X(M, VAR16, path, NOTE_PATH_MAX, 0)          \
    X(M, TAIL, text, NOTE_TEXT_MAX, 0)
FIELDS_DECLARE(note, NOTE_FIELDS);

enum status note_read(struct bytes content, struct note *ret) MUST_USE;
enum status note_write(const struct note *note, struct buf *out) MUST_USE;
bool note_mentions(const struct note *note, uint16_t leaf);

#endif
