package geneval_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"reflect"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

// studio is a generator, a reflector and a refiner of a [world] that remember requests. Every
// first image is wrong but those of each third prompt; a correction is right where the
// generator got the image itself with its own instruction.
type studio struct {
	*world
	first   []image.Image // by prompt
	blindTo int           // the prompt about whose images the reflector is silent; -1 for none
	refuse  string
	err     error
}

func (s *studio) index(prompt string) int {
	return slices.IndexFunc(s.prompts, func(m geneval.Metadata) bool { return strings.TrimPrefix(prompt, "rewritten: ") == m.Prompt })
}

func fix(prompt int) string { return fmt.Sprintf("fix %d", prompt) }

func (s *studio) Generate(_ context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	out := make([]reflectionflow.Generation, len(requests))
	for i, r := range requests {
		if s.refuse != "" && strings.Contains(r.Prompt, s.refuse) {
			out[i].Err = s.err
			continue
		}
		n := s.index(r.Prompt)
		right := n%3 == 0
		if r.Reference != nil {
			right = r.Reference == s.first[n] && strings.Contains(r.Reflection, fix(n))
		}
		m := image.NewNRGBA(image.Rect(0, 0, 2, 2))
		c := color.NRGBA{R: uint8(n), A: 255}
		if right {
			c.G = 1
		}
		m.SetNRGBA(0, 0, c)
		if s.first[n] == nil {
			s.first[n] = m
		}
		out[i].Image = m
	}
	return out, nil
}

func (s *studio) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return make([]reflectionflow.Score, len(images)), nil
}

func (s *studio) Reflect(_ context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	out := make([]reflectionflow.Reflection, len(observations))
	for i, o := range observations {
		if n := s.index(o.Prompt.Text); n != s.blindTo {
			out[i] = reflectionflow.Reflection{Text: fmt.Sprintf("plan %d. %s", n, fix(n)), Caption: fmt.Sprintf("caption %d", n)}
		}
	}
	return out, nil
}

func (s *studio) Refine(_ context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	out := make([]reflectionflow.Refinement, len(observations))
	for i, o := range observations {
		out[i].Text = "rewritten: " + o.Prompt.Text
	}
	return out, nil
}

// separable takes the reflections of a studio apart.
type separable struct{ *studio }

func (separable) Parts(r reflectionflow.Reflection) (layout, instruction reflectionflow.Reflection) {
	layout.Text, instruction.Text, _ = strings.Cut(r.Text, ". ")
	layout.Caption = r.Caption
	return layout, instruction
}

func newStudio(t *testing.T, n int) *studio {
	t.Helper()
	w := newWorld(t, n)
	return &studio{world: w, first: make([]image.Image, n), blindTo: -1}
}

func (s *studio) ablation(images, batch int) geneval.Ablation {
	clear(s.first)
	return geneval.Ablation{
		Prompts: s.prompts, Images: images, Seed: 5, Batch: batch, Request: reflectionflow.Request{Width: 16, Height: 16, Steps: 1},
		Generator: s, Verifier: s, Reflector: separable{s}, Critic: critic{s}, Refiner: s, Judge: geneval.ByRules(s.world),
	}
}

// critic says what to do alone.
type critic struct{ *studio }

func (c critic) Reflect(_ context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	out := make([]reflectionflow.Reflection, len(observations))
	for i, o := range observations {
		out[i].Text = "wrong. " + fix(c.index(o.Prompt.Text))
	}
	return out, nil
}

// Of the conditions only those that give the generator the image itself and its own
// instruction correct it, and the estimates are those of the counts.
func TestAblation(t *testing.T) {
	s := newStudio(t, 24)
	a := s.ablation(12, 5)
	kept := make(map[geneval.Condition]int)
	a.Keep = func(index int, c geneval.Condition, img image.Image) error {
		if kept[c] != index {
			t.Errorf("image %d of %s is kept as %d", kept[c], c, index)
		}
		kept[c]++
		return nil
	}
	got, err := a.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.First != got.Right+len(got.Cases) || got.Right == 0 || len(got.Cases) != 12 || len(got.LeftOut) > 0 || len(got.Rows) != len(geneval.Conditions()) {
		t.Fatalf("%+v", got)
	}
	for i, row := range got.Rows {
		want := 0
		if row.Condition == geneval.FullReflection || row.Condition == geneval.InstructionOnly || row.Condition == geneval.PlainCritique {
			want = 12
		}
		if row.Condition != geneval.Conditions()[i] || row.Images != 12 || kept[row.Condition] != 12 || row.Corrected != want || row.Share.Mean != float64(want)/12 {
			t.Errorf("row %d is %+v, want %d of 12 corrected, and %d images kept", i, row, want, kept[row.Condition])
		}
		if row.Share.Low >= row.Share.High {
			t.Errorf("%s: %+v is certain", row.Condition, row.Share)
		}
	}
	full, wrong := got.Rows[0], got.Rows[4]
	if full.OverFull != nil || full.OverNoise.Mean != 1 || full.OverNoise.Low <= 0 || wrong.OverFull.Mean != -1 || wrong.OverNoise.Mean != 0 {
		t.Errorf("differences %+v and %+v", full.OverNoise, wrong.OverFull)
	}
	text := got.Markdown()
	for _, want := range []string{"12 wrong first images", "| full ", "| instruction only ", "better", "worse", "not significant"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	if again, err := func() (geneval.Ablated, error) { b := s.ablation(12, 1); return b.Run(t.Context()) }(); err != nil || !reflect.DeepEqual(got, again) {
		t.Errorf("one image at a time: %v, %+v, want %+v", err, again, got)
	}
}

// overheard is a generator that shows what it was asked.
type overheard struct {
	*studio
	requests []reflectionflow.Request
}

func (a *overheard) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	a.requests = append(a.requests, requests...)
	return a.studio.Generate(ctx, requests)
}

