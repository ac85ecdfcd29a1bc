/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * keep: puts a file into an enclave, shows how safe it is, and fetches it back.
 *
 *     cc keep.c $(pkg-config --cflags --libs libenclave) -o keep
 *     ./keep HOME FILE PATH COPY
 */
#include <enclave/enclave.h>
#include <stdio.h>

static int show(void *arg, const struct enclave_progress *p)
{
    fprintf(stderr, "%s %s: %llu of %llu bytes, %llu ms left\n", (const char *)arg, p->state,
            p->bytes, p->total, p->eta_ms);
    return 1; /* go on */
}

/* Says what went wrong and what to do next; gives the exit code. */
static int done(struct enclave_answer *a)
{
    int code = enclave_exit(a);
    if (code != 0) fprintf(stderr, "keep: %s\n", enclave_text(a));
    if (code != 0 && *enclave_next(a) != '\0') fprintf(stderr, "next: %s\n", enclave_next(a));
    enclave_answer_free(a);
    return code;
}

int main(int argc, char **argv)
{
    struct enclave *e;
    struct enclave_file file;
    if (argc != 5) {
        fprintf(stderr, "usage: keep HOME FILE PATH COPY\n");
        return 2;
    }
    int code = enclave_open(argv[1], &e);
    if (code != 0) return code;

    struct enclave_transfer up = {.to_the_end = 1, .watch = show, .arg = "up"};
    code = done(enclave_upload(e, argv[2], argv[3], &up));
    if (code == 0) code = done(enclave_file_info(e, NULL, argv[3], &file));
    if (code == 0) {
        printf("%llu bytes, any %u of %u columns: %s\n", file.size, file.k, file.n, file.safety);
        printf("sha256 %s\n", file.sha256);
        struct enclave_transfer down = {.watch = show, .arg = "down"};
        code = done(enclave_download(e, argv[3], argv[4], &down));
    }
    enclave_close(e);
    return code;
}
