// tsc_ssl_identity: SSL_CTXs have the same only if they are the same. Each property by itself.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "peer.h"
#include "tsc_openssl.h"

#ifndef TSC_SSL_BORING_

typedef struct {
    const char *what;
    void (*change)(SSL_CTX *ctx);
    tsc_status expected; // TSC_OK: another digest
} identity_case;

static X509 *certificate_of(const char *path) {
    BIO *file = BIO_new_file(path, "r");
    X509 *certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    assert_non_null(certificate);
    BIO_free(file);
    return certificate;
}

static X509_VERIFY_PARAM *store_param(SSL_CTX *ctx) {
    return X509_STORE_get0_param(SSL_CTX_get_cert_store(ctx));
}

// ---- What is read -------------------------------------------------------------------------------

static void a_further_root(SSL_CTX *ctx) {
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, peer_client_certificate(), NULL), 1);
}
static void a_root_for_servers_alone(SSL_CTX *ctx) {
    X509 *root = certificate_of(peer_server_certificate());
    X509_STORE *store = X509_STORE_new();
    X509_add1_trust_object(root, OBJ_nid2obj(NID_server_auth));
    X509_STORE_add_cert(store, root);
    X509_free(root);
    root = certificate_of(peer_short_certificate());
    X509_STORE_add_cert(store, root);
    X509_free(root);
    SSL_CTX_set_cert_store(ctx, store);
}
static void a_root_less(SSL_CTX *ctx) {
    SSL_CTX_set_cert_store(ctx, X509_STORE_new());
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, peer_server_certificate(), NULL), 1);
}
static X509_CRL *revocation_list; // one for all: each signature is another
static void make_revocation_list(void) {
    X509 *issuer = certificate_of(peer_server_certificate());
    BIO *file = BIO_new_file(peer_server_key(), "r");
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
    revocation_list = X509_CRL_new();
    X509_CRL_set_version(revocation_list, 1);
    X509_CRL_set_issuer_name(revocation_list, X509_get_subject_name(issuer));
    X509_CRL_set1_lastUpdate(revocation_list, now);
    X509_CRL_set1_nextUpdate(revocation_list, now);
    assert_true(X509_CRL_sign(revocation_list, key, EVP_sha256()) > 0);
    ASN1_TIME_free(now);
    EVP_PKEY_free(key);
    BIO_free(file);
    X509_free(issuer);
}
static void a_revocation_list(SSL_CTX *ctx) {
    assert_int_equal(X509_STORE_add_crl(SSL_CTX_get_cert_store(ctx), revocation_list), 1);
}
static void no_verification(SSL_CTX *ctx) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
}
static int accept_any(int good, X509_STORE_CTX *check) {
    (void)good, (void)check;
    return 1;
}
static int accept_good(int good, X509_STORE_CTX *check) {
    return good && check;
}
static void a_verify_callback(SSL_CTX *ctx) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
}
static void another_verify_callback(SSL_CTX *ctx) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_good);
}
static void the_depth(SSL_CTX *ctx) {
    SSL_CTX_set_verify_depth(ctx, 7);
}
static void the_flags(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
}
static void the_host_flags(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set_hostflags(SSL_CTX_get0_param(ctx), X509_CHECK_FLAG_NO_WILDCARDS);
}
static void the_time(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), 86400);
}
static void the_auth_level(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set_auth_level(SSL_CTX_get0_param(ctx), 5);
}
static void the_inheritance_from_the_store(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set_inh_flags(store_param(ctx), X509_VP_FLAG_LOCKED);
}
#ifdef TSC_SSL_NAMES_
static void a_name(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(ctx), "localhost", 0);
}
static void another_name(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(ctx), "elsewhere.example", 0);
}
static void an_address(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(ctx), "127.0.0.1");
}
static void an_email(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set1_email(SSL_CTX_get0_param(ctx), "root@localhost", 0);
}
static void a_name_of_the_store(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set1_host(store_param(ctx), "localhost", 0);
}
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
static void the_purpose(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(ctx), X509_PURPOSE_ANY);
}
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
static void raw_keys(SSL_CTX *ctx) {
    const unsigned char types[] = {TLSEXT_cert_type_rpk, TLSEXT_cert_type_x509};
    SSL_CTX_set1_server_cert_type(ctx, types, sizeof types);
}
#endif
static void the_flags_of_the_store(SSL_CTX *ctx) {
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_PARTIAL_CHAIN);
}
static void the_depth_of_the_store(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set_depth(store_param(ctx), 7);
}
static void the_callback_of_the_store(SSL_CTX *ctx) {
    X509_STORE_set_verify_cb(SSL_CTX_get_cert_store(ctx), accept_any);
}
static int nothing(X509_STORE_CTX *check) {
    return check != NULL;
}
static void how_the_store_verifies(SSL_CTX *ctx) {
    X509_STORE_set_verify(SSL_CTX_get_cert_store(ctx), nothing);
}
#if OPENSSL_VERSION_NUMBER >= 0x40000000L
typedef const X509 issued;
#else
typedef X509 issued;
#endif
static int no_issuer(X509 **issuer, X509_STORE_CTX *check, issued *of) {
    (void)issuer, (void)check, (void)of;
    return 0;
}
static void who_issues_for_the_store(SSL_CTX *ctx) {
    X509_STORE_set_get_issuer(SSL_CTX_get_cert_store(ctx), no_issuer);
}
static void what_the_store_revokes(SSL_CTX *ctx) {
    X509_STORE_set_check_revocation(SSL_CTX_get_cert_store(ctx), nothing);
}
static void which_policies_the_store_wants(SSL_CTX *ctx) {
    X509_STORE_set_check_policy(SSL_CTX_get_cert_store(ctx), nothing);
}
static void the_security_level(SSL_CTX *ctx) {
    SSL_CTX_set_security_level(ctx, 3);
}
static int allow(const SSL *ssl, const SSL_CTX *ctx, int what, int bits, int nid, void *other,
                 void *arg) {
    (void)ssl, (void)ctx, (void)what, (void)bits, (void)nid, (void)other, (void)arg;
    return 1;
}
static void the_security_callback(SSL_CTX *ctx) {
    SSL_CTX_set_security_callback(ctx, allow);
}
static void a_client_certificate(SSL_CTX *ctx) {
    SSL_CTX_use_certificate_file(ctx, peer_client_certificate(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx, peer_client_key(), SSL_FILETYPE_PEM);
}
static void another_client_certificate(SSL_CTX *ctx) {
    SSL_CTX_use_certificate_file(ctx, peer_server_certificate(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx, peer_server_key(), SSL_FILETYPE_PEM);
}
static void an_option(SSL_CTX *ctx) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
}
static void the_oldest_version(SSL_CTX *ctx) {
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
}
static void the_newest_version(SSL_CTX *ctx) {
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
}
static void the_ciphers(SSL_CTX *ctx) {
    SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-CHACHA20-POLY1305");
}
static void the_cipher_suites(SSL_CTX *ctx) {
    SSL_CTX_set_ciphersuites(ctx, "TLS_CHACHA20_POLY1305_SHA256");
}
static void a_status(SSL_CTX *ctx) {
    SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp);
}

