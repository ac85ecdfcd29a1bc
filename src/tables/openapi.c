/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* docs/openapi.yaml, made from the operation table. */
#include "tables/operations.h"
#include "tables/shapes.h"

#include <stdio.h>
#include <string.h>

static void quoted(struct buf *out, const char *text)
{
    buf_u8(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') buf_u8(out, '\\');
        if (*text == '\n')
            buf_str(out, "\\n");
        else
            buf_u8(out, (uint8_t)*text);
    }
    buf_u8(out, '"');
}

static void line(struct buf *out, int indent, const char *key, const char *value)
{
    buf_printf(out, "%*s%s: ", indent, "", key);
    quoted(out, value);
    buf_u8(out, '\n');
}

static bool in_path(const struct operation *op, const struct op_param *p)
{
    char braced[64];
    snprintf(braced, sizeof braced, "{%s}", p->name);
    return strstr(op->path, braced) != NULL;
}

static void choices(struct buf *out, int indent, const char *list)
{
    buf_printf(out, "%*senum: [", indent, "");
    for (const char *p = list; *p != '\0';) {
        size_t n = strcspn(p, "|");
        /* Quoted: yes and no would be booleans in older readers. */
        buf_printf(out, "\"%.*s\"", (int)n, p);
        p += n;
        if (*p == '|') {
            buf_str(out, ", ");
            p++;
        }
    }
    buf_str(out, "]\n");
}

static void type_of(struct buf *out, int indent, const struct op_param *p)
{
    switch (p->type) {
    case OP_NUMBER:
    case OP_DURATION:
        buf_printf(out, "%*stype: integer\n%*sminimum: 0\n", indent, "", indent, "");
        if (p->type == OP_DURATION) buf_printf(out, "%*sx-unit: milliseconds\n", indent, "");
        break;
    case OP_BOOL: buf_printf(out, "%*stype: boolean\n", indent, ""); break;
    case OP_CHOICE:
        buf_printf(out, "%*stype: string\n", indent, "");
        choices(out, indent, p->choices);
        break;
    case OP_SECRET:
        buf_printf(out, "%*stype: string\n%*sformat: password\n", indent, "", indent, "");
        break;
    case OP_TEXT:
    case OP_BYTES:
    case OP_LOCAL: buf_printf(out, "%*stype: string\n", indent, ""); break;
    }
}

static bool may_be_encoded(const struct op_param *p)
{
    return p->type == OP_BYTES || p->type == OP_LOCAL;
}

static void url_param(struct buf *out, const char *name, const struct op_param *p,
                      const char *where, bool encoded)
{
    buf_printf(out, "        - name: %s\n          in: %s\n", name, where);
    if (strcmp(where, "path") == 0 || (!encoded && (p->flags & OP_REQUIRED) != 0))
        buf_str(out, "          required: true\n");
    if (encoded) {
        line(out, 10, "description", "true: the value is percent-encoded once more, being bytes");
        buf_str(out, "          schema:\n            type: boolean\n");
        return;
    }
    line(out, 10, "description", p->help);
    buf_str(out, "          schema:\n");
    type_of(out, 12, p);
}

static void url_params(struct buf *out, const struct operation *op, bool query)
{
    bool any = false;
    for (size_t i = 0; i < op->n_params; i++) {
        const struct op_param *p = &op->params[i];
        bool path = in_path(op, p);
        if ((p->flags & OP_ONLY_CLI) != 0 || (!path && !query)) continue;
        if (!any) buf_str(out, "      parameters:\n");
        any = true;
        url_param(out, p->name, p, path ? "path" : "query", false);
        if (path || !may_be_encoded(p)) continue;
        char name[64];
        snprintf(name, sizeof name, "%s_encoded", p->name);
        url_param(out, name, p, "query", true);
    }
}

static void body(struct buf *out, const struct operation *op)
{
    bool any = false;
    bool required = false;
    for (size_t i = 0; i < op->n_params; i++) {
        const struct op_param *p = &op->params[i];
        if ((p->flags & OP_ONLY_CLI) != 0 || in_path(op, p)) continue;
        if (!any)
            buf_str(out, "      requestBody:\n        required: true\n        content:\n"
                         "          application/json:\n            schema:\n"
                         "              type: object\n"
                         "              additionalProperties: false\n"
                         "              properties:\n");
        any = true;
        if ((p->flags & OP_REQUIRED) != 0) required = true;
        buf_printf(out, "                %s:\n", p->name);
        line(out, 18, "description", p->help);
        type_of(out, 18, p);
        if (may_be_encoded(p))
            buf_printf(out, "                %s_encoded:\n                  type: boolean\n",
                       p->name);
    }
    if (!required) return;
    buf_str(out, "              required: [");
    const char *comma = "";
    for (size_t i = 0; i < op->n_params; i++) {
        const struct op_param *p = &op->params[i];
        if ((p->flags & OP_ONLY_CLI) != 0 || in_path(op, p) || (p->flags & OP_REQUIRED) == 0)
            continue;
        buf_printf(out, "%s%s", comma, p->name);
        comma = ", ";
    }
    buf_str(out, "]\n");
}

