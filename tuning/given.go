package tuning

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
	"reflectionflow/flux/lora"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// BaseFiles name the model that a corrector is trained on, as a generator of type flux in a
// configuration does.
type BaseFiles struct {
	// Model is a diffusers folder, a file with a transformer, or the name of a model. Empty:
	// the base that the recipe trains.
	Model        string `yaml:"model"`
	TextEncoder  string `yaml:"text_encoder"`
	TextEncoder2 string `yaml:"text_encoder_2"`
	VAE          string `yaml:"vae"`
	Tokenizer    string `yaml:"tokenizer"`
}

// givenBase is a model that is not of the recipe, with the LoRA that is trained on it. The
// model's weights stay as they are stored.
type givenBase struct {
	model interface {
		flux.Model
		Pieces() flux.Pieces
	}
	lora   lora.Trained
	prefix string // of the LoRA in the store
	// adapt returns the scope whose layers are adapted, for a model that does not do so
	// itself.
	adapt func(s nn.Scope) nn.Scope
	save  func(path string, store *nn.Store) error
}

// newGivenBase prepares a LoRA for a model: FLUX.1's corrector, which acts on the condition,
// or for models that edit images a LoRA that makes them better at it.
func newGivenBase(model flux.Model, c Corrector) (*givenBase, error) {
	switch m := model.(type) {
	case *flux1.Model:
		if m.Folder.Edits() {
			return nil, fmt.Errorf("%w: FLUX.1 Kontext cannot be trained here: use FLUX.1-dev or a base model of FLUX.2", reflectionflow.ErrInvalid)
		}
		own, fresh := *m, flux1.NewLoRA(m.Folder.Transformer, c.Rank, c.AllStreams)
		own.Corrector = &fresh
		m.Store.Delete(flux1.CorrectorPrefix + ".") // of an earlier training
		return &givenBase{
			model: &own, lora: fresh.Trained, prefix: flux1.CorrectorPrefix, adapt: func(s nn.Scope) nn.Scope { return s },
			save: func(path string, store *nn.Store) error {
				return fresh.Save(path, store, flux1.CorrectorPrefix, safetensors.BF16)
			},
		}, nil
	case *flux2.Model:
		if c.AllStreams {
			return nil, fmt.Errorf("%w: corrector: all_streams is for FLUX.1: a LoRA of FLUX.2 is on text and image anyway", reflectionflow.ErrInvalid)
		}
		fresh := flux2.NewLoRA(m.Folder.Transformer, c.Rank)
		m.Store.Delete(flux2.CorrectorPrefix + ".") // of an earlier training
		return &givenBase{
			model: m, lora: fresh, prefix: flux2.CorrectorPrefix,
			adapt: func(s nn.Scope) nn.Scope {
				return s.WithAdapter(fresh.Adapter(s.In(flux2.CorrectorPrefix), s.In(flux2.TransformerPrefix)))
			},
			save: func(path string, store *nn.Store) error {
				return fresh.Save(path, store, flux2.CorrectorPrefix, safetensors.BF16, nil)
			},
		}, nil
	}
	return nil, fmt.Errorf("%w: a corrector is trained on FLUX.1 or FLUX.2 without LoRAs", reflectionflow.ErrInvalid)
}

// trainGiven is [trainCorrector] on a model that is not of the recipe.
func trainGiven(ctx context.Context, r Recipe, opts StageOptions) error {
	c := r.Corrector
	if err := c.checkGiven(); err != nil {
		return err
	}
	base, err := newGivenBase(opts.Base, c)
	if err != nil {
		return err
	}
	job := opts.job("corrector", &c.Train)
	run, err := newGivenRun(opts.Backend, base, c)
	if err != nil {
		return err
	}
	if !opts.DryRun {
		if c.Triplets == "" {
			return fmt.Errorf("%w: corrector: triplets is missing: name the folder of a GenRef set", reflectionflow.ErrInvalid)
		}
		if !filepath.IsAbs(c.Triplets) {
			c.Triplets = filepath.Join(opts.Out, c.Triplets)
		}
		if run.data, err = openTriplets(ctx, c.Triplets, c.Size); err != nil {
			return err
		}
		defer run.data.close()
		if run.rows, err = run.subsets(); err != nil {
			return err
		}
	}
	store := base.model.Spec().Store
	task := Task{Name: "corrector", Batch: run.batch, Trainable: underPrefix(base.prefix)}
	task.pieces = func() (*pieced, error) {
		p, err := run.compile()
		if err != nil {
			return nil, err
		}
		return p, run.announce(p, opts)
	}
	if opts.DryRun {
		return run.dry(ctx, opts)
	}
	if err := Run(ctx, store, task, job); err != nil {
		return err
	}
	if err := os.MkdirAll(opts.model(), 0o755); err != nil {
		return err
	}
	return base.save(filepath.Join(opts.model(), flux1.CorrectorFile), store)
}

