/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* DIGEST: the sum of a stretch of feed 3. What it says cannot void it: a ledger entry's validity hangs on
 * no other feed. Each member adds up for itself and names a false one. */
#include "core/ledger/state.h"

#include <stdlib.h>
#include <string.h>

static enum status digest_decode(struct ledger_judged *j)
{
    return fields_decode(&digest_body_fields, j->entry.body, &j->body.digest);
}

static const char *digest_check(const struct ledger *l, struct ledger_judged *j)
{
    const struct ledger_leaf *leaf = ledger_leaf(l, j->verdict.author);
    if (j->body.digest.version != 1) return "its body has an unknown version";
    if (leaf == NULL || !ledger_keyed(leaf)) return "its author is not in the epoch";
    return NULL;
}

static enum status digest_apply(struct ledger *l, const struct ledger_judged *j)
{
    struct ledger_digest *d = calloc(1, sizeof *d + j->entry.body.n);
    if (d == NULL) return ST_NO_MEMORY;
    d->index = j->index;
    d->by = j->verdict.author;
    d->day = j->body.digest.day;
    d->n = j->entry.body.n;
    memcpy(d->body, j->entry.body.p, d->n);
    if (l->n_digests == LEDGER_DIGESTS_MAX) {
        free(l->digests[0]);
        memmove(&l->digests[0], &l->digests[1], (--l->n_digests) * sizeof l->digests[0]);
    }
    l->digests[l->n_digests++] = d;
    return ST_OK;
}

const struct ledger_type ledger_type_digest = {LEDGER_DIGEST, "DIGEST", digest_decode, digest_check,
                                               digest_apply};

size_t ledger_digests(const struct ledger *l)
{
    return l->n_digests;
}

const struct ledger_digest *ledger_digest_at(const struct ledger *l, size_t i)
{
    return l->digests[i];
}
