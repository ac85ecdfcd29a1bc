/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What happens to a contact next: a plan from what is there now, and its steps. */
#include "node/contact/contact.h"

#include <stdio.h>
#include <string.h>

#define INVITATION_MS (UINT64_C(90) * 24 * 3600 * 1000)
#define RENEW_MS (UINT64_C(24) * 3600 * 1000) /* an invitation that ends within it is made anew */
#define AGAIN_MS 5000

/* Nobody waits for what a step sets going: the next plan sees it. */
static void nobody(void *arg, const struct node_result *r)
{
    (void)arg;
    (void)r;
}

struct plan {
    enum contact_step step;
    uint64_t at;
};

/* The earliest; of equal ones the first that was named. */
static void want(struct plan *p, enum contact_step step, uint64_t at)
{
    if (p->step != STEP_NONE && at >= p->at) return;
    *p = (struct plan){step, at};
}

static const struct enclave_door *door_of(const struct contact *c, const struct enclave *e)
{
    for (size_t i = 0; i < e->n_doors; i++)
        if (memcmp(e->doors[i]->token_hash, c->door, 32) == 0) return e->doors[i];
    return NULL;
}

static bool both_in(const struct enclave *e)
{
    return e != NULL && enclave_in(e) && ledger_members(group_ledger(e->group)) == 2;
}

static void plan_hosting(const struct contact *c, const struct enclave *e, struct plan *p)
{
    if (e == NULL) {
        /* Its owner left the enclave that waited: so nobody is waited for. */
        if (!bytes_zero(BYTES_OF(c->door)))
            want(p, STEP_FORGET, 0);
        else
            want(p, STEP_CREATE, c->create_ms);
        return;
    }
    if (!enclave_in(e) || !e->subscribed) return;
    const struct enclave_door *d = door_of(c, e);
    if (d == NULL || (d->done == NULL && d->expiry_ms < enclave_unix_ms(e) + RENEW_MS))
        want(p, STEP_INVITE, c->invite_ms);
    else if (d->done == NULL && !d->opened)
        want(p, STEP_REOPEN, c->invite_ms);
    else if (d->done == NULL && !c->published && c->job == JOB_NONE)
        want(p, STEP_PUBLISH, c->meet_ms);
}

static void plan_stage(const struct contact *c, const struct enclave *e, struct plan *p)
{
    bool may_erase = c->open && c->node->options.hosted != NULL;
    switch (c->stage) {
    case CONTACT_WAITING:
        if (c->hosting && both_in(e))
            want(p, STEP_TOGETHER, 0);
        else if (c->hosting)
            plan_hosting(c, e, p);
        else if (may_erase && c->job == JOB_NONE)
            want(p, STEP_ERASE, c->meet_ms);
        if (c->address[0] != '\0' && c->job == JOB_NONE) want(p, STEP_SEEK, c->seek_ms);
        break;
    case CONTACT_ENTERING:
        if (e == NULL)
            want(p, STEP_AGAIN, 0);
        else if (both_in(e))
            want(p, STEP_TOGETHER, 0);
        else if (e->phase == ENCLAVE_KNOCKING && e->knock.n == 0 && uplink_up(&e->up))
            want(p, STEP_GIVE_UP, c->entering_ms + CONTACT_ENTER_MS);
        break;
    case CONTACT_TOGETHER:
        if (e == NULL)
            want(p, STEP_FORGET, 0);
        else if (may_erase && c->job == JOB_NONE)
            want(p, STEP_ERASE, c->meet_ms);
        break;
    case CONTACT_LEAVING:
        if (e != NULL && e->phase != ENCLAVE_LEAVING) want(p, STEP_LEAVE, c->leave_ms);
        if (may_erase && c->job == JOB_NONE) want(p, STEP_ERASE, c->meet_ms);
        if (e == NULL && !may_erase) want(p, STEP_FORGET, 0);
        break;
    case CONTACT_STAGES: break;
    }
}

enum contact_step contact_plan(const struct contact *c, uint64_t now_ms, uint64_t *ret_at_ms)
{
    struct plan p = {STEP_NONE, UINT64_MAX};
    *ret_at_ms = UINT64_MAX;
    if (c->dead) return STEP_NONE;
    plan_stage(c, contact_enclave(c), &p);
    if (c->job != JOB_NONE) {
        uint64_t at = uplink_next_ms(&c->up);
        if (c->until_ms < at) at = c->until_ms;
        want(&p, STEP_JOB, c->job_over ? 0 : at);
    }
    if (c->done != NULL && c->saves == 0) want(&p, STEP_ANSWER, c->answered ? 0 : c->answer_ms);
    *ret_at_ms = p.at < now_ms ? now_ms : p.at;
    return p.step;
}

