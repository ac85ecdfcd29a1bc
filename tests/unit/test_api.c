/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/vault store node/vault api client */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/api_world.h"

static void vault_comes_first(void **state)
{
    struct world *w = *state;
    struct enclave_param short_one[] = {{"password", "x", 0}};
    struct enclave_param wrong[] = {{"password", "wrong horse", 0}};
    struct enclave_param words[] = {{"words", "zoo zoo", 0}};
    ask(w, 0, "status", NULL, 0, "\"vault\":\"none\"");
    ask(w, 11, "enclaves", NULL, 0, "enclave init");
    ask(w, 4, "vault_unlock", short_one, 1, "enclave init");
    ask(w, 2, "vault_init", short_one, 1, "8 characters");
    ask(w, 2, "vault_init", NULL, 0, "password is missing");
    open_vault(w);
    ask(w, 5, "vault_init", wrong, 1, NULL);
    ask(w, 12, "vault_unlock", wrong, 1, "wrong password");
    ask(w, 2, "vault_test", words, 1, NULL);
    ask(w, 0, "status", NULL, 0, "\"vault\":\"open\"");
    ask(w, 0, "version", NULL, 0, "\"api\":\"v1\"");
    ask(w, 0, "daemon_stop", NULL, 0, NULL);
    assert_true(w->stop_asked);
}

static void the_only_enclave_is_meant(void **state)
{
    struct world *w = *state;
    struct enclave_param named[] = {{"enclave", "two", 0}};
    struct enclave_param text[] = {{"text", "hello", 0}};
    open_vault(w);
    w->node.enclaves = 0;
    ask(w, 4, "send", text, 1, "there is no enclave yet");
    w->node.enclaves = 1;
    ask(w, 0, "send", text, 1, "\"number\":7");
    assert_string_equal(w->node.enclave, "one");
    assert_memory_equal(w->node.last.p, "hello", 5);
    ask(w, 4, "members", named, 1, "there is no enclave two");
    w->node.enclaves = 2;
    ask(w, 2, "send", text, 1, "one, two");
    ask(w, 0, "members", named, 1, "b\xc3\xb6");
    ask(w, 0, "proposals", named, 1, "\\\"there\\\"\\n");
    ask(w, 0, "leave", named, 1, "it is done");
    assert_string_equal(w->node.enclave, "two");
}

static void every_operation_answers(void **state)
{
    struct world *w = *state;
    struct enclave_param create[] = {
        {"name", "n", 0}, {"nick", "ada", 0}, {"sentinel", "h:1#x", 0}};
    struct enclave_param join[] = {{"code", "enclave:x", 0}, {"nick", "b", 0}};
    struct enclave_param vote[] = {{"choice", "yes", 0}, {"who", "bob", 0}};
    struct enclave_param maybe[] = {{"choice", "maybe", 0}};
    struct enclave_param number[] = {{"number", "5", 0}};
    struct enclave_param ttl[] = {{"ttl", "60000", 0}};
    struct enclave_param put[] = {{"local", "/a/b", 0}, {"path", "c", 0}};
    struct enclave_param relative[] = {{"local", "a/b", 0}};
    struct enclave_param path[] = {{"path", "c", 0}};
    struct enclave_param id[] = {{"id", "3", 0}};
    struct enclave_param other[] = {{"id", "4", 0}};
    struct enclave_param rm[] = {{"path", "c", 0}, {"recursive", "true", 0}};
    open_vault(w);
    ask(w, 0, "create", create, 3, "\"state\":\"member\"");
    ask(w, 2, "create", create, 2, "which sentinel");
    ask(w, 2, "create", create, 1, "--as NICK");
    ask(w, 0, "join", join, 2, "\"state\":\"joining\"");
    ask(w, 0, "invite", ttl, 1, "2026-11-18T11:06:40.123Z");
    assert_int_equal(w->node.number, 60000);
    ask(w, 0, "vote", vote, 2, "it is done");
    assert_memory_equal(w->node.last.p, "bob", 3);
    ask(w, 2, "vote", maybe, 1, "choices");
    ask(w, 0, "mark_read", number, 1, NULL);
    assert_int_equal(w->node.marked, 5);
    ask(w, 0, "put", put, 2, "\"id\":3");
    ask(w, 2, "put", relative, 1, "absolute");
    struct enclave_param large[] = {{"local", "/bin/sh", 0}};
    ask(w, 2, "put", large, 1, "max_upload_size_mb");
    ask(w, 0, "get", put, 2, "\"path\":\"f%FF\",\"path_encoded\":true");
    ask(w, 0, "transfers", NULL, 0, "\"state\":\"spreading\"");
    ask(w, 0, "transfer", id, 1, NULL);
    ask(w, 4, "transfer", other, 1, NULL);
    ask(w, 0, "info", path, 1, "9999-12-31");
    ask(w, 4, "info", NULL, 0, "no such file");
    ask(w, 0, "mkdir", path, 1, NULL);
    ask(w, 0, "rm", rm, 2, NULL);
    ask(w, 0, "versions", path, 1, "\"number\":7");
    ask(w, 0, "trash", NULL, 0, "\"state\":\"removed\"");
    ask(w, 0, "gc", NULL, 0, "\"bytes\":9");
    ask(w, 0, "retention", NULL, 0, "staggered");
    assert_int_equal(w->node.number, 1);
    ask(w, 2, "no_such_operation", NULL, 0, NULL);
    ask(w, 2, "mkdir", id, 1, "no such parameter");
}

