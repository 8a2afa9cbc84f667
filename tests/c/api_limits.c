/* Limits are exact: one more is over, one less is not. The least recently used endpoint goes first.
 */
#include "api.h"

static void no_object(void *object) {
    (void)object;
}

static void keys_may_be_as_long_as_the_limit_and_no_longer(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    tsc_session_info info = session_info(TLS13, LONG);
    uint8_t key[TSC_MAX_KEY + 1] = {0}; /* not a string: zeros are as good as any byte */
    uint8_t data[4] = {'d', 'a', 't', 'a'}, got[4];
    size_t len = 0, count = 0;

    assert_ok(tsc_put(cache, key, TSC_MAX_KEY, &info, sizeof info, data, 4));
    assert_ok(tsc_available(cache, key, TSC_MAX_KEY, &count));
    assert_int_equal(count, 1);
    assert_status(tsc_get(cache, key, TSC_MAX_KEY - 1, got, 4, &len, NULL, 0), TSC_NOT_FOUND);
    assert_ok(tsc_get(cache, key, TSC_MAX_KEY, got, 4, &len, NULL, 0));
    assert_ok(tsc_put(cache, key, TSC_MAX_KEY, &info, sizeof info, data, 4));
    assert_ok(tsc_remove(cache, key, TSC_MAX_KEY));

    len = count = 77;
    const size_t over = sizeof key;
    assert_status(tsc_put(cache, key, over, &info, sizeof info, data, 4), TSC_TOO_LARGE);
    assert_status(tsc_get(cache, key, over, got, 4, &len, NULL, 0), TSC_TOO_LARGE);
    assert_status(tsc_available(cache, key, over, &count), TSC_TOO_LARGE);
    assert_status(tsc_remove(cache, key, over), TSC_TOO_LARGE);
    void *object = NULL;
    assert_status(tsc_get_object(cache, key, over, &object, no_object, NULL, 0), TSC_TOO_LARGE);
    assert_int_equal(len, 77);
    assert_int_equal(count, 77);
    free_cache(cache);
}

static void names_may_be_as_long_as_the_limit_and_no_longer(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    tsc_config *config = new_config(cache);
    uint8_t name[TSC_MAX_NAME + 1];
    memset(name, 'n', sizeof name);
    tsc_endpoint longest = {.host = name,
                            .host_len = TSC_MAX_NAME,
                            .server_name = name,
                            .server_name_len = TSC_MAX_NAME,
                            .group = name,
                            .group_len = TSC_MAX_NAME,
                            .port = 65535};
    const char *sessions[] = {"session"};
    const tsc_session_info info = {.tls_version = TLS12, .lifetime_seconds = 100};
    full_handshake_to(config, longest, TLS12, sessions, 1);
    assert_int_equal(available_to(config, longest), 1);

    for (int which = 0; which < 3; which++) {
        tsc_endpoint over = longest;
        *(which == 0 ? &over.host_len : which == 1 ? &over.server_name_len : &over.group_len) += 1;
        tsc_attempt *attempt = NULL;
        size_t count = 77;
        assert_status(tsc_attempt_new(config, &over, sizeof over, &attempt), TSC_TOO_LARGE);
        assert_status(tsc_config_available(config, &over, sizeof over, &count), TSC_TOO_LARGE);
        tsc_forecast forecast;
        assert_status(tsc_config_forecast(config, &over, sizeof over, &forecast, sizeof forecast),
                      TSC_TOO_LARGE);
        assert_status(tsc_config_put(config, &over, sizeof over, &info, sizeof info, name, 1),
                      TSC_TOO_LARGE);
        assert_status(
            tsc_config_get(config, &over, sizeof over, name, sizeof name, &count, NULL, 0),
            TSC_TOO_LARGE);
        assert_status(tsc_config_remove(config, &over, sizeof over), TSC_TOO_LARGE);
        void *object = &count;
        assert_status(
            tsc_config_get_object(config, &over, sizeof over, &object, no_object, NULL, 0),
            TSC_TOO_LARGE);
        assert_status(tsc_config_put_object(config, &over, sizeof over, &info, sizeof info, object,
                                            1, no_object),
                      TSC_TOO_LARGE);
        assert_null(attempt);
        assert_int_equal(count, 77);
    }

    tsc_config *other = NULL;
    tsc_config_options options = {.identity = name, .identity_len = TSC_MAX_NAME + 1};
    assert_status(tsc_config_new(cache, &options, sizeof options, &other), TSC_TOO_LARGE);
    assert_null(other);
    options.identity_len--;
    assert_ok(tsc_config_new(cache, &options, sizeof options, &other));
    tsc_config_free(other);
    tsc_config_free(config);
    free_cache(cache);
}

static void never_released(void *object) {
    (void)object;
    fail_msg("released, but never taken");
}

