/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Members who mean ill: they sign and seal as the protocol wants it, whatever stands inside. */
#include "sim/villains.h"

#include "core/ledger/group_state.h" /* a villain has its own keys at hand */
#include "crypto/hash.h"
#include "node/enclave/enclave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct enclave *inside_of(struct person *p)
{
    struct enclave *e = p ? node_find(p->node, SIM_NAME) : NULL;
    return e && e->group && e->attached && !e->posting && group_in(e->group) &&
                   group_writable(e->group) && enclave_synced(e, FEED_LEDGER)
               ? e
               : NULL;
}

struct enclave *villain_pick(struct sim *s, struct person **ret)
{
    *ret = person_random(s, PERSON_IN, true);
    return inside_of(*ret);
}

struct ill {
    struct person *p;
    struct enclave *e;
    struct buf sealed;
    struct ill_mark mark;
};

void villain_note(struct sim *s, uint64_t index, struct bytes sealed, const char *nick)
{
    struct sim_ill *o = &s->ill[s->n_ill++ % SIM_ILL_MAX];
    *o = (struct sim_ill){.index = index, .generation = s->generation};
    sha256(sealed, o->hash);
    snprintf(o->nick, sizeof o->nick, "%.23s", nick);
}

static void ill_done(void *arg, enum status st, struct bytes body)
{
    struct ill *i = arg;
    struct room_spot spot;
    sim_trace(i->p->sim, "m%u's ill entry: %s", i->p->i, status_text(st));
    /* Its author reads it like everybody else; the sentinel does not send it back. */
    if (st == ST_OK && fields_decode(&room_spot_fields, body, &spot) == ST_OK) {
        if (i->mark.must_void)
            villain_note(i->p->sim, spot.index, buf_view(&i->sealed),
                         i->mark.nameless ? "" : i->e->nick);
        enclave_appended(i->e, FEED_LEDGER, spot.index, buf_view(&i->sealed));
        if (i->mark.mutant >= 0) mutant_taken(i->p, i->e, i->mark.mutant, !i->mark.must_void);
    }
    buf_free(&i->sealed);
    free(i);
}

static bool append_ill(struct person *p, struct enclave *e, struct bytes sealed,
                       struct ill_mark mark)
{
    struct seen head = group_seen(e->group);
    struct ill *i = sim_alloc(sizeof *i);
    *i = (struct ill){p, e, BUF_INIT, mark};
    buf_bytes(&i->sealed, sealed);
    watch_ill(p->sim, sealed);
    if (enclave_append(e, FEED_LEDGER, true, head.count, head.chain, sealed, ill_done, i) == ST_OK)
        return true;
    buf_free(&i->sealed);
    free(i);
    return false;
}

bool villain_post(struct person *p, struct enclave *e, struct entry0 *entry, const uint8_t *log_key,
                  const uint8_t back[ENTRY0_BACK], struct ill_mark mark)
{
    uint8_t nonce[ENTRY0_NONCE];
    struct buf sealed = BUF_INIT;
    if (!log_key) log_key = e->group->rows[entry->epoch].log;
    rng_bytes(&p->sim->rng, nonce, sizeof nonce);
    entry0_sign(entry, e->enclave_id, e->keys->id_seed);
    bool did = entry0_seal(entry, e->room, log_key, back, nonce, &sealed) == ST_OK &&
               append_ill(p, e, buf_view(&sealed), mark);
    buf_free(&sealed);
    return did;
}

static bool post_ill(struct person *p, struct enclave *e, struct entry0 *entry,
                     const uint8_t back[ENTRY0_BACK], bool must_void)
{
    return villain_post(p, e, entry, NULL, back, (struct ill_mark){must_void, false, -1});
}

void villain_entry(struct sim *s, struct enclave *e, struct entry0 *entry)
{
    struct seen head = group_seen(e->group);
    struct seen seen[3] = {e->feeds[1].seen, e->feeds[2].seen, e->feeds[3].seen};
    *entry = (struct entry0){
        .index = head.count, .epoch = group_epoch(e->group), .rules = 1, .time_ms = s->time.now_ms};
    memcpy(entry->prev_chain, head.chain, 32);
    memcpy(entry->actor, e->id, 32);
    entry0_set_seen(entry, seen);
}

