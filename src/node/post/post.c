/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Words: out of the owner's mouth into the outbox, from there to feed 1; out of feed 1 into the
 * rows that `read` shows. One commit, then the wire. */
#include "node/post/post.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(message_row, MESSAGE_ROW_FIELDS);
FIELDS_DEFINE(outbox_row, OUTBOX_ROW_FIELDS);

#define ODD_TIME_MS (UINT64_C(5) * 60 * 1000)
#define POST_AGAIN_MS 5000
#define POST_BUSY_MS 500
#define TO_BE_MADE UINT64_MAX

static void free_outgoing(struct outgoing *o)
{
    buf_free(&o->sealed);
    buf_free(&o->content);
    free(o);
}

static void unlist(struct enclave *e, struct outgoing *o)
{
    struct outgoing **at = &e->out_first;
    while (*at != NULL && *at != o) at = &(*at)->next;
    if (*at == NULL) return;
    *at = o->next;
    if (e->out_last == o) {
        e->out_last = e->out_first;
        while (e->out_last != NULL && e->out_last->next != NULL) e->out_last = e->out_last->next;
    }
    e->out_n--;
}

static void list(struct enclave *e, struct outgoing *o)
{
    o->next = NULL;
    if (e->out_last == NULL)
        e->out_first = o;
    else
        e->out_last->next = o;
    e->out_last = o;
    e->out_n++;
}

static bool listed(const struct enclave *e, const struct outgoing *what)
{
    for (const struct outgoing *o = e->out_first; o != NULL; o = o->next)
        if (o == what) return true;
    return false;
}

static struct outgoing *find_uuid(const struct enclave *e, const uint8_t uuid[16])
{
    for (struct outgoing *o = e->out_first; o != NULL; o = o->next)
        if (memcmp(o->uuid, uuid, 16) == 0) return o;
    return NULL;
}

/* ---- rows ---- */

static void put_outbox(struct enclave *e, struct outgoing *o, struct keep_batch *b)
{
    struct buf row;
    o->commit = e->mail_commits + 1; /* the one that this batch becomes */
    buf_init(&row, KV_VALUE_MAX);
    struct outbox_row msg = {.number = o->number,
                             .epoch = o->epoch,
                             .time_ms = o->time_ms,
                             .sealed = buf_view(&o->sealed),
                             .content = buf_view(&o->content)};
    memcpy(msg.uuid, o->uuid, 16);
    if (fields_encode(&outbox_row_fields, &msg, &row) == ST_OK)
        keep_put(b, &e->s_outbox, o->row, buf_view(&row));
    else
        b->bad = true;
    buf_free(&row);
}

static void put_message(struct enclave *e, uint64_t number, const struct message_row *m,
                        struct keep_batch *b)
{
    struct buf row;
    buf_init(&row, KV_VALUE_MAX);
    if (fields_encode(&message_row_fields, m, &row) == ST_OK)
        keep_put(b, &e->s_messages, number, buf_view(&row));
    else
        b->bad = true;
    buf_free(&row);
}

static void put_own(struct enclave *e, const struct outgoing *o, bool sent, struct keep_batch *b)
{
    struct message_row m = {.version = 1,
                            .leaf = group_leaf(e->group),
                            .own = 1,
                            .sent = sent,
                            .time_ms = o->time_ms,
                            .arrived_ms = o->time_ms,
                            .nick = bytes_str(e->nick),
                            .text = buf_view(&o->content)};
    memcpy(m.uuid, o->uuid, 16);
    put_message(e, o->number, &m, b);
}

void enclave_mail_rows(struct enclave *e, struct keep_batch *b)
{
    uint64_t row;
    while (e->mail != NULL && mail_dirty(e->mail, &row)) {
        struct buf out;
        buf_init(&out, KV_VALUE_MAX);
        if (mail_save(e->mail, row, &out) != ST_OK)
            b->bad = true;
        else if (out.n == 0)
            keep_erase(b, &e->s_mail, row);
        else
            keep_put(b, &e->s_mail, row, buf_view(&out));
        bool bad = b->bad;
        buf_free(&out);
        if (bad) return;
    }
}

