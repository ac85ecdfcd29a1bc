/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant core/room */
/* What a storage node's owner, its enclave and a snapshot say of it. First byte: 0 an offer as text, 1 a
 * grant, 2 seat records, 3 the storage nodes of a snapshot; what decodes has one form, and nothing that
 * is made up has a majority. */
#include "core/files/depots.h"
#include "fuzz.h"

#include <string.h>

static void offer(const uint8_t *data, size_t size)
{
    char text[4096], again[GRANT_TEXT_MAX];
    struct offer o;
    if (size >= sizeof text) return;
    memcpy(text, data, size);
    text[size] = '\0';
    if (offer_from_text(text, &o) != ST_OK) return;
    FUZZ_CHECK(offer_to_text(&o, again) == ST_OK);
    FUZZ_CHECK(grant_ticket_check((const uint8_t[32]){1}, o.ticket) == ST_DENIED);
}

static void one_grant(struct bytes in)
{
    struct grant g;
    struct grant_seats s = {0};
    if (fields_decode(&grant_fields, in, &g) != ST_OK) return;
    if (!grant_seats_ok(g.seats)) return;
    FUZZ_CHECK(grant_majority(&g, (const uint8_t(*)[32])g.seats.p, g.seats.n) != ST_OK);
    FUZZ_CHECK(grant_seats_set(&s, g.list_version, g.seats) == ST_OK);
    FUZZ_CHECK(s.n == g.seats.n && grant_seats_has(&s, g.seats.p));
    grant_seats_free(&s);
}

static void records(struct bytes in)
{
    static const uint8_t seats[2][32] = {{1}, {2}}, room[32] = {3};
    struct grant_seats s = {0};
    struct room_record r;
    struct cursor c = cursor_of(in);
    FUZZ_CHECK(grant_seats_set(&s, 0, (struct list){seats[0], 2}) == ST_OK);
    while (c.left > 0 && fields_read(&room_record_fields, &c, &r) == ST_OK)
        if (grant_follow(&s, room, &r) != ST_OK) break;
    FUZZ_CHECK(s.version == 0 && s.n == 2); /* nobody has these keys */
    grant_seats_free(&s);
}

static void nodes(struct bytes in)
{
    struct depots d = {0};
    struct cursor c = cursor_of(in);
    struct buf again = BUF_INIT;
    if (depots_load(&d, &c) == ST_OK && !c.bad) {
        FUZZ_CHECK(depots_write(&d, &again) == ST_OK);
        FUZZ_CHECK(again.n == in.n - c.left && memcmp(again.p, in.p, again.n) == 0);
    }
    depots_free(&d);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    switch (data[0]) {
    case 0: offer(data + 1, size - 1); break;
    case 1: one_grant(BYTES(data + 1, size - 1)); break;
    case 2: records(BYTES(data + 1, size - 1)); break;
    case 3: nodes(BYTES(data + 1, size - 1)); break;
    default: break;
    }
    return 0;
}
