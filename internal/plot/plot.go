// Package plot renders the project's figures with gonum/plot.
package plot

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"reflectionflow/internal/disk"
)

// Curve is one line of a figure.
type Curve struct {
	Name string
	X, Y []float64
}

// The colors of raw and smoothed values.
var (
	faint = color.NRGBA{R: 0x9e, G: 0xb4, B: 0xcc, A: 0xff}
	bold  = color.NRGBA{R: 0x1f, G: 0x4e, B: 0x8c, A: 0xff}
)

// Loss writes a PNG of a loss curve on a logarithmic axis, raw and smoothed.
func Loss(path, title string, curve Curve) error {
	p := newFigure(title, curve.Name)
	p.X.Label.Text = "step"
	if positive(curve.Y) {
		low, high := limits(curve.Y)
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(logTicks(nil, curve.Y, low, high))
	}
	for i, y := range [][]float64{curve.Y, smooth(curve.Y)} {
		line, err := plotter.NewLine(points(curve.X, y))
		if err != nil {
			return fmt.Errorf("plot %s: %w", title, err)
		}
		line.Color, line.Width = []color.Color{faint, bold}[i], vg.Points([]float64{0.7, 1.6}[i])
		p.Add(line)
	}
	return savePNG(p, path)
}

func positive(values []float64) bool {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = math.Min(low, v), math.Max(high, v)
	}
	return low > 0 && high > 1.5*low
}

// smooth returns centered moving averages over a fiftieth of the values: they do not lag.
func smooth(values []float64) []float64 {
	sums := make([]float64, len(values)+1)
	for i, v := range values {
		sums[i+1] = sums[i] + v
	}
	smoothed := make([]float64, len(values))
	side := len(values) / 100
	for i := range values {
		first, end := max(0, i-side), min(len(values), i+side+1)
		smoothed[i] = (sums[end] - sums[first]) / float64(end-first)
	}
	return smoothed
}

func points(x, y []float64) plotter.XYs {
	xy := make(plotter.XYs, len(x))
	for i := range x {
		xy[i].X, xy[i].Y = x[i], y[i]
	}
	return xy
}

// savePNG renders at 150 dpi.
func savePNG(p *plot.Plot, path string) error {
	canvas := vgimg.NewWith(vgimg.UseWH(6*vg.Inch, 3.6*vg.Inch), vgimg.UseDPI(150))
	p.Draw(draw.New(canvas))
	return disk.Write(path, func(w io.Writer) error {
		_, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(w)
		return err
	})
}
