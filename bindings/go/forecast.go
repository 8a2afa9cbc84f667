package tsc

// #include "bridge.h"
import "C"

import "time"

// Unknown, in a field of [Forecast]: not known yet, or never.
const Unknown = -1

// A Forecast is what attempts at an endpoint may expect.
type Forecast struct {
	// Sessions in the cache now.
	Available int
	// Attempts that wait for one.
	Waiting int
	// Attempts that are in a full handshake, or have done one and may still receive sessions.
	FullInFlight int
	// Attempts that offered a session and may still receive new ones.
	ResumedInFlight int
	// Sessions that the last full and the last resumed handshake yielded, or Unknown.
	TicketsFull, TicketsResumed int
	// How long a full and a resumed handshake take until they have brought a session, or Unknown.
	FullTime, ResumedTime time.Duration
	// How long an attempt that asks now would wait. 0: there is a session, or a first handshake of unknown
	// duration is in progress. Unknown: it would do a full handshake.
	Wait time.Duration
	// Nothing is offered to this endpoint at present.
	BreakerOpen bool
}

func newForecast(c *C.tsc_forecast) Forecast {
	return Forecast{
		Available:       int(c.available),
		Waiting:         int(c.waiting),
		FullInFlight:    int(c.full_in_flight),
		ResumedInFlight: int(c.resumed_in_flight),
		TicketsFull:     known(c.tickets_full),
		TicketsResumed:  known(c.tickets_resumed),
		FullTime:        milliseconds(c.full_ms),
		ResumedTime:     milliseconds(c.resumed_ms),
		Wait:            milliseconds(c.wait_ms),
		BreakerOpen:     c.breaker_open != 0,
	}
}

func known(c C.uint32_t) int {
	if c == C.TSC_UNKNOWN {
		return Unknown
	}
	return int(c)
}

func milliseconds(c C.uint32_t) time.Duration {
	if c == C.TSC_UNKNOWN {
		return Unknown
	}
	return time.Duration(c) * time.Millisecond
}
