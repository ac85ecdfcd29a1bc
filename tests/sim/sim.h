/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sim: a world of people with their machines, one sentinel and one enclave,
 * driven by a seed: what they do, what goes wrong, and a record of what was
 * wished and promised against which the real node's behaviour is checked.
 *
 * Owns: all of it. Errors: a broken promise calls sim_fail, which prints the
 *     trace and the line that replays it, and ends the program with status 1.
 * Order: sim_start, sim_step as often as wanted, sim_settle, sim_end.
 */
#ifndef ENCLAVE_TESTS_SIM_SIM_H
#define ENCLAVE_TESTS_SIM_SIM_H

#include "node/node.h"
#include "sim/files_mem.h"
#include "sim/kv_mem.h"
#include "sim/shards_mem.h"
#include "sim/vnet.h"
#include "sim/vsentinel.h"
#include "sim/watch.h"

#define SIM_PEOPLE_MAX 8
#define SIM_NAME "sim" /* the enclave's local name on every machine */
#define SIM_MESSAGES_MAX 4096
#define SIM_HEADS_MAX 65536
#define SIM_NICKS_MAX 1024
#define SIM_FILES_MAX 32
#define SIM_WISHES_MAX 1024
#define SIM_GETS_MAX 32
#define SIM_TRACE 80
#define SIM_LINE 240
#define SIM_SECOND UINT64_C(1000)
#define SIM_MINUTE (60 * SIM_SECOND)
#define SIM_HOUR (60 * SIM_MINUTE)
#define SIM_DAY (24 * SIM_HOUR)

#define SIM_CHOICES_MAX 96

struct sim;

/* What was looked at, and how often: a run that looked at nothing proves nothing. */
enum sim_check {
    CHECK_LEDGERS,    /* a member's ledger against everybody's */
    CHECK_ADMISSIONS, /* who came in was wanted by all */
    CHECK_OUTCOMES,   /* a vote that passed was wanted by each of its voters */
    CHECK_GONE,       /* who is out wanted it, or all the others did */
    CHECK_VERDICTS,   /* node_verify */
    CHECK_HINTS,      /* a hint of the mail and the one entry that it is of */
    CHECK_BALLOTS,    /* a veto key and the one ballot that it made */
    CHECK_GHOSTS,     /* an entry that who is out must not open */
    CHECK_NEWCOMERS,  /* keys of before that who is new must not hold */
    CHECK_NAMED,      /* an ill entry that is void for a member, under the right name */
    CHECK_DOUBT,      /* a member of the smaller side of a long fork, and its doubt */
    CHECK_TRUST,      /* a member without a doubt after quiet days */
    CHECK_PROOFS,     /* a proof of two histories that a third one accepts */
    CHECK_HELD,    /* nobody could begin an epoch before a vote had ended, and then somebody did */
    CHECK_HEALED,  /* a disk set back, whose owner is well again */
    CHECK_DROPPED, /* a vote that lacks a ballot which the sentinel dropped */
    CHECK_NOTICED, /* who wrote what the sentinel dropped, and says so */
    CHECK_OLD_SEATS, /* an older seat list, and that it was named */
    CHECK_SQUATS,    /* a seat that nobody admitted, and that it is gone */
    CHECK_FLOODS,    /* a knock behind a flood of junk */
    CHECK_AMID,      /* a knock in the midst of one */
    CHECK_SHORT,     /* a member who was shown a feed without its newest entries */
    CHECK_EARLY,     /* words seen before they were settled */
    CHECK_AUDITS,    /* rounds of audits of holders that are inside */
    CHECK_LOSSES,    /* losses that an audit proved, and the disk was ill */
    CHECK_INTRUDERS, /* an odd seat that attached, and what became of it */
    CHECK_PLACES,    /* columns that are where the tree says they are */
    SIM_CHECKS
};

