/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/enclave/enclave.h"
#include "node/audit/audit.h"
#include "node/check/check.h"
#include "node/enclave/handover.h"
#include "node/post/early.h"

#include "core/door/revoke.h"

#include "base/encode.h"
#include "core/door/safety.h"
#include "core/feed/chain.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(enclave_record, ENCLAVE_RECORD_FIELDS);

static const struct sm_state phases[ENCLAVE_PHASES] = {
    [ENCLAVE_CREATING] = {"creating",
                          SM_BIT(ENCLAVE_KNOCKING) | SM_BIT(ENCLAVE_MEMBER) | SM_BIT(ENCLAVE_GONE)},
    [ENCLAVE_KNOCKING] = {"knocking", SM_BIT(ENCLAVE_WAITING) | SM_BIT(ENCLAVE_GONE)},
    [ENCLAVE_WAITING] = {"waiting",
                         SM_BIT(ENCLAVE_ENTERING) | SM_BIT(ENCLAVE_REFUSED) | SM_BIT(ENCLAVE_GONE)},
    [ENCLAVE_ENTERING] = {"entering",
                          SM_BIT(ENCLAVE_MEMBER) | SM_BIT(ENCLAVE_GONE) | SM_BIT(ENCLAVE_REMOVED)},
    [ENCLAVE_MEMBER] = {"member",
                        SM_BIT(ENCLAVE_LEAVING) | SM_BIT(ENCLAVE_GONE) | SM_BIT(ENCLAVE_REMOVED)},
    [ENCLAVE_LEAVING] = {"leaving", SM_BIT(ENCLAVE_GONE) | SM_BIT(ENCLAVE_REMOVED)},
    [ENCLAVE_REFUSED] = {"refused", SM_BIT(ENCLAVE_GONE)},
    [ENCLAVE_GONE] = {"gone", 0},
    [ENCLAVE_REMOVED] = {"removed", SM_BIT(ENCLAVE_GONE)},
};
static const struct sm_table phase_table = {"enclave", phases, ENCLAVE_PHASES};

void enclave_move(struct enclave *e, enum enclave_phase to)
{
    sm_move(&e->sm, to);
    e->phase = to;
}

static struct enclave *allocate(struct node *n)
{
    struct enclave *e = calloc(1, sizeof *e);
    if (e == NULL) return NULL;
    e->keys = secret_new(sizeof *e->keys);
    if (e->keys == NULL) {
        free(e);
        return NULL;
    }
    e->node = n;
    sm_init(&e->sm, &phase_table, ENCLAVE_CREATING);
    uplink_init(&e->up, n->ports.env, &n->ports.link, &enclave_uplink_events, e);
    e->up.gated = true;
    e->next_message = 1;
    e->next_door = 1;
    for (int f = 0; f < FEEDS; f++) e->resend[f] = UINT64_MAX;
    e->start1 = UINT64_MAX;
    e->kept.told = UINT64_MAX;
    return e;
}

enum status enclave_new(struct node *n, const char *name, const char *nick, struct enclave **ret)
{
    if (n->n >= NODE_ENCLAVES_MAX) return ST_QUOTA;
    if (strlen(nick) == 0 || strlen(nick) > NODE_NICK_MAX || strlen(name) > NODE_NAME_MAX)
        return ST_USAGE;
    struct enclave *e = allocate(n);
    if (e == NULL) return ST_NO_MEMORY;
    memcpy(e->name, name, strlen(name) + 1);
    memcpy(e->nick, nick, strlen(nick) + 1);
    env_random(n->ports.env, e->tag, sizeof e->tag);
    env_random(n->ports.env, (uint8_t *)e->keys, sizeof *e->keys);
    sign_public(e->keys->id_seed, e->id);
    sign_public(e->keys->seat_seed, e->seat);
    e->slot = n->next_slot++;
    *ret = e;
    return ST_OK;
}

