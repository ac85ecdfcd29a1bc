/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "enclaved/daemon.h"

#include "api/api.h"
#include "base/encode.h"
#include "crypto/password.h"
#include "crypto/secret.h"
#include "enclaved/hosting.h"
#include "enclaved/kit_file.h"
#include "net/env.h"
#include "net/files.h"
#include "net/links.h"
#include "net/work.h"
#include "node/node.h"
#include "node/vault/vault_flow.h"
#include "store/kv_sqlite.h"
#include "store/private.h"
#include "store/shard_fs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define PATH_ROOM 4300
#define SOCKET_NAME "daemon.sock"

struct daemon {
    struct daemon_options o;
    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t timer;
    uv_prepare_t before_wait; /* sets the timer to the next deadline of all parts */
    uint64_t timer_at;
    struct net_env log;
    struct env env;
    struct net_work *work;
    struct links *links;
    struct net_files files;
    struct kv_sqlite *kv;
    struct shard_fs *shards;
    struct host *host;
    struct vault_flow *vault;
    struct node *node;
    struct api *api;
    struct http *http;
    struct kit_file kit;
    int home_fd;
    bool started; /* the node has */
    bool stopping;
    struct node_options node_options;
    char profile[48];
    char listen[300];
    char announce[300];
    char hosted[HOST_PASTE_SIZE];
    char socket[PATH_ROOM];
};

static enum env_level level_of(const char *text)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) return (enum env_level)i;
    return ENV_INFO;
}

static enum status say(struct daemon_fault *fault, enum status st, const char *what,
                       const char *path)
{
    const char *home = path;
    switch (st) {
    case ST_LOOSE_MODE:
        snprintf(fault->text, sizeof fault->text,
                 "others on this machine may look into %s. Type: chmod -R go-rwx '%s'", path, home);
        break;
    case ST_BUSY:
        snprintf(fault->text, sizeof fault->text, "another daemon runs for %s", path);
        break;
    case ST_VERSION:
        snprintf(fault->text, sizeof fault->text,
                 "%s was written by a newer version of enclave: use that one", path);
        break;
    case ST_INTEGRITY:
        snprintf(fault->text, sizeof fault->text,
                 "the %s %s is damaged. Restore a backup of the whole home directory; without one, "
                 "move it away, type enclave init, and be invited again: what you put is with the "
                 "others as long as enough of them keep it",
                 what, path);
        break;
    default: snprintf(fault->text, sizeof fault->text, "%s %s: %s", what, path, status_text(st));
    }
    return st;
}

/* ---- stopping, part after part: what uses goes before what is used ---- */

static void close_handles(void *arg)
{
    struct daemon *d = arg;
    uv_close((uv_handle_t *)&d->signals[0], NULL);
    uv_close((uv_handle_t *)&d->signals[1], NULL);
    uv_close((uv_handle_t *)&d->timer, NULL);
    uv_close((uv_handle_t *)&d->before_wait, NULL);
}

/* Last, when no thread is left that opens files: see http.h. */
static void stop_http(void *arg)
{
    struct daemon *d = arg;
    d->work = NULL;
    if (d->http != NULL)
        http_stop(d->http, close_handles, d);
    else
        close_handles(d);
}

static void stop_work(void *arg)
{
    struct daemon *d = arg;
    d->links = NULL;
    if (d->work != NULL)
        net_work_stop(d->work, stop_http, d);
    else
        stop_http(d);
}

static void stop_links(void *arg)
{
    struct daemon *d = arg;
    d->host = NULL;
    if (d->links != NULL)
        links_close(d->links, stop_work, d);
    else
        stop_work(d);
}

static void stop_host(void *arg)
{
    struct daemon *d = arg;
    d->kv = NULL;
    if (d->host != NULL)
        host_close(d->host, stop_links, d);
    else
        stop_links(d);
}

static void stop_kv(void *arg)
{
    struct daemon *d = arg;
    d->shards = NULL;
    if (d->kv != NULL)
        kv_sqlite_close(d->kv, stop_host, d);
    else
        stop_host(d);
}

