package tsc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// As `make agent` builds it.
const agentProgram = "../../build/agent/release/tsc-agent"

// startAgent returns the socket of a tsc-agent that ends with the test.
func startAgent(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("tsc-agent needs Linux")
	}
	if _, err := os.Stat(agentProgram); err != nil {
		t.Skipf("make agent: %v", err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	agent := exec.Command(agentProgram, "--socket", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		agent.Process.Kill()
		agent.Wait()
	})
	for exec.Command(agentProgram, "status", "--socket", socket).Run() != nil {
		time.Sleep(time.Millisecond)
	}
	return socket
}

// sharing returns a Dialer with a cache of its own, as another process has it.
func sharing(t *testing.T, agent string, config *tls.Config, options ConfigOptions) *Dialer {
	t.Helper()
	cache := newCache(t, Options{Share: true, Agent: agent, AgentBudget: time.Minute})
	bound, err := cache.NewConfig(config, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bound.Close() })
	return &Dialer{Config: bound}
}

var one = ConfigOptions{Identity: "one"}

// One of the processes of the next test.
func TestASharingProcessConnects(t *testing.T) {
	addr := os.Getenv("TSC_TEST_SERVER")
	if addr == "" {
		t.Skip("runs in processes of the next test")
	}
	root, err := os.ReadFile(os.Getenv("TSC_TEST_ROOT"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	fmt.Println("resumed:", visit(t, sharing(t, "", &tls.Config{RootCAs: roots}, one), addr))
}

func TestAProcessResumesWhatAnotherReceived(t *testing.T) {
	agent, addr := startAgent(t), goServer(t, nil)
	t.Setenv("TSC_AGENT", agent)
	t.Setenv("TSC_TEST_SERVER", addr)
	t.Setenv("TSC_TEST_ROOT", self().pem)
	for number, want := range []string{"resumed: false", "resumed: true", "resumed: true"} {
		process := exec.Command(os.Args[0], "-test.run=^TestASharingProcessConnects$")
		if said, err := process.CombinedOutput(); err != nil || !strings.Contains(string(said), want) {
			t.Fatalf("process %d, not %s: %v\n%s", number, want, err, said)
		}
	}
}

func TestWhatIsSharedHasOneIdentityAndNoClientCertificate(t *testing.T) {
	agent, addr := startAgent(t), goServer(t, &tls.Config{ClientAuth: tls.RequestClientCert})
	asClient := func(config *tls.Config) *tls.Config {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificate := self().certificate
			return &certificate, nil
		}
		return config
	}
	plain, client := clientConfig(0), asClient(clientConfig(0))
	allowed := ConfigOptions{Identity: "client", ShareClientCertificate: true}
	for _, test := range []struct {
		name    string
		config  *tls.Config
		options ConfigOptions
		shared  bool
	}{
		{"of one identity", plain, one, true},
		{"without an identity", plain, ConfigOptions{}, false},
		{"of a client", client, ConfigOptions{Identity: "client"}, false},
		{"of a client, allowed", client, allowed, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			visit(t, sharing(t, agent, test.config, test.options), addr)
			if got := visit(t, sharing(t, agent, test.config, test.options), addr); got != test.shared {
				t.Fatalf("resumed: %v", got)
			}
		})
	}
}

func TestAConnectionWaitsForAnotherProcessesTicket(t *testing.T) {
	agent, addr := startAgent(t), goServer(t, nil)
	first := sharing(t, agent, clientConfig(0), one)
	opening, err := first.DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer opening.Close()
	second := sharing(t, agent, clientConfig(0), one)
	second.MaxWait = time.Minute
	resumed := make(chan bool)
	go func() { resumed <- visit(t, second, addr) }()
	untilOneWaits(t, agent)
	if _, err := ask(opening); err != nil {
		t.Fatal(err)
	}
	if err := opening.Established(); err != nil {
		t.Fatal(err)
	}
	if !<-resumed {
		t.Fatal("not resumed")
	}
}

func TestAWaitForTheAgentEndsWithItsContext(t *testing.T) {
	agent, addr := startAgent(t), goServer(t, nil)
	opening, err := sharing(t, agent, clientConfig(0), one).DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer opening.Close()
	second := sharing(t, agent, clientConfig(0), one)
	second.MaxWait = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := second.DialStaged(ctx, "tcp", addr)
		ended <- err
	}()
	untilOneWaits(t, agent)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// untilOneWaits returns when the agent says so.
func untilOneWaits(t *testing.T, socket string) {
	t.Helper()
	for {
		status, err := exec.Command(agentProgram, "status", "--socket", socket).Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "tsc_agent_waited_total{") && strings.HasSuffix(line, " 1\n") {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
}
