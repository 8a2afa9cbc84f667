// tsc_openssl.h: libtsc for programs on OpenSSL, in one header and about ten lines.
//
//     tsc_cache *cache = NULL;                       // once per program or cluster object
//     tsc_cache_new(NULL, 0, &cache);
//     tsc_ssl_attach(ctx, cache, NULL, 0);           // once per SSL_CTX, when it is set up
//
//     SSL *ssl = SSL_new(ctx);                       // per connection, as before
//     SSL_set_fd(ssl, fd);
//     SSL_set_tlsext_host_name(ssl, host);
//     X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), host, strlen(host));
//     tsc_ssl_begin(ssl, host, port);                // last thing before the handshake
//     if (SSL_connect(ssl) == 1 && login(ssl))
//         tsc_ssl_established(ssl);
//     else
//         tsc_ssl_failed(ssl);
//     SSL_free(ssl);                                 // frees what begin made
//
// You may ignore the statuses: whatever goes wrong here costs a full handshake, never a connection.
//
// # What it does
//
// Attaching makes a tsc_config, keeps it in the SSL_CTX, and catches sessions and tickets through
// the new-session callback whenever they arrive; in TLS 1.3 that is after the handshake, inside the
// SSL_read calls that you make anyway. Beginning makes a tsc_attempt, keeps it in the SSL, and
// offers a session if there is one. Both live in ex_data slots of their own and are freed by
// OpenSSL with the SSL_CTX and the SSL. An SSL for which nobody called tsc_ssl_begin is left
// untouched.
//
// # Waiting for a ticket that is on its way
//
// A pool that opens many connections at once has more connections than tickets. To wait for the
// tickets that the first connections receive, begin with (blocking, here for at most 200 ms)
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
// Many give access to their SSL_CTX, but make the SSL and do the handshake in one step. Then
//
//     tsc_ssl_on_start(ctx, begin, driver);          // after tsc_ssl_attach
//
// calls `begin(driver, ssl)` when a handshake starts, which is where tsc_ssl_begin belongs.
//
// # What to mind
//
// - A session is offered only to an SSL that verifies the same as the SSL that received it.
//   tsc_ssl_begin reads that off the SSL and its trust store: names and addresses to verify, flags,
//   levels, the verify mode and callback, the client certificates, ciphers, protocol versions and
//   options. So set everything before it. If something is set later, libtsc takes the offer back
//   when the handshake starts: the handshake is then a full one, and libtsc keeps nothing from it.
//   It also keeps nothing from an SSL that was changed during its handshake, or that resumed a
//   session of the application's own (SSL_set_session). docs/verification.md has the whole list.
// - Some things cannot be read, and you have to keep them apart: for an SSL that differs in one of
//   them, use another SSL_CTX, another identity, or tsc_endpoint.verification. Among them are the
//   session id context (OpenSSL fails a handshake that resumes a session of another context), a
//   maximum fragment length (servers on OpenSSL 1.1.1 and older fail a handshake that asks for one
//   and offers a session without one), a pre-shared key of TLS 1.3 (with such a key, do not call
//   tsc_ssl_begin), what a verify or security callback refers to,
//   SSL_CTX_set_cert_verify_callback, SSL_set_cert_cb, changes within a trust store, and
//   SSL_set_purpose and SSL_set_trust. Each "duty" in docs/verification.md is one of them.
// - Before OpenSSL 3, and with BoringSSL and AWS-LC, the names to verify cannot be read either.
//   From OpenSSL 4 on, only the first address and the first email can be read. In these cases a
//   session is offered only if its own certificate is valid for what the SSL verifies.
// - tsc_ssl_begin sets an info callback on the SSL, which calls the one that was there. If you set
//   an info callback on the SSL, do so before.
// - Set TCP_NODELAY. The client speaks last in a resumed TLS 1.2 handshake; with Nagle's algorithm
//   the first request then waits for the server's delayed acknowledgement, some 40 ms.
// - After SSL_clear, call tsc_ssl_begin again before you use the SSL. Otherwise libtsc takes back
//   the session that the SSL was given to offer, and keeps nothing that the SSL receives. A
//   duplicate (SSL_dup) counts as not begun: it does not offer the original's session. Call SSL_dup
//   before tsc_ssl_begin, though: a later duplicate does not call an info callback that was set on
//   the original.
// - TLS over TCP only. On DTLS and QUIC tsc_ssl_begin returns TSC_UNSUPPORTED.
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
// Works with OpenSSL 1.1.1 to 4.0, and with BoringSSL and AWS-LC, where some things are less exact:
// see tsc_ssl_begin and tsc_ssl_failed. C11 and C++17.

#ifndef TSC_OPENSSL_H
#define TSC_OPENSSL_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#if OPENSSL_VERSION_NUMBER >= 0x40000000L
#include <openssl/ech.h>
#endif
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

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

// Flag of tsc_ssl_attach: an SSL that asks for an OCSP status also resumes.
//
// A resumed TLS 1.3 handshake brings no status, and a callback that insists on one fails it. So
// tsc_ssl_begin returns TSC_UNSUPPORTED for such an SSL, unless this flag says that the callback
// accepts a missing status when SSL_session_reused is 1. Only OpenSSL: BoringSSL and AWS-LC keep
// the status in the session.
#define TSC_SSL_WITHOUT_STATUS 2u

// Flag of tsc_ssl_attach: sessions that allow early data (SSL_write_early_data) still do when they
// are offered.
//
// OpenSSL fails a handshake with early data if the session was of a protocol (ALPN) that the SSL
// does not ask for, and what it asks for cannot be read. So without this flag, offered sessions
// have a SSL_SESSION_get_max_early_data of 0. Set it if all SSLs of the SSL_CTX, and of those with
// the same identity, ask for the same protocols. BoringSSL and AWS-LC compare them by themselves.
#define TSC_SSL_EARLY_DATA 4u

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
// sessions with no other. SSL_CTXs with the same identity share between SSLs that verify the same.
// Do not set verification: it is read from ctx. The end of the client certificate is read when a
// session arrives; a client_not_after bounds all sessions besides. If a callback supplies the
// client certificate, other than OpenSSL's client_cert_cb, and the cache has TSC_SHARE, set
// TSC_CONFIG_CLIENT_CERTIFICATE.
// flags: 0, or TSC_SSL_SERIALISE, TSC_SSL_WITHOUT_STATUS and TSC_SSL_EARLY_DATA combined by |.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ctx or cache is NULL; TSC_WRONG_STATE if ctx is attached
// already, which changes nothing; TSC_UNSUPPORTED for an unknown flag; TSC_NO_MEMORY; or what
// tsc_config_new returns.
static inline tsc_status tsc_ssl_attach(SSL_CTX *ctx, const tsc_cache *cache,
                                        const tsc_config_options *options, uint32_t flags);

// How many bytes tsc_ssl_identity needs.
#define TSC_SSL_IDENTITY 32

// Derives an identity (tsc_config_options) from an SSL_CTX, for caches that share sessions with
// other processes (TSC_SHARE) and for SSL_CTXs that are made again and again.
//
// The identity is a digest of everything that decides whom SSLs of ctx trust and who they are: the
// certificates and revocation lists in the trust store, and all that tsc_ssl_begin reads from an
// SSL (see "What to mind"), including callbacks, by the build of their module. Two SSL_CTXs have
// the same identity only if all of that is the same. Call it when ctx is set up, before
// tsc_ssl_attach.
//
// The settings that the second item of "What to mind" asks you to keep apart cannot be read here
// either, nor can a lookup method of your own in the trust store. If you use one of them, or if
// this returns TSC_UNSUPPORTED, make the identity yourself: a digest of the files that the
// configuration is made of, and of everything else that decides.
//
// digest: receives TSC_SSL_IDENTITY bytes.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ctx or digest is NULL; TSC_UNSUPPORTED if ctx does not
// tell everything: certificates that are looked for when they are needed (SSL_CTX_load_verify_dir,
// SSL_CTX_set_default_verify_paths), a verify store beside the trust store, client_cert_cb,
// certificate policies and transparency, a callback that was made at run time (tsc_function_id),
// and always with BoringSSL and AWS-LC; TSC_NO_MEMORY.
static inline tsc_status tsc_ssl_identity(SSL_CTX *ctx, uint8_t digest[TSC_SSL_IDENTITY]);

// Gives the config of an SSL_CTX, for tsc_config_available and the like.
//
// The answers are for SSLs that are as their SSL_CTX was when it was attached and, if the SSL_CTX
// verifies, verify the server name of the endpoint and no other (SSL_set1_host). For other SSLs,
// complete the endpoint with tsc_ssl_endpoint.
//
// Returns the config, lent until SSL_CTX_free and not to be freed; NULL if ctx is NULL or not
// attached.
static inline const tsc_config *tsc_ssl_config(const SSL_CTX *ctx);

// ---- Begin a connection attempt -----------------------------------------------------------------

// Begins a connection attempt to host and port on an SSL, and offers a session if there is one.
//
// Call it last before the handshake: after the TCP connection is established (a ticket that this
// attempt takes is not available to others) and after everything else is set on ssl. If there
// is a session to offer, it replaces one that was set with SSL_set_session. On an SSL that failed
// and was cleared (SSL_clear), or that was begun and never used, it starts over.
//
// Follow with tsc_ssl_established or tsc_ssl_failed. If neither is called before SSL_free, nothing
// that was received is kept, the statistics count the attempt as unfinished, and a ticket goes back
// only if no handshake was begun (with BoringSSL: never).
//
// The server name of the endpoint is the SNI name that is set on ssl (SSL_set_tlsext_host_name), or
// else the name to verify (SSL_set1_host; OpenSSL 3), or else host.
//
// host: the name or address that you connect to, NUL-terminated; copied.
// port: 1 to 65535, or 0 if there is none.
// Returns TSC_OK, whether there was something to offer or not. With any other status ssl is as it
// was and may be used, without the cache: TSC_INVALID_ARGUMENT if ssl or host is NULL, host is
// empty, or port is over 65535; TSC_WRONG_STATE if the SSL_CTX of ssl is not attached, or the
// handshake has begun; TSC_UNSUPPORTED for DTLS and QUIC, for an SSL that asks for an OCSP status
// (see TSC_SSL_WITHOUT_STATUS), and for one that verifies by what cannot be read: DANE, policies
// (unless the endpoint has a verification), a callback that was made at run time (tsc_function_id),
// or on BoringSSL and AWS-LC a time; TSC_TOO_LARGE if a name is over TSC_MAX_NAME; TSC_NO_MEMORY.
static inline tsc_status tsc_ssl_begin(SSL *ssl, const char *host, uint32_t port);

