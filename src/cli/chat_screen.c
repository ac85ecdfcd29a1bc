/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The line being typed is libedit's; what it does not know is that others speak meanwhile. Its
 * function for the next character is ours: it waits for keys and for news alike. News are printed
 * in place of the line, and libedit draws the line again below, from what it holds. */
#include "cli/chat.h"
#include "cli/talk/rows.h"
#include "tables/names.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define TICK_MS 200 /* how soon a new size, or the end, is noticed */
#define REMEMBERED 500
#define LINE_MAX_BYTES ((size_t)64 << 10)
#define CONTROL(letter) ((letter)&0x1f)

struct chat_screen {
    struct chat_screen_options o;
    EditLine *el; /* NULL: plain */
    History *history;
    struct termios before; /* as it was, and will be */
    bool pasting;
    char prompt[256];
    unsigned columns, lines;
    bool editing; /* the line is on the screen */
    bool ended;
    bool skipping;    /* plain: the rest of a line that is too long */
    bool dropped;     /* plain: a line that could be no message */
    unsigned above;   /* calls of chat_screen_above that are not yet back */
    unsigned entered; /* rows of the line that was entered last, to be wiped */
    char bytes[4096]; /* keys that libedit has not had yet */
    size_t at, n;
    struct buf pending; /* plain: what was read of the next line */
};

/* Whether the terminal marks what is pasted; one that cannot ignores it. */
static void tell_pastes(bool yes)
{
    fputs(yes ? "\033[?2004h" : "\033[?2004l", stdout);
    fflush(stdout);
}

/* ---- the size of the terminal, and where the cursor is in it ---- */

static void look_at_size(unsigned *ret_columns, unsigned *ret_lines)
{
    struct winsize size = {0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *ret_columns = known && size.ws_col > 1 ? size.ws_col : 80;
    *ret_lines = known && size.ws_row > 0 ? size.ws_row : 24;
}

static struct talk_rows rows_of(const struct chat_screen *s, const wchar_t *text, size_t n,
                                size_t cursor)
{
    wchar_t prompt[256];
    size_t m = mbstowcs(prompt, s->prompt, 255);
    prompt[m == (size_t)-1 ? 0 : m] = L'\0';
    struct talk_rows r = talk_rows(prompt, text, n, cursor, s->columns);
    /* A line longer than the screen: libedit shows its end. */
    if (r.last >= s->lines) r.last = s->lines - 1;
    if (r.cursor >= s->lines) r.cursor = s->lines - 1;
    return r;
}

static void up_and_clear(unsigned rows)
{
    if (rows > 0) fprintf(stdout, "\033[%uA", rows);
    fputs("\r\033[J", stdout);
}

void chat_screen_above(struct chat_screen *s)
{
    if (s->above++ > 0 || !s->editing) return;
    const LineInfoW *line = el_wline(s->el);
    size_t n = (size_t)(line->lastchar - line->buffer);
    up_and_clear(rows_of(s, line->buffer, n, (size_t)(line->cursor - line->buffer)).cursor);
}

void chat_screen_back(struct chat_screen *s)
{
    if (--s->above > 0) return;
    fflush(stdout);
    if (s->editing) el_set(s->el, EL_REFRESH);
}

/* Terminals lay the line out anew when their width changes: so do we. */
static void follow_size(struct chat_screen *s)
{
    unsigned columns;
    unsigned lines;
    look_at_size(&columns, &lines);
    if (columns == s->columns && lines == s->lines) return;
    s->columns = columns;
    s->lines = lines;
    chat_screen_above(s);
    el_resize(s->el);
    chat_screen_back(s);
}

/* ---- waiting ---- */

/* One look at the keys and the news. False: the end. */
static bool wait_a_moment(struct chat_screen *s, char *into, size_t room, size_t *ret_n)
{
    struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {s->o.news_fd, POLLIN, 0}};
    *ret_n = 0;
    int ready = poll(fds, 2, TICK_MS);
    if (s->o.is_over(s->o.arg)) return false;
    if (s->el != NULL) follow_size(s);
    if (ready <= 0) return ready == 0 || errno == EINTR;
    if (fds[1].revents != 0) s->o.on_news(s->o.arg);
    if (fds[0].revents == 0) return true;
    ssize_t got = read(STDIN_FILENO, into, room);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    *ret_n = (size_t)got;
    return got > 0;
}

