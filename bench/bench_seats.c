/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room link net */
/*
 * Many raw seats on one sentinel, over TLS, each with its proof. A room is made by one REHOME that lists
 * all its seats. Usage, with the address as `sentinel` prints it:
 *   bench_seats HOST:PORT#PIN SEATS ROOM idle           all attach, then "ready" and wait for the end of stdin
 *   bench_seats HOST:PORT#PIN SEATS ROOM active SECONDS each appends one entry a second, all others get it
 *   bench_seats HOST:PORT#PIN SEATS ROOM load SECONDS   each appends as soon as the last one is answered
 * ROOM: seats in a room. Everything runs on one thread, so a time includes what waits for this program.
 */
#include "base/encode.h"
#include "bench/bench.h"
#include "core/room/room_wire.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "net/env.h"
#include "net/links.h"

#include <string.h>
#include <unistd.h>

#define DIALS 32 /* handshakes at once: the sentinel takes 64 from one address */
#define SEALED 512
#define SAMPLES_MAX ((size_t)1 << 22)
#define WARM_S 2.0

struct town;

struct seat {
    struct town *town;
    struct link *link;
    struct room *room;
    uint8_t seed[32], id[32];
    uint32_t req, attach_req, subscribe_req;
    bool ready;
    double due; /* its next entry */
};

struct room {
    uint8_t id[32];
    struct seat *seats;
    size_t n;
    bool made;
};

struct town {
    uv_loop_t loop;
    struct net_env log;
    struct env env;
    struct links *links;
    struct link_port port;
    char address[LINK_ADDRESS_MAX + 1];
    uint8_t pin[32];
    struct seat *seats;
    struct room *rooms;
    size_t n, n_rooms, dialled, ready;
    bool idle, load, over;
    double began, from, until;
    double *samples; /* seconds from APPEND to ENTRY at another seat */
    size_t n_samples, appended, answered;
    struct buf frame;
};

static void send_message(struct seat *s, uint8_t type, const struct fields *f, const void *m)
{
    struct town *t = s->town;
    buf_clear(&t->frame);
    bench_ok(fields_encode(f, m, &t->frame), "encode");
    bench_ok(t->port.ops->send(s->link, type, buf_view(&t->frame)), "send");
}

/* ---- coming in ---- */

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static void make_room(struct seat *s, const uint8_t spki[32])
{
    static uint8_t ids[ROOM_SEATS_MAX][32], sigs[ROOM_SEATS_MAX][ROOM_SIG_ITEM];
    struct room *r = s->room;
    uint8_t seats_hash[32], spkis_hash[32];
    for (size_t i = 0; i < r->n; i++) memcpy(ids[i], r->seats[i].id, 32);
    qsort(ids, r->n, 32, by_id);
    struct room_rehome m = {.req = ++s->req, .version = 1};
    uint8_t own[1][32];
    memcpy(own[0], spki, 32);
    memcpy(m.room, r->id, 32);
    m.seats = (struct list){ids[0], r->n};
    m.spkis = (struct list){own[0], 1};
    room_list_hash((struct list){ids[0], r->n}, seats_hash);
    room_list_hash((struct list){own[0], 1}, spkis_hash);
    for (size_t i = 0; i < r->n; i++) {
        memcpy(sigs[i], r->seats[i].id, 32);
        room_sign_rehome(r->seats[i].seed, r->id, 1, seats_hash, spkis_hash, sigs[i] + 32);
    }
    m.sigs = (struct list){sigs[0], r->n};
    send_message(s, ROOM_REHOME, &room_rehome_fields, &m);
    r->made = true;
}

static void on_opened(void *arg, struct link *l, const struct link_peer *peer)
{
    struct seat *s = arg;
    (void)l;
    /* Dialled in order: the first of a room makes it before another can attach. */
    if (!s->room->made) make_room(s, peer->spki);
    struct room_attach a = {.req = s->attach_req = ++s->req};
    memcpy(a.room, s->room->id, 32);
    memcpy(a.seat, s->id, 32);
    room_sign_attach(s->seed, s->room->id, peer->exporter, peer->spki, a.sig);
    send_message(s, ROOM_ATTACH, &room_attach_fields, &a);
}

