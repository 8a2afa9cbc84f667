/* A session is offered only to the config and the endpoint that it came from. */
#include "api.h"

static tsc_endpoint named(const char *host, const char *server_name, const char *group,
                          uint32_t port) {
    tsc_endpoint to = endpoint(host, port);
    if (server_name != NULL) {
        to.server_name = (const uint8_t *)server_name;
        to.server_name_len = strlen(server_name);
    }
    if (group != NULL) {
        to.group = (const uint8_t *)group;
        to.group_len = strlen(group);
    }
    return to;
}

/* What is received from one is offered to the other, and counted there. */
static bool shares(const tsc_config *from_config, tsc_endpoint from, const tsc_config *to_config,
                   tsc_endpoint to) {
    const char *sessions[] = {"session"};
    full_handshake_to(from_config, from, TLS13, sessions, 1);
    assert_int_equal(available_to(from_config, from), 1);
    const bool counted = available_to(to_config, to) == 1;

    tsc_attempt *attempt = new_attempt_to(to_config, to);
    tsc_session session = {0};
    const bool offered = tsc_attempt_offer(attempt, &session, sizeof session) == TSC_OK;
    assert_ok(tsc_attempt_failed(
        attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE)); /* used up, if it was offered */
    tsc_attempt_free(attempt);
    assert_int_equal(counted, offered);

    attempt = new_attempt_to(from_config, from);
    if (offered)
        assert_offers_nothing(attempt);
    else
        assert_offers(attempt, "session");
    assert_ok(tsc_attempt_failed(attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE));
    tsc_attempt_free(attempt);
    return offered;
}

static void endpoints_are_kept_apart_by_host_port_name_and_group(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.failure_budget = UINT32_MAX});
    tsc_config *config = new_config(cache);
#define SHARE(one, other) assert_true(shares(config, one, config, other))
#define APART(one, other)                                                                          \
    do {                                                                                           \
        assert_false(shares(config, one, config, other));                                          \
        assert_false(shares(config, other, config, one));                                          \
    } while (0)
    const tsc_endpoint db = endpoint("db.example", 9142);
    SHARE(db, endpoint("db.example", 9142));
    APART(db, endpoint("db.example", 9143));
    APART(db, endpoint("db.example", 0));
    APART(db, endpoint("db2.example", 9142));
    APART(db, endpoint("db.example.", 9142));
    APART(db, endpoint("db.exampl", 9142));
    APART(db, named("db.example", "other.example", NULL, 9142));
    APART(named("10.0.0.1", "db.example", NULL, 9142), named("10.0.0.2", "db.example", NULL, 9142));
    APART(named("10.0.0.1", "db.example", NULL, 9142), named("10.0.0.1", NULL, NULL, 9142));

    /* Without a name of its own, the host's; ASCII case does not matter, other bytes do. */
    SHARE(db, named("db.example", "db.example", NULL, 9142));
    SHARE(db, endpoint("DB.Example", 9142));
    SHARE(db, named("db.example", "dB.eXAMPLE", NULL, 9142));
    APART(endpoint("caf\xC3\xA9", 1), endpoint("caf\xC3\x89", 1));
    APART(endpoint("a[", 1), endpoint("a{", 1));

    /* Where one name ends and the next begins is part of it. */
    APART(named("ab", "c", NULL, 1), named("a", "bc", NULL, 1));
    APART(named("a", "b", "c", 1), named("a", "bc", NULL, 1));

    /* A group stands in place of host and port. */
    SHARE(named("10.0.0.1", "db.example", "node 1", 1),
          named("10.0.0.2", "db.example", "node 1", 2));
    APART(named("10.0.0.1", "db.example", "node 1", 1),
          named("10.0.0.1", "db.example", "node 2", 1));
    APART(named("10.0.0.1", "db.example", "node 1", 1), named("10.0.0.1", "db.example", NULL, 1));
    APART(named("10.0.0.1", "a.example", "node 1", 1), named("10.0.0.1", "b.example", "node 1", 1));
    APART(named("a", "a", "db.example", 9142), named("db.example", "a", NULL, 9142));
    tsc_config_free(config);
    free_cache(cache);
}

static tsc_config *identified(const tsc_cache *cache, const char *identity) {
    tsc_config_options options = {.identity = (const uint8_t *)identity,
                                  .identity_len = strlen(identity)};
    tsc_config *config = NULL;
    assert_ok(tsc_config_new(cache, &options, sizeof options, &config));
    return config;
}

