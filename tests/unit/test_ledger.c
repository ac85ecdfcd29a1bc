/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/ballot core/epoch core/door core/ledger */
/* Each entry type: valid once, and void for each rule that it breaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "unit/fields_mutate.h"
#include "unit/group_world.h"
#include "vectors/vectors.h"

/* ---- vectors ---- */

static void ids_as_in_vectors(void **state)
{
    (void)state;
    struct vectors v;
    uint8_t out[64];
    size_t seen = 0;
    VECTORS_OR_SKIP(&v, VECTORS_OWN "/protocol-own/ids.txt");
    while (vectors_next(&v)) {
        if (vectors_is(&v, "case", "enclave_id")) {
            ledger_id_of(vectors_bytes(&v, "genesis_body"), out);
            vectors_expect(&v, "enclave_id", BYTES(out, 32));
            seen++;
        }
        if (vectors_is(&v, "case", "roster_hash")) {
            struct commit_leaf leaves[3];
            char key[32];
            for (size_t i = 0; i < 3; i++) {
                memset(&leaves[i], 0, sizeof leaves[i]);
#define KEY(name) (snprintf(key, sizeof key, name "_%zu", i), key)
                leaves[i].leaf = (uint16_t)vectors_u64(&v, KEY("leaf"));
                leaves[i].member = (uint16_t)vectors_u64(&v, KEY("member"));
                leaves[i].id = vectors_fixed(&v, KEY("id"), 32);
                leaves[i].pk = vectors_fixed(&v, KEY("kem_pk"), 1216);
                leaves[i].seat = vectors_fixed(&v, KEY("seat"), 32);
#undef KEY
            }
            commit_roster_hash(leaves, 3, out);
            vectors_expect(&v, "roster_hash", BYTES(out, 32));
            seen++;
        }
        if (vectors_is(&v, "case", "proposal_hash")) {
            struct entry0 e;
            assert_int_equal(fields_decode(&entry0_fields, vectors_bytes(&v, "entry"), &e), ST_OK);
            assert_int_equal(ledger_proposal_hash(&e, out), ST_OK);
            vectors_expect(&v, "proposal_hash", BYTES(out, 32));
            seen++;
        }
        if (vectors_is(&v, "case", "seat_add")) {
            const uint8_t *room = vectors_fixed(&v, "room_id", 32);
            const uint8_t *added = vectors_fixed(&v, "seat_added", 32);
            const uint8_t *hash = vectors_fixed(&v, "proposal_hash", 32);
            const uint8_t *seat = vectors_fixed(&v, "seat", 32);
            ledger_sign_add(vectors_fixed(&v, "seat_seed", 32), room, added, hash, out);
            vectors_expect(&v, "sig", BYTES(out, 64));
            assert_int_equal(ledger_verify_add(seat, room, added, hash, out), ST_OK);
            assert_int_equal(ledger_verify_add(seat, room, hash, added, out), ST_BAD_SIGNATURE);
            assert_int_equal(ledger_verify_drop(seat, room, added, out), ST_BAD_SIGNATURE);
            seen++;
        }
        if (vectors_is(&v, "case", "seat_drop")) {
            const uint8_t *room = vectors_fixed(&v, "room_id", 32);
            const uint8_t *dropped = vectors_fixed(&v, "seat_dropped", 32);
            ledger_sign_drop(vectors_fixed(&v, "seat_seed", 32), room, dropped, out);
            vectors_expect(&v, "sig", BYTES(out, 64));
            seen++;
        }
    }
    vectors_close(&v);
    assert_int_equal(seen, 6);
}

/* ---- bodies ---- */

