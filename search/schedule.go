package search

import (
	"errors"
	"fmt"
	"image"

	"reflectionflow"
)

// item is a candidate under way.
type item struct {
	lane      *lane
	candidate reflectionflow.Candidate
	image     image.Image
	parent    *seen  // what it may grow from; nil to explore
	choice    choice // of the policy; empty without one
	again     bool   // the chain begins again: the parent is not corrected
	tries     int    // noises that may be given up
}

// seen is a finished candidate and its image.
type seen struct {
	candidate reflectionflow.Candidate
	image     image.Image
}

// lane is the search of one prompt: a window that slides over the candidates.
// Of the images it keeps only those that later candidates may grow from.
type lane struct {
	index    int // of the task
	prompt   reflectionflow.Prompt
	journal  Journal
	recalled bool // the journal knows no more
	cfg      Config
	opened   bool
	admitted int // candidates 0 to admitted-1 are finished or under way
	total    int // candidates 0 to total-1 will exist, as far as is known
	finished []reflectionflow.Candidate
	recorded int
	chains   []chain
	allot    *allotment // of an adaptive search
	best     int        // ID, -1 for none
	right    bool
	settled  bool
	cost     reflectionflow.Cost
}

// chain holds what the next candidate of a chain may grow from.
type chain struct {
	best, last *seen // among the candidates that have an image since it began; nil for none
	vain       int   // candidates since the best one
}

// tired reports whether the chain has tried its best image often enough to begin
// again from fresh noise.
func (c *chain) tired(patience int) bool { return patience > 0 && c.vain >= patience }

// take has the next image of the chain, nil where drawing failed.
func (c *chain) take(s *seen, patience int) {
	if s == nil {
		c.vain++
		return
	}
	c.last = s
	if c.best == nil || c.tired(patience) || s.candidate.Score.Value > c.best.candidate.Score.Value {
		c.best, c.vain = s, 0
	} else {
		c.vain++
	}
}

func newLane(index int, task Task, cfg Config) *lane {
	if task.Seed != 0 {
		cfg.Seed = task.Seed
	}
	l := &lane{
		index: index, prompt: task.Prompt, journal: task.Journal, cfg: cfg,
		total: cfg.total(), chains: make([]chain, cfg.Width), best: -1,
	}
	if cfg.Adaptive != nil {
		l.allot = newAllotment(l)
	}
	return l
}

// admit returns the next candidate, or nil while the window is closed: candidate
// p waits until 0 to p-width are finished.
func (l *lane) admit() *item {
	if l.admitted >= l.total || l.admitted-len(l.finished) >= l.cfg.Width || !l.affords() {
		return nil
	}
	it := l.item(l.admitted)
	l.admitted++
	return it
}

// item is candidate id before anything is known of it but its place. It may look
// at its own chain, whose candidates are all at least width positions earlier; with
// a policy, at all that are.
func (l *lane) item(id int) *item {
	round, number := id/l.cfg.Width, id%l.cfg.Width
	it := &item{lane: l, candidate: reflectionflow.Candidate{
		ID: id, Parent: -1, Round: round, Chain: number,
	}}
	if l.allot != nil {
		l.allot.decide(it)
	} else if own := &l.chains[number]; l.cfg.Axes.Reflection {
		it.parent, it.again = own.best, own.tired(l.cfg.patience())
	} else if l.cfg.Axes.Prompt {
		it.parent = own.last
	}
	return it
}

