/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/post/early.h"

#include "base/encode.h"
#include "core/feed/pad.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(early_frame, EARLY_FIELDS);

/* Behind a proxy all goes through the room: a link would show when somebody speaks to whom. */
static bool may(const struct enclave *e)
{
    return !e->removed && !e->halted && e->peers != NULL && e->mail != NULL && e->post != NULL &&
           e->group != NULL && group_in(e->group) && !enclave_routed(e);
}

/* ---- out ---- */

typedef void visit_leaf(struct enclave *e, uint16_t leaf, struct bytes frame);

static size_t each_other(struct enclave *e, visit_leaf *visit, struct bytes frame)
{
    const struct ledger *l = group_ledger(e->group);
    size_t n = 0;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!leaf->member_now || leaf->leaf == group_leaf(e->group)) continue;
        n++;
        if (visit != NULL) visit(e, leaf->leaf, frame);
    }
    return n;
}

static void give(struct enclave *e, uint16_t leaf, struct bytes frame)
{
    if (!peers_linked(e->peers, leaf) || peers_waiting(e->peers, leaf) > LINK_HIGH_WATER / 64)
        return;
    /* It is in the outbox too: what a link does not take is not missed. */
    (void)!peers_send(e->peers, leaf, EARLY_FRAME, frame);
}

/* Where the sentinel cannot be asked who is there, all that told an address are tried. */
static void want(struct enclave *e, uint16_t leaf, struct bytes frame)
{
    (void)frame;
    if (!e->attached || peers_path(e->peers, leaf) != PEERS_OFFLINE) peers_want(e->peers, leaf);
}

static void give_entry(struct enclave *e, const struct outgoing *o, uint16_t to)
{
    struct early_frame msg = {.sealed = buf_view(&o->sealed)};
    struct buf frame = BUF_INIT;
    if (fields_encode(&early_frame_fields, &msg, &frame) == ST_OK) {
        if (to == POST_ALL)
            each_other(e, give, buf_view(&frame));
        else
            give(e, to, buf_view(&frame));
    }
    buf_free(&frame);
}

/* Small, for all, and its number is spent on the disk: itself, or by a commit before it. */
static bool ripe(const struct enclave *e, const struct outgoing *o)
{
    return o->to == POST_ALL && o->sealed.n > 0 && o->sealed.n <= EARLY_SIZE_MAX &&
           o->epoch == group_epoch(e->group) && (o->ready || mail_spent(e->mail, o->epoch, o->n));
}

static bool may_speak(const struct enclave *e)
{
    /* What the feed says about our own numbers comes first. */
    return may(e) && e->post->read && group_writable(e->group) && !enclave_keys_shared(e);
}

void early_offer(struct enclave *e)
{
    size_t ahead = 0;
    bool any = false;
    if (!may_speak(e)) return;
    for (struct outgoing *o = e->out_first; o != NULL; o = o->next) {
        if (ahead++ >= EARLY_WAITING) break;
        if (o->early || !ripe(e, o)) continue;
        o->early = any = true;
        give_entry(e, o, POST_ALL);
    }
    if (any && each_other(e, NULL, BYTES_NONE) < EARLY_MESH) each_other(e, want, BYTES_NONE);
}

static void count_linked(struct enclave *e, uint16_t leaf, struct bytes frame)
{
    (void)frame;
    e->post->linked += peers_linked(e->peers, leaf);
}

void enclave_early_peer(struct enclave *e, uint16_t leaf, bool up)
{
    size_t ahead = 0;
    if (!may_speak(e)) return;
    e->post->linked = 0;
    each_other(e, count_linked, BYTES_NONE);
    mail_ahead(e->mail, e->post->linked > 0 ? MAIL_AHEAD : 0);
    for (const struct outgoing *o = e->out_first; up && o != NULL; o = o->next) {
        if (ahead++ >= EARLY_WAITING) break;
        if (o->early && ripe(e, o)) give_entry(e, o, leaf);
    }
}

/* ---- in ---- */

static void drop(struct enclave *e, struct early_entry **at)
{
    struct early_entry *gone = *at;
    *at = gone->next;
    buf_free(&gone->text);
    buf_free(&gone->path);
    free(gone);
    e->post->n_early--;
}

void early_free(struct enclave *e)
{
    while (e->post != NULL && e->post->early != NULL) drop(e, &e->post->early);
}

static void tell(struct enclave *e, bool arrives, const struct early_entry *x)
{
    char text[NODE_REASON_MAX];
    const char *who = enclave_nick(e, x->leaf);
    struct bytes what = x->text.n > 0 ? buf_view(&x->text) : buf_view(&x->path);
    int n = (int)(what.n < 150 ? what.n : 150);
    if (arrives)
        snprintf(text, sizeof text, x->text.n > 0 ? "%.*s" : "[file %.*s]", n,
                 (const char *)what.p);
    else
        snprintf(text, sizeof text,
                 "what %s said is not in the room yet, and only you may have it: %.*s", who, n,
                 (const char *)what.p);
    enclave_tell(e, arrives ? "early" : "unsettled", who, x->number, text);
}

/* Full, or the place or the message is taken already. */
static bool has_room(const struct enclave *e, uint16_t leaf, const uint8_t *hint,
                     const uint8_t *uuid)
{
    size_t of_peer = 0;
    for (const struct early_entry *x = e->post->early; x != NULL; x = x->next) {
        if (x->leaf != leaf) continue;
        of_peer++;
        if (memcmp(x->hint, hint, sizeof x->hint) == 0) return false;
        if (uuid != NULL && memcmp(x->uuid, uuid, sizeof x->uuid) == 0) return false;
    }
    return of_peer < EARLY_PEER && e->post->n_early < EARLY_ALL;
}

