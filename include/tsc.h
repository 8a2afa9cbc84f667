// tsc.h: a client-side TLS session cache. This header is the manual.
//
// # What it does
//
// A program that reconnects to a server can resume its TLS session, which costs much less than a full
// handshake, if it kept what the server gave it: a TLS 1.2 session, or TLS 1.3 tickets. libtsc keeps them and
// promises this to every caller (docs/promises.md says how each promise is tested):
//
// - P1, isolation: a session is offered only to the config and the endpoint that it came from, and only to a
//   connection that verifies what was verified when the session was made.
// - P2, only after success: what a connection receives is staged. Others see it once the connection is
//   established.
// - P3, single use: a TLS 1.3 ticket is handed out at most once, unless TSC_REUSE_WHEN_DRY asks for more. A
//   ticket that was taken and never sent goes back.
// - P4, lifetime: nothing is offered past the smallest of: its own lifetime, the cache's TTL, seven days, the
//   certificates' ends where they are known, and the maximum age of its lineage (all the sessions that descend,
//   by resumption, from one full handshake).
// - P5, bounded: endpoints, sessions per endpoint and bytes have limits. The least recently used endpoint goes
//   first.
// - P6, memory only: sessions are secrets. They are wiped when released and not inherited by a forked child, and
//   they leave the process only by tsc_config_export and tsc_cache_export, sealed with a key of yours.
// - P7, never worse than no cache: trouble in libtsc costs a full handshake, never a connection. A server can
//   break off a connection, or refuse its login, because a session was offered; tsc_options.failure_budget
//   bounds how often that may happen.
// - P8, safe at the boundary: any thread may call any function, no lock is held while your code runs, no thread
//   is started, and bad arguments get a status.
// - P9, accountable: the statistics add up. What was stored equals what left, by reason, plus what is held.
// - P10, stable: handles are opaque, structs grow at their end, and values of constants never change.
//
// # Three ways in
//
// - OpenSSL: include tsc_openssl.h, which is built on the calls below; you need three of its own.
// - rustls through rustls-ffi: tsc_config_attach, tsc_attempt_new, tsc_attempt_rustls_config, then
//   tsc_attempt_established or tsc_attempt_failed.
// - Anything else: tsc_config_new and tsc_attempt_*; or, doing everything by yourself, tsc_put and
//   tsc_get with keys of your own.
//
// # Conventions, which hold where a function does not say otherwise
//
// - Results: every function that can fail returns a tsc_status; TSC_OK is 0. Outputs are written
//   only on TSC_OK, except where a status says that it comes with a value.
// - Handles (tsc_cache, tsc_config, tsc_attempt) are opaque, made by *_new, and freed once with the
//   matching *_free. Freeing NULL does nothing. Using or freeing a handle after it was freed is
//   undefined behaviour, as for free(3). They may be freed in any order: a config keeps what it
//   needs of its cache, an attempt what it needs of its config.
// - Threads: any function may be called from any thread, also on the same handle at the same time;
//   only freeing a handle must not run beside another use of that handle. The library starts no
//   thread and holds no lock while it runs code of yours (release functions, retain, clocks, on_event,
//   ready); such code may call the library. It may also free handles, those of the call that it runs
//   in among them; that call then comes to its end without them.
// - Fork: a child process finds every cache empty and may use it at once, in handlers of pthread_atfork
//   too. Configs go on working; attempts that were made before the fork answer TSC_CLOSED in the child.
//   A child of vfork shares its parent's memory and must not call the library. docs/threading.md says
//   what differs outside Linux.
// - Signals: no function may be called from a signal handler. One that interrupts a call to the library
//   on the same thread would wait for ever for a lock of that call.
// - NULL: where an argument may be NULL its description says so; elsewhere NULL is answered with
//   TSC_INVALID_ARGUMENT. (NULL, 0) is an empty slice of bytes. A length above what an object can
//   have (PTRDIFF_MAX) is answered with TSC_INVALID_ARGUMENT.
// - Structs are passed with their size, as sizeof at the place of the call gives it. They grow at
//   their end, and 0 in a field means its default, so start from {0}. A shorter struct of an older
//   caller gets the defaults for what it lacks. A longer one of a newer caller is accepted while
//   what this library does not know is 0, and otherwise answered with TSC_UNSUPPORTED. In outputs,
//   what the caller has room for is written, and what this library does not know is set to 0.
// - Errors carry no text and nothing is stored per thread: languages that move between threads
//   would read another's. tsc_status_text describes a status.
// - Times: durations in seconds or milliseconds as named; absolute times are Unix seconds.
// - Every function is there since version 0.1.0 where its description says nothing else.


#ifndef TSC_H
#define TSC_H

#include <stddef.h>
#include <stdint.h>

/* A finished rustls configuration, from rustls.h. Only named here; rustls.h is not needed. */
struct rustls_client_config;


// The version of this header. tsc_version_number gives that of the library in use.
#define TSC_VERSION_MAJOR 0

// See TSC_VERSION_MAJOR.
#define TSC_VERSION_MINOR 1

// See TSC_VERSION_MAJOR.
#define TSC_VERSION_PATCH 0

// tsc_event.kind: sessions came into the cache.
#define TSC_EVENT_STORED 1

// tsc_event.kind: a session was handed out, to an attempt that offers it or by tsc_get.
#define TSC_EVENT_OFFERED 2

// tsc_event.kind: an attempt was established by resuming what it offered.
#define TSC_EVENT_RESUMED 3

// tsc_event.kind: an attempt was established, and the server had not taken what it offered.
#define TSC_EVENT_REFUSED 4

// tsc_event.kind: sessions were dropped because their time was over. Told when they are found, which
// may be later than that.
#define TSC_EVENT_EXPIRED 5

// tsc_event.kind: sessions were dropped to keep max_endpoints or max_bytes.
#define TSC_EVENT_EVICTED 6

// tsc_event.kind: nothing is offered to this endpoint for a while, because offering did harm there.
#define TSC_EVENT_BREAKER_OPENED 7

// tsc_event.kind: offering to this endpoint is tried again.
#define TSC_EVENT_BREAKER_CLOSED 8

// tsc_event.kind: an attempt does a full handshake; tsc_event.reason says why.
#define TSC_EVENT_NOT_OFFERED 9

// tsc_options.flags: keep nothing and offer nothing; every call still works.
#define TSC_DISABLED 1

// tsc_options.flags: the last TLS 1.3 ticket of an endpoint is offered again and again, until a new
// one comes.
//
// For servers that take a ticket more than once, as most do. It costs privacy: who watches the
// network sees that two connections with the same ticket are from the same client, which single use
// is there to hide (RFC 8446, C.4). A server that takes each ticket once refuses it, which costs a
// full handshake. rustls does not let a TLS 1.3 session be used twice; there the flag does nothing.
#define TSC_REUSE_WHEN_DRY 2

