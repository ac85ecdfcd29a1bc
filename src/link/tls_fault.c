/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/tls_internal.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <stdio.h>

struct row {
    int reason;
    enum status status;
    const char *text;
};

static const struct row rows[] = {
    {SSL_R_NO_SUITABLE_KEY_SHARE, ST_PROTOCOL, "no " GROUP_NAME " on the other side"},
    {SSL_R_NO_SUITABLE_GROUPS, ST_PROTOCOL, "no " GROUP_NAME " on the other side"},
    {SSL_R_NO_SHARED_GROUPS, ST_PROTOCOL, "no " GROUP_NAME " on the other side"},
    {SSL_R_BAD_KEY_SHARE, ST_PROTOCOL, "a key share that is none"},
    {SSL_R_HTTP_REQUEST, ST_PROTOCOL, "plain HTTP, not TLS"},
    {SSL_R_HTTPS_PROXY_REQUEST, ST_PROTOCOL, "a plain HTTP proxy request, not TLS"},
    {SSL_R_WRONG_VERSION_NUMBER, ST_PROTOCOL, "plain bytes, not TLS"},
    {SSL_R_UNSUPPORTED_PROTOCOL, ST_PROTOCOL, "an older TLS than 1.3"},
    {SSL_R_NO_SHARED_CIPHER, ST_PROTOCOL, "no TLS_CHACHA20_POLY1305_SHA256 on the other side"},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, ST_PROTOCOL, "no Ed25519 on the other side"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, ST_PROTOCOL, "no Ed25519 on the other side"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, ST_UNTRUSTED, "the caller shows no key"},
    {SSL_R_EXCESSIVE_MESSAGE_SIZE, ST_TOO_BIG, "a handshake message over the limit"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, ST_BAD_SEAL, "a record that does not decrypt"},
    {SSL_R_UNEXPECTED_MESSAGE, ST_PROTOCOL, "a TLS message out of turn"},
    {ERR_R_MALLOC_FAILURE, ST_NO_MEMORY, "out of memory"},
};

enum status tls_alert_fault(int alert, char reason[TLS_REASON])
{
    snprintf(reason, TLS_REASON, "the other side refused: TLS alert %d (%s)", alert,
             SSL_alert_desc_string_long(alert));
    switch (alert) {
    case SSL_AD_UNRECOGNIZED_NAME:
    case SSL_AD_ACCESS_DENIED: return ST_DENIED;
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_CERTIFICATE_REQUIRED: return ST_UNTRUSTED;
    default: return ST_PROTOCOL;
    }
}

static enum status ours_fault(const struct tls *t, char reason[TLS_REASON])
{
    const char *text = "the caller has a key that we do not know";
    if (t->role == TLS_TO_SERVER) text = "the server has another key than the pinned one";
    if (t->role == TLS_TO_PEER) text = "the other side has another key than the expected one";
    if (t->refused == ST_DENIED) text = "a name (SNI) that we do not know";
    if (t->refused == ST_REPLAY) text = "a name (SNI) that was used before";
    if (t->refused != ST_DENIED && t->refused != ST_REPLAY && t->refused != ST_UNTRUSTED)
        text = status_text(t->refused);
    snprintf(reason, TLS_REASON, "%s", text);
    return t->refused;
}

enum status tls_fault(const struct tls *t, char reason[TLS_REASON])
{
    if (t->refused != ST_OK) return ours_fault(t, reason);
    if (t->out.failed) {
        snprintf(reason, TLS_REASON, "out of memory");
        return ST_NO_MEMORY;
    }
    /* The first error is the cause, later ones are its consequences. */
    unsigned long e = ERR_peek_error();
    int why = ERR_GET_REASON(e);
    if (ERR_GET_LIB(e) == ERR_LIB_SSL) {
        if (why >= SSL_AD_REASON_OFFSET && why < SSL_AD_REASON_OFFSET + 256)
            return tls_alert_fault(why - SSL_AD_REASON_OFFSET, reason);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            if (rows[i].reason == why) {
                snprintf(reason, TLS_REASON, "%s", rows[i].text);
                return rows[i].status;
            }
    }
    const char *text = ERR_reason_error_string(e);
    snprintf(reason, TLS_REASON, "TLS: %s", text ? text : "failed");
    return ST_PROTOCOL;
}
