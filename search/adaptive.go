package search

import (
	"math"

	"reflectionflow"
)

// adaptive implements [strategy] for the adaptive strategies: a policy chooses, and
// the budget counts denoising steps and may be raised by images that other prompts
// leave over.
type adaptive struct {
	search *promptSearch
	early  Early // zero where no noise may be abandoned
	limit  int   // steps that all candidates together may take
	most   int   // what limit may be raised to
	// waiting: limit or waitAt did not allow the next candidate.
	waiting bool
	// waitAt is the candidate that waits for leftover images because an image is
	// right with a probability below Stop.Sure; 0 for none.
	waitAt int
	late   bool // the time is up: there is nothing to wait for
	// reserved is the most steps that each admitted candidate may take, by ID.
	reserved []int
}

func newAdaptive(p *promptSearch, early Early) *adaptive {
	a := &adaptive{search: p, early: early, limit: unbounded, most: unbounded}
	if images := p.cfg.Budget.Images; images > 0 {
		a.limit = images * p.cfg.Steps
		a.most = a.limit
		if p.cfg.Adaptive.Rollover && a.limit <= math.MaxInt/largestShare {
			a.most = largestShare * a.limit
		}
	}
	a.plan()
	return a
}

// plan tells the search how many candidates the limit allows.
func (a *adaptive) plan() {
	if a.limit != unbounded {
		a.search.planned = a.limit / a.search.cfg.Steps
	}
}

// known is the number of candidates that the choice of candidate id may look at:
// those that are finished whatever the timing.
func (a *adaptive) known(id int) int { return max(0, id-a.search.cfg.Width+1) }

// history is what the choice of candidate id may look at.
func (a *adaptive) history(id int) history {
	cfg := &a.search.cfg
	return history{
		policy: &cfg.Adaptive.Policy, axes: cfg.Axes, steps: cfg.Steps, timed: cfg.Budget.Images == 0,
		candidates: a.search.finished[:a.known(id)],
	}
}

// choose implements [strategy].
func (a *adaptive) choose(id int) choice {
	cfg := &a.search.cfg
	h := a.history(id)
	c := choice{parent: -1}
	switch {
	case cfg.Adaptive.Survey:
		c = h.survey(seedOf(cfg.Seed, forSurvey, id/cfg.Width, id%cfg.Width))
	case cfg.Adaptive.Routing:
		c = h.choose()
	default: // as Reflection does, with the best image of all chains
		c.parent = h.best(len(h.candidates))
	}
	if c.confirm = cfg.Adaptive.Confirm && !cfg.Adaptive.Survey; c.confirm {
		c.doubt = h.doubts()
	}
	spare := a.early.steps(cfg.Steps)
	fromNoise := c.action == reflectionflow.Explore || c.action == reflectionflow.Rewrite || c.parent < 0
	if spare > 0 && fromNoise {
		c.previews = min(a.early.Tries, max(0, a.room(id)-cfg.Steps)/spare)
	}
	a.reserved = append(a.reserved[:id], cfg.Steps+c.previews*spare)
	return c
}

// room is what the limit leaves for candidate id, in steps. A candidate that may
// still be under way counts with the most steps that it may take.
func (a *adaptive) room(id int) int {
	left := a.limit
	known := a.known(id)
	for _, c := range a.search.finished[:known] {
		left -= a.search.charged(c)
	}
	for _, steps := range a.reserved[known:id] {
		left -= steps
	}
	return left
}

// affords implements [strategy].
func (a *adaptive) affords(id int) bool {
	a.waiting = a.content() || a.room(id) < a.search.cfg.Steps
	return !a.waiting
}

// observe implements [strategy].
func (a *adaptive) observe(c reflectionflow.Candidate) observed {
	cfg := &a.search.cfg
	right := usable(c) && cfg.Adaptive.Policy.Stop.believes(c.Score) && cfg.EarlyStop
	o := observed{right: right, stop: right}
	if right && a.wantsMore(c.Score) {
		o.stop = false
		if cfg.Adaptive.Rollover {
			a.waitAt = c.ID + cfg.Width
		}
	}
	finished := a.search.finished
	known := a.known(max(a.search.admitted, len(finished)))
	o.keep = history{candidates: finished}.promising(known)
	for id := known; id < len(finished); id++ {
		o.keep = append(o.keep, id)
	}
	return o
}

// wantsMore reports whether an image that is right is worth more images if other
// prompts leave them over.
func (a *adaptive) wantsMore(s reflectionflow.Score) bool {
	cfg := a.search.cfg.Adaptive
	return !cfg.Survey && a.limit != unbounded && !cfg.Policy.Stop.sure(s)
}

// content reports whether the search waits with a right image.
func (a *adaptive) content() bool {
	return !a.late && a.waitAt > 0 && a.search.admitted >= a.waitAt
}

// exhausted reports whether no candidate can ever be admitted again.
func (a *adaptive) exhausted() bool {
	return a.waiting && a.limit == a.most && a.room(a.search.admitted) < a.search.cfg.Steps
}

// starved reports whether a larger budget would let the search continue.
func (a *adaptive) starved() bool {
	return a.waiting && a.search.idle() && a.search.admitted < a.search.total
}
