package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/genref"
	"reflectionflow/internal/progress"
)

const genrefExportHelp = `Write the triplets of one set or several for the tuning of other models:

  sharegpt     LLaMA-Factory: a flawed picture and the authors' question to the
               reflector, answered by what to do; with dataset_info.json
  trl          the same in TRL's columns messages and images
  preferences  both pictures and which is better: TRL's columns prompt, chosen,
               rejected and images, and a CSV for the authors' reward trainer

Every row goes by its prompt into train, validation or test, those of imported sets too;
a triplet with a picture of another split is left out, and one that was there before.
Where a triplet is annotated, its instructions take the place of the reflection, and it
is left out where the annotator does not find the enhanced picture better. Paths of
pictures are relative to the folder.

Files of rows appear when they are whole, and export.json lists them with their checksums.
Stopped in whatever way, the same command keeps the pictures that it has written and ends
with the same files; an export that the folder held before stays whole until then.`

func (p *program) genrefExportCommand() *cobra.Command {
	var format, out string
	var quiet bool
	cmd := &cobra.Command{
		Use:     "export DIR... --format FORMAT --out FOLDER",
		Short:   "Write sets for LLaMA-Factory or TRL",
		Long:    genrefExportHelp,
		Example: `  reflectionflow genref export rule general --format sharegpt --out reflector`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("%w: --out is missing: name a folder for the export", reflectionflow.ErrInvalid)
			}
			return p.genrefExport(cmd.Context(), args, genref.ExportOptions{Out: out, Format: genref.Format(format)}, quiet)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&format, "format", string(genref.ShareGPT), "sharegpt, trl or preferences")
	f.StringVar(&out, "out", "", "folder for the export, empty or of the same export (required)")
	f.BoolVar(&quiet, "quiet", false, "print no progress and no summary")
	return cmd
}

func (p *program) genrefExport(ctx context.Context, dirs []string, e genref.ExportOptions, quiet bool) error {
	var err error
	if e.Sets, err = openSets(dirs); err != nil {
		return err
	}
	display := progress.NewSet(p.stderr, "rows", quiet)
	report, err := genref.Export(ctx, e, display.Read)
	display.Close()
	if err != nil && !errors.Is(err, reflectionflow.ErrInvalid) {
		return fmt.Errorf("the images written are kept in %s; resume with the same command: %w", e.Out, err)
	}
	if err != nil {
		return err
	}
	if quiet {
		p.warnProblems(report.Problems)
		return nil
	}
	_, _ = fmt.Fprintf(p.stdout, "%s: %d train, %d validation, %d test\n", e.Out, report.Rows[clipart.Train], report.Rows[clipart.Validation], report.Rows[clipart.Test])
	printCounts(p, "passed over: ", report.Skipped)
	p.printProblems(report.Problems)
	return nil
}
