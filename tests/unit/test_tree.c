/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant */
/* The tree: rules of records, conflicts, snapshots, the same tree for everybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "core/files/tree_private.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "unit/fields_mutate.h"
#include "unit/tree_author.h"

#include <stdio.h>

static void listing(const struct author *a, const char *dir, bool deep, const char *want)
{
    struct buf b = BUF_INIT;
    assert_true(tree_list(a->t, bytes_str(dir), deep, join, &b));
    buf_u8(&b, 0);
    assert_string_equal((const char *)b.p, want);
    buf_free(&b);
}

static void files_and_folders(void **state)
{
    (void)state;
    struct author a;
    author_start(&a);
    assert_int_equal(put(&a, 1, "docs/a.txt", NULL, "one"), TREE_APPLIED);
    assert_int_equal(mkdir_(&a, "docs"), TREE_IGNORED);
    assert_int_equal(mkdir_(&a, "docs b"), TREE_APPLIED);
    assert_int_equal(put(&a, 1, "docs/x/y", NULL, "two"), TREE_APPLIED);
    assert_int_equal(put(&a, 1, "\xff\x01", NULL, "three"), TREE_APPLIED);
    listing(&a, "", false, "docs/|docs b/|\xff\x01|");
    listing(&a, "", true, "docs/|docs b/|docs/a.txt|docs/x/|docs/x/y|\xff\x01|");
    listing(&a, "docs", false, "docs/a.txt|docs/x/|");
    assert_false(tree_list(a.t, bytes_str("docs/a.txt"), false, join, NULL));
    assert_false(tree_list(a.t, bytes_str("nothing"), false, join, NULL));

    assert_int_equal(put(&a, 1, "docs/a.txt", "one", "four"), TREE_APPLIED);
    assert_true(has(&a, "docs/a.txt", "four"));
    assert_int_equal(rm(&a, "docs/x", NULL), TREE_IGNORED); /* not empty */
    assert_int_equal(rm(&a, "docs/x/y", "one"), TREE_IGNORED);
    assert_int_equal(rm(&a, "docs/x/y", "two"), TREE_APPLIED);
    assert_int_equal(rm(&a, "docs/x", NULL), TREE_APPLIED);
    assert_int_equal(rm(&a, "docs/x", NULL), TREE_IGNORED);

    assert_int_equal(put(&a, 1, "docs/deep/er/file", NULL, "five"), TREE_APPLIED);
    assert_int_equal(mv(&a, "docs", "new/place"), TREE_APPLIED);
    listing(&a, "", true,
            "docs b/|new/|new/place/|new/place/a.txt|new/place/deep/|new/place/deep/er/|"
            "new/place/deep/er/file|\xff\x01|");
    assert_int_equal(mv(&a, "new", "new/place/inside"), TREE_IGNORED);
    assert_int_equal(mv(&a, "new/place", "a"), TREE_APPLIED);
    assert_true(has(&a, "a/deep/er/file", "five"));
    assert_int_equal(mv(&a, "a/a.txt", "z.txt"), TREE_APPLIED);
    assert_true(has(&a, "z.txt", "four"));
    assert_int_equal(mv(&a, "gone", "z"), TREE_IGNORED);
    assert_int_equal(tree_path_check(bytes_str("a//b")), ST_USAGE);
    assert_int_equal(tree_path_check(bytes_str("/a")), ST_USAGE);
    assert_int_equal(tree_path_check(bytes_str("a/../b")), ST_USAGE);
    assert_int_equal(tree_path_check(bytes_str("a/.")), ST_USAGE);
    assert_int_equal(tree_path_check(BYTES("a\0b", 3)), ST_USAGE);
    assert_int_equal(tree_path_check(bytes_str("a\nb/...")), ST_OK);
    author_free(&a);
}

