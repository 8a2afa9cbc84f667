/* A program outside the tree that has the library from an installed prefix: it keeps a session and
   gets it back. With HAS_RUSTLS the library has rustls in it, and its header fits. */

#include <stdio.h>
#include <string.h>

#include <tsc.h>

#ifdef HAS_RUSTLS
#include <rustls.h>
#endif

int main(void) {
    static const uint8_t key[] = {'k'}, session[] = {'s', 'e', 's'};
    uint8_t got[sizeof session];
    size_t len = 0;
    tsc_session_info info = {0};
    info.tls_version = 0x0304;
    info.lifetime_seconds = 60;
    tsc_cache *cache = NULL;
    int ok =
        tsc_cache_new(NULL, 0, &cache) == TSC_OK &&
        tsc_put(cache, key, sizeof key, &info, sizeof info, session, sizeof session) == TSC_OK &&
        tsc_get(cache, key, sizeof key, got, sizeof got, &len, NULL, 0) == TSC_OK &&
        len == sizeof session && memcmp(got, session, len) == 0;
    tsc_cache_free(cache);
#ifdef HAS_RUSTLS
    rustls_str version = rustls_version();
    ok = ok && tsc_has_rustls() == 1 && version.len > 0;
#else
    ok = ok && tsc_has_rustls() == 0;
#endif
    printf("%s\n", ok ? "kept" : "NOT kept");
    return !ok;
}
