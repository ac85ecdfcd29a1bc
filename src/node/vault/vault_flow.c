/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/vault/vault_flow.h"

#include "core/vault/vault.h"
#include "core/vault/words.h"
#include "crypto/secret.h"
#include "store/private.h"
#include "store/vault_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum task { TASK_INIT, TASK_UNLOCK, TASK_RECOVER, TASK_CHANGE, TASK_TEST };

/* What lies in guarded memory while a call runs, and the master key afterwards. */
struct keys {
    uint8_t mk[VAULT_KEY]; /* zeros unless open */
    uint8_t new_mk[VAULT_KEY];
    uint8_t rk[VAULT_KEY];
    uint8_t root[32];     /* of the password asked for */
    uint8_t new_root[32]; /* of the new password */
    uint8_t password[PASSWORD_MAX];
    uint8_t new_password[PASSWORD_MAX];
    size_t password_n;
    size_t new_password_n;
};

struct vault_flow {
    struct vault_flow_ports ports;
    char *home;
    enum vault_flow_state state;
    vault_flow_opened *opened;
    void *arg;
    struct keys *keys;
    bool working;
    /* the call that runs */
    enum task task;
    struct buf file;
    struct vault_params old_params; /* cost and salt of the file */
    struct vault_params new_params;
    enum status job;
    vault_flow_done *done;
    void *done_arg;
    char text[VAULT_FLOW_TEXT_MAX];
};

static struct vault_cost cost_of(const struct vault_flow_cost *c)
{
    return (struct vault_cost){c->passes, c->memory_kib};
}

enum status vault_flow_new(const struct vault_flow_ports *ports, vault_flow_opened *opened,
                           void *arg, struct vault_flow **ret)
{
    enum status st = ST_NO_MEMORY;
    struct vault_flow *v = calloc(1, sizeof *v);
    if (v == NULL) return ST_NO_MEMORY;
    v->ports = *ports;
    v->opened = opened;
    v->arg = arg;
    buf_init(&v->file, VAULT_FILE_MAX);
    v->home = strdup(ports->home);
    v->keys = secret_new(sizeof *v->keys);
    if (v->home == NULL || v->keys == NULL) goto out;
    v->ports.home = v->home;
    st = vault_file_read(v->home, &v->file);
    if (st == ST_OK) v->state = VAULT_LOCKED;
    if (st == ST_NOT_FOUND) st = ST_OK;
    buf_clear(&v->file);
out:
    if (st == ST_OK)
        *ret = v;
    else
        vault_flow_free(v);
    return st;
}

void vault_flow_free(struct vault_flow *v)
{
    if (v == NULL) return;
    secret_free(v->keys);
    buf_free(&v->file);
    free(v->home);
    free(v);
}

enum vault_flow_state vault_flow_state(const struct vault_flow *v)
{
    return v->working ? VAULT_WORKING : v->state;
}

const char *vault_flow_state_name(const struct vault_flow *v)
{
    static const char *const names[] = {"none", "locked", "working", "open"};
    return names[vault_flow_state(v)];
}

bool vault_flow_busy(const struct vault_flow *v)
{
    return v->working;
}

/* ---- the slow part, on a worker thread ---- */

static void run(void *arg)
{
    struct vault_flow *v = arg;
    struct keys *k = v->keys;
    v->job = ST_OK;
    if (k->password_n > 0)
        v->job = password_root(BYTES(k->password, k->password_n), v->old_params.salt,
                               v->old_params.cost.passes, v->old_params.cost.memory_kib, k->root);
    if (v->job == ST_OK && k->new_password_n > 0)
        v->job =
            password_root(BYTES(k->new_password, k->new_password_n), v->new_params.salt,
                          v->new_params.cost.passes, v->new_params.cost.memory_kib, k->new_root);
}

/* ---- what follows on the loop thread ---- */

static void random_bytes(struct vault_flow *v, uint8_t *out, size_t n)
{
    env_random(v->ports.env, out, n);
}

/* The vault opens with new_mk; the program may refuse. */
static enum status open_with(struct vault_flow *v)
{
    struct keys *k = v->keys;
    if (v->state == VAULT_OPEN) return ST_OK;
    enum status st = v->opened(v->arg, k->new_mk, k->rk);
    if (st != ST_OK) return st;
    memcpy(k->mk, k->new_mk, sizeof k->mk);
    v->state = VAULT_OPEN;
    return ST_OK;
}

