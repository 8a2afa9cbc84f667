// What changes while a connection is made and while it lasts: what is verified, who the client is,
// the session that the application itself offers. Client and server in one thread, so that each
// change comes at its moment. What an SSL is when it is begun: openssl_verification.c.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if OPENSSL_VERSION_NUMBER >= 0x40000000L
#include <openssl/ech.h>
#endif
#include <openssl/err.h>
#include <openssl/pem.h>

#include "books.h"
#include "child.h"
#include "pair.h"
#include "tsc_openssl.h"
#include "verification.h"

// The function of tsc_ssl_on_start.
static void start(void *arg, SSL *ssl) {
    (void)arg;
    begin(ssl);
}

// ---- What is verified ---------------------------------------------------------------------------

static void verify_nothing(SSL *ssl) {
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
}
static void verify_again(SSL *ssl) {
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
}

// An SSL that verifies nothing while it shakes hands, and is as it was begun before and after: from
// before its handshake on, or from within it.
static void what_is_set_for_the_handshake_alone_counts(void **state) {
    (void)state;
    for (int on_start = 0; on_start < 2; on_start++)
        for (int within = 0; within < 2; within++) {
            fixture it = set_up(TLS1_3_VERSION);
            // Which no client of this SSL_CTX trusts.
            SSL_CTX_set_cert_store(it.ctx, X509_STORE_new());
            if (on_start)
                assert_int_equal(tsc_ssl_on_start(it.ctx, within ? start : NULL, NULL), TSC_OK);
            pair new = pair_new(it);
            if (!on_start || !within)
                begin(new.client);
            if (within)
                SSL_do_handshake(new.client);
            verify_nothing(new.client);
            assert_true(shakes_hands(new));
            verify_again(new.client);
            read_all(new);
            assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
            pair_free(new);
            assert_int_equal(client_stats(it.cache).stored, 0);
            assert_int_equal(client_stats(it.cache).established, 1);
            new = pair_new(it);
            if (!on_start || !within)
                begin(new.client);
            assert_false(shakes_hands(new));
            pair_free(new);
            tear_down(it);
        }
}

// An SSL_CTX whose function was ended, or whose info callback was replaced, or another SSL_CTX:
// what is set after begin counts all the same.
static void another_context_counts(SSL *ssl) {
    static SSL_CTX *strict;
    if (!strict)
        strict = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(strict, SSL_VERIFY_PEER, NULL);
    SSL_set_SSL_CTX(ssl, strict);
}
static void ignore_info(const SSL *ssl, int where, int ret) {
    (void)ssl, (void)where, (void)ret;
}

static void what_is_set_after_begin_counts_without_the_function(void **state) {
    (void)state;
    void (*const changes[])(SSL *) = {case_another_name, another_context_counts};
    for (int i = 0; i < 2; i++)
        for (int how = 0; how < 3; how++)
            for (int v = 0; v < 2; v++) {
                fixture it = set_up(VERSIONS[v]);
                assert_false(resumes(it, NULL));
                const size_t left = count_left(it);
                assert_int_equal(tsc_ssl_on_start(it.ctx, start, NULL), TSC_OK);
                if (how == 0)
                    assert_int_equal(tsc_ssl_on_start(it.ctx, NULL, NULL), TSC_OK);
                else if (how == 1)
                    SSL_CTX_set_info_callback(it.ctx, ignore_info);
                pair new = pair_new(it);
                begin(new.client);
                assert_non_null(SSL_get_session(new.client));
                changes[i](new.client);
                assert_false(shakes_hands(new)); // the server is another's, or trusted by nobody
                pair_free(new);
                assert_int_equal(count_left(it), left);
                assert_int_equal(tsc_ssl_on_start(it.ctx, NULL, NULL), TSC_OK);
                assert_true(resumes(it, NULL));
                tear_down(it);
            }
}

#if OPENSSL_VERSION_NUMBER >= 0x40000000L && !defined(OPENSSL_NO_ECH)
// A client that hides its server name. If the server does not take part in that, the handshake
// ends; of one that resumes a session of TLS 1.2, OpenSSL would not notice.
static OSSL_ECHSTORE *hiding;
static void hide_name(SSL *ssl) {
    assert_int_equal(SSL_set1_echstore(ssl, hiding), 1);
}

