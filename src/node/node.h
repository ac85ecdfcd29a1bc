/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * node: everything one person's daemon does, behind one object: their enclaves,
 * votes, words and files. It reaches the world through ports only, so the
 * daemon (libuv, SQLite, TLS) and the simulator (doubles) run the same code.
 *
 * Owns: itself and all enclaves in it; ports and options are borrowed and
 *     outlive it. Strings and views in results and visits are valid during the
 *     call only.
 * Errors: a refused call returns at once with a status and calls nothing back;
 *     an accepted one (ST_OK) calls done exactly once, later. node_result.text
 *     says in plain words what happened and what to type next.
 *     Every call but node_new/free needs node_start first: ST_LOCKED else.
 * Order: node_new, node_start (vault open), operations, node_stop, node_free.
 *     node_tick whenever node_next_ms says so.
 * Thread: loop thread only.
 */
#ifndef ENCLAVE_NODE_NODE_H
#define ENCLAVE_NODE_NODE_H

#include "base/bytes.h"
#include "base/env.h"
#include "core/ports/file.h"
#include "core/ports/kv.h"
#include "core/ports/link.h"
#include "core/ports/shard_store.h"
#include "core/ports/work.h"

#define NODE_ENCLAVES_MAX 64
#define NODE_NAME_MAX 64    /* an enclave's local name: letters, digits, '-', '_', '.' */
#define NODE_NICK_MAX 64    /* bytes of UTF-8 */
#define NODE_TEXT_MAX 32768 /* bytes of one message */
#define NODE_PATH_MAX 4096
#define NODE_CODE_MAX 600   /* an invitation as text */
#define NODE_SAFETY_SIZE 72 /* 12 groups of 5 digits, spaces, terminator */
#define NODE_REASON_MAX 256

struct node;

struct node_ports {
    const struct env *env;
    struct work work;
    struct kv kv;
    struct link_port link;
    struct file_port file;
    struct shard_store shards;
};

struct node_options {
    const char *listen;    /* "host:0" to listen for members on; NULL: circuits only */
    const char *announce;  /* hosts under which members reach it, comma-separated, "" if none */
    uint64_t offer;        /* most bytes of shards this machine keeps */
    const char *hosted;    /* "host:port#pin" of the sentinel inside this daemon, or NULL */
    uint64_t ballot_ms;    /* a ballot leaves at a random moment within this time */
    const char *socks;     /* "host:port" of a SOCKS5 proxy (tor mode goes through it), or NULL */
    bool socks_all;        /* every enclave goes through it */
    uint64_t start_gap_ms; /* most time between two enclaves' first diallings; 0: all at once */
    enum node_receipts {
        NODE_RECEIPTS_OFF,
        NODE_RECEIPTS_DELIVERED,
        NODE_RECEIPTS_READ
    } receipts; /* what the others are told of their words: nothing, here, read */
    uint64_t mute_messages, mute_bytes; /* of one author in an hour; more is muted; 0: never */
    uint32_t passes, memory_kib; /* Argon2id of files sealed by a password; 0: as for the vault */
    const uint8_t *place; /* 32 bytes that change when the store is a copy of the one used last;
                              NULL: not known. Another one than at the last start: keys are renewed
                              before anything is said, event "warning" */
};

struct node_result {
    enum status st;
    const char *text;
    const void *data; /* as the operation says; NULL if st is an error */
};
typedef void node_done(void *arg, const struct node_result *r);

struct node *node_new(const struct node_ports *ports, const struct node_options *options);
/* mk: the vault's master key, rk: its recovery key (what the 24 words stand for); both are copied
 * into guarded memory. Loads all enclaves and connects. */
enum status node_start(struct node *n, const uint8_t mk[32], const uint8_t rk[32]) MUST_USE;
/* Closes links, lets running commits end, then calls done. */
void node_stop(struct node *n, node_done *done, void *arg);
void node_free(struct node *n);
uint64_t node_next_ms(const struct node *n); /* by env_mono_ms; UINT64_MAX: nothing due */
void node_tick(struct node *n);

/* ---- events: what the event ring shows; kinds are stable texts ---- */

struct node_event {
    const char *
        kind; /* "message", "early", "unsettled", "sent", "edit", "unsaid", "reaction", "receipt", "gone", "history", "proposal", "vote", "member", "epoch", "file", "transfer",
                         "sentinel", "warning", "join", "left", "kit", "peer" */
    const char *enclave;
    const char *text; /* one plain line */
    const char *who;  /* nick, or "" */
    uint64_t number;  /* message number, proposal index, ...; 0 if none */
    uint64_t time_ms; /* wall clock */
};
typedef void node_listener(void *arg, const struct node_event *e);
void node_listen(struct node *n, node_listener *listener, void *arg); /* one listener */

/* ---- enclaves ---- */

enum node_state {
    NODE_JOINING,
    NODE_REFUSED,
    NODE_MEMBER,
    NODE_LEAVING,
    NODE_HALTED,
    NODE_REMOVED /* the others removed us, or our recovery key did: what is here can be read */
};

