/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tables/options.h"

#include "tables/nearest.h"
#include "tables/options_inner.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct value {
    char *text;
    uint64_t number; /* NUMBER, REAL (millionths), FLAG (0 or 1), DURATION (milliseconds) */
    enum options_origin origin;
};

struct options {
    const struct option_table *table;
    struct value values[];
};

enum status options_say(struct options_fault *fault, const char *format, ...)
{
    if (fault == NULL) return ST_CONFIG;
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    /* Parts of it stood in the file: one line, and nothing that a terminal would obey. */
    for (char *c = fault->text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F) *c = '?';
    return ST_CONFIG;
}

static size_t row_find(const struct option_table *t, const char *key)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->rows[i].key, key) == 0) return i;
    return t->n;
}

bool options_is_section(const struct options *o, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < o->table->n; i++)
        if (strncmp(o->table->rows[i].key, name, n) == 0 && o->table->rows[i].key[n] == '.')
            return true;
    return false;
}

const char *options_nearest(const struct options *o, const char *key)
{
    struct nearest best = {.word = key};
    for (size_t i = 0; i < o->table->n; i++) nearest_try(&best, o->table->rows[i].key);
    return best.best;
}

/* A section is also guessed at alone: "coordinatr:" has no key yet. */
static const char *section_nearest(const struct options *o, const char *name)
{
    struct nearest best = {.word = name};
    for (size_t i = 0; i < o->table->n; i++) {
        const char *key = o->table->rows[i].key;
        const char *dot = strchr(key, '.');
        char section[NEAREST_WORD_MAX];
        if (dot == NULL || (size_t)(dot - key) >= sizeof section) continue;
        memcpy(section, key, (size_t)(dot - key));
        section[dot - key] = '\0';
        const char *before = best.best;
        nearest_try(&best, section);
        if (best.best != before) best.best = key; /* the array section does not live on */
    }
    return best.best;
}

enum status options_unknown_section(const struct options *o, const char *name, const char *where,
                                    struct options_fault *fault)
{
    const char *near = section_nearest(o, name);
    const char *row = options_nearest(o, name);
    if (near != NULL)
        return options_say(fault, "%s: unknown section %.60s; did you mean %.*s?", where, name,
                           (int)strcspn(near, "."), near);
    if (row != NULL)
        return options_say(fault, "%s: unknown key %.60s; did you mean %s?", where, name, row);
    return options_say(fault, "%s: unknown section %.60s", where, name);
}

static enum status unknown_key(const struct options *o, const char *key, const char *where,
                               struct options_fault *fault)
{
    const char *near = options_nearest(o, key);
    if (near != NULL)
        return options_say(fault, "%s: unknown key %.80s; did you mean %s?", where, key, near);
    return options_say(fault, "%s: unknown key %.80s", where, key);
}

static bool parse_number(const char *text, uint64_t *ret)
{
    uint64_t v = 0;
    if (*text == '\0') return false;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9') return false;
        unsigned d = (unsigned)(*p - '0');
        if (v > (UINT64_MAX - d) / 10) return false;
        v = v * 10 + d;
    }
    *ret = v;
    return true;
}

/* "0.5" to 500000: at most six digits after the point. */
static bool parse_real(const char *text, uint64_t *ret)
{
    uint64_t v = 0;
    int after = -1;
    bool any = false;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '.' && after < 0) {
            after = 0;
            continue;
        }
        if (*p < '0' || *p > '9' || after >= 6 || v > UINT64_C(1) << 50) return false;
        v = v * 10 + (unsigned)(*p - '0');
        any = true;
        if (after >= 0) after++;
    }
    for (int i = after < 0 ? 0 : after; i < 6; i++) v *= 10;
    *ret = v;
    return any;
}

/* "20s" to 20000. A number alone has no unit, and is refused: nobody shall guess. */
static bool parse_duration(const char *text, uint64_t *ret)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char digits[16];
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 9) return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + n, units[i].name) != 0 || !parse_number(digits, ret)) continue;
        *ret *= units[i].ms;
        return true;
    }
    return false;
}

