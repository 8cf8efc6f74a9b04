package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/tracing"
)

// assignment is a task that this worker has.
type assignment struct {
	task
	msg      jetstream.Msg
	sequence uint64
	again    bool // it was delivered before
	claim    *claim
	place    *place
	lane     *lane
	looked   chan struct{} // closed when the message was looked for, see begin
}

// handle answers a message. It is acknowledged once its answer is stored.
func (l *lane) handle(ctx context.Context, msg jetstream.Msg, p *place) {
	w := l.worker
	defer p.end()
	t, err := readTask(msg.Data())
	meta, failure := msg.Metadata()
	if err = errors.Join(err, failure); err != nil {
		w.report(errors.Join(err, msg.Term()))
		return
	}
	given := &assignment{t, msg, meta.Sequence.Stream, meta.NumDelivered > 1, newClaim(t.Key), p, l, make(chan struct{})}
	ctx, done := w.begin(ctx, given)
	defer done()
	a, err := w.settle(ctx, given)
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
	w.report(ignoreClosed(w.tell(t, a)))
}

// settle sees to it that the answer of a task is stored, unless the task was cancelled, and
// returns it. The engine works while the task has its place and its claim.
func (w *worker) settle(ctx context.Context, t *assignment) (a keptAnswer, err error) {
	a.answer, err = w.known(ctx, t)
	if !errors.Is(err, errMissing) {
		return a, err
	}
	defer func() {
		if err != nil || !a.lasting() {
			w.unclaim(context.WithoutCancel(ctx), t.claim) // who asks again need not wait
		}
	}()
	shown := w.load(ctx, t.task)
	if err := t.place.enter(ctx); err != nil {
		return a, err
	}
	if t.again {
		w.alone.Lock()
		defer w.alone.Unlock()
	} else {
		w.alone.RLock()
		defer w.alone.RUnlock()
	}
	<-t.looked
	if err := context.Cause(ctx); err != nil {
		return a, err
	}
	tried := 0
	if t.again {
		if tried, err = w.tried(ctx, t.ID); err != nil {
			return a, err
		}
	}
	if tried < w.options.Tries {
		t.lane.ahead(t.place)
		a = w.answer(ctx, t, shown)
		a.New = true
	} else {
		a.answer = failed(fmt.Errorf("%w: %d workers ended while they worked on it, so it is given up", reflectionflow.ErrPermanent, tried), false)
		w.report(fmt.Errorf("task %s (%s) is given up after %d tries", t.ID, t.role(), tried))
	}
	if err := context.Cause(ctx); err != nil {
		return a, err
	}
	t.place.finish()
	return a, w.record(ctx, t.task, a)
}

// known returns the stored answer to a task, or errMissing when nobody else works on the
// question, and it is claimed. While somebody does, the task leaves its place.
func (w *worker) known(ctx context.Context, t *assignment) (a answer, err error) {
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		claimed := make(chan error, 1)
		go func() { claimed <- w.claim(ctx, t.claim) }()
		a, err = w.recall(ctx, answerName(t.Key))
		failure := <-claimed
		switch {
		case context.Cause(ctx) != nil:
			err = context.Cause(ctx)
		case errors.Is(err, errMissing) && failure == nil:
			return a, err
		case errors.Is(err, errMissing) && !errors.Is(failure, errClaimed):
			err = failure
		}
		if !errors.Is(err, errMissing) {
			if failure == nil {
				w.unclaim(context.WithoutCancel(ctx), t.claim)
			}
			return a, err
		}
		t.place.leave()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Pauses between looks for an answer that another worker works on.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = time.Second
)

