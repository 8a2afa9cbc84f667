// tsc_openssl.h: libtsc for programs on OpenSSL, in one header and about ten lines.
//
//     tsc_cache *cache;                              // once per program or cluster object
//     tsc_cache_new(NULL, 0, &cache);
//     tsc_ssl_attach(ctx, cache, NULL, 0);           // once per SSL_CTX, when it is set up
//
//     SSL *ssl = SSL_new(ctx);                       // per connection, as ever
//     SSL_set_fd(ssl, fd);
//     SSL_set_tlsext_host_name(ssl, host);
//     SSL_set1_host(ssl, host);
//     tsc_ssl_begin(ssl, host, port);                // last thing before the handshake
//     if (SSL_connect(ssl) == 1 && login(ssl))
//         tsc_ssl_established(ssl);
//     else
//         tsc_ssl_failed(ssl);
//     SSL_free(ssl);                                 // frees what begin made
//
// Statuses may be ignored: whatever goes wrong here costs a full handshake, never a connection.
//
// # What it does
//
// Attaching makes a tsc_config, keeps it in the SSL_CTX, and catches sessions and tickets through
// the new-session callback whenever they come; in TLS 1.3 that is after the handshake, inside the
// SSL_read calls that you make anyway. Beginning makes a tsc_attempt, keeps it in the SSL, and
// offers a session if there is one. Both live in ex_data slots of their own and are freed by
// OpenSSL with the SSL_CTX and the SSL. An SSL for which nobody called tsc_ssl_begin passes
// untouched.
//
// # Waiting for a ticket that is on its way
//
// A pool that opens many connections at once has more of them than tickets. To wait for those that
// the first connections bring, begin with (blocking, here for 200 ms at the most)
//
//     tsc_ssl_begin_wait(ssl, host, port, 200);      // in place of tsc_ssl_begin
//
// or, in an event loop,
//
//     tsc_ssl_prepare(ssl, host, port);
//     if (tsc_attempt_wait_fd(tsc_ssl_attempt(ssl), 200, &fd) == TSC_WAIT)
//         poll_until_readable(fd);                   // or tsc_attempt_wait_callback
//     tsc_ssl_offer(ssl);                            // last thing before the handshake
//
// # Client libraries that make the SSL themselves
//
// Many let their SSL_CTX be reached, but make the SSL and shake hands in one go. Then
//
//     tsc_ssl_on_start(ctx, begin, driver);          // after tsc_ssl_attach
//
// has `begin(driver, ssl)` called when a handshake starts, which is where tsc_ssl_begin belongs.
//
// # What to mind
//
// - A config is what decides whom to trust and who to be. Set that (trust roots, client
//   certificate, verification, ALPN) on the SSL_CTX, before attaching. What is set on the SSL alone
//   is not seen, with exceptions: SSL_set_verify (an SSL that verifies where its SSL_CTX does not,
//   or the other way round, shares with its own kind only), and the SNI name and the name to verify
//   (SSL_set1_host), which belong to the endpoint. The latter can be read only in OpenSSL 3; before
//   that, set the same SNI name. Verify the name on every SSL of an SSL_CTX or on none, since one
//   that verifies none is taken to be to the host that it dials. For a verify callback or a client
//   certificate that is set on an SSL, use another SSL_CTX.
// - Contexts of one identity, and all SSLs of one, agree on the session id context
//   (SSL_set_session_id_context), if they have one: OpenSSL fails a handshake that resumes a
//   session of another.
// - Set TCP_NODELAY. The client speaks last in a resumed TLS 1.2 handshake; with Nagle's algorithm
//   the first request then waits for the server's delayed acknowledgement, some 40 ms.
// - After SSL_clear, begin again before the SSL is used. Call SSL_dup before tsc_ssl_begin: a
//   duplicate made later would offer the same ticket a second time.
// - TLS over TCP only. On DTLS and QUIC tsc_ssl_begin answers TSC_UNSUPPORTED.
//
// # Conventions
//
// Those of tsc.h hold. Also: a call is given an SSL or SSL_CTX under OpenSSL's own rules, so one
// SSL is used by one thread at a time, and an SSL_CTX is attached before it is shared; one SSL_CTX
// may then serve any number of threads. The cache, the SSL_CTX and the SSLs may be freed in any
// order. OpenSSL's error queue is left as it was found.
//
// An SSL_CTX is attached and used from the same program or shared object: any number of its source
// files may include this header, while another shared object that includes it sees an SSL_CTX that
// is not attached (and may attach it to a cache of its own). As OpenSSL keeps pointers to the
// functions here, a shared object that calls them must not be unloaded.
//
// Works with OpenSSL 1.1.1 to 4.0, and with BoringSSL and AWS-LC, where one thing is less exact:
// see tsc_ssl_begin. C11 and C++17.

#ifndef TSC_OPENSSL_H
#define TSC_OPENSSL_H

#include <stdint.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tsc.h"

