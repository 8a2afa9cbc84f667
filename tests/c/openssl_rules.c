// The promises of the cache, held against tsc_openssl.h: who shares with whom, what is published
// and when, how often a ticket is offered, and for how long.

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

static const uint64_t SECOND = 1000, DAY = 86400 * 1000;

static const peer_manner TLS12 = {.tls_version = TLS1_2_VERSION};
static const peer_manner TLS13 = {.tls_version = TLS1_3_VERSION, .tickets = 2};

typedef struct {
    tsc_cache *cache;
    SSL_CTX *ctx;
    peer *server;
    uint64_t *now;
} fixture;

// A cache on a driven clock, whose own limits stay out of the way.
static fixture set_up(peer_manner manner) {
    fixture it = {NULL, client_context(), peer_own(manner), calloc(1, sizeof *it.now)};
    tsc_options options = {.ttl_seconds = 30 * 86400,
                           .max_lineage_age_seconds = 30 * 86400,
                           .failure_budget = UINT32_MAX,
                           .clock = client_clock,
                           .clock_arg = it.now};
    *it.now = 1;
    assert_int_equal(tsc_cache_new(&options, sizeof options, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
    return it;
}

static void tear_down(fixture it) {
    SSL_CTX_free(it.ctx);
    free_cache(it.cache);
    peer_free(it.server);
    free(it.now);
}

// A connection to the server that has got through its handshake, for the caller to close.
static SSL *open_connection(SSL_CTX *ctx, const peer *server) {
    int fd = client_dial(peer_port(server));
    assert_true(fd >= 0);
    SSL *ssl = client_ssl(ctx, fd);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(server)), TSC_OK);
    assert_int_equal(SSL_connect(ssl), 1);
    return ssl;
}

static void ask(SSL *ssl, const char *path) {
    char answer[256];
    assert_true(client_ask(ssl, path, answer, sizeof answer) > 0);
}

// ---- Isolation ----------------------------------------------------------------------------------

// Servers that share a ticket key would accept each other's tickets, and are not offered them.
static void another_port_is_offered_nothing(void **state) {
    (void)state;
    peer_manner shared_key = TLS12;
    shared_key.shares_keys = true;
    fixture it = set_up(shared_key);
    peer *other = peer_own(shared_key);
    assert_false(client_resumes(it.ctx, it.server));
    assert_false(client_resumes(it.ctx, other));
    assert_int_equal(client_stats(it.cache).offered, 0);
    assert_true(client_resumes(it.ctx, it.server));
    assert_true(client_resumes(it.ctx, other));
    peer_free(other);
    tear_down(it);
}

// The two ports of one node, which the caller says are one.
static void the_ports_of_a_group_share(void **state) {
    (void)state;
    peer_manner shared_key = TLS12;
    shared_key.shares_keys = true;
    fixture it = set_up(shared_key);
    peer *const servers[] = {it.server, peer_own(shared_key)};
    for (int i = 0; i < 2; i++) {
        tsc_endpoint endpoint = {.host = (const uint8_t *)"localhost",
                                 .host_len = 9,
                                 .group = (const uint8_t *)"node 1",
                                 .group_len = 6,
                                 .port = (uint32_t)peer_port(servers[i])};
        SSL *ssl = client_ssl(it.ctx, client_dial(peer_port(servers[i])));
        assert_int_equal(tsc_ssl_begin_endpoint(ssl, &endpoint), TSC_OK);
        assert_int_equal(SSL_connect(ssl), 1);
        assert_int_equal(SSL_session_reused(ssl), i);
        assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
        client_close(ssl);
    }
    peer_free(servers[1]);
    tear_down(it);
}

static void another_server_name_is_offered_nothing(void **state) {
    (void)state;
    fixture it = set_up(TLS12);
    assert_false(client_resumes(it.ctx, it.server));
    SSL *ssl = client_ssl(it.ctx, client_dial(peer_port(it.server)));
    assert_int_equal(SSL_set_tlsext_host_name(ssl, "other.example"), 1);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
    assert_null(SSL_get_session(ssl));
    client_close(ssl);
    tear_down(it);
}

