package search_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"reflectionflow"
	"reflectionflow/search"
)

// seen is a score of three requirements. The image has the objects of those that are met,
// and the others named.
func seen(value float64, met [3]bool, others ...string) reflectionflow.Score {
	s := reflectionflow.Score{Value: value, Cost: reflectionflow.Cost{VerifierCalls: 1}}
	for i, r := range threeThings.Requirements {
		f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet, Confidence: .1}
		if met[i] {
			f.Verdict, f.Confidence = reflectionflow.Met, .95
			others = append(others, r.Object)
		}
		s.Requirements = append(s.Requirements, f)
	}
	for _, class := range others {
		s.Objects = append(s.Objects, reflectionflow.Object{Class: class, Box: [4]float64{0, 0, 1, 1}, Confidence: 1})
	}
	return s
}

// TestRouting: the next action follows from what the verifier found so far.
func TestRouting(t *testing.T) {
	nothing, most := [3]bool{}, [3]bool{true, true, false}
	one := func(s reflectionflow.Score) []reflectionflow.Score { return []reflectionflow.Score{s} }
	tests := []struct {
		name   string
		scores []reflectionflow.Score // of the images in turn
		change func(*search.Config)
		want   string // the last action, its parent, and what is said of it
	}{
		{"nothing known", nil, nil, "explore -1 no image is verified yet"},
		{"an image that misses little is corrected", one(seen(.6, most)), nil, "reflect 0 best is #0: 1 of 3 requirements not met; expected gain per image: new seed"},
		{"an image that misses most is replaced", one(seen(0, nothing)), nil, "explore -1 best is #0: 3 of 3 requirements not met, an object is missing"},
		{"an image with all objects, placed wrong, is corrected", one(seen(.1, nothing, "cup", "clock", "cat")), nil, "reflect 0 best is #0: 3 of 3 requirements not met; expected gain per image"},
		{
			"what every image misses rewrites the prompt",
			[]reflectionflow.Score{seen(0, nothing), seen(0, nothing), seen(0, nothing)},
			nil, `rewrite 0 best is #0: 3 of 3 requirements not met, no image meets "at least 1 cup"`,
		},
		{
			"where only time is bounded, an action that takes too much of it is not taken", one(seen(.6, most)),
			func(c *search.Config) {
				c.Budget, c.Depth, c.Adaptive.Policy.Seconds.Reflect = search.Budget{Seconds: 3600}, 2, 10
			}, "explore -1 best is #0: 1 of 3 requirements not met; expected gain per second",
		},
		{
			"where images are bounded, its time does not matter", one(seen(.6, most)),
			func(c *search.Config) { c.Adaptive.Policy.Seconds.Reflect = 10 }, "reflect 0 best is #0: 1 of 3 requirements not met; expected gain per image",
		},
		{
			"a parent whose corrections fail gives way to the next",
			[]reflectionflow.Score{seen(.6, most), seen(.59, most), seen(.2, nothing, "cup"), seen(.1, nothing, "cup")},
			func(c *search.Config) {
				p := &c.Adaptive.Policy
				p.Weight, p.Explore, p.Rewrite = 1, search.Gains{}, search.Gains{}
			}, "reflect 1 best is #0: 1 of 3 requirements not met, no image meets",
		},
		{
			"an image that is right with low confidence cannot be corrected", one(seen(.9, [3]bool{true, true, true})),
			func(c *search.Config) { c.Adaptive.Policy.Stop.Probability = .99 }, "explore -1 best is #0: every requirement met, with low confidence",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(search.Adaptive, 1, len(tt.scores)+1)
			cfg.Adaptive.Policy = search.DefaultPolicy()
			if tt.change != nil {
				tt.change(&cfg)
			}
			s := fakes()
			n := 0
			s.Verifier = verify(func(_ context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
				score := seen(0, nothing)
				if n < len(tt.scores) {
					score = tt.scores[n]
				}
				n++
				return []reflectionflow.Score{score}, nil
			})
			res, err := s.Run(t.Context(), threeThings, cfg)
			if err != nil {
				t.Fatal(err)
			}
			c := res.Candidates[len(tt.scores)]
			action, rest, _ := strings.Cut(tt.want, " ")
			parent, reason, _ := strings.Cut(rest, " ")
			if string(c.Action) != action || (parent == "-1") != (c.Parent < 0) || c.Parent > 0 != (parent == "1") || !strings.HasPrefix(c.Reason, reason) {
				t.Errorf("got %s of %d, %q; want %s", c.Action, c.Parent, c.Reason, tt.want)
			}
		})
	}
}

