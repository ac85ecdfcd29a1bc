/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What must hold at every moment, and what must hold when all has settled. */
#include "sim/sim.h"

#include "core/ledger/group_state.h"
#include "node/enclave/enclave.h"
#include "node/shelf/shelf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINKS_MAX 4000

/* ---- one history ---- */

struct listing {
    struct person *p;
    struct buf text; /* all that must be the same for everybody */
    struct {
        char nick[24];
        uint64_t since;
    } member[LEDGER_MEMBERS_MAX];
    unsigned n;
};

static void on_member(void *arg, const struct node_member *m)
{
    struct listing *l = arg;
    buf_printf(&l->text, "%u %s %.16s since %llu\n", m->leaf, m->nick, m->id,
               (unsigned long long)m->since_index);
    if (l->n == LEDGER_MEMBERS_MAX) return;
    snprintf(l->member[l->n].nick, sizeof l->member[0].nick, "%s", m->nick);
    l->member[l->n++].since = m->since_index;
}

/* The targets of a removal are out by the wish of all the others. */
static void note_removed(struct sim *s, const char *nicks)
{
    char one[24];
    for (const char *at = nicks; *at;) {
        size_t n = strcspn(at, ", ");
        snprintf(one, sizeof one, "%.*s", (int)n, at);
        struct sim_nick *found = nick_find(s, one);
        if (!found) sim_fail(s, "%s was removed and never applied", one);
        found->voted_out = true;
        at += n + strspn(at + n, ", ");
    }
}

/* What a vote came to is what each of its voters wished; open ballots say what was wished. */
static void check_outcome(struct sim *s, const struct person *p, const struct node_proposal *pr)
{
    bool passed = strcmp(pr->state, "passed") == 0 || strcmp(pr->state, "added") == 0 ||
                  strcmp(pr->state, "removed") == 0 || strcmp(pr->state, "changed") == 0;
    struct sim_wish *w = wish_of(s, strcmp(pr->kind, "add") == 0 ? pr->nick : pr->ref);
    for (size_t i = 0; i < pr->n_ballots; i++) {
        const struct node_ballot *b = &pr->ballots[i];
        const struct sim_nick *voter = nick_find(s, b->nick);
        if (!voter) sim_fail(s, "%s votes and never applied", b->nick);
        uint8_t bit = (uint8_t)(1U << voter->person);
        /* Who proposes something says yes to it by that. */
        if (strcmp(pr->by, b->nick) == 0 && !(w->no & bit)) w->yes |= bit;
        bool yes = strcmp(b->choice, "yes") == 0, no = strcmp(b->choice, "no") == 0;
        if ((passed || yes) && !(w->yes & bit))
            sim_fail(s, "%s %s %s is %s (seen by m%u) with a yes of %s that it never wished",
                     pr->kind, pr->ref, pr->nick, pr->state, p->i, b->nick);
        if (no && !(w->no & bit))
            sim_fail(s, "%s %s has a no of %s that it never wished", pr->kind, pr->ref, b->nick);
    }
    if (passed) s->checked[CHECK_OUTCOMES]++;
    if (passed && strstr(pr->changes, "history")) s->hidden = true;
    if (passed && strcmp(pr->state, "removed") == 0) note_removed(s, pr->nick);
}

static void on_proposal(void *arg, const struct node_proposal *pr)
{
    struct listing *l = arg;
    if (strcmp(pr->state, "knocking") == 0) return; /* known to the inviter only */
    buf_printf(&l->text, "%s %s %s by %s%s %s: %s", pr->kind, pr->ref, pr->nick, pr->by,
               pr->secret ? ", secret" : "", pr->changes, pr->state);
    for (size_t i = 0; i < pr->n_ballots; i++)
        buf_printf(&l->text, ", %s %s", pr->ballots[i].nick, pr->ballots[i].choice);
    buf_printf(&l->text, "\n");
    check_outcome(l->p->sim, l->p, pr);
    lies_check_vote(l->p->sim, l->p, pr);
}

