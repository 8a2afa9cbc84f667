/* Connects twice to a web server with OpenSSL, and says of each handshake whether it was full or
   resumed:

       openssl_client HOST PORT CAFILE

   The parts marked tsc are all that libtsc needs. The rest is any program on OpenSSL. */

#include "tcp.h"
#include "tsc_openssl.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <signal.h>
#include <stdlib.h>

/* Stands for a driver's login: a first request and its answer. In TLS 1.3 the tickets come after
   the handshake, and OpenSSL takes them in while it reads. */
static int login(SSL *ssl) {
    static const char request[] = "HEAD / HTTP/1.0\r\n\r\n";
    char answer[4096];
    return SSL_write(ssl, request, sizeof request - 1) > 0 &&
           SSL_read(ssl, answer, sizeof answer) > 0;
}

static int visit(SSL_CTX *ctx, const char *host, const char *port);

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: openssl_client HOST PORT CAFILE\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (!SSL_CTX_load_verify_locations(ctx, argv[3], NULL)) {
        fprintf(stderr, "cannot use the certificates in %s\n", argv[3]);
        return 2;
    }
    /* [tsc] */
    tsc_cache *cache = NULL;
    tsc_cache_new(NULL, 0, &cache);
    tsc_ssl_attach(ctx, cache, NULL, 0);
    /* [/tsc] */
    int ok = visit(ctx, argv[1], argv[2]) && visit(ctx, argv[1], argv[2]);
    SSL_CTX_free(ctx);
    tsc_cache_free(cache);
    return !ok;
}

static int visit(SSL_CTX *ctx, const char *host, const char *port) {
    int fd = tcp_connect(host, port);
    if (fd < 0)
        return 0;
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, host);
    SSL_set1_host(ssl, host);
    /* [tsc] */
    tsc_ssl_begin(ssl, host, (uint32_t)atoi(port));
    int ok = SSL_connect(ssl) == 1 && login(ssl);
    if (ok)
        tsc_ssl_established(ssl);
    else
        tsc_ssl_failed(ssl);
    /* [/tsc] */
    if (ok) {
        if (SSL_session_reused(ssl)) {
            puts("resumed");
        } else {
            /* [tsc] */
            tsc_attempt_info info = {0};
            tsc_attempt_info_get(tsc_ssl_attempt(ssl), &info, sizeof info);
            printf("full, reason %u\n", info.reason); /* TSC_REASON_* */
            /* [/tsc] */
        }
        SSL_shutdown(ssl);
    } else {
        fprintf(stderr, "failed\n");
        ERR_print_errors_fp(stderr);
    }
    SSL_free(ssl);
    close(fd);
    return ok;
}
