/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What an entry of the ledger leads to: lines for people, keys for mail, links and seats. */
#include "node/enclave/enclave.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void enclave_roster(struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    struct peers_member *list = calloc(LEDGER_LEAVES_MAX, sizeof *list);
    if (list == NULL) return;
    size_t n = 0;
    for (size_t i = 0; i < ledger_leaves(l) && n < LEDGER_LEAVES_MAX; i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!leaf->member_now || leaf->epoch_in == LEDGER_NEVER) continue;
        list[n].leaf = leaf->leaf;
        memcpy(list[n].id, leaf->id, 32);
        memcpy(list[n].seat, leaf->seat, 32);
        n++;
    }
    if (e->peers != NULL) peers_roster(e->peers, group_leaf(e->group), list, n);
    free(list);
    if (e->shelf != NULL) enclave_files_roster(e);
}

bool enclave_keys_shared(const struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!leaf->member_now && leaf->epoch_out == LEDGER_NEVER) return true;
    }
    return false;
}

/* A member that no COMMIT has given keys yet. */
static bool newcomer_without_keys(const struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_leaves(l); i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now && leaf->epoch_in == LEDGER_NEVER) return true;
    }
    return false;
}

bool enclave_words_wait(struct enclave *e)
{
    uint64_t now = env_mono_ms(e->node->ports.env);
    if (enclave_keys_shared(e)) return true;
    if (!newcomer_without_keys(e)) {
        e->newcomer_ms = 0;
        return false;
    }
    if (e->newcomer_ms == 0) e->newcomer_ms = now + ENCLAVE_NEWCOMER_MS;
    if (now >= e->newcomer_ms) return false;
    e->mail_again_ms = e->newcomer_ms;
    return true;
}

enum status enclave_epochs(struct enclave *e)
{
    const struct ledger *l = group_ledger(e->group);
    uint64_t epoch = group_epoch(e->group);
    uint64_t index = ledger_epoch_index(l, epoch);
    struct mail_leaf *list = calloc(MAIL_LEAVES_MAX, sizeof *list);
    enum status st = list == NULL ? ST_NO_MEMORY : ST_OK;
    size_t n = 0;
    if (st != ST_OK) goto out;
    e->newcomer_ms = 0;
    for (size_t i = 0; i < ledger_leaves(l) && n < MAIL_LEAVES_MAX; i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (!ledger_in_epoch(l, leaf->leaf, epoch)) continue;
        list[n].leaf = leaf->leaf;
        memcpy(list[n].id, leaf->id, 32);
        st = group_sender(e->group, epoch, leaf->leaf, list[n].secret);
        if (st == ST_NOT_FOUND) { /* taken before: the rows of mail have them */
            st = ST_OK;
            goto out;
        }
        if (st != ST_OK) goto out;
        n++;
    }
    TRY(enclave_mail_begin(e));
    TRY(mail_add_epoch(e->mail, epoch, list, n, ledger_epoch_seen(l, epoch, FEED_MAIL),
                       env_wall_ms(e->node->ports.env)));
    group_senders_drop(e->group, epoch);
    (void)index;
out:
    if (st == ST_OK) st = enclave_private_epoch(e);
    if (group_restored(e->group)) enclave_mail_restored(e);
    if (list != NULL) bytes_wipe(list, MAIL_LEAVES_MAX * sizeof *list);
    free(list);
    return st;
}

static void line(struct enclave *e, const char *kind, uint16_t leaf, uint64_t number,
                 const char *format, const char *text)
{
    char out[NODE_REASON_MAX];
    snprintf(out, sizeof out, format, leaf == LEDGER_NOBODY ? "somebody" : enclave_nick(e, leaf),
             text);
    enclave_tell(e, kind, leaf == LEDGER_NOBODY ? "" : enclave_nick(e, leaf), number, out);
}

static void on_epoch(struct enclave *e, const struct group_event *ev)
{
    enum status st = enclave_epochs(e);
    if (st != ST_OK)
        enclave_trouble(e, "the keys of epoch %llu: %s", (unsigned long long)ev->epoch,
                        status_text(st));
    if (e->peers != NULL) peers_renew(e->peers);
    line(e, "epoch", ev->leaf, ev->epoch, "%s opened a new epoch: fresh keys for all members%s",
         "");
    enclave_roster(e);
    enclave_mail_epoch(e);
    if (e->shelf != NULL)
        enclave_files_epoch(e,
                            e->relearn || ledger_generation(group_ledger(e->group)) == ev->epoch);
    e->relearn = e->relearn && e->shelf == NULL;
    if (ev->leaf == group_leaf(e->group)) enclave_renewals_taken(e);
}

static void on_in(struct enclave *e)
{
    if (e->phase == ENCLAVE_ENTERING) enclave_joined(e);
    enclave_roster(e);
}

static void on_added(struct enclave *e, const struct group_event *ev)
{
    const struct ledger_proposal *p = ledger_proposal(group_ledger(e->group), ev->proposal);
    e->seats_due = true;
    e->seats_again_ms = 0;
    if (p == NULL) return;
    line(e, "member", p->added_leaf, ev->index, "%s is in: everybody said yes%s", "");
    enclave_door_used(e, p->door);
}