/* ---- the steps of the one who hosts ---- */

static void create(struct contact *c, uint64_t now_ms)
{
    c->create_ms = now_ms + AGAIN_MS;
    if (c->node->options.hosted == NULL) {
        c->trouble = "this daemon hosts no sentinel now: enclave daemon stop, then enclave daemon "
                     "start --host HOST:PORT; or add the contact again with --address";
        return;
    }
    contact_name(c, c->name);
    env_random(c->node->ports.env, c->tag, sizeof c->tag);
    contact_save(c); /* first: no crash leaves an enclave that is nobody's */
    struct node_create req = {
        .name = c->name, .nick = c->nick, .ballot = "open", .mode = "direct", .tag = c->tag};
    if (node_create(c->node, &req, NULL, NULL) != ST_OK)
        c->trouble = "an enclave of two cannot be made now: tried again";
}

static void invite(struct contact *c, uint64_t now_ms)
{
    struct enclave *e = contact_enclave(c);
    c->invite_ms = now_ms + AGAIN_MS;
    size_t before = e->n_doors;
    if (node_invite(c->node, e->name, INVITATION_MS, nobody, NULL) != ST_OK ||
        e->n_doors <= before) {
        c->trouble = "the invitation cannot be made now: tried again";
        return;
    }
    memcpy(c->door, e->doors[e->n_doors - 1]->token_hash, 32);
    c->published = false;
    c->meet_ms = 0;
    contact_save(c);
}

static void together(struct contact *c)
{
    c->stage = CONTACT_TOGETHER;
    c->trouble = NULL;
    c->meet_ms = 0;
    if (c->job != JOB_NONE) meet_end(c);
    contact_save(c);
    contact_tell(c, "peer", "you are connected");
    contact_answer(c, ST_OK, "you are connected");
}

/* ---- the steps of the one who looks ---- */

static struct enclave *known(struct contact *c)
{
    struct node *n = c->node;
    for (size_t i = 0; i < n->n; i++)
        if (!n->enclaves[i]->removed &&
            memcmp(n->enclaves[i]->enclave_id, c->invitation.enclave_id, 32) == 0)
            return n->enclaves[i];
    return NULL;
}

static void enter(struct contact *c, uint64_t now_ms)
{
    char code[INVITATION_TEXT_MAX];
    struct enclave *e = known(c);
    if (e != NULL && memcmp(e->tag, c->tag, sizeof c->tag) != 0) {
        c->trouble = "what they left for you leads to another enclave of yours: it is not taken";
        c->seek_ms = now_ms + AGAIN_MS;
        return;
    }
    /* Its pin is the one we dialled: then we know a way there, which its owner may not. */
    bool same = memcmp(c->invitation.pin, c->dialled_pin, 32) == 0;
    c->stage = CONTACT_ENTERING;
    c->entering_ms = now_ms;
    if (e != NULL) {
        contact_save(c);
        return;
    }
    contact_name(c, c->name);
    env_random(c->node->ports.env, c->tag, sizeof c->tag);
    contact_save(c);
    struct node_join req = {.code = code,
                            .nick = c->nick,
                            .name = c->name,
                            .tag = c->tag,
                            .address = same ? c->dialled : NULL};
    enum status st = invitation_to_text(&c->invitation, code);
    if (st == ST_OK) st = node_join(c->node, &req, nobody, NULL);
    if (st != ST_OK) c->trouble = "the invitation does not work: tried again";
    c->seek_ms = now_ms + AGAIN_MS;
    bytes_wipe(code, sizeof code);
}

/* We host, too, and found the other's word: one gives way. */
static bool gives_way(struct contact *c, struct enclave *e, uint64_t now_ms)
{
    if (e->n_knocks > 0 || both_in(e)) return false;
    /* The other one is voted on, or about to be inside. */
    if (e->group != NULL && ledger_current_proposal(group_ledger(e->group)) != NULL) return false;
    if (c->first_found_ms == 0) c->first_found_ms = now_ms;
    bool lower = memcmp(c->node->contacts->fingerprint, c->card.fingerprint, CARD_FINGERPRINT) < 0;
    return !lower || !c->found_seeks || now_ms - c->first_found_ms >= CONTACT_GRACE_MS;
}

