package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Keep stores the answer of a generator, a verifier or another part under a key, until the
// job has ended: a candidate is recorded when all its answers are there, and a server that
// takes the job over asks for none of them again. The key has no dots.
func (r *Run) Keep(ctx context.Context, key string, answer []byte) error {
	name := r.ID + "." + key
	q := r.queue
	err := q.bus.Persist(ctx, Patience{Bytes: int64(len(answer)), Report: q.report}, func(ctx context.Context) error {
		_, err := q.answers.PutBytes(ctx, name, answer)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: an answer of job %s: %w", ErrStore, r.ID, err)
	}
	r.note(name)
	return nil
}

// Kept returns the answer under a key, nil where there is none.
func (r *Run) Kept(ctx context.Context, key string) ([]byte, error) {
	name := r.ID + "." + key
	r.mutex.Lock()
	stored := r.Attempts > 1 || r.resumed || r.answers[name]
	r.mutex.Unlock()
	if !stored {
		return nil, nil // nobody has asked before
	}
	q := r.queue
	answer, err := q.bus.ReadObject(ctx, q.answers, name, 2*MaxImageBytes, Patience{Report: q.report})
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read an answer of job %s: %w", r.ID, err)
	}
	r.note(name)
	return answer, nil
}

// note remembers an answer to drop.
func (r *Run) note(name string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.answers == nil {
		r.answers = map[string]bool{}
	}
	r.answers[name] = true
}

// drop deletes the answers of a job that has ended, and the images that it did not record.
func (r *Run) drop() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), time.Minute)
	defer cancel()
	r.leave(ctx, true)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for name := range r.answers {
		r.queue.report(r.queue.dropAnswer(ctx, name))
	}
	r.answers = nil
}

func (q *Queue) dropAnswer(ctx context.Context, name string) error {
	if err := q.answers.Delete(ctx, name); err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return fmt.Errorf("delete an answer: %w", err)
	}
	return nil
}

// sweepAnswers deletes the answers of jobs that ended without the server that asked.
func (q *Queue) sweepAnswers(ctx context.Context) error {
	list, err := q.answers.List(ctx)
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the answers: %w", err)
	}
	for _, object := range list {
		id, _, _ := strings.Cut(object.Name, ".")
		q.mutex.Lock()
		live := q.live[id] != nil
		q.mutex.Unlock()
		if live {
			continue
		}
		if err := q.dropAnswer(ctx, object.Name); err != nil {
			return err
		}
	}
	return nil
}