// Does what tsc_ssl_begin does, for an endpoint that the caller describes.
//
// endpoint: not NULL; copied. Without a server name it gets the one that tsc_ssl_begin finds. If it
// has a verification, that counts in addition to what is read from ssl.
// Returns what tsc_ssl_begin returns.
static inline tsc_status tsc_ssl_begin_endpoint(SSL *ssl, const tsc_endpoint *endpoint);

// How many bytes tsc_ssl_endpoint needs.
#define TSC_SSL_VERIFICATION 32

// Completes an endpoint with what an SSL verifies, as tsc_ssl_begin_endpoint does.
//
// For tsc_config_available and tsc_config_forecast, which see no SSL. ssl may be one that is not
// going to connect.
//
// endpoint: as for tsc_ssl_begin_endpoint. It gets a server name, lent until ssl changes, and a
// verification, which is in room.
// room: TSC_SSL_VERIFICATION bytes.
// Returns what tsc_ssl_begin returns. Unless that is TSC_OK, endpoint is as it was.
static inline tsc_status tsc_ssl_endpoint(SSL *ssl, tsc_endpoint *endpoint, uint8_t *room);

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
// or the SSL_CTX of ssl, or what it verifies, has changed since. Nothing has changed then, and ssl
// may be used.
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
// handshake was a resumed one is read from ssl. It may be called at any time after the handshake,
// also within a renegotiation or between two halves of a ticket.
//
// If a fatal alert comes or is sent later, what the connection received is dropped when the SSL is
// freed, or when tsc_ssl_failed is called (RFC 8446, section 6).
//
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ssl is NULL; TSC_WRONG_STATE if ssl was not begun, its
// handshake is not done, a fatal alert has come or was sent, or it was established or failed
// before; TSC_CLOSED if it was begun before a fork.
static inline tsc_status tsc_ssl_established(SSL *ssl);

// Says that the attempt failed, whatever the reason.
//
// What the attempt received is discarded, and so is what it still receives. Call it before
// SSL_free, SSL_clear and SSL_shutdown. It reads from ssl what happened and reports these facts to
// tsc_attempt_failed, which decides what they mean:
//
// - TSC_FACT_SENT, unless nothing was handed to the transport.
// - TSC_FACT_HANDSHAKE_DONE, TSC_FACT_RESUMED.
// - TSC_FACT_TIMED_OUT, if the handshake waits for the server.
// - TSC_FACT_ALERT, if a fatal alert came after the handshake, as from a TLS 1.3 server that
//   rejects the client certificate, or was sent. Where the application has replaced the info
//   callback of ssl, alerts that were sent are not seen; with BoringSSL and AWS-LC none is.
//
// Only you know whether the attempt was cancelled because another one was faster, or because the
// user gave up. Then call, in place of this,
//
//     tsc_attempt_failed(tsc_ssl_attempt(ssl), TSC_FACT_SENT | TSC_FACT_CANCELLED);
//
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ssl is NULL; TSC_WRONG_STATE if ssl was not begun, failed
// before, or was established and there was no fatal alert; TSC_CLOSED if it was begun before a
// fork.
static inline tsc_status tsc_ssl_failed(SSL *ssl);

// ---- Client libraries that make the SSL themselves ----------------------------------------------

// Has a function called whenever a client handshake starts, before its first message is made.
//
// For an SSL_CTX whose SSLs a client library makes and does not show. Call it after tsc_ssl_attach
// and before the SSL_CTX is shared; call it again to change the function or, with NULL, to end it.
//
// libtsc then notices by itself when a handshake fails, and when the client library abandons one
// (SSL_free) while the server is silent, which counts as TSC_FACT_SENT | TSC_FACT_TIMED_OUT.
// The driver still says what only the driver knows: tsc_ssl_established after its login, or
// tsc_ssl_failed if that failed, in both cases while the library holds the SSL (as in the callback
// that reports the login).
//
// begin: calls tsc_ssl_begin (or tsc_ssl_begin_wait). It may also set the name to verify, note ssl
// for later, or do nothing, which leaves the handshake untouched. It runs on the thread that
// shakes hands. It is not called for an SSL that was begun by hand, nor for renegotiations.
// arg: passed to begin; has to outlive the SSL_CTX and its SSLs.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if ctx is NULL; TSC_WRONG_STATE if ctx is not attached;
// TSC_NO_MEMORY.
static inline tsc_status tsc_ssl_on_start(SSL_CTX *ctx, void (*begin)(void *arg, SSL *ssl),
                                          void *arg);

// ---- Callbacks, for applications that replace them ----------------------------------------------

// The new-session callback that tsc_ssl_attach installs.
//
// It calls the one that tsc_ssl_attach found there. To install a callback after attaching, call
// this one from yours, ignore what it returns, and return your own value.
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
// Whether the names that an SSL verifies can be read.
#if !defined(TSC_SSL_BORING_) && OPENSSL_VERSION_NUMBER >= 0x30000000L
#define TSC_SSL_NAMES_ 1
#endif

// ---- What an SSL_CTX and an SSL carry -----------------------------------------------------------

// What decides whom an SSL trusts and who it is, as bytes that are the same for two SSLs only if
// all of it is the same. When there are too many, their digest takes their place.
typedef struct {
    uint8_t bytes[1024];
    size_t length;
    tsc_status failed; // why they cannot be had, or TSC_OK
} tsc_ssl_notes_;

// What tsc_ssl_on_start was given, the two together: a handshake that starts meanwhile sees both or
// neither.
typedef struct tsc_ssl_starter_ {
    void (*begin)(void *arg, SSL *ssl);
    void *arg;
    struct tsc_ssl_starter_ *before; // of all that there were: a thread may be calling an older one
} tsc_ssl_starter_;

// What an SSL_CTX carries.
typedef struct {
    tsc_config *config;
    tsc_ssl_notes_ notes;                       // what the SSL_CTX verified when it was attached
    uint8_t verification[TSC_SSL_VERIFICATION]; // their digest, the config's
    X509_STORE *store; // what it trusted then; a reference, so that no other has its address
#ifndef TSC_SSL_BORING_
    // OpenSSL's own security callback, which has no name.
    int (*security)(const SSL *, const SSL_CTX *, int, int, int, void *, void *);
#endif
    // tsc_ssl_watch_: one for all source files that begin SSLs, as each has a copy of its own.
    void (*watch)(const SSL *, int, int);
    uint32_t flags;
    int (*next_new_session)(SSL *, SSL_SESSION *); // the application's callback, or NULL
    // Set by tsc_ssl_on_start.
    tsc_ssl_starter_ *starter, *starters;     // the present one, and the last that was new
    int has_info;                             // whether tsc_ssl_info is installed
    void (*next_info)(const SSL *, int, int); // the application's callback, or NULL
} tsc_ssl_attachment_;

// What an SSL carries.
typedef struct {
    tsc_attempt *attempt;
    // The attempt's, to see whether ssl still belongs to it.
    const tsc_config *config; // not to be used
    tsc_endpoint endpoint;    // only what was given as server name and verification
    uint8_t verification[TSC_SSL_VERIFICATION];
    int has_certificate;
    int verifies;                  // whether the server's certificate has to be good
    int64_t certificate_not_after; // the end of the client's, or 0
    uint32_t flags;
    uint32_t certificates; // of the peer's chain, once a session has come
    uint32_t certificate_bytes;
    // The offer, until the verdict.
    SSL_SESSION *offered; // a reference; NULL if nothing was offered
    BIO *transport;       // a reference to what ssl writes to, once it has one, or NULL
    uint64_t written;     // how much transport had taken before the ClientHello
    long handshakes;      // how many handshakes clients of the SSL_CTX had begun at the offer
    int lent;             // ssl was given a session to offer, and kept it until the handshake
    void (*watch)(const SSL *, int, int);     // that of the attachment
    void (*next_info)(const SSL *, int, int); // the callback of ssl that it took the place of
    // Kept by tsc_ssl_watch_ and tsc_ssl_info.
    int started;     // the handshake has started
    int done;        // the handshake was seen to be done
    int ended;       // and by a callback, at that moment
    int strange;     // ssl was not what it was when it was begun: nothing of it is kept
    int alerted;     // a fatal alert has come or was sent
    X509 *own;       // the client certificate at that moment, a reference
    int established; // the verdict was that the connection is established
    // Kept by tsc_ssl_info.
    int watched; // the function of tsc_ssl_on_start began the attempt
    int silent;  // the ClientHello has left, and the server has not finished the handshake
    // What a binding keeps with an attempt, and its last word before the attempt goes, or NULL. Its
    // SSL is NULL where it is not known, and may be half freed (tsc_ssl_before_handshake_).
    void *companion;
    void (*companion_free)(SSL *, void *companion);
} tsc_ssl_state_;

// Their ex_data indexes plus one, or 0. There is one copy per program or shared object, however
// many of its source files include this header: an SSL_CTX that one of them attached is attached
// for all.
#if defined(_WIN32)
__declspec(selectany) long tsc_ssl_attachment_index_ = 0;
__declspec(selectany) long tsc_ssl_state_index_ = 0;
__declspec(selectany) long tsc_ssl_store_index_ = 0;
#else
__attribute__((weak, visibility("hidden"))) long tsc_ssl_attachment_index_ = 0;
__attribute__((weak, visibility("hidden"))) long tsc_ssl_state_index_ = 0;
__attribute__((weak, visibility("hidden"))) long tsc_ssl_store_index_ = 0;
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

static inline tsc_ssl_starter_ *tsc_ssl_starter_read_(tsc_ssl_starter_ **slot) {
#if defined(_MSC_VER)
    return *(tsc_ssl_starter_ *volatile *)slot;
#else
    return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
#endif
}

