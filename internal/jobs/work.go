package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow"
)

// errStopped is the cause of a search's end when its job was cancelled.
var errStopped = errors.New("the job was cancelled")

// Work runs jobs, at most parallel at a time, until ctx ends; then it waits for the
// searches to stop and leaves their jobs to other servers, or to the next start. The
// function do searches for one job; its context ends when the job is cancelled, when
// another server took it over, and with ctx. Its error makes the job fail.
//
// Jobs start by priority, then by the number of running jobs of their owner, then in the
// order in which they were stored, whatever the clocks said; those that a server has given back
// come first.
// A job whose server died is taken over once its lease has expired.
func (q *Queue) Work(ctx context.Context, parallel int, do func(context.Context, *Run) (Outcome, error)) error {
	stops, err := q.bus.Conn.Subscribe(stopPrefix+"*", func(m *nats.Msg) { q.stop(m.Subject[len(stopPrefix):]) })
	if err != nil {
		return fmt.Errorf("listen to cancellations: %w", err)
	}
	defer func() { q.report(stops.Unsubscribe()) }()
	if err := q.sweepAnswers(ctx); err != nil && ctx.Err() == nil {
		q.report(err)
	}
	var searches sync.WaitGroup
	defer searches.Wait()
	free := make(chan struct{}, parallel)
	tick := time.NewTicker(q.options.Lease / 15)
	defer tick.Stop()
	for {
		q.mutex.Lock()
		changed := q.changed
		q.mutex.Unlock()
		for len(free) < parallel {
			id := q.next()
			if id == "" {
				break
			}
			free <- struct{}{}
			q.mark(id, func() {})
			searches.Go(func() {
				if run := q.claim(ctx, id); run != nil {
					q.search(ctx, run, do)
				}
				q.mark(id, nil)
				<-free
				q.wake()
			})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-tick.C:
		}
	}
}

// wake lets Work look at the jobs again.
func (q *Queue) wake() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *Queue) stop(id string) {
	q.mutex.Lock()
	cancel := q.running[id]
	q.mutex.Unlock()
	if cancel != nil {
		cancel()
	}
}

// next returns the job that this server may claim first: a queued one, or a running one
// that may have lost its server. It is empty where there is none.
func (q *Queue) next() string {
	if !q.Healthy() {
		return ""
	}
	q.mutex.Lock()
	defer q.mutex.Unlock()
	running := make(map[string]int)
	var list []*liveJob
	for id, job := range q.live {
		here := q.running[id] != nil
		if job.State == Running || here {
			running[job.Owner]++
		}
		if !here && time.Now().After(job.retry) {
			list = append(list, job)
		}
	}
	list = slices.DeleteFunc(list, func(job *liveJob) bool {
		return job.State == Queued && q.options.Limits != nil && full(q.options.Limits(job.Owner).Running, running[job.Owner])
	})
	if len(list) == 0 {
		return ""
	}
	return slices.MinFunc(list, func(a, b *liveJob) int {
		return cmp.Or(
			cmp.Compare(rank(a.Job), rank(b.Job)),
			cmp.Compare(running[a.Owner], running[b.Owner]),
			cmp.Compare(begun(b), begun(a)), cmp.Compare(a.revision, b.revision),
		)
	}).ID
}

// retryAt returns when a job may be claimed here that another server has, or seems to have.
func (q *Queue) retryAt(state State) time.Time {
	if state == Running {
		return time.Now().Add(q.options.Lease / 3)
	}
	return time.Now().Add(q.options.Lease / 15) // its server has just taken it, or gives it back
}

func full(limit, n int) bool { return limit > 0 && n >= limit }

// rank orders jobs: orphans first, since they have begun, then by priority.
func rank(job Job) int {
	switch {
	case job.State == Running:
		return 0
	case job.Priority == Batch:
		return 2
	}
	return 1
}

// begun is 1 for a job that a server has begun and given back, else 0.
func begun(job *liveJob) int {
	if job.Started.IsZero() {
		return 0
	}
	return 1
}

