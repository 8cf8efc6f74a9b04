package conformance

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
)

// generate is a generator that keeps the contract unless a test breaks it.
type generate func(context.Context, []reflectionflow.Request) ([]reflectionflow.Generation, error)

func (f generate) Generate(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	return f(ctx, r)
}

type verify func(context.Context, []reflectionflow.PromptedImage) ([]reflectionflow.Score, error)

func (f verify) Verify(ctx context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return f(ctx, p)
}

type reflects func(context.Context, []reflectionflow.Observation) ([]reflectionflow.Reflection, error)

func (f reflects) Reflect(ctx context.Context, o []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	return f(ctx, o)
}

func flat(r reflectionflow.Request) image.Image {
	shade := uint8(r.Seed)
	if r.Reference != nil {
		b := r.Reference.Bounds()
		v, _, _, _ := r.Reference.At(b.Min.X, b.Min.Y).RGBA()
		shade += uint8(v >> 8)
	}
	img := image.NewRGBA(image.Rect(0, 0, r.Width, r.Height))
	for y := range r.Height {
		for x := range r.Width {
			img.SetRGBA(x, y, color.RGBA{shade, shade, shade, 255})
		}
	}
	return img
}

func good(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	var out []reflectionflow.Generation
	for _, r := range requests {
		if err := r.Validate(); err != nil {
			return nil, err
		}
		out = append(out, reflectionflow.Generation{Image: flat(r)})
	}
	return out, ctx.Err()
}

func samples() []reflectionflow.Request {
	var list []reflectionflow.Request
	for seed := range uint64(3) {
		list = append(list, reflectionflow.Request{Prompt: "a cat", Seed: 10 * seed, Width: 32, Height: 16, Steps: 1})
	}
	list[1].Reference = flat(reflectionflow.Request{Seed: 3, Width: 32, Height: 16})
	return list
}

// faults names the checks that fail.
func faults[In, Out any](t *testing.T, c contract[In, Out]) []string {
	var names []string
	for _, check := range c.checks() {
		if err := check.run(t.Context()); err != nil {
			names = append(names, check.name)
		}
	}
	return names
}

func TestGoodImplementationPasses(t *testing.T) {
	for _, o := range []Options{{}, {Expensive: true}} {
		Generator(t, generate(good), samples(), o)
		Verifier(t, verify(goodScores), images(), o)
	}
}

// TestFaultyGenerators: each kind of fault is found, by the check that is for it.
func TestFaultyGenerators(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	tests := map[string]struct {
		g    generate
		want string
	}{
		"reversed order": {func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			out, err := good(ctx, r)
			slices.Reverse(out)
			return out, err
		}, "alone and in any order"},
		"the batch leaks into the image": {func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			r = slices.Clone(r)
			for i := range r {
				r[i].Seed += uint64(len(r))
			}
			return good(ctx, r)
		}, "alone and in any order"},
		"earlier calls leak into the image": {func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			mu.Lock()
			defer mu.Unlock()
			calls++
			r = slices.Clone(r)
			for i := range r {
				r[i].Seed += uint64(calls)
			}
			return good(ctx, r)
		}, "concurrent calls"},
		"one too many": {func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			out, err := good(ctx, r)
			return append(out, reflectionflow.Generation{}), err
		}, "empty batch"},
		"ctx is ignored": {func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			return good(context.WithoutCancel(ctx), r)
		}, "ended context"},
		"nothing is refused": {func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			r = slices.Clone(r)
			for i := range r {
				r[i].Guidance = 1
			}
			return good(ctx, r)
		}, "invalid guidance"},
		"the reference's origin matters": {func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			r = slices.Clone(r)
			for i := range r {
				if ref := r[i].Reference; ref != nil {
					v, _, _, _ := ref.At(0, 0).RGBA()
					r[i].Reference, r[i].Seed = nil, uint64(v)
				}
			}
			return good(ctx, r)
		}, "image form"},
		"the reference is painted over": {func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			out, err := good(ctx, r)
			for i := range r {
				if ref, ok := r[i].Reference.(*image.RGBA); ok {
					mu.Lock()
					ref.Pix[0]++
					mu.Unlock()
				}
			}
			return out, err
		}, "alone and in any order"},
		"wrong size": {func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			r = slices.Clone(r)
			for i := range r {
				r[i].Width *= 2
			}
			return good(ctx, r)
		}, "concurrent calls"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := faults(t, generator(tt.g, samples(), Options{})); !slices.Contains(got, tt.want) {
				t.Errorf("found by %q, want %q", got, tt.want)
			}
		})
	}
}

// TestCutOffIsNoFailure: an image that the end of ctx spoilt must not look failed.
func TestCutOffIsNoFailure(t *testing.T) {
	g := generate(func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
		<-ctx.Done()
		out := make([]reflectionflow.Generation, len(r))
		for i := range out {
			out[i].Err = errors.New("cut off")
		}
		return out, nil
	})
	if err := generator(g, samples(), Options{}).cancelledCall(t.Context()); err == nil {
		t.Error("not found")
	}
}

