package drivers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	tsc "github.com/libtsc/libtsc/bindings/go"
)

// What a gocql user writes.
type hostDialer struct {
	*tsc.Dialer
	timeout time.Duration
}

func (d hostDialer) DialHost(ctx context.Context, host *gocql.HostInfo) (*gocql.DialedHost, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", host.ConnectAddressAndPort())
	if err != nil {
		return nil, err
	}
	return &gocql.DialedHost{Conn: conn, DisableCoalesce: true}, nil
}

// A node is one Cassandra, alone in its cluster. It speaks TLS 1.2 and 1.3; its name is "localhost".
type node struct {
	process
	home string
}

// newNode starts a node. From certificateOf it takes its certificate and key; nil: it has its own.
func newNode(t *testing.T, certificateOf *node, env ...string) *node {
	t.Helper()
	home := t.TempDir()
	if certificateOf != nil {
		for _, name := range []string{"cert.pem", "server.p12"} {
			content, err := os.ReadFile(filepath.Join(certificateOf.home, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(home, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := &node{process{t: t, addr: freeAddr(t), within: 2 * time.Minute, env: env}, home}
	n.run = []string{"../../../tests/servers/cassandra/run", home, portOf(n.addr), portOf(freeAddr(t))}
	n.start()
	t.Cleanup(n.stop)
	return n
}

// trust gives what verifies the certificates of all the nodes, by one name.
func trust(t *testing.T, version uint16, nodes ...*node) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	for _, node := range nodes {
		pem, err := os.ReadFile(filepath.Join(node.home, "cert.pem"))
		if err != nil || !roots.AppendCertsFromPEM(pem) {
			t.Fatal("no certificate: ", err)
		}
	}
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: version, MaxVersion: version}
}

// The JDK's own word for each handshake that it has done, and for each certificate that it has shown.
var chatty = "JAVA_OPTS=-Djavax.net.debug=ssl:handshake"

func (n *node) handshakes() (all, full int) {
	return n.said.count("Produced server Finished"), n.said.count("Produced server Certificate ") // not …Verify
}

// A pool is a gocql session whose connections are watched.
type pool struct {
	*gocql.Session
	connects chan gocql.ObservedConnect
}

const connections = 5 // the pool's 4 and the control connection

func (p *pool) ObserveConnect(seen gocql.ObservedConnect) { p.connects <- seen }

func newPool(t *testing.T, addr string, dialer gocql.HostDialer) *pool {
	t.Helper()
	p := &pool{connects: make(chan gocql.ObservedConnect, 100_000)}
	host, port, _ := net.SplitHostPort(addr)
	cluster := gocql.NewCluster(host)
	cluster.Port, _ = strconv.Atoi(port)
	cluster.ProtoVersion = 5 // else there is one more connection, to find out
	cluster.NumConns = connections - 1
	cluster.Consistency = gocql.One
	cluster.Timeout, cluster.ConnectTimeout = 20*time.Second, 20*time.Second
	cluster.ReconnectInterval = 50 * time.Millisecond
	cluster.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 3, Interval: 20 * time.Millisecond}
	cluster.HostDialer = dialer
	cluster.ConnectObserver = p
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	session, err := cluster.CreateSession()
	if err != nil {
		t.Fatal(err)
	}
	p.Session = session
	t.Cleanup(session.Close)
	return p
}

// filled waits until so many connections have been made.
func (p *pool) filled(t *testing.T) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for n := 0; n < connections; {
		select {
		case seen := <-p.connects:
			if seen.Err != nil {
				t.Fatal(seen.Err)
			}
			n++
		case <-deadline:
			t.Fatalf("%d connections", n)
		}
	}
}

func (p *pool) ask() error {
	var version string
	return p.Query("SELECT release_version FROM system.local").Scan(&version)
}

func eachTLS(t *testing.T, test func(t *testing.T, version uint16, cache *tsc.Cache)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			cache, err := tsc.NewCache(tsc.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cache.Close() })
			test(t, version, cache)
		})
	}
}

func TestCassandraPoolReconnects(t *testing.T) {
	node := newNode(t, nil, chatty)
	eachTLS(t, func(t *testing.T, version uint16, cache *tsc.Cache) {
		tap := newTap(t, node.addr)
		pool := newPool(t, tap.addr, hostDialer{dialer(t, cache, trust(t, version, node)), 20 * time.Second})
		pool.filled(t)
		for range 3 {
			all, offered, resumed := tap.counts(t)
			handshakes, full := node.handshakes()
			tap.cut()
			pool.filled(t)
			if err := pool.ask(); err != nil {
				t.Fatal(err)
			}
			allNow, offeredNow, resumedNow := tap.counts(t)
			if allNow-all != connections || offeredNow-offered != connections || resumedNow-resumed != connections {
				t.Fatalf("of %d, %d offered and %d resumed", allNow-all, offeredNow-offered, resumedNow-resumed)
			}
			if all, fullNow := node.handshakes(); all-handshakes != connections || fullNow != full {
				t.Fatalf("the server says: of %d, %d were full", all-handshakes, fullNow-full)
			}
		}
	})
}
