// Logins that fail only when resumed, and logins that fail in any case.
//
// HAProxy asks for a client's certificate and refuses who has none. A resumed connection has none,
// in its eyes: so a request that a full handshake would have brought through is answered with 403.
// The tests' own server says nothing after a resumed handshake, or closes.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

// The library's default.
enum { BUDGET = 12 };

// In a time that stands still nobody waits in vain, so none takes this long.
enum { PATIENCE_MS = 60000 };

#define PASSWORD "http-request deny deny_status 401 unless { urlp(password) -m str secret }\n"
#define SOUND PASSWORD
#define HARMFUL PASSWORD "  http-request deny unless { ssl_fc_has_crt }"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

// How a pool uses its cache.
typedef struct {
    const char *name;
    uint32_t flags, max_full_handshakes, max_wait_ms;
} policy;

static const policy PLAIN = {.name = "plain"};
static const policy REUSES = {.name = "reuses", .flags = TSC_REUSE_WHEN_DRY};
static const policy WAITS = {.name = "waits", .max_wait_ms = PATIENCE_MS};
static const policy WAITS_FOR_TWO = {
    .name = "waits for two", .max_full_handshakes = 2, .max_wait_ms = PATIENCE_MS};

// A pool of clients, and what became of their connections. The clock stands still unless a test
// moves it: so no pause of the breaker ends by itself.
typedef struct {
    peer *server;
    SSL_CTX *ctx;
    tsc_cache *cache; // NULL: without
    uint64_t milliseconds;
    uint32_t max_wait_ms;
    bool impatient; // with resumed connections, which the server does not answer
    int wrong;      // of a hundred connections, how many have the wrong password
    int visits;
    pthread_barrier_t *gate; // between offers and handshakes, or NULL
    atomic_int next, right, resumed, refused_full, refused_resumed, broken;
} pool;

