// tsc_openssl.h within an application: what it leaves alone, in which order things may be freed,
// what happens to a ticket that was never sent, and what it answers to misuse.
//
// Attaching happens in this file and beginning in peer.c: two source files that include the header
// find each other's work.

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
#include <openssl/quic.h>
#endif

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

static const peer_manner TLS12 = {.tls_version = TLS1_2_VERSION};
static const peer_manner TLS13 = {.tls_version = TLS1_3_VERSION, .tickets = 2};

typedef struct {
    tsc_cache *cache;
    SSL_CTX *ctx;
    peer *server;
} fixture;

static fixture set_up(peer_manner manner) {
    fixture it = {NULL, client_context(), peer_own(manner)};
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
    return it;
}

static void tear_down(fixture it) {
    SSL_CTX_free(it.ctx);
    free_cache(it.cache);
    peer_free(it.server);
}

static SSL *begun(fixture it, int fd) {
    SSL *ssl = client_ssl(it.ctx, fd);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
    return ssl;
}

// ---- Misuse -------------------------------------------------------------------------------------

static void null_and_nonsense_are_refused(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    SSL_CTX *plain = client_context();
    SSL *ssl = client_ssl(it.ctx, -1), *unattached = client_ssl(plain, -1);
    tsc_endpoint nobody = {.port = 1};
    char long_name[TSC_MAX_NAME + 2];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;

    assert_int_equal(tsc_ssl_attach(NULL, it.cache, NULL, 0), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_attach(plain, NULL, NULL, 0), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_attach(plain, it.cache, NULL, 8), TSC_UNSUPPORTED);
    assert_null(SSL_CTX_sess_get_new_cb(plain));
    assert_int_equal(tsc_ssl_begin(NULL, "localhost", 1), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_begin(ssl, NULL, 1), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_begin(ssl, "", 1), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 65536), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_begin(ssl, long_name, 1), TSC_TOO_LARGE);
    assert_int_equal(tsc_ssl_begin(unattached, "localhost", 1), TSC_WRONG_STATE);
    assert_int_equal(tsc_ssl_begin_endpoint(NULL, &nobody), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_begin_endpoint(ssl, NULL), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_begin_endpoint(ssl, &nobody), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_established(NULL), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_failed(NULL), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_established(ssl), TSC_WRONG_STATE);
    assert_int_equal(tsc_ssl_failed(ssl), TSC_WRONG_STATE);
    assert_null(tsc_ssl_attempt(NULL));
    assert_null(tsc_ssl_attempt(ssl));
    assert_null(tsc_ssl_config(NULL));
    assert_null(tsc_ssl_config(plain));

    client_close(ssl);
    client_close(unattached);
    SSL_CTX_free(plain);
    tear_down(it);
}

static void attaching_twice_is_refused_and_changes_nothing(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    tsc_cache *other;
    assert_int_equal(tsc_cache_new(NULL, 0, &other), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_WRONG_STATE);
    assert_int_equal(tsc_ssl_attach(it.ctx, other, NULL, 0), TSC_WRONG_STATE);
    assert_false(client_resumes(it.ctx, it.server));
    assert_true(client_resumes(it.ctx, it.server));
    assert_int_equal(client_stats(other).stored, 0);
    free_cache(other);
    tear_down(it);
}

static void calls_out_of_turn_are_refused(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    SSL *ssl = begun(it, client_dial(peer_port(it.server)));
    assert_int_equal(tsc_ssl_established(ssl), TSC_WRONG_STATE); // nothing has been verified yet
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_WRONG_STATE);
    assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
    assert_int_equal(tsc_ssl_established(ssl), TSC_WRONG_STATE);
    assert_int_equal(tsc_ssl_failed(ssl), TSC_WRONG_STATE);
    client_close(ssl);
    tear_down(it);
}

static void dtls_and_quic_are_unsupported(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    SSL_CTX *ctx = SSL_CTX_new(DTLS_client_method());
    assert_int_equal(tsc_ssl_attach(ctx, it.cache, NULL, 0), TSC_OK);
    SSL *ssl = SSL_new(ctx);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_UNSUPPORTED);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
#if OPENSSL_VERSION_NUMBER >= 0x30200000L && !defined(OPENSSL_NO_QUIC)
    ctx = SSL_CTX_new(OSSL_QUIC_client_method());
    assert_int_equal(tsc_ssl_attach(ctx, it.cache, NULL, 0), TSC_OK);
    ssl = SSL_new(ctx);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_UNSUPPORTED);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