static void stop_shards(void *arg, const struct node_result *r)
{
    struct daemon *d = arg;
    (void)r;
    if (d->api != NULL) api_close(d->api);
    if (d->shards != NULL)
        shard_fs_close(d->shards, stop_kv, d);
    else
        stop_kv(d);
}

void daemon_stop(struct daemon *d)
{
    if (d->stopping) return;
    d->stopping = true;
    env_log(&d->env, ENV_INFO, "daemon", "stopping");
    if (d->started)
        node_stop(d->node, stop_shards, d);
    else
        stop_shards(d, NULL);
}

static void asked_to_stop(void *arg)
{
    daemon_stop(arg);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    daemon_stop(handle->data);
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    d->timer_at = UINT64_MAX;
    if (d->started) node_tick(d->node);
    if (d->api != NULL) api_tick(d->api);
}

static void before_wait(uv_prepare_t *handle)
{
    struct daemon *d = handle->data;
    if (d->started && !d->stopping) kit_file_save(&d->kit, d->node, net_work(d->work));
    uint64_t next = d->started ? node_next_ms(d->node) : UINT64_MAX;
    uint64_t api = d->api != NULL ? api_next_ms(d->api) : UINT64_MAX;
    if (api < next) next = api;
    if (next == d->timer_at) return;
    d->timer_at = next;
    if (next == UINT64_MAX) {
        uv_timer_stop(&d->timer);
        return;
    }
    uint64_t now = env_mono_ms(&d->env);
    uv_update_time(&d->loop);
    uv_timer_start(&d->timer, on_timer, next > now ? next - now : 0, 0);
}

/* ---- the vault has opened ---- */

static enum status on_opened(void *arg, const uint8_t mk[32], const uint8_t rk[32])
{
    struct daemon *d = arg;
    if (d->stopping) return ST_CLOSED;
    enum status st = node_start(d->node, mk, rk);
    if (st != ST_OK) return st;
    d->started = true;
    kit_file_stale(&d->kit); /* it may have been lost meanwhile, or never been written */
    return ST_OK;
}

static void on_event(void *arg, const struct node_event *e)
{
    struct daemon *d = arg;
    if (strcmp(e->kind, "kit") == 0) kit_file_stale(&d->kit);
    if (d->api != NULL) api_event(d->api, e);
}

/* ---- starting ---- */

enum status daemon_new(const struct daemon_options *options, struct daemon **ret,
                       struct daemon_fault *fault)
{
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL) return ST_NO_MEMORY;
    d->o = *options;
    d->home_fd = -1;
    d->log.fd = 2;
    enum status st = private_dir(d->o.home, true);
    if (st != ST_OK) {
        free(d);
        return say(fault, st, "home directory", options->home);
    }
    st = net_env_open(&d->log, d->o.log, level_of(options_text(d->o.values, "log.level")));
    if (st != ST_OK || uv_loop_init(&d->loop) != 0) {
        free(d);
        return say(fault, st == ST_OK ? ST_NO_MEMORY : st, "log",
                   options->log == NULL ? "" : options->log);
    }
    d->env = net_env(&d->log);
    kit_file_init(&d->kit, d->o.home, &d->env);
    uv_signal_init(&d->loop, &d->signals[0]);
    uv_signal_init(&d->loop, &d->signals[1]);
    uv_timer_init(&d->loop, &d->timer);
    uv_prepare_init(&d->loop, &d->before_wait);
    d->signals[0].data = d->signals[1].data = d->timer.data = d->before_wait.data = d;
    d->timer_at = UINT64_MAX;
    *ret = d;
    return ST_OK;
}

static enum status open_stores(struct daemon *d, struct daemon_fault *fault)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/state.db", d->o.home);
    enum status st = kv_sqlite_open(&d->loop, path, &d->kv);
    if (st == ST_BUSY) return say(fault, st, "", d->o.home);
    if (st != ST_OK) return say(fault, st, "database", path);
    snprintf(path, sizeof path, "%s/shards", d->o.home);
    st = shard_fs_open(&d->loop, path, SHARD_FS_FLOOR, &d->shards);
    if (st != ST_OK) return say(fault, st, "directory", path);
    return ST_OK;
}