// BoringSSL and AWS-LC share one ancestor and one way of handling sessions.
#if defined(OPENSSL_IS_BORINGSSL) || defined(OPENSSL_IS_AWSLC)
#define TSC_SSL_BORING_ 1
#elif defined(LIBRESSL_VERSION_NUMBER) || OPENSSL_VERSION_NUMBER < 0x10101000L
#error "tsc_openssl.h needs OpenSSL 1.1.1 or newer, BoringSSL or AWS-LC"
#endif

#if defined(_MSC_VER)
#include <intrin.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

// tsc_ssl_attach: keep sessions as bytes (i2d_SSL_SESSION) in place of SSL_SESSION objects. They
// then take about a tenth of the memory, in pages that are kept out of core dumps and wiped on
// release; but each has to be parsed again when it is offered, which can cost more than a resumed
// handshake (140 microseconds with OpenSSL 3.0; `make bench-openssl` measures time and memory).
#define TSC_SSL_SERIALISE 1u

// ---- What lives in ex_data. Everything whose name ends in an underscore is private. -------------

// In an SSL_CTX.
typedef struct {
    tsc_config *config;    // for SSLs that verify if and only if the SSL_CTX did, when attached
    tsc_config *otherwise; // for the others
    int verify;            // whether the SSL_CTX did
    uint32_t flags;
    int (*chained)(SSL *, SSL_SESSION *); // the application's new-session callback, or NULL
    // What tsc_ssl_on_start was given, and whether tsc_ssl_info is installed.
    void (*begin)(void *, SSL *);
    void *begin_arg;
    int informed;
    void (*chained_info)(const SSL *, int, int); // the application's info callback, or NULL
} tsc_ssl_context_;

// In an SSL.
typedef struct {
    tsc_attempt *attempt;
    const tsc_config *config; // to tell whether the SSL is still what it was; not to be used
    SSL_SESSION *offered;     // a reference, until the verdict; NULL if nothing was offered
    BIO *transport;           // a reference to what ssl wrote to when it was offered; or NULL
    uint64_t written;         // how much of it by then
    long handshakes;          // that clients of the SSL_CTX had begun by then
    uint32_t flags;
    int counted; // whether the peer's certificates have been, which its sessions share
    // Where tsc_ssl_on_start is used: whether its handshake has started, was begun by that, is
    // done, and whether it is the server that has to go on.
    int started, watched, done, silent;
} tsc_ssl_attempt_;

// The ex_data indexes plus one, or 0. One copy per program or shared object, however many of its
// source files include this header: an SSL attached in one and begun in another finds its own.
#if defined(_WIN32)
__declspec(selectany) long tsc_ssl_context_index_ = 0;
__declspec(selectany) long tsc_ssl_attempt_index_ = 0;
#else
__attribute__((weak, visibility("hidden"))) long tsc_ssl_context_index_ = 0;
__attribute__((weak, visibility("hidden"))) long tsc_ssl_attempt_index_ = 0;
#endif