// TestStopThreshold: an image ends the search only from the policy's probability on.
func TestStopThreshold(t *testing.T) {
	for _, tt := range []struct {
		least float64
		want  int
	}{{.5, 2}, {.94, 3}, {.98, 6}} {
		cfg := config(search.Adaptive, 1, 6)
		cfg.EarlyStop, cfg.Adaptive.Abandon = true, false
		cfg.Adaptive.Policy.Stop.Probability = tt.least
		s := fakes()
		s.Verifier = &fakeVerifier{script: []float64{.3, .91, .95, .3, .3, .3}}
		if res := mustRun(t, s, cfg); len(res.Candidates) != tt.want {
			t.Errorf("at %v: %d candidates, want %d", tt.least, len(res.Candidates), tt.want)
		}
	}
}

// TestAbandon: noises with low previews are abandoned after a quarter of their steps;
// these steps are recorded, counted in the budget and added to the cost.
func TestAbandon(t *testing.T) {
	for width := 1; width <= 3; width++ {
		cfg := config(search.Adaptive, width, 12)
		cfg.Adaptive.Rollover = false
		p := &fakeGenerator{}
		s := fakes()
		s.Generator = p
		res := mustRun(t, s, cfg)
		abandoned, steps := 0, 0
		for i, c := range res.Candidates {
			abandoned += len(c.Abandoned)
			steps += c.Steps()
			previews := len(c.Abandoned)
			if c.Action != reflectionflow.Reflect && previews < 3 {
				previews++ // of the noise that passed; the last one allowed has none
			}
			if c.Cost.DenoiseSteps != c.Steps() || c.Cost.DenoiseSteps != 4+len(c.Abandoned) || c.Cost.VerifierCalls > 1+previews || c.Cost.Images != 1 {
				t.Errorf("width %d, candidate %d: cost %+v, abandoned %v", width, i, c.Cost, c.Abandoned)
			}
			if c.Action == reflectionflow.Reflect && len(c.Abandoned) > 0 {
				t.Errorf("candidate %d is corrected and abandons noises", i)
			}
			for _, a := range c.Abandoned {
				if a.Steps != 1 || a.Seed == c.Request.Seed {
					t.Errorf("candidate %d abandoned %+v", i, a)
				}
			}
		}
		// Images reserved for those in progress, and the last fraction of an image, stay.
		if abandoned == 0 || steps > 48 || steps <= 44-3*(width-1) || len(p.requests()) != len(res.Candidates) {
			t.Errorf("width %d: %d abandoned, %d of 48 steps, %d generated", width, abandoned, steps, len(p.requests()))
		}
	}
}

// Where a part has no previews, nothing is abandoned.
func TestNoPreviews(t *testing.T) {
	for name, hide := range map[string]func(*search.Search){
		"generator": func(s *search.Search) { s.Generator = generate(s.Generator.Generate) },
		"verifier":  func(s *search.Search) { s.Verifier = verify(s.Verifier.Verify) },
	} {
		s := fakes()
		hide(s)
		res := mustRun(t, s, config(search.Adaptive, 1, 8))
		for _, c := range res.Candidates {
			if len(c.Abandoned) > 0 || len(res.Candidates) != 8 {
				t.Errorf("%s: %d candidates, %v abandoned", name, len(res.Candidates), c.Abandoned)
			}
		}
	}
}

