// Fatal alerts that come or are sent after the handshake. What they mean is the core's
// (tests/engine).

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "books.h"
#include "pair.h"
#include "tsc_openssl.h"

// What nobody can read, which is answered with a fatal alert.
static void spoil(SSL *reader) {
    static const char nonsense[] = "\27\3\3\0\40................................";
    assert_true(BIO_write(SSL_get_rbio(reader), nonsense, sizeof nonsense - 1) > 0);
}

static void comes(pair it) {
    spoil(it.server);
    client_read_nothing(it.server);
    client_read_nothing(it.client);
}

static void is_sent(pair it) {
    spoil(it.client);
    client_read_nothing(it.client);
}

static void (*const ALERTS[])(pair) = {comes, is_sent};

static void close_notify_comes(pair it) {
    SSL_shutdown(it.server);
    client_read_nothing(it.client);
}

// OpenSSL 3 sends an alert then.
static void breaks_off(pair it) {
    BIO_set_mem_eof_return(SSL_get_rbio(it.client), 0);
    client_read_nothing(it.client);
}

// Both leave the client in the midst of a handshake, as a fatal alert does.
#ifndef PAIR_BORING
static void asks_for_another_handshake_and_closes(pair it) {
    if (SSL_version(it.server) >= TLS1_3_VERSION)
        return;
    assert_int_equal(SSL_renegotiate(it.server), 1);
    SSL_do_handshake(it.server);
    SSL_shutdown(it.server);
    client_read_nothing(it.client);
    client_read_nothing(it.client);
}

static void closes_before_a_key_update(pair it) {
    if (SSL_version(it.server) < TLS1_3_VERSION)
        return;
    close_notify_comes(it);
    assert_int_equal(SSL_key_update(it.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
}
#endif

static void (*const ENDS[])(pair) = {
    close_notify_comes,
    breaks_off,
#ifndef PAIR_BORING
    asks_for_another_handshake_and_closes,
    closes_before_a_key_update,
#endif
};

// A callback that the application sets on an SSL before the handshake, and does not pass on.
static void application_info(const SSL *ssl, int where, int ret) {
    (void)ssl, (void)where, (void)ret;
}

// A resumed connection of which the tickets have come.
static pair resumed_pair(fixture it, bool replaced) {
    assert_false(resumes(it, NULL));
    pair new = pair_new(it);
    begin(new.client);
    if (replaced)
        SSL_set_info_callback(new.client, application_info);
    assert_true(shakes_hands(new));
    read_all(new);
    assert_int_equal(SSL_session_reused(new.client), 1);
    return new;
}

static void before_the_verdict_it_fails_the_handshake(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++)
        for (size_t i = 0; i < sizeof ALERTS / sizeof *ALERTS; i++) {
            fixture it = set_up(VERSIONS[v]);
            pair new = resumed_pair(it, false);
            ALERTS[i](new);
            assert_int_equal(tsc_ssl_established(new.client), TSC_WRONG_STATE);
            assert_int_equal(tsc_ssl_failed(new.client), TSC_OK);
            pair_free(new);
            tsc_stats stats = client_stats(it.cache);
            assert_int_equal(stats.handshake_failed_offered, 1);
            assert_int_equal(stats.login_failed_resumed, 0);
            assert_int_equal(count_left(it), 0);
            tear_down(it);
        }
}

// RFC 8446, 6. Nobody has to say so.
static void after_the_verdict_it_drops_what_the_connection_brought(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++)
        for (size_t i = 0; i < sizeof ALERTS / sizeof *ALERTS; i++)
            for (int said = 0; said < 2; said++) {
                fixture it = set_up(VERSIONS[v]);
                pair new = resumed_pair(it, false);
                assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
                ALERTS[i](new);
                if (said)
                    assert_int_equal(tsc_ssl_failed(new.client), TSC_OK);
                pair_free(new);
                assert_int_equal(count_left(it), 0);
                tear_down(it);
            }
}

static void what_merely_ends_drops_nothing(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++)
        for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
            fixture it = set_up(VERSIONS[v]);
            pair new = resumed_pair(it, false);
            assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
            const size_t left = count_left(it);
            assert_true(left > 0);
            ENDS[i](new);
            assert_int_equal(tsc_ssl_failed(new.client), TSC_WRONG_STATE);
            pair_free(new);
            assert_int_equal(client_stats(it.cache).handshake_failed_offered, 0);
            assert_int_equal(count_left(it), left);
            tear_down(it);
        }
}

// Then OpenSSL's state has to do.
static void one_that_comes_is_seen_without_the_info_callback(void **state) {
    (void)state;
#ifdef PAIR_BORING
    skip();
#endif
    for (int v = 0; v < 2; v++) {
        fixture it = set_up(VERSIONS[v]);
        pair new = resumed_pair(it, true);
        assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
        comes(new);
        pair_free(new);
        assert_int_equal(count_left(it), 0);
        tear_down(it);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_verdict_it_fails_the_handshake),
        cmocka_unit_test(after_the_verdict_it_drops_what_the_connection_brought),
        cmocka_unit_test(what_merely_ends_drops_nothing),
        cmocka_unit_test(one_that_comes_is_seen_without_the_info_callback),
    };
    return cmocka_run_group_tests_name("openssl_alerts", tests, peer_setup, peer_teardown);
}
