// See rustls_client.h.

#include "rustls_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "rustls.h"

const struct rustls_client_config *rustls_client_trusting(const char *certificate) {
    struct rustls_root_cert_store_builder *roots_builder = rustls_root_cert_store_builder_new();
    const struct rustls_root_cert_store *roots = NULL;
    struct rustls_server_cert_verifier *verifier = NULL;
    const struct rustls_client_config *config = NULL;
    rustls_root_cert_store_builder_load_roots_from_file(roots_builder, certificate, true);
    rustls_root_cert_store_builder_build(roots_builder, &roots);
    struct rustls_web_pki_server_cert_verifier_builder *verifier_builder =
        rustls_web_pki_server_cert_verifier_builder_new(roots);
    rustls_web_pki_server_cert_verifier_builder_build(verifier_builder, &verifier);
    struct rustls_client_config_builder *builder = rustls_client_config_builder_new();
    rustls_client_config_builder_set_server_verifier(builder, verifier);
    rustls_client_config_builder_build(builder, &config);
    rustls_server_cert_verifier_free(verifier);
    rustls_web_pki_server_cert_verifier_builder_free(verifier_builder);
    rustls_root_cert_store_free(roots);
    rustls_root_cert_store_builder_free(roots_builder);
    return config;
}

void rustls_client_forget(const struct rustls_client_config *config) {
    rustls_client_config_free(config);
}

static rustls_io_result receive(void *fd, uint8_t *to, size_t room, size_t *size) {
    ssize_t got = recv(*(int *)fd, to, room, 0);
    *size = got < 0 ? 0 : (size_t)got;
    return got < 0 ? errno : 0;
}

static rustls_io_result transmit(void *fd, const uint8_t *from, size_t size, size_t *sent) {
    ssize_t done = send(*(int *)fd, from, size, MSG_NOSIGNAL);
    *sent = done < 0 ? 0 : (size_t)done;
    return done < 0 ? errno : 0;
}

// Writes what there is to write, or else reads. False: that was the end.
static bool step(struct rustls_connection *tls, int fd) {
    size_t size = 0;
    if (rustls_connection_wants_write(tls))
        return rustls_connection_write_tls(tls, transmit, &fd, &size) == 0;
    return rustls_connection_read_tls(tls, receive, &fd, &size) == 0 && size > 0 &&
           rustls_connection_process_new_packets(tls) == RUSTLS_RESULT_OK;
}

int rustls_client_visit(const struct rustls_client_config *config, int fd) {
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct rustls_connection *tls = NULL;
    char answer[4096] = "";
    size_t length = 0, size = 0;
    if (rustls_client_connection_new(config, "localhost", &tls) != RUSTLS_RESULT_OK)
        return -1;
    bool open = true;
    while (open && (rustls_connection_is_handshaking(tls) || rustls_connection_wants_write(tls)))
        open = step(tls, fd);
    if (open)
        rustls_connection_write(tls, (const uint8_t *)request, sizeof request - 1, &size);
    while (open) {
        open = step(tls, fd);
        while (rustls_connection_read(tls, (uint8_t *)answer + length, sizeof answer - 1 - length,
                                      &size) == RUSTLS_RESULT_OK &&
               size > 0)
            length += size;
    }
    int resumed = rustls_connection_handshake_kind(tls) == RUSTLS_HANDSHAKE_KIND_RESUMED;
    const char *word = strstr(answer, resumed ? "Reused" : "New"); // the server's
    rustls_connection_free(tls);
    return word ? resumed : -1;
}
