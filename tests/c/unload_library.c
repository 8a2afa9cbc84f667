/* The library can be loaded by dlopen, used by several threads, and unloaded again, as plugins of a
 * program are: what it registered with the system goes with it. */
#include <dlfcn.h>
#include <pthread.h>

#include "api.h"
#include "child.h"

/* This program is not linked with the library: each function is looked up. */
#define LOOK_UP(name)                                                                              \
    __typeof__(name) *name##_;                                                                     \
    *(void **)&name##_ = dlsym(library, #name)

static void *library;

static void *use(void *arg) {
    (void)arg;
    LOOK_UP(tsc_cache_new);
    LOOK_UP(tsc_put);
    LOOK_UP(tsc_get);
    LOOK_UP(tsc_cache_free);
    tsc_cache *cache = NULL;
    tsc_session_info info = session_info(TLS13, LONG);
    uint8_t data[8];
    size_t len = 0;
    if (tsc_cache_new_(NULL, 0, &cache) != TSC_OK)
        return "no cache";
    if (tsc_put_(cache, (const uint8_t *)"key", 3, &info, sizeof info, (const uint8_t *)"data", 4))
        return "not stored";
    if (tsc_get_(cache, (const uint8_t *)"key", 3, data, sizeof data, &len, NULL, 0) || len != 4)
        return "not found";
    tsc_cache_free_(cache);
    return NULL;
}

static bool is_loaded(void) {
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        found = found || strstr(line, "libtsc") != NULL;
    fclose(maps);
    return found;
}

static int nothing(void *arg) {
    (void)arg;
    return 0;
}

static void the_library_can_be_loaded_used_and_unloaded(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s/libtsc.so", getenv("TSC_TEST_LIBRARY"));
    for (int i = 0; i < 3; i++) {
        assert_false(is_loaded());
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        assert_non_null(library);
        pthread_t threads[4];
        for (int t = 0; t < 4; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, use, NULL), 0);
        for (int t = 0; t < 4; t++) {
            void *wrong = NULL;
            assert_int_equal(pthread_join(threads[t], &wrong), 0);
            assert_null(wrong);
        }
        assert_int_equal(in_child(nothing, NULL), 0); /* the page that a fork wipes is there */
        assert_int_equal(dlclose(library), 0);
        assert_false(is_loaded());
        assert_int_equal(in_child(nothing, NULL), 0); /* and went with it */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_can_be_loaded_used_and_unloaded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