static void a_name_that_has_to_be_hidden_is(void **state) {
    (void)state;
    const OSSL_HPKE_SUITE suite = OSSL_HPKE_SUITE_DEFAULT;
    hiding = OSSL_ECHSTORE_new(NULL, NULL);
    assert_int_equal(
        OSSL_ECHSTORE_new_config(hiding, OSSL_ECH_CURRENT_VERSION, 0, "localhost", suite), 1);
    for (int v = 0; v < 2; v++) {
        fixture it = set_up(VERSIONS[v]);
        assert_false(resumes(it, NULL));
        if (VERSIONS[v] == TLS1_3_VERSION) {
            assert_int_equal(SSL_CTX_set1_echstore(it.server_ctx, hiding), 1);
            assert_false(resumes(it, hide_name));
            assert_true(resumes(it, hide_name));
            assert_int_equal(SSL_CTX_set1_echstore(it.server_ctx, NULL), 1);
        }
        pair new = pair_new(it);
        hide_name(new.client);
        begin(new.client);
        assert_int_equal(SSL_get_session(new.client) != NULL, VERSIONS[v] == TLS1_3_VERSION);
        assert_false(shakes_hands(new));
        pair_free(new);
        assert_true(resumes(it, NULL));
        tear_down(it);
    }
    OSSL_ECHSTORE_free(hiding);
}
#endif

// ---- An SSL that is used again ------------------------------------------------------------------

// The same client, cleared, with a new server.
static void start_over(fixture it, pair *with) {
    assert_int_equal(SSL_clear(with->client), 1);
    SSL_free(with->server);
    with->server = SSL_new(it.server_ctx);
    connect_pair(*with);
}

static tsc_status begin_no_more(SSL *ssl) {
    (void)ssl;
    return TSC_OK;
}
static tsc_status begin_what_is_refused(SSL *ssl) {
    const tsc_status status = tsc_ssl_begin(ssl, "localhost", 65536);
    assert_int_not_equal(status, TSC_OK);
    return status;
}

// A connection broke off, or was never made. What its SSL was given to offer is not for the next.
static void a_cleared_ssl_offers_nothing_from_before(void **state) {
    (void)state;
    tsc_status (*const ways[])(SSL *) = {begin_no_more, begin_what_is_refused};
    for (int v = 0; v < 2; v++)
        for (int way = 0; way < 2; way++)
            for (int started = 0; started < 2; started++) {
                fixture it = set_up(VERSIONS[v]);
                assert_false(resumes(it, NULL));
                pair new = pair_new(it);
                begin(new.client);
                assert_non_null(SSL_get_session(new.client));
                if (started) {
                    assert_true(SSL_do_handshake(new.client) <= 0);
                    assert_int_equal(tsc_ssl_failed(new.client), TSC_OK);
                }
                start_over(it, &new);
                case_another_name(new.client);
                ways[way](new.client);
                assert_false(shakes_hands(new)); // the server is another's
                pair_free(new);
                tear_down(it);
            }
}

// Nor is what the next one receives for those whom the first was begun for.
static void a_cleared_ssl_leaves_nothing(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        fixture it = set_up(VERSIONS[v]);
        pair new = pair_new(it);
        begin(new.client);
        assert_true(shakes_hands(new));
        read_all(new);
        assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
        const uint64_t stored = client_stats(it.cache).stored;
        assert_true(stored > 0);
        start_over(it, &new);
        SSL_set_session(new.client, NULL);
        verify_nothing(new.client);
        assert_true(shakes_hands(new));
        verify_again(new.client);
        read_all(new);
        pair_free(new);
        assert_int_equal(client_stats(it.cache).stored, stored);
        tear_down(it);
    }
}

// ---- Servers ------------------------------------------------------------------------------------

// An SSL that was begun and then is the server: what it issues is no server's that it could visit.
static void a_server_keeps_nothing(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        fixture it = {NULL, server_of(VERSIONS[v]), NULL};
        SSL_CTX *client_ctx = client_context();
        SSL_CTX_set_verify(it.ctx, SSL_VERIFY_PEER, NULL);
        assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
        assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
        pair new = pair_of(client_ctx, it.ctx);
        case_client_certificate(new.client);
        SSL_set_options(new.server, SSL_OP_NO_TICKET); // of TLS 1.2, of which nobody hears
        begin(new.server);
        assert_true(shakes_hands(new));
        read_all(new);
        assert_int_equal(tsc_ssl_established(new.server), TSC_OK);
        pair_free(new);
        assert_int_equal(client_stats(it.cache).stored, 0);
        SSL_CTX_free(client_ctx);
        tear_down(it);
    }
}

