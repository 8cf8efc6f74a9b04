package geneval

import (
	"cmp"
	"fmt"
	"math"
	"strings"
)

// Ablated is what an [Ablation] has measured.
type Ablated struct {
	Wanted      int            `json:"wanted"`       // wrong first images
	First       int            `json:"first_images"` // generated, until there were enough
	Right       int            `json:"right"`        // of them, by the judge
	Refused     int            `json:"refused"`      // of them, by the generator
	Unreflected int            `json:"unreflected"`  // wrong ones without a reflection, left out
	Tags        map[string]int `json:"tags"`         // the wrong ones with a reflection, by task
	Rows        []AblatedRow   `json:"rows"`
	LeftOut     []LeftOut      `json:"left_out,omitempty"`
	Cases       []AblatedCase  `json:"cases"`
}

// AblatedRow is a condition. The estimates are over images, paired by image, and those that
// lack what the condition takes are missing.
type AblatedRow struct {
	Condition Condition `json:"condition"`
	Images    int       `json:"images"`
	Corrected int       `json:"corrected"`
	Share     Estimate  `json:"share"`
	// OverNoise and OverFull are the share less that of fresh noise and of the full reflection;
	// nil for the condition itself, and where the other was left out.
	OverNoise *Estimate `json:"over_noise,omitempty"`
	OverFull  *Estimate `json:"over_full,omitempty"`
}

// LeftOut is a condition that was not measured.
type LeftOut struct {
	Condition Condition `json:"condition"`
	Reason    string    `json:"reason"`
}

// AblatedCase is a wrong first image with what the judge said under each condition.
type AblatedCase struct {
	Prompt     string             `json:"prompt"`
	Tag        string             `json:"tag"`
	Reason     string             `json:"reason"` // why the judge calls the first image wrong
	Reflection string             `json:"reflection"`
	Right      map[Condition]bool `json:"right"`
}

// fill computes the rows and the cases.
func (a *Ablated) fill(flaws []flaw, values map[Condition][]float64) {
	for i, f := range flaws {
		one := AblatedCase{f.metadata.Prompt, f.metadata.Tag, f.reason, f.reflection.Text, make(map[Condition]bool)}
		for c, v := range values {
			if !math.IsNaN(v[i]) {
				one.Right[c] = v[i] == 1
			}
		}
		a.Cases = append(a.Cases, one)
	}
	for _, c := range Conditions() {
		v, measured := values[c]
		if !measured {
			continue
		}
		_, known := scored(make([]string, len(v)), v, isThere)
		row := AblatedRow{Condition: c, Images: len(known), Share: rate(known), OverNoise: over(c, FreshNoise, values), OverFull: over(c, FullReflection, values)}
		for _, right := range known {
			row.Corrected += int(right)
		}
		a.Rows = append(a.Rows, row)
	}
}

func isThere(v float64) bool { return !math.IsNaN(v) }

// over is the difference of two conditions over the images that have both.
func over(c, than Condition, values map[Condition][]float64) *Estimate {
	other, measured := values[than]
	if !measured || c == than {
		return nil
	}
	d := differences(values[c], other)
	_, known := scored(make([]string, len(d)), d, isThere)
	e := difference(known)
	return &e
}

// Markdown is the table for people, in percent. The verdicts of a column are corrected for
// their number.
func (a Ablated) Markdown() string {
	var b strings.Builder
	n := len(a.Cases)
	fmt.Fprintf(&b, "%d wrong first images of %d generated (%d right, %d refused, %d wrong without a reflection), each corrected once.\n", n, a.First, a.Right, a.Refused, a.Unreflected)
	if n < a.Wanted {
		fmt.Fprintf(&b, "%d were wanted: more prompts give more.\n", a.Wanted)
	}
	b.WriteByte('\n')
	noise := a.compared(func(r AblatedRow) *Estimate { return r.OverNoise })
	full := a.compared(func(r AblatedRow) *Estimate { return r.OverFull })
	lines := [][]string{{"condition", "images", "corrected, %", "minus fresh noise", "minus full"}}
	for i, r := range a.Rows {
		lines = append(lines, []string{
			strings.ReplaceAll(string(r.Condition), "-", " "), fmt.Sprint(r.Images),
			fmt.Sprintf("%s (%.0f–%.0f)", percent(r.Share.Mean), 100*r.Share.Low, 100*r.Share.High), noise[i], full[i],
		})
	}
	writeTable(&b, lines)
	for _, l := range a.LeftOut {
		fmt.Fprintf(&b, "\nLeft out: %s: %s.\n", strings.ReplaceAll(string(l.Condition), "-", " "), l.Reason)
	}
	return b.String()
}

// compared words one column of differences as a family.
func (a Ablated) compared(of func(AblatedRow) *Estimate) []string {
	cells := make([]string, len(a.Rows))
	var texts []string
	var p []float64
	var places []int
	for i, r := range a.Rows {
		cells[i] = "–"
		d := of(r)
		if d == nil {
			continue
		}
		size := d.P
		if d.Mean < 0 {
			size = -size
		}
		texts, p, places = append(texts, spanned(*d)+", %s."), append(p, size), append(places, i)
	}
	for n, text := range judgedAll(texts, p) {
		cells[places[n]] = strings.TrimSuffix(cmp.Or(text, "–"), ".")
	}
	return cells
}
