package tsc

// #include "bridge.h"
import "C"

import (
	"log"
	"runtime/debug"
	"strconv"
	"unsafe"
)

// An EventKind says what an [Event] tells.
type EventKind uint32

// Kinds of events. New ones may be added: ignore those that you don't know.
const (
	// EventStored: sessions came into the cache.
	EventStored = EventKind(C.TSC_EVENT_STORED)
	// EventOffered: a session was handed out.
	EventOffered = EventKind(C.TSC_EVENT_OFFERED)
	// EventResumed: an attempt was established by resuming what it offered.
	EventResumed = EventKind(C.TSC_EVENT_RESUMED)
	// EventRefused: an attempt was established, and the server had refused what it offered.
	EventRefused = EventKind(C.TSC_EVENT_REFUSED)
	// EventExpired: expired sessions were found and dropped.
	EventExpired = EventKind(C.TSC_EVENT_EXPIRED)
	// EventEvicted: sessions were dropped to keep MaxEndpoints or MaxBytes.
	EventEvicted = EventKind(C.TSC_EVENT_EVICTED)
	// EventBreakerOpened: libtsc offers nothing to the endpoint for a while, because offering did harm
	// there.
	EventBreakerOpened = EventKind(C.TSC_EVENT_BREAKER_OPENED)
	// EventBreakerClosed: libtsc offers sessions to the endpoint again.
	EventBreakerClosed = EventKind(C.TSC_EVENT_BREAKER_CLOSED)
	// EventNotOffered: an attempt does a full handshake; Event.Reason says why.
	EventNotOffered = EventKind(C.TSC_EVENT_NOT_OFFERED)
)

var eventNames = map[EventKind]string{
	EventStored:        "stored",
	EventOffered:       "offered",
	EventResumed:       "resumed",
	EventRefused:       "refused",
	EventExpired:       "expired",
	EventEvicted:       "evicted",
	EventBreakerOpened: "breaker opened",
	EventBreakerClosed: "breaker closed",
	EventNotOffered:    "not offered",
}

func (k EventKind) String() string {
	if name, ok := eventNames[k]; ok {
		return name
	}
	return "event " + strconv.FormatUint(uint64(k), 10)
}

// An Event is something that happened in a cache. It contains no part of a session.
type Event struct {
	Kind EventKind
	// Number of sessions affected; 0 for breaker events and EventNotOffered.
	Count uint64
	// With EventNotOffered, why.
	Reason Reason
	// Whose sessions: names in lower case, Host and Port empty if there is a group.
	Endpoint Endpoint
}

var eventFuncs registry[func(Event)]

//export tscgoEvent
func tscgoEvent(number C.uintptr_t, c *C.tsc_event) {
	tell, ok := eventFuncs.get(uintptr(number))
	if !ok {
		return
	}
	// A panic must not unwind the library's frames. As in net/http, it costs what it interrupted and
	// is not kept secret.
	defer func() {
		if reason := recover(); reason != nil {
			log.Printf("tsc: panic in OnEvent: %v\n%s", reason, debug.Stack())
		}
	}()
	tell(Event{
		Kind:   EventKind(c.kind),
		Count:  uint64(c.count),
		Reason: Reason(c.reason),
		Endpoint: Endpoint{
			Host:       stringOf(c.host, c.host_len),
			Port:       int(c.port),
			ServerName: stringOf(c.server_name, c.server_name_len),
			Group:      stringOf(c.group, c.group_len),
		},
	})
}

func stringOf(data *C.uint8_t, length C.size_t) string {
	return string(unsafe.Slice((*byte)(unsafe.Pointer(data)), int(length)))
}
