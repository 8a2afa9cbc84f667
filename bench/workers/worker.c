/* One worker of many, each a process of its own: connects once to a server of bench/storm, and says
   whether the handshake was full or resumed:

       worker HOST PORT CAFILE

   With TSC_AGENT in the environment it shares its sessions with the others. With SESSION_FILE it
   does without libtsc and keeps one session in that file, as programs do that write such a file. */

#include "../../examples/tcp.h"
#include "../storm/storm.h"
#include "tsc_openssl.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <signal.h>
#include <stdlib.h>

enum { LONGEST_WAIT_MS = 60000 };

/* ---- A file that all workers read and write ---------------------------------------------------*/

static const char *session_file;

static void read_session(SSL *ssl) {
    FILE *file = fopen(session_file, "r");
    SSL_SESSION *session = file ? PEM_read_SSL_SESSION(file, NULL, NULL, NULL) : NULL;
    if (session)
        SSL_set_session(ssl, session);
    SSL_SESSION_free(session);
    if (file)
        fclose(file);
}

/* Nobody reads half a file: it gets its name when it is whole. */
static int write_session(SSL *ssl, SSL_SESSION *session) {
    char name[4096];
    (void)ssl;
    snprintf(name, sizeof name, "%s.%d", session_file, (int)getpid());
    FILE *file = fopen(name, "w");
    if (file && PEM_write_SSL_SESSION(file, session) && fclose(file) == 0)
        rename(name, session_file);
    return 0;
}

/* ---- A connection -----------------------------------------------------------------------------*/

static int login(SSL *ssl) {
    char answer[ANSWER_LEN];
    return SSL_write(ssl, LOGIN, LOGIN_LEN) == LOGIN_LEN &&
           SSL_read(ssl, answer, sizeof answer) == ANSWER_LEN;
}

static tsc_cache *share(SSL_CTX *ctx) {
    /* What a program would use: a digest of all that the configuration is made of. */
    static const uint8_t identity[] = "workers";
    tsc_options options;
    tsc_config_options config;
    tsc_cache *cache = NULL;
    memset(&options, 0, sizeof options);
    options.flags = TSC_SHARE;
    /* All start at once on a machine that may have fewer processors, the agent among them. */
    options.agent_budget_us = LONGEST_WAIT_MS * 1000;
    memset(&config, 0, sizeof config);
    config.identity = identity;
    config.identity_len = sizeof identity;
    tsc_cache_new(&options, sizeof options, &cache);
    tsc_ssl_attach(ctx, cache, &config, TSC_SSL_SERIALISE);
    return cache;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: worker HOST PORT CAFILE\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (!SSL_CTX_load_verify_locations(ctx, argv[3], NULL))
        return 2;
    session_file = getenv("SESSION_FILE");
    tsc_cache *cache = NULL;
    if (!session_file)
        cache = share(ctx);
    else
        SSL_CTX_set_session_cache_mode(ctx,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    if (session_file)
        SSL_CTX_sess_set_new_cb(ctx, write_session);

    int fd = tcp_connect(argv[1], argv[2]);
    if (fd < 0)
        return 1;
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), argv[1]);
    if (session_file)
        read_session(ssl);
    else
        tsc_ssl_begin_wait(ssl, argv[1], (uint32_t)atoi(argv[2]), LONGEST_WAIT_MS);
    int ok = SSL_connect(ssl) == 1 && login(ssl);
    if (!session_file && ok)
        tsc_ssl_established(ssl);
    if (!session_file && !ok)
        tsc_ssl_failed(ssl);
    if (ok)
        puts(SSL_session_reused(ssl) ? "resumed" : "full");
    else
        ERR_print_errors_fp(stderr);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    SSL_CTX_free(ctx);
    tsc_cache_free(cache);
    return !ok;
}
