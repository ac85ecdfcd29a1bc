/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The crash matrix: one message is said in a world at rest, a victim dies after exactly K events of its
 * life, is back a second later, and when all has settled the message must be where it belongs, once.
 * Where writes wait for a victim's disk, each number of them that may outlive the crash is a case: TORN.
 * Each case runs in a copy of the same world (fork), so none depends on the ones before it.
 */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEOPLE 3
#define FROM 0
#define TO 1
#define TAIL 5           /* events beyond the end of its life: what comes then is as at rest */
#define SINGLY 60        /* so many first events are looked at one by one */
#define REST_STEP 6      /* of those behind them */
#define PAIR_STEP 3      /* of two victims at once */
#define EVENTS_MOST 3000 /* of an undisturbed life */
#define SIGN "+"

enum { SENDER = 1, RECEIVER = 2, SENTINEL = 4 };
/* WARM: words over links that are open, so that they leave before their commit is on disk. */
enum { WORDS, PRIVATE, NOTE, WARM, KINDS };

struct victim {
    const char *name;
    unsigned set;
    unsigned step; /* 0: as the others */
};

static const struct victim victims[] = {{"sender", SENDER, 0},
                                        {"receiver", RECEIVER, 0},
                                        {"sentinel", SENTINEL, 0},
                                        {"sender+sentinel", SENDER | SENTINEL, PAIR_STEP}};
#define VICTIMS (sizeof victims / sizeof victims[0])
static const char *const kind_names[KINDS] = {"words", "private", "note", "warm"};

/* What a copy of the world tells. */
struct outcome {
    bool right;
    bool durable;    /* the sender was told so before the crash or after */
    bool kept;       /* the sender shows it in the end */
    unsigned events; /* of an undisturbed life */
    unsigned waits;  /* writes that waited for a victim's disk */
};

struct matrix {
    struct sim *s;
    uint64_t seed; /* of the first of the worlds */
    unsigned victim, kind;
    unsigned target; /* message that a note speaks of */
    unsigned number; /* what is said has this one of s->messages, a note too */
};

struct totals {
    unsigned worlds, cases, torn, crashes, durable, kept, longest;
};

/* As sim --matrix --case takes it. */
static void name(struct matrix *m, unsigned k, unsigned torn)
{
    struct sim *s = m->s;
    snprintf(s->replay, sizeof s->replay, "%s:%s:%u:%u --seed %llu", victims[m->victim].name,
             kind_names[m->kind], k, torn, (unsigned long long)m->seed);
}

/* ---- what is shown ---- */

struct shown {
    const char *text; /* what the message begins with */
    const char *sender;
    unsigned times, signs, open; /* open: not marked as private */
    bool sent;
    unsigned delivered;
    uint64_t at;
};

static bool on_message(void *arg, const struct node_message *m)
{
    struct shown *w = arg;
    size_t n = strlen(w->text);
    if (m->text.n < n || memcmp(m->text.p, w->text, n) != 0) return true;
    w->times++;
    w->open += !m->private_word;
    w->sent = m->own && m->sent;
    w->delivered = m->delivered;
    w->at = m->number;
    for (size_t i = 0; i < m->n_signs; i++)
        w->signs += strcmp(m->signs[i].nick, w->sender) == 0 &&
                    bytes_same(m->signs[i].sign, BYTES_LIT(SIGN));
    return true;
}

static void look(struct sim *s, unsigned who, unsigned number, struct shown *ret)
{
    char text[16];
    snprintf(text, sizeof text, "w%u ", number);
    *ret = (struct shown){.text = text, .sender = s->people[FROM].nick};
    if (node_messages(s->people[who].node, SIM_NAME, 1, on_message, ret) != ST_OK)
        sim_fail(s, "m%u cannot read its messages", who);
    ret->text = NULL;
}

/* How often this one shows it. */
static unsigned times(const struct matrix *m, unsigned who)
{
    struct shown w;
    look(m->s, who, m->kind == NOTE ? m->target : m->number, &w);
    return m->kind == NOTE ? w.signs : w.times;
}

