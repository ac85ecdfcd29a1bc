/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/copied.h"

#include "node/enclave/enclave.h"

#include <string.h>

/* In the space "place": row 0 is the place, row `slot` (from 1) says that this enclave is a copy and
 * its group is not marked yet. */
#define PLACE_ROW 0

#define COPIED_TEXT                                                                           \
    "this home is a copy, or came back from a backup: before anything is said, new keys are " \
    "made in every enclave. In secret votes that are open now it cannot vote any more. "      \
    "If the home is in use elsewhere too, stop one of the two"

static enum status read_place(struct copied *c)
{
    struct node *n = c->node;
    struct buf known;
    buf_init(&known, KV_VALUE_MAX);
    enum status st = keep_get(&n->keep, &n->places, PLACE_ROW, &known);
    if (st == ST_OK || st == ST_BAD_SEAL || st == ST_INTEGRITY) {
        /* A row that somebody altered is no reason to stay away, and none to believe it. */
        c->news = c->copied =
            st != ST_OK || known.n != 32 || memcmp(known.p, n->options.place, 32) != 0;
        st = ST_OK;
    } else if (st == ST_NOT_FOUND) {
        /* A new home, or one of a version that kept no place. */
        c->news = true;
        st = ST_OK;
    }
    buf_free(&known);
    return st;
}

enum status copied_begin(struct copied *c, struct node *n)
{
    *c = (struct copied){.node = n};
    n->places = keep_space(&n->keep, "place", BYTES_NONE);
    enum status st = n->options.place == NULL ? ST_OK : read_place(c);
    if (st == ST_OK) keep_begin(&c->batch, &n->keep);
    return st;
}

/* Left from an earlier start. */
static bool was_marked(struct node *n, uint64_t slot)
{
    struct buf row;
    buf_init(&row, KV_VALUE_MAX);
    enum status st = keep_get(&n->keep, &n->places, slot, &row);
    buf_free(&row);
    return st != ST_NOT_FOUND; /* what cannot be read counts as said */
}

void copied_record(struct copied *c, uint64_t slot, struct enclave *e)
{
    struct node *n = c->node;
    if (slot == PLACE_ROW || (!c->copied && !was_marked(n, slot))) return;
    c->marked++;
    if (e == NULL || e->group == NULL) {
        if (e != NULL) e->copied = true;
        keep_put(&c->batch, &n->places, slot, bytes_str("copied"));
        return;
    }
    group_note_copied(e->group);
    enclave_mail_restored(e);
    enclave_put_group(e, &c->batch);
    enclave_mail_rows(e, &c->batch);
    keep_erase(&c->batch, &n->places, slot);
}

void copied_entered(struct enclave *e, struct keep_batch *b)
{
    if (!e->copied) return;
    e->copied = false;
    group_note_copied(e->group);
    keep_erase(b, &e->node->places, e->slot);
}

static void failed(struct node *n, enum status st)
{
    for (size_t i = 0; i < n->n; i++)
        if (!n->enclaves[i]->halted && !n->enclaves[i]->removed) enclave_halt(n->enclaves[i], st);
}

static void on_committed(void *arg, enum status st)
{
    struct node *n = arg;
    n->commits--;
    if (st != ST_OK) failed(n, st);
}

static void tell(struct node *n)
{
    struct node_event ev = {.kind = "warning",
                            .enclave = "",
                            .text = COPIED_TEXT,
                            .who = "",
                            .time_ms = env_wall_ms(n->ports.env)};
    env_log(n->ports.env, ENV_WARN, "node", "%s", COPIED_TEXT);
    node_tell(n, &ev);
}

void copied_end(struct copied *c, bool whole)
{
    struct node *n = c->node;
    if (c->news && whole) keep_put(&c->batch, &n->places, PLACE_ROW, BYTES(n->options.place, 32));
    if (c->copied && c->marked > 0) tell(n);
    if (c->batch.n == 0 && !c->batch.bad) {
        keep_drop(&c->batch);
        return;
    }
    n->commits++;
    enum status st = keep_commit(&c->batch, on_committed, n);
    if (st == ST_OK) return;
    n->commits--;
    failed(n, st);
}