static void stale_bases_lose_nothing(void **state)
{
    (void)state;
    struct author a;
    author_start(&a);
    put(&a, 1, "plan.txt", NULL, "v1");
    assert_int_equal(put(&a, 2, "plan.txt", "v1", "v2"), TREE_APPLIED);
    assert_int_equal(put(&a, 3, "plan.txt", "v1", "v3"), TREE_CONFLICT);
    assert_string_equal(a.seen.path, "plan.conflict-3-2.txt");
    assert_true(has(&a, "plan.txt", "v2"));
    assert_true(has(&a, "plan.conflict-3-2.txt", "v3"));
    assert_int_equal(put(&a, 3, "plan.txt", NULL, "v4"), TREE_CONFLICT);
    /* A change wins over a removal, in either order. */
    assert_int_equal(rm(&a, "plan.txt", "v1"), TREE_IGNORED);
    assert_int_equal(rm(&a, "plan.txt", "v2"), TREE_APPLIED);
    assert_int_equal(put(&a, 2, "plan.txt", "v2", "v5"), TREE_APPLIED);
    /* A file in the way of a folder. */
    assert_int_equal(put(&a, 2, "plan.txt/inner", NULL, "v6"), TREE_CONFLICT);
    assert_int_equal(mkdir_(&a, "plan.txt"), TREE_CONFLICT);
    assert_int_equal(mkdir_(&a, "dir"), TREE_APPLIED);
    assert_int_equal(put(&a, 2, "dir", NULL, "v7"), TREE_CONFLICT);
    assert_int_equal(mv(&a, "plan.txt", "dir"), TREE_CONFLICT);
    /* Long names stay within their bounds. */
    char name[TREE_NAME_MAX + 5];
    memset(name, 'n', TREE_NAME_MAX);
    memcpy(name + TREE_NAME_MAX - 4, ".jpg", 5);
    assert_int_equal(put(&a, 2, name, NULL, "v8"), TREE_APPLIED);
    assert_int_equal(put(&a, 2, name, NULL, "v9"), TREE_CONFLICT);
    assert_int_equal(strlen(a.seen.path), TREE_NAME_MAX);
    assert_string_equal(a.seen.path + TREE_NAME_MAX - 4, ".jpg");
    /* The same again changes nothing. */
    assert_int_equal(put(&a, 2, name, NULL, "v8"), TREE_IGNORED);
    author_free(&a);
}

static void placed_rows(void **state)
{
    (void)state;
    struct author a;
    author_start(&a);
    struct tree_segment s = {.id = {1}, .rows = 2, .k = 1, .n = 3, .at = {4, 5, PLACE_NOBODY}};
    sha256(bytes_str("one"), s.version);
    tree_body_start(&a.body);
    assert_int_equal(tree_add_placed(&a.body, &s), ST_OK);
    struct tree_from from = {1, 1, 1000};
    assert_int_equal(tree_take(a.t, TREE_PLACED, buf_view(&a.body), &from, note, &a.seen), ST_OK);
    assert_false(tree_needs(a.t, s.id));
    put(&a, 1, "f", NULL, "one");
    assert_true(tree_needs(a.t, s.id));
    assert_true(tree_known(a.t, s.version));
    /* later rows add, and never unsay what the segment is */
    s.at[0] = PLACE_NOBODY;
    s.at[2] = 9;
    tree_body_start(&a.body);
    assert_int_equal(tree_add_placed(&a.body, &s), ST_OK);
    fold(&a, 1);
    const struct tree_segment *got = tree_segment(a.t, s.id);
    assert_int_equal(got->at[0], 4);
    assert_int_equal(got->at[2], 9);
    /* a column is lost only where it is: with another holder, or twice, nothing happens */
    static const struct {
        uint8_t index;
        uint16_t holder, then;
    } losses[] = {
        {2, 8, 9}, {2, 9, PLACE_LOST}, {2, 9, PLACE_LOST}, {2, PLACE_LOST, PLACE_LOST}, {3, 9, 0}};
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        tree_body_start(&a.body);
        assert_int_equal(tree_add_loss(&a.body, s.id, losses[i].index, losses[i].holder), ST_OK);
        from.index++;
        assert_int_equal(tree_take(a.t, TREE_PLACED, buf_view(&a.body), &from, note, &a.seen),
                         ST_OK);
        assert_int_equal(a.seen.effect, i == 1 ? TREE_APPLIED : TREE_IGNORED);
        assert_int_equal(tree_segment(a.t, s.id)->at[losses[i].index], losses[i].then);
    }
    s.at[2] = PLACE_LOST; /* no PLACED row says so */
    s.at[0] = PLACE_LOST;
    tree_body_start(&a.body);
    assert_int_equal(tree_add_placed(&a.body, &s), ST_OK);
    fold(&a, 1);
    assert_int_equal(tree_segment(a.t, s.id)->at[0], 4);
    s.at[2] = 9;
    tree_body_start(&a.body);
    assert_int_equal(tree_add_placed(&a.body, &s), ST_OK);
    fold(&a, 1);
    assert_int_equal(tree_segment(a.t, s.id)->at[2], 9);
    s.root[0] = 7;
    tree_body_start(&a.body);
    assert_int_equal(tree_add_placed(&a.body, &s), ST_OK);
    fold(&a, 1);
    assert_int_equal(a.seen.effect, TREE_IGNORED);
    assert_int_equal(tree_segment(a.t, s.id)->root[0], 0);
    /* trash keeps it for thirty days */
    rm(&a, "f", "one");
    assert_true(tree_needs(a.t, s.id));
    a.now = 1000 * a.index + TREE_TRASH_MS - 1000;
    mkdir_(&a, "near");
    assert_true(tree_needs(a.t, s.id));
    a.now += 3000;
    mkdir_(&a, "past");
    assert_false(tree_needs(a.t, s.id));
    assert_null(tree_segment(a.t, s.id));
    /* a PLACED entry holds nothing else */
    tree_body_start(&a.body);
    assert_int_equal(tree_add_mkdir(&a.body, bytes_str("d")), ST_OK);
    assert_int_not_equal(tree_take(a.t, TREE_PLACED, buf_view(&a.body), &from, note, &a.seen),
                         ST_OK);
    author_free(&a);
}

