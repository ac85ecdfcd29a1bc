/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/mail/mail.h"

#include "core/feed/pad.h"
#include "core/feed/squeeze.h"
#include "core/mail/mail_inner.h"
#include "crypto/hash.h"

#include <string.h>

uint64_t mail_next_index(const struct mail *m)
{
    return m->next_index;
}

enum status mail_extend(struct mail *m, uint64_t index, bool *ret_grew)
{
    *ret_grew = false;
    for (size_t i = 0; i < m->n_epochs; i++) {
        const struct mail_epoch *e = m->epochs[i], *after = mail_epoch_find(m, e->epoch + 2);
        if (after && index >= after->opened_at) continue;
        for (size_t c = 0; c < e->n; c++) {
            bool grew = false;
            enum status st = hints_extend(&e->chains[c].hints, &grew);
            if (st != ST_OK) return st;
            *ret_grew |= grew;
        }
    }
    return ST_OK;
}

enum status mail_skip_to(struct mail *m, uint64_t first)
{
    bool grew = false;
    if (first <= m->next_index) return ST_OK;
    /* Who begins to read in the middle has lost nothing. */
    enum status st = m->next_index == 0 ? ST_OK : mail_extend(m, first, &grew);
    if (st != ST_OK) return st;
    m->next_index = first;
    m->head_dirty = true;
    return mail_judge_stated(m);
}

enum status mail_settle(struct mail *m, bool *ret_retake)
{
    *ret_retake = false;
    if (!m->unknown_fresh || m->n_unknown == 0) return ST_OK;
    enum status st = mail_extend(m, m->unknown[0], ret_retake);
    if (st == ST_OK) m->unknown_fresh = false;
    return st;
}

bool mail_unknown(const struct mail *m, size_t i, uint64_t *ret_index)
{
    if (i >= m->n_unknown) return false;
    *ret_index = m->unknown[i];
    return true;
}

static size_t unknown_at(const struct mail *m, uint64_t index)
{
    size_t i = 0;
    while (i < m->n_unknown && m->unknown[i] != index) i++;
    return i;
}

static void unknown_remove(struct mail *m, size_t i)
{
    m->n_unknown--;
    memmove(&m->unknown[i], &m->unknown[i + 1], (m->n_unknown - i) * sizeof m->unknown[0]);
    m->head_dirty = true;
}

void mail_known(struct mail *m, uint64_t index)
{
    size_t i = unknown_at(m, index);
    if (i < m->n_unknown) unknown_remove(m, i);
}

static void unknown_add(struct mail *m, uint64_t index)
{
    if (m->n_unknown == MAIL_UNKNOWN_MAX) unknown_remove(m, 0);
    m->unknown[m->n_unknown++] = index;
    m->unknown_fresh = true;
    m->head_dirty = true;
}

enum status mail_try_place(struct mail *m, struct bytes sealed, struct mail_found *f)
{
    const struct envelope_keys keys = {m->room, m->enclave_id};
    uint8_t mk[32];
    buf_clear(&m->plain);
    enum status st = hints_key(&f->chain->hints, &f->place, mk);
    if (st == ST_OK) st = envelope_open(&keys, sealed, mk, &m->plain, &f->v);
    bytes_wipe(mk, sizeof mk);
    if (st != ST_OK) return st;
    if (f->v.epoch != f->epoch->epoch || f->v.leaf != f->chain->leaf) return ST_BAD_MESSAGE;
    st = envelope_verify(&keys, buf_view(&m->plain), f->chain->id);
    /* With other flags it is of a newer kind, and its content not ours to read. */
    if (st != ST_OK || f->v.flags != ENVELOPE_PACKED) return st;
    buf_clear(&m->unpacked);
    st = squeeze_open(ENVELOPE_OVERHEAD, f->v.content, ENVELOPE_CONTENT_MAX, &m->unpacked);
    f->v.content = buf_view(&m->unpacked);
    f->v.flags = 0;
    return st;
}

/* Searches all chains, the newest epoch first. ST_NOT_FOUND: no hint of ours. */
static enum status search(struct mail *m, struct bytes sealed, struct mail_found *f)
{
    enum status worst = ST_NOT_FOUND;
    if (!pad_is_class(sealed.n)) return ST_NOT_FOUND;
    for (size_t i = m->n_epochs; i-- > 0;) {
        struct mail_epoch *e = m->epochs[i];
        for (size_t c = 0; c < e->n; c++) {
            struct mail_chain *chain = &e->chains[c];
            struct hints_place place;
            enum status st = hints_find(&chain->hints, sealed.p, NULL, &place);
            while (st == ST_OK) {
                f->epoch = e;
                f->chain = chain;
                f->place = place;
                worst = mail_try_place(m, sealed, f);
                if (worst == ST_OK || worst == ST_NO_MEMORY) return worst;
                const struct hints_place after = place;
                st = hints_find(&chain->hints, sealed.p, &after, &place);
            }
        }
    }
    return worst;
}

