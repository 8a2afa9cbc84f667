/* A heap that is exhausted: what grows with the caller's data, or with the number of sessions, is a
 * status, and nothing is lost. The functions below stand in for the C library's own, and refuse
 * what is larger than a small block. Under valgrind and the sanitizers, which bring a heap of their
 * own, the tests skip. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api.h"

/* Handles, keys and other small blocks of a fixed size are not what is tested. */
#define SMALL 8192

static bool armed;
/* Pages from the system as well as blocks of the heap. */
static bool pages_too;
/* Which of the larger ones is refused; 0: all of them. */
static int nth;
static int refusals, requests;

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ && defined __GLIBC__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t align, size_t size);

static bool refuses(size_t size) {
    if (!armed || size <= SMALL || (nth != 0 && ++requests != nth))
        return false;
    refusals++;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) {
    return refuses(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return refuses(count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    return refuses(size) ? NULL : __libc_realloc(block, size);
}

int posix_memalign(void **block, size_t align, size_t size) {
    *block = refuses(size) ? NULL : __libc_memalign(align, size);
    return *block == NULL ? ENOMEM : 0;
}

void *mmap(void *at, size_t len, int access, int flags, int file, off_t from) {
    if (pages_too && refuses(len))
        return MAP_FAILED;
#if defined SYS_mmap2 /* SYS_mmap is an older call there; it takes a pointer. */
    return (void *)syscall(SYS_mmap2, at, len, access, flags, file, from / 4096);
#elif defined __s390x__ /* So it is here, and there is no other. */
    const long call[] = {(long)at, (long)len, access, flags, file, from};
    return (void *)syscall(SYS_mmap, call);
#else
    return (void *)syscall(SYS_mmap, at, len, access, flags, file, from);
#endif
}
#define CAN_REFUSE true
#else
#define CAN_REFUSE false
#endif

static void skip_without_refusals(void) {
    if (!CAN_REFUSE || getenv("TSC_TEST_SLOW") != NULL)
        skip();
}

static const uint8_t key[TSC_EXPORT_KEY] = {1, 2, 3};
static uint8_t sealed[8 << 20];
static tsc_cache *cache;
static tsc_config *config;

static int set_up(void **state) {
    (void)state;
    armed = pages_too = false;
    nth = 0;
    cache = new_cache((tsc_options){
        .max_endpoints = 100000, .max_sessions_per_endpoint = 100000, .max_bytes = 1 << 30});
    config = new_config(cache);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    armed = false;
    tsc_config_free(config);
    free_cache(cache);
    return 0;
}

/* Puts sessions until there is no memory for one more. */
static uint64_t put_until_refused(bool one_key) {
    char name[16] = "key";
    tsc_status status = TSC_OK;
    int i = 0;
    armed = true;
    while (status == TSC_OK && i < 90000) {
        if (!one_key)
            snprintf(name, sizeof name, "key %d", i);
        i++;
        status = put(cache, name, one_key ? TLS13 : TLS12, LONG, "session");
    }
    armed = false;
    assert_status(status, TSC_NO_MEMORY);
    assert_true(i > 50);
    const tsc_stats stats = stats_of(cache);
    assert_int_equal(stats.discarded_no_memory, 1);
    assert_int_equal(stats.stored, i - 1);
    assert_int_equal(stats.sessions, i - 1);
    return stats.sessions;
}

static void a_table_that_cannot_grow_keeps_what_it_has(void **state) {
    (void)state;
    skip_without_refusals();
    const uint64_t sessions = put_until_refused(false);
    /* Without more memory, what is there can be used, replaced and dropped, all of it. */
    armed = true;
    for (uint64_t i = 0; i < sessions; i++) {
        char name[16], session[64];
        snprintf(name, sizeof name, "key %d", (int)i);
        assert_ok(get(cache, name, session));
        assert_string_equal(session, "session");
        assert_ok(put(cache, name, TLS12, LONG, "another"));
    }
    assert_int_equal(stats_of(cache).sessions, sessions);
    assert_ok(tsc_clear(cache));
    assert_int_equal(stats_of(cache).sessions, 0);
    armed = false;
    assert_ok(put(cache, "key", TLS13, LONG, "session"));
}

static void an_entry_that_cannot_grow_keeps_what_it_has(void **state) {
    (void)state;
    skip_without_refusals();
    const uint64_t sessions = put_until_refused(true);
    assert_int_equal(available(cache, "key"), sessions);
    assert_gets(cache, "key", "session");
    assert_ok(put(cache, "key", TLS13, LONG, "session"));
}

static void an_attempt_that_cannot_stage_more_keeps_what_it_has(void **state) {
    (void)state;
    skip_without_refusals();
    tsc_attempt *attempt = new_attempt(config);
    tsc_status status = TSC_OK;
    size_t staged = 0;
    armed = true;
    while (status == TSC_OK && staged < 90000) {
        status = receive(attempt, TLS13, LONG, "ticket");
        staged += status == TSC_OK;
    }
    assert_status(status, TSC_NO_MEMORY);
    assert_true(staged > 50);
    armed = false;
    assert_ok(tsc_attempt_established(attempt, 0));
    assert_int_equal(config_available(config), staged);
    tsc_attempt_free(attempt);
}

static void a_session_that_memory_cannot_hold_is_not_stored(void **state) {
    (void)state;
    skip_without_refusals();
    static uint8_t large[60000];
    assert_ok(put(cache, "key", TLS13, LONG, "session"));
    armed = pages_too = true;
    assert_status(put_bytes(cache, "key", TLS13, large, sizeof large), TSC_NO_MEMORY);
    assert_ok(put(cache, "key", TLS13, LONG, "another"));
    armed = false;
    assert_int_equal(available(cache, "key"), 2);
    assert_ok(put_bytes(cache, "key", TLS13, large, sizeof large));
}

/* Each of the larger requests is refused in its turn, until there is none left to refuse. */
static void an_export_that_memory_cannot_hold_takes_nothing(void **state) {
    (void)state;
    skip_without_refusals();
    const int sessions = 3000;
    for (int i = 0; i < sessions; i++) {
        char name[16];
        snprintf(name, sizeof name, "key %d", i);
        assert_ok(put(cache, name, TLS13, LONG, "session"));
    }
    size_t len = 0, count = 0;
    /* aws-lc's random numbers ask for memory once in each thread, and abort without. */
    tsc_status status = tsc_cache_export(cache, key, sizeof key, NULL, 0, &len, NULL);
    assert_status(status, TSC_TOO_SMALL);
    status = TSC_NO_MEMORY;
    pages_too = true;
    for (nth = 1; status == TSC_NO_MEMORY; nth++) {
        refusals = requests = 0;
        armed = true;
        status = tsc_cache_export(cache, key, sizeof key, sealed, sizeof sealed, &len, NULL);
        armed = false;
        assert_int_equal(refusals, status == TSC_NO_MEMORY);
        assert_int_equal(stats_of(cache).sessions, status == TSC_OK ? 0 : sessions);
    }
    assert_ok(status);
    assert_true(nth > 4);

    /* The import: pages for the plaintext, and then tables that grow, of which each can do without.
     */
    nth = 1;
    requests = 0;
    armed = true;
    assert_status(tsc_cache_import(cache, key, sizeof key, sealed, len, &count), TSC_NO_MEMORY);
    armed = false;
    assert_int_equal(stats_of(cache).sessions, 0);
    assert_ok(tsc_cache_import(cache, key, sizeof key, sealed, len, &count));
    assert_int_equal(count, sessions);
    assert_int_equal(stats_of(cache).sessions, sessions);
}

static void statistics_that_memory_cannot_hold_are_a_status(void **state) {
    (void)state;
    skip_without_refusals();
    static char labels[4096], text[1 << 20];
    size_t len = 77;
    memset(labels, 'x', sizeof labels);
    memcpy(labels, "a=\"", 3);
    labels[sizeof labels - 1] = '"';
    armed = true;
    assert_status(tsc_stats_prometheus(cache, labels, sizeof labels, text, sizeof text, &len),
                  TSC_NO_MEMORY);
    armed = false;
    assert_int_equal(len, 77);
    assert_ok(tsc_stats_prometheus(cache, labels, sizeof labels, text, sizeof text, &len));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_table_that_cannot_grow_keeps_what_it_has),
        TEST(an_entry_that_cannot_grow_keeps_what_it_has),
        TEST(an_attempt_that_cannot_stage_more_keeps_what_it_has),
        TEST(a_session_that_memory_cannot_hold_is_not_stored),
        TEST(an_export_that_memory_cannot_hold_takes_nothing),
        TEST(statistics_that_memory_cannot_hold_are_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
