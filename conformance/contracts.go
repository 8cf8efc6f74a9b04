package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"sync"
	"testing"

	"reflectionflow"
)

// Generator runs the suite of [reflectionflow.Generator] on valid requests; at
// least one should have a Reference where the generator takes any.
func Generator(t *testing.T, g reflectionflow.Generator, requests []reflectionflow.Request, o Options) {
	t.Helper()
	c := generator(g, requests, o)
	c.run(t)
	runChecks(t, append(checking(g, c), sketching(g, requests)))
}

// Previewer runs the suite of [reflectionflow.Previewer], that of its generator
// left out, on valid requests of 2 steps or more.
func Previewer(t *testing.T, p reflectionflow.Previewer, requests []reflectionflow.Request, o Options) {
	t.Helper()
	previewer(p, requests, o).run(t)
	runChecks(t, finishing(p, requests))
}

// Verifier runs the suite of [reflectionflow.Verifier].
func Verifier(t *testing.T, v reflectionflow.Verifier, images []reflectionflow.PromptedImage, o Options) {
	t.Helper()
	verifier(v, images, o).run(t)
}

// judged reports findings that do not match what a verifier declares.
func judged(a reflectionflow.Abilities, s reflectionflow.Score) error {
	if len(s.Requirements) > 0 && !a.Findings() {
		return errors.New("it has findings, but the verifier declares that it gives none")
	}
	for i, f := range s.Requirements {
		if f.Verdict != reflectionflow.Unsure && !a.Judges(f.Requirement.Kind) {
			return fmt.Errorf("finding %d judges a requirement of kind %q, which the verifier does not declare", i, f.Requirement.Kind)
		}
	}
	return nil
}

// Reflector runs the suite of [reflectionflow.Reflector].
func Reflector(t *testing.T, r reflectionflow.Reflector, observations []reflectionflow.Observation, o Options) {
	t.Helper()
	reflector(r, observations, o).run(t)
}

// Refiner runs the suite of [reflectionflow.Refiner]. One observation should have
// no Image and no Score, as before any image is generated.
func Refiner(t *testing.T, r reflectionflow.Refiner, observations []reflectionflow.Observation, o Options) {
	t.Helper()
	refiner(r, observations, o).run(t)
}

// Annotator runs the suite of [reflectionflow.Annotator].
func Annotator(t *testing.T, a reflectionflow.Annotator, pairs []reflectionflow.Pair, o Options) {
	t.Helper()
	annotator(a, pairs, o).run(t)
}

// Comparer runs the suite of [reflectionflow.Comparer] on pairs of different images.
func Comparer(t *testing.T, c reflectionflow.Comparer, pairs []reflectionflow.Pair, o Options) {
	t.Helper()
	suite := comparer(c, pairs, o)
	suite.run(t)
	runChecks(t, []check{{"swapped pairs", suite.swapped}})
}

func generator(g reflectionflow.Generator, requests []reflectionflow.Request, o Options) contract[reflectionflow.Request, reflectionflow.Generation] {
	c := contract[reflectionflow.Request, reflectionflow.Generation]{
		call: g.Generate, samples: requests, options: o,
		valid: validGeneration,
		same: func(a, b reflectionflow.Generation) error {
			return samePixels(a.Image, b.Image)
		},
		moved: func(r reflectionflow.Request) (_ reflectionflow.Request, has bool) {
			r.Reference, has = moved(r.Reference)
			return r, has
		},
		fingerprint: func(r reflectionflow.Request) (sum uint64) {
			for _, img := range r.References() {
				sum = 31*sum + fingerprint(img)
			}
			return sum
		},
	}
	bad := func(name string, spoil func(*reflectionflow.Request)) {
		r := reflectionflow.Request{Prompt: "a cat", Width: 16, Height: 16, Steps: 1, Guidance: 1}
		if len(requests) > 0 {
			r = requests[0]
		}
		spoil(&r)
		c.invalid = append(c.invalid, sample[reflectionflow.Request]{name, r})
	}
	bad("prompt", func(r *reflectionflow.Request) { r.Prompt = " " })
	bad("size", func(r *reflectionflow.Request) { r.Width = 17 })
	bad("steps", func(r *reflectionflow.Request) { r.Steps = 0 })
	bad("others", func(r *reflectionflow.Request) {
		r.Reference, r.Others = nil, reflectionflow.NewImages(image.Rect(0, 0, 16, 16))
	})
	bad("guidance", func(r *reflectionflow.Request) { r.Guidance = math.NaN() })
	return c
}

