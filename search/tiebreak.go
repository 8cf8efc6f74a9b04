package search

import (
	"context"
	"fmt"
	"image"
	"math"

	"reflectionflow"
)

// maxTied is how many candidates of one value are compared: it bounds what choosing among
// them costs to one comparison less.
const maxTied = 8

// tiedWithin is the difference of values up to which candidates are tied: what rounding
// makes of equal ones.
const tiedWithin = 1e-9

// tie holds the candidates that share the highest value, with their images.
type tie struct {
	value      float64
	candidates []tied
	leftOut    int
}

type tied struct {
	id    int
	image image.Image
}

// add takes in a usable candidate.
func (t *tie) add(c reflectionflow.Candidate, img image.Image) {
	v := c.Score.Value
	switch {
	case len(t.candidates) == 0 || v > t.value+tiedWithin:
		*t = tie{value: v, candidates: []tied{{c.ID, img}}}
	case v < t.value-tiedWithin:
	case len(t.candidates) == maxTied:
		t.leftOut++
	default:
		t.value = math.Max(t.value, v)
		t.candidates = append(t.candidates, tied{c.ID, img})
	}
}

// contest compares tied candidates, one pair after the other, so that each comparison
// counts: the better one of a pair meets the next. It depends on the journal's comparisons
// and on the comparer alone.
type contest struct {
	tied   []tied
	best   int // index of the best so far
	next   int // index of the next challenger
	busy   bool
	result reflectionflow.Tiebreak
}

func newContest(t tie) *contest {
	c := &contest{tied: t.candidates, next: 1, result: reflectionflow.Tiebreak{LeftOut: t.leftOut}}
	for _, one := range t.candidates {
		c.result.Tied = append(c.result.Tied, one.id)
	}
	return c
}

// item is the comparison of the best with the next challenger.
func (c *contest) item(p *promptSearch) *item {
	best, challenger := c.tied[c.best], c.tied[c.next]
	it := &item{search: p, duel: &duel{
		Duel: reflectionflow.Duel{Best: best.id, Challenger: challenger.id},
		pair: reflectionflow.Pair{Prompt: p.prompt, First: best.image, Second: challenger.image},
	}}
	it.candidate.ID = challenger.id
	return it
}

// duel is a comparison under way.
type duel struct {
	reflectionflow.Duel
	pair reflectionflow.Pair
}

// take takes in the comparison of the best with the next challenger.
func (c *contest) take(d reflectionflow.Duel) {
	if d.Winner() == c.tied[c.next].id {
		c.best = c.next
	}
	c.next++
	c.busy = false
	c.result.Duels = append(c.result.Duels, d)
	c.result.Cost = c.result.Cost.Add(d.Preference.Cost)
}

// decide reports whether the best of a search that is done is settled, and otherwise
// starts the next comparison.
func (r *run) decide(p *promptSearch) bool {
	if p.tie == nil || len(p.tie.candidates) < 2 {
		return true
	}
	if p.contest == nil {
		p.contest = newContest(*p.tie)
	}
	c := p.contest
	for c.next < len(c.tied) {
		if c.busy {
			return false
		}
		d, ok := p.recallDuel(c.tied[c.best].id, c.tied[c.next].id)
		if !ok {
			if finished(p.journal) {
				break // it takes no more
			}
			c.busy = true
			r.pipe.compare(c.item(p))
			return false
		}
		c.take(d)
	}
	if len(c.result.Duels) > 0 {
		p.crown(c)
	}
	return true
}

// crown makes the winner of a contest the best candidate.
func (p *promptSearch) crown(c *contest) {
	p.best = c.tied[c.best].id
	if p.journal == nil {
		p.bestImage = c.tied[c.best].image
	}
	p.tiebreak = &c.result
	p.cost = p.cost.Add(c.result.Cost)
}

// recallDuel returns a comparison that the journal has.
func (p *promptSearch) recallDuel(best, challenger int) (reflectionflow.Duel, bool) {
	j, ok := p.journal.(ComparingJournal)
	if !ok {
		return reflectionflow.Duel{}, false
	}
	d, ok := j.RecallDuel(best, challenger)
	return d, ok && d.Best == best && d.Challenger == challenger && d.Preference.Validate() == nil
}

// compare makes the comparisons of a batch, and records each where the journal takes them.
func (r *run) compare(ctx context.Context, items []*item) error {
	pairs := make([]reflectionflow.Pair, len(items))
	for i, it := range items {
		pairs[i] = it.duel.pair
	}
	preferences, err := r.Comparer.Compare(ctx, pairs)
	if err == nil {
		err = checkCount("preferences", len(preferences), len(pairs))
	}
	for i := 0; err == nil && i < len(items); i++ {
		it := items[i]
		if it.duel.Preference = preferences[i]; it.duel.Preference.Validate() != nil {
			err = it.duel.Preference.Validate()
			break
		}
		if j, ok := it.search.journal.(ComparingJournal); ok {
			err = j.RecordDuel(it.duel.Duel)
		}
	}
	if err != nil {
		return fmt.Errorf("compare candidates %d and %d: %w", items[0].duel.Best, items[0].duel.Challenger, err)
	}
	return nil
}
