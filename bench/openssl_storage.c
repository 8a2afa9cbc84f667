// Keeping OpenSSL's sessions as objects or as bytes: what each costs. `make bench-openssl`.
//
// Client and server are in this process and talk through memory. The server's chain is a leaf and
// one intermediate certificate, on P-256. Memory is what the process grew by, divided by the
// sessions that the cache holds, each from a full handshake of its own; sessions of one connection
// share their certificates, and "counted as" is what the first of them counts against max_bytes.
// Times are per call, the best of five runs: store is what the new-session callback takes; begin is
// tsc_ssl_begin with nothing to offer, which reads what the SSL verifies; offer is what it takes
// beyond that with a session, up to the SSL_SESSION set on the SSL.

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "tsc_openssl.h"

enum { SESSIONS = 2000, ROUNDS = 2000, RUNS = 5 };

static void check(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "openssl_storage: %s failed\n", what);
        exit(1);
    }
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

// The memory that this process has in use, without what malloc could give back.
static double resident(void) {
    long pages = 0;
    malloc_trim(0);
    FILE *file = fopen("/proc/self/statm", "r");
    check(file && fscanf(file, "%*s %ld", &pages) == 1, "reading /proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

// ---- A server and a client ----------------------------------------------------------------------

static X509 *new_certificate(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key) {
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    static long serial;
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
                               (const unsigned char *)"An organisation of usual length", -1, -1, 0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
    const int extension_ids[] = {NID_basic_constraints, NID_subject_alt_name};
    const char *extensions[] = {
        issuer_key == key || strcmp(name, "localhost") ? "CA:TRUE" : "CA:FALSE", "DNS:localhost"};
    for (int i = 0; i < 2; i++) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, NULL, extension_ids[i], extensions[i]);
        check(extension && X509_add_ext(certificate, extension, -1), "an extension");
        X509_EXTENSION_free(extension);
    }
    check(X509_sign(certificate, issuer_key, EVP_sha256()) > 0, "signing");
    return certificate;
}

static SSL_CTX *new_server(X509 **root) {
    EVP_PKEY *keys[3];
    for (int i = 0; i < 3; i++)
        check((keys[i] = EVP_EC_gen("P-256")) != NULL, "a key");
    *root = new_certificate("Root", keys[0], NULL, keys[0]);
    X509 *middle = new_certificate("Intermediate", keys[1], *root, keys[0]);
    X509 *leaf = new_certificate("localhost", keys[2], middle, keys[1]);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    check(SSL_CTX_use_certificate(ctx, leaf) == 1 && SSL_CTX_use_PrivateKey(ctx, keys[2]) == 1 &&
              SSL_CTX_add1_chain_cert(ctx, middle) == 1,
          "the server's SSL_CTX");
    SSL_CTX_set_num_tickets(ctx, 1);
    printf("certificates sent: %d and %d bytes\n", i2d_X509(leaf, NULL), i2d_X509(middle, NULL));
    X509_free(leaf);
    X509_free(middle);
    for (int i = 0; i < 3; i++)
        EVP_PKEY_free(keys[i]);
    return ctx;
}

// A full handshake and what comes after it. The client's SSL, established, for the caller to free.
static SSL *connected(SSL_CTX *client, SSL_CTX *server, uint32_t port) {
    BIO *near, *far;
    SSL *ssl = SSL_new(client), *peer = SSL_new(server);
    char byte;
    check(BIO_new_bio_pair(&near, 65536, &far, 65536) == 1, "a pair of BIOs");
    SSL_set_bio(ssl, near, near);
    SSL_set_bio(peer, far, far);
    SSL_set_connect_state(ssl);
    SSL_set_accept_state(peer);
    SSL_set_tlsext_host_name(ssl, "localhost");
    check(tsc_ssl_begin(ssl, "localhost", port) == TSC_OK, "tsc_ssl_begin");
    for (int i = 0; i < 10 && !(SSL_is_init_finished(ssl) && SSL_is_init_finished(peer)); i++) {
        SSL_do_handshake(ssl);
        SSL_do_handshake(peer);
    }
    check(SSL_write(peer, "x", 1) == 1 && SSL_read(ssl, &byte, 1) == 1, "a handshake");
    check(tsc_ssl_established(ssl) == TSC_OK, "tsc_ssl_established");
    SSL_free(peer);
    return ssl;
}

