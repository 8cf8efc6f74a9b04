package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
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
	var o checkOptions
	check := &cobra.Command{
		Use:   "check [MODEL | FOLDER | FILE]",
		Short: "Check every file of a model",
		Long: `Read every file of all models, of one model, or of a diffusers folder, and report
damaged, missing and unusable files. A folder's weights are compared with the names,
shapes and types that its networks need, and its files with SHA256SUMS if it has one.
The values of tensors up to 16 MB are read; those of larger ones are checked when an image
is generated.
Of a clip-art model, the detector, verifier and judge are loaded too.

Of another folder it also says how much memory an image takes and how long a denoising step
takes here: it measures a product with one of the model's matrices. A file says what it is,
and what it lacks to be a model; with that, given by flags, it is checked like a folder.`,
		Example: `  reflectionflow models check
  reflectionflow models check ./FLUX.1-dev --size 512`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeModels,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.checkModels(cmd.Context(), strings.Join(args, ""), o)
		},
	}
	check.Flags().StringVar(&o.size, "size", "", "pixels of the image that memory and time are estimated for: 512 or 512x384 (default: the model's)")
	registerParts(check.Flags(), &o.files)
	models.AddCommand(
		check,
		&cobra.Command{
			Use:   "list",
			Short: "List the models on this machine",
			Long: `List the models of this binary, those in the folders of REFLECTIONFLOW_MODELS, and
those in the cache of Hugging Face, with their size on disk, what they are and the license
that their card names. generate --model takes these names.`,
			Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return p.listModels() },
		},
		&cobra.Command{
			Use:   "show [MODEL]",
			Short: "Show the vocabulary, defaults and card of a model",
			Long: `Show the vocabulary, defaults and card of a model; without an argument, of the
default model, which is the first of "reflectionflow models list".`,
			Args:              cobra.MaximumNArgs(1),
			ValidArgsFunction: p.completeModels,
			RunE:              func(_ *cobra.Command, args []string) error { return p.showModel(strings.Join(args, "")) },
		})
	return models
}

func (p *program) listModels() error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, m := range p.catalog {
		_, _ = fmt.Fprintf(w, "%s\t%d×%d\t%s\n", m.Name, m.Width, m.Height, m.Summary)
	}
	for _, folder := range library().Folders {
		if !isFolder(folder) {
			_, _ = fmt.Fprintf(p.stderr, "warning: REFLECTIONFLOW_MODELS: there is no folder %s\n", folder)
		}
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
	if !p.catalog.Own(name, library()) {
		return fmt.Errorf("%w: %s has no vocabulary and no card to show: see what it is with reflectionflow models check %[2]s", reflectionflow.ErrInvalid, name)
	}
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

func (p *program) checkModels(ctx context.Context, name string, o checkOptions) error {
	models := p.catalog
	if name != "" {
		path, err := library().Find(name)
		own := slices.ContainsFunc(models, func(m assemble.Model) bool { return m.Name == name }) // it hides a folder of its name
		switch {
		case own:
			m, _ := models.Find(name) // it is there
			models = []assemble.Model{m}
		case err != nil && !assemble.IsPath(name):
			_, unknown := models.Find(name)
			return unknown
		case err != nil:
			return err
		case isFile(path):
			return p.checkFile(ctx, path, o)
		default:
			return p.checkFolder(ctx, path, o)
		}
	}
	for _, m := range models {
		fingerprint, err := m.Check(ctx)
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

// checkOptions are the flags of models check.
type checkOptions struct {
	size  string
	files config.Weights // that a file lacks
}

// pixels returns the size of images, 0 for the model's own.
func (o checkOptions) pixels() (width, height int, err error) {
	if o.size == "" {
		return 0, 0, nil
	}
	if width, height, err = config.ParseSize(o.size); err == nil {
		err = reflectionflow.Request{Prompt: "any", Width: width, Height: height, Steps: 1}.Validate()
	}
	return width, height, err
}

// checkFolder checks a diffusers folder; of a model of the clip-art world also the other
// networks.
func (p *program) checkFolder(ctx context.Context, dir string, o checkOptions) error {
	model, err := assemble.OpenInspected(dir, o.files)
	if err != nil {
		return err
	}
	return p.checkModel(ctx, dir, model, o)
}

// checkModel compares the weights of a model with what its networks need, lists the
// differences, loads everything, and says what an image will cost.
func (p *program) checkModel(ctx context.Context, path string, model *assemble.Inspected, o checkOptions) error {
	width, height, err := o.pixels()
	if err != nil {
		return err
	}
	if err := p.checkWeights(model); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	world := isFolder(path) && assemble.IsWorldFolder(os.DirFS(path))
	if world {
		if err := checkWorld(ctx, path); err != nil {
			return err
		}
	}
	found, err := model.Inspect(ctx, "", width, height)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	corrector := "cannot correct images"
	if found.Corrects {
		corrector = "corrects images"
	}
	if world && !isFolder(filepath.Join(path, "verifier")) {
		corrector += ", no reward network (folder verifier)"
	}
	sums := "no checksums"
	if found.Checksums > 0 {
		sums = "checksums of " + progress.Plural(found.Checksums, "file")
	}
	text := fmt.Sprintf("%s  ok  %s, %s, %s\n", path, progress.Plural(found.Parameters, "parameter"), corrector, sums)
	if !world {
		text += inspection(found)
	}
	return printTo(p.stdout, text)
}

// checkWorld loads the networks of a model of the clip-art world.
func checkWorld(ctx context.Context, dir string) error {
	m, err := assemble.FolderModel(dir, os.DirFS(dir))
	if err != nil {
		return err
	}
	if _, err := m.Check(ctx); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

// inspection says what a model is and what an image will cost.
func inspection(i *assemble.Inspection) string {
	var b strings.Builder
	say := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(&b, "  %-9s%s\n", what, fmt.Sprintf(format, args...)) // a Builder takes everything
	}
	say("model", "%s", i.What)
	say("weights", "%s in %s, mapped from the files", terminal.Bytes(i.Weights()), i.StoredTypes())
	correcting := ""
	if i.Correcting > 0 {
		correcting = fmt.Sprintf(", %s to correct an image", terminal.Bytes(i.Correcting))
	}
	say("memory", "%s beside the weights, for %d×%d pixels%s", terminal.Bytes(i.Working), i.Width, i.Height, correcting)
	if need := max(i.Working, i.Correcting); need > i.Free {
		say("warning", "the memory does not suffice for images of %d×%d pixels: %s are free; use a smaller --size or free memory", i.Width, i.Height, terminal.Bytes(i.Free))
	} else if all := i.Weights() + need; all > i.Free {
		say("warning", "weights and memory are about %s, and %s are free: the weights will be read from the disk in each step", terminal.Bytes(all), terminal.Bytes(i.Free))
	}
	say("time", "about %s per step, and %d steps by default (%.2g TFLOP per step; a product with its largest matrix ran at %.2g TFLOP/s)",
		terminal.Elapsed(time.Duration(i.StepSeconds()*float64(time.Second))), i.Steps, i.StepWork/1e12, i.Speed/1e12)
	return b.String()
}

func (p *program) checkWeights(model *assemble.Inspected) error {
	problems, err := model.Problems()
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