static bool is_for(const struct matrix *m, unsigned who)
{
    return m->kind != PRIVATE || who == FROM || who == TO;
}

/* ---- saying it ---- */

static void told(void *arg, const struct node_result *r)
{
    struct op *op = arg;
    struct sim *s = op->p->sim;
    if (r->st != ST_OK) sim_fail(s, "it cannot be said: %s", status_text(r->st));
    s->messages[op->number].durable = true;
    op_free(op);
}

/* Excused: check_delivery would ask for it of everybody, and the matrix knows better. */
static struct op *promise(struct sim *s, unsigned from)
{
    struct op *op = op_new(&s->people[from], 0, s->n_messages);
    s->messages[s->n_messages++] = (struct sim_message){
        .from = from, .at_ms = s->time.now_ms, .generation = s->generation, .excused = true};
    return op;
}

static void say_private(struct sim *s, unsigned from, unsigned to)
{
    char text[40];
    struct op *op = promise(s, from);
    snprintf(text, sizeof text, "w%u from m%u to m%u", s->n_messages - 1, from, to);
    struct node_say what = {.text = bytes_str(text), .to = s->people[to].nick};
    enum status st = node_send(s->people[from].node, SIM_NAME, &what, told, op);
    if (st != ST_OK) sim_fail(s, "it cannot be said: %s", status_text(st));
}

static void say_note(struct sim *s, unsigned target)
{
    struct shown of;
    struct op *op = promise(s, FROM);
    look(s, FROM, target, &of);
    enum status st = node_react(s->people[FROM].node, SIM_NAME, of.at, BYTES_LIT(SIGN), told, op);
    if (st != ST_OK) sim_fail(s, "it cannot be said: %s", status_text(st));
}

static void say(struct matrix *m)
{
    struct sim *s = m->s;
    m->number = s->n_messages;
    if (m->kind == PRIVATE)
        say_private(s, FROM, TO);
    else if (m->kind == NOTE)
        say_note(s, m->target);
    else if (!act_send_by(s, &s->people[FROM]))
        sim_fail(s, "nothing can be said");
    sim_trace(s, "m%u says w%u (%s)", FROM, m->number, kind_names[m->kind]);
}

/* ---- the crash ---- */

static void die(struct person *p, unsigned torn, struct outcome *ret)
{
    size_t waits = kv_mem_waiting(&p->kv);
    ret->waits += (unsigned)waits;
    kv_mem_tear(&p->kv, torn < waits ? torn : waits);
    person_crash(p);
}

static void crash(struct matrix *m, unsigned torn, struct outcome *ret)
{
    struct sim *s = m->s;
    unsigned set = victims[m->victim].set;
    if (set & SENDER) die(&s->people[FROM], torn, ret);
    if (set & RECEIVER) die(&s->people[TO], torn, ret);
    if (set & SENTINEL) vsentinel_crash(&s->sentinel);
    sim_trace(s, "%s is down", victims[m->victim].name);
    sim_run_for(s, SIM_SECOND);
    if (set & SENTINEL) vsentinel_boot(&s->sentinel);
    if (set & SENDER) person_boot(&s->people[FROM]);
    if (set & RECEIVER) person_boot(&s->people[TO]);
}

/* ---- what must hold ---- */

static bool tells(const struct sim *s, unsigned who)
{
    return (s->seed + who) % (NODE_RECEIPTS_READ + 1) != NODE_RECEIPTS_OFF;
}

/* Whom the sender knows to have it. */
static unsigned receipts_due(const struct matrix *m)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PEOPLE; i++) n += i != FROM && is_for(m, i) && tells(m->s, i);
    return n;
}

