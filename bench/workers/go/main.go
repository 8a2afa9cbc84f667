// worker HOST PORT CAFILE: what worker.c is, in Go.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	tsc "github.com/libtsc/libtsc/bindings/go"
)

func main() {
	if err := connect(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func connect(host, port, cafile string) error {
	pem, err := os.ReadFile(cafile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	cache, err := tsc.NewCache(tsc.Options{Share: true, AgentBudget: time.Minute})
	if err != nil {
		return err
	}
	defer cache.Close()
	config, err := cache.NewConfig(&tls.Config{RootCAs: roots}, tsc.ConfigOptions{Identity: "workers"})
	if err != nil {
		return err
	}
	defer config.Close()
	dialer := tsc.Dialer{Config: config, MaxWait: time.Minute}
	conn, err := dialer.DialStaged(context.Background(), "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err = conn.Write([]byte("login\n")); err == nil {
		_, err = conn.Read(make([]byte, 100))
	}
	if err != nil {
		conn.Failed(err)
		return err
	}
	conn.Established()
	if conn.SessionReused() {
		fmt.Println("resumed")
	} else {
		fmt.Println("full")
	}
	return nil
}
