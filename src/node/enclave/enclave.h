/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * enclave: one enclave of one person inside the node: its record on disk, its
 * connection, its four feeds, and the workflows that share them. The files of
 * this folder are one workflow each; their entry points are listed here.
 *
 * Owns: everything below. Borrows the node.
 * Errors: of node.h; enclave_trouble keeps what is wrong in words for status.
 * Order: enclave_new or enclave_load, enclave_connect, then events and ticks;
 *     enclave_free stops all.
 */
#ifndef ENCLAVE_NODE_ENCLAVE_H
#define ENCLAVE_NODE_ENCLAVE_H

#include "core/door/invitation.h"
#include "core/ledger/group.h"
#include "core/mail/mail.h"
#include "core/mail/pair.h"
#include "node/enclave/peers.h"
#include "node/enclave/uplink.h"
#include "node/node_private.h"

#define ENCLAVE_DOORS_MAX 32     /* open invitations */
#define ENCLAVE_KNOCKS_MAX 64    /* at our doors, not yet answered */
#define ENCLAVE_INTENTS_MAX 64   /* what the owner wants in the ledger and is not there yet */
#define POST_ALL UINT16_MAX      /* to: everybody */
#define ENCLAVE_OUTBOX_FLY 16    /* mail entries on the way at once */
#define ENCLAVE_NEWCOMER_MS 5000 /* words wait so long for the keys of who came in */
#define ENCLAVE_READ_BYTES ((uint32_t)512 << 10)
#define ENCLAVE_TAKE_BYTES ((size_t)8 << 20) /* of rows, out of one READ, in one commit */
#define ENCLAVE_COMMITS_MOST 16              /* on the way to the disk: nothing more is read */
#define ENCLAVE_PUSHES_MOST 64               /* the same for what the sentinel pushes */
#define ENCLAVE_KEPT_DAYS 60                 /* sealed entries of feed 1, for whoever asks */
#define ENCLAVE_OPS_MAX 4096                 /* feed-2 entries waiting to be appended */
#define ENCLAVE_LOST_TEXT                                                                     \
    "this machine lost the thread of the keys (an old backup?): it has asked the others for " \
    "new ones and goes on by itself when one of them is there"
#define ENCLAVE_RECORD_VERSION 3
#define ENCLAVE_SOCKS_IDLE_MS 600000 /* then the proxy is given another password */
#define ENCLAVE_STATE_ROW ((size_t)1 << 20)
#define ENCLAVE_STATE_MAX ((size_t)32 << 20) /* 160 000 epochs: more than feed 0 has room for */

enum enclave_phase {
    ENCLAVE_CREATING = 0, /* GENESIS is made, the sentinel does not have it yet */
    ENCLAVE_KNOCKING = 1, /* the knock is made, the sentinel does not have it yet */
    ENCLAVE_WAITING = 2,  /* knocked: no final reply yet */
    ENCLAVE_ENTERING = 3, /* welcome: the ledger is being read and verified */
    ENCLAVE_MEMBER = 4,
    ENCLAVE_LEAVING = 5, /* LEAVE or DROP_SEAT not yet acknowledged */
    ENCLAVE_REFUSED = 6,
    ENCLAVE_GONE = 7,    /* being shredded */
    ENCLAVE_REMOVED = 8, /* by the others, or by the recovery key: only read from now on */
    ENCLAVE_PHASES
};

/* How this machine goes to the enclave, whatever its mode. */
enum enclave_via { ENCLAVE_VIA_ANY = 0, ENCLAVE_VIA_TOR = 1 };