/* Nobody is inside whom not everybody admitted. */
static void check_admission(struct sim *s, const struct listing *l)
{
    for (unsigned i = 0; i < l->n; i++) {
        struct sim_nick *n = nick_find(s, l->member[i].nick);
        if (!n) sim_fail(s, "m%u lists %s, who never applied", l->p->i, l->member[i].nick);
        if (n->creator || n->checked) continue;
        n->checked = true;
        s->admitted++;
        s->checked[CHECK_ADMISSIONS]++;
        for (unsigned k = 0; k < l->n; k++) {
            if (k == i || l->member[k].since >= l->member[i].since) continue;
            const struct sim_nick *voter = nick_find(s, l->member[k].nick);
            if (voter && !(wish_of(s, n->nick)->yes >> voter->person & 1U))
                sim_fail(s, "%s is inside (seen by m%u) without the yes of %s", n->nick, l->p->i,
                         voter->nick);
        }
    }
}

/* It could not enter an epoch in which another one is. A COMMIT that is void for all may also be one of
 * whose wraps only its own does not open: then nobody went on. */
static bool left_behind(const struct sim *s, const struct enclave *e)
{
    if (!e->group->shut_out) return false;
    for (unsigned i = 0; i < s->n; i++) {
        const struct person *o = &s->people[i];
        const struct enclave *oe = o->node ? node_find(o->node, SIM_NAME) : NULL;
        if (o->state == PERSON_IN && oe && oe->group &&
            group_epoch(oe->group) > group_epoch(e->group))
            return true;
    }
    return false;
}

/* Set back, and not yet given new keys by the others. */
static bool healing(const struct person *p)
{
    const struct enclave *e = p->node ? node_find(p->node, SIM_NAME) : NULL;
    if (!p->restored) return false;
    return !e || !e->group || group_lost(e->group) || group_restored(e->group) ||
           left_behind(p->sim, e) || e->rejoin || !group_in(e->group) || !e->attached;
}

/* Nobody is out who did not want it, unless all the others did. */
static void check_gone(struct sim *s, const struct listing *l)
{
    uint8_t bit = (uint8_t)(1U << l->p->i);
    for (unsigned i = 0; i < s->n_nicks; i++) {
        struct sim_nick *n = &s->nicks[i];
        bool in = false;
        if (n->generation != s->generation) continue;
        for (unsigned k = 0; k < l->n && !in; k++) in = strcmp(l->member[k].nick, n->nick) == 0;
        if (in) {
            n->seen_by |= bit;
        } else if (n->seen_by & bit) {
            s->checked[CHECK_GONE]++;
            n->seen_by &= (uint8_t)~bit;
            if (!n->handed || n->voted_out) s->losses++;
            if (!n->asked_out && !n->voted_out)
                sim_fail(s, "%s is out (seen by m%u) by nobody's wish", n->nick, l->p->i);
        }
    }
}

static void compare(struct sim *s, const struct person *p, struct sim_head *h, const char *text)
{
    s->checked[CHECK_LEDGERS]++;
    if (!h->known) {
        if (p->restored) return; /* it may be lost */
        h->known = true;
        h->by = p->i;
        h->text = sim_copy(text, strlen(text) + 1);
        snprintf(h->chain, sizeof h->chain, "%s", p->head);
    } else if (strcmp(h->chain, p->head) != 0) {
        sim_fail(s, "m%u and m%u have different ledgers of %llu entries: %s and %s", p->i, h->by,
                 (unsigned long long)p->head_count, p->head, h->chain);
    } else if (strcmp(h->text, text) != 0 && !healing(p)) {
        /* Keys that a backup does not have cannot open what came after it: that member is lost until
         * it is given new ones, as it must be when all has settled. */
        sim_fail(s, "m%u and m%u judge the same %llu entries differently:\n%sand\n%s", p->i, h->by,
                 (unsigned long long)p->head_count, text, h->text);
    }
}

