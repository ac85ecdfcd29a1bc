/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/vault store node/vault */
#include "core/vault/words.h"
#include "crypto/secret.h"
#include "node/vault/vault_flow.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    char home[64];
    struct env env;
    uint8_t counter;
    /* the one job that waits */
    work_run *run;
    work_done *done;
    void *arg;
    bool full;
    struct vault_flow *v;
    enum status opened_st;
    unsigned opened;
    uint8_t mk[32];
    uint8_t rk[32];
    /* last result */
    unsigned results;
    enum status st;
    char text[VAULT_FLOW_TEXT_MAX];
    char words[VAULT_FLOW_WORDS_MAX];
};

static void fake_random(void *ctx, uint8_t *out, size_t n)
{
    struct world *w = ctx;
    for (size_t i = 0; i < n; i++) out[i] = w->counter++;
    w->counter = (uint8_t)(w->counter + 13);
}

static enum status submit(void *ctx, enum work_lane lane, work_run *run, work_done *done, void *arg)
{
    struct world *w = ctx;
    (void)lane;
    if (w->full) return ST_BUSY;
    assert_null(w->run);
    w->run = run;
    w->done = done;
    w->arg = arg;
    return ST_OK;
}

static void work(struct world *w)
{
    work_run *run = w->run;
    assert_non_null(run);
    w->run = NULL;
    run(w->arg);
    w->done(w->arg);
}

static enum status opened(void *arg, const uint8_t mk[32], const uint8_t rk[32])
{
    struct world *w = arg;
    w->opened++;
    memcpy(w->mk, mk, 32);
    memcpy(w->rk, rk, 32);
    return w->opened_st;
}

static void result(void *arg, const struct vault_flow_result *r)
{
    struct world *w = arg;
    w->results++;
    w->st = r->st;
    snprintf(w->text, sizeof w->text, "%s", r->text);
    snprintf(w->words, sizeof w->words, "%s", r->words == NULL ? "" : r->words);
}

static enum status fresh(struct world *w)
{
    struct vault_flow_ports ports = {
        .env = &w->env, .work = {submit, w}, .home = w->home, .cost = {1, 64}, .floor = {1, 64}};
    return vault_flow_new(&ports, opened, w, &w->v);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_int_equal(crypto_start(), ST_OK);
    snprintf(w->home, sizeof w->home, "/tmp/enclave-vault-XXXXXX");
    assert_non_null(mkdtemp(w->home));
    w->env = (struct env){.ctx = w, .random = fake_random};
    assert_int_equal(fresh(w), ST_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char path[80];
    snprintf(path, sizeof path, "%s/vault", w->home);
    chmod(w->home, 0700);
    unlink(path);
    rmdir(w->home);
    vault_flow_free(w->v);
    free(w);
    return 0;
}

static void reopen(struct world *w)
{
    vault_flow_free(w->v);
    w->v = NULL;
    assert_int_equal(fresh(w), ST_OK);
}

#define OLD BYTES_LIT("correct horse")
#define NEW BYTES_LIT("battery staple")

static void make(struct world *w)
{
    assert_int_equal(vault_flow_init(w->v, OLD, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_OK);
}

static void life_of_a_vault(void **state)
{
    struct world *w = *state;
    uint8_t mk[32];
    char words[VAULT_FLOW_WORDS_MAX];
    assert_string_equal(vault_flow_state_name(w->v), "none");
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_NOT_FOUND);
    assert_int_equal(vault_flow_init(w->v, BYTES_LIT("short"), result, w), ST_USAGE);
    assert_non_null(strstr(vault_flow_text(w->v), "8 characters"));
    assert_int_equal(vault_flow_init(w->v, OLD, result, w), ST_OK);
    assert_int_equal(vault_flow_init(w->v, OLD, result, w), ST_BUSY);
    assert_string_equal(vault_flow_state_name(w->v), "working");
    assert_int_equal(w->results, 0);
    work(w);
    assert_int_equal(w->results, 1);
    assert_int_equal(w->opened, 1);
    assert_string_equal(vault_flow_state_name(w->v), "open");
    memcpy(mk, w->mk, 32);
    memcpy(words, w->words, sizeof words);
    char same[WORDS_TEXT];
    words_encode(w->rk, same);
    assert_string_equal(same, words);
    memset(w->rk, 0, sizeof w->rk);
    assert_int_equal(vault_flow_init(w->v, OLD, result, w), ST_EXISTS);

    reopen(w);
    assert_string_equal(vault_flow_state_name(w->v), "locked");
    assert_int_equal(vault_flow_unlock(w->v, NEW, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_PASSWORD);
    assert_int_equal(w->opened, 1);
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_OK);
    assert_memory_equal(mk, w->mk, 32);
    words_encode(w->rk, same);
    assert_string_equal(same, words);
    /* Once more while it is open: the password is checked, nothing is opened twice. */
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_OK);
    work(w);
    assert_int_equal(w->opened, 2);