// Sets a slot, unless it has changed.
static inline int tsc_ssl_starter_set_(tsc_ssl_starter_ **slot, tsc_ssl_starter_ *before,
                                       tsc_ssl_starter_ *starter) {
#if defined(_MSC_VER)
    return _InterlockedCompareExchangePointer((void *volatile *)slot, starter, before) == before;
#else
    return __atomic_compare_exchange_n(slot, &before, starter, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
#endif
}

// The starter of a function and its argument, or NULL.
static inline tsc_ssl_starter_ *tsc_ssl_starter_new_(tsc_ssl_starter_ **all,
                                                     void (*begin)(void *, SSL *), void *arg) {
    tsc_ssl_starter_ *it = tsc_ssl_starter_read_(all);
    while (it && (it->begin != begin || it->arg != arg))
        it = it->before;
    if (it)
        return it;
    it = (tsc_ssl_starter_ *)OPENSSL_malloc(sizeof *it);
    if (it) {
        it->begin = begin;
        it->arg = arg;
        do
            it->before = tsc_ssl_starter_read_(all);
        while (!tsc_ssl_starter_set_(all, it->before, it));
    }
    return it;
}

static inline tsc_ssl_attachment_ *tsc_ssl_attachment_of_(const SSL_CTX *ctx) {
    long index = tsc_ssl_index_(&tsc_ssl_attachment_index_, 0);
    return index && ctx ? (tsc_ssl_attachment_ *)SSL_CTX_get_ex_data(ctx, (int)index - 1) : NULL;
}

static inline tsc_ssl_state_ *tsc_ssl_state_of_(const SSL *ssl) {
    long index = tsc_ssl_index_(&tsc_ssl_state_index_, 0);
    return index && ssl ? (tsc_ssl_state_ *)SSL_get_ex_data(ssl, (int)index - 1) : NULL;
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

// Remembers what the ClientHello will be written to.
static inline void tsc_ssl_note_transport_(const SSL *ssl, tsc_ssl_state_ *state) {
    state->transport = SSL_get_wbio(ssl);
    if (state->transport) {
        BIO_up_ref(state->transport);
        state->written = BIO_number_written(state->transport);
    }
}

static inline void tsc_ssl_handshake_starts_(SSL *ssl, tsc_ssl_state_ *state);
static inline void tsc_ssl_handshake_ends_(SSL *ssl, tsc_ssl_state_ *state);

// Whether an info callback tells of a fatal alert, received or sent. In TLS 1.3 all but two are
// fatal, whatever level they have. A connection that just breaks off makes OpenSSL 3 send one that
// nobody reads, and says nothing of what it brought.
static inline int tsc_ssl_is_fatal_(const SSL *ssl, int where, int ret) {
    int level = ret >> 8, description = ret & 0xff;
    if (!(where & SSL_CB_ALERT) || description == SSL_AD_CLOSE_NOTIFY ||
        description == SSL_AD_USER_CANCELLED)
        return 0;
    if ((where & SSL_CB_WRITE) && description == SSL_AD_DECODE_ERROR)
        return 0;
    return level == SSL3_AL_FATAL || SSL_version(ssl) >= TLS1_3_VERSION;
}

// The info callback of an SSL that was begun. It sees whether the SSL is still what it was, when
// the handshake starts and when it ends; and fatal alerts, of which the callback that it calls may
// want to know.
static inline void tsc_ssl_watch_(const SSL *info_of, int where, int ret) {
    SSL *ssl = (SSL *)info_of; // const in this one place
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    void (*next)(const SSL *, int, int) = state ? state->next_info : NULL;
    int started = state && state->started; // an earlier handshake
    if (!next || next == tsc_ssl_watch_)   // that of a duplicate
        next = SSL_CTX_get_info_callback(SSL_get_SSL_CTX(ssl));
    if (state && tsc_ssl_is_fatal_(ssl, where, ret))
        state->alerted = 1;
    if (next)
        next(ssl, where, ret);
    // A duplicate (SSL_dup) of one that was offered a session has the callback and the session, and
    // no attempt: the session is not its own to offer.
    if (!state && (where & SSL_CB_HANDSHAKE_START) && tsc_ssl_before_handshake_(ssl))
        SSL_set_session(ssl, NULL);
    if (state && state == tsc_ssl_state_of_(ssl)) {
        if ((where & SSL_CB_HANDSHAKE_START) && state->started == started) // else tsc_ssl_info has
            tsc_ssl_handshake_starts_(ssl, state);
        if (where & SSL_CB_HANDSHAKE_DONE)
            tsc_ssl_handshake_ends_(ssl, state);
    }
}

// Takes the place of the info callback of an SSL, unless an attempt before this one did.
static inline void tsc_ssl_watch_start_(SSL *ssl, tsc_ssl_state_ *state,
                                        const tsc_ssl_attachment_ *attachment) {
    void (*found)(const SSL *, int, int) = SSL_get_info_callback(ssl);
    if (!found || found != state->watch) {
        state->next_info = found;
        state->watch = attachment->watch;
        SSL_set_info_callback(ssl, state->watch);
    }
}

// Whether nothing can have been sent since the offer. Neither SSL_clear nor another transport hides
// what was sent before. An application that has replaced the info callback since leaves less to go
// by: that no client of the SSL_CTX has begun a handshake.
static inline int tsc_ssl_wrote_nothing_(const SSL *ssl, const tsc_ssl_state_ *state) {
    if (state->transport)
        return BIO_number_written(state->transport) == state->written;
    if (state->watch && SSL_get_info_callback(ssl) == state->watch && !state->started)
        return 1;
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

// ---- How far the handshake has come -------------------------------------------------------------

// Whether the handshake of an attempt is done, however often the state machine has been back in a
// handshake since: for a post-handshake message of which a part is there, or for a renegotiation.
static inline int tsc_ssl_done_(const SSL *ssl, tsc_ssl_state_ *state) {
    if (tsc_ssl_before_handshake_(ssl))
        return 0; // cleared
    if (!state->done) {
        state->done = SSL_is_init_finished(ssl);
#ifndef TSC_SSL_BORING_
        uint8_t nothing[1];
        state->done = state->done || (SSL_get_finished(ssl, nothing, 0) > 0 &&
                                      SSL_get_peer_finished(ssl, nothing, 0) > 0);
#endif
    }
    return state->done;
}

// Whether a fatal alert has come or was sent since the handshake was done. An application that has
// replaced the info callback leaves less to go by: an alert that came is an end in the midst of a
// handshake. A connection that just breaks off is as fatal to OpenSSL, but the peer has not shut it
// down. Also called while the SSL is being freed, which NULL stands for where it is not known.
static inline int tsc_ssl_alerted_(const SSL *ssl, tsc_ssl_state_ *state) {
    if (!ssl || !tsc_ssl_done_(ssl, state))
        return !ssl && state->alerted;
    if (state->ended && SSL_get_info_callback(ssl) == state->watch)
        return state->alerted;
#ifdef TSC_SSL_BORING_
    return 0;
#else
    return SSL_in_init(ssl) && (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
#endif
}

// What tsc_attempt_failed is to be told.
static inline uint32_t tsc_ssl_facts_(const SSL *ssl, tsc_ssl_state_ *state) {
    uint32_t facts = TSC_FACT_SENT;
    if (SSL_session_reused(ssl))
        facts |= TSC_FACT_RESUMED;
    if (tsc_ssl_done_(ssl, state))
        return facts | TSC_FACT_HANDSHAKE_DONE |
               (tsc_ssl_alerted_(ssl, state) ? TSC_FACT_ALERT : 0);
    if (tsc_ssl_unsent_(ssl, state))
        return 0;
    if (SSL_want(ssl) == SSL_READING && SSL_get_rbio(ssl) && BIO_should_retry(SSL_get_rbio(ssl)))
        facts |= TSC_FACT_TIMED_OUT;
    return facts;
}

// ---- Making and freeing what they carry ---------------------------------------------------------

// Forgets the offer: there is a verdict on it.
static inline void tsc_ssl_offer_end_(tsc_ssl_state_ *state) {
    SSL_SESSION_free(state->offered);
    // The whole chain: from 3.2 on OpenSSL frees the SSL's BIOs before its ex_data, and has stopped
    // at the one that is referred to here. Where it has not freed them yet, this stops there, too.
    BIO_free_all(state->transport);
    state->offered = NULL;
    state->transport = NULL;
}

static inline void tsc_ssl_state_free_(SSL *ssl, tsc_ssl_state_ *state, int unsent) {
    if (state->companion_free)
        state->companion_free(ssl, state->companion);
    if (!unsent)
        tsc_attempt_sent(state->attempt);
    // The library has lost patience. The server may hang because of the session.
    if (state->silent)
        tsc_attempt_failed(state->attempt, TSC_FACT_SENT | TSC_FACT_TIMED_OUT);
    tsc_attempt_free(state->attempt);
    tsc_ssl_offer_end_(state);
    X509_free(state->own);
    OPENSSL_free(state);
}

static inline void tsc_ssl_attachment_free_(tsc_ssl_attachment_ *attachment) {
    tsc_ssl_starter_ *starter = attachment->starters;
    while (starter) {
        tsc_ssl_starter_ *before = starter->before;
        OPENSSL_free(starter);
        starter = before;
    }
    tsc_config_free(attachment->config);
    X509_STORE_free(attachment->store);
    OPENSSL_free(attachment);
}

static inline void tsc_ssl_on_ssl_free_(void *ssl, void *state, CRYPTO_EX_DATA *data, int index,
                                        long argl, void *argp) {
    (void)data, (void)index, (void)argl, (void)argp;
    tsc_ssl_state_ *of = (tsc_ssl_state_ *)state;
    if (!of)
        return;
    if (of->established && tsc_ssl_alerted_((const SSL *)ssl, of))
        tsc_attempt_failed(of->attempt, TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE | TSC_FACT_ALERT);
    // Newer BoringSSLs pass no SSL. Then the ticket counts as sent: better lost than sent twice.
    tsc_ssl_state_free_((SSL *)ssl, of,
                        ssl && tsc_ssl_before_handshake_((const SSL *)ssl) &&
                            tsc_ssl_wrote_nothing_((const SSL *)ssl, of));
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
#ifndef TSC_SSL_BORING_
    if (!tsc_ssl_index_(&tsc_ssl_store_index_, 0)) {
        made = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_X509_STORE, 0, NULL, NULL, NULL, NULL);
        if (made < 0)
            return 0;
        tsc_ssl_index_(&tsc_ssl_store_index_, made + 1L);
    }
#endif
    return 1;
}

// ---- What an SSL verifies -----------------------------------------------------------------------

static inline void tsc_ssl_note_end_(tsc_ssl_notes_ *notes, uint8_t digest[TSC_SSL_VERIFICATION]) {
    if (!EVP_Digest(notes->bytes, notes->length, digest, NULL, EVP_sha256(), NULL))
        notes->failed = TSC_NO_MEMORY;
}

static inline void tsc_ssl_note_bytes_(tsc_ssl_notes_ *notes, const void *from, size_t length) {
    const uint8_t *bytes = (const uint8_t *)from;
    while (length > 0) {
        size_t room = sizeof notes->bytes - notes->length;
        size_t part = length < room ? length : room;
        memcpy(notes->bytes + notes->length, bytes, part);
        notes->length += part;
        bytes += part;
        length -= part;
        if (notes->length == sizeof notes->bytes) {
            uint8_t digest[TSC_SSL_VERIFICATION];
            tsc_ssl_note_end_(notes, digest);
            memcpy(notes->bytes, digest, sizeof digest);
            notes->length = sizeof digest;
        }
    }
}

static inline void tsc_ssl_note_(tsc_ssl_notes_ *notes, uint64_t number) {
    if (sizeof notes->bytes - notes->length <= sizeof number) {
        tsc_ssl_note_bytes_(notes, &number, sizeof number);
        return;
    }
    memcpy(notes->bytes + notes->length, &number, sizeof number); // a single instruction
    notes->length += sizeof number;
}

// Bytes of any number, preceded by it.
static inline void tsc_ssl_note_text_(tsc_ssl_notes_ *notes, const void *text, size_t length) {
    tsc_ssl_note_(notes, length);
    tsc_ssl_note_bytes_(notes, text, length);
}

// A trust store by a number that no other ever has; its address is another's once it is freed.
static inline void tsc_ssl_note_store_(tsc_ssl_notes_ *notes, X509_STORE *store) {
    uintptr_t number = 0;
#ifdef TSC_SSL_BORING_
    // Nothing can be kept with it there: so it is like none, not even itself.
    (void)store;
    if (!RAND_bytes((unsigned char *)&number, sizeof number))
        notes->failed = TSC_NO_MEMORY;
#else
    int index = (int)tsc_ssl_index_(&tsc_ssl_store_index_, 0) - 1;
    if (index < 0 || !X509_STORE_lock(store)) {
        notes->failed = TSC_NO_MEMORY;
        return;
    }
    number = (uintptr_t)X509_STORE_get_ex_data(store, index);
    if (!number && (RAND_bytes((unsigned char *)&number, sizeof number) != 1 ||
                    !X509_STORE_set_ex_data(store, index, (void *)(number |= 1))))
        notes->failed = TSC_NO_MEMORY;
    X509_STORE_unlock(store);
#endif
    tsc_ssl_note_(notes, number);
}

// A callback, by what it is and not by its address, which is another's once its library is
// unloaded. One that was made at run time has nothing else.
static inline void tsc_ssl_note_callback_(tsc_ssl_notes_ *notes, void (*callback)(void)) {
    uint8_t id[TSC_FUNCTION_ID];
    if (!callback)
        tsc_ssl_note_(notes, 0);
    else if (tsc_function_id(callback, id) == TSC_OK)
        tsc_ssl_note_bytes_(notes, id, sizeof id);
    else
        notes->failed = TSC_UNSUPPORTED;
}

// A certificate, by its signature: no two have the same, and it is there to be read.
static inline void tsc_ssl_note_certificate_(tsc_ssl_notes_ *notes, const X509 *certificate) {
    const ASN1_BIT_STRING *signature = NULL;
    X509_get0_signature(&signature, NULL, certificate);
    tsc_ssl_note_text_(notes, ASN1_STRING_get0_data(signature),
                       (size_t)ASN1_STRING_length(signature));
}

// The private key that an SSL may show without a certificate (RFC 7250), or NULL.
static inline EVP_PKEY *tsc_ssl_raw_key_(SSL *ssl) {
#if !defined(TSC_SSL_BORING_) && OPENSSL_VERSION_NUMBER >= 0x30200000L
    unsigned char *types = NULL;
    size_t length = 0;
    if (SSL_get0_client_cert_type(ssl, &types, &length) && types &&
        memchr(types, TLSEXT_cert_type_rpk, length))
        return SSL_get_privatekey(ssl);
#endif
    (void)ssl;
    return NULL;
}

// Such a key, by its public half.
static inline void tsc_ssl_note_raw_key_(tsc_ssl_notes_ *notes, EVP_PKEY *key) {
#if !defined(TSC_SSL_BORING_) && OPENSSL_VERSION_NUMBER >= 0x30200000L
    unsigned char *der = NULL;
    int length = i2d_PUBKEY(key, &der);
    if (length > 0)
        tsc_ssl_note_text_(notes, der, (size_t)length);
    else
        notes->failed = TSC_UNSUPPORTED;
    OPENSSL_free(der);
#else
    (void)notes, (void)key;
#endif
}

// The client's certificates. There is one for each type of key, and the handshake makes the one
// that it uses the current one; so does the setting of a key, even if that has no certificate.
static inline void tsc_ssl_note_certificates_(tsc_ssl_notes_ *notes, SSL *ssl) {
    X509 *current = SSL_get_certificate(ssl);
    EVP_PKEY *raw = tsc_ssl_raw_key_(ssl);
    if (raw)
        tsc_ssl_note_raw_key_(notes, raw);
#ifndef TSC_SSL_BORING_
    if (SSL_get_privatekey(ssl)) {
        long more = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST);
        for (; more; more = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT))
            tsc_ssl_note_certificate_(notes, SSL_get_certificate(ssl));
        if (current)
            SSL_select_current_cert(ssl, current);
        return;
    }
#endif
    if (current)
        tsc_ssl_note_certificate_(notes, current);
}

static inline int tsc_ssl_same_name_(const char *name, const tsc_endpoint *endpoint) {
    size_t length = strlen(name), i;
    if (length != endpoint->server_name_len)
        return 0;
    for (i = 0; i < length; i++) {
        uint8_t a = (uint8_t)name[i], b = endpoint->server_name[i];
        if (a != b && ((a | 32) != (b | 32) || (a | 32) < 'a' || (a | 32) > 'z'))
            return 0;
    }
    return 1;
}

#ifdef TSC_SSL_NAMES_
// Whether a name is written like an address, as no name of a host is.
static inline int tsc_ssl_like_address_(const char *name) {
    return strchr(name, ':') || name[strspn(name, "0123456789.")] == 0;
}

// The names and addresses that the certificate has to be for. Most often that is the server name,
// which stands by itself; endpoint NULL: whatever it is.
static inline void tsc_ssl_note_names_(tsc_ssl_notes_ *notes, X509_VERIFY_PARAM *param,
                                       const tsc_endpoint *endpoint) {
    const char *name = X509_VERIFY_PARAM_get0_host(param, 0), *email;
    char *address = X509_VERIFY_PARAM_get1_ip_asc(param);
    // A server name like an address is verified as one. To verify it as a name is another matter.
    const char *only = name && address ? NULL : name ? name : address;
    int several = name && (X509_VERIFY_PARAM_get0_host(param, 1) || tsc_ssl_like_address_(name)), i;
    if (!endpoint || (only && !several && tsc_ssl_same_name_(only, endpoint))) {
        tsc_ssl_note_(notes, 1);
    } else {
        tsc_ssl_note_(notes, 2);
        for (i = 0; (name = X509_VERIFY_PARAM_get0_host(param, i)) != NULL; i++)
            tsc_ssl_note_text_(notes, name, strlen(name));
        tsc_ssl_note_text_(notes, NULL, 0);
        tsc_ssl_note_text_(notes, address, address ? strlen(address) : 0);
    }
    OPENSSL_free(address);
    email = X509_VERIFY_PARAM_get0_email(param);
    tsc_ssl_note_text_(notes, email, email ? strlen(email) : 0);
}
#endif

// How certificates are verified, but for the names that they have to be for.
static inline void tsc_ssl_note_param_(tsc_ssl_notes_ *notes, X509_VERIFY_PARAM *param) {
    tsc_ssl_note_(notes, X509_VERIFY_PARAM_get_flags(param));
    tsc_ssl_note_(notes, (uint64_t)X509_VERIFY_PARAM_get_depth(param));
#ifndef OPENSSL_IS_BORINGSSL
    tsc_ssl_note_(notes, X509_VERIFY_PARAM_get_hostflags(param));
#endif
#ifndef TSC_SSL_BORING_
    tsc_ssl_note_(notes, (uint64_t)X509_VERIFY_PARAM_get_auth_level(param));
    tsc_ssl_note_(notes, X509_VERIFY_PARAM_get_inh_flags(param));
    if (X509_VERIFY_PARAM_get_flags(param) & X509_V_FLAG_USE_CHECK_TIME)
        tsc_ssl_note_(notes, (uint64_t)X509_VERIFY_PARAM_get_time(param));
#endif
#if !defined(TSC_SSL_BORING_) && OPENSSL_VERSION_NUMBER >= 0x30500000L
    tsc_ssl_note_(notes, (uint64_t)X509_VERIFY_PARAM_get_purpose(param));
#endif
}

// A function of a trust store, by its place in the list. Most often there is none.
static inline void tsc_ssl_note_function_(tsc_ssl_notes_ *notes, uint64_t place,
                                          void (*function)(void)) {
    if (!function)
        return;
    tsc_ssl_note_(notes, place);
    tsc_ssl_note_callback_(notes, function);
}

// The rules that come with a trust store. OpenSSL goes by each of them that the SSL does not set
// itself, names to verify among them.
static inline void tsc_ssl_note_rules_(tsc_ssl_notes_ *notes, X509_STORE *store) {
    X509_VERIFY_PARAM *param;
    if (!store)
        return;
    param = X509_STORE_get0_param(store);
    tsc_ssl_note_param_(notes, param);
#ifdef TSC_SSL_NAMES_
    {
        tsc_endpoint nobody; // so that a name is noted, if the store has one
        memset(&nobody, 0, sizeof nobody);
        tsc_ssl_note_names_(notes, param, &nobody);
    }
#endif
#ifndef TSC_SSL_BORING_
    tsc_ssl_note_function_(notes, 1, (void (*)(void))X509_STORE_get_verify_cb(store));
    tsc_ssl_note_function_(notes, 2, (void (*)(void))X509_STORE_get_check_revocation(store));
    tsc_ssl_note_function_(notes, 3, (void (*)(void))X509_STORE_get_verify(store));
    tsc_ssl_note_function_(notes, 4, (void (*)(void))X509_STORE_get_get_issuer(store));
    tsc_ssl_note_function_(notes, 5, (void (*)(void))X509_STORE_get_check_issued(store));
    tsc_ssl_note_function_(notes, 6, (void (*)(void))X509_STORE_get_get_crl(store));
    tsc_ssl_note_function_(notes, 7, (void (*)(void))X509_STORE_get_check_crl(store));
    tsc_ssl_note_function_(notes, 8, (void (*)(void))X509_STORE_get_cert_crl(store));
    tsc_ssl_note_function_(notes, 9, (void (*)(void))X509_STORE_get_check_policy(store));
    tsc_ssl_note_function_(notes, 10, (void (*)(void))X509_STORE_get_lookup_certs(store));
    tsc_ssl_note_function_(notes, 11, (void (*)(void))X509_STORE_get_lookup_crls(store));
#endif
    tsc_ssl_note_(notes, 0);
}

// What an SSL verifies and is.
//
// endpoint: with its server name; NULL for the SSL of a program that verifies that name, whatever
// it is, if it verifies at all.
// certificate: whether the client certificate counts.
static inline void tsc_ssl_note_all_(SSL *ssl, const tsc_ssl_attachment_ *attachment,
                                     const tsc_endpoint *endpoint, int certificate,
                                     tsc_ssl_notes_ *notes) {
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    STACK_OF(SSL_CIPHER) *ciphers = SSL_get_ciphers(ssl);
    int mode = SSL_get_verify_mode(ssl), count = ciphers ? (int)sk_SSL_CIPHER_num(ciphers) : 0, i;
    int (*callback)(int, X509_STORE_CTX *) = SSL_get_verify_callback(ssl);
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    const char *sni = endpoint ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : NULL;
    uint16_t ids[64];
    notes->length = 0;
    notes->failed = TSC_OK;

    tsc_ssl_note_(notes, (uint64_t)mode);
    tsc_ssl_note_callback_(notes, (void (*)(void))callback);
    // Most often the SNI name is the server name, which stands by itself.
    if (sni && !tsc_ssl_same_name_(sni, endpoint))
        tsc_ssl_note_text_(notes, sni, strlen(sni));
    // SSL_CTXs of one identity have a store each, and vouch for its being the same. One that was
    // set later is another.
    if (!store || store == attachment->store)
        tsc_ssl_note_(notes, store ? 0 : 1);
    else
        tsc_ssl_note_store_(notes, store);
    tsc_ssl_note_rules_(notes, store);
    tsc_ssl_note_param_(notes, param);
#ifndef TSC_SSL_BORING_
    tsc_ssl_note_(notes, (uint64_t)SSL_get_security_level(ssl));
    if (SSL_get_security_callback(ssl) != attachment->security)
        tsc_ssl_note_callback_(notes, (void (*)(void))SSL_get_security_callback(ssl));
    else
        tsc_ssl_note_(notes, 0);
    store = NULL;
    SSL_get0_verify_cert_store(ssl, &store);
    if (store)
        tsc_ssl_note_store_(notes, store);
    else
        tsc_ssl_note_(notes, 0);
    tsc_ssl_note_rules_(notes, store);
    tsc_ssl_note_(notes, (uint64_t)SSL_get_tlsext_status_type(ssl));
#ifndef OPENSSL_NO_CT
    tsc_ssl_note_(notes, (uint64_t)SSL_ct_is_enabled(ssl));
#endif
#endif
#if !defined(TSC_SSL_BORING_) && OPENSSL_VERSION_NUMBER >= 0x30200000L
    {
        unsigned char *types = NULL;
        size_t length = 0;
        if (SSL_get0_server_cert_type(ssl, &types, &length))
            tsc_ssl_note_text_(notes, types, types ? length : 0);
        types = NULL;
        length = 0;
        if (SSL_get0_client_cert_type(ssl, &types, &length))
            tsc_ssl_note_text_(notes, types, types ? length : 0);
    }
#endif
#if OPENSSL_VERSION_NUMBER >= 0x40000000L && !defined(OPENSSL_NO_ECH)
    {
        // The handshake fails if the server does not take part in this. But OpenSSL does not look
        // if that resumes a session of TLS 1.2, which no handshake with it can have made.
        OSSL_ECHSTORE *hiding = SSL_get1_echstore(ssl);
        tsc_ssl_note_(notes, hiding != NULL);
        OSSL_ECHSTORE_free(hiding);
    }
#endif
    tsc_ssl_note_(notes, (uint64_t)SSL_get_options(ssl));
    tsc_ssl_note_(notes, (uint64_t)SSL_get_min_proto_version(ssl));
    tsc_ssl_note_(notes, (uint64_t)SSL_get_max_proto_version(ssl));
    tsc_ssl_note_(notes, (uint64_t)count);
    for (i = 0; i < count; i++) {
        ids[i % 64] = (uint16_t)SSL_CIPHER_get_id(sk_SSL_CIPHER_value(ciphers, i));
        if (i % 64 == 63 || i == count - 1)
            tsc_ssl_note_bytes_(notes, ids, (size_t)(i % 64 + 1) * sizeof *ids);
    }
    if (certificate)
        tsc_ssl_note_certificates_(notes, ssl);
#ifdef TSC_SSL_NAMES_
    if (!endpoint && !(mode & SSL_VERIFY_PEER)) {
        tsc_endpoint nobody; // as an SSL without a name to verify has it
        memset(&nobody, 0, sizeof nobody);
        tsc_ssl_note_names_(notes, param, &nobody);
    } else {
        tsc_ssl_note_names_(notes, param, endpoint);
    }
#endif
    if (endpoint && endpoint->verification_len > 0)
        tsc_ssl_note_text_(notes, endpoint->verification, endpoint->verification_len);
}

// The digest of what an SSL verifies and is. Returns TSC_OK; TSC_UNSUPPORTED if it cannot be told;
// or TSC_NO_MEMORY.
static inline tsc_status tsc_ssl_verification_(SSL *ssl, const tsc_ssl_attachment_ *attachment,
                                               const tsc_endpoint *endpoint, int certificate,
                                               uint8_t digest[TSC_SSL_VERIFICATION]) {
    tsc_ssl_notes_ notes;
    tsc_ssl_note_all_(ssl, attachment, endpoint, certificate, &notes);
    // Most often nothing was set on the SSL itself, and a digest costs more than all the rest.
    if (notes.length == attachment->notes.length &&
        memcmp(notes.bytes, attachment->notes.bytes, notes.length) == 0)
        memcpy(digest, attachment->verification, TSC_SSL_VERIFICATION);
    else
        tsc_ssl_note_end_(&notes, digest);
    return notes.failed;
}

// Whether DANE is enabled on an SSL: then a record of a usage that does not exist is a bad record;
// otherwise there is nothing to add it to. What is enabled, and by which records, cannot be read.
static inline int tsc_ssl_dane_(SSL *ssl) {
#ifdef TSC_SSL_BORING_
    (void)ssl;
    return 0;
#else
    return SSL_dane_tlsa_add(ssl, 255, 0, 0, NULL, 0) >= 0;
#endif
}

// Whether an SSL asks for an OCSP status that a resumed handshake does not bring.
static inline int tsc_ssl_wants_status_(SSL *ssl) {
#ifdef TSC_SSL_BORING_
    (void)ssl;
    return 0;
#else
    return SSL_get_tlsext_status_type(ssl) != -1;
#endif
}

// Whether an SSL verifies by what cannot be read, of which the caller has said nothing.
static inline int tsc_ssl_hides_(SSL *ssl, const tsc_endpoint *endpoint) {
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    unsigned long flags = X509_VERIFY_PARAM_get_flags(SSL_get0_param(ssl));
    if (store)
        flags |= X509_VERIFY_PARAM_get_flags(X509_STORE_get0_param(store));
#ifdef TSC_SSL_BORING_
    if (flags & X509_V_FLAG_USE_CHECK_TIME)
        return 1;
#else
    store = NULL;
    SSL_get0_verify_cert_store(ssl, &store);
    if (store)
        flags |= X509_VERIFY_PARAM_get_flags(X509_STORE_get0_param(store));
#endif
    return (flags & X509_V_FLAG_POLICY_CHECK) && endpoint->verification_len == 0;
}

// Whether the client may show a certificate: its session then is that client, whoever gets hold of
// it.
static inline int tsc_ssl_may_show_certificate_(SSL *ssl) {
    if (SSL_get_certificate(ssl) || tsc_ssl_raw_key_(ssl))
        return 1;
#ifdef TSC_SSL_BORING_
    return 0; // which callbacks there are cannot be read
#else
    return SSL_CTX_get_client_cert_cb(SSL_get_SSL_CTX(ssl)) != NULL;
#endif
}

// tsc_ssl_endpoint, which may leave errors in the queue.
static inline tsc_status tsc_ssl_endpoint_of_(SSL *ssl, const tsc_ssl_attachment_ *attachment,
                                              tsc_endpoint *endpoint, uint8_t *room) {
    tsc_endpoint it = *endpoint;
    tsc_status status;
    const char *name;
    if (SSL_is_dtls(ssl) || SSL_version(ssl) == 1 /* OSSL_QUIC1_VERSION */ || tsc_ssl_dane_(ssl) ||
        tsc_ssl_hides_(ssl, &it) ||
        (tsc_ssl_wants_status_(ssl) && !(attachment->flags & TSC_SSL_WITHOUT_STATUS)))
        return TSC_UNSUPPORTED;
    if (it.verification_len > TSC_MAX_NAME)
        return TSC_TOO_LARGE;
    if (it.server_name_len == 0) {
        name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
#ifdef TSC_SSL_NAMES_
        if (!name)
            name = X509_VERIFY_PARAM_get0_host(SSL_get0_param(ssl), 0);
#endif
        it.server_name = name ? (const uint8_t *)name : it.host;
        it.server_name_len = name ? strlen(name) : it.host_len;
    }
    status = tsc_ssl_verification_(ssl, attachment, &it, 1, room);
    if (status != TSC_OK)
        return status;
    it.verification = room;
    it.verification_len = TSC_SSL_VERIFICATION;
    if (tsc_ssl_may_show_certificate_(ssl))
        it.flags |= TSC_ENDPOINT_CLIENT_CERTIFICATE;
    *endpoint = it;
    return TSC_OK;
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
#ifdef TSC_SSL_BORING_
    ASN1_TIME *epoch = certificate ? ASN1_TIME_set(NULL, 0) : NULL;
    if (epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate))) {
        end = (int64_t)days * 86400 + seconds;
        end = end > 0 ? end : 1; // as below
    }
    ASN1_TIME_free(epoch);