static void bodies_survive_mutation(void **state)
{
    (void)state;
    static uint8_t fill[2000];
    for (size_t i = 0; i < sizeof fill; i++) fill[i] = (uint8_t)(i * 11 + 3);
    struct genesis g = {.suite = 1,
                        .rules = 1,
                        .veto_keys = {fill, 2},
                        .ballot_kind = 1,
                        .policy = {fill, 3},
                        .sentinels = BYTES(fill, 50),
                        .nick = BYTES(fill, 9),
                        .name = BYTES(fill, 12)};
    struct propose p = {.kind = 1,
                        .compared = 1,
                        .knock = BYTES(fill, 1500),
                        .record = BYTES(fill, 600),
                        .serials = {fill, 2}};
    struct ballot_body b = {.proposal = 9, .kind = 1, .form = BYTES(fill, 1)};
    struct outcome_body a = {.proposal = 9, .ballots = {fill, 4}};
    struct leave_body l;
    struct update_body u;
    struct close_body c = {.proposal = 4};
    struct head_body h = {.epoch = 3, .next = 512, .seats_version = 4};
    struct propose_remove pr = {
        .kind = 2, .targets = {fill, 3}, .reason = BYTES(fill, 40), .serials = {fill, 3}};
    struct propose_policy pp = {.kind = 3,
                                .ballot_kind = LEDGER_AS_IS,
                                .mode = 1,
                                .policy = {fill, 2},
                                .sentinels = BYTES(fill, 60),
                                .reason = BYTES(fill, 30),
                                .serials = {fill, 2}};
    struct veto_keys v = {.dead = 1, .keys = {fill, 3}};
    struct self_revoke sr = {.leaf = 5};
    struct renew_body rn = {.count = 2};
    struct away_body aw = {.until_ms = 77};
    struct rehome_body rh = {.address = BYTES(fill, 20)};
    memcpy(l.seat_sig, fill, sizeof l.seat_sig);
    memcpy(u.kem_pk, fill, sizeof u.kem_pk);
    memcpy(rn.kem_pk, fill, sizeof rn.kem_pk);
    fields_mutate(&genesis_fields, &g);
    fields_mutate(&propose_fields, &p);
    fields_mutate(&ballot_body_fields, &b);
    fields_mutate(&outcome_body_fields, &a);
    fields_mutate(&leave_body_fields, &l);
    fields_mutate(&update_body_fields, &u);
    fields_mutate(&close_body_fields, &c);
    fields_mutate(&head_body_fields, &h);
    fields_mutate(&propose_remove_fields, &pr);
    fields_mutate(&propose_policy_fields, &pp);
    fields_mutate(&veto_keys_fields, &v);
    fields_mutate(&self_revoke_fields, &sr);
    fields_mutate(&renew_body_fields, &rn);
    fields_mutate(&away_body_fields, &aw);
    fields_mutate(&digest_body_fields, &(struct digest_body){.day = 3, .sum = BYTES_LIT("sum")});
    fields_mutate(&rehome_body_fields, &rh);
}

static void a_refused_ballot_brings_no_seat(void **state)
{
    (void)state;
    const struct ballot_kind *open = ballot_kind(BALLOT_OPEN);
    const struct ballot_kind *secret = ballot_kind(BALLOT_SECRET);
    struct ballot_cast cast;
    uint8_t form[1];
    assert_non_null(open);
    assert_non_null(secret);
    assert_null(ballot_kind(0));
    assert_null(ballot_kind(3));
    ballot_open_form(true, form);
    assert_int_equal(open->read(BYTES_OF(form), NULL, &cast), ST_OK);
    assert_int_equal(cast.choice, BALLOT_YES);
    ballot_open_form(false, form);
    assert_int_equal(open->read(BYTES_OF(form), NULL, &cast), ST_OK);
    assert_int_equal(cast.choice, BALLOT_NO);
    form[0] = 2;
    assert_int_equal(open->read(BYTES_OF(form), NULL, &cast), ST_BAD_MESSAGE);
    assert_int_equal(open->read(BYTES_NONE, NULL, &cast), ST_BAD_MESSAGE);
    assert_int_equal(secret->read(BYTES_OF(form), NULL, &cast), ST_BAD_MESSAGE);
    const struct ballot_cast all[] = {{.choice = BALLOT_YES}, {.choice = BALLOT_YES}},
                             one[] = {{.choice = BALLOT_YES}, {.choice = BALLOT_NONE}},
                             no[] = {{.choice = BALLOT_NONE}, {.choice = BALLOT_NO}},
                             hidden[] = {{.choice = BALLOT_HIDDEN}, {.choice = BALLOT_NONE}};
    assert_int_equal(open->count(all, 2), BALLOT_PASSED);
    assert_int_equal(open->count(one, 2), BALLOT_PENDING);
    assert_int_equal(open->count(no, 2), BALLOT_REJECTED);
    assert_int_equal(open->count(all, 0), BALLOT_PENDING);
    assert_int_equal(secret->count(hidden, 2), BALLOT_PENDING);
    assert_int_equal(secret->count(all, 2), BALLOT_PENDING); /* no secret ballot among them */
    assert_int_equal(secret->count(all, 0), BALLOT_PENDING);
}

