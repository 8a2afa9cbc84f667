/* The demo's OpenSSL. */

#include "demo.h"

#include "tsc_openssl.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Both types are OpenSSL's own. */
static SSL_CTX *ctx_of(struct tls_config *config) {
    return (SSL_CTX *)config;
}

static SSL *ssl_of(struct tls *tls) {
    return (SSL *)tls;
}

/* Puts into words why an OpenSSL call failed. error: what SSL_get_error says. */
static void set_error(int error) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        reason = "the server fell silent";
    else if (reason == NULL && error == SSL_ERROR_SYSCALL && errno != 0)
        reason = strerror(errno);
    snprintf(demo_error, sizeof demo_error, "%s", reason ? reason : "the server hung up");
    ERR_clear_error();
}

static const char *name(void) {
    static char name[32] = "OpenSSL";
    sscanf(OpenSSL_version(OPENSSL_VERSION), "%*s %20s", strcpy(name, "OpenSSL ") + 8);
    return name;
}

static struct tls_config *config_new(const tsc_cache *cache, uint16_t version,
                                     const struct target *target) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int ok = ctx && SSL_CTX_set_min_proto_version(ctx, version) &&
             SSL_CTX_set_max_proto_version(ctx, version) &&
             (target->cafile ? SSL_CTX_load_verify_locations(ctx, target->cafile, NULL)
                             : SSL_CTX_set_default_verify_paths(ctx));
    if (!ok) {
        set_error(SSL_ERROR_SSL);
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    tsc_status status = tsc_ssl_attach(ctx, cache, NULL, 0);
    if (status != TSC_OK) {
        snprintf(demo_error, sizeof demo_error, "tsc_ssl_attach: %s", tsc_status_text(status));
        SSL_CTX_free(ctx);
        return NULL;
    }
    return (struct tls_config *)ctx;
}

static void config_free(struct tls_config *config) {
    SSL_CTX_free(ctx_of(config));
}

/* Sets who the server has to be: a name, which it is told, or an address, which it is not. */
static int set_server_name(SSL *ssl, const char *server_name) {
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name))
        return 1;
    ERR_clear_error();
    return SSL_set_tlsext_host_name(ssl, server_name) && SSL_set1_host(ssl, server_name);
}

static struct tls *open_tls(struct tls_config *config, const struct target *target, int fd,
                            enum outcome *outcome) {
    SSL *ssl = SSL_new(ctx_of(config));
    if (ssl == NULL || !SSL_set_fd(ssl, fd) || !set_server_name(ssl, target->server_name)) {
        *outcome = OUTCOME_BROKEN;
        set_error(SSL_ERROR_SSL);
        return (struct tls *)ssl;
    }
    tsc_ssl_begin(ssl, target->host, (uint32_t)atoi(target->port));
    errno = 0;
    int result = SSL_connect(ssl);
    if (result == 1) {
        *outcome = SSL_session_reused(ssl) ? OUTCOME_RESUMED : OUTCOME_FULL;
        tsc_ssl_established(ssl);
        return (struct tls *)ssl;
    }
    long verified = SSL_get_verify_result(ssl);
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (verified != X509_V_OK) {
        *outcome = OUTCOME_NOT_TRUSTED;
        snprintf(demo_error, sizeof demo_error, "%s", X509_verify_cert_error_string(verified));
        ERR_clear_error();
    } else {
        *outcome =
            reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION || reason == SSL_R_UNSUPPORTED_PROTOCOL
                ? OUTCOME_NOT_SPOKEN
                : OUTCOME_BROKEN;
        set_error(SSL_get_error(ssl, result));
    }
    tsc_ssl_failed(ssl);
    return (struct tls *)ssl;
}

static int write_tls(struct tls *tls, const char *data, size_t len) {
    int n = SSL_write(ssl_of(tls), data, (int)len);
    if (n == (int)len)
        return 1;
    set_error(SSL_get_error(ssl_of(tls), n));
    return 0;
}

static int read_tls(struct tls *tls, char *buf, size_t cap) {
    errno = 0;
    int n = SSL_read(ssl_of(tls), buf, (int)cap);
    if (n > 0)
        return n;
    int error = SSL_get_error(ssl_of(tls), n);
    if (error == SSL_ERROR_WANT_READ)
        return -1;
    if (error != SSL_ERROR_ZERO_RETURN) /* close_notify */
        set_error(error);
    return 0;
}

static void close_tls(struct tls *tls) {
    /* After an error OpenSSL allows no shutdown. */
    if (demo_error[0] == '\0')
        SSL_shutdown(ssl_of(tls));
    SSL_free(ssl_of(tls));
}

const struct tls_stack openssl_stack = {
    name, config_new, config_free, open_tls, write_tls, read_tls, close_tls,
};
