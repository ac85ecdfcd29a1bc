/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Words: out of the owner's mouth into the outbox, from there to feed 1; out of feed 1 into the
 * rows that `read` shows. One commit, then the wire. */
#include "node/post/early.h"

#include "base/encode.h"
#include "node/enclave/handover.h"
#include "node/post/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(outbox_row, OUTBOX_ROW_FIELDS);

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
}

static void list(struct enclave *e, struct outgoing *o)
{
    o->next = NULL;
    if (e->out_last == NULL)
        e->out_first = o;
    else
        e->out_last->next = o;
    e->out_last = o;
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
                             .kind = o->kind,
                             .to = o->to,
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
    post_private_rows(e, b);
}

/* ---- told when on disk ---- */

struct telling {
    struct enclave *e;
    uint64_t commit;
    struct mail_promise promise; /* what it says about own numbers */
    node_done *done;
    void *arg;
    uint64_t number;
};

static const char *told_text(const struct enclave *e)
{
    if (!e->attached) return "kept: it goes out when the sentinel is back";
    if (e->group != NULL && enclave_keys_shared(e))
        return "kept: somebody left, it goes out when the others have new keys";
    return "sent";
}

static void on_told(void *arg, enum status st)
{
    struct telling *t = arg;
    struct enclave *e = t->e;
    if (st == ST_OK) post_settled(e, t->commit);
    if (st == ST_OK && e->mail != NULL) mail_kept(e->mail, &t->promise);
    if (st == ST_OK) enclave_kept_settled(e, t->commit);
    if (t->done != NULL)
        node_finish(t->done, t->arg, st,
                    st != ST_OK ? "not said: the disk did not take it" : told_text(e),
                    st == ST_OK ? &t->number : NULL);
    if (st == ST_OK && !e->removed) {
        for (struct outgoing *o = e->out_first; o != NULL; o = o->next)
            if (o->commit <= t->commit && o->sealed.n > 0) o->ready = true;
        early_offer(e);
        archives_settle(e->node);
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
    *t = (struct telling){.e = e, .commit = commit, .done = done, .arg = arg, .number = number};
    t->promise.epoch = MAIL_NONE;
    if (e->mail != NULL) mail_promised(e->mail, &t->promise);
    early_offer(e); /* what needs not wait for this commit */
    enclave_commit(e, b, on_told, t);
}

/* ---- out ---- */

static enum status seal(struct enclave *e, struct outgoing *o)
{
    uint8_t nonce[XAEAD_NONCE];
    struct mail_made made = {0};
    struct seen seen = group_seen(e->group);
    struct mail_draft d = {.kind = o->kind,
                           .time_ms = o->time_ms,
                           .seen_count = seen.count,
                           .pack =
                               ledger_policy(group_ledger(e->group), LEDGER_POLICY_COMPRESS) != 0,
                           .content = buf_view(&o->content)};
    o->epoch = TO_BE_MADE;
    o->ready = o->early = false;
    o->below = 0;
    buf_clear(&o->sealed);
    if (e->mail == NULL || enclave_words_wait(e)) return ST_OK;
    memcpy(d.uuid, o->uuid, 16);
    memcpy(d.seen_chain, seen.chain, 32);
    enum status st;
    if (o->to != POST_ALL) {
        if (!e->post->read) return ST_OK; /* made when we know what lies in the feed */
        st = post_private_make(e, o->to, &d, &o->sealed, &made.epoch);
    } else {
        env_random(e->node->ports.env, nonce, sizeof nonce);
        st = mail_make(e->mail, &d, e->keys->id_seed, nonce, &o->sealed, &made);
    }
    if (st == ST_OK) {
        o->epoch = made.epoch;
        o->n = made.n;
    }
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
        o->below = spot.index + 1;
        if (e->mail_full) e->trouble[0] = '\0';
        e->mail_full = false;
        /* Taking it frees o: the bytes must outlive that. */
        struct buf sealed = o->sealed;
        o->sealed = BUF_INIT;
        buf_bytes(&o->sealed, buf_view(&sealed));
        enclave_appended(e, FEED_MAIL, spot.index, buf_view(&sealed));
        buf_free(&sealed);
        return;
    }
    o->again_ms = env_mono_ms(e->node->ports.env) + (st == ST_BUSY ? POST_BUSY_MS : POST_AGAIN_MS);
    e->mail_again_ms = o->again_ms;
    e->mail_full = st == ST_QUOTA;
    if (st == ST_QUOTA)
        enclave_trouble(
            e, "the mail of this enclave is full until all members have read it, or 14 days: "
               "what you say is kept and goes out by itself when there is room");
    else
        enclave_trouble(e, "the sentinel does not take a message now (%s): kept, tried again",
                        status_text(st));
}

