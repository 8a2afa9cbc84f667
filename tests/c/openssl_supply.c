// Waiting for a ticket that is on its way, and leaving alone a server that cannot stand to be
// offered one: over real connections.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "books.h"
#include "peer.h"
#include "tsc_openssl.h"

enum { POOL = 64, PATIENCE_MS = 60000 };

typedef struct {
    tsc_cache *cache;
    SSL_CTX *ctx;
    peer *server;
} fixture;

static fixture set_up(peer_manner manner, tsc_options options) {
    fixture it = {NULL, client_context(), peer_own(manner)};
    assert_int_equal(tsc_cache_new(&options, sizeof options, &it.cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(it.ctx, it.cache, NULL, 0), TSC_OK);
    return it;
}

// For a pool: in a time that stands still no thread stalls, however slow the machine is, and libtsc
// takes no ticket for one that will not come.
static fixture set_up_pool(peer_manner manner, uint32_t flags) {
    static uint64_t now = 1;
    return set_up(manner, (tsc_options){.flags = flags, .clock = client_clock, .clock_arg = &now});
}

static void tear_down(fixture it) {
    SSL_CTX_free(it.ctx);
    free_cache(it.cache);
    peer_free(it.server);
}

static tsc_forecast forecast_of(fixture it) {
    tsc_endpoint endpoint = {.host = (const uint8_t *)"localhost",
                             .host_len = 9,
                             .port = (uint32_t)peer_port(it.server)};
    tsc_forecast forecast;
    assert_int_equal(tsc_config_forecast(tsc_ssl_config(it.ctx), &endpoint, sizeof endpoint,
                                         &forecast, sizeof forecast),
                     TSC_OK);
    return forecast;
}

static const peer_manner DOUBLES = {.tls_version = TLS1_3_VERSION, .tickets = 2, .doubles = true};

// ---- A pool of threads --------------------------------------------------------------------------

typedef struct {
    fixture it;
    atomic_int resumed; // says the server
    atomic_int failed;
} pool;

static void *connect_one(void *argument) {
    pool *self = (pool *)argument;
    char answer[256];
    uint32_t port = (uint32_t)peer_port(self->it.server);
    SSL *ssl = client_ssl(self->it.ctx, client_dial((int)port));
    bool good = tsc_ssl_begin_wait(ssl, "localhost", port, PATIENCE_MS) == TSC_OK &&
                SSL_connect(ssl) == 1 && client_ask(ssl, "/", answer, sizeof answer) > 0 &&
                tsc_ssl_established(ssl) == TSC_OK;
    if (!good)
        atomic_fetch_add(&self->failed, 1);
    else if (strstr(answer, "Reused"))
        atomic_fetch_add(&self->resumed, 1);
    client_close(ssl);
    return NULL;
}

static int resumed_of_threads(fixture it, int count) {
    pool pool = {.it = it};
    pthread_t threads[POOL];
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, connect_one, &pool), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&pool.failed), 0);
    return atomic_load(&pool.resumed);
}

static void a_pool_of_threads_does_one_full_handshake(void **state) {
    (void)state;
    fixture it = set_up_pool(DOUBLES, 0);
    assert_int_equal(resumed_of_threads(it, POOL), POOL - 1);
    tsc_forecast forecast = forecast_of(it);
    assert_int_equal(forecast.tickets_full, 2);
    assert_int_equal(forecast.tickets_resumed, 2);
    assert_int_equal(forecast.waiting + forecast.full_in_flight + forecast.resumed_in_flight, 0);
    tsc_stats stats = client_stats(it.cache);
    assert_int_equal(stats.waited, stats.waits_served);
    assert_true(stats.waited > 0);
    tear_down(it);
}

// As OpenSSL's servers do: two tickets on a full handshake, one on a resumed one.
static void a_pool_does_one_full_handshake_where_the_supply_does_not_grow(void **state) {
    (void)state;
    const peer_manner stands_still = {.tls_version = TLS1_3_VERSION, .tickets = 2};
    fixture it = set_up_pool(stands_still, 0);
    assert_int_equal(resumed_of_threads(it, POOL), POOL - 1);
    tear_down(it);

    it = set_up_pool(stands_still, TSC_REUSE_WHEN_DRY);
    assert_int_equal(resumed_of_threads(it, POOL), POOL - 1);
    assert_true(client_stats(it.cache).reused > 0);
    tear_down(it);
}

static void a_pool_does_one_full_handshake_over_tls12(void **state) {
    (void)state;
    fixture it = set_up_pool((peer_manner){.tls_version = TLS1_2_VERSION}, 0);
    assert_int_equal(resumed_of_threads(it, POOL), POOL - 1);
    tear_down(it);
}

