package plot

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Series is a row of measurements with intervals. Only [Lines] uses X; Low and High may
// be empty.
type Series struct {
	Name         string
	X            []float64
	Y, Low, High []float64
	// Start marks the initial values of the series that follows: its bars have that
	// series' color, but pale.
	Start bool
}

// Lines is a figure of curves over a logarithmic axis. Y is in percent.
type Lines struct {
	Title, XLabel, YLabel string
	// Ticks are the values with labels on the x axis, if they are within its range. If
	// these are too few or too many, the labels are at 1, 2 and 5 in each decade.
	Ticks  []float64
	Series []Series
}

// Bars is a figure of grouped bars, one group per name. Y is in percent.
type Bars struct {
	Title, YLabel string
	Groups        []string
	// Edges, instead of Groups, are the labels of the borders of a histogram's bins: one
	// more than there are bins.
	Edges  []string
	Series []Series // Y by group; NaN in Y omits a bar, in Low its interval; a series without a Name is not in the legend
}

// palette is that of Okabe and Ito, which color-blind readers can distinguish, in an
// order that can be distinguished in gray too.
var palette = []color.Color{
	color.NRGBA{R: 0x55, G: 0x55, B: 0x55, A: 0xff},
	color.NRGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff},
	color.NRGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff},
	color.NRGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff},
	color.NRGBA{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff},
	color.NRGBA{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff},
	color.NRGBA{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff},
}

var glyphs = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.RingGlyph{}, draw.CrossGlyph{},
}

var (
	ink   = color.NRGBA{R: 0x22, G: 0x22, B: 0x22, A: 0xff}
	ruled = color.NRGBA{R: 0xe3, G: 0xe3, B: 0xe3, A: 0xff}
)

func pick[T any](list []T, i int) T { return list[i%len(list)] }

// The size of a figure: a column of a paper.
const (
	figureWidth  = 6.4 * vg.Inch
	figureHeight = 3.8 * vg.Inch
	figureDPI    = 200
)

// newFigure returns an empty plot in the project's style.
func newFigure(title, yLabel string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = title, yLabel
	p.Title.Padding = vg.Points(10)
	for _, style := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		style.Font.Variant, style.Color = "Sans", ink
		style.Font.Size = vg.Points(10)
	}
	p.Title.TextStyle.Font.Size = vg.Points(12)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color, axis.Tick.Color, axis.Padding = ink, ink, vg.Points(4)
		axis.Width, axis.Tick.Width, axis.Tick.Length = vg.Points(0.6), vg.Points(0.6), vg.Points(3)
		axis.Label.Padding = vg.Points(4)
	}
	grid := plotter.NewGrid()
	grid.Vertical.Width, grid.Horizontal.Width = 0, vg.Points(0.6)
	grid.Horizontal.Color = ruled
	p.Add(grid)
	p.Legend.ThumbnailWidth, p.Legend.Padding = vg.Points(16), vg.Points(5)
	p.Legend.Top, p.Legend.Left = true, true
	return p
}

// Draw returns the figure as SVG and PNG. Invalid data, such as NaN, gives an error.
func (l Lines) Draw() (svg, png []byte, err error) {
	p, err := l.plot()
	if err != nil {
		return nil, nil, err
	}
	return render(p)
}

func (l Lines) plot() (*plot.Plot, error) {
	p := newFigure(l.Title, l.YLabel)
	p.X.Label.Text = l.XLabel
	p.X.Scale = plot.LogScale{}
	var xs []float64
	for i, s := range l.Series {
		if err := l.add(p, i, s); err != nil {
			return nil, fmt.Errorf("render %s: %w", l.Title, err)
		}
		xs = append(xs, s.X...)
	}
	p.X.Min, p.X.Max = limits(xs)
	p.X.Tick.Marker = plot.ConstantTicks(logTicks(l.Ticks, xs, p.X.Min, p.X.Max))
	percentAxis(&p.Y, l.Series)
	return p, nil
}