/* ---- rules ---- */

/* A judge of one GENESIS body, outside of any group. */
static const char *judge_genesis(struct world *w, const struct genesis *g)
{
    struct buf text = BUF_INIT, sealed = BUF_INIT, plain = BUF_INIT;
    struct ledger *l;
    uint8_t id[32], chain[32], key[32] = {3}, back[48] = {0}, nonce[24] = {0};
    struct ledger_judged *j = malloc(sizeof *j);
    assert_int_equal(fields_encode(&genesis_fields, g, &text), ST_OK);
    ledger_id_of(buf_view(&text), id);
    assert_int_equal(ledger_new(id, w->room, &l), ST_OK);
    struct entry0 e = {.rules = 1, .type = LEDGER_GENESIS, .body = buf_view(&text)};
    memcpy(e.prev_chain, ledger_chain(l), 32);
    sign_public(w->m[0].id_seed, e.actor);
    entry0_sign(&e, id, w->m[0].id_seed);
    assert_int_equal(entry0_seal(&e, w->room, key, back, nonce, &sealed), ST_OK);
    assert_int_equal(entry0_open(buf_view(&sealed), w->room, key, 0, &plain), ST_OK);
    chain_step(ledger_chain(l), buf_view(&sealed), chain);
    ledger_judge(l, buf_view(&plain), 0, chain, j);
    const char *reason = j->verdict.reason;
    if (reason == NULL) assert_int_equal(ledger_apply(l, j), ST_OK);
    assert_int_equal(ledger_started(l), reason == NULL);
    ledger_free(l);
    buf_free(&text);
    buf_free(&sealed);
    buf_free(&plain);
    free(j);
    return reason;
}

static void genesis_rules(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 1);
    static const uint8_t sentinels[] = "\1\4a:44"
                                       "12345678901234567890123456789012";
    uint8_t policy[18] = {1};
    policy[9] = 2;
    struct genesis good = {.suite = 1,
                           .rules = 1,
                           .ballot_kind = BALLOT_OPEN,
                           .sentinels = BYTES(sentinels, sizeof sentinels - 1),
                           .policy = {policy, 2},
                           .nick = BYTES_LIT("ann"),
                           .name = BYTES_LIT("us")};
    memcpy(good.room, w->room, 32);
    sign_public(w->m[0].id_seed, good.id);
    sign_public(w->m[0].seat_seed, good.seat);
    kem_public(w->m[0].kem_seed, good.kem_pk);
    assert_null(judge_genesis(w, &good));
    struct genesis g = good;
    g.room[0] ^= 1;
    assert_string_equal(judge_genesis(w, &g), "it names another room");
    g = good;
    g.id[0] ^= 1;
    assert_string_equal(judge_genesis(w, &g), "its author is not the creator");
    g = good;
    g.suite = 2;
    assert_string_equal(judge_genesis(w, &g), "its suite or rules are not known");
    g = good;
    g.ballot_kind = BALLOT_SECRET;
    assert_null(judge_genesis(w, &g));
    g.ballot_kind = BALLOT_SECRET + 1;
    assert_string_equal(judge_genesis(w, &g), "its kind of ballot is not known");
    g = good;
    uint8_t key[LEDGER_VETO_KEY] = {0};
    g.veto_keys = (struct list){key, 1};
    assert_string_equal(judge_genesis(w, &g), "it shows veto keys");
    g = good;
    g.mode = 3;
    assert_string_equal(judge_genesis(w, &g), "its mode is not known");
    g = good;
    g.sentinels.n--;
    assert_string_equal(judge_genesis(w, &g), "its list of sentinels is malformed");
    g.sentinels = BYTES_NONE;
    assert_string_equal(judge_genesis(w, &g), "its list of sentinels is malformed");
    g = good;
    g.nick = BYTES_LIT("a\nb");
    assert_string_equal(judge_genesis(w, &g), "a name in it is not allowed");
    g = good;
    g.name = BYTES_NONE;
    assert_string_equal(judge_genesis(w, &g), "a name in it is not allowed");
    g = good;
    memset(g.kem_pk, 0xFF, sizeof g.kem_pk);
    assert_string_equal(judge_genesis(w, &g), "its KEM key is not valid");
    memset(good.kem_pk + 1184, 0, 32); /* an X25519 half of small order */
    assert_string_equal(judge_genesis(w, &good), "its KEM key is not valid");
    kem_public(w->m[0].kem_seed, good.kem_pk);
    policy[9] = 1; /* not ascending */
    assert_string_equal(judge_genesis(w, &good), "its policy is not known");
    policy[9] = LEDGER_POLICY_END;
    assert_string_equal(judge_genesis(w, &good), "its policy is not known");
    world_end(w);
}

