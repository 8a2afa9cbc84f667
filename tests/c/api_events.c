/* tsc_options.on_event: what is told of whom, how often, and that it may call back. */
#include <pthread.h>

#include "api.h"

enum { KINDS = TSC_EVENT_NOT_OFFERED + 1 };

/* The last event, copied out of what was lent, and a count for each kind. */
typedef struct {
    uint32_t kind, port;
    uint32_t not_offered; /* the last reason that was told: most events follow one */
    uint64_t count;
    char host[256], server_name[256], group[256], key[TSC_MAX_KEY + 1];
    _Atomic uint64_t told[KINDS];
} diary;

/* The bytes as a string; NULL and no length go together. */
static void copy(char *to, const uint8_t *from, size_t len) {
    assert_int_equal(from == NULL, len == 0);
    if (len != 0)
        memcpy(to, from, len);
    to[len] = '\0';
}

static void write_down(void *diary_, const tsc_event *event, size_t size) {
    diary *to = diary_;
    assert_int_equal(size, sizeof *event);
    assert_int_equal(event->reason != TSC_REASON_NONE, event->kind == TSC_EVENT_NOT_OFFERED);
    if (event->kind == TSC_EVENT_NOT_OFFERED) {
        assert_int_equal(event->count, 0);
        to->not_offered = event->reason;
        return;
    }
    assert_in_range(event->kind, TSC_EVENT_STORED, KINDS - 1);
    to->kind = event->kind;
    to->port = event->port;
    to->count = event->count;
    copy(to->host, event->host, event->host_len);
    copy(to->server_name, event->server_name, event->server_name_len);
    copy(to->group, event->group, event->group_len);
    copy(to->key, event->key, event->key_len);
    to->told[event->kind] += event->count;
}

static diary events;
static driven_clock test_clock;
static tsc_cache *cache;
static tsc_config *config;

static int set_up(void **state) {
    (void)state;
    memset(&events, 0, sizeof events);
    cache = new_cache((tsc_options){.max_endpoints = 2,
                                    .clock = driven_clock_now,
                                    .clock_arg = &test_clock,
                                    .on_event = write_down,
                                    .event_arg = &events});
    config = new_config(cache);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tsc_config_free(config);
    free_cache(cache);
    return 0;
}

#define assert_told(kind_, count_, host_, port_, server_name_, group_, key_)                       \
    do {                                                                                           \
        assert_int_equal(events.kind, kind_);                                                      \
        assert_int_equal(events.count, count_);                                                    \
        assert_string_equal(events.host, host_);                                                   \
        assert_int_equal(events.port, port_);                                                      \
        assert_string_equal(events.server_name, server_name_);                                     \
        assert_string_equal(events.group, group_);                                                 \
        assert_string_equal(events.key, key_);                                                     \
        events.kind = 0;                                                                           \
    } while (0)
#define assert_told_nothing() assert_int_equal(events.kind, 0)

static void events_are_told_as_they_happen(void **state) {
    (void)state;
    full_handshake(config, TLS13, "a", "b");
    assert_told(TSC_EVENT_STORED, 1, "db.example", 9142, "db.example", "", "");
    assert_int_equal(events.told[TSC_EVENT_STORED], 2);

    tsc_attempt *attempt = new_attempt(config);
    assert_told_nothing();
    assert_offers(attempt, "b");
    assert_told(TSC_EVENT_OFFERED, 1, "db.example", 9142, "db.example", "", "");
    assert_ok(tsc_attempt_established(attempt, 1));
    assert_told(TSC_EVENT_RESUMED, 1, "db.example", 9142, "db.example", "", "");
    tsc_attempt_free(attempt);

    attempt = new_attempt(config);
    assert_offers(attempt, "a");
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_told(TSC_EVENT_REFUSED, 1, "db.example", 9142, "db.example", "", "");
    tsc_attempt_free(attempt);

    full_handshake(config, TLS13, "c", "d", "e");
    events.kind = 0;
    assert_ok(put(cache, "key 1", TLS12, LONG, "session"));
    assert_told(TSC_EVENT_STORED, 1, "", 0, "", "", "key 1");
    assert_gets(cache, "key 1", "session");
    assert_told(TSC_EVENT_OFFERED, 1, "", 0, "", "", "key 1");
    const uint64_t stored = events.told[TSC_EVENT_STORED];
    assert_ok(put(cache, "key 2", TLS12, LONG, "session"));
    assert_int_equal(events.told[TSC_EVENT_EVICTED], 3);
    assert_int_equal(events.told[TSC_EVENT_STORED], stored + 1);
    assert_told(TSC_EVENT_STORED, 1, "", 0, "", "", "key 2");

    driven_clock_advance(&test_clock, LONG * SECOND);
    assert_told_nothing();
    assert_gets_nothing(cache, "key 2");
    assert_told(TSC_EVENT_EXPIRED, 1, "", 0, "", "", "key 2");

    assert_int_equal(events.told[TSC_EVENT_BREAKER_OPENED], 0);
    assert_int_equal(events.told[TSC_EVENT_BREAKER_CLOSED], 0);
}