// Sets an index that is still 0. Gives the index that stands, so that (slot, 0) reads it.
static inline long tsc_ssl_index_(long *slot, long value) {
#if defined(_MSC_VER)
    long before = _InterlockedCompareExchange(slot, value, 0);
#else
    long before = 0;
    __atomic_compare_exchange_n(slot, &before, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
#endif
    return before ? before : value;
}

static inline tsc_ssl_context_ *tsc_ssl_context_of_(const SSL_CTX *ctx) {
    long index = tsc_ssl_index_(&tsc_ssl_context_index_, 0);
    return index && ctx ? (tsc_ssl_context_ *)SSL_CTX_get_ex_data(ctx, (int)index - 1) : NULL;
}

static inline tsc_ssl_attempt_ *tsc_ssl_attempt_of_(const SSL *ssl) {
    long index = tsc_ssl_index_(&tsc_ssl_attempt_index_, 0);
    return index && ssl ? (tsc_ssl_attempt_ *)SSL_get_ex_data(ssl, (int)index - 1) : NULL;
}

// The config that an SSL belongs to as it stands, or NULL.
static inline const tsc_config *tsc_ssl_config_of_(const SSL *ssl) {
    const tsc_ssl_context_ *context = tsc_ssl_context_of_(SSL_get_SSL_CTX(ssl));
    int verify = (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0;
    if (!context)
        return NULL;
    return verify == context->verify ? context->config : context->otherwise;
}

// Whether the handshake has not begun. Also called while the SSL is being freed, when OpenSSL has
// already released its BIOs: it may look at nothing but the state.
static inline int tsc_ssl_unbegun_(const SSL *ssl) {
#ifdef TSC_SSL_BORING_
    // No SSL_in_before there. The random is zero until the first ClientHello is built.
    unsigned char random[32], zero[32];
    memset(random, 0, sizeof random);
    memset(zero, 0, sizeof zero);
    SSL_get_client_random(ssl, random, sizeof random);
    return memcmp(random, zero, sizeof random) == 0;
#else
    return SSL_in_before(ssl);
#endif
}

// Whether nothing can have been sent since the offer: neither SSL_clear nor another transport make
// it forget. What has no transport at its offer is known by less: nobody has begun a handshake.
static inline int tsc_ssl_untouched_(const SSL *ssl, const tsc_ssl_attempt_ *attempt) {
    if (attempt->transport)
        return BIO_number_written(attempt->transport) == attempt->written;
    return !attempt->offered || SSL_CTX_sess_connect(SSL_get_SSL_CTX(ssl)) == attempt->handshakes;
}

// Whether the ClientHello of an attempt cannot have left. Knows of a BIO that failed to connect:
// what counts is whether a transport took a byte, that of the offer or the one that is there now.
static inline int tsc_ssl_unsent_(const SSL *ssl, const tsc_ssl_attempt_ *attempt) {
    BIO *transport = SSL_get_wbio(ssl);
    if (!tsc_ssl_untouched_(ssl, attempt))
        return 0;
    if (!transport)
        return tsc_ssl_unbegun_(ssl);
    return transport == attempt->transport || BIO_number_written(transport) == 0;
}

// There is a verdict on what was offered.
static inline void tsc_ssl_offer_end_(tsc_ssl_attempt_ *attempt) {
    SSL_SESSION_free(attempt->offered);
    BIO_free(attempt->transport);
    attempt->offered = NULL;
    attempt->transport = NULL;
}

static inline void tsc_ssl_attempt_free_(tsc_ssl_attempt_ *attempt, int unsent) {
    if (!unsent)
        tsc_attempt_sent(attempt->attempt);
    // The library has lost patience. The server may hang because of the session.
    if (attempt->silent)
        tsc_attempt_failed(attempt->attempt, TSC_FAILURE_TIMEOUT);
    tsc_attempt_free(attempt->attempt);
    tsc_ssl_offer_end_(attempt);
    OPENSSL_free(attempt);
}

static inline void tsc_ssl_on_ssl_free_(void *ssl, void *attempt, CRYPTO_EX_DATA *data, int index,
                                        long argl, void *argp) {
    (void)data, (void)index, (void)argl, (void)argp;
    // Newer BoringSSLs pass no SSL. Then the ticket counts as sent: better lost than sent twice.
    if (attempt)
        tsc_ssl_attempt_free_(
            (tsc_ssl_attempt_ *)attempt,
            ssl && tsc_ssl_unbegun_((const SSL *)ssl) &&
                tsc_ssl_untouched_((const SSL *)ssl, (const tsc_ssl_attempt_ *)attempt));
}

static inline void tsc_ssl_on_ctx_free_(void *ctx, void *context, CRYPTO_EX_DATA *data, int index,
                                        long argl, void *argp) {
    (void)ctx, (void)data, (void)index, (void)argl, (void)argp;
    if (context) {
        tsc_config_free(((tsc_ssl_context_ *)context)->config);
        tsc_config_free(((tsc_ssl_context_ *)context)->otherwise);
        OPENSSL_free(context);
    }
}

#ifndef TSC_SSL_BORING_
// SSL_dup copies ex_data pointers: the duplicate has not been begun.
#if OPENSSL_VERSION_NUMBER < 0x30000000L
static inline int tsc_ssl_on_ssl_dup_(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void *pointer,
                                      int index, long argl, void *argp) {
#else
static inline int tsc_ssl_on_ssl_dup_(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from,
                                      void **pointer, int index, long argl, void *argp) {
#endif
    (void)to, (void)from, (void)index, (void)argl, (void)argp;
    *(void **)pointer = NULL;
    return 1;
}
#else
#define tsc_ssl_on_ssl_dup_ NULL // there is no SSL_dup
#endif

// Makes the indexes where they are missing. Two threads may do so at once: the second index then
// stays unused, which costs nothing.
static inline int tsc_ssl_indexes_make_(void) {
    int made;
    if (!tsc_ssl_index_(&tsc_ssl_context_index_, 0)) {
        made = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, tsc_ssl_on_ctx_free_);
        if (made < 0)
            return 0;
        tsc_ssl_index_(&tsc_ssl_context_index_, made + 1L);
    }
    if (!tsc_ssl_index_(&tsc_ssl_attempt_index_, 0)) {
        made = SSL_get_ex_new_index(0, NULL, NULL, tsc_ssl_on_ssl_dup_, tsc_ssl_on_ssl_free_);
        if (made < 0)
            return 0;
        tsc_ssl_index_(&tsc_ssl_attempt_index_, made + 1L);
    }
    return 1;
}

// ---- Sessions -----------------------------------------------------------------------------------

static inline void tsc_ssl_release_(void *session) {
    SSL_SESSION_free((SSL_SESSION *)session);
}

// A session that nobody else holds: OpenSSL marks the one that a connection uses as not resumable
// when that connection ends uncleanly. BoringSSL and AWS-LC never change a session that they gave
// out, and there a reference will do.
static inline SSL_SESSION *tsc_ssl_own_(SSL_SESSION *session) {
#ifdef TSC_SSL_BORING_
    SSL_SESSION_up_ref(session);
    return session;
#else
    return SSL_SESSION_dup(session);
#endif
}

// When a certificate ends, in Unix seconds; 0 if there is none.
static inline int64_t tsc_ssl_not_after_(const X509 *certificate) {
    int days = 0, seconds = 0;
    int64_t end = 0;
    ASN1_TIME *epoch = certificate ? ASN1_TIME_set(NULL, 0) : NULL;
    if (epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate))) {
        end = (int64_t)days * 86400 + seconds;
        end = end > 0 ? end : 1; // 0 would say "not known", and this one ended before 1970
    }
    ASN1_TIME_free(epoch);
    return end;
}

