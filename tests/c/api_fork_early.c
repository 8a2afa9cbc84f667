/* Forks at which a child meets the library early: in a handler of pthread_atfork that was
 * registered before the library's first call, and in the middle of that call by another thread. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "api.h"
#include "child.h"

/* What a fork finds. */

static tsc_cache *cache;
static tsc_config *config;
static tsc_attempt *waiting, *offering, *receiving;
static const uint8_t sealing_key[TSC_EXPORT_KEY];

static void ready(void *arg) {
    (void)arg;
}

static int make_everything(void) {
    const tsc_endpoint to = endpoint("db.example", 9142), other = endpoint("db.example", 9143);
    CHILD_EXPECT(tsc_cache_new(NULL, 0, &cache) == TSC_OK);
    const tsc_config_options named = {.identity = (const uint8_t *)"id", .identity_len = 2};
    CHILD_EXPECT(tsc_config_new(cache, &named, sizeof named, &config) == TSC_OK);
    CHILD_EXPECT(put(cache, "key", TLS13, LONG, "parent's") == TSC_OK);
    CHILD_EXPECT(tsc_attempt_new(config, &to, sizeof to, &receiving) == TSC_OK);
    CHILD_EXPECT(receive(receiving, TLS13, LONG, "ticket") == TSC_OK);
    CHILD_EXPECT(receive(receiving, TLS13, LONG, "another") == TSC_OK);
    CHILD_EXPECT(tsc_attempt_established(receiving, 0) == TSC_OK);
    tsc_session session = {0};
    CHILD_EXPECT(tsc_attempt_new(config, &to, sizeof to, &offering) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_offer(offering, &session, sizeof session) == TSC_OK);
    /* One is on its way to the other endpoint, and one waits for it. */
    tsc_attempt *leader = NULL;
    CHILD_EXPECT(tsc_attempt_new(config, &other, sizeof other, &leader) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_offer(leader, &session, sizeof session) == TSC_NOT_FOUND);
    CHILD_EXPECT(tsc_attempt_new(config, &other, sizeof other, &waiting) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_wait_callback(waiting, 60000, ready, NULL) == TSC_WAIT);
    return 0;
}

/* What a child does first. Each returns 0, or the line of what was not so. */

static int clears(void) {
    CHILD_EXPECT(tsc_clear(cache) == TSC_OK);
    CHILD_EXPECT(tsc_clear_expired(cache, NULL) == TSC_OK);
    return 0;
}

static int closes(void) {
    CHILD_EXPECT(tsc_cache_close(cache) == TSC_OK);
    CHILD_EXPECT(put(cache, "key", TLS13, LONG, "child's") == TSC_CLOSED);
    return 0;
}

static int frees(void) {
    tsc_attempt_free(waiting);
    tsc_attempt_free(offering);
    tsc_attempt_free(receiving);
    tsc_config_free(config);
    free_cache(cache);
    return 0;
}

static int puts_and_gets(void) {
    char session[64];
    CHILD_EXPECT(get(cache, "key", session) == TSC_NOT_FOUND);
    CHILD_EXPECT(put(cache, "key", TLS13, LONG, "child's") == TSC_OK);
    CHILD_EXPECT(get(cache, "key", session) == TSC_OK && strcmp(session, "child's") == 0);
    CHILD_EXPECT(tsc_remove(cache, (const uint8_t *)"key", 3) == TSC_NOT_FOUND);
    return 0;
}

static int attempts(void) {
    const tsc_endpoint to = endpoint("db.example", 9142);
    tsc_session session = {0};
    tsc_attempt *attempt = NULL;
    CHILD_EXPECT(tsc_attempt_offer(offering, &session, sizeof session) == TSC_CLOSED);
    CHILD_EXPECT(tsc_attempt_established(offering, 1) == TSC_CLOSED);
    CHILD_EXPECT(tsc_attempt_wait_end(waiting) == TSC_CLOSED);
    CHILD_EXPECT(receive(receiving, TLS13, LONG, "late") == TSC_CLOSED);
    CHILD_EXPECT(tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK);
    CHILD_EXPECT(tsc_attempt_offer(attempt, &session, sizeof session) == TSC_NOT_FOUND);
    CHILD_EXPECT(receive(attempt, TLS13, LONG, "child's") == TSC_OK);
    CHILD_EXPECT(tsc_attempt_established(attempt, 0) == TSC_OK);
    tsc_attempt_free(attempt);
    size_t count = 0;
    CHILD_EXPECT(tsc_config_available(config, &to, sizeof to, &count) == TSC_OK && count == 1);
    return 0;
}

