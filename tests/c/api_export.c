/* Export and import through the C API: what moves, what stays, and what is refused. Two caches
 * stand for two processes; openssl_export.c has real ones. */
#include <pthread.h>

#include "api.h"
#ifndef _WIN32
#include "child.h"
#endif

static const uint8_t secret[TSC_EXPORT_KEY] = {1, 2, 3};

static driven_clock old_clock, new_clock;
static tsc_cache *old_cache, *new_cache_;
static tsc_config *old_config, *new_config_;

static tsc_config *config_named(const tsc_cache *cache, const char *identity) {
    tsc_config_options options = {.identity = (const uint8_t *)identity,
                                  .identity_len = strlen(identity)};
    tsc_config *config = NULL;
    assert_ok(tsc_config_new(cache, &options, sizeof options, &config));
    return config;
}

static int set_up(void **state) {
    (void)state;
    old_clock.ms = 1000 * DAY;
    new_clock.ms = 0;
    old_cache = new_cache((tsc_options){.clock = driven_clock_now, .clock_arg = &old_clock});
    new_cache_ = new_cache((tsc_options){.clock = driven_clock_now, .clock_arg = &new_clock});
    old_config = config_named(old_cache, "verifies");
    new_config_ = config_named(new_cache_, "verifies");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tsc_config_free(old_config);
    tsc_config_free(new_config_);
    free_cache(old_cache);
    free_cache(new_cache_);
    return 0;
}

/* An export in a block of exactly its size. */
typedef struct {
    uint8_t *data;
    size_t len;
} export;

static export export_of(const tsc_config *config, size_t left_out) {
    export it = {NULL, 0};
    size_t len = 0, left = 77;
    assert_status(tsc_config_export(config, secret, sizeof secret, NULL, 0, &it.len, &left),
                  TSC_TOO_SMALL);
    assert_int_equal(left, 77);
    it.data = malloc(it.len);
    assert_non_null(it.data);
    assert_ok(tsc_config_export(config, secret, sizeof secret, it.data, it.len, &len, &left));
    assert_int_equal(len, it.len);
    assert_int_equal(left, left_out);
    return it;
}

static size_t import_into(const tsc_config *config, export it) {
    size_t count = SIZE_MAX;
    assert_ok(tsc_config_import(config, secret, sizeof secret, it.data, it.len, &count));
    return count;
}

static void tickets_move_and_a_session_is_copied(void **state) {
    (void)state;
    full_handshake(old_config, TLS13, "a", "b");
    full_handshake(old_config, TLS12, "reusable");
    export it = export_of(old_config, 0);
    assert_int_equal(config_available(old_config), 1);
    assert_int_equal(stats_of(old_cache).removed, 2);
    assert_int_equal(import_into(new_config_, it), 3);
    assert_int_equal(config_available(new_config_), 3);
    assert_int_equal(stats_of(new_cache_).stored, 3);
    tsc_attempt *attempt = new_attempt(new_config_);
    assert_offers(attempt, "reusable");
    tsc_attempt_free(attempt);
    free(it.data);
}

static int released;
static void release(void *object) {
    (void)object;
    released++;
}

static void objects_stay(void **state) {
    (void)state;
    tsc_attempt *attempt = new_attempt(old_config);
    tsc_session_info info = session_info(TLS13, LONG);
    assert_ok(tsc_attempt_receive_object(attempt, &info, sizeof info, &released, 8, release));
    assert_ok(receive(attempt, TLS13, LONG, "bytes"));
    assert_ok(tsc_attempt_established(attempt, 0));
    tsc_attempt_free(attempt);
    export it = export_of(old_config, 1);
    assert_int_equal(config_available(old_config), 1);
    assert_int_equal(released, 0);
    assert_int_equal(import_into(new_config_, it), 1);
    free(it.data);

    /* Who does not ask how many stay need not. */
    uint8_t buf[1024];
    size_t len = 0;
    assert_ok(tsc_config_export(old_config, secret, sizeof secret, buf, sizeof buf, &len, NULL));
}

static void a_buffer_that_is_too_small_loses_nothing(void **state) {
    (void)state;
    full_handshake(old_config, TLS13, "a", "b");
    size_t needed = 0;
    assert_status(tsc_config_export(old_config, secret, sizeof secret, NULL, 0, &needed, NULL),
                  TSC_TOO_SMALL);
    for (size_t cap = 0; cap < needed; cap++) {
        uint8_t *buf = malloc(cap + 1);
        assert_non_null(buf);
        memset(buf, 0xA5, cap + 1);
        size_t len = 0;
        assert_status(tsc_config_export(old_config, secret, sizeof secret, buf, cap, &len, NULL),
                      TSC_TOO_SMALL);
        assert_int_equal(len, needed);
        for (size_t i = 0; i <= cap; i++)
            assert_int_equal(buf[i], 0xA5);
        free(buf);
    }
    assert_int_equal(config_available(old_config), 2);
    export it = export_of(old_config, 0);
    assert_int_equal(it.len, needed);
    assert_int_equal(import_into(new_config_, it), 2);
    free(it.data);
}

