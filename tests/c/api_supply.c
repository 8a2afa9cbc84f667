/* Waiting for a session that is on its way: the calls, their callbacks, and threads. The rules are
 * in tests/engine/supply.rs, real connections in openssl_supply.c. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "api.h"

#define PATIENCE 60000

static tsc_cache *cache;
static tsc_config *config;

static int set_up(void **state) {
    (void)state;
    cache = new_cache((tsc_options){0});
    config = new_config(cache);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tsc_config_free(config);
    free_cache(cache);
    return 0;
}

/* An attempt on whose handshake others may wait. */
static tsc_attempt *new_leader(void) {
    tsc_attempt *leader = new_attempt(config);
    assert_offers_nothing(leader);
    return leader;
}

static void established_with(tsc_attempt *attempt, const char *session) {
    assert_ok(receive(attempt, TLS13, LONG, session));
    assert_ok(tsc_attempt_established(attempt, 0));
}

/* Waits with a callback that counts its calls. */
static void count_up(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void a_callback_is_called_once(void **state) {
    (void)state;
    atomic_int told[3] = {0};
    tsc_attempt *leader = new_leader(), *attempts[3];
    for (int i = 0; i < 3; i++) {
        attempts[i] = new_attempt(config);
        assert_status(tsc_attempt_wait_callback(attempts[i], PATIENCE, count_up, &told[i]),
                      TSC_WAIT);
        assert_status(tsc_attempt_wait_callback(attempts[i], PATIENCE, count_up, &told[i]),
                      TSC_WRONG_STATE);
    }
    assert_ok(tsc_attempt_wait_end(attempts[1])); /* has had enough */
    established_with(leader, "ticket");
    assert_int_equal(told[0], 1);
    assert_int_equal(told[1] + told[2], 0);
    assert_offers(attempts[0], "ticket");
    assert_status(tsc_attempt_wait_end(attempts[0]), TSC_WRONG_STATE);
    assert_offers_nothing(attempts[1]);
    tsc_attempt_free(attempts[2]); /* ends a wait, too */
    tsc_attempt_free(attempts[1]);
    tsc_attempt_free(attempts[0]);
    tsc_attempt_free(leader);
    assert_int_equal(told[0], 1);
    assert_int_equal(told[1] + told[2], 0);
    assert_int_equal(stats_of(cache).waited, 3);
    assert_int_equal(stats_of(cache).waits_served, 1);
}

static void an_attempt_with_nothing_to_wait_for_goes_at_once(void **state) {
    (void)state;
    atomic_int told = 0;
    int fd = -77;
    tsc_attempt *first = new_attempt(config);
    assert_ok(tsc_attempt_wait_callback(first, PATIENCE, count_up, &told));
    assert_ok(tsc_attempt_wait_fd(first, PATIENCE, &fd));
    assert_ok(tsc_attempt_wait(first, PATIENCE));
    assert_int_equal(fd, -77);
    assert_offers_nothing(first);
    tsc_attempt *hasty = new_attempt(config);
    assert_ok(tsc_attempt_wait(hasty, 0));
    assert_ok(tsc_attempt_wait_fd(hasty, 0, &fd));
    assert_int_equal(fd, -77);
    tsc_attempt_free(hasty);
    established_with(first, "ticket");
    tsc_attempt_free(first);

    tsc_attempt *second = new_attempt(config);
    assert_ok(tsc_attempt_wait_callback(second, PATIENCE, count_up, &told));
    assert_offers(second, "ticket");
    tsc_attempt_free(second);
    assert_int_equal(told, 0);
}

static void a_wait_at_the_wrong_moment_is_refused(void **state) {
    (void)state;
    atomic_int told = 0;
    int fd = -77;
    tsc_attempt *attempt = new_attempt(config);
    assert_status(tsc_attempt_wait_end(attempt), TSC_WRONG_STATE);
    assert_ok(tsc_attempt_sent(attempt));
    assert_status(tsc_attempt_wait(attempt, PATIENCE), TSC_WRONG_STATE);
    assert_status(tsc_attempt_wait_fd(attempt, PATIENCE, &fd), TSC_WRONG_STATE);
    assert_status(tsc_attempt_wait_callback(attempt, PATIENCE, count_up, &told), TSC_WRONG_STATE);
    assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE));
    assert_status(tsc_attempt_wait(attempt, PATIENCE), TSC_WRONG_STATE);
    tsc_attempt_free(attempt);
    assert_int_equal(fd, -77);
    assert_int_equal(told, 0);
}

