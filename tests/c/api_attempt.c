/* One connection attempt in C: what its outputs tell, what it is lent and for how long, and what
 * each call answers. What becomes of sessions is told in tests/engine/offer.rs and staging.rs, and
 * for every language in tests/vectors. */
#include "api.h"

static tsc_cache *cache;
static tsc_config *config;

static int set_up(void **state) {
    (void)state;
    cache = new_cache((tsc_options){.max_sessions_per_endpoint = 2});
    config = new_config(cache);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tsc_config_free(config);
    free_cache(cache);
    return 0;
}

#define assert_info(attempt, ...)                                                                  \
    do {                                                                                           \
        const tsc_attempt_info expected_ = {__VA_ARGS__}, told_ = info_of(attempt);                \
        assert_memory_equal(&told_, &expected_, sizeof told_);                                     \
    } while (0)

static void the_info_and_the_statistics_tell_what_became_of_an_attempt(void **state) {
    (void)state;
    tsc_attempt *attempt = new_attempt(config);
    assert_info(attempt, .state = TSC_ATTEMPT_OPEN);
    assert_offers_nothing(attempt);
    assert_ok(receive(attempt, TLS13, LONG, "a"));
    assert_ok(receive(attempt, TLS13, LONG, "b"));
    assert_info(attempt, .state = TSC_ATTEMPT_OPEN, .received = 2,
                .reason = TSC_REASON_NOTHING_STORED);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_ok(receive(attempt, TLS13, LONG, "c"));
    assert_info(attempt, .state = TSC_ATTEMPT_ESTABLISHED, .received = 3, .stored = 3,
                .reason = TSC_REASON_NOTHING_STORED);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_offers(attempt, "c");
    assert_offers(attempt, "c"); /* counts once */
    assert_info(attempt, .state = TSC_ATTEMPT_OPEN, .offered = 1);
    assert_ok(tsc_attempt_sent(attempt));
    assert_ok(tsc_attempt_sent(attempt));
    assert_ok(tsc_attempt_established(attempt, 1));
    assert_info(attempt, .state = TSC_ATTEMPT_ESTABLISHED, .offered = 1, .resumed = 1);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_offers(attempt, "b");
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_info(attempt, .state = TSC_ATTEMPT_ESTABLISHED, .offered = 1, .refused = 1,
                .reason = TSC_REASON_REFUSED);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_ok(receive(attempt, TLS13, LONG, "d"));
    assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE));
    assert_status(receive(attempt, TLS13, LONG, "e"), TSC_DISCARDED);
    assert_info(attempt, .state = TSC_ATTEMPT_FAILED, .received = 2, .discarded = 2);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_ok(receive(attempt, TLS13, LONG, "f"));
    tsc_attempt_free(attempt); /* and nobody said how it ended */
    full_handshake(config, TLS13, "g");
    tsc_attempt_free(new_attempt(config));
    attempt = new_attempt(config);
    assert_offers(attempt, "g");
    assert_ok(tsc_attempt_failed(attempt, 0)); /* goes back */
    tsc_attempt_free(attempt);

    const tsc_stats expected = {.offered = 3,
                                .resumed = 1,
                                .refused = 1,
                                .missed = 1,
                                .stored = 4,
                                .returned = 1,
                                .displaced = 1,
                                .discarded_failed = 2,
                                .discarded_unfinished = 1,
                                .established = 4,
                                .failed = 2,
                                .unfinished = 2,
                                .endpoints = 1,
                                .sessions = 1,
                                .bytes = 1,
                                .taken = 3};
    const tsc_stats told = stats_of(cache);
    assert_memory_equal(&told, &expected, sizeof told);
}

