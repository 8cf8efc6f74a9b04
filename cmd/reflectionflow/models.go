package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"reflectionflow/flux/flux1"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/progress"
	"reflectionflow/internal/terminal"
)

func (p *program) modelsCommand() *cobra.Command {
	models := &cobra.Command{
		Use:   "models",
		Short: "List, show and check the models",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	models.AddCommand(
		&cobra.Command{
			Use:   "list",
			Short: "List the models on this machine",
			Long: `List the models of this binary, those in the folders of REFLECTIONFLOW_MODELS, and
those in the cache of Hugging Face, with their size on disk, what they are and the license
that their card names. generate --model takes these names.`,
			Args: cobra.NoArgs,
			RunE:  func(*cobra.Command, []string) error { return p.listModels() },
		},
		&cobra.Command{
			Use:   "show [MODEL]",
			Short: "Show the vocabulary, defaults and card of a model",
			Long: `Show the vocabulary, defaults and card of a model; without an argument, of the
default model, which is the first of "reflectionflow models list".`,
			Args:              cobra.MaximumNArgs(1),
			ValidArgsFunction: p.completeModels,
			RunE:              func(_ *cobra.Command, args []string) error { return p.showModel(strings.Join(args, "")) },
		},
		&cobra.Command{
			Use:   "check [MODEL | FOLDER]",
			Short: "Check every file of a model",
			Long: `Read every file of all models, of one model, or of a diffusers folder, and report
damaged, missing and unusable files. A folder's weights are compared with the names,
shapes and types that its networks need, and its files with SHA256SUMS if it has one.
Of a clip-art model, the detector, verifier and judge are loaded too.`,
			Example: `  reflectionflow models check
  reflectionflow models check ./FLUX.1-dev`,
			Args:              cobra.MaximumNArgs(1),
			ValidArgsFunction: p.completeModels,
			RunE:              p.checkModels,
		})
	return models
}

func (p *program) listModels() error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, m := range p.catalog {
		_, _ = fmt.Fprintf(w, "%s\t%d×%d\t%s\n", m.Name, m.Width, m.Height, m.Summary)
	}
	for _, f := range library().List() {
		what := f.What
		if f.Err != nil {
			what = plainError(f.Err)
		}
		if f.License != "" {
			what += "; license " + f.License
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", terminal.Line(f.Name), terminal.Bytes(f.Bytes), terminal.Line(cmp.Or(what, "of no kind that this program knows")))
	}
	return w.Flush()
}

func (p *program) showModel(name string) error {
	m, err := p.catalog.Find(name)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "name\t%s\n", m.Name)
	_, _ = fmt.Fprintf(w, "summary\t%s\n", m.Summary)
	_, _ = fmt.Fprintf(w, "defaults\t%d×%d pixels, %d steps, guidance %v\n", m.Width, m.Height, m.Steps, m.Guidance)
	if len(m.Colors) > 0 {
		_, _ = fmt.Fprintf(w, "colors\t%s\n", strings.Join(m.Colors, ", "))
	}
	for i, line := range terminal.Wrap(strings.Join(m.Classes, ", "), 76) {
		label := ""
		if i == 0 {
			label = fmt.Sprintf("%d objects", len(m.Classes))
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\n", label, line)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if m.Card != "" {
		err = printTo(p.stdout, "\n"+terminal.Markdown(m.Card, 80))
	}
	return err
}

func (p *program) checkModels(cmd *cobra.Command, args []string) error {
	models := p.catalog
	if len(args) == 1 {
		if assemble.IsPath(args[0]) && isFile(args[0]) {
			return p.checkFile(args[0])
		}
		if assemble.IsPath(args[0]) {
			return p.checkFolder(cmd.Context(), args[0])
		}
		m, err := p.catalog.Find(args[0])
		if err != nil && isFile(args[0]) {
			return p.checkFile(args[0])
		}
		if err != nil && isFolder(args[0]) { // a model hides a folder of its name
			return p.checkFolder(cmd.Context(), args[0])
		}
		if err != nil {
			return err
		}
		models = []assemble.Model{m}
	}
	for _, m := range models {
		fingerprint, err := m.Check(cmd.Context())
		if err != nil {
			return fmt.Errorf("model %s: %w", m.Name, err)
		}
		if _, err := fmt.Fprintf(p.stdout, "%s  ok  sha256 %s\n", m.Name, fingerprint); err != nil {
			return err
		}
	}
	return nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// checkFolder compares the weights of a diffusers folder with what its networks need,
// lists the differences, and loads the tokenizers, weights and corrector; for a model of
// the clip-art world also its other networks.
func (p *program) checkFolder(ctx context.Context, dir string) error {
	folder, err := flux1.OpenFolder(dir)
	if err != nil {
		return err
	}
	if err := p.checkWeights(folder); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	files, err := folder.VerifyChecksums(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	world := assemble.IsWorldFolder(os.DirFS(dir))
	if world {
		m, err := assemble.FolderModel(dir, os.DirFS(dir))
		if err != nil {
			return err
		}
		if _, err := m.Check(ctx); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	model, err := flux1.LoadModel(folder, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	corrector := "no corrector"
	if model.Corrector != nil {
		corrector = "corrector"
	}
	if world && !isFolder(filepath.Join(dir, "verifier")) {
		corrector += ", no reward network (folder verifier)"
	}
	sums := "no checksums"
	if files > 0 {
		sums = "checksums of " + progress.Plural(files, "file")
	}
	return printTo(p.stdout, fmt.Sprintf("%s  ok  %s, %s, %s\n", dir, progress.Plural(model.Store.Parameters(""), "parameter"), corrector, sums))
}

func (p *program) checkWeights(folder *flux1.Folder) error {
	problems, err := folder.CheckWeights()
	if err != nil {
		return err
	}
	for _, line := range problems.Report() {
		if _, err := fmt.Fprintln(p.stdout, line); err != nil {
			return err
		}
	}
	return problems.Err()
}