// SSL_CTXs that share a cache share nothing in it, until the caller calls them the same.
static void another_ssl_ctx_is_offered_nothing(void **state) {
    (void)state;
    fixture it = set_up(TLS12);
    SSL_CTX *other = client_context();
    assert_int_equal(tsc_ssl_attach(other, it.cache, NULL, 0), TSC_OK);
    assert_false(client_resumes(it.ctx, it.server));
    assert_false(client_resumes(other, it.server));
    assert_int_equal(client_stats(it.cache).offered, 0);
    assert_true(client_resumes(it.ctx, it.server));
    assert_true(client_resumes(other, it.server));
    SSL_CTX_free(other);
    tear_down(it);
}

static void ssl_ctxs_of_one_identity_share(void **state) {
    (void)state;
    fixture it = set_up(TLS12);
    tsc_config_options options = {.identity = (const uint8_t *)"verifies", .identity_len = 8};
    SSL_CTX *ctxs[3];
    for (int i = 0; i < 3; i++) {
        ctxs[i] = client_context();
        options.identity_len = i < 2 ? 8 : 4;
        assert_int_equal(tsc_ssl_attach(ctxs[i], it.cache, &options, 0), TSC_OK);
    }
    assert_false(client_resumes(ctxs[0], it.server));
    assert_true(client_resumes(ctxs[1], it.server));
    assert_false(client_resumes(ctxs[2], it.server));

    // The identity says what the SSL_CTX does, not what an SSL does instead.
    assert_int_equal(tsc_clear(it.cache), TSC_OK);
    SSL *lax = client_ssl(ctxs[0], client_dial(peer_port(it.server)));
    SSL_set_verify(lax, SSL_VERIFY_NONE, NULL);
    assert_int_equal(tsc_ssl_begin(lax, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
    assert_int_equal(SSL_connect(lax), 1);
    assert_int_equal(tsc_ssl_established(lax), TSC_OK);
    client_close(lax);
    assert_int_equal(client_stats(it.cache).sessions, 1);
    assert_false(client_resumes(ctxs[0], it.server));
    assert_true(client_resumes(ctxs[1], it.server));
    for (int i = 0; i < 3; i++)
        SSL_CTX_free(ctxs[i]);
    tear_down(it);
}

// A session of an SSL that did not verify is never offered by one that does, on one SSL_CTX either.
static void an_ssl_that_verifies_is_not_offered_what_was_not_verified(void **state) {
    (void)state;
    fixture it = set_up(TLS12);
    const uint32_t port = (uint32_t)peer_port(it.server);
    for (int i = 0; i < 2; i++) {
        SSL *lax = client_ssl(it.ctx, client_dial(peer_port(it.server)));
        SSL_set_verify(lax, SSL_VERIFY_NONE, NULL);
        assert_int_equal(tsc_ssl_begin(lax, "localhost", port), TSC_OK);
        assert_int_equal(SSL_connect(lax), 1);
        assert_int_equal(SSL_session_reused(lax), i); // lax ones share with each other
        assert_int_equal(tsc_ssl_established(lax), TSC_OK);
        client_close(lax);
    }
    assert_false(client_resumes(it.ctx, it.server));
    assert_true(client_resumes(it.ctx, it.server));

    // Lax only after it was begun: what it receives belongs to neither.
    assert_int_equal(tsc_clear(it.cache), TSC_OK);
    SSL *turncoat = client_ssl(it.ctx, client_dial(peer_port(it.server)));
    assert_int_equal(tsc_ssl_begin(turncoat, "localhost", port), TSC_OK);
    SSL_set_verify(turncoat, SSL_VERIFY_NONE, NULL);
    assert_int_equal(SSL_connect(turncoat), 1);
    assert_int_equal(tsc_ssl_established(turncoat), TSC_OK);
    client_close(turncoat);
    assert_int_equal(client_stats(it.cache).sessions, 0);
    tear_down(it);
}

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
static SSL *begun_to_verify(fixture it, const char *sni, const char *name) {
    SSL *ssl = SSL_new(it.ctx);
    const uint32_t port = (uint32_t)peer_port(it.server);
    assert_int_equal(SSL_set_fd(ssl, client_dial((int)port)), 1);
    if (sni)
        SSL_set_tlsext_host_name(ssl, sni);
    if (name)
        assert_int_equal(SSL_set1_host(ssl, name), 1);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", port), TSC_OK);
    return ssl;
}

// The name that an SSL verifies belongs to the endpoint, be there an SNI name or not: one that
// verifies another name is not resumed, and so is refused.
static void an_ssl_that_verifies_another_name_is_offered_nothing(void **state) {
    (void)state;
    fixture it = set_up(TLS12);
    for (int with_sni = 0; with_sni < 2; with_sni++) {
        const char *sni = with_sni ? "localhost" : NULL;
        static const char *const names[] = {NULL, NULL, "localhost", "localhost", "elsewhere"};
        for (int i = 0; i < 5; i++) {
            SSL *ssl = begun_to_verify(it, sni, names[i]);
            assert_int_equal(SSL_connect(ssl), i < 4 ? 1 : -1);
            if (i == 1 || i == 3)
                assert_true(SSL_session_reused(ssl));
            if (i < 4)
                assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
            client_close(ssl);
        }
        assert_int_equal(tsc_clear(it.cache), TSC_OK);
    }
    tear_down(it);
}
#endif

// ---- Publishing ---------------------------------------------------------------------------------

static void a_failed_login_publishes_nothing(void **state) {
    (void)state;
    const peer_manner manners[] = {TLS12, TLS13};
    for (int i = 0; i < 2; i++) {
        fixture it = set_up(manners[i]);
        visit denied = client_visit(it.ctx, it.server, VISIT_DENIED);
        assert_true(denied.answered);
        assert_int_equal(denied.info.received, i == 0 ? 1 : 2);
        assert_int_equal(denied.info.discarded, denied.info.received);
        assert_int_equal(client_stats(it.cache).stored, 0);
        assert_int_equal(client_stats(it.cache).discarded_failed, denied.info.received);
        assert_false(client_resumes(it.ctx, it.server));

        // What was there before stays, but for the ticket that was used up.
        size_t before = client_available(it.ctx, it.server);
        denied = client_visit(it.ctx, it.server, VISIT_DENIED);
        assert_true(denied.server_resumed);
        assert_int_equal(client_available(it.ctx, it.server), i == 0 ? before : before - 1);
        assert_true(client_resumes(it.ctx, it.server));
        tear_down(it);
    }
}

static void a_forgotten_verdict_publishes_nothing(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    for (int i = 0; i < 3; i++)
        assert_false(client_visit(it.ctx, it.server, VISIT_UNSAID).resumed);
    tsc_stats stats = client_stats(it.cache);
    assert_int_equal(stats.stored, 0);
    assert_int_equal(stats.unfinished, 3);
    assert_int_equal(stats.discarded_unfinished, 6);

    // What it offered was sent, and is gone.
    assert_false(client_resumes(it.ctx, it.server));
    assert_int_equal(client_available(it.ctx, it.server), 2);
    assert_true(client_visit(it.ctx, it.server, VISIT_UNSAID).resumed);
    assert_int_equal(client_available(it.ctx, it.server), 1);
    assert_int_equal(client_stats(it.cache).returned, 0);
    tear_down(it);
}

// A caller without a login of its own: tickets that come later flow straight in.
static void tickets_that_come_after_established_are_kept(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    visit first = client_visit(it.ctx, it.server, VISIT_EARLY);
    assert_int_equal(first.info.stored, 2);
    assert_true(client_visit(it.ctx, it.server, VISIT_EARLY).server_resumed);
    tear_down(it);
}

static void a_ticket_after_the_first_response_is_kept_unless_it_failed(void **state) {
    (void)state;
#if OPENSSL_VERSION_NUMBER < 0x30000000L
    skip(); // its servers cannot send a ticket when they are told to
#endif
    peer_manner late = {.tls_version = TLS1_3_VERSION, .tickets = 0};
    fixture it = set_up(late);
    SSL *ssl = open_connection(it.ctx, it.server);
    ask(ssl, "/keep");
    assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
    assert_int_equal(client_available(it.ctx, it.server), 0);
    ask(ssl, "/ticket");
    assert_int_equal(client_available(it.ctx, it.server), 1);
    ask(ssl, "/ticket");
    assert_int_equal(client_available(it.ctx, it.server), 2);
    client_close(ssl);
    assert_true(client_resumes(it.ctx, it.server));

    // The same after a failure: not kept.
    assert_int_equal(tsc_clear(it.cache), TSC_OK);
    ssl = open_connection(it.ctx, it.server);
    ask(ssl, "/keep");
    assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
    ask(ssl, "/ticket");
    client_close(ssl);
    assert_int_equal(client_available(it.ctx, it.server), 0);
    tear_down(it);
}

// A handshake that fails with a session in it drops the session: the next attempt is a full one.
static void a_failed_handshake_drops_its_session(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    assert_false(client_resumes(it.ctx, it.server));
    assert_int_equal(client_available(it.ctx, it.server), 2);
    int ends[2]; // in the server's place, a peer that takes the ClientHello and says nothing more
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    shutdown(ends[1], SHUT_WR);
    SSL *ssl = client_ssl(it.ctx, ends[0]);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
    assert_true(SSL_connect(ssl) <= 0);
    assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
    ERR_clear_error();
    client_close(ssl);
    close(ends[1]);
    assert_int_equal(client_available(it.ctx, it.server), 0);
    assert_false(client_resumes(it.ctx, it.server));
    tear_down(it);
}

static int informed;
static void inform(const SSL *ssl, int where, int ret) {
    (void)ssl, (void)where, (void)ret;
    informed++;
}

// hiredis and others make the SSL, and have it begun, before they open the TCP connection. What
// other connections of the SSL_CTX do meanwhile says nothing of this one.
static SSL *begun_before_it_connects(fixture it) {
    SSL *ssl = client_ssl(it.ctx, -1);
    SSL_set_info_callback(ssl, inform);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
    assert_non_null(SSL_get_session(ssl));
    assert_true(client_resumes(it.ctx, it.server));
    return ssl;
}

static void a_connection_that_is_refused_after_begin_is_no_failed_handshake(void **state) {
    (void)state;
    for (int i = 0; i < 16; i++) {
        fixture it = set_up(i % 2 ? TLS12 : TLS13);
        assert_false(client_resumes(it.ctx, it.server));
        const size_t before = client_available(it.ctx, it.server);
        SSL *ssl = begun_before_it_connects(it);
        peer_halt(it.server);
        if (i & 2) { // it may even have a transport, which finds nobody
            char port[8];
            BIO *transport = BIO_new_connect("127.0.0.1");
            snprintf(port, sizeof port, "%d", peer_port(it.server));
            BIO_set_conn_port(transport, port);
            SSL_set_bio(ssl, transport, transport);
        }
        if (i & 4) {
            informed = 0;
            assert_true(SSL_connect(ssl) <= 0);
            assert_true(informed > 0);
            ERR_clear_error();
        }
        if (i & 8)
            assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
        SSL_free(ssl);
        // Without a transport, or a verdict, a handshake that has begun may have sent something.
        if (!(i & 4) || (i & 10) == 10) {
            assert_int_equal(client_stats(it.cache).handshake_failed_offered, 0);
            assert_true(client_available(it.ctx, it.server) >= before);
        }
        tear_down(it);
    }
}

static void a_connection_that_dies_after_its_client_hello_is_a_failed_handshake(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        fixture it = set_up(i % 2 ? TLS12 : TLS13);
        assert_false(client_resumes(it.ctx, it.server));
        SSL *ssl = begun_before_it_connects(it);
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        shutdown(ends[1], SHUT_WR);
        assert_int_equal(SSL_set_fd(ssl, ends[0]), 1);
        assert_true(SSL_connect(ssl) <= 0);
        ERR_clear_error();
        if (i & 2) { // nor does it help to clear it, and to give it another transport
            SSL_clear(ssl);
            SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        }
        assert_int_equal(tsc_ssl_failed(ssl), TSC_OK);
        SSL_free(ssl);
        close(ends[0]);
        close(ends[1]);
        assert_int_equal(client_stats(it.cache).handshake_failed_offered, 1);
        assert_int_equal(client_available(it.ctx, it.server), 0);
        tear_down(it);
    }
}

// ---- Single use and sharing ---------------------------------------------------------------------

enum { THREADS = 8, ROUNDS = 12, TICKET = 512 };

typedef struct {
    fixture it;
    size_t offered;
    size_t mistakes;
    unsigned char tickets[ROUNDS][TICKET];
    size_t lengths[ROUNDS];
} worker;

// No assertions here: cmocka's are for the test's own thread.
static void *hammer(void *argument) {
    worker *self = argument;
    for (int i = 0; i < ROUNDS; i++) {
        const unsigned char *ticket = NULL;
        size_t length = 0;
        char answer[256] = "";
        SSL *ssl = client_ssl(self->it.ctx, client_dial(peer_port(self->it.server)));
        if (tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(self->it.server)) != TSC_OK)
            self->mistakes++;
        if (SSL_get_session(ssl))
            SSL_SESSION_get0_ticket(SSL_get_session(ssl), &ticket, &length);
        if (length > TICKET)
            self->mistakes++;
        else if (length) {
            memcpy(self->tickets[self->offered], ticket, length);
            self->lengths[self->offered++] = length;
        }
        if (SSL_connect(ssl) != 1 || SSL_session_reused(ssl) != (length > 0) ||
            client_ask(ssl, "/", answer, sizeof answer) == 0 ||
            (strstr(answer, "Reused") != NULL) != (length > 0) ||
            tsc_ssl_established(ssl) != TSC_OK)
            self->mistakes++;
        client_close(ssl);
    }
    return NULL;
}