static const struct link_events events;

static void dial(struct town *t)
{
    while (t->dialled < t->n && t->dialled - t->ready < DIALS) {
        struct seat *s = &t->seats[t->dialled];
        /* The first of a room is alone until it stands. */
        if (s != s->room->seats && !s->room->seats->ready) return;
        t->dialled++;
        bench_ok(
            t->port.ops->dial_server(t->port.ctx, t->address, NULL, t->pin, &events, s, &s->link),
            "dial");
    }
}

/* ---- entries ---- */

static void append(struct seat *s, double now)
{
    uint8_t sealed[SEALED] = {0};
    struct room_append m = {.req = ++s->req, .feed = 1, .sealed = BYTES_OF(sealed)};
    memcpy(sealed, &now, sizeof now);
    send_message(s, ROOM_APPEND, &room_append_fields, &m);
    s->town->appended++;
}

static void on_reply(struct seat *s, struct bytes payload)
{
    struct town *t = s->town;
    struct room_reply r;
    bench_ok(fields_decode(&room_reply_fields, payload, &r), "reply");
    if (r.result != 0) {
        fprintf(stderr, "bench: the sentinel refused: %u\n", r.result);
        exit(1);
    }
    if (r.req == s->attach_req) {
        struct room_subscribe m = {.req = s->subscribe_req = ++s->req, .mask = 2};
        send_message(s, ROOM_SUBSCRIBE, &room_subscribe_fields, &m);
    } else if (r.req == s->subscribe_req) {
        s->ready = true;
        t->ready++;
        dial(t);
    } else if (t->ready == t->n) {
        t->answered++;
        if (t->load && bench_now() < t->until) append(s, bench_now());
    }
}

static void on_frame(void *arg, struct link *l, uint8_t type, struct bytes payload)
{
    struct seat *s = arg;
    struct town *t = s->town;
    struct room_entry e;
    double sent, now = bench_now();
    (void)l;
    if (type == ROOM_REPLY) on_reply(s, payload);
    if (type != ROOM_ENTRY) return;
    bench_ok(fields_decode(&room_entry_fields, payload, &e), "entry");
    memcpy(&sent, e.sealed.p, sizeof sent);
    if (sent >= t->from && t->n_samples < SAMPLES_MAX) t->samples[t->n_samples++] = now - sent;
}

static void on_writable(void *arg, struct link *l)
{
    (void)arg;
    (void)l;
}

static void on_closed(void *arg, struct link *l, enum status why)
{
    const struct seat *s = arg;
    (void)l;
    if (s->town->over) return;
    bench_ok(why == ST_CLOSED ? ST_UNREACHABLE : why, "a link to the sentinel ended");
}

static const struct link_events events = {on_opened, on_frame, on_writable, on_closed};

static void town_open(struct town *t, const char *paste, size_t n, size_t room)
{
    const char *hash = strchr(paste, '#');
    size_t got;
    bench_must(hash != NULL && (size_t)(hash - paste) < sizeof t->address, "HOST:PORT#PIN");
    memcpy(t->address, paste, (size_t)(hash - paste));
    bench_ok(hex_decode(hash + 1, strlen(hash + 1), t->pin, 32, &got), "pin");
    bench_ok(crypto_start(), "crypto_start");
    bench_must(uv_loop_init(&t->loop) == 0, "loop");
    bench_ok(net_env_open(&t->log, NULL, ENV_ERROR), "log");
    t->env = net_env(&t->log);
    bench_ok(links_new(&t->loop, &t->env, &t->links), "links");
    t->port = links_port(t->links);
    t->n = n;
    t->n_rooms = (n + room - 1) / room;
    t->seats = calloc(n, sizeof *t->seats);
    t->rooms = calloc(t->n_rooms, sizeof *t->rooms);
    t->samples = calloc(SAMPLES_MAX, sizeof *t->samples);
    bench_must(t->seats && t->rooms && t->samples, "no memory");
    buf_init(&t->frame, LINK_FRAME_MAX);
    for (size_t i = 0; i < n; i++) {
        struct seat *s = &t->seats[i];
        struct room *r = &t->rooms[i / room];
        if (r->n++ == 0) {
            r->seats = s;
            env_random(&t->env, r->id, 32);
        }
        s->town = t;
        s->room = r;
        env_random(&t->env, s->seed, 32);
        sign_public(s->seed, s->id);
    }
}