// previewer is the contract of Preview after one step.
func previewer(p reflectionflow.Previewer, requests []reflectionflow.Request, o Options) contract[reflectionflow.Request, reflectionflow.Preview] {
	g := generator(p, requests, o)
	c := contract[reflectionflow.Request, reflectionflow.Preview]{
		call: func(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Preview, error) {
			return p.Preview(ctx, requests, 1)
		},
		samples: requests, invalid: g.invalid, options: o,
		valid: func(r reflectionflow.Request, v reflectionflow.Preview) error {
			switch {
			case v.Request != r || v.Steps != 1:
				return fmt.Errorf("it is of another request, or says %d steps", v.Steps)
			case v.Cost.Images != 0 || v.Cost.DenoiseSteps != 1:
				return fmt.Errorf("one step of no image yet costs %+v", v.Cost)
			}
			return validGeneration(r, reflectionflow.Generation{Image: v.Image, Cost: v.Cost, Err: v.Err})
		},
		same:  func(a, b reflectionflow.Preview) error { return samePixels(a.Image, b.Image) },
		moved: g.moved, fingerprint: g.fingerprint,
	}
	return c
}

// checking: a generator that checks requests reports those that Generate refuses, and
// no others.
func checking(g reflectionflow.Generator, c contract[reflectionflow.Request, reflectionflow.Generation]) []check {
	if _, ok := g.(reflectionflow.RequestChecker); !ok {
		return nil
	}
	return []check{{"checked requests", func(context.Context) error {
		for i, r := range c.samples {
			if r.Reference != nil {
				r.Reference = r.Reference.Bounds()
			}
			if err := reflectionflow.CheckRequest(g, r); err != nil {
				return fmt.Errorf("sample %d: %w", i, err)
			}
		}
		for _, bad := range c.invalid {
			if err := reflectionflow.CheckRequest(g, bad.in); !errors.Is(err, reflectionflow.ErrInvalid) {
				return fmt.Errorf("invalid %s: got error %v, want one that wraps ErrInvalid", bad.name, err)
			}
		}
		return nil
	}}}
}

// sketching: whoever asks for sketches gets the images of Generate, and sketches of its
// requests while they are generated, if any.
func sketching(g reflectionflow.Generator, requests []reflectionflow.Request) check {
	return check{"sketches", func(ctx context.Context) error {
		want, err := g.Generate(ctx, requests)
		if err != nil {
			return err
		}
		var mutex sync.Mutex
		var over bool
		var fault error
		ctx = reflectionflow.WithSketches(ctx, 0, func(s reflectionflow.Sketch) {
			mutex.Lock()
			defer mutex.Unlock()
			fault = cmp.Or(fault, badSketch(s, requests, over))
		})
		got, err := g.Generate(ctx, requests)
		if err != nil {
			return err
		}
		mutex.Lock()
		defer mutex.Unlock()
		over = true
		for i := range want {
			if err := samePixels(want[i].Image, got[i].Image); err != nil {
				return fmt.Errorf("image %d is another one with sketches: %w", i, err)
			}
		}
		return fault
	}}
}

// badSketch says what is wrong with a sketch.
func badSketch(s reflectionflow.Sketch, requests []reflectionflow.Request, over bool) error {
	asked := slices.ContainsFunc(requests, func(r reflectionflow.Request) bool {
		return r.Seed == s.Request.Seed && r.Prompt == s.Request.Prompt && r.Reflection == s.Request.Reflection
	})
	switch {
	case over:
		return errors.New("a sketch came after its call had returned")
	case !asked:
		return errors.New("a sketch is of no request of the call")
	case s.Step < 1 || s.Step >= s.Request.Steps:
		return fmt.Errorf("a sketch after step %d of %d", s.Step, s.Request.Steps)
	case s.Image == nil || s.Image.Bounds().Empty() || max(s.Image.Bounds().Dx(), s.Image.Bounds().Dy()) > reflectionflow.MaxSketchSide:
		return errors.New("a sketch has no image, or a large one")
	}
	return nil
}

// finishing: finished previews are the images of Generate, whatever the number of steps
// before; previews that cannot be finished are refused.
func finishing(p reflectionflow.Previewer, requests []reflectionflow.Request) []check {
	return []check{
		{"finished images", func(ctx context.Context) error {
			want, err := p.Generate(ctx, requests)
			if err != nil {
				return err
			}
			for _, last := range []bool{false, true} {
				if err := finishes(ctx, p, requests, want, last); err != nil {
					return err
				}
			}
			return nil
		}},
		{"invalid number of steps", func(ctx context.Context) error {
			for _, steps := range []int{0, requests[0].Steps} {
				if _, err := p.Preview(ctx, requests[:1], steps); !errors.Is(err, reflectionflow.ErrInvalid) {
					return fmt.Errorf("%d of %d steps: got error %v, want one that wraps ErrInvalid", steps, requests[0].Steps, err)
				}
			}
			return nil
		}},
		{"invalid preview", func(ctx context.Context) error {
			_, err := p.Finish(ctx, []reflectionflow.Preview{{Request: requests[0], Steps: 1}})
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				return fmt.Errorf("a preview without state: got error %v, want one that wraps ErrInvalid", err)
			}
			return nil
		}},
	}
}