// add adds a curve. Where x values are chosen, as with Ticks, curves are shifted a little
// against each other, so that intervals at the same x do not overlap; measured x values
// are not shifted.
func (l Lines) add(p *plot.Plot, i int, s Series) error {
	if len(s.X) == 0 { // of another panel: in the legend alone
		line := &plotter.Line{LineStyle: draw.LineStyle{Color: pick(palette, i), Width: vg.Points(1.5)}}
		p.Legend.Add(s.Name, line, &plotter.Scatter{GlyphStyle: draw.GlyphStyle{Color: line.Color, Radius: vg.Points(3), Shape: pick(glyphs, i)}})
		return nil
	}
	shift := 1.0
	if len(l.Ticks) > 0 {
		shift = math.Exp(0.035 * (float64(i) - float64(len(l.Series)-1)/2))
	}
	x := make([]float64, len(s.X))
	for k := range x {
		x[k] = s.X[k] * shift
	}
	line, err := plotter.NewLine(points(x, s.Y))
	if err != nil {
		return err
	}
	line.Color, line.Width = pick(palette, i), vg.Points(1.5)
	marks, err := plotter.NewScatter(points(x, s.Y))
	if err != nil {
		return err
	}
	marks.GlyphStyle = draw.GlyphStyle{Color: line.Color, Radius: vg.Points(3), Shape: pick(glyphs, i)}
	if len(s.Low) > 0 {
		bars, err := plotter.NewYErrorBars(interval{points(x, s.Y), s})
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

// interval adapts a series to gonum's error bars, which are distances from y.
type interval struct {
	plotter.XYs
	s Series
}

func (v interval) YError(i int) (low, high float64) {
	return v.s.Low[i] - v.s.Y[i], v.s.High[i] - v.s.Y[i]
}

// faded returns the color at half opacity.
func faded(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	return color.NRGBA{R: uint8(r >> 8), G: uint8(g >> 8), B: uint8(b >> 8), A: 0x80}
}

// limits returns the range of the values with a margin on a logarithmic axis.
func limits(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	room := max(math.Pow(high/low, 0.05), 1.2)
	return low / room, high * room
}

// logTicks returns ticks at the wanted values, such as budgets, if between 2 and 8 of them
// are in the range; else at 1, 2 and 5 in each decade, at 1 to 9 in each decade, or at
// values that are far enough apart, whichever first gives enough.
func logTicks(wanted, values []float64, low, high float64) []plot.Tick {
	inside := within(low, high, values)
	enough := min(2, len(inside))
	at := within(low, high, wanted)
	if len(at) > 8 {
		at = nil
	}
	for _, steps := range [][]float64{{1, 2, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9}} {
		if len(at) < enough {
			at = within(low, high, decades(low, high, steps))
		}
	}
	if len(at) < enough {
		at = apart(inside, 0.12*math.Log(high/low))
	}
	ticks := make([]plot.Tick, len(at))
	for i, v := range at {
		ticks[i] = plot.Tick{Value: v, Label: short(v)}
	}
	return ticks
}

// within returns the distinct values in a range, ascending.
func within(low, high float64, values []float64) []float64 {
	sorted := slices.Compact(slices.Sorted(slices.Values(values)))
	return slices.DeleteFunc(sorted, func(v float64) bool { return v < low || v > high })
}

// decades returns the steps in every power of ten around a range.
func decades(low, high float64, steps []float64) []float64 {
	var values []float64
	for decade := math.Pow(10, math.Floor(math.Log10(low))); decade <= high; decade *= 10 {
		for _, step := range steps {
			values = append(values, decade*step)
		}
	}
	return values
}

// apart returns the ascending values whose logarithms are at least so far apart.
func apart(values []float64, least float64) []float64 {
	var kept []float64
	for _, v := range values {
		if len(kept) == 0 || math.Log(v/kept[len(kept)-1]) >= least {
			kept = append(kept, v)
		}
	}
	return kept
}

// short formats a number with three significant digits.
func short(v float64) string { return fmt.Sprintf("%.3g", v) }

// percentAxis spans the values in steps of 10 or 20, between 0 and 100.
func percentAxis(axis *plot.Axis, series []Series) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range series {
		for _, list := range [][]float64{s.Y, s.Low, s.High} {
			for _, v := range list {
				if !math.IsNaN(v) {
					low, high = min(low, v), max(high, v)
				}
			}
		}
	}
	step := 10.0
	if high-low > 50 {
		step = 20
	}
	axis.Min = max(0, step*math.Floor(low/step))
	axis.Max = min(100, max(step*math.Ceil(high/step), axis.Min+step))
	var ticks []plot.Tick
	for v := axis.Min; v <= axis.Max; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: short(v)})
	}
	axis.Tick.Marker = plot.ConstantTicks(ticks)
}