struct node_enclave_info {
    const char *name;
    char id[65]; /* enclave id in hex; "" while joining is not through */
    enum node_state state;
    const char *nick;     /* our own */
    const char *sentinel; /* "host:port" */
    bool online;          /* attached to the sentinel now */
    const char *trouble;  /* "" or what is wrong, in words, and the next step */
    unsigned members;
    unsigned reachable; /* members with a live link or present at the sentinel, us included */
    unsigned open_proposals;
    uint64_t unread;
    uint64_t epoch;
    const char *ballot; /* "open" | "secret" */
    const char *mode;   /* "direct" | "relay" | "tor" */
    unsigned confirmed; /* members, us included, whose signed words show our history as far as they
                           should by now (group_settled); doubtful: under half, or we alone */
    bool doubtful;
    bool movable; /* if its sentinel were lost now, the room could be made again at another one */
    const char *removed; /* "" or why we were removed: the proposal's reason, by whom */
    uint64_t outbox;     /* entries not yet acknowledged by the sentinel */
    uint64_t held_bytes; /* shards kept here for this enclave */
    uint64_t ledger_count;
    uint64_t keep_ms;              /* this machine erases messages after so long; 0: never */
    char head[17];                 /* first 8 bytes of the ledger's chain in hex */
    char safety[NODE_SAFETY_SIZE]; /* while joining: to be compared with a member; else "" */
};
typedef void node_enclave_visit(void *arg, const struct node_enclave_info *e);
void node_enclaves(struct node *n, node_enclave_visit *visit, void *arg);
/* One enclave by its name or a unique prefix of 8 or more characters of its id. */
enum status node_enclave(struct node *n, const char *name, node_enclave_visit *visit,
                         void *arg) MUST_USE;

struct node_create {
    const char *name;
    const char *nick;
    const char
        *sentinel;      /* "HOST:PORT#PIN" (64 hex), or several with commas: the first is used, the
                             others are where the enclave may move to; NULL: the hosted one */
    const char *ballot; /* NULL or "secret", or "open" */
    const char *mode;   /* NULL or "direct", "relay", "tor" */
    const uint8_t *tag; /* 16 random bytes that its rows shall be named by; NULL: drawn */
};
/* data: struct node_enclave_info. Done when GENESIS is acknowledged. */
enum status node_create(struct node *n, const struct node_create *req, node_done *done,
                        void *arg) MUST_USE;

struct node_invitation {
    char code[NODE_CODE_MAX]; /* enclave:... */
    uint64_t expiry_ms;
};
/* data: struct node_invitation. ttl_ms 0: 7 days. */
enum status node_invite(struct node *n, const char *enclave, uint64_t ttl_ms, node_done *done,
                        void *arg) MUST_USE;

struct node_join {
    const char *code;
    const char *nick;
    const char *name;    /* local name; NULL: the name its creator gave it, once known */
    const char *message; /* to those who vote; may be NULL */
    const char *mode;    /* NULL, or "tor": through the proxy from the first byte */
    const uint8_t *tag;  /* as in node_create */
    const char *address; /* where the sentinel is dialled; NULL: where the code says */
};
/* Done when the knock is at the door (data: struct node_enclave_info with the safety code). The
 * joining goes on by itself, over restarts; event "join" tells how it ends. A second call with
 * the same code gives the state: ST_PENDING, ST_REFUSED or ST_OK. */
enum status node_join(struct node *n, const struct node_join *req, node_done *done,
                      void *arg) MUST_USE;

/* data: NULL. Done when LEAVE and the seat's drop are acknowledged and the keys are shredded. */
enum status node_leave(struct node *n, const char *enclave, node_done *done, void *arg) MUST_USE;
/* The same, but what the others need of the shards kept here is made anew at others first; that goes
 * on over restarts until it is done. wait: done is told when all is over; else when it has begun. */
enum status node_part(struct node *n, const char *enclave, bool wait, node_done *done,
                      void *arg) MUST_USE;
/* What would be lost if we left now. */
struct node_leave_view {
    unsigned members;    /* 1: the enclave ends with us */
    uint64_t files;      /* in the enclave */
    uint64_t held_bytes; /* shards that we keep for it */
    uint64_t lost;       /* files that the others could not read without us */
    uint64_t lost_bytes;
    uint64_t weaker;      /* files that would survive, but not one loss more */
    const char *examples; /* up to ten lost paths, a line each */
};
typedef void node_leave_visit(void *arg, const struct node_leave_view *v);
enum status node_leave_preview(struct node *n, const char *enclave, node_leave_visit *visit,
                               void *arg) MUST_USE;
/* Erases this machine's copy at once, whatever the others and the sentinel say; to them we are
 * still a member. data: NULL. */
enum status node_destroy(struct node *n, const char *enclave, node_done *done, void *arg) MUST_USE;

/* ---- keys and machines ---- */

/* A new epoch now, by us. data: NULL. Done when the COMMIT is in the ledger. */
enum status node_rekey(struct node *n, const char *enclave, node_done *done, void *arg) MUST_USE;
/* Tells the others that we are away until then (wall clock; 0: back). Done when it is in. */
enum status node_away(struct node *n, const char *enclave, uint64_t until_ms, node_done *done,
                      void *arg) MUST_USE;
/* Appends the recovery kit (sealed by the recovery key): where each enclave's sentinels and room are,
 * so that the 24 words alone can revoke this machine from anywhere. Event "kit" tells that it has
 * changed. */
