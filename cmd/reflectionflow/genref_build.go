package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux/flux1"
	"reflectionflow/genref"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/progress"
)

// genrefOptions are the flags of genref build.
type genrefOptions struct {
	source, out string
	engineOptions
	licence, split             string
	count, shard               int
	seed                       uint64
	images, corrections, pairs int
	batch, steps               int
	guidance                   float64
	size                       string
	prompts, from              string
	columns                    map[string]string
	rewards                    []string
	combine                    string
	quiet                      bool
}

const genrefBuildHelp = `Build a set of triplets: a flawed image, an enhanced image of the same prompt, and the
instruction that leads from one to the other. Sources:

  rule        several images per prompt; a wrong image is paired with the right one that
              looks most like it
  correction  several images per prompt; wrong ones are corrected several times. Right
              corrections are paired with the wrong image and with failed corrections
  mended      several images per prompt of the clip-art world; a wrong image is paired
              with a rendered scene: its detected objects, corrected
  reward      several images per prompt, ranked by an ensemble of rewards; the best is
              paired with the worst
  length      an image of a longer wording is paired with that of the prompt itself,
              where it is better
  editing     rendered scenes with and without a fault; with --from, the rows of a set
              of instruction-based edits in WebDataset shards or Parquet files

Prompts are sampled from the model's vocabulary, or read from --prompts. Each belongs to
one of three splits by its content, and a set uses one split, so that no test prompt is
trained on. --config or --generator replaces the embedded generator, verifier, reflector
and refiner.

DIR gets WebDataset shards (genref_0.tar, genref_1.tar, ...) and a manifest.json of
checksums. Duplicate triplets, and those that look the same for the same prompt, are
dropped. The same command resumes an interrupted build with the next shard, to the same
bytes; a larger --count extends the set. Replies of servers for an unfinished shard are
kept in DIR/unfinished, so that they are paid for once.`