// Eight threads on one endpoint: every ticket that is offered is offered once, and resumed.
static void a_ticket_is_offered_once_whatever_the_thread(void **state) {
    (void)state;
    peer_manner eight = {.tls_version = TLS1_3_VERSION, .tickets = 8};
    fixture it = set_up(eight);
    assert_false(client_resumes(it.ctx, it.server));
    static worker workers[THREADS];
    pthread_t threads[THREADS];
    memset(workers, 0, sizeof workers);
    for (int i = 0; i < THREADS; i++) {
        workers[i].it = it;
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    size_t count = 0;
    static const unsigned char *seen[THREADS * ROUNDS];
    static size_t lengths[THREADS * ROUNDS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].mistakes, 0);
        for (size_t j = 0; j < workers[i].offered; j++) {
            for (size_t k = 0; k < count; k++)
                assert_false(lengths[k] == workers[i].lengths[j] &&
                             memcmp(seen[k], workers[i].tickets[j], lengths[k]) == 0);
            seen[count] = workers[i].tickets[j];
            lengths[count++] = workers[i].lengths[j];
        }
    }
    tsc_stats stats = client_stats(it.cache);
    assert_true(count > 0);
    assert_int_equal(stats.offered, count);
    assert_int_equal(stats.resumed, count);
    assert_int_equal(stats.refused, 0);
    tear_down(it);
}

