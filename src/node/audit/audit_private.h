/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * audit_private: the inside of audit, shared by its files: audit (life,
 * schedule, rounds), audit_rows (what is kept), audit_out (feed 3), audit_view
 * (what people are shown).
 *
 * Owns: see audit.h. Errors: as there. Order: none.
 */
#ifndef ENCLAVE_NODE_AUDIT_PRIVATE_H
#define ENCLAVE_NODE_AUDIT_PRIVATE_H

#include "core/feed/entry23.h"
#include "node/audit/audit.h"
#include "node/repair/repair.h"
#include "node/shelf/shelf_depots.h"

#define AUDIT_FAULT_BYTES 50

/* Row holder + 1 of the space "audit". faults: AUDIT_FAULT_FIELDS, oldest first. */
#define AUDIT_KEPT_FIELDS(X, M)        \
    X(M, U8, version, 0, 0)            \
    X(M, U32, alpha, 0, 0)             \
    X(M, U32, beta, 0, 0)              \
    X(M, U64, window, 0, 0)            \
    X(M, FIX, there, AUDIT_WINDOWS, 0) \
    X(M, FIX, looks, AUDIT_WINDOWS, 0) \
    X(M, U32, rounds, 0, 0)            \
    X(M, U64, last_ms, 0, 0)           \
    X(M, U64, look_ms, 0, 0)           \
    X(M, FIX, tally, 6, 0)             \
    X(M, U32, day, 0, 0)               \
    X(M, FIX, days, AUDIT_DAYS, 0)     \
    X(M, LIST8, faults, AUDIT_FAULT_BYTES, AUDIT_FAULTS_MAX)
FIELDS_DECLARE(audit_kept, AUDIT_KEPT_FIELDS);

/* by: who saw it (leaf). shown: it is in feed 3. */
#define AUDIT_FAULT_FIELDS(X, M) \
    X(M, U64, time_ms, 0, 0)     \
    X(M, FIX, segment_id, 32, 0) \
    X(M, U8, index, 0, 0)        \
    X(M, U32, leaf_no, 0, 0)     \
    X(M, U8, verdict, 0, 0)      \
    X(M, U16, by, 0, 0)          \
    X(M, U16, times, 0, 0)
FIELDS_DECLARE(audit_fault, AUDIT_FAULT_FIELDS);

/* Row 0 of the space "audit". next_row: of our receipts; own_number, prev_own: of our entries. */
#define AUDIT_SELF_FIELDS(X, M) \
    X(M, U8, version, 0, 0)     \
    X(M, U64, next_row, 0, 0)   \
    X(M, U64, own_number, 0, 0) \
    X(M, FIX, prev_own, 32, 0)
FIELDS_DECLARE(audit_self, AUDIT_SELF_FIELDS);

/* Row 0 of the space "audit out": the entry on its way. below: of type RECEIPT: rows that it carries
 * end here; of type OBSERVATION: number of its proof. */
#define AUDIT_OUT_FIELDS(X, M)  \
    X(M, U8, type, 0, 0)        \
    X(M, U64, own_number, 0, 0) \
    X(M, U64, epoch, 0, 0)      \
    X(M, U64, below, 0, 0)      \
    X(M, VAR32, sealed, 524288, 0)
FIELDS_DECLARE(audit_out, AUDIT_OUT_FIELDS);

enum ask_state { ASK_WAITING, ASK_SENT, ASK_OVER };

struct audit_ask {
    struct audit_challenge c;
    struct audit_segment s;
    enum ask_state state;
    uint8_t tries, busy;
    uint64_t at_ms; /* sent then, or not before */
};

struct audit_round {
    bool used;
    uint16_t holder;
    uint64_t until_ms; /* of the search for a link */
    struct audit_ask asks[AUDIT_ROUND];
    size_t n;
    struct audit_tally tally;
    uint64_t lost; /* bit i: ask i brought a proof */
};

