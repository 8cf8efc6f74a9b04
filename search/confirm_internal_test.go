package search

import (
	"context"
	"image"
	"image/color"
	"testing"

	"reflectionflow"
)

// moody judges two requirements, wrongly in the answers that it is told.
type moody struct {
	truth [2]bool
	wrong map[int]int // answer to requirement
	asked int
}

func (m *moody) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	var scores []reflectionflow.Score
	for _, p := range images {
		s := reflectionflow.Score{Value: float64(m.asked), Cost: reflectionflow.Cost{VerifierCalls: 1}}
		for i, r := range p.Prompt.Requirements {
			f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet, Confidence: 0.1}
			if at, is := m.wrong[m.asked]; m.truth[i] != (is && at == i) {
				f.Verdict, f.Confidence = reflectionflow.Met, 0.9
			}
			s.Requirements = append(s.Requirements, f)
		}
		m.asked++
		scores = append(scores, s)
	}
	return scores, ctx.Err()
}

func TestConfirm(t *testing.T) {
	prompt := reflectionflow.Prompt{Text: "a cat and a dog", Requirements: []reflectionflow.Requirement{
		{Kind: reflectionflow.AtLeast, Object: "cat", Count: 1}, {Kind: reflectionflow.AtLeast, Object: "dog", Count: 1},
	}}
	for name, c := range map[string]struct {
		truth                     [2]bool
		wrong                     map[int]int
		choice                    choice
		right                     bool
		asks, contradicted, value int // value: of the one answer that is taken whole; -1 for a mean
	}{
		"not allowed":               {[2]bool{true, true}, nil, choice{}, true, 0, 0, 0},
		"right, and said twice":     {[2]bool{true, true}, nil, choice{confirm: true}, true, 2, 0, 0},
		"wrong is not asked about":  {[2]bool{true, false}, nil, choice{confirm: true}, false, 0, 0, 0},
		"wrong, with doubts":        {[2]bool{true, false}, nil, choice{confirm: true, doubt: true}, false, 2, 0, 0},
		"a lucky verdict":           {[2]bool{true, false}, map[int]int{0: 1}, choice{confirm: true}, false, 4, 1, -1},
		"an unlucky verdict":        {[2]bool{true, true}, map[int]int{0: 1}, choice{confirm: true, doubt: true}, true, 4, 1, -1},
		"a contradiction after all": {[2]bool{true, true}, map[int]int{1: 0}, choice{confirm: true}, true, 4, 1, -1},
		"never decided":             {[2]bool{true, true}, map[int]int{0: 0, 2: 0}, choice{confirm: true, doubt: true}, true, 5, 1, -1},
	} {
		v := &moody{truth: c.truth, wrong: c.wrong}
		r := &run{Search: &Search{Verifier: v}}
		p := &promptSearch{prompt: prompt}
		it := &item{search: p, image: image.NewGray(image.Rect(0, 0, 4, 4)), choice: c.choice}
		if err := r.verify(t.Context(), []*item{it}); err != nil {
			t.Fatal(err)
		}
		s := it.candidate.Score
		if s.Right() != c.right || s.Asks != c.asks || s.Contradicted != c.contradicted || it.candidate.Cost.VerifierCalls != max(1, c.asks) {
			t.Errorf("%s: right %v, asked %d times, contradicted %d, cost %+v", name, s.Right(), s.Asks, s.Contradicted, it.candidate.Cost)
		}
		if c.value >= 0 && s.Value != float64(c.value) {
			t.Errorf("%s: value %v, want that of answer %d", name, s.Value, c.value)
		}
	}
}

// Doubts begin with the first image and with contradictions, and end with agreement.
func TestDoubts(t *testing.T) {
	asked := func(contradicted int) reflectionflow.Candidate {
		return reflectionflow.Candidate{Score: reflectionflow.Score{
			Asks: 2, Contradicted: contradicted, Requirements: make([]reflectionflow.Finding, 4),
		}}
	}
	for name, c := range map[string]struct {
		of   []reflectionflow.Candidate
		want bool
	}{
		"no image yet":    {nil, true},
		"agreed":          {[]reflectionflow.Candidate{asked(0)}, false},
		"contradicted":    {[]reflectionflow.Candidate{asked(1)}, true},
		"long ago":        {[]reflectionflow.Candidate{asked(1), asked(0), asked(0), asked(0), asked(0)}, false},
		"asked only once": {[]reflectionflow.Candidate{{}}, false},
	} {
		if got := (history{candidates: c.of}).doubts(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A view has the size of the image, moved pixels, and those of the edge repeated.
func TestView(t *testing.T) {
	img := image.NewNRGBA(image.Rect(2, 3, 6, 6))
	for i := range 12 {
		img.Set(2+i%4, 3+i/4, color.NRGBA{R: uint8(i), A: 255})
	}
	red := func(m image.Image, x, y int) uint8 { return m.(*image.NRGBA).NRGBAAt(x, y).R }
	for n, want := range map[int][2]uint8{1: {0, 4}, 2: {0, 1}, 3: {1, 6}, 4: {4, 9}} { // at 0,0 and 1,1
		v := view(img, n)
		if v.Bounds() != image.Rect(0, 0, 4, 3) || red(v, 0, 0) != want[0] || red(v, 1, 1) != want[1] {
			t.Errorf("view %d: %v, %d and %d, want %v", n, v.Bounds(), red(v, 0, 0), red(v, 1, 1), want)
		}
	}
}
