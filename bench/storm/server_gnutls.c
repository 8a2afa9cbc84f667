/* The storm's servers on GnuTLS, which sends two tickets after every handshake by itself. */

#include "server.h"

#include <gnutls/gnutls.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct context {
    unsigned users; /* itself and its connections */
    bool client_cert;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    gnutls_datum_t ticket_key;
};

struct service {
    struct context *context;
    gnutls_session_t session;
    bool handshaken, answered;
};

static void check(int result, const char *what) {
    if (result >= 0)
        return;
    fprintf(stderr, "server: %s: %s\n", what, gnutls_strerror(result));
    exit(2);
}

static bool can(const struct manner *asked) {
    return asked->full == 2 && asked->resumed == 2 && strcmp(asked->sessions, "sealed") == 0;
}

static struct context *context_new(const struct manner *manner) {
    struct context *context = calloc(1, sizeof *context);
    check(context ? 0 : GNUTLS_E_MEMORY_ERROR, "a context");
    context->users = 1;
    context->client_cert = manner->client_cert;
    check(gnutls_certificate_allocate_credentials(&context->credentials), "credentials");
    check(gnutls_certificate_set_x509_key_file(context->credentials, manner->cert, manner->key,
                                               GNUTLS_X509_FMT_PEM),
          manner->cert);
    check(gnutls_certificate_set_x509_trust_file(context->credentials, manner->cafile,
                                                 GNUTLS_X509_FMT_PEM),
          manner->cafile);
    check(gnutls_priority_init(&context->priority, NULL, NULL), "priorities");
    check(gnutls_session_ticket_key_generate(&context->ticket_key), "a ticket key");
    return context;
}

static void context_free(struct context *context) {
    if (--context->users > 0)
        return;
    gnutls_certificate_free_credentials(context->credentials);
    gnutls_priority_deinit(context->priority);
    gnutls_memset(context->ticket_key.data, 0, context->ticket_key.size);
    gnutls_free(context->ticket_key.data);
    free(context);
}

static struct service *service_new(struct context *context, int fd) {
    struct service *service = calloc(1, sizeof *service);
    check(service ? 0 : GNUTLS_E_MEMORY_ERROR, "a connection");
    service->context = context;
    context->users++;
    gnutls_session_t *session = &service->session;
    check(gnutls_init(session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), "a connection");
    check(gnutls_priority_set(*session, context->priority), "priorities");
    check(gnutls_credentials_set(*session, GNUTLS_CRD_CERTIFICATE, context->credentials),
          "credentials");
    check(gnutls_session_ticket_enable_server(*session, &context->ticket_key), "tickets");
    if (context->client_cert) {
        gnutls_certificate_server_set_request(*session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert(*session, NULL, 0);
    }
    gnutls_transport_set_int(*session, fd);
    return service;
}

static bool serve(struct service *service) {
    gnutls_session_t session = service->session;
    char text[256];
    ssize_t result = 0;
    if (!service->handshaken) {
        do
            result = gnutls_handshake(session);
        while (result < 0 && result != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int)result));
        service->handshaken = result == GNUTLS_E_SUCCESS;
    }
    while (service->handshaken && ((result = gnutls_record_recv(session, text, sizeof text)) > 0 ||
                                   result == GNUTLS_E_INTERRUPTED)) {
        if (result < 0 || service->answered)
            continue;
        service->answered = true;
        if (gnutls_record_send(session,
                               gnutls_session_is_resumed(session) ? ANSWER_RESUMED : ANSWER_FULL,
                               ANSWER_LEN) != ANSWER_LEN)
            return false;
    }
    return result == GNUTLS_E_AGAIN;
}

static void service_free(struct service *service) {
    gnutls_bye(service->session, GNUTLS_SHUT_WR);
    gnutls_deinit(service->session);
    context_free(service->context);
    free(service);
}

const struct server_stack gnutls_server = {
    "gnutls", can, context_new, context_free, service_new, serve, service_free,
};
