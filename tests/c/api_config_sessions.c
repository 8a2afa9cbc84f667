/* Sessions of an endpoint for callers that have no attempt for each connection. */
#include "api.h"

static tsc_status put_to(const tsc_config *config, const tsc_endpoint *to, uint32_t version,
                         const char *session) {
    tsc_session_info info = {.tls_version = version, .lifetime_seconds = 100};
    return tsc_config_put(config, to, sizeof *to, &info, sizeof info, (const uint8_t *)session,
                          strlen(session));
}

static void assert_finds(const tsc_config *config, const tsc_endpoint *to, const char *session) {
    uint8_t buf[64];
    size_t len = 0;
    tsc_status status = tsc_config_get(config, to, sizeof *to, buf, sizeof buf, &len, NULL, 0);
    if (!session) {
        assert_status(status, TSC_NOT_FOUND);
        return;
    }
    assert_ok(status);
    assert_int_equal(len, strlen(session));
    assert_memory_equal(buf, session, len);
}

static void sessions_come_and_go_without_attempts(void **unused) {
    (void)unused;
    tsc_cache *cache = new_cache((tsc_options){0});
    tsc_config *config = new_config(cache), *other = new_config(cache);
    tsc_endpoint host = endpoint("db.example", 9142), upper = endpoint("DB.Example", 9142),
                 port = endpoint("db.example", 9143), verifies = host;
    verifies.verification = (const uint8_t *)"another name";
    verifies.verification_len = strlen("another name");
    assert_finds(config, &host, NULL);
    assert_ok(put_to(config, &host, 0x0304, "first"));
    assert_ok(put_to(config, &host, 0x0304, "second"));
    /* Nobody else's, whatever differs; case does not. */
    assert_finds(other, &host, NULL);
    assert_finds(config, &port, NULL);
    assert_finds(config, &verifies, NULL);
    assert_finds(config, &upper, "second");
    /* An attempt finds what is left. */
    tsc_attempt *attempt = NULL;
    assert_ok(tsc_attempt_new(config, &host, sizeof host, &attempt));
    tsc_session session = {0};
    assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
    assert_memory_equal(session.data, "first", session.len);
    tsc_attempt_free(attempt);
    assert_finds(config, &host, "first");
    assert_finds(config, &host, NULL);
    /* What is dropped is gone, for this endpoint alone. */
    assert_ok(put_to(config, &host, TLS13, "dropped"));
    assert_ok(put_to(config, &port, TLS13, "kept"));
    assert_ok(tsc_config_remove(config, &host, sizeof host));
    assert_status(tsc_config_remove(config, &host, sizeof host), TSC_NOT_FOUND);
    assert_finds(config, &host, NULL);
    assert_finds(config, &port, "kept");
    /* A reusable one stays. */
    assert_ok(put_to(config, &host, 0x0303, "again"));
    assert_finds(config, &host, "again");
    assert_finds(config, &host, "again");
    tsc_config_free(other);
    tsc_config_free(config);
    free_cache(cache);
}

static void a_buffer_that_is_too_small_loses_nothing(void **unused) {
    (void)unused;
    tsc_cache *cache = new_cache((tsc_options){0});
    tsc_config *config = new_config(cache);
    tsc_endpoint host = endpoint("db.example", 9142);
    assert_ok(put_to(config, &host, 0x0304, "session"));
    size_t len = 0;
    assert_status(tsc_config_get(config, &host, sizeof host, NULL, 0, &len, NULL, 0),
                  TSC_TOO_SMALL);
    assert_int_equal(len, strlen("session"));
    assert_finds(config, &host, "session");
    tsc_config_free(config);
    free_cache(cache);
}

static void what_has_no_attempts_ends_with_its_lineage(void **unused) {
    (void)unused;
    driven_clock clock = {1000};
    tsc_cache *cache = new_cache((tsc_options){
        .clock = driven_clock_now, .clock_arg = &clock, .max_lineage_age_seconds = 50});
    tsc_config *config = new_config(cache);
    tsc_endpoint host = endpoint("db.example", 9142);
    assert_finds(config, &host, NULL);
    for (int renewal = 0; renewal < 5; renewal++) {
        assert_ok(put_to(config, &host, 0x0304, "renewed"));
        assert_finds(config, &host, "renewed");
        driven_clock_advance(&clock, 9 * SECOND);
    }
    assert_ok(put_to(config, &host, 0x0304, "renewed"));
    driven_clock_advance(&clock, 5 * SECOND);
    assert_finds(config, &host, NULL);
    assert_ok(put_to(config, &host, 0x0304, "new"));
    assert_finds(config, &host, "new");
    tsc_config_free(config);
    free_cache(cache);
}

