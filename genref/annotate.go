package genref

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"

	"reflectionflow"
)

// AnnotateOptions sets how a set is annotated.
type AnnotateOptions struct {
	Annotator reflectionflow.Annotator
	// Name identifies the annotator and its prompt. A set has one annotator.
	Name string
	// Batch is the number of triplets per call of the annotator, 1 or more. Without OpenCache,
	// an interruption loses at most the answers of one batch.
	Batch int
	// OpenCache caches the answers of a batch until its lines are written; nil for an annotator
	// that costs nothing.
	OpenCache OpenCache
	// Count is the number of lines that the file shall have in the end; 0 for all triplets.
	Count int
}

// AnnotateReport is the result of annotating a set.
type AnnotateReport struct {
	// Annotated is the number of triplets that have a line now, Before the number that had one.
	Annotated, Before int
	// Better counts the judgments, Skipped the reasons for which there is none.
	Better, Skipped map[string]int
	// Unanswered describes some of the triplets that this call skipped.
	Unanswered []string
	Cost       reflectionflow.Cost // cost of this call
	Problems   Problems            // damage of the set that was skipped
}

// The reasons for which a triplet is not shown to the annotator.
const (
	SkippedBadImage  = "images that do not decode"
	SkippedBadPrompt = "invalid prompts"
)