// A TLS 1.2 session may be offered by several at once. Each gets an object of its own, and nobody
// holds the one in the cache: OpenSSL ruins a session whose connection ends uncleanly.
static void nobody_holds_what_is_kept(void **state) {
    (void)state;
#ifdef TSC_SSL_BORING_
    skip(); // they change no session that they gave out, and a reference will do
#endif
    fixture it = set_up(TLS12);
    tsc_endpoint endpoint = {.host = (const uint8_t *)"localhost",
                             .host_len = 9,
                             .port = (uint32_t)peer_port(it.server)};
    SSL *receiver = open_connection(it.ctx, it.server);
    ask(receiver, "/keep");
    assert_int_equal(tsc_ssl_established(receiver), TSC_OK);

    SSL *first = open_connection(it.ctx, it.server), *second = open_connection(it.ctx, it.server);
    assert_true(SSL_session_reused(first) && SSL_session_reused(second));
    assert_ptr_not_equal(SSL_get_session(first), SSL_get_session(second));

    tsc_attempt *attempt;
    tsc_session kept;
    assert_int_equal(tsc_attempt_new(tsc_ssl_config(it.ctx), &endpoint, sizeof endpoint, &attempt),
                     TSC_OK);
    assert_int_equal(tsc_attempt_offer(attempt, &kept, sizeof kept), TSC_OK);
    assert_ptr_not_equal(kept.object, SSL_get_session(receiver));
    assert_ptr_not_equal(kept.object, SSL_get_session(first));
    client_close(receiver);
    client_close(first);
    assert_int_equal(tsc_ssl_failed(second), TSC_OK);
    client_close(second);
    assert_true(SSL_SESSION_is_resumable((SSL_SESSION *)kept.object));
    tsc_attempt_free(attempt);
    assert_true(client_resumes(it.ctx, it.server));
    tear_down(it);
}

