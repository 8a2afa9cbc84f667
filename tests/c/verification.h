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

#endif
