/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is kept of each holder, and the rows and proofs that wait for feed 3. */
#include "node/audit/audit_private.h"

#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(audit_kept, AUDIT_KEPT_FIELDS);
FIELDS_DEFINE(audit_fault, AUDIT_FAULT_FIELDS);
FIELDS_DEFINE(audit_self, AUDIT_SELF_FIELDS);

#define DAY_MS (UINT64_C(24) * 3600 * 1000)
#define NO_DAY 255

static void put_row(struct keep_batch *b, const struct keep_space *s, uint64_t n,
                    const struct fields *f, const void *msg)
{
    struct buf row = BUF_INIT;
    if (fields_encode(f, msg, &row) == ST_OK)
        keep_put(b, s, n, buf_view(&row));
    else
        b->bad = true;
    buf_free(&row);
}

void audit_self_put(const struct audit *a, struct keep_batch *b)
{
    struct audit_self s = {.version = 1, .next_row = a->next_row, .own_number = a->own_number};
    memcpy(s.prev_own, a->prev_own, 32);
    put_row(b, &a->s_kept, 0, &audit_self_fields, &s);
}

void audit_holder_put(const struct audit *a, const struct audit_holder *h, struct keep_batch *b)
{
    struct buf faults = BUF_INIT;
    const struct audit_tally *t = &h->tally;
    struct audit_kept k = {.version = 1,
                           .alpha = h->score.alpha,
                           .beta = h->score.beta,
                           .window = h->windows.newest,
                           .rounds = h->rounds,
                           .last_ms = h->last_ms,
                           .look_ms = h->look_ms,
                           .tally = {t->asked, t->right, t->late, t->gone, t->damaged, t->wrong},
                           .day = h->day};
    memcpy(k.there, h->windows.there, AUDIT_WINDOWS);
    memcpy(k.looks, h->windows.looks, AUDIT_WINDOWS);
    memcpy(k.days, h->days, AUDIT_DAYS);
    for (size_t i = 0; i < h->n_faults; i++)
        if (fields_encode(&audit_fault_fields, &h->faults[i], &faults) != ST_OK) b->bad = true;
    k.faults = (struct list){faults.p, h->n_faults};
    put_row(b, &a->s_kept, (uint64_t)h->holder + 1, &audit_kept_fields, &k);
    buf_free(&faults);
}

/* The same fault again moves to the end, and counts. */
void audit_fault_add(struct audit_holder *h, const struct audit_fault *f)
{
    struct audit_fault kept = *f;
    for (size_t i = 0; i < h->n_faults; i++) {
        const struct audit_fault *o = &h->faults[i];
        if (o->index != f->index || o->verdict != f->verdict || o->by != f->by ||
            memcmp(o->segment_id, f->segment_id, 32) != 0)
            continue;
        kept.times = o->times < UINT16_MAX ? (uint16_t)(o->times + 1) : o->times;
        memmove(&h->faults[i], &h->faults[i + 1], (h->n_faults - i - 1) * sizeof *o);
        h->n_faults--;
        break;
    }
    if (h->n_faults == AUDIT_FAULTS_MAX) {
        memmove(&h->faults[0], &h->faults[1], (AUDIT_FAULTS_MAX - 1) * sizeof kept);
        h->n_faults--;
    }
    h->faults[h->n_faults++] = kept;
}

void audit_day_note(struct audit_holder *h, uint64_t now_ms)
{
    uint32_t day = (uint32_t)(now_ms / DAY_MS);
    if (day < h->day) return;
    for (uint32_t d = h->day + 1; d < day && d - h->day <= AUDIT_DAYS; d++)
        h->days[d % AUDIT_DAYS] = NO_DAY;
    h->day = day;
    h->days[day % AUDIT_DAYS] = (uint8_t)(audit_score_micro(&h->score) / (AUDIT_MICRO / 100));
}

