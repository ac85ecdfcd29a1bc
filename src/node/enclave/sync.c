/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Attach, the four feeds, and what to do when the sentinel has less than we do (protocol.md 12). */
#include "node/audit/audit.h"
#include "node/enclave/enclave.h"
#include "node/enclave/handover.h"

#include "core/feed/chain.h"

#include <string.h>

#define SUBSCRIBE_ALL (0x0F | ROOM_MASK_PRESENCE | ROOM_MASK_DOORS)

static void resend_next(struct enclave *e);

bool enclave_synced(const struct enclave *e, uint8_t feed)
{
    const struct enclave_feed *f = &e->feeds[feed];
    /* Before the heads are known, or while an older database gets back what it lost, a new entry
     * would take the place of one that others remember: a fork of our own making. */
    if (!e->attached || !e->subscribed || e->resending || f->stuck) return false;
    return f->seen.count >= f->head;
}

static bool all_synced(const struct enclave *e)
{
    for (uint8_t f = 0; f < FEEDS; f++)
        if (!enclave_synced(e, f)) return false;
    return true;
}

void enclave_now(struct enclave *e, uint8_t random[GROUP_RANDOM], struct group_now *ret)
{
    env_random(e->node->ports.env, random, GROUP_RANDOM);
    *ret = (struct group_now){.now_ms = env_wall_ms(e->node->ports.env), .random = random};
    for (int i = 0; i < 3; i++) ret->seen[i] = e->feeds[i + 1].seen;
}

enum status enclave_kept(struct enclave *e, uint8_t feed, uint64_t index, struct buf *ret_sealed,
                         uint8_t ret_chain[32])
{
    struct buf row;
    buf_init(&row, KV_VALUE_MAX);
    enum status st = keep_get(&e->node->keep, &e->feeds[feed].space, index, &row);
    if (st == ST_OK && row.n < 32) st = ST_INTEGRITY;
    if (st == ST_OK) {
        memcpy(ret_chain, row.p, 32);
        if (ret_sealed != NULL) buf_raw(ret_sealed, row.p + 32, row.n - 32);
    }
    buf_free(&row);
    return st;
}

static void keep_entry(struct enclave *e, uint8_t feed, struct bytes sealed)
{
    struct enclave_feed *f = &e->feeds[feed];
    struct buf row;
    buf_init(&row, KV_VALUE_MAX);
    chain_step(f->seen.chain, sealed, f->seen.chain);
    buf_raw(&row, f->seen.chain, 32);
    buf_bytes(&row, sealed);
    keep_put(e->batch, &f->space, f->seen.count, buf_view(&row));
    if (feed == FEED_MAIL) enclave_kept_entry(e, sealed.n);
    f->seen.count++;
    buf_free(&row);
}

static void forked(struct enclave *e, uint8_t feed)
{
    e->feeds[feed].stuck = true;
    if (e->phase == ENCLAVE_ENTERING)
        enclave_trouble(e,
                        "the ledger that is shown here does not verify as that of the enclave that "
                        "invited this member: nothing is written. Ask who invited you.");
    else
        enclave_trouble(e,
                        "the sentinel shows another history of feed %u than the one this member "
                        "has seen: nothing more is written. Compare `enclave status` with the "
                        "other members.",
                        (unsigned)feed);
    if (feed == FEED_LEDGER) enclave_evidence(e, e->feeds[feed].head);
}

/* One entry at the end of what we have. false: not taken, do not go on. */
static bool take(struct enclave *e, uint8_t feed, struct bytes sealed, bool last_word)
{
    struct enclave_feed *f = &e->feeds[feed];
    uint64_t index = f->seen.count;
    enum status st = ST_OK;
    if (feed == FEED_LEDGER)
        st = group_take(e->group, index, sealed, env_wall_ms(e->node->ports.env));
    else if (feed == FEED_MAIL) {
        enclave_mail_entry(e, index, sealed, e->batch);
        enclave_renew_entry(e, sealed);
    } else if (feed == FEED_FILES)
        st = enclave_files_entry(e, index, sealed, last_word, e->batch);
    else
        st = enclave_audit_entry(e, index, sealed, last_word, e->batch);
    if (st == ST_PENDING) {
        /* It waits for feed 0, which is looked at once more (what is unknown then stays so), and is
         * not asked for again if that is read no more. */
        f->stuck = e->feeds[FEED_LEDGER].stuck;
        if (!f->stuck) enclave_subscribe(e);
        return false;
    }
    if (st == ST_FORK || st == ST_INTEGRITY) {
        forked(e, feed);
        return false;
    }
    if (st != ST_OK) {
        enclave_trouble(e, "entry %llu of feed %u could not be taken: %s",
                        (unsigned long long)index, (unsigned)feed, status_text(st));
        f->stuck = true;
        return false;
    }
    keep_entry(e, feed, sealed);
    if (feed == FEED_LEDGER) enclave_news(e);
    return !e->removed;
}

