package fleet

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// slots are the places of a role. A task has one while the engine works on it. Then the
// next task has it, while its answer is encoded and stored.
type slots struct {
	engine, storing chan struct{}
	last            atomic.Int64 // nanoseconds that the engine worked on the last task
}

func newSlots(n int) *slots {
	return &slots{engine: make(chan struct{}, n), storing: make(chan struct{}, n+1)}
}

// aheadTime is how long before the end of a task the next one is taken, to be prepared. A
// task that is taken ahead may wait for so long while another worker has become free, and
// for longer where the task before it takes longer than the one before that.
const aheadTime = 50 * time.Millisecond

// place is a task's place in the engine.
type place struct {
	*slots
	// inherits is closed when the place is left that this one takes over; nil for none.
	inherits <-chan struct{}
	keeps    bool // a place among those that store

	mutex   sync.Mutex // of what follows
	held    bool
	willed  bool          // another place takes this one over
	left    chan struct{} // closed when it is left; nil until the engine begins
	started time.Time
}

// enter waits for the place, if the task has none, unless ctx ends.
func (p *place) enter(ctx context.Context) error {
	if p.held {
		return nil
	}
	if p.inherits != nil {
		select {
		case <-p.inherits:
			p.inherits = nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	} else {
		select {
		case p.engine <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.held = true
	return nil
}

// begin says that the engine begins, and returns when the next task is to be taken: nil
// where it is not known how long tasks take. The second channel is closed when the place
// is left.
func (p *place) begin() (soon <-chan time.Time, left <-chan struct{}) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.left, p.started = make(chan struct{}), time.Now()
	if last := time.Duration(p.last.Load()); last > 0 {
		soon = time.After(last - aheadTime)
	}
	return soon, p.left
}

// bequeath returns a place that takes this one over when it is left, nil if it is.
func (p *place) bequeath() *place {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.held || p.left == nil {
		return nil
	}
	p.willed = true
	return &place{slots: p.slots, inherits: p.left}
}

// finish leaves the place after the engine's work, when there is one among those that
// store. A task that has finished does so no more.
func (p *place) finish() {
	if p.keeps {
		return
	}
	p.mutex.Lock()
	if p.left != nil {
		p.last.Store(int64(time.Since(p.started)))
	}
	p.mutex.Unlock()
	p.storing <- struct{}{}
	p.keeps = true
	p.leave()
}

// leave gives the place up: to the one that takes it over, or to whoever comes.
func (p *place) leave() {
	if before := p.inherits; before != nil { // it was not entered
		p.inherits = nil
		go func() {
			<-before
			<-p.engine
		}()
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.held {
		return
	}
	p.held = false
	if p.left != nil {
		close(p.left)
		p.left = nil
	}
	if !p.willed {
		<-p.engine
	}
	p.willed = false
}

// end gives up all that the task has.
func (p *place) end() {
	p.leave()
	if p.keeps {
		p.keeps = false
		<-p.storing
	}
}
