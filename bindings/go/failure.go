package tsc

// #include "bridge.h"
import "C"

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// A Failure is what you saw of an attempt that failed: facts from which the library decides what becomes of
// the session that was offered. [FailureOf] reads them from a tls.Conn and an error.
type Failure struct {
	// The ClientHello may have left. Without it, as when nobody listens, a session that was kept for the
	// attempt goes back. Implied if crypto/tls has asked the Attempt for a session.
	Sent bool
	// The TLS handshake was done; the application's own login failed.
	HandshakeDone bool
	// The handshake was a resumed one.
	Resumed bool
	// The server stopped answering.
	TimedOut bool
	// The caller gave up, because another connection was faster or its user cancelled. That says nothing
	// about the server.
	Cancelled bool
	// A fatal TLS alert came or was sent. In TLS 1.3 one can come after the handshake, as when the server
	// rejects the client's certificate.
	Alert bool
}

// FailureOf returns what a connection and the error that it ended with show. The error should be, or wrap,
// the one that Handshake, Read or Write returned: what a driver has made a text of can't be told apart.
//
// A context that was cancelled, and a connection that this program has closed itself, are Cancelled;
// deadlines, and all errors of the network that call themselves timeouts, are TimedOut.
func FailureOf(conn interface{ ConnectionState() tls.ConnectionState }, err error) Failure {
	state := conn.ConnectionState()
	var network net.Error
	return Failure{
		Sent:          state.HandshakeComplete,
		HandshakeDone: state.HandshakeComplete,
		Resumed:       state.HandshakeComplete && state.DidResume,
		TimedOut:      errors.As(err, &network) && network.Timeout(),
		Cancelled:     errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed),
		Alert:         isAlert(err),
	}
}

// isAlert says whether an error is a fatal TLS alert, received or sent. crypto/tls has a type for alerts
// that it doesn't export, and puts it into a net.OpError with one of two names that only crypto/tls uses.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}

func (f Failure) c() (facts C.uint32_t) {
	for _, fact := range []struct {
		seen bool
		bit  C.uint32_t
	}{
		{f.Sent, C.TSC_FACT_SENT},
		{f.HandshakeDone, C.TSC_FACT_HANDSHAKE_DONE},
		{f.Resumed, C.TSC_FACT_RESUMED},
		{f.TimedOut, C.TSC_FACT_TIMED_OUT},
		{f.Cancelled, C.TSC_FACT_CANCELLED},
		{f.Alert, C.TSC_FACT_ALERT},
	} {
		if fact.seen {
			facts |= fact.bit
		}
	}
	return facts
}
