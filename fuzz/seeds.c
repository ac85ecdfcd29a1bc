/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/door core/files core/mail core/ledger core/epoch core/ballot core/grant core/audit */
/*
 * Writes the seeds of fuzz/corpus that are not made by hand: one well-formed example of each kind, from
 * which a fuzzer starts. Run through `scripts/fuzz --seeds` after a layout changed.
 */
#include "core/audit/audit.h"
#include "core/audit/receipt.h"
#include "core/door/card.h"
#include "core/door/invitation.h"
#include "core/door/knock.h"
#include "core/feed/entry0.h"
#include "core/feed/entry23.h"
#include "core/feed/squeeze.h"
#include "core/files/depots.h"
#include "core/files/manifest.h"
#include "core/files/segment.h"
#include "core/ledger/proof.h"
#include "core/mail/envelope.h"
#include "core/mail/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "seeds: %s\n", what);
    exit(1);
}

static void save(const char *folder, const char *name, struct bytes prefix, struct bytes b)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    must(f != NULL, path);
    fwrite(prefix.p, 1, prefix.n, f);
    fwrite(b.p, 1, b.n, f);
    must(fclose(f) == 0, path);
}

static void door(void)
{
    struct invitation i = {.address = "relay.example:4433", .expiry = 1800000000};
    char text[INVITATION_TEXT_MAX];
    struct buf b = BUF_INIT, plain = BUF_INIT;
    uint8_t hash[32], seed[32] = {7}, coins[KEM_COINS] = {8}, kem_seed[KEM_SEED] = {9};
    uint8_t blob[KNOCK_BLOB];
    struct knock k = {.nick = BYTES_LIT("bob"), .message = BYTES_LIT("it is me")};
    memset(i.pin, 1, 32);
    memset(i.door_secret, 2, 32);
    must(invitation_encode(&i, &b, hash) == ST_OK, "invitation");
    must(invitation_to_text(&i, text) == ST_OK, "invitation as text");
    save("door", "invitation-text", BYTES_LIT("\0"), bytes_str(text));
    save("door", "invitation", BYTES_LIT("\1"), buf_view(&b));
    sign_public(seed, k.id);
    kem_public(kem_seed, k.kem);
    must(knock_build(&i, k.kem, &k, seed, coins, &plain, blob) == ST_OK, "knock");
    save("door", "knock", BYTES_LIT("\2"), buf_view(&plain));
    buf_free(&plain);
    buf_free(&b);
}

static void card(void)
{
    static uint8_t record[MEET_RECORD];
    static const uint8_t ada_seed[CARD_SEED] = {8}, bob_seed[CARD_SEED] = {9},
                         coins[KEM_COINS] = {3};
    struct card_keys keys, bob_keys;
    struct card ada = {.nick = "ada", .address = "192.0.2.7:8000", .pin = {9}, .made = 1800000000};
    struct card bob = {.nick = "bob", .made = 1800000000};
    struct invitation i = {.address = "192.0.2.7:8000", .expiry = 1800000000};
    struct meet m;
    struct meet_word w = {.version = 1};
    struct buf b = BUF_INIT, inv = BUF_INIT;
    card_keys_of(bob_seed, &bob_keys);
    must(card_make(&bob_keys, &bob, &b) == ST_OK, "card");
    save("card", "bare", BYTES_LIT("\0"), buf_view(&b));
    save("card", "to-sign", BYTES_LIT("\1"), buf_view(&b));
    buf_clear(&b);
    card_keys_of(ada_seed, &keys);
    must(card_make(&keys, &ada, &b) == ST_OK, "card");
    save("card", "hosting", BYTES_LIT("\0"), buf_view(&b));
    buf_clear(&b);
    must(meet_of(&keys, ada.fingerprint, &bob, true, &m) == ST_OK, "meeting place");
    must(meet_seal(&m, &keys, ada.fingerprint, &bob, &i, false, coins, record) == ST_OK, "word");
    save("card", "word-of-others", BYTES_LIT("\2"), BYTES_OF(record));
    must(invitation_encode(&i, &inv, NULL) == ST_OK, "invitation");
    w.invitation = buf_view(&inv);
    must(fields_encode(&meet_word_fields, &w, &b) == ST_OK, "word");
    save("card", "word-unsigned", BYTES_LIT("\3"), buf_view(&b));
    save("card", "changed", BYTES_LIT("\4"), BYTES_LIT("\1\2\3"));
    buf_free(&b);
    buf_free(&inv);
}

