/* Sessions as objects: released once, whatever becomes of them, and never while they are lent. The
 * library holds no lock while it releases one, so that a release function may do anything. */
#include "api.h"

typedef struct {
    int released;
    int retained;
} object;

static void release(void *of) {
    ((object *)of)->released++;
}

static void retain(void *of) {
    ((object *)of)->retained++;
}

static const uint8_t key[] = "key";

static tsc_status put_object(const tsc_cache *cache, uint32_t tls_version, object *of) {
    tsc_session_info info = session_info(tls_version, LONG);
    return tsc_put_object(cache, key, 3, &info, sizeof info, of, 100, release);
}

static object *get_object(const tsc_cache *cache) {
    void *out = NULL;
    tsc_session_info info = {0};
    tsc_status status = tsc_get_object(cache, key, 3, &out, retain, &info, sizeof info);
    assert_status(status, out == NULL ? TSC_NOT_FOUND : TSC_OK);
    assert_int_equal(info.tls_version != 0, out != NULL);
    return out;
}

static tsc_status receive_object(const tsc_attempt *attempt, uint32_t tls_version, object *of) {
    tsc_session_info info = session_info(tls_version, LONG);
    return tsc_attempt_receive_object(attempt, &info, sizeof info, of, 100, release);
}

/* One connection that publishes the objects. */
static void publish(const tsc_config *config, uint32_t tls_version, object *objects, int count) {
    tsc_attempt *attempt = new_attempt(config);
    for (int i = 0; i < count; i++)
        assert_ok(receive_object(attempt, tls_version, &objects[i]));
    assert_ok(tsc_attempt_established(attempt, 0));
    tsc_attempt_free(attempt);
}

static void an_object_is_released_once_whatever_becomes_of_it(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.max_endpoints = 1, .max_sessions_per_endpoint = 2});
    tsc_config *config = new_config(cache);
    object o[16] = {{0}};

    publish(config, TLS13, &o[0], 3); /* one more than there is room for */
    assert_int_equal(o[0].released, 1);
    assert_int_equal(o[1].released + o[2].released, 0);
    assert_ok(tsc_clear(cache));
    assert_int_equal(o[1].released, 1);
    assert_int_equal(o[2].released, 1);

    publish(config, TLS12, &o[3], 1);
    publish(config, TLS12, &o[4], 1); /* renewed */
    assert_int_equal(o[3].released, 1);
    assert_int_equal(o[4].released, 0);
    assert_ok(put(cache, "evicts it", TLS12, LONG, "session"));
    assert_int_equal(o[4].released, 1);

    tsc_attempt *attempt = new_attempt(config);
    assert_ok(receive_object(attempt, TLS13, &o[5]));
    assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE));
    assert_int_equal(o[5].released, 1);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_ok(receive_object(attempt, TLS13, &o[6]));
    tsc_attempt_free(attempt);
    assert_int_equal(o[6].released, 1);

    publish(config, TLS13, &o[7], 1); /* used up */
    attempt = new_attempt(config);
    tsc_session session = {0};
    assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
    assert_ptr_equal(session.object, &o[7]);
    assert_null(session.data);
    assert_int_equal(session.tls_version, TLS13);
    assert_ok(tsc_attempt_sent(attempt));
    assert_int_equal(o[7].released, 0); /* lent until the end */
    assert_ok(tsc_attempt_established(attempt, 1));
    tsc_attempt_free(attempt);
    assert_int_equal(o[7].released, 1);

    publish(config, TLS13, &o[8], 2); /* refused, with its lineage */
    attempt = new_attempt(config);
    assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
    assert_ok(tsc_attempt_established(attempt, 0));
    tsc_attempt_free(attempt);
    assert_int_equal(o[8].released, 1);
    assert_int_equal(o[9].released, 1);

    publish(config, TLS13, &o[10], 1); /* returned, then closed */
    attempt = new_attempt(config);
    assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
    tsc_attempt_free(attempt);
    assert_int_equal(o[10].released, 0);
    assert_ok(tsc_cache_close(cache));
    assert_int_equal(o[10].released, 1);

    tsc_config_free(config);
    free_cache(cache);
    for (int i = 0; i <= 10; i++)
        assert_int_equal(o[i].released, 1);
}

