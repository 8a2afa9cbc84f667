// Client and server in one thread, each reading what the other wrote, so that what a test does
// comes at its moment.

#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

#if defined(OPENSSL_IS_BORINGSSL) || defined(OPENSSL_IS_AWSLC)
#define PAIR_BORING 1
#endif

static const int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};

typedef struct {
    tsc_cache *cache;
    SSL_CTX *ctx, *server_ctx;
} fixture;

static inline SSL_CTX *server_of(int version) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"pair", 4);
    SSL_CTX_set_options(ctx, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
    assert_int_equal(SSL_CTX_use_certificate_file(ctx, peer_server_certificate(), SSL_FILETYPE_PEM),
                     1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, peer_server_key(), SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, peer_client_certificate(), NULL), 1);
    return ctx;
}

static inline fixture set_up(int version) {
    fixture it = {NULL, client_context(), server_of(version)};
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
    return it;
}

static inline void tear_down(fixture it) {
    SSL_CTX_free(it.ctx);
    SSL_CTX_free(it.server_ctx);
    free_cache(it.cache);
}

static inline void begin(SSL *ssl) {
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_OK);
}

typedef struct {
    SSL *client, *server;
} pair;

static inline void connect_pair(pair new) {
    BIO *to_client = BIO_new(BIO_s_mem()), *to_server = BIO_new(BIO_s_mem());
    BIO_up_ref(to_client);
    BIO_up_ref(to_server);
    SSL_set_bio(new.client, to_client, to_server);
    SSL_set_bio(new.server, to_server, to_client);
    SSL_set_connect_state(new.client);
    SSL_set_accept_state(new.server);
}

static inline pair pair_of(SSL_CTX *ctx, SSL_CTX *server_ctx) {
    pair new = {client_ssl(ctx, -1), SSL_new(server_ctx)};
    connect_pair(new);
    return new;
}

static inline pair pair_new(fixture it) {
    return pair_of(it.ctx, it.server_ctx);
}

static inline bool shakes_hands(pair it) {
    for (int i = 0; i < 10 && !(SSL_is_init_finished(it.client) && SSL_is_init_finished(it.server));
         i++) {
        SSL_do_handshake(it.client);
        SSL_do_handshake(it.server);
    }
    ERR_clear_error();
    return SSL_is_init_finished(it.client) && SSL_is_init_finished(it.server);
}

// What has come by now; there is no application data. The client answers what the server asks.
static inline void read_all(pair it) {
    char byte;
#ifdef PAIR_BORING // whose servers send tickets with the first data
    assert_int_equal(SSL_write(it.server, "x", 1), 1);
    assert_int_equal(SSL_read(it.client, &byte, 1), 1);
#endif
    for (int i = 0; i < 3; i++) {
        assert_true(SSL_read(it.client, &byte, 1) <= 0);
        assert_true(SSL_read(it.server, &byte, 1) <= 0);
    }
    ERR_clear_error();
}

static inline void pair_free(pair it) {
    SSL_free(it.client);
    SSL_free(it.server);
}

// Handshake, tickets, verdict. Gives whether it was resumed, of which both ends say the same.
static inline bool finishes_resumed(pair it) {
    assert_true(shakes_hands(it));
    read_all(it);
    const bool resumed = SSL_session_reused(it.client);
    assert_int_equal(SSL_session_reused(it.server), resumed);
    if (tsc_ssl_attempt(it.client))
        assert_int_equal(tsc_ssl_established(it.client), TSC_OK);
    pair_free(it);
    return resumed;
}

// A whole connection that differs in this, or NULL.
static inline bool resumes(fixture it, void (*change)(SSL *)) {
    pair new = pair_new(it);
    if (change)
        change(new.client);
    begin(new.client);
    return finishes_resumed(new);
}

static inline size_t count_left(fixture it) {
    const tsc_endpoint endpoint = {.host = (const uint8_t *)"localhost", .host_len = 9, .port = 1};
    size_t left = 99;
    assert_int_equal(
        tsc_config_available(tsc_ssl_config(it.ctx), &endpoint, sizeof endpoint, &left), TSC_OK);
    return left;
}

#endif
