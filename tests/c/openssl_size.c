// What sessions that are kept as objects cost, measured on OpenSSL's own heap, against what the
// library counts; and long chains, which are resumed like short ones. `make bench-objects` shows
// the table.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

enum { LONGEST = 30, PORT = 9042, TRANSPORT = 1 << 18 };

// ---- OpenSSL's heap -----------------------------------------------------------------------------

#ifndef TSC_SSL_BORING_
static _Atomic long in_use;

// With what malloc itself keeps beside each block.
static long block(void *at) {
    return at ? (long)(malloc_usable_size(at) + sizeof(size_t)) : 0;
}

static void *counted_malloc(size_t size, const char *file, int line) {
    (void)file, (void)line;
    void *at = malloc(size);
    in_use += block(at);
    return at;
}

static void counted_free(void *at, const char *file, int line) {
    (void)file, (void)line;
    in_use -= block(at);
    free(at);
}

static void *counted_realloc(void *at, size_t size, const char *file, int line) {
    if (!size) {
        counted_free(at, file, line);
        return NULL;
    }
    long before = block(at);
    void *now = realloc(at, size);
    if (now)
        in_use += block(now) - before;
    return now;
}
#endif

// ---- A server with a chain, and a client --------------------------------------------------------

// One key for all certificates of a kind, made once.
static EVP_PKEY *key_of(int rsa_bits) {
    static EVP_PKEY *keys[3];
    EVP_PKEY **found = &keys[rsa_bits / 2048], *key = NULL;
    if (*found)
        return *found;
    if (rsa_bits)
        return *found = peer_rsa_key(rsa_bits);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1), 1);
    assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return *found = key;
}

static void add_extension(X509 *certificate, int id, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, id, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509_NAME *new_name(const char *common) {
    X509_NAME *name = X509_NAME_new();
    const unsigned char *organisation = (const unsigned char *)"An organisation of usual length";
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, organisation, -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
    return name;
}

// Number 0 is the server's, and the others certify the one before them.
static X509 *new_certificate(int number, EVP_PKEY *key, bool is_root, int names) {
    char subject[32], issuer[32], alternatives[8192] = "DNS:localhost";
    X509 *certificate = X509_new();
    snprintf(subject, sizeof subject, "Certificate %d", number);
    snprintf(issuer, sizeof issuer, "Certificate %d", is_root ? number : number + 1);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), number + 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = new_name(subject);
    X509_set_subject_name(certificate, name);
    X509_NAME_free(name);
    name = new_name(issuer);
    X509_set_issuer_name(certificate, name);
    X509_NAME_free(name);
    for (int i = 0; i < names; i++) {
        size_t at = strlen(alternatives);
        snprintf(alternatives + at, sizeof alternatives - at, ",DNS:name%d.some.example.com", i);
    }
    add_extension(certificate, NID_basic_constraints, number ? "CA:TRUE" : "CA:FALSE");
    add_extension(certificate, NID_subject_alt_name, alternatives);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

typedef struct {
    int certificates; // that the server sends
    int rsa_bits;     // of all keys; 0: P-256
    int names;        // of the server's certificate, beside "localhost"
} chain;

typedef struct {
    SSL_CTX *server, *client;
    tsc_cache *cache;
} fixture;

static fixture set_up(chain of, int version, uint32_t flags) {
    fixture it = {SSL_CTX_new(TLS_server_method()), SSL_CTX_new(TLS_client_method()), NULL};
    EVP_PKEY *key = key_of(of.rsa_bits);
    X509 *root = new_certificate(of.certificates, key, true, 0);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(it.client), root);
    X509_free(root);
    X509 *sent[LONGEST] = {NULL};
    for (int i = 0; i < of.certificates; i++)
        sent[i] = new_certificate(i, key, false, i ? 0 : of.names);
    assert_int_equal(SSL_CTX_use_certificate(it.server, sent[0]), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(it.server, key), 1);
    for (int i = 0; i < of.certificates; i++) {
        if (i > 0)
            assert_int_equal(SSL_CTX_add1_chain_cert(it.server, sent[i]), 1);
        X509_free(sent[i]);
    }
    SSL_CTX_set_verify(it.client, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(it.client, (uint16_t)version);
    SSL_CTX_set_max_proto_version(it.client, (uint16_t)version);
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.client, it.cache, NULL, flags), TSC_OK);
    return it;
}