/* ---- told when on disk ---- */

struct telling {
    struct enclave *e;
    uint64_t upto;
    uint64_t commit;
    node_done *done;
    void *arg;
    uint64_t number;
};

static void tell_one(struct enclave *e, uint64_t number)
{
    struct buf row;
    struct message_row m;
    char text[NODE_REASON_MAX];
    char nick[NODE_NICK_MAX + 1];
    buf_init(&row, KV_VALUE_MAX);
    if (keep_get(&e->node->keep, &e->s_messages, number, &row) == ST_OK &&
        fields_decode(&message_row_fields, buf_view(&row), &m) == ST_OK) {
        snprintf(text, sizeof text, "%.*s", (int)(m.text.n < 200 ? m.text.n : 200),
                 (const char *)m.text.p);
        snprintf(nick, sizeof nick, "%.*s", (int)m.nick.n, (const char *)m.nick.p);
        enclave_tell(e, "message", nick, number, text);
    }
    buf_free(&row);
}

static void on_told(void *arg, enum status st)
{
    struct telling *t = arg;
    struct enclave *e = t->e;
    while (st == ST_OK && !e->removed && e->told_message < t->upto) tell_one(e, ++e->told_message);
    if (t->done != NULL)
        node_finish(t->done, t->arg, st,
                    st != ST_OK   ? "not said: the disk did not take it"
                    : e->attached ? "sent"
                                  : "kept: it goes out when the sentinel is back",
                    st == ST_OK ? &t->number : NULL);
    if (st == ST_OK && !e->removed) {
        for (struct outgoing *o = e->out_first; o != NULL; o = o->next)
            if (o->commit <= t->commit && o->sealed.n > 0) o->ready = true;
        if (e->retake_due && enclave_synced(e, FEED_LEDGER) && enclave_synced(e, FEED_MAIL))
            enclave_mail_settle(e);
        enclave_mail_send(e);
    }
    free(t);
}

void enclave_mail_commit(struct enclave *e, struct keep_batch *b, node_done *done, void *arg,
                         uint64_t number)
{
    struct telling *t = malloc(sizeof *t);
    uint64_t commit = ++e->mail_commits;
    if (t == NULL) {
        enclave_commit(e, b, NULL, NULL);
        return;
    }
    *t = (struct telling){e, e->next_message - 1, commit, done, arg, number};
    enclave_commit(e, b, on_told, t);
}

/* ---- out ---- */

static enum status seal(struct enclave *e, struct outgoing *o)
{
    uint8_t nonce[XAEAD_NONCE];
    struct mail_made made;
    struct seen seen = group_seen(e->group);
    struct mail_draft d = {.kind = MAIL_TEXT,
                           .time_ms = o->time_ms,
                           .seen_count = seen.count,
                           .content = buf_view(&o->content)};
    o->epoch = TO_BE_MADE;
    o->ready = false;
    buf_clear(&o->sealed);
    if (e->mail == NULL || enclave_keys_shared(e)) return ST_OK;
    memcpy(d.uuid, o->uuid, 16);
    memcpy(d.seen_chain, seen.chain, 32);
    env_random(e->node->ports.env, nonce, sizeof nonce);
    enum status st = mail_make(e->mail, &d, e->keys->id_seed, nonce, &o->sealed, &made);
    if (st == ST_OK) o->epoch = made.epoch;
    if (st == ST_CONFLICT || st == ST_NOT_FOUND) st = ST_OK; /* made when a new epoch comes */
    return st;
}

