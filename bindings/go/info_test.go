package tsc

import (
	"context"
	"testing"
)

func TestInfoTellsWhatBecameOfAnAttempt(t *testing.T) {
	addr := goServer(t, nil)
	dialer := newDialer(t, newCache(t, Options{}), versions["1.3"])
	for i, expected := range []Info{
		{State: StateEstablished, Received: 1, Stored: 1, Reason: ReasonNothingStored},
		{State: StateEstablished, Received: 1, Stored: 1, Offered: true, Resumed: true},
	} {
		conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(conn); err != nil {
			t.Fatal(err)
		}
		staged := Info{State: StateOpen, Received: 1, Offered: i > 0, Reason: expected.Reason}
		if got, err := conn.Info(); got != staged || err != nil {
			t.Fatalf("%+v, and not %+v: %v", got, staged, err)
		}
		conn.Established()
		if got, err := conn.Info(); got != expected || err != nil {
			t.Fatalf("%+v, and not %+v: %v", got, expected, err)
		}
		conn.Close()
		_, err = conn.Info()
		want(t, err, ErrClosed)
	}
}
