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

#if defined(_MSC_VER)
#include <intrin.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

// ---- Set up an SSL_CTX --------------------------------------------------------------------------

// Flag of tsc_ssl_attach: keep sessions as bytes (i2d_SSL_SESSION) instead of SSL_SESSION objects.
//
// Bytes take about a tenth of the memory, in pages that are kept out of core dumps and wiped on
// release. But each session has to be parsed again when it is offered, which can cost more than a
// resumed handshake (140 microseconds with OpenSSL 3.0; `make bench-openssl` measures both).
#define TSC_SSL_SERIALISE 1u

// Attaches an SSL_CTX to a cache.
//
// Call it once, when the SSL_CTX is set up: after trust roots, client certificate, verification and
// ALPN, and after the application's new-session callback if it has one, which is still called for
// every session. Attaching adds SSL_SESS_CACHE_CLIENT to the cache modes that are set and turns
// OpenSSL's internal store off (SSL_SESS_CACHE_NO_INTERNAL). A server that needs that store needs
// another SSL_CTX.
//
// ctx: stays the caller's; what this call makes is freed with it.
// cache: may be freed before or after ctx.
// options: as for tsc_config_new; copied. NULL for the defaults, with which this SSL_CTX shares
// sessions with no other. A client_not_after of 0 is read from the client certificate of ctx.
// flags: 0 or TSC_SSL_SERIALISE.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ctx or cache is NULL; TSC_WRONG_STATE if ctx is attached
// already, which changes nothing; TSC_UNSUPPORTED for an unknown flag; TSC_NO_MEMORY; or what
// tsc_config_new returns.
static inline tsc_status tsc_ssl_attach(SSL_CTX *ctx, const tsc_cache *cache,
                                        const tsc_config_options *options, uint32_t flags);

// Gives the config of an SSL_CTX, for tsc_config_available and the like.
//
// Returns the config, lent until SSL_CTX_free and not to be freed; NULL if ctx is NULL or not
// attached.
static inline const tsc_config *tsc_ssl_config(const SSL_CTX *ctx);

// ---- Begin a connection attempt -----------------------------------------------------------------

// Begins a connection attempt to host and port on an SSL, and offers a session if there is one.
//
// Call it last before the handshake: after the TCP connection is established (a ticket that this
// attempt takes is one that others cannot have) and after everything else is set on ssl. If there
// is a session to offer, it replaces one that was set with SSL_set_session. On an SSL that failed
// and was cleared (SSL_clear), or that was begun and never used, it starts over.
//
// Follow with tsc_ssl_established or tsc_ssl_failed. If neither is called before SSL_free, nothing
// that was received is kept, the statistics count the attempt as unfinished, and a ticket goes back
// only if no handshake was begun (with BoringSSL: never).
//
// The server name of the endpoint is the SNI name that is set on ssl (SSL_set_tlsext_host_name), or
// else the name to verify (SSL_set1_host; OpenSSL 3), or else host. If the first two differ, it is
// both together.
//
// host: the name or address that is dialled, NUL-terminated; copied.
// port: 1 to 65535, or 0 if there is none.
// Returns TSC_OK, whether there was something to offer or not. With any other status ssl is as it
// was and may be used, without the cache: TSC_INVALID_ARGUMENT if ssl or host is NULL, host is
// empty, or port is over 65535; TSC_WRONG_STATE if the SSL_CTX of ssl is not attached, or the
// handshake has begun; TSC_UNSUPPORTED for DTLS and QUIC; TSC_TOO_LARGE if a name is over
// TSC_MAX_NAME; TSC_NO_MEMORY.
static inline tsc_status tsc_ssl_begin(SSL *ssl, const char *host, uint32_t port);

// Does what tsc_ssl_begin does, for an endpoint that the caller describes.
//
// endpoint: not NULL; copied. Its server name is taken as it is; nothing is read from ssl.
// Returns what tsc_ssl_begin returns.
static inline tsc_status tsc_ssl_begin_endpoint(SSL *ssl, const tsc_endpoint *endpoint);