#endif
    tear_down(it);
}

// ---- What belongs to the application ------------------------------------------------------------

static struct {
    int calls;
    bool keep;
    SSL_SESSION *kept;
    const tsc_cache *cache;
} application;

static int application_callback(SSL *ssl, SSL_SESSION *session) {
    tsc_stats stats;
    (void)ssl;
    application.calls++;
    if (application.cache)
        tsc_stats_get(application.cache, &stats, sizeof stats); // calling back is allowed
    if (!application.keep)
        return 0;
    SSL_SESSION_free(application.kept);
    application.kept = session;
    return 1;
}

// The application's callback sees every session, of SSLs that were begun and of others, and owns
// the reference if it says so.
static void the_applications_callback_still_sees_every_session(void **state) {
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        fixture it = {NULL, client_context(), peer_own(TLS13)};
        memset(&application, 0, sizeof application);
        application.keep = keep;
        SSL_CTX_sess_set_new_cb(it.ctx, application_callback);
        assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
        application.cache = it.cache;
        assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
        assert_false(client_resumes(it.ctx, it.server));
        assert_int_equal(application.calls, 2);
        assert_true(client_visit(it.ctx, it.server, VISIT_UNBEGUN).answered);
        assert_int_equal(application.calls, 4);
        assert_true(client_resumes(it.ctx, it.server));
        assert_int_equal(application.calls, 5);
        SSL_SESSION_free(application.kept);
        tear_down(it);
    }
}

static int later_callback(SSL *ssl, SSL_SESSION *session) {
    tsc_ssl_new_session(ssl, session);
    return application_callback(ssl, session);
}

static void a_callback_that_is_installed_later_may_call_the_headers(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    memset(&application, 0, sizeof application);
    application.keep = true;
    SSL_CTX_sess_set_new_cb(it.ctx, later_callback);
    assert_false(client_resumes(it.ctx, it.server));
    assert_true(client_resumes(it.ctx, it.server));
    assert_int_equal(application.calls, 3);
    SSL_SESSION_free(application.kept);
    tear_down(it);
}

static void an_ssl_that_was_not_begun_is_left_alone(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    visit result = client_visit(it.ctx, it.server, VISIT_UNBEGUN);
    assert_true(result.answered);
    tsc_stats stats = client_stats(it.cache);
    assert_int_equal(stats.missed + stats.stored + stats.unfinished + stats.established, 0);
    assert_false(client_resumes(it.ctx, it.server));
    assert_false(client_visit(it.ctx, it.server, VISIT_UNBEGUN).resumed);
    assert_int_equal(client_available(it.ctx, it.server), 2);
    tear_down(it);
}

static void the_applications_ex_data_stays(void **state) {
    (void)state;
    static char of_ctx, of_ssl, app_ctx, app_ssl;
    int ctx_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    int ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    fixture it = {NULL, client_context(), peer_own(TLS13)};
    SSL_CTX_set_app_data(it.ctx, &app_ctx);
    SSL_CTX_set_ex_data(it.ctx, ctx_index, &of_ctx);
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
    SSL *ssl = client_ssl(it.ctx, -1);
    SSL_set_app_data(ssl, &app_ssl);
    SSL_set_ex_data(ssl, ssl_index, &of_ssl);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_OK);
    assert_ptr_equal(SSL_CTX_get_app_data(it.ctx), &app_ctx);
    assert_ptr_equal(SSL_CTX_get_ex_data(it.ctx, ctx_index), &of_ctx);
    assert_ptr_equal(SSL_get_app_data(ssl), &app_ssl);
    assert_ptr_equal(SSL_get_ex_data(ssl, ssl_index), &of_ssl);
    client_close(ssl);
    tear_down(it);
}

static void the_cache_modes_that_are_set_stay(void **state) {
    (void)state;
    fixture it = {NULL, client_context(), peer_own(TLS13)};
    SSL_CTX_set_session_cache_mode(it.ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR);
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
    assert_int_equal(SSL_CTX_get_session_cache_mode(it.ctx), SSL_SESS_CACHE_BOTH |
                                                                 SSL_SESS_CACHE_NO_AUTO_CLEAR |
                                                                 SSL_SESS_CACHE_NO_INTERNAL);
    assert_false(client_resumes(it.ctx, it.server));
    assert_int_equal(SSL_CTX_sess_number(it.ctx), 0); // none hidden in OpenSSL's own store
    tear_down(it);
}