// As bytes where that was asked for, as objects where not, and counted for what they take.
static void sessions_are_kept_as_bytes_where_asked_and_else_as_objects(void **state) {
    (void)state;
    for (uint32_t flags = 0; flags <= TSC_SSL_SERIALISE; flags++) {
        fixture it = set_up(TLS13);
        SSL_CTX *ctx = client_context();
        tsc_endpoint endpoint = {.host = (const uint8_t *)"localhost",
                                 .host_len = 9,
                                 .port = (uint32_t)peer_port(it.server)};
        assert_int_equal(tsc_ssl_attach(ctx, it.cache, NULL, flags), TSC_OK);
        assert_false(client_resumes(ctx, it.server));
        tsc_attempt *attempt;
        tsc_session kept;
        assert_int_equal(tsc_attempt_new(tsc_ssl_config(ctx), &endpoint, sizeof endpoint, &attempt),
                         TSC_OK);
        assert_int_equal(tsc_attempt_offer(attempt, &kept, sizeof kept), TSC_OK);
        assert_int_equal(kept.object == NULL, flags == TSC_SSL_SERIALISE);
        assert_int_equal(kept.data != NULL, flags == TSC_SSL_SERIALISE);
        tsc_attempt_free(attempt);
        // Two tickets; as objects, with the one certificate that they share.
        uint64_t bytes = client_stats(it.cache).bytes;
        assert_true(flags ? bytes < 2 * 2048 : bytes > 5120 + 2 * 1024 && bytes < 5120 + 2 * 3072);
        assert_true(client_resumes(ctx, it.server));
        SSL_CTX_free(ctx);
        tear_down(it);
    }
}

