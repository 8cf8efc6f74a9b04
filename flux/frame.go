package flux

import (
	"image"
	"math"

	"golang.org/x/image/draw"
)

// Frame is how a reference is brought to a whole number of tokens: scaled to Size, then
// cut to Crop, whose sides are multiples of [Spec].Unit.
type Frame struct {
	Size    image.Point     // in pixels
	Crop    image.Rectangle // of the scaled image
	Lanczos bool            // scale by Lanczos of 3 lobes instead of [Resize]
}

// WholeFrame scales a reference to the size of the grid.
func WholeFrame(grid Grid, unit int) Frame {
	size := image.Pt(grid.Cols*unit, grid.Rows*unit)
	return Frame{Size: size, Crop: image.Rectangle{Max: size}}
}

// Grid returns the grid of what is left.
func (f Frame) Grid(unit int) Grid {
	return Grid{Rows: f.Crop.Dy() / unit, Cols: f.Crop.Dx() / unit}
}

// Pixels returns the scaled and cut reference as [H, W, 3] in [-1, 1].
func (f Frame) Pixels(img image.Image) []float32 {
	canvas := resize(img, f.Size, draw.CatmullRom)
	if f.Lanczos {
		canvas = resize(img, f.Size, lanczos)
	}
	pixels := make([]float32, 0, 3*f.Crop.Dx()*f.Crop.Dy())
	for y := f.Crop.Min.Y; y < f.Crop.Max.Y; y++ {
		row := canvas.Pix[canvas.PixOffset(f.Crop.Min.X, y):canvas.PixOffset(f.Crop.Max.X, y)]
		for i := 0; i < len(row); i += 4 {
			for _, v := range row[i : i+3] {
				pixels = append(pixels, float32(v)*(2.0/255)-1)
			}
		}
	}
	return pixels
}

// Resize scales an image to the size given by Catmull-Rom interpolation, over a white
// background. The pipeline and the training resize references with it.
func Resize(img image.Image, width, height int) *image.RGBA {
	return resize(img, image.Pt(width, height), draw.CatmullRom)
}

func resize(img image.Image, size image.Point, kernel *draw.Kernel) *image.RGBA {
	canvas := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(canvas, canvas.Bounds(), image.White, image.Point{}, draw.Src)
	if size == img.Bounds().Size() {
		draw.Draw(canvas, canvas.Bounds(), img, img.Bounds().Min, draw.Over)
		return canvas
	}
	kernel.Scale(canvas, canvas.Bounds(), img, img.Bounds(), draw.Over, nil)
	return canvas
}

// lanczos is the kernel of 3 lobes that PIL scales with.
var lanczos = &draw.Kernel{Support: 3, At: func(t float64) float64 {
	if t == 0 {
		return 1
	}
	x := math.Pi * t
	return 3 * math.Sin(x) * math.Sin(x/3) / (x * x)
}}
