package verifier_test

import (
	"bytes"
	"context"
	"errors"
	"image/color"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/verifier"
)

// judge is a verifier whose value depends on the image's red.
type judge struct {
	value   func(red float64) float64
	verdict reflectionflow.Verdict
	err     error
}

func (j judge) Abilities() reflectionflow.Abilities {
	return reflectionflow.Abilities{EveryKind: j.verdict != ""}
}

func (j judge) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	var scores []reflectionflow.Score
	for _, p := range images {
		if p.Image == nil || p.Prompt.Validate() != nil {
			return nil, reflectionflow.ErrInvalid
		}
		b := p.Image.Bounds()
		red, _, _, _ := p.Image.At(b.Min.X, b.Min.Y).RGBA()
		s := reflectionflow.Score{Value: j.value(float64(red) / 0xffff), Cost: reflectionflow.Cost{VerifierCalls: 1}}
		if j.verdict != "" {
			for _, r := range p.Prompt.Requirements {
				s.Requirements = append(s.Requirements, reflectionflow.Finding{Requirement: r, Verdict: j.verdict, Confidence: .5})
			}
		}
		scores = append(scores, s)
	}
	return scores, errors.Join(j.err, ctx.Err())
}

func red(level uint8) reflectionflow.PromptedImage {
	return reflectionflow.PromptedImage{Prompt: prompt, Image: painted(color.NRGBA{level, 0, 0, 255})}
}

// members are three judges of scales that differ 1000-fold; the third disagrees.
func members(reference []uint8) []verifier.Member {
	list := []verifier.Member{
		{Name: "small", Verifier: judge{value: func(r float64) float64 { return r }, verdict: reflectionflow.Met}},
		{Name: "large", Verifier: judge{value: func(r float64) float64 { return 1000*r*r - 5 }, verdict: reflectionflow.Met}},
		{Name: "contrary", Verifier: judge{value: func(r float64) float64 { return -r }, verdict: reflectionflow.NotMet}},
	}
	for i := range list {
		for _, level := range reference {
			scores, err := list[i].Verifier.Verify(context.Background(), []reflectionflow.PromptedImage{red(level)})
			if err != nil {
				panic(err)
			}
			list[i].Reference = append(list[i].Reference, scores[0].Value)
		}
	}
	return list
}

func TestEnsembleCombinesValues(t *testing.T) {
	reference := []uint8{200, 50, 120, 80, 160}
	for _, method := range []verifier.Method{verifier.Mean, verifier.Rank, verifier.Tournament} {
		t.Run(string(method), func(t *testing.T) {
			e, err := verifier.NewEnsemble(method, members(reference))
			if err != nil {
				t.Fatal(err)
			}
			conformance.Verifier(t, e, images(), conformance.Options{})
			last := math.Inf(-1)
			for _, level := range []uint8{0, 10, 49, 50, 51, 100, 120, 130, 199, 200, 201, 255} {
				scores, err := e.Verify(t.Context(), []reflectionflow.PromptedImage{red(level)})
				if err != nil {
					t.Fatal(err)
				}
				s := scores[0]
				if s.Value <= last {
					t.Errorf("red %d has value %v, which is not above %v: two of three prefer it", level, s.Value, last)
				}
				if method != verifier.Mean && !(s.Value >= 0 && s.Value <= 1) {
					t.Errorf("value %v is not in [0, 1]", s.Value)
				}
				last = s.Value
				if s.Requirements[0].Verdict != reflectionflow.Met || s.Requirements[1].Requirement != redCup || s.Cost.VerifierCalls != 3 {
					t.Errorf("got %+v", s)
				}
			}
		})
	}
}

func TestEnsembleCombinesFindings(t *testing.T) {
	vote := func(weights ...float64) reflectionflow.Verdict {
		list := members(nil)
		for i := range list {
			list[i].Weight = weights[i]
		}
		e, err := verifier.NewEnsemble(verifier.Mean, list)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := e.Verify(t.Context(), []reflectionflow.PromptedImage{red(5)})
		if err != nil {
			t.Fatal(err)
		}
		return scores[0].Requirements[0].Verdict
	}
	if got := vote(1, 1, 1); got != reflectionflow.Met {
		t.Errorf("two of three: %s", got)
	}
	if got := vote(1, 1, 2); got != reflectionflow.Unsure {
		t.Errorf("a draw: %s", got)
	}
	if got := vote(1, 1, 3); got != reflectionflow.NotMet {
		t.Errorf("outvoted: %s", got)
	}
}

// silent is a verifier whose model gives no usable answer.
type silent struct{ judge }

func (s silent) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := s.judge.Verify(ctx, images)
	for i := range scores {
		scores[i].Value, scores[i].Unanswered = 0, "prose"
		for n := range scores[i].Requirements {
			scores[i].Requirements[n].Verdict = reflectionflow.Unsure
		}
	}
	return scores, err
}