// OpenSSL tells nobody of a ticket that is renewed within a resumed TLS 1.2 handshake.
static void a_ticket_that_is_renewed_while_resuming_is_kept(void **state) {
    (void)state;
    peer_manner renewing = TLS12;
    renewing.renews = true;
    renewing.lifetime_seconds = 100;
    fixture it = set_up(renewing);
    assert_false(client_resumes(it.ctx, it.server));
    for (int i = 0; i < 5; i++) {
        *it.now += 60 * SECOND;
        visit next = client_visit(it.ctx, it.server, 0);
        assert_true(next.server_resumed);
        assert_int_equal(next.info.stored, 1);
    }
    assert_int_equal(client_stats(it.cache).sessions, 1);
    tear_down(it);
}

// ---- Lifetime -----------------------------------------------------------------------------------

// Whether a session is there up to a moment, and not after it.
static void lasts_until(fixture it, uint64_t milliseconds) {
    uint64_t start = *it.now;
    assert_false(client_resumes(it.ctx, it.server));
    *it.now = start + milliseconds - 2 * SECOND;
    assert_int_not_equal(client_available(it.ctx, it.server), 0);
    *it.now = start + milliseconds + 2 * SECOND;
    assert_int_equal(client_available(it.ctx, it.server), 0);
    assert_int_equal(client_visit(it.ctx, it.server, 0).info.offered, 0);
}

