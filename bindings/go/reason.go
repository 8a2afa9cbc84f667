package tsc

// #include "bridge.h"
import "C"

import "strconv"

// A Reason says why an attempt did not resume. Its String says in a sentence what to do about it.
type Reason uint32

// New ones may be added: String names their number.
const (
	// ReasonNone: it resumed, or that is not decided yet.
	ReasonNone = Reason(C.TSC_REASON_NONE)
	// ReasonNothingStored: nothing was ever stored for this endpoint and config in this process.
	ReasonNothingStored = Reason(C.TSC_REASON_NOTHING_STORED)
	// ReasonExpired: what was stored has expired.
	ReasonExpired = Reason(C.TSC_REASON_EXPIRED)
	// ReasonEvicted: what was stored was evicted to keep a limit, or cleared.
	ReasonEvicted = Reason(C.TSC_REASON_EVICTED)
	// ReasonTaken: other attempts have taken all sessions.
	ReasonTaken = Reason(C.TSC_REASON_TAKEN)
	// ReasonRefused: the server refused what was offered or, just before, a session of the same lineage.
	ReasonRefused = Reason(C.TSC_REASON_REFUSED)
	// ReasonWithheld: offers to this endpoint did harm recently.
	ReasonWithheld = Reason(C.TSC_REASON_WITHHELD)
	// ReasonWaitedInVain: it waited for a session, and none came in time.
	ReasonWaitedInVain = Reason(C.TSC_REASON_WAITED_IN_VAIN)
	// ReasonNotSent: what it took was never sent, and went back.
	ReasonNotSent = Reason(C.TSC_REASON_NOT_SENT)
	// ReasonNotAsked: crypto/tls never asked for a session.
	ReasonNotAsked = Reason(C.TSC_REASON_NOT_ASKED)
	// ReasonCacheOff: the cache is disabled or closed.
	ReasonCacheOff = Reason(C.TSC_REASON_CACHE_OFF)
	// ReasonFailed: the attempt failed after it had offered a session.
	ReasonFailed = Reason(C.TSC_REASON_FAILED)
	// ReasonOtherVerification: all that was stored comes from connections that verified something else.
	ReasonOtherVerification = Reason(C.TSC_REASON_OTHER_VERIFICATION)
	// ReasonAgentAway: this process has no session, and tsc-agent gave no answer.
	ReasonAgentAway = Reason(C.TSC_REASON_AGENT_AWAY)
)

var reasonTexts = map[Reason]string{
	ReasonNone: "it resumed, or that is not decided yet",
	ReasonNothingStored: "nothing is stored for this endpoint and Config: normal for a first connection; " +
		"otherwise keep one Config per tls.Config, say Established, and read from connections, since " +
		"TLS 1.3 tickets come with the first answer",
	ReasonExpired: "what was stored has expired: look at the server's ticket lifetime, Options.TTL and the " +
		"ends of the certificates",
	ReasonEvicted: "what was stored was evicted or cleared: raise Options.MaxEndpoints or Options.MaxBytes",
	ReasonTaken: "other attempts have taken all sessions: set Dialer.MaxWait, or have the server issue " +
		"more tickets",
	ReasonRefused: "the server refused the session: it was restarted, or does not share its ticket keys " +
		"with the node that issued it",
	ReasonWithheld: "offering sessions did harm at this endpoint lately: look at Stats.HandshakeFailedOffered " +
		"and Stats.LoginFailedResumed, and at the server",
	ReasonWaitedInVain: "it waited and no session came in time: raise Dialer.MaxWait, or look whether the " +
		"server issues tickets",
	ReasonNotSent: "the connection failed before the ClientHello was sent, so the session went back: look at " +
		"the network",
	ReasonNotAsked: "crypto/tls did not ask for a session: use the attempt's TLSConfig unchanged, with " +
		"session tickets enabled",
	ReasonCacheOff: "the cache is disabled or closed: look at Options.Disabled and at calls of Cache.Close",
	ReasonFailed:   "the attempt failed after it had offered a session: look at the error of the connection",
	ReasonOtherVerification: "what is stored comes from connections that verified something else: give the " +
		"same tls.Config and Endpoint.Verification to connections that are to share",
	ReasonAgentAway: "this process has no session, and tsc-agent gave no answer: look whether it runs, with " +
		"tsc-agent status, and is of the same release, or raise Options.AgentBudget",
}

func (r Reason) String() string {
	if text, ok := reasonTexts[r]; ok {
		return text
	}
	return "tsc: reason " + strconv.FormatUint(uint64(r), 10)
}
