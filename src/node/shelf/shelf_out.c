/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Our own entries of feed 2: made, kept, appended one after the other, done when they are folded.
 * One commit, then the wire; an entry whose epoch has closed is made again. */
#include "node/shelf/shelf.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(shelf_out, SHELF_OUT_FIELDS);

#define TO_BE_SEALED UINT64_MAX
#define OUT_AGAIN_MS 5000

static void free_op(struct shelf_op *op)
{
    buf_free(&op->sealed);
    buf_free(&op->body);
    free(op);
}

void shelf_put_row(struct shelf *s, struct keep_batch *b)
{
    struct buf row = BUF_INIT;
    struct shelf_row r = {.version = 1, .own_number = s->own_number, .snap = s->snap};
    memcpy(r.prev_own, s->prev_own, 32);
    if (fields_encode(&shelf_row_fields, &r, &row) == ST_OK)
        keep_put(b, &s->e->s_files, 0, buf_view(&row));
    else
        b->bad = true;
    buf_free(&row);
}

static void put_op(struct shelf *s, const struct shelf_op *op, struct keep_batch *b)
{
    struct buf row;
    buf_init(&row, KV_VALUE_MAX);
    struct shelf_out o = {.type = op->type,
                          .own_number = op->own_number,
                          .epoch = op->epoch,
                          .sealed = buf_view(&op->sealed),
                          .body = buf_view(&op->body)};
    if (fields_encode(&shelf_out_fields, &o, &row) == ST_OK)
        keep_put(b, &s->s_out, op->row, buf_view(&row));
    else
        b->bad = true;
    buf_free(&row);
}

static enum status seal_op(struct shelf *s, struct shelf_op *op)
{
    struct enclave *e = s->e;
    const struct env *env = e->node->ports.env;
    uint8_t key[32], nonce[ENTRY23_NONCE];
    struct seen seen = group_seen(e->group);
    struct entry23 entry = {.version = ENTRY23_VERSION,
                            .type = op->type,
                            .leaf = group_leaf(e->group),
                            .own_number = s->own_number,
                            .seen_count = seen.count,
                            .time_ms = env_wall_ms(env),
                            .body = buf_view(&op->body)};
    struct entry23_place place = {.room = e->room,
                                  .enclave_id = e->enclave_id,
                                  .key = key,
                                  .epoch = group_epoch(e->group),
                                  .feed = FEED_FILES};
    memcpy(entry.prev_own, s->prev_own, 32);
    memcpy(entry.seen_chain, seen.chain, 32);
    env_random(env, nonce, sizeof nonce);
    buf_clear(&op->sealed);
    enum status st = group_key(e->group, GROUP_KEY_TREE, place.epoch, key);
    if (st == ST_OK) st = entry23_seal(&entry, &place, e->keys->id_seed, nonce, &op->sealed);
    bytes_wipe(key, sizeof key);
    if (st != ST_OK) return st;
    op->epoch = place.epoch;
    op->own_number = s->own_number++;
    sha256(buf_view(&op->sealed), s->prev_own);
    return ST_OK;
}

static void on_saved(void *arg, enum status st)
{
    struct shelf_op *op = arg;
    struct enclave *e = op->owner;
    op->saving = false;
    if (op->over) {
        if (!op->flying) free_op(op);
        return;
    }
    if (st == ST_OK && op->epoch != TO_BE_SEALED) op->ready = true;
    if (!e->removed && e->shelf != NULL) shelf_send(e->shelf);
}

static void save_op(struct shelf *s, struct shelf_op *op)
{
    struct keep_batch b;
    keep_begin(&b, &s->e->node->keep);
    put_op(s, op, &b);
    shelf_put_row(s, &b);
    op->ready = false;
    op->saving = true;
    enclave_commit(s->e, &b, on_saved, op);
}

enum status shelf_queue(struct shelf *s, uint8_t type, struct bytes body, put_appended *put_done,
                        node_done *done, void *arg)
{
    if (s->n_ops >= ENCLAVE_OPS_MAX) return ST_BUSY;
    if (body.n > TREE_BODY_MAX && type != TREE_SNAP) return ST_TOO_BIG;
    struct shelf_op *op = calloc(1, sizeof *op);
    if (op == NULL) return ST_NO_MEMORY;
    op->owner = s->e;
    op->row = s->next_row++;
    op->type = type;
    op->epoch = TO_BE_SEALED;
    op->put_done = put_done;
    op->done = done;
    op->arg = arg;
    buf_init(&op->sealed, KV_VALUE_MAX);
    buf_bytes(&op->body, body);
    if (buf_status(&op->body) != ST_OK) {
        free_op(op);
        return ST_NO_MEMORY;
    }
    if (s->ops_last == NULL)
        s->ops = op;
    else
        s->ops_last->next = op;
    s->ops_last = op;
    s->n_ops++;
    save_op(s, op); /* the body is durable now; it is sealed when its turn comes */
    return ST_OK;
}

