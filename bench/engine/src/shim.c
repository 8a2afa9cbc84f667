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

int bench_get(const tsc_cache *cache, const uint8_t *key, size_t key_len, uint8_t *buf,
              size_t cap) {
    size_t len;
    return tsc_get(cache, key, key_len, buf, cap, &len, NULL, 0);
}