static struct propose propose_of(const struct world_door *d)
{
    struct propose p = {
        .kind = PROPOSE_ADD, .knock = buf_view(&d->knock), .record = buf_view(&d->record)};
    memcpy(p.door, d->door, 32);
    memcpy(p.reply, d->reply, 32);
    memcpy(p.invitation, d->invitation, 32);
    return p;
}

static void propose_rules(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct world_member who = {.nick = "who"};
    struct world_door d, known;
    uint8_t serial[4] = {0};
    world_random(w, who.id_seed, 96);
    world_knock(w, 1, &who, &d);
    const struct propose good = propose_of(&d);
    struct propose p = good;
#define PROPOSE_IS(why) post_body(w, 1, LEDGER_PROPOSE, &propose_fields, &p, why)
    p.kind = PROPOSE_POLICY + 1;
    PROPOSE_IS("its kind of proposal is not known under these rules");
    p.kind = PROPOSE_REMOVE; /* the fields of another kind */
    PROPOSE_IS("its body is malformed");
    p = good;
    p.compared = 2;
    PROPOSE_IS("its body is malformed");
    p = good;
    p.serials = (struct list){serial, 1};
    PROPOSE_IS("an open vote names no veto keys");
    p = good;
    p.invitation[0] ^= 1; /* the candidate signed for another invitation */
    PROPOSE_IS("the candidate's own words do not verify");
    p = good;
    d.knock.p[40] ^= 1; /* one byte of its KEM key: put into its mouth */
    PROPOSE_IS("the candidate's own words do not verify");
    d.knock.p[40] ^= 1;
    p.record.n--;
    PROPOSE_IS("its door record is not of this enclave");
    p = good;
    d.record.p[1 + 1216 + 32] ^= 1; /* a record of another enclave */
    PROPOSE_IS("its door record is not of this enclave");
    d.record.p[1 + 1216 + 32] ^= 1;
    d.record.p[1 + 1216] ^= 1; /* of an inviter whom nobody knows */
    PROPOSE_IS("its door record is not of this enclave");
    d.record.p[1 + 1216] ^= 1;
    /* a member proposed again, by its ID or by its seat */
    world_knock(w, 1, &w->m[0], &known);
    p = propose_of(&known);
    PROPOSE_IS("the candidate's key or seat is known already");
    world_door_free(&known);
    struct world_member thief = who;
    memcpy(thief.seat_seed, w->m[0].seat_seed, 32);
    world_knock(w, 1, &thief, &known);
    p = propose_of(&known);
    PROPOSE_IS("the candidate's key or seat is known already");
    world_door_free(&known);
    p = good;
    PROPOSE_IS(NULL);
    const struct ledger_proposal *now = ledger_current_proposal(group_ledger(w->m[0].g));
    assert_non_null(now);
    assert_true(bytes_same(now->knock, buf_view(&d.knock)));
    assert_true(bytes_same(now->record, buf_view(&d.record)));
    assert_string_equal(now->nick, "who");
    assert_int_equal(now->n_voters, 2);
    PROPOSE_IS("another proposal is open");
    world_door_free(&d);
    world_end(w);
}

