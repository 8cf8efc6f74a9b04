package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/testserver"
)

func open(t *testing.T, bus *jobs.Bus, o jobs.Options) *jobs.Queue {
	t.Helper()
	if o.Server == "" {
		o.Server = "a"
	}
	o.Report = func(err error) { t.Logf("%s: %v", o.Server, err) }
	q, err := jobs.Open(t.Context(), bus, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

func embedded(t *testing.T) *jobs.Bus {
	t.Helper()
	bus, err := jobs.Embedded(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	return bus
}

// work runs the queue until the test ends or the returned function is called.
func work(t *testing.T, q *jobs.Queue, parallel int, do func(context.Context, *jobs.Run) (jobs.Outcome, error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := q.Work(ctx, parallel, do); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

func picture(shade uint8) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	img.Set(3, 4, color.NRGBA{shade, 1, 2, 255})
	return img
}

// searching records n candidates one by one; step is called before each that is not recalled.
func searching(n int, step func(ctx context.Context, id int) error) func(context.Context, *jobs.Run) (jobs.Outcome, error) {
	return func(ctx context.Context, r *jobs.Run) (jobs.Outcome, error) {
		id := 0
		for ; ; id++ {
			c, img, ok := r.Recall(id)
			if !ok {
				break
			}
			if c.ID != id || img.At(3, 4) != picture(uint8(id)).At(3, 4) {
				return jobs.Outcome{Best: -1}, fmt.Errorf("candidate %d is recalled as %d with %v", id, c.ID, img.At(3, 4))
			}
		}
		for ; id < n; id++ {
			if err := step(ctx, id); err != nil {
				return jobs.Outcome{Best: -1}, err
			}
			if err := r.Record(reflectionflow.Candidate{ID: id}, picture(uint8(id))); err != nil {
				return jobs.Outcome{Best: -1}, err
			}
		}
		return jobs.Outcome{Best: n - 1, Stopped: reflectionflow.StoppedBudget}, ctx.Err()
	}
}

func free(context.Context, int) error { return nil }

// ended waits for the end of a job.
func ended(t *testing.T, q *jobs.Queue, id string) (job jobs.Job) {
	t.Helper()
	testserver.Wait(t, "the end of job "+id, func() bool {
		var err error
		if job, err = q.Job(t.Context(), id); err != nil && !errors.Is(err, jobs.ErrUnknown) {
			t.Fatal(err)
		}
		return err == nil && job.State.Ended()
	})
	return job
}

func kinds(t *testing.T, q *jobs.Queue, id string) (list []jobs.Kind) {
	t.Helper()
	events, err := q.Events(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		list = append(list, e.Kind)
	}
	return list
}

func TestJob(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{})
	job, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks", Owner: "ann"}, "")
	if err != nil || job.State != jobs.Queued {
		t.Fatalf("job %+v, error %v", job, err)
	}
	if err := q.Delete(t.Context(), job.ID); !errors.Is(err, jobs.ErrLive) {
		t.Errorf("deleting a live job: error %v", err)
	}
	work(t, q, 2, searching(3, free))
	got := ended(t, q, job.ID)
	if got.State != jobs.Done || got.Outcome.Best != 2 || got.Outcome.Images != 3 || got.Started.IsZero() || got.Ended.Before(got.Started) {
		t.Errorf("the job ended as %+v with outcome %+v", got, got.Outcome)
	}
	want := []jobs.Kind{jobs.KindSubmitted, jobs.KindStarted, jobs.KindCandidate, jobs.KindCandidate, jobs.KindCandidate, jobs.KindDone}
	if list := kinds(t, q, job.ID); !slices.Equal(list, want) {
		t.Errorf("events %v, want %v", list, want)
	}
	if _, err := q.Cancel(t.Context(), job.ID); !errors.Is(err, jobs.ErrEnded) {
		t.Errorf("cancelling a job that ended: error %v", err)
	}
	if err := q.Delete(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Job(t.Context(), job.ID); !errors.Is(err, jobs.ErrUnknown) {
		t.Errorf("a deleted job: error %v", err)
	}
	if _, err := q.Image(t.Context(), job.ID+"/0.png"); !errors.Is(err, jobs.ErrNoImage) {
		t.Errorf("an image of a deleted job: error %v", err)
	}
}

func TestIdempotency(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{})
	spec := jobs.Spec{Prompt: "two clocks", Owner: "ann"}
	first, err := q.Submit(t.Context(), spec, "key")
	if err != nil {
		t.Fatal(err)
	}
	again, err := q.Submit(t.Context(), spec, "key")
	if err != nil || again.ID != first.ID {
		t.Errorf("the same key gives job %s, error %v; want %s", again.ID, err, first.ID)
	}
	spec.Prompt = "three clocks"
	if _, err := q.Submit(t.Context(), spec, "key"); !errors.Is(err, jobs.ErrConflict) {
		t.Errorf("the same key for another job: error %v", err)
	}
	spec.Owner = "ben"
	if other, err := q.Submit(t.Context(), spec, "key"); err != nil || other.ID == first.ID {
		t.Errorf("the key of another owner gives job %s, error %v", other.ID, err)
	}
	work(t, q, 2, searching(1, free))
	ended(t, q, first.ID)
	spec = first.Spec
	if again, err := q.Submit(t.Context(), spec, "key"); err != nil || again.State != jobs.Done {
		t.Errorf("the key of a finished job gives %+v, error %v", again, err)
	}
}

func TestCancel(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{})
	waiting, err := q.Submit(t.Context(), jobs.Spec{Prompt: "waits"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if job, err := q.Cancel(t.Context(), waiting.ID); err != nil || job.State != jobs.Cancelled {
		t.Errorf("a queued job: %v, error %v", job.State, err)
	}
	if got := ended(t, q, waiting.ID); got.State != jobs.Cancelled || len(q.Jobs()) != 0 {
		t.Errorf("state %s, live jobs %v", got.State, q.Jobs())
	}
	begun := make(chan struct{})
	work(t, q, 1, searching(2, func(ctx context.Context, id int) error {
		if id == 1 {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}))
	running, err := q.Submit(t.Context(), jobs.Spec{Prompt: "runs"}, "")
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if _, err := q.Cancel(t.Context(), running.ID); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, q, running.ID); got.State != jobs.Cancelled || got.Outcome.Images != 1 || got.Stopping {
		t.Errorf("the running job ended as %+v", got)
	}
}

// TestRestart stops a server in the middle of a search and starts it again on the same
// folder: nothing recorded is generated twice.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	var generated atomic.Int64
	third := make(chan struct{})
	begin := func() (*jobs.Bus, *jobs.Queue) {
		bus, err := jobs.Embedded(dir)
		if err != nil {
			t.Fatal(err)
		}
		q, err := jobs.Open(t.Context(), bus, jobs.Options{Server: "a", Report: func(err error) { t.Log(err) }})
		if err != nil {
			t.Fatal(err)
		}
		return bus, q
	}
	bus, q := begin()
	job, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
	if err != nil {
		t.Fatal(err)
	}
	stop := work(t, q, 1, searching(5, func(ctx context.Context, id int) error {
		if id == 3 {
			close(third)
			<-ctx.Done()
			return ctx.Err()
		}
		generated.Add(1)
		return nil
	}))
	<-third
	stop()
	q.Close()
	bus.Close()

	bus, q = begin()
	defer bus.Close()
	defer q.Close()
	stop = work(t, q, 1, searching(5, func(context.Context, int) error { generated.Add(1); return nil }))
	defer stop()
	if got := ended(t, q, job.ID); got.State != jobs.Done || got.Attempts != 1 {
		t.Errorf("the job ended as %+v", got)
	}
	if n := generated.Load(); n != 5 {
		t.Errorf("%d images were generated for 5 candidates", n)
	}
}

// TestTakeOver lets a server fall silent in the middle of a search. The other one takes the
// job over, and the first cannot write to it any more.
func TestTakeOver(t *testing.T) {
	bus := embedded(t)
	const lease = time.Second
	silent, other := open(t, bus, jobs.Options{Server: "silent", Lease: lease}), open(t, bus, jobs.Options{Server: "other", Lease: lease})
	begun, taken, wrote := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	work(t, silent, 1, func(_ context.Context, r *jobs.Run) (jobs.Outcome, error) {
		if err := r.Record(reflectionflow.Candidate{ID: 0}, picture(0)); err != nil {
			return jobs.Outcome{}, err
		}
		close(begun)
		<-taken
		err := r.Record(reflectionflow.Candidate{ID: 1}, picture(1))
		wrote <- err
		return jobs.Outcome{}, err
	})
	job, err := silent.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := bus.StealLease(t.Context(), job.ID); err != nil { // as if it had expired
		t.Fatal(err)
	}
	work(t, other, 1, searching(3, func(_ context.Context, id int) error {
		if id == 0 {
			return errors.New("candidate 0 was not recalled")
		}
		return nil
	}))
	got := ended(t, other, job.ID)
	close(taken)
	if got.State != jobs.Done || got.Server != "other" || got.Outcome.Images != 3 {
		t.Errorf("the job ended as %+v with outcome %+v", got, got.Outcome)
	}
	if err := <-wrote; err == nil {
		t.Error("the silent server wrote to a job that it had lost")
	}
}

func TestOrderAndLimits(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{Limits: func(string) jobs.Limits { return jobs.Limits{Queued: 3} }})
	submit := func(prompt, owner string, p jobs.Priority) error {
		_, err := q.Submit(t.Context(), jobs.Spec{Prompt: prompt, Owner: owner, Priority: p}, "")
		return err
	}
	for _, s := range []struct {
		prompt, owner string
		priority      jobs.Priority
	}{{"ann batch", "ann", jobs.Batch}, {"ann 1", "ann", ""}, {"ann 2", "ann", ""}, {"ben 1", "ben", ""}} {
		if err := submit(s.prompt, s.owner, s.priority); err != nil {
			t.Fatal(err)
		}
	}
	limit, ok := errors.AsType[*jobs.LimitError](submit("ann 3", "ann", ""))
	if !ok || limit.RetryAfter <= 0 {
		t.Errorf("a job over the limit: %v", limit)
	}
	if err := submit("", "ann", ""); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a job without a prompt: error %v", err)
	}
	order := make(chan string, 4)
	hold := make(chan struct{})
	work(t, q, 2, func(_ context.Context, r *jobs.Run) (jobs.Outcome, error) {
		order <- r.Spec.Prompt
		<-hold
		return jobs.Outcome{Best: -1}, nil
	})
	first := []string{<-order, <-order}                                 // which start at once, in any order
	if slices.Sort(first); first[0] != "ann 1" || first[1] != "ben 1" { // ben has no running job, ann has one
		t.Errorf("started %q, want ann 1 and ben 1", first)
	}
	hold <- struct{}{}
	third := <-order
	hold <- struct{}{}
	fourth := <-order
	close(hold)
	if third != "ann 2" || fourth != "ann batch" {
		t.Errorf("then %q and %q, want ann 2 and ann batch", third, fourth)
	}
}

// TestRestartsAreNoAttempts stops a server again and again in the middle of a search: the
// job goes on, since nothing is wrong with it.
func TestRestartsAreNoAttempts(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{Attempts: 2})
	job, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		begun := make(chan struct{})
		stop := work(t, q, 1, searching(1, func(ctx context.Context, _ int) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		}))
		<-begun
		stop()
	}
	work(t, q, 1, searching(1, free))
	if got := ended(t, q, job.ID); got.State != jobs.Done || got.Attempts != 1 {
		t.Errorf("the job ended as %+v", got)
	}
}

