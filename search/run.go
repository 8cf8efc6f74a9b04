package search

import (
	"errors"
	"fmt"
	"time"
)

// run is one call of RunMany. Only the calling goroutine touches it; the stages
// get their items handed over.
type run struct {
	*Search
	cfg     Config
	elapsed func() time.Duration
	lanes   []*lane
	first   int // lanes before it are settled
	pipe    *pipeline
	parts   previewing // where noises may be given up
}

// admit fills the pipeline with candidates whose window is open, the first
// prompts first, until that or the common budget allows no more.
func (r *run) admit() error {
	late := r.cfg.Budget.spent(r.elapsed())
	if late {
		r.dropWaiting()
	}
	for {
		if err := r.admitNow(late); err != nil {
			return err
		}
		if !r.share() {
			return nil
		}
	}
}

// admitNow fills the pipeline with what the lanes have room for.
func (r *run) admitNow(late bool) error {
	for _, l := range r.lanes[r.first:] {
		if !l.opened && r.pipe.full() {
			return nil
		}
		if late && l.allot != nil {
			l.allot.limit, l.allot.late = l.allot.most, true // what an earlier sitting drew is taken in whatever there is left
		}
		if !l.opened || l.idle() { // idle again with more budget than before: the journal may go on
			if err := l.recall(r.notify); err != nil {
				return fmt.Errorf("prompt %d: %w", l.index, err)
			}
		}
		if late {
			l.end(l.admitted) // nothing beyond what is being drawn or finished
		}
		for !r.pipe.full() {
			it := l.admit()
			if it == nil {
				break
			}
			r.pipe.add(it)
		}
		r.settle(l)
	}
	return nil
}

// dropWaiting takes back the candidates that are not being drawn yet.
func (r *run) dropWaiting() {
	for _, st := range []int{drawStage, planStage} {
		for _, it := range r.pipe.drop(st) {
			it.lane.admitted = min(it.lane.admitted, it.candidate.ID)
		}
	}
}

// advance takes in a batch that a stage is through with.
func (r *run) advance(d delivery) {
	r.pipe.pass(d)
	for _, it := range d.items {
		switch d.stage {
		case drawStage:
			r.notify(Drawn, it)
		case verifyStage:
			it.lane.finish(it.candidate, it.image)
			r.notify(Scored, it)
		case recordStage:
			it.lane.recorded++
			r.settle(it.lane)
		}
	}
}

// settle tells once that a lane is over.
func (r *run) settle(l *lane) {
	if l.settled || !l.done() {
		return
	}
	l.settled = true
	l.chains = nil // their images are not needed any more
	if l.allot != nil {
		l.allot.images = nil
	}
	r.notify(Stopped, &item{lane: l, candidate: l.bestCandidate()})
}

// settled reports whether all lanes are over.
func (r *run) settled() bool {
	for r.first < len(r.lanes) && r.lanes[r.first].settled {
		r.first++
	}
	return r.first == len(r.lanes)
}

// noImages joins the errors of the lanes that have no answer.
func (r *run) noImages() error {
	var errs []error
	for _, l := range r.lanes {
		errs = append(errs, l.err())
	}
	return errors.Join(errs...)
}

// notify tells what happened to an item.
func (r *run) notify(kind EventKind, it *item) {
	if r.Notify == nil {
		return
	}
	l := it.lane
	e := Event{
		Kind: kind, Task: l.index, Candidate: it.candidate, Image: it.image,
		Best: l.bestCandidate(), Done: len(l.finished), Total: l.most(), Cost: l.cost,
	}
	e.Candidate.Request.Reference = nil
	if e.Total == unbounded {
		e.Total = 0
	}
	if kind == Stopped {
		e.Reason = l.result().Stopped
	}
	r.Notify(e)
	if kind == Scored && (it.candidate.Chain == r.cfg.Width-1 || it.candidate.ID == l.total-1) {
		e.Kind, e.Image = RoundDone, nil
		r.Notify(e)
	}
}
