package tsc

// #include "bridge.h"
import "C"

import "unsafe"

// ExportKeySize is the length of the key that seals an export.
const ExportKeySize = C.TSC_EXPORT_KEY

// Export seals the sessions of the config for the next process to import, as for a warm restart: those of
// every endpoint, and of all configs with the same identity. Single-use sessions leave the cache with the
// export. Call it at the end, when no connection is in progress any more.
//
// Anyone who has the export and the key, which has to be random, has the sessions. Import it once, in one
// process, and delete it: the library can't know of a second time.
//
// It fails with ErrUnsupported if the config has no identity, since nothing could tell in another
// process which config is the same. Change the identity when the tls.Config changes. A version of Go
// that encodes sessions otherwise drops what it imported when it comes to offer it.
func (c *Config) Export(key *[ExportKeySize]byte) (sealed []byte, err error) {
	g, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer g.handle.release()
	if key == nil {
		return nil, ErrInvalidArgument
	}
	from := (*C.uint8_t)(unsafe.Pointer(key))
	// Sessions may come in between the question for the length and the export.
	for got := C.tscgo_config_export(g.c(), from, nil, 0); ; {
		if err := failure(got.status); err != nil && err != tooSmall {
			return nil, err
		}
		sealed = make([]byte, got.count)
		got = C.tscgo_config_export(g.c(), from, (*C.uint8_t)(unsafe.Pointer(&sealed[0])), got.count)
		if got.status == C.TSC_OK {
			return sealed[:got.count], nil
		}
	}
}

// Import takes in what Export sealed in another process, for a config with the same identity, and returns how
// many sessions came into the cache. Call it before the first connection.
//
// It is all or nothing: ErrNotAuthentic if a byte was changed, or if the key, the identity or the version of
// the format is another one; ErrDiscarded if the wall clock is before the time of the export, so that nobody
// can tell how much time is left; ErrUnsupported if the config has no identity. Whatever the error, continue:
// connections begin with full handshakes.
func (c *Config) Import(key *[ExportKeySize]byte, sealed []byte) (count int, err error) {
	g, err := c.acquire()
	if err != nil {
		return 0, err
	}
	defer g.handle.release()
	if key == nil {
		return 0, ErrInvalidArgument
	}
	got := C.tscgo_config_import(g.c(), (*C.uint8_t)(unsafe.Pointer(key)),
		(*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(sealed))), C.size_t(len(sealed)))
	return int(got.count), failure(got.status)
}