// The longest host, server name, group, verification and identity, in bytes.
#define TSC_MAX_NAME 255

// The longest key of tsc_put and its kin, in bytes.
#define TSC_MAX_KEY 1024

// In a field of tsc_forecast: nobody knows yet, or never.
#define TSC_UNKNOWN UINT32_MAX

// tsc_attempt_info.reason: it resumed, or that is not decided yet.
#define TSC_REASON_NONE 0

// tsc_attempt_info.reason: nothing was ever stored for this endpoint and config, or it was so long ago that
// the cache has forgotten it. Normal for a first connection. Otherwise look at what tells endpoints apart,
// and whether attempts say that they are established.
#define TSC_REASON_NOTHING_STORED 1

// tsc_attempt_info.reason: what was stored has expired. Look at the server's ticket lifetime and at
// ttl_seconds.
#define TSC_REASON_EXPIRED 2

// tsc_attempt_info.reason: what was stored was evicted to keep a limit, or cleared. Look at max_endpoints
// and max_bytes.
#define TSC_REASON_EVICTED 3

// tsc_attempt_info.reason: other attempts have taken all there was. Let attempts wait (tsc_attempt_wait),
// or have the server issue more tickets.
#define TSC_REASON_TAKEN 4

// tsc_attempt_info.reason: the server refused what was offered or, just before, refused or broke off a
// session of the same origin. It was restarted, or its ticket keys are not those of the node that issued it.
#define TSC_REASON_REFUSED 5

// tsc_attempt_info.reason: offers to this endpoint did harm lately (tsc_options.failure_budget), so nothing
// was offered, or this attempt was the one to be compared.
#define TSC_REASON_WITHHELD 6

// tsc_attempt_info.reason: it waited for a session, and none came in time.
#define TSC_REASON_WAITED_IN_VAIN 7

// tsc_attempt_info.reason: what it took was never sent, and went back.
#define TSC_REASON_NOT_SENT 8

// tsc_attempt_info.reason: nobody called tsc_attempt_offer.
#define TSC_REASON_NOT_ASKED 9

// tsc_attempt_info.reason: the cache is disabled or closed.
#define TSC_REASON_CACHE_OFF 10

// tsc_attempt_info.reason: the attempt failed after it had offered a session.
#define TSC_REASON_FAILED 11

// tsc_attempt_info.reason: all that was stored for this endpoint comes from connections that verified
// something else (tsc_endpoint.verification): other names, flags or client certificate.
#define TSC_REASON_OTHER_VERIFICATION 12

// tsc_attempt_failed: the ClientHello may have left. Without it, as when the TCP connection was refused,
// what was taken goes back to the cache.
#define TSC_FACT_SENT 1

// tsc_attempt_failed: the TLS handshake was done; the application's own login failed.
#define TSC_FACT_HANDSHAKE_DONE 2

// tsc_attempt_failed: the handshake was a resumed one (SSL_session_reused, rustls's handshake kind).
#define TSC_FACT_RESUMED 4

// tsc_attempt_failed: the server fell silent.
#define TSC_FACT_TIMED_OUT 8

// tsc_attempt_failed: the caller gave up, because it lost a race or its user cancelled. That says nothing
// about the server.
#define TSC_FACT_CANCELLED 16

// tsc_attempt_failed: a fatal TLS alert came. In TLS 1.3 one can come after the handshake, as when the
// server rejects the client's certificate.
#define TSC_FACT_ALERT 32

// tsc_attempt_info.state: begun, and nobody has said yet how it ended.
#define TSC_ATTEMPT_OPEN 1

// tsc_attempt_info.state: established; what arrives now goes straight into the cache.
#define TSC_ATTEMPT_ESTABLISHED 2

// tsc_attempt_info.state: failed; what arrives now is discarded.
#define TSC_ATTEMPT_FAILED 3

// The length of the key that exports are sealed with, in bytes.
#define TSC_EXPORT_KEY 32

// What a function answers. The values are pinned; new ones are only appended.
enum tsc_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done.
    TSC_OK = 0,
    // There is no session to offer: do a full handshake.
    TSC_NOT_FOUND = 1,
    // A NULL where none is allowed, a length or value out of range, or a struct of a wrong size.
    TSC_INVALID_ARGUMENT = 2,
    // The buffer is too small. The length that is needed was written; nothing was lost.
    TSC_TOO_SMALL = 3,
    // A key, name or session is over its limit (TSC_MAX_KEY, TSC_MAX_NAME, max_session_bytes).
    TSC_TOO_LARGE = 4,
    // There is no memory. Nothing was lost or changed. Answered for everything whose size the caller's data
    // or the number of sessions decides: sessions stored or staged, tables that grow, exports, imports,
    // text. If the heap cannot give a small block (a handle, a key, a place in a queue) or the list
    // of what a call drops at once, the process is aborted, as Rust's allocator does. tsc_clear and
    // tsc_cache_free need no such list.
    TSC_NO_MEMORY = 5,
    // The cache was closed or freed, or the handle was made before a fork in the parent process.
    TSC_CLOSED = 6,
    // The session was not kept, and rightly so: its lifetime is over or zero, its connection has
    // failed, or the cache is disabled. Nothing to do for the caller.
    TSC_DISCARDED = 7,
    // The attempt is past the point where this call has a meaning, for example established after
    // failed. Nothing was changed.
    TSC_WRONG_STATE = 8,
    // This build of the library cannot do it (rustls is not in it), or the caller set a field that
    // this version does not know.
    TSC_UNSUPPORTED = 9,
    // An error inside the library was contained. Treat it as "no session" and please report it.
    TSC_PANIC = 10,
    // A session is on its way: make the offer when the wait is over.
    TSC_WAIT = 11,
    // What was to be imported is not what was exported with this key and for this config. Nothing was
    // imported.
    TSC_NOT_AUTHENTIC = 12,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tsc_status tsc_status;
#else
typedef uint32_t tsc_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// One connection attempt's view of the cache: what it offers, what it receives, how it ended.
typedef struct tsc_attempt tsc_attempt;

// A bounded, thread-safe store of sessions. One per cluster object is usual.
typedef struct tsc_cache tsc_cache;

// One TLS configuration, bound to one cache. Sessions never cross from one config to another.
typedef struct tsc_config tsc_config;