// If no member answers, the ensemble does not either.
func TestEnsembleIgnoresMembersWithoutAnswer(t *testing.T) {
	for _, method := range []verifier.Method{verifier.Mean, verifier.Rank, verifier.Tournament} {
		list := members([]uint8{10, 60, 120, 200})
		alone, err := verifier.NewEnsemble(method, list[:1])
		if err != nil {
			t.Fatal(err)
		}
		want, err := alone.Verify(t.Context(), []reflectionflow.PromptedImage{red(100)})
		if err != nil {
			t.Fatal(err)
		}
		for i := range list[1:] {
			list[i+1].Verifier = silent{judge{value: func(float64) float64 { return 0 }, verdict: reflectionflow.Met}}
		}
		for n, unanswered := range map[int]string{0: "", 1: "large: prose; contrary: prose"} {
			e, err := verifier.NewEnsemble(method, list[n:])
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Verify(t.Context(), []reflectionflow.PromptedImage{red(100)})
			if err != nil || got[0].Unanswered != unanswered {
				t.Errorf("%s: unanswered %q, error %v", method, got[0].Unanswered, err)
			}
			if n == 0 && (got[0].Value != want[0].Value || got[0].Requirements[0].Verdict != reflectionflow.Met) {
				t.Errorf("%s: got %+v, want %+v", method, got[0], want[0])
			}
		}
	}
}

