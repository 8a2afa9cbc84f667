// What an offer through tsc-agent costs: `make bench-agent`.
//
//     agent SOCKET
//
// The time of a tsc_attempt_offer that is lent a session, from 1 process and from 16 at once, each
// of which makes its next attempt when the last one has given its session back. Beside it: the same
// messages with a process that does nothing but answer them, which is as fast as any agent on a
// Unix socket could be; and what OpenSSL takes to parse the session's bytes (d2i_SSL_SESSION),
// which is a real one of TLS 1.3.

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "certificate.h"
#include "tsc.h"

enum { MOST = 16, ROUNDS = 2000, WARM_UP = 200, TICKETS = 2 * MOST };

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

// ---- A session ----------------------------------------------------------------------------------

static unsigned char *session;
static int session_len;

static int keep(SSL *ssl, SSL_SESSION *received) {
    (void)ssl;
    OPENSSL_free(session);
    session = NULL;
    session_len = i2d_SSL_SESSION(received, &session);
    return 0;
}

// Client and server are in this process and talk through memory.
static void receive_session(void) {
    SSL_CTX *client = SSL_CTX_new(TLS_client_method()), *server = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *keys[2] = {new_p256_key(), new_p256_key()};
    X509 *issuer = new_certificate("Intermediate", keys[0], NULL, keys[0], "CA:TRUE", NULL);
    X509 *leaf =
        new_certificate("localhost", keys[1], issuer, keys[0], "CA:FALSE", "DNS:localhost");
    check(SSL_CTX_use_certificate(server, leaf) == 1 &&
              SSL_CTX_use_PrivateKey(server, keys[1]) == 1 &&
              SSL_CTX_add1_chain_cert(server, issuer) == 1,
          "the server's SSL_CTX");
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(client, keep);
    BIO *near, *far;
    SSL *ssl = SSL_new(client), *peer = SSL_new(server);
    char byte;
    check(BIO_new_bio_pair(&near, 65536, &far, 65536) == 1, "a pair of BIOs");
    SSL_set_bio(ssl, near, near);
    SSL_set_bio(peer, far, far);
    SSL_set_connect_state(ssl);
    SSL_set_accept_state(peer);
    for (int i = 0; i < 10 && !(SSL_is_init_finished(ssl) && SSL_is_init_finished(peer)); i++) {
        SSL_do_handshake(ssl);
        SSL_do_handshake(peer);
    }
    check(SSL_write(peer, "x", 1) == 1 && SSL_read(ssl, &byte, 1) == 1, "a handshake");
    check(session_len > 0, "a ticket");
    SSL_free(ssl);
    SSL_free(peer);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    X509_free(leaf);
    X509_free(issuer);
    EVP_PKEY_free(keys[0]);
    EVP_PKEY_free(keys[1]);
}

// ---- A process ----------------------------------------------------------------------------------

static tsc_config *sharing_config(const char *socket, tsc_cache **cache) {
    tsc_options options = {.flags = TSC_SHARE,
                           .agent = (const uint8_t *)socket,
                           .agent_len = strlen(socket),
                           .agent_budget_us = 60000000};
    tsc_config_options named = {.identity = (const uint8_t *)"bench", .identity_len = 5};
    tsc_config *config;
    check(tsc_cache_new(&options, sizeof options, cache) == TSC_OK, "tsc_cache_new");
    check(tsc_config_new(*cache, &named, sizeof named, &config) == TSC_OK, "tsc_config_new");
    return config;
}

static tsc_attempt *new_attempt(const tsc_config *config) {
    static const tsc_endpoint endpoint = {
        .host = (const uint8_t *)"db.example", .host_len = 10, .port = 9142};
    tsc_attempt *attempt;
    check(tsc_attempt_new(config, &endpoint, sizeof endpoint, &attempt) == TSC_OK,
          "tsc_attempt_new");
    return attempt;
}

// Gives the agent enough for all.
static void stock(const char *socket) {
    tsc_cache *cache;
    tsc_config *config = sharing_config(socket, &cache);
    tsc_attempt *attempt = new_attempt(config);
    tsc_session none;
    memset(&none, 0, sizeof none);
    tsc_attempt_offer(attempt, &none, sizeof none);
    const tsc_session_info info = {.tls_version = TLS1_3_VERSION, .lifetime_seconds = 7200};
    for (int i = 0; i < TICKETS; i++)
        check(tsc_attempt_receive(attempt, &info, sizeof info, session, (size_t)session_len) ==
                  TSC_OK,
              "tsc_attempt_receive");
    check(tsc_attempt_established(attempt, 0) == TSC_OK, "tsc_attempt_established");
    tsc_attempt_free(attempt);
    tsc_config_free(config);
    tsc_cache_free(cache);
}

// Takes the time of offers, whose sessions go back.
static void measure_offers(const char *socket, double *us) {
    tsc_cache *cache;
    tsc_config *config = sharing_config(socket, &cache);
    for (int i = -WARM_UP; i < ROUNDS; i++) {
        tsc_attempt *attempt = new_attempt(config);
        tsc_session lent;
        memset(&lent, 0, sizeof lent);
        const double start = now_us();
        const tsc_status status = tsc_attempt_offer(attempt, &lent, sizeof lent);
        if (i >= 0)
            us[i] = now_us() - start;
        check(status == TSC_OK && lent.len == (size_t)session_len, "tsc_attempt_offer");
        check(tsc_attempt_failed(attempt, 0) == TSC_OK, "tsc_attempt_failed");
        tsc_attempt_free(attempt);
    }
    tsc_config_free(config);
    tsc_cache_free(cache);
}

