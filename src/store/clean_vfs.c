/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Layout of pages: https://www.sqlite.org/fileformat2.html, 1.3 to 1.8. */
#include "store/clean_vfs.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define NAME "enclave-clean"
#define FILE_HEADER 100 /* at the start of page 1 */
#define PTRMAP_EVERY (CLEAN_PAGE / 5 + 1)

/* The real file lies behind it, in the same piece of memory, which SQLite aligns to 8. */
struct clean_file {
    sqlite3_file base;
    uint64_t real[];
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return (sqlite3_file *)((struct clean_file *)f)->real;
}

/* Pointer map pages of an auto-vacuum database: their first byte can look like a b-tree's. */
static bool is_ptrmap(sqlite3_file *real, sqlite3_int64 page)
{
    uint8_t root[4] = {0};
    if (page < 2 || (page - 2) % PTRMAP_EVERY != 0) return false;
    /* Offset 52: not 0 in an auto-vacuum database. Unreadable: a file in the making. */
    return real->pMethods->xRead(real, root, sizeof root, 52) != SQLITE_OK || get_u32(root) != 0;
}

/* Where the unallocated space of a page lies; false if it is no b-tree page. All other kinds begin with
 * a page number, thus with 0 below CLEAN_PAGES_MAX. */
static bool gap_of(const uint8_t *p, sqlite3_int64 page, size_t *ret_from, size_t *ret_to)
{
    const uint8_t *h = page == 1 ? p + FILE_HEADER : p;
    size_t header = h[0] == 0x0D || h[0] == 0x0A ? 8 : h[0] == 0x05 || h[0] == 0x02 ? 12 : 0;
    if (header == 0) return false;
    *ret_from = (size_t)(h - p) + header + (size_t)2 * get_u16(h + 3);
    *ret_to = get_u16(h + 5);
    return *ret_from < *ret_to && *ret_to <= CLEAN_PAGE;
}

static int clean_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
    sqlite3_file *real = real_of(f);
    const sqlite3_int64 page = at / CLEAN_PAGE + 1;
    sqlite3_int64 size = 0;
    size_t from = 0, to = 0;
    uint8_t copy[CLEAN_PAGE];
    if (n != CLEAN_PAGE || at % CLEAN_PAGE != 0 || !gap_of(data, page, &from, &to) ||
        is_ptrmap(real, page) || real->pMethods->xFileSize(real, &size) != SQLITE_OK ||
        size / CLEAN_PAGE >= CLEAN_PAGES_MAX)
        return real->pMethods->xWrite(real, data, n, at);
    memcpy(copy, data, CLEAN_PAGE);
    memset(copy + from, 0, to - from);
    return real->pMethods->xWrite(real, copy, n, at);
}

/* ---- everything else as it is ---- */

#define REAL(f) real_of(f)->pMethods

static int clean_close(sqlite3_file *f)
{
    return REAL(f)->xClose(real_of(f));
}

static int clean_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return REAL(f)->xRead(real_of(f), to, n, at);
}

static int clean_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return REAL(f)->xTruncate(real_of(f), size);
}

static int clean_sync(sqlite3_file *f, int flags)
{
    return REAL(f)->xSync(real_of(f), flags);
}

static int clean_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return REAL(f)->xFileSize(real_of(f), ret);
}

static int clean_lock(sqlite3_file *f, int level)
{
    return REAL(f)->xLock(real_of(f), level);
}

static int clean_unlock(sqlite3_file *f, int level)
{
    return REAL(f)->xUnlock(real_of(f), level);
}

static int clean_reserved(sqlite3_file *f, int *ret)
{
    return REAL(f)->xCheckReservedLock(real_of(f), ret);
}

static int clean_control(sqlite3_file *f, int op, void *arg)
{
    return REAL(f)->xFileControl(real_of(f), op, arg);
}

static int clean_sector(sqlite3_file *f)
{
    return REAL(f)->xSectorSize(real_of(f));
}

static int clean_device(sqlite3_file *f)
{
    return REAL(f)->xDeviceCharacteristics(real_of(f));
}

static int clean_shm_map(sqlite3_file *f, int region, int n, int extend, void volatile **ret)
{
    return REAL(f)->xShmMap(real_of(f), region, n, extend, ret);
}

static int clean_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return REAL(f)->xShmLock(real_of(f), offset, n, flags);
}

static void clean_shm_barrier(sqlite3_file *f)
{
    REAL(f)->xShmBarrier(real_of(f));
}

static int clean_shm_unmap(sqlite3_file *f, int drop)
{
    return REAL(f)->xShmUnmap(real_of(f), drop);
}

static int clean_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret)
{
    /* Version 2: no xFetch, that is no memory maps, past which nothing could be written anyway. */
    static const sqlite3_io_methods methods = {
        2,
        clean_close,
        clean_read,
        clean_write,
        clean_truncate,
        clean_sync,
        clean_size,
        clean_lock,
        clean_unlock,
        clean_reserved,
        clean_control,
        clean_sector,
        clean_device,
        clean_shm_map,
        clean_shm_lock,
        clean_shm_barrier,
        clean_shm_unmap,
        NULL,
        NULL,
    };
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    (void)v;
    if (!(flags & SQLITE_OPEN_MAIN_DB)) return real->xOpen(real, name, f, flags, ret);
    f->pMethods = NULL;
    int code = real->xOpen(real, name, real_of(f), flags, ret);
    if (real_of(f)->pMethods != NULL) f->pMethods = &methods; /* then it is closed, too */
    return code;
}

const char *clean_vfs(void)
{
    if (sqlite3_vfs_find(NAME) != NULL) return NAME;
    const sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    /* SQLite keeps it as long as the process lives. Twice by two threads at once: both work. */
    sqlite3_vfs *v = malloc(sizeof *v);
    if (real == NULL || v == NULL) {
        free(v);
        return NULL;
    }
    *v = *real; /* the calls that are about names need no more than what is in it */
    v->pNext = NULL;
    v->zName = NAME;
    v->szOsFile = (int)sizeof(struct clean_file) + real->szOsFile;
    v->xOpen = clean_open;
    if (sqlite3_vfs_register(v, 0) != SQLITE_OK) {
        free(v);
        return NULL;
    }
    return NAME;
}

int clean_scrub(sqlite3 *db)
{
    int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    int freed = sqlite3_db_release_memory(db);
    return code != SQLITE_OK ? code : freed;
}
