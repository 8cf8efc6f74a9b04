package flux

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"golang.org/x/image/draw"

	"reflectionflow"
	"reflectionflow/nn"
)

// projection maps a token to the colors of its cells, linearly: a rough decoder that costs
// nothing. It is fitted to the model's own autoencoder, which encodes known colors.
type projection struct {
	cells  int         // of a side of a token
	values [][]float64 // [3·cells², C+1]: red, green, blue in [-1, 1] of each cell; the last column is a constant
}

const (
	calibrationSide = 16   // tokens of a side of the image that a projection is fitted to
	ridge           = 1e-2 // relative to the mean variance of the channels
)

// project returns the projection of the pipeline's model, which is fitted once.
func (p *Pipeline) project() (*projection, error) {
	p.sketching.Lock()
	defer p.sketching.Unlock()
	if p.projection == nil {
		fitted, err := p.fitProjection()
		if err != nil {
			return nil, err
		}
		p.projection = fitted
	}
	return p.projection, nil
}

func (p *Pipeline) fitProjection() (*projection, error) {
	grid := Grid{calibrationSide, calibrationSide}
	program, err := p.referenceProgram(grid)
	if err != nil {
		return nil, err
	}
	cells := 1
	if p.spec.Unit%4 == 0 {
		cells = 4 // a token's numbers tell them apart, roughly
	}
	var pixels []float32
	var wanted [][]float64
	for lane := range p.lanes {
		img, colors := calibrationImage(grid, p.spec.Unit, cells, uint64(lane)) //nolint:gosec // lanes are few
		pixels, wanted = append(pixels, img...), append(wanted, colors...)
	}
	var held tensorPool
	defer held.free()
	images := tensors.FromFlatDataAndDimensions(pixels, p.lanes, grid.Rows*p.spec.Unit, grid.Cols*p.spec.Unit, 3)
	held.keep(images)
	encoded, err := runOnce(program, images)
	if err != nil {
		return nil, err
	}
	held.keep(encoded)
	tokens, err := tensors.CopyFlatData[float32](encoded)
	if err != nil {
		return nil, err
	}
	return &projection{cells, ridgeRegression(tokens, p.spec.Channels, wanted)}, nil
}

// calibrationImage returns pixels [H, W, 3] in [-1, 1] of large patches of color with a
// little contrast between cells, and the colors of the cells of each token.
func calibrationImage(grid Grid, unit, cells int, seed uint64) (pixels []float32, wanted [][]float64) {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // it is to be the same each time
	patches := image.NewRGBA(image.Rect(0, 0, max(2, grid.Cols/2), max(2, grid.Rows/2)))
	for i := range patches.Pix {
		patches.Pix[i] = uint8(random.IntN(256))
		if i%4 == 3 {
			patches.Pix[i] = 255
		}
	}
	rows, cols, side := grid.Rows*cells, grid.Cols*cells, unit/cells
	colors := image.NewRGBA(image.Rect(0, 0, cols, rows))
	draw.BiLinear.Scale(colors, colors.Bounds(), patches, patches.Bounds(), draw.Src, nil)
	for i := range colors.Pix {
		if i%4 != 3 {
			colors.Pix[i] = uint8(min(255, max(0, int(colors.Pix[i])+random.IntN(61)-30)))
		}
	}
	value := func(x, y, c int) float64 { return float64(colors.Pix[colors.PixOffset(x, y)+c])*(2.0/255) - 1 }
	for y := range grid.Rows * unit {
		for x := range grid.Cols * unit {
			for c := range 3 {
				pixels = append(pixels, float32(value(x/side, y/side, c)))
			}
		}
	}
	for token := range grid.Tokens() {
		var row []float64
		for cell := range cells * cells {
			for c := range 3 {
				row = append(row, value(token%grid.Cols*cells+cell%cells, token/grid.Cols*cells+cell/cells, c))
			}
		}
		wanted = append(wanted, row)
	}
	return pixels, wanted
}

// ridgeRegression returns the values [outputs, channels+1] that map tokens [N, channels]
// and 1 to wanted [N, outputs] with the least squared error, by the normal equations.
func ridgeRegression(tokens []float32, channels int, wanted [][]float64) [][]float64 {
	n, outputs := channels+1, len(wanted[0])
	system := make([][]float64, n) // [n, n + outputs]
	for i := range system {
		system[i] = make([]float64, n+outputs)
	}
	row := make([]float64, n)
	row[channels] = 1
	for t, want := range wanted {
		for i, v := range tokens[t*channels : (t+1)*channels] {
			row[i] = float64(v)
		}
		for i, v := range row {
			for j, w := range row {
				system[i][j] += v * w
			}
			for j, w := range want {
				system[i][n+j] += v * w
			}
		}
	}
	var trace float64
	for i := range channels {
		trace += system[i][i]
	}
	for i := range channels {
		system[i][i] += ridge*trace/float64(channels) + math.SmallestNonzeroFloat32
	}
	solve(system)
	values := make([][]float64, outputs)
	for j := range values {
		values[j] = make([]float64, n)
		for i := range n {
			values[j][i] = system[i][n+j]
		}
	}
	return values
}

