/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/group_provider.h"

#include "crypto/kem.h"

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

/* draft-ietf-tls-ecdhe-mlkem, X25519MLKEM768: the ML-KEM part comes first everywhere. */
#define SHARE_CLIENT (MLKEM_PUBLIC + X25519_SIZE)
#define SHARE_SERVER (MLKEM_CT + X25519_SIZE)
#define SHARED (MLKEM_SS + X25519_SIZE)
#define SECURITY_BITS 192

/* One per library context. */
struct provider {
    const OSSL_CORE_HANDLE *handle;
    OSSL_LIB_CTX *libctx;
};

struct key {
    struct provider *provider;
    bool has_public;
    bool has_secret;
    uint8_t share[SHARE_CLIENT];
    uint8_t mlkem_secret[MLKEM_SECRET];
    uint8_t x25519_secret[X25519_SIZE];
};

static int draw(struct provider *p, uint8_t *out, size_t n)
{
    return RAND_priv_bytes_ex(p->libctx, out, n, 0);
}

/* ---- key management ---- */

static void *key_new(void *provctx)
{
    struct key *k = calloc(1, sizeof *k);
    if (k) k->provider = provctx;
    return k;
}

static void key_free(void *keydata)
{
    struct key *k = keydata;
    if (!k) return;
    bytes_wipe(k, sizeof *k);
    free(k);
}

static int key_has(const void *keydata, int selection)
{
    const struct key *k = keydata;
    if (!k) return 0;
    if ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) && !k->has_public) return 0;
    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) && !k->has_secret) return 0;
    return 1;
}

static int key_match(const void *a, const void *b, int selection)
{
    const struct key *x = a, *y = b;
    if (!(selection & OSSL_KEYMGMT_SELECT_KEYPAIR)) return 1;
    return x->has_public && y->has_public && memcmp(x->share, y->share, sizeof x->share) == 0;
}

/* libssl copies the parameters of its own key to make a peer's; nothing of ours is a parameter. */
static void *key_dup(const void *keydata, int selection)
{
    const struct key *from = keydata;
    struct key *k = key_new(from->provider);
    if (!k) return NULL;
    if ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) && from->has_public) {
        k->has_public = true;
        memcpy(k->share, from->share, sizeof k->share);
    }
    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) && from->has_secret) {
        k->has_secret = true;
        memcpy(k->mlkem_secret, from->mlkem_secret, sizeof k->mlkem_secret);
        memcpy(k->x25519_secret, from->x25519_secret, sizeof k->x25519_secret);
    }
    return k;
}

static int key_get_params(void *keydata, OSSL_PARAM params[])
{
    const struct key *k = keydata;
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_BITS);
    if (p && !OSSL_PARAM_set_int(p, SECURITY_BITS)) return 0;
    p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_SECURITY_BITS);
    if (p && !OSSL_PARAM_set_int(p, SECURITY_BITS)) return 0;
    p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_MAX_SIZE);
    if (p && !OSSL_PARAM_set_int(p, SHARE_CLIENT)) return 0;
    p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);
    if (p && (!k->has_public || !OSSL_PARAM_set_octet_string(p, k->share, sizeof k->share)))
        return 0;
    return 1;
}

static const OSSL_PARAM *key_gettable(void *provctx)
{
    static const OSSL_PARAM list[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0), OSSL_PARAM_END};
    (void)provctx;
    return list;
}

/* The share of a client, as a server takes it in: hostile. */
static int key_set_params(void *keydata, const OSSL_PARAM params[])
{
    struct key *k = keydata;
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);
    if (!p) return 1;
    const void *share = NULL;
    size_t n = 0;
    if (!OSSL_PARAM_get_octet_string_ptr(p, &share, &n) || n != SHARE_CLIENT) return 0;
    if (mlkem_check_public(share) != ST_OK) return 0;
    memcpy(k->share, share, SHARE_CLIENT);
    bytes_wipe(k->mlkem_secret, sizeof k->mlkem_secret);
    bytes_wipe(k->x25519_secret, sizeof k->x25519_secret);
    k->has_public = true;
    k->has_secret = false;
    return 1;
}

static const OSSL_PARAM *key_settable(void *provctx)
{
    static const OSSL_PARAM list[] = {
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0), OSSL_PARAM_END};
    (void)provctx;
    return list;
}

struct gen {
    struct provider *provider;
    int selection;
};

static void *gen_init(void *provctx, int selection, const OSSL_PARAM params[])
{
    (void)params;
    struct gen *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->provider = provctx;
    g->selection = selection;
    return g;
}