/* The entry that this sender's next one must name, over all epochs up to this one. */
static const uint8_t *last_of(const struct mail *m, uint16_t leaf, uint64_t epoch)
{
    for (size_t i = m->n_epochs; i-- > 0;) {
        if (m->epochs[i]->epoch > epoch) continue;
        const struct mail_chain *c = mail_chain_find(m->epochs[i], leaf);
        if (c && c->has_last) return c->last;
    }
    return NULL;
}

static uint64_t recent_key(uint16_t leaf, const uint8_t uuid[16])
{
    uint8_t hash[32], number[2];
    put_u16(number, leaf);
    SHA256_OF(hash, BYTES_OF(number), BYTES(uuid, 16));
    return get_u64(hash);
}

bool mail_recent(const struct mail *m, uint16_t leaf, const uint8_t uuid[16])
{
    uint64_t key = recent_key(leaf, uuid);
    for (size_t i = 0; i < m->n_recent; i++)
        if (m->recent[i] == key) return true;
    return false;
}

/* Remembers a message of somebody; false if it was there already. */
static bool recent_add(struct mail *m, uint16_t leaf, const uint8_t uuid[16])
{
    if (mail_recent(m, leaf, uuid)) return false;
    m->recent[m->recent_at] = recent_key(leaf, uuid);
    m->recent_at = (m->recent_at + 1) % MAIL_RECENT;
    if (m->n_recent < MAIL_RECENT) m->n_recent++;
    m->head_dirty = true;
    return true;
}

/* Whether these very bytes were made here and waited to be seen; they wait no more. */
static bool own_seen(struct mail *m, const struct mail_found *f, const uint8_t hash[32])
{
    for (size_t i = 0; i < m->n_pending; i++) {
        const struct mail_pending *p = &m->pending[i];
        if (p->epoch != f->v.epoch || p->n != f->place.n || memcmp(p->hash, hash, 32) != 0)
            continue;
        m->n_pending--;
        memmove(&m->pending[i], &m->pending[i + 1], (m->n_pending - i) * sizeof m->pending[0]);
        m->head_dirty = true;
        return true;
    }
    return false;
}

static enum mail_verdict judge_own_entry(struct mail *m, uint64_t index, const struct mail_found *f,
                                         const uint8_t hash[32])
{
    /* Also when a number that waits here was used for other words: by us, after the backup. */
    if (!f->place.skipped || !own_seen(m, f, hash)) {
        m->restored_epoch = mail_epoch_newest(m)->epoch;
        m->head_dirty = true;
        return MAIL_OWN_UNKNOWN;
    }
    if (!mail_counts(m, f->v.epoch, m->own_leaf, index)) return MAIL_OWN_LATE;
    struct mail_epoch *e = f->epoch;
    if (e->n_trace == MAIL_TRACE_MAX) {
        e->n_trace--;
        memmove(&e->trace[0], &e->trace[1], e->n_trace * sizeof e->trace[0]);
    }
    e->trace[e->n_trace].index = index;
    memcpy(e->trace[e->n_trace].uuid, f->v.uuid, 16);
    e->n_trace++;
    return MAIL_OWN;
}

static enum mail_verdict judge(struct mail *m, uint64_t index, const struct mail_found *f,
                               const uint8_t hash[32])
{
    if (f->chain->leaf == m->own_leaf) return judge_own_entry(m, index, f, hash);
    if (!mail_counts(m, f->v.epoch, f->v.leaf, index)) return MAIL_LATE;
    if (f->v.kind == 0 || f->v.kind > MAIL_BUNDLE || f->v.flags != 0) return MAIL_NEWER;
    if (f->v.kind == MAIL_MARKS)
        return MAIL_MESSAGE; /* they only grow: no need to know them again */
    return recent_add(m, f->v.leaf, f->v.uuid) ? MAIL_MESSAGE : MAIL_AGAIN;
}

void mail_describe(const struct mail_found *f, struct mail_message *ret)
{
    ret->leaf = f->chain->leaf;
    memcpy(ret->id, f->chain->id, 32);
    ret->epoch = f->epoch->epoch;
    ret->n = f->place.n;
    ret->kind = f->v.kind;
    ret->flags = f->v.flags;
    memcpy(ret->uuid, f->v.uuid, 16);
    ret->time_ms = f->v.time_ms;
    ret->seen_count = f->v.seen_count;
    memcpy(ret->seen_chain, f->v.seen_chain, 32);
    ret->content = f->v.content;
}

