/* One connection attempt: what it offers, what it receives, how it ended. */
#include "api.h"

static driven_clock test_clock;
static tsc_cache *cache;
static tsc_config *config;

static int set_up(void **state) {
    (void)state;
    cache = new_cache((tsc_options){.clock = driven_clock_now,
                                    .clock_arg = &test_clock,
                                    .breaker_failures = UINT32_MAX}); /* attempts fail on purpose */
    config = new_config(cache);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tsc_config_free(config);
    tsc_cache_free(cache);
    return 0;
}

static void staged_until_established(void **state) {
    (void)state;
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(receive(attempt, TLS13, LONG, "first"));
    assert_ok(receive(attempt, TLS13, LONG, "second"));
    assert_int_equal(config_available(config), 0);
    tsc_attempt *early = new_attempt(config);
    assert_offers_nothing(early);
    tsc_attempt_free(early);
    tsc_attempt_info info = info_of(attempt);
    assert_int_equal(info.state, TSC_ATTEMPT_OPEN);
    assert_int_equal(info.received, 2);
    assert_int_equal(info.stored, 0);

    assert_ok(tsc_attempt_established(attempt, 0));
    assert_int_equal(config_available(config), 2);

    /* From here on, straight in. */
    assert_ok(receive(attempt, TLS13, LONG, "third"));
    assert_int_equal(config_available(config), 3);
    info = info_of(attempt);
    assert_int_equal(info.state, TSC_ATTEMPT_ESTABLISHED);
    assert_int_equal(info.received, 3);
    assert_int_equal(info.stored, 3);
    assert_int_equal(info.discarded, 0);
    assert_int_equal(info.offered + info.resumed + info.refused, 0);
    tsc_attempt_free(attempt);

    /* The newest first, each once. */
    const char *expected[] = {"third", "second", "first"};
    for (int i = 0; i < 3; i++) {
        attempt = new_attempt(config);
        assert_offers(attempt, expected[i]);
        assert_offers(attempt, expected[i]); /* the same, however often it is asked for */
        assert_ok(tsc_attempt_sent(attempt));
        assert_ok(tsc_attempt_sent(attempt));
        assert_ok(tsc_attempt_established(attempt, 1));
        info = info_of(attempt);
        assert_int_equal(info.offered, 1);
        assert_int_equal(info.resumed, 1);
        assert_int_equal(info.refused, 0);
        tsc_attempt_free(attempt);
    }
    attempt = new_attempt(config);
    assert_offers_nothing(attempt);
    tsc_attempt_free(attempt);
    tsc_stats stats = stats_of(cache);
    assert_int_equal(stats.offered, 3);
    assert_int_equal(stats.resumed, 3);
    assert_int_equal(stats.established, 4);
    assert_int_equal(stats.stored, 3);
    assert_int_equal(stats.missed, 2);
    assert_int_equal(stats.unfinished, 2);
}

static void a_failed_attempt_publishes_nothing(void **state) {
    (void)state;
    const uint32_t whys[] = {TSC_FAILURE_NOT_SENT, TSC_FAILURE_HANDSHAKE, TSC_FAILURE_TIMEOUT,
                             TSC_FAILURE_LOGIN};
    const uint32_t versions[] = {TLS12, TLS13};
    for (int i = 0; i < 4; i++) {
        tsc_attempt *attempt = new_attempt(config);
        assert_ok(receive(attempt, versions[i % 2], LONG, "staged"));
        assert_ok(tsc_attempt_failed(attempt, whys[i]));
        assert_status(receive(attempt, versions[i % 2], LONG, "later"), TSC_DISCARDED);
        assert_int_equal(config_available(config), 0);
        tsc_attempt_info info = info_of(attempt);
        assert_int_equal(info.state, TSC_ATTEMPT_FAILED);
        assert_int_equal(info.received, 2);
        assert_int_equal(info.discarded, 2);
        assert_int_equal(info.stored, 0);
        tsc_attempt_free(attempt);
    }
    assert_int_equal(config_available(config), 0);
    tsc_stats stats = stats_of(cache);
    assert_int_equal(stats.failed, 4);
    assert_int_equal(stats.discarded_failed, 8);
    assert_int_equal(stats.stored, 0);
}

