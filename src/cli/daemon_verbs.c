/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The home, its vault and its daemon. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WORDS 24
#define CONFIRM 3

/* ---- recovery words ---- */

static const char *word_at(const json_t *doc, size_t i)
{
    const char *w = json_string_value(json_array_get(json_object_get(doc, "words"), i));
    return w != NULL ? w : "";
}

static void show_words(const struct cli *c)
{
    printf("Your 24 recovery words. They open the vault if the password is lost, and they are\n"
           "shown only now. Write them on paper, in this order:\n\n");
    for (size_t row = 0; row < WORDS / 4; row++) {
        for (size_t column = 0; column < 4; column++) {
            size_t i = column * (WORDS / 4) + row;
            printf("  %2zu ", i + 1);
            cli_put(c, STYLE_BOLD, word_at(c->doc, i), false);
            printf("%*s", (int)(10 - strlen(word_at(c->doc, i)) % 10), "");
        }
        printf("\n");
    }
    printf("\n");
    fflush(stdout);
}

/* Which words are asked is no secret: the clock's last digits choose well enough. */
static size_t any_below(size_t n, size_t turn)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ((size_t)t.tv_nsec / 1000 + turn * 7) % n;
}

/* Paper that was not written is found out now, not in the day of need. */
static int confirm_words(struct cli *c)
{
    size_t asked[CONFIRM];
    for (size_t i = 0; i < CONFIRM;) {
        char prompt[64];
        char said[64];
        bool again = false;
        asked[i] = any_below(WORDS, i);
        for (size_t j = 0; j < i; j++) again = again || asked[j] == asked[i];
        if (again) continue;
        snprintf(prompt, sizeof prompt, "To be sure: what is word %zu? ", asked[i] + 1);
        int code = cli_ask(c, prompt, true, said, sizeof said);
        if (code != 0) return code;
        said[strcspn(said, " \t")] = '\0';
        const char *right = word_at(c->doc, asked[i]);
        bool good = strcmp(said, right) == 0 || (strlen(said) >= 4 && strncmp(said, right, 4) == 0);
        cli_wipe(said, sizeof said);
        if (good) {
            i++;
            continue;
        }
        cli_note(c, "That is not word %zu. Here they are once more.", asked[i] + 1);
        show_words(c);
        i = 0;
    }
    cli_note(c, "Right. Keep the paper where nobody else finds it.");
    return 0;
}

/* ---- init ---- */

/* What was said at init holds for every later start: it goes into enclave.yaml. */
static int write_config(struct cli *c)
{
    static const char *const sections[][2] = {{"listen", "node"}, {"host", "coordinator"}};
    char path[4200];
    char text[2048];
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        const char *address = cli_param(c, sections[i][0]);
        const char *colon = address == NULL ? NULL : strrchr(address, ':');
        if (address == NULL) continue;
        if (colon == NULL || colon == address || strlen(address) > 300 ||
            strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
            strpbrk(address, "\"\\\n") != NULL)
            return cli_fail(c, 2, NULL, "--%s wants HOST:PORT, not \"%s\"", sections[i][0],
                            address);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s:\n  host: \"%.*s\"\n  port: %s\n%s",
                              sections[i][1], (int)(colon - address), address, colon + 1,
                              i == 1 ? "  inside: true\n" : "");
    }
    const char *level = cli_param(c, "log_level");
    if (level != NULL && strspn(level, "abcdefghijklmnopqrstuvwxyz") == strlen(level))
        n += (size_t)snprintf(text + n, sizeof text - n, "log:\n  level: %.10s\n", level);
    if (n == 0 || cli_param(c, "config") != NULL) return 0;
    snprintf(path, sizeof path, "%s/enclave.yaml", enclave_home(c->client));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) return 0; /* the owner wrote one: it stays */
    if (fd < 0) return cli_fail(c, 1, NULL, "%s: %s", path, strerror(errno));
    bool whole = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
    close(fd);
    return whole ? 0 : cli_fail(c, 9, NULL, "%s: %s", path, strerror(errno));
}