static void check_person(struct sim *s, struct person *p)
{
    struct listing *l;
    if (p->head_count == 0 || p->head_count >= SIM_HEADS_MAX) return;
    if (p->state != PERSON_IN && p->state != PERSON_LEAVING) return;
    struct sim_head *h = &s->heads[p->head_count];
    if (p->tainted) {
        /* Led back to the common history: all is well again. */
        if (!s->sentinel.forked && h->known && strcmp(h->chain, p->head) == 0 &&
            p->head_count >= p->lied_upto)
            p->tainted = false;
        else
            return;
    }
    l = sim_alloc(sizeof *l);
    l->p = p;
    if (node_members(p->node, SIM_NAME, on_member, l) == ST_OK &&
        node_proposals(p->node, SIM_NAME, true, on_proposal, l) == ST_OK) {
        buf_u8(&l->text, 0);
        compare(s, p, h, (const char *)l->text.p);
        check_admission(s, l);
        check_gone(s, l);
    }
    buf_free(&l->text);
    free(l);
}

void heads_forget(struct sim *s)
{
    for (size_t i = 0; i < SIM_HEADS_MAX; i++) free(s->heads[i].text);
    memset(s->heads, 0, SIM_HEADS_MAX * sizeof s->heads[0]);
}

/* ---- words ---- */

static bool on_message(void *arg, const struct node_message *m)
{
    struct person *p = arg;
    struct sim *s = p->sim;
    unsigned number = 0;
    char text[32];
    size_t n = m->text.n < sizeof text - 1 ? m->text.n : sizeof text - 1;
    memcpy(text, m->text.p, n);
    text[n] = 0;
    if (sscanf(text, "w%u ", &number) != 1 || number >= s->n_messages)
        sim_fail(s, "m%u shows words that nobody said: %.30s", p->i, text);
    if (++p->shown[number] > 1) sim_fail(s, "m%u shows w%u twice", p->i, number);
    early_seen(p, number, m->uuid);
    p->read_upto = m->number;
    return true;
}

struct archived {
    struct person *p;
    uint8_t seen[SIM_MESSAGES_MAX];
};

static bool on_archived(void *arg, const struct node_message *m)
{
    struct archived *a = arg;
    struct person *p = a->p;
    unsigned number = 0;
    char text[32];
    bytes_text(m->text, text, sizeof text);
    if (sscanf(text, "w%u ", &number) != 1 || number >= p->sim->n_messages)
        sim_fail(p->sim, "m%u is shown words that nobody said: %.30s", p->i, text);
    if (a->seen[number]) sim_fail(p->sim, "m%u has w%u twice in an archive", p->i, number);
    a->seen[number] = 1;
    return true;
}

static void on_archive(void *arg, const struct node_archive *a)
{
    struct archived seen = {.p = arg};
    if (node_archive_read(seen.p->node, a->name, 0, on_archived, &seen) != ST_OK)
        sim_fail(seen.p->sim, "m%u cannot read the archive %s", seen.p->i, a->name);
}

static void check_words(struct person *p)
{
    if (p->sim->settling) node_archives(p->node, on_archive, p);
    if (p->state == PERSON_IN || p->state == PERSON_LEAVING)
        if (node_messages(p->node, SIM_NAME, p->read_upto + 1, on_message, p) != ST_OK)
            sim_fail(p->sim, "m%u cannot read its messages", p->i);
    if (p->state == PERSON_OUT && p->read_upto != 0) {
        memset(p->shown, 0, SIM_MESSAGES_MAX); /* words of an enclave that it left */
        p->read_upto = 0;
    }
}

/* ---- the sentinel ---- */

static void find_room(struct sim *s)
{
    for (unsigned i = 0; i < s->n && !s->room_known; i++) {
        struct person *p = &s->people[i];
        struct enclave *e = p->node ? node_find(p->node, SIM_NAME) : NULL;
        if (!e || p->state != PERSON_IN) continue;
        memcpy(s->room, e->room, 32);
        s->room_known = true;
    }
}

void check_all(struct sim *s)
{
    bool any = s->creating;
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        if (p->node) {
            person_look(p);
            check_person(s, p);
            check_words(p);
        }
        any |= p->state != PERSON_OUT;
        s->exists |= p->state == PERSON_IN;
    }
    files_look(s);
    find_room(s);
    struct room_feed_row row;
    if (s->room_known && vsentinel_feed(&s->sentinel, s->room, FEED_LEDGER, &row) &&
        row.count > s->acknowledged)
        s->acknowledged = row.count;
    if (!any && s->exists) {
        sim_trace(s, "everybody left");
        s->exists = false;
        s->room_known = false;
    }
    if (vnet_links(&s->net) > LINKS_MAX)
        sim_fail(s, "%zu links stand at once", vnet_links(&s->net));
}

