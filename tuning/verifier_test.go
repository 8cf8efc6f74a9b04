package tuning

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/genref"
	"reflectionflow/nn"
	"reflectionflow/verifier"
	"reflectionflow/verifier/detect"
)

// tinyVerifiers trains detector, verifier and judge in seconds.
const tinyVerifiers = tinyRecipe + `
detector:
  {architecture: transformer, cell: 8, width: 16, depth: 1, heads: 2, hidden: 16,
   redraw: {pictures: 9, share: 0.5, low: 0.3, high: 0.6, steps: 2, faded: true},
   degrade: {jitter: 1, warp: 1, blur: 1, noise: 1, occlude: 1, jpeg: 1},
   train: {steps: 2, batch: 4, learning_rate: 0.001, save_every: 1, seed: 4}}
verifier:
  {patch: 8, width: 16, depth: 1, text_depth: 1, heads: 2, hidden: 16, length: 24, start_from_detector: true,
   redrawn: 0.5,
   degrade: {jitter: 1},
   train: {steps: 2, batch: 4, learning_rate: 0.001, save_every: 1, seed: 5}}
judge:
  {architecture: residual, cell: 8, width: 16, depth: 1, groups: 2,
   train: {steps: 2, batch: 4, learning_rate: 0.001, save_every: 1, seed: 4}}
`

func TestVerifierStagesGiveAVerifier(t *testing.T) {
	r, err := ParseRecipe([]byte(tinyVerifiers))
	if err != nil {
		t.Fatal(err)
	}
	opts := StageOptions{Backend: backend(t), Out: t.TempDir()}
	if err := Train(t.Context(), "detector", r, opts); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Fatalf("a detector before the base it needs: %v", err)
	}
	for _, stage := range []string{"autoencoder", "base", "detector", "verifier", "judge"} {
		opts.Resume = true
		if err := Train(t.Context(), stage, r, opts); err != nil {
			t.Fatalf("%s: %v", stage, err)
		}
	}
	v, err := verifier.Load(opts.Backend, os.DirFS(opts.model()), verifier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	img := reflectionflow.PromptedImage{Prompt: reflectionflow.Prompt{Text: "two dogs"}, Image: image.NewNRGBA(image.Rect(0, 0, 32, 32))}
	scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{img})
	if err != nil || len(scores[0].Requirements) != 1 {
		t.Errorf("%+v, %v", scores, err)
	}
}

func learner(architecture string) Detector {
	return Detector{
		Architecture: architecture, Cell: 16, Width: 16, Depth: 1, Heads: 2, Hidden: 32, Groups: 4,
		Degrade: Degrade{Jitter: 0.5},
		Train:   Config{Steps: 30, Batch: 8, LearningRate: 0.01, EMA: 0.9, Seed: 1},
	}
}

func TestDetectorsLearn(t *testing.T) {
	w := World{Size: 48, Classes: []string{"apple", "dog", "cup"}}
	for _, architecture := range []string{"transformer", "residual"} {
		t.Run(architecture, func(t *testing.T) {
			d := learner(architecture)
			task, err := detectorTask(backend(t), DetectorPrefix, w, d, redrawnSplits{})
			if err != nil {
				t.Fatal(err)
			}
			task.Sample = nil
			var losses []float64
			err = Run(t.Context(), nn.NewStore(), task, Job{Backend: backend(t), Config: d.Train, Dir: t.TempDir(), Notify: func(p Progress) { losses = append(losses, p.Loss) }})
			if err != nil {
				t.Fatal(err)
			}
			if first, last := losses[0], losses[len(losses)-1]; !(last < 0.75*first) {
				t.Errorf("loss went from %v to %v", first, last)
			}
		})
	}
}

func TestJudgeTrainsOnOtherScenesThanTheDetector(t *testing.T) {
	w, d := World{Size: 32, Classes: []string{"apple", "dog", "cup"}}, learner("residual")
	var images [][]uint8
	for _, prefix := range []string{DetectorPrefix, DetectorPrefix, JudgePrefix} {
		task, err := detectorTask(nil, prefix, w, d, redrawnSplits{})
		if err != nil {
			t.Fatal(err)
		}
		batch, err := task.Batch(3)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, tensors.MustCopyFlatData[uint8](batch[0]))
	}
	if !bytes.Equal(images[0], images[1]) || bytes.Equal(images[0], images[2]) {
		t.Error("batches must depend on index and network alone")
	}
}

