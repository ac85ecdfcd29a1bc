/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "storaged/storage_parts.h"

#include "core/files/segment.h"
#include "node/depot/depot.h"
#include "store/private.h"
#include "store/shard_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADDRESS_FILE "address"
#define REBUILT_FILE "rebuilt"

enum status storage_blame(struct storage_fault *fault, enum status st, const char *path)
{
    const char *format = "%.3500s cannot be used: %s";
    if (st == ST_BUSY)
        snprintf(fault->text, sizeof fault->text,
                 "another storaged has %.3500s open: stop it first, or name another directory with "
                 "--data DIR",
                 path);
    else if (st == ST_LOOSE_MODE)
        snprintf(fault->text, sizeof fault->text,
                 "others on this machine may look into %.3500s. Type: chmod -R go-rwx '%.700s'",
                 path, path);
    else if (st == ST_VERSION)
        snprintf(fault->text, sizeof fault->text,
                 "%.3500s was written by a newer version of storaged: use that one", path);
    else if (st == ST_INTEGRITY)
        snprintf(fault->text, sizeof fault->text,
                 "%.3500s is damaged. Type: storaged --data DIR --rebuild-index", path);
    else
        snprintf(fault->text, sizeof fault->text, format, path, status_text(st));
    return st;
}

static void path_in(const struct storage_options *o, const char *name, char ret[STORAGE_PATH_MAX])
{
    snprintf(ret, STORAGE_PATH_MAX, "%.4000s/%s", o->data, name);
}

static enum status open_dir(const struct storage_options *o, struct storage_fault *fault)
{
    if (*o->data == '\0' || strlen(o->data) > 3500) {
        snprintf(fault->text, sizeof fault->text, "which directory? Name one with --data DIR");
        return ST_USAGE;
    }
    enum status st = private_dir(o->data, true);
    return st == ST_OK ? ST_OK : storage_blame(fault, st, o->data);
}

enum status storage_open_key(const struct storage_options *o, struct server_key *ret,
                             struct storage_fault *fault)
{
    char path[STORAGE_PATH_MAX];
    enum status st = open_dir(o, fault);
    if (st != ST_OK) return st;
    path_in(o, "node.key", path);
    st = server_key_open(path, o->env, ret);
    if (st == ST_INTEGRITY)
        snprintf(fault->text, sizeof fault->text,
                 "%.3500s is not a key; put the right one back (with a new one no enclave knows "
                 "this node any more)",
                 path);
    else if (st != ST_OK)
        storage_blame(fault, st, path);
    return st;
}

/* ---- the address ---- */

static bool kept_address(const struct storage_options *o, char *ret, size_t room)
{
    char path[STORAGE_PATH_MAX];
    struct buf b = BUF_INIT;
    path_in(o, ADDRESS_FILE, path);
    bool there = private_read(path, room - 1, &b) == ST_OK && b.n > 1;
    if (there) bytes_text(BYTES(b.p, b.n - 1), ret, room);
    buf_free(&b);
    return there && strrchr(ret, ':') != NULL;
}

enum status storage_last_port(const struct storage_options *o, char *ret, size_t room,
                              const char **ret_colon)
{
    char last[LINK_ADDRESS_MAX + 1];
    const char *colon = strrchr(o->listen, ':');
    if (colon == NULL || strlen(o->listen) >= room) return ST_USAGE;
    memcpy(ret, o->listen, strlen(o->listen) + 1);
    size_t host = (size_t)(colon - o->listen);
    *ret_colon = ret + host;
    if (strcmp(colon, ":0") != 0 || !kept_address(o, last, sizeof last)) return ST_OK;
    const char *port = strrchr(last, ':');
    if (host + strlen(port) < room) memcpy(ret + host, port, strlen(port) + 1);
    return ST_OK;
}

enum status storage_keep_address(const struct storage_options *o, const char *address)
{
    char path[STORAGE_PATH_MAX], text[LINK_ADDRESS_MAX + 2];
    const char *port = strrchr(address, ':');
    int n = *o->announce != '\0' ? snprintf(text, sizeof text, "%.200s%s\n", o->announce, port)
                                 : snprintf(text, sizeof text, "%s\n", address);
    path_in(o, ADDRESS_FILE, path);
    return private_write(path, BYTES(text, (size_t)n), true);
}

/* ---- offers ---- */