void enclave_spaces(struct enclave *e)
{
    struct keep *k = &e->node->keep;
    struct bytes tag = BYTES_OF(e->tag);
    static const char *const feed_labels[FEEDS] = {"feed 0", "feed 1", "feed 2", "feed 3"};
    e->s_state = keep_space(k, "state", tag);
    e->s_mail = keep_space(k, "mail", tag);
    e->s_outbox = keep_space(k, "outbox", tag);
    e->s_messages = keep_space(k, "messages", tag);
    e->s_bundles = keep_space(k, "bundles", tag);
    e->s_uuids = keep_space(k, "uuids", tag);
    e->s_acts = keep_space(k, "acts", tag);
    e->s_marks = keep_space(k, "marks", tag);
    e->s_ends = keep_space(k, "ends", tag);
    e->s_pair = keep_space(k, "pair", tag);
    e->s_missing = keep_space(k, "missing", tag);
    e->s_days = keep_space(k, "days", tag);
    e->s_doors = keep_space(k, "doors", tag);
    e->s_files = keep_space(k, "files", tag);
    for (uint8_t f = 0; f < FEEDS; f++) {
        e->feeds[f].space = keep_space(k, feed_labels[f], tag);
        if (e->feeds[f].seen.count == 0) e->feeds[f].seen = chain_unseen(e->room, f);
    }
}

/* The group keeps its own keys, and lets go of them when they are spent: nothing older stays. */
void enclave_wipe_first(struct enclave *e)
{
    bytes_wipe(e->keys->kem_seed, sizeof e->keys->kem_seed);
    bytes_wipe(e->keys->veto_seed, sizeof e->keys->veto_seed);
}

static struct bytes text_view(const char *text)
{
    return bytes_str(text);
}

void enclave_put_record(struct enclave *e, struct keep_batch *b)
{
    struct buf row = BUF_INIT;
    struct enclave_record r = {.version = ENCLAVE_RECORD_VERSION,
                               .phase = (uint8_t)e->phase,
                               .name = text_view(e->name),
                               .nick = text_view(e->nick),
                               .address = text_view(e->address),
                               .read_upto = e->read_upto,
                               .joined_ms = e->joined_ms,
                               .invitation = buf_view(&e->invitation),
                               .knock = buf_view(&e->knock),
                               .via = (uint8_t)e->via,
                               .parting = e->parting};
    memcpy(r.tag, e->tag, 16);
    memcpy(r.pin, e->pin, 32);
    memcpy(r.room, e->room, 32);
    memcpy(r.enclave_id, e->enclave_id, 32);
    memcpy(r.id_seed, e->keys->id_seed, 32);
    memcpy(r.seat_seed, e->keys->seat_seed, 32);
    memcpy(r.kem_seed, e->keys->kem_seed, 32);
    memcpy(r.reply_token, e->keys->reply_token, 32);
    memcpy(r.safety, e->safety, 32);
    memcpy(r.veto_seed, e->keys->veto_seed, 32);
    if (fields_encode(&enclave_record_fields, &r, &row) == ST_OK)
        keep_put(b, &e->node->records, e->slot, buf_view(&row));
    else
        b->bad = true;
    bytes_wipe(&r, sizeof r);
    buf_free(&row);
}

/* Keys of every epoch stay: a member that opens epochs all day must not make it too large for a row.
 * Each row begins with the length of the whole. */
void enclave_put_group(struct enclave *e, struct keep_batch *b)
{
    if (e->group == NULL || !group_dirty(e->group)) return;
    struct buf all, row;
    buf_init(&all, ENCLAVE_STATE_MAX);
    buf_init(&row, ENCLAVE_STATE_ROW + 4);
    uint64_t n = 0;
    if (group_save(e->group, &all) == ST_OK) {
        for (size_t at = 0; at < all.n; at += ENCLAVE_STATE_ROW) {
            size_t piece = all.n - at < ENCLAVE_STATE_ROW ? all.n - at : ENCLAVE_STATE_ROW;
            buf_clear(&row);
            buf_u32(&row, (uint32_t)all.n);
            buf_raw(&row, all.p + at, piece);
            if (row.bad) b->bad = true;
            keep_put(b, &e->s_state, n++, buf_view(&row));
        }
        /* Commits are carried out in order: what is saved later is on disk later. */
        group_saved(e->group);
    } else {
        b->bad = true;
    }
    buf_free(&all);
    buf_free(&row);
}