/* An import takes up a lifetime where the export left it, and never begins it anew. */
static void a_lifetime_goes_on_where_the_export_left_it(void **state) {
    (void)state;
    full_handshake(old_config, TLS13, "a");
    full_handshake(old_config, TLS12, "b");
    driven_clock_advance(&old_clock, (LONG - 1000) * SECOND);
    export it = export_of(old_config, 0);
    assert_int_equal(import_into(new_config_, it), 2);
    tsc_attempt *attempt = new_attempt(new_config_);
    tsc_session session = {0};
    assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
    assert_in_range(session.lifetime_seconds, 900, 1000);
    tsc_attempt_free(attempt);
    driven_clock_advance(&new_clock, 1000 * SECOND);
    assert_int_equal(config_available(new_config_), 0);
    free(it.data);
}

static void what_is_not_authentic_brings_nothing(void **state) {
    (void)state;
    full_handshake(old_config, TLS13, "a", "b");
    assert_ok(put(old_cache, "key", TLS13, LONG, "c"));
    export it = export_of(old_config, 0);
    tsc_config *other = config_named(new_cache_, "verifies less");
    size_t count = 77;
#define REFUSES(call) assert_status(call, TSC_NOT_AUTHENTIC)
    REFUSES(tsc_config_import(other, secret, sizeof secret, it.data, it.len, &count));
    REFUSES(tsc_cache_import(new_cache_, secret, sizeof secret, it.data, it.len, &count));
    REFUSES(tsc_config_import(new_config_, secret, sizeof secret, NULL, 0, &count));
    const uint8_t other_secret[TSC_EXPORT_KEY] = {1, 2, 4};
    REFUSES(
        tsc_config_import(new_config_, other_secret, sizeof other_secret, it.data, it.len, &count));
    for (size_t len = 0; len < it.len; len++) {
        uint8_t *part = malloc(len + 1); /* so that one byte too many is seen */
        assert_non_null(part);
        memcpy(part, it.data, len);
        REFUSES(tsc_config_import(new_config_, secret, sizeof secret, part, len, &count));
        it.data[len] ^= 0x10;
        REFUSES(tsc_config_import(new_config_, secret, sizeof secret, it.data, it.len, &count));
        it.data[len] ^= 0x10;
        free(part);
    }
    assert_int_equal(count, 77);
    assert_int_equal(stats_of(new_cache_).stored, 0);
    assert_int_equal(import_into(new_config_, it), 2);
    tsc_config_free(other);
    free(it.data);
}

static void the_callers_own_keys_are_exported_apart_from_configs(void **state) {
    (void)state;
    assert_ok(put(old_cache, "a", TLS13, LONG, "1"));
    assert_ok(put(old_cache, "a", TLS13, LONG, "2"));
    assert_ok(put(old_cache, "b", TLS12, LONG, "3"));
    full_handshake(old_config, TLS13, "of an attempt");
    uint8_t buf[1024];
    size_t len = 0, left_out = 77, count = 0;
    assert_status(tsc_cache_export(old_cache, secret, sizeof secret, buf, 10, &len, &left_out),
                  TSC_TOO_SMALL);
    assert_int_equal(available(old_cache, "a"), 2);
    assert_ok(tsc_cache_export(old_cache, secret, sizeof secret, buf, sizeof buf, &len, &left_out));
    assert_int_equal(left_out, 0);
    assert_int_equal(available(old_cache, "a"), 0);
    assert_int_equal(available(old_cache, "b"), 1);
    assert_int_equal(config_available(old_config), 1);
    assert_status(tsc_config_import(new_config_, secret, sizeof secret, buf, len, &count),
                  TSC_NOT_AUTHENTIC);
    assert_ok(tsc_cache_import(new_cache_, secret, sizeof secret, buf, len, &count));
    assert_int_equal(count, 3);
    assert_gets(new_cache_, "a", "2");
    assert_gets(new_cache_, "a", "1");
    assert_gets_nothing(new_cache_, "a");
    assert_gets(new_cache_, "b", "3");
}

static void a_config_without_an_identity_exports_and_imports_nothing(void **state) {
    (void)state;
    tsc_config *own = new_config(old_cache);
    full_handshake(own, TLS13, "a");
    uint8_t buf[1024];
    size_t len = 77, count = 77;
    assert_status(tsc_config_export(own, secret, sizeof secret, buf, sizeof buf, &len, NULL),
                  TSC_UNSUPPORTED);
    export it = export_of(old_config, 0);
    assert_status(tsc_config_import(own, secret, sizeof secret, it.data, it.len, &count),
                  TSC_UNSUPPORTED);
    assert_int_equal(len, 77);
    assert_int_equal(count, 77);
    assert_int_equal(config_available(own), 1);
    free(it.data);
    tsc_config_free(own);
}