// checkGiven reports settings that do not suit a model that is not of the recipe.
func (c Corrector) checkGiven() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: corrector: "+format, append([]any{reflectionflow.ErrInvalid}, args...)...)
	}
	switch {
	case c.Edits != 0 || c.Redraw.Images != 0 || c.Critiques != 0:
		return bad("edits, redraw and critiques make clip-art: leave them out, the data of a model of your own is a GenRef set (triplets)")
	case c.Size < 64 || c.Size > 2048:
		return bad("size is %d: the side of the training images in pixels, must be from 64 to 2048", c.Size)
	case c.Rank < 1 || c.Rank > 1024:
		return bad("rank is %d, must be from 1 to 1024", c.Rank)
	case c.Train.SampleEvery != 0:
		return bad("sample_every: a model of your own makes no samples during training: leave it out")
	}
	for _, share := range []struct {
		name  string
		value float64
	}{{"drop_text", c.DropText}, {"drop_image", c.DropImage}, {"drop_reflection", c.DropReflection}} {
		if !(share.value >= 0 && share.value <= 1) {
			return bad("%s is %v, must be from 0 to 1", share.name, share.value)
		}
	}
	return c.Train.withDefaults().Validate()
}

// givenRun is the training of a LoRA on a model.
type givenRun struct {
	base      *givenBase
	backend   compute.Backend
	denoising denoising
	c         Corrector
	grid      flux.Grid
	frame     flux.Frame // of flawed images, once they have the size of the training
	reference flux.Grid
	text      int // index of the first token list in a batch
	data      *tripletIndex
	rows      []mixed
}

func newGivenRun(backend compute.Backend, base *givenBase, c Corrector) (*givenRun, error) {
	spec := base.model.Spec()
	if c.Size%spec.Unit != 0 {
		return nil, fmt.Errorf("%w: corrector: size is %d, must be a multiple of %d for this model", reflectionflow.ErrInvalid, c.Size, spec.Unit)
	}
	run := &givenRun{base: base, backend: backend, c: c, grid: flux.Grid{Rows: c.Size / spec.Unit, Cols: c.Size / spec.Unit}, text: 4}
	var err error
	if run.frame, err = base.model.Frame(image.Pt(c.Size, c.Size), run.grid); err != nil {
		return nil, err
	}
	run.reference = run.frame.Grid(spec.Unit)
	if err := run.initLoRA(spec.Store); err != nil {
		return nil, err
	}
	texts, err := base.model.Texts(reflectionflow.Request{})
	if err != nil {
		return nil, err
	}
	n := c.Train.Batch
	batch := []shapes.Shape{
		shapes.Make(dtypes.Float32, n, c.Size, c.Size, 3),
		shapes.Make(dtypes.Float32, n, run.reference.Rows*spec.Unit, run.reference.Cols*spec.Unit, 3),
		shapes.Make(dtypes.Float32, n, run.grid.Tokens(), spec.Channels), shapes.Make(dtypes.Float32, n),
	}
	for _, ids := range texts.Prompt {
		batch = append(batch, shapes.Make(dtypes.Int32, n, len(ids)))
	}
	run.denoising = denoising{
		store: spec.Store, parts: base.model.Pieces(), batch: batch, begin: run.begin, inputs: run.inputs,
		adapt: base.adapt, trainable: underPrefix(base.prefix),
	}
	return run, nil
}

// initLoRA initializes the weights of the LoRA.
func (g *givenRun) initLoRA(store *nn.Store) error {
	var failed error
	seed := g.c.Train.Seed
	p, err := nn.Compile(g.backend, store, nil, func(s nn.Scope, _ []*Node) ([]*Node, map[string]*Node) {
		failed = g.base.lora.Init(s.In(g.base.prefix), func(module string) []int {
			return store.Dims(flux1.TransformerPrefix + "." + module + ".weight")
		})
		return []*Node{ScalarZero(s.Graph(), dtypes.Float32)}, nil
	}, nn.Options{Seed: &seed, Name: "LoRA"})
	if err != nil {
		return err
	}
	p.Close()
	return failed
}

func (g *givenRun) compile() (*pieced, error) {
	return newPieced(g.backend, g.denoising)
}

