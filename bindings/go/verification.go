//go:build cgo

package tsc

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"hash"
	"reflect"
	"slices"
)

// ownClone is a clone that shares nothing that a caller could change from outside, as a pool of roots.
func ownClone(config *tls.Config) *tls.Config {
	own := config.Clone()
	own.Certificates = slices.Clone(config.Certificates)
	own.NextProtos = slices.Clone(config.NextProtos)
	own.CipherSuites = slices.Clone(config.CipherSuites)
	if config.RootCAs != nil {
		own.RootCAs = config.RootCAs.Clone()
	}
	return own
}

// verification digests what can be read of whom connections with a tls.Config trust, who they are and what
// they speak: the same for two that were built the same, in another process as well. What a function does
// can't be read, only whether there is one; nor can keys in a pool of roots, only their names. crypto/tls
// itself compares a session's chain with the roots before it offers the session.
func verification(config *tls.Config) string {
	d := digest{sha256.New()}
	d.flag(config.InsecureSkipVerify, config.VerifyPeerCertificate != nil, config.VerifyConnection != nil,
		config.GetClientCertificate != nil, config.Time != nil, config.RootCAs != nil)
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
		slices.Equal(config.NextProtos, from.NextProtos) &&
		slices.Equal(config.EncryptedClientHelloConfigList, from.EncryptedClientHelloConfigList)
}

// sameFunc compares the code of two functions. Closures of one code look the same.
func sameFunc(a, b any) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}
