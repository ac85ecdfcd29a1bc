/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/vault/words.h"

#include "crypto/hash.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WORD_BITS 11
#define PREFIX 4 /* letters that tell all words of the list apart */

/* 11 bits from bit position at of p, most significant first. */
static unsigned word_bits(const uint8_t *p, size_t at)
{
    unsigned v = 0;
    for (size_t i = at; i < at + WORD_BITS; i++) v = v << 1 | ((p[i / 8] >> (7 - i % 8)) & 1U);
    return v;
}

enum status words_from(struct bytes entropy, char *ret_text, size_t room)
{
    uint8_t bits[WORDS_KEY + 1], hash[SHA256_SIZE];
    if (entropy.n < 16 || entropy.n > WORDS_KEY || entropy.n % 4) return ST_USAGE;
    size_t count = (entropy.n * 8 + entropy.n / 4) / WORD_BITS, at = 0;
    if (room < count * (WORDS_LONGEST + 1)) return ST_TOO_BIG;
    /* The check: as many bits of the hash as the entropy has groups of 32. */
    sha256(entropy, hash);
    memcpy(bits, entropy.p, entropy.n);
    bits[entropy.n] = hash[0];
    for (size_t i = 0; i < count; i++) {
        const char *word = words_at(word_bits(bits, i * WORD_BITS));
        size_t len = strlen(word);
        memcpy(ret_text + at, word, len);
        at += len;
        ret_text[at++] = ' ';
    }
    ret_text[at - 1] = 0;
    bytes_wipe(bits, sizeof bits);
    bytes_wipe(hash, sizeof hash);
    return ST_OK;
}

void words_encode(const uint8_t key[WORDS_KEY], char ret_text[WORDS_TEXT])
{
    if (words_from(BYTES(key, WORDS_KEY), ret_text, WORDS_TEXT) != ST_OK) ret_text[0] = 0;
}

/* The next word in lower case. Its length; 0 at the end of the text; WORDS_LONGEST + 1 if it is
 * longer than any, then word holds its beginning. */
static size_t next_word(struct cursor *c, char word[WORDS_LONGEST + 2])
{
    size_t n = 0;
    memset(word, 0, WORDS_LONGEST + 2);
    while (c->left && isspace(*c->p)) (void)cursor_u8(c);
    while (c->left && !isspace(*c->p)) {
        int ch = tolower(cursor_u8(c));
        if (n <= WORDS_LONGEST) word[n++] = (char)(isprint(ch) ? ch : '?');
    }
    return n;
}

/* Its place in the list, or WORDS_LIST. */
static unsigned find_word(const char *word, size_t n)
{
    unsigned low = 0, high = WORDS_LIST;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (strncmp(words_at(middle), word, n) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == WORDS_LIST) return WORDS_LIST;
    const char *found = words_at(low);
    /* The first of those that begin so: the word itself if it is one, as shorter sorts first. */
    if (strcmp(found, word) == 0 || (n == PREFIX && strncmp(found, word, n) == 0)) return low;
    return WORDS_LIST;
}

enum status words_decode(struct bytes text, uint8_t ret_key[WORDS_KEY], char ret_fault[WORDS_FAULT])
{
    uint8_t bits[WORDS_KEY + 1] = {0}, hash[SHA256_SIZE];
    char word[WORDS_LONGEST + 2];
    struct cursor c = cursor_of(text);
    enum status st = ST_USAGE;
    size_t count = 0, n;
    memset(ret_key, 0, WORDS_KEY);
    ret_fault[0] = 0;
    while ((n = next_word(&c, word)) > 0) {
        if (count++ >= WORDS_COUNT) continue; /* only to tell how many there are */
        unsigned v = find_word(word, n);
        if (v == WORDS_LIST) {
            snprintf(ret_fault, WORDS_FAULT, "word %zu, \"%s\", is not in the list", count, word);
            goto out;
        }
        for (size_t i = 0; i < WORD_BITS; i++) {
            size_t at = (count - 1) * WORD_BITS + i;
            if (v >> (WORD_BITS - 1 - i) & 1) bits[at / 8] |= (uint8_t)(0x80 >> at % 8);
        }
    }
    if (count != WORDS_COUNT) {
        snprintf(ret_fault, WORDS_FAULT, "%zu words, but there must be %d", count, WORDS_COUNT);
        goto out;
    }
    sha256(BYTES(bits, WORDS_KEY), hash);
    if (hash[0] != bits[WORDS_KEY]) {
        snprintf(ret_fault, WORDS_FAULT,
                 "the words do not fit together: one is wrong or two changed places");
        goto out;
    }
    memcpy(ret_key, bits, WORDS_KEY);
    st = ST_OK;
out:
    bytes_wipe(bits, sizeof bits);
    bytes_wipe(hash, sizeof hash);
    bytes_wipe(word, sizeof word);
    return st;
}