// ---- What cannot be read ------------------------------------------------------------------------

static void a_folder(SSL_CTX *ctx) {
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, NULL, "/"), 1);
}
static void a_folder_that_is_not_there(SSL_CTX *ctx) {
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, NULL, "/not/there/yet"), 1);
}
static void the_default_paths(SSL_CTX *ctx) {
    assert_int_equal(SSL_CTX_set_default_verify_paths(ctx), 1);
}
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
static void a_file_by_its_address(SSL_CTX *ctx) {
    assert_int_equal(SSL_CTX_load_verify_store(ctx, peer_client_certificate()), 1);
}
#endif
static void a_verify_store_beside(SSL_CTX *ctx) {
    SSL_CTX_set0_verify_cert_store(ctx, X509_STORE_new());
}
static int no_certificate(SSL *ssl, X509 **certificate, EVP_PKEY **key) {
    (void)ssl, (void)certificate, (void)key;
    return 0;
}
static void a_certificate_by_callback(SSL_CTX *ctx) {
    SSL_CTX_set_client_cert_cb(ctx, no_certificate);
}
static void policies(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_POLICY_CHECK);
}
static void policies_of_the_store(SSL_CTX *ctx) {
    X509_VERIFY_PARAM_set_flags(store_param(ctx), X509_V_FLAG_POLICY_CHECK);
}
#ifndef OPENSSL_NO_CT
static void transparency(SSL_CTX *ctx) {
    SSL_CTX_enable_ct(ctx, SSL_CT_VALIDATION_PERMISSIVE);
}
#endif
#ifdef __linux__
static int (*made_at_run_time)(int, X509_STORE_CTX *);
static void a_callback_that_was_made_at_run_time(SSL_CTX *ctx) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, made_at_run_time);
}
#endif

