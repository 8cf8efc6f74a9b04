package tuning

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/flux/nn"
)

// Base is the recipe of the base model: the transformer and both text encoders,
// trained together.
type Base struct {
	// Scenes are drawn and encoded once and then seen under many captions.
	Scenes      int             `yaml:"scenes"`
	TextLength  int             `yaml:"text_length"` // tokens of either text encoder
	T5          TextEncoder     `yaml:"t5"`
	CLIP        TextEncoder     `yaml:"clip"`
	Transformer TransformerSize `yaml:"transformer"`
	DropText    float64         `yaml:"drop_text"` // share of empty captions, for classifier-free guidance
	// Reflected is the share of captions followed by a reflection on a picture the
	// model does not see, so that the text encoder learns the words of reflections.
	Reflected float64 `yaml:"reflected"`
	// Timestep is the mean of the normal number whose sigmoid is the timestep:
	// above 0 trains more on noisy latents, where the layout is decided.
	Timestep float64 `yaml:"timestep"`
	// AlignedReference is how the corrector is to see its picture: [flux.Settings].
	AlignedReference bool `yaml:"aligned_reference"`
	// Steps and Guidance are what the model draws best with.
	Steps    int     `yaml:"steps"`
	Guidance float64 `yaml:"guidance"`
	Train    Config  `yaml:"train"`
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

// newModel describes the world's model around a trained autoencoder; its store
// holds no weights yet.
func newModel(r Recipe, vae flux.AutoencoderConfig) (*flux.Model, error) {
	b := r.Base
	clipWords, t5Words, err := newTokenizers()
	if err != nil {
		return nil, err
	}
	clip := flux.NewCLIP(clipWords.Size(), b.CLIP.Dim, b.CLIP.Heads, b.CLIP.Layers, b.TextLength)
	clip.BOSID, clip.EOSID, clip.PadID = id(clipWords, beginToken), id(clipWords, endToken), id(clipWords, padToken)
	t5 := flux.NewT5(t5Words.Size(), b.T5.Dim, b.T5.Heads, b.T5.FeedForward, b.T5.Layers)
	folder := &flux.Folder{
		Index: flux.NewModelIndex(true), Scheduler: flux.FluxScheduler, VAE: vae, CLIP: clip, T5: t5,
		Transformer: flux.Params{
			PatchSize: 1, InChannels: 4 * vae.LatentChannels, NumLayers: b.Transformer.Double, NumSingleLayers: b.Transformer.Single,
			AttentionHeadDim: b.Transformer.HeadDim, NumAttentionHeads: b.Transformer.Heads, AxesDimsRope: b.Transformer.Axes,
			JointAttentionDim: b.T5.Dim, PooledProjectionDim: b.CLIP.Dim,
		},
	}
	settings := flux.Settings{
		ClassifierFreeGuidance: true, TextLength: b.TextLength, AlignedReference: b.AlignedReference,
		Width: r.World.Size, Height: r.World.Size, Steps: b.Steps, Guidance: b.Guidance,
	}
	model := &flux.Model{Folder: folder, Settings: settings, Store: nn.NewStore(), CLIPTokenizer: clipWords, T5Tokenizer: t5Words}
	if err := folder.Validate(); err != nil {
		return nil, err
	}
	return model, settings.Validate(folder.Transformer)
}

func id(words interface{ ID(string) (int32, bool) }, token string) int {
	n, ok := words.ID(token)
	if !ok {
		panic(fmt.Sprintf("no token %q in the vocabulary", token)) // the vocabulary is our own
	}
	return int(n)
}

// baseTask learns to denoise the latents of scenes given their captions: flow
// matching (arXiv 2403.03206), x_t = (1−t)·x₀ + t·noise, target noise − x₀.
func baseTask(backend compute.Backend, model *flux.Model, r Recipe, dir string) (Task, error) {
	data, err := newCaptioned(r)
	if err != nil {
		return Task{}, err
	}
	banker, err := newBanker(backend, model.Store, model.Folder.VAE, r.World.Size)
	if err != nil {
		return Task{}, err
	}
	latents, err := banker.open(filepath.Join(dir, "scenes.safetensors"), fmt.Sprintf("scenes %v seed %d", r.World, r.Base.Train.Seed), r.Base.Scenes, data.draw)
	if err != nil {
		return Task{}, fmt.Errorf("encode scenes: %w", err)
	}
	batch := r.Base.Train.Batch
	task := flowTask(model, latents.grid, batch)
	task.Batch = func(index uint64) ([]*tensors.Tensor, error) {
		rng := rand.New(rand.NewPCG(r.Base.Train.Seed, index))
		var picked []float32
		text := newTexts(model, batch)
		for range batch {
			i := rng.IntN(r.Base.Scenes)
			picked = append(picked, latents.at(i)...)
			text.add(data.caption(i, rng))
		}
		return flowBatch(rng, tensors.FromFlatDataAndDimensions(picked, batch, latents.grid.Tokens(), latents.channels), text, r.Base.Timestep), nil
	}
	task.Sample = func(ctx context.Context, averaged *nn.Store, path string) (map[string]float64, error) {
		return nil, drawSamples(ctx, backend, model.With(averaged), path, data.heldOut())
	}
	return task, nil
}

// flowTask is the loss of the base on batches of latents of one size.
func flowTask(model *flux.Model, grid flux.Grid, batch int) Task {
	latents := shapes.Make(dtypes.Float32, batch, grid.Tokens(), model.Folder.Transformer.InChannels)
	ids := shapes.Make(dtypes.Int32, batch, model.Settings.TextLength)
	return Task{
		Name:   "base",
		Inputs: []shapes.Shape{latents, latents, shapes.Make(dtypes.Float32, batch), ids, ids},
		Loss: func(s nn.Scope, in []*Node) (*Node, []*Node) {
			return velocityLoss(s, model, flowInputs{latents: in[0], noise: in[1], timestep: in[2], t5: in[3], clip: in[4], grid: grid}, nil), nil
		},
		Trainable: under(flux.TransformerPrefix, flux.CLIPPrefix, flux.T5Prefix),
	}
}

// flowBatch adds noise and timesteps to latents [B, N, C] and captions.
func flowBatch(rng *rand.Rand, latents *tensors.Tensor, text *texts, timestep float64) []*tensors.Tensor {
	d := latents.Shape().Dimensions
	t5, clip := text.tensors()
	return []*tensors.Tensor{latents, normal(rng, d...), timesteps(rng, d[0], timestep), t5, clip}
}

// flowInputs are what one flow-matching loss needs.
type flowInputs struct {
	latents, noise *Node // [B, N, C]
	timestep       *Node // [B]
	t5, clip       *Node // ids [B, L]
	grid           flux.Grid
}

// velocityLoss is the mean squared error of the predicted velocity.
func velocityLoss(s nn.Scope, model *flux.Model, in flowInputs, condition *flux.Condition) *Node {
	f := model.Folder
	t := Reshape(in.timestep, -1, 1, 1)
	noisy := Add(Mul(in.latents, OneMinus(t)), Mul(in.noise, t))
	velocity := flux.Transformer(s.In(flux.TransformerPrefix), f.Transformer, flux.Inputs{
		Latents: noisy, Grid: in.grid, Timestep: in.timestep, Condition: condition,
		Text: flux.T5Encode(s.In(flux.T5Prefix), f.T5, in.t5), Pooled: flux.CLIPPooled(s.In(flux.CLIPPrefix), f.CLIP, in.clip),
	})
	return ReduceAllMean(Square(Sub(velocity, Sub(in.noise, in.latents))))
}

// timesteps draws sigmoid(N(mean, 1)), the logit-normal density of the paper's code.
func timesteps(rng *rand.Rand, n int, mean float64) *tensors.Tensor {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(1 / (1 + math.Exp(-rng.NormFloat64()-mean)))
	}
	return tensors.FromFlatDataAndDimensions(values, n)
}

