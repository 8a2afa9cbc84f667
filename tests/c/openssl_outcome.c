// How a connection ends, as tsc_openssl.h sees it: client and server in one thread, so that a
// message can be stopped halfway. What the facts mean is the core's (tests/engine).

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "books.h"
#include "handed.h"
#include "peer.h"
#include "tsc_openssl.h"

// Tickets of more than a record of the smallest size.
static int large_ticket(SSL *ssl, void *unused) {
    static const char data[2000] = "application data";
    (void)unused;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data, sizeof data);
}

static fixture set_up_large(int version, bool on_start) {
    fixture it = set_up(version, on_start, 0);
    SSL_CTX_set_session_ticket_cb(it.server_ctx, large_ticket, NULL, NULL);
    SSL_CTX_set_max_send_fragment(it.server_ctx, 512);
    return it;
}

// Hands on what the server has written, up to so many bytes.
static size_t deliver(pair it, size_t most) {
    char bytes[65536];
    const int length =
        BIO_read(it.to_client, bytes, (int)(most < sizeof bytes ? most : sizeof bytes));
    if (length <= 0)
        return 0;
    assert_int_equal(BIO_write(SSL_get_rbio(it.client), bytes, length), length);
    return (size_t)length;
}

// Up to where the client is done; what the server has to say after it is not handed on.
static void shake_hands(pair it) {
    for (int i = 0; i < 10 && !(SSL_is_init_finished(it.client) && SSL_is_init_finished(it.server));
         i++) {
        if (!SSL_is_init_finished(it.client)) {
            deliver(it, SIZE_MAX);
            SSL_do_handshake(it.client);
        }
        SSL_do_handshake(it.server);
    }
    assert_true(SSL_is_init_finished(it.client));
    ERR_clear_error();
}

// A whole connection. Gives whether it was resumed.
static bool resumes(fixture it) {
    pair new = pair_new(it);
    shake_hands(new);
    deliver(new, SIZE_MAX);
    client_read_nothing(new.client);
    assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
    const bool resumed = SSL_session_reused(new.client);
    pair_free(new);
    return resumed;
}

// ---- Done is done -------------------------------------------------------------------------------

static void a_ticket_that_is_half_there_keeps_nobody_from_being_established(void **state) {
    (void)state;
    for (int on_start = 0; on_start < 2; on_start++)
        for (int failed = 0; failed < 2; failed++) {
            fixture it = set_up_large(TLS1_3_VERSION, on_start);
            pair new = pair_new(it);
            shake_hands(new);
            assert_int_equal(deliver(new, 800), 800); // of the first ticket, more than one record
            client_read_nothing(new.client);
            assert_false(SSL_is_init_finished(new.client));
            if (failed) {
                assert_int_equal(tsc_ssl_failed(new.client), TSC_OK);
                assert_int_equal(client_stats(it.cache).handshake_failed_offered, 0);
            } else {
                assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
            }
            deliver(new, SIZE_MAX);
            client_read_nothing(new.client);
            assert_true(SSL_is_init_finished(new.client));
            pair_free(new);
            tsc_stats stats = client_stats(it.cache);
            assert_int_equal(stats.stored, failed ? 0 : 2);
            assert_int_equal(stats.failed, failed);
            assert_int_equal(stats.established, !failed);
            tear_down(it);
        }
}

// Nor does a renegotiation that the server has begun and not ended.
static void a_renegotiation_keeps_nobody_from_being_established(void **state) {
    (void)state;
    for (int on_start = 0; on_start < 2; on_start++) {
        fixture it = set_up_large(TLS1_2_VERSION, on_start);
        for (int resumed = 0; resumed < 2; resumed++) {
            pair new = pair_new(it);
            shake_hands(new);
            assert_int_equal(SSL_session_reused(new.client), resumed);
            assert_int_equal(SSL_renegotiate(new.server), 1);
            assert_int_equal(SSL_do_handshake(new.server), 1);
            deliver(new, SIZE_MAX);
            client_read_nothing(new.client);
            assert_false(SSL_is_init_finished(new.client));
            assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
            pair_free(new);
            tsc_stats stats = client_stats(it.cache);
            assert_int_equal(stats.failed, 0);
            assert_int_equal(stats.established, resumed + 1);
            assert_int_equal(stats.resumed, resumed);
            assert_int_equal(stats.refused, 0);
        }
        tear_down(it);
    }
}

// ---- What was seen ------------------------------------------------------------------------------

// A resumed connection of which the rest is told, and what is left of two tickets.
static tsc_stats resumed_until(void (*then)(pair), size_t *left) {
    fixture it = set_up_large(TLS1_3_VERSION, false);
    assert_false(resumes(it));
    pair new = pair_new(it);
    shake_hands(new);
    assert_true(SSL_session_reused(new.client));
    then(new);
    pair_free(new);
    *left = count_left(it);
    tsc_stats stats = client_stats(it.cache);
    tear_down(it);
    return stats;
}

