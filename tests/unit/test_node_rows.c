/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables crypto core/feed core/ledger core/ballot core/epoch core/mail core/door core/files core/holder core/room core/vault link store net node node/host node/enclave node/contact node/post node/vote node/shelf node/put node/get node/hold core/grant core/repair node/repair node/check core/audit node/audit */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/audit/audit_private.h"
#include "node/post/post.h"
#include "node/shelf/shelf.h"
#include "unit/fields_mutate.h"

static uint8_t fill[4096];

static void rows_of_words(void **state)
{
    (void)state;
    struct message_row m = {.version = 1,
                            .leaf = 3,
                            .own = 1,
                            .sent = 1,
                            .time_ms = 5,
                            .arrived_ms = 6,
                            .lost = 7,
                            .nick = BYTES_LIT("alice"),
                            .text = BYTES(fill, 200)};
    struct outbox_row o = {.number = 1,
                           .epoch = UINT64_MAX,
                           .time_ms = 3,
                           .sealed = BYTES(fill, 512),
                           .content = BYTES_LIT("hello")};
    fields_mutate(&message_row_fields, &m);
    fields_mutate(&outbox_row_fields, &o);
    struct act_row a = {.to = 7, .time_ms = 8, .content = BYTES_LIT("note")};
    struct marks_row k = {.here = 1, .read = 2, .told_here = 3, .told_read = 4};
    fields_mutate(&act_row_fields, &a);
    fields_mutate(&marks_row_fields, &k);
}

static void rows_of_files(void **state)
{
    (void)state;
    struct shelf_row r = {.version = 1, .own_number = 9, .snap = 4};
    struct shelf_out o = {.type = 1,
                          .own_number = 2,
                          .epoch = 3,
                          .sealed = BYTES(fill, 600),
                          .body = BYTES(fill, 50)};
    fields_mutate(&shelf_row_fields, &r);
    fields_mutate(&shelf_out_fields, &o);
}

static void rows_of_audits(void **state)
{
    (void)state;
    static const uint8_t three[AUDIT_FAULT_BYTES * 3] = {7};
    fields_mutate(&audit_fault_fields, &(struct audit_fault){.times = 2});
    fields_mutate(&audit_kept_fields, &(struct audit_kept){.alpha = 3, .faults = {three, 3}});
    fields_mutate(&audit_self_fields, &(struct audit_self){.next_row = 4});
    fields_mutate(&audit_out_fields, &(struct audit_out){.sealed = BYTES(three, 100)});
}

static void row_of_an_enclave(void **state)
{
    (void)state;
    struct enclave_record r = {.version = 1,
                               .phase = ENCLAVE_MEMBER,
                               .name = BYTES_LIT("room"),
                               .nick = BYTES_LIT("alice"),
                               .address = BYTES_LIT("127.0.0.1:4433"),
                               .read_upto = 4,
                               .joined_ms = 5,
                               .parting = 1,
                               .invitation = BYTES(fill, 100),
                               .knock = BYTES(fill, 300)};
    fields_mutate(&enclave_record_fields, &r);
}

int main(void)
{
    for (size_t i = 0; i < sizeof fill; i++) fill[i] = (uint8_t)(i * 31 + 7);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_words),
        cmocka_unit_test(rows_of_files),
        cmocka_unit_test(rows_of_audits),
        cmocka_unit_test(row_of_an_enclave),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
