/* The ABI that a compiled program relies on: sizes, offsets and values, pinned. A line that fails
 * means a new SONAME, unless the struct only grew at its end: then its size here grows too. */
#include "api.h"

/* As the compiler sees them: the numbers are those of 64-bit systems. */
#if UINTPTR_MAX == UINT64_MAX
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#define AT(type, field, at) _Static_assert(offsetof(type, field) == (at), #type "." #field)

SIZE(tsc_options, 96);
AT(tsc_options, flags, 0);
AT(tsc_options, max_endpoints, 4);
AT(tsc_options, max_sessions_per_endpoint, 8);
AT(tsc_options, ttl_seconds, 12);
AT(tsc_options, max_bytes, 16);
AT(tsc_options, max_session_bytes, 24);
AT(tsc_options, max_lineage_age_seconds, 28);
AT(tsc_options, clock, 32);
AT(tsc_options, clock_arg, 40);
AT(tsc_options, max_full_handshakes, 48);
AT(tsc_options, failure_budget, 52);
AT(tsc_options, on_event, 56);
AT(tsc_options, event_arg, 64);
AT(tsc_options, agent, 72);
AT(tsc_options, agent_len, 80);
AT(tsc_options, agent_budget_us, 88);
AT(tsc_options, reserved, 92);

SIZE(tsc_event, 88);
AT(tsc_event, kind, 0);
AT(tsc_event, port, 4);
AT(tsc_event, count, 8);
AT(tsc_event, host, 16);
AT(tsc_event, host_len, 24);
AT(tsc_event, server_name, 32);
AT(tsc_event, server_name_len, 40);
AT(tsc_event, group, 48);
AT(tsc_event, group_len, 56);
AT(tsc_event, key, 64);
AT(tsc_event, key_len, 72);
AT(tsc_event, reason, 80);
AT(tsc_event, reserved, 84);

SIZE(tsc_session_info, 32);
AT(tsc_session_info, tls_version, 0);
AT(tsc_session_info, lifetime_seconds, 4);
AT(tsc_session_info, not_after, 8);
AT(tsc_session_info, age_ms, 16);
AT(tsc_session_info, certificates, 24);
AT(tsc_session_info, certificate_bytes, 28);

SIZE(tsc_session, 40);
AT(tsc_session, data, 0);
AT(tsc_session, len, 8);
AT(tsc_session, object, 16);
AT(tsc_session, tls_version, 24);
AT(tsc_session, lifetime_seconds, 28);
AT(tsc_session, age_ms, 32);

SIZE(tsc_endpoint, 72);
AT(tsc_endpoint, host, 0);
AT(tsc_endpoint, host_len, 8);
AT(tsc_endpoint, server_name, 16);
AT(tsc_endpoint, server_name_len, 24);
AT(tsc_endpoint, group, 32);
AT(tsc_endpoint, group_len, 40);
AT(tsc_endpoint, port, 48);
AT(tsc_endpoint, flags, 52);
AT(tsc_endpoint, verification, 56);
AT(tsc_endpoint, verification_len, 64);

SIZE(tsc_config_options, 56);
AT(tsc_config_options, identity, 0);
AT(tsc_config_options, identity_len, 8);
AT(tsc_config_options, client_not_after, 16);
AT(tsc_config_options, tickets_new_session, 24);
AT(tsc_config_options, tickets_resumption, 28);
AT(tsc_config_options, verification, 32);
AT(tsc_config_options, verification_len, 40);
AT(tsc_config_options, flags, 48);
AT(tsc_config_options, reserved, 52);

SIZE(tsc_attempt_info, 32);
AT(tsc_attempt_info, state, 0);
AT(tsc_attempt_info, offered, 4);
AT(tsc_attempt_info, resumed, 8);
AT(tsc_attempt_info, refused, 12);
AT(tsc_attempt_info, received, 16);
AT(tsc_attempt_info, stored, 20);
AT(tsc_attempt_info, discarded, 24);
AT(tsc_attempt_info, reason, 28);