// ---- The floor ----------------------------------------------------------------------------------

// As many bytes as a request for this endpoint has, what gives its session back, and what comes
// besides the session.
enum { QUESTION = 56, GIVEN_BACK = 14, REPLY = 39 };

// Answers each question on these sockets, until all are closed. What else comes has no reply.
static void answer(const int *sockets, int count) {
    const int poll = epoll_create1(0);
    char reply[65536] = {0}, request[4096];
    check(poll >= 0 && REPLY + (size_t)session_len <= sizeof reply, "epoll_create1");
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[i]};
        check(epoll_ctl(poll, EPOLL_CTL_ADD, sockets[i], &event) == 0, "epoll_ctl");
    }
    while (count > 0) {
        struct epoll_event events[MOST];
        const int ready = epoll_wait(poll, events, MOST, -1);
        for (int i = 0; i < ready; i++) {
            const ssize_t got = read(events[i].data.fd, request, sizeof request);
            const size_t length = REPLY + (size_t)session_len;
            if (got >= QUESTION)
                check(write(events[i].data.fd, reply, length) == (ssize_t)length, "a reply");
            else if (got <= 0 && close(events[i].data.fd) == 0)
                count--;
        }
    }
    close(poll);
}

static void measure_echo(int socket, double *us) {
    static char buffer[65536];
    for (int i = -WARM_UP; i < ROUNDS; i++) {
        const double start = now_us();
        check(write(socket, buffer, QUESTION) == QUESTION, "a question");
        for (ssize_t left = REPLY + session_len, got; left > 0; left -= got) {
            got = read(socket, buffer, sizeof buffer);
            check(got > 0, "an answer");
        }
        if (i >= 0)
            us[i] = now_us() - start;
        check(write(socket, buffer, GIVEN_BACK) == GIVEN_BACK, "to give it back");
    }
}

static void measure_parsing(double *us) {
    for (int i = -WARM_UP; i < ROUNDS; i++) {
        const unsigned char *at = session;
        const double start = now_us();
        SSL_SESSION *parsed = d2i_SSL_SESSION(NULL, &at, session_len);
        if (i >= 0)
            us[i] = now_us() - start;
        check(parsed != NULL, "d2i_SSL_SESSION");
        SSL_SESSION_free(parsed);
    }
}

// ---- All of them --------------------------------------------------------------------------------

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, double *us, int count) {
    qsort(us, (size_t)count, sizeof *us, ascending);
    printf("%-32s %9.1f %9.1f\n", what, us[count / 2], us[(size_t)count * 99 / 100]);
    fflush(stdout);
}

// us: of all processes. agent: its socket, or NULL for the floor.
static void offers_of(int processes, const char *agent, double *us) {
    int start[2], failed = 0, status, near[MOST] = {0}, far[MOST] = {0};
    char what[64];
    check(pipe(start) == 0, "pipe");
    for (int i = 0; i < processes && agent == NULL; i++) {
        int ends[2];
        check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
        near[i] = ends[0];
        far[i] = ends[1];
    }
    for (int i = 0; i < processes; i++) {
        const pid_t child = fork();
        check(child >= 0, "fork");
        if (child == 0) {
            char byte;
            close(start[1]);
            check(read(start[0], &byte, 1) == 0, "waiting for the others"); // when all are there
            for (int j = 0; j < processes && agent == NULL; j++) {
                close(far[j]);
                if (j != i)
                    close(near[j]);
            }
            if (agent != NULL)
                measure_offers(agent, us + (size_t)i * ROUNDS);
            else
                measure_echo(near[i], us + (size_t)i * ROUNDS);
            exit(0);
        }
    }
    close(start[0]);
    close(start[1]);
    if (agent == NULL) {
        for (int i = 0; i < processes; i++)
            close(near[i]);
        answer(far, processes);
    }
    for (int i = 0; i < processes; i++)
        failed |= wait(&status) < 0 || status != 0;
    check(!failed, "a process");
    snprintf(what, sizeof what, "%s, %d process%s",
             agent != NULL ? "tsc_attempt_offer" : "nothing but the socket", processes,
             processes > 1 ? "es" : "");
    print(what, us, processes * ROUNDS);
}

int main(int argc, char **argv) {
    check(argc == 2, "usage: agent SOCKET:");
    const size_t size = sizeof(double) * MOST * ROUNDS;
    double *us = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(us != MAP_FAILED, "mmap");
    receive_session();
    stock(argv[1]);
    printf("a session of %d bytes, on %ld processors\n%-32s %9s %9s\n", session_len,
           sysconf(_SC_NPROCESSORS_ONLN), "", "p50 us", "p99 us");
    fflush(stdout);
    for (int processes = 1; processes <= MOST; processes *= MOST) {
        offers_of(processes, argv[1], us);
        offers_of(processes, NULL, us);
    }
    measure_parsing(us);
    print("d2i_SSL_SESSION", us, ROUNDS);
    return 0;
}