static void bad_bodies_change_nothing(void **state)
{
    (void)state;
    struct author a;
    author_start(&a);
    put(&a, 1, "x", NULL, "one");
    uint8_t before[32], after[32], zero[32] = {0};
    struct tree_file f;
    struct tree_from from = {7, 1, 1};
    file_of(&f, "two");
    tree_body_start(&a.body);
    assert_int_equal(tree_add_mkdir(&a.body, bytes_str("first")), ST_OK);
    assert_int_equal(tree_add_put(&a.body, bytes_str("y"), zero, &f), ST_OK);
    tree_hash(a.t, before);
    for (size_t n = 0; n < a.body.n; n++) {
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, a.body.p, n);
        assert_int_not_equal(tree_take(a.t, TREE_OP, BYTES(cut, n), &from, note, &a.seen), ST_OK);
        free(cut);
    }
    buf_u8(&a.body, 0);
    assert_int_not_equal(tree_take(a.t, TREE_OP, buf_view(&a.body), &from, note, &a.seen), ST_OK);
    tree_hash(a.t, after);
    assert_memory_equal(before, after, 32);
    /* a version that is not the manifest's hash is ignored */
    f.version[0] ^= 1;
    tree_body_start(&a.body);
    assert_int_equal(tree_add_put(&a.body, bytes_str("y"), zero, &f), ST_OK);
    fold(&a, 1);
    assert_int_equal(a.seen.effect, TREE_IGNORED);
    fields_mutate(&tree_put_fields,
                  &(struct tree_put){.path = bytes_str("p"), .manifest = bytes_str("m")});
    fields_mutate(&tree_mkdir_fields, &(struct tree_mkdir){.path = bytes_str("p")});
    fields_mutate(&tree_mv_fields, &(struct tree_mv){.from = bytes_str("p"), .to = bytes_str("q")});
    fields_mutate(&tree_rm_fields, &(struct tree_rm){.path = bytes_str("p")});
    fields_mutate(&tree_keep_set_fields, &(struct tree_keep_set){.keep = 1});
    fields_mutate(&tree_wrap_set_fields, &(struct tree_wrap_set){.epoch = 1});
    uint8_t at[6] = {0};
    fields_mutate(&tree_at_fields, &(struct tree_at){.k = 1, .at = {at, 3}});
    fields_mutate(&tree_loss_fields, &(struct tree_loss){.index = 1, .holder = 2});
    author_free(&a);
}