// Does what tsc_ssl_begin does, but blocks the thread while a session to offer is on its way.
//
// It waits only if one is expected in time (see tsc_attempt_wait). If none comes, ssl does a full
// handshake.
//
// max_wait_ms: how long it may wait, in milliseconds.
// Returns what tsc_ssl_begin returns.
static inline tsc_status tsc_ssl_begin_wait(SSL *ssl, const char *host, uint32_t port,
                                            uint32_t max_wait_ms);

// Does the first half of tsc_ssl_begin: begins an attempt and offers nothing yet.
//
// Until tsc_ssl_offer, the second half, the attempt may wait for a session: give tsc_ssl_attempt to
// tsc_attempt_wait_fd or tsc_attempt_wait_callback.
//
// Returns what tsc_ssl_begin returns.
static inline tsc_status tsc_ssl_prepare(SSL *ssl, const char *host, uint32_t port);

// Does the first half of tsc_ssl_begin_endpoint; see tsc_ssl_prepare.
//
// Returns what tsc_ssl_begin returns.
static inline tsc_status tsc_ssl_prepare_endpoint(SSL *ssl, const tsc_endpoint *endpoint);

// Offers a session on an SSL that was prepared, if there is one.
//
// Call it last before the handshake.
//
// Returns TSC_OK, whether there was something to offer or not; TSC_INVALID_ARGUMENT if ssl is NULL;
// TSC_WRONG_STATE if ssl was not prepared, a session was offered already, the handshake has begun,
// or the SSL_CTX or verification of ssl has changed since. Nothing has changed then, and ssl may be
// used.
static inline tsc_status tsc_ssl_offer(SSL *ssl);

// Gives the attempt of an SSL, for tsc_attempt_info_get, tsc_attempt_wait_fd and the like.
//
// Returns the attempt, lent until SSL_free or the next begin and not to be freed; NULL if ssl is
// NULL or was not begun.
static inline const tsc_attempt *tsc_ssl_attempt(const SSL *ssl);

// ---- Say how it ended ---------------------------------------------------------------------------

// Says that the connection is established: TLS is verified, and the application's own login done.
//
// What the attempt received is published, and what it still receives goes straight into the cache.
// An application without a login of its own calls this right after SSL_connect. Whether the
// handshake was a resumed one is read from ssl.
//
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ssl is NULL; TSC_WRONG_STATE if ssl was not begun, its
// handshake is not finished, or it was established or failed before; TSC_CLOSED if it was begun
// before a fork.
static inline tsc_status tsc_ssl_established(SSL *ssl);

// Says that the attempt failed, whatever the reason.
//
// What the attempt received is discarded, and so is what it still receives. Call it before
// SSL_free, SSL_clear and SSL_shutdown. The reason is read from ssl:
//
// - Nothing was handed to the transport: 0, and a ticket goes back.
// - TLS failed: TSC_FACT_SENT, and a session that was offered is dropped with its lineage.
//   That can happen after the end of the handshake too, as with the alert by which a TLS 1.3 server
//   rejects a client certificate.
// - TLS stands: TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE.
//
// If you know better, call tsc_attempt_failed with tsc_ssl_attempt instead.
//
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ssl is NULL; TSC_WRONG_STATE if ssl was not begun, or was
// established or failed before; TSC_CLOSED if it was begun before a fork.
static inline tsc_status tsc_ssl_failed(SSL *ssl);

// ---- Client libraries that make the SSL themselves ----------------------------------------------

// Has a function called whenever a handshake as a client starts, before its first message is made.
//
// For an SSL_CTX whose SSLs a client library makes and does not show. Call it after tsc_ssl_attach
// and before the SSL_CTX is shared; call it again to change the function or, with NULL, to end it.
//
// A handshake that fails is then noticed without tsc_ssl_failed. So is one that the library gives
// up (SSL_free) while the server is silent: it counts as TSC_FACT_SENT | TSC_FACT_TIMED_OUT. The
// driver still says what only the driver knows: tsc_ssl_established after its login, or
// tsc_ssl_failed if that failed, in both cases while the library holds the SSL (as in the callback
// that reports the login).
//
// begin: calls tsc_ssl_begin (or tsc_ssl_begin_wait). It may also set the name to verify, note ssl
// for later, or do nothing, which leaves the handshake untouched. It runs on the thread that
// shakes hands. It is not called for an SSL that was begun by hand, nor for renegotiations.
// arg: passed to begin; has to outlive the SSL_CTX and its SSLs.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ctx is NULL; TSC_WRONG_STATE if ctx is not attached.
static inline tsc_status tsc_ssl_on_start(SSL_CTX *ctx, void (*begin)(void *arg, SSL *ssl),
                                          void *arg);

