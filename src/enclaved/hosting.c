/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "enclaved/hosting.h"

#include "store/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_ROOM 4300

static unsigned read_port(const char *path)
{
    struct buf text;
    unsigned port = 0;
    buf_init(&text, 16);
    if (private_read(path, 15, &text) == ST_OK) {
        for (size_t i = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && port < 65536; i++)
            port = port * 10 + (unsigned)(text.p[i] - '0');
    }
    buf_free(&text);
    return port < 65536 ? port : 0;
}

static void keep_port(const struct hosting *h, const char *path, const char *address)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL) return;
    if (private_write(path, bytes_str(colon + 1), true) != ST_OK)
        env_log(h->env, ENV_WARN, "daemon", "the sentinel's port could not be noted");
}

static enum status try_at(const struct hosting *h, const char *host, unsigned port,
                          const char *data, struct host **ret, struct host_fault *fault)
{
    char listen[LINK_ADDRESS_MAX + 1];
    snprintf(listen, sizeof listen, "%s:%u", host, port);
    struct host_options o = {.listen = listen, .data = data};
    host_limits(h->options, &o.limits);
    /* A person's machine has other things to do. */
    o.threads = (unsigned)options_number(h->options, "coordinator.io_threads");
    if (o.threads == 0) o.threads = 1;
    return host_open(h->loop, h->env, &o, ret, fault);
}

/* "Everywhere" is no address that a member could connect to. */
static void paste(const struct hosting *h, const char *said, char out[HOST_PASTE_SIZE])
{
    const char *announce = options_text(h->options, "node.announce");
    size_t skip = strncmp(said, "0.0.0.0:", 8) == 0 ? 7 : strncmp(said, "[::]:", 5) == 0 ? 4 : 0;
    if (skip == 0 || *announce == '\0')
        snprintf(out, HOST_PASTE_SIZE, "%s", said);
    else
        snprintf(out, HOST_PASTE_SIZE, "%.*s%s", (int)strcspn(announce, ","), announce,
                 said + skip);
    if (skip != 0 && *announce == '\0')
        env_log(h->env, ENV_WARN, "daemon",
                "the sentinel listens everywhere: node.announce should name a host for members");
}

enum status hosting_open(const struct hosting *h, struct host **ret,
                         char ret_paste[HOST_PASTE_SIZE], struct daemon_fault *fault)
{
    char data[PATH_ROOM];
    char note[PATH_ROOM + 8];
    struct host_fault why = {{0}};
    const char *host = options_text(h->options, "coordinator.host");
    unsigned port = (unsigned)options_number(h->options, "coordinator.port");
    snprintf(data, sizeof data, "%s/sentinel", h->home);
    snprintf(note, sizeof note, "%s.port", data);
    unsigned kept = port == 0 ? read_port(note) : 0;
    enum status st = try_at(h, host, kept != 0 ? kept : port, data, ret, &why);
    if (st == ST_EXISTS && kept != 0) {
        env_log(h->env, ENV_WARN, "daemon",
                "the sentinel's former port is taken: members will have to be told the new one");
        st = try_at(h, host, 0, data, ret, &why);
    }
    if (st != ST_OK) {
        snprintf(fault->text, sizeof fault->text, "%s", why.text);
        return st;
    }
    if (port == 0) keep_port(h, note, host_address(*ret));
    paste(h, host_paste(*ret), ret_paste);
    return ST_OK;
}
