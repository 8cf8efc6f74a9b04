package search_test

import (
	"cmp"
	"context"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"reflectionflow"
	"reflectionflow/search"
)

// world is a simulation: images of three requirements whose pixels say which are met,
// with known probabilities. Its verifier reads the pixels, so that nothing but images
// passes between the parts.
type world struct {
	// met and refined are the probabilities that an image of the user's prompt and of
	// a refined one meets a requirement; fix that a correction meets one that its
	// reference does not, and keep that it keeps one that is met.
	met, refined, fix, keep float64
	// whole is the probability that an image from noise can meet anything; otherwise
	// no correction helps.
	whole float64
}

var threeThings = reflectionflow.Prompt{Text: "a cup, a clock and a cat", Requirements: []reflectionflow.Requirement{
	{Kind: reflectionflow.AtLeast, Object: "cup", Count: 1},
	{Kind: reflectionflow.AtLeast, Object: "clock", Count: 1},
	{Kind: reflectionflow.AtLeast, Object: "cat", Count: 1},
}}

// fate says whether each requirement is met and, last, whether the image can meet any.
func (w world) fate(r reflectionflow.Request) [4]bool {
	rng := rand.New(rand.NewPCG(mixed(r.Seed), uint64(len(text(r)))))
	var out [4]bool
	if r.Reference != nil {
		out[3] = isLit(r.Reference, 3)
		for i := range 3 {
			chance := w.fix
			if isLit(r.Reference, i) {
				chance = w.keep
			}
			out[i] = rng.Float64() < chance && out[3]
		}
		return out
	}
	chance := w.met
	if r.Prompt != threeThings.Text {
		chance = w.refined
	}
	out[3] = rng.Float64() < w.whole
	for i := range 3 {
		out[i] = rng.Float64() < chance && out[3]
	}
	return out
}

func isLit(img image.Image, i int) bool {
	b := img.Bounds()
	v, _, _, _ := img.At(b.Min.X+i, b.Min.Y).RGBA()
	return v > 0x8000
}

func (w world) image(r reflectionflow.Request) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
	for i, lit := range w.fate(r) {
		shade := uint8(0)
		if lit {
			shade = 255
		}
		img.SetNRGBA(i, 0, color.NRGBA{shade, shade, shade, 255})
	}
	for i := range 8 { // no two noises give the same image
		img.SetNRGBA(i, 1, color.NRGBA{byte(r.Seed >> (8 * i)), 0, 0, 255})
	}
	return img
}

func (w world) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	if err := valid(requests, 0); err != nil {
		return nil, err
	}
	out := make([]reflectionflow.Generation, len(requests))
	for i, r := range requests {
		out[i] = reflectionflow.Generation{Image: w.image(r), Cost: reflectionflow.Cost{Images: 1, DenoiseSteps: r.Steps}}
	}
	return out, ctx.Err()
}

func (w world) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	if err := valid(requests, steps); err != nil || steps == 0 {
		return nil, cmp.Or(err, reflectionflow.ErrInvalid)
	}
	out := make([]reflectionflow.Preview, len(requests))
	for i, r := range requests {
		out[i] = reflectionflow.Preview{Request: r, Steps: steps, Image: w.image(r), State: w, Cost: reflectionflow.Cost{DenoiseSteps: steps}}
	}
	return out, ctx.Err()
}

func (w world) Finish(ctx context.Context, previews []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	out := make([]reflectionflow.Generation, len(previews))
	for i, v := range previews {
		if v.State != w {
			return nil, reflectionflow.ErrInvalid
		}
		out[i] = reflectionflow.Generation{Image: w.image(v.Request), Cost: reflectionflow.Cost{Images: 1, DenoiseSteps: v.Request.Steps - v.Steps}}
	}
	return out, ctx.Err()
}

func (w world) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	out := make([]reflectionflow.Score, len(images))
	for i, p := range images {
		s := reflectionflow.Score{Cost: reflectionflow.Cost{VerifierCalls: 1}}
		for n, r := range p.Prompt.Requirements {
			f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet, Confidence: .02}
			if isLit(p.Image, n) {
				f.Verdict, f.Confidence = reflectionflow.Met, .98
				s.Objects = append(s.Objects, reflectionflow.Object{Class: r.Object, Box: [4]float64{0, 0, 1, 1}, Confidence: 1})
				s.Value += 1.0 / 3
			}
			s.Requirements = append(s.Requirements, f)
		}
		out[i] = s
	}
	return out, ctx.Err()
}

func (w world) VerifyPreviews(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return w.Verify(ctx, images)
}

// outcome is what a strategy reaches on a batch of prompts of a world.
type outcome struct{ right, images, calls float64 }