struct commit {
    struct enclave *e;
    kv_done *done;
    void *arg;
};

void enclave_halt(struct enclave *e, enum status st)
{
    e->halted = true;
    uplink_stop(&e->up);
    e->attached = e->subscribed = false;
    if (e->peers != NULL) peers_detached(e->peers);
    if (e->create_done != NULL)
        enclave_trouble(e,
                        "the disk did not take the new enclave (%s): it is not made. Make room, "
                        "then create it again",
                        status_text(st));
    else
        enclave_trouble(e,
                        "the disk did not take a change (%s): this enclave stands still and "
                        "nothing was lost. Make room, then: enclave daemon stop; enclave daemon "
                        "start",
                        status_text(st));
    env_log(e->node->ports.env, ENV_ERROR, "node", "an enclave stands still: %s", status_text(st));
}

static void on_committed(void *arg, enum status st)
{
    struct commit *c = arg;
    struct enclave *e = c->e;
    struct node *n = e->node;
    e->commits--;
    n->commits--;
    if (st != ST_OK && !e->halted && !e->removed) enclave_halt(e, st);
    if (c->done != NULL) c->done(c->arg, st);
    if (st != ST_OK && e->create_done != NULL && !e->removed)
        enclave_unmake(e, st, "not made: no room on disk");
    /* An answer to our RENEW waits for the rows to be on disk. */
    bool waits = e->read_waits && e->commits < ENCLAVE_COMMITS_MOST;
    if (waits) e->read_waits = false;
    if ((waits || (e->rejoin != NULL && e->commits == 0)) && !e->removed) enclave_pump(e);
    free(c);
}

void enclave_commit(struct enclave *e, struct keep_batch *b, kv_done *done, void *arg)
{
    struct commit *c = malloc(sizeof *c);
    enum status st = ST_NO_MEMORY;
    if (c != NULL) {
        *c = (struct commit){e, done, arg};
        e->commits++;
        e->node->commits++;
        if (e->halted && !e->removed)
            keep_drop(b);
        else
            st = keep_commit(b, on_committed, c);
        if (st == ST_OK) return;
        e->commits--;
        e->node->commits--;
        free(c);
    } else {
        keep_drop(b);
    }
    if (!e->halted && !e->removed) enclave_halt(e, st);
    if (done != NULL) node_later_kv(e->node, e, done, arg, st);
}

void enclave_trouble(struct enclave *e, const char *format, ...)
{
    char before[NODE_REASON_MAX];
    va_list args;
    memcpy(before, e->trouble, sizeof before);
    va_start(args, format);
    vsnprintf(e->trouble, sizeof e->trouble, format, args);
    va_end(args);
    if (strcmp(before, e->trouble) != 0) enclave_tell(e, "warning", "", 0, e->trouble);
}

void enclave_tell(struct enclave *e, const char *kind, const char *who, uint64_t number,
                  const char *text)
{
    struct node_event ev = {.kind = kind,
                            .enclave = e->name,
                            .text = text,
                            .who = who,
                            .number = number,
                            .time_ms = env_wall_ms(e->node->ports.env)};
    node_tell(e->node, &ev);
}

