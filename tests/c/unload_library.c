/* The library can be loaded by dlopen, used by several threads, and unloaded again, as plugins of a
 * program are: what it registered with the system goes with it. */
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

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

/* Reads a file, and writes it elsewhere: one build in two places. */
static void copy_file(const char *from, const char *to) {
    static char bytes[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;)
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

typedef void function(void);

static function *function_of(void *of, const char *name) {
    function *found;
    *(void **)&found = dlsym(of, name);
    assert_non_null(found);
    return found;
}

/* A function is what it is, wherever it is loaded; and an address is nobody's once that is
 * unloaded. */
static void a_function_is_not_known_by_its_address(void **state) {
    (void)state;
    char path[512], copy[] = "/tmp/libtsc-copy-XXXXXX";
    snprintf(path, sizeof path, "%s/libtsc.so", getenv("TSC_TEST_LIBRARY"));
    close(mkstemp(copy));
    copy_file(path, copy);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    LOOK_UP(tsc_function_id);
    function *const here = function_of(library, "tsc_version");
    uint8_t id[TSC_FUNCTION_ID], other[TSC_FUNCTION_ID];
    assert_int_equal(tsc_function_id_(here, id), TSC_OK);
    assert_int_equal(tsc_function_id_(function_of(library, "tsc_has_rustls"), other), TSC_OK);
    assert_memory_not_equal(id, other, sizeof id);
    for (int i = 0; i < 3; i++) {
        void *again = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
        assert_non_null(again);
        function *const there = function_of(again, "tsc_version");
        assert_ptr_not_equal(there, here);
        memset(other, 0, sizeof other);
        assert_int_equal(tsc_function_id_(there, other), TSC_OK);
        assert_memory_equal(id, other, sizeof id);
        assert_int_equal(dlclose(again), 0);
        assert_int_equal(tsc_function_id_(there, other), TSC_NOT_FOUND);
        assert_memory_equal(id, other, sizeof id); /* not written */
    }
    assert_int_equal(tsc_function_id_(here, other), TSC_OK);
    assert_memory_equal(id, other, sizeof id);
    assert_int_equal(tsc_function_id_(NULL, other), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_function_id_(here, NULL), TSC_INVALID_ARGUMENT);
    assert_int_equal(dlclose(library), 0);
    assert_int_equal(remove(copy), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_can_be_loaded_used_and_unloaded),
        cmocka_unit_test(a_function_is_not_known_by_its_address)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