enum status node_kit(struct node *n, struct buf *out) MUST_USE;
/* Revokes the machine that a kit speaks of in all its enclaves, or in the named one: knocks at the
 * standing doors. Needs no node_start. data: struct node_revoked, ST_OK also when nothing was told. Done
 * when every sentinel has answered or failed. ST_BAD_SEAL: other words; ST_NOT_FOUND: not in the kit. rk: what the words stand for. */
struct node_revoked {
    unsigned enclaves;  /* in the kit (or the named one) */
    unsigned told;      /* revocations that a sentinel took */
    const char *detail; /* a line an enclave: its name and what happened */
};
enum status node_revoke(struct node *n, struct bytes kit, const uint8_t rk[32], const char *enclave,
                        node_done *done, void *arg) MUST_USE;

/* ---- the ledger looked at ---- */

struct node_verdict {
    uint64_t entries, valid, void_entries;
    uint64_t epochs, commits;
    uint64_t votes, tallies_secret, tallies_open; /* votes; tallies recounted */
    uint64_t passed, refused, expired, withdrawn, voided;
    unsigned members, members_ever;
    char head[65];     /* chain after the last entry, in hex */
    const char *voids; /* a line each for the first fifty void entries: index, author, reason */
    bool agrees;       /* the head is the one this member keeps */
    bool fork;         /* a proof of two histories is kept: node_proof */
};
/* Reads the whole ledger again from its sealed entries, on a worker. data: struct node_verdict. */
enum status node_verify(struct node *n, const char *enclave, node_done *done, void *arg) MUST_USE;
/* The kept proof of a fork; ST_NOT_FOUND: none. */
enum status node_proof(struct node *n, const char *enclave, struct buf *out) MUST_USE;
/* Checks a proof that anybody brought; needs no enclave. Appends a text in plain words.
 * ST_INTEGRITY: it proves nothing. */
enum status node_check_proof(struct node *n, struct bytes proof, struct buf *out) MUST_USE;

/* ---- check: is what this machine keeps sound? ---- */

struct node_check_ask {
    const char *enclave;
    unsigned percent; /* of the columns at the other holders that are read too */
    bool mend;        /* then what is damaged here is made again */
};
/* Begins one; how it goes: node_check_look. ST_BUSY: one runs. */
enum status node_check(struct node *n, const struct node_check_ask *ask) MUST_USE;
struct node_check_file {
    struct bytes path;
    unsigned bad; /* shards, of all its segments */
    bool readable;
};
struct node_check {
    const char *enclave;
    const char *state; /* "entries", "listing", "shards", "mending", "done" */
    uint64_t bytes, total, rate, eta_ms;
    uint64_t rows, rows_bad, rows_mended;   /* kept entries of the feeds */
    uint64_t own, own_bad, missing, mended; /* shards here */
    uint64_t spare;                         /* of these, of no file that the tree has (yet) */
    uint64_t far, far_bad, away;            /* columns elsewhere; away: no answer */
    unsigned files_hurt, files_lost;        /* lost: cannot be read now */
    const struct node_check_file *files;    /* the first of them */
    size_t n_files;
    const char *detail; /* a line for each of the first damaged entries and shards */
    bool sound;
    char text[128];
    char next[192];
};
typedef void node_check_visit(void *arg, const struct node_check *c);
/* The check that runs, or the last one; ST_NOT_FOUND: none since the start. */
enum status node_check_look(struct node *n, const char *enclave, node_check_visit *visit,
                            void *arg) MUST_USE;

/* Rebuilds the room at another sentinel of the voted list from this member's copy. address: "host:port"
 * of that list, NULL: the next one that answers. data: NULL. Done when we are attached there. */
enum status node_rehome(struct node *n, const char *enclave, const char *address, node_done *done,
                        void *arg) MUST_USE;

/* ---- contacts: people whose card we have, an enclave of two with each ---- */

#define NODE_CARD_MAX 2048 /* bytes of a card */
#define NODE_KEY_WORDS 12
#define NODE_FINGERPRINT_MIN 8 /* characters of a fingerprint or id that name somebody ... */
#define NODE_FINGERPRINT_PROOF \
    32 /* ... and that prove: a card that begins like another is soon made */

struct node_key_ask {
    const char *nick; /* our name on it, kept for the next time; NULL: the one kept */
    bool bare;        /* without the address of the sentinel inside */
};
struct node_key {
    char fingerprint[65];
    char words[NODE_KEY_WORDS * 9]; /* its first 128 bits as words */
    const char *nick;
    const char *address; /* on the card; "" */
    struct bytes card;
};
/* Our own card; the key is made at the first call. data: struct node_key. ST_USAGE: no name is kept, or
 * it is not allowed. */
enum status node_key(struct node *n, const struct node_key_ask *ask, node_done *done,
                     void *arg) MUST_USE;

