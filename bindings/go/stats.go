package tsc

// #include "bridge.h"
import "C"

// Stats count what happened in a cache since it was made; Endpoints, Sessions and Bytes say what is in it now,
// and BytesStaged what attempts have staged. tsc.h describes each. Whenever no call is in progress,
//
//	Stored + Returned == Taken + Expired + Evicted + Displaced + Removed + Sessions
type Stats struct {
	Offered, Resumed, Refused, Missed      uint64
	Stored, Returned                       uint64
	Expired, Evicted, Displaced, Removed   uint64
	DiscardedLifetime, DiscardedTooLarge   uint64
	DiscardedFailed, DiscardedUnfinished   uint64
	DiscardedDisabled, DiscardedNoMemory   uint64
	Established, Failed, Unfinished        uint64
	Endpoints, Sessions, Bytes             uint64
	Reused, Waited, WaitsServed            uint64
	Withheld, BreakerOpened, BreakerClosed uint64
	HandshakeFailedOffered                 uint64
	LoginFailedResumed                     uint64
	Taken, DiscardedSurplus, BytesStaged   uint64
	AgentLeased, AgentReturned             uint64
	AgentStored, AgentAway                 uint64
}

func newStats(c *C.tsc_stats) Stats {
	return Stats{
		Offered:             uint64(c.offered),
		Resumed:             uint64(c.resumed),
		Refused:             uint64(c.refused),
		Missed:              uint64(c.missed),
		Stored:              uint64(c.stored),
		Returned:            uint64(c.returned),
		Expired:             uint64(c.expired),
		Evicted:             uint64(c.evicted),
		Displaced:           uint64(c.displaced),
		Removed:             uint64(c.removed),
		DiscardedLifetime:   uint64(c.discarded_lifetime),
		DiscardedTooLarge:   uint64(c.discarded_too_large),
		DiscardedFailed:     uint64(c.discarded_failed),
		DiscardedUnfinished: uint64(c.discarded_unfinished),
		DiscardedDisabled:   uint64(c.discarded_disabled),
		DiscardedNoMemory:   uint64(c.discarded_no_memory),
		Established:         uint64(c.established),
		Failed:              uint64(c.failed),
		Unfinished:          uint64(c.unfinished),
		Endpoints:           uint64(c.endpoints),
		Sessions:            uint64(c.sessions),
		Bytes:               uint64(c.bytes),
		Reused:              uint64(c.reused),
		Waited:              uint64(c.waited),
		WaitsServed:         uint64(c.waits_served),
		Withheld:            uint64(c.withheld),
		BreakerOpened:       uint64(c.breaker_opened),
		BreakerClosed:       uint64(c.breaker_closed),

		HandshakeFailedOffered: uint64(c.handshake_failed_offered),
		LoginFailedResumed:     uint64(c.login_failed_resumed),
		Taken:                  uint64(c.taken),
		DiscardedSurplus:       uint64(c.discarded_surplus),
		BytesStaged:            uint64(c.bytes_staged),
		AgentLeased:            uint64(c.agent_leased),
		AgentReturned:          uint64(c.agent_returned),
		AgentStored:            uint64(c.agent_stored),
		AgentAway:              uint64(c.agent_away),
	}
}
