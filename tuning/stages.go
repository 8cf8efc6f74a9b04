package tuning

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/internal/disk"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// StageOptions sets where and how a stage is trained.
type StageOptions struct {
	// Backend computes in the stage's precision: see [Recipe.Precision].
	Backend compute.Backend
	// Precision is what the stage is trained in: f32, bf16 or int8; "" for the recipe's.
	Precision string
	// Out gets a folder per stage with its training state, and "model", the model folder that
	// the stages fill one after the other.
	Out    string
	Steps  int // optimizer steps; 0 for the recipe's
	Resume bool
	Notify func(Progress)
	// Preparing, if set, is called with the progress of the work before the first step: its
	// name, such as "encode images", and the numbers of images done and to do.
	Preparing func(what string, done, of int)

	// Base is the model that the recipe's corrector names (see [BaseFiles]): a [*flux1.Model] or
	// a [*flux2.Model], whose weights are not changed. nil: the base of the recipe.
	Base flux.Model
	// DryRun ends the stage corrector on a given base before its first step: it measures a block
	// of every kind on random inputs, and needs no triplets.
	DryRun bool
	// Planned, if set, is called with what training on a given base takes, before its first step.
	Planned func(Plan)
}

func (o StageOptions) model() string { return filepath.Join(o.Out, "model") }

// stage returns the folder of a stage's training state.
func (o StageOptions) stage(name string) string { return filepath.Join(o.Out, name) }

// preparing returns a function that calls Preparing with the number of images in the given
// number of batches.
func (o StageOptions) preparing(what string, batch, of int) func(batches int) {
	return func(batches int) {
		if o.Preparing != nil {
			o.Preparing(what, min(batches*batch, of), of)
		}
	}
}

// job returns the run of a stage with the recipe's settings c.
func (o StageOptions) job(stage string, c *Config) Job {
	if o.Steps > 0 {
		c.Steps = o.Steps
	}
	if o.Precision != "" {
		c.Precision = o.Precision
	}
	return Job{Backend: o.Backend, Config: *c, Dir: o.stage(stage), Resume: o.Resume, Notify: o.Notify}
}

func trainAutoencoder(ctx context.Context, r Recipe, opts StageOptions) error {
	job := opts.job("autoencoder", &r.Autoencoder.Train)
	task, err := autoencoderTask(opts.Backend, r.World, r.Autoencoder)
	if err != nil {
		return err
	}
	store := nn.NewStore()
	if err := r.loadStart(store, flux1.VAEPrefix, flux.DiffusersStem); err != nil {
		return err
	}
	if err := Run(ctx, store, task, job); err != nil {
		return err
	}
	cfg := r.Autoencoder.config()
	if err := measureLatents(ctx, opts, store, r.World, &cfg); err != nil {
		return fmt.Errorf("measure latents: %w", err)
	}
	return saveComponent(opts.model(), flux1.VAEPrefix, flux.DiffusersStem, cfg, store)
}

// measureLatents sets the factors that give the latents mean 0 and standard deviation 1.
func measureLatents(ctx context.Context, opts StageOptions, store *nn.Store, w World, cfg *flux.AutoencoderConfig) error {
	const images = 16 * encodeBatchSize
	cfg.ShiftFactor, cfg.ScalingFactor = 0, 1
	b, err := newLatentEncoder(opts, store, *cfg, w.Size)
	if err != nil {
		return err
	}
	data, err := newScenes(w)
	if err != nil {
		return err
	}
	tokens, err := b.encode(ctx, images, func(i int, pixels []uint8) error {
		scene, _ := data.sampler.SampleMixed(clipart.Train, rand.New(rand.NewPCG(validationSeed, uint64(i)<<8)))
		return scene.RenderInto(pixels, w.Size, w.Size)
	})
	if err != nil {
		return err
	}
	mean, deviation := moments(tokens)
	cfg.ShiftFactor, cfg.ScalingFactor = mean, 1/deviation
	return nil
}