// Something that happened in a cache, given to tsc_options.on_event. What it points to is lent for the
// call. No part of a session is in it.
typedef struct {
    // TSC_EVENT_*. New ones may be added: do nothing for one that you do not know.
    uint32_t kind;
    // The endpoint's port; 0 if it has none, or a group stands in its place.
    uint32_t port;
    // To how many sessions at once; 0 for a breaker and for TSC_EVENT_NOT_OFFERED. They count in the field of tsc_stats that has the
    // same name.
    uint64_t count;
    // The endpoint's host, in lower case. (NULL, 0) if a group stands in its place, and for sessions
    // under a key of the caller's own.
    const uint8_t *host;
    // Its length.
    size_t host_len;
    // The name that the server's certificate is checked against, in lower case; the host's if none
    // was given. (NULL, 0) for sessions under a key of the caller's own.
    const uint8_t *server_name;
    // Its length.
    size_t server_name_len;
    // The endpoint's group, or (NULL, 0).
    const uint8_t *group;
    // Its length.
    size_t group_len;
    // The key that tsc_put was given, or (NULL, 0) for the sessions of attempts.
    const uint8_t *key;
    // Its length.
    size_t key_len;
    // With TSC_EVENT_NOT_OFFERED one of TSC_REASON_*, otherwise 0.
    uint32_t reason;
    // Always 0.
    uint32_t reserved;
} tsc_event;

// How a cache is bounded. 0 in a field means its default; see docs/limits.md for how to choose.
typedef struct {
    // 0, or TSC_DISABLED and TSC_REUSE_WHEN_DRY combined by |.
    uint32_t flags;
    // Endpoints that the cache remembers; the least recently used goes first. Default 100.
    uint32_t max_endpoints;
    // Sessions per endpoint; the oldest goes first. Default 64.
    uint32_t max_sessions_per_endpoint;
    // Seconds after which nothing received is offered any more, whatever its own lifetime.
    // Default 3600.
    uint32_t ttl_seconds;
    // Bytes of all sessions together. Default 8 MiB, and in proportion more if max_endpoints is above
    // its default. As many again may be staged, by all attempts together: there, one that has staged
    // something takes no more than it leaves to the others, and at the limit its newest session takes the
    // place of its oldest.
    uint64_t max_bytes;
    // Bytes of one session as it came: serialised, and for an object with the certificates that it holds.
    // Larger ones are answered with TSC_TOO_LARGE. Default 64 KiB.
    uint32_t max_session_bytes;
    // Seconds since the last full handshake after which a lineage ends, however often it was renewed
    // by resumption. Default 86400 (a day).
    uint32_t max_lineage_age_seconds;
    // The clock to use in place of the system's: milliseconds that never go back. For tests. NULL:
    // the system's monotonic clock, which counts suspend. Called on any thread, with no lock held,
    // until the last handle that can reach the cache is freed.
    uint64_t (*clock)(void *clock_arg);
    // Passed to clock.
    void *clock_arg;
    // How many full handshakes to one endpoint may be under way before further attempts that ask with
    // tsc_attempt_wait and its kin wait for one to end. One that hangs counts until it is overdue: see
    // tsc_attempt_wait. Default: any number.
    uint32_t max_full_handshakes;
    // Connections to one endpoint that may fail within an hour because they offered a session, where a
    // full handshake would have made them; besides those under way at the same time. From two thirds of
    // it on nothing is offered, except that one connection at a time tries. Where full handshakes fail
    // as well, the bound is approximate. Default 12; UINT32_MAX: any number.
    uint32_t failure_budget;
    // Called when something happens to sessions (TSC_EVENT_*), or NULL. size is that of tsc_event in
    // the library: a field that ends beyond it is not there. Called on whichever thread is in the
    // library, with no lock held and perhaps before the call that caused it has returned, until the
    // last handle that can reach the cache is freed, and calls on rustls connections that were under way
    // then have returned. It may call the library; it must not throw.
    void (*on_event)(void *event_arg, const tsc_event *event, size_t size);
    // Passed to on_event.
    void *event_arg;
} tsc_options;

// What the caller knows of a session. Bindings pass on what the wire said; the rules are here.
typedef struct {
    // The protocol version on the wire: 0x0303 for TLS 1.2, 0x0304 for TLS 1.3 (0x0301 and 0x0302
    // are taken as 1.2 is). A TLS 1.3 session is single-use, an older one is reusable. Required.
    uint32_t tls_version;
    // The lifetime that the server gave, in seconds. TLS 1.3: 0 means that it must not be kept
    // (RFC 8446). Before TLS 1.3: 0 means that the server said nothing (RFC 5077), as for sessions
    // by id; the cache's own limits then hold. Over seven days counts as seven days. In outputs:
    // seconds for which the session may still be offered, rounded down.
    uint32_t lifetime_seconds;
    // When the server's certificate ends, in Unix seconds; 0 if not known. 0 in outputs.
    int64_t not_after;
    // Milliseconds since the session was received. Only in outputs; not looked at in inputs.
    uint64_t age_ms;
    // For an object: how many of the peer's certificates it holds; 0 if not known, or if it is bytes. 0
    // in outputs.
    uint32_t certificates;
    // For an object: how many bytes these certificates have in DER, together. 0 in outputs.
    uint32_t certificate_bytes;
} tsc_session_info;