/* The row of an enclave in the space "enclaves"; sealed like every row. */
#define ENCLAVE_RECORD_FIELDS(X, M)                         \
    X(M, U8, version, 0, 0)                                 \
    X(M, FIX, tag, 16, 0) /* names its spaces and shards */ \
    X(M, U8, phase, 0, 0)                                   \
    X(M, VAR8, name, NODE_NAME_MAX, 0)                      \
    X(M, VAR8, nick, NODE_NICK_MAX, 0)                      \
    X(M, VAR8, address, LINK_ADDRESS_MAX, 0)                \
    X(M, FIX, pin, 32, 0)                                   \
    X(M, FIX, room, 32, 0)                                  \
    X(M, FIX, enclave_id, 32, 0)                            \
    X(M, FIX, id_seed, 32, 0)                               \
    X(M, FIX, seat_seed, 32, 0)                             \
    X(M, FIX, kem_seed, 32, 0)                              \
    X(M, U64, read_upto, 0, 0)                              \
    X(M, U64, joined_ms, 0, 0)                              \
    X(M, VAR16, invitation, INVITATION_MAX, 0)              \
    X(M, FIX, reply_token, 32, 0)                           \
    X(M, FIX, safety, 32, 0)                                \
    X(M, VAR16, knock, 8192, 0)                             \
    X(M, FIX, veto_seed, 32, 0)                             \
    X(M, U8, via, 0, 0)     /* enum enclave_via */          \
    X(M, U8, parting, 0, 0) /* hands over, then leaves */
FIELDS_DECLARE(enclave_record, ENCLAVE_RECORD_FIELDS);

struct enclave_keys { /* guarded */
    uint8_t id_seed[32];
    uint8_t seat_seed[32];
    uint8_t kem_seed[32];
    uint8_t reply_token[32];
    uint8_t veto_seed[32]; /* of the veto keys in our knock */
};

/* One feed as we keep it. */
struct enclave_feed {
    struct seen seen; /* what we have: count and chain after */
    uint64_t head;    /* what the sentinel has, as far as we know */
    bool reading;
    uint64_t on_disk;        /* of these; feed 1 only */
    bool stuck;              /* altered or forked: not read on */
    struct keep_space space; /* n = index, value = chain after 32 | sealed */
};

struct enclave_door {
    uint64_t slot;
    uint8_t token_hash[32];
    uint8_t kem_seed[32];
    uint64_t expiry_ms;
    struct invitation invitation;
    struct buf record; /* plain text of the door record */
    bool opened;       /* the sentinel said so since the start */
    node_done *done;   /* of the invite that opens it */
    void *arg;
};

struct enclave_knock {
    struct enclave_door *door;
    uint8_t reply[32];
    struct buf plain;
    char nick[NODE_NICK_MAX + 1];
    char message[513];
    uint8_t safety[32];
    char ref[17];
    uint64_t time_ms;
    bool proposed; /* an intent for it exists */
};

enum intent_kind {
    INTENT_PROPOSE,
    INTENT_BALLOT,
    INTENT_LEAVE,
    INTENT_REMOVE,
    INTENT_POLICY,
    INTENT_WITHDRAW,
    INTENT_REKEY,
    INTENT_AWAY,
    INTENT_REVOKE,
    INTENT_REHOME,
    INTENT_DIGEST
};

/* What a proposed policy changes; kept apart from the intent, for it is large. */
struct intent_policy {
    uint8_t ballot_kind, mode;
    uint8_t items[LEDGER_POLICY_END * LEDGER_POLICY_ITEM];
    size_t n_items;
    uint8_t sentinels[LEDGER_SENTINELS_BYTES];
    size_t n_sentinels;
};

struct intent {
    enum intent_kind kind;
    uint64_t proposal;
    bool yes;
    bool compared;
    bool now;          /* the ballot does not wait for a random moment */
    uint8_t reply[32]; /* of the knock: names the proposal before it has an index */
    uint64_t from;     /* entries of the ledger when it was intended */
    uint64_t at_ms;    /* not before (monotonic) */
    uint64_t number;   /* REKEY: the epoch before; AWAY: until; REVOKE: leaf; DIGEST: day */
    uint8_t key[32];   /* REVOKE; pin of REHOME */
    uint16_t targets[LEDGER_MEMBERS_MAX];
    size_t n_targets;
    struct intent_policy *policy;     /* owned */
    char text[LEDGER_REASON_MAX + 1]; /* reason; address of REHOME */
    node_done *done;
    void *arg;
};

