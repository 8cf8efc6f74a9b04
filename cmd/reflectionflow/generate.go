package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/run"
	"reflectionflow/search"
)

// generateOptions are the flags of generate. Those that were not given fall back
// to the strategy's and the model's own defaults.
type generateOptions struct {
	engineOptions
	strategy     string
	budget       string
	width, depth int
	axes         []string
	steps        int
	guidance     float64
	size         string
	seed         uint64
	earlyStop    bool
	batch        int
	out, resume  string
	replay       string
	prompts      string
	json, quiet  bool
}

const generateHelp = `Search for an image that meets every requirement of each prompt, within a budget, and
keep the best.

Each prompt gets a run folder with run.json, candidates.jsonl, images/, best.png and
report.html. Prompts are arguments, or lines of --prompts FILE (- is the standard
input); several prompts share one folder, which has a run folder for each.

An interrupted run resumes with --resume DIR; its files are byte-identical to those of
an uninterrupted run.

The score is the verifier's number by which images are compared; higher is better, and
scores of different verifiers are not comparable. The embedded verifier's score is the
mean log probability of the requirements (0 at most), plus up to 0.1 for quality, plus 1
if all are met; the photo detector's is the same without the quality; a chat verifier's is
between 0 and 1.

With --json, the standard output has one JSON object per prompt, on one line:
  prompt, folder, image, report    the prompt, and the paths of the results
  best, score, first_score, right  ID and score of the best image, score of the first
                                   image; whether the best meets every requirement
  requirements                     list of requirement, verdict (met, not_met or unsure) and
                                   confidence (probability of met) for the best image;
                                   unjudged marks what the verifier cannot judge
  notes, unread                    what is wrong with the prompt, and its parts that the
                                   parser could not read, where there are any
  stopped                          right, judged (met as far as the verifier can judge),
                                   budget or failed
  reproducible                     false if the generator ignored its seeds
  images, failed, failure          images tried and failed, and why the first failed
  warnings                         what is suspicious about images, such as a blank one
  cost, seconds                    images, steps, calls and tokens; money in USD;
                                   wall-clock time`

func (p *program) generateCommand() *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "generate PROMPT...",
		Short: "Generate images that meet the requirements of prompts",
		Long:  generateHelp,
		Example: `  reflectionflow generate "a photo of two clocks and a red cup"
  reflectionflow generate --prompts list.txt --out mine --budget 16
  reflectionflow generate --config deployment.yaml "a photo of two clocks and a red cup"
  reflectionflow generate --model ./FLUX.2-klein-4B --size 512 "two clocks and a red cup on a table"
  reflectionflow generate --generator sdcpp+http://localhost:1234 --size 512 "a photo of two clocks and a red cup"
  reflectionflow generate --resume mine
  reflectionflow generate --replay mine/run.json --out again`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.resume != "":
				return p.resume(cmd, o, args)
			case o.replay != "":
				return p.replay(cmd, o, args)
			}
			return p.generate(cmd, &o, args)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *generateOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.out, "out", "", "folder for the run; it must not exist or be empty (default runs/PROMPT-seedSEED)")
	f.StringVar(&o.resume, "resume", "", "resume the runs in this folder")
	f.StringVar(&o.replay, "replay", "", "repeat the run of this run.json in a new folder, with byte-identical images")
	f.StringVar(&o.prompts, "prompts", "", "file with one prompt per line; - is the standard input")
	f.StringVar(&o.strategy, "strategy", search.Reflection, "noise, noise-prompt, reflection or adaptive; or adaptive without one of its parts, such as adaptive-no-routing")
	f.StringVar(&o.budget, "budget", "8", "images per prompt, a time such as 90s, or both: 8,90s")
	f.IntVar(&o.width, "width", 0, "parallel chains of candidates (default: the strategy's)")
	f.IntVar(&o.depth, "depth", 0, "rounds per chain; 0: as many as the budget allows")
	f.StringSliceVar(&o.axes, "axes", nil, "what later rounds change: noise, prompt, reflection (default: all of the strategy's)")
	f.IntVar(&o.steps, "steps", 0, "denoising steps per image (default: the model's)")
	f.Float64Var(&o.guidance, "guidance", 0, "guidance scale (default: the model's)")
	f.StringVar(&o.size, "size", "", "pixels: 128 or 128x96 (default: the model's)")
	o.registerAnySize(f)
	seedFlag(f, &o.seed, "the same seed generates the same images")
	f.BoolVar(&o.earlyStop, "early-stop", true, "stop when an image meets every requirement")
	f.IntVar(&o.batch, "batch", 0, "images generated at once; does not change the result (default: half the width)")
	f.StringVar(&o.deployment, "config", "", "configuration of generator, verifier and other parts (see: reflectionflow config)")
	f.StringVar(&o.generator, "generator", "", "generate with the server at this URL: openai+http://HOST/v1?model=…, sdcpp+http://…, a1111+http://…, comfyui+http://…?workflow=FILE")
	f.StringVar(&o.model, "model", "", "model that generates: a name (see: reflectionflow models list), a folder or a file")
	o.registerFiles(f)
	o.registerCompute(f)
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	f.BoolVar(&o.quiet, "quiet", false, "print no progress and no summary")
}