// Degraded images are recognizable, and depend on the seed alone.
func TestDegradeKeepsTheImageRecognizable(t *testing.T) {
	scene, _ := clipart.Sample(clipart.TwoObject, rand.New(rand.NewPCG(1, 1)))
	clean := make([]uint8, 96*96*3)
	if err := scene.RenderInto(clean, 96, 96); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]Degrade{
		"jitter": {Jitter: 1}, "warp": {Warp: 1}, "blur": {Blur: 1}, "noise": {Noise: 1}, "occlude": {Occlude: 1}, "jpeg": {JPEG: 1},
		"all": {Jitter: 1, Warp: 1, Blur: 1, Noise: 1, Occlude: 1, JPEG: 1},
	} {
		for seed := range uint64(5) {
			degraded, again := slices.Clone(clean), slices.Clone(clean)
			for _, pixels := range [][]uint8{degraded, again} {
				if err := d.apply(pixels, 96, rand.New(rand.NewPCG(seed, 2))); err != nil {
					t.Fatal(err)
				}
			}
			distance := psnr(split(degraded, 96, 96), split(clean, 96, 96))
			if !bytes.Equal(degraded, again) || !(distance < 60) || distance < 10 {
				t.Errorf("%s, seed %d: %.1f dB, repeatable %v", name, seed, distance, bytes.Equal(degraded, again))
			}
		}
	}
}