static void begin_taking(struct enclave *e, struct keep_batch *b)
{
    keep_begin(b, &e->node->keep);
    e->batch = b;
}

static void end_taking(struct enclave *e)
{
    struct keep_batch *b = e->batch;
    e->batch = NULL;
    if (e->removed) {
        keep_drop(b);
        return;
    }
    enclave_put_group(e, b);
    enclave_mail_rows(e, b);
    enclave_mail_commit(e, b, NULL, NULL, 0);
    enclave_kept_taken(e);
}

/* ---- reading ---- */

struct reading {
    struct enclave *e;
    uint8_t feed;
};

/* A newcomer misses nothing from before it came in: it has no keys for that. */
static void missing(struct enclave *e, const struct room_reading *in, struct keep_batch *b)
{
    const struct enclave_feed *f = &e->feeds[FEED_MAIL];
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_leaf *own = ledger_leaf(l, group_leaf(e->group));
    if (e->mail == NULL || own == NULL || !group_in(e->group)) return;
    uint64_t from = ledger_epoch_seen(l, own->epoch_in, FEED_MAIL);
    bool known = f->seen.count >= from;
    if (known) from = f->seen.count;
    if (from < in->start)
        handover_missing(e, from, known ? f->seen.chain : NULL, in->start, in->chain, b);
}

static void asked_feed(struct enclave *e, uint8_t feed, enum status st, struct bytes body)
{
    struct enclave_feed *f = &e->feeds[feed];
    struct room_reading in;
    struct room_item item;
    struct keep_batch batch;
    f->reading = false;
    if (st == ST_CLOSED || e->removed || e->group == NULL) return;
    if (st == ST_OK) st = fields_decode(&room_reading_fields, body, &in);
    if (st == ST_OK && in.start > in.count) st = ST_BAD_MESSAGE;
    if (st != ST_OK) {
        uplink_redial(&e->up, st);
        return;
    }
    uint64_t was = f->seen.count;
    if (feed == FEED_MAIL) e->kept.first = in.first;
    begin_taking(e, &batch);
    if (in.start > f->seen.count && (feed == FEED_LEDGER || feed == FEED_FILES)) {
        /* Nothing of these is ever let go of but by a TRIM of the members: entries are kept from us. */
        forked(e, feed);
    } else if (in.start > f->seen.count) {
        /* What lies between was let go by age: asked of the others, lost if nobody has it. */
        if (feed == FEED_MAIL) missing(e, &in, &batch);
        f->seen.count = in.start;
        memcpy(f->seen.chain, in.chain, 32);
        if (feed == FEED_MAIL && e->mail != NULL && mail_skip_to(e->mail, in.start) != ST_OK)
            f->stuck = true;
    }
    bool fits = in.start == f->seen.count;
    if (fits && memcmp(in.chain, f->seen.chain, 32) != 0) {
        forked(e, feed);
        fits = false;
    }
    struct cursor c = cursor_of(in.entries);
    /* Feed 0 was read to its head before: what is still unknown now stays unknown. */
    bool last_word = enclave_synced(e, FEED_LEDGER);
    bool later = false; /* feed 0 first */
    while (fits && !later && c.left > 0 && batch.bytes < ENCLAVE_TAKE_BYTES &&
           fields_read(&room_item_fields, &c, &item) == ST_OK)
        later = !take(e, feed, item.sealed, last_word);
    if (!f->stuck) f->head = in.count > f->seen.count ? in.count : f->seen.count;
    end_taking(e);
    if (e->removed) return;
    if (f->seen.count == was && f->head > was && !later && !f->stuck) {
        uplink_redial(&e->up, ST_PROTOCOL); /* it has entries and shows none */
        return;
    }
    enclave_pump(e);
}

