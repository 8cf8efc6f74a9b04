package geneval

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"reflectionflow/internal/plot"
)

// figuresFolder holds the figures, each as SVG and PNG.
const figuresFolder = "figures"

// figure is a rendered figure.
type figure struct {
	Name, Title string // Name is that of its files, without extension
	SVG, PNG    []byte
}

// renderer is a figure before it is rendered.
type renderer interface {
	Draw() (svg, png []byte, err error)
}

// figures renders the figures that the evaluation has data for, in the paper's order.
func (r Results) figures(s Summary) ([]figure, error) {
	t := table{r.Manifest, s}
	var list []figure
	for _, f := range []struct {
		name, title string
		renderer
	}{
		{"accuracy", "Score against images by the accuracy of the verifier", t.accuracies()},
		{"needed", "Images that noise needs for the score of reflection at 2", r.needed(t)},
		{"score-images", "Score against images per prompt", t.curves("images per prompt", t.ticks(), func(r Row) float64 { return r.Cost.Images })},
		{"score-seconds", "Score against time", t.curves("seconds per prompt, generating and verifying", nil, func(r Row) float64 { return r.Cost.Seconds })},
		{"tasks", "Score by task", t.tasks()},
		{"difficulty", "Score by difficulty of the prompt", t.levels()},
		{"verifiers", "Choice of the verifier", t.verifiers()},
		{"width-depth", "Width against depth at equal images", t.widths()},
	} {
		if f.renderer == nil {
			continue
		}
		svg, png, err := f.Draw()
		if err != nil {
			return nil, fmt.Errorf("figure %s: %w", f.name, err)
		}
		list = append(list, figure{f.name, f.title, svg, png})
	}
	return list, nil
}

// writeFigures puts the figures into the folder.
func (f *folder) writeFigures(list []figure) error {
	if err := os.MkdirAll(f.in(figuresFolder), 0o755); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	for _, fig := range list {
		if err := f.write(figuresFolder+"/"+fig.Name+".svg", fig.SVG); err != nil {
			return err
		}
		if err := f.write(figuresFolder+"/"+fig.Name+".png", fig.PNG); err != nil {
			return err
		}
	}
	return nil
}

// table finds rows by their strategy.
type table struct {
	Manifest
	sum Summary
}

const yLabel = "right, %"

// rows are those of a strategy, by rising budget.
func (t table) rows(name string) []Row {
	var rows []Row
	for _, r := range t.sum.Rows {
		if r.Strategy == name {
			rows = append(rows, r)
		}
	}
	return rows
}

// row is that of a strategy at a budget.
func (t table) row(name string, budget int) (Row, bool) {
	for _, r := range t.sum.Rows {
		if r.Strategy == name && r.Budget == budget {
			return r, true
		}
	}
	return Row{}, false
}

// plains are the strategies without their variants.
func (t table) plains() []Arm {
	return slices.DeleteFunc(slices.Clone(t.Strategies), func(a Arm) bool { return !a.plain() })
}

// largest is the largest budget.
func (t table) largest() int { return t.Budgets[len(t.Budgets)-1] }

// ticks are the budgets, as ticks of an axis of images.
func (t table) ticks() []float64 {
	ticks := make([]float64, len(t.Budgets))
	for i, b := range t.Budgets {
		ticks[i] = float64(b)
	}
	return ticks
}

// curve is a line through rows.
func curve(name string, rows []Row, x func(Row) float64) plot.Series {
	s := plot.Series{Name: name}
	for _, r := range rows {
		if at := x(r); at > 0 {
			s.X = append(s.X, at)
			s.Y, s.Low, s.High = append(s.Y, 100*r.Overall), append(s.Low, 100*r.CILow), append(s.High, 100*r.CIHigh)
		}
	}
	return s
}

// curves compares the plain strategies.
func (t table) curves(label string, ticks []float64, x func(Row) float64) renderer {
	f := plot.Lines{XLabel: label, YLabel: yLabel, Ticks: ticks}
	for _, a := range t.plains() {
		if s := curve(a.Name, t.rows(a.Name), x); len(s.X) > 0 {
			f.Series = append(f.Series, s)
		}
	}
	if len(f.Series) == 0 {
		return nil
	}
	return f
}