/* A body of its own making, at the present head. */
static bool post_body(struct sim *s, struct person *p, struct enclave *e, uint8_t type,
                      const struct fields *fields, const void *msg, bool must_void)
{
    struct entry0 entry;
    uint8_t back[ENTRY0_BACK];
    struct buf body = BUF_INIT;
    villain_entry(s, e, &entry);
    entry.type = type;
    rng_bytes(&s->rng, back, sizeof back);
    bool did = fields_encode(fields, msg, &body) == ST_OK;
    entry.body = buf_view(&body);
    if (did) did = post_ill(p, e, &entry, back, must_void);
    buf_free(&body);
    return did;
}

bool fault_junk(struct sim *s)
{
    static const uint8_t types[] = {2, 4, 5, 6, 8, 9, 10, 10, 10, 11, 12, 13, 19, 99};
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    struct entry0 entry;
    uint8_t body[600], back[ENTRY0_BACK];
    if (!e) return false;
    villain_entry(s, e, &entry);
    entry.type = types[rng_below(&s->rng, sizeof types)];
    rng_bytes(&s->rng, body, sizeof body);
    rng_bytes(&s->rng, back, sizeof back);
    if (rng_chance(&s->rng, 300)) memset(body, 0, 200);
    entry.body = BYTES(body, rng_below(&s->rng, sizeof body));
    sim_trace(s, "m%u posts junk of type %u", p->i, (unsigned)entry.type);
    return post_ill(p, e, &entry, back, entry.type != LEDGER_HEAD);
}

/* ---- drafts that are right but for a little ---- */

void right_free(struct right *r)
{
    buf_free(&r->draft.sealed);
    buf_free(&r->plain);
    buf_free(&r->body);
}

bool right_open(struct right *r, struct enclave *e)
{
    const uint8_t *log_key = e->group->rows[group_epoch(e->group)].log;
    struct bytes sealed = buf_view(&r->draft.sealed);
    if (entry0_envelope(sealed, &r->envelope) != ST_OK ||
        entry0_open(sealed, e->room, log_key, r->draft.index, &r->plain) != ST_OK ||
        entry0_split(buf_view(&r->plain), &r->entry) != ST_OK)
        return false;
    buf_bytes(&r->body, r->entry.body);
    r->entry.body = buf_view(&r->body);
    return true;
}

static bool right_commit(struct right *r, struct enclave *e)
{
    uint8_t random[GROUP_RANDOM];
    struct group_now now;
    enclave_now(e, random, &now);
    return group_make_commit(e->group, 0, &now, &r->draft) == ST_OK && right_open(r, e);
}

/* back: from the end of the body to the byte whose bit is flipped; 0: anywhere. */
static bool commit_with(struct sim *s, size_t back, const char *what)
{
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    struct right r = {0};
    bool did = false;
    if (e && right_commit(&r, e) && r.body.n > back) {
        size_t at = back ? r.body.n - back : rng_below(&s->rng, r.body.n);
        r.body.p[at] ^= (uint8_t)(1U << rng_below(&s->rng, 8));
        sim_trace(s, "m%u posts a COMMIT with a wrong %s", p->i, what);
        did = post_ill(p, e, &r.entry, r.envelope.back, true);
    }
    right_free(&r);
    return did;
}

bool fault_bad_commit(struct sim *s)
{
    return commit_with(s, 0, "bit");
}

bool fault_wrong_tag(struct sim *s)
{
    return commit_with(s, 1 + rng_below(&s->rng, 32), "tag");
}

bool fault_wrong_wrap(struct sim *s)
{
    return commit_with(s, 33 + rng_below(&s->rng, 48), "wrap");
}

bool fault_wrong_ct(struct sim *s)
{
    return commit_with(s, 32 + 48 + 2 + 1 + rng_below(&s->rng, 1120), "ciphertext");
}