static void sessions_may_be_as_large_as_the_limit_and_no_larger(void **state) {
    (void)state;
    static uint8_t data[65537], got[65537];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31);

    const struct {
        tsc_options options;
        size_t largest;
    } cases[] = {
        {{0}, 65536},
        {{.max_session_bytes = 1}, 1},
        {{.max_session_bytes = 5000}, 5000},
        {{.max_bytes = 3000}, 3000}, /* larger than all sessions together may be */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t largest = cases[i].largest;
        tsc_cache *cache = new_cache(cases[i].options);
        assert_ok(put_bytes(cache, "key", TLS12, data, largest));
        assert_status(put_bytes(cache, "key", TLS12, data, largest + 1), TSC_TOO_LARGE);
        size_t len = 0;
        assert_ok(tsc_get(cache, (const uint8_t *)"key", 3, got, sizeof got, &len, NULL, 0));
        assert_int_equal(len, largest);
        assert_memory_equal(got, data, largest);

        tsc_config *config = new_config(cache);
        tsc_attempt *attempt = new_attempt(config);
        tsc_session_info info = session_info(TLS12, LONG);
        assert_status(tsc_attempt_receive(attempt, &info, sizeof info, data, largest + 1),
                      TSC_TOO_LARGE);
        assert_status(tsc_attempt_receive_object(attempt, &info, sizeof info, data, largest + 1,
                                                 never_released),
                      TSC_TOO_LARGE);
        assert_int_equal(stats_of(cache).discarded_too_large, 3);
        assert_ok(tsc_attempt_receive(attempt, &info, sizeof info, data, largest));
        tsc_attempt_free(attempt);
        tsc_config_free(config);
        free_cache(cache);
    }
}

static void a_buffer_that_is_too_small_loses_nothing(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    const uint8_t key[] = "key";
    assert_ok(put(cache, "key", TLS13, LONG, "session"));
    for (size_t cap = 0; cap < 7; cap++) {
        uint8_t buf[8];
        memset(buf, 0xA5, sizeof buf);
        tsc_session_info info;
        memset(&info, 0xA5, sizeof info);
        size_t len = 0;
        assert_status(tsc_get(cache, key, 3, cap ? buf : NULL, cap, &len, &info, sizeof info),
                      TSC_TOO_SMALL);
        assert_int_equal(len, 7);
        for (size_t i = 0; i < sizeof buf; i++)
            assert_int_equal(buf[i], 0xA5);
        for (size_t i = 0; i < sizeof info; i++)
            assert_int_equal(((uint8_t *)&info)[i], 0xA5);
        assert_int_equal(available(cache, "key"), 1);
    }
    uint8_t buf[7];
    size_t len = 0;
    assert_ok(tsc_get(cache, key, 3, buf, 7, &len, NULL, 0));
    assert_int_equal(len, 7);
    assert_memory_equal(buf, "session", 7);
    assert_gets_nothing(cache, "key");
    assert_int_equal(stats_of(cache).offered, 1);
    free_cache(cache);
}

/* Keys "0", "1", ... */
static const char *number(int n) {
    static char text[16];
    snprintf(text, sizeof text, "%d", n);
    return text;
}

static void no_endpoint_goes_while_there_is_room(void **state) {
    (void)state;
    const int sizes[] = {1, 2, 7, 90, 100, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int size = sizes[i];
        tsc_cache *cache = new_cache((tsc_options){.max_endpoints = (uint32_t)size});
        for (int n = 0; n < size; n++)
            assert_ok(put(cache, number(n), TLS12, LONG, "session"));
        for (int n = 0; n < size; n++)
            assert_gets(cache, number(n), "session");
        assert_int_equal(stats_of(cache).endpoints, size);
        assert_int_equal(stats_of(cache).evicted, 0);
        free_cache(cache);
    }
}

static void the_default_is_a_hundred_endpoints(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    for (int n = 0; n < 101; n++)
        assert_ok(put(cache, number(n), TLS12, LONG, "session"));
    assert_int_equal(stats_of(cache).endpoints, 100);
    assert_int_equal(stats_of(cache).evicted, 1);
    assert_gets_nothing(cache, "0");
    assert_gets(cache, "1", "session");
    free_cache(cache);
}

/* Against a plain model: an array in the order of use. */
static void the_least_recently_used_endpoint_goes_first(void **state) {
    (void)state;
    const int sizes[] = {1, 2, 3, 8, 16};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int size = sizes[i];
        tsc_cache *cache = new_cache((tsc_options){.max_endpoints = (uint32_t)size});
        int used[16], count = 0; /* the most recently used last */
        uint32_t random = 12345;
        for (int step = 0; step < rounds(4000); step++) {
            random = random * 1664525 + 1013904223;
            const int key = (int)(random >> 16) % (2 * size);
            const bool puts = random >> 31;
            int at = 0;
            while (at < count && used[at] != key)
                at++;
            if (!puts && at == count) {
                assert_gets_nothing(cache, number(key));
                continue;
            }
            if (puts)
                assert_ok(put(cache, number(key), TLS12, LONG, "session"));
            else
                assert_gets(cache, number(key), "session");
            if (at == count && count == size)
                at = 0; /* a new one takes the place of the one that was used the longest ago */
            else if (at == count)
                count++;
            memmove(used + at, used + at + 1, sizeof *used * (size_t)(count - at - 1));
            used[count - 1] = key;
            assert_int_equal(stats_of(cache).endpoints, count);
        }
        free_cache(cache);
    }
}

