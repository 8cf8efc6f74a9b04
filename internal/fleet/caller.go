package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"reflectionflow"
	"reflectionflow/internal/tracing"
)

// about asks a question about an image, which may be nil, and the references of a request.
// What is stored is kept for a time only: where a worker does not find an image, it is stored
// and asked about again.
func (f *Fleet) about(ctx context.Context, fingerprint string, q question, looked image.Image, r reflectionflow.Request) (a keptAnswer, err error) {
	for again := false; ; again = true {
		if q, err = f.uploads(ctx, q, looked, r, again); err != nil {
			return a, err
		}
		a, err = f.ask(ctx, fingerprint, q)
		if again || err != nil || a.Failure == nil || !a.Failure.Missing {
			return a, err
		}
	}
}

// uploads stores the images of a question and names them in it.
func (f *Fleet) uploads(ctx context.Context, q question, looked image.Image, r reflectionflow.Request, again bool) (_ question, err error) {
	if q.Image, err = f.upload(ctx, looked, again); err != nil {
		return q, err
	}
	if q.Reference, err = f.upload(ctx, r.Reference, again); err != nil {
		return q, err
	}
	q.Others = nil
	for _, img := range r.Others.All() {
		hash, err := f.upload(ctx, img, again)
		if err != nil {
			return q, err
		}
		q.Others = append(q.Others, hash)
	}
	return q, nil
}

// ask returns the answer to a question: the stored one, or that of a worker. When ctx ends,
// the task is cancelled.
func (f *Fleet) ask(ctx context.Context, fingerprint string, q question) (keptAnswer, error) {
	key, err := q.key(fingerprint)
	if err != nil {
		return keptAnswer{}, err
	}
	t := task{ID: nuid.Next(), Key: key, To: f.inbox, Trace: tracing.Parent(ctx), question: q}
	every, show := reflectionflow.Sketches(ctx)
	if show != nil && q.Draw != nil {
		t.Sketches = max(1, every.Milliseconds())
	}
	known, err := f.find(ctx, t, false)
	if !errors.Is(err, errMissing) {
		return keptAnswer{answer: known}, err
	}
	news, done := f.expect(t.ID)
	defer done()
	sequence, err := f.send(ctx, fingerprint, t)
	if err != nil {
		return keptAnswer{}, err
	}
	// Being told can be lost with a connection, so the answer is looked for as well.
	look := time.NewTicker(f.options.Silence / 3)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			f.cancel(context.WithoutCancel(ctx), t.ID, sequence)
			return keptAnswer{}, ctx.Err()
		case told := <-news.answer:
			var a keptAnswer
			if len(told) > 0 && json.Unmarshal(told, &a) == nil && ctx.Err() == nil {
				return a, nil
			}
		case g := <-news.sketches:
			if t.Sketches > 0 {
				g.show(*q.Draw, show)
			}
			continue
		case <-look.C:
		}
		a, err := f.find(ctx, t, true)
		if ctx.Err() == nil && !errors.Is(err, errMissing) {
			return keptAnswer{answer: a}, err
		}
	}
}

// find returns the stored answer to a task, that of this call alone included where own is
// set, or errMissing.
func (f *Fleet) find(ctx context.Context, t task, own bool) (a answer, err error) {
	a, err = f.recall(ctx, answerName(t.Key))
	if own && errors.Is(err, errMissing) {
		a, err = f.recall(ctx, failureName(t.ID))
	}
	return a, err
}

// send stores a task in the queue and returns its sequence.
func (f *Fleet) send(ctx context.Context, fingerprint string, t task) (sequence uint64, err error) {
	data, err := json.Marshal(t)
	if err != nil {
		return 0, fmt.Errorf("encode a task: %w", err)
	}
	if limit := f.bus.Conn.MaxPayload() - 4<<10; int64(len(data)) > limit {
		return 0, fmt.Errorf("%w: a task of %d bytes: the NATS server takes %d (max_payload)", reflectionflow.ErrInvalid, len(data), limit)
	}
	err = f.bus.Persist(ctx, f.patience(len(data)), func(ctx context.Context) error {
		// A task that is under way to the queue cannot be called back: its sequence is waited
		// for, also when the caller leaves, so that it can be cancelled.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
		defer stop()
		// The ID keeps a task that was sent twice from being queued twice.
		ack, err := f.bus.Stream.Publish(ctx, taskPrefix+fingerprint+"."+string(t.role()), data, jetstream.WithMsgID(t.ID))
		if err != nil {
			return fmt.Errorf("queue a task: %w", err)
		}
		sequence = ack.Sequence
		return nil
	})
	return sequence, err
}

// sendTime bounds an attempt to queue a task.
const sendTime = 3 * time.Second

// cancel takes a task out of the queue and tells the worker that has it.
func (f *Fleet) cancel(ctx context.Context, id string, sequence uint64) {
	if f.bus.Conn.IsClosed() {
		return
	}
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	if err := f.tasks.DeleteMsg(ctx, sequence); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) && !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		f.report(fmt.Errorf("cancel task %s: %w", id, err))
	}
	f.report(f.bus.Conn.Publish(cancelSubject, []byte(id)))
}

// each calls do for every element at once and returns the results in order. The first
// error cancels the others.
func each[In, Out any](ctx context.Context, list []In, do func(context.Context, In) (Out, error)) ([]Out, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	calls, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]Out, len(list))
	var running sync.WaitGroup
	for i, in := range list {
		running.Go(func() {
			out, err := do(calls, in)
			if err != nil {
				cancel(err)
				return
			}
			results[i] = out
		})
	}
	running.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := context.Cause(calls); err != nil {
		return nil, err
	}
	return results, nil
}
