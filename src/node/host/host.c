/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/host/host.h"

#include "base/encode.h"
#include "net/callers.h"
#include "store/private.h"
#include "store/room_sqlite.h"
#include "store/store_thread.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Callers that a thread may have above what the hub takes: those are told so and closed. */
#define CALLERS_OVER 256
#define OTHER_FILES 64 /* database, log, loops, listener, and some to spare */

/* A job of the hub on its way through the store's thread. */
struct errand {
    struct store_job job;
    struct host *host;
    struct hub_job *hub_job;
};

struct host {
    uv_loop_t *loop;
    const struct env *env;
    struct server_key key;
    struct callers
        *callers; /* handle of a caller: its struct hub_conn; the hub's handle: the caller */
    struct room_sqlite *db;
    struct rules rules;
    bool erased; /* store thread: something of this batch is to be scrubbed */
    struct store_thread *thread;
    struct hub *hub;
    uv_timer_t timer;
    bool closing;
    struct hub_job *refused; /* could not be handed to the thread; answered by the timer */
    void (*closed)(void *arg);
    void *closed_arg;
    char address[LINK_ADDRESS_MAX + 8];
    char pin[HEX_SIZE(32)];
    char paste[HOST_PASTE_SIZE + 8];
};

static struct hub_now now_of(const struct host *h)
{
    return (struct hub_now){env_wall_ms(h->env), env_mono_ms(h->env)};
}

/* ---- the store's thread ---- */

static enum status begin(void *ctx)
{
    struct host *h = ctx;
    return h->rules.store.ops->begin(h->rules.store.ctx);
}

static enum status commit(void *ctx)
{
    struct host *h = ctx;
    enum status st = h->rules.store.ops->commit(h->rules.store.ctx);
    /* What could not be scrubbed now is with the next commit. */
    if (st == ST_OK && h->erased && h->rules.store.ops->scrub(h->rules.store.ctx) == ST_OK)
        h->erased = false;
    return st;
}

static void rollback(void *ctx)
{
    struct host *h = ctx;
    h->rules.store.ops->rollback(h->rules.store.ctx);
}

static enum status run_errand(struct store_job *job, void *ctx)
{
    struct host *h = ctx;
    struct errand *e = (struct errand *)job;
    if (!hub_job_run(e->hub_job, &h->rules)) return hub_job_status(e->hub_job);
    if (hub_job_erased(e->hub_job)) h->erased = true;
    return ST_OK;
}

/* ---- the loop's thread ---- */

static void errand_done(struct store_job *job, enum status st)
{
    struct errand *e = (struct errand *)job;
    struct host *h = e->host;
    if (st != ST_OK) {
        hub_job_failed(e->hub_job, st);
        env_log(h->env, ENV_ERROR, "host", "the database refused: %s", status_text(st));
    }
    hub_job_done(h->hub, e->hub_job, now_of(h));
    free(e);
}

static void on_timer(uv_timer_t *timer);

static void out_job(void *ctx, struct hub_job *job)
{
    struct host *h = ctx;
    struct errand *e = calloc(1, sizeof *e);
    if (e != NULL) {
        *e = (struct errand){
            .job = {.run = run_errand, .done = errand_done}, .host = h, .hub_job = job};
        if (store_thread_submit(h->thread, &e->job) == ST_OK) return;
        free(e);
    }
    /* The hub may not be called from here: the answer waits for the timer. */
    hub_job_link(job, h->refused);
    h->refused = job;
    uv_timer_start(&h->timer, on_timer, 0, 0);
}

static enum status out_send(void *ctx, void *handle, uint8_t type, struct bytes payload)
{
    (void)ctx;
    return caller_send(handle, type, payload);
}

static void out_close(void *ctx, void *handle, enum status why)
{
    const struct host *h = ctx;
    if (why != ST_CLOSED && why != ST_TIMEOUT)
        env_log(h->env, ENV_DEBUG, "host", "a connection is ended: %s", status_text(why));
    caller_close(handle);
}

static void out_pause(void *ctx, void *handle, bool stop)
{
    (void)ctx;
    caller_pause(handle, stop);
}