// A session of the application's own is left to it while the cache has nothing to offer.
static void a_session_of_the_applications_own_is_left_to_it(void **state) {
    (void)state;
    fixture it = set_up(TLS12);
    SSL *ssl = client_ssl(it.ctx, client_dial(peer_port(it.server)));
    assert_int_equal(SSL_connect(ssl), 1);
    SSL_SESSION *own = SSL_get1_session(ssl);
    SSL_shutdown(ssl);
    client_close(ssl);

    ssl = client_ssl(it.ctx, client_dial(peer_port(it.server)));
    assert_int_equal(SSL_set_session(ssl, own), 1);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_true(SSL_session_reused(ssl));
    assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
    assert_int_equal(client_stats(it.cache).resumed, 0);
    client_close(ssl);
    SSL_SESSION_free(own);
    tear_down(it);
}

// OpenSSL reports what is in the error queue as the next call's failure: it must stay as it was.
static void the_error_queue_stays_as_it_was(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    assert_false(client_resumes(it.ctx, it.server));
    ERR_clear_error();
    ERR_put_error(ERR_LIB_USER, 0, 7, __FILE__, __LINE__);
    unsigned long error = ERR_peek_error();
    SSL *ssl = begun(it, -1);
    assert_int_equal(ERR_peek_error(), error);
    assert_int_equal(ERR_peek_last_error(), error);
    assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
    assert_int_equal(ERR_get_error(), error);
    assert_int_equal(ERR_get_error(), 0);
    client_close(ssl);
    tear_down(it);
}

// ---- Order --------------------------------------------------------------------------------------

static void cache_and_ssl_ctx_and_ssl_may_be_freed_in_any_order(void **state) {
    (void)state;
    // Cache, SSL_CTX, SSL: the SSL still works, and finds and keeps nothing.
    fixture it = set_up(TLS13);
    assert_false(client_resumes(it.ctx, it.server));
    SSL *ssl = begun(it, client_dial(peer_port(it.server)));
    SSL *idle = begun(it, -1);
    free_cache(it.cache);
    visit after = client_visit(it.ctx, it.server, 0);
    assert_true(after.answered);
    assert_int_equal(after.info.offered, 0);
    SSL_CTX_free(it.ctx);
    assert_int_equal(SSL_connect(ssl), 1);
    char answer[256];
    assert_true(client_ask(ssl, "/", answer, sizeof answer) > 0);
    assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
    client_close(ssl);
    client_close(idle);
    peer_free(it.server);

    // SSL_CTX, SSL, cache.
    it = set_up(TLS13);
    assert_false(client_resumes(it.ctx, it.server));
    ssl = begun(it, -1);
    SSL_CTX_free(it.ctx);
    client_close(ssl);
    assert_int_equal(client_stats(it.cache).returned, 1);
    free_cache(it.cache);
    peer_free(it.server);
}

// ---- Never sent ---------------------------------------------------------------------------------

// A node that is down costs no tickets, at whichever moment the driver begins.
static void a_node_that_is_down_costs_no_tickets(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    assert_false(client_resumes(it.ctx, it.server));
    assert_int_equal(client_available(it.ctx, it.server), 2);
    peer_halt(it.server);

    // The driver dials by itself; it may say that it failed, or just give up.
    SSL *ssl = begun(it, -1);
    assert_int_equal(client_available(it.ctx, it.server), 1);
    assert_int_equal(client_dial(peer_port(it.server)), -1);
    assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
    assert_int_equal(client_available(it.ctx, it.server), 2);
    assert_null(SSL_get_session(ssl)); // that ticket is no longer this one's to send
    client_close(ssl);

    ssl = begun(it, -1);
    assert_int_equal(client_available(it.ctx, it.server), 1);
    SSL_free(ssl);
    assert_int_equal(client_available(it.ctx, it.server), 2);

    // OpenSSL dials, within SSL_connect: the handshake has begun, and yet nothing was sent.
    char port[8];
    snprintf(port, sizeof port, "%d", peer_port(it.server));
    BIO *bio = BIO_new_connect("127.0.0.1");
    BIO_set_conn_port(bio, port);
    ssl = client_ssl(it.ctx, -1);
    SSL_set_bio(ssl, bio, bio);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
    assert_int_equal(SSL_connect(ssl), -1);
    ERR_clear_error();
    assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
    SSL_free(ssl);
    assert_int_equal(client_available(it.ctx, it.server), 2);
    assert_int_equal(client_stats(it.cache).returned, 3);
    tear_down(it);
}