static enum status finish_init(struct vault_flow *v, char words[VAULT_FLOW_WORDS_MAX])
{
    uint8_t nonces[VAULT_NONCES];
    uint8_t file[VAULT_SIZE];
    struct keys *k = v->keys;
    enum status st;
    random_bytes(v, k->new_mk, sizeof k->new_mk);
    random_bytes(v, k->rk, sizeof k->rk);
    random_bytes(v, nonces, sizeof nonces);
    TRY(vault_create(&v->new_params, k->new_root, k->new_mk, k->rk, nonces, file));
    TRY(vault_file_create(v->home, BYTES_OF(file)));
    v->state = VAULT_LOCKED;
    words_encode(k->rk, words);
    /* The vault is there even if the program cannot start on it: the words must not be lost. */
    enum status opened = open_with(v);
    if (opened != ST_OK)
        snprintf(v->text, sizeof v->text, "the vault is made, but the daemon cannot use it: %s",
                 status_text(opened));
    else
        snprintf(v->text, sizeof v->text, "the vault is made and open");
out:
    return st;
}

static enum status finish_unlock(struct vault_flow *v)
{
    struct keys *k = v->keys;
    enum status st;
    TRY(vault_open(buf_view(&v->file), k->root, k->new_mk));
    TRY(vault_recovery_key(buf_view(&v->file), k->new_mk, k->rk));
    TRY(open_with(v));
    snprintf(v->text, sizeof v->text, "the vault is open");
out:
    return st;
}

static enum status replace_password(struct vault_flow *v)
{
    uint8_t nonces[VAULT_NONCES];
    uint8_t file[VAULT_SIZE];
    enum status st;
    random_bytes(v, nonces, sizeof nonces);
    TRY(vault_change_password(buf_view(&v->file), v->keys->new_mk, &v->new_params,
                              v->keys->new_root, nonces, file));
    TRY(vault_file_replace(v->home, BYTES_OF(file)));
out:
    return st;
}

static enum status finish_recover(struct vault_flow *v)
{
    enum status st;
    TRY(vault_open_recovery(buf_view(&v->file), v->keys->rk, v->keys->new_mk));
    TRY(replace_password(v));
    TRY(open_with(v));
    snprintf(v->text, sizeof v->text, "the new password is valid, the vault is open");
out:
    return st;
}

static enum status finish_change(struct vault_flow *v)
{
    enum status st;
    TRY(vault_open(buf_view(&v->file), v->keys->root, v->keys->new_mk));
    TRY(replace_password(v));
    snprintf(v->text, sizeof v->text, "the new password is valid; the recovery words stay");
out:
    return st;
}

static enum status finish_test(struct vault_flow *v)
{
    enum status st = vault_open_recovery(buf_view(&v->file), v->keys->rk, v->keys->new_mk);
    if (st == ST_OK)
        snprintf(v->text, sizeof v->text, "these words open this vault: keep the paper safe");
    return st;
}

static void say_failure(struct vault_flow *v, enum status st)
{
    bool words = v->task == TASK_RECOVER || v->task == TASK_TEST;
    if (v->text[0] != '\0') return;
    if (st == ST_PASSWORD && words)
        snprintf(v->text, sizeof v->text, "these are recovery words, but not of this vault");
    else
        snprintf(v->text, sizeof v->text, "%s", status_text(st));
}

static void wipe_call(struct vault_flow *v)
{
    uint8_t mk[VAULT_KEY];
    memcpy(mk, v->keys->mk, sizeof mk);
    bytes_wipe(v->keys, sizeof *v->keys);
    memcpy(v->keys->mk, mk, sizeof mk);
    bytes_wipe(mk, sizeof mk);
    buf_clear(&v->file);
}

static void finished(void *arg)
{
    struct vault_flow *v = arg;
    char words[VAULT_FLOW_WORDS_MAX] = "";
    enum status st = v->job;
    v->text[0] = '\0';
    if (st == ST_OK) {
        switch (v->task) {
        case TASK_INIT: st = finish_init(v, words); break;
        case TASK_UNLOCK: st = finish_unlock(v); break;
        case TASK_RECOVER: st = finish_recover(v); break;
        case TASK_CHANGE: st = finish_change(v); break;
        case TASK_TEST: st = finish_test(v); break;
        }
    }
    if (st != ST_OK) say_failure(v, st);
    wipe_call(v);
    v->working = false;
    struct vault_flow_result r = {st, v->text, words[0] != '\0' ? words : NULL};
    v->done(v->done_arg, &r);
    bytes_wipe(words, sizeof words);
}

/* ---- beginning a call ---- */

const char *vault_flow_text(const struct vault_flow *v)
{
    return v->text;
}

static size_t characters(struct bytes text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        if ((text.p[i] & 0xc0) != 0x80) n++;
    return n;
}

static enum status keep_password(struct vault_flow *v, struct bytes password, bool new,
                                 uint8_t out[PASSWORD_MAX], size_t *ret_n)
{
    if (new &&characters(password) < VAULT_FLOW_PASSWORD_MIN) {
        snprintf(v->text, sizeof v->text, "a password needs %d characters or more",
                 VAULT_FLOW_PASSWORD_MIN);
        return ST_USAGE;
    }
    if (password.n == 0 || password.n > PASSWORD_MAX) {
        snprintf(v->text, sizeof v->text, "a password has 1 to %d bytes", PASSWORD_MAX);
        return ST_USAGE;
    }
    memcpy(out, password.p, password.n);
    *ret_n = password.n;
    return ST_OK;
}

