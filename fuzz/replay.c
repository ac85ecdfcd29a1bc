/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Stands in for libFuzzer in an ordinary build: runs a target over each file of
 * the folders or files named, and over small mutations of it (truncations, bits
 * turned, bytes put to their extremes), the same ones each time.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define SEED_MAX ((size_t)1 << 20)
#define MUTATIONS 400 /* places in a seed that are changed */

static size_t runs;

static void once(const uint8_t *p, size_t n)
{
    /* A copy of exactly this size lets the sanitizer see a read past the end. */
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) abort();
    if (n) memcpy(copy, p, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    runs++;
}

static void mutations(uint8_t *p, size_t n)
{
    static const uint8_t extremes[] = {0x00, 0x7F, 0x80, 0xFF};
    size_t step = n / MUTATIONS + 1;
    once(p, n);
    for (size_t i = 0; i < n; i += step) {
        uint8_t was = p[i];
        once(p, i);
        p[i] = (uint8_t)(was ^ (1U << (i % 8)));
        once(p, n);
        p[i] = extremes[i / step % sizeof(extremes)];
        once(p, n);
        p[i] = was;
    }
}

static int file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    uint8_t *p = malloc(SEED_MAX);
    if (!p) abort();
    size_t n = fread(p, 1, SEED_MAX, f);
    fclose(f);
    mutations(p, n);
    free(p);
    return 0;
}

static int folder(const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    int wrong = n < 0;
    if (n < 0) fprintf(stderr, "%s: %s\n", path, strerror(errno));
    for (int i = 0; i < n; i++) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') wrong |= file(name);
        free(names[i]);
    }
    if (n >= 0) free(names);
    return wrong;
}

int main(int argc, char **argv)
{
    int wrong = 0;
    once((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            wrong |= folder(argv[i]);
        else
            wrong |= file(argv[i]);
    }
    printf("%zu inputs, no broken promise\n", runs);
    return wrong;
}
