/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto store */
/* Whether a database is the one that was written last: true files, copied, moved, put back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "store/kv_sqlite.h"
#include "store/place.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROOM 160

struct home {
    char dir[64];
    char db[96];
};

static int make_home(void **state)
{
    struct home *h = calloc(1, sizeof *h);
    if (!h) return -1;
    snprintf(h->dir, sizeof h->dir, "/tmp/enclave-place-XXXXXX");
    if (!mkdtemp(h->dir)) return -1;
    snprintf(h->db, sizeof h->db, "%s/state.db", h->dir);
    *state = h;
    return 0;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static int drop_home(void **state)
{
    struct home *h = *state;
    nftw(h->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(h);
    return 0;
}

static void on_done(void *arg, enum status st)
{
    assert_int_equal(st, ST_OK);
    *(bool *)arg = true;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

/* One start: what it says of its place, and some commits. A byte goes into ticks (unless it is -1) as
 * each is handed in, and when it is on disk. */
static void visit_ticking(const char *db, unsigned commits, int ticks, uint8_t ret[32])
{
    uv_loop_t loop;
    struct kv_sqlite *s;
    bool closed = false;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(kv_sqlite_open(&loop, db, &s), ST_OK);
    struct kv kv = kv_sqlite_port(s);
    memcpy(ret, kv_sqlite_place(s), 32);
    for (unsigned i = 0; i < commits; i++) {
        bool done = false;
        struct kv_write w = {KV_PUT, {7}, i, bytes_str("value")};
        assert_int_equal(kv.ops->commit(kv.ctx, &w, 1, on_done, &done), ST_OK);
        if (ticks >= 0) assert_int_equal(write(ticks, "+", 1), 1);
        while (!done) uv_run(&loop, UV_RUN_ONCE);
        if (ticks >= 0) assert_int_equal(write(ticks, ".", 1), 1);
    }
    assert_memory_equal(ret, kv_sqlite_place(s), 32);
    kv_sqlite_close(s, on_closed, &closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void visit(const char *db, unsigned commits, uint8_t ret[32])
{
    visit_ticking(db, commits, -1, ret);
}

static void same(const char *db, const uint8_t place[32])
{
    uint8_t now[32];
    visit(db, 2, now);
    assert_memory_equal(now, place, 32);
}

static void other(const char *db, const uint8_t place[32], uint8_t ret[32])
{
    visit(db, 2, ret);
    assert_memory_not_equal(ret, place, 32);
    same(db, ret); /* told once */
}

static void copy_bytes(const char *from, const char *to)
{
    char block[8192];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(block, 1, sizeof block, in)) > 0)
        assert_int_equal(fwrite(block, 1, n, out), n);
    fclose(in);
    fclose(out);
    assert_int_equal(chmod(to, 0600), 0);
}

/* As cp -a does: those of the copy come to those that are there. */
static void copy_attributes(const char *from, const char *to)
{
    char *names = malloc(XATTR_LIST_MAX), value[64];
    ssize_t n = listxattr(from, names, XATTR_LIST_MAX);
    for (char *at = names; at < names + n; at += strlen(at) + 1) {
        ssize_t size = getxattr(from, at, value, sizeof value);
        if (strncmp(at, "user.", 5) != 0 || size < 0) continue;
        assert_int_equal(setxattr(to, at, value, (size_t)size, 0), 0);
    }
    free(names);
}

static unsigned attributes(const char *path, char ret_name[64])
{
    char *names = malloc(XATTR_LIST_MAX);
    unsigned found = 0;
    ssize_t n = listxattr(path, names, XATTR_LIST_MAX);
    for (char *at = names; at < names + n; at += strlen(at) + 1) {
        if (strncmp(at, PLACE_ATTRIBUTE, sizeof PLACE_ATTRIBUTE - 1) != 0) continue;
        found++;
        snprintf(ret_name, 64, "%s", at);
    }
    free(names);
    return found;
}

/* Where the file system has no attributes, half of this is not to be seen. */
static void need_attributes(const char *path)
{
    char name[64];
    if (attributes(path, name) == 0) skip();
}