/* An entry that a member can write, with one wrong bit in its body. */
enum mutant_kind {
    MUTANT_PROPOSE_ADD,
    MUTANT_PROPOSE_REMOVE,
    MUTANT_PROPOSE_POLICY,
    MUTANT_VETO_KEYS,
    MUTANT_BALLOT,
    MUTANT_ADD,
    MUTANT_REMOVE,
    MUTANT_POLICY,
    MUTANT_LEAVE,
    MUTANT_UPDATE,
    MUTANT_COMMIT,
    MUTANT_EXPIRE,
    MUTANT_HEAD,
    MUTANT_SELF_REVOKE,
    MUTANT_RENEW,
    MUTANT_WITHDRAW,
    MUTANT_AWAY,
    MUTANT_REHOME,
    MUTANTS
};

enum person_state { PERSON_OUT, PERSON_JOINING, PERSON_IN, PERSON_LEAVING };

/* One name under which somebody applied, and what each person wished about it. */
struct sim_wish {
    char ref[24]; /* a nick (of who applies), or a proposal's ref */
    uint8_t yes;  /* bit p: person p was told to say yes */
    uint8_t no;
};

struct sim_nick {
    char nick[24];
    unsigned person;
    unsigned generation;
    bool creator;
    bool checked;    /* seen inside, and admission was looked at */
    uint8_t seen_by; /* bit p: person p has listed it as a member */
    bool asked_out;  /* its owner wanted to leave, or revoked it */
    bool handed;     /* it hands over what the others need before it goes */
    bool voted_out;  /* a removal that all the others wanted is in somebody's ledger */
    bool ghost;      /* its owner destroyed it: to the others it is still a member */
    bool seated;     /* its seat's keys are known: */
    uint8_t seat[32], seat_seed[32];
};

struct sim_message {
    unsigned from;
    uint64_t at_ms;
    uint64_t count; /* entries of the ledger that its author knew */
    unsigned generation;
    bool durable; /* node_send called back with ok */
    bool excused; /* its author's disk was set back before it was sent, or lied about its number */
};

#define SIM_ILL_MAX 512

/* An entry that must be void for all, and who wrote it. */
struct sim_ill {
    uint64_t index;
    uint8_t hash[32];
    unsigned generation;
    char nick[24]; /* "": nobody that can be proved */
};

#define SIM_DROPPED_MAX 64

/* A ballot that the sentinel took with OK and dropped. */
struct sim_dropped {
    unsigned person, generation;
    uint64_t life; /* of its machine */
    char ref[17], nick[24];
};

struct sim_file {
    char path[32];
    unsigned from;
    unsigned generation;
    uint64_t at_ms;
    uint64_t transfer;
    uint64_t losses; /* holders that left and bytes that rotted, as counted when it was put */
    bool durable;    /* the job was taken on */
    bool accepted;
    bool failed;
    bool gone; /* somebody removed or moved it */
    uint8_t *bytes;
    size_t n;
};

/* A get on its way. */
struct sim_get {
    unsigned file;
    unsigned person;
    uint64_t life; /* of the person's machine */
    uint64_t transfer;
    bool known; /* the transfer has its number */
    bool must;  /* nothing excuses a failure */
    char local[40];
};

struct op;

struct person {
    struct sim *sim;
    unsigned i;
    struct machine m;
    struct kv_mem kv, backup;
    bool has_backup;
    uint64_t backup_ms;
    struct files_mem files;
    struct shards_mem shards;
    struct node *node;
    uint8_t mk[32], rk[32];
    char listen[24];
    bool next_known;
    uint64_t next_ms; /* when its node wants to be ticked, by the world's clock */
    uint64_t wake_ms; /* while down: when it comes back */
    enum person_state state;
    unsigned attempt;
    char nick[24];
    uint64_t in_ms;     /* since when inside, as first seen */
    uint64_t in_count;  /* entries of the ledger by then */
    bool tainted;       /* was shown another history */
    uint64_t lied_upto; /* entries of the ledger that it has when it read the lie */
    bool told_old_seats;
    bool restored; /* came back from a backup, and is not known to be well again */
    uint64_t restored_ms, healed_ms;
    uint64_t silent_epoch; /* + 1: for which it told a wrong number of its next words; 0 */
    struct buf leaving;    /* what it knew when it wanted to leave */
    bool creating;         /* waits to hear whether its enclave exists */
    bool no_history;       /* came in when newcomers got no keys of older files */
    bool halted;           /* saw its disk fail: restart helps */
    struct op *ops;        /* calls not yet answered */
    uint8_t place[32];     /* of its disk: another one after some of the restores */
    bool noticed;          /* the last restore changed it: nothing excuses what was known */
    uint64_t read_upto;
    uint8_t *shown;  /* by message: how often */
    char (*eye)[37]; /* by message: the uuid under which it was seen, in all lives */
    uint64_t head_count;
    char head[17];
    unsigned outbox;
    char trouble[NODE_REASON_MAX];
    bool online;
    char vote_pending[24];
    struct buf kit; /* the recovery kit as last written down */
    char kit_nick[24];
    struct buf verdict; /* of node_verify, as text */
};

