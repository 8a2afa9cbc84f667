// Tests of the binding inside real drivers: a module of its own, so that the binding needs none.
module github.com/libtsc/libtsc/bindings/go/drivers

go 1.24

require (
	github.com/apache/cassandra-gocql-driver/v2 v2.1.2
	github.com/libtsc/libtsc/bindings/go v0.0.0
	github.com/redis/go-redis/v9 v9.17.3
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dgryski/go-rendezvous v0.0.0-20200823014737-9f7001d12a5f // indirect
	gopkg.in/inf.v0 v0.9.1 // indirect
)

replace github.com/libtsc/libtsc/bindings/go => ../