// Each condition changes what it names and nothing else of the request.
func TestAblationRequests(t *testing.T) {
	s := newStudio(t, 12)
	a := s.ablation(6, 1)
	g := &overheard{studio: s}
	a.Generator = g
	got, err := a.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := len(got.Cases)
	corrections := g.requests[got.First:]
	if len(corrections) != n*len(geneval.Conditions()) {
		t.Fatalf("%d corrections of %d images", len(corrections), n)
	}
	for k, c := range geneval.Conditions() {
		for i, r := range corrections[k*n : (k+1)*n] {
			prompt := s.index(got.Cases[i].Prompt)
			if full := corrections[i]; r.Seed != full.Seed || r.Width != 16 || r.Steps != 1 {
				t.Errorf("%s: another noise than the full reflection's: %+v", c, r)
			}
			own := fmt.Sprintf("plan %d. %s", prompt, fix(prompt))
			text := map[geneval.Condition]string{
				geneval.InstructionOnly: fix(prompt), geneval.PlainCritique: "wrong. " + fix(prompt), geneval.LayoutOnly: fmt.Sprintf("plan %d", prompt),
				geneval.NoText: "", geneval.FreshNoise: "", geneval.RewrittenPrompt: "",
			}
			if want, other := text[c]; c == geneval.WrongText {
				if r.Reflection == own || !strings.Contains(r.Reflection, ". fix ") {
					t.Errorf("%s: %q", c, r.Reflection)
				}
			} else if other && r.Reflection != want || !other && r.Reflection != own {
				t.Errorf("%s: %q", c, r.Reflection)
			}
			switch itself := r.Reference == s.first[prompt]; c {
			case geneval.GreyReference, geneval.SwappedReference:
				if itself || r.Reference == nil {
					t.Errorf("%s: the reference is %v", c, r.Reference)
				}
			case geneval.NoReference, geneval.FreshNoise, geneval.RewrittenPrompt:
				if r.Reference != nil || r.ReferenceCaption != "" {
					t.Errorf("%s: there is a reference: %+v", c, r)
				}
			default:
				if !itself {
					t.Errorf("%s: the reference is not the image", c)
				}
			}
			if rewritten := strings.HasPrefix(r.Prompt, "rewritten"); rewritten != (c == geneval.RewrittenPrompt) {
				t.Errorf("%s: prompt %q", c, r.Prompt)
			}
		}
	}
}

// What the parts cannot do is left out with a reason, and images without a reflection or
// that are refused are counted.
func TestAblationLeavesOut(t *testing.T) {
	s := newStudio(t, 12)
	s.blindTo, s.refuse, s.err = 1, s.prompts[2].Prompt, fmt.Errorf("no: %w", reflectionflow.ErrPermanent)
	a := s.ablation(12, 4)
	a.Reflector, a.Critic, a.Refiner = s, nil, nil
	got, err := a.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.First != 12 || got.Right != 4 || got.Refused != 1 || got.Unreflected != 1 || len(got.Cases) != 6 || len(got.Rows) != 7 || len(got.LeftOut) != 4 {
		t.Errorf("%+v", got)
	}
	if text := got.Markdown(); !strings.Contains(text, "Left out: layout only: the reflections of this reflector have no separate layout.") || !strings.Contains(text, "12 were wanted") {
		t.Error(text)
	}
	s.err = errors.New("the line is cut")
	if b := s.ablation(12, 4); true {
		if _, err := b.Run(t.Context()); err == nil || errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("a cut line gives %v", err)
		}
	}
	s.err = fmt.Errorf("no: %w", reflectionflow.ErrPermanent)
	d := s.ablation(12, 4)
	d.Generator = withoutReferences{s}
	if _, err := d.Run(t.Context()); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "nothing to ablate: it takes no reference") {
		t.Errorf("a generator without references gives %v", err)
	}
	c := s.ablation(1, 4)
	if _, err := c.Run(t.Context()); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("one image gives %v", err)
	}
}

// withoutReferences is a generator that cannot correct.
type withoutReferences struct{ *studio }

func (withoutReferences) Check(r reflectionflow.Request) error {
	if r.Reference != nil {
		return fmt.Errorf("%w: it takes no reference", reflectionflow.ErrInvalid)
	}
	return nil
}
