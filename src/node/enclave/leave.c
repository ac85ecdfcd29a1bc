/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Leaving: LEAVE acknowledged, seat dropped, then everything of it shredded (protocol.md 11). */
#include "node/audit/audit.h"
#include "node/enclave/enclave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void nobody(void *arg, const struct node_result *r)
{
    (void)arg;
    (void)r;
}

struct destroying {
    node_done *done;
    void *arg;
};

static bool own_left(const struct enclave *e)
{
    const struct ledger_leaf *own =
        e->group == NULL ? NULL : ledger_leaf(group_ledger(e->group), group_leaf(e->group));
    return own != NULL && !own->member_now;
}

static void on_shredded(void *arg, enum status st)
{
    struct enclave *e = arg;
    (void)st;
    if (e->leave_done != NULL)
        node_finish(e->leave_done, e->leave_arg, st,
                    st == ST_OK ? "left: its keys, words and shards are erased from this machine"
                                : "left, but the disk refused the erasing: try again",
                    NULL);
    e->leave_done = NULL;
}

void enclave_shred_then(struct enclave *e, const char *why, kv_done *done, void *arg)
{
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    keep_erase(&b, &e->node->records, e->slot);
    keep_erase(&b, &e->node->places, e->slot);
    keep_erase_space(&b, &e->s_state);
    keep_erase_space(&b, &e->s_mail);
    keep_erase_space(&b, &e->s_outbox);
    keep_erase_space(&b, &e->s_messages);
    keep_erase_space(&b, &e->s_bundles);
    keep_erase_space(&b, &e->s_uuids);
    keep_erase_space(&b, &e->s_acts);
    keep_erase_space(&b, &e->s_marks);
    keep_erase_space(&b, &e->s_ends);
    keep_erase_space(&b, &e->s_pair);
    keep_erase_space(&b, &e->s_missing);
    keep_erase_space(&b, &e->s_days);
    keep_erase_space(&b, &e->s_doors);
    keep_erase_space(&b, &e->s_files);
    for (int f = 0; f < FEEDS; f++) keep_erase_space(&b, &e->feeds[f].space);
    enclave_post_shred(e, &b);
    if (e->shelf != NULL) enclave_files_shred(e, &b);
    enclave_audit_shred(e, &b);
    enclave_move(e, ENCLAVE_GONE);
    enclave_tell(e, "left", "", 0, why);
    enclave_tell(e, "kit", "", 0, "the recovery kit has an enclave less in it");
    node_remove(e->node, e); /* first: also what stands still is erased */
    enclave_commit(e, &b, done, arg);
}

void enclave_shred(struct enclave *e, const char *why)
{
    if (!e->removed) enclave_shred_then(e, why, on_shredded, e);
}

/* ---- removed by the others, or by the recovery words ---- */

void enclave_removed_why(struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_leaf *own = ledger_leaf(l, group_leaf(e->group));
    const struct ledger_proposal *p = own == NULL ? NULL : ledger_proposal(l, own->removal);
    if (own != NULL && own->left_by == LEDGER_SELF_REVOKE) {
        snprintf(e->removed_why, sizeof e->removed_why,
                 "this machine was revoked with its recovery words");
    } else {
        char reason[NODE_REASON_MAX / 2] = "";
        if (p != NULL) bytes_text(p->reason, reason, sizeof reason);
        snprintf(e->removed_why, sizeof e->removed_why,
                 "the others removed this member by vote (proposed by %s)%s%s",
                 p == NULL ? "?" : enclave_nick(e, p->by), reason[0] == '\0' ? "" : ": ", reason);
    }
}

/* What is here stays readable until its owner destroys it; nothing is sent any more. */
void enclave_removed(struct enclave *e)
{
    if (e->phase == ENCLAVE_REMOVED || e->removed) return;
    if (e->phase == ENCLAVE_LEAVING) { /* it wanted to go anyway */
        enclave_shred(e, "left");
        return;
    }
    enclave_removed_why(e);
    enclave_move(e, ENCLAVE_REMOVED);
    uplink_stop(&e->up);
    e->attached = e->subscribed = false;
    enclave_peers_stop(e);
    struct keep_batch own, *b = e->batch != NULL ? e->batch : &own;
    keep_begin(&own, &e->node->keep);
    enclave_put_record(e, b);
    if (b == &own) enclave_commit(e, &own, NULL, NULL);
    e->trouble[0] = '\0'; /* what is wrong is said as the reason */
    enclave_tell(e, "left", "", 0, e->removed_why);
}