static void storage_answers(void **state)
{
    struct world *w = *state;
    struct enclave_param add[] = {{"offer", "enclave-storage:x", 0}, {"quota", "50G", 0}};
    struct enclave_param number[] = {{"number", "4096", 0}};
    struct enclave_param size[] = {{"size", "7T", 0}};
    const char *const bad[] = {"7X", "", "G", "-1", "1.5G", "99999999999999T", "7GG"};
    open_vault(w);
    ask(w, 0, "storage", NULL, 0, "\"who\":\"store:1\"");
    ask(w, 0, "storage_add", add, 2, NULL);
    assert_int_equal(w->node.number, UINT64_C(50000000000));
    assert_memory_equal(w->node.last.p, "enclave-storage:x", 17);
    ask(w, 0, "storage_remove", number, 1, NULL);
    assert_int_equal(w->node.number, 4096);
    ask(w, 0, "storage_offer", size, 1, NULL);
    assert_int_equal(w->node.number, UINT64_C(7000000000000));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size[0].value = bad[i];
        ask(w, 2, "storage_offer", size, 1, NULL);
    }
    assert_int_equal(w->node.number, UINT64_C(7000000000000));
}

static void contacts_answer(void **state)
{
    struct world *w = *state;
    struct enclave_param nick[] = {{"nick", "ada", 0}, {"bare", "true", 0}};
    struct enclave_param card[] = {{"card", "enclave-card:AQID\n", 0}, {"address", "h:1", 0}};
    struct enclave_param cut[] = {{"card", "enclave-card:A", 0}};
    struct enclave_param kit[] = {{"card", "enclave-kit:AQID", 0}};
    struct enclave_param bob[] = {{"peer", "bob", 0}, {"address", "h:2", 0}};
    struct enclave_param twins[] = {{"peer", "twins", 0}};
    struct enclave_param prefix[] = {{"peer", "0123abcd", 0}};
    struct enclave_param three[] = {{"enclave", "three", 0}, {"text", "x", 0}};
    struct enclave_param named[] = {{"enclave", "0123abcd", 0}};
    open_vault(w);
    ask(w, 2, "key_show", NULL, 0, "enclave key export --as NICK");
    ask(w, 0, "key_export", nick, 2, "\"card\":\"enclave-card:AQID");
    assert_int_equal(w->node.number, 1);
    ask(w, 0, "peer_add", card, 2, "\"state\":\"waiting\"");
    assert_memory_equal(w->node.last.p, "\1\2\3", 3);
    ask(w, 8, "peer_add", cut, 1, "cut or altered");
    ask(w, 2, "peer_add", kit, 1, "no contact card");
    ask(w, 0, "peers", NULL, 0, "\"nick\":\"b\xc3\xb6\"");
    ask(w, 0, "peer_address", bob, 2, "\"host\":\"you\"");
    ask(w, 0, "peer_remove", bob, 1, "it is done");
    ask(w, 5, "peer_remove", twins, 1, "several contacts");
    ask(w, 5, "peer_remove", prefix, 1, "several begin");
    ask(w, 5, "members", named, 1, "several begin");
    w->node.enclaves = 3;
    ask(w, 7, "send", three, 2, "nothing was sent");
}

