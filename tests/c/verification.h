// What decides whom an SSL trusts and who it is, one thing at a time: the cases that
// openssl_verification.c and cpp's verification.cpp both run. A session was made by an SSL as
// client_ssl makes it; the SSL of a case differs in one thing, and must not be offered that
// session.

#ifndef VERIFICATION_H
#define VERIFICATION_H

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "peer.h"

#if defined(OPENSSL_IS_BORINGSSL) || defined(OPENSSL_IS_AWSLC)
#define CASES_BORING 1
#endif

enum {
    CASE_FULL,     // it does a full handshake
    CASE_REJECTED, // it rejects the server
    CASE_EITHER,   // one or the other, as the version of OpenSSL has it
    CASE_REFUSED,  // tsc_ssl_begin answers TSC_UNSUPPORTED, and the connection is as without it
};

typedef struct {
    const char *what;
    void (*change)(SSL *ssl);
    int outcome;
    int names; // Differs in nothing but names that the certificate is for. An OpenSSL that does not
               // let them be read looks at the certificate, and resumes.
} verification_case;

static void case_another_name(SSL *ssl) {
    SSL_set1_host(ssl, "elsewhere.example");
}
#ifndef CASES_BORING
static void case_a_further_name(SSL *ssl) {
    SSL_add1_host(ssl, "elsewhere.example");
}
static void case_no_name(SSL *ssl) {
    SSL_set1_host(ssl, NULL);
}
#endif
static void case_another_address(SSL *ssl) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), "127.0.0.2");
}
static void case_an_address_besides(SSL *ssl) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), "127.0.0.1");
}
static void case_an_address_as_name(SSL *ssl) {
    SSL_set1_host(ssl, "127.0.0.2");
}
static void case_an_email(SSL *ssl) {
    X509_VERIFY_PARAM_set1_email(SSL_get0_param(ssl), "root@localhost", 0);
}
static void case_another_sni(SSL *ssl) {
    (void)!SSL_set_tlsext_host_name(ssl, "elsewhere.example");
}
static void case_host_flags(SSL *ssl) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_WILDCARDS);
}
static void case_crl_check(SSL *ssl) {
    X509_VERIFY_PARAM_set_flags(SSL_get0_param(ssl), X509_V_FLAG_CRL_CHECK);
}
static void case_time(SSL *ssl) {
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), 86400);
}
#ifndef CASES_BORING
static void case_inheritance(SSL *ssl) {
    X509_VERIFY_PARAM_set_inh_flags(SSL_get0_param(ssl), X509_VP_FLAG_LOCKED);
}
#endif
static void case_depth(SSL *ssl) {
    SSL_set_verify_depth(ssl, 7);
}
#ifndef CASES_BORING
static void case_auth_level(SSL *ssl) {
    X509_VERIFY_PARAM_set_auth_level(SSL_get0_param(ssl), 5);
}
static void case_security_level(SSL *ssl) {
    SSL_set_security_level(ssl, 3);
}
#endif
static void case_no_verification(SSL *ssl) {
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
}
static int case_accept(int good, X509_STORE_CTX *ctx) {
    (void)ctx;
    return good;
}
static void case_verify_callback(SSL *ssl) {
    SSL_set_verify(ssl, SSL_VERIFY_PEER, case_accept);
}
#ifndef CASES_BORING // where it is the caller's duty
static void case_trust(SSL *ssl) {
    SSL_set0_verify_cert_store(ssl, X509_STORE_new()); // which is empty
}
#endif
#ifndef CASES_BORING
static int case_security(const SSL *ssl, const SSL_CTX *ctx, int what, int bits, int nid,
                         void *other, void *arg) {
    (void)ssl, (void)ctx, (void)what, (void)bits, (void)nid, (void)other, (void)arg;
    return 1;
}
static void case_security_callback(SSL *ssl) {
    SSL_set_security_callback(ssl, case_security);
}
#endif
static void case_policies(SSL *ssl) { // which cannot be read
    X509_VERIFY_PARAM_set_flags(SSL_get0_param(ssl),
                                X509_V_FLAG_POLICY_CHECK | X509_V_FLAG_EXPLICIT_POLICY);
    X509_VERIFY_PARAM_add0_policy(SSL_get0_param(ssl), OBJ_txt2obj("1.2.3.4", 1));
}
static void case_client_certificate(SSL *ssl) {
    SSL_use_certificate_file(ssl, peer_client_certificate(), SSL_FILETYPE_PEM);
    SSL_use_PrivateKey_file(ssl, peer_client_key(), SSL_FILETYPE_PEM);
}
#ifndef CASES_BORING
static void case_no_extended_master_secret(SSL *ssl) {
#ifdef SSL_OP_NO_EXTENDED_MASTER_SECRET
    SSL_set_options(ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
#else
    SSL_set_options(ssl, SSL_OP_NO_ENCRYPT_THEN_MAC); // there is no such option yet
#endif
}
#endif
static void case_no_tickets(SSL *ssl) {
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
}
static void case_oldest_version(SSL *ssl) {
    SSL_set_min_proto_version(ssl, TLS1_1_VERSION);
}
#ifndef CASES_BORING // which has no other by itself
static void case_newest_version(SSL *ssl) {
    SSL_set_max_proto_version(ssl, TLS1_3_VERSION);
}
#endif
static void case_ciphers(SSL *ssl) {
    SSL_set_cipher_list(ssl, "ECDHE-ECDSA-CHACHA20-POLY1305");
}
#ifndef OPENSSL_IS_BORINGSSL
static void case_ciphersuites(SSL *ssl) {
    SSL_set_ciphersuites(ssl, "TLS_CHACHA20_POLY1305_SHA256");
}
#endif
#ifndef CASES_BORING
static void case_status(SSL *ssl) {
    SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
}
static void case_dane(SSL *ssl) {
    static const unsigned char nobody[32] = {0};
    SSL_CTX_dane_enable(SSL_get_SSL_CTX(ssl));
    SSL_dane_enable(ssl, "localhost");
    SSL_dane_tlsa_add(ssl, 3, 1, 1, (unsigned char *)nobody, sizeof nobody);
}
#endif
#if !defined(OPENSSL_NO_CT) && !defined(CASES_BORING)
static void case_transparency(SSL *ssl) { // asks for a status as well
    SSL_enable_ct(ssl, SSL_CT_VALIDATION_PERMISSIVE);
}
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
static void case_raw_keys(SSL *ssl) {
    const unsigned char types[] = {TLSEXT_cert_type_rpk, TLSEXT_cert_type_x509};
    SSL_set1_server_cert_type(ssl, types, sizeof types);
}
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
static void case_purpose(SSL *ssl) {
    X509_VERIFY_PARAM_set_purpose(SSL_get0_param(ssl), X509_PURPOSE_ANY);
}
#endif

static const verification_case verification_cases[] = {
    {"another name", case_another_name, CASE_REJECTED, 0},
#ifndef CASES_BORING
    {"a further name", case_a_further_name, CASE_FULL, 1},
    {"no name", case_no_name, CASE_FULL, 1},
#endif
    {"another address", case_another_address, CASE_REJECTED, 0},
    {"an address besides", case_an_address_besides, CASE_FULL, 1},
    {"an address as name", case_an_address_as_name, CASE_REJECTED, 0},
    {"an email", case_an_email, CASE_REJECTED, 0},
    {"another SNI name", case_another_sni, CASE_FULL, 0},
#ifdef OPENSSL_IS_BORINGSSL // which does not let them be read either
    {"host flags", case_host_flags, CASE_FULL, 1},
#else
    {"host flags", case_host_flags, CASE_FULL, 0},
#endif
    {"CRL checks", case_crl_check, CASE_EITHER, 0},
#ifdef CASES_BORING // it cannot be read
    {"the time", case_time, CASE_REFUSED, 0},
#else
    {"the time", case_time, CASE_REJECTED, 0},
#endif
#ifndef CASES_BORING
    {"inheritance", case_inheritance, CASE_FULL, 0},
#endif
    {"the depth", case_depth, CASE_FULL, 0},
#ifndef CASES_BORING
    {"the auth level", case_auth_level, CASE_REJECTED, 0},
    {"the security level", case_security_level, CASE_FULL, 0},
#endif
    {"no verification", case_no_verification, CASE_FULL, 0},
#ifndef CASES_BORING
    {"the security callback", case_security_callback, CASE_FULL, 0},
#endif
    {"policies", case_policies, CASE_REFUSED, 0},
    {"a verify callback", case_verify_callback, CASE_FULL, 0},
#ifndef CASES_BORING
    {"other trust", case_trust, CASE_REJECTED, 0},
#endif
    {"a client certificate", case_client_certificate, CASE_FULL, 0},
#ifndef CASES_BORING
    {"no extended master secret", case_no_extended_master_secret, CASE_FULL, 0},
#endif
    {"no tickets", case_no_tickets, CASE_FULL, 0},
    {"the oldest version", case_oldest_version, CASE_FULL, 0},
#ifndef CASES_BORING
    {"the newest version", case_newest_version, CASE_FULL, 0},
#endif
    {"the ciphers", case_ciphers, CASE_FULL, 0},
#ifndef OPENSSL_IS_BORINGSSL
    {"the cipher suites", case_ciphersuites, CASE_FULL, 0},
#endif
#ifndef CASES_BORING
    {"an OCSP status", case_status, CASE_REFUSED, 0},
    {"DANE", case_dane, CASE_REFUSED, 0},
#endif
#if !defined(OPENSSL_NO_CT) && !defined(CASES_BORING)
    {"certificate transparency", case_transparency, CASE_REFUSED, 0},
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
    {"raw public keys", case_raw_keys, CASE_FULL, 0},
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
    {"the purpose", case_purpose, CASE_FULL, 0},
#endif
};

enum { VERIFICATION_CASES = sizeof verification_cases / sizeof *verification_cases };

// ---- Rules of the trust store -------------------------------------------------------------------

typedef struct {
    const char *what;
    void (*change)(X509_STORE *store);
    int outcome;
    int names; // as above
} store_case;

static void store_name(X509_STORE *store) { // client_ssl has its own, which comes first
    X509_VERIFY_PARAM_set1_host(X509_STORE_get0_param(store), "elsewhere.example", 0);
}
static void store_address(X509_STORE *store) {
    X509_VERIFY_PARAM_set1_ip_asc(X509_STORE_get0_param(store), "127.0.0.2");
}
static void store_email(X509_STORE *store) {
    X509_VERIFY_PARAM_set1_email(X509_STORE_get0_param(store), "root@localhost", 0);
}
static void store_crl_check(X509_STORE *store) {
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
}
static void store_depth(X509_STORE *store) {
    X509_STORE_set_depth(store, 7);
}
static void store_time(X509_STORE *store) {
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), 86400);
}
static void store_policies(X509_STORE *store) {
    X509_STORE_set_flags(store, X509_V_FLAG_POLICY_CHECK);
}
// A whole set of rules, as from a file of configuration.
static void store_param(X509_STORE *store) {
    X509_VERIFY_PARAM *param = X509_VERIFY_PARAM_new();
    X509_VERIFY_PARAM_set_depth(param, 7);
    X509_STORE_set1_param(store, param);
    X509_VERIFY_PARAM_free(param);
}
#ifndef OPENSSL_IS_BORINGSSL
static void store_host_flags(X509_STORE *store) {
    X509_VERIFY_PARAM_set_hostflags(X509_STORE_get0_param(store), X509_CHECK_FLAG_NO_WILDCARDS);
}
#endif
#ifndef CASES_BORING
static void store_auth_level(X509_STORE *store) { // client_ssl has its own, which comes first
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_get0_param(store), 5);
}
static void store_inheritance(X509_STORE *store) {
    X509_VERIFY_PARAM_set_inh_flags(X509_STORE_get0_param(store), X509_VP_FLAG_LOCKED);
}
static void store_verify_callback(X509_STORE *store) {
    X509_STORE_set_verify_cb(store, case_accept);
}
static int store_good(X509_STORE_CTX *ctx) {
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}
static void store_verify(X509_STORE *store) {
    X509_STORE_set_verify(store, store_good);
}
static void store_revocation(X509_STORE *store) {
    X509_STORE_set_check_revocation(store, store_good);
}
static void store_policy_check(X509_STORE *store) {
    X509_STORE_set_check_policy(store, store_good);
}
// What newer versions promise not to change.
#if OPENSSL_VERSION_NUMBER >= 0x40000000L
typedef const X509 store_x509_of;
typedef const X509_STORE_CTX store_certs_ctx_of;
#else
typedef X509 store_x509_of;
typedef X509_STORE_CTX store_certs_ctx_of;
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
typedef const X509_STORE_CTX store_ctx_of;
typedef const X509_NAME store_name_of;
#else
typedef X509_STORE_CTX store_ctx_of;
typedef X509_NAME store_name_of;
#endif
static int store_nobody(X509 **issuer, X509_STORE_CTX *ctx, store_x509_of *of) {
    (void)issuer, (void)ctx, (void)of;
    return 0;
}
static void store_issuer(X509_STORE *store) {
    X509_STORE_set_get_issuer(store, store_nobody);
}
static int store_not_issued(X509_STORE_CTX *ctx, store_x509_of *of, store_x509_of *by) {
    (void)ctx, (void)of, (void)by;
    return 0;
}
static void store_check_issued(X509_STORE *store) {
    X509_STORE_set_check_issued(store, store_not_issued);
}
static int store_no_crl(X509_STORE_CTX *ctx, X509_CRL **list, X509 *of) {
    (void)ctx, (void)list, (void)of;
    return 0;
}
static void store_get_crl(X509_STORE *store) {
    X509_STORE_set_get_crl(store, store_no_crl);
}
static int store_any_crl(X509_STORE_CTX *ctx, X509_CRL *list) {
    (void)ctx, (void)list;
    return 1;
}
static void store_check_crl(X509_STORE *store) {
    X509_STORE_set_check_crl(store, store_any_crl);
}
static int store_on_no_crl(X509_STORE_CTX *ctx, X509_CRL *list, X509 *of) {
    (void)ctx, (void)list, (void)of;
    return 1;
}
static void store_cert_crl(X509_STORE *store) {
    X509_STORE_set_cert_crl(store, store_on_no_crl);
}
static STACK_OF(X509) * store_no_certs(store_certs_ctx_of *ctx, store_name_of *name) {
    (void)ctx, (void)name;
    return NULL;
}
static void store_lookup_certs(X509_STORE *store) {
    X509_STORE_set_lookup_certs(store, store_no_certs);
}
static STACK_OF(X509_CRL) * store_no_crls(store_ctx_of *ctx, store_name_of *name) {
    (void)ctx, (void)name;
    return NULL;
}
static void store_lookup_crls(X509_STORE *store) {
    X509_STORE_set_lookup_crls(store, store_no_crls);
}
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
static void store_purpose(X509_STORE *store) {
    X509_STORE_set_purpose(store, X509_PURPOSE_ANY);
}
#endif

