package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"reflectionflow"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/tracing"
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
	var slots sync.WaitGroup
	for _, c := range consumers {
		for range e.Slots {
			slots.Go(func() { w.pull(ctx, c) })
		}
	}
	slots.Wait()
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

// pullTime is how long a slot waits for a task before it asks again, and so how long an
// idle worker takes to stop.
const pullTime = 2 * time.Second

// pull works on one task after the other.
func (w *worker) pull(ctx context.Context, c jetstream.Consumer) {
	for ctx.Err() == nil && !w.bus.Conn.IsClosed() {
		batch, err := c.Fetch(1, jetstream.FetchMaxWait(pullTime))
		if err == nil {
			for msg := range batch.Messages() {
				if ctx.Err() != nil {
					w.report(msg.Nak()) // another worker takes it at once
					continue
				}
				w.handle(context.WithoutCancel(ctx), msg)
			}
			err = batch.Error()
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

// handle answers a message. It is acknowledged once its answer is stored.
func (w *worker) handle(ctx context.Context, msg jetstream.Msg) {
	t, err := readTask(msg.Data())
	meta, failure := msg.Metadata()
	if err = errors.Join(err, failure); err != nil {
		w.report(errors.Join(err, msg.Term()))
		return
	}
	ctx, done := w.begin(ctx, t.ID, meta.Sequence.Stream, msg)
	defer done()
	if meta.NumDelivered > 1 {
		w.alone.Lock()
		defer w.alone.Unlock()
	} else {
		w.alone.RLock()
		defer w.alone.RUnlock()
	}
	if context.Cause(ctx) == nil {
		err = w.settle(ctx, t, meta.NumDelivered > 1)
	}
	switch {
	case errors.Is(context.Cause(ctx), errCancelled):
		w.report(ignoreClosed(msg.Term()))
		return
	case err != nil: // it is delivered again
		w.report(fmt.Errorf("task %s: %w", t.ID, err))
		_ = msg.NakWithDelay(w.options.Silence / 5)
		return
	}
	if err := msg.Ack(); err != nil {
		w.report(ignoreClosed(err))
		return
	}
	w.report(ignoreClosed(w.bus.Conn.Publish(t.To, []byte(t.ID))))
}

// settle sees to it that the answer of a task is stored, unless the task was cancelled.
func (w *worker) settle(ctx context.Context, t task, again bool) error {
	name := answerName(t.Key)
	if _, err := w.recall(ctx, name); !errors.Is(err, errMissing) {
		return err
	}
	tried := 0
	if again {
		var err error
		if tried, err = w.tried(ctx, t.ID); err != nil {
			return err
		}
	}
	var a answer
	if tried < w.options.Tries {
		a = w.answer(ctx, t)
	} else {
		a = failed(fmt.Errorf("%w: %d workers ended while they worked on it, so it is given up", reflectionflow.ErrPermanent, tried), false)
		w.report(fmt.Errorf("task %s (%s) is given up after %d tries", t.ID, t.role(), tried))
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if !a.lasting() {
		name = failureName(t.ID)
	}
	return w.record(ctx, name, a)
}

// tried returns how often a task that was delivered before was begun, and counts the try
// that follows. The first delivery is taken for one; later ones count when they begin, for
// a task that waits for its turn may end with a worker that another task ended.
func (w *worker) tried(ctx context.Context, id string) (int, error) {
	n := 1
	err := w.bus.Persist(ctx, w.patience(0), func(ctx context.Context) error {
		entry, err := w.tries.Get(ctx, id)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		if err == nil {
			n, err = strconv.Atoi(string(entry.Value()))
		}
		return err
	})
	if err == nil && n < w.options.Tries {
		err = w.bus.Persist(ctx, w.patience(0), func(ctx context.Context) error {
			_, err := w.tries.PutString(ctx, id, strconv.Itoa(n+1))
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("count the tries of task %s: %w", id, err)
	}
	return n, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, nats.ErrConnectionClosed) {
		return nil
	}
	return err
}

// record stores an answer.
func (w *worker) record(ctx context.Context, name string, a answer) error {
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	return w.put(ctx, name, data, w.longPatience(len(data)))
}

// longPatience is that of storing what cost time or money: it is tried for as long as it
// takes, since the store may be full.
func (w *worker) longPatience(size int) jobs.Patience {
	p := w.patience(size)
	p.Limit, p.Final = math.MaxInt64, func(error) bool { return false }
	return p
}

// begin returns the context of a task, which ends when the task is cancelled, and keeps
// the message from being delivered to others until done is called.
//
// A caller that cancels first deletes the message and then tells the workers. What it tells
// can be lost, or come before the task is known here, so the message is looked for as well.
func (w *worker) begin(ctx context.Context, id string, sequence uint64, msg jetstream.Msg) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.mutex.Lock()
	w.tasks[id] = cancel
	w.mutex.Unlock()
	if w.deleted(ctx, sequence) {
		cancel(errCancelled)
	}
	var alive sync.WaitGroup
	stop := make(chan struct{})
	alive.Go(func() {
		tick := time.NewTicker(w.options.Silence / 3)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				w.report(ignoreClosed(msg.InProgress()))
				if w.deleted(ctx, sequence) {
					cancel(errCancelled)
				}
			}
		}
	})
	return ctx, func() {
		close(stop)
		alive.Wait()
		w.mutex.Lock()
		delete(w.tasks, id)
		w.mutex.Unlock()
		cancel(nil)
	}
}

// deleted reports whether a task is surely no longer in the stream.
func (w *worker) deleted(ctx context.Context, sequence uint64) bool {
	ctx, stop := context.WithTimeout(ctx, w.options.Silence/3)
	defer stop()
	_, err := w.Fleet.tasks.GetMsg(ctx, sequence)
	return errors.Is(err, jetstream.ErrMsgNotFound)
}

func (w *worker) cancelled(id string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if cancel := w.tasks[id]; cancel != nil {
		cancel(errCancelled)
	}
}

// answer answers a task with the engine.
func (w *worker) answer(ctx context.Context, t task) answer {
	ctx, span := tracing.Begin(tracing.Continue(ctx, t.Trace), "worker "+string(t.role()), tracing.Text("worker.name", w.engine.Name), tracing.Text("worker.model", w.engine.Model.Name))
	a, err := w.work(ctx, t)
	span.End(err)
	if err != nil {
		return failed(err, true)
	}
	return a
}

func (w *worker) work(ctx context.Context, t task) (answer, error) {
	looked, err := w.image(ctx, t.Image)
	if err != nil {
		return answer{}, err
	}
	reference, err := w.image(ctx, t.Reference)
	if err != nil {
		return answer{}, err
	}
	switch {
	case t.Draw != nil:
		r := *t.Draw
		r.Reference = reference
		return w.draw(w.sketching(ctx, t), r)
	case t.Verify != nil:
		score, err := one(w.engine.Verifier.Verify(ctx, []reflectionflow.PromptedImage{{Prompt: *t.Verify, Image: looked}}))
		cost := score.Cost
		score.Cost = reflectionflow.Cost{}
		return answer{Score: &score}.priced(cost), err
	}
	from := t.Reflect
	if from == nil {
		from = t.Refine
	}
	o := reflectionflow.Observation{Prompt: from.Prompt, Request: from.Request, Image: looked, Score: from.Score, Reflection: from.Reflection, Seed: from.Seed}
	o.Request.Reference = reference
	switch {
	case t.Reflect != nil && w.engine.Reflector != nil:
		said, err := one(w.engine.Reflector.Reflect(ctx, []reflectionflow.Observation{o}))
		cost := said.Cost
		said.Cost = reflectionflow.Cost{}
		return answer{Reflection: &said}.priced(cost), err
	case t.Refine != nil && w.engine.Refiner != nil:
		said, err := one(w.engine.Refiner.Refine(ctx, []reflectionflow.Observation{o}))
		return answer{Refinement: said.Text}.priced(said.Cost), err
	}
	return answer{}, fmt.Errorf("%w: the workers' model cannot do this", reflectionflow.ErrInvalid)
}

// draw generates an image and stores it.
func (w *worker) draw(ctx context.Context, r reflectionflow.Request) (answer, error) {
	made, err := one(w.engine.Generator.Generate(ctx, []reflectionflow.Request{r}))
	if err != nil {
		return answer{}, err
	}
	if made.Err != nil {
		return failed(made.Err, false).priced(made.Cost), nil //nolint:nilerr // it is the answer
	}
	if made.Image == nil {
		return answer{}, errors.New("the generator returned neither an image nor an error")
	}
	a := answer{Unseeded: made.Unseeded, Warnings: made.Warnings}.priced(made.Cost)
	a.Image, err = w.upload(ctx, made.Image, w.longPatience)
	return a, err
}

// one is the only answer of a call.
func one[T any](list []T, err error) (answer T, _ error) {
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("the engine returned %d answers to one request", len(list))
	}
	if err != nil {
		return answer, err
	}
	return list[0], nil
}