static void a_session_lasts_as_long_as_its_ticket(void **state) {
    (void)state;
    peer_manner manners[] = {TLS12, TLS13};
#ifdef TSC_SSL_BORING_
    const int versions = 1; // for TLS 1.3 their servers have another setting
#else
    const int versions = 2;
#endif
    for (int i = 0; i < versions; i++) {
        manners[i].lifetime_seconds = 100;
        fixture it = set_up(manners[i]);
        lasts_until(it, 100 * SECOND);
        tear_down(it);
    }
}

static void a_ticket_with_a_lifetime_of_zero_is_not_kept(void **state) {
    (void)state;
    peer_manner zero = TLS13;
    zero.zero_lifetime = true;
    fixture it = set_up(zero);
    visit first = client_visit(it.ctx, it.server, 0);
    assert_true(first.answered);
    assert_int_equal(first.info.received, 2);
    assert_int_equal(first.info.discarded, 2);
    assert_int_equal(client_stats(it.cache).discarded_lifetime, 2);
    assert_false(client_resumes(it.ctx, it.server));
    assert_int_equal(client_stats(it.cache).offered, 0);
    tear_down(it);
}

// What OpenSSL, or a relative of it, may show its new-session callback and nothing resumes by:
// neither id nor ticket, or in TLS 1.3 an id alone, which is made up or echoed.
static void a_session_that_cannot_be_resumed_is_not_kept(void **state) {
    (void)state;
#ifdef TSC_SSL_BORING_
    skip(); // sessions cannot be made by hand
#else
    for (int tls13 = 0; tls13 < 2; tls13++) {
        fixture it = set_up(tls13 ? TLS13 : TLS12);
        int (*shown)(SSL *, SSL_SESSION *) = SSL_CTX_sess_get_new_cb(it.ctx);
        SSL *ssl = open_connection(it.ctx, it.server);
        ask(ssl, "/");
        tsc_attempt_info before, after;
        assert_int_equal(tsc_attempt_info_get(tsc_ssl_attempt(ssl), &before, sizeof before),
                         TSC_OK);
        for (int with_id = 0; with_id <= tls13; with_id++) {
            SSL_SESSION *bare = SSL_SESSION_new();
            const unsigned char bytes[32] = {1};
            SSL_SESSION_set_protocol_version(bare, SSL_version(ssl));
            SSL_SESSION_set_cipher(bare, SSL_get_current_cipher(ssl));
            SSL_SESSION_set1_master_key(bare, bytes, sizeof bytes);
            if (with_id)
                SSL_SESSION_set1_id(bare, bytes, sizeof bytes);
            assert_int_equal(shown(ssl, bare), 0);
            SSL_SESSION_free(bare);
        }
        assert_int_equal(tsc_attempt_info_get(tsc_ssl_attempt(ssl), &after, sizeof after), TSC_OK);
        assert_int_equal(after.received, before.received);
        client_close(ssl);
        tear_down(it);
    }
#endif
}

static void eight_days_are_cut_to_seven(void **state) {
    (void)state;
    peer_manner eight = TLS12;
    eight.lifetime_seconds = 8 * 86400;
    fixture it = set_up(eight);
    lasts_until(it, 7 * DAY);
    tear_down(it);
}

// The server's certificate ends before its ticket does, and so does the client's. The certificates
// were made a little before the session: within a minute, on any machine.
static void no_session_outlives_a_certificate(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        peer_manner long_lived = TLS12;
        long_lived.lifetime_seconds = 6 * 86400;
        long_lived.short_certificate = i == 0;
        fixture it = set_up(long_lived);
        SSL_CTX *ctx = it.ctx;
        if (i == 1) {
            ctx = client_context();
            assert_int_equal(
                SSL_CTX_use_certificate_file(ctx, peer_client_certificate(), SSL_FILETYPE_PEM), 1);
            assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, peer_client_key(), SSL_FILETYPE_PEM),
                             1);
            assert_int_equal(tsc_ssl_attach(ctx, it.cache, NULL, 0), TSC_OK);
        }
        uint64_t start = *it.now;
        assert_false(client_resumes(ctx, it.server));
        *it.now = start + DAY - 600 * SECOND;
        assert_int_equal(client_available(ctx, it.server), 1);
        *it.now = start + DAY + SECOND;
        assert_int_equal(client_available(ctx, it.server), 0);
        if (i == 1)
            SSL_CTX_free(ctx);
        tear_down(it);
    }
}