struct outgoing { /* mail on its way to feed 1 */
    struct outgoing *next;
    uint8_t kind;    /* enum mail_kind */
    uint16_t to;     /* leaf: a private word; POST_ALL: to all */
    uint64_t row;    /* in the outbox space */
    uint64_t number; /* of the message; 0: it is none */
    uint8_t uuid[16];
    uint64_t epoch;
    uint64_t n; /* place in our chain, of a word to all */
    uint64_t time_ms;
    struct buf sealed;
    struct buf content;
    uint64_t again_ms;
    uint64_t below;  /* taken at this place + 1 of the feed, on this connection; 0: not */
    uint64_t commit; /* of words: the one that brings these bytes to the disk */
    bool ready;      /* on disk */
    bool early;      /* handed over to those who were linked */
    bool flying;     /* APPEND sent on this connection */
    bool over;       /* seen in the feed: freed with its reply */
    struct enclave *owner;
};

/* The search for the first entry in which the sentinel's ledger differs from ours. */
struct evidence {
    bool busy;
    bool found;         /* low is that entry; else it is looked for */
    uint64_t low, high; /* the chains before them: the same, another */
    uint64_t at;        /* asked for */
    uint64_t last;      /* entries that both have */
    unsigned tries;
};

/* What the sentinel is told that we have of feed 1: kept.c. */
struct mail_kept {
    struct {
        uint64_t commit, count, bytes;
    } mark[2];      /* entries that a commit on its way brings to the disk; commit 0: none */
    uint64_t bytes; /* of entries taken since the start */
    uint64_t disk_bytes;
    uint64_t told, told_bytes; /* on this connection; told UINT64_MAX: nothing yet */
    uint64_t day;      /* of the newest mark in s_days: n = day, value = index of its first entry */
    uint64_t asked_ms; /* monotonic */
    uint64_t first;    /* what it still keeps begins there, as it last said */
    uint64_t room_bytes; /* how much the sentinel keeps of feed 1 */
};

struct handover; /* handover.h: entries of feed 1 that are asked of other members */
struct shelf;    /* node/shelf: the files of an enclave */
struct check;    /* node/check: is what is kept here sound? */
struct audit;    /* node/audit: do the holders have what they keep */

struct enclave {
    struct node *node;
    uint64_t slot;
    bool removed;
    bool copied;     /* its rows are a copy, and its group is still to come: node/copied.h */
    bool halted;     /* a commit failed: memory is ahead of the disk, nothing more is done */
    bool read_waits; /* for commits that are on the way */
    size_t commits;  /* on the way: not freed before they are done */
    struct keep_batch *batch; /* open while entries are taken: one commit for all of them */
    enum enclave_phase phase;
    struct sm sm;
    uint8_t tag[16];
    char name[NODE_NAME_MAX + 1];
    char nick[NODE_NICK_MAX + 1];
    char address[LINK_ADDRESS_MAX + 1];
    uint8_t pin[32];
    uint8_t room[32];
    uint8_t enclave_id[32];
    uint8_t seat[32]; /* public */
    uint8_t id[32];
    struct enclave_keys *keys;
    enum enclave_via via;
    bool parting; /* the owner leaves: what the others need is handed over first */
    bool hurry;   /* node/gate.h */
    char socks_user[33];
    uint32_t socks_count;
    uint64_t socks_used_ms;
    char trouble[NODE_REASON_MAX];
    uint64_t joined_ms;

    struct keep_space s_state; /* the group, cut into rows of ENCLAVE_STATE_ROW */
    struct keep_space s_mail, s_outbox, s_messages, s_bundles, s_doors, s_files;
    struct keep_space s_uuids, s_acts, s_marks, s_ends, s_pair; /* of words: node/post/post.h */
    struct keep_space s_missing, s_days;                        /* handover.h, kept.c */

    struct uplink up;
    struct link_peer server; /* of this connection */
    bool created;            /* the room is made at the sentinel */
    bool attached;
    bool subscribed;
    uint64_t sentinel_ms, sentinel_at_ms; /* its clock at the last attach, our monotonic then */
    uint64_t seat_version;
    uint8_t seat_list[ROOM_SEATS_MAX][32]; /* as the sentinel last told it */
    size_t n_seat_list;