struct sim_head {
    bool known;
    char chain[17];
    char *text; /* everything a member's ledger says at this count */
    unsigned by;
};

struct sim {
    uint64_t seed;
    unsigned steps, step, n;
    unsigned round_from, round_to; /* steps between two settlings */
    bool verbose, trace_all;
    char replay[80];    /* the case of the matrix; "": none, the seed says it all */
    const char *favour; /* an action or fault that comes often; NULL */
    struct rng rng;
    struct vtime time;
    struct vnet net;
    struct rng early_rng;
    struct buf early_held, early_last; /* frames */
    struct vsentinel sentinel;
    uint64_t sentinel_wake_ms;
    struct person people[SIM_PEOPLE_MAX];
    unsigned generation; /* enclaves made so far */
    bool exists;
    bool creating;
    uint8_t room[32];
    bool room_known;
    struct sim_nick nicks[SIM_NICKS_MAX];
    unsigned n_nicks;
    struct sim_wish wishes[SIM_WISHES_MAX];
    unsigned n_wishes;
    struct sim_message messages[SIM_MESSAGES_MAX];
    unsigned n_messages;
    struct sim_file files[SIM_FILES_MAX];
    unsigned n_files;
    struct sim_get gets[SIM_GETS_MAX];
    unsigned n_gets;
    unsigned named;  /* local files and folders so far */
    uint64_t losses; /* holders that left, bytes that rotted */
    unsigned sick;   /* bit i: person i's disk lied, rotted or was set back */
    uint64_t left, backup_seats;
    bool hidden; /* newcomers once got no keys of older files, by vote */
    bool
        orphans; /* a room may stay: somebody destroyed its copy, or nobody is left to drop a seat */
    /* At most so many rooms stay of creations that failed or crashed after the sentinel had made one: nothing
     * is sent any more for what was told as failed, so that it goes when nobody attached for long. */
    uint64_t spare_rooms;
    struct sim_head *heads; /* by ledger count */
    uint64_t acknowledged;  /* most entries of feed 0 that the sentinel had */
    uint64_t heal_ms;       /* when the partition ends */
    uint64_t unfork_ms, unwithhold_ms, unmute_ms, unhold_ms;
    unsigned kept_short; /* bit p: a feed ended early for person p, who was not told since */
    unsigned muted;      /* bit p: ballots of person p go nowhere */
    bool mute_drop;      /* they are answered OK */
    struct sim_dropped dropped[SIM_DROPPED_MAX];
    unsigned n_dropped;
    uint64_t mutants[MUTANTS]; /* that the sentinel took, by kind */
    uint64_t locked_out;       /* of them: whose author has no key for what it showed */
    unsigned ambush;           /* so many outcomes of votes are still to be mutants */
    char code[NODE_CODE_MAX];  /* of the door behind a flood */
    struct machine stranger;
    bool founding;   /* the first ones come in: nobody says no */
    uint64_t old_ms; /* when the sentinel last came back with an older database */
    uint64_t unfull_ms[SIM_PEOPLE_MAX];
    uint64_t honest_ms[SIM_PEOPLE_MAX]; /* when a lying holder stops */
    bool forked_ever;
    bool proof_due;
    uint64_t fork_count;
    struct watch watch;
    struct sim_ill ill[SIM_ILL_MAX];
    unsigned n_ill;
    struct buf stale; /* body of a COMMIT that was made and not posted, and its back */
    uint8_t stale_back[48];
    unsigned stale_by, stale_generation;
    uint64_t stale_index;
    unsigned clock_of; /* whose clock is wrong for the whole run */
    int64_t clock_skew;
    bool settling;
    char trace[SIM_TRACE][SIM_LINE];
    unsigned traced;
    uint64_t said, admitted;
    uint64_t done[SIM_CHOICES_MAX]; /* actions that did something, by kind */
    uint64_t checked[SIM_CHECKS];   /* invariants looked at */
};