static void history(void)
{
    struct buf b = BUF_INIT;
    struct history_keys keys;
    struct history_cost cost = {3, 65536, {7}};
    static const uint8_t root[32];
    uint8_t text[3000];
    struct history_row row = {.author = {1},
                              .uuid = {2},
                              .flags = HISTORY_OWN | HISTORY_ANSWERS,
                              .time_ms = 3,
                              .of_author = {4},
                              .nick = BYTES_LIT("ada"),
                              .signs = BYTES_LIT("\x03"
                                                 "bob\x02+1"),
                              .text = BYTES_LIT("dinner")};
    struct history_about about = {.name = BYTES_LIT("choir"), .nick = BYTES_LIT("ada")};
    must(fields_encode(&history_row_fields, &row, &b) == ST_OK, "row");
    save("history", "row", BYTES_LIT("\0"), buf_view(&b));
    buf_clear(&b);
    must(history_put_about(&about, &b) == ST_OK && history_put(&row, &b) == ST_OK, "rows");
    must(history_put(&row, &b) == ST_OK, "rows");
    save("history", "rows", BYTES_LIT("\1"), buf_view(&b));
    buf_clear(&b);
    must(history_start(&cost, root, &keys, &b) == ST_OK, "head");
    b.p[40] ^= 1; /* of another password */
    save("history", "head", BYTES_LIT("\2"), buf_view(&b));
    for (unsigned what = 0; what < 5; what++) {
        char name[] = "file-0";
        const uint8_t steps[] = {3, (uint8_t)what, 9, 2, 'a', 'b', 0, 3, 'c', 'd', 'e', 1, 'f'};
        name[5] = (char)('0' + what);
        save("history", name, BYTES_NONE, BYTES_OF(steps));
    }
    buf_clear(&b);
    memset(text, 'a', sizeof text);
    must(squeeze_pack(235, BYTES_OF(text), &b), "packed");
    save("history", "packed", BYTES_LIT("\4"), buf_view(&b));
    buf_free(&b);
}

static void audit(void)
{
    static const uint8_t zeros[512];
    struct buf b = BUF_INIT, body = BUF_INIT;
    const struct audit_answer a = {.req = 1, .path = {zeros, 2}, .leaves = BYTES(zeros, 300)};
    const struct audit_proof p = {.version = 1, .count = 1, .path = {zeros, 2}};
    const struct audit_row row = {.hour = 1, .holder = 2, .flags = 1, .asked = 24, .right = 24};
    struct audit_fold *f = calloc(1, sizeof *f);
    must(f != NULL && fields_encode(&audit_answer_fields, &a, &b) == ST_OK, "answer");
    save("audit", "answer", BYTES_LIT("\0"), buf_view(&b));
    buf_clear(&b);
    must(fields_encode(&audit_proof_fields, &p, &b) == ST_OK, "proof");
    save("audit", "proof", BYTES_LIT("\1"), buf_view(&b));
    buf_clear(&b);
    must(fields_encode(&audit_row_fields, &row, &b) == ST_OK, "row");
    const struct audit_receipt r = {.version = 1, .first = 5, .rows = {b.p, 1}};
    must(fields_encode(&audit_receipt_fields, &r, &body) == ST_OK, "receipt");
    audit_fold_start(f, NULL);
    must(audit_fold_take(f, 1, buf_view(&body)) == ST_OK, "fold");
    buf_clear(&b);
    buf_u8(&b, 1);
    buf_u16(&b, (uint16_t)body.n);
    buf_bytes(&b, buf_view(&body));
    save("audit", "receipts", BYTES_LIT("\2"), buf_view(&b));
    buf_clear(&b);
    must(audit_fold_digest(f, 20000, 0, 1, zeros, &b) == ST_OK, "digest");
    save("audit", "digest", BYTES_LIT("\3"), buf_view(&b));
    buf_free(&b);
    buf_free(&body);
    free(f);
}

static void manifest(void)
{
    struct manifest m;
    struct buf b = BUF_INIT;
    manifest_init(&m);
    struct manifest_segment s = {.size = 100016, .rows = 1, .k = 3, .n = 5, .at = {0, 1, 2, 3, 4}};
    m.size = 100000;
    m.mode = 0644;
    must(manifest_add_segment(&m, &s) == ST_OK, "segment");
    struct manifest_chunk c = {.sealed = 100016, .plain = 100000};
    must(manifest_add_chunk(&m, &c) == ST_OK, "chunk");
    must(manifest_encode(&m, &b) == ST_OK, "manifest");
    save("manifest", "one-chunk", BYTES_NONE, buf_view(&b));
    manifest_free(&m);
    buf_clear(&b);
    manifest_init(&m);
    must(manifest_encode(&m, &b) == ST_OK, "empty manifest");
    save("manifest", "empty", BYTES_NONE, buf_view(&b));
    manifest_free(&m);
    buf_free(&b);
}

