/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables */
#include "tables/operations.h"
#include "tables/shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void table_is_whole(void **state)
{
    (void)state;
    char room[200];
    const char *fault = operations_fault(room, sizeof room);
    if (fault != NULL) fail_msg("%s", fault);
}

/* Every line of every example names a verb of the table, with options that the verb has. */
static void examples_are_real(void **state)
{
    (void)state;
    size_t n;
    const struct operation *all = operations_all(&n);
    for (size_t i = 0; i < n; i++) {
        char copy[1024];
        char *save = NULL;
        const char *words[64];
        size_t count = 0;
        size_t used;
        if (all[i].verb == NULL) continue;
        snprintf(copy, sizeof copy, "%s", all[i].example);
        copy[strcspn(copy, "\n")] = '\0';
        for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
            words[count++] = w;
        assert_string_equal(words[0], "enclave");
        assert_ptr_equal(operation_by_words(words + 1, count - 1, &used), &all[i]);
    }
}

static void verbs_are_found(void **state)
{
    (void)state;
    size_t used;
    const char *start[] = {"daemon", "start", "x"};
    assert_string_equal(operation_by_words(start, 3, &used)->id, "vault_unlock");
    assert_int_equal(used, 2);
    const char *alone[] = {"daemon"};
    assert_null(operation_by_words(alone, 1, &used));
    assert_non_null(operation_suggest(alone, 1));
    const char *slip[] = {"stauts"};
    assert_null(operation_by_words(slip, 1, &used));
    assert_string_equal(operation_suggest(slip, 1), "status");
    const char *two[] = {"daemon", "strat"};
    assert_string_equal(operation_suggest(two, 2), "daemon start");
    const char *up[] = {"upload", "a"};
    assert_string_equal(operation_by_words(up, 2, &used)->id, "put");
    assert_int_equal(used, 1);
    for (size_t i = 0; operation_alias(i) != NULL; i++) {
        const char *other[] = {operation_alias(i)->word};
        const struct operation *op = operation_by_words(other, 1, &used);
        assert_non_null(op);
        assert_string_equal(op->verb, operation_alias(i)->verb);
        struct buf help = BUF_INIT;
        operation_help(op, &help);
        buf_u8(&help, 0);
        assert_non_null(strstr((char *)help.p, other[0]));
        buf_free(&help);
    }
    const char *odd[] = {"qwertyuiop"};
    assert_null(operation_suggest(odd, 1));
    assert_null(operation_suggest(odd, 0));
}

static void paths_are_found(void **state)
{
    (void)state;
    struct op_piece pieces[OPERATION_PIECES_MAX];
    size_t n;
    bool known;
    const struct operation *op =
        operation_by_path("POST", BYTES_LIT("/v1/enclaves/family/votes"), pieces, &n, &known);
    assert_string_equal(op->id, "vote");
    assert_int_equal(n, 1);
    assert_true(bytes_same(pieces[0].raw, BYTES_LIT("family")));
    assert_memory_equal(pieces[0].name, "enclave", pieces[0].name_n);
    assert_null(operation_by_path("PUT", BYTES_LIT("/v1/status"), pieces, &n, &known));
    assert_true(known);
    static const char *const none[] = {"",
                                       "/",
                                       "/v1",
                                       "/v1/statu",
                                       "/v1/status/",
                                       "v1/status",
                                       "/v1/enclaves//votes",
                                       "/v1//status",
                                       "/v1/enclaves/a/b/c/d/e/f"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        op = operation_by_path("GET", bytes_str(none[i]), pieces, &n, &known);
        if (op != NULL && strcmp(none[i], "v1/status") != 0) fail_msg("%s is %s", none[i], op->id);
    }
    size_t count;
    const struct operation *all = operations_all(&count);
    for (size_t i = 0; i < count; i++) {
        if (all[i].path == NULL) continue;
        assert_ptr_equal(
            operation_by_path(all[i].method, bytes_str(all[i].path), pieces, &n, &known), &all[i]);
    }
}

static void help_begins_with_an_example(void **state)
{
    (void)state;
    size_t n;
    const struct operation *all = operations_all(&n);
    for (size_t i = 0; i < n; i++) {
        struct buf out = BUF_INIT;
        if (all[i].verb == NULL) continue;
        operation_help(&all[i], &out);
        buf_u8(&out, 0);
        assert_int_equal(buf_status(&out), ST_OK);
        const char *example = strstr((char *)out.p, "Example:");
        const char *usage = strstr((char *)out.p, "Usage:");
        assert_true(example != NULL && usage != NULL && example < usage);
        for (const char *p = (char *)out.p; *p != '\0'; p += strcspn(p, "\n") + 1)
            if (strcspn(p, "\n") > 100) fail_msg("%s: a line is too long: %.110s", all[i].id, p);
        buf_free(&out);
    }
    struct buf out = BUF_INIT;
    operations_overview(&out);
    assert_int_equal(buf_status(&out), ST_OK);
    buf_free(&out);
}

static void openapi_is_committed(void **state)
{
    (void)state;
    struct buf made = BUF_INIT;
    struct buf kept = BUF_INIT;
    operations_openapi(&made);
    assert_int_equal(buf_status(&made), ST_OK);
    FILE *f = fopen(VECTORS_OWN "/../../docs/openapi.yaml", "re");
    assert_non_null(f);
    uint8_t piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;) buf_raw(&kept, piece, n);
    fclose(f);
    if (!bytes_same(buf_view(&made), buf_view(&kept)))
        fail_msg("docs/openapi.yaml is old. Type: enclave openapi > docs/openapi.yaml");
    buf_free(&made);
    buf_free(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_whole),
        cmocka_unit_test(examples_are_real),
        cmocka_unit_test(verbs_are_found),
        cmocka_unit_test(paths_are_found),
        cmocka_unit_test(help_begins_with_an_example),
        cmocka_unit_test(openapi_is_committed),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
