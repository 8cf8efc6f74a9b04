package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow"
)

// Bus is a connection to JetStream.
type Bus struct {
	Conn   *nats.Conn
	Stream jetstream.JetStream
	// Replicas is the number of copies that streams are made with.
	Replicas int

	embedded *server.Server // nil for a connection to a cluster
	dir      string         // of the embedded server
}

// startTime is how long an embedded server may take to start: it reads what is stored.
const startTime = time.Minute

// Embedded starts a server in this process that stores its streams in dir and listens on
// no port. A folder that cannot be written is an error wrapping
// [reflectionflow.ErrInvalid]. Everything that is acknowledged is on disk.
func Embedded(dir string) (*Bus, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "reflectionflow", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, SyncAlways: true,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: start the embedded NATS server: %v", reflectionflow.ErrInvalid, err)
	}
	s.Start()
	if !s.JetStreamEnabled() || !s.ReadyForConnections(startTime) {
		s.Shutdown()
		return nil, fmt.Errorf("%w: the embedded NATS server cannot store its streams in %s: it must be a folder that this user may write, with free space", reflectionflow.ErrInvalid, dir)
	}
	bus, err := connect("", 1, nats.InProcessServer(s))
	if err != nil {
		s.Shutdown()
		return nil, err
	}
	bus.embedded, bus.dir = s, dir
	return bus, nil
}

// Connect connects to a cluster. Streams are made with the given number of replicas, from
// 1 to 5. A URL without a server is an error that says so.
func Connect(url string, replicas int, options ...nats.Option) (*Bus, error) {
	if replicas < 1 || replicas > 5 {
		return nil, fmt.Errorf("%w: %d replicas: must be from 1 to 5", reflectionflow.ErrInvalid, replicas)
	}
	return connect(url, replicas, options...)
}

func connect(url string, replicas int, options ...nats.Option) (*Bus, error) {
	options = append(options, nats.Name("reflectionflow"), nats.MaxReconnects(-1))
	conn, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", url, err)
	}
	stream, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return &Bus{Conn: conn, Stream: stream, Replicas: replicas}, nil
}

// probeBytes are written to the folder of an embedded server again and again to see whether
// they can be.
const probeBytes = 256 << 10

// Watch waits until ctx ends, or until the folder of the embedded server can be written no
// more, which is an error: NATS then drops what it is sent without an answer, until it is
// started again.
func (b *Bus) Watch(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := b.probe(); err != nil {
				return fmt.Errorf("nothing can be stored in %s: %w: make space and start again; what was acknowledged is stored", b.dir, err)
			}
		}
	}
}

// probe writes a file and removes it.
func (b *Bus) probe() error {
	if b.embedded == nil {
		return nil
	}
	path := filepath.Join(b.dir, "probe")
	err := os.WriteFile(path, make([]byte, probeBytes), 0o600)
	return errors.Join(err, os.Remove(path))
}

// Close closes the connection, and the embedded server.
func (b *Bus) Close() {
	b.Conn.Close()
	if b.embedded != nil {
		b.embedded.Shutdown()
		b.embedded.WaitForShutdown()
	}
}

// Stores of a queue.
const (
	jobsBucket   = "jobs"
	leasesBucket = "leases"
	imagesBucket = "images"
	eventStream  = "EVENTS"
	eventPrefix  = "events."
	livePrefix   = "live."
	stopPrefix   = "stop."
	gonePrefix   = "gone."
)

// stores are the streams of a queue.
type stores struct {
	jobs, leases jetstream.KeyValue
	events       jetstream.Stream
	images       jetstream.ObjectStore
}

// openTime is how long making the streams may take: a cluster that has just started
// chooses its leaders first.
const openTime = time.Minute

// openStores makes the streams, or opens them.
func (b *Bus) openStores(ctx context.Context, lease time.Duration) (s stores, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	file := jetstream.FileStorage
	if s.jobs, err = b.Stream.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: jobsBucket, Storage: file, Replicas: b.Replicas}); err != nil {
		return s, fmt.Errorf("open the bucket of jobs: %w", err)
	}
	if s.leases, err = b.Stream.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: leasesBucket, Storage: file, Replicas: b.Replicas, TTL: lease}); err != nil {
		return s, fmt.Errorf("open the bucket of leases: %w", err)
	}
	if s.events, err = b.Stream.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: eventStream, Subjects: []string{eventPrefix + "*"}, Storage: file, Replicas: b.Replicas, AllowDirect: true,
	}); err != nil {
		return s, fmt.Errorf("open the stream of events: %w", err)
	}
	if s.images, err = b.Stream.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: imagesBucket, Storage: file, Replicas: b.Replicas}); err != nil {
		return s, fmt.Errorf("open the store of images: %w", err)
	}
	return s, nil
}

// lost reports whether a compare-and-swap failed because another server was first.
func lost(err error) bool {
	if errors.Is(err, jetstream.ErrKeyExists) {
		return true
	}
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}
