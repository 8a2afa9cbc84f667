package tsc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libtsc/libtsc/bindings/go/internal/tsctest"
)

// The servers of these tests answer a request for a page with "Reused" in it if they resumed a
// session, and "New" if not: the server's own word, which is compared with the client's.

// A certificate that is its own root, for localhost.
type identity struct {
	certificate tls.Certificate
	pem, key    string // files
	notAfter    time.Time
}

var self = sync.OnceValue(func() identity {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		DNSNames: []string{"localhost", "other.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	one := identity{notAfter: template.NotAfter}
	one.pem, one.key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	must(os.WriteFile(one.pem, certPEM, 0o600))
	must(os.WriteFile(one.key, keyPEM, 0o600))
	one.certificate, err = tls.X509KeyPair(certPEM, keyPEM)
	must(err)
	return one
})

var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "tsc-go"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// clientConfig trusts that certificate.
func clientConfig(version uint16) *tls.Config {
	roots := x509.NewCertPool()
	leaf, _ := x509.ParseCertificate(self().certificate.Certificate[0])
	roots.AddCert(leaf)
	return &tls.Config{RootCAs: roots, MaxVersion: version}
}

// goServer is crypto/tls's own. It sends one TLS 1.3 ticket on every connection.
func goServer(t testing.TB, config *tls.Config) (addr string) {
	t.Helper()
	if config == nil {
		config = &tls.Config{}
	}
	config.Certificates = []tls.Certificate{self().certificate}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var serving group
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { answer(conn.(*tls.Conn)) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

func answer(conn *tls.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	for request := make([]byte, 0, 64); !bytes.Contains(request, []byte("\r\n\r\n")); {
		n, err := conn.Read(request[len(request):cap(request)])
		request = request[:len(request)+n]
		if err != nil || len(request) == cap(request) {
			return
		}
	}
	word := "New"
	if conn.ConnectionState().DidResume {
		word = "Reused"
	}
	fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\n\r\n%s\n", word)
}

// s_server serves one connection at a time.
func sServer(t testing.TB, arguments ...string) (addr string) {
	port := freePort(t)
	arguments = append([]string{"s_server", "-www", "-accept", port,
		"-cert", self().pem, "-key", self().key}, arguments...)
	return start(t, port, "openssl", arguments...)
}

func nginx(t testing.TB, lines string) (addr string) {
	port := freePort(t)
	home := t.TempDir()
	config := filepath.Join(home, "nginx.conf")
	text := fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  map $ssl_session_reused $word { r Reused; default New; }
  server {
    listen 127.0.0.1:%[2]s ssl;
    ssl_certificate %[3]s;
    ssl_certificate_key %[4]s;
    %[5]s
    location / { return 200 "$word\n"; }
  }
}
`, home, port, self().pem, self().key, lines)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program := "/usr/sbin/nginx" // where an ordinary user's PATH does not look
	if _, err := os.Stat(program); err != nil {
		program = "nginx"
	}
	return start(t, port, program, "-p", home, "-e", "stderr", "-c", config)
}

func freePort(t testing.TB) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// start runs a server until the end of the test, and waits until it takes connections.
func start(t testing.TB, port, program string, arguments ...string) (addr string) {
	t.Helper()
	command := exec.Command(program, arguments...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		command.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		command.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", program, output.Bytes())
		}
	})
	addr = net.JoinHostPort("127.0.0.1", port)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return addr
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("%s ended", program)
		case <-deadline:
			t.Fatalf("%s takes no connections", program)
		}
	}
}

// ask is the login of these tests: a request, and the answer to its end, tickets and all.
func ask(conn net.Conn) (reused bool, err error) {
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return false, err
	}
	page, err := io.ReadAll(conn)
	switch text := string(page); {
	case strings.Contains(text, "Reused"):
		return true, nil
	case strings.Contains(text, "New"):
		return false, nil
	case err == nil:
		err = errors.New("the server says neither")
	}
	return false, fmt.Errorf("%w: %q", err, page)
}

// visit is one whole connection, and gives the server's word for whether it was resumed.
func visit(t testing.TB, dialer *Dialer, addr string) (reused bool) {
	t.Helper()
	conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reused, err = ask(conn)
	if err != nil {
		t.Fatal(err)
	}
	if reused != conn.SessionReused() {
		t.Fatalf("the server says %v, the client %v", reused, conn.SessionReused())
	}
	if err := conn.Established(); err != nil {
		t.Fatal(err)
	}
	return reused
}

func newCache(t testing.TB, options Options) *Cache {
	t.Helper()
	cache, err := NewCache(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeCache(t, cache) })
	return cache
}

// newCacheWithClock makes a cache that keeps time by a clock of the test's.
func newCacheWithClock(t testing.TB, options Options, clock *tsctest.Clock) *Cache {
	t.Helper()
	given, err := options.c()
	if err != nil {
		t.Fatal(err)
	}
	given.clock, given.clock_arg = clock.Func(), clock.Arg()
	cache, err := openCache(given, options.OnEvent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeCache(t, cache) })
	return cache
}

// closeCache ends a test: what came into its cache went for one of the reasons in Stats, or is there. A
// test's goroutines have ended by then, but conns that the garbage collector frees may be under way, hence the
// second look.
func closeCache(t testing.TB, cache *Cache) {
	t.Helper()
	defer cache.Close()
	var s Stats
	for range 2 {
		var err error
		if s, err = cache.Stats(); err != nil {
			return // The test closed it.
		}
		if s.Stored+s.Returned == s.Taken+s.Expired+s.Evicted+s.Displaced+s.Removed+s.Sessions {
			return
		}
	}
	t.Errorf("the books do not balance: %+v", s)
}

func newDialer(t testing.TB, cache *Cache, version uint16) *Dialer {
	t.Helper()
	config, err := cache.NewConfig(clientConfig(version), ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { config.Close() })
	return &Dialer{Config: config}
}

func stats(t testing.TB, cache *Cache) Stats {
	t.Helper()
	got, err := cache.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A group is a sync.WaitGroup that starts what it waits for.
type group struct{ sync.WaitGroup }

func (g *group) Go(f func()) {
	g.Add(1)
	go func() {
		defer g.Done()
		f()
	}()
}

// An expiring context is past its deadline when its channel is closed.
type expiring struct {
	context.Context
	expired chan struct{}
}

func (e expiring) Done() <-chan struct{} { return e.expired }

func (e expiring) Err() error {
	select {
	case <-e.expired:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// silentServer takes one connection and says nothing. The context expires when the ClientHello has come.
func silentServer(t *testing.T) (addr string, ctx context.Context) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	expired := make(chan struct{})
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Read(make([]byte, 1))
		close(expired)
		io.Copy(io.Discard, conn)
	}()
	return listener.Addr().String(), expiring{context.Background(), expired}
}
