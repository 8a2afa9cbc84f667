/* Memory that cannot be had is a status, and sessions are secrets in the memory that is had. What
 * these tests look at is not there under valgrind and the sanitizers, which bring memory of their
 * own: they skip (TSC_TEST_SLOW, tools/c-tests). */
/* Addresses are offsets in /proc/self/mem. */
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "api.h"
#include "child.h"

static void skip_under_a_checker(void) {
    if (getenv("TSC_TEST_SLOW") != NULL)
        skip();
}

#define HUGE_SESSION ((size_t)1 << 30)

/* A limit of address space 256 MiB above what is in use. */
static bool limit_memory(void) {
    FILE *statm = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (statm == NULL || fscanf(statm, "%lu", &pages) != 1)
        return false;
    fclose(statm);
    const rlim_t limit = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (256 << 20);
    return setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}) == 0;
}

static void release(void *object) {
    (void)object;
}

static int put_more_than_there_is(void *arg) {
    (void)arg;
    /* Readable, and takes no memory: pages that were never written. */
    const uint8_t *data =
        mmap(NULL, HUGE_SESSION, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHILD_EXPECT(data != MAP_FAILED);
    CHILD_EXPECT(limit_memory());
    tsc_options options = {.max_bytes = UINT64_MAX / 2, .max_session_bytes = UINT32_MAX};
    tsc_cache *cache = NULL;
    tsc_config *config = NULL;
    tsc_attempt *attempt = NULL;
    CHILD_EXPECT(tsc_cache_new(&options, sizeof options, &cache) == TSC_OK);
    CHILD_EXPECT(put(cache, "key", TLS12, LONG, "before") == TSC_OK);
    CHILD_EXPECT(put_bytes(cache, "key", TLS12, data, HUGE_SESSION) == TSC_NO_MEMORY);
    CHILD_EXPECT(put_bytes(cache, "other", TLS13, data, HUGE_SESSION) == TSC_NO_MEMORY);

    /* Nothing was lost, and all goes on. */
    char session[64];
    CHILD_EXPECT(get(cache, "key", session) == TSC_OK && strcmp(session, "before") == 0);
    CHILD_EXPECT(get(cache, "other", session) == TSC_NOT_FOUND);

    tsc_endpoint to = endpoint("db.example", 9142);
    tsc_session_info info = session_info(TLS13, LONG);
    CHILD_EXPECT(tsc_config_new(cache, NULL, 0, &config) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_receive(attempt, &info, sizeof info, data, HUGE_SESSION) ==
                 TSC_NO_MEMORY);
    CHILD_EXPECT(receive(attempt, TLS13, LONG, "small") == TSC_OK);
    CHILD_EXPECT(tsc_attempt_established(attempt, 0) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_receive(attempt, &info, sizeof info, data, HUGE_SESSION) ==
                 TSC_NO_MEMORY);
    size_t count = 0;
    CHILD_EXPECT(tsc_config_available(config, &to, sizeof to, &count) == TSC_OK && count == 1);
    /* An object's bytes are the caller's estimate: the library needs none of them. */
    CHILD_EXPECT(tsc_attempt_receive_object(attempt, &info, sizeof info, &count, HUGE_SESSION,
                                            release) == TSC_OK);
    tsc_stats stats;
    CHILD_EXPECT(tsc_stats_get(cache, &stats, sizeof stats) == TSC_OK);
    CHILD_EXPECT(stats.discarded_no_memory == 4);
    tsc_attempt_free(attempt);
    tsc_config_free(config);
    free_cache(cache);
    return 0;
}

static int fill_until_there_is_no_more(void *arg) {
    (void)arg;
    static uint8_t data[1 << 20];
    CHILD_EXPECT(limit_memory());
    tsc_options options = {
        .max_endpoints = 100000, .max_bytes = UINT64_MAX / 2, .max_session_bytes = UINT32_MAX};
    tsc_cache *cache = NULL;
    CHILD_EXPECT(tsc_cache_new(&options, sizeof options, &cache) == TSC_OK);
    char key[16];
    int stored = 0;
    tsc_status status = TSC_OK;
    while (status == TSC_OK) {
        snprintf(key, sizeof key, "key %d", stored);
        data[0] = (uint8_t)stored;
        status = put_bytes(cache, key, TLS12, data, sizeof data);
        stored += status == TSC_OK;
        CHILD_EXPECT(stored < 1000);
    }
    CHILD_EXPECT(status == TSC_NO_MEMORY);
    CHILD_EXPECT(stored > 100); /* of 256 */
    for (int i = 0; i < stored; i++) {
        size_t len = 0;
        snprintf(key, sizeof key, "key %d", i);
        CHILD_EXPECT(tsc_get(cache, (const uint8_t *)key, strlen(key), data, sizeof data, &len,
                             NULL, 0) == TSC_OK);
        CHILD_EXPECT(len == sizeof data && data[0] == (uint8_t)i);
    }
    CHILD_EXPECT(tsc_clear(cache) == TSC_OK);
    CHILD_EXPECT(put_bytes(cache, "key", TLS12, data, sizeof data) == TSC_OK);
    free_cache(cache);
    return 0;
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    skip_under_a_checker();
    assert_int_equal(in_child(put_more_than_there_is, NULL), 0);
    assert_int_equal(in_child(fill_until_there_is_no_more, NULL), 0);
}

/* A secret that the test itself does not hold: byte i of it is made from i whenever it is needed.
 */
#define SECRET_LEN 64
static uint8_t secret_byte(size_t i) {
    return (uint8_t)(i * 167 + 91) ^ 0x5C;
}

/* The key of exports, made likewise. */
static uint8_t key_byte(size_t i) {
    return (uint8_t)(i * 113 + 29) ^ 0xA7;
}

static bool is_made_by(uint8_t (*byte)(size_t), const uint8_t *at, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (at[i] != byte(i))
            return false;
    return true;
}

static bool is_secret(const uint8_t *at) {
    return is_made_by(secret_byte, at, SECRET_LEN);
}

/* How often bytes that are made so stand in this process's memory, and the kernel's flags of the
 * last place. */
static int count_in_memory(uint8_t (*byte)(size_t), size_t len, char flags[static 256]) {
    flags[0] = '\0';
    FILE *maps = fopen("/proc/self/smaps", "r");
    const int memory = open("/proc/self/mem", O_RDONLY);
    assert_true(maps != NULL && memory >= 0);
    /* Read through a window, in which nothing counts. */
    const size_t window = 1 << 20;
    uint8_t *bytes =
        mmap(NULL, window + len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(bytes != MAP_FAILED);
    int found = 0;
    bool here = false;
    char line[512];
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from, to;
        char mode[8];
        if (strncmp(line, "VmFlags:", 8) == 0 && here)
            snprintf(flags, 256, "%.200s", line);
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to, mode) != 3)
            continue;
        here = false;
        if (mode[0] != 'r')
            continue;
        for (uintptr_t at = from; at < to; at += window) {
            const size_t want = to - at < window + len ? to - at : window + len;
            const ssize_t got = pread(memory, bytes, want, (off_t)at);
            for (ssize_t i = 0; i + (ssize_t)len <= got && i < (ssize_t)window; i++)
                if (bytes[i] == byte(0) && is_made_by(byte, bytes + i, len) &&
                    at + (size_t)i - (uintptr_t)bytes >= window + len) {
                    found++;
                    here = true;
                }
        }
    }
    munmap(bytes, window + len);
    close(memory);
    fclose(maps);
    return found;
}