#define ASKED(n)                                                        \
    static void asked_##n(void *arg, enum status st, struct bytes body) \
    {                                                                   \
        asked_feed(arg, n, st, body);                                   \
    }
ASKED(0)
ASKED(1)
ASKED(2)
ASKED(3)

static void read_feed(struct enclave *e, uint8_t feed)
{
    if (e->commits >= ENCLAVE_COMMITS_MOST) {
        e->read_waits = true; /* the disk is slower than the feed: goes on with the next commit */
        return;
    }
    static uplink_done *const asked[FEEDS] = {asked_0, asked_1, asked_2, asked_3};
    struct room_read msg = {.feed = feed,
                            .from = e->feeds[feed].seen.count,
                            .max = 1024,
                            .max_bytes = ENCLAVE_READ_BYTES,
                            .have = e->feeds[feed].on_disk};
    e->feeds[feed].reading =
        uplink_request(&e->up, ROOM_READ, &room_read_fields, &msg, asked[feed], e) == ST_OK;
}

void enclave_pump(struct enclave *e)
{
    if (!e->attached || e->removed || e->halted || e->group == NULL || e->resending) return;
    for (uint8_t f = 0; f < FEEDS; f++) {
        struct enclave_feed *feed = &e->feeds[f];
        if (feed->stuck) continue;
        if (feed->seen.count < feed->head && !feed->reading) read_feed(e, f);
        /* Feed 0 first, so that all judge the others alike. */
        if (f == FEED_LEDGER && (!enclave_synced(e, f) || e->phase == ENCLAVE_ENTERING)) return;
    }
    if (!all_synced(e)) return;
    enclave_news(e); /* words may have shown another ledger than ours */
    if (e->removed) return;
    if (e->phase == ENCLAVE_LEAVING) enclave_leave_drop(e);
    enclave_mail_settle(e);
    enclave_seats(e);
    enclave_write(e);
    enclave_mail_send(e);
    enclave_files_up(e);
    enclave_audit_up(e);
    enclave_standing_door(e);
}

static void on_entry(struct enclave *e, struct bytes payload)
{
    struct room_entry in;
    if (fields_decode(&room_entry_fields, payload, &in) != ST_OK || in.feed >= FEEDS) {
        uplink_redial(&e->up, ST_BAD_MESSAGE);
        return;
    }
    struct enclave_feed *f = &e->feeds[in.feed];
    if (e->group == NULL || f->stuck) return;
    if (in.index < f->seen.count) {
        /* Known by now; if not as the same entry, what we were told of this place was a lie. */
        uint8_t known[32];
        if (enclave_kept(e, in.feed, in.index, NULL, known) == ST_OK &&
            memcmp(known, in.chain, 32) != 0)
            forked(e, in.feed);
        return;
    }
    /* Where the disk is far behind, what is pushed is read again later, many in one commit. */
    bool next = in.index == f->seen.count && !f->reading && !e->resending &&
                e->commits < ENCLAVE_PUSHES_MOST &&
                (in.feed == FEED_LEDGER || enclave_synced(e, FEED_LEDGER));
    if (in.index + 1 > f->head) f->head = in.index + 1;
    if (next) {
        uint8_t chain[32];
        chain_step(f->seen.chain, in.sealed, chain);
        if (memcmp(chain, in.chain, 32) != 0) {
            forked(e, in.feed);
            return;
        }
        struct keep_batch batch;
        begin_taking(e, &batch);
        take(e, in.feed, in.sealed, false);
        end_taking(e);
    }
    if (!e->removed) enclave_pump(e);
}

void enclave_appended(struct enclave *e, uint8_t feed, uint64_t index, struct bytes sealed)
{
    struct enclave_feed *f = &e->feeds[feed];
    if (index + 1 > f->head) f->head = index + 1;
    if (index == f->seen.count && !f->reading && !f->stuck &&
        (feed == FEED_LEDGER || enclave_synced(e, FEED_LEDGER))) {
        struct keep_batch batch;
        begin_taking(e, &batch);
        take(e, feed, sealed, true);
        end_taking(e);
    }
    if (!e->removed) enclave_pump(e);
}

