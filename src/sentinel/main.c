/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* sentinel: a server that keeps rooms for people it knows nothing about. What it does is
 * node/host; here are the command line, the configuration and the end. */
#include "base/encode.h"
#include "crypto/secret.h"
#include "net/env.h"
#include "node/host/host.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Example:\n"
    "  sentinel --listen 0.0.0.0:8000 --data /var/lib/sentinel\n"
    "  enclave create family --sentinel example.org:8000#PIN\n"
    "\n"
    "usage: sentinel [--config FILE] [--listen HOST:PORT] [--data DIR] [options]\n"
    "\n"
    "Keeps rooms: sealed feeds of entries, seats, doors and circuits of enclaves whose names,\n"
    "members and contents it cannot read. Keeps no addresses and no log of who came.\n"
    "\n"
    "  --listen HOST:PORT  where to listen; port 0 lets the system choose (default: the\n"
    "                      configuration's coordinator.host and coordinator.port)\n"
    "  --data DIR          database and key, mode 0700, made if missing\n"
    "  --config FILE       YAML; every key and its default: sentinel --dump-config\n"
    "  --set KEY=VALUE     one key of the configuration\n"
    "  --check-config      says what is wrong with the configuration, or nothing, and ends\n"
    "  --dump-config       writes the configuration as it would be used, and ends\n"
    "  --print-pin         writes the pin of the server's key (made if missing), and ends\n"
    "  --log-level LEVEL   error, warn, info or debug; the log goes to standard error\n"
    "  --version, --help\n"
    "\n"
    "Each connection is an open file: for more of them than `ulimit -Hn` says, raise that limit "
    "and\n"
    "coordinator.max_peers.\n"
    "\n"
    "Standard output gets two lines once it listens: a sentence with address and pin, then\n"
    "HOST:PORT#PIN as `enclave create --sentinel` takes it. SIGTERM and SIGINT end it in order.\n"
    "Exit codes: 0 ended in order, 1 failed, 2 wrong use or configuration.\n";

struct program {
    struct options *options;
    const char *listen;
    bool check, dump, pin;
    uv_loop_t loop;
    struct net_env log;
    struct env env;
    struct host *host;
    uv_signal_t term, interrupt;
};

static int complain(const char *text)
{
    fprintf(stderr, "sentinel: %s\n", text);
    return 2;
}

/* ---- command line and configuration ---- */

enum { LISTEN = 256, DATA, CONFIG, SET, CHECK, DUMP, PIN, LEVEL, VERSION, HELP };

static const struct option long_options[] = {{"listen", required_argument, NULL, LISTEN},
                                             {"data", required_argument, NULL, DATA},
                                             {"config", required_argument, NULL, CONFIG},
                                             {"set", required_argument, NULL, SET},
                                             {"check-config", no_argument, NULL, CHECK},
                                             {"dump-config", no_argument, NULL, DUMP},
                                             {"print-pin", no_argument, NULL, PIN},
                                             {"log-level", required_argument, NULL, LEVEL},
                                             {"version", no_argument, NULL, VERSION},
                                             {"help", no_argument, NULL, HELP},
                                             {NULL, 0, NULL, 0}};

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

/* Returns -1 to go on, or the exit code. */
static int read_arguments(struct program *p, int argc, char **argv)
{
    struct options_fault fault = {{0}};
    enum status st = ST_OK;
    int option;
    while (st == ST_OK && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case LISTEN: p->listen = optarg; break;
        case DATA:
            st = options_set(p->options, "coordinator.data_dir", optarg, "--data", &fault);
            break;
        case CONFIG: st = options_read_file(p->options, optarg, &fault); break;
        case SET: st = set_pair(p, optarg, &fault); break;
        case CHECK: p->check = true; break;
        case DUMP: p->dump = true; break;
        case PIN: p->pin = true; break;
        case LEVEL: st = options_set(p->options, "log.level", optarg, "--log-level", &fault); break;
        case VERSION: printf("sentinel %s\n", ENCLAVE_VERSION); return 0;
        case HELP: fputs(help, stdout); return 0;
        default: return complain("type sentinel --help for what there is");
        }
    }
    if (st == ST_OK && optind < argc) {
        fprintf(stderr, "sentinel: \"%s\" is not an option; type sentinel --help\n", argv[optind]);
        return 2;
    }
    if (st == ST_OK) st = options_read_environment(p->options, environ, &fault);
    if (st == ST_OK) st = options_check(p->options, &fault);
    if (st == ST_OK) return -1;
    return complain(fault.text[0] != '\0' ? fault.text : status_text(st));
}

