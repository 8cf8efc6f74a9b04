package search

import (
	"image"
	"math"
	"slices"

	"reflectionflow"
)

// allotment is what the lane of an adaptive search has beside the others': a
// policy's decisions, and a budget in denoising steps that may be raised.
type allotment struct {
	lane   *lane
	early  Early // zero where no noise may be given up
	limit  int   // steps that all candidates together may take
	most   int   // what the limit may be raised to
	starve bool  // the limit or the pause does not allow the next candidate
	pause  int   // the candidate to wait at with a picture that is right, but not surely; 0 for none
	late   bool  // time is up: there is nothing to wait for
	// reserved is the most that each admitted candidate may take, by ID.
	reserved []int
	images   map[int]image.Image // of candidates that may be corrected or shown
}

func newAllotment(l *lane) *allotment {
	a := &allotment{lane: l, limit: unbounded, most: unbounded, images: map[int]image.Image{}}
	if images := l.cfg.Budget.Images; images > 0 {
		a.limit = images * l.cfg.Steps
		a.most = a.limit
	}
	return a
}

// known is the number of candidates that a decision on candidate id may look at:
// those that are verified whatever the timing.
func (l *lane) known(id int) int { return max(0, id-l.cfg.Width+1) }

// room is what the limit leaves for candidate id, in steps. Of candidates that may
// still be under way it takes the most they may need.
func (a *allotment) room(id int) int {
	left := a.limit
	known := a.lane.known(id)
	for _, c := range a.lane.finished[:known] {
		left -= c.Steps()
	}
	for _, steps := range a.reserved[known:id] {
		left -= steps
	}
	return left
}

// affords reports whether the budget allows the next candidate.
func (l *lane) affords() bool {
	if l.allot == nil {
		return true
	}
	l.allot.starve = l.allot.content() || l.allot.room(l.admitted) < l.cfg.Steps
	return !l.allot.starve
}

// doubts reports whether a right picture is worth more images if they are left over.
func (a *allotment) doubts(s reflectionflow.Score) bool {
	cfg := &a.lane.cfg
	return !cfg.Adaptive.Survey && a.limit != unbounded && !cfg.Adaptive.Policy.Stop.sure(s)
}

// wait lets the lane wait at a candidate for what the others leave over. Where nothing
// is shared it goes on with its own.
func (a *allotment) wait(id int) {
	if a.lane.cfg.Adaptive.Rollover {
		a.pause = id
	}
}

// content reports whether the lane waits with a right picture.
func (a *allotment) content() bool { return !a.late && a.pause > 0 && a.lane.admitted >= a.pause }

// spentAll reports whether the lane may never draw again.
func (a *allotment) spentAll() bool {
	return a.starve && a.limit == a.most && a.room(a.lane.admitted) < a.lane.cfg.Steps
}

// idle reports whether nothing of the lane is under way.
func (l *lane) idle() bool { return l.opened && l.recorded == l.admitted }

// starved reports whether the lane could go on with a larger budget.
func (l *lane) starved() bool {
	return l.allot != nil && l.allot.starve && l.idle() && l.admitted < l.total
}

// most is the most candidates there can be, as far as is known.
func (l *lane) most() int {
	if l.allot == nil || l.allot.limit == unbounded {
		return l.total
	}
	return min(l.total, max(len(l.finished), l.allot.limit/l.cfg.Steps))
}

// history is what a decision on candidate id may look at.
func (l *lane) history(id int) history {
	return history{
		policy: &l.cfg.Adaptive.Policy, axes: l.cfg.Axes, steps: l.cfg.Steps, timed: l.cfg.Budget.Images == 0,
		candidates: l.finished[:l.known(id)],
	}
}