/* Who answers at the door when a vote has failed: the proposer, or the first member if it left. Never
 * whose ballot closed it: the sentinel would learn from whose seat the no came. */
static uint16_t spokesman(const struct enclave *e, const struct ledger_proposal *p)
{
    const struct ledger *l = group_ledger(e->group);
    const struct ledger_leaf *by = ledger_leaf(l, p->by);
    if (by != NULL && by->member_now) return p->by;
    for (size_t i = 0; i < ledger_leaves(l); i++)
        if (ledger_leaf(l, (uint16_t)i)->member_now) return (uint16_t)i;
    return LEDGER_NOBODY;
}

/* "about bob", "to remove eve, mallory", "to change the rules" */
static void about(const struct enclave *e, const struct ledger_proposal *p, char *out, size_t room)
{
    if (p->kind == PROPOSE_ADD) {
        snprintf(out, room, "about %s", p->nick);
    } else if (p->kind == PROPOSE_POLICY) {
        snprintf(out, room, "to change the rules");
    } else {
        int n = snprintf(out, room, "to remove");
        for (size_t i = 0; i < p->n_targets && n > 0 && (size_t)n < room; i++)
            n += snprintf(out + n, room - (size_t)n, "%s %s", i == 0 ? "" : ",",
                          enclave_nick(e, p->targets[i]));
    }
}

static void on_closed(struct enclave *e, const struct group_event *ev)
{
    const struct ledger_proposal *p = ledger_proposal(group_ledger(e->group), ev->proposal);
    if (p == NULL) return;
    char text[NODE_REASON_MAX], what[NODE_REASON_MAX - 40];
    about(e, p, what, sizeof what);
    snprintf(text, sizeof text, "the vote %s is over: %s", what, ledger_vote_text(ev->vote));
    enclave_tell(e, "proposal", p->nick, ev->proposal, text);
    bool refused = ev->vote != LEDGER_VOTE_PASSED && ev->vote != LEDGER_VOTE_ADDED;
    if (refused && p->kind == PROPOSE_ADD && group_leaf(e->group) == spokesman(e, p))
        enclave_refuse(e, p->candidate.kem, p->reply, true);
}

static void on_proposed(struct enclave *e, const struct group_event *ev)
{
    const struct ledger_proposal *p = ledger_proposal(group_ledger(e->group), ev->index);
    if (p == NULL) return;
    char text[NODE_REASON_MAX], what[NODE_REASON_MAX / 4];
    about(e, p, what, sizeof what);
    snprintf(text, sizeof text, "%s proposes a vote %s. Type: enclave proposals %s",
             enclave_nick(e, ev->leaf), what, e->name);
    enclave_tell(e, "proposal", p->nick, ev->index, text);
    e->reminded_ms = env_wall_ms(e->node->ports.env);
    if (p->kind != PROPOSE_ADD) return;
    struct enclave_knock *k = enclave_knock_find(e, p->reply);
    if (k != NULL) enclave_knock_drop(e, k);
    if (group_leaf(e->group) == ev->leaf) enclave_pend(e, p->candidate.kem, p->reply);
}

#define REMIND_MS (UINT64_C(24) * 3600 * 1000)

void enclave_remind(struct enclave *e, uint64_t now_ms)
{
    if (e->group == NULL || e->phase != ENCLAVE_MEMBER || now_ms < e->reminded_ms + REMIND_MS)
        return;
    e->reminded_ms = now_ms;
    const struct ledger *l = group_ledger(e->group);
    for (size_t i = 0; i < ledger_proposals(l); i++) {
        const struct ledger_proposal *p = ledger_proposal_at(l, i);
        for (size_t k = 0; p->state == LEDGER_VOTE_OPEN && k < p->n_voters; k++) {
            if (p->voters[k].leaf != group_leaf(e->group) ||
                p->voters[k].cast.choice != BALLOT_NONE)
                continue;
            char text[NODE_REASON_MAX], what[NODE_REASON_MAX / 4];
            about(e, p, what, sizeof what);
            snprintf(
                text, sizeof text,
                "the vote %s waits for you; no answer counts as no. Type: enclave proposals %s",
                what, e->name);
            enclave_tell(e, "proposal", p->nick, p->index, text);
        }
    }
}

static void on_fork(struct enclave *e, const struct group_event *ev)
{
    char mine[17], theirs[17];
    hex_encode(BYTES(ev->mine.chain, 8), mine);
    hex_encode(BYTES(ev->theirs.chain, 8), theirs);
    enclave_trouble(e,
                    "two histories: %s has head %llu/%s where we have %llu/%s. Nothing more is "
                    "written; compare `enclave status` with the others.",
                    ev->leaf == LEDGER_NOBODY ? "the sentinel" : enclave_nick(e, ev->leaf),
                    (unsigned long long)ev->theirs.count, theirs,
                    (unsigned long long)ev->mine.count, mine);
}

