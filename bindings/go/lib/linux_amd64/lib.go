// Package lib holds libtsc.a and tsc.h for linux/amd64 in the tags of releases, where the build tag tsc_static
// finds them. It has a Go file so that go mod vendor takes the folder along.
package lib