func (p *program) genrefBuildCommand() *cobra.Command {
	var o genrefOptions
	cmd := &cobra.Command{
		Use:   "build --out DIR",
		Short: "Build a set of triplets",
		Long:  genrefBuildHelp,
		Example: `  reflectionflow genref build --source rule --count 2000 --seed 1 --out rule
  reflectionflow genref build --source editing --from omniedit/ --out edits
  reflectionflow genref build --source reward --config flux.yaml --rewards clip,hps=2 --out general`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.genrefBuild(cmd, o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.out, "out", "", "folder for the set; that of an interrupted build resumes it (required)")
	f.StringVar(&o.source, "source", "rule", "how triplets are made: rule, correction, mended, reward, length or editing")
	f.IntVar(&o.count, "count", 1000, "triplets of the set (default with --from: all)")
	seedFlag(f, &o.seed, "the same seed builds the same set")
	f.StringVar(&o.prompts, "prompts", "", "file with one prompt per line: text, or JSON with \"prompt\" and optionally \"long\"")
	f.StringVar(&o.split, "split", "train", "split of the prompts: train, validation or test; all only with --from or --prompts")
	f.IntVar(&o.images, "images", 4, "images per prompt (rule, correction, mended, reward)")
	f.IntVar(&o.corrections, "corrections", 4, "corrections per wrong image (correction)")
	f.IntVar(&o.pairs, "max-pairs", 2, "most triplets per prompt (rule) or per wrong image (correction)")
	f.StringSliceVar(&o.rewards, "rewards", nil, "verifiers of the configuration that rank, with optional weights: NAME=2 (reward; default: the embedded ones)")
	f.StringVar(&o.combine, "combine", string(genref.ByRank), "how rewards are combined: rank or zscore (reward)")
	f.StringVar(&o.from, "from", "", "file or folder of an existing set (editing)")
	f.StringToStringVar(&o.columns, "columns", nil, "column names of --from: flawed=A,enhanced=B,prompt=C,reflection=D (default: well-known names)")
	f.IntVar(&o.shard, "shard", 100, "triplets per shard; an interrupted build loses at most one shard")
	f.IntVar(&o.steps, "steps", 0, "denoising steps per image (default: the model's)")
	f.Float64Var(&o.guidance, "guidance", 0, "guidance scale (default: the model's)")
	f.StringVar(&o.size, "size", "", "pixels: 128 or 128x96 (default: the model's)")
	o.registerAnySize(f)
	f.IntVar(&o.batch, "batch", 8, "prompts processed at once; does not change the set")
	f.StringVar(&o.licence, "licence", "Apache-2.0", "SPDX identifier recorded with every triplet")
	f.StringVar(&o.deployment, "config", "", "configuration of generator, verifier and other parts (see: reflectionflow config)")
	f.StringVar(&o.generator, "generator", "", "generate with the server at this URL (see: reflectionflow generate --help)")
	f.StringVar(&o.model, "model", "", "model that generates: a name (see: reflectionflow models list) or a folder with a slash")
	o.registerCompute(f)
	f.BoolVar(&o.quiet, "quiet", false, "print no progress and no summary")
	return cmd
}

func (p *program) genrefBuild(cmd *cobra.Command, o genrefOptions) error {
	if o.out == "" {
		return fmt.Errorf("%w: --out is missing: name a folder for the set", reflectionflow.ErrInvalid)
	}
	if err := o.check(cmd.Flags()); err != nil {
		return err
	}
	b := genrefBuilder{program: p, options: &o, flags: cmd.Flags(), ledger: &endpoint.Ledger{}}
	defer b.close()
	planned, err := b.plan(cmd.Context())
	if err != nil {
		return err
	}
	plan := planned.plan
	display := progress.NewSet(p.stderr, "triplets", o.quiet)
	m, err := b.build(cmd.Context(), planned, display.Build)
	display.Close()
	if err != nil && m.Triplets() == 0 && cmd.Context().Err() == nil {
		return err
	}
	if err != nil && cmd.Context().Err() != nil { // where the work was when it was stopped is of no use
		return fmt.Errorf("stopped; %d triplets%s are kept; resume with the same command: %w", m.Triplets(), ofCount(plan.Count), context.Canceled)
	}
	if err != nil {
		return fmt.Errorf("%d triplets%s are kept; resume with the same command: %w", m.Triplets(), ofCount(plan.Count), err)
	}
	if !o.quiet {
		p.printBuild(o.out, m)
	}
	return nil
}

// build builds the missing shards. A complete set needs no source.
func (b *genrefBuilder) build(ctx context.Context, p plannedSet, notify func(genref.Progress)) (m genref.Manifest, err error) {
	w, err := genref.NewWriter(b.options.out, p.plan)
	if err != nil {
		return m, err
	}
	defer func() {
		if failed := w.Close(); err == nil { // the first error says more
			err = failed
		}
	}()
	var source genref.Source
	if !w.Complete() {
		source, err = b.opened(ctx, w, p)
	}
	if err != nil {
		return w.Manifest(), err
	}
	return w.Build(ctx, source, notify)
}

// opened opens the source of a set. Replies of servers while it opens are kept until the
// set is complete, later ones until their shard is.
func (b *genrefBuilder) opened(ctx context.Context, w *genref.Writer, p plannedSet) (genref.Source, error) {
	kept, err := b.keep(filepath.Join(w.Unfinished(), "prompts"))
	if err != nil {
		return nil, err
	}
	source, err := p.open(ctx)
	if err = errors.Join(err, kept.Close()); err != nil {
		return nil, err
	}
	return genref.CachedSource{Source: source, Open: b.keep}, nil
}

// keep opens the ledger in a folder.
func (b *genrefBuilder) keep(folder string) (io.Closer, error) { return keepIn(b.ledger, folder) }

// keepIn opens a ledger in a folder, which is created with the first reply.
func keepIn(l *endpoint.Ledger, folder string) (io.Closer, error) {
	return closing{l}, l.Open(folder, nil)
}

// closing closes a ledger and keeps its replies.
type closing struct{ *endpoint.Ledger }

// Close implements [io.Closer].
func (c closing) Close() error { return c.Ledger.Close(false) }

func ofCount(count int) string {
	if count == genref.MaxCount {
		return ""
	}
	return fmt.Sprintf(" of %d", count)
}

func (p *program) printBuild(dir string, m genref.Manifest) {
	e := m.Effort()
	_, _ = fmt.Fprintf(p.stdout, "%s: %d triplets in %d shards, from %d images of %d prompts\n", dir, m.Triplets(), len(m.Shards), e.Images, e.Prompts)
	printCounts(p, "skipped: ", e.Skipped)
	shown := 0
	for _, s := range m.Shards {
		for _, fault := range s.Faults {
			if shown++; shown > maxFaultsShown {
				_, _ = fmt.Fprintln(p.stdout, "  and more: see the manifest")
				return
			}
			_, _ = fmt.Fprintln(p.stdout, "  "+fault)
		}
	}
}

const maxFaultsShown = 10

// generatingSources are the sources that generate images; setSources are all.
var (
	anySources        = []string{"rule", "correction", "reward", "length"} // with any generator
	generatingSources = append(anySources, "mended")
	setSources        = append(generatingSources, "editing")
)

// sourceFlags are the flags that only some sources have.
var sourceFlags = map[string][]string{
	"images": {"rule", "correction", "mended", "reward"}, "corrections": {"correction"}, "max-pairs": {"rule", "correction"},
	"rewards": {"reward"}, "combine": {"reward"}, "from": {"editing"}, "columns": {"editing"},
	"prompts": generatingSources, "steps": generatingSources, "guidance": generatingSources, "config": anySources,
	"generator": anySources,
}

// check is an error for flags that do not go together, and sets defaults that depend on
// other flags.
func (o *genrefOptions) check(flags *pflag.FlagSet) error {
	if !slices.Contains(setSources, o.source) {
		return fmt.Errorf("%w: unknown source %.40q: use %s", reflectionflow.ErrInvalid, o.source, strings.Join(setSources, ", "))
	}
	for name, sources := range sourceFlags {
		if flags.Changed(name) && !slices.Contains(sources, o.source) {
			return fmt.Errorf("%w: --%s does not apply to the source %s", reflectionflow.ErrInvalid, name, o.source)
		}
	}
	if o.from != "" {
		if !flags.Changed("count") {
			o.count = genref.MaxCount
		}
		if flags.Changed("split") && o.split != "all" {
			return fmt.Errorf("%w: --split does not apply to --from: imported rows belong to no split", reflectionflow.ErrInvalid)
		}
		o.split = "all"
	}
	if o.split == "all" && o.from == "" && o.prompts == "" {
		return fmt.Errorf("%w: --split all needs --from or --prompts: use train, validation or test", reflectionflow.ErrInvalid)
	}
	if o.split == "all" {
		o.split = ""
	}
	return nil
}

// plan returns the plan of a set with a source's settings.
func (o *genrefOptions) plan(model, fingerprint string, settings any) (genref.Plan, error) {
	data, err := genref.Settings(settings)
	if err != nil {
		return genref.Plan{}, err
	}
	plan := genref.Plan{
		Source: o.source, Seed: o.seed, Count: o.count, ShardSize: o.shard, Licence: o.licence, Split: o.split,
		Model: model, Fingerprint: fingerprint, Settings: data,
	}
	return plan, plan.Validate()
}

// canvas returns size and sampling: the model's defaults and the flags that were given.
func (o *genrefOptions) canvas(flags *pflag.FlagSet, model assemble.Model) (genref.ImageConfig, error) {
	c := genref.ImageConfig{Width: model.Width, Height: model.Height, Steps: model.Steps, Guidance: model.Guidance, Batch: o.batch}
	if flags.Changed("steps") {
		c.Steps = o.steps
	}
	if flags.Changed("guidance") {
		c.Guidance = o.guidance
	}
	if flags.Changed("size") {
		var err error
		if c.Width, c.Height, err = config.ParseSize(o.size); err != nil {
			return c, err
		}
	}
	if err := c.Validate(); err != nil {
		return c, err
	}
	return c, o.checkSize(model, c.Width, c.Height)
}

// readPromptList reads a file of prompts and parses them for the model.
func (p *program) readPromptList(ctx context.Context, path string, split clipart.Split, model assemble.Model) (genref.PromptList, error) {
	file, err := openInput("prompts", path)
	if err != nil {
		return genref.PromptList{}, err
	}
	defer file.Close()
	list, err := genref.ReadPrompts(file, split, func(text string) (reflectionflow.Prompt, error) {
		prompt, _, err := model.Parse(ctx, text)
		return prompt, err
	})
	if err != nil {
		return list, fmt.Errorf("%s: %w", path, err)
	}
	for _, left := range []struct {
		n   int
		why string
	}{{list.Duplicates, "are duplicates"}, {list.OtherSplit, "are of another split"}} {
		if left.n > 0 {
			_, _ = fmt.Fprintf(p.stderr, "%s: %d prompts %s and are left out\n", path, left.n, left.why)
		}
	}
	return list, nil
}

// fingerprintOf returns a checksum over the networks that generate and verify. A folder
// in training may be incomplete: the corrector is trained on the set, so it counts only
// where it generates.
func (o *genrefOptions) fingerprintOf(ctx context.Context, model assemble.Model) (string, error) {
	var sum string
	var err error
	if o.deployment+o.generator == "" && strings.ContainsRune(o.model, filepath.Separator) {
		unused := []string{"judge", "README.md"}
		if o.source != "correction" {
			unused = append(unused, flux1.CorrectorFile)
		}
		sum, err = assemble.Fingerprint(ctx, without{os.DirFS(o.model), unused})
	} else {
		sum, err = model.Check(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("model %s: %w", model.Name, err)
	}
	return sum, nil
}

// without is a file system that hides some entries of its root.
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