static void a_full_handshake_is_told_with_its_reason(void **state) {
    (void)state;
    tsc_attempt *attempt = new_attempt(config);
    assert_offers_nothing(attempt);
    assert_int_equal(events.not_offered, TSC_REASON_NOTHING_STORED);
    tsc_attempt_free(attempt);

    full_handshake(config, TLS13, "a"); /* which does not ask for one */
    assert_int_equal(events.not_offered, TSC_REASON_NOT_ASKED);

    tsc_attempt *taker = new_attempt(config);
    attempt = new_attempt(config);
    assert_offers(taker, "a");
    assert_offers_nothing(attempt);
    assert_int_equal(events.not_offered, TSC_REASON_TAKEN);
    tsc_attempt_free(attempt);
    tsc_attempt_free(taker);

    driven_clock_advance(&test_clock, LONG * SECOND);
    attempt = new_attempt(config);
    assert_offers_nothing(attempt);
    assert_int_equal(events.not_offered, TSC_REASON_EXPIRED);
    assert_int_equal(info_of(attempt).reason, TSC_REASON_EXPIRED);
    tsc_attempt_free(attempt);
}

static void an_event_names_its_endpoint_or_key(void **state) {
    (void)state;
    tsc_endpoint to = endpoint("DB.Example", 443);
    full_handshake_to(config, to, TLS12, (const char *const[]){"a"}, 1);
    assert_told(TSC_EVENT_STORED, 1, "db.example", 443, "db.example", "", "");
    to.server_name = (const uint8_t *)"Name";
    to.server_name_len = 4;
    full_handshake_to(config, to, TLS12, (const char *const[]){"a"}, 1);
    assert_told(TSC_EVENT_STORED, 1, "db.example", 443, "name", "", "");
    to.group = (const uint8_t *)"Node 1";
    to.group_len = 6;
    full_handshake_to(config, to, TLS12, (const char *const[]){"a"}, 1);
    assert_told(TSC_EVENT_STORED, 1, "", 0, "name", "Node 1", "");

    char key[TSC_MAX_KEY + 1];
    memset(key, 'k', TSC_MAX_KEY);
    key[TSC_MAX_KEY] = '\0';
    assert_ok(put(cache, key, TLS12, LONG, "a"));
    assert_told(TSC_EVENT_STORED, 1, "", 0, "", "", key);
}

/* Bytes of sessions are in no event, wherever they may be looked for. */
static void no_event_contains_bytes_of_a_session(void **state) {
    (void)state;
    full_handshake(config, TLS13, "SECRET");
    assert_ok(put(cache, "key", TLS13, LONG, "SECRET"));
    assert_gets(cache, "key", "SECRET");
    const char *bytes = (const char *)&events;
    for (size_t at = 0; at + 6 <= sizeof events; at++)
        assert_int_not_equal(memcmp(bytes + at, "SECRET", 6), 0);
}

/* Everything from within. */
typedef struct {
    tsc_cache *cache;
    tsc_config *config;
    int depth, calls;
} back;

static void call_back(void *back_, const tsc_event *event, size_t size) {
    back *to = back_;
    (void)size;
    to->calls++;
    /* At the first level everything; below, only what ends by itself. */
    if (to->cache == NULL || to->depth == 2)
        return;
    to->depth++;
    char session[64], text[8192];
    size_t len = 0, count = 0;
    tsc_stats stats;
    const tsc_endpoint host = endpoint("db.example", 9142);
    assert_true(event->kind != 0);
    assert_ok(put(to->cache, "key", TLS13, LONG, "inner"));
    const tsc_status got = get(to->cache, "key", session);
    assert_true(got == TSC_OK || got == TSC_NOT_FOUND);
    assert_ok(tsc_stats_get(to->cache, &stats, sizeof stats));
    assert_ok(tsc_stats_prometheus(to->cache, NULL, 0, text, sizeof text, &len));
    assert_ok(tsc_config_available(to->config, &host, sizeof host, &count));
    full_handshake(to->config, TLS12, "inner");
    tsc_attempt *attempt = new_attempt(to->config);
    tsc_session offer = {0};
    const tsc_status offered = tsc_attempt_offer(attempt, &offer, sizeof offer);
    assert_true(offered == TSC_OK || offered == TSC_NOT_FOUND);
    assert_ok(tsc_attempt_established(attempt, offered == TSC_OK));
    tsc_attempt_free(attempt);
    if (to->depth == 1)
        assert_ok(tsc_clear(to->cache));
    tsc_cache *other = NULL;
    assert_ok(tsc_cache_share(to->cache, &other));
    free_cache(other);
    to->depth--;
}