static void an_object_that_is_not_received_stays_the_callers(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.max_session_bytes = 100});
    tsc_config *config = new_config(cache);
    object o = {0};
    tsc_attempt *attempt = new_attempt(config);
    tsc_session_info info = session_info(TLS13, LONG);
    assert_status(tsc_attempt_receive_object(attempt, &info, sizeof info, &o, 101, release),
                  TSC_TOO_LARGE);
    info.lifetime_seconds = 0;
    assert_status(tsc_attempt_receive_object(attempt, &info, sizeof info, &o, 100, release),
                  TSC_DISCARDED);
    info.tls_version = 1;
    assert_status(tsc_attempt_receive_object(attempt, &info, sizeof info, &o, 100, release),
                  TSC_INVALID_ARGUMENT);
    assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT));
    assert_status(receive_object(attempt, TLS13, &o), TSC_DISCARDED);
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_ok(tsc_cache_close(cache));
    assert_status(receive_object(attempt, TLS13, &o), TSC_CLOSED);
    tsc_attempt_free(attempt);
    tsc_config_free(config);
    free_cache(cache);
    assert_int_equal(o.released, 0);
}

static void an_object_is_not_released_while_it_is_lent(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    tsc_config *config = new_config(cache);
    object o = {0};
    publish(config, TLS12, &o, 1);
    tsc_attempt *one = new_attempt(config), *two = new_attempt(config);
    tsc_session session = {0};
    assert_ok(tsc_attempt_offer(one, &session, sizeof session));
    assert_ok(tsc_attempt_offer(two, &session, sizeof session));
    assert_ptr_equal(session.object, &o);
    assert_ok(tsc_attempt_established(one, 0)); /* refused: no longer in the cache */
    tsc_attempt_free(one);
    tsc_config_free(config);
    free_cache(cache);
    assert_int_equal(o.released, 0);
    tsc_session again = {0};
    assert_ok(tsc_attempt_offer(two, &again, sizeof again));
    assert_ptr_equal(again.object, &o);
    tsc_attempt_free(two);
    assert_int_equal(o.released, 1);
}

// What an object of this length takes by itself, a fact of src/size.rs.
enum { TAKES = 640 + 100, UNKNOWN = 12 << 10, CERTIFICATE = 3584 };

static void objects_leave_when_they_take_too_much(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.max_bytes = 5 * TAKES / 2});
    tsc_config *config = new_config(cache);
    object o[3] = {{0}};
    const char *hosts[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        tsc_attempt *attempt = new_attempt_to(config, endpoint(hosts[i], 1));
        assert_ok(receive_object(attempt, TLS12, &o[i]));
        assert_ok(tsc_attempt_established(attempt, 0));
        tsc_attempt_free(attempt);
        assert_int_equal(stats_of(cache).bytes, i == 0 ? TAKES : 2 * TAKES);
    }
    assert_int_equal(o[0].released, 1);
    assert_int_equal(o[1].released + o[2].released, 0);
    tsc_config_free(config);
    free_cache(cache);
}

static uint64_t bytes_received(const tsc_attempt *attempt, const tsc_cache *cache, object *of,
                               size_t length, uint32_t certificates, uint32_t certificate_bytes) {
    tsc_session_info info = session_info(TLS13, LONG);
    uint64_t before = stats_of(cache).bytes;
    info.certificates = certificates;
    info.certificate_bytes = certificate_bytes;
    assert_ok(tsc_attempt_receive_object(attempt, &info, sizeof info, of, length, release));
    return stats_of(cache).bytes - before;
}

