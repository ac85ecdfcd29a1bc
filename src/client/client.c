/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "client/client.h"

#include "tables/names.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "daemon.sock"

const char *enclave_version(void)
{
    return ENCLAVE_VERSION;
}

/* ---- where the daemon lives ---- */

static char *joined(const char *a, const char *b)
{
    size_t n = strlen(a) + strlen(b) + 1;
    char *s = malloc(n);
    if (s != NULL) snprintf(s, n, "%s%s", a, b);
    return s;
}

static char *default_home(void)
{
    const char *home = getenv("ENCLAVE_HOME");
    if (home != NULL && *home != '\0') return strdup(home);
    const char *data = getenv("XDG_DATA_HOME");
    if (data != NULL && *data == '/') return joined(data, "/enclave");
    home = getenv("HOME");
    return home != NULL && *home != '\0' ? joined(home, "/.local/share/enclave") : NULL;
}

/* A home that is not absolute would change its meaning for the daemon. */
static char *absolute(char *path)
{
    if (path == NULL || *path == '/') return path;
    char *here = getcwd(NULL, 0);
    char *base = here == NULL ? NULL : joined(here, "/");
    char *all = base == NULL ? NULL : joined(base, path);
    free(here);
    free(base);
    free(path);
    return all;
}

int enclave_open(const char *home, struct enclave **ret)
{
    struct enclave *e = calloc(1, sizeof *e);
    *ret = NULL;
    if (e == NULL) return 1;
    e->home_fd = -1;
    e->home = absolute(home != NULL ? strdup(home) : default_home());
    size_t n = e->home == NULL ? 0 : strlen(e->home);
    while (n > 1 && e->home[n - 1] == '/') e->home[--n] = '\0';
    e->multi = curl_multi_init();
    e->easy = curl_easy_init();
    atomic_init(&e->cancelled, false);
    if (e->home == NULL || e->multi == NULL || e->easy == NULL) {
        enclave_close(e);
        return home == NULL ? 2 : 1;
    }
    *ret = e;
    return 0;
}

void enclave_close(struct enclave *e)
{
    if (e == NULL) return;
    if (e->easy != NULL) curl_easy_cleanup(e->easy);
    if (e->multi != NULL) curl_multi_cleanup(e->multi);
    if (e->home_fd >= 0) close(e->home_fd);
    free(e->home);
    free(e);
}

const char *enclave_home(const struct enclave *e)
{
    return e->home;
}

void enclave_cancel(struct enclave *e)
{
    atomic_store(&e->cancelled, true);
    curl_multi_wakeup(e->multi);
}

void enclave_resume(struct enclave *e)
{
    atomic_store(&e->cancelled, false);
}

void enclave_timeout(struct enclave *e, unsigned long ms)
{
    e->timeout_ms = ms;
}

/* A socket's path holds 107 bytes; a longer one is reached through an open descriptor of its
 * directory. */
enum status client_socket_path(struct enclave *e, char *out, size_t n)
{
    struct sockaddr_un a;
    int len = snprintf(out, n, "%s/" SOCKET_NAME, e->home);
    if (len >= 0 && (size_t)len < n && (size_t)len < sizeof a.sun_path) return ST_OK;
    if (e->home_fd < 0) e->home_fd = open(e->home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (e->home_fd < 0) return errno == ENOENT ? ST_NOT_FOUND : ST_UNREACHABLE;
    snprintf(out, n, "/proc/self/fd/%d/" SOCKET_NAME, e->home_fd);
    return ST_OK;
}

/* ---- answers ---- */

struct enclave_answer *client_answer(enum status st, const char *text, const char *next)
{
    struct enclave_answer *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    a->exit = status_exit(st);
    snprintf(a->status, sizeof a->status, "%s", status_name(st));
    a->text = strdup(text);
    a->next = strdup(next);
    buf_init(&a->json, ENCLAVE_ANSWER_MAX + 1);
    json_t *o = json_pack("{s:s, s:i, s:i, s:s%, s:s}", "status", a->status, "exit", a->exit,
                          "http", 0, "text", text, strlen(text), "next", next);
    char *dump = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
    if (dump != NULL) buf_str(&a->json, dump);
    buf_u8(&a->json, 0);
    free(dump);
    json_decref(o);
    return a;
}

static char *member(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return strdup(s != NULL ? s : "");
}

/* What the daemon said: result or problem. Takes body over. */
struct enclave_answer *client_read_answer(long http, struct buf *body)
{
    struct enclave_answer *a = calloc(1, sizeof *a);
    json_error_t error;
    if (a == NULL) return NULL;
    json_t *o = json_loadb((const char *)body->p, body->n, 0, &error);
    if (o == NULL || (http >= 400 && json_object_get(o, "exit") == NULL)) {
        json_decref(o);
        free(a);
        return client_answer(ST_PROTOCOL, "the daemon's answer makes no sense",
                             "enclave daemon stop, then enclave daemon start");
    }
    const json_t *code = json_object_get(o, "exit");
    bool problem = json_is_integer(code) && json_is_integer(json_object_get(o, "http"));
    a->exit = problem ? (int)json_integer_value(code) : 0;
    snprintf(a->status, sizeof a->status, "%s",
             problem ? json_string_value(json_object_get(o, "status")) : "OK");
    a->text = member(o, "text");
    a->next = member(o, "next");
    a->json = *body;
    *body = BUF_INIT;
    buf_u8(&a->json, 0);
    json_decref(o);
    return a;
}

int enclave_exit(const struct enclave_answer *a)
{
    return a == NULL ? 1 : a->exit;
}

const char *enclave_status(const struct enclave_answer *a)
{
    return a == NULL ? "NO_MEMORY" : a->status;
}

const char *enclave_text(const struct enclave_answer *a)
{
    return a == NULL || a->text == NULL ? "out of memory" : a->text;
}

const char *enclave_next(const struct enclave_answer *a)
{
    return a == NULL || a->next == NULL ? "" : a->next;
}

const char *enclave_json(const struct enclave_answer *a)
{
    return a == NULL || a->json.bad ? "{}" : (const char *)a->json.p;
}

size_t enclave_json_length(const struct enclave_answer *a)
{
    return a == NULL || a->json.bad ? 2 : a->json.n - 1;
}

void enclave_answer_free(struct enclave_answer *a)
{
    if (a == NULL) return;
    buf_free(&a->json); /* wiped: it may hold recovery words */
    free(a->text);
    free(a->next);
    free(a);
}