static inline tsc_session_info tsc_ssl_session_info_(SSL_SESSION *session) {
    tsc_session_info info;
    memset(&info, 0, sizeof info);
    info.tls_version = (uint32_t)SSL_SESSION_get_protocol_version(session);
    info.lifetime_seconds = (uint32_t)SSL_SESSION_get_ticket_lifetime_hint(session);
#ifdef TSC_SSL_BORING_
    // There the hint is TLS 1.2's alone. In TLS 1.3 the timeout is what the server said, if it is
    // within the library's own limit.
    if (info.tls_version >= TLS1_3_VERSION)
        info.lifetime_seconds = (uint32_t)SSL_SESSION_get_timeout(session);
#endif
    info.not_after = tsc_ssl_not_after_(SSL_SESSION_get0_peer(session));
    return info;
}

// Gives a session that came over the wire to the attempt. The caller's reference stays the
// caller's.
static inline void tsc_ssl_receive_(SSL *ssl, tsc_ssl_attempt_ *attempt, SSL_SESSION *session) {
    tsc_session_info info = tsc_ssl_session_info_(session);
    // Neither id nor ticket: nothing to resume by. In TLS 1.3 an id is made up or echoed, and only
    // a ticket counts. And nothing is kept of an SSL that has changed its SSL_CTX or its
    // verification since it was begun: it no longer belongs to the config that would vouch for the
    // session.
    if (!SSL_SESSION_is_resumable(session) ||
        (info.tls_version >= TLS1_3_VERSION && !SSL_SESSION_has_ticket(session)) ||
        tsc_ssl_config_of_(ssl) != attempt->config)
        return;
    int length = i2d_SSL_SESSION(session, NULL);
    if (length <= 0)
        return;
    if (attempt->flags & TSC_SSL_SERIALISE) {
        unsigned char *bytes = (unsigned char *)OPENSSL_malloc((size_t)length), *end = bytes;
        if (bytes && i2d_SSL_SESSION(session, &end) == length)
            tsc_attempt_receive(attempt->attempt, &info, sizeof info, bytes, (size_t)length);
        if (bytes)
            OPENSSL_cleanse(bytes, (size_t)length);
        OPENSSL_free(bytes);
    } else {
        SSL_SESSION *own = tsc_ssl_own_(session);
        // What an object takes beyond its serialised form: 1 KiB by itself, and 5 KiB for each
        // certificate of the peer's chain, once for all sessions of a connection. An estimate;
        // `make bench-openssl` holds it against what a process grows by.
        size_t bytes = (size_t)length + 1024;
        int certificates = sk_X509_num(SSL_get_peer_cert_chain(ssl)); // -1: no chain
        if (!attempt->counted && certificates > 0)
            bytes += (size_t)certificates * 5120;
        if (own && tsc_attempt_receive_object(attempt->attempt, &info, sizeof info, own, bytes,
                                              tsc_ssl_release_) == TSC_OK)
            attempt->counted = 1;
        else
            SSL_SESSION_free(own);
    }
}

// The session that the attempt offers, for the caller to free, or NULL.
static inline SSL_SESSION *tsc_ssl_offer_(const tsc_attempt *attempt) {
    tsc_session session;
    memset(&session, 0, sizeof session);
    if (tsc_attempt_offer(attempt, &session, sizeof session) != TSC_OK)
        return NULL;
    if (session.object)
        return tsc_ssl_own_((SSL_SESSION *)session.object);
    return d2i_SSL_SESSION(NULL, &session.data, (long)session.len);
}

// ---- The calls ----------------------------------------------------------------------------------

// The new-session callback that tsc_ssl_attach installs.
//
// It runs the callback that it found there, which owns the reference if it answers 1, as always. To
// install a callback after attaching, call this one from yours, ignore what it answers, and answer
// for yourself.
static inline int tsc_ssl_new_session(SSL *ssl, SSL_SESSION *session) {
    const tsc_ssl_context_ *context = tsc_ssl_context_of_(SSL_get_SSL_CTX(ssl));
    tsc_ssl_attempt_ *attempt = tsc_ssl_attempt_of_(ssl);
    if (attempt) {
        ERR_set_mark();
        tsc_ssl_receive_(ssl, attempt, session);
        ERR_pop_to_mark();
    }
    return context && context->chained ? context->chained(ssl, session) : 0;
}

