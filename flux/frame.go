package flux

import (
	"image"

	"golang.org/x/image/draw"

	"reflectionflow/internal/pixels"
)

// Frame is how a reference is brought to a whole number of tokens: scaled to Size, then
// cut to Crop, whose sides are multiples of [Spec].Unit.
type Frame struct {
	Size    image.Point     // in pixels
	Crop    image.Rectangle // of the scaled image
	Lanczos bool            // scale as Pillow's LANCZOS does, to the byte, instead of by [Resize]
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

// Pixels returns the scaled and cut reference as [H, W, 3] in [-1, 1]. An image without pixels gives an error wrapping
// [reflectionflow.ErrInvalid].
func (f Frame) Pixels(img image.Image) ([]float32, error) {
	if f.Lanczos {
		rgb, err := pixels.Resized(img, pixels.Lanczos, f.Size, f.Crop)
		if err != nil {
			return nil, err
		}
		values := make([]float32, len(rgb))
		for i, v := range rgb {
			values[i] = normalized(v)
		}
		return values, nil
	}
	canvas := Resize(img, f.Size.X, f.Size.Y)
	values := make([]float32, 0, 3*f.Crop.Dx()*f.Crop.Dy())
	for y := f.Crop.Min.Y; y < f.Crop.Max.Y; y++ {
		row := canvas.Pix[canvas.PixOffset(f.Crop.Min.X, y):canvas.PixOffset(f.Crop.Max.X, y)]
		for i := 0; i < len(row); i += 4 {
			for _, v := range row[i : i+3] {
				values = append(values, normalized(v))
			}
		}
	}
	return values, nil
}

func normalized(v uint8) float32 { return float32(v)*(2.0/255) - 1 }

// Resize scales an image to the size given by Catmull-Rom interpolation, over a white
// background. The pipeline and the training resize references with it.
func Resize(img image.Image, width, height int) *image.RGBA {
	canvas := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(canvas, canvas.Bounds(), image.White, image.Point{}, draw.Src)
	if canvas.Bounds().Size() == img.Bounds().Size() {
		draw.Draw(canvas, canvas.Bounds(), img, img.Bounds().Min, draw.Over)
		return canvas
	}
	draw.CatmullRom.Scale(canvas, canvas.Bounds(), img, img.Bounds(), draw.Over, nil)
	return canvas
}
