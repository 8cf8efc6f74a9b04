package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Options are those of a server's view of the queue.
type Options struct {
	// Server names this process among those that share the queue.
	Server string
	// Lease is how long a server may be silent before others take over its jobs; 0 means
	// 15 s.
	Lease time.Duration
	// Attempts is how often a job is started before it fails, since its servers died before
	// anything more was recorded; 0 means 5.
	Attempts int
	Limits   func(owner string) Limits // nil for none
	// Report receives errors that end nothing, such as a lost connection; nil drops them.
	Report func(error)
}

// Limits bound the jobs of an owner and of all; 0 is no bound.
type Limits struct {
	Queued      int // of the owner
	Running     int // of the owner: more wait
	QueuedOfAll int
}

// Queue is a server's view of the jobs. Its methods may be called from several goroutines.
type Queue struct {
	bus *Bus
	stores
	options Options
	now     func() time.Time // for what is recorded; how long something takes no clock's change alters

	mutex   sync.Mutex
	live    map[string]*liveJob // queued and running
	opened  bool                // all live jobs are known
	changed chan struct{}       // closed and replaced when live changes
	running map[string]func()   // cancels a job's search, of the jobs that run here, or will
	hears   func(Event, uint64) // see [Queue.Hear]
	failed  time.Time           // when the store failed last
	recent  recent
	watcher jetstream.KeyWatcher
	done    sync.WaitGroup
}

// liveJob is a job in the bucket.
type liveJob struct {
	Job
	revision uint64
	retry    time.Time // when this server may claim it
	other    otherLease
}

// otherLease is another server's lease of a job, as this one has seen it.
type otherLease struct {
	revision uint64
	since    time.Time // when it was seen first
}

// Open opens the queue, and makes its streams where there are none.
func Open(ctx context.Context, bus *Bus, o Options) (*Queue, error) {
	if o.Lease <= 0 {
		o.Lease = 15 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 5
	}
	s, err := bus.openStores(ctx, o.Lease, o.Report)
	if err != nil {
		return nil, err
	}
	q := &Queue{bus: bus, stores: s, options: o, now: time.Now, live: map[string]*liveJob{}, changed: make(chan struct{}), running: map[string]func(){}}
	if q.watcher, err = s.jobs.WatchAll(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("watch the jobs: %w", err)
	}
	ready := make(chan struct{})
	q.done.Go(func() { q.watch(ready) })
	select {
	case <-ready:
		return q, nil
	case <-ctx.Done():
		q.Close()
		return nil, ctx.Err()
	}
}

// Close ends the view. Jobs that run here must have been stopped before: see [Queue.Work].
func (q *Queue) Close() {
	if err := q.watcher.Stop(); err != nil {
		q.report(err)
	}
	q.done.Wait()
}

func (q *Queue) report(err error) {
	if q.options.Report != nil && err != nil {
		q.options.Report(err)
	}
}

// watch keeps the live jobs in memory. It closes ready when it has seen all.
func (q *Queue) watch(ready chan struct{}) {
	for entry := range q.watcher.Updates() {
		if entry == nil {
			q.mutex.Lock()
			q.opened = true
			q.mutex.Unlock()
			close(ready)
			continue
		}
		q.take(entry)
	}
}

// take takes a change of a job's document into the view. Entries may come from the watcher
// and from this server's own writes, in any order: the latest counts.
func (q *Queue) take(entry jetstream.KeyValueEntry) {
	var job Job
	gone := entry.Operation() != jetstream.KeyValuePut
	if !gone {
		if err := json.Unmarshal(entry.Value(), &job); err != nil {
			q.report(fmt.Errorf("read job %s: %w", entry.Key(), err))
			return
		}
	}
	q.keep(entry.Key(), job, entry.Revision(), gone)
}

// keep updates the view with a job's document of a revision.
func (q *Queue) keep(id string, job Job, revision uint64, gone bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if old := q.live[id]; old != nil && old.revision >= revision {
		return
	}
	if gone {
		delete(q.live, id)
	} else {
		live := &liveJob{Job: job, revision: revision}
		if old := q.live[id]; old != nil {
			live.other = old.other
		}
		if q.opened && job.State == Running && job.Server != q.options.Server {
			live.retry = q.retryAt(Running) // that server is alive
		}
		q.live[id] = live
		if cancel := q.running[id]; cancel != nil && job.Stopping { // the message may be lost
			cancel()
		}
	}
	close(q.changed)
	q.changed = make(chan struct{})
}