static void a_listener_may_call_the_library(void **state) {
    (void)state;
    back self = {0};
    tsc_options options = {.max_endpoints = 1,
                           .clock = driven_clock_now,
                           .clock_arg = &test_clock,
                           .on_event = call_back,
                           .event_arg = &self};
    tsc_cache *loud = new_cache(options);
    self.config = new_config(loud);
    self.cache = loud;
    full_handshake(self.config, TLS13, "a", "b");
    self.cache = NULL;
    full_handshake(self.config, TLS13, "c", "d");
    tsc_attempt *attempt = new_attempt(self.config);
    self.cache = loud;
    assert_offers(attempt, "d"); /* the callback cleared all but what this attempt has */
    assert_ok(tsc_attempt_established(attempt, 1));
    tsc_attempt_free(attempt);
    assert_ok(put(loud, "key", TLS13, LONG, "a"));
    driven_clock_advance(&test_clock, LONG * SECOND);
    assert_ok(put(loud, "evicts it", TLS12, LONG, "b"));
    assert_true(self.calls > 20);
    assert_ok(tsc_cache_close(loud));
    self.cache = NULL;
    tsc_config_free(self.config);
    free_cache(loud);
}

/* Only counts, for it is on eight threads at once. */
static void count(void *diary_, const tsc_event *event, size_t size) {
    (void)size;
    ((diary *)diary_)->told[event->kind] += event->count;
}

static bool every_kind_was_told(void) {
    bool every = true;
    for (uint32_t kind = TSC_EVENT_STORED; kind <= TSC_EVENT_EVICTED; kind++)
        every = every && events.told[kind] != 0;
    return every;
}

static void *use(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg + 1;
    for (int i = 0; i < rounds(5000) || !every_kind_was_told(); i++) {
        random = random * 1664525 + 1013904223;
        char host[16], session[64];
        snprintf(host, sizeof host, "host %u", random >> 28);
        const uint32_t version = random >> 27 & 1 ? TLS12 : TLS13;
        (void)!put(cache, host, version, random >> 25 & 1 ? 1 : LONG, "session");
        (void)!get(cache, host, session);
        if (random >> 16 & 1)
            driven_clock_advance(&test_clock, 100);
        tsc_endpoint to = endpoint(host, 1);
        tsc_attempt *attempt = NULL;
        (void)!tsc_attempt_new(config, &to, sizeof to, &attempt);
        tsc_session offer = {0};
        const int offered = tsc_attempt_offer(attempt, &offer, sizeof offer) == TSC_OK;
        (void)!receive(attempt, version, LONG, "session");
        (void)!tsc_attempt_established(attempt, offered && random >> 17 & 1);
        tsc_attempt_free(attempt);
    }
    return NULL;
}

static void events_add_up_to_the_statistics(void **state) {
    (void)state;
    tsc_config_free(config);
    free_cache(cache);
    memset(&events, 0, sizeof events);
    cache = new_cache((tsc_options){.max_endpoints = 8,
                                    .max_bytes = 200,
                                    .clock = driven_clock_now,
                                    .clock_arg = &test_clock,
                                    .on_event = count,
                                    .event_arg = &events});
    config = new_config(cache);
    pthread_t threads[8];
    for (uintptr_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, (void *)i), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    tsc_stats stats = stats_of(cache);
    assert_int_equal(events.told[TSC_EVENT_STORED], stats.stored);
    assert_int_equal(events.told[TSC_EVENT_OFFERED], stats.offered);
    assert_int_equal(events.told[TSC_EVENT_RESUMED], stats.resumed);
    assert_int_equal(events.told[TSC_EVENT_REFUSED], stats.refused);
    assert_int_equal(events.told[TSC_EVENT_EXPIRED], stats.expired);
    assert_int_equal(events.told[TSC_EVENT_EVICTED], stats.evicted);
    assert_true(every_kind_was_told());
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(events_are_told_as_they_happen),     TEST(a_full_handshake_is_told_with_its_reason),
        TEST(an_event_names_its_endpoint_or_key), TEST(no_event_contains_bytes_of_a_session),
        TEST(a_listener_may_call_the_library),    TEST(events_add_up_to_the_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
