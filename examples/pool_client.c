/* Opens many connections to a web server at once with OpenSSL, a thread each, and says how many of
   them were resumed:

       pool_client HOST PORT CAFILE [CONNECTIONS]

   All but the first wait for the tickets that the others bring. The parts marked tsc are all that
   libtsc takes. */

#include "tcp.h"
#include "tsc_openssl.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

static const char *host, *port;
static SSL_CTX *ctx;
static atomic_int resumed, failed;

/* Stands for a driver's login: a first request and its answer. */
static int login(SSL *ssl) {
    static const char request[] = "HEAD / HTTP/1.0\r\n\r\n";
    char answer[4096];
    return SSL_write(ssl, request, sizeof request - 1) > 0 &&
           SSL_read(ssl, answer, sizeof answer) > 0;
}

static void *visit(void *unused) {
    (void)unused;
    int fd = tcp_connect(host, port);
    if (fd < 0) {
        atomic_fetch_add(&failed, 1);
        return NULL;
    }
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, host);
    SSL_set1_host(ssl, host);
    /* [tsc] */
    tsc_ssl_begin_wait(ssl, host, (uint32_t)atoi(port), 2000);
    int ok = SSL_connect(ssl) == 1 && login(ssl);
    if (ok)
        tsc_ssl_established(ssl);
    else
        tsc_ssl_failed(ssl);
    /* [/tsc] */
    if (ok)
        atomic_fetch_add(&resumed, SSL_session_reused(ssl));
    else
        atomic_fetch_add(&failed, 1);
    SSL_free(ssl);
    close(fd);
    return NULL;
}

int main(int argc, char **argv) {
    int connections = argc > 4 ? atoi(argv[4]) : 16;
    if (argc < 4 || connections < 1 || connections > 1000) {
        fprintf(stderr, "usage: pool_client HOST PORT CAFILE [CONNECTIONS, at most 1000]\n");
        return 2;
    }
    host = argv[1];
    port = argv[2];
    signal(SIGPIPE, SIG_IGN);
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (!SSL_CTX_load_verify_locations(ctx, argv[3], NULL)) {
        fprintf(stderr, "cannot use the certificates in %s\n", argv[3]);
        return 2;
    }
    tsc_cache *cache = NULL;
    tsc_cache_new(NULL, 0, &cache);
    tsc_ssl_attach(ctx, cache, NULL, 0);
    pthread_t threads[1000];
    int begun = 0;
    while (begun < connections && pthread_create(&threads[begun], NULL, visit, NULL) == 0)
        begun++;
    for (int i = 0; i < begun; i++)
        pthread_join(threads[i], NULL);
    printf("%d of %d resumed\n", atomic_load(&resumed), connections);
    SSL_CTX_free(ctx);
    tsc_cache_free(cache);
    return begun < connections || atomic_load(&failed) != 0;
}
