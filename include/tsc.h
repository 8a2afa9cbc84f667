// tsc.h: a client-side TLS session cache. This header is the manual.
//
// # What it does
//
// A program that reconnects to a server can resume its TLS session, which costs much less than a full
// handshake, if it kept what the server gave it: a TLS 1.2 session, or TLS 1.3 tickets. libtsc keeps them, and
// makes these promises to every caller (docs/promises.md says how each is tested):
//
// - P1, isolation: a session is offered only to the config and the endpoint that it came from, and only to a
//   connection that verifies the same as the one that received it.
// - P2, only after success: what a connection receives is staged. Others see it once the connection is
//   established.
// - P3, single use: a TLS 1.3 ticket is handed out at most once, unless TSC_REUSE_WHEN_DRY allows more. A
//   ticket that was taken and never sent goes back.
// - P4, lifetime: nothing is offered past the earliest of: its own lifetime, the cache's TTL, seven days, the
//   end of the certificates where it is known, and the maximum age of its lineage (all the sessions that descend,
//   by resumption, from one full handshake).
// - P5, bounded: endpoints, sessions per endpoint and bytes have limits. The least recently used endpoint goes
//   first.
// - P6, memory only: sessions are secrets. They are wiped when released, a forked child does not inherit
//   them, and they leave the process only by tsc_config_export and tsc_cache_export, sealed with your key, or to
//   tsc-agent if you say so (TSC_SHARE).
// - P7, never worse than no cache: trouble in libtsc costs a full handshake, never a connection. A server can
//   break off a connection, or refuse its login, because a session was offered; tsc_options.failure_budget
//   bounds how often that may happen.
// - P8, safe at the boundary: any thread may call any function, no lock is held while your code runs, no thread
//   is started, and invalid arguments get a status.
// - P9, accountable: the statistics add up. What was stored equals what left, by reason, plus what is held.
// - P10, stable: handles are opaque, structs grow at their end, and values of constants never change.
//
// # Three ways in
//
// - OpenSSL: include tsc_openssl.h, which is built on the calls below. Three of its functions are enough.
// - rustls through rustls-ffi: tsc_config_attach, tsc_attempt_new, tsc_attempt_rustls_config, then
//   tsc_attempt_established or tsc_attempt_failed.
// - Anything else: tsc_config_new and tsc_attempt_*; or, doing everything yourself, tsc_put and tsc_get with
//   keys of your own.
//
// # Conventions, unless a function says otherwise
//
// - Results: every function that can fail returns a tsc_status; TSC_OK is 0. Outputs are written only on
//   TSC_OK, except where a description says that a status comes with a value.
// - Statuses: "Returns" lists every status that a function can return, except three that any function can:
//   TSC_INVALID_ARGUMENT for a NULL or a length that cannot be (see NULL), TSC_UNSUPPORTED for a struct with
//   something that this library does not know (see Structs), and TSC_PANIC.
// - Handles (tsc_cache, tsc_config, tsc_attempt) are opaque, made by *_new, *_share or *_attach, and freed
//   once with the matching *_free. Freeing NULL does nothing. Using or freeing a handle after it was freed is
//   undefined behaviour, as for free(3). Handles may be freed in any order: a config keeps what it
//   needs of its cache, an attempt what it needs of its config.
// - Threads: any thread may call any function, also on the same handle at the same time; only freeing a handle
//   must not happen during another use of that handle. The library starts no
//   thread and holds no lock while it runs code of yours (release functions, retain, clocks, on_event,
//   ready); your code may call the library. It may also free handles, including those of the
//   call that it runs in; that call then finishes without them.
// - Fork: a child process finds every cache empty and may use it at once, also in handlers of pthread_atfork.
//   Configs continue to work; calls on attempts that were made before the fork return TSC_CLOSED in the child.
//   A child of vfork shares its parent's memory and must not call the library. docs/threading.md says
//   what differs outside Linux.
// - Signals: do not call any function from a signal handler. If the handler interrupted a call to the library on
//   the same thread, it would wait forever for that call's lock.
// - NULL: where an argument may be NULL, its description says so; any other NULL gets TSC_INVALID_ARGUMENT.
//   (NULL, 0) is an empty slice of bytes. A length that no object can have (above PTRDIFF_MAX) gets
//   TSC_INVALID_ARGUMENT.
// - Structs are passed with their size, which is sizeof in the calling code. They grow at their end, and 0 in a
//   field means its default, so start from {0}. For a shorter struct from an older caller, the missing fields
//   have their defaults. A longer struct from a newer caller is accepted if the part that this library does
//   not know is all 0, and otherwise gets TSC_UNSUPPORTED. In outputs, the library writes what the caller has
//   room for, and sets to 0 what it does not know.
// - Errors carry no text, and nothing is stored per thread, because languages that move between threads would
//   read another call's error. tsc_status_text describes a status.
// - Times: durations in seconds or milliseconds as named; absolute times are Unix seconds.
// - Since: every function exists since version 0.1.0, unless its description says otherwise.


#ifndef TSC_H
#define TSC_H

#include <stddef.h>
#include <stdint.h>

/* A finished rustls configuration, from rustls.h. Only named here; rustls.h is not needed. */
struct rustls_client_config;


// The version of this header. tsc_version_number gives the version of the library in use.
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

// tsc_event.kind: an attempt was established, and the server had refused what it offered.
#define TSC_EVENT_REFUSED 4

// tsc_event.kind: expired sessions were dropped. The event comes when the library finds them, which
// may be some time after they expired.
#define TSC_EVENT_EXPIRED 5

// tsc_event.kind: sessions were dropped to keep max_endpoints or max_bytes.
#define TSC_EVENT_EVICTED 6

// tsc_event.kind: libtsc offers nothing to this endpoint for a while, because offering did harm there.
#define TSC_EVENT_BREAKER_OPENED 7

// tsc_event.kind: libtsc offers sessions to this endpoint again.
#define TSC_EVENT_BREAKER_CLOSED 8

// tsc_event.kind: an attempt does a full handshake; tsc_event.reason says why.
#define TSC_EVENT_NOT_OFFERED 9

// tsc_options.flags: the cache keeps and offers nothing; every call still works.
#define TSC_DISABLED 1

// tsc_options.flags: the last TLS 1.3 ticket of an endpoint is offered again and again, until a new
// one comes.
//
// For servers that accept a ticket more than once, as most do. It costs privacy: anyone watching the network
// sees that two connections with the same ticket are from the same client, which single use is meant to hide
// (RFC 8446, C.4). A server that accepts each ticket once refuses the second use, which costs a full handshake;
// libtsc notices that, and for the next hour it offers each ticket to that endpoint only once. If several attempts
// wait, one of them tries the used ticket. The others wait for the result if it is expected before their deadlines;
// otherwise they offer the ticket as well. rustls does not let a TLS 1.3 session be used twice, so there the flag
// does nothing.
#define TSC_REUSE_WHEN_DRY 2

// tsc_options.flags: sessions are shared with other processes, through the tsc-agent of this machine
// (docs/sharing.md).
//
// What configs with an identity keep as bytes is then kept by the agent, for all processes of this user whose
// config has the same identity. If there is any trouble with the agent, the process goes on alone; outside Linux
// it always does. A program that publishes a session can impersonate its server to any program that resumes it, since
// a resumed handshake shows no certificate: share only among programs that you trust alike.
#define TSC_SHARE 4

// tsc_options.agent_budget_us: no call waits for tsc-agent, as in an event loop. Then only tsc_attempt_wait_fd
// gets sessions from the agent.
#define TSC_AGENT_NO_WAIT UINT32_MAX

// The longest host, server name, group, verification and identity, in bytes.
#define TSC_MAX_NAME 255