SIZE(tsc_stats, 296);
AT(tsc_stats, offered, 0);
AT(tsc_stats, resumed, 8);
AT(tsc_stats, refused, 16);
AT(tsc_stats, missed, 24);
AT(tsc_stats, stored, 32);
AT(tsc_stats, returned, 40);
AT(tsc_stats, expired, 48);
AT(tsc_stats, evicted, 56);
AT(tsc_stats, displaced, 64);
AT(tsc_stats, removed, 72);
AT(tsc_stats, discarded_lifetime, 80);
AT(tsc_stats, discarded_too_large, 88);
AT(tsc_stats, discarded_failed, 96);
AT(tsc_stats, discarded_unfinished, 104);
AT(tsc_stats, discarded_disabled, 112);
AT(tsc_stats, discarded_no_memory, 120);
AT(tsc_stats, established, 128);
AT(tsc_stats, failed, 136);
AT(tsc_stats, unfinished, 144);
AT(tsc_stats, endpoints, 152);
AT(tsc_stats, sessions, 160);
AT(tsc_stats, bytes, 168);
AT(tsc_stats, reused, 176);
AT(tsc_stats, waited, 184);
AT(tsc_stats, waits_served, 192);
AT(tsc_stats, withheld, 200);
AT(tsc_stats, breaker_opened, 208);
AT(tsc_stats, breaker_closed, 216);
AT(tsc_stats, handshake_failed_offered, 224);
AT(tsc_stats, login_failed_resumed, 232);
AT(tsc_stats, taken, 240);
AT(tsc_stats, discarded_surplus, 248);
AT(tsc_stats, bytes_staged, 256);
AT(tsc_stats, agent_leased, 264);
AT(tsc_stats, agent_returned, 272);
AT(tsc_stats, agent_stored, 280);
AT(tsc_stats, agent_away, 288);

SIZE(tsc_forecast, 56);
AT(tsc_forecast, available, 0);
AT(tsc_forecast, waiting, 8);
AT(tsc_forecast, full_in_flight, 16);
AT(tsc_forecast, resumed_in_flight, 24);
AT(tsc_forecast, tickets_full, 32);
AT(tsc_forecast, tickets_resumed, 36);
AT(tsc_forecast, full_ms, 40);
AT(tsc_forecast, resumed_ms, 44);
AT(tsc_forecast, wait_ms, 48);
AT(tsc_forecast, breaker_open, 52);
#endif

_Static_assert(sizeof(tsc_status) == 4, "a status is 32 bits wide");

_Static_assert(TSC_OK == 0, "");
_Static_assert(TSC_NOT_FOUND == 1, "");
_Static_assert(TSC_INVALID_ARGUMENT == 2, "");
_Static_assert(TSC_TOO_SMALL == 3, "");
_Static_assert(TSC_TOO_LARGE == 4, "");
_Static_assert(TSC_NO_MEMORY == 5, "");
_Static_assert(TSC_CLOSED == 6, "");
_Static_assert(TSC_DISCARDED == 7, "");
_Static_assert(TSC_WRONG_STATE == 8, "");
_Static_assert(TSC_UNSUPPORTED == 9, "");
_Static_assert(TSC_PANIC == 10, "");
_Static_assert(TSC_WAIT == 11, "");
_Static_assert(TSC_NOT_AUTHENTIC == 12, "");

_Static_assert(TSC_DISABLED == 1, "");
_Static_assert(TSC_REUSE_WHEN_DRY == 2, "");
_Static_assert(TSC_UNKNOWN == UINT32_MAX, "");
_Static_assert(TSC_MAX_NAME == 255, "");
_Static_assert(TSC_MAX_KEY == 1024, "");
_Static_assert(TSC_EXPORT_KEY == 32, "");
_Static_assert(TSC_FACT_SENT == 1, "");
_Static_assert(TSC_FACT_HANDSHAKE_DONE == 2, "");
_Static_assert(TSC_FACT_RESUMED == 4, "");
_Static_assert(TSC_FACT_TIMED_OUT == 8, "");
_Static_assert(TSC_FACT_CANCELLED == 16, "");
_Static_assert(TSC_FACT_ALERT == 32, "");
_Static_assert(TSC_EVENT_STORED == 1, "");
_Static_assert(TSC_EVENT_OFFERED == 2, "");
_Static_assert(TSC_EVENT_RESUMED == 3, "");
_Static_assert(TSC_EVENT_REFUSED == 4, "");
_Static_assert(TSC_EVENT_EXPIRED == 5, "");
_Static_assert(TSC_EVENT_EVICTED == 6, "");
_Static_assert(TSC_EVENT_BREAKER_OPENED == 7, "");
_Static_assert(TSC_EVENT_BREAKER_CLOSED == 8, "");
_Static_assert(TSC_EVENT_NOT_OFFERED == 9, "");
_Static_assert(TSC_REASON_NONE == 0, "");
_Static_assert(TSC_REASON_NOTHING_STORED == 1, "");
_Static_assert(TSC_REASON_EXPIRED == 2, "");
_Static_assert(TSC_REASON_EVICTED == 3, "");
_Static_assert(TSC_REASON_TAKEN == 4, "");
_Static_assert(TSC_REASON_REFUSED == 5, "");
_Static_assert(TSC_REASON_WITHHELD == 6, "");
_Static_assert(TSC_REASON_WAITED_IN_VAIN == 7, "");
_Static_assert(TSC_REASON_NOT_SENT == 8, "");
_Static_assert(TSC_REASON_NOT_ASKED == 9, "");
_Static_assert(TSC_REASON_CACHE_OFF == 10, "");
_Static_assert(TSC_REASON_FAILED == 11, "");
_Static_assert(TSC_REASON_OTHER_VERIFICATION == 12, "");
_Static_assert(TSC_REASON_AGENT_AWAY == 13, "");
_Static_assert(TSC_ATTEMPT_OPEN == 1, "");
_Static_assert(TSC_ATTEMPT_ESTABLISHED == 2, "");
_Static_assert(TSC_ATTEMPT_FAILED == 3, "");

