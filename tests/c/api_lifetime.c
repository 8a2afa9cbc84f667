/* How long a session may be offered: the smallest of its own lifetime, the TTL, seven days, the
 * ends of the certificates and the maximum age of its lineage. The clock is driven; nothing waits.
 */
#include <time.h>

#include "api.h"

#define WEEK_SECONDS (7 * 86400)

static driven_clock test_clock;

static tsc_cache *new_driven_cache(uint32_t ttl_seconds, uint32_t max_lineage_age_seconds) {
    atomic_store(&test_clock.ms, 1000 * DAY);
    return new_cache((tsc_options){.ttl_seconds = ttl_seconds,
                                   .max_lineage_age_seconds = max_lineage_age_seconds,
                                   .clock = driven_clock_now,
                                   .clock_arg = &test_clock});
}

/* Stores a session and sees that it can be had until one millisecond before its end, and not one
 * after. A TLS 1.3 session stays in while it is only counted. */
static void assert_lasts(tsc_options options, tsc_session_info info, uint64_t ms) {
    atomic_store(&test_clock.ms, 1000 * DAY);
    options.clock = driven_clock_now;
    options.clock_arg = &test_clock;
    tsc_cache *cache = new_cache(options);
    assert_ok(tsc_put(cache, (const uint8_t *)"key", 3, &info, sizeof info,
                      (const uint8_t *)"session", 7));
    driven_clock_advance(&test_clock, ms - 1);
    assert_int_equal(available(cache, "key"), 1);
    driven_clock_advance(&test_clock, 2);
    assert_int_equal(available(cache, "key"), 0);
    assert_gets_nothing(cache, "key");

    /* The same through a connection, and at the last moment for the offer itself. */
    tsc_config *config = new_config(cache);
    tsc_attempt *first = new_attempt(config);
    assert_ok(tsc_attempt_receive(first, &info, sizeof info, (const uint8_t *)"session", 7));
    assert_ok(tsc_attempt_established(first, 0));
    driven_clock_advance(&test_clock, ms - 1);
    tsc_attempt *second = new_attempt(config);
    tsc_session session = {0};
    assert_ok(tsc_attempt_offer(second, &session, sizeof session));
    assert_int_equal(session.lifetime_seconds, 0); /* less than a whole second is left */
    assert_int_equal(session.age_ms, ms - 1);
    assert_int_equal(session.tls_version, info.tls_version);
    tsc_attempt_free(second); /* goes back */
    driven_clock_advance(&test_clock, 2);
    tsc_attempt *third = new_attempt(config);
    assert_offers_nothing(third);
    tsc_attempt_free(third);
    tsc_attempt_free(first);
    tsc_config_free(config);
    free_cache(cache);
}

static void no_session_outlives_its_own_lifetime(void **state) {
    (void)state;
    assert_lasts((tsc_options){0}, session_info(TLS12, 10), 10 * SECOND);
    assert_lasts((tsc_options){0}, session_info(TLS13, 10), 10 * SECOND);
    assert_lasts((tsc_options){0}, session_info(TLS13, 1), 1 * SECOND);
}

static void no_session_outlives_the_ttl(void **state) {
    (void)state;
    assert_lasts((tsc_options){0}, session_info(TLS13, 86400), 3600 * SECOND);
    assert_lasts((tsc_options){.ttl_seconds = 5}, session_info(TLS13, 86400), 5 * SECOND);
    assert_lasts((tsc_options){.ttl_seconds = 5}, session_info(TLS12, 86400), 5 * SECOND);
    assert_lasts((tsc_options){.ttl_seconds = 7200}, session_info(TLS13, 86400), 7200 * SECOND);
}

static void eight_days_are_cut_to_seven(void **state) {
    (void)state;
    const tsc_options wide = {.ttl_seconds = 30 * 86400, .max_lineage_age_seconds = 30 * 86400};
    assert_lasts(wide, session_info(TLS13, 8 * 86400), 7 * DAY);
    assert_lasts(wide, session_info(TLS12, 8 * 86400), 7 * DAY);
    assert_lasts(wide, session_info(TLS13, UINT32_MAX), 7 * DAY);
    assert_lasts(wide, session_info(TLS13, 6 * 86400), 6 * DAY);
    const tsc_options widest = {.ttl_seconds = UINT32_MAX, .max_lineage_age_seconds = UINT32_MAX};
    assert_lasts(widest, session_info(TLS12, 0), 7 * DAY);
}