/* Bytes of the UTF-8 character that begins with c. */
static size_t length_of(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* The terminal tells where something pasted begins and ends: its line breaks must not send what
 * stands before them, nor its control characters be keys. False: the mark is not whole yet. */
static bool pass_marks(struct chat_screen *s)
{
    static const char begin[] = "\033[200~";
    static const char end[] = "\033[201~";
    const char *mark = s->pasting ? end : begin;
    size_t n = s->n - s->at;
    if (n < sizeof begin - 1) return n < 3 || memcmp(s->bytes + s->at, mark, n) != 0;
    if (memcmp(s->bytes + s->at, mark, sizeof begin - 1) != 0) return true;
    s->at += sizeof begin - 1;
    s->pasting = !s->pasting;
    return pass_marks(s);
}

/* A whole character of what was read. Broken ones become '?'. */
static bool take_character(struct chat_screen *s, wchar_t *ret)
{
    if (!pass_marks(s) || s->at == s->n) return false;
    unsigned char first = (unsigned char)s->bytes[s->at];
    size_t n = length_of(first);
    if (s->n - s->at < n) return false;
    if (n > 1 && !names_utf8(BYTES((const uint8_t *)s->bytes + s->at, n))) {
        s->at++;
        *ret = L'?';
        return true;
    }
    uint32_t c = n == 1 ? first : first & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) c = c << 6 | ((unsigned char)s->bytes[s->at + i] & 0x3f);
    s->at += n;
    *ret = s->pasting && (c < 0x20 || c == 0x7f) ? L' ' : (wchar_t)c;
    return true;
}

static int next_character(EditLine *el, wchar_t *ret)
{
    struct chat_screen *s = NULL;
    el_get(el, EL_CLIENTDATA, &s);
    while (!take_character(s, ret)) {
        size_t got;
        memmove(s->bytes, s->bytes + s->at, s->n - s->at);
        s->n -= s->at;
        s->at = 0;
        if (s->ended || !wait_a_moment(s, s->bytes + s->n, sizeof s->bytes - s->n, &got)) {
            s->ended = true;
            return 0;
        }
        s->n += got;
    }
    return 1;
}

/* ---- keys of our own ---- */

static struct chat_screen *screen_of(EditLine *el)
{
    struct chat_screen *s = NULL;
    el_get(el, EL_CLIENTDATA, &s);
    return s;
}

/* Ctrl-C: the line is dropped; an empty one tells how to leave. */
static unsigned char drop_line(EditLine *el, int key)
{
    struct chat_screen *s = screen_of(el);
    const LineInfoW *line = el_wline(el);
    (void)key;
    if (line->lastchar == line->buffer) {
        chat_screen_above(s);
        printf("Ctrl-D or /quit leaves the chat.\n");
        chat_screen_back(s);
        return CC_NORM;
    }
    el_cursor(el, (int)(line->lastchar - line->cursor));
    line = el_wline(el);
    el_deletestr(el, (int)(line->lastchar - line->buffer));
    return CC_REFRESH;
}

/* Ctrl-Z: as in any other program, with the terminal as it was before. */
static unsigned char pause_here(EditLine *el, int key)
{
    struct chat_screen *s = screen_of(el);
    struct termios here;
    (void)key;
    if (tcgetattr(STDIN_FILENO, &here) != 0) return CC_ERROR;
    chat_screen_above(s);
    fflush(stdout);
    tell_pastes(false);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
    raise(SIGTSTP);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &here);
    tell_pastes(true);
    chat_screen_back(s);
    return CC_NORM;
}

