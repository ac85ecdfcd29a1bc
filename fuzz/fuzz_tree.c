/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant */
/*
 * The tree of files as members who mean ill would have it. The first byte says: 0 the rest is a saved
 * state, 1 entries as they come (type u8, length u16, body), 2 a script of operations:
 *
 *     operation u8 | path u8 | other path and base u8
 *
 * Whatever came: each node's folder is there and is one, and the state has one form.
 */
#include "core/files/tree.h"
#include "crypto/hash.h"
#include "fuzz.h"

#include <string.h>

static const char *const names[] = {"a",     "b",     "a/a", "a/b", "b/a", "a/a/a",
                                    "b/b/b", "c\xFF", "",    "..",  "a//b"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static bool folder_is_there(void *arg, const struct tree_node *node)
{
    const struct tree *t = arg;
    size_t n = node->path.n;
    FUZZ_CHECK(tree_path_check(node->path) == ST_OK);
    FUZZ_CHECK(tree_find(t, node->path) == node);
    while (n > 0 && node->path.p[n - 1] != '/') n--;
    if (n == 0) return true;
    const struct tree_node *above = tree_find(t, BYTES(node->path.p, n - 1));
    FUZZ_CHECK(above && above->dir);
    return true;
}

static void whole(struct tree *t)
{
    struct buf once = BUF_INIT, twice = BUF_INIT;
    struct tree *copy = tree_new();
    uint8_t a[32], b[32];
    FUZZ_CHECK(copy);
    FUZZ_CHECK(tree_list(t, BYTES_NONE, true, folder_is_there, t));
    FUZZ_CHECK(tree_save(t, &once) == ST_OK);
    FUZZ_CHECK(tree_load(copy, buf_view(&once)) == ST_OK);
    FUZZ_CHECK(tree_save(copy, &twice) == ST_OK);
    FUZZ_CHECK(bytes_same(buf_view(&once), buf_view(&twice)));
    tree_hash(t, a);
    tree_hash(copy, b);
    FUZZ_CHECK(memcmp(a, b, 32) == 0 && tree_size(t) == tree_size(copy));
    tree_free(copy);
    buf_free(&once);
    buf_free(&twice);
}

static void saved(struct tree *t, struct bytes in)
{
    struct buf again = BUF_INIT;
    if (tree_load(t, in) == ST_OK) {
        FUZZ_CHECK(tree_save(t, &again) == ST_OK);
        FUZZ_CHECK(bytes_same(buf_view(&again), in));
    }
    buf_free(&again);
}

static void entries(struct tree *t, struct cursor in)
{
    struct tree_snap snap;
    for (uint64_t i = 0; i < 64 && in.left >= 3 && !in.bad; i++) {
        struct tree_from from = {i, (uint16_t)(i % 3), i * 1000};
        uint8_t type = cursor_u8(&in);
        uint16_t n = cursor_u16(&in);
        struct bytes body = cursor_take(&in, n < in.left ? n : in.left);
        FUZZ_CHECK(tree_take(t, type, body, &from, NULL, NULL) != ST_BUG);
        if (tree_snap_read(body, &snap) == ST_OK)
            FUZZ_CHECK(snap.state.p >= body.p && snap.state.p + snap.state.n <= body.p + body.n);
    }
}

static void record(const struct tree *t, uint8_t op, uint8_t first, uint8_t second,
                   struct buf *body)
{
    static const uint8_t none[32];
    struct bytes path = bytes_str(names[first % NAMES]), to = bytes_str(names[second % NAMES]);
    const struct tree_node *node = tree_find(t, path);
    const uint8_t *base = node && !node->dir && second < 128 ? node->file.version : none;
    struct tree_file file = {.size = second, .epoch = 1, .manifest = BYTES(&second, 1)};
    struct tree_segment segment = {.rows = 1, .k = 1, .n = 2};
    uint8_t uses[32] = {first};
    enum status st;
    sha256(file.manifest, file.version);
    if (second % 5 == 0) file.uses = BYTES(uses, 32);
    memcpy(segment.version, file.version, 32);
    segment.id[0] = first;
    switch (op % 7) {
    case 0: st = tree_add_put(body, path, base, &file); break;
    case 1: st = tree_add_mkdir(body, path); break;
    case 2: st = tree_add_mv(body, path, to, base); break;
    case 3: st = tree_add_rm(body, path, base); break;
    case 4: st = tree_add_placed(body, &segment); break;
    case 5:
        st = tree_add_keep(body, (enum tree_keep)(second % 4 == 3 ? TREE_KEEP_SAME : second % 4));
        break;
    default: st = tree_add_wrap(body, file.version, first, file.wrap); break;
    }
    /* What a builder refuses it must not have half written. */
    if (st != ST_OK) FUZZ_CHECK(buf_status(body) == ST_OK);
}

static void script(struct tree *t, struct cursor in)
{
    for (uint64_t i = 0; i < 64 && in.left >= 3; i++) {
        struct buf body = BUF_INIT;
        uint8_t op = cursor_u8(&in), first = cursor_u8(&in), second = cursor_u8(&in);
        /* times that leap, also back */
        struct tree_from from = {i, (uint16_t)(second % 3), (uint64_t)1000 << (op % 37)};
        tree_body_start(&body);
        record(t, op, first, second, &body);
        uint8_t type = op % 7 == 4 ? TREE_PLACED : TREE_OP;
        FUZZ_CHECK(tree_take(t, type, buf_view(&body), &from, NULL, NULL) != ST_BUG);
        buf_free(&body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct bytes in = BYTES(data + 1, size - 1);
    struct tree *t = tree_new();
    FUZZ_CHECK(t);
    switch (data[0] % 3) {
    case 0: saved(t, in); break;
    case 1: entries(t, cursor_of(in)); break;
    default: script(t, cursor_of(in)); break;
    }
    if (data[0] % 3 != 0) whole(t);
    tree_free(t);
    return 0;
}