static int call_secrets(struct cli *c, const char *operation, const char *first,
                        const struct cli_secret *one, const char *second,
                        const struct cli_secret *two)
{
    struct enclave_param params[] = {{first, one->text, 0},
                                     {second, two != NULL ? two->text : NULL, 0}};
    return cli_call(c, operation, params, two != NULL ? 2 : 1);
}

int verb_init(struct cli *c)
{
    struct cli_secret password;
    char vault[4200];
    snprintf(vault, sizeof vault, "%s/vault", enclave_home(c->client));
    if (access(vault, F_OK) == 0)
        return cli_fail(c, 5, "enclave daemon start", "there is a vault in %s already",
                        enclave_home(c->client));
    int code = cli_password(c, "Choose a password: ", true, &password);
    if (code == 0 && !cli_daemon_runs(c)) code = cli_spawn(c);
    if (code == 0) {
        cli_note(c, "Making the vault in %s ...", enclave_home(c->client));
        code = call_secrets(c, "vault_init", "password", &password, NULL, NULL);
        if (code != 0) code = cli_problem(c);
    }
    cli_wipe(&password, sizeof password);
    if (code != 0) return code;
    /* Before the words are shown: they are shown once, whatever comes after. */
    if (c->json)
        cli_print_json(c);
    else
        show_words(c);
    code = c->json || c->yes || !c->tty_out || !cli_can_ask() ? 0 : confirm_words(c);
    int config = write_config(c);
    if (code == 0) code = config;
    if (!c->json && code == 0)
        cli_note(c,
                 "Done: %s; the daemon runs.\nnext: enclave create NAME --as NICK --sentinel "
                 "HOST:PORT#PIN, or enclave join CODE --as NICK",
                 enclave_text(c->answer));
    return code;
}

/* ---- the daemon ---- */

static int unlock(struct cli *c)
{
    struct cli_secret password;
    bool ask = cli_global(c, "password_file") == NULL && cli_global(c, "password_fd") == NULL;
    for (int attempt = 0;; attempt++) {
        int code = cli_password(c, "Password: ", false, &password);
        if (code != 0) return code;
        code = call_secrets(c, "vault_unlock", "password", &password, NULL, NULL);
        cli_wipe(&password, sizeof password);
        if (code != 12 || !ask || attempt == 2) return code == 0 ? 0 : cli_problem(c);
        cli_note(c, "That is not the password.");
    }
}

int verb_daemon_start(struct cli *c)
{
    bool ran = cli_daemon_runs(c);
    int code = ran ? 0 : cli_spawn(c);
    if (code != 0) return code;
    if (!cli_daemon_runs(c)) return cli_problem(c);
    const char *vault = cli_text(c->doc, "vault");
    if (strcmp(vault, "none") == 0)
        return cli_fail(c, 4, "enclave init", "the daemon runs, but there is no vault yet");
    bool open = strcmp(vault, "open") == 0;
    if (!open) code = unlock(c);
    if (code != 0) return code;
    if (c->json) {
        if (!open || cli_daemon_runs(c)) cli_print_json(c);
        return 0;
    }
    cli_note(c, open  ? "The daemon runs already, the vault is open."
                : ran ? "The vault is open."
                      : "The daemon runs, the vault is open.");
    return 0;
}

int verb_daemon_stop(struct cli *c)
{
    if (!cli_daemon_runs(c)) {
        if (enclave_exit(c->answer) != 13) return cli_problem(c);
        if (c->json) puts("{\"text\":\"no daemon runs\"}");
        cli_note(c, "No daemon runs.");
        return 0;
    }
    int pid = (int)cli_number(c->doc, "pid");
    int code = cli_call(c, "daemon_stop", NULL, 0);
    /* It may be gone before its answer is through. */
    if (code != 0 && code != 13) return cli_problem(c);
    code = cli_wait_end(c, pid);
    if (code != 0) return code;
    if (c->json) puts("{\"text\":\"the daemon has stopped\"}");
    cli_note(c, "The daemon has stopped.");
    return 0;
}

