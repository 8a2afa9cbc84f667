package drivers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
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

func (n *node) handshakes() count {
	all := n.said.count("Produced server Finished")
	full := n.said.count("Produced server Certificate ") // not CertificateVerify
	return count{all: all, resumed: all - full}
}

// A pool is a gocql session whose connections are watched.
type pool struct {
	*gocql.Session
	connects chan gocql.ObservedConnect
}

const connections = 5 // the pool's 4 and the control connection

func (p *pool) ObserveConnect(seen gocql.ObservedConnect) { p.connects <- seen }

// newPool makes one that dials with the cache, or if there is no dialer as gocql does by itself.
func newPool(t *testing.T, addr string, trust *tls.Config, dialer *tsc.Dialer) *pool {
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
	cluster.SslOpts = &gocql.SslOptions{Config: trust, EnableHostVerification: true}
	if dialer != nil {
		cluster.HostDialer = hostDialer{dialer, cluster.ConnectTimeout}
	}
	cluster.ConnectObserver = p
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	session, err := cluster.CreateSession()
	if err != nil {
		t.Fatal(err)
	}
	p.Session = session
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() {
			session.Close()
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(20 * time.Second):
			// As gocql's does while it makes its control connection anew. A test that fails must end.
			t.Log("gocql's Close hangs")
		}
	})
	return p
}

// filled waits for all connections of the pool to be made. None that was begun after the given moment
// may fail.
func (p *pool) filled(t *testing.T, since time.Time) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for n := 0; n < connections; {
		select {
		case seen := <-p.connects:
			switch {
			case seen.Start.Before(since):
			case seen.Err != nil:
				t.Fatal(seen.Err)
			default:
				n++
			}
		case <-deadline:
			t.Fatalf("%d connections", n)
		}
	}
}

func (p *pool) ask() error {
	var version string
	return p.Query("SELECT release_version FROM system.local").Scan(&version)
}