// uses: NULL for a pool without a cache.
static pool *pool_new(peer *server, const policy *uses) {
    pool *self = calloc(1, sizeof *self);
    self->server = server;
    self->milliseconds = 1000000000;
    self->ctx = client_context();
    assert_int_equal(
        SSL_CTX_use_certificate_file(self->ctx, peer_client_certificate(), SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(self->ctx, peer_client_key(), SSL_FILETYPE_PEM),
                     1);
    if (uses) {
        tsc_options options = {.flags = uses->flags, .clock = client_clock};
        options.clock_arg = &self->milliseconds;
        options.max_full_handshakes = uses->max_full_handshakes;
        self->max_wait_ms = uses->max_wait_ms;
        assert_int_equal(tsc_cache_new(&options, sizeof options, &self->cache), TSC_OK);
        assert_int_equal(tsc_ssl_attach(self->ctx, self->cache, NULL, 0), TSC_OK);
    }
    return self;
}

// All but the server.
static void pool_leave(pool *self) {
    SSL_CTX_free(self->ctx);
    free_cache(self->cache);
    free(self);
}

static void pool_free(pool *self) {
    peer_free(self->server);
    pool_leave(self);
}

// One connection, the nth. Says whether it was a resumed one.
static bool visit_once(pool *self, unsigned n) {
    char answer[4096];
    bool wrong = (int)(n * 2654435761U >> 16) % 100 < self->wrong;
    SSL *ssl = client_ssl(self->ctx, client_dial(peer_port(self->server)));
    const uint32_t port = (uint32_t)peer_port(self->server);
    if (self->cache && self->max_wait_ms)
        tsc_ssl_begin_wait(ssl, "localhost", port, self->max_wait_ms);
    else if (self->cache)
        tsc_ssl_begin(ssl, "localhost", port);
    if (self->gate)
        pthread_barrier_wait(self->gate);
    bool secure = SSL_connect(ssl) == 1;
    bool resumed = secure && SSL_session_reused(ssl);
    if (resumed && self->impatient) {
        static const struct timeval moment = {0, 20000};
        setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
    }
    size_t length = 0;
    if (secure)
        length = client_ask(ssl, wrong ? "/?password=guess" : "/?password=secret", answer,
                            sizeof answer);
    bool ok = length > 0 && strstr(answer, " 200 ");
    if (self->cache)
        ok ? tsc_ssl_established(ssl) : tsc_ssl_failed(ssl);
    self->right += !wrong;
    self->resumed += ok && resumed;
    self->broken += !secure;
    self->refused_full += secure && !ok && !wrong && !resumed;
    self->refused_resumed += !ok && !wrong && resumed;
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

// As many connections at once, all of which have made their offers before any is answered: that is
// how a pool opens. Nobody waits for a session.
static void open_at_once(pool *self, int threads) {
    pthread_barrier_t gate;
    const uint32_t max_wait_ms = self->max_wait_ms;
    assert_int_equal(pthread_barrier_init(&gate, NULL, (unsigned)threads), 0);
    self->gate = &gate;
    self->max_wait_ms = 0;
    crowd(self, threads, threads);
    self->max_wait_ms = max_wait_ms;
    self->gate = NULL;
    pthread_barrier_destroy(&gate);
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
        pool *it = pool_new(peer_haproxy(versions[v], HARMFUL), NULL);
        crowd(it, most_threads(), most_threads());
        assert_int_equal(it->refused_resumed, 0);
        pool_free(it);
    }
}

typedef struct {
    peer *server;
    int version;
    const policy *uses;
    int threads;
    bool full_stock; // more sessions than threads; else none
    bool silent;     // the server, after a resumed handshake
    int wrong;       // of a hundred passwords
    int budgets;
} bounds;

// At most `budgets` budgets of connections with the right password fail, besides those that were
// under way when the first one failed, and when the breaker opened (docs/supply.md).
static void is_bounded(bounds of) {
    const int most = of.budgets * BUDGET + 2 * (of.threads - 1);
    // Chance decides which connections offer a session, so how many it takes is not known.
    const int too_many = 2000 + 40 * of.threads;
    pool *it = pool_new(of.server, of.uses);
    it->impatient = of.silent;
    if (of.full_stock) {
        // Nobody has something to offer yet.
        const int first = of.threads > 8 ? of.threads : 8;
        open_at_once(it, first);
        assert_int_equal(it->refused_resumed, 0);
        if (of.version == TLS1_3_VERSION) // before, one is enough for all
            assert_true(client_available(it->ctx, it->server) >= (size_t)first);
    }
    it->wrong = of.wrong;
    // A wrong password on a full handshake may close the breaker again.
    tsc_stats stats;
    do {
        if (of.full_stock && of.uses->max_wait_ms == 0)
            open_at_once(it, of.threads);
        else
            crowd(it, of.threads, 4 * of.threads);
        stats = client_stats(it->cache);
        if (it->next > too_many)
            fail_msg("TLS %x, %s, %d threads: no end", (unsigned)of.version, of.uses->name,
                     of.threads);
    } while (stats.breaker_opened == stats.breaker_closed);
    const int refused = it->refused_resumed;
    if (refused < 1 || refused > most)
        fail_msg("TLS %x, %s, %d threads, %s stock: %d refused, not 1 to %d", (unsigned)of.version,
                 of.uses->name, of.threads, of.full_stock ? "full" : "empty", refused, most);
    assert_true(stats.login_failed_resumed >= (uint64_t)refused);

    // From here on, full handshakes bring everybody through.
    it->wrong = 0;
    crowd(it, of.threads, of.threads > 20 ? of.threads : 20);
    assert_int_equal(it->refused_resumed, refused);
    assert_true(client_stats(it->cache).withheld > 0);
    pool_leave(it);
}

static void no_more_than_the_budget_is_refused(void **state) {
    (void)state;
    static const policy *const policies[] = {&PLAIN, &REUSES, &WAITS, &WAITS_FOR_TWO};
    for (int v = 0; v < 2; v++) {
        peer *server = peer_haproxy(versions[v], HARMFUL);
        for (int p = 0; p < 4; p++)
            for (int many = 0; many < 2; many++)
                for (int full = 0; full < 2; full++)
                    is_bounded((bounds){.server = server,
                                        .version = versions[v],
                                        .uses = policies[p],
                                        .threads = many ? most_threads() : 1,
                                        .full_stock = full,
                                        .budgets = 1});
        peer_free(server);
    }
}

static void where_passwords_are_wrong_as_well_it_is_a_few_budgets(void **state) {
    (void)state;
    for (int v = 0; v < 2; v++) {
        peer *server = peer_haproxy(versions[v], HARMFUL);
        for (int full = 0; full < 2; full++)
            is_bounded((bounds){.server = server,
                                .version = versions[v],
                                .uses = v ? &REUSES : &PLAIN,
                                .threads = most_threads(),
                                .full_stock = full,
                                .wrong = 10,
                                .budgets = 3});
        is_bounded((bounds){.server = server,
                            .version = versions[v],
                            .uses = &PLAIN,
                            .threads = 1,
                            .wrong = 10,
                            .budgets = 3});
        peer_free(server);
    }
}

// What it does is no answer, and a driver that loses patience says no more than that it failed.
static void a_server_that_says_no_more_costs_no_more_than_the_budget(void **state) {
    (void)state;
    static const peer_harm harms[] = {PEER_IS_SILENT, PEER_CLOSES};
    for (int h = 0; h < 2; h++)
        for (int v = 0; v < 2; v++)
            for (int many = 0; many < 2; many++) {
                peer *server = peer_own(
                    (peer_manner){.tls_version = versions[v], .tickets = 2, .harm = harms[h]});
                is_bounded((bounds){.server = server,
                                    .version = versions[v],
                                    .uses = many ? &REUSES : &PLAIN,
                                    .threads = many ? 8 : 1,
                                    .full_stock = many,
                                    .silent = harms[h] == PEER_IS_SILENT,
                                    .budgets = 1});
                peer_free(server);
            }
}

// The breaker tries again now and then. That, too, is in the budget of each hour.
static void in_each_hour_no_more_than_the_budget_is_refused(void **state) {
    (void)state;
    enum { AN_HOUR = 40, HOURS = 3 };
    for (int v = 0; v < 2; v++) {
        pool *it = pool_new(peer_haproxy(versions[v], HARMFUL), &REUSES);
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
        pool *it = pool_new(peer_haproxy(versions[v], rules), &PLAIN);
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
            pool *it = pool_new(peer_haproxy(versions[v], SOUND), &REUSES);
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
        pool *it = pool_new(peer_haproxy(versions[v], SOUND), &PLAIN);
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
        cmocka_unit_test(a_server_that_says_no_more_costs_no_more_than_the_budget),
        cmocka_unit_test(in_each_hour_no_more_than_the_budget_is_refused),
        cmocka_unit_test(once_the_server_is_repaired_connections_resume),
        cmocka_unit_test(wrong_passwords_keep_nobody_from_resuming),
        cmocka_unit_test(a_password_that_is_wrong_everywhere_locks_nobody_out),
    };
    return cmocka_run_group_tests(tests, peer_setup, peer_teardown);
}
