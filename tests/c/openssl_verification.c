// A session is offered only to an SSL that verifies, and is, what the SSL was that made it. Each
// property by itself (verification.h), by each way to begin.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <openssl/err.h>
#include <openssl/pem.h>

#include "books.h"
#include "tsc_openssl.h"
#include "verification.h"

#ifdef TSC_SSL_NAMES_
#define NAMES_READ true
#else
#define NAMES_READ false
#endif

static const int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};

typedef struct {
    tsc_cache *cache;
    SSL_CTX *ctx;
    const peer *server;
} fixture;

static peer *server_of(int version) {
    return peer_own((peer_manner){.tls_version = version, .tickets = 2});
}

static fixture set_up(const peer *server, uint32_t flags) {
    fixture it = {NULL, client_context(), server};
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, flags), TSC_OK);
    return it;
}

static void tear_down(fixture it) {
    SSL_CTX_free(it.ctx);
    free_cache(it.cache);
}

// ---- Ways to begin ------------------------------------------------------------------------------

static tsc_status by_host(SSL *ssl, int port) {
    return tsc_ssl_begin(ssl, "localhost", (uint32_t)port);
}

// With nothing but what cannot be read from the SSL.
static tsc_status by_endpoint(SSL *ssl, int port) {
    tsc_endpoint endpoint = {
        .host = (const uint8_t *)"localhost", .host_len = 9, .port = (uint32_t)port};
    return tsc_ssl_begin_endpoint(ssl, &endpoint);
}

static tsc_status by_halves(SSL *ssl, int port) {
    const tsc_status status = tsc_ssl_prepare(ssl, "localhost", (uint32_t)port);
    return status == TSC_OK ? tsc_ssl_offer(ssl) : status;
}

// When the handshake starts.
static struct {
    int port;
    tsc_status status;
} starting;

static void start(void *arg, SSL *ssl) {
    (void)arg;
    starting.status = tsc_ssl_begin(ssl, "localhost", (uint32_t)starting.port);
}

static tsc_status by_on_start(SSL *ssl, int port) {
    starting.port = port;
    return tsc_ssl_on_start(SSL_get_SSL_CTX(ssl), start, NULL);
}

typedef tsc_status (*way)(SSL *ssl, int port);

typedef struct {
    tsc_status begun;
    bool connected, resumed, offered;
    uint32_t reason;
} result;

// A connection that is begun in this way, with its SSL changed before.
static result connects(fixture it, way begin, void (*change)(SSL *)) {
    result got = {0};
    const int port = peer_port(it.server);
    SSL *ssl = client_ssl(it.ctx, client_dial(port));
    static char answer[65536]; // s_server has much to say
    answer[0] = 0;
    if (change)
        change(ssl);
    got.begun = begin(ssl, port);
    got.connected = SSL_connect(ssl) == 1;
    if (begin == by_on_start)
        got.begun = starting.status;
    if (got.connected) {
        got.resumed = SSL_session_reused(ssl);
        assert_true(client_ask(ssl, "/", answer, sizeof answer) > 0);
        assert_int_equal(strstr(answer, "Reused") != NULL, got.resumed);
        assert_int_equal(tsc_ssl_established(ssl), got.begun == TSC_OK ? TSC_OK : TSC_WRONG_STATE);
    } else if (got.begun == TSC_OK && begin != by_on_start) {
        assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
    }
    ERR_clear_error();
    tsc_attempt_info info = {0};
    if (got.begun == TSC_OK)
        assert_int_equal(tsc_attempt_info_get(tsc_ssl_attempt(ssl), &info, sizeof info), TSC_OK);
    got.offered = info.offered;
    got.reason = info.reason;
    client_close(ssl);
    return got;
}

static bool resumes(fixture it, way begin, void (*change)(SSL *)) {
    const result got = connects(it, begin, change);
    assert_int_equal(got.begun, TSC_OK);
    assert_true(got.connected);
    return got.resumed;
}

static void run_case(const verification_case *of, const peer *server, way begin) {
    fixture it = set_up(server, 0);
    assert_false(resumes(it, begin, NULL));
    assert_true(resumes(it, begin, NULL));
    const uint64_t stored = client_stats(it.cache).stored;

    const result changed = connects(it, begin, of->change);
    const bool looked = of->names && !NAMES_READ;
    if (changed.begun != (of->outcome == CASE_REFUSED ? TSC_UNSUPPORTED : TSC_OK) ||
        (changed.resumed && !looked) || (of->outcome == CASE_FULL && !changed.connected) ||
        (of->outcome == CASE_REJECTED && changed.connected) || (changed.offered && NAMES_READ))
        fail_msg("%s: begun %u, %s, %s, %s", of->what, changed.begun,
                 changed.connected ? "connected" : "failed", changed.resumed ? "resumed" : "full",
                 changed.offered ? "offered" : "not offered");
    if (of->outcome == CASE_FULL && !looked && of->change != case_another_sni)
        assert_int_equal(changed.reason, TSC_REASON_OTHER_VERIFICATION);
    if (of->outcome == CASE_REJECTED || of->outcome == CASE_REFUSED)
        assert_int_equal(client_stats(it.cache).stored, stored);

    // The others have lost nothing, and its own kind shares.
    assert_true(resumes(it, begin, NULL));
    if (of->outcome == CASE_FULL && of->change != case_no_tickets)
        assert_true(resumes(it, begin, of->change));
    tear_down(it);
}