static void operation(struct buf *out, const struct operation *op)
{
    bool query = strcmp(op->method, "POST") != 0;
    buf_str(out, "    ");
    for (const char *c = op->method; *c != '\0'; c++) buf_u8(out, (uint8_t)(*c | 0x20));
    buf_str(out, ":\n");
    line(out, 6, "operationId", op->id);
    line(out, 6, "summary", op->summary);
    if (op->help[0] != '\0') line(out, 6, "description", op->help);
    buf_printf(out, "      tags: [%s]\n", op->group);
    if (op->verb != NULL) line(out, 6, "x-command", op->verb);
    url_params(out, op, query);
    if (!query) body(out, op);
    buf_str(out, "      responses:\n        \"200\":\n          description: done\n"
                 "          content:\n            application/json:\n");
    buf_printf(out, "              schema: {$ref: \"#/components/schemas/%s\"}\n",
               op->result->name);
    if ((op->flags & OPERATION_STREAM) != 0)
        buf_str(out, "            application/x-ndjson:\n"
                     "              schema: {$ref: \"#/components/schemas/Event\"}\n");
    buf_str(out, "        default:\n          description: a problem\n          content:\n"
                 "            application/problem+json:\n"
                 "              schema: {$ref: \"#/components/schemas/Problem\"}\n");
}

static void schema(struct buf *out, const struct op_shape *shape)
{
    buf_printf(out, "    %s:\n      type: object\n      properties:\n", shape->name);
    for (size_t i = 0; i < shape->n; i++) {
        const struct op_field *f = &shape->fields[i];
        buf_printf(out, "        %s:\n", f->name);
        line(out, 10, "description", f->help);
        switch (f->value) {
        case OP_V_TEXT: buf_str(out, "          type: string\n"); break;
        case OP_V_NUMBER: buf_str(out, "          type: integer\n"); break;
        case OP_V_BOOL: buf_str(out, "          type: boolean\n"); break;
        case OP_V_TIME:
            buf_str(out, "          type: string\n          format: date-time\n");
            break;
        case OP_V_TEXTS:
            buf_str(out, "          type: array\n          items: {type: string}\n");
            break;
        case OP_V_OBJECT:
            buf_printf(out, "          $ref: \"#/components/schemas/%s\"\n", f->shape->name);
            break;
        case OP_V_LIST:
            buf_printf(out,
                       "          type: array\n"
                       "          items: {$ref: \"#/components/schemas/%s\"}\n",
                       f->shape->name);
            break;
        }
    }
}

static bool path_seen_before(const struct operation *all, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (all[j].path != NULL && strcmp(all[j].path, all[i].path) == 0) return true;
    return false;
}

void operations_openapi(struct buf *out)
{
    size_t n;
    size_t shapes;
    const struct operation *all = operations_all(&n);
    const struct op_shape *const *shape = shapes_all(&shapes);
    buf_str(out,
            "# Made by `enclave openapi` from src/tables; not edited by hand.\n"
            "openapi: 3.1.0\n"
            "info:\n"
            "  title: ENCLAVE local API\n"
            "  version: v1\n"
            "  license: {name: MIT OR Apache-2.0, identifier: MIT OR Apache-2.0}\n"
            "  description: \"Spoken by enclaved on the Unix socket daemon.sock in its home "
            "directory, and on loopback with a bearer token. Bodies have a Content-Length. In a "
            "path, '-' as {enclave} means the only one. Names of files are bytes: where they are "
            "not UTF-8 text, NAME holds them percent-encoded and NAME_encoded is true.\"\n"
            "paths:\n");
    for (size_t i = 0; i < n; i++) {
        if (all[i].path == NULL || path_seen_before(all, i)) continue;
        buf_printf(out, "  %s:\n", all[i].path);
        for (size_t j = i; j < n; j++)
            if (all[j].path != NULL && strcmp(all[i].path, all[j].path) == 0)
                operation(out, &all[j]);
    }
    buf_str(out, "components:\n  schemas:\n");
    for (size_t i = 0; i < shapes; i++) schema(out, shape[i]);
}