    struct group *group;
    struct mail *mail;
    struct pair *pair; /* private words; there when mail is */
    struct peers *peers;
    struct shelf *shelf;
    struct check *check; /* the last one, or the one that runs; NULL */
    struct audit *audit;
    struct enclave_feed feeds[FEEDS];
    struct mail_kept kept;
    struct handover *handover; /* NULL: nothing is missing */
    uint64_t resend[FEEDS];    /* an older database: entries from here on are given back */
    bool resending;
    uint64_t start1;       /* feed 1 is empty there: given back from here on; UINT64_MAX */
    uint64_t given[FEEDS]; /* entries that the sentinel said on this connection that it has */
    struct evidence evidence;
    uint64_t read0_ms; /* when feed 0 was last asked for because of a stranger */

    /* the ledger's pen: one APPEND to feed 0 at a time */
    bool posting;
    bool post_ready; /* on disk, may be sent */
    struct group_draft draft;
    uint64_t post_again_ms;
    struct intent intents[ENCLAVE_INTENTS_MAX];
    size_t n_intents;
    bool intents_dirty;

    /* seats */
    bool seats_busy;
    bool seats_due;
    uint64_t seats_again_ms;
    uint64_t seats_changed_ms; /* a change of ours was taken */
    uint8_t odd_seat[32];      /* listed, and no ADD explains it */
    uint8_t odd_voted[32];     /* one that we voted to drop within a day; zeros */
    uint64_t odd_voted_ms;
    uint64_t odd_since_ms;
    uint64_t welcomed; /* index of the newest ADD that was looked after, + 1 */
    uint8_t drop_voted[LEDGER_EVER_MAX / 8]; /* removed leaves whose seat we voted to drop */
    uint64_t head_at_ms; /* the seat list changed: a HEAD with our word for it is due then; 0 */
    bool standing_door;  /* asked for on this connection */
    uint64_t reminded_ms;
    struct group_welcome *rejoin; /* an answer to our RENEW; NULL */
    unsigned rejoin_seen,
        rejoin_bad; /* answers looked at; of these, did not fit: in order of the feed */
    bool
        relearn; /* keys of epochs that we missed come with the next COMMIT: files are folded anew */

    /* doors */
    struct enclave_door *doors[ENCLAVE_DOORS_MAX];
    size_t n_doors;
    uint64_t next_door;
    struct enclave_knock *knocks[ENCLAVE_KNOCKS_MAX];
    size_t n_knocks;

    /* joining */
    struct buf invitation; /* bytes */
    struct buf knock;      /* the blob that was or will be sent */
    struct buf join_message;
    uint8_t safety[32];
    node_done *join_done;
    void *join_arg;
    uint64_t join_again_ms;
    uint64_t knocked_ms;
    bool join_busy;

    /* creating and leaving */
    node_done *create_done;
    void *create_arg;
    node_done *leave_done;
    void *leave_arg;
    bool dropping;
    char removed_why[NODE_REASON_MAX]; /* "" unless removed */

    /* moving to another sentinel */
    node_done *rehome_done;
    void *rehome_arg;
    struct rehome *rehome;  /* NULL: none is on its way */
    uint64_t away_since_ms; /* monotonic: the sentinel is not there since; 0 */
    size_t try_home;        /* next of the voted list to look at */

    /* words */
    struct outgoing *out_first, *out_last;
    uint64_t next_row;
    uint64_t next_message;
    struct post *post;
    uint64_t mail_commits; /* of words, begun since the start */
    uint64_t read_upto;
    uint64_t mail_again_ms;
    uint64_t newcomer_ms; /* monotonic: until then words wait for a newcomer's keys; 0 */
    bool retake_due;
    bool mail_full; /* said so in trouble */
};

/* ---- enclave.c: life, record, ticks ---- */
enum status enclave_new(struct node *n, const char *name, const char *nick,
                        struct enclave **ret) MUST_USE;
