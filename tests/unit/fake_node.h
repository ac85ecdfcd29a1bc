/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * fake_node: a node without a network for the tests of src/api: it notes what
 * it was asked, and answers at once, later or with an error, as it is told.
 *
 * Owns nothing. Errors: none. Order: fill struct node, hand it to the api.
 */
#ifndef ENCLAVE_TESTS_FAKE_NODE_H
#define ENCLAVE_TESTS_FAKE_NODE_H

#include "node/node_storage.h"

#include <stdio.h>
#include <string.h>

struct node {
    unsigned enclaves;  /* how many there are: "one", "two", ... */
    enum status refuse; /* what calls give at once */
    enum status end;    /* what done is called with */
    bool hold;          /* done waits for fake_release */
    node_done *done;
    void *arg;
    struct bytes_kept {
        uint8_t p[NODE_TEXT_MAX + 1];
        size_t n;
    } last; /* path or text of the last call */
    char enclave[128];
    unsigned calls;
    uint64_t number;
    uint64_t marked;
    uint64_t messages;
    bool secret;  /* the ballot */
    bool dissent; /* the ledger does not agree */
    bool doubtful;
    uint8_t rk[32];
    struct node_enclave_info info;
    struct node_verdict verdict;
    struct node_revoked revoked;
    struct node_invitation invitation;
    struct node_transfer transfer;
    struct node_history_job job;
    char local[256];
};

static const char *const fake_names[] = {"one", "two", "three"};

static inline void fake_keep(struct node *n, const char *enclave, struct bytes what)
{
    n->calls++;
    snprintf(n->enclave, sizeof n->enclave, "%s", enclave == NULL ? "" : enclave);
    memset(&n->last, 0, sizeof n->last);
    n->last.n = what.n > sizeof n->last.p ? sizeof n->last.p : what.n;
    if (n->last.n > 0) memcpy(n->last.p, what.p, n->last.n);
}

static inline void fake_release(struct node *n, const void *data)
{
    node_done *done = n->done;
    struct node_result r = {n->end, n->end == ST_OK ? "it is done" : "it went wrong",
                            n->end == ST_OK ? data : NULL};
    n->done = NULL;
    if (done != NULL) done(n->arg, &r);
}

static inline enum status fake_take(struct node *n, node_done *done, void *arg, const void *data)
{
    if (n->refuse != ST_OK) return n->refuse;
    n->done = done;
    n->arg = arg;
    if (!n->hold) fake_release(n, data);
    return ST_OK;
}

static inline bool fake_known(const struct node *n, const char *enclave)
{
    for (unsigned i = 0; i < n->enclaves; i++)
        if (strcmp(fake_names[i], enclave) == 0) return true;
    return false;
}

static inline void fake_info(struct node *n, unsigned i)
{
    n->info = (struct node_enclave_info){.name = fake_names[i],
                                         .state = NODE_MEMBER,
                                         .nick = "ada",
                                         .sentinel = "127.0.0.1:1",
                                         .online = true,
                                         .trouble = "",
                                         .members = 2,
                                         .reachable = 1,
                                         .ballot = n->secret ? "secret" : "open",
                                         .mode = "direct",
                                         .confirmed = n->doubtful ? 0 : 2,
                                         .doubtful = n->doubtful,
                                         .removed = "",
                                         .ledger_count = 57,
                                         .open_proposals = 1,
                                         .head = "0123456789abcdef"};
}

void node_enclaves(struct node *n, node_enclave_visit *visit, void *arg)
{
    for (unsigned i = 0; i < n->enclaves; i++) {
        fake_info(n, i);
        visit(arg, &n->info);
    }
}

enum status node_enclave(struct node *n, const char *name, node_enclave_visit *visit, void *arg)
{
    for (unsigned i = 0; i < n->enclaves; i++) {
        if (strcmp(fake_names[i], name) != 0) continue;
        fake_info(n, i);
        visit(arg, &n->info);
        return ST_OK;
    }
    return ST_NOT_FOUND;
}