static void votes_and_rules_answer(void **state)
{
    struct world *w = *state;
    struct enclave_param all[] = {{"all", "true", 0}};
    struct enclave_param remove[] = {
        {"who", "eve,bo", 0}, {"reason", "gone", 0}, {"now", "true", 0}};
    struct enclave_param rules[] = {{"changes", "idle=60d;ballot=open", 0}};
    struct enclave_param withdraw[] = {{"who", "eve", 0}};
    char longer[258] = "";
    open_vault(w);
    ask(w, 0, "proposals", NULL, 0, "\"choice\":\"yes\"");
    ask(w, 0, "proposals", NULL, 0, "\"deadline\":\"2026-11-18T11:06:40.123Z\"");
    ask(w, 0, "proposals", all, 1, "idle: 30d -> 60d");
    ask(w, 0, "remove", remove, 3, "it is done");
    assert_memory_equal(w->node.last.p, "eve,bo", 6);
    assert_int_equal(w->node.number, 1);
    memset(longer, 'x', sizeof longer - 1);
    remove[1].value = longer;
    ask(w, 2, "remove", remove, 3, "256 bytes");
    ask(w, 0, "policy", NULL, 0, "\"key\":\"idle\",\"value\":\"30d\"");
    ask(w, 0, "policy_set", rules, 1, "it is done");
    assert_string_equal((char *)w->node.last.p, "idle=60d;ballot=open");
    rules[0].value = "idle=60d;balot=open";
    ask(w, 2, "policy_set", rules, 1, "did you mean ballot?");
    static const char *const broken[] = {"idle", "idle=", "", ";", "idle=1d;", "=x"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        rules[0].value = broken[i];
        ask(w, 2, "policy_set", rules, 1, "enclave policy");
    }
    ask(w, 0, "withdraw", withdraw, 1, "it is done");
    assert_string_equal((char *)w->node.last.p, "eve");
    ask(w, 0, "withdraw", NULL, 0, NULL);
    w->node.refuse = ST_USAGE;
    rules[0].value = "idle=soon";
    ask(w, 2, "policy_set", rules, 1, "none that its key takes");
    w->node.refuse = ST_DENIED;
    ask(w, 6, "withdraw", NULL, 0, "somebody else proposed it");
    w->node.refuse = ST_CONFLICT;
    ask(w, 5, "remove", remove, 1, "voted on already");
    w->node.refuse = ST_NOT_FOUND;
    ask(w, 4, "remove", remove, 1, "enclave rm PATH");
}

/* In a secret ballot nothing that comes back tells a yes from a no. */
static void secret_ballots_stay_secret(void **state)
{
    struct world *w = *state;
    struct enclave_param yes[] = {{"choice", "yes", 0}, {"who", "bob", 0}};
    struct enclave_param no[] = {{"choice", "no", 0}, {"who", "0011", 0}};
    struct enclave_param any[] = {{"choice", "no", 0}};
    open_vault(w);
    ask(w, 0, "vote", no, 2, "\"secret\":false");
    w->node.secret = true;
    struct enclave_answer *a = expect(w, 0, "vote", yes, 2);
    assert_int_equal(w->node.number, 1);
    struct enclave_answer *b = expect(w, 0, "vote", no, 2);
    assert_int_equal(w->node.number, 0);
    assert_string_equal(enclave_json(a), enclave_json(b));
    assert_non_null(strstr(enclave_json(a), "\"secret\":true"));
    assert_null(strstr(enclave_json(a), "it is done"));
    enclave_answer_free(a);
    enclave_answer_free(b);
    ask(w, 0, "vote", any, 1, "nobody learns");
    yes[1].value = "somebody"; /* no such vote is known: the enclave's own kind counts */
    ask(w, 0, "vote", yes, 2, "nobody learns");
    a = expect(w, 0, "proposals", NULL, 0);
    assert_null(strstr(enclave_json(a), "\"yes\""));
    assert_non_null(strstr(enclave_json(a), "\"choice\":\"voted\""));
    assert_non_null(strstr(enclave_json(a), "\"choice\":\"waiting\",\"away\":\"2026-11-18T"));
    assert_non_null(strstr(enclave_json(a), "each can tell"));
    enclave_answer_free(a);
}

