package tsc

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/libtsc/libtsc/bindings/go/internal/tsctest"
)

// Each of these looks for a *tls.Conn: net/http to speak HTTP/2 and to fill in Response.TLS, net/smtp to
// know that it may send a password.

func TestHTTPResumesAndKnowsItsTLS(t *testing.T) {
	for number, version := range versions {
		for major := 1; major <= 2; major++ {
			t.Run(fmt.Sprintf("%s/HTTP %d", number, major), func(t *testing.T) {
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					fmt.Fprint(w, r.Proto, r.TLS.DidResume)
				}))
				server.EnableHTTP2 = major == 2
				server.StartTLS()
				defer server.Close()
				tlsConfig := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
				tlsConfig.MaxVersion = version
				if major == 2 {
					tlsConfig.NextProtos = []string{"h2", "http/1.1"}
				}
				config, err := newCache(t, Options{}).NewConfig(tlsConfig, ConfigOptions{})
				want(t, err, nil)
				dialer := &Dialer{Config: config}
				for i := range 3 {
					transport := &http.Transport{DialTLSContext: dialer.DialContext, ForceAttemptHTTP2: major == 2}
					answer, err := (&http.Client{Transport: transport}).Get(server.URL)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(answer.Body)
					answer.Body.Close()
					want(t, err, nil)
					if answer.TLS == nil || answer.ProtoMajor != major || answer.TLS.DidResume != (i > 0) {
						t.Fatalf("answer %d: HTTP %d, %+v", i, answer.ProtoMajor, answer.TLS)
					}
					if resumed := fmt.Sprint(i > 0); !strings.HasSuffix(string(body), resumed) {
						t.Fatalf("answer %d: the server says %q", i, body)
					}
					transport.CloseIdleConnections()
				}
			})
		}
	}
}

