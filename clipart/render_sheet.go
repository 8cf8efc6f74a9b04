package clipart

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"reflectionflow"
)

// maxSheetPixels bounds a contact sheet.
const maxSheetPixels = 1 << 27

// Sheet renders scenes at size×size pixels and arranges them as [Grid] does, two pixels apart.
// Size is a multiple of 16.
func Sheet(scenes []Scene, columns, size int) (*image.NRGBA, error) {
	images := make([]image.Image, len(scenes))
	for i, s := range scenes {
		m, err := s.Render(size, size)
		if err != nil {
			return nil, fmt.Errorf("scene %d: %w", i, err)
		}
		images[i] = m
	}
	return Grid(images, columns, 2)
}

// Grid arranges images in rows of the given number of columns on white, gap pixels apart and from
// the edges. Every cell has the size of the largest image; smaller ones are in its top left
// corner. A nil image leaves its cell empty.
func Grid(images []image.Image, columns, gap int) (*image.NRGBA, error) {
	if columns < 1 || gap < 0 || len(images) == 0 {
		return nil, fmt.Errorf("%w: a grid of %d images in %d columns with gap %d", reflectionflow.ErrInvalid, len(images), columns, gap)
	}
	columns = min(columns, len(images))
	var cell image.Point
	for _, m := range images {
		if m != nil {
			cell.X, cell.Y = max(cell.X, m.Bounds().Dx()), max(cell.Y, m.Bounds().Dy())
		}
	}
	rows := (len(images) + columns - 1) / columns
	width, height := columns*(cell.X+gap)+gap, rows*(cell.Y+gap)+gap
	if width > maxSheetPixels || height > maxSheetPixels || width*height > maxSheetPixels {
		return nil, fmt.Errorf("%w: a grid of %dx%d pixels, at most %d pixels are allowed", reflectionflow.ErrInvalid, width, height, maxSheetPixels)
	}
	sheet := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(sheet, sheet.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	for i, m := range images {
		if m == nil {
			continue
		}
		corner := image.Pt(gap+i%columns*(cell.X+gap), gap+i/columns*(cell.Y+gap))
		draw.Draw(sheet, m.Bounds().Sub(m.Bounds().Min).Add(corner), m, m.Bounds().Min, draw.Over)
	}
	return sheet, nil
}