// Submit stores a job. When it returns without an error the job is durable. The same
// owner, key and spec return the job that was submitted before; another spec with them is
// [ErrConflict]. An empty key makes a new job each time. A job over the limits is a
// [LimitError].
func (q *Queue) Submit(ctx context.Context, spec Spec, key string) (Job, error) {
	if err := spec.Validate(); err != nil {
		return Job{}, err
	}
	if spec.Priority == "" {
		spec.Priority = Interactive
	}
	job := Job{ID: newID(q.now(), spec.Owner, key), Spec: spec, State: Queued, Created: q.now().UTC()}
	if key != "" {
		if old, err := q.Job(ctx, job.ID); !errors.Is(err, ErrUnknown) {
			return same(old, job, err)
		}
	}
	if err := q.admit(job); err != nil {
		return Job{}, err
	}
	data, err := json.Marshal(job)
	if err != nil {
		return Job{}, fmt.Errorf("encode the job: %w", err)
	}
	ctx = context.WithoutCancel(ctx) // a caller that leaves now is no failure of the store; Persist has its limit
	var revision uint64
	err = q.bus.Persist(ctx, Patience{Report: q.report}, func(ctx context.Context) error {
		revision, err = q.jobs.Create(ctx, job.ID, data)
		return err
	})
	if errors.Is(err, jetstream.ErrKeyExists) { // submitted twice at once, or the receipt was lost
		old, err := q.Job(ctx, job.ID)
		return same(old, job, err)
	}
	if err != nil {
		err = fmt.Errorf("%w: the job: %w", ErrStore, err)
		q.suffer(err)
		return Job{}, err
	}
	q.keep(job.ID, job, revision, false)
	// Whoever runs the job stores this event if we do not come to it.
	if _, err := q.append(ctx, Event{JobID: job.ID, Kind: KindSubmitted, Job: &job}, 0); err != nil && !errors.Is(err, errBehind) {
		q.report(err)
	}
	return job, nil
}

// same returns a job that has the ID of another one, if they ask for the same.
func same(old, job Job, err error) (Job, error) {
	if err != nil {
		return Job{}, err
	}
	a, _ := json.Marshal(old.Spec)
	b, _ := json.Marshal(job.Spec)
	if string(a) != string(b) {
		return Job{}, ErrConflict
	}
	return old, nil
}

// admit reports a job over the limits of its owner or of all.
func (q *Queue) admit(job Job) error {
	if q.options.Limits == nil {
		return nil
	}
	limits := q.options.Limits(job.Owner)
	q.mutex.Lock()
	defer q.mutex.Unlock()
	own, all := 0, 0
	for _, other := range q.live {
		if other.State != Queued {
			continue
		}
		all++
		if other.Owner == job.Owner {
			own++
		}
	}
	switch {
	case limits.Queued > 0 && own >= limits.Queued:
		return &LimitError{fmt.Sprintf("you have %d jobs waiting, the most that you may have", own), retryAfter(own)}
	case limits.QueuedOfAll > 0 && all >= limits.QueuedOfAll:
		return &LimitError{fmt.Sprintf("%d jobs are waiting, the most that the server takes", all), retryAfter(all)}
	}
	return nil
}

// retryAfter guesses when a place is free, from the number of jobs that wait.
func retryAfter(waiting int) time.Duration {
	return min(time.Duration(5+waiting/10)*time.Second, time.Minute)
}

// Job returns a job, live or ended, or [ErrUnknown].
func (q *Queue) Job(ctx context.Context, id string) (Job, error) {
	if !ValidID(id) {
		return Job{}, ErrUnknown
	}
	job, _, err := q.document(ctx, id)
	if err != nil && !errors.Is(err, ErrUnknown) || err == nil && job.State == Queued {
		return job, err
	}
	// The event that ends a job comes before its document is dropped.
	e, failure := q.lastEvent(ctx, id)
	if failure == nil && e.Job != nil && e.Job.State.Ended() {
		return *e.Job, nil
	}
	if err != nil {
		return Job{}, cmp.Or(failure, err)
	}
	return job, nil
}

// document returns the document of a live job.
func (q *Queue) document(ctx context.Context, id string) (job Job, revision uint64, err error) {
	var entry jetstream.KeyValueEntry
	err = q.bus.Persist(ctx, Patience{Report: q.report}, func(ctx context.Context) error {
		entry, err = q.jobs.Get(ctx, id)
		return err
	})
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return job, 0, ErrUnknown
	}
	if err != nil {
		return job, 0, fmt.Errorf("read job %s: %w", id, err)
	}
	if err := json.Unmarshal(entry.Value(), &job); err != nil {
		return job, 0, fmt.Errorf("read job %s: %w", id, err)
	}
	return job, entry.Revision(), nil
}

