//go:build cgo

package tsc

import (
	"crypto/tls"
	"encoding/binary"
	"time"
)

// A session as the library keeps it: a byte that names this format, the ticket with its length, and
// the state as crypto/tls encodes it, with Extra in it.
const sessionFormat = 1

const sessionHeader = 1 + 4

// A session that was taken apart as far as the library needs.
type session struct {
	version  uint16
	lifetime uint32 // seconds; 0 before TLS 1.3: crypto/tls doesn't keep the server's hint
	bytes    []byte
}

// wipe overwrites the session, which the library has a copy of.
func (s *session) wipe() { clear(s.bytes) }

// encodeSession says whether the session was one that can be kept.
func encodeSession(from *tls.ClientSessionState) (s session, ok bool) {
	ticket, state, err := from.ResumptionState()
	if err != nil || state == nil || len(ticket) == 0 {
		return s, false
	}
	encoded, err := state.Bytes()
	if err != nil {
		return s, false
	}
	defer clear(encoded)
	if s.version, s.lifetime, ok = readState(encoded); !ok {
		return s, false
	}
	s.bytes = make([]byte, 0, sessionHeader+len(ticket)+len(encoded))
	s.bytes = append(s.bytes, sessionFormat)
	s.bytes = binary.BigEndian.AppendUint32(s.bytes, uint32(len(ticket)))
	s.bytes = append(s.bytes, ticket...)
	s.bytes = append(s.bytes, encoded...)
	return s, true
}

// decodeSession returns nil for what it doesn't understand. The session goes on using the bytes.
func decodeSession(bytes []byte) *tls.ClientSessionState {
	if len(bytes) < sessionHeader || bytes[0] != sessionFormat {
		return nil
	}
	length := uint64(binary.BigEndian.Uint32(bytes[1:sessionHeader]))
	bytes = bytes[sessionHeader:]
	if length > uint64(len(bytes)) {
		return nil
	}
	state, err := tls.ParseSessionState(bytes[length:])
	if err != nil {
		return nil
	}
	session, err := tls.NewResumptionState(bytes[:length:length], state)
	if err != nil {
		return nil
	}
	return session
}

// readState finds the version and the lifetime in what SessionState.Bytes gives. No method of
// SessionState tells them, and the library needs the first to know whether a session may be used
// twice.
//
// The encoding is written down at SessionState in crypto/tls, in RFC 8446's language, with a promise
// to the many servers that share tickets across versions of Go: new fields only at the end, anything
// else under a new type. So what has the type "client" and is well-formed up to the fields below is
// read rightly. What is not isn't kept, which costs full handshakes and nothing else; the tests tell
// when a version of Go is the first to do that.
//
// A lifetime that was read wrongly would still do no harm: crypto/tls checks its own before it offers
// a session.
func readState(state []byte) (version uint16, lifetime uint32, ok bool) {
	const client = 2
	r := reader{rest: state}
	version = uint16(r.number(2))
	kind := r.number(1)
	r.number(2) // cipher_suite
	created := r.number(8)
	r.vector(1) // secret
	r.vector(3) // extra
	r.number(1) // ext_master_secret
	early := r.number(1)
	r.vector(3) // certificate_list
	r.vector(3) // verified_chains
	if early != 0 {
		r.vector(1) // alpn
	}
	switch {
	case kind != client || early > 1:
		return 0, 0, false
	case version == tls.VersionTLS13:
		end := r.number(8)
		r.number(4) // age_add
		// crypto/tls takes no ticket with a lifetime of 0 or of more than seven days.
		const most = 7 * 24 * uint64(time.Hour/time.Second)
		if end <= created || end-created > most {
			return 0, 0, false
		}
		lifetime = uint32(end - created)
	case version >= tls.VersionTLS10 && version <= tls.VersionTLS12:
		// What follows isn't needed, and isn't there in every version of Go.
	default:
		return 0, 0, false
	}
	return version, lifetime, !r.short
}

// A reader takes fields of RFC 8446's language from the front.
type reader struct {
	rest  []byte
	short bool // there was less than was asked for
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.short, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) number(width uint64) (n uint64) {
	for _, b := range r.take(width) {
		n = n<<8 | uint64(b)
	}
	return n
}

// vector skips a vector whose length has the given width.
func (r *reader) vector(width uint64) { r.take(r.number(width)) }
