/* Structs passed with their size: callers compiled against an older (shorter) or newer (longer)
 * header. Each struct lives in a block of exactly its size, so that valgrind sees a byte too many.
 */
#include "api.h"

static void *exactly(const void *from, size_t size, size_t room) {
    uint8_t *block = malloc(room);
    assert_non_null(block);
    memset(block, 0, room);
    memcpy(block, from, size < room ? size : room);
    return block;
}

/* Calls an input through `call(struct, size)` as a newer caller does: with fields that this library
 * does not know, zero and not. */
#define assert_newer_input_works(value, call)                                                      \
    do {                                                                                           \
        const size_t room_ = sizeof(value) + 24;                                                   \
        uint8_t *newer_ = exactly(&(value), sizeof(value), room_);                                 \
        assert_ok(call((void *)newer_, room_));                                                    \
        for (size_t at_ = sizeof(value); at_ < room_; at_++) {                                     \
            newer_[at_] = 1;                                                                       \
            assert_status(call((void *)newer_, room_), TSC_UNSUPPORTED);                           \
            newer_[at_] = 0;                                                                       \
        }                                                                                          \
        assert_ok(call((void *)newer_, room_));                                                    \
        free(newer_);                                                                              \
    } while (0)

/* Reads an output through `call(struct, size)` with room for the first `size` bytes of it, which
 * must be those of `whole`, followed by zeros; the byte after it stays. */
#define assert_output_fits(whole, size, call)                                                      \
    do {                                                                                           \
        const size_t size_ = (size);                                                               \
        uint8_t *part_ = malloc(size_);                                                            \
        assert_non_null(part_);                                                                    \
        memset(part_, 0xA5, size_);                                                                \
        assert_ok(call((void *)part_, size_));                                                     \
        const size_t known_ = size_ < sizeof(whole) ? size_ : sizeof(whole);                       \
        assert_memory_equal(part_, &(whole), known_);                                              \
        for (size_t at_ = known_; at_ < size_; at_++)                                              \
            assert_int_equal(part_[at_], 0);                                                       \
        free(part_);                                                                               \
    } while (0)

static driven_clock test_clock;
static tsc_cache *cache;
static tsc_config *config;

static int set_up(void **state) {
    (void)state;
    cache = new_cache((tsc_options){.clock = driven_clock_now, .clock_arg = &test_clock});
    config = new_config(cache);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tsc_config_free(config);
    free_cache(cache);
    return 0;
}

static tsc_status cache_new(const tsc_options *options, size_t size) {
    tsc_cache *made = NULL;
    tsc_status status = tsc_cache_new(options, size, &made);
    assert_int_equal(status == TSC_OK, made != NULL);
    free_cache(made);
    return status;
}

static void no_event(void *arg, const tsc_event *event, size_t size) {
    (void)arg, (void)event, (void)size;
    fail_msg("nobody asked for events");
}

static void options_of_an_older_caller_get_the_defaults(void **state) {
    (void)state;
    /* Only flags and max_endpoints: the other limits are the defaults, far above two sessions. */
    tsc_options now = {.max_endpoints = 2};
    const size_t size = offsetof(tsc_options, max_sessions_per_endpoint);
    tsc_options *older = exactly(&now, sizeof now, size);
    tsc_cache *made = NULL;
    assert_ok(tsc_cache_new(older, size, &made));
    free(older);
    assert_ok(put(made, "a", TLS13, LONG, "1"));
    assert_ok(put(made, "a", TLS13, LONG, "2"));
    assert_ok(put(made, "b", TLS13, LONG, "3"));
    assert_int_equal(stats_of(made).sessions, 3);
    assert_ok(put(made, "c", TLS13, LONG, "4"));
    assert_gets_nothing(made, "a");
    assert_int_equal(stats_of(made).endpoints, 2);
    free_cache(made);

    /* All but on_event, which is never called. */
    now.on_event = no_event;
    older = exactly(&now, sizeof now, offsetof(tsc_options, on_event));
    assert_ok(tsc_cache_new(older, offsetof(tsc_options, on_event), &made));
    free(older);
    assert_ok(put(made, "a", TLS13, LONG, "1"));
    free_cache(made);

    /* Only flags. */
    now.flags = TSC_DISABLED;
    older = exactly(&now, sizeof now, sizeof now.flags);
    assert_ok(tsc_cache_new(older, sizeof now.flags, &made));
    free(older);
    assert_status(put(made, "a", TLS13, LONG, "1"), TSC_DISCARDED);
    free_cache(made);
}