/* --- a random life -------------------------------------------------------------------------- */

struct dice {
    uint64_t s;
};

static unsigned roll(struct dice *d, unsigned n)
{
    d->s = d->s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(d->s >> 33) % n;
}

static void random_path(struct dice *d, char *path)
{
    unsigned depth = 1 + roll(d, 3);
    size_t n = 0;
    for (unsigned i = 0; i < depth; i++) {
        if (i) path[n++] = '/';
        path[n++] = (char)("ab .\x7f"[roll(d, 3)]);
        path[n++] = (char)("xy-"[roll(d, 3)]);
    }
    path[n] = 0;
}

static bool pick(void *arg, const struct tree_node *n)
{
    void **a = arg;
    struct dice *d = a[0];
    struct tree_node *to = a[1];
    if (!n->dir && (!to->path.n || roll(d, 3) == 0)) *to = *n;
    return true;
}

/* One entry of one to three records, with bases that are now right, now stale. */
static void random_entry(struct dice *d, const struct author *a, struct buf *body, unsigned turn)
{
    static const uint8_t zero[32];
    tree_body_start(body);
    for (unsigned i = 1 + roll(d, 3); i > 0; i--) {
        char path[64], other[64], content[64];
        struct tree_file f;
        struct tree_node some = {.path = BYTES_NONE};
        void *arg[2] = {d, &some};
        random_path(d, path);
        random_path(d, other);
        tree_list(a->t, BYTES_NONE, true, pick, arg);
        const uint8_t *base = roll(d, 3) ? some.file.version : zero;
        struct bytes at = roll(d, 2) && some.path.n ? some.path : bytes_str(path);
        snprintf(content, sizeof content, "content %u %u", turn, i);
        file_of(&f, content);
        f.epoch = turn;
        switch (roll(d, 6)) {
        case 0:
        case 1: assert_int_equal(tree_add_put(body, at, base, &f), ST_OK); break;
        case 2: assert_int_equal(tree_add_mkdir(body, bytes_str(path)), ST_OK); break;
        case 3: assert_int_equal(tree_add_mv(body, at, bytes_str(other), base), ST_OK); break;
        case 4:
            assert_int_equal(tree_add_keep(body, roll(d, 2) ? TREE_KEEP_SAME : roll(d, 3)), ST_OK);
            break;
        default: assert_int_equal(tree_add_rm(body, at, base), ST_OK); break;
        }
    }
}

static void well_formed(const struct tree *t)
{
    for (size_t i = 0; i < t->nodes.n; i++) {
        const struct tree_node *n = t->nodes.p[i];
        assert_int_equal(tree_path_check(n->path), ST_OK);
        size_t up = n->path.n;
        while (up && n->path.p[up - 1] != '/') up--;
        if (up) {
            const struct tree_node *dir = tree_find(t, BYTES(n->path.p, up - 1));
            assert_true(dir && dir->dir);
        }
        bool found;
        assert_int_equal(tree_seek(t, n->path, &found), i);
        assert_true(found);
    }
    assert_int_equal(t->past.n, t->order.n);
    for (size_t i = 0; i < t->past.n; i++) {
        const struct tree_past *e = t->past.p[i];
        const struct tree_past *o = t->order.p[i];
        const struct tree_node *n = tree_find(t, e->path);
        assert_true(e->removed || (n && !n->dir)); /* only replaced: the file lives */
        assert_non_null(tree_version_find(t, e->file.version));
        if (i) assert_true(((const struct tree_past *)t->order.p[i - 1])->gone < o->gone);
    }
}

static enum status rewrap(void *arg, const uint8_t version[32], uint64_t *epoch,
                          uint8_t wrap[TREE_WRAP])
{
    (void)version;
    *epoch = *(uint64_t *)arg;
    memset(wrap, 0x77, TREE_WRAP);
    return ST_OK;
}