int verb_daemon_status(struct cli *c)
{
    char since[16];
    if (!cli_daemon_runs(c)) return cli_problem(c);
    if (c->json) {
        cli_print_json(c);
        return 0;
    }
    cli_duration(cli_number(c->doc, "uptime_s") * 1000, since);
    printf("The daemon runs (process %llu, since %s), the vault is %s.\n",
           (unsigned long long)cli_number(c->doc, "pid"), since,
           strcmp(cli_text(c->doc, "vault"), "none") == 0 ? "not made yet"
                                                          : cli_text(c->doc, "vault"));
    printf("Home: ");
    cli_put(c, STYLE_PLAIN, cli_text(c->doc, "home"), false);
    printf("\n");
    if (cli_text(c->doc, "hosted")[0] != '\0') {
        printf("The sentinel inside: ");
        cli_put(c, STYLE_PLAIN, cli_text(c->doc, "hosted"), false);
        printf("\n");
    }
    return 0;
}

/* ---- recovery and passwords ---- */

static int tell(struct cli *c, int code)
{
    if (code != 0) return cli_problem(c);
    if (c->json)
        cli_print_json(c);
    else
        cli_note(c, "%s", enclave_text(c->answer));
    return 0;
}

int verb_recover(struct cli *c)
{
    struct cli_secret words;
    struct cli_secret password;
    int code = cli_words(c, &words);
    if (code == 0) code = cli_password(c, "New password: ", true, &password);
    if (code == 0 && !cli_daemon_runs(c)) code = cli_spawn(c);
    if (code == 0)
        code = tell(c, call_secrets(c, "vault_recover", "words", &words, "password", &password));
    cli_wipe(&words, sizeof words);
    cli_wipe(&password, sizeof password);
    return code;
}

int verb_recovery_test(struct cli *c)
{
    struct cli_secret words;
    int code = cli_words(c, &words);
    if (code == 0 && !cli_daemon_runs(c)) code = cli_spawn(c);
    if (code == 0) code = tell(c, call_secrets(c, "vault_test", "words", &words, NULL, NULL));
    cli_wipe(&words, sizeof words);
    return code;
}

int verb_password(struct cli *c)
{
    struct cli_secret old;
    struct cli_secret new;
    int code = cli_password(c, "The password now: ", false, &old);
    if (code == 0) code = cli_new_password(c, &new);
    if (code == 0)
        code = tell(c, call_secrets(c, "vault_password", "password", &old, "new_password", &new));
    cli_wipe(&old, sizeof old);
    cli_wipe(&new, sizeof new);
    return code;
}

/* ---- versions and help ---- */

int verb_version(struct cli *c)
{
    bool runs = cli_call(c, "version", NULL, 0) == 0;
    const char *daemon = runs ? cli_text(c->doc, "version") : "";
    if (c->json) {
        json_t *o = json_pack("{s:s, s:s}", "version", enclave_version(), "daemon", daemon);
        char *dump = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
        if (dump != NULL) puts(dump);
        free(dump);
        json_decref(o);
        return 0;
    }
    printf("enclave %s\n", enclave_version());
    if (runs) {
        printf("enclaved ");
        cli_put(c, STYLE_PLAIN, daemon, false);
        printf(" (running)\n");
    }
    return 0;
}

int verb_help(struct cli *c)
{
    char copy[128];
    const char *words[2] = {copy, NULL};
    struct buf text = BUF_INIT;
    size_t used;
    size_t n = 1;
    const char *asked = cli_param(c, "verb");
    if (asked == NULL) {
        operations_overview(&text);
    } else {
        snprintf(copy, sizeof copy, "%s", asked);
        char *blank = strchr(copy, ' ');
        if (blank != NULL) {
            *blank = '\0';
            words[n++] = blank + 1;
        }
        const struct operation *op = operation_by_words(words, n, &used);
        if (op == NULL) {
            const char *near = operation_suggest(words, n);
            return cli_fail(c, 2, "enclave help", "there is no command \"%s\"%s%s", asked,
                            near == NULL ? "" : "; did you mean ", near == NULL ? "" : near);
        }
        operation_help(op, &text);
    }
    fwrite(text.p, 1, text.n, stdout);
    buf_free(&text);
    return 0;
}

int verb_openapi(struct cli *c)
{
    struct buf text = BUF_INIT;
    (void)c;
    operations_openapi(&text);
    fwrite(text.p, 1, text.n, stdout);
    buf_free(&text);
    return 0;
}
