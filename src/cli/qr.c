/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/qr.h"

#include <qrencode.h>
#include <string.h>

#define QUIET 2 /* modules of light around it */
#define DIGITS_MAX 128
#define PAINT "\033[40;97m"
#define PLAIN "\033[0m"

/* Outside of the code all is light. */
static bool is_light(const QRcode *q, int x, int y)
{
    if (x < 0 || y < 0 || x >= q->width || y >= q->width) return true;
    return (q->data[y * q->width + x] & 1) == 0;
}

static void draw_line(const QRcode *q, int y, const struct qr_style *style, struct buf *out)
{
    static const char *const halves[] = {" ", "\xe2\x96\x84", "\xe2\x96\x80", "\xe2\x96\x88"};
    static const char *const wholes[] = {"  ", "##"};
    int end = q->width + QUIET;
    buf_printf(out, "%*s%s", (int)style->indent, "", style->colour ? PAINT : "");
    for (int x = -QUIET; x < end; x++) {
        bool top = is_light(q, x, y);
        /* The last line may have no lower half: there the terminal's own ground begins. */
        bool low = y + 1 < end && is_light(q, x, y + 1);
        buf_str(out, style->halves ? halves[2 * top + low] : wholes[top]);
    }
    buf_printf(out, "%s\n", style->colour ? PLAIN : "");
}

enum status qr_text(const char *text, const struct qr_style *style, struct buf *out)
{
    if (*text == '\0' || strnlen(text, QR_TEXT_MAX + 1) > QR_TEXT_MAX) return ST_USAGE;
    QRcode *q = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    if (q == NULL) return ST_NO_MEMORY;
    for (int y = -QUIET; y < q->width + QUIET; y += style->halves ? 2 : 1)
        draw_line(q, y, style, out);
    QRcode_free(q);
    return buf_status(out);
}

enum status qr_draw(const char *code, const struct qr_style *style, struct buf *out)
{
    char digits[DIGITS_MAX + 1];
    size_t n = 0;
    for (; *code != '\0' && n < DIGITS_MAX; code++)
        if (*code >= '0' && *code <= '9') digits[n++] = *code;
    digits[n] = '\0';
    return qr_text(digits, style, out);
}