#ifndef CASES_BORING // whose servers tell nobody of a ticket
// A server of several names, each of which has an SSL_CTX. OpenSSL calls the callbacks of the
// first.
static SSL_CTX *by_name;
static int choose_context(SSL *ssl, int *alert, void *arg) {
    (void)alert, (void)arg;
    assert_ptr_equal(SSL_set_SSL_CTX(ssl, by_name), by_name);
    return SSL_TLSEXT_ERR_OK;
}
static int issued;
static int count_and_pass_on(SSL *ssl, SSL_SESSION *session) {
    issued++;
    tsc_ssl_new_session(ssl, session);
    return 0;
}

static void a_server_that_changes_its_context_calls_what_was_set_after_attaching(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        fixture it = {NULL, server_of(VERSIONS[v]), NULL};
        SSL_CTX *client_ctx = client_context();
        by_name = server_of(VERSIONS[v]);
        assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
        assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
        SSL_CTX_set_session_cache_mode(it.ctx, SSL_SESS_CACHE_BOTH);
        SSL_CTX_set_options(it.ctx, SSL_OP_NO_TICKET); // of TLS 1.2, of which nobody hears
        SSL_CTX_sess_set_new_cb(it.ctx, count_and_pass_on);
        SSL_CTX_set_tlsext_servername_callback(it.ctx, choose_context);
        issued = 0;
        pair new = pair_of(client_ctx, it.ctx);
        assert_true(shakes_hands(new));
        assert_true(issued > 0);
        pair_free(new);
        SSL_CTX_free(client_ctx);
        SSL_CTX_free(by_name);
        tear_down(it);
    }
}
#endif

// ---- Who the client is --------------------------------------------------------------------------

#ifndef CASES_BORING // which have neither that, nor several certificates
static bool knows_the_client(const SSL *server) {
    X509 *peer = SSL_get_peer_certificate(server);
    X509_free(peer);
    return peer != NULL;
}

// A client gets its certificate when the server asks for it, after the handshake: the sessions that
// come then are that client, and none of those that have no certificate.
static void a_certificate_that_is_shown_later_is_nobody_elses(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        fixture it = set_up(VERSIONS[v]);
        pair new = pair_new(it);
        SSL_set_post_handshake_auth(new.client, 1);
        begin(new.client);
        assert_true(shakes_hands(new));
        read_all(new);
        assert_false(knows_the_client(new.server));
        case_client_certificate(new.client);
        SSL_set_verify(new.server, SSL_VERIFY_PEER, NULL);
        if (VERSIONS[v] == TLS1_3_VERSION)
            assert_int_equal(SSL_verify_client_post_handshake(new.server), 1);
        else
            assert_int_equal(SSL_renegotiate(new.server), 1);
        SSL_do_handshake(new.server);
        read_all(new);
        assert_true(knows_the_client(new.server));
        assert_int_equal(tsc_ssl_established(new.client), TSC_OK);
        pair_free(new);

        const size_t left = count_left(it);
        assert_true(left > 0); // from before
        for (size_t i = 0; i < left; i++) {
            new = pair_new(it);
            SSL_set_post_handshake_auth(new.client, 1);
            begin(new.client);
            assert_true(shakes_hands(new));
            assert_true(SSL_session_reused(new.client));
            assert_false(knows_the_client(new.server));
            pair_free(new);
        }
        tear_down(it);
    }
}

// A certificate that the client has, and beside it a key of another type that has none, which was
// set last.
static EVP_PKEY *further_key;
static void with_a_key_besides(SSL *ssl) {
    assert_int_equal(SSL_use_PrivateKey(ssl, further_key), 1);
}
static void one_client(SSL *ssl) {
    case_client_certificate(ssl);
    with_a_key_besides(ssl);
}
static void another_client(SSL *ssl) {
    SSL_use_certificate_file(ssl, peer_short_certificate(), SSL_FILETYPE_PEM);
    SSL_use_PrivateKey_file(ssl, peer_short_key(), SSL_FILETYPE_PEM);
    with_a_key_besides(ssl);
}