// texts collects the ids of a batch's captions for both text encoders.
type texts struct {
	model    *flux.Model
	batch    int
	t5, clip []int32
}

func newTexts(model *flux.Model, batch int) *texts { return &texts{model: model, batch: batch} }

func (t *texts) add(c caption) {
	t5, clip := t.model.TextIDs(c.long, c.short)
	t.t5, t.clip = append(t.t5, t5...), append(t.clip, clip...)
}

func (t *texts) tensors() (t5, clip *tensors.Tensor) {
	return tensors.FromFlatDataAndDimensions(t.t5, t.batch, len(t.t5)/t.batch), tensors.FromFlatDataAndDimensions(t.clip, t.batch, len(t.clip)/t.batch)
}

// caption is what the T5 (long) and the CLIP encoder (short) read.
type caption struct{ long, short string }

// captioned draws scenes by number and their captions.
type captioned struct {
	scenes
	recipe Base
}

func newCaptioned(r Recipe) (captioned, error) {
	s, err := newScenes(r.World)
	return captioned{s, r.Base}, err
}

// scene number i, always the same.
func (c captioned) scene(i int) (clipart.Scene, reflectionflow.Prompt) {
	return c.sampler.SampleMixed(clipart.Train, rand.New(rand.NewPCG(c.recipe.Train.Seed, 1<<63|uint64(i))))
}

func (c captioned) draw(i int, pixels []uint8) error {
	scene, _ := c.scene(i)
	return scene.RenderInto(pixels, c.size, c.size)
}

// caption words scene i anew.
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
		text.long = reflectionflow.Request{Prompt: prompt.Text, Reflection: instruction}.Text()
	}
	return text
}

// heldOut are prompts to look at while training: some of every task, none of
// them trained on.
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
