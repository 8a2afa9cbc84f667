// What is BoringSSL's and AWS-LC's alone, as a handshake configuration that is shed, and servers as
// only they have them. Client and server are in this process, of that stack both, and talk through
// memory.

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "peer.h"
#include "tsc_openssl.h"

enum { PORT = 9042, TRANSPORT = 1 << 16 };

typedef struct {
    SSL_CTX *server, *client;
    tsc_cache *cache;
} fixture;

static fixture set_up(int version, bool verifies) {
    fixture it = {SSL_CTX_new(TLS_server_method()), client_context(), NULL};
    SSL_CTX_use_certificate_chain_file(it.server, peer_server_certificate());
    SSL_CTX_use_PrivateKey_file(it.server, peer_server_key(), SSL_FILETYPE_PEM);
    SSL_CTX_set_min_proto_version(it.client, (uint16_t)version);
    SSL_CTX_set_max_proto_version(it.client, (uint16_t)version);
    SSL_CTX_set_verify(it.client, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.client, it.cache, NULL, 0), TSC_OK);
    return it;
}

static void tear_down(fixture it) {
    SSL_CTX_free(it.client);
    SSL_CTX_free(it.server);
    tsc_cache_free(it.cache);
}

typedef struct {
    SSL *client, *server;
} pair;

static pair begin(fixture it, bool sheds) {
    BIO *near = NULL, *far = NULL;
    pair new = {SSL_new(it.client), SSL_new(it.server)};
    assert_int_equal(BIO_new_bio_pair(&near, TRANSPORT, &far, TRANSPORT), 1);
    SSL_set_bio(new.client, near, near);
    SSL_set_bio(new.server, far, far);
    SSL_set_connect_state(new.client);
    SSL_set_accept_state(new.server);
    SSL_set_tlsext_host_name(new.client, "localhost");
    SSL_set_shed_handshake_config(new.client, sheds);
    assert_int_equal(tsc_ssl_begin(new.client, "localhost", PORT), TSC_OK);
    return new;
}

// Gives whether both ends got through.
static bool shake_hands(pair of) {
    int near = 0, far = 0;
    for (int i = 0; i < 10 && (near != 1 || far != 1); i++) {
        near = SSL_do_handshake(of.client);
        far = SSL_do_handshake(of.server);
    }
    ERR_clear_error();
    return near == 1 && far == 1;
}

static void pair_free(pair of) {
    SSL_free(of.client);
    SSL_free(of.server);
}

// One connection, to its first byte. Gives whether it resumed.
static bool resumes(fixture it, bool sheds) {
    char byte;
    pair new = begin(it, sheds);
    assert_true(shake_hands(new));
    assert_int_equal(SSL_write(new.server, "x", 1), 1);
    assert_int_equal(SSL_read(new.client, &byte, 1), 1);
    bool resumed = SSL_session_reused(new.client);
    assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
    pair_free(new);
    return resumed;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void sessions_are_resumed_whatever_is_shed(void **state) {
    (void)state;
    for (int i = 0; i < 8; i++) {
        fixture it = set_up(versions[i & 1], i & 2);
        assert_false(resumes(it, i & 4));
        for (int round = 0; round < 5; round++)
            assert_true(resumes(it, i & 4));
        tear_down(it);
    }
}

// What nobody verifies may have ended, and its sessions be kept: what the SSL no longer says, the
// attempt knows.
static void what_nobody_verifies_is_kept_whatever_is_shed(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        fixture it = set_up(versions[i & 1], false);
        X509 *ended = X509_dup(SSL_CTX_get0_certificate(it.server));
        BIO *file = BIO_new_file(peer_server_key(), "r");
        EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
        X509_gmtime_adj(X509_getm_notBefore(ended), -7200);
        X509_gmtime_adj(X509_getm_notAfter(ended), -3600);
        assert_true(X509_sign(ended, key, EVP_sha256()) > 0);
        assert_int_equal(SSL_CTX_use_certificate(it.server, ended), 1);
        assert_false(resumes(it, i & 2));
        assert_true(resumes(it, i & 2));
        X509_free(ended);
        EVP_PKEY_free(key);
        BIO_free(file);
        tear_down(it);
    }
}

