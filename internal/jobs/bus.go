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
	// A machine that is gone without a word is noticed by its silence.
	options = append(options, nats.Name("reflectionflow"), nats.MaxReconnects(-1), nats.PingInterval(silence), nats.MaxPingsOutstanding(1))
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
	answerBucket = "answers"
	starsBucket  = "favourites"
	eventStream  = "EVENTS"
	eventPrefix  = "events."
	livePrefix   = "live."
	stopPrefix   = "stop."
	gonePrefix   = "gone."
)

// stores are the streams of a queue.
type stores struct {
	jobs, leases jetstream.KeyValue
	favourites   jetstream.KeyValue // jobs that their owners like
	events       jetstream.Stream
	images       jetstream.ObjectStore
	answers      jetstream.ObjectStore // of jobs that have not ended
}

// silence is how long a server of NATS may be silent: after twice the time another one of
// the cluster is used.
const silence = 5 * time.Second

// openTime is how long making the streams may take: a cluster that has just started
// chooses its leaders first.
const openTime = time.Minute

// startingTime is how long a server may start without taking requests of JetStream.
const startingTime = 5 * time.Second

// Make makes a stream, or opens it, by a function. What says what it is.
func (b *Bus) Make(ctx context.Context, what string, report func(error), open func(context.Context) error) error {
	// A server without JetStream looks like one that starts.
	begun, none := time.Now(), false
	final := func(err error) bool {
		none = errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
		return none && time.Since(begun) > startingTime || !none && !passes(err)
	}
	err := b.Persist(ctx, Patience{Limit: openTime, Final: final, Report: report}, open)
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && (api.ErrorCode == errNoCluster || api.ErrorCode == errNoPeers) {
		return fmt.Errorf("%w: the NATS servers cannot keep %d copies of the %s: too few of them run; give fewer with --nats-replicas, or nats.replicas in the configuration (%v)", reflectionflow.ErrInvalid, b.Replicas, what, err)
	}
	if err != nil && none {
		return fmt.Errorf("%w: the NATS server has no JetStream for this user: start it with -js, or give the account JetStream (%v)", reflectionflow.ErrInvalid, err)
	}
	if err != nil {
		return fmt.Errorf("open the %s: %w", what, err)
	}
	return nil
}

// openStores makes the streams, or opens them.
func (b *Bus) openStores(ctx context.Context, lease time.Duration, report func(error)) (s stores, err error) {
	bucket := func(in *jetstream.KeyValue, name string, ttl time.Duration) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			*in, err = b.Bucket(ctx, name, jetstream.FileStorage, ttl)
			return err
		}
	}
	objects := func(in *jetstream.ObjectStore, name string) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			*in, err = b.Objects(ctx, name, 0)
			return err
		}
	}
	for _, store := range []struct {
		what string
		open func(context.Context) error
	}{
		{"bucket of jobs", bucket(&s.jobs, jobsBucket, 0)},
		{"bucket of leases", bucket(&s.leases, leasesBucket, lease)},
		{"stream of events", func(ctx context.Context) error {
			s.events, err = b.Log(ctx, jetstream.StreamConfig{Name: eventStream, Subjects: []string{eventPrefix + "*"}, Storage: jetstream.FileStorage})
			return err
		}},
		{"store of images", objects(&s.images, imagesBucket)},
		{"store of answers", objects(&s.answers, answerBucket)},
		{"bucket of favourites", bucket(&s.favourites, starsBucket, 0)},
	} {
		if err := b.Make(ctx, store.what, report, store.open); err != nil {
			return s, err
		}
	}
	return s, nil
}

// lost reports whether a compare-and-swap failed because another server was first.
func lost(err error) bool {
	if errors.Is(err, jetstream.ErrKeyExists) {
		return true
	}
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
