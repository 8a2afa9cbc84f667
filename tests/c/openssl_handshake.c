// A handshake that is given up at each of its steps, and one that pauses: client and server in one
// thread.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "books.h"
#include "child.h"
#include "handed.h"
#include "peer.h"
#include "tsc_openssl.h"

#ifndef TSC_SSL_BORING_
#include <openssl/async.h>
#endif

// Whatever has come.
static void read_all(SSL *ssl) {
    char byte;
    while (SSL_read(ssl, &byte, 1) > 0)
        ;
}

// The client says what it has to say, and gets so many bytes of what the server answers. False:
// there are none, and will not be.
static bool step(pair it, int most) {
    char bytes[65536];
    if (SSL_is_init_finished(it.client))
        read_all(it.client);
    else
        SSL_do_handshake(it.client);
    SSL_do_handshake(it.server);
    ERR_clear_error();
    const int length = BIO_read(it.to_client, bytes, most);
    if (length > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(it.client), bytes, length), length);
    return length > 0;
}

// A whole connection, and what it brings.
static void connect_and_keep(fixture it) {
    pair new = pair_new(it);
    while (step(new, 65536))
        ;
    // BoringSSL and AWS-LC send tickets along with it.
    assert_int_equal(SSL_write(new.server, "!", 1), 1);
    while (step(new, 65536))
        ;
    assert_true(SSL_is_init_finished(new.client));
    assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
    pair_free(new);
}

// ---- Given up -----------------------------------------------------------------------------------

typedef enum { ENDS_BY_NOTHING, ENDS_BY_FAILED, ENDS_BY_CLEAR, ENDS_BY_ESTABLISHED } ending;
enum { ENDINGS = ENDS_BY_ESTABLISHED + 1 };

// BoringSSL does not show the SSL that it frees, and a ticket that may be sent counts as sent.
#ifdef OPENSSL_IS_BORINGSSL
#define RETURNED_BY(ends) ((ends) == ENDS_BY_FAILED)
#else
#define RETURNED_BY(ends) true
#endif

// Gives a handshake up after so many steps. False: it had fewer.
static bool given_up(fixture it, bool offered, int steps, ending ends) {
    enum { BYTES = 41 };
    bool more = true, done = false;
    if (!offered)
        tsc_clear(it.cache);
    else if (count_left(it) == 0)
        connect_and_keep(it);
    const size_t before = count_left(it);
    assert_int_equal(before != 0, offered);
    const tsc_stats then = client_stats(it.cache);
    const bool begun = !it.on_start || steps > 0;
    const bool single_use = it.version == TLS1_3_VERSION;

    pair new = pair_new(it);
    for (int i = 0; more && i < steps; i++) {
        more = step(new, BYTES);
        // Also where a ticket is half read by now.
        done = done || SSL_is_init_finished(new.client);
    }
    switch (ends) {
    case ENDS_BY_NOTHING:
        break;
    case ENDS_BY_FAILED:
        assert_int_equal(tsc_ssl_failed(new.client), begun ? TSC_OK : TSC_WRONG_STATE);
        break;
    case ENDS_BY_CLEAR:
        SSL_clear(new.client);
        ERR_clear_error();
        break;
    case ENDS_BY_ESTABLISHED:
        assert_int_equal(tsc_ssl_established(new.client), done ? TSC_OK : TSC_WRONG_STATE);
        break;
    }
    pair_free(new);

    const tsc_stats now = client_stats(it.cache);
    const size_t after = count_left(it);
    assert_books(it.cache);
    assert_int_equal(now.bytes_staged, 0);
    assert_int_equal(now.established - then.established, ends == ENDS_BY_ESTABLISHED && done);
    // With tsc_ssl_on_start, that the library frees an SSL while the server is silent is a failure.
    const bool noticed = it.on_start && begun && !done;
    const bool failed = (ends == ENDS_BY_FAILED && begun) || noticed;
    assert_int_equal(now.failed - then.failed, failed);
    assert_int_equal(now.established + now.failed + now.unfinished,
                     then.established + then.failed + then.unfinished + begun);
    if (!offered && !(ends == ENDS_BY_ESTABLISHED && done))
        assert_int_equal(after, 0); // what came is not kept
    if (!offered)
        return more;
    if (steps == 0)
        assert_int_equal(after, before - (single_use && begun && !RETURNED_BY(ends)));
    else if (!single_use)
        assert_true(after == before || failed);
    else if (ends != ENDS_BY_ESTABLISHED || !done)
        assert_true(after < before); // it was sent
    return more;
}

