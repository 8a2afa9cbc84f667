package drivers

import (
	"encoding/binary"
	"net"
	"sync"
	"testing"
)

// A tap stands between driver and server and reads what both say in clear: the wire's word for whether
// a session was offered and resumed.
type tap struct {
	t            *testing.T
	addr, server string
	mu           sync.Mutex
	listener     net.Listener
	seen         []*exchange
}

// An exchange is how one connection began.
type exchange struct {
	mu             sync.Mutex
	client, server []byte
	ends           [2]net.Conn
}

func newTap(t *testing.T, server string) *tap {
	t.Helper()
	p := &tap{t: t, addr: "127.0.0.1:0", server: server}
	p.listen()
	t.Cleanup(p.shut)
	return p
}

func (p *tap) listen() {
	p.t.Helper()
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.addr = listener, listener.Addr().String()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", p.server)
			if err != nil {
				client.Close()
				continue
			}
			seen := &exchange{ends: [2]net.Conn{client, server}}
			p.mu.Lock()
			p.seen = append(p.seen, seen)
			p.mu.Unlock()
			go seen.carry(client, server, &seen.server)
			go seen.carry(server, client, &seen.client)
		}
	}()
}

// shut has whoever dials be refused, as by a server that isn't there.
func (p *tap) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener.Close()
}

// cut breaks all connections that go through it, as a network may.
func (p *tap) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, seen := range p.seen {
		seen.ends[0].Close()
		seen.ends[1].Close()
	}
}

func (e *exchange) carry(to, from net.Conn, noted *[]byte) {
	defer to.Close()
	defer from.Close()
	for buf := make([]byte, 16<<10); ; {
		n, err := from.Read(buf)
		e.mu.Lock()
		if len(*noted) < 16<<10 {
			*noted = append(*noted, buf[:n]...)
		}
		e.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A greeting is what client and server said of a session.
type greeting struct{ offered, resumed bool }

// greetings are those of all connections that got as far as a ServerHello, in their order.
func (p *tap) greetings() (found []greeting) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, seen := range p.seen {
		seen.mu.Lock()
		client, server := messages(seen.client), messages(seen.server)
		seen.mu.Unlock()
		if len(client) == 0 || len(server) == 0 {
			continue
		}
		hello, answer := extensions(p.t, client[0]), extensions(p.t, server[0])
		_, offered := hello[preSharedKey]
		offered = offered || len(hello[sessionTicket]) > 0
		_, resumed := answer[preSharedKey]
		if _, tls13 := answer[supportedVersions]; !tls13 {
			// TLS 1.2 sends its certificate in clear, unless it resumes.
			resumed = true
			for _, message := range server {
				resumed = resumed && message[0] != 11
			}
		}
		found = append(found, greeting{offered, resumed})
	}
	return found
}

// A count is of connections that got as far as a ServerHello.
type count struct{ all, offered, resumed int }

func (p *tap) count() (c count) {
	p.t.Helper()
	for _, greeting := range p.greetings() {
		c.all++
		if greeting.offered {
			c.offered++
		}
		if greeting.resumed {
			c.resumed++
		}
	}
	return c
}

// since gives what came on top of an earlier count.
func (c count) since(before count) count {
	return count{c.all - before.all, c.offered - before.offered, c.resumed - before.resumed}
}

const (
	sessionTicket     = 35
	preSharedKey      = 41
	supportedVersions = 43
)

// messages gives the handshake messages that went in clear, before anything else.
func messages(wire []byte) (found [][]byte) {
	var clear []byte
	for len(wire) >= 5 && wire[0] == 22 {
		length := int(binary.BigEndian.Uint16(wire[3:]))
		if len(wire) < 5+length {
			break
		}
		clear = append(clear, wire[5:5+length]...)
		wire = wire[5+length:]
	}
	for len(clear) >= 4 {
		length := int(clear[1])<<16 | int(clear[2])<<8 | int(clear[3])
		if len(clear) < 4+length {
			break
		}
		found = append(found, clear[:4+length])
		clear = clear[4+length:]
	}
	return found
}

// extensions gives those of a ClientHello or ServerHello.
func extensions(t *testing.T, hello []byte) map[uint16][]byte {
	t.Helper()
	defer func() {
		if recover() != nil {
			t.Fatal("not a hello")
		}
	}()
	rest := hello[4+2+32:]
	rest = rest[1+rest[0]:] // session id
	if hello[0] == 1 {
		rest = rest[2+binary.BigEndian.Uint16(rest):] // cipher suites
		rest = rest[1+rest[0]:]                       // compression methods
	} else {
		rest = rest[2+1:]
	}
	found := map[uint16][]byte{}
	if len(rest) < 2 {
		return found
	}
	for rest = rest[2:]; len(rest) > 0; {
		length := binary.BigEndian.Uint16(rest[2:])
		found[binary.BigEndian.Uint16(rest)] = rest[4 : 4+length]
		rest = rest[4+length:]
	}
	return found
}
