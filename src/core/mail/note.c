/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/note.h"

FIELDS_DEFINE(note, NOTE_FIELDS);

static uint16_t mention_at(const struct note *n, size_t i)
{
    return get_u16(list_at(n->mentions, i, 2));
}

/* What an act does not use must be empty: one byte form each. */
static bool fits(const struct note *n)
{
    bool of = !bytes_zero(BYTES_OF(n->of_uuid));
    bool plain = n->lasts_s == 0 && n->mentions.n == 0 && n->path.n == 0;
    for (size_t i = 1; i < n->mentions.n; i++)
        if (mention_at(n, i - 1) >= mention_at(n, i)) return false;
    if (!of && n->of_leaf != 0) return false;
    switch (n->act) {
    case NOTE_SAY: return (n->text.n > 0 || n->path.n > 0) && n->lasts_s <= NOTE_LASTS_MAX_S;
    case NOTE_EDIT: return of && n->lasts_s == 0 && n->path.n == 0 && n->text.n > 0;
    case NOTE_UNSAY: return of && plain && n->text.n == 0;
    case NOTE_REACT: return of && plain && n->text.n <= NOTE_SIGN_MAX;
    default: return false;
    }
}

enum status note_read(struct bytes content, struct note *ret)
{
    enum status st = fields_decode(&note_fields, content, ret);
    return st == ST_OK && !fits(ret) ? ST_BAD_MESSAGE : st;
}

enum status note_write(const struct note *note, struct buf *out)
{
    return fits(note) ? fields_encode(&note_fields, note, out) : ST_USAGE;
}

bool note_mentions(const struct note *note, uint16_t leaf)
{
    for (size_t i = 0; i < note->mentions.n; i++)
        if (mention_at(note, i) == leaf) return true;
    return false;
}