/* ---- at the end ---- */

/* The others are of one mind that it is a member no more. */
static bool is_out(const struct person *p)
{
    const struct enclave *e = node_find(p->node, SIM_NAME);
    for (unsigned i = 0; i < p->sim->n; i++) {
        const struct person *o = &p->sim->people[i];
        const struct enclave *oe = o->node ? node_find(o->node, SIM_NAME) : NULL;
        if (o == p || o->state != PERSON_IN || o->tainted || healing(o) || !oe || !oe->group)
            continue;
        const struct ledger_leaf *leaf = e ? ledger_by_id(group_ledger(oe->group), e->id) : NULL;
        if (leaf && !leaf->member_now) return true;
    }
    return false;
}

/* Lost for good: nobody is left who could give the thread back, or nobody wants to. */
bool excused(const struct person *p)
{
    if (!healing(p)) return false;
    if (is_out(p)) return true;
    for (unsigned i = 0; i < p->sim->n; i++) {
        const struct person *o = &p->sim->people[i];
        if (o->state == PERSON_IN && o->node && !o->tainted && !healing(o)) return false;
    }
    return true;
}

/* Keys for the next vote are at hand. */
static void check_can_vote(struct sim *s, struct person *p)
{
    const struct enclave *e = node_find(p->node, SIM_NAME);
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_leaf *self = ledger_leaf(l, group_leaf(e->group));
    if (group_restored(e->group) || !group_in(e->group))
        sim_fail(s, "m%u is a member and cannot vote: %s", p->i, p->trouble);
    if (ledger_ballot_kind(l) != BALLOT_SECRET || self->stock.n == 0) return;
    if (!group_veto_find(e->group, self->stock.serial[0]))
        sim_fail(s, "m%u has no secret for its veto key %u", p->i, (unsigned)self->stock.serial[0]);
}

bool check_quiet(struct sim *s)
{
    uint64_t head = 0;
    for (unsigned i = 0; i < s->n; i++) {
        const struct person *p = &s->people[i];
        if (!p->node || p->tainted || excused(p)) continue;
        if (p->state == PERSON_LEAVING) return false;
        if (p->state != PERSON_IN) continue;
        if (!p->online || p->outbox > 0 || healing(p)) return false;
        if (head != 0 && p->head_count != head) return false;
        head = p->head_count;
    }
    return true;
}

/* There, and free to write, as far as the rules and its own eyes let it. */
static struct enclave *writer(const struct person *p)
{
    struct enclave *e = p->node && p->state == PERSON_IN && p->online && !p->tainted
                            ? node_find(p->node, SIM_NAME)
                            : NULL;
    return e && e->group && group_writable(e->group) ? e : NULL;
}

/* An epoch is due, and each who may still write is the target of an open removal or holds no keys: nobody
 * can begin one before such a vote has ended, and a word waits till then if somebody left (docs/spec/ledger.md,
 * "A target"). How long that is by the clock of the first who may end one; 0: it waits for nothing. */
uint64_t held_by_vote_ms(const struct sim *s)
{
    uint64_t wait = UINT64_MAX;
    bool target = false;
    for (unsigned i = 0; i < s->n; i++) {
        const struct enclave *e = writer(&s->people[i]);
        if (!e) continue;
        const struct ledger *l = group_ledger(e->group);
        if (ledger_due(l) == LEDGER_NEVER || ledger_turn(l, group_leaf(e->group)) != LEDGER_NOBODY)
            return 0;
        target |= ledger_removal(l, group_leaf(e->group)) != NULL && group_in(e->group);
        uint16_t turn = ledger_turn_expire(l, group_leaf(e->group));
        for (size_t k = 0; k < ledger_proposals(l) && turn != LEDGER_NOBODY; k++) {
            const struct ledger_proposal *p = ledger_proposal_at(l, k);
            const struct group_clock *c = group_clock(e->group, p->index);
            if (p->kind != PROPOSE_REMOVE || p->state != LEDGER_VOTE_OPEN || !c) continue;
            uint64_t now = env_wall_ms(e->node->ports.env);
            uint64_t at = c->seen_ms + ledger_policy(l, LEDGER_POLICY_EXPIRE_MS) +
                          turn * (uint64_t)LEDGER_TURN_MS;
            if (at > now && at - now < wait) wait = at - now; /* one that is overdue holds nobody */
        }
    }
    return target && wait != UINT64_MAX ? wait + 1 : 0;
}