/* A COMMIT that was right for an earlier head. */
bool fault_stale_commit(struct sim *s)
{
    struct person *p = &s->people[s->stale_by];
    struct enclave *e = p->node && p->state == PERSON_IN && p->online ? inside_of(p) : NULL;
    struct right r = {0};
    bool did = false;
    if (s->stale.n > 0 && s->stale_generation == s->generation && e) {
        struct entry0 entry;
        villain_entry(s, e, &entry);
        entry.type = LEDGER_COMMIT;
        entry.body = buf_view(&s->stale);
        if (entry.index == s->stale_index) return false;
        sim_trace(s, "m%u posts a COMMIT that it made earlier", p->i);
        did = post_ill(p, e, &entry, s->stale_back, true);
        buf_clear(&s->stale);
        return did;
    }
    e = villain_pick(s, &p);
    if (e && right_commit(&r, e)) {
        buf_clear(&s->stale);
        buf_bytes(&s->stale, buf_view(&r.body));
        memcpy(s->stale_back, r.envelope.back, sizeof s->stale_back);
        s->stale_by = p->i;
        s->stale_index = r.entry.index;
        s->stale_generation = s->generation;
    }
    right_free(&r);
    return false;
}

bool fault_veto_twice(struct sim *s)
{
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    struct right r = {0};
    uint8_t random[GROUP_RANDOM];
    struct group_now now;
    if (!e) return false;
    enclave_now(e, random, &now);
    bool did = group_make_veto_keys(e->group, &now, &r.draft) == ST_OK && right_open(&r, e) &&
               r.body.n >= 2 + 2 * LEDGER_VETO_KEY;
    if (did) {
        if (rng_chance(&s->rng, 500)) /* one key twice, or one without its proof */
            memcpy(r.body.p + 2 + LEDGER_VETO_KEY, r.body.p + 2, LEDGER_VETO_KEY);
        else
            rng_bytes(&s->rng, r.body.p + 2 + 32, 64);
        sim_trace(s, "m%u shows veto keys that are not good", p->i);
        did = post_ill(p, e, &r.entry, r.envelope.back, true);
    }
    right_free(&r);
    return did;
}

/* ---- ballots ---- */

const struct ledger_proposal *vote_with(struct enclave *e, bool cast, bool secret,
                                        const struct ledger_voter **ret)
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        if (p->state != LEDGER_VOTE_OPEN || (secret && p->ballot->kind != BALLOT_SECRET)) continue;
        for (size_t k = 0; k < p->n_voters; k++) {
            const struct ledger_voter *v = &p->voters[k];
            if (v->leaf != group_leaf(e->group) || (v->cast.choice != BALLOT_NONE) != cast)
                continue;
            *ret = v;
            return p;
        }
    }
    return NULL;
}

static bool ballot_with(struct sim *s, struct person *p, struct enclave *e,
                        const struct ledger_proposal *pr, struct bytes form, bool bad_seat)
{
    struct ballot_body b = {.proposal = pr->index, .kind = pr->ballot->kind, .form = form};
    memcpy(b.hash, pr->hash, 32);
    if (pr->kind == PROPOSE_ADD)
        ledger_sign_add(e->keys->seat_seed, e->room, pr->candidate.seat, pr->hash, b.seat_sig);
    if (bad_seat) b.seat_sig[rng_below(&s->rng, 64)] ^= 1;
    return post_body(s, p, e, LEDGER_BALLOT, &ballot_body_fields, &b, true);
}

/* A villain in front of an open vote, in which it has voted or not. */
struct booth {
    struct person *p;
    struct enclave *e;
    const struct ledger_proposal *pr;
    const struct ledger_voter *v;
};

static bool booth(struct sim *s, bool cast, bool secret, struct booth *ret)
{
    *ret = (struct booth){0};
    ret->e = villain_pick(s, &ret->p);
    if (ret->e) ret->pr = vote_with(ret->e, cast, secret, &ret->v);
    return ret->pr != NULL;
}

static bool ballot_of(struct sim *s, const struct booth *b, struct bytes form)
{
    return ballot_with(s, b->p, b->e, b->pr, form, false);
}

bool fault_double_ballot(struct sim *s)
{
    struct booth b;
    uint8_t form[96];
    if (!booth(s, true, false, &b)) return false;
    rng_bytes(&s->rng, form, sizeof form);
    form[0] &= 1;
    sim_trace(s, "m%u votes twice", b.p->i);
    return ballot_of(s, &b, BYTES(form, b.pr->ballot->form_size));
}