static void on_appended(void *arg, enum status st, struct bytes body)
{
    struct outgoing *o = arg;
    struct enclave *e = o->owner;
    struct room_spot spot;
    o->flying = false;
    if (o->over) {
        free_outgoing(o);
        return;
    }
    if (st == ST_CLOSED || e->removed) return;
    if (st == ST_OK && fields_decode(&room_spot_fields, body, &spot) == ST_OK) {
        /* Taking it frees o: the bytes must outlive that. */
        struct buf sealed = o->sealed;
        o->sealed = BUF_INIT;
        buf_bytes(&o->sealed, buf_view(&sealed));
        enclave_appended(e, FEED_MAIL, spot.index, buf_view(&sealed));
        buf_free(&sealed);
        /* In the feed and read, and yet not known as ours: never sent again as it is. */
        if (listed(e, o) && !o->flying && e->feeds[FEED_MAIL].seen.count > spot.index) {
            o->epoch = TO_BE_MADE;
            o->again_ms = e->mail_again_ms = env_mono_ms(e->node->ports.env) + POST_AGAIN_MS;
        }
        return;
    }
    o->again_ms = env_mono_ms(e->node->ports.env) + (st == ST_BUSY ? POST_BUSY_MS : POST_AGAIN_MS);
    e->mail_again_ms = o->again_ms;
    enclave_trouble(e, "the sentinel does not take a message now (%s): kept, tried again",
                    status_text(st));
}

static void remake(struct enclave *e, struct outgoing *o)
{
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    if (seal(e, o) != ST_OK || o->sealed.n == 0) {
        keep_drop(&b);
        return;
    }
    enclave_mail_rows(e, &b);
    put_outbox(e, o, &b);
    enclave_mail_commit(e, &b, NULL, NULL, 0);
}

/* Sealed for an epoch that is over: one whose entries count no longer, or whose keys somebody has
 * taken along who left since. */
static bool outlived(const struct enclave *e, const struct outgoing *o)
{
    if (o->epoch == TO_BE_MADE) return true;
    if (o->epoch < ledger_generation(group_ledger(e->group))) return true;
    return e->mail != NULL && mail_stale(e->mail, o->epoch);
}

void enclave_mail_restored(struct enclave *e)
{
    if (e->mail == NULL) return;
    mail_hold(e->mail, group_epoch(e->group));
    for (struct outgoing *o = e->out_first; o != NULL; o = o->next) o->epoch = TO_BE_MADE;
}

void enclave_mail_send(struct enclave *e)
{
    if (!enclave_synced(e, FEED_LEDGER) || !enclave_synced(e, FEED_MAIL) || e->removed ||
        e->halted || e->group == NULL || !group_writable(e->group) || enclave_keys_shared(e))
        return;
    uint64_t now = env_mono_ms(e->node->ports.env);
    size_t flying = 0;
    e->mail_again_ms = 0;
    for (struct outgoing *o = e->out_first; o != NULL; o = o->next) flying += o->flying;
    for (struct outgoing *o = e->out_first; o != NULL && flying < ENCLAVE_OUTBOX_FLY; o = o->next) {
        if (o->flying) continue;
        if (now < o->again_ms) {
            /* Those behind it wait too: readers look only so far ahead for who comes early. */
            e->mail_again_ms = o->again_ms;
            return;
        }
        if (outlived(e, o)) {
            if (o->ready || o->sealed.n == 0) remake(e, o);
            continue;
        }
        if (!o->ready) continue;
        if (enclave_append(e, FEED_MAIL, false, 0, NULL, buf_view(&o->sealed), on_appended, o) !=
            ST_OK)
            return;
        o->flying = true;
        flying++;
    }
}

void enclave_mail_down(struct enclave *e)
{
    for (struct outgoing *o = e->out_first; o != NULL; o = o->next) o->flying = false;
}