// finish takes in the next candidate in ID order, verified or failed.
func (l *lane) finish(c reflectionflow.Candidate, img image.Image) {
	l.finished = append(l.finished, c)
	l.cost = l.cost.Add(c.Cost)
	var s *seen
	if c.Error == "" {
		s = &seen{c, img}
		if l.best < 0 || c.Score.Value > l.finished[l.best].Score.Value {
			l.best = c.ID
		}
	}
	l.chains[c.Chain].take(s, l.cfg.patience())
	if l.allot != nil {
		l.allot.keep(c, img)
	}
	right := c.Error == "" && l.cfg.right(c.Score) && l.cfg.EarlyStop
	hopeless := l.best < 0 && len(l.finished) >= l.cfg.Width
	// The candidates of the window were permitted before this one was known.
	switch {
	case right && l.allot != nil && l.allot.doubts(c.Score):
		l.allot.wait(c.ID + l.cfg.Width)
	case right || hopeless:
		l.end(c.ID + l.cfg.Width)
	}
	l.right = l.right || right
}

// end bounds the lane to candidates 0 to total-1.
func (l *lane) end(total int) { l.total = min(l.total, total) }

// done reports whether every candidate is finished and recorded.
func (l *lane) done() bool { return l.opened && l.recorded >= l.total }

// recall takes in what the journal remembers, as far as the budget goes.
func (l *lane) recall(notify func(EventKind, *item)) error {
	l.opened = true
	for l.journal != nil && !l.recalled && l.recorded < l.total && l.affords() {
		c, img, ok := l.journal.Recall(l.recorded)
		if !ok || (img == nil) != (c.Error != "") {
			l.recalled = true
			return nil
		}
		c.Request.Reference = nil
		if err := l.recognise(c); err != nil {
			return err
		}
		l.finish(c, img)
		l.admitted++
		l.recorded++
		notify(Recalled, &item{lane: l, candidate: c, image: img})
	}
	return nil
}

// recognise checks that a recalled candidate can be of this search.
func (l *lane) recognise(c reflectionflow.Candidate) error {
	it := l.item(l.recorded)
	explore(it)
	want, got := it.candidate, c
	corrected := c.Action == reflectionflow.Reflect && !it.again
	if (corrected || c.Action == reflectionflow.Rewrite) && it.parent != nil && (it.choice.action == "" || it.choice.action == c.Action) {
		// What it grew from was decided by others; the rest must agree.
		want.Action, want.Parent = c.Action, it.parent.candidate.ID
		want.Request.Prompt, want.Request.PooledPrompt = c.Request.Prompt, c.Request.PooledPrompt
		want.Request.Reflection, want.Request.ReferenceCaption = c.Request.Reflection, c.Request.ReferenceCaption
		want.Request.Seed = c.Request.Seed
	}
	if n := len(c.Abandoned); n > 0 && n <= it.tries {
		want.Request.Seed = it.noise(n)
	}
	if got.ID != want.ID || got.Parent != want.Parent || got.Round != want.Round || got.Chain != want.Chain ||
		got.Action != want.Action || got.Request != want.Request || len(got.Abandoned) > it.tries {
		return invalid("the journal belongs to another search: candidate %d differs", l.recorded)
	}
	return checkScore(c.Score)
}

// errNoImage ends the search of a prompt that nothing was drawn for.
var errNoImage = errors.New("no image was drawn")

// err says why the lane has no answer, nil when it has one.
func (l *lane) err() error {
	switch {
	case l.best >= 0:
		return nil
	case len(l.finished) == 0:
		return fmt.Errorf("prompt %d: %w: the time budget is spent", l.index, errNoImage)
	}
	return fmt.Errorf("prompt %d: %w: %s", l.index, errNoImage, l.finished[0].Error)
}

// bestCandidate is the best so far, with ID -1 when there is none.
func (l *lane) bestCandidate() reflectionflow.Candidate {
	if l.best < 0 {
		return reflectionflow.Candidate{ID: -1, Parent: -1}
	}
	return l.finished[l.best]
}

// result is what the lane has found so far.
func (l *lane) result() reflectionflow.Result {
	res := reflectionflow.Result{Prompt: l.prompt, Candidates: l.finished, Best: l.best, Cost: l.cost}
	switch {
	case !l.done():
	case l.right:
		res.Stopped = reflectionflow.StoppedRight
	default:
		res.Stopped = reflectionflow.StoppedBudget
	}
	return res
}