enum status enclave_load(struct node *n, uint64_t slot, struct bytes record,
                         struct enclave **ret) MUST_USE;
void enclave_free(struct enclave *e);
void enclave_move(struct enclave *e, enum enclave_phase to); /* checked */
void enclave_put_record(struct enclave *e, struct keep_batch *b);
/* The group's secrets, if they changed. */
void enclave_put_group(struct enclave *e, struct keep_batch *b);
/* Commits and counts: node_stop waits for it. */
void enclave_commit(struct enclave *e, struct keep_batch *b, kv_done *done, void *arg);
/* A commit of its rows failed. */
void enclave_halt(struct enclave *e, enum status st);
void enclave_spaces(struct enclave *e);
/* We are in: the KEM and veto keys that we came with live on in the group only. */
void enclave_wipe_first(struct enclave *e);
enum status enclave_parse_sentinels(const char *text, struct ledger_sentinel *ret,
                                    size_t *ret_n) MUST_USE;
enum status enclave_connect(struct enclave *e) MUST_USE;
uint64_t enclave_next_ms(const struct enclave *e);
void enclave_tick(struct enclave *e, uint64_t now_ms);
__attribute__((format(printf, 2, 3))) void enclave_trouble(struct enclave *e, const char *format,
                                                           ...);
void enclave_tell(struct enclave *e, const char *kind, const char *who, uint64_t number,
                  const char *text);
const char *enclave_nick(const struct enclave *e, uint16_t leaf);
/* A member by its nick, leaf number, or 8 or more characters of its id. ST_NOT_FOUND, ST_CONFLICT (several). */
enum status enclave_find_member(const struct enclave *e, const char *text, size_t len,
                                uint16_t *ret) MUST_USE;
/* Away until then, by its own word; 0: not, or that time is over. */
uint64_t enclave_away_ms(const struct enclave *e, const struct ledger_leaf *leaf);
/* Nothing from it for longer than the idle limit, by our clock, and not away. */
bool enclave_silent(const struct enclave *e, const struct ledger_leaf *leaf);
void enclave_info(struct enclave *e, struct node_enclave_info *ret);
uint64_t enclave_unix_ms(const struct enclave *e); /* the sentinel's clock where known */
/* H(revocation key), for GENESIS and the knock; protocol.md 11. */
void enclave_revocation(const struct enclave *e, uint8_t ret_hash[32]);
enum status enclave_peers_start(struct enclave *e) MUST_USE;
void enclave_listen(struct enclave *e);     /* for members, where the mode allows */
void enclave_peers_stop(struct enclave *e); /* all links end, and what went over them */
bool enclave_in(const struct enclave *e);   /* member with keys of the current epoch */

/* ---- route.c: which way connections go ---- */
bool enclave_routed(const struct enclave *e); /* all of them through the proxy */
bool enclave_direct(const struct enclave *e); /* members may connect to each other */
/* For uplink and peers; arg is the enclave. ST_PROXY: it must be the proxy and there is none. */
enum status enclave_route(void *arg, struct link_route *ret, bool *ret_routed) MUST_USE;
/* Each tick: a vote may have changed the mode; and the proxy's path is in use while we are up. */
void enclave_follow_mode(struct enclave *e);
void enclave_down_trouble(struct enclave *e, bool was_attached, enum status why);
const char *enclave_no_proxy(void); /* "over tor only, and ...": what to do about it */

/* ---- sync.c: attach, feeds ---- */
extern const struct uplink_events enclave_uplink_events;
/* Reads what is missing, feed 0 first; called whenever something changed. */
void enclave_pump(struct enclave *e);
bool enclave_synced(const struct enclave *e, uint8_t feed);
/* Our own entry was appended at index: takes it, or has it read. */
void enclave_appended(struct enclave *e, uint8_t feed, uint64_t index, struct bytes sealed);
/* Sealed entry `index` as kept here, and the chain after it. */
enum status enclave_kept(struct enclave *e, uint8_t feed, uint64_t index, struct buf *ret_sealed,
                         uint8_t ret_chain[32]) MUST_USE;
