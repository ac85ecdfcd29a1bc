/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Links to storage nodes: dialled when something is to be put, got or brought, and let go when idle. */
#include "node/shelf/shelf_depots.h"

#include "core/holder/wire.h"
#include "node/audit/audit.h"
#include "node/repair/repair.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_FRAME 8192 /* ids of a frame */

static void talk(struct depot_link *l);

static uint64_t now_of(const struct depot_link *l)
{
    return env_mono_ms(l->s->e->node->ports.env);
}

static const struct depot_taken *taken_of(const struct depot_link *l)
{
    return depots_find(tree_depots(l->s->tree), l->number);
}

__attribute__((format(printf, 2, 3))) static void trouble(struct depot_link *l, const char *format,
                                                          ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(l->trouble, sizeof l->trouble, format, args);
    va_end(args);
}

struct depot_link *shelf_depot_link(struct shelf *s, size_t at)
{
    if (s->depots[at] != NULL) return s->depots[at];
    struct depot_link *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    l->s = s;
    l->number = (uint16_t)(DEPOTS_FIRST + at);
    l->pause_ms = DEPOT_AGAIN_MS;
    s->depots[at] = l;
    return l;
}

/* ---- the link ---- */

static void down(struct depot_link *l)
{
    if (l->up) {
        l->up = false;
        hold_link_down(l->s->hold, l->number);
        enclave_audit_peer(l->s->e, l->number, false);
    }
    l->open = false;
    l->asked = DEPOT_ASKED_NOTHING;
    buf_free(&l->live);
    l->live_at = 0;
}

static void let_go(struct depot_link *l)
{
    if (l->line == NULL) return;
    l->line->owner = NULL;
    l->line->port.ops->close(l->link);
    l->line = NULL;
    l->link = NULL;
    down(l);
}

static void later(struct depot_link *l)
{
    l->missed = true;
    l->dial_ms = now_of(l) + l->pause_ms;
    l->pause_ms = 2 * l->pause_ms < DEPOT_AGAIN_MAX_MS ? 2 * l->pause_ms : DEPOT_AGAIN_MAX_MS;
}

static enum status ask(struct depot_link *l, enum depot_asked what, uint8_t type,
                       const struct fields *f, const void *msg)
{
    struct buf b = BUF_INIT;
    enum status st = fields_encode(f, msg, &b);
    if (st == ST_OK) st = l->line->port.ops->send(l->link, type, buf_view(&b));
    buf_free(&b);
    if (st == ST_OK) {
        l->asked = what;
        l->asked_ms = l->used_ms = now_of(l);
    }
    return st;
}

static void on_opened(void *arg, struct link *link, const struct link_peer *peer)
{
    struct depot_line *line = arg;
    struct depot_link *l = line->owner;
    (void)link;
    if (l == NULL) return;
    struct enclave *e = l->s->e;
    struct depot_hello m = {.req = ++l->req, .version = DEPOT_VERSION};
    memcpy(m.room, e->room, 32);
    memcpy(m.seat, e->seat, 32);
    room_sign_attach(e->keys->seat_seed, e->room, peer->exporter, peer->spki, m.sig);
    l->open = true;
    l->brought_expiry = l->brought_version = 0;
    if (ask(l, DEPOT_ASKED_HELLO, DEPOT_HELLO, &depot_hello_fields, &m) != ST_OK) let_go(l);
}

static enum status wire_send(void *ctx, uint8_t type, struct bytes payload)
{
    struct depot_link *l = ctx;
    if (l->line == NULL || !l->open) return ST_CLOSED;
    l->used_ms = now_of(l);
    return l->line->port.ops->send(l->link, type, payload);
}

static void wire_pause(void *ctx, bool stop)
{
    struct depot_link *l = ctx;
    if (l->line != NULL) l->line->port.ops->pause(l->link, stop);
}