static void show_found(struct chat_screen *s, const struct talk_found *f)
{
    size_t kept = f->n < TALK_FOUND_MAX ? f->n : TALK_FOUND_MAX;
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < kept; i++) {
        if (f->words[i] == NULL) continue;
        names_show(bytes_str(f->words[i]), false, &out);
        buf_str(&out, i + 1 < kept ? "  " : "");
    }
    if (f->n > kept) buf_printf(&out, "  and %zu more", f->n - kept);
    buf_u8(&out, '\n');
    chat_screen_above(s);
    fwrite(out.p, 1, out.n, stdout);
    chat_screen_back(s);
    buf_free(&out);
}

static unsigned char complete(EditLine *el, int key)
{
    struct chat_screen *s = screen_of(el);
    const LineInfo *line = el_line(el);
    struct talk_known known = {0};
    struct talk_found found;
    unsigned char code = CC_NORM;
    (void)key;
    s->o.known(s->o.arg, &known);
    talk_complete(&known, line->buffer, (size_t)(line->cursor - line->buffer), &found);
    bool adds = found.add != NULL && *found.add != '\0';
    if (adds) el_insertstr(el, found.add);
    if (found.n == 1 && *found.end != '\0') el_insertstr(el, found.end);
    if (adds || found.n == 1)
        code = CC_REFRESH;
    else if (found.n > 1)
        show_found(s, &found);
    else
        code = CC_REFRESH_BEEP;
    talk_found_free(&found);
    return code;
}

static char *prompt_of(EditLine *el)
{
    return screen_of(el)->prompt;
}

/* ---- opening and closing ---- */