func trainBase(ctx context.Context, r Recipe, opts StageOptions) error {
	job := opts.job("base", &r.Base.Train)
	var vae flux.AutoencoderConfig
	if err := readComponentConfig(opts.model(), flux1.VAEPrefix, &vae); err != nil {
		return err
	}
	model, err := newModel(r, vae)
	if err != nil {
		return err
	}
	if err := flux.LoadWeights(model.Store, flux1.VAEPrefix, filepath.Join(opts.model(), flux1.VAEPrefix), flux.DiffusersStem); err != nil {
		return err
	}
	if err := r.loadBaseStart(model.Store); err != nil {
		return err
	}
	task, err := baseTask(ctx, model, r, opts)
	if err != nil {
		return err
	}
	if err := Run(ctx, model.Store, task, job); err != nil {
		return err
	}
	return saveModel(opts.model(), model)
}

// saveModel writes everything but the autoencoder, which is in the folder already.
func saveModel(dir string, model *flux1.Model) error {
	if err := model.Folder.WriteConfigs(dir); err != nil {
		return err
	}
	if err := model.Settings.Write(dir); err != nil {
		return err
	}
	if err := saveTokenizers(dir, model); err != nil {
		return err
	}
	return model.Folder.SaveWeights(dir, model.Store, safetensors.BF16)
}

// saveTokenizers writes tokenizer.json and the settings that transformers needs.
func saveTokenizers(dir string, model *flux1.Model) error {
	for name, words := range map[string]interface{ Save(string) error }{"tokenizer": model.CLIPTokenizer, "tokenizer_2": model.T5Tokenizer} {
		folder := filepath.Join(dir, name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := words.Save(filepath.Join(folder, "tokenizer.json")); err != nil {
			return err
		}
		settings, err := json.MarshalIndent(map[string]any{
			"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": model.Settings.TextLength,
			"pad_token": padToken, "eos_token": endToken, "unk_token": unkToken,
		}, "", "  ")
		if err != nil {
			return err
		}
		if err := flux1.WriteTokenizer(dir, name, "tokenizer_config.json", append(settings, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func trainCorrector(ctx context.Context, r Recipe, opts StageOptions) error {
	if opts.Base != nil {
		return trainGiven(ctx, r, opts)
	}
	if r.Corrector.Model != "" || opts.DryRun {
		return fmt.Errorf("%w: the stage corrector has no model: open the one that the recipe names", reflectionflow.ErrInvalid)
	}
	job := opts.job("corrector", &r.Corrector.Train)
	if r.Corrector.Triplets != "" && !filepath.IsAbs(r.Corrector.Triplets) {
		r.Corrector.Triplets = filepath.Join(opts.Out, r.Corrector.Triplets)
	}
	folder, err := flux1.OpenFolder(opts.model())
	if err != nil {
		return fmt.Errorf("the corrector needs a trained base: train the stage base first: %w", err)
	}
	model, err := flux1.LoadModel(folder, nil)
	if err != nil {
		return err
	}
	model.Store.Delete(flux1.CorrectorPrefix + ".") // of an earlier training
	task, lora, err := correctorTask(ctx, model, r, opts)
	if err != nil {
		return err
	}
	if err := Run(ctx, model.Store, task, job); err != nil {
		return err
	}
	return lora.Save(filepath.Join(opts.model(), flux1.CorrectorFile), model.Store, flux1.CorrectorPrefix, safetensors.BF16)
}

// saveComponent writes a network's config.json and weights into the model folder.
func saveComponent(dir, prefix, stem string, config any, store *nn.Store) error {
	folder := filepath.Join(dir, prefix)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	if err := disk.WriteFile(filepath.Join(folder, "config.json"), append(text, '\n')); err != nil {
		return err
	}
	return flux.SaveWeights(store, prefix, filepath.Join(folder, stem+".safetensors"), safetensors.BF16)
}

func readComponentConfig(dir, prefix string, into any) error {
	path := filepath.Join(dir, prefix, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: train the stage before this one first: %v", reflectionflow.ErrInvalid, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: %s: %v", reflectionflow.ErrInvalid, path, err)
	}
	return nil
}