// Draw returns the figure as SVG and PNG. Invalid data gives an error.
func (b Bars) Draw() (svg, png []byte, err error) {
	p := newFigure(b.Title, b.YLabel)
	width := 0.8 / float64(len(b.Series))
	at := 0 // in the palette
	for i, s := range b.Series {
		shift, shade := (float64(i)-float64(len(b.Series)-1)/2)*width, pick(palette, at)
		if s.Start {
			shade = faded(shade)
		} else {
			at++
		}
		p.Add(bar{s, shift, 0.86 * width, shade})
		if s.Name != "" {
			p.Legend.Add(s.Name, patch{shade})
		}
	}
	groups := len(b.Groups)
	if len(b.Edges) == 0 {
		p.NominalX(b.Groups...)
	} else {
		var ticks []plot.Tick
		for i, edge := range b.Edges {
			ticks = append(ticks, plot.Tick{Value: float64(i) - 0.5, Label: edge})
		}
		p.X.Tick.Marker, groups = plot.ConstantTicks(ticks), len(b.Edges)-1
	}
	p.X.Tick.Label.Handler = stacked{p.X.Tick.Label.Handler}
	p.X.Width = vg.Points(0.6)
	p.X.Tick.Width, p.X.Tick.Length, p.X.Tick.Color = vg.Points(0.6), vg.Points(4), color.White // an invisible margin
	p.X.Padding, p.Y.Padding = 0, 0
	p.X.Min, p.X.Max = -0.5, float64(groups)-0.5
	percentAxis(&p.Y, append([]Series{{Y: []float64{0}}}, b.Series...))
	return render(p)
}

// stacked renders the lines of a text at the distance of their style; with gonum's own
// handler they touch.
type stacked struct{ text.Handler }

// Draw implements text.Handler.
func (h stacked) Draw(c vg.Canvas, txt string, style text.Style, at vg.Point) {
	lines, height := h.Lines(txt), style.Height(txt)
	at.Y += (1 + vg.Length(style.YAlign)) * height
	style.YAlign = text.YTop
	for _, line := range lines {
		h.Handler.Draw(c, line, style, at)
		at.Y -= height / vg.Length(len(lines))
	}
}

// bar plots the bars of a series next to those of the others, each with its interval.
type bar struct {
	s            Series
	shift, width float64 // in groups
	color        color.Color
}

// Plot implements plot.Plotter.
func (b bar) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, v := range b.s.Y {
		if math.IsNaN(v) {
			continue
		}
		left, middle, right := x(float64(i)+b.shift-b.width/2), x(float64(i)+b.shift), x(float64(i)+b.shift+b.width/2)
		top := max(y(v), y(p.Y.Min)+vg.Points(2)) // a bar of 0 shows too
		c.FillPolygon(b.color, []vg.Point{{X: left, Y: y(p.Y.Min)}, {X: left, Y: top}, {X: right, Y: top}, {X: right, Y: y(p.Y.Min)}})
		if len(b.s.Low) > 0 && !math.IsNaN(b.s.Low[i]) {
			errorBar(c, middle, y(b.s.Low[i]), y(b.s.High[i]))
		}
	}
}

// errorBar draws an interval in ink with a white border, so that it shows on bars of
// any color and beyond them.
func errorBar(c draw.Canvas, x, low, high vg.Length) {
	reach := vg.Points(2.2)
	for _, style := range []draw.LineStyle{{Color: color.White, Width: vg.Points(2.6)}, {Color: ink, Width: vg.Points(1)}} {
		border := (style.Width - vg.Points(1)) / 2
		c.StrokeLine2(style, x, low-border, x, high+border)
		c.StrokeLine2(style, x-reach-border, low, x+reach+border, low)
		c.StrokeLine2(style, x-reach-border, high, x+reach+border, high)
	}
}

// patch is a colored square in the legend.
type patch struct{ color color.Color }

// Thumbnail implements plot.Thumbnailer.
func (p patch) Thumbnail(c *draw.Canvas) {
	size := min(c.Max.Y-c.Min.Y, c.Max.X-c.Min.X)
	y := (c.Min.Y + c.Max.Y - size) / 2
	x := c.Max.X - size
	c.FillPolygon(p.color, []vg.Point{{X: x, Y: y}, {X: x, Y: y + size}, {X: x + size, Y: y + size}, {X: x + size, Y: y}})
}

// render renders the plot with its legend on the right.
func render(p *plot.Plot) (svg, png []byte, err error) {
	return renderBy(figureWidth, figureHeight, func(c draw.Canvas) { compose(p, c) })
}

// compose places the legend to the right of the plot, where it hides no data.
func compose(p *plot.Plot, c draw.Canvas) {
	legend := p.Legend
	p.Legend = plot.NewLegend()
	defer func() { p.Legend = legend }()
	box := legend.Rectangle(c)
	room := box.Max.X - box.Min.X + vg.Points(12)
	p.Draw(draw.Crop(c, 0, -room, 0, 0))
	right := draw.Crop(c, c.Max.X-c.Min.X-room+vg.Points(8), 0, 0, -vg.Points(26))
	legend.Draw(right)
}
