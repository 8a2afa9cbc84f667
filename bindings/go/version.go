package tsc

// #include "bridge.h"
import "C"

import (
	"fmt"
	"sync"
)

// Version returns the version of the library in use, as in "0.1.0".
func Version() string {
	return C.GoString(C.tsc_version())
}

// checkVersion looks once whether the library that the program found is one that this package,
// compiled against the header it was, can work with.
var checkVersion = sync.OnceValue(func() error {
	return compatible(uint32(C.tsc_version_number()), C.TSCGO_VERSION)
})

// compatible wants a library of the header's major version that is not older: what the header names
// must be there. A newer one keeps what an older caller needs, or has another SONAME.
func compatible(library, header uint32) error {
	if library>>16 != header>>16 || library < header {
		return fmt.Errorf("%w: found libtsc %s, and compiled against the header of %s",
			ErrUnsupported, dotted(library), dotted(header))
	}
	return nil
}

func dotted(version uint32) string {
	return fmt.Sprintf("%d.%d.%d", version>>16, version>>8&0xff, version&0xff)
}