// TestFullStore fails every write of a search: the job waits, and is done once the store
// takes it.
func TestFullStore(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{})
	job, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
	if err != nil {
		t.Fatal(err)
	}
	full := make(chan struct{})
	var once sync.Once
	stop := work(t, q, 1, func(context.Context, *jobs.Run) (jobs.Outcome, error) {
		once.Do(func() { close(full) })
		return jobs.Outcome{Best: -1}, fmt.Errorf("record candidate 0: %w", jobs.ErrStore)
	})
	<-full
	testserver.Wait(t, "a queue that takes no jobs", func() bool { return !q.Healthy() })
	stop()
	if got, err := q.Job(t.Context(), job.ID); err != nil || got.State.Ended() || got.Attempts != 0 {
		t.Errorf("the job is %+v, error %v", got, err)
	}
}

// TestCallerLeaves submits for a caller that has left: the job is stored, and nobody takes the
// store for broken.
func TestCallerLeaves(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{})
	gone, leave := context.WithCancel(t.Context())
	leave()
	job, err := q.Submit(gone, jobs.Spec{Prompt: "two clocks"}, "")
	if err != nil || !q.Healthy() {
		t.Fatalf("healthy: %v, error %v", q.Healthy(), err)
	}
	if _, err := q.Job(t.Context(), job.ID); err != nil {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	bus := embedded(t)
	if err := bus.Probe(); err != nil {
		t.Error(err)
	}
	bus.Move("/dev/null")
	if bus.Probe() == nil {
		t.Error("a folder that cannot be written passes")
	}
}