static void check_delivery(struct sim *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        const struct person *p = &s->people[i];
        if (p->state != PERSON_IN || p->tainted || p->restored) continue;
        for (unsigned k = 0; k < s->n_messages; k++) {
            const struct sim_message *m = &s->messages[k];
            const struct person *from = &s->people[m->from];
            if (!m->durable || m->excused || from->state != PERSON_IN || from->tainted ||
                excused(from))
                continue;
            /* Only who was a member of its epoch can read it. */
            if (m->generation != s->generation || m->count < p->in_count) continue;
            if (m->at_ms < p->in_ms || m->at_ms < from->in_ms) continue;
            if (m->at_ms < p->healed_ms) continue; /* what was said meanwhile is lost to it */
            if (p->shown[k] == 0)
                sim_fail(s, "m%u never got w%u of m%u, said at %llu ms", p->i, k, m->from,
                         (unsigned long long)m->at_ms);
        }
    }
}

/* Every member folds the same tree. */
static void on_file(void *arg, const struct node_file *f)
{
    struct buf *text = arg;
    buf_bytes(text, f->path);
    buf_printf(text, " %s %llu v%llu by %s\n", f->directory ? "dir" : "file",
               (unsigned long long)f->size, (unsigned long long)f->version, f->by);
}

/* Set back together with others, it may have got no more keys of missed epochs than these still had. */
static bool lacks_file_keys(struct person *p)
{
    const struct enclave *e = node_find(p->node, SIM_NAME);
    uint8_t key[32];
    for (uint64_t epoch = 0; epoch <= group_epoch(e->group); epoch++)
        if (group_key(e->group, GROUP_KEY_TREE, epoch, key) != ST_OK) return true;
    return false;
}

static void check_trees(struct sim *s)
{
    struct buf first = BUF_INIT, other = BUF_INIT;
    const struct person *by = NULL;
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        if (p->state != PERSON_IN || p->tainted || p->restored || p->no_history) continue;
        buf_clear(&other);
        if (node_ls(p->node, SIM_NAME, BYTES_LIT(""), on_file, &other) != ST_OK)
            sim_fail(s, "m%u cannot list its files", i);
        if (by && !bytes_same(buf_view(&first), buf_view(&other)))
            sim_fail(s, "m%u and m%u have different files:\n%.*sand\n%.*s", by->i, i, (int)first.n,
                     first.n ? (const char *)first.p : "", (int)other.n,
                     other.n ? (const char *)other.p : "");
        if (!by) buf_bytes(&first, buf_view(&other));
        by = p;
    }
    buf_free(&first);
    buf_free(&other);
}

struct placing {
    struct sim *s;
    struct person *p;
    const struct tree *tree;
    uint16_t leaf;
};

static bool on_segment(void *arg, const struct tree_segment *t)
{
    struct placing *c = arg;
    if (!tree_needs(c->tree, t->id)) return true;
    for (uint8_t i = 0; i < t->n; i++) {
        if (t->at[i] != c->leaf) continue;
        c->s->checked[CHECK_PLACES]++;
        if (!shards_mem_has(&c->p->shards, t->id, i))
            sim_fail(c->s, "m%u lost column %u of a segment and does not say so", c->p->i, i);
    }
    return true;
}

/* What a member is said to keep it keeps, or it has said that it lost it. */
static void check_places(struct sim *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        struct enclave *e = p->node ? node_find(p->node, SIM_NAME) : NULL;
        if (p->state != PERSON_IN || p->tainted || p->restored || p->no_history || !e || !e->shelf)
            continue;
        struct placing c = {s, p, e->shelf->tree, group_leaf(e->group)};
        tree_segments(c.tree, NULL, on_segment, &c);
    }
}