static bool open_editor(struct chat_screen *s)
{
    HistEvent ignored;
    /* libedit asks the locale how wide a character is. One without UTF-8 would garble names. */
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
    if (tcgetattr(STDIN_FILENO, &s->before) != 0) return false;
    look_at_size(&s->columns, &s->lines);
    s->el = el_init("enclave", stdin, stdout, stderr);
    s->history = history_init();
    if (s->el == NULL || s->history == NULL) return false;
    history(s->history, &ignored, H_SETSIZE, REMEMBERED);
    history(s->history, &ignored, H_SETUNIQUE, 1);
    el_set(s->el, EL_CLIENTDATA, s);
    el_set(s->el, EL_EDITOR, "emacs");
    el_set(s->el, EL_SIGNAL, 0);
    el_set(s->el, EL_HIST, history, s->history);
    el_set(s->el, EL_PROMPT, prompt_of);
    el_set(s->el, EL_GETCFN, next_character);
    /* In wide characters it keeps our texts; of narrow ones it makes copies that it never frees. */
    el_wset(s->el, EL_ADDFN, L"chat-complete", L"completes the word", complete);
    el_wset(s->el, EL_ADDFN, L"chat-drop", L"drops the line", drop_line);
    el_wset(s->el, EL_ADDFN, L"chat-pause", L"stops the program", pause_here);
    el_source(s->el, NULL); /* the owner's own keys, from .editrc; the next ones stay ours */
    el_set(s->el, EL_BIND, "^I", "chat-complete", NULL);
    el_set(s->el, EL_BIND, "^C", "chat-drop", NULL);
    el_set(s->el, EL_BIND, "^Z", "chat-pause", NULL);
    el_set(s->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    /* Ctrl-C and Ctrl-Z come as keys: a signal would find the line half drawn. And what is typed
     * while a command runs is kept for the next line, not shown by the kernel in between. */
    el_set(s->el, EL_SETTY, "-d", "-isig", NULL);
    el_set(s->el, EL_SETTY, "-x", "-isig", "-echo", "-icanon", NULL);
    tell_pastes(true);
    return true;
}

struct chat_screen *chat_screen_open(const struct chat_screen_options *o)
{
    struct chat_screen *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->o = *o;
    buf_init(&s->pending, LINE_MAX_BYTES);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (o->plain || open_editor(s)) return s;
    chat_screen_close(s);
    return NULL;
}

void chat_screen_close(struct chat_screen *s)
{
    if (s == NULL) return;
    if (s->el != NULL) {
        el_end(s->el);
        tell_pastes(false);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
    }
    if (s->history != NULL) history_end(s->history);
    buf_free(&s->pending);
    bytes_wipe(s->bytes, sizeof s->bytes);
    free(s);
}

/* ---- lines ---- */

static char *edited_line(struct chat_screen *s)
{
    int n = 0;
    s->editing = true;
    const char *line = el_gets(s->el, &n);
    s->editing = false;
    s->entered = 0;
    if (line == NULL || n <= 0) return NULL;
    char *out = strndup(line, strcspn(line, "\r\n"));
    const LineInfoW *shown = el_wline(s->el);
    size_t length = (size_t)(shown->lastchar - shown->buffer);
    while (length > 0 && shown->buffer[length - 1] == L'\n') length--;
    s->entered = rows_of(s, shown->buffer, length, length).last + 1;
    return out;
}

/* A line out of what was read; the last one may lack its line break. */
static char *pending_line(struct chat_screen *s, bool last, size_t *ret_n)
{
    const uint8_t *end = s->pending.n == 0 ? NULL : memchr(s->pending.p, '\n', s->pending.n);
    if (end == NULL && (!last || s->pending.n == 0)) return NULL;
    size_t n = end == NULL ? s->pending.n : (size_t)(end - s->pending.p);
    size_t text = n > 0 && s->pending.p[n - 1] == '\r' ? n - 1 : n;
    char *out = malloc(text + 1);
    *ret_n = text;
    if (out != NULL) {
        memcpy(out, s->pending.p, text);
        out[text] = '\0';
    }
    buf_consume(&s->pending, end == NULL ? n : n + 1);
    return out;
}

static void drop(struct chat_screen *s, const char *why)
{
    fprintf(stderr, "enclave: a line %s: it is not said\n", why);
    s->dropped = true;
}

/* What was read is a part of one line. Of one that is too long nothing is said, not its end either. */
static void gather(struct chat_screen *s, const char *p, size_t n)
{
    if (!s->skipping && s->pending.n + n > LINE_MAX_BYTES) {
        drop(s, "is longer than any message");
        buf_clear(&s->pending);
        s->skipping = true;
    }
    if (s->skipping) {
        const char *end = memchr(p, '\n', n);
        if (end == NULL) return;
        s->skipping = false;
        n -= (size_t)(end + 1 - p);
        p = end + 1;
    }
    buf_raw(&s->pending, p, n);
}

static char *plain_line(struct chat_screen *s)
{
    for (;;) {
        size_t got;
        size_t n = 0;
        char *line = pending_line(s, s->ended, &n);
        if (line != NULL && strlen(line) != n) {
            drop(s, "holds a NUL byte");
            free(line);
            continue;
        }
        if (line != NULL || s->ended) return line;
        if (!wait_a_moment(s, s->bytes, sizeof s->bytes, &got)) s->ended = true;
        gather(s, s->bytes, got);
    }
}

char *chat_screen_line(struct chat_screen *s)
{
    return s->el != NULL ? edited_line(s) : plain_line(s);
}

bool chat_screen_dropped(const struct chat_screen *s)
{
    return s != NULL && s->dropped;
}

void chat_screen_forget(struct chat_screen *s)
{
    if (s->el == NULL || s->entered == 0) return;
    up_and_clear(s->entered);
    s->entered = 0;
}

void chat_screen_keep(struct chat_screen *s, const char *text)
{
    if (s->el != NULL) el_push(s->el, text);
}

void chat_screen_prompt(struct chat_screen *s, const char *text)
{
    struct buf safe = BUF_INIT;
    names_show(bytes_str(text), false, &safe);
    size_t n = safe.n < sizeof s->prompt ? safe.n : sizeof s->prompt - 1;
    /* The old one is still on the screen. */
    chat_screen_above(s);
    if (n > 0) memcpy(s->prompt, safe.p, n);
    s->prompt[n] = '\0';
    chat_screen_back(s);
    buf_free(&safe);
}

void chat_screen_remember(struct chat_screen *s, const char *line)
{
    HistEvent ignored;
    if (s->el != NULL && *line != '\0') history(s->history, &ignored, H_ENTER, line);
}
