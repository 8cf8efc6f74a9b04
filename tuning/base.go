package tuning

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
)

// Base is the recipe of the base model: the transformer and both text encoders,
// trained together.
type Base struct {
	// Scenes is the number of scenes. They are rendered and encoded once, and seen with many
	// captions.
	Scenes int `yaml:"scenes"`
	// FirstLook renders each class by one of its drawings: see [clipart.Sampler.FirstLook].
	FirstLook   bool            `yaml:"first_look"`
	TextLength  int             `yaml:"text_length"` // tokens of each text encoder
	T5          TextEncoder     `yaml:"t5"`
	CLIP        TextEncoder     `yaml:"clip"`
	Transformer TransformerSize `yaml:"transformer"`
	DropText    float64         `yaml:"drop_text"` // share of empty captions, for classifier-free guidance
	// Reflected is the share of captions with a reflection on an image that the model does not
	// see. It teaches the text encoder the words of reflections.
	Reflected float64 `yaml:"reflected"`
	// Edited sets the share of images that the base generates from a flawed one.
	Edited Edited `yaml:"edited"`
	// Timestep is the mean of the normal variable whose sigmoid is the timestep. Above 0, the
	// base trains more on noisy latents, where the layout is decided.
	Timestep float64 `yaml:"timestep"`
	// AlignedReference and ReferenceScale set how the corrector sees its reference: see
	// [flux1.Settings].
	AlignedReference bool    `yaml:"aligned_reference"`
	ReferenceScale   float64 `yaml:"reference_scale"` // when generating; tuning uses 1
	// Steps, Guidance and GuidanceRescale are the model's defaults for generating.
	Steps           int     `yaml:"steps"`
	Guidance        float64 `yaml:"guidance"`
	GuidanceRescale float64 `yaml:"guidance_rescale"`
	Train           Config  `yaml:"train"`
}

// TextEncoder sizes a text encoder.
type TextEncoder struct {
	Dim         int `yaml:"dim"`
	Heads       int `yaml:"heads"`
	Layers      int `yaml:"layers"`
	FeedForward int `yaml:"feed_forward"` // T5's; CLIP's is 4 × Dim
}

// TransformerSize sizes the transformer.
type TransformerSize struct {
	Heads   int    `yaml:"heads"`
	HeadDim int    `yaml:"head_dim"`
	Axes    [3]int `yaml:"axes"`
	Double  int    `yaml:"double"`
	Single  int    `yaml:"single"`
}

// newModel returns the world's model with a trained autoencoder. Its store has no weights.
func newModel(r Recipe, vae flux.AutoencoderConfig) (*flux1.Model, error) {
	b := r.Base
	clipWords, t5Words, err := newTokenizers()
	if err != nil {
		return nil, err
	}
	clip := flux1.NewCLIP(clipWords.Size(), b.CLIP.Dim, b.CLIP.Heads, b.CLIP.Layers, b.TextLength)
	clip.BOSID, clip.EOSID, clip.PadID = id(clipWords, beginToken), id(clipWords, endToken), id(clipWords, padToken)
	t5 := flux1.NewT5(t5Words.Size(), b.T5.Dim, b.T5.Heads, b.T5.FeedForward, b.T5.Layers)
	folder := &flux1.Folder{
		Index: flux1.NewModelIndex(true), Scheduler: flux.FluxScheduler, VAE: vae, CLIP: clip, T5: t5,
		Transformer: flux1.Params{
			PatchSize: 1, InChannels: 4 * vae.LatentChannels, NumLayers: b.Transformer.Double, NumSingleLayers: b.Transformer.Single,
			AttentionHeadDim: b.Transformer.HeadDim, NumAttentionHeads: b.Transformer.Heads, AxesDimsRope: b.Transformer.Axes,
			JointAttentionDim: b.T5.Dim, PooledProjectionDim: b.CLIP.Dim,
		},
	}
	settings := flux1.Settings{
		ClassifierFreeGuidance: true, GuidanceRescale: b.GuidanceRescale, TextLength: b.TextLength, AlignedReference: b.AlignedReference, ReferenceScale: b.ReferenceScale,
		Width: r.World.Size, Height: r.World.Size, Steps: b.Steps, Guidance: b.Guidance,
	}
	model := &flux1.Model{Folder: folder, Settings: settings, Store: nn.NewStore(), CLIPTokenizer: clipWords, T5Tokenizer: t5Words}
	if err := folder.Validate(); err != nil {
		return nil, err
	}
	return model, settings.Validate(folder.Transformer)
}

func id(words interface{ ID(string) (int32, bool) }, token string) int {
	n, ok := words.ID(token)
	if !ok {
		panic(fmt.Sprintf("no token %q in the vocabulary", token)) // the vocabulary is fixed
	}
	return int(n)
}

