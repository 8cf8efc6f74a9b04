package main

import (
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

const generateHelp = `Draw pictures for each prompt until one has everything that was asked for or the
budget is spent, and keep the best.

Every prompt gets a run folder: run.json, candidates.jsonl, images/, best.png and
report.html. Prompts come as arguments, or one a line from --prompts FILE (- is
the standard input); several prompts share one folder with a run folder each.

A run that was stopped, in whatever way, goes on with --resume DIR and ends with
the same files as if it had not been stopped.

With --json, the standard output gets one JSON object a prompt, on one line:
  prompt, folder, image, report    what was asked, and where things are
  best, score, first_score, right  ID and score of the best picture, score of the
                                   first; whether all requirements are met
  requirements                     list of requirement, verdict (met, not_met,
                                   unsure) and confidence, for the best picture
  stopped                          right or budget
  reproducible                     false when the generator did not take the seeds
  cost, seconds                    what was spent; wall-clock time until done`

func (p *program) generateCommand() *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "generate PROMPT...",
		Short: "Draw pictures for prompts, or go on with a run",
		Long:  generateHelp,
		Example: `  reflectionflow generate "a photo of two clocks and a red cup"
  reflectionflow generate --prompts prompts.txt --out mine --budget 16
  reflectionflow generate --config deployment.yaml "a photo of two clocks and a red cup"
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
	f.StringVar(&o.resume, "resume", "", "go on with the run in this folder")
	f.StringVar(&o.replay, "replay", "", "repeat the run of this run.json in a new folder, with byte-identical images")
	f.StringVar(&o.prompts, "prompts", "", "read prompts from this file, one a line; - is the standard input")
	f.StringVar(&o.strategy, "strategy", search.Reflection, "noise, noise-prompt, reflection or adaptive, or adaptive without an ingredient, as adaptive-no-routing")
	f.StringVar(&o.budget, "budget", "8", "images a prompt, or a time like 90s, or both as 8,90s")
	f.IntVar(&o.width, "width", 0, "chains side by side (default of the strategy)")
	f.IntVar(&o.depth, "depth", 0, "rounds; 0 is as many as the budget allows")
	f.StringSliceVar(&o.axes, "axes", nil, "what later rounds change: noise, prompt, reflection (default all that the strategy has)")
	f.IntVar(&o.steps, "steps", 0, "denoising steps an image (default of the model)")
	f.Float64Var(&o.guidance, "guidance", 0, "guidance scale (default of the model)")
	f.StringVar(&o.size, "size", "", "pixels, as 128 or 128x96 (default of the model)")
	o.registerAnySize(f)
	seedFlag(f, &o.seed, "the same seed generates the same images")
	f.BoolVar(&o.earlyStop, "early-stop", true, "stop when a picture meets every requirement")
	f.IntVar(&o.batch, "batch", 0, "images drawn at once; does not change the result (default half the width)")
	f.StringVar(&o.deployment, "config", "", "take generator, verifier and the like from this file (see: reflectionflow config)")
	f.StringVar(&o.generator, "generator", "", "draw with the server at this URL: openai+http://HOST/v1?model=…, sdcpp+http://…, a1111+http://…, comfyui+http://…?workflow=FILE")
	f.StringVar(&o.model, "model", "", "model to draw with (see: reflectionflow models list), or its folder")
	f.StringVar(&o.backend, "backend", "", "what computes: empty for the CPU, or xla:PLUGIN")
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
	fingerprint, err := model.Check(ctx)
	if err != nil {
		return fmt.Errorf("model %s: %w", model.Name, err)
	}
	manifests, err := manifestsFor(prompts, costs, cfg, run.Manifest{
		Model: run.Model{Name: model.Name, Fingerprint: fingerprint}, Backend: o.backend, Deployment: deployed,
	})
	if err != nil {
		return err
	}
	for i, text := range texts {
		manifests[i].UserPrompt = text
	}
	s := &session{program: p, model: model, backend: o.backend, cfg: cfg, json: o.json, quiet: o.quiet}
	return s.run(ctx, func() (string, []*run.Folder, error) { return createFolders(o.out, o.seed, manifests) })
}

// parsePrompts reads the prompts for a search along the axes; what each cost comes
// beside it.
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
