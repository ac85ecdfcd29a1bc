/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto core/files core/grant */
/* What the building blocks do by themselves in a second of one processor: hashes, seals, cut, code,
 * keys; and the disk.
 * They are results of their own (job crypto) and what the bounds of put and get are made of.
 * Usage: bench_blocks [DIR [disk]]. */
#include "bench/bench.h"
#include "core/files/chunk.h"
#include "core/files/segment.h"
#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define K 8
#define N 20
#define TURNS 3
#define TURN_S 0.12
#define DISK_WRITERS 4
#define DISK_BYTES ((size_t)128 << 20) /* a writer */
#define DISK_FILE ((size_t)2 << 20)    /* a column */
#define DISK_BATCH ((size_t)16 << 20)

struct blocks {
    uint8_t *in;  /* random, 4 MiB */
    uint8_t *out; /* 4 MiB */
    uint8_t key[32];
    uint8_t nonce[XAEAD_NONCE];
    uint8_t public_key[32];
    uint8_t sig[SIGN_SIZE];
    uint8_t kem_public[KEM_PUBLIC];
    uint8_t ct[KEM_CT];
    struct cut cut;
    struct chunk_keys keys;
    struct segment_code *encode;
    struct segment_code *rebuild;
};

typedef size_t block_run(struct blocks *b); /* returns bytes, or operations */

static size_t run_sha256(struct blocks *b)
{
    sha256(BYTES(b->in, BENCH_MIB), b->out);
    return BENCH_MIB;
}

static size_t run_leaves(struct blocks *b)
{
    for (size_t i = 0; i < N; i++) segment_leaves(b->in + i * SHARD_UNIT, SHARD_UNIT, b->out);
    return N * SHARD_UNIT;
}

static size_t run_seal(struct blocks *b)
{
    aead_seal(b->key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES(b->in, BENCH_MIB), b->out);
    return BENCH_MIB;
}

static size_t run_open(struct blocks *b)
{
    bench_ok(aead_open(b->key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES(b->out, BENCH_MIB + AEAD_TAG),
                       b->out + 2 * BENCH_MIB),
             "aead_open");
    return BENCH_MIB;
}

static size_t run_xseal(struct blocks *b)
{
    xaead_seal(b->key, b->nonce, BYTES_NONE, BYTES(b->in, BENCH_MIB), b->out);
    return BENCH_MIB;
}

static size_t run_xseal_small(struct blocks *b)
{
    xaead_seal(b->key, b->nonce, BYTES_NONE, BYTES(b->in, 512), b->out);
    return 1;
}

static size_t run_cut(struct blocks *b)
{
    return cut_next(&b->cut, b->in, CUT_MAX);
}

static size_t run_chunk(struct blocks *b)
{
    struct chunk_sealed sealed;
    chunk_seal(&b->keys, 0, BYTES(b->in, BENCH_MIB), true, b->out, &sealed);
    return BENCH_MIB;
}

static size_t run_code(struct blocks *b, const struct segment_code *code, unsigned m)
{
    uint8_t *in[K];
    uint8_t *out[N];
    for (unsigned i = 0; i < K; i++) in[i] = b->in + i * SHARD_UNIT;
    for (unsigned i = 0; i < m; i++) out[i] = b->out + i * SHARD_UNIT;
    segment_code_run(code, in, out, SHARD_UNIT);
    return K * SHARD_UNIT;
}

static size_t run_encode(struct blocks *b)
{
    return run_code(b, b->encode, N - K);
}

static size_t run_rebuild(struct blocks *b)
{
    return run_code(b, b->rebuild, 4);
}

static size_t run_copy(struct blocks *b)
{
    memcpy(b->out, b->in, 4 * BENCH_MIB);
    __asm__ volatile("" : : "r"(b->out) : "memory");
    return 4 * BENCH_MIB;
}

static size_t run_sign(struct blocks *b)
{
    sign_message(b->key, BYTES(b->in, 256), b->sig);
    return 1;
}

static size_t run_verify(struct blocks *b)
{
    bench_ok(sign_verify(b->public_key, BYTES(b->in, 256), b->sig), "sign_verify");
    return 1;
}

static size_t run_kem_public(struct blocks *b)
{
    kem_public(b->key, b->kem_public);
    return 1;
}

static size_t run_encaps(struct blocks *b)
{
    uint8_t ss[KEM_SS];
    bench_ok(kem_encaps(b->kem_public, b->in, b->ct, ss), "kem_encaps");
    return 1;
}

static size_t run_decaps(struct blocks *b)
{
    uint8_t ss[KEM_SS];
    bench_ok(kem_decaps(b->key, b->ct, ss), "kem_decaps");
    return 1;
}

struct block {
    const char *name;
    block_run *run;
    bool bytes;
};

static const struct block blocks[] = {
    {"sha256", run_sha256, true},
    {"merkle-leaves", run_leaves, true},
    {"chacha20poly1305-seal", run_seal, true},
    {"chacha20poly1305-open", run_open, true},
    {"xchacha20poly1305-seal", run_xseal, true},
    {"xchacha20poly1305-seal-512B", run_xseal_small, false},
    {"cut", run_cut, true},
    {"chunk-seal", run_chunk, true},
    {"code-8-20", run_encode, true},
    {"rebuild-8-20-lost-4", run_rebuild, true},
    {"copy", run_copy, true},
    {"ed25519-sign", run_sign, false},
    {"ed25519-verify", run_verify, false},
    {"xwing-keygen", run_kem_public, false},
    {"xwing-encaps", run_encaps, false},
    {"xwing-decaps", run_decaps, false},
};