static int counts(void) {
    tsc_stats stats;
    char text[64 * 1024];
    size_t len = 0;
    CHILD_EXPECT(tsc_stats_get(cache, &stats, sizeof stats) == TSC_OK);
    CHILD_EXPECT(stats.sessions == 0 && stats.stored == 0);
    CHILD_EXPECT(tsc_stats_prometheus(cache, NULL, 0, text, sizeof text, &len) == TSC_OK);
    return 0;
}

static int exports(void) {
    uint8_t sealed[4096];
    size_t len = 0, count = 77;
    CHILD_EXPECT(tsc_cache_export(cache, sealing_key, sizeof sealing_key, sealed, sizeof sealed,
                                  &len, NULL) == TSC_OK);
    CHILD_EXPECT(tsc_cache_import(cache, sealing_key, sizeof sealing_key, sealed, len, &count) ==
                 TSC_OK);
    CHILD_EXPECT(count == 0);
    CHILD_EXPECT(tsc_config_export(config, sealing_key, sizeof sealing_key, sealed, sizeof sealed,
                                   &len, NULL) == TSC_OK);
    return 0;
}

static int (*const ways[])(void) = {clears,   closes, frees,   puts_and_gets,
                                    attempts, counts, exports, NULL};

/* A handler that was there before the library's. */

static int (*way)(void);
static int answer;

static void the_programs_handler(void) {
    if (way != NULL)
        answer = way();
}

static int what_the_handler_answered(void *arg) {
    (void)arg;
    return answer;
}

/* In a process that has not used the library before. */
static int handle_forks(void *arg) {
    (void)arg;
    CHILD_EXPECT(pthread_atfork(NULL, NULL, the_programs_handler) == 0);
    CHILD_EXPECT(make_everything() == 0);
    for (int i = 0; ways[i] != NULL; i++) {
        way = ways[i];
        const int line = in_child(what_the_handler_answered, NULL);
        CHILD_EXPECT(line == 0 || fprintf(stderr, "way %d: line %d\n", i, line) < 0);
    }
    return 0;
}

static void a_handler_that_was_registered_first_finds_a_new_process(void **state) {
    (void)state;
    assert_int_equal(in_child(handle_forks, NULL), 0);
}

static int go_one_way(void *arg) {
    return ways[*(int *)arg]();
}

static int fork_without_handlers(void *arg) {
    (void)arg;
    CHILD_EXPECT(make_everything() == 0);
    for (int i = 0; ways[i] != NULL; i++)
        CHILD_EXPECT(in_child_by(raw_fork, go_one_way, &i) == 0);
    return 0;
}

static void a_child_that_the_c_library_does_not_know_of_is_a_new_process(void **state) {
    (void)state;
    assert_int_equal(in_child(fork_without_handlers, NULL), 0);
}

/* A kernel that cannot wipe a page: madvise refuses each advice that it does not know. */
static int without_wiped_pages(void *arg) {
    (void)arg;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_WIPEONFORK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, code};
    CHILD_EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHILD_EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    CHILD_EXPECT(handle_forks(NULL) == 0);
    way = NULL;
    return fork_without_handlers(NULL);
}

static void without_wiped_pages_the_process_id_tells(void **state) {
    (void)state;
    if (getenv("TSC_TEST_SLOW") != NULL)
        skip(); /* checkers make system calls of their own */
    assert_int_equal(in_child(without_wiped_pages, NULL), 0);
}

/* Forks in the middle of the first call: one at each call that it makes to the system. The thread
 * that makes it stops there, until another one has forked a child and that has ended. */

