/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The vault, the daemon itself, and the overview. */
#include "api/call.h"
#include "api/shapes_json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void words_to_list(json_t *o, const char *words)
{
    while (*words != '\0') {
        size_t n = strcspn(words, " ");
        if (n > 0) json_add(o, "words", json_stringn(words, n));
        words += n;
        while (*words == ' ') words++;
    }
}

static void vault_event(struct api *a, const char *text)
{
    struct node_event e = {"vault", "", text, "", 0, env_wall_ms(a->o.env)};
    api_event(a, &e);
}

static const char *next_of(enum status st, const struct operation *op)
{
    if (st == ST_NOT_FOUND) return "enclave init";
    if (st == ST_EXISTS)
        return "enclave daemon start (or enclave recover, if the password is lost)";
    if (st == ST_PASSWORD && strcmp(op->id, "vault_unlock") == 0)
        return "enclave daemon start (or enclave recover, with the 24 words)";
    return "";
}

static void say_failed(struct call *c, enum status st, const char *said)
{
    char text[VAULT_FLOW_TEXT_MAX + 256];
    const struct api *a = c->api;
    const char *next = next_of(st, c->op);
    if (st == ST_LOOSE_MODE) {
        snprintf(text, sizeof text, "others on this machine may look into %.120s", a->o.home);
        call_fail(c, st, text, "chmod -R go-rwx that directory");
        return;
    }
    if (st == ST_NOT_FOUND) said = "there is no vault yet";
    if (st == ST_EXISTS) said = "there is a vault in this home already";
    call_fail(c, st, said, next);
}

static void vault_done(void *arg, const struct vault_flow_result *r)
{
    struct call *c = arg;
    if (r->st != ST_OK) {
        say_failed(c, r->st, r->text);
        return;
    }
    if (vault_flow_state(c->api->o.vault) == VAULT_OPEN) vault_event(c->api, r->text);
    json_t *o = json_object();
    if (r->words != NULL) words_to_list(o, r->words);
    json_set_text(o, "text", r->text);
    call_answer(c, o);
}

static void vault_submitted(struct call *c, enum status st)
{
    if (st != ST_OK) say_failed(c, st, vault_flow_text(c->api->o.vault));
}

void api_handle_vault_init(struct call *c)
{
    vault_submitted(c, vault_flow_init(c->api->o.vault, call_bytes(c, "password"), vault_done, c));
}

void api_handle_vault_unlock(struct call *c)
{
    vault_submitted(c,
                    vault_flow_unlock(c->api->o.vault, call_bytes(c, "password"), vault_done, c));
}

void api_handle_vault_recover(struct call *c)
{
    vault_submitted(c, vault_flow_recover(c->api->o.vault, call_bytes(c, "words"),
                                          call_bytes(c, "password"), vault_done, c));
}

void api_handle_vault_test(struct call *c)
{
    vault_submitted(c, vault_flow_test(c->api->o.vault, call_bytes(c, "words"), vault_done, c));
}

void api_handle_vault_password(struct call *c)
{
    vault_submitted(c, vault_flow_change(c->api->o.vault, call_bytes(c, "password"),
                                         call_bytes(c, "new_password"), vault_done, c));
}

void api_handle_daemon_stop(struct call *c)
{
    struct api_options o = c->api->o;
    json_t *answer = json_object();
    json_set_text(answer, "text", "the daemon stops");
    call_answer(c, answer);
    o.stop(o.arg);
}

void api_handle_daemon_status(struct call *c)
{
    const struct api *a = c->api;
    json_t *o = json_object();
    json_set_bool(o, "running", true);
    json_set_text(o, "vault", vault_flow_state_name(a->o.vault));
    json_set_text(o, "version", ENCLAVE_VERSION);
    json_set_number(o, "pid", (uint64_t)getpid());
    json_set_name(o, "home", bytes_str(a->o.home));
    json_set_text(o, "hosted", a->o.hosted);
    json_set_number(o, "uptime_s", (env_mono_ms(a->o.env) - a->started_ms) / 1000);
    json_set_number(o, "last_event", a->ring.last);
    call_answer(c, o);
}

void api_handle_version(struct call *c)
{
    json_t *o = json_object();
    json_set_text(o, "version", ENCLAVE_VERSION);
    json_set_text(o, "api", "v1");
    call_answer(c, o);
}

static void add_enclave(void *arg, const struct node_enclave_info *e)
{
    json_add(arg, "enclaves", json_enclave(e));
}

static void add_running(void *arg, const struct node_transfer *t)
{
    static const char *const ended[] = {"done", "safe", "failed"};
    for (size_t i = 0; i < 3; i++)
        if (strcmp(t->state, ended[i]) == 0) return;
    json_add(arg, "transfers", json_transfer(t));
}

void api_handle_status(struct call *c)
{
    const struct api *a = c->api;
    json_t *o = json_object();
    json_set_text(o, "version", ENCLAVE_VERSION);
    json_set_text(o, "vault", vault_flow_state_name(a->o.vault));
    json_set_name(o, "home", bytes_str(a->o.home));
    json_set_text(o, "hosted", a->o.hosted);
    json_set_number(o, "last_event", a->ring.last);
    json_add(o, "enclaves", NULL);
    json_add(o, "transfers", NULL);
    if (vault_flow_state(a->o.vault) == VAULT_OPEN) {
        node_enclaves(a->o.node, add_enclave, o);
        node_transfers(a->o.node, add_running, o);
    }
    call_answer(c, o);
}
