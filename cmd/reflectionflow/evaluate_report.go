package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/geneval"
)

// evaluateReportCommand writes the report of an evaluation again.
func (p *program) evaluateReportCommand() *cobra.Command {
	var asJSON bool
	var verdicts []string
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Write the tables, figures and report of an evaluation again",
		Long: `Write the tables, figures and report.html of the evaluation in DIR again, finished or not.

With --verdicts, the verdicts are those of GenEval's own scorer (evaluate_images.py): the
results.jsonl that it wrote for folders such as DIR/noise-8. Then the table is printed
and nothing is written.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			results, err := p.readResults(args[0])
			if err != nil {
				return err
			}
			if len(verdicts) > 0 {
				return p.printVerdicts(results, verdicts, asJSON)
			}
			summary, err := results.Publish()
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(p.stderr, "report: %s\n", filepath.Join(args[0], "report.html"))
			return p.printSummary(summary, asJSON, false)
		},
	}
	cmd.Flags().StringArrayVar(&verdicts, "verdicts", nil, "results.jsonl of GenEval's own scorer; repeatable")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as JSON")
	return cmd
}

// printVerdicts prints the table by verdicts from files.
func (p *program) printVerdicts(results geneval.Results, paths []string, asJSON bool) error {
	theirs, err := results.WithVerdicts(paths...)
	if err != nil {
		return fmt.Errorf("verdicts: %w", err)
	}
	summary := theirs.Summarize()
	if len(summary.Rows) == 0 {
		return fmt.Errorf("%w: verdicts: they cover no strategy and budget completely", reflectionflow.ErrInvalid)
	}
	return p.printSummary(summary, asJSON, false)
}

// evaluatePageCommand writes the results page of a folder of evaluate.
func (p *program) evaluatePageCommand() *cobra.Command {
	var into, made string
	cmd := &cobra.Command{
		Use:   "page DIR",
		Short: "Write a Markdown page that compares the results with the paper's",
		Long: `Write the paper's tables and figures next to those of the evaluation in DIR, and what
agrees. Figures go into the folder images next to the page. Notes at the end of an
existing page are kept.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			results, err := p.readResults(args[0])
			if err != nil {
				return err
			}
			return results.WritePage(into, made)
		},
	}
	cmd.Flags().StringVar(&into, "into", "docs/results.md", "the page")
	cmd.Flags().StringVar(&made, "made-by", "reflectionflow evaluate page", "the command that the page names as its source")
	return cmd
}

// readResults reads an evaluation and notes on the standard error if it is not finished.
func (p *program) readResults(dir string) (geneval.Results, error) {
	results, err := geneval.ReadResults(dir)
	if err != nil {
		return results, err
	}
	if done, total := results.Finished(); done < total {
		_, _ = fmt.Fprintf(p.stderr, "%d of %d searches are done; incomplete rows are left out\n", done, total)
	}
	return results, nil
}