// previews keeps the contract of a previewer unless a test breaks it.
type previews struct {
	generate
	spoil  func(*reflectionflow.Preview)
	finish func(*reflectionflow.Generation)
}

func (p previews) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	generations, err := p.Generate(ctx, requests)
	if err != nil {
		return nil, err
	}
	var out []reflectionflow.Preview
	for i, r := range requests {
		if steps < 1 || steps >= r.Steps {
			return nil, reflectionflow.ErrInvalid
		}
		v := reflectionflow.Preview{
			Request: r, Steps: steps, Image: generations[i].Image, State: steps,
			Cost: reflectionflow.Cost{DenoiseSteps: steps},
		}
		p.spoil(&v)
		out = append(out, v)
	}
	return out, nil
}

func (p previews) Finish(ctx context.Context, previews []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	var out []reflectionflow.Generation
	for _, v := range previews {
		if v.State == nil {
			return nil, reflectionflow.ErrInvalid
		}
		g, err := p.Generate(ctx, []reflectionflow.Request{v.Request})
		if err != nil {
			return nil, err
		}
		g[0].Cost = reflectionflow.Cost{Images: 1, DenoiseSteps: v.Request.Steps - v.Steps}
		p.finish(&g[0])
		out = append(out, g...)
	}
	return out, ctx.Err()
}

func TestPreviewers(t *testing.T) {
	costed := generate(func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
		out, err := good(ctx, r)
		for i := range out {
			out[i].Cost = reflectionflow.Cost{Images: 1, DenoiseSteps: r[i].Steps}
		}
		return out, err
	})
	requests := samples()
	for i := range requests {
		requests[i].Steps = 3
	}
	honest := previews{costed, func(*reflectionflow.Preview) {}, func(*reflectionflow.Generation) {}}
	Previewer(t, honest, requests, Options{})
	other := flat(reflectionflow.Request{Seed: 99, Width: 32, Height: 16})
	tests := map[string]struct {
		p    previews
		want string
	}{
		"a preview that counts as an image": {previews{costed, func(v *reflectionflow.Preview) { v.Cost.Images = 1 }, honest.finish}, "concurrent calls"},
		"another image":                     {previews{costed, honest.spoil, func(g *reflectionflow.Generation) { g.Image = other }}, "finished images"},
		"steps charged twice":               {previews{costed, honest.spoil, func(g *reflectionflow.Generation) { g.Cost.DenoiseSteps++ }}, "finished images"},
		"any preview is finished":           {previews{costed, func(v *reflectionflow.Preview) { v.State = nil }, honest.finish}, "finished images"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := faults(t, previewer(tt.p, requests, Options{}))
			for _, check := range finishing(tt.p, requests) {
				if check.run(t.Context()) != nil {
					got = append(got, check.name)
				}
			}
			if !slices.Contains(got, tt.want) {
				t.Errorf("found by %q, want %q", got, tt.want)
			}
		})
	}
}

var requirement = reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "cat", Count: 1}

func images() []reflectionflow.PromptedImage {
	var list []reflectionflow.PromptedImage
	for _, r := range samples() {
		list = append(list, reflectionflow.PromptedImage{Image: flat(r), Prompt: reflectionflow.Prompt{
			Text: "a cat", Requirements: []reflectionflow.Requirement{requirement},
		}})
	}
	return list
}

func goodScores(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	var out []reflectionflow.Score
	for _, p := range images {
		if p.Image == nil || p.Prompt.Validate() != nil {
			return nil, reflectionflow.ErrInvalid
		}
		b := p.Image.Bounds()
		v, _, _, _ := p.Image.At(b.Min.X, b.Min.Y).RGBA()
		score := reflectionflow.Score{Value: float64(v)}
		for _, r := range p.Prompt.Requirements {
			f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.Unsure, Unjudged: true}
			if r.Kind == requirement.Kind {
				f = reflectionflow.Finding{
					Requirement: r, Verdict: reflectionflow.Met, Confidence: .5,
					Evidence: []reflectionflow.Object{{Class: "cat", Box: [4]float64{0, 0, 1, 1}, Confidence: 1}},
				}
			}
			score.Requirements = append(score.Requirements, f)
		}
		out = append(out, score)
	}
	return out, ctx.Err()
}