static void each_property_keeps_apart(way begin) {
    // Where every instruction is checked, one version will do for ways that differ in so little.
    const bool slow = getenv("TSC_TEST_SLOW") != NULL;
    for (int v = slow && begin != by_on_start; v < 2; v++) {
        peer *server = server_of(VERSIONS[v]);
        for (int i = 0; i < VERIFICATION_CASES; i++)
            run_case(&verification_cases[i], server, begin);
        peer_free(server);
    }
}

static void each_property_keeps_apart_by_host(void **state) {
    (void)state;
    each_property_keeps_apart(by_host);
}
static void each_property_keeps_apart_by_endpoint(void **state) {
    (void)state;
    each_property_keeps_apart(by_endpoint);
}
static void each_property_keeps_apart_by_halves(void **state) {
    (void)state;
    each_property_keeps_apart(by_halves);
}
static void each_property_keeps_apart_on_start(void **state) {
    (void)state;
    each_property_keeps_apart(by_on_start);
}

// What is set between begin and the handshake counts, too: the session is not offered. It may be
// set by the program, by the function of tsc_ssl_on_start, or by an info callback that was there.
static void (*late_change)(SSL *);
enum { BY_PROGRAM, BY_FUNCTION, BY_CALLBACK, LATE_WAYS };

static void start_then_change(void *arg, SSL *ssl) {
    start(arg, ssl);
    if (late_change)
        late_change(ssl);
}

static void change_on_start(const SSL *ssl, int where, int ret) {
    (void)ret;
    if (late_change && (where & SSL_CB_HANDSHAKE_START))
        late_change((SSL *)ssl);
}

static fixture set_up_late(const peer *server, int by) {
    fixture it = set_up(server, 0);
    starting.port = peer_port(server);
    if (by == BY_CALLBACK)
        SSL_CTX_set_info_callback(it.ctx, change_on_start);
    if (by != BY_PROGRAM)
        tsc_ssl_on_start(it.ctx, by == BY_FUNCTION ? start_then_change : start, NULL);
    return it;
}

static SSL *begin_then_change(fixture it, int by) {
    SSL *ssl = client_ssl(it.ctx, client_dial(peer_port(it.server)));
    if (by == BY_PROGRAM) {
        assert_int_equal(by_host(ssl, peer_port(it.server)), TSC_OK);
        if (late_change)
            late_change(ssl);
    }
    return ssl;
}

static bool resumes_late(fixture it, int by) {
    static char answer[65536];
    late_change = NULL;
    SSL *ssl = begin_then_change(it, by);
    assert_int_equal(SSL_connect(ssl), 1);
    const bool resumed = SSL_session_reused(ssl);
    assert_true(client_ask(ssl, "/", answer, sizeof answer) > 0);
    assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
    client_close(ssl);
    return resumed;
}

static void late_case(const verification_case *of, const peer *server, int by) {
    static char answer[65536];
    fixture it = set_up_late(server, by);
    assert_false(resumes_late(it, by));
    assert_true(resumes_late(it, by));
    const tsc_stats before = client_stats(it.cache);
    late_change = of->change;
    SSL *ssl = begin_then_change(it, by);
    const bool connected = SSL_connect(ssl) == 1;
    if ((connected && SSL_session_reused(ssl)) || (of->outcome == CASE_FULL && !connected) ||
        (of->outcome == CASE_REJECTED && connected))
        fail_msg("%s: %s, %s", of->what, connected ? "connected" : "failed",
                 connected && SSL_session_reused(ssl) ? "resumed" : "full");
    // The callback has changed it before it was begun.
    if (by != BY_CALLBACK) {
        tsc_attempt_info info = {0};
        assert_int_equal(tsc_attempt_info_get(tsc_ssl_attempt(ssl), &info, sizeof info), TSC_OK);
        assert_int_equal(info.reason, TSC_REASON_OTHER_VERIFICATION);
    }
    if (connected) {
        assert_true(client_ask(ssl, "/", answer, sizeof answer) > 0);
        assert_non_null(strstr(answer, "New"));
        tsc_ssl_established(ssl);
    } else {
        tsc_ssl_failed(ssl);
    }
    ERR_clear_error();
    client_close(ssl);
    if (by != BY_CALLBACK) {
        // It is nobody's, and counts as what it was.
        const tsc_stats after = client_stats(it.cache);
        assert_int_equal(after.stored, before.stored);
        assert_int_equal(after.established, before.established + connected);
        assert_int_equal(after.failed, before.failed + !connected);
        assert_int_equal(after.refused, before.refused);
    }
    // The ticket went back to those that it is for.
    assert_true(resumes_late(it, by));
    tear_down(it);
}

static void what_is_set_after_begin_counts(void **state) {
    (void)state;
    const bool slow = getenv("TSC_TEST_SLOW") != NULL; // then each case in one of the ways
    for (int v = slow; v < 2; v++) {
        peer *server = server_of(VERSIONS[v]);
        for (int i = 0; i < VERIFICATION_CASES * LATE_WAYS; i++) {
            const int which = i / LATE_WAYS, by = i % LATE_WAYS;
            const verification_case *of = &verification_cases[which];
            if (slow && by != which % LATE_WAYS)
                continue;
            if (NAMES_READ || !of->names) // else it may resume
                late_case(of, server, by);
        }
        peer_free(server);
    }
}

