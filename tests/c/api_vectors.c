/* tests/vectors/attempt.txt, in C. */

#include "api.h"

enum { NAMES = 16, WORDS = 12 };

static const char *const STATUSES[] = {"ok",          "not_found",  "invalid_argument", "too_small",
                                       "too_large",   "no_memory",  "closed",           "discarded",
                                       "wrong_state", "unsupported"};

typedef struct {
    char name[32];
    void *handle;
} named;

static tsc_cache *cache;
static driven_clock now;
static named configs[NAMES], attempts[NAMES];

static named *find(named *all, const char *name) {
    int i = 0;
    while (all[i].name[0] && strcmp(all[i].name, name) != 0)
        i++;
    assert_true(i < NAMES - 1);
    snprintf(all[i].name, sizeof all[i].name, "%s", name);
    return &all[i];
}

static void begin(tsc_options options) {
    for (int i = 0; i < NAMES; i++) {
        tsc_attempt_free(attempts[i].handle);
        tsc_config_free(configs[i].handle);
        attempts[i] = configs[i] = (named){.name = ""};
    }
    free_cache(cache);
    options.clock = driven_clock_now;
    options.clock_arg = &now;
    cache = new_cache(options);
}

static tsc_endpoint endpoint_of(char **words) {
    const char *text[4] = {words[0], words[2], words[3], words[4] ? words[4] : "-"};
    for (int i = 0; i < 4; i++)
        text[i] = strcmp(text[i], "-") == 0 ? "" : text[i];
    return (tsc_endpoint){.host = (const uint8_t *)text[0],
                          .host_len = strlen(text[0]),
                          .server_name = (const uint8_t *)text[1],
                          .server_name_len = strlen(text[1]),
                          .group = (const uint8_t *)text[2],
                          .group_len = strlen(text[2]),
                          .verification = (const uint8_t *)text[3],
                          .verification_len = strlen(text[3]),
                          .port = (uint32_t)atoi(words[1])};
}

static int index_of(const char *const *names, int count, const char *word, size_t length) {
    int i = 0;
    while (strlen(names[i]) != length || strncmp(names[i], word, length) != 0)
        assert_true(++i < count);
    return i;
}

/* What is between one | and the next is a fact; each has the bit of its place here. */
static uint32_t facts_of(const char *word) {
    static const char *const names[] = {"none",      "sent",      "handshake_done", "resumed",
                                        "timed_out", "cancelled", "alert"};
    static const uint32_t bits[] = {0,
                                    TSC_FACT_SENT,
                                    TSC_FACT_HANDSHAKE_DONE,
                                    TSC_FACT_RESUMED,
                                    TSC_FACT_TIMED_OUT,
                                    TSC_FACT_CANCELLED,
                                    TSC_FACT_ALERT};
    uint32_t facts = 0;
    for (;;) {
        size_t length = strcspn(word, "|");
        facts |= bits[index_of(names, sizeof names / sizeof *names, word, length)];
        if (!word[length])
            return facts;
        word += length + 1;
    }
}

static const char *reason_of(tsc_attempt *attempt) {
    static const char *const names[] = {
        [TSC_REASON_NONE] = "none",
        [TSC_REASON_NOTHING_STORED] = "nothing_stored",
        [TSC_REASON_EXPIRED] = "expired",
        [TSC_REASON_EVICTED] = "evicted",
        [TSC_REASON_TAKEN] = "taken",
        [TSC_REASON_REFUSED] = "refused",
        [TSC_REASON_WITHHELD] = "withheld",
        [TSC_REASON_WAITED_IN_VAIN] = "waited_in_vain",
        [TSC_REASON_NOT_SENT] = "not_sent",
        [TSC_REASON_NOT_ASKED] = "not_asked",
        [TSC_REASON_CACHE_OFF] = "cache_off",
        [TSC_REASON_FAILED] = "failed",
        [TSC_REASON_OTHER_VERIFICATION] = "other_verification",
        [TSC_REASON_AGENT_AWAY] = "agent_away",
    };
    tsc_attempt_info info = {0};
    assert_ok(tsc_attempt_info_get(attempt, &info, sizeof info));
    assert_true(info.reason < sizeof names / sizeof *names);
    return names[info.reason];
}