static int count_secrets(char flags[static 256]) {
    return count_in_memory(secret_byte, SECRET_LEN, flags);
}

static void forget(uint8_t *bytes, size_t len) {
    memset(bytes, 0, len);
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* the compiler must not leave it out */
}

static tsc_cache *cache;

static tsc_status put_secret(const char *key) {
    uint8_t data[SECRET_LEN];
    for (size_t i = 0; i < SECRET_LEN; i++)
        data[i] = secret_byte(i);
    tsc_status status = put_bytes(cache, key, TLS13, data, sizeof data);
    forget(data, sizeof data);
    return status;
}

static int look_for_the_parents_secret(void *arg) {
    (void)arg;
    char flags[256];
    return count_secrets(flags);
}

static void secrets_are_wiped_and_not_inherited(void **state) {
    (void)state;
    skip_under_a_checker();
    char flags[256];
    cache = new_cache((tsc_options){0});
    assert_int_equal(count_secrets(flags), 0);
    assert_ok(put_secret("key"));
    assert_int_equal(count_secrets(flags), 1);
    /* Out of core dumps ("dd") and zeroed in a child ("wf"). */
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " wf"));
    assert_int_equal(in_child(look_for_the_parents_secret, NULL), 0);
    assert_int_equal(count_secrets(flags), 1);

    /* Got: it is in the caller's buffer and nowhere else. */
    uint8_t got[SECRET_LEN];
    size_t len = 0;
    assert_ok(tsc_get(cache, (const uint8_t *)"key", 3, got, sizeof got, &len, NULL, 0));
    assert_true(is_secret(got));
    assert_int_equal(count_secrets(flags), 1);
    forget(got, sizeof got);
    assert_int_equal(count_secrets(flags), 0);

    assert_ok(put_secret("key"));
    assert_ok(tsc_remove(cache, (const uint8_t *)"key", 3));
    assert_int_equal(count_secrets(flags), 0);
    assert_ok(put_secret("a"));
    assert_ok(put_secret("b"));
    assert_int_equal(count_secrets(flags), 2);
    assert_ok(tsc_clear(cache));
    assert_int_equal(count_secrets(flags), 0);
    assert_ok(put_secret("a"));
    free_cache(cache);
    assert_int_equal(count_secrets(flags), 0);
}

