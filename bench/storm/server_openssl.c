/* The storm's servers on OpenSSL. */

#include "server.h"

#include "certificate.h"

#include <openssl/ssl.h>

/* The manner is the same for all. */
static struct manner manner;

struct service {
    SSL *ssl;
    bool handshaken, answered;
};

static bool can(const struct manner *asked) {
    const char *sessions = asked->sessions;
    return strcmp(sessions, "sealed") == 0 || strcmp(sessions, "kept") == 0 ||
           strcmp(sessions, "once") == 0;
}

static struct context *context_new(const struct manner *asked) {
    manner = *asked;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    check(ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
              SSL_CTX_use_certificate_file(ctx, manner.cert, SSL_FILETYPE_PEM) &&
              SSL_CTX_use_PrivateKey_file(ctx, manner.key, SSL_FILETYPE_PEM) &&
              SSL_CTX_set_num_tickets(ctx, manner.full) &&
              SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"storm", 5),
          "configuring OpenSSL");
    if (strcmp(manner.sessions, "kept") == 0)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    /* OpenSSL guards against replay where early data could be replayed, and only there. */
    if (strcmp(manner.sessions, "once") == 0)
        check(SSL_CTX_set_max_early_data(ctx, 1), "configuring OpenSSL");
    if (manner.client_cert) {
        check(SSL_CTX_load_verify_locations(ctx, manner.cafile, NULL), "configuring OpenSSL");
        SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(manner.cafile));
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return (struct context *)ctx;
}

static void context_free(struct context *context) {
    SSL_CTX_free((SSL_CTX *)context);
}

static struct service *service_new(struct context *context, int fd) {
    struct service *service = calloc(1, sizeof *service);
    check(service != NULL, "out of memory");
    service->ssl = SSL_new((SSL_CTX *)context);
    check(service->ssl && SSL_set_fd(service->ssl, fd), "a connection");
    SSL_set_accept_state(service->ssl);
    return service;
}

/* OpenSSL by itself sends one ticket when it resumes, whatever was set. */
static void settle_tickets(SSL *ssl) {
    if (SSL_version(ssl) != TLS1_3_VERSION || !SSL_session_reused(ssl) || manner.resumed <= 1)
        return;
    for (unsigned i = 1; i < manner.resumed; i++)
        SSL_new_session_ticket(ssl);
    SSL_do_handshake(ssl); /* sends them */
}

static bool serve(struct service *service) {
    SSL *ssl = service->ssl;
    char text[256];
    int result = 1;
    if (!service->handshaken) {
        result = SSL_do_handshake(ssl);
        if (result == 1) {
            service->handshaken = true;
            settle_tickets(ssl);
        }
    }
    while (service->handshaken && (result = SSL_read(ssl, text, sizeof text)) > 0) {
        if (service->answered)
            continue;
        service->answered = true;
        if (SSL_write(ssl, SSL_session_reused(ssl) ? ANSWER_RESUMED : ANSWER_FULL, ANSWER_LEN) <= 0)
            return false;
    }
    result = SSL_get_error(ssl, result);
    ERR_clear_error();
    return result == SSL_ERROR_WANT_READ || result == SSL_ERROR_WANT_WRITE;
}

static void service_free(struct service *service) {
    /* A server that keeps sessions forgets one whose connection ends without this. */
    if (SSL_get_shutdown(service->ssl) & SSL_RECEIVED_SHUTDOWN)
        SSL_shutdown(service->ssl);
    ERR_clear_error();
    SSL_free(service->ssl);
    free(service);
}

const struct server_stack openssl_server = {
    "openssl", can, context_new, context_free, service_new, serve, service_free,
};