// Both tickets are as good as new afterwards.
static void a_ticket_that_went_back_resumes(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    assert_false(client_resumes(it.ctx, it.server));
    SSL *first = begun(it, -1), *second = begun(it, -1);
    assert_int_equal(client_available(it.ctx, it.server), 0);
    assert_int_equal(tsc_ssl_failed(first), TSC_OK);
    SSL_free(first);
    SSL_free(second);
    assert_true(client_resumes(it.ctx, it.server));
    assert_true(client_resumes(it.ctx, it.server));
    tear_down(it);
}

// A ticket that was sent never goes back, whoever forgets what, SSL_clear included.
static void a_ticket_that_was_sent_never_goes_back(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    assert_false(client_resumes(it.ctx, it.server));
    enum { FREED, FAILED, BEGUN, CLEARED, MOVED_FAILED, MOVED_BEGUN, WAYS };
    for (int way = 0; way < 2 * WAYS; way++) {
        int how = way / 2, ends[2]; // the ClientHello is sent, and nobody answers
        assert_int_equal(pipe(ends), 0);
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new_fd(ends[1], BIO_CLOSE);
        size_t before = client_available(it.ctx, it.server);
        SSL *ssl;
        if (way % 2 == 0) { // the transport comes after the offer, or before
            ssl = begun(it, -1);
            SSL_set_bio(ssl, in, out);
        } else {
            ssl = client_ssl(it.ctx, -1);
            SSL_set_bio(ssl, in, out);
            assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(it.server)),
                             TSC_OK);
        }
        assert_int_equal(SSL_connect(ssl), -1);
        assert_int_equal(SSL_get_error(ssl, -1), SSL_ERROR_WANT_READ);
        if (how != FREED && how != MOVED_FAILED)
            assert_int_equal(SSL_clear(ssl), 1);
        if (how == MOVED_FAILED || how == MOVED_BEGUN)
            SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        if (how == FAILED || how == MOVED_FAILED)
            assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
        if (how == BEGUN || how == MOVED_BEGUN) {
            assert_int_equal(tsc_ssl_begin(ssl, "elsewhere", 1), TSC_OK);
            assert_null(SSL_get_session(ssl));
        }
        SSL_free(ssl);
        close(ends[0]);
        assert_true(client_available(it.ctx, it.server) < before);
        assert_int_equal(client_stats(it.cache).returned, 0);
        tear_down(it); // three failures would open the breaker
        it = set_up(TLS13);
        assert_false(client_resumes(it.ctx, it.server));
    }
    tear_down(it);
}

// ---- Other ways to use OpenSSL ------------------------------------------------------------------

// An SSL over memory BIOs, as event loops have it.
static void memory_bios_resume(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    for (int i = 0; i < 2; i++) {
        int fd = client_dial(peer_port(it.server));
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        SSL *ssl = begun(it, -1);
        char bytes[16384], answer[64] = "";
        static const char request[] = "GET / HTTP/1.0\r\n\r\n";
        bool asked = false;
        SSL_set_bio(ssl, in, out);
        while (!strchr(answer, '\n') || strlen(answer) < 20) {
            int got = asked ? SSL_read(ssl, answer, sizeof answer - 1) : SSL_connect(ssl);
            if (!asked && got == 1) {
                asked = true;
                assert_true(SSL_write(ssl, request, sizeof request - 1) > 0);
            }
            int length = BIO_read(out, bytes, sizeof bytes);
            if (length > 0)
                assert_int_equal(write(fd, bytes, (size_t)length), length);
            else if (got <= 0) {
                ssize_t arrived = read(fd, bytes, sizeof bytes);
                assert_true(arrived > 0);
                BIO_write(in, bytes, (int)arrived);
            }
        }
        assert_int_equal(SSL_session_reused(ssl), i);
        assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
        SSL_free(ssl);
        close(fd);
    }
    tear_down(it);
}

