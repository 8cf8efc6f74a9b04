package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"reflectionflow/flux"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/progress"
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
			Short: "List the models",
			Args:  cobra.NoArgs,
			RunE:  func(*cobra.Command, []string) error { return p.listModels() },
		},
		&cobra.Command{
			Use:   "show MODEL",
			Short: "Show what a model knows",
			Args:  cobra.ExactArgs(1),
			RunE:  func(_ *cobra.Command, args []string) error { return p.showModel(args[0]) },
		},
		&cobra.Command{
			Use:   "check [MODEL | FOLDER]",
			Short: "Read all files of the models, or of a diffusers folder, and report what is damaged",
			Args:  cobra.MaximumNArgs(1),
			RunE:  p.checkModels,
		})
	return models
}

func (p *program) listModels() error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, m := range p.catalog {
		_, _ = fmt.Fprintf(w, "%s\t%d×%d\t%s\n", m.Name, m.Width, m.Height, m.Summary)
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
		_, _ = fmt.Fprintf(w, "colours\t%s\n", strings.Join(m.Colors, ", "))
	}
	for i, line := range wrap(strings.Join(m.Classes, ", "), 76) {
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
		_, err = fmt.Fprintf(p.stdout, "\n%s\n", strings.TrimSpace(m.Card))
	}
	return err
}

func (p *program) checkModels(cmd *cobra.Command, args []string) error {
	models := p.catalog
	if len(args) == 1 {
		if assemble.IsPath(args[0]) {
			return p.checkFolder(cmd.Context(), args[0])
		}
		m, err := p.catalog.Find(args[0])
		if err != nil && isFolder(args[0]) { // a model goes before a folder of its name
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

// checkFolder compares the weights of a diffusers folder with what its networks
// need, lists what does not fit, and loads the rest: tokenizers, weights and
// corrector.
func (p *program) checkFolder(ctx context.Context, dir string) error {
	folder, err := flux.OpenFolder(dir)
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
	model, err := flux.LoadModel(folder, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	corrector := "no corrector"
	if model.Corrector != nil {
		corrector = "corrector"
	}
	sums := "no checksums"
	if files > 0 {
		sums = "checksums of " + progress.Plural(files, "file")
	}
	return printTo(p.stdout, fmt.Sprintf("%s  ok  %s, %s, %s\n", dir, progress.Plural(model.Store.Parameters(""), "parameter"), corrector, sums))
}

func (p *program) checkWeights(folder *flux.Folder) error {
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

// wrap breaks text between words into lines of at most width bytes, or one word.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line == "" {
		return lines
	}
	return append(lines, line)
}
