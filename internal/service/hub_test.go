package service

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"reflectionflow/internal/jobs"
)

// TestHubKeepsOrder passes the events of a job to a listener whose server hears some before
// those that came first: it gets all, once and in order.
func TestHubKeepsOrder(t *testing.T) {
	bus, err := jobs.Embedded(filepath.Join(t.TempDir(), "nats"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	queue, err := jobs.Open(t.Context(), bus, jobs.Options{Server: "a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queue.Close)
	h := &hub{queue: queue, topics: map[string]*topic{}}
	job, err := queue.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "") // the hub hears of it later
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := make(chan uint64, 10)
	go func() {
		_ = h.listen(ctx, job.ID, 0, listener{event: func(f frame) error { got <- f.Sequence; return nil }, idle: func() error { return nil }})
	}()
	if first := <-got; first != 1 { // from the stream
		t.Fatalf("the first event has the sequence %d", first)
	}
	event := func(sequence uint64) jobs.Event {
		return jobs.Event{JobID: job.ID, Sequence: sequence, Kind: jobs.KindPrompt}
	}
	h.hearStored(event(9), 7) // 7 is not there yet, nor in the stream
	h.hearStored(event(4), 1)
	h.receive(event(1))
	h.receive(event(4))
	h.receive(event(7))
	h.receive(event(9))
	h.hearStored(event(12), 9)
	h.receive(event(12))
	for _, want := range []uint64{4, 7, 9, 12} {
		select {
		case sequence := <-got:
			if sequence != want {
				t.Errorf("event %d came, want %d", sequence, want)
			}
		case <-ctx.Done():
			t.Fatalf("event %d did not come", want)
		}
	}
	if len(got) > 0 {
		t.Errorf("event %d came again", <-got)
	}
}