bool fault_bad_proof(struct sim *s)
{
    struct booth b;
    uint8_t form[96];
    if (!booth(s, false, true, &b)) return false;
    rng_bytes(&s->rng, form, sizeof form);
    memcpy(form, b.v->y, 32); /* a point, and a proof of nothing */
    sim_trace(s, "m%u's ballot proves nothing", b.p->i);
    return ballot_of(s, &b, BYTES_OF(form));
}

bool fault_no_point(struct sim *s)
{
    struct booth b;
    uint8_t form[96];
    if (!booth(s, false, true, &b)) return false;
    memset(form, 0xFF, sizeof form);
    sim_trace(s, "m%u's ballot is no point", b.p->i);
    return ballot_of(s, &b, BYTES_OF(form));
}

/* Made as if it were the ballot of another place. */
bool fault_foreign_ballot(struct sim *s)
{
    struct booth b;
    uint8_t form[BALLOT_FORM_MAX], random[2 * VETO_RANDOM];
    if (!booth(s, false, true, &b)) return false;
    const struct ledger_voter *other = &b.pr->voters[rng_below(&s->rng, b.pr->n_voters)];
    const struct group_veto *key = group_veto_find(b.e->group, b.v->serial);
    if (other == b.v || !key) return false;
    rng_bytes(&s->rng, random, sizeof random);
    if (veto_ballot_make(b.pr->ctx, other->place, other->y, key->x, true, random, form) != ST_OK)
        return false;
    sim_trace(s, "m%u's ballot is made for another's place", b.p->i);
    return ballot_of(s, &b, BYTES(form, b.pr->ballot->form_size));
}

/* Somebody who has not voted on a candidate, in the open. */
static bool open_booth(struct sim *s, struct booth *b)
{
    for (unsigned i = 0; i < s->n; i++) {
        *b = (struct booth){.p = &s->people[i]};
        if (!b->p->node || b->p->state != PERSON_IN || !b->p->online) continue;
        b->e = inside_of(b->p);
        if (b->e) b->pr = vote_with(b->e, false, false, &b->v);
        if (b->pr && b->pr->kind == PROPOSE_ADD && b->pr->ballot->kind == BALLOT_OPEN) return true;
    }
    return false;
}

static bool votes_openly(struct sim *s)
{
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    return e && ledger_ballot_kind(group_ledger(e->group)) == BALLOT_OPEN;
}

bool fault_bad_seat(struct sim *s)
{
    struct booth b;
    uint8_t form[1] = {1};
    bool found = open_booth(s, &b);
    if (!found && votes_openly(s) && act_invite(s)) {
        sim_run_for(s, 4 * SIM_SECOND);
        check_all(s);
        act_people(s);
        sim_run_for(s, SIM_SECOND);
        check_all(s);
        found = open_booth(s, &b);
    }
    if (!found) return false;
    sim_trace(s, "m%u's ballot has a wrong seat signature", b.p->i);
    return ballot_with(s, b.p, b.e, b.pr, BYTES_OF(form), true);
}

/* ---- proposals and the rest ---- */

bool fault_remove_loud(struct sim *s)
{
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    uint8_t targets[4];
    size_t n = 0;
    if (!e) return false;
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_leaves(l) && n < 2; i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now && !leaf->missed && leaf->leaf != group_leaf(e->group))
            put_u16(targets + 2 * n++, leaf->leaf);
    }
    if (n < 2) return false;
    struct propose_remove b = {.kind = PROPOSE_REMOVE, .targets = {targets, 2}};
    sim_trace(s, "m%u wants to remove two who are there", p->i);
    return post_body(s, p, e, LEDGER_PROPOSE, &propose_remove_fields, &b, true);
}

bool fault_false_revoke(struct sim *s)
{
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    if (!e) return false;
    struct self_revoke b = {
        .leaf = (uint16_t)rng_below(&s->rng, ledger_leaves(group_ledger(e->group)))};
    rng_bytes(&s->rng, b.key, 32);
    sim_trace(s, "m%u revokes leaf %u with a false key", p->i, (unsigned)b.leaf);
    return post_body(s, p, e, LEDGER_SELF_REVOKE, &self_revoke_fields, &b, true);
}

