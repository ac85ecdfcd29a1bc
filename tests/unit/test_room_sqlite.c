/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/feed core/room store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/feed/chain.h"
#include "room_fixture.h"
#include "store/room_sqlite_inner.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char dir[64];
    char db[96];
    char wal[104];
};

static void place_make(struct place *p)
{
    snprintf(p->dir, sizeof p->dir, "/tmp/enclave-room-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->db, sizeof p->db, "%s/rooms.db", p->dir);
    snprintf(p->wal, sizeof p->wal, "%s-wal", p->db);
}

static void place_remove(struct place *p)
{
    unlink(p->db);
    unlink(p->wal);
    rmdir(p->dir);
}

static bool file_holds(const char *path, struct bytes needle)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return false;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    uint8_t *all = malloc((size_t)n + 1);
    assert_non_null(all);
    assert_int_equal(fread(all, 1, (size_t)n, f), n);
    fclose(f);
    bool found = n > 0 && memmem(all, (size_t)n, needle.p, needle.n) != NULL;
    free(all);
    return found;
}

static void it_is_there_after_opening_again(void **state)
{
    (void)state;
    struct place p;
    struct fixture f;
    struct room_spot spot;
    place_make(&p);
    fixture_start(&f, p.db);
    fixture_room(&f, 1, 3);
    assert_int_equal(append_at(&f, 1, NULL, 7, 2048, &spot), ST_OK);
    struct room_sqlite *second = NULL;
    assert_int_equal(room_sqlite_open(p.db, &second), ST_BUSY); /* one at a time */
    fixture_end(&f);
    struct stat info;
    assert_int_equal(stat(p.db, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    fixture_start(&f, p.db);
    memset(f.room, 1, 32);
    assert_int_equal(attach(&f, 2), ST_OK);
    struct room_attached a;
    assert_int_equal(fields_decode(&room_attached_fields, buf_view(&f.body), &a), ST_OK);
    assert_int_equal(a.version, 3);
    assert_int_equal(room_head_at(a.heads, 1).count, 1);
    assert_memory_equal(room_head_at(a.heads, 1).chain, spot.chain, 32);
    fixture_end(&f);
    place_remove(&p);
}

static void what_is_not_ours_is_refused(void **state)
{
    (void)state;
    struct place p;
    struct room_sqlite *s = NULL;
    sqlite3 *db = NULL;
    place_make(&p);
    FILE *f = fopen(p.db, "wb");
    assert_non_null(f);
    for (int i = 0; i < 5000; i++) fputs("no database ", f);
    fclose(f);
    assert_int_equal(chmod(p.db, 0600), 0);
    assert_int_equal(room_sqlite_open(p.db, &s), ST_INTEGRITY);
    unlink(p.db);
    /* another program's database */
    assert_int_equal(sqlite3_open(p.db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE x (y)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(chmod(p.db, 0600), 0);
    assert_int_equal(room_sqlite_open(p.db, &s), ST_INTEGRITY);
    unlink(p.db);
    /* a newer one of ours */
    assert_int_equal(room_sqlite_open(p.db, &s), ST_OK);
    room_sqlite_close(s);
    assert_int_equal(sqlite3_open(p.db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 3", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(room_sqlite_open(p.db, &s), ST_VERSION);
    assert_int_equal(chmod(p.db, 0640), 0);
    assert_int_equal(room_sqlite_open(p.db, &s), ST_LOOSE_MODE);
    unlink(p.db);
    assert_int_equal(room_sqlite_open("/nonexistent/rooms.db", &s), ST_NOT_FOUND);
    unlink(p.wal);
    place_remove(&p);
}

static void damage_is_seen_at_the_start(void **state)
{
    (void)state;
    struct place p;
    struct fixture f;
    struct room_spot spot;
    uint8_t junk[4096];
    place_make(&p);
    fixture_start(&f, p.db);
    fixture_room(&f, 2, 3);
    for (uint8_t i = 0; i < 40; i++)
        assert_int_equal(append_at(&f, 1, NULL, i, 2048, &spot), ST_OK);
    fixture_end(&f);
    memset(junk, 0xAB, sizeof junk);
    int fd = open(p.db, O_WRONLY | O_CLOEXEC);
    for (off_t at = 2 * 4096; at < 12 * 4096; at += 4096)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
    struct room_sqlite *s = NULL;
    assert_int_equal(room_sqlite_open(p.db, &s), ST_INTEGRITY);
    place_remove(&p);
}

static void erased_rooms_leave_no_bytes(void **state)
{
    (void)state;
    struct place p;
    struct fixture f;
    struct room_spot spot;
    uint8_t entry[64], gone[32], seat[32];
    place_make(&p);
    fixture_start(&f, p.db);
    fixture_room(&f, 3, 2);
    fixture_room(&f, 4, 2); /* a neighbour that stays */
    assert_int_equal(append_at(&f, 1, NULL, 0x44, 2048, &spot), ST_OK);
    memset(f.room, 3, 32);
    as(&f, 0);
    for (int i = 0; i < 30; i++)
        assert_int_equal(
            append_at(&f, (uint8_t)(1 + i % 3), NULL, 0x77, i % 2 ? 512 : 65536, &spot), ST_OK);
    memset(entry, 0x77, sizeof entry);
    memset(gone, 3, 32);
    seat_key(0, seat); /* both rooms have it: only for the test's sake */
    assert_true(file_holds(p.db, BYTES_OF(entry)) || file_holds(p.wal, BYTES_OF(entry)));
    assert_int_equal(drop_own(&f, 0), ST_OK);
    assert_int_equal(drop_own(&f, 1), ST_OK);
    assert_true(f.effect.erased);
    assert_int_equal(f.rules.store.ops->scrub(f.rules.store.ctx), ST_OK);
    assert_false(file_holds(p.db, BYTES_OF(entry)));
    assert_false(file_holds(p.wal, BYTES_OF(entry)));
    assert_false(file_holds(p.db, BYTES_OF(gone)));
    assert_false(file_holds(p.wal, BYTES_OF(gone)));
    memset(entry, 0x44, sizeof entry);
    assert_true(file_holds(p.db, BYTES_OF(entry)));
    fixture_end(&f);
    assert_false(file_holds(p.db, BYTES_OF(gone)));
    place_remove(&p);
}

/* A child appends and reports each acknowledged index through a pipe until it is killed in the
 * middle of it: everything it reported must be there. */
static void child_appends(const char *path, int out)
{
    struct fixture f;
    struct room_spot spot;
    fixture_start(&f, path);
    memset(f.room, 5, 32);
    as(&f, 0);
    for (;;) {
        if (append_at(&f, 1, NULL, 9, 2048, &spot) != ST_OK) _exit(1);
        if (write(out, &spot.index, sizeof spot.index) != (ssize_t)sizeof spot.index) _exit(1);
    }
}

static void kill_nine_loses_nothing(void **state)
{
    (void)state;
    struct place p;
    struct fixture f;
    uint64_t acknowledged = 0;
    place_make(&p);
    fixture_start(&f, p.db);
    fixture_room(&f, 5, 1);
    fixture_end(&f);
    for (int round = 0; round < 5; round++) {
        int pipe_ends[2];
        uint64_t last = UINT64_MAX, index;
        assert_int_equal(pipe(pipe_ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(pipe_ends[0]);
            child_appends(p.db, pipe_ends[1]);
        }
        close(pipe_ends[1]);
        int wanted = 5 + 7 * round; /* killed after so many, wherever it then is */
        for (int i = 0; i < wanted; i++)
            if (read(pipe_ends[0], &index, sizeof index) == (ssize_t)sizeof index) last = index;
        kill(child, SIGKILL);
        while (read(pipe_ends[0], &index, sizeof index) == (ssize_t)sizeof index) last = index;
        close(pipe_ends[0]);
        waitpid(child, NULL, 0);
        assert_int_not_equal(last, UINT64_MAX);
        fixture_start(&f, p.db);
        memset(f.room, 5, 32);
        assert_int_equal(attach(&f, 0), ST_OK);
        struct room_attached a;
        assert_int_equal(fields_decode(&room_attached_fields, buf_view(&f.body), &a), ST_OK);
        struct room_head head = room_head_at(a.heads, 1);
        assert_true(head.count > last);
        acknowledged = last + 1;
        /* and what is there is whole: the chain over all entries ends in the head's */
        uint8_t chain[32], sealed[2048];
        memset(sealed, 9, sizeof sealed);
        chain_start(f.room, 1, chain);
        for (uint64_t i = 0; i < head.count; i++) chain_step(chain, BYTES_OF(sealed), chain);
        assert_memory_equal(chain, head.chain, 32);
        fixture_end(&f);
    }
    assert_true(acknowledged >= 5 + 12 + 19 + 26 + 33);
    place_remove(&p);
}

static void a_batch_is_all_or_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, ":memory:");
    fixture_room(&f, 6, 1);
    const struct room_store *s = &f.rules.store;
    struct room_row row;
    uint8_t other[32] = {6, 6};
    assert_int_equal(s->ops->begin(s->ctx), ST_OK);
    assert_int_equal(s->ops->mark(s->ctx), ST_OK);
    assert_int_equal(s->ops->room_put(s->ctx, other, &(struct room_row){1, 2, 3}), ST_OK);
    assert_int_equal(s->ops->room_get(s->ctx, other, &row), ST_OK);
    assert_int_equal(row.knocks, 3);
    s->ops->undo(s->ctx); /* the job is undone, the batch goes on */
    assert_int_equal(s->ops->room_get(s->ctx, other, &row), ST_NOT_FOUND);
    assert_int_equal(s->ops->mark(s->ctx), ST_OK);
    assert_int_equal(s->ops->room_put(s->ctx, other, &(struct room_row){1, 2, 4}), ST_OK);
    assert_int_equal(s->ops->keep(s->ctx), ST_OK);
    s->ops->rollback(s->ctx);
    assert_int_equal(s->ops->room_get(s->ctx, other, &row), ST_NOT_FOUND);
    assert_int_equal(s->ops->room_get(s->ctx, f.room, &row), ST_OK);
    fixture_end(&f);
}

static enum status append_once(struct fixture *f, struct bytes payload)
{
    const struct room_store *s = &f->rules.store;
    enum status st = s->ops->begin(s->ctx);
    if (st == ST_OK) st = s->ops->mark(s->ctx);
    if (st == ST_OK) st = rules_run(&f->rules, &f->who, ROOM_APPEND, payload, &f->body, &f->effect);
    if (st == ST_OK) st = s->ops->keep(s->ctx);
    if (st == ST_OK) st = s->ops->commit(s->ctx);
    if (st != ST_OK) s->ops->rollback(s->ctx);
    return st;
}

static void a_full_disk_keeps_what_was_there(void **state)
{
    (void)state;
    struct place p;
    struct fixture f;
    struct buf payload = BUF_INIT;
    uint8_t sealed[65536] = {1};
    uint64_t kept = 0;
    enum status st = ST_OK;
    place_make(&p);
    fixture_start(&f, p.db);
    fixture_room(&f, 7, 1);
    struct room_append m = {.req = 1, .feed = 1, .sealed = BYTES_OF(sealed)};
    assert_int_equal(fields_encode(&room_append_fields, &m, &payload), ST_OK);
    assert_int_equal(sqlite3_exec(f.db->db, "PRAGMA max_page_count = 100", NULL, NULL, NULL),
                     SQLITE_OK);
    for (; st == ST_OK && kept < 100; kept += st == ST_OK) st = append_once(&f, buf_view(&payload));
    assert_int_equal(st, ST_NO_SPACE);
    assert_true(kept > 2);
    assert_int_equal(append_once(&f, buf_view(&payload)), ST_NO_SPACE);
    struct room_feed_row row;
    assert_int_equal(f.rules.store.ops->feed_get(f.rules.store.ctx, f.room, 1, &row), ST_OK);
    assert_int_equal(row.count, kept);
    /* there is place again: it goes on where it stood */
    assert_int_equal(sqlite3_exec(f.db->db, "PRAGMA max_page_count = 10000", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(append_once(&f, buf_view(&payload)), ST_OK);
    fixture_end(&f);
    fixture_start(&f, p.db);
    memset(f.room, 7, 32);
    assert_int_equal(f.rules.store.ops->feed_get(f.rules.store.ctx, f.room, 1, &row), ST_OK);
    assert_int_equal(row.count, kept + 1);
    buf_free(&payload);
    fixture_end(&f);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_there_after_opening_again),
        cmocka_unit_test(what_is_not_ours_is_refused),
        cmocka_unit_test(damage_is_seen_at_the_start),
        cmocka_unit_test(erased_rooms_leave_no_bytes),
        cmocka_unit_test(kill_nine_loses_nothing),
        cmocka_unit_test(a_batch_is_all_or_nothing),
        cmocka_unit_test(a_full_disk_keeps_what_was_there),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
