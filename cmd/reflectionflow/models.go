package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
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
			Use:   "check [MODEL]",
			Short: "Read all files of the models and report what is damaged",
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
	m, err := p.model(name)
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
		m, err := p.model(args[0])
		if err != nil {
			return err
		}
		models = []modelEntry{m}
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
