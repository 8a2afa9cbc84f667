// A program outside the tree that has the library from an installed prefix, by cgo and pkg-config: it
// keeps a session and gets it back.
package main

// #cgo pkg-config: tsc
// #include <tsc.h>
import "C"

import (
	"bytes"
	"fmt"
	"os"
)

func main() {
	key, session := []byte("k"), []byte("ses")
	got := make([]byte, len(session))
	var cache *C.tsc_cache
	var length C.size_t
	info := C.tsc_session_info{tls_version: 0x0304, lifetime_seconds: 60}
	at := func(b []byte) *C.uint8_t { return (*C.uint8_t)(&b[0]) }
	ok := C.tsc_cache_new(nil, 0, &cache) == C.TSC_OK &&
		C.tsc_put(cache, at(key), 1, &info, C.sizeof_tsc_session_info, at(session), 3) == C.TSC_OK &&
		C.tsc_get(cache, at(key), 1, at(got), 3, &length, nil, 0) == C.TSC_OK &&
		length == 3 && bytes.Equal(got, session)
	C.tsc_cache_free(cache)
	if !ok {
		fmt.Println("NOT kept")
		os.Exit(1)
	}
	fmt.Println("kept")
}