struct node_peer {
    const char *name; /* of the enclave */
    const char *nick; /* as the card says */
    char fingerprint[65];
    char words[NODE_KEY_WORDS * 9];
    const char *state;   /* "waiting", "entering", "connected", "alone" (the other left), "refused",
                            "leaving" */
    const char *host;    /* "you", "peer", "" (not known yet) */
    const char *address; /* where its sentinel is looked for; "" */
    bool reachable;
    char safety[NODE_SAFETY_SIZE]; /* of the enclave: "" before the two are in it */
    const char *text;              /* how it stands, and what to do */
};
struct node_peer_add {
    struct bytes card;
    const char *address; /* "host:port" or "host:port#pin" of the other's sentinel; NULL: the
                                card's, or ours if this daemon hosts */
    const char *name;    /* of the enclave; NULL: the card's nick */
    const char *nick;    /* our own; NULL: the one on our card */
    const char *
        fingerprint; /* NULL, or NODE_FINGERPRINT_PROOF or more characters of it that must be right */
};
/* Durable when done, which is when the two are connected, or it is clear what is waited for, or after
 * ten seconds; it goes on by itself, event "peer". data: struct node_peer. */
enum status node_peer_add(struct node *n, const struct node_peer_add *req, node_done *done,
                          void *arg) MUST_USE;
typedef void node_peer_visit(void *arg, const struct node_peer *p);
enum status node_peers(struct node *n, node_peer_visit *visit, void *arg) MUST_USE;
/* peer: the enclave's name, the nick, or 8 or more characters of the fingerprint. ST_NOT_FOUND;
 * ST_CONFLICT: several. Leaves the enclave and forgets the card. data: NULL. */
enum status node_peer_remove(struct node *n, const char *peer, node_done *done, void *arg) MUST_USE;
/* Where the other's sentinel is now; its key is the same. data: struct node_peer. */
enum status node_peer_address(struct node *n, const char *peer, const char *address,
                              node_done *done, void *arg) MUST_USE;
/* The enclave of this name waits for its second member: words would be said to nobody. */
bool node_peer_awaited(struct node *n, const char *enclave);
/* Why no enclave is found by this name: ST_CONFLICT, ST_USAGE (too short), ST_PENDING or ST_NOT_FOUND,
 * in words. */
enum status node_why_not(struct node *n, const char *name, const char **ret_text) MUST_USE;

/* ---- where shards are kept ---- */

struct node_storage {
    unsigned number; /* of the holder: a member's leaf, or 0x1000 and up */
    const char *who; /* nick, or address of the storage node */
    bool node;       /* a storage node, no member */
    bool self;
    bool up;           /* linked now */
    const char *state; /* "member"; "signing" (most have not signed yet), "waiting" (for the node to
                          take the grant), "ready", "let go" */
    bool told;         /* used, free and offered are what it last said */
    uint64_t used, free, offered;
    uint64_t placed;    /* bytes that the tree says it keeps; members only */
    uint64_t expiry_ms; /* of the grant; renewed by itself */
    uint64_t trash;     /* segments that go within 7 days */
    char pin[65];
    const char *text; /* "" or what is wrong, and what to do */
};
typedef void node_storage_visit(void *arg, const struct node_storage *v);
enum status node_storage(struct node *n, const char *enclave, node_storage_visit *visit,
                         void *arg) MUST_USE;
/* Takes a storage node on: the terms go to all members, whose daemons sign them; done when they are in
 * the feed. quota 0: all that is offered. ST_BAD_MESSAGE: no offer; ST_QUOTA: more than is offered;
 * ST_REPLAY: the offer is too old; ST_DENIED: the mode hides addresses; ST_PENDING: the seat list is
 * changing. */
enum status node_storage_add(struct node *n, const char *enclave, const char *offer, uint64_t quota,
                             node_done *done, void *arg) MUST_USE;
enum status node_storage_remove(struct node *n, const char *enclave, uint64_t number,
                                node_done *done, void *arg) MUST_USE;
/* Most bytes of shards that this machine keeps for each enclave from now on, kept over restarts. */
enum status node_storage_offer(struct node *n, uint64_t bytes, node_done *done, void *arg) MUST_USE;
uint64_t node_storage_offered(const struct node *n);

/* ---- members and votes ---- */

struct node_member {
    unsigned leaf;
    const char *nick;
    char id[65];
    bool self;
    const char *path;     /* "self", "direct", "circuit", "online" (at the sentinel), "offline" */
    uint64_t since_index; /* ledger index of the ADD */
    uint64_t held_bytes;  /* shards it keeps of this enclave's files, as the tree says */
    uint64_t agreed;      /* entries of the ledger that its last signed words confirm */
    uint64_t last_ms;     /* time of its last entry in the ledger, as it said itself; 0: none yet */
    uint64_t away_ms;     /* away until then, by its own word; 0: not away */
    uint64_t muted;       /* it is flooding: so many of its messages were not told; 0: it is not */
    bool silent;          /* nothing from it for longer than the idle limit, and not away */
};
typedef void node_member_visit(void *arg, const struct node_member *m);
enum status node_members(struct node *n, const char *enclave, node_member_visit *visit,
                         void *arg) MUST_USE;

