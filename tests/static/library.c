// A shared object with a libtsc of its own in it. Compiled twice, under two names.

#include "tsc.h"

#define CALL_(name) name##_sessions
#define CALL(name) CALL_(name)

// Puts so many sessions into a cache of its own, and says how many are there; -1: it failed.
int CALL(NAME)(int count);

int CALL(NAME)(int count) {
    static tsc_cache *cache;
    tsc_session_info info = {.tls_version = 0x0304, .lifetime_seconds = 3600};
    size_t available = 0;
    if (!cache && tsc_cache_new(NULL, 0, &cache) != TSC_OK)
        return -1;
    for (int i = 0; i < count; i++)
        if (tsc_put(cache, (const uint8_t *)"key", 3, &info, sizeof info, (const uint8_t *)"s",
                    1) != TSC_OK)
            return -1;
    if (tsc_available(cache, (const uint8_t *)"key", 3, &available) != TSC_OK)
        return -1;
    return (int)available;
}
