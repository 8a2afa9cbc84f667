/* What the tests of the C API share: short ways to say what a driver does, and to check it. */
#ifndef API_H
#define API_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "books.h"
#include "clock.h"
#include "tsc.h"

#define TLS12 0x0303
#define TLS13 0x0304

/* A lifetime that plays no part in a test. */
#define LONG 3600

#define assert_ok(call) assert_int_equal(call, TSC_OK)
#define assert_status(call, status) assert_int_equal(call, status)

/* Rounds for a test that hammers: fewer where every instruction is checked (tools/c-tests).
 */
static inline int rounds(int many) {
    return getenv("TSC_TEST_SLOW") != NULL ? many / 20 + 1 : many;
}

/* Caches, configs and attempts. */

static inline tsc_cache *new_cache(tsc_options options) {
    tsc_cache *cache = NULL;
    assert_ok(tsc_cache_new(&options, sizeof options, &cache));
    assert_non_null(cache);
    return cache;
}

static inline tsc_config *new_config(const tsc_cache *cache) {
    tsc_config *config = NULL;
    assert_ok(tsc_config_new(cache, NULL, 0, &config));
    assert_non_null(config);
    return config;
}

static inline tsc_endpoint endpoint(const char *host, uint32_t port) {
    return (tsc_endpoint){.host = (const uint8_t *)host, .host_len = strlen(host), .port = port};
}

static inline tsc_attempt *new_attempt_to(const tsc_config *config, tsc_endpoint to) {
    tsc_attempt *attempt = NULL;
    assert_ok(tsc_attempt_new(config, &to, sizeof to, &attempt));
    assert_non_null(attempt);
    return attempt;
}

/* To the endpoint of the tests that need only one. */
static inline tsc_attempt *new_attempt(const tsc_config *config) {
    return new_attempt_to(config, endpoint("db.example", 9142));
}

static inline tsc_stats stats_of(const tsc_cache *cache) {
    tsc_stats stats;
    memset(&stats, 0xA5, sizeof stats);
    assert_ok(tsc_stats_get(cache, &stats, sizeof stats));
    return stats;
}

static inline tsc_attempt_info info_of(const tsc_attempt *attempt) {
    tsc_attempt_info info;
    memset(&info, 0xA5, sizeof info);
    assert_ok(tsc_attempt_info_get(attempt, &info, sizeof info));
    return info;
}

/* tsc_put, tsc_get: sessions are short strings. */

static inline tsc_session_info session_info(uint32_t tls_version, uint32_t lifetime_seconds) {
    return (tsc_session_info){.tls_version = tls_version, .lifetime_seconds = lifetime_seconds};
}

static inline tsc_status put(const tsc_cache *cache, const char *key, uint32_t tls_version,
                             uint32_t lifetime_seconds, const char *session) {
    tsc_session_info info = session_info(tls_version, lifetime_seconds);
    return tsc_put(cache, (const uint8_t *)key, strlen(key), &info, sizeof info,
                   (const uint8_t *)session, strlen(session));
}

static inline tsc_status put_bytes(const tsc_cache *cache, const char *key, uint32_t tls_version,
                                   const void *data, size_t len) {
    tsc_session_info info = session_info(tls_version, LONG);
    return tsc_put(cache, (const uint8_t *)key, strlen(key), &info, sizeof info, data, len);
}

/* Gets a session as a string; with any status but TSC_OK the string is empty. */
static inline tsc_status get(const tsc_cache *cache, const char *key, char session[static 64]) {
    size_t len = 0;
    tsc_status status =
        tsc_get(cache, (const uint8_t *)key, strlen(key), (uint8_t *)session, 63, &len, NULL, 0);
    session[status == TSC_OK ? len : 0] = '\0';
    return status;
}

#define assert_gets(cache, key, session)                                                           \
    do {                                                                                           \
        char got_[64];                                                                             \
        assert_status(get(cache, key, got_), TSC_OK);                                              \
        assert_string_equal(got_, session);                                                        \
    } while (0)

#define assert_gets_nothing(cache, key)                                                            \
    do {                                                                                           \
        char got_[64];                                                                             \
        assert_status(get(cache, key, got_), TSC_NOT_FOUND);                                       \
    } while (0)

static inline size_t available(const tsc_cache *cache, const char *key) {
    size_t count = SIZE_MAX;
    assert_ok(tsc_available(cache, (const uint8_t *)key, strlen(key), &count));
    return count;
}

/* tsc_attempt_*. */

static inline tsc_status receive(const tsc_attempt *attempt, uint32_t tls_version,
                                 uint32_t lifetime_seconds, const char *session) {
    tsc_session_info info = session_info(tls_version, lifetime_seconds);
    return tsc_attempt_receive(attempt, &info, sizeof info, (const uint8_t *)session,
                               strlen(session));
}

static inline size_t available_to(const tsc_config *config, tsc_endpoint to) {
    size_t count = SIZE_MAX;
    assert_ok(tsc_config_available(config, &to, sizeof to, &count));
    return count;
}

static inline size_t config_available(const tsc_config *config) {
    return available_to(config, endpoint("db.example", 9142));
}

#define assert_offers(attempt, session)                                                            \
    do {                                                                                           \
        tsc_session offer_ = {0};                                                                  \
        assert_ok(tsc_attempt_offer(attempt, &offer_, sizeof offer_));                             \
        assert_null(offer_.object);                                                                \
        assert_int_equal(offer_.len, strlen(session));                                             \
        assert_memory_equal(offer_.data, session, strlen(session));                                \
    } while (0)

#define assert_offers_nothing(attempt)                                                             \
    do {                                                                                           \
        tsc_session offer_ = {0};                                                                  \
        assert_status(tsc_attempt_offer(attempt, &offer_, sizeof offer_), TSC_NOT_FOUND);          \
    } while (0)

/* A connection to `to` with a full handshake, in which the server sends these sessions. */
static inline void full_handshake_to(const tsc_config *config, tsc_endpoint to,
                                     uint32_t tls_version, const char *const *sessions,
                                     size_t count) {
    tsc_attempt *attempt = new_attempt_to(config, to);
    for (size_t i = 0; i < count; i++)
        assert_ok(receive(attempt, tls_version, LONG, sessions[i]));
    assert_ok(tsc_attempt_established(attempt, 0));
    tsc_attempt_free(attempt);
}

/* full_handshake(config, TLS13, "a", "b"): the same, to the usual endpoint. */
#define full_handshake(config, tls_version, ...)                                                   \
    do {                                                                                           \
        const char *sessions_[] = {__VA_ARGS__};                                                   \
        full_handshake_to(config, endpoint("db.example", 9142), tls_version, sessions_,            \
                          sizeof sessions_ / sizeof *sessions_);                                   \
    } while (0)

#endif
