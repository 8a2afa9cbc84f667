/* A forked child finds every cache empty and works; the parent does not notice. */
#include <pthread.h>

#include "api.h"
#include "child.h"

static void never(void *arg) {
    (void)arg;
    abort();
}

static tsc_cache *cache;
static tsc_config *config;
static tsc_attempt *offering, *open_attempt, *established;

static int released;
static void release(void *object) {
    (void)object;
    released++;
}

/* All that a child may do, with a cache that its parent filled. */
static int use_as_a_child(void *arg) {
    (void)arg;
    char session[64];
    tsc_stats stats;
    size_t count = 77;
    tsc_endpoint to = endpoint("db.example", 9142);
    CHILD_EXPECT(tsc_available(cache, (const uint8_t *)"key", 3, &count) == TSC_OK && count == 0);
    CHILD_EXPECT(tsc_config_available(config, &to, sizeof to, &count) == TSC_OK && count == 0);
    CHILD_EXPECT(get(cache, "key", session) == TSC_NOT_FOUND);
    CHILD_EXPECT(tsc_stats_get(cache, &stats, sizeof stats) == TSC_OK);
    CHILD_EXPECT(stats.sessions == 0 && stats.endpoints == 0 && stats.bytes == 0);

    CHILD_EXPECT(put(cache, "key", TLS13, LONG, "child's") == TSC_OK);
    CHILD_EXPECT(get(cache, "key", session) == TSC_OK && strcmp(session, "child's") == 0);
    tsc_attempt *attempt = NULL;
    tsc_attempt_info info;
    tsc_session offer = {0};
    CHILD_EXPECT(tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_offer(attempt, &offer, sizeof offer) == TSC_NOT_FOUND);
    CHILD_EXPECT(tsc_attempt_info_get(attempt, &info, sizeof info) == TSC_OK);
    CHILD_EXPECT(info.reason == TSC_REASON_NOTHING_STORED);
    CHILD_EXPECT(receive(attempt, TLS12, LONG, "child's") == TSC_OK);
    CHILD_EXPECT(tsc_attempt_established(attempt, 0) == TSC_OK);
    tsc_attempt_free(attempt);
    CHILD_EXPECT(tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_wait(attempt, 60000) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_offer(attempt, &offer, sizeof offer) == TSC_OK);
    CHILD_EXPECT(offer.len == 7 && memcmp(offer.data, "child's", 7) == 0);
    CHILD_EXPECT(tsc_attempt_established(attempt, 1) == TSC_OK);
    tsc_attempt_free(attempt);
    tsc_config *made = NULL;
    CHILD_EXPECT(tsc_config_new(cache, NULL, 0, &made) == TSC_OK);
    tsc_config_free(made);
    CHILD_EXPECT(tsc_clear(cache) == TSC_OK);
    return 0;
}

/* Attempts that were made before the fork: their sessions are the parent's. */
static int use_attempts_of_the_parent(void *arg) {
    (void)arg;
    tsc_attempt *attempts[] = {offering, open_attempt, established};
    for (int i = 0; i < 3; i++) {
        tsc_session session = {0};
        CHILD_EXPECT(tsc_attempt_offer(attempts[i], &session, sizeof session) == TSC_CLOSED);
        CHILD_EXPECT(session.data == NULL);
        CHILD_EXPECT(tsc_attempt_sent(attempts[i]) == TSC_CLOSED);
        CHILD_EXPECT(tsc_attempt_withdraw(attempts[i]) == TSC_CLOSED);
        CHILD_EXPECT(tsc_attempt_wait(attempts[i], 60000) == TSC_CLOSED);
        int32_t fd = -1;
        CHILD_EXPECT(tsc_attempt_wait_fd(attempts[i], 60000, &fd) == TSC_CLOSED);
        CHILD_EXPECT(tsc_attempt_wait_callback(attempts[i], 60000, never, NULL) == TSC_CLOSED);
        const struct rustls_client_config *rustls = NULL;
        CHILD_EXPECT(tsc_attempt_rustls_config(attempts[i], &rustls) == TSC_CLOSED);
        CHILD_EXPECT(tsc_attempt_wait_end(attempts[i]) == TSC_CLOSED);
        CHILD_EXPECT(receive(attempts[i], TLS13, LONG, "session") == TSC_CLOSED);
        CHILD_EXPECT(tsc_attempt_wants_another(attempts[i]) == TSC_CLOSED);
        CHILD_EXPECT(tsc_attempt_set_not_after(attempts[i], 1) == TSC_CLOSED);
        tsc_attempt_info info;
        CHILD_EXPECT(tsc_attempt_info_get(attempts[i], &info, sizeof info) == TSC_CLOSED);
        CHILD_EXPECT(tsc_attempt_established(attempts[i], 0) == TSC_CLOSED);
        CHILD_EXPECT(tsc_attempt_failed(attempts[i], TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE) ==
                     TSC_CLOSED);
        tsc_attempt_free(attempts[i]);
    }
    CHILD_EXPECT(released == 0);
    return use_as_a_child(NULL);
}

