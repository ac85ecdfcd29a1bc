/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/audit/receipt.h"

#include <string.h>

FIELDS_DEFINE(audit_row, AUDIT_ROW_FIELDS);
FIELDS_DEFINE(audit_receipt, AUDIT_RECEIPT_FIELDS);
FIELDS_DEFINE(audit_digest, AUDIT_DIGEST_FIELDS);

enum status audit_receipt_row(const struct audit_receipt *r, size_t i, struct audit_row *ret)
{
    enum status st =
        fields_decode(&audit_row_fields, BYTES(list_at(r->rows, i, AUDIT_ROW), AUDIT_ROW), ret);
    if (st != ST_OK) return st;
    unsigned sum = ret->right + ret->late + ret->gone + ret->damaged + ret->wrong;
    if (ret->flags > AUDIT_ROW_THERE || ret->zero != 0 || sum != ret->asked) return ST_BAD_MESSAGE;
    return ST_OK;
}

enum status audit_receipt_read(struct bytes body, struct audit_receipt *ret)
{
    struct audit_row row;
    enum status st = fields_decode(&audit_receipt_fields, body, ret);
    if (st != ST_OK) return st;
    if (ret->version != AUDIT_RECEIPT_VERSION) return ST_VERSION;
    if (ret->rows.n == 0 || ret->first > UINT64_MAX - ret->rows.n) return ST_BAD_MESSAGE;
    for (size_t i = 0; i < ret->rows.n && st == ST_OK; i++) st = audit_receipt_row(ret, i, &row);
    return st;
}

void audit_digest_total(const struct audit_digest *d, size_t i, struct audit_total *ret)
{
    const uint8_t *p = list_at(d->holders, i, AUDIT_DIGEST_HOLDER_BYTES);
    *ret = (struct audit_total){.holder = get_u16(p),
                                .rounds = get_u32(p + 2),
                                .asked = get_u32(p + 6),
                                .right = get_u32(p + 10),
                                .late = get_u32(p + 14),
                                .lost = get_u32(p + 18)};
}

static bool ascending(struct list l, size_t size)
{
    for (size_t i = 1; i < l.n; i++)
        if (get_u16(list_at(l, i, size)) <= get_u16(list_at(l, i - 1, size))) return false;
    return true;
}

enum status audit_digest_read(struct bytes body, struct audit_digest *ret)
{
    enum status st = fields_decode(&audit_digest_fields, body, ret);
    if (st != ST_OK) return st;
    if (ret->version != AUDIT_DIGEST_VERSION) return ST_VERSION;
    if (ret->from >= ret->count || !ascending(ret->verifiers, AUDIT_DIGEST_VERIFIER_BYTES) ||
        !ascending(ret->holders, AUDIT_DIGEST_HOLDER_BYTES))
        return ST_BAD_MESSAGE;
    return ST_OK;
}

void audit_fold_start(struct audit_fold *f, const struct audit_digest *before)
{
    memset(f, 0, sizeof *f);
    if (!before) return;
    for (size_t i = 0; i < before->verifiers.n; i++) {
        const uint8_t *p = list_at(before->verifiers, i, AUDIT_DIGEST_VERIFIER_BYTES);
        f->verifiers[i].leaf = get_u16(p);
        f->verifiers[i].next = get_u64(p + 2);
    }
    f->n_verifiers = before->verifiers.n;
}

static size_t verifier_at(struct audit_fold *f, uint16_t leaf, bool *ret_there)
{
    size_t i = 0;
    while (i < f->n_verifiers && f->verifiers[i].leaf < leaf) i++;
    *ret_there = i < f->n_verifiers && f->verifiers[i].leaf == leaf;
    return i;
}

static struct audit_total *holder_of(struct audit_fold *f, uint16_t holder)
{
    size_t i = 0;
    while (i < f->n_holders && f->holders[i].holder < holder) i++;
    if (i < f->n_holders && f->holders[i].holder == holder) return &f->holders[i];
    if (f->n_holders == AUDIT_DIGEST_HOLDERS) return NULL;
    memmove(&f->holders[i + 1], &f->holders[i], (f->n_holders - i) * sizeof f->holders[0]);
    f->n_holders++;
    f->holders[i] = (struct audit_total){.holder = holder};
    return &f->holders[i];
}

enum status audit_fold_take(struct audit_fold *f, uint16_t leaf, struct bytes body)
{
    struct audit_receipt r;
    bool there;
    enum status st = audit_receipt_read(body, &r);
    if (st != ST_OK) return st;
    size_t at = verifier_at(f, leaf, &there);
    if (!there) {
        if (f->n_verifiers == AUDIT_DIGEST_VERIFIERS) return ST_TOO_BIG;
        memmove(&f->verifiers[at + 1], &f->verifiers[at],
                (f->n_verifiers - at) * sizeof f->verifiers[0]);
        f->n_verifiers++;
        f->verifiers[at].leaf = leaf;
        f->verifiers[at].next = r.first; /* what was before is not ours to miss */
    }
    uint64_t next = f->verifiers[at].next;
    if (r.first > next) f->gaps += r.first - next;
    for (size_t i = 0; i < r.rows.n; i++) {
        struct audit_row row;
        if (r.first + i < next || audit_receipt_row(&r, i, &row) != ST_OK) continue;
        struct audit_total *t = holder_of(f, row.holder);
        if (!t) return ST_TOO_BIG;
        t->rounds++;
        t->asked += row.asked;
        t->right += row.right;
        t->late += row.late;
        t->lost += (uint32_t)(row.gone + row.damaged + row.wrong);
        f->rows++;
    }
    if (r.first + r.rows.n > next) f->verifiers[at].next = r.first + r.rows.n;
    return ST_OK;
}

enum status audit_fold_digest(const struct audit_fold *f, uint32_t day, uint64_t from,
                              uint64_t count, const uint8_t chain[32], struct buf *out)
{
    uint8_t verifiers[AUDIT_DIGEST_VERIFIERS * AUDIT_DIGEST_VERIFIER_BYTES];
    uint8_t holders[AUDIT_DIGEST_HOLDERS * AUDIT_DIGEST_HOLDER_BYTES];
    struct audit_digest d = {.version = AUDIT_DIGEST_VERSION,
                             .day = day,
                             .from = from,
                             .count = count,
                             .verifiers = {verifiers, f->n_verifiers},
                             .holders = {holders, f->n_holders}};
    memcpy(d.chain, chain, 32);
    for (size_t i = 0; i < f->n_verifiers; i++) {
        put_u16(verifiers + i * AUDIT_DIGEST_VERIFIER_BYTES, f->verifiers[i].leaf);
        put_u64(verifiers + i * AUDIT_DIGEST_VERIFIER_BYTES + 2, f->verifiers[i].next);
    }
    for (size_t i = 0; i < f->n_holders; i++) {
        const struct audit_total *t = &f->holders[i];
        uint8_t *p = holders + i * AUDIT_DIGEST_HOLDER_BYTES;
        put_u16(p, t->holder);
        put_u32(p + 2, t->rounds);
        put_u32(p + 6, t->asked);
        put_u32(p + 10, t->right);
        put_u32(p + 14, t->late);
        put_u32(p + 18, t->lost);
    }
    return fields_encode(&audit_digest_fields, &d, out);
}
