package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/genref"
	"reflectionflow/internal/progress"
)

func (p *program) genrefStatsCommand() *cobra.Command {
	var out string
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:   "stats DIR...",
		Short: "Show statistics of sets, with figures",
		Long: `Count the triplets of one or more sets by source, subset, split and annotation, and show
the distributions of score differences and reflection lengths. DIR/stats, or the folder
of --out, gets the statistics as JSON, figures (SVG and PNG), and a contact sheet of
some triplets: each flawed image, framed, next to the enhanced one.`,
		Example: `  reflectionflow genref stats rule
  reflectionflow genref stats rule general length edits --out figures`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case out == "" && len(args) > 1:
				return fmt.Errorf("%w: --out is missing: name a folder for the figures of several sets", reflectionflow.ErrInvalid)
			case out == "":
				out = filepath.Join(args[0], "stats")
			}
			sets, err := openSets(args)
			if err != nil {
				return err
			}
			stats, err := p.genrefStats(cmd.Context(), sets, out, quiet)
			switch {
			case err != nil:
				return err
			case asJSON:
				return json.NewEncoder(p.stdout).Encode(stats)
			case quiet:
				p.warnProblems(stats.Problems)
			default:
				p.printStats(strings.Join(args, ", "), stats)
				_, _ = fmt.Fprintf(p.stdout, "\nfigures and contact sheet: %s\n", out)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&out, "out", "", "folder for the figures (default: DIR/stats; required for several sets)")
	f.BoolVar(&asJSON, "json", false, "print the statistics as JSON")
	f.BoolVar(&quiet, "quiet", false, "print no progress and no table")
	return cmd
}

// openSets opens the sets of several folders.
func openSets(dirs []string) ([]*genref.Set, error) {
	var sets []*genref.Set
	for _, dir := range dirs {
		set, err := genref.Open(dir)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}

func (p *program) genrefStats(ctx context.Context, sets []*genref.Set, out string, quiet bool) (genref.Stats, error) {
	display := progress.NewSet(p.stderr, "triplets read", quiet)
	stats, err := genref.CollectStats(ctx, sets, display.Read)
	display.Close()
	if err != nil {
		return stats, err
	}
	return stats, stats.Publish(out)
}

// printStats prints the statistics as tables.
func (p *program) printStats(dir string, s genref.Stats) {
	_, _ = fmt.Fprintf(p.stdout, "%s: %d triplets in %d shards\n", dir, s.Triplets, s.Shards)
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	section := func(title string, counts map[string]int) {
		total := 0
		for _, n := range counts {
			total += n
		}
		if total == 0 {
			return
		}
		_, _ = fmt.Fprintf(w, "\n%s\t\t\n", title)
		names := slices.Sorted(maps.Keys(counts))
		slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
		for _, name := range names {
			_, _ = fmt.Fprintf(w, "  %s\t%d\t%.1f%%\n", name, counts[name], 100*float64(counts[name])/float64(total))
		}
	}
	section("source", s.Sources)
	section("subset", s.Subsets)
	section("split by prompt", s.Splits)
	openings := make(map[string]int)
	for _, o := range s.Openings {
		openings[o.Word] = o.Count
	}
	section("instructions begin with", openings)
	section("annotator prefers", s.Better)
	section("differences by category", s.Categories)
	section("not annotated", s.Unannotated)
	_ = w.Flush()
	p.printDistributions("words of a reflection", s.Words, "%.0f")
	p.printDistributions("score of the enhanced minus the flawed image", s.ScoreGaps, "%.3f")
	p.printProblems(s.Problems)
}

func (p *program) printDistributions(title string, h genref.Histogram, format string) {
	if len(h.Rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\n%s\ttriplets\tmean\t5%%\tmedian\t95%%\n", title)
	number := func(x float64) string { return fmt.Sprintf(format, x) }
	for _, r := range h.Rows {
		_, _ = fmt.Fprintf(w, "  %s\t%d\t%.2f\t%s\t%s\t%s\n", r.Name, r.Count, r.Mean, number(r.P5), number(r.Median), number(r.P95))
	}
	_ = w.Flush()
}
