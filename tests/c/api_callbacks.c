/* Callbacks that free what they were called for: each call that can run code of the caller's, at
 * each place where it does, with code that frees the attempt, the config, the cache or all of them,
 * or that calls everything else. Under ASan (make test-asan) nothing is used that is gone.
 */
#include "api.h"

#include <unistd.h>

/* ---- Objects of a TLS stack, counted -----------------------------------------------------------
 */

typedef struct {
    int references;
} object;

static int objects;

static void called_back(void);

static object *new_object(void) {
    object *made = malloc(sizeof *made);
    made->references = 1;
    objects++;
    return made;
}

static void retain(void *one) {
    ((object *)one)->references++;
    called_back();
}

static void release(void *one) {
    called_back();
    object *of = one;
    if (--of->references == 0) {
        objects--;
        free(of);
    }
}

/* ---- What a test has, and what is done to it from within ---------------------------------------
 */

static struct {
    tsc_cache *cache;
    tsc_config *config;
    /* To an endpoint with sessions, some of which are over. */
    tsc_attempt *attempt;
    /* To an endpoint without, at which another attempt waits. */
    tsc_attempt *leader, *waiter;
} it;

static uint64_t now_ms;

/* Done once, in the callback whose turn it is. */
static void (*action)(void);
static int turn;

static void called_back(void) {
    if (action == NULL || turn-- > 0)
        return;
    void (*now)(void) = action;
    action = NULL;
    now();
}

static uint64_t read_clock(void *arg) {
    (void)arg;
    called_back();
    return now_ms;
}

static void on_event(void *arg, const tsc_event *event, size_t size) {
    (void)arg;
    (void)event;
    (void)size;
    called_back();
}

static void ready(void *arg) {
    (void)arg;
    called_back();
}

#define GONE(free_it, handle)                                                                      \
    do {                                                                                           \
        void *gone_ = handle;                                                                      \
        handle = NULL;                                                                             \
        free_it(gone_);                                                                            \
    } while (0)

static void frees_the_attempts(void) {
    GONE(tsc_attempt_free, it.attempt);
    GONE(tsc_attempt_free, it.leader);
    GONE(tsc_attempt_free, it.waiter);
}

static void frees_the_config(void) {
    GONE(tsc_config_free, it.config);
}

static void frees_the_cache(void) {
    GONE(tsc_cache_free, it.cache);
}

static void frees_all(void) {
    frees_the_cache();
    frees_the_config();
    frees_the_attempts();
}

static void calls_everything(void);

/* ---- The calls ---------------------------------------------------------------------------------
 */

static const uint8_t key[] = "key", secret[TSC_EXPORT_KEY];

static tsc_endpoint stocked(void) {
    return endpoint("db.example", 9142);
}

static const tsc_session_info *ticket(uint32_t lifetime_seconds) {
    static tsc_session_info info;
    info = session_info(TLS13, lifetime_seconds);
    return &info;
}

static void takes_in(tsc_attempt *attempt) {
    object *one = new_object();
    if (tsc_attempt_receive_object(attempt, ticket(LONG), sizeof(tsc_session_info), one, 1,
                                   release) != TSC_OK)
        release(one);
}

static void puts_object(tsc_cache *cache, uint32_t tls_version, uint32_t lifetime_seconds) {
    tsc_session_info info = session_info(tls_version, lifetime_seconds);
    object *one = new_object();
    if (tsc_put_object(cache, key, sizeof key, &info, sizeof info, one, 1, release) != TSC_OK)
        release(one);
}

#define CALL(name, ...)                                                                            \
    static void name(void) {                                                                       \
        tsc_cache *cache = it.cache;                                                               \
        tsc_config *config = it.config;                                                            \
        tsc_attempt *attempt = it.attempt, *leader = it.leader, *waiter = it.waiter;               \
        tsc_endpoint to = stocked();                                                               \
        uint8_t buf[4096];                                                                         \
        size_t len = 0, count = 0;                                                                 \
        (void)cache, (void)config, (void)attempt, (void)leader, (void)waiter, (void)to;            \
        (void)buf, (void)len, (void)count;                                                         \
        __VA_ARGS__                                                                                \
    }

CALL(offer, {
    tsc_session session = {0};
    /* What it lends is there, or it does not say so. */
    if (tsc_attempt_offer(attempt, &session, sizeof session) == TSC_OK) {
        assert_non_null(it.attempt);
        assert_true(session.object == NULL || ((object *)session.object)->references > 0);
        assert_true(session.data == NULL || session.data[0] == 's');
    }
})
CALL(sent, tsc_attempt_sent(attempt);)
CALL(withdraw, tsc_attempt_withdraw(attempt);)
CALL(receives_bytes,
     { tsc_attempt_receive(attempt, ticket(LONG), sizeof(tsc_session_info), key, sizeof key); })