#ifndef CASES_BORING
// A duplicate offers nothing that the original was given to offer, begun or not.
static void a_duplicate_offers_nothing_of_the_originals(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer *server = server_of(VERSIONS[v]);
        for (int begun = 0; begun < 3; begun++) {
            fixture it = set_up(server, 0);
            assert_false(resumes(it, by_host, NULL));
            SSL *ssl = client_ssl(it.ctx, client_dial(peer_port(server)));
            assert_int_equal(by_host(ssl, peer_port(server)), TSC_OK);
            assert_non_null(SSL_get_session(ssl));
            SSL *copy = SSL_dup(ssl);
            assert_non_null(copy);
            SSL_set_fd(copy, client_dial(peer_port(server)));
            case_another_name(copy);
            if (begun == 1)
                assert_int_equal(by_host(copy, peer_port(server)), TSC_OK);
            else if (begun)
                assert_int_equal(client_begin(copy, "localhost", peer_port(server)), TSC_OK);
            assert_int_equal(SSL_connect(copy), -1);
            assert_int_equal(SSL_get_verify_result(copy), X509_V_ERR_HOSTNAME_MISMATCH);
            ERR_clear_error();
            client_close(copy);
            client_close(ssl);
            // And one that is offered something of its own is as any other.
            ssl = client_ssl(it.ctx, -1);
            assert_int_equal(by_host(ssl, peer_port(server)), TSC_OK);
            copy = SSL_dup(ssl);
            SSL_free(ssl);
            SSL_set_fd(copy, client_dial(peer_port(server)));
            SSL_set1_host(copy, "localhost"); // which not every version copies
            assert_int_equal(by_host(copy, peer_port(server)), TSC_OK);
            assert_int_equal(SSL_connect(copy), 1);
            assert_true(SSL_session_reused(copy));
            client_close(copy);
            tear_down(it);
        }
        peer_free(server);
    }
}
#endif

#ifndef CASES_BORING
static X509_STORE *store_of(bool full) {
    X509_STORE *store = X509_STORE_new();
    if (full)
        assert_int_equal(X509_STORE_load_locations(store, peer_server_certificate(), NULL), 1);
    return store;
}
static void full_store(SSL *ssl) {
    SSL_set0_verify_cert_store(ssl, store_of(true));
}

// A store that is freed leaves its address to the next one.
static void a_trust_store_is_not_known_by_its_address(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer *server = server_of(VERSIONS[v]);
        fixture it = set_up(server, 0);
        for (int i = 0; i < 8; i++) {
            assert_false(resumes(it, by_host, full_store));
            assert_false(connects(it, by_host, case_trust).connected);
        }
        tear_down(it);
        for (int i = 0; i < 8; i++) {
            it = set_up(server, 0);
            SSL_CTX_set_cert_store(it.ctx, store_of(true));
            assert_false(resumes(it, by_host, NULL));
            assert_true(resumes(it, by_host, NULL));
            SSL_CTX_set_cert_store(it.ctx, store_of(false));
            SSL_CTX_set_cert_store(it.ctx, store_of(false));
            assert_false(connects(it, by_host, NULL).connected);
            tear_down(it);
        }
        peer_free(server);
    }
}
#endif

// Two that both differ from most, and from each other only in a value.
#ifndef CASES_BORING
static void check_now(SSL *ssl) {
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), time(NULL));
}
#endif
static void another_cipher(SSL *ssl) {
    assert_int_equal(SSL_set_cipher_list(ssl, "ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
}

static int accept_too(int good, X509_STORE_CTX *ctx) {
    return case_accept(good, ctx);
}
static void another_verify_callback(SSL *ssl) {
    SSL_set_verify(ssl, SSL_VERIFY_PEER, accept_too);
}

static void values_keep_apart(void **state) {
    (void)state;
    peer *server = server_of(TLS1_2_VERSION);
    fixture it = set_up(server, TSC_SSL_WITHOUT_STATUS);
#ifndef CASES_BORING
    assert_false(resumes(it, by_host, check_now));
    const result then = connects(it, by_host, case_time);
    assert_true(!then.connected && !then.offered);
#endif
    assert_false(resumes(it, by_host, case_ciphers));
    assert_false(resumes(it, by_host, another_cipher));
    assert_true(resumes(it, by_host, another_cipher));
    assert_false(resumes(it, by_host, case_verify_callback));
    assert_false(resumes(it, by_host, another_verify_callback));
    assert_true(resumes(it, by_host, another_verify_callback));
#if !defined(OPENSSL_NO_CT) && !defined(CASES_BORING)
    assert_false(resumes(it, by_host, case_status));
    assert_false(resumes(it, by_host, case_transparency));
    assert_true(resumes(it, by_host, case_transparency));
#endif
    tear_down(it);
    peer_free(server);
}

#ifdef __linux__
// Nothing shows when such a callback goes and another one gets its address.
static void a_callback_that_was_made_at_run_time_is_refused(void **state) {
    (void)state;
    int (*made)(int, X509_STORE_CTX *);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    memcpy(&made, &page, sizeof made);
    fixture it = {NULL, client_context(), NULL};
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
    SSL *ssl = client_ssl(it.ctx, -1);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, made); // and never called
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_UNSUPPORTED);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, case_accept);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_OK);
    // Nor is one that the SSL_CTX has, when it is attached.
    SSL_free(ssl);
    SSL_CTX *ctx = client_context();
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, made);
    assert_int_equal(tsc_ssl_attach(ctx, it.cache, NULL, 0), TSC_OK);
    ssl = client_ssl(ctx, -1);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_UNSUPPORTED);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    tear_down(it);
    munmap(page, 4096);
}
#endif