// TestProgressIsNoAttempt lets the servers of a job die again and again. It goes on where
// each recorded a candidate before, and fails where none did.
func TestProgressIsNoAttempt(t *testing.T) {
	for _, c := range []struct {
		name   string
		record bool
		want   jobs.State
	}{{"progress", true, jobs.Done}, {"none", false, jobs.Failed}} {
		t.Run(c.name, func(t *testing.T) {
			bus := embedded(t)
			q := open(t, bus, jobs.Options{Attempts: 2, Lease: 300 * time.Millisecond})
			job, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
			if err != nil {
				t.Fatal(err)
			}
			begun := 0
			work(t, q, 1, func(ctx context.Context, r *jobs.Run) (jobs.Outcome, error) {
				if begun++; begun > 4 {
					return searching(5, free)(ctx, r)
				}
				if id := r.Images(); c.record {
					if err := r.Record(reflectionflow.Candidate{ID: id}, picture(uint8(id))); err != nil {
						t.Error(err)
					}
				}
				if err := bus.StealLease(ctx, r.ID); err != nil { // this server is taken for dead
					t.Error(err)
				}
				<-ctx.Done()
				return jobs.Outcome{Best: -1}, ctx.Err()
			})
			if got := ended(t, q, job.ID); got.State != c.want || begun != map[bool]int{true: 5, false: 2}[c.record] {
				t.Errorf("after %d starts the job ended as %+v", begun, got)
			}
		})
	}
}

// TestAhead stores images before they are recorded: Record uses them, and those that are not
// recorded go with the end of the job.
func TestAhead(t *testing.T) {
	q := open(t, embedded(t), jobs.Options{})
	job, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
	if err != nil {
		t.Fatal(err)
	}
	work(t, q, 1, func(_ context.Context, r *jobs.Run) (jobs.Outcome, error) {
		r.Ahead(0, picture(9)) // it is not stored again
		r.Ahead(1, picture(1))
		return jobs.Outcome{Best: 0}, r.Record(reflectionflow.Candidate{ID: 0}, picture(0))
	})
	ended(t, q, job.ID)
	file, err := q.Image(t.Context(), job.ID+"/0.png")
	if err != nil {
		t.Fatal(err)
	}
	if img, err := png.Decode(bytes.NewReader(file)); err != nil || img.At(3, 4) != picture(9).At(3, 4) {
		t.Errorf("the image of candidate 0 is not the one that was stored ahead: error %v", err)
	}
	testserver.Wait(t, "the end of the image that was not recorded", func() bool {
		_, err := q.Image(t.Context(), job.ID+"/1.png")
		return errors.Is(err, jobs.ErrNoImage)
	})
}