/* A connection that turns out to be another's is none of this endpoint's, and well all the same. */
static void a_withdrawn_attempt_is_counted_and_no_more(void **state) {
    (void)state;
    full_handshake(config, TLS13, "ticket");
    for (int i = 0; i < 3; i++) {
        tsc_attempt *attempt = new_attempt(config);
        assert_offers(attempt, "ticket");
        assert_ok(tsc_attempt_withdraw(attempt));
        assert_info(attempt, .state = TSC_ATTEMPT_OPEN, .offered = 1,
                    .reason = TSC_REASON_OTHER_VERIFICATION);
        assert_int_equal(config_available(config), 1); /* it went back */
        tsc_session session = {0};
        assert_status(tsc_attempt_offer(attempt, &session, sizeof session), TSC_WRONG_STATE);
        assert_status(tsc_attempt_withdraw(attempt), TSC_WRONG_STATE);
        assert_status(tsc_attempt_established(attempt, 1), TSC_INVALID_ARGUMENT);
        assert_status(receive(attempt, TLS13, LONG, "not kept"), TSC_DISCARDED);
        if (i == 0)
            assert_ok(tsc_attempt_established(attempt, 0));
        if (i == 1)
            assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE));
        if (i < 2) {
            assert_status(tsc_attempt_established(attempt, 0), TSC_WRONG_STATE);
            assert_status(tsc_attempt_failed(attempt, TSC_FACT_SENT | TSC_FACT_ALERT),
                          TSC_WRONG_STATE);
            assert_status(receive(attempt, TLS13, LONG, "nor this"), TSC_DISCARDED);
            assert_info(attempt, .state = i ? TSC_ATTEMPT_FAILED : TSC_ATTEMPT_ESTABLISHED,
                        .offered = 1, .received = 2, .discarded = 2,
                        .reason = TSC_REASON_OTHER_VERIFICATION);
        }
        tsc_attempt_free(attempt);
    }
    const tsc_stats told = stats_of(cache);
    assert_int_equal(told.established, 2);
    assert_int_equal(told.failed, 1);
    assert_int_equal(told.unfinished, 1);
    assert_int_equal(told.refused + told.login_failed_resumed + told.handshake_failed_offered, 0);
    assert_int_equal(told.returned, 3);

    /* Without an offer, too; but not once it was sent, or is over. */
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(tsc_attempt_withdraw(attempt));
    assert_info(attempt, .state = TSC_ATTEMPT_OPEN, .reason = TSC_REASON_OTHER_VERIFICATION);
    tsc_attempt_free(attempt);
    attempt = new_attempt(config);
    assert_offers(attempt, "ticket");
    assert_ok(tsc_attempt_sent(attempt));
    assert_status(tsc_attempt_withdraw(attempt), TSC_WRONG_STATE);
    assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT));
    assert_status(tsc_attempt_withdraw(attempt), TSC_WRONG_STATE);
    tsc_attempt_free(attempt);
}

static void an_offer_that_comes_too_late_writes_nothing(void **state) {
    (void)state;
    full_handshake(config, TLS12, "session");
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(tsc_attempt_sent(attempt));
    tsc_session session, untouched;
    memset(&session, 0xA5, sizeof session);
    memset(&untouched, 0xA5, sizeof untouched);
    assert_status(tsc_attempt_offer(attempt, &session, sizeof session), TSC_WRONG_STATE);
    assert_memory_equal(&session, &untouched, sizeof session);
    tsc_attempt_free(attempt);
}

/* The size is known before the session is taken in: that the server answered counts all the same.
 */
static void a_session_that_is_too_large_shows_that_the_ticket_was_sent(void **state) {
    (void)state;
    static const uint8_t much[64 * 1024 + 1];
    full_handshake(config, TLS13, "ticket");
    tsc_attempt *attempt = new_attempt(config);
    assert_offers(attempt, "ticket");
    tsc_session_info info = session_info(TLS13, LONG);
    assert_status(tsc_attempt_receive(attempt, &info, sizeof info, much, sizeof much),
                  TSC_TOO_LARGE);
    tsc_attempt_free(attempt);
    assert_int_equal(config_available(config), 0);
    assert_int_equal(stats_of(cache).returned, 0);
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

static void an_attempt_says_whether_another_session_is_wanted(void **state) {
    (void)state;
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(tsc_attempt_wants_another(attempt));
    assert_ok(receive(attempt, TLS13, LONG, "a"));
    assert_ok(receive(attempt, TLS13, LONG, "b"));
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_status(tsc_attempt_wants_another(attempt), TSC_DISCARDED);
    assert_int_equal(info_of(attempt).received, 3);
    assert_int_equal(info_of(attempt).discarded, 1);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_offers(attempt, "b");
    assert_ok(tsc_attempt_wants_another(attempt)); /* there is room for one again */
    assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE));
    assert_status(tsc_attempt_wants_another(attempt), TSC_DISCARDED);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_ok(tsc_cache_close(cache));
    assert_status(tsc_attempt_wants_another(attempt), TSC_CLOSED);
    tsc_attempt_free(attempt);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_info_and_the_statistics_tell_what_became_of_an_attempt),
        TEST(a_withdrawn_attempt_is_counted_and_no_more),
        TEST(an_offer_that_comes_too_late_writes_nothing),
        TEST(a_session_that_is_too_large_shows_that_the_ticket_was_sent),
        TEST(what_is_lent_stays_while_the_cache_is_cleared),
        TEST(an_attempt_says_whether_another_session_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
