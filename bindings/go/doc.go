// Package tsc keeps TLS sessions for programs that connect to the same servers again and again, so that
// reconnecting with crypto/tls costs a resumed handshake instead of a full one. It is the Go binding of
// libtsc, and has its rules: a session is offered only to the endpoint and the TLS configuration that it came
// from, a TLS 1.3 ticket is offered at most once, and what a connection received is offered only after that
// connection was a success.
//
// Once, a cache and a [Config] for each tls.Config:
//
//	cache, err := tsc.NewCache(tsc.Options{})
//	config, err := cache.NewConfig(tlsConfig, tsc.ConfigOptions{})
//	dialer := &tsc.Dialer{Config: config}
//
// Then [Dialer.DialContext] replaces that of tls.Dialer, and also returns a *tls.Conn: for net/http it is the
// DialTLSContext of a Transport. [Dialer.DialStaged] is for drivers with a login of their own: nothing is
// published until [Conn.Established].
//
// Call [Config.Rotate] when a client certificate or the trusted roots have changed.
//
// # Drivers that dial by themselves
//
// Where a driver makes its own tls.Conn, one of these fits:
//
//   - A driver that can be told the tls.Config of each connection: [Config.Begin] begins an
//     [Attempt], whose [Attempt.TLSConfig] is for that one connection. The same rules as with the
//     Dialer, in STARTTLS protocols too.
//   - A driver that has one tls.Config for an endpoint: [Config.ForEndpoint] gives a [View], and
//     [View.TLSConfig] the tls.Config. A View can't tell connections apart, so it publishes as soon as
//     crypto/tls hands over a session, and doesn't wait for tickets.
//
// tls.NewLRUClientSessionCache has one slot for each name: it mixes the ports of one host, and of the
// tickets that a pool receives it keeps the last.
//
// # Why a connection did not resume
//
// [Conn.Info], or [AttemptOf] for a *tls.Conn, has the [Reason], which says what to do about it.
//
// # Errors
//
// Every error that comes from the library is an [Error] and can be compared by errors.Is, as in errors.Is(err,
// tsc.ErrClosed). Trouble in the cache never makes a connection fail: with a closed cache, a Dialer does full
// handshakes.
//
// # Memory
//
// Sessions are kept as bytes in the library's memory for secrets: not on the Go heap, not in core
// dumps, wiped when released. crypto/tls takes them apart on the Go heap for the time of a
// handshake.
//
// # Building
//
// cgo is needed, and finds the library with pkg-config (tsc.pc). The build tag tsc_static links it statically,
// from the folder lib of this module if it is there, or else from what CGO_CFLAGS and CGO_LDFLAGS name.
package tsc
