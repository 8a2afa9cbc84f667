package tsc

// #include "bridge.h"
import "C"

import (
	"unsafe"
)

// A Cache is a bounded store of sessions. One per cluster of servers is usual. Any number of goroutines may
// use it at once.
type Cache struct {
	handle handle
	events uintptr // in eventFuncs, or 0
	shares bool    // with other processes
}

// NewCache makes a cache. Close it when it is no longer needed.
//
// It fails with ErrInvalidArgument if a number in options is out of range, and with ErrUnsupported if
// the library in use is older than the header that this package was compiled against.
func NewCache(options Options) (*Cache, error) {
	if err := checkVersion(); err != nil {
		return nil, err
	}
	given, err := options.c()
	if err != nil {
		return nil, err
	}
	return openCache(given, options.OnEvent)
}

func openCache(options C.tsc_options, onEvent func(Event)) (*Cache, error) {
	c := &Cache{shares: options.flags&C.TSC_SHARE != 0}
	if onEvent != nil {
		c.events = eventFuncs.add(onEvent)
	}
	made := C.tscgo_cache_new(options, C.uintptr_t(c.events))
	if err := failure(made.status); err != nil {
		eventFuncs.remove(c.events)
		return nil, err
	}
	open(c, &c.handle, unsafe.Pointer(made.cache), func(ptr unsafe.Pointer) {
		C.tsc_cache_free((*C.tsc_cache)(ptr))
	})
	return c, nil
}

func (c *Cache) acquire() (*C.tsc_cache, error) {
	if c == nil {
		return nil, ErrInvalidArgument
	}
	if ptr := c.handle.acquire(); ptr != nil {
		return (*C.tsc_cache)(ptr), nil
	}
	return nil, ErrClosed
}

// Close drops every session. Configs and attempts that use the cache stay valid and find nothing: connections
// do full handshakes, and those that wait for a session stop waiting. Closing again does nothing.
func (c *Cache) Close() error {
	cache, err := c.acquire()
	if err == ErrClosed {
		return nil
	}
	if err != nil {
		return err
	}
	// At once, also while other calls are in it and so keep the handle from being freed.
	err = failure(C.tsc_cache_close(cache))
	c.handle.release()
	if c.handle.close() {
		eventFuncs.remove(c.events)
	}
	return err
}

// Clear drops every session of every endpoint and config.
func (c *Cache) Clear() error {
	cache, err := c.acquire()
	if err != nil {
		return err
	}
	defer c.handle.release()
	return failure(C.tsc_clear(cache))
}

// ClearExpired drops the expired sessions, and returns how many there were. It is optional: expired sessions
// are never offered, and later stores purge them gradually. Call it to reclaim memory in an idle cache.
func (c *Cache) ClearExpired() (int, error) {
	cache, err := c.acquire()
	if err != nil {
		return 0, err
	}
	defer c.handle.release()
	var count C.size_t
	err = failure(C.tsc_clear_expired(cache, &count))
	return int(count), err
}

// Stats returns what has happened in the cache since it was made, and what is in it now.
func (c *Cache) Stats() (Stats, error) {
	cache, err := c.acquire()
	if err != nil {
		return Stats{}, err
	}
	defer c.handle.release()
	got := C.tscgo_stats_get(cache)
	return newStats(&got.stats), failure(got.status)
}

// Prometheus returns the statistics as text for Prometheus (text format 0.0.4). labels is what to put
// between the braces of each metric, as in cluster="a",zone="b", or empty.
func (c *Cache) Prometheus(labels string) (string, error) {
	cache, err := c.acquire()
	if err != nil {
		return "", err
	}
	defer c.handle.release()
	// The length is asked for only if the usual is not enough. It grows with the numbers.
	for length := C.size_t(8 << 10); ; length += 256 {
		buf := make([]byte, length)
		status := C.tsc_stats_prometheus(cache, (*C.char)(unsafe.Pointer(bytesOf(labels))),
			C.size_t(len(labels)), (*C.char)(unsafe.Pointer(&buf[0])), length, &length)
		switch err := failure(status); err {
		case nil:
			return string(buf[:length]), nil
		case tooSmall:
		default:
			return "", err
		}
	}
}

// bytesOf returns what C may read for the time of a call. The library wants NULL for nothing.
func bytesOf(s string) *C.uint8_t {
	if s == "" {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(unsafe.StringData(s)))
}
