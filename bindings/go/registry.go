//go:build cgo

package tsc

import (
	"sync"
	"sync/atomic"
)

// A registry gives out numbers that C can hold in place of Go values. A number whose value was
// removed means nothing, where a cgo.Handle would panic: the library's callbacks may come late.
type registry[T any] struct {
	last   atomic.Uintptr
	values sync.Map
}

func (r *registry[T]) add(value T) uintptr {
	number := r.last.Add(1)
	r.values.Store(number, value)
	return number
}

func (r *registry[T]) get(number uintptr) (value T, ok bool) {
	found, ok := r.values.Load(number)
	if ok {
		value = found.(T)
	}
	return value, ok
}

func (r *registry[T]) remove(number uintptr) {
	r.values.Delete(number)
}