static void staged_and_lent_secrets_are_wiped_too(void **state) {
    (void)state;
    skip_under_a_checker();
    char flags[256];
    cache = new_cache((tsc_options){0});
    tsc_config *config = new_config(cache);
    for (int established = 0; established < 2; established++) {
        uint8_t data[SECRET_LEN];
        for (size_t i = 0; i < SECRET_LEN; i++)
            data[i] = secret_byte(i);
        tsc_session_info info = session_info(TLS13, LONG);
        tsc_attempt *attempt = new_attempt(config);
        assert_ok(tsc_attempt_receive(attempt, &info, sizeof info, data, sizeof data));
        forget(data, sizeof data);
        assert_int_equal(count_secrets(flags), 1);
        assert_non_null(strstr(flags, " dd"));
        assert_int_equal(in_child(look_for_the_parents_secret, NULL), 0);
        if (established) {
            assert_ok(tsc_attempt_established(attempt, 0));
            tsc_attempt_free(attempt);
            attempt = new_attempt(config);
            tsc_session session = {0};
            assert_ok(tsc_attempt_offer(attempt, &session, sizeof session));
            assert_true(is_secret(session.data));
            assert_int_equal(count_secrets(flags), 1);
            assert_ok(tsc_attempt_established(attempt, 1));
        }
        tsc_attempt_free(attempt);
        assert_int_equal(count_secrets(flags), 0);
    }
    tsc_config_free(config);
    free_cache(cache);
}

/* Exports all that there is, and imports it again. */
static uint8_t sealed[1 << 20];
static size_t sealed_len;

static tsc_status export_and_import(void) {
    uint8_t key[TSC_EXPORT_KEY];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = key_byte(i);
    size_t count = 0;
    tsc_status status =
        tsc_cache_export(cache, key, sizeof key, sealed, sizeof sealed, &sealed_len, NULL);
    if (status == TSC_OK)
        status = tsc_cache_import(cache, key, sizeof key, sealed, sealed_len, &count);
    forget(key, sizeof key);
    return status;
}