void audit_row_add(struct audit *a, const struct audit_holder *h, bool there,
                   const struct audit_tally *t, struct keep_batch *b)
{
    struct audit_row row = {.hour = (uint32_t)(h->look_ms / AUDIT_HOUR_MS),
                            .holder = h->holder,
                            .flags = there ? AUDIT_ROW_THERE : 0,
                            .asked = t->asked,
                            .right = t->right,
                            .late = t->late,
                            .gone = t->gone,
                            .damaged = t->damaged,
                            .wrong = t->wrong};
    if (t->asked == 0) return; /* who was away is each member's own to know */
    put_row(b, &a->s_rows, a->next_row++, &audit_row_fields, &row);
    audit_self_put(a, b);
    if (a->rows_since_ms == 0) a->rows_since_ms = env_mono_ms(a->e->node->ports.env);
    if (t->right != t->asked) a->hurry = true;
}

void audit_proof_add(struct audit *a, struct bytes proof, struct keep_batch *b)
{
    if (a->next_proof - a->shown_proof >= AUDIT_PROOFS_MAX) return;
    keep_put(b, &a->s_proofs, a->next_proof++, proof);
}

/* ---- reading them again ---- */

static enum status read_faults(struct audit_holder *h, struct list faults)
{
    for (size_t i = 0; i < faults.n; i++) {
        struct bytes item = BYTES(list_at(faults, i, AUDIT_FAULT_BYTES), AUDIT_FAULT_BYTES);
        enum status st = fields_decode(&audit_fault_fields, item, &h->faults[i]);
        if (st != ST_OK) return st;
    }
    h->n_faults = faults.n;
    return ST_OK;
}

struct loading {
    struct audit *a;
    enum status st;
};

static bool on_kept(void *arg, uint64_t n, struct bytes plain)
{
    struct loading *l = arg;
    struct audit *a = l->a;
    struct audit_self s;
    struct audit_kept k;
    if (n == 0) {
        l->st = fields_decode(&audit_self_fields, plain, &s);
        if (l->st != ST_OK) return false;
        a->next_row = s.next_row;
        a->own_number = s.own_number;
        memcpy(a->prev_own, s.prev_own, 32);
        return true;
    }
    l->st = fields_decode(&audit_kept_fields, plain, &k);
    if (l->st != ST_OK) return false;
    struct audit_holder *h = a->n < HOLD_LEAVES_MAX ? calloc(1, sizeof *h) : NULL;
    if (h == NULL) return true; /* more leaves than hold: those of members who left long ago */
    h->holder = (uint16_t)(n - 1);
    h->score = (struct audit_score){k.alpha, k.beta};
    h->windows.newest = k.window;
    memcpy(h->windows.there, k.there, AUDIT_WINDOWS);
    memcpy(h->windows.looks, k.looks, AUDIT_WINDOWS);
    h->rounds = k.rounds;
    h->last_ms = k.last_ms;
    h->look_ms = k.look_ms;
    h->tally = (struct audit_tally){k.tally[0], k.tally[1], k.tally[2],
                                    k.tally[3], k.tally[4], k.tally[5]};
    h->day = k.day;
    memcpy(h->days, k.days, AUDIT_DAYS);
    a->holders[a->n++] = h;
    l->st = read_faults(h, k.faults);
    return l->st == ST_OK;
}

static bool first_one(void *arg, uint64_t n, struct bytes plain)
{
    (void)plain;
    *(uint64_t *)arg = n;
    return false;
}

enum status audit_rows_load(struct audit *a)
{
    struct keep *keep = &a->e->node->keep;
    struct loading l = {a, ST_OK};
    uint64_t last;
    enum status st;
    TRY(keep_scan(keep, &a->s_kept, 0, on_kept, &l));
    TRY(l.st);
    a->shown_row = a->next_row;
    TRY(keep_scan(keep, &a->s_rows, 0, first_one, &a->shown_row));
    if (a->shown_row < a->next_row) a->rows_since_ms = env_mono_ms(a->e->node->ports.env);
    st = keep_last(keep, &a->s_proofs, &last);
    if (st == ST_NOT_FOUND) return ST_OK;
    if (st != ST_OK) return st;
    a->next_proof = last + 1;
    TRY(keep_scan(keep, &a->s_proofs, 0, first_one, &a->shown_proof));
out:
    return st;
}
