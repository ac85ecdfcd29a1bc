/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is handed over before it is in the feed: which own numbers may be, and a look at others'. */
#include "core/mail/mail.h"

#include "core/feed/pad.h"
#include "core/mail/mail_inner.h"

#include <string.h>

void mail_ahead(struct mail *m, unsigned n)
{
    struct mail_epoch *e = mail_epoch_newest(m);
    n = n > MAIL_AHEAD ? MAIL_AHEAD : n;
    if (n > m->ahead && e != NULL) e->dirty = true; /* so that the next commit says it */
    m->ahead = n;
}

void mail_promised(const struct mail *m, struct mail_promise *ret)
{
    const struct mail_epoch *e = mail_epoch_newest(m);
    *ret = (struct mail_promise){MAIL_NONE, 0};
    if (e != NULL) *ret = (struct mail_promise){e->epoch, e->spent};
}

void mail_kept(struct mail *m, const struct mail_promise *p)
{
    if (p->epoch == MAIL_NONE) return;
    if (p->epoch == m->kept.epoch && p->below <= m->kept.below) return;
    if (m->kept.epoch != MAIL_NONE && p->epoch < m->kept.epoch) return;
    m->kept = *p;
}

bool mail_spent(const struct mail *m, uint64_t epoch, uint64_t n)
{
    return m->kept.epoch == epoch && n < m->kept.below;
}

static enum status look(struct mail *m, struct bytes sealed, struct mail_found *f)
{
    enum status worst = ST_NOT_FOUND;
    struct hints_place place;
    enum status st = hints_find(&f->chain->hints, sealed.p, NULL, &place);
    while (st == ST_OK) {
        f->place = place;
        worst = mail_try_place(m, sealed, f);
        if (worst == ST_OK || worst == ST_NO_MEMORY) break;
        const struct hints_place after = place;
        st = hints_find(&f->chain->hints, sealed.p, &after, &place);
    }
    return worst;
}

enum status mail_peek(struct mail *m, uint16_t leaf, struct bytes sealed, struct mail_message *ret)
{
    struct mail_found f = {0};
    enum status st = ST_NOT_FOUND;
    memset(ret, 0, sizeof *ret);
    ret->verdict = MAIL_UNKNOWN;
    if (leaf == m->own_leaf || !pad_is_class(sealed.n)) return ST_NOT_FOUND;
    for (size_t i = m->n_epochs; i-- > 0 && st == ST_NOT_FOUND;) {
        f.epoch = m->epochs[i];
        f.chain = mail_chain_find(f.epoch, leaf);
        if (f.chain != NULL) st = look(m, sealed, &f);
    }
    if (st != ST_OK) return st;
    if (!mail_counts(m, f.v.epoch, leaf, m->next_index)) return ST_DENIED;
    if (f.v.kind == 0 || f.v.kind > MAIL_NOTE || f.v.flags != 0) return ST_VERSION;
    if (mail_recent(m, leaf, f.v.uuid)) return ST_EXISTS;
    mail_describe(&f, ret);
    ret->verdict = MAIL_MESSAGE;
    return ST_OK;
}