static enum status new_outgoing(struct enclave *e, const uint8_t uuid[16], uint64_t number,
                                uint64_t time_ms, struct bytes content, struct outgoing **ret)
{
    struct outgoing *o = calloc(1, sizeof *o);
    if (o == NULL) return ST_NO_MEMORY;
    o->owner = e;
    o->row = e->next_row++;
    o->number = number;
    o->time_ms = time_ms;
    memcpy(o->uuid, uuid, 16);
    buf_bytes(&o->content, content);
    enum status st = buf_status(&o->content);
    if (st == ST_OK) st = seal(e, o);
    if (st != ST_OK) {
        free_outgoing(o);
        return st;
    }
    *ret = o;
    return ST_OK;
}

enum status node_send(struct node *n, const char *name, struct bytes text, node_done *done,
                      void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (!enclave_in(e)) return ST_DENIED;
    if (text.n == 0) return ST_USAGE;
    if (text.n > NODE_TEXT_MAX) return ST_TOO_BIG;
    struct outgoing *o;
    struct keep_batch b;
    uint8_t uuid[16];
    env_random(n->ports.env, uuid, 16);
    uuid[6] = (uint8_t)((uuid[6] & 0x0F) | 0x40); /* RFC 9562 version 4 */
    uuid[8] = (uint8_t)((uuid[8] & 0x3F) | 0x80);
    enum status st = new_outgoing(e, uuid, e->next_message, env_wall_ms(n->ports.env), text, &o);
    if (st != ST_OK) return st;
    e->next_message++;
    list(e, o);
    keep_begin(&b, &n->keep);
    enclave_mail_rows(e, &b);
    put_outbox(e, o, &b);
    put_own(e, o, false, &b);
    if (e->read_upto + 1 == o->number) e->read_upto = o->number;
    enclave_mail_commit(e, &b, done, arg, o->number);
    return ST_OK;
}

/* ---- in ---- */

static void own_arrived(struct enclave *e, const struct mail_message *m, struct keep_batch *b)
{
    struct outgoing *o = find_uuid(e, m->uuid);
    if (o == NULL) return;
    put_own(e, o, true, b);
    keep_erase(b, &e->s_outbox, o->row);
    unlist(e, o);
    if (o->flying)
        o->over = true; /* its reply is still to come */
    else
        free_outgoing(o);
}

static void show(struct enclave *e, const struct mail_message *m, bool own, struct keep_batch *b)
{
    uint64_t now = env_wall_ms(e->node->ports.env);
    struct message_row row = {.version = 1,
                              .leaf = m->leaf,
                              .own = own,
                              .sent = 1,
                              .time_ms = m->time_ms,
                              .arrived_ms = now,
                              .lost = m->gap ? m->skipped : 0,
                              .nick = bytes_str(enclave_nick(e, m->leaf)),
                              .text = m->content};
    memcpy(row.uuid, m->uuid, 16);
    put_message(e, e->next_message++, &row, b);
}

static void took(struct enclave *e, const struct mail_message *m, struct keep_batch *b)
{
    struct seen claim = {.count = m->seen_count};
    memcpy(claim.chain, m->seen_chain, 32);
    switch (m->verdict) {
    case MAIL_MESSAGE:
        group_use(e->group, m->epoch);
        if (m->kind == MAIL_TEXT) show(e, m, false, b);
        /* A fork comes as an event; a ledger longer than ours was kept from us. */
        if (group_check_seen(e->group, m->leaf, &claim) == ST_PENDING) enclave_recheck(e);
        break;
    case MAIL_OWN:
        group_use(e->group, m->epoch);
        own_arrived(e, m, b);
        break;
    case MAIL_OWN_LATE: {
        struct outgoing *o = find_uuid(e, m->uuid);
        if (o != NULL) o->epoch = TO_BE_MADE;
        if (o != NULL && seal(e, o) == ST_OK) put_outbox(e, o, b);
        break;
    }
    case MAIL_OWN_UNKNOWN:
        group_note_restored(e->group);
        /* What waits was sealed with numbers that were used before: sealed anew in a new epoch. */
        for (struct outgoing *o = e->out_first; o != NULL; o = o->next) o->epoch = TO_BE_MADE;
        /* Sealed anew after the backup was made: the message itself is here already. */
        if (find_uuid(e, m->uuid) != NULL)
            own_arrived(e, m, b);
        else if (m->kind == MAIL_TEXT)
            show(e, m, true, b);
        break;
    case MAIL_FORGED:
        enclave_tell(e, "warning", enclave_nick(e, m->leaf), 0,
                     "an entry that pretends to be a message does not open: ignored");
        break;
    case MAIL_AGAIN:
    case MAIL_LATE:
    case MAIL_NEWER:
    case MAIL_UNKNOWN: break;
    }
}