/* What people read back in an error: printable, short. */
static void show(const char *text, char out[64])
{
    size_t n = 0;
    for (; text[n] != '\0' && n < 60; n++) out[n] = isprint((unsigned char)text[n]) ? text[n] : '?';
    out[n] = '\0';
}

static enum status parse_value(const struct option_row *row, const char *text, const char *where,
                               uint64_t *ret, struct options_fault *fault)
{
    char shown[64];
    show(text, shown);
    switch (row->type) {
    case OPTION_TEXT:
        *ret = 0;
        if (strlen(text) < row->min || strlen(text) > row->max)
            return options_say(fault, "%s: %s must have %llu to %llu characters", where, row->key,
                               (unsigned long long)row->min, (unsigned long long)row->max);
        return ST_OK;
    case OPTION_NUMBER:
        if (parse_number(text, ret) && *ret >= row->min && *ret <= row->max) return ST_OK;
        return options_say(fault, "%s: %s must be a number from %llu to %llu, not \"%s\"", where,
                           row->key, (unsigned long long)row->min, (unsigned long long)row->max,
                           shown);
    case OPTION_REAL:
        if (parse_real(text, ret) && *ret >= row->min && *ret <= row->max) return ST_OK;
        return options_say(fault, "%s: %s must be a fraction from %g to %g, not \"%s\"", where,
                           row->key, (double)row->min / 1e6, (double)row->max / 1e6, shown);
    case OPTION_FLAG:
        *ret = strcmp(text, "true") == 0;
        if (*ret == 1 || strcmp(text, "false") == 0) return ST_OK;
        return options_say(fault, "%s: %s must be true or false, not \"%s\"", where, row->key,
                           shown);
    case OPTION_DURATION:
        if (parse_duration(text, ret) && *ret >= row->min && *ret <= row->max) return ST_OK;
        return options_say(fault,
                           "%s: %s must be a time such as 200ms, 20s or 10m, %llus to %llus, "
                           "not \"%s\"",
                           where, row->key, (unsigned long long)row->min / 1000,
                           (unsigned long long)row->max / 1000, shown);
    }
    return ST_CONFIG;
}

static enum status store(struct options *o, size_t i, const char *text, uint64_t number,
                         enum options_origin origin)
{
    char *copy = strdup(text);
    if (copy == NULL) return ST_NO_MEMORY;
    free(o->values[i].text);
    o->values[i] = (struct value){copy, number, origin};
    return ST_OK;
}

static enum status reset(struct options *o, size_t i)
{
    const struct option_row *row = &o->table->rows[i];
    uint64_t number = 0;
    enum status st = parse_value(row, row->initial, "default", &number, NULL);
    return st != ST_OK ? ST_BUG : store(o, i, row->initial, number, OPTIONS_DEFAULT);
}

/* Another profile was named: what the last one set goes back to its default first. */
static enum status apply_profile(struct options *o, const char *name, const char *where,
                                 struct options_fault *fault)
{
    enum status st = ST_OK;
    const struct option_profile *found = NULL;
    for (size_t i = 0; i < o->table->n_profiles; i++)
        if (strcmp(o->table->profiles[i].name, name) == 0) found = &o->table->profiles[i];
    if (found == NULL && *name != '\0') {
        struct nearest best = {.word = name};
        for (size_t i = 0; i < o->table->n_profiles; i++)
            nearest_try(&best, o->table->profiles[i].name);
        return options_say(fault, "%s: unknown profile %.60s%s%s%s", where, name,
                           best.best != NULL ? "; did you mean " : "",
                           best.best != NULL ? best.best : "", best.best != NULL ? "?" : "");
    }
    for (size_t i = 0; i < o->table->n && st == ST_OK; i++)
        if (o->values[i].origin == OPTIONS_PROFILE) st = reset(o, i);
    for (const char *const *s = found == NULL ? NULL : found->settings;
         s != NULL && *s != NULL && st == ST_OK; s++) {
        char key[96];
        size_t n = strcspn(*s, "=");
        if (n >= sizeof key) return ST_BUG;
        memcpy(key, *s, n);
        key[n] = '\0';
        st = options_put(o, key, *s + n + 1, OPTIONS_PROFILE, where, fault);
    }
    return st;
}