// Line by line what tsc-probe gives to copy (tools/probe/src/settings.rs).
static void the_settings_of_tsc_probe_resume(void **state) {
    (void)state;
    tsc_cache *cache;
    tsc_options options = {.ttl_seconds = 3600};
    tsc_cache_new(&options, sizeof options, &cache);
    fixture it = {cache, client_context(), peer_own(DOUBLES)};
    assert_int_equal(tsc_ssl_attach(it.ctx, cache, NULL, 0), TSC_OK);
    const char *host = "localhost";
    uint32_t port = (uint32_t)peer_port(it.server);
    for (int i = 0; i < 2; i++) {
        char answer[256];
        SSL *ssl = client_ssl(it.ctx, client_dial((int)port));
        tsc_ssl_prepare(ssl, host, port);
        tsc_attempt_wait(tsc_ssl_attempt(ssl), 2000);
        tsc_ssl_offer(ssl);
        assert_int_equal(SSL_connect(ssl), 1);
        assert_true(client_ask(ssl, "/", answer, sizeof answer) > 0);
        assert_int_equal(tsc_ssl_established(ssl), TSC_OK);
        assert_int_equal(SSL_session_reused(ssl), i > 0);
        client_close(ssl);
    }
    tear_down(it);
}

// ---- A pool in one thread, on file descriptors --------------------------------------------------

// One connection as an event loop drives it.
typedef struct {
    SSL *ssl;
    int wait_fd; // -1: it does not wait
    bool began, asked, done;
    char answer[256];
    size_t length;
} task;

static short wanted(SSL *ssl, int result) {
    int error = SSL_get_error(ssl, result);
    assert_true(error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE);
    return error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
}

// Goes on as far as it can without blocking. Gives what is to be polled for; 0 when it is done.
static short go_on(task *self) {
    static const char request[] = "GET /keep HTTP/1.0\r\n\r\n";
    ERR_clear_error();
    if (!self->began) {
        assert_int_equal(tsc_ssl_offer(self->ssl), TSC_OK);
        self->began = true;
    }
    int result = SSL_connect(self->ssl);
    if (result != 1)
        return wanted(self->ssl, result);
    if (!self->asked) {
        assert_int_equal(SSL_write(self->ssl, request, sizeof request - 1), sizeof request - 1);
        self->asked = true;
    }
    while (!strchr(self->answer, 'w') && !strchr(self->answer, 'd')) { // the ends of New and Reused
        result = SSL_read(self->ssl, self->answer + self->length,
                          (int)(sizeof self->answer - 1 - self->length));
        if (result <= 0)
            return wanted(self->ssl, result);
        self->length += (size_t)result;
    }
    assert_int_equal(tsc_ssl_established(self->ssl), TSC_OK);
    self->done = true;
    return 0;
}

static void a_pool_on_an_event_loop_does_one_full_handshake(void **state) {
    (void)state;
    fixture it = set_up_pool(DOUBLES, 0);
    task tasks[POOL];
    struct pollfd polls[POOL];
    memset(tasks, 0, sizeof tasks);
    memset(polls, 0, sizeof polls);
    uint32_t port = (uint32_t)peer_port(it.server);
    for (int i = 0; i < POOL; i++) {
        int fd = client_dial((int)port);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        tasks[i].ssl = client_ssl(it.ctx, fd);
        tasks[i].wait_fd = -1;
        assert_int_equal(tsc_ssl_prepare(tasks[i].ssl, "localhost", port), TSC_OK);
        tsc_status status =
            tsc_attempt_wait_fd(tsc_ssl_attempt(tasks[i].ssl), PATIENCE_MS, &tasks[i].wait_fd);
        // The first goes, and while it is on its way all others wait.
        assert_int_equal(status, i == 0 ? TSC_OK : TSC_WAIT);
        polls[i] =
            i == 0 ? (struct pollfd){fd, POLLOUT, 0} : (struct pollfd){tasks[i].wait_fd, POLLIN, 0};
    }
    for (int open = POOL; open > 0;) {
        assert_true(poll(polls, POOL, PATIENCE_MS) > 0);
        for (int i = 0; i < POOL; i++) {
            if (polls[i].fd < 0 || !polls[i].revents)
                continue;
            short events = go_on(&tasks[i]);
            polls[i] = (struct pollfd){events ? SSL_get_fd(tasks[i].ssl) : -1, events, 0};
            open -= tasks[i].done;
        }
    }
    int resumed = 0;
    for (int i = 0; i < POOL; i++) {
        resumed += strstr(tasks[i].answer, "Reused") != NULL;
        client_close(tasks[i].ssl);
    }
    assert_int_equal(resumed, POOL - 1);
    tear_down(it);
}

