package flux

import (
	"image"

	"golang.org/x/image/draw"
)

// Frame is how a reference is brought to a whole number of tokens: scaled to Size, then
// cut to Crop, whose sides are multiples of [Spec].Unit.
type Frame struct {
	Size image.Point     // in pixels
	Crop image.Rectangle // of the scaled image
}

// WholeFrame scales a reference to the size of the grid.
func WholeFrame(grid Grid, unit int) Frame {
	size := image.Pt(grid.Cols*unit, grid.Rows*unit)
	return Frame{Size: size, Crop: image.Rectangle{Max: size}}
}

// grid returns the grid of what is left.
func (f Frame) grid(unit int) Grid {
	return Grid{Rows: f.Crop.Dy() / unit, Cols: f.Crop.Dx() / unit}
}

// pixels returns the scaled and cut reference as [H, W, 3] in [-1, 1].
func (f Frame) pixels(img image.Image) []float32 {
	canvas := Resize(img, f.Size.X, f.Size.Y)
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
	canvas := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(canvas, canvas.Bounds(), image.White, image.Point{}, draw.Src)
	draw.CatmullRom.Scale(canvas, canvas.Bounds(), img, img.Bounds(), draw.Over, nil)
	return canvas
}