func TestFaultyVerifiers(t *testing.T) {
	spoil := func(f func(*reflectionflow.Score)) verify {
		return func(ctx context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
			out, err := goodScores(ctx, p)
			for i := range out {
				f(&out[i])
			}
			return out, err
		}
	}
	tests := map[string]verify{
		"NaN":                spoil(func(s *reflectionflow.Score) { s.Value = math.NaN() }),
		"confidence":         spoil(func(s *reflectionflow.Score) { s.Requirements[0].Confidence = 1.1 }),
		"unjudged, and met":  spoil(func(s *reflectionflow.Score) { s.Requirements[0].Unjudged = true }),
		"verdict":            spoil(func(s *reflectionflow.Score) { s.Requirements[0].Verdict = "yes" }),
		"other finding":      spoil(func(s *reflectionflow.Score) { s.Requirements[0].Requirement.Count = 2 }),
		"too many":           spoil(func(s *reflectionflow.Score) { s.Requirements = append(s.Requirements, s.Requirements...) }),
		"box in pixels":      spoil(func(s *reflectionflow.Score) { s.Requirements[0].Evidence[0].Box[2] = 31 }),
		"box upside down":    spoil(func(s *reflectionflow.Score) { s.Requirements[0].Evidence[0].Box = [4]float64{1, 1, 0, 0} }),
		"unanswered and met": spoil(func(s *reflectionflow.Score) { s.Unanswered = "prose" }),
		"negative cost":      spoil(func(s *reflectionflow.Score) { s.Cost.VerifierCalls = -1 }),
	}
	for name, v := range tests {
		t.Run(name, func(t *testing.T) {
			if got := faults(t, verifier(v, images(), Options{})); !slices.Contains(got, "concurrent calls") {
				t.Errorf("found by %q only", got)
			}
		})
	}
}

// declaring is a verifier that declares what it judges.
type declaring struct {
	verify
	abilities reflectionflow.Abilities
}

func (d declaring) Abilities() reflectionflow.Abilities { return d.abilities }

// TestDeclaredAbilities: findings must match what a verifier declares.
func TestDeclaredAbilities(t *testing.T) {
	silent := verify(func(ctx context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
		out, err := goodScores(ctx, p)
		for i := range out {
			out[i].Requirements = nil
		}
		return out, err
	})
	unsure := verify(func(ctx context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
		out, err := goodScores(ctx, p)
		for i := range out {
			for k := range out[i].Requirements {
				out[i].Requirements[k].Verdict = reflectionflow.Unsure
			}
		}
		return out, err
	})
	kinds := func(k ...reflectionflow.Kind) reflectionflow.Abilities { return reflectionflow.Abilities{Kinds: k} }
	tests := map[string]struct {
		v    reflectionflow.Verifier
		good bool
	}{
		"declares nothing, has findings":           {verify(goodScores), true},
		"declares nothing, has none":               {silent, true},
		"the kind it judges":                       {declaring{goodScores, kinds(requirement.Kind)}, true},
		"every kind":                               {declaring{goodScores, reflectionflow.Abilities{EveryKind: true}}, true},
		"a value only, has none":                   {declaring{silent, kinds()}, true},
		"another kind, unsure":                     {declaring{unsure, kinds(reflectionflow.Absent)}, true},
		"a value only, has findings":               {declaring{goodScores, kinds()}, false},
		"another kind, judges":                     {declaring{goodScores, kinds(reflectionflow.Absent)}, false},
		"the kind of the requirement, has nothing": {declaring{silent, kinds(requirement.Kind)}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := faults(t, verifier(tt.v, images(), Options{})); (len(got) == 0) != tt.good {
				t.Errorf("found by %q, want good: %v", got, tt.good)
			}
		})
	}
}

// checked is a generator that checks requests.
type checked struct {
	generate
	check func(reflectionflow.Request) error
}

func (c checked) Check(r reflectionflow.Request) error { return c.check(r) }

// TestCheckers: a check refuses what Generate refuses, and nothing else.
func TestCheckers(t *testing.T) {
	for name, tt := range map[string]struct {
		check func(reflectionflow.Request) error
		good  bool
	}{
		"the same": {reflectionflow.Request.Validate, true},
		"nothing":  {func(reflectionflow.Request) error { return nil }, false},
		"corrections": {func(r reflectionflow.Request) error {
			if r.Reference != nil {
				return reflectionflow.ErrInvalid
			}
			return r.Validate()
		}, false},
	} {
		g := checked{good, tt.check}
		err := checking(g, generator(g, samples(), Options{}))[0].run(t.Context())
		if (err == nil) != tt.good {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

func TestFaultyReflector(t *testing.T) {
	tests := map[string]string{"too long": strings.Repeat("x", reflectionflow.MaxPromptBytes+1), "not UTF-8": "\xff"}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			r := reflects(func(_ context.Context, o []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
				return make([]reflectionflow.Reflection, len(o)), nil
			})
			long := reflects(func(ctx context.Context, o []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
				out, err := r(ctx, o)
				for i := range out {
					out[i].Text = text
				}
				return out, err
			})
			observations := []reflectionflow.Observation{{Prompt: reflectionflow.Prompt{Text: "a"}}, {Prompt: reflectionflow.Prompt{Text: "b"}}}
			if got := faults(t, reflector(r, observations, Options{})); slices.Contains(got, "concurrent calls") {
				t.Errorf("an empty reflection was refused by %q", got)
			}
			if got := faults(t, reflector(long, observations, Options{})); !slices.Contains(got, "concurrent calls") {
				t.Errorf("found by %q only", got)
			}
		})
	}
}
