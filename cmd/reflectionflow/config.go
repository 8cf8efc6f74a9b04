package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/run"
)

// generateWith returns the model that generate uses, and the record of the
// configuration where one is given. The configuration's settings of the search go
// where no flag says otherwise.
func (p *program) generateWith(cmd *cobra.Command, o *generateOptions) (assemble.Model, json.RawMessage, error) {
	c, err := p.searching(&o.engineOptions, cmd.Flags())
	if err != nil {
		return assemble.Model{}, nil, err
	}
	if c == nil {
		model, err := p.catalog.Find(o.model)
		if err != nil {
			return model, nil, err
		}
		return model, nil, o.settle(model)
	}
	c = c.Used()
	model, err := p.builder(c).Model()
	if err != nil {
		return assemble.Model{}, nil, err
	}
	if err := o.settle(model); err != nil {
		return assemble.Model{}, nil, err
	}
	if c.Precision != "" {
		c.Precision = o.precision // as it is recorded
	}
	deployed, err := assemble.Record(c, library())
	return model, deployed, err
}

// engineOptions are the flags that choose generator and verifier.
type engineOptions struct {
	deployment string // file of the configuration
	generator  string // URL
	nats       config.NATS
	model      string
	computeOptions
	files   config.Weights // that the model lacks
	anySize bool           // generate sizes that the model was not made for
}

// registerAnySize adds the flag of sizes that a model was not made for.
func (o *engineOptions) registerAnySize(f *pflag.FlagSet) {
	f.BoolVar(&o.anySize, "any-size", false, "generate sizes that the model was not made for: slow, large and mostly wrong")
}

// registerFiles adds the flags of the files that belong to --model, and its bound.
func (o *engineOptions) registerFiles(f *pflag.FlagSet) {
	registerParts(f, &o.files)
	f.Var((*loraFlag)(&o.files.LoRAs), "lora", "LoRA of --model with its weight, 1 if none is given; repeat the flag for several")
	f.StringVar(&o.files.Memory, "memory", "", "bound on the memory that images take, such as 4GB: beside the weights, which stay in their files, and about 0.3 GB of the program")
}

// registerParts adds the flags of the files that a model lacks.
func registerParts(f *pflag.FlagSet, files *config.Weights) {
	f.StringVar(&files.TextEncoder, "text-encoder", "", "file or folder of the text encoder, for a model without: CLIP of FLUX.1, Qwen3 of FLUX.2")
	f.StringVar(&files.TextEncoder2, "text-encoder-2", "", "file or folder of the second text encoder: T5 of FLUX.1")
	f.StringVar(&files.VAE, "vae", "", "file or folder of the autoencoder")
	f.StringVar(&files.Tokenizer, "tokenizer", "", "folder of the tokenizer; for FLUX.1 one that holds tokenizer and tokenizer_2")
}

// fileFlags are those of [engineOptions.registerFiles].
var fileFlags = []string{"text-encoder", "text-encoder-2", "vae", "tokenizer", "lora", "memory"}

// loraFlag collects the LoRAs of the command line. It implements [pflag.Value].
type loraFlag []config.LoRA

func (l *loraFlag) String() string { return "" }

// Type implements [pflag.Value]; it is what the help shows.
func (l *loraFlag) Type() string { return "FILE[:WEIGHT]" }

// Set implements [pflag.Value]. A colon in the name of a file that exists is part of the name.
func (l *loraFlag) Set(text string) error {
	lora := config.LoRA{Path: text}
	colon := strings.LastIndexByte(text, ':')
	if _, err := os.Lstat(text); err != nil && colon >= 0 {
		weight, err := strconv.ParseFloat(text[colon+1:], 64)
		switch {
		case err != nil && strings.ContainsRune(text[colon:], filepath.Separator): // a colon in the name of a folder
		case err != nil || !(math.Abs(weight) <= math.MaxFloat64):
			return fmt.Errorf("%.64q is no weight: FILE:WEIGHT, as style.safetensors:0.8", text[colon+1:])
		case weight == 0:
			return errors.New("a weight of 0 leaves the LoRA out: leave out the flag")
		default:
			lora = config.LoRA{Path: text[:colon], Weight: weight}
		}
	}
	if lora.Path == "" {
		return errors.New("the file is missing: FILE or FILE:WEIGHT")
	}
	*l = append(*l, lora)
	return nil
}

// searching is [program.configuration]; its settings of the search are in the flags
// then.
func (p *program) searching(o *engineOptions, flags *pflag.FlagSet) (*config.Config, error) {
	c, err := p.configuration(o, flags)
	if err != nil || c == nil {
		return nil, err
	}
	return c, applySearch(c, flags)
}