/* Spends the place and keeps what the sender's next entry is compared with. */
static enum status accept(struct mail *m, uint64_t index, struct bytes sealed, struct mail_found *f,
                          struct mail_message *ret)
{
    uint8_t hash[32];
    uint64_t before = f->chain->hints.next;
    const uint8_t *last = last_of(m, f->chain->leaf, f->epoch->epoch);
    enum status st = hints_spend(&f->chain->hints, &f->place);
    if (st != ST_OK) return st;
    sha256(sealed, hash);
    mail_describe(f, ret);
    /* It names the entry of its author that we had last: the numbers between were never used. */
    bool follows = last != NULL && memcmp(last, f->v.prev_own, 32) == 0;
    if (!f->place.skipped && follows && f->chain->leaf != m->own_leaf) {
        for (uint64_t n = before; n < f->place.n; n++) hints_forget(&f->chain->hints, n);
    } else if (!f->place.skipped) {
        ret->skipped = f->place.n - before;
        ret->gap = ret->skipped > 0 || (last != NULL && !follows);
    }
    ret->verdict = judge(m, index, f, hash);
    if (!f->place.skipped || f->chain->leaf == m->own_leaf) {
        f->chain->has_last = true;
        memcpy(f->chain->last, hash, 32);
        if (f->chain->leaf == m->own_leaf) memcpy(m->own_last, hash, 32);
    }
    f->epoch->dirty = true;
    return ST_OK;
}

/* Whose it is and what it says; with no key of ours it stays MAIL_UNKNOWN. */
static enum status open_entry(struct mail *m, uint64_t index, struct bytes sealed,
                              struct mail_message *ret)
{
    struct mail_found f = {0};
    enum status st = search(m, sealed, &f);
    if (st == ST_NO_MEMORY) return st;
    if (st == ST_OK) return accept(m, index, sealed, &f, ret);
    if (st == ST_NOT_FOUND) return ST_OK;
    ret->verdict = MAIL_FORGED;
    ret->leaf = f.chain->leaf;
    ret->epoch = f.epoch->epoch;
    ret->n = f.place.n;
    memcpy(ret->id, f.chain->id, 32);
    return ST_OK;
}

enum status mail_take_missed(struct mail *m, uint64_t index, struct bytes sealed,
                             struct mail_message *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->verdict = MAIL_UNKNOWN;
    if (index >= m->next_index) return ST_REPLAY;
    return open_entry(m, index, sealed, ret);
}

enum status mail_take(struct mail *m, uint64_t index, struct bytes sealed, struct mail_message *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->verdict = MAIL_UNKNOWN;
    size_t kept = unknown_at(m, index);
    if (index == MAIL_NONE || (index < m->next_index && kept == m->n_unknown)) return ST_REPLAY;
    enum status st = mail_skip_to(m, index);
    if (st != ST_OK) return st;
    st = open_entry(m, index, sealed, ret);
    if (st != ST_OK) return st;
    if (kept < m->n_unknown) {
        if (ret->verdict != MAIL_UNKNOWN) unknown_remove(m, kept);
    } else {
        if (ret->verdict == MAIL_UNKNOWN) unknown_add(m, index);
        m->next_index = index + 1;
        m->head_dirty = true;
    }
    return mail_judge_stated(m);
}

static enum status judge_chain(struct mail *m, struct mail_epoch *e, struct mail_chain *c)
{
    c->stated_at = MAIL_NONE;
    m->n_stated--;
    e->dirty = true;
    enum status st = hints_step(&c->hints, c->stated_n);
    /* A member that states nonsense about itself harms only itself. */
    return st == ST_TOO_BIG ? ST_OK : st;
}

enum status mail_judge_stated(struct mail *m)
{
    for (size_t i = 0; i < m->n_epochs && m->n_stated > 0; i++)
        for (size_t c = 0; c < m->epochs[i]->n; c++) {
            struct mail_chain *chain = &m->epochs[i]->chains[c];
            if (chain->stated_at == MAIL_NONE || chain->stated_at > m->next_index) continue;
            enum status st = judge_chain(m, m->epochs[i], chain);
            if (st != ST_OK) return st;
        }
    return ST_OK;
}

enum status mail_head(struct mail *m, uint16_t leaf, uint64_t epoch, uint64_t next_n,
                      uint64_t seen_mail)
{
    struct mail_epoch *e = mail_epoch_find(m, epoch);
    struct mail_chain *c = e ? mail_chain_find(e, leaf) : NULL;
    if (!c || leaf == m->own_leaf || next_n <= c->stated_n || seen_mail == MAIL_NONE) return ST_OK;
    if (c->stated_at == MAIL_NONE) m->n_stated++;
    c->stated_n = next_n;
    c->stated_at = seen_mail;
    e->dirty = true;
    return mail_judge_stated(m);
}

uint64_t mail_lost(const struct mail *m, uint16_t leaf)
{
    uint64_t lost = 0;
    if (leaf == m->own_leaf) return 0;
    for (size_t i = 0; i < m->n_epochs; i++) {
        const struct mail_chain *c = mail_chain_find(m->epochs[i], leaf);
        if (c && c->stated_at == MAIL_NONE) lost += hints_missing(&c->hints, c->stated_n);
    }
    return lost;
}