// ---- What it costs ------------------------------------------------------------------------------

typedef struct {
    double estimate, memory, store_us, offer_us, begin_us;
} cost;

static double begin_us(SSL_CTX *client, uint32_t port) {
    double total = 0;
    for (int i = 0; i < ROUNDS; i++) {
        SSL *ssl = SSL_new(client);
        SSL_set_tlsext_host_name(ssl, "localhost");
        double start = now_us();
        tsc_ssl_begin(ssl, "localhost", port);
        total += now_us() - start;
        SSL_free(ssl); // never sent: the ticket goes back
    }
    return total / ROUNDS;
}

static cost measure(SSL_CTX *server, X509 *root, int version, uint32_t flags) {
    tsc_options options = {.max_endpoints = SESSIONS + 10, .max_bytes = 1 << 30};
    tsc_cache *cache;
    tsc_stats stats;
    cost result = {0, 0, 1e9, 1e9, 1e9};
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(client), root);
    SSL_CTX_set_min_proto_version(client, version);
    SSL_CTX_set_max_proto_version(client, version);
    check(tsc_cache_new(&options, sizeof options, &cache) == TSC_OK, "tsc_cache_new");
    check(tsc_ssl_attach(client, cache, NULL, flags) == TSC_OK, "tsc_ssl_attach");

    SSL_free(connected(client, server, 1)); // what is allocated once is allocated here
    tsc_clear(cache);
    double before = resident();
    for (uint32_t i = 0; i < SESSIONS; i++)
        SSL_free(connected(client, server, 100 + i));
    double after = resident();
    tsc_stats_get(cache, &stats, sizeof stats);
    check(stats.sessions == SESSIONS, "keeping all sessions");
    result.memory = (after - before) / SESSIONS;
    result.estimate = (double)stats.bytes / SESSIONS;

    for (int run = 0; run < RUNS; run++) {
        double begin = begin_us(client, 2), offer = begin_us(client, 100) - begin;
        SSL *ssl = connected(client, server, 3);
        SSL_SESSION *session = SSL_get1_session(ssl);
        double start = now_us();
        for (int i = 0; i < ROUNDS; i++)
            tsc_ssl_new_session(ssl, session);
        double store = (now_us() - start) / ROUNDS;
        SSL_SESSION_free(session);
        SSL_free(ssl);
        result.offer_us = offer < result.offer_us ? offer : result.offer_us;
        result.begin_us = begin < result.begin_us ? begin : result.begin_us;
        result.store_us = store < result.store_us ? store : result.store_us;
    }
    SSL_CTX_free(client);
    tsc_cache_free(cache);
    return result;
}

int main(void) {
    X509 *root;
    printf("%s, libtsc %s\n", OpenSSL_version(OPENSSL_VERSION), tsc_version());
    SSL_CTX *server = new_server(&root);
    printf("%-8s %-8s %14s %14s %10s %10s %10s\n", "TLS", "kept as", "bytes/session", "counted as",
           "store us", "offer us", "begin us");
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (uint32_t flags = 0; flags <= TSC_SSL_SERIALISE; flags++) {
            fflush(stdout);
            if (fork() == 0) { // each starts from the same memory
                cost it = measure(server, root, version, flags);
                printf("%-8s %-8s %14.0f %14.0f %10.2f %10.2f %10.2f\n",
                       version == TLS1_2_VERSION ? "1.2" : "1.3", flags ? "bytes" : "object",
                       it.memory, it.estimate, it.store_us, it.offer_us, it.begin_us);
                exit(0);
            }
            int status;
            check(wait(&status) > 0 && status == 0, "a measurement");
        }
    }
    SSL_CTX_free(server);
    X509_free(root);
    return 0;
}
