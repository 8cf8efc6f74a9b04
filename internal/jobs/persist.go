package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Patience says how an operation is tried again while JetStream does not answer.
type Patience struct {
	// Limit is when it is given up, if it would be tried again; 0 means half a minute, in
	// which a cluster that lost a server has long chosen new leaders.
	Limit time.Duration
	// Bytes is how much a call sends or reads: it has more time than other calls.
	Bytes int64
	// Final reports the errors that are returned at once; nil means those that do not pass
	// by themselves.
	Final func(error) bool
	// Report is told of errors that last, now and then; nil for nobody.
	Report func(error)
}

// Times of an operation.
const (
	// answerTime bounds a call. What is sent to a server that dies is lost without a word,
	// and of several processes that make a stream at once a cluster answers only one.
	answerTime = 3 * time.Second
	bytesPerS  = 1 << 20 // the slowest network that is waited for
	// aWhile is how long errors are not reported: that of a choice of leaders.
	aWhile      = 10 * time.Second
	reportAgain = time.Minute
	firstPause  = 50 * time.Millisecond
	lastPause   = 2 * time.Second
)

// Persist calls an operation until it succeeds, or its error is none that passes, or ctx
// ends. Each call has a bounded time.
func (b *Bus) Persist(ctx context.Context, p Patience, operation func(context.Context) error) error {
	limit := p.Limit
	if limit == 0 {
		limit = 30 * time.Second
	}
	begun, pause, reported := time.Now(), firstPause, aWhile-reportAgain
	final := p.Final
	if final == nil {
		final = func(err error) bool { return !passes(err) }
	}
	for {
		call, cancel := context.WithTimeout(ctx, answerTime+time.Duration(p.Bytes)*time.Second/bytesPerS)
		err := operation(call)
		cancel()
		waited := time.Since(begun)
		switch {
		case err == nil, ctx.Err() != nil, b.Conn.IsClosed():
			return err
		case final(err):
			return stored(err)
		case waited > limit:
			return fmt.Errorf("%w: no success for %v: %w", ErrStore, waited.Round(time.Second), err)
		}
		if p.Report != nil && waited-reported >= reportAgain {
			p.Report(fmt.Errorf("%w (tried again for %v)", err, waited.Round(time.Second)))
			reported = waited
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// stored marks errors of a store that is full with [ErrStore].
func stored(err error) error {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if ok && (api.ErrorCode == errNoStorage || api.ErrorCode == errNoResource || api.ErrorCode == errStoreFailed) {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return err
}

// Errors of JetStream that the client has no name for.
const (
	errNoPeers     jetstream.ErrorCode = 10005 // fewer servers run than replicas are wanted
	errNoResource  jetstream.ErrorCode = 10023 // the disk, or max_file_store, is full
	errNoStorage   jetstream.ErrorCode = 10047 // the same
	errNoCluster   jetstream.ErrorCode = 10074 // several replicas, and one server
	errStoreFailed jetstream.ErrorCode = 10077 // the same as errNoStorage, or a limit of the stream
)

// passes reports an error that may pass by itself: that of a cluster which lost a server,
// or chooses leaders.
func passes(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch api.ErrorCode {
		case errNoStorage, errNoResource, errStoreFailed, errNoCluster, jetstream.JSErrCodeJetStreamNotEnabled, jetstream.JSErrCodeJetStreamNotEnabledForAccount:
			return false
		case errNoPeers:
			return true
		}
		return api.Code >= 500
	}
	if api, ok := errors.AsType[*nats.APIError](err); ok { // of reading an object's pieces, for which the client has other errors
		return api.Code >= 500
	}
	for _, kind := range []error{
		context.DeadlineExceeded, os.ErrDeadlineExceeded /* of the pipe that an object is read from */, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse, jetstream.ErrDigestMismatch,
		nats.ErrDisconnected, nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded, nats.ErrStaleConnection,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// ReadObject reads an object of at most limit bytes. One that is not there is
// [jetstream.ErrObjectNotFound].
func (b *Bus) ReadObject(ctx context.Context, store jetstream.ObjectStore, name string, limit int64, p Patience) (data []byte, err error) {
	err = b.Persist(ctx, p, func(ctx context.Context) error {
		info, err := store.GetInfo(ctx, name)
		if err == nil && int64(info.Size) > limit { //nolint:gosec // a size on disk
			return fmt.Errorf("it has %d bytes, more than %d", info.Size, limit)
		}
		if err == nil {
			p.Bytes = int64(info.Size) //nolint:gosec // checked
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = b.Persist(ctx, p, func(ctx context.Context) error {
		data, err = store.GetBytes(ctx, name)
		return err
	})
	return data, err
}