// claim takes the lease of a job and stores that it runs here. It returns nil where another
// server has it.
func (q *Queue) claim(ctx context.Context, id string) *Run {
	job, leased, err := q.acquire(ctx, id)
	if !leased {
		q.postpone(id)
		return nil
	}
	run := &Run{Job: job, queue: q, ctx: ctx}
	switch {
	case errors.Is(err, ErrEnded): // cancelled; its server died before it was buried
		err = q.bury(ctx, job)
	case err == nil:
		if err = run.begin(); err == nil {
			return run
		}
	}
	if !errors.Is(err, ErrUnknown) && !errors.Is(err, errBehind) && ctx.Err() == nil {
		q.report(err)
	}
	q.release(id)
	q.postpone(id)
	return nil
}

// acquire takes the lease of a job and stores in its document that it runs here: both at once
// where the job waits, since then only a server that claims it at this moment has the lease.
// That one finds the document changed, and changes it again.
func (q *Queue) acquire(ctx context.Context, id string) (job Job, leased bool, err error) {
	q.mutex.Lock()
	known := q.live[id]
	q.mutex.Unlock()
	var swap sync.WaitGroup
	swapped := known != nil && known.State == Queued
	if swapped {
		job = known.Job
		swap.Go(func() { swapped = q.started(&job) == nil && q.swap(ctx, job, known.revision) == nil })
	}
	leased = q.lease(ctx, id)
	swap.Wait()
	if leased && !swapped {
		job, err = q.change(ctx, id, q.started)
	}
	return job, leased, err
}

// started changes a job to one that runs here.
func (q *Queue) started(job *Job) error {
	if job.State.Ended() {
		return ErrEnded
	}
	if job.Started.IsZero() {
		job.Started = q.now().UTC()
	}
	job.State, job.Server = Running, q.options.Server
	job.Attempts++
	return nil
}

// postpone keeps this server from a job that could not be claimed, for a while.
func (q *Queue) postpone(id string) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if job := q.live[id]; job != nil {
		job.retry = q.retryAt(job.State)
	}
}

// mark sets what stops a job that runs here, or that it runs here no longer.
func (q *Queue) mark(id string, stop func()) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if stop == nil {
		delete(q.running, id)
		return
	}
	q.running[id] = stop
}

// lease takes the lease of a job, if no other server has it. One that an earlier process of
// this server left behind is taken at once, and one that was not renewed for its time as well:
// where the clock of NATS was set back, it does not expire.
func (q *Queue) lease(ctx context.Context, id string) bool {
	_, err := q.leases.Create(ctx, id, []byte(q.options.Server))
	if lost(err) {
		var entry jetstream.KeyValueEntry
		if entry, err = q.leases.Get(ctx, id); err == nil {
			if string(entry.Value()) != q.options.Server && !q.silent(id, entry.Revision()) {
				return false
			}
			_, err = q.leases.Update(ctx, id, []byte(q.options.Server), entry.Revision())
		}
	}
	if err != nil && !lost(err) && ctx.Err() == nil {
		q.report(fmt.Errorf("take the lease of job %s: %w", id, err))
	}
	return err == nil
}

// silent reports whether another server's lease has been of this revision for longer than it
// lasts.
func (q *Queue) silent(id string, revision uint64) bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	job := q.live[id]
	if job == nil {
		return false
	}
	if job.other.revision != revision {
		job.other = otherLease{revision, time.Now()}
	}
	return time.Since(job.other.since) > q.options.Lease
}

// begin reads the journal of a claimed job and stores that it is started.
func (r *Run) begin() error {
	if err := r.load(); err != nil {
		return err
	}
	if r.ended { // the server died before it dropped the document
		return cmp.Or(r.queue.forget(r.ctx, r.ID), errBehind)
	}
	if r.last == 0 {
		job := r.Job
		job.State, job.Started, job.Server, job.Attempts = Queued, time.Time{}, "", 0
		err := r.append(Event{Kind: KindSubmitted, Job: &job})
		if errors.Is(err, errBehind) { // the server that was asked has done so
			err = r.load()
		}
		if err != nil {
			return err
		}
	}
	if n := r.progress(); n > r.Progress { // its servers died, but not of the same candidate
		job, err := r.queue.change(r.ctx, r.ID, func(job *Job) error {
			job.Attempts, job.Progress = 1, n
			return nil
		})
		if err != nil {
			return err
		}
		r.Job = job
	}
	started := r.Job
	r.later(Event{Kind: KindStarted, Job: &started})
	return nil
}