static void sql(const char *db, const char *text)
{
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(db, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(raw);
}

/* ---- the same file ---- */

static void a_file_that_stays_is_the_same(void **state)
{
    struct home *h = *state;
    uint8_t place[32], again[32];
    char moved[ROOM], db[ROOM + 16], name[64];
    visit(h->db, 0, place); /* new, and nothing written */
    same(h->db, place);
    for (int i = 0; i < 5; i++) same(h->db, place);
    assert_true(attributes(h->db, name) <= 1); /* older ones are taken off */
    sql(h->db, "VACUUM");
    same(h->db, place);
    sql(h->db, "PRAGMA wal_checkpoint(TRUNCATE)");
    same(h->db, place);
    snprintf(moved, sizeof moved, "%s-moved", h->dir);
    snprintf(db, sizeof db, "%s/state.db", moved);
    assert_int_equal(rename(h->dir, moved), 0);
    same(db, place);
    assert_int_equal(rename(moved, h->dir), 0);
    visit(h->db, 0, again);
    assert_memory_equal(place, again, 32);
}

/* Commits, and now and then starts anew, until it is killed. */
static void commit_for_ever(const char *db, int ticks)
{
    uint8_t place[32];
    for (;;) visit_ticking(db, 5, ticks, place);
}

static void kill_9_at_any_moment(void **state)
{
    struct home *h = *state;
    uint8_t place[32];
    visit(h->db, 1, place);
    for (unsigned i = 0; i < 16; i++) {
        int pipes[2];
        char tick;
        assert_int_equal(pipe(pipes), 0);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(pipes[0]);
            commit_for_ever(h->db, pipes[1]);
        }
        close(pipes[1]);
        for (unsigned k = 0; k < 1 + i; k++) assert_int_equal(read(pipes[0], &tick, 1), 1);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(pipes[0]);
        same(h->db, place);
    }
}

/* The row is on disk, the attribute is not: of one batch, and of many (it was refused, or the power
 * went). */
static void a_crash_between_row_and_attribute(void **state)
{
    struct home *h = *state;
    uint8_t place[32];
    char before[64], after[64];
    visit(h->db, 3, place);
    need_attributes(h->db);
    for (unsigned lost = 1; lost <= 4; lost += 3) {
        attributes(h->db, before);
        visit(h->db, lost, place);
        attributes(h->db, after);
        assert_string_not_equal(before, after);
        assert_int_equal(removexattr(h->db, after), 0);
        assert_int_equal(setxattr(h->db, before, "", 0, 0), 0);
        same(h->db, place);
    }
    /* and between the new one and taking off the old one */
    attributes(h->db, before);
    visit(h->db, 1, place);
    assert_int_equal(setxattr(h->db, before, "", 0, 0), 0);
    same(h->db, place);
    assert_int_equal(attributes(h->db, after), 1);
}

/* ---- another one in its place ---- */

static void an_older_database_copied_over_it(void **state)
{
    struct home *h = *state;
    uint8_t place[32], second[32], third[32];
    char one[ROOM], two[ROOM];
    snprintf(one, sizeof one, "%s/one", h->dir);
    snprintf(two, sizeof two, "%s/two", h->dir);
    visit(h->db, 3, place);
    need_attributes(h->db);
    copy_bytes(h->db, one);
    same(h->db, place);
    copy_bytes(h->db, two); /* newer, and yet old when it comes back */
    same(h->db, place);
    copy_bytes(one, h->db);
    visit(h->db, 0, second); /* nothing is written: noticed, but not for good */
    assert_memory_not_equal(place, second, 32);
    other(h->db, place, second);
    copy_bytes(two, h->db);
    other(h->db, second, third);
    assert_memory_not_equal(place, third, 32);
    copy_bytes(one, h->db); /* the same backup once more */
    other(h->db, third, second);
    assert_memory_not_equal(place, second, 32);
}

/* A backup that was made while the daemon ran, put back before it was started again. */
static void set_back_within_one_start(void **state)
{
    struct home *h = *state;
    uint8_t place[32], now[32];
    char copy[ROOM];
    snprintf(copy, sizeof copy, "%s/copy", h->dir);
    visit(h->db, 1, place);
    need_attributes(h->db);
    copy_bytes(h->db, copy);
    visit(h->db, 1, now);
    copy_bytes(copy, h->db);
    other(h->db, place, now);
}

static void attributes_and_all(void **state)
{
    struct home *h = *state;
    uint8_t place[32], now[32];
    char copy[ROOM], name[64];
    snprintf(copy, sizeof copy, "%s/copy", h->dir);
    visit(h->db, 3, place);
    need_attributes(h->db);
    copy_bytes(h->db, copy);
    copy_attributes(h->db, copy);
    same(h->db, place);
    copy_bytes(copy, h->db);
    copy_attributes(copy, h->db);
    assert_int_equal(attributes(h->db, name), 2);
    other(h->db, place, now);
    assert_int_equal(attributes(h->db, name), 1);
}

