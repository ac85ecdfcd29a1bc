/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "api/armor.h"

#include "base/encode.h"

#include <string.h>

#define LINE 72

void armor_write(const char *label, struct bytes content, struct buf *out)
{
    struct buf text = BUF_INIT;
    size_t n = BASE64_SIZE(content.n);
    char *all = (char *)buf_space(&text, n);
    if (all == NULL) {
        out->bad = out->no_memory = true;
        return;
    }
    base64_encode(content, all);
    n--;
    buf_str(out, label);
    for (size_t at = 0, room = LINE - strlen(label); at < n; room = LINE) {
        size_t piece = n - at < room ? n - at : room;
        buf_raw(out, all + at, piece);
        buf_u8(out, '\n');
        at += piece;
    }
    buf_free(&text);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

enum status armor_read(const char *label, struct bytes text, struct buf *out)
{
    enum status st = ST_USAGE;
    struct buf tight = BUF_INIT;
    size_t skip = strlen(label);
    size_t got = 0;
    for (size_t i = 0; i < text.n; i++)
        if (!is_space(text.p[i])) buf_u8(&tight, text.p[i]);
    TRY(buf_status(&tight));
    if (tight.p == NULL || tight.n < skip || memcmp(tight.p, label, skip) != 0) {
        st = ST_USAGE;
        goto out;
    }
    uint8_t *room = buf_space(out, tight.n - skip + 1);
    if (room == NULL) {
        st = buf_status(out);
        goto out;
    }
    out->n -= tight.n - skip + 1;
    st = base64_decode((const char *)tight.p + skip, tight.n - skip, room, tight.n - skip, &got);
    if (st == ST_OK)
        out->n += got;
    else
        st = ST_USAGE;
out:
    buf_free(&tight);
    return st;
}
