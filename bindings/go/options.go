package tsc

// #include "bridge.h"
import "C"

import (
	"math"
	"time"
)

// Unlimited, in FailureBudget, stands for any number.
const Unlimited = -1

// Options bound a [Cache]. The zero value in a field stands for the library's default; docs/limits.md says how
// to choose. Durations are kept in whole seconds, and one below a second is one second.
type Options struct {
	// The cache keeps and offers nothing; every call still works.
	Disabled bool
	// Offer the last TLS 1.3 ticket of an endpoint again and again, until a new one comes. It costs
	// privacy, see the library's documentation.
	ReuseWhenDry bool
	// Endpoints that the cache remembers. Default 100.
	MaxEndpoints int
	// Sessions per endpoint; the oldest goes first. Default 64.
	MaxSessionsPerEndpoint int
	// After this time no session is offered any more, whatever its own lifetime. Default an hour.
	TTL time.Duration
	// Bytes of all sessions together. Default 8 MiB, and proportionally more if MaxEndpoints is above its
	// default.
	MaxBytes int64
	// Bytes of one session. Default 64 KiB.
	MaxSessionBytes int
	// How long sessions may descend from one full handshake. Default a day.
	MaxLineageAge time.Duration
	// Full handshakes to one endpoint at once, among connections that wait. Default any number.
	MaxFullHandshakes int
	// Connections to one endpoint that may fail within an hour because they offered a session, where a
	// full handshake would have succeeded; not counting those in progress at the same time. Default 12;
	// Unlimited: any number.
	FailureBudget int
	// Share sessions with other processes of this user through tsc-agent: those of Configs with an Identity,
	// but not those of Views. A program that publishes a session can impersonate its server to any that resumes it,
	// since a resumed handshake shows no certificate: share among programs that you trust alike. Linux only.
	Share bool
	// With Share: the absolute path of tsc-agent's socket. Empty: what the environment variable TSC_AGENT
	// says; without one, nothing is shared.
	Agent string
	// With Share: how long a call may wait for tsc-agent before it goes on without. Default 2 ms. Negative: not
	// at all; then only connections that wait (Dialer.MaxWait, Attempt.Wait) get sessions from it.
	AgentBudget time.Duration
	// Called when something happens to sessions, on whichever goroutine is in this package, perhaps on
	// several at once, and perhaps before the call that caused it has returned. It may use the cache,
	// and close it. A panic in it ends there: it is logged, and what the cache was doing goes on.
	//
	// Close a cache that has OnEvent; the garbage collector may not be able to.
	OnEvent func(Event)
}

// c fails with ErrInvalidArgument if a number doesn't fit. It borrows the strings: what it gives is for one call.
func (o *Options) c() (c C.tsc_options, err error) {
	if o.Disabled {
		c.flags |= C.TSC_DISABLED
	}
	if o.ReuseWhenDry {
		c.flags |= C.TSC_REUSE_WHEN_DRY
	}
	if o.Share {
		c.flags |= C.TSC_SHARE
	}
	c.agent, c.agent_len = bytesOf(o.Agent), C.size_t(len(o.Agent))
	patience := int64((o.AgentBudget + time.Microsecond - 1) / time.Microsecond)
	if o.AgentBudget < 0 {
		patience = C.TSC_AGENT_NO_WAIT
	}
	budget := int64(o.FailureBudget)
	if budget == Unlimited {
		budget = math.MaxUint32
	}
	for _, field := range []struct {
		to   *C.uint32_t
		from int64
	}{
		{&c.max_endpoints, int64(o.MaxEndpoints)},
		{&c.max_sessions_per_endpoint, int64(o.MaxSessionsPerEndpoint)},
		{&c.ttl_seconds, seconds(o.TTL)},
		{&c.max_session_bytes, int64(o.MaxSessionBytes)},
		{&c.max_lineage_age_seconds, seconds(o.MaxLineageAge)},
		{&c.max_full_handshakes, int64(o.MaxFullHandshakes)},
		{&c.failure_budget, budget},
		{&c.agent_budget_us, patience},
	} {
		if field.from < 0 || field.from > math.MaxUint32 {
			return c, ErrInvalidArgument
		}
		*field.to = C.uint32_t(field.from)
	}
	if o.MaxBytes < 0 {
		return c, ErrInvalidArgument
	}
	c.max_bytes = C.uint64_t(o.MaxBytes)
	return c, nil
}

// seconds rounds down, but what is not 0 stays so: 0 would mean the default.
func seconds(d time.Duration) int64 {
	if d > 0 && d < time.Second {
		return 1
	}
	if d < 0 {
		return -1
	}
	return int64(d / time.Second)
}
