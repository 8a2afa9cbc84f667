// Logins that fail only when resumed, and logins that fail in any case.
//
// HAProxy asks for a client's certificate and refuses who has none. A resumed connection has none,
// in its eyes: so a request that a full handshake would have brought through is answered with 403.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

// The library's default.
enum { BUDGET = 12 };

#define PASSWORD "http-request deny deny_status 401 unless { urlp(password) -m str secret }\n"
#define SOUND PASSWORD
#define HARMFUL PASSWORD "  http-request deny unless { ssl_fc_has_crt }"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

// A pool of clients, and what became of their connections. The clock stands still unless a test
// moves it: so no pause of the breaker ends by itself.
typedef struct {
    peer *server;
    SSL_CTX *ctx;
    tsc_cache *cache; // NULL: without
    uint64_t milliseconds;
    int wrong; // of a hundred connections, how many have the wrong password
    int visits;
    atomic_int next, right, resumed, refused_full, refused_resumed, broken;
} pool;

static pool *pool_new(int version, const char *rules, uint32_t policy, bool cached) {
    pool *self = calloc(1, sizeof *self);
    self->server = peer_haproxy(version, rules);
    self->milliseconds = 1000000000;
    self->ctx = client_context();
    assert_int_equal(
        SSL_CTX_use_certificate_file(self->ctx, peer_client_certificate(), SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(self->ctx, peer_client_key(), SSL_FILETYPE_PEM),
                     1);
    if (cached) {
        tsc_options options = {.flags = policy, .clock = client_clock};
        options.clock_arg = &self->milliseconds;
        assert_int_equal(tsc_cache_new(&options, sizeof options, &self->cache), TSC_OK);
        assert_int_equal(tsc_ssl_attach(self->ctx, self->cache, NULL, 0), TSC_OK);
    }
    return self;
}

static void pool_free(pool *self) {
    SSL_CTX_free(self->ctx);
    free_cache(self->cache);
    peer_free(self->server);
    free(self);
}

// One connection, the nth. Says whether it was a resumed one.
static bool visit_once(pool *self, unsigned n) {
    char answer[4096];
    bool wrong = (int)(n * 2654435761U >> 16) % 100 < self->wrong;
    SSL *ssl = client_ssl(self->ctx, client_dial(peer_port(self->server)));
    if (self->cache)
        tsc_ssl_begin(ssl, "localhost", (uint32_t)peer_port(self->server));
    bool secure = SSL_connect(ssl) == 1;
    bool resumed = secure && SSL_session_reused(ssl);
    size_t length = 0;
    if (secure)
        length = client_ask(ssl, wrong ? "/?password=guess" : "/?password=secret", answer,
                            sizeof answer);
    bool ok = length > 0 && strstr(answer, " 200 ");
    if (self->cache)
        ok ? tsc_ssl_established(ssl) : tsc_ssl_failed(ssl);
    self->right += !wrong;
    self->resumed += ok && resumed;
    self->broken += length == 0;
    self->refused_full += length > 0 && !ok && !wrong && !resumed;
    self->refused_resumed += length > 0 && !ok && !wrong && resumed;
    ERR_clear_error();
    client_close(ssl);
    return resumed;
}

static void *client(void *argument) {
    pool *self = (pool *)argument;
    for (int n; (n = self->next++) < self->visits;)
        visit_once(self, (unsigned)n);
    return NULL;
}

static void crowd(pool *self, int threads, int visits) {
    pthread_t ids[64];
    self->visits = self->next + visits;
    for (int i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, client, self), 0);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    self->next = self->visits;
    assert_int_equal(self->broken, 0);
    assert_int_equal(self->refused_full, 0);
}

static bool slow(void) {
    return getenv("TSC_TEST_SLOW") != NULL;
}

static int most_threads(void) {
    return slow() ? 8 : 64;
}

static void without_the_cache_nobody_is_refused(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        pool *it = pool_new(versions[v], HARMFUL, 0, false);
        crowd(it, most_threads(), most_threads());
        assert_int_equal(it->refused_resumed, 0);
        pool_free(it);
    }
}

// `wrong` of a hundred passwords are wrong, and at most `budgets` budgets of those that are right
// fail, besides those that were under way when the first one failed, and when the breaker opened.
static void is_bounded(int version, uint32_t policy, int threads, int wrong, int budgets) {
    int most = budgets * BUDGET + 2 * (threads - 1);
    pool *it = pool_new(version, HARMFUL, policy, true);
    crowd(it, 1, 1); // something to resume
    it->wrong = wrong;
    // Chance decides which connections offer a session, so how many it takes is not known. A wrong
    // password on a full handshake may close the breaker again.
    tsc_stats stats;
    do {
        crowd(it, threads, 20);
        stats = client_stats(it->cache);
        assert_in_range(it->next, 0, 2000);
    } while (stats.breaker_opened == stats.breaker_closed);
    int refused = it->refused_resumed;
    assert_in_range(refused, 1, most);
    assert_true(stats.login_failed_resumed >= (uint64_t)refused);

    // From here on, full handshakes bring everybody through.
    it->wrong = 0;
    crowd(it, threads, 20);
    assert_int_equal(it->refused_resumed, refused);
    assert_true(client_stats(it->cache).withheld > 0);
    pool_free(it);
}

