package tsc

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/libtsc/libtsc/bindings/go/internal/tsctest"
)

func registered[T any](r *registry[T]) (n int) {
	r.values.Range(func(any, any) bool { n++; return true })
	return n
}

// returns waits until the garbage collector, made to run, has freed handles down to a number.
func returns(t *testing.T, want int64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); tsctest.Handles() != want; {
		runtime.GC()
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d handles are left, and %d were before", tsctest.Handles(), want)
		}
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	addr := goServer(t, nil)
	returns(t, 0) // what other tests forgot
	cache, err := NewCache(Options{OnEvent: func(Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := cache.NewConfig(clientConfig(tls.VersionTLS13), ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dialer := &Dialer{Config: config, MaxWait: time.Minute}
	if got := burst(t, dialer, addr, 8); got != 7 {
		t.Fatalf("%d of 8 resumed", got)
	}
	if got := tsctest.Handles(); got != 2 {
		t.Fatalf("connections were closed, and %d handles are left", got)
	}
	config.Close()
	cache.Close()
	if tsctest.Handles() != 0 || registered(&eventFuncs) != 0 || registered(&waits) != 0 {
		t.Fatal("left: ", tsctest.Handles(), registered(&eventFuncs), registered(&waits))
	}
}

func TestWhatIsForgottenIsFreed(t *testing.T) {
	addr := goServer(t, nil)
	returns(t, 0) // what other tests forgot
	func() {
		cache, err := NewCache(Options{})
		if err != nil {
			t.Fatal(err)
		}
		config, err := cache.NewConfig(clientConfig(tls.VersionTLS13), ConfigOptions{})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := (&Dialer{Config: config}).DialStaged(context.Background(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(conn); err != nil {
			t.Fatal(err)
		}
		conn.Established()
		conn.NetConn().(interface{ NetConn() net.Conn }).NetConn().Close() // the attempt is forgotten
		if got := tsctest.Handles(); got != 3 {
			t.Fatalf("%d handles", got)
		}
		for _, owner := range []any{cache, config, conn} {
			runtime.KeepAlive(owner) // the collector may be quick
		}
	}()
	returns(t, 0)
}

func TestAHandleIsFreedByTheLastToLeave(t *testing.T) {
	var freed int
	var object int
	owner := &struct{ handle }{}
	open(owner, &owner.handle, unsafe.Pointer(&object), func(unsafe.Pointer) { freed++ })
	owner.acquire()
	owner.acquire()
	if !owner.close() || owner.close() || owner.acquire() != nil {
		t.Fatal("closing")
	}
	owner.release()
	if freed != 0 {
		t.Fatal("freed under a call")
	}
	owner.release()
	if freed != 1 {
		t.Fatalf("freed %d times", freed)
	}
}