// solve brings the left part of a system [n, n + m] to the unit matrix (Gauss-Jordan with
// partial pivoting). Columns without a pivot are left at zero.
func solve(system [][]float64) {
	for i := range system {
		best := i
		for k := i + 1; k < len(system); k++ {
			if math.Abs(system[k][i]) > math.Abs(system[best][i]) {
				best = k
			}
		}
		system[i], system[best] = system[best], system[i]
		pivot := system[i][i]
		if pivot == 0 {
			continue
		}
		for j := range system[i] {
			system[i][j] /= pivot
		}
		for k := range system {
			if factor := system[k][i]; k != i && factor != 0 {
				for j, v := range system[i] {
					system[k][j] -= factor * v
				}
			}
		}
	}
}

// image returns the sketch of latents [N, C] on a grid.
func (p *projection) image(latents []float32, grid Grid) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, grid.Cols*p.cells, grid.Rows*p.cells))
	channels := len(p.values[0]) - 1
	for token := range grid.Tokens() {
		x := latents[token*channels : (token+1)*channels]
		for cell := range p.cells * p.cells {
			var rgb [3]uint8
			for c := range rgb {
				values := p.values[3*cell+c]
				sum := values[channels]
				for i, v := range x {
					sum += values[i] * float64(v)
				}
				if !math.IsNaN(sum) {
					rgb[c] = uint8(math.RoundToEven(255 * min(1, max(0, sum/2+0.5))))
				}
			}
			img.SetNRGBA(token%grid.Cols*p.cells+cell%p.cells, token/grid.Cols*p.cells+cell/p.cells, color.NRGBA{rgb[0], rgb[1], rgb[2], 255})
		}
	}
	b := img.Bounds()
	longer := max(b.Dx(), b.Dy())
	if longer <= reflectionflow.MaxSketchSide {
		return img
	}
	small := image.NewNRGBA(image.Rect(0, 0, max(1, b.Dx()*reflectionflow.MaxSketchSide/longer), max(1, b.Dy()*reflectionflow.MaxSketchSide/longer)))
	draw.BiLinear.Scale(small, small.Bounds(), img, b, draw.Src, nil)
	return small
}

// sketcher shows sketches of the images of a group.
type sketcher struct {
	group      group
	every      time.Duration
	show       func(reflectionflow.Sketch)
	projection *projection
	last       time.Time // when the images were shown last; the first step is shown
}

// sketcher returns nil where no one asks for sketches. A model whose autoencoder cannot
// encode has none.
func (p *Pipeline) sketcher(ctx context.Context, g group) *sketcher {
	every, show := reflectionflow.Sketches(ctx)
	if show == nil {
		return nil
	}
	fitted, err := p.project()
	if err != nil {
		return nil
	}
	return &sketcher{group: g, every: every, show: show, projection: fitted}
}

// due reports whether the step that follows is to be shown.
func (s *sketcher) due() bool { return s != nil && time.Since(s.last) >= s.every }

// level is the noise level of a step: it leads from sigma to next.
type level struct{ sigma, next float64 }

// step takes a step of the program, the taken-th, and shows its images.
func (s *sketcher) step(program *nn.Program, inputs []*tensors.Tensor, at level, taken int) (*tensors.Tensor, error) {
	before, err := tensors.CopyFlatData[float32](inputs[0])
	if err != nil {
		return nil, fmt.Errorf("read latents: %w", err)
	}
	x, err := runOnce(program, inputs...)
	if err != nil {
		return nil, err
	}
	after, err := tensors.CopyFlatData[float32](x)
	if err != nil {
		return nil, fmt.Errorf("read latents: %w", err)
	}
	s.draw(before, after, at, taken)
	return x, nil
}

// draw shows the images that latents [lanes, N, C] are expected to become: before a step
// and after it.
func (s *sketcher) draw(before, after []float32, at level, step int) {
	clean := expectedLatents(before, after, at.sigma, at.next)
	size := s.group.shape.grid.Tokens() * (len(s.projection.values[0]) - 1)
	for lane, j := range s.group.jobs {
		s.show(reflectionflow.Sketch{Request: j.request, Step: step, Image: s.projection.image(clean[lane*size:(lane+1)*size], s.group.shape.grid)})
	}
	s.last = time.Now()
}