static void an_attempt_that_nobody_ended_publishes_nothing(void **state) {
    (void)state;
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(receive(attempt, TLS13, LONG, "one"));
    assert_ok(receive(attempt, TLS13, LONG, "two"));
    tsc_attempt_free(attempt);
    assert_int_equal(config_available(config), 0);
    assert_int_equal(stats_of(cache).unfinished, 1);
    assert_int_equal(stats_of(cache).discarded_unfinished, 2);
}

static void it_ends_once(void **state) {
    (void)state;
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_status(tsc_attempt_established(attempt, 0), TSC_WRONG_STATE);
    assert_status(tsc_attempt_established(attempt, 1), TSC_WRONG_STATE);
    assert_status(tsc_attempt_failed(attempt, TSC_FAILURE_HANDSHAKE), TSC_WRONG_STATE);
    assert_int_equal(info_of(attempt).state, TSC_ATTEMPT_ESTABLISHED);
    assert_ok(receive(attempt, TLS12, LONG, "session")); /* still open */
    assert_int_equal(config_available(config), 1);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_ok(tsc_attempt_failed(attempt, TSC_FAILURE_LOGIN));
    assert_status(tsc_attempt_failed(attempt, TSC_FAILURE_LOGIN), TSC_WRONG_STATE);
    assert_status(tsc_attempt_established(attempt, 0), TSC_WRONG_STATE);
    assert_int_equal(info_of(attempt).state, TSC_ATTEMPT_FAILED);
    tsc_attempt_free(attempt);
    assert_int_equal(stats_of(cache).established, 1);
    assert_int_equal(stats_of(cache).failed, 1);
}

static void nothing_offered_cannot_be_resumed(void **state) {
    (void)state;
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(receive(attempt, TLS13, LONG, "ticket"));
    assert_status(tsc_attempt_established(attempt, 1), TSC_INVALID_ARGUMENT);
    assert_int_equal(info_of(attempt).state, TSC_ATTEMPT_OPEN);
    assert_int_equal(config_available(config), 0);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_int_equal(config_available(config), 1);
    tsc_attempt_free(attempt);
}

static void too_late_to_offer(void **state) {
    (void)state;
    full_handshake(config, TLS12, "session");
    tsc_session session = {0};
#define TOO_LATE(call)                                                                             \
    do {                                                                                           \
        tsc_attempt *attempt_ = new_attempt(config);                                               \
        tsc_attempt *attempt = attempt_;                                                           \
        assert_ok(call);                                                                           \
        assert_status(tsc_attempt_offer(attempt_, &session, sizeof session), TSC_WRONG_STATE);     \
        tsc_attempt_free(attempt_);                                                                \
    } while (0)
    TOO_LATE(tsc_attempt_sent(attempt));
    TOO_LATE(receive(attempt, TLS12, LONG, "session"));
    TOO_LATE(tsc_attempt_established(attempt, 0));
    TOO_LATE(tsc_attempt_failed(attempt, TSC_FAILURE_LOGIN));
    TOO_LATE(tsc_attempt_failed(attempt, TSC_FAILURE_NOT_SENT));
    assert_null(session.data);
}

static void a_ticket_that_was_not_sent_goes_back(void **state) {
    (void)state;
    full_handshake(config, TLS13, "ticket");
    for (int i = 0; i < 4; i++) {
        tsc_attempt *attempt = new_attempt(config);
        assert_offers(attempt, "ticket");
        assert_int_equal(config_available(config), 0); /* nobody else gets it */
        if (i % 2)
            assert_ok(tsc_attempt_failed(attempt, TSC_FAILURE_NOT_SENT));
        tsc_attempt_free(attempt);
        assert_int_equal(config_available(config), 1);
        assert_int_equal(stats_of(cache).returned, i + 1);
    }
}

static void receive_too_much(const tsc_attempt *attempt) {
    static const uint8_t much[64 * 1024 + 1];
    tsc_session_info info = {.tls_version = TLS13, .lifetime_seconds = LONG};
    assert_status(tsc_attempt_receive(attempt, &info, sizeof info, much, sizeof much),
                  TSC_TOO_LARGE);
}