// begin encodes a batch: images, noise, noise levels and texts (see [givenRun.batch]).
func (g *givenRun) begin(s nn.Scope, batch []*Node) (inputs []*Node, target *Node) {
	m := g.base.model
	clean, noise, sigma := m.Encode(s, batch[0]), batch[2], batch[3]
	t := Reshape(sigma, -1, 1, 1)
	noisy := Add(Mul(clean, OneMinus(t)), Mul(noise, t))
	inputs = append([]*Node{noisy, sigma, m.Encode(s, batch[1])}, m.Embed(s, batch[g.text:])...)
	return inputs, Sub(noise, clean)
}

// inputs gives the tensors of begin their meaning. Guidance is 1, as in the paper's code.
func (g *givenRun) inputs(in []*Node) flux.Inputs {
	return flux.Inputs{
		Image: flux.Packed{Tokens: in[0], Grid: g.grid}, References: []flux.Packed{{Tokens: in[2], Grid: g.reference}},
		Embedding: in[3:], Sigma: in[1], Guidance: OnesLike(in[1]),
	}
}

// batch makes the inputs of one gradient: enhanced and flawed images, noise, noise levels and
// the tokens of the texts.
func (g *givenRun) batch(index uint64) ([]*tensors.Tensor, error) {
	rng := rand.New(rand.NewPCG(g.c.Train.Seed, index))
	step := int(index) / g.c.Train.withDefaults().Accumulate //nolint:gosec // counts from 0
	var good, bad []float32
	var tokens flux.Tokens
	whole := flux.WholeFrame(g.grid, g.base.model.Spec().Unit)
	for range g.c.Train.Batch {
		t := g.pick(step, rng)
		enhanced, err := g.data.image(t.enhanced)
		if err != nil {
			return nil, err
		}
		flawed, err := g.data.image(t.flawed)
		if err != nil {
			return nil, err
		}
		flawed = flux.Resize(flawed, g.c.Size, g.c.Size)
		request := g.request(t, flawed, rng)
		for _, side := range []struct {
			frame flux.Frame
			img   image.Image
			into  *[]float32
		}{{whole, enhanced, &good}, {g.frame, request.Reference, &bad}} {
			pixels, err := side.frame.Pixels(side.img)
			if err != nil {
				return nil, err
			}
			*side.into = append(*side.into, pixels...)
		}
		texts, err := g.base.model.Texts(request)
		if err != nil {
			return nil, fmt.Errorf("prompt %.60q: %w", t.prompt, err)
		}
		if tokens == nil {
			tokens = make(flux.Tokens, len(texts.Prompt))
		}
		for i, ids := range texts.Prompt {
			tokens[i] = append(tokens[i], ids...)
		}
	}
	shapes := g.denoising.batch
	made := []*tensors.Tensor{
		tensors.FromFlatDataAndDimensions(good, shapes[0].Dimensions...), tensors.FromFlatDataAndDimensions(bad, shapes[1].Dimensions...),
		normal(rng, shapes[2].Dimensions...), timesteps(rng, g.c.Train.Batch, g.c.Timestep),
	}
	for i, ids := range tokens {
		made = append(made, tensors.FromFlatDataAndDimensions(ids, shapes[g.text+i].Dimensions...))
	}
	return made, nil
}

// request asks for the correction of a triplet, with the dropouts of the paper's data loader.
// Without its image or its reflection, only the prompt is left.
func (g *givenRun) request(t indexed, flawed image.Image, rng *rand.Rand) reflectionflow.Request {
	r := reflectionflow.Request{Prompt: t.prompt, Reflection: t.reflection, Reference: flawed}
	dropText, dropReflection := rng.Float64() < g.c.DropText, rng.Float64() < g.c.DropReflection
	black := rng.Float64() < g.c.DropImage
	if black {
		empty := image.NewRGBA(flawed.Bounds())
		draw.Draw(empty, empty.Bounds(), image.Black, image.Point{}, draw.Src)
		r.Reference = empty
	}
	switch {
	case dropText:
		r.Prompt, r.Reflection = "", ""
	case dropReflection || black:
		r.Reflection = ""
	}
	return r
}

// pick samples a triplet for an optimizer step: a subset by the mix, then any of its triplets.
func (g *givenRun) pick(step int, rng *rand.Rand) indexed {
	if len(g.rows) == 0 {
		return g.data.triplets[rng.IntN(len(g.data.triplets))]
	}
	of := g.data.subsets[g.c.Mix.choose(g.rows, step, rng)]
	return g.data.triplets[of[rng.IntN(len(of))]]
}

// subsets returns the rows of the mix that have triplets; none without a mix.
func (g *givenRun) subsets() ([]mixed, error) {
	if g.c.Mix == (Mix{}) {
		return nil, nil
	}
	return g.c.Mix.available(func(subset string) bool { return len(g.data.subsets[subset]) > 0 })
}
