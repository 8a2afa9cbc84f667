// linking measures how Go may call libtsc: by cgo, the static library in the program, or by purego, which opens the
// shared library at run time and needs no C compiler.
//
//	linking LIBTSC.SO
package main

import (
	"fmt"
	"os"
	"testing"
)

// library is what is measured: the cheapest call, and keeping a session and getting it back.
type library interface {
	version() uint32
	putGet()
}

const sessionSize = 1500

func main() {
	libraries := linked()
	libraries["purego"] = open(os.Args[1])
	for _, name := range []string{"cgo", "purego"} {
		library, ok := libraries[name]
		if !ok {
			continue
		}
		call := testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				library.version()
			}
		})
		cycle := testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				library.putGet()
			}
		})
		fmt.Printf("%-7s a call %4d ns, %d allocations; tsc_put and tsc_get %4d ns, %d allocations\n", name,
			call.NsPerOp(), call.AllocsPerOp(), cycle.NsPerOp(), cycle.AllocsPerOp())
	}
}
