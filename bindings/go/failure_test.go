package tsc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
)

type stateOf tls.ConnectionState

func (s stateOf) ConnectionState() tls.ConnectionState { return tls.ConnectionState(s) }

func TestAFailureIsWhatWasSeen(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errors.New("refused"))}
	for _, seen := range []struct {
		err   error
		state tls.ConnectionState
		is    Failure
	}{
		{nil, tls.ConnectionState{}, Failure{}},
		{refused, tls.ConnectionState{}, Failure{}},
		{io.EOF, tls.ConnectionState{HandshakeComplete: true}, Failure{Sent: true, HandshakeDone: true}},
		{io.EOF, tls.ConnectionState{HandshakeComplete: true, DidResume: true},
			Failure{Sent: true, HandshakeDone: true, Resumed: true}},
		{context.Canceled, tls.ConnectionState{}, Failure{Cancelled: true}},
		{fmt.Errorf("pool: %w", net.ErrClosed), tls.ConnectionState{}, Failure{Cancelled: true}},
		{context.DeadlineExceeded, tls.ConnectionState{}, Failure{TimedOut: true}},
		{fmt.Errorf("login: %w", os.ErrDeadlineExceeded), tls.ConnectionState{}, Failure{TimedOut: true}},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, tls.ConnectionState{}, Failure{TimedOut: true}},
	} {
		if got := FailureOf(stateOf(seen.state), seen.err); got != seen.is {
			t.Errorf("%v: %+v, and not %+v", seen.err, got, seen.is)
		}
	}
}

func TestEachFactHasABitOfItsOwn(t *testing.T) {
	for i, one := range []Failure{
		{Sent: true}, {HandshakeDone: true}, {Resumed: true}, {TimedOut: true}, {Cancelled: true}, {Alert: true},
	} {
		if got := uint32(one.c()); got != 1<<i {
			t.Errorf("%+v: %d", one, got)
		}
	}
}

// offering returns a connection that has sent a ticket to a server that says nothing.
func offering(t *testing.T, dialer *Dialer, ctx context.Context) error {
	t.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, err = dialer.DialContext(ctx, "tcp", silent.Addr().String())
	return err
}

func TestACancelledHandshakeIsNotTheServersFault(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cache := newCache(t, Options{OnEvent: func(event Event) {
		if event.Kind == EventOffered {
			cancel() // the ClientHello is about to leave
		}
	}})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	dialer.Group = "node"
	visit(t, dialer, sServer(t))
	left(t, dialer, 2)
	want(t, offering(t, dialer, ctx), context.Canceled)
	left(t, dialer, 1)
	if got := stats(t, cache); got.Failed != 1 || got.HandshakeFailedOffered != 0 {
		t.Fatalf("%+v", got)
	}
}

// In TLS 1.3 the client is done before the server has looked at the client's certificate.
func TestAnAlertAfterTheHandshakeIsTheHandshakes(t *testing.T) {
	strict := make(chan bool, 1)
	strict <- false
	server := new(tls.Config)
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		config := server.Clone()
		config.GetConfigForClient = nil
		is := <-strict
		if strict <- is; is {
			config.ClientAuth = tls.RequireAnyClientCert
			config.SessionTicketsDisabled = true
		}
		return config, nil
	}
	addr := goServer(t, server)
	cache := newCache(t, Options{})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	visit(t, dialer, addr)
	<-strict
	strict <- true
	conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = ask(conn)
	if seen := FailureOf(conn, err); seen != (Failure{Sent: true, HandshakeDone: true, Alert: true}) {
		t.Fatalf("%v: %+v", err, seen)
	}
	// The driver has made a text of it, and yet what came is known.
	want(t, conn.Failed(errors.New(err.Error())), nil)
	if got := stats(t, cache); got.HandshakeFailedOffered != 1 || got.LoginFailedResumed != 0 {
		t.Fatalf("%+v", got)
	}
}

// spoil sends past conn what its peer cannot decrypt, and answers with a fatal alert.
func spoil(t *testing.T, conn *tls.Conn) {
	t.Helper()
	record := append([]byte{23, 3, 3, 0, 32}, make([]byte, 32)...)
	if _, err := conn.NetConn().Write(record); err != nil {
		t.Error(err)
	}
}

func TestAFatalAlertDropsWhatTheConnectionBrought(t *testing.T) {
	addr := goServer(t, nil)
	for _, way := range []string{"read by a Conn", "told by the driver"} {
		t.Run(way, func(t *testing.T) {
			cache := newCache(t, Options{})
			dialer := newDialer(t, cache, tls.VersionTLS13)
			visit(t, dialer, addr)
			conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			want(t, conn.Established(), nil)
			spoil(t, conn.Conn)
			page := make([]byte, 64)
			if way == "read by a Conn" {
				_, err = conn.Read(page)
			} else if _, err = conn.Conn.Read(page); err != nil {
				want(t, AttemptOf(conn.Conn).Failed(FailureOf(conn, err)), nil)
			}
			if !isAlert(err) {
				t.Fatal(err)
			}
			// The ticket came before the alert.
			if got := stats(t, cache); got.Stored != 2 || got.Sessions != 0 {
				t.Fatalf("%+v", got)
			}
		})
	}
}

func TestAFatalAlertThatIsSentDropsItToo(t *testing.T) {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{self().certificate}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if server := conn.(*tls.Conn); server.Handshake() == nil {
			spoil(t, server)
			server.Read(make([]byte, 1)) // the alert
		}
	}()
	cache := newCache(t, Options{})
	conn, err := newDialer(t, cache, tls.VersionTLS13).DialStaged(context.Background(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want(t, conn.Established(), nil)
	if _, err = conn.Read(make([]byte, 64)); !isAlert(err) {
		t.Fatal(err)
	}
	if got := stats(t, cache); got.Stored != 1 || got.Sessions != 0 {
		t.Fatalf("%+v", got)
	}
}

func TestEveryReasonSaysWhatToDo(t *testing.T) {
	for reason := ReasonNone; reason <= ReasonAgentAway; reason++ {
		if text := reasonTexts[reason]; len(text) < 20 || reason.String() != text {
			t.Errorf("%d: %q", reason, text)
		}
	}
	if got := Reason(99).String(); got != "tsc: reason 99" {
		t.Error(got)
	}
}

func TestAnEventSaysWhyNothingWasOffered(t *testing.T) {
	addr := goServer(t, nil)
	var reasons []Reason
	cache := newCache(t, Options{OnEvent: func(event Event) {
		if event.Kind == EventNotOffered {
			reasons = append(reasons, event.Reason)
		}
	}})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	visit(t, dialer, addr)
	visit(t, dialer, addr)
	if len(reasons) != 1 || reasons[0] != ReasonNothingStored {
		t.Fatal(reasons)
	}
}