static int free_all_as_a_child(void *arg) {
    (void)arg;
    tsc_attempt_free(open_attempt);
    free_cache(cache);
    tsc_config_free(config);
    tsc_attempt_free(offering);
    tsc_attempt_free(established);
    tsc_cache *own = NULL;
    CHILD_EXPECT(tsc_cache_new(NULL, 0, &own) == TSC_OK);
    CHILD_EXPECT(put(own, "key", TLS13, LONG, "session") == TSC_OK);
    free_cache(own);
    return 0;
}

/* A child of a child. */
static int fork_again(void *arg) {
    CHILD_EXPECT(use_as_a_child(arg) == 0);
    CHILD_EXPECT(put(cache, "key", TLS13, LONG, "child's") == TSC_OK);
    CHILD_EXPECT(in_child_by(raw_fork, use_as_a_child, arg) == 0);
    return in_child(use_as_a_child, arg);
}

static void a_child_starts_empty_and_works(void **state) {
    (void)state;
    cache = new_cache((tsc_options){0});
    config = new_config(cache);
    full_handshake(config, TLS13, "ticket", "another");
    assert_ok(put(cache, "key", TLS12, LONG, "session"));
    offering = new_attempt(config);
    assert_offers(offering, "another");
    open_attempt = new_attempt(config);
    established = new_attempt(config);
    assert_ok(tsc_attempt_established(established, 0));
    tsc_session_info info = session_info(TLS13, LONG);
    assert_ok(tsc_attempt_receive_object(open_attempt, &info, sizeof info, &released, 10, release));

    assert_int_equal(in_child(use_as_a_child, NULL), 0);
    assert_int_equal(in_child(use_attempts_of_the_parent, NULL), 0);
    assert_int_equal(in_child(free_all_as_a_child, NULL), 0);
    assert_int_equal(in_child(fork_again, NULL), 0);

    /* No handler of pthread_atfork runs in these. */
    assert_int_equal(in_child_by(raw_fork, use_as_a_child, NULL), 0);
    assert_int_equal(in_child_by(raw_fork, use_attempts_of_the_parent, NULL), 0);
    assert_int_equal(in_child_by(raw_fork, free_all_as_a_child, NULL), 0);
    assert_int_equal(in_child_by(raw_fork, fork_again, NULL), 0);

    /* The parent's are as they were. */
    assert_int_equal(stats_of(cache).sessions, 2);
    assert_gets(cache, "key", "session");
    assert_offers(offering, "another");
    assert_int_equal(config_available(config), 1);
    assert_int_equal(released, 0);
    assert_ok(tsc_attempt_established(open_attempt, 0));
    tsc_attempt_free(open_attempt);
    tsc_attempt_free(offering);
    tsc_attempt_free(established);
    tsc_config_free(config);
    free_cache(cache);
    assert_int_equal(released, 1);
}

/* Forks at any moment of what other threads do: no lock that a child needs is left held. */
static atomic_bool stop;

static void *hammer(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg + 1;
    char key[16], session[64];
    while (!atomic_load(&stop)) {
        random = random * 1664525 + 1013904223;
        snprintf(key, sizeof key, "key %u", random >> 24);
        put(cache, key, TLS13, LONG, "session");
        get(cache, key, session);
        /* Few endpoints, so that attempts meet and wait for each other. */
        tsc_endpoint to = endpoint("db.example", 9142 + (random >> 20 & 3));
        tsc_attempt *attempt = NULL;
        if (tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK) {
            tsc_session offer = {0};
            tsc_attempt_wait(attempt, 2);
            const bool offered = tsc_attempt_offer(attempt, &offer, sizeof offer) == TSC_OK;
            receive(attempt, TLS13, LONG, "session");
            tsc_attempt_established(attempt, offered);
            tsc_attempt_free(attempt);
        }
    }
    return NULL;
}

static void a_fork_at_any_moment_leaves_no_lock_held(void **state) {
    (void)state;
    const int forks = rounds(1000);
    cache = new_cache((tsc_options){0});
    config = new_config(cache);
    pthread_t threads[4];
    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)i), 0);
    int answers[1000];
    for (int i = 0; i < forks; i++)
        answers[i] = in_child(use_as_a_child, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < forks; i++)
        assert_int_equal(answers[i], 0);
    /* The parent has lost nothing: each ticket is somewhere, and only there. */
    tsc_stats stats = stats_of(cache);
    assert_true(stats.established > 0);
    assert_int_equal(stats.stored + stats.returned, stats.sessions + stats.offered +
                                                        stats.displaced + stats.evicted +
                                                        stats.expired + stats.removed);
    tsc_config_free(config);
    free_cache(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_starts_empty_and_works),
        cmocka_unit_test(a_fork_at_any_moment_leaves_no_lock_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
