package plot

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Panels are figures side by side with one y axis and one legend. They have the same series in
// the same order; one without values is left out of its panel.
type Panels []Lines

// The size of a panel, and of the legend beside the last.
const (
	panelWidth  = 2.25 * vg.Inch
	panelHeight = 3.2 * vg.Inch
	legendWidth = 1.7 * vg.Inch
)

// Draw returns the figure as SVG and PNG. Invalid data, such as NaN, gives an error.
func (list Panels) Draw() (svg, png []byte, err error) {
	var all []Series
	for _, l := range list {
		all = append(all, l.Series...)
	}
	plots := make([]*plot.Plot, len(list))
	legend := plot.NewLegend()
	for i, l := range list {
		if i > 0 {
			l.YLabel = ""
		}
		if plots[i], err = l.plot(); err != nil {
			return nil, nil, err
		}
		percentAxis(&plots[i].Y, all)
		plots[i].Title.TextStyle.Font.Size = plots[i].X.Label.TextStyle.Font.Size
		if i == 0 {
			legend = plots[i].Legend
		}
		plots[i].Legend = plot.NewLegend()
	}
	width := vg.Length(len(list))*panelWidth + legendWidth
	return renderBy(width, panelHeight, func(c draw.Canvas) {
		for i, p := range plots {
			p.Draw(draw.Crop(c, vg.Length(i)*panelWidth+vg.Points(4), vg.Length(i+1)*panelWidth-width, vg.Points(4), -vg.Points(4)))
		}
		legend.Draw(draw.Crop(c, width-legendWidth+vg.Points(8), 0, 0, -vg.Points(40)))
	})
}

// renderBy draws on an SVG and on a PNG of a size.
func renderBy(width, height vg.Length, paint func(draw.Canvas)) (svg, png []byte, err error) {
	on := func(c draw.Canvas) {
		c.SetColor(color.White)
		c.Fill(c.Path())
		paint(draw.Crop(c, vg.Points(6), -vg.Points(8), vg.Points(6), -vg.Points(8)))
	}
	vector := vgsvg.New(width, height)
	on(draw.New(vector))
	var b bytes.Buffer
	if _, err := vector.WriteTo(&b); err != nil {
		return nil, nil, err
	}
	// Fallbacks have the same widths.
	svg = []byte(strings.ReplaceAll(b.String(), "font-family:Liberation Sans;font-variant:normal;", "font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	pixels := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(figureDPI))
	on(draw.New(pixels))
	var image bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: pixels}).WriteTo(&image); err != nil {
		return nil, nil, err
	}
	return svg, image.Bytes(), nil
}

// Needed is a figure of how much of something is needed, on a logarithmic axis, against a
// percentage.
type Needed struct {
	Title, XLabel, YLabel string
	Ticks                 []float64 // of the y axis; the last is the most that was measured
	Series                []Series  // X in percent; +Inf in Y or High is more than was measured
}

// Draw returns the figure as SVG and PNG. Invalid data, such as NaN, gives an error.
func (n Needed) Draw() (svg, png []byte, err error) {
	p := newFigure(n.Title, n.YLabel)
	p.X.Label.Text = n.XLabel
	p.Y.Scale = plot.LogScale{}
	most := n.Ticks[len(n.Ticks)-1]
	top := 1.6 * most
	var ticks, xs []plot.Tick
	for _, v := range n.Ticks {
		ticks = append(ticks, plot.Tick{Value: v, Label: short(v)})
	}
	ticks = append(ticks, plot.Tick{Value: top, Label: "> " + short(most)})
	p.Y.Min, p.Y.Max = n.Ticks[0]/1.1, 1.1*top
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	low, high := math.Inf(1), math.Inf(-1)
	for i, s := range n.Series {
		bounded := Series{Name: s.Name}
		for k, x := range s.X {
			low, high = min(low, x), max(high, x)
			if !slices.ContainsFunc(xs, func(t plot.Tick) bool { return t.Value == x }) { // series share values
				xs = append(xs, plot.Tick{Value: x, Label: short(x)})
			}
			bounded.X = append(bounded.X, x+0.4*float64(i))
			bounded.Y = append(bounded.Y, min(s.Y[k], top))
			bounded.Low, bounded.High = append(bounded.Low, min(s.Low[k], top)), append(bounded.High, min(s.High[k], top))
		}
		if err := (Reliability{}).add(p, i, bounded); err != nil {
			return nil, nil, fmt.Errorf("render %s: %w", n.Title, err)
		}
	}
	limit, err := plotter.NewLine(points([]float64{low - 2, high + 2}, []float64{1.25 * most, 1.25 * most}))
	if err != nil {
		return nil, nil, err
	}
	limit.Color, limit.Width, limit.Dashes = ruled, vg.Points(1), []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(limit)
	p.X.Min, p.X.Max, p.X.Tick.Marker = low-2, high+2, plot.ConstantTicks(xs)
	return render(p)
}