enum status enclave_append(struct enclave *e, uint8_t feed, bool expect, uint64_t index,
                           const uint8_t chain[32], struct bytes sealed, uplink_done *done,
                           void *arg)
{
    struct room_append msg = {
        .feed = feed, .flags = expect ? ROOM_APPEND_EXPECT : 0, .sealed = sealed};
    if (feed == FEED_MAIL && expect && index > 0 && index == e->start1)
        msg.flags |= ROOM_APPEND_START;
    if (expect) {
        msg.index = index;
        memcpy(msg.chain, chain, 32);
    }
    return uplink_request(&e->up, ROOM_APPEND, &room_append_fields, &msg, done, arg);
}

/* ---- heads: is the sentinel ahead, behind, or elsewhere? ---- */

static void check_feed(struct enclave *e, uint8_t feed, const struct room_head *head)
{
    struct enclave_feed *f = &e->feeds[feed];
    e->resend[feed] = UINT64_MAX;
    if (feed == FEED_MAIL) {
        e->start1 = UINT64_MAX;
        e->kept.first = head->first;
    }
    f->head = head->count;
    if (f->stuck && feed == FEED_LEDGER) enclave_evidence(e, head->count);
    if (f->stuck) return;
    if (feed == FEED_LEDGER) {
        enum status st = group_check_head(e->group, head->count, head->chain);
        if (st == ST_FORK) forked(e, feed);
        if (st == ST_INTEGRITY) e->resend[feed] = head->count;
        return;
    }
    uint8_t chain[32];
    if (head->count > f->seen.count) return; /* READ tells whether ours is its beginning */
    if (head->count == f->seen.count)
        memcpy(chain, f->seen.chain, 32);
    else if (head->count == 0)
        chain_start(e->room, feed, chain);
    else if (enclave_kept(e, feed, head->count - 1, NULL, chain) != ST_OK)
        return;
    if (memcmp(chain, head->chain, 32) != 0)
        forked(e, feed);
    else if (head->count < f->seen.count)
        e->resend[feed] = head->count;
    if (feed == FEED_MAIL && head->count == 0 && e->resend[feed] == 0)
        e->resend[feed] = e->start1 = enclave_kept_start(e);
}

static void check_heads(struct enclave *e, const struct room_attached *in)
{
    for (uint8_t f = 0; f < FEEDS && f < in->heads.n; f++) {
        struct room_head head = room_head_at(in->heads, f);
        check_feed(e, f, &head);
    }
    enclave_news(e);
    e->resending = false;
    for (uint8_t f = 0; f < FEEDS; f++)
        if (e->resend[f] != UINT64_MAX) e->resending = true;
}

static void on_resent(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    (void)body;
    if (st == ST_CLOSED) return;
    for (uint8_t f = 0; f < FEEDS; f++) {
        if (e->resend[f] == UINT64_MAX) continue;
        if (st == ST_OK || st == ST_CONFLICT) e->given[f] = e->resend[f] + 1;
        if (st == ST_OK && ++e->resend[f] < e->feeds[f].seen.count)
            resend_next(e);
        else if (st == ST_OK || st == ST_CONFLICT)
            enclave_subscribe(e); /* all given back, or somebody else was first: look again */
        else
            uplink_redial(&e->up, st); /* it takes no more now: again after a while */
        return;
    }
}

/* Gives an older database the identical bytes back, in order. */
static void resend_next(struct enclave *e)
{
    for (uint8_t f = 0; f < FEEDS; f++) {
        uint64_t index = e->resend[f];
        if (index == UINT64_MAX) continue;
        uint8_t before[32], after[32];
        struct buf sealed = BUF_INIT;
        enum status st = ST_OK;
        if (index == 0)
            chain_start(e->room, f, before);
        else
            st = enclave_kept(e, f, index - 1, NULL, before);
        if (st == ST_OK) st = enclave_kept(e, f, index, &sealed, after);
        if (st == ST_OK)
            st = enclave_append(e, f, true, index, before, buf_view(&sealed), on_resent, e);
        buf_free(&sealed);
        if (st == ST_NOT_FOUND && e->commits > 0) {
            uplink_redial(&e->up, ST_BUSY); /* its row is still on the way to the disk */
            return;
        }
        if (st != ST_OK)
            enclave_trouble(e,
                            "the sentinel has an older database and entry %llu of feed %u "
                            "cannot be given back: %s",
                            (unsigned long long)index, (unsigned)f, status_text(st));
        return;
    }
}

/* ---- attach ---- */