static void tear_down(fixture it) {
    SSL_CTX_free(it.client);
    SSL_CTX_free(it.server);
    free_cache(it.cache);
}

// One connection, through memory. Gives whether it resumed.
static bool resumes(fixture it) {
    BIO *near = NULL, *far = NULL;
    SSL *ssl = SSL_new(it.client), *peer = SSL_new(it.server);
    char byte;
    assert_int_equal(BIO_new_bio_pair(&near, TRANSPORT, &far, TRANSPORT), 1);
    SSL_set_bio(ssl, near, near);
    SSL_set_bio(peer, far, far);
    SSL_set_connect_state(ssl);
    SSL_set_accept_state(peer);
    SSL_set_tlsext_host_name(ssl, "localhost");
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", PORT), TSC_OK);
    for (int i = 0; i < 10 && !(SSL_is_init_finished(ssl) && SSL_is_init_finished(peer)); i++) {
        SSL_do_handshake(ssl);
        SSL_do_handshake(peer);
    }
    assert_int_equal(SSL_write(peer, "x", 1), 1);
    assert_int_equal(SSL_read(ssl, &byte, 1), 1);
    bool resumed = SSL_session_reused(ssl);
    assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
    SSL_free(ssl);
    SSL_free(peer);
    return resumed;
}

static tsc_stats stats_of(fixture it) {
    tsc_stats stats;
    assert_int_equal(tsc_stats_get(it.cache, &stats, sizeof stats), TSC_OK);
    return stats;
}

// ---- Tests --------------------------------------------------------------------------------------

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void a_long_chain_is_resumed_like_a_short_one(void **state) {
    (void)state;
    const int lengths[] = {1, 2, 12, LONGEST};
    for (int i = 0; i < 16; i++) {
        chain of = {.certificates = lengths[i / 4]};
        fixture it = set_up(of, versions[i / 2 % 2], i % 2 ? TSC_SSL_SERIALISE : 0);
        assert_false(resumes(it));
        for (int round = 0; round < 5; round++)
            assert_true(resumes(it));
        assert_int_equal(stats_of(it).discarded_too_large, 0);
        tear_down(it);
    }
}

static void an_object_counts_about_what_it_takes(void **state) {
    (void)state;
#ifdef TSC_SSL_BORING_
    skip(); // its heap cannot be watched
#else
    const chain chains[] = {{1, 0, 0},    {2, 0, 0},    {4, 0, 0},  {12, 0, 0}, {LONGEST, 0, 0},
                            {2, 2048, 0}, {2, 4096, 0}, {2, 0, 50}, {2, 0, 150}};
    printf("%s\n%12s %5s %6s %4s %9s %9s %9s\n", OpenSSL_version(OPENSSL_VERSION), "certificates",
           "RSA", "names", "TLS", "sessions", "takes", "counts");
    for (size_t i = 0; i < 2 * sizeof chains / sizeof *chains; i++) {
        chain of = chains[i / 2];
        fixture it = set_up(of, versions[i % 2], 0);
        resumes(it); // what is made once is made here
        tsc_clear(it.cache);
        long before = in_use;
        resumes(it);
        long takes = in_use - before, counts = (long)stats_of(it).bytes;
        printf("%12d %5d %6d %4s %9d %9ld %9ld\n", of.certificates, of.rsa_bits, of.names,
               i % 2 ? "1.3" : "1.2", (int)stats_of(it).sessions, takes, counts);
        assert_true(stats_of(it).sessions > 0);
        // An estimate, and libraries differ.
        assert_true(counts > takes * 2 / 3 && counts < takes * 3 / 2);
        tear_down(it);
        assert_true(in_use < before);
    }
#endif
}

int main(void) {
#ifndef TSC_SSL_BORING_
    // Before anything is allocated.
    if (!CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free))
        return 1;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_chain_is_resumed_like_a_short_one),
        cmocka_unit_test(an_object_counts_about_what_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