static void each_step(int version, bool on_start, uint32_t flags) {
    for (int ends = 0; ends < ENDINGS; ends++)
        for (int offered = 0; offered < 2; offered++) {
            fixture it = set_up(version, on_start, flags);
            const int stride = getenv("TSC_TEST_SLOW") ? 20 : 1;
            int steps = 0;
            while (given_up(it, offered, steps, (ending)ends))
                steps += steps < 2 ? 1 : stride;
            assert_true(steps >= 3);
            tear_down(it);
        }
}

static void a_handshake_may_be_given_up_at_each_step(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++)
        for (int on_start = 0; on_start < 2; on_start++) {
            each_step(VERSIONS[v], on_start, 0);
            each_step(VERSIONS[v], on_start, TSC_SSL_SERIALISE);
        }
}

// ---- Paused -------------------------------------------------------------------------------------

#ifndef TSC_SSL_BORING_
static bool pauses;

// As an engine or a provider does while hardware computes.
static int verify_and_pause(int good, X509_STORE_CTX *check) {
    (void)check;
    if (pauses && ASYNC_get_current_job()) {
        pauses = false;
        ASYNC_pause_job();
    }
    return good;
}

static bool is_paused(pair it) {
    return SSL_want_async(it.client);
}

// A full handshake that pauses as it verifies the server.
static pair pair_paused(fixture it) {
    tsc_clear(it.cache);
    pauses = true;
    pair new = pair_new(it);
    for (int i = 0; i < 10 && !is_paused(new); i++)
        step(new, 65536);
    assert_true(is_paused(new));
    return new;
}

static fixture set_up_to_pause(int version, bool on_start) {
    fixture it = set_up(version, on_start, 0);
    SSL_CTX_set_verify(it.ctx, SSL_VERIFY_PEER, verify_and_pause);
    SSL_CTX_set_mode(it.ctx, SSL_MODE_ASYNC);
    return it;
}

// In a child, as OpenSSL never frees a job that pauses.
static int freed_while_it_pauses(void *arg) {
    const fixture *like = (const fixture *)arg;
    fixture it = set_up_to_pause(like->version, like->on_start);
    pair_free(pair_paused(it));
    const tsc_stats stats = client_stats(it.cache);
    CHILD_EXPECT(stats.unfinished + stats.failed == 1); // it counts once
    CHILD_EXPECT(stats.established == 0);
    return 0;
}

static void go_on(pair it) {
    for (int i = 0; i < 10; i++)
        step(it, 65536);
    assert_true(SSL_is_init_finished(it.client));
}

static void a_handshake_may_pause(void **state) {
    (void)state;
    if (!ASYNC_is_capable())
        skip();
    for (int v = 0; v < 2; v++)
        for (int on_start = 0; on_start < 2; on_start++) {
            fixture it = set_up_to_pause(VERSIONS[v], on_start);
            assert_int_equal(in_child(freed_while_it_pauses, &it), 0);

            pair failed = pair_paused(it);
            assert_int_equal(tsc_ssl_established(failed.client), TSC_WRONG_STATE);
            assert_int_equal(tsc_ssl_failed(failed.client), TSC_OK);
            assert_int_equal(tsc_ssl_failed(failed.client), TSC_WRONG_STATE);
            go_on(failed);
            assert_int_equal(tsc_ssl_established(failed.client), TSC_WRONG_STATE);
            pair_free(failed);
            tsc_stats stats = client_stats(it.cache);
            assert_int_equal(stats.failed, 1);
            assert_int_equal(stats.unfinished, 0);
            assert_int_equal(count_left(it), 0);

            pair good = pair_paused(it);
            assert_int_equal(tsc_ssl_established(good.client), TSC_WRONG_STATE);
            go_on(good);
            assert_int_equal(tsc_ssl_established(good.client), TSC_OK);
            pair_free(good);
            pair resumed = pair_new(it);
            go_on(resumed);
            assert_true(SSL_session_reused(resumed.client));
            assert_int_equal(tsc_ssl_established(resumed.client), TSC_OK);
            pair_free(resumed);
            stats = client_stats(it.cache);
            assert_int_equal(stats.established, 2);
            assert_int_equal(stats.resumed, 1);
            assert_int_equal(stats.failed + stats.unfinished, 1);
            tear_down(it);
        }
    ASYNC_cleanup_thread();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_may_be_given_up_at_each_step),
#ifndef TSC_SSL_BORING_
        cmocka_unit_test(a_handshake_may_pause),
#endif
    };
    return cmocka_run_group_tests_name("openssl_handshake", tests, peer_setup, peer_teardown);
}