// ---- What the caller adds -----------------------------------------------------------------------

static const char *said;
static tsc_status with_verification(SSL *ssl, int port) {
    tsc_endpoint endpoint = {.host = (const uint8_t *)"localhost",
                             .host_len = 9,
                             .port = (uint32_t)port,
                             .verification = (const uint8_t *)said,
                             .verification_len = strlen(said)};
    return tsc_ssl_begin_endpoint(ssl, &endpoint);
}

// As for what a verify callback refers to, which nobody can see from outside.
static void what_the_caller_says_counts_besides(void **state) {
    (void)state;
    peer *server = server_of(TLS1_2_VERSION);
    fixture it = set_up(server, 0);
    said = "name a";
    assert_false(resumes(it, with_verification, NULL));
    assert_true(resumes(it, with_verification, NULL));
    assert_false(resumes(it, with_verification, case_depth));
    said = "name b";
    assert_false(resumes(it, with_verification, NULL));
    said = "name a";
    assert_true(resumes(it, with_verification, NULL));
    char too_long[TSC_MAX_NAME + 2];
    memset(too_long, 'a', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = 0;
    said = too_long;
    assert_int_equal(connects(it, with_verification, NULL).begun, TSC_TOO_LARGE);
    // It speaks for what cannot be read.
    said = "policy 1.2.3.4";
    assert_int_equal(connects(it, with_verification, case_policies).begun, TSC_OK);
    tear_down(it);
    peer_free(server);
}

#ifndef CASES_BORING
// An application whose callback takes a missing status for good on a resumed connection.
static void a_status_may_be_done_without(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer *server = server_of(VERSIONS[v]);
        fixture it = set_up(server, TSC_SSL_WITHOUT_STATUS);
        assert_false(resumes(it, by_host, case_status));
        assert_true(resumes(it, by_host, case_status));
        assert_false(resumes(it, by_host, NULL));
        tear_down(it);
        peer_free(server);
    }
}
#endif

// From OpenSSL 3.6 on, the server would have to staple a status that can be parsed.
#if !defined(CASES_BORING) && OPENSSL_VERSION_NUMBER < 0x30600000L
// As curl does for VERIFYSTATUS.
static int insist_on_status(SSL *ssl, void *unused) {
    (void)unused;
    const unsigned char *status = NULL;
    return SSL_get_tlsext_status_ocsp_resp(ssl, &status) > 0;
}

// How many of these connections are good.
static int good_with_status(const peer *server, bool cached, uint32_t flags, int count) {
    fixture it = {NULL, client_context(), server};
    int good = 0;
    SSL_CTX_set_tlsext_status_cb(it.ctx, insist_on_status);
    if (cached) {
        assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
        assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, flags), TSC_OK);
    }
    for (int i = 0; i < count; i++) {
        const result got = connects(it, by_host, case_status);
        assert_int_equal(got.begun, cached ? flags ? TSC_OK : TSC_UNSUPPORTED : TSC_WRONG_STATE);
        good += got.connected;
    }
    tear_down(it);
    return good;
}

static void who_insists_on_a_status_always_gets_one(void **state) {
    (void)state;
    enum { COUNT = 12 };
    for (int v = 0; v < 2; v++) {
        peer *server =
            peer_own((peer_manner){.tls_version = VERSIONS[v], .tickets = 2, .staples = true});
        assert_int_equal(good_with_status(server, false, 0, COUNT), COUNT);
        assert_int_equal(good_with_status(server, true, 0, COUNT), COUNT);
        // For which the flag is not: a resumed handshake of TLS 1.3 brings none.
        if (VERSIONS[v] == TLS1_3_VERSION)
            assert_in_range(good_with_status(server, true, TSC_SSL_WITHOUT_STATUS, COUNT), 1,
                            COUNT - 1);
        peer_free(server);
    }
    // The server does send what the client insists on, and else there is no connection.
    peer *server = server_of(TLS1_3_VERSION);
    assert_int_equal(good_with_status(server, false, 0, 1), 0);
    peer_free(server);
}
#endif

// What a completed endpoint finds is what an SSL would.
static void an_endpoint_can_be_completed(void **state) {
    (void)state;
    peer *server = server_of(TLS1_2_VERSION);
    fixture it = set_up(server, 0);
    assert_false(resumes(it, by_host, case_depth));
    uint8_t room[TSC_SSL_VERIFICATION];
    for (int deep = 0; deep < 2; deep++) {
        tsc_endpoint endpoint = {.host = (const uint8_t *)"localhost",
                                 .host_len = 9,
                                 .port = (uint32_t)peer_port(server)};
        SSL *ssl = client_ssl(it.ctx, -1);
        size_t count = 99;
        if (deep)
            case_depth(ssl);
        assert_int_equal(tsc_ssl_endpoint(ssl, &endpoint, room), TSC_OK);
        assert_int_equal(
            tsc_config_available(tsc_ssl_config(it.ctx), &endpoint, sizeof endpoint, &count),
            TSC_OK);
        assert_int_equal(count, deep);
        assert_int_equal(tsc_ssl_endpoint(NULL, &endpoint, room), TSC_INVALID_ARGUMENT);
        assert_int_equal(tsc_ssl_endpoint(ssl, NULL, room), TSC_INVALID_ARGUMENT);
        assert_int_equal(tsc_ssl_endpoint(ssl, &endpoint, NULL), TSC_INVALID_ARGUMENT);
#ifndef CASES_BORING
        case_status(ssl);
        const tsc_endpoint before = endpoint;
        assert_int_equal(tsc_ssl_endpoint(ssl, &endpoint, room), TSC_UNSUPPORTED);
        assert_memory_equal(&endpoint, &before, sizeof before);
#endif
        SSL_free(ssl);
    }
    tear_down(it);
    peer_free(server);
}