/* Does what a line says, and writes what is answered; nothing, for what has no answer. */
static void run(char **words, char *answer, size_t size) {
    const char *verb = words[0];
    tsc_status status = TSC_OK;
    answer[0] = 0;
    if (strcmp(verb, "case") == 0) {
        begin((tsc_options){0});
        return;
    } else if (strcmp(verb, "share") == 0) {
        static const char nowhere[] = "/dev/null/agent";
        begin((tsc_options){.flags = TSC_SHARE,
                            .agent = (const uint8_t *)nowhere,
                            .agent_len = sizeof nowhere - 1});
        return;
    } else if (strcmp(verb, "clock") == 0) {
        driven_clock_advance(&now, (uint64_t)atoi(words[1]) * SECOND);
        return;
    } else if (strcmp(verb, "clear") == 0) {
        assert_ok(tsc_clear(cache));
        return;
    } else if (strcmp(verb, "close") == 0) {
        assert_ok(tsc_cache_close(cache));
        return;
    } else if (strcmp(verb, "config") == 0) {
        tsc_config *config = NULL;
        const char *identity = words[2] ? words[2] : "";
        tsc_config_options options = {.identity = (const uint8_t *)identity,
                                      .identity_len = strlen(identity)};
        assert_ok(tsc_config_new(cache, &options, sizeof options, &config));
        find(configs, words[1])->handle = config;
        return;
    } else if (strcmp(verb, "available") == 0) {
        snprintf(answer, size, "%zu",
                 available_to(find(configs, words[1])->handle, endpoint_of(words + 2)));
        return;
    }
    named *of = find(attempts, words[1]);
    tsc_attempt *attempt = of->handle;
    if (strcmp(verb, "attempt") == 0) {
        tsc_endpoint to = endpoint_of(words + 3);
        status = tsc_attempt_new(find(configs, words[2])->handle, &to, sizeof to, &attempt);
        of->handle = attempt;
    } else if (strcmp(verb, "receive") == 0) {
        status = receive(attempt, strcmp(words[2], "13") == 0 ? TLS13 : TLS12,
                         (uint32_t)atoi(words[3]), words[4]);
    } else if (strcmp(verb, "offer") == 0) {
        tsc_session session = {0};
        status = tsc_attempt_offer(attempt, &session, sizeof session);
        if (status == TSC_OK) {
            snprintf(answer, size, "%.*s", (int)session.len, (const char *)session.data);
            return;
        }
    } else if (strcmp(verb, "wait") == 0) {
        assert_ok(tsc_attempt_wait(attempt, (uint32_t)atoi(words[2])));
        return;
    } else if (strcmp(verb, "withdraw") == 0) {
        status = tsc_attempt_withdraw(attempt);
    } else if (strcmp(verb, "sent") == 0) {
        status = tsc_attempt_sent(attempt);
    } else if (strcmp(verb, "established") == 0) {
        status = tsc_attempt_established(attempt, strcmp(words[2], "resumed") == 0);
    } else if (strcmp(verb, "failed") == 0) {
        status = tsc_attempt_failed(attempt, facts_of(words[2]));
    } else if (strcmp(verb, "reason") == 0) {
        snprintf(answer, size, "%s", reason_of(attempt));
        return;
    } else if (strcmp(verb, "free") == 0) {
        tsc_attempt_free(attempt);
        of->handle = NULL;
        return;
    } else {
        fail_msg("no such verb: %s", verb);
    }
    assert_true(status < sizeof STATUSES / sizeof *STATUSES);
    snprintf(answer, size, "%s", STATUSES[status]);
}

static void every_language_is_answered_the_same(void **state) {
    (void)state;
    static const char path[] = "tests/vectors/attempt.txt";
    char line[256], title[256] = "", answer[64];
    int number = 0, answers = 0, skips = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char *words[WORDS] = {NULL}, *expected = NULL;
        int count = 0;
        number++;
        if (line[0] == '#')
            continue;
        if (strncmp(line, "case ", 5) == 0)
            snprintf(title, sizeof title, "%s", line + 5);
        for (char *word = strtok(line, " \n"); word && count < WORDS - 1;
             word = strtok(NULL, " \n"))
            if (strcmp(word, "=") == 0)
                expected = strtok(NULL, " \n");
            else
                words[count++] = word;
        if (count == 0)
            continue;
#ifndef __linux__
        skips |= strcmp(words[0], "share") == 0;
#endif
        skips &= strcmp(words[0], "case") != 0;
        if (skips)
            continue;
        run(words, answer, sizeof answer);
        if (strcmp(answer, expected ? expected : "") != 0)
            fail_msg("%s:%d: %s is answered with \"%s\" (%s)", path, number, words[0], answer,
                     title);
        answers += expected != NULL;
    }
    fclose(file);
    begin((tsc_options){0});
    free_cache(cache);
    assert_true(answers > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_language_is_answered_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