enum status enclave_find_member(const struct enclave *e, const char *text, size_t len,
                                uint16_t *ret)
{
    const struct ledger *l = group_ledger(e->group);
    size_t found = 0;
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        char number[8], hex[65];
        snprintf(number, sizeof number, "%u", (unsigned)leaf->leaf);
        hex_encode(BYTES_OF(leaf->id), hex);
        bool same = (strlen(leaf->nick) == len && memcmp(leaf->nick, text, len) == 0) ||
                    (strlen(number) == len && memcmp(number, text, len) == 0) ||
                    (len >= 8 && len <= 64 && memcmp(hex, text, len) == 0) ||
                    (leaf->leaf != group_leaf(e->group) && contacts_means(e, text, len));
        if (!leaf->member_now || !same) continue;
        *ret = leaf->leaf;
        found++;
    }
    return found == 0 ? ST_NOT_FOUND : found > 1 ? ST_CONFLICT : ST_OK;
}

const char *enclave_nick(const struct enclave *e, uint16_t leaf)
{
    const struct ledger_leaf *l =
        e->group == NULL ? NULL : ledger_leaf(group_ledger(e->group), leaf);
    const char *node = l == NULL ? enclave_files_node(e, leaf) : NULL;
    return l != NULL ? l->nick : node != NULL ? node : "?";
}

uint64_t enclave_unix_ms(const struct enclave *e)
{
    const struct env *env = e->node->ports.env;
    if (e->sentinel_ms == 0) return env_wall_ms(env);
    return e->sentinel_ms + (env_mono_ms(env) - e->sentinel_at_ms);
}

bool enclave_in(const struct enclave *e)
{
    return e->phase == ENCLAVE_MEMBER && !e->halted && e->group != NULL && group_in(e->group);
}

void enclave_revocation(const struct enclave *e, uint8_t ret_hash[32])
{
    uint8_t key[32];
    revoke_key(e->node->recovery, e->room, key);
    sha256(BYTES_OF(key), ret_hash);
    bytes_wipe(key, sizeof key);
}

/* ---- members' links ---- */

static size_t doors_of(void *arg, uint8_t ret[SNI_DOORS_MAX][32])
{
    struct enclave *e = arg;
    struct group_door_key keys[GROUP_DOOR_KEYS];
    if (e->group == NULL) return 0;
    size_t n = group_door_keys(e->group, env_wall_ms(e->node->ports.env), keys);
    if (n > SNI_DOORS_MAX) n = SNI_DOORS_MAX;
    for (size_t i = 0; i < n; i++) memcpy(ret[i], keys[i].key, 32);
    bytes_wipe(keys, sizeof keys);
    return n;
}

static bool pair_of(void *arg, uint64_t *epoch, uint8_t ret[32])
{
    struct enclave *e = arg;
    if (e->group == NULL || !group_in(e->group)) return false;
    if (*epoch == UINT64_MAX) *epoch = group_epoch(e->group);
    return group_key(e->group, GROUP_KEY_PAIR, *epoch, ret) == ST_OK;
}

static uint64_t unix_s_of(void *arg)
{
    return enclave_unix_ms(arg) / 1000;
}

static bool busy_of(void *arg, uint16_t leaf)
{
    struct enclave *e = arg;
    return handover_busy(e, leaf) || enclave_audit_busy(e, leaf) ||
           (e->shelf != NULL && enclave_files_busy(e, leaf));
}

static void on_peer(void *arg, uint16_t leaf, bool up)
{
    struct enclave *e = arg;
    if (e->shelf != NULL) enclave_files_peer(e, leaf, up);
    enclave_audit_peer(e, leaf, up);
    enclave_early_peer(e, leaf, up);
    handover_peer(e, leaf, up);
}

static void on_peer_frame(void *arg, uint16_t leaf, uint8_t type, struct bytes payload)
{
    struct enclave *e = arg;
    if (type == EARLY_FRAME)
        enclave_early_frame(e, leaf, payload);
    else if (!handover_frame(e, leaf, type, payload) &&
             !enclave_audit_frame(e, leaf, type, payload) && e->shelf != NULL)
        enclave_files_frame(e, leaf, type, payload);
}