static void took_state(struct depot_link *l, const struct depot_state *m)
{
    enum depot_asked asked = l->asked;
    if (m->req != l->req) return;
    l->asked = DEPOT_ASKED_NOTHING;
    l->told = true;
    l->state = *m;
    enum status st = holder_code_status(m->result);
    l->visit_ms = now_of(l) + DEPOT_VISIT_MS;
    if (st == ST_OK)
        l->trouble[0] = '\0';
    else if (asked == DEPOT_ASKED_GRANT)
        trouble(l,
                "it does not take the grant (%s): ask its owner for a new offer, then type "
                "enclave storage add OFFER",
                st == ST_QUOTA ? "it has not so much to give" : status_text(st));
    if (asked == DEPOT_ASKED_RECORDS && m->list_version < l->s->e->seat_version) l->stuck = true;
    if (m->known && m->list_version >= l->s->e->seat_version) l->stuck = false;
    if (!m->known && l->brought_expiry != 0 && st != ST_OK) {
        l->pause_ms = DEPOT_AGAIN_MAX_MS;
        later(l);
        let_go(l);
        return;
    }
    if (m->seated && !l->up) {
        struct hold_wire wire = {wire_send, wire_pause, l};
        l->pause_ms = DEPOT_AGAIN_MS;
        l->missed = false;
        l->up = hold_link_up(l->s->hold, l->number, &wire) == ST_OK;
        if (l->up) enclave_audit_peer(l->s->e, l->number, true);
        if (l->line == NULL) return;
    }
    talk(l);
}

static void took_lost(struct depot_link *l, struct bytes payload)
{
    struct depot_lost m;
    struct depot_heard heard = {.req = UINT32_MAX}; /* its answer is not waited for */
    struct buf b = BUF_INIT;
    if (fields_decode(&depot_lost_fields, payload, &m) != ST_OK) return;
    for (size_t i = 0; i < m.columns.n; i++) {
        const uint8_t *item = list_at(m.columns, i, DEPOT_LOST_ITEM);
        repair_lost(l->s->e, l->number, item, item[32], "its storage node found it rotten");
    }
    heard.n = (uint16_t)m.columns.n;
    if (fields_encode(&depot_heard_fields, &heard, &b) == ST_OK)
        (void)!wire_send(l, DEPOT_HEARD, buf_view(&b));
    buf_free(&b);
}

static void on_frame(void *arg, struct link *link, uint8_t type, struct bytes payload)
{
    struct depot_line *line = arg;
    struct depot_link *l = line->owner;
    struct depot_state m;
    enum status st = ST_OK;
    (void)link;
    if (l == NULL) return;
    l->used_ms = now_of(l);
    if (type == DEPOT_STATE) {
        st = fields_decode(&depot_state_fields, payload, &m);
        if (st == ST_OK) took_state(l, &m);
    } else if (type == DEPOT_LOST) {
        took_lost(l, payload);
    } else if (type == AUDIT_ANSWER && l->up) { /* among the holder's numbers */
        st = enclave_audit_answer(l->s->e, l->number, payload);
    } else if (HOLDER_IS_REPLY(type) && l->up) {
        st = hold_link_frame(l->s->hold, l->number, type, payload);
    } else {
        st = ST_PROTOCOL; /* it is no member: it has nothing to ask of us */
    }
    if (st == ST_OK || line->owner == NULL) return;
    trouble(l, "it does not keep to the rules (%s)", status_text(st));
    later(l);
    let_go(l);
}

static void on_writable(void *arg, struct link *link)
{
    struct depot_line *line = arg;
    (void)link;
    if (line->owner != NULL && line->owner->up)
        hold_link_writable(line->owner->s->hold, line->owner->number);
    if (line->owner != NULL && line->owner->up)
        enclave_audit_writable(line->owner->s->e, line->owner->number);
}

static void on_closed(void *arg, struct link *link, enum status why)
{
    struct depot_line *line = arg;
    struct depot_link *l = line->owner;
    (void)link;
    free(line);
    if (l == NULL) return;
    l->line = NULL;
    l->link = NULL;
    if (why == ST_UNTRUSTED)
        trouble(l, "another machine answers at its address: nothing was sent to it");
    else if (!l->open)
        trouble(l, "it cannot be reached (%s): tried again by itself", status_text(why));
    down(l);
    later(l);
}

/* Its address learns ours: only where members learn it, too, or through the proxy. */
static bool may_dial(const struct enclave *e)
{
    return enclave_direct(e) || enclave_routed(e);
}

