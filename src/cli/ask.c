/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is said and asked before something is done; small files. */
#include "cli/cli.h"
#include "cli/qr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)240 << 10) /* what fits into one request */

int cli_confirm(struct cli *c, const char *prompt)
{
    char said[16];
    if (c->yes) return 0;
    if (!cli_can_ask())
        return cli_fail(c, 2, "the same with --yes", "there is no terminal to ask back at");
    int code = cli_ask(c, prompt, true, said, sizeof said);
    if (code != 0) return code;
    if (strcasecmp(said, "y") == 0 || strcasecmp(said, "yes") == 0) return 0;
    return cli_fail(c, 1, NULL, "nothing was done");
}

void cli_doubt(const json_t *enclave, char *out, size_t n)
{
    snprintf(out, n,
             "fewer than half of the members (%llu of %llu) have confirmed this history: somebody "
             "may be shown another one; compare `enclave status` by voice before you write",
             (unsigned long long)cli_number(enclave, "confirmed"),
             (unsigned long long)cli_number(enclave, "members"));
}

void cli_warn_doubt(struct cli *c)
{
    char text[256];
    /* A problem here is the problem of the call that follows, which tells it. */
    if (cli_call_args(c, "enclave", NULL, 0) != 0 || !cli_bool(c->doc, "doubtful")) return;
    cli_doubt(c->doc, text, sizeof text);
    cli_note(c, "warning: %s", text);
}

const char *cli_enclave_option(const struct cli *c, char room[96])
{
    const char *given = cli_param(c, "enclave");
    room[0] = '\0';
    if (given != NULL) snprintf(room, 96, " --enclave %.70s", given);
    return room;
}

/* ---- safety codes ---- */

static bool is_utf8_terminal(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = getenv(variables[i]);
        if (value == NULL || *value == '\0') continue;
        return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

static void show_qr(const struct cli *c, const char *code, bool digits)
{
    bool asked = cli_flag(c, "qr");
    struct qr_style style = {is_utf8_terminal(), c->colour, 4};
    struct buf out = BUF_INIT;
    if (cli_flag(c, "no_qr") || (!asked && !(c->tty_out && style.halves))) return;
    if ((digits ? qr_draw(code, &style, &out) : qr_text(code, &style, &out)) == ST_OK)
        fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

void cli_safety(struct cli *c, const char *code)
{
    cli_put(c, STYLE_BOLD, code, false);
    printf("\n");
    show_qr(c, code, true);
}

void cli_qr(const struct cli *c, const char *text)
{
    show_qr(c, text, false);
}

/* ---- files ---- */

/* Up to room bytes; -1: errno tells. */
static ssize_t read_all(int fd, char *out, size_t room)
{
    size_t n = 0;
    while (n < room) {
        ssize_t got = read(fd, out + n, room - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

char *cli_read_file(struct cli *c, const char *path, int *ret_code)
{
    char *text = malloc(FILE_MAX + 1);
    if (text == NULL) {
        *ret_code = cli_fail(c, 1, NULL, "out of memory");
        return NULL;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read_all(fd, text, FILE_MAX);
    int error = errno;
    if (fd >= 0) close(fd);
    *ret_code = 0;
    if (n < 0)
        *ret_code = cli_fail(c, error == ENOENT ? 4 : 1, NULL, "%s: %s", path, strerror(error));
    else if ((size_t)n == FILE_MAX)
        *ret_code = cli_fail(c, 2, NULL, "%s is too large to be one", path);
    if (*ret_code != 0) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

static bool write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, text, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        text += put;
        n -= (size_t)put;
    }
    return true;
}

/* Beside it first: a full disk leaves the old one. */
int cli_write_file(struct cli *c, const char *path, const char *text)
{
    size_t n = strlen(path) + 8;
    char *beside = malloc(n);
    if (beside == NULL) return cli_fail(c, 1, NULL, "out of memory");
    if (!c->yes && access(path, F_OK) == 0) {
        free(beside);
        return cli_fail(c, 5, "the same with --yes", "%s exists already", path);
    }
    snprintf(beside, n, "%s.part", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good =
        fd >= 0 && fchmod(fd, 0600) == 0 && write_all(fd, text, strlen(text)) && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) close(fd);
    if (good && rename(beside, path) != 0) {
        error = errno;
        good = false;
    }
    if (!good && fd >= 0) unlink(beside);
    free(beside);
    if (good) return 0;
    return cli_fail(c, error == ENOSPC ? 9 : 1, NULL, "%s: %s", path, strerror(error));
}
