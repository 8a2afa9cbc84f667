/* Two handles to one cache, closing, and freeing in every order. */
#include "api.h"

static void a_shared_handle_is_the_same_cache(void **state) {
    (void)state;
    tsc_cache *one = new_cache((tsc_options){0}), *two = NULL;
    assert_ok(tsc_cache_share(one, &two));
    assert_non_null(two);
    assert_ptr_not_equal(one, two);
    assert_ok(put(one, "key", TLS12, LONG, "session"));
    assert_gets(two, "key", "session");

    /* Each owner frees its own; the cache closes with the last. */
    tsc_config *config = new_config(one);
    free_cache(one);
    assert_gets(two, "key", "session");
    full_handshake(config, TLS13, "ticket");
    assert_int_equal(config_available(config), 1);
    free_cache(two);
    assert_int_equal(config_available(config), 0);
    tsc_config_free(config);
}

static void a_closed_cache_answers(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0}), *other = NULL;
    assert_ok(tsc_cache_share(cache, &other));
    tsc_config *config = new_config(cache);
    full_handshake(config, TLS12, "before");
    tsc_attempt *lent = new_attempt(config);
    assert_offers(lent, "before");
    tsc_attempt *staged = new_attempt(config);
    assert_ok(receive(staged, TLS13, LONG, "staged"));
    assert_ok(put(cache, "key", TLS12, LONG, "session"));

    assert_ok(tsc_cache_close(cache));
    assert_ok(tsc_cache_close(cache));
    assert_ok(tsc_cache_close(other));

    /* For all its handles: nothing is kept, and nothing is there. */
    tsc_cache *handles[] = {cache, other};
    for (int i = 0; i < 2; i++) {
        uint8_t buf[8];
        size_t len = 77, count = 77;
        assert_status(put(handles[i], "key", TLS13, LONG, "session"), TSC_CLOSED);
        assert_status(
            tsc_get(handles[i], (const uint8_t *)"key", 3, buf, sizeof buf, &len, NULL, 0),
            TSC_CLOSED);
        assert_int_equal(len, 77);
        tsc_status status = tsc_available(handles[i], (const uint8_t *)"key", 3, &count);
        assert_true(status == TSC_CLOSED ? count == 77 : status == TSC_OK && count == 0);
        status = tsc_remove(handles[i], (const uint8_t *)"key", 3);
        assert_true(status == TSC_CLOSED || status == TSC_NOT_FOUND);
        tsc_config *made = NULL;
        assert_status(tsc_config_new(handles[i], NULL, 0, &made), TSC_CLOSED);
        assert_null(made);
        tsc_stats stats = stats_of(handles[i]);
        assert_int_equal(stats.sessions, 0);
        assert_int_equal(stats.endpoints, 0);
        assert_int_equal(stats.bytes, 0);
        assert_int_equal(stats.stored, 2);
    }

    /* What was lent stays lent, for it may be in use. */
    assert_offers(lent, "before");
    tsc_attempt_free(lent);

    /* A connection goes on as without a cache: no error for its user. */
    assert_ok(tsc_attempt_established(staged, 0));
    assert_status(receive(staged, TLS13, LONG, "late"), TSC_CLOSED);
    tsc_attempt_free(staged);
    tsc_attempt *attempt = new_attempt(config);
    assert_offers_nothing(attempt);
    assert_ok(tsc_attempt_sent(attempt));
    assert_status(receive(attempt, TLS13, LONG, "ticket"), TSC_CLOSED);
    assert_ok(tsc_attempt_established(attempt, 0));
    tsc_attempt_free(attempt);
    assert_int_equal(config_available(config), 0);

    tsc_config_free(config);
    free_cache(cache);
    free_cache(other);
}

static void an_attempt_outlives_what_it_was_made_from(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0}), *other = NULL;
    assert_ok(tsc_cache_share(cache, &other));
    tsc_config_options options = {.identity = (const uint8_t *)"same", .identity_len = 4};
    tsc_config *config = NULL, *same = NULL;
    assert_ok(tsc_config_new(cache, &options, sizeof options, &config));
    tsc_attempt *attempt = new_attempt(config);
    tsc_config_free(config);
    free_cache(cache);
    assert_ok(receive(attempt, TLS12, LONG, "session"));
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_ok(tsc_config_new(other, &options, sizeof options, &same));
    assert_int_equal(config_available(same), 1);
    tsc_attempt_free(attempt);
    tsc_config_free(same);
    free_cache(other);
}

static int released;
static void release(void *object) {
    (void)object;
    released++;
}

/* Every order of freeing cache, config, an attempt that holds a session and one that stages one. */
static void handles_may_be_freed_in_any_order(void **state) {
    (void)state;
    for (int order = 0; order < 24; order++) {
        tsc_cache *cache = new_cache((tsc_options){0});
        tsc_config *config = new_config(cache);
        tsc_session_info info = session_info(TLS13, LONG);
        tsc_attempt *first = new_attempt(config);
        assert_ok(tsc_attempt_receive_object(first, &info, sizeof info, &released, 10, release));
        assert_ok(tsc_attempt_receive_object(first, &info, sizeof info, &released, 10, release));
        assert_ok(tsc_attempt_established(first, 0));
        tsc_attempt_free(first);
        tsc_attempt *holds = new_attempt(config), *stages = new_attempt(config);
        tsc_session session = {0};
        assert_ok(tsc_attempt_offer(holds, &session, sizeof session));
        assert_ok(tsc_attempt_receive_object(stages, &info, sizeof info, &released, 10, release));

        released = 0;
        int left[] = {0, 1, 2, 3};
        for (int remaining = 4, code = order; remaining > 0; code /= remaining, remaining--) {
            int at = code % remaining;
            switch (left[at]) {
            case 0:
                free_cache(cache);
                break;
            case 1:
                tsc_config_free(config);
                break;
            case 2:
                tsc_attempt_free(holds);
                break;
            case 3:
                tsc_attempt_free(stages);
                break;
            }
            left[at] = left[remaining - 1];
        }
        assert_int_equal(released, 3); /* all of them, once each */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shared_handle_is_the_same_cache),
        cmocka_unit_test(a_closed_cache_answers),
        cmocka_unit_test(an_attempt_outlives_what_it_was_made_from),
        cmocka_unit_test(handles_may_be_freed_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