void enclave_mail_entry(struct enclave *e, uint64_t index, struct bytes sealed,
                        struct keep_batch *b)
{
    struct mail_message m;
    if (e->mail == NULL) return;
    if (index > mail_next_index(e->mail) && mail_skip_to(e->mail, index) != ST_OK) return;
    if (mail_take(e->mail, index, sealed, &m) == ST_OK) took(e, &m, b);
}

/* What nothing opened when it came may open now. */
void enclave_mail_retake(struct enclave *e)
{
    uint64_t index;
    struct keep_batch b;
    size_t i = 0;
    keep_begin(&b, &e->node->keep);
    while (mail_unknown(e->mail, i, &index)) {
        struct buf sealed;
        struct mail_message m;
        uint8_t chain[32];
        uint64_t after;
        buf_init(&sealed, KV_VALUE_MAX);
        enum status st = enclave_kept(e, FEED_MAIL, index, &sealed, chain);
        /* Its row may still be on the way to the disk: again once it is there. */
        if (st == ST_NOT_FOUND && e->commits > 0) e->retake_due = true;
        if (st == ST_OK && mail_take(e->mail, index, buf_view(&sealed), &m) == ST_OK)
            took(e, &m, &b);
        buf_free(&sealed);
        /* An entry that was settled is gone from the list: the next one has its place. */
        if (mail_unknown(e->mail, i, &after) && after == index) i++;
    }
    enclave_mail_rows(e, &b);
    if (b.n > 0)
        enclave_mail_commit(e, &b, NULL, NULL, 0);
    else
        keep_drop(&b);
}

void enclave_mail_settle(struct enclave *e)
{
    bool retake = false;
    if (e->mail == NULL) return;
    if (mail_settle(e->mail, &retake) != ST_OK) return;
    retake |= e->retake_due;
    e->retake_due = false;
    if (retake) enclave_mail_retake(e);
}

struct late {
    struct enclave *e;
    const uint8_t *uuid;
    struct outgoing *found;
};

static bool on_late_row(void *arg, uint64_t n, struct bytes plain)
{
    struct late *l = arg;
    struct message_row m;
    if (fields_decode(&message_row_fields, plain, &m) != ST_OK || m.own == 0 ||
        memcmp(m.uuid, l->uuid, 16) != 0)
        return true;
    if (new_outgoing(l->e, m.uuid, n, m.time_ms, m.text, &l->found) != ST_OK) l->found = NULL;
    return false;
}

void enclave_mail_epoch(struct enclave *e)
{
    uint8_t uuid[16];
    if (e->mail == NULL) return;
    mail_expire(e->mail, env_wall_ms(e->node->ports.env));
    e->retake_due = true; /* once both feeds are read to their heads */
    while (mail_late_own(e->mail, uuid)) {
        struct late l = {e, uuid, NULL};
        struct keep_batch b;
        if (find_uuid(e, uuid) != NULL) continue;
        if (keep_scan(&e->node->keep, &e->s_messages, 1, on_late_row, &l) != ST_OK ||
            l.found == NULL)
            continue;
        list(e, l.found);
        keep_begin(&b, &e->node->keep);
        enclave_mail_rows(e, &b);
        put_outbox(e, l.found, &b);
        put_own(e, l.found, false, &b);
        enclave_mail_commit(e, &b, NULL, NULL, 0);
    }
}

