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

func testRepair(p *fakeGenerator) *Repair {
	canvas := testImageConfig
	canvas.Width, canvas.Height = 64, 64
	return &Repair{Engine: testEngine(p), Verifier: fakeVerifier{}, Config: RepairConfig{Images: 4, ImageConfig: canvas}}
}

// The wrong images have a dog at the top left. The corrected scene keeps it and adds another
// in one of the other corners.
func TestCorrectedScenesAreRendered(t *testing.T) {
	plan := testPlan(t, 23)
	plan.Source = "mended"
	dir := t.TempDir()
	m, err := Build(context.Background(), dir, plan, testRepair(&fakeGenerator{}), nil)
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
		img, _, err := image.Decode(bytes.NewReader(s.Enhanced))
		if err != nil {
			t.Fatal(err)
		}
		background := clipart.Backgrounds()[clipart.BackgroundOf(img)]
		shown := 0
		for corner := range 4 {
			r, g, b, _ := img.At(12+40*(corner%2), 12+40*(corner/2)).RGBA()
			if max(differ(r, background.R), differ(g, background.G), differ(b, background.B)) > 24 {
				shown |= 1 << corner
			}
		}
		hashes[shown] = true
		if shown&1 == 0 {
			t.Errorf("%s: the detected dog is gone: corners %04b", s.Key, shown)
		}
	}
	if len(hashes) != 3 {
		t.Errorf("corners with a dog: %v", hashes)
	}
	if m.Effort().Skipped[SkippedNoFix] == 0 {
		t.Errorf("images without an instruction became triplets: %v", m.Effort().Skipped)
	}
}

func differ(a uint32, b uint8) int { return max(int(a>>8), int(b)) - min(int(a>>8), int(b)) }

// dragonVerifier detects a class that the world does not have.
type dragonVerifier struct{ fakeVerifier }

func (d dragonVerifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := d.fakeVerifier.Verify(ctx, images)
	for i := range scores {
		scores[i].Objects = []reflectionflow.Object{{Class: "dragon", Confidence: 1}}
	}
	return scores, err
}

func TestImagesWithoutACorrectedSceneAreCounted(t *testing.T) {
	source := testRepair(&fakeGenerator{})
	source.Verifier = dragonVerifier{}
	_, err := Build(context.Background(), t.TempDir(), testPlan(t, 3), source, nil)
	if !errors.Is(err, reflectionflow.ErrInvalid) || !bytes.Contains([]byte(err.Error()), []byte(SkippedNotRepaired)) {
		t.Errorf("error %v", err)
	}
}

func TestRepairConfigValidate(t *testing.T) {
	for _, c := range []RepairConfig{
		{Images: 0, ImageConfig: testImageConfig}, {Images: maxImages + 1, ImageConfig: testImageConfig}, {Images: 1},
	} {
		if err := c.Validate(); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