// Where the SSL_CTX verifies nothing, an SSL is taken to verify no name.
static void a_config_speaks_for_what_is_usual(void **state) {
    (void)state;
    peer *server = server_of(TLS1_2_VERSION);
    for (int verifies = 0; verifies < 2; verifies++) {
        fixture it = {NULL, client_context(), server};
        if (!verifies)
            SSL_CTX_set_verify(it.ctx, SSL_VERIFY_NONE, NULL);
        assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
        assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
#ifdef CASES_BORING
        void (*usual)(SSL *) = NULL;
#else
        void (*usual)(SSL *) = verifies ? NULL : case_no_name;
#endif
        assert_false(resumes(it, by_host, usual));
        assert_int_equal(client_available(it.ctx, server), 1);
        tear_down(it);
    }
    peer_free(server);
}

// ---- What changes on the SSL_CTX ----------------------------------------------------------------

static void use_client_certificate(SSL_CTX *ctx, const char *certificate, const char *key) {
    assert_int_equal(SSL_CTX_use_certificate_file(ctx, certificate, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM), 1);
}

static void a_rotated_client_certificate_starts_over(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer *server = server_of(VERSIONS[v]);
        fixture it = set_up(server, 0);
        SSL_CTX *ctx = client_context();
        use_client_certificate(ctx, peer_client_certificate(), peer_client_key());
        assert_int_equal(tsc_ssl_attach(ctx, it.cache, NULL, 0), TSC_OK);
        SSL_CTX_free(it.ctx);
        it.ctx = ctx;
        assert_false(resumes(it, by_host, NULL));
        assert_true(resumes(it, by_host, NULL));
        use_client_certificate(ctx, peer_short_certificate(), peer_short_key());
        assert_false(resumes(it, by_host, NULL));
        assert_true(resumes(it, by_host, NULL));
        use_client_certificate(ctx, peer_client_certificate(), peer_client_key());
        assert_true(resumes(it, by_host, NULL)); // of the old identity, as it is again
        tear_down(it);
        peer_free(server);
    }
}

