package geneval

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"image/png"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow/internal/plot"
)

// The judge's contact sheet has as many right as wrong images of each task.
const (
	judgeSheetName    = "judge"
	judgeSheetEach    = 3
	judgeSheetColumns = 2 * judgeSheetEach
	judgeSheetLines   = 5
)

// judgeSheet shows images of every task with the judge's detections and verdicts, for a
// person to check. Wrong ones are framed. An image that cannot be read is left out.
func (r Results) judgeSheet() ([]byte, error) {
	sheet := plot.Sheet{Columns: judgeSheetColumns, Lines: judgeSheetLines}
	for _, tag := range slices.Compact(slices.Sorted(slices.Values(r.tags()))) {
		for _, correct := range []bool{true, false} {
			for _, rec := range r.spread(tag, correct, judgeSheetEach) {
				cell, err := r.judgedCell(rec)
				if err != nil {
					return nil, err
				}
				if cell.Image != nil {
					sheet.Cells = append(sheet.Cells, cell)
				}
			}
		}
	}
	return sheet.PNG()
}

// spread picks n records of a task and a verdict, each of another image, evenly.
func (r Results) spread(tag string, correct bool, n int) []Record {
	seen, all := map[string]bool{}, []Record{}
	for _, rec := range r.Records {
		// Strategies share first images, which have equal detections.
		image := fmt.Sprintf("%d %s", rec.Index, rec.Details)
		if rec.Tag == tag && rec.Correct == correct && rec.Filename != "" && !seen[image] {
			seen[image] = true
			all = append(all, rec)
		}
	}
	slices.SortStableFunc(all, func(a, b Record) int { return cmp.Compare(a.Index, b.Index) })
	var picked []Record
	for i := range min(n, len(all)) {
		picked = append(picked, all[i*len(all)/min(n, len(all))])
	}
	return picked
}

func (r Results) judgedCell(rec Record) (plot.Cell, error) {
	cell := plot.Cell{Wrong: !rec.Correct, Words: strings.TrimPrefix(rec.Prompt, "a photo of ") + "\n"}
	if rec.Correct {
		cell.Words += "right"
	} else {
		cell.Words += strings.ReplaceAll(rec.Reason, "\n", "; ")
	}
	data, err := readBounded(filepath.Join(r.Dir, filepath.FromSlash(rec.Filename)), maxImageBytes)
	if err != nil {
		return plot.Cell{}, nil //nolint:nilerr // the report lists what cannot be read
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return plot.Cell{}, nil //nolint:nilerr // the report lists what cannot be read
	}
	cell.Image = img
	var boxes map[string][][5]float64
	if err := json.Unmarshal([]byte(rec.Details), &boxes); err != nil {
		return plot.Cell{}, invalid("details of %s: %v", rec.Filename, err)
	}
	width, height := float64(img.Bounds().Dx()), float64(img.Bounds().Dy())
	for _, class := range slices.Sorted(maps.Keys(boxes)) {
		for _, b := range boxes[class] {
			cell.Boxes = append(cell.Boxes, plot.Box{At: [4]float64{b[0] / width, b[1] / height, b[2] / width, b[3] / height}, Name: class})
		}
	}
	return cell, nil
}