static void on_destroyed(void *arg, enum status st)
{
    struct destroying *d = arg;
    node_finish(d->done, d->arg, st,
                st == ST_OK ? "this machine's copy is erased; to the others you are still a member"
                            : "the disk refused the erasing: try again",
                NULL);
    free(d);
}

enum status node_destroy(struct node *n, const char *name, node_done *done, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    struct destroying *d = malloc(sizeof *d);
    if (d == NULL) return ST_NO_MEMORY;
    *d = (struct destroying){done, arg};
    enclave_shred_then(e, "destroyed", on_destroyed, d);
    return ST_OK;
}

static void on_dropped(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    (void)body;
    e->dropping = false;
    if (e->removed || st == ST_CLOSED) return;
    if (st == ST_OK || st == ST_NOT_FOUND || st == ST_REPLAY) {
        enclave_shred(e, "left");
        return;
    }
    enclave_trouble(e, "the sentinel did not drop our seat: %s. Trying again.", status_text(st));
    uplink_redial(&e->up, st);
}

void enclave_leave_drop(struct enclave *e)
{
    if (e->phase != ENCLAVE_LEAVING || e->dropping || !own_left(e)) return;
    const struct ledger_leaf *own = ledger_leaf(group_ledger(e->group), group_leaf(e->group));
    struct room_drop_seat msg = {0};
    memcpy(msg.room, e->room, 32);
    memcpy(msg.seat, own->seat, 32);
    memcpy(msg.sig, own->drop_sig, 64);
    e->dropping = uplink_request(&e->up, ROOM_DROP_SEAT, &room_drop_seat_fields, &msg, on_dropped,
                                 e) == ST_OK;
}

/* LEAVE goes to the ledger; what comes after it goes on by itself. */
static enum status begin(struct enclave *e)
{
    struct intent i = {.kind = INTENT_LEAVE};
    enum status st = enclave_intend(e, &i);
    if (st != ST_OK) return st;
    enclave_move(e, ENCLAVE_LEAVING);
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    enclave_put_record(e, &b);
    enclave_commit(e, &b, NULL, NULL);
    return ST_OK;
}

enum status node_leave(struct node *n, const char *name, node_done *done, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->leave_done != NULL) return ST_BUSY;
    e->leave_done = done;
    e->leave_arg = arg;
    if (e->phase == ENCLAVE_MEMBER) {
        enum status st = begin(e);
        if (st != ST_OK) e->leave_done = NULL;
        return st;
    }
    if (e->phase == ENCLAVE_LEAVING) return ST_OK; /* on its way; done is told when it is through */
    enclave_shred(e, "given up");
    return ST_OK;
}

/* ---- handing over first ---- */

struct begun {
    node_done *done;
    void *arg;
};

static void on_begun(void *arg, enum status st)
{
    struct begun *b = arg;
    node_finish(b->done, b->arg, st,
                st == ST_OK ? "what the others need is handed over first; enclave transfers shows "
                              "how far it is"
                            : "the disk refused it: try again",
                NULL);
    free(b);
}

static bool hands_over(const struct enclave *e)
{
    return e->phase == ENCLAVE_MEMBER && e->shelf != NULL && e->group != NULL &&
           group_in(e->group) && ledger_members(group_ledger(e->group)) > 1;
}

enum status node_part(struct node *n, const char *name, bool wait, node_done *done, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct enclave *e = node_find(n, name);
    if (e == NULL) return ST_NOT_FOUND;
    if (wait && !hands_over(e)) return node_leave(n, name, done, arg);
    if (wait && e->leave_done != NULL) return ST_BUSY;
    struct begun *b = wait ? NULL : malloc(sizeof *b);
    if (!wait && b == NULL) return ST_NO_MEMORY;
    if (wait) {
        e->leave_done = done;
        e->leave_arg = arg;
    } else {
        *b = (struct begun){done, arg};
    }
    if (!hands_over(e)) {
        node_later_kv(n, e, on_begun, b, ST_OK);
        return e->leave_done != NULL ? ST_OK : node_leave(n, name, nobody, NULL);
    }
    e->parting = true;
    enclave_files_part(e);
    struct keep_batch batch;
    keep_begin(&batch, &n->keep);
    enclave_put_record(e, &batch);
    enclave_commit(e, &batch, wait ? NULL : on_begun, b);
    return ST_OK;
}

void enclave_leave_parted(struct enclave *e)
{
    enum status st = e->phase == ENCLAVE_MEMBER ? begin(e) : ST_OK;
    if (st != ST_OK)
        enclave_trouble(e, "everything is handed over, but the leaving cannot begin: %s",
                        status_text(st));
}
