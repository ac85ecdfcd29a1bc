/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Audits on the virtual clock, over whole nodes: holders with sound disks, disks that lose and rot, holders
 * that lie, stall, or answer audits and not reads; days of it, with the receipts and their daily sum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/holder/wire.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "node/audit/audit_private.h"
#include "node/node_storage.h"
#include "sim/world.h"

#define HOUR UINT64_C(3600000)
#define DAY (24 * HOUR)
#define BAD 1 /* the holder that is looked at */

static struct enclave *room_of(struct someone *p)
{
    return node_find(p->node, "room");
}

static void vote(struct world *w, struct someone *by, const char *who)
{
    struct said a = {0};
    struct node_vote v = {
        .enclave = "room", .ref = who, .yes = true, .compared = true, .now = true};
    assert_int_equal(node_vote(by->node, &v, told, &a), ST_OK);
    wait_for(w, &a);
    assert_int_equal(a.st, ST_OK);
}

/* Three members and a file of one segment, seven shards of 64 KiB with each. */
static struct world *three(void)
{
    static uint8_t content[400000];
    uint64_t dice = 88172645463325252u;
    struct world *w = begin();
    struct said a = {0};
    for (unsigned i = 0; i < PEOPLE; i++) boot(w, &w->people[i]);
    create(w, &w->people[0], "room", NULL);
    admit(w, &w->people[0], &w->people[1], "room", NULL);
    join(w, &w->people[0], &w->people[2], "room", NULL, &a);
    assert_int_equal(a.st, ST_OK);
    pass(w, 2000);
    vote(w, &w->people[0], "m2");
    pass(w, 2000);
    vote(w, &w->people[1], "m2");
    pass(w, 60000);
    for (size_t i = 0; i < sizeof content; i += 8) { /* nothing that packs */
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        put_u64(content + i, dice);
    }
    files_mem_write(&w->people[0].files, "/f", BYTES_OF(content));
    struct node_put put = {
        .enclave = "room", .local = "/f", .path = BYTES_LIT("f"), .strict = true};
    memset(&a, 0, sizeof a);
    assert_int_equal(node_put(w->people[0].node, &put, told, &a), ST_OK);
    wait_for(w, &a);
    assert_int_equal(a.st, ST_OK);
    pass(w, 5 * 60000);
    assert_int_equal(w->people[BAD].shards.n, 7);
    return w;
}

static void audit_now(struct world *w, unsigned who)
{
    struct said a = {0};
    assert_int_equal(node_audit_now(w->people[who].node, "room", told, &a), ST_OK);
    wait_for(w, &a);
    pass(w, 5 * 60000);
}

static struct audit_holder *seen_by(struct world *w, unsigned who, unsigned holder)
{
    struct audit_holder *h = audit_holder_of(room_of(&w->people[who])->audit, (uint16_t)holder);
    assert_non_null(h);
    return h;
}

static size_t faults(const struct audit_holder *h, enum audit_verdict v)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n_faults; i++) n += h->faults[i].verdict == v;
    return n;
}

/* Nobody whose disk is sound is ever said to have lost anything. */
static void only_that_one(struct world *w)
{
    for (unsigned i = 0; i < PEOPLE; i++)
        for (unsigned k = 0; k < PEOPLE; k++) {
            if (i == k || k == BAD) continue;
            const struct audit_holder *h = seen_by(w, i, k);
            assert_int_equal(
                faults(h, AUDIT_GONE) + faults(h, AUDIT_DAMAGED) + faults(h, AUDIT_WRONG), 0);
            assert_int_equal(audit_score_standing(&h->score), AUDIT_GOOD);
        }
}

static struct node_audit_verdict verified(struct world *w, unsigned who)
{
    struct node_audit_verdict v;
    assert_int_equal(node_audit_verify(w->people[who].node, "room", &v), ST_OK);
    assert_int_equal(v.malformed + v.broken + v.missing + v.false_proofs + v.false_digests, 0);
    return v;
}

/* Days without a fault: scores rise, receipts come, one sum a day, the same for everybody; and after a
 * crash all of it is there again. */
static void sound_holders(void **state)
{
    (void)state;
    struct world *w = three();
    pass(w, 3 * DAY);
    for (unsigned i = 0; i < PEOPLE; i++) {
        for (unsigned k = 0; k < PEOPLE; k++) {
            if (i == k) continue;
            const struct audit_holder *h = seen_by(w, i, k);
            assert_in_range(h->rounds, 66, 78);
            assert_int_equal(h->n_faults, 0);
            assert_true(enclave_score(room_of(&w->people[i]), (uint16_t)k) > 0.95);
            assert_true(enclave_availability(room_of(&w->people[i]), (uint16_t)k) > 0.95);
        }
        struct node_audit_verdict v = verified(w, i);
        assert_in_range(v.entries, 3 * 3 * 3, 3 * 3 * 5);
        assert_in_range(v.digests, 2, 3);
        assert_int_equal(v.unread_digests, 0);
    }
    uint32_t rounds = seen_by(w, 0, 1)->rounds;
    crash(w, &w->people[0]);
    boot(w, &w->people[0]);
    pass(w, 60000);
    assert_int_equal(seen_by(w, 0, 1)->rounds, rounds);
    pass(w, 2 * DAY);
    assert_true(verified(w, 2).digests >= 3);
    finish(w);
}