static void care_answers(void **state)
{
    struct world *w = *state;
    struct enclave_param until[] = {{"until", "2099-12-24T18:00:00Z", 0}};
    struct enclave_param address[] = {{"address", "h:2", 0}};
    struct enclave_param really[] = {{"yes_really", "two", 0}};
    open_vault(w);
    ask(w, 0, "status", NULL, 0, "\"confirmed\":2,\"doubtful\":false");
    ask(w, 0, "members", NULL, 0, "\"agreed\":41,\"last\":\"2025-06-15T");
    ask(w, 0, "members", NULL, 0, "\"away\":\"2026-11-18T11:06:40.123Z\",\"silent\":false");
    ask(w, 0, "rekey", NULL, 0, "it is done");
    ask(w, 0, "rehome", NULL, 0, NULL);
    assert_string_equal((char *)w->node.last.p, "next");
    ask(w, 0, "rehome", address, 1, NULL);
    assert_string_equal((char *)w->node.last.p, "h:2");
    ask(w, 0, "away", until, 1, NULL);
    assert_int_equal(w->node.number, UINT64_C(4101818400) * 1000);
    until[0].value = "2099-12-24T18:00:00.250Z";
    ask(w, 0, "away", until, 1, NULL);
    static const char *const never[] = {"1970-01-01T00:00:01Z", "2099-12-24",           "3d", "",
                                        "2099-12-24T18:00:00",  "2099-12-24T18:00:00.Z"};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        until[0].value = never[i];
        ask(w, 2, "away", until, 1, NULL);
    }
    until[0].value = "back";
    ask(w, 0, "away", until, 1, NULL);
    assert_int_equal(w->node.number, 0);
    ask(w, 0, "leave_preview", NULL, 0, "\"lost\":2,\"lost_bytes\":70000,\"weaker\":3");
    w->node.calls = 0;
    ask(w, 2, "destroy", NULL, 0, "--yes-really one");
    ask(w, 2, "destroy", really, 1, "nothing was done");
    assert_int_equal(w->node.calls, 0);
    really[0].value = "one";
    ask(w, 0, "destroy", really, 1, "it is done");
    ask(w, 0, "verify", NULL, 0, "\"agrees\":true");
    w->node.dissent = true;
    ask(w, 0, "verify", NULL, 0, "\"agrees\":false,\"fork\":false,\"entries\":57");
    struct enclave_param share[] = {{"read_data", "101", 0}};
    ask(w, 2, "check", share, 1, "1 to 100");
    share[0].value = "10";
    ask(w, 0, "check", share, 1, "\"shards\":7,\"shards_bad\":3");
    assert_int_equal(w->node.number, 10);
    ask(w, 0, "repair", NULL, 0, "\"path\":\"a%FF\",\"path_encoded\":true,\"bad\":3");
    assert_int_equal(w->node.number, 1000);
    ask(w, 0, "check_look", NULL, 0, "\"sound\":false");
    w->node.hold = true;
    ask(w, 5, "check", NULL, 0, "runs already");
    w->node.hold = false;
}

