/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
/* How many entries a second a sentinel's database takes durably by itself (rules, SQLite, store
 * thread), with 1, 16 and 64 jobs under way. Usage: bench_room DIR. */
#include "bench/bench.h"
#include "core/room/rules.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "store/room_sqlite.h"
#include "store/store_thread.h"

#include <string.h>
#include <unistd.h>

#define SPAN_MS 1500
#define SEALED 2048

struct bench;

struct append {
    struct store_job job;
    struct bench *bench;
    struct buf body;
    struct rules_effect effect;
    enum status st;
};

struct bench {
    uv_loop_t loop;
    struct room_sqlite *db;
    struct rules rules;
    struct rules_caller who;
    struct store_thread *thread;
    struct append appends[64];
    struct buf payload;
    uint64_t until, done;
};

static enum status begin(void *ctx)
{
    struct bench *b = ctx;
    return b->rules.store.ops->begin(b->rules.store.ctx);
}

static enum status commit(void *ctx)
{
    struct bench *b = ctx;
    return b->rules.store.ops->commit(b->rules.store.ctx);
}

static void rollback(void *ctx)
{
    struct bench *b = ctx;
    b->rules.store.ops->rollback(b->rules.store.ctx);
}

static enum status run(struct store_job *job, void *ctx)
{
    struct append *a = (struct append *)job;
    struct bench *b = ctx;
    const struct room_store *s = &b->rules.store;
    bench_must(s->ops->mark(s->ctx) == ST_OK, "mark");
    a->st = rules_run(&b->rules, &b->who, ROOM_APPEND, buf_view(&b->payload), &a->body, &a->effect);
    bench_must(a->st == ST_OK, status_text(a->st));
    return s->ops->keep(s->ctx);
}

static void done(struct store_job *job, enum status st)
{
    struct append *a = (struct append *)job;
    bench_must(st == ST_OK, status_text(st));
    a->bench->done++;
    if (uv_hrtime() / 1000000 < a->bench->until)
        bench_must(store_thread_submit(a->bench->thread, job) == ST_OK, "submit");
}

static void make_room(struct bench *b)
{
    uint8_t seed[32] = {1}, sealed[SEALED] = {2};
    struct room_create c = {.req = 1, .room = {3}};
    struct room_append m = {.req = 1, .feed = 1, .sealed = BYTES_OF(sealed)};
    struct rules_effect effect;
    struct buf payload = BUF_INIT, body = BUF_INIT;
    sign_public(seed, c.seat);
    room_sign_create(seed, c.room, c.seat, b->who.exporter, b->who.spki, c.sig);
    b->who.attached = true;
    b->who.now_ms = 1;
    memcpy(b->who.room, c.room, 32);
    memcpy(b->who.seat, c.seat, 32);
    bench_must(fields_encode(&room_create_fields, &c, &payload) == ST_OK, "encode");
    bench_must(rules_run(&b->rules, &b->who, ROOM_CREATE, buf_view(&payload), &body, &effect) ==
                   ST_OK,
               "create");
    bench_must(fields_encode(&room_append_fields, &m, &b->payload) == ST_OK, "encode");
    buf_free(&payload);
    buf_free(&body);
}

static double appends_a_second(struct bench *b, unsigned in_flight)
{
    uint64_t start = uv_hrtime() / 1000000;
    b->until = start + SPAN_MS;
    b->done = 0;
    for (unsigned i = 0; i < in_flight; i++)
        bench_must(store_thread_submit(b->thread, &b->appends[i].job) == ST_OK, "submit");
    while (store_thread_waiting(b->thread) > 0) uv_run(&b->loop, UV_RUN_ONCE);
    uint64_t span = uv_hrtime() / 1000000 - start;
    return (double)b->done * 1000 / (double)span;
}

int main(int argc, char **argv)
{
    static const unsigned loads[] = {1, 16, 64};
    struct bench *b = calloc(1, sizeof *b);
    char dir[256], path[300];
    bench_must(b != NULL && crypto_start() == ST_OK, "start");
    snprintf(dir, sizeof dir, "%s/bench-room-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    bench_must(mkdtemp(dir) != NULL, "no directory");
    snprintf(path, sizeof path, "%s/rooms.db", dir);
    bench_must(room_sqlite_open(path, &b->db) == ST_OK, "open");
    b->rules.store = room_sqlite_port(b->db);
    room_limits_default(&b->rules.limits);
    make_room(b);
    bench_must(uv_loop_init(&b->loop) == 0, "loop");
    const struct store_hooks hooks = {begin, commit, rollback, b};
    bench_must(store_thread_start(&b->loop, &hooks, &b->thread) == ST_OK, "thread");
    for (size_t i = 0; i < 64; i++) {
        b->appends[i].job = (struct store_job){.run = run, .done = done};
        b->appends[i].bench = b;
    }
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "append-store-%u", loads[i]);
        bench_row(path, appends_a_second(b, loads[i]), "entries/s", 0);
    }
    store_thread_stop(b->thread, NULL, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    uv_loop_close(&b->loop);
    for (size_t i = 0; i < 64; i++) buf_free(&b->appends[i].body);
    buf_free(&b->payload);
    room_sqlite_close(b->db);
    snprintf(path, sizeof path, "%s/rooms.db", dir);
    unlink(path);
    rmdir(dir);
    free(b);
    return 0;
}
