/* One worker of many, each a process of its own: connects once to a web server and says whether the
   handshake was full or resumed, and what it took:

       workers HOST PORT CAFILE WAIT_MS

   With TSC_AGENT in the environment it shares its sessions with the others. */

#include "../examples/tcp.h"
#include "tsc_openssl.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <signal.h>
#include <stdlib.h>
#include <time.h>

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int login(SSL *ssl) {
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    char answer[4096];
    return SSL_write(ssl, request, sizeof request - 1) > 0 &&
           SSL_read(ssl, answer, sizeof answer) > 0;
}

int main(int argc, char **argv) {
    /* What a program would use: a digest of all that the configuration is made of. */
    static const uint8_t identity[] = "workers";
    tsc_options options;
    tsc_config_options config;
    tsc_cache *cache = NULL;
    if (argc != 5) {
        fprintf(stderr, "usage: workers HOST PORT CAFILE WAIT_MS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (!SSL_CTX_load_verify_locations(ctx, argv[3], NULL))
        return 2;
    memset(&options, 0, sizeof options);
    options.flags = TSC_SHARE;
    /* All start at once on a machine that may have fewer processors, the agent among them. */
    options.agent_budget_us = 60000000;
    memset(&config, 0, sizeof config);
    config.identity = identity;
    config.identity_len = sizeof identity;
    tsc_cache_new(&options, sizeof options, &cache);
    tsc_ssl_attach(ctx, cache, &config, TSC_SSL_SERIALISE);

    int fd = tcp_connect(argv[1], argv[2]);
    if (fd < 0)
        return 1;
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, argv[1]);
    SSL_set1_host(ssl, argv[1]);
    tsc_ssl_begin_wait(ssl, argv[1], (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[4]));
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    int ok = SSL_connect(ssl) == 1 && login(ssl);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (ok)
        tsc_ssl_established(ssl);
    else
        tsc_ssl_failed(ssl);
    if (ok)
        printf("%s %.0f\n", SSL_session_reused(ssl) ? "resumed" : "full", cpu * 1e6);
    else
        ERR_print_errors_fp(stderr);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    SSL_CTX_free(ctx);
    tsc_cache_free(cache);
    return !ok;
}
