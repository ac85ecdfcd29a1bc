/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crypto/secret.h"

#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum status crypto_start(void)
{
    /* Idempotent and locked inside. Without it libsodium stays on its slow portable code. */
    return sodium_init() < 0 ? ST_BUG : ST_OK;
}

void *secret_new(size_t n)
{
    void *p = sodium_malloc(n);
    if (p) memset(p, 0, n);
    return p;
}

void secret_free(void *p)
{
    sodium_free(p);
}

bool secret_same(const uint8_t *a, const uint8_t *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}

bool secret_can_lock(void)
{
    uint8_t page[4096];
    bool ok = sodium_mlock(page, sizeof page) == 0;
    if (ok) sodium_munlock(page, sizeof page);
    return ok;
}

/* The leak sanitizer attaches to the process as a debugger does. */
#if defined(__SANITIZE_ADDRESS__)
#define TRACEABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRACEABLE 1
#endif
#endif
#ifndef TRACEABLE
#define TRACEABLE 0
#endif

enum status secret_harden_process(void)
{
    const struct rlimit none = {0, 0};
    struct rlimit lock;
    if (setrlimit(RLIMIT_CORE, &none) != 0) return ST_BUG;
    if (!TRACEABLE && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return ST_BUG;
    if (getrlimit(RLIMIT_MEMLOCK, &lock) == 0 && lock.rlim_cur < lock.rlim_max) {
        lock.rlim_cur = lock.rlim_max;
        if (setrlimit(RLIMIT_MEMLOCK, &lock) != 0) return ST_BUG;
    }
    return ST_OK;
}
