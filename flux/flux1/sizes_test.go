package flux1

import (
	"os"
	"testing"

	"reflectionflow/flux"
)

func TestSizesOfKnownModels(t *testing.T) {
	embedded, err := OpenFolderFS(os.DirFS("../../models/clipart"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := embedded.Settings()
	if err != nil {
		t.Fatal(err)
	}
	dev := &Folder{VAE: flux.FluxDevAutoencoder()}
	for _, c := range []struct {
		name          string
		sizes         flux.Sizes
		text          string
		good, refused [][2]int
	}{
		{"embedded", embedded.Sizes(own), "128×128 pixels", [][2]int{{128, 128}}, [][2]int{{1024, 1024}, {128, 256}, {120, 128}}},
		{"FLUX.1-dev", dev.Sizes(Settings{}), "sides of 256 to 2048 pixels, multiples of 16", [][2]int{{1024, 1024}, {256, 2048}, {1360, 768}}, [][2]int{{128, 128}, {1000, 1024}, {4096, 1024}}},
		{"bounds", dev.Sizes(Settings{MinSide: 512, MaxSide: 768, Width: 640, Height: 640}), "sides of 512 to 768 pixels, multiples of 16", [][2]int{{512, 768}}, [][2]int{{256, 512}, {784, 512}}},
		{"two sides", dev.Sizes(Settings{Width: 640, Height: 320}), "640×320 pixels", [][2]int{{640, 320}}, [][2]int{{320, 640}}},
	} {
		if got := c.sizes.String(); got != c.text {
			t.Errorf("%s: %q, want %q", c.name, got, c.text)
		}
		for _, size := range c.good {
			if err := c.sizes.Check(size[0], size[1]); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		for _, size := range c.refused {
			wantInvalid(t, c.sizes.Check(size[0], size[1]), c.text)
		}
	}
}

// Peaks of the embedded model were measured as the resident set of a process on the CPU, less 45 MB of the program.
func TestMemoryEstimate(t *testing.T) {
	folder, err := OpenFolderFS(os.DirFS("../../models/clipart"))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := folder.Settings()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		side      int
		reference bool
		measured  float64 // bytes
	}{{256, false, 71e6}, {256, true, 109e6}, {512, false, 196e6}, {512, true, 321e6}, {1024, false, 750e6}, {1024, true, 1.29e9}} {
		got, err := folder.Memory(settings, c.side, c.side, c.reference)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(got) / c.measured; ratio < 0.5 || ratio > 2 {
			t.Errorf("%d pixels, reference %v: %d bytes, measured %.0f", c.side, c.reference, got, c.measured)
		}
	}
	dev := &Folder{Transformer: Variants[0].Params, VAE: flux.FluxDevAutoencoder(), CLIP: FluxDevCLIP(), T5: FluxDevT5()}
	got, err := dev.Memory(Settings{TextLength: 512}, 1024, 1024, false)
	if err != nil || got < 34e9 || got > 50e9 { // weights in BF16 are 33.8 GB
		t.Errorf("FLUX.1-dev at 1024 pixels takes %d bytes, %v", got, err)
	}
}
