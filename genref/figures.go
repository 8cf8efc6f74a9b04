package genref

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"reflectionflow/internal/disk"
	"reflectionflow/internal/plot"
)

// Publish writes the statistics into a folder: stats.json; the figures sources, categories,
// score-gaps and reflection-words as SVG and PNG, where there is data; contact-sheet.png.
func (s Stats) Publish(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return placeError(dir, err)
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode statistics: %w", err)
	}
	files := map[string][]byte{"stats.json": append(data, '\n')}
	for name, f := range s.figures() {
		svg, png, err := f.Draw()
		if err != nil {
			return fmt.Errorf("figure %s: %w", name, err)
		}
		files[name+".svg"], files[name+".png"] = svg, png
	}
	sheet, err := s.sheet()
	if err != nil {
		return err
	}
	if sheet != nil {
		files["contact-sheet.png"] = sheet
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := disk.WriteFile(filepath.Join(dir, name), files[name]); err != nil {
			return fmt.Errorf("write statistics: %w", err)
		}
	}
	return nil
}

func (s Stats) figures() map[string]plot.Bars {
	figures := make(map[string]plot.Bars)
	if s.Triplets > 0 {
		figures["sources"] = counted("Triplets by source", "share of the set, %", s.Sources, s.Triplets)
	}
	if s.Annotated > 0 {
		total := 0
		for _, n := range s.Categories {
			total += n
		}
		figures["categories"] = counted(fmt.Sprintf("Differences of %d annotated triplets", s.Annotated), "share of the differences, %", s.Categories, total)
	}
	if len(s.ScoreGaps.Rows) > 0 {
		figures["score-gaps"] = s.ScoreGaps.bars("Score of the enhanced image minus that of the flawed one", false)
	}
	if len(s.Words.Rows) > 0 {
		figures["reflection-words"] = s.Words.bars("Words of a reflection", true)
	}
	return figures
}

// counted returns a figure of counts, the largest first.
func counted(title, label string, counts map[string]int, total int) plot.Bars {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	f := plot.Bars{Title: title, YLabel: label}
	var share plot.Series
	for _, name := range names {
		f.Groups = append(f.Groups, fmt.Sprintf("%s\n%d", name, counts[name]))
		share.Y = append(share.Y, 100*float64(counts[name])/float64(max(total, 1)))
	}
	f.Series = []plot.Series{share}
	return f
}

// bars returns a figure of the distributions side by side. The edges of the bins are below
// their borders, or in the middle if each bin is one number.
func (h Histogram) bars(title string, whole bool) plot.Bars {
	f := plot.Bars{Title: title, YLabel: "share of the triplets, %"}
	var edges []string
	for _, edge := range h.Edges {
		edges = append(edges, strconv.FormatFloat(edge, 'g', 3, 64))
	}
	last := len(edges) - 1
	if whole && (last == 0 || h.Edges[1]-h.Edges[0] == 1) {
		edges[last] = "≥ " + edges[last]
		f.Groups = edges
	} else {
		f.Edges = append(edges, "…")
	}
	for _, row := range h.Rows {
		series := plot.Series{Name: fmt.Sprintf("%s (%d)", row.Name, row.Count)}
		for _, n := range row.Bins {
			series.Y = append(series.Y, 100*float64(n)/float64(row.Count))
		}
		f.Series = append(f.Series, series)
	}
	return f
}

// The size of the contact sheet, in cells per row and lines of text per cell.
const (
	sheetColumns = 6 // three triplets per row
	sheetLines   = 4
)

// sheet returns the examples as PNG, the flawed image framed and on the left; nil if there
// are none.
func (s Stats) sheet() ([]byte, error) {
	sheet := plot.Sheet{Columns: sheetColumns, Lines: sheetLines}
	for _, e := range s.Examples {
		flawed, enhanced, err := e.decoded()
		if err != nil {
			continue // reported by genref check
		}
		sheet.Cells = append(sheet.Cells,
			plot.Cell{Image: flawed, Wrong: true, Words: "flawed (" + e.Subset + "): " + e.Prompt},
			plot.Cell{Image: enhanced, Words: "enhanced: " + e.Reflection})
	}
	if len(sheet.Cells) == 0 {
		return nil, nil
	}
	return sheet.PNG()
}