#else
    // The same without memory.
    struct tm epoch, last;
    memset(&epoch, 0, sizeof epoch);
    epoch.tm_year = 70;
    epoch.tm_mday = 1;
    if (certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &last) &&
        OPENSSL_gmtime_diff(&days, &seconds, &epoch, &last)) {
        end = (int64_t)days * 86400 + seconds;
        end = end > 0 ? end : 1; // 0 would say "not known", and this one ended before 1970
    }
#endif
    return end;
}

static inline int64_t tsc_ssl_earlier_(int64_t one, int64_t other) { // 0: never
    return one && (!other || one < other) ? one : other;
}

// Whether an SSL has forgotten what it was set to, as BoringSSL and AWS-LC do with
// SSL_set_shed_handshake_config. Asked for its verify mode then, builds with assertions abort.
// There are no parameters to set here, and only nothing to set them on.
static inline int tsc_ssl_forgot_(SSL *ssl) {
#ifdef TSC_SSL_BORING_
    return !SSL_set1_param(ssl, NULL);
#else
    (void)ssl;
    return 0;
#endif
}

// Reads what decides how long a session may be kept, and what ssl may have forgotten when one
// comes.
static inline void tsc_ssl_read_ends_(const SSL *ssl, tsc_ssl_state_ *state) {
    state->verifies = (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0;
    state->certificate_not_after = tsc_ssl_not_after_(SSL_get_certificate(ssl));
}

static inline tsc_session_info tsc_ssl_session_info_(const SSL *ssl, const tsc_ssl_state_ *state,
                                                     SSL_SESSION *session) {
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
    // Nobody relies on a certificate that was found wanting, and taken all the same.
    if (state->verifies || SSL_get_verify_result(ssl) == X509_V_OK)
        info.not_after = tsc_ssl_not_after_(SSL_SESSION_get0_peer(session));
    info.not_after = tsc_ssl_earlier_(info.not_after, state->certificate_not_after);
    return info;
}

// Whether an SSL still verifies, and is, what it did when it was begun.
static inline int tsc_ssl_is_same_(SSL *ssl, const tsc_ssl_state_ *state, int certificate) {
    const tsc_ssl_attachment_ *attachment = tsc_ssl_attachment_of_(SSL_get_SSL_CTX(ssl));
    uint8_t now[TSC_SSL_VERIFICATION];
    if (!attachment || attachment->config != state->config)
        return 0;
    if (tsc_ssl_forgot_(ssl))
        return 1; // and nothing can be set any more
    return !tsc_ssl_dane_(ssl) &&
           tsc_ssl_verification_(ssl, attachment, &state->endpoint, certificate, now) == TSC_OK &&
           memcmp(now, state->verification, sizeof now) == 0;
}

// The same within the handshake and after it. Within it a callback may choose a client certificate.
// Another one after it is another identity, which the server may have asked for (post-handshake
// authentication, renegotiation), and for which it issues sessions.
//
// What else is set after a handshake of TLS 1.3 verifies nothing any more, as there is no other.
static inline int tsc_ssl_is_as_begun_(SSL *ssl, const tsc_ssl_state_ *state) {
    const tsc_ssl_attachment_ *attachment;
    if (state->strange)
        return 0;
    if (state->ended && !tsc_ssl_forgot_(ssl) && SSL_get_certificate(ssl) != state->own)
        return 0;
    if (state->ended && SSL_version(ssl) >= TLS1_3_VERSION && !tsc_ssl_raw_key_(ssl)) {
        attachment = tsc_ssl_attachment_of_(SSL_get_SSL_CTX(ssl));
        return attachment && attachment->config == state->config;
    }
    return tsc_ssl_is_same_(ssl, state, state->has_certificate);
}

// Counts the peer's certificates, which the sessions of a connection share.
static inline void tsc_ssl_count_certificates_(const SSL *ssl, tsc_ssl_state_ *state) {
    const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    int count = sk_X509_num(chain), i; // -1: no chain
    for (i = 0; i < count; i++) {
        int bytes = i2d_X509(sk_X509_value(chain, i), NULL);
        state->certificates++;
        state->certificate_bytes += bytes > 0 ? (uint32_t)bytes : 0;
    }
}

// About how many bytes a session would be as bytes, beside certificates: its ticket, keys and
// names. To serialise it would tell, and take longer than all the rest.
static inline size_t tsc_ssl_session_length_(const SSL_SESSION *session) {
    const unsigned char *ticket;
    size_t length;
    SSL_SESSION_get0_ticket(session, &ticket, &length);
    return length + 256;
}

// Whether a session is for connections like this one, as far as it shows. A server that showed no
// certificate, as with a pre-shared key, is none that others verify. And where a maximum fragment
// length was agreed, only an SSL that asks for the same can resume, but what it asks for cannot be
// read.
static inline int tsc_ssl_session_is_usual_(const SSL_SESSION *session) {
#ifndef TSC_SSL_BORING_
    if (SSL_SESSION_get_max_fragment_length(session) != TLSEXT_max_fragment_length_DISABLED)
        return 0;
#endif
#if !defined(TSC_SSL_BORING_) && OPENSSL_VERSION_NUMBER >= 0x30200000L
    if (SSL_SESSION_get0_peer_rpk((SSL_SESSION *)session))
        return 1;
#endif
    return SSL_SESSION_get0_peer((SSL_SESSION *)session) != NULL;
}

// Whether the handshake found that the certificate is not valid for a name to verify, and went on
// (SSL_VERIFY_NONE). A resumed handshake repeats that result. So where names cannot be read, an SSL
// that verifies another name, for which the certificate is valid, would report a mismatch, too.
static inline int tsc_ssl_is_misnamed_(SSL *ssl) {
#ifdef TSC_SSL_ALL_NAMES_
    (void)ssl;
    return 0;
#else
    long result = SSL_get_verify_result(ssl);
    return result == X509_V_ERR_EMAIL_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH
#ifndef TSC_SSL_NAMES_
           || result == X509_V_ERR_HOSTNAME_MISMATCH
#endif
        ;
#endif
}

// Gives a session that came over the wire to the attempt. The caller's reference stays the
// caller's.
static inline void tsc_ssl_session_receive_(SSL *ssl, tsc_ssl_state_ *state, SSL_SESSION *session) {
    if (!tsc_ssl_forgot_(ssl))
        tsc_ssl_read_ends_(ssl, state);
    tsc_session_info info = tsc_ssl_session_info_(ssl, state, session);
    // A session with neither id nor ticket cannot be resumed. In TLS 1.3 an id is made up or
    // echoed, and only a ticket counts. And an SSL whose SSL_CTX or verification has changed since
    // it was begun is no longer the one that the session would be kept for. Nor is one that resumed
    // a session of the application's own: who knows what was verified for that.
    if (SSL_is_server(ssl) || (SSL_session_reused(ssl) && !state->lent) ||
        !SSL_SESSION_is_resumable(session) ||
        (info.tls_version >= TLS1_3_VERSION && !SSL_SESSION_has_ticket(session)) ||
        !tsc_ssl_session_is_usual_(session) || tsc_ssl_is_misnamed_(ssl) ||
        !tsc_ssl_is_as_begun_(ssl, state))
        return;
    if (state->flags & TSC_SSL_SERIALISE) {
        int length = i2d_SSL_SESSION(session, NULL);
        if (length <= 0)
            return;
        unsigned char *bytes = (unsigned char *)OPENSSL_malloc((size_t)length), *end = bytes;
        if (bytes && i2d_SSL_SESSION(session, &end) == length)
            tsc_attempt_receive(state->attempt, &info, sizeof info, bytes, (size_t)length);
        if (bytes)
            OPENSSL_cleanse(bytes, (size_t)length);
        OPENSSL_free(bytes);
    } else {
        SSL_SESSION *own = tsc_ssl_session_own_(session);
        if (!state->certificates)
            tsc_ssl_count_certificates_(ssl, state);
        info.certificates = state->certificates;
        info.certificate_bytes = state->certificate_bytes;
        if (!own || tsc_attempt_receive_object(state->attempt, &info, sizeof info, own,
                                               tsc_ssl_session_length_(session),
                                               tsc_ssl_session_release_) != TSC_OK)
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

// Whether all names to verify can be read. From OpenSSL 4 on there may be several addresses and
// emails, of which only the first can.
#if defined(TSC_SSL_NAMES_) && OPENSSL_VERSION_NUMBER < 0x40000000L
#define TSC_SSL_ALL_NAMES_ 1
#elif defined(TSC_SSL_NAMES_)
static inline int tsc_ssl_hides_names_(X509_VERIFY_PARAM *param) {
    char *address = X509_VERIFY_PARAM_get1_ip_asc(param);
    int hides = address || X509_VERIFY_PARAM_get0_email(param);
    OPENSSL_free(address);
    return hides;
}
#endif

// Whether the certificate of a session is one for the names that an SSL verifies. Where these can
// be read, sessions are kept apart by them, and it is.
static inline int tsc_ssl_session_fits_(SSL *ssl, SSL_SESSION *session) {
#ifdef TSC_SSL_ALL_NAMES_
    (void)ssl, (void)session;
    return 1;
#else
    // The check of names is the library's own, part of a verification of which nothing else is
    // left: the certificate is trusted by itself, and whoever made the session has verified the
    // rest.
    X509 *peer = SSL_SESSION_get0_peer(session);
    X509_STORE *store, *trusted = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    X509_STORE_CTX *check;
    X509_VERIFY_PARAM *param;
    int fits = !peer && !(SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER);
#ifndef TSC_SSL_BORING_
    X509_STORE *own = NULL;
    SSL_get0_verify_cert_store(ssl, &own);
    trusted = own ? own : trusted;
#endif
#ifdef TSC_SSL_NAMES_
    if (!tsc_ssl_hides_names_(SSL_get0_param(ssl)) &&
        !(trusted && tsc_ssl_hides_names_(X509_STORE_get0_param(trusted))))
        return 1;
#endif
    store = peer ? X509_STORE_new() : NULL;
    check = X509_STORE_CTX_new();
    param = X509_VERIFY_PARAM_new();
    // As the library does: the names of the trust store, where the SSL has none.
    if (store && check && param &&
        (!trusted || X509_VERIFY_PARAM_set1(param, X509_STORE_get0_param(trusted))) &&
        X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl)) && X509_STORE_add_cert(store, peer) &&
        X509_STORE_CTX_init(check, store, peer, NULL)) {
        X509_VERIFY_PARAM_clear_flags(param, X509_VERIFY_PARAM_get_flags(param));
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
        X509_VERIFY_PARAM_set_depth(param, 1);
#ifndef TSC_SSL_BORING_
        X509_VERIFY_PARAM_set_auth_level(param, 0);
#endif
        X509_STORE_CTX_set0_param(check, param);
        param = NULL;
        fits = X509_verify_cert(check) == 1;
    }
    X509_VERIFY_PARAM_free(param);
    X509_STORE_CTX_free(check);
    X509_STORE_free(store);
    return fits;
#endif
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

// Notes what an SSL_CTX verifies, as its SSLs have it. Gives one of them, for the caller to free,
// or NULL.
static inline SSL *tsc_ssl_sample_(SSL_CTX *ctx, tsc_ssl_attachment_ *attachment) {
    SSL *sample;
    attachment->store = SSL_CTX_get_cert_store(ctx);
    if (attachment->store)
        X509_STORE_up_ref(attachment->store);
#ifndef TSC_SSL_BORING_
    {
        SSL_CTX *fresh = SSL_CTX_new(TLS_method());
        attachment->security = fresh ? SSL_CTX_get_security_callback(fresh) : NULL;
        SSL_CTX_free(fresh);
    }
#endif
    sample = SSL_new(ctx);
    if (sample)
        tsc_ssl_note_all_(sample, attachment, NULL, 1, &attachment->notes);
    return sample;
}

#ifndef TSC_SSL_BORING_
static inline int tsc_ssl_compare_digests_(const void *a, const void *b) {
    return memcmp(a, b, TSC_SSL_IDENTITY);
}

// The digest of a certificate, with the uses that it is trusted for, or of a revocation list.
static inline int tsc_ssl_object_digest_(const X509_OBJECT *object, uint8_t *digest) {
    unsigned char *der = NULL;
    int length = -1;
    if (X509_OBJECT_get_type(object) == X509_LU_X509)
        length = i2d_X509_AUX(X509_OBJECT_get0_X509(object), &der);
    else if (X509_OBJECT_get_type(object) == X509_LU_CRL)
        length = i2d_X509_CRL(X509_OBJECT_get0_X509_CRL((X509_OBJECT *)object), &der);
    length = length > 0 && EVP_Digest(der, (size_t)length, digest, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return length;
}

// What is in a trust store, to be given back by tsc_ssl_objects_end_; or NULL.
static inline STACK_OF(X509_OBJECT) * tsc_ssl_objects_(X509_STORE *store) {
#if OPENSSL_VERSION_NUMBER >= 0x30300000L
    return X509_STORE_get1_objects(store);
#else
    return X509_STORE_lock(store) ? X509_STORE_get0_objects(store) : NULL;
#endif
}

static inline void tsc_ssl_objects_end_(X509_STORE *store, STACK_OF(X509_OBJECT) * objects) {
#if OPENSSL_VERSION_NUMBER >= 0x30300000L
    (void)store;
    sk_X509_OBJECT_pop_free(objects, X509_OBJECT_free);
#else
    if (objects)
        X509_STORE_unlock(store);
#endif
}

static inline int tsc_ssl_count_objects_(X509_STORE *store) {
    STACK_OF(X509_OBJECT) *objects = tsc_ssl_objects_(store);
    int count = objects ? sk_X509_OBJECT_num(objects) : -1;
    tsc_ssl_objects_end_(store, objects);
    return count;
}

// What is in a trust store, in whichever order.
static inline void tsc_ssl_note_contents_(tsc_ssl_notes_ *notes, X509_STORE *store) {
    STACK_OF(X509_OBJECT) *objects = tsc_ssl_objects_(store);
    int count = objects ? sk_X509_OBJECT_num(objects) : -1, good, i;
    size_t size = count > 0 ? (size_t)count * TSC_SSL_IDENTITY : 0;
    uint8_t *digests = size ? (uint8_t *)OPENSSL_malloc(size) : NULL;
    good = count == 0 || (count > 0 && digests);
    for (i = 0; good && i < count; i++)
        good = tsc_ssl_object_digest_(sk_X509_OBJECT_value(objects, i),
                                      digests + (size_t)i * TSC_SSL_IDENTITY);
    tsc_ssl_objects_end_(store, objects);
    if (good && digests)
        qsort(digests, size / TSC_SSL_IDENTITY, TSC_SSL_IDENTITY, tsc_ssl_compare_digests_);
    if (good)
        tsc_ssl_note_text_(notes, digests, size);
    else
        notes->failed = TSC_NO_MEMORY;
    OPENSSL_free(digests);
}

// Whether a trust store looks for certificates when they are needed: then what it trusts is not yet
// there to be read. Which lookups it has cannot be read either. So it is asked for a certificate
// that nobody has: one that looks into folders changes errno, and one that reads files has what is
// in them then.
static inline int tsc_ssl_looks_things_up_(X509_STORE *store) {
    static const unsigned char nobody[] = "tsc_ssl_identity: a name that no certificate has";
    X509_STORE_CTX *search = X509_STORE_CTX_new();
    X509_OBJECT *found = X509_OBJECT_new();
    X509_NAME *name = X509_NAME_new();
    int count = tsc_ssl_count_objects_(store), looks = 1, before = errno;
    unsigned long pending = ERR_peek_last_error();
    if (search && found && name && X509_STORE_CTX_init(search, store, NULL, NULL) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, nobody, sizeof nobody - 1, -1, 0)) {
        errno = EDOM; // which no look at a file leaves
        looks = X509_STORE_CTX_get_by_subject(search, X509_LU_X509, name, found) != 0 ||
                errno != EDOM || ERR_peek_last_error() != pending ||
                tsc_ssl_count_objects_(store) != count;
    }
    X509_NAME_free(name);
    X509_OBJECT_free(found);
    X509_STORE_CTX_free(search);
    errno = before;
    return looks;
}

// Whether what decides whom SSLs of an SSL_CTX trust cannot be read from it.
static inline int tsc_ssl_cannot_be_told_(SSL_CTX *ctx, SSL *sample, X509_STORE *store) {
    tsc_endpoint nothing;
    X509_STORE *beside = NULL;
    memset(&nothing, 0, sizeof nothing);
    SSL_get0_verify_cert_store(sample, &beside);
    return beside || SSL_CTX_get_client_cert_cb(ctx) || tsc_ssl_hides_(sample, &nothing) ||
#ifndef OPENSSL_NO_CT
           SSL_ct_is_enabled(sample) ||
#endif
           (store && tsc_ssl_looks_things_up_(store));
}
#endif

static inline tsc_status tsc_ssl_identity(SSL_CTX *ctx, uint8_t digest[TSC_SSL_IDENTITY]) {
#ifdef TSC_SSL_BORING_
    return ctx && digest ? TSC_UNSUPPORTED : TSC_INVALID_ARGUMENT;
#else
    tsc_ssl_attachment_ like;
    tsc_ssl_notes_ *notes = &like.notes;
    tsc_status status = TSC_NO_MEMORY;
    SSL *sample;
    if (!ctx || !digest)
        return TSC_INVALID_ARGUMENT;
    memset(&like, 0, sizeof like);
    ERR_set_mark();
    sample = tsc_ssl_sample_(ctx, &like);
    if (sample) {
        uint8_t made[TSC_SSL_IDENTITY];
#ifdef TSC_SSL_NAMES_
        tsc_endpoint nobody; // so that a name is noted, if the SSL_CTX has one
        memset(&nobody, 0, sizeof nobody);
        tsc_ssl_note_names_(notes, SSL_get0_param(sample), &nobody);
#endif
        if (like.store)
            tsc_ssl_note_contents_(notes, like.store);
        tsc_ssl_note_end_(notes, made);
        status = tsc_ssl_cannot_be_told_(ctx, sample, like.store) ? TSC_UNSUPPORTED : notes->failed;
        if (status == TSC_OK)
            memcpy(digest, made, sizeof made);
    }
    SSL_free(sample);
    X509_STORE_free(like.store);
    ERR_pop_to_mark();
    return status;
#endif
}

static inline tsc_status tsc_ssl_attach(SSL_CTX *ctx, const tsc_cache *cache,
                                        const tsc_config_options *options, uint32_t flags) {
    tsc_config_options as_ctx;
    tsc_ssl_attachment_ *attachment;
    tsc_status status;
    SSL *sample;
    if (!ctx || !cache)
        return TSC_INVALID_ARGUMENT;
    if (flags & ~(TSC_SSL_SERIALISE | TSC_SSL_WITHOUT_STATUS | TSC_SSL_EARLY_DATA))
        return TSC_UNSUPPORTED;
    if (tsc_ssl_attachment_of_(ctx))
        return TSC_WRONG_STATE;

    memset(&as_ctx, 0, sizeof as_ctx);
    if (options)
        as_ctx = *options;
    ERR_set_mark();
    status = TSC_NO_MEMORY;
    attachment = (tsc_ssl_attachment_ *)OPENSSL_malloc(sizeof *attachment);
    if (attachment) {
        int indexed = tsc_ssl_indexes_make_();
        memset(attachment, 0, sizeof *attachment);
        attachment->flags = flags;
        attachment->watch = tsc_ssl_watch_;
        attachment->next_new_session = SSL_CTX_sess_get_new_cb(ctx);
        // An SSL_CTX of which there can be no SSL is nobody's concern.
        sample = tsc_ssl_sample_(ctx, attachment);
        if (sample)
            tsc_ssl_note_end_(&attachment->notes, attachment->verification);
        if (sample && !attachment->notes.failed) {
            as_ctx.verification = attachment->verification;
            as_ctx.verification_len = sizeof attachment->verification;
        } else {
            attachment->notes.length = 0; // as no SSL's are
        }
        SSL_free(sample);
        status = tsc_config_new(cache, &as_ctx, sizeof as_ctx, &attachment->config);
        if (status == TSC_OK &&
            !(indexed &&
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

static inline tsc_status tsc_ssl_endpoint(SSL *ssl, tsc_endpoint *endpoint, uint8_t *room) {
    const tsc_ssl_attachment_ *attachment =
        ssl ? tsc_ssl_attachment_of_(SSL_get_SSL_CTX(ssl)) : NULL;
    tsc_status status;
    if (!ssl || !endpoint || !room)
        return TSC_INVALID_ARGUMENT;
    if (!attachment)
        return TSC_WRONG_STATE;
    ERR_set_mark();
    status = tsc_ssl_endpoint_of_(ssl, attachment, endpoint, room);
    ERR_pop_to_mark();
    return status;
}

// The state of an attempt on an SSL, or NULL and the reason.
static inline tsc_ssl_state_ *tsc_ssl_state_new_(SSL *ssl, const tsc_ssl_attachment_ *attachment,
                                                 const tsc_endpoint *endpoint, tsc_status *status) {
    tsc_endpoint completed = *endpoint;
    uint8_t verification[TSC_SSL_VERIFICATION], *behind;
    tsc_ssl_state_ *state;
    *status = tsc_ssl_endpoint_of_(ssl, attachment, &completed, verification);
    if (*status != TSC_OK)
        return NULL;
    if (completed.server_name_len > TSC_MAX_NAME) {
        *status = TSC_TOO_LARGE;
        return NULL;
    }
    *status = TSC_NO_MEMORY;
    state = (tsc_ssl_state_ *)OPENSSL_malloc(sizeof *state + completed.server_name_len +
                                             endpoint->verification_len);
    if (!state)
        return NULL;
    memset(state, 0, sizeof *state);
    state->config = attachment->config;
    state->flags = attachment->flags;
    state->has_certificate = SSL_get_certificate(ssl) || tsc_ssl_raw_key_(ssl);
#ifdef TSC_SSL_BORING_
    tsc_ssl_read_ends_(ssl, state); // while it can be read for certain
#endif
    memcpy(state->verification, verification, sizeof verification);
    behind = (uint8_t *)(state + 1);
    if (completed.server_name_len)
        memcpy(behind, completed.server_name, completed.server_name_len);
    state->endpoint.server_name = behind;
    state->endpoint.server_name_len = completed.server_name_len;
    behind += completed.server_name_len;
    if (endpoint->verification_len)
        memcpy(behind, endpoint->verification, endpoint->verification_len);
    state->endpoint.verification = behind;
    state->endpoint.verification_len = endpoint->verification_len;
    *status = tsc_attempt_new(state->config, &completed, sizeof completed, &state->attempt);
    if (*status == TSC_OK)
        return state;
    OPENSSL_free(state);
    return NULL;
}

static inline tsc_status tsc_ssl_prepare_endpoint(SSL *ssl, const tsc_endpoint *endpoint) {
    const tsc_ssl_attachment_ *attachment;
    tsc_ssl_state_ *state, *before;
    tsc_status status;
    int index;
    if (!ssl || !endpoint)
        return TSC_INVALID_ARGUMENT;
    attachment = tsc_ssl_attachment_of_(SSL_get_SSL_CTX(ssl));
    if (!attachment || !tsc_ssl_before_handshake_(ssl))
        return TSC_WRONG_STATE;

    ERR_set_mark();
    state = tsc_ssl_state_new_(ssl, attachment, endpoint, &status);
    index = (int)tsc_ssl_index_(&tsc_ssl_state_index_, 0) - 1;
    before = tsc_ssl_state_of_(ssl);
    if (state && SSL_set_ex_data(ssl, index, state)) {
        if (!before && SSL_get_info_callback(ssl) == attachment->watch)
            SSL_set_session(ssl, NULL); // a duplicate: what it has is another's to offer
        if (before) {
            // What it offered is still set on ssl, and is not this attempt's to offer.
            int unsent = tsc_ssl_unsent_(ssl, before);
            state->watch = before->watch;
            state->next_info = before->next_info;
            SSL_set_session(ssl, NULL);
            tsc_ssl_state_free_(ssl, before, unsent);
        }
        tsc_ssl_watch_start_(ssl, state, attachment);
    } else {
        if (state) {
            tsc_ssl_state_free_(ssl, state, 1);
            status = TSC_NO_MEMORY;
        }
        // ssl may be used all the same, for something else than it was begun for before.
        if (before && before->offered && SSL_get_session(ssl) == before->offered)
            SSL_set_session(ssl, NULL);
    }
    ERR_pop_to_mark();
    return status;
}

static inline tsc_status tsc_ssl_prepare(SSL *ssl, const char *host, uint32_t port) {
    tsc_endpoint endpoint;
    if (!ssl || !host)
        return TSC_INVALID_ARGUMENT;
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.host = (const uint8_t *)host;
    endpoint.host_len = strlen(host);
    endpoint.port = port;
    return tsc_ssl_prepare_endpoint(ssl, &endpoint);
}

// Takes an offer back, for those that it fits. What ssl receives would not be theirs.
static inline void tsc_ssl_offer_withdraw_(tsc_ssl_state_ *state) {
    tsc_ssl_offer_end_(state);
    state->lent = 0;
    state->strange = 1;
    tsc_attempt_withdraw(state->attempt);
}

// Whether an attempt is from before a fork: what it offers is the parent's to send.
static inline int tsc_ssl_is_of_parent_(const tsc_ssl_state_ *state) {
    tsc_attempt_info info;
    return tsc_attempt_info_get(state->attempt, &info, sizeof info) == TSC_CLOSED;
}

// The handshake starts: takes the offer back if something was set since that decides whom ssl
// trusts, or another session to offer.
static inline void tsc_ssl_handshake_starts_(SSL *ssl, tsc_ssl_state_ *state) {
    int own = state->offered && SSL_get_session(ssl) != state->offered;
    if (!tsc_ssl_before_handshake_(ssl))
        return;
    if (state->started) {
        // The SSL was cleared and not begun again: this handshake is not the attempt's.
        if (state->offered && !own)
            SSL_set_session(ssl, NULL);
        state->strange = 1;
        return;
    }
    state->started = 1;
    ERR_set_mark();
    if (own || SSL_is_server(ssl) || !tsc_ssl_is_same_(ssl, state, 1) ||
        (state->offered &&
         (!tsc_ssl_session_fits_(ssl, state->offered) || tsc_ssl_is_of_parent_(state)))) {
        if (state->offered && !own)
            SSL_set_session(ssl, NULL);
        tsc_ssl_offer_withdraw_(state);
    }
    if (state->offered && !state->transport)
        tsc_ssl_note_transport_(ssl, state);
    ERR_pop_to_mark();
}

// The handshake is done: nothing is kept if something was set while it went on.
static inline void tsc_ssl_handshake_ends_(SSL *ssl, tsc_ssl_state_ *state) {
    state->done = 1;
    if (state->ended)
        return;
    ERR_set_mark();
    state->strange = !tsc_ssl_is_as_begun_(ssl, state);
    ERR_pop_to_mark();
    state->ended = 1;
    state->own = SSL_get_certificate(ssl);
    if (state->own)
        X509_up_ref(state->own);
}

#ifndef TSC_SSL_BORING_
// Whether the SNI name is that of a session to the letter. With early data OpenSSL fails a
// handshake of which it is not.
static inline int tsc_ssl_same_sni_(SSL *ssl, SSL_SESSION *session) {
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const char *then = SSL_SESSION_get0_hostname(session);
    return !then || (name && strcmp(name, then) == 0);
}
#endif

// Offers a session on an SSL that was prepared a moment ago.
static inline tsc_status tsc_ssl_offer_now_(SSL *ssl) {
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    ERR_set_mark();
    state->offered = tsc_ssl_session_to_offer_(state->attempt);
    if (state->offered && !tsc_ssl_session_fits_(ssl, state->offered))
        tsc_ssl_offer_withdraw_(state);
    if (state->offered) {
#ifndef TSC_SSL_BORING_
        if (!(state->flags & TSC_SSL_EARLY_DATA) || !tsc_ssl_same_sni_(ssl, state->offered))
            SSL_SESSION_set_max_early_data(state->offered, 0);
#endif
        state->handshakes = SSL_CTX_sess_connect(SSL_get_SSL_CTX(ssl));
        tsc_ssl_note_transport_(ssl, state);
        state->lent = SSL_set_session(ssl, state->offered);
        if (!state->lent)
            tsc_ssl_offer_withdraw_(state);
    }
    ERR_pop_to_mark();
    return TSC_OK;
}

static inline tsc_status tsc_ssl_offer(SSL *ssl) {
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    if (!ssl)
        return TSC_INVALID_ARGUMENT;
    if (!state || state->offered || !tsc_ssl_before_handshake_(ssl) ||
        !tsc_ssl_is_as_begun_(ssl, state))
        return TSC_WRONG_STATE;
    return tsc_ssl_offer_now_(ssl);
}

static inline tsc_status tsc_ssl_begin(SSL *ssl, const char *host, uint32_t port) {
    tsc_status status = tsc_ssl_prepare(ssl, host, port);
    return status == TSC_OK ? tsc_ssl_offer_now_(ssl) : status;
}

static inline tsc_status tsc_ssl_begin_endpoint(SSL *ssl, const tsc_endpoint *endpoint) {
    tsc_status status = tsc_ssl_prepare_endpoint(ssl, endpoint);
    return status == TSC_OK ? tsc_ssl_offer_now_(ssl) : status;
}

static inline tsc_status tsc_ssl_begin_wait(SSL *ssl, const char *host, uint32_t port,
                                            uint32_t max_wait_ms) {
    tsc_status status = tsc_ssl_prepare(ssl, host, port);
    if (status != TSC_OK)
        return status;
    // If the wait fails, there may still be a session to offer.
    (void)tsc_attempt_wait(tsc_ssl_attempt(ssl), max_wait_ms);
    return tsc_ssl_offer_now_(ssl);
}

// ---- Say how it ended: definitions --------------------------------------------------------------

static inline tsc_status tsc_ssl_established(SSL *ssl) {
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    tsc_status status;
    int resumed;
    if (!ssl)
        return TSC_INVALID_ARGUMENT;
    if (!state || !tsc_ssl_done_(ssl, state) || tsc_ssl_alerted_(ssl, state))
        return TSC_WRONG_STATE;
    // An application may have resumed a session of its own, of which the attempt knows nothing. And
    // within a renegotiation OpenSSL no longer says whether the first handshake was a resumed one.
    resumed = state->offered &&
              (SSL_session_reused(ssl) || (SSL_in_init(ssl) && SSL_version(ssl) < TLS1_3_VERSION &&
                                           SSL_get_session(ssl) == state->offered));
    ERR_set_mark();
#ifndef TSC_SSL_BORING_
    // OpenSSL calls nobody when a server renews a TLS 1.2 ticket within a resumed handshake.
    if (resumed && SSL_version(ssl) < TLS1_3_VERSION && SSL_get_session(ssl) != state->offered)
        tsc_ssl_session_receive_(ssl, state, SSL_get_session(ssl));
#endif
    status = tsc_attempt_established(state->attempt, resumed);
    state->established = status == TSC_OK;
    tsc_ssl_offer_end_(state);
    ERR_pop_to_mark();
    return status;
}

static inline tsc_status tsc_ssl_failed(SSL *ssl) {
    tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
    uint32_t facts;
    if (!ssl)
        return TSC_INVALID_ARGUMENT;
    if (!state)
        return TSC_WRONG_STATE;
    facts = tsc_ssl_facts_(ssl, state);
    // A ticket that goes back becomes another's to offer, so ssl must not send it if it is used
    // after all. (BoringSSL aborts if this is called within a handshake.)
    if (!(facts & TSC_FACT_SENT) && state->offered && tsc_ssl_before_handshake_(ssl))
        SSL_set_session(ssl, NULL);
    return tsc_attempt_failed(state->attempt, facts);
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
    tsc_ssl_attachment_ *attachment = tsc_ssl_attachment_of_(SSL_get_SSL_CTX(ssl));
    const tsc_ssl_starter_ *starter;
    // What the application sets on ssl when the handshake starts is set by then.
    int starts = (where & SSL_CB_HANDSHAKE_START) != 0;
    if (!attachment)
        return;
    if (starts && attachment->next_info)
        attachment->next_info(ssl, where, ret);
    starter = tsc_ssl_starter_read_(&attachment->starter);
    if (!SSL_is_server(ssl)) {
        tsc_ssl_state_ *state = tsc_ssl_state_of_(ssl);
        // Not by a mark: before OpenSSL 3 they do not nest, and the calls in here set their own.
        int clean = ERR_peek_error() == 0;
        if (starts && tsc_ssl_before_handshake_(ssl)) {
            if (starter && starter->begin && (!state || state->started)) { // else begun by hand
                tsc_ssl_state_ *before = state;
                starter->begin(starter->arg, ssl);
                state = tsc_ssl_state_of_(ssl);
                if (state && state != before)
                    state->watched = 1;
            }
            if (state)
                tsc_ssl_handshake_starts_(ssl, state);
        } else if (state && (where & SSL_CB_HANDSHAKE_DONE)) {
            tsc_ssl_handshake_ends_(ssl, state);
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
    if (!starts && attachment->next_info)
        attachment->next_info(ssl, where, ret);
}

static inline tsc_status tsc_ssl_on_start(SSL_CTX *ctx, void (*begin)(void *arg, SSL *ssl),
                                          void *arg) {
    tsc_ssl_attachment_ *attachment = tsc_ssl_attachment_of_(ctx);
    tsc_ssl_starter_ *starter;
    if (!ctx)
        return TSC_INVALID_ARGUMENT;
    if (!attachment)
        return TSC_WRONG_STATE;
    starter = tsc_ssl_starter_new_(&attachment->starters, begin, arg);
    if (!starter)
        return TSC_NO_MEMORY;
    while (!tsc_ssl_starter_set_(&attachment->starter, tsc_ssl_starter_read_(&attachment->starter),
                                 starter))
        ;
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