// Annotate compares the images of the set's triplets, in order, and writes the judgments to
// annotations.jsonl in the set's folder. A triplet that has a line is not asked about
// again, so the same call resumes. An error of the annotator, such as a lost connection,
// ends the call and leaves no lines for its batch.
//
// Errors wrap [reflectionflow.ErrInvalid] for invalid options, a set that has another
// annotator, and a folder that another process writes to. notify may be nil; it is called
// with the number of lines.
func (s *Set) Annotate(ctx context.Context, a AnnotateOptions, notify func(annotated int)) (report AnnotateReport, err error) {
	if a.Annotator == nil || a.Name == "" || a.Batch < 1 || a.Count < 0 {
		return report, fmt.Errorf("%w: annotating needs an annotator and its name, a batch of 1 or more and a count of 0 or more", reflectionflow.ErrInvalid)
	}
	if notify == nil {
		notify = func(int) {}
	}
	w := annotateRun{AnnotateOptions: a, seed: maphash.MakeSeed(), annotated: make(map[uint64]bool), notify: notify, cacheDir: filepath.Join(s.dir, unannotatedName)}
	w.report.Better, w.report.Skipped = make(map[string]int), make(map[string]int)
	lock, err := lockFolder(s.dir)
	if err != nil {
		return w.report, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if w.log, err = openAnnotations(s.dir, w.recall); err != nil {
		return w.report, err
	}
	defer func() { err = errors.Join(err, w.log.close()) }()
	w.report.Before = w.report.Annotated
	w.report.Problems, err = s.Walk(ctx, func(t Sample) error { return w.take(ctx, t) })
	if err == nil || errors.Is(err, errEnough) {
		err = w.flush(ctx)
	}
	return w.report, err
}

// unannotatedName is the folder of a set that caches answers until their lines are written.
const unannotatedName = "unannotated"

// errEnough ends the reading of a set when Count is reached.
var errEnough = errors.New("enough triplets")

// annotateRun annotates one set.
type annotateRun struct {
	AnnotateOptions
	log       *annotationLog
	cacheDir  string // folder of the cached answers
	seed      maphash.Seed
	annotated map[uint64]bool // hashes of the keys that have a line
	pending   []Sample
	report    AnnotateReport
	notify    func(int)
}

// recall enters a line of an earlier call.
func (w *annotateRun) recall(a Annotation) error {
	if a.Annotator != w.Name {
		return fmt.Errorf("%w: the set was annotated by %s, now it would be by %s: use the same, or move %s away",
			reflectionflow.ErrInvalid, a.Annotator, w.Name, annotationsName)
	}
	w.annotated[maphash.String(w.seed, a.Key)] = true
	w.count(a)
	return nil
}

func (w *annotateRun) count(a Annotation) {
	w.report.Annotated++
	if a.Skipped != "" {
		w.report.Skipped[a.Skipped]++
	} else {
		w.report.Better[a.Better]++
	}
}

// take adds a triplet of the set to the batch.
func (w *annotateRun) take(ctx context.Context, s Sample) error {
	if w.annotated[maphash.String(w.seed, s.Key)] {
		return nil
	}
	if w.Count > 0 && w.report.Annotated+len(w.pending) >= w.Count {
		return errEnough
	}
	if w.pending = append(w.pending, s); len(w.pending) < w.Batch {
		return nil
	}
	return w.flush(ctx)
}

// flush annotates the pending triplets and writes their lines.
func (w *annotateRun) flush(ctx context.Context) error {
	lines := make([]Annotation, len(w.pending))
	var pairs []reflectionflow.Pair
	var of []int // line of a pair
	for i, s := range w.pending {
		lines[i] = Annotation{Key: s.Key, Annotator: w.Name, FlawedFirst: flawedFirst(s.Key)}
		pair, reason, err := s.pair(lines[i].FlawedFirst)
		if err != nil {
			lines[i].Skipped, lines[i].Detail = reason, detailOf(err.Error())
			continue
		}
		of, pairs = append(of, i), append(pairs, pair)
	}
	comparisons, err := w.compare(ctx, pairs)
	if err != nil {
		return err
	}
	for k, c := range comparisons {
		if lines[of[k]], err = lines[of[k]].with(c); err != nil {
			return err
		}
		w.report.Cost = w.report.Cost.Add(c.Cost)
	}
	if err := w.log.add(lines); err != nil {
		return err
	}
	if err := os.RemoveAll(w.cacheDir); err != nil {
		return fmt.Errorf("remove the cached answers: %w", err)
	}
	for _, a := range lines {
		w.count(a)
		if a.Skipped != "" && len(w.report.Unanswered) < maxFaults {
			w.report.Unanswered = append(w.report.Unanswered, strings.TrimSuffix(a.Key+": "+a.Skipped+": "+a.Detail, ": "))
		}
	}
	w.pending = w.pending[:0]
	w.notify(w.report.Annotated)
	return nil
}

// compare calls the annotator, with a cache of its answers.
func (w *annotateRun) compare(ctx context.Context, pairs []reflectionflow.Pair) (said []reflectionflow.Comparison, err error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	if w.OpenCache != nil {
		kept, failed := w.OpenCache(w.cacheDir)
		if failed != nil {
			return nil, failed
		}
		defer func() { err = errors.Join(err, kept.Close()) }()
	}
	if said, err = w.Annotator.Annotate(ctx, pairs); err != nil {
		return nil, fmt.Errorf("annotate: %w", err)
	}
	if len(said) != len(pairs) {
		return nil, fmt.Errorf("the annotator returned %d comparisons for %d pairs", len(said), len(pairs))
	}
	return said, nil
}

// flawedFirst chooses by the key which image comes first. An annotator that favors the first
// image then favors neither kind.
func flawedFirst(key string) bool {
	h := fnv.New64a()
	h.Write([]byte(key)) // a hash never fails to write
	sum := h.Sum64()
	return (sum^sum>>32)&1 == 0
}

// pair decodes the images, in the order in which they are shown.
func (s Sample) pair(flawedFirst bool) (pair reflectionflow.Pair, reason string, err error) {
	pair.Prompt = reflectionflow.Prompt{Text: s.Prompt}
	if err := pair.Prompt.Validate(); err != nil {
		return pair, SkippedBadPrompt, err
	}
	if pair.First, pair.Second, err = s.decoded(); err != nil {
		return pair, SkippedBadImage, err
	}
	if !flawedFirst {
		pair.First, pair.Second = pair.Second, pair.First
	}
	return pair, "", nil
}

// with returns the annotation with a comparison's content.
func (a Annotation) with(c reflectionflow.Comparison) (Annotation, error) {
	if c.Unanswered != "" {
		a.Skipped, a.Detail = c.Unanswered, detailOf(c.Detail)
		return a, nil
	}
	if err := c.Validate(); err != nil {
		return a, fmt.Errorf("the annotator's comparison of %s: %v", a.Key, err)
	}
	a.Better = BetterNeither
	if c.Better != reflectionflow.Neither {
		a.Better = BetterEnhanced
		if (c.Better == reflectionflow.First) == a.FlawedFirst {
			a.Better = BetterFlawed
		}
	}
	for _, d := range c.Differences {
		said := PairDifference{Category: d.Category, Flawed: d.First, Enhanced: d.Second}
		if !a.FlawedFirst {
			said.Flawed, said.Enhanced = said.Enhanced, said.Flawed
		}
		a.Differences = append(a.Differences, said)
	}
	a.Instructions = c.Instructions
	return a, nil
}

// detailOf returns a text on one line and of bounded length.
func detailOf(text string) string {
	text = strings.ReplaceAll(text, reflectionflow.ErrInvalid.Error()+": ", "")
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "")
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "…"
	}
	return text
}