/* Whom it was for is a member no more. */
static void undeliverable(struct enclave *e, struct outgoing *o, struct keep_batch *b)
{
    if (o->number != 0)
        enclave_tell(e, "warning", enclave_nick(e, o->to), o->number,
                     "they left before a private word of yours was on its way: it is not sent");
    pair_discard(e->pair, o->to, o->uuid);
    keep_erase(b, &e->s_outbox, o->row);
    unlist(e, o);
    if (o->flying)
        o->over = true;
    else
        free_outgoing(o);
    enclave_mail_rows(e, b);
    enclave_mail_commit(e, b, NULL, NULL, 0);
}

static void remake(struct enclave *e, struct outgoing *o)
{
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    enum status st = seal(e, o);
    if (o->to != POST_ALL && (st == ST_DENIED || st == ST_BAD_KEY)) {
        undeliverable(e, o, &b);
        return;
    }
    if (st != ST_OK || o->sealed.n == 0) {
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
    pair_restored(e->pair);
    for (struct outgoing *o = e->out_first; o != NULL; o = o->next) o->epoch = TO_BE_MADE;
}

void enclave_mail_send(struct enclave *e)
{
    if (!enclave_synced(e, FEED_LEDGER) || !enclave_synced(e, FEED_MAIL) || e->removed ||
        e->halted || e->group == NULL || !group_writable(e->group) || enclave_words_wait(e))
        return;
    uint64_t now = env_mono_ms(e->node->ports.env);
    size_t flying = 0;
    e->mail_again_ms = 0;
    for (struct outgoing *o = e->out_first; o != NULL; o = o->next) flying += o->flying;
    struct outgoing *next;
    for (struct outgoing *o = e->out_first; o != NULL && flying < ENCLAVE_OUTBOX_FLY; o = next) {
        next = o->next; /* what cannot be delivered any more is freed */
        if (o->flying) continue;
        if (o->below != 0 && e->feeds[FEED_MAIL].seen.count >= o->below) {
            /* In the feed and read, and yet not known as ours: never sent again as it is. */
            o->below = 0;
            o->epoch = TO_BE_MADE;
            o->again_ms = now + POST_AGAIN_MS;
        }
        if (now < o->again_ms) {
            /* Those behind it wait too: readers look only so far ahead for who comes early. */
            e->mail_again_ms = o->again_ms;
            return;
        }
        if (outlived(e, o)) {
            if (o->ready || o->sealed.n == 0) remake(e, o);
            continue;
        }
        /* Taken, and not shown yet: sent again and again it would fill the feed. */
        if (!o->ready || o->below != 0) continue;
        if (enclave_append(e, FEED_MAIL, false, 0, NULL, buf_view(&o->sealed), on_appended, o) !=
            ST_OK)
            return;
        o->flying = true;
        flying++;
    }
}

size_t enclave_mail_waiting(const struct enclave *e)
{
    size_t n = 0;
    for (const struct outgoing *o = e->out_first; o != NULL; o = o->next)
        n += o->kind != MAIL_MARKS && o->kind != PAIR_HELLO;
    return n;
}

void enclave_mail_down(struct enclave *e)
{
    for (struct outgoing *o = e->out_first; o != NULL; o = o->next) {
        o->flying = false;
        o->below = 0;
    }
}

enum status post_outgoing(struct enclave *e, uint8_t kind, uint16_t to, const uint8_t uuid[16],
                          uint64_t number, uint64_t time_ms, struct bytes content,
                          struct outgoing **ret)
{
    struct outgoing *o = calloc(1, sizeof *o);
    if (o == NULL) return ST_NO_MEMORY;
    o->owner = e;
    o->kind = kind;
    o->to = to;
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

void post_queue(struct enclave *e, struct outgoing *o, struct keep_batch *b)
{
    list(e, o);
    enclave_mail_rows(e, b);
    put_outbox(e, o, b);
}

void post_uuid(struct enclave *e, uint8_t ret[16])
{
    env_random(e->node->ports.env, ret, 16);
    ret[6] = (uint8_t)((ret[6] & 0x0F) | 0x40); /* RFC 9562 version 4 */
    ret[8] = (uint8_t)((ret[8] & 0x3F) | 0x80);
}

/* ---- in ---- */

/* It is in the feed now: at this place, and no longer for ever if it was said with an end. */
static void landed(struct enclave *e, uint64_t number, uint64_t index, struct keep_batch *b)
{
    struct buf row;
    struct message_row m;
    buf_init(&row, KV_VALUE_MAX);
    if (post_get(e, number, &row, &m) == ST_OK) {
        m.sent = 1;
        m.index = index;
        if (index < e->post->offer_low) e->post->offer_low = index;
        if (m.lasts_s > 0 && m.ends_ms == 0) {
            m.ends_ms = env_wall_ms(e->node->ports.env) + (uint64_t)m.lasts_s * 1000;
            post_ends(e, number, m.ends_ms, b);
        }
        post_put(e, number, &m, "sent", m.leaf, b);
    }
    buf_free(&row);
}

void post_arrived(struct enclave *e, const uint8_t uuid[16], uint64_t index, struct keep_batch *b)
{
    struct outgoing *o = find_uuid(e, uuid);
    if (o == NULL) return;
    if (o->number != 0 && o->kind == MAIL_BUNDLE)
        post_bundle_landed(e, o->number, index, b);
    else if (o->number != 0)
        landed(e, o->number, index, b);
    keep_erase(b, &e->s_outbox, o->row);
    unlist(e, o);
    if (o->flying)
        o->over = true; /* its reply is still to come */
    else
        free_outgoing(o);
}

static void show(struct enclave *e, const struct mail_message *m, uint64_t index, uint16_t to,
                 bool own, struct keep_batch *b)
{
    uint64_t now = env_wall_ms(e->node->ports.env);
    struct message_row row = {.leaf = m->leaf,
                              .to = to,
                              .own = own,
                              .sent = 1,
                              .time_ms = m->time_ms,
                              .arrived_ms = now,
                              .index = index,
                              .lost = to == POST_ALL ? e->post->lost[m->leaf] : m->skipped,
                              .nick = bytes_str(enclave_nick(e, m->leaf)),
                              .text = m->content};
    struct note note;
    memcpy(row.uuid, m->uuid, 16);
    if (e->post->hush) row.state |= POST_MUTED;
    if (m->kind == MAIL_NOTE) {
        struct buf of_row;
        struct message_row of;
        if (note_read(m->content, &note) != ST_OK ||
            post_noted(e, m, to == POST_ALL || own ? to : group_leaf(e->group), &note, b))
            return;
        row.text = note.text;
        row.path = note.path;
        row.lasts_s = note.lasts_s;
        if (note_mentions(&note, group_leaf(e->group))) row.state |= POST_MENTIONS;
        if (!bytes_zero(BYTES_OF(note.of_uuid))) row.state |= POST_ANSWERS;
        buf_init(&of_row, KV_VALUE_MAX);
        if ((row.state & POST_ANSWERS) != 0 &&
            post_find(e, note.of_leaf, note.of_uuid, &of_row, &of, &row.reply) != ST_OK)
            row.reply = 0;
        buf_free(&of_row);
    }
    if (row.lasts_s > 0) {
        row.ends_ms = now + (uint64_t)row.lasts_s * 1000;
        post_ends(e, e->next_message, row.ends_ms, b);
    }
    if (to == POST_ALL) e->post->lost[m->leaf] = 0;
    post_put(e, e->next_message++, &row, "message", m->leaf, b);
    if (!own) post_here(e, index, b);
}

void post_show(struct enclave *e, const struct mail_message *m, uint64_t index, uint16_t to,
               bool own, struct keep_batch *b)
{
    if (m->kind == MAIL_TEXT && m->content.n > NODE_TEXT_MAX) return; /* nobody can say so much */
    e->post->hush = !own && post_mute(e, m->leaf, 1, m->time_ms, m->content.n);
    show(e, m, index, to, own, b);
    e->post->hush = false;
}

void post_late(struct enclave *e, const uint8_t uuid[16], struct keep_batch *b)
{
    struct outgoing *o = find_uuid(e, uuid);
    if (o == NULL) return;
    o->epoch = TO_BE_MADE;
    if (seal(e, o) == ST_OK) put_outbox(e, o, b);
}

static void show_any(struct enclave *e, const struct mail_message *m, uint64_t index, bool own,
                     struct keep_batch *b)
{
    if (m->kind == MAIL_BUNDLE)
        post_show_bundle(e, m, index, own, b);
    else
        post_show(e, m, index, POST_ALL, own, b);
}

static void took(struct enclave *e, const struct mail_message *m, uint64_t index,
                 struct keep_batch *b)
{
    struct seen claim = {.count = m->seen_count};
    if (m->verdict == MAIL_MESSAGE || m->verdict == MAIL_AGAIN) early_settles(e, m);
    memcpy(claim.chain, m->seen_chain, 32);
    switch (m->verdict) {
    case MAIL_MESSAGE:
        /* Not lost while others are asked for it. */
        if (m->gap && !handover_open(e)) e->post->lost[m->leaf] += m->skipped;
        if (m->kind == MAIL_MARKS) {
            post_marked(e, m->leaf, m->content, b);
        } else {
            group_use(e->group, m->epoch);
            /* Offered again long after: shown once. */
            if (!post_known(e, m->leaf, m->uuid)) show_any(e, m, index, false, b);
        }
        /* A fork comes as an event; a ledger longer than ours was kept from us. */
        if (group_check_seen(e->group, m->leaf, &claim) == ST_PENDING) enclave_recheck(e);
        break;
    case MAIL_OWN:
        if (m->kind != MAIL_MARKS) group_use(e->group, m->epoch);
        post_arrived(e, m->uuid, index, b);
        if (m->kind == MAIL_MARKS) post_plan(e); /* what came meanwhile */
        break;
    case MAIL_OWN_LATE: post_late(e, m->uuid, b); break;
    case MAIL_OWN_UNKNOWN:
        group_note_restored(e->group);
        pair_restored(e->pair);
        /* What waits was sealed with numbers that were used before: sealed anew in a new epoch. */
        for (struct outgoing *o = e->out_first; o != NULL; o = o->next) o->epoch = TO_BE_MADE;
        /* Sealed anew after the backup was made: the message itself is here already. */
        if (find_uuid(e, m->uuid) != NULL)
            post_arrived(e, m->uuid, index, b);
        else if (m->kind != MAIL_MARKS && !post_known(e, m->leaf, m->uuid))
            show_any(e, m, index, true, b); /* not a second making of it */
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
    enum status st = mail_take(e->mail, index, sealed, &m);
    if (st == ST_NO_MEMORY) b->bad = true; /* not gone past: it is read again after a restart */
    if (st != ST_OK) return;
    if (m.verdict == MAIL_UNKNOWN)
        post_private_take(e, index, sealed, b);
    else
        took(e, &m, index, b);
}

void enclave_mail_missed(struct enclave *e, uint64_t index, struct bytes sealed,
                         struct keep_batch *b)
{
    struct mail_message m;
    if (e->mail == NULL || mail_take_missed(e->mail, index, sealed, &m) != ST_OK) return;
    if (m.verdict == MAIL_UNKNOWN)
        post_private_take(e, index, sealed, b);
    else
        took(e, &m, index, b);
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
        if (st == ST_OK && mail_take(e->mail, index, buf_view(&sealed), &m) == ST_OK) {
            if (m.verdict == MAIL_UNKNOWN)
                post_private_take(e, index, buf_view(&sealed), &b);
            else
                took(e, &m, index, &b);
        }
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

/* What turned out late is made again from its row: a message, or a note about one. */
void post_say_again(struct enclave *e, const uint8_t uuid[16])
{
    struct buf row, content;
    struct message_row m;
    struct act_row a;
    struct outgoing *o = NULL;
    uint64_t number;
    uint8_t kind = MAIL_NOTE;
    if (find_uuid(e, uuid) != NULL) return;
    buf_init(&row, KV_VALUE_MAX);
    buf_init(&content, KV_VALUE_MAX);
    if (post_find(e, group_leaf(e->group), uuid, &row, &m, &number) == ST_OK) {
        const uint8_t *said = m.uuid;
        size_t place = bundle_uuid_place(uuid);
        bool fits;
        if (post_bundle_content(e, number, &content, &m) == ST_OK) {
            kind = MAIL_BUNDLE; /* all of it, whichever of its messages was named */
            number -= place;
            fits = find_uuid(e, said) == NULL;
        } else {
            buf_clear(&content);
            fits = post_content(e, &m, &kind, &content) == ST_OK;
        }
        if (!fits ||
            post_outgoing(e, kind, m.to, said, number, m.time_ms, buf_view(&content), &o) != ST_OK)
            o = NULL;
    } else {
        buf_clear(&row);
        if (keep_get(&e->node->keep, &e->s_acts, post_key(group_leaf(e->group), uuid), &row) ==
                ST_OK &&
            fields_decode(&act_row_fields, buf_view(&row), &a) == ST_OK &&
            memcmp(a.uuid, uuid, 16) == 0 &&
            post_outgoing(e, a.kind, a.to, uuid, 0, a.time_ms, a.content, &o) != ST_OK)
            o = NULL;
    }
    if (o != NULL) {
        struct keep_batch b;
        keep_begin(&b, &e->node->keep);
        post_queue(e, o, &b);
        if (o->number != 0 && kind != MAIL_BUNDLE) {
            m.sent = 0;
            m.index = POST_NO_INDEX;
            post_put(e, o->number, &m, NULL, m.leaf, &b);
        }
        enclave_mail_commit(e, &b, NULL, NULL, 0);
    }
    buf_free(&content);
    buf_free(&row);
}

/* As many as there is room for now. */
static void say_late(struct enclave *e)
{
    uint8_t uuid[16];
    while (mail_late_own(e->mail, uuid)) post_say_again(e, uuid);
}

void enclave_mail_settle(struct enclave *e)
{
    bool retake = false;
    if (e->mail == NULL) return;
    bool private = false;
    if (mail_settle(e->mail, &retake) != ST_OK || pair_settle(e->pair, &private) != ST_OK) return;
    retake |= private;
    retake |= e->retake_due;
    e->retake_due = false;
    if (retake) enclave_mail_retake(e);
    e->post->read = true;
    say_late(e);
    post_plan(e);
    e->post->synced_ms = env_wall_ms(e->node->ports.env);
    group_feeds_read(e->group);
    post_private_settle(e);
    post_offer(e);
}

void enclave_mail_epoch(struct enclave *e)
{
    if (e->mail == NULL) return;
    mail_expire(e->mail, env_wall_ms(e->node->ports.env));
    post_drop_old_acts(e);
    e->retake_due = true; /* once both feeds are read to their heads */
    say_late(e);
    post_private_turn(e);
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
    o->kind = row.kind;
    o->to = row.to;
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

enum status enclave_mail_begin(struct enclave *e)
{
    enum status st = ST_OK;
    if (e->post == NULL) st = post_new(e);
    if (st == ST_OK && e->mail == NULL)
        st = mail_new(e->room, e->enclave_id, group_leaf(e->group), &e->mail);
    if (st == ST_OK && e->pair == NULL)
        st = pair_new(e->room, e->enclave_id, group_leaf(e->group), e->id, &e->pair);
    return st;
}

enum status enclave_mail_load(struct enclave *e)
{
    uint64_t last;
    enum status st = enclave_mail_begin(e);
    if (st == ST_OK) st = post_load(e);
    if (st == ST_OK) st = keep_scan(&e->node->keep, &e->s_mail, 0, on_mail_row, e);
    if (st == ST_OK) st = post_private_load(e);
    if (st == ST_OK) st = keep_scan(&e->node->keep, &e->s_outbox, 0, on_outbox_row, e);
    if (st != ST_OK) return st;
    st = keep_last(&e->node->keep, &e->s_messages, &last);
    if (st == ST_OK) e->next_message = last + 1;
    if (st == ST_NOT_FOUND) st = ST_OK;
    if (st == ST_OK) st = keep_last(&e->node->keep, &e->s_bundles, &last);
    if (st == ST_OK && last >= e->next_message) e->next_message = last + 1;
    if (e->post->kept.next_message > e->next_message) e->next_message = e->post->kept.next_message;
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
    pair_free(e->pair);
    e->pair = NULL;
    post_free(e);
}

#define READ_BACK_MAX 64 /* own messages gone past in search of the last one of others */

static void note_read_words(struct enclave *e, uint64_t number, struct keep_batch *b)
{
    struct buf row;
    struct message_row m;
    buf_init(&row, KV_VALUE_MAX);
    for (unsigned i = 0; i < READ_BACK_MAX && number > e->read_upto && e->post != NULL;
         i++, number--) {
        if (post_get(e, number, &row, &m) != ST_OK || m.own != 0) continue;
        post_read(e, m.index, b);
        break;
    }
    buf_free(&row);
}

enum status node_mark_read(struct node *n, const char *name, uint64_t number)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (number >= e->next_message) number = e->next_message - 1;
    if (number <= e->read_upto) return ST_OK;
    struct keep_batch b;
    keep_begin(&b, &n->keep);
    note_read_words(e, number, &b);
    e->read_upto = number;
    enclave_put_record(e, &b);
    enclave_commit(e, &b, NULL, NULL);
    return ST_OK;
}
