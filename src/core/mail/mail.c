/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/mail.h"

#include "core/feed/squeeze.h"
#include "core/mail/mail_inner.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(mail_marks, MAIL_MARKS_FIELDS);

enum status mail_new(const uint8_t room[32], const uint8_t enclave_id[32], uint16_t own_leaf,
                     struct mail **ret)
{
    struct mail *m = calloc(1, sizeof *m);
    if (!m) return ST_NO_MEMORY;
    memcpy(m->room, room, 32);
    memcpy(m->enclave_id, enclave_id, 32);
    m->own_leaf = own_leaf;
    m->restored_epoch = m->kept.epoch = MAIL_NONE;
    m->head_dirty = true;
    buf_init(&m->plain, ENVELOPE_SEALED_MAX);
    buf_init(&m->unpacked, ENVELOPE_CONTENT_MAX);
    *ret = m;
    return ST_OK;
}

static void epoch_free(struct mail_epoch *e)
{
    for (size_t i = 0; i < e->n; i++) hints_free(&e->chains[i].hints);
    free(e->chains);
    secret_free(e->secrets);
    free(e);
}

void mail_free(struct mail *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->n_epochs; i++) epoch_free(m->epochs[i]);
    buf_free(&m->plain);
    buf_free(&m->unpacked);
    free(m);
}

struct mail_epoch *mail_epoch_find(const struct mail *m, uint64_t epoch)
{
    for (size_t i = m->n_epochs; i-- > 0;)
        if (m->epochs[i]->epoch == epoch) return m->epochs[i];
    return NULL;
}

struct mail_epoch *mail_epoch_newest(const struct mail *m)
{
    return m->n_epochs ? m->epochs[m->n_epochs - 1] : NULL;
}

struct mail_chain *mail_chain_find(const struct mail_epoch *e, uint16_t leaf)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->chains[i].leaf == leaf) return &e->chains[i];
    return NULL;
}

void mail_epoch_remove(struct mail *m, size_t i)
{
    struct mail_epoch *e = m->epochs[i];
    if (m->n_dropped < MAIL_EPOCHS_MAX) m->dropped[m->n_dropped++] = e->epoch + 1;
    for (size_t c = 0; c < e->n; c++)
        if (e->chains[c].stated_at != MAIL_NONE) m->n_stated--;
    for (size_t p = 0; p < m->n_pending;) {
        if (m->pending[p].epoch != e->epoch) {
            p++;
            continue;
        }
        m->n_pending--;
        memmove(&m->pending[p], &m->pending[p + 1], (m->n_pending - p) * sizeof m->pending[0]);
    }
    epoch_free(e);
    m->n_epochs--;
    memmove(&m->epochs[i], &m->epochs[i + 1], (m->n_epochs - i) * sizeof m->epochs[0]);
    m->epochs[m->n_epochs] = NULL;
    m->head_dirty = true;
}

enum status mail_epoch_insert(struct mail *m, uint64_t epoch, size_t n, struct mail_epoch **ret)
{
    if (n == 0 || n > MAIL_LEAVES_MAX) return ST_TOO_BIG;
    if (m->n_epochs == MAIL_EPOCHS_MAX) mail_epoch_remove(m, 0);
    struct mail_epoch *e = calloc(1, sizeof *e);
    if (!e) return ST_NO_MEMORY;
    e->chains = calloc(n, sizeof e->chains[0]);
    e->secrets = secret_new(n * HINTS_SECRETS);
    if (!e->chains || !e->secrets) {
        epoch_free(e);
        return ST_NO_MEMORY;
    }
    e->epoch = epoch;
    e->n = n;
    for (size_t i = 0; i < n; i++) e->chains[i].stated_at = MAIL_NONE;
    size_t at = m->n_epochs;
    while (at > 0 && m->epochs[at - 1]->epoch > epoch) at--;
    memmove(&m->epochs[at + 1], &m->epochs[at], (m->n_epochs - at) * sizeof m->epochs[0]);
    m->epochs[at] = e;
    m->n_epochs++;
    e->dirty = true;
    *ret = e;
    return ST_OK;
}

static void epoch_undo(struct mail *m, struct mail_epoch *e)
{
    size_t i = 0;
    while (m->epochs[i] != e) i++;
    mail_epoch_remove(m, i);
    m->n_dropped--;
}