enum status options_put(struct options *o, const char *key, const char *text,
                        enum options_origin origin, const char *where, struct options_fault *fault)
{
    size_t i = row_find(o->table, key);
    uint64_t number = 0;
    if (i == o->table->n) return unknown_key(o, key, where, fault);
    enum status st = parse_value(&o->table->rows[i], text, where, &number, fault);
    if (st != ST_OK || o->values[i].origin > origin) return st;
    st = store(o, i, text, number, origin);
    if (st == ST_OK && strcmp(key, "profile") == 0) st = apply_profile(o, text, where, fault);
    return st;
}

enum status options_new(const struct option_table *table, struct options **ret)
{
    if (table->n > OPTIONS_ROWS_MAX) return ST_BUG;
    struct options *o = calloc(1, sizeof *o + table->n * sizeof o->values[0]);
    if (o == NULL) return ST_NO_MEMORY;
    o->table = table;
    for (size_t i = 0; i < table->n; i++) {
        enum status st = reset(o, i);
        if (st != ST_OK) {
            options_free(o);
            return st;
        }
    }
    *ret = o;
    return ST_OK;
}

void options_free(struct options *o)
{
    if (o == NULL) return;
    for (size_t i = 0; i < o->table->n; i++) free(o->values[i].text);
    free(o);
}

enum status options_set(struct options *o, const char *key, const char *value, const char *where,
                        struct options_fault *fault)
{
    return options_put(o, key, value, OPTIONS_COMMAND_LINE, where, fault);
}

