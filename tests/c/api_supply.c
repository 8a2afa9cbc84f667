/* Waiting for a session that is on its way: the calls, their callbacks, and threads. The rules are
 * in tests/engine/supply.rs, real connections in openssl_supply.c. */
#include <pthread.h>
#include <sched.h>

#ifdef __linux__
#include <fcntl.h>
#include <poll.h>
#endif

#include "api.h"

#define PATIENCE 60000

/* What tsc_attempt_wait_fd answers: descriptors to wait for exist on Linux alone. */
#ifdef __linux__
#define WITH_FD(status) (status)
#else
#define WITH_FD(status) TSC_UNSUPPORTED
#endif

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
    assert_status(tsc_attempt_wait_fd(first, PATIENCE, &fd), WITH_FD(TSC_OK));
    assert_ok(tsc_attempt_wait(first, PATIENCE));
    assert_int_equal(fd, -77);
    assert_offers_nothing(first);
    tsc_attempt *hasty = new_attempt(config);
    assert_ok(tsc_attempt_wait(hasty, 0));
    assert_status(tsc_attempt_wait_fd(hasty, 0, &fd), WITH_FD(TSC_OK));
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
    assert_status(tsc_attempt_wait_fd(attempt, PATIENCE, &fd), WITH_FD(TSC_WRONG_STATE));
    assert_status(tsc_attempt_wait_callback(attempt, PATIENCE, count_up, &told), TSC_WRONG_STATE);
    assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE));
    assert_status(tsc_attempt_wait(attempt, PATIENCE), TSC_WRONG_STATE);
    tsc_attempt_free(attempt);
    assert_int_equal(fd, -77);
    assert_int_equal(told, 0);
}

#ifdef __linux__
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
#else
static void without_descriptors_an_attempt_waits_otherwise(void **state) {
    (void)state;
    int fd = -77;
    atomic_int told = 0;
    tsc_attempt *leader = new_leader(), *attempt = new_attempt(config);
    assert_status(tsc_attempt_wait_fd(attempt, PATIENCE, &fd), TSC_UNSUPPORTED);
    assert_int_equal(fd, -77);
    assert_status(tsc_attempt_wait_callback(attempt, PATIENCE, count_up, &told), TSC_WAIT);
    established_with(leader, "ticket");
    assert_int_equal(told, 1);
    assert_offers(attempt, "ticket");
    tsc_attempt_free(attempt);
    tsc_attempt_free(leader);
}
#endif

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

/* A crowd of attempts whose callbacks each do something that ends the wait of the next. It
 * disperses on a thread with a small stack: one callback must not run within another. */
#define SMALL_STACK (128 * 1024)

typedef struct crowd crowd;

typedef struct {
    crowd *crowd;
    tsc_attempt *attempt;
} member;

struct crowd {
    tsc_cache *cache;
    tsc_config *config;
    tsc_attempt *leader;
    member *members;
    int count, left, told, depth;
};

static void wait_in(crowd *all, member *one, void (*ready)(void *)) {
    one->crowd = all;
    one->attempt = new_attempt(all->config);
    assert_status(tsc_attempt_wait_callback(one->attempt, PATIENCE, ready, one), TSC_WAIT);
}

static void begin_callback(member *one) {
    one->crowd->told++;
    assert_int_equal(one->crowd->depth++, 0);
}

static void end_callback(member *one) {
    one->crowd->depth--;
}

static void frees(void *arg) {
    member *one = arg;
    begin_callback(one);
    tsc_attempt_free(one->attempt);
    one->attempt = NULL;
    end_callback(one);
}

static void lives(void *arg) {
    member *one = arg;
    begin_callback(one);
    assert_offers(one->attempt, "ticket");
    assert_ok(receive(one->attempt, TLS13, LONG, "ticket"));
    assert_ok(tsc_attempt_established(one->attempt, 1));
    tsc_attempt_free(one->attempt);
    one->attempt = NULL;
    end_callback(one);
}