enum status node_create(struct node *n, const struct node_create *req, node_done *done, void *arg)
{
    fake_keep(n, req->name, bytes_str(req->nick));
    fake_info(n, 0);
    return fake_take(n, done, arg, &n->info);
}

enum status node_invite(struct node *n, const char *enclave, uint64_t ttl_ms, node_done *done,
                        void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    n->number = ttl_ms;
    n->invitation.expiry_ms = UINT64_C(1795000000123);
    snprintf(n->invitation.code, sizeof n->invitation.code, "enclave:abc");
    return fake_take(n, done, arg, &n->invitation);
}

enum status node_join(struct node *n, const struct node_join *req, node_done *done, void *arg)
{
    fake_keep(n, req->name, bytes_str(req->code));
    fake_info(n, 0);
    n->info.state = NODE_JOINING;
    return fake_take(n, done, arg, &n->info);
}

enum status node_leave(struct node *n, const char *enclave, node_done *done, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    fake_keep(n, enclave, BYTES_NONE);
    return fake_take(n, done, arg, NULL);
}

enum status node_drill(struct node *n, const char *enclave, const char *without,
                       node_drill_visit *visit, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    if (without != NULL && strcmp(without, "nobody") == 0) return ST_USAGE;
    struct node_drill_view v = {.files = 3,
                                .readable = 2,
                                .lost = 1,
                                .safety = "1 of 3 files could not be read",
                                .survival = "99.9 %",
                                .weakest_file = "a",
                                .weakest_holder = "eve",
                                .examples = "a"};
    visit(arg, &v);
    return ST_OK;
}

enum status node_rebalance(struct node *n, const char *enclave, node_done *done, void *arg)
{
    return node_leave(n, enclave, done, arg);
}

enum status node_part(struct node *n, const char *enclave, bool wait, node_done *done, void *arg)
{
    (void)wait;
    return node_leave(n, enclave, done, arg);
}

enum status node_members(struct node *n, const char *enclave, node_member_visit *visit, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    struct node_member m = {.nick = "b\xc3\xb6",
                            .id = "00",
                            .path = "direct",
                            .agreed = 41,
                            .last_ms = UINT64_C(1750000000000),
                            .silent = true};
    visit(arg, &m);
    m = (struct node_member){.leaf = 1, .nick = "eve", .id = "01", .path = "offline", .agreed = 57};
    m.away_ms = UINT64_C(1795000000123);
    visit(arg, &m);
    return ST_OK;
}

enum status node_leave_preview(struct node *n, const char *enclave, node_leave_visit *visit,
                               void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    struct node_leave_view v = {.members = 2,
                                .files = 9,
                                .held_bytes = 1000,
                                .lost = 2,
                                .lost_bytes = 70000,
                                .weaker = 3,
                                .examples = "a/b\nc"};
    visit(arg, &v);
    return ST_OK;
}

enum status node_destroy(struct node *n, const char *enclave, node_done *done, void *arg)
{
    return node_leave(n, enclave, done, arg);
}

enum status node_rekey(struct node *n, const char *enclave, node_done *done, void *arg)
{
    return node_leave(n, enclave, done, arg);
}

enum status node_away(struct node *n, const char *enclave, uint64_t until_ms, node_done *done,
                      void *arg)
{
    n->number = until_ms;
    return node_leave(n, enclave, done, arg);
}

enum status node_rehome(struct node *n, const char *enclave, const char *address, node_done *done,
                        void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    fake_keep(n, enclave, bytes_str(address == NULL ? "next" : address));
    return fake_take(n, done, arg, NULL);
}

enum status node_kit(struct node *n, struct buf *out)
{
    for (unsigned i = 0; i < 200; i++) buf_u8(out, (uint8_t)i);
    return n->refuse;
}