static void shard(void)
{
    uint8_t head[SHARD_HEADER], tail[SHARD_TRAILER_MAX], id[32] = {5}, roots[5 * 32];
    uint8_t place[4] = {2, 5, 3, 1};
    memset(roots, 6, sizeof(roots));
    segment_header(id, 2, 3, 5, head);
    save("shard", "header", BYTES_OF(place), BYTES_OF(head));
    size_t n = segment_trailer(roots, 5, 2, 100016, tail);
    save("shard", "trailer", BYTES_OF(place), BYTES(tail, n));
}

static void entry(void)
{
    static const uint8_t zeros[64];
    struct entry0 e = {.rules = 1, .type = 9, .body = BYTES_LIT("body")};
    struct buf b = BUF_INIT;
    must(entry0_plain(&e, &b) == ST_OK, "entry0");
    save("entry", "ledger", BYTES_LIT("\1"), buf_view(&b));
    buf_clear(&b);
    must(entry0_seal(&e, zeros, zeros, zeros, zeros, &b) == ST_OK, "entry0 sealed");
    save("entry", "ledger-sealed", BYTES_LIT("\0"), buf_view(&b));
    buf_clear(&b);
    struct entry23 f = {.version = 1, .type = 1, .body = BYTES_LIT("body")};
    must(fields_encode(&entry23_fields, &f, &b) == ST_OK, "entry23");
    save("entry", "files", BYTES_LIT("\2"), buf_view(&b));
    buf_clear(&b);
    struct envelope m = {.kind = 1, .content = BYTES_LIT("hello")};
    must(fields_encode(&envelope_fields, &m, &b) == ST_OK, "envelope");
    save("entry", "mail", BYTES_LIT("\3"), buf_view(&b));
    buf_free(&b);
}

static void proof(void)
{
    static const uint8_t enclave[32] = {3}, seed[32] = {4}, edits[] = {1, 0, 9, 1, 1, 200, 0, 0, 0};
    struct entry0 one = {.index = 2, .rules = 1, .type = 17, .body = BYTES_LIT("here")};
    struct buf b = BUF_INIT;
    sign_public(seed, one.actor);
    struct entry0 other = one;
    other.prev_chain[0] = 1;
    entry0_sign(&one, enclave, seed);
    entry0_sign(&other, enclave, seed);
    must(proof_make(enclave, &one, &other, &b) == ST_OK, "proof");
    save("proof", "two-histories", BYTES_LIT("\0"), buf_view(&b));
    save("proof", "edited", BYTES_NONE, BYTES(edits, sizeof(edits)));
    buf_clear(&b);
    other = one;
    other.body = BYTES_LIT("there");
    entry0_sign(&other, enclave, seed);
    must(proof_make(enclave, &one, &other, &b) == ST_OK, "proof of two words");
    save("proof", "two-words", BYTES_LIT("\0"), buf_view(&b));
    buf_free(&b);
}

static void grants(void)
{
    static const uint8_t seed[32] = {6};
    uint8_t seat[32], sig[ROOM_SIG_ITEM];
    struct offer o = {.address = "store.example:9000"};
    struct grant g = {.version = GRANT_VERSION, .quota = 5, .expiry = 9, .seats = {seat, 1}};
    struct room_record r = {.version = 1, .kind = ROOM_RECORD_DROP, .sigs = {sig, 1}};
    struct depot_take take = {.quota = 5, .expiry = 9, .address = BYTES_LIT("a:1")};
    struct depot_sign sign = {.number = DEPOTS_FIRST, .expiry = 9};
    struct depots d = {0};
    char text[GRANT_TEXT_MAX];
    struct buf b = BUF_INIT;
    enum status st;
    sign_public(seed, seat);
    memset(sig, 1, sizeof sig);
    must(offer_to_text(&o, text) == ST_OK, "offer");
    save("grant", "offer", BYTES_LIT("\0"), bytes_str(text));
    g.sigs = (struct list){sig, 1};
    must(fields_encode(&grant_fields, &g, &b) == ST_OK, "grant");
    save("grant", "grant", BYTES_LIT("\1"), buf_view(&b));
    buf_clear(&b);
    r.seat[0] = 1;
    must(fields_encode(&room_record_fields, &r, &b) == ST_OK, "record");
    save("grant", "record", BYTES_LIT("\2"), buf_view(&b));
    buf_clear(&b);
    take.seats = (struct list){seat, 1};
    must(depots_take(&d, &take, 0, &st) == NULL && depots_sign(&d, &sign, 3) == NULL, "node");
    must(depots_write(&d, &b) == ST_OK, "nodes");
    save("grant", "nodes", BYTES_LIT("\3"), buf_view(&b));
    depots_free(&d);
    buf_free(&b);
}

/* Runs in the folder that holds one folder a target. */
int main(void)
{
    door();
    card();
    history();
    manifest();
    audit();
    shard();
    entry();
    proof();
    grants();
    return 0;
}