/* "coordinator.max_peers" is ENCLAVE_COORDINATOR_MAX_PEERS. */
static void variable_of(const char *key, char out[128])
{
    int n = snprintf(out, 128, "ENCLAVE_%s", key);
    for (int i = 8; i < n && i < 127; i++)
        out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

static bool begins_like_section(const struct options *o, const char *variable)
{
    for (size_t i = 0; i < o->table->n; i++) {
        char known[128];
        const char *dot = strchr(o->table->rows[i].key, '.');
        if (dot == NULL) continue;
        variable_of(o->table->rows[i].key, known);
        size_t n = 8 + (size_t)(dot - o->table->rows[i].key) + 1;
        if (strncmp(variable, known, n) == 0) return true;
    }
    return false;
}

static enum status read_variable(struct options *o, const char *variable, const char *value,
                                 struct options_fault *fault)
{
    struct nearest best = {.word = variable};
    char known[OPTIONS_ROWS_MAX][128];
    for (size_t i = 0; i < o->table->n; i++) {
        variable_of(o->table->rows[i].key, known[i]);
        if (strcmp(known[i], variable) == 0)
            return options_put(o, o->table->rows[i].key, value, OPTIONS_ENVIRONMENT, variable,
                               fault);
        nearest_try(&best, known[i]);
    }
    if (!begins_like_section(o, variable)) return ST_OK;
    return options_say(fault, "environment: unknown variable %.80s%s%s%s", variable,
                       best.best != NULL ? "; did you mean " : "",
                       best.best != NULL ? best.best : "", best.best != NULL ? "?" : "");
}

enum status options_read_environment(struct options *o, char *const *environment,
                                     struct options_fault *fault)
{
    for (; *environment != NULL; environment++) {
        const char *entry = *environment;
        char variable[128];
        size_t n = strcspn(entry, "=");
        if (strncmp(entry, "ENCLAVE_", 8) != 0 || n >= sizeof variable || entry[n] == '\0')
            continue;
        memcpy(variable, entry, n);
        variable[n] = '\0';
        enum status st = read_variable(o, variable, entry + n + 1, fault);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static const struct value *value_of(const struct options *o, const char *key, enum option_type type)
{
    size_t i = row_find(o->table, key);
    if (i == o->table->n || o->table->rows[i].type != type) {
        fprintf(stderr, "bug: option %s is not in the table, or of another type\n", key);
        abort();
    }
    return &o->values[i];
}

static uint64_t number_if_known(const struct options *o, const char *key, uint64_t otherwise)
{
    size_t i = row_find(o->table, key);
    return i == o->table->n ? otherwise : o->values[i].number;
}

static const char *text_if_known(const struct options *o, const char *key)
{
    size_t i = row_find(o->table, key);
    return i == o->table->n ? "" : o->values[i].text;
}

/* ADDRESS:PORT. A name would have to be looked up, and the look-up would go around the proxy. */
static bool proxy_ok(const char *text)
{
    char host[256];
    uint64_t port = 0;
    uint8_t address[16];
    const char *colon = strrchr(text, ':');
    size_t n = colon == NULL ? 0 : (size_t)(colon - text);
    bool bracket = n > 2 && text[0] == '[' && text[n - 1] == ']';
    if (n == 0 || n >= sizeof host || !parse_number(colon + 1, &port)) return false;
    memcpy(host, text + bracket, n - 2 * (size_t)bracket);
    host[n - 2 * (size_t)bracket] = '\0';
    if (port == 0 || port > 65535) return false;
    if (bracket) return inet_pton(AF_INET6, host, address) == 1;
    return strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, address) == 1;
}

enum status options_check(const struct options *o, struct options_fault *fault)
{
    const char *socks = text_if_known(o, "socks");
    if (*socks != '\0' && !proxy_ok(socks))
        return options_say(fault,
                           "socks must be ADDRESS:PORT with a numeric address, such as "
                           "127.0.0.1:9050, not \"%.100s\"",
                           socks);
    if (*socks == '\0' && number_if_known(o, "socks_all", 0) != 0)
        return options_say(fault, "socks_all needs a proxy: set socks, such as 127.0.0.1:9050");
    uint64_t n = number_if_known(o, "node.shards_total", 0);
    uint64_t k = number_if_known(o, "node.shards_required", 0);
    if ((n == 0) != (k == 0))
        return options_say(fault, "node.shards_total and node.shards_required belong together: "
                                  "set both, or neither");
    if (k > n)
        return options_say(fault,
                           "node.shards_required (%llu) is more than node.shards_total "
                           "(%llu)",
                           (unsigned long long)k, (unsigned long long)n);
    if (number_if_known(o, "security.require_encryption", 1) == 0)
        return options_say(fault, "security.require_encryption must be true: there is no "
                                  "unencrypted mode");
    return ST_OK;
}

const char *options_text(const struct options *o, const char *key)
{
    return value_of(o, key, OPTION_TEXT)->text;
}

uint64_t options_number(const struct options *o, const char *key)
{
    return value_of(o, key, OPTION_NUMBER)->number;
}

uint64_t options_millionths(const struct options *o, const char *key)
{
    return value_of(o, key, OPTION_REAL)->number;
}

bool options_flag(const struct options *o, const char *key)
{
    return value_of(o, key, OPTION_FLAG)->number != 0;
}

uint64_t options_ms(const struct options *o, const char *key)
{
    return value_of(o, key, OPTION_DURATION)->number;
}

enum options_origin options_origin_of(const struct options *o, const char *key)
{
    size_t i = row_find(o->table, key);
    return i == o->table->n ? OPTIONS_DEFAULT : o->values[i].origin;
}

static void dump_text(struct buf *out, const char *text)
{
    buf_u8(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') buf_u8(out, '\\');
        if ((unsigned char)*text < 0x20)
            buf_printf(out, "\\x%02x", (unsigned char)*text);
        else
            buf_u8(out, (uint8_t)*text);
    }
    buf_u8(out, '"');
}

void options_dump(const struct options *o, unsigned programs, struct buf *out)
{
    char section[64] = "";
    for (size_t i = 0; i < o->table->n; i++) {
        const struct option_row *row = &o->table->rows[i];
        const char *dot = strchr(row->key, '.');
        if ((row->programs & programs) == 0) continue;
        if (dot != NULL && (strncmp(section, row->key, (size_t)(dot - row->key)) != 0 ||
                            section[dot - row->key] != '\0')) {
            snprintf(section, sizeof section, "%.*s", (int)(dot - row->key), row->key);
            buf_printf(out, "%s:\n", section);
        }
        const char *indent = dot == NULL ? "" : "  ";
        buf_printf(out, "%s# %s\n%s%s: ", indent, row->help, indent,
                   dot == NULL ? row->key : dot + 1);
        if (row->type == OPTION_TEXT)
            dump_text(out, o->values[i].text);
        else
            buf_str(out, o->values[i].text);
        buf_u8(out, '\n');
    }
}