static void a_ticket_that_was_sent_does_not(void **state) {
    (void)state;
#define USED_UP(...)                                                                               \
    do {                                                                                           \
        full_handshake(config, TLS13, "ticket");                                                   \
        tsc_attempt *attempt = new_attempt(config);                                                \
        assert_offers(attempt, "ticket");                                                          \
        __VA_ARGS__;                                                                               \
        tsc_attempt_free(attempt);                                                                 \
        assert_int_equal(config_available(config), 0);                                             \
    } while (0)
    USED_UP(assert_ok(tsc_attempt_sent(attempt)));
    USED_UP(assert_ok(receive(attempt, TLS13, LONG, "another")));
    USED_UP(receive_too_much(attempt));
    USED_UP(tsc_attempt_wants_another(attempt));
    USED_UP(assert_ok(tsc_attempt_established(attempt, 1)));
    USED_UP(assert_ok(tsc_attempt_established(attempt, 0)));
    USED_UP(assert_ok(tsc_attempt_failed(attempt, TSC_FAILURE_HANDSHAKE)));
    USED_UP(assert_ok(tsc_attempt_failed(attempt, TSC_FAILURE_TIMEOUT)));
    USED_UP(assert_ok(tsc_attempt_failed(attempt, TSC_FAILURE_LOGIN)));
    /* Said to be sent is sent, whatever is said later. */
    USED_UP(assert_ok(tsc_attempt_sent(attempt));
            tsc_attempt_failed(attempt, TSC_FAILURE_NOT_SENT));
    assert_int_equal(stats_of(cache).returned, 0);
}

static void what_goes_back_is_as_old_as_it_was(void **state) {
    (void)state;
    tsc_attempt *first = new_attempt(config);
    assert_ok(receive(first, TLS13, 10, "old"));
    assert_ok(tsc_attempt_established(first, 0));
    tsc_attempt *attempt = new_attempt(config);
    assert_offers(attempt, "old");
    driven_clock_advance(&test_clock, 1 * SECOND);
    assert_ok(receive(first, TLS13, 10, "new"));
    driven_clock_advance(&test_clock, 4 * SECOND);
    tsc_attempt_free(attempt);
    assert_int_equal(config_available(config), 2);

    /* Behind the newer one. */
    attempt = new_attempt(config);
    assert_offers(attempt, "new");
    assert_ok(tsc_attempt_sent(attempt));
    tsc_attempt_free(attempt);
    attempt = new_attempt(config);
    assert_offers(attempt, "old");

    /* And over, it does not come back. */
    driven_clock_advance(&test_clock, 6 * SECOND);
    assert_ok(tsc_attempt_failed(attempt, TSC_FAILURE_NOT_SENT));
    assert_int_equal(config_available(config), 0);
    assert_int_equal(stats_of(cache).sessions, 0);
    tsc_attempt_free(attempt);
    tsc_attempt_free(first);
}

static void a_refused_ticket_takes_its_lineage_along(void **state) {
    (void)state;
    full_handshake(config, TLS13, "other lineage");
    full_handshake(config, TLS13, "a", "b", "c");

    /* A resumed connection renews the lineage. */
    tsc_attempt *attempt = new_attempt(config);
    assert_offers(attempt, "c");
    assert_ok(receive(attempt, TLS13, LONG, "d"));
    assert_ok(tsc_attempt_established(attempt, 1));
    tsc_attempt_free(attempt);
    assert_int_equal(config_available(config), 4);

    attempt = new_attempt(config);
    assert_offers(attempt, "d");
    assert_ok(receive(attempt, TLS13, LONG, "new lineage"));
    assert_ok(tsc_attempt_established(attempt, 0));
    tsc_attempt_info info = info_of(attempt);
    assert_int_equal(info.refused, 1);
    assert_int_equal(info.resumed, 0);
    tsc_attempt_free(attempt);
    assert_int_equal(config_available(config), 2);
    assert_int_equal(stats_of(cache).refused, 1);
    assert_int_equal(stats_of(cache).removed, 2);

    attempt = new_attempt(config);
    assert_offers(attempt, "new lineage");
    assert_ok(tsc_attempt_established(attempt, 1));
    tsc_attempt_free(attempt);
    attempt = new_attempt(config);
    assert_offers(attempt, "other lineage");
    tsc_attempt_free(attempt);
}