static void on_peer_writable(void *arg, uint16_t leaf)
{
    struct enclave *e = arg;
    if (e->shelf != NULL) enclave_files_writable(e, leaf);
    enclave_audit_writable(e, leaf);
}

/* Somebody knows more of the ledger than we do: heads are asked for again, at most once in ten
 * seconds (protocol.md 12). */
void enclave_recheck(struct enclave *e)
{
    uint64_t now = env_mono_ms(e->node->ports.env);
    if (!e->subscribed || now < e->read0_ms + 10000) return;
    e->read0_ms = now;
    enclave_subscribe(e);
}

/* A caller with an unknown token may know an epoch that we do not. It tries again. */
static void on_stranger(void *arg)
{
    enclave_recheck(arg);
}

static void tell_no_listener(struct enclave *e, enum status why)
{
    char line[NODE_REASON_MAX];
    snprintf(line, sizeof line,
             "members cannot connect to %.100s: %s. All goes through the sentinel",
             e->node->options.listen,
             why == ST_EXISTS        ? "that port is in use"
             : why == ST_UNREACHABLE ? "that is no address of this machine"
                                     : "that is not allowed");
    env_log(e->node->ports.env, ENV_WARN, "peers", "%s", line);
    enclave_tell(e, "warning", "", 0, line);
}

/* A port that is taken is no reason to stay away: the others come by circuit. */
void enclave_listen(struct enclave *e)
{
    const struct node_options *o = &e->node->options;
    if (o->listen == NULL || !enclave_direct(e) || enclave_routed(e)) return;
    enum status st = peers_listen(e->peers, o->listen, o->announce);
    const char *port = strrchr(o->listen, ':');
    if (st != ST_OK)
        tell_no_listener(e, st);
    else if (port != NULL && strtoul(port + 1, NULL, 10) != 0)
        enclave_tell(e, "warning", "", 0,
                     "members connect to a fixed port (node.port): whoever meets you there in two "
                     "enclaves sees that they are one person's. Port 0 gives each its own");
}

enum status enclave_peers_start(struct enclave *e)
{
    if (e->peers != NULL) return ST_OK;
    struct peers_env penv = {.arg = e,
                             .direct = enclave_direct(e),
                             .route = enclave_route,
                             .doors = doors_of,
                             .pair = pair_of,
                             .unix_s = unix_s_of,
                             .busy = busy_of,
                             .change = on_peer,
                             .frame = on_peer_frame,
                             .writable = on_peer_writable,
                             .stranger = on_stranger};
    struct link_identity self;
    memcpy(self.seed, e->keys->id_seed, 32);
    memcpy(self.id, e->id, 32);
    enum status st = peers_new(e->node->ports.env, &e->node->ports.link, &e->up, &penv, &self,
                               e->room, &e->peers);
    bytes_wipe(&self, sizeof self);
    if (st != ST_OK) return st;
    enclave_listen(e);
    enclave_roster(e);
    return ST_OK;
}

void enclave_peers_stop(struct enclave *e)
{
    peers_free(e->peers);
    e->peers = NULL;
    if (e->shelf == NULL) return;
    for (size_t i = 0; i < ledger_leaves(group_ledger(e->group)); i++)
        enclave_files_peer(e, (uint16_t)i, false);
}

enum status enclave_connect(struct enclave *e)
{
    if (e->away_since_ms == 0) e->away_since_ms = env_mono_ms(e->node->ports.env) + 1;
    return uplink_start(&e->up, e->address, e->pin);
}