// TestRollover: prompts that end early leave their images to the others in equal parts,
// for any batch size, timing and interruption; the total never exceeds all budgets.
func TestRollover(t *testing.T) {
	const prompts, budget = 9, 4
	open := func(seed uint64) *search.Search {
		return &search.Search{
			Generator: &fakeGenerator{pause: pauses(seed)}, Verifier: &fakeVerifier{pause: pauses(seed + 1), limit: .8},
			Reflector: fakeWriter{pause: pauses(seed + 2)}, Refiner: fakeWriter{},
		}
	}
	for _, x := range []struct {
		width int
		sure  float64
	}{{1, 0}, {2, 0}, {1, .95}, {2, .95}} {
		width := x.width
		cfg := config(search.Adaptive, width, budget)
		cfg.EarlyStop = true
		cfg.Adaptive.Policy.Stop.Probability, cfg.Adaptive.Policy.Stop.Sure = .8, x.sure
		var want, record string
		for seed := range uint64(8) {
			synctest.Test(t, func(t *testing.T) {
				cfg := cfg
				cfg.Batch = int(seed % 4)
				list, journals := tasks(prompts)
				for sitting := range seed {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(sitting+1)*4*time.Second)
					_, err := open(seed+100*sitting).RunMany(ctx, list, cfg)
					cancel()
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Fatal(err)
					}
				}
				results, err := open(seed+5).RunMany(t.Context(), list, cfg)
				if err != nil {
					t.Fatal(err)
				}
				got, steps, most := encode(t, results), 0, 0
				var kept strings.Builder
				for i, res := range results {
					kept.WriteString(journals[i].text())
					most = max(most, len(res.Candidates))
					for _, c := range res.Candidates {
						steps += c.Steps()
					}
				}
				if steps > prompts*budget*cfg.Steps || most <= budget {
					t.Errorf("%d of %d steps, at most %d images a prompt", steps, prompts*budget*cfg.Steps, most)
				}
				if want == "" {
					want, record = got, kept.String()
				}
				if got != want || kept.String() != record {
					t.Errorf("width %d, sure from %v, seed %d: another result", width, x.sure, seed)
				}
			})
		}
	}
}