#define CASE(change, expected)                                                                     \
    { #change, change, expected }
static const identity_case CASES[] = {
    CASE(a_further_root, TSC_OK),
    CASE(a_root_for_servers_alone, TSC_OK),
    CASE(a_root_less, TSC_OK),
    CASE(a_revocation_list, TSC_OK),
    CASE(no_verification, TSC_OK),
    CASE(a_verify_callback, TSC_OK),
    CASE(another_verify_callback, TSC_OK),
    CASE(the_depth, TSC_OK),
    CASE(the_flags, TSC_OK),
    CASE(the_host_flags, TSC_OK),
    CASE(the_time, TSC_OK),
    CASE(the_auth_level, TSC_OK),
    CASE(the_inheritance_from_the_store, TSC_OK),
#ifdef TSC_SSL_NAMES_
    CASE(a_name, TSC_OK),
    CASE(another_name, TSC_OK),
    CASE(an_address, TSC_OK),
    CASE(an_email, TSC_OK),
    CASE(a_name_of_the_store, TSC_OK),
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
    CASE(the_purpose, TSC_OK),
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
    CASE(raw_keys, TSC_OK),
#endif
    CASE(the_flags_of_the_store, TSC_OK),
    CASE(the_depth_of_the_store, TSC_OK),
    CASE(the_callback_of_the_store, TSC_OK),
    CASE(how_the_store_verifies, TSC_OK),
    CASE(who_issues_for_the_store, TSC_OK),
    CASE(what_the_store_revokes, TSC_OK),
    CASE(which_policies_the_store_wants, TSC_OK),
    CASE(the_security_level, TSC_OK),
    CASE(the_security_callback, TSC_OK),
    CASE(a_client_certificate, TSC_OK),
    CASE(another_client_certificate, TSC_OK),
    CASE(an_option, TSC_OK),
    CASE(the_oldest_version, TSC_OK),
    CASE(the_newest_version, TSC_OK),
    CASE(the_ciphers, TSC_OK),
    CASE(the_cipher_suites, TSC_OK),
    CASE(a_status, TSC_OK),
    CASE(a_folder, TSC_UNSUPPORTED),
    CASE(a_folder_that_is_not_there, TSC_UNSUPPORTED),
    CASE(the_default_paths, TSC_UNSUPPORTED),
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    CASE(a_file_by_its_address, TSC_UNSUPPORTED),
#endif
    CASE(a_verify_store_beside, TSC_UNSUPPORTED),
    CASE(a_certificate_by_callback, TSC_UNSUPPORTED),
    CASE(policies, TSC_UNSUPPORTED),
    CASE(policies_of_the_store, TSC_UNSUPPORTED),
#ifndef OPENSSL_NO_CT
    CASE(transparency, TSC_UNSUPPORTED),
#endif
#ifdef __linux__
    CASE(a_callback_that_was_made_at_run_time, TSC_UNSUPPORTED),
#endif
};
enum { COUNT = sizeof CASES / sizeof *CASES };

typedef struct {
    tsc_status status;
    uint8_t digest[TSC_SSL_IDENTITY];
} identity;

static identity identity_of(SSL_CTX *ctx) {
    identity got = {0};
    ERR_clear_error();
    got.status = tsc_ssl_identity(ctx, got.digest);
    assert_int_equal(ERR_peek_error(), 0);
    return got;
}

// That of a context with one thing changed.
static identity changed_by(void (*change)(SSL_CTX *)) {
    SSL_CTX *ctx = client_context();
    if (change)
        change(ctx);
    const identity got = identity_of(ctx);
    SSL_CTX_free(ctx);
    return got;
}

static bool same(identity a, identity b) {
    return memcmp(a.digest, b.digest, TSC_SSL_IDENTITY) == 0;
}

static void each_property_makes_another_identity(void **state) {
    (void)state;
    identity all[COUNT + 1];
    make_revocation_list();
    all[COUNT] = changed_by(NULL);
    assert_int_equal(all[COUNT].status, TSC_OK);
    for (int i = 0; i < COUNT; i++) {
        all[i] = changed_by(CASES[i].change);
        if (all[i].status != CASES[i].expected)
            fail_msg("%s: %s", CASES[i].what, tsc_status_text(all[i].status));
        if (all[i].status != TSC_OK)
            continue;
        if (!same(all[i], changed_by(CASES[i].change)))
            fail_msg("%s: another digest each time", CASES[i].what);
        for (int j = 0; j <= COUNT; j++)
            if ((j < i || j == COUNT) && all[j].status == TSC_OK && same(all[i], all[j]))
                fail_msg("%s is like %s", CASES[i].what, j < COUNT ? CASES[j].what : "none");
    }
    X509_CRL_free(revocation_list);
}

static void the_order_of_roots_makes_no_difference(void **state) {
    (void)state;
    SSL_CTX *ctx = client_context();
    SSL_CTX_set_cert_store(ctx, X509_STORE_new());
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, peer_short_certificate(), NULL), 1);
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, peer_server_certificate(), NULL), 1);
    assert_true(same(identity_of(ctx), changed_by(NULL)));
    SSL_CTX_free(ctx);
}