// tsc_endpoint.flags: the client may show a certificate of its own on this connection, so that its sessions are
// not shared with other processes (TSC_SHARE) unless the config has TSC_CONFIG_SHARE_CLIENT_CERTIFICATE.
// tsc_openssl.h sets it.
#define TSC_ENDPOINT_CLIENT_CERTIFICATE 1

// How many bytes tsc_function_id writes.
#define TSC_FUNCTION_ID 32

// The longest key of tsc_put and the other functions with a key of your own, in bytes.
#define TSC_MAX_KEY 1024

// tsc_config_options.flags: the client may show a certificate of its own, also one that a callback supplies. A
// session is then the client's identity without its key, so sessions are not shared with other processes
// (TSC_SHARE). client_not_after says the same.
#define TSC_CONFIG_CLIENT_CERTIFICATE 1

// tsc_config_options.flags: sessions are shared with other processes although the client shows a certificate.
// Any program of this user can then act as the client, without its key, for as long as the sessions last.
#define TSC_CONFIG_SHARE_CLIENT_CERTIFICATE 2

// In a field of tsc_forecast: not known yet, or never.
#define TSC_UNKNOWN UINT32_MAX

// tsc_attempt_info.reason: it resumed, or that is not decided yet.
#define TSC_REASON_NONE 0

// tsc_attempt_info.reason: nothing was ever stored for this endpoint and config in this process, or it was so long
// ago that the cache has forgotten it. Normal for a first connection, also for the first one of a forked child, which
// starts with an empty cache (TSC_SHARE shares sessions between processes). Otherwise check what differs between the
// endpoints, and that every attempt reports that it is established.
#define TSC_REASON_NOTHING_STORED 1

// tsc_attempt_info.reason: what was stored has expired. Check the server's ticket lifetime and
// ttl_seconds.
#define TSC_REASON_EXPIRED 2

// tsc_attempt_info.reason: what was stored was evicted to keep a limit, or cleared. Check max_endpoints
// and max_bytes.
#define TSC_REASON_EVICTED 3

// tsc_attempt_info.reason: other attempts have taken all sessions. Let attempts wait (tsc_attempt_wait),
// or have the server issue more tickets.
#define TSC_REASON_TAKEN 4

// tsc_attempt_info.reason: the server refused what was offered or, just before, refused or broke off a
// session of the same lineage. It was restarted, or does not have the ticket keys of the node that issued it.
#define TSC_REASON_REFUSED 5

// tsc_attempt_info.reason: offers to this endpoint did harm recently (tsc_options.failure_budget), so nothing
// was offered, or this attempt served as the comparison.
#define TSC_REASON_WITHHELD 6

// tsc_attempt_info.reason: it waited for a session, and none came in time.
#define TSC_REASON_WAITED_IN_VAIN 7

// tsc_attempt_info.reason: the session that it took was never sent, and went back to the cache.
#define TSC_REASON_NOT_SENT 8

// tsc_attempt_info.reason: nobody called tsc_attempt_offer.
#define TSC_REASON_NOT_ASKED 9

// tsc_attempt_info.reason: the cache is disabled or closed.
#define TSC_REASON_CACHE_OFF 10

// tsc_attempt_info.reason: the attempt failed after it had offered a session.
#define TSC_REASON_FAILED 11

// tsc_attempt_info.reason: all sessions of this endpoint come from connections that verified something else
// (tsc_endpoint.verification): other names, flags or client certificate. Or the attempt itself turned out to, and
// was withdrawn (tsc_attempt_withdraw): set everything before it begins.
#define TSC_REASON_OTHER_VERIFICATION 12

// tsc_attempt_info.reason: with TSC_SHARE, this process has no session, and the agent gave no answer. Either the
// agent does not run, is too slow (tsc_options.agent_budget_us), is of another release or is at one of its limits;
// or the attempt did not ask it (TSC_AGENT_NO_WAIT without tsc_attempt_wait_fd). See `tsc-agent status`.
#define TSC_REASON_AGENT_AWAY 13

// tsc_attempt_failed: the ClientHello may have left. Without this fact, as when the TCP connection was refused,
// the session that the attempt took goes back to the cache.
#define TSC_FACT_SENT 1

// tsc_attempt_failed: the TLS handshake was done; the application's own login failed.
#define TSC_FACT_HANDSHAKE_DONE 2

// tsc_attempt_failed: the handshake was a resumed one (SSL_session_reused, rustls's handshake kind).
#define TSC_FACT_RESUMED 4

// tsc_attempt_failed: the server stopped answering.
#define TSC_FACT_TIMED_OUT 8

// tsc_attempt_failed: the caller gave up, because another connection was faster or its user cancelled. This
// says nothing about the server.
#define TSC_FACT_CANCELLED 16

// tsc_attempt_failed: a fatal TLS alert came or was sent. In TLS 1.3 one can come after the handshake, for
// example when the server rejects the client's certificate.
#define TSC_FACT_ALERT 32

// tsc_attempt_info.state: begun, and nobody has reported the outcome yet.
#define TSC_ATTEMPT_OPEN 1

// tsc_attempt_info.state: established; what arrives now goes straight into the cache.
#define TSC_ATTEMPT_ESTABLISHED 2

// tsc_attempt_info.state: failed; what arrives now is discarded.
#define TSC_ATTEMPT_FAILED 3

// The length of the key that exports are sealed with, in bytes.
#define TSC_EXPORT_KEY 32

// What a function returns. The values never change; new ones are only added at the end.
enum tsc_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done.
    TSC_OK = 0,
    // There is no session to offer: do a full handshake.
    TSC_NOT_FOUND = 1,
    // A NULL where none is allowed, a length or value out of range, or a struct of the wrong size.
    TSC_INVALID_ARGUMENT = 2,
    // The buffer is too small. The length that is needed was written; nothing was lost.
    TSC_TOO_SMALL = 3,
    // A key, name or session is over its limit (TSC_MAX_KEY, TSC_MAX_NAME, max_session_bytes).
    TSC_TOO_LARGE = 4,
    // Out of memory. Nothing was lost or changed. Returned for everything whose size depends on the caller's data
    // or the number of sessions: sessions stored or staged, tables that grow, exports, imports, text. If the
    // heap has no room for a small block (a handle, a key, a place in a queue) or for the list of what a call
    // drops at once, Rust's allocator aborts the process. tsc_clear and tsc_cache_free need no such list.
    TSC_NO_MEMORY = 5,
    // The cache was closed or freed, or the handle was made before a fork in the parent process.
    TSC_CLOSED = 6,
    // The session was not kept, as intended: its lifetime is over or zero, its connection has failed, the cache
    // is disabled, or there are enough sessions. The caller has nothing to do. From an import: the wall clock is
    // before the time of the export.
    TSC_DISCARDED = 7,
    // The attempt is past the point where this call has a meaning, for example established after
    // failed. Nothing was changed.
    TSC_WRONG_STATE = 8,
    // This build or system cannot do it (rustls is not in the build, there are no descriptors to wait with),
    // or the caller set a field or flag that this version does not know.
    TSC_UNSUPPORTED = 9,
    // An error inside the library was contained. Treat it as "no session" and please report it.
    TSC_PANIC = 10,
    // A session is on its way: call tsc_attempt_offer when the wait is over.
    TSC_WAIT = 11,
    // The data to import is not what was exported with this key and for this config. Nothing was imported.
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

// A bounded, thread-safe store of sessions. One for each cluster object is usual.
typedef struct tsc_cache tsc_cache;

// One TLS configuration, bound to one cache. Sessions never cross from one config to another.
typedef struct tsc_config tsc_config;