/* A byte rots: the holder finds it itself, and everybody knows by a proof. */
static void a_disk_that_rots(void **state)
{
    (void)state;
    struct world *w = three();
    assert_true(shards_mem_rot(&w->people[BAD].shards));
    audit_now(w, 0);
    assert_int_equal(faults(seen_by(w, 0, BAD), AUDIT_DAMAGED), 1);
    assert_int_equal(faults(seen_by(w, 2, BAD), AUDIT_DAMAGED), 1);
    assert_int_equal(seen_by(w, 2, BAD)->faults[0].by, 0);
    only_that_one(w);
    assert_int_equal(verified(w, 2).proofs, 1);
    finish(w);
}

static void a_disk_that_loses_all(void **state)
{
    (void)state;
    struct world *w = three();
    pass(w, DAY);
    w->people[BAD].shards.lie = SHARDS_DENY;
    pass(w, 36 * HOUR);
    for (unsigned i = 0; i < PEOPLE; i += 2)
        assert_true(faults(seen_by(w, i, BAD), AUDIT_GONE) >= 7);
    only_that_one(w);
    /* It has them again: trusted again, the faults stay on record. */
    w->people[BAD].shards.lie = SHARDS_HONEST;
    pass(w, 2 * DAY);
    assert_int_equal(audit_score_standing(&seen_by(w, 0, BAD)->score), AUDIT_GOOD);
    assert_true(seen_by(w, 0, BAD)->n_faults >= 7);
    (void)verified(w, 2);
    finish(w);
}

struct villain {
    struct world *w;
    enum { STALLS, LIES, READS_NOT } kind;
    unsigned met;
    unsigned reads;
};

static unsigned on_tap(void *arg, unsigned from, uint8_t type, struct bytes payload,
                       struct buf *ret_more)
{
    struct villain *v = arg;
    struct audit_answer a;
    struct audit *verifier = room_of(&v->w->people[0])->audit;
    if (from != BAD) return 1;
    if (v->kind == READS_NOT) {
        if (type != HOLDER_DATA) return 1;
        v->reads++;
        return 0;
    }
    if (type != AUDIT_ANSWER) return 1;
    v->met++;
    if (v->kind == STALLS) return 0;
    /* Signs another leaf than it was asked for, as if it were right. */
    assert_int_equal(fields_decode(&audit_answer_fields, payload, &a), ST_OK);
    if (a.code != AUDIT_CODE_HERE) return 1;
    for (size_t r = 0; r < AUDIT_ROUNDS; r++)
        for (size_t k = 0; k < verifier->rounds[r].n; k++) {
            const struct audit_ask *ask = &verifier->rounds[r].asks[k];
            uint8_t text[AUDIT_STATEMENT];
            if (!verifier->rounds[r].used || ask->state != ASK_SENT || ask->c.req != a.req ||
                verifier->rounds[r].holder != BAD)
                continue;
            ((uint8_t *)(uintptr_t)a.leaves.p)[17] ^= 1;
            audit_statement(room_of(&v->w->people[0])->enclave_id, &ask->c, &a, text);
            const struct bytes parts[] = {BYTES_OF(text)};
            sign_labelled(room_of(&v->w->people[BAD])->keys->id_seed, "ENCLAVE-AUDIT", parts, 1,
                          a.sig);
            assert_int_equal(fields_encode(&audit_answer_fields, &a, ret_more), ST_OK);
            return 0;
        }
    return 1;
}

/* No answer is no proof: it counts with who asked, and with nobody else. */
static void a_holder_that_stalls(void **state)
{
    (void)state;
    struct world *w = three();
    struct villain v = {.w = w, .kind = STALLS};
    w->net.tap = on_tap;
    w->net.tap_arg = &v;
    audit_now(w, 0);
    pass(w, 20 * 60000);
    assert_true(v.met > 0);
    const struct audit_holder *h = seen_by(w, 0, BAD);
    assert_true(faults(h, AUDIT_LATE) > 0);
    assert_true(h->tally.late > 0);
    assert_int_equal(h->tally.right, 0);
    /* What the other verifier has against it, it has seen itself. */
    for (size_t i = 0; i < seen_by(w, 2, BAD)->n_faults; i++)
        assert_int_equal(seen_by(w, 2, BAD)->faults[i].by, 2);
    only_that_one(w);
    pass(w, 2 * DAY);
    assert_int_equal(audit_score_standing(&seen_by(w, 0, BAD)->score), AUDIT_DRAINED_NOW);
    (void)verified(w, 2);
    w->net.tap = NULL;
    finish(w);
}

