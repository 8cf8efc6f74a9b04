package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"reflectionflow"
)

// Engine is what a worker works with. Parts of roles that it does not have are nil.
type Engine struct {
	Name  string // of the worker: letters, digits, dots, dashes
	Model Model
	Roles []Role
	Slots int // tasks of a role at once, at least 1

	Generator reflectionflow.Generator
	Verifier  reflectionflow.Verifier
	Reflector reflectionflow.Reflector
	Refiner   reflectionflow.Refiner
}

// worker is an engine at work.
type worker struct {
	*Fleet
	engine Engine
	mutex  sync.Mutex
	tasks  map[string]context.CancelCauseFunc // under way, by ID
	// alone is held by a task that was delivered before: it may end the worker, and no
	// other task is to end with it.
	alone sync.RWMutex
}

// errCancelled is the cause of a task's end when its caller is gone.
var errCancelled = errors.New("the task was cancelled")

// errClosed ends a worker whose connection was closed.
var errClosed = errors.New("the connection to NATS was closed")

// Work registers the worker and works until ctx ends; then it takes no more tasks and
// finishes those that it has.
func (f *Fleet) Work(ctx context.Context, e Engine) error {
	if err := e.check(); err != nil {
		return err
	}
	w := &worker{Fleet: f, engine: e, tasks: map[string]context.CancelCauseFunc{}}
	stops, err := f.bus.Conn.Subscribe(cancelSubject, func(m *nats.Msg) { w.cancelled(string(m.Data)) })
	if err != nil {
		return fmt.Errorf("listen to cancellations: %w", err)
	}
	defer func() { _ = stops.Unsubscribe() }()
	if err := f.publish(ctx, f.models, e.Model.Fingerprint, e.Model); err != nil {
		return err
	}
	consumers := make([]jetstream.Consumer, len(e.Roles))
	for i, role := range e.Roles {
		if consumers[i], err = w.consumer(ctx, role); err != nil {
			return err
		}
	}
	leave, err := w.register(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var pulling sync.WaitGroup
	for _, c := range consumers {
		pulling.Go(func() { w.pull(ctx, c, newSlots(e.Slots)) })
	}
	pulling.Wait()
	if f.bus.Conn.IsClosed() && ctx.Err() == nil {
		return errClosed
	}
	return ctx.Err()
}

func (e Engine) check() error {
	has := map[Role]bool{Draw: e.Generator != nil, Verify: e.Verifier != nil, Reflect: e.Reflector != nil || e.Refiner != nil}
	for _, role := range e.Roles {
		if !has[role] {
			return fmt.Errorf("%w: the model has no part for the role %q: use %v", reflectionflow.ErrInvalid, role, Roles())
		}
	}
	switch {
	case len(e.Roles) == 0 || e.Slots < 1:
		return fmt.Errorf("%w: a worker needs a role and a slot", reflectionflow.ErrInvalid)
	case !nameForm.MatchString(e.Name):
		return fmt.Errorf("%w: worker name %.140q: use letters, digits, _, - and dots, at most 128", reflectionflow.ErrInvalid, e.Name)
	case !isHash(e.Model.Fingerprint):
		return fmt.Errorf("%w: the model's fingerprint is no SHA-256 sum", reflectionflow.ErrInvalid)
	}
	return nil
}

// spare is how many deliveries of a task remain beside its tries: for those that did not
// begin, and for writing that it failed.
const spare = 1000

// consumer is what the workers of a model share for a role.
func (w *worker) consumer(ctx context.Context, role Role) (c jetstream.Consumer, err error) {
	fingerprint := w.engine.Model.Fingerprint
	err = w.bus.Make(ctx, "tasks of the role "+string(role), w.options.Report, func(ctx context.Context) error {
		c, err = w.Fleet.tasks.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: fingerprint + "-" + string(role), FilterSubject: taskPrefix + fingerprint + "." + string(role),
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: w.options.Silence, MaxDeliver: w.options.Tries + spare, MaxAckPending: -1,
		})
		return err
	})
	return c, err
}

// register says that the worker is there, again and again until the returned function is
// called.
func (w *worker) register(ctx context.Context) (leave func(), err error) {
	m := w.engine.Model
	key := w.engine.Name + "." + nuid.Next()
	entry := Worker{w.engine.Name, slices.Clone(w.engine.Roles), w.engine.Slots, m.Name, m.Fingerprint, m.Version}
	if err := w.publish(ctx, w.workers, key, entry); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(w.options.Silence / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := w.publish(ctx, w.workers, key, entry); ctx.Err() == nil {
					w.report(err)
				}
			}
		}
	})
	return func() {
		stop()
		done.Wait()
		leaving, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if !w.bus.Conn.IsClosed() {
			w.report(w.workers.Purge(leaving, key))
		}
	}, nil
}

// pullTime is how long a worker waits for a task before it asks again, and so how long an
// idle one takes to stop.
const pullTime = 2 * time.Second

// pull takes one task after the other, and waits for those under way when ctx ends.
func (w *worker) pull(ctx context.Context, c jetstream.Consumer, s *slots) {
	var under sync.WaitGroup
	defer under.Wait()
	l := &lane{w, ctx, c, &under}
	for ctx.Err() == nil && !w.bus.Conn.IsClosed() {
		select {
		case s.engine <- struct{}{}:
		case <-ctx.Done():
			return
		}
		place := &place{slots: s, held: true}
		given, err := l.take(place, func() (jetstream.MessageBatch, error) { return c.Fetch(1, jetstream.FetchMaxWait(pullTime)) })
		if !given {
			place.leave()
		}
		if err == nil || w.bus.Conn.IsClosed() {
			continue
		}
		w.report(fmt.Errorf("take a task: %w", err))
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// lane is where a worker's tasks of a role come from.
type lane struct {
	*worker
	ctx   context.Context //nolint:containedctx // of pull, which ends after all that it starts
	tasks jetstream.Consumer
	under *sync.WaitGroup // tasks
}

// take handles the task of a batch, if it has one.
func (l *lane) take(p *place, fetch func() (jetstream.MessageBatch, error)) (given bool, err error) {
	batch, err := fetch()
	if err != nil {
		return false, err
	}
	for msg := range batch.Messages() {
		if l.ctx.Err() != nil {
			l.report(msg.Nak()) // another worker takes it at once
			continue
		}
		given = true
		l.under.Go(func() { l.handle(context.WithoutCancel(l.ctx), msg, p) })
	}
	return given, batch.Error()
}

// ahead takes the task that has a place after this one, when its engine is about to end: if
// any waits in the queue, for then no other worker is free. It is prepared meanwhile.
func (l *lane) ahead(p *place) {
	soon, left := p.begin()
	l.under.Go(func() {
		select {
		case <-l.ctx.Done():
			return
		case <-left:
			return
		case <-soon:
		}
		next := p.bequeath()
		if next == nil {
			return
		}
		// An error comes again when the place is free.
		if given, _ := l.take(next, func() (jetstream.MessageBatch, error) { return l.tasks.FetchNoWait(1) }); !given {
			next.leave()
		}
	})
}