enum status node_revoke(struct node *n, struct bytes kit, const uint8_t rk[32], const char *enclave,
                        node_done *done, void *arg)
{
    fake_keep(n, enclave, kit);
    memcpy(n->rk, rk, sizeof n->rk);
    n->revoked = (struct node_revoked){2, 1, "one: told\ntwo: cannot be reached"};
    return fake_take(n, done, arg, &n->revoked);
}

enum status node_verify(struct node *n, const char *enclave, node_done *done, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    n->verdict = (struct node_verdict){.entries = 57,
                                       .valid = 56,
                                       .void_entries = 1,
                                       .votes = 12,
                                       .members = 3,
                                       .head = "00ff",
                                       .voids = "31 eve: not a member then",
                                       .agrees = !n->dissent};
    return fake_take(n, done, arg, &n->verdict);
}

enum status node_check(struct node *n, const struct node_check_ask *ask)
{
    if (!fake_known(n, ask->enclave)) return ST_NOT_FOUND;
    if (n->hold) return ST_BUSY;
    n->number = ask->percent + (ask->mend ? 1000 : 0);
    return ST_OK;
}

enum status node_check_look(struct node *n, const char *enclave, node_check_visit *visit, void *arg)
{
    static const struct node_check_file file = {{(const uint8_t *)"a\xff", 2}, 3, false};
    struct node_check c = {.enclave = enclave,
                           .state = "done",
                           .own = 7,
                           .own_bad = 3,
                           .files = &file,
                           .n_files = 1,
                           .files_hurt = 1,
                           .detail = "",
                           .sound = !n->dissent,
                           .text = "it is done"};
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    visit(arg, &c);
    return ST_OK;
}

enum status node_proof(struct node *n, const char *enclave, struct buf *out)
{
    if (!fake_known(n, enclave) || !n->dissent) return ST_NOT_FOUND;
    buf_str(out, "two histories");
    return ST_OK;
}

enum status node_check_proof(struct node *n, struct bytes proof, struct buf *out)
{
    fake_keep(n, "", proof);
    if (!bytes_same(proof, BYTES_LIT("two histories"))) return ST_INTEGRITY;
    buf_str(out, "eve signed two histories");
    return ST_OK;
}

enum status node_proposals(struct node *n, const char *enclave, bool all,
                           node_proposal_visit *visit, void *arg)
{
    static const struct node_ballot ballots[] = {{"ada", "yes", 0},
                                                 {"eve", "waiting", UINT64_C(1795000000123)}};
    struct node_proposal p = {.ref = "0011223344556677",
                              .kind = "add",
                              .state = "open",
                              .nick = "bob",
                              .message = "hi \"there\"\n",
                              .changes = "",
                              .by = "ada",
                              .safety = "12345 67890 11111 22222 33333 44444 "
                                        "55555 66666 77777 88888 99999 00000",
                              .time_ms = UINT64_C(1794000000123),
                              .deadline_ms = UINT64_C(1795000000123),
                              .secret = n->secret,
                              .limits = n->secret ? "of two voters each can tell" : "",
                              .ballots = ballots,
                              .n_ballots = 2,
                              .mine_to_vote = true};
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    visit(arg, &p);
    if (!all) return ST_OK;
    p.kind = "policy";
    p.nick = "";
    p.changes = "ballot: open -> secret\nidle: 30d -> 60d";
    p.mine_to_vote = false;
    p.mine_to_withdraw = true;
    visit(arg, &p);
    p.kind = "remove";
    p.nick = "eve,carl";
    p.changes = "";
    p.state = "refused";
    p.mine_to_withdraw = false;
    visit(arg, &p);
    return ST_OK;
}

enum status node_propose_remove(struct node *n, const struct node_remove *req, node_done *done,
                                void *arg)
{
    if (!fake_known(n, req->enclave)) return ST_NOT_FOUND;
    fake_keep(n, req->enclave, bytes_str(req->who));
    n->number = req->now;
    return fake_take(n, done, arg, NULL);
}