static void a_holder_that_lies(void **state)
{
    (void)state;
    struct world *w = three();
    struct villain v = {.w = w, .kind = LIES};
    pass(w, DAY);
    w->net.tap = on_tap;
    w->net.tap_arg = &v;
    audit_now(w, 0);
    w->net.tap = NULL;
    assert_true(v.met > 0);
    assert_true(faults(seen_by(w, 0, BAD), AUDIT_WRONG) > 0);
    assert_true(faults(seen_by(w, 2, BAD), AUDIT_WRONG) > 0); /* by the proof alone */
    assert_true(enclave_score(room_of(&w->people[2]), BAD) < 0.9);
    only_that_one(w);
    assert_true(verified(w, 2).proofs > 0);
    finish(w);
}

/* Audits pass; a file comes all the same, from the others. */
static void a_holder_that_does_not_serve(void **state)
{
    (void)state;
    struct world *w = three();
    struct villain v = {.w = w, .kind = READS_NOT};
    struct said a = {0};
    w->net.tap = on_tap;
    w->net.tap_arg = &v;
    audit_now(w, 2);
    assert_int_equal(seen_by(w, 2, BAD)->n_faults, 0);
    struct node_get get = {.enclave = "room", .path = BYTES_LIT("f"), .local = "/g"};
    assert_int_equal(node_get(w->people[2].node, &get, told, &a), ST_OK);
    wait_for(w, &a);
    pass(w, 10 * 60000);
    const struct files_mem_one *put = files_mem_find(&w->people[0].files, "/f");
    const struct files_mem_one *got = files_mem_find(&w->people[2].files, "/g");
    assert_non_null(got);
    assert_true(bytes_same(BYTES(got->p, got->n), BYTES(put->p, put->n)));
    w->net.tap = NULL;
    finish(w);
}

/* Another's shard under this one's name: it is not what the tree names. */
static void a_shard_of_another(void **state)
{
    (void)state;
    struct world *w = three();
    struct shards_mem *s = &w->people[BAD].shards;
    struct shards_mem_one *mine = &s->all[0], *other = &s->all[1];
    assert_int_equal(mine->info.units, other->info.units);
    memcpy(mine->units, other->units, mine->info.units * SHARD_UNIT);
    mine->info = other->info;
    audit_now(w, 0);
    assert_int_equal(faults(seen_by(w, 0, BAD), AUDIT_DAMAGED), 1);
    only_that_one(w);
    finish(w);
}

/* A member writes a false sum: the others name it, and the next true one goes on without it. */
static void warned(void *arg, const struct node_event *e)
{
    *(bool *)arg |= strstr(e->text, "false sum") != NULL;
}

static void appended(void *arg, enum status st, struct bytes body)
{
    (void)arg;
    (void)body;
    assert_int_equal(st, ST_OK);
}

static void a_false_sum_is_named(void **state)
{
    (void)state;
    struct world *w = three();
    bool named = false;
    pass(w, 2 * DAY);
    const struct ledger *l = group_ledger(room_of(&w->people[0])->group);
    size_t n = ledger_digests(l);
    assert_true(n > 0);
    node_listen(w->people[0].node, warned, &named);
    /* The liar's own way of adding up: it has asked twice as often as it did. */
    struct enclave *liar = room_of(&w->people[2]);
    uint64_t from = 0, count = liar->feeds[FEED_RECEIPTS].seen.count;
    struct audit_fold *f = calloc(1, sizeof *f);
    audit_fold_start(f, NULL);
    f->holders[0] = (struct audit_total){.holder = 1, .rounds = 999, .asked = 9, .lost = 9};
    f->n_holders = 1;
    struct buf body = BUF_INIT;
    assert_int_equal(
        audit_fold_digest(f, 1, from, count, liar->feeds[FEED_RECEIPTS].seen.chain, &body), ST_OK);
    uint8_t random[GROUP_RANDOM];
    struct group_now now;
    enclave_now(liar, random, &now);
    struct group_draft d = {.sealed = BUF_INIT};
    assert_int_equal(group_make_digest(liar->group, buf_view(&body), &now, &d), ST_OK);
    assert_int_equal(enclave_append(liar, FEED_LEDGER, true, d.index, d.chain, buf_view(&d.sealed),
                                    appended, NULL),
                     ST_OK);
    pass(w, 2 * 60000);
    assert_int_equal(ledger_digests(l), n + 1);
    assert_true(named);
    struct node_audit_verdict v;
    assert_int_equal(node_audit_verify(w->people[0].node, "room", &v), ST_OK);
    assert_int_equal(v.false_digests, 1);
    pass(w, 2 * DAY);
    assert_int_equal(node_audit_verify(w->people[1].node, "room", &v), ST_OK);
    assert_int_equal(v.false_digests, 1);
    assert_true(v.digests > n);
    free(f);
    buf_free(&d.sealed);
    buf_free(&body);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_holders),         cmocka_unit_test(a_disk_that_rots),
        cmocka_unit_test(a_disk_that_loses_all), cmocka_unit_test(a_holder_that_stalls),
        cmocka_unit_test(a_holder_that_lies),    cmocka_unit_test(a_holder_that_does_not_serve),
        cmocka_unit_test(a_shard_of_another),    cmocka_unit_test(a_false_sum_is_named),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
