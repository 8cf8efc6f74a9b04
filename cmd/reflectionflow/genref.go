package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/genref"
	"reflectionflow/internal/progress"
)

func (p *program) genrefCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "genref",
		Short: "Build, annotate, check and export training data for correctors",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.genrefBuildCommand(), p.genrefAnnotateCommand(), p.genrefStatsCommand(), p.genrefExportCommand(), p.genrefCheckCommand())
	return cmd
}

func (p *program) genrefCheckCommand() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Verify the integrity of a set",
		Long: `Read every shard and image of a set. Check checksums and counts against the manifest,
that no triplet occurs twice, and that every prompt is of the set's split. Each problem
is a line on the standard output; with problems the exit code is 2.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.genrefCheck(cmd.Context(), args[0], quiet) },
	}
	cmd.Flags().BoolVar(&quiet, "quiet", false, "print nothing but problems")
	return cmd
}

func (p *program) genrefCheck(ctx context.Context, dir string, quiet bool) error {
	display := progress.NewSet(p.stderr, "triplets read", quiet)
	report, err := genref.Check(ctx, dir, display.Read)
	display.Close()
	if err != nil {
		return err
	}
	for _, problem := range report.Problems.Listed {
		_, _ = fmt.Fprintln(p.stdout, problem)
	}
	if total := report.Problems.Total(); total > 0 {
		if total > len(report.Problems.Listed) {
			_, _ = fmt.Fprintf(p.stdout, "and %d more\n", total-len(report.Problems.Listed))
		}
		printCounts(p, "problems: ", report.Problems.Counts)
		return fmt.Errorf("%w: %s: %d problems", reflectionflow.ErrInvalid, dir, total)
	}
	if !quiet {
		_, _ = fmt.Fprintf(p.stdout, "%s: %d triplets in %d shards, all intact\n", dir, report.Triplets, report.Shards)
		printCounts(p, "subsets: ", report.Subsets)
	}
	return nil
}

// printCounts prints counts on one line, in order of name.
func printCounts(p *program, title string, counts map[string]int) {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	if len(parts) > 0 {
		_, _ = fmt.Fprintln(p.stdout, title+strings.Join(parts, ", "))
	}
}
