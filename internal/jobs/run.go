package jobs

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"sync"

	"reflectionflow"
	"reflectionflow/search"
)

// Run is a job that runs here. It is the journal of its search: what an earlier server
// recorded is recalled, and nothing is generated or paid for twice.
type Run struct {
	Job
	// Prompt is the parsed prompt, nil until [Run.Parsed] stored it.
	Prompt  *reflectionflow.Prompt
	Parsing reflectionflow.Cost

	queue    *Queue
	ctx      context.Context //nolint:containedctx // Journal's methods have none
	last     uint64          // sequence of the job's last event
	recorded []Event         // of candidates
	duels    []reflectionflow.Duel
	ended    bool       // the last event ends the job
	resumed  bool       // it was started before
	pending  chan error // has a value when the event under way is stored; nil for none

	mutex   sync.Mutex
	answers map[string]bool    // names of kept answers, see [Run.Keep]
	ahead   map[int]*imageFile // of candidates that are not recorded, see [Run.Ahead]
}

// imageFile is an image that is being stored, until done is closed.
type imageFile struct {
	done chan struct{}
	ref  ImageRef
	err  error
}

var _ search.ComparingJournal = (*Run)(nil)

// Journal returns the journal of a job that runs nowhere, to read it.
func (q *Queue) Journal(ctx context.Context, job Job) (*Run, error) {
	r := &Run{Job: job, queue: q, ctx: ctx}
	return r, r.load()
}

// load reads the events of the job.
func (r *Run) load() error {
	events, err := r.queue.Events(r.ctx, r.ID, 0)
	if err != nil {
		return err
	}
	for _, e := range events {
		r.last, r.ended = e.Sequence, e.Job != nil && e.Job.State.Ended()
		switch e.Kind {
		case KindStarted:
			r.resumed = true
		case KindPrompt:
			r.Prompt, r.Parsing = e.Prompt, e.Parsing
		case KindCandidate:
			r.recorded = append(r.recorded, e)
		case KindCompared:
			if e.Comparison != nil {
				r.duels = append(r.duels, *e.Comparison)
			}
		}
	}
	return nil
}

// append stores an event of the job, after those that are under way.
func (r *Run) append(e Event) error {
	if err := r.wait(); err != nil {
		return err
	}
	return r.store(r.ctx, e)
}

// later stores an event while the search goes on: it is stored before the next one, which
// fails if it could not be.
func (r *Run) later(e Event) {
	before, done := r.pending, make(chan error, 1)
	ctx := context.WithoutCancel(r.ctx)
	r.pending = done
	go func() {
		var err error
		if before != nil {
			err = <-before
		}
		if err == nil {
			err = r.store(ctx, e)
		}
		done <- err
	}()
}

// wait waits for the events that are under way.
func (r *Run) wait() (err error) {
	if r.pending != nil {
		err = <-r.pending
		r.pending = nil
	}
	return err
}

// store stores an event of the job.
func (r *Run) store(ctx context.Context, e Event) error {
	e.JobID = r.ID
	sequence, err := r.queue.append(ctx, e, r.last)
	if err == nil {
		r.last = sequence
	}
	return err
}

// Parsed stores the parsed prompt before the first candidate, so that a resumed search reads
// it the same way.
func (r *Run) Parsed(p reflectionflow.Prompt, cost reflectionflow.Cost) {
	r.later(Event{Kind: KindPrompt, Prompt: &p, Parsing: cost})
	r.Prompt, r.Parsing = &p, cost
}

// Images returns the number of recorded candidates.
func (r *Run) Images() int { return len(r.recorded) }

// Recall implements [search.Journal].
func (r *Run) Recall(id int) (reflectionflow.Candidate, image.Image, bool) {
	if id < 0 || id >= len(r.recorded) {
		return reflectionflow.Candidate{}, nil, false
	}
	e := r.recorded[id]
	if e.Image == nil {
		return *e.Candidate, nil, true
	}
	file, err := r.queue.Image(r.ctx, e.Image.Name)
	if err != nil {
		r.queue.report(err)
		return reflectionflow.Candidate{}, nil, false
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		r.queue.report(fmt.Errorf("read image %s: %w", e.Image.Name, err))
		return reflectionflow.Candidate{}, nil, false
	}
	return *e.Candidate, img, true
}

// Ahead stores the image of a candidate while the search goes on, so that [Run.Record] finds
// it stored. It is removed when the job ends and has not recorded it.
func (r *Run) Ahead(id int, img image.Image) {
	f := &imageFile{done: make(chan struct{})}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.ahead == nil {
		r.ahead = map[int]*imageFile{}
	}
	r.ahead[id] = f
	go func() {
		defer close(f.done)
		f.ref, f.err = r.put(id, img)
	}()
}

// put stores the image of a candidate.
func (r *Run) put(id int, img image.Image) (ImageRef, error) {
	file, err := PNG(img)
	if err != nil {
		return ImageRef{}, fmt.Errorf("candidate %d of job %s: %w", id, r.ID, err)
	}
	return r.queue.PutImage(context.WithoutCancel(r.ctx), fmt.Sprintf("%s/%d.png", r.ID, id), file)
}

// image returns the stored image of a candidate, which is stored if it is not.
func (r *Run) image(id int, img image.Image) (ImageRef, error) {
	r.mutex.Lock()
	f := r.ahead[id]
	delete(r.ahead, id)
	r.mutex.Unlock()
	if f == nil {
		return r.put(id, img)
	}
	<-f.done
	return f.ref, f.err
}

// leave waits for the images that are being stored ahead, and removes them if the job has
// ended: nothing names them.
func (r *Run) leave(ctx context.Context, ended bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, f := range r.ahead {
		<-f.done
		if ended && f.err == nil {
			r.queue.report(r.queue.RemoveImage(ctx, f.ref.Name))
		}
	}
	r.ahead = nil
}

// Record implements [search.Journal]: the image is stored before the event that names it.
func (r *Run) Record(c reflectionflow.Candidate, img image.Image) error {
	e := Event{Kind: KindCandidate, Candidate: &c}
	if img != nil {
		ref, err := r.image(c.ID, img)
		if err != nil {
			return err
		}
		e.Image = &ref
	}
	if err := r.append(e); err != nil {
		return err
	}
	e.Sequence, e.JobID = r.last, r.ID
	r.recorded = append(r.recorded, e)
	return nil
}

// RecallDuel implements [search.ComparingJournal].
func (r *Run) RecallDuel(best, challenger int) (reflectionflow.Duel, bool) {
	for _, d := range r.duels {
		if d.Best == best && d.Challenger == challenger {
			return d, true
		}
	}
	return reflectionflow.Duel{}, false
}

// RecordDuel implements [search.ComparingJournal].
func (r *Run) RecordDuel(d reflectionflow.Duel) error {
	if err := r.append(Event{Kind: KindCompared, Comparison: &d}); err != nil {
		return err
	}
	r.duels = append(r.duels, d)
	return nil
}

// Tell sends progress or a preview to those who listen now. It is not stored.
func (r *Run) Tell(data []byte) {
	r.queue.report(r.queue.bus.Conn.Publish(livePrefix+r.ID, data))
}

// References returns the image that the job corrects and the further ones, as they were
// stored.
func (r *Run) References(ctx context.Context) ([][]byte, error) {
	var files [][]byte
	for _, name := range append([]string{r.Image}, r.Others...) {
		file, err := r.queue.Image(ctx, name)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}