    assert_int_equal(vault_flow_change(w->v, NEW, OLD, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_PASSWORD);
    assert_int_equal(vault_flow_change(w->v, OLD, NEW, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_OK);
    reopen(w);
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_PASSWORD);

    assert_int_equal(vault_flow_recover(w->v, bytes_str(words), OLD, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_OK);
    assert_memory_equal(mk, w->mk, 32);
    reopen(w);
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_OK);
    assert_int_equal(vault_flow_test(w->v, bytes_str(words), result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_OK);
}

static void words_are_checked(void **state)
{
    struct world *w = *state;
    char words[VAULT_FLOW_WORDS_MAX];
    uint8_t other[32];
    char stranger[WORDS_TEXT];
    make(w);
    memcpy(words, w->words, sizeof words);
    reopen(w);
    assert_int_equal(vault_flow_test(w->v, BYTES_LIT("one two three"), result, w), ST_USAGE);
    assert_true(vault_flow_text(w->v)[0] != '\0');
    memset(other, 9, sizeof other);
    words_encode(other, stranger);
    assert_int_equal(vault_flow_test(w->v, bytes_str(stranger), result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_PASSWORD);
    assert_non_null(strstr(w->text, "not of this vault"));
    assert_int_equal(vault_flow_recover(w->v, bytes_str(words), BYTES_LIT("short"), result, w),
                     ST_USAGE);
    assert_string_equal(vault_flow_state_name(w->v), "locked");
}

static void program_may_refuse(void **state)
{
    struct world *w = *state;
    w->opened_st = ST_INTEGRITY;
    make(w); /* the words are shown nevertheless */
    assert_true(w->words[0] != '\0');
    assert_non_null(strstr(w->text, "cannot use it"));
    assert_string_equal(vault_flow_state_name(w->v), "locked");
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_INTEGRITY);
    w->opened_st = ST_OK;
    w->full = true;
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_BUSY);
    w->full = false;
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_OK);
    work(w);
    assert_int_equal(w->st, ST_OK);
}

static void home_and_file_must_be_private(void **state)
{
    struct world *w = *state;
    char path[80];
    make(w);
    snprintf(path, sizeof path, "%s/vault", w->home);
    reopen(w);
    chmod(path, 0644);
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_LOOSE_MODE);
    chmod(path, 0600);
    chmod(w->home, 0755);
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_LOOSE_MODE);
    chmod(w->home, 0700);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 3), 1);
    close(fd);
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_INTEGRITY);
    /* A vault weaker than the floor is no vault. */
    unlink(path);
    reopen(w);
    make(w);
    vault_flow_free(w->v);
    struct vault_flow_ports ports = {&w->env, {submit, w}, w->home, {3, 65536}, {3, 65536}};
    assert_int_equal(vault_flow_new(&ports, opened, w, &w->v), ST_OK);
    assert_int_equal(vault_flow_unlock(w->v, OLD, result, w), ST_INTEGRITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(life_of_a_vault, setup, teardown),
        cmocka_unit_test_setup_teardown(words_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(program_may_refuse, setup, teardown),
        cmocka_unit_test_setup_teardown(home_and_file_must_be_private, setup, teardown),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