// tell tells the caller of a task its answer, which is stored; without the image where that
// is too large for a message.
func (w *worker) tell(t task, a keptAnswer) error {
	if int64(len(a.File)) > w.bus.Conn.MaxPayload()/2 {
		a.File = nil
	}
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	msg := nats.NewMsg(t.To)
	msg.Header.Set(answerTask, t.ID)
	if msg.Data = data; int64(len(data)) > w.bus.Conn.MaxPayload()-4<<10 {
		msg.Data = nil // it is read from the store
	}
	return w.bus.Conn.PublishMsg(msg)
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

// record stores an answer, and the image that it names: an answer whose image is missing is
// none.
func (w *worker) record(ctx context.Context, t task, a keptAnswer) error {
	name := answerName(t.Key)
	if !a.lasting() {
		name = failureName(t.ID)
	}
	data, err := json.Marshal(a.answer)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	imaged := make(chan error, 1)
	go func() {
		if a.File == nil {
			imaged <- nil
			return
		}
		w.files.put(a.Image, a.File)
		imaged <- w.put(ctx, imageName(a.Image), a.File, w.longPatience(len(a.File)))
	}()
	err = w.put(ctx, name, data, w.longPatience(len(data)))
	return errors.Join(err, <-imaged)
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
func (w *worker) begin(ctx context.Context, t *assignment) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.mutex.Lock()
	w.tasks[t.ID] = cancel
	w.mutex.Unlock()
	var alive sync.WaitGroup
	stop := make(chan struct{})
	alive.Go(func() {
		if w.deleted(ctx, t.sequence) {
			cancel(errCancelled)
		}
		close(t.looked)
		tick := time.NewTicker(w.options.Silence / 3)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				w.report(ignoreClosed(t.msg.InProgress()))
				w.renew(ctx, t.claim)
				if w.deleted(ctx, t.sequence) {
					cancel(errCancelled)
				}
			}
		}
	})
	return ctx, func() {
		close(stop)
		alive.Wait()
		w.mutex.Lock()
		delete(w.tasks, t.ID)
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

// images are those of a task.
type images struct {
	looked, reference image.Image
	others            *reflectionflow.Images
	err               error
}

// load reads the images of a task.
func (w *worker) load(ctx context.Context, t task) (s images) {
	if s.looked, s.err = w.image(ctx, t.Image); s.err == nil {
		s.reference, s.err = w.image(ctx, t.Reference)
	}
	others := make([]image.Image, len(t.Others))
	for i, hash := range t.Others {
		if s.err == nil {
			others[i], s.err = w.image(ctx, hash)
		}
	}
	s.others = reflectionflow.NewImages(others...)
	return s
}

// answer answers a task with the engine.
func (w *worker) answer(ctx context.Context, t *assignment, s images) keptAnswer {
	ctx, span := tracing.Begin(tracing.Continue(ctx, t.Trace), "worker "+string(t.role()), tracing.Text("worker.name", w.engine.Name), tracing.Text("worker.model", w.engine.Model.Name))
	a, err := keptAnswer{}, s.err
	if err == nil {
		a, err = w.work(ctx, t, s)
	}
	span.End(err)
	if err != nil {
		a = keptAnswer{answer: failed(err, true)}
		a.Failure.Missing = errors.Is(err, errMissing)
	}
	return a
}

func (w *worker) work(ctx context.Context, t *assignment, s images) (keptAnswer, error) {
	switch {
	case t.Draw != nil:
		r := *t.Draw
		r.Reference, r.Others = s.reference, s.others
		made, err := one(w.engine.Generator.Generate(w.sketching(ctx, t.task), []reflectionflow.Request{r}))
		if err != nil {
			return keptAnswer{}, err
		}
		t.place.finish()
		return drawn(made)
	case t.Verify != nil:
		score, err := one(w.engine.Verifier.Verify(ctx, []reflectionflow.PromptedImage{{Prompt: *t.Verify, Image: s.looked}}))
		cost := score.Cost
		score.Cost = reflectionflow.Cost{}
		return keptAnswer{answer: answer{Score: &score}.priced(cost)}, err
	}
	from := t.Reflect
	if from == nil {
		from = t.Refine
	}
	o := reflectionflow.Observation{Prompt: from.Prompt, Request: from.Request, Image: s.looked, Score: from.Score, Reflection: from.Reflection, Seed: from.Seed}
	o.Request.Reference, o.Request.Others = s.reference, s.others
	switch {
	case t.Reflect != nil && w.engine.Reflector != nil:
		said, err := one(w.engine.Reflector.Reflect(ctx, []reflectionflow.Observation{o}))
		cost := said.Cost
		said.Cost = reflectionflow.Cost{}
		return keptAnswer{answer: answer{Reflection: &said}.priced(cost)}, err
	case t.Refine != nil && w.engine.Refiner != nil:
		said, err := one(w.engine.Refiner.Refine(ctx, []reflectionflow.Observation{o}))
		return keptAnswer{answer: answer{Refinement: said.Text}.priced(said.Cost)}, err
	}
	return keptAnswer{}, fmt.Errorf("%w: the workers' model cannot do this", reflectionflow.ErrInvalid)
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