/* Somebody who was never shown the other history has another head. */
static bool disagrees(const struct sim *s, const struct person *p)
{
    for (unsigned i = 0; i < s->n; i++) {
        const struct person *o = &s->people[i];
        if (o->state == PERSON_IN && !o->tainted && !excused(o) && strcmp(o->head, p->head) != 0)
            return true;
    }
    return false;
}

/* Two histories were written: somebody who met the other one keeps a proof, and anybody accepts it. */
static void check_proof(struct sim *s)
{
    unsigned met = 0, proofs = 0;
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        struct buf proof = BUF_INIT, text = BUF_INIT;
        if (!p->node || p->state != PERSON_IN) continue;
        met += p->tainted && !p->restored && p->online && p->head_count > s->fork_count + 1 &&
               disagrees(s, p);
        if (node_proof(p->node, SIM_NAME, &proof) == ST_OK) {
            proofs++;
            s->checked[CHECK_PROOFS]++;
            enum status st =
                node_check_proof(s->people[(i + 1) % s->n].node, buf_view(&proof), &text);
            if (st != ST_OK) sim_fail(s, "m%u's proof is not accepted: %s", i, status_text(st));
        }
        buf_free(&proof);
        buf_free(&text);
    }
    if (s->proof_due && met > 0 && proofs == 0)
        sim_fail(s,
                 "two histories were written from entry %llu on, %u met the other one, and nobody "
                 "has a proof",
                 (unsigned long long)s->fork_count, met);
}

void check_settled(struct sim *s)
{
    uint64_t head = 0;
    for (unsigned i = 0; i < s->n; i++) {
        struct person *p = &s->people[i];
        if (p->tainted && p->state == PERSON_IN && p->trouble[0] == 0 && disagrees(s, p))
            sim_fail(s, "m%u was shown another history and does not say so", i);
        s->checked[CHECK_NOTICED] += p->tainted && p->lied_upto > 0 && disagrees(s, p);
        if (p->tainted || p->state == PERSON_OUT || p->state == PERSON_JOINING) continue;
        if (excused(p)) {
            /* It cannot read why, and is told at least that it is out. */
            if (!s->forked_ever && is_out(p) && !strstr(p->trouble, "dropped"))
                sim_fail(s, "m%u is lost and out, and does not know: %s", i, p->trouble);
            continue;
        }
        if (s->forked_ever) continue; /* what stopped writing is not asked to go on */
        if (p->state == PERSON_LEAVING) sim_fail(s, "m%u cannot leave: %s", i, p->trouble);
        if (!p->online) sim_fail(s, "m%u is not connected: %s", i, p->trouble);
        if (p->outbox > 0)
            sim_fail(s, "m%u has %u words that do not go out: %s", i, p->outbox, p->trouble);
        if (p->head_count < s->acknowledged)
            sim_fail(s, "m%u has %llu entries of the ledger, %llu were acknowledged: %s", i,
                     (unsigned long long)p->head_count, (unsigned long long)s->acknowledged,
                     p->trouble);
        if (head != 0 && p->head_count != head)
            sim_fail(s, "m%u has %llu entries of the ledger, others %llu", i,
                     (unsigned long long)p->head_count, (unsigned long long)head);
        head = p->head_count;
        check_can_vote(s, p);
        if (healing(p)) sim_fail(s, "m%u was set back and is not well again: %s", i, p->trouble);
        if (p->restored) {
            p->restored = false;
            p->healed_ms = s->time.now_ms;
            p->no_history |= lacks_file_keys(p);
            s->checked[CHECK_HEALED]++;
        }
    }
    if (s->forked_ever) check_proof(s);
    if (!s->forked_ever) check_delivery(s);
    if (!s->forked_ever) check_trees(s);
    check_audits(s);
    if (!s->forked_ever) check_places(s);
    if (!s->exists && !s->creating && people_in(s, PERSON_JOINING) == 0 &&
        vsentinel_rooms(&s->sentinel) > s->spare_rooms && !s->sentinel.backup && !s->orphans)
        sim_fail(s, "everybody left and %llu rooms are still there",
                 (unsigned long long)vsentinel_rooms(&s->sentinel));
}