static void a_copy_is_another_file(void **state)
{
    struct home *h = *state;
    uint8_t place[32], now[32];
    char copy[ROOM], second[ROOM];
    snprintf(copy, sizeof copy, "%s/copy", h->dir);
    snprintf(second, sizeof second, "%s/second", h->dir);
    visit(h->db, 3, place);
    copy_bytes(h->db, copy);
    copy_bytes(h->db, second);
    copy_attributes(h->db, second);
    other(copy, place, now);
    other(second, place, now);
    same(h->db, place); /* the first one knows nothing of it */
    assert_int_equal(rename(second, h->db), 0);
    visit(h->db, 1, place);
    assert_memory_equal(place, now, 32); /* moved: still that file */
}

static void the_attribute_was_taken_off(void **state)
{
    struct home *h = *state;
    uint8_t place[32], now[32];
    char name[64];
    visit(h->db, 1, place);
    need_attributes(h->db);
    assert_int_equal(attributes(h->db, name), 1);
    assert_int_equal(removexattr(h->db, name), 0);
    same(h->db, place); /* its row does not say yet that it is there: a crash looks like this */
    assert_int_equal(attributes(h->db, name), 1);
    assert_int_equal(removexattr(h->db, name), 0);
    other(h->db, place, now);
}

/* ---- rows and attributes as anybody may write them ---- */

static int an_open_file(const struct home *h)
{
    char path[ROOM];
    snprintf(path, sizeof path, "%s/file", h->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void rows_of_all_kinds(void **state)
{
    int fd = an_open_file(*state);
    uint8_t row[PLACE_ROW + 1] = {0};
    struct place p;
    for (size_t n = 1; n <= sizeof row; n++) {
        place_look(&p, fd, BYTES(row, n));
        assert_int_equal(p.copied, n != PLACE_ROW);
    }
    memset(row, 0xFF, sizeof row);
    place_look(&p, fd, BYTES(row, PLACE_ROW));
    assert_true(p.copied);
    place_row(&p, row);
    assert_true(get_u64(row) < UINT64_C(1) << 47);
    close(fd);
}

static void attributes_of_all_kinds(void **state)
{
    static const char *const names[] = {
        "", "0", "00000000000", "0000000000000", "00000000000g", "ffffffffffff", "000000000001x"};
    int fd = an_open_file(*state);
    struct place p;
    uint8_t row[PLACE_ROW];
    char name[64];
    place_look(&p, fd, BYTES_NONE);
    place_row(&p, row);
    place_mark(&p, fd);
    if (!p.marked) skip();
    place_row(&p, row);
    place_mark(&p, fd);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(name, sizeof name, PLACE_ATTRIBUTE "%s", names[i]);
        assert_int_equal(fsetxattr(fd, name, "junk", 4, 0), 0);
        place_look(&p, fd, BYTES_OF(row));
        assert_false(p.copied);
    }
    close(fd);
}

/* The highest count that is believed, and above it: noticed, and quiet again after a start or two. */
static void the_highest_count(void **state)
{
    static const char *const names[] = {"3fffffffffff", "400000000000"};
    const struct home *h = *state;
    uint8_t before[32], now[32];
    char name[64];
    visit(h->db, 2, before);
    need_attributes(h->db);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(name, sizeof name, PLACE_ATTRIBUTE "%s", names[i]);
        assert_int_equal(setxattr(h->db, name, "", 0, 0), 0);
        visit(h->db, 2, now);
        visit(h->db, 2, now);
        same(h->db, now);
    }
}

/* As on a file system without them: nothing is missing there. */
static void without_attributes(void **state)
{
    struct place p;
    uint8_t row[PLACE_ROW], id[32];
    (void)state;
    place_look(&p, -1, BYTES_NONE);
    memcpy(id, p.id, 32);
    for (int i = 0; i < 3; i++) {
        place_row(&p, row);
        place_mark(&p, -1);
        assert_false(p.marked);
        row[16] = 1; /* it had some before */
        place_look(&p, -1, BYTES_OF(row));
        assert_false(p.copied);
        assert_memory_equal(p.id, id, 32);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_home, drop_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_stays_is_the_same),
        TEST(kill_9_at_any_moment),
        TEST(a_crash_between_row_and_attribute),
        TEST(an_older_database_copied_over_it),
        TEST(set_back_within_one_start),
        TEST(attributes_and_all),
        TEST(a_copy_is_another_file),
        TEST(the_attribute_was_taken_off),
        TEST(rows_of_all_kinds),
        TEST(attributes_of_all_kinds),
        TEST(the_highest_count),
        TEST(without_attributes),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