// verifiers compares the variants of a strategy that differ in their verifier; it
// is the first strategy that has some.
func (t table) verifiers() renderer {
	for _, plain := range t.plains() {
		f := plot.Lines{XLabel: "images per prompt", YLabel: yLabel, Ticks: t.ticks()}
		for _, a := range t.Strategies {
			if a.Kind == plain.Kind && a.Errors == nil && a.Width == plain.Width && (a.Verifier != "" || a.plain()) && len(t.rows(a.Name)) > 0 {
				name := a.Verifier
				if name == "" {
					name = "default"
				}
				f.Series = append(f.Series, curve(name, t.rows(a.Name), func(r Row) float64 { return float64(r.Budget) }))
			}
		}
		if len(f.Series) > 1 {
			return f
		}
	}
	return nil
}

// widths compares the variants of a strategy that differ in their width, one curve
// a budget; it is the first strategy that has some.
func (t table) widths() renderer {
	for _, plain := range t.plains() {
		arms := slices.DeleteFunc(slices.Clone(t.Strategies), func(a Arm) bool {
			return a.Kind != plain.Kind || a.Errors != nil || a.Verifier != plain.Verifier || a.Width == 0 || len(t.rows(a.Name)) == 0
		})
		slices.SortStableFunc(arms, func(a, b Arm) int { return a.Width - b.Width })
		arms = slices.CompactFunc(arms, func(a, b Arm) bool { return a.Width == b.Width })
		if len(arms) < 2 {
			continue
		}
		f := plot.Lines{XLabel: "width: parallel chains (depth is images divided by width)", YLabel: yLabel}
		for _, a := range arms {
			f.Ticks = append(f.Ticks, float64(a.Width))
		}
		for _, budget := range t.Budgets {
			s := plot.Series{Name: fmt.Sprintf("%d images", budget)}
			for _, a := range arms {
				if r, ok := t.row(a.Name, budget); ok && a.Width <= budget {
					s.X = append(s.X, float64(a.Width))
					s.Y, s.Low, s.High = append(s.Y, 100*r.Overall), append(s.Low, 100*r.CILow), append(s.High, 100*r.CIHigh)
				}
			}
			if len(s.X) > 1 {
				f.Series = append(f.Series, s)
			}
		}
		if len(f.Series) > 0 {
			return f
		}
	}
	return nil
}

// tasks compares the base and the plain strategies at the largest budget, by task.
func (t table) tasks() renderer {
	f := plot.Bars{YLabel: yLabel}
	tags := t.sum.tags()
	for _, tag := range tags {
		f.Groups = append(f.Groups, fmt.Sprintf("%s\n(%d)", strings.ReplaceAll(tag, "_", "\n"), t.sum.Prompts[tag]))
	}
	for i, r := range t.contenders() {
		f.Series = append(f.Series, grouped(r, tags, r.TagIntervals, t.sum.Prompts))
		f.Series[i].Start = i == 0
	}
	return f
}

// levels compares the same rows by difficulty; nil where it was not probed.
func (t table) levels() renderer {
	f := plot.Bars{YLabel: yLabel}
	var levels []Level
	for _, level := range Levels() {
		if n := t.sum.Levels[level]; n > 0 {
			levels = append(levels, level)
			f.Groups = append(f.Groups, fmt.Sprintf("%s\n(%d prompts)", level, n))
		}
	}
	if len(levels) == 0 {
		return nil
	}
	for i, r := range t.contenders() {
		f.Series = append(f.Series, grouped(r, levels, r.Levels, t.sum.Levels))
		f.Series[i].Start = i == 0
	}
	return f
}

// intervalFrom is how many prompts a bar needs for its interval to be in the figure: that
// of fewer prompts spans half the axis and hides the bar.
const intervalFrom = 10

// grouped is a row's bars.
func grouped[K comparable](r Row, keys []K, means map[K]Estimate, prompts map[K]int) plot.Series {
	s := plot.Series{Name: r.name()}
	for _, key := range keys {
		e, ok := means[key]
		if !ok {
			e.Mean = math.NaN()
		}
		if !ok || prompts[key] < intervalFrom {
			e.Low, e.High = math.NaN(), math.NaN()
		}
		s.Y, s.Low, s.High = append(s.Y, 100*e.Mean), append(s.Low, 100*e.Low), append(s.High, 100*e.High)
	}
	return s
}

// contenders are the first row, which is the base, and those of the plain
// strategies at the largest budget.
func (t table) contenders() []Row {
	rows := []Row{t.sum.Rows[0]}
	for _, a := range t.plains() {
		if r, ok := t.row(a.Name, t.largest()); ok && (a.Name != t.sum.Rows[0].Strategy || r.Budget != t.sum.Rows[0].Budget) {
			rows = append(rows, r)
		}
	}
	return rows
}
