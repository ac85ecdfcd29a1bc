/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/server.h"

#include "base/encode.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "link/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One line: the word and the seed in base64url. */
#define HEAD "enclave-server-key-1 "
#define HEAD_N (sizeof HEAD - 1)
#define SEED_TEXT (BASE64_SIZE(32) - 1)
#define FILE_N (HEAD_N + SEED_TEXT + 1)

static enum status io_fault(void)
{
    if (errno == ENOENT) return ST_NOT_FOUND;
    if (errno == EACCES || errno == EPERM) return ST_DENIED;
    if (errno == ENOSPC || errno == EDQUOT) return ST_NO_SPACE;
    if (errno == EEXIST) return ST_EXISTS;
    return ST_IO;
}

static enum status load(const char *path, uint8_t seed[32])
{
    enum status st = ST_OK;
    char text[FILE_N + 1];
    struct stat info;
    size_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return io_fault();
    if (fstat(fd, &info) != 0)
        st = ST_IO;
    else if (!S_ISREG(info.st_mode) || (info.st_mode & 077) != 0)
        st = ST_LOOSE_MODE;
    else if (read(fd, text, sizeof text) != (ssize_t)FILE_N || memcmp(text, HEAD, HEAD_N) != 0 ||
             text[FILE_N - 1] != '\n' ||
             base64_decode(text + HEAD_N, SEED_TEXT, seed, 32, &got) != ST_OK || got != 32)
        st = ST_INTEGRITY;
    bytes_wipe(text, sizeof text);
    close(fd);
    return st;
}

/* Whole or not at all: written beside, linked into place. */
static enum status make(const char *path, const struct env *env)
{
    enum status st = ST_OK;
    uint8_t seed[32], tag[8];
    char text[FILE_N + 1] = HEAD, hex[HEX_SIZE(sizeof tag)];
    struct buf beside = BUF_INIT;
    env_random(env, tag, sizeof tag);
    hex_encode(BYTES_OF(tag), hex);
    buf_printf(&beside, "%s.%s", path, hex);
    buf_u8(&beside, 0);
    TRY(buf_status(&beside));
    int fd = open((char *)beside.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        st = io_fault();
        goto out;
    }
    env_random(env, seed, sizeof seed);
    base64_encode(BYTES_OF(seed), text + HEAD_N);
    text[FILE_N - 1] = '\n';
    if (write(fd, text, FILE_N) != (ssize_t)FILE_N || fsync(fd) != 0) st = io_fault();
    close(fd);
    if (st == ST_OK && link((char *)beside.p, path) != 0) st = io_fault();
    unlink((char *)beside.p);
out:
    bytes_wipe(seed, sizeof seed);
    bytes_wipe(text, sizeof text);
    buf_free(&beside);
    return st;
}

enum status server_key_open(const char *path, const struct env *env, struct server_key *ret)
{
    enum status st = crypto_start();
    if (st != ST_OK) return st;
    uint8_t *seed = secret_new(32);
    if (!seed) return ST_NO_MEMORY;
    st = load(path, seed);
    if (st == ST_NOT_FOUND) {
        st = make(path, env);
        if (st == ST_OK || st == ST_EXISTS) st = load(path, seed);
    }
    if (st != ST_OK) {
        secret_free(seed);
        return st;
    }
    ret->seed = seed;
    sign_public(seed, ret->public_key);
    sign_pin(ret->public_key, ret->pin);
    return ST_OK;
}

void server_key_free(struct server_key *k)
{
    secret_free(k->seed);
    *k = (struct server_key){0};
}