static void the_descriptor_is_readable_at_the_deadline(void **state) {
    (void)state;
    fixture it = set_up(DOUBLES, (tsc_options){0});
    uint32_t port = (uint32_t)peer_port(it.server);
    SSL *leader = client_ssl(it.ctx, -1), *other = client_ssl(it.ctx, -1);
    assert_int_equal(tsc_ssl_begin(leader, "localhost", port), TSC_OK);
    assert_int_equal(tsc_ssl_prepare(other, "localhost", port), TSC_OK);
    struct pollfd poll_it = {-1, POLLIN, 0};
    assert_int_equal(tsc_attempt_wait_fd(tsc_ssl_attempt(other), 20, &poll_it.fd), TSC_WAIT);
    assert_int_equal(poll(&poll_it, 1, PATIENCE_MS), 1);
    assert_int_equal(tsc_ssl_offer(other), TSC_OK); // of nothing
    assert_int_equal(forecast_of(it).full_in_flight, 2);
    SSL_free(other);
    SSL_free(leader);
    tear_down(it);
}

// ---- What does not wait -------------------------------------------------------------------------

static void a_server_that_issues_none_makes_nobody_wait_twice(void **state) {
    (void)state;
    fixture it =
        set_up((peer_manner){.tls_version = TLS1_3_VERSION, .tickets = 0}, (tsc_options){0});
    assert_false(client_resumes(it.ctx, it.server));
    assert_int_equal(forecast_of(it).tickets_full, 0);
    assert_int_equal(resumed_of_threads(it, POOL), 0);
    assert_int_equal(client_stats(it.cache).waited, 0);
    tear_down(it);
}

// Not even the first time does the deadline have to pass: what an established connection has not
// brought for a while, it will not.
static void a_first_burst_at_a_server_that_issues_none_ends_before_the_deadline(void **state) {
    (void)state;
    fixture it =
        set_up((peer_manner){.tls_version = TLS1_3_VERSION, .tickets = 0}, (tsc_options){0});
    uint32_t port = (uint32_t)peer_port(it.server);
    SSL *leader = client_ssl(it.ctx, client_dial((int)port));
    assert_int_equal(tsc_ssl_begin(leader, "localhost", port), TSC_OK);
    SSL *waiting[2] = {client_ssl(it.ctx, -1), client_ssl(it.ctx, -1)};
    struct pollfd polls[2] = {{-1, POLLIN, 0}, {-1, POLLIN, 0}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tsc_ssl_prepare(waiting[i], "localhost", port), TSC_OK);
        assert_int_equal(
            tsc_attempt_wait_fd(tsc_ssl_attempt(waiting[i]), 10 * PATIENCE_MS, &polls[i].fd),
            TSC_WAIT);
    }
    assert_int_equal(SSL_connect(leader), 1);
    assert_int_equal(tsc_ssl_established(leader), TSC_OK); // and stays open
    assert_int_equal(poll(&polls[0], 1, PATIENCE_MS), 1);
    assert_int_equal(tsc_ssl_offer(waiting[0]), TSC_OK);
    assert_int_equal(poll(&polls[1], 1, PATIENCE_MS), 1);
    assert_int_equal(tsc_ssl_offer(waiting[1]), TSC_OK);
    assert_int_equal(forecast_of(it).tickets_full, 0);
    SSL_free(waiting[1]);
    SSL_free(waiting[0]);
    client_close(leader);
    tear_down(it);
}

static void preparing_and_offering_out_of_order_is_refused(void **state) {
    (void)state;
    fixture it = set_up(DOUBLES, (tsc_options){0});
    uint32_t port = (uint32_t)peer_port(it.server);
    assert_int_equal(tsc_ssl_prepare(NULL, "localhost", port), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_begin_wait(NULL, "localhost", port, 1), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_offer(NULL), TSC_INVALID_ARGUMENT);
    SSL *ssl = client_ssl(it.ctx, -1);
    assert_int_equal(tsc_ssl_prepare(ssl, NULL, port), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_prepare(ssl, "localhost", 65536), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_offer(ssl), TSC_WRONG_STATE);
    SSL_free(ssl);

    // A session that was kept while the SSL's verification changed is not offered.
    assert_false(client_resumes(it.ctx, it.server));
    ssl = client_ssl(it.ctx, -1);
    assert_int_equal(tsc_ssl_prepare(ssl, "localhost", port), TSC_OK);
    assert_int_equal(tsc_attempt_wait(tsc_ssl_attempt(ssl), 1), TSC_OK);
    assert_int_equal(client_available(it.ctx, it.server), 1);
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    assert_int_equal(tsc_ssl_offer(ssl), TSC_WRONG_STATE);
    assert_null(SSL_get_session(ssl));
    SSL_free(ssl);
    assert_int_equal(client_available(it.ctx, it.server), 2); // it went back

    ssl = client_ssl(it.ctx, client_dial((int)port));
    assert_int_equal(tsc_ssl_prepare(ssl, "localhost", port), TSC_OK);
    assert_int_equal(tsc_ssl_offer(ssl), TSC_OK);
    assert_int_equal(tsc_ssl_offer(ssl), TSC_WRONG_STATE);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_true(SSL_session_reused(ssl));
    assert_int_equal(tsc_ssl_offer(ssl), TSC_WRONG_STATE);
    assert_int_equal(tsc_ssl_prepare(ssl, "localhost", port), TSC_WRONG_STATE);
    client_close(ssl);
    tear_down(it);
}

