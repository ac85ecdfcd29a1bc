/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base crypto */
/* Argon2id by itself at the cost that vaults have: what opening a vault cannot be faster than. */
#include "bench/bench.h"
#include "crypto/password.h"
#include "crypto/secret.h"

int main(void)
{
    static const uint8_t salt[PASSWORD_SALT] = {1};
    uint8_t root[32];
    bench_ok(crypto_start(), "crypto_start");
    double start = bench_now();
    bench_ok(password_root(BYTES_LIT("a password for the bench"), salt, PASSWORD_PASSES,
                           PASSWORD_MEMORY_KIB, root),
             "password_root");
    bench_row("argon2id", (bench_now() - start) * 1000, "ms", 0);
    return 0;
}
