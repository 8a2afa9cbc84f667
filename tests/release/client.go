// Connects three times to HOST:PORT, trusting CAFILE, and prints how many connections resumed.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"os"

	tsc "github.com/libtsc/libtsc/bindings/go"
)

func main() {
	pem, err := os.ReadFile(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	cache, err := tsc.NewCache(tsc.Options{})
	if err != nil {
		log.Fatal(err)
	}
	config, err := cache.NewConfig(&tls.Config{RootCAs: roots}, tsc.ConfigOptions{})
	if err != nil {
		log.Fatal(err)
	}
	dialer := &tsc.Dialer{Config: config}
	resumed := 0
	for range 3 {
		conn, err := dialer.DialStaged(context.Background(), "tcp", os.Args[1]+":"+os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintln(conn, "hello")
		if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			log.Fatal(err)
		}
		conn.Established()
		if conn.SessionReused() {
			resumed++
		}
		conn.Close()
	}
	fmt.Println(resumed, "of 3 resumed")
}
