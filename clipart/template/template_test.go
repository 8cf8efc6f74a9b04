package template_test

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/clipart/template"
)

const side = 128

// scene is an image with what is in it.
type scene struct {
	img, back *image.NRGBA // with and without the objects
	truth     []reflectionflow.Object
}

func sample(t *testing.T, rng *rand.Rand) scene {
	t.Helper()
	s, _ := clipart.Sampler{}.SampleMixed(clipart.Train, rng)
	img, err := s.Render(side, side)
	if err != nil {
		t.Fatal(err)
	}
	back, err := clipart.Scene{Background: s.Background}.Render(side, side)
	if err != nil {
		t.Fatal(err)
	}
	truth, err := s.Truth(side, side)
	if err != nil {
		t.Fatal(err)
	}
	return scene{img, back, truth}
}

// faded is the scene with objects of an opacity.
func (s scene) faded(opacity float64) *image.NRGBA {
	m := image.NewNRGBA(s.img.Rect)
	for i, v := range s.img.Pix {
		m.Pix[i] = uint8(float64(v)*opacity + float64(s.back.Pix[i])*(1-opacity) + 0.5)
	}
	return m
}

func detect(t *testing.T, img image.Image) []reflectionflow.Object {
	t.Helper()
	found, err := template.New().Detect(t.Context(), []image.Image{img})
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, %v", found, err)
	}
	return found[0]
}

// matched is how many objects are found with their class, place and, where it was tinted,
// color.
func matched(truth, found []reflectionflow.Object) int {
	used := make(map[int]bool)
	for _, o := range truth {
		for i, f := range found {
			if !used[i] && f.Class == o.Class && (o.Color == "" || f.Color == o.Color) && iou(f.Box, o.Box) > 0.5 {
				used[i] = true
				break
			}
		}
	}
	return len(used)
}

func iou(a, b [4]float64) float64 {
	area := func(b [4]float64) float64 { return max(0, b[2]-b[0]) * max(0, b[3]-b[1]) }
	both := area([4]float64{max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])})
	return both / (area(a) + area(b) - both)
}

// TestScenes: what is in a scene is found, and nothing else.
func TestScenes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	total, right, listed := 0, 0, 0
	for range 16 {
		s := sample(t, rng)
		found := detect(t, s.img)
		total, right, listed = total+len(s.truth), right+matched(s.truth, found), listed+len(found)
	}
	t.Logf("%d objects, %d found, %d listed", total, right, listed)
	if right < total*97/100 || listed-right > total*3/100 {
		t.Errorf("of %d objects %d were found, with %d others", total, right, listed-right)
	}
}

// TestFaded: an object that nobody can see is not listed, one that is merely pale is.
func TestFaded(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a test
	total, ghosts, pale := 0, 0, 0
	for range 10 {
		s := sample(t, rng)
		total += len(s.truth)
		ghosts += len(detect(t, s.faded(0.1)))
		pale += matched(s.truth, detect(t, s.faded(0.6)))
	}
	t.Logf("%d objects: %d listed at an opacity of 10%%, %d found at 60%%", total, ghosts, pale)
	if ghosts > total*2/100 || pale < total*95/100 {
		t.Errorf("of %d objects, %d are listed at an opacity of 10%% and %d found at 60%%", total, ghosts, pale)
	}
}

// TestOtherSizes: the size of an image decides nothing.
func TestOtherSizes(t *testing.T) {
	s := clipart.Scene{Background: 3, Objects: []clipart.Placement{{Class: "dog", Color: "red", X: 0.3, Y: 0.4, Size: 0.36}}}
	for _, size := range []image.Point{{96, 96}, {256, 192}} {
		img, err := s.Render(size.X, size.Y)
		if err != nil {
			t.Fatal(err)
		}
		truth, err := s.Truth(size.X, size.Y)
		if err != nil {
			t.Fatal(err)
		}
		if found := detect(t, img); len(found) != 1 || matched(truth, found) != 1 {
			t.Errorf("%v: got %+v, want %+v", size, found, truth)
		}
	}
}

// TestNothing: images without objects have none, however small.
func TestNothing(t *testing.T) {
	for _, img := range []image.Image{
		image.NewNRGBA(image.Rect(0, 0, 1, 1)), image.NewGray(image.Rect(5, 5, 69, 37)), image.NewNRGBA(image.Rectangle{}),
	} {
		if found := detect(t, img); len(found) != 0 {
			t.Errorf("%v: got %+v", img.Bounds(), found)
		}
	}
	if found, err := template.New().Detect(t.Context(), nil); err != nil || len(found) != 0 {
		t.Errorf("no images: got %v, %v", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := template.New().Detect(ctx, []image.Image{image.NewGray(image.Rect(0, 0, 64, 64))}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v", err)
	}
}
