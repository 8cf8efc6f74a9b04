package genref

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"reflectionflow/clipart"
)

// Stats holds statistics of sets, those of the paper's Figure 1 (arXiv 2504.16080).
type Stats struct {
	Triplets int            `json:"triplets"`
	Shards   int            `json:"shards"`
	Sources  map[string]int `json:"sources"` // triplets by source
	Subsets  map[string]int `json:"subsets"`
	Splits   map[string]int `json:"splits"` // triplets by the split of their prompts
	// Openings counts the first words of the reflections' last sentences, the instructions; the
	// most frequent first.
	Openings []Opening `json:"openings"`
	// Words has the lengths of reflections in words, by subset. ScoreGaps has the score of the
	// enhanced image minus that of the flawed one, by source, where both are known.
	Words     Histogram `json:"reflection_words"`
	ScoreGaps Histogram `json:"score_gaps"`
	// Annotated counts the annotated triplets, Better the judgments, Categories the categories
	// of differences, and Unannotated the reasons for missing annotations.
	Annotated   int            `json:"annotated"`
	Better      map[string]int `json:"better,omitempty"`
	Categories  map[string]int `json:"difference_categories,omitempty"`
	Unannotated map[string]int `json:"unannotated,omitempty"`
	// Examples are random triplets of each subset, at most 6, in the order of the sets.
	Examples []Sample `json:"-"`
	Problems Problems `json:"problems"`
}

// Opening is a first word and the number of reflections whose last sentence begins with it.
type Opening struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

// Histogram has distributions over common bins: bin i is from Edges[i] to below Edges[i+1],
// the last one from Edges[i] up.
type Histogram struct {
	Edges []float64      `json:"edges"`
	Rows  []Distribution `json:"rows"`
}