static void dial(struct depot_link *l, const struct depot_taken *t)
{
    static const struct link_events events = {on_opened, on_frame, on_writable, on_closed};
    struct enclave *e = l->s->e;
    struct link_route route;
    bool routed = false;
    if (!may_dial(e)) {
        trouble(l, "this enclave meets by relay, where nobody shall see addresses: storage nodes "
                   "are not used. Type: enclave policy set mode=direct");
        later(l);
        return;
    }
    struct depot_line *line = calloc(1, sizeof *line);
    if (line == NULL) return;
    *line = (struct depot_line){l, e->node->ports.link};
    enum status st = enclave_route(e, &route, &routed);
    if (st == ST_OK)
        st = line->port.ops->dial_server(line->port.ctx, t->address, routed ? &route : NULL, t->pin,
                                         &events, line, &l->link);
    if (routed) bytes_wipe(&route, sizeof route);
    if (st != ST_OK) {
        free(line);
        trouble(l, "%.150s cannot be dialled: %s", t->address, status_text(st));
        later(l);
        return;
    }
    l->line = line;
    l->used_ms = now_of(l);
}

/* ---- what is brought ---- */

static void bring_grant(struct depot_link *l, const struct depot_taken *t)
{
    uint8_t sigs[GRANT_SEATS_MAX * ROOM_SIG_ITEM];
    struct grant g;
    struct buf b = BUF_INIT;
    if (depots_grant(t, l->s->e->room, sigs, &g) && fields_encode(&grant_fields, &g, &b) == ST_OK) {
        struct depot_grant m = {.req = ++l->req, .grant = buf_view(&b)};
        l->brought_expiry = t->expiry;
        (void)!ask(l, DEPOT_ASKED_GRANT, DEPOT_GRANT, &depot_grant_fields, &m);
    }
    buf_free(&b);
}

static void got_records(void *arg, enum status st, struct bytes body)
{
    struct depot_link *l = arg;
    struct room_seat_list list;
    l->fetching = false;
    if (st == ST_OK) st = fields_decode(&room_seat_list_fields, body, &list);
    if (st != ST_OK || l->line == NULL || !l->open || l->asked != DEPOT_ASKED_NOTHING) return;
    struct depot_records m = {.req = ++l->req, .records = list.records};
    (void)!ask(l, DEPOT_ASKED_RECORDS, DEPOT_RECORDS, &depot_records_fields, &m);
}

static void bring_records(struct depot_link *l)
{
    struct enclave *e = l->s->e;
    struct room_seats msg = {.from = l->state.list_version + 1};
    l->brought_version = e->seat_version;
    l->fetching =
        uplink_request(&e->up, ROOM_SEATS, &room_seats_fields, &msg, got_records, l) == ST_OK;
}

struct needing {
    struct shelf *s;
    struct buf *ids;
};

