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
