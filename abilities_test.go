package reflectionflow_test

import (
	"context"
	"errors"
	"image"
	"slices"
	"testing"

	"reflectionflow"
)

type blindVerifier struct{}

func (blindVerifier) Verify(context.Context, []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return nil, nil
}

type countingVerifier struct{ blindVerifier }

func (countingVerifier) Abilities() reflectionflow.Abilities {
	return reflectionflow.Abilities{Kinds: []reflectionflow.Kind{reflectionflow.AtLeast}}
}

func TestAbilities(t *testing.T) {
	none, every := reflectionflow.Abilities{}, reflectionflow.AbilitiesOf(blindVerifier{})
	counts := reflectionflow.AbilitiesOf(countingVerifier{})
	places := reflectionflow.Abilities{Kinds: []reflectionflow.Kind{reflectionflow.Position, reflectionflow.AtLeast}}
	if none.Findings() || !every.Findings() || !counts.Findings() {
		t.Error("findings: only the zero value gives none")
	}
	if !every.Judges("style") || !counts.Judges(reflectionflow.AtLeast) || counts.Judges(reflectionflow.Exactly) || none.Judges(reflectionflow.AtLeast) {
		t.Error("judges: a verifier that declares nothing judges every kind, others what they list")
	}
	if u := counts.Union(places); !slices.Equal(u.Kinds, []reflectionflow.Kind{reflectionflow.AtLeast, reflectionflow.Position}) || u.EveryKind {
		t.Errorf("union is %+v", u)
	}
	if u := none.Union(every); !u.EveryKind {
		t.Errorf("union with every kind is %+v", u)
	}
}

type textGenerator struct{}

func (textGenerator) Generate(context.Context, []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	return nil, nil
}

type drawingGenerator struct{ textGenerator }

var errCorrection = errors.New("no corrections")

func (drawingGenerator) Check(r reflectionflow.Request) error {
	if r.Reference != nil && r.Reference.Bounds() == image.Rect(0, 0, 32, 16) {
		return errCorrection
	}
	return nil
}

func TestCheckRequest(t *testing.T) {
	r := reflectionflow.Request{Prompt: "a cat", Width: 32, Height: 16, Steps: 1}
	if err := errors.Join(reflectionflow.CheckRequest(drawingGenerator{}, r), reflectionflow.CheckCorrection(textGenerator{}, r)); err != nil {
		t.Error(err)
	}
	if err := reflectionflow.CheckCorrection(drawingGenerator{}, r); !errors.Is(err, errCorrection) {
		t.Errorf("got error %v", err)
	}
	if err := reflectionflow.CheckRequest(textGenerator{}, reflectionflow.Request{}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("got error %v", err)
	}
}
