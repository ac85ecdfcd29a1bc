/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "storaged/storage_parts.h"

#include "net/links.h"
#include "net/work.h"
#include "node/depot/depot.h"
#include "store/kv_sqlite.h"
#include "store/private.h"
#include "store/shard_fs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct storage {
    struct storage_options o;
    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t timer;
    uv_prepare_t before_wait;
    uint64_t timer_at;
    struct server_key key;
    struct net_work *work;
    struct links *links;
    struct link_listener *listener;
    struct server_gate gate;
    struct kv_sqlite *kv;
    struct shard_fs *shards;
    struct depot *depot;
    bool stopping;
    char address[LINK_ADDRESS_MAX + 1];
};

/* ---- callers ---- */

struct caller {
    struct storage *s;
    struct link *link;
    struct depot_conn *conn;
};

static enum status caller_send(void *ctx, uint8_t type, struct bytes payload)
{
    struct caller *c = ctx;
    return links_port(c->s->links).ops->send(c->link, type, payload);
}

static void caller_pause(void *ctx, bool stop)
{
    struct caller *c = ctx;
    links_port(c->s->links).ops->pause(c->link, stop);
}

static void caller_end(void *ctx)
{
    struct caller *c = ctx;
    links_port(c->s->links).ops->close(c->link);
}

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct caller *c = arg;
    const struct depot_wire wire = {caller_send, caller_pause, caller_end, c};
    (void)l;
    if (c->s->depot != NULL) c->conn = depot_open(c->s->depot, &wire, peer->exporter);
    if (c->conn == NULL) caller_end(c);
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct caller *c = arg;
    (void)l;
    if (c->conn == NULL) return;
    enum status st = depot_frame(c->conn, type, payload);
    if (st == ST_OK) return;
    env_log(c->s->o.env, ENV_DEBUG, "storage", "a caller is shown out: %s", status_text(st));
    caller_end(c);
}

static void on_writable(void *arg, struct link *l)
{
    struct caller *c = arg;
    (void)l;
    if (c->conn != NULL) depot_writable(c->conn);
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    struct caller *c = arg;
    (void)l;
    (void)why;
    if (c->conn != NULL) depot_close(c->conn);
    free(c);
}

static const struct link_events *on_accept(void *arg, struct link *l, void **ret_arg)
{
    static const struct link_events events = {on_opened, on_frame, on_writable, on_closed};
    struct storage *s = arg;
    struct caller *c = s->stopping ? NULL : calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->s = s;
    c->link = l;
    *ret_arg = c;
    return &events;
}

/* ---- stopping: what uses goes before what is used ---- */

static void stop_handles(void *arg)
{
    struct storage *s = arg;
    s->kv = NULL;
    uv_close((uv_handle_t *)&s->signals[0], NULL);
    uv_close((uv_handle_t *)&s->signals[1], NULL);
    uv_close((uv_handle_t *)&s->timer, NULL);
    uv_close((uv_handle_t *)&s->before_wait, NULL);
}

static void stop_kv(void *arg)
{
    struct storage *s = arg;
    s->shards = NULL;
    if (s->kv != NULL)
        kv_sqlite_close(s->kv, stop_handles, s);
    else
        stop_handles(s);
}

static void stop_shards(void *arg)
{
    struct storage *s = arg;
    s->work = NULL;
    if (s->shards != NULL)
        shard_fs_close(s->shards, stop_kv, s);
    else
        stop_kv(s);
}

static void stop_work(void *arg)
{
    struct storage *s = arg;
    s->links = NULL;
    depot_free(s->depot);
    s->depot = NULL;
    if (s->work != NULL)
        net_work_stop(s->work, stop_shards, s);
    else
        stop_shards(s);
}

void storage_stop(struct storage *s)
{
    if (s->stopping) return;
    s->stopping = true;
    if (s->listener != NULL) links_port(s->links).ops->unlisten(s->links, s->listener);
    s->listener = NULL;
    if (s->links != NULL)
        links_close(s->links, stop_work, s);
    else
        stop_work(s);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    storage_stop(handle->data);
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer)
{
    struct storage *s = timer->data;
    s->timer_at = UINT64_MAX;
    if (s->depot != NULL) depot_tick(s->depot);
}

static void before_wait(uv_prepare_t *handle)
{
    struct storage *s = handle->data;
    uint64_t next = s->depot != NULL ? depot_next_ms(s->depot) : UINT64_MAX;
    uint64_t now = env_mono_ms(s->o.env);
    if (next == s->timer_at) return;
    s->timer_at = next;
    if (next == UINT64_MAX) {
        uv_timer_stop(&s->timer);
        return;
    }
    uv_update_time(&s->loop);
    uv_timer_start(&s->timer, on_timer, next > now ? next - now : 0, 0);
}