static void say_failed(pair it) {
    assert_int_equal(tsc_ssl_failed(it.client), TSC_OK);
}

// The other end is closed and says nothing. From OpenSSL 3 on that is a fatal error of TLS.
static void break_off(pair it) {
    BIO_set_mem_eof_return(SSL_get_rbio(it.client), 0);
    client_read_nothing(it.client);
    say_failed(it);
}

static void a_login_that_failed_is_no_failed_handshake(void **state) {
    (void)state;
    size_t left;
    void (*const ways[])(pair) = {say_failed, break_off};
    for (int i = 0; i < 2; i++) {
        tsc_stats stats = resumed_until(ways[i], &left);
        assert_int_equal(stats.login_failed_resumed, 1);
        assert_int_equal(stats.handshake_failed_offered, 0);
        assert_int_equal(left, 1); // its sibling stays
    }
}

// ---- Certificates -------------------------------------------------------------------------------

// Replaces the server's certificate by one that ended yesterday.
static void expire(SSL_CTX *ctx) {
    X509 *certificate = X509_dup(SSL_CTX_get0_certificate(ctx));
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * 86400));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), -86400));
    assert_true(X509_sign(certificate, SSL_CTX_get0_privatekey(ctx), EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, certificate), 1);
    X509_free(certificate);
}

// Where nobody verifies, the end of a certificate that was found wanting bounds nothing; that of a
// good one does, for there are programs that look at SSL_get_verify_result.
static void an_expired_certificate_that_nobody_verifies_resumes(void **state) {
    (void)state;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        fixture it = set_up_large(versions[i], false);
        expire(it.server_ctx);
        SSL_CTX_set_verify(it.ctx, SSL_VERIFY_NONE, NULL);
        assert_false(resumes(it));
        pair new = pair_new(it);
        shake_hands(new);
        assert_true(SSL_session_reused(new.client));
        assert_int_not_equal(SSL_get_verify_result(new.client), X509_V_OK);
        pair_free(new);
        tear_down(it);
    }
    for (int i = 0; i < 2; i++) {
        uint64_t now = 1;
        fixture it = set_up_large(versions[i], false);
        const tsc_options options = {.ttl_seconds = 60 * 86400,
                                     .max_lineage_age_seconds = 60 * 86400,
                                     .clock = client_clock,
                                     .clock_arg = &now};
        free_cache(it.cache);
        SSL_CTX_free(it.ctx);
        it.ctx = client_context();
        SSL_CTX_set_verify(it.ctx, SSL_VERIFY_NONE, NULL);
        assert_int_equal(tsc_cache_new(&options, sizeof options, &it.cache), TSC_OK);
        assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
        SSL_CTX_set_timeout(it.server_ctx, 6 * 86400);
        assert_int_equal(
            SSL_CTX_use_certificate_file(it.server_ctx, peer_short_certificate(), SSL_FILETYPE_PEM),
            1);
        assert_int_equal(
            SSL_CTX_use_PrivateKey_file(it.server_ctx, peer_short_key(), SSL_FILETYPE_PEM), 1);
        assert_false(resumes(it));
        assert_true(resumes(it));
        now += (uint64_t)2 * 86400 * 1000;
        assert_false(resumes(it));
        tear_down(it);
    }
}

// ---- Transports ---------------------------------------------------------------------------------

// From OpenSSL 3.2 on an SSL lets go of its BIOs before its ex_data.
static void a_chain_of_bios_is_released(void **state) {
    (void)state;
    for (int way = 0; way < 3; way++) {
        fixture it = set_up_large(TLS1_3_VERSION, false);
        assert_false(resumes(it));
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        SSL *ssl = client_ssl(it.ctx, -1);
        BIO *chain = BIO_push(BIO_new(BIO_f_buffer()), BIO_new_socket(ends[0], BIO_CLOSE));
        SSL_set_bio(ssl, chain, chain);
        begin(NULL, ssl);
        assert_non_null(SSL_get_session(ssl)); // offered
        if (way == 1)
            assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
        if (way == 2)
            SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_free(ssl);
        assert_int_equal(fcntl(ends[0], F_GETFD), -1);
        close(ends[1]);
        tear_down(it);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ticket_that_is_half_there_keeps_nobody_from_being_established),
        cmocka_unit_test(a_renegotiation_keeps_nobody_from_being_established),
        cmocka_unit_test(a_login_that_failed_is_no_failed_handshake),
        cmocka_unit_test(an_expired_certificate_that_nobody_verifies_resumes),
        cmocka_unit_test(a_chain_of_bios_is_released),
    };
    return cmocka_run_group_tests_name("openssl_outcome", tests, peer_setup, peer_teardown);
}