// baseTask learns to denoise the latents of scenes, given their captions and, for the last
// of each batch, a flawed image of the scene.
func baseTask(ctx context.Context, model *flux1.Model, r Recipe, opts StageOptions) (Task, error) {
	if err := r.Base.Edited.Validate(r.Base.Scenes); err != nil {
		return Task{}, err
	}
	data, err := newCaptioned(r)
	if err != nil {
		return Task{}, err
	}
	encoder, err := newLatentEncoder(opts, model.Store, model.Folder.VAE, r.World.Size)
	if err != nil {
		return Task{}, err
	}
	dir := opts.stage("base")
	latents, err := encoder.open(ctx, filepath.Join(dir, "scenes.safetensors"), fmt.Sprintf("scenes %v, first look %v, seed %d", r.World, r.Base.FirstLook, r.Base.Train.Seed), r.Base.Scenes, data.render)
	if err != nil {
		return Task{}, fmt.Errorf("encode scenes: %w", err)
	}
	edits, err := newEdits(ctx, data, encoder, dir)
	if err != nil {
		return Task{}, fmt.Errorf("encode flawed scenes: %w", err)
	}
	batch := r.Base.Train.Batch
	edited := r.Base.Edited.of(batch)
	task := flowTask(model, latents.grid, batch, edited)
	task.Batch = func(index uint64) ([]*tensors.Tensor, error) {
		rng := rand.New(rand.NewPCG(r.Base.Train.Seed, index))
		var picked, flawed []float32
		text := newTexts(model, batch)
		for range batch - edited {
			i := rng.IntN(r.Base.Scenes)
			picked = append(picked, latents.at(i)...)
			text.add(data.caption(i, rng))
		}
		for range edited {
			i := edits.pick(rng)
			words, err := edits.caption(i, rng)
			if err != nil {
				return nil, err
			}
			picked, flawed = append(picked, latents.at(i)...), append(flawed, edits.flawed.at(i)...)
			text.add(words)
		}
		tokens := func(values []float32, n int) *tensors.Tensor {
			return tensors.FromFlatDataAndDimensions(values, n, latents.grid.Tokens(), latents.channels)
		}
		inputs := flowBatch(rng, tokens(picked, batch), text, r.Base.Timestep)
		if edited > 0 {
			inputs = append(inputs, tokens(flawed, edited))
		}
		return inputs, nil
	}
	task.Sample = func(ctx context.Context, averaged *nn.Store, path string) (map[string]float64, error) {
		return nil, generateSamples(ctx, opts.Backend, model.With(averaged), path, data.heldOut())
	}
	return task, nil
}

// flowTask returns the loss of the base on batches of latents of one size. The last edited
// of a batch have a flawed image as their reference.
func flowTask(model *flux1.Model, grid flux.Grid, batch, edited int) Task {
	tokens := func(n int) shapes.Shape {
		return shapes.Make(dtypes.Float32, n, grid.Tokens(), model.Folder.Transformer.InChannels)
	}
	ids := shapes.Make(dtypes.Int32, batch, model.Settings.TextLength)
	task := Task{
		Name:   "base",
		Inputs: []shapes.Shape{tokens(batch), tokens(batch), shapes.Make(dtypes.Float32, batch), ids, ids},
		Loss: func(s nn.Scope, in []*Node) (*Node, []*Node) {
			return ReduceAllMean(velocityError(s, model, newFlow(s, model, in, grid), nil)), nil
		},
		Trainable: underPrefix(flux1.TransformerPrefix, flux1.CLIPPrefix, flux1.T5Prefix),
	}
	if edited == 0 {
		return task
	}
	task.Inputs = append(task.Inputs, tokens(edited))
	task.Watched = []string{"plain", "edited"}
	task.Loss = func(s nn.Scope, in []*Node) (*Node, []*Node) {
		f, plain := newFlow(s, model, in, grid), batch-edited
		condition := &flux1.Condition{Latents: in[5], Grid: grid, Aligned: model.Settings.AlignedReference}
		alone := ReduceAllMean(velocityError(s, model, f.rows(0, plain), nil))
		corrected := ReduceAllMean(velocityError(s, model, f.rows(plain, batch), condition))
		fraction := float64(edited) / float64(batch)
		return Add(MulScalar(alone, 1-fraction), MulScalar(corrected, fraction)), []*Node{alone, corrected}
	}
	return task
}

// captioned makes scenes and their captions by number.
type captioned struct {
	scenes
	recipe Base
}

func newCaptioned(r Recipe) (captioned, error) {
	s, err := newScenes(r.World)
	if r.Base.FirstLook {
		s.sampler = s.sampler.FirstDrawing()
	}
	return captioned{s, r.Base}, err
}

// scene returns scene i, always the same.
func (c captioned) scene(i int) (clipart.Scene, reflectionflow.Prompt) {
	return c.sampler.SampleMixed(clipart.Train, rand.New(rand.NewPCG(c.recipe.Train.Seed, 1<<63|uint64(i))))
}

// BaseScene returns scene i of the base's training, always the same: i is from 0 to
// Base.Scenes-1.
func BaseScene(r Recipe, i int) (clipart.Scene, error) {
	data, err := newCaptioned(r)
	if err != nil {
		return clipart.Scene{}, err
	}
	scene, _ := data.scene(i)
	return scene, nil
}

func (c captioned) render(i int, pixels []uint8) error {
	scene, _ := c.scene(i)
	return scene.RenderInto(pixels, c.size, c.size)
}

// caption returns a random caption of scene i.
func (c captioned) caption(i int, rng *rand.Rand) caption {
	scene, prompt := c.scene(i)
	text := caption{long: clipart.TrainingCaption(scene, prompt, rng), short: prompt.Text}
	reflected, dropped := rng.Float64() < c.recipe.Reflected, rng.Float64() < c.recipe.DropText
	if dropped {
		return caption{}
	}
	if !reflected {
		return text
	}
	if _, instruction, err := c.sampler.Flaw(scene, prompt, rng); err == nil {
		text.long = flux1.Text(prompt.Text, directions(scene, prompt, instruction, rng))
	}
	return text
}

// heldOut returns prompts of the validation split, some of every task, for sample images.
func (c captioned) heldOut() []reflectionflow.Request {
	var requests []reflectionflow.Request
	rng := rand.New(rand.NewPCG(validationSeed, 1))
	for _, task := range clipart.Tasks() {
		for _, prompt := range c.sampler.Prompts(task, clipart.Validation, 4, rng) {
			requests = append(requests, reflectionflow.Request{
				Prompt: prompt.Text, Seed: uint64(len(requests)), Width: c.size, Height: c.size,
				Steps: c.recipe.Steps, Guidance: c.recipe.Guidance,
			})
		}
	}
	return requests
}
