/* Many threads at once, on one endpoint and on many. Threads count what is wrong, for an assertion
 * belongs to the thread that runs the test. */
#include <pthread.h>

#include "api.h"

#define THREADS 8

static tsc_cache *cache;
static tsc_config *config;
static atomic_int wrong;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            atomic_fetch_add(&wrong, 1);                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
        }                                                                                          \
    } while (0)

static void run(void *(*body)(void *)) {
    pthread_t threads[THREADS];
    atomic_store(&wrong, 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&wrong), 0);
}

#define MANY 20000
static int tickets;
static atomic_int made, taken, holders[MANY], used[MANY];

/* Puts tickets, each with its own number, and gets them back. */
static void *put_and_get(void *arg) {
    (void)arg;
    for (;;) {
        int ticket = atomic_fetch_add(&made, 1);
        if (ticket < tickets) {
            tsc_session_info info = session_info(TLS13, LONG);
            EXPECT(tsc_put(cache, (const uint8_t *)"key", 3, &info, sizeof info,
                           (const uint8_t *)&ticket, sizeof ticket) == TSC_OK);
        }
        int got = -1;
        size_t len = 0;
        tsc_status status =
            tsc_get(cache, (const uint8_t *)"key", 3, (uint8_t *)&got, sizeof got, &len, NULL, 0);
        if (status == TSC_OK) {
            EXPECT(len == sizeof got && got >= 0 && got < tickets);
            EXPECT(atomic_fetch_add(&used[got], 1) == 0);
            atomic_fetch_add(&taken, 1);
        } else {
            EXPECT(status == TSC_NOT_FOUND);
            if (ticket >= tickets)
                return NULL;
        }
    }
}

static void a_ticket_is_got_at_most_once(void **state) {
    (void)state;
    tickets = rounds(MANY);
    cache = new_cache((tsc_options){.max_sessions_per_endpoint = 16});
    memset(used, 0, sizeof used);
    atomic_store(&made, 0);
    atomic_store(&taken, 0);
    run(put_and_get);
    tsc_stats stats = stats_of(cache);
    assert_int_equal(stats.stored, tickets);
    assert_int_equal(stats.offered, atomic_load(&taken));
    assert_int_equal(stats.stored, stats.offered + stats.displaced + stats.sessions);
    assert_int_equal(stats.sessions, 0);
    assert_int_equal(stats.bytes, 0);
    free_cache(cache);
}

/* Connections that offer, and are established, refused in passing or never sent. Nobody holds a
 * ticket that another holds, and nobody gets one that was sent. */
static void *connect(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg + 1;
    tsc_endpoint to = endpoint("db.example", 9142);
    for (;;) {
        tsc_attempt *attempt = NULL;
        EXPECT(tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK);
        tsc_session session = {0};
        tsc_status status = tsc_attempt_offer(attempt, &session, sizeof session);
        random = random * 1664525 + 1013904223;
        int held = -1;
        if (status == TSC_OK) {
            EXPECT(session.len == sizeof held);
            memcpy(&held, session.data, sizeof held);
            EXPECT(held >= 0 && held < tickets);
            EXPECT(atomic_exchange(&holders[held], 1) == 0);
            EXPECT(atomic_load(&used[held]) == 0);
            if (random >> 30 == 0) {
                /* Not sent: it goes back, and may be held again from the moment of the call. */
                atomic_store(&holders[held], 0);
                if (random >> 29 & 1)
                    EXPECT(tsc_attempt_failed(attempt, 0) == TSC_OK);
                tsc_attempt_free(attempt);
                continue;
            }
            EXPECT(tsc_attempt_sent(attempt) == TSC_OK);
            atomic_store(&used[held], 1);
            atomic_fetch_add(&taken, 1);
        } else {
            EXPECT(status == TSC_NOT_FOUND);
        }
        const int first = atomic_fetch_add(&made, 2);
        for (int ticket = first; ticket < first + 2 && ticket < tickets; ticket++) {
            tsc_session_info info = session_info(TLS13, LONG);
            EXPECT(tsc_attempt_receive(attempt, &info, sizeof info, (const uint8_t *)&ticket,
                                       sizeof ticket) == TSC_OK);
        }
        EXPECT(tsc_attempt_established(attempt, held >= 0) == TSC_OK);
        tsc_attempt_free(attempt);
        if (first >= tickets && held < 0)
            return NULL;
    }
}

static void a_ticket_is_offered_at_most_once(void **state) {
    (void)state;
    tickets = rounds(MANY);
    cache = new_cache((tsc_options){0});
    config = new_config(cache);
    memset(used, 0, sizeof used);
    memset(holders, 0, sizeof holders);
    atomic_store(&made, 0);
    atomic_store(&taken, 0);
    run(connect);
    tsc_stats stats = stats_of(cache);
    assert_int_equal(stats.resumed, atomic_load(&taken));
    assert_int_equal(stats.stored, tickets);
    assert_int_equal(stats.refused, 0);
    assert_int_equal(stats.stored, stats.resumed + stats.displaced + stats.sessions);
    assert_true(atomic_load(&taken) > 0);
    tsc_config_free(config);
    free_cache(cache);
}

/* One attempt, one ticket, eight threads that ask for it: all are lent the same. */
static tsc_attempt *common;
static _Atomic(const void *) lent;

static void *offer_in_common(void *arg) {
    (void)arg;
    tsc_session session = {0};
    EXPECT(tsc_attempt_offer(common, &session, sizeof session) == TSC_OK);
    const void *none = NULL;
    if (!atomic_compare_exchange_strong(&lent, &none, session.data))
        EXPECT(none == session.data);
    return NULL;
}