// change changes a live job by compare-and-swap, until it succeeds or edit reports an error.
func (q *Queue) change(ctx context.Context, id string, edit func(*Job) error) (Job, error) {
	for {
		job, revision, err := q.document(ctx, id)
		if err != nil {
			return Job{}, err
		}
		if err := edit(&job); err != nil {
			return job, err
		}
		switch err := q.swap(ctx, job, revision); {
		case err == nil:
			return job, nil
		case !lost(err):
			return Job{}, fmt.Errorf("store job %s: %w", id, err)
		}
	}
}

// swap stores a job's document if its revision is still the latest.
func (q *Queue) swap(ctx context.Context, job Job, revision uint64) error {
	data, err := json.Marshal(job)
	if err != nil {
		return err
	}
	var next uint64
	err = q.bus.Persist(ctx, Patience{Report: q.report}, func(ctx context.Context) error {
		next, err = q.jobs.Update(ctx, job.ID, data, revision)
		return err
	})
	if err != nil {
		return err
	}
	q.keep(job.ID, job, next, false)
	return nil
}

// Jobs returns the live jobs, queued and running, in no particular order.
func (q *Queue) Jobs() []Job {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	list := make([]Job, 0, len(q.live))
	for _, job := range q.live {
		if !job.State.Ended() {
			list = append(list, job.Job)
		}
	}
	return list
}

// Cancel ends a queued job at once and tells the server of a running one to stop. A job
// that has ended is [ErrEnded].
func (q *Queue) Cancel(ctx context.Context, id string) (Job, error) {
	if !ValidID(id) {
		return Job{}, ErrUnknown
	}
	job, err := q.change(ctx, id, func(job *Job) error {
		if job.State == Queued {
			job.State, job.Ended = Cancelled, q.now().UTC()
			return nil
		}
		job.Stopping = true
		return nil
	})
	if errors.Is(err, ErrUnknown) {
		if job, err := q.Job(ctx, id); err == nil {
			return job, ErrEnded
		}
		return Job{}, err
	}
	if err != nil {
		return Job{}, err
	}
	if job.State.Ended() {
		return job, q.bury(ctx, job)
	}
	return job, q.bus.Conn.Publish(stopPrefix+id, nil)
}

// bury stores the last event of a job that has ended without running, and drops its
// document. Several servers may do so at once: one of them stores the event.
func (q *Queue) bury(ctx context.Context, job Job) error {
	for {
		last, err := q.lastEvent(ctx, job.ID)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return err
		}
		if last.Job != nil && last.Job.State.Ended() {
			return q.forget(ctx, job.ID)
		}
		if _, err := q.append(ctx, Event{JobID: job.ID, Kind: Kind(job.State), Job: &job}, last.Sequence); !errors.Is(err, errBehind) && err != nil {
			return err
		}
	}
}

// forget drops the document of a job whose last event is stored.
func (q *Queue) forget(ctx context.Context, id string) error {
	err := q.bus.Persist(ctx, Patience{Report: q.report}, func(ctx context.Context) error { return q.jobs.Purge(ctx, id) })
	if err != nil {
		return fmt.Errorf("drop the document of job %s: %w", id, err)
	}
	q.mutex.Lock()
	defer q.mutex.Unlock()
	delete(q.live, id) // the watcher comes later
	return nil
}

// Delete drops all that is stored of a job that has ended: its events and its images.
func (q *Queue) Delete(ctx context.Context, id string) error {
	job, err := q.Job(ctx, id)
	if err != nil {
		return err
	}
	if !job.State.Ended() {
		return ErrLive
	}
	events, err := q.Events(ctx, id, 0)
	if err != nil {
		return err
	}
	names, last := append([]string{job.Image}, job.Others...), uint64(0)
	for _, e := range events {
		last = e.Sequence
		if e.Image != nil {
			names = append(names, e.Image.Name)
		}
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		if err := q.RemoveImage(ctx, name); err != nil {
			return err
		}
	}
	if err := q.favourites.Purge(ctx, id); err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("delete the favourite %s: %w", id, err)
	}
	if err := q.events.Purge(ctx, jetstream.WithPurgeSubject(eventPrefix+id)); err != nil {
		return fmt.Errorf("delete the events of job %s: %w", id, err)
	}
	return q.bus.Conn.Publish(gonePrefix+id, strconv.AppendUint(nil, last, 10))
}
