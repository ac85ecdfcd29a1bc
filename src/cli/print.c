/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/cli.h"
#include "tables/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void cli_note(const struct cli *c, const char *format, ...)
{
    char text[4096];
    struct buf out = BUF_INIT;
    va_list args;
    if (c->quiet) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    names_show(bytes_str(text), true, &out);
    buf_u8(&out, '\n');
    fwrite(out.p, 1, out.n, stderr);
    buf_free(&out);
}

static const char *colour_of(enum cli_style style)
{
    static const char *const codes[] = {"",         "\033[1m",  "\033[2m",
                                        "\033[32m", "\033[33m", "\033[31m"};
    return codes[style];
}

void cli_put(const struct cli *c, enum cli_style style, const char *text, bool newline)
{
    struct buf out = BUF_INIT;
    bool coloured = c->colour && style != STYLE_PLAIN;
    if (coloured) buf_str(&out, colour_of(style));
    names_show(bytes_str(text), newline, &out);
    if (coloured) buf_str(&out, "\033[0m");
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

void cli_next(const struct cli *c, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fputs("    > ", stdout);
    cli_put(c, STYLE_BOLD, text, false);
    fputc('\n', stdout);
}

void cli_size(uint64_t bytes, char out[16])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double v = (double)bytes;
    unsigned u = 0;
    while (v >= 1024 && u < 5) {
        v /= 1024;
        u++;
    }
    snprintf(out, 16, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
}

void cli_duration(uint64_t ms, char out[16])
{
    unsigned long long s = ms / 1000;
    if (s < 60)
        snprintf(out, 16, "%llus", s);
    else if (s < 3600)
        snprintf(out, 16, "%llum%02llus", s / 60, s % 60);
    else if (s < 360000)
        snprintf(out, 16, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        snprintf(out, 16, "%llud", s / 86400 > 99999 ? 99999ULL : s / 86400);
}

long long cli_when(const char *rfc3339)
{
    struct tm t = {0};
    if (strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &t) == NULL) return 0;
    return (long long)timegm(&t);
}

void cli_time(const char *rfc3339, char out[24])
{
    struct tm local;
    time_t when = (time_t)cli_when(rfc3339);
    if (when == 0) {
        snprintf(out, 24, "?");
        return;
    }
    if (localtime_r(&when, &local) == NULL || strftime(out, 24, "%Y-%m-%d %H:%M", &local) == 0)
        snprintf(out, 24, "?");
}

/* ---- tables ---- */

struct cli_table {
    unsigned columns;
    size_t n;
    size_t room;
    char **cells;
};

/* Columns that a text takes on a terminal: characters, not bytes. Wide ones count once: good enough
 * for lists of names. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        if ((*text & 0xc0) != 0x80) n++;
    return n;
}

struct cli_table *cli_table_new(unsigned columns)
{
    struct cli_table *t = calloc(1, sizeof *t);
    if (t != NULL) t->columns = columns;
    return t;
}

void cli_table_cell(struct cli_table *t, const char *text)
{
    struct buf safe = BUF_INIT;
    if (t == NULL) return;
    if (t->n == t->room) {
        size_t room = t->room == 0 ? 64 : 2 * t->room;
        char **more = realloc(t->cells, room * sizeof *more);
        if (more == NULL) return;
        t->cells = more;
        t->room = room;
    }
    names_show(bytes_str(text), false, &safe);
    buf_u8(&safe, 0);
    t->cells[t->n++] = strdup(safe.bad ? "?" : (const char *)safe.p);
    buf_free(&safe);
}

void cli_table_print(const struct cli *c, struct cli_table *t)
{
    size_t width[16] = {0};
    if (t == NULL) return;
    for (size_t i = 0; i < t->n; i++) {
        size_t w = t->cells[i] == NULL ? 0 : width_of(t->cells[i]);
        if (w > width[i % t->columns]) width[i % t->columns] = w;
    }
    for (size_t i = 0; i < t->n; i++) {
        const char *cell = t->cells[i] == NULL ? "" : t->cells[i];
        bool last = (i + 1) % t->columns == 0;
        cli_put(c, i < t->columns ? STYLE_DIM : STYLE_PLAIN, cell, false);
        if (last)
            fputc('\n', stdout);
        else
            printf("%*s", (int)(width[i % t->columns] - width_of(cell) + 2), "");
    }
    for (size_t i = 0; i < t->n; i++) free(t->cells[i]);
    free(t->cells);
    free(t);
}

/* ---- what an answer holds ---- */

const char *cli_text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s != NULL ? s : "";
}

uint64_t cli_number(const json_t *o, const char *name)
{
    json_int_t v = json_integer_value(json_object_get(o, name));
    return v > 0 ? (uint64_t)v : 0;
}

bool cli_bool(const json_t *o, const char *name)
{
    return json_is_true(json_object_get(o, name));
}
