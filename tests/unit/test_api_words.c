/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/vault store node/vault api client */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/api_world.h"

static void messages_come_in_pages(void **state)
{
    struct world *w = *state;
    struct enclave_param from[] = {{"from", "1", 0}};
    struct enclave_param last[] = {{"last", "2", 0}};
    open_vault(w);
    w->node.messages = 2500;
    struct enclave_answer *a = expect(w, 0, "read", from, 1);
    json_t *o = json_loads(enclave_json(a), 0, NULL);
    assert_int_equal(json_array_size(json_object_get(o, "messages")), API_MESSAGES_MAX);
    assert_true(json_is_true(json_object_get(o, "more")));
    json_decref(o);
    enclave_answer_free(a);
    ask(w, 0, "read", last, 1, "{\"messages\":[{\"number\":2499,");
    const struct enclave_param early[] = {{"last", "0", 0}, {"early", "true", 0}};
    ask(w, 0, "read", early, 2, "\"early\":[{\"number\":0,\"nick\":\"eve\"");
    ask(w, 0, "read", early, 2, "\"settled\":false");
    ask(w, 0, "read", last, 1, "\"text\":\"a%FFb\",\"text_encoded\":true");
}

static int count_line(void *arg, const char *json, size_t n)
{
    struct world *w = arg;
    assert_non_null(strstr(json, "\"kind\":\""));
    assert_int_equal(json[n], 0);
    if (++w->lines == 3) return 0;
    w->order = EVENT;
    uv_async_send(&w->wake);
    return 1;
}

static void events_are_told(void **state)
{
    struct world *w = *state;
    struct enclave_param wait[] = {{"after", "1", 0}, {"wait", "30", 0}};
    struct enclave_param after[] = {{"after", "0", 0}, {"wait", "5000", 0}};
    open_vault(w); /* event 1 */
    ask(w, 0, "events", NULL, 0, "\"kind\":\"vault\"");
    ask(w, 0, "events", wait, 2, "{\"events\":[],"); /* nothing in time */
    ask(w, 0, "events", after, 2, "\"last\":1");
    struct enclave_answer *a = enclave_follow(w->e, 0, count_line, w);
    assert_int_equal(enclave_exit(a), 0);
    enclave_answer_free(a);
    assert_int_equal(w->lines, 3);
    w->order = EVENT;
    uv_async_send(&w->wake);
    wait[0].value = "3";
    wait[1].value = "5000";
    ask(w, 0, "events", wait, 2, "\"kind\":\"message\"");
}

static void history_of_words(void **state)
{
    struct world *w = *state;
    struct enclave_param keep[] = {{"time", "90d", 0}};
    struct enclave_param share[] = {{"who", "eve", 0}, {"last", "5", 0}, {"since", "1000", 0}};
    struct enclave_param export[] = {{"local", "/tmp/x", 0}, {"password", "seven words", 0}};
    struct enclave_param read[] = {{"archive", "one-eve", 0}, {"find", "number", 0}};
    open_vault(w);
    ask(w, 4, "history_job", NULL, 0, "nothing was exported");
    ask(w, 0, "history_keep", keep, 1, "it is done");
    assert_int_equal(w->node.number, UINT64_C(90) * 86400000);
    ask(w, 0, "history", NULL, 0, "\"keep_ms\":7776000000");
    ask(w, 0, "history", NULL, 0, "\"name\":\"one-eve\",\"shared\":true");
    static const char *const odd[] = {"90", "d", "-1d", "0d", "90m", "99999999999999999999y", ""};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        keep[0].value = odd[i];
        ask(w, 2, "history_keep", keep, 1, NULL);
    }
    keep[0].value = "forever";
    ask(w, 0, "history_keep", keep, 1, NULL);
    assert_int_equal(w->node.number, 0);
    ask(w, 0, "history_share", share, 3, "\"messages\":5");
    assert_string_equal((char *)w->node.last.p, "eve");
    assert_true(w->node.number > 0);
    w->node.refuse = ST_REFUSED;
    ask(w, 6, "history_share", share, 3, "history=no");
    w->node.refuse = ST_OK;
    ask(w, 0, "history_export", export, 2, "\"state\":\"deriving\"");
    assert_string_equal((char *)w->node.last.p, "seven words");
    ask(w, 0, "history_job", NULL, 0, "\"kind\":\"export\"");
    ask(w, 0, "history_import", export, 2, "\"kind\":\"import\"");
    w->node.refuse = ST_BUSY;
    ask(w, 1, "history_import", export, 2, "another export");
    w->node.refuse = ST_OK;
    w->node.messages = 3;
    ask(w, 0, "history_read", read, 1, "\"number\":3");
    ask(w, 0, "history_read", read, 2, "\"next\":0");
    ask(w, 0, "history_forget", read, 1, "it is done");
    read[0].value = "nothing";
    ask(w, 4, "history_read", read, 1, "no such archive");
    ask(w, 4, "history_forget", read, 1, "no such archive");
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WORLD(messages_come_in_pages),
        WORLD(events_are_told),
        WORLD(history_of_words),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