/* An entry that was there before, byte for byte: nobody's word for this place. */
bool fault_replay(struct sim *s)
{
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    struct buf sealed = BUF_INIT;
    uint8_t chain[32];
    if (!e || e->feeds[0].seen.count == 0) return false;
    uint64_t index = rng_below(&s->rng, e->feeds[0].seen.count);
    bool did = enclave_kept(e, FEED_LEDGER, index, &sealed, chain) == ST_OK &&
               append_ill(p, e, buf_view(&sealed), (struct ill_mark){true, true, -1});
    if (did) sim_trace(s, "m%u posts entry %llu again", p->i, (unsigned long long)index);
    buf_free(&sealed);
    return did;
}

bool fault_head_lie(struct sim *s)
{
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    struct entry0 entry;
    struct buf body = BUF_INIT;
    uint8_t back[ENTRY0_BACK];
    uint64_t epoch, next;
    if (!e || !e->mail) return false;
    villain_entry(s, e, &entry);
    mail_own_next(e->mail, &epoch, &next);
    struct head_body b = {.epoch = epoch, .next = next};
    entry.type = LEDGER_HEAD;
    entry.seen1_count += rng_between(&s->rng, 1, 100000);
    entry.seen2_count += rng_between(&s->rng, 1, 100000);
    rng_bytes(&s->rng, entry.seen1_chain, 32);
    rng_bytes(&s->rng, back, sizeof back);
    bool did = epoch != MAIL_NONE && fields_encode(&head_body_fields, &b, &body) == ST_OK;
    entry.body = buf_view(&body);
    if (did) did = post_ill(p, e, &entry, back, false);
    if (did) sim_trace(s, "m%u says that it has seen what is not there", p->i);
    buf_free(&body);
    return did;
}

static void ignored(void *arg, const struct node_result *r)
{
    (void)arg;
    (void)r;
}

bool fault_spam(struct sim *s)
{
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    if (!e) return false;
    for (unsigned i = 0; i < 6; i++) {
        struct node_policy_change req = {
            .enclave = SIM_NAME, .changes = "rekey=24h", .reason = "spam", .now = true};
        if (node_propose_policy(p->node, &req, ignored, NULL) != ST_OK) break;
    }
    sim_trace(s, "m%u spams with proposals", p->i);
    return true;
}

static void flooded(void *arg, enum status st, struct bytes body)
{
    (void)arg;
    (void)st;
    (void)body;
}

bool fault_mail_flood(struct sim *s)
{
    struct person *p;
    struct enclave *e = villain_pick(s, &p);
    uint8_t *junk;
    if (!e || !enclave_synced(e, FEED_MAIL)) return false;
    junk = sim_alloc(8192);
    for (unsigned i = 0; i < 40; i++) {
        rng_bytes(&s->rng, junk, 8192);
        if (enclave_append(e, FEED_MAIL, false, 0, NULL, BYTES(junk, 8192), flooded, NULL) != ST_OK)
            break;
    }
    free(junk);
    sim_trace(s, "m%u floods the mail", p->i);
    return true;
}

/* ---- the right name ---- */

void villains_named(struct person *p, const struct node_verdict *v)
{
    struct sim *s = p->sim;
    struct enclave *e = node_find(p->node, SIM_NAME);
    if (!e || v->void_entries > 50 || group_lost(e->group)) return; /* it cannot read on */
    for (unsigned i = 0; i < s->n_ill && i < SIM_ILL_MAX; i++) {
        const struct sim_ill *o = &s->ill[i];
        struct buf sealed = BUF_INIT;
        uint8_t chain[32], hash[32];
        char line[64];
        if (o->generation != s->generation || o->index >= v->entries) continue;
        bool same = enclave_kept(e, FEED_LEDGER, o->index, &sealed, chain) == ST_OK;
        sha256(buf_view(&sealed), hash);
        same = same && memcmp(hash, o->hash, 32) == 0;
        buf_free(&sealed);
        if (!same) continue;
        snprintf(line, sizeof line, "%llu by %s: ", (unsigned long long)o->index,
                 o->nick[0] ? o->nick : "nobody provable");
        const char *at = strstr(v->voids, line);
        if (!at || (at != v->voids && at[-1] != '\n'))
            sim_fail(s, "m%u does not have entry %llu of %s among the void ones:\n%s", p->i,
                     (unsigned long long)o->index, o->nick, v->voids);
        s->checked[CHECK_NAMED]++;
    }
}