static void judge(const struct matrix *m, struct outcome *ret)
{
    struct sim *s = m->s;
    struct shown own;
    ret->durable = s->messages[m->number].durable;
    /* A row that reached the disk is said, though the crash came before the sender was told. */
    ret->kept = times(m, FROM) > 0;
    if (ret->durable && !ret->kept) sim_fail(s, "m%u was told that it is kept and lost it", FROM);
    for (unsigned i = 0; i < PEOPLE; i++) {
        unsigned n = times(m, i), must = ret->kept && is_for(m, i);
        if (n != must) sim_fail(s, "m%u shows it %u times, not %u", i, n, must);
        if (s->people[i].outbox != 0) sim_fail(s, "m%u still has something to send", i);
    }
    if (m->kind == NOTE || !ret->kept) return;
    look(s, FROM, m->number, &own);
    if (!own.sent) sim_fail(s, "m%u does not know that it was sent", FROM);
    if (own.delivered != receipts_due(m))
        sim_fail(s, "m%u knows %u members to have it, not %u", FROM, own.delivered,
                 receipts_due(m));
    for (unsigned i = 0; m->kind == PRIVATE && i < PEOPLE; i++) {
        look(s, i, m->number, &own);
        if (own.open) sim_fail(s, "m%u shows a private word as one to all", i);
    }
}

/* ---- one world ---- */

/* NULL: a code leaked, and a stranger at the door keeps the third one out. */
static struct sim *three(struct matrix *m, uint64_t seed, bool verbose)
{
    struct sim *s = sim_alloc(sizeof *s);
    sim_running(s);
    sim_start(s, seed, 0, PEOPLE, verbose);
    m->s = s;
    name(m, 0, 0);
    sim_found(s, PEOPLE);
    if (people_in(s, PERSON_IN) == PEOPLE) return s;
    sim_end(s);
    free(s);
    return NULL;
}

static struct sim *world(struct matrix *m, bool verbose)
{
    /* Seeds that follow each other: each kind of message meets each way of telling receipts. */
    uint64_t seed = m->seed + m->victim + VICTIMS * m->kind;
    struct sim *s = NULL;
    for (; !s; seed += VICTIMS * KINDS) s = three(m, seed, verbose);
    m->target = s->n_messages;
    if (!act_send_by(s, &s->people[TO])) sim_fail(s, "nothing can be said");
    /* A private word begins a conversation here, and goes on with one there. */
    if (m->kind == PRIVATE && m->victim % 2 == 0) say_private(s, TO, FROM);
    sim_settle(s);
    s->settling = false;
    /* The first opens links, the second has it on disk that numbers ahead count as used. */
    for (unsigned i = 0; m->kind == WARM && i < 2; i++) {
        if (!act_send_by(s, &s->people[FROM])) sim_fail(s, "nothing can be said");
        sim_run_for(s, 3 * SIM_SECOND);
    }
    return s;
}

static bool at_rest(const struct matrix *m)
{
    struct sim *s = m->s;
    struct shown own;
    if (!s->messages[m->number].durable) return false;
    for (unsigned i = 0; i < PEOPLE; i++) {
        person_look(&s->people[i]);
        if (times(m, i) != (is_for(m, i) ? 1U : 0U) || s->people[i].outbox != 0) return false;
    }
    if (m->kind == NOTE) return true;
    look(s, FROM, m->number, &own);
    return own.sent && own.delivered == receipts_due(m);
}

/* Undisturbed: how many events it takes. */
static void live(struct matrix *m, struct outcome *ret)
{
    say(m);
    while (!at_rest(m)) {
        if (ret->events == EVENTS_MOST) sim_fail(m->s, "it does not come to rest by itself");
        ret->events += sim_run_events(m->s, 1);
    }
}

static void run_case(struct matrix *m, unsigned k, unsigned torn, struct outcome *ret)
{
    struct sim *s = m->s;
    name(m, k, torn);
    say(m);
    sim_run_events(s, k);
    crash(m, torn, ret);
    if (m->kind == WARM) { /* what it says now must not take a number that was used: watch_early */
        sim_run_for(s, SIM_SECOND);
        if (!act_send_by(s, &s->people[FROM])) sim_fail(s, "nothing can be said any more");
    }
    sim_settle(s);
    judge(m, ret);
}

