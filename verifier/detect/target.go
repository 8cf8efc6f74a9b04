package detect

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
)

// Values per cell in the targets.
const (
	targetFloats = 2 + boxNumbers // presence, weight, box
	targetInts   = 2              // class, color
)

// Target holds the training targets of a batch of images.
type Target struct {
	config Config
	floats []float32 // [images, cells, presence, weight, box]
	ints   []int32   // [images, cells, class, color]
}

// TargetShapes returns the shapes of [Target.Tensors] for a batch.
func (c Config) TargetShapes(batch int) []shapes.Shape {
	return []shapes.Shape{
		shapes.Make(dtypes.Float32, batch, c.cells(), targetFloats),
		shapes.Make(dtypes.Int32, batch, c.cells(), targetInts),
	}
}

// Add appends the objects of one image. An unknown class or color is an error wrapping
// [reflectionflow.ErrInvalid].
//
// Presence is 1 in the cell that holds a center. Class, color and box are learned in the up to
// four cells around the center, with bilinear weights that add up to 1, so that a peak one cell
// off still has the right class, color and box.
func (t *Target) Add(c Config, objects []reflectionflow.Object) error {
	t.config = c
	n, cells := len(t.floats)/(c.cells()*targetFloats), c.cells()
	t.floats = append(t.floats, make([]float32, cells*targetFloats)...)
	t.ints = append(t.ints, make([]int32, cells*targetInts)...)
	floats, ints := t.floats[n*cells*targetFloats:], t.ints[n*cells*targetInts:]
	for _, o := range objects {
		class, color := slices.Index(c.Classes, o.Class), len(c.Colors)
		if o.Color != "" {
			color = slices.Index(c.Colors, o.Color)
		}
		if class < 0 || color < 0 {
			return fmt.Errorf("%w: the detector does not know %q %q", reflectionflow.ErrInvalid, o.Color, o.Class)
		}
		grid := float64(c.grid())
		x, y := grid*(o.Box[0]+o.Box[2])/2, grid*(o.Box[1]+o.Box[3])/2
		column, row := clampCell(x, c.grid()), clampCell(y, c.grid())
		floats[(row*c.grid()+column)*targetFloats] = 1
		for dy := -1; dy <= 1; dy++ {
			for dx := -1; dx <= 1; dx++ {
				i, j := column+dx, row+dy
				if i < 0 || j < 0 || i >= c.grid() || j >= c.grid() {
					continue
				}
				offsetX, offsetY := x-(float64(i)+0.5), y-(float64(j)+0.5)
				weight := float32(max(0, 1-math.Abs(offsetX)) * max(0, 1-math.Abs(offsetY)))
				at := j*c.grid() + i
				if cell := floats[at*targetFloats:]; weight > cell[1] {
					cell[1], cell[2], cell[3] = weight, float32(offsetX), float32(offsetY)
					cell[4], cell[5] = logSize(grid*(o.Box[2]-o.Box[0])), logSize(grid*(o.Box[3]-o.Box[1]))
					ints[at*targetInts], ints[at*targetInts+1] = int32(class), int32(color)
				}
			}
		}
	}
	return nil
}

func clampCell(v float64, grid int) int { return min(max(int(v), 0), grid-1) }

// minSize is the smallest side of a box, in cells.
const minSize = 0.125

func logSize(cells float64) float32 { return float32(math.Log(max(cells, minSize))) }

// Tensors returns the targets of all images, as [Loss] takes them.
func (t *Target) Tensors() []*tensors.Tensor {
	cells := t.config.cells()
	n := len(t.floats) / (cells * targetFloats)
	return []*tensors.Tensor{
		tensors.FromFlatDataAndDimensions(t.floats, n, cells, targetFloats),
		tensors.FromFlatDataAndDimensions(t.ints, n, cells, targetInts),
	}
}
