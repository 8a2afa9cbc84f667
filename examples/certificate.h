/* certificate.h: certificates made on the spot, for the servers of the examples. */

#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with a reason unless ok. */
static inline void check(bool ok, const char *what) {
    if (ok)
        return;
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    fprintf(stderr, "server: %s: %s\n", what, reason ? reason : strerror(errno));
    exit(2);
}

static inline EVP_PKEY *new_p256_key(void) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    check(ctx && EVP_PKEY_keygen_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) == 1 &&
              EVP_PKEY_keygen(ctx, &key) == 1,
          "making a key");
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* Makes a certificate that is valid for a day. issuer NULL: for itself. */
static inline X509 *new_certificate(const char *name, EVP_PKEY *key, X509 *issuer,
                                    EVP_PKEY *issuer_key, const char *basic_constraints,
                                    const char *alt_names) {
    X509 *cert = X509_new();
    check(cert != NULL, "making a certificate");
    X509_NAME *subject = X509_get_subject_name(cert);
    bool ok = X509_set_version(cert, 2) && /* 2 means v3 */
              ASN1_INTEGER_set(X509_get_serialNumber(cert), issuer ? 2 : 1) &&
              /* An hour back, for a clock that was just set. */
              X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
              X509_gmtime_adj(X509_getm_notAfter(cert), 86400) && X509_set_pubkey(cert, key) &&
              X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                                         -1, -1, 0) &&
              X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject);
    const struct {
        int nid;
        const char *value;
    } extensions[] = {
        {NID_basic_constraints, basic_constraints},
        {NID_subject_alt_name, alt_names},
    };
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        if (extensions[i].value == NULL)
            continue;
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, NULL, extensions[i].nid, extensions[i].value);
        ok = ok && extension && X509_add_ext(cert, extension, -1);
        X509_EXTENSION_free(extension);
    }
    check(ok && X509_sign(cert, issuer_key, EVP_sha256()) > 0, "making a certificate");
    return cert;
}

#endif