static void a_duplicate_has_not_been_begun(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    SSL *ssl = begun(it, -1);
    SSL *copy = SSL_dup(ssl);
    assert_non_null(copy);
    assert_ptr_not_equal(copy, ssl);
    assert_non_null(tsc_ssl_attempt(ssl));
    assert_null(tsc_ssl_attempt(copy));
    SSL_free(ssl);
    assert_int_equal(tsc_ssl_begin(copy, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
    SSL_free(copy);
    tear_down(it);
}

// An SSL may be used again after SSL_clear.
static void a_cleared_ssl_may_be_begun_again(void **state) {
    (void)state;
    fixture it = set_up(TLS12);
    SSL *ssl = client_ssl(it.ctx, -1);
    for (int i = 0; i < 3; i++) {
        int fd = client_dial(peer_port(it.server));
        assert_int_equal(SSL_set_fd(ssl, fd), 1);
        assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
        assert_int_equal(SSL_connect(ssl), 1);
        assert_int_equal(SSL_session_reused(ssl), i > 0);
        assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
        assert_int_equal(SSL_clear(ssl), 1);
        close(fd);
    }
    SSL_free(ssl);
    assert_int_equal(client_stats(it.cache).resumed, 2);
    tear_down(it);
}

// An SSL whose SSL_CTX was swapped after it was begun no longer is what it was.
static void an_ssl_whose_ssl_ctx_was_swapped_keeps_nothing(void **state) {
    (void)state;
    fixture it = set_up(TLS12);
    SSL_CTX *other = client_context();
    assert_int_equal(tsc_ssl_attach(other, it.cache, NULL, 0), TSC_OK);
    SSL *ssl = begun(it, client_dial(peer_port(it.server)));
    assert_ptr_equal(SSL_set_SSL_CTX(ssl, other), other);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
    client_close(ssl);
    assert_int_equal(client_stats(it.cache).sessions, 0);
    SSL_CTX_free(other);
    tear_down(it);
}

enum { THREADS = 8, CTXS = 50 };

static void *attach_many(void *cache) {
    intptr_t failures = 0;
    for (int i = 0; i < CTXS; i++) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        failures += tsc_ssl_attach(ctx, cache, NULL, 0) != TSC_OK;
        SSL *ssl = SSL_new(ctx);
        failures += tsc_ssl_begin(ssl, "localhost", 1) != TSC_OK || !tsc_ssl_attempt(ssl);
        SSL_free(ssl);
        failures += tsc_ssl_config(ctx) == NULL;
        SSL_CTX_free(ctx);
    }
    return (void *)failures;
}

// Runs first: the threads make the ex_data indexes at once.
static void many_threads_may_attach_at_once(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    tsc_cache *cache;
    assert_int_equal(tsc_cache_new(NULL, 0, &cache), TSC_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, attach_many, cache), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        assert_null(failures);
    }
    free_cache(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_may_attach_at_once),
        cmocka_unit_test(null_and_nonsense_are_refused),
        cmocka_unit_test(attaching_twice_is_refused_and_changes_nothing),
        cmocka_unit_test(calls_out_of_turn_are_refused),
        cmocka_unit_test(dtls_and_quic_are_unsupported),
        cmocka_unit_test(the_applications_callback_still_sees_every_session),
        cmocka_unit_test(a_callback_that_is_installed_later_may_call_the_headers),
        cmocka_unit_test(an_ssl_that_was_not_begun_is_left_alone),
        cmocka_unit_test(the_applications_ex_data_stays),
        cmocka_unit_test(the_cache_modes_that_are_set_stay),
        cmocka_unit_test(a_session_of_the_applications_own_is_left_to_it),
        cmocka_unit_test(the_error_queue_stays_as_it_was),
        cmocka_unit_test(cache_and_ssl_ctx_and_ssl_may_be_freed_in_any_order),
        cmocka_unit_test(a_node_that_is_down_costs_no_tickets),
        cmocka_unit_test(a_ticket_that_went_back_resumes),
        cmocka_unit_test(a_ticket_that_was_sent_never_goes_back),
        cmocka_unit_test(memory_bios_resume),
        cmocka_unit_test(a_duplicate_has_not_been_begun),
        cmocka_unit_test(a_cleared_ssl_may_be_begun_again),
        cmocka_unit_test(an_ssl_whose_ssl_ctx_was_swapped_keeps_nothing),
    };
    return cmocka_run_group_tests_name("openssl_attach", tests, peer_setup, peer_teardown);
}
