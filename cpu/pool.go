package cpu

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// pool shares the items of parallel loops among goroutines. It cannot deadlock: the goroutine that starts a loop
// works on it until no item is left and then waits only for items that another goroutine has already begun; a goroutine
// that runs an item never waits for a free worker, so that loops may be nested at any depth.
//
// At most GOMAXPROCS helpers exist at once over all loops, whatever the number of executions that run together; the
// helpers take items from the waiting loops in turn, which shares the machine fairly.
//
// While there are as many executions as processors, each runs its loops alone: sharing them would cost caches and locks and
// gain nothing.
//
// An idle goroutine polls for a few tens of microseconds before it sleeps: the steps of a small network follow each other
// faster than a processor wakes up.
type pool struct {
	entered atomic.Int64 // loops so far
	running atomic.Int64 // executions
	mu      sync.Mutex
	loops   []*loop // loops that have items left, oldest first
	turn    int     // the next loop that a helper serves
	helpers int
	spare   []*loop // for reuse
}

// loop is one parallel loop over n items.
type loop struct {
	n       int64
	next    atomic.Int64
	left    atomic.Int64 // items not finished
	holders atomic.Int64 // goroutines that may still read it
	body    func(item int)
	done    chan struct{} // gets one token with the last item

	mu       sync.Mutex
	panicked any
}

// sharedPool returns the pool of the process: several backends in one program share the machine as well.
var sharedPool = sync.OnceValue(func() *pool { return new(pool) })

// run calls body(0) … body(n-1), each once, in any order and on any goroutine, and returns when all have returned.
// Results must not depend on the order. If a body panics, run panics with one of the values when all others are done.
func (p *pool) run(n int, body func(item int)) {
	if n <= 1 || p.shared() {
		for i := range n {
			body(i)
		}
		return
	}
	p.share(n, body)
}

// runExecutions is run for items that are executions and count as such from the beginning: none shares its loops while
// there are enough of them, so that who waits for the item of a loop does not begin the next execution meanwhile.
func (p *pool) runExecutions(n int, body func(item int)) {
	share := n > 1 && !p.shared()
	p.running.Add(int64(n))
	each := func(i int) {
		defer p.running.Add(-1)
		body(i)
	}
	if share {
		p.share(n, each)
		return
	}
	for i := range n {
		each(i)
	}
}

// share is run with other goroutines.
func (p *pool) share(n int, body func(item int)) {
	l := p.enter(n, body)
	for l.work() {
	}
	p.leave(l)
	// Items that helpers have begun are still running. Help other loops meanwhile: a nested loop of such an item may
	// be among them.
	finished := func() bool { return l.left.Load() == 0 }
	for !finished() {
		other := p.pick(false)
		if (other == nil || !p.work(other)) && !spin(finished) {
			<-l.done
		}
	}
	panicked := l.panicked
	p.letGo(l)
	if panicked != nil {
		panic(panicked)
	}
}

// shared reports whether executions alone occupy all processors.
func (p *pool) shared() bool { return int64(runtime.GOMAXPROCS(0)) <= max(1, p.running.Load()) }

// work runs one item of a loop that pick returned, or returns false if none is left to begin.
func (p *pool) work(l *loop) bool {
	defer p.letGo(l)
	return l.work()
}

// letGo drops the caller's reference to the loop. The loop is reused when the last reference is dropped.
func (p *pool) letGo(l *loop) {
	if l.holders.Add(-1) > 0 {
		return
	}
	select {
	case <-l.done:
	default: // the waiting goroutine took it
	}
	l.body, l.panicked = nil, nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spare = append(p.spare, l)
}

// work runs one item, or returns false if none is left to begin.
func (l *loop) work() bool {
	i := l.next.Add(1) - 1
	if i >= l.n {
		return false
	}
	l.item(int(i))
	return true
}

func (l *loop) item(i int) {
	defer func() {
		if r := recover(); r != nil {
			l.mu.Lock()
			l.panicked = r
			l.mu.Unlock()
		}
		if l.left.Add(-1) == 0 {
			l.done <- struct{}{}
		}
	}()
	l.body(i)
}

// enter publishes a loop and starts helpers for it on idle processors.
func (p *pool) enter(n int, body func(item int)) *loop {
	p.mu.Lock()
	var l *loop
	if last := len(p.spare) - 1; last >= 0 {
		l, p.spare = p.spare[last], p.spare[:last]
	} else {
		l = &loop{done: make(chan struct{}, 1)}
	}
	l.n, l.body = int64(n), body
	l.next.Store(0)
	l.left.Store(l.n)
	l.holders.Store(1)
	p.entered.Add(1)
	p.loops = append(p.loops, l)
	start := min(int(l.n)-1, runtime.GOMAXPROCS(0)-1-p.helpers)
	start = max(start, 0)
	p.helpers += start
	p.mu.Unlock()
	for range start {
		go p.help()
	}
	return l
}

// leave withdraws a loop that has no items left to begin.
func (p *pool) leave(l *loop) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.loops {
		if other == l {
			p.loops = append(p.loops[:i], p.loops[i+1:]...)
			return
		}
	}
}

// pick returns the loop whose turn it is, for work, or nil when there is none; with leave, the calling helper is then no
// longer counted.
func (p *pool) pick(leave bool) *loop {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range len(p.loops) {
		p.turn = (p.turn + 1) % len(p.loops)
		if l := p.loops[p.turn]; l.next.Load() < l.n {
			l.holders.Add(1)
			return l
		}
	}
	if leave {
		p.helpers--
	}
	return nil
}

func (p *pool) help() {
	debug.SetPanicOnFault(true) // see guard
	for {
		seen := p.entered.Load()
		if l := p.pick(false); l != nil {
			p.work(l)
			continue
		}
		if !p.shared() && spin(func() bool { return p.entered.Load() != seen }) {
			continue
		}
		l := p.pick(true)
		if l == nil {
			return
		}
		p.work(l)
	}
}

// spin waits for a condition without sleeping, but yields to other goroutines. It returns false after some tens of
// microseconds.
func spin(until func() bool) bool {
	const rounds, polls = 150, 64
	for range rounds {
		for range polls {
			if until() {
				return true
			}
		}
		runtime.Gosched()
	}
	return until()
}