enum status enclave_append(struct enclave *e, uint8_t feed, bool expect, uint64_t index,
                           const uint8_t chain[32], struct bytes sealed, uplink_done *done,
                           void *arg) MUST_USE;
void enclave_now(struct enclave *e, uint8_t random[GROUP_RANDOM], struct group_now *ret);
void enclave_subscribe(struct enclave *e);
/* Somebody's words show that the ledger has more than we were shown: asks again, not too often. */
void enclave_recheck(struct enclave *e);
void enclave_attach(struct enclave *e);

/* ---- kept.c: which entries of feed 1 are on this disk ---- */
enum status enclave_kept_load(struct enclave *e) MUST_USE;
/* An entry of feed 1 is put into the open batch; what was put ENCLAVE_KEPT_DAYS ago goes. */
void enclave_kept_entry(struct enclave *e, size_t bytes);
void enclave_kept_taken(struct enclave *e);                    /* the words' commit just begun */
void enclave_kept_settled(struct enclave *e, uint64_t commit); /* that one is on disk */
/* Tells the sentinel what it may let go of as far as we are concerned: once a connection, then each time
 * that a 64th of what it keeps has come. */
void enclave_kept_tell(struct enclave *e);
void enclave_kept_tick(struct enclave *e, uint64_t now_ms); /* now and then also without that */
uint64_t enclave_kept_next_ms(const struct enclave *e);
/* The first entry that is given to a room which has lost all: the rest fits below half of feed 1. */
uint64_t enclave_kept_start(struct enclave *e);

/* ---- news.c: what the ledger's events lead to ---- */
void enclave_news(struct enclave *e);
void enclave_roster(struct enclave *e);
/* Somebody left and no COMMIT followed: the keys are still his, so words and files wait. */
bool enclave_keys_shared(const struct enclave *e);
/* That, or somebody came in and has no keys yet: what is said to one whose name is on the screen is
 * readable for it. For a newcomer ENCLAVE_NEWCOMER_MS at most, as no COMMIT may come for long. */
bool enclave_words_wait(struct enclave *e);
enum status
enclave_epochs(struct enclave *e) MUST_USE; /* sender chains of the newest epoch into mail */

/* ---- pen.c: writing to the ledger ---- */
enum status enclave_intend(struct enclave *e, const struct intent *i) MUST_USE;
/* A ballot: made and kept at once, posted when its moment has come, also after a restart. */
enum status enclave_intend_vote(struct enclave *e, const struct intent *i) MUST_USE;
void enclave_votes_load(struct enclave *e);
void enclave_write(struct enclave *e); /* posts what is due, if anything */
uint64_t enclave_write_ms(const struct enclave *e);
/* When a ballot may leave (monotonic). */
uint64_t enclave_ballot_at_ms(const struct enclave *e, const struct ledger_proposal *p, bool now);
void enclave_intents_check(struct enclave *e); /* ends those that the ledger fulfils or forbids */

/* The votes that wait for us are told again, once a day. */
void enclave_remind(struct enclave *e, uint64_t now_ms);

/* ---- seats.c ---- */
void enclave_seats(struct enclave *e); /* brings the seat list in line with the ledger */
/* The list as the sentinel tells it now; our word for it is given anew if it is due. */
void enclave_seat_list(struct enclave *e, const struct room_seat_list *list);
void enclave_welcome(struct enclave *e, const struct ledger_proposal *p);
void enclave_refuse(struct enclave *e, const uint8_t kem_pk[1216], const uint8_t reply[32],
                    bool voted);
void enclave_pend(struct enclave *e, const uint8_t kem_pk[1216], const uint8_t reply[32]);