func TestEnsembleRejectsInvalidMembers(t *testing.T) {
	good := members([]uint8{1, 2})
	spoil := func(f func([]verifier.Member)) []verifier.Member {
		list := slices.Clone(good)
		f(list)
		return list
	}
	tests := map[string]struct {
		method  verifier.Method
		members []verifier.Member
	}{
		"nobody":       {verifier.Mean, nil},
		"method":       {"median", good},
		"no verifier":  {verifier.Mean, spoil(func(m []verifier.Member) { m[0].Verifier = nil })},
		"weight":       {verifier.Mean, spoil(func(m []verifier.Member) { m[0].Weight = -1 })},
		"no reference": {verifier.Rank, spoil(func(m []verifier.Member) { m[0].Reference = nil })},
		"other images": {verifier.Tournament, spoil(func(m []verifier.Member) { m[0].Reference = []float64{1, 2, 3} })},
		"NaN":          {verifier.Rank, spoil(func(m []verifier.Member) { m[0].Reference = []float64{1, math.NaN()} })},
	}
	for name, tt := range tests {
		if _, err := verifier.NewEnsemble(tt.method, tt.members); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	broken := errors.New("broken")
	e, err := verifier.NewEnsemble(verifier.Mean, spoil(func(m []verifier.Member) {
		m[1].Verifier = judge{value: func(float64) float64 { return 0 }, err: broken}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Verify(t.Context(), []reflectionflow.PromptedImage{red(1)}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// sample draws values and labels from a known curve p = 1/(1+exp(-(2v-1))).
func sample(n int) (values []float64, right []bool) {
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		v := 4*r.Float64() - 2
		values = append(values, v)
		right = append(right, r.Float64() < truth(v))
	}
	return values, right
}

func truth(v float64) float64 { return 1 / (1 + math.Exp(-(2*v - 1))) }

func TestCalibrationFindsTheTrueCurve(t *testing.T) {
	values, right := sample(4000)
	for method, tolerance := range map[string]float64{verifier.Platt: .03, verifier.Isotonic: .09} {
		t.Run(method, func(t *testing.T) {
			c, err := verifier.Fit("mine", values, right, method)
			if err != nil {
				t.Fatal(err)
			}
			last := 0.0
			for v := -1.8; v <= 1.8; v += .1 {
				p := c.Curve.Probability(v)
				if p < last || math.Abs(p-truth(v)) > tolerance {
					t.Errorf("at %.1f: %.3f after %.3f, the truth is %.3f", v, p, last, truth(v))
				}
				last = p
			}
			if c.AUC < .85 || c.AUC > .95 || c.Brier > .15 {
				t.Errorf("AUC %v, Brier %v", c.AUC, c.Brier)
			}
			var file bytes.Buffer
			if err := c.Write(&file); err != nil {
				t.Fatal(err)
			}
			read, err := verifier.ReadCalibration(&file)
			if err != nil || read.Curve.Probability(.3) != c.Curve.Probability(.3) || !slices.Equal(read.Reference, values) {
				t.Errorf("the file says something else: %v", err)
			}
		})
	}
}

func TestCalibrationIsIndependentOfScale(t *testing.T) {
	values, right := sample(500)
	scaled := make([]float64, len(values))
	for i, v := range values {
		scaled[i] = 1e6*v + 3e6
	}
	for _, method := range []string{verifier.Platt, verifier.Isotonic} {
		a, err := verifier.Fit("a", values, right, method)
		if err != nil {
			t.Fatal(err)
		}
		b, err := verifier.Fit("b", scaled, right, method)
		if err != nil {
			t.Fatal(err)
		}
		if p, q := a.Curve.Probability(.5), b.Curve.Probability(3.5e6); math.Abs(p-q) > 1e-6 || a.AUC != b.AUC {
			t.Errorf("%s: %v and %v", method, p, q)
		}
	}
}

func TestCalibrationOfFewExamples(t *testing.T) {
	for name, tt := range map[string]struct {
		values []float64
		right  []bool
		auc    float64
	}{
		"perfect":  {[]float64{1, 2, 3, 4}, []bool{false, false, true, true}, 1},
		"reversed": {[]float64{4, 3, 2, 1}, []bool{false, false, true, true}, 0},
		"constant": {[]float64{7, 7, 7, 7}, []bool{false, true, true, true}, .5},
	} {
		for _, method := range []string{verifier.Platt, verifier.Isotonic} {
			c, err := verifier.Fit(name, tt.values, tt.right, method)
			if err != nil {
				t.Fatal(err)
			}
			low, high := c.Curve.Probability(-100), c.Curve.Probability(100)
			if c.AUC != tt.auc || !(low >= 0 && low <= high && high <= 1) {
				t.Errorf("%s %s: AUC %v, from %v to %v", name, method, c.AUC, low, high)
			}
			if tt.auc <= .5 && high-low > 1e-6 {
				t.Errorf("%s %s: a worthless verifier says from %v to %v", name, method, low, high)
			}
		}
	}
	for name, f := range map[string]func() error{
		"one label": func() error {
			_, err := verifier.Fit("", []float64{1, 2}, []bool{true, true}, verifier.Platt)
			return err
		},
		"no examples": func() error { _, err := verifier.Fit("", nil, nil, verifier.Platt); return err },
		"lengths":     func() error { _, err := verifier.Fit("", []float64{1}, nil, verifier.Platt); return err },
		"method":      func() error { _, err := verifier.Fit("", []float64{1, 2}, []bool{true, false}, "x"); return err },
		"NaN": func() error {
			_, err := verifier.Fit("", []float64{1, math.NaN()}, []bool{true, false}, verifier.Platt)
			return err
		},
	} {
		if err := f(); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestCalibratedValuesAreProbabilities(t *testing.T) {
	inner := judge{value: func(r float64) float64 { return 100 * r }}
	failure := errors.New("no such file")
	examples := func(until int) iter.Seq2[verifier.Example, error] {
		return func(yield func(verifier.Example, error) bool) {
			for level := range until {
				if !yield(verifier.Example{Image: red(uint8(level)), Right: level%7 < level/12}, nil) {
					return
				}
			}
			if until < 80 {
				yield(verifier.Example{}, failure)
			}
		}
	}
	if _, cost, err := verifier.Calibrate(t.Context(), "judge", inner, examples(40), verifier.Platt); !errors.Is(err, failure) || cost.VerifierCalls != 32 {
		t.Errorf("an example that cannot be read: %v after %+v", err, cost)
	}
	c, cost, err := verifier.Calibrate(t.Context(), "judge", inner, examples(80), verifier.Platt)
	if err != nil || cost.VerifierCalls != 80 || len(c.Reference) != 80 {
		t.Fatalf("got %+v, %+v, %v", c, cost, err)
	}
	v := verifier.Calibrated(inner, c)
	conformance.Verifier(t, v, images(), conformance.Options{})
	scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{red(0), red(80)})
	if err != nil || !(scores[0].Value < .3 && scores[1].Value > .7) {
		t.Errorf("got %+v, %v", scores, err)
	}
}

func FuzzReadCalibration(f *testing.F) {
	f.Add(`{"format":"reflectionflow calibration 1","curve":{"method":"platt","a":-1,"b":2}}`)
	f.Add(`{"format":"reflectionflow calibration 1","curve":{"method":"isotonic","points":[[0,0],[1,1]]}}`)
	f.Add(`{"format":"reflectionflow calibration 1","curve":{"method":"isotonic","points":[]}}`)
	f.Add(`{"format":"reflectionflow calibration 1","curve":{"method":"platt","a":-1},"kinds":{"color":{"examples":2,"met":1,"passed":0,"curve":{"method":"platt","a":-1},"auc":1,"brier":0,"weight":1,"bins":[{"stated":0.5,"met":1,"of":2}]}}}`)
	f.Add(`{"format":"other"}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := verifier.ReadCalibration(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		last := 0.0
		for _, v := range []float64{-1e300, -5, 0, .5, 7, 1e300} {
			p := c.Curve.Probability(v)
			if !(p >= last && p <= 1) {
				t.Errorf("at %v: %v after %v", v, p, last)
			}
			last = p
		}
		for _, k := range c.Kinds {
			if p := k.Curve.Probability(.5); !(p >= 0 && p <= 1) || !(k.Weight >= 0 && k.Weight <= 1) {
				t.Errorf("%+v", k)
			}
		}
	})
}
