package jobs_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/jobs"
)

// TestClockJumps: while the clock goes a day forward and two days back, every job ends, none
// runs twice, and none is started before its turn.
func TestClockJumps(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{Lease: time.Second})
	var jumped atomic.Int64
	q.SetClock(func() time.Time { return time.Now().Add(time.Duration(jumped.Load())).Round(0) })
	var generated atomic.Int64
	work(t, q, 2, searching(3, func(_ context.Context, id int) error {
		generated.Add(1)
		if id == 1 {
			jumped.Store(int64(24*time.Hour) - jumped.Load()*2)
		}
		return nil
	}))
	var ids []string
	for range 6 {
		job, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, job.ID)
	}
	for _, id := range ids {
		if got := ended(t, q, id); got.State != jobs.Done || got.Attempts != 1 || got.Outcome.Images != 3 {
			t.Errorf("a job ended as %+v with outcome %+v", got, got.Outcome)
		}
	}
	if n := generated.Load(); n != 18 {
		t.Errorf("%d images were generated, want 18", n)
	}
}

// TestLeaseThatDoesNotExpire: the job of a server that is silent is taken over although its
// lease does not expire, since the clock of NATS was set back; that of one that renews its
// lease is not.
func TestLeaseThatDoesNotExpire(t *testing.T) {
	bus := embedded(t)
	const lease = 500 * time.Millisecond
	silent, alive, other := open(t, bus, jobs.Options{Server: "silent", Lease: lease}), open(t, bus, jobs.Options{Server: "alive", Lease: lease}), open(t, bus, jobs.Options{Server: "other", Lease: lease})
	if err := bus.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	begun, finish := make(chan struct{}), make(chan struct{})
	hold := func(_ context.Context, r *jobs.Run) (jobs.Outcome, error) {
		begun <- struct{}{}
		<-finish
		return jobs.Outcome{Best: 0}, r.Record(reflectionflow.Candidate{ID: 0}, picture(0))
	}
	kept, err := alive.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
	if err != nil {
		t.Fatal(err)
	}
	work(t, alive, 1, hold)
	<-begun
	lost, err := silent.Submit(t.Context(), jobs.Spec{Prompt: "two cups"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := silent.Die(t.Context(), lost.ID); err != nil { // it has the job, and is silent
		t.Fatal(err)
	}
	work(t, other, 2, searching(2, func(context.Context, int) error { return nil }))
	if got := ended(t, other, lost.ID); got.Server != "other" || got.State != jobs.Done {
		t.Errorf("the job of the silent server ended as %+v", got)
	}
	close(finish)
	if got := ended(t, other, kept.ID); got.Server != "alive" || got.Attempts != 1 {
		t.Errorf("the job of the other server ended as %+v", got)
	}
}

// TestOrderOfClocks: jobs start in the order in which they were submitted, and a key returns
// its job, whatever the clock said.
func TestOrderOfClocks(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{})
	var want []string
	for i, jump := range []time.Duration{24 * time.Hour, 0, -48 * time.Hour, 48 * time.Hour, -time.Hour} {
		q.SetClock(func() time.Time { return time.Now().Add(jump).Round(0) })
		key := string(rune('a' + i))
		job, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, key)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, job.ID)
		for j, id := range want {
			if again, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, string(rune('a'+j))); err != nil || again.ID != id {
				t.Errorf("%v from now, the key of job %s gives job %s, error %v", jump, id, again.ID, err)
			}
		}
	}
	order := make(chan string, len(want))
	work(t, q, 1, func(_ context.Context, r *jobs.Run) (jobs.Outcome, error) {
		order <- r.ID
		return jobs.Outcome{Best: -1}, nil
	})
	var got []string
	for range want {
		got = append(got, <-order)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the jobs were started in the order %q, want %q", got, want)
	}
	for i, id := range want {
		if job := ended(t, q, id); job.State != jobs.Done {
			t.Errorf("job %d ended as %s", i, job.State)
		}
		if again, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, string(rune('a'+i))); err != nil || again.ID != id || again.State != jobs.Done {
			t.Errorf("the key of finished job %s gives %+v, error %v", id, again, err)
		}
	}
}
