package genref

import (
	"bytes"
	"context"
	"errors"
	"image"
	_ "image/jpeg"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
)

func testRepair(p *painter) *Repair {
	canvas := testImageConfig
	canvas.Width, canvas.Height = 64, 64
	return &Repair{Engine: testEngine(p), Verifier: seer{}, Config: RepairConfig{Images: 4, ImageConfig: canvas}}
}

// The painter's wrong pictures have a dog at the top left: that is where a dog stays,
// and another is added in one of the other corners.
func TestMendedPicturesAreRendered(t *testing.T) {
	plan := testPlan(t, 23)
	plan.Source = "mended"
	dir := t.TempDir()
	m, err := Build(context.Background(), dir, plan, testRepair(&painter{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	hashes := make(map[int]bool)
	for _, s := range samples(t, dir) {
		p := s.Provenance
		if s.Subset != "rule" || p.Source != "mended" || s.Reflection != "add one more dog" || p.PassRate >= 1 || p.Distance == 0 {
			t.Errorf("%s: %q, %+v", s.Key, s.Reflection, p)
		}
		if p.Flawed.Score != showsTooFew || p.Flawed.Steps != 1 || p.Enhanced.Steps != 0 || p.Enhanced.Score != 1 {
			t.Errorf("%s: flawed %+v, enhanced %+v", s.Key, p.Flawed, p.Enhanced)
		}
		picture, _, err := image.Decode(bytes.NewReader(s.Enhanced))
		if err != nil {
			t.Fatal(err)
		}
		background := clipart.Backgrounds()[clipart.BackgroundOf(picture)]
		shown := 0
		for corner := range 4 {
			r, g, b, _ := picture.At(12+40*(corner%2), 12+40*(corner/2)).RGBA()
			if max(differ(r, background.R), differ(g, background.G), differ(b, background.B)) > 24 {
				shown |= 1 << corner
			}
		}
		hashes[shown] = true
		if shown&1 == 0 {
			t.Errorf("%s: the dog that was seen is gone: corners %04b", s.Key, shown)
		}
	}
	if len(hashes) != 3 {
		t.Errorf("corners with a dog: %v", hashes)
	}
	if m.Effort().Skipped[SkippedNoFix] == 0 {
		t.Errorf("pictures without an instruction became triplets: %v", m.Effort().Skipped)
	}
}

func differ(a uint32, b uint8) int { return max(int(a>>8), int(b)) - min(int(a>>8), int(b)) }

// dragons is a verifier that sees what the world does not have.
type dragons struct{ seer }

func (d dragons) Verify(ctx context.Context, pictures []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := d.seer.Verify(ctx, pictures)
	for i := range scores {
		scores[i].Objects = []reflectionflow.Object{{Class: "dragon", Confidence: 1}}
	}
	return scores, err
}

func TestWhatCannotBeMendedIsCounted(t *testing.T) {
	source := testRepair(&painter{})
	source.Verifier = dragons{}
	_, err := Build(context.Background(), t.TempDir(), testPlan(t, 3), source, nil)
	if !errors.Is(err, reflectionflow.ErrInvalid) || !bytes.Contains([]byte(err.Error()), []byte(SkippedNotRepaired)) {
		t.Errorf("error %v", err)
	}
}

func TestMendedConfigIsChecked(t *testing.T) {
	for _, c := range []RepairConfig{
		{Images: 0, ImageConfig: testImageConfig}, {Images: maxImages + 1, ImageConfig: testImageConfig}, {Images: 1},
	} {
		if err := c.Validate(); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