/* ---- load ---- */

static bool on_mail_row(void *arg, uint64_t n, struct bytes plain)
{
    struct enclave *e = arg;
    return mail_load(e->mail, n, plain) == ST_OK;
}

static bool on_outbox_row(void *arg, uint64_t n, struct bytes plain)
{
    struct enclave *e = arg;
    struct outbox_row row;
    if (fields_decode(&outbox_row_fields, plain, &row) != ST_OK) return true;
    struct outgoing *o = calloc(1, sizeof *o);
    if (o == NULL) return false;
    o->owner = e;
    o->row = n;
    o->number = row.number;
    o->epoch = row.epoch;
    o->time_ms = row.time_ms;
    o->ready = row.sealed.n > 0;
    memcpy(o->uuid, row.uuid, 16);
    buf_bytes(&o->sealed, row.sealed);
    buf_bytes(&o->content, row.content);
    list(e, o);
    e->next_row = n + 1;
    return true;
}

enum status enclave_mail_load(struct enclave *e)
{
    uint64_t last;
    enum status st = mail_new(e->room, e->enclave_id, group_leaf(e->group), &e->mail);
    if (st == ST_OK) st = keep_scan(&e->node->keep, &e->s_mail, 0, on_mail_row, e);
    if (st == ST_OK) st = keep_scan(&e->node->keep, &e->s_outbox, 0, on_outbox_row, e);
    if (st != ST_OK) return st;
    st = keep_last(&e->node->keep, &e->s_messages, &last);
    if (st == ST_OK) e->next_message = last + 1;
    e->told_message = e->next_message - 1;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

void enclave_mail_free(struct enclave *e)
{
    while (e->out_first != NULL) {
        struct outgoing *o = e->out_first;
        e->out_first = o->next;
        free_outgoing(o);
    }
    e->out_last = NULL;
    mail_free(e->mail);
    e->mail = NULL;
}

/* ---- looking ---- */

struct looking {
    node_message_visit *visit;
    void *arg;
};

static bool on_message_row(void *arg, uint64_t n, struct bytes plain)
{
    struct looking *l = arg;
    struct message_row row;
    char nick[NODE_NICK_MAX + 1], hex[33];
    if (fields_decode(&message_row_fields, plain, &row) != ST_OK) return true;
    snprintf(nick, sizeof nick, "%.*s", (int)row.nick.n, (const char *)row.nick.p);
    struct node_message m = {.number = n,
                             .nick = nick,
                             .own = row.own != 0,
                             .sent = row.sent != 0,
                             .time_ms = row.time_ms,
                             .text = row.text,
                             .lost_before = row.lost};
    uint64_t off =
        row.time_ms > row.arrived_ms ? row.time_ms - row.arrived_ms : row.arrived_ms - row.time_ms;
    m.odd_time = off > ODD_TIME_MS;
    hex_encode(BYTES_OF(row.uuid), hex);
    snprintf(m.uuid, sizeof m.uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return l->visit(l->arg, &m);
}

enum status node_messages(struct node *n, const char *name, uint64_t from,
                          node_message_visit *visit, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    struct looking l = {visit, arg};
    if (e == NULL) return ST_NOT_FOUND;
    return keep_scan(&n->keep, &e->s_messages, from, on_message_row, &l);
}

enum status node_mark_read(struct node *n, const char *name, uint64_t number)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (number >= e->next_message) number = e->next_message - 1;
    if (number <= e->read_upto) return ST_OK;
    e->read_upto = number;
    struct keep_batch b;
    keep_begin(&b, &n->keep);
    enclave_put_record(e, &b);
    enclave_commit(e, &b, NULL, NULL);
    return ST_OK;
}
