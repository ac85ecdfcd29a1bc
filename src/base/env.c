/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/env.h"

#include <stdarg.h>
#include <stdio.h>

void env_log(const struct env *e, enum env_level level, const char *area, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    e->log(e->ctx, level, area, line);
}
