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

const genrefExportHelp = `Write the triplets of one or more sets as training data for other models:

  sharegpt     LLaMA-Factory: a flawed image and the paper's question to the reflector,
               answered by the instruction; with dataset_info.json
  trl          the same in TRL's columns messages and images
  preferences  both images and which is better: TRL's columns prompt, chosen, rejected
               and images, and a CSV for the paper's reward trainer

Every row goes to train, validation or test by its prompt, also rows of imported sets.
Duplicates, and triplets with an image of another split, are left out. Where a triplet
is annotated, its instructions replace the reflection; it is left out if the annotator
does not find the enhanced image better. Image paths are relative to the folder.

Files of rows appear when they are complete; export.json lists them with checksums. The
same command resumes an interrupted export, to the same files. An earlier export in the
folder stays intact until then.`

func (p *program) genrefExportCommand() *cobra.Command {
	var format, out string
	var quiet bool
	cmd := &cobra.Command{
		Use:     "export DIR... --format FORMAT --out FOLDER",
		Short:   "Export sets for LLaMA-Factory or TRL",
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
	f.StringVar(&out, "out", "", "folder for the export: empty, or that of an interrupted export (required)")
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
	printCounts(p, "skipped: ", report.Skipped)
	p.printProblems(report.Problems)
	return nil
}
