/* The functions of OpenSSL that this package calls: those of the libssl that `_ssl` itself uses,
 * found at run time. It is linked to none, and a program may well have several. */
#ifndef TSC_PYTHON_OPENSSL_H
#define TSC_PYTHON_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "the headers of OpenSSL 3.0 or newer are needed"
#endif
/* Whatever it is built with: one extension is for all from 3.0 on. */
#undef OPENSSL_VERSION_NUMBER
#define OPENSSL_VERSION_NUMBER 0x30000000L

/* The first is looked up first. It is one of libssl. */
// clang-format off: one a line
#define OPENSSL_FUNCTIONS(X)                                                                       \
    X(SSL_new)                                                                                     \
    X(ASN1_STRING_get0_data)                                                                       \
    X(ASN1_STRING_length)                                                                          \
    X(ASN1_TIME_to_tm)                                                                             \
    X(BIO_free_all)                                                                                \
    X(BIO_get_callback_arg)                                                                        \
    X(BIO_get_callback_ex)                                                                         \
    X(BIO_number_written)                                                                          \
    X(BIO_set_callback_arg)                                                                        \
    X(BIO_set_callback_ex)                                                                         \
    X(BIO_test_flags)                                                                              \
    X(BIO_up_ref)                                                                                  \
    X(CRYPTO_free)                                                                                 \
    X(CRYPTO_get_ex_new_index)                                                                     \
    X(CRYPTO_malloc)                                                                               \
    X(ERR_clear_error)                                                                             \
    X(ERR_peek_error)                                                                              \
    X(ERR_pop_to_mark)                                                                             \
    X(ERR_set_mark)                                                                                \
    X(EVP_Digest)                                                                                  \
    X(EVP_sha256)                                                                                  \
    X(OPENSSL_cleanse)                                                                             \
    X(OPENSSL_gmtime_diff)                                                                         \
    X(OPENSSL_sk_num)                                                                              \
    X(OPENSSL_sk_value)                                                                            \
    X(OpenSSL_version)                                                                             \
    X(OpenSSL_version_num)                                                                         \
    X(RAND_bytes)                                                                                  \
    X(SSL_CIPHER_get_id)                                                                           \
    X(SSL_CTX_ctrl)                                                                                \
    X(SSL_CTX_free)                                                                                \
    X(SSL_CTX_get_cert_store)                                                                      \
    X(SSL_CTX_get_client_cert_cb)                                                                  \
    X(SSL_CTX_get_ex_data)                                                                         \
    X(SSL_CTX_get_info_callback)                                                                   \
    X(SSL_CTX_get_options)                                                                         \
    X(SSL_CTX_get_security_callback)                                                               \
    X(SSL_CTX_new)                                                                                 \
    X(SSL_CTX_sess_get_new_cb)                                                                     \
    X(SSL_CTX_sess_set_new_cb)                                                                     \
    X(SSL_CTX_set_ex_data)                                                                         \
    X(SSL_CTX_set_info_callback)                                                                   \
    X(SSL_SESSION_dup)                                                                             \
    X(SSL_SESSION_free)                                                                            \
    X(SSL_SESSION_get0_hostname)                                                                   \
    X(SSL_SESSION_get0_peer)                                                                       \
    X(SSL_SESSION_get0_ticket)                                                                     \
    X(SSL_SESSION_get_max_fragment_length)                                                         \
    X(SSL_SESSION_get_protocol_version)                                                            \
    X(SSL_SESSION_get_ticket_lifetime_hint)                                                        \
    X(SSL_SESSION_has_ticket)                                                                      \
    X(SSL_SESSION_is_resumable)                                                                    \
    X(SSL_SESSION_set_max_early_data)                                                              \
    X(SSL_ct_is_enabled)                                                                           \
    X(SSL_ctrl)                                                                                    \
    X(SSL_dane_tlsa_add)                                                                           \
    X(SSL_free)                                                                                    \
    X(SSL_get0_param)                                                                              \
    X(SSL_get_SSL_CTX)                                                                             \
    X(SSL_get_certificate)                                                                         \
    X(SSL_get_ciphers)                                                                             \
    X(SSL_get_ex_data)                                                                             \
    X(SSL_get_fd)                                                                                  \
    X(SSL_get_finished)                                                                            \
    X(SSL_get_info_callback)                                                                       \
    X(SSL_get_options)                                                                             \
    X(SSL_get_peer_cert_chain)                                                                     \
    X(SSL_get_peer_finished)                                                                       \
    X(SSL_get_privatekey)                                                                          \
    X(SSL_get_rbio)                                                                                \
    X(SSL_get_security_callback)                                                                   \
    X(SSL_get_security_level)                                                                      \
    X(SSL_get_servername)                                                                          \
    X(SSL_get_session)                                                                             \
    X(SSL_get_shutdown)                                                                            \
    X(SSL_get_verify_callback)                                                                     \
    X(SSL_get_verify_mode)                                                                         \
    X(SSL_get_verify_result)                                                                       \
    X(SSL_get_wbio)                                                                                \
    X(SSL_in_before)                                                                               \
    X(SSL_in_init)                                                                                 \
    X(SSL_is_dtls)                                                                                 \
    X(SSL_is_init_finished)                                                                        \
    X(SSL_is_server)                                                                               \
    X(SSL_session_reused)                                                                          \
    X(SSL_set_ex_data)                                                                             \
    X(SSL_set_info_callback)                                                                       \
    X(SSL_set_msg_callback)                                                                        \
    X(SSL_set_session)                                                                             \
    X(SSL_version)                                                                                 \
    X(SSL_want)                                                                                    \
    X(TLS_method)                                                                                  \
    X(X509_CRL_get0_signature)                                                                     \
    X(X509_OBJECT_get0_X509)                                                                       \
    X(X509_OBJECT_get0_X509_CRL)                                                                   \
    X(X509_OBJECT_get_type)                                                                        \
    X(X509_STORE_free)                                                                             \
    X(X509_STORE_get0_objects)                                                                     \
    X(X509_STORE_get0_param)                                                                       \
    X(X509_STORE_get_cert_crl)                                                                     \
    X(X509_STORE_get_check_crl)                                                                    \
    X(X509_STORE_get_check_issued)                                                                 \
    X(X509_STORE_get_check_policy)                                                                 \
    X(X509_STORE_get_check_revocation)                                                             \
    X(X509_STORE_get_ex_data)                                                                      \
    X(X509_STORE_get_get_crl)                                                                      \
    X(X509_STORE_get_get_issuer)                                                                   \
    X(X509_STORE_get_lookup_certs)                                                                 \
    X(X509_STORE_get_lookup_crls)                                                                  \
    X(X509_STORE_get_verify)                                                                       \
    X(X509_STORE_get_verify_cb)                                                                    \
    X(X509_STORE_lock)                                                                             \
    X(X509_STORE_set_ex_data)                                                                      \
    X(X509_STORE_unlock)                                                                           \
    X(X509_STORE_up_ref)                                                                           \
    X(X509_VERIFY_PARAM_get0_email)                                                                \
    X(X509_VERIFY_PARAM_get0_host)                                                                 \
    X(X509_VERIFY_PARAM_get1_ip_asc)                                                               \
    X(X509_VERIFY_PARAM_get_auth_level)                                                            \
    X(X509_VERIFY_PARAM_get_depth)                                                                 \
    X(X509_VERIFY_PARAM_get_flags)                                                                 \
    X(X509_VERIFY_PARAM_get_hostflags)                                                             \
    X(X509_VERIFY_PARAM_get_inh_flags)                                                             \
    X(X509_VERIFY_PARAM_get_time)                                                                  \
    X(X509_digest)                                                                                 \
    X(X509_free)                                                                                   \
    X(X509_get0_notAfter)                                                                          \
    X(X509_get0_signature)                                                                         \
    X(X509_up_ref)                                                                                 \
    X(d2i_SSL_SESSION)                                                                             \
    X(i2d_SSL_SESSION)                                                                             \
    X(i2d_X509)