static void ballot_rules(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct world_member who = {.nick = "who"};
    world_random(w, who.id_seed, 96);
    uint64_t index = world_propose(w, 0, &who);
    const struct ledger_proposal *p = ledger_proposal(group_ledger(w->m[0].g), index);
    uint8_t yes[1], no[1], zeros[64] = {0};
    ballot_open_form(true, yes);
    ballot_open_form(false, no);
    struct ballot_body good = {.proposal = index, .kind = BALLOT_OPEN, .form = BYTES_OF(yes)};
    memcpy(good.hash, p->hash, 32);
    ledger_sign_add(w->m[1].seat_seed, w->room, p->candidate.seat, p->hash, good.seat_sig);
    struct ballot_body b = good;
#define BALLOT_IS(by, why) post_body(w, by, LEDGER_BALLOT, &ballot_body_fields, &b, why)
    b.proposal++;
    BALLOT_IS(1, "no such proposal is open");
    b = good;
    b.hash[0] ^= 1;
    BALLOT_IS(1, "no such proposal is open");
    b = good;
    b.kind = BALLOT_SECRET;
    BALLOT_IS(1, "it is not of this vote's kind of ballot");
    b = good;
    b.form = BYTES(zeros, 2);
    BALLOT_IS(1, "its body is malformed");
    b = good;
    b.form = BYTES_OF(no); /* a no with a seat signature: it would help the refused in */
    BALLOT_IS(1, "its body is malformed");
    b = good;
    BALLOT_IS(2, "its seat's signature does not verify"); /* another's */
    memset(b.seat_sig, 0, 64);
    BALLOT_IS(1, "its seat's signature does not verify");
    b = good;
    BALLOT_IS(1, NULL);
    BALLOT_IS(1, "its author has voted already");
    memset(b.seat_sig, 0, 64);
    b.form = BYTES_OF(no);
    BALLOT_IS(2, NULL);
    p = ledger_proposal(group_ledger(w->m[0].g), index);
    assert_int_equal(p->state, LEDGER_VOTE_REJECTED);
    BALLOT_IS(0, "no such proposal is open");
    world_end(w);
}

static void add_and_close_rules(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 2);
    struct world_member who = {.nick = "who"};
    uint8_t indexes[24];
    world_random(w, who.id_seed, 96);
    uint64_t index = world_propose(w, 0, &who);
    struct close_body c = {.proposal = index};
    memcpy(c.hash, ledger_proposal(group_ledger(w->m[0].g), index)->hash, 32);
    struct close_body wrong = c;
    wrong.hash[5] ^= 1;
#define CLOSE_IS(by, type, body, why) post_body(w, by, type, &close_body_fields, body, why)
    CLOSE_IS(1, LEDGER_EXPIRE, &wrong, "no such proposal is open");
    CLOSE_IS(0, LEDGER_WITHDRAW, &wrong, "no such proposal is open");
    CLOSE_IS(1, LEDGER_WITHDRAW, &c, "only the proposer withdraws");
    world_ballot(w, 1, index, true);
    world_ballot(w, 0, index, true);
    CLOSE_IS(1, LEDGER_EXPIRE, &c, "the vote is closed");
    CLOSE_IS(0, LEDGER_WITHDRAW, &c, "the vote is closed");
    put_u64(indexes, w->n - 4); /* the ballots: the two closings came after */
    put_u64(indexes + 8, w->n - 3);
    put_u64(indexes + 16, w->n - 1);
    struct outcome_body good = {.proposal = index, .ballots = {indexes, 2}}, a;
    memcpy(good.hash, c.hash, 32);
#define ADD_IS(why) post_body(w, 1, LEDGER_ADD, &outcome_body_fields, &a, why)
    a = good;
    a.ballots.n = 1;
    ADD_IS("it names other ballots");
    a.ballots.n = 3;
    ADD_IS("it names other ballots");
    a = good;
    a.ballots.p = indexes + 8;
    ADD_IS("it names other ballots");
    a = good;
    a.hash[0] ^= 1;
    ADD_IS("no such proposal is open");
    a = good;
    ADD_IS(NULL);
    ADD_IS("no such proposal is open");
    const struct ledger *l = group_ledger(w->m[0].g);
    const struct ledger_leaf *leaf = ledger_leaf(l, 2);
    assert_non_null(leaf);
    assert_string_equal(leaf->nick, "who");
    assert_int_equal(leaf->epoch_in, LEDGER_NEVER);
    assert_int_equal(ledger_admission(l, 2)->index, index);
    assert_int_equal(ledger_due(l), leaf->added);
    /* the seats of a strict majority signed for its seat */
    const struct ledger_proposal *p = ledger_admission(l, 2);
    for (size_t i = 0; i < p->n_voters; i++)
        assert_int_equal(ledger_verify_add(p->voters[i].seat, w->room, leaf->seat, p->hash,
                                           p->voters[i].seat_sig),
                         ST_OK);
    world_end(w);
}