// Attaches an SSL_CTX to a cache.
//
// Do it once, when the SSL_CTX is set up: trust roots, client certificate, verification, ALPN, and
// a new-session callback if the application has one, which goes on being called for every session.
// Turns on client caching (SSL_SESS_CACHE_CLIENT) next to the modes that are set, and OpenSSL's
// internal store off (SSL_SESS_CACHE_NO_INTERNAL): use another SSL_CTX for a server that needs it.
//
// ctx: freed by its owner as ever; what this call made goes with it.
// cache: may be freed before or after ctx.
// options: as for tsc_config_new; NULL for the defaults, under which this SSL_CTX shares sessions
// with no other. client_not_after left 0 is read from the client certificate of ctx.
// flags: 0 or TSC_SSL_SERIALISE.
// TSC_INVALID_ARGUMENT: ctx or cache is NULL. TSC_WRONG_STATE: already attached; nothing was
// changed. TSC_UNSUPPORTED: an unknown flag. TSC_NO_MEMORY. Also what tsc_config_new answers.
static inline tsc_status tsc_ssl_attach(SSL_CTX *ctx, const tsc_cache *cache,
                                        const tsc_config_options *options, uint32_t flags) {
    tsc_config_options as_context, otherwise;
    tsc_ssl_context_ *context;
    tsc_status status;
    if (!ctx || !cache)
        return TSC_INVALID_ARGUMENT;
    if (flags & ~TSC_SSL_SERIALISE)
        return TSC_UNSUPPORTED;
    if (tsc_ssl_context_of_(ctx))
        return TSC_WRONG_STATE;

    memset(&as_context, 0, sizeof as_context);
    if (options)
        as_context = *options;
    ERR_set_mark();
    if (as_context.client_not_after == 0)
        as_context.client_not_after = tsc_ssl_not_after_(SSL_CTX_get0_certificate(ctx));
    // The identity speaks for the SSL_CTX as it is, not for SSLs that verify otherwise.
    otherwise = as_context;
    otherwise.identity = NULL;
    otherwise.identity_len = 0;

    status = TSC_NO_MEMORY;
    context = (tsc_ssl_context_ *)OPENSSL_malloc(sizeof *context);
    if (context) {
        memset(context, 0, sizeof *context);
        context->verify = (SSL_CTX_get_verify_mode(ctx) & SSL_VERIFY_PEER) != 0;
        context->flags = flags;
        context->chained = SSL_CTX_sess_get_new_cb(ctx);
        status = tsc_config_new(cache, &as_context, sizeof as_context, &context->config);
        if (status == TSC_OK)
            status = tsc_config_new(cache, &otherwise, sizeof otherwise, &context->otherwise);
        if (status == TSC_OK &&
            !(tsc_ssl_indexes_make_() &&
              SSL_CTX_set_ex_data(ctx, (int)tsc_ssl_index_(&tsc_ssl_context_index_, 0) - 1,
                                  context)))
            status = TSC_NO_MEMORY;
        if (status != TSC_OK)
            tsc_ssl_on_ctx_free_(NULL, context, NULL, 0, 0, NULL);
    }
    if (status == TSC_OK) {
        SSL_CTX_sess_set_new_cb(ctx, tsc_ssl_new_session);
        SSL_CTX_set_session_cache_mode(ctx, (int)SSL_CTX_get_session_cache_mode(ctx) |
                                                SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    }
    ERR_pop_to_mark();
    return status;
}

// The attempt of an SSL, for tsc_attempt_info_get, tsc_attempt_wait_fd and the like; lent until
// SSL_free or the next begin, not to be freed. NULL: ssl is NULL or was not begun.
static inline const tsc_attempt *tsc_ssl_attempt(const SSL *ssl) {
    const tsc_ssl_attempt_ *attempt = tsc_ssl_attempt_of_(ssl);
    return attempt ? attempt->attempt : NULL;
}

// Begins a connection attempt on an SSL, and offers nothing yet: tsc_ssl_offer does. In between,
// the attempt (tsc_ssl_attempt) may wait for a session. Everything else is as with
// tsc_ssl_begin_endpoint, which is both in one.
static inline tsc_status tsc_ssl_prepare_endpoint(SSL *ssl, const tsc_endpoint *endpoint) {
    const tsc_ssl_context_ *context;
    tsc_ssl_attempt_ *attempt, *before;
    tsc_status status;
    int index;
    if (!ssl || !endpoint)
        return TSC_INVALID_ARGUMENT;
    if (SSL_is_dtls(ssl) || SSL_version(ssl) == 1 /* OSSL_QUIC1_VERSION */)
        return TSC_UNSUPPORTED;
    context = tsc_ssl_context_of_(SSL_get_SSL_CTX(ssl));
    if (!context || !tsc_ssl_unbegun_(ssl))
        return TSC_WRONG_STATE;

    attempt = (tsc_ssl_attempt_ *)OPENSSL_malloc(sizeof *attempt);
    if (!attempt)
        return TSC_NO_MEMORY;
    memset(attempt, 0, sizeof *attempt);
    attempt->config = tsc_ssl_config_of_(ssl);
    attempt->flags = context->flags;
    status = tsc_attempt_new(attempt->config, endpoint, sizeof *endpoint, &attempt->attempt);
    if (status != TSC_OK) {
        OPENSSL_free(attempt);
        return status;
    }

    ERR_set_mark();
    index = (int)tsc_ssl_index_(&tsc_ssl_attempt_index_, 0) - 1;
    before = tsc_ssl_attempt_of_(ssl);
    if (SSL_set_ex_data(ssl, index, attempt)) {
        if (before) {
            // What it offered is still set on ssl, and is not this attempt's to offer.
            int unsent = tsc_ssl_unsent_(ssl, before);
            SSL_set_session(ssl, NULL);
            tsc_ssl_attempt_free_(before, unsent);
        }
    } else {
        tsc_ssl_attempt_free_(attempt, 1);
        status = TSC_NO_MEMORY;
    }
    ERR_pop_to_mark();
    return status;
}

// Offers a session on an SSL that was prepared, if there is one. Call it last before the handshake.
//
// TSC_OK: whether there was something to offer or not. TSC_WRONG_STATE: ssl was not prepared, its
// handshake has begun, or its SSL_CTX or verification was changed since; ssl may be used, and does
// a full handshake. TSC_INVALID_ARGUMENT: ssl is NULL.
static inline tsc_status tsc_ssl_offer(SSL *ssl) {
    tsc_ssl_attempt_ *attempt = tsc_ssl_attempt_of_(ssl);
    if (!ssl)
        return TSC_INVALID_ARGUMENT;
    if (!attempt || attempt->offered || !tsc_ssl_unbegun_(ssl) ||
        tsc_ssl_config_of_(ssl) != attempt->config)
        return TSC_WRONG_STATE;
    ERR_set_mark();
    attempt->offered = tsc_ssl_offer_(attempt->attempt);
    if (attempt->offered) {
        attempt->handshakes = SSL_CTX_sess_connect(SSL_get_SSL_CTX(ssl));
        attempt->transport = SSL_get_wbio(ssl);
        if (attempt->transport) {
            BIO_up_ref(attempt->transport);
            attempt->written = BIO_number_written(attempt->transport);
        }
        if (!SSL_set_session(ssl, attempt->offered))
            tsc_ssl_offer_end_(attempt);
    }
    ERR_pop_to_mark();
    return TSC_OK;
}

// Begins a connection attempt on an SSL, and offers a session if there is one.
//
// Call it last before the handshake: after the TCP connection stands (a ticket that is taken is
// taken from others) and after everything else is set on ssl. Replaces a session that was set with
// SSL_set_session if it has one to offer. On an SSL that was used, failed, and cleared (SSL_clear),
// or that was never used, it begins anew.
//
// Follow with tsc_ssl_established or tsc_ssl_failed. If neither is called before SSL_free, nothing
// that was received is kept, the statistics count the attempt as unfinished, and a ticket goes back
// only if no handshake was begun (BoringSSL: never).
//
// endpoint: who it is for; copied.
// TSC_OK: begun, whether there was something to offer or not. On any other status ssl is as it was
// and may be used, without the cache. TSC_INVALID_ARGUMENT: also an endpoint without host, or a
// port over 65535. TSC_WRONG_STATE: the SSL_CTX of ssl is not attached, or the handshake has begun.
// TSC_UNSUPPORTED: DTLS or QUIC. TSC_TOO_LARGE: a name is over TSC_MAX_NAME. TSC_NO_MEMORY.
static inline tsc_status tsc_ssl_begin_endpoint(SSL *ssl, const tsc_endpoint *endpoint) {
    tsc_status status = tsc_ssl_prepare_endpoint(ssl, endpoint);
    return status == TSC_OK ? tsc_ssl_offer(ssl) : status;
}

// tsc_ssl_prepare_endpoint to host and port: see tsc_ssl_begin.
static inline tsc_status tsc_ssl_prepare(SSL *ssl, const char *host, uint32_t port) {
    tsc_endpoint endpoint;
    const char *name, *verified = NULL;
    char both[2 * TSC_MAX_NAME + 2];
    if (!ssl || !host)
        return TSC_INVALID_ARGUMENT;
    memset(&endpoint, 0, sizeof endpoint);
    name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
#if !defined(TSC_SSL_BORING_) && OPENSSL_VERSION_NUMBER >= 0x30000000L
    verified = X509_VERIFY_PARAM_get0_host(SSL_get0_param(ssl), 0);
#endif
    if (!name)
        name = verified;
    else if (verified && strcmp(name, verified) != 0) {
        // Another name than that which is asked for: neither may be mistaken for it.
        BIO_snprintf(both, sizeof both, "%s/%s", name, verified);
        name = both;
    }
    endpoint.host = (const uint8_t *)host;
    endpoint.host_len = strlen(host);
    endpoint.server_name = (const uint8_t *)name;
    endpoint.server_name_len = name ? strlen(name) : 0;
    endpoint.port = port;
    return tsc_ssl_prepare_endpoint(ssl, &endpoint);
}

// Begins a connection attempt to host and port: see tsc_ssl_begin_endpoint.
//
// host: the host that is dialled, a name or an address, NUL-terminated; copied.
// port: 1 to 65535; 0 where there is none.
// The server name of the endpoint is the SNI name that is set on ssl (SSL_set_tlsext_host_name), or
// else the name to verify (SSL_set1_host; OpenSSL 3), or else host. Where the first two differ it
// is both.
static inline tsc_status tsc_ssl_begin(SSL *ssl, const char *host, uint32_t port) {
    tsc_status status = tsc_ssl_prepare(ssl, host, port);
    return status == TSC_OK ? tsc_ssl_offer(ssl) : status;
}

// tsc_ssl_begin for a thread that may be blocked: waits for a session if one is on its way and
// expected within max_wait_ms milliseconds (see tsc_attempt_wait).
static inline tsc_status tsc_ssl_begin_wait(SSL *ssl, const char *host, uint32_t port,
                                            uint32_t max_wait_ms) {
    tsc_status status = tsc_ssl_prepare(ssl, host, port);
    if (status != TSC_OK)
        return status;
    // Should it not come to a wait, the offer is made all the same.
    (void)tsc_attempt_wait(tsc_ssl_attempt(ssl), max_wait_ms);
    return tsc_ssl_offer(ssl);
}

// Says that the connection is established: TLS verified and the application's own login done. What
// it received is published, and what it still receives goes straight into the cache.
//
// An application without a login of its own calls it right after SSL_connect. Whether the handshake
// was a resumed one is read from ssl.
// TSC_WRONG_STATE: ssl was not begun, its handshake is not finished, or it was established or
// failed before. TSC_INVALID_ARGUMENT: ssl is NULL.
static inline tsc_status tsc_ssl_established(SSL *ssl) {
    tsc_ssl_attempt_ *attempt = tsc_ssl_attempt_of_(ssl);
    tsc_status status;
    int resumed;
    if (!ssl)
        return TSC_INVALID_ARGUMENT;
    if (!attempt || !SSL_is_init_finished(ssl))
        return TSC_WRONG_STATE;
    // An application may have resumed a session of its own, of which the attempt knows nothing.
    resumed = attempt->offered && SSL_session_reused(ssl);
    ERR_set_mark();
#ifndef TSC_SSL_BORING_
    // OpenSSL calls nobody when a server renews a TLS 1.2 ticket within a resumed handshake.
    if (resumed && SSL_version(ssl) < TLS1_3_VERSION && SSL_get_session(ssl) != attempt->offered)
        tsc_ssl_receive_(ssl, attempt, SSL_get_session(ssl));
#endif
    status = tsc_attempt_established(attempt->attempt, resumed);
    tsc_ssl_offer_end_(attempt);
    ERR_pop_to_mark();
    return status;
}

// Says that the attempt failed, whatever the reason: what it received is discarded, then and later.
//
// Call it before SSL_free, SSL_clear and SSL_shutdown. The reason is read from ssl: nothing was
// handed to the transport (TSC_FAILURE_NOT_SENT: a ticket goes back); TLS itself failed, before or
// after the end of the handshake, as with the alert by which a TLS 1.3 server rejects a client
// certificate (TSC_FAILURE_HANDSHAKE: a session that was offered is dropped with its lineage); or
// TLS stands, so that it was the login (TSC_FAILURE_LOGIN). Who knows better calls
// tsc_attempt_failed with tsc_ssl_attempt. TSC_WRONG_STATE: ssl was not begun, or it was
// established or failed before. TSC_INVALID_ARGUMENT: ssl is NULL.
static inline tsc_status tsc_ssl_failed(SSL *ssl) {
    tsc_ssl_attempt_ *attempt = tsc_ssl_attempt_of_(ssl);
    if (!ssl)
        return TSC_INVALID_ARGUMENT;
    if (!attempt)
        return TSC_WRONG_STATE;
    if (!tsc_ssl_unsent_(ssl, attempt))
        return tsc_attempt_failed(attempt->attempt, SSL_is_init_finished(ssl)
                                                        ? TSC_FAILURE_LOGIN
                                                        : TSC_FAILURE_HANDSHAKE);
    // The ticket becomes another's to offer. Should ssl be used all the same, it is not to send it.
    // (Within a handshake BoringSSL does not stand for this call.)
    if (attempt->offered && tsc_ssl_unbegun_(ssl))
        SSL_set_session(ssl, NULL);
    return tsc_attempt_failed(attempt->attempt, TSC_FAILURE_NOT_SENT);
}

// Whether a call that did not end the handshake is to be repeated: the transport has it wait, or a
// callback does. If not, the handshake has failed.
static inline int tsc_ssl_goes_on_(const SSL *ssl) {
    switch (SSL_want(ssl)) {
    case SSL_NOTHING:
        return 0;
    case SSL_READING:
        return SSL_get_rbio(ssl) && BIO_should_retry(SSL_get_rbio(ssl));
    case SSL_WRITING:
        return SSL_get_wbio(ssl) && BIO_should_retry(SSL_get_wbio(ssl));
    default:
        return 1;
    }
}

// The info callback that tsc_ssl_on_start installs.
//
// It goes on to the callback that it found there. To install one afterwards, or one on an SSL,
// which OpenSSL then calls in place of that of the SSL_CTX, call this one from yours.
static inline void tsc_ssl_info(const SSL *info_of, int where, int ret) {
    SSL *ssl = (SSL *)info_of; // OpenSSL has it const in this one place
    const tsc_ssl_context_ *context = tsc_ssl_context_of_(SSL_get_SSL_CTX(ssl));
    if (!context)
        return;
    if (context->begin && !SSL_is_server(ssl)) {
        tsc_ssl_attempt_ *attempt = tsc_ssl_attempt_of_(ssl);
        // Not by a mark: before OpenSSL 3 they do not nest, and the calls in here set their own.
        int clean = ERR_peek_error() == 0;
        if ((where & SSL_CB_HANDSHAKE_START) && tsc_ssl_unbegun_(ssl)) {
            if (!attempt || attempt->started) {
                tsc_ssl_attempt_ *before = attempt;
                context->begin(context->begin_arg, ssl);
                attempt = tsc_ssl_attempt_of_(ssl);
                if (attempt && attempt != before)
                    attempt->watched = 1;
            }
            if (attempt)
                attempt->started = 1;
        } else if (attempt && attempt->watched && (where & SSL_CB_HANDSHAKE_DONE)) {
            attempt->done = 1;
            attempt->silent = 0;
        } else if (attempt && attempt->watched && where == SSL_CB_CONNECT_EXIT && ret <= 0) {
            // The library frees the SSL before its user hears of this.
            if (!tsc_ssl_goes_on_(ssl)) {
                attempt->silent = 0;
                tsc_ssl_failed(ssl);
            } else if (!attempt->done) {
                attempt->silent = !tsc_ssl_unsent_(ssl, attempt);
            }
        }
        if (clean)
            ERR_clear_error();
    }
    if (context->chained_info)
        context->chained_info(ssl, where, ret);
}

// For an SSL_CTX whose SSLs a client library makes and does not show: has `begin` called whenever a
// handshake as a client starts, before its first message is made.
//
// Call it after tsc_ssl_attach, before the SSL_CTX is shared; again to change or, with NULL, to end
// it. A handshake that fails is then noticed without tsc_ssl_failed, and so is one that is given up
// (SSL_free) while the server is silent: it counts as TSC_FAILURE_TIMEOUT. What only the driver
// knows remains to be said: tsc_ssl_established after the login, tsc_ssl_failed if that failed,
// both while the library holds the SSL (as in the callback by which it tells of the login).
//
// begin: is to call tsc_ssl_begin (or tsc_ssl_begin_wait), may set the name to verify, may note ssl
// for later, and may leave it alone: then the handshake is untouched. Called on the thread that
// shakes hands; not for an SSL that was begun by hand, nor for renegotiations.
// arg: passed on; has to outlive the SSL_CTX and its SSLs.
// TSC_INVALID_ARGUMENT: ctx is NULL. TSC_WRONG_STATE: ctx is not attached.
static inline tsc_status tsc_ssl_on_start(SSL_CTX *ctx, void (*begin)(void *arg, SSL *ssl),
                                          void *arg) {
    tsc_ssl_context_ *context = tsc_ssl_context_of_(ctx);
    if (!ctx)
        return TSC_INVALID_ARGUMENT;
    if (!context)
        return TSC_WRONG_STATE;
    context->begin = begin;
    context->begin_arg = arg;
    if (!context->informed) {
        void (*found)(const SSL *, int, int) = SSL_CTX_get_info_callback(ctx);
        context->informed = 1;
        context->chained_info = found == tsc_ssl_info ? NULL : found;
        SSL_CTX_set_info_callback(ctx, tsc_ssl_info);
    }
    return TSC_OK;
}

// The config of an SSL_CTX, for tsc_config_available; lent until SSL_CTX_free, not to be freed.
// NULL: ctx is NULL or not attached.
static inline const tsc_config *tsc_ssl_config(const SSL_CTX *ctx) {
    const tsc_ssl_context_ *context = tsc_ssl_context_of_(ctx);
    return context ? context->config : NULL;
}

#ifdef __cplusplus
} // extern "C"
#endif

#endif /* TSC_OPENSSL_H */
