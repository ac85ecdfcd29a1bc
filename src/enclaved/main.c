/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* enclaved: a person's daemon. Its parts are put together in daemon.c; here are the command line
 * and the configuration. */
#include "crypto/secret.h"
#include "enclaved/daemon.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Example:\n"
    "  enclave daemon start          # starts enclaved and opens the vault\n"
    "  enclaved --home ~/.local/share/enclave --listen 192.0.2.7:0\n"
    "\n"
    "usage: enclaved [--home DIR] [options]\n"
    "\n"
    "Keeps a person's enclaves: keys, words, files, other members' shards. Answers on the Unix\n"
    "socket daemon.sock in its home; the vault is opened through it (enclave daemon start).\n"
    "\n"
    "  --home DIR          its directory, mode 0700, made if missing (else ENCLAVE_HOME, else\n"
    "                      the XDG data directory)\n"
    "  --listen HOST:PORT  members may connect here directly; port 0 lets the system choose\n"
    "  --announce HOSTS    under these hosts, with commas (default: the host of --listen)\n"
    "  --host HOST:PORT    runs a sentinel inside\n"
    "  --socks ADDR:PORT   enclaves of mode tor go through this SOCKS5 proxy (tor: "
    "127.0.0.1:9050)\n"
    "  --config FILE       YAML (default: enclave.yaml in the home, if it is there)\n"
    "  --set KEY=VALUE     one key of the configuration\n"
    "  --profile NAME      high-throughput or low-latency\n"
    "  --check-config      says what is wrong with the configuration, or nothing, and ends\n"
    "  --dump-config       writes the configuration as it would be used, and ends\n"
    "  --log-level LEVEL   error, warn, info or debug\n"
    "  --log-file FILE     instead of standard error\n"
    "  --ready-fd N        writes a line to descriptor N once it answers, or why it cannot\n"
    "  --foreground        the only way it runs: accepted for clarity\n"
    "  --version, --help\n"
    "\n"
    "SIGTERM and SIGINT end it in order. Exit codes: 0 ended in order, 1 failed, 2 wrong use or\n"
    "configuration.\n";

enum {
    HOME = 256,
    LISTEN,
    ANNOUNCE,
    HOST,
    SOCKS,
    CONFIG,
    SET,
    PROFILE,
    CHECK,
    DUMP,
    LEVEL,
    LOG,
    READY,
    FOREGROUND,
    VERSION,
    HELP
};

static const struct option long_options[] = {{"home", required_argument, NULL, HOME},
                                             {"listen", required_argument, NULL, LISTEN},
                                             {"announce", required_argument, NULL, ANNOUNCE},
                                             {"host", required_argument, NULL, HOST},
                                             {"socks", required_argument, NULL, SOCKS},
                                             {"config", required_argument, NULL, CONFIG},
                                             {"set", required_argument, NULL, SET},
                                             {"profile", required_argument, NULL, PROFILE},
                                             {"check-config", no_argument, NULL, CHECK},
                                             {"dump-config", no_argument, NULL, DUMP},
                                             {"log-level", required_argument, NULL, LEVEL},
                                             {"log-file", required_argument, NULL, LOG},
                                             {"ready-fd", required_argument, NULL, READY},
                                             {"foreground", no_argument, NULL, FOREGROUND},
                                             {"version", no_argument, NULL, VERSION},
                                             {"help", no_argument, NULL, HELP},
                                             {NULL, 0, NULL, 0}};

struct program {
    struct options *options;
    const char *home;
    const char *config;
    char home_room[4096];
    char config_room[4200];
    bool check;
    bool dump;
    struct daemon_options daemon;
};

/* Everybody who may wait for us to be ready hears it too. */
static int complain(const struct program *p, const char *text, int code)
{
    fprintf(stderr, "enclaved: %s\n", text);
    if (p->daemon.ready_fd >= 0) dprintf(p->daemon.ready_fd, "error %d %s\n", code, text);
    return code;
}

static enum status set_pair(struct program *p, const char *pair, struct options_fault *fault)
{
    char key[128];
    const char *equals = strchr(pair, '=');
    size_t n = equals != NULL ? (size_t)(equals - pair) : 0;
    if (n == 0 || n >= sizeof key) {
        snprintf(fault->text, sizeof fault->text, "--set wants KEY=VALUE, not \"%.200s\"", pair);
        return ST_USAGE;
    }
    memcpy(key, pair, n);
    key[n] = '\0';
    return options_set(p->options, key, equals + 1, "--set", fault);
}

/* HOST:PORT goes into two keys. */
static enum status set_address(struct program *p, const char *address, const char *section,
                               const char *where, struct options_fault *fault)
{
    char host[256];
    char key[64];
    const char *colon = strrchr(address, ':');
    size_t n = colon != NULL ? (size_t)(colon - address) : 0;
    if (n == 0 || n >= sizeof host) {
        snprintf(fault->text, sizeof fault->text, "%s wants HOST:PORT, not \"%.200s\"", where,
                 address);
        return ST_USAGE;
    }
    memcpy(host, address, n);
    host[n] = '\0';
    snprintf(key, sizeof key, "%s.host", section);
    enum status st = options_set(p->options, key, host, where, fault);
    snprintf(key, sizeof key, "%s.port", section);
    return st != ST_OK ? st : options_set(p->options, key, colon + 1, where, fault);
}

static enum status set_host(struct program *p, const char *address, struct options_fault *fault)
{
    enum status st = set_address(p, address, "coordinator", "--host", fault);
    return st != ST_OK ? st
                       : options_set(p->options, "coordinator.inside", "true", "--host", fault);
}

