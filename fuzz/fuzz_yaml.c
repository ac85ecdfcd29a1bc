/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables */
/* enclave.yaml: any bytes give either a whole configuration, which can be written and read again, or
 * one line that says what is wrong. */
#include "fuzz.h"
#include "tables/options.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options *o = NULL, *again = NULL;
    struct options_fault fault = {{0}};
    struct buf out = BUF_INIT;
    FUZZ_CHECK(options_new(options_all(), &o) == ST_OK);
    FUZZ_CHECK(options_new(options_all(), &again) == ST_OK);
    enum status st = options_read_yaml(o, BYTES(data, size), "fuzz.yaml", &fault);
    if (st != ST_OK) {
        FUZZ_CHECK(strlen(fault.text) > 0 && strlen(fault.text) < sizeof(fault.text));
        FUZZ_CHECK(strchr(fault.text, '\n') == NULL);
    } else if (options_check(o, &fault) == ST_OK) {
        options_dump(o, ~0U, &out);
        FUZZ_CHECK(buf_status(&out) == ST_OK);
        if (out.n <= OPTIONS_FILE_MAX)
            FUZZ_CHECK(options_read_yaml(again, buf_view(&out), "again.yaml", &fault) == ST_OK);
    }
    buf_free(&out);
    options_free(again);
    options_free(o);
    return 0;
}
