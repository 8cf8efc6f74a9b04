package search

import (
	"image"
	"sync"

	"reflectionflow"
)

// Journal keeps the finished candidates of one prompt, so that an interrupted search
// can be resumed.
//
// Recall is called for 0, 1, 2 … until it reports false, before the first Record. What
// it returns is neither generated nor verified again, and must be equal to what was
// recorded: the candidate's JSON form and the image's pixels (of any image type) are
// enough. The image is nil for a candidate with an Error. A journal that cannot read an
// entry reports false: the search generates it and all later ones again, with the same
// result.
//
// Record is called once for each candidate that was not recalled, in ID order, after it
// is verified. So the journal of a killed search is a prefix of that of the
// uninterrupted one. An error ends the search. Calls do not overlap, but they come from
// other goroutines than the caller of Run.
type Journal interface {
	Recall(id int) (reflectionflow.Candidate, image.Image, bool)
	Record(c reflectionflow.Candidate, img image.Image) error
}

// FinishedJournal is an optional ability of a [Journal], found by type assertion: to
// report that its search is finished and it takes no more candidates. Such a search is
// recalled, for prompts that share its budget, and generates nothing.
type FinishedJournal interface {
	Journal
	Finished() bool
}

// ComparingJournal is an optional ability of a [Journal], found by type assertion: to keep
// the comparisons of a [reflectionflow.Tiebreak], so that none is made twice.
//
// RecordDuel is called after all candidates are recorded, once for each comparison that
// RecallDuel did not have. An error ends the search.
type ComparingJournal interface {
	Journal
	RecallDuel(best, challenger int) (reflectionflow.Duel, bool)
	RecordDuel(d reflectionflow.Duel) error
}

// finished reports whether a journal takes no more candidates.
func finished(j Journal) bool {
	f, ok := j.(FinishedJournal)
	return ok && f.Finished()
}

// Memory is a journal in memory that keeps every image. Its zero value is ready to use.
// It may be read by several goroutines while a search writes it.
type Memory struct {
	mu         sync.Mutex
	candidates []reflectionflow.Candidate
	images     []image.Image
	duels      []reflectionflow.Duel
}

// Recall implements [Journal].
func (m *Memory) Recall(id int) (reflectionflow.Candidate, image.Image, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id < 0 || id >= len(m.candidates) {
		return reflectionflow.Candidate{}, nil, false
	}
	return m.candidates[id], m.images[id], true
}

// Record implements [Journal].
func (m *Memory) Record(c reflectionflow.Candidate, img image.Image) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.candidates = append(m.candidates, c)
	m.images = append(m.images, img)
	return nil
}

// RecallDuel implements [ComparingJournal].
func (m *Memory) RecallDuel(best, challenger int) (reflectionflow.Duel, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.duels {
		if d.Best == best && d.Challenger == challenger {
			return d, true
		}
	}
	return reflectionflow.Duel{}, false
}

// RecordDuel implements [ComparingJournal].
func (m *Memory) RecordDuel(d reflectionflow.Duel) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.duels = append(m.duels, d)
	return nil
}

// Image returns the image of a recorded candidate, nil where there is none.
func (m *Memory) Image(id int) image.Image {
	_, img, _ := m.Recall(id)
	return img
}

// Discard is a journal that keeps nothing, for callers that take the images from
// Notify: with it, results hold no images.
var Discard Journal = discard{}

type discard struct{}

func (discard) Recall(int) (reflectionflow.Candidate, image.Image, bool) {
	return reflectionflow.Candidate{}, nil, false
}

func (discard) Record(reflectionflow.Candidate, image.Image) error { return nil }

var _ ComparingJournal = (*Memory)(nil)
