package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

// evaluateCompareCommand compares two rows of a folder of evaluate.
func (p *program) evaluateCompareCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compare DIR STRATEGY@BUDGET OTHER@BUDGET",
		Short: "Compare two strategies of an evaluation, at any two budgets",
		Long: `Compare two rows of the evaluation in DIR: the accuracy of the first minus that of the
second, overall and per task, with 95% intervals by paired bootstrap over prompts; the
number of prompts that only one of them gets right; and the relative error reduction.
The budgets may differ; the summary compares at equal budgets only.`,
		Example: "  reflectionflow evaluate compare runs/evaluation adaptive@8 reflection@32",
		Args:    cobra.ExactArgs(3),
		RunE: func(_ *cobra.Command, args []string) error {
			results, err := p.readResults(args[0])
			if err != nil {
				return err
			}
			comparison, err := results.Compare(args[1], args[2])
			if err != nil {
				return fmt.Errorf("compare: %w", err)
			}
			if !asJSON {
				return printTo(p.stdout, comparison.Markdown())
			}
			data, err := json.Marshal(comparison)
			if err != nil {
				return fmt.Errorf("encode comparison: %w", err)
			}
			return printTo(p.stdout, string(data)+"\n")
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the comparison as JSON")
	return cmd
}
