// Client and server in one thread, between which the test hands on what the server has written, so
// that a message can be stopped halfway.

#ifndef TESTS_HANDED_H
#define TESTS_HANDED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

static const int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};

typedef struct {
    tsc_cache *cache;
    SSL_CTX *ctx, *server_ctx;
    int version;
    bool on_start;
} fixture;

static inline void begin(void *arg, SSL *ssl) {
    (void)arg;
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_OK);
}

static inline fixture set_up(int version, bool on_start, uint32_t flags) {
    fixture it = {NULL, client_context(), SSL_CTX_new(TLS_server_method()), version, on_start};
    const tsc_options options = {.failure_budget = UINT32_MAX};
    assert_int_equal(tsc_cache_new(&options, sizeof options, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, flags), TSC_OK);
    if (on_start)
        assert_int_equal(tsc_ssl_on_start(it.ctx, begin, NULL), TSC_OK);
    SSL_CTX_set_min_proto_version(it.server_ctx, version);
    SSL_CTX_set_max_proto_version(it.server_ctx, version);
    assert_int_equal(
        SSL_CTX_use_certificate_file(it.server_ctx, peer_server_certificate(), SSL_FILETYPE_PEM),
        1);
    assert_int_equal(
        SSL_CTX_use_PrivateKey_file(it.server_ctx, peer_server_key(), SSL_FILETYPE_PEM), 1);
    return it;
}

static inline void tear_down(fixture it) {
    SSL_CTX_free(it.ctx);
    SSL_CTX_free(it.server_ctx);
    free_cache(it.cache);
}

static inline size_t count_left(fixture it) {
    tsc_endpoint endpoint = {.host = (const uint8_t *)"localhost", .host_len = 9, .port = 1};
    size_t count = 99;
    assert_int_equal(
        tsc_config_available(tsc_ssl_config(it.ctx), &endpoint, sizeof endpoint, &count), TSC_OK);
    return count;
}

typedef struct {
    SSL *client, *server;
    BIO *to_client; // what the server has written, and the test hands on
} pair;

static inline pair pair_new(fixture it) {
    pair new = {client_ssl(it.ctx, -1), SSL_new(it.server_ctx), BIO_new(BIO_s_mem())};
    BIO *to_server = BIO_new(BIO_s_mem()), *from_server = BIO_new(BIO_s_mem());
    BIO_up_ref(to_server);
    SSL_set_bio(new.client, from_server, to_server);
    SSL_set_bio(new.server, to_server, new.to_client);
    SSL_set_connect_state(new.client);
    SSL_set_accept_state(new.server);
    if (!it.on_start)
        begin(NULL, new.client);
    return new;
}

static inline void pair_free(pair it) {
    SSL_free(it.client);
    SSL_free(it.server);
}

#endif