static size_t size_told;
static void last_field(void *reason, const tsc_event *event, size_t size) {
    size_told = size;
    if (event->reason)
        *(uint32_t *)reason = event->reason;
}

/* As the library sees them: the field that stands last is where the header says it is. */
static void the_library_agrees_about_the_last_field(void **state) {
    (void)state;
    driven_clock clock = {0};
    uint32_t reason = 0;
    tsc_cache *cache = new_cache((tsc_options){.clock = driven_clock_now,
                                               .clock_arg = &clock,
                                               .on_event = last_field,
                                               .event_arg = &reason});
    tsc_config *config = new_config(cache);
    full_handshake(config, TLS12, "session");
    driven_clock_advance(&clock, 5);

    tsc_session_info info = {0};
    assert_int_equal(reason, TSC_REASON_NOT_ASKED); /* full_handshake does not ask */
    assert_int_equal(size_told, sizeof(tsc_event));
    assert_ok(put(cache, "key", TLS12, LONG, "session"));
    driven_clock_advance(&clock, 2);
    size_t len = 0;
    uint8_t data[16];
    assert_ok(
        tsc_get(cache, (const uint8_t *)"key", 3, data, sizeof data, &len, &info, sizeof info));
    assert_int_equal(info.age_ms, 2);
    assert_int_equal(stats_of(cache).bytes, 2 * strlen("session"));
    assert_int_equal(stats_of(cache).login_failed_resumed, 0);

    tsc_attempt *attempt = new_attempt(config);
    tsc_session session = {0};
    assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
    assert_int_equal(session.age_ms, 7);
    tsc_attempt_info attempt_info = info_of(attempt);
    assert_int_equal(attempt_info.state, TSC_ATTEMPT_OPEN);
    assert_int_equal(attempt_info.reason, TSC_REASON_NONE);

    tsc_attempt_free(attempt);
    tsc_config_free(config);
    free_cache(cache);
}

static void the_version_is_that_of_the_header(void **state) {
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", TSC_VERSION_MAJOR, TSC_VERSION_MINOR,
             TSC_VERSION_PATCH);
    assert_string_equal(tsc_version(), text);
    assert_int_equal(tsc_version_number(),
                     TSC_VERSION_MAJOR << 16 | TSC_VERSION_MINOR << 8 | TSC_VERSION_PATCH);
}

static void every_status_has_its_own_text(void **state) {
    (void)state;
    for (uint32_t status = TSC_OK; status <= TSC_NOT_AUTHENTIC; status++) {
        const char *text = tsc_status_text(status);
        assert_non_null(text);
        assert_true(strlen(text) > 0 && text[strlen(text) - 1] != '.');
        for (uint32_t other = TSC_OK; other < status; other++)
            assert_string_not_equal(text, tsc_status_text(other));
    }
    assert_non_null(tsc_status_text(TSC_NOT_AUTHENTIC + 1));
    assert_non_null(tsc_status_text(UINT32_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_agrees_about_the_last_field),
        cmocka_unit_test(the_version_is_that_of_the_header),
        cmocka_unit_test(every_status_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