// What happened in a cache since it was made (counts), and what is in it now (endpoints, sessions and
// bytes).
typedef struct {
    // Sessions handed out: to an attempt that offers them, or under a key of the caller's own.
    uint64_t offered;
    // Attempts that were established by resuming what they offered.
    uint64_t resumed;
    // Attempts whose offer the server did not take.
    uint64_t refused;
    // Times that there was nothing to offer.
    uint64_t missed;
    // Sessions that came into the cache.
    uint64_t stored;
    // Single-use sessions that were taken, never sent, and came back. One that is over by then, or was
    // refused meanwhile, counts as expired or removed, too.
    uint64_t returned;
    // Sessions dropped because their time was over.
    uint64_t expired;
    // Sessions dropped to keep max_endpoints or max_bytes.
    uint64_t evicted;
    // Sessions dropped for a newer one of the same endpoint: over max_sessions_per_endpoint, or a
    // reusable one that was renewed.
    uint64_t displaced;
    // Sessions dropped because one of their lineage was refused, because the caller removed or cleared
    // them or closed the cache, or because they were exported.
    uint64_t removed;
    // Sessions not kept because their lifetime was zero or over on arrival.
    uint64_t discarded_lifetime;
    // Sessions not kept because they are over a limit by themselves.
    uint64_t discarded_too_large;
    // Sessions not kept because their connection failed.
    uint64_t discarded_failed;
    // Sessions not kept because their attempt was freed and nobody had said how it ended.
    uint64_t discarded_unfinished;
    // Sessions not kept because the cache is disabled or closed.
    uint64_t discarded_disabled;
    // Sessions not kept because memory could not be had.
    uint64_t discarded_no_memory;
    // Attempts that were established.
    uint64_t established;
    // Attempts that failed.
    uint64_t failed;
    // Attempts freed while nobody had said how they ended. More than a few: a driver forgets to say
    // "established", and the cache stays empty.
    uint64_t unfinished;
    // Endpoints in the cache now.
    uint64_t endpoints;
    // Sessions in the cache now.
    uint64_t sessions;
    // Bytes of the sessions in the cache now.
    uint64_t bytes;
    // TLS 1.3 tickets handed out while they stayed in the cache (reuse when dry). Also counted as
    // offered.
    uint64_t reused;
    // Attempts that were told to wait for a session.
    uint64_t waited;
    // Of these, how many got one while they waited.
    uint64_t waits_served;
    // Attempts that were offered nothing because the breaker of their endpoint was open.
    uint64_t withheld;
    // Times that a breaker opened: offering sessions to an endpoint did harm.
    uint64_t breaker_opened;
    // Times that a breaker closed again.
    uint64_t breaker_closed;
    // Attempts whose handshake failed after they had offered a session.
    uint64_t handshake_failed_offered;
    // Attempts that resumed a session and whose login then failed.
    uint64_t login_failed_resumed;
    // Single-use sessions that left the cache because they were handed out. Also counted as offered,
    // unlike reusable ones, which stay.
    uint64_t taken;
    // Sessions not kept because there were enough: staged, and displaced by a newer one of the same
    // attempt; without room to be staged (tsc_options.max_bytes); or not wanted
    // (tsc_attempt_wants_another).
    uint64_t discarded_surplus;
    // Bytes of the sessions that attempts have staged now. Not in bytes.
    uint64_t bytes_staged;
} tsc_stats;

// What distinguishes a config, and how it behaves. 0 in a field means its default.
typedef struct {
    // Bytes that name the TLS configuration. Two configs of one cache with the same identity share
    // their sessions: give it to both only if they agree on trust roots, client certificate,
    // verification and ALPN, as when a program builds the same configuration again. (NULL, 0), the
    // default: this config shares with no other.
    const uint8_t *identity;
    // Its length, at most TSC_MAX_NAME.
    size_t identity_len;
    // When the client's own certificate ends, in Unix seconds; no session is offered after. 0: there
    // is none, or it is not known.
    int64_t client_not_after;
    // Only rustls: how many tickets to ask the server for on a full handshake (RFC 9149), at most
    // 255. 0 here and below: as many as attempts wait for (tsc_attempt_wait), or, if none waits,
    // whatever the rustls configuration says.
    uint32_t tickets_new_session;
    // Only rustls: how many to ask for on a resumed handshake, at most 255. If only one of the two is
    // 0, it is what the rustls configuration says or, if that makes no request, the same as the other.
    uint32_t tickets_resumption;
    // What the connections verify whose endpoint has no verification of its own (tsc_endpoint), as
    // bytes: it keeps configs of one identity apart that verify differently. (NULL, 0): nothing is said.
    const uint8_t *verification;
    // Its length, at most TSC_MAX_NAME.
    size_t verification_len;
} tsc_config_options;

// Who sessions are for. Host and server name are compared without regard to ASCII case, the group byte
// by byte.
typedef struct {
    // The host that is dialled, a name or an address, not NUL-terminated. Required.
    const uint8_t *host;
    // Its length, 1 to TSC_MAX_NAME.
    size_t host_len;
    // The name that the server's certificate is checked against (SNI), or (NULL, 0) for the host.
    const uint8_t *server_name;
    // Its length, at most TSC_MAX_NAME.
    size_t server_name_len;
    // A label that stands in place of host and port: endpoints with the same group and server name
    // share sessions on purpose, as two ports of one node may. (NULL, 0) for none, which is right
    // unless the servers are known to share their ticket keys.
    const uint8_t *group;
    // Its length, at most TSC_MAX_NAME.
    size_t group_len;
    // The port, 1 to 65535; 0 where there is none, as for a Unix socket.
    uint32_t port;
    // Always 0.
    uint32_t reserved;
    // Whatever else decides, on this connection alone, whom it trusts and who it is (further names to
    // verify, flags, a client certificate), as bytes: a digest will do. A session is offered only to
    // connections with the same bytes. (NULL, 0): what the config says. tsc_openssl.h sees to it.
    const uint8_t *verification;
    // Its length, at most TSC_MAX_NAME.
    size_t verification_len;
} tsc_endpoint;

// What attempts of a config to an endpoint may expect, for a driver that plans by itself.
typedef struct {
    // Sessions in the cache now.
    uint64_t available;
    // Attempts that wait for one (tsc_attempt_wait and its kin).
    uint64_t waiting;
    // Attempts that do a full handshake, or did and may still bring sessions.
    uint64_t full_in_flight;
    // Attempts that offered a session, and may bring new ones.
    uint64_t resumed_in_flight;
    // Sessions that the last full handshake brought, or TSC_UNKNOWN.
    uint32_t tickets_full;
    // Sessions that the last resumed handshake brought, or TSC_UNKNOWN.
    uint32_t tickets_resumed;
    // Milliseconds that a full handshake takes until it has brought its first session.
    uint32_t full_ms;
    // The same for a resumed one.
    uint32_t resumed_ms;
    // Milliseconds that an attempt which asks now would wait for a session. 0: there is one, or a first
    // handshake is under way of which nobody knows how long it takes. TSC_UNKNOWN: it would be told
    // to do a full handshake.
    uint32_t wait_ms;
    // 1 if the endpoint is offered nothing at present (tsc_options.failure_budget).
    uint32_t breaker_open;
} tsc_forecast;

// A session to offer to the server. What it points to is lent: see tsc_attempt_offer.
typedef struct {
    // The bytes that tsc_attempt_receive was given, or NULL for an object.
    const uint8_t *data;
    // How many.
    size_t len;
    // The object that tsc_attempt_receive_object was given, or NULL for bytes.
    void *object;
    // As in tsc_session_info.
    uint32_t tls_version;
    // Seconds for which it may still be offered, rounded down.
    uint32_t lifetime_seconds;
    // Milliseconds since it was received.
    uint64_t age_ms;
} tsc_session;

// What became of one connection attempt so far.
typedef struct {
    // TSC_ATTEMPT_OPEN, TSC_ATTEMPT_ESTABLISHED or TSC_ATTEMPT_FAILED.
    uint32_t state;
    // 1 if a session was taken to be offered.
    uint32_t offered;
    // 1 if the connection was established by resuming it ("session reused").
    uint32_t resumed;
    // 1 if the server did not take it.
    uint32_t refused;
    // Sessions received so far.
    uint32_t received;
    // Of these, how many went into the cache.
    uint32_t stored;
    // Of these, how many were discarded. The rest is staged.
    uint32_t discarded;
    // Why it did not resume: one of TSC_REASON_*. New ones may be added.
    uint32_t reason;
} tsc_attempt_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library in use, as "major.minor.patch".
//
// Never NULL; static, not to be freed.
const char *tsc_version(void);

