package assemble_test

import (
	"context"
	"image"
	"math/rand/v2"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/internal/assemble"
)

// lists are the objects that detector and judge of the embedded model list in images.
type lists map[string]func(context.Context, []image.Image) ([][]reflectionflow.Object, error)

func embeddedLists(t *testing.T) lists {
	t.Helper()
	model, err := assemble.Embedded().Find("")
	if err != nil {
		t.Fatal(err)
	}
	judge, err := model.OpenJudge(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	detector, err := model.OpenVerifier(t.Context(), "", "detector")
	if err != nil {
		t.Fatal(err)
	}
	anything := reflectionflow.Prompt{Text: "a photo of a dog"}
	return lists{"judge": judge.Detect, "detector": func(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
		found := make([][]reflectionflow.Object, len(images))
		cases := make([]reflectionflow.PromptedImage, len(images))
		for i, img := range images {
			cases[i] = reflectionflow.PromptedImage{Prompt: anything, Image: img}
		}
		scores, err := detector.Verify(ctx, cases)
		for i, s := range scores {
			found[i] = s.Objects
		}
		return found, err
	}}
}

// fadedScene renders a scene with its objects at an opacity.
func fadedScene(t *testing.T, s clipart.Scene, side int, opacity float64) *image.NRGBA {
	t.Helper()
	img, err := s.Render(side, side)
	if err != nil {
		t.Fatal(err)
	}
	back, err := clipart.Scene{Background: s.Background}.Render(side, side)
	if err != nil {
		t.Fatal(err)
	}
	m := image.NewNRGBA(img.Rect)
	for i, v := range img.Pix {
		m.Pix[i] = uint8(float64(v)*opacity + float64(back.Pix[i])*(1-opacity) + 0.5)
	}
	return m
}

// named counts the objects that are listed with their class at their place.
func named(truth, found []reflectionflow.Object) (n int) {
	for _, o := range truth {
		x, y := (o.Box[0]+o.Box[2])/2, (o.Box[1]+o.Box[3])/2
		for _, f := range found {
			if f.Class == o.Class && f.Box[0] < x && x < f.Box[2] && f.Box[1] < y && y < f.Box[3] {
				n++
				break
			}
		}
	}
	return n
}

// TestFadedObjects: detector and judge see what a person sees. Neither lists more than 2% of the
// objects at an opacity of 10%, and both name at least 95% at 60%.
func TestFadedObjects(t *testing.T) {
	const scenes, side = 80, 128
	rng := rand.New(rand.NewPCG(31, 1)) //nolint:gosec // a test
	var faint, pale []image.Image
	var truths [][]reflectionflow.Object
	total := 0
	for range scenes {
		s, _ := clipart.Sampler{}.SampleMixed(clipart.Validation, rng)
		truth, err := s.Truth(side, side)
		if err != nil {
			t.Fatal(err)
		}
		truths, total = append(truths, truth), total+len(truth)
		faint, pale = append(faint, fadedScene(t, s, side, 0.1)), append(pale, fadedScene(t, s, side, 0.6))
	}
	for name, list := range embeddedLists(t) {
		ghosts, seen := 0, 0
		found, err := list(t.Context(), faint)
		if err != nil {
			t.Fatal(err)
		}
		for _, objects := range found {
			ghosts += len(objects)
		}
		if found, err = list(t.Context(), pale); err != nil {
			t.Fatal(err)
		}
		for i, objects := range found {
			seen += named(truths[i], objects)
		}
		t.Logf("%s: of %d objects it lists %d at an opacity of 10%%, and names %d at 60%%", name, total, ghosts, seen)
		if ghosts*100 > 2*total || seen*100 < 95*total {
			t.Errorf("%s: of %d objects it lists %d at an opacity of 10%%, and names %d at 60%%", name, total, ghosts, seen)
		}
	}
}
