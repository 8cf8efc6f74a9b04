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
	cfg      Config
	elapsed  func() time.Duration
	searches []*promptSearch
	adaptive []*adaptive // the strategies of the searches, for an adaptive strategy
	first    int         // searches before it are settled
	pipe     *pipeline
	parts    previewing // where noises may be abandoned
}

// open prepares the search of a prompt.
func (r *run) open(index int, task Task) {
	p := newPromptSearch(index, task, r.cfg)
	if r.Comparer != nil {
		p.tie = &tie{}
	}
	r.searches = append(r.searches, p)
	if r.cfg.Adaptive == nil {
		p.strategy = newFixedOrder(p)
		return
	}
	var early Early
	if parts, ok := r.previewing(); ok && r.cfg.Adaptive.Abandon {
		r.parts, early = parts, r.cfg.Adaptive.Policy.Early
	}
	a := newAdaptive(p, early)
	p.strategy = a
	r.adaptive = append(r.adaptive, a)
}

// admit fills the pipeline with candidates whose window is open, the first
// prompts first, until that or the common budget allows no more.
func (r *run) admit() error {
	late := r.cfg.Budget.spent(r.elapsed())
	if late {
		r.dropWaiting()
		r.dropLimits()
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

// admitNow fills the pipeline with what the searches have room for.
func (r *run) admitNow(late bool) error {
	for _, p := range r.searches[r.first:] {
		if !p.opened && r.pipe.full() {
			return nil
		}
		if p.settled {
			continue
		}
		if !p.opened || p.idle() { // idle: the budget may have grown, and the journal may hold more
			if err := p.recall(r.notify); err != nil {
				return fmt.Errorf("prompt %d: %w", p.index+1, err)
			}
			p.closed()
		}
		if late {
			p.end(p.admitted) // nothing but what is being generated or finished
		}
		for !r.pipe.full() {
			it := p.admit()
			if it == nil {
				break
			}
			r.pipe.add(it)
		}
		r.settle(p)
	}
	return nil
}

// dropWaiting takes back the candidates that are not being generated yet.
func (r *run) dropWaiting() {
	for _, st := range []int{generateStage, planStage} {
		for _, it := range r.pipe.drop(st) {
			it.search.admitted = min(it.search.admitted, it.candidate.ID)
		}
	}
}

// advance takes in a batch that a stage has finished.
func (r *run) advance(d delivery) {
	r.pipe.pass(d)
	for _, it := range d.items {
		switch d.stage {
		case planStage:
			r.notify(Planned, it)
		case generateStage:
			r.notify(Generated, it)
		case verifyStage:
			it.search.doubt(&it.candidate, it.pixels)
			it.search.finish(it.candidate, it.image)
			r.notify(Scored, it)
		case recordStage:
			it.search.recorded++
			r.settle(it.search)
		case compareStage:
			it.search.contest.take(it.duel.Duel)
			r.settle(it.search)
		}
	}
}

// settle notifies once that a search is over.
func (r *run) settle(p *promptSearch) {
	if p.settled || !p.done() || r.Comparer != nil && !r.decide(p) {
		return
	}
	p.settle()
	r.notify(Stopped, &item{search: p, candidate: p.bestCandidate()})
}

// settled reports whether all searches are over.
func (r *run) settled() bool {
	for r.first < len(r.searches) && r.searches[r.first].settled {
		r.first++
	}
	return r.first == len(r.searches)
}

// promptError is the error of a search that has no result. Other packages find it by its
// method Task.
type promptError struct {
	task   int
	prompt string
	alone  bool // it is the only prompt
	err    error
}

// Error implements error. People count prompts from 1.
func (e promptError) Error() string {
	if e.alone {
		return e.err.Error()
	}
	return fmt.Sprintf("prompt %d, %.80q: %v", e.task+1, e.prompt, e.err)
}

func (e promptError) Unwrap() error { return e.err }

// Task is the index of the prompt in [Search.RunMany].
func (e promptError) Task() int { return e.task }

// failures joins the errors of the searches that have no result.
func (r *run) failures() error {
	var errs []error
	for _, p := range r.searches {
		if err := p.err(); err != nil {
			errs = append(errs, promptError{task: p.index, prompt: p.prompt.Text, alone: len(r.searches) == 1, err: err})
		}
	}
	return errors.Join(errs...)
}

// notify sends an event about an item.
func (r *run) notify(kind EventKind, it *item) {
	if r.Notify == nil {
		return
	}
	p := it.search
	e := Event{
		Kind: kind, Task: p.index, Candidate: it.candidate, Image: it.image,
		Best: p.bestCandidate(), Done: len(p.finished), Total: p.most(), Cost: p.cost,
	}
	e.Candidate.Request.Reference, e.Candidate.Request.Others = nil, nil
	if e.Total == unbounded {
		e.Total = 0
	}
	if kind == Stopped {
		e.Reason, e.Tiebreak = p.result().Stopped, p.tiebreak
	}
	r.Notify(e)
	if kind == Scored && (it.candidate.Chain == r.cfg.Width-1 || it.candidate.ID == p.total-1) {
		e.Kind, e.Image = RoundDone, nil
		r.Notify(e)
	}
}