static void nonsense_has_a_status_and_writes_nothing(void **unused) {
    (void)unused;
    tsc_cache *cache = new_cache((tsc_options){0});
    tsc_config *config = new_config(cache);
    tsc_endpoint host = endpoint("db.example", 9142), nowhere = {0};
    tsc_session_info info = {.tls_version = 0x0304, .lifetime_seconds = 100};
    uint8_t byte = 1, buf[8];
    size_t len = 77;
    assert_status(tsc_config_put(NULL, &host, sizeof host, &info, sizeof info, &byte, 1),
                  TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_put(config, NULL, sizeof host, &info, sizeof info, &byte, 1),
                  TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_put(config, &nowhere, sizeof host, &info, sizeof info, &byte, 1),
                  TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_put(config, &host, sizeof host, NULL, sizeof info, &byte, 1),
                  TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_put(config, &host, sizeof host, &info, sizeof info, NULL, 1),
                  TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_put(config, &host, sizeof host, &info, sizeof info, &byte, 0),
                  TSC_INVALID_ARGUMENT);
    info.lifetime_seconds = 0;
    assert_status(tsc_config_put(config, &host, sizeof host, &info, sizeof info, &byte, 1),
                  TSC_DISCARDED);
    assert_status(tsc_config_get(NULL, &host, sizeof host, buf, 8, &len, NULL, 0),
                  TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_get(config, NULL, sizeof host, buf, 8, &len, NULL, 0),
                  TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_get(config, &host, sizeof host, NULL, 8, &len, NULL, 0),
                  TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_get(config, &host, sizeof host, buf, 8, NULL, NULL, 0),
                  TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_remove(NULL, &host, sizeof host), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_remove(config, NULL, sizeof host), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_remove(config, &nowhere, sizeof host), TSC_INVALID_ARGUMENT);
    assert_ok(tsc_cache_close(cache));
    assert_status(tsc_config_remove(config, &host, sizeof host), TSC_CLOSED);
    assert_status(tsc_config_get(config, &host, sizeof host, buf, 8, &len, NULL, 0), TSC_CLOSED);
    assert_int_equal(len, 77);
    tsc_config_free(config);
    free_cache(cache);
}

static int released, retained;

static void release(void *object) {
    (void)object;
    released++;
}

static void retain(void *object) {
    (void)object;
    retained++;
}

static tsc_status put_object_to(const tsc_config *config, const tsc_endpoint *to, uint32_t version,
                                int *object) {
    tsc_session_info info = {.tls_version = version, .lifetime_seconds = 100};
    return tsc_config_put_object(config, to, sizeof *to, &info, sizeof info, object, 100, release);
}

static void *object_for(const tsc_config *config, const tsc_endpoint *to) {
    void *object = NULL;
    tsc_session_info info = {0};
    tsc_status status =
        tsc_config_get_object(config, to, sizeof *to, &object, retain, &info, sizeof info);
    assert_status(status, object == NULL ? TSC_NOT_FOUND : TSC_OK);
    assert_int_equal(info.tls_version != 0, object != NULL);
    return object;
}

