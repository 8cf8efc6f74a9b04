package tuning

import (
	"context"
	"fmt"
	"image"
	"math/rand/v2"
	"path/filepath"
	"slices"

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

// Corrector is the recipe of reflection tuning (arXiv 2504.16080 §4): a LoRA that
// learns to draw the enhanced image given the flawed one and the reflection.
type Corrector struct {
	Edits    int     `yaml:"edits"`    // rendered pairs: the same scene with a fault and without
	Triplets string  `yaml:"triplets"` // folder of GenRef shards; empty for none
	Share    float64 `yaml:"share"`    // of the triplets in a batch
	// Redraw draws the flawed pictures of the first edits over by the base, so that
	// the corrector sees such faults as it will meet. Its Share is not looked at.
	Redraw Redraw `yaml:"redraw"`
	Rank   int    `yaml:"rank"`
	// AllStreams lets the adapter act on text and image too; see [flux.Condition].
	AllStreams     bool    `yaml:"all_streams"`
	DropText       float64 `yaml:"drop_text"`       // share of empty texts
	DropImage      float64 `yaml:"drop_image"`      // share of black flawed images
	DropReflection float64 `yaml:"drop_reflection"` // share of prompts without a reflection
	Timestep       float64 `yaml:"timestep"`        // see [Base.Timestep]
	Train          Config  `yaml:"train"`
}

// pair is a flawed and an enhanced picture of one prompt.
type pair struct {
	prompt     string
	reflection string
	flawed     image.Image
	enhanced   image.Image
}

// pairs gives pictures by number: first the rendered edits, then the triplets.
type pairs struct {
	captioned captioned
	edits     int
	triplets  []reflectionflow.Triplet
	seed      uint64
	redrawing Redraw
	redrawn   *redrawn // of the first edits, the flawed pictures
}

func (p pairs) count() int { return p.edits + len(p.triplets) }

// words are the prompt and the reflection of pair i.
func (p pairs) words(i int) (prompt, reflection string) {
	if i >= p.edits {
		t := p.triplets[i-p.edits]
		return t.Prompt, t.Reflection
	}
	e, err := p.edit(i, false)
	if err != nil {
		return "", ""
	}
	return e.prompt, e.reflection
}

// pair i with its pictures.
func (p pairs) pair(i int) (pair, error) {
	if i >= p.edits {
		return decodeTriplet(p.triplets[i-p.edits])
	}
	e, err := p.edit(i, true)
	if err == nil && i < p.redrawn.count() {
		e.flawed = split(slices.Clone(p.redrawn.at(i)), p.captioned.size, p.captioned.size)[0]
	}
	return e, err
}

// scenes of edit i: the right one, the one with a fault, and what they are about.
func (p pairs) scenes(i int) (scene, flawed clipart.Scene, words pair, err error) {
	rng := rand.New(rand.NewPCG(p.seed, 1<<62|uint64(i)))
	scene, prompt := p.captioned.sampler.SampleMixed(clipart.Train, rng)
	flawed, reflection, err := p.captioned.sampler.Flaw(scene, prompt, rng)
	return scene, flawed, pair{prompt: prompt.Text, reflection: reflection}, err
}

// edit i: a scene, and the same scene with a fault.
func (p pairs) edit(i int, render bool) (pair, error) {
	scene, flawed, e, err := p.scenes(i)
	if err != nil || !render {
		return e, err
	}
	side := p.captioned.size
	if e.flawed, err = flawed.Render(side, side); err != nil {
		return pair{}, err
	}
	e.enhanced, err = scene.Render(side, side)
	return e, err
}

// redraw lets the base draw the flawed scenes of the first edits over.
func (p *pairs) redraw(backend compute.Backend, model *flux.Model, settings Redraw, dir string) error {
	settings.Pictures = min(settings.Pictures, p.edits)
	if err := settings.Validate(); err != nil || settings.Pictures == 0 {
		return err
	}
	p.redrawing = settings
	p.redrawn = &redrawn{size: p.captioned.size, seed: p.seed, source: func(i int) (clipart.Scene, caption, error) {
		_, flawed, _, err := p.scenes(i)
		return flawed, caption{long: clipart.LongCaption(flawed), short: clipart.ShortCaption(clipart.SceneRequirements(flawed))}, err
	}}
	return p.redrawn.open(backend, model, dir, fmt.Sprintf("edits of %v at %d", p.captioned.sampler.Known(), p.captioned.size), settings)
}

// correctorTask learns the LoRA on a frozen base.
func correctorTask(backend compute.Backend, model *flux.Model, r Recipe, dir string) (Task, flux.LoRA, error) {
	c := r.Corrector
	lora := flux.NewLoRA(model.Folder.Transformer, c.Rank, c.AllStreams)
	data, err := newPairs(r)
	if err != nil {
		return Task{}, lora, err
	}
	if err := data.redraw(backend, model, c.Redraw, dir); err != nil {
		return Task{}, lora, err
	}
	enhanced, flawed, err := data.encode(backend, model, dir)
	if err != nil {
		return Task{}, lora, fmt.Errorf("encode pairs: %w", err)
	}
	batch := c.Train.Batch
	floats := func(b *bank) shapes.Shape { return shapes.Make(dtypes.Float32, batch, b.grid.Tokens(), b.channels) }
	ids := shapes.Make(dtypes.Int32, batch, r.Base.TextLength)
	return Task{
		Name:   "corrector",
		Inputs: []shapes.Shape{floats(enhanced), floats(enhanced), shapes.Make(dtypes.Float32, batch), ids, ids, floats(flawed)},
		Loss: func(s nn.Scope, in []*Node) (*Node, []*Node) {
			condition := &flux.Condition{
				Latents: in[5], Grid: flawed.grid, AllStreams: lora.AllStreams,
				Adapter: lora.Adapter(s.In(flux.CorrectorPrefix), s.In(flux.TransformerPrefix)),
			}
			return velocityLoss(s, model, flowInputs{latents: in[0], noise: in[1], timestep: in[2], t5: in[3], clip: in[4], grid: enhanced.grid}, condition), nil
		},
		Trainable: under(flux.CorrectorPrefix),
		Batch: func(index uint64) ([]*tensors.Tensor, error) {
			rng := rand.New(rand.NewPCG(c.Train.Seed, index))
			var good, bad []float32
			text := newTexts(model, batch)
			for range batch {
				i := data.pick(rng, c.Share)
				good = append(good, enhanced.at(i)...)
				words, black := data.caption(i, c, rng)
				if black {
					i = data.count() // the black picture is the last
				}
				bad = append(bad, flawed.at(i)...)
				text.add(words)
			}
			t5, clip := text.tensors()
			return []*tensors.Tensor{
				tensors.FromFlatDataAndDimensions(good, batch, enhanced.grid.Tokens(), enhanced.channels),
				normal(rng, batch, enhanced.grid.Tokens(), enhanced.channels), timesteps(rng, batch, c.Timestep), t5, clip,
				tensors.FromFlatDataAndDimensions(bad, batch, flawed.grid.Tokens(), flawed.channels),
			}, nil
		},
		Sample: func(ctx context.Context, averaged *nn.Store, path string) (map[string]float64, error) {
			corrected := model.With(averaged)
			corrected.Corrector = &lora
			return nil, data.drawCorrections(ctx, backend, corrected, path)
		},
	}, lora, nil
}

func newPairs(r Recipe) (pairs, error) {
	data, err := newCaptioned(r)
	if err != nil {
		return pairs{}, err
	}
	p := pairs{captioned: data, edits: r.Corrector.Edits, seed: r.Corrector.Train.Seed}
	if r.Corrector.Triplets != "" {
		if p.triplets, err = readTriplets(r.Corrector.Triplets); err != nil {
			return pairs{}, err
		}
	}
	if p.count() == 0 {
		return pairs{}, fmt.Errorf("%w: the corrector's recipe has neither edits nor triplets", reflectionflow.ErrInvalid)
	}
	return p, nil
}

// pick chooses a pair: a triplet with probability share, if there are any.
func (p pairs) pick(rng *rand.Rand, share float64) int {
	triplet := rng.Float64() < share
	if p.edits == 0 || (triplet && len(p.triplets) > 0) {
		return p.edits + rng.IntN(len(p.triplets))
	}
	return rng.IntN(p.edits)
}

// caption words pair i with the dropouts of the paper's data loader: without its
// image or its reflection, the prompt stands alone.
func (p pairs) caption(i int, c Corrector, rng *rand.Rand) (words caption, black bool) {
	prompt, reflection := p.words(i)
	dropText, dropReflection := rng.Float64() < c.DropText, rng.Float64() < c.DropReflection
	black = rng.Float64() < c.DropImage
	switch {
	case dropText:
		return caption{}, black
	case dropReflection || black:
		reflection = ""
	}
	return caption{long: reflectionflow.Request{Prompt: prompt, Reflection: reflection}.Text(), short: prompt}, black
}

// encode encodes all pairs, and a black picture after the flawed ones.
func (p pairs) encode(backend compute.Backend, model *flux.Model, dir string) (enhanced, flawed *bank, err error) {
	key := fmt.Sprintf("pairs %v, %d edits, redrawn %+v, %d triplets, seed %d", p.captioned.sampler.Known(), p.edits, p.redrawing, len(p.triplets), p.seed)
	encode := func(name string, side, n int, choose func(pair) image.Image) (*bank, error) {
		b, err := newBanker(backend, model.Store, model.Folder.VAE, side)
		if err != nil {
			return nil, err
		}
		return b.open(filepath.Join(dir, name+".safetensors"), name+" "+key, n, func(i int, pixels []uint8) error {
			if i == p.count() {
				return nil // black
			}
			pair, err := p.pair(i)
			if err != nil {
				return err
			}
			copyPixels(pixels, flux.Resize(choose(pair), side, side))
			return nil
		})
	}
	side := p.captioned.size
	if enhanced, err = encode("enhanced", side, p.count(), func(e pair) image.Image { return e.enhanced }); err != nil {
		return nil, nil, err
	}
	flawed, err = encode("flawed", side/2, p.count()+1, func(e pair) image.Image { return e.flawed })
	return enhanced, flawed, err
}

func copyPixels(to []uint8, from *image.RGBA) {
	for i := range len(to) / 3 {
		copy(to[3*i:3*i+3], from.Pix[4*i:4*i+3])
	}
}

// correctionsShown is the number of columns of the corrector's sample grid.
const correctionsShown = 12

// drawCorrections draws held-out flawed scenes above their corrections.
func (p pairs) drawCorrections(ctx context.Context, backend compute.Backend, model *flux.Model, path string) error {
	held := p
	held.seed = validationSeed
	held.edits = correctionsShown
	var images []image.Image
	var requests []reflectionflow.Request
	for i := range correctionsShown {
		e, err := held.edit(i, true)
		if err != nil {
			return err
		}
		images = append(images, e.flawed)
		requests = append(requests, reflectionflow.Request{
			Prompt: e.prompt, Reflection: e.reflection, Reference: e.flawed, Seed: uint64(i),
			Width: p.captioned.size, Height: p.captioned.size, Steps: model.Settings.Steps, Guidance: model.Settings.Guidance,
		})
	}
	generations, err := flux.NewPipeline(backend, model, flux.Options{}).Generate(ctx, requests)
	if err != nil {
		return err
	}
	for _, g := range generations {
		images = append(images, g.Image)
	}
	return saveGrid(path, images, correctionsShown)
}