static void waits_again(void *arg) {
    member *one = arg;
    begin_callback(one);
    tsc_attempt_free(one->attempt);
    one->attempt = NULL;
    if (one->crowd->left-- > 0)
        wait_in(one->crowd, one, waits_again);
    end_callback(one);
}

/* The one behind it is about to be told itself, or goes without a word. */
static void cancels_the_next(void *arg) {
    member *one = arg, *next = one + 1;
    begin_callback(one);
    tsc_attempt_free(one->attempt);
    one->attempt = NULL;
    if (next < one->crowd->members + one->crowd->count && next->attempt != NULL &&
        tsc_attempt_wait_end(next->attempt) == TSC_OK) {
        one->crowd->told++;
        tsc_attempt_free(next->attempt);
        next->attempt = NULL;
    }
    end_callback(one);
}

static void clears(void *arg) {
    member *one = arg;
    assert_ok(tsc_clear(one->crowd->cache));
    frees(arg);
}

static void closes(void *arg) {
    member *one = arg;
    assert_ok(tsc_cache_close(one->crowd->cache));
    frees(arg);
}

static void *disperse(void *arg) {
    crowd *all = arg;
    assert_ok(receive(all->leader, TLS13, LONG, "ticket"));
    assert_ok(tsc_attempt_established(all->leader, 0));
    tsc_attempt_free(all->leader);
    return NULL;
}

static void gather_and_disperse(void (*ready)(void *), int more) {
    crowd all = {.count = rounds(10000), .left = more};
    all.cache = new_cache((tsc_options){0});
    all.config = new_config(all.cache);
    all.members = calloc((size_t)all.count, sizeof *all.members);
    assert_non_null(all.members);
    all.leader = new_attempt(all.config);
    assert_offers_nothing(all.leader);
    for (int i = 0; i < all.count; i++)
        wait_in(&all, &all.members[i], ready);
    pthread_t thread;
    pthread_attr_t small;
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, SMALL_STACK), 0);
    assert_int_equal(pthread_create(&thread, &small, disperse, &all), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&small);
    assert_int_equal(all.told, all.count + more);
    for (int i = 0; i < all.count; i++)
        assert_null(all.members[i].attempt);
    free(all.members);
    tsc_config_free(all.config);
    free_cache(all.cache);
}

static void callbacks_run_one_after_the_other(void **state) {
    (void)state;
    gather_and_disperse(frees, 0);
    gather_and_disperse(lives, 0);
    gather_and_disperse(waits_again, rounds(10000));
    gather_and_disperse(cancels_the_next, 0);
    gather_and_disperse(clears, 0);
    gather_and_disperse(closes, 0);
}

/* A callback that blocks holds up other callbacks, and not threads: one that waits is let go before
 * it. */
static tsc_attempt *of_thread;

static void *waits_for_good(void *arg) {
    (void)arg;
    assert_ok(tsc_attempt_wait(of_thread, UINT32_MAX));
    return NULL;
}

