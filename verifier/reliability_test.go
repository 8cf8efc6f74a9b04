package verifier_test

import (
	"bytes"
	"context"
	"image/color"
	"iter"
	"math"
	"math/rand/v2"
	"testing"

	"reflectionflow"
	"reflectionflow/verifier"
)

// The labeled images of these tests say in their red whether the count is met, and in
// their green whether the style is.
var kindsPrompt = reflectionflow.Prompt{Text: "two dogs as a sketch", Requirements: []reflectionflow.Requirement{
	{Kind: reflectionflow.Exactly, Object: "dog", Count: 2}, {Kind: reflectionflow.Style, Value: "a sketch"},
}}

func kindsExample(count, style bool) verifier.Example {
	level := map[bool]uint8{true: 255}
	return verifier.Example{
		Image: reflectionflow.PromptedImage{Prompt: kindsPrompt, Image: painted(color.NRGBA{level[count], level[style], 0, 255})},
		Right: count && style, Met: []bool{count, style},
	}
}

func kindsExamples(n int) iter.Seq2[verifier.Example, error] {
	return func(yield func(verifier.Example, error) bool) {
		for i := range n {
			if !yield(kindsExample(i%2 == 0, i%3 == 0), nil) {
				return
			}
		}
	}
}

// expert knows one of the channels, with the given share of errors, and states for the
// other what it states for everything.
type expert struct {
	channel int
	errors  float64
	always  float64
}

func (e expert) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores := make([]reflectionflow.Score, len(images))
	for i, p := range images {
		c := p.Image.At(0, 0).(color.NRGBA)
		rng := rand.New(rand.NewPCG(uint64(c.R), uint64(c.G)))
		for k, r := range p.Prompt.Requirements {
			confidence := e.always
			if k == e.channel {
				confidence = .2
				if []uint8{c.R, c.G}[k] > 0 {
					confidence = .9
				}
				if rng.Float64() < e.errors {
					confidence = 1 - confidence
				}
			}
			verdict := reflectionflow.NotMet
			if confidence > .5 {
				verdict = reflectionflow.Met
			}
			scores[i].Requirements = append(scores[i].Requirements, reflectionflow.Finding{Requirement: r, Verdict: verdict, Confidence: confidence})
			scores[i].Value += confidence / 2
		}
	}
	return scores, nil
}

func calibrateKinds(t *testing.T, name string, v reflectionflow.Verifier) verifier.Calibration {
	t.Helper()
	c, _, err := verifier.Calibrate(t.Context(), name, v, kindsExamples(60), verifier.Platt)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	back, err := verifier.ReadCalibration(&b)
	if err != nil || len(back.Kinds) != len(c.Kinds) {
		t.Fatalf("read back: %v", err)
	}
	return back
}

// A verifier that says yes to everything is unmasked: its weight is 0, and a search does
// not trust its findings.
func TestCalibrationUnmasksYesToEverything(t *testing.T) {
	v := expert{channel: 0, always: .97}
	c := calibrateKinds(t, "yes", v)
	count, style := c.Kinds[reflectionflow.Exactly], c.Kinds[reflectionflow.Style]
	if count.Weight < .8 || count.YesToEverything() || count.AUC != 1 || count.Examples != 60 || count.Met != 30 {
		t.Errorf("what it knows: %+v", count)
	}
	if style.Weight != 0 || !style.YesToEverything() || style.Passed != 40 || style.AUC != .5 || len(style.Bins) != 1 || style.Bins[0].Met != 20 || style.Bins[0].Of != 60 {
		t.Errorf("what it says yes to: %+v", style)
	}
	scores, err := verifier.Calibrated(v, c).Verify(t.Context(), []reflectionflow.PromptedImage{kindsExample(true, false).Image})
	if err != nil {
		t.Fatal(err)
	}
	if f := scores[0].Requirements; f[0].Verdict != reflectionflow.Met || f[0].Confidence < .9 || f[1].Verdict != reflectionflow.Unsure || math.Abs(f[1].Confidence-1./3) > .02 {
		t.Errorf("findings %+v", f)
	}
}

func verdictOf(met bool) reflectionflow.Verdict {
	if met {
		return reflectionflow.Met
	}
	return reflectionflow.NotMet
}

// An ensemble believes each member in what it is good at.
func TestEnsembleByReliability(t *testing.T) {
	detector, model := expert{channel: 0, always: .97}, expert{channel: 1, always: .95}
	var members []verifier.Member
	for name, v := range map[string]expert{"detector": detector, "model": model} {
		c := calibrateKinds(t, name, v)
		members = append(members, verifier.Member{Name: name, Verifier: v, Calibration: &c})
	}
	e, err := verifier.NewEnsemble(verifier.Reliability, members)
	if err != nil {
		t.Fatal(err)
	}
	mean, err := verifier.NewEnsemble(verifier.Mean, members)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, count := range []bool{false, true} {
		for _, style := range []bool{false, true} {
			image := []reflectionflow.PromptedImage{kindsExample(count, style).Image}
			scores, err := e.Verify(t.Context(), image)
			if err != nil {
				t.Fatal(err)
			}
			if s := scores[0]; s.Right() != (count && style) || s.Requirements[0].Verdict != verdictOf(count) || s.Requirements[1].Verdict != verdictOf(style) || !(s.Value >= 0 && s.Value <= 1) {
				t.Errorf("%v %v: %+v", count, style, s)
			}
			plain, err := mean.Verify(t.Context(), image)
			if err != nil {
				t.Fatal(err)
			}
			if !count && plain[0].Requirements[0].Verdict != reflectionflow.NotMet {
				wrong++ // undecided
			}
		}
	}
	if wrong == 0 {
		t.Error("the mean is right as well: the test shows nothing")
	}
	members[0].Calibration = nil
	if _, err := verifier.NewEnsemble(verifier.Reliability, members); err == nil {
		t.Error("an ensemble of a member without calibration")
	}
	// Nobody is calibrated for a kind: the plain mean counts.
	for i := range members {
		members[i].Calibration = &verifier.Calibration{}
	}
	if e, err = verifier.NewEnsemble(verifier.Reliability, members); err != nil {
		t.Fatal(err)
	}
	scores, err := e.Verify(t.Context(), []reflectionflow.PromptedImage{kindsExample(true, true).Image})
	if err != nil || scores[0].Requirements[0].Verdict != reflectionflow.Met || math.Abs(scores[0].Requirements[0].Confidence-(.9+.95)/2) > 1e-9 {
		t.Errorf("%+v, %v", scores, err)
	}
}

// Too few labels, or labels of one sort, calibrate no kind; abstentions are counted apart.
func TestCalibrationOfFewLabels(t *testing.T) {
	c, _, err := verifier.Calibrate(t.Context(), "few", expert{channel: 0, always: .5}, kindsExamples(8), verifier.Platt)
	if err != nil || len(c.Kinds) != 0 {
		t.Errorf("%+v, %v", c.Kinds, err)
	}
	example := kindsExample(true, true)
	example.Met = example.Met[:1]
	if _, _, err := verifier.Calibrate(t.Context(), "few", expert{}, func(yield func(verifier.Example, error) bool) { yield(example, nil) }, verifier.Platt); err == nil {
		t.Error("one verdict for two requirements")
	}
}