/* It loses on one connection what it just took: it is not given back again without a pause. */
static bool takes_back(const struct enclave *e, const struct room_attached *in)
{
    for (uint8_t f = 0; f < FEEDS && f < in->heads.n; f++)
        if (room_head_at(in->heads, f).count < e->given[f]) return true;
    return false;
}

static void on_subscribed(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct room_attached in;
    if (st == ST_CLOSED || e->removed) return;
    if (st == ST_OK) st = fields_decode(&room_attached_fields, body, &in);
    if (st != ST_OK) {
        uplink_redial(&e->up, st);
        return;
    }
    if (takes_back(e, &in)) {
        enclave_trouble(e, "the sentinel takes entries and does not keep them");
        uplink_redial(&e->up, ST_PROTOCOL);
        return;
    }
    check_heads(e, &in);
    if (e->resending) {
        if (e->phase != ENCLAVE_CREATING)
            enclave_tell(e, "sentinel", "", 0,
                         "the sentinel came back with an older database: giving back what it lost");
        resend_next(e);
        return;
    }
    if (e->phase == ENCLAVE_CREATING) enclave_made(e);
    if (e->removed || e->halted) return;
    if (!e->subscribed) {
        e->subscribed = true;
        e->seats_due = true;
        if (e->peers != NULL) peers_attached(e->peers);
        enclave_knocks_ask(e);
        enclave_tell(e, "sentinel", "", 0, "connected to the sentinel");
        enclave_kept_tell(e);
    }
    enclave_pump(e);
}

void enclave_subscribe(struct enclave *e)
{
    struct room_subscribe msg = {.mask = SUBSCRIBE_ALL};
    if (uplink_request(&e->up, ROOM_SUBSCRIBE, &room_subscribe_fields, &msg, on_subscribed, e) !=
        ST_OK)
        uplink_redial(&e->up, ST_BUSY);
}

/* Connected again: what was wrong with the connection is over, what is wrong with us is not. */
static void trouble_that_stays(struct enclave *e)
{
    for (uint8_t f = 0; f < FEEDS; f++)
        if (e->feeds[f].stuck) return;
    e->trouble[0] = '\0';
    struct seen mine, theirs;
    if (e->group == NULL) return;
    if (group_lost(e->group))
        enclave_trouble(e, ENCLAVE_LOST_TEXT);
    else if (group_forked(e->group, &mine, &theirs))
        enclave_trouble(e,
                        "two histories of this enclave were seen, of %llu entries here and %llu "
                        "there: nothing more is written. Compare `enclave status` with the others.",
                        (unsigned long long)mine.count, (unsigned long long)theirs.count);
}

static void attached(struct enclave *e, const struct room_attached *in)
{
    trouble_that_stays(e);
    e->attached = true;
    e->subscribed = false;
    e->kept.told = UINT64_MAX;
    e->kept.room_bytes = in->mail_bytes;
    e->sentinel_ms = in->time_ms;
    e->sentinel_at_ms = env_mono_ms(e->node->ports.env);
    enclave_post_attached(e);
    bytes_wipe(e->drop_voted, sizeof e->drop_voted);
    memset(e->given, 0, sizeof e->given);
    e->standing_door = false;
    e->away_since_ms = 0;
    if (in->dropped != 0) {
        if (e->phase == ENCLAVE_LEAVING) {
            enclave_shred(e, "left");
            return;
        }
        /* The ledger up to the REMOVE is open to it, so that it sees why; nothing else is. */
        enclave_trouble(e, "this member's seat was dropped: it is out of the room");
        e->feeds[FEED_LEDGER].head = in->drop_count;
        enclave_pump(e);
        return;
    }
    enclave_subscribe(e);
}

static void not_attached(struct enclave *e, enum status st)
{
    /* No seat, no room: counts as done (protocol.md 11). Any other refusal is only a bad moment. */
    if (e->phase == ENCLAVE_LEAVING && st == ST_NOT_FOUND) {
        enclave_shred(e, "left");
        return;
    }
    if (e->phase == ENCLAVE_ENTERING) {
        /* ADD_SEAT may come after the WELCOME: tried again soon. */
        e->join_again_ms = env_mono_ms(e->node->ports.env) + 1000;
        return;
    }
    enclave_trouble(e,
                    "the sentinel at %s does not let this member in (%s): it may have lost its "
                    "database, or be another one",
                    e->address, status_text(st));
    uplink_redial(&e->up, st);
}