static void no_session_outlives_the_maximum_age_of_a_lineage(void **state) {
    (void)state;
    const tsc_options wide = {.ttl_seconds = 30 * 86400};
    assert_lasts(wide, session_info(TLS13, WEEK_SECONDS), 1 * DAY); /* the default */
    const tsc_options narrow = {.max_lineage_age_seconds = 20};
    assert_lasts(narrow, session_info(TLS13, 100), 20 * SECOND);
}

static void a_lifetime_of_zero_discards_in_tls13_and_says_nothing_in_tls12(void **state) {
    (void)state;
    tsc_cache *cache = new_driven_cache(0, 0);
    tsc_config *config = new_config(cache);
    tsc_attempt *attempt = new_attempt(config);

    /* TLS 1.3: discard at once. */
    assert_status(put(cache, "key", TLS13, 0, "session"), TSC_DISCARDED);
    assert_gets_nothing(cache, "key");
    assert_status(receive(attempt, TLS13, 0, "session"), TSC_DISCARDED);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_status(receive(attempt, TLS13, 0, "session"), TSC_DISCARDED);
    assert_int_equal(config_available(config), 0);
    assert_int_equal(stats_of(cache).discarded_lifetime, 3);
    assert_int_equal(stats_of(cache).stored, 0);
    assert_int_equal(info_of(attempt).discarded, 2);

    /* TLS 1.2: the server said nothing. */
    assert_lasts((tsc_options){.ttl_seconds = 50}, session_info(TLS12, 0), 50 * SECOND);
    assert_lasts((tsc_options){0}, session_info(0x0301, 0), 3600 * SECOND);

    tsc_attempt_free(attempt);
    tsc_config_free(config);
    free_cache(cache);
}

static void an_expired_session_frees_its_place(void **state) {
    (void)state;
    tsc_cache *cache = new_driven_cache(10, 0);
    for (int i = 0; i < 3; i++)
        assert_ok(put(cache, "key", TLS13, LONG, "session"));
    driven_clock_advance(&test_clock, 11 * SECOND);
    assert_gets_nothing(cache, "key");
    tsc_stats stats = stats_of(cache);
    assert_int_equal(stats.expired, 3);
    assert_int_equal(stats.sessions, 0);
    assert_int_equal(stats.bytes, 0);
    assert_int_equal(stats.endpoints, 0);
    assert_int_equal(stats.missed, 1);
    free_cache(cache);
}

/* Or at once, if the caller asks. */
static void expired_sessions_are_given_back_when_asked(void **state) {
    (void)state;
    tsc_cache *cache = new_driven_cache(10, 0);
    char key[16];
    size_t count = 77;
    for (int i = 0; i < 90; i++) {
        snprintf(key, sizeof key, "key %d", i);
        assert_ok(put(cache, key, TLS13, LONG, "session"));
        if (i == 59)
            driven_clock_advance(&test_clock, 5 * SECOND);
    }
    assert_ok(tsc_clear_expired(cache, &count));
    assert_int_equal(count, 0);
    driven_clock_advance(&test_clock, 5 * SECOND);
    assert_int_equal(stats_of(cache).sessions, 90);
    assert_ok(tsc_clear_expired(cache, &count));
    assert_int_equal(count, 60);
    assert_int_equal(stats_of(cache).sessions, 30);
    assert_int_equal(stats_of(cache).expired, 60);
    driven_clock_advance(&test_clock, 5 * SECOND);
    assert_ok(tsc_clear_expired(cache, NULL));
    assert_int_equal(stats_of(cache).bytes, 0);
    assert_ok(tsc_cache_close(cache));
    assert_status(tsc_clear_expired(cache, &count), TSC_CLOSED);
    assert_int_equal(count, 60);
    free_cache(cache);
}

/* Nobody asks for them again, but the bytes come back while others use the cache. */
static void expired_sessions_are_given_back_in_passing(void **state) {
    (void)state;
    tsc_cache *cache = new_driven_cache(10, 0);
    char key[16];
    for (int i = 0; i < 90; i++) {
        snprintf(key, sizeof key, "old %d", i);
        assert_ok(put(cache, key, TLS12, LONG, "session"));
    }
    driven_clock_advance(&test_clock, 11 * SECOND);
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "new %d", i);
        assert_ok(put(cache, key, TLS13, LONG, "session"));
        assert_gets(cache, key, "session");
    }
    assert_int_equal(stats_of(cache).sessions, 0);
    assert_int_equal(stats_of(cache).expired, 90);
    free_cache(cache);
}

