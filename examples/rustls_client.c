/* Connects twice to a web server with rustls, and says of each handshake whether it was full or
   resumed:

       rustls_client HOST PORT CAFILE

   The parts marked tsc are all that libtsc takes. The rest is any program on rustls-ffi. */

#include "rustls.h"
#include "tcp.h"
#include "tsc.h"

#include <signal.h>
#include <stdlib.h>

static rustls_io_result receive(void *fd, uint8_t *buf, size_t cap, size_t *len) {
    ssize_t n = recv(*(int *)fd, buf, cap, 0);
    *len = n < 0 ? 0 : (size_t)n;
    return n < 0 ? errno : 0;
}

static rustls_io_result transmit(void *fd, const uint8_t *buf, size_t len, size_t *sent) {
    ssize_t n = send(*(int *)fd, buf, len, 0);
    *sent = n < 0 ? 0 : (size_t)n;
    return n < 0 ? errno : 0;
}

/* Sends what rustls has to say; if that is nothing, reads what the server says. */
static int step(struct rustls_connection *tls, int *fd) {
    size_t n = 0;
    if (rustls_connection_wants_write(tls))
        return rustls_connection_write_tls(tls, transmit, fd, &n) == 0;
    if (rustls_connection_read_tls(tls, receive, fd, &n) != 0 || n == 0)
        return 0;
    rustls_result result = rustls_connection_process_new_packets(tls);
    if (result != RUSTLS_RESULT_OK) {
        char why[256];
        rustls_error(result, why, sizeof why, &n);
        fprintf(stderr, "%.*s\n", (int)n, why);
    }
    return result == RUSTLS_RESULT_OK;
}

static int handshake(struct rustls_connection *tls, int *fd) {
    while (rustls_connection_is_handshaking(tls) || rustls_connection_wants_write(tls))
        if (!step(tls, fd))
            return 0;
    return 1;
}

/* Stands for a driver's login: a first request and its answer. In TLS 1.3 the tickets come after
   the handshake, and rustls takes them in while it reads. */
static int login(struct rustls_connection *tls, int *fd) {
    static const char request[] = "HEAD / HTTP/1.0\r\n\r\n";
    uint8_t answer[4096] = {0};
    size_t n = 0;
    rustls_connection_write(tls, (const uint8_t *)request, sizeof request - 1, &n);
    while (rustls_connection_read(tls, answer, sizeof answer, &n) == RUSTLS_RESULT_PLAINTEXT_EMPTY)
        if (!step(tls, fd))
            return 0;
    return n > 0;
}

static const struct rustls_client_config *new_rustls_config(const char *cafile) {
    struct rustls_root_cert_store_builder *roots_builder = rustls_root_cert_store_builder_new();
    rustls_root_cert_store_builder_load_roots_from_file(roots_builder, cafile, true);
    const struct rustls_root_cert_store *roots = NULL;
    rustls_root_cert_store_builder_build(roots_builder, &roots);
    struct rustls_web_pki_server_cert_verifier_builder *verifier_builder =
        rustls_web_pki_server_cert_verifier_builder_new(roots);
    struct rustls_server_cert_verifier *verifier = NULL;
    rustls_web_pki_server_cert_verifier_builder_build(verifier_builder, &verifier);
    struct rustls_client_config_builder *builder = rustls_client_config_builder_new();
    rustls_client_config_builder_set_server_verifier(builder, verifier);
    const struct rustls_client_config *config = NULL;
    rustls_client_config_builder_build(builder, &config);
    rustls_server_cert_verifier_free(verifier);
    rustls_web_pki_server_cert_verifier_builder_free(verifier_builder);
    rustls_root_cert_store_free(roots);
    rustls_root_cert_store_builder_free(roots_builder);
    return config;
}

static int visit(const tsc_config *config, const char *host, const char *port);

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: rustls_client HOST PORT CAFILE\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    const struct rustls_client_config *rustls = new_rustls_config(argv[3]);
    if (rustls == NULL) {
        fprintf(stderr, "cannot use the certificates in %s\n", argv[3]);
        return 2;
    }
    /* [tsc] */
    tsc_cache *cache = NULL;
    tsc_config *config = NULL;
    tsc_cache_new(NULL, 0, &cache);
    tsc_config_attach(cache, rustls, NULL, 0, &config);
    /* [/tsc] */
    int ok = visit(config, argv[1], argv[2]) && visit(config, argv[1], argv[2]);
    tsc_config_free(config);
    tsc_cache_free(cache);
    rustls_client_config_free(rustls);
    return !ok;
}

static int visit(const tsc_config *config, const char *host, const char *port) {
    int fd = tcp_connect(host, port);
    if (fd < 0)
        return 0;
    struct rustls_connection *tls = NULL;
    const struct rustls_client_config *rustls = NULL;
    /* [tsc] */
    tsc_endpoint endpoint = {.host = (const uint8_t *)host, .host_len = strlen(host)};
    endpoint.port = (uint32_t)atoi(port);
    tsc_attempt *attempt = NULL;
    tsc_attempt_new(config, &endpoint, sizeof endpoint, &attempt);
    tsc_attempt_rustls_config(attempt, &rustls);
    rustls_client_connection_new(rustls, host, &tls);
    int secure = tls != NULL && handshake(tls, &fd);
    int resumed = rustls_connection_handshake_kind(tls) == RUSTLS_HANDSHAKE_KIND_RESUMED;
    int ok = secure && login(tls, &fd);
    if (ok)
        tsc_attempt_established(attempt, resumed);
    else
        tsc_attempt_failed(attempt, TSC_FACT_SENT | (secure ? TSC_FACT_HANDSHAKE_DONE : 0) |
                                        (resumed ? TSC_FACT_RESUMED : 0));
    tsc_attempt_free(attempt);
    /* [/tsc] */
    if (ok) {
        puts(resumed ? "resumed" : "full");
        rustls_connection_send_close_notify(tls);
        step(tls, &fd);
    } else {
        fprintf(stderr, "failed\n");
    }
    rustls_connection_free(tls);
    rustls_client_config_free(rustls);
    close(fd);
    return ok;
}
