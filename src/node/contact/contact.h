/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * contact: people whose card this person has (core/door/card), and how each
 * of them comes into an enclave of two. One of the two hosts: its daemon makes
 * the enclave at the sentinel inside it and leaves the invitation at a place
 * that only the two can find; the other one looks there, knocks, and is let in
 * at once, for its card was given by the owner. docs/spec/contacts.md.
 *
 * What happens is looked at, not waited for: contact_plan says what the next
 * step is and when, from what the enclave and the connection are like now.
 *
 * Owns: the list, the key's seed and the connection of each contact. Borrows
 *     the node; enclaves are found anew at each use.
 * Errors: of node.h. Order: contacts_start in node_start, ticks, contacts_stop,
 *     contacts_free.
 */
#ifndef ENCLAVE_NODE_CONTACT_H
#define ENCLAVE_NODE_CONTACT_H

#include "core/door/card.h"
#include "node/enclave/enclave.h"

#define CONTACTS_MAX NODE_ENCLAVES_MAX
#define CONTACT_TRY_MS 10000    /* a connection to leave or fetch a word is given so long */
#define CONTACT_ANSWER_MS 10000 /* then `peer add` is told how it stands, whatever happens after */
#define CONTACT_GRACE_MS 20000  /* both host: who gives way is waited for */
#define CONTACT_ENTER_MS 60000  /* an invitation that does not even open so long is given up */
#define CONTACT_PAUSE_MIN_MS 1000
#define CONTACT_PAUSE_MAX_MS 30000

enum contact_stage {
    CONTACT_WAITING = 0,  /* the other one is not here, or its word not there, yet */
    CONTACT_ENTERING = 1, /* we have its invitation and knock */
    CONTACT_TOGETHER = 2,
    CONTACT_LEAVING = 3, /* to be forgotten once the enclave is left */
    CONTACT_STAGES
};

#define CONTACT_ROW_VERSION 1
#define CONTACT_ROW_FIELDS(X, M)                                                \
    X(M, U8, version, 0, 0)                                                     \
    X(M, U8, stage, 0, 0)                                                       \
    X(M, U8, hosting, 0, 0)                                                     \
    X(M, U8, open, 0, 0)  /* our meeting room may exist */                      \
    X(M, FIX, tag, 16, 0) /* of the enclave; zeros: none yet */                 \
    X(M, VAR8, name, NODE_NAME_MAX, 0)                                          \
    X(M, VAR8, nick, NODE_NICK_MAX, 0)                                          \
    X(M, VAR8, address, LINK_ADDRESS_MAX, 0) /* where its sentinel is; empty */ \
    X(M, FIX, pin, 32, 0)                                                       \
    X(M, FIX, door, 32, 0) /* of our invitation; zeros: none made yet */        \
    X(M, VAR16, card, CARD_MAX, 0)
FIELDS_DECLARE(contact_row, CONTACT_ROW_FIELDS);

#define CONTACT_SELF_FIELDS(X, M) \
    X(M, U8, version, 0, 0)       \
    X(M, FIX, seed, CARD_SEED, 0) \
    X(M, VAR8, nick, NODE_NICK_MAX, 0)
FIELDS_DECLARE(contact_self, CONTACT_SELF_FIELDS);

enum contact_job { JOB_NONE, JOB_PUBLISH, JOB_SEEK, JOB_ERASE };

struct contact {
    struct node *node;
    uint64_t slot;
    enum contact_stage stage;
    bool hosting;
    bool open;
    uint8_t tag[16];
    char name[NODE_NAME_MAX + 1];
    char nick[NODE_NICK_MAX + 1]; /* our own */
    char address[LINK_ADDRESS_MAX + 1];
    uint8_t pin[32];
    uint8_t door[32];
    struct card card;
    struct buf card_bytes;
    const char *trouble; /* static; NULL */

    /* the connection to a meeting place */
    struct uplink up;
    enum contact_job job;
    bool job_over;
    uint64_t until_ms;
    struct link_peer server;
    struct meet meet; /* of the job; wiped with it */
    char dialled[LINK_ADDRESS_MAX + 1];
    uint8_t dialled_pin[32];
    char socks_user[33];

    bool published;
    bool found; /* its word was read: the next two */
    bool found_seeks;
    struct invitation invitation;
    uint64_t first_found_ms;
    uint64_t entering_ms; /* since the start */
    unsigned failed;      /* times we looked in vain since the start */
    uint64_t seek_ms, pause_ms, create_ms, invite_ms, meet_ms, leave_ms;

    size_t saves; /* commits on the way: nothing is answered, nothing freed before they are done */
    enum status kept; /* of the last commits: not ST_OK if one failed */
    bool dead;        /* its row is erased: freed when that is on disk */

    node_done *done; /* of `peer add` or `peer remove` */
    void *arg;
    bool answered; /* the answer is known: given as soon as all is on disk */
    enum status answer;
    const char *answer_text; /* static; NULL: how it stands */
    uint64_t answer_ms;
};

struct contacts {
    struct node *node;
    struct keep_space s_contacts, s_self;
    struct contact *list[CONTACTS_MAX];
    size_t n;
    uint64_t next_slot;
    uint8_t *seed; /* guarded; NULL: no key yet */
    uint8_t fingerprint[CARD_FINGERPRINT];
    char nick[NODE_NICK_MAX + 1];
};

/* ---- contact.c ---- */
/* The seed of our key, from the disk or new. */
enum status contacts_own(struct contacts *all, const uint8_t seed[CARD_SEED]) MUST_USE;
/* The enclave of the two; NULL: none, or gone. */
struct enclave *contact_enclave(const struct contact *c);
void contact_save(struct contact *c);
void contact_forget(struct contact *c); /* erases the row, and then the contact */
/* To whoever waits for this contact, once all is on disk. text: static; NULL: how it stands. */
void contact_answer(struct contact *c, enum status st, const char *text);
void contact_answer_now(struct contact *c);
void contact_tell(const struct contact *c, const char *kind, const char *text);
/* A name for the enclave that nothing else has. */
void contact_name(struct contact *c, const char *wanted);

/* ---- contact_view.c ---- */
void contact_view(const struct contact *c, char text[NODE_REASON_MAX], struct node_peer *ret);

/* ---- contact_steps.c ---- */
enum contact_step {
    STEP_NONE,
    STEP_TOGETHER,
    STEP_FORGET,
    STEP_AGAIN, /* what we entered by is no good: look again */
    STEP_LEAVE,
    STEP_GIVE_UP,
    STEP_CREATE,
    STEP_INVITE,
    STEP_REOPEN, /* the sentinel may not have the door */
    STEP_PUBLISH,
    STEP_ERASE,
    STEP_SEEK,
    STEP_JOB, /* the connection has something due */
    STEP_ANSWER
};
enum contact_step contact_plan(const struct contact *c, uint64_t now_ms, uint64_t *ret_at_ms);
void contact_tick(struct contact *c, uint64_t now_ms);

/* ---- contact_meet.c ---- */
void meet_begin(struct contact *c, enum contact_job job, uint64_t now_ms);
void meet_end(struct contact *c); /* not from inside its events */

#endif