static void a_failure_takes_the_lineage_along_if_it_may_be_to_blame(void **state) {
    (void)state;
    const struct {
        uint32_t why;
        size_t left;
    } cases[] = {{TSC_FAILURE_HANDSHAKE, 1}, {TSC_FAILURE_TIMEOUT, 1}, {TSC_FAILURE_LOGIN, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(tsc_clear(cache));
        full_handshake(config, TLS13, "other lineage");
        full_handshake(config, TLS13, "a", "b", "c");
        tsc_attempt *attempt = new_attempt(config);
        assert_offers(attempt, "c");
        assert_ok(tsc_attempt_failed(attempt, cases[i].why));
        tsc_attempt_free(attempt);
        assert_int_equal(config_available(config), cases[i].left);
    }

    /* Without an offer nobody is to blame. */
    assert_ok(tsc_clear(cache));
    full_handshake(config, TLS13, "a", "b");
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(tsc_attempt_failed(attempt, TSC_FAILURE_HANDSHAKE));
    tsc_attempt_free(attempt);
    assert_int_equal(config_available(config), 2);
}

static void a_reusable_session_is_lent_to_many(void **state) {
    (void)state;
    full_handshake(config, TLS12, "session");
    tsc_attempt *attempts[4];
    for (int i = 0; i < 4; i++) {
        attempts[i] = new_attempt(config);
        assert_offers(attempts[i], "session");
    }
    assert_ok(tsc_attempt_established(attempts[0], 1));
    assert_ok(tsc_attempt_failed(attempts[1], TSC_FAILURE_NOT_SENT));
    assert_ok(tsc_attempt_failed(attempts[2], TSC_FAILURE_LOGIN));
    assert_int_equal(config_available(config), 1);
    assert_ok(tsc_attempt_established(attempts[3], 0)); /* refused */
    assert_int_equal(config_available(config), 0);
    for (int i = 0; i < 4; i++)
        tsc_attempt_free(attempts[i]);
    assert_int_equal(stats_of(cache).offered, 4);
}

static void what_is_lent_stays_while_the_cache_is_cleared(void **state) {
    (void)state;
    full_handshake(config, TLS12, "session");
    tsc_attempt *attempt = new_attempt(config);
    tsc_session session = {0};
    assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
    assert_ok(tsc_attempt_sent(attempt));
    assert_ok(tsc_clear(cache));
    assert_int_equal(config_available(config), 0);
    assert_memory_equal(session.data, "session", 7);
    assert_ok(tsc_attempt_established(attempt, 1));
    tsc_attempt_free(attempt);
}

static void more_is_staged_than_an_endpoint_may_have(void **state) {
    (void)state;
    tsc_cache *small = new_cache((tsc_options){.max_sessions_per_endpoint = 2});
    tsc_config *small_config = new_config(small);
    tsc_attempt *attempt = new_attempt(small_config);
    const char *sessions[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++)
        assert_ok(receive(attempt, TLS13, LONG, sessions[i]));
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_int_equal(config_available(small_config), 2);
    tsc_attempt_info info = info_of(attempt);
    assert_int_equal(info.received, 5);
    assert_int_equal(info.stored + info.discarded, 5);
    /* Another would only take the place of one of the two, while they are there. */
    assert_status(tsc_attempt_wants_another(attempt), TSC_DISCARDED);
    tsc_attempt *next = new_attempt(small_config);
    assert_offers(next, "e");
    assert_ok(tsc_attempt_wants_another(attempt));
    tsc_attempt_free(next);
    info = info_of(attempt);
    assert_int_equal(info.received, 6);
    assert_int_equal(info.stored + info.discarded, 6);
    tsc_attempt_free(attempt);
    attempt = new_attempt(small_config);
    assert_offers(attempt, "e");
    assert_ok(tsc_attempt_failed(attempt, TSC_FAILURE_LOGIN));
    assert_status(tsc_attempt_wants_another(attempt), TSC_DISCARDED);
    tsc_attempt_free(attempt);
    tsc_config_free(small_config);
    tsc_cache_free(small);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(staged_until_established),
        TEST(a_failed_attempt_publishes_nothing),
        TEST(an_attempt_that_nobody_ended_publishes_nothing),
        TEST(it_ends_once),
        TEST(nothing_offered_cannot_be_resumed),
        TEST(too_late_to_offer),
        TEST(a_ticket_that_was_not_sent_goes_back),
        TEST(a_ticket_that_was_sent_does_not),
        TEST(what_goes_back_is_as_old_as_it_was),
        TEST(a_refused_ticket_takes_its_lineage_along),
        TEST(a_failure_takes_the_lineage_along_if_it_may_be_to_blame),
        TEST(a_reusable_session_is_lent_to_many),
        TEST(what_is_lent_stays_while_the_cache_is_cleared),
        TEST(more_is_staged_than_an_endpoint_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
