// What Go asks of the library, shaped so that each operation is one call: a call from Go to C costs
// more than most of these do. Results come by value, because what Go passes a pointer to is moved
// to its heap.

#ifndef TSC_GO_BRIDGE_H
#define TSC_GO_BRIDGE_H

#include <string.h>
#include <tsc.h>

#ifdef __linux__
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#endif

#if TSC_VERSION_MAJOR != 0 || TSC_VERSION_MINOR < 1
#error "this version of package tsc needs the headers of libtsc 0.1 or newer, before 1.0"
#endif

#define TSCGO_VERSION (TSC_VERSION_MAJOR << 16 | TSC_VERSION_MINOR << 8 | TSC_VERSION_PATCH)

// Exported by event.go and wait.go. The numbers stand for Go values, see registry.go.
extern void tscgoEvent(uintptr_t number, tsc_event *event);
extern void tscgoReady(uintptr_t number);

static inline void tscgo_on_event(void *number, const tsc_event *event, size_t size) {
    tsc_event known;
    memset(&known, 0, sizeof known);
    memcpy(&known, event, size < sizeof known ? size : sizeof known);
    tscgoEvent((uintptr_t)number, &known);
}

static inline void tscgo_on_ready(void *number) {
    tscgoReady((uintptr_t)number);
}

typedef struct {
    tsc_status status;
    tsc_cache *cache;
} tscgo_cache;

static inline tscgo_cache tscgo_cache_new(tsc_options options, uintptr_t events) {
    tscgo_cache made = {0};
    if (events != 0) {
        options.on_event = tscgo_on_event;
        options.event_arg = (void *)events;
    }
    made.status = tsc_cache_new(&options, sizeof options, &made.cache);
    return made;
}

typedef struct {
    tsc_status status;
    tsc_stats stats;
} tscgo_stats;

static inline tscgo_stats tscgo_stats_get(const tsc_cache *cache) {
    tscgo_stats got;
    memset(&got, 0, sizeof got);
    got.status = tsc_stats_get(cache, &got.stats, sizeof got.stats);
    return got;
}

typedef struct {
    tsc_status status;
    tsc_config *config;
} tscgo_config;

static inline tscgo_config tscgo_config_new(const tsc_cache *cache, tsc_config_options options) {
    tscgo_config made = {0};
    made.status = tsc_config_new(cache, &options, sizeof options, &made.config);
    return made;
}

typedef struct {
    tsc_status status;
    size_t count;
} tscgo_count;

static inline tscgo_count tscgo_config_available(const tsc_config *config, tsc_endpoint endpoint) {
    tscgo_count got = {0};
    got.status = tsc_config_available(config, &endpoint, sizeof endpoint, &got.count);
    return got;
}

typedef struct {
    tsc_status status;
    tsc_forecast forecast;
} tscgo_forecast;

static inline tscgo_forecast tscgo_config_forecast(const tsc_config *config,
                                                   tsc_endpoint endpoint) {
    tscgo_forecast got;
    memset(&got, 0, sizeof got);
    got.status =
        tsc_config_forecast(config, &endpoint, sizeof endpoint, &got.forecast, sizeof got.forecast);
    return got;
}

typedef struct {
    tsc_status status;
    tsc_attempt *attempt;
} tscgo_attempt;

static inline tscgo_attempt tscgo_attempt_new(const tsc_config *config, tsc_endpoint endpoint) {
    tscgo_attempt made = {0};
    made.status = tsc_attempt_new(config, &endpoint, sizeof endpoint, &made.attempt);
    return made;
}

typedef struct {
    tsc_status status;
    tsc_session session;
} tscgo_offer;

static inline tscgo_offer tscgo_attempt_offer(const tsc_attempt *attempt) {
    tscgo_offer got;
    memset(&got, 0, sizeof got);
    got.status = tsc_attempt_offer(attempt, &got.session, sizeof got.session);
    if (got.status == TSC_OK)
        tsc_attempt_sent(attempt);
    return got;
}