static enum status keep_words(struct vault_flow *v, struct bytes words)
{
    char fault[WORDS_FAULT] = "";
    enum status st = words_decode(words, v->keys->rk, fault);
    if (st != ST_OK) snprintf(v->text, sizeof v->text, "%s", fault);
    return st;
}

static enum status read_file(struct vault_flow *v)
{
    struct vault_cost floor = cost_of(&v->ports.floor);
    enum status st;
    buf_clear(&v->file);
    TRY(vault_file_read(v->home, &v->file));
    TRY(vault_params_read(buf_view(&v->file), &floor, &v->old_params));
out:
    return st;
}

static enum status submit(struct vault_flow *v, enum task task, vault_flow_done *done, void *arg)
{
    v->task = task;
    v->done = done;
    v->done_arg = arg;
    enum status st = v->ports.work.submit(v->ports.work.ctx, WORK_BULK, run, finished, v);
    if (st == ST_OK) v->working = true;
    return st;
}

/* Costs of a new password are never below the floor, whatever the program asked for. */
static void new_params(struct vault_flow *v)
{
    struct vault_cost cost = cost_of(&v->ports.cost);
    if (cost.passes < v->ports.floor.passes) cost.passes = v->ports.floor.passes;
    if (cost.memory_kib < v->ports.floor.memory_kib) cost.memory_kib = v->ports.floor.memory_kib;
    v->new_params.cost = cost;
    random_bytes(v, v->new_params.salt, sizeof v->new_params.salt);
}

enum status vault_flow_init(struct vault_flow *v, struct bytes password, vault_flow_done *done,
                            void *arg)
{
    enum status st;
    if (v->working) return ST_BUSY;
    v->text[0] = '\0';
    if (v->state != VAULT_NONE) return ST_EXISTS;
    TRY(private_dir(v->home, true));
    TRY(keep_password(v, password, true, v->keys->new_password, &v->keys->new_password_n));
    new_params(v);
    TRY(submit(v, TASK_INIT, done, arg));
out:
    if (st != ST_OK) wipe_call(v);
    return st;
}

enum status vault_flow_unlock(struct vault_flow *v, struct bytes password, vault_flow_done *done,
                              void *arg)
{
    enum status st;
    if (v->working) return ST_BUSY;
    v->text[0] = '\0';
    if (v->state == VAULT_NONE) return ST_NOT_FOUND;
    TRY(read_file(v));
    TRY(keep_password(v, password, false, v->keys->password, &v->keys->password_n));
    TRY(submit(v, TASK_UNLOCK, done, arg));
out:
    if (st != ST_OK) wipe_call(v);
    return st;
}

enum status vault_flow_recover(struct vault_flow *v, struct bytes words, struct bytes password,
                               vault_flow_done *done, void *arg)
{
    enum status st;
    if (v->working) return ST_BUSY;
    v->text[0] = '\0';
    if (v->state == VAULT_NONE) return ST_NOT_FOUND;
    TRY(read_file(v));
    TRY(keep_words(v, words));
    TRY(keep_password(v, password, true, v->keys->new_password, &v->keys->new_password_n));
    new_params(v);
    TRY(submit(v, TASK_RECOVER, done, arg));
out:
    if (st != ST_OK) wipe_call(v);
    return st;
}

enum status vault_flow_change(struct vault_flow *v, struct bytes old_password,
                              struct bytes new_password, vault_flow_done *done, void *arg)
{
    enum status st;
    if (v->working) return ST_BUSY;
    v->text[0] = '\0';
    if (v->state == VAULT_NONE) return ST_NOT_FOUND;
    TRY(read_file(v));
    TRY(keep_password(v, old_password, false, v->keys->password, &v->keys->password_n));
    TRY(keep_password(v, new_password, true, v->keys->new_password, &v->keys->new_password_n));
    new_params(v);
    TRY(submit(v, TASK_CHANGE, done, arg));
out:
    if (st != ST_OK) wipe_call(v);
    return st;
}

enum status vault_flow_test(struct vault_flow *v, struct bytes words, vault_flow_done *done,
                            void *arg)
{
    enum status st;
    if (v->working) return ST_BUSY;
    v->text[0] = '\0';
    if (v->state == VAULT_NONE) return ST_NOT_FOUND;
    TRY(read_file(v));
    TRY(keep_words(v, words));
    TRY(submit(v, TASK_TEST, done, arg));
out:
    if (st != ST_OK) wipe_call(v);
    return st;
}