// The version of the library in use as one number: major << 16 | minor << 8 | patch.
//
// A program compiled against a newer header than the library it runs with can tell here.
uint32_t tsc_version_number(void);

// 1 if the library in use has rustls in it (tsc_config_attach works and it exports rustls_*), else 0.
uint32_t tsc_has_rustls(void);

// Describes a status in one short English sentence without a full stop.
//
// Never NULL, also for numbers that are no status; static, not to be freed.
const char *tsc_status_text(uint32_t status);

// Makes a cache.
//
// options, size: how it is bounded; (NULL, 0) for the defaults.
// out: gets the handle, which the caller frees with tsc_cache_free.
// TSC_UNSUPPORTED: a flag that this version does not know. TSC_NO_MEMORY.
tsc_status tsc_cache_new(const tsc_options *options, size_t size, tsc_cache **out);

// Makes a second handle to the same cache, for another owner to free by itself.
//
// The cache closes when the last of its handles is freed. out: gets the handle.
tsc_status tsc_cache_share(const tsc_cache *cache, tsc_cache **out);

// Closes a cache at once, for all its handles: every session is dropped, and from here on nothing is
// kept or offered. Calls that would, answer TSC_CLOSED. Configs and attempts that use it stay valid and
// find nothing; those that wait for a session are told to do without. Closing twice is TSC_OK.
tsc_status tsc_cache_close(const tsc_cache *cache);

// Frees a handle; NULL is nothing. With the last handle the cache is closed (tsc_cache_close), also
// if configs or attempts still use it.
void tsc_cache_free(tsc_cache *cache);

// Stores a session under a key of the caller's own.
//
// For callers that do everything by themselves: the key must hold all that may not be mixed (host,
// port, server name, and everything in the TLS configuration that decides whom to trust and who to
// be), and the session must come from a connection that was established. tsc_attempt_* does both.
//
// key, key_len: 1 to TSC_MAX_KEY bytes, copied.
// info, info_size: what is known of the session; tls_version is required.
// data, len: the session as the TLS stack serialises it, 1 to max_session_bytes bytes, copied.
// TSC_TOO_LARGE: the key or the session is over its limit. TSC_DISCARDED: lifetime zero or over, or
// the cache is disabled. TSC_CLOSED. TSC_NO_MEMORY: and whatever was stored before is still there.
tsc_status tsc_put(const tsc_cache *cache,
                   const uint8_t *key,
                   size_t key_len,
                   const tsc_session_info *info,
                   size_t info_size,
                   const uint8_t *data,
                   size_t len);

// Copies out the newest session under a key. A single-use session leaves the cache with it.
//
// buf, cap: where the session goes; (NULL, 0) asks for the length alone.
// len: gets the length, also with TSC_TOO_SMALL, which keeps the session in the cache.
// info, info_size: gets what is known of the session; (NULL, 0) if not wanted.
// TSC_NOT_FOUND: there is none, or what is there is an object, which tsc_get_object finds.
// TSC_TOO_SMALL: cap is below the session's length. TSC_CLOSED.
tsc_status tsc_get(const tsc_cache *cache,
                   const uint8_t *key,
                   size_t key_len,
                   uint8_t *buf,
                   size_t cap,
                   size_t *len,
                   tsc_session_info *info,
                   size_t info_size);

// Says how many sessions tsc_get would find under a key, one after the other; a reusable one counts
// once. count: gets the number, 0 if there is none.
tsc_status tsc_available(const tsc_cache *cache, const uint8_t *key, size_t key_len, size_t *count);

// Drops all sessions under a key. TSC_NOT_FOUND: there was none.
tsc_status tsc_remove(const tsc_cache *cache, const uint8_t *key, size_t key_len);

// Drops the sessions whose time is over. There is no need to: they are never handed out, and they go bit
// by bit as others are stored. For who wants their memory back while nothing is stored.
//
// count: gets how many went; NULL if not wanted. TSC_CLOSED.
tsc_status tsc_clear_expired(const tsc_cache *cache,
                             size_t *count);

// Drops every session of every endpoint and config, and those that are kept for attempts which waited.
// Sessions that attempts have been offered are not touched.
tsc_status tsc_clear(const tsc_cache *cache);

// Stores an object of the TLS stack under a key of the caller's own, as tsc_put stores bytes.
//
// On TSC_OK the library owns one reference to object and gives it back, once, through release, on
// any thread, with no lock held, possibly before this call returns. On any other status the caller
// still owns it.
// key, key_len, info, info_size: as in tsc_put.
// object, len, release: as in tsc_attempt_receive_object.
// TSC_TOO_LARGE, TSC_DISCARDED, TSC_CLOSED: as in tsc_put.
tsc_status tsc_put_object(const tsc_cache *cache,
                          const uint8_t *key,
                          size_t key_len,
                          const tsc_session_info *info,
                          size_t info_size,
                          void *object,
                          size_t len,
                          void (*release)(void *object));

// Hands out the newest object under a key. A single-use session leaves the cache with it.
//
// object: gets the object, with a reference that is the caller's to release.
// retain: takes another reference to an object of which the cache keeps its own; not NULL. Called on
// this thread, with no lock held, before this call returns; may call any function of this library.
// info, info_size: as in tsc_get.
// TSC_NOT_FOUND: there is none, or what is there is bytes, which tsc_get finds. TSC_CLOSED.
tsc_status tsc_get_object(const tsc_cache *cache,
                          const uint8_t *key,
                          size_t key_len,
                          void **object,
                          void (*retain)(void *object),
                          tsc_session_info *info,
                          size_t info_size);

// Reads the statistics of a cache.
//
// The books balance: whenever no call is under way,
//
// `stored + returned == taken + expired + evicted + displaced + removed + sessions`
//
// What came into the cache, for the first time or back from an attempt, left it for one of these reasons or
// is in it now. What was discarded (discarded_*) never came in. A forked child begins with zeros.
//
// Counts of one call fit together as far as they were taken from one shard; under load they may be a
// few operations apart. A closed cache still answers. size is sizeof(tsc_stats).
tsc_status tsc_stats_get(const tsc_cache *cache,
                         tsc_stats *out,
                         size_t size);