static void everybody_folds_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct dice d = {seed};
        struct author a, late;
        author_start(&a);
        author_start(&late);
        bool joined = false;
        uint64_t now = 1000;
        for (unsigned turn = 0; turn < 120; turn++) {
            random_entry(&d, &a, &a.body, turn);
            /* clocks that lie: now by seconds, now by months, back too */
            now += (uint64_t)1 << roll(&d, 32);
            struct tree_from from = {turn, (uint16_t)roll(&d, 4), now >> (roll(&d, 8) ? 0 : 1)};
            assert_int_equal(tree_take(a.t, TREE_OP, buf_view(&a.body), &from, note, &a.seen),
                             ST_OK);
            if (joined)
                assert_int_equal(
                    tree_take(late.t, TREE_OP, buf_view(&a.body), &from, note, &late.seen), ST_OK);
            well_formed(a.t);
            if (!joined && turn > 20 && roll(&d, 60) == 0) {
                struct buf snap = BUF_INIT;
                struct tree_snap s;
                uint8_t chain[32] = {3};
                uint64_t epoch = 99;
                assert_int_equal(tree_snap_build(a.t, turn, chain, rewrap, &epoch, &snap), ST_OK);
                assert_int_equal(tree_snap_read(buf_view(&snap), &s), ST_OK);
                assert_int_equal(tree_load(late.t, s.state), ST_OK);
                uint8_t hash[32];
                tree_hash(late.t, hash);
                assert_memory_equal(hash, s.hash, 32); /* wraps are left out */
                joined = true;
                for (size_t n = 0; n < snap.n; n += 1 + n / 16) {
                    struct tree *t = tree_new();
                    if (tree_snap_read(BYTES(snap.p, n), &s) == ST_OK)
                        assert_int_not_equal(tree_load(t, s.state), ST_OK);
                    tree_free(t);
                }
                buf_free(&snap);
            }
        }
        uint8_t one[32], two[32];
        tree_hash(a.t, one);
        tree_hash(late.t, two);
        if (joined) assert_memory_equal(one, two, 32);
        struct buf state_bytes = BUF_INIT;
        struct tree *again = tree_new();
        assert_int_equal(tree_save(a.t, &state_bytes), ST_OK);
        assert_int_equal(tree_load(again, buf_view(&state_bytes)), ST_OK);
        tree_hash(again, two);
        assert_memory_equal(one, two, 32);
        assert_int_equal(again->versions.n, a.t->versions.n);
        buf_free(&state_bytes);
        tree_free(again);
        author_free(&a);
        author_free(&late);
    }
}

static enum tree_effect keep(struct author *a, enum tree_keep k)
{
    tree_body_start(&a->body);
    assert_int_equal(tree_add_keep(&a->body, k), ST_OK);
    fold(a, 1);
    return a->seen.effect;
}

static bool add_past(void *arg, const struct tree_past *e)
{
    struct buf *b = arg;
    buf_bytes(b, e->path);
    buf_u8(b, '=');
    buf_bytes(b, e->file.manifest);
    buf_str(b, e->removed ? "!|" : "|");
    return true;
}

/* Versions of a path, "path=content|", removed ones with a mark. */
static void past(const struct author *a, const char *path, const char *want)
{
    struct buf b = BUF_INIT;
    tree_past_of(a->t, bytes_str(path), false, add_past, &b);
    buf_u8(&b, 0);
    assert_string_equal((const char *)b.p, want);
    buf_free(&b);
}

