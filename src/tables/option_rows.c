/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Every key of enclave.yaml, for all programs: a new key is one row here. */
#include "tables/options.h"

#define ALL (OPTION_FOR_SENTINEL | OPTION_FOR_DAEMON | OPTION_FOR_STORAGE)
#define HOSTS (OPTION_FOR_SENTINEL | OPTION_FOR_DAEMON) /* who may run a sentinel */
#define MEMBER OPTION_FOR_DAEMON
#define KEEPERS (OPTION_FOR_DAEMON | OPTION_FOR_STORAGE)

static const struct option_row rows[] = {
    {"profile", OPTION_TEXT, 0, 32, "",
     "a set of defaults: high-throughput (more workers and buffers) or low-latency", ALL},

    {"coordinator.host", OPTION_TEXT, 1, 255, "0.0.0.0", "address that the sentinel listens on",
     HOSTS},
    {"coordinator.port", OPTION_NUMBER, 0, 65535, "8000",
     "port that the sentinel listens on; 0 lets the system choose", HOSTS},
    {"coordinator.max_peers", OPTION_NUMBER, 1, 100000, "1000",
     "most connections the sentinel keeps at one time", HOSTS},
    {"coordinator.data_dir", OPTION_TEXT, 0, 4000, "",
     "directory of the sentinel's database and key; empty: --data says", HOSTS},

    {"node.data_dir", OPTION_TEXT, 0, 4000, "",
     "home directory of the daemon; empty: --home, ENCLAVE_HOME or the XDG data directory",
     KEEPERS},
    {"node.host", OPTION_TEXT, 0, 255, "",
     "address that members may connect to; empty: all traffic goes through the sentinel", KEEPERS},
    {"node.port", OPTION_NUMBER, 0, 65535, "0",
     "port that members may connect to; 0 lets the system choose, a fixed one links your "
     "enclaves with each other",
     KEEPERS},
    {"node.max_storage_gb", OPTION_NUMBER, 0, 1000000, "10",
     "most gigabytes of other members' shards kept on this machine", KEEPERS},
    {"node.redundancy_factor", OPTION_NUMBER, 1, 32, "4",
     "read for the sake of older files; shards_total and shards_required decide", KEEPERS},
    {"node.shards_total", OPTION_NUMBER, 0, 64, "0",
     "columns a file is coded into; 0: by the number of holders", MEMBER},
    {"node.shards_required", OPTION_NUMBER, 0, 64, "0",
     "columns that are enough to read it; 0: by the number of holders", MEMBER},
    {"node.workers", OPTION_NUMBER, 0, 64, "0",
     "threads that hash, seal and code; 0: one a processor", KEEPERS},

    {"security.min_reputation", OPTION_REAL, 0, 1000000, "0.5",
     "holders whose audits fall below get no new shards", MEMBER},
    {"security.max_upload_size_mb", OPTION_NUMBER, 0, 1000000000, "0",
     "largest file that put takes, in megabytes; 0: no limit", MEMBER},
    {"security.require_encryption", OPTION_FLAG, 0, 0, "true",
     "must be true: there is no unencrypted mode", ALL},

    {"api.listen", OPTION_TEXT, 0, 64, "",
     "loopback address for a browser, such as 127.0.0.1:0; empty: only the Unix socket", MEMBER},

    {"log.level", OPTION_TEXT, 4, 5, "info", "error, warn, info or debug", ALL},
};

static const char *const high_throughput[] = {"coordinator.max_peers=10000", "node.workers=40",
                                              NULL};
static const char *const low_latency[] = {"coordinator.max_peers=500", "node.workers=10", NULL};

static const struct option_profile profiles[] = {
    {"high-throughput", high_throughput},
    {"low-latency", low_latency},
};

static const struct option_table table = {rows, sizeof rows / sizeof rows[0], profiles,
                                          sizeof profiles / sizeof profiles[0]};

const struct option_table *options_all(void)
{
    return &table;
}