enum status node_policy(struct node *n, const char *enclave, node_setting_visit *visit, void *arg)
{
    static const struct node_setting settings[] = {
        {"ballot", "secret", "how votes are cast: secret or open"},
        {"idle", "30d", "who is silent for longer may be removed with others: a time, or never"},
        {"history", "yes", "newcomers get the keys of older files: yes or no"}};
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) visit(arg, &settings[i]);
    return ST_OK;
}

enum status node_propose_policy(struct node *n, const struct node_policy_change *req,
                                node_done *done, void *arg)
{
    if (!fake_known(n, req->enclave)) return ST_NOT_FOUND;
    fake_keep(n, req->enclave, bytes_str(req->changes));
    return fake_take(n, done, arg, NULL);
}

enum status node_withdraw(struct node *n, const char *enclave, const char *ref, node_done *done,
                          void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    fake_keep(n, enclave, bytes_str(ref == NULL ? "" : ref));
    return fake_take(n, done, arg, NULL);
}

enum status node_vote(struct node *n, const struct node_vote *req, node_done *done, void *arg)
{
    if (!fake_known(n, req->enclave)) return ST_NOT_FOUND;
    fake_keep(n, req->enclave, bytes_str(req->ref == NULL ? "" : req->ref));
    n->number = req->yes;
    return fake_take(n, done, arg, NULL);
}

enum status node_send_lines(struct node *n, const char *enclave, struct bytes text, node_done *done,
                            void *arg)
{
    return node_send(n, enclave, &(struct node_say){.text = text}, done, arg);
}

enum status node_send(struct node *n, const char *enclave, const struct node_say *what,
                      node_done *done, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    fake_keep(n, enclave, what->text);
    n->number = 7;
    return fake_take(n, done, arg, &n->number);
}

enum status node_edit(struct node *n, const char *enclave, uint64_t number, struct bytes text,
                      node_done *done, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    fake_keep(n, enclave, text);
    n->number = number;
    return fake_take(n, done, arg, &n->number);
}

enum status node_unsay(struct node *n, const char *enclave, uint64_t number, node_done *done,
                       void *arg)
{
    return node_edit(n, enclave, number, BYTES_LIT("unsaid"), done, arg);
}

enum status node_react(struct node *n, const char *enclave, uint64_t number, struct bytes sign,
                       node_done *done, void *arg)
{
    return node_edit(n, enclave, number, sign, done, arg);
}

enum status node_early(struct node *n, const char *enclave, node_message_visit *visit, void *arg)
{
    (void)n;
    (void)enclave;
    struct node_message m = {.nick = "eve",
                             .unsettled = true,
                             .text = BYTES_LIT("soon"),
                             .uuid = "8f14e45f-ceea-467f-a123-000000000001",
                             .time_ms = 1700000000000};
    visit(arg, &m);
    return ST_OK;
}

enum status node_last_message(struct node *n, const char *enclave, uint64_t *ret)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    *ret = n->messages;
    return ST_OK;
}

enum status node_messages(struct node *n, const char *enclave, uint64_t from,
                          node_message_visit *visit, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    for (uint64_t i = from < 1 ? 1 : from; i <= n->messages; i++) {
        struct node_message m = {.number = i,
                                 .nick = "eve",
                                 .text = BYTES_LIT("a\xff"
                                                   "b")};
        if (i % 2 == 0) m.text = BYTES_LIT("plain");
        if (!visit(arg, &m)) break;
    }
    return ST_OK;
}

enum status node_mark_read(struct node *n, const char *enclave, uint64_t number)
{
    n->marked = number;
    return fake_known(n, enclave) ? ST_OK : ST_NOT_FOUND;
}

enum status node_history(struct node *n, const char *enclave, struct node_history *ret)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    *ret = (struct node_history){
        .name = enclave, .keep_ms = n->number, .first = 3, .last = 9, .since_ms = 1};
    return ST_OK;
}