static const store_case store_cases[] = {
#ifdef OPENSSL_IS_BORINGSSL // which verifies nothing any more once its store has a name
    {"the name", store_name, CASE_REJECTED, 1},
#else
    {"the name", store_name, CASE_FULL, 1},
#endif
    {"the address", store_address, CASE_REJECTED, 0},
    {"the email", store_email, CASE_REJECTED, 0},
    {"CRL checks", store_crl_check, CASE_EITHER, 0},
    {"the depth", store_depth, CASE_FULL, 0},
#ifdef CASES_BORING // it cannot be read
    {"the time", store_time, CASE_REFUSED, 0},
#else
    {"the time", store_time, CASE_REJECTED, 0},
#endif
    {"policies", store_policies, CASE_REFUSED, 0},
    {"all rules", store_param, CASE_FULL, 0},
#ifndef OPENSSL_IS_BORINGSSL
    {"host flags", store_host_flags, CASE_FULL, 0},
#endif
#ifndef CASES_BORING
    {"the auth level", store_auth_level, CASE_FULL, 0},
    {"inheritance", store_inheritance, CASE_EITHER, 0},
    {"the verify callback", store_verify_callback, CASE_FULL, 0},
    {"how it verifies", store_verify, CASE_FULL, 0},
    {"how it checks revocation", store_revocation, CASE_FULL, 0},
    {"how it checks policies", store_policy_check, CASE_FULL, 0},
    {"who issues", store_issuer, CASE_EITHER, 0},
    {"how it checks who issued", store_check_issued, CASE_EITHER, 0},
    {"where CRLs are", store_get_crl, CASE_FULL, 0},
    {"how it checks CRLs", store_check_crl, CASE_FULL, 0},
    {"what a CRL says", store_cert_crl, CASE_FULL, 0},
    {"where certificates are", store_lookup_certs, CASE_EITHER, 0},
    {"where lists are", store_lookup_crls, CASE_FULL, 0},
#endif
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
    {"the purpose", store_purpose, CASE_FULL, 0},
#endif
};

enum { STORE_CASES = sizeof store_cases / sizeof *store_cases };

#endif
