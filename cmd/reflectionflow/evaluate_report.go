package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/geneval"
)

// evaluateReportCommand sums up a folder of evaluate again.
func (p *program) evaluateReportCommand() *cobra.Command {
	var asJSON bool
	var verdicts []string
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Sum up an evaluation again, finished or not: tables, figures, report.html",
		Long: `Sum up the evaluation in DIR again, finished or not: tables, figures, report.html.

With --verdicts, the results.jsonl that GenEval's own scorer (evaluate_images.py)
wrote about folders such as DIR/noise-8 takes the place of the judge; then the
table is printed and nothing is written.`,
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
	cmd.Flags().StringArrayVar(&verdicts, "verdicts", nil, "results.jsonl of GenEval's own scorer; may be given several times")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as JSON")
	return cmd
}

// printVerdicts prints the table by other verdicts than the judge's.
func (p *program) printVerdicts(results geneval.Results, paths []string, asJSON bool) error {
	theirs, err := results.WithVerdicts(paths...)
	if err != nil {
		return fmt.Errorf("verdicts: %w", err)
	}
	summary := theirs.Summarize()
	if len(summary.Rows) == 0 {
		return fmt.Errorf("%w: verdicts: they speak of all answers of no strategy at no budget", reflectionflow.ErrInvalid)
	}
	return p.printSummary(summary, asJSON, false)
}

// evaluatePageCommand writes the results page of a folder of evaluate.
func (p *program) evaluatePageCommand() *cobra.Command {
	var into, made string
	cmd := &cobra.Command{
		Use:   "page DIR",
		Short: "Write the paper's tables and figures, each beside ours, as a Markdown page",
		Long: `Write the paper's tables and figures, each beside those of the evaluation in DIR,
and what agrees. The figures go into the folder images beside the page. Notes at
the end of a page that is there already are kept.`,
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
	cmd.Flags().StringVar(&made, "made-by", "reflectionflow evaluate page", "the command that the page says it was made by")
	return cmd
}

// readResults reads an evaluation and says if it is not finished.
func (p *program) readResults(dir string) (geneval.Results, error) {
	results, err := geneval.ReadResults(dir)
	if err != nil {
		return results, err
	}
	if done, total := results.Finished(); done < total {
		_, _ = fmt.Fprintf(p.stderr, "%d of %d searches are done; what is not whole is left out\n", done, total)
	}
	return results, nil
}