bool mail_counts(const struct mail *m, uint64_t epoch, uint16_t leaf, uint64_t index)
{
    const struct mail_epoch *next = mail_epoch_find(m, epoch + 1);
    const struct mail_epoch *after = mail_epoch_find(m, epoch + 2);
    if (next && index >= next->opened_at && !mail_chain_find(next, leaf)) return false;
    /* Below the next epoch's own bound an entry counts whatever a later COMMIT says. */
    if (after && index >= after->opened_at && (!next || index >= next->opened_at)) return false;
    return true;
}

/* Own messages of the two epochs before the one opened now, judged by what its COMMIT saw. */
static void judge_own(struct mail *m, const struct mail_epoch *opened)
{
    for (size_t i = 0; i < m->n_epochs; i++) {
        struct mail_epoch *e = m->epochs[i];
        if (e == opened || e->n_trace == 0) continue;
        size_t kept = 0;
        for (size_t t = 0; t < e->n_trace; t++) {
            const struct mail_trace *own = &e->trace[t];
            if (!mail_counts(m, e->epoch, m->own_leaf, own->index)) {
                if (m->n_late < MAIL_TRACE_MAX) memcpy(m->late[m->n_late++], own->uuid, 16);
            } else if (e->epoch + 1 == opened->epoch && own->index >= opened->opened_at) {
                e->trace[kept++] = *own;
            }
        }
        e->n_trace = kept;
        e->dirty = true;
        m->head_dirty = true;
    }
}

enum status mail_add_epoch(struct mail *m, uint64_t epoch, const struct mail_leaf *leaves, size_t n,
                           uint64_t seen_mail, uint64_t now_ms)
{
    struct mail_epoch *newest = mail_epoch_newest(m), *e = NULL;
    if (newest && epoch <= newest->epoch) return ST_OK;
    enum status st = mail_epoch_insert(m, epoch, n, &e);
    if (st != ST_OK) return st;
    e->opened_at = seen_mail;
    for (size_t i = 0; i < n; i++) {
        struct mail_chain *c = &e->chains[i];
        c->leaf = leaves[i].leaf;
        memcpy(c->id, leaves[i].id, 32);
        st = hints_init(&c->hints, e->secrets + i * HINTS_SECRETS, leaves[i].secret);
        if (st != ST_OK) {
            epoch_undo(m, e);
            return st;
        }
    }
    newest = m->n_epochs > 1 ? m->epochs[m->n_epochs - 2] : NULL;
    if (newest) {
        newest->replaced_ms = now_ms ? now_ms : 1;
        newest->dirty = true;
    }
    judge_own(m, e);
    return ST_OK;
}

void mail_expire(struct mail *m, uint64_t now_ms)
{
    for (size_t i = 0; i < m->n_epochs;) {
        uint64_t since = m->epochs[i]->replaced_ms;
        if (since != 0 && now_ms > since && now_ms - since >= MAIL_EPOCH_KEEP_MS)
            mail_epoch_remove(m, i);
        else
            i++;
    }
}

void mail_own_next(const struct mail *m, uint64_t *ret_epoch, uint64_t *ret_n)
{
    const struct mail_epoch *e = mail_epoch_newest(m);
    const struct mail_chain *c = e ? mail_chain_find(e, m->own_leaf) : NULL;
    *ret_epoch = c ? e->epoch : MAIL_NONE;
    *ret_n = c ? c->hints.next : MAIL_NONE;
}

bool mail_late_own(struct mail *m, uint8_t ret_uuid[16])
{
    if (m->n_late == 0 || m->n_pending == MAIL_UNSEEN_MAX) return false;
    memcpy(ret_uuid, m->late[0], 16);
    m->n_late--;
    memmove(m->late[0], m->late[1], m->n_late * sizeof m->late[0]);
    m->head_dirty = true;
    return true;
}

static const uint8_t *prev_own(const struct mail *m)
{
    return m->n_pending ? m->pending[m->n_pending - 1].hash : m->own_last;
}

void mail_hold(struct mail *m, uint64_t epoch)
{
    if (m->restored_epoch != MAIL_NONE && m->restored_epoch >= epoch) return;
    m->restored_epoch = epoch;
    m->head_dirty = true;
}

