/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The rules of an enclave that a vote can change, as people read and type them. */
#include "node/vote/vote_parts.h"

#include "base/encode.h"
#include "core/door/knock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS UINT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

enum setting_kind { SETTING_BALLOT, SETTING_MODE, SETTING_TIME, SETTING_CHOICE, SETTING_SENTINELS };

struct setting {
    const char *key;
    enum setting_kind kind;
    enum ledger_policy policy;
    uint64_t least, most; /* of a time, ms; 0 may mean never */
    bool never;
    const char *help;
};

static const struct setting settings[] = {
    {"ballot", SETTING_BALLOT, 0, 0, 0, false, "how members vote: secret or open"},
    {"mode", SETTING_MODE, 0, 0, 0, false,
     "direct: members connect to each other; relay: all through the sentinel; tor: that, through "
     "tor"},
    {"deadline", SETTING_TIME, LEDGER_POLICY_EXPIRE_MS, HOUR_MS, 90 * DAY_MS, false,
     "how long a vote is open at least before it may be declared expired"},
    {"compression", SETTING_CHOICE, LEDGER_POLICY_COMPRESS, 0, 0, false,
     "whether words are compressed where that saves a size class: on or off"},
    {"dedup", SETTING_CHOICE, LEDGER_POLICY_CONVERGENT, 0, 0, false,
     "whether equal pieces of files a member puts are kept once: on or off"},
    {"history", SETTING_CHOICE, LEDGER_POLICY_NO_HISTORY, 0, 0, false,
     "whether newcomers get the keys of older files and may be shown older words: yes or no"},
    {"idle", SETTING_TIME, LEDGER_POLICY_IDLE_MS, DAY_MS, 3650 * DAY_MS, true,
     "who is silent for longer is shown as such, for the others to remove: a time, or never"},
    {"rekey", SETTING_TIME, LEDGER_POLICY_COMMIT_MS, HOUR_MS, 90 * DAY_MS, false,
     "how long keys are used before all change them"},
    {"sentinels", SETTING_SENTINELS, 0, 0, 0, false,
     "where the enclave may meet: HOST:PORT#PIN, several with commas"},
};
#define SETTINGS (sizeof settings / sizeof settings[0])

enum status vote_reason(const char *reason, char ret[LEDGER_REASON_MAX + 1])
{
    ret[0] = '\0';
    if (reason == NULL) return ST_OK;
    size_t n = strlen(reason);
    if (n > LEDGER_REASON_MAX || !knock_message_ok(bytes_str(reason))) return ST_USAGE;
    memcpy(ret, reason, n + 1);
    return ST_OK;
}

/* ---- as text ---- */

static void time_text(uint64_t ms, char *out, size_t room)
{
    if (ms == 0)
        snprintf(out, room, "never");
    else if (ms % DAY_MS == 0)
        snprintf(out, room, "%" PRIu64 "d", ms / DAY_MS);
    else if (ms % HOUR_MS == 0)
        snprintf(out, room, "%" PRIu64 "h", ms / HOUR_MS);
    else
        snprintf(out, room, "%" PRIu64 "m", ms / MINUTE_MS);
}

static const char *choice_text(enum ledger_policy policy, bool set)
{
    if (policy == LEDGER_POLICY_NO_HISTORY) return set ? "no" : "yes";
    return set ? "on" : "off";
}

static const char *mode_text(uint8_t mode)
{
    return mode == LEDGER_RELAY ? "relay" : mode == LEDGER_TOR ? "tor" : "direct";
}

static void sentinels_text(const struct ledger_sentinel *list, size_t n, char *out, size_t room)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && used < room; i++) {
        char pin[65];
        hex_encode(BYTES_OF(list[i].pin), pin);
        int len =
            snprintf(out + used, room - used, "%s%s#%s", i == 0 ? "" : ",", list[i].address, pin);
        used += len < 0 ? 0 : (size_t)len;
    }
}

static void value_text(const struct ledger *l, const struct setting *s, char *out, size_t room)
{
    const struct ledger_sentinel *list;
    switch (s->kind) {
    case SETTING_BALLOT: snprintf(out, room, "%s", ballot_kind(ledger_ballot_kind(l))->name); break;
    case SETTING_MODE: snprintf(out, room, "%s", mode_text(ledger_mode(l))); break;
    case SETTING_TIME: time_text(ledger_policy(l, s->policy), out, room); break;
    case SETTING_CHOICE:
        snprintf(out, room, "%s", choice_text(s->policy, ledger_policy(l, s->policy) != 0));
        break;
    case SETTING_SENTINELS: {
        size_t n = ledger_sentinels(l, &list);
        sentinels_text(list, n, out, room);
        break;
    }
    }
}