static inline tsc_session_info tscgo_info(uint32_t tls_version, uint32_t lifetime) {
    tsc_session_info info;
    memset(&info, 0, sizeof info);
    info.tls_version = tls_version;
    info.lifetime_seconds = lifetime;
    return info;
}

static inline tsc_status tscgo_attempt_receive(const tsc_attempt *attempt, uint32_t tls_version,
                                               uint32_t lifetime, const uint8_t *data, size_t len) {
    tsc_session_info info = tscgo_info(tls_version, lifetime);
    return tsc_attempt_receive(attempt, &info, sizeof info, data, len);
}

static inline tsc_status tscgo_attempt_established(const tsc_attempt *attempt, int64_t not_after,
                                                   int32_t resumed) {
    if (not_after > 0)
        tsc_attempt_set_not_after(attempt, not_after);
    return tsc_attempt_established(attempt, resumed);
}

static inline tsc_status tscgo_attempt_wait(const tsc_attempt *attempt, uint32_t max_wait_ms,
                                            uintptr_t number) {
    return tsc_attempt_wait_callback(attempt, max_wait_ms, tscgo_on_ready, (void *)number);
}

#ifdef __linux__
// Gives a descriptor that becomes readable when the wait is over, for Go's poller to own; -1 if
// there is nothing to wait for. The library's own is lent.
static inline int tscgo_attempt_watch(const tsc_attempt *attempt, uint32_t max_wait_ms) {
    int32_t lent;
    if (tsc_attempt_wait_fd(attempt, max_wait_ms, &lent) != TSC_WAIT)
        return -1;
    int fd = fcntl(lent, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline int tscgo_is_readable(int fd) {
    struct pollfd it = {.fd = fd, .events = POLLIN};
    return poll(&it, 1, 0) != 0;
}
#else
// Only Linux has them, and tsc-agent.
static inline int tscgo_attempt_watch(const tsc_attempt *attempt, uint32_t max_wait_ms) {
    (void)attempt, (void)max_wait_ms;
    return -1;
}

static inline int tscgo_is_readable(int fd) {
    (void)fd;
    return 1;
}
#endif

static inline tsc_status tscgo_config_put(const tsc_config *config, tsc_endpoint endpoint,
                                          uint32_t tls_version, uint32_t lifetime,
                                          const uint8_t *data, size_t len) {
    tsc_session_info info = tscgo_info(tls_version, lifetime);
    return tsc_config_put(config, &endpoint, sizeof endpoint, &info, sizeof info, data, len);
}

static inline tscgo_count tscgo_config_get(const tsc_config *config, tsc_endpoint endpoint,
                                           uint8_t *buf, size_t cap) {
    tscgo_count got = {0};
    got.status = tsc_config_get(config, &endpoint, sizeof endpoint, buf, cap, &got.count, NULL, 0);
    return got;
}

static inline tsc_status tscgo_config_remove(const tsc_config *config, tsc_endpoint endpoint) {
    return tsc_config_remove(config, &endpoint, sizeof endpoint);
}

// Nobody asks what was left out: Go keeps no objects.
static inline tscgo_count tscgo_config_export(const tsc_config *config, const uint8_t *key,
                                              uint8_t *buf, size_t cap) {
    tscgo_count got = {0};
    got.status = tsc_config_export(config, key, TSC_EXPORT_KEY, buf, cap, &got.count, NULL);
    return got;
}

static inline tscgo_count tscgo_config_import(const tsc_config *config, const uint8_t *key,
                                              const uint8_t *data, size_t len) {
    tscgo_count got = {0};
    got.status = tsc_config_import(config, key, TSC_EXPORT_KEY, data, len, &got.count);
    return got;
}

typedef struct {
    tsc_status status;
    tsc_attempt_info info;
} tscgo_info_of;

static inline tscgo_info_of tscgo_attempt_info_get(const tsc_attempt *attempt) {
    tscgo_info_of got;
    memset(&got, 0, sizeof got);
    got.status = tsc_attempt_info_get(attempt, &got.info, sizeof got.info);
    return got;
}

#endif
