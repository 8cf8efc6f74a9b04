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

// Stats are the statistics of sets: those of the paper's Figure 1 (arXiv 2504.16080).
type Stats struct {
	Triplets int            `json:"triplets"`
	Shards   int            `json:"shards"`
	Sources  map[string]int `json:"sources"` // triplets by where they come from
	Subsets  map[string]int `json:"subsets"`
	Splits   map[string]int `json:"splits"` // by [clipart.SplitOf] of their prompts
	// Openings counts the first words of what reflections ask for, their last sentence,
	// the most frequent first.
	Openings []Opening `json:"openings"`
	// Words has the lengths of reflections in words, by subset; ScoreGaps the enhanced
	// picture's score less the flawed one's, by source, where both are known.
	Words     Histogram `json:"reflection_words"`
	ScoreGaps Histogram `json:"score_gaps"`
	// Annotated counts the annotated triplets, Better what annotators found better, Categories
	// in what pictures differ by their word, Unannotated why some have no annotation.
	Annotated   int            `json:"annotated"`
	Better      map[string]int `json:"better,omitempty"`
	Categories  map[string]int `json:"difference_categories,omitempty"`
	Unannotated map[string]int `json:"unannotated,omitempty"`
	// Examples are some triplets of each subset, in order.
	Examples []Sample `json:"-"`
	Problems Problems `json:"problems"`
}

// Opening is a first word and the number of reflections whose last sentence begins
// with it.
type Opening struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

// Histogram holds distributions over the same bins: bin i is from Edges[i] to below
// Edges[i+1], and the last one from Edges[i] on.
type Histogram struct {
	Edges []float64      `json:"edges"`
	Rows  []Distribution `json:"rows"`
}

// Distribution sums up some numbers.
type Distribution struct {
	Name   string  `json:"name"`
	Count  int     `json:"count"`
	Mean   float64 `json:"mean"`
	P5     float64 `json:"p5"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Bins   []int   `json:"bins"`
}

// examples is how many triplets of a subset are shown.
const examples = 6

// CollectStats reads whole sets and counts what they hold together. What is damaged is passed over
// and listed. It keeps two numbers a triplet in memory. notify may be nil; it is called with
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

// set counts what one set holds.
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

// example is a sample that may be shown, and the number of its triplet.
type example struct {
	Sample
	n int
}

func (c *counter) triplet(s Sample) {
	c.Triplets++
	source := "unknown"
	if p := s.Provenance; p != nil && p.Source != "" {
		source = p.Source
		// A picture that was read or rendered has no score, neither has its pair.
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
	// Any triplet of a subset is as likely to be an example as any other.
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

// opening is the first word of the last sentence: what goes before an instruction
// says how the picture is, or is to be.
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

// maxBins is how many bins a histogram has at most.
const maxBins = 12

// histogram sorts numbers into common bins: round ones, from the least number to the
// 99th percentile, of a width of least or more.
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

// roundStep is the least of 1, 2 and 5 times a power of ten that is not below x; 1 for
// no width.
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

// percentile of sorted numbers, by the nearest rank.
func percentile(sorted []float32, p float64) float64 {
	return float64(sorted[min(len(sorted)-1, max(0, int(math.Ceil(p*float64(len(sorted))))-1))])
}

// decoded are a triplet's pictures.
func (s Sample) decoded() (flawed, enhanced image.Image, err error) {
	if flawed, _, err = image.Decode(bytes.NewReader(s.Flawed)); err != nil {
		return nil, nil, fmt.Errorf("flawed picture: %w", err)
	}
	if enhanced, _, err = image.Decode(bytes.NewReader(s.Enhanced)); err != nil {
		return nil, nil, fmt.Errorf("enhanced picture: %w", err)
	}
	return flawed, enhanced, nil
}
