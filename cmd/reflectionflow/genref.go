package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/genref"
)

// genrefOptions are the flags of genref build.
type genrefOptions struct {
	source, out    string
	model, backend string
	licence        string
	count, shard   int
	seed           uint64
	images, pairs  int
	batch, steps   int
	guidance       float64
	size           string
	quiet          bool
}

func (p *program) genrefCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "genref",
		Short: "Build and check the data of reflection tuning",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.genrefBuildCommand(), p.genrefCheckCommand())
	return cmd
}

const genrefBuildHelp = `Build a set of triplets: a flawed picture, an enhanced picture of the same prompt,
and the instruction that leads from one to the other.

The source rule draws training prompts about what the model knows, several images
each; prompts that come out right at times and wrong at times give pairs of a wrong
picture and the right one that looks most like it.

DIR gets WebDataset shards (genref_0.tar, genref_1.tar, ...) and a manifest.json of
checksums. Stopped in whatever way, the same command goes on with the next shard, to
the same bytes; with a larger --count the set grows.`

func (p *program) genrefBuildCommand() *cobra.Command {
	var o genrefOptions
	cmd := &cobra.Command{
		Use:     "build --out DIR",
		Short:   "Build a set of triplets, or go on with it",
		Long:    genrefBuildHelp,
		Example: `  reflectionflow genref build --source rule --count 2000 --seed 1 --out genref`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.genrefBuild(cmd, o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.out, "out", "", "folder for the set, of the same set to go on with it (required)")
	f.StringVar(&o.source, "source", "rule", "where triplets come from: rule")
	f.IntVar(&o.count, "count", 1000, "triplets of the set")
	f.Uint64Var(&o.seed, "seed", 1, "the same seed gives the same set")
	f.IntVar(&o.images, "images", 4, "pictures a prompt")
	f.IntVar(&o.pairs, "max-pairs", 2, "triplets a prompt at most")
	f.IntVar(&o.shard, "shard", 100, "triplets a shard; what is stopped loses at most one")
	f.IntVar(&o.steps, "steps", 0, "denoising steps an image (default of the model)")
	f.Float64Var(&o.guidance, "guidance", 0, "guidance scale (default of the model)")
	f.StringVar(&o.size, "size", "", "pixels, as 128 or 128x96 (default of the model)")
	f.IntVar(&o.batch, "batch", 8, "prompts drawn at once; does not change the set")
	f.StringVar(&o.licence, "licence", "Apache-2.0", "SPDX identifier to note beside every triplet")
	f.StringVar(&o.model, "model", "", "model to draw with (see: reflectionflow models list), or its folder")
	f.StringVar(&o.backend, "backend", "", "what computes: empty for the CPU, or xla:PLUGIN")
	f.BoolVar(&o.quiet, "quiet", false, "print no progress and no summary")
	return cmd
}

func (p *program) genrefBuild(cmd *cobra.Command, o genrefOptions) error {
	if o.out == "" {
		return fmt.Errorf("%w: --out is missing: name a folder for the set", reflectionflow.ErrInvalid)
	}
	if o.source != "rule" {
		return fmt.Errorf("%w: there is no source %.40q: use rule", reflectionflow.ErrInvalid, o.source)
	}
	model, err := p.model(o.model)
	if err != nil {
		return err
	}
	rule, err := o.rule(cmd.Flags(), model)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	plan, err := o.plan(ctx, model, rule.Config)
	if err != nil {
		return err
	}
	p.noteSlow()
	e, err := model.Open(ctx, o.backend)
	if err != nil {
		return fmt.Errorf("open model %s: %w", model.Name, err)
	}
	if e.Closer != nil {
		defer e.Close() //nolint:errcheck // it was only read
	}
	rule.Generator, rule.Verifier = e.Generator, e.Verifier
	display := newGenrefDisplay(p.stderr, "triplets", o.quiet)
	m, err := genref.Build(ctx, o.out, plan, rule, display.build)
	display.close()
	if err != nil {
		return fmt.Errorf("%d triplets of %d are kept; go on with the same command: %w", m.Triplets(), o.count, err)
	}
	if !o.quiet {
		_, _ = fmt.Fprintf(p.stdout, "%s: %d triplets in %d shards, from %d pictures of %d prompts\n", o.out, m.Triplets(), len(m.Shards), m.Effort().Images, m.Effort().Prompts)
		printCounts(p, "passed over: ", m.Effort().Skipped)
	}
	return nil
}

// rule is the source less the engine.
func (o genrefOptions) rule(flags *pflag.FlagSet, model modelEntry) (*genref.Rule, error) {
	c := genref.RuleConfig{
		Images: o.images, MaxPairs: o.pairs, Batch: o.batch,
		Width: model.Width, Height: model.Height, Steps: model.Steps, Guidance: model.Guidance,
	}
	if flags.Changed("steps") {
		c.Steps = o.steps
	}
	if flags.Changed("guidance") {
		c.Guidance = o.guidance
	}
	if flags.Changed("size") {
		var err error
		if c.Width, c.Height, err = parseSize(o.size); err != nil {
			return nil, err
		}
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	prompts, err := genref.TrainingPrompts(model.Classes)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", model.Name, err)
	}
	return &genref.Rule{Prompts: prompts, Config: c, Model: filepath.Base(model.Name), Licence: o.licence}, nil
}

func (o genrefOptions) plan(ctx context.Context, model modelEntry, c genref.RuleConfig) (genref.Plan, error) {
	sum, err := o.fingerprint(ctx, model)
	if err != nil {
		return genref.Plan{}, fmt.Errorf("model %s: %w", model.Name, err)
	}
	settings, err := c.Settings()
	if err != nil {
		return genref.Plan{}, err
	}
	plan := genref.Plan{
		Source: o.source, Seed: o.seed, Count: o.count, ShardSize: o.shard, Licence: o.licence,
		Model: filepath.Base(model.Name), Fingerprint: sum, Settings: settings,
	}
	return plan, plan.Validate()
}

// fingerprint is a checksum over what draws and verifies. A folder fresh from
// training need not be whole: a set is built before the corrector is tuned on it.
func (o genrefOptions) fingerprint(ctx context.Context, model modelEntry) (string, error) {
	if !strings.ContainsRune(o.model, filepath.Separator) {
		return model.Check(ctx)
	}
	return fingerprint(ctx, without{os.DirFS(o.model), []string{"judge", "README.md", flux.CorrectorFile}})
}

// without is a file system whose root lacks some entries.
type without struct {
	fs.FS
	names []string
}

// ReadDir implements fs.ReadDirFS.
func (w without) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(w.FS, name)
	if name == "." {
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return slices.Contains(w.names, e.Name()) })
	}
	return entries, err
}

func (p *program) genrefCheckCommand() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Read a whole set and say what is wrong with it",
		Long: `Read every shard, member and picture of a set, and compare checksums and counts with
its manifest. Each problem is a line on the standard output, and the exit code is 2.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.genrefCheck(cmd.Context(), args[0], quiet) },
	}
	cmd.Flags().BoolVar(&quiet, "quiet", false, "print nothing but problems")
	return cmd
}

func (p *program) genrefCheck(ctx context.Context, dir string, quiet bool) error {
	display := newGenrefDisplay(p.stderr, "triplets read", quiet)
	report, err := genref.Check(ctx, dir, display.check)
	display.close()
	if err != nil {
		return err
	}
	for _, problem := range report.Problems {
		_, _ = fmt.Fprintln(p.stdout, problem)
	}
	if len(report.Problems) > 0 {
		return fmt.Errorf("%w: %s: %d problems", reflectionflow.ErrInvalid, dir, len(report.Problems))
	}
	if !quiet {
		_, _ = fmt.Fprintf(p.stdout, "%s: %d triplets in %d shards, all whole\n", dir, report.Triplets, report.Shards)
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
