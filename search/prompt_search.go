package search

import (
	"errors"
	"fmt"
	"image"

	"reflectionflow"
)

// item is a candidate under way.
type item struct {
	search    *promptSearch
	candidate reflectionflow.Candidate
	image     image.Image
	pixels    pixels
	parent    *seen // what it may start from; nil to explore
	choice    choice
	duel      *duel // set for a comparison, which is of no candidate
}

// note adds a phrase to the candidate's reason.
func (it *item) note(format string, args ...any) {
	if it.candidate.Reason != "" {
		it.candidate.Reason += "; "
	}
	it.candidate.Reason += oneLine(fmt.Sprintf(format, args...))
}

// seen is a finished candidate and its image.
type seen struct {
	candidate reflectionflow.Candidate
	image     image.Image
}

// promptSearch is the search of one prompt: a window that slides over the
// candidates. Of the images it keeps only those that later candidates may start
// from, and the best where no journal has it.
type promptSearch struct {
	index    int // of the task
	prompt   reflectionflow.Prompt
	journal  Journal // nil for none
	cfg      Config
	strategy strategy // nil once the search is over

	opened   bool // the journal was asked
	recalled int  // candidates that the journal had
	complete bool // the journal has no more
	admitted int  // candidates 0 to admitted-1 are finished or under way
	finished []reflectionflow.Candidate
	recorded int // candidates 0 to recorded-1 are in the journal
	total    int // candidates 0 to total-1 will exist, as far as is known
	planned  int // what the budget allows for now
	ended    bool
	settled  bool

	images    map[int]image.Image
	origins   map[uint64]reflectionflow.Candidate // of images from noise alone, by their pixels
	best      int                                 // ID, -1 for none
	bestImage image.Image                         // where there is no journal
	right     bool
	failed    bool // too many candidates failed in a row
	inARow    int  // candidates that failed since the last usable one
	cost      reflectionflow.Cost

	tie      *tie // nil where nothing is compared
	contest  *contest
	tiebreak *reflectionflow.Tiebreak // set once the contest is over
}

// maxFailures is the number of candidates that may fail in a row, or the width if
// that is more. It bounds what a generator that cannot serve a prompt costs.
const maxFailures = 8

func newPromptSearch(index int, task Task, cfg Config) *promptSearch {
	if task.Seed != 0 {
		cfg.Seed = task.Seed
	}
	return &promptSearch{
		index: index, prompt: task.Prompt, journal: task.Journal, cfg: cfg,
		total: cfg.total(), planned: unbounded, best: -1,
		images: map[int]image.Image{}, origins: map[uint64]reflectionflow.Candidate{},
	}
}

// admit returns the next candidate, or nil while the window is closed: candidate
// p waits until 0 to p-width are finished.
func (p *promptSearch) admit() *item {
	if p.admitted >= p.total || p.admitted-len(p.finished) >= p.cfg.Width || !p.strategy.affords(p.admitted) {
		return nil
	}
	it := p.item(p.admitted)
	p.admitted++
	return it
}

// item is candidate id with the strategy's choice.
func (p *promptSearch) item(id int) *item {
	it := &item{search: p, choice: p.strategy.choose(id), candidate: reflectionflow.Candidate{
		ID: id, Parent: -1, Round: id / p.cfg.Width, Chain: id % p.cfg.Width,
	}}
	if parent := it.choice.parent; parent >= 0 {
		it.parent = &seen{p.finished[parent], p.images[parent]}
	}
	return it
}