// reconnects cuts all connections of the pool, and waits until there are others.
func (p *pool) reconnects(t *testing.T, tap *tap) {
	t.Helper()
	since := time.Now()
	tap.cut()
	p.filled(t, since)
	if err := p.ask(); err != nil {
		t.Fatal(err)
	}
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

// Cassandra takes netty's BoringSSL for TLS if it isn't told otherwise.
func TestACassandraPoolResumesWithBoringSSL(t *testing.T) {
	// In TLS 1.2 one session for each full handshake, in TLS 1.3 two tickets for each handshake.
	testPoolReconnects(t, newNode(t, nil, "CASSANDRA_TLS=native"), 1, 2*4*connections)
}

func TestACassandraPoolResumesWithTheJDK(t *testing.T) {
	node := newNode(t, nil, chatty)
	before := node.handshakes()
	testPoolReconnects(t, node, 4*connections, 4*connections)
	// In each version the first connection was a full handshake, and no other.
	all := 2 * 4 * connections
	if got := node.handshakes().since(before); got != (count{all: all, resumed: all - 2}) {
		t.Fatalf("the server says: %+v", got)
	}
}

// testPoolReconnects is told how many sessions the server will issue in each version.
func testPoolReconnects(t *testing.T, node *node, in12, in13 uint64) {
	eachTLS(t, func(t *testing.T, version uint16, cache *tsc.Cache) {
		tap, trust := newTap(t, node.addr), trust(t, version, node)
		dialer := dialer(t, cache, trust)
		dialer.MaxWait = 10 * time.Second
		pool := newPool(t, tap.addr, trust, dialer)
		pool.filled(t, time.Time{})
		// The first connection's tickets come with an answer, and the others wait for theirs.
		if got := tap.count(); got != (count{connections, connections - 1, connections - 1}) {
			t.Fatalf("%+v", got)
		}
		for range 3 {
			before := tap.count()
			pool.reconnects(t, tap)
			if got := tap.count().since(before); got != (count{connections, connections, connections}) {
				t.Fatalf("%+v", got)
			}
		}
		issued := map[uint16]uint64{tls.VersionTLS12: in12, tls.VersionTLS13: in13}[version]
		if stats, err := cache.Stats(); err != nil || stats.Stored != issued {
			t.Fatalf("%v, %+v", err, stats)
		}
	})
}

// A load is what some goroutines ask through a pool, all the time.
type load struct {
	answers chan answer
	stop    chan struct{}
	workers sync.WaitGroup
	failed  int
}

type answer struct {
	began time.Time
	err   error
}

func newLoad(pool *pool) *load {
	l := &load{answers: make(chan answer, 1<<16), stop: make(chan struct{})}
	for range 4 {
		l.workers.Add(1)
		go func() {
			defer l.workers.Done()
			for tick := time.NewTicker(time.Millisecond); ; {
				began := time.Now()
				err := pool.ask()
				select {
				case <-l.stop:
					return
				case l.answers <- answer{began, err}:
				}
				<-tick.C
			}
		}()
	}
	return l
}

// answered waits for answers to queries that began after a moment. From the first one on none may fail.
func (l *load) answered(t *testing.T, after time.Time) {
	t.Helper()
	var first time.Time
	deadline := time.After(30 * time.Second)
	for n := 0; n < 100; {
		select {
		case got := <-l.answers:
			switch {
			case got.err == nil && got.began.After(after):
				if n++; n == 1 {
					first = got.began
				}
			case got.err == nil:
			case n > 0 && got.began.After(first):
				t.Fatal(got.err)
			default:
				l.failed++
			}
		case <-deadline:
			t.Fatalf("%d answers, %d failed", n, l.failed)
		}
	}
}

func (l *load) end() {
	close(l.stop)
	l.workers.Wait()
}

func TestACassandraThatRestartsUnderLoadFailsNoConnection(t *testing.T) {
	node := newNode(t, nil)
	eachTLS(t, func(t *testing.T, version uint16, cache *tsc.Cache) {
		trust := trust(t, version, node)
		// Two pools live through the same, one with the cache and one without.
		dialers := []*tsc.Dialer{dialer(t, cache, trust), nil}
		var taps []*tap
		var pools []*pool
		var loads []*load
		for _, dialer := range dialers {
			tap := newTap(t, node.addr)
			pool := newPool(t, tap.addr, trust, dialer)
			pool.filled(t, time.Time{})
			load := newLoad(pool)
			defer load.end()
			load.answered(t, time.Time{})
			taps, pools, loads = append(taps, tap), append(pools, pool), append(loads, load)
		}
		for _, tap := range taps {
			tap.shut() // or a dialler would be taken on and dropped, for which the cache blames the session
		}
		node.stop()
		node.start()
		var before []count
		for _, tap := range taps {
			before = append(before, tap.count())
			tap.listen()
		}
		back := time.Now()
		for i, pool := range pools {
			// No connection failed that the new process was asked for, and no query that it was asked.
			pool.filled(t, back)
			loads[i].answered(t, back)
			t.Logf("%d queries failed while there was no server; %+v", loads[i].failed, taps[i].count().since(before[i]))
		}
		if got := taps[1].count(); got.offered != 0 || got.resumed != 0 {
			t.Fatalf("without the cache: %+v", got)
		}
		// The new process has other keys: it refused what it was offered, and did full handshakes.
		stats, err := cache.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if got := taps[0].count().since(before[0]); got.offered == 0 || got.offered == got.resumed || stats.Refused == 0 || stats.BreakerOpened != 0 {
			t.Fatalf("%+v, %+v", got, stats)
		}
		// And then all is as before: nothing is refused and, once there are as many tickets as connections,
		// all resume. Those that resumed meanwhile used some up; each full handshake brings one more.
		for round := 0; ; round++ {
			again := taps[0].count()
			pools[0].reconnects(t, taps[0])
			got := taps[0].count().since(again)
			if got == (count{connections, connections, connections}) {
				break
			}
			if got.all != connections || got.offered != got.resumed || round == connections {
				t.Fatalf("round %d: %+v", round, got)
			}
		}
	})
}

func TestCassandraNodesKeepTheirSessions(t *testing.T) {
	one := newNode(t, nil)
	for name, certificateOf := range map[string]*node{"another port": one, "another certificate": nil} {
		t.Run(name, func(t *testing.T) {
			other := newNode(t, certificateOf)
			eachTLS(t, func(t *testing.T, version uint16, cache *tsc.Cache) {
				// The name is the same, and either certificate would do: only the cache keeps them apart.
				trust := trust(t, version, one, other)
				dialer := dialer(t, cache, trust)
				taps := []*tap{newTap(t, one.addr), newTap(t, other.addr)}
				var pools []*pool
				for _, tap := range taps {
					pool := newPool(t, tap.addr, trust, dialer)
					pool.filled(t, time.Time{})
					pools = append(pools, pool)
				}
				for range 2 {
					for i, pool := range pools {
						pool.reconnects(t, taps[i])
					}
				}
				for _, tap := range taps {
					if got := tap.greetings(); got[0].offered {
						t.Fatal("a node was offered a session before it had issued one")
					}
					// A node can only resume what it has issued.
					if got := tap.count(); got.offered < 2*connections || got.offered != got.resumed {
						t.Fatalf("%+v", got)
					}
				}
			})
		})
	}
}