/* ---- main.c ---- */
void sim_start(struct sim *s, uint64_t seed, unsigned steps, unsigned people, bool verbose);
void sim_end(struct sim *s);
void sim_step(struct sim *s);
void sim_run_for(struct sim *s, uint64_t ms);
/* Events and ticks, n of them and no more, however long that takes; how many there were. */
unsigned sim_run_events(struct sim *s, unsigned n);
/* An enclave is made, and so many people come in, if all goes well. */
void sim_found(struct sim *s, unsigned wanted);
void sim_running(struct sim *s); /* the world whose trace is shown if the program dies */
void sim_settle(struct sim *s);
/* Everybody buys a new machine; nothing is left of the enclave but what the sentinel has. */
void sim_anew(struct sim *s);
__attribute__((format(printf, 2, 3))) void sim_trace(struct sim *s, const char *format, ...);
__attribute__((format(printf, 2, 3), noreturn)) void sim_fail(struct sim *s, const char *format,
                                                              ...);

/* ---- people.c ---- */
void person_init(struct sim *s, unsigned i, uint64_t offer);
void person_boot(struct person *p);
void person_crash(struct person *p);
void person_free(struct person *p);
void person_look(struct person *p); /* brings state, head, outbox up to date */
struct person *person_random(struct sim *s, enum person_state state, bool online); /* or NULL */
unsigned people_in(const struct sim *s, enum person_state state);
struct sim_nick *nick_find(struct sim *s, const char *nick);
struct sim_wish *wish_of(struct sim *s, const char *ref); /* made if there is none */

/* A call on the way: freed when answered or when its machine crashes. */
struct op {
    struct op *next;
    struct person *p;
    unsigned kind;
    uint64_t number;
    char text[NODE_NICK_MAX + 16];
    struct person *other;
    unsigned more; /* messages said with it */
};
struct op *op_new(struct person *p, unsigned kind, uint64_t number);
void op_free(struct op *op);

/* ---- actions.c: each returns whether it did something ---- */
bool act_create(struct sim *s);
bool act_invite(struct sim *s);
bool act_vote(struct sim *s);
bool act_send(struct sim *s);
bool act_share(struct sim *s);
void act_join(struct sim *s, struct person *guest, const char *code);
bool act_send_by(struct sim *s, struct person *p);
bool act_leave(struct sim *s);
/* ---- votes.c ---- */
bool vote_of(struct person *p);
bool act_remove(struct sim *s);
bool act_policy(struct sim *s);
bool act_withdraw(struct sim *s);
bool act_rekey(struct sim *s);
bool act_away(struct sim *s);
/* ---- keys.c ---- */
bool act_kit(struct sim *s);
bool act_revoke(struct sim *s);
bool act_destroy(struct sim *s);
bool act_verify(struct sim *s);
/* Everybody reads the whole ledger again, and all must come to the same. */
void verify_all(struct sim *s);
/* Clears away what is left of an enclave that this person is out of; true: it is being done. */
bool forget_old(struct person *p);
bool act_put(struct sim *s);
bool act_get(struct sim *s);
bool act_audit(struct sim *s);
/* Whose disk was always sound is said by nobody to have lost anything. */
void check_audits(struct sim *s);
bool act_tree(struct sim *s);
/* Looks how puts and gets are getting on; what a finished get wrote must be what was put. */
void files_look(struct sim *s);
/* Everybody gets every file that must be there: true once all that was asked for has ended. */
void files_ask_all(struct sim *s);
const struct sim_get *files_waiting(const struct sim *s); /* NULL: none */
/* Every person does what a person would do by now: answers votes, restarts what halted. */
void act_people(struct sim *s);

