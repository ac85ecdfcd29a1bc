/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Two histories of the ledger were seen: the first entry in which the sentinel's differs from ours is
 * looked for, by halving, and kept as a proof if a member signed each. Nothing is written meanwhile. */
#include "node/enclave/enclave.h"

#include <string.h>

#define EVIDENCE_TRIES 16 /* entries that are looked at from the first that differs on */

static void look(struct enclave *e);

static void end(struct enclave *e)
{
    e->evidence.busy = false;
}

static void keep_proof(struct enclave *e)
{
    struct keep_batch b;
    keep_begin(&b, &e->node->keep);
    enclave_put_group(e, &b);
    enclave_commit(e, &b, NULL, NULL);
    enclave_tell(
        e, "warning", "", 0,
        "a proof is kept that two histories of this enclave were shown: anybody can check it");
    end(e);
}

/* The two entries for this place; junk, or of an epoch whose keys we do not have: the next one. */
static void prove(struct enclave *e, uint64_t index, struct bytes theirs)
{
    struct buf mine = BUF_INIT;
    uint8_t chain[32];
    enum status st = enclave_kept(e, FEED_LEDGER, index, &mine, chain);
    if (st == ST_OK) st = group_prove(e->group, index, buf_view(&mine), theirs);
    buf_free(&mine);
    if (st == ST_OK) {
        keep_proof(e);
        return;
    }
    e->evidence.at = index + 1;
    if (st == ST_EXISTS || e->evidence.at >= e->evidence.last ||
        ++e->evidence.tries == EVIDENCE_TRIES)
        end(e);
    else
        look(e);
}

static void on_read(void *arg, enum status st, struct bytes body)
{
    struct enclave *e = arg;
    struct evidence *v = &e->evidence;
    struct room_reading in;
    struct room_item item;
    if (!v->busy || st == ST_CLOSED || e->removed || e->group == NULL) return;
    if (st == ST_OK) st = fields_decode(&room_reading_fields, body, &in);
    if (st != ST_OK || in.start != v->at || v->at > ledger_count(group_ledger(e->group))) {
        end(e);
        return;
    }
    if (v->found) {
        struct cursor c = cursor_of(in.entries);
        if (fields_read(&room_item_fields, &c, &item) == ST_OK)
            prove(e, v->at, item.sealed);
        else
            end(e);
        return;
    }
    bool same = memcmp(in.chain, ledger_chain_at(group_ledger(e->group), v->at), 32) == 0;
    if (same && v->at == v->high) { /* nothing contradicts ours as far as it goes */
        end(e);
        return;
    }
    if (same)
        v->low = v->at;
    else
        v->high = v->at;
    v->found = v->high - v->low == 1;
    v->at = v->found ? v->low : v->low + (v->high - v->low) / 2;
    look(e);
}

static void look(struct enclave *e)
{
    struct room_read msg = {
        .feed = FEED_LEDGER, .from = e->evidence.at, .max = 1, .max_bytes = ENCLAVE_READ_BYTES};
    if (uplink_request(&e->up, ROOM_READ, &room_read_fields, &msg, on_read, e) != ST_OK) end(e);
}

/* head: entries that the sentinel has. */
void enclave_evidence(struct enclave *e, uint64_t head)
{
    struct evidence *v = &e->evidence;
    if (v->busy || !e->attached || e->group == NULL || group_proof(e->group).n > 0 ||
        group_leaf(e->group) == LEDGER_NOBODY)
        return;
    uint64_t count = ledger_count(group_ledger(e->group));
    uint64_t last = head < count ? head : count;
    if (last == 0) return;
    *v = (struct evidence){.busy = true, .at = last, .high = last, .last = last};
    look(e);
}