static enum status open_net(struct daemon *d, struct daemon_fault *fault)
{
    unsigned workers = (unsigned)options_number(d->o.values, "node.workers");
    enum status st = net_work_new(&d->loop, workers, &d->work);
    if (st == ST_OK) st = links_new(&d->loop, &d->env, &d->links);
    if (st != ST_OK) return say(fault, st, "threads and links for", d->o.home);
    net_files_init(&d->files, &d->loop);
    if (!options_flag(d->o.values, "coordinator.inside")) return ST_OK;
    struct hosting h = {&d->loop, &d->env, d->o.values, d->o.home};
    return hosting_open(&h, &d->host, d->hosted, fault);
}

/* What is not understood tells the others nothing. */
static enum node_receipts receipts_of(const char *text)
{
    return strcmp(text, "read") == 0        ? NODE_RECEIPTS_READ
           : strcmp(text, "delivered") == 0 ? NODE_RECEIPTS_DELIVERED
                                            : NODE_RECEIPTS_OFF;
}

static void fill_node_options(struct daemon *d)
{
    const char *host = options_text(d->o.values, "node.host");
    const char *announce = options_text(d->o.values, "node.announce");
    bool any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "[::]") == 0 || strcmp(host, "::") == 0;
    snprintf(d->listen, sizeof d->listen, "%s:%llu", host,
             (unsigned long long)options_number(d->o.values, "node.port"));
    if (*announce == '\0' && !any) announce = host;
    snprintf(d->announce, sizeof d->announce, "%s", announce);
    const char *socks = options_text(d->o.values, "socks");
    d->node_options = (struct node_options){
        .listen = *host == '\0' ? NULL : d->listen,
        .announce = d->announce,
        .offer = options_number(d->o.values, "node.max_storage_gb") * UINT64_C(1000000000),
        .hosted = d->hosted[0] == '\0' ? NULL : d->hosted,
        .ballot_ms = options_ms(d->o.values, "node.ballot_delay"),
        .socks = *socks == '\0' ? NULL : socks,
        .socks_all = options_flag(d->o.values, "socks_all"),
        .start_gap_ms = options_number(d->o.values, "start_gap") * 1000,
        .mute_messages = options_number(d->o.values, "messages.mute_messages"),
        .mute_bytes = options_number(d->o.values, "messages.mute_mb") << 20,
        .passes = PASSWORD_PASSES,
        .memory_kib = (uint32_t)options_number(d->o.values, "security.password_mb") * 1024,
        .receipts = receipts_of(options_text(d->o.values, "messages.receipts")),
        .place = kv_sqlite_place(d->kv)};
    if (*host != '\0' && options_number(d->o.values, "node.port") != 0)
        env_log(
            &d->env, ENV_WARN, "daemon",
            "node.port is fixed: whoever meets you there in two enclaves sees that they are one "
            "person's");
}

static enum status make_node(struct daemon *d, struct daemon_fault *fault)
{
    struct node_ports ports = {.env = &d->env,
                               .work = net_work(d->work),
                               .kv = kv_sqlite_port(d->kv),
                               .link = links_port(d->links),
                               .file = net_files(&d->files),
                               .shards = shard_fs_store(d->shards)};
    fill_node_options(d);
    d->node = node_new(&ports, &d->node_options);
    if (d->node == NULL) return say(fault, ST_NO_MEMORY, "node of", d->o.home);
    node_listen(d->node, on_event, d);
    struct vault_flow_ports vp = {.env = &d->env,
                                  .work = net_work(d->work),
                                  .home = d->o.home,
                                  .cost = {PASSWORD_PASSES, d->node_options.memory_kib},
                                  .floor = {PASSWORD_FLOOR_PASSES, PASSWORD_FLOOR_KIB}};
    enum status st = vault_flow_new(&vp, on_opened, d, &d->vault);
    if (st != ST_OK) return say(fault, st, "vault in", d->o.home);
    unsigned long long k = options_number(d->o.values, "node.shards_required");
    if (k > 0)
        snprintf(d->profile, sizeof d->profile, "%llu/%llu", k,
                 (unsigned long long)options_number(d->o.values, "node.shards_total"));
    struct api_options ao = {
        .env = &d->env,
        .node = d->node,
        .vault = d->vault,
        .home = d->o.home,
        .hosted = d->node_options.hosted,
        .profile = d->profile[0] == '\0' ? NULL : d->profile,
        .upload_max = options_number(d->o.values, "security.max_upload_size_mb") * 1000000,
        .stop = asked_to_stop,
        .arg = d};
    st = api_new(&ao, &d->api);
    return st == ST_OK ? ST_OK : say(fault, st, "api of", d->o.home);
}