static void an_export_leaves_neither_sessions_nor_its_key_behind(void **state) {
    (void)state;
    skip_under_a_checker();
    char flags[256];
    cache = new_cache((tsc_options){0});
    assert_int_equal(count_in_memory(key_byte, TSC_EXPORT_KEY, flags), 0);
    for (int i = 1; i <= 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "key %d", i);
        assert_ok(put_secret(name));
        assert_ok(export_and_import());
        assert_int_equal(count_secrets(flags), i);
        assert_non_null(strstr(flags, " dd"));
        assert_int_equal(count_in_memory(key_byte, TSC_EXPORT_KEY / 2, flags), 0);
    }
    free_cache(cache);
    assert_int_equal(count_secrets(flags), 0);
}

static atomic_bool stop;
static atomic_int exports;

static void *go_on_exporting(void *arg) {
    (void)arg;
    while (!atomic_load(&stop) && export_and_import() == TSC_OK)
        atomic_fetch_add(&exports, 1);
    return NULL;
}

static void a_child_has_no_sessions_of_an_export_that_was_in_the_making(void **state) {
    (void)state;
    skip_under_a_checker();
    cache = new_cache((tsc_options){.max_endpoints = 2000});
    for (int i = 0; i < 2000; i++) {
        char name[16];
        snprintf(name, sizeof name, "key %d", i);
        assert_ok(put_secret(name));
    }
    pthread_t thread;
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, go_on_exporting, NULL), 0);
    int found[60];
    for (int i = 0; i < 60; i++)
        found[i] = in_child(look_for_the_parents_secret, NULL);
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(found[i], 0);
    assert_true(atomic_load(&exports) > 0);
    assert_int_equal(stats_of(cache).sessions, 2000);
    free_cache(cache);
}

/* How many bytes of this process are mapped for secrets: left out of core dumps and wiped in a
 * child. */
static size_t secret_pages(void) {
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    size_t found = 0, len = 0;
    char line[512];
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from, to;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            len = to - from;
        if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd") && strstr(line, " wf"))
            found += len;
    }
    fclose(maps);
    return found;
}

static void pages_go_back_to_the_system_with_what_was_in_them(void **state) {
    (void)state;
    skip_under_a_checker();
    static const uint8_t data[60000] = {1};
    cache = new_cache((tsc_options){.max_endpoints = 100000, .max_bytes = 1 << 30});
    tsc_config *config = new_config(cache);
    assert_int_equal(secret_pages(), 0);
    const size_t lens[] = {60000, 1000};
    for (int i = 0; i < 2; i++) {
        const size_t many = (32 << 20) / lens[i];
        char name[16];
        for (size_t k = 0; k < many; k++) {
            snprintf(name, sizeof name, "key %zu", k);
            assert_ok(put_bytes(cache, name, TLS13, data, lens[i]));
        }
        assert_true(secret_pages() >= many * lens[i]);
        assert_ok(tsc_clear(cache));
        assert_true(secret_pages() < many * lens[i] / 4);
    }

    /* Staged, and never published. */
    tsc_attempt *attempts[64];
    tsc_session_info info = session_info(TLS13, LONG);
    for (int i = 0; i < 64; i++) {
        attempts[i] = new_attempt(config);
        for (int k = 0; k < 8; k++)
            assert_ok(tsc_attempt_receive(attempts[i], &info, sizeof info, data, sizeof data));
    }
    assert_true(secret_pages() >= 64 * 8 * sizeof data);
    for (int i = 0; i < 64; i++)
        tsc_attempt_free(attempts[i]);
    assert_true(secret_pages() < 64 * 8 * sizeof data / 4);
    tsc_config_free(config);
    free_cache(cache);
    assert_int_equal(secret_pages(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_a_status),
        cmocka_unit_test(secrets_are_wiped_and_not_inherited),
        cmocka_unit_test(staged_and_lent_secrets_are_wiped_too),
        cmocka_unit_test(pages_go_back_to_the_system_with_what_was_in_them),
        cmocka_unit_test(an_export_leaves_neither_sessions_nor_its_key_behind),
        cmocka_unit_test(a_child_has_no_sessions_of_an_export_that_was_in_the_making),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
