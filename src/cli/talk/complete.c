/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "cli/talk/complete.h"

#include "cli/talk/words.h"
#include "tables/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- gathering ---- */

/* Until settle, `add` holds the word as it is typed. */
static const char *typed(const struct talk_found *f)
{
    return f->add;
}

/* Bytes that two words have in common, whole characters only. */
static size_t common(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] != '\0' && a[n] == b[n]) n++;
    while (n > 0 && ((unsigned char)a[n] & 0xc0) == 0x80) n--;
    return n;
}

static void offer(struct talk_found *f, const char *word, const char *end)
{
    if (typed(f) == NULL || strncmp(word, typed(f), f->typed_n) != 0) return;
    f->end = end;
    f->n++;
    if (f->n <= TALK_FOUND_MAX) f->words[f->n - 1] = strdup(word);
}

/* A name that would move the cursor cannot be typed either. */
static void offer_file(struct talk_found *f, const char *name, bool directory)
{
    char word[4400];
    const char *slash = strrchr(typed(f) != NULL ? typed(f) : "", '/');
    size_t before = slash == NULL ? 0 : (size_t)(slash + 1 - typed(f));
    bool hidden = name[0] == '.' && (typed(f) == NULL || typed(f)[before] != '.');
    if (hidden || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return;
    if (!names_plain(bytes_str(name))) return;
    int n = snprintf(word, sizeof word, "%.*s%s%s", (int)before, typed(f) != NULL ? typed(f) : "",
                     name, directory ? "/" : "");
    if (n > 0 && (size_t)n < sizeof word) offer(f, word, "");
}

static void offer_files(const struct talk_known *k, struct talk_found *f)
{
    if (k->list == NULL || typed(f) == NULL) return;
    const char *slash = strrchr(typed(f), '/');
    char *directory = strndup(typed(f), slash == NULL ? 0 : (size_t)(slash + 1 - typed(f)));
    if (directory != NULL) k->list(k->list_arg, directory, offer_file, f);
    free(directory);
}

static void offer_nicks(const struct talk_known *k, struct talk_found *f, const char *before,
                        const char *end)
{
    char word[256];
    for (size_t i = 0; i < k->n_nicks; i++) {
        if (!names_plain(bytes_str(k->nicks[i]))) continue;
        int n = snprintf(word, sizeof word, "%s%s", before, k->nicks[i]);
        if (n > 0 && (size_t)n < sizeof word) offer(f, word, end);
    }
}

static void offer_commands(const struct talk_known *k, struct talk_found *f)
{
    size_t n;
    const struct talk_command *all = talk_commands(&n);
    for (size_t i = 0; i < n; i++)
        if (talk_has(&all[i], k->private_words))
            offer(f, all[i].name, all[i].words[0] != '\0' ? " " : "");
}

static void offer_vote(const struct talk_known *k, struct talk_found *f, bool first)
{
    static const char *const words[] = {"yes", "no", "compared", "now"};
    for (size_t i = 0; i < k->n_refs && first; i++) offer(f, k->refs[i], " ");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (f->typed_n > 0 || (!first && i < 2)) offer(f, words[i], " ");
}

/* ---- one word ---- */

/* What all have in common, after what is typed. */
static void settle(struct talk_found *f)
{
    size_t kept = f->n < TALK_FOUND_MAX ? f->n : TALK_FOUND_MAX;
    char *add = NULL;
    if (kept > 0 && f->words[0] != NULL) {
        size_t n = strlen(f->words[0]);
        for (size_t i = 1; i < kept && f->words[i] != NULL; i++) {
            size_t same = common(f->words[0], f->words[i]);
            if (same < n) n = same;
        }
        if (f->n > TALK_FOUND_MAX) n = f->typed_n; /* those that were not kept are not known */
        add = n >= f->typed_n ? strndup(f->words[0] + f->typed_n, n - f->typed_n) : NULL;
    }
    free(f->add);
    f->add = add;
}

static bool begins(const char *line, size_t n, const char *word)
{
    size_t len = strlen(word);
    return n > len && strncmp(line, word, len) == 0 && (line[len] == ' ' || line[len] == '\t');
}

void talk_complete(const struct talk_known *known, const char *line, size_t cursor,
                   struct talk_found *ret)
{
    size_t from = cursor;
    *ret = (struct talk_found){.end = ""};
    while (from > 0 && line[from - 1] != ' ' && line[from - 1] != '\t') from--;
    bool file = begins(line, from, "/file");
    if (file) from = 6 + strspn(line + 6, " \t"); /* a path has blanks in it as it likes */
    if (from > cursor) from = cursor;
    size_t words_before = 0; /* in front of this one */
    for (size_t i = 0; i < from; i++)
        if (line[i] != ' ' && (i == 0 || line[i - 1] == ' ')) words_before++;
    ret->typed_n = cursor - from;
    ret->add = strndup(line + from, ret->typed_n);
    if (ret->add == NULL) return;
    if (file)
        offer_files(known, ret);
    else if (from == 0 && ret->add[0] == '/')
        offer_commands(known, ret);
    else if (ret->add[0] == '@')
        offer_nicks(known, ret, "@", " ");
    else if (known->private_words && words_before == 1 && begins(line, from, "/send"))
        offer_nicks(known, ret, "", " ");
    else if (begins(line, from, "/vote"))
        offer_vote(known, ret, words_before == 1);
    else if (ret->typed_n > 0)
        offer_nicks(known, ret, "", from == 0 ? ": " : " ");
    settle(ret);
}

void talk_found_free(struct talk_found *f)
{
    for (size_t i = 0; i < f->n && i < TALK_FOUND_MAX; i++) free(f->words[i]);
    free(f->add);
    *f = (struct talk_found){.end = ""};
}
