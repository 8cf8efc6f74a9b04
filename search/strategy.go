package search

import "reflectionflow"

// strategy decides how one prompt spends its budget. There are two: [fixedOrder]
// follows chains along the axes in a fixed order, and [adaptive] chooses by a fitted
// policy. The methods are called from one goroutine. A candidate's choice depends on
// nothing but the configuration and the candidates that were finished before it may
// start, so a journal determines it.
type strategy interface {
	// choose returns what candidate id is made from.
	choose(id int) choice
	// affords reports whether the budget allows candidate id to start now.
	affords(id int) bool
	// observe takes in the next finished candidate.
	observe(c reflectionflow.Candidate) observed
}

// choice is what a candidate is made from.
type choice struct {
	// action is the only one that is tried. Empty tries a reflection, then a
	// rewritten prompt.
	action reflectionflow.Action
	// parent is the candidate that is corrected or rewritten, -1 for none.
	parent int
	// restart: the parent is not corrected. Its prompt may be rewritten.
	restart bool
	// reword: there is no parent, but the prompt is rewritten.
	reword bool
	// confirm allows to ask the verifier again; doubt asks again whatever it says first.
	confirm, doubt bool
	// previews is how many noises may be abandoned on their previews.
	previews int
	reason   string
	index    float64 // expected gain per unit of the budget
}

// observed is what follows from a finished candidate.
type observed struct {
	right bool // the candidate is what the search is for
	stop  bool // no candidate after those already permitted is needed
	// keep lists the candidates whose images later ones may start from.
	keep []int
}

// usable reports whether a candidate has an image and a verdict on it.
func usable(c reflectionflow.Candidate) bool { return c.Error == "" && c.Score.Unanswered == "" }

// fixedOrder implements [strategy] for noise, noise-prompt and reflection: every
// chain corrects its best image, or rewrites the prompt of its last one.
type fixedOrder struct {
	search *promptSearch
	chains []chain
}

// chain is what the next candidate of a chain may start from.
type chain struct {
	best, last int     // usable candidates since the chain started, -1 for none
	value      float64 // of best
	sinceBest  int     // candidates since best
	refused    bool    // the last candidate failed permanently: its request is not tried again
}

func newFixedOrder(p *promptSearch) *fixedOrder {
	f := &fixedOrder{search: p, chains: make([]chain, p.cfg.Width)}
	for i := range f.chains {
		f.chains[i].best, f.chains[i].last = -1, -1
	}
	if images := p.cfg.Budget.Images; images > 0 {
		p.total = min(p.total, images)
	}
	return f
}

// choose implements [strategy]. It looks at the candidate's own chain, whose
// candidates are all at least width positions earlier.
func (f *fixedOrder) choose(id int) choice {
	cfg := &f.search.cfg
	own := &f.chains[id%cfg.Width]
	c := choice{parent: -1}
	switch {
	case cfg.Axes.Reflection:
		c.parent, c.restart = own.best, own.exhausted(cfg.patience())
	case cfg.Axes.Prompt:
		c.parent = own.last
	}
	c.reword = c.parent < 0 && cfg.Axes.Prompt && own.refused
	return c
}

// affords implements [strategy]: the total of the search counts the images.
func (f *fixedOrder) affords(int) bool { return true }

// observe implements [strategy].
func (f *fixedOrder) observe(c reflectionflow.Candidate) observed {
	cfg := &f.search.cfg
	f.chains[c.Chain].take(c, cfg.patience())
	right := usable(c) && c.Score.Enough() && cfg.EarlyStop
	o := observed{right: right, stop: right}
	for _, own := range f.chains {
		switch {
		case cfg.Axes.Reflection:
			o.keep = append(o.keep, own.best)
		case cfg.Axes.Prompt:
			o.keep = append(o.keep, own.last)
		}
	}
	return o
}

// exhausted reports whether the chain has corrected its best image without
// improvement as often as patience allows.
func (c *chain) exhausted(patience int) bool { return patience > 0 && c.sinceBest >= patience }

// take adds the next candidate to the chain.
func (c *chain) take(next reflectionflow.Candidate, patience int) {
	c.refused = next.Permanent
	if !usable(next) {
		c.sinceBest++
		return
	}
	c.last = next.ID
	if c.best < 0 || c.exhausted(patience) || next.Score.Value > c.value {
		c.best, c.value, c.sinceBest = next.ID, next.Score.Value, 0
	} else {
		c.sinceBest++
	}
}
