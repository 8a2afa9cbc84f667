// Package tsctest is what the tests of package tsc need from C. Test files can't use cgo, and package
// tsc itself has nothing in it that only tests use; so nothing but tests imports this package.
package tsctest