// clang-format on

typedef struct {
#define FIELD(name) __typeof__(name) *name##_;
    OPENSSL_FUNCTIONS(FIELD)
#undef FIELD
} openssl_functions;

extern openssl_functions openssl;

/* From here on their names mean these. One that is missing below is missing when the extension is
 * loaded; one that is missing above, when it is compiled. */
#define SSL_new openssl.SSL_new_
#define ASN1_STRING_get0_data openssl.ASN1_STRING_get0_data_
#define ASN1_STRING_length openssl.ASN1_STRING_length_
#define ASN1_TIME_to_tm openssl.ASN1_TIME_to_tm_
#define BIO_free_all openssl.BIO_free_all_
#define BIO_get_callback_arg openssl.BIO_get_callback_arg_
#define BIO_get_callback_ex openssl.BIO_get_callback_ex_
#define BIO_number_written openssl.BIO_number_written_
#define BIO_set_callback_arg openssl.BIO_set_callback_arg_
#define BIO_set_callback_ex openssl.BIO_set_callback_ex_
#define BIO_test_flags openssl.BIO_test_flags_
#define BIO_up_ref openssl.BIO_up_ref_
#define CRYPTO_free openssl.CRYPTO_free_
#define CRYPTO_get_ex_new_index openssl.CRYPTO_get_ex_new_index_
#define CRYPTO_malloc openssl.CRYPTO_malloc_
#define ERR_clear_error openssl.ERR_clear_error_
#define ERR_peek_error openssl.ERR_peek_error_
#define ERR_pop_to_mark openssl.ERR_pop_to_mark_
#define ERR_set_mark openssl.ERR_set_mark_
#define EVP_Digest openssl.EVP_Digest_
#define EVP_sha256 openssl.EVP_sha256_
#define OPENSSL_cleanse openssl.OPENSSL_cleanse_
#define OPENSSL_gmtime_diff openssl.OPENSSL_gmtime_diff_
#define OPENSSL_sk_num openssl.OPENSSL_sk_num_
#define OPENSSL_sk_value openssl.OPENSSL_sk_value_
#define OpenSSL_version openssl.OpenSSL_version_
#define OpenSSL_version_num openssl.OpenSSL_version_num_
#define RAND_bytes openssl.RAND_bytes_
#define SSL_CIPHER_get_id openssl.SSL_CIPHER_get_id_
#define SSL_CTX_ctrl openssl.SSL_CTX_ctrl_
#define SSL_CTX_free openssl.SSL_CTX_free_
#define SSL_CTX_get_cert_store openssl.SSL_CTX_get_cert_store_
#define SSL_CTX_get_client_cert_cb openssl.SSL_CTX_get_client_cert_cb_
#define SSL_CTX_get_ex_data openssl.SSL_CTX_get_ex_data_
#define SSL_CTX_get_info_callback openssl.SSL_CTX_get_info_callback_
#define SSL_CTX_get_options openssl.SSL_CTX_get_options_
#define SSL_CTX_get_security_callback openssl.SSL_CTX_get_security_callback_
#define SSL_CTX_new openssl.SSL_CTX_new_
#define SSL_CTX_sess_get_new_cb openssl.SSL_CTX_sess_get_new_cb_
#define SSL_CTX_sess_set_new_cb openssl.SSL_CTX_sess_set_new_cb_
#define SSL_CTX_set_ex_data openssl.SSL_CTX_set_ex_data_
#define SSL_CTX_set_info_callback openssl.SSL_CTX_set_info_callback_
#define SSL_SESSION_dup openssl.SSL_SESSION_dup_
#define SSL_SESSION_free openssl.SSL_SESSION_free_
#define SSL_SESSION_get0_hostname openssl.SSL_SESSION_get0_hostname_
#define SSL_SESSION_get0_peer openssl.SSL_SESSION_get0_peer_
#define SSL_SESSION_get0_ticket openssl.SSL_SESSION_get0_ticket_
#define SSL_SESSION_get_max_fragment_length openssl.SSL_SESSION_get_max_fragment_length_
#define SSL_SESSION_get_protocol_version openssl.SSL_SESSION_get_protocol_version_
#define SSL_SESSION_get_ticket_lifetime_hint openssl.SSL_SESSION_get_ticket_lifetime_hint_
#define SSL_SESSION_has_ticket openssl.SSL_SESSION_has_ticket_
#define SSL_SESSION_is_resumable openssl.SSL_SESSION_is_resumable_
#define SSL_SESSION_set_max_early_data openssl.SSL_SESSION_set_max_early_data_
#define SSL_ct_is_enabled openssl.SSL_ct_is_enabled_
#define SSL_ctrl openssl.SSL_ctrl_
#define SSL_dane_tlsa_add openssl.SSL_dane_tlsa_add_
#define SSL_free openssl.SSL_free_
#define SSL_get0_param openssl.SSL_get0_param_
#define SSL_get_SSL_CTX openssl.SSL_get_SSL_CTX_
#define SSL_get_certificate openssl.SSL_get_certificate_
#define SSL_get_ciphers openssl.SSL_get_ciphers_
#define SSL_get_ex_data openssl.SSL_get_ex_data_
#define SSL_get_fd openssl.SSL_get_fd_
#define SSL_get_finished openssl.SSL_get_finished_
#define SSL_get_info_callback openssl.SSL_get_info_callback_
#define SSL_get_options openssl.SSL_get_options_
#define SSL_get_peer_cert_chain openssl.SSL_get_peer_cert_chain_
#define SSL_get_peer_finished openssl.SSL_get_peer_finished_
#define SSL_get_privatekey openssl.SSL_get_privatekey_
#define SSL_get_rbio openssl.SSL_get_rbio_
#define SSL_get_security_callback openssl.SSL_get_security_callback_
#define SSL_get_security_level openssl.SSL_get_security_level_
#define SSL_get_servername openssl.SSL_get_servername_
#define SSL_get_session openssl.SSL_get_session_
#define SSL_get_shutdown openssl.SSL_get_shutdown_
#define SSL_get_verify_callback openssl.SSL_get_verify_callback_
#define SSL_get_verify_mode openssl.SSL_get_verify_mode_
#define SSL_get_verify_result openssl.SSL_get_verify_result_
#define SSL_get_wbio openssl.SSL_get_wbio_
#define SSL_in_before openssl.SSL_in_before_
#define SSL_in_init openssl.SSL_in_init_
#define SSL_is_dtls openssl.SSL_is_dtls_
#define SSL_is_init_finished openssl.SSL_is_init_finished_
#define SSL_is_server openssl.SSL_is_server_
#define SSL_session_reused openssl.SSL_session_reused_
#define SSL_set_ex_data openssl.SSL_set_ex_data_
#define SSL_set_info_callback openssl.SSL_set_info_callback_
#define SSL_set_msg_callback openssl.SSL_set_msg_callback_
#define SSL_set_session openssl.SSL_set_session_
#define SSL_version openssl.SSL_version_
#define SSL_want openssl.SSL_want_
#define TLS_method openssl.TLS_method_
#define X509_CRL_get0_signature openssl.X509_CRL_get0_signature_
#define X509_OBJECT_get0_X509 openssl.X509_OBJECT_get0_X509_
#define X509_OBJECT_get0_X509_CRL openssl.X509_OBJECT_get0_X509_CRL_
#define X509_OBJECT_get_type openssl.X509_OBJECT_get_type_
#define X509_STORE_free openssl.X509_STORE_free_
#define X509_STORE_get0_objects openssl.X509_STORE_get0_objects_
#define X509_STORE_get0_param openssl.X509_STORE_get0_param_
#define X509_STORE_get_cert_crl openssl.X509_STORE_get_cert_crl_
#define X509_STORE_get_check_crl openssl.X509_STORE_get_check_crl_
#define X509_STORE_get_check_issued openssl.X509_STORE_get_check_issued_
#define X509_STORE_get_check_policy openssl.X509_STORE_get_check_policy_
#define X509_STORE_get_check_revocation openssl.X509_STORE_get_check_revocation_
#define X509_STORE_get_ex_data openssl.X509_STORE_get_ex_data_
#define X509_STORE_get_get_crl openssl.X509_STORE_get_get_crl_
#define X509_STORE_get_get_issuer openssl.X509_STORE_get_get_issuer_
#define X509_STORE_get_lookup_certs openssl.X509_STORE_get_lookup_certs_
#define X509_STORE_get_lookup_crls openssl.X509_STORE_get_lookup_crls_
#define X509_STORE_get_verify openssl.X509_STORE_get_verify_
#define X509_STORE_get_verify_cb openssl.X509_STORE_get_verify_cb_
#define X509_STORE_lock openssl.X509_STORE_lock_
#define X509_STORE_set_ex_data openssl.X509_STORE_set_ex_data_
#define X509_STORE_unlock openssl.X509_STORE_unlock_
#define X509_STORE_up_ref openssl.X509_STORE_up_ref_
#define X509_VERIFY_PARAM_get0_email openssl.X509_VERIFY_PARAM_get0_email_
#define X509_VERIFY_PARAM_get0_host openssl.X509_VERIFY_PARAM_get0_host_
#define X509_VERIFY_PARAM_get1_ip_asc openssl.X509_VERIFY_PARAM_get1_ip_asc_
#define X509_VERIFY_PARAM_get_auth_level openssl.X509_VERIFY_PARAM_get_auth_level_
#define X509_VERIFY_PARAM_get_depth openssl.X509_VERIFY_PARAM_get_depth_
#define X509_VERIFY_PARAM_get_flags openssl.X509_VERIFY_PARAM_get_flags_
#define X509_VERIFY_PARAM_get_hostflags openssl.X509_VERIFY_PARAM_get_hostflags_
#define X509_VERIFY_PARAM_get_inh_flags openssl.X509_VERIFY_PARAM_get_inh_flags_
#define X509_VERIFY_PARAM_get_time openssl.X509_VERIFY_PARAM_get_time_
#define X509_digest openssl.X509_digest_
#define X509_free openssl.X509_free_
#define X509_get0_notAfter openssl.X509_get0_notAfter_
#define X509_get0_signature openssl.X509_get0_signature_
#define X509_up_ref openssl.X509_up_ref_
#define d2i_SSL_SESSION openssl.d2i_SSL_SESSION_
#define i2d_SSL_SESSION openssl.i2d_SSL_SESSION_
#define i2d_X509 openssl.i2d_X509_

#endif