// finishes generates each request in two parts, the last request first, and stops after
// the first step or before the last.
func finishes(ctx context.Context, p reflectionflow.Previewer, requests []reflectionflow.Request, want []reflectionflow.Generation, last bool) error {
	var previews []reflectionflow.Preview
	for _, r := range slices.Backward(requests) {
		steps := 1
		if last {
			steps = r.Steps - 1
		}
		v, err := p.Preview(ctx, []reflectionflow.Request{r}, steps)
		if err != nil {
			return err
		}
		previews = append(previews, v...)
	}
	slices.Reverse(previews)
	got, err := p.Finish(ctx, previews)
	if err != nil {
		return err
	}
	for i, g := range got {
		if err := samePixels(want[i].Image, g.Image); err != nil {
			return fmt.Errorf("request %d, finished after %d steps: %w", i, previews[i].Steps, err)
		}
		cost, whole := previews[i].Cost.Add(g.Cost), want[i].Cost
		cost.Seconds, whole.Seconds = 0, 0
		if err := equal(cost, whole); err != nil {
			return fmt.Errorf("request %d: both parts cost %+v, the whole %+v", i, cost, whole)
		}
	}
	return nil
}

// everyKind is an image whose prompt has a requirement of every kind: a verifier judges
// those that it declares and is unsure of the others.
func everyKind(p reflectionflow.PromptedImage) reflectionflow.PromptedImage {
	object := "dog"
	if len(p.Prompt.Requirements) > 0 {
		object = cmp.Or(p.Prompt.Requirements[0].Object, object)
	}
	p.Prompt.Requirements = nil
	for _, k := range reflectionflow.Kinds() {
		r := reflectionflow.Requirement{Kind: k}
		switch k {
		case reflectionflow.AtLeast, reflectionflow.Exactly, reflectionflow.AtMost:
			r.Object, r.Count = object, 1
		case reflectionflow.Absent:
			r.Object = "unicorn"
		case reflectionflow.Position:
			r.Object, r.Relation, r.Target = object, reflectionflow.Behind, object
		case reflectionflow.Interaction:
			r.Object, r.Relation, r.Target = object, "looking at", object
		case reflectionflow.Color:
			r.Object, r.Color = object, "turquoise"
		case reflectionflow.Attribute:
			r.Object, r.Value, r.Aspect = object, "wooden", reflectionflow.Material
		case reflectionflow.Place:
			r.Object, r.Value = object, "top left"
		case reflectionflow.Activity:
			r.Object, r.Value = object, "sleeping"
		default:
			r.Value = "winter"
		}
		p.Prompt.Requirements = append(p.Prompt.Requirements, r)
	}
	return p
}

func verifier(v reflectionflow.Verifier, images []reflectionflow.PromptedImage, o Options) contract[reflectionflow.PromptedImage, reflectionflow.Score] {
	abilities := reflectionflow.AbilitiesOf(v)
	_, declares := v.(reflectionflow.DeclaringVerifier)
	c := contract[reflectionflow.PromptedImage, reflectionflow.Score]{
		call: v.Verify, samples: images, options: o,
		valid: func(p reflectionflow.PromptedImage, s reflectionflow.Score) error {
			if declares && s.Unanswered == "" && len(s.Requirements) == 0 && slices.ContainsFunc(p.Prompt.Requirements, func(r reflectionflow.Requirement) bool { return abilities.Judges(r.Kind) }) {
				return errors.New("it has no findings, but the verifier declares that it judges a requirement of the prompt")
			}
			return errors.Join(validScore(p, s), judged(abilities, s))
		},
		same: func(a, b reflectionflow.Score) error {
			a.Cost, b.Cost = reflectionflow.Cost{}, reflectionflow.Cost{}
			return equal(a, b)
		},
		moved: func(p reflectionflow.PromptedImage) (_ reflectionflow.PromptedImage, has bool) {
			p.Image, has = moved(p.Image)
			return p, has
		},
		fingerprint: func(p reflectionflow.PromptedImage) uint64 { return fingerprint(p.Image) },
	}
	if len(images) > 0 {
		c.samples = append(slices.Clone(images), everyKind(images[0]))
		noImage, noPrompt := images[0], images[0]
		noImage.Image, noPrompt.Prompt.Text = nil, ""
		c.invalid = []sample[reflectionflow.PromptedImage]{{"image", noImage}, {"prompt", noPrompt}}
	}
	return c
}