static void no_more_than_the_budget_is_refused(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        int threads = i ? most_threads() : 1;
        is_bounded(TLS1_2_VERSION, 0, threads, 0, 1);
        is_bounded(TLS1_3_VERSION, 0, threads, 0, 1);
        is_bounded(TLS1_3_VERSION, TSC_REUSE_WHEN_DRY, threads, 0, 1);
    }
}

static void where_passwords_are_wrong_as_well_it_is_a_few_budgets(void **state) {
    (void)state;
    is_bounded(TLS1_2_VERSION, 0, 1, 10, 3);
    is_bounded(TLS1_2_VERSION, 0, most_threads(), 10, 3);
    is_bounded(TLS1_3_VERSION, TSC_REUSE_WHEN_DRY, most_threads(), 10, 3);
}

// The breaker tries again now and then. That, too, is in the budget of each hour.
static void in_each_hour_no_more_than_the_budget_is_refused(void **state) {
    (void)state;
    enum { AN_HOUR = 40, HOURS = 3 };
    for (int v = 0; v < 2; v++) {
        pool *it = pool_new(versions[v], HARMFUL, TSC_REUSE_WHEN_DRY, true);
        bool refused[AN_HOUR * HOURS];
        for (int n = 0; n < AN_HOUR * HOURS; n++) {
            int before = it->refused_resumed;
            visit_once(it, (unsigned)n);
            refused[n] = it->refused_resumed > before;
            it->milliseconds += 3600000 / AN_HOUR;
        }
        for (int begin = 0; begin + AN_HOUR <= AN_HOUR * HOURS; begin++) {
            int harm = 0;
            for (int n = begin; n < begin + AN_HOUR; n++)
                harm += refused[n];
            assert_in_range(harm, 0, BUDGET);
        }
        assert_int_equal(it->refused_full, 0);
        assert_int_equal(it->broken, 0);
        assert_true(client_stats(it->cache).breaker_opened > 1); // it did try
        pool_free(it);
    }
}

static void once_the_server_is_repaired_connections_resume(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        char rules[256] = HARMFUL;
        pool *it = pool_new(versions[v], rules, 0, true);
        do { // chance decides how many it takes
            crowd(it, 1, 10);
            assert_in_range(it->next, 0, 2000);
        } while (client_stats(it->cache).breaker_opened == 0);
        assert_int_equal(it->resumed, 0);
        peer_halt(it->server);
        strcpy(rules, SOUND);
        peer_resume(it->server);
        it->milliseconds += 2 * 3600000; // the failures are forgotten
        crowd(it, 1, 20);
        assert_true(it->resumed > 10);
        assert_true(client_stats(it->cache).breaker_closed > 0);
        pool_free(it);
    }
}

// Chance decides which attempts the cache compares, and in one world of fifty or so it makes wrong
// passwords look like harm for a while.
static void wrong_passwords_keep_nobody_from_resuming(void **state) {
    (void)state;
    enum { WORLDS = 5 };
    for (int v = 0; v < 2; v++) {
        int well = 0;
        for (int n = 0; n < WORLDS; n++) {
            pool *it = pool_new(versions[v], SOUND, TSC_REUSE_WHEN_DRY, true);
            it->wrong = 50;
            crowd(it, v ? most_threads() : 1, 100);
            assert_int_equal(it->refused_resumed, 0);
            // While the two are compared, some of the right ones do a full handshake.
            well += it->resumed * 4 > it->right;
            pool_free(it);
        }
        assert_in_range(well, WORLDS - 2, WORLDS);
    }
}

// Somebody changes the password on the server.
static void a_password_that_is_wrong_everywhere_locks_nobody_out(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        pool *it = pool_new(versions[v], SOUND, 0, true);
        crowd(it, 1, 5);
        it->wrong = 100;
        crowd(it, 1, 40);
        it->wrong = 0;
        it->resumed = 0;
        crowd(it, 1, 40);
        assert_int_equal(it->refused_resumed, 0);
        assert_true(it->resumed > 0);
        pool_free(it);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_cache_nobody_is_refused),
        cmocka_unit_test(no_more_than_the_budget_is_refused),
        cmocka_unit_test(where_passwords_are_wrong_as_well_it_is_a_few_budgets),
        cmocka_unit_test(in_each_hour_no_more_than_the_budget_is_refused),
        cmocka_unit_test(once_the_server_is_repaired_connections_resume),
        cmocka_unit_test(wrong_passwords_keep_nobody_from_resuming),
        cmocka_unit_test(a_password_that_is_wrong_everywhere_locks_nobody_out),
    };
    return cmocka_run_group_tests(tests, peer_setup, peer_teardown);
}