static void versions_follow_their_file(void **state)
{
    (void)state;
    struct author a;
    author_start(&a);
    put(&a, 1, "d/f", NULL, "1");
    put(&a, 1, "d/f", "1", "2");
    put(&a, 1, "d/f", "2", "3");
    past(&a, "d/f", "d/f=1|d/f=2|");
    uint64_t serial = tree_find(a.t, bytes_str("d/f"))->serial;
    assert_int_equal(mv(&a, "d", "e"), TREE_APPLIED);
    past(&a, "d/f", "");
    past(&a, "e/f", "e/f=1|e/f=2|");
    assert_int_equal(tree_find(a.t, bytes_str("e/f"))->serial, serial);
    /* removed: all of them are in the trash, and come back with a put */
    rm(&a, "e/f", "3");
    past(&a, "e/f", "e/f=1!|e/f=2!|e/f=3!|");
    put(&a, 2, "other", NULL, "o");
    assert_int_equal(mv(&a, "other", "e/f"), TREE_APPLIED); /* another file has the name */
    past(&a, "e/f", "e/f=1!|e/f=2!|e/f=3!|");
    assert_int_equal(mv(&a, "e/f", "other"), TREE_APPLIED);
    past(&a, "other", "");
    assert_int_equal(put(&a, 2, "e/f", NULL, "2"), TREE_APPLIED); /* a restore */
    past(&a, "e/f", "e/f=1|e/f=2|e/f=3|");
    assert_true(tree_find(a.t, bytes_str("e/f"))->serial > serial);
    /* the same version lives and is past: it goes with the last of them */
    uint8_t id[32];
    sha256(bytes_str("2"), id);
    rm(&a, "e/f", "2");
    assert_true(tree_known(a.t, id));
    a.now = 1000 * a.index + TREE_TRASH_MS + 1000;
    mkdir_(&a, "late");
    assert_true(tree_known(a.t, id)); /* one clock alone does not do it */
    tree_body_start(&a.body);
    fold(&a, 2);
    assert_false(tree_known(a.t, id));
    past(&a, "e/f", "");
    assert_int_equal(a.t->order.n, 0);
    author_free(&a);
}

#define MINUTE UINT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static bool count_past(void *arg, const struct tree_past *e)
{
    (void)e;
    ++*(size_t *)arg;
    return true;
}

static size_t count(const struct author *a)
{
    size_t n = 0;
    tree_past_each(a->t, count_past, &n);
    return n;
}

/* A version every ten seconds for a while, then what time makes of them. */
static void staggered(void **state)
{
    (void)state;
    struct author a;
    char base[32] = "v0";
    author_start(&a);
    a.now = 100 * DAY;
    put(&a, 1, "f", NULL, base);
    for (unsigned i = 1; i <= 360; i++) {
        char next[32];
        a.now += 10000;
        snprintf(next, sizeof next, "v%u", i);
        put(&a, 1, "f", base, next);
        memcpy(base, next, sizeof base);
    }
    /* within the hour one each 30 s; the newest four stay whatever their time */
    assert_in_range(count(&a), 120, 124);
    a.now += 2 * HOUR;
    size_t due = 0;
    tree_due(a.t, 1, a.now, count_past, &due);
    keep(&a, TREE_KEEP_SAME);
    size_t left = count(&a);
    assert_in_range(left, 5, 6); /* one an hour, and the newest four */
    assert_in_range(due, 114, 119);
    /* nobody else thins out what is left, and the first version is still there */
    keep(&a, TREE_KEEP_SAME);
    assert_int_equal(count(&a), left);
    put(&a, 1, "f", base, "new");
    a.now += 100 * DAY;
    keep(&a, TREE_KEEP_SAME);
    assert_int_equal(((const struct tree_past *)a.t->past.p[0])->file.manifest.n, 2);
    /* weeks are kept: one version a day for 70 days and the first */
    memcpy(base, "new", 4);
    for (unsigned i = 0; i < 70; i++) {
        char next[32];
        a.now += DAY;
        snprintf(next, sizeof next, "d%u", i);
        put(&a, 1, "f", base, next);
        memcpy(base, next, sizeof base);
    }
    assert_in_range(count(&a), 30 + 5, 30 + 16);
    /* none: they go the way of removed files */
    keep(&a, TREE_KEEP_NONE);
    a.now += 31 * DAY;
    mkdir_(&a, "x");
    assert_int_equal(count(&a), 0);
    tree_body_start(&a.body);
    assert_int_equal(tree_add_keep(&a.body, (enum tree_keep)7), ST_OK);
    fold(&a, 1);
    assert_int_equal(a.seen.effect, TREE_IGNORED);
    author_free(&a);
}