static void an_endpoint_keeps_its_newest_sessions_up_to_the_limit(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.max_sessions_per_endpoint = 3});
    for (int n = 0; n < 5; n++)
        assert_ok(put(cache, "key", TLS13, LONG, number(n)));
    assert_int_equal(available(cache, "key"), 3);
    assert_int_equal(stats_of(cache).displaced, 2);
    assert_gets(cache, "key", "4"); /* the newest first, the oldest are gone */
    assert_gets(cache, "key", "3");
    assert_gets(cache, "key", "2");
    assert_gets_nothing(cache, "key");
    free_cache(cache);

    cache = new_cache((tsc_options){0});
    for (int n = 0; n < 65; n++)
        assert_ok(put(cache, "key", TLS13, LONG, number(n)));
    assert_int_equal(available(cache, "key"), 64);
    free_cache(cache);
}

static void a_renewed_reusable_session_replaces_the_old_one(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    assert_ok(put(cache, "key", TLS12, LONG, "old"));
    assert_ok(put(cache, "key", TLS12, LONG, "new"));
    assert_int_equal(available(cache, "key"), 1);
    assert_gets(cache, "key", "new");
    assert_gets(cache, "key", "new");
    assert_int_equal(stats_of(cache).displaced, 1);
    assert_int_equal(stats_of(cache).bytes, 3);
    free_cache(cache);
}

static void the_bytes_of_all_sessions_are_limited(void **state) {
    (void)state;
    static const uint8_t data[1000];
    tsc_cache *cache = new_cache((tsc_options){.max_bytes = 10000});
    for (int n = 0; n < 10; n++)
        assert_ok(put_bytes(cache, number(n), TLS12, data, sizeof data));
    assert_int_equal(stats_of(cache).bytes, 10000);
    assert_int_equal(stats_of(cache).evicted, 0);

    /* One byte more, and the one used the longest ago goes: not "0", which was just used. */
    size_t len = 0;
    uint8_t got[1000];
    assert_ok(tsc_get(cache, (const uint8_t *)"0", 1, got, sizeof got, &len, NULL, 0));
    assert_ok(put_bytes(cache, "10", TLS12, data, 1));
    assert_int_equal(stats_of(cache).bytes, 9001);
    assert_int_equal(stats_of(cache).evicted, 1);
    assert_int_equal(available(cache, "1"), 0);
    assert_int_equal(available(cache, "0"), 1);

    /* A session as large as the limit is alone. */
    assert_ok(put_bytes(cache, "11", TLS12, (uint8_t[10000]){0}, 10000));
    assert_int_equal(stats_of(cache).bytes, 10000);
    assert_int_equal(stats_of(cache).endpoints, 1);
    assert_int_equal(available(cache, "11"), 1);

    assert_ok(tsc_clear(cache));
    assert_int_equal(stats_of(cache).bytes, 0);
    free_cache(cache);
}

static void the_bytes_of_one_endpoint_are_limited_too(void **state) {
    (void)state;
    static const uint8_t data[100];
    tsc_cache *cache = new_cache((tsc_options){.max_bytes = 1000});
    for (int n = 0; n < 25; n++) {
        assert_ok(put_bytes(cache, "key", TLS13, data, sizeof data));
        assert_true(stats_of(cache).bytes <= 1000);
    }
    /* The newest can be had, whatever went for it. */
    assert_true(available(cache, "key") >= 1);
    free_cache(cache);
}

static void a_disabled_cache_keeps_and_offers_nothing(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.flags = TSC_DISABLED});
    tsc_config *config = new_config(cache);
    tsc_attempt *attempt = new_attempt(config);
    assert_status(put(cache, "key", TLS13, LONG, "session"), TSC_DISCARDED);
    assert_gets_nothing(cache, "key");
    assert_int_equal(available(cache, "key"), 0);
    assert_offers_nothing(attempt);
    assert_status(receive(attempt, TLS13, LONG, "session"), TSC_DISCARDED);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_int_equal(config_available(config), 0);
    assert_ok(tsc_clear(cache));
    assert_int_equal(stats_of(cache).discarded_disabled, 2);
    assert_int_equal(stats_of(cache).stored, 0);
    tsc_attempt_free(attempt);
    tsc_config_free(config);
    free_cache(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test(names_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test(sessions_may_be_as_large_as_the_limit_and_no_larger),
        cmocka_unit_test(a_buffer_that_is_too_small_loses_nothing),
        cmocka_unit_test(no_endpoint_goes_while_there_is_room),
        cmocka_unit_test(the_default_is_a_hundred_endpoints),
        cmocka_unit_test(the_least_recently_used_endpoint_goes_first),
        cmocka_unit_test(an_endpoint_keeps_its_newest_sessions_up_to_the_limit),
        cmocka_unit_test(a_renewed_reusable_session_replaces_the_old_one),
        cmocka_unit_test(the_bytes_of_all_sessions_are_limited),
        cmocka_unit_test(the_bytes_of_one_endpoint_are_limited_too),
        cmocka_unit_test(a_disabled_cache_keeps_and_offers_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