// finish takes in the next candidate in ID order, verified or failed.
func (p *promptSearch) finish(c reflectionflow.Candidate, img image.Image) {
	p.finished = append(p.finished, c)
	p.cost = p.cost.Add(c.Cost)
	if img != nil {
		p.images[c.ID] = img
	}
	switch {
	case usable(c):
		p.inARow = 0
		if p.tie != nil {
			p.tie.add(c, img)
		}
		if p.best < 0 || c.Score.Value > p.finished[p.best].Score.Value {
			p.best = c.ID
			if p.journal == nil {
				p.bestImage = img
			}
		}
	case p.charged(c) > 0:
		p.inARow++
	case !p.ended && p.total != unbounded: // it is tried again
		p.total++
	}
	o := p.strategy.observe(c)
	p.forget(o.keep)
	p.right = p.right || o.right
	// The candidates of the window were permitted before this one was known.
	switch {
	case o.stop:
		p.end(c.ID + p.cfg.Width)
	case p.inARow >= max(maxFailures, p.cfg.Width):
		p.failed = true
		p.end(c.ID + p.cfg.Width)
	}
}

// forget drops the images that no later candidate may start from.
func (p *promptSearch) forget(keep []int) {
	kept := make(map[int]image.Image, len(keep))
	for _, id := range keep {
		if img := p.images[id]; img != nil {
			kept[id] = img
		}
	}
	p.images = kept
}

// charged is what a finished candidate takes of the budget, in denoising steps.
// Nothing for one that an earlier call recorded as failed, unless the failure is
// permanent: its place is tried again.
func (p *promptSearch) charged(c reflectionflow.Candidate) int {
	if c.ID < p.recalled && c.Retryable() && !finished(p.journal) {
		return 0
	}
	return c.Steps()
}

// spent is what the finished candidates take of the budget, in denoising steps.
func (p *promptSearch) spent() int {
	steps := 0
	for _, c := range p.finished {
		steps += p.charged(c)
	}
	return steps
}

// end bounds the search to candidates 0 to total-1.
func (p *promptSearch) end(total int) { p.total, p.ended = min(p.total, total), true }

// idle reports whether no candidate is under way.
func (p *promptSearch) idle() bool { return p.opened && p.recorded == p.admitted }

// done reports whether every candidate is finished and recorded.
func (p *promptSearch) done() bool { return p.opened && p.recorded >= p.total }

// most is the most candidates there can be, as far as is known.
func (p *promptSearch) most() int { return min(p.total, max(len(p.finished), p.planned)) }

// settle releases what only candidates under way need.
func (p *promptSearch) settle() {
	p.settled, p.strategy, p.images, p.origins, p.tie, p.contest = true, nil, nil, nil, nil, nil
}

var (
	errNoImage   = errors.New("no image was generated")
	errNoVerdict = errors.New("the verifier judged no image")
)

// err says why the search has no result, nil when it has one.
func (p *promptSearch) err() error {
	if p.best >= 0 {
		return nil
	}
	if len(p.finished) == 0 {
		return fmt.Errorf("%w: the time budget is spent", errNoImage)
	}
	for _, c := range p.finished {
		if c.Error == "" {
			return fmt.Errorf("%w: image %d: %s", errNoVerdict, c.ID, c.Score.Unanswered)
		}
	}
	return fmt.Errorf("%w: %s", errNoImage, p.finished[0].Error)
}

// bestCandidate is the best so far, with ID -1 when there is none.
func (p *promptSearch) bestCandidate() reflectionflow.Candidate {
	if p.best < 0 {
		return reflectionflow.Candidate{ID: -1, Parent: -1}
	}
	return p.finished[p.best]
}

// result is what the search has found so far.
func (p *promptSearch) result() reflectionflow.Result {
	res := reflectionflow.Result{Prompt: p.prompt, Candidates: p.finished, Best: p.best, BestImage: p.bestImage, Cost: p.cost, Tiebreak: p.tiebreak}
	switch {
	case !p.done():
	case p.right && p.finished[p.best].Score.Right():
		res.Stopped = reflectionflow.StoppedRight
	case p.right:
		res.Stopped = reflectionflow.StoppedJudged
	case p.failed || p.best < 0:
		res.Stopped = reflectionflow.StoppedFailed
	default:
		res.Stopped = reflectionflow.StoppedBudget
	}
	return res
}