static void attaching_changes_nothing(void **state) {
    (void)state;
    SSL_CTX *ctx = client_context();
    tsc_cache *cache;
    assert_int_equal(tsc_cache_new(NULL, 0, &cache), TSC_OK);
    assert_int_equal(tsc_ssl_attach(ctx, cache, NULL, 0), TSC_OK);
    assert_true(same(identity_of(ctx), changed_by(NULL)));
    SSL_CTX_free(ctx);
    tsc_cache_free(cache);
}

static void what_is_pending_in_the_error_queue_stays(void **state) {
    (void)state;
    SSL_CTX *ctx = client_context();
    uint8_t digest[TSC_SSL_IDENTITY];
    ERR_clear_error();
    assert_null(BIO_new_file("/not/there", "r"));
    const unsigned long first = ERR_peek_error(), last = ERR_peek_last_error();
    assert_int_not_equal(first, 0);
    assert_int_equal(tsc_ssl_identity(ctx, digest), TSC_OK);
    assert_int_equal(ERR_peek_error(), first);
    assert_int_equal(ERR_peek_last_error(), last);
    ERR_clear_error();
    SSL_CTX_free(ctx);
}

#ifdef __linux__
// This program again, which loads everything elsewhere.
static const char *program;
static const char *const ROOTS = "TSC_TEST_ROOTS";

static SSL_CTX *context_of_both(const char *roots) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_good);
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, roots, NULL), 1);
    return ctx;
}

static void print_identity(const char *roots) {
    SSL_CTX *ctx = context_of_both(roots);
    const identity mine = identity_of(ctx);
    for (int i = 0; i < TSC_SSL_IDENTITY; i++)
        printf("%02x", mine.digest[i]);
    SSL_CTX_free(ctx);
}

static void another_process_derives_the_same(void **state) {
    (void)state;
    SSL_CTX *ctx = context_of_both(peer_server_certificate());
    const identity mine = identity_of(ctx);
    char expected[2 * TSC_SSL_IDENTITY + 1], said[sizeof expected] = "";
    for (int i = 0; i < TSC_SSL_IDENTITY; i++)
        sprintf(expected + 2 * i, "%02x", mine.digest[i]);
    assert_int_equal(setenv(ROOTS, peer_server_certificate(), 1), 0);
    FILE *other = popen(program, "r");
    assert_non_null(other);
    assert_int_equal(fread(said, 1, sizeof said - 1, other), sizeof said - 1);
    assert_int_equal(pclose(other), 0);
    assert_string_equal(said, expected);
    SSL_CTX_free(ctx);
}
#endif

#else

static void it_cannot_be_told(void **state) {
    (void)state;
    SSL_CTX *ctx = client_context();
    uint8_t digest[TSC_SSL_IDENTITY];
    assert_int_equal(tsc_ssl_identity(ctx, digest), TSC_UNSUPPORTED);
    SSL_CTX_free(ctx);
}

#endif

static void nothing_has_no_identity(void **state) {
    (void)state;
    SSL_CTX *ctx = client_context();
    uint8_t digest[TSC_SSL_IDENTITY];
    assert_int_equal(tsc_ssl_identity(NULL, digest), TSC_INVALID_ARGUMENT);
    assert_int_equal(tsc_ssl_identity(ctx, NULL), TSC_INVALID_ARGUMENT);
    SSL_CTX_free(ctx);
}

int main(int argc, char **argv) {
    (void)argc, (void)argv;
#if defined(__linux__) && !defined(TSC_SSL_BORING_)
    program = argv[0];
    if (getenv(ROOTS)) {
        print_identity(getenv(ROOTS));
        return 0;
    }
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(&made_at_run_time, &page, sizeof made_at_run_time);
#endif
    const struct CMUnitTest tests[] = {
#ifndef TSC_SSL_BORING_
        cmocka_unit_test(each_property_makes_another_identity),
        cmocka_unit_test(the_order_of_roots_makes_no_difference),
        cmocka_unit_test(attaching_changes_nothing),
        cmocka_unit_test(what_is_pending_in_the_error_queue_stays),
#ifdef __linux__
        cmocka_unit_test(another_process_derives_the_same),
#endif
#else
        cmocka_unit_test(it_cannot_be_told),
#endif
        cmocka_unit_test(nothing_has_no_identity),
    };
    return cmocka_run_group_tests_name("openssl_identity", tests, peer_setup, peer_teardown);
}