static void the_sessions_of_an_attempt_share_their_certificates(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    tsc_config *config = new_config(cache);
    object o[5] = {{0}};
    for (int round = 0; round < 2; round++) {
        tsc_attempt *attempt = new_attempt(config);
        assert_ok(tsc_attempt_established(attempt, 0));
        const uint64_t chain = 30 * CERTIFICATE + 4 * 60000;
        /* Longer in memory than max_session_bytes, which bounds what came over the wire. */
        assert_int_equal(bytes_received(attempt, cache, &o[0], 100, 30, 60000), TAKES + chain);
        assert_int_equal(bytes_received(attempt, cache, &o[1], 100, 30, 60000), TAKES);
        tsc_attempt_free(attempt);
    }
    tsc_attempt *attempt = new_attempt(config);
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_int_equal(bytes_received(attempt, cache, &o[2], 0, 0, 0), UNKNOWN);
    tsc_session_info info = session_info(TLS13, LONG);
    info.certificates = 1;
    info.certificate_bytes = 65536 - 100 + 1;
    assert_status(tsc_attempt_receive_object(attempt, &info, sizeof info, &o[3], 100, release),
                  TSC_TOO_LARGE);
    assert_status(tsc_put_object(cache, key, 3, &info, sizeof info, &o[3], 100, release),
                  TSC_TOO_LARGE);
    info.certificate_bytes = 1000;
    uint64_t before = stats_of(cache).bytes;
    assert_ok(tsc_put_object(cache, key, 3, &info, sizeof info, &o[4], 100, release));
    assert_int_equal(stats_of(cache).bytes - before, TAKES + CERTIFICATE + 4000);
    tsc_attempt_free(attempt);
    tsc_config_free(config);
    free_cache(cache);
    assert_int_equal(o[3].released, 0);
}

static void a_single_use_object_under_a_key_passes_to_the_caller(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    object o[2] = {{0}};
    assert_ok(put_object(cache, TLS13, &o[0]));
    assert_ok(put_object(cache, TLS13, &o[1]));
    assert_int_equal(available(cache, "key"), 2);
    assert_int_equal(stats_of(cache).bytes, 2 * TAKES);
    assert_ptr_equal(get_object(cache), &o[1]);
    assert_ptr_equal(get_object(cache), &o[0]);
    assert_null(get_object(cache));
    assert_int_equal(stats_of(cache).offered, 2);
    free_cache(cache);
    for (int i = 0; i < 2; i++)
        assert_int_equal(o[i].released + o[i].retained, 0);
}

static void a_reusable_object_under_a_key_is_retained_for_the_caller(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    object o = {0}, next = {0};
    assert_ok(put_object(cache, TLS12, &o));
    for (int i = 1; i <= 3; i++) {
        assert_ptr_equal(get_object(cache), &o);
        assert_int_equal(o.retained, i);
    }
    assert_int_equal(o.released, 0);
    assert_ok(put_object(cache, TLS12, &next));
    assert_int_equal(o.released, 1);
    free_cache(cache);
    assert_int_equal(o.released, 1);
    assert_int_equal(next.released, 1);
    assert_int_equal(next.retained, 0);
}

static tsc_cache *cleared;

static void retain_and_clear(void *of) {
    retain(of);
    assert_ok(tsc_clear(cleared));
    assert_int_equal(((object *)of)->released, 0);
}

static void a_retain_function_may_call_the_library(void **state) {
    (void)state;
    cleared = new_cache((tsc_options){0});
    object o = {0};
    void *out = NULL;
    assert_ok(put_object(cleared, TLS12, &o));
    assert_ok(tsc_get_object(cleared, key, 3, &out, retain_and_clear, NULL, 0));
    assert_ptr_equal(out, &o);
    assert_int_equal(o.retained, 1);
    assert_int_equal(o.released, 1);
    free_cache(cleared);
    assert_int_equal(o.released, 1);
}