enum status node_policy(struct node *n, const char *name, node_setting_visit *visit, void *arg)
{
    char value[VOTE_CHANGES_MAX];
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->group == NULL || !ledger_started(group_ledger(e->group))) return ST_PENDING;
    for (size_t i = 0; i < SETTINGS; i++) {
        value_text(group_ledger(e->group), &settings[i], value, sizeof value);
        struct node_setting s = {settings[i].key, value, settings[i].help};
        visit(arg, &s);
    }
    return ST_OK;
}

/* The new value that a proposal brings, if it changes this setting. */
static bool change_text(const struct propose_policy *p, const struct setting *s, char *out,
                        size_t room)
{
    struct ledger_sentinel list[LEDGER_SENTINELS_MAX];
    size_t n = 0;
    if (s->kind == SETTING_BALLOT) {
        if (p->ballot_kind == LEDGER_AS_IS) return false;
        snprintf(out, room, "%s", ballot_kind(p->ballot_kind)->name);
        return true;
    }
    if (s->kind == SETTING_MODE) {
        if (p->mode == LEDGER_AS_IS) return false;
        snprintf(out, room, "%s", mode_text(p->mode));
        return true;
    }
    if (s->kind == SETTING_SENTINELS) {
        if (p->sentinels.n == 0 || !ledger_read_sentinels(p->sentinels, list, &n)) return false;
        sentinels_text(list, n, out, room);
        return true;
    }
    for (size_t i = 0; i < p->policy.n; i++) {
        const uint8_t *item = list_at(p->policy, i, LEDGER_POLICY_ITEM);
        if (item[0] != s->policy) continue;
        if (s->kind == SETTING_CHOICE)
            snprintf(out, room, "%s", choice_text(s->policy, get_u64(item + 1) != 0));
        else
            time_text(get_u64(item + 1), out, room);
        return true;
    }
    return false;
}

void vote_changes(const struct enclave *e, const struct ledger_proposal *p, char *out, size_t room)
{
    char before[VOTE_SENTINELS_MAX + 1], after[VOTE_SENTINELS_MAX + 1];
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < SETTINGS && used < room - 1; i++) {
        if (!change_text(&p->policy, &settings[i], after, sizeof after)) continue;
        value_text(group_ledger(e->group), &settings[i], before, sizeof before);
        int n = ledger_is_current(p)
                    ? snprintf(out + used, room - used, "%s%s: %s -> %s", used > 0 ? "\n" : "",
                               settings[i].key, before, after)
                    : snprintf(out + used, room - used, "%s%s: %s", used > 0 ? "\n" : "",
                               settings[i].key, after);
        used += n < 0 ? 0 : (size_t)n;
    }
    /* Keys that have no name here are shown all the same: nobody votes on what is not shown. */
    for (size_t i = 0; i < p->policy.policy.n && used < room - 1; i++) {
        const uint8_t *item = list_at(p->policy.policy, i, LEDGER_POLICY_ITEM);
        bool named = false;
        for (size_t k = 0; k < SETTINGS; k++)
            named |= settings[k].policy != 0 && item[0] == settings[k].policy;
        if (named) continue;
        int n = snprintf(out + used, room - used, "%spolicy %u: %" PRIu64, used > 0 ? "\n" : "",
                         item[0], get_u64(item + 1));
        used += n < 0 ? 0 : (size_t)n;
    }
}

/* ---- as typed ---- */

static enum status read_time(const struct setting *s, const char *text, uint64_t *ret)
{
    char *end = NULL;
    if (s->never && strcmp(text, "never") == 0) {
        *ret = 0;
        return ST_OK;
    }
    unsigned long long n = strtoull(text, &end, 10);
    uint64_t unit = strcmp(end, "m") == 0   ? MINUTE_MS
                    : strcmp(end, "h") == 0 ? HOUR_MS
                    : strcmp(end, "d") == 0 ? DAY_MS
                                            : 0;
    if (end == text || unit == 0 || n > s->most / unit) return ST_USAGE;
    *ret = n * unit;
    return *ret >= s->least ? ST_OK : ST_USAGE;
}