static void on_head(struct enclave *e, const struct group_event *ev)
{
    const struct ledger_leaf *leaf = ledger_leaf(group_ledger(e->group), ev->leaf);
    if (ev->leaf == group_leaf(e->group)) e->head_at_ms = 0; /* it has landed: no sooner */
    if (e->mail == NULL || leaf == NULL) return;
    if (mail_head(e->mail, ev->leaf, ev->epoch, ev->next, leaf->head_seen[0].count) != ST_OK)
        env_log(e->node->ports.env, ENV_WARN, "mail", "a HEAD could not be followed");
}

static void on_removed(struct enclave *e, const struct group_event *ev)
{
    const struct ledger_leaf *leaf = ledger_leaf(group_ledger(e->group), ev->leaf);
    bool revoked = leaf != NULL && leaf->left_by == LEDGER_SELF_REVOKE;
    line(e, "member", ev->leaf, ev->index,
         revoked ? "%s has revoked this machine with the recovery words: it is out%s"
                 : "%s was removed by vote%s",
         "");
    e->seats_due = true;
    e->seats_again_ms = 0;
    enclave_roster(e); /* its links end at once */
}

static void on_policed(struct enclave *e, const struct group_event *ev)
{
    enclave_tell(e, "vote", "", ev->index,
                 "the rules of the enclave have changed by vote. Type: enclave policy");
    e->seats_due = true; /* our word for the room speaks of the list of sentinels */
    e->seats_again_ms = 0;
}

static void on_void(struct enclave *e, const struct group_event *ev)
{
    line(e, "warning", ev->leaf, ev->index,
         ev->type == GROUP_VOID
             ? "an entry of %s does not count: %s"
             : "%s posted a key change that is wrong (%s); it is void and another member makes one",
         ev->reason);
}

static void on_away(struct enclave *e, const struct group_event *ev)
{
    const struct ledger_leaf *leaf = ledger_leaf(group_ledger(e->group), ev->leaf);
    bool back = leaf == NULL || leaf->away_ms == 0;
    line(e, "member", ev->leaf, ev->index, back ? "%s is back%s" : "%s will be away for a while%s",
         "");
}

static void on_restored(struct enclave *e, const struct group_event *ev)
{
    enclave_mail_restored(e);
    enclave_tell(e, "warning", "", ev->index,
                 "this machine came back from an older backup: its keys are renewed first");
}

/* A secret ballot is told like any other; what it says nobody knows. */
static void on_balloted(struct enclave *e, const struct group_event *ev)
{
    line(e, "vote", ev->leaf, ev->proposal, "%s voted%s",
         ev->choice == BALLOT_YES  ? " yes"
         : ev->choice == BALLOT_NO ? " no"
                                   : "");
}

static void on_left(struct enclave *e, const struct group_event *ev)
{
    line(e, "member", ev->leaf, ev->index, "%s left%s", "");
    e->seats_due = true;
    e->seats_again_ms = 0;
    enclave_roster(e);
}

static void on_out(struct enclave *e)
{
    const struct ledger_leaf *own = ledger_leaf(group_ledger(e->group), group_leaf(e->group));
    if (own != NULL && own->left_by != LEDGER_LEAVE)
        enclave_removed(e);
    else
        enclave_leave_drop(e);
}

static void on_event(struct enclave *e, const struct group_event *ev)
{
    switch (ev->type) {
    case GROUP_BEGUN: break;
    case GROUP_PROPOSED: on_proposed(e, ev); break;
    case GROUP_BALLOTED: on_balloted(e, ev); break;
    case GROUP_CLOSED: on_closed(e, ev); break;
    case GROUP_ADDED: on_added(e, ev); break;
    case GROUP_LEFT: on_left(e, ev); break;
    case GROUP_REMOVED: on_removed(e, ev); break;
    case GROUP_POLICED: on_policed(e, ev); break;
    case GROUP_RENEWED:
        enclave_private_anew(e, ev->leaf);
        enclave_renewed(e, ev->leaf);
        break;
    case GROUP_AWAY: on_away(e, ev); break;
    case GROUP_REHOMED: enclave_rehomed(e); break;
    case GROUP_UPDATED: break;
    case GROUP_EPOCH: on_epoch(e, ev); break;
    case GROUP_IN: on_in(e); break;
    case GROUP_OUT:
    case GROUP_ENDED: on_out(e); break;
    case GROUP_HEAD: on_head(e, ev); break;
    case GROUP_VOID:
    case GROUP_BAD_COMMIT: on_void(e, ev); break;
    case GROUP_FORK: on_fork(e, ev); break;
    case GROUP_OLD_HEAD: break; /* sync gives the entries back */
    case GROUP_RESTORED: on_restored(e, ev); break;
    case GROUP_LOST: enclave_trouble(e, ENCLAVE_LOST_TEXT); break;
    }
}

void enclave_news(struct enclave *e)
{
    struct group_event ev;
    while (!e->removed && group_event(e->group, &ev)) on_event(e, &ev);
    if (!e->removed) enclave_intents_check(e);
}