/* By processor time: what else runs on the machine is not what is measured. */
static void measure(struct blocks *b, const struct block *block)
{
    double best = 0;
    (void)block->run(b); /* warm */
    for (int turn = 0; turn < TURNS; turn++) {
        double start = bench_thread();
        double took;
        size_t n = 0;
        do {
            n += block->run(b);
            took = bench_thread() - start;
        } while (took < TURN_S);
        double amount = block->bytes ? (double)n / (double)BENCH_MIB : (double)n;
        if (amount / took > best) best = amount / took;
    }
    bench_row(block->name, best, block->bytes ? "MiB/s" : "ops/s", 1 / best);
}

/* --- the disk ------------------------------------------------------------------------------ */

static void name_of(const char *dir, int writer, size_t i, char *out, size_t room)
{
    bench_must(snprintf(out, room, "%s/block-%d-%zu", dir, writer, i) < (int)room, "name too long");
}

/* As a holder does: files of 2 MiB, a batch of them written, each fdatasynced, their directory
 * fsynced. */
static void disk_writer(const struct blocks *b, const char *dir, int writer)
{
    char path[4096];
    int fds[DISK_BATCH / DISK_FILE];
    int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bench_must(top >= 0, "no such directory");
    for (size_t at = 0; at < DISK_BYTES / DISK_FILE; at += DISK_BATCH / DISK_FILE) {
        for (size_t i = 0; i < DISK_BATCH / DISK_FILE; i++) {
            name_of(dir, writer, at + i, path, sizeof path);
            fds[i] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            bench_must(fds[i] >= 0, "open");
            bench_must(write(fds[i], b->in, DISK_FILE) == (ssize_t)DISK_FILE, "write");
            sync_file_range(fds[i], 0, 0, SYNC_FILE_RANGE_WRITE);
        }
        for (size_t i = 0; i < DISK_BATCH / DISK_FILE; i++) {
            bench_must(fdatasync(fds[i]) == 0, "fdatasync");
            close(fds[i]);
        }
        bench_must(fsync(top) == 0, "fsync");
    }
    close(top);
}

static void disk(struct blocks *b, const char *dir)
{
    char path[4096];
    pid_t pids[DISK_WRITERS];
    double mib = DISK_WRITERS * (double)DISK_BYTES / (double)BENCH_MIB;
    double cpu = bench_cpu_of(RUSAGE_CHILDREN);
    double start = bench_now();
    fflush(stdout);
    for (int w = 0; w < DISK_WRITERS; w++) {
        pids[w] = fork();
        bench_must(pids[w] >= 0, "fork");
        if (pids[w] == 0) {
            disk_writer(b, dir, w);
            _exit(0);
        }
    }
    for (int w = 0; w < DISK_WRITERS; w++) {
        int how = 1;
        bench_must(waitpid(pids[w], &how, 0) == pids[w] && how == 0, "a writer failed");
    }
    bench_row("disk-write-fsync", mib / (bench_now() - start), "MiB/s",
              (bench_cpu_of(RUSAGE_CHILDREN) - cpu) / mib);
    cpu = bench_cpu_of(RUSAGE_SELF);
    start = bench_now();
    for (size_t i = 0; i < DISK_BYTES / DISK_FILE; i++) {
        name_of(dir, 0, i, path, sizeof path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bench_must(fd >= 0 && read(fd, b->out, DISK_FILE) == (ssize_t)DISK_FILE, "read");
        close(fd);
    }
    mib /= DISK_WRITERS;
    bench_row("disk-read-cached", mib / (bench_now() - start), "MiB/s",
              (bench_cpu_of(RUSAGE_SELF) - cpu) / mib);
    for (int w = 0; w < DISK_WRITERS; w++)
        for (size_t i = 0; i < DISK_BYTES / DISK_FILE; i++) {
            name_of(dir, w, i, path, sizeof path);
            unlink(path);
        }
}

int main(int argc, char **argv)
{
    static const uint8_t have[K] = {4, 5, 6, 7, 8, 9, 10, 11};
    static const uint8_t want[4] = {0, 1, 2, 3};
    struct blocks b = {.in = malloc(4 * BENCH_MIB), .out = malloc(4 * BENCH_MIB)};
    bench_must(b.in && b.out, "no memory");
    bench_ok(crypto_start(), "crypto_start");
    memset(b.key, 7, sizeof b.key);
    memset(b.in, 0, 4 * BENCH_MIB);
    aead_seal(b.key, AEAD_NONCE_ZERO, BYTES_NONE, BYTES(b.in, 4 * BENCH_MIB - AEAD_TAG), b.in);
    memset(b.out, 1, 4 * BENCH_MIB);
    cut_init(&b.cut, b.key);
    sign_public(b.key, b.public_key);
    bench_ok(segment_code_encode(K, N, &b.encode), "code");
    bench_ok(segment_code_rebuild(K, N, have, want, 4, &b.rebuild), "code");
    /* Another argument: the disk only. */
    for (size_t i = 0; argc < 3 && i < sizeof blocks / sizeof blocks[0]; i++)
        measure(&b, &blocks[i]);
    if (argc > 1) disk(&b, argv[1]);
    segment_code_free(b.encode);
    segment_code_free(b.rebuild);
    free(b.in);
    free(b.out);
    return 0;
}
