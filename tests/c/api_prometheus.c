/* tsc_stats_prometheus, read by a strict parser of the text format 0.0.4: what it does not expect
 * it does not take. */
#include "api.h"

#include <ctype.h>

static tsc_cache *cache;

static int set_up(void **state) {
    (void)state;
    cache = new_cache((tsc_options){0});
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free_cache(cache);
    return 0;
}

/* The text, with a NUL after it, in a block of exactly its size; freed by the caller. */
static char *text_of(const char *labels) {
    const size_t labels_len = labels == NULL ? 0 : strlen(labels);
    size_t needed = 0, len = 0;
    assert_status(tsc_stats_prometheus(cache, labels, labels_len, NULL, 0, &needed), TSC_TOO_SMALL);
    char *exact = malloc(needed), *text = malloc(needed + 1);
    assert_non_null(exact);
    assert_non_null(text);
    assert_ok(tsc_stats_prometheus(cache, labels, labels_len, exact, needed, &len));
    assert_int_equal(len, needed);
    assert_null(memchr(exact, '\0', len));
    memcpy(text, exact, len);
    text[len] = '\0';
    free(exact);
    return text;
}

typedef struct {
    char name[64], type[16], help[512];
    uint64_t value;
} metric;

/* Moves on past a word, or fails. */
static void expect(const char **at, const char *word) {
    if (strncmp(*at, word, strlen(word)) != 0)
        fail_msg("expected \"%s\" at \"%.40s\"", word, *at);
    *at += strlen(word);
}

/* Copies out the bytes up to `end`, of which there is at least one, and moves on past them. */
static void until(const char **at, char end, char *to, size_t room) {
    const size_t len = strcspn(*at, (char[]){end, '\n', '\0'});
    assert_true(len > 0 && len < room && (*at)[len] == end);
    memcpy(to, *at, len);
    to[len] = '\0';
    *at += len;
}

static void assert_name(const char *name) {
    assert_true(isalpha((unsigned char)*name) || *name == '_' || *name == ':');
    for (; *name != '\0'; name++)
        assert_true(isalnum((unsigned char)*name) || *name == '_' || *name == ':');
}

/* One metric: HELP, TYPE, one sample, in this order, with single spaces. */
static metric parse(const char **at, const char *labels) {
    metric it = {0};
    char again[64], number[32];
    expect(at, "# HELP ");
    until(at, ' ', it.name, sizeof it.name);
    assert_name(it.name);
    expect(at, " ");
    until(at, '\n', it.help, sizeof it.help);
    for (const char *c = it.help; *c != '\0'; c++)
        if (*c == '\\')
            assert_true(*++c == '\\' || *c == 'n');
    expect(at, "\n# TYPE ");
    until(at, ' ', again, sizeof again);
    assert_string_equal(again, it.name);
    expect(at, " ");
    until(at, '\n', it.type, sizeof it.type);
    expect(at, "\n");
    expect(at, it.name);
    if (labels != NULL) {
        expect(at, "{");
        expect(at, labels);
        expect(at, "}");
    }
    expect(at, " ");
    until(at, '\n', number, sizeof number);
    assert_int_equal(strspn(number, "0123456789"), strlen(number));
    it.value = strtoull(number, NULL, 10);
    expect(at, "\n");
    return it;
}

/* Every field, in no particular order, with its name's end and type. */
#define COUNTERS(X)                                                                                \
    X(offered)                                                                                     \
    X(resumed)                                                                                     \
    X(refused)                                                                                     \
    X(missed)                                                                                      \
    X(stored)                                                                                      \
    X(returned)                                                                                    \
    X(expired)                                                                                     \
    X(evicted)                                                                                     \
    X(displaced)                                                                                   \
    X(removed)                                                                                     \
    X(discarded_lifetime)                                                                          \
    X(discarded_too_large)                                                                         \
    X(discarded_failed)                                                                            \
    X(discarded_unfinished)                                                                        \
    X(discarded_disabled)                                                                          \
    X(discarded_no_memory)                                                                         \
    X(established)                                                                                 \
    X(failed)                                                                                      \
    X(unfinished)                                                                                  \
    X(reused)                                                                                      \
    X(waited)                                                                                      \
    X(waits_served)                                                                                \
    X(withheld)                                                                                    \
    X(breaker_opened)                                                                              \
    X(breaker_closed)                                                                              \
    X(handshake_failed_offered)                                                                    \
    X(login_failed_resumed)                                                                        \
    X(taken)                                                                                       \
    X(discarded_surplus)                                                                           \
    X(agent_leased)                                                                                \
    X(agent_returned)                                                                              \
    X(agent_stored)                                                                                \
    X(agent_away)
#define GAUGES(X)                                                                                  \
    X(endpoints)                                                                                   \
    X(sessions)                                                                                    \
    X(bytes)                                                                                       \
    X(bytes_staged)

static void parse_all(const char *text, const char *labels, tsc_stats stats) {
    const struct {
        const char *name, *type;
        uint64_t value;
    } expected[] = {
#define COUNTER(field) {"tsc_" #field "_total", "counter", stats.field},
#define GAUGE(field) {"tsc_" #field, "gauge", stats.field},
        COUNTERS(COUNTER) GAUGES(GAUGE)};
    enum { COUNT = sizeof expected / sizeof *expected };
    assert_int_equal(sizeof stats, COUNT * sizeof(uint64_t)); /* a field is missing above */
    bool seen[COUNT] = {false};
    while (*text != '\0') {
        const metric it = parse(&text, labels);
        size_t i = 0;
        while (i < COUNT && strcmp(expected[i].name, it.name) != 0)
            i++;
        if (i == COUNT || seen[i])
            fail_msg("%s is unknown, or there twice", it.name);
        seen[i] = true;
        assert_string_equal(it.type, expected[i].type);
        assert_int_equal(it.value, expected[i].value);
        assert_true(strlen(it.help) > 10);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_true(seen[i]);
}

static void every_statistic_is_in_the_text(void **state) {
    (void)state;
    char session[64];
    tsc_config *config = new_config(cache);
    full_handshake(config, TLS13, "a", "b", "c");
    for (int i = 0; i < 12345; i++)
        assert_status(get(cache, "nothing", session), TSC_NOT_FOUND);
    tsc_attempt_free(new_attempt(config));
    const char *labels[] = {NULL, "cluster=\"a\"", "cluster=\"a\",zone=\"b\\n\\\\\\\"\xc3\xbc\""};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        char *text = text_of(labels[i]);
        parse_all(text, labels[i], stats_of(cache));
        free(text);
    }
    tsc_config_free(config);
}

