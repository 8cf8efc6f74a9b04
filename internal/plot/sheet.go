package plot

import (
	"bytes"
	"image"
	"image/color"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Sheet is a contact sheet: images in rows, each fitted into a square, with a text below.
type Sheet struct {
	Columns int
	Lines   int // of text in a cell
	Cells   []Cell
}

// Cell is one image of a [Sheet].
type Cell struct {
	Image image.Image
	Boxes []Box
	// Words is the text below the image, wrapped to its width and cut to Sheet.Lines.
	Words string
	// Wrong frames the image in the color of a mistake.
	Wrong bool
}

// Box is a rectangle over an image, with a name.
type Box struct {
	At   [4]float64 // x0, y0, x1, y1 as fractions of the sides
	Name string
}

// The sizes of a sheet.
const (
	cellSide   = 1.25 * vg.Inch
	cellGap    = 0.11 * vg.Inch
	sheetDPI   = 140
	sheetFont  = 7
	lineHeight = 1.2 * sheetFont
)

var (
	boxColor   = color.NRGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}
	wrongColor = color.NRGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}
)

// PNG renders the sheet.
func (s Sheet) PNG() ([]byte, error) {
	rows := (len(s.Cells) + s.Columns - 1) / s.Columns
	height := cellSide + vg.Points(lineHeight)*vg.Length(s.Lines) + vg.Points(4)
	wide := vg.Length(s.Columns)*(cellSide+cellGap) + cellGap
	high := vg.Length(rows)*(height+cellGap) + cellGap
	canvas := vgimg.NewWith(vgimg.UseWH(wide, high), vgimg.UseDPI(sheetDPI))
	c := draw.New(canvas)
	c.SetColor(color.White)
	c.Fill(c.Path())
	for i, cell := range s.Cells {
		x := cellGap + vg.Length(i%s.Columns)*(cellSide+cellGap)
		top := high - cellGap - vg.Length(i/s.Columns)*(height+cellGap)
		s.draw(c, cell, vg.Rectangle{Min: vg.Point{X: x, Y: top - cellSide}, Max: vg.Point{X: x + cellSide, Y: top}})
	}
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(&b)
	return b.Bytes(), err
}

// draw renders a cell with its image in the square.
func (s Sheet) draw(c draw.Canvas, cell Cell, r vg.Rectangle) {
	in := r
	if cell.Image != nil {
		in = fitted(cell.Image.Bounds(), r)
		c.DrawImage(in, cell.Image)
	}
	for _, b := range cell.Boxes {
		at := func(x, y float64) vg.Point {
			return vg.Point{X: in.Min.X + vg.Length(x)*in.Size().X, Y: in.Max.Y - vg.Length(y)*in.Size().Y}
		}
		frame(c, vg.Rectangle{Min: at(b.At[0], b.At[3]), Max: at(b.At[2], b.At[1])}, boxColor, 0.7)
		tag(c, at(b.At[0], b.At[1]), b.Name)
	}
	if cell.Wrong {
		frame(c, r, wrongColor, 1.5)
	} else {
		frame(c, r, ruled, 0.6)
	}
	style := words(sheetFont, ink)
	style.YAlign = draw.YTop
	for i, line := range s.broken(style, cell.Words) {
		c.FillText(style, vg.Point{X: r.Min.X, Y: r.Min.Y - vg.Points(3) - vg.Points(lineHeight)*vg.Length(i)}, line)
	}
}

// fitted returns the centered part of a square that an image with these sides takes.
func fitted(b image.Rectangle, square vg.Rectangle) vg.Rectangle {
	side := vg.Length(max(b.Dx(), b.Dy(), 1))
	margin := square.Size().Scale(0.5)
	margin.X *= 1 - vg.Length(b.Dx())/side
	margin.Y *= 1 - vg.Length(b.Dy())/side
	return vg.Rectangle{Min: square.Min.Add(margin), Max: square.Max.Sub(margin)}
}

// tag renders the name of a box in its upper left corner, on the box's color.
func tag(c draw.Canvas, corner vg.Point, name string) {
	style := words(5.5, color.White)
	style.YAlign = draw.YTop
	wide, high := style.Width(name)+vg.Points(2), style.Height(name)+vg.Points(2)
	c.FillPolygon(boxColor, []vg.Point{corner, {X: corner.X + wide, Y: corner.Y}, {X: corner.X + wide, Y: corner.Y - high}, {X: corner.X, Y: corner.Y - high}})
	c.FillText(style, corner.Add(vg.Point{X: vg.Points(1), Y: -vg.Points(0.5)}), name)
}

func frame(c draw.Canvas, r vg.Rectangle, line color.Color, width float64) {
	c.StrokeLines(draw.LineStyle{Color: line, Width: vg.Points(width)},
		[]vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}, r.Min})
}

func words(size float64, c color.Color) text.Style {
	f := font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, vg.Points(size))
	return text.Style{Color: c, Font: f, Handler: text.Plain{Fonts: font.DefaultCache}}
}

// broken wraps a text to the width of a cell and cuts it to the sheet's lines.
func (s Sheet) broken(style text.Style, words string) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(words, "\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			longer := strings.TrimSpace(line + " " + word)
			if line != "" && style.Width(longer) > cellSide {
				lines, longer = append(lines, line), word
			}
			line = longer
		}
		lines = append(lines, line)
	}
	return lines[:min(len(lines), s.Lines)]
}