func TestDetectionMeasures(t *testing.T) {
	dog := reflectionflow.Object{Class: "dog", Box: [4]float64{0, 0, 0.4, 0.4}, Confidence: 1}
	cup := reflectionflow.Object{Class: "cup", Color: "red", Box: [4]float64{0.5, 0.5, 1, 1}, Confidence: 1}
	blue, shifted := cup, dog
	blue.Color = "blue"
	shifted.Box = [4]float64{0.3, 0.3, 0.7, 0.7}
	prompt, err := clipart.Parse("a dog and a red cup")
	if err != nil {
		t.Fatal(err)
	}
	held := []heldOut{{prompt: prompt, objects: []reflectionflow.Object{dog, cup}}}
	for name, test := range map[string]struct {
		found                      []reflectionflow.Object
		f1, class, color, verdicts float64
	}{
		"all":           {[]reflectionflow.Object{cup, dog}, 1, 1, 1, 1},
		"wrong color":   {[]reflectionflow.Object{dog, blue}, 1, 1, 0.5, 0},
		"wrong place":   {[]reflectionflow.Object{shifted, cup}, 0.5, 1, 1, 1},
		"nothing found": {nil, 0, 0, 0, 0},
	} {
		got := detectionMeasures(held, [][]reflectionflow.Object{test.found})
		if got["f1"] != test.f1 || got["class"] != test.class || got["color"] != test.color || got["verdicts"] != test.verdicts {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPairsMixRenderedAndGenerated(t *testing.T) {
	encoded := func(shade uint8) []byte {
		img := image.NewNRGBA(image.Rect(0, 0, 40, 40))
		for i := range 1600 {
			img.SetNRGBA(i%40, i/40, color.NRGBA{shade, shade, shade, 255})
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, img, nil); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	data, err := newScenes(World{Size: 32, Classes: []string{"apple", "dog", "cup"}})
	if err != nil {
		t.Fatal(err)
	}
	mix := mixedPairs{data: data, recipe: Reward{Generated: 0.5}, generated: TripletPairs([]genref.Triplet{{Prompt: "generated", Flawed: encoded(0), Enhanced: encoded(255)}})}
	pixels, texts, err := mix.batch(40, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	const size = 32 * 32 * 3
	generated := 0
	for i, text := range texts {
		if text == "generated" {
			generated++
			if pixels[i*size] < 250 || pixels[(40+i)*size] > 5 {
				t.Errorf("pair %d: better %d, worse %d", i, pixels[i*size], pixels[(40+i)*size])
			}
		}
	}
	if generated < 10 || generated > 30 {
		t.Errorf("%d of 40 pairs are generated, want about half", generated)
	}
}

// A redrawn scene shows its prompt, is stored, and differs for another seed.
func TestRedrawnImagesAreStored(t *testing.T) {
	r, err := ParseRecipe([]byte(tinyVerifiers))
	if err != nil {
		t.Fatal(err)
	}
	opts := StageOptions{Backend: backend(t), Out: t.TempDir()}
	for _, stage := range []string{"autoencoder", "base"} {
		if err := Train(t.Context(), stage, r, opts); err != nil {
			t.Fatal(err)
		}
	}
	dir := opts.stage("test")
	open := func(seed uint64) redrawnScenes {
		d := r.Detector
		d.Train.Seed = seed
		redrawn, err := openRedrawnScenes(t.Context(), opts, "test", r, d)
		if err != nil {
			t.Fatal(err)
		}
		return redrawn.training
	}
	first := open(1)
	kept, err := os.Stat(filepath.Join(dir, "redrawn.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	again := open(1)
	if after, err := os.Stat(filepath.Join(dir, "redrawn.safetensors")); err != nil || !after.ModTime().Equal(kept.ModTime()) {
		t.Errorf("redrawn again: %v", err)
	}
	if first.count() != 9 || !bytes.Equal(first.pixels, again.pixels) {
		t.Errorf("%d images, the same when read again: %v", first.count(), bytes.Equal(first.pixels, again.pixels))
	}
	if other := open(2); bytes.Equal(first.pixels, other.pixels) {
		t.Error("another seed gave the same images")
	}
	scene, prompt := again.scene(4)
	truth, err := scene.Truth(r.World.Size, r.World.Size)
	if err != nil || !clipart.CheckAll(prompt.Requirements, truth) {
		t.Errorf("the scene does not show %q: %v", prompt.Text, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := openRedrawnScenes(ended, opts, "ended", r, r.Detector); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	if left, err := os.ReadDir(opts.stage("ended")); err == nil && len(left) > 0 {
		t.Errorf("after the end it left %v", left)
	}
	bad := r.Detector
	bad.Redraw.High = 1.2
	if _, err := openRedrawnScenes(t.Context(), opts, "test", r, bad); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a timestep of 1.2: %v", err)
	}
}

func TestAveragePrecision(t *testing.T) {
	box := [4]float64{0, 0, 0.4, 0.4}
	dog := func(confidence float64, box [4]float64) detect.Detection {
		return detect.Detection{Presence: confidence, Class: []float64{0.9, 0.1}, Box: box}
	}
	object := reflectionflow.Object{Class: "dog", Box: box}
	held := []heldOut{{objects: []reflectionflow.Object{object}}, {objects: []reflectionflow.Object{object}}}
	elsewhere := [4]float64{0.6, 0.6, 1, 1}
	for name, test := range map[string]struct {
		detections [][]detect.Detection
		want       float64
	}{
		"all":                 {[][]detect.Detection{{dog(0.9, box)}, {dog(0.8, box)}}, 1},
		"one of two":          {[][]detect.Detection{{dog(0.9, box)}, nil}, 0.5},
		"a false one first":   {[][]detect.Detection{{dog(0.5, box)}, {dog(0.9, elsewhere)}}, 0.25},
		"a false one last":    {[][]detect.Detection{{dog(0.9, box), dog(0.2, elsewhere)}, {dog(0.8, box)}}, 1},
		"one object twice":    {[][]detect.Detection{{dog(0.9, box), dog(0.8, box)}, {dog(0.7, box)}}, 0.5 + 0.5*2/3},
		"nothing but misses":  {[][]detect.Detection{{dog(0.9, elsewhere)}, nil}, 0},
		"nothing at all seen": {[][]detect.Detection{nil, nil}, 0},
	} {
		if got := meanAveragePrecision([]string{"dog", "cat"}, held, test.detections); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