static void configs_share_only_by_identity(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.failure_budget = UINT32_MAX}),
              *elsewhere = new_cache((tsc_options){0});
    tsc_config *config = new_config(cache), *other = new_config(cache);
    tsc_config *red = identified(cache, "red"), *also_red = identified(cache, "red");
    tsc_config *blue = identified(cache, "blue"), *red_cased = identified(cache, "Red");
    tsc_config *red_elsewhere = identified(elsewhere, "red");
    const tsc_endpoint to = endpoint("db.example", 9142);

    assert_true(shares(config, to, config, to));
    assert_true(shares(red, to, also_red, to));
    tsc_config *apart[][2] = {{config, other},  {config, red},        {red, blue},
                              {red, red_cased}, {red, red_elsewhere}, {blue, also_red}};
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++) {
        assert_false(shares(apart[i][0], to, apart[i][1], to));
        assert_false(shares(apart[i][1], to, apart[i][0], to));
    }

    /* An identity outlives its configs; a config without one does not come back. */
    const char *sessions[] = {"session"};
    full_handshake_to(red, to, TLS12, sessions, 1);
    full_handshake_to(config, to, TLS12, sessions, 1);
    tsc_config_free(red);
    tsc_config_free(also_red);
    tsc_config_free(config);
    red = identified(cache, "red");
    config = new_config(cache);
    assert_int_equal(available_to(red, to), 1);
    assert_int_equal(available_to(config, to), 0);

    tsc_config *all[] = {config, other, red, blue, red_cased, red_elsewhere};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tsc_config_free(all[i]);
    free_cache(cache);
    free_cache(elsewhere);
}

/* By an endpoint's own verification, and by its config's where it has none. */
static void what_verifies_otherwise_is_kept_apart(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){.failure_budget = UINT32_MAX});
    tsc_config_options options = {.identity = (const uint8_t *)"red", .identity_len = 3};
    tsc_config *plain = NULL, *strict = NULL, *also_strict = NULL;
    assert_ok(tsc_config_new(cache, &options, sizeof options, &plain));
    options.verification = (const uint8_t *)"strict";
    options.verification_len = 6;
    assert_ok(tsc_config_new(cache, &options, sizeof options, &strict));
    assert_ok(tsc_config_new(cache, &options, sizeof options, &also_strict));
    const tsc_endpoint to = endpoint("db.example", 9142);
    tsc_endpoint to_strict = to, to_lax = to;
    to_strict.verification = (const uint8_t *)"strict";
    to_strict.verification_len = 6;
    to_lax.verification = (const uint8_t *)"lax";
    to_lax.verification_len = 3;

    assert_true(shares(strict, to, also_strict, to));
    assert_true(shares(strict, to, plain, to_strict));
    assert_true(shares(plain, to_lax, strict, to_lax));
    assert_false(shares(plain, to, strict, to));
    assert_false(shares(strict, to, plain, to));
    assert_false(shares(plain, to, plain, to_lax));
    assert_false(shares(plain, to_lax, plain, to_strict));

    static const uint8_t too_long[TSC_MAX_NAME + 1];
    options.verification = to_lax.verification = too_long;
    options.verification_len = to_lax.verification_len = sizeof too_long;
    tsc_config *none = NULL;
    tsc_attempt *no_attempt = NULL;
    assert_status(tsc_config_new(cache, &options, sizeof options, &none), TSC_TOO_LARGE);
    assert_status(tsc_attempt_new(plain, &to_lax, sizeof to_lax, &no_attempt), TSC_TOO_LARGE);
    tsc_config_free(plain);
    tsc_config_free(strict);
    tsc_config_free(also_strict);
    free_cache(cache);
}

static void the_callers_own_keys_are_kept_apart(void **state) {
    (void)state;
    tsc_cache *cache = new_cache((tsc_options){0}), *elsewhere = new_cache((tsc_options){0});
    assert_ok(put(cache, "key", TLS12, LONG, "session"));
    assert_gets_nothing(cache, "Key");
    assert_gets_nothing(cache, "ke");
    assert_gets_nothing(cache, "key ");
    assert_gets_nothing(elsewhere, "key");
    assert_gets(cache, "key", "session");

    /* They are no config's: not even under the bytes of an endpoint. */
    tsc_config *config = new_config(cache), *named_key = identified(cache, "key");
    assert_ok(put(cache, "db.example", TLS12, LONG, "session"));
    assert_int_equal(available_to(config, endpoint("db.example", 0)), 0);
    assert_int_equal(available_to(named_key, endpoint("db.example", 0)), 0);
    /* Nor under the very bytes that src/config.rs makes of one: identity, host, port, name, and
     * a verification of length 0. */
    const uint8_t made[] = "\1\3key"
                           "\0\12db.example"
                           "\0\0"
                           "\12db.example";
    tsc_session_info info = session_info(TLS12, LONG);
    assert_ok(tsc_put(cache, made, sizeof made, &info, sizeof info, made, 1));
    assert_int_equal(available_to(named_key, endpoint("db.example", 0)), 0);
    tsc_config_free(named_key);
    tsc_config_free(config);

    assert_ok(tsc_remove(cache, (const uint8_t *)"key", 3));
    assert_status(tsc_remove(cache, (const uint8_t *)"key", 3), TSC_NOT_FOUND);
    assert_gets_nothing(cache, "key");
    assert_int_equal(stats_of(cache).removed, 1);
    assert_ok(tsc_clear(cache));
    assert_int_equal(stats_of(cache).sessions, 0);
    assert_int_equal(stats_of(cache).removed, 3);
    free_cache(cache);
    free_cache(elsewhere);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_kept_apart_by_host_port_name_and_group),
        cmocka_unit_test(configs_share_only_by_identity),
        cmocka_unit_test(what_verifies_otherwise_is_kept_apart),
        cmocka_unit_test(the_callers_own_keys_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