/* The description in the header is the description there. */
static void the_help_is_that_of_the_header(void **state) {
    (void)state;
    char *text = text_of("");
    assert_non_null(strstr(text,
                           "\n# HELP tsc_evicted_total Sessions dropped to keep max_endpoints or "
                           "max_bytes.\n# TYPE tsc_evicted_total counter\n"
                           "tsc_evicted_total 0\n"));
    /* One that is on several lines there. */
    assert_non_null(strstr(text,
                           "# HELP tsc_displaced_total Sessions dropped for a newer one of the "
                           "same endpoint: over max_sessions_per_endpoint, or a reusable one "
                           "that was renewed.\n"));
    free(text);
}

static void a_buffer_that_is_too_small_is_left_alone(void **state) {
    (void)state;
    char *whole = text_of(NULL);
    const size_t needed = strlen(whole);
    for (size_t cap = 0; cap <= needed + 3; cap++) {
        char *buf = malloc(cap + 1);
        assert_non_null(buf);
        memset(buf, '#', cap + 1);
        size_t len = 0;
        const tsc_status status = tsc_stats_prometheus(cache, NULL, 0, buf, cap, &len);
        assert_int_equal(len, needed);
        assert_status(status, cap < needed ? TSC_TOO_SMALL : TSC_OK);
        if (status == TSC_OK)
            assert_memory_equal(buf, whole, needed);
        for (size_t i = status == TSC_OK ? needed : 0; i <= cap; i++)
            assert_int_equal(buf[i], '#');
        free(buf);
    }
    free(whole);
}

static void labels_out_of_format_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        " ",
        ",",
        "a",
        "a=",
        "a=b",
        "a=\"",
        "a=\"b",
        "a=\"b\" ",
        "a=\"b\",",
        ",a=\"b\"",
        "a=\"b\"b=\"\"",
        "=\"b\"",
        "1a=\"b\"",
        "a-b=\"c\"",
        "a =\"b\"",
        "a= \"b\"",
        "{a=\"b\"}",
        "a=\"b\"}\nx 1",
        "a=\"\n\"",
        "a=\"\\\"",
        "a=\"\\t\"",
        "a=\"\\",
        "__a=\"b\"",
        "a=\"b\",a=\"c\"",
        "a=\"b\",,c=\"d\"",
        "\xc3\xbc=\"b\"",
        "a=\"\xff\"",
        "a=\"\xc3\"",
        "a=\"b\", c=\"d\"",
    };
    char buf[8192];
    size_t len = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const tsc_status status =
            tsc_stats_prometheus(cache, bad[i], strlen(bad[i]), buf, sizeof buf, &len);
        if (status != TSC_INVALID_ARGUMENT)
            fail_msg("taken as labels: %s", bad[i]);
    }
    assert_status(tsc_stats_prometheus(cache, "a=\"\0\"", 4, buf, sizeof buf, &len),
                  TSC_INVALID_ARGUMENT);
    assert_int_equal(len, 77);
    static const char *const good[] = {"a=\"\"", "_a=\"b\"", "a=\"b\",A=\"b\",a1=\"}\"",
                                       "a=\"b,c=\\\"d\\\"\""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *text = text_of(good[i]);
        parse_all(text, good[i], stats_of(cache));
        free(text);
    }
}

/* Whatever the caller gives as labels, no line comes out that was not meant. */
static void random_labels_are_refused_or_can_be_parsed(void **state) {
    (void)state;
    static const char parts[] = "aZ_1=\"\"\"=\\\\n,{} \n\xc3\xbc";
    uint32_t random = 1;
    int taken = 0;
    for (int i = 0; i < rounds(200000); i++) {
        char labels[9] = "";
        random = random * 1664525 + 1013904223;
        const size_t len = 4 + (random >> 28) % 5;
        for (size_t at = 0; at < len; at++) {
            random = random * 1664525 + 1013904223;
            labels[at] = parts[(random >> 16) % (sizeof parts - 1)];
        }
        size_t needed = 0;
        if (tsc_stats_prometheus(cache, labels, len, NULL, 0, &needed) != TSC_TOO_SMALL)
            continue;
        taken++;
        char *text = text_of(labels);
        parse_all(text, labels, stats_of(cache));
        free(text);
        assert_null(strchr(labels, '\n'));
        assert_int_equal(labels[len - 1], '"');
    }
    assert_true(taken > 0);
}

static void a_closed_cache_still_answers(void **state) {
    (void)state;
    assert_ok(tsc_cache_close(cache));
    char *text = text_of(NULL);
    parse_all(text, NULL, stats_of(cache));
    free(text);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_statistic_is_in_the_text),
        TEST(the_help_is_that_of_the_header),
        TEST(a_buffer_that_is_too_small_is_left_alone),
        TEST(labels_out_of_format_are_refused),
        TEST(random_labels_are_refused_or_can_be_parsed),
        TEST(a_closed_cache_still_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