// Writes the statistics of a cache as text for Prometheus (text format 0.0.4, UTF-8).
//
// A field of tsc_stats that counts becomes the counter tsc_<field>_total; what is there now (endpoints,
// sessions, bytes) the gauge tsc_<field>. Each line ends with a line feed; there is no NUL at the end.
//
// labels, labels_len: what to put between the braces of each metric, as in cluster="a",zone="b", so
// that several caches can be told apart; (NULL, 0) for no labels. In a value, \\, \" and \n stand for
// a backslash, a quotation mark and a line feed.
// buf, cap: where the text goes; (NULL, 0) asks for the length alone.
// len: gets the length, also with TSC_TOO_SMALL. It grows with the numbers, so leave some room.
// TSC_INVALID_ARGUMENT: also if the labels are not in that form, not UTF-8, or one is there twice.
// TSC_TOO_SMALL: cap is below the length. TSC_NO_MEMORY. A closed cache still answers.
tsc_status tsc_stats_prometheus(const tsc_cache *cache,
                                const char *labels,
                                size_t labels_len,
                                char *buf,
                                size_t cap,
                                size_t *len);

// Makes a config for any TLS stack.
//
// Make one per TLS configuration (per SSL_CTX, say), not one per connection: what one config
// receives no other finds, unless both carry the same identity.
// options, size: (NULL, 0) for the defaults. out: gets the handle, freed with tsc_config_free.
// TSC_TOO_LARGE: identity or verification is over TSC_MAX_NAME. TSC_CLOSED. TSC_UNSUPPORTED.
tsc_status tsc_config_new(const tsc_cache *cache,
                          const tsc_config_options *options,
                          size_t size,
                          tsc_config **out);

// Makes a config from a finished rustls configuration.
//
// Connections then take their rustls configuration from tsc_attempt_rustls_config. The one given here
// is neither changed nor kept by the caller's reference: free it whenever you like.
// It must come from this library (libtsc exports rustls_*): no other copy of rustls will do.
// options, size: as in tsc_config_new, except that an identity is answered with TSC_UNSUPPORTED:
// rustls itself refuses to resume across configurations that were built apart, so sharing would only
// lose tickets. Attach once and use the config for every connection.
// out: gets the handle, freed with tsc_config_free.
// TSC_UNSUPPORTED: also if rustls is not in this build. TSC_CLOSED.
tsc_status tsc_config_attach(const tsc_cache *cache,
                             const struct rustls_client_config *rustls,
                             const tsc_config_options *options,
                             size_t size,
                             tsc_config **out);

// Frees a config; NULL is nothing. Attempts made from it stay valid.
void tsc_config_free(tsc_config *config);

// Says how many sessions attempts of this config to this endpoint would find, one after the other; a
// reusable one counts once. count: gets the number, 0 if there is none.
tsc_status tsc_config_available(const tsc_config *config,
                                const tsc_endpoint *endpoint,
                                size_t size,
                                size_t *count);

// Stores a session of this config and endpoint, for a caller that has no attempt for each connection, such as
// a TLS stack that shares one store among all of them.
//
// It is published at once, so it has to come from a connection that was established. Nobody can tell which
// full handshake it descends from, so what an endpoint has without attempts counts as descending from one:
// max_lineage_age_seconds after that began, nothing of it is offered. tsc_attempt_receive knows better.
//
// endpoint, size: whose session it is. info, info_size: what is known of it; tls_version is required.
// data, len: the session as the TLS stack serialises it, 1 to max_session_bytes bytes, copied.
// TSC_TOO_LARGE: a name or the session is over its limit. TSC_DISCARDED: lifetime zero or over, or the cache
// is disabled. TSC_CLOSED. TSC_NO_MEMORY.
tsc_status tsc_config_put(const tsc_config *config,
                          const tsc_endpoint *endpoint,
                          size_t size,
                          const tsc_session_info *info,
                          size_t info_size,
                          const uint8_t *data,
                          size_t len);

// Copies out the newest session of this config and endpoint, for a caller that has no attempt for each
// connection (tsc_config_put). A single-use session leaves the cache with it.
//
// Nothing is given while offers do harm to the attempts of this endpoint (tsc_options.failure_budget); how
// connections without attempts end, the library does not learn.
//
// endpoint, size: whose session it is to be.
// buf, cap: where the session goes; (NULL, 0) asks for the length alone.
// len: gets the length, also with TSC_TOO_SMALL, which keeps the session in the cache.
// info, info_size: gets what is known of the session; (NULL, 0) if not wanted.
// TSC_NOT_FOUND: there is none, or what is there is an object. TSC_TOO_SMALL: cap is below the session's
// length. TSC_TOO_LARGE: a name is over its limit. TSC_CLOSED.
tsc_status tsc_config_get(const tsc_config *config,
                          const tsc_endpoint *endpoint,
                          size_t size,
                          uint8_t *buf,
                          size_t cap,
                          size_t *len,
                          tsc_session_info *info,
                          size_t info_size);

// Drops all sessions of this config and endpoint, also those that attempts brought; what attempts have taken
// is not touched. TSC_NOT_FOUND: there was none. TSC_TOO_LARGE: a name is over its limit. TSC_CLOSED.
tsc_status tsc_config_remove(const tsc_config *config,
                             const tsc_endpoint *endpoint,
                             size_t size);

// Says what attempts of this config to this endpoint may expect. size is sizeof(tsc_endpoint), out_size
// sizeof(tsc_forecast).
tsc_status tsc_config_forecast(const tsc_config *config,
                               const tsc_endpoint *endpoint,
                               size_t size,
                               tsc_forecast *out,
                               size_t out_size);

// Begins a connection attempt.
//
// endpoint, size: who it is for; copied.
// out: gets the handle, which the caller frees with tsc_attempt_free.
// TSC_TOO_LARGE: a name is over TSC_MAX_NAME. TSC_UNSUPPORTED: a reserved field is not 0. A closed or
// disabled cache is no error: the attempt works and offers nothing.
tsc_status tsc_attempt_new(const tsc_config *config,
                           const tsc_endpoint *endpoint,
                           size_t size,
                           tsc_attempt **out);

// Gives the session to offer in the ClientHello, and leases it to this attempt.
//
// A single-use session is out of the cache from here on: nobody else gets it. It goes back if the
// attempt fails with nothing sent, or is freed before tsc_attempt_sent and all that imply it
// (tsc_attempt_receive, tsc_attempt_wants_another, tsc_attempt_established, the other failures). Asking
// again gives the same session. Ask as late as possible, after the TCP connection is established.
//
// out, size: gets the session. What it points to is lent until tsc_attempt_established,
// tsc_attempt_failed or tsc_attempt_free. An object may be lent to several attempts at once if it is
// reusable; a TLS stack that changes what it is given needs a copy of its own (SSL_SESSION_dup).
// TSC_NOT_FOUND: nothing to offer, do a full handshake; also for a closed cache, whose
// callers need no error. TSC_WRONG_STATE: the attempt was sent, established or failed, or a callback within
// this call did that or freed it. TSC_CLOSED: the attempt is from before a fork.
tsc_status tsc_attempt_offer(const tsc_attempt *attempt,
                             tsc_session *out,
                             size_t size);