struct node_ballot {
    const char *nick;
    const char *choice; /* "yes", "no" (open ballots, or our own), "voted", "waiting" */
    uint64_t away_ms;   /* as in node_member */
};
struct node_proposal {
    uint64_t number;     /* ledger index of the PROPOSE; 0 while it only knocks */
    char ref[17];        /* what `vote` takes: the first 8 bytes of the proposal hash in hex */
    const char *kind;    /* "add", "remove", "policy" */
    const char *state;   /* "knocking", "open", "passed", "added", "removed", "changed", "refused",
                          "expired", "withdrawn", "void" */
    const char *nick;    /* add: the candidate; remove: the targets, with commas; policy: "" */
    const char *message; /* add: the candidate's words; else the proposer's reason */
    const char *changes; /* policy: a line each, "key: old -> new"; else "" */
    const char *by;      /* proposer's nick */
    bool compared;
    char safety[NODE_SAFETY_SIZE]; /* add only */
    uint64_t time_ms;
    uint64_t deadline_ms; /* from then on it may be declared expired, by our own clock */
    bool secret;          /* a secret ballot: who said what is never known */
    const char *limits;   /* what the mathematics cannot hide with so few voters; "" */
    const struct node_ballot *ballots;
    size_t n_ballots;
    bool mine_to_vote; /* we have not voted and may */
    bool mine_to_withdraw;
};
typedef void node_proposal_visit(void *arg, const struct node_proposal *p);
/* all: also those that are closed. */
enum status node_proposals(struct node *n, const char *enclave, bool all,
                           node_proposal_visit *visit, void *arg) MUST_USE;

struct node_vote {
    const char *enclave;
    const char
        *ref; /* prefix of a proposal's ref, a candidate's or target's nick, or NULL if one is
                        open */
    bool yes;
    bool compared; /* the safety codes were compared */
    bool now;      /* do not wait for a random moment */
};
/* data: NULL. Done when the BALLOT is in the ledger. */
enum status node_vote(struct node *n, const struct node_vote *req, node_done *done,
                      void *arg) MUST_USE;

/* Proposes to remove members (several only if each is silent), with our own yes at once. */
struct node_remove {
    const char *enclave;
    const char *who;    /* nicks or leaf numbers, with commas */
    const char *reason; /* to those who vote; may be NULL */
    bool now;
};
enum status node_propose_remove(struct node *n, const struct node_remove *req, node_done *done,
                                void *arg) MUST_USE;

/* What can be changed by vote: "ballot" (secret|open), "mode" (direct|relay|tor), "deadline" (time),
 * "compression" (on|off: of words), "history" (yes|no: newcomers get the keys of older files), "idle" (time, "never"), "rekey" (time),
 * "sentinels" (HOST:PORT#PIN with commas). */
struct node_setting {
    const char *key;
    const char *value; /* as one would type it */
    const char *help;
};
typedef void node_setting_visit(void *arg, const struct node_setting *s);
enum status node_policy(struct node *n, const char *enclave, node_setting_visit *visit,
                        void *arg) MUST_USE;
struct node_policy_change {
    const char *enclave;
    const char *changes; /* "key=value", with ';' between several */
    const char *reason;
    bool now;
};
enum status node_propose_policy(struct node *n, const struct node_policy_change *req,
                                node_done *done, void *arg) MUST_USE;

/* The proposer takes an open proposal back. ref as in node_vote. */
enum status node_withdraw(struct node *n, const char *enclave, const char *ref, node_done *done,
                          void *arg) MUST_USE;

/* ---- words ---- */

#define NODE_LASTS_MAX_S (UINT32_C(366) * 86400)
#define NODE_SIGN_MAX 32 /* bytes of a reaction */

struct node_say {
    struct bytes text; /* names after an @ are mentions; may be empty with a path */
    struct bytes path; /* a file of the enclave; empty: none */
    const char
        *to; /* members (nick, or 8 or more characters of the id), with commas: a private word to
                          each; NULL: to all */
    uint64_t reply;   /* number of the message that it answers; 0: none */
    uint32_t lasts_s; /* each member's copy is dropped so long after it came; 0: never */
};
/* data: const uint64_t * = the message's number (the last one's of several). Done when it is durable here; st is ST_OK also
 * when the sentinel is away, text says so then. ST_NOT_FOUND: also no such
 * file, message to answer, or member; ST_CONFLICT: several members of that name; ST_USAGE: also if private
 * words are answered to anybody but the other one of the two. */
enum status node_send(struct node *n, const char *enclave, const struct node_say *what,
                      node_done *done, void *arg) MUST_USE;
/* Each line of text that is not empty is a message to all, many of them in one entry. ST_TOO_BIG: a line is longer than
 * NODE_TEXT_MAX; ST_USAGE: there is no line. data and done as with node_send. */
enum status node_send_lines(struct node *n, const char *enclave, struct bytes text, node_done *done,
                            void *arg) MUST_USE;
/* Own messages are changed or taken back everywhere (ST_CONFLICT: not yours; ST_NOT_FOUND); any may get a
 * sign of ours, at most NODE_SIGN_MAX bytes, empty takes it away. data and done as with node_send. */
enum status node_edit(struct node *n, const char *enclave, uint64_t number, struct bytes text,
                      node_done *done, void *arg) MUST_USE;
enum status node_unsay(struct node *n, const char *enclave, uint64_t number, node_done *done,
                       void *arg) MUST_USE;
enum status node_react(struct node *n, const char *enclave, uint64_t number, struct bytes sign,
                       node_done *done, void *arg) MUST_USE;

struct node_sign {
    const char *nick;
    struct bytes sign;
};