/* ---- what is done once all are in ---- */

static void wait_for_end(void)
{
    char c;
    printf("ready\n");
    fflush(stdout);
    while (read(0, &c, 1) > 0) continue;
}

static void on_second(uv_timer_t *timer)
{
    struct town *t = timer->data;
    double now = bench_now();
    if (now >= t->until) {
        uv_timer_stop(timer);
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        struct seat *s = &t->seats[i];
        if (now < s->due) continue;
        s->due += 1;
        append(s, now);
    }
}

static void rows(const struct town *t, size_t room)
{
    double span = t->until - t->from, late = 0;
    size_t within = 0;
    qsort(t->samples, t->n_samples, sizeof *t->samples, bench_by_value);
    bench_must(t->n_samples > 100, "too few entries came");
    for (size_t i = 0; i < t->n_samples; i++) within += t->samples[i] < 0.050;
    late = 1 - (double)within / (double)t->n_samples;
    bench_row("seats-p50", t->samples[t->n_samples / 2] * 1000, "ms", 0);
    bench_row("seats-p99", t->samples[t->n_samples * 99 / 100] * 1000, "ms", 0);
    bench_row("seats-most", t->samples[t->n_samples - 1] * 1000, "ms", 0);
    bench_row("seats-late", late * 100, "%", 0);
    bench_row("seats-delivered", (double)t->n_samples / span, "entries/s", 0);
    bench_row("seats-appended", (double)t->n_samples / span / (double)(room - 1), "entries/s", 0);
}

static void in_use(struct town *t, double seconds, size_t room)
{
    uv_timer_t timer;
    double now = bench_now();
    t->from = now + WARM_S;
    t->until = t->from + seconds;
    uv_timer_init(&t->loop, &timer);
    timer.data = t;
    for (size_t i = 0; i < t->n; i++) t->seats[i].due = now + (double)i / (double)t->n;
    if (!t->load) uv_timer_start(&timer, on_second, 1, 1);
    for (size_t i = 0; t->load && i < t->n; i++) append(&t->seats[i], now);
    while (t->answered < t->appended || bench_now() < t->until) uv_run(&t->loop, UV_RUN_ONCE);
    rows(t, room);
}

int main(int argc, char **argv)
{
    bench_must(argc > 4, "usage: bench_seats HOST:PORT#PIN SEATS ROOM idle|active|load [SECONDS]");
    struct town *t = calloc(1, sizeof *t);
    size_t room = strtoul(argv[3], NULL, 10);
    bench_must(t != NULL && room > 1 && room <= ROOM_SEATS_MAX, "seats in a room");
    town_open(t, argv[1], strtoul(argv[2], NULL, 10), room);
    t->began = bench_now();
    dial(t);
    while (t->ready < t->n) uv_run(&t->loop, UV_RUN_ONCE);
    bench_row("seats-attached", (double)t->n / (bench_now() - t->began), "ops/s", bench_cpu());
    t->load = strcmp(argv[4], "load") == 0;
    if (strcmp(argv[4], "idle") == 0)
        wait_for_end();
    else
        in_use(t, argc > 5 ? strtod(argv[5], NULL) : 10, room);
    t->over = true;
    _exit(fflush(stdout) == 0 ? 0 : 1); /* the loop still has the links' own handles */
}