static void lets_a_thread_go(void *arg) {
    pthread_t thread = *(pthread_t *)arg;
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_callback_may_wait_for_a_thread_that_waits(void **state) {
    (void)state;
    pthread_t thread;
    tsc_attempt *leader = new_leader(), *first = new_attempt(config);
    of_thread = new_attempt(config);
    assert_status(tsc_attempt_wait_callback(first, PATIENCE, lets_a_thread_go, &thread), TSC_WAIT);
    assert_int_equal(pthread_create(&thread, NULL, waits_for_good, NULL), 0);
    tsc_endpoint to = endpoint("db.example", 9142);
    tsc_forecast forecast = {0};
    while (forecast.waiting < 2)
        assert_ok(tsc_config_forecast(config, &to, sizeof to, &forecast, sizeof forecast));
    assert_ok(tsc_cache_close(cache)); /* ends both waits */
    tsc_attempt_free(of_thread);
    tsc_attempt_free(first);
    tsc_attempt_free(leader);
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

#ifdef __linux__
/* A server that issues nothing, and whoever has a timer finds out for those before it, too: long
 * before their time is over. */
static void whoever_has_a_timer_finds_out_for_all(void **state) {
    (void)state;
    atomic_int told[2] = {0};
    int fds[2] = {-1, -1};
    tsc_attempt *leader = new_leader(), *called = new_attempt(config), *gone = new_attempt(config),
                *polled = new_attempt(config), *last = new_attempt(config);
    assert_status(tsc_attempt_wait_callback(called, UINT32_MAX, count_up, &told[0]), TSC_WAIT);
    assert_status(tsc_attempt_wait_fd(gone, UINT32_MAX, &fds[0]), TSC_WAIT);
    assert_status(tsc_attempt_wait_fd(polled, UINT32_MAX, &fds[1]), TSC_WAIT);
    assert_status(tsc_attempt_wait_callback(last, UINT32_MAX, count_up, &told[1]), TSC_WAIT);
    assert_ok(tsc_attempt_established(leader, 0));
    tsc_attempt_free(gone);
    struct pollfd readable = {fds[1], POLLIN, 0};
    int told_before = 0;
    do { /* the library's clock may be a few milliseconds behind */
        told_before = told[0];
        assert_int_equal(poll(&readable, 1, PATIENCE), 1);
        assert_offers_nothing(polled);
        tsc_endpoint to = endpoint("db.example", 9142);
        tsc_forecast forecast;
        assert_ok(tsc_config_forecast(config, &to, sizeof to, &forecast, sizeof forecast));
    } while (told[1] == 0);
    assert_int_equal(told_before, 0);
    assert_int_equal(told[0], 1);
    assert_int_equal(told[1], 1);
    tsc_attempt_free(last);
    tsc_attempt_free(polled);
    tsc_attempt_free(called);
    tsc_attempt_free(leader);
}
#endif

static void sending_ends_a_wait_and_no_ticket_is_lost(void **state) {
    (void)state;
    atomic_int told = 0;
    tsc_attempt *leader = new_leader(), *sends = new_attempt(config),
                *receives = new_attempt(config);
    assert_status(tsc_attempt_wait_callback(sends, PATIENCE, count_up, &told), TSC_WAIT);
    assert_ok(tsc_attempt_sent(sends));
    assert_status(tsc_attempt_wait_end(sends), TSC_WRONG_STATE);
    assert_status(tsc_attempt_wait_callback(receives, PATIENCE, count_up, &told), TSC_WAIT);
    established_with(leader, "ticket");
    assert_int_equal(told, 1);
    assert_ok(receive(receives, TLS13, LONG, "its own"));
    assert_int_equal(stats_of(cache).sessions, 1);
    tsc_session session = {0};
    assert_status(tsc_attempt_offer(sends, &session, sizeof session), TSC_WRONG_STATE);
    assert_status(tsc_attempt_offer(receives, &session, sizeof session), TSC_WRONG_STATE);
    assert_ok(tsc_attempt_established(sends, 0));
    assert_ok(tsc_attempt_established(receives, 0));
    assert_int_equal(stats_of(cache).sessions, 2);
    assert_int_equal(stats_of(cache).refused, 0);
    tsc_attempt_free(receives);
    tsc_attempt_free(sends);
    tsc_attempt_free(leader);
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
#ifdef __linux__
        TEST(a_descriptor_is_lent_until_the_attempt_is_freed),
#else
        TEST(without_descriptors_an_attempt_waits_otherwise),
#endif
        TEST(closing_or_freeing_the_cache_ends_all_waits),
        TEST(a_callback_may_call_the_library),
        TEST(callbacks_run_one_after_the_other),
        TEST(a_callback_may_wait_for_a_thread_that_waits),
#ifdef __linux__
        TEST(whoever_has_a_timer_finds_out_for_all),
#endif
        TEST(sending_ends_a_wait_and_no_ticket_is_lost),
        TEST(threads_wait_for_each_other),
        TEST(a_forecast_for_an_unknown_server_knows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