struct node_message {
    uint64_t number; /* local, ascending in order of arrival, from 1 */
    const char *nick;
    bool own;
    bool sent;      /* own: acknowledged by the sentinel */
    bool unsettled; /* handed over by its author, not in the feed yet: it has no number */
    uint64_t time_ms;
    bool odd_time; /* more than 5 minutes off when it came */
    struct bytes text;
    char uuid[37];
    uint64_t lost_before; /* messages of this sender known to be missing before this one */
    bool private_word;    /* between its author and one reader */
    const char *to;       /* own private word: to whom; else "" */
    bool unsaid;          /* taken back by its author: no text */
    bool muted;           /* its author was flooding when it came */
    bool mentions_us;
    bool answers; /* reply: the message's number, 0: one that is not here */
    uint64_t reply;
    uint64_t edited_ms; /* 0: never */
    uint64_t ends_ms;   /* it is dropped here then; 0: never */
    struct bytes path;  /* a file of the enclave */
    const struct node_sign *signs;
    size_t n_signs;
    unsigned delivered, read_by,
        of; /* own: members who have it, who have read it, of how many others */
};
typedef bool node_message_visit(void *arg, const struct node_message *m); /* false stops */
/* Messages from number `from` on. */
enum status node_messages(struct node *n, const char *enclave, uint64_t from,
                          node_message_visit *visit, void *arg) MUST_USE;
/* What members handed over before it is in the feed, in order of arrival. In memory only: each is told by
 * an event "early", and is either a message soon, or told by an event "unsettled" after a minute. */
enum status node_early(struct node *n, const char *enclave, node_message_visit *visit,
                       void *arg) MUST_USE;
/* The newest number so far; 0: none. */
enum status node_last_message(struct node *n, const char *enclave, uint64_t *ret) MUST_USE;
/* Everything up to number is read: what `unread` counts from. */
enum status node_mark_read(struct node *n, const char *enclave, uint64_t number) MUST_USE;

/* ---- history: docs/spec/history.md ---- */

#define NODE_KEEP_MIN_MS (UINT64_C(30) * 86400 * 1000)
#define NODE_KEEP_MAX_MS (UINT64_C(36500) * 86400 * 1000)
#define NODE_PASSWORD_MIN 8 /* characters of an exported file's */
#define NODE_SHARE_MAX 1000 /* messages, and bytes of them, shared at once */
#define NODE_SHARE_BYTES ((size_t)2 << 20)

struct node_history {
    const char *name;
    uint64_t keep_ms; /* 0: for ever */
    uint64_t first,
        last;          /* numbers of the oldest message that is here, and of the newest so far; 0 */
    uint64_t since_ms; /* when the oldest was said */
};
enum status node_history(struct node *n, const char *enclave, struct node_history *ret) MUST_USE;
/* From now on messages that came longer ago are erased here; 0: never. data: NULL. ST_USAGE: out of
 * bounds. ST_PENDING: not inside yet. */
enum status node_history_keep(struct node *n, const char *enclave, uint64_t keep_ms,
                              node_done *done, void *arg) MUST_USE;

struct node_share {
    const char *enclave;
    const char *who;   /* one member */
    uint64_t since_ms; /* only what was said from then on; 0: from the beginning */
    size_t most;       /* the newest so many; 0: NODE_SHARE_MAX */
};
/* What was said to all goes to that member in private words. data: const uint64_t * = how many. ST_REFUSED: by
 * policy history=no; ST_EXISTS: there is nothing to share. */
enum status node_history_share(struct node *n, const struct node_share *req, node_done *done,
                               void *arg) MUST_USE;

/* Words from a file or from another member, apart from the enclaves' own. */
struct node_archive {
    const char *name;
    bool shared;         /* by a member, who alone vouches for it; else from a file */
    const char *enclave; /* its name */
    const char *by;      /* who shares it, or wrote the file */
    uint64_t messages;
    uint64_t since_ms, until_ms; /* said between */
    uint64_t made_ms;            /* came here */
};
typedef void node_archive_visit(void *arg, const struct node_archive *a);
void node_archives(struct node *n, node_archive_visit *visit, void *arg);
enum status node_archive_read(struct node *n, const char *archive, uint64_t from,
                              node_message_visit *visit, void *arg) MUST_USE;
enum status node_archive_forget(struct node *n, const char *archive, node_done *done,
                                void *arg) MUST_USE;

/* One at a time (ST_BUSY); they go on by themselves, node_history_job tells how. */
struct node_history_job {
    uint64_t id;
    const char *kind;    /* "export" | "import" */
    const char *state;   /* "deriving", "writing", "reading", "done", "failed" */
    const char *local;   /* the file */
    const char *archive; /* import, done: its name; "" if all of it was here already */
    uint64_t messages;
    uint64_t done, total; /* export: message numbers; import: bytes of the file */
    uint64_t rate;        /* of these in a second */
    uint64_t eta_ms;
    enum status st;
    const char *text; /* plain words */
};
struct node_history_file {
    const char *enclave; /* export */
    const char *name;    /* import: how the archive is called; NULL: as the enclave was */
    const char *local;   /* absolute path */
    struct bytes password;
    bool replace; /* export */
};
/* data: struct node_history_job; done when it has begun. */
enum status node_history_export(struct node *n, const struct node_history_file *req,
                                node_done *done, void *arg) MUST_USE;
enum status node_history_import(struct node *n, const struct node_history_file *req,
                                node_done *done, void *arg) MUST_USE;
