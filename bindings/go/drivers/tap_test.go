package drivers

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// A tap stands between driver and server and reads what both say in clear: the wire's word for whether
// a session was offered and resumed. It is a process, tests/tap/tap.c, which says what it can be told.
type tap struct {
	t       *testing.T
	addr    string
	orders  io.Writer
	answers *bufio.Scanner
}

func newTap(t *testing.T, server string) *tap {
	t.Helper()
	p := &tap{t: t}
	cmd := exec.Command("../../../build/test/tap", portOf(server))
	orders, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err, " (make build/test/tap)")
	}
	t.Cleanup(func() {
		orders.Close()
		cmd.Wait()
	})
	p.orders, p.answers = orders, bufio.NewScanner(answers)
	p.addr = "127.0.0.1:" + p.line()
	return p
}

// order has the tap do something, and gives the lines of its answer.
func (p *tap) order(what string) (answer []string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.orders, what); err != nil {
		p.t.Fatal(err)
	}
	for line := p.line(); line != "ok"; line = p.line() {
		answer = append(answer, line)
	}
	return answer
}

func (p *tap) line() string {
	p.t.Helper()
	if !p.answers.Scan() {
		p.t.Fatal("the tap has ended: ", p.answers.Err())
	}
	return p.answers.Text()
}

// listen has connections be accepted again.
func (p *tap) listen() { p.t.Helper(); p.order("listen") }

// shut has whoever dials be refused, as by a server that isn't there.
func (p *tap) shut() { p.t.Helper(); p.order("refuse") }

// cut breaks all connections that go through it, as a network may.
func (p *tap) cut() { p.t.Helper(); p.order("cut") }

// A greeting is what client and server said of a session.
type greeting struct{ offered, resumed bool }

// greetings are those of all connections in which the server said which handshake it is, in their order.
func (p *tap) greetings() (found []greeting) {
	p.t.Helper()
	for _, line := range p.order("report") {
		said := map[string]string{}
		for _, word := range strings.Fields(line) {
			name, value, _ := strings.Cut(word, "=")
			said[name] = value
		}
		if said["answer"] != "-" {
			found = append(found, greeting{said["offered"] != "none", said["answer"] == "resumed"})
		}
	}
	return found
}

// A count is of connections in which the server said which handshake it is.
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
