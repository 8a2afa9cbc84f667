/* The demo's rustls: rustls-ffi, as libtsc exports it. */

#include "demo.h"

#include "rustls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct tls_config {
    tsc_config *tsc;
};

struct tls {
    struct rustls_connection *connection;
    int fd;
    rustls_result result; /* what rustls found wrong with the server's messages */
};

static void set_error(rustls_result result) {
    size_t length = 0;
    rustls_error(result, demo_error, sizeof demo_error - 1, &length);
    demo_error[length] = '\0';
}

static const char *name(void) {
    static char name[32] = "rustls";
    /* rustls_version says "rustls-ffi/0.15.7/rustls/0.23.46/aws-lc-rs". */
    char version[64];
    struct rustls_str all = rustls_version();
    snprintf(version, sizeof version, "%.*s", (int)all.len, all.data);
    sscanf(version, "%*[^/]/%*[^/]/rustls/%20[^/]", strcpy(name, "rustls ") + 7);
    return name;
}

static rustls_result new_verifier(const char *cafile, struct rustls_server_cert_verifier **out) {
    if (cafile == NULL)
        return rustls_platform_server_cert_verifier(out);
    struct rustls_root_cert_store_builder *roots_builder = rustls_root_cert_store_builder_new();
    const struct rustls_root_cert_store *roots = NULL;
    rustls_result result =
        rustls_root_cert_store_builder_load_roots_from_file(roots_builder, cafile, true);
    if (result == RUSTLS_RESULT_OK)
        result = rustls_root_cert_store_builder_build(roots_builder, &roots);
    if (result == RUSTLS_RESULT_OK) {
        struct rustls_web_pki_server_cert_verifier_builder *builder =
            rustls_web_pki_server_cert_verifier_builder_new(roots);
        result = rustls_web_pki_server_cert_verifier_builder_build(builder, out);
        rustls_web_pki_server_cert_verifier_builder_free(builder);
    }
    rustls_root_cert_store_free(roots);
    rustls_root_cert_store_builder_free(roots_builder);
    return result;
}

static rustls_result new_client_config(uint16_t version, const char *cafile,
                                       const struct rustls_client_config **out) {
    /* Only with a provider at hand can the TLS version be chosen. */
    struct rustls_crypto_provider_builder *provider_builder = NULL;
    const struct rustls_crypto_provider *provider = NULL;
    struct rustls_client_config_builder *builder = NULL;
    struct rustls_server_cert_verifier *verifier = NULL;
    rustls_result result = rustls_crypto_provider_builder_new_from_default(&provider_builder);
    if (result == RUSTLS_RESULT_OK)
        result = rustls_crypto_provider_builder_build(provider_builder, &provider);
    if (result == RUSTLS_RESULT_OK)
        result = rustls_client_config_builder_new_custom(provider, &version, 1, &builder);
    if (result == RUSTLS_RESULT_OK)
        result = new_verifier(cafile, &verifier);
    if (result == RUSTLS_RESULT_OK) {
        rustls_client_config_builder_set_server_verifier(builder, verifier);
        result = rustls_client_config_builder_build(builder, out);
        builder = NULL; /* used up */
    }
    rustls_server_cert_verifier_free(verifier);
    rustls_client_config_builder_free(builder);
    rustls_crypto_provider_free(provider);
    rustls_crypto_provider_builder_free(provider_builder);
    return result;
}

static struct tls_config *config_new(const tsc_cache *cache, uint16_t version,
                                     const struct target *target) {
    const struct rustls_client_config *rustls = NULL;
    rustls_result result = new_client_config(version, target->cafile, &rustls);
    if (result != RUSTLS_RESULT_OK) {
        set_error(result);
        return NULL;
    }
    struct tls_config *config = calloc(1, sizeof *config);
    tsc_status status =
        config ? tsc_config_attach(cache, rustls, NULL, 0, &config->tsc) : TSC_NO_MEMORY;
    rustls_client_config_free(rustls);
    if (status != TSC_OK) {
        snprintf(demo_error, sizeof demo_error, "tsc_config_attach: %s", tsc_status_text(status));
        free(config);
        return NULL;
    }
    return config;
}

static void config_free(struct tls_config *config) {
    tsc_config_free(config->tsc);
    free(config);
}

static rustls_io_result receive(void *tls, uint8_t *buf, size_t cap, size_t *len) {
    ssize_t n = recv(((struct tls *)tls)->fd, buf, cap, 0);
    if (n < 0)
        return errno;
    *len = (size_t)n;
    return 0;
}

static rustls_io_result transmit(void *tls, const uint8_t *buf, size_t len, size_t *sent) {
    ssize_t n = send(((struct tls *)tls)->fd, buf, len, 0);
    if (n < 0)
        return errno;
    *sent = (size_t)n;
    return 0;
}