// ---- Trouble ------------------------------------------------------------------------------------

// Bytes that are no session cost a full handshake, and leave no error behind.
static void bytes_that_are_no_session_cost_a_full_handshake(void **state) {
    (void)state;
    fixture it = set_up(TLS13);
    tsc_endpoint endpoint = {.host = (const uint8_t *)"localhost",
                             .host_len = 9,
                             .port = (uint32_t)peer_port(it.server)};
    tsc_session_info info = {.tls_version = TLS1_3_VERSION, .lifetime_seconds = 100};
    tsc_attempt *attempt;
    assert_int_equal(tsc_attempt_new(tsc_ssl_config(it.ctx), &endpoint, sizeof endpoint, &attempt),
                     TSC_OK);
    assert_int_equal(
        tsc_attempt_receive(attempt, &info, sizeof info, (const uint8_t *)"no session", 10),
        TSC_OK);
    assert_int_equal(tsc_attempt_established(attempt, 0), TSC_OK);
    tsc_attempt_free(attempt);

    SSL *ssl = client_ssl(it.ctx, client_dial(peer_port(it.server)));
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(it.server)), TSC_OK);
    assert_int_equal(ERR_peek_error(), 0);
    assert_null(SSL_get_session(ssl));
    assert_int_equal(SSL_connect(ssl), 1);
    ask(ssl, "/");
    assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
    client_close(ssl);
    assert_true(client_resumes(it.ctx, it.server));
    tear_down(it);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_port_is_offered_nothing),
        cmocka_unit_test(the_ports_of_a_group_share),
        cmocka_unit_test(another_server_name_is_offered_nothing),
        cmocka_unit_test(another_ssl_ctx_is_offered_nothing),
        cmocka_unit_test(ssl_ctxs_of_one_identity_share),
        cmocka_unit_test(an_ssl_that_verifies_is_not_offered_what_was_not_verified),
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
        cmocka_unit_test(an_ssl_that_verifies_another_name_is_offered_nothing),
#endif
        cmocka_unit_test(a_failed_login_publishes_nothing),
        cmocka_unit_test(a_forgotten_verdict_publishes_nothing),
        cmocka_unit_test(tickets_that_come_after_established_are_kept),
        cmocka_unit_test(a_ticket_after_the_first_response_is_kept_unless_it_failed),
        cmocka_unit_test(a_failed_handshake_drops_its_session),
        cmocka_unit_test(a_connection_that_is_refused_after_begin_is_no_failed_handshake),
        cmocka_unit_test(a_connection_that_dies_after_its_client_hello_is_a_failed_handshake),
        cmocka_unit_test(a_ticket_is_offered_once_whatever_the_thread),
        cmocka_unit_test(nobody_holds_what_is_kept),
        cmocka_unit_test(sessions_are_kept_as_bytes_where_asked_and_else_as_objects),
        cmocka_unit_test(a_ticket_that_is_renewed_while_resuming_is_kept),
        cmocka_unit_test(a_session_lasts_as_long_as_its_ticket),
        cmocka_unit_test(a_ticket_with_a_lifetime_of_zero_is_not_kept),
        cmocka_unit_test(a_session_that_cannot_be_resumed_is_not_kept),
        cmocka_unit_test(eight_days_are_cut_to_seven),
        cmocka_unit_test(no_session_outlives_a_certificate),
        cmocka_unit_test(bytes_that_are_no_session_cost_a_full_handshake),
    };
    return cmocka_run_group_tests_name("openssl_rules", tests, peer_setup, peer_teardown);
}
