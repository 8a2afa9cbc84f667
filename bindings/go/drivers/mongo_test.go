package drivers

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	tsc "github.com/libtsc/libtsc/bindings/go"
)

// standIn answers hello and ping as a MongoDB would, and nothing else. It is not MongoDB: what it shows is
// what the driver does with a dialer.
func standIn(t *testing.T, node *peer) (addr string) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", node.tls)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Add(1)
	go func() {
		defer serving.Done()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Add(1)
			go func() {
				defer serving.Done()
				defer conn.Close()
				for sayYes(conn) == nil {
				}
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// sayYes reads one message, of whichever command, and says yes.
func sayYes(conn net.Conn) error {
	const reply, query, message = 1, 2004, 2013
	header := make([]byte, 16)
	if _, err := io.ReadFull(conn, header); err != nil {
		return err
	}
	length := binary.LittleEndian.Uint32(header)
	if _, err := io.CopyN(io.Discard, conn, int64(length)-16); err != nil {
		return err
	}
	yes, err := bson.Marshal(bson.D{
		{Key: "ok", Value: 1}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true},
		{Key: "minWireVersion", Value: 0}, {Key: "maxWireVersion", Value: 21},
		{Key: "maxBsonObjectSize", Value: 16 << 20}, {Key: "maxMessageSizeBytes", Value: 48000000},
		{Key: "maxWriteBatchSize", Value: 100000},
	})
	if err != nil {
		return err
	}
	kind, front := uint32(message), make([]byte, 4+1)
	if binary.LittleEndian.Uint32(header[12:]) == query {
		kind, front = reply, make([]byte, 4+8+4+4)
		front[16] = 1 // documents
	}
	out := make([]byte, 0, 512)
	out = binary.LittleEndian.AppendUint32(out, uint32(16+len(front)+len(yes)))
	out = binary.LittleEndian.AppendUint32(out, 0)
	out = append(out, header[4:8]...) // to which request
	out = binary.LittleEndian.AppendUint32(out, kind)
	_, err = conn.Write(append(append(out, front...), yes...))
	return err
}

// The driver takes one tls.Config for all nodes. A Dialer in its place knows each by its address.
func TestMongoDBNodesOfOneHostResumeEachItsOwn(t *testing.T) {
	nodes, trust := newNodes(t, 2)
	cache, err := tsc.NewCache(tsc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	dialer := dialer(t, cache, trust)
	addrs := []string{standIn(t, nodes[0]), standIn(t, nodes[1])}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 4 {
		for _, addr := range addrs {
			client, err := mongo.Connect(options.Client().
				SetHosts([]string{addr}).SetDirect(true).SetDialer(dialer).
				SetServerMonitoringMode(options.ServerMonitoringModePoll))
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Ping(ctx, nil); err != nil {
				t.Fatal(err)
			}
			if err := client.Disconnect(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, n := range nodes {
		// A client has a connection that monitors, and one for commands.
		if n.foreign.Load() != 0 || n.handshakes.Load() < 8 || n.handshakes.Load()-n.resumed.Load() > 2 {
			t.Errorf("node %d: %d handshakes, %d resumed, %d sessions of others'", i,
				n.handshakes.Load(), n.resumed.Load(), n.foreign.Load())
		}
	}
}