CALL(receives_object, takes_in(attempt);)
CALL(wants_another, tsc_attempt_wants_another(attempt);)
CALL(set_not_after, tsc_attempt_set_not_after(attempt, 1);)
CALL(established, tsc_attempt_established(attempt, 0);)
CALL(failed, tsc_attempt_failed(attempt, TSC_FACT_SENT);)
CALL(not_sent, tsc_attempt_failed(attempt, 0);)
CALL(info_get, {
    tsc_attempt_info info;
    tsc_attempt_info_get(attempt, &info, sizeof info);
})
CALL(waits, tsc_attempt_wait(attempt, 0);)
CALL(waits_for_call, tsc_attempt_wait_callback(attempt, 1000, ready, NULL);)
CALL(waits_at_fd, {
    int fd = -1;
    tsc_attempt_wait_fd(attempt, 1000, &fd);
})
CALL(frees_attempt, {
    it.attempt = NULL;
    tsc_attempt_free(attempt);
})
CALL(leader_is_established, tsc_attempt_established(leader, 0);)
CALL(leader_fails, tsc_attempt_failed(leader, TSC_FACT_SENT);)
CALL(leader_is_freed, {
    it.leader = NULL;
    tsc_attempt_free(leader);
})
CALL(ends_a_wait, tsc_attempt_wait_end(waiter);)
CALL(waiter_offers, {
    tsc_session session = {0};
    tsc_attempt_offer(waiter, &session, sizeof session);
})
CALL(makes_attempt, {
    tsc_attempt *made = NULL;
    if (tsc_attempt_new(config, &to, sizeof to, &made) == TSC_OK)
        tsc_attempt_free(made);
})
CALL(config_counts, tsc_config_available(config, &to, sizeof to, &count);)
CALL(config_puts, {
    tsc_config_put(config, &to, sizeof to, ticket(LONG), sizeof(tsc_session_info), key, sizeof key);
})
CALL(config_gets, { tsc_config_get(config, &to, sizeof to, buf, sizeof buf, &len, NULL, 0); })
CALL(config_puts_object, {
    object *one = new_object();
    if (tsc_config_put_object(config, &to, sizeof to, ticket(LONG), sizeof(tsc_session_info), one,
                              1, release) != TSC_OK)
        release(one);
})
CALL(config_gets_object, {
    void *one = NULL;
    if (tsc_config_get_object(config, &to, sizeof to, &one, retain, NULL, 0) == TSC_OK)
        release(one);
})
CALL(config_removes, tsc_config_remove(config, &to, sizeof to);)
CALL(config_forecasts, {
    tsc_forecast forecast;
    tsc_config_forecast(config, &to, sizeof to, &forecast, sizeof forecast);
})
CALL(config_exports_and_imports, {
    if (tsc_config_export(config, secret, sizeof secret, buf, sizeof buf, &len, NULL) == TSC_OK &&
        it.config != NULL)
        tsc_config_import(config, secret, sizeof secret, buf, len, &count);
})
CALL(frees_config, {
    it.config = NULL;
    tsc_config_free(config);
})
CALL(puts_bytes,
     { tsc_put(cache, key, sizeof key, ticket(LONG), sizeof(tsc_session_info), key, sizeof key); })
CALL(puts_reusable, {
    tsc_session_info info = session_info(TLS12, LONG);
    tsc_put(cache, key, sizeof key, &info, sizeof info, key, sizeof key);
})
CALL(puts_an_object, puts_object(cache, TLS13, LONG);)
CALL(gets_bytes, tsc_get(cache, key, sizeof key, buf, sizeof buf, &len, NULL, 0);)
CALL(gets_object, {
    void *one = NULL;
    if (tsc_get_object(cache, key, sizeof key, &one, retain, NULL, 0) == TSC_OK)
        release(one);
})
CALL(counts, tsc_available(cache, key, sizeof key, &count);)
CALL(removes, tsc_remove(cache, key, sizeof key);)
CALL(clears_expired, tsc_clear_expired(cache, &count);)
CALL(clears, tsc_clear(cache);)
CALL(exports_and_imports, {
    if (tsc_cache_export(cache, secret, sizeof secret, buf, sizeof buf, &len, NULL) == TSC_OK &&
        it.cache != NULL)
        tsc_cache_import(cache, secret, sizeof secret, buf, len, &count);
})
CALL(reads_stats, {
    tsc_stats stats;
    tsc_stats_get(cache, &stats, sizeof stats);
    tsc_stats_prometheus(cache, NULL, 0, (char *)buf, sizeof buf, &len);
})
CALL(shares, {
    tsc_cache *other = NULL;
    if (tsc_cache_share(cache, &other) == TSC_OK)
        tsc_cache_free(other);
})
CALL(closes, tsc_cache_close(cache);)
CALL(frees_cache, {
    it.cache = NULL;
    tsc_cache_free(cache);
})

