package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Bucket makes a bucket of keys and values, or opens it. ttl is how long an entry is kept
// that is not written again, 0 for ever.
//
// It is the stream that the client makes for a bucket, with direct reads only where there is
// one copy: they may be answered by any server that has one, which may not have what another
// one has just acknowledged. A server would find no job that a client has been promised, a
// revision that is no longer the latest, or no answer that was paid for. Without them the
// stream's leader answers, a little later.
func (b *Bus) Bucket(ctx context.Context, name string, storage jetstream.StorageType, ttl time.Duration) (jetstream.KeyValue, error) {
	duplicates := 2 * time.Minute // JetStream's own
	if ttl > 0 {
		duplicates = min(duplicates, ttl)
	}
	_, err := b.Log(ctx, jetstream.StreamConfig{
		Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, Storage: storage,
		MaxMsgsPerSubject: 1, MaxAge: ttl, Duplicates: duplicates, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true,
	})
	if err != nil {
		return nil, err
	}
	return b.Stream.KeyValue(ctx, name)
}

// Objects makes a store of objects, or opens it; one that exists keeps its limits. ttl is
// how long an object is kept, 0 for ever. Like a [Bus.Bucket] it is read from its leader.
func (b *Bus) Objects(ctx context.Context, name string, ttl time.Duration) (jetstream.ObjectStore, error) {
	c := jetstream.StreamConfig{
		Name: "OBJ_" + name, Subjects: []string{"$O." + name + ".C.>", "$O." + name + ".M.>"}, Storage: jetstream.FileStorage,
		MaxAge: ttl, Discard: jetstream.DiscardNew, AllowRollup: true,
	}
	stream, err := b.Stream.Stream(ctx, c.Name)
	if err == nil {
		c = stream.CachedInfo().Config
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, err
	}
	if _, err = b.Log(ctx, c); err != nil {
		return nil, err
	}
	return b.Stream.ObjectStore(ctx, name)
}

// Log makes a stream with the copies of the bus, or opens it and gives it the settings. One
// that has more copies keeps them: a process that was not told of the cluster does not take
// them from the others.
func (b *Bus) Log(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	c.Replicas = b.Replicas
	stream, err := b.Stream.Stream(ctx, c.Name)
	if err == nil {
		c.Replicas = max(c.Replicas, stream.CachedInfo().Config.Replicas)
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, err
	}
	c.AllowDirect = c.Replicas == 1
	return b.Stream.CreateOrUpdateStream(ctx, c)
}