// ---- Callbacks, for applications that replace them ----------------------------------------------

// The new-session callback that tsc_ssl_attach installs.
//
// It calls the one that tsc_ssl_attach found there. To install a callback after attaching, call
// this one from yours, ignore its answer, and answer for yourself.
//
// Returns what the callback that it found returns, which owns the reference to session if that is
// 1; otherwise 0.
static inline int tsc_ssl_new_session(SSL *ssl, SSL_SESSION *session);

// The info callback that tsc_ssl_on_start installs.
//
// It calls the one that tsc_ssl_on_start found there. To install a callback afterwards, or on an
// SSL, where OpenSSL calls it instead of that of the SSL_CTX, call this one from yours.
static inline void tsc_ssl_info(const SSL *ssl, int where, int ret);

// =================================================================================================
// The public part ends here. What follows is how it is done: names that end in an underscore may
// change with any version.
// =================================================================================================

// BoringSSL and AWS-LC share one ancestor and one way of handling sessions.
#if defined(OPENSSL_IS_BORINGSSL) || defined(OPENSSL_IS_AWSLC)
#define TSC_SSL_BORING_ 1
#elif defined(LIBRESSL_VERSION_NUMBER) || OPENSSL_VERSION_NUMBER < 0x10101000L
#error "tsc_openssl.h needs OpenSSL 1.1.1 or newer, BoringSSL or AWS-LC"
#endif

// ---- What an SSL_CTX and an SSL carry -----------------------------------------------------------

// What an SSL_CTX carries.
typedef struct {
    int verifies;             // whether the SSL_CTX verified its peers when it was attached
    tsc_config *config;       // for SSLs that verify as the SSL_CTX did
    tsc_config *other_config; // for SSLs that do not
    uint32_t flags;
    int (*next_new_session)(SSL *, SSL_SESSION *); // the application's callback, or NULL
    // Set by tsc_ssl_on_start.
    void (*begin)(void *, SSL *);
    void *begin_arg;
    int has_info;                             // whether tsc_ssl_info is installed
    void (*next_info)(const SSL *, int, int); // the application's callback, or NULL
} tsc_ssl_attachment_;

// What an SSL carries.
typedef struct {
    tsc_attempt *attempt;
    const tsc_config
        *config; // the attempt's, to see whether ssl still belongs to it; not to be used
    uint32_t flags;
    int chain_counted; // whether the peer's certificates, which its sessions share, have been
                       // counted
    // The offer, until the verdict.
    SSL_SESSION *offered; // a reference; NULL if nothing was offered
    BIO *transport;       // a reference to what ssl wrote to when it was offered, or NULL
    uint64_t written;     // how much transport had taken by then
    long handshakes;      // how many handshakes clients of the SSL_CTX had begun by then
    // Kept by tsc_ssl_info.
    int started; // the handshake has started
    int watched; // the function of tsc_ssl_on_start began the attempt
    int done;    // the handshake is done
    int silent;  // the ClientHello has left, and the server has not finished the handshake
} tsc_ssl_state_;

// Their ex_data indexes plus one, or 0. There is one copy per program or shared object, however
// many of its source files include this header: an SSL_CTX that one of them attached is attached
// for all.
#if defined(_WIN32)
__declspec(selectany) long tsc_ssl_attachment_index_ = 0;
__declspec(selectany) long tsc_ssl_state_index_ = 0;
#else
__attribute__((weak, visibility("hidden"))) long tsc_ssl_attachment_index_ = 0;
__attribute__((weak, visibility("hidden"))) long tsc_ssl_state_index_ = 0;
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

static inline tsc_ssl_attachment_ *tsc_ssl_attachment_of_(const SSL_CTX *ctx) {
    long index = tsc_ssl_index_(&tsc_ssl_attachment_index_, 0);
    return index && ctx ? (tsc_ssl_attachment_ *)SSL_CTX_get_ex_data(ctx, (int)index - 1) : NULL;
}