static enum status take_option(struct program *p, int option, struct options_fault *fault)
{
    char *end = NULL;
    switch (option) {
    case HOME: p->home = optarg; return ST_OK;
    case LISTEN: return set_address(p, optarg, "node", "--listen", fault);
    case ANNOUNCE: return options_set(p->options, "node.announce", optarg, "--announce", fault);
    case HOST: return set_host(p, optarg, fault);
    case SOCKS: return options_set(p->options, "socks", optarg, "--socks", fault);
    case CONFIG: p->config = optarg; return ST_OK;
    case SET: return set_pair(p, optarg, fault);
    case PROFILE: return options_set(p->options, "profile", optarg, "--profile", fault);
    case CHECK: p->check = true; return ST_OK;
    case DUMP: p->dump = true; return ST_OK;
    case LEVEL: return options_set(p->options, "log.level", optarg, "--log-level", fault);
    case LOG: p->daemon.log = optarg; return ST_OK;
    case FOREGROUND: return ST_OK;
    case READY:
        p->daemon.ready_fd = (int)strtol(optarg, &end, 10);
        return *end == '\0' ? ST_OK : ST_USAGE;
    default: return ST_USAGE;
    }
}

static enum status find_home(struct program *p)
{
    const char *env = getenv("ENCLAVE_HOME");
    const char *data = getenv("XDG_DATA_HOME");
    const char *user = getenv("HOME");
    const char *key = options_text(p->options, "node.data_dir");
    if (p->home == NULL && env != NULL && *env != '\0') p->home = env;
    if (p->home == NULL && *key != '\0') p->home = key;
    if (p->home != NULL && *p->home == '/') {
        snprintf(p->home_room, sizeof p->home_room, "%s", p->home);
    } else if (p->home != NULL) {
        char *here = getcwd(NULL, 0);
        snprintf(p->home_room, sizeof p->home_room, "%s/%s", here == NULL ? "" : here, p->home);
        free(here);
    } else if (data != NULL && *data == '/') {
        snprintf(p->home_room, sizeof p->home_room, "%s/enclave", data);
    } else if (user != NULL && *user == '/') {
        snprintf(p->home_room, sizeof p->home_room, "%s/.local/share/enclave", user);
    } else {
        return ST_USAGE;
    }
    p->daemon.home = p->home_room;
    return strlen(p->home_room) + 1 < sizeof p->home_room ? ST_OK : ST_TOO_BIG;
}

static enum status read_config(struct program *p, struct options_fault *fault)
{
    enum status st = find_home(p);
    if (st != ST_OK) {
        snprintf(fault->text, sizeof fault->text, "which home? Name one with --home DIR");
        return st;
    }
    snprintf(p->config_room, sizeof p->config_room, "%s/enclave.yaml", p->home_room);
    if (p->config != NULL)
        st = options_read_file(p->options, p->config, fault);
    else if (access(p->config_room, F_OK) == 0)
        st = options_read_file(p->options, p->config_room, fault);
    if (st == ST_OK) st = options_read_environment(p->options, environ, fault);
    if (st == ST_OK) st = options_check(p->options, fault);
    /* A file given by --config may name the home. */
    return st == ST_OK ? find_home(p) : st;
}

/* -1: go on; else the exit code. */
static int read_arguments(struct program *p, int argc, char **argv)
{
    struct options_fault fault = {{0}};
    enum status st = ST_OK;
    int option;
    while (st == ST_OK && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == VERSION) return printf("enclaved %s\n", ENCLAVE_VERSION), 0;
        if (option == HELP) return fputs(help, stdout), 0;
        st = take_option(p, option, &fault);
        if (option == '?') return complain(p, "type enclaved --help for what there is", 2);
    }
    if (st == ST_OK && optind < argc) {
        snprintf(fault.text, sizeof fault.text, "\"%.200s\" is not an option; type enclaved --help",
                 argv[optind]);
        st = ST_USAGE;
    }
    if (st == ST_OK) st = read_config(p, &fault);
    if (st != ST_OK) return complain(p, fault.text[0] != '\0' ? fault.text : status_text(st), 2);
    if (p->dump) {
        struct buf out = BUF_INIT;
        options_dump(p->options, OPTION_FOR_DAEMON, &out);
        if (buf_status(&out) == ST_OK) fwrite(out.p, 1, out.n, stdout);
        buf_free(&out);
    }
    return p->dump || p->check ? 0 : -1;
}

static int run(struct program *p)
{
    struct daemon_fault fault = {{0}};
    struct daemon *d = NULL;
    p->daemon.values = p->options;
    enum status st = daemon_new(&p->daemon, &d, &fault);
    if (st == ST_OK) st = daemon_start(d, &fault);
    if (st != ST_OK) (void)complain(p, fault.text, status_exit(st));
    if (st == ST_OK && p->daemon.ready_fd >= 0)
        dprintf(p->daemon.ready_fd, "ready %s\n", daemon_hosted(d) != NULL ? daemon_hosted(d) : "");
    if (p->daemon.ready_fd >= 0) close(p->daemon.ready_fd);
    if (d == NULL) return status_exit(st);
    uv_run(daemon_loop(d), UV_RUN_DEFAULT);
    daemon_free(d);
    return status_exit(st);
}

int main(int argc, char **argv)
{
    struct program p = {.daemon = {.ready_fd = -1}};
    signal(SIGPIPE, SIG_IGN);
    /* Columns and rows of a transfer are handed back to the system only when it is over: to
     * have each page zeroed anew costs a fifth of a put. */
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, not the end */
    if (secret_harden_process() != ST_OK || crypto_start() != ST_OK)
        return complain(&p, "the cryptographic libraries do not start", 1);
    if (options_new(options_all(), &p.options) != ST_OK) return complain(&p, "out of memory", 1);
    int code = read_arguments(&p, argc, argv);
    if (code == -1) code = run(&p);
    options_free(p.options);
    return code;
}
