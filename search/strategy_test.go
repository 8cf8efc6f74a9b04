package search_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/search"
)

// TestStrategies runs 2 chains of 3 rounds with scripted scores and compares how each
// candidate was made. Seeds are named by the place that they derive from.
func TestStrategies(t *testing.T) {
	reflection := func(change func(*search.Axes)) search.Config {
		c := config(search.Reflection, 2, 6)
		change(&c.Axes)
		return c
	}
	chain := func(change func(*search.Config)) search.Config {
		c := config(search.Reflection, 1, 5)
		c.Axes.Prompt = false
		change(&c)
		return c
	}
	// Chain 0 gets worse, chain 1 better.
	script := []float64{.5, .1, .4, .2, .3, .3}
	tests := []struct {
		name       string
		cfg        search.Config
		fakeWriter fakeWriter
		want       string
	}{
		{"noise", config(search.Noise, 2, 6), fakeWriter{}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 explore of -1 seed 0/1 "two clocks"
			2 explore of -1 seed 1/0 "two clocks"
			3 explore of -1 seed 1/1 "two clocks"
			4 explore of -1 seed 2/0 "two clocks"
			5 explore of -1 seed 2/1 "two clocks"`},
		{"noise-prompt refines the chain's last prompt", config(search.NoisePrompt, 2, 6), fakeWriter{}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 explore of -1 seed 0/1 "two clocks"
			2 rewrite of 0 seed 1/0 "two clocks clearly"
			3 rewrite of 1 seed 1/1 "two clocks clearly"
			4 rewrite of 2 seed 2/0 "two clocks clearly clearly"
			5 rewrite of 3 seed 2/1 "two clocks clearly clearly"`},
		{"noise-prompt with nothing to refine", config(search.NoisePrompt, 2, 4), fakeWriter{
			refines: func(o reflectionflow.Observation) string {
				return map[bool]string{true: " ", false: o.Prompt.Text}[o.Score.Value == .5]
			},
		}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 explore of -1 seed 0/1 "two clocks"
			2 explore of -1 seed 1/0 "two clocks"
			3 explore of -1 seed 1/1 "two clocks"`},
		{"reflection corrects the chain's best image", reflection(func(*search.Axes) {}), fakeWriter{}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 explore of -1 seed 0/1 "two clocks"
			2 reflect of 0 seed 1/0 "two clocks clearly" edit 0.500
			3 reflect of 1 seed 1/1 "two clocks clearly" edit 0.100
			4 reflect of 0 seed 2/0 "two clocks clearly" edit 0.500
			5 reflect of 3 seed 2/1 "two clocks clearly clearly" edit 0.200`},
		{"a chain without improvement restarts", config(search.Reflection, 1, 8), fakeWriter{
			refines: func(o reflectionflow.Observation) string { return "" },
		}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 reflect of 0 seed 1/0 "two clocks" edit 0.500
			2 reflect of 0 seed 2/0 "two clocks" edit 0.500
			3 explore of -1 seed 3/0 "two clocks"
			4 reflect of 3 seed 4/0 "two clocks" edit 0.100
			5 reflect of 4 seed 5/0 "two clocks" edit 0.200
			6 reflect of 4 seed 6/0 "two clocks" edit 0.200
			7 explore of -1 seed 7/0 "two clocks"`},
		{"a chain without improvement restarts with a rewritten prompt", config(search.Reflection, 1, 5), fakeWriter{}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 reflect of 0 seed 1/0 "two clocks clearly" edit 0.500
			2 reflect of 0 seed 2/0 "two clocks clearly" edit 0.500
			3 rewrite of 0 seed 3/0 "two clocks clearly"
			4 reflect of 3 seed 4/0 "two clocks clearly clearly" edit 0.100`},
		{"a chain without patience never restarts", chain(func(c *search.Config) { c.Patience = 0 }), fakeWriter{}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 reflect of 0 seed 1/0 "two clocks" edit 0.500
			2 reflect of 0 seed 2/0 "two clocks" edit 0.500
			3 reflect of 0 seed 3/0 "two clocks" edit 0.500
			4 reflect of 0 seed 4/0 "two clocks" edit 0.500`},
		{"nor does one that keeps its noise", chain(func(c *search.Config) { c.Axes.Noise = false }), fakeWriter{}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 reflect of 0 seed 0/0 "two clocks" edit 0.500
			2 reflect of 0 seed 0/0 "two clocks" edit 0.500
			3 reflect of 0 seed 0/0 "two clocks" edit 0.500
			4 reflect of 0 seed 0/0 "two clocks" edit 0.500`},
		{"of equal images the earlier is corrected", config(search.Reflection, 1, 3), fakeWriter{
			refines: func(o reflectionflow.Observation) string { return "" },
		}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 reflect of 0 seed 1/0 "two clocks" edit 0.500
			2 reflect of 0 seed 2/0 "two clocks" edit 0.500`},
		{"reflection alone, prompt axis off", reflection(func(a *search.Axes) { a.Prompt = false }), fakeWriter{}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 explore of -1 seed 0/1 "two clocks"
			2 reflect of 0 seed 1/0 "two clocks" edit 0.500
			3 reflect of 1 seed 1/1 "two clocks" edit 0.100
			4 reflect of 0 seed 2/0 "two clocks" edit 0.500
			5 reflect of 3 seed 2/1 "two clocks" edit 0.200`},
		{"reflection with the chain's own noise", reflection(func(a *search.Axes) { a.Noise, a.Prompt = false, false }), fakeWriter{}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 explore of -1 seed 0/1 "two clocks"
			2 reflect of 0 seed 0/0 "two clocks" edit 0.500
			3 reflect of 1 seed 0/1 "two clocks" edit 0.100
			4 reflect of 0 seed 0/0 "two clocks" edit 0.500
			5 reflect of 3 seed 0/1 "two clocks" edit 0.200`},
		{"reflector with nothing to say, prompt axis on", reflection(func(*search.Axes) {}), fakeWriter{
			silent: func(o reflectionflow.Observation) bool { return o.Score.Value == .5 },
		}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 explore of -1 seed 0/1 "two clocks"
			2 rewrite of 0 seed 1/0 "two clocks clearly"
			3 reflect of 1 seed 1/1 "two clocks clearly" edit 0.100
			4 rewrite of 0 seed 2/0 "two clocks clearly"
			5 reflect of 3 seed 2/1 "two clocks clearly clearly" edit 0.200`},
		{"reflector with nothing to say, prompt axis off, own noise", reflection(func(a *search.Axes) { a.Noise, a.Prompt = false, false }), fakeWriter{
			silent: func(reflectionflow.Observation) bool { return true },
		}, `
			0 explore of -1 seed 0/0 "two clocks"
			1 explore of -1 seed 0/1 "two clocks"
			2 explore of -1 seed 1/0 "two clocks"
			3 explore of -1 seed 1/1 "two clocks"
			4 explore of -1 seed 2/0 "two clocks"
			5 explore of -1 seed 2/1 "two clocks"`},
	}
	places := seedPlaces(t, 2, 8)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &fakeGenerator{}
			script := script
			if tt.cfg.Width == 1 {
				script = []float64{.5, .5, .4, .1, .2, .1, .2, .6}
			}
			s := &search.Search{Generator: p, Verifier: &fakeVerifier{script: script}, Reflector: tt.fakeWriter, Refiner: tt.fakeWriter}
			res := mustRun(t, s, tt.cfg)
			var got strings.Builder
			for _, c := range res.Candidates {
				fmt.Fprintf(&got, "\n\t\t\t%d %s of %d seed %s %q", c.ID, c.Action, c.Parent, places[c.Request.Seed], c.Request.Prompt)
				if text, _, ok := strings.Cut(c.Request.Reflection, " ("); ok {
					got.WriteString(" " + text)
				}
			}
			if got.String() != tt.want {
				t.Errorf("got%s\nwant%s", got.String(), tt.want)
			}
			for i, r := range p.requests() {
				c := res.Candidates[i]
				if rewritten := r.Prompt != prompt.Text; rewritten != (r.PooledPrompt != "") || rewritten && r.PooledPrompt != prompt.Text {
					t.Errorf("candidate %d, %q: CLIP reads %q, want the prompt as it was given", i, r.Prompt, r.PooledPrompt)
				}
				if (r.Reference != nil) != (c.Action == reflectionflow.Reflect) {
					t.Errorf("candidate %d, %s: reference %v", i, c.Action, r.Reference)
				}
				if captioned := strings.HasPrefix(r.ReferenceCaption, "shows "); captioned != (c.Action == reflectionflow.Reflect) {
					t.Errorf("candidate %d, %s: the reference is captioned %q", i, c.Action, r.ReferenceCaption)
				}
				if c.Action == reflectionflow.Reflect {
					if want := imageOf(p.requests()[c.Parent]); read(r.Reference) != read(want) {
						t.Errorf("candidate %d was generated from another image than its parent's", i)
					}
				}
				if r.Reference = nil; r != c.Request {
					t.Errorf("candidate %d records %+v, the generator got %+v", i, c.Request, r)
				}
			}
		})
	}
}