/* A text out of a JSON answer. */
static void text_of(const struct enclave_answer *a, const char *name, char *out, size_t n)
{
    json_t *o = json_loads(enclave_json(a), 0, NULL);
    assert_non_null(json_string_value(json_object_get(o, name)));
    snprintf(out, n, "%s", json_string_value(json_object_get(o, name)));
    json_decref(o);
}

static void kits_and_proofs_travel_as_text(void **state)
{
    struct world *w = *state;
    static const char words[] =
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
        "abandon art";
    char kit[2000];
    char mailed[2000];
    char proof[200];
    struct enclave_param revoke[] = {{"words", words, 0}, {"kit", kit, 0}, {"name", "two", 0}};
    struct enclave_param check[] = {{"proof", proof, 0}};
    ask(w, 11, "kit", NULL, 0, NULL);
    open_vault(w);
    struct enclave_answer *a = expect(w, 0, "kit", NULL, 0);
    text_of(a, "kit", kit, sizeof kit);
    enclave_answer_free(a);
    for (const char *p = kit; *p != '\0'; p += strcspn(p, "\n") + 1)
        assert_true(strcspn(p, "\n") <= 72);
    ask(w, 0, "revoke", revoke, 3, "\"enclaves\":2,\"told\":1,\"detail\":\"one: told");
    assert_int_equal(w->node.last.n, 200);
    assert_int_equal(w->node.last.p[199], 199);
    assert_true(bytes_zero(BYTES_OF(w->node.rk)));
    assert_string_equal(w->node.enclave, "two");
    size_t n = 0;
    for (const char *p = kit; *p != '\0'; p++) {
        if (*p == '\n') mailed[n++] = '\r';
        mailed[n++] = *p;
    }
    mailed[n] = '\0';
    revoke[1].value = mailed;
    ask(w, 0, "revoke", revoke, 2, NULL);
    assert_int_equal(w->node.last.n, 200);
    revoke[1].value = "enclave-proof:AAAA";
    ask(w, 2, "revoke", revoke, 2, "whole recovery kit");
    revoke[1].value = "enclave-kit:A.A";
    ask(w, 2, "revoke", revoke, 2, "whole recovery kit");
    revoke[1].value = kit;
    revoke[0].value = "zoo zoo";
    ask(w, 2, "revoke", revoke, 2, NULL);
    revoke[0].value = words;
    w->node.refuse = ST_BAD_SEAL;
    ask(w, 8, "revoke", revoke, 2, "do not open this kit");
    w->node.refuse = ST_OK;
    ask(w, 4, "proof", NULL, 0, "none was ever seen");
    w->node.dissent = true;
    a = expect(w, 0, "proof", NULL, 0);
    text_of(a, "proof", proof, sizeof proof);
    enclave_answer_free(a);
    ask(w, 0, "proof_check", check, 1, "eve signed two histories");
    check[0].value = "enclave-proof:AAAA";
    ask(w, 8, "proof_check", check, 1, "it proves nothing");
    check[0].value = "nonsense";
    ask(w, 2, "proof_check", check, 1, "whole proof");
}

/* A machine without a vault revokes another one, and checks a proof. */
static void no_vault_is_needed(void **state)
{
    struct world *w = *state;
    struct enclave_param revoke[] = {{"words", "zoo", 0}, {"kit", "enclave-kit:AAAA", 0}};
    struct enclave_param check[] = {{"proof", "enclave-proof:AAAA", 0}};
    ask(w, 2, "revoke", revoke, 2, NULL);
    ask(w, 8, "proof_check", check, 1, NULL);
}

static void errors_of_the_node_come_through(void **state)
{
    struct world *w = *state;
    struct enclave_param text[] = {{"text", "hello", 0}};
    struct enclave_param join[] = {{"code", "enclave:x", 0}, {"nick", "b", 0}};
    open_vault(w);
    w->node.end = ST_UNREACHABLE;
    ask(w, 13, "send", text, 1, "it went wrong");
    w->node.end = ST_OK;
    w->node.refuse = ST_QUOTA;
    ask(w, 9, "send", text, 1, "QUOTA");
    w->node.refuse = ST_PENDING;
    ask(w, 7, "join", join, 2, "not everybody has voted");
    w->node.refuse = ST_BAD_MESSAGE;
    ask(w, 2, "join", join, 2, "whole invitation");
    w->node.refuse = ST_REFUSED;
    ask(w, 6, "join", join, 2, "refused");
}

