package search

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// The stages that every candidate passes, in this order.
const (
	planStage     = iota // reflect and refine
	generateStage        // generate
	verifyStage          // score
	recordStage          // write to the journal
	compareStage         // compare candidates that are tied, once a search is done
	stageCount
)

// stage does one kind of work on batches, one at a time, in order.
type stage struct {
	work   func([]*item) error
	cancel func()
	queue  []*item
	busy   bool
	closed bool // takes no more batches
}

// delivery is a batch that a stage has finished.
type delivery struct {
	stage int
	items []*item
	err   error
}

// pipeline runs the stages concurrently. Only its owner touches it; the stages'
// goroutines see only their batch.
type pipeline struct {
	stages    [stageCount]*stage
	batch     int // most items of one batch
	inFlight  int // candidates in all queues and stages
	delivered chan delivery
}

func (r *run) newPipeline(ctx context.Context) *pipeline {
	p := &pipeline{batch: r.cfg.batch(), delivered: make(chan delivery, stageCount)}
	p.stages = [stageCount]*stage{
		newStage(ctx, "plan", r.plan),
		newStage(ctx, "generate", r.around("generate", r.generate)),
		newStage(ctx, "verify", r.around("verify", r.verify)),
		newStage(ctx, "record", r.record),
		newStage(ctx, "compare", r.around("compare", r.compare)),
	}
	return p
}

// around is work with the hook of its calls.
func (r *run) around(call string, work func(context.Context, []*item) error) func(context.Context, []*item) error {
	if r.Around == nil {
		return work
	}
	return func(ctx context.Context, items []*item) error {
		var ids []int
		for _, it := range items {
			if it.duel == nil {
				ids = append(ids, it.candidate.ID)
			}
		}
		ctx, done := r.Around(ctx, call, ids)
		err := work(ctx, items)
		done(err)
		return err
	}
}

func newStage(ctx context.Context, name string, work func(context.Context, []*item) error) *stage {
	ctx, cancel := context.WithCancelCause(ctx)
	return &stage{cancel: func() { cancel(errAbandoned) }, work: func(items []*item) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%s %s: %w", name, named(items), &PanicError{Value: p, Stack: debug.Stack()})
			}
		}()
		return work(ctx, items)
	}}
}

// errAbandoned is the cause by which a stage's context ends when another stage has
// failed: a part with paid work under way may complete it.
var errAbandoned = errors.New("abandoned: another stage has failed")

// PanicError is the error of a search whose generator, verifier, reflector, refiner
// or journal panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// full reports whether enough is under way to keep all stages busy. More would only
// take memory.
func (p *pipeline) full() bool { return p.inFlight >= (recordStage+1)*p.batch }

// add hands an item to the first stage.
func (p *pipeline) add(it *item) {
	p.inFlight++
	p.stages[planStage].queue = append(p.stages[planStage].queue, it)
}

// compare hands a comparison to its stage.
func (p *pipeline) compare(it *item) {
	if st := p.stages[compareStage]; !st.closed {
		st.queue = append(st.queue, it)
	}
}

// pass hands a delivered batch to the next stage; once recorded, candidates leave.
func (p *pipeline) pass(d delivery) {
	switch d.stage {
	case recordStage:
		p.inFlight -= len(d.items)
		return
	case compareStage:
		return
	}
	if next := p.stages[d.stage+1]; !next.closed {
		next.queue = append(next.queue, d.items...)
	}
}

// drop empties the queue of a stage and returns what was in it.
func (p *pipeline) drop(stage int) []*item {
	st := p.stages[stage]
	items := st.queue
	st.queue = nil
	if stage != compareStage {
		p.inFlight -= len(items)
	}
	return items
}

// start gives every idle stage its next batch and reports whether any is busy.
func (p *pipeline) start() bool {
	running := false
	for i, st := range p.stages {
		if n := min(len(st.queue), p.batch); n > 0 && !st.busy && !st.closed {
			items := st.queue[:n:n]
			st.queue, st.busy = st.queue[n:], true
			go func() { p.delivered <- delivery{i, items, st.work(items)} }()
		}
		running = running || st.busy
	}
	return running
}

// wait returns the next batch that a stage finishes.
func (p *pipeline) wait() delivery {
	d := <-p.delivered
	p.stages[d.stage].busy = false
	return d
}

// drain ends all stages and returns when all are idle, so that no part is in use after
// the search: a candidate that the time did not allow may still be planned.
func (p *pipeline) drain() {
	p.close(compareStage)
	for p.start() {
		p.wait()
	}
}

// close ends the stages up to last, and cancels what they are doing. Later stages
// still complete what has reached them.
func (p *pipeline) close(last int) {
	for i := range p.stages[:last+1] {
		p.shut(i)
	}
}

// shut ends one stage and cancels what it is doing.
func (p *pipeline) shut(i int) {
	if st := p.stages[i]; !st.closed {
		st.closed = true
		st.cancel()
		p.drop(i)
	}
}