static void arm_timer(struct host *h)
{
    uint64_t now = env_mono_ms(h->env), next = hub_next_ms(h->hub);
    uint64_t wait = next > now ? next - now : 1;
    if (wait > 5000) wait = 5000; /* it comes earlier when somebody joins */
    uv_timer_start(&h->timer, on_timer, h->refused != NULL ? 0 : wait, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct host *h = timer->data;
    while (h->refused != NULL) {
        struct hub_job *job = h->refused;
        h->refused = hub_job_next(job);
        hub_job_failed(job, ST_BUSY);
        hub_job_done(h->hub, job, now_of(h));
    }
    hub_tick(h->hub, now_of(h));
    arm_timer(h);
}

/* ---- callers ---- */

static void *on_opened(void *arg, struct caller *c, const struct link_peer *peer)
{
    struct host *h = arg;
    return hub_join(h->hub, c, peer->exporter, peer->spki, now_of(h));
}

static void on_frame(void *arg, void *handle, uint8_t type, struct bytes payload)
{
    struct host *h = arg;
    hub_frame(h->hub, handle, type, payload, now_of(h));
}

static void on_writable(void *arg, void *handle)
{
    struct host *h = arg;
    hub_writable(h->hub, handle);
}

static void on_closed(void *arg, void *handle, enum status why)
{
    struct host *h = arg;
    (void)why;
    hub_gone(h->hub, handle, now_of(h));
}

/* ---- opening ---- */

static enum status path_in(const char *data, const char *name, char *ret, size_t room)
{
    int n = snprintf(ret, room, "%s/%s", data, name);
    return n > 0 && (size_t)n < room ? ST_OK : ST_USAGE;
}

__attribute__((format(printf, 3, 4))) static enum status
blame(struct host_fault *fault, enum status st, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return st;
}

static enum status open_dir(const char *data, struct host_fault *fault)
{
    if (data == NULL || data[0] == '\0' || strlen(data) + 32 > HOST_PATH_MAX)
        return blame(fault, ST_USAGE, "no data directory is given: name one with --data DIR");
    enum status st = private_dir(data, true);
    if (st == ST_LOOSE_MODE)
        return blame(fault, st,
                     "others can get into %s, or it is not yours; make it yours alone with: "
                     "chmod 700 %s",
                     data, data);
    if (st != ST_OK)
        return blame(fault, st, "the data directory %s cannot be used: %s", data, status_text(st));
    return ST_OK;
}

enum status host_key(const char *data, const struct env *env, struct server_key *ret,
                     struct host_fault *fault)
{
    char path[HOST_PATH_MAX];
    enum status st = ST_OK;
    TRY(open_dir(data, fault));
    TRY(path_in(data, HOST_KEY, path, sizeof path));
    st = server_key_open(path, env, ret);
    if (st == ST_LOOSE_MODE)
        blame(fault, st, "others can read the server's key; make it yours alone with: chmod 600 %s",
              path);
    else if (st == ST_INTEGRITY)
        blame(fault, st,
              "%s is not a server key; put the right one back, or move it away for a new one "
              "(invitations with the old pin are void then)",
              path);
    else if (st != ST_OK)
        blame(fault, st, "the server's key %s cannot be used: %s", path, status_text(st));
out:
    return st;
}

static enum status open_database(struct host *h, const char *data, struct host_fault *fault)
{
    char path[HOST_PATH_MAX];
    enum status st = path_in(data, HOST_DATABASE, path, sizeof path);
    if (st == ST_OK) st = room_sqlite_open(path, &h->db);
    switch (st) {
    case ST_OK: break;
    case ST_BUSY:
        blame(fault, st, "another sentinel is running on %s; stop it, or use another directory",
              data);
        break;
    case ST_VERSION:
        blame(fault, st, "%s was written by a newer version of this program; install that version",
              path);
        break;
    case ST_INTEGRITY:
        blame(fault, st,
              "%s is damaged, or not a sentinel's database; move it away and start again: the "
              "members hold what is needed to rebuild their rooms",
              path);
        break;
    case ST_LOOSE_MODE:
        blame(fault, st, "others can read %s; make it yours alone with: chmod 600 %s", path, path);
        break;
    default: blame(fault, st, "the database %s cannot be opened: %s", path, status_text(st)); break;
    }
    return st;
}

static enum status open_callers(struct host *h, const struct host_options *o,
                                struct host_fault *fault)
{
    static const struct callers_events events = {on_opened, on_frame, on_writable, on_closed};
    const char *listen = o->listen, *colon = strrchr(listen, ':');
    const struct callers_config config = {.address = listen,
                                          .key = &h->key,
                                          .threads = o->threads ? o->threads : callers_suited(),
                                          .most = (unsigned)o->limits.connections + CALLERS_OVER,
                                          .events = &events,
                                          .arg = h};
    uint16_t port = 0;
    enum status st = ST_USAGE;
    if (colon != NULL && strlen(listen) <= LINK_ADDRESS_MAX)
        st = callers_open(h->loop, h->env, &config, &h->callers, &port);
    if (st == ST_EXISTS)
        return blame(fault, st, "%s is in use by another program; choose another port, or port 0",
                     listen);
    if (st == ST_USAGE)
        return blame(fault, st, "\"%s\" is not HOST:PORT, such as 0.0.0.0:8000 or [::]:8000",
                     listen);
    if (st != ST_OK) return blame(fault, st, "cannot listen on %s: %s", listen, status_text(st));
    snprintf(h->address, sizeof h->address, "%.*s:%u", (int)(colon - listen), listen, port);
    hex_encode(BYTES(h->key.pin, 32), h->pin);
    snprintf(h->paste, sizeof h->paste, "%s#%s", h->address, h->pin);
    return ST_OK;
}

static void free_parts(struct host *h)
{
    while (h->refused != NULL) {
        struct hub_job *job = h->refused;
        h->refused = hub_job_next(job);
        hub_job_free(job);
    }
    hub_free(h->hub);
    room_sqlite_close(h->db);
    server_key_free(&h->key);
    free(h);
}

static enum status open_parts(struct host *h, const struct host_options *o,
                              struct host_fault *fault)
{
    const struct hub_output out = {out_send, out_close, out_pause, out_job, h};
    const struct store_hooks hooks = {begin, commit, rollback, h};
    enum status st = ST_OK;
    TRY(host_key(o->data, h->env, &h->key, fault));
    TRY(open_database(h, o->data, fault));
    h->rules = (struct rules){room_sqlite_port(h->db), o->limits};
    h->hub = hub_new(&o->limits, &out);
    if (h->hub == NULL) {
        st = blame(fault, ST_NO_MEMORY, "out of memory");
        goto out;
    }
    st = store_thread_start(h->loop, &hooks, &h->thread);
    if (st != ST_OK) {
        blame(fault, st, "no thread for the database: %s", status_text(st));
        goto out;
    }
    st = open_callers(h, o, fault);
    if (st != ST_OK)
        store_thread_stop(h->thread, NULL, NULL); /* it has had no job, and needs h no more */
out:
    return st;
}

/* Each connection is an open file. A process starts with a low limit that it may raise up to a hard one. */
static void raise_files(const struct env *env, uint64_t connections)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= connections + OTHER_FILES) return;
    env_log(env, ENV_WARN, "host",
            "this process may open %llu files: enough for %llu connections, not for the %llu of "
            "coordinator.max_peers; raise the limit (ulimit -Hn, or LimitNOFILE= of the service)",
            (unsigned long long)limit.rlim_cur,
            (unsigned long long)(limit.rlim_cur > OTHER_FILES ? limit.rlim_cur - OTHER_FILES : 0),
            (unsigned long long)connections);
}