func reflector(r reflectionflow.Reflector, observations []reflectionflow.Observation, o Options) contract[reflectionflow.Observation, reflectionflow.Reflection] {
	c := observing[reflectionflow.Reflection](observations, o)
	c.call = r.Reflect
	c.valid = func(_ reflectionflow.Observation, r reflectionflow.Reflection) error {
		return errors.Join(validText(r.Text), validText(r.Caption), validCost(r.Cost))
	}
	c.same = func(a, b reflectionflow.Reflection) error {
		return errors.Join(equal(a.Text, b.Text), equal(a.Caption, b.Caption))
	}
	return c
}

func refiner(r reflectionflow.Refiner, observations []reflectionflow.Observation, o Options) contract[reflectionflow.Observation, reflectionflow.Refinement] {
	c := observing[reflectionflow.Refinement](observations, o)
	c.call = r.Refine
	c.valid = func(_ reflectionflow.Observation, r reflectionflow.Refinement) error {
		return errors.Join(validText(r.Text), validCost(r.Cost))
	}
	c.same = func(a, b reflectionflow.Refinement) error { return equal(a.Text, b.Text) }
	return c
}

// observing is what the contracts of reflectors and refiners share.
func observing[Out any](observations []reflectionflow.Observation, o Options) contract[reflectionflow.Observation, Out] {
	c := contract[reflectionflow.Observation, Out]{
		samples: observations, options: o,
		moved: func(o reflectionflow.Observation) (_ reflectionflow.Observation, has bool) {
			o.Image, has = moved(o.Image)
			return o, has
		},
		fingerprint: func(o reflectionflow.Observation) uint64 { return fingerprint(o.Image) },
	}
	if len(observations) > 0 {
		noPrompt := observations[0]
		noPrompt.Prompt.Text = ""
		c.invalid = []sample[reflectionflow.Observation]{{"prompt", noPrompt}}
	}
	return c
}

func annotator(a reflectionflow.Annotator, pairs []reflectionflow.Pair, o Options) contract[reflectionflow.Pair, reflectionflow.Comparison] {
	return ofPairs(a.Annotate, pairs, o, validComparison, func(a, b reflectionflow.Comparison) error {
		a.Cost, b.Cost = reflectionflow.Cost{}, reflectionflow.Cost{}
		return equal(a, b)
	})
}

// ofPairs is the contract of what is asked about pairs of images.
func ofPairs[Out any](call func(context.Context, []reflectionflow.Pair) ([]Out, error), pairs []reflectionflow.Pair, o Options,
	valid func(reflectionflow.Pair, Out) error, same func(a, b Out) error,
) contract[reflectionflow.Pair, Out] {
	c := contract[reflectionflow.Pair, Out]{
		call: call, samples: pairs, options: o, valid: valid, same: same,
		moved: func(p reflectionflow.Pair) (_ reflectionflow.Pair, has bool) {
			p.First, has = moved(p.First)
			return p, has
		},
		fingerprint: func(p reflectionflow.Pair) uint64 { return fingerprint(p.First) ^ fingerprint(p.Second) },
	}
	if len(pairs) > 0 {
		noImage, noPrompt := pairs[0], pairs[0]
		noImage.Second, noPrompt.Prompt.Text = nil, ""
		c.invalid = []sample[reflectionflow.Pair]{{"image", noImage}, {"prompt", noPrompt}}
	}
	return c
}

// comparing is the contract of a comparer.
type comparing struct {
	contract[reflectionflow.Pair, reflectionflow.Preference]
}

func comparer(c reflectionflow.Comparer, pairs []reflectionflow.Pair, o Options) comparing {
	return comparing{ofPairs(c.Compare, pairs, o, validPreference, func(a, b reflectionflow.Preference) error {
		a.Cost, b.Cost = reflectionflow.Cost{}, reflectionflow.Cost{}
		return equal(a, b)
	})}
}

// swapped: the preference for a swapped pair is the opposite, so that it does not depend on
// which image comes first.
func (c comparing) swapped(ctx context.Context) error {
	there, err := c.answers(ctx, c.samples)
	if err != nil {
		return err
	}
	var swapped []reflectionflow.Pair
	for _, p := range c.samples {
		p.First, p.Second = p.Second, p.First
		swapped = append(swapped, p)
	}
	back, err := c.answers(ctx, swapped)
	if err != nil {
		return err
	}
	for i := range there {
		if math.Abs(there[i].First-(1-back[i].First)) > 1e-9 || math.Abs(there[i].Shown-back[i].Shown) > 1e-9 || there[i].Contradicts != back[i].Contradicts {
			return fmt.Errorf("pair %d: %+v, and swapped %+v", i, there[i], back[i])
		}
	}
	return nil
}
