/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Keys, machines, sentinels, and the ledger looked at. */
#include "api/armor.h"
#include "api/call.h"
#include "api/shapes_json.h"
#include "core/vault/words.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static json_t *with_text(json_t *o, const struct node_result *r)
{
    json_set_text(o, "text", r->text);
    return o;
}

void api_handle_rekey(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    size_t files;
    enum status st = call_flag(c, "files")
                         ? node_files_rekey(c->api->o.node, name, &files, call_done, c)
                         : node_rekey(c->api->o.node, name, call_done, c);
    if (st == ST_EXISTS)
        call_fail(c, st, "the keys of all files are under this epoch's key already",
                  "enclave rekey begins a new epoch");
    else if (st != ST_OK)
        api_refused(c, name, st);
}

void api_handle_rehome(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_rehome(c->api->o.node, name, call_text(c, "address"), call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

/* ---- away ---- */

/* RFC 3339 in UTC, with or without a fraction of the second, which does not count. */
bool api_time(const char *text, uint64_t *ret_ms)
{
    struct tm t = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);
    if (end == NULL) return false;
    if (*end == '.') {
        size_t n = strspn(end + 1, "0123456789");
        if (n == 0) return false;
        end += 1 + n;
    }
    if (strcmp(end, "Z") != 0) return false;
    time_t s = timegm(&t);
    if (s <= 0) return false;
    *ret_ms = (uint64_t)s * 1000;
    return true;
}

void api_handle_away(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    uint64_t until = 0;
    const char *text = call_text(c, "until");
    bool back = strcmp(text, "back") == 0;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    if (!back && !api_time(text, &until)) {
        call_fail(c, ST_USAGE, "until is a time such as 2026-12-24T18:00:00Z, or back", "");
        return;
    }
    if (!back && until <= env_wall_ms(c->api->o.env)) {
        call_fail(c, ST_USAGE, "that time is past", "enclave away back, if you are back");
        return;
    }
    enum status st = node_away(c->api->o.node, name, until, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

/* ---- erasing ---- */

static void keep_name(void *arg, const struct node_enclave_info *e)
{
    snprintf(arg, NODE_NAME_MAX + 1, "%s", e->name);
}

void api_handle_destroy(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    char own[NODE_NAME_MAX + 1] = "";
    const char *said = call_text(c, "yes_really");
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_enclave(c->api->o.node, name, keep_name, own);
    if (st == ST_OK && (said == NULL || strcmp(said, own) != 0)) {
        char text[160];
        char next[160];
        snprintf(text, sizeof text, "this would erase %.70s here; nothing was done", own);
        snprintf(next, sizeof next, "enclave destroy --yes-really %.70s", own);
        call_fail(c, ST_USAGE, text, next);
        return;
    }
    if (st == ST_OK) st = node_destroy(c->api->o.node, own, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

/* ---- the recovery kit ---- */

/* {name: label and content}. Frees content. */
static void answer_armored(struct call *c, const char *name, const char *label, struct buf *content)
{
    struct buf text = BUF_INIT;
    armor_write(label, buf_view(content), &text);
    if (buf_status(&text) == ST_OK) {
        json_t *o = json_object();
        json_object_set_new(o, name, json_stringn((const char *)text.p, text.n));
        call_answer(c, o);
    } else {
        call_fail(c, ST_NO_MEMORY, NULL, NULL);
    }
    buf_free(&text);
    buf_free(content);
}

void api_handle_kit(struct call *c)
{
    struct buf kit = BUF_INIT;
    enum status st = node_kit(c->api->o.node, &kit);
    if (st == ST_OK) {
        answer_armored(c, "kit", ARMOR_KIT, &kit);
        return;
    }
    buf_free(&kit);
    api_refused_alone(c, st);
}

static json_t *revoked(const struct call *c, const struct node_result *r)
{
    (void)c;
    return with_text(r->data == NULL ? json_object() : json_revoked(r->data), r);
}

void api_handle_revoke(struct call *c)
{
    uint8_t rk[WORDS_KEY];
    char fault[WORDS_FAULT] = "";
    struct buf kit = BUF_INIT;
    enum status st = words_decode(call_bytes(c, "words"), rk, fault);
    if (st != ST_OK) {
        call_fail(c, ST_USAGE, fault, "");
        return;
    }
    st = armor_read(ARMOR_KIT, call_bytes(c, "kit"), &kit);
    if (st == ST_OK) {
        c->result = revoked;
        st = node_revoke(c->api->o.node, buf_view(&kit), rk, call_text(c, "name"), call_done, c);
        if (st != ST_OK) api_refused_alone(c, st);
    } else {
        call_fail(c, st,
                  st == ST_USAGE ? "this is not a whole recovery kit: enclave-kit:..." : NULL,
                  "the whole file that enclave recovery kit wrote");
    }
    bytes_wipe(rk, sizeof rk);
    buf_free(&kit);
}

/* ---- the ledger looked at ---- */

static json_t *verified(const struct call *c, const struct node_result *r)
{
    (void)c;
    return with_text(r->data == NULL ? json_object() : json_verdict(r->data), r);
}

void api_handle_verify(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    c->result = verified;
    enum status st = node_verify(c->api->o.node, name, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

/* ---- check ---- */

static void keep_check(void *arg, const struct node_check *v)
{
    json_t **o = arg;
    *o = json_check(v);
}

static void answer_check(struct call *c, const char *name)
{
    json_t *o = NULL;
    enum status st = node_check_look(c->api->o.node, name, keep_check, &o);
    if (st == ST_OK && o != NULL)
        call_answer(c, o);
    else if (st == ST_NOT_FOUND)
        call_fail(c, st, "there was no check of it since the daemon began", "enclave check");
    else
        api_refused(c, name, st);
}

static void begin_check(struct call *c, unsigned percent, bool mend)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    struct node_check_ask ask = {.enclave = name, .percent = percent, .mend = mend};
    enum status st = node_check(c->api->o.node, &ask);
    if (st == ST_OK)
        answer_check(c, name);
    else if (st == ST_BUSY)
        call_fail(c, ST_CONFLICT, "a check of it runs already", "the same again when it is over");
    else
        api_refused(c, name, st);
}

void api_handle_check(struct call *c)
{
    uint64_t percent = call_number(c, "read_data", 0);
    if (percent > 100)
        call_fail(c, ST_USAGE, "read_data is a share of 1 to 100 percent", "");
    else
        begin_check(c, (unsigned)percent, false);
}

void api_handle_repair(struct call *c)
{
    begin_check(c, 0, true);
}

void api_handle_check_look(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name != NULL) answer_check(c, name);
}

/* ---- proofs ---- */

void api_handle_proof(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    struct buf proof = BUF_INIT;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_proof(c->api->o.node, name, &proof);
    if (st == ST_OK) {
        answer_armored(c, "proof", ARMOR_PROOF, &proof);
        return;
    }
    buf_free(&proof);
    api_refused(c, name, st);
}

void api_handle_proof_check(struct call *c)
{
    struct buf proof = BUF_INIT;
    struct buf text = BUF_INIT;
    enum status st = armor_read(ARMOR_PROOF, call_bytes(c, "proof"), &proof);
    if (st == ST_USAGE) {
        call_fail(c, st, "this is not a whole proof: enclave-proof:...",
                  "the whole file that enclave verify --save-proof wrote");
        goto out;
    }
    if (st == ST_OK) st = node_check_proof(c->api->o.node, buf_view(&proof), &text);
    if (st == ST_OK) st = buf_status(&text);
    if (st == ST_OK) {
        json_t *o = json_object();
        json_set_name(o, "text", buf_view(&text));
        call_answer(c, o);
    } else {
        api_refused_alone(c, st);
    }
out:
    buf_free(&proof);
    buf_free(&text);
}