/* In a copy of this world, which ends with it; crashes: run_case, else live. */
static bool in_copy(struct matrix *m, bool crashes, unsigned k, unsigned torn, struct outcome *ret)
{
    int ends[2], status = 0;
    *ret = (struct outcome){0};
    fflush(stdout);
    if (pipe(ends) != 0) return false;
    pid_t child = fork();
    if (child == 0) {
        if (crashes)
            run_case(m, k, torn, ret);
        else
            live(m, ret);
        ret->right = true;
        _exit(write(ends[1], ret, sizeof *ret) == (ssize_t)sizeof *ret ? 0 : 1);
    }
    close(ends[1]);
    if (child < 0 || read(ends[0], ret, sizeof *ret) != (ssize_t)sizeof *ret) ret->right = false;
    close(ends[0]);
    if (child > 0) waitpid(child, &status, 0);
    return ret->right;
}

static unsigned crashes_of(unsigned set)
{
    return (set & SENDER ? 1U : 0U) + (set & RECEIVER ? 1U : 0U) + (set & SENTINEL ? 1U : 0U);
}

/* Every end that a crash after k events may have. */
static bool run_step(struct matrix *m, unsigned k, struct totals *t)
{
    const struct victim *v = &victims[m->victim];
    struct outcome o;
    bool right = true;
    unsigned torn = 0;
    do {
        bool good = in_copy(m, true, k, torn, &o);
        if (!good) {
            name(m, k, torn);
            printf("sim: matrix: victim %s, kind %s, k %u, torn %u: WRONG\n"
                   "replay: sim --matrix --case %s\n",
                   v->name, kind_names[m->kind], k, torn, m->s->replay);
        }
        right &= good;
        t->cases++;
        t->torn += o.waits > 0;
        t->crashes += crashes_of(v->set);
        t->durable += o.durable;
        t->kept += o.kept;
    } while (torn++ < o.waits);
    return right;
}

static bool run_world(struct matrix *m, struct totals *t)
{
    unsigned pace = victims[m->victim].step;
    struct outcome o;
    bool right = true;
    struct sim *s = world(m, false);
    if (!in_copy(m, false, 0, 0, &o)) return false;
    if (o.events > t->longest) t->longest = o.events;
    t->worlds++;
    for (unsigned k = 0; k <= o.events + TAIL; k += pace ? pace : k < SINGLY ? 1 : REST_STEP)
        right &= run_step(m, k, t);
    sim_end(s);
    free(s);
    return right;
}

/* ---- all of it, or one ---- */

static bool run_alone(uint64_t seed, const char *one)
{
    struct matrix m = {.seed = seed};
    struct outcome o = {0};
    char victim[24], kind[24];
    unsigned k, torn = 0;
    if (sscanf(one, "%23[^:]:%23[^:]:%u:%u", victim, kind, &k, &torn) < 3) return false;
    while (m.victim < VICTIMS && strcmp(victims[m.victim].name, victim) != 0) m.victim++;
    while (m.kind < KINDS && strcmp(kind_names[m.kind], kind) != 0) m.kind++;
    if (m.victim == VICTIMS || m.kind == KINDS) return false;
    struct sim *s = world(&m, true);
    run_case(&m, k, torn, &o);
    printf("sim: matrix: %s is right, %s\n", s->replay,
           o.durable ? "told as durable"
           : o.kept  ? "kept and not told"
                     : "lost before anybody was told");
    sim_end(s);
    free(s);
    return true;
}

bool matrix_run(uint64_t seed, const char *one)
{
    struct totals t = {0};
    bool right = true;
    if (one && run_alone(seed, one)) return true;
    if (one) {
        fprintf(stderr, "sim: no such case. example: sim --matrix --case sender:words:17\n");
        return false;
    }
    for (unsigned v = 0; v < VICTIMS; v++)
        for (unsigned k = 0; k < KINDS; k++)
            right &= (k == WARM && victims[v].set != SENDER) ||
                     run_world(&(struct matrix){.seed = seed, .victim = v, .kind = k}, &t);
    printf("sim: matrix: %u worlds, %u cases (lives of up to %u events; %u with a torn disk), %u "
           "crashes, %u told as durable, %u kept: %s\n",
           t.worlds, t.cases, t.longest, t.torn, t.crashes, t.durable, t.kept,
           right ? "right" : "WRONG");
    return right;
}
