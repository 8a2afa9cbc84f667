// libtsc's share of a resumed handshake: against a program that keeps the session in a variable of
// its own.
//
//     share VERSION                        the CPU of both, in turn, and their ratio
//     share VERSION hand|libtsc COUNT      so many connections, for a counter of instructions
//
// VERSION is 1.2 or 1.3. `make bench-share` runs all of it. The server is a process of its own, on
// loopback. What is measured is the client's CPU for the whole of a connection: socket, handshake
// with the server's name verified, a request and its answer, close.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "certificate.h"
#include "tsc_openssl.h"

enum { ROUNDS = 31, CONNECTIONS = 100 };

// ---- The server
// -------------------------------------------------------------------------------------

static void serve(int listener, SSL_CTX *ctx) {
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        SSL *ssl = SSL_new(ctx);
        SSL_set_fd(ssl, fd);
        char byte;
        if (SSL_accept(ssl) == 1 && SSL_read(ssl, &byte, 1) == 1 && SSL_write(ssl, &byte, 1) == 1) {
            SSL_read(ssl, &byte, 1); // until the client closes
            SSL_shutdown(ssl);
        }
        SSL_free(ssl);
        close(fd);
    }
}

// ---- The client
// -------------------------------------------------------------------------------------

typedef struct {
    SSL_CTX *ctx;
    tsc_cache *cache; // NULL: by hand
    SSL_SESSION *kept;
    struct sockaddr_in to;
    unsigned resumed;
} client;

static int keep(SSL *ssl, SSL_SESSION *session) {
    client *self = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(self->kept);
    self->kept = session;
    return 1;
}

static void client_init(client *self, int version, X509 *root, bool cached) {
    self->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(self->ctx, version);
    SSL_CTX_set_max_proto_version(self->ctx, version);
    SSL_CTX_set_verify(self->ctx, SSL_VERIFY_PEER, NULL);
    check(X509_STORE_add_cert(SSL_CTX_get_cert_store(self->ctx), root) == 1, "adding the root");
    if (cached) {
        check(tsc_cache_new(NULL, 0, &self->cache) == TSC_OK, "tsc_cache_new");
        check(tsc_ssl_attach(self->ctx, self->cache, NULL, 0) == TSC_OK, "tsc_ssl_attach");
    } else {
        SSL_CTX_set_app_data(self->ctx, self);
        SSL_CTX_set_session_cache_mode(self->ctx,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(self->ctx, keep);
    }
}

static void client_free(client *self) {
    SSL_SESSION_free(self->kept);
    SSL_CTX_free(self->ctx);
    tsc_cache_free(self->cache);
}

static void visit(client *self) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0 && connect(fd, (struct sockaddr *)&self->to, sizeof self->to) == 0, "connecting");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    SSL *ssl = SSL_new(self->ctx);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, "localhost");
    SSL_set1_host(ssl, "localhost");
    if (self->cache)
        check(tsc_ssl_begin(ssl, "localhost", ntohs(self->to.sin_port)) == TSC_OK, "tsc_ssl_begin");
    else if (self->kept)
        SSL_set_session(ssl, self->kept);
    check(SSL_connect(ssl) == 1, "the handshake");
    char byte = '.';
    check(SSL_write(ssl, &byte, 1) == 1 && SSL_read(ssl, &byte, 1) == 1, "the request");
    if (self->cache)
        check(tsc_ssl_established(ssl) == TSC_OK, "tsc_ssl_established");
    self->resumed += (unsigned)SSL_session_reused(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

static double cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

// The CPU of a connection, in microseconds.
static double measure(client *self) {
    unsigned before = self->resumed;
    double begin = cpu_us();
    for (int i = 0; i < CONNECTIONS; i++)
        visit(self);
    check(self->resumed - before == CONNECTIONS, "resuming");
    return (cpu_us() - begin) / CONNECTIONS;
}

static int compare(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double quantile(double *of, double share) {
    qsort(of, ROUNDS, sizeof *of, compare);
    return of[(int)(share * (ROUNDS - 1) + 0.5)];
}

static void in_turn(int version, X509 *root, const struct sockaddr_in *to, const char *name) {
    client hand = {.to = *to}, cached = {.to = *to};
    client_init(&hand, version, root, false);
    client_init(&cached, version, root, true);
    visit(&hand), visit(&cached); // full ones
    double by_hand[ROUNDS], libtsc[ROUNDS], ratio[ROUNDS];
    for (int i = -2; i < ROUNDS; i++) {
        // The order changes, so that what comes first has no advantage.
        double a, b;
        if (i % 2)
            a = measure(&hand), b = measure(&cached);
        else
            b = measure(&cached), a = measure(&hand);
        if (i >= 0)
            by_hand[i] = a, libtsc[i] = b, ratio[i] = b / a;
    }
    printf("TLS %s: %.1f and %.1f us of CPU, %.3f (half of all rounds: %.3f to %.3f)\n", name,
           quantile(by_hand, 0.5), quantile(libtsc, 0.5), quantile(ratio, 0.5),
           quantile(ratio, 0.25), quantile(ratio, 0.75));
    client_free(&hand), client_free(&cached);
}

int main(int argc, char **argv) {
    check(argc == 2 || argc == 4, "usage: share VERSION [hand|libtsc COUNT]; that");
    int version = strcmp(argv[1], "1.2") ? TLS1_3_VERSION : TLS1_2_VERSION;
    signal(SIGPIPE, SIG_IGN);

    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = new_p256_key();
    X509 *root = new_certificate("localhost", key, NULL, key, "CA:TRUE", "DNS:localhost");
    check(SSL_CTX_use_certificate(server, root) == 1 && SSL_CTX_use_PrivateKey(server, key) == 1,
          "the certificate");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof to;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    check(bind(listener, (struct sockaddr *)&to, sizeof to) == 0 && listen(listener, 128) == 0,
          "listening");
    getsockname(listener, (struct sockaddr *)&to, &length);
    pid_t pid = fork();
    check(pid >= 0, "fork");
    if (pid == 0)
        serve(listener, server);
    close(listener);

    if (argc == 2) {
        in_turn(version, root, &to, argv[1]);
    } else {
        client one = {.to = to};
        client_init(&one, version, root, strcmp(argv[2], "hand") != 0);
        int count = atoi(argv[3]);
        for (int i = 0; i < count; i++)
            visit(&one);
        check((int)one.resumed == count - 1, "resuming");
        client_free(&one);
    }
    kill(pid, SIGKILL);
    X509_free(root);
    EVP_PKEY_free(key);
    SSL_CTX_free(server);
    return 0;
}
