/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/holder */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/holder/wire.h"
#include "unit/fields_mutate.h"

static void each_message_has_one_form(void **state)
{
    (void)state;
    static const uint8_t bytes[64] = {1, 2, 3};
    const struct bytes some = BYTES_OF(bytes);
    const struct holder_open open = {.req = 1, .header = "ES1"};
    const struct holder_unit unit = {.req = 2, .row = 3, .unit = some};
    const struct holder_commit commit = {.req = 3, .rows = 4, .trailer = some};
    const struct holder_req req = {.req = UINT32_MAX};
    const struct holder_segment segment = {.req = 4, .segment_id = {9}};
    const struct holder_column column = {.req = 5, .segment_id = {9}, .index = 63};
    const struct holder_read read = {.req = 6, .index = 1, .offset = 4096, .len = 1};
    const struct holder_status status = {.req = 7, .code = 2};
    const struct holder_had had = {.req = 8, .bitmap = UINT64_MAX};
    const struct holder_told told = {.req = 9, .units = 32, .trailer = some};
    const struct holder_leaves leaves = {.req = 10, .leaves = {bytes, 2}};
    const struct holder_data data = {.req = 11, .offset = 4096, .piece = some};
    const struct holder_room room = {.req = 12, .used = 1, .free = UINT64_MAX};
    fields_mutate(&holder_open_fields, &open);
    fields_mutate(&holder_unit_fields, &unit);
    fields_mutate(&holder_commit_fields, &commit);
    fields_mutate(&holder_req_fields, &req);
    fields_mutate(&holder_segment_fields, &segment);
    fields_mutate(&holder_column_fields, &column);
    fields_mutate(&holder_read_fields, &read);
    fields_mutate(&holder_status_fields, &status);
    fields_mutate(&holder_had_fields, &had);
    fields_mutate(&holder_told_fields, &told);
    fields_mutate(&holder_leaves_fields, &leaves);
    fields_mutate(&holder_data_fields, &data);
    fields_mutate(&holder_room_fields, &room);
}

static void codes_come_back(void **state)
{
    (void)state;
    for (int code = 0; code < 256; code++) {
        enum status st = holder_code_status((uint8_t)code);
        assert_true(st >= ST_OK && st < ST_COUNT);
        if (code > 0) assert_int_not_equal(st, ST_OK);
    }
    for (int st = 0; st < ST_COUNT; st++) {
        uint8_t code = holder_code((enum status)st);
        assert_int_equal(holder_code(holder_code_status(code)), code);
        assert_int_equal(code == 0, st == ST_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_has_one_form),
        cmocka_unit_test(codes_come_back),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
