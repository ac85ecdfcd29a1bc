/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Passwords and recovery words: by prompt, file or descriptor, never by argument. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define CONTROL_C 3
#define CONTROL_D 4
#define BACKSPACE 8
#define DELETE 127

void cli_wipe(void *p, size_t n)
{
    bytes_wipe(p, n);
}

bool cli_can_ask(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    close(fd);
    return true;
}

static void erase_last(char *text, size_t *n, int fd, bool echo)
{
    if (*n == 0) return;
    while (*n > 0 && (text[*n - 1] & 0xc0) == 0x80) (*n)--;
    if (*n > 0) (*n)--;
    if (echo) (void)!write(fd, "\b \b", 3);
}

/* Character by character, with signals off: Ctrl-C must not leave the terminal without echo. */
static int read_line(int fd, bool echo, char *ret, size_t room)
{
    size_t n = 0;
    for (;;) {
        char ch;
        ssize_t got = read(fd, &ch, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 || ch == CONTROL_C || (ch == CONTROL_D && n == 0)) return 130;
        if (ch == '\n' || ch == '\r') break;
        if (ch == BACKSPACE || ch == DELETE) {
            erase_last(ret, &n, fd, echo);
            continue;
        }
        if ((unsigned char)ch < 0x20 || n + 1 >= room) continue;
        ret[n++] = ch;
        if (echo) (void)!write(fd, &ch, 1);
    }
    ret[n] = '\0';
    return 0;
}

int cli_ask(struct cli *c, const char *prompt, bool echo, char *ret, size_t n)
{
    struct termios before;
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    ret[0] = '\0';
    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        if (fd >= 0) close(fd);
        return cli_fail(c, 2, NULL,
                        "there is no terminal to ask at: use --password-file or "
                        "--password-fd (and --yes)");
    }
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(fd, TCSAFLUSH, &raw);
    (void)!write(fd, prompt, strlen(prompt));
    int code = read_line(fd, echo, ret, n);
    (void)!write(fd, "\n", 1);
    tcsetattr(fd, TCSAFLUSH, &before);
    close(fd);
    if (code != 0) cli_wipe(ret, n);
    return code;
}

static int read_secret(struct cli *c, int fd, const char *name, bool whole, struct cli_secret *ret)
{
    size_t n = 0;
    while (n < CLI_PASSWORD_MAX) {
        ssize_t got = read(fd, ret->text + n, CLI_PASSWORD_MAX - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cli_fail(c, 1, NULL, "%s: %s", name, strerror(errno));
        if (got == 0) break;
        n += (size_t)got;
    }
    ret->text[n] = '\0';
    if (strlen(ret->text) != n) return cli_fail(c, 2, NULL, "%s holds a NUL byte", name);
    if (!whole) ret->text[strcspn(ret->text, "\r\n")] = '\0';
    if (ret->text[0] == '\0') return cli_fail(c, 2, NULL, "%s holds no password", name);
    return 0;
}

int cli_secret_from_file(struct cli *c, const char *path, bool whole, struct cli_secret *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cli_fail(c, errno == ENOENT ? 4 : 1, NULL, "%s: %s", path, strerror(errno));
    int code = read_secret(c, fd, path, whole, ret);
    close(fd);
    return code;
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        if ((*text & 0xc0) != 0x80) n++;
    return n;
}

static int ask_twice(struct cli *c, const char *prompt, struct cli_secret *ret)
{
    struct cli_secret again;
    for (;;) {
        int code = cli_ask(c, prompt, false, ret->text, sizeof ret->text);
        if (code != 0) return code;
        if (characters(ret->text) < 8) {
            cli_note(c, "A password needs 8 characters or more; several words are best.");
            continue;
        }
        code = cli_ask(c, "The same once more: ", false, again.text, sizeof again.text);
        bool same = code == 0 && strcmp(again.text, ret->text) == 0;
        cli_wipe(&again, sizeof again);
        if (code != 0 || same) return code;
        cli_note(c, "These were two different ones.");
    }
}

int cli_password(struct cli *c, const char *prompt, bool twice, struct cli_secret *ret)
{
    const char *file = cli_global(c, "password_file");
    const char *fd = cli_global(c, "password_fd");
    if (file != NULL && fd != NULL)
        return cli_fail(c, 2, NULL, "--password-file and --password-fd exclude each other");
    if (file != NULL) return cli_secret_from_file(c, file, false, ret);
    if (fd != NULL) return read_secret(c, (int)strtol(fd, NULL, 10), "--password-fd", false, ret);
    if (twice) return ask_twice(c, prompt, ret);
    return cli_ask(c, prompt, false, ret->text, sizeof ret->text);
}

int cli_new_password(struct cli *c, struct cli_secret *ret)
{
    const char *file = cli_param(c, "new_password_file");
    if (file != NULL) return cli_secret_from_file(c, file, false, ret);
    return ask_twice(c, "New password: ", ret);
}

int cli_words(struct cli *c, struct cli_secret *ret)
{
    const char *file = cli_param(c, "words_file");
    if (file != NULL) return cli_secret_from_file(c, file, true, ret);
    cli_note(c,
             "Type the 24 recovery words, with blanks between; four letters of each are enough.");
    return cli_ask(c, "Words: ", true, ret->text, sizeof ret->text);
}