// ---- A server that cannot stand offers ----------------------------------------------------------

// A visit by a client that does not wait for long where the server hangs. Gives whether it was
// answered.
static bool visit_briefly(fixture it) {
    static const struct timeval brief = {0, 20000};
    char answer[256];
    uint32_t port = (uint32_t)peer_port(it.server);
    int fd = client_dial((int)port);
    SSL *ssl = client_ssl(it.ctx, fd);
    assert_int_equal(tsc_ssl_begin(ssl, "localhost", port), TSC_OK);
    if (SSL_get_session(ssl)) // offered, so there will be no answer
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief), 0);
    bool answered = SSL_connect(ssl) == 1 && client_ask(ssl, "/", answer, sizeof answer) > 0;
    ERR_clear_error();
    assert_int_equal(answered ? tsc_ssl_established(ssl) : tsc_ssl_failed(ssl), TSC_OK);
    client_close(ssl);
    return answered;
}

static void visit_harmful(peer_manner manner) {
    enum { BUDGET = 4 };
    uint64_t now = 1;
    fixture it = set_up(
        manner, (tsc_options){.clock = client_clock, .clock_arg = &now, .failure_budget = BUDGET});
    // Most of the budget goes to finding out that it is the offers that do harm, and the rest to
    // those that try again.
    int failures = 0;
    for (int i = 0; i < 30; i++, now += 1000)
        failures += !visit_briefly(it);
    assert_in_range(failures, 1, BUDGET);
    assert_true(forecast_of(it).breaker_open);
    for (int i = 0; i < 25; i++, now += 60 * 1000)
        failures += !visit_briefly(it);
    assert_int_equal(failures, BUDGET);
    tsc_stats stats = client_stats(it.cache);
    assert_int_equal(stats.handshake_failed_offered, BUDGET);
    assert_int_equal(stats.established, 30 + 25 - BUDGET);
    assert_true(stats.breaker_opened > 0 && stats.withheld > 0);

    // The next hour has a budget of its own.
    now += 61 * 60 * 1000;
    assert_true(visit_briefly(it)); // what was stored has expired
    assert_false(visit_briefly(it));
    assert_true(visit_briefly(it));
    tear_down(it);
}

static void a_server_that_resets_is_left_alone(void **state) {
    (void)state;
    visit_harmful((peer_manner){.tls_version = TLS1_3_VERSION, .tickets = 2, .harm = PEER_RESETS});
    visit_harmful((peer_manner){.tls_version = TLS1_2_VERSION, .harm = PEER_RESETS});
}

static void a_server_that_hangs_is_left_alone(void **state) {
    (void)state;
    visit_harmful((peer_manner){.tls_version = TLS1_3_VERSION, .tickets = 2, .harm = PEER_HANGS});
    visit_harmful((peer_manner){.tls_version = TLS1_2_VERSION, .harm = PEER_HANGS});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_of_threads_does_one_full_handshake),
        cmocka_unit_test(a_pool_does_one_full_handshake_where_the_supply_does_not_grow),
        cmocka_unit_test(a_pool_does_one_full_handshake_over_tls12),
        cmocka_unit_test(the_settings_of_tsc_probe_resume),
        cmocka_unit_test(a_pool_on_an_event_loop_does_one_full_handshake),
        cmocka_unit_test(the_descriptor_is_readable_at_the_deadline),
        cmocka_unit_test(a_server_that_issues_none_makes_nobody_wait_twice),
        cmocka_unit_test(a_first_burst_at_a_server_that_issues_none_ends_before_the_deadline),
        cmocka_unit_test(preparing_and_offering_out_of_order_is_refused),
        cmocka_unit_test(a_server_that_resets_is_left_alone),
        cmocka_unit_test(a_server_that_hangs_is_left_alone),
    };
    return cmocka_run_group_tests(tests, peer_setup, peer_teardown);
}