static void a_key_without_a_certificate_hides_no_certificate(void **state) {
    (void)state;
    EVP_PKEY_CTX *making = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    assert_int_equal(EVP_PKEY_keygen_init(making), 1);
    assert_int_equal(EVP_PKEY_keygen(making, &further_key), 1);
    EVP_PKEY_CTX_free(making);
    for (int v = 0; v < 2; v++) {
        fixture it = set_up(VERSIONS[v]);
        SSL_CTX_set_verify(it.server_ctx, SSL_VERIFY_PEER, NULL);
        assert_int_equal(
            SSL_CTX_load_verify_locations(it.server_ctx, peer_short_certificate(), NULL), 1);
        assert_false(resumes(it, one_client));
        assert_false(resumes(it, another_client));
        assert_true(resumes(it, one_client));
        assert_true(resumes(it, another_client));
        assert_false(resumes(it, NULL));
        tear_down(it);
    }
    EVP_PKEY_free(further_key);
}
#endif

#if OPENSSL_VERSION_NUMBER >= 0x30200000L
// A client that shows its key alone is another with another key.
static EVP_PKEY *raw_keys[2];
static void with_raw_key(SSL *ssl, EVP_PKEY *key) {
    const unsigned char types[] = {TLSEXT_cert_type_rpk};
    assert_int_equal(SSL_set1_client_cert_type(ssl, types, sizeof types), 1);
    assert_int_equal(SSL_use_PrivateKey(ssl, key), 1);
}
static void first_key(SSL *ssl) {
    with_raw_key(ssl, raw_keys[0]);
}
static void second_key(SSL *ssl) {
    with_raw_key(ssl, raw_keys[1]);
}
static int accept_any_key(int good, X509_STORE_CTX *ctx) {
    (void)good, (void)ctx;
    return 1;
}

static void a_raw_key_is_an_identity(void **state) {
    (void)state;
    const unsigned char types[] = {TLSEXT_cert_type_rpk};
    for (int i = 0; i < 2; i++)
        raw_keys[i] = EVP_EC_gen("P-256");
    for (int v = 0; v < 2; v++) {
        fixture it = set_up(VERSIONS[v]);
        SSL_CTX_set_verify(it.server_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           accept_any_key);
        assert_int_equal(SSL_CTX_set1_client_cert_type(it.server_ctx, types, sizeof types), 1);
        assert_false(resumes(it, first_key));
        assert_false(resumes(it, second_key));
        assert_true(resumes(it, first_key));
        assert_true(resumes(it, second_key));
        tear_down(it);
    }
    for (int i = 0; i < 2; i++)
        EVP_PKEY_free(raw_keys[i]);
}
#endif

// ---- Sessions of the application's own ----------------------------------------------------------

static SSL_SESSION *caught;
static int catch_session(SSL *ssl, SSL_SESSION *session) {
    (void)ssl;
    SSL_SESSION_free(caught);
    caught = session;
    return 1;
}

// A session by a client that trusts everybody.
static SSL_SESSION *lax_session(fixture it) {
    SSL_CTX *lax = SSL_CTX_new(TLS_client_method());
    caught = NULL;
    SSL_CTX_set_session_cache_mode(lax, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(lax, catch_session);
    pair new = pair_of(lax, it.server_ctx);
    assert_true(shakes_hands(new));
    read_all(new);
    assert_true(caught && SSL_SESSION_is_resumable(caught));
    SSL_set_shutdown(new.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_shutdown(new.server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    pair_free(new);
    SSL_CTX_free(lax);
    return caught;
}

// What the application resumes by itself is its own affair. What comes of it is for nobody else.
static void an_own_session_leaves_nothing(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++)
        for (int trusts = 0; trusts < 2; trusts++) {
            fixture it = set_up(VERSIONS[v]);
            if (!trusts)
                SSL_CTX_set_cert_store(it.ctx, X509_STORE_new());
            SSL_SESSION *session = lax_session(it);
            pair new = pair_new(it);
            assert_int_equal(SSL_set_session(new.client, session), 1);
            begin(new.client);
            assert_ptr_equal(SSL_get_session(new.client), session); // there is nothing to offer
            assert_true(finishes_resumed(new));
            assert_int_equal(client_stats(it.cache).stored, 0);
            assert_int_equal(client_stats(it.cache).resumed, 0);
            new = pair_new(it);
            begin(new.client);
            assert_int_equal(shakes_hands(new), trusts);
            assert_false(SSL_session_reused(new.client));
            pair_free(new);
            SSL_SESSION_free(session);
            tear_down(it);
        }
}

// Set after begin, or taken away: what was offered goes back, and nobody takes it for refused.
static void an_own_session_takes_the_place_of_the_offer(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++)
        for (int own = 0; own < 2; own++) {
            fixture it = set_up(VERSIONS[v]);
            SSL_SESSION *session = lax_session(it);
            assert_false(resumes(it, NULL));
            const size_t left = count_left(it);
            const uint64_t stored = client_stats(it.cache).stored;
            pair new = pair_new(it);
            begin(new.client);
            assert_int_equal(SSL_set_session(new.client, own ? session : NULL), 1);
            assert_int_equal(finishes_resumed(new), own);
            const tsc_stats stats = client_stats(it.cache);
            assert_int_equal(count_left(it), left);
            assert_int_equal(stats.stored, stored);
            assert_int_equal(stats.refused, 0);
            assert_int_equal(stats.resumed, 0);
            assert_int_equal(stats.established, 2);
            assert_true(resumes(it, NULL));
            SSL_SESSION_free(session);
            tear_down(it);
        }
}

static int shakes_hands_in_full(void *arg) {
    const pair *it = (const pair *)arg;
    CHILD_EXPECT(shakes_hands(*it));
    CHILD_EXPECT(!SSL_session_reused(it->client));
    CHILD_EXPECT(tsc_ssl_established(it->client) == TSC_CLOSED);
    return 0;
}

static void what_is_offered_before_a_fork_is_the_parents(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        fixture it = set_up(VERSIONS[v]);
        assert_false(resumes(it, NULL));
        pair new = pair_new(it);
        begin(new.client);
        assert_int_equal(in_child(shakes_hands_in_full, &new), 0);
        assert_true(finishes_resumed(new));
        tear_down(it);
    }
}

