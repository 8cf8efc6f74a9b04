package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow/internal/jobs"
	"reflectionflow/internal/testserver"
)

// TestReadsWhatAnotherWrote: what one server of three was told is stored, the others know at
// once, also the one whose NATS server hears of it last.
func TestReadsWhatAnotherWrote(t *testing.T) {
	t.Parallel()
	urls := testserver.NATSCluster(t, 20*time.Millisecond)
	var queues []*jobs.Queue
	var buses []*jobs.Bus
	for i, url := range urls {
		bus, err := jobs.Connect(url, 3)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(bus.Close)
		buses, queues = append(buses, bus), append(queues, open(t, bus, jobs.Options{Server: fmt.Sprint("s", i)}))
	}
	stale := map[string]int{}
	look := func(what string, err error) {
		if err != nil {
			stale[fmt.Sprintf("%s: %v", what, err)]++
		}
	}
	ctx := t.Context()
	for i := range 8 {
		q, key := queues[i%3], fmt.Sprint("key ", i)
		job, err := q.Submit(ctx, jobs.Spec{Prompt: "two clocks"}, key)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%s/%d.png", job.ID, i)
		if _, err := q.PutImage(ctx, name, []byte("pixels")); err != nil {
			t.Fatal(err)
		}
		for _, other := range []*jobs.Queue{queues[(i+1)%3], queues[(i+2)%3]} {
			_, err := other.Image(ctx, name)
			look("an image", err)
			_, err = other.Job(ctx, job.ID)
			look("a job", err)
			again, err := other.Submit(ctx, jobs.Spec{Prompt: "two clocks"}, key)
			if err == nil && again.ID != job.ID {
				err = errors.New("another job")
			}
			look("a job that is submitted again", err)
			events, err := other.Events(ctx, job.ID, 0)
			if err == nil && len(events) != 1 {
				err = fmt.Errorf("%d events", len(events))
			}
			look("events", err)
		}
	}
	for what, n := range stale {
		t.Errorf("%s, %d times", what, n)
	}
	// A process that was not told of three copies leaves them as they are.
	one, err := jobs.Connect(urls[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	open(t, one, jobs.Options{Server: "one"})
	for info := range buses[0].Stream.ListStreams(ctx).Info() {
		if info.Config.Replicas != 3 || info.Config.AllowDirect {
			t.Errorf("%s has %d copies, direct reads %v", info.Config.Name, info.Config.Replicas, info.Config.AllowDirect)
		}
	}
}

// TestEarlierStreams: the streams that an earlier version made are opened, and keep their limits.
func TestEarlierStreams(t *testing.T) {
	bus := embedded(t)
	ctx := t.Context()
	if _, err := bus.Stream.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "jobs", Storage: jetstream.FileStorage}); err != nil {
		t.Fatal(err)
	}
	old, err := bus.Stream.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "images", MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.PutBytes(ctx, "x", []byte("pixels")); err != nil {
		t.Fatal(err)
	}
	q := open(t, bus, jobs.Options{})
	if file, err := q.Image(ctx, "x"); err != nil || string(file) != "pixels" {
		t.Errorf("the image is %q, %v", file, err)
	}
	for info := range bus.Stream.ListStreams(context.WithoutCancel(ctx)).Info() {
		if info.Config.Name == "OBJ_images" && info.Config.MaxBytes != 1<<20 {
			t.Errorf("the limit of %s is %d", info.Config.Name, info.Config.MaxBytes)
		}
	}
}
