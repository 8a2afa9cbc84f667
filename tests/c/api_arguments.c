/* NULL, lengths that no object has, and values out of range: each a status, and nothing written. */
#include "api.h"

/* No output may look like this after a call that answered TSC_OK, and each must after any other. */
#define UNTOUCHED ((void *)(uintptr_t)0xA5A5A5A5)

/* A length above PTRDIFF_MAX, and the largest there is. */
static const size_t impossible[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX};
#define EACH_IMPOSSIBLE(len) for (size_t i_ = 0, len; i_ < 2 && (len = impossible[i_], 1); i_++)

static tsc_cache *cache;
static tsc_config *config;
static tsc_attempt *attempt;

static int set_up(void **state) {
    (void)state;
    cache = new_cache((tsc_options){0});
    config = new_config(cache);
    attempt = new_attempt(config);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tsc_attempt_free(attempt);
    tsc_config_free(config);
    free_cache(cache);
    return 0;
}

static void freeing_null_does_nothing(void **state) {
    (void)state;
    tsc_cache_free(NULL);
    tsc_config_free(NULL);
    tsc_attempt_free(NULL);
}

static void making_sharing_and_closing_a_cache_refuse_nonsense(void **state) {
    (void)state;
    tsc_options options = {0};
    tsc_cache *out = UNTOUCHED;
    assert_status(tsc_cache_new(NULL, 0, NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_cache_new(&options, sizeof options, NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_cache_new(NULL, sizeof options, &out), TSC_INVALID_ARGUMENT);
    assert_status(tsc_cache_new(&options, 0, &out), TSC_INVALID_ARGUMENT);
    EACH_IMPOSSIBLE(size)
    assert_status(tsc_cache_new(&options, size, &out), TSC_INVALID_ARGUMENT);
    options.flags = 1u << 31;
    assert_status(tsc_cache_new(&options, sizeof options, &out), TSC_UNSUPPORTED);
    options.flags = 0;
    options.reserved = 1;
    assert_status(tsc_cache_new(&options, sizeof options, &out), TSC_UNSUPPORTED);
    options.reserved = 0;
    static const uint8_t path[TSC_MAX_NAME + 1];
    options.flags = TSC_SHARE;
    options.agent = path;
    options.agent_len = sizeof path;
    assert_status(tsc_cache_new(&options, sizeof options, &out), TSC_TOO_LARGE);
    options.agent = NULL;
    assert_status(tsc_cache_new(&options, sizeof options, &out), TSC_INVALID_ARGUMENT);
    tsc_config_options config_options = {.flags = 1u << 31};
    tsc_config *made = NULL;
    assert_status(tsc_config_new(cache, &config_options, sizeof config_options, &made),
                  TSC_UNSUPPORTED);
    config_options = (tsc_config_options){.reserved = 1};
    assert_status(tsc_config_new(cache, &config_options, sizeof config_options, &made),
                  TSC_UNSUPPORTED);
    assert_null(made);

    assert_status(tsc_cache_share(NULL, &out), TSC_INVALID_ARGUMENT);
    assert_status(tsc_cache_share(cache, NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_cache_close(NULL), TSC_INVALID_ARGUMENT);
    assert_ptr_equal(out, UNTOUCHED);
}

static void a_put_of_nonsense_stores_nothing(void **state) {
    (void)state;
    const uint8_t key[] = "key", data[] = "data";
    tsc_session_info info = session_info(TLS13, LONG);
    const size_t size = sizeof info;
#define PUT(cache, key, key_len, info, size, data, len)                                            \
    assert_status(tsc_put(cache, key, key_len, info, size, data, len), TSC_INVALID_ARGUMENT)
    PUT(NULL, key, 3, &info, size, data, 4);
    PUT(cache, NULL, 0, &info, size, data, 4);
    PUT(cache, NULL, 3, &info, size, data, 4);
    PUT(cache, key, 0, &info, size, data, 4);
    PUT(cache, key, 3, NULL, 0, data, 4);
    PUT(cache, key, 3, NULL, size, data, 4);
    PUT(cache, key, 3, &info, 0, data, 4);
    PUT(cache, key, 3, &info, size, NULL, 0);
    PUT(cache, key, 3, &info, size, NULL, 4);
    PUT(cache, key, 3, &info, size, data, 0);
    EACH_IMPOSSIBLE(len) {
        PUT(cache, key, len, &info, size, data, 4);
        PUT(cache, key, 3, &info, len, data, 4);
        PUT(cache, key, 3, &info, size, data, len);
        PUT(cache, NULL, len, &info, size, data, 4);
        PUT(cache, key, 3, &info, size, NULL, len);
    }
    const uint32_t no_version[] = {0, 3, 0x0300, 0x0305, UINT32_MAX};
    for (size_t i = 0; i < sizeof no_version / sizeof *no_version; i++) {
        info.tls_version = no_version[i];
        PUT(cache, key, 3, &info, size, data, 4);
    }
    assert_int_equal(stats_of(cache).sessions, 0);
}

static void a_get_of_nonsense_writes_and_takes_nothing(void **state) {
    (void)state;
    const uint8_t key[] = "key";
    uint8_t buf[8];
    memset(buf, 0xA5, sizeof buf);
    size_t len = 77;
    tsc_session_info info;
    memset(&info, 0xA5, sizeof info);
    const size_t size = sizeof info;
    assert_ok(put(cache, "key", TLS13, LONG, "data"));
#define GET(cache, key, key_len, buf, cap, len, info, size)                                        \
    assert_status(tsc_get(cache, key, key_len, buf, cap, len, info, size), TSC_INVALID_ARGUMENT)
    GET(NULL, key, 3, buf, 8, &len, &info, size);
    GET(cache, NULL, 0, buf, 8, &len, &info, size);
    GET(cache, NULL, 3, buf, 8, &len, &info, size);
    GET(cache, key, 0, buf, 8, &len, &info, size);
    GET(cache, key, 3, NULL, 8, &len, &info, size);
    GET(cache, key, 3, buf, 8, NULL, &info, size);
    GET(cache, key, 3, buf, 8, &len, NULL, size);
    GET(cache, key, 3, buf, 8, &len, &info, 0);
    EACH_IMPOSSIBLE(impossible_len) {
        GET(cache, key, impossible_len, buf, 8, &len, &info, size);
        GET(cache, key, 3, buf, impossible_len, &len, &info, size);
        GET(cache, key, 3, NULL, impossible_len, &len, &info, size);
        GET(cache, key, 3, buf, 8, &len, &info, impossible_len);
    }

    /* Nothing was written, not even when a key is unknown, and the session is still there. */
    assert_status(tsc_get(cache, key, 2, buf, 8, &len, &info, size), TSC_NOT_FOUND);
    assert_int_equal(len, 77);
    for (size_t i = 0; i < sizeof buf; i++)
        assert_int_equal(buf[i], 0xA5);
    for (size_t i = 0; i < sizeof info; i++)
        assert_int_equal(((uint8_t *)&info)[i], 0xA5);
    assert_gets(cache, "key", "data");
}

static void unreleased(void *object) {
    (void)object;
    fail();
}

static void nonsense_with_objects_takes_and_releases_nothing(void **state) {
    (void)state;
    const uint8_t key[] = "key";
    int object;
    tsc_session_info info = session_info(TLS13, LONG);
    const size_t size = sizeof info;
#define PUT_OBJECT(cache, key, key_len, info, size, object, bytes, release)                        \
    assert_status(tsc_put_object(cache, key, key_len, info, size, object, bytes, release),         \
                  TSC_INVALID_ARGUMENT)
    PUT_OBJECT(NULL, key, 3, &info, size, &object, 1, unreleased);
    PUT_OBJECT(cache, NULL, 0, &info, size, &object, 1, unreleased);
    PUT_OBJECT(cache, NULL, 3, &info, size, &object, 1, unreleased);
    PUT_OBJECT(cache, key, 0, &info, size, &object, 1, unreleased);
    PUT_OBJECT(cache, key, 3, NULL, 0, &object, 1, unreleased);
    PUT_OBJECT(cache, key, 3, NULL, size, &object, 1, unreleased);
    PUT_OBJECT(cache, key, 3, &info, 0, &object, 1, unreleased);
    PUT_OBJECT(cache, key, 3, &info, size, NULL, 1, unreleased);
    PUT_OBJECT(cache, key, 3, &info, size, &object, 1, NULL);
    EACH_IMPOSSIBLE(len) {
        PUT_OBJECT(cache, key, len, &info, size, &object, 1, unreleased);
        PUT_OBJECT(cache, key, 3, &info, len, &object, 1, unreleased);
        PUT_OBJECT(cache, key, 3, &info, size, &object, len, unreleased);
    }
    assert_int_equal(stats_of(cache).sessions, 0);

    /* The release function stands in for one that retains: neither is called. */
    void *out = UNTOUCHED;
    memset(&info, 0xA5, sizeof info);
#define GET_OBJECT(cache, key, key_len, out, retain, info, size)                                   \
    assert_status(tsc_get_object(cache, key, key_len, out, retain, info, size),                    \
                  TSC_INVALID_ARGUMENT)
    GET_OBJECT(NULL, key, 3, &out, unreleased, &info, size);
    GET_OBJECT(cache, NULL, 0, &out, unreleased, &info, size);
    GET_OBJECT(cache, NULL, 3, &out, unreleased, &info, size);
    GET_OBJECT(cache, key, 0, &out, unreleased, &info, size);
    GET_OBJECT(cache, key, 3, NULL, unreleased, &info, size);
    GET_OBJECT(cache, key, 3, &out, NULL, &info, size);
    GET_OBJECT(cache, key, 3, &out, unreleased, NULL, size);
    GET_OBJECT(cache, key, 3, &out, unreleased, &info, 0);
    EACH_IMPOSSIBLE(len) {
        GET_OBJECT(cache, key, len, &out, unreleased, &info, size);
        GET_OBJECT(cache, key, 3, &out, unreleased, &info, len);
    }
    assert_status(tsc_get_object(cache, key, 3, &out, unreleased, &info, size), TSC_NOT_FOUND);
    assert_ptr_equal(out, UNTOUCHED);
    for (size_t i = 0; i < sizeof info; i++)
        assert_int_equal(((uint8_t *)&info)[i], 0xA5);
}

static void counting_and_removing_refuse_nonsense(void **state) {
    (void)state;
    const uint8_t key[] = "key";
    size_t count = 77;
    assert_status(tsc_available(NULL, key, 3, &count), TSC_INVALID_ARGUMENT);
    assert_status(tsc_available(cache, NULL, 3, &count), TSC_INVALID_ARGUMENT);
    assert_status(tsc_available(cache, NULL, 0, &count), TSC_INVALID_ARGUMENT);
    assert_status(tsc_available(cache, key, 0, &count), TSC_INVALID_ARGUMENT);
    assert_status(tsc_available(cache, key, 3, NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_remove(NULL, key, 3), TSC_INVALID_ARGUMENT);
    assert_status(tsc_remove(cache, NULL, 3), TSC_INVALID_ARGUMENT);
    assert_status(tsc_remove(cache, NULL, 0), TSC_INVALID_ARGUMENT);
    assert_status(tsc_remove(cache, key, 0), TSC_INVALID_ARGUMENT);
    EACH_IMPOSSIBLE(len) {
        assert_status(tsc_available(cache, key, len, &count), TSC_INVALID_ARGUMENT);
        assert_status(tsc_remove(cache, key, len), TSC_INVALID_ARGUMENT);
    }
    assert_int_equal(count, 77);
    assert_status(tsc_clear(NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_clear_expired(NULL, &count), TSC_INVALID_ARGUMENT);
    assert_int_equal(count, 77);
}

static void statistics_asked_with_nonsense_write_nothing(void **state) {
    (void)state;
    tsc_stats stats;
    memset(&stats, 0xA5, sizeof stats);
    assert_status(tsc_stats_get(NULL, &stats, sizeof stats), TSC_INVALID_ARGUMENT);
    assert_status(tsc_stats_get(cache, NULL, sizeof stats), TSC_INVALID_ARGUMENT);
    assert_status(tsc_stats_get(cache, NULL, 0), TSC_INVALID_ARGUMENT);
    assert_status(tsc_stats_get(cache, &stats, 0), TSC_INVALID_ARGUMENT);
    EACH_IMPOSSIBLE(size)
    assert_status(tsc_stats_get(cache, &stats, size), TSC_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof stats; i++)
        assert_int_equal(((uint8_t *)&stats)[i], 0xA5);
}

static void statistics_as_text_asked_with_nonsense_write_nothing(void **state) {
    (void)state;
    static char buf[8192], untouched[8192];
    memset(buf, 0xA5, sizeof buf);
    memset(untouched, 0xA5, sizeof untouched);
    size_t len = 77;
#define TEXT(cache, labels, labels_len, buf, cap, len)                                             \
    assert_status(tsc_stats_prometheus(cache, labels, labels_len, buf, cap, len),                  \
                  TSC_INVALID_ARGUMENT)
    TEXT(NULL, NULL, 0, buf, sizeof buf, &len);
    TEXT(cache, NULL, 3, buf, sizeof buf, &len);
    TEXT(cache, NULL, 0, NULL, sizeof buf, &len);
    TEXT(cache, NULL, 0, buf, sizeof buf, NULL);
    TEXT(cache, NULL, 0, NULL, 0, NULL);
    EACH_IMPOSSIBLE(impossible_len) {
        TEXT(cache, "a=\"b\"", impossible_len, buf, sizeof buf, &len);
        TEXT(cache, NULL, impossible_len, buf, sizeof buf, &len);
        TEXT(cache, NULL, 0, buf, impossible_len, &len);
        TEXT(cache, NULL, 0, NULL, impossible_len, &len);
    }
    assert_int_equal(len, 77);
    assert_memory_equal(buf, untouched, sizeof buf);
}

static void making_and_asking_a_config_refuse_nonsense(void **state) {
    (void)state;
    tsc_config_options options = {0};
    const size_t size = sizeof options;
    tsc_config *out = UNTOUCHED;
    assert_status(tsc_config_new(NULL, NULL, 0, &out), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_new(cache, NULL, 0, NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_new(cache, NULL, size, &out), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_new(cache, &options, 0, &out), TSC_INVALID_ARGUMENT);
    options.identity_len = 3;
    assert_status(tsc_config_new(cache, &options, size, &out), TSC_INVALID_ARGUMENT);
    options.identity = (const uint8_t *)"name";
    EACH_IMPOSSIBLE(len) {
        options.identity_len = len;
        assert_status(tsc_config_new(cache, &options, size, &out), TSC_INVALID_ARGUMENT);
        assert_status(tsc_config_new(cache, &options, len, &out), TSC_INVALID_ARGUMENT);
    }
    assert_ptr_equal(out, UNTOUCHED);

    tsc_endpoint to = endpoint("db.example", 9142);
    size_t count = 77;
    assert_status(tsc_config_available(NULL, &to, sizeof to, &count), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_available(config, NULL, sizeof to, &count), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_available(config, NULL, 0, &count), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_available(config, &to, 0, &count), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_available(config, &to, SIZE_MAX, &count), TSC_INVALID_ARGUMENT);
    assert_status(tsc_config_available(config, &to, sizeof to, NULL), TSC_INVALID_ARGUMENT);
    assert_int_equal(count, 77);
}

static void an_export_or_import_of_nonsense_moves_nothing(void **state) {
    (void)state;
    tsc_config_options options = {.identity = (const uint8_t *)"name", .identity_len = 4};
    tsc_config *named = NULL;
    assert_ok(tsc_config_new(cache, &options, sizeof options, &named));
    uint8_t key[TSC_EXPORT_KEY + 1] = {0}, buf[1024], untouched[1024];
    memset(buf, 0xA5, sizeof buf);
    memset(untouched, 0xA5, sizeof untouched);
    size_t len = 77, left_out = 77, count = 77;
    const size_t key_len = TSC_EXPORT_KEY, cap = sizeof buf;
    assert_ok(put(cache, "key", TLS13, LONG, "session"));
    full_handshake(named, TLS13, "session");
#define EXPORT(...) assert_status(tsc_config_export(__VA_ARGS__, &left_out), TSC_INVALID_ARGUMENT)
#define CACHE_EXPORT(...)                                                                          \
    assert_status(tsc_cache_export(__VA_ARGS__, &left_out), TSC_INVALID_ARGUMENT)
#define IMPORT(...) assert_status(tsc_config_import(__VA_ARGS__), TSC_INVALID_ARGUMENT)
#define CACHE_IMPORT(...) assert_status(tsc_cache_import(__VA_ARGS__), TSC_INVALID_ARGUMENT)
    EXPORT(NULL, key, key_len, buf, cap, &len);
    EXPORT(named, NULL, key_len, buf, cap, &len);
    EXPORT(named, NULL, 0, buf, cap, &len);
    EXPORT(named, key, key_len - 1, buf, cap, &len);
    EXPORT(named, key, key_len + 1, buf, cap, &len);
    EXPORT(named, key, key_len, NULL, cap, &len);
    EXPORT(named, key, key_len, buf, cap, NULL);
    CACHE_EXPORT(NULL, key, key_len, buf, cap, &len);
    CACHE_EXPORT(cache, NULL, key_len, buf, cap, &len);
    CACHE_EXPORT(cache, key, key_len - 1, buf, cap, &len);
    CACHE_EXPORT(cache, key, key_len, NULL, cap, &len);
    CACHE_EXPORT(cache, key, key_len, buf, cap, NULL);
    IMPORT(NULL, key, key_len, buf, cap, &count);
    IMPORT(named, NULL, key_len, buf, cap, &count);
    IMPORT(named, key, key_len - 1, buf, cap, &count);
    IMPORT(named, key, key_len + 1, buf, cap, &count);
    IMPORT(named, key, key_len, NULL, cap, &count);
    IMPORT(named, key, key_len, buf, cap, NULL);
    CACHE_IMPORT(NULL, key, key_len, buf, cap, &count);
    CACHE_IMPORT(cache, NULL, key_len, buf, cap, &count);
    CACHE_IMPORT(cache, key, key_len - 1, buf, cap, &count);
    CACHE_IMPORT(cache, key, key_len, NULL, cap, &count);
    CACHE_IMPORT(cache, key, key_len, buf, cap, NULL);
    EACH_IMPOSSIBLE(impossible_len) {
        EXPORT(named, key, impossible_len, buf, cap, &len);
        EXPORT(named, key, key_len, buf, impossible_len, &len);
        EXPORT(named, key, key_len, NULL, impossible_len, &len);
        CACHE_EXPORT(cache, key, impossible_len, buf, cap, &len);
        CACHE_EXPORT(cache, key, key_len, buf, impossible_len, &len);
        IMPORT(named, key, impossible_len, buf, cap, &count);
        IMPORT(named, key, key_len, buf, impossible_len, &count);
        CACHE_IMPORT(cache, key, impossible_len, buf, cap, &count);
        CACHE_IMPORT(cache, key, key_len, NULL, impossible_len, &count);
    }
    assert_int_equal(len, 77);
    assert_int_equal(left_out, 77);
    assert_int_equal(count, 77);
    assert_memory_equal(buf, untouched, sizeof buf);
    assert_int_equal(config_available(named), 1);
    assert_gets(cache, "key", "session");
    tsc_config_free(named);
}

static void attaching_nonsense_to_rustls_is_refused(void **state) {
    (void)state;
    const struct rustls_client_config *rustls = UNTOUCHED;
    tsc_config *out = UNTOUCHED;
    if (tsc_has_rustls()) {
        assert_status(tsc_config_attach(cache, NULL, NULL, 0, &out), TSC_INVALID_ARGUMENT);
        assert_status(tsc_config_attach(NULL, rustls, NULL, 0, &out), TSC_INVALID_ARGUMENT);
        assert_status(tsc_config_attach(cache, rustls, NULL, 0, NULL), TSC_INVALID_ARGUMENT);
        assert_status(tsc_config_attach(cache, rustls, NULL, 8, &out), TSC_INVALID_ARGUMENT);
    } else {
        assert_status(tsc_config_attach(cache, rustls, NULL, 0, &out), TSC_UNSUPPORTED);
    }
    assert_ptr_equal(out, UNTOUCHED);

    assert_status(tsc_attempt_rustls_config(attempt, &rustls), TSC_UNSUPPORTED);
    assert_ptr_equal(rustls, UNTOUCHED);
    assert_int_not_equal(tsc_attempt_rustls_config(attempt, NULL), TSC_OK);
    assert_int_not_equal(tsc_attempt_rustls_config(NULL, &rustls), TSC_OK);
}

static void an_endpoint_of_nonsense_is_refused(void **state) {
    (void)state;
    tsc_endpoint good = endpoint("db.example", 9142), to;
    tsc_attempt *out = UNTOUCHED;
    assert_status(tsc_attempt_new(NULL, &good, sizeof good, &out), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_new(config, NULL, sizeof good, &out), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_new(config, NULL, 0, &out), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_new(config, &good, 0, &out), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_new(config, &good, SIZE_MAX, &out), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_new(config, &good, sizeof good, NULL), TSC_INVALID_ARGUMENT);
    tsc_endpoint newer = good;
    newer.flags = 2;
    assert_status(tsc_attempt_new(config, &newer, sizeof newer, &out), TSC_UNSUPPORTED);

#define REFUSES(...)                                                                               \
    do {                                                                                           \
        to = good;                                                                                 \
        __VA_ARGS__;                                                                               \
        assert_status(tsc_attempt_new(config, &to, sizeof to, &out), TSC_INVALID_ARGUMENT);        \
        size_t count_ = 77;                                                                        \
        assert_status(tsc_config_available(config, &to, sizeof to, &count_),                       \
                      TSC_INVALID_ARGUMENT);                                                       \
        assert_int_equal(count_, 77);                                                              \
    } while (0)
    REFUSES(to.host = NULL);
    REFUSES(to.host_len = 0);
    REFUSES(to.host = NULL, to.host_len = 0);
    REFUSES(to.server_name_len = 1);
    REFUSES(to.group_len = 1);
    REFUSES(to.port = 65536);
    REFUSES(to.port = UINT32_MAX);
    EACH_IMPOSSIBLE(len) {
        REFUSES(to.host_len = len);
        REFUSES(to.server_name = to.host, to.server_name_len = len);
        REFUSES(to.group = to.host, to.group_len = len);
    }
    assert_ptr_equal(out, UNTOUCHED);
}

static void an_attempt_refuses_nonsense_and_stays_open(void **state) {
    (void)state;
    tsc_session session;
    memset(&session, 0xA5, sizeof session);
    assert_status(tsc_attempt_offer(NULL, &session, sizeof session), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_offer(attempt, NULL, sizeof session), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_offer(attempt, NULL, 0), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_offer(attempt, &session, 0), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_offer(attempt, &session, SIZE_MAX), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_offer(attempt, &session, sizeof session), TSC_NOT_FOUND);
    for (size_t i = 0; i < sizeof session; i++)
        assert_int_equal(((uint8_t *)&session)[i], 0xA5);

    tsc_attempt_info info;
    memset(&info, 0xA5, sizeof info);
    assert_status(tsc_attempt_info_get(NULL, &info, sizeof info), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_info_get(attempt, NULL, sizeof info), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_info_get(attempt, NULL, 0), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_info_get(attempt, &info, 0), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_info_get(attempt, &info, SIZE_MAX), TSC_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof info; i++)
        assert_int_equal(((uint8_t *)&info)[i], 0xA5);

    assert_status(tsc_attempt_sent(NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_withdraw(NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_established(NULL, 0), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_failed(NULL, TSC_FACT_SENT), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_failed(attempt, 2 * TSC_FACT_ALERT), TSC_UNSUPPORTED);
    assert_status(tsc_attempt_failed(attempt, UINT32_MAX), TSC_UNSUPPORTED);
    assert_status(tsc_attempt_wants_another(NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_set_not_after(NULL, INT64_MAX), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_set_not_after(attempt, 0), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_set_not_after(attempt, -1), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_set_not_after(attempt, INT64_MIN), TSC_INVALID_ARGUMENT);
    assert_int_equal(info_of(attempt).state, TSC_ATTEMPT_OPEN);
}

static void no_ready(void *arg) {
    (void)arg;
    fail_msg("told of a wait that never was");
}

static void waits_and_forecasts_refuse_nonsense(void **state) {
    (void)state;
    int fd = -77;
    tsc_attempt *leader = new_attempt(config);
    assert_offers_nothing(leader); /* there would be something to wait for */
    assert_status(tsc_attempt_wait(NULL, 1), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_wait_callback(NULL, 1, no_ready, NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_wait_callback(attempt, 1, NULL, NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_wait_fd(NULL, 1, &fd), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_wait_fd(attempt, 1, NULL), TSC_INVALID_ARGUMENT);
    assert_status(tsc_attempt_wait_end(NULL), TSC_INVALID_ARGUMENT);
    assert_int_equal(fd, -77);
    assert_int_equal(stats_of(cache).waited, 0);
    tsc_attempt_free(leader);

    tsc_endpoint to = endpoint("db.example", 9142), nowhere = {0};
    tsc_forecast forecast;
    memset(&forecast, 0xA5, sizeof forecast);
#define FORECAST(config, to, size, out, out_size)                                                  \
    assert_status(tsc_config_forecast(config, to, size, out, out_size), TSC_INVALID_ARGUMENT)
    FORECAST(NULL, &to, sizeof to, &forecast, sizeof forecast);
    FORECAST(config, NULL, sizeof to, &forecast, sizeof forecast);
    FORECAST(config, NULL, 0, &forecast, sizeof forecast);
    FORECAST(config, &nowhere, sizeof nowhere, &forecast, sizeof forecast);
    FORECAST(config, &to, sizeof to, NULL, sizeof forecast);
    FORECAST(config, &to, sizeof to, &forecast, 0);
    EACH_IMPOSSIBLE(size) {
        FORECAST(config, &to, size, &forecast, sizeof forecast);
        FORECAST(config, &to, sizeof to, &forecast, size);
    }
    for (size_t i = 0; i < sizeof forecast; i++)
        assert_int_equal(((uint8_t *)&forecast)[i], 0xA5);
}

static void no_release(void *object) {
    (void)object;
    fail_msg("an object was released that was never taken");
}

static void receiving_nonsense_stores_and_releases_nothing(void **state) {
    (void)state;
    const uint8_t data[] = "data";
    tsc_session_info info = session_info(TLS13, LONG);
    const size_t size = sizeof info;
#define RECEIVE(attempt, info, size, data, len)                                                    \
    assert_status(tsc_attempt_receive(attempt, info, size, data, len), TSC_INVALID_ARGUMENT)
    RECEIVE(NULL, &info, size, data, 4);
    RECEIVE(attempt, NULL, 0, data, 4);
    RECEIVE(attempt, NULL, size, data, 4);
    RECEIVE(attempt, &info, 0, data, 4);
    RECEIVE(attempt, &info, size, NULL, 0);
    RECEIVE(attempt, &info, size, NULL, 4);
    RECEIVE(attempt, &info, size, data, 0);

    int object;
#define OBJECT(attempt, info, size, object, bytes, release)                                        \
    assert_status(tsc_attempt_receive_object(attempt, info, size, object, bytes, release),         \
                  TSC_INVALID_ARGUMENT)
    OBJECT(NULL, &info, size, &object, 4, no_release);
    OBJECT(attempt, NULL, 0, &object, 4, no_release);
    OBJECT(attempt, NULL, size, &object, 4, no_release);
    OBJECT(attempt, &info, 0, &object, 4, no_release);
    OBJECT(attempt, &info, size, NULL, 4, no_release);
    OBJECT(attempt, &info, size, &object, 4, NULL);
    EACH_IMPOSSIBLE(len) {
        RECEIVE(attempt, &info, len, data, 4);
        RECEIVE(attempt, &info, size, data, len);
        RECEIVE(attempt, &info, size, NULL, len);
        OBJECT(attempt, &info, len, &object, 4, no_release);
    }
    assert_int_not_equal(
        tsc_attempt_receive_object(attempt, &info, size, &object, SIZE_MAX, no_release), TSC_OK);
    info.tls_version = 0;
    RECEIVE(attempt, &info, size, data, 4);
    OBJECT(attempt, &info, size, &object, 4, no_release);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_int_equal(stats_of(cache).sessions, 0);
}

/* unload_library.c has more of it. */
static void a_function_is_named_if_it_is_in_a_module(void **state) {
    (void)state;
    uint8_t id[TSC_FUNCTION_ID] = {0}, other[TSC_FUNCTION_ID] = {0};
    void (*const known)(void) = (void (*)(void))tsc_version;
    assert_status(tsc_function_id(known, id), TSC_OK);
    assert_status(tsc_function_id((void (*)(void))tsc_has_rustls, other), TSC_OK);
    assert_memory_not_equal(id, other, sizeof id);
    assert_status(tsc_function_id(NULL, id), TSC_INVALID_ARGUMENT);
    assert_status(tsc_function_id(known, NULL), TSC_INVALID_ARGUMENT);
#ifdef __linux__
    void *made = malloc(1);
    void (*function)(void);
    memcpy(&function, &made, sizeof function);
    assert_status(tsc_function_id(function, id), TSC_NOT_FOUND);
    free(made);
#endif
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(freeing_null_does_nothing),
        TEST(making_sharing_and_closing_a_cache_refuse_nonsense),
        TEST(a_put_of_nonsense_stores_nothing),
        TEST(a_get_of_nonsense_writes_and_takes_nothing),
        TEST(nonsense_with_objects_takes_and_releases_nothing),
        TEST(counting_and_removing_refuse_nonsense),
        TEST(statistics_asked_with_nonsense_write_nothing),
        TEST(statistics_as_text_asked_with_nonsense_write_nothing),
        TEST(making_and_asking_a_config_refuse_nonsense),
        TEST(an_export_or_import_of_nonsense_moves_nothing),
        TEST(attaching_nonsense_to_rustls_is_refused),
        TEST(an_endpoint_of_nonsense_is_refused),
        TEST(an_attempt_refuses_nonsense_and_stays_open),
        TEST(waits_and_forecasts_refuse_nonsense),
        TEST(receiving_nonsense_stores_and_releases_nothing),
        TEST(a_function_is_named_if_it_is_in_a_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