typedef void node_history_job_visit(void *arg, const struct node_history_job *j);
/* The one that runs, or the last one; ST_NOT_FOUND: none since the start. */
enum status node_history_job(struct node *n, node_history_job_visit *visit, void *arg) MUST_USE;

/* ---- files ---- */

struct node_transfer {
    uint64_t id;
    const char *enclave;
    const char *kind; /* "put" | "get" */
    const char *path; /* inside the enclave */
    const char *local;
    const char *state; /* "reading", "spreading", "accepted", "safe", "fetching", "done", "failed",
                          "waiting" */
    uint64_t total;    /* bytes of the file */
    uint64_t bytes;    /* done */
    uint64_t saved;    /* put: bytes of chunks that were there already */
    uint64_t rate;     /* bytes a second, lately */
    uint64_t eta_ms;
    unsigned holders_done;
    unsigned holders;
    enum status st;
    const char *text; /* plain words: "safe on 3 of 5, spreading", bad shards by name */
};
typedef void node_transfer_visit(void *arg, const struct node_transfer *t);
void node_transfers(struct node *n, node_transfer_visit *visit, void *arg);
enum status node_transfer(struct node *n, uint64_t id, node_transfer_visit *visit,
                          void *arg) MUST_USE;

struct node_put {
    const char *enclave;
    const char *local;   /* absolute path */
    struct bytes path;   /* inside the enclave; empty: the local file's name at the top */
    const char *profile; /* NULL: balanced; or "thrifty", "mirror", "k/n" */
    bool strict;         /* fail unless every column is placed */
    bool stream;         /* local is a named pipe (core/ports/file.h) */
    uint64_t most;       /* bytes that it may bring; 0: any number */
};
/* data: struct node_transfer. Done when the job is durable; it goes on by itself: events
 * "transfer" and node_transfer tell. */
enum status node_put(struct node *n, const struct node_put *req, node_done *done,
                     void *arg) MUST_USE;

/* Which version of a path; both zero: the living one, else the one that was removed last. */
struct node_version_of {
    uint64_t number;
    uint64_t at_ms; /* the one that was there then */
};

struct node_get {
    const char *enclave;
    struct node_version_of of;
    struct bytes path;
    const char *local; /* absolute path of the file to write, or of a named pipe that is read */
    bool replace;
    uint64_t from, to; /* bytes wanted; to == 0: up to the end */
};
enum status node_get(struct node *n, const struct node_get *req, node_done *done,
                     void *arg) MUST_USE; /* data: struct node_transfer; done when it has begun */

struct node_file {
    struct bytes path;
    bool directory;
    uint64_t size;
    uint64_t mtime_ms;
    uint64_t version;
    const char *by;
    const char *safety; /* "any 3 of 5 members may vanish", "only on this machine", ... */
    unsigned may_vanish;
    unsigned holders;
    unsigned k, n;
    unsigned segments;
    uint64_t shared;      /* info only: bytes of it that lie in segments of other versions */
    unsigned bad_shards;  /* known to be damaged */
    const char *detail;   /* info only: placement in words, a line a holder */
    char sha256[65];      /* info only, "" elsewhere */
    const char *survival; /* chance that it can be read, as holders were measured: "99.9541 %" */
    const char *weakest;  /* whose loss would cost most of it; "": nobody's */
};
typedef void node_file_visit(void *arg, const struct node_file *f);
enum status node_ls(struct node *n, const char *enclave, struct bytes path, node_file_visit *visit,
                    void *arg) MUST_USE;
enum status node_info(struct node *n, const char *enclave, struct bytes path,
                      node_file_visit *visit, void *arg) MUST_USE;
/* An outage rehearsed on the placement as it is: without: names with commas, NULL: nobody. */
struct node_drill_view {
    unsigned without;
    uint64_t files, readable, lost, lost_bytes;
    uint64_t weaker;     /* could be read, but not with one loss more */
    unsigned may_vanish; /* of these holders, of the weakest file */
    unsigned holders;
    const char *safety;   /* in words */
    const char *survival; /* of the weakest file */
    uint64_t loss_ppb;    /* the same, as what is missing to 1, in billionths */
    const char *weakest_file, *weakest_holder;
    const char *examples; /* up to ten paths that could not be read, a line each */
};
typedef void node_drill_visit(void *arg, const struct node_drill_view *v);
/* ST_USAGE: one of the names is nobody here. */
enum status node_drill(struct node *n, const char *enclave, const char *without,
                       node_drill_visit *visit, void *arg) MUST_USE;
/* Moves columns of each file to members who have few of it, as after somebody came. data: NULL. Done
 * when it has begun; it is a transfer of kind "rebalance". */
enum status node_rebalance(struct node *n, const char *enclave, node_done *done,
                           void *arg) MUST_USE;
/* data: NULL. Done when the entry is in the files feed. */
enum status node_mkdir(struct node *n, const char *enclave, struct bytes path, node_done *done,
                       void *arg) MUST_USE;
enum status node_mv(struct node *n, const char *enclave, struct bytes from, struct bytes to,
                    node_done *done, void *arg) MUST_USE;
enum status node_rm(struct node *n, const char *enclave, struct bytes path, bool recursive,
                    node_done *done, void *arg) MUST_USE;

