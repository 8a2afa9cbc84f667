package tsc_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	tsc "github.com/libtsc/libtsc/bindings/go"
)

// server stands for one of yours, and gives what a client needs to trust it.
func server() (addr string, tlsConfig *tls.Config, stop func()) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	trust := server.Client().Transport.(*http.Transport).TLSClientConfig
	return server.Listener.Addr().String(), trust, server.Close
}

// login stands for a driver's login: a first request and its answer.
func login(conn net.Conn) error {
	request, err := http.NewRequest("HEAD", "https://localhost/", nil)
	if err != nil {
		return err
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	_, err = http.ReadResponse(bufio.NewReader(conn), request)
	return err
}

// A driver with a login of its own, whose pool opens many connections at once.
func ExampleDialer_DialStaged() {
	addr, tlsConfig, stop := server()
	defer stop()
	// [tsc]
	cache, err := tsc.NewCache(tsc.Options{})
	if err != nil {
		panic(err) // the library is older than its header
	}
	config, _ := cache.NewConfig(tlsConfig, tsc.ConfigOptions{})
	dialer := &tsc.Dialer{Config: config, MaxWait: 2 * time.Second}
	// [/tsc]
	defer cache.Close()
	defer config.Close()

	connect := func(ctx context.Context) error {
		// [tsc]
		conn, err := dialer.DialStaged(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := login(conn); err != nil {
			conn.Failed(err)
			return err
		}
		conn.Established()
		// [/tsc]
		fmt.Println("resumed:", conn.SessionReused())
		return nil
	}
	for range 3 {
		if err := connect(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// resumed: false
	// resumed: true
	// resumed: true
}

// Line by line what tsc-probe gives to copy (tools/probe/src/settings.rs).
func Example_settingsOfTscProbe() {
	addr, tlsConfig, stop := server()
	defer stop()
	cache, err := tsc.NewCache(tsc.Options{TTL: 3600 * time.Second})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	config, _ := cache.NewConfig(tlsConfig, tsc.ConfigOptions{})
	defer config.Close()
	dialer := &tsc.Dialer{Config: config}
	dialer.MaxWait = 2000 * time.Millisecond
	for range 2 {
		conn, err := dialer.DialContext(context.Background(), "tcp", addr)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("resumed:", conn.(*tls.Conn).ConnectionState().DidResume)
		_ = login(conn)
		conn.Close()
	}
	// Output:
	// resumed: false
	// resumed: true
}

// A Dialer in place of a tls.Dialer.
func ExampleDialer_DialContext() {
	addr, tlsConfig, stop := server()
	defer stop()
	cache, err := tsc.NewCache(tsc.Options{})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	config, _ := cache.NewConfig(tlsConfig, tsc.ConfigOptions{})
	defer config.Close()
	client := &http.Client{Transport: &http.Transport{
		DialTLSContext:    (&tsc.Dialer{Config: config}).DialContext,
		DisableKeepAlives: true,
	}}
	for range 2 {
		answer, err := client.Head("https://" + addr)
		if err != nil {
			fmt.Println(err)
			return
		}
		answer.Body.Close()
		fmt.Println("resumed:", answer.TLS.DidResume)
	}
	// Output:
	// resumed: false
	// resumed: true
}

// A driver that makes its own tls.Conn, after something in clear text.
func ExampleConfig_Begin() {
	addr, tlsConfig, stop := server()
	defer stop()
	cache, err := tsc.NewCache(tsc.Options{})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	config, _ := cache.NewConfig(tlsConfig, tsc.ConfigOptions{})
	defer config.Close()
	for range 2 {
		raw, err := net.Dial("tcp", addr)
		if err != nil {
			fmt.Println(err)
			return
		}
		attempt := config.Begin(tsc.Endpoint{Host: "example.com", Port: 5432})
		conn := tls.Client(raw, attempt.TLSConfig())
		if err := login(conn); err == nil {
			attempt.Established(conn.ConnectionState())
		}
		fmt.Println("resumed:", conn.ConnectionState().DidResume)
		conn.Close()
		attempt.Close()
	}
	// Output:
	// resumed: false
	// resumed: true
}

// A driver that takes one tls.Config for each of its endpoints.
func ExampleConfig_ForEndpoint() {
	addr, tlsConfig, stop := server()
	defer stop()
	cache, err := tsc.NewCache(tsc.Options{})
	if err != nil {
		panic(err)
	}
	defer cache.Close()
	config, _ := cache.NewConfig(tlsConfig, tsc.ConfigOptions{})
	defer config.Close()
	view, err := config.ForEndpoint(tsc.Endpoint{Host: "127.0.0.1", Port: 9042})
	if err != nil {
		panic(err)
	}
	for range 2 {
		conn, err := tls.Dial("tcp", addr, view.TLSConfig())
		if err != nil {
			fmt.Println(err)
			return
		}
		login(conn) // in TLS 1.3 tickets come with the first answer
		fmt.Println("resumed:", conn.ConnectionState().DidResume)
		conn.Close()
	}
	// Output:
	// resumed: false
	// resumed: true
}
