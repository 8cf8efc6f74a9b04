package main

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"reflectionflow/internal/disk"
	"reflectionflow/internal/plot"
	"reflectionflow/verifier"
)

// writeDiagram writes the reliability diagram of a calibration next to its file, and
// returns its path; empty where no kind of requirement is calibrated.
func writeDiagram(file string, c verifier.Calibration) (string, error) {
	if len(c.Kinds) == 0 {
		return "", nil
	}
	figure := plot.Reliability{
		Title: "Reliability of " + c.Verifier, XLabel: "stated probability that a requirement is met, in percent", YLabel: "met, in percent",
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Kinds)) {
		s := plot.Series{Name: fmt.Sprintf("%s (%d)", kind, c.Kinds[kind].Examples)}
		for _, b := range c.Kinds[kind].Bins {
			share, low, high := wilson(b.Met, b.Of)
			s.X, s.Y = append(s.X, 100*b.Stated), append(s.Y, 100*share)
			s.Low, s.High = append(s.Low, 100*low), append(s.High, 100*high)
		}
		figure.Series = append(figure.Series, s)
	}
	svg, _, err := figure.Draw()
	if err != nil {
		return "", err
	}
	path := strings.TrimSuffix(file, filepath.Ext(file)) + ".svg"
	return path, disk.WriteFile(path, svg)
}

// wilson is a share with its 95% interval (Wilson 1927), widened to include the share.
func wilson(n, of int) (share, low, high float64) {
	const z = 1.96
	k, m := float64(n), float64(of)
	share = k / m
	center := (k + z*z/2) / (m + z*z)
	reach := z / (m + z*z) * math.Sqrt(k*(m-k)/m+z*z/4)
	return share, min(max(center-reach, 0), share), max(min(center+reach, 1), share)
}

// kindTable shows how far the findings of each kind of requirement can be trusted; empty
// where none is calibrated.
func kindTable(rows []calibrated) (string, error) {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nVERIFIER\tREQUIREMENTS\tLABELS\tMET\tPASSED OF WRONG\tAUC\tBRIER\tWEIGHT") // a tabwriter reports at Flush
	empty := true
	for _, r := range rows {
		for _, kind := range slices.Sorted(maps.Keys(r.result.Kinds)) {
			k := r.result.Kinds[kind]
			_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d of %d\t%.3f\t%.3f\t%.2f\n", r.name, kind, k.Examples, k.Met, k.Passed, k.Examples-k.Met, k.AUC, k.Brier, k.Weight)
			empty = false
		}
	}
	if empty {
		return "", nil
	}
	if err := w.Flush(); err != nil {
		return "", fmt.Errorf("%w: %w", errPrint, err)
	}
	out.WriteString("WEIGHT: how far a finding is trusted, from 0 (it carries no information) to 1. PASSED OF WRONG: requirements called met that are not.\n")
	for _, r := range rows {
		for _, line := range warnings(r.result) {
			out.WriteString(line + "\n")
		}
	}
	return out.String(), nil
}

// warnings say which findings a search will not trust.
func warnings(c verifier.Calibration) []string {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(c.Kinds)) {
		k := c.Kinds[kind]
		switch {
		case k.YesToEverything():
			list = append(list, fmt.Sprintf("warning: %s says yes to everything for %s: it calls %d of %d met that are not (weight %.2f)", c.Verifier, kind, k.Passed, k.Examples-k.Met, k.Weight))
		case k.Weight < verifier.LeastWeight:
			list = append(list, fmt.Sprintf("warning: %s tells nothing about %s (weight %.2f): with this calibration its findings count as not judged", c.Verifier, kind, k.Weight))
		}
	}
	return list
}