static void names_are_bytes(void **state)
{
    struct world *w = *state;
    static const char odd[] = "\x01 %\xff/\xc3\x28?&=#";
    struct enclave_param path[] = {{"path", odd, 0}};
    struct enclave_param fine[] = {{"path", "gr\xc3\xbc\xc3\x9f e%20", 0}};
    open_vault(w);
    ask(w, 0, "mkdir", path, 1, NULL); /* in a body */
    assert_int_equal(w->node.last.n, sizeof odd - 1);
    assert_memory_equal(w->node.last.p, odd, sizeof odd - 1);
    memset(&w->node.last, 0, sizeof w->node.last);
    ask(w, 0, "ls", path, 1, "a%0Ab%FE\",\"path_encoded\":true"); /* in a query */
    assert_int_equal(w->node.last.n, sizeof odd - 1);
    assert_memory_equal(w->node.last.p, odd, sizeof odd - 1);
    ask(w, 0, "ls", fine, 1,
        "\"path\":\"gr\xc3\xbc\xc3\x9f"
        "e\",\"directory\"");
    assert_memory_equal(w->node.last.p, "gr\xc3\xbc\xc3\x9f e%20", 12);
}

static void *cancel_soon(void *arg)
{
    struct world *w = arg;
    enclave_cancel(w->e);
    return NULL;
}

static int start_cancel(void *arg, const char *json, size_t n)
{
    struct world *w = arg;
    pthread_t t;
    (void)json;
    (void)n;
    pthread_create(&t, NULL, cancel_soon, w);
    pthread_join(t, NULL);
    return 1;
}

static void callers_may_go_away(void **state)
{
    struct world *w = *state;
    struct enclave_param text[] = {{"text", "hello", 0}};
    open_vault(w);
    w->node.hold = true;
    enclave_timeout(w->e, 30);
    ask(w, 13, "send", text, 1, "in time");
    enclave_timeout(w->e, 0);
    w->order = RELEASE; /* the node ends it now: nobody listens any more */
    uv_async_send(&w->wake);
    ask(w, 0, "status", NULL, 0, NULL);
    struct enclave_answer *a = enclave_follow(w->e, 0, start_cancel, w);
    assert_int_equal(enclave_exit(a), 130);
    enclave_answer_free(a);
    ask(w, 130, "status", NULL, 0, NULL);
    enclave_resume(w->e);
    w->node.hold = false;
    ask(w, 0, "status", NULL, 0, NULL);
    /* This one is still with the node when everything ends. */
    w->node.hold = true;
    enclave_timeout(w->e, 30);
    ask(w, 13, "send", text, 1, NULL);
}

static size_t drop(char *p, size_t size, size_t n, void *arg)
{
    (void)p;
    (void)arg;
    return size * n;
}