static enum status read_sentinels(const char *text, struct intent_policy *p)
{
    struct ledger_sentinel list[LEDGER_SENTINELS_MAX];
    struct buf out = BUF_INIT;
    size_t n = 0;
    enum status st = enclave_parse_sentinels(text, list, &n);
    if (st != ST_OK) return st;
    buf_u8(&out, (uint8_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_u8(&out, (uint8_t)strlen(list[i].address));
        buf_str(&out, list[i].address);
        buf_raw(&out, list[i].pin, 32);
    }
    st = buf_status(&out);
    if (st == ST_OK && out.n > sizeof p->sentinels) st = ST_TOO_BIG;
    if (st == ST_OK) {
        memcpy(p->sentinels, out.p, out.n);
        p->n_sentinels = out.n;
    }
    buf_free(&out);
    return st;
}

/* Items stay ascending by key; one that is given twice is an error. */
static enum status put_item(struct intent_policy *p, uint8_t key, uint64_t value)
{
    size_t at = 0;
    while (at < p->n_items && p->items[at * LEDGER_POLICY_ITEM] < key) at++;
    if (at < p->n_items && p->items[at * LEDGER_POLICY_ITEM] == key) return ST_USAGE;
    uint8_t *item = p->items + at * LEDGER_POLICY_ITEM;
    memmove(item + LEDGER_POLICY_ITEM, item, (p->n_items - at) * LEDGER_POLICY_ITEM);
    item[0] = key;
    put_u64(item + 1, value);
    p->n_items++;
    return ST_OK;
}

static enum status read_change(const char *key, const char *value, struct intent_policy *p)
{
    uint64_t number = 0;
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        enum status st = ST_USAGE;
        if (strcmp(s->key, key) != 0) continue;
        if (s->kind == SETTING_SENTINELS) return read_sentinels(value, p);
        if (s->kind == SETTING_TIME) {
            st = read_time(s, value, &number);
            return st == ST_OK ? put_item(p, (uint8_t)s->policy, number) : st;
        }
        if (s->kind == SETTING_CHOICE) {
            for (number = 0; number < 2; number++)
                if (strcmp(value, choice_text(s->policy, number != 0)) == 0)
                    return put_item(p, (uint8_t)s->policy, number);
            return st;
        }
        if (s->kind == SETTING_BALLOT) {
            p->ballot_kind = strcmp(value, "open") == 0 ? BALLOT_OPEN : BALLOT_SECRET;
            return strcmp(ballot_kind(p->ballot_kind)->name, value) == 0 ? ST_OK : st;
        }
        for (p->mode = 0; p->mode <= LEDGER_TOR; p->mode++)
            if (strcmp(mode_text(p->mode), value) == 0) return ST_OK;
        return st;
    }
    return ST_USAGE;
}

static enum status read_changes(const char *text, struct intent_policy *p)
{
    char one[VOTE_CHANGES_MAX];
    enum status st = ST_USAGE;
    for (const char *at = text; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ";");
        if (len == 0 || len >= sizeof one) return ST_USAGE;
        memcpy(one, at, len);
        one[len] = '\0';
        char *value = strchr(one, '=');
        if (value == NULL) return ST_USAGE;
        *value++ = '\0';
        st = read_change(one, value, p);
        if (st != ST_OK) return st;
        at += len;
        if (*at == ';') at++;
    }
    return st;
}

enum status node_propose_policy(struct node *n, const struct node_policy_change *req,
                                node_done *done, void *arg)
{
    struct enclave *e;
    struct intent i = {
        .kind = INTENT_POLICY, .yes = true, .now = req->now, .done = done, .arg = arg};
    enum status st = vote_enclave(n, req->enclave, &e);
    if (st != ST_OK) return st;
    st = vote_reason(req->reason, i.text);
    if (st != ST_OK) return st;
    i.policy = calloc(1, sizeof *i.policy);
    if (i.policy == NULL) return ST_NO_MEMORY;
    i.policy->ballot_kind = i.policy->mode = LEDGER_AS_IS;
    st = read_changes(req->changes, i.policy);
    if (st == ST_OK) st = enclave_intend(e, &i);
    if (st != ST_OK) free(i.policy);
    return st;
}