// decide says what an item is made of, and how many noises it may give up.
func (a *allotment) decide(it *item) {
	l, id := a.lane, it.candidate.ID
	h := l.history(id)
	switch {
	case l.cfg.Adaptive.Survey:
		it.choice = h.survey(it.seed(forSurvey, it.candidate.Round))
	case l.cfg.Adaptive.Routing:
		it.choice = h.choose()
	default: // as Reflection does, with the best picture of all
		it.choice.parent = h.best(len(h.candidates))
	}
	if parent := it.choice.parent; parent >= 0 {
		it.parent = &seen{l.finished[parent], a.images[parent]}
	}
	spare := a.early.steps(l.cfg.Steps)
	if spare > 0 && (it.choice.action == reflectionflow.Explore || it.choice.action == reflectionflow.Rewrite || it.parent == nil) {
		it.tries = min(a.early.Tries, max(0, a.room(id)-l.cfg.Steps)/spare)
	}
	a.reserved = append(a.reserved[:id], l.cfg.Steps+it.tries*spare)
}

// keep keeps the image of a finished candidate while later ones may look at it.
func (a *allotment) keep(c reflectionflow.Candidate, img image.Image) {
	l := a.lane
	if c.Error == "" {
		a.images[c.ID] = img
	}
	known := l.known(max(l.admitted, len(l.finished)))
	promising := history{candidates: l.finished}.promising(known)
	for id := range a.images {
		if id < known && !slices.Contains(promising, id) {
			delete(a.images, id)
		}
	}
}

// right reports whether a picture is what the search is for.
func (c Config) right(s reflectionflow.Score) bool {
	if c.Adaptive != nil {
		return c.Adaptive.Policy.Stop.believes(s)
	}
	return s.Right()
}

// largestShare bounds what one prompt may get of the others' budgets, as a
// multiple of its own: what was not drawn by then hardly ever will be.
const largestShare = 4

// allot prepares the lanes of an adaptive search.
func (r *run) allot() {
	var early Early
	if r.cfg.Adaptive.Abandon {
		if parts, ok := r.previewing(); ok {
			r.parts, early = parts, r.cfg.Adaptive.Policy.Early
		}
	}
	for _, l := range r.lanes {
		l.allot.early = early
		if r.cfg.Adaptive.Rollover && l.allot.limit <= math.MaxInt/largestShare {
			l.allot.most = largestShare * l.allot.limit
		}
	}
}

// share hands out what right prompts left over, and reports whether any lane may go
// on. It waits until every prompt is right or has spent its own budget, so that
// what each gets does not depend on timing. Then all that are not right get equally
// many images; what is left after that goes, one image each, to those that promise
// most. Once no prompt can be helped that way, those whose picture is right, but not
// surely, share what is left. Where nothing is left, they end.
func (r *run) share() bool {
	if r.cfg.Adaptive == nil {
		return false
	}
	over := true
	for _, l := range r.lanes {
		if l.allot.spentAll() {
			l.end(l.admitted)
			r.settle(l)
		}
		over = over && (l.opened && l.done() || l.starved())
	}
	if !over {
		return false
	}
	left := 0
	var needy, content []*lane
	for _, l := range r.lanes {
		left += l.cfg.Budget.Images * l.cfg.Steps
		switch {
		case l.starved() && l.allot.content():
			content = append(content, l)
			left -= l.spent()
		case l.starved():
			needy = append(needy, l)
			left -= l.allot.limit
		default:
			left -= l.spent()
		}
	}
	images := left / r.cfg.Steps
	if images < 1 {
		for _, l := range slices.Concat(needy, content) {
			l.end(l.admitted)
			r.settle(l)
		}
		return false
	}
	waiting := needy
	if len(needy) == 0 {
		waiting = content
	}
	return handOut(waiting, images)
}

// handOut gives lanes that wait as many images as there are, and reports whether any
// may go on.
func handOut(waiting []*lane, images int) bool {
	each := max(1, images/max(1, len(waiting)))
	if images < len(waiting) {
		slices.SortStableFunc(waiting, func(a, b *lane) int {
			return byIndex(b.history(b.admitted).choose(), a.history(a.admitted).choose())
		})
		waiting = waiting[:images]
	}
	for _, l := range waiting {
		a := l.allot
		if a.content() { // what it had not used has been given back
			a.limit, a.pause = l.spent(), 0
		}
		a.limit = min(a.most, a.limit+each*l.cfg.Steps)
		a.starve = false
	}
	return len(waiting) > 0
}

// spent is what the finished candidates took, in steps.
func (l *lane) spent() int {
	steps := 0
	for _, c := range l.finished {
		steps += c.Steps()
	}
	return steps
}