// seedPlaces maps noise seeds to "round/chain", as a noise search shows them.
func seedPlaces(t *testing.T, width, depth int) map[uint64]string {
	t.Helper()
	places := map[uint64]string{}
	for _, c := range mustRun(t, fakes(), config(search.Noise, width, width*depth)).Candidates {
		places[c.Request.Seed] = fmt.Sprintf("%d/%d", c.Round, c.Chain)
	}
	if len(places) != width*depth {
		t.Fatalf("%d different seeds for %d candidates", len(places), width*depth)
	}
	return places
}

func TestBestEverWins(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script []float64
		want   int
	}{
		{"round 0 counts", []float64{.1, .8, .2, .3, .4, .5}, 1},
		{"the last counts", []float64{.1, .2, .2, .3, .4, .5}, 5},
		{"a tie goes to the lower ID", []float64{.1, .2, .7, .3, .7, .7}, 2},
		{"values may be negative", []float64{-3, -2, -1, -2, -3, -4}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fakes()
			s.Verifier = &fakeVerifier{script: tt.script}
			if got := mustRun(t, s, config(search.Reflection, 2, 6)).Best; got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// TestObservations: reflector and refiner see the user's prompt, the parent's
// image and request, and seeds that differ.
func TestObservations(t *testing.T) {
	var observed []reflectionflow.Observation
	s := fakes()
	s.Refiner = fakeWriter{refines: func(o reflectionflow.Observation) string {
		observed = append(observed, o)
		return "a better prompt"
	}}
	s.Reflector = fakeWriter{silent: func(o reflectionflow.Observation) bool {
		observed = append(observed, o)
		return false
	}}
	res := mustRun(t, s, config(search.Reflection, 1, 3))
	var seeds []uint64
	for _, o := range observed {
		seeds = append(seeds, o.Seed)
		parent := slices.IndexFunc(res.Candidates, func(c reflectionflow.Candidate) bool {
			return c.Score.Value == o.Score.Value
		})
		if o.Prompt.Text != prompt.Text || parent < 0 || o.Request != res.Candidates[parent].Request || o.Image == nil {
			t.Errorf("observed %+v", o)
		}
	}
	slices.Sort(seeds)
	if len(observed) != 4 || len(slices.Compact(seeds)) != 4 {
		t.Errorf("%d observations with seeds %v, want 4 with 4 seeds", len(observed), seeds)
	}
}

func TestEachImageIsScoredOnce(t *testing.T) {
	c := &fakeVerifier{}
	s := fakes()
	s.Verifier = c
	res := mustRun(t, s, config(search.Reflection, 3, 10))
	if c.seen != 10 || len(res.Candidates) != 10 {
		t.Errorf("%d images scored for %d candidates", c.seen, len(res.Candidates))
	}
}

func TestCost(t *testing.T) {
	res := mustRun(t, fakes(), config(search.Reflection, 2, 6))
	want := reflectionflow.Cost{Images: 6, DenoiseSteps: 24, VerifierCalls: 6, TokensOut: 4 * (3 + 2)}
	if !reflect.DeepEqual(res.Cost, want) {
		t.Errorf("total %+v, want %+v", res.Cost, want)
	}
	var sum reflectionflow.Cost
	for _, c := range res.Candidates {
		sum = sum.Add(c.Cost)
	}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("sum %+v, want %+v", sum, want)
	}
	if got := res.Candidates[5].Cost; !reflect.DeepEqual(got, reflectionflow.Cost{Images: 1, DenoiseSteps: 4, VerifierCalls: 1, TokensOut: 5}) {
		t.Errorf("candidate 5 costs %+v", got)
	}
}

// TestSeeds pins the seeds: records of earlier versions stay reproducible.
func TestSeeds(t *testing.T) {
	cfg := config(search.Noise, 2, 4)
	cfg.Seed = 7
	var got []uint64
	for _, c := range mustRun(t, fakes(), cfg).Candidates {
		got = append(got, c.Request.Seed)
	}
	want := []uint64{5488937907533707, 901430470397971, 8859094898244408, 5625300699968483}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestContextReachesTheParts: the parts get the context of the caller, with its values.
func TestContextReachesTheParts(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")
	var got []any
	look := func(ctx context.Context) { got = append(got, ctx.Value(key{})) }
	s := &search.Search{
		Generator: &fakeGenerator{pause: look}, Verifier: &fakeVerifier{}, Reflector: fakeWriter{}, Refiner: fakeWriter{},
	}
	if _, err := s.Run(ctx, prompt, config(search.Noise, 1, 2)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []any{"value", "value"}) {
		t.Errorf("got %v", got)
	}
}