/* ---- versions and trash ---- */

struct node_version {
    struct bytes path;
    uint64_t number;
    uint64_t size;
    uint64_t time_ms; /* when it was put, by the clock of who did */
    uint64_t mtime_ms;
    const char *by;
    const char *state; /* living, replaced, removed */
    uint64_t gone_ms;  /* 0: living */
    const char *gone_by;
    uint64_t due_ms; /* removed: leaves the trash then; else 0 */
    unsigned older;  /* trash: versions from before that were removed with it */
};
typedef void node_version_visit(void *arg, const struct node_version *v);
/* Oldest first, the living one last. ST_USAGE: a directory. */
enum status node_versions(struct node *n, const char *enclave, struct bytes path,
                          node_version_visit *visit, void *arg) MUST_USE;
/* What was removed, of a path and below it (empty: all). */
enum status node_trash(struct node *n, const char *enclave, struct bytes path,
                       node_version_visit *visit, void *arg) MUST_USE;
/* An old version put again; a directory: all files in it that were removed, or that were other at
 * of->at_ms. ST_EXISTS: it lives as it is. Done when the entry is in the files feed. */
enum status node_restore(struct node *n, const char *enclave, struct bytes path,
                         const struct node_version_of *of, node_done *done, void *arg) MUST_USE;
/* "none", "staggered" or "all". Set: ST_USAGE for another word. */
enum status node_retention(struct node *n, const char *enclave, const char **ret) MUST_USE;
enum status node_retention_set(struct node *n, const char *enclave, const char *keep,
                               node_done *done, void *arg) MUST_USE;
/* What the retention and the trash would let go now, and bytes of shards that nobody would need. */
enum status node_gc(struct node *n, const char *enclave, node_version_visit *visit, void *arg,
                    uint64_t *ret_bytes) MUST_USE;
enum status node_gc_run(struct node *n, const char *enclave, node_done *done, void *arg) MUST_USE;
/* Wraps the keys of all files anew under the present file-KEK; what was done before is left out.
 * ST_EXISTS: nothing to do. ret_files: how many versions. */
enum status node_files_rekey(struct node *n, const char *enclave, size_t *ret_files,
                             node_done *done, void *arg) MUST_USE;
/* ---- audits: docs/spec/audit.md ---- */

struct node_audit_fault {
    uint64_t time_ms;
    const char *cause; /* plain words */
    const char *by;    /* who saw it */
    char segment[17];  /* the first 8 bytes of its id in hex */
    unsigned index;    /* which shard of it */
    unsigned times;
    bool one_leaf; /* leaf: the first of 4 KiB that was wrong */
    uint32_t leaf;
};
struct node_audit {
    uint16_t holder;
    const char *nick;
    bool asking;           /* it is being asked now, or its turn is coming */
    unsigned score;        /* percent */
    const char *standing;  /* "good", "suspended", "drained" */
    int before;            /* score at the end of an earlier day, a week back at most; -1: none */
    unsigned availability; /* percent, as measured in 30 days */
    unsigned looks;        /* of so many looks */
    unsigned rounds;
    uint64_t last_ms;                         /* the last round; 0: none yet */
    unsigned asked, right, late, lost, wrong; /* leaves of it */
    const char *text;                         /* how the last look ended */
    const char *next;                         /* what happens next */
    const struct node_audit_fault *faults;    /* why only: newest first */
    size_t n_faults;
};
typedef void node_audit_visit(void *arg, const struct node_audit *a);
/* The other members, as this one knows them. ST_PENDING: not inside yet. */
enum status node_audits(struct node *n, const char *enclave, node_audit_visit *visit,
                        void *arg) MUST_USE;
/* One of them, with its faults. ST_USAGE: that is ourselves. */
enum status node_audit_why(struct node *n, const char *enclave, const char *who,
                           node_audit_visit *visit, void *arg) MUST_USE;
/* All are asked now: done when that has begun; `asking` tells who is not through. data: NULL. */
enum status node_audit_now(struct node *n, const char *enclave, node_done *done,
                           void *arg) MUST_USE;

struct node_audit_entry {
    uint64_t index; /* in the receipts feed */
    uint64_t time_ms;
    const char *by;
    const char *text;
};
typedef void node_audit_line(void *arg, const struct node_audit_entry *l);
/* Receipts and proofs of all members, oldest first, as far as they are kept here and readable. */
enum status node_audit_log(struct node *n, const char *enclave, node_audit_line *visit,
                           void *arg) MUST_USE;

struct node_audit_verdict {
    uint64_t entries;
    uint64_t unreadable;     /* of epochs whose keys this member never had */
    uint64_t rows;           /* rounds that they tell of */
    uint64_t proofs;         /* proofs that hold */
    uint64_t digests;        /* sums in the ledger that are right */
    uint64_t unread_digests; /* whose receipts are not here, or not readable */
    /* What must not be: */
    uint64_t malformed;    /* entries */
    uint64_t broken;       /* chains of an author */
    uint64_t missing;      /* rows that an author left out */
    uint64_t false_proofs; /* proofs that do not hold */
    uint64_t false_digests;
};
enum status node_audit_verify(struct node *n, const char *enclave,
                              struct node_audit_verdict *ret) MUST_USE;

#endif