/* libssl names the group; there is only one. */
static int gen_set_params(void *genctx, const OSSL_PARAM params[])
{
    (void)genctx;
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME);
    const char *name = NULL;
    if (!p) return 1;
    return OSSL_PARAM_get_utf8_string_ptr(p, &name) && name && strcmp(name, GROUP_NAME) == 0;
}

static const OSSL_PARAM *gen_settable(void *genctx, void *provctx)
{
    static const OSSL_PARAM list[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
                                      OSSL_PARAM_END};
    (void)genctx;
    (void)provctx;
    return list;
}

static void *gen_run(void *genctx, OSSL_CALLBACK *progress, void *arg)
{
    (void)progress;
    (void)arg;
    const struct gen *g = genctx;
    struct key *k = key_new(g->provider);
    /* A server asks for parameters only, and sets the client's share on the result. */
    if (!k || !(g->selection & OSSL_KEYMGMT_SELECT_KEYPAIR)) return k;
    uint8_t seed[MLKEM_SEED];
    if (!draw(g->provider, seed, sizeof seed) ||
        !draw(g->provider, k->x25519_secret, sizeof k->x25519_secret)) {
        key_free(k);
        return NULL;
    }
    mlkem_keygen(seed, k->share, k->mlkem_secret);
    x25519_public(k->x25519_secret, k->share + MLKEM_PUBLIC);
    bytes_wipe(seed, sizeof seed);
    k->has_public = k->has_secret = true;
    return k;
}

static void gen_cleanup(void *genctx)
{
    free(genctx);
}

/* ---- encapsulation ---- */

struct op {
    struct key *key; /* borrowed: the EVP_PKEY_CTX holds the key */
    struct provider *provider;
};

static void *op_new(void *provctx)
{
    struct op *o = calloc(1, sizeof *o);
    if (o) o->provider = provctx;
    return o;
}

static void op_free(void *ctx)
{
    free(ctx);
}

static int op_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    (void)params;
    ((struct op *)ctx)->key = keydata;
    return keydata != NULL;
}

static int op_encapsulate(void *ctx, unsigned char *out, size_t *out_n, unsigned char *secret,
                          size_t *secret_n)
{
    const struct op *o = ctx;
    if (!o->key || !o->key->has_public) return 0;
    if (!out) {
        if (out_n) *out_n = SHARE_SERVER;
        if (secret_n) *secret_n = SHARED;
        return 1;
    }
    if (!secret || (out_n && *out_n < SHARE_SERVER) || (secret_n && *secret_n < SHARED)) return 0;
    uint8_t m[32], x[X25519_SIZE];
    int ok = draw(o->provider, m, sizeof m) && draw(o->provider, x, sizeof x) &&
             mlkem_encaps(o->key->share, m, out, secret) == ST_OK &&
             /* Refuses a share that would give all zeros (RFC 8446 section 7.4.2). */
             x25519_shared(x, o->key->share + MLKEM_PUBLIC, secret + MLKEM_SS) == ST_OK;
    if (ok) {
        x25519_public(x, out + MLKEM_CT);
        if (out_n) *out_n = SHARE_SERVER;
        if (secret_n) *secret_n = SHARED;
    } else {
        bytes_wipe(secret, SHARED);
    }
    bytes_wipe(m, sizeof m);
    bytes_wipe(x, sizeof x);
    return ok;
}

static int op_decapsulate(void *ctx, unsigned char *secret, size_t *secret_n,
                          const unsigned char *in, size_t in_n)
{
    const struct op *o = ctx;
    if (!o->key || !o->key->has_secret) return 0;
    if (!secret) {
        if (secret_n) *secret_n = SHARED;
        return 1;
    }
    if (in_n != SHARE_SERVER || (secret_n && *secret_n < SHARED)) return 0;
    int ok = mlkem_decaps(o->key->mlkem_secret, in, secret) == ST_OK &&
             x25519_shared(o->key->x25519_secret, in + MLKEM_CT, secret + MLKEM_SS) == ST_OK;
    if (ok && secret_n) *secret_n = SHARED;
    if (!ok) bytes_wipe(secret, SHARED);
    return ok;
}

/* ---- the provider ---- */

#define FN(id, f)                \
    {                            \
        id, (void (*)(void)) & f \
    }

static const OSSL_DISPATCH keymgmt_functions[] = {
    FN(OSSL_FUNC_KEYMGMT_NEW, key_new),
    FN(OSSL_FUNC_KEYMGMT_FREE, key_free),
    FN(OSSL_FUNC_KEYMGMT_HAS, key_has),
    FN(OSSL_FUNC_KEYMGMT_MATCH, key_match),
    FN(OSSL_FUNC_KEYMGMT_DUP, key_dup),
    FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),
    FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),
    FN(OSSL_FUNC_KEYMGMT_SET_PARAMS, key_set_params),
    FN(OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, key_settable),
    FN(OSSL_FUNC_KEYMGMT_GEN_INIT, gen_init),
    FN(OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, gen_set_params),
    FN(OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, gen_settable),
    FN(OSSL_FUNC_KEYMGMT_GEN, gen_run),
    FN(OSSL_FUNC_KEYMGMT_GEN_CLEANUP, gen_cleanup),
    {0, NULL}};

