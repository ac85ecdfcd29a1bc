/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/mail */
/* Entries of all feeds as a member with the keys could write them: the first byte says whether the
 * rest is a sealed entry or what was inside one. */
#include "core/feed/entry0.h"
#include "core/feed/entry23.h"
#include "core/mail/envelope.h"
#include "fuzz.h"

#include <string.h>

static const uint8_t zeros[64];

static void sealed0(struct bytes in)
{
    struct entry0_envelope envelope;
    struct entry0 e;
    struct buf plain = BUF_INIT;
    if (entry0_envelope(in, &envelope) == ST_OK) FUZZ_CHECK(pad_is_class(in.n));
    if (entry0_open(in, zeros, zeros, 0, &plain) == ST_OK &&
        entry0_split(buf_view(&plain), &e) == ST_OK)
        FUZZ_CHECK(e.body.p >= plain.p && e.body.p + e.body.n <= plain.p + plain.n);
    buf_free(&plain);
}

/* Pads what the fuzzer gave to the class its length asks for, so that the pad is not in the way. */
static void plain0(struct bytes in)
{
    size_t class = pad_class(in.n + ENTRY0_OVERHEAD);
    struct entry0 e;
    struct buf whole = BUF_INIT, again = BUF_INIT;
    if (class) {
        buf_bytes(&whole, in);
        buf_zero(&whole, class - ENTRY0_OVERHEAD - in.n);
        if (entry0_split(buf_view(&whole), &e) == ST_OK) {
            FUZZ_CHECK(entry0_plain(&e, &again) == ST_OK);
            FUZZ_CHECK(again.n <= whole.n && memcmp(again.p, whole.p, again.n) == 0);
            FUZZ_CHECK(pad_class(again.n + ENTRY0_OVERHEAD) == class);
            FUZZ_CHECK(entry0_verify(&e, zeros) != ST_OK);
        }
    }
    buf_free(&whole);
    buf_free(&again);
}

/* Sealed under keys that the fuzzer's side holds: it gets past the seal, not past the layout. */
static void feed23(struct bytes in)
{
    struct entry23_place place = {zeros, zeros, zeros, 0, 2};
    struct buf sealed = BUF_INIT, plain = BUF_INIT;
    uint8_t ad[32 + 1] = {0};
    struct entry23 e;
    size_t class = pad_class(in.n + ENTRY23_OVERHEAD);
    ad[32] = place.feed;
    if (class) {
        struct buf whole = BUF_INIT;
        buf_bytes(&whole, in);
        buf_zero(&whole, class - ENTRY23_OVERHEAD - in.n);
        buf_u64(&sealed, 0);
        xaead_seal_to(zeros, zeros, BYTES(ad, sizeof(ad)), buf_view(&whole), &sealed);
        uint64_t epoch;
        FUZZ_CHECK(entry23_epoch(buf_view(&sealed), &epoch) == ST_OK && epoch == 0);
        if (entry23_open(buf_view(&sealed), &place, &plain, &e) == ST_OK) {
            FUZZ_CHECK(e.body.p >= plain.p && e.body.p + e.body.n <= plain.p + plain.n);
            FUZZ_CHECK(entry23_verify(buf_view(&plain), &place, zeros) != ST_OK);
        }
        buf_free(&whole);
    }
    buf_free(&sealed);
    buf_free(&plain);
}

static void mail(struct bytes in)
{
    struct envelope_keys keys = {zeros, zeros};
    struct buf sealed = BUF_INIT, plain = BUF_INIT, whole = BUF_INIT;
    uint8_t ad[32 + HINT_SIZE] = {0};
    struct envelope e;
    size_t class = pad_class(in.n + HINT_SIZE + XAEAD_NONCE + AEAD_TAG);
    if (class) {
        buf_bytes(&whole, in);
        buf_zero(&whole, class - HINT_SIZE - XAEAD_NONCE - AEAD_TAG - in.n);
        buf_zero(&sealed, HINT_SIZE);
        xaead_seal_to(zeros, zeros, BYTES(ad, sizeof(ad)), buf_view(&whole), &sealed);
        if (envelope_open(&keys, buf_view(&sealed), zeros, &plain, &e) == ST_OK) {
            FUZZ_CHECK(e.content.n <= plain.n);
            FUZZ_CHECK(envelope_verify(&keys, buf_view(&plain), zeros) != ST_OK);
        }
    }
    buf_free(&sealed);
    buf_free(&plain);
    buf_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct bytes in = BYTES(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0: sealed0(in); break;
    case 1: plain0(in); break;
    case 2: feed23(in); break;
    default: mail(in); break;
    }
    return 0;
}