/* ---- door.c: inviting, knocks ---- */
enum status enclave_doors_load(struct enclave *e) MUST_USE;
/* Opens a door again that the sentinel may not have: it was stopped, or lost what it had. */
void enclave_door_again(struct enclave *e, const struct enclave_door *d);
void enclave_knocks_ask(struct enclave *e);
void enclave_knocked(struct enclave *e, struct bytes payload);
struct enclave_knock *enclave_knock_find(struct enclave *e, const uint8_t reply[32]);
void enclave_knock_drop(struct enclave *e, struct enclave_knock *k);
/* Somebody came in by this door: it is of no more use. */
void enclave_door_used(struct enclave *e, const uint8_t token_hash[32]);
void enclave_door_free(struct enclave_door *d);
void enclave_knock_free(struct enclave_knock *k);

/* ---- join.c ---- */
void enclave_join_up(struct enclave *e); /* the uplink is ready and we are no member yet */
void enclave_join_push(struct enclave *e, uint8_t type, struct bytes payload);
void enclave_join_down(struct enclave *e, enum status why);
void enclave_join_tick(struct enclave *e, uint64_t now_ms);
void enclave_joined(struct enclave *e); /* our first COMMIT was processed */

/* ---- renew.c: who lost the thread, and who gives it back ---- */
/* A member shows new keys: its WELCOME goes into the mail. */
void enclave_renewed(struct enclave *e, uint16_t leaf);
/* Our own COMMIT took in what waited: whoever renewed is answered once more, by one who is there. */
void enclave_renewals_taken(struct enclave *e);
/* An entry of feed 1 may be the answer to our own RENEW. */
void enclave_renew_entry(struct enclave *e, struct bytes sealed);
/* At start: such an answer that was read before. */
enum status enclave_renew_load(struct enclave *e) MUST_USE;
/* Between two batches: takes such an answer. */
void enclave_rejoin(struct enclave *e);

/* ---- evidence.c: two histories ---- */
void enclave_evidence(struct enclave *e, uint64_t head);

/* ---- revoke.c: the standing door ---- */
void enclave_standing_door(struct enclave *e);
/* A knock at no door of ours: somebody's revocation? */
void enclave_revoke_knock(struct enclave *e, const uint8_t door[32], struct bytes blob);
/* Appends this enclave's item of the recovery kit. */
enum status enclave_kit_item(const struct enclave *e, struct buf *out) MUST_USE;

/* ---- rehome.c ---- */
struct rehome;
void enclave_rehome_tick(struct enclave *e, uint64_t now_ms);
uint64_t enclave_rehome_next_ms(const struct enclave *e);
/* The same sentinel, by another way. */
void enclave_redial(struct enclave *e, const char *address);
void enclave_rehomed(struct enclave *e); /* a REHOME is in the ledger */
bool enclave_rehome_up(struct enclave *e, const struct link_peer *peer); /* true: it took over */
void enclave_rehome_free(struct enclave *e);
bool enclave_movable(const struct enclave *e);
/* Our seat's word for the seat list as it is, for HEAD; false: there is none to give. */
bool enclave_rehome_sign(const struct enclave *e, uint64_t *ret_version, uint8_t ret_sig[64],
                         bool *ret_given);

/* ---- leave.c ---- */
void enclave_removed_why(struct enclave *e);
void enclave_removed(struct enclave *e);      /* REMOVE or SELF_REVOKE of us is in the ledger */
void enclave_leave_parted(struct enclave *e); /* what the others need is handed over */
void enclave_leave_drop(struct enclave *e);   /* our LEAVE is in the ledger: drop the seat */
void enclave_shred(struct enclave *e, const char *why);
/* done: when the disk has erased it, or refused to. */
void enclave_shred_then(struct enclave *e, const char *why, kv_done *done, void *arg);

/* ---- create.c ---- */
void enclave_made(struct enclave *e); /* the sentinel has the room and GENESIS */
/* A creation ends as failed, with the present trouble as the reason: erased, then told. */
void enclave_unmake(struct enclave *e, enum status why, const char *event);

/* ---- node/post ---- */
enum status enclave_mail_begin(struct enclave *e) MUST_USE; /* does nothing if it has begun */
enum status enclave_mail_load(struct enclave *e) MUST_USE;
void enclave_mail_entry(struct enclave *e, uint64_t index, struct bytes sealed,
                        struct keep_batch *b);