/* Whoever still waits for an answer gets one: every accepted call ends once. */
static void answer_all(struct enclave *e)
{
    const char *text = e->node->stopping ? "the daemon stops; ask again when it runs"
                                         : "this enclave is no longer on this machine";
    for (size_t i = 0; i < e->n_intents; i++) {
        node_finish(e->intents[i].done, e->intents[i].arg, ST_CANCELLED, text, NULL);
        free(e->intents[i].policy);
    }
    e->n_intents = 0;
    node_finish(e->create_done, e->create_arg, ST_CANCELLED, text, NULL);
    node_finish(e->join_done, e->join_arg, ST_CANCELLED, text, NULL);
    node_finish(e->leave_done, e->leave_arg, ST_CANCELLED, text, NULL);
    node_finish(e->rehome_done, e->rehome_arg, ST_CANCELLED, text, NULL);
    e->create_done = e->join_done = e->leave_done = e->rehome_done = NULL;
}

void enclave_free(struct enclave *e)
{
    if (e == NULL) return;
    e->removed = true;
    uplink_stop(&e->up);
    answer_all(e);
    enclave_check_free(e);
    enclave_audit_free(e);
    enclave_files_free(e);
    peers_free(e->peers);
    enclave_mail_free(e);
    handover_free(e);
    while (e->n_knocks > 0) enclave_knock_drop(e, e->knocks[0]);
    for (size_t i = 0; i < e->n_doors; i++) enclave_door_free(e->doors[i]);
    buf_free(&e->draft.sealed);
    buf_free(&e->invitation);
    buf_free(&e->knock);
    buf_free(&e->join_message);
    enclave_rehome_free(e);
    secret_free(e->rejoin);
    group_free(e->group);
    bytes_wipe(e->intents, sizeof e->intents);
    secret_free(e->keys);
    free(e);
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t enclave_next_ms(const struct enclave *e)
{
    if (e->removed || e->halted) return UINT64_MAX;
    uint64_t next = earlier(uplink_next_ms(&e->up), enclave_write_ms(e));
    if (e->peers != NULL) next = earlier(next, peers_next_ms(e->peers));
    if (e->join_again_ms != 0 && uplink_up(&e->up)) next = earlier(next, e->join_again_ms);
    if (e->seats_due && e->subscribed && !e->seats_busy && e->group != NULL &&
        enclave_synced(e, FEED_LEDGER) && group_in(e->group))
        next = earlier(next, e->seats_again_ms);
    if (e->mail_again_ms != 0) next = earlier(next, e->mail_again_ms);
    next = earlier(next, enclave_post_next_ms(e));
    next = earlier(next, enclave_early_next_ms(e));
    next = earlier(next, handover_next_ms(e));
    next = earlier(next, enclave_kept_next_ms(e));
    if (e->shelf != NULL) next = earlier(next, enclave_files_next_ms(e));
    next = earlier(next, enclave_check_next_ms(e));
    next = earlier(next, enclave_audit_next_ms(e));
    if (e->rejoin != NULL && e->commits == 0 && !e->posting) return 0;
    return earlier(next, enclave_rehome_next_ms(e));
}

void enclave_tick(struct enclave *e, uint64_t now_ms)
{
    if (e->removed || e->halted) return;
    enclave_follow_mode(e);
    uplink_tick(&e->up, now_ms);
    if (e->peers != NULL) peers_tick(e->peers, now_ms);
    enclave_join_tick(e, now_ms);
    enclave_seats(e);
    if (e->mail_again_ms != 0 && now_ms >= e->mail_again_ms) {
        e->mail_again_ms = 0;
        enclave_mail_send(e);
    }
    enclave_post_tick(e, now_ms);
    enclave_early_tick(e, now_ms);
    handover_tick(e, now_ms);
    enclave_kept_tick(e, now_ms);
    if (e->group != NULL) {
        enclave_write(e);
        e->intents_dirty = false;
    }
    if (e->shelf != NULL) enclave_files_tick(e, now_ms);
    enclave_check_tick(e, now_ms);
    enclave_audit_tick(e, now_ms);
    if (e->rejoin != NULL) enclave_rejoin(e);
    enclave_rehome_tick(e, now_ms);
    enclave_remind(e, env_wall_ms(e->node->ports.env));
}
