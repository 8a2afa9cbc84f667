/* The storm's rustls: rustls-ffi, as libtsc exports it. */

#include "storm.h"

#include "rustls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct tls_config {
    enum mode mode;
    tsc_config *tsc;                           /* NULL in MODE_OWN */
    const struct rustls_client_config *rustls; /* MODE_OWN */
};

struct tls {
    const struct tls_config *config;
    const struct node *node;
    int fd;
    tsc_attempt *attempt; /* NULL in MODE_OWN */
    struct rustls_connection *connection;
    size_t have; /* bytes of the answer */
    bool greeted;
};

static void set_error(rustls_result result) {
    size_t length = 0;
    rustls_error(result, storm_error, sizeof storm_error - 1, &length);
    storm_error[length] = '\0';
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

/* ---- Configuration ----------------------------------------------------------------------------*/

static rustls_result new_verifier(const char *cafile, struct rustls_server_cert_verifier **out) {
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

static size_t read_file(const char *path, uint8_t *buf, size_t cap) {
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(buf, 1, cap, file) : 0;
    if (file)
        fclose(file);
    return length;
}

static rustls_result set_client_certificate(struct rustls_client_config_builder *builder,
                                            const struct setting *setting) {
    uint8_t cert[8192], key[8192];
    size_t cert_len = read_file(setting->client_cert, cert, sizeof cert);
    size_t key_len = read_file(setting->client_key, key, sizeof key);
    const struct rustls_certified_key *certified = NULL;
    rustls_result result = rustls_certified_key_build(cert, cert_len, key, key_len, &certified);
    if (result == RUSTLS_RESULT_OK)
        result = rustls_client_config_builder_set_certified_key(builder, &certified, 1);
    rustls_certified_key_free(certified);
    return result;
}

static rustls_result new_client_config(const struct setting *setting,
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
        result = rustls_client_config_builder_new_custom(provider, &setting->version, 1, &builder);
    if (result == RUSTLS_RESULT_OK)
        result = set_client_certificate(builder, setting);
    if (result == RUSTLS_RESULT_OK)
        result = new_verifier(setting->cafile, &verifier);
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

static void config_free(struct tls_config *config) {
    tsc_config_free(config->tsc);
    rustls_client_config_free(config->rustls);
    free(config);
}

/* What rustls builds resumes by its own memory cache; there is no way to turn that off in the C
   functions. So MODE_NONE is libtsc with a cache that is disabled. */
static struct tls_config *config_new(enum mode mode, const struct setting *setting,
                                     const tsc_cache *cache) {
    struct tls_config *config = calloc(1, sizeof *config);
    if (config == NULL)
        abort();
    config->mode = mode;
    rustls_result result = new_client_config(setting, &config->rustls);
    if (result != RUSTLS_RESULT_OK) {
        set_error(result);
        config_free(config);
        return NULL;
    }
    if (mode == MODE_OWN)
        return config;
    tsc_status status = tsc_config_attach(cache, config->rustls, NULL, 0, &config->tsc);
    if (status != TSC_OK) {
        snprintf(storm_error, sizeof storm_error, "tsc_config_attach: %s", tsc_status_text(status));
        config_free(config);
        return NULL;
    }
    return config;
}

/* ---- Connections ------------------------------------------------------------------------------*/

static struct tls *prepare(struct tls_config *config, const struct node *node, int fd) {
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        abort();
    *tls = (struct tls){.config = config, .node = node, .fd = fd};
    if (config->mode == MODE_OWN)
        return tls;
    const tsc_endpoint endpoint = {
        .host = (const uint8_t *)node->host,
        .host_len = strlen(node->host),
        .port = node->port,
    };
    tsc_status status = tsc_attempt_new(config->tsc, &endpoint, sizeof endpoint, &tls->attempt);
    if (status == TSC_OK)
        return tls;
    snprintf(storm_error, sizeof storm_error, "tsc_attempt_new: %s", tsc_status_text(status));
    free(tls);
    return NULL;
}

static const tsc_attempt *attempt(const struct tls *tls) {
    return tls->attempt;
}

static bool begin(struct tls *tls) {
    const struct rustls_client_config *own = NULL;
    tsc_status status = TSC_OK;
    if (tls->attempt != NULL)
        status = tsc_attempt_rustls_config(tls->attempt, &own);
    if (status != TSC_OK) {
        snprintf(storm_error, sizeof storm_error, "tsc_attempt_rustls_config: %s",
                 tsc_status_text(status));
        return false;
    }
    rustls_result result = rustls_client_connection_new(own ? own : tls->config->rustls,
                                                        tls->node->host, &tls->connection);
    rustls_client_config_free(own);
    if (result == RUSTLS_RESULT_OK)
        return true;
    set_error(result);
    return false;
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

static enum progress fail(struct tls *tls, rustls_result result, int error) {
    if (result != RUSTLS_RESULT_OK)
        set_error(result);
    else
        snprintf(storm_error, sizeof storm_error, "%s",
                 error ? strerror(error) : "the server hung up");
    if (tls->attempt != NULL) {
        uint32_t facts = TSC_FACT_SENT;
        if (!rustls_connection_is_handshaking(tls->connection))
            facts |= TSC_FACT_HANDSHAKE_DONE;
        if (rustls_connection_handshake_kind(tls->connection) == RUSTLS_HANDSHAKE_KIND_RESUMED)
            facts |= TSC_FACT_RESUMED;
        tsc_attempt_failed(tls->attempt, facts);
    }
    return PROGRESS_FAILED;
}

static enum progress drive(struct tls *tls, char *answer) {
    for (;;) {
        if (!tls->greeted && !rustls_connection_is_handshaking(tls->connection)) {
            size_t written;
            rustls_result result = rustls_connection_write(tls->connection, (const uint8_t *)LOGIN,
                                                           LOGIN_LEN, &written);
            if (result != RUSTLS_RESULT_OK)
                return fail(tls, result, 0);
            tls->greeted = true;
        }
        int error = flush(tls);
        size_t length = 0;
        if (error == 0 && tls->greeted &&
            rustls_connection_read(tls->connection, (uint8_t *)answer + tls->have,
                                   ANSWER_LEN - tls->have, &length) == RUSTLS_RESULT_OK &&
            (tls->have += length) == ANSWER_LEN) {
            if (tls->attempt != NULL)
                tsc_attempt_established(tls->attempt,
                                        rustls_connection_handshake_kind(tls->connection) ==
                                            RUSTLS_HANDSHAKE_KIND_RESUMED);
            return PROGRESS_UP;
        }
        if (error == 0)
            error = rustls_connection_read_tls(tls->connection, receive, tls, &length);
        if (error == EAGAIN || error == EWOULDBLOCK)
            return PROGRESS_PENDING;
        if (error != 0 || length == 0)
            return fail(tls, RUSTLS_RESULT_OK, error);
        rustls_result result = rustls_connection_process_new_packets(tls->connection);
        if (result != RUSTLS_RESULT_OK) {
            flush(tls); /* the alert that says why this end gives up */
            return fail(tls, result, 0);
        }
    }
}

static void close_tls(struct tls *tls) {
    if (tls->connection != NULL) {
        rustls_connection_send_close_notify(tls->connection);
        flush(tls);
    }
    rustls_connection_free(tls->connection);
    tsc_attempt_free(tls->attempt);
    free(tls);
}

const struct tls_stack rustls_stack = {
    name, config_new, config_free, prepare, attempt, begin, drive, close_tls,
};
