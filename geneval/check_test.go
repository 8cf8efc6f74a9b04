package geneval_test

import (
	"context"
	"image"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
)

func TestCheckRules(t *testing.T) {
	if err := geneval.CheckRules(); err != nil {
		t.Error(err)
	}
}

// oracle knows the scenes of the self-test and errs on every errth of them.
type oracle struct {
	truth map[image.Image][]reflectionflow.Object
	err   int
	seen  int
}

func (o *oracle) Detect(_ context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found := make([][]reflectionflow.Object, len(images))
	for i, img := range images {
		o.seen++
		if o.err == 0 || o.seen%o.err != 0 {
			found[i] = o.look(img)
		}
	}
	return found, nil
}

func (o *oracle) look(img image.Image) []reflectionflow.Object {
	for known, truth := range o.truth {
		if string(known.(*image.NRGBA).Pix) == string(img.(*image.NRGBA).Pix) {
			return truth
		}
	}
	return nil
}

func newOracle(t *testing.T, known []string, size image.Point, err int) *oracle {
	t.Helper()
	scenes, e := geneval.KnownScenes([]geneval.Metadata{{Tag: "counting"}}, known, size)
	if e != nil {
		t.Fatal(e)
	}
	o := &oracle{truth: map[image.Image][]reflectionflow.Object{}, err: err}
	for _, s := range scenes {
		o.truth[s.Image] = s.Truth
	}
	return o
}

func TestCheckJudge(t *testing.T) {
	known, size := clipart.Classes()[:16], image.Pt(64, 64)
	check := func(judge geneval.Detector) (geneval.Agreement, error) {
		scenes, err := geneval.KnownScenes([]geneval.Metadata{{Tag: "counting"}}, known, size)
		if err != nil {
			t.Fatal(err)
		}
		return geneval.CheckJudge(t.Context(), geneval.ByRules(judge), scenes)
	}
	a, err := check(newOracle(t, known, size, 0))
	if err != nil || a.Balanced() != 1 || a.Right < 40 || a.Wrong < 40 {
		t.Errorf("a perfect judge: %v, %v", a, err)
	}
	// A judge that overlooks everything in every third image misses a third of the right
	// ones, which alternate with flawed ones, and calls no flawed one right.
	a, err = check(newOracle(t, known, size, 3))
	if err != nil || a.WrongAgreed != a.Wrong || a.RightAgreed != a.Right*2/3 {
		t.Errorf("a judge that overlooks objects: %v, %v", a, err)
	}
	a, err = check(blind{})
	if err == nil || !strings.Contains(err.Error(), "not fit to score with") || a.Balanced() != 0.5 {
		t.Errorf("a blind judge: %v, %v", a, err)
	}
	if _, err := check(ill{}); err == nil || !strings.Contains(err.Error(), errBroken.Error()) {
		t.Errorf("a failing judge: %v", err)
	}
}