static void bytes_and_objects_are_not_taken_for_each_other(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0});
    object o = {0};
    char session[64];
    size_t len = 77;
    assert_ok(put_object(cache, TLS12, &o));
    assert_status(get(cache, "key", session), TSC_NOT_FOUND);
    assert_status(tsc_get(cache, key, 3, NULL, 0, &len, NULL, 0), TSC_NOT_FOUND);
    assert_int_equal(len, 77);
    assert_ptr_equal(get_object(cache), &o);
    assert_ok(put(cache, "key", TLS13, LONG, "session"));
    assert_null(get_object(cache));
    assert_int_equal(o.released + o.retained, 1);
    assert_gets(cache, "key", "session");
    assert_ptr_equal(get_object(cache), &o);
    free_cache(cache);
    assert_int_equal(o.released, 1);
}

static void an_object_that_is_not_put_stays_the_callers(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.max_session_bytes = 100});
    object o = {0};
    uint8_t over[TSC_MAX_KEY + 1] = {1};
    tsc_session_info info = session_info(TLS13, LONG);
    const size_t size = sizeof info;
    assert_status(tsc_put_object(cache, key, 3, &info, size, &o, 101, release), TSC_TOO_LARGE);
    assert_status(tsc_put_object(cache, over, sizeof over, &info, size, &o, 1, release),
                  TSC_TOO_LARGE);
    info.lifetime_seconds = 0;
    assert_status(tsc_put_object(cache, key, 3, &info, size, &o, 100, release), TSC_DISCARDED);
    tsc_stats stats = stats_of(cache);
    assert_int_equal(stats.discarded_too_large, 1);
    assert_int_equal(stats.discarded_lifetime, 1);
    assert_ok(tsc_cache_close(cache));
    void *out = NULL;
    assert_status(put_object(cache, TLS13, &o), TSC_CLOSED);
    assert_status(tsc_get_object(cache, key, 3, &out, retain, NULL, 0), TSC_CLOSED);
    free_cache(cache);

    cache = new_cache((tsc_options){.flags = TSC_DISABLED});
    assert_status(put_object(cache, TLS13, &o), TSC_DISCARDED);
    assert_null(get_object(cache));
    free_cache(cache);
    assert_int_equal(o.released + o.retained, 0);
}

/* Release functions that use the cache that they were released from, in every way there is. A lock
 * that is still held would be a deadlock, and the limit on this test's time a failure. */
static tsc_cache *reentered, *shared;
static tsc_config *reentered_config;
static int reentries;

static void reenter(void *of) {
    (void)of;
    reentries++;
    static int depth;
    if (depth > 2)
        return;
    depth++;
    char session[64];
    size_t count = 0;
    tsc_endpoint to = endpoint("db.example", 9142);
    tsc_stats stats;
    put(reentered, "from a release", TLS13, LONG, "session");
    get(reentered, "from a release", session);
    tsc_available(reentered, (const uint8_t *)"key", 3, &count);
    tsc_remove(reentered, (const uint8_t *)"key", 3);
    tsc_clear_expired(reentered, &count);
    tsc_stats_get(reentered, &stats, sizeof stats);
    tsc_config_available(reentered_config, &to, sizeof to, &count);
    tsc_attempt *attempt = NULL;
    if (tsc_attempt_new(reentered_config, &to, sizeof to, &attempt) == TSC_OK) {
        tsc_session offer = {0};
        tsc_session_info info = session_info(TLS13, LONG);
        tsc_attempt_offer(attempt, &offer, sizeof offer);
        tsc_attempt_receive_object(attempt, &info, sizeof info, &reentries, 100, reenter);
        tsc_attempt_established(attempt, 0);
        tsc_attempt_free(attempt);
    }
    tsc_clear(reentered);
    if (shared != NULL) {
        tsc_cache *handle = shared;
        shared = NULL;
        tsc_cache_free(handle);
    }
    depth--;
}