// Something that happened in a cache, passed to tsc_options.on_event. What it points to is lent for the
// call. It contains no part of a session.
typedef struct {
    // TSC_EVENT_*. New ones may be added: ignore those that you do not know.
    uint32_t kind;
    // The endpoint's port; 0 if it has none, or a group stands in its place.
    uint32_t port;
    // Number of sessions affected; 0 for breaker events and TSC_EVENT_NOT_OFFERED. tsc_stats has a counter of
    // the same name.
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

// The limits of a cache. 0 in a field means its default; see docs/limits.md for how to choose.
typedef struct {
    // 0, or TSC_DISABLED, TSC_REUSE_WHEN_DRY and TSC_SHARE combined by |.
    uint32_t flags;
    // Endpoints that the cache remembers; the least recently used goes first. Default 100.
    uint32_t max_endpoints;
    // Sessions per endpoint; the oldest goes first. Default 64.
    uint32_t max_sessions_per_endpoint;
    // Seconds after which no session is offered any more, whatever its own lifetime. Default 3600.
    uint32_t ttl_seconds;
    // Bytes of all sessions together. Default 8 MiB, and proportionally more if max_endpoints is above its
    // default. All attempts together may stage as many bytes again. An attempt that has staged something takes
    // no more of them than it leaves to the others; at the limit its newest session replaces its oldest.
    uint64_t max_bytes;
    // Bytes of one session as received: serialised, and for an object including the certificates that it
    // holds. Larger ones get TSC_TOO_LARGE. Default 64 KiB.
    uint32_t max_session_bytes;
    // Seconds since the last full handshake after which a lineage ends, however often it was renewed
    // by resumption. Default 86400 (a day).
    uint32_t max_lineage_age_seconds;
    // The clock to use in place of the system's: milliseconds that never decrease. For tests. NULL:
    // the system's monotonic clock, which counts suspend. Called on any thread, with no lock held,
    // until the last handle that can reach the cache is freed.
    uint64_t (*clock)(void *clock_arg);
    // Passed to clock.
    void *clock_arg;
    // How many full handshakes to one endpoint may be in progress before further attempts that call
    // tsc_attempt_wait, tsc_attempt_wait_callback or tsc_attempt_wait_fd wait for one of them to end. A
    // handshake that hangs counts until it is overdue: see tsc_attempt_wait. Default: any number.
    uint32_t max_full_handshakes;
    // Connections to one endpoint that may fail within an hour because they offered a session, where a full
    // handshake would have succeeded; not counting those in progress at the same time. From two thirds of this
    // number on, libtsc offers nothing, except that one connection at a time tries. Where full handshakes fail
    // as well, the bound is approximate. Default 12; UINT32_MAX: any number.
    uint32_t failure_budget;
    // Called when something happens to sessions (TSC_EVENT_*), or NULL. size is that of tsc_event in the
    // library: a field that ends beyond it is not there. Called on whichever thread is in the library, with no
    // lock held and possibly before the call that caused it has returned. It may be called until the last
    // handle that can reach the cache is freed, and the calls on rustls connections that were in progress then
    // have returned. It may call the library; it must not throw.
    void (*on_event)(void *event_arg, const tsc_event *event, size_t size);
    // Passed to on_event.
    void *event_arg;
    // With TSC_SHARE: where tsc-agent listens, the absolute path of a Unix socket, not NUL-terminated. (NULL, 0):
    // what the environment variable TSC_AGENT says, except in a process with elevated rights (set-user-ID).
    // Without an agent, the process goes on alone.
    const uint8_t *agent;
    // Its length, at most TSC_MAX_NAME.
    size_t agent_len;
    // With TSC_SHARE: for how many microseconds a call may wait for tsc-agent, besides the wait of
    // tsc_attempt_wait; after that it goes on without the agent. Default 2000; TSC_AGENT_NO_WAIT: not at all.
    uint32_t agent_budget_us;
    // Always 0.
    uint32_t reserved;
} tsc_options;

// What the caller knows of a session: what the wire said. The rules are the library's.
typedef struct {
    // The protocol version on the wire: 0x0303 for TLS 1.2, 0x0304 for TLS 1.3 (0x0301 and 0x0302 are
    // treated like 1.2). A TLS 1.3 session is single-use, an older one is reusable. Required.
    uint32_t tls_version;
    // The lifetime that the server gave, in seconds. TLS 1.3: 0 means that it must not be kept
    // (RFC 8446). Before TLS 1.3: 0 means that the server said nothing (RFC 5077), as for sessions
    // by id; the cache's own limits then hold. More than seven days counts as seven days. In outputs:
    // seconds for which the session may still be offered, rounded down.
    uint32_t lifetime_seconds;
    // When the server's certificate ends, in Unix seconds; 0 if not known. 0 in outputs.
    int64_t not_after;
    // Milliseconds since the session was received. Only in outputs; ignored in inputs.
    uint64_t age_ms;
    // For an object: how many of the peer's certificates it holds; 0 if that is not known, or the session is bytes.
    // 0 in outputs.
    uint32_t certificates;
    // For an object: how many bytes these certificates have in DER, together. 0 in outputs.
    uint32_t certificate_bytes;
} tsc_session_info;

// The server that a session is for. Host and server name are compared ignoring ASCII case, the group byte by
// byte.
typedef struct {
    // The host that the driver dials, a name or an address, not NUL-terminated. Required.
    const uint8_t *host;
    // Its length, 1 to TSC_MAX_NAME.
    size_t host_len;
    // The name that the server's certificate is checked against (SNI), or (NULL, 0) for the host.
    const uint8_t *server_name;
    // Its length, at most TSC_MAX_NAME.
    size_t server_name_len;
    // A label that replaces host and port: endpoints with the same group and server name
    // share sessions on purpose, as two ports of one node may. (NULL, 0) for none, which is right
    // unless the servers are known to share their ticket keys.
    const uint8_t *group;
    // Its length, at most TSC_MAX_NAME.
    size_t group_len;
    // The port, 1 to 65535; 0 where there is none, as for a Unix socket.
    uint32_t port;
    // 0, or TSC_ENDPOINT_CLIENT_CERTIFICATE.
    uint32_t flags;
    // Whatever else decides, on this connection alone, whom it trusts and which identity it uses (further names
    // to verify, flags, a client certificate), as bytes: a digest will do. A session is offered only to
    // connections with the same bytes. (NULL, 0): what the config says. tsc_openssl.h fills it in.
    const uint8_t *verification;
    // Its length, at most TSC_MAX_NAME.
    size_t verification_len;
} tsc_endpoint;

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
    // Single-use sessions that were taken, never sent, and came back. One that has expired by then, or
    // was refused meanwhile, also counts as expired or removed.
    uint64_t returned;
    // Sessions dropped because they had expired.
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
    // Sessions not kept because their attempt was freed before anybody reported how it ended.
    uint64_t discarded_unfinished;
    // Sessions not kept because the cache is disabled or closed.
    uint64_t discarded_disabled;
    // Sessions not kept because memory ran out.
    uint64_t discarded_no_memory;
    // Attempts that were established.
    uint64_t established;
    // Attempts that failed.
    uint64_t failed;
    // Attempts freed before anybody reported how they ended. More than a few mean that a driver forgets to
    // report "established", and the cache stays empty.
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
    // How many of these got a session while they waited.
    uint64_t waits_served;
    // Attempts that were offered nothing because their endpoint's breaker was open.
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
    // Sessions that tsc-agent lent to attempts (TSC_SHARE). They never were in the cache; one that was offered
    // is counted as offered, too.
    uint64_t agent_leased;
    // How many of these were given back because they were not sent.
    uint64_t agent_returned;
    // Sessions received that went to tsc-agent instead of the cache.
    uint64_t agent_stored;
    // Attempts that asked tsc-agent and got no answer: no agent runs, or it was too slow. They went on without it.
    uint64_t agent_away;
} tsc_stats;