// The end of the new certificate is what bounds its sessions, not that of the old one.
static void a_rotated_client_certificate_moves_the_end(void **state) {
    (void)state;
    const uint64_t day = 86400000;
    uint64_t now = 1;
    peer *server =
        peer_own((peer_manner){.tls_version = TLS1_2_VERSION, .lifetime_seconds = 6 * 86400});
    const tsc_options options = {.ttl_seconds = 30 * 86400,
                                 .max_lineage_age_seconds = 30 * 86400,
                                 .clock = client_clock,
                                 .clock_arg = &now};
    fixture it = {NULL, client_context(), server};
    use_client_certificate(it.ctx, peer_client_certificate(), peer_client_key()); // for a day
    assert_int_equal(tsc_cache_new(&options, sizeof options, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
    assert_false(resumes(it, by_host, NULL));
    use_client_certificate(it.ctx, peer_server_certificate(), peer_server_key()); // for thirty
    assert_false(resumes(it, by_host, NULL));
    now += 2 * day;
    assert_true(resumes(it, by_host, NULL));
    use_client_certificate(it.ctx, peer_client_certificate(), peer_client_key());
    assert_false(resumes(it, by_host, NULL)); // that one is over
    tear_down(it);
    peer_free(server);
}

static void a_replaced_store_starts_over(void **state) {
    (void)state;
    peer *server = server_of(TLS1_2_VERSION);
    fixture it = set_up(server, 0);
    assert_false(resumes(it, by_host, NULL));
    SSL_CTX_set_cert_store(it.ctx, X509_STORE_new());
    assert_false(connects(it, by_host, NULL).connected);
    assert_int_equal(SSL_CTX_load_verify_locations(it.ctx, peer_server_certificate(), NULL), 1);
    assert_false(resumes(it, by_host, NULL));
#ifdef CASES_BORING // where nothing tells one store from the next
    assert_false(resumes(it, by_host, NULL));
#else
    assert_true(resumes(it, by_host, NULL));
#endif
    tear_down(it);
    peer_free(server);
}

// A store has rules of its own, which count where the SSL has none: set later, or in another
// SSL_CTX of the same identity.
static SSL_CTX *of_one_identity(fixture it, SSL_CTX *ctx);
static void run_store_case(const store_case *of, const peer *server, way begin) {
    fixture it = {NULL, client_context(), server}, other = {NULL, client_context(), server};
    const bool looked = of->names && !NAMES_READ;
    assert_int_equal(tsc_cache_new(NULL, 0, &it.cache), TSC_OK);
    of_one_identity(it, it.ctx);
    of->change(SSL_CTX_get_cert_store(other.ctx));
    of_one_identity(it, other.ctx);
    assert_false(resumes(it, begin, NULL));
    result changed = connects(other, begin, NULL);
    if (changed.begun != (of->outcome == CASE_REFUSED ? TSC_UNSUPPORTED : TSC_OK) ||
        (changed.resumed && !looked) || (of->outcome == CASE_FULL && !changed.connected) ||
        (of->outcome == CASE_REJECTED && changed.connected) || (changed.offered && NAMES_READ))
        fail_msg("%s of the store: begun %u, %s, %s, %s", of->what, changed.begun,
                 changed.connected ? "connected" : "failed", changed.resumed ? "resumed" : "full",
                 changed.offered ? "offered" : "not offered");
    assert_true(resumes(it, begin, NULL));
    SSL_CTX_free(other.ctx);
    tear_down(it);

    it = set_up(server, 0);
    assert_false(resumes(it, begin, NULL));
    assert_true(resumes(it, begin, NULL));
    of->change(SSL_CTX_get_cert_store(it.ctx));
    changed = connects(it, begin, NULL);
    if ((changed.resumed && !looked) || (changed.offered && NAMES_READ))
        fail_msg("%s of the store, set later: %s, %s", of->what,
                 changed.resumed ? "resumed" : "full", changed.offered ? "offered" : "not offered");
    if (of->outcome == CASE_FULL && !resumes(it, begin, NULL))
        fail_msg("%s of the store, set later: does not resume afterwards", of->what);
    tear_down(it);
}

static void the_rules_of_a_store_count(void **state) {
    (void)state;
    const bool slow = getenv("TSC_TEST_SLOW") != NULL;
    const way ways[] = {by_host, by_on_start, by_endpoint, by_halves};
    for (int v = slow; v < 2; v++) {
        peer *server = server_of(VERSIONS[v]);
        for (int i = 0; i < STORE_CASES; i++)
            for (int j = 0; j < (v ? 2 : 4); j++)
                run_store_case(&store_cases[i], server, ways[j]);
        peer_free(server);
    }
}

#ifndef CASES_BORING
static void no_name(SSL *ssl) {
    assert_int_equal(SSL_set1_host(ssl, NULL), 1);
}

// A name that only the store has, of an SSL that has none: that is what OpenSSL verifies.
static void a_name_of_the_store_is_verified(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer *server = server_of(VERSIONS[v]);
        fixture it = set_up(server, 0);
        assert_false(resumes(it, by_host, no_name));
        assert_true(resumes(it, by_host, no_name));
        X509_VERIFY_PARAM *param = X509_STORE_get0_param(SSL_CTX_get_cert_store(it.ctx));
        assert_int_equal(X509_VERIFY_PARAM_set1_host(param, "elsewhere.example", 0), 1);
        const result changed = connects(it, by_host, no_name);
        assert_true(!changed.connected && (!changed.offered || !NAMES_READ));
        assert_int_equal(X509_VERIFY_PARAM_set1_host(param, "localhost", 0), 1);
        if (NAMES_READ)
            assert_false(resumes(it, by_host, no_name));
        assert_true(resumes(it, by_host, no_name));
        tear_down(it);
        peer_free(server);
    }
}
#endif

// ---- Contexts of one identity -------------------------------------------------------------------

static SSL_CTX *of_one_identity(fixture it, SSL_CTX *ctx) {
    const tsc_config_options options = {.identity = (const uint8_t *)"one", .identity_len = 3};
    assert_int_equal(tsc_ssl_attach(ctx, it.cache, &options, 0), TSC_OK);
    return ctx;
}

// One that verifies nothing has a session, and one that trusts nobody must not resume it.
static void contexts_share_only_if_they_verify_the_same(int version) {
    peer *server = server_of(version);
    fixture it = set_up(server, 0);
    SSL_CTX *lax = of_one_identity(it, SSL_CTX_new(TLS_client_method()));
    SSL_CTX *as_lax = of_one_identity(it, SSL_CTX_new(TLS_client_method()));
    SSL_CTX *strict = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(strict, SSL_VERIFY_PEER, NULL);
    of_one_identity(it, strict);
    SSL_CTX *deep = client_context();
    SSL_CTX_set_verify_depth(deep, 7);
    of_one_identity(it, deep);
#ifndef CASES_BORING
    SSL_CTX *strange = client_context();
    SSL_CTX_set_security_callback(strange, case_security);
    of_one_identity(it, strange);
#endif
    SSL_CTX *first = of_one_identity(it, client_context());
    SSL_CTX *second = of_one_identity(it, client_context());

    fixture of = it;
    of.ctx = lax;
    assert_false(resumes(of, by_host, NULL));
    of.ctx = strict;
    assert_false(connects(of, by_host, NULL).connected);
    of.ctx = as_lax;
    assert_true(resumes(of, by_host, NULL));
    of.ctx = first;
    assert_false(resumes(of, by_host, NULL));
    of.ctx = deep;
    assert_false(resumes(of, by_host, NULL));
#ifndef CASES_BORING
    of.ctx = strange;
    assert_false(resumes(of, by_host, NULL));
    assert_true(resumes(of, by_host, NULL));
    SSL_CTX_free(strange);
#endif
    of.ctx = second;
    assert_true(resumes(of, by_host, NULL));
    // Both ask the same of the server.
    SSL_CTX *all[] = {lax, as_lax, strict, deep, first, second};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        SSL_CTX_free(all[i]);
    tear_down(it);
    peer_free(server);
}

static void contexts_of_one_identity_share_only_if_they_verify_the_same(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++)
        contexts_share_only_if_they_verify_the_same(VERSIONS[v]);
}

