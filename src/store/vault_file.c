/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store/vault_file.h"

#include "store/private.h"

#include <limits.h>
#include <stdio.h>

static enum status path_of(const char *home, char ret[PATH_MAX])
{
    int n = snprintf(ret, PATH_MAX, "%s/" VAULT_FILE_NAME, home);
    return n > 0 && n < PATH_MAX ? ST_OK : ST_TOO_BIG;
}

enum status vault_file_create(const char *home, struct bytes file)
{
    char path[PATH_MAX];
    enum status st;
    TRY(path_of(home, path));
    TRY(private_dir(home, true));
    TRY(private_write(path, file, false));
out:
    return st;
}

enum status vault_file_replace(const char *home, struct bytes file)
{
    char path[PATH_MAX];
    enum status st;
    TRY(path_of(home, path));
    TRY(private_dir(home, false));
    TRY(private_write(path, file, true));
out:
    return st;
}

enum status vault_file_read(const char *home, struct buf *ret)
{
    char path[PATH_MAX];
    enum status st;
    TRY(path_of(home, path));
    TRY(private_dir(home, false));
    TRY(private_read(path, VAULT_FILE_MAX, ret));
out:
    return st;
}