func simulate(t testing.TB, w world, prompts int, cfg search.Config) outcome {
	t.Helper()
	s := &search.Search{Generator: w, Verifier: w, Reflector: fakeWriter{}, Refiner: fakeWriter{}}
	list := make([]search.Task, prompts)
	for i := range list {
		list[i] = search.Task{Prompt: threeThings, Seed: uint64(i + 1)}
	}
	results, err := s.RunMany(t.Context(), list, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var o outcome
	for _, res := range results {
		if res.Candidates[res.Best].Score.Right() {
			o.right++
		}
		for _, c := range res.Candidates {
			o.images += float64(c.Steps()) / float64(cfg.Steps)
		}
		o.calls += float64(res.Cost.VerifierCalls)
	}
	n := float64(prompts)
	return outcome{o.right / n, o.images / n, o.calls / n}
}

func worldConfig(strategy string, images int) search.Config {
	cfg := search.Default(strategy)
	cfg.Budget.Images, cfg.ImageWidth, cfg.ImageHeight = images, 16, 16
	return cfg
}

// hard is a world that no strategy solves: two in five images from noise are hopeless,
// the others meet each requirement one time in three; corrections fix requirements and
// break others.
var hard = world{met: .35, refined: .4, fix: .45, keep: .9, whole: .6}

// fitted is the policy of a world, learned on prompts with other seeds.
func fitted(t testing.TB, w world) search.Policy {
	t.Helper()
	s := &search.Search{Generator: w, Verifier: w, Reflector: fakeWriter{}, Refiner: fakeWriter{}}
	prompts := make([]reflectionflow.Prompt, 100)
	for i := range prompts {
		prompts[i] = threeThings
	}
	cfg := worldConfig(search.Adaptive, 8)
	cfg.Seed = 99
	p, err := s.Fit(t.Context(), prompts, cfg, search.DefaultPolicy().Stop)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAdaptiveNeedsFewerImages: with a quarter of the budget, adaptive makes more of
// the prompts right than any other strategy, in fewer images; all of them stop early,
// too. Where corrections are not what makes the difference it needs fewer calls of the
// verifier as well, its early looks included.
func TestAdaptiveNeedsFewerImages(t *testing.T) {
	const prompts = 200
	cfg := worldConfig(search.Adaptive, 8)
	cfg.Adaptive.Policy = fitted(t, hard)
	adaptive := simulate(t, hard, prompts, cfg)
	t.Logf("adaptive at 8: %+v", adaptive)
	if adaptive.images > 8 {
		t.Errorf("adaptive took %.2f images of 8", adaptive.images)
	}
	for _, strategy := range []string{search.Noise, search.NoisePrompt, search.Reflection} {
		cfg := worldConfig(strategy, 32)
		cfg.Width = 1
		other := simulate(t, hard, prompts, cfg)
		t.Logf("%s at 32: %+v", strategy, other)
		cheap := other.calls <= adaptive.calls && strategy != search.Reflection
		if other.right >= adaptive.right || other.images <= adaptive.images || cheap {
			t.Errorf("%s at 32 is as good or as cheap", strategy)
		}
	}
}

// TestAdaptiveParts: without one of its parts, adaptive makes fewer prompts
// right of the same budget.
func TestAdaptiveParts(t *testing.T) {
	const prompts = 200
	policy := fitted(t, hard)
	reached := map[string]outcome{}
	for _, name := range search.Strategies()[3:] {
		if name == "adaptive-confirm" {
			continue // it has all parts, and asks more of a verifier that does not err
		}
		cfg := worldConfig(name, 6)
		cfg.Adaptive.Policy = policy
		reached[name] = simulate(t, hard, prompts, cfg)
		t.Logf("%s: %+v", name, reached[name])
		if reached[name].images > 6 {
			t.Errorf("%s took %.2f images of 6", name, reached[name].images)
		}
		if name != search.Adaptive && reached[name].right >= reached[search.Adaptive].right {
			t.Errorf("%s is no worse than all parts together", name)
		}
	}
}

// TestFit: the policy says what the world is like.
func TestFit(t *testing.T) {
	p := fitted(t, hard)
	t.Logf("%+v", p)
	switch {
	case p.Early.Tries == 0 || p.Early.Share != .25:
		t.Errorf("estimates are perfect from the first step on, but %+v", p.Early)
	case p.Reflect.Local <= p.Explore.Local:
		t.Error("corrections help where little is wrong")
	case p.Reflect.Global >= p.Reflect.Local:
		t.Error("corrections help less where most is wrong")
	case p != fitted(t, hard):
		t.Error("it fits differently the second time")
	}
}
