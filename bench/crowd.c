/* What a call costs where thousands of attempts wait for a session of one endpoint, or are under
 * way to a server that does not answer.
 *
 *   crowd COUNT       microseconds a call, for each way in which a crowd can disperse
 *   crowd COUNT WAY   that one alone, without a clock, for a tool that counts instructions
 *
 * `make bench-crowd` runs the first, `make test-crowd` the second. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tsc.h"

#define PATIENCE 5000

static tsc_cache *cache;
static tsc_config *config;
static uint64_t now_ms = 1000000;
static size_t count, calls, told;
static tsc_attempt **crowd;
static size_t *order;

static void check(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "crowd: %s\n", what);
    exit(1);
}

static uint64_t clock_of_ours(void *arg) {
    (void)arg;
    return now_ms;
}

static tsc_attempt *new_attempt(void) {
    tsc_endpoint to = {.host = (const uint8_t *)"db.example", .host_len = 10, .port = 9142};
    tsc_attempt *attempt = NULL;
    check(tsc_attempt_new(config, &to, sizeof to, &attempt) == TSC_OK, "no attempt");
    calls++;
    return attempt;
}

static bool offers(const tsc_attempt *attempt) {
    tsc_session session = {0};
    calls++;
    return tsc_attempt_offer(attempt, &session, sizeof session) == TSC_OK;
}

static void receive(const tsc_attempt *attempt) {
    tsc_session_info info = {.tls_version = 0x0304, .lifetime_seconds = 3600};
    check(tsc_attempt_receive(attempt, &info, sizeof info, (const uint8_t *)"ticket", 6) == TSC_OK,
          "not kept");
    calls++;
}

static void establish(const tsc_attempt *attempt, uint32_t resumed) {
    check(tsc_attempt_established(attempt, resumed) == TSC_OK, "not established");
    calls++;
}

static void free_attempt(tsc_attempt *attempt) {
    tsc_attempt_free(attempt);
    calls++;
}

/* The server is known to send so many tickets on a full handshake, and on a resumed one. */
static void learn(int full, int on_resumption) {
    for (int i = 0; i < 2; i++) {
        tsc_attempt *attempt = new_attempt();
        const bool resumed = offers(attempt);
        now_ms += 10;
        for (int j = 0; j < (resumed ? on_resumption : full); j++)
            receive(attempt);
        establish(attempt, resumed);
        free_attempt(attempt);
    }
    check(tsc_clear(cache) == TSC_OK, "not cleared");
    now_ms += 1000;
}

static void ready(void *arg) {
    (void)arg;
    told++;
}

/* It is told that its wait is over, and goes away. */
static void ready_to_leave(void *arg) {
    told++;
    free_attempt(*(tsc_attempt **)arg);
}

/* It does what a driver does, and so the next one is told. */
static void ready_to_live(void *arg) {
    tsc_attempt *attempt = *(tsc_attempt **)arg;
    told++;
    const bool resumed = offers(attempt);
    receive(attempt);
    establish(attempt, resumed);
    free_attempt(attempt);
}

static tsc_attempt *gather(void (*call)(void *)) {
    tsc_attempt *leader = new_attempt();
    check(!offers(leader), "there is something already");
    for (size_t i = 0; i < count; i++) {
        crowd[i] = new_attempt();
        const tsc_status status = tsc_attempt_wait_callback(crowd[i], PATIENCE, call, &crowd[i]);
        check(status == TSC_WAIT, "one does not wait");
        calls++;
        now_ms += i % 8 == 0;
    }
    return leader;
}

static void front_to_back(void) {
    for (size_t i = 0; i < count; i++)
        order[i] = i;
}

static void back_to_front(void) {
    for (size_t i = 0; i < count; i++)
        order[i] = count - 1 - i;
}

static void at_random(void) {
    uint64_t random = 1;
    front_to_back();
    for (size_t i = count - 1; i > 0; i--) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const size_t other = (random >> 33) % (i + 1), one = order[i];
        order[i] = order[other];
        order[other] = one;
    }
}

static void give_up(void) {
    tsc_attempt *leader = gather(ready);
    for (size_t i = 0; i < count; i++) {
        check(tsc_attempt_wait_end(crowd[order[i]]) == TSC_OK, "it did not wait");
        calls++;
    }
    for (size_t i = 0; i < count; i++)
        free_attempt(crowd[order[i]]);
    free_attempt(leader);
    check(told == 0, "one was told for nothing");
}

static void are_freed(void) {
    tsc_attempt *leader = gather(ready);
    for (size_t i = 0; i < count; i++)
        free_attempt(crowd[order[i]]);
    free_attempt(leader);
    check(told == 0, "one was told for nothing");
}

static void go_at_the_deadline(void) {
    learn(2, 2);
    tsc_attempt *leader = gather(ready);
    now_ms += PATIENCE;
    for (size_t i = 0; i < count; i++)
        check(!offers(crowd[order[i]]), "out of nothing");
    for (size_t i = 0; i < count; i++)
        free_attempt(crowd[order[i]]);
    free_attempt(leader);
}

static void fail_one_after_the_other(void) {
    tsc_attempt *leader = gather(ready);
    free_attempt(leader);
    /* Each that goes is the leader of the next. */
    for (size_t i = 0; i < count; i++) {
        check(!offers(crowd[i]), "out of nothing");
        check(tsc_attempt_failed(crowd[i], TSC_FACT_SENT) == TSC_OK, "it had ended");
        calls++;
        free_attempt(crowd[i]);
    }
}