static void one_attempt_offers_one_ticket(void **state) {
    (void)state;
    cache = new_cache((tsc_options){0});
    config = new_config(cache);
    for (int i = 0; i < rounds(200); i++) {
        full_handshake(config, TLS13, "a", "b", "c");
        common = new_attempt(config);
        atomic_store(&lent, NULL);
        run(offer_in_common);
        assert_int_equal(config_available(config), 2);
        tsc_attempt_free(common);
        assert_int_equal(config_available(config), 3);
        assert_ok(tsc_clear(cache));
    }
    tsc_config_free(config);
    free_cache(cache);
}

static atomic_int objects_alive;

static void release(void *object) {
    free(object);
    atomic_fetch_sub(&objects_alive, 1);
}

/* Everything at once on a small cache, so that it evicts, clears and counts all the time. */
static void *anything(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg * 7919 + 1;
    char host[16], session[64];
    for (int i = 0; i < rounds(20000); i++) {
        random = random * 1664525 + 1013904223;
        snprintf(host, sizeof host, "host %u", random >> 16 & 31);
        tsc_endpoint to = endpoint(host, 1);
        tsc_attempt *attempt = NULL;
        const uint32_t version = random >> 12 & 1 ? TLS12 : TLS13;
        switch (random >> 28) {
        case 0:
            tsc_clear(cache);
            break;
        case 1: {
            tsc_stats stats;
            EXPECT(tsc_stats_get(cache, &stats, sizeof stats) == TSC_OK);
            EXPECT(stats.endpoints <= 16 && stats.bytes <= 4096);
            break;
        }
        case 2: {
            tsc_cache *other = NULL;
            EXPECT(tsc_cache_share(cache, &other) == TSC_OK);
            tsc_remove(other, (const uint8_t *)host, strlen(host));
            tsc_cache_free(other);
            break;
        }
        case 3:
        case 4:
        case 5:
            put(cache, host, version, LONG, "session");
            break;
        case 6:
        case 7:
        case 8:
            if (get(cache, host, session) == TSC_OK)
                EXPECT(strcmp(session, "session") == 0);
            break;
        default:
            EXPECT(tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK);
            tsc_session offer = {0};
            const bool offered = tsc_attempt_offer(attempt, &offer, sizeof offer) == TSC_OK;
            if (offered)
                EXPECT(*(int *)offer.object == 4711);
            int *object = malloc(sizeof *object);
            *object = 4711;
            atomic_fetch_add(&objects_alive, 1);
            tsc_session_info info = session_info(version, LONG);
            if (tsc_attempt_receive_object(attempt, &info, sizeof info, object, 100, release) !=
                TSC_OK)
                release(object);
            if (random >> 11 & 1)
                tsc_attempt_established(attempt, offered && random >> 10 & 1);
            else if (random >> 9 & 1)
                tsc_attempt_failed(attempt, random >> 7 & 3);
            tsc_attempt_free(attempt);
        }
    }
    return NULL;
}

static void limits_hold_whatever_threads_do_at_once(void **state) {
    (void)state;
    cache = new_cache((tsc_options){.max_endpoints = 16, .max_bytes = 4096});
    config = new_config(cache);
    run(anything);
    tsc_stats stats = stats_of(cache);
    assert_true(stats.endpoints <= 16);
    assert_true(stats.bytes <= 4096);
    assert_ok(tsc_clear(cache));
    stats = stats_of(cache);
    assert_int_equal(stats.sessions, 0);
    assert_int_equal(stats.bytes, 0);
    assert_int_equal(stats.endpoints, 0);
    assert_int_equal(atomic_load(&objects_alive), 0);
    tsc_config_free(config);
    free_cache(cache);
}

/* A cache that is closed while eight threads use it. */
static void *use_until_closed(void *arg) {
    if ((uintptr_t)arg == 0) {
        while (stats_of(cache).stored < 500)
            ;
        EXPECT(tsc_cache_close(cache) == TSC_OK);
        return NULL;
    }
    char session[64];
    while (put(cache, "key", TLS13, LONG, "session") != TSC_CLOSED) {
        tsc_status status = get(cache, "key", session);
        EXPECT(status == TSC_OK || status == TSC_NOT_FOUND || status == TSC_CLOSED);
        tsc_attempt *attempt = NULL;
        tsc_endpoint to = endpoint("db.example", 9142);
        EXPECT(tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK);
        status = receive(attempt, TLS13, LONG, "session");
        EXPECT(status == TSC_OK || status == TSC_CLOSED);
        EXPECT(tsc_attempt_established(attempt, 0) == TSC_OK);
        tsc_attempt_free(attempt);
    }
    return NULL;
}

static void a_cache_may_be_closed_while_in_use(void **state) {
    (void)state;
    cache = new_cache((tsc_options){0});
    config = new_config(cache);
    run(use_until_closed);
    assert_int_equal(stats_of(cache).sessions, 0);
    assert_int_equal(stats_of(cache).bytes, 0);
    assert_int_equal(config_available(config), 0);
    tsc_config_free(config);
    free_cache(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ticket_is_got_at_most_once),
        cmocka_unit_test(a_ticket_is_offered_at_most_once),
        cmocka_unit_test(one_attempt_offers_one_ticket),
        cmocka_unit_test(limits_hold_whatever_threads_do_at_once),
        cmocka_unit_test(a_cache_may_be_closed_while_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
