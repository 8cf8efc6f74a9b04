package plot

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Reliability is a reliability diagram: how often what is stated with a probability is
// true. X and Y are in percent; on the diagonal statements are as true as they say.
type Reliability struct {
	Title, XLabel, YLabel string
	Series                []Series
}

// Draw returns the figure as SVG and PNG. Invalid data, such as NaN, gives an error.
func (r Reliability) Draw() (svg, png []byte, err error) {
	p := newFigure(r.Title, r.YLabel)
	p.X.Label.Text = r.XLabel
	diagonal, err := plotter.NewLine(points([]float64{0, 100}, []float64{0, 100}))
	if err != nil {
		return nil, nil, fmt.Errorf("render %s: %w", r.Title, err)
	}
	diagonal.Color, diagonal.Width = ruled, vg.Points(1.2)
	p.Add(diagonal)
	p.Legend.Add("as true as stated", diagonal)
	for i, s := range r.Series {
		s.X = beside(s.X, i, len(r.Series))
		if err := r.add(p, i, s); err != nil {
			return nil, nil, fmt.Errorf("render %s: %w", r.Title, err)
		}
	}
	var ticks []plot.Tick
	for v := 0.0; v <= 100; v += 20 {
		ticks = append(ticks, plot.Tick{Value: v, Label: short(v)})
	}
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Min, axis.Max, axis.Tick.Marker = 0, 100, plot.ConstantTicks(ticks)
	}
	return render(p)
}

// beside moves points a little to the side, so that series with the same values are seen.
func beside(x []float64, i, of int) []float64 {
	const apart = 0.8 // percent
	moved := make([]float64, len(x))
	for k := range x {
		moved[k] = min(max(x[k]+apart*(float64(i)-float64(of-1)/2), 0), 100)
	}
	return moved
}

func (Reliability) add(p *plot.Plot, i int, s Series) error {
	line, err := plotter.NewLine(points(s.X, s.Y))
	if err != nil {
		return err
	}
	line.Color, line.Width = pick(palette, i), vg.Points(1.5)
	marks, err := plotter.NewScatter(points(s.X, s.Y))
	if err != nil {
		return err
	}
	marks.GlyphStyle = draw.GlyphStyle{Color: line.Color, Radius: vg.Points(3), Shape: pick(glyphs, i)}
	if len(s.Low) > 0 {
		bars, err := plotter.NewYErrorBars(interval{points(s.X, s.Y), s})
		if err != nil {
			return err
		}
		bars.Color, bars.Width, bars.CapWidth = faded(line.Color), vg.Points(1), 0
		p.Add(bars)
	}
	p.Add(line, marks)
	p.Legend.Add(s.Name, line, marks)
	return nil
}
