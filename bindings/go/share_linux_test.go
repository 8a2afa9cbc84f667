package tsc

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestADialerThatNeverBlocksInTheAgentWaitsForIt(t *testing.T) {
	agent, addr := startAgent(t), goServer(t, nil)
	visit(t, sharing(t, agent, clientConfig(0), one), addr)
	cache := newCache(t, Options{Share: true, Agent: agent, AgentBudget: -1})
	config, err := cache.NewConfig(clientConfig(0), one)
	if err != nil {
		t.Fatal(err)
	}
	defer config.Close()
	process, err := os.FindProcess(peer(t, agent))
	if err != nil {
		t.Fatal(err)
	}
	signal := func(what syscall.Signal) {
		t.Helper()
		if err := process.Signal(what); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	goesOn := time.AfterFunc(20*time.Millisecond, func() { process.Signal(syscall.SIGCONT) })
	defer goesOn.Stop()
	if !visit(t, &Dialer{Config: config, MaxWait: time.Minute}, addr) {
		t.Error("not resumed")
	}
	signal(syscall.SIGSTOP)
	defer process.Signal(syscall.SIGCONT)
	if visit(t, &Dialer{Config: config}, addr) {
		t.Error("resumed by an agent that does not answer")
	}
	if got := stats(t, cache).AgentAway; got != 0 {
		t.Error(got)
	}
}

// peer returns the number of the process that listens there.
func peer(t *testing.T, socket string) int {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var peer *syscall.Ucred
	raw.Control(func(fd uintptr) {
		peer, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		t.Fatal(err)
	}
	return int(peer.Pid)
}