static void a_release_function_may_call_the_library(void **state) {
    (void)state;
    for (int way = 0; way < 9; way++) {
        reentered = new_cache((tsc_options){.max_endpoints = 2, .max_sessions_per_endpoint = 2});
        reentered_config = new_config(reentered);
        assert_ok(tsc_cache_share(reentered, &shared));
        reentries = 0;
        tsc_session_info info = session_info(TLS13, LONG);
        tsc_session offer = {0};
        tsc_attempt *attempt = new_attempt(reentered_config);
        for (int i = 0; i < 2; i++)
            assert_ok(
                tsc_attempt_receive_object(attempt, &info, sizeof info, &reentries, 100, reenter));
        assert_int_equal(reentries, 0);
        switch (way) {
        case 0:
            tsc_attempt_free(attempt);
            attempt = NULL;
            break;
        case 1:
            assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE));
            break;
        default:
            assert_ok(tsc_attempt_established(attempt, 0));
        }
        tsc_attempt *next = new_attempt(reentered_config);
        switch (way) {
        case 2: /* displaced */
            assert_ok(
                tsc_attempt_receive_object(attempt, &info, sizeof info, &reentries, 100, reenter));
            break;
        case 3: /* evicted */
            assert_ok(put(reentered, "key", TLS13, LONG, "session"));
            assert_ok(put(reentered, "another key", TLS13, LONG, "session"));
            break;
        case 4:
            assert_ok(tsc_clear(reentered));
            break;
        case 5:
            assert_ok(tsc_cache_close(reentered));
            break;
        case 6: /* used up */
            assert_ok(tsc_attempt_offer(next, &offer, sizeof offer));
            assert_ok(tsc_attempt_established(next, 1));
            break;
        case 7: /* refused */
            assert_ok(tsc_attempt_offer(next, &offer, sizeof offer));
            assert_ok(tsc_attempt_established(next, 0));
            break;
        case 8: /* failed */
            assert_ok(tsc_attempt_offer(next, &offer, sizeof offer));
            assert_ok(tsc_attempt_failed(next, TSC_FACT_SENT));
            break;
        }
        assert_true(reentries > 0);
        tsc_attempt_free(next);
        tsc_attempt_free(attempt);
        tsc_cache_free(shared);
        shared = NULL;
        /* Closed before it is freed: a release function must not use a handle that is being freed.
         */
        assert_ok(tsc_cache_close(reentered));
        tsc_config_free(reentered_config);
        tsc_cache_free(reentered);
    }
}

/* The same for a clock. */
static tsc_cache *clocked;
static bool inside;

static uint64_t a_clock_that_calls(void *arg) {
    (void)arg;
    if (clocked != NULL && !inside) {
        inside = true;
        char session[64];
        put(clocked, "from the clock", TLS12, LONG, "session");
        get(clocked, "from the clock", session);
        stats_of(clocked);
        tsc_clear(clocked);
        inside = false;
    }
    return 1000;
}

static void a_clock_may_call_the_library(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.clock = a_clock_that_calls});
    tsc_config *config = new_config(cache);
    clocked = cache;
    assert_ok(put(cache, "key", TLS12, LONG, "session"));
    available(cache, "key");
    char session[64];
    get(cache, "key", session);
    full_handshake(config, TLS12, "session");
    tsc_attempt *attempt = new_attempt(config);
    tsc_session offer = {0};
    tsc_attempt_offer(attempt, &offer, sizeof offer);
    assert_ok(tsc_attempt_established(attempt, 0));
    tsc_attempt_free(attempt);
    clocked = NULL;
    tsc_config_free(config);
    free_cache(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_released_once_whatever_becomes_of_it),
        cmocka_unit_test(an_object_that_is_not_received_stays_the_callers),
        cmocka_unit_test(an_object_is_not_released_while_it_is_lent),
        cmocka_unit_test(objects_leave_when_they_take_too_much),
        cmocka_unit_test(the_sessions_of_an_attempt_share_their_certificates),
        cmocka_unit_test(a_single_use_object_under_a_key_passes_to_the_caller),
        cmocka_unit_test(a_reusable_object_under_a_key_is_retained_for_the_caller),
        cmocka_unit_test(a_retain_function_may_call_the_library),
        cmocka_unit_test(bytes_and_objects_are_not_taken_for_each_other),
        cmocka_unit_test(an_object_that_is_not_put_stays_the_callers),
        cmocka_unit_test(a_release_function_may_call_the_library),
        cmocka_unit_test(a_clock_may_call_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
