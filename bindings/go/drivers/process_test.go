package drivers

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// A process is a server that others wrote, started and stopped by the tests.
type process struct {
	t      *testing.T
	addr   string
	run    []string
	env    []string      // beside this process's own
	within time.Duration // takes connections
	said   output
	cmd    *exec.Cmd
	ended  chan struct{}
}

// An output is what a process has said so far, of all its lives.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

// count says how often a text is in it.
func (o *output) count(text string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Count(o.text.Bytes(), []byte(text))
}

// tail gives the end of it.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.text.Bytes()
	return string(text[max(0, len(text)-4<<10):])
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.run[0], p.run[1:]...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd, ended := p.cmd, make(chan struct{})
	p.ended = ended
	go func() {
		cmd.Wait()
		close(ended)
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(p.within); ; {
		if conn, err := net.Dial("tcp", p.addr); err == nil {
			conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			p.t.Fatalf("%s ended:\n%s", p.run[0], p.said.tail())
		case <-deadline:
			p.t.Fatalf("%s takes no connections:\n%s", p.run[0], p.said.tail())
		}
	}
}

// stop kills it, as in a crash.
func (p *process) stop() {
	p.cmd.Process.Kill()
	<-p.ended
}

// freeAddr gives an address on which nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
