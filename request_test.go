package reflectionflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"image"
	"slices"
	"testing"

	"reflectionflow"
)

// Requests with several references stay comparable, are checked, and have the JSON form of others.
func TestReferencesOfARequest(t *testing.T) {
	a, b := image.NewGray(image.Rect(0, 0, 1, 1)), image.NewGray(image.Rect(0, 0, 2, 2))
	plain := reflectionflow.Request{Prompt: "a cat", Width: 16, Height: 16, Steps: 1}
	if got := plain.References(); got != nil || reflectionflow.NewImages() != nil {
		t.Errorf("a request without references has %v", got)
	}
	two := plain
	two.Reference, two.Others = a, reflectionflow.NewImages(b)
	if got := two.References(); !slices.Equal(got, []image.Image{a, b}) {
		t.Errorf("references %v", got)
	}
	if same := two; same != two || two == plain {
		t.Error("requests do not compare")
	}
	want, _ := json.Marshal(plain)
	if got, err := json.Marshal(two); err != nil || string(got) != string(want) {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if err := errors.Join(two.Validate(), two.CheckReferences(2), two.CheckReferences(0), plain.CheckReferences(1)); err != nil {
		t.Error(err)
	}
	alone, many, missing := two, two, two
	alone.Reference = nil
	many.Others = reflectionflow.NewImages(slices.Repeat([]image.Image{a}, reflectionflow.MaxReferences)...)
	missing.Others = reflectionflow.NewImages(b, nil)
	for name, err := range map[string]error{"one": two.CheckReferences(1), "alone": alone.Validate(), "many": many.Validate(), "missing": missing.Validate()} {
		if !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// most is a generator that takes so many references.
type most int

func (m most) Generate(context.Context, []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	return nil, nil
}

func (m most) Check(r reflectionflow.Request) error {
	if m == 0 && r.Reference != nil {
		return reflectionflow.ErrInvalid
	}
	return r.CheckReferences(int(m))
}

func TestMostReferences(t *testing.T) {
	r := reflectionflow.Request{Prompt: "a cat", Width: 16, Height: 16, Steps: 1}
	for _, n := range []int{0, 1, 4, reflectionflow.MaxReferences} {
		if got := reflectionflow.MostReferences(most(n), r); got != n {
			t.Errorf("%d references, want %d", got, n)
		}
	}
}
