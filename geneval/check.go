package geneval

import (
	"context"
	"fmt"
	"image"
	"math/rand/v2"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
)

// CheckRules is a known-answer test of the rules: descriptions of images with the
// results of GenEval's evaluate. It takes microseconds and runs before scoring.
func CheckRules() error {
	for _, c := range knownAnswers() {
		got := Evaluate(c.metadata, OfficialThresholds(), image.Pt(100, 100), c.objects)
		if want := (Result{c.reason == "", c.reason}); got != want {
			return fmt.Errorf("self-test of the rules: %s: got %q, want %q", c.name, got.Reason, want.Reason)
		}
	}
	return nil
}

type knownAnswer struct {
	name     string
	metadata Metadata
	objects  []reflectionflow.Object
	reason   string
}

func seen(class, color string, x, confidence float64) reflectionflow.Object {
	return reflectionflow.Object{Class: class, Color: color, Box: [4]float64{x, 0.4, x + 0.2, 0.6}, Confidence: confidence}
}

func many(n int, o reflectionflow.Object) []reflectionflow.Object {
	list := make([]reflectionflow.Object, n)
	for i := range list {
		list[i] = o
	}
	return list
}

func knownAnswers() []knownAnswer {
	dogs := Metadata{Tag: "counting", Include: []Include{{Class: "dog", Count: 2}}, Exclude: []Exclude{{"dog", 3}}}
	beside := Metadata{Tag: "counting_attr", Include: []Include{{Class: "dog", Count: 2}, {Class: "cup", Count: 1, Color: "red"}}, Exclude: []Exclude{{"dog", 3}}}
	one := Metadata{Tag: "single_object", Include: []Include{{Class: "dog", Count: 1}}}
	red := Metadata{Tag: "colors", Include: []Include{{Class: "cup", Count: 1, Color: "red"}}}
	left := Metadata{Tag: "position", Include: []Include{
		{Class: "cat", Count: 1},
		{Class: "dog", Count: 1, Position: &Position{reflectionflow.LeftOf, 0}},
	}}
	dog, cat := seen("dog", "", 0.1, 0.95), seen("cat", "", 0.7, 0.95)
	return []knownAnswer{
		{"a dog at the threshold", one, []reflectionflow.Object{seen("dog", "", 0.1, 0.3)}, "expected dog>=1, found 0"},
		{"sixteen dogs count", dogs, many(20, dog), "expected dog<3, found 16"},
		{"half of the way left", left, []reflectionflow.Object{seen("dog", "", 0.4, 0.9), seen("cat", "", 0.48, 0.9)}, "expected dog left of target, found  target"},
		{"more than half", left, []reflectionflow.Object{seen("dog", "", 0.4, 0.9), seen("cat", "", 0.4801, 0.9)}, ""},
		{"two dogs", dogs, []reflectionflow.Object{dog, dog}, ""},
		{"one dog of two", dogs, []reflectionflow.Object{dog}, "expected dog>=2, found 1"},
		{"three dogs", dogs, []reflectionflow.Object{dog, dog, dog}, "expected dog<3, found 3"},
		{"a faint third dog", dogs, []reflectionflow.Object{dog, dog, seen("dog", "", 0.5, 0.9)}, ""},
		{"a faint third dog beside a cup", beside, []reflectionflow.Object{dog, dog, seen("dog", "", 0.5, 0.9), seen("cup", "red", 0.1, 0.95)}, ""},
		{"a third dog beside a cup", beside, []reflectionflow.Object{dog, dog, dog, seen("cup", "red", 0.1, 0.95)}, "expected dog<3, found 3"},
		{"a red cup", red, []reflectionflow.Object{seen("cup", "red", 0.1, 0.31)}, ""},
		{"a blue cup", red, []reflectionflow.Object{seen("cup", "blue", 0.1, 0.5)}, "expected red cup>=1, found 0 red; and 1 blue"},
		{"a fainter red cup", red, []reflectionflow.Object{seen("cup", "red", 0.1, 0.4), seen("cup", "blue", 0.5, 0.5)}, "expected red cup>=1, found 0 red; and 1 blue"},
		{"dog left of cat", left, []reflectionflow.Object{dog, cat}, ""},
		{"dog right of cat", left, []reflectionflow.Object{seen("dog", "", 0.7, 0.9), seen("cat", "", 0.1, 0.9)}, "expected dog left of target, found right of target"},
		{"no cat", left, []reflectionflow.Object{dog}, "expected cat>=1, found 0\nno target for dog to be left of"},
		{"dog on cat", left, []reflectionflow.Object{dog, seen("cat", "", 0.1, 0.9)}, "expected dog left of target, found  target"},
	}
}