static void a_closed_cache_exports_and_imports_nothing(void **state) {
    (void)state;
    export it = export_of(old_config, 0);
    uint8_t buf[1024];
    size_t len = 77, count = 77;
    assert_ok(tsc_cache_close(old_cache));
#define CLOSED(call) assert_status(call, TSC_CLOSED)
    CLOSED(tsc_config_export(old_config, secret, sizeof secret, buf, sizeof buf, &len, NULL));
    CLOSED(tsc_cache_export(old_cache, secret, sizeof secret, buf, sizeof buf, &len, NULL));
    CLOSED(tsc_config_import(old_config, secret, sizeof secret, it.data, it.len, &count));
    CLOSED(tsc_cache_import(old_cache, secret, sizeof secret, it.data, it.len, &count));
    assert_int_equal(len, 77);
    assert_int_equal(count, 77);
    free(it.data);
}

#ifndef _WIN32
/* A child has none of its parent's sessions, and so none to export. */
static int export_as_a_child(void *arg) {
    uint8_t buf[1024];
    size_t len = 0, count = 77;
    export *it = arg;
    CHILD_EXPECT(tsc_config_export(old_config, secret, sizeof secret, buf, sizeof buf, &len,
                                   NULL) == TSC_OK);
    CHILD_EXPECT(tsc_config_import(new_config_, secret, sizeof secret, buf, len, &count) == TSC_OK);
    CHILD_EXPECT(count == 0);
    CHILD_EXPECT(tsc_config_import(new_config_, secret, sizeof secret, it->data, it->len, &count) ==
                 TSC_OK);
    CHILD_EXPECT(count == 1);
    return 0;
}

static void a_child_exports_only_its_own(void **state) {
    (void)state;
    full_handshake(old_config, TLS13, "a");
    export it = export_of(old_config, 0);
    full_handshake(old_config, TLS13, "b");
    assert_int_equal(in_child(export_as_a_child, &it), 0);
    assert_int_equal(config_available(old_config), 1);
    free(it.data);
}
#endif

/* While tickets are got, put and exported by many threads, each is in one place. */
enum { TICKETS = 4000, THREADS = 6 };
static atomic_int tickets_made, seen[TICKETS];
static atomic_bool wrong;

static void see(const uint8_t *ticket) {
    uint32_t number;
    memcpy(&number, ticket, sizeof number);
    if (number >= TICKETS || atomic_fetch_add(&seen[number], 1) != 0)
        atomic_store(&wrong, true);
}

static void get_all(const tsc_cache *cache, char key) {
    uint8_t ticket[4];
    size_t len = 0;
    while (tsc_get(cache, (const uint8_t *)&key, 1, ticket, sizeof ticket, &len, NULL, 0) == TSC_OK)
        see(ticket);
}

static void *put_and_get(void *arg) {
    const char first = (char)('a' + (uintptr_t)arg % 2);
    for (;;) {
        const int ticket = atomic_fetch_add(&tickets_made, 1);
        if (ticket >= TICKETS)
            return NULL;
        const char key[] = {(char)(first + ticket % 3), '\0'};
        if (put_bytes(old_cache, key, TLS13, &ticket, sizeof ticket) != TSC_OK)
            atomic_store(&wrong, true);
        if (ticket % 4 == 0)
            get_all(old_cache, first);
    }
}

static void *export_and_import(void *arg) {
    (void)arg;
    static uint8_t buf[1 << 16];
    while (atomic_load(&tickets_made) < TICKETS) {
        size_t len = 0, count = 0;
        if (tsc_cache_export(old_cache, secret, sizeof secret, buf, sizeof buf, &len, NULL) !=
                TSC_OK ||
            tsc_cache_import(new_cache_, secret, sizeof secret, buf, len, &count) != TSC_OK)
            atomic_store(&wrong, true);
        for (char key = 'a'; key <= 'd'; key++)
            get_all(new_cache_, key);
    }
    return NULL;
}

static void a_ticket_is_got_or_exported_and_never_both(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i == 0 ? export_and_import : put_and_get, (void *)i),
            0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (char key = 'a'; key <= 'd'; key++)
        get_all(old_cache, key);
    assert_false(atomic_load(&wrong));
    /* Those that are missing made room for others. */
    int missing = 0;
    for (int i = 0; i < TICKETS; i++)
        missing += seen[i] == 0;
    assert_int_equal(missing, stats_of(old_cache).displaced + stats_of(new_cache_).displaced);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tickets_move_and_a_session_is_copied),
        TEST(objects_stay),
        TEST(a_buffer_that_is_too_small_loses_nothing),
        TEST(a_lifetime_goes_on_where_the_export_left_it),
        TEST(what_is_not_authentic_brings_nothing),
        TEST(the_callers_own_keys_are_exported_apart_from_configs),
        TEST(a_config_without_an_identity_exports_and_imports_nothing),
        TEST(a_closed_cache_exports_and_imports_nothing),
#ifndef _WIN32
        TEST(a_child_exports_only_its_own),
#endif
        TEST(a_ticket_is_got_or_exported_and_never_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