static void a_descriptor_is_lent_until_the_attempt_is_freed(void **state) {
    (void)state;
    int fd = -1;
    tsc_attempt *leader = new_leader(), *attempt = new_attempt(config);
    assert_status(tsc_attempt_wait_fd(attempt, PATIENCE, &fd), TSC_WAIT);
    struct pollfd readable = {fd, POLLIN, 0};
    assert_int_equal(poll(&readable, 1, 0), 0);
    established_with(leader, "ticket");
    assert_int_equal(poll(&readable, 1, PATIENCE), 1);
    assert_offers(attempt, "ticket");
    assert_int_equal(poll(&readable, 1, PATIENCE), 1); /* and stays so */
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    tsc_attempt_free(attempt);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    tsc_attempt_free(leader);
}

static void closing_or_freeing_the_cache_ends_all_waits(void **state) {
    (void)state;
    for (int freed = 0; freed < 2; freed++) {
        tsc_cache *own = new_cache((tsc_options){0});
        tsc_config *of_own = new_config(own);
        atomic_int told = 0;
        tsc_attempt *leader = new_attempt(of_own), *attempt = new_attempt(of_own);
        assert_offers_nothing(leader);
        assert_status(tsc_attempt_wait_callback(attempt, PATIENCE, count_up, &told), TSC_WAIT);
        if (freed)
            free_cache(own);
        else
            assert_ok(tsc_cache_close(own));
        assert_int_equal(told, 1);
        assert_offers_nothing(attempt);
        tsc_attempt *late = new_attempt(of_own);
        assert_ok(tsc_attempt_wait(late, PATIENCE));
        tsc_attempt_free(late);
        tsc_attempt_free(attempt);
        tsc_attempt_free(leader);
        tsc_config_free(of_own);
        if (!freed)
            free_cache(own);
    }
}

/* Callbacks that call back: each uses the library in the midst of a call of somebody else's. */
typedef struct {
    tsc_attempt *attempt, *leader;
    int told;
} called_back;

static void offer_and_finish(void *arg) {
    called_back *self = arg;
    tsc_session session = {0};
    self->told++;
    if (tsc_attempt_offer(self->attempt, &session, sizeof session) == TSC_OK) {
        receive(self->attempt, TLS13, LONG, "one more");
        tsc_attempt_established(self->attempt, 1); /* which tells the next one, from in here */
    }
    tsc_attempt_free(self->attempt);
}

static void free_all(void *arg) {
    called_back *self = arg;
    self->told++;
    tsc_attempt_free(self->attempt);
    tsc_attempt_free(self->leader); /* whose call this is */
    tsc_clear(cache);
}

static void close_all(void *arg) {
    called_back *self = arg;
    tsc_stats stats;
    self->told++;
    tsc_stats_get(cache, &stats, sizeof stats);
    tsc_cache_close(cache);
}

static void a_callback_may_call_the_library(void **state) {
    (void)state;
    enum { MANY = 200 };
    called_back calls[MANY] = {0};
    tsc_attempt *leader = new_leader();
    for (int i = 0; i < MANY; i++) {
        calls[i].attempt = new_attempt(config);
        assert_status(
            tsc_attempt_wait_callback(calls[i].attempt, PATIENCE, offer_and_finish, &calls[i]),
            TSC_WAIT);
    }
    established_with(leader, "ticket");
    for (int i = 0; i < MANY; i++)
        assert_int_equal(calls[i].told, 1);
    assert_int_equal(stats_of(cache).resumed, MANY);
    tsc_attempt_free(leader);
    assert_ok(tsc_clear(cache));

    called_back freeing = {new_attempt(config), new_leader(), 0};
    assert_status(tsc_attempt_wait_callback(freeing.attempt, PATIENCE, free_all, &freeing),
                  TSC_WAIT);
    established_with(freeing.leader, "ticket");
    assert_int_equal(freeing.told, 1);

    freeing = (called_back){new_attempt(config), new_leader(), 0};
    assert_status(tsc_attempt_wait_callback(freeing.attempt, PATIENCE, free_all, &freeing),
                  TSC_WAIT);
    assert_ok(tsc_attempt_failed(freeing.leader, TSC_FACT_SENT));
    assert_int_equal(freeing.told, 1);

    called_back closing = {new_attempt(config), new_leader(), 0};
    assert_status(tsc_attempt_wait_callback(closing.attempt, PATIENCE, close_all, &closing),
                  TSC_WAIT);
    established_with(closing.leader, "ticket");
    assert_int_equal(closing.told, 1);
    tsc_attempt_free(closing.attempt);
    tsc_attempt_free(closing.leader);
    assert_status(tsc_clear(cache), TSC_CLOSED);
}