static void leave_from_within(void) {
    tsc_attempt *leader = gather(ready_to_leave);
    receive(leader);
    establish(leader, 0);
    free_attempt(leader);
    check(told == count, "one was not told");
}

static void live_from_within(void) {
    tsc_attempt *leader = gather(ready_to_live);
    receive(leader);
    establish(leader, 0);
    free_attempt(leader);
    check(told == count, "one was not told");
}

/* Half of them lead, and fail one after the other: each time there is less to come for the others.
 */
static void lose_their_leaders(void) {
    learn(2, 0);
    const size_t half = count / 2;
    for (size_t i = 0; i < half; i++) {
        crowd[i] = new_attempt();
        check(!offers(crowd[i]), "out of nothing");
        now_ms += i % (count / 128 + 1) == 0;
    }
    for (size_t i = half; i < count; i++) {
        crowd[i] = new_attempt();
        const uint32_t patience = PATIENCE + (uint32_t)(i % 3) * PATIENCE;
        tsc_status status = tsc_attempt_wait_callback(crowd[i], patience, ready, NULL);
        check(status == TSC_WAIT, "one does not wait");
        calls++;
        now_ms += i % (count / 128 + 1) == 0;
    }
    for (size_t i = 0; i < count; i++)
        if (order[i] < half)
            free_attempt(crowd[order[i]]);
    check(told > 0, "nobody is told");
    for (size_t i = half; i < count; i++)
        free_attempt(crowd[i]);
}

/* An event loop that waits, and whose attempts never hear anything. */
static void wait_for_a_silent_server(void) {
    learn(2, 2);
    for (size_t i = 0; i < 2 * count; i++) {
        now_ms += 5;
        const size_t at = i % count;
        if (i >= count) {
            if (tsc_attempt_wait_end(crowd[at]) == TSC_OK)
                offers(crowd[at]);
            calls++;
            free_attempt(crowd[at]);
        }
        crowd[at] = new_attempt();
        if (tsc_attempt_wait_callback(crowd[at], PATIENCE, ready, NULL) == TSC_OK)
            offers(crowd[at]);
        calls++;
    }
    for (size_t i = 0; i < count; i++)
        free_attempt(crowd[order[i]]);
}

/* The same without waiting. */
static void dial_a_silent_server(void) {
    for (size_t i = 0; i < count; i++) {
        crowd[i] = new_attempt();
        offers(crowd[i]);
        now_ms += 5;
    }
    for (size_t i = 0; i < count; i++)
        free_attempt(crowd[order[i]]);
}

/* Each was offered a session of a lineage of its own, and the server takes none. */
static void are_refused(void) {
    for (size_t i = 0; i < count; i++) {
        tsc_attempt *before = new_attempt();
        check(tsc_attempt_sent(before) == TSC_OK, "it had ended");
        receive(before);
        establish(before, 0);
        crowd[i] = new_attempt();
        check(offers(crowd[i]), "there is nothing");
        free_attempt(before);
    }
    for (size_t i = 0; i < count; i++)
        establish(crowd[order[i]], 0);
    for (size_t i = 0; i < count; i++)
        free_attempt(crowd[order[i]]);
}

static const struct {
    const char *name;
    void (*in_order)(void), (*run)(void);
} ways[] = {
    {"give-up-front", front_to_back, give_up},
    {"give-up-back", back_to_front, give_up},
    {"give-up-random", at_random, give_up},
    {"freed-front", front_to_back, are_freed},
    {"freed-back", back_to_front, are_freed},
    {"freed-random", at_random, are_freed},
    {"deadline-front", front_to_back, go_at_the_deadline},
    {"deadline-random", at_random, go_at_the_deadline},
    {"failing", front_to_back, fail_one_after_the_other},
    {"losing-leaders", at_random, lose_their_leaders},
    {"callbacks-that-free", front_to_back, leave_from_within},
    {"callbacks-that-live", front_to_back, live_from_within},
    {"waiting-silent", at_random, wait_for_a_silent_server},
    {"dialling-silent-front", front_to_back, dial_a_silent_server},
    {"dialling-silent-random", at_random, dial_a_silent_server},
    {"refused", at_random, are_refused},
};

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    if (count == 0) {
        fprintf(stderr, "usage: crowd COUNT [WAY]\n");
        return 2;
    }
    crowd = calloc(count, sizeof *crowd);
    order = calloc(count, sizeof *order);
    check(crowd != NULL && order != NULL, "no memory");
    bool any = false;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (argc > 2 && strcmp(argv[2], ways[i].name) != 0)
            continue;
        any = true;
        tsc_options options = {.clock = clock_of_ours};
        check(tsc_cache_new(&options, sizeof options, &cache) == TSC_OK, "no cache");
        check(tsc_config_new(cache, NULL, 0, &config) == TSC_OK, "no config");
        calls = told = 0;
        ways[i].in_order();
        const double start = seconds();
        ways[i].run();
        const double took = seconds() - start;
        if (argc == 2)
            printf("%-24s %8zu calls %8.2f us a call\n", ways[i].name, calls,
                   took * 1e6 / (double)calls);
        tsc_config_free(config);
        tsc_cache_free(cache);
    }
    free(order);
    free(crowd);
    check(any, "no such way");
    return 0;
}