/* A message made again takes the place of the one that will not be sent. */
static void discard_uuid(struct mail *m, const uint8_t uuid[16])
{
    for (size_t i = 0; i < m->n_pending; i++)
        if (memcmp(m->pending[i].uuid, uuid, 16) == 0) {
            mail_discard(m, m->pending[i].epoch, m->pending[i].n);
            return;
        }
}

enum status mail_make(struct mail *m, const struct mail_draft *draft,
                      const uint8_t id_seed[SIGN_SEED], const uint8_t nonce[XAEAD_NONCE],
                      struct buf *out, struct mail_made *ret)
{
    struct mail_epoch *e = mail_epoch_newest(m);
    struct mail_chain *c = e ? mail_chain_find(e, m->own_leaf) : NULL;
    if (!e) return ST_NOT_FOUND;
    if (!c) return ST_DENIED;
    if (m->restored_epoch != MAIL_NONE && e->epoch <= m->restored_epoch) return ST_CONFLICT;
    if (draft->content.n > ENVELOPE_CONTENT_MAX) return ST_TOO_BIG;
    discard_uuid(m, draft->uuid);
    if (m->n_pending == MAIL_UNSEEN_MAX) return ST_BUSY;
    uint8_t hint[HINT_SIZE], mk[32];
    uint64_t n = 0;
    size_t from = out->n;
    /* Words of a life before this one may have left under these numbers and be on no disk of ours. */
    enum status st = hints_step(&c->hints, e->used);
    if (st != ST_OK) return st;
    e->used = 0;
    st = hints_make(&c->hints, true, &n, hint, mk);
    if (st != ST_OK) return st;
    e->dirty = true;
    struct buf packed = BUF_INIT;
    struct envelope v = {.kind = draft->kind,
                         .flags = draft->flags,
                         .time_ms = draft->time_ms,
                         .epoch = e->epoch,
                         .leaf = m->own_leaf,
                         .seen_count = draft->seen_count,
                         .content = draft->content};
    memcpy(v.uuid, draft->uuid, 16);
    memcpy(v.seen_chain, draft->seen_chain, 32);
    memcpy(v.prev_own, prev_own(m), 32);
    if (draft->pack && squeeze_pack(ENVELOPE_OVERHEAD, draft->content, &packed)) {
        v.flags |= ENVELOPE_PACKED;
        v.content = buf_view(&packed);
    }
    const struct envelope_keys keys = {m->room, m->enclave_id};
    st = envelope_seal(&keys, &v, hint, mk, nonce, id_seed, out);
    buf_free(&packed);
    bytes_wipe(mk, sizeof mk);
    if (st != ST_OK) {
        hints_forget(&c->hints, n);
        return st;
    }
    struct mail_pending *p = &m->pending[m->n_pending++];
    p->epoch = e->epoch;
    p->n = n;
    memcpy(p->uuid, draft->uuid, 16);
    sha256(BYTES(out->p + from, out->n - from), p->hash);
    m->head_dirty = true;
    *ret = (struct mail_made){e->epoch, n};
    return ST_OK;
}

bool mail_stale(const struct mail *m, uint64_t epoch)
{
    const struct mail_epoch *newest = mail_epoch_newest(m);
    if (!newest || epoch >= newest->epoch) return false;
    return epoch + 2 <= newest->epoch || !mail_epoch_find(m, epoch) ||
           !mail_counts(m, epoch, m->own_leaf, MAIL_NONE - 1);
}

void mail_discard(struct mail *m, uint64_t epoch, uint64_t n)
{
    struct mail_epoch *e = mail_epoch_find(m, epoch);
    struct mail_chain *c = e ? mail_chain_find(e, m->own_leaf) : NULL;
    for (size_t i = 0; i < m->n_pending; i++) {
        if (m->pending[i].epoch != epoch || m->pending[i].n != n) continue;
        m->n_pending--;
        memmove(&m->pending[i], &m->pending[i + 1], (m->n_pending - i) * sizeof m->pending[0]);
        m->head_dirty = true;
        break;
    }
    if (!c) return;
    hints_forget(&c->hints, n);
    e->dirty = true;
}