static _Thread_local bool counted;
static int calls, stop_at;
static sem_t stopped, go_on;

static void here(void) {
    if (counted && ++calls == stop_at) {
        sem_post(&stopped);
        while (sem_wait(&go_on) != 0)
            ;
    }
}

/* These stand in for the C library's own. */

#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (next == NULL)                                                                              \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t clock, struct timespec *time) {
    NEXT(clock_gettime);
    here();
    return next(clock, time);
}

int madvise(void *start, size_t len, int advice) {
    NEXT(madvise);
    here();
    return next(start, len, advice);
}

long sysconf(int name) {
    NEXT(sysconf);
    here();
    return next(name);
}

/* What pthread_atfork calls. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso) {
    NEXT(__register_atfork);
    here();
    return next(prepare, parent, child, dso);
}

static void *make_a_cache(void *arg) {
    tsc_cache *made = NULL;
    counted = true;
    const tsc_status status = tsc_cache_new(NULL, 0, &made);
    counted = false;
    *(int *)arg = status == TSC_OK ? 0 : -1;
    sem_post(&stopped);
    return NULL;
}

static int make_and_use_one(void *arg) {
    (void)arg;
    counted = false;
    tsc_cache *made = NULL;
    CHILD_EXPECT(tsc_cache_new(NULL, 0, &made) == TSC_OK);
    cache = made;
    CHILD_EXPECT(tsc_config_new(cache, NULL, 0, &config) == TSC_OK);
    return puts_and_gets();
}

/* Says through `arg` whether the call made so many calls. */
static int fork_at(void *arg) {
    (void)arg;
    pthread_t thread;
    int wrong = -1;
    CHILD_EXPECT(sem_init(&stopped, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
    CHILD_EXPECT(pthread_create(&thread, NULL, make_a_cache, &wrong) == 0);
    while (sem_wait(&stopped) != 0)
        ;
    CHILD_EXPECT(in_child(make_and_use_one, NULL) == 0);
    sem_post(&go_on);
    CHILD_EXPECT(pthread_join(thread, NULL) == 0);
    CHILD_EXPECT(wrong == 0);
    /* What it has made is the parent's, and works. */
    return make_and_use_one(NULL) != 0 ? __LINE__ : calls < stop_at ? -2 : 0;
}

static void a_fork_during_the_first_call_leaves_nothing_locked(void **state) {
    (void)state;
    int line = 0;
    for (stop_at = 1; line == 0; stop_at++)
        line = in_child(fork_at, NULL);
    assert_int_equal(line, -2);
    assert_true(stop_at > 3);
}

/* The same at moments that chance chooses. */
static int fork_sometime(void *arg) {
    const int spins = *(int *)arg;
    pthread_t thread;
    int wrong = -1;
    stop_at = 0;
    CHILD_EXPECT(sem_init(&stopped, 0, 0) == 0);
    CHILD_EXPECT(pthread_create(&thread, NULL, make_a_cache, &wrong) == 0);
    for (volatile int i = 0; i < spins; i++)
        ;
    CHILD_EXPECT(in_child(make_and_use_one, NULL) == 0);
    CHILD_EXPECT(pthread_join(thread, NULL) == 0);
    return wrong;
}

static void a_fork_beside_the_first_call_leaves_nothing_locked(void **state) {
    (void)state;
    const int forks = rounds(500);
    for (int i = 0; i < forks; i++) {
        int spins = i * 100;
        assert_int_equal(in_child(fork_sometime, &spins), 0);
    }
}

int main(void) {
    /* Each in a child of its own, since this process makes no call to the library. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_that_was_registered_first_finds_a_new_process),
        cmocka_unit_test(a_child_that_the_c_library_does_not_know_of_is_a_new_process),
        cmocka_unit_test(without_wiped_pages_the_process_id_tells),
        cmocka_unit_test(a_fork_during_the_first_call_leaves_nothing_locked),
        cmocka_unit_test(a_fork_beside_the_first_call_leaves_nothing_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