static bool on_needed(void *arg, const struct tree_segment *t)
{
    struct needing *n = arg;
    if (tree_needs(n->s->tree, t->id)) buf_raw(n->ids, t->id, 32);
    return true;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static void send_live(struct depot_link *l)
{
    size_t left = (l->live.n - l->live_at) / 32, n = left < LIVE_FRAME ? left : LIVE_FRAME;
    struct depot_live m = {.req = ++l->req,
                           .list_version = l->s->e->seat_version,
                           .first = l->live_at == 0,
                           .last = n == left,
                           .ids = {l->live.p + l->live_at, n}};
    if (ask(l, DEPOT_ASKED_LIVE, DEPOT_LIVE, &depot_live_fields, &m) != ST_OK) return;
    l->live_at += n * 32;
    if (m.last) {
        l->live_ms = now_of(l) + DEPOT_LIVE_MS;
        buf_free(&l->live);
        l->live_at = 0;
    }
}

/* Only a member who has the whole tree may say what it needs. */
static void bring_live(struct depot_link *l)
{
    struct shelf *s = l->s;
    struct needing n = {s, &l->live};
    if (s->blind || !enclave_synced(s->e, FEED_FILES)) {
        l->live_ms = now_of(l) + DEPOT_VISIT_MS;
        return;
    }
    buf_init(&l->live, TREE_SEGMENTS_MAX * 32);
    tree_segments(s->tree, NULL, on_needed, &n);
    if (buf_status(&l->live) != ST_OK) {
        buf_free(&l->live);
        return;
    }
    if (l->live.n > 0) qsort(l->live.p, l->live.n / 32, 32, by_id);
    send_live(l);
}

/* The next thing to bring, if any. */
static void talk(struct depot_link *l)
{
    const struct depot_taken *t = taken_of(l);
    const struct depot_state *m = &l->state;
    uint64_t now = now_of(l);
    if (l->line == NULL || !l->open || t == NULL || l->asked != DEPOT_ASKED_NOTHING || l->fetching)
        return;
    if ((!m->known || m->expiry < t->expiry) && l->brought_expiry != t->expiry)
        bring_grant(l, t);
    else if (m->known && m->list_version < l->s->e->seat_version &&
             l->brought_version != l->s->e->seat_version)
        bring_records(l);
    else if (m->seated && l->live.n > 0)
        send_live(l);
    else if (m->seated && m->list_version == l->s->e->seat_version && now >= l->live_ms)
        bring_live(l);
}

/* ---- time ---- */

static void earlier(uint64_t *next, uint64_t at)
{
    if (at < *next) *next = at;
}

static void link_tick(struct depot_link *l, const struct depot_taken *t, uint64_t now, bool busy,
                      uint64_t *next)
{
    busy = busy || now < l->want_ms;
    /* New terms that most have signed are brought at once, once a link. */
    bool news = l->complete && l->state.expiry < t->expiry && l->brought_expiry != t->expiry;
    bool due = busy || news || now >= l->visit_ms || now >= l->live_ms || l->stuck;
    if (l->line == NULL) {
        if (due && now >= l->dial_ms) dial(l, t);
        earlier(next, due ? l->dial_ms : l->visit_ms);
        return;
    }
    bool waits = l->asked != DEPOT_ASKED_NOTHING && now >= l->asked_ms + DEPOT_ANSWER_MS;
    bool idle = l->open && !busy && now >= l->used_ms + DEPOT_IDLE_MS;
    if (waits || idle || !may_dial(l->s->e)) {
        if (waits) trouble(l, "it does not answer: tried again by itself");
        if (waits) later(l);
        let_go(l);
    } else {
        talk(l);
    }
    earlier(next, now + 1000);
}

static void judge(struct depot_link *l, const struct depot_taken *t)
{
    uint8_t sigs[GRANT_SEATS_MAX * ROOM_SIG_ITEM];
    struct grant g;
    if (l->judged_expiry == t->expiry && l->judged_sigs == t->sigs.n) return;
    l->complete = depots_grant(t, l->s->e->room, sigs, &g);
    l->judged_expiry = t->expiry;
    l->judged_sigs = t->sigs.n;
}

/* Who takes shards, changed: put and get are told. */
static void tell_roster(struct shelf *s)
{
    uint16_t numbers[DEPOTS_MAX];
    uint64_t sum = 0;
    size_t n = shelf_depots_numbers(s, numbers, DEPOTS_MAX);
    for (size_t i = 0; i < n; i++) sum = sum * 31 + numbers[i];
    if (sum == s->depots_sum) return;
    s->depots_sum = sum;
    enclave_files_roster(s->e);
}

struct keeping {
    uint16_t number;
    bool any;
};

static bool on_column(void *arg, const struct tree_segment *t)
{
    struct keeping *k = arg;
    for (unsigned i = 0; i < t->n; i++) k->any = k->any || t->at[i] == k->number;
    return !k->any;
}

/* Terms that were stated anew await signatures, perhaps for days: what is there is not lost by that. */
static bool keeps_any(const struct shelf *s, uint16_t number)
{
    struct keeping k = {.number = number};
    tree_segments(s->tree, NULL, on_column, &k);
    return k.any;
}

void shelf_depots_tick(struct shelf *s, uint64_t now_ms, bool busy, uint64_t *next)
{
    const struct depots *d = tree_depots(s->tree);
    if (d->n == 0) return;
    earlier(next, now_ms + DEPOT_LOOK_MS);
    for (size_t i = 0; i < d->n && s->e->phase == ENCLAVE_REMOVED; i++)
        if (s->depots[i] != NULL) let_go(s->depots[i]);
    if (s->e->phase != ENCLAVE_MEMBER || s->e->group == NULL || !enclave_in(s->e)) return;
    for (size_t i = 0; i < d->n; i++) {
        const struct depot_taken *t = &d->list[i];
        struct depot_link *l = shelf_depot_link(s, i);
        if (l == NULL) return;
        if (t->gone) {
            let_go(l);
            continue;
        }
        judge(l, t);
        shelf_grants_tick(s, t, l, now_ms, l->complete);
        l->kept = !l->complete && !l->told && keeps_any(s, t->number);
        if (l->complete || l->state.known || l->kept) link_tick(l, t, now_ms, busy, next);
    }
    tell_roster(s);
}

size_t shelf_depots_numbers(const struct shelf *s, uint16_t *ret, size_t most)
{
    const struct depots *d = tree_depots(s->tree);
    size_t n = 0;
    for (size_t i = 0; i < d->n && n < most; i++) {
        const struct depot_link *l = s->depots[i];
        if (d->list[i].gone || l == NULL) continue;
        /* One that refused the grant takes nothing. */
        if (l->told ? l->state.known : l->complete || l->kept) ret[n++] = d->list[i].number;
    }
    return n;
}

/* ---- for audits and repair ---- */

static struct depot_link *link_of(const struct shelf *s, uint16_t number)
{
    size_t at = (size_t)number - DEPOTS_FIRST;
    return number >= DEPOTS_FIRST && at < DEPOTS_MAX ? s->depots[at] : NULL;
}

bool shelf_depot_up(const struct shelf *s, uint16_t number)
{
    const struct depot_link *l = link_of(s, number);
    return l != NULL && l->up;
}

bool shelf_depot_present(const struct shelf *s, uint16_t number)
{
    const struct depot_link *l = link_of(s, number);
    return l != NULL && (l->up || (l->told && l->state.known && !l->missed));
}

bool shelf_depot_away(const struct shelf *s, uint16_t number)
{
    const struct depot_link *l = link_of(s, number);
    return l != NULL && l->line == NULL && l->missed && l->pause_ms >= 4 * DEPOT_AGAIN_MS &&
           now_of(l) < l->dial_ms;
}

bool shelf_depot_find(const struct shelf *s, const char *text, size_t len, uint16_t *ret)
{
    const struct depots *d = tree_depots(s->tree);
    for (size_t i = 0; i < d->n; i++) {
        char number[8];
        snprintf(number, sizeof number, "%u", (unsigned)d->list[i].number);
        *ret = d->list[i].number;
        if (strlen(number) == len && memcmp(number, text, len) == 0) return true;
        if (strlen(d->list[i].address) == len && memcmp(d->list[i].address, text, len) == 0)
            return true;
    }
    return false;
}

void shelf_depot_want(struct shelf *s, uint16_t number)
{
    struct depot_link *l = link_of(s, number);
    if (l == NULL) return;
    uint64_t now = now_of(l);
    if (now >= l->want_ms) l->dial_ms = now; /* a look is a fresh try */
    l->want_ms = now + DEPOT_WANT_MS;
    if (l->line == NULL && now >= l->dial_ms) s->depots_ms = 0;
}

enum status shelf_depot_send(struct shelf *s, uint16_t number, uint8_t type, struct bytes payload)
{
    struct depot_link *l = link_of(s, number);
    return l == NULL || !l->up ? ST_UNREACHABLE : wire_send(l, type, payload);
}

static void not_reached(struct shelf *s, const struct depot_taken *t)
{
    char text[NODE_REASON_MAX];
    uint64_t wall = enclave_unix_ms(s->e), end = t->expiry + GRANT_AFTER_MS;
    snprintf(text, sizeof text,
             "the storage node %.120s was not reached: what it keeps it forgets by itself in %llu "
             "days",
             t->address, (unsigned long long)(end > wall ? (end - wall) / 86400000 + 1 : 0));
    enclave_tell(s->e, "warning", "", 0, text);
}

void shelf_depots_bye(struct shelf *s)
{
    struct enclave *e = s->e;
    const struct depots *d = tree_depots(s->tree);
    if (e->phase != ENCLAVE_LEAVING || ledger_members(group_ledger(e->group)) > 0) return;
    for (size_t i = 0; i < d->n; i++) {
        struct depot_link *l = s->depots[i];
        if (d->list[i].gone) continue;
        if (l == NULL || !l->up) {
            not_reached(s, &d->list[i]);
            continue;
        }
        struct depot_bye m = {.req = ++l->req, .list_version = l->state.list_version};
        grant_bye_sign(e->keys->seat_seed, e->room, m.list_version, m.sig);
        if (ask(l, DEPOT_ASKED_LIVE, DEPOT_BYE, &depot_bye_fields, &m) != ST_OK)
            not_reached(s, &d->list[i]);
    }
}

void shelf_depots_free(struct shelf *s)
{
    for (size_t i = 0; i < DEPOTS_MAX; i++) {
        if (s->depots[i] == NULL) continue;
        let_go(s->depots[i]);
        free(s->depots[i]);
        s->depots[i] = NULL;
    }
}