// Each has a session of its own that verifies by a callback, and neither is offered the other's.
static void contexts_with_a_callback_share_nothing_without_an_identity(void **state) {
    (void)state;
    peer *server = server_of(TLS1_2_VERSION);
    fixture it = set_up(server, 0), other = it;
    other.ctx = client_context();
    assert_int_equal(tsc_ssl_attach(other.ctx, it.cache, NULL, 0), TSC_OK);
    assert_false(resumes(it, by_host, case_verify_callback));
    assert_false(resumes(other, by_host, case_verify_callback));
    assert_true(resumes(it, by_host, case_verify_callback));
    assert_true(resumes(other, by_host, case_verify_callback));
    SSL_CTX_free(other.ctx);
    tear_down(it);
    peer_free(server);
}

// ---- Certificates -------------------------------------------------------------------------------

static int choose_certificate(SSL *ssl, X509 **certificate, EVP_PKEY **key) {
    (void)ssl;
    BIO *file = BIO_new_file(peer_client_certificate(), "r");
    *certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    BIO_free(file);
    file = BIO_new_file(peer_client_key(), "r");
    *key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    BIO_free(file);
    return 1;
}

// A certificate that a callback chooses comes after the attempt was begun.
static void a_certificate_that_a_callback_chooses_is_no_change(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer *server = peer_s_server(v ? "-tls1_3 -Verify 1" : "-tls1_2 -Verify 1");
        fixture it = set_up(server, 0);
        SSL_CTX_set_client_cert_cb(it.ctx, choose_certificate);
        assert_false(resumes(it, by_host, NULL));
        assert_true(resumes(it, by_host, NULL));
        tear_down(it);
        peer_free(server);
    }
}

#ifndef CASES_BORING // which has one
// And one of RSA, which is the current one by then.
static void two_certificates(SSL *ssl) {
    static EVP_PKEY *key;
    BIO *file = BIO_new_file(peer_client_certificate(), "r");
    X509 *certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    if (!key)
        key = peer_rsa_key(2048);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    case_client_certificate(ssl);
    assert_int_equal(SSL_use_certificate(ssl, certificate), 1);
    assert_int_equal(SSL_use_PrivateKey(ssl, key), 1);
    X509_free(certificate);
    BIO_free(file);
}

// Of a client's certificates, one for each type of key, the server's wishes decide which is used.
static void a_certificate_that_the_handshake_chooses_is_no_change(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer *server =
            peer_s_server(v ? "-tls1_3 -Verify 1 -client_sigalgs ECDSA+SHA256"
                            : "-tls1_2 -Verify 1 -client_sigalgs ECDSA+SHA256:RSA+SHA256");
        fixture it = set_up(server, 0);
        assert_false(resumes(it, by_host, two_certificates));
        assert_true(resumes(it, by_host, two_certificates));
        assert_false(resumes(it, by_host, case_client_certificate));
        tear_down(it);
        peer_free(server);
    }
}

// ---- Sessions that few could use ----------------------------------------------------------------

static unsigned shared_key(SSL *ssl, const char *hint, char *identity, unsigned identity_size,
                           unsigned char *key, unsigned key_size) {
    (void)ssl, (void)hint;
    if (identity_size < 2 || key_size < 4)
        return 0;
    memcpy(identity, "x", 2);
    memcpy(key, "\1\2\3\4", 4);
    return 4;
}
static void with_shared_key(SSL *ssl) {
    SSL_set_psk_client_callback(ssl, shared_key);
}
static void without_certificates(SSL *ssl) {
    assert_int_equal(SSL_set_cipher_list(ssl, "aNULL:@SECLEVEL=0"), 1);
}

// Others would take the server for one that has shown its certificate.
static void a_server_without_a_certificate_leaves_nothing(void **state) {
    (void)state;
    static const struct {
        const char *arguments;
        void (*change)(SSL *);
    } servers[] = {{"-tls1_2 -nocert -psk 01020304 -psk_identity x -cipher PSK", with_shared_key},
                   {"-tls1_2 -nocert -cipher aNULL:@SECLEVEL=0", without_certificates}};
    for (int i = 0; i < 2; i++) {
        peer *server = peer_s_server(servers[i].arguments);
        fixture it = set_up(server, 0);
        for (int j = 0; j < 2; j++)
            assert_false(resumes(it, by_host, servers[i].change));
        const result without = connects(it, by_host, NULL);
        assert_true(!without.connected && !without.offered);
        tear_down(it);
        peer_free(server);
    }
}

static void short_fragments(SSL *ssl) {
    assert_int_equal(SSL_set_tlsext_max_fragment_length(ssl, TLSEXT_max_fragment_length_1024), 1);
}

static int first_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *length,
                          const unsigned char *asked, unsigned asked_length, void *arg) {
    (void)ssl, (void)asked_length, (void)arg;
    *chosen = asked + 1;
    *length = asked[0];
    return SSL_TLSEXT_ERR_OK;
}