// mailServer takes any password, and says STARTTLS if it isn't TLS from the beginning.
func mailServer(t *testing.T, startTLS bool) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{self().certificate}}
	var serving group
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if !startTLS {
				conn = tls.Server(conn, server)
			}
			serving.Go(func() {
				defer func() { conn.Close() }()
				fmt.Fprint(conn, "220 ready\r\n")
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					switch verb, _, _ := strings.Cut(lines.Text(), " "); verb {
					case "EHLO":
						fmt.Fprint(conn, "250-hello\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")
					case "STARTTLS":
						fmt.Fprint(conn, "220 go\r\n")
						conn = tls.Server(conn, server)
						lines = bufio.NewScanner(conn)
					case "AUTH":
						fmt.Fprint(conn, "235 welcome\r\n")
					case "QUIT":
						fmt.Fprint(conn, "221 bye\r\n")
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// By any of these names net/smtp would send a password in the clear, were it not for TLS.
var password = smtp.PlainAuth("", "user", "password", "other.test")

func TestSMTPResumesAndKnowsItsTLS(t *testing.T) {
	addr := mailServer(t, false)
	dialer := newDialer(t, newCache(t, Options{}), tls.VersionTLS13)
	for i := range 3 {
		conn, err := dialer.DialContext(context.Background(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		client, err := smtp.NewClient(conn, "other.test")
		if err != nil {
			t.Fatal(err)
		}
		want(t, client.Auth(password), nil)
		if state, ok := client.TLSConnectionState(); !ok || state.DidResume != (i > 0) {
			t.Fatalf("connection %d: %v %v", i, ok, state.DidResume)
		}
		want(t, client.Quit(), nil)
	}
}

// A *tls.Conn with a verdict of one's own, and one that net/smtp makes itself.
func TestSMTPResumesAfterALoginOfItsOwn(t *testing.T) {
	returns(t, 0) // what other tests forgot
	cache := newCache(t, Options{})
	config := newDialer(t, cache, tls.VersionTLS13).Config
	implicit, starting := mailServer(t, false), mailServer(t, true)
	for i := range 3 {
		conn, err := (&Dialer{Config: config}).DialStaged(context.Background(), "tcp", implicit)
		if err != nil {
			t.Fatal(err)
		}
		client, err := smtp.NewClient(conn.Conn, "other.test")
		if err != nil {
			t.Fatal(err)
		}
		want(t, client.Auth(password), nil)
		want(t, conn.Established(), nil)
		if conn.SessionReused() != (i > 0) {
			t.Fatalf("connection %d: %v", i, conn.SessionReused())
		}
		want(t, client.Quit(), nil)

		raw, err := net.Dial("tcp", starting)
		want(t, err, nil)
		client, err = smtp.NewClient(raw, "other.test")
		want(t, err, nil)
		attempt := config.Begin(Endpoint{Host: "127.0.0.1", Port: portOf(t, starting)})
		want(t, client.StartTLS(attempt.TLSConfig()), nil)
		want(t, client.Auth(password), nil)
		state, ok := client.TLSConnectionState()
		if !ok || state.DidResume != (i > 0) {
			t.Fatalf("STARTTLS %d: %v %v", i, ok, state.DidResume)
		}
		want(t, attempt.Established(state), nil)
		want(t, client.Quit(), nil)
		attempt.Close()
	}
	// net/smtp has closed the *tls.Conn, and with it went the attempt.
	if got := tsctest.Handles(); got != 2 {
		t.Fatalf("%d handles are left", got)
	}
	if got := stats(t, cache); got.Unfinished != 0 || got.Resumed != 4 {
		t.Fatalf("%+v", got)
	}
}

func TestATLSConnLeadsToItsAttempt(t *testing.T) {
	addr := goServer(t, nil)
	dialer := newDialer(t, newCache(t, Options{}), tls.VersionTLS13)
	for _, reason := range []Reason{ReasonNothingStored, ReasonNone} {
		conn, err := dialer.DialContext(context.Background(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(conn); err != nil {
			t.Fatal(err)
		}
		if info, err := AttemptOf(conn).Info(); info.State != StateEstablished || info.Reason != reason || err != nil {
			t.Fatalf("%+v, %v", info, err)
		}
		want(t, conn.Close(), nil)
		_, err = AttemptOf(conn).Info()
		want(t, err, ErrClosed)
	}
	raw, err := net.Dial("tcp", addr)
	want(t, err, nil)
	defer raw.Close()
	stranger := tls.Client(raw, clientConfig(tls.VersionTLS13))
	if AttemptOf(stranger) != nil || AttemptOf(raw) != nil || AttemptOf(nil) != nil {
		t.Fatal("an attempt of a connection that is none of ours")
	}
	if _, err := AttemptOf(raw).Info(); !errors.Is(err, ErrInvalidArgument) {
		t.Fatal(err)
	}
}

// A context closes the network connection before anyone can say how the attempt ended.
func TestAVerdictAfterTheConnectionIsClosedIsTaken(t *testing.T) {
	returns(t, 0) // what other tests forgot
	addr := goServer(t, nil)
	cache := newCache(t, Options{})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	want(t, conn.Conn.Close(), nil)
	if got := tsctest.Handles(); got != 3 {
		t.Fatalf("%d handles: the verdict is still to come", got)
	}
	want(t, conn.Failed(context.Canceled), nil)
	if got := tsctest.Handles(); got != 2 {
		t.Fatalf("%d handles: there was a verdict", got)
	}
	if got := stats(t, cache); got.Failed != 1 || got.Unfinished != 0 {
		t.Fatalf("%+v", got)
	}
}

// Drivers that pool connections look at the socket whether one still lives.
func TestTheSocketCanBeReached(t *testing.T) {
	addr := goServer(t, nil)
	dialer := newDialer(t, newCache(t, Options{}), tls.VersionTLS13)
	conn, err := dialer.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw := conn.(*tls.Conn).NetConn()
	if _, ok := raw.(syscall.Conn); !ok {
		t.Fatalf("%T", raw)
	}
	if _, ok := raw.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn); !ok {
		t.Fatalf("%T", raw)
	}
}

// namedServer tells the server name of each ClientHello.
func namedServer(t *testing.T) (addr string, name func() string) {
	var last atomic.Value
	addr = goServer(t, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		last.Store(hello.ServerName)
		return nil, nil
	}})
	return addr, func() string { return last.Load().(string) }
}

func TestTheServerNameIsTheOneThatCryptoTLSWouldSend(t *testing.T) {
	addr, sent := namedServer(t)
	for _, change := range []func(*tls.Config){
		func(c *tls.Config) { c.InsecureSkipVerify = true },
		func(c *tls.Config) { c.ServerName = "other.test" },
		func(c *tls.Config) { c.InsecureSkipVerify, c.ServerName = true, "other.test" },
	} {
		tlsConfig := clientConfig(tls.VersionTLS13)
		change(tlsConfig)
		config, err := newCache(t, Options{}).NewConfig(tlsConfig, ConfigOptions{})
		want(t, err, nil)
		dial := func() net.Conn {
			raw, err := net.Dial("tcp", addr)
			want(t, err, nil)
			return raw
		}
		use := func(conn *tls.Conn) string {
			defer conn.Close()
			if _, err := ask(conn); err != nil {
				t.Fatal(err)
			}
			return sent()
		}
		expected := use(tls.Client(dial(), tlsConfig))
		for i := range 2 {
			conn := config.Client(dial(), Endpoint{Host: "localhost", Port: portOf(t, addr)})
			if got := use(conn.Conn); got != expected || conn.SessionReused() != (i > 0) {
				t.Fatalf("%q, and not %q; resumed %v", got, expected, conn.SessionReused())
			}
			conn.Established()
			conn.Close()
		}
		// And what tls.Dialer would, which takes the host.
		to := "localhost" + addr[strings.LastIndex(addr, ":"):]
		conn, err := (&tls.Dialer{Config: tlsConfig}).DialContext(context.Background(), "tcp", to)
		want(t, err, nil)
		expected = use(conn.(*tls.Conn))
		conn, err = (&Dialer{Config: config}).DialContext(context.Background(), "tcp", to)
		want(t, err, nil)
		if got := use(conn.(*tls.Conn)); got != expected || got == "" {
			t.Fatalf("%q, and not %q", got, expected)
		}
	}
}

// nowhere is a connection that doesn't know where it leads, as the net package allows.
type nowhere struct{ net.Conn }

func (nowhere) RemoteAddr() net.Addr { return nil }

func TestAConnectionWithoutNameAndAddressIsMade(t *testing.T) {
	addr := goServer(t, nil)
	config, err := newCache(t, Options{}).NewConfig(&tls.Config{InsecureSkipVerify: true}, ConfigOptions{})
	want(t, err, nil)
	for range 2 {
		raw, err := net.Dial("tcp", addr)
		want(t, err, nil)
		conn := config.Client(nowhere{raw}, Endpoint{Host: "localhost"})
		if reused, err := ask(conn); reused || err != nil {
			t.Fatal(reused, err)
		}
		want(t, conn.Established(), nil)
		if info, err := conn.Info(); info.Reason != ReasonNotAsked || err != nil {
			t.Fatalf("%+v, %v", info, err)
		}
		conn.Close()
	}
}
