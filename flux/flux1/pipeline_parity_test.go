package flux1

import (
	"flag"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/weights/safetensors"
)

var exportDir = flag.String("export", "", "write the tiny model into this new folder, for make_fixtures_pipeline.py")

// parityRequest is the request of make_fixtures_pipeline.py.
var parityRequest = reflectionflow.Request{
	Prompt: "a red cup add a blue clock", PooledPrompt: "a red cup", Seed: 3, Width: 64, Height: 48, Steps: 4, Guidance: 3,
}

// diffusers' FluxPipeline generated testdata/pipeline.png with the same folder and the
// same starting noise.
func TestPipelineEqualsDiffusers(t *testing.T) {
	if *exportDir != "" {
		exportTinyModel(t, *exportDir)
	}
	got := mustGenerate(t, newTinyPipeline(t, tinySettings, flux.Options{}), parityRequest)[0]
	comparePixels(t, got, "testdata/pipeline.png")
}

// comparePixels demands the image of diffusers to 1 of 255, and 99% of its values exactly.
func comparePixels(t *testing.T, got []byte, name string) {
	t.Helper()
	want := readPNG(t, name)
	different := 0
	for i := range parityRequest.Width * parityRequest.Height {
		r, g, b, _ := want.At(i%parityRequest.Width, i/parityRequest.Width).RGBA()
		for c, v := range []uint32{r, g, b} {
			switch d := int(v>>8) - int(got[4*i+c]); {
			case d < -1 || d > 1:
				t.Fatalf("pixel %d, channel %d differs by %d", i, c, d)
			case d != 0: // rounded the other way
				different++
			}
		}
	}
	if share := float64(different) / float64(3*parityRequest.Width*parityRequest.Height); share > 0.01 {
		t.Errorf("%.2f%% of the values differ by 1", 100*share)
	}
}

func readPNG(t *testing.T, name string) image.Image {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func exportTinyModel(t *testing.T, dir string) {
	if err := os.CopyFS(dir, os.DirFS(writeTinyModel(t, tinySettings))); err != nil {
		t.Fatal(err)
	}
	const tokens, channels = 12, 16
	kontext := dir + "-kontext" // its index still says FluxPipeline: make_fixtures_edit.py takes the parts
	if err := os.CopyFS(kontext, os.DirFS(writeTinyModel(t, Settings{TextLength: 12}))); err != nil {
		t.Fatal(err)
	}
	noise := safetensors.Tensor{Name: "noise", Shape: []int{1, tokens, channels}, DType: safetensors.F32, Values: flux.Noise(parityRequest.Seed, tokens*channels)}
	for _, dir := range []string{dir, kontext} {
		if err := safetensors.Write(filepath.Join(dir, "noise.safetensors"), []safetensors.Tensor{noise}, nil); err != nil {
			t.Fatal(err)
		}
	}
}
