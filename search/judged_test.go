package search_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/search"
)

// freeForm asks for what the world's verifier judges, and for a style that it does not.
var freeForm = reflectionflow.Prompt{Text: threeThings.Text, Requirements: append(slices.Clone(threeThings.Requirements),
	reflectionflow.Requirement{Kind: reflectionflow.Style, Value: "watercolor"})}

// partial is a world whose verifier judges objects alone. It declares so, or marks its
// findings itself.
type partial struct {
	world
	marks bool
	kinds []reflectionflow.Kind
}

func (p partial) Abilities() reflectionflow.Abilities {
	return reflectionflow.Abilities{Kinds: p.kinds}
}

func (p partial) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := p.world.Verify(ctx, images)
	for i := range scores {
		for k := range scores[i].Requirements {
			if f := &scores[i].Requirements[k]; f.Requirement.Kind != reflectionflow.AtLeast || len(p.kinds) == 1 && p.kinds[0] != reflectionflow.AtLeast {
				*f = reflectionflow.Finding{Requirement: f.Requirement, Verdict: reflectionflow.Unsure, Confidence: .5, Unjudged: p.marks}
			}
		}
	}
	return scores, err
}

// TestStopsWhereNothingCanBeToldApart: a requirement that the verifier cannot judge changes
// neither the images of a search nor their number; the result says that it was not judged.
func TestStopsWhereNothingCanBeToldApart(t *testing.T) {
	w := world{met: .5, refined: .5, fix: .6, keep: .9, whole: .9}
	for _, strategy := range []string{search.Noise, search.Reflection, search.Adaptive} {
		for _, v := range []partial{
			{w, true, []reflectionflow.Kind{reflectionflow.AtLeast, reflectionflow.Style}},
			{w, false, []reflectionflow.Kind{reflectionflow.AtLeast}},
		} {
			judged := &search.Search{Generator: w, Verifier: w, Reflector: fakeWriter{}, Refiner: fakeWriter{}}
			free := &search.Search{Generator: w, Verifier: v, Reflector: fakeWriter{}, Refiner: fakeWriter{}}
			stopped := 0
			for seed := range uint64(20) {
				cfg := worldConfig(strategy, 12)
				cfg.Seed = seed + 1
				a, err := judged.Run(t.Context(), threeThings, cfg)
				if err != nil {
					t.Fatal(err)
				}
				b, err := free.Run(t.Context(), freeForm, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if len(a.Candidates) != len(b.Candidates) || a.Best != b.Best {
					t.Errorf("%s, seed %d: %d images with best %d, and %d with best %d", strategy, seed, len(a.Candidates), a.Best, len(b.Candidates), b.Best)
				}
				if a.Stopped == reflectionflow.StoppedRight {
					stopped++
					if b.Stopped != reflectionflow.StoppedJudged {
						t.Errorf("%s, seed %d: stopped because %s", strategy, seed, b.Stopped)
					}
				}
				best := b.Candidates[b.Best].Score
				if best.Right() || !best.Requirements[3].Unjudged || best.Requirements[3].Verdict != reflectionflow.Unsure {
					t.Errorf("%s, seed %d: the style counts as judged: %+v", strategy, seed, best)
				}
			}
			if stopped < 10 {
				t.Errorf("%s: only %d of 20 searches stopped early", strategy, stopped)
			}
		}
	}
}

// TestNothingJudged: where the verifier judges nothing of a prompt, the search spends its
// budget, although the verifier may see something of what is asked for: a person for a nurse.
func TestNothingJudged(t *testing.T) {
	w := world{met: .9, refined: .9, fix: .9, keep: .9, whole: 1}
	nurse := reflectionflow.Prompt{Text: "a nurse", Requirements: []reflectionflow.Requirement{{Kind: reflectionflow.AtLeast, Object: "nurse", Count: 1}}}
	seen := constant{reflectionflow.Score{Value: .5, Requirements: []reflectionflow.Finding{{
		Requirement: nurse.Requirements[0], Verdict: reflectionflow.Unsure, Confidence: .9, Unjudged: true,
		Evidence: []reflectionflow.Object{{Class: "person", Box: [4]float64{0, 0, 1, 1}, Confidence: .9}},
	}}}}
	for _, strategy := range []string{search.Noise, search.Reflection, search.Adaptive} {
		s := &search.Search{Generator: w, Verifier: partial{w, true, []reflectionflow.Kind{reflectionflow.Text}}, Reflector: fakeWriter{}, Refiner: fakeWriter{}}
		res, err := s.Run(t.Context(), freeForm, worldConfig(strategy, 6))
		if err != nil || res.Stopped != reflectionflow.StoppedBudget {
			t.Errorf("%s: stopped because %s, %v", strategy, res.Stopped, err)
		}
		s.Verifier = seen
		res, err = s.Run(t.Context(), nurse, worldConfig(strategy, 6))
		if err != nil || res.Stopped != reflectionflow.StoppedBudget || len(res.Candidates) != 6 {
			t.Errorf("%s: with something seen, stopped because %s after %d images, %v", strategy, res.Stopped, len(res.Candidates), err)
		}
	}
}

// TestTooLittleJudged: that nobody is there ends no search for balloons, which the verifier
// does not know.
func TestTooLittleJudged(t *testing.T) {
	w := world{met: .9, refined: .9, fix: .9, keep: .9, whole: 1}
	prompt := reflectionflow.Prompt{Text: "seven red balloons and no people", Requirements: []reflectionflow.Requirement{
		{Kind: reflectionflow.Exactly, Object: "balloon", Count: 7}, {Kind: reflectionflow.Absent, Object: "person"},
	}}
	for _, strategy := range []string{search.Noise, search.NoisePrompt, search.Reflection, search.Adaptive} {
		s := &search.Search{Generator: w, Reflector: fakeWriter{}, Refiner: fakeWriter{}, Verifier: constant{reflectionflow.Score{Value: 1, Requirements: []reflectionflow.Finding{
			{Requirement: prompt.Requirements[0], Verdict: reflectionflow.Unsure, Confidence: .5, Unjudged: true},
			{Requirement: prompt.Requirements[1], Verdict: reflectionflow.Met, Confidence: .99},
		}}}}
		res, err := s.Run(t.Context(), prompt, worldConfig(strategy, 6))
		if err != nil || res.Stopped != reflectionflow.StoppedBudget || len(res.Candidates) != 6 {
			t.Errorf("%s: stopped because %s after %d images, %v", strategy, res.Stopped, len(res.Candidates), err)
		}
	}
}

// TestRoutingOfKinds: what is wrong with a part of the image is corrected; an image whose
// scene is wrong, or that lacks an object, is replaced.
func TestRoutingOfKinds(t *testing.T) {
	type requirement = reflectionflow.Requirement
	dog := requirement{Kind: reflectionflow.AtLeast, Object: "man", Count: 1}
	finding := func(r requirement, v reflectionflow.Verdict) reflectionflow.Finding {
		confidence := map[reflectionflow.Verdict]float64{reflectionflow.Met: .95, reflectionflow.NotMet: .05, reflectionflow.Unsure: .5}[v]
		return reflectionflow.Finding{Requirement: r, Verdict: v, Confidence: confidence}
	}
	seenMan := finding(dog, reflectionflow.Met) // a detector calls him a person
	seenMan.Evidence = []reflectionflow.Object{{Class: "person", Box: [4]float64{0, 0, 1, 1}, Confidence: .9}}
	unjudged := finding(requirement{Kind: reflectionflow.Text, Value: "OPEN"}, reflectionflow.Unsure)
	unjudged.Unjudged = true
	for name, c := range map[string]struct {
		findings []reflectionflow.Finding
		want     string
	}{
		"properties and places are corrected": {[]reflectionflow.Finding{
			seenMan, finding(requirement{Kind: reflectionflow.Color, Object: "man", Color: "red"}, reflectionflow.NotMet),
			finding(requirement{Kind: reflectionflow.Place, Object: "man", Value: "left"}, reflectionflow.NotMet),
		}, "reflect 0 best is #0: 2 of 3 requirements not met; "},
		"an activity with a seen object is corrected": {[]reflectionflow.Finding{
			seenMan, finding(requirement{Kind: reflectionflow.Activity, Object: "man", Value: "running"}, reflectionflow.NotMet),
			finding(requirement{Kind: reflectionflow.Attribute, Object: "man", Value: "tall"}, reflectionflow.NotMet),
		}, "reflect 0 best is #0: 2 of 3 requirements not met; "},
		"a wrong scene and style are replaced": {[]reflectionflow.Finding{
			seenMan, finding(requirement{Kind: reflectionflow.Scene, Value: "beach"}, reflectionflow.NotMet),
			finding(requirement{Kind: reflectionflow.Style, Value: "oil"}, reflectionflow.NotMet),
		}, "explore -1 best is #0: 2 of 3 requirements not met, scene or style among them; "},
		"a missing object is replaced": {[]reflectionflow.Finding{
			finding(dog, reflectionflow.NotMet), finding(requirement{Kind: reflectionflow.Interaction, Object: "man", Relation: "riding", Target: "horse"}, reflectionflow.NotMet),
		}, "explore -1 best is #0: 2 of 2 requirements not met, an object is missing; "},
		"what is not judged does not count": {[]reflectionflow.Finding{
			seenMan, finding(requirement{Kind: reflectionflow.Color, Object: "man", Color: "red"}, reflectionflow.NotMet), unjudged, unjudged, unjudged,
		}, "reflect 0 best is #0: 1 of 2 requirements not met, 3 not judged; "},
	} {
		p := reflectionflow.Prompt{Text: "a man"}
		for _, f := range c.findings {
			p.Requirements = append(p.Requirements, f.Requirement)
		}
		s := &search.Search{
			Generator: world{met: .5, whole: 1}, Reflector: fakeWriter{}, Refiner: fakeWriter{},
			Verifier: constant{reflectionflow.Score{Requirements: c.findings, Cost: reflectionflow.Cost{VerifierCalls: 1}}},
		}
		res, err := s.Run(t.Context(), p, worldConfig(search.Adaptive, 2))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		last := res.Candidates[len(res.Candidates)-1]
		if got := strings.Join([]string{string(last.Action), parentText(last), last.Reason}, " "); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func parentText(c reflectionflow.Candidate) string {
	if c.Parent < 0 {
		return "-1"
	}
	return string(rune('0' + c.Parent))
}

// constant gives every image the same score.
type constant struct{ score reflectionflow.Score }

func (c constant) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores := make([]reflectionflow.Score, len(images))
	for i := range scores {
		scores[i] = c.score
	}
	return scores, nil
}