/* One clock that runs wild empties no trash; two that agree do. */
static void one_lying_clock_does_little(void **state)
{
    (void)state;
    struct author a;
    author_start(&a);
    a.now = 100 * DAY;
    put(&a, 1, "f", NULL, "one");
    put(&a, 2, "g", NULL, "two");
    rm(&a, "f", "one");
    for (unsigned i = 0; i < 100; i++) {
        a.now = (uint64_t)100000 * DAY + i;
        tree_body_start(&a.body);
        fold(&a, 3);
    }
    assert_int_equal(count(&a), 1);
    assert_true(a.t->clock.ms <= 100 * DAY + 102 * TREE_LEAP_MS);
    /* what is removed under the wild clock stays long; it harms nothing else */
    a.now = 120 * DAY;
    mkdir_(&a, "d");
    assert_int_equal(count(&a), 1);
    a.now = 131 * DAY;
    tree_body_start(&a.body);
    fold(&a, 1);
    assert_int_equal(count(&a), 0);
    author_free(&a);
}

static void placed(struct author *a, uint8_t id, const char *version)
{
    struct tree_segment s = {.id = {id}, .rows = 1, .k = 1, .n = 2, .at = {1, 2}};
    sha256(bytes_str(version), s.version);
    tree_body_start(&a->body);
    assert_int_equal(tree_add_placed(&a->body, &s), ST_OK);
    fold(a, 1);
}

static bool segment_there(const struct author *a, uint8_t id)
{
    uint8_t whole[32] = {id};
    return tree_needs(a->t, whole);
}

static enum tree_effect put_using(struct author *a, const char *path, const char *content,
                                  const uint8_t *ids, size_t n)
{
    struct tree_file f;
    uint8_t zero[32] = {0}, uses[64] = {0};
    file_of(&f, content);
    for (size_t i = 0; i < n; i++) uses[32 * i] = ids[i];
    f.uses = BYTES(uses, 32 * n);
    tree_body_start(&a->body);
    assert_int_equal(tree_add_put(&a->body, bytes_str(path), zero, &f), ST_OK);
    fold(a, 1);
    return a->seen.effect;
}

/* A segment stays as long as any version refers to it. */
static void shared_segments(void **state)
{
    (void)state;
    struct author a;
    author_start(&a);
    placed(&a, 1, "one");
    placed(&a, 2, "one");
    put(&a, 1, "f", NULL, "one");
    placed(&a, 3, "two");
    assert_int_equal(put_using(&a, "g", "two", (const uint8_t[]){1}, 1), TREE_APPLIED);
    size_t n = 0;
    uint8_t two[32];
    sha256(bytes_str("two"), two);
    for (size_t i = 0; i < a.t->segments.n; i++)
        n += ((struct tree_segment *)a.t->segments.p[i])->users;
    assert_int_equal(n, 1);
    assert_int_equal(put_using(&a, "h", "bad", (const uint8_t[]){9}, 1), TREE_IGNORED);
    assert_int_equal(put_using(&a, "h", "bad", (const uint8_t[]){2, 1}, 2), TREE_IGNORED);
    assert_int_equal(put_using(&a, "h", "two", (const uint8_t[]){2}, 1), TREE_IGNORED);
    rm(&a, "f", "one");
    assert_true(segment_there(&a, 2));
    a.now = 1000 * a.index + TREE_TRASH_MS + 1000;
    mkdir_(&a, "late");
    assert_true(segment_there(&a, 1)); /* g lives in it */
    assert_false(segment_there(&a, 2));
    assert_true(segment_there(&a, 3));
    /* the same from a saved state */
    struct buf bytes = BUF_INIT;
    struct author b = {.t = tree_new(), .index = a.index, .now = a.now, .body = BUF_INIT};
    assert_int_equal(tree_save(a.t, &bytes), ST_OK);
    assert_int_equal(tree_load(b.t, buf_view(&bytes)), ST_OK);
    buf_free(&bytes);
    rm(&b, "g", "two");
    b.now += TREE_TRASH_MS + 1000;
    n = 0;
    tree_due(b.t, 1, b.now, count_past, &n);
    assert_int_equal(n, 1);
    assert_int_equal(tree_due_bytes(b.t), 2 * 65536); /* segment 3 for sure; 1 is shared */
    mkdir_(&b, "later");
    assert_false(segment_there(&b, 1));
    assert_false(segment_there(&b, 3));
    assert_int_equal(b.t->segments.n, 0);
    assert_int_equal(b.t->owned.n, 0);
    author_free(&a);
    author_free(&b);
}

