package drivers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// A peer is what the tests ask of one server among several on a host: how many handshakes it resumed, and
// how often it was offered a session of another's.
type peer struct {
	tls                          *tls.Config
	handshakes, resumed, foreign atomic.Int64
}

// newNodes gives nodes of one certificate, and what trusts them.
func newNodes(t *testing.T, count int) (nodes []*peer, trust *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for i := range count {
		n := new(peer)
		// The config that decrypts; the server may clone the one that it is given.
		keys := new(tls.Config)
		keys.SetSessionTicketKeys([][32]byte{{byte(i + 1)}})
		n.tls = &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
			WrapSession: func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
				return keys.EncryptTicket(state, session)
			},
			UnwrapSession: func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
				session, err := keys.DecryptTicket(ticket, state)
				if session == nil {
					n.foreign.Add(1)
				}
				return session, err
			},
			VerifyConnection: func(state tls.ConnectionState) error {
				n.handshakes.Add(1)
				if state.DidResume {
					n.resumed.Add(1)
				}
				return nil
			},
		}
		nodes = append(nodes, n)
	}
	return nodes, &tls.Config{RootCAs: roots}
}

// expect compares what each node has seen.
func expect(t *testing.T, nodes []*peer, handshakes, resumed int64) {
	t.Helper()
	for i, n := range nodes {
		if n.handshakes.Load() != handshakes || n.resumed.Load() != resumed || n.foreign.Load() != 0 {
			t.Errorf("node %d: %d handshakes, %d resumed, %d sessions of others'", i,
				n.handshakes.Load(), n.resumed.Load(), n.foreign.Load())
		}
	}
}