// configuration is what --config, --generator and a --model that is not of the catalog
// say, nil where none of them is given. Its backend is in o then.
func (p *program) configuration(o *engineOptions, flags *pflag.FlagSet) (*config.Config, error) {
	if err := o.checkCompute(); err != nil {
		return nil, err
	}
	own, err := p.ownModel(o, flags)
	if err != nil || own && o.deployment == "" && o.generator == "" {
		return nil, err
	}
	c := assemble.NewConfig("the command line")
	if o.deployment != "" {
		if c, err = readDeployment(o, flags, own); err != nil {
			return nil, err
		}
	} else if c.Backend, c.Precision = o.backend, o.precision; own {
		c.Model = o.model
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the working directory: %w", err)
	}
	if o.generator != "" {
		err = c.UseGenerator(o.generator, here)
	} else if !own {
		files := o.files
		files.Model = o.model
		err = c.UseModel(files, here)
	}
	o.backend, o.precision = c.Backend, c.Precision
	return c, err
}

// readDeployment reads the file of --config.
func readDeployment(o *engineOptions, flags *pflag.FlagSet, own bool) (*config.Config, error) {
	for _, name := range []string{"model", "backend", "precision"} {
		if flags.Changed(name) && (own || name != "model") {
			return nil, fmt.Errorf("%w: --%s and --config: write the %s into the configuration", reflectionflow.ErrInvalid, name, name)
		}
	}
	c, err := assemble.ReadConfig(o.deployment)
	if err != nil {
		return nil, err
	}
	return c, keepsGenerator(c, o.model)
}

// ownModel tells a model of the catalog, or a folder of the clip-art world, from one that
// a generator of type flux runs. No model at all is of the catalog.
func (p *program) ownModel(o *engineOptions, flags *pflag.FlagSet) (bool, error) {
	own := p.catalog.Own(o.model, library())
	for _, name := range fileFlags {
		if own && flags.Changed(name) {
			return own, fmt.Errorf("%w: --%s needs --model with a FLUX model: a folder or a file; a configuration says it at its generator of type flux", reflectionflow.ErrInvalid, name)
		}
	}
	if !own && o.generator != "" {
		return own, fmt.Errorf("%w: --generator and --model %s: choose one to generate with", reflectionflow.ErrInvalid, o.model)
	}
	return own, nil
}

// keepsGenerator reports a --model beside a configuration with a generator of type flux: its
// LoRAs and other settings would be dropped.
func keepsGenerator(c *config.Config, model string) error {
	g := c.Generators[c.Use.Generator]
	if model == "" || g.Type != config.Flux {
		return nil
	}
	return fmt.Errorf("%w: --model and --config with the generator %s: write the model into the configuration, whose settings (%s) would be lost", reflectionflow.ErrInvalid, c.Use.Generator, "LoRAs, img2img, size, steps")
}

// recordedModel returns the model of a recorded run.
func (p *program) recordedModel(m run.Manifest) (assemble.Model, error) {
	if len(m.Deployment) == 0 {
		return p.catalog.Find(m.Model.Name)
	}
	c, err := assemble.FromRecord(m.Deployment, library())
	if err != nil {
		return assemble.Model{}, err
	}
	return p.builder(c).Model()
}

// applySearch sets the flags that were not given. Where a command takes several
// strategies and budgets, it takes the one that the configuration names.
func applySearch(c *config.Config, flags *pflag.FlagSet) error {
	s := c.Search
	if flags.Lookup("axes") == nil && s.Axes != nil {
		return c.Errorf("search.axes", "strategies are compared with all the axes that they have: leave it out")
	}
	several := map[string]string{"strategy": "strategies", "budget": "budgets"}
	for _, setting := range []struct {
		key, value string
		set        bool
	}{
		{"strategy", s.Strategy, s.Strategy != ""},
		{"budget", s.Budget, s.Budget != ""},
		{"width", number(s.Width), s.Width != nil},
		{"depth", number(s.Depth), s.Depth != nil},
		{"axes", strings.Join(s.Axes, ","), s.Axes != nil},
		{"steps", number(s.Steps), s.Steps != nil},
		{"guidance", number(s.Guidance), s.Guidance != nil},
		{"size", s.Size, s.Size != ""},
		{"any_size", number(s.AnySize), s.AnySize != nil},
		{"seed", number(s.Seed), s.Seed != nil},
		{"early_stop", number(s.EarlyStop), s.EarlyStop != nil},
		{"batch", number(s.Batch), s.Batch != nil},
	} {
		flag := strings.ReplaceAll(setting.key, "_", "-")
		if list, ok := several[flag]; ok && flags.Lookup(list) != nil {
			flag = list
		}
		if !setting.set || flags.Changed(flag) {
			continue
		}
		if _, err := strconv.Atoi(setting.value); flag == "budgets" && err != nil {
			return c.Errorf("search.budget", "%q: strategies are compared at budgets of images: use a number, or --budgets", setting.value)
		}
		if err := flags.Set(flag, setting.value); err != nil {
			return c.Errorf("search."+setting.key, "%v", err)
		}
	}
	return nil
}

// number writes a setting as a flag takes it; nil is nothing.
func number[N int | uint64 | float64 | bool](n *N) string {
	if n == nil {
		return ""
	}
	if f, ok := any(*n).(float64); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return fmt.Sprint(*n)
}
