// A program that engine-bench asks, between its own measurements, for one of Go's caches: "SUBJECT ORDER MIX THREADS
// STEPS" on a line, answered with nanoseconds per step by the wall clock. Sessions are those that a handshake
// made.
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"math"
	"math/big"
	"os"
	"sort"
	"sync"
	"time"

	tsc "github.com/libtsc/libtsc/bindings/go"
)

const (
	endpoints = 10_000
	hot       = 8
	each      = 8
)

// A subject is a cache of sessions by endpoint.
type subject interface {
	get(at int) bool
	put(at int)
}

// lru is crypto/tls's own list, which keeps one session of each name and does not take it out.
type lru struct {
	list  tls.ClientSessionCache
	keys  []string
	state *tls.ClientSessionState
}

func (l *lru) get(at int) bool {
	_, ok := l.list.Get(l.keys[at])
	return ok
}

func (l *lru) put(at int) { l.list.Put(l.keys[at], l.state) }

// library is libtsc, through a View for each endpoint.
type library struct {
	views []*tsc.View
	state *tls.ClientSessionState
}

func (l *library) get(at int) bool {
	_, ok := l.views[at].Get("localhost")
	return ok
}

func (l *library) put(at int) { l.views[at].Put("localhost", l.state) }

// credentials are a certificate of its own and a client that trusts it.
func credentials(version uint16) (*tls.Config, *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	parsed, err := x509.ParseCertificate(der)
	check(err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	client := &tls.Config{
		RootCAs: roots, ServerName: "localhost",
		MinVersion: version, MaxVersion: version,
	}
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return client, server
}

// catcher keeps the session that a handshake brings.
type catcher struct{ state *tls.ClientSessionState }

func (c *catcher) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (c *catcher) Put(_ string, state *tls.ClientSessionState) { c.state = state }

// caught is the session of a handshake.
func caught(client, server *tls.Config) *tls.ClientSessionState {
	catch := new(catcher)
	client = client.Clone()
	client.ClientSessionCache = catch
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	check(err)
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		check(err)
		_, err = conn.Write([]byte{0})
		check(err)
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	check(err)
	// TLS 1.3 tickets come before the first byte.
	_, err = conn.Read(make([]byte, 1))
	check(err)
	check(conn.Close())
	if catch.state == nil {
		log.Fatal("no session came")
	}
	return catch.state
}

// subjects are made anew for each mix: "90/10" has TLS 1.2 sessions, "churn" TLS 1.3 tickets.
func subjects(mix string) map[string]subject {
	version := uint16(tls.VersionTLS12)
	if mix == "churn" {
		version = tls.VersionTLS13
	}
	client, server := credentials(version)
	state := caught(client, server)
	cache, err := tsc.NewCache(tsc.Options{MaxEndpoints: endpoints, MaxSessionsPerEndpoint: each, MaxBytes: 16 << 30})
	check(err)
	config, err := cache.NewConfig(client, tsc.ConfigOptions{})
	check(err)
	own := &library{state: state}
	list := &lru{list: tls.NewLRUClientSessionCache(endpoints), state: state}
	for number := range endpoints {
		host := fmt.Sprintf("node-%06d.db.example.com", number)
		view, err := config.ForEndpoint(tsc.Endpoint{Host: host, Port: 9142, ServerName: "localhost"})
		check(err)
		own.views = append(own.views, view)
		list.keys = append(list.keys, host)
	}
	made := map[string]subject{"libtsc": own, "crypto/tls": list}
	for name, one := range made {
		for at := range endpoints {
			one.put(at)
		}
		if !one.get(0) {
			log.Fatalf("%s: what was put is not there", name)
		}
	}
	return made
}

// random is xorshift, as in the rest of the benchmark: the same in every run.
type random uint64

func (r *random) next() uint64 {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return uint64(*r)
}

func orders() map[string][]int {
	r := random(0x9e3779b97f4a7c15)
	uniform := make([]int, 1<<16)
	for i := range uniform {
		uniform[i] = int(r.next()>>16) % hot
	}
	sums, sum := make([]float64, endpoints), 0.0
	for i := range sums {
		sum += math.Pow(float64(i+1), -0.99)
		sums[i] = sum
	}
	zipf := make([]int, 1<<16)
	for i := range zipf {
		at := float64(r.next()>>11) / (1 << 53) * sum
		zipf[i] = min(sort.SearchFloat64s(sums, at), endpoints-1)
	}
	return map[string][]int{"hot": uniform, "zipf": zipf}
}

// run gives the nanoseconds per step.
func run(one subject, mix string, order []int, threads, steps int) float64 {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for thread := range threads {
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			at := len(order) / threads * thread
			ready.Done()
			<-start
			for turn := range steps / threads {
				which := order[(at+turn)%len(order)]
				switch {
				case mix == "churn":
					one.get(which)
					one.put(which)
					one.put(which)
				case turn%10 == 9:
					one.put(which)
				default:
					one.get(which)
				}
			}
		}()
	}
	ready.Wait()
	began := time.Now()
	close(start)
	done.Wait()
	return float64(time.Since(began).Nanoseconds()) / float64(steps/threads*threads)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	order := orders()
	made := map[string]map[string]subject{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var name, by, mix string
		var threads, steps int
		_, err := fmt.Sscan(lines.Text(), &name, &by, &mix, &threads, &steps)
		check(err)
		if made[mix] == nil {
			made[mix] = subjects(mix)
		}
		fmt.Println(run(made[mix][name], mix, order[by], threads, steps))
	}
}