/* Sends what rustls has to say. Returns 0 or an errno. */
static int flush(struct tls *tls) {
    int error = 0;
    size_t sent;
    while (error == 0 && rustls_connection_wants_write(tls->connection))
        error = rustls_connection_write_tls(tls->connection, transmit, tls, &sent);
    return error;
}

/* Reads once from the network and answers. Returns 0 or an errno: EPROTO for what TLS does not
   allow, with the reason in tls->result. */
static int fill(struct tls *tls) {
    size_t received = 0;
    int error = rustls_connection_read_tls(tls->connection, receive, tls, &received);
    if (error != 0)
        return error;
    tls->result = rustls_connection_process_new_packets(tls->connection);
    error = flush(tls); /* also the alert that says why this end gives up */
    if (tls->result != RUSTLS_RESULT_OK)
        return EPROTO;
    return received == 0 ? ECONNRESET : error;
}

/* Puts into words what fill or flush returned. */
static void set_errno(const struct tls *tls, int error) {
    if (tls->result != RUSTLS_RESULT_OK)
        set_error(tls->result);
    else
        snprintf(demo_error, sizeof demo_error, "%s",
                 error == EAGAIN ? "the server fell silent" : strerror(error));
}

static enum outcome shake_hands(struct tls *tls) {
    int error = flush(tls);
    while (error == 0 && rustls_connection_is_handshaking(tls->connection))
        error = fill(tls);
    if (error == 0)
        return rustls_connection_handshake_kind(tls->connection) == RUSTLS_HANDSHAKE_KIND_RESUMED
                   ? OUTCOME_RESUMED
                   : OUTCOME_FULL;
    set_errno(tls, error);
    if (rustls_result_is_cert_error(tls->result))
        return OUTCOME_NOT_TRUSTED;
    if (tls->result == RUSTLS_RESULT_ALERT_PROTOCOL_VERSION ||
        tls->result == RUSTLS_RESULT_PEER_INCOMPATIBLE_ERROR)
        return OUTCOME_NOT_SPOKEN;
    return OUTCOME_BROKEN;
}

static struct tls *open_tls(struct tls_config *config, const struct target *target, int fd,
                            enum outcome *outcome) {
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        abort();
    tls->fd = fd;
    tls->result = RUSTLS_RESULT_OK;
    const tsc_endpoint endpoint = {
        .host = (const uint8_t *)target->host,
        .host_len = strlen(target->host),
        .server_name = (const uint8_t *)target->server_name,
        .server_name_len = strlen(target->server_name),
        .port = (uint32_t)atoi(target->port),
    };
    *outcome = OUTCOME_BROKEN;
    tsc_attempt *attempt = NULL;
    const struct rustls_client_config *rustls = NULL;
    tsc_status status = tsc_attempt_new(config->tsc, &endpoint, sizeof endpoint, &attempt);
    if (status == TSC_OK)
        status = tsc_attempt_rustls_config(attempt, &rustls);
    if (status != TSC_OK) {
        snprintf(demo_error, sizeof demo_error, "libtsc: %s", tsc_status_text(status));
    } else {
        rustls_result result =
            rustls_client_connection_new(rustls, target->server_name, &tls->connection);
        if (result == RUSTLS_RESULT_OK)
            *outcome = shake_hands(tls);
        else
            set_error(result);
    }
    if (*outcome == OUTCOME_FULL || *outcome == OUTCOME_RESUMED)
        tsc_attempt_established(attempt, *outcome == OUTCOME_RESUMED);
    else if (attempt != NULL)
        tsc_attempt_failed(attempt, TSC_FACT_SENT);
    rustls_client_config_free(rustls);
    tsc_attempt_free(attempt); /* tickets of the open connection are still kept */
    return tls;
}

static int write_tls(struct tls *tls, const char *data, size_t len) {
    size_t written = 0;
    rustls_result result =
        rustls_connection_write(tls->connection, (const uint8_t *)data, len, &written);
    if (result == RUSTLS_RESULT_OK && written == len && flush(tls) == 0)
        return 1;
    snprintf(demo_error, sizeof demo_error, "the server does not listen");
    return 0;
}

static int read_tls(struct tls *tls, char *buf, size_t cap) {
    for (;;) {
        size_t length = 0;
        rustls_result result =
            rustls_connection_read(tls->connection, (uint8_t *)buf, cap, &length);
        if (result == RUSTLS_RESULT_OK)
            return (int)length; /* 0: close_notify */
        if (result != RUSTLS_RESULT_PLAINTEXT_EMPTY) {
            set_error(result);
            return 0;
        }
        int error = fill(tls);
        if (error == EAGAIN)
            return -1;
        if (error != 0) {
            set_errno(tls, error);
            return 0;
        }
    }
}

static void close_tls(struct tls *tls) {
    if (tls->connection != NULL) {
        rustls_connection_send_close_notify(tls->connection);
        flush(tls);
    }
    rustls_connection_free(tls->connection);
    free(tls);
}

const struct tls_stack rustls_stack = {
    name, config_new, config_free, open_tls, write_tls, read_tls, close_tls,
};