func (p *program) generate(cmd *cobra.Command, o *generateOptions, args []string) error {
	texts, err := p.promptTexts(args, o.prompts)
	if err != nil {
		return err
	}
	model, deployed, err := p.generateWith(cmd, o)
	if err != nil {
		return err
	}
	cfg, err := o.config(cmd.Flags(), model)
	if err != nil {
		return err
	}
	if len(texts) > 1 && cfg.Batch == 0 {
		cfg.Batch = manyBatch((cfg.Width+1)/2, model)
	}
	prompts, costs, err := parsePrompts(cmd.Context(), model, texts, cfg.Axes)
	if err != nil {
		return err
	}
	if cfg.Adaptive != nil && len(prompts) == 1 {
		cfg.Adaptive.Rollover = false // there is nobody to share with
	}
	ctx := cmd.Context()
	fingerprint, err := model.Verify(ctx)
	if err != nil {
		return fmt.Errorf("model %s: %w", model.Name, err)
	}
	manifests, err := manifestsFor(prompts, costs, cfg, run.Manifest{
		Model: run.Model{Name: cmp.Or(model.Shown, model.Name), Fingerprint: fingerprint}, Backend: o.backend, Precision: o.precision, Deployment: deployed,
		AnySize: model.CheckSize != nil && model.CheckSize(cfg.ImageWidth, cfg.ImageHeight) != nil, // config refused it otherwise
	})
	if err != nil {
		return err
	}
	for i, text := range texts {
		manifests[i].UserPrompt = text
	}
	s := &session{program: p, model: model, backend: o.compute(), cfg: cfg, json: o.json, quiet: o.quiet, fresh: true}
	return s.run(ctx, func() (string, []*run.Folder, error) { return createFolders(o.out, o.seed, manifests) })
}

// parsePrompts reads the prompts for a search along the axes, and returns the cost of
// reading each.
func parsePrompts(ctx context.Context, model assemble.Model, texts []string, axes search.Axes) ([]reflectionflow.Prompt, []reflectionflow.Cost, error) {
	prompts, costs := make([]reflectionflow.Prompt, len(texts)), make([]reflectionflow.Cost, len(texts))
	for i, text := range texts {
		err := (reflectionflow.Prompt{Text: text}).Validate()
		if err == nil {
			prompts[i], costs[i], err = model.Parse(ctx, text)
		}
		if err == nil && model.Suits != nil {
			err = model.Suits(ctx, prompts[i], axes)
		}
		switch {
		case err != nil && len(texts) > 1 && !strings.Contains(strings.TrimSpace(text), " "):
			return nil, nil, fmt.Errorf("prompt %d, %.40q: %w (a prompt of several words needs quotes)", i+1, text, err)
		case err != nil && len(texts) > 1:
			return nil, nil, fmt.Errorf("prompt %d: %w", i+1, err)
		case err != nil:
			return nil, nil, err
		}
	}
	return prompts, costs, nil
}

func manifestsFor(prompts []reflectionflow.Prompt, costs []reflectionflow.Cost, cfg search.Config, m run.Manifest) ([]run.Manifest, error) {
	settings, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	build := thisBuild()
	manifests := make([]run.Manifest, len(prompts))
	for i, prompt := range prompts {
		m.Program, m.Build, m.Prompt, m.Parsing, m.Search = programVersion(), &build, prompt, costs[i], settings
		manifests[i] = m
	}
	return manifests, nil
}