// Says that the ClientHello with the offered session may have left: a single-use session is used up,
// whatever comes. Call it before the first bytes are written. Calling it twice, or with nothing
// offered, is TSC_OK.
//
// An attempt that has not asked tsc_attempt_offer sent none: its wait is over, what was kept for it goes
// back, and tsc_attempt_offer is TSC_WRONG_STATE from then on. So it is after tsc_attempt_receive.
tsc_status tsc_attempt_sent(const tsc_attempt *attempt);

// Takes a session or ticket that the server sent, as the bytes that the TLS stack makes of it.
//
// Staged until tsc_attempt_established; after it, it goes straight into the cache, whenever it comes.
// Its lifetime counts from this call. At a limit of what may be staged (tsc_options.max_bytes,
// max_sessions_per_endpoint) it takes the place of the oldest that this attempt has staged.
// info, info_size: what is known of it; tls_version is required.
// data, len: 1 to max_session_bytes bytes, copied; wiped when released.
// TSC_TOO_LARGE. TSC_DISCARDED: lifetime zero or over, the attempt has failed, the cache is disabled, or
// others have staged so much that there is no room; the attempt goes on. TSC_CLOSED. TSC_NO_MEMORY.
tsc_status tsc_attempt_receive(const tsc_attempt *attempt,
                               const tsc_session_info *info,
                               size_t info_size,
                               const uint8_t *data,
                               size_t len);

// Takes a session as an object of the TLS stack: no serialising, no parsing.
//
// On TSC_OK the library owns one reference to object and gives it back, once, through release, on
// any thread, with no lock held, possibly before this call returns. On any other status the caller
// still owns it.
// info, info_size: as in tsc_attempt_receive.
// object: not NULL. Nobody else may change it from here on.
// len: how many bytes it would be if serialised; 0 if that is not known. With info->certificates and
// info->certificate_bytes the library decides what it costs in memory, which counts against max_bytes;
// max_session_bytes bounds len and certificate_bytes together. The sessions of an attempt share the
// certificates, which count once.
// release: not NULL. May call any function of this library.
tsc_status tsc_attempt_receive_object(const tsc_attempt *attempt,
                                      const tsc_session_info *info,
                                      size_t info_size,
                                      void *object,
                                      size_t len,
                                      void (*release)(void *object));

// Asks whether a session that the server has sent is worth taking, where taking it costs the caller
// much: CPython's ssl module, for one, copies each by encoding and decoding it.
//
// TSC_OK: take it, and give it to tsc_attempt_receive or tsc_attempt_receive_object. TSC_DISCARDED:
// leave it. The endpoint has max_sessions_per_endpoint already, and it would only take another's place;
// or it would be discarded whatever it is. It has been counted as one that the server sent. TSC_CLOSED.
tsc_status tsc_attempt_wants_another(const tsc_attempt *attempt);

// Says when the server's certificate ends, where only the connection knows (rustls): bounds all that
// this attempt received and will receive. After tsc_attempt_established that holds for what is in the cache
// of its lineage, and what others have taken of that does not come back. not_after: Unix seconds, above 0.
tsc_status tsc_attempt_set_not_after(const tsc_attempt *attempt,
                                     int64_t not_after);

// Says that the connection is established: TLS verified and the application's own login done. What
// it received is published, and what it still receives goes straight into the cache.
//
// A caller without a login of its own calls this right after the handshake.
// resumed: not 0 if the handshake was a resumed one (SSL_session_reused, rustls's handshake kind). If
// a session was offered and this is 0, the server refused it: its whole lineage is dropped.
// TSC_WRONG_STATE: already established or failed. TSC_INVALID_ARGUMENT: resumed, but nothing was
// offered through this attempt; nothing was changed.
tsc_status tsc_attempt_established(const tsc_attempt *attempt,
                                   int32_t resumed);

// Says that the attempt failed: what it received is discarded, then and later.
//
// The caller reports what it saw, and the library decides what becomes of the offered session, and whether
// offers do harm at this endpoint. Once the attempt was established, only TSC_FACT_ALERT has a meaning: a
// fatal alert came on the connection, and what it brought is dropped (RFC 8446, section 6).
//
// facts: TSC_FACT_* combined by |; 0: nothing was sent.
// TSC_WRONG_STATE: already failed, or established and no alert. TSC_UNSUPPORTED: a fact that this version
// does not know. TSC_CLOSED: the attempt is from before a fork.
tsc_status tsc_attempt_failed(const tsc_attempt *attempt,
                              uint32_t facts);

// Reads what became of the attempt so far. size is sizeof(tsc_attempt_info).
tsc_status tsc_attempt_info_get(const tsc_attempt *attempt, tsc_attempt_info *out, size_t size);

// Gives the rustls configuration for this one connection, to pass to rustls_client_connection_new.
//
// Only for an attempt whose config was made by tsc_config_attach. rustls takes the session to offer in
// rustls_client_connection_new, so call that after the TCP connection stands. What the server sends
// is staged and published as with the other calls, also long after the handshake, and also when this
// attempt was freed after tsc_attempt_established.
// out: gets a configuration that the caller frees with rustls_client_config_free.
// TSC_UNSUPPORTED: the config is not from tsc_config_attach, or rustls is not in this build.
// TSC_CLOSED: the attempt is from before a fork.
tsc_status tsc_attempt_rustls_config(const tsc_attempt *attempt,
                                     const struct rustls_client_config **out);

// Frees an attempt; NULL is nothing.
//
// If nobody said how the attempt ended, what it received is discarded, what it had taken and not
// sent goes back, and the statistics count it as unfinished. After tsc_attempt_established, the
// connection may live on: tickets that still arrive for it are kept (rustls).
void tsc_attempt_free(tsc_attempt *attempt);

