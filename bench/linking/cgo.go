//go:build cgo

package main

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #cgo LDFLAGS: ${SRCDIR}/../../build/core/libtsc.a -pthread -ldl -lm
// #include <tsc.h>
import "C"

type cgo struct {
	cache   *C.tsc_cache
	key     [8]byte
	session [sessionSize]byte
}

func linked() map[string]library {
	l := &cgo{}
	if C.tsc_cache_new(nil, 0, &l.cache) != C.TSC_OK {
		panic("tsc_cache_new")
	}
	return map[string]library{"cgo": l}
}

func (l *cgo) version() uint32 { return uint32(C.tsc_version_number()) }

func (l *cgo) putGet() {
	info := C.tsc_session_info{tls_version: 0x0304, lifetime_seconds: 60}
	key, session := (*C.uint8_t)(&l.key[0]), (*C.uint8_t)(&l.session[0])
	var length C.size_t
	if C.tsc_put(l.cache, key, 8, &info, C.sizeof_tsc_session_info, session, sessionSize) != C.TSC_OK ||
		C.tsc_get(l.cache, key, 8, session, sessionSize, &length, nil, 0) != C.TSC_OK {
		panic("it was not kept")
	}
}
