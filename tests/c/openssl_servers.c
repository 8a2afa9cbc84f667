// tsc_openssl.h against servers that others wrote: openssl s_server and nginx. What the cache says
// is held against what the server says.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

typedef struct {
    tsc_cache *cache;
    SSL_CTX *ctx;
    peer *server;
} fixture;

static fixture set_up(peer *server, uint32_t flags) {
    fixture it = {NULL, client_context(), server};
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, flags), TSC_OK);
    return it;
}

static void tear_down(fixture it) {
    SSL_CTX_free(it.ctx);
    free_cache(it.cache);
    peer_free(it.server);
}

// The first connection is a full handshake, the next ones are resumed, in both ways of keeping.
static void resumes(peer *(*start)(const char *), const char *arguments, size_t first,
                    size_t then) {
    for (uint32_t flags = 0; flags <= TSC_SSL_SERIALISE; flags++) {
        fixture it = set_up(start(arguments), flags);
        assert_false(client_resumes(it.ctx, it.server));
        assert_int_equal(client_available(it.ctx, it.server), first);
        for (int i = 0; i < 4; i++)
            assert_true(client_resumes(it.ctx, it.server));
        assert_int_equal(client_available(it.ctx, it.server), then);
        tsc_stats stats = client_stats(it.cache);
        assert_int_equal(stats.resumed, 4);
        assert_int_equal(stats.refused, 0);
        assert_int_equal(stats.established, 5);
        tear_down(it);
    }
}

static void s_server_resumes_tls12_by_id(void **state) {
    (void)state;
    resumes(peer_s_server, "-tls1_2 -no_ticket", 1, 1);
}

static void s_server_resumes_tls12_by_ticket(void **state) {
    (void)state;
    resumes(peer_s_server, "-tls1_2", 1, 1);
}

// Two tickets at first, and one for each that is used.
static void s_server_resumes_tls13(void **state) {
    (void)state;
    resumes(peer_s_server, "-tls1_3", 2, 2);
}

static void s_server_resumes_tls13_with_eight_tickets(void **state) {
    (void)state;
    resumes(peer_s_server, "-tls1_3 -num_tickets 8", 8, 8);
}

// The server keeps the sessions, and takes each once.
static void s_server_resumes_tls13_from_sessions_that_it_keeps(void **state) {
    (void)state;
    resumes(peer_s_server, "-tls1_3 -no_ticket -num_tickets 4", 4, 4);
}

static void a_server_that_issues_no_tickets_is_offered_none(void **state) {
    (void)state;
    fixture it = set_up(peer_s_server("-tls1_3 -num_tickets 0"), 0);
    for (int i = 0; i < 3; i++)
        assert_false(client_resumes(it.ctx, it.server));
    tsc_stats stats = client_stats(it.cache);
    assert_int_equal(stats.stored, 0);
    assert_int_equal(stats.offered, 0);
    assert_int_equal(stats.missed, 3);
    tear_down(it);
}

static void nginx_resumes_tls12_by_ticket(void **state) {
    (void)state;
    resumes(peer_nginx, "ssl_protocols TLSv1.2; ssl_session_tickets on;", 1, 1);
}

static void nginx_resumes_tls12_by_id(void **state) {
    (void)state;
    resumes(peer_nginx,
            "ssl_protocols TLSv1.2; ssl_session_tickets off; ssl_session_cache shared:s:1m;", 1, 1);
}

static void nginx_resumes_tls13(void **state) {
    (void)state;
    resumes(peer_nginx, "ssl_protocols TLSv1.3; ssl_session_tickets on;", 2, 2);
}

// New ticket keys: the server cannot read what it gave out. That costs full handshakes, no errors,
// and one attempt is enough to drop what the old server gave.
static void restarts(peer *server) {
    fixture it = set_up(server, 0);
    assert_false(client_resumes(it.ctx, it.server));
    size_t brings = client_available(it.ctx, it.server);
    assert_true(client_resumes(it.ctx, it.server));
    peer_halt(it.server);
    peer_resume(it.server);
    assert_false(client_resumes(it.ctx, it.server));
    assert_int_equal(client_stats(it.cache).refused, 1);
    assert_int_equal(client_available(it.ctx, it.server), brings); // nothing of before
    for (int i = 0; i < 4; i++)
        assert_true(client_resumes(it.ctx, it.server));
    assert_int_equal(client_stats(it.cache).refused, 1);
    tear_down(it);
}

