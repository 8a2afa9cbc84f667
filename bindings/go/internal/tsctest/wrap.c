// With --wrap the linker has all calls of a function, those of package tsc too, go to the function
// __wrap_<name> here, and __real_<name> is the library's own.

#include "tsctest.h"

#include <stdatomic.h>

#define REAL(name) extern __typeof__(name) __real_##name

REAL(tsc_cache_new);
REAL(tsc_cache_free);
REAL(tsc_config_new);
REAL(tsc_config_free);
REAL(tsc_attempt_new);
REAL(tsc_attempt_free);
REAL(tsc_attempt_sent);

static atomic_int_fast64_t handles;
static atomic_bool sent_is_held;

int64_t tsctest_handles(void) {
    return handles;
}

void tsctest_hold_sent(bool hold) {
    sent_is_held = hold;
}

static tsc_status made(tsc_status status) {
    if (status == TSC_OK)
        handles++;
    return status;
}

tsc_status __wrap_tsc_cache_new(const tsc_options *options, size_t size, tsc_cache **out) {
    return made(__real_tsc_cache_new(options, size, out));
}

tsc_status __wrap_tsc_config_new(const tsc_cache *cache, const tsc_config_options *options,
                                 size_t size, tsc_config **out) {
    return made(__real_tsc_config_new(cache, options, size, out));
}

tsc_status __wrap_tsc_attempt_new(const tsc_config *config, const tsc_endpoint *endpoint,
                                  size_t size, tsc_attempt **out) {
    return made(__real_tsc_attempt_new(config, endpoint, size, out));
}

void __wrap_tsc_cache_free(tsc_cache *cache) {
    __real_tsc_cache_free(cache);
    handles--;
}

void __wrap_tsc_config_free(tsc_config *config) {
    __real_tsc_config_free(config);
    handles--;
}

void __wrap_tsc_attempt_free(tsc_attempt *attempt) {
    __real_tsc_attempt_free(attempt);
    handles--;
}

tsc_status __wrap_tsc_attempt_sent(const tsc_attempt *attempt) {
    return sent_is_held ? TSC_OK : __real_tsc_attempt_sent(attempt);
}