static void leave_update_and_head_rules(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 3);
    struct leave_body leave;
    struct update_body update;
    struct head_body head = {.epoch = group_epoch(w->m[0].g) + 1, .next = 1};
    const struct ledger *l = group_ledger(w->m[0].g);
#define BODY_IS(by, type, fields, body, why) post_body(w, by, type, &fields, body, why)
    BODY_IS(1, LEDGER_HEAD, head_body_fields, &head, "its author is not in that epoch");
    head.epoch = 0;
    BODY_IS(1, LEDGER_HEAD, head_body_fields, &head, "its author is not in that epoch");
    BODY_IS(0, LEDGER_HEAD, head_body_fields, &head, NULL);
    head = (struct head_body){.epoch = group_epoch(w->m[0].g), .next = 77};
    BODY_IS(1, LEDGER_HEAD, head_body_fields, &head, NULL);
    assert_int_equal(ledger_leaf(l, 1)->head_next, 77);
    memset(update.kem_pk, 0xFF, sizeof update.kem_pk);
    BODY_IS(1, LEDGER_UPDATE, update_body_fields, &update, "its KEM key is not valid");
    uint8_t seed[32];
    for (int i = 0; i < LEDGER_UPDATES_MAX + 1; i++) {
        world_random(w, seed, 32);
        kem_public(seed, update.kem_pk);
        BODY_IS(1, LEDGER_UPDATE, update_body_fields, &update,
                i < LEDGER_UPDATES_MAX ? NULL : "too much waits for a COMMIT");
    }
    ledger_sign_drop(w->m[1].seat_seed, w->room, ledger_leaf(l, 2)->seat, leave.seat_sig);
    BODY_IS(1, LEDGER_LEAVE, leave_body_fields, &leave, "its seat's signature does not verify");
    /* who has left speaks no more */
    ledger_sign_drop(w->m[2].seat_seed, w->room, ledger_leaf(l, 2)->seat, leave.seat_sig);
    BODY_IS(2, LEDGER_LEAVE, leave_body_fields, &leave, NULL);
    struct buf text = BUF_INIT;
    uint8_t back[48] = {0};
    struct group_event ev;
    assert_int_equal(fields_encode(&head_body_fields, &head, &text), ST_OK);
    struct entry0 e = entry_of(w, 2, LEDGER_HEAD, buf_view(&text));
    world_forget(w);
    post_entry(w, 2, &e, back);
    assert_int_equal(world_saw(&w->m[0], GROUP_VOID, &ev), 1);
    assert_string_equal(ev.reason, "its author is no member");
    assert_int_equal(ev.leaf, LEDGER_NOBODY);
    buf_free(&text);
    /* and a newcomer cannot take its place under the old ID or seat */
    assert_non_null(ledger_by_seat(l, ledger_leaf(l, 2)->seat));
    world_end(w);
}

static void refused_ones_are_forgotten_in_time(void **state)
{
    (void)state;
    struct world *w = world_new(BALLOT_OPEN, 1);
    struct world_member who = {.nick = "who"};
    world_random(w, who.id_seed, 96);
    size_t newcomer = world_admit(w, 0);
    for (int i = 0; i < LEDGER_CLOSED_KEPT + 5; i++) {
        uint64_t p = world_propose(w, 0, &who);
        WORLD_POST(w, group_make_withdraw(w->m[0].g, p, &now, &draft));
        world_forget(w);
    }
    const struct ledger *l = group_ledger(w->m[0].g);
    assert_true(ledger_proposals(l) <= LEDGER_CLOSED_KEPT + 2);
    assert_non_null(ledger_admission(l, (uint16_t)newcomer)); /* that one is never forgotten */
    for (size_t i = 1; i < ledger_proposals(l); i++)
        assert_true(ledger_proposal_at(l, i)->index > ledger_proposal_at(l, i - 1)->index);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_as_in_vectors),
        cmocka_unit_test(bodies_survive_mutation),
        cmocka_unit_test(a_refused_ballot_brings_no_seat),
        cmocka_unit_test(genesis_rules),
        cmocka_unit_test(propose_rules),
        cmocka_unit_test(ballot_rules),
        cmocka_unit_test(add_and_close_rules),
        cmocka_unit_test(leave_update_and_head_rules),
        cmocka_unit_test(refused_ones_are_forgotten_in_time),
    };
    return !!cmocka_run_group_tests(tests, world_crypto, NULL);
}