/* What is said about a message waits for the feed: only new words are shown before it. */
static bool read_words(struct enclave *e, const struct mail_message *m, struct early_entry *x)
{
    struct note note;
    if (m->kind == MAIL_TEXT) {
        buf_bytes(&x->text, m->content);
        return !x->text.bad;
    }
    if (m->kind != MAIL_NOTE || note_read(m->content, &note) != ST_OK || note.act != NOTE_SAY)
        return false;
    buf_bytes(&x->text, note.text);
    buf_bytes(&x->path, note.path);
    x->lasts_s = note.lasts_s;
    x->mentions_us = note_mentions(&note, group_leaf(e->group));
    x->answers = !bytes_zero(BYTES_OF(note.of_uuid));
    if (x->answers) {
        struct buf row;
        struct message_row of;
        buf_init(&row, KV_VALUE_MAX);
        if (post_find(e, note.of_leaf, note.of_uuid, &row, &of, &x->reply) != ST_OK) x->reply = 0;
        buf_free(&row);
    }
    return !x->text.bad && !x->path.bad;
}

static void keep(struct enclave *e, struct bytes sealed, const struct mail_message *m)
{
    struct early_entry **at = &e->post->early;
    struct early_entry *x = calloc(1, sizeof *x);
    if (x == NULL) return;
    *x = (struct early_entry){.epoch = m->epoch,
                              .n = m->n,
                              .leaf = m->leaf,
                              .time_ms = m->time_ms,
                              .wall_ms = env_wall_ms(e->node->ports.env),
                              .since_ms = env_mono_ms(e->node->ports.env)};
    memcpy(x->uuid, m->uuid, 16);
    memcpy(x->hint, sealed.p, sizeof x->hint);
    if (!read_words(e, m, x)) {
        buf_free(&x->text);
        buf_free(&x->path);
        free(x);
        return;
    }
    x->number = ++e->post->next_early;
    while (*at != NULL) at = &(*at)->next;
    *at = x;
    e->post->n_early++;
    tell(e, true, x);
}

void enclave_early_frame(struct enclave *e, uint16_t leaf, struct bytes payload)
{
    struct early_frame in;
    struct mail_message m;
    if (!may(e) || fields_decode(&early_frame_fields, payload, &in) != ST_OK) return;
    if (!pad_is_class(in.sealed.n) || !has_room(e, leaf, in.sealed.p, NULL)) return;
    if (mail_peek(e->mail, leaf, in.sealed, &m) != ST_OK) return;
    if (m.content.n > NODE_TEXT_MAX || post_muted(e, leaf) > 0 || post_known(e, leaf, m.uuid))
        return;
    if (has_room(e, leaf, in.sealed.p, m.uuid)) keep(e, in.sealed, &m);
}

void early_settles(struct enclave *e, const struct mail_message *m)
{
    struct early_entry **at = &e->post->early;
    while (*at != NULL) {
        struct early_entry *x = *at;
        bool same = x->leaf == m->leaf && memcmp(x->uuid, m->uuid, 16) == 0;
        bool lost = x->leaf == m->leaf && x->epoch == m->epoch && x->n == m->n && !same;
        if (lost && !x->told) tell(e, false, x);
        if (same || lost)
            drop(e, at);
        else
            at = &x->next;
    }
}

/* ---- time ---- */

uint64_t enclave_early_next_ms(const struct enclave *e)
{
    uint64_t next = UINT64_MAX;
    if (e->post == NULL) return next;
    for (const struct early_entry *x = e->post->early; x != NULL; x = x->next) {
        uint64_t at = x->since_ms + (x->told ? EARLY_KEEP_MS : EARLY_WAIT_MS);
        if (at < next) next = at;
    }
    return next;
}

void enclave_early_tick(struct enclave *e, uint64_t now_ms)
{
    if (e->post == NULL) return;
    for (struct early_entry **at = &e->post->early; *at != NULL;) {
        struct early_entry *x = *at;
        if (!x->told && now_ms >= x->since_ms + EARLY_WAIT_MS) {
            x->told = true;
            tell(e, false, x);
        }
        if (now_ms >= x->since_ms + EARLY_KEEP_MS)
            drop(e, at);
        else
            at = &x->next;
    }
}

/* ---- looking ---- */

enum status node_early(struct node *n, const char *name, node_message_visit *visit, void *arg)
{
    char nick[NODE_NICK_MAX + 1], hex[33];
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    for (const struct early_entry *x = e->post == NULL ? NULL : e->post->early; x != NULL;
         x = x->next) {
        snprintf(nick, sizeof nick, "%s", enclave_nick(e, x->leaf));
        struct node_message m = {
            .nick = nick,
            .unsettled = true,
            .sent = true,
            .time_ms = x->time_ms,
            .odd_time = post_odd_time(x->time_ms, x->wall_ms),
            .text = buf_view(&x->text),
            .path = buf_view(&x->path),
            .to = "",
            .mentions_us = x->mentions_us,
            .answers = x->answers,
            .reply = x->reply,
            .ends_ms = x->lasts_s == 0 ? 0 : x->wall_ms + (uint64_t)x->lasts_s * 1000};
        hex_encode(BYTES_OF(x->uuid), hex);
        snprintf(m.uuid, sizeof m.uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                 hex + 16, hex + 20);
        if (!visit(arg, &m)) break;
    }
    return ST_OK;
}