// An SSL that was changed after it was begun is not the one that its sessions would be kept for.
static void what_changed_after_begin_is_noticed_if_nothing_is_shed(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture it = set_up(versions[i], true);
        char byte;
        pair new = begin(it, false);
        SSL_set_verify(new.client, SSL_VERIFY_NONE, NULL);
        assert_true(shake_hands(new));
        assert_int_equal(SSL_write(new.server, "x", 1), 1);
        assert_int_equal(SSL_read(new.client, &byte, 1), 1);
        assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
        pair_free(new);
        assert_false(resumes(it, false));
        tear_down(it);
    }
}

// The server that refuses the client's certificate says so after a TLS 1.3 client is through.
static int refuse(int good, X509_STORE_CTX *ctx) {
    (void)good, (void)ctx;
    return 0;
}

static void a_late_alert_publishes_nothing(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        fixture it = set_up(versions[i & 1], true);
        SSL_CTX_set_verify(it.server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, refuse);
        SSL_CTX_use_certificate_file(it.client, peer_client_certificate(), SSL_FILETYPE_PEM);
        SSL_CTX_use_PrivateKey_file(it.client, peer_client_key(), SSL_FILETYPE_PEM);
        pair new = begin(it, i & 2);
        char byte;
        assert_false(shake_hands(new));
        assert_true(SSL_read(new.client, &byte, 1) <= 0);
        ERR_clear_error();
        assert_int_equal(tsc_ssl_failed(new.client), TSC_OK);
        pair_free(new);
        tsc_stats stats = client_stats(it.cache);
        assert_int_equal(stats.stored, 0);
        assert_int_equal(stats.failed, 1);
        tear_down(it);
    }
}

// A server that shows no certificate, because both ends have the same key. Its sessions would pass
// for those of one that has shown it.
static unsigned client_key(SSL *ssl, const char *hint, char *identity, unsigned identity_size,
                           uint8_t *key, unsigned key_size) {
    (void)ssl, (void)hint;
    assert_true(identity_size >= 2 && key_size >= 4);
    memcpy(identity, "x", 2);
    memcpy(key, "\1\2\3\4", 4);
    return 4;
}
static unsigned server_key(SSL *ssl, const char *identity, uint8_t *key, unsigned key_size) {
    (void)ssl;
    assert_string_equal(identity, "x");
    assert_true(key_size >= 4);
    memcpy(key, "\1\2\3\4", 4);
    return 4;
}

static void a_server_without_a_certificate_leaves_nothing(void **state) {
    (void)state;
    fixture it = set_up(TLS1_2_VERSION, true);
    SSL_CTX_free(it.server);
    it.server = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_psk_server_callback(it.server, server_key);
    SSL_CTX_set_psk_client_callback(it.client, client_key);
    assert_int_equal(SSL_CTX_set_cipher_list(it.server, "kPSK+aPSK:kECDHE+aPSK"), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(it.client, "kPSK+aPSK:kECDHE+aPSK"), 1);
    for (int i = 0; i < 2; i++)
        assert_false(resumes(it, false));
    assert_int_equal(client_stats(it.cache).established, 2);
    assert_int_equal(client_stats(it.cache).stored, 0);
    tear_down(it);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_resumed_whatever_is_shed),
        cmocka_unit_test(what_nobody_verifies_is_kept_whatever_is_shed),
        cmocka_unit_test(what_changed_after_begin_is_noticed_if_nothing_is_shed),
        cmocka_unit_test(a_late_alert_publishes_nothing),
        cmocka_unit_test(a_server_without_a_certificate_leaves_nothing),
    };
    return cmocka_run_group_tests_name("boring", tests, peer_setup, peer_teardown);
}