static void no_session_outlives_the_servers_certificate(void **state) {
    (void)state;
    tsc_cache *cache = new_driven_cache(0, 0);
    tsc_config *config = new_config(cache);
    const int64_t now = time(NULL);
    tsc_session_info info = session_info(TLS13, LONG);
    const uint8_t data[] = "session";

    /* Over already, on arrival. */
    const int64_t over[] = {1, now - 100};
    for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
        info.not_after = over[i];
        assert_status(tsc_put(cache, data, 7, &info, sizeof info, data, 7), TSC_DISCARDED);
        tsc_attempt *attempt = new_attempt(config);
        assert_status(tsc_attempt_receive(attempt, &info, sizeof info, data, 7), TSC_DISCARDED);
        tsc_attempt_free(attempt);
    }

    /* In a hundred seconds, give or take the second in which the test runs. */
    info.not_after = now + 100;
    assert_ok(tsc_put(cache, data, 7, &info, sizeof info, data, 7));
    driven_clock_advance(&test_clock, 90 * SECOND);
    assert_int_equal(available(cache, "session"), 1);
    driven_clock_advance(&test_clock, 11 * SECOND);
    assert_int_equal(available(cache, "session"), 0);

    /* Far away: no limit, and no overflow. */
    info.not_after = INT64_MAX;
    assert_lasts((tsc_options){0}, info, 3600 * SECOND);

    /* Where only the connection knows: for what came before and what comes after. */
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(receive(attempt, TLS13, LONG, "before"));
    assert_ok(tsc_attempt_set_not_after(attempt, time(NULL) + 100));
    assert_ok(receive(attempt, TLS13, LONG, "after"));
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_ok(receive(attempt, TLS13, LONG, "late"));
    driven_clock_advance(&test_clock, 90 * SECOND);
    assert_int_equal(config_available(config), 3);
    driven_clock_advance(&test_clock, 11 * SECOND);
    assert_int_equal(config_available(config), 0);
    tsc_attempt_free(attempt);

    tsc_config_free(config);
    free_cache(cache);
}

static void no_session_outlives_the_clients_certificate(void **state) {
    (void)state;
    tsc_cache *cache = new_driven_cache(0, 0);
    tsc_config_options options = {.client_not_after = time(NULL) + 100};
    tsc_config *config = NULL;
    assert_ok(tsc_config_new(cache, &options, sizeof options, &config));
    full_handshake(config, TLS13, "session");
    driven_clock_advance(&test_clock, 90 * SECOND);
    assert_int_equal(config_available(config), 1);
    driven_clock_advance(&test_clock, 11 * SECOND);
    assert_int_equal(config_available(config), 0);
    tsc_config_free(config);

    options.client_not_after = 1;
    assert_ok(tsc_config_new(cache, &options, sizeof options, &config));
    tsc_attempt *attempt = new_attempt(config);
    assert_status(receive(attempt, TLS13, LONG, "session"), TSC_DISCARDED);
    tsc_attempt_free(attempt);
    tsc_config_free(config);
    free_cache(cache);
}

/* Each connection resumes with the ticket of the one before and gets a new one that would last for
 * long: renewal does not carry a lineage past its age. */
static void a_lineage_ends_however_often_it_is_renewed(void **state) {
    (void)state;
    const uint32_t versions[] = {TLS12, TLS13};
    for (size_t i = 0; i < 2; i++) {
        tsc_cache *cache = new_driven_cache(3600, 100);
        tsc_config *config = new_config(cache);
        full_handshake(config, versions[i], "first");
        for (int second = 10; second < 100; second += 10) {
            driven_clock_advance(&test_clock, 10 * SECOND);
            tsc_attempt *attempt = new_attempt(config);
            tsc_session session = {0};
            assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
            assert_int_equal(session.lifetime_seconds, 100 - second);
            assert_ok(receive(attempt, versions[i], LONG, "renewed"));
            assert_ok(tsc_attempt_established(attempt, 1));
            tsc_attempt_free(attempt);
        }
        driven_clock_advance(&test_clock, 9999);
        assert_int_equal(config_available(config), 1);
        driven_clock_advance(&test_clock, 2);
        assert_int_equal(config_available(config), 0);

        /* What a full handshake brings is a lineage of its own. */
        tsc_attempt *attempt = new_attempt(config);
        assert_offers_nothing(attempt);
        assert_ok(receive(attempt, versions[i], LONG, "fresh"));
        assert_ok(tsc_attempt_established(attempt, 0));
        tsc_attempt_free(attempt);
        driven_clock_advance(&test_clock, 99 * SECOND);
        assert_int_equal(config_available(config), 1);
        tsc_config_free(config);
        free_cache(cache);
    }
}