enum status node_history_keep(struct node *n, const char *enclave, uint64_t keep_ms,
                              node_done *done, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    n->number = keep_ms;
    return fake_take(n, done, arg, NULL);
}

enum status node_history_share(struct node *n, const struct node_share *req, node_done *done,
                               void *arg)
{
    if (!fake_known(n, req->enclave)) return ST_NOT_FOUND;
    fake_keep(n, req->enclave, bytes_str(req->who));
    n->number = req->since_ms;
    n->marked = req->most;
    return fake_take(n, done, arg, &n->marked);
}

void node_archives(struct node *n, node_archive_visit *visit, void *arg)
{
    struct node_archive a = {.name = "one-eve",
                             .shared = true,
                             .enclave = "one",
                             .by = "eve",
                             .messages = 2,
                             .since_ms = 1,
                             .until_ms = 2};
    if (n->enclaves > 0) visit(arg, &a);
}

enum status node_archive_read(struct node *n, const char *archive, uint64_t from,
                              node_message_visit *visit, void *arg)
{
    if (strcmp(archive, "one-eve") != 0) return ST_NOT_FOUND;
    return node_messages(n, "one", from, visit, arg);
}

enum status node_archive_forget(struct node *n, const char *archive, node_done *done, void *arg)
{
    if (strcmp(archive, "one-eve") != 0) return ST_NOT_FOUND;
    return fake_take(n, done, arg, NULL);
}

static inline enum status fake_file(struct node *n, const struct node_history_file *req,
                                    const char *kind, node_done *done, void *arg)
{
    fake_keep(n, req->enclave, req->password);
    snprintf(n->local, sizeof n->local, "%s", req->local);
    n->job = (struct node_history_job){.id = 7,
                                       .kind = kind,
                                       .state = "deriving",
                                       .local = n->local,
                                       .archive = req->name == NULL ? "" : req->name,
                                       .text = "begun"};
    return fake_take(n, done, arg, &n->job);
}

enum status node_history_export(struct node *n, const struct node_history_file *req,
                                node_done *done, void *arg)
{
    return fake_known(n, req->enclave) ? fake_file(n, req, "export", done, arg) : ST_NOT_FOUND;
}

enum status node_history_import(struct node *n, const struct node_history_file *req,
                                node_done *done, void *arg)
{
    return fake_file(n, req, "import", done, arg);
}

enum status node_history_job(struct node *n, node_history_job_visit *visit, void *arg)
{
    if (n->job.id == 0) return ST_NOT_FOUND;
    visit(arg, &n->job);
    return ST_OK;
}

static inline void fake_transfer(struct node *n)
{
    n->transfer = (struct node_transfer){.id = 3,
                                         .enclave = "one",
                                         .kind = "put",
                                         .path = "f\xff",
                                         .local = "/tmp/f",
                                         .state = "spreading",
                                         .total = 10,
                                         .bytes = 5,
                                         .text = "spreading"};
}

void node_transfers(struct node *n, node_transfer_visit *visit, void *arg)
{
    fake_transfer(n);
    visit(arg, &n->transfer);
}

enum status node_transfer(struct node *n, uint64_t id, node_transfer_visit *visit, void *arg)
{
    fake_transfer(n);
    if (id != 3) return ST_NOT_FOUND;
    visit(arg, &n->transfer);
    return ST_OK;
}

enum status node_put(struct node *n, const struct node_put *req, node_done *done, void *arg)
{
    if (!fake_known(n, req->enclave)) return ST_NOT_FOUND;
    fake_keep(n, req->enclave, bytes_str(req->local));
    fake_transfer(n);
    return fake_take(n, done, arg, &n->transfer);
}

enum status node_get(struct node *n, const struct node_get *req, node_done *done, void *arg)
{
    if (!fake_known(n, req->enclave)) return ST_NOT_FOUND;
    fake_keep(n, req->enclave, req->path);
    fake_transfer(n);
    return fake_take(n, done, arg, &n->transfer);
}