/* One that the sentinel let go of, handed over by a member. */
void enclave_mail_missed(struct enclave *e, uint64_t index, struct bytes sealed,
                         struct keep_batch *b);
void enclave_mail_settle(struct enclave *e);
void enclave_mail_retake(struct enclave *e);
void enclave_mail_rows(struct enclave *e, struct keep_batch *b);
void enclave_mail_send(struct enclave *e); /* outbox */
void enclave_mail_down(struct enclave *e);
const char *post_flooding(struct enclave *e); /* who is muted, in words; "": nobody */
size_t
enclave_mail_waiting(const struct enclave *e); /* words and what is said about them; no receipts */
void enclave_mail_free(struct enclave *e);
/* Keys are being renewed: what waits is sealed anew, in an epoch that nobody spoke in before. */
void enclave_mail_restored(struct enclave *e);
void enclave_mail_epoch(struct enclave *e);
/* The newest epoch for private words; mail has it already. */
enum status enclave_private_epoch(struct enclave *e) MUST_USE;
void enclave_private_anew(struct enclave *e, uint16_t leaf); /* a member lost its keys */
void enclave_post_tick(struct enclave *e, uint64_t now_ms);  /* receipts, messages that end */
uint64_t enclave_post_next_ms(const struct enclave *e);
uint64_t
enclave_post_keeps_ms(const struct enclave *e); /* messages are kept so long; 0: for ever */
void enclave_post_attached(struct enclave *e);  /* the sentinel's clock is known */
void enclave_post_shred(struct enclave *e, struct keep_batch *b); /* what lies beside its spaces */
/* early.c: an entry that a linked member hands over before it is in the feed; a link came or went. */
void enclave_early_frame(struct enclave *e, uint16_t leaf, struct bytes payload);
void enclave_early_peer(struct enclave *e, uint16_t leaf, bool up);
void enclave_early_tick(struct enclave *e, uint64_t now_ms);
uint64_t enclave_early_next_ms(const struct enclave *e);
/* Commits words; number: the one that done is told. */
void enclave_mail_commit(struct enclave *e, struct keep_batch *b, node_done *done, void *arg,
                         uint64_t number);

/* ---- node/shelf ---- */
enum status enclave_shelf_load(struct enclave *e) MUST_USE;
/* ST_PENDING: feed 0 must be read further first. */
enum status enclave_files_entry(struct enclave *e, uint64_t index, struct bytes sealed,
                                bool last_word, struct keep_batch *b) MUST_USE;
void enclave_files_up(struct enclave *e); /* attached and synced */
void enclave_files_down(struct enclave *e);
void enclave_files_part(struct enclave *e); /* hands over what is kept here */
void enclave_files_roster(struct enclave *e);
const char *enclave_files_node(const struct enclave *e,
                               uint16_t number); /* NULL: no storage node */
void enclave_files_peer(struct enclave *e, uint16_t leaf, bool up);
void enclave_files_frame(struct enclave *e, uint16_t leaf, uint8_t type, struct bytes payload);
void enclave_files_writable(struct enclave *e, uint16_t leaf);
bool enclave_files_busy(struct enclave *e, uint16_t leaf);
void enclave_files_tick(struct enclave *e, uint64_t now_ms);
uint64_t enclave_files_next_ms(const struct enclave *e);
void enclave_files_epoch(struct enclave *e, bool generation_changed);
uint64_t enclave_files_snap_epoch(const struct enclave *e); /* of the newest SNAP, 0 if none */
void enclave_files_free(struct enclave *e);
void enclave_files_shred(struct enclave *e, struct keep_batch *b);
bool enclave_files_there(const struct enclave *e, struct bytes path); /* a file of the enclave */
uint64_t enclave_files_held(const struct enclave *e);
void enclave_files_quota(struct enclave *e, uint64_t bytes);
/* Bytes of shards that each leaf keeps, as the tree says; ret_bytes: LEDGER_EVER_MAX zeros. */
void enclave_files_kept(const struct enclave *e, uint64_t *ret_bytes);

#endif