/* What an attempt stages does not get older by the wait: it counts from when it came. */
static void a_staged_session_ages(void **state) {
    (void)state;
    tsc_cache *cache = new_driven_cache(10, 0);
    tsc_config *config = new_config(cache);
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(receive(attempt, TLS13, LONG, "session"));
    driven_clock_advance(&test_clock, 6 * SECOND);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_int_equal(config_available(config), 1);
    driven_clock_advance(&test_clock, 5 * SECOND);
    assert_int_equal(config_available(config), 0);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_ok(receive(attempt, TLS13, LONG, "session"));
    driven_clock_advance(&test_clock, 11 * SECOND);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_int_equal(config_available(config), 0);
    assert_int_equal(info_of(attempt).stored, 0);
    tsc_attempt_free(attempt);
    tsc_config_free(config);
    free_cache(cache);
}

/* A clock must not do it; if it does, nothing is offered for longer than allowed, and nothing
 * breaks. */
static void a_clock_that_jumps_breaks_nothing(void **state) {
    (void)state;
    tsc_cache *cache = new_driven_cache(10, 0);
    const uint64_t start = atomic_load(&test_clock.ms);
    assert_ok(put(cache, "key", TLS12, LONG, "session"));

    atomic_store(&test_clock.ms, start - 5 * SECOND);
    tsc_session_info info = {0};
    uint8_t buf[8];
    size_t len = 0;
    assert_ok(tsc_get(cache, (const uint8_t *)"key", 3, buf, sizeof buf, &len, &info, sizeof info));
    assert_true(info.age_ms <= 5 * SECOND);
    atomic_store(&test_clock.ms, 0);
    assert_ok(put(cache, "other", TLS13, LONG, "session"));
    assert_gets(cache, "other", "session");

    /* Ahead: over. Back again: still gone, for it was asked for meanwhile. */
    atomic_store(&test_clock.ms, start + 11 * SECOND);
    assert_gets_nothing(cache, "key");
    atomic_store(&test_clock.ms, start);
    assert_gets_nothing(cache, "key");

    /* To the ends of the range. */
    const uint64_t ends[] = {UINT64_MAX, 0, UINT64_MAX - 1, UINT64_MAX / 2, 1};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        atomic_store(&test_clock.ms, ends[i]);
        tsc_status status = put(cache, "key", TLS13, LONG, "session");
        assert_true(status == TSC_OK || status == TSC_DISCARDED);
        char session[64];
        status = get(cache, "key", session);
        assert_true(status == TSC_OK || status == TSC_NOT_FOUND);
        stats_of(cache);
    }
    free_cache(cache);
}

static void time_passes_without_a_clock_of_the_callers(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    assert_ok(put(cache, "key", TLS12, LONG, "session"));
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    tsc_session_info info = {0};
    do { /* until 20 ms were counted, which by the machine's clock takes no three seconds */
        uint8_t buf[8];
        size_t len = 0;
        clock_gettime(CLOCK_MONOTONIC, &now); /* before, since this thread may be held up */
        assert_ok(
            tsc_get(cache, (const uint8_t *)"key", 3, buf, sizeof buf, &len, &info, sizeof info));
        assert_true(info.age_ms >= 20 || now.tv_sec - began.tv_sec < 3);
    } while (info.age_ms < 20);
    free_cache(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_session_outlives_its_own_lifetime),
        cmocka_unit_test(no_session_outlives_the_ttl),
        cmocka_unit_test(eight_days_are_cut_to_seven),
        cmocka_unit_test(no_session_outlives_the_maximum_age_of_a_lineage),
        cmocka_unit_test(a_lifetime_of_zero_discards_in_tls13_and_says_nothing_in_tls12),
        cmocka_unit_test(an_expired_session_frees_its_place),
        cmocka_unit_test(expired_sessions_are_given_back_when_asked),
        cmocka_unit_test(expired_sessions_are_given_back_in_passing),
        cmocka_unit_test(no_session_outlives_the_servers_certificate),
        cmocka_unit_test(no_session_outlives_the_clients_certificate),
        cmocka_unit_test(a_lineage_ends_however_often_it_is_renewed),
        cmocka_unit_test(a_staged_session_ages),
        cmocka_unit_test(a_clock_that_jumps_breaks_nothing),
        cmocka_unit_test(time_passes_without_a_clock_of_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