static enum env_level level_of(const char *text)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) return (enum env_level)i;
    return ENV_INFO;
}

/* What needs no listening. Returns -1 to go on, or the exit code. */
static int only_tell(struct program *p)
{
    if (strcmp(options_text(p->options, "log.level"), "error") != 0 &&
        strcmp(options_text(p->options, "log.level"), "warn") != 0 &&
        strcmp(options_text(p->options, "log.level"), "info") != 0 &&
        strcmp(options_text(p->options, "log.level"), "debug") != 0)
        return complain("log.level must be error, warn, info or debug");
    if (p->dump) {
        struct buf out = BUF_INIT;
        options_dump(p->options, OPTION_FOR_SENTINEL, &out);
        if (buf_status(&out) == ST_OK) fwrite(out.p, 1, out.n, stdout);
        buf_free(&out);
        return 0;
    }
    if (p->check) return 0;
    if (p->pin) {
        struct server_key key = {0};
        struct host_fault fault = {{0}};
        char hex[HEX_SIZE(32)];
        enum status st =
            host_key(options_text(p->options, "coordinator.data_dir"), &p->env, &key, &fault);
        if (st != ST_OK) {
            complain(fault.text);
            return 1;
        }
        hex_encode(BYTES(key.pin, 32), hex);
        printf("%s\n", hex);
        server_key_free(&key);
        return 0;
    }
    return -1;
}

/* ---- running ---- */

static void on_host_closed(void *arg)
{
    struct program *p = arg;
    p->host = NULL;
    uv_close((uv_handle_t *)&p->term, NULL);
    uv_close((uv_handle_t *)&p->interrupt, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct program *p = handle->data;
    (void)number;
    uv_signal_stop(&p->term);
    uv_signal_stop(&p->interrupt);
    env_log(&p->env, ENV_INFO, "main", "ending: answering what was asked, taking nothing new");
    host_close(p->host, on_host_closed, p);
}

static void watch(struct program *p, uv_signal_t *handle, int number)
{
    uv_signal_init(&p->loop, handle);
    handle->data = p;
    uv_signal_start(handle, on_signal, number);
}

static int run(struct program *p)
{
    char listen[LINK_ADDRESS_MAX + 16];
    struct host_fault fault = {{0}};
    snprintf(listen, sizeof listen, "%s:%llu", options_text(p->options, "coordinator.host"),
             (unsigned long long)options_number(p->options, "coordinator.port"));
    struct host_options o = {.listen = p->listen != NULL ? p->listen : listen,
                             .data = options_text(p->options, "coordinator.data_dir")};
    host_limits(p->options, &o.limits);
    if (uv_loop_init(&p->loop) != 0) return complain("no event loop can be had"), 1;
    o.threads = (unsigned)options_number(p->options, "coordinator.io_threads");
    watch(p, &p->term, SIGTERM);
    watch(p, &p->interrupt, SIGINT);
    enum status st = host_open(&p->loop, &p->env, &o, &p->host, &fault);
    if (st != ST_OK) {
        complain(fault.text);
        on_host_closed(p);
    } else {
        printf("sentinel listening on %s pin %s\n%s\n", host_address(p->host), host_pin(p->host),
               host_paste(p->host));
        fflush(stdout);
        env_log(&p->env, ENV_INFO, "main", "listening on %s", host_address(p->host));
        if (strncmp(o.listen, "0.0.0.0:", 8) == 0 || strncmp(o.listen, "[::]:", 5) == 0)
            env_log(&p->env, ENV_INFO, "main",
                    "members write the name or address of this machine in place of %.*s",
                    (int)(strrchr(o.listen, ':') - o.listen), o.listen);
    }
    uv_run(&p->loop, UV_RUN_DEFAULT);
    uv_loop_close(&p->loop);
    if (st == ST_USAGE) return 2;
    return st == ST_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct program p = {.log = {.fd = 2}};
    int code = 1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, not the end */
    if (secret_harden_process() != ST_OK || crypto_start() != ST_OK)
        return complain("the cryptographic libraries do not start"), 1;
    if (options_new(options_all(), &p.options) != ST_OK) return complain("out of memory"), 1;
    code = read_arguments(&p, argc, argv);
    if (code == -1 &&
        net_env_open(&p.log, NULL, level_of(options_text(p.options, "log.level"))) != ST_OK)
        code = complain("there is nowhere to write the log");
    if (code == -1) {
        p.env = net_env(&p.log);
        code = only_tell(&p);
        if (code == -1) code = run(&p);
        net_env_close(&p.log);
    }
    options_free(p.options);
    return code;
}