// What distinguishes a config, and how it behaves. 0 in a field means its default.
typedef struct {
    // Bytes that name the TLS configuration. Two configs of one cache with the same identity share
    // their sessions: do so only if they agree on trust roots, client certificate,
    // verification and ALPN, as when a program builds the same configuration again. (NULL, 0), the
    // default: this config shares with no other.
    const uint8_t *identity;
    // Its length, at most TSC_MAX_NAME.
    size_t identity_len;
    // When the client's own certificate ends, in Unix seconds; no session is offered after that. 0: there is
    // none, or it is not known.
    int64_t client_not_after;
    // Only rustls: how many tickets to ask the server for on a full handshake (RFC 9149), at most
    // 255. 0 here and in tickets_resumption: as many as attempts wait for (tsc_attempt_wait) or, if none
    // waits, what the rustls configuration says.
    uint32_t tickets_new_session;
    // Only rustls: how many to ask for on a resumed handshake, at most 255. If only one of the two is
    // 0, it is what the rustls configuration says or, if that requests none, the same as the other.
    uint32_t tickets_resumption;
    // What connections verify if their endpoint has no verification of its own (tsc_endpoint), as bytes: this
    // keeps configs with the same identity apart if they verify differently. (NULL, 0): not specified.
    const uint8_t *verification;
    // Its length, at most TSC_MAX_NAME.
    size_t verification_len;
    // 0, or TSC_CONFIG_CLIENT_CERTIFICATE and TSC_CONFIG_SHARE_CLIENT_CERTIFICATE combined by |.
    uint32_t flags;
    // Always 0.
    uint32_t reserved;
} tsc_config_options;