static void found(struct contact *c, uint64_t now_ms)
{
    struct enclave *e = contact_enclave(c);
    c->found = false;
    if (!c->hosting) {
        enter(c, now_ms);
    } else if (e == NULL || gives_way(c, e, now_ms)) {
        if (e != NULL && node_leave(c->node, e->name, nobody, NULL) != ST_OK) return;
        c->hosting = false;
        memset(c->tag, 0, sizeof c->tag);
        memset(c->door, 0, sizeof c->door);
        contact_save(c);
    }
    c->seek_ms = now_ms + CONTACT_PAUSE_MIN_MS;
    invitation_wipe(&c->invitation);
}

static void in_vain(struct contact *c, uint64_t now_ms)
{
    c->failed++;
    c->pause_ms = c->pause_ms == 0 ? CONTACT_PAUSE_MIN_MS : 2 * c->pause_ms;
    if (c->pause_ms > CONTACT_PAUSE_MAX_MS) c->pause_ms = CONTACT_PAUSE_MAX_MS;
    c->seek_ms = now_ms + c->pause_ms;
    if (c->hosting || c->node->options.hosted == NULL) {
        if (!c->hosting) contact_answer(c, ST_OK, NULL);
        return;
    }
    c->hosting = true; /* whoever comes first finds the other there */
    contact_save(c);
}

static void job(struct contact *c, uint64_t now_ms)
{
    if (!c->job_over && now_ms < c->until_ms) {
        uplink_tick(&c->up, now_ms);
        return;
    }
    enum contact_job was = c->job;
    if (!c->job_over) c->trouble = "the sentinel does not answer: tried again";
    meet_end(c);
    c->meet_ms = now_ms + AGAIN_MS;
    if (was == JOB_SEEK && c->found)
        found(c, now_ms);
    else if (was == JOB_SEEK)
        in_vain(c, now_ms);
    else if (was == JOB_PUBLISH && c->published)
        contact_answer(c, ST_OK, NULL);
    if (was == JOB_ERASE && !c->open) contact_save(c);
}

static void again(struct contact *c, uint64_t now_ms)
{
    c->stage = CONTACT_WAITING;
    memset(c->tag, 0, sizeof c->tag);
    c->seek_ms = now_ms + CONTACT_PAUSE_MIN_MS;
    c->trouble = "the invitation of the other one did not work: looking for a new one";
    contact_save(c);
}

/* What we left at our own sentinel goes first. */
static void forget(struct contact *c)
{
    if (!c->open || c->node->options.hosted == NULL || c->stage == CONTACT_LEAVING) {
        contact_forget(c);
        return;
    }
    c->stage = CONTACT_LEAVING;
    c->meet_ms = 0;
    contact_save(c);
}

void contact_tick(struct contact *c, uint64_t now_ms)
{
    uint64_t at;
    enum contact_step step = contact_plan(c, now_ms, &at);
    struct enclave *e = contact_enclave(c);
    if (step == STEP_NONE || at > now_ms) return;
    switch (step) {
    case STEP_TOGETHER: together(c); break;
    case STEP_FORGET: forget(c); break;
    case STEP_AGAIN: again(c, now_ms); break;
    case STEP_LEAVE:
        c->leave_ms = now_ms + AGAIN_MS;
        if (e->leave_done == NULL && node_leave(c->node, e->name, nobody, NULL) != ST_OK)
            c->trouble = "the enclave of you two cannot be left now: tried again";
        break;
    case STEP_GIVE_UP:
        c->entering_ms = now_ms;
        if (node_leave(c->node, e->name, nobody, NULL) != ST_OK)
            c->trouble = "the invitation does not work, and cannot be given up now";
        break;
    case STEP_CREATE: create(c, now_ms); break;
    case STEP_INVITE: invite(c, now_ms); break;
    case STEP_REOPEN:
        c->invite_ms = now_ms + AGAIN_MS;
        enclave_door_again(e, door_of(c, e));
        break;
    case STEP_PUBLISH:
        if (!c->open) {
            c->open = true; /* on disk before there is a room that is to be taken away again */
            contact_save(c);
        }
        meet_begin(c, JOB_PUBLISH, now_ms);
        break;
    case STEP_ERASE: meet_begin(c, JOB_ERASE, now_ms); break;
    case STEP_SEEK: meet_begin(c, JOB_SEEK, now_ms); break;
    case STEP_JOB: job(c, now_ms); break;
    case STEP_ANSWER: contact_answer_now(c); break;
    case STEP_NONE: break;
    }
}
