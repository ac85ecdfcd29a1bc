/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tables/options_inner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define KEY_MAX 64

/* The file is read as events, never as a tree: nothing in it can make us keep more than one key. */
struct reader {
    struct options *o;
    const char *name;
    struct options_fault *fault;
    unsigned depth; /* mappings we are in */
    bool have_key;
    bool have_document;
    char section[KEY_MAX];
    char key[KEY_MAX];
    size_t n_seen;
    uint64_t seen[OPTIONS_ROWS_MAX]; /* hashes of keys given: twice is an error */
    char where[160];
};

static void set_where(struct reader *r, const yaml_mark_t *mark)
{
    snprintf(r->where, sizeof r->where, "%.120s:%zu", r->name, mark->line + 1);
}

static enum status refuse(struct reader *r, const char *what)
{
    return options_say(r->fault, "%s: %s", r->where, what);
}

static uint64_t hash_of(const char *text)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *text != '\0'; text++) h = (h ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return h;
}

static bool seen_before(struct reader *r, const char *key)
{
    uint64_t h = hash_of(key);
    for (size_t i = 0; i < r->n_seen; i++)
        if (r->seen[i] == h) return true;
    if (r->n_seen < OPTIONS_ROWS_MAX) r->seen[r->n_seen++] = h;
    return false;
}

static enum status take_key(struct reader *r, const char *text, size_t n)
{
    if (n == 0 || n >= KEY_MAX || strlen(text) != n) return refuse(r, "a key is not valid");
    for (size_t i = 0; i < n; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
              text[i] == '_' || text[i] == '-'))
            return refuse(r, "a key may have only a-z, 0-9, '_' and '-'");
    memcpy(r->key, text, n + 1);
    r->have_key = true;
    return ST_OK;
}

static enum status take_value(struct reader *r, const yaml_event_t *e)
{
    char full[2 * KEY_MAX + 2];
    const char *text = (const char *)e->data.scalar.value;
    size_t n = e->data.scalar.length;
    r->have_key = false;
    /* "node:" with all its keys commented out is an empty section. */
    if (r->depth == 1 && n == 0 && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        options_is_section(r->o, r->key))
        return ST_OK;
    if (r->depth == 1)
        snprintf(full, sizeof full, "%s", r->key);
    else
        snprintf(full, sizeof full, "%s.%s", r->section, r->key);
    if (seen_before(r, full)) return options_say(r->fault, "%s: %s is given twice", r->where, full);
    if (n > OPTIONS_TEXT_MAX || strlen(text) != n)
        return options_say(r->fault, "%s: the value of %s is not valid text", r->where, full);
    if (r->depth == 1 && options_is_section(r->o, r->key))
        return options_say(r->fault, "%s: %s is a section: its keys belong below it, indented",
                           r->where, r->key);
    return options_put(r->o, full, text, OPTIONS_FILE, r->where, r->fault);
}

static enum status begin_mapping(struct reader *r)
{
    if (r->depth == 0) {
        r->depth = 1;
        return ST_OK;
    }
    if (r->depth + 1 >= OPTIONS_DEPTH_MAX || !r->have_key)
        return refuse(r, "nested too deep: the file has sections and keys, no more");
    if (!options_is_section(r->o, r->key))
        return options_unknown_section(r->o, r->key, r->where, r->fault);
    if (seen_before(r, r->key))
        return options_say(r->fault, "%s: section %s is given twice", r->where, r->key);
    memcpy(r->section, r->key, sizeof r->section);
    r->have_key = false;
    r->depth = 2;
    return ST_OK;
}

static enum status take_scalar(struct reader *r, const yaml_event_t *e)
{
    if (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL)
        return refuse(r, "anchors and tags are not allowed");
    if (r->depth == 0) {
        if (e->data.scalar.length == 0) return ST_OK; /* an empty document */
        return refuse(r, "expected \"section:\" or \"key: value\"");
    }
    if (!r->have_key) return take_key(r, (const char *)e->data.scalar.value, e->data.scalar.length);
    return take_value(r, e);
}

static enum status take_event(struct reader *r, const yaml_event_t *e)
{
    set_where(r, &e->start_mark);
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->have_document) return refuse(r, "only one document is allowed");
        r->have_document = true;
        return ST_OK;
    case YAML_ALIAS_EVENT: return refuse(r, "aliases are not allowed");
    case YAML_SEQUENCE_START_EVENT: return refuse(r, "lists are not allowed");
    case YAML_MAPPING_START_EVENT:
        if (e->data.mapping_start.anchor != NULL || e->data.mapping_start.tag != NULL)
            return refuse(r, "anchors and tags are not allowed");
        return begin_mapping(r);
    case YAML_MAPPING_END_EVENT: r->depth--; return ST_OK;
    case YAML_SCALAR_EVENT: return take_scalar(r, e);
    default: return ST_OK;
    }
}

static enum status not_yaml(struct reader *r, const yaml_parser_t *parser)
{
    set_where(r, parser->error == YAML_READER_ERROR ? &parser->mark : &parser->problem_mark);
    return options_say(r->fault, "%s: not valid YAML: %s", r->where,
                       parser->problem != NULL ? parser->problem : "cannot be read");
}

enum status options_read_yaml(struct options *o, struct bytes text, const char *name,
                              struct options_fault *fault)
{
    struct reader r = {.o = o, .name = name, .fault = fault};
    yaml_parser_t parser;
    enum status st = ST_OK;
    bool end = false;
    if (text.n > OPTIONS_FILE_MAX) {
        (void)options_say(fault, "%s: larger than %zu KiB", name, OPTIONS_FILE_MAX >> 10);
        return ST_TOO_BIG;
    }
    if (!yaml_parser_initialize(&parser)) return ST_NO_MEMORY;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.n == 0 ? (const uint8_t *)"" : text.p, text.n);
    while (st == ST_OK && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            st = parser.error == YAML_MEMORY_ERROR ? ST_NO_MEMORY : not_yaml(&r, &parser);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        st = take_event(&r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return st;
}

static enum status cannot_open(const char *path, int error, struct options_fault *fault)
{
    (void)options_say(fault, "%s: %s", path, strerror(error));
    if (error == ENOENT) return ST_NOT_FOUND;
    return error == EACCES ? ST_DENIED : ST_IO;
}

enum status options_read_file(struct options *o, const char *path, struct options_fault *fault)
{
    struct buf text;
    enum status st = ST_OK;
    FILE *f = fopen(path, "re");
    if (f == NULL) return cannot_open(path, errno, fault);
    buf_init(&text, OPTIONS_FILE_MAX + 1);
    uint8_t *room = buf_space(&text, OPTIONS_FILE_MAX + 1);
    if (room == NULL) {
        st = ST_NO_MEMORY;
        goto out;
    }
    text.n = fread(room, 1, OPTIONS_FILE_MAX + 1, f);
    if (ferror(f)) {
        st = cannot_open(path, errno == ENOENT ? EIO : errno, fault);
        goto out;
    }
    st = options_read_yaml(o, buf_view(&text), path, fault);
out:
    buf_free(&text);
    fclose(f);
    return st;
}