struct audit_holder {
    uint16_t holder;
    bool member;  /* or a storage node that is there */
    bool due_now; /* somebody waits for it */
    uint64_t due_ms;
    struct audit_score score;
    struct audit_windows windows;
    uint32_t rounds;
    uint64_t last_ms, look_ms; /* wall clock: last round, last look */
    struct audit_tally tally;  /* of the last round */
    uint32_t day;
    uint8_t days
        [AUDIT_DAYS]; /* score in percent at the end of a day, by day mod AUDIT_DAYS; 255: none */
    struct audit_fault faults[AUDIT_FAULTS_MAX];
    size_t n_faults;
    const char *result; /* static words on the last look */
};

struct audit {
    struct enclave *e;
    struct audit_server *server;
    struct keep_space s_kept, s_rows, s_proofs, s_out;
    struct audit_holder *holders[HOLD_LEAVES_MAX];
    size_t n;
    struct audit_round rounds[AUDIT_ROUNDS];
    uint32_t next_req;
    uint64_t next_ms;
    /* feed 3 */
    uint64_t next_row, shown_row; /* rows below are in feed 3 */
    uint64_t next_proof, shown_proof;
    uint64_t rows_since_ms; /* monotonic: the oldest row that waits; 0: none */
    bool hurry;             /* a fault waits to be told */
    uint64_t own_number;
    uint8_t prev_own[32];
    struct {
        bool there, ready, flying;
        uint8_t type;
        uint64_t own_number, epoch, below;
        struct buf sealed;
        uint64_t again_ms;
    } out;
    uint64_t digests_seen; /* index + 1 in the ledger of the newest that was judged */
    uint64_t digest_day;   /* the day on which we last meant to write one */
    size_t pending;        /* commits and appends that hold our address */
    bool freed;
};

/* audit.c */
struct audit_holder *audit_holder_of(const struct audit *a, uint16_t holder); /* NULL */
void audit_release(struct audit *a);
/* The key that a holder's answers are signed by, and the place that they name (audit_statement): a member's
 * ID key and the enclave, a storage node's own and the room. false: nobody has this number. */
struct audit_signer {
    const uint8_t *key, *place;
};
bool audit_signer_of(const struct audit *a, uint16_t holder, struct audit_signer *ret);

/* audit_rows.c */
enum status audit_rows_load(struct audit *a) MUST_USE;
void audit_holder_put(const struct audit *a, const struct audit_holder *h, struct keep_batch *b);
void audit_self_put(const struct audit *a, struct keep_batch *b);
void audit_fault_add(struct audit_holder *h, const struct audit_fault *f);
void audit_day_note(struct audit_holder *h, uint64_t now_ms);
/* A row of ours about one look at a holder, to be shown. */
void audit_row_add(struct audit *a, const struct audit_holder *h, bool there,
                   const struct audit_tally *t, struct keep_batch *b);
void audit_proof_add(struct audit *a, struct bytes proof, struct keep_batch *b);

/* audit_out.c */
void audit_send(struct audit *a);
enum status audit_out_load(struct audit *a) MUST_USE;
uint64_t audit_out_next_ms(const struct audit *a);

/* audit_digest.c */
enum audit_digest_verdict {
    DIGEST_RIGHT,
    DIGEST_FALSE,
    DIGEST_UNREAD /* its stretch is not here, or not readable */
};
enum audit_digest_verdict audit_digest_judge(struct audit *a, size_t i);
void audit_digest_tick(struct audit *a);

struct audit_opened {
    struct entry23 entry;
    uint64_t epoch;
    const struct ledger_leaf *leaf;
};
/* Entry of feed 3, signature checked; ST_PENDING: of an epoch that is still to come; ST_NOT_FOUND: of
 * one that we never had. */
enum status audit_open(struct enclave *e, struct bytes sealed, struct buf *plain,
                       struct audit_opened *ret) MUST_USE;

/* What is known of a segment; false: the tree does not name it. */
bool audit_segment_of(const struct audit *a, const uint8_t id[32], struct audit_segment *ret);

#endif