// TestNoRollover: without it each result is that of the prompt alone.
func TestNoRollover(t *testing.T) {
	cfg := config("adaptive-no-rollover", 1, 4)
	cfg.EarlyStop, cfg.Adaptive.Policy.Stop.Sure = true, .97
	list, _ := tasks(6)
	results, err := fakes().RunMany(t.Context(), list, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, task := range list {
		want, err := fakes().Run(t.Context(), task.Prompt, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if encode(t, results[i]) != encode(t, want) {
			t.Errorf("prompt %d differs from itself alone", i)
		}
	}
}

// TestRolloverBound: a prompt that is never right gets four times its budget at most.
func TestRolloverBound(t *testing.T) {
	cfg := config(search.Adaptive, 1, 5)
	cfg.EarlyStop, cfg.Adaptive.Abandon = true, false
	s := fakes()
	s.Verifier = verify(func(_ context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
		out := make([]reflectionflow.Score, len(p))
		for i := range p {
			f := reflectionflow.Finding{Requirement: p[i].Prompt.Requirements[0], Verdict: reflectionflow.Met, Confidence: 1}
			if p[i].Prompt.Text == "3 clocks" {
				f.Verdict, f.Confidence = reflectionflow.NotMet, 0
			}
			out[i].Requirements = append(out[i].Requirements, f)
		}
		return out, nil
	})
	list, _ := tasks(12)
	results, err := s.RunMany(t.Context(), list, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, res := range results {
		if want := map[bool]int{true: 20, false: 1}[i == 2]; len(res.Candidates) != want {
			t.Errorf("prompt %d: %d images, want %d", i, len(res.Candidates), want)
		}
	}
}

// TestLeftoverImages: a prompt whose image is right with a probability below Stop.Sure
// waits while others can use its images, and then continues.
func TestLeftoverImages(t *testing.T) {
	for name, tt := range map[string]struct {
		failing int // how many images of the third prompt are wrong
		want    [3]int
	}{
		"the third is right at its sixth image":   {5, [3]int{3, 1, 6}},
		"the third takes all but what is certain": {100, [3]int{1, 1, 10}},
	} {
		cfg := config(search.Adaptive, 1, 4)
		cfg.EarlyStop, cfg.Adaptive.Abandon = true, false
		cfg.Adaptive.Policy.Stop.Probability, cfg.Adaptive.Policy.Stop.Sure = .5, .9
		list, _ := tasks(3)
		made := map[string]int{}
		s := fakes()
		s.Verifier = verify(func(_ context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
			out := make([]reflectionflow.Score, len(p))
			for i := range p {
				f := reflectionflow.Finding{Requirement: p[i].Prompt.Requirements[0], Verdict: reflectionflow.Met, Confidence: .95}
				n := made[p[i].Prompt.Text]
				made[p[i].Prompt.Text]++
				switch {
				case p[i].Prompt.Text == list[0].Prompt.Text && n < 2:
					f.Confidence = .8
				case p[i].Prompt.Text == list[2].Prompt.Text && n < tt.failing:
					f.Verdict, f.Confidence = reflectionflow.NotMet, 0
				}
				out[i].Requirements = append(out[i].Requirements, f)
			}
			return out, nil
		})
		results, err := s.RunMany(t.Context(), list, cfg)
		if err != nil {
			t.Fatal(err)
		}
		for i, res := range results {
			if len(res.Candidates) != tt.want[i] {
				t.Errorf("%s: prompt %d took %d images, want %d", name, i, len(res.Candidates), tt.want[i])
			}
		}
	}
}

// TestForeignAdaptiveJournal: abandoned noises and choices must be those of this search.
func TestForeignAdaptiveJournal(t *testing.T) {
	cfg := config(search.Adaptive, 1, 6)
	whole := &disk{}
	s := fakes()
	s.Journal = whole
	mustRun(t, s, cfg)
	for name, spoil := range map[string]func(*reflectionflow.Candidate) bool{
		"too many abandoned": func(c *reflectionflow.Candidate) bool {
			c.Abandoned = append(c.Abandoned, make([]reflectionflow.Abandoned, 4)...)
			return true
		},
		"another seed": func(c *reflectionflow.Candidate) bool {
			c.Request.Seed++
			return c.Action == reflectionflow.Explore
		},
		"another action": func(c *reflectionflow.Candidate) bool {
			was := c.Action
			c.Action = reflectionflow.Reflect
			return was == reflectionflow.Explore
		},
	} {
		altered := whole.prefix(len(whole.lines))
		done := false
		for id := range altered.lines {
			c, _, _ := whole.Recall(id)
			if !done && spoil(&c) {
				altered.lines = append([][]byte(nil), altered.lines...)
				altered.lines[id], done = []byte(encode(t, c)), true
			}
		}
		s := fakes()
		s.Journal = altered
		if _, err := s.Run(t.Context(), prompt, cfg); !done || !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", name, err)
		}
	}
}

func TestPolicyFile(t *testing.T) {
	var b bytes.Buffer
	want := search.DefaultPolicy()
	if err := want.Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if got, err := search.ReadPolicy(&b); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, bad := range map[string]string{
		"empty":         "",
		"other format":  strings.Replace(text, "policy 2", "policy 1", 1),
		"unknown field": strings.Replace(text, `"weight"`, `"wait"`, 1),
		"trailing":      text + "{}",
		"gain above 1":  strings.Replace(text, `"local": 0.1`, `"local": 1.5`, 1),
		"rising curve":  strings.Replace(text, `"a": -1`, `"a": 1`, 1),
		"no weight":     strings.Replace(text, `"weight": 4`, `"weight": 0`, 1),
		"many tries":    strings.Replace(text, `"tries": 0`, `"tries": 1000`, 1),
	} {
		if _, err := search.ReadPolicy(strings.NewReader(bad)); bad == text || !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", name, err)
		}
	}
	cfg := search.Default(search.Adaptive)
	cfg.Adaptive.Policy.Weight = math.NaN()
	if err := cfg.Validate(); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("NaN: got error %v", err)
	}
}

func FuzzReadPolicy(f *testing.F) {
	var b bytes.Buffer
	if err := search.DefaultPolicy().Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"format":"reflectionflow policy 2"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := search.ReadPolicy(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Errorf("error %v does not wrap ErrInvalid", err)
			}
			return
		}
		cfg := config(search.Adaptive, 1, 3) // whatever is accepted can be searched with
		cfg.Adaptive.Policy = p
		if _, err := fakes().Run(t.Context(), prompt, cfg); err != nil {
			t.Error(err)
		}
	})
}
