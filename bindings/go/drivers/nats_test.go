package drivers

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	tsc "github.com/libtsc/libtsc/bindings/go"
)

// natsDialer is a nats.CustomDialer that does TLS itself. A NATS server greets in clear text, with one line,
// and TLS follows.
type natsDialer struct {
	config  *tsc.Config
	timeout time.Duration
}

// SkipTLSHandshake tells nats.go that the connection has it already.
func (natsDialer) SkipTLSHandshake() bool { return true }

func (d natsDialer) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.timeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	raw.SetDeadline(time.Now().Add(d.timeout))
	greeting, err := readLine(raw)
	if err != nil {
		raw.Close()
		return nil, err
	}
	raw.SetDeadline(time.Time{})
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		raw.Close()
		return nil, err
	}
	port, err := net.LookupPort(network, service)
	if err != nil {
		raw.Close()
		return nil, err
	}
	conn := d.config.Client(raw, tsc.Endpoint{Host: host, Port: port})
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Failed(err)
		conn.Close()
		return nil, err
	}
	conn.Established()
	return &greetedConn{conn, io.MultiReader(bytes.NewReader(greeting), conn)}, nil
}

// readLine reads no byte too many: the next one is TLS's.
func readLine(conn net.Conn) (line []byte, err error) {
	for one := make([]byte, 1); !bytes.HasSuffix(line, []byte("\n")); line = append(line, one[0]) {
		if _, err := io.ReadFull(conn, one); err != nil {
			return nil, err
		}
	}
	return line, nil
}

// A greetedConn lets nats.go read the greeting first.
type greetedConn struct {
	*tsc.Conn
	reader io.Reader
}

func (c *greetedConn) Read(b []byte) (int, error) { return c.reader.Read(b) }

func newNATS(t *testing.T, node *peer, handshakeFirst bool) (url string) {
	t.Helper()
	nats, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		TLS: true, TLSConfig: node.tls, TLSTimeout: 20, TLSHandshakeFirst: handshakeFirst,
		Username: "user", Password: "password",
	})
	if err != nil {
		t.Fatal(err)
	}
	nats.Start()
	t.Cleanup(func() {
		nats.Shutdown()
		nats.WaitForShutdown()
	})
	if !nats.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS takes no connections")
	}
	return "nats://" + nats.Addr().String()
}

// Several nodes on one host, for which nats.go has one tls.Config: the dialer knows each by its port.
func TestNATSNodesOfOneHostResumeEachItsOwn(t *testing.T) {
	for name, handshakeFirst := range map[string]bool{"greeting first": false, "TLS first": true} {
		t.Run(name, func(t *testing.T) {
			nodes, trust := newNodes(t, 2)
			cache, err := tsc.NewCache(tsc.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer cache.Close()
			config, err := cache.NewConfig(trust, tsc.ConfigOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer config.Close()
			options := []nats.Option{
				nats.UserInfo("user", "password"), nats.SkipHostLookup(), nats.Timeout(20 * time.Second),
			}
			if handshakeFirst {
				dialer := &tsc.Dialer{Config: config}
				options = append(options, nats.TLSHandshakeFirst(), nats.SetCustomDialer(tlsFirst{dialer, 20 * time.Second}))
			} else {
				options = append(options, nats.SetCustomDialer(natsDialer{config, 20 * time.Second}))
			}
			urls := []string{newNATS(t, nodes[0], handshakeFirst), newNATS(t, nodes[1], handshakeFirst)}
			for range 4 {
				for _, url := range urls {
					conn, err := nats.Connect(url, options...)
					if err != nil {
						t.Fatal(err)
					}
					if err := conn.FlushTimeout(20 * time.Second); err != nil {
						t.Fatal(err)
					}
					conn.Close()
				}
			}
			expect(t, nodes, 4, 3)
		})
	}
}

// tlsFirst is for servers with handshake_first: they greet after TLS, and the Dialer's connection will do.
type tlsFirst struct {
	*tsc.Dialer
	timeout time.Duration
}

func (tlsFirst) SkipTLSHandshake() bool { return true }

func (d tlsFirst) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.timeout)
	defer cancel()
	return d.DialContext(ctx, network, addr)
}
