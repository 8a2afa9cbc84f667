/* Connects twice to a web server with GnuTLS, and says of each handshake whether it was full or
   resumed:

       gnutls_client HOST PORT CAFILE

   The parts marked tsc are what libtsc needs with a TLS stack that it has no header for. */

#include "tcp.h"
#include "tsc.h"

#include <gnutls/gnutls.h>

#include <signal.h>
#include <stdlib.h>

/* Stands for a driver's login: a first request and its answer. In TLS 1.3 the tickets come after
   the handshake, and GnuTLS takes them in while it reads. */
static int login(gnutls_session_t tls) {
    static const char request[] = "HEAD / HTTP/1.0\r\n\r\n";
    char answer[4096];
    ssize_t length;
    if (gnutls_record_send(tls, request, sizeof request - 1) < 0)
        return 0;
    do
        length = gnutls_record_recv(tls, answer, sizeof answer);
    while (length == GNUTLS_E_AGAIN || length == GNUTLS_E_INTERRUPTED);
    return length > 0;
}

static int handshake(gnutls_session_t tls) {
    int result;
    do
        result = gnutls_handshake(tls);
    while (result < 0 && !gnutls_error_is_fatal(result));
    return result == GNUTLS_E_SUCCESS;
}

static int visit(tsc_config *config, gnutls_certificate_credentials_t trust, const char *host,
                 const char *port);

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: gnutls_client HOST PORT CAFILE\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    gnutls_certificate_credentials_t trust;
    gnutls_certificate_allocate_credentials(&trust);
    if (gnutls_certificate_set_x509_trust_file(trust, argv[3], GNUTLS_X509_FMT_PEM) < 1) {
        fprintf(stderr, "cannot use the certificates in %s\n", argv[3]);
        return 2;
    }
    /* [tsc] */
    tsc_cache *cache = NULL;
    tsc_config *config = NULL;
    tsc_cache_new(NULL, 0, &cache);
    tsc_config_new(cache, NULL, 0, &config); /* one for each TLS configuration */
    /* [/tsc] */
    int ok = visit(config, trust, argv[1], argv[2]) && visit(config, trust, argv[1], argv[2]);
    tsc_config_free(config);
    tsc_cache_free(cache);
    gnutls_certificate_free_credentials(trust);
    return !ok;
}

static int visit(tsc_config *config, gnutls_certificate_credentials_t trust, const char *host,
                 const char *port) {
    gnutls_session_t tls;
    gnutls_datum_t ticket = {NULL, 0};
    int fd = tcp_connect(host, port);
    if (fd < 0)
        return 0;
    gnutls_init(&tls, GNUTLS_CLIENT);
    gnutls_set_default_priority(tls);
    gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, trust);
    gnutls_server_name_set(tls, GNUTLS_NAME_DNS, host, strlen(host));
    gnutls_session_set_verify_cert(tls, host, 0);
    gnutls_transport_set_int(tls, fd);
    /* [tsc] */
    tsc_endpoint endpoint = {.host = (const uint8_t *)host, .host_len = strlen(host)};
    endpoint.port = (uint32_t)atoi(port);
    tsc_attempt *attempt = NULL;
    tsc_attempt_new(config, &endpoint, sizeof endpoint, &attempt);
    tsc_session session = {0};
    if (tsc_attempt_offer(attempt, &session, sizeof session) == TSC_OK)
        gnutls_session_set_data(tls, session.data, session.len);

    int secure = handshake(tls);
    int resumed = secure && gnutls_session_is_resumed(tls);
    int ok = secure && login(tls);

    int tls13 = gnutls_protocol_get_version(tls) == GNUTLS_TLS1_3;
    if (ok && (!tls13 || gnutls_session_get_flags(tls) & GNUTLS_SFLAGS_SESSION_TICKET) &&
        gnutls_session_get_data2(tls, &ticket) == GNUTLS_E_SUCCESS) {
        tsc_session_info info = {.tls_version = tls13 ? 0x0304 : 0x0303};
        info.lifetime_seconds = 86400; /* GnuTLS hides the server's, and enforces it itself */
        info.not_after = gnutls_certificate_expiration_time_peers(tls);
        tsc_attempt_receive(attempt, &info, sizeof info, ticket.data, ticket.size);
    }
    if (ok)
        tsc_attempt_established(attempt, resumed);
    else
        tsc_attempt_failed(attempt, TSC_FACT_SENT | (secure ? TSC_FACT_HANDSHAKE_DONE : 0) |
                                        (resumed ? TSC_FACT_RESUMED : 0));
    tsc_attempt_free(attempt);
    /* [/tsc] */
    if (ok)
        puts(resumed ? "resumed" : "full");
    else
        fprintf(stderr, "failed\n");
    if (ticket.data) {
        gnutls_memset(ticket.data, 0, ticket.size);
        gnutls_free(ticket.data);
    }
    gnutls_bye(tls, GNUTLS_SHUT_WR);
    gnutls_deinit(tls);
    close(fd);
    return ok;
}