static bool even_wraps(void *arg, const uint8_t version[32], struct bytes manifest, uint64_t epoch,
                       const uint8_t wrap[TREE_WRAP])
{
    (void)version;
    (void)manifest;
    (void)epoch;
    (void)arg;
    return wrap[0] % 2 == 0;
}

static enum tree_effect rewrap_to(struct author *a, const char *content, uint64_t epoch, uint8_t w)
{
    uint8_t id[32], wrap[TREE_WRAP] = {w};
    sha256(bytes_str(content), id);
    tree_body_start(&a->body);
    assert_int_equal(tree_add_wrap(&a->body, id, epoch, wrap), ST_OK);
    fold(a, 1);
    return a->seen.effect;
}

static void wraps_are_checked(void **state)
{
    (void)state;
    struct author a;
    uint8_t id[32], wrap[TREE_WRAP], before[32], after[32];
    uint64_t epoch;
    author_start(&a);
    put(&a, 1, "f", NULL, "one");
    sha256(bytes_str("one"), id);
    assert_int_equal(rewrap_to(&a, "one", 3, 2), TREE_IGNORED); /* nobody can check it */
    tree_on_wrap(a.t, even_wraps, NULL);
    tree_hash(a.t, before);
    assert_int_equal(rewrap_to(&a, "one", 3, 1), TREE_IGNORED);
    assert_int_equal(rewrap_to(&a, "one", 3, 4), TREE_APPLIED);
    assert_int_equal(rewrap_to(&a, "one", 3, 6), TREE_APPLIED); /* not newer: nothing changes */
    assert_int_equal(rewrap_to(&a, "two", 3, 6), TREE_IGNORED);
    assert_true(tree_wrap(a.t, id, &epoch, wrap));
    assert_int_equal(epoch, 3);
    assert_int_equal(wrap[0], 4);
    rm(&a, "f", "one");
    put(&a, 1, "f", NULL, "one"); /* a restore brings no old wrap back */
    assert_true(tree_wrap(a.t, id, &epoch, wrap));
    assert_int_equal(epoch, 3);
    tree_hash(a.t, after);
    assert_memory_not_equal(before, after, 32);
    author_free(&a);
}

static void trash_is_bounded(void **state)
{
    (void)state;
    struct author a;
    char base[32] = "v0";
    author_start(&a);
    keep(&a, TREE_KEEP_ALL);
    put(&a, 1, "f", NULL, base);
    for (unsigned i = 1; i < TREE_PAST_MAX + 100; i++) {
        char next[32];
        snprintf(next, sizeof next, "v%u", i);
        assert_int_equal(put(&a, 1, "f", base, next), TREE_APPLIED);
        memcpy(base, next, sizeof base);
    }
    assert_int_equal(a.t->past.n, TREE_PAST_MAX);
    assert_int_equal(a.t->order.n, TREE_PAST_MAX);
    assert_int_equal(a.t->versions.n, TREE_PAST_MAX + 1);
    author_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_folders),
        cmocka_unit_test(stale_bases_lose_nothing),
        cmocka_unit_test(placed_rows),
        cmocka_unit_test(bad_bodies_change_nothing),
        cmocka_unit_test(everybody_folds_the_same),
        cmocka_unit_test(versions_follow_their_file),
        cmocka_unit_test(staggered),
        cmocka_unit_test(one_lying_clock_does_little),
        cmocka_unit_test(shared_segments),
        cmocka_unit_test(wraps_are_checked),
        cmocka_unit_test(trash_is_bounded),
    };
    if (crypto_start() != ST_OK) return 1;
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