static void end_op(struct shelf *s, struct shelf_op *op, enum status st, uint64_t index,
                   const char *text)
{
    struct shelf_op **at = &s->ops;
    while (*at != NULL && *at != op) at = &(*at)->next;
    if (*at != NULL) *at = op->next;
    if (s->ops_last == op) {
        s->ops_last = s->ops;
        while (s->ops_last != NULL && s->ops_last->next != NULL) s->ops_last = s->ops_last->next;
    }
    s->n_ops--;
    if (op->put_done != NULL) op->put_done(op->arg, st, index);
    if (op->done != NULL) node_finish(op->done, op->arg, st, text, NULL);
    if (op->flying || op->saving) {
        op->over = true;
        op->owner = s->e;
    } else {
        free_op(op);
    }
}

void shelf_own_seen(struct shelf *s, uint64_t own_number, uint64_t index, bool counts,
                    struct keep_batch *b)
{
    struct shelf_op *op = s->ops;
    while (op != NULL && (op->epoch == TO_BE_SEALED || op->own_number != own_number)) op = op->next;
    if (op == NULL) return;
    if (!counts) {
        op->epoch = TO_BE_SEALED; /* its epoch had closed: made again */
        return;
    }
    keep_erase(b, &s->s_out, op->row);
    bool ignored = s->effect == TREE_IGNORED;
    end_op(s, op, ignored ? ST_CONFLICT : ST_OK, index,
           ignored ? (s->why != NULL ? s->why : "somebody else was first") : "done");
}

static void on_appended(void *arg, enum status st, struct bytes body)
{
    struct shelf_op *op = arg;
    struct enclave *e = op->owner;
    struct room_spot spot;
    op->flying = false;
    if (op->over) {
        if (!op->saving) free_op(op);
        return;
    }
    if (st == ST_CLOSED || e->removed || e->shelf == NULL) return;
    if (st == ST_OK && fields_decode(&room_spot_fields, body, &spot) == ST_OK) {
        op->flying = true; /* kept alive while it is folded, which ends it */
        enclave_appended(e, FEED_FILES, spot.index, buf_view(&op->sealed));
        op->flying = false;
        if (op->over) free_op(op);
        if (e->shelf != NULL) shelf_send(e->shelf);
        return;
    }
    op->again_ms = env_mono_ms(e->node->ports.env) + OUT_AGAIN_MS;
    e->shelf->ops_again_ms = op->again_ms;
    enclave_trouble(e, "the sentinel does not take an entry about files now (%s): tried again",
                    status_text(st));
}

void shelf_send(struct shelf *s)
{
    struct enclave *e = s->e;
    struct shelf_op *op = s->ops;
    if (op == NULL || op->flying || op->saving || e->removed || e->halted) return;
    if (!enclave_synced(e, FEED_LEDGER) || !enclave_synced(e, FEED_FILES) ||
        !group_writable(e->group) || !group_in(e->group))
        return;
    uint64_t now = env_mono_ms(e->node->ports.env);
    if (now < op->again_ms) return;
    s->ops_again_ms = 0;
    if (op->epoch != group_epoch(e->group)) {
        if (enclave_keys_shared(e)) return;
        enum status st = seal_op(s, op);
        if (st == ST_OK)
            save_op(s, op);
        else
            end_op(s, op, st, 0, status_text(st));
        return;
    }
    if (!op->ready) {
        save_op(s, op);
        return;
    }
    if (enclave_append(e, FEED_FILES, false, 0, NULL, buf_view(&op->sealed), on_appended, op) ==
        ST_OK)
        op->flying = op->flown = true;
}

static bool on_out_row(void *arg, uint64_t n, struct bytes plain)
{
    struct shelf *s = arg;
    struct shelf_out o;
    if (n >= s->next_row) s->next_row = n + 1;
    if (fields_decode(&shelf_out_fields, plain, &o) != ST_OK) return true;
    struct shelf_op *op = calloc(1, sizeof *op);
    if (op == NULL) return false;
    op->owner = s->e;
    op->row = n;
    op->type = o.type;
    op->own_number = o.own_number;
    op->epoch = o.epoch;
    op->ready = true;
    buf_init(&op->sealed, KV_VALUE_MAX);
    buf_bytes(&op->sealed, o.sealed);
    buf_bytes(&op->body, o.body);
    if (s->ops_last == NULL)
        s->ops = op;
    else
        s->ops_last->next = op;
    s->ops_last = op;
    s->n_ops++;
    return true;
}

enum status shelf_out_load(struct shelf *s)
{
    return keep_scan(&s->e->node->keep, &s->s_out, 0, on_out_row, s);
}

void shelf_ops_free(struct shelf *s)
{
    while (s->ops != NULL) {
        struct shelf_op *op = s->ops;
        s->ops = op->next;
        if (op->put_done != NULL) op->put_done(op->arg, ST_CANCELLED, 0); /* it holds its job */
        if (op->done != NULL)
            node_finish(op->done, op->arg, ST_CANCELLED, "the daemon stops; it goes on later",
                        NULL);
        if (op->saving)
            op->over = true; /* freed by its commit */
        else
            free_op(op);
    }
    s->ops_last = NULL;
}