// What attempts of a config to an endpoint may expect, for a driver that does its own planning.
typedef struct {
    // Sessions in the cache now.
    uint64_t available;
    // Attempts that wait for a session (tsc_attempt_wait, _wait_callback, _wait_fd).
    uint64_t waiting;
    // Attempts that are in a full handshake, or have done one and may still receive sessions.
    uint64_t full_in_flight;
    // Attempts that offered a session, and may still receive new ones.
    uint64_t resumed_in_flight;
    // Sessions that the last full handshake yielded, or TSC_UNKNOWN.
    uint32_t tickets_full;
    // Sessions that the last resumed handshake yielded, or TSC_UNKNOWN.
    uint32_t tickets_resumed;
    // Milliseconds from the start of a full handshake to its first session.
    uint32_t full_ms;
    // The same for a resumed one.
    uint32_t resumed_ms;
    // Milliseconds that an attempt which asks now would wait for a session. 0: there is one, or a first
    // handshake of unknown duration is in progress. TSC_UNKNOWN: the attempt would do a full handshake.
    uint32_t wait_ms;
    // 1 if nothing is offered to the endpoint at present (tsc_options.failure_budget).
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

// What has become of one connection attempt so far.
typedef struct {
    // TSC_ATTEMPT_OPEN, TSC_ATTEMPT_ESTABLISHED or TSC_ATTEMPT_FAILED.
    uint32_t state;
    // 1 if a session was taken to be offered.
    uint32_t offered;
    // 1 if the connection was established by resuming that session ("session reused").
    uint32_t resumed;
    // 1 if the server refused that session.
    uint32_t refused;
    // Sessions received so far.
    uint32_t received;
    // How many of the received sessions went into the cache.
    uint32_t stored;
    // How many of the received sessions were discarded. The rest is staged.
    uint32_t discarded;
    // Why it did not resume: one of TSC_REASON_*. New ones may be added.
    uint32_t reason;
} tsc_attempt_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Gives the version of the library in use, as "major.minor.patch".
//
// Returns a static string, which is not to be freed; never NULL.
const char *tsc_version(void);

// Gives the version of the library in use as one number.
//
// A program compiled with a newer header than the library it runs with can find out here.
//
// Returns major << 16 | minor << 8 | patch.
uint32_t tsc_version_number(void);

// Tells whether rustls is in the library in use: then tsc_config_attach works, and the library exports rustls_*.
//
// Returns 1 if it is, 0 if not.
uint32_t tsc_has_rustls(void);

// Describes a status in one short English phrase without a full stop.
//
// status: any number.
// Returns a static string, which is not to be freed; never NULL, also for numbers that are no status.
const char *tsc_status_text(uint32_t status);

// Identifies a function of the program, for use in tsc_endpoint.verification.
//
// A connection that verifies by a callback verifies what that callback does. The callback's address does not
// identify it: another function may get the address after dlclose, and the next process has the function at another
// one. On Linux the id is the build id of the module that the function is in, with the function's place in it. For
// a module without a build id, and on other systems, it holds only within this process; on other systems, do
// not unload a module with such a function.
//
// function: not NULL; it is not called.
// out: TSC_FUNCTION_ID bytes, which receive the id.
// Returns TSC_OK; TSC_NOT_FOUND if the function is in no module but was made at run time, as libffi does.
tsc_status tsc_function_id(void (*function)(void),
                           uint8_t *out);

// Makes a cache.
//
// options, size: the limits; (NULL, 0) for the defaults.
// out: receives the handle, which the caller frees with tsc_cache_free.
// Returns TSC_OK; TSC_UNSUPPORTED if options.flags has a flag that this version does not know; TSC_TOO_LARGE if
// options.agent is over TSC_MAX_NAME; TSC_NO_MEMORY.
tsc_status tsc_cache_new(const tsc_options *options,
                         size_t size,
                         tsc_cache **out);

// Makes a second handle to the same cache, for another owner to free.
//
// The cache closes when the last of its handles is freed. A closed cache can be shared, too.
//
// out: receives the handle, which the caller frees with tsc_cache_free.
// Returns TSC_OK.
tsc_status tsc_cache_share(const tsc_cache *cache, tsc_cache **out);

// Closes a cache at once, for all its handles: drops every session, and from here on keeps and offers nothing.
//
// Calls that would store or look up a session then return TSC_CLOSED. Configs and attempts that use the cache
// stay valid and find nothing; attempts that wait for a session stop waiting and do a full handshake.
//
// Returns TSC_OK, also for a cache that is closed already.
tsc_status tsc_cache_close(const tsc_cache *cache);

// Frees a handle to a cache.
//
// With the last handle the cache closes (tsc_cache_close), even if configs or attempts still use it.
//
// cache: may be NULL.
void tsc_cache_free(tsc_cache *cache);

// Stores a session under a key of your own.
//
// For callers that do everything themselves. The key must contain everything that keeps sessions apart: host,
// port, server name, and whatever in the TLS configuration decides whom to trust and which identity to use. The
// session must come from a connection that was established. tsc_attempt_* takes care of both.
//
// key, key_len: 1 to TSC_MAX_KEY bytes; copied.
// info, info_size: what is known of the session; tls_version is required.
// data, len: the session as the TLS stack serialises it, 1 to max_session_bytes bytes; copied.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if key or data is empty, or a field of info is out of range;
// TSC_TOO_LARGE if the key or the session is over its limit; TSC_DISCARDED if the session's lifetime is zero or
// over, or the cache is disabled; TSC_CLOSED if the cache is closed; TSC_NO_MEMORY, and whatever was stored
// before is still there.
tsc_status tsc_put(const tsc_cache *cache,
                   const uint8_t *key,
                   size_t key_len,
                   const tsc_session_info *info,
                   size_t info_size,
                   const uint8_t *data,
                   size_t len);

// Copies out the newest session under a key. A single-use session leaves the cache with it.
//
// key, key_len: 1 to TSC_MAX_KEY bytes.
// buf, cap: where the session goes; (NULL, 0) asks for the length alone.
// len: receives the length, also with TSC_TOO_SMALL.
// info, info_size: receives what is known of the session; (NULL, 0) if not wanted.
// Returns TSC_OK; TSC_NOT_FOUND if there is none, or the newest is an object (see tsc_get_object); TSC_TOO_SMALL
// if cap is below the session's length, and the session stays in the cache; TSC_INVALID_ARGUMENT if key is
// empty; TSC_TOO_LARGE if key is over TSC_MAX_KEY; TSC_CLOSED if the cache is closed.
tsc_status tsc_get(const tsc_cache *cache,
                   const uint8_t *key,
                   size_t key_len,
                   uint8_t *buf,
                   size_t cap,
                   size_t *len,
                   tsc_session_info *info,
                   size_t info_size);

// Counts the sessions that calls of tsc_get would find under a key, one after another. A reusable one counts
// once.
//
// key, key_len: 1 to TSC_MAX_KEY bytes.
// count: receives the number, 0 if there is none.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if key is empty; TSC_TOO_LARGE if key is over TSC_MAX_KEY; TSC_CLOSED if
// the cache is closed.
tsc_status tsc_available(const tsc_cache *cache,
                         const uint8_t *key,
                         size_t key_len,
                         size_t *count);

// Drops all sessions under a key.
//
// key, key_len: 1 to TSC_MAX_KEY bytes.
// Returns TSC_OK; TSC_NOT_FOUND if there was none; TSC_INVALID_ARGUMENT if key is empty; TSC_TOO_LARGE if key is
// over TSC_MAX_KEY; TSC_CLOSED if the cache is closed.
tsc_status tsc_remove(const tsc_cache *cache,
                      const uint8_t *key,
                      size_t key_len);

// Drops the expired sessions.
//
// Optional. Expired sessions are never handed out, and later stores purge them gradually. Call this to reclaim
// memory in an idle cache.
//
// count: receives how many were dropped; NULL if not wanted.
// Returns TSC_OK; TSC_CLOSED if the cache is closed.
tsc_status tsc_clear_expired(const tsc_cache *cache,
                             size_t *count);

// Drops every session of every endpoint and config.
//
// Sessions that the cache holds back for attempts that waited for them go, too. Sessions that an attempt has
// been offered are not touched.
//
// Returns TSC_OK; TSC_CLOSED if the cache is closed.
tsc_status tsc_clear(const tsc_cache *cache);

// Stores an object of the TLS stack under a key of your own, as tsc_put stores bytes.
//
// On TSC_OK the library owns one reference to object and gives it back, once, through release. On any other
// status the caller still owns it.
//
// key, key_len, info, info_size: as in tsc_put.
// object, len, release: as in tsc_attempt_receive_object.
// Returns TSC_OK, TSC_TOO_LARGE, TSC_DISCARDED, TSC_CLOSED or TSC_NO_MEMORY as tsc_put does;
// TSC_INVALID_ARGUMENT if key is empty, or a field of info is out of range.
// Threads: release may be called on any thread, with no lock held, and before this call returns.
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
// key, key_len: 1 to TSC_MAX_KEY bytes.
// object: receives the object, with a reference that the caller releases.
// retain: takes another reference to an object of which the cache keeps its own; not NULL. It may call any
// function of this library.
// info, info_size: receives what is known of the session; (NULL, 0) if not wanted.
// Returns TSC_OK; TSC_NOT_FOUND if there is none, or the newest is bytes (see tsc_get); TSC_INVALID_ARGUMENT if
// key is empty; TSC_TOO_LARGE if key is over TSC_MAX_KEY; TSC_CLOSED if the cache is closed.
// Threads: retain is called on this thread, with no lock held, before this call returns.
tsc_status tsc_get_object(const tsc_cache *cache,
                          const uint8_t *key,
                          size_t key_len,
                          void **object,
                          void (*retain)(void *object),
                          tsc_session_info *info,
                          size_t info_size);

// Stores an object of the TLS stack for this config and endpoint without an attempt, as tsc_config_put stores
// bytes.
//
// On TSC_OK the library owns one reference to object and gives it back, once, through release. On any other
// status the caller still owns it.
//
// endpoint, size: whose session it is.
// info, info_size: what is known of the session; tls_version is required.
// object, len, release: as in tsc_attempt_receive_object.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if endpoint has no host or its port is over 65535, object or release is
// NULL, or a field of info is out of range; TSC_TOO_LARGE if a name or the session is over its limit;
// TSC_DISCARDED if the session's lifetime is zero or over, or the cache is disabled; TSC_CLOSED if the cache is
// closed; TSC_NO_MEMORY.
// Threads: release may be called on any thread, with no lock held, and before this call returns.
tsc_status tsc_config_put_object(const tsc_config *config,
                                 const tsc_endpoint *endpoint,
                                 size_t size,
                                 const tsc_session_info *info,
                                 size_t info_size,
                                 void *object,
                                 size_t len,
                                 void (*release)(void *object));

// Hands out the newest object of this config and endpoint without an attempt (see tsc_config_get). A
// single-use session leaves the cache with it.
//
// endpoint, size: whose session.
// object, retain: as in tsc_get_object.
// info, info_size: receives what is known of the session; (NULL, 0) if not wanted.
// Returns TSC_OK; TSC_NOT_FOUND if there is none, or the newest is bytes, which tsc_config_get finds;
// TSC_INVALID_ARGUMENT if endpoint has no host, its port is over 65535, or retain is NULL; TSC_TOO_LARGE if a name
// is over TSC_MAX_NAME; TSC_CLOSED if the cache is closed.
tsc_status tsc_config_get_object(const tsc_config *config,
                                 const tsc_endpoint *endpoint,
                                 size_t size,
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
// Whatever came into the cache, for the first time or back from an attempt, has left it for one of these reasons
// or is in it now. What was discarded (discarded_*) never came in. Under load the counts of one call may be a
// few operations apart. A forked child begins with zeros.
//
// out, size: receives the statistics; size is sizeof(tsc_stats).
// Returns TSC_OK, also for a closed cache.
tsc_status tsc_stats_get(const tsc_cache *cache,
                         tsc_stats *out,
                         size_t size);

// Writes the statistics of a cache as text for Prometheus (text format 0.0.4, UTF-8).
//
// A field of tsc_stats that counts becomes the counter tsc_<field>_total; a field that says what is there now
// (endpoints, sessions, bytes, bytes_staged) becomes the gauge tsc_<field>. Each line ends with a line feed;
// there is no NUL at the end.
//
// labels, labels_len: what goes between the braces of each metric, for example cluster="a",zone="b", to tell
// several caches apart; (NULL, 0) for no labels. In a value, \\, \" and \n stand for a backslash, a quotation
// mark and a line feed.
// buf, cap: where the text goes; (NULL, 0) asks for the length alone.
// len: receives the length, also with TSC_TOO_SMALL. It grows with the numbers, so leave some room.
// Returns TSC_OK, also for a closed cache; TSC_INVALID_ARGUMENT if the labels are not in that form, are not
// UTF-8, or contain a name twice; TSC_TOO_SMALL if cap is below the length; TSC_NO_MEMORY.
tsc_status tsc_stats_prometheus(const tsc_cache *cache,
                                const char *labels,
                                size_t labels_len,
                                char *buf,
                                size_t cap,
                                size_t *len);

// Makes a config for any TLS stack.
//
// Make one for each TLS configuration (each SSL_CTX, say), not for each connection: no config finds what another
// received, unless both have the same identity.
//
// options, size: (NULL, 0) for the defaults.
// out: receives the handle, which the caller frees with tsc_config_free.
// Returns TSC_OK; TSC_TOO_LARGE if identity or verification is over TSC_MAX_NAME; TSC_INVALID_ARGUMENT if a
// number in options is out of range; TSC_UNSUPPORTED if options asks for a number of tickets, which only rustls
// can do; TSC_CLOSED if the cache is closed.
tsc_status tsc_config_new(const tsc_cache *cache,
                          const tsc_config_options *options,
                          size_t size,
                          tsc_config **out);

// Makes a config from a finished rustls configuration.
//
// Connections then take their rustls configuration from tsc_attempt_rustls_config. Attach once, and use the
// config for every connection.
//
// rustls: from rustls_client_config_builder_build of this same library (libtsc exports rustls_*); no other copy
// of rustls will do. Not changed, and the caller may free it as soon as this call has returned.
// options, size: as in tsc_config_new, but without an identity: rustls itself refuses to resume across
// configurations that were built separately, so sharing would only lose tickets.
// out: receives the handle, which the caller frees with tsc_config_free.
// Returns TSC_OK; TSC_UNSUPPORTED if options has an identity, or rustls is not in this build; TSC_TOO_LARGE if
// verification is over TSC_MAX_NAME; TSC_INVALID_ARGUMENT if a number in options is out of range; TSC_CLOSED if
// the cache is closed.
tsc_status tsc_config_attach(const tsc_cache *cache,
                             const struct rustls_client_config *rustls,
                             const tsc_config_options *options,
                             size_t size,
                             tsc_config **out);

// Frees a config. Attempts made from it stay valid.
//
// config: may be NULL.
void tsc_config_free(tsc_config *config);

// Counts the sessions that attempts of this config to this endpoint would find, one after another. A reusable
// one counts once.
//
// endpoint, size: whose sessions.
// count: receives the number, 0 if there is none or the cache is closed.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if endpoint has no host, or its port is over 65535; TSC_TOO_LARGE if a
// name is over TSC_MAX_NAME.
tsc_status tsc_config_available(const tsc_config *config,
                                const tsc_endpoint *endpoint,
                                size_t size,
                                size_t *count);

// Stores a session of this config and endpoint without an attempt, for a TLS stack that shares one store among
// all its connections.
//
// The session is published at once, so it has to come from a connection that was established. Nobody can tell
// which full handshake it descends from, so everything that an endpoint has without attempts counts as one
// lineage: max_lineage_age_seconds after the lineage began, nothing of it is offered. tsc_attempt_receive can
// tell lineages apart.
//
// endpoint, size: whose session it is.
// info, info_size: what is known of the session; tls_version is required.
// data, len: the session as the TLS stack serialises it, 1 to max_session_bytes bytes; copied.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if endpoint has no host or its port is over 65535, data is empty, or a
// field of info is out of range; TSC_TOO_LARGE if a name or the session is over its limit; TSC_DISCARDED if the
// session's lifetime is zero or over, or the cache is disabled; TSC_CLOSED if the cache is closed;
// TSC_NO_MEMORY.
tsc_status tsc_config_put(const tsc_config *config,
                          const tsc_endpoint *endpoint,
                          size_t size,
                          const tsc_session_info *info,
                          size_t info_size,
                          const uint8_t *data,
                          size_t len);

// Copies out the newest session of this config and endpoint without an attempt (see tsc_config_put). A
// single-use session leaves the cache with it.
//
// While offers do harm to the attempts of this endpoint (tsc_options.failure_budget), there is none. The library
// does not learn how connections without attempts end.
//
// endpoint, size: whose session.
// buf, cap: where the session goes; (NULL, 0) asks for the length alone.
// len: receives the length, also with TSC_TOO_SMALL.
// info, info_size: receives what is known of the session; (NULL, 0) if not wanted.
// Returns TSC_OK; TSC_NOT_FOUND if there is none, or the newest is an object; TSC_TOO_SMALL if cap is below the
// session's length, and the session stays in the cache; TSC_INVALID_ARGUMENT if endpoint has no host, or its
// port is over 65535; TSC_TOO_LARGE if a name is over TSC_MAX_NAME; TSC_CLOSED if the cache is closed.
tsc_status tsc_config_get(const tsc_config *config,
                          const tsc_endpoint *endpoint,
                          size_t size,
                          uint8_t *buf,
                          size_t cap,
                          size_t *len,
                          tsc_session_info *info,
                          size_t info_size);

// Drops all sessions of this config and endpoint, also those that attempts received.
//
// What attempts have taken is not touched.
//
// endpoint, size: whose sessions.
// Returns TSC_OK; TSC_NOT_FOUND if there was none; TSC_INVALID_ARGUMENT if endpoint has no host, or its port is
// over 65535; TSC_TOO_LARGE if a name is over TSC_MAX_NAME; TSC_CLOSED if the cache is closed.
tsc_status tsc_config_remove(const tsc_config *config,
                             const tsc_endpoint *endpoint,
                             size_t size);

// Says what attempts of this config to this endpoint may expect.
//
// endpoint, size: size is sizeof(tsc_endpoint).
// out, out_size: receives the forecast; out_size is sizeof(tsc_forecast).
// Returns TSC_OK, also for a closed cache; TSC_INVALID_ARGUMENT if endpoint has no host, or its port is over
// 65535; TSC_TOO_LARGE if a name is over TSC_MAX_NAME.
tsc_status tsc_config_forecast(const tsc_config *config,
                               const tsc_endpoint *endpoint,
                               size_t size,
                               tsc_forecast *out,
                               size_t out_size);

// Begins a connection attempt.
//
// A closed or disabled cache is no error: the attempt works and has nothing to offer.
//
// endpoint, size: the server that the connection goes to; copied.
// out: receives the handle, which the caller frees with tsc_attempt_free.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if endpoint has no host, or its port is over 65535; TSC_TOO_LARGE if a
// name is over TSC_MAX_NAME.
tsc_status tsc_attempt_new(const tsc_config *config,
                           const tsc_endpoint *endpoint,
                           size_t size,
                           tsc_attempt **out);

// Gives the session to offer in the ClientHello, and leases it to this attempt.
//
// A single-use session leaves the cache with this call, and nobody else gets it. It goes back if the attempt
// fails with nothing sent, or is freed before tsc_attempt_sent or a call that implies it (tsc_attempt_receive,
// tsc_attempt_wants_another, tsc_attempt_established, tsc_attempt_failed with another fact). Asking again gives
// the same session. Ask as late as possible, after the TCP connection is established.
//
// out, size: receives the session. What it points to is lent until tsc_attempt_established, tsc_attempt_failed
// or tsc_attempt_free. A reusable object may be lent to several attempts at once; a TLS stack that changes what
// it is given needs a copy of its own (SSL_SESSION_dup).
// Returns TSC_OK; TSC_NOT_FOUND if there is nothing to offer, and also if the cache is closed: do a full
// handshake; TSC_WRONG_STATE if the attempt is past tsc_attempt_sent or a call that implies it, or has failed, or
// if a callback within this call ended or freed it; TSC_UNSUPPORTED if the config is from tsc_config_attach and
// the session is rustls's own; TSC_CLOSED if the attempt is from before a fork.
tsc_status tsc_attempt_offer(const tsc_attempt *attempt,
                             tsc_session *out,
                             size_t size);

// Says that the ClientHello with the offered session may have left: a single-use session is used up, whatever
// happens next.
//
// Call it before the first bytes are written. Calling it twice, after the end of the attempt, or with nothing
// offered does no harm. An attempt that never called tsc_attempt_offer has sent no session: its wait ends, the
// session that was held back for it returns to the cache, and tsc_attempt_offer returns TSC_WRONG_STATE from
// then on. tsc_attempt_receive has the same effects.
//
// Returns TSC_OK; TSC_CLOSED if the attempt is from before a fork.
tsc_status tsc_attempt_sent(const tsc_attempt *attempt);

// Takes a session or ticket that the server sent, as the bytes that the TLS stack serialises it to.
//
// It is staged until tsc_attempt_established. After that it goes straight into the cache, however late it
// arrives. Its lifetime counts from this call. At a limit of what may be staged (tsc_options.max_bytes,
// max_sessions_per_endpoint) it replaces the oldest session that this attempt has staged.
//
// info, info_size: what is known of the session; tls_version is required.
// data, len: 1 to max_session_bytes bytes; copied, and wiped when released.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if data is empty, or a field of info is out of range; TSC_TOO_LARGE if
// len is over max_session_bytes or max_bytes; TSC_DISCARDED if the session's lifetime is zero or over, the
// attempt has failed, the cache is disabled, or other attempts have staged so much that there is no room, and
// the attempt goes on; TSC_CLOSED if the cache is closed, or the attempt is from before a fork; TSC_NO_MEMORY.
tsc_status tsc_attempt_receive(const tsc_attempt *attempt,
                               const tsc_session_info *info,
                               size_t info_size,
                               const uint8_t *data,
                               size_t len);

// Takes a session as an object of the TLS stack, without serialising or parsing it.
//
// On TSC_OK the library owns one reference to object and gives it back, once, through release. On any other
// status the caller still owns it.
//
// info, info_size: as in tsc_attempt_receive.
// object: not NULL. Nobody else may change it from here on.
// len: how many bytes it would be if serialised; 0 if that is not known. From it, info->certificates and
// info->certificate_bytes the library estimates the memory, which counts towards max_bytes. The limit
// max_session_bytes applies to len and certificate_bytes together. The sessions of an attempt share the
// certificates, which count once.
// release: not NULL. It may call any function of this library.
// Returns TSC_OK, TSC_TOO_LARGE, TSC_DISCARDED, TSC_CLOSED or TSC_NO_MEMORY as tsc_attempt_receive does;
// TSC_INVALID_ARGUMENT if a field of info is out of range.
// Threads: release may be called on any thread, with no lock held, and before this call returns.
tsc_status tsc_attempt_receive_object(const tsc_attempt *attempt,
                                      const tsc_session_info *info,
                                      size_t info_size,
                                      void *object,
                                      size_t len,
                                      void (*release)(void *object));

// Asks whether a session that the server has sent is worth taking, where taking it is expensive for the caller:
// CPython's ssl module, for example, copies each session by encoding and decoding it.
//
// A session that is not wanted has been counted here as one that the server sent.
//
// Returns TSC_OK if it is: give it to tsc_attempt_receive or tsc_attempt_receive_object; TSC_DISCARDED if it is
// not, because the endpoint has max_sessions_per_endpoint already and this one would only replace another, the
// attempt has failed, or the cache is disabled; TSC_CLOSED if the cache is closed, or the attempt is from before
// a fork.
tsc_status tsc_attempt_wants_another(const tsc_attempt *attempt);

// Says when the server's certificate ends, where only the connection knows it (rustls).
//
// It bounds every session that this attempt has received and will receive. After tsc_attempt_established it also
// bounds those sessions of its lineage that are in the cache; those that other attempts have taken will not be
// put back past it.
//
// not_after: Unix seconds, above 0. Of several, the earliest counts.
// Returns TSC_OK; TSC_INVALID_ARGUMENT if not_after is 0 or below; TSC_CLOSED if the attempt is from before a
// fork.
tsc_status tsc_attempt_set_not_after(const tsc_attempt *attempt,
                                     int64_t not_after);

// Says that the connection is established: TLS is verified, and the application's own login is done.
//
// What the attempt received is published, and what it still receives goes straight into the cache. A caller
// without a login of its own calls this right after the handshake.
//
// resumed: not 0 if the handshake was a resumed one (SSL_session_reused, rustls's handshake kind). 0 although a
// session was offered means that the server refused it: the whole lineage of that session is dropped.
// Returns TSC_OK; TSC_WRONG_STATE if the attempt is already established or failed; TSC_INVALID_ARGUMENT if
// resumed is not 0 but this attempt offered nothing, and nothing was changed; TSC_CLOSED if the attempt is from
// before a fork.
tsc_status tsc_attempt_established(const tsc_attempt *attempt,
                                   int32_t resumed);

// Says that the connection is not one of its endpoint's after all, for example because it turns out to verify
// something else.
//
// Call it before the ClientHello leaves. The session that the attempt took goes back to the cache, nothing that
// arrives is kept, and tsc_attempt_info.reason is TSC_REASON_OTHER_VERIFICATION. The connection itself goes on:
// report its outcome as usual, with tsc_attempt_established or tsc_attempt_failed.
//
// Returns TSC_OK; TSC_WRONG_STATE if the offered session may have left, or the attempt is already established,
// failed or withdrawn; TSC_CLOSED if the attempt is from before a fork.
tsc_status tsc_attempt_withdraw(const tsc_attempt *attempt);

// Says that the attempt failed: what it received is discarded, and so is what may still arrive.
//
// The caller reports what it saw. The library decides what becomes of the offered session, and whether offers do
// harm at this endpoint. After tsc_attempt_established, only TSC_FACT_ALERT has a meaning: what the connection
// received is dropped (RFC 8446, section 6), and its handshake counts as failed.
//
// facts: TSC_FACT_* combined by |; 0 if nothing was sent.
// Returns TSC_OK; TSC_WRONG_STATE if the attempt has failed already, or was established and there is no
// TSC_FACT_ALERT; TSC_UNSUPPORTED if facts has one that this version does not know; TSC_CLOSED if the attempt is
// from before a fork.
tsc_status tsc_attempt_failed(const tsc_attempt *attempt,
                              uint32_t facts);

// Reads what has become of an attempt so far.
//
// out, size: receives it; size is sizeof(tsc_attempt_info).
// Returns TSC_OK; TSC_CLOSED if the attempt is from before a fork.
tsc_status tsc_attempt_info_get(const tsc_attempt *attempt, tsc_attempt_info *out, size_t size);

// Gives the rustls configuration for this one connection, to pass to rustls_client_connection_new.
//
// rustls takes the session to offer within rustls_client_connection_new, so call that after the TCP connection
// is established. What the server sends is staged and published as with the other calls, also long after the
// handshake, and also if this attempt was freed after tsc_attempt_established.
//
// out: receives a configuration that the caller frees with rustls_client_config_free.
// Returns TSC_OK; TSC_UNSUPPORTED if the config of this attempt is not from tsc_config_attach; TSC_CLOSED if the
// attempt is from before a fork.
tsc_status tsc_attempt_rustls_config(const tsc_attempt *attempt,
                                     const struct rustls_client_config **out);

// Frees an attempt.
//
// If nobody has said how it ended, what it received is discarded, the session that it took and did not send goes
// back, and the statistics count it as unfinished. After tsc_attempt_established the connection may live on:
// tickets that rustls still receives on it are kept.
//
// attempt: may be NULL.
void tsc_attempt_free(tsc_attempt *attempt);

// Waits for a session if one is expected in time, and returns when there is nothing left to wait for.
//
// Then call tsc_attempt_offer (or create the rustls connection), and do a full handshake if it has nothing. Call
// this after the TCP connection is established: a session that is held back for this attempt is not available to
// others.
//
// A pool that opens many connections to one endpoint at once has more attempts than tickets. The first attempt
// does a full handshake; the others get the tickets that it receives, and those that they receive in turn, in
// the order in which they asked. An attempt that cannot get a session before its deadline, judging by what the
// endpoint issued before, is told so immediately, and so is every attempt if the endpoint issues no sessions.
// The library counts on an attempt from its tsc_attempt_offer until it has been established and has received
// what is expected of it, has failed, or is freed: report the outcome as soon as you know it.
//
// If an attempt hangs, the others do not wait for it to the end: after eight times the usual duration of a
// handshake at this endpoint, but at least one second and at most ten, nothing is expected of it any more, and
// the first in the queue does a full handshake in its place. docs/supply.md says when waiting pays.
//
// max_wait_ms: the longest wait, in milliseconds of real time; 0: do not wait.
// Returns TSC_OK when the wait is over, or there is nothing to wait for; TSC_WRONG_STATE if the attempt waits
// already, or is past its offer; TSC_CLOSED if the attempt is from before a fork.
// Threads: blocks this one, and holds no lock while it does.
tsc_status tsc_attempt_wait(const tsc_attempt *attempt,
                            uint32_t max_wait_ms);

// Waits as tsc_attempt_wait does, for a driver that must not block: calls a function when the wait is over.
//
// The library starts no thread, so it cannot call at the deadline: set a timer of your own to max_wait_ms, and
// call tsc_attempt_wait_end when it fires. For the same reason, attempts that wait for something which does not
// come (the tickets of a server that issues none, or an attempt that hangs) learn of it only by the next call
// about the same endpoint, or from an attempt that waits with one of the other two calls. And with TSC_SHARE it
// waits for connections of this process only, where the other two wait for those of all processes.
//
// max_wait_ms: the longest wait, in milliseconds; 0: do not wait.
// ready: called once when the wait is over; not NULL. It may call any function of this library,
// tsc_attempt_offer included.
// arg: passed to ready; may be NULL.
// Returns TSC_OK if there is nothing to wait for, and ready will not be called; TSC_WAIT if ready will be
// called; TSC_WRONG_STATE if the attempt waits already, or is past its offer; TSC_CLOSED if the attempt is from
// before a fork.
// Threads: ready is called on whichever thread ended the wait, with no lock held, possibly before this call has
// returned. On one thread, callbacks run one after another: if one ends the wait of another attempt, for example
// by tsc_attempt_free, the other attempt's callback runs after it has returned. So any number of them needs no
// deeper stack than one.
tsc_status tsc_attempt_wait_callback(const tsc_attempt *attempt,
                                     uint32_t max_wait_ms,
                                     void (*ready)(void *arg),
                                     void *arg);

// Waits as tsc_attempt_wait does, for an event loop: gives a file descriptor that becomes readable when the wait
// is over, by a session, a changed forecast or the deadline.
//
// It needs no timer and no callback.
//
// max_wait_ms: the longest wait, in milliseconds; 0: do not wait.
// fd: with TSC_WAIT, receives the descriptor, lent until tsc_attempt_free. Poll it for reading; do not read or
// close it. Take it out of the event loop when it is readable, or at the latest before tsc_attempt_free. The
// library closes it once, when no thread is still ending the wait; for that moment after tsc_attempt_free an
// event loop that still has the descriptor could report it. Its number is not reused meanwhile.
// Returns TSC_OK if there is nothing to wait for, and fd is not written; TSC_WAIT if fd was written;
// TSC_WRONG_STATE if the attempt waits already, or is past its offer; TSC_UNSUPPORTED outside Linux, where such
// descriptors do not exist: use tsc_attempt_wait_callback and a timer of your event loop; TSC_NO_MEMORY if the
// system gives no descriptor; TSC_CLOSED if the attempt is from before a fork.
tsc_status tsc_attempt_wait_fd(const tsc_attempt *attempt,
                               uint32_t max_wait_ms,
                               int32_t *fd);

// Gives up an attempt's place in the queue, as at its deadline: call tsc_attempt_offer then.
//
// tsc_attempt_offer, tsc_attempt_sent, tsc_attempt_receive, tsc_attempt_established, tsc_attempt_failed and
// tsc_attempt_free end a wait as well, but do not tell whether ready is still to come. Call this first if you
// are going to free what arg points to.
//
// Returns TSC_OK if ready has not been called and will not be; TSC_WRONG_STATE if the attempt does not wait, or
// ready was called, is being called or is about to be: leave the rest to it; TSC_CLOSED if the attempt is from
// before a fork.
tsc_status tsc_attempt_wait_end(const tsc_attempt *attempt);

// Seals the sessions of a config for the next process to import, as for a warm restart.
//
// It takes the sessions of every endpoint of the config, and of all configs with the same identity. A single-use
// session leaves the cache with the export, because otherwise it could be offered twice; a reusable one also
// stays. Sessions that are kept as objects stay and are not exported: for OpenSSL attach with TSC_SSL_SERIALISE;
// rustls's own sessions cannot be exported. What attempts have taken or staged is not exported.
//
// An export and its key give access to the sessions. Import it once, in one process: the library cannot detect
// a second import, which would offer every single-use session again. The export is encrypted with
// ChaCha20-Poly1305 and a random nonce, so a key is good for 2^32 exports.
//
// key, key_len: TSC_EXPORT_KEY random bytes.
// buf, cap: where the export goes; (NULL, 0) asks for the length alone. The library writes no file.
// len: receives the length, also with TSC_TOO_SMALL. It changes with the content of the cache, so leave some
// room or ask again.
// left_out: receives how many sessions stayed because they are objects; NULL if not wanted.
// Returns TSC_OK; TSC_TOO_SMALL if cap is below the length, and everything stays in the cache;
// TSC_INVALID_ARGUMENT if key_len is not TSC_EXPORT_KEY; TSC_UNSUPPORTED if the config has no identity
// (tsc_config_options), so that no other process could tell which config is the same, or the system has no
// random numbers; TSC_CLOSED if the cache is closed; TSC_NO_MEMORY, and everything stays in the cache.
tsc_status tsc_config_export(const tsc_config *config,
                             const uint8_t *key,
                             size_t key_len,
                             uint8_t *buf,
                             size_t cap,
                             size_t *len,
                             size_t *left_out);

// Takes in what tsc_config_export sealed in another process, for a config with the same identity.
//
// It imports everything or, if a single byte was changed, nothing. Lifetimes continue by the wall clock: nothing
// is offered for longer than was left at the export, and the limits of this config and its cache apply as well.
// Sessions that have expired since, or are over a limit, are dropped and counted in the statistics. Import
// before the first connection.
//
// key, key_len: the key of the export, TSC_EXPORT_KEY bytes.
// data, len: the export.
// count: receives how many sessions came into the cache.
// Returns TSC_OK; TSC_NOT_AUTHENTIC if the export was altered or cut short, or was made with another key, for
// another identity, by tsc_cache_export, or by a version of the library with another format; TSC_DISCARDED if
// the wall clock is before the time of the export, so that nobody can tell how much time is left;
// TSC_INVALID_ARGUMENT if key_len is not TSC_EXPORT_KEY; TSC_UNSUPPORTED if the config has no identity;
// TSC_CLOSED if the cache is closed; TSC_NO_MEMORY. Unless it is TSC_OK, nothing was imported.
tsc_status tsc_config_import(const tsc_config *config,
                             const uint8_t *key,
                             size_t key_len,
                             const uint8_t *data,
                             size_t len,
                             size_t *count);

// Seals the sessions under keys of your own (tsc_put), as tsc_config_export does those of a config.
//
// key, key_len, buf, cap, len, left_out: as in tsc_config_export.
// Returns as tsc_config_export: TSC_OK; TSC_TOO_SMALL; TSC_INVALID_ARGUMENT; TSC_UNSUPPORTED only if the system
// has no random numbers; TSC_CLOSED; TSC_NO_MEMORY.
tsc_status tsc_cache_export(const tsc_cache *cache,
                            const uint8_t *key,
                            size_t key_len,
                            uint8_t *buf,
                            size_t cap,
                            size_t *len,
                            size_t *left_out);

// Takes in what tsc_cache_export sealed in another process, as tsc_config_import does for a config.
//
// Your keys are part of the export. Only you can know that they mean the same in both processes.
//
// key, key_len, data, len, count: as in tsc_config_import.
// Returns as tsc_config_import: TSC_OK; TSC_NOT_AUTHENTIC, also for an export of tsc_config_export;
// TSC_DISCARDED; TSC_INVALID_ARGUMENT; TSC_CLOSED; TSC_NO_MEMORY.
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
