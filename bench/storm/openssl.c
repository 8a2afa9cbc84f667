/* The storm's OpenSSL. */

#include "storm.h"

#include "tsc_openssl.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_config {
    enum mode mode;
    SSL_CTX *ctx;
    /* MODE_OWN: the newest session of each node, as drivers keep it. */
    SSL_SESSION **slots;
    size_t nodes;
};

struct tls {
    SSL *ssl;
    struct tls_config *config;
    const struct node *node;
    bool greeted;
};

/* Puts into words why an OpenSSL call failed. error: what SSL_get_error says. */
static void set_error(int error) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (reason == NULL && error == SSL_ERROR_SYSCALL && errno != 0)
        reason = strerror(errno);
    snprintf(storm_error, sizeof storm_error, "%s", reason ? reason : "the server hung up");
    ERR_clear_error();
}

static const char *name(void) {
    static char name[32] = "OpenSSL";
    sscanf(OpenSSL_version(OPENSSL_VERSION), "%*s %20s", strcpy(name, "OpenSSL ") + 8);
    return name;
}

/* MODE_OWN: the session replaces the one in its slot. */
static int keep_newest(SSL *ssl, SSL_SESSION *session) {
    const struct tls *tls = SSL_get_app_data(ssl);
    SSL_SESSION **slot = &tls->config->slots[tls->node->index];
    SSL_SESSION_free(*slot);
    *slot = session;
    return 1; /* the reference is ours */
}

static void config_free(struct tls_config *config) {
    for (size_t i = 0; i < config->nodes; i++)
        SSL_SESSION_free(config->slots[i]);
    free(config->slots);
    SSL_CTX_free(config->ctx);
    free(config);
}

static struct tls_config *config_new(enum mode mode, const struct setting *setting,
                                     const tsc_cache *cache) {
    struct tls_config *config = calloc(1, sizeof *config);
    if (config == NULL)
        abort();
    config->mode = mode;
    config->nodes = setting->nodes;
    config->slots = calloc(setting->nodes, sizeof(SSL_SESSION *));
    SSL_CTX *ctx = config->ctx = SSL_CTX_new(TLS_client_method());
    if (!config->slots || !ctx || !SSL_CTX_set_min_proto_version(ctx, setting->version) ||
        !SSL_CTX_set_max_proto_version(ctx, setting->version) ||
        !SSL_CTX_load_verify_locations(ctx, setting->cafile, NULL) ||
        !SSL_CTX_use_certificate_file(ctx, setting->client_cert, SSL_FILETYPE_PEM) ||
        !SSL_CTX_use_PrivateKey_file(ctx, setting->client_key, SSL_FILETYPE_PEM)) {
        set_error(SSL_ERROR_SSL);
        config_free(config);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (mode == MODE_OWN) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, keep_newest);
    } else if (mode != MODE_NONE) { /* OpenSSL by itself resumes nothing */
        tsc_status status = tsc_ssl_attach(ctx, cache, NULL, 0);
        if (status != TSC_OK) {
            snprintf(storm_error, sizeof storm_error, "tsc_ssl_attach: %s",
                     tsc_status_text(status));
            config_free(config);
            return NULL;
        }
    }
    return config;
}

static struct tls *prepare(struct tls_config *config, const struct node *node, int fd) {
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        abort();
    tls->config = config;
    tls->node = node;
    SSL *ssl = tls->ssl = SSL_new(config->ctx);
    if (ssl && SSL_set_fd(ssl, fd) && SSL_set_app_data(ssl, tls) &&
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), node->host) &&
        (config->mode < MODE_BURST || tsc_ssl_prepare(ssl, node->host, node->port) == TSC_OK)) {
        SSL_set_connect_state(ssl);
        return tls;
    }
    set_error(SSL_ERROR_SSL);
    SSL_free(ssl);
    free(tls);
    return NULL;
}

static const tsc_attempt *attempt(const struct tls *tls) {
    return tsc_ssl_attempt(tls->ssl);
}

static bool begin(struct tls *tls) {
    SSL_SESSION *newest = tls->config->slots[tls->node->index];
    if (tls->config->mode == MODE_OWN)
        return newest == NULL || SSL_set_session(tls->ssl, newest) == 1;
    return tls->config->mode == MODE_NONE || tsc_ssl_offer(tls->ssl) == TSC_OK;
}

static enum progress drive(struct tls *tls, char *answer) {
    SSL *ssl = tls->ssl;
    int result = 1;
    errno = 0;
    if (!SSL_is_init_finished(ssl))
        result = SSL_do_handshake(ssl);
    if (result == 1 && !tls->greeted) {
        result = SSL_write(ssl, LOGIN, LOGIN_LEN);
        tls->greeted = result > 0;
    }
    if (tls->greeted) {
        /* The tickets come before the answer, and this takes them as well. */
        result = SSL_read(ssl, answer, ANSWER_LEN);
        if (result == ANSWER_LEN) {
            if (tls->config->mode >= MODE_BURST)
                tsc_ssl_established(ssl);
            return PROGRESS_UP;
        }
    }
    int error = SSL_get_error(ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return PROGRESS_PENDING;
    long verified = SSL_get_verify_result(ssl);
    set_error(error);
    if (verified != X509_V_OK)
        snprintf(storm_error, sizeof storm_error, "%s", X509_verify_cert_error_string(verified));
    if (tls->config->mode >= MODE_BURST)
        tsc_ssl_failed(ssl);
    return PROGRESS_FAILED;
}

static void close_tls(struct tls *tls) {
    if (SSL_is_init_finished(tls->ssl))
        SSL_shutdown(tls->ssl);
    ERR_clear_error();
    SSL_free(tls->ssl);
    free(tls);
}

const struct tls_stack openssl_stack = {
    name, config_new, config_free, prepare, attempt, begin, drive, close_tls,
};