static void on_attached(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct room_attached in;
    if (st == ST_CLOSED || e->removed) return;
    if (st == ST_OK) {
        st = fields_decode(&room_attached_fields, body, &in);
        if (st == ST_OK) {
            attached(e, &in);
            return;
        }
    }
    not_attached(e, st);
}

static void on_created(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    (void)body;
    if (st == ST_CLOSED || e->removed) return;
    if (st == ST_OK || st == ST_EXISTS) {
        e->created = true;
        enclave_attach(e);
        return;
    }
    enclave_trouble(e, "the sentinel at %s does not make the room: %s", e->address,
                    status_text(st));
    uplink_redial(&e->up, st);
}

static void create_room(struct enclave *e, const struct link_peer *peer)
{
    struct room_create msg = {0};
    memcpy(msg.room, e->room, 32);
    memcpy(msg.seat, e->seat, 32);
    room_sign_create(e->keys->seat_seed, e->room, e->seat, peer->exporter, peer->spki, msg.sig);
    if (uplink_request(&e->up, ROOM_CREATE, &room_create_fields, &msg, on_created, e) != ST_OK)
        uplink_redial(&e->up, ST_BUSY);
}

void enclave_attach(struct enclave *e)
{
    const struct link_peer *peer = &e->server;
    struct room_attach msg = {0};
    memcpy(msg.room, e->room, 32);
    memcpy(msg.seat, e->seat, 32);
    room_sign_attach(e->keys->seat_seed, e->room, peer->exporter, peer->spki, msg.sig);
    if (uplink_request(&e->up, ROOM_ATTACH, &room_attach_fields, &msg, on_attached, e) != ST_OK)
        uplink_redial(&e->up, ST_BUSY);
}

static void on_ready(void *arg, const struct link_peer *peer)
{
    struct enclave *e = arg;
    if (e->removed || e->halted) return;
    e->server = *peer;
    if (enclave_rehome_up(e, peer)) return;
    if (e->phase == ENCLAVE_CREATING && !e->created) {
        create_room(e, peer);
    } else if (e->phase == ENCLAVE_KNOCKING || e->phase == ENCLAVE_WAITING) {
        enclave_join_up(e);
    } else if (e->phase != ENCLAVE_REFUSED && e->phase != ENCLAVE_GONE &&
               e->phase != ENCLAVE_REMOVED) {
        enclave_attach(e);
    }
}

static void on_push(void *arg, uint8_t type, struct bytes payload)
{
    struct enclave *e = arg;
    if (e->removed || e->halted) return;
    switch (type) {
    case ROOM_ENTRY: on_entry(e, payload); break;
    case ROOM_KNOCKED: enclave_knocked(e, payload); break;
    case ROOM_DOOR_REPLIED: enclave_join_push(e, type, payload); break;
    case ROOM_SEATS_CHANGED:
        e->seats_due = true;
        enclave_seats(e);
        break;
    case ROOM_LAGGED: enclave_subscribe(e); break;
    default:
        if (e->peers != NULL) peers_push(e->peers, type, payload);
        break;
    }
}

static void on_down(void *arg, enum status why)
{
    struct enclave *e = arg;
    bool was = e->attached;
    if (e->away_since_ms == 0) e->away_since_ms = env_mono_ms(e->node->ports.env) + 1;
    e->attached = e->subscribed = e->resending = e->evidence.busy = false;
    e->seats_busy = e->join_busy = e->dropping = false;
    for (int f = 0; f < FEEDS; f++) e->feeds[f].reading = false;
    if (e->peers != NULL) peers_detached(e->peers);
    enclave_mail_down(e);
    if (e->shelf != NULL) enclave_files_down(e);
    enclave_audit_down(e);
    if (e->removed) return;
    if (was) enclave_tell(e, "sentinel", "", 0, "the connection to the sentinel is lost");
    enclave_down_trouble(e, was, why);
    if (e->phase == ENCLAVE_CREATING) {
        enclave_unmake(e, why, "not made: the sentinel could not be reached");
        return;
    }
    if (e->join_done != NULL) enclave_join_down(e, why);
}

const struct uplink_events enclave_uplink_events = {on_ready, on_push, on_down, enclave_route};
