package main

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

type opened struct {
	cache         uintptr
	versionNumber func() uint32
	put           func(cache uintptr, key *byte, keyLen uintptr, info *sessionInfo, infoSize uintptr, data *byte, length uintptr) int32
	get           func(cache uintptr, key *byte, keyLen uintptr, buf *byte, capacity uintptr, length *uintptr, info *sessionInfo, infoSize uintptr) int32
	key           [8]byte
	session       [sessionSize]byte
}

// sessionInfo is the beginning of tsc_session_info, which grows at its end.
type sessionInfo struct {
	tlsVersion, lifetimeSeconds uint32
}

func open(path string) library {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW)
	if err != nil {
		panic(err)
	}
	var o opened
	var create func(options, size uintptr, cache *uintptr) int32
	purego.RegisterLibFunc(&create, handle, "tsc_cache_new")
	purego.RegisterLibFunc(&o.versionNumber, handle, "tsc_version_number")
	purego.RegisterLibFunc(&o.put, handle, "tsc_put")
	purego.RegisterLibFunc(&o.get, handle, "tsc_get")
	if create(0, 0, &o.cache) != 0 {
		panic("tsc_cache_new")
	}
	return &o
}

func (o *opened) version() uint32 { return o.versionNumber() }

func (o *opened) putGet() {
	info := sessionInfo{tlsVersion: 0x0304, lifetimeSeconds: 60}
	var length uintptr
	if o.put(o.cache, &o.key[0], 8, &info, unsafe.Sizeof(info), &o.session[0], sessionSize) != 0 ||
		o.get(o.cache, &o.key[0], 8, &o.session[0], sessionSize, &length, nil, 0) != 0 {
		panic("it was not kept")
	}
}
