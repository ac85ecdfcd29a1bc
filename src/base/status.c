/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/status.h"

#include <string.h>

struct row {
    const char *name;
    const char *text;
    enum status_class class;
    int exit;
    int http;
};

static const struct row rows[ST_COUNT] = {
#define STATUS_ROW(name, class, exit, http, text) \
    [ST_##name] = {#name, text, STATUS_##class, exit, http},
    STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static const struct row unknown = {"UNKNOWN", "unknown status", STATUS_BUG, 1, 500};

static const struct row *row_of(enum status st)
{
    return (unsigned)st < ST_COUNT ? &rows[st] : &unknown;
}

const char *status_name(enum status st)
{
    return row_of(st)->name;
}

const char *status_text(enum status st)
{
    return row_of(st)->text;
}

enum status_class status_class(enum status st)
{
    return row_of(st)->class;
}

int status_exit(enum status st)
{
    return row_of(st)->exit;
}

int status_http(enum status st)
{
    return row_of(st)->http;
}

enum status status_find(const char *name)
{
    for (int i = 0; i < ST_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0) return (enum status)i;
    return ST_BUG;
}