static void options_of_a_newer_caller_may_have_unknown_fields_of_zero(void **state) {
    (void)state;
    tsc_options options = {.max_endpoints = 2};
    assert_newer_input_works(options, cache_new);
}

static tsc_status config_new(const tsc_config_options *options, size_t size) {
    tsc_config *made = NULL;
    tsc_status status = tsc_config_new(cache, options, size, &made);
    assert_int_equal(status == TSC_OK, made != NULL);
    tsc_config_free(made);
    return status;
}

static void config_options_of_older_and_newer_callers_work(void **state) {
    (void)state;
    tsc_config_options now = {.identity = (const uint8_t *)"one", .identity_len = 3};
    assert_newer_input_works(now, config_new);

    const size_t size = offsetof(tsc_config_options, client_not_after);
    tsc_config_options *older = exactly(&now, sizeof now, size);
    tsc_config *made = NULL, *same = NULL;
    assert_ok(tsc_config_new(cache, older, size, &made));
    assert_ok(tsc_config_new(cache, &now, sizeof now, &same));
    free(older);
    full_handshake(made, TLS12, "session");
    assert_int_equal(config_available(same), 1);
    tsc_config_free(same);
    tsc_config_free(made);
}

static tsc_status attempt_new(const tsc_endpoint *to, size_t size) {
    tsc_attempt *made = NULL;
    tsc_status status = tsc_attempt_new(config, to, size, &made);
    assert_int_equal(status == TSC_OK, made != NULL);
    tsc_attempt_free(made);
    return status;
}

static tsc_status count_at(const tsc_endpoint *to, size_t size) {
    size_t count = SIZE_MAX;
    tsc_status status = tsc_config_available(config, to, size, &count);
    assert_int_equal(status == TSC_OK, count != SIZE_MAX);
    return status;
}

static void endpoints_of_older_and_newer_callers_work(void **state) {
    (void)state;
    tsc_endpoint now = endpoint("db.example", 0);
    assert_newer_input_works(now, attempt_new);
    assert_newer_input_works(now, count_at);

    /* Only the host: no name of its own, no group, no port. */
    const size_t size = offsetof(tsc_endpoint, server_name);
    tsc_endpoint *older = exactly(&now, sizeof now, size);
    tsc_attempt *attempt = NULL;
    assert_ok(tsc_attempt_new(config, older, size, &attempt));
    free(older);
    assert_ok(receive(attempt, TLS12, LONG, "session"));
    assert_ok(tsc_attempt_established(attempt, 0));
    tsc_attempt_free(attempt);
    assert_int_equal(available_to(config, now), 1);
    assert_int_equal(config_available(config), 0);
}

static tsc_status put_info(const tsc_session_info *info, size_t size) {
    return tsc_put(cache, (const uint8_t *)"key", 3, info, size, (const uint8_t *)"data", 4);
}

static tsc_status receive_info(const tsc_session_info *info, size_t size) {
    tsc_attempt *attempt = new_attempt(config);
    tsc_status status = tsc_attempt_receive(attempt, info, size, (const uint8_t *)"data", 4);
    tsc_attempt_free(attempt);
    return status;
}

static int released;
static void release(void *object) {
    (void)object;
    released++;
}

static tsc_status receive_object_info(const tsc_session_info *info, size_t size) {
    tsc_attempt *attempt = new_attempt(config);
    int before = released;
    tsc_status status = tsc_attempt_receive_object(attempt, info, size, &released, 4, release);
    tsc_attempt_free(attempt);
    assert_int_equal(released - before, status == TSC_OK);
    return status;
}

static void session_infos_of_older_and_newer_callers_work(void **state) {
    (void)state;
    tsc_session_info now = session_info(TLS12, LONG);
    assert_newer_input_works(now, put_info);
    assert_newer_input_works(now, receive_info);
    assert_newer_input_works(now, receive_object_info);

    /* Only the version: no lifetime given, which TLS 1.3 does not allow. */
    const size_t size = sizeof now.tls_version;
    tsc_session_info *older = exactly(&now, sizeof now, size);
    assert_ok(put_info(older, size));
    assert_ok(receive_info(older, size));
    assert_ok(receive_object_info(older, size));
    older->tls_version = TLS13;
    assert_status(put_info(older, size), TSC_DISCARDED);
    assert_status(receive_info(older, size), TSC_DISCARDED);
    assert_status(receive_object_info(older, size), TSC_DISCARDED);
    free(older);
}