/* ---- faults.c ---- */
bool fault_crash(struct sim *s);
bool fault_lose(struct sim *s); /* a disk forgets shards while its machine is down */
bool fault_sentinel_crash(struct sim *s);
bool fault_partition(struct sim *s);
bool fault_link(struct sim *s);
bool fault_clock(struct sim *s);
bool fault_full(struct sim *s);
bool fault_backup(struct sim *s);
bool fault_restore(struct sim *s);
bool fault_sleep(struct sim *s);
bool fault_fork(struct sim *s);
bool fault_withhold(struct sim *s);
bool fault_schism(struct sim *s);
void faults_none(struct sim *s);
bool fault_forge(struct sim *s);
bool fault_shuffle(struct sim *s);
bool fault_old_database(struct sim *s);
bool fault_liar(struct sim *s);
bool fault_rot(struct sim *s);
/* ---- lies.c: the sentinel's finer ones ---- */
bool fault_mute(struct sim *s);
bool fault_old_seats(struct sim *s);
bool fault_hold(struct sim *s);
void hold_end(struct sim *s);
enum vsentinel_deed lies_append(struct sim *s, unsigned caller, const struct room_append *msg,
                                const uint8_t vote[32]);
void lies_end(struct sim *s);
/* ---- squat.c, flood.c ---- */
bool fault_knocks(struct sim *s);
bool fault_squat(struct sim *s);
/* A vote as an honest member sees it: what was dropped is not counted. */
void lies_check_vote(struct sim *s, const struct person *p, const struct node_proposal *pr);
/* ---- mutants.c ---- */
bool fault_mutant(struct sim *s);
const char *mutant_name(int kind);
/* Something about a vote was told: perhaps it has passed. */
void mutants_hear(struct person *p);
struct enclave;
void mutant_taken(struct person *p, struct enclave *e, int kind, bool holds);
/* ---- villains.c: members who mean ill ---- */
bool fault_junk(struct sim *s);
bool fault_bad_commit(struct sim *s);
bool fault_wrong_tag(struct sim *s);
bool fault_wrong_wrap(struct sim *s);
bool fault_wrong_ct(struct sim *s);
bool fault_stale_commit(struct sim *s);
bool fault_double_ballot(struct sim *s);
bool fault_bad_proof(struct sim *s);
bool fault_no_point(struct sim *s);
bool fault_foreign_ballot(struct sim *s);
bool fault_bad_seat(struct sim *s);
bool fault_remove_loud(struct sim *s);
bool fault_veto_twice(struct sim *s);
bool fault_false_revoke(struct sim *s);
bool fault_replay(struct sim *s);
bool fault_head_lie(struct sim *s);
bool fault_spam(struct sim *s);
bool fault_mail_flood(struct sim *s);
struct ledger_proposal;
struct ledger_voter;
struct enclave *inside_of(struct person *p); /* in, and free to write; or NULL */
/* An open vote in which this member has (or has not) voted; NULL: none. */
const struct ledger_proposal *vote_with(struct enclave *e, bool cast, bool secret,
                                        const struct ledger_voter **ret);
/* Every ill entry that the sentinel took stands among this member's void ones, under its author's name. */
void villain_note(struct sim *s, uint64_t index, struct bytes sealed, const char *nick);
void villains_named(struct person *p, const struct node_verdict *v);
void faults_heal(struct sim *s, bool all); /* ends what is over; all: everything */

/* ---- matrix.c ---- */
/* one: VICTIM:KIND:K[:TORN], to see that case alone; NULL: all. true: each came out right. */
bool matrix_run(uint64_t seed, const char *one);

/* ---- checks.c ---- */
void check_all(struct sim *s);
void heads_forget(struct sim *s);
void check_settled(struct sim *s);
bool check_quiet(struct sim *s); /* nothing is left to do */
uint64_t
held_by_vote_ms(const struct sim *s); /* so long nobody can begin an epoch; 0: somebody can */
bool excused(const struct person *p); /* lost by a restored backup, and says so */

/* early.c */
unsigned early_tap(void *arg, unsigned from, uint8_t type, struct bytes payload,
                   struct buf *ret_more);
void early_look(struct person *p); /* something came early */
void early_seen(struct person *p, unsigned number, const char *uuid);
void early_end(struct sim *s);

#endif
