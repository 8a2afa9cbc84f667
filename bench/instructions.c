/* One kind of call, many times, for callgrind to count: tools/instructions runs it for each kind,
 * and counts only what happens inside `measured`. */

#include "tsc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 1000, WARM_UP = 100, ENDPOINTS = 8, SESSION = 1024, KEY = 40 };

static tsc_cache *cache;
static tsc_config *config;
static uint8_t keys[ENDPOINTS][KEY + 1];
static uint8_t session[SESSION];
static uint8_t buffer[SESSION];

static void check(tsc_status status) {
    if (status != TSC_OK) {
        fprintf(stderr, "instructions: status %d\n", (int)status);
        exit(1);
    }
}

static void put(const uint8_t *key, uint32_t tls_version) {
    tsc_session_info info = {.tls_version = tls_version, .lifetime_seconds = 7200};
    check(tsc_put(cache, key, KEY, &info, sizeof info, session, sizeof session));
}

static tsc_status get(const uint8_t *key) {
    size_t len;
    return tsc_get(cache, key, KEY, buffer, sizeof buffer, &len, NULL, 0);
}

static void get_reusable(int round) {
    check(get(keys[round % ENDPOINTS]));
}

static void miss(int round) {
    if (get(keys[round % ENDPOINTS]) != TSC_NOT_FOUND)
        exit(1);
}

/* Each takes the place of the one before it. */
static void put_reusable(int round) {
    put(keys[round % ENDPOINTS], 0x0303);
}

/* Endpoints are full after the first rounds, so the oldest tickets go. */
static void take_one_put_two(int round) {
    const uint8_t *key = keys[round % ENDPOINTS];
    check(get(key));
    put(key, 0x0304);
    put(key, 0x0304);
}

/* An attempt that resumes: offer, send, receive two tickets, established. */
static void attempt(int round) {
    (void)round;
    tsc_endpoint endpoint = {
        .host = (const uint8_t *)"node-1.db.example.com", .host_len = 21, .port = 9142};
    tsc_attempt *attempt;
    check(tsc_attempt_new(config, &endpoint, sizeof endpoint, &attempt));
    tsc_session offered;
    tsc_status status = tsc_attempt_offer(attempt, &offered, sizeof offered);
    int resumed = status == TSC_OK;
    if (!resumed && status != TSC_NOT_FOUND)
        check(status);
    check(tsc_attempt_sent(attempt));
    tsc_session_info info = {.tls_version = 0x0304, .lifetime_seconds = 7200};
    for (int ticket = 0; ticket < 2; ticket++)
        check(tsc_attempt_receive(attempt, &info, sizeof info, session, sizeof session));
    check(tsc_attempt_established(attempt, resumed));
    tsc_attempt_free(attempt);
}

static const struct {
    const char *name;
    uint32_t first;
    void (*call)(int round);
} kinds[] = {
    {"get", 0x0303, get_reusable}, {"miss", 0, miss},
    {"put", 0, put_reusable},      {"take-one-put-two", 0x0304, take_one_put_two},
    {"attempt", 0, attempt},
};

/* By name in tools/instructions. */
__attribute__((noinline)) void measured(void (*call)(int round)) {
    for (int round = 0; round < ROUNDS; round++)
        call(round);
}

int main(int count, char **arguments) {
    for (size_t at = 0; count == 2 && at < sizeof kinds / sizeof *kinds; at++) {
        if (strcmp(kinds[at].name, arguments[1]) != 0)
            continue;
        check(tsc_cache_new(NULL, 0, &cache));
        check(tsc_config_new(cache, NULL, 0, &config));
        memset(session, 7, sizeof session);
        for (int i = 0; i < ENDPOINTS; i++) {
            snprintf((char *)keys[i], KEY + 1, "config-01 node-%05d.db.example.com 9142", i);
            if (kinds[at].first)
                put(keys[i], kinds[at].first);
        }
        for (int round = 0; round < WARM_UP * ENDPOINTS; round++)
            kinds[at].call(round);
        measured(kinds[at].call);
        tsc_config_free(config);
        tsc_cache_free(cache);
        return 0;
    }
    fprintf(stderr, "usage: instructions KIND\n");
    return 2;
}
