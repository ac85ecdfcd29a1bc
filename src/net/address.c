/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/address.h"

#include <string.h>
#include <uv.h>

enum status address_split(const char *text, char ret_host[LINK_ADDRESS_MAX + 1], uint16_t *ret_port)
{
    size_t n = strlen(text);
    const char *colon = strrchr(text, ':');
    if (n > LINK_ADDRESS_MAX || !colon || colon == text) return ST_USAGE;
    uint32_t port = 0;
    size_t digits = strlen(colon + 1);
    if (digits == 0 || digits > 5) return ST_USAGE;
    for (const char *p = colon + 1; *p; p++) {
        if (*p < '0' || *p > '9') return ST_USAGE;
        port = port * 10 + (uint32_t)(*p - '0');
    }
    if (port > 65535) return ST_USAGE;
    const char *from = text;
    size_t len = (size_t)(colon - text);
    if (text[0] == '[') {
        if (len < 3 || colon[-1] != ']') return ST_USAGE;
        from++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return ST_USAGE; /* IPv6 without brackets: where would the port begin? */
    }
    memcpy(ret_host, from, len);
    ret_host[len] = '\0';
    *ret_port = (uint16_t)port;
    return ST_OK;
}

enum status address_numeric(const char *host, uint16_t port, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof *ret);
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)ret) == 0) return ST_OK;
    if (uv_ip6_addr(host, port, (struct sockaddr_in6 *)ret) == 0) return ST_OK;
    return ST_USAGE;
}