// Agreement is how often a judge's verdict on images with a known answer is right.
type Agreement struct {
	Right       int `json:"right"`        // scenes that are what was asked for
	Wrong       int `json:"wrong"`        // scenes that are not
	RightAgreed int `json:"right_agreed"` // right scenes that the judge calls right
	WrongAgreed int `json:"wrong_agreed"` // wrong scenes that the judge calls wrong
}

// Balanced is the mean of both rates: 0.5 is what guessing reaches.
func (a Agreement) Balanced() float64 {
	return (share(a.RightAgreed, a.Right) + share(a.WrongAgreed, a.Wrong)) / 2
}

// String describes the rates.
func (a Agreement) String() string {
	return fmt.Sprintf("the judge agrees on %d of %d right scenes and on %d of %d flawed ones (balanced %.0f%%)",
		a.RightAgreed, a.Right, a.WrongAgreed, a.Wrong, 100*a.Balanced())
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// leastAgreement is the balanced rate below which scores are meaningless.
const leastAgreement = 0.6

// scenesPerTask is how many prompts of each task the judge is tried on, once right
// and once flawed; 96 images take a small network about a second.
const scenesPerTask = 8

// CheckJudge is a known-answer test of a judge on images such as [KnownScenes]. It fails
// where the judge is hardly better than guessing.
func CheckJudge(ctx context.Context, judge Judge, trials []KnownScene) (Agreement, error) {
	cases := make([]Case, len(trials))
	for i, tr := range trials {
		cases[i] = Case{tr.Metadata, tr.Image}
	}
	judgments, err := judgeAll(ctx, judge, cases)
	if err != nil {
		return Agreement{}, fmt.Errorf("self-test of the judge: %w", err)
	}
	var a Agreement
	for i, tr := range trials {
		a.add(tr.Right, judgments[i].Correct)
	}
	if a.Balanced() < leastAgreement {
		return a, fmt.Errorf("self-test of the judge: %s: it is not fit to score with", a)
	}
	return a, nil
}

func (a *Agreement) add(truth, verdict bool) {
	agreed := 0
	if truth == verdict {
		agreed = 1
	}
	if truth {
		a.Right, a.RightAgreed = a.Right+1, a.RightAgreed+agreed
	} else {
		a.Wrong, a.WrongAgreed = a.Wrong+1, a.WrongAgreed+agreed
	}
}

// KnownScene is an image with a known verdict: a rendered scene or a photograph.
type KnownScene struct {
	Metadata Metadata
	Image    image.Image
	Right    bool                    // it shows what the metadata ask for
	Truth    []reflectionflow.Object // what is in it, of a rendered scene
}

// KnownScenes renders the scenes of [CheckJudge] for an evaluation of the given prompts: other prompts, of the test split, from all of GenEval's tasks if one
// of those given is of them, and from those of [clipart.Compound] likewise, about the
// known classes (none means all), each with a scene that is right and, where there is
// one, a flawed scene. The same arguments give the same scenes.
func KnownScenes(prompts []Metadata, known []string, size image.Point) ([]KnownScene, error) {
	sampler, err := clipart.NewSampler(known...)
	if err != nil {
		return nil, err
	}
	var all []KnownScene
	for _, tasks := range [][]clipart.Task{clipart.Tasks(), clipart.Compound()} {
		if !slices.ContainsFunc(prompts, func(m Metadata) bool { return slices.Contains(tasks, clipart.Task(m.Tag)) }) {
			continue
		}
		scenes, err := knownScenes(sampler, tasks, size)
		if err != nil {
			return nil, fmt.Errorf("self-test of the judge: %w", err)
		}
		all = append(all, scenes...)
	}
	return all, nil
}

func knownScenes(sampler clipart.Sampler, tasks []clipart.Task, size image.Point) ([]KnownScene, error) {
	rng := rand.New(rand.NewPCG(bootstrapSeed, 1)) //nolint:gosec // reproducible on purpose
	var trials []KnownScene
	for _, task := range tasks {
		for range scenesPerTask {
			scene, prompt := sampler.SamplePrompt(task, clipart.Test, rng)
			m, err := FromPrompt(string(task), prompt)
			if err != nil {
				return nil, err
			}
			scenes := []clipart.Scene{scene}
			if flawed, _, err := sampler.Flaw(scene, prompt, rng); err == nil {
				scenes = append(scenes, flawed)
			}
			for _, s := range scenes {
				img, err := s.Render(size.X, size.Y)
				if err != nil {
					return nil, err
				}
				truth, err := s.Truth(size.X, size.Y)
				if err != nil {
					return nil, err
				}
				right := Evaluate(m, OfficialThresholds(), size, truth).Correct
				trials = append(trials, KnownScene{m, img, right, truth})
			}
		}
	}
	return trials, nil
}