static const OSSL_DISPATCH kem_functions[] = {FN(OSSL_FUNC_KEM_NEWCTX, op_new),
                                              FN(OSSL_FUNC_KEM_FREECTX, op_free),
                                              FN(OSSL_FUNC_KEM_ENCAPSULATE_INIT, op_init),
                                              FN(OSSL_FUNC_KEM_ENCAPSULATE, op_encapsulate),
                                              FN(OSSL_FUNC_KEM_DECAPSULATE_INIT, op_init),
                                              FN(OSSL_FUNC_KEM_DECAPSULATE, op_decapsulate),
                                              {0, NULL}};

static const OSSL_ALGORITHM keymgmt_list[] = {
    {GROUP_NAME, "provider=enclave", keymgmt_functions, "X25519 and ML-KEM-768"},
    {NULL, NULL, NULL, NULL}};
static const OSSL_ALGORITHM kem_list[] = {
    {GROUP_NAME, "provider=enclave", kem_functions, "X25519 and ML-KEM-768"},
    {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM *provider_query(void *provctx, int operation, int *no_store)
{
    (void)provctx;
    *no_store = 0;
    if (operation == OSSL_OP_KEYMGMT) return keymgmt_list;
    if (operation == OSSL_OP_KEM) return kem_list;
    return NULL;
}

static int provider_capabilities(void *provctx, const char *capability, OSSL_CALLBACK *tell,
                                 void *arg)
{
    (void)provctx;
    if (OPENSSL_strcasecmp(capability, "TLS-GROUP") != 0) return 0;
    char name[] = GROUP_NAME;
    unsigned int id = GROUP_ID, bits = SECURITY_BITS, is_kem = 1;
    int min_tls = 0x0304, max_tls = 0, no_dtls = -1;
    OSSL_PARAM list[] = {
        OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME, name, sizeof name),
        OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL, name, sizeof name),
        OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_ALG, name, sizeof name),
        OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_ID, &id),
        OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_SECURITY_BITS, &bits),
        OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_TLS, &min_tls),
        OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_TLS, &max_tls),
        OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_DTLS, &no_dtls),
        OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_DTLS, &no_dtls),
        OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_IS_KEM, &is_kem),
        OSSL_PARAM_END};
    return tell(list, arg);
}

static void provider_teardown(void *provctx)
{
    free(provctx);
}

static const OSSL_DISPATCH provider_functions[] = {
    FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
    FN(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, provider_capabilities),
    FN(OSSL_FUNC_PROVIDER_TEARDOWN, provider_teardown),
    {0, NULL}};

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **provctx)
{
    OSSL_FUNC_core_get_libctx_fn *get_libctx = NULL;
    for (; in->function_id != 0; in++)
        if (in->function_id == OSSL_FUNC_CORE_GET_LIBCTX)
            get_libctx = OSSL_FUNC_core_get_libctx(in);
    struct provider *p = get_libctx ? calloc(1, sizeof *p) : NULL;
    if (!p) return 0;
    p->handle = handle;
    /* provider-base(7): for a built-in provider this is the OSSL_LIB_CTX itself. */
    p->libctx = (OSSL_LIB_CTX *)get_libctx(handle);
    *provctx = p;
    *out = provider_functions;
    return 1;
}

enum status group_provider_open(OSSL_LIB_CTX *libctx, struct group_provider *ret)
{
    struct group_provider g = {0};
    g.standard = OSSL_PROVIDER_load(libctx, "default");
    if (!g.standard) return ST_BUG;
    EVP_KEYMGMT *native = EVP_KEYMGMT_fetch(libctx, GROUP_NAME, NULL);
    if (native) {
        EVP_KEYMGMT_free(native);
    } else {
        ERR_clear_error();
        if (OSSL_PROVIDER_add_builtin(libctx, "enclave", provider_init))
            g.ours = OSSL_PROVIDER_load(libctx, "enclave");
        if (!g.ours) {
            group_provider_close(&g);
            return ST_BUG;
        }
    }
    *ret = g;
    return ST_OK;
}

void group_provider_close(struct group_provider *g)
{
    if (g->ours) OSSL_PROVIDER_unload(g->ours);
    if (g->standard) OSSL_PROVIDER_unload(g->standard);
    *g = (struct group_provider){0};
}