enum status node_ls(struct node *n, const char *enclave, struct bytes path, node_file_visit *visit,
                    void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    fake_keep(n, enclave, path);
    struct node_file f = {.path = BYTES_LIT("a\nb\xfe"), .by = "ada", .safety = "safe"};
    visit(arg, &f);
    f.path = BYTES_LIT("gr\xc3\xbc\xc3\x9f"
                       "e");
    visit(arg, &f);
    return ST_OK;
}

enum status node_info(struct node *n, const char *enclave, struct bytes path,
                      node_file_visit *visit, void *arg)
{
    if (!fake_known(n, enclave) || path.n == 0) return ST_NOT_FOUND;
    fake_keep(n, enclave, path);
    struct node_file f = {.path = path, .by = "ada", .safety = "safe", .mtime_ms = UINT64_MAX};
    visit(arg, &f);
    return ST_OK;
}

enum status node_mkdir(struct node *n, const char *enclave, struct bytes path, node_done *done,
                       void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    fake_keep(n, enclave, path);
    return fake_take(n, done, arg, NULL);
}

enum status node_mv(struct node *n, const char *enclave, struct bytes from, struct bytes to,
                    node_done *done, void *arg)
{
    (void)to;
    return node_mkdir(n, enclave, from, done, arg);
}

enum status node_rm(struct node *n, const char *enclave, struct bytes path, bool recursive,
                    node_done *done, void *arg)
{
    n->number = recursive;
    return node_mkdir(n, enclave, path, done, arg);
}

/* ---- contacts ---- */

enum status node_key(struct node *n, const struct node_key_ask *ask, node_done *done, void *arg)
{
    static const uint8_t card[] = {1, 2, 3};
    struct node_key k = {.words = "abandon zoo", .address = "", .card = BYTES_OF(card)};
    if (ask->nick == NULL) return ST_USAGE;
    k.nick = ask->nick;
    snprintf(k.fingerprint, sizeof k.fingerprint, "%064d", 7);
    n->number = ask->bare;
    return fake_take(n, done, arg, &k);
}

static inline struct node_peer fake_peer(void)
{
    struct node_peer p = {.name = "bob",
                          .nick = "b\xc3\xb6",
                          .state = "waiting",
                          .host = "you",
                          .address = "",
                          .text = "waiting for him"};
    snprintf(p.fingerprint, sizeof p.fingerprint, "%064d", 8);
    return p;
}

enum status node_peer_add(struct node *n, const struct node_peer_add *req, node_done *done,
                          void *arg)
{
    struct node_peer p = fake_peer();
    fake_keep(n, req->address, req->card);
    return fake_take(n, done, arg, &p);
}

enum status node_peers(struct node *n, node_peer_visit *visit, void *arg)
{
    struct node_peer p = fake_peer();
    (void)n;
    visit(arg, &p);
    return ST_OK;
}

enum status node_peer_remove(struct node *n, const char *peer, node_done *done, void *arg)
{
    if (strcmp(peer, "twins") == 0) return ST_CONFLICT;
    return strcmp(peer, "bob") == 0 ? fake_take(n, done, arg, NULL) : ST_NOT_FOUND;
}

enum status node_peer_address(struct node *n, const char *peer, const char *address,
                              node_done *done, void *arg)
{
    struct node_peer p = fake_peer();
    fake_keep(n, peer, bytes_str(address));
    return fake_take(n, done, arg, &p);
}

bool node_peer_awaited(struct node *n, const char *enclave)
{
    (void)n;
    return strcmp(enclave, "three") == 0;
}

enum status node_why_not(struct node *n, const char *name, const char **ret_text)
{
    (void)n;
    *ret_text = strcmp(name, "0123abcd") == 0 ? "several begin with that" : NULL;
    return *ret_text == NULL ? ST_NOT_FOUND : ST_CONFLICT;
}

#include "unit/fake_storage.h"

#endif