static tsc_status read_stats(tsc_stats *out, size_t size) {
    return tsc_stats_get(cache, out, size);
}

static void statistics_fit_older_and_newer_callers(void **state) {
    (void)state;
    assert_ok(put(cache, "key", TLS13, LONG, "data"));
    assert_gets_nothing(cache, "other");
    tsc_stats whole = stats_of(cache);
    assert_int_equal(whole.stored, 1);
    assert_int_equal(whole.missed, 1);
    for (size_t size = sizeof whole.offered; size <= sizeof whole + 40; size += 8)
        assert_output_fits(whole, size, read_stats);
}

static tsc_status read_forecast(tsc_forecast *out, size_t size) {
    tsc_endpoint to = endpoint("db.example", 9142);
    return tsc_config_forecast(config, &to, sizeof to, out, size);
}

static void forecasts_fit_older_and_newer_callers(void **state) {
    (void)state;
    full_handshake(config, TLS13, "data");
    tsc_forecast whole = {0};
    assert_ok(read_forecast(&whole, sizeof whole));
    assert_int_equal(whole.available, 1);
    assert_int_equal(whole.tickets_full, 1);
    for (size_t size = sizeof whole.available; size <= sizeof whole + 40; size += 4)
        assert_output_fits(whole, size, read_forecast);
}

static tsc_attempt *open_attempt;
static tsc_status read_attempt_info(tsc_attempt_info *out, size_t size) {
    return tsc_attempt_info_get(open_attempt, out, size);
}
static tsc_status read_offer(tsc_session *out, size_t size) {
    return tsc_attempt_offer(open_attempt, out, size);
}

static void what_an_attempt_tells_fits_older_and_newer_callers(void **state) {
    (void)state;
    full_handshake(config, TLS13, "session");
    open_attempt = new_attempt(config);
    tsc_session session = {0};
    assert_ok(tsc_attempt_offer(open_attempt, &session, sizeof session));
    const size_t sizes[] = {offsetof(tsc_session, len),
                            offsetof(tsc_session, object),
                            offsetof(tsc_session, tls_version),
                            offsetof(tsc_session, lifetime_seconds),
                            offsetof(tsc_session, age_ms),
                            sizeof session,
                            sizeof session + 24};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_output_fits(session, sizes[i], read_offer);

    tsc_attempt_info info = info_of(open_attempt);
    assert_int_equal(info.offered, 1);
    for (size_t size = sizeof info.state; size <= sizeof info + 24; size += 4)
        assert_output_fits(info, size, read_attempt_info);
    tsc_attempt_free(open_attempt);
}

static tsc_status read_info(tsc_session_info *out, size_t size) {
    uint8_t data[8];
    size_t len = 0;
    return tsc_get(cache, (const uint8_t *)"key", 3, data, sizeof data, &len, out, size);
}

static void session_infos_fit_older_and_newer_callers(void **state) {
    (void)state;
    assert_ok(put(cache, "key", TLS12, LONG, "data")); /* reusable: each call gets it */
    driven_clock_advance(&test_clock, 1500);
    tsc_session_info info = {0};
    assert_ok(read_info(&info, sizeof info));
    assert_int_equal(info.tls_version, TLS12);
    assert_int_equal(info.age_ms, 1500);
    const size_t sizes[] = {offsetof(tsc_session_info, lifetime_seconds),
                            offsetof(tsc_session_info, not_after),
                            offsetof(tsc_session_info, age_ms), sizeof info, sizeof info + 24};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_output_fits(info, sizes[i], read_info);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(options_of_an_older_caller_get_the_defaults),
        TEST(options_of_a_newer_caller_may_have_unknown_fields_of_zero),
        TEST(config_options_of_older_and_newer_callers_work),
        TEST(endpoints_of_older_and_newer_callers_work),
        TEST(session_infos_of_older_and_newer_callers_work),
        TEST(statistics_fit_older_and_newer_callers),
        TEST(forecasts_fit_older_and_newer_callers),
        TEST(what_an_attempt_tells_fits_older_and_newer_callers),
        TEST(session_infos_fit_older_and_newer_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
