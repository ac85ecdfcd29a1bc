/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/door */
/* What a stranger's text or knock can be: an invitation as text and as bytes, the plain text of a
 * knock, sealed records and replies. */
#include "core/door/invitation.h"
#include "core/door/knock.h"
#include "core/door/record.h"
#include "core/door/reply.h"
#include "fuzz.h"

#include <string.h>

static void as_text(struct bytes in)
{
    char *text = malloc(in.n + 1);
    struct invitation i = {.expiry = 0}, again = {.expiry = 0};
    char out[INVITATION_TEXT_MAX];
    FUZZ_CHECK(text);
    memcpy(text, in.p, in.n);
    text[in.n] = 0;
    if (invitation_from_text(text, &i) == ST_OK) {
        FUZZ_CHECK(invitation_to_text(&i, out) == ST_OK);
        FUZZ_CHECK(invitation_from_text(out, &again) == ST_OK);
        FUZZ_CHECK(memcmp(&i, &again, sizeof(i)) == 0);
    }
    free(text);
}

static void as_bytes(struct bytes in)
{
    struct invitation i = {.expiry = 0};
    struct buf out = BUF_INIT;
    uint8_t hash[32];
    if (invitation_decode(in, &i) == ST_OK) {
        FUZZ_CHECK(invitation_encode(&i, &out, hash) == ST_OK);
        FUZZ_CHECK(bytes_same(buf_view(&out), in));
        invitation_expired(&i, UINT64_C(1800000000000));
    }
    buf_free(&out);
}

static void sealed(struct bytes in)
{
    static const uint8_t zeros[64];
    struct invitation i = {.expiry = 0};
    struct door_record record;
    struct reply reply;
    struct buf plain = BUF_INIT;
    /* Nobody sealed these: they must not open. */
    FUZZ_CHECK(door_record_open(&i, in, &plain, &record) != ST_OK);
    FUZZ_CHECK(reply_open(zeros, zeros, in, &reply) != ST_OK);
    buf_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t id[32], hash[32];
    if (size < 1) return 0;
    struct bytes in = BYTES(data + 1, size - 1);
    struct knock knock;
    switch (data[0] % 4) {
    case 0: as_text(in); break;
    case 1: as_bytes(in); break;
    case 2: FUZZ_CHECK(knock_check(in, id, hash, &knock) != ST_OK || in.n >= SIGN_SIZE); break;
    default: sealed(in); break;
    }
    if (size > 3 && data[0] % 4 == 0) {
        knock_nick_ok(in);
        knock_message_ok(in);
    }
    return 0;
}