// Of a server that takes early data, in memory.
static SSL_CTX *early_server(void) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_file(ctx, peer_server_certificate(), SSL_FILETYPE_PEM),
                     1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, peer_server_key(), SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_alpn_select_cb(ctx, first_protocol, NULL);
    SSL_CTX_set_options(ctx, SSL_OP_NO_ANTI_REPLAY); // which forgets who is not shut down
    assert_int_equal(SSL_CTX_set_max_early_data(ctx, 1024), 1);
    assert_int_equal(SSL_CTX_set_recv_max_early_data(ctx, 1024), 1);
    return ctx;
}

// One connection that asks for a protocol, and sends early data if its session allows that.
static struct early {
    bool connected, resumed, allowed;
} connects_early(SSL_CTX *ctx, SSL_CTX *server_ctx, const char *protocol) {
    struct early it = {false, false, false};
    SSL *ssl = SSL_new(ctx), *server = SSL_new(server_ctx);
    BIO *here, *there;
    uint8_t byte;
    size_t sent;
    SSL_set_tlsext_host_name(ssl, "localhost");
    SSL_set1_host(ssl, "localhost");
    SSL_set_alpn_protos(ssl, (const unsigned char *)protocol, (unsigned)strlen(protocol));
    assert_int_equal(BIO_new_bio_pair(&here, 1 << 16, &there, 1 << 16), 1);
    SSL_set_bio(ssl, here, here);
    SSL_set_bio(server, there, there);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", 1), TSC_OK);
    SSL_SESSION *session = SSL_get_session(ssl);
    it.allowed = session && SSL_SESSION_get_max_early_data(session) > 0;
    if (!it.allowed || SSL_write_early_data(ssl, "early", 5, &sent) == 1)
        for (int i = 0; i < 5 && !it.connected; i++) {
            it.connected = SSL_connect(ssl) == 1;
            it.connected = SSL_accept(server) == 1 && it.connected;
        }
    it.resumed = it.connected && SSL_session_reused(ssl);
    if (it.connected) {
        assert_int_equal(SSL_read(ssl, &byte, 1), -1); // the tickets
        assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
    }
    ERR_clear_error();
    SSL_free(ssl);
    SSL_free(server);
    return it;
}

static void early_data_fails_nobody_who_asks_for_another_protocol(void **state) {
    (void)state;
    SSL_CTX *server = early_server();
    for (int same = 0; same < 2; same++) {
        fixture it = set_up(NULL, same ? TSC_SSL_EARLY_DATA : 0);
        assert_true(connects_early(it.ctx, server, "\1a").connected);
        const struct early second = connects_early(it.ctx, server, same ? "\1a" : "\1b");
        assert_true(second.connected && second.resumed);
        assert_int_equal(second.allowed, same);
        tear_down(it);
    }
    SSL_CTX_free(server);
}

// A server that resumes answers with the length of the session, for which this client has not
// asked.
static void a_maximum_fragment_length_fails_nobody(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer *server = server_of(VERSIONS[v]);
        fixture it = set_up(server, 0);
        assert_false(resumes(it, by_host, short_fragments));
        assert_false(resumes(it, by_host, short_fragments));
        assert_false(resumes(it, by_host, NULL));
        assert_true(resumes(it, by_host, NULL));
        tear_down(it);
        peer_free(server);
    }
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_property_keeps_apart_by_host),
        cmocka_unit_test(each_property_keeps_apart_by_endpoint),
        cmocka_unit_test(each_property_keeps_apart_by_halves),
        cmocka_unit_test(each_property_keeps_apart_on_start),
        cmocka_unit_test(what_is_set_after_begin_counts),
#ifndef CASES_BORING
        cmocka_unit_test(a_duplicate_offers_nothing_of_the_originals),
        cmocka_unit_test(a_certificate_that_the_handshake_chooses_is_no_change),
        cmocka_unit_test(a_server_without_a_certificate_leaves_nothing),
        cmocka_unit_test(a_maximum_fragment_length_fails_nobody),
        cmocka_unit_test(early_data_fails_nobody_who_asks_for_another_protocol),
        cmocka_unit_test(a_trust_store_is_not_known_by_its_address),
#endif
        cmocka_unit_test(values_keep_apart),
#ifdef __linux__
        cmocka_unit_test(a_callback_that_was_made_at_run_time_is_refused),
#endif
        cmocka_unit_test(what_the_caller_says_counts_besides),
#ifndef CASES_BORING
        cmocka_unit_test(a_status_may_be_done_without),
#if OPENSSL_VERSION_NUMBER < 0x30600000L
        cmocka_unit_test(who_insists_on_a_status_always_gets_one),
#endif
#endif
        cmocka_unit_test(an_endpoint_can_be_completed),
        cmocka_unit_test(a_config_speaks_for_what_is_usual),
        cmocka_unit_test(a_rotated_client_certificate_starts_over),
        cmocka_unit_test(a_rotated_client_certificate_moves_the_end),
        cmocka_unit_test(a_replaced_store_starts_over),
        cmocka_unit_test(the_rules_of_a_store_count),
#ifndef CASES_BORING
        cmocka_unit_test(a_name_of_the_store_is_verified),
#endif
        cmocka_unit_test(contexts_of_one_identity_share_only_if_they_verify_the_same),
        cmocka_unit_test(contexts_with_a_callback_share_nothing_without_an_identity),
        cmocka_unit_test(a_certificate_that_a_callback_chooses_is_no_change),
    };
    return cmocka_run_group_tests_name("openssl_verification", tests, peer_setup, peer_teardown);
}