// ---- Names --------------------------------------------------------------------------------------

static void a_wrong_name(SSL *ssl) {
    verify_nothing(ssl);
    assert_int_equal(SSL_set1_host(ssl, "elsewhere.example"), 1);
}
#if OPENSSL_VERSION_NUMBER >= 0x40000000L
static void a_wrong_address(SSL *ssl) {
    verify_nothing(ssl);
    assert_int_equal(SSL_set1_ipaddr(ssl, "127.0.0.2"), 1);
}
#endif

// A resumed handshake has the result of the one that made the session, and programs look at it.
static void an_error_about_a_name_is_not_told_to_another(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        fixture it = set_up(VERSIONS[v]);
        assert_false(resumes(it, a_wrong_name));
#ifdef TSC_SSL_NAMES_
        assert_true(resumes(it, a_wrong_name));
#else
        assert_int_equal(count_left(it), 0);
#endif
#if OPENSSL_VERSION_NUMBER >= 0x40000000L
        const size_t left = count_left(it);
        assert_false(resumes(it, a_wrong_address));
        assert_int_equal(count_left(it), left);
#endif
        pair new = pair_new(it);
        verify_nothing(new.client);
        begin(new.client);
        assert_true(shakes_hands(new));
        assert_int_equal(SSL_get_verify_result(new.client), X509_V_OK);
        pair_free(new);
        tear_down(it);
    }
}

#ifndef CASES_BORING // where a name cannot be taken back
// The same characters as an address and as the name of a host.
static void an_address(SSL *ssl) {
    verify_nothing(ssl);
    SSL_set1_host(ssl, NULL);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), "127.0.0.1");
    SSL_set_tlsext_host_name(ssl, NULL);
}
static void a_name_like_it(SSL *ssl) {
    verify_nothing(ssl);
    X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), "127.0.0.1", 0);
    SSL_set_tlsext_host_name(ssl, NULL);
}

static void a_name_is_not_the_address_that_it_looks_like(void **state) {
    (void)state;
    void (*const ways[])(SSL *) = {an_address, a_name_like_it};
    for (int i = 0; i < 2; i++) {
        fixture it = set_up(TLS1_2_VERSION);
        for (int j = 0; j < 2; j++) {
            const bool other = j == 1;
            pair new = pair_new(it);
            ways[other ? !i : i](new.client);
            assert_int_equal(tsc_ssl_begin(new.client, "127.0.0.1", 1), TSC_OK);
#ifdef TSC_SSL_NAMES_
            assert_null(SSL_get_session(new.client));
#endif
            assert_false(finishes_resumed(new));
        }
        pair new = pair_new(it);
        ways[i](new.client);
        assert_int_equal(tsc_ssl_begin(new.client, "127.0.0.1", 1), TSC_OK);
#ifdef TSC_SSL_NAMES_
        assert_true(finishes_resumed(new));
#else
        pair_free(new);
#endif
        tear_down(it);
    }
}
#endif

