package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"reflectionflow/internal/bench"
	"reflectionflow/internal/progress"
)

// benchText is the report for people.
func benchText(r bench.Report) string {
	m := r.Machine
	var b strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	processor := m.Processor
	if processor == "" {
		processor = m.OS + "/" + m.Arch
	}
	say("%s, %s, %s of %s, %s", processor, progress.Plural(m.Cores, "core"), progress.Plural(m.Threads, "thread"), m.Go, r.Backends.CPU)
	say("memory: read %s GB/s, copy %s GB/s", digits(m.ReadRate), digits(m.CopyRate))
	if m.FMAPeak > 0 {
		say("arithmetic peak: %s GFLOP/s of fused multiply-adds", digits(m.FMAPeak))
	}
	say("matmul peak: %s GFLOP/s (%s); shares below are of this", digits(m.MatmulPeak), m.MatmulPeakOf)
	if r.Quick {
		say("a quick run: the numbers are not to be quoted")
	} else if m.LoadAverage > 0.5 {
		say("the machine was busy (load average %.2g): the numbers are too low", m.LoadAverage)
	}
	say("\n%s", matmulTable(r.Matmul))
	workloads := []bench.Workload{r.Forward, r.Decode, r.Train}
	say("%s", workloadTable(workloads))
	say("%s", growthTable(workloads))
	for _, w := range workloads {
		say("%s, second execution: %.2g%% of the time in the allocator, %s in %s", w.What, 100*w.Allocation.Share,
			megabytes(w.Allocation.Bytes), progress.Plural(int(w.Allocation.Objects), "object"))
	}
	if len(r.Fallbacks) > 0 {
		say("left to the Go backend: %v", r.Fallbacks)
	}
	say("took %.0f s", r.Seconds)
	return b.String()
}

func matmulTable(rows []bench.Matmul) string {
	table := [][]string{{"matrix product, GFLOP/s", "batch", "m × n × k", "weights", "cpu", "go", "ratio", "least–most"}}
	for _, r := range rows {
		table = append(table, []string{
			r.Name, fmt.Sprint(r.Batch), fmt.Sprintf("%d × %d × %d", r.M, r.N, r.K), r.Weights,
			digits(r.CPU), digits(r.Go), times(r.Ratio), between(r.Ratio),
		})
	}
	return align(table)
}

func workloadTable(rows []bench.Workload) string {
	table := [][]string{{"embedded model", "batch", "backend", "ms", "GFLOP/s", "of peak", "memory", "ratio", "least–most"}}
	for _, w := range rows {
		for i, s := range []bench.Speed{w.CPU, w.Go} {
			row := []string{
				"", "", "go", milliseconds(s.Seconds.Median), digits(s.GFLOPS),
				fmt.Sprintf("%.0f%%", 100*s.ShareOfPeak.Median), megabytes(s.PeakMemory), "", "",
			}
			if i == 0 {
				row[0], row[1], row[2], row[7], row[8] = w.What, fmt.Sprint(w.Batch), "cpu", times(w.Ratio), between(w.Ratio)
			}
			table = append(table, row)
		}
	}
	return align(table)
}

func growthTable(rows []bench.Workload) string {
	table := [][]string{{"how cpu grows", "batch", "threads", "ms", "GFLOP/s", "throughput"}}
	for _, w := range rows {
		for _, part := range []struct {
			by   string
			rows []bench.Growth
		}{{"batch", w.Batches}, {"threads", w.Threads}} {
			for i, g := range part.rows {
				what := ""
				if i == 0 {
					what = w.What + ", by " + part.by
				}
				table = append(table, []string{
					what, fmt.Sprint(g.Batch), fmt.Sprint(g.Threads), milliseconds(g.Seconds), digits(g.GFLOPS), fmt.Sprintf("%.2f×", g.Speedup),
				})
			}
		}
	}
	return align(table)
}

func times(s bench.Spread) string   { return fmt.Sprintf("%.2f×", s.Median) }
func between(s bench.Spread) string { return fmt.Sprintf("%.2f–%.2f", s.Min, s.Max) }

func milliseconds(seconds float64) string { return digits(1000 * seconds) }

// digits is a number of three significant digits, or a whole one.
func digits(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func megabytes(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%.2g MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f MB", float64(n)/1e6)
}

// align sets rows of cells in columns, the first to the left and the others to
// the right, under a line below the head.
func align(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for i, row := range rows {
		line := ""
		for c, cell := range row {
			space := strings.Repeat(" ", widths[c]-utf8.RuneCountInString(cell))
			if c == 0 {
				line = cell + space
			} else {
				line += "  " + space + cell
			}
		}
		line = strings.TrimRight(line, " ")
		b.WriteString(line + "\n")
		if i == 0 {
			b.WriteString(strings.Repeat("─", utf8.RuneCountInString(line)) + "\n")
		}
	}
	return b.String()
}

// benchModelText is the report of a model's parts for people.
func benchModelText(r bench.ModelReport) string {
	m := r.Machine
	var b strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	say("%s, %s of %s, %s", m.Processor, progress.Plural(m.Threads, "thread"), m.Go, r.Backend)
	say("peak: %s GFLOP/s (product %s); memory: read %s GB/s", digits(m.MatmulPeak), m.MatmulPeakOf, digits(m.ReadRate))
	if m.LoadAverage > 0.5 {
		say("the machine was busy (load average %.2g): the numbers are too low", m.LoadAverage)
	}
	say("%s, weights %s, products in %s, %d×%d pixels", r.Model, r.Weights, r.Precision, r.Size, r.Size)
	if r.Scaled {
		say("random weights: one block of each kind was measured and counts as often as the model has it")
	}
	kernels := []string{"products", "convolutions", "attention", "norms and elementwise", "copies and others"}
	table := [][]string{append([]string{"part", "count", "ms", "least–most", "s in all", "GFLOP/s", "of peak", "weights", "bound by"}, kernels...)}
	for _, p := range r.Parts {
		row := []string{
			p.Name, fmt.Sprint(p.Count), digits(1e3 * p.Seconds.Median), digits(1e3*p.Seconds.Min) + "–" + digits(1e3*p.Seconds.Max),
			digits(float64(p.Count) * p.Seconds.Median), digits(p.GFLOPS), fmt.Sprintf("%.0f%%", 100*p.Share), megabytes(int64(p.Bytes)), p.Bound,
		}
		for _, k := range kernels {
			row = append(row, fmt.Sprintf("%.0f%%", 100*p.Kernels[k]))
		}
		table = append(table, row)
	}
	say("\n%s", align(table))
	say("a denoising step takes %s s, encoding a text %s s, decoding an image %s s", digits(r.Step), digits(r.Text), digits(r.Decode))
	return b.String()
}
