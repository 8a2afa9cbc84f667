// The structs of tsc.h, which only C knows by their names.

#include "tsc.h"

tsc_cache *bench_new(uint32_t endpoints, uint32_t each) {
    tsc_options options = {.max_endpoints = endpoints,
                           .max_sessions_per_endpoint = each,
                           .max_bytes = (uint64_t)16 << 30};
    tsc_cache *cache = NULL;
    return tsc_cache_new(&options, sizeof options, &cache) == TSC_OK ? cache : NULL;
}

int bench_put(const tsc_cache *cache, const uint8_t *key, size_t key_len, const uint8_t *data,
              size_t len, int ticket) {
    tsc_session_info info = {.tls_version = ticket ? 0x0304 : 0x0303, .lifetime_seconds = 7200};
    return tsc_put(cache, key, key_len, &info, sizeof info, data, len);
}

int bench_stats(const tsc_cache *cache) {
    tsc_stats stats;
    return tsc_stats_get(cache, &stats, sizeof stats);
}

static tsc_endpoint endpoint(uint32_t port) {
    return (tsc_endpoint){.host = (const uint8_t *)"db.example.com", .host_len = 14, .port = port};
}

tsc_config *bench_config(const tsc_cache *cache) {
    tsc_config *config = NULL;
    return tsc_config_new(cache, NULL, 0, &config) == TSC_OK ? config : NULL;
}

int bench_config_put(const tsc_config *config, uint32_t port, const uint8_t *data, size_t len) {
    tsc_session_info info = {.tls_version = 0x0303, .lifetime_seconds = 7200};
    tsc_endpoint to = endpoint(port);
    return tsc_config_put(config, &to, sizeof to, &info, sizeof info, data, len);
}

static void release(void *object) {
    (void)object;
}

int bench_config_put_object(const tsc_config *config, uint32_t port, size_t len) {
    static char object;
    tsc_session_info info = {.tls_version = 0x0303, .lifetime_seconds = 7200};
    tsc_endpoint to = endpoint(port);
    return tsc_config_put_object(config, &to, sizeof to, &info, sizeof info, &object, len, release);
}

tsc_attempt *bench_attempt(const tsc_config *config, uint32_t port) {
    tsc_attempt *attempt = NULL;
    tsc_endpoint to = endpoint(port);
    return tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK ? attempt : NULL;
}

int bench_offer(const tsc_attempt *attempt) {
    tsc_session session = {0};
    return tsc_attempt_offer(attempt, &session, sizeof session);
}