enum status host_open(uv_loop_t *loop, const struct env *env, const struct host_options *options,
                      struct host **ret, struct host_fault *fault)
{
    fault->text[0] = '\0';
    struct host *h = calloc(1, sizeof *h);
    if (h == NULL) return blame(fault, ST_NO_MEMORY, "out of memory");
    h->loop = loop;
    h->env = env;
    enum status st = open_parts(h, options, fault);
    if (st != ST_OK) {
        if (fault->text[0] == '\0') blame(fault, st, "%s", status_text(st));
        free_parts(h);
        return st;
    }
    uv_timer_init(loop, &h->timer);
    h->timer.data = h;
    arm_timer(h);
    raise_files(env, options->limits.connections);
    *ret = h;
    return ST_OK;
}

const char *host_paste(const struct host *h)
{
    return h->paste;
}

const char *host_address(const struct host *h)
{
    return h->address;
}

const char *host_pin(const struct host *h)
{
    return h->pin;
}

void host_numbers(const struct host *h, struct hub_numbers *ret)
{
    hub_numbers(h->hub, ret);
}

/* ---- closing ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct host *h = handle->data;
    void (*closed)(void *arg) = h->closed;
    void *arg = h->closed_arg;
    free_parts(h);
    if (closed != NULL) closed(arg);
}

static void on_callers_closed(void *arg)
{
    struct host *h = arg;
    uv_close((uv_handle_t *)&h->timer, on_timer_closed);
}

/* All that was asked is answered: the callers' links end once the answers are out. */
static void on_thread_stopped(void *arg)
{
    struct host *h = arg;
    h->thread = NULL;
    callers_close(h->callers, on_callers_closed, h);
}

void host_close(struct host *h, void (*closed)(void *arg), void *arg)
{
    if (h->closing) return;
    h->closing = true;
    h->closed = closed;
    h->closed_arg = arg;
    callers_unlisten(h->callers);
    hub_drain(h->hub);
    store_thread_stop(h->thread, on_thread_stopped, h);
}