// progress is how much is recorded.
func (r *Run) progress() int { return len(r.recorded) + len(r.duels) }

func (q *Queue) release(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := q.leases.Purge(ctx, id); err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		q.report(fmt.Errorf("release the lease of job %s: %w", id, err))
	}
}

// search runs the search of a claimed job and stores its end.
func (q *Queue) search(ctx context.Context, r *Run, do func(context.Context, *Run) (Outcome, error)) {
	defer q.release(r.ID)
	// Writes to the journal outlive a cancellation, so that the end can be stored.
	r.ctx = context.WithoutCancel(ctx)
	searching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	q.mark(r.ID, func() { cancel(errStopped) })
	renewing, stopRenewing := context.WithCancel(ctx)
	var renewal sync.WaitGroup
	renewal.Go(func() { q.renew(renewing, r.ID, cancel) })
	defer renewal.Wait()
	defer stopRenewing()

	if r.Stopping || q.stopping(r.ID) { // since before it was marked
		cancel(errStopped)
	}
	outcome, err := Outcome{Best: -1}, errors.New("its servers ended while they ran it")
	if r.Attempts <= q.options.Attempts {
		outcome, err = do(searching, r)
	}
	if failure := r.wait(); err == nil {
		err = failure
	}
	defer r.leave(r.ctx, false)
	outcome.Images = len(r.recorded)
	job := r.Job
	job.Ended, job.Outcome = q.now().UTC(), &outcome
	switch cause := context.Cause(searching); {
	case errors.Is(cause, errStopped):
		job.State = Cancelled
	case errors.Is(cause, errBehind), errors.Is(err, errBehind): // another server has the job
		return
	case cause != nil: // this server stops
		q.report(q.giveBack(r))
		return
	case errors.Is(err, ErrStore): // which may be full: nothing can be recorded, the end included
		q.suffer(err)
		q.report(q.giveBack(r))
		return
	case err != nil:
		job.State, job.Error, job.Invalid = Failed, err.Error(), errors.Is(err, reflectionflow.ErrInvalid)
	default:
		job.State = Done
	}
	q.report(q.end(r, job))
	r.drop()
}

// giveBack queues a job again whose search did not come to its end through no fault of its
// own: it does not count as an attempt.
func (q *Queue) giveBack(r *Run) error {
	ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
	defer cancel()
	_, err := q.change(ctx, r.ID, func(job *Job) error {
		job.State = Queued
		job.Attempts--
		return nil
	})
	return err
}

// suffer remembers that the store failed: no job is started for a while.
func (q *Queue) suffer(err error) {
	q.report(err)
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.failed = time.Now()
}

// Healthy reports whether the store took what was written to it lately.
func (q *Queue) Healthy() bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return time.Since(q.failed) > storePause
}

// storePause is how long no job is started after the store failed.
const storePause = 10 * time.Second

// stopping reports whether a job was told to stop.
func (q *Queue) stopping(id string) bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	job := q.live[id]
	return job != nil && job.Stopping
}

// end stores the last event of a job and drops its document.
func (q *Queue) end(r *Run, job Job) error {
	job.Stopping = false
	if err := r.append(Event{Kind: Kind(job.State), Job: &job}); err != nil {
		if errors.Is(err, errBehind) {
			return nil
		}
		return err
	}
	return q.forget(r.ctx, job.ID)
}

// renew renews the lease of a job until ctx ends. When another server has it, or it could
// not be renewed in time, the search ends.
func (q *Queue) renew(ctx context.Context, id string, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(q.options.Lease / 5)
	defer tick.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		entry, err := q.leases.Get(ctx, id)
		if err == nil && string(entry.Value()) == q.options.Server {
			_, err = q.leases.Update(ctx, id, entry.Value(), entry.Revision())
		} else if err == nil || errors.Is(err, jetstream.ErrKeyNotFound) {
			cancel(errBehind)
			return
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			renewed = time.Now()
		case time.Since(renewed) > q.options.Lease:
			cancel(errBehind)
			return
		default:
			q.report(fmt.Errorf("renew the lease of job %s: %w", id, err))
		}
	}
}