/* ---- starting ---- */

enum status storage_new(const struct storage_options *o, struct storage **ret)
{
    struct storage *s = calloc(1, sizeof *s);
    if (s == NULL || uv_loop_init(&s->loop) != 0) {
        free(s);
        return ST_NO_MEMORY;
    }
    s->o = *o;
    s->timer_at = UINT64_MAX;
    uv_signal_init(&s->loop, &s->signals[0]);
    uv_signal_init(&s->loop, &s->signals[1]);
    uv_timer_init(&s->loop, &s->timer);
    uv_prepare_init(&s->loop, &s->before_wait);
    s->signals[0].data = s->signals[1].data = s->timer.data = s->before_wait.data = s;
    *ret = s;
    return ST_OK;
}

static enum status open_stores(struct storage *s, struct storage_fault *fault)
{
    char path[STORAGE_PATH_MAX];
    enum status st = storage_open_key(&s->o, &s->key, fault);
    if (st != ST_OK) return st;
    snprintf(path, sizeof path, "%s/state.db", s->o.data);
    st = kv_sqlite_open(&s->loop, path, &s->kv);
    if (st != ST_OK) return storage_blame(fault, st, path);
    snprintf(path, sizeof path, "%s/shards", s->o.data);
    st = shard_fs_open(&s->loop, path, SHARD_FS_FLOOR, &s->shards);
    if (st != ST_OK) return storage_blame(fault, st, path);
    st = net_work_new(&s->loop, s->o.workers, &s->work);
    if (st == ST_OK) st = links_new(&s->loop, s->o.env, &s->links);
    return st == ST_OK ? ST_OK : storage_blame(fault, st, "threads");
}

static enum status open_depot(struct storage *s, struct storage_fault *fault)
{
    struct depot_config c = {.env = s->o.env,
                             .kv = kv_sqlite_port(s->kv),
                             .store = shard_fs_store(s->shards),
                             .work = net_work(s->work),
                             .most = s->o.most,
                             .any_age = storage_rebuilt(&s->o)};
    memcpy(c.secret, s->key.seed, 32);
    memcpy(c.pin, s->key.pin, 32);
    s->depot = depot_new(&c);
    bytes_wipe(&c, sizeof c);
    enum status st = s->depot == NULL ? ST_NO_MEMORY : depot_load(s->depot);
    if (st == ST_OK) return ST_OK;
    snprintf(fault->text, sizeof fault->text,
             "the list of enclaves in %.3000s/state.db cannot be read (%s). Type: storaged --data "
             "'%.800s' --rebuild-index",
             s->o.data, status_text(st), s->o.data);
    return st;
}

static enum status open_listener(struct storage *s, struct storage_fault *fault)
{
    char listen[LINK_ADDRESS_MAX + 1];
    uint16_t port = 0;
    const char *colon;
    enum status st = storage_last_port(&s->o, listen, sizeof listen, &colon);
    s->gate = (struct server_gate){on_accept, s};
    if (st == ST_OK)
        st = links_listen_server(s->links, listen, &s->key, &s->gate, &s->listener, &port);
    if (st == ST_EXISTS) {
        snprintf(fault->text, sizeof fault->text,
                 "%s is in use by another program; choose another one with --listen HOST:PORT",
                 listen);
        return st;
    }
    if (st != ST_OK) return storage_blame(fault, st, listen);
    snprintf(s->address, sizeof s->address, "%.*s:%u", (int)(colon - listen), listen, port);
    st = storage_keep_address(&s->o, s->address);
    return st == ST_OK ? ST_OK : storage_blame(fault, st, s->o.data);
}

enum status storage_start(struct storage *s, struct storage_fault *fault)
{
    enum status st;
    uv_signal_start(&s->signals[0], on_signal, SIGTERM);
    uv_signal_start(&s->signals[1], on_signal, SIGINT);
    TRY(open_stores(s, fault));
    TRY(open_depot(s, fault));
    TRY(open_listener(s, fault));
    uv_prepare_start(&s->before_wait, before_wait);
out:
    if (st != ST_OK) storage_stop(s);
    return st;
}

uv_loop_t *storage_loop(struct storage *s)
{
    return &s->loop;
}

const char *storage_address(const struct storage *s)
{
    return s->address;
}

void storage_free(struct storage *s)
{
    if (s == NULL) return;
    server_key_free(&s->key);
    uv_loop_close(&s->loop);
    free(s);
}
