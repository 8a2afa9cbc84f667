//go:build cgo

package tsc

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"hash"
	"reflect"
	"runtime"
	"slices"
	"unsafe"
)

// clone is a clone whose lists are its own: a change in one of them is no change in the original.
func clone(config *tls.Config) *tls.Config {
	own := config.Clone()
	own.Certificates = slices.Clone(config.Certificates)
	own.NextProtos = slices.Clone(config.NextProtos)
	own.CipherSuites = slices.Clone(config.CipherSuites)
	own.CurvePreferences = slices.Clone(config.CurvePreferences)
	own.EncryptedClientHelloConfigList = slices.Clone(config.EncryptedClientHelloConfigList)
	return own
}

// ownClone is a clone that shares nothing that a caller could change from outside, as a pool of roots.
func ownClone(config *tls.Config) *tls.Config {
	own := clone(config)
	if config.RootCAs != nil {
		own.RootCAs = config.RootCAs.Clone()
	}
	return own
}

// verification digests what can be read of whom connections with a tls.Config trust, who they are and what
// they speak: the same for two that were built the same, in another process as well. Of a function that is its
// name, not what it refers to; of a pool of roots their names, not their keys. crypto/tls itself compares a
// session's chain with the roots before it offers the session.
func verification(config *tls.Config) string {
	d := digest{sha256.New()}
	d.flag(config.InsecureSkipVerify, config.RootCAs != nil)
	for _, function := range []any{config.VerifyPeerCertificate, config.VerifyConnection,
		config.GetClientCertificate, config.Time} {
		d.function(function)
	}
	if config.RootCAs != nil {
		//lint:ignore SA1019 System roots aren't in it: those have no other name here than "a pool".
		d.list(config.RootCAs.Subjects())
	}
	d.number(len(config.Certificates))
	for _, certificate := range config.Certificates {
		d.list(certificate.Certificate)
	}
	d.number(int(config.MinVersion), int(config.MaxVersion), len(config.CipherSuites))
	for _, suite := range config.CipherSuites {
		d.number(int(suite))
	}
	d.number(len(config.CurvePreferences))
	for _, curve := range config.CurvePreferences {
		d.number(int(curve))
	}
	d.number(len(config.NextProtos))
	for _, proto := range config.NextProtos {
		d.bytes([]byte(proto))
	}
	d.bytes(config.EncryptedClientHelloConfigList)
	return string(d.Sum(nil))
}

// A digest takes each part with its length, so that no two lists of parts look alike.
type digest struct{ hash.Hash }

func (d digest) number(numbers ...int) {
	for _, n := range numbers {
		d.Write(binary.AppendUvarint(nil, uint64(n)))
	}
}

func (d digest) bytes(part []byte) {
	d.number(len(part))
	d.Write(part)
}

func (d digest) list(parts [][]byte) {
	d.number(len(parts))
	for _, part := range parts {
		d.bytes(part)
	}
}

// A function that isn't there has the empty name.
func (d digest) function(function any) {
	name := ""
	if code := reflect.ValueOf(function).Pointer(); code != 0 {
		name = runtime.FuncForPC(code).Name()
	}
	d.bytes([]byte(name))
}

func (d digest) flag(flags ...bool) {
	for _, flag := range flags {
		if flag {
			d.number(1)
		} else {
			d.number(0)
		}
	}
}

// unchanged says whether the caller has left a tls.Config as it was made of another one, in what decides
// whom a connection trusts, who it is and what it speaks.
func unchanged(config, from *tls.Config) bool {
	return config.RootCAs == from.RootCAs &&
		config.InsecureSkipVerify == from.InsecureSkipVerify &&
		sameFunc(config.VerifyPeerCertificate, from.VerifyPeerCertificate) &&
		sameFunc(config.VerifyConnection, from.VerifyConnection) &&
		sameFunc(config.GetClientCertificate, from.GetClientCertificate) &&
		sameFunc(config.Time, from.Time) &&
		slices.EqualFunc(config.Certificates, from.Certificates, func(a, b tls.Certificate) bool {
			return slices.EqualFunc(a.Certificate, b.Certificate, slices.Equal)
		}) &&
		config.MinVersion == from.MinVersion && config.MaxVersion == from.MaxVersion &&
		slices.Equal(config.CipherSuites, from.CipherSuites) &&
		slices.Equal(config.CurvePreferences, from.CurvePreferences) &&
		slices.Equal(config.NextProtos, from.NextProtos) &&
		slices.Equal(config.EncryptedClientHelloConfigList, from.EncryptedClientHelloConfigList)
}

// sameFunc says whether two functions are one and the same, with what they refer to: a func is a pointer to
// that. Both are in use, so neither address is another's.
func sameFunc[F any](a, b F) bool {
	return *(*unsafe.Pointer)(unsafe.Pointer(&a)) == *(*unsafe.Pointer)(unsafe.Pointer(&b))
}