#define EACH(X)                                                                                    \
    X(info_get)                                                                                    \
    X(wants_another)                                                                               \
    X(withdraw)                                                                                    \
    X(waits)                                                                                       \
    X(waits_for_call)                                                                              \
    X(waits_at_fd)                                                                                 \
    X(offer)                                                                                       \
    X(sent)                                                                                        \
    X(receives_bytes)                                                                              \
    X(receives_object)                                                                             \
    X(set_not_after)                                                                               \
    X(established)                                                                                 \
    X(failed)                                                                                      \
    X(not_sent)                                                                                    \
    X(ends_a_wait)                                                                                 \
    X(leader_is_established)                                                                       \
    X(leader_fails)                                                                                \
    X(waiter_offers)                                                                               \
    X(makes_attempt)                                                                               \
    X(config_counts)                                                                               \
    X(config_puts)                                                                                 \
    X(config_gets)                                                                                 \
    X(config_puts_object)                                                                          \
    X(config_gets_object)                                                                          \
    X(config_forecasts)                                                                            \
    X(config_exports_and_imports)                                                                  \
    X(config_removes)                                                                              \
    X(puts_bytes)                                                                                  \
    X(puts_reusable)                                                                               \
    X(puts_an_object)                                                                              \
    X(gets_bytes)                                                                                  \
    X(gets_object)                                                                                 \
    X(counts)                                                                                      \
    X(exports_and_imports)                                                                         \
    X(removes)                                                                                     \
    X(clears_expired)                                                                              \
    X(clears)                                                                                      \
    X(reads_stats)                                                                                 \
    X(shares)                                                                                      \
    X(closes)                                                                                      \
    X(leader_is_freed)                                                                             \
    X(frees_attempt)                                                                               \
    X(frees_config)                                                                                \
    X(frees_cache)

typedef struct {
    const char *name;
    void (*run)(void);
} named;

#define NAMED(name) {#name, name},
static const named calls[] = {EACH(NAMED)};
#define ACTIONS(X)                                                                                 \
    X(frees_the_attempts)                                                                          \
    X(frees_the_config)                                                                            \
    X(frees_the_cache)                                                                             \
    X(frees_all)                                                                                   \
    X(calls_everything)
static const named actions[] = {ACTIONS(NAMED)};
enum { CALLS = sizeof calls / sizeof *calls, ACTIONS_ = sizeof actions / sizeof *actions };

/* NULL is answered with a status, so what is gone does no harm. */
static void calls_everything(void) {
    for (int i = 0; i < CALLS; i++)
        calls[i].run();
}

/* ---- Each call with each action, at each place -------------------------------------------------
 */

/* Endpoint and key have a session that is over and some that are not. `offered`: the attempt holds
 * one. */
static void set_up(bool offered, bool newest_is_bytes) {
    now_ms = 1000000;
    tsc_options options = {.clock = read_clock, .on_event = on_event};
    it.cache = new_cache(options);
    tsc_config_options named = {.identity = key, .identity_len = sizeof key};
    assert_ok(tsc_config_new(it.cache, &named, sizeof named, &it.config));
    tsc_attempt *first = new_attempt(it.config);
    takes_in(first);
    object *over = new_object();
    assert_ok(
        tsc_attempt_receive_object(first, ticket(1), sizeof(tsc_session_info), over, 1, release));
    takes_in(first);
    if (newest_is_bytes)
        assert_ok(receive(first, TLS13, LONG, "session"));
    assert_ok(tsc_attempt_established(first, 0));
    tsc_attempt_free(first);
    puts_object(it.cache, TLS13, 1);
    puts_object(it.cache, newest_is_bytes ? TLS13 : TLS12, LONG);
    if (newest_is_bytes)
        assert_ok(tsc_put(it.cache, key, sizeof key, ticket(LONG), sizeof(tsc_session_info), key,
                          sizeof key));
    it.attempt = new_attempt(it.config);
    if (offered) {
        tsc_session session = {0};
        assert_ok(tsc_attempt_offer(it.attempt, &session, sizeof session));
        takes_in(it.attempt);
    }
    it.leader = new_attempt_to(it.config, endpoint("db.example", 1));
    it.waiter = new_attempt_to(it.config, endpoint("db.example", 1));
    assert_offers_nothing(it.leader);
    assert_status(tsc_attempt_wait_callback(it.waiter, LONG, ready, NULL), TSC_WAIT);
    takes_in(it.leader);
    now_ms += 2000;
}

static void tear_down(void) {
    action = NULL;
    if (it.cache != NULL)
        assert_books(it.cache);
    frees_the_attempts();
    if (it.cache != NULL)
        assert_books(it.cache);
    frees_all();
    assert_int_equal(objects, 0);
}

static void a_callback_may_free_what_it_was_called_for(void **state) {
    (void)state;
    int done = 0;
    for (int call = 0; call < CALLS; call++)
        for (int with = 0; with < ACTIONS_; with++)
            for (int how = 0; how < 4; how++) {
                bool acted = true;
                for (int at = 0; acted; at++) {
                    set_up(how & 1, how & 2);
                    turn = at;
                    action = actions[with].run;
                    calls[call].run();
                    acted = action == NULL;
                    done += acted;
                    tear_down();
                }
            }
    printf("%d callbacks\n", done);
    assert_true(done > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_callback_may_free_what_it_was_called_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