static inline tsc_ssl_state_ *tsc_ssl_state_of_(const SSL *ssl) {
    long index = tsc_ssl_index_(&tsc_ssl_state_index_, 0);
    return index && ssl ? (tsc_ssl_state_ *)SSL_get_ex_data(ssl, (int)index - 1) : NULL;
}

// The config that an SSL belongs to as it is set now, or NULL.
static inline const tsc_config *tsc_ssl_config_of_(const SSL *ssl) {
    const tsc_ssl_attachment_ *attachment = tsc_ssl_attachment_of_(SSL_get_SSL_CTX(ssl));
    int verifies = (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0;
    if (!attachment)
        return NULL;
    return verifies == attachment->verifies ? attachment->config : attachment->other_config;
}

// ---- Whether a ClientHello has left -------------------------------------------------------------

// Whether the handshake has not begun. Also called while the SSL is being freed, when OpenSSL has
// already released its BIOs: it may look at nothing but the state.
static inline int tsc_ssl_before_handshake_(const SSL *ssl) {
#ifdef TSC_SSL_BORING_
    // BoringSSL has no SSL_in_before. The random is zero until the first ClientHello is built.
    unsigned char random[32], zero[32];
    memset(random, 0, sizeof random);
    memset(zero, 0, sizeof zero);
    SSL_get_client_random(ssl, random, sizeof random);
    return memcmp(random, zero, sizeof random) == 0;
#else
    return SSL_in_before(ssl);
#endif
}

// Whether nothing can have been sent since the offer. Neither SSL_clear nor another transport hides
// what was sent before. Without a transport at the offer there is less to go by: that no client of
// the SSL_CTX has begun a handshake since.
static inline int tsc_ssl_wrote_nothing_(const SSL *ssl, const tsc_ssl_state_ *state) {
    if (state->transport)
        return BIO_number_written(state->transport) == state->written;
    return !state->offered || SSL_CTX_sess_connect(SSL_get_SSL_CTX(ssl)) == state->handshakes;
}

// Whether the ClientHello of an attempt cannot have left. A BIO that failed to connect counts as
// such: what matters is whether a transport took a byte, that of the offer or the present one.
static inline int tsc_ssl_unsent_(const SSL *ssl, const tsc_ssl_state_ *state) {
    BIO *transport = SSL_get_wbio(ssl);
    if (!tsc_ssl_wrote_nothing_(ssl, state))
        return 0;
    if (!transport)
        return tsc_ssl_before_handshake_(ssl);
    return transport == state->transport || BIO_number_written(transport) == 0;
}

// ---- Making and freeing what they carry ---------------------------------------------------------

// Forgets the offer: there is a verdict on it.
static inline void tsc_ssl_offer_end_(tsc_ssl_state_ *state) {
    SSL_SESSION_free(state->offered);
    BIO_free(state->transport);
    state->offered = NULL;
    state->transport = NULL;
}

static inline void tsc_ssl_state_free_(tsc_ssl_state_ *state, int unsent) {
    if (!unsent)
        tsc_attempt_sent(state->attempt);
    // The library has lost patience. The server may hang because of the session.
    if (state->silent)
        tsc_attempt_failed(state->attempt, TSC_FACT_SENT | TSC_FACT_TIMED_OUT);
    tsc_attempt_free(state->attempt);
    tsc_ssl_offer_end_(state);
    OPENSSL_free(state);
}

static inline void tsc_ssl_attachment_free_(tsc_ssl_attachment_ *attachment) {
    tsc_config_free(attachment->config);
    tsc_config_free(attachment->other_config);
    OPENSSL_free(attachment);
}

static inline void tsc_ssl_on_ssl_free_(void *ssl, void *state, CRYPTO_EX_DATA *data, int index,
                                        long argl, void *argp) {
    (void)data, (void)index, (void)argl, (void)argp;
    // Newer BoringSSLs pass no SSL. Then the ticket counts as sent: better lost than sent twice.
    if (state)
        tsc_ssl_state_free_(
            (tsc_ssl_state_ *)state,
            ssl && tsc_ssl_before_handshake_((const SSL *)ssl) &&
                tsc_ssl_wrote_nothing_((const SSL *)ssl, (const tsc_ssl_state_ *)state));
}

static inline void tsc_ssl_on_ctx_free_(void *ctx, void *attachment, CRYPTO_EX_DATA *data,
                                        int index, long argl, void *argp) {
    (void)ctx, (void)data, (void)index, (void)argl, (void)argp;
    if (attachment)
        tsc_ssl_attachment_free_((tsc_ssl_attachment_ *)attachment);
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

// Makes the indexes that are missing. Two threads may do so at once: the second index then stays
// unused, which costs nothing.
static inline int tsc_ssl_indexes_make_(void) {
    int made;
    if (!tsc_ssl_index_(&tsc_ssl_attachment_index_, 0)) {
        made = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, tsc_ssl_on_ctx_free_);
        if (made < 0)
            return 0;
        tsc_ssl_index_(&tsc_ssl_attachment_index_, made + 1L);
    }
    if (!tsc_ssl_index_(&tsc_ssl_state_index_, 0)) {
        made = SSL_get_ex_new_index(0, NULL, NULL, tsc_ssl_on_ssl_dup_, tsc_ssl_on_ssl_free_);
        if (made < 0)
            return 0;
        tsc_ssl_index_(&tsc_ssl_state_index_, made + 1L);
    }
    return 1;
}

// ---- Sessions -----------------------------------------------------------------------------------

static inline void tsc_ssl_session_release_(void *session) {
    SSL_SESSION_free((SSL_SESSION *)session);
}

// Gives a session that nobody else holds: OpenSSL marks the one that a connection uses as not
// resumable when that connection ends uncleanly. BoringSSL and AWS-LC never change a session that
// they gave out, and there a reference will do.
static inline SSL_SESSION *tsc_ssl_session_own_(SSL_SESSION *session) {
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
    // BoringSSL has the hint in TLS 1.2 only. In TLS 1.3 the timeout is what the server said, if
    // that is within the library's own limit.
    if (info.tls_version >= TLS1_3_VERSION)
        info.lifetime_seconds = (uint32_t)SSL_SESSION_get_timeout(session);
#endif
    info.not_after = tsc_ssl_not_after_(SSL_SESSION_get0_peer(session));
    return info;
}

// Gives a session that came over the wire to the attempt. The caller's reference stays the
// caller's.
static inline void tsc_ssl_session_receive_(SSL *ssl, tsc_ssl_state_ *state, SSL_SESSION *session) {
    tsc_session_info info = tsc_ssl_session_info_(session);
    // A session with neither id nor ticket cannot be resumed. In TLS 1.3 an id is made up or
    // echoed, and only a ticket counts. And an SSL whose SSL_CTX or verification has changed since
    // it was begun no longer belongs to the config that would vouch for the session.
    if (!SSL_SESSION_is_resumable(session) ||
        (info.tls_version >= TLS1_3_VERSION && !SSL_SESSION_has_ticket(session)) ||
        tsc_ssl_config_of_(ssl) != state->config)
        return;
    int length = i2d_SSL_SESSION(session, NULL);
    if (length <= 0)
        return;
    if (state->flags & TSC_SSL_SERIALISE) {
        unsigned char *bytes = (unsigned char *)OPENSSL_malloc((size_t)length), *end = bytes;
        if (bytes && i2d_SSL_SESSION(session, &end) == length)
            tsc_attempt_receive(state->attempt, &info, sizeof info, bytes, (size_t)length);
        if (bytes)
            OPENSSL_cleanse(bytes, (size_t)length);
        OPENSSL_free(bytes);
    } else {
        SSL_SESSION *own = tsc_ssl_session_own_(session);
        // What an object takes beyond its serialised form: 1 KiB by itself, and 5 KiB for each
        // certificate of the peer's chain, once for all sessions of a connection. An estimate;
        // `make bench-openssl` compares it with what a process grows by.
        size_t bytes = (size_t)length + 1024;
        int certificates = sk_X509_num(SSL_get_peer_cert_chain(ssl)); // -1: no chain
        if (!state->chain_counted && certificates > 0)
            bytes += (size_t)certificates * 5120;
        if (own && tsc_attempt_receive_object(state->attempt, &info, sizeof info, own, bytes,
                                              tsc_ssl_session_release_) == TSC_OK)
            state->chain_counted = 1;
        else
            SSL_SESSION_free(own);
    }
}

// The session that the attempt offers, for the caller to free, or NULL.
static inline SSL_SESSION *tsc_ssl_session_to_offer_(const tsc_attempt *attempt) {
    tsc_session session;
    memset(&session, 0, sizeof session);
    if (tsc_attempt_offer(attempt, &session, sizeof session) != TSC_OK)
        return NULL;
    if (session.object)
        return tsc_ssl_session_own_((SSL_SESSION *)session.object);
    return d2i_SSL_SESSION(NULL, &session.data, (long)session.len);
}

// ---- Set up an SSL_CTX: definitions -------------------------------------------------------------

static inline int tsc_ssl_new_session(SSL *ssl, SSL_SESSION *session) {
    const tsc_ssl_attachment_ *attachment = tsc_ssl_attachment_of_(SSL_get_SSL_CTX(ssl));
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    if (state) {
        ERR_set_mark();
        tsc_ssl_session_receive_(ssl, state, session);
        ERR_pop_to_mark();
    }
    return attachment && attachment->next_new_session ? attachment->next_new_session(ssl, session)
                                                      : 0;
}

static inline tsc_status tsc_ssl_attach(SSL_CTX *ctx, const tsc_cache *cache,
                                        const tsc_config_options *options, uint32_t flags) {
    tsc_config_options as_ctx, otherwise;
    tsc_ssl_attachment_ *attachment;
    tsc_status status;
    if (!ctx || !cache)
        return TSC_INVALID_ARGUMENT;
    if (flags & ~TSC_SSL_SERIALISE)
        return TSC_UNSUPPORTED;
    if (tsc_ssl_attachment_of_(ctx))
        return TSC_WRONG_STATE;

    memset(&as_ctx, 0, sizeof as_ctx);
    if (options)
        as_ctx = *options;
    ERR_set_mark();
    if (as_ctx.client_not_after == 0)
        as_ctx.client_not_after = tsc_ssl_not_after_(SSL_CTX_get0_certificate(ctx));
    // The identity speaks for the SSL_CTX as it is, not for SSLs that verify otherwise.
    otherwise = as_ctx;
    otherwise.identity = NULL;
    otherwise.identity_len = 0;

    status = TSC_NO_MEMORY;
    attachment = (tsc_ssl_attachment_ *)OPENSSL_malloc(sizeof *attachment);
    if (attachment) {
        memset(attachment, 0, sizeof *attachment);
        attachment->verifies = (SSL_CTX_get_verify_mode(ctx) & SSL_VERIFY_PEER) != 0;
        attachment->flags = flags;
        attachment->next_new_session = SSL_CTX_sess_get_new_cb(ctx);
        status = tsc_config_new(cache, &as_ctx, sizeof as_ctx, &attachment->config);
        if (status == TSC_OK)
            status = tsc_config_new(cache, &otherwise, sizeof otherwise, &attachment->other_config);
        if (status == TSC_OK &&
            !(tsc_ssl_indexes_make_() &&
              SSL_CTX_set_ex_data(ctx, (int)tsc_ssl_index_(&tsc_ssl_attachment_index_, 0) - 1,
                                  attachment)))
            status = TSC_NO_MEMORY;
        if (status != TSC_OK)
            tsc_ssl_attachment_free_(attachment);
    }
    if (status == TSC_OK) {
        SSL_CTX_sess_set_new_cb(ctx, tsc_ssl_new_session);
        SSL_CTX_set_session_cache_mode(ctx, (int)SSL_CTX_get_session_cache_mode(ctx) |
                                                SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    }
    ERR_pop_to_mark();
    return status;
}

static inline const tsc_config *tsc_ssl_config(const SSL_CTX *ctx) {
    const tsc_ssl_attachment_ *attachment = tsc_ssl_attachment_of_(ctx);
    return attachment ? attachment->config : NULL;
}

// ---- Begin a connection attempt: definitions ----------------------------------------------------

static inline const tsc_attempt *tsc_ssl_attempt(const SSL *ssl) {
    const tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    return state ? state->attempt : NULL;
}

static inline tsc_status tsc_ssl_prepare_endpoint(SSL *ssl, const tsc_endpoint *endpoint) {
    const tsc_ssl_attachment_ *attachment;
    tsc_ssl_state_ *state, *before;
    tsc_status status;
    int index;
    if (!ssl || !endpoint)
        return TSC_INVALID_ARGUMENT;
    if (SSL_is_dtls(ssl) || SSL_version(ssl) == 1 /* OSSL_QUIC1_VERSION */)
        return TSC_UNSUPPORTED;
    attachment = tsc_ssl_attachment_of_(SSL_get_SSL_CTX(ssl));
    if (!attachment || !tsc_ssl_before_handshake_(ssl))
        return TSC_WRONG_STATE;

    state = (tsc_ssl_state_ *)OPENSSL_malloc(sizeof *state);
    if (!state)
        return TSC_NO_MEMORY;
    memset(state, 0, sizeof *state);
    state->config = tsc_ssl_config_of_(ssl);
    state->flags = attachment->flags;
    status = tsc_attempt_new(state->config, endpoint, sizeof *endpoint, &state->attempt);
    if (status != TSC_OK) {
        OPENSSL_free(state);
        return status;
    }

    ERR_set_mark();
    index = (int)tsc_ssl_index_(&tsc_ssl_state_index_, 0) - 1;
    before = tsc_ssl_state_of_(ssl);
    if (SSL_set_ex_data(ssl, index, state)) {
        if (before) {
            // What it offered is still set on ssl, and is not this attempt's to offer.
            int unsent = tsc_ssl_unsent_(ssl, before);
            SSL_set_session(ssl, NULL);
            tsc_ssl_state_free_(before, unsent);
        }
    } else {
        tsc_ssl_state_free_(state, 1);
        status = TSC_NO_MEMORY;
    }
    ERR_pop_to_mark();
    return status;
}

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
        // A session verified for one name must not be offered to a connection that asks for that
        // name and verifies another.
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

static inline tsc_status tsc_ssl_offer(SSL *ssl) {
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    if (!ssl)
        return TSC_INVALID_ARGUMENT;
    if (!state || state->offered || !tsc_ssl_before_handshake_(ssl) ||
        tsc_ssl_config_of_(ssl) != state->config)
        return TSC_WRONG_STATE;
    ERR_set_mark();
    state->offered = tsc_ssl_session_to_offer_(state->attempt);
    if (state->offered) {
        state->handshakes = SSL_CTX_sess_connect(SSL_get_SSL_CTX(ssl));
        state->transport = SSL_get_wbio(ssl);
        if (state->transport) {
            BIO_up_ref(state->transport);
            state->written = BIO_number_written(state->transport);
        }
        if (!SSL_set_session(ssl, state->offered))
            tsc_ssl_offer_end_(state);
    }
    ERR_pop_to_mark();
    return TSC_OK;
}

static inline tsc_status tsc_ssl_begin(SSL *ssl, const char *host, uint32_t port) {
    tsc_status status = tsc_ssl_prepare(ssl, host, port);
    return status == TSC_OK ? tsc_ssl_offer(ssl) : status;
}

static inline tsc_status tsc_ssl_begin_endpoint(SSL *ssl, const tsc_endpoint *endpoint) {
    tsc_status status = tsc_ssl_prepare_endpoint(ssl, endpoint);
    return status == TSC_OK ? tsc_ssl_offer(ssl) : status;
}

static inline tsc_status tsc_ssl_begin_wait(SSL *ssl, const char *host, uint32_t port,
                                            uint32_t max_wait_ms) {
    tsc_status status = tsc_ssl_prepare(ssl, host, port);
    if (status != TSC_OK)
        return status;
    // If the wait fails, there may still be a session to offer.
    (void)tsc_attempt_wait(tsc_ssl_attempt(ssl), max_wait_ms);
    return tsc_ssl_offer(ssl);
}

// ---- Say how it ended: definitions --------------------------------------------------------------

static inline tsc_status tsc_ssl_established(SSL *ssl) {
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    tsc_status status;
    int resumed;
    if (!ssl)
        return TSC_INVALID_ARGUMENT;
    if (!state || !SSL_is_init_finished(ssl))
        return TSC_WRONG_STATE;
    // An application may have resumed a session of its own, of which the attempt knows nothing.
    resumed = state->offered && SSL_session_reused(ssl);
    ERR_set_mark();
#ifndef TSC_SSL_BORING_
    // OpenSSL calls nobody when a server renews a TLS 1.2 ticket within a resumed handshake.
    if (resumed && SSL_version(ssl) < TLS1_3_VERSION && SSL_get_session(ssl) != state->offered)
        tsc_ssl_session_receive_(ssl, state, SSL_get_session(ssl));
#endif
    status = tsc_attempt_established(state->attempt, resumed);
    tsc_ssl_offer_end_(state);
    ERR_pop_to_mark();
    return status;
}

static inline tsc_status tsc_ssl_failed(SSL *ssl) {
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    if (!ssl)
        return TSC_INVALID_ARGUMENT;
    if (!state)
        return TSC_WRONG_STATE;
    if (!tsc_ssl_unsent_(ssl, state))
        return tsc_attempt_failed(state->attempt, SSL_is_init_finished(ssl)
                                                      ? TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE
                                                      : TSC_FACT_SENT);
    // The ticket becomes another's to offer, so ssl must not send it if it is used after all.
    // (BoringSSL aborts if this is called within a handshake.)
    if (state->offered && tsc_ssl_before_handshake_(ssl))
        SSL_set_session(ssl, NULL);
    return tsc_attempt_failed(state->attempt, 0);
}

// ---- Client libraries that make the SSL themselves: definitions ---------------------------------

// Whether a call that did not end the handshake is to be repeated, because the transport or a
// callback is not ready. If not, the handshake has failed.
static inline int tsc_ssl_wants_retry_(const SSL *ssl) {
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

static inline void tsc_ssl_info(const SSL *info_of, int where, int ret) {
    SSL *ssl = (SSL *)info_of; // OpenSSL has it const in this one place
    const tsc_ssl_attachment_ *attachment = tsc_ssl_attachment_of_(SSL_get_SSL_CTX(ssl));
    if (!attachment)
        return;
    if (attachment->begin && !SSL_is_server(ssl)) {
        tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
        // Not by a mark: before OpenSSL 3 they do not nest, and the calls in here set their own.
        int clean = ERR_peek_error() == 0;
        if ((where & SSL_CB_HANDSHAKE_START) && tsc_ssl_before_handshake_(ssl)) {
            if (!state || state->started) {
                tsc_ssl_state_ *before = state;
                attachment->begin(attachment->begin_arg, ssl);
                state = tsc_ssl_state_of_(ssl);
                if (state && state != before)
                    state->watched = 1;
            }
            if (state)
                state->started = 1;
        } else if (state && state->watched && (where & SSL_CB_HANDSHAKE_DONE)) {
            state->done = 1;
            state->silent = 0;
        } else if (state && state->watched && where == SSL_CB_CONNECT_EXIT && ret <= 0) {
            // The library frees the SSL before its user hears of this.
            if (!tsc_ssl_wants_retry_(ssl)) {
                state->silent = 0;
                tsc_ssl_failed(ssl);
            } else if (!state->done) {
                state->silent = !tsc_ssl_unsent_(ssl, state);
            }
        }
        if (clean)
            ERR_clear_error();
    }
    if (attachment->next_info)
        attachment->next_info(ssl, where, ret);
}

static inline tsc_status tsc_ssl_on_start(SSL_CTX *ctx, void (*begin)(void *arg, SSL *ssl),
                                          void *arg) {
    tsc_ssl_attachment_ *attachment = tsc_ssl_attachment_of_(ctx);
    if (!ctx)
        return TSC_INVALID_ARGUMENT;
    if (!attachment)
        return TSC_WRONG_STATE;
    attachment->begin = begin;
    attachment->begin_arg = arg;
    if (!attachment->has_info) {
        void (*found)(const SSL *, int, int) = SSL_CTX_get_info_callback(ctx);
        attachment->has_info = 1;
        attachment->next_info = found == tsc_ssl_info ? NULL : found;
        SSL_CTX_set_info_callback(ctx, tsc_ssl_info);
    }
    return TSC_OK;
}

#ifdef __cplusplus
} // extern "C"
#endif

#endif /* TSC_OPENSSL_H */