// Distribution summarizes some numbers.
type Distribution struct {
	Name   string  `json:"name"`
	Count  int     `json:"count"`
	Mean   float64 `json:"mean"`
	P5     float64 `json:"p5"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Bins   []int   `json:"bins"`
}

// examples is the number of example triplets per subset.
const examples = 6

// CollectStats reads whole sets and computes their common statistics. Damage is skipped and
// reported. It keeps two numbers per triplet in memory. notify may be nil; it is called with
// the number of triplets.
func CollectStats(ctx context.Context, sets []*Set, notify func(triplets int)) (Stats, error) {
	c := counter{
		openings: make(map[string]int), words: make(map[string][]float32), gaps: make(map[string][]float32),
		chosen: make(map[string][]example), random: rand.New(rand.NewPCG(1, 2)),
	}
	c.Sources, c.Subsets, c.Splits = make(map[string]int), make(map[string]int), make(map[string]int)
	c.Better, c.Categories, c.Unannotated = make(map[string]int), make(map[string]int), make(map[string]int)
	for _, s := range sets {
		if err := c.set(ctx, s, notify); err != nil {
			return c.Stats, err
		}
	}
	c.finish()
	return c.Stats, nil
}

// set counts the content of one set.
func (c *counter) set(ctx context.Context, s *Set, notify func(triplets int)) error {
	c.Shards += len(s.names)
	problems, err := s.Walk(ctx, func(t Sample) error {
		c.triplet(t)
		if notify != nil {
			notify(c.Triplets)
		}
		return nil
	})
	c.Problems.merge(problems)
	if err != nil {
		return err
	}
	for a, err := range s.Annotations() {
		if err != nil {
			return err
		}
		c.annotation(a)
	}
	return nil
}

type counter struct {
	Stats
	openings    map[string]int
	words, gaps map[string][]float32
	chosen      map[string][]example // by subset
	random      *rand.Rand
}

// example is a possible example and the number of its triplet.
type example struct {
	Sample
	n int
}

func (c *counter) triplet(s Sample) {
	c.Triplets++
	source := "unknown"
	if p := s.Provenance; p != nil && p.Source != "" {
		source = p.Source
		// Imported and rendered images have no score.
		if p.Enhanced.Score != 0 || p.Flawed.Score != 0 {
			c.gaps[source] = append(c.gaps[source], float32(p.Enhanced.Score-p.Flawed.Score))
		}
	}
	c.Sources[source]++
	c.Subsets[s.Subset]++
	c.Splits[string(clipart.SplitOf(s.Prompt))]++
	words := strings.Fields(s.Reflection)
	c.words[s.Subset] = append(c.words[s.Subset], float32(len(words)))
	if word := opening(s.Reflection); word != "" {
		c.openings[word]++
	}
	// Reservoir sampling: every triplet of a subset is an example with the same probability.
	list, n := c.chosen[s.Subset], c.Subsets[s.Subset]
	if len(list) < examples {
		c.chosen[s.Subset] = append(list, example{s, c.Triplets})
	} else if i := c.random.IntN(n); i < examples {
		list[i] = example{s, c.Triplets}
	}
}

func (c *counter) annotation(a Annotation) {
	if a.Skipped != "" {
		c.Unannotated[a.Skipped]++
		return
	}
	c.Annotated++
	c.Better[a.Better]++
	for _, d := range a.Differences {
		c.Categories[d.Category]++
	}
}

// opening returns the first word of the last sentence. The sentences before an instruction
// describe the image.
func opening(reflection string) string {
	const marks = " .,:;!\"'"
	text := strings.Trim(reflection, marks)
	words := strings.Fields(text[strings.LastIndex(text, ". ")+1:])
	if len(words) == 0 {
		return ""
	}
	return strings.ToLower(strings.Trim(words[0], marks))
}

// maxOpenings bounds the list of first words.
const maxOpenings = 12

func (c *counter) finish() {
	for _, word := range slices.Sorted(maps.Keys(c.openings)) {
		c.Openings = append(c.Openings, Opening{word, c.openings[word]})
	}
	slices.SortStableFunc(c.Openings, func(a, b Opening) int { return cmp.Compare(b.Count, a.Count) })
	c.Openings = c.Openings[:min(len(c.Openings), maxOpenings)]
	c.Words = histogram(c.words, 1)
	c.ScoreGaps = histogram(c.gaps, 0)
	for _, subset := range Subsets() {
		list := c.chosen[subset]
		slices.SortFunc(list, func(a, b example) int { return a.n - b.n })
		for _, e := range list {
			c.Examples = append(c.Examples, e.Sample)
		}
	}
}

// maxBins is the largest number of bins.
const maxBins = 12

// histogram counts numbers in common bins with round edges, from the smallest number to the
// 99th percentile. A bin has at least the width least.
func histogram(numbers map[string][]float32, least float64) Histogram {
	var all []float32
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		all = append(all, numbers[name]...)
	}
	var h Histogram
	if len(all) == 0 {
		return h
	}
	slices.Sort(all)
	low, high := float64(all[0]), percentile(all, 0.99)
	step := math.Max(roundStep((high-low)/(maxBins-2)), least)
	for i := math.Floor(low / step); len(h.Edges) < maxBins; i++ {
		h.Edges = append(h.Edges, i*step)
		if (i+1)*step > high {
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		h.Rows = append(h.Rows, distribution(name, numbers[name], h.Edges))
	}
	return h
}

// roundStep returns the smallest of 1, 2 and 5 times a power of ten that is not below x, or
// 1 if x is not positive.
func roundStep(x float64) float64 {
	if x <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, digit := range []float64{1, 2, 5} {
		if digit*power >= x*(1-1e-9) {
			return digit * power
		}
	}
	return 10 * power
}

func distribution(name string, numbers []float32, edges []float64) Distribution {
	slices.Sort(numbers)
	d := Distribution{Name: name, Count: len(numbers), Bins: make([]int, len(edges))}
	d.P5, d.Median, d.P95 = percentile(numbers, 0.05), percentile(numbers, 0.5), percentile(numbers, 0.95)
	sum, bin := 0.0, 0
	for _, x := range numbers {
		sum += float64(x)
		for bin+1 < len(edges) && float64(x) >= edges[bin+1] {
			bin++
		}
		d.Bins[bin]++
	}
	d.Mean = sum / float64(len(numbers))
	return d
}

// percentile returns a percentile of sorted numbers, by the nearest rank.
func percentile(sorted []float32, p float64) float64 {
	return float64(sorted[min(len(sorted)-1, max(0, int(math.Ceil(p*float64(len(sorted))))-1))])
}

// decoded returns the images of a triplet.
func (s Sample) decoded() (flawed, enhanced image.Image, err error) {
	if flawed, _, err = image.Decode(bytes.NewReader(s.Flawed)); err != nil {
		return nil, nil, fmt.Errorf("flawed image: %w", err)
	}
	if enhanced, _, err = image.Decode(bytes.NewReader(s.Enhanced)); err != nil {
		return nil, nil, fmt.Errorf("enhanced image: %w", err)
	}
	return flawed, enhanced, nil
}