enum status storage_offer(const struct storage_options *o, uint64_t quota, char ret[GRANT_TEXT_MAX],
                          struct storage_fault *fault)
{
    struct server_key key = {0};
    struct offer offer = {.address = ""};
    uint8_t nonce[16], secret[32];
    enum status st = storage_open_key(o, &key, fault);
    if (st != ST_OK) return st;
    if (!kept_address(o, offer.address, sizeof offer.address)) {
        snprintf(fault->text, sizeof fault->text,
                 "this node has no address yet. Start it once: storaged --data DIR --listen "
                 "HOST:PORT");
        st = ST_NOT_FOUND;
    }
    if (st == ST_OK) {
        depot_ticket_key(key.seed, secret);
        env_random(o->env, nonce, sizeof nonce);
        grant_ticket_make(secret, quota, env_wall_ms(o->env) + STORAGE_OFFER_MS, nonce,
                          offer.ticket);
        bytes_wipe(secret, sizeof secret);
        memcpy(offer.key, key.public_key, 32);
        st = offer_to_text(&offer, ret);
        if (st != ST_OK)
            snprintf(fault->text, sizeof fault->text,
                     "%.200s is no address that members could dial: name one with --announce HOST",
                     offer.address);
    }
    server_key_free(&key);
    return st;
}

/* ---- looking through ---- */

/* The database's lock: whoever has it is at work among the shards. */
static enum status lock(const struct storage_options *o, int *ret_fd, struct storage_fault *fault)
{
    char path[STORAGE_PATH_MAX];
    enum status st = open_dir(o, fault);
    if (st != ST_OK) return st;
    path_in(o, "state.db.lock", path);
    st = private_lock(path, ret_fd);
    return st == ST_OK ? ST_OK : storage_blame(fault, st, o->data);
}

struct check {
    const char *dir;
    struct storage_found *found;
    void (*bad)(const char *file, enum status why);
    uint8_t *column;
};

static enum status column_fault(const struct check *c, const struct shard_key *key,
                                const char *path)
{
    struct shard_info info;
    struct shard_header header;
    struct shard_trailer trailer;
    uint8_t leaves[SEGMENT_COLUMN_LEAVES * 32], root[32];
    enum status st;
    TRY(shard_file_info(path, &info));
    TRY(segment_header_read(BYTES_OF(info.header), &header));
    if (memcmp(header.segment_id, key->segment_id, 32) != 0 || header.index != key->index)
        return ST_INTEGRITY;
    TRY(shard_file_read(path, 0, c->column, info.units * SHARD_UNIT));
    TRY(segment_trailer_read(BYTES(info.trailer, info.trailer_len), header.k, info.units,
                             &trailer));
    segment_leaves(c->column, info.units * SHARD_UNIT, leaves);
    merkle_root(leaves, info.units * SEGMENT_UNIT_LEAVES, root);
    st = memcmp(root, trailer.root, 32) == 0
             ? segment_trailer_root(&trailer, key->index, header.n, root)
             : ST_INTEGRITY;
out:
    return st;
}

static bool check_one(void *arg, const struct shard_key *key, uint64_t bytes, uint64_t stored_ms)
{
    struct check *c = arg;
    char path[SHARD_PATH_MAX];
    (void)stored_ms;
    enum status st = shard_path(c->dir, key, path);
    if (st == ST_OK) st = column_fault(c, key, path);
    c->found->shards++;
    c->found->bytes += bytes;
    if (st != ST_OK) {
        c->found->rotten++;
        c->bad(path, st);
    }
    return true;
}

enum status storage_check(const struct storage_options *o, struct storage_found *ret,
                          void (*bad)(const char *file, enum status why),
                          struct storage_fault *fault)
{
    char dir[STORAGE_PATH_MAX];
    struct check c = {dir, ret, bad, malloc(SHARD_UNITS_MAX * SHARD_UNIT)};
    int fd = -1;
    enum status st = c.column == NULL ? ST_NO_MEMORY : lock(o, &fd, fault);
    memset(ret, 0, sizeof *ret);
    path_in(o, "shards", dir);
    if (st == ST_OK) {
        st = shard_scan(dir, NULL, check_one, &c);
        if (st == ST_NOT_FOUND) st = ST_OK; /* nothing was ever kept */
        if (st != ST_OK) storage_blame(fault, st, dir);
        private_unlock(fd);
    }
    free(c.column);
    return st;
}

bool storage_rebuilt(const struct storage_options *o)
{
    char path[STORAGE_PATH_MAX];
    path_in(o, REBUILT_FILE, path);
    return access(path, F_OK) == 0;
}

enum status storage_rebuild(const struct storage_options *o, struct storage_fault *fault)
{
    static const char *const parts[] = {"state.db", "state.db-wal", "state.db-shm"};
    char from[STORAGE_PATH_MAX], to[STORAGE_PATH_MAX + 8];
    int fd = -1;
    enum status st = lock(o, &fd, fault);
    if (st != ST_OK) return st;
    for (size_t i = 0; i < 3 && st == ST_OK; i++) {
        path_in(o, parts[i], from);
        snprintf(to, sizeof to, "%s.old", from);
        if (rename(from, to) != 0 && errno != ENOENT) st = private_from_errno(errno);
    }
    if (st == ST_OK) {
        path_in(o, REBUILT_FILE, from);
        st = private_write(from, BYTES_LIT("1\n"), true);
    }
    private_unlock(fd);
    return st == ST_OK ? ST_OK : storage_blame(fault, st, from);
}