/* Threads that all wait for each other, and now and then fail, give up, or go away. */
#define THREADS 8
static atomic_int resumed, wrong;
static int turns;
static pthread_barrier_t start;

static void *visit_and_wait(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg + 1;
    pthread_barrier_wait(&start);
    for (int i = 0; i < turns; i++) {
        random = random * 1664525 + 1013904223;
        tsc_attempt *attempt = new_attempt(config);
        atomic_int told = 0;
        bool waits = false;
        switch (random >> 30) {
        case 0:
            waits = tsc_attempt_wait_callback(attempt, PATIENCE, count_up, &told) == TSC_WAIT;
            /* It may be told at this very moment; then it is told before it is gone. */
            if (waits && tsc_attempt_wait_end(attempt) != TSC_OK)
                while (atomic_load(&told) == 0)
                    ;
            break;
        case 1:
            tsc_attempt_wait(attempt, 1);
            break;
        default:
            tsc_attempt_wait(attempt, PATIENCE);
        }
        tsc_session session = {0};
        const bool offers = tsc_attempt_offer(attempt, &session, sizeof session) == TSC_OK;
        sched_yield(); /* to the others, which may wait for this one */
        switch (random >> 24 & 7) {
        case 0:
            tsc_attempt_failed(attempt, 0);
            break;
        case 1:
            break; /* nobody says how it ended */
        default:
            receive(attempt, TLS13, LONG, "ticket");
            if (tsc_attempt_established(attempt, offers) != TSC_OK)
                atomic_fetch_add(&wrong, 1);
            atomic_fetch_add(&resumed, offers);
        }
        tsc_attempt_free(attempt);
    }
    return NULL;
}

static void threads_wait_for_each_other(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    turns = rounds(4000);
    atomic_store(&resumed, 0);
    pthread_barrier_init(&start, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, visit_and_wait, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&start);
    assert_int_equal(wrong, 0);
    tsc_endpoint to = endpoint("db.example", 9142);
    tsc_forecast forecast;
    assert_ok(tsc_config_forecast(config, &to, sizeof to, &forecast, sizeof forecast));
    assert_int_equal(forecast.waiting + forecast.full_in_flight + forecast.resumed_in_flight, 0);
    tsc_stats stats = stats_of(cache);
    assert_int_equal(stats.resumed, atomic_load(&resumed));
    assert_true(stats.resumed > 0);
    assert_true(stats.waited > 0 || turns < 4000);
    /* Each ticket is somewhere, and only there. */
    assert_int_equal(stats.stored + stats.returned, stats.sessions + stats.offered +
                                                        stats.displaced + stats.evicted +
                                                        stats.expired + stats.removed);
}

static void a_forecast_for_an_unknown_server_knows_nothing(void **state) {
    (void)state;
    tsc_endpoint to = endpoint("db.example", 9142);
    tsc_forecast forecast;
    assert_ok(tsc_config_forecast(config, &to, sizeof to, &forecast, sizeof forecast));
    const tsc_forecast nothing = {
        .tickets_full = TSC_UNKNOWN, .tickets_resumed = TSC_UNKNOWN, .wait_ms = TSC_UNKNOWN};
    assert_memory_equal(&forecast, &nothing, sizeof nothing);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_callback_is_called_once),
        TEST(an_attempt_with_nothing_to_wait_for_goes_at_once),
        TEST(a_wait_at_the_wrong_moment_is_refused),
        TEST(a_descriptor_is_lent_until_the_attempt_is_freed),
        TEST(closing_or_freeing_the_cache_ends_all_waits),
        TEST(a_callback_may_call_the_library),
        TEST(threads_wait_for_each_other),
        TEST(a_forecast_for_an_unknown_server_knows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
