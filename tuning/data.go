package tuning

import (
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/clipart"
	"reflectionflow/internal/disk"
)

// validationSeed is the seed of samples and measurements during training. Batches use the
// seeds of their configurations.
const validationSeed = 0x76616c

// underPrefix returns a function that reports whether a weight has one of the prefixes.
func underPrefix(prefixes ...string) func(string) bool {
	return func(name string) bool {
		for _, prefix := range prefixes {
			if strings.HasPrefix(name, prefix+".") {
				return true
			}
		}
		return false
	}
}

// scenes samples and renders scenes of a world.
type scenes struct {
	sampler clipart.Sampler
	size    int
}

func newScenes(w World) (scenes, error) {
	sampler, err := clipart.NewSampler(w.Classes...)
	return scenes{sampler, w.Size}, err
}

// crops renders n scenes of the training split and crops a square out of each: bytes
// [n, side, side, 3].
func (s scenes) crops(rng *rand.Rand, n, side int) (*tensors.Tensor, error) {
	whole := make([]uint8, s.size*s.size*3)
	cut := make([]uint8, 0, n*side*side*3)
	for range n {
		scene, _ := s.sampler.SampleMixed(clipart.Train, rng)
		if err := scene.RenderInto(whole, s.size, s.size); err != nil {
			return nil, err
		}
		x, y := rng.IntN(s.size-side+1), rng.IntN(s.size-side+1)
		for row := y; row < y+side; row++ {
			at := (row*s.size + x) * 3
			cut = append(cut, whole[at:at+3*side]...)
		}
	}
	return tensors.FromFlatDataAndDimensions(cut, n, side, side, 3), nil
}

// normal returns standard normal numbers.
func normal(rng *rand.Rand, dims ...int) *tensors.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(values, dims...)
}

// imagesFromFloats converts numbers [n, H, W, 3] in [-1, 1] into images.
func imagesFromFloats(t *tensors.Tensor) []image.Image {
	d := t.Shape().Dimensions
	values := tensors.MustCopyFlatData[float32](t)
	bytes := make([]uint8, len(values))
	for i, v := range values {
		bytes[i] = uint8(min(max(127.5*v+128, 0), 255))
	}
	return split(bytes, d[1], d[2])
}

// imagesFromBytes converts bytes [n, H, W, 3] into images.
func imagesFromBytes(t *tensors.Tensor) []image.Image {
	d := t.Shape().Dimensions
	return split(tensors.MustCopyFlatData[uint8](t), d[1], d[2])
}

func split(bytes []uint8, height, width int) []image.Image {
	var images []image.Image
	for len(bytes) > 0 {
		m := image.NewNRGBA(image.Rect(0, 0, width, height))
		for i := range height * width {
			copy(m.Pix[4*i:], bytes[3*i:3*i+3])
			m.Pix[4*i+3] = 255
		}
		images = append(images, m)
		bytes = bytes[3*height*width:]
	}
	return images
}

// saveGrid writes a contact sheet as a PNG.
func saveGrid(path string, images []image.Image, columns int) error {
	grid, err := clipart.Grid(images, columns, 4)
	if err != nil {
		return err
	}
	return disk.Write(path, func(w io.Writer) error { return png.Encode(w, grid) })
}
