package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"reflectionflow/internal/plot"
)

func series(name string, y ...float64) plot.Series {
	s := plot.Series{Name: name, Y: y}
	for i, v := range y {
		s.X = append(s.X, math.Pow(2, float64(i)))
		s.Low, s.High = append(s.Low, v-3), append(s.High, v+3)
	}
	return s
}

// Figures are well-formed SVG and PNG of the same shape, name their series, and are
// byte-identical every time.
func TestFigures(t *testing.T) {
	all := []plot.Series{series("noise", 66, 74, 78), series("reflection", 76, 85, 87)}
	for name, draw := range map[string]func() (svg, png []byte, err error){
		"lines":  plot.Lines{Title: "Score", XLabel: "images", YLabel: "right, %", Series: all}.Draw,
		"panels": plot.Panels{{Title: "a", Ticks: []float64{1, 4}, Series: all}, {Title: "b", Series: []plot.Series{{Name: "noise"}, all[1]}}}.Draw,
		"needed": plot.Needed{Title: "Score", Ticks: []float64{1, 4, 32}, Series: []plot.Series{{Name: "noise", X: []float64{0, 20}, Y: []float64{3, math.Inf(1)}, Low: []float64{2, 5}, High: []float64{9, math.Inf(1)}}}}.Draw,
		"bars":   plot.Bars{Title: "Score", YLabel: "right, %", Groups: []string{"easy", "medium", "hard"}, Series: all}.Draw,
		"bins":   plot.Bars{Title: "Score", Edges: []string{"0", "0.5", "1", "…"}, Series: all}.Draw,
		"gap":    plot.Bars{Title: "Score", Groups: []string{"easy", "hard"}, Series: []plot.Series{{Name: "noise", Y: []float64{math.NaN(), 5}}}}.Draw,
		"bare":   plot.Bars{Groups: []string{"easy", "hard"}, Series: []plot.Series{{Name: "noise", Y: []float64{5, 6}, Low: []float64{math.NaN(), 4}, High: []float64{math.NaN(), 8}}}}.Draw,
	} {
		vector, pixels, err := draw()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, same, err := draw()
		if err != nil || !bytes.Equal(vector, again) || !bytes.Equal(pixels, same) {
			t.Errorf("%s: the second figure differs (%v)", name, err)
		}
		decoder := xml.NewDecoder(bytes.NewReader(vector))
		for err = nil; err == nil; {
			_, err = decoder.Token()
		}
		if !errors.Is(err, io.EOF) || !strings.Contains(string(vector), ">noise<") || !strings.Contains(string(vector), "sans-serif") {
			t.Errorf("%s: %v in\n%.2000s", name, err, vector)
		}
		img, err := png.Decode(bytes.NewReader(pixels))
		if err != nil || name != "panels" && (img.Bounds().Dx() != 1280 || img.Bounds().Dy() != 760) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFiguresOfBadData(t *testing.T) {
	bad := plot.Series{Name: "noise", X: []float64{1}, Y: []float64{math.NaN()}}
	if _, _, err := (plot.Lines{Series: []plot.Series{bad}}).Draw(); err == nil {
		t.Error("NaN was accepted")
	}
}

// A series with Start has the color of the next one, but pale, so that a strategy has
// one color in all figures.
func TestStartIsPale(t *testing.T) {
	start := series("noise at 1", 66, 74)
	start.Start = true
	vector, _, err := (plot.Bars{Groups: []string{"easy", "hard"}, Series: []plot.Series{start, series("noise at 8", 76, 85)}}).Draw()
	if err != nil {
		t.Fatal(err)
	}
	if svg := strings.ToLower(string(vector)); !strings.Contains(svg, "#545454;fill-opacity:0.50") || strings.Contains(svg, "#0072b2") {
		t.Errorf("no pale gray, or a color of its own:\n%.3000s", svg)
	}
}
