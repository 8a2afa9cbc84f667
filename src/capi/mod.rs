//! tsc.h: a client-side TLS session cache. This header is the manual.
//!
//! # What it does
//!
//! A program that reconnects to a server can resume its TLS session, which costs much less than a full
//! handshake, if it kept what the server gave it: a TLS 1.2 session, or TLS 1.3 tickets. libtsc keeps them, and
//! makes these promises to every caller (docs/promises.md says how each is tested):
//!
//! - P1, isolation: a session is offered only to the config and the endpoint that it came from, and only to a
//!   connection that verifies the same as the one that received it.
//! - P2, only after success: what a connection receives is staged. Others see it once the connection is
//!   established.
//! - P3, single use: a TLS 1.3 ticket is handed out at most once, unless TSC_REUSE_WHEN_DRY allows more. A
//!   ticket that was taken and never sent goes back.
//! - P4, lifetime: nothing is offered past the earliest of: its own lifetime, the cache's TTL, seven days, the
//!   end of the certificates where it is known, and the maximum age of its lineage (all the sessions that descend,
//!   by resumption, from one full handshake).
//! - P5, bounded: endpoints, sessions per endpoint and bytes have limits. The least recently used endpoint goes
//!   first.
//! - P6, memory only: sessions are secrets. They are wiped when released, a forked child does not inherit
//!   them, and they leave the process only by tsc_config_export and tsc_cache_export, sealed with your key, or to
//!   tsc-agent if you say so (TSC_SHARE).
//! - P7, never worse than no cache: trouble in libtsc costs a full handshake, never a connection. A server can
//!   break off a connection, or refuse its login, because a session was offered; tsc_options.failure_budget
//!   bounds how often that may happen.
//! - P8, safe at the boundary: any thread may call any function, no lock is held while your code runs, no thread
//!   is started, and invalid arguments get a status.
//! - P9, accountable: the statistics add up. What was stored equals what left, by reason, plus what is held.
//! - P10, stable: handles are opaque, structs grow at their end, and values of constants never change.
//!
//! # Three ways in
//!
//! - OpenSSL: include tsc_openssl.h, which is built on the calls below. Three of its functions are enough.
//! - rustls through rustls-ffi: tsc_config_attach, tsc_attempt_new, tsc_attempt_rustls_config, then
//!   tsc_attempt_established or tsc_attempt_failed.
//! - Anything else: tsc_config_new and tsc_attempt_*; or, doing everything yourself, tsc_put and tsc_get with
//!   keys of your own.
//!
//! # Conventions, unless a function says otherwise
//!
//! - Results: every function that can fail returns a tsc_status; TSC_OK is 0. Outputs are written only on
//!   TSC_OK, except where a description says that a status comes with a value.
//! - Statuses: "Returns" lists every status that a function can return, except three that any function can:
//!   TSC_INVALID_ARGUMENT for a NULL or a length that cannot be (see NULL), TSC_UNSUPPORTED for a struct with
//!   something that this library does not know (see Structs), and TSC_PANIC.
//! - Handles (tsc_cache, tsc_config, tsc_attempt) are opaque, made by *_new, *_share or *_attach, and freed
//!   once with the matching *_free. Freeing NULL does nothing. Using or freeing a handle after it was freed is
//!   undefined behaviour, as for free(3). Handles may be freed in any order: a config keeps what it
//!   needs of its cache, an attempt what it needs of its config.
//! - Threads: any thread may call any function, also on the same handle at the same time; only freeing a handle
//!   must not happen during another use of that handle. The library starts no
//!   thread and holds no lock while it runs code of yours (release functions, retain, clocks, on_event,
//!   ready); your code may call the library. It may also free handles, including those of the
//!   call that it runs in; that call then finishes without them.
//! - Fork: a child process finds every cache empty and may use it at once, also in handlers of pthread_atfork.
//!   Configs continue to work; calls on attempts that were made before the fork return TSC_CLOSED in the child.
//!   A child of vfork shares its parent's memory and must not call the library. docs/threading.md says
//!   what differs outside Linux.
//! - Signals: do not call any function from a signal handler. If the handler interrupted a call to the library on
//!   the same thread, it would wait forever for that call's lock.
//! - NULL: where an argument may be NULL, its description says so; any other NULL gets TSC_INVALID_ARGUMENT.
//!   (NULL, 0) is an empty slice of bytes. A length that no object can have (above PTRDIFF_MAX) gets
//!   TSC_INVALID_ARGUMENT.
//! - Structs are passed with their size, which is sizeof in the calling code. They grow at their end, and 0 in a
//!   field means its default, so start from {0}. For a shorter struct from an older caller, the missing fields
//!   have their defaults. A longer struct from a newer caller is accepted if the part that this library does
//!   not know is all 0, and otherwise gets TSC_UNSUPPORTED. In outputs, the library writes what the caller has
//!   room for, and sets to 0 what it does not know.
//! - Errors carry no text, and nothing is stored per thread, because languages that move between threads would
//!   read another call's error. tsc_status_text describes a status.
//! - Times: durations in seconds or milliseconds as named; absolute times are Unix seconds.
//! - Since: every function exists since version 0.1.0, unless its description says otherwise.

#![allow(non_camel_case_types)]
#![allow(
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    reason = "the C boundary: what is unsafe here is so under one contract, which the header states and \
              whoever calls an entry point keeps"
)]
#![expect(
    clippy::missing_safety_doc,
    reason = "the text above is the contract of all, and doc comments become the header's"
)]
#![allow(
    rustdoc::invalid_html_tags,
    reason = "doc comments are the header's text, which is not Markdown"
)]

mod attempt;
mod cache;
mod config;
mod endpoint;
mod event;
mod export;
mod extensible;
mod forecast;
mod function;
mod guard;
mod object;
mod options;
mod prometheus;
mod reason;
mod session;
mod slice;
mod stats;
mod status;
mod version;
mod wait;

pub use attempt::*;
pub use cache::*;
pub use config::*;
pub use endpoint::*;
pub use event::*;
pub use export::*;
pub use forecast::*;
pub use function::*;
pub use object::*;
pub use options::*;
pub use prometheus::*;
pub use reason::*;
pub use session::*;
pub use stats::*;
pub use status::*;
pub use version::*;
pub use wait::*;