static void objects_come_and_go_without_attempts(void **unused) {
    (void)unused;
    tsc_cache *cache = new_cache((tsc_options){.max_sessions_per_endpoint = 2});
    tsc_config *config = new_config(cache), *other = new_config(cache);
    tsc_endpoint host = endpoint("db.example", 9142), upper = endpoint("DB.Example", 9142);
    int o[8];
    released = retained = 0;
    assert_null(object_for(config, &host));
    for (int i = 0; i < 3; i++)
        assert_ok(put_object_to(config, &host, TLS13, &o[i]));
    assert_int_equal(released, 1);
    /* Single-use: the library's own reference passes to the caller, once. */
    assert_null(object_for(other, &host));
    assert_ptr_equal(object_for(config, &upper), &o[2]);
    assert_ptr_equal(object_for(config, &host), &o[1]);
    assert_null(object_for(config, &host));
    assert_int_equal(released, 1);
    assert_int_equal(retained, 0);
    /* Reusable: it stays, and the caller's reference is another one. */
    assert_ok(put_object_to(config, &host, TLS12, &o[3]));
    assert_ptr_equal(object_for(config, &host), &o[3]);
    assert_ptr_equal(object_for(config, &host), &o[3]);
    assert_int_equal(retained, 2);
    assert_ok(tsc_config_remove(config, &host, sizeof host));
    assert_int_equal(released, 2);
    /* Bytes and objects are not taken for each other. */
    assert_ok(put_object_to(config, &host, TLS13, &o[4]));
    assert_finds(config, &host, NULL);
    assert_ptr_equal(object_for(config, &host), &o[4]);
    assert_ok(put_to(config, &host, TLS13, "bytes"));
    assert_null(object_for(config, &host));
    assert_finds(config, &host, "bytes");
    /* An attempt finds what was put. */
    assert_ok(put_object_to(config, &host, TLS13, &o[5]));
    tsc_attempt *attempt = NULL;
    assert_ok(tsc_attempt_new(config, &host, sizeof host, &attempt));
    tsc_session session = {0};
    assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
    assert_ptr_equal(session.object, &o[5]);
    tsc_attempt_free(attempt);
    /* What is refused stays the caller's. */
    int before = released;
    tsc_session_info info = {.tls_version = TLS13};
    assert_status(
        tsc_config_put_object(config, &host, sizeof host, &info, sizeof info, &o[6], 100, release),
        TSC_DISCARDED);
    assert_ok(tsc_cache_close(cache));
    assert_status(put_object_to(config, &host, TLS13, &o[6]), TSC_CLOSED);
    void *object = NULL;
    assert_status(tsc_config_get_object(config, &host, sizeof host, &object, retain, NULL, 0),
                  TSC_CLOSED);
    assert_int_equal(released, before + 1); /* closing released what the attempt gave back */
    tsc_config_free(other);
    tsc_config_free(config);
    free_cache(cache);
    assert_int_equal(released, before + 1);
}

static void nonsense_with_objects_takes_and_releases_nothing(void **unused) {
    (void)unused;
    tsc_cache *cache = new_cache((tsc_options){0});
    tsc_config *config = new_config(cache);
    tsc_endpoint host = endpoint("db.example", 9142), nowhere = {0};
    tsc_session_info info = {.tls_version = TLS13, .lifetime_seconds = 100};
    const size_t size = sizeof host;
    int object;
    released = retained = 0;
#define PUT_OBJECT(config, to, size, info, info_size, object, len, release)                        \
    assert_status(tsc_config_put_object(config, to, size, info, info_size, object, len, release),  \
                  TSC_INVALID_ARGUMENT)
    PUT_OBJECT(NULL, &host, size, &info, sizeof info, &object, 1, release);
    PUT_OBJECT(config, NULL, size, &info, sizeof info, &object, 1, release);
    PUT_OBJECT(config, &nowhere, size, &info, sizeof info, &object, 1, release);
    PUT_OBJECT(config, &host, 0, &info, sizeof info, &object, 1, release);
    PUT_OBJECT(config, &host, size, NULL, sizeof info, &object, 1, release);
    PUT_OBJECT(config, &host, size, &info, 0, &object, 1, release);
    PUT_OBJECT(config, &host, size, &info, sizeof info, NULL, 1, release);
    PUT_OBJECT(config, &host, size, &info, sizeof info, &object, SIZE_MAX, release);
    PUT_OBJECT(config, &host, size, &info, sizeof info, &object, 1, NULL);
    assert_int_equal(stats_of(cache).sessions, 0);
    assert_ok(put_object_to(config, &host, TLS13, &object));
    void *out = &out;
#define GET_OBJECT(config, to, size, out, retain, info, info_size)                                 \
    assert_status(tsc_config_get_object(config, to, size, out, retain, info, info_size),           \
                  TSC_INVALID_ARGUMENT)
    GET_OBJECT(NULL, &host, size, &out, retain, NULL, 0);
    GET_OBJECT(config, NULL, size, &out, retain, NULL, 0);
    GET_OBJECT(config, &nowhere, size, &out, retain, NULL, 0);
    GET_OBJECT(config, &host, size, NULL, retain, NULL, 0);
    GET_OBJECT(config, &host, size, &out, NULL, NULL, 0);
    GET_OBJECT(config, &host, size, &out, retain, &info, 0);
    assert_ptr_equal(out, &out);
    assert_int_equal(released + retained, 0);
    assert_ptr_equal(object_for(config, &host), &object);
    tsc_config_free(config);
    free_cache(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_come_and_go_without_attempts),
        cmocka_unit_test(a_buffer_that_is_too_small_loses_nothing),
        cmocka_unit_test(what_has_no_attempts_ends_with_its_lineage),
        cmocka_unit_test(nonsense_has_a_status_and_writes_nothing),
        cmocka_unit_test(objects_come_and_go_without_attempts),
        cmocka_unit_test(nonsense_with_objects_takes_and_releases_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