static void a_restart_costs_one_full_handshake_in_tls12_by_id(void **state) {
    (void)state;
    restarts(peer_s_server("-tls1_2 -no_ticket"));
}

static void a_restart_costs_one_full_handshake_in_tls12_by_ticket(void **state) {
    (void)state;
    restarts(peer_s_server("-tls1_2"));
}

static void a_restart_costs_one_full_handshake_in_tls13(void **state) {
    (void)state;
    restarts(peer_s_server("-tls1_3 -num_tickets 8"));
}

static void a_restart_of_nginx_costs_one_full_handshake(void **state) {
    (void)state;
    restarts(peer_nginx("ssl_protocols TLSv1.3;"));
}

static void give_certificate(SSL_CTX *ctx) {
    assert_int_equal(SSL_CTX_use_certificate_file(ctx, peer_client_certificate(), SSL_FILETYPE_PEM),
                     1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, peer_client_key(), SSL_FILETYPE_PEM), 1);
}

static void a_session_of_a_client_certificate_is_not_shared(void **state) {
    (void)state;
    static const char *const versions[] = {
        "-tls1_2 -Verify 1 -verify_return_error -context libtsc",
        "-tls1_3 -Verify 1 -verify_return_error -context libtsc"};
    for (int i = 0; i < 2; i++) {
        peer *server = peer_s_server(versions[i]);
        fixture it = {NULL, client_context(), server};
        give_certificate(it.ctx);
        assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
        assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
        assert_false(client_resumes(it.ctx, it.server));
        assert_true(client_resumes(it.ctx, it.server));

        // Another SSL_CTX on the same cache has no certificate: it must not ride on that session.
        SSL_CTX *other = client_context();
        assert_int_equal(tsc_ssl_attach(other, it.cache, NULL, 0), TSC_OK);
        visit refused = client_visit(other, it.server, 0);
        assert_false(refused.answered);
        assert_int_equal(refused.info.offered, 0);
        SSL_CTX_free(other);

        assert_true(client_resumes(it.ctx, it.server));
        tear_down(it);
    }
}

// In TLS 1.3 the client has finished its handshake by the time the server rejects it.
static void a_client_that_the_server_rejects_publishes_nothing(void **state) {
    (void)state;
    fixture it = set_up(peer_s_server("-tls1_3 -Verify 1 -verify_return_error"), 0);
    for (int i = 0; i < 2; i++) {
        visit result = client_visit(it.ctx, it.server, 0);
        assert_true(result.handshake);
        assert_false(result.answered);
        assert_int_equal(result.info.state, TSC_ATTEMPT_FAILED);
    }
    tsc_stats stats = client_stats(it.cache);
    assert_int_equal(stats.failed, 2);
    assert_int_equal(stats.stored, 0);
    assert_int_equal(stats.offered, 0);
    tear_down(it);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s_server_resumes_tls12_by_id),
        cmocka_unit_test(s_server_resumes_tls12_by_ticket),
        cmocka_unit_test(s_server_resumes_tls13),
        cmocka_unit_test(s_server_resumes_tls13_with_eight_tickets),
        cmocka_unit_test(s_server_resumes_tls13_from_sessions_that_it_keeps),
        cmocka_unit_test(a_server_that_issues_no_tickets_is_offered_none),
        cmocka_unit_test(nginx_resumes_tls12_by_ticket),
        cmocka_unit_test(nginx_resumes_tls12_by_id),
        cmocka_unit_test(nginx_resumes_tls13),
        cmocka_unit_test(a_restart_costs_one_full_handshake_in_tls12_by_id),
        cmocka_unit_test(a_restart_costs_one_full_handshake_in_tls12_by_ticket),
        cmocka_unit_test(a_restart_costs_one_full_handshake_in_tls13),
        cmocka_unit_test(a_restart_of_nginx_costs_one_full_handshake),
        cmocka_unit_test(a_session_of_a_client_certificate_is_not_shared),
        cmocka_unit_test(a_client_that_the_server_rejects_publishes_nothing),
    };
    return cmocka_run_group_tests_name("openssl_servers", tests, peer_setup, peer_teardown);
}
