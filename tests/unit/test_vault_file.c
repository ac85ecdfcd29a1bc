/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "store/private.h"
#include "store/vault_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void vault_is_kept_private(void **state)
{
    (void)state;
    char top[] = "/tmp/enclave-vault-XXXXXX", home[128], file[160], other[160];
    struct buf b = BUF_INIT;
    struct stat s;
    assert_non_null(mkdtemp(top));
    snprintf(home, sizeof home, "%s/a/b", top);
    snprintf(file, sizeof file, "%s/vault", home);
    snprintf(other, sizeof other, "%s/vault.new", home);

    assert_int_equal(vault_file_read(home, &b), ST_NOT_FOUND);
    mode_t before = umask(0);
    assert_int_equal(vault_file_create(home, BYTES_LIT("one")), ST_OK);
    umask(before);
    assert_int_equal(stat(home, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    assert_int_equal(stat(file, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_int_equal(s.st_nlink, 1);
    assert_int_equal(vault_file_create(home, BYTES_LIT("two")), ST_EXISTS);
    assert_int_not_equal(access(other, F_OK), 0);
    assert_int_equal(vault_file_read(home, &b), ST_OK);
    assert_true(bytes_same(buf_view(&b), BYTES_LIT("one")));

    /* what a crash left beside it does not matter */
    FILE *f = fopen(other, "w");
    assert_non_null(f);
    fputs("half", f);
    fclose(f);
    assert_int_equal(vault_file_replace(home, BYTES_LIT("three")), ST_OK);
    buf_clear(&b);
    assert_int_equal(vault_file_read(home, &b), ST_OK);
    assert_true(bytes_same(buf_view(&b), BYTES_LIT("three")));

    buf_clear(&b);
    chmod(file, 0604);
    assert_int_equal(vault_file_read(home, &b), ST_LOOSE_MODE);
    chmod(file, 0600);
    chmod(home, 0710);
    assert_int_equal(vault_file_read(home, &b), ST_LOOSE_MODE);
    assert_int_equal(vault_file_replace(home, BYTES_LIT("four")), ST_LOOSE_MODE);
    chmod(home, 0700);
    assert_int_equal(truncate(file, VAULT_FILE_MAX + 1), 0);
    assert_int_equal(vault_file_read(home, &b), ST_TOO_BIG);
    assert_int_equal(b.n, 0);
    assert_int_equal(remove(file), 0);
    assert_int_equal(symlink("/etc/hostname", file), 0);
    assert_int_equal(vault_file_read(home, &b), ST_LOOSE_MODE);
    assert_int_equal(remove(file), 0);
    assert_int_equal(rmdir(home), 0);
    snprintf(home, sizeof home, "%s/a", top);
    assert_int_equal(rmdir(home), 0);
    assert_int_equal(rmdir(top), 0);
    buf_free(&b);
}

static void locks_exclude(void **state)
{
    (void)state;
    char top[] = "/tmp/enclave-lock-XXXXXX", path[64];
    int a = -1, b = -1;
    assert_non_null(mkdtemp(top));
    snprintf(path, sizeof path, "%s/lock", top);
    assert_int_equal(private_lock(path, &a), ST_OK);
    assert_int_equal(private_lock(path, &b), ST_BUSY);
    assert_int_equal(b, -1);
    private_unlock(a);
    assert_int_equal(private_lock(path, &b), ST_OK);
    private_unlock(b);
    assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(top), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vault_is_kept_private),
                                       cmocka_unit_test(locks_exclude)};
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