/* Whatever stands in a body: an answer, and one of the documented kind. */
static void mutated_bodies_are_answered(void **state)
{
    struct world *w = *state;
    static const char *const bases[][2] = {
        {"http://localhost/v1/enclaves",
         "{\"name\":\"n\",\"nick\":\"ada\",\"sentinel\":\"h:1#x\",\"host\":false}"},
        {"http://localhost/v1/enclaves/-/directories", "{\"path\":\"a%FF\",\"path_encoded\":true}"},
        {"http://localhost/v1/enclaves/-/messages/read", "{\"number\":12345}"},
        {"http://localhost/v1/enclaves/-/votes",
         "{\"choice\":\"yes\",\"who\":\"b\\u00f6\",\"compared\":true}"},
        {"http://localhost/v1/enclaves/-/policy",
         "{\"changes\":\"idle=30d;history=no\",\"reason\":\"b\\u00f6\",\"now\":true}"},
        {"http://localhost/v1/revocations", "{\"words\":\"zoo\",\"kit\":\"enclave-kit:AAAA\"}"},
        {"http://localhost/v1/enclaves/-/away", "{\"until\":\"2099-12-24T18:00:00.5Z\"}"},
        {"http://localhost/v1/proofs/check", "{\"proof\":\"enclave-proof:dHdvIGhpc3Rvcmllcw\"}"}};
    char socket[96];
    uint32_t seed = 5;
    open_vault(w);
    snprintf(socket, sizeof socket, "%s/daemon.sock", w->home);
    CURL *c = curl_easy_init();
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 4000L);
    for (int i = 0; i < 4800; i++) {
        const char *const *base = bases[i % 8];
        char body[256];
        size_t n = strlen(base[1]);
        memcpy(body, base[1], n);
        for (int j = 0; j < 1 + i % 3; j++) {
            seed = seed * 1664525U + 1013904223U;
            body[(seed >> 8) % n] = (char)(seed >> 24);
        }
        if (i % 7 == 0) n = (seed >> 5) % n;
        curl_easy_setopt(c, CURLOPT_URL, base[0]);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)n);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
        assert_int_equal(curl_easy_perform(c), CURLE_OK);
        long http = 0;
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &http);
        bool proof = strstr(base[0], "proofs") != NULL; /* a changed one proves nothing: 500 */
        if (http != 200 && http != 400 && !(proof && http == status_http(ST_INTEGRITY)))
            fail_msg("HTTP %ld for %.*s", http, (int)n, body);
    }
    curl_easy_cleanup(c);
}

static void known_paths_want_their_method(void **state)
{
    struct world *w = *state;
    char socket[96];
    long http = 0;
    snprintf(socket, sizeof socket, "%s/daemon.sock", w->home);
    CURL *c = curl_easy_init();
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(c, CURLOPT_URL, "http://localhost/v1/vault/init");
    assert_int_equal(curl_easy_perform(c), CURLE_OK);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &http);
    assert_int_equal(http, 405);
    curl_easy_setopt(c, CURLOPT_URL, "http://localhost/v1/nothing");
    assert_int_equal(curl_easy_perform(c), CURLE_OK);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &http);
    assert_int_equal(http, 404);
    curl_easy_setopt(c, CURLOPT_URL, "http://localhost/v1/events?aftr=3");
    assert_int_equal(curl_easy_perform(c), CURLE_OK);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &http);
    assert_int_equal(http, 400);
    curl_easy_cleanup(c);
}

static void absent_daemon_is_named(void **state)
{
    (void)state;
    struct enclave *e = NULL;
    char longer[300];
    assert_int_equal(enclave_open("/nowhere/at/all", &e), 0);
    struct enclave_answer *a = enclave_call(e, "status", NULL, 0);
    assert_int_equal(enclave_exit(a), 13);
    assert_non_null(strstr(enclave_text(a), "/nowhere/at/all"));
    assert_non_null(strstr(enclave_next(a), "enclave daemon start"));
    enclave_answer_free(a);
    enclave_close(e);
    memset(longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(enclave_open(longer, &e), 0);
    a = enclave_call(e, "status", NULL, 0);
    assert_int_equal(enclave_exit(a), 13);
    enclave_answer_free(a);
    enclave_close(e);
    assert_int_equal(enclave_exit(NULL), 1);
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WORLD(vault_comes_first),
        WORLD(the_only_enclave_is_meant),
        WORLD(every_operation_answers),
        WORLD(storage_answers),
        WORLD(contacts_answer),
        WORLD(votes_and_rules_answer),
        WORLD(secret_ballots_stay_secret),
        WORLD(care_answers),
        WORLD(kits_and_proofs_travel_as_text),
        WORLD(no_vault_is_needed),
        WORLD(errors_of_the_node_come_through),
        WORLD(names_are_bytes),
        WORLD(callers_may_go_away),
        WORLD(mutated_bodies_are_answered),
        WORLD(known_paths_want_their_method),
        cmocka_unit_test(absent_daemon_is_named),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