/* A socket's path holds 107 bytes: a longer one is named through a descriptor of its directory. */
static void socket_path(struct daemon *d)
{
    struct sockaddr_un a;
    int n = snprintf(d->socket, sizeof d->socket, "%s/" SOCKET_NAME, d->o.home);
    if (n > 0 && (size_t)n < sizeof a.sun_path) return;
    d->home_fd = open(d->o.home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (d->home_fd >= 0)
        snprintf(d->socket, sizeof d->socket, "/proc/self/fd/%d/" SOCKET_NAME, d->home_fd);
}

/* A browser finds its way in by a file that only the owner can read. */
static enum status write_browser_file(struct daemon *d, const char *token)
{
    char path[PATH_ROOM];
    char text[160];
    const char *listen = options_text(d->o.values, "api.listen");
    snprintf(path, sizeof path, "%s/api.txt", d->o.home);
    int n = snprintf(text, sizeof text, "http://%.*s:%u\n%s\n",
                     (int)(strrchr(listen, ':') - listen), listen, http_port(d->http), token);
    return private_write(path, BYTES(text, (size_t)n), true);
}

static enum status open_api(struct daemon *d, struct daemon_fault *fault)
{
    uint8_t raw[32];
    char token[BASE64_SIZE(32)];
    const char *listen = options_text(d->o.values, "api.listen");
    bool browser = *listen != '\0';
    socket_path(d);
    env_random(&d->env, raw, sizeof raw);
    base64_encode(BYTES_OF(raw), token);
    struct http_options o = {.loop = &d->loop,
                             .socket = d->socket,
                             .listen = browser ? listen : NULL,
                             .token = token,
                             .handler = api_handle,
                             .arg = d->api};
    enum status st = http_new(&o, &d->http);
    if (st == ST_OK && browser) st = write_browser_file(d, token);
    bytes_wipe(token, sizeof token);
    bytes_wipe(raw, sizeof raw);
    if (st == ST_USAGE) return say(fault, st, "api.listen must be 127.0.0.1:PORT, not", listen);
    return st == ST_OK ? ST_OK : say(fault, st, "socket", d->socket);
}

enum status daemon_start(struct daemon *d, struct daemon_fault *fault)
{
    enum status st;
    uv_signal_start(&d->signals[0], on_signal, SIGTERM);
    uv_signal_start(&d->signals[1], on_signal, SIGINT);
    TRY(open_stores(d, fault));
    TRY(open_net(d, fault));
    TRY(make_node(d, fault));
    TRY(open_api(d, fault));
    uv_prepare_start(&d->before_wait, before_wait);
    env_log(&d->env, ENV_INFO, "daemon", "enclaved " ENCLAVE_VERSION " is ready");
out:
    if (st != ST_OK) daemon_stop(d);
    return st;
}

uv_loop_t *daemon_loop(struct daemon *d)
{
    return &d->loop;
}

const char *daemon_socket(const struct daemon *d)
{
    return d->socket;
}

const char *daemon_hosted(const struct daemon *d)
{
    return d->node_options.hosted;
}

void daemon_free(struct daemon *d)
{
    if (d == NULL) return;
    http_free(d->http);
    node_free(d->node);
    vault_flow_free(d->vault);
    api_free(d->api);
    uv_loop_close(&d->loop);
    if (d->home_fd >= 0) close(d->home_fd);
    net_env_close(&d->log);
    free(d);
}
