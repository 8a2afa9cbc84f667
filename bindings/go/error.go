package tsc

// #include "bridge.h"
import "C"

// An Error is a status of the library other than success. Compare it with errors.Is(err, tsc.ErrClosed).
type Error uint32

// What the functions of this package fail with. New ones may be added: treat one that you don't know
// as "no session".
const (
	// ErrNotFound: there is no session.
	ErrNotFound = Error(C.TSC_NOT_FOUND)
	// ErrInvalidArgument: a value out of range, or nil where something is needed.
	ErrInvalidArgument = Error(C.TSC_INVALID_ARGUMENT)
	// ErrTooLarge: a name or a session is over its limit.
	ErrTooLarge = Error(C.TSC_TOO_LARGE)
	// ErrNoMemory: there was not enough memory. Nothing was lost or changed.
	ErrNoMemory = Error(C.TSC_NO_MEMORY)
	// ErrClosed: the cache, or what the method was called on, is closed.
	ErrClosed = Error(C.TSC_CLOSED)
	// ErrDiscarded: the session was not kept, as intended.
	ErrDiscarded = Error(C.TSC_DISCARDED)
	// ErrWrongState: the attempt is past the point where this has a meaning, for example established
	// after failed. Nothing was changed.
	ErrWrongState = Error(C.TSC_WRONG_STATE)
	// ErrUnsupported: the library in use can't do it, or is older than its header.
	ErrUnsupported = Error(C.TSC_UNSUPPORTED)
	// ErrNotAuthentic: an import is not what was exported, or not for this key and identity.
	ErrNotAuthentic = Error(C.TSC_NOT_AUTHENTIC)
	// ErrInternal: an error inside the library was contained. Please report it.
	ErrInternal = Error(C.TSC_PANIC)
)

// The buffer was too small, which callers of this package don't see.
const tooSmall = Error(C.TSC_TOO_SMALL)

func (e Error) Error() string {
	return "tsc: " + C.GoString(C.tsc_status_text(C.uint32_t(e)))
}

func failure(status C.tsc_status) error {
	if status == C.TSC_OK {
		return nil
	}
	return Error(status)
}