// Waits for a session if one is expected in time, and returns when there is nothing to wait for any
// more: ask tsc_attempt_offer then (or create the rustls connection), and do a full handshake if it has
// nothing.
//
// A pool that opens many connections to one endpoint at once has more attempts than tickets. With this,
// the first does a full handshake and the others are given what it brings, and what these bring in
// turn, in the order in which they asked. Who would wait in vain, as far as the library can tell from
// what the endpoint brought before, is told so at once; so is everybody if the endpoint issues no
// sessions. Others know of an attempt from its tsc_attempt_offer on, until it is established and has
// brought what it is expected to, has failed, or is freed: say so as soon as you know.
//
// Ask after the TCP connection stands: a session that was kept for an attempt is kept from others.
// docs/supply.md says when waiting pays.
//
// An attempt that hangs is not waited for to the end: after eight times what handshakes take here, between
// one and ten seconds, nothing is expected of it, and the first in the line goes in its place.
// max_wait_ms: the longest wait, in milliseconds of real time. 0: do not wait.
// TSC_WRONG_STATE: the attempt waits already, or is past its offer. TSC_CLOSED: the attempt is from
// before a fork.
tsc_status tsc_attempt_wait(const tsc_attempt *attempt,
                            uint32_t max_wait_ms);

// tsc_attempt_wait for a driver that must not be blocked.
//
// TSC_OK: there is nothing to wait for; ready will not be called. TSC_WAIT: ready is called when the
// wait is over, once, on whichever thread ended it, with no lock held, possibly before this call has
// returned. It may call any function of this library, tsc_attempt_offer among them.
// The library starts no thread, so it cannot call at the deadline: set a timer of your own to
// max_wait_ms, and call tsc_attempt_wait_end when it fires. For the same reason a burst that waits for
// something which does not come (a first one, at a server that issues no sessions; an attempt that hangs)
// learns of it by the next call about the same endpoint, whatever that is, or by one that waits with one
// of the other two calls.
// Callbacks run one after the other: if one ends the wait of another attempt, as by tsc_attempt_free, the
// other one's is called after it has returned. So any number of them needs no deeper stack than one.
// ready: not NULL. arg: passed to it.
// Other statuses: see tsc_attempt_wait.
tsc_status tsc_attempt_wait_callback(const tsc_attempt *attempt,
                                     uint32_t max_wait_ms,
                                     void (*ready)(void *arg),
                                     void *arg);

// tsc_attempt_wait for an event loop: by a file descriptor that becomes readable when the wait is over,
// be it by a session, by a forecast that changed, or by the deadline. No timer and no callback needed.
//
// TSC_OK: there is nothing to wait for; fd is not written. TSC_WAIT: fd gets the descriptor, which is
// lent until tsc_attempt_free; poll it for reading, do not read or close it, and take it out of the
// event loop when it is readable, or else before tsc_attempt_free. The library closes it, once, but not
// before another thread that is just ending the wait is done with it: for that moment it stays open, so an
// event loop that still has it could report it after tsc_attempt_free. Its number is not used for anything
// else meanwhile.
// TSC_UNSUPPORTED: there are no such descriptors outside Linux; wait with tsc_attempt_wait_callback and a
// timer of your event loop there. TSC_NO_MEMORY: no descriptor could be had. Other statuses: see
// tsc_attempt_wait.
tsc_status tsc_attempt_wait_fd(const tsc_attempt *attempt,
                               uint32_t max_wait_ms,
                               int32_t *fd);

// Gives up an attempt's place in the queue, as at its deadline: make the offer then.
//
// TSC_OK: ready has not been called and will not be. TSC_WRONG_STATE: the attempt does not wait, or
// ready was called, or is being called or about to be: leave the rest to it.
// tsc_attempt_offer, tsc_attempt_sent, tsc_attempt_receive, tsc_attempt_established, tsc_attempt_failed and
// tsc_attempt_free end a wait, too, but do not say which it was: use this first if what arg points to is to
// be freed.
tsc_status tsc_attempt_wait_end(const tsc_attempt *attempt);

// Seals the sessions of a config for the next process to import, as for a warm restart.
//
// The sessions of every endpoint of the config, and of all that carry the same identity. A single-use
// session leaves the cache with the export, or it could be offered twice; a reusable one stays as
// well. Sessions that are kept as objects stay and are not exported: for OpenSSL attach with
// TSC_SSL_SERIALISE, and rustls's cannot be exported. What attempts have taken or staged is not in it.
//
// Who has an export and its key has the sessions. Import it once, in one process: the library cannot
// know of a second time, in which every single-use session would be offered again. It is encrypted
// with ChaCha20-Poly1305 and a random nonce, so a key is good for 2^32 exports.
//
// key, key_len: TSC_EXPORT_KEY random bytes.
// buf, cap: where the export goes; (NULL, 0) asks for the length alone. The library writes no file.
// len: gets the length, also with TSC_TOO_SMALL, which leaves everything in the cache. It changes with
// what the cache has, so leave some room or ask again.
// left_out: gets how many sessions stayed because they are objects; NULL if not wanted.
// TSC_TOO_SMALL: cap is below the length. TSC_UNSUPPORTED: the config has no identity
// (tsc_config_options), so that nothing could tell in another process which config is the same; or
// the system has no random numbers. TSC_CLOSED. TSC_NO_MEMORY.
tsc_status tsc_config_export(const tsc_config *config,
                             const uint8_t *key,
                             size_t key_len,
                             uint8_t *buf,
                             size_t cap,
                             size_t *len,
                             size_t *left_out);

// Takes in what tsc_config_export sealed in another process, for a config with the same identity.
//
// All of it or, if a byte of it is not as it was, nothing. Lifetimes go on by the wall clock: nothing
// is offered for longer than was left at the export, and the limits of this config and its cache hold
// as well. What is over by now, or over a limit, is dropped and counted in the statistics. Import
// before the first connection.
//
// key, key_len: the key of the export. data, len: the export.
// count: gets how many sessions came into the cache.
// TSC_NOT_AUTHENTIC: it was altered or cut short, or made with another key, for another identity, for
// the caller's own keys, or by a version of the library with another format. TSC_DISCARDED: the wall
// clock stands before the export, so that nobody can tell how much time is left. TSC_UNSUPPORTED: the
// config has no identity. TSC_CLOSED. TSC_NO_MEMORY. With each of these nothing was imported.
tsc_status tsc_config_import(const tsc_config *config,
                             const uint8_t *key,
                             size_t key_len,
                             const uint8_t *data,
                             size_t len,
                             size_t *count);

// The same as tsc_config_export for the sessions under keys of the caller's own (tsc_put).
tsc_status tsc_cache_export(const tsc_cache *cache,
                            const uint8_t *key,
                            size_t key_len,
                            uint8_t *buf,
                            size_t cap,
                            size_t *len,
                            size_t *left_out);

// The same as tsc_config_import for what tsc_cache_export sealed. The caller's keys are in it: that
// they mean the same in both processes is the caller's to know.
tsc_status tsc_cache_import(const tsc_cache *cache,
                            const uint8_t *key,
                            size_t key_len,
                            const uint8_t *data,
                            size_t len,
                            size_t *count);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TSC_H */