#if OPENSSL_VERSION_NUMBER >= 0x40000000L
// Of several addresses, only the first can be read.
static void one_address(SSL *ssl) {
    SSL_set1_dnsname(ssl, NULL);
    assert_int_equal(SSL_set1_ipaddr(ssl, "127.0.0.2"), 1);
}
static void several_addresses(SSL *ssl) {
    one_address(ssl);
    assert_int_equal(SSL_add1_ipaddr(ssl, "127.0.0.1"), 1);
}

static void an_address_is_not_several(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        fixture it = set_up(VERSIONS[v]);
        assert_false(resumes(it, several_addresses));
        pair new = pair_new(it);
        one_address(new.client);
        begin(new.client);
        assert_false(shakes_hands(new)); // its certificate is for 127.0.0.1
        pair_free(new);
        assert_true(resumes(it, several_addresses));
        tear_down(it);
    }
}
#endif

#ifndef CASES_BORING // which look at that by themselves
static int know_the_name(SSL *ssl, int *alert, void *arg) {
    (void)ssl, (void)alert, (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

// OpenSSL fails a handshake with early data whose session is of a server name that differs, in case
// as well.
static void early_data_fails_nobody_who_writes_the_name_differently(void **state) {
    (void)state;
    const char *const names[] = {"localhost", "LocalHost", "localhost"};
    fixture it = {NULL, client_context(), server_of(TLS1_3_VERSION)};
    SSL_CTX_set_options(it.server_ctx, SSL_OP_NO_ANTI_REPLAY);
    SSL_CTX_set_tlsext_servername_callback(it.server_ctx, know_the_name);
    assert_int_equal(SSL_CTX_set_max_early_data(it.server_ctx, 1024), 1);
    assert_int_equal(SSL_CTX_set_recv_max_early_data(it.server_ctx, 1024), 1);
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, TSC_SSL_EARLY_DATA), TSC_OK);
    for (int i = 0; i < 3; i++) {
        pair new = pair_new(it);
        size_t sent;
        SSL_set_tlsext_host_name(new.client, names[i]);
        begin(new.client);
        SSL_SESSION *session = SSL_get_session(new.client);
        const bool early = session && SSL_SESSION_get_max_early_data(session) > 0;
        assert_int_equal(session != NULL, i > 0);
        assert_int_equal(early, i > 1);
        if (early)
            assert_int_equal(SSL_write_early_data(new.client, "early", 5, &sent), 1);
        assert_int_equal(finishes_resumed(new), i > 0);
    }
    tear_down(it);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_set_for_the_handshake_alone_counts),
        cmocka_unit_test(what_is_set_after_begin_counts_without_the_function),
#if OPENSSL_VERSION_NUMBER >= 0x40000000L && !defined(OPENSSL_NO_ECH)
        cmocka_unit_test(a_name_that_has_to_be_hidden_is),
#endif
        cmocka_unit_test(a_cleared_ssl_offers_nothing_from_before),
        cmocka_unit_test(a_cleared_ssl_leaves_nothing),
        cmocka_unit_test(a_server_keeps_nothing),
#ifndef CASES_BORING
        cmocka_unit_test(a_server_that_changes_its_context_calls_what_was_set_after_attaching),
#endif
#ifndef CASES_BORING
        cmocka_unit_test(a_certificate_that_is_shown_later_is_nobody_elses),
        cmocka_unit_test(a_key_without_a_certificate_hides_no_certificate),
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
        cmocka_unit_test(a_raw_key_is_an_identity),
#endif
        cmocka_unit_test(an_own_session_leaves_nothing),
        cmocka_unit_test(an_own_session_takes_the_place_of_the_offer),
        cmocka_unit_test(what_is_offered_before_a_fork_is_the_parents),
        cmocka_unit_test(an_error_about_a_name_is_not_told_to_another),
#ifndef CASES_BORING
        cmocka_unit_test(a_name_is_not_the_address_that_it_looks_like),
#endif
#if OPENSSL_VERSION_NUMBER >= 0x40000000L
        cmocka_unit_test(an_address_is_not_several),
#endif
#ifndef CASES_BORING
        cmocka_unit_test(early_data_fails_nobody_who_writes_the_name_differently),
#endif
    };
    return cmocka_run_group_tests_name("openssl_changes", tests, peer_setup, peer_teardown);
}
