/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Texts for people, made from the operation table. */
#include "tables/operations.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 80
#define COLUMN 28 /* where the explanations of options begin */

/* Breaks text at blanks; every line begins at `indent`, the first one where we are already. */
static void wrapped(struct buf *out, const char *text, size_t indent)
{
    size_t at = indent;
    bool first = true;
    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        if (!first && at + 1 + n > WIDTH) {
            buf_printf(out, "\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        if (!first) {
            buf_u8(out, ' ');
            at++;
        }
        buf_raw(out, text, n);
        at += n;
        first = false;
        text += n;
        while (*text == ' ') text++;
    }
    buf_u8(out, '\n');
}

static void option_name(const struct op_param *p, char *out, size_t n)
{
    size_t used = (size_t)snprintf(out, n, "--%s", p->option != NULL ? p->option : p->name);
    for (size_t i = 0; i < used && i < n; i++)
        if (out[i] == '_') out[i] = '-';
}

static const char *meta_of(const struct op_param *p)
{
    return p->meta != NULL ? p->meta : p->choices;
}

static bool shown(const struct op_param *p)
{
    return p->type != OP_SECRET && (p->flags & (OP_ONLY_API | OP_HIDDEN)) == 0;
}

void operation_usage(const struct operation *op, struct buf *out)
{
    bool options = false;
    buf_printf(out, "enclave %s", op->verb != NULL ? op->verb : op->id);
    for (size_t i = 0; i < op->n_params; i++) {
        const struct op_param *p = &op->params[i];
        bool required = (p->flags & OP_REQUIRED) != 0;
        if (!shown(p)) continue;
        if (p->kind == OP_POSITIONAL) {
            buf_printf(out, required ? " %s" : " [%s]", meta_of(p));
        } else if (required) {
            char name[64];
            option_name(p, name, sizeof name);
            buf_printf(out, " %s %s", name, meta_of(p));
        } else {
            options = true;
        }
    }
    buf_str(out, options ? " [options]\n" : "\n");
}

static void explain(struct buf *out, const struct op_param *p)
{
    char left[96];
    char name[64];
    if (p->kind == OP_POSITIONAL) {
        snprintf(left, sizeof left, "  %s", meta_of(p));
    } else {
        char letter[8] = "    ";
        option_name(p, name, sizeof name);
        if (p->letter != 0) snprintf(letter, sizeof letter, "-%c, ", p->letter);
        snprintf(left, sizeof left, "  %s%s%s%s", letter, name, p->kind == OP_FLAG ? "" : " ",
                 p->kind == OP_FLAG ? "" : meta_of(p));
    }
    buf_printf(out, "%-*s", COLUMN - 1, left);
    if (strlen(left) >= COLUMN - 1)
        buf_printf(out, "\n%*s", COLUMN, "");
    else
        buf_u8(out, ' ');
    wrapped(out, p->help, COLUMN);
}

static void explain_kind(struct buf *out, const struct op_param *list, size_t n, bool positional,
                         const char *title)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!shown(&list[i]) || (list[i].kind == OP_POSITIONAL) != positional) continue;
        if (!any) buf_printf(out, "\n%s:\n", title);
        any = true;
        explain(out, &list[i]);
    }
}

static void example(struct buf *out, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        buf_printf(out, "    %.*s\n", (int)n, text);
        text += n;
        if (*text == '\n') text++;
    }
}

void operation_help(const struct operation *op, struct buf *out)
{
    size_t n;
    const struct op_param *globals = operations_globals(&n);
    buf_printf(out, "enclave %s: ", op->verb);
    wrapped(out, op->summary, 0);
    buf_str(out, "\nExample:\n");
    example(out, op->example);
    buf_str(out, "\nUsage:\n    ");
    operation_usage(op, out);
    for (size_t i = 0; operation_alias(i) != NULL; i++)
        if (strcmp(operation_alias(i)->verb, op->verb) == 0)
            buf_printf(out, "    also: enclave %s\n", operation_alias(i)->word);
    buf_u8(out, '\n');
    wrapped(out, op->help, 0);
    explain_kind(out, op->params, op->n_params, true, "Words");
    explain_kind(out, op->params, op->n_params, false, "Options");
    explain_kind(out, globals, n, false, "Options of all commands");
    buf_str(out, "\nExit codes:\n   0  done\n");
    for (size_t i = 0; i < op->n_exits; i++)
        buf_printf(out, "%4d  %s\n", op->exits[i].code, op->exits[i].when);
    buf_str(out, "   1 failed, 2 wrong use");
    if ((op->flags & OPERATION_LOCKED) == 0)
        buf_str(out, ", 11 the vault is locked, 13 not reachable");
    buf_u8(out, '\n');
}

void operations_overview(struct buf *out)
{
    size_t n;
    const struct operation *all = operations_all(&n);
    const char *group = "";
    buf_str(out, "enclave: private groups for people who trust each other\n\nExample:\n"
                 "    enclave init\n"
                 "    enclave create family --as ada --sentinel HOST:PORT#PIN\n"
                 "    enclave invite\n"
                 "    enclave status\n");
    for (size_t i = 0; i < n; i++) {
        if (all[i].verb == NULL || (all[i].flags & OPERATION_HIDDEN) != 0) continue;
        if (strcmp(group, all[i].group) != 0) {
            group = all[i].group;
            buf_printf(out, "\n%s:\n", group);
        }
        buf_printf(out, "  %-16s %s\n", all[i].verb, all[i].summary);
    }
    buf_str(out, "\nOther words:");
    for (size_t i = 0; operation_alias(i) != NULL; i++)
        buf_printf(out, "%s %s is %s", i == 0 ? "" : ",", operation_alias(i)->word,
                   operation_alias(i)->verb);
    buf_str(out, "\n`enclave help VERB` or `enclave VERB --help` explains one of them.\n");
}
