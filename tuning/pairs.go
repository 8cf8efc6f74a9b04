package tuning

import (
	"context"
	"fmt"
	"image"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/genref"
)

// pair is a flawed and an enhanced image of one prompt.
type pair struct {
	prompt     string
	asked      reflectionflow.Prompt // of an edit: the same with its requirements
	reflection string
	flawed     image.Image
	enhanced   image.Image
}

// pairs holds training pairs by number: first the rendered edits, then the triplets.
type pairs struct {
	captioned captioned
	edits     int
	triplets  []genref.Triplet
	seed      uint64
	split     clipart.Split // split of the edits' prompts
	mix       Mix
	rows      []mixed          // rows of the subsets that have pairs
	subsets   map[string][]int // indices of triplets by subset
	redrawing Redraw
	redrawn   *redrawn // flawed images of the first edits
}

func (p pairs) count() int { return p.edits + len(p.triplets) }

// words returns the prompt and the reflection of pair i.
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

// critique says what is wrong with the flawed scene of edit i and what to do, without a layout;
// empty where that cannot be worded.
func (p pairs) critique(i int, rng *rand.Rand) string {
	_, flawed, words, err := p.scenes(i)
	if err != nil {
		return ""
	}
	seen, err := flawed.Truth(p.captioned.size, p.captioned.size)
	if err != nil {
		return ""
	}
	return clipart.VariedCritique(words.asked, seen, rng)
}

// pair returns pair i with its images.
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

// scenes returns the scene of edit i, the scene with a flaw, and the pair's texts.
func (p pairs) scenes(i int) (scene, flawed clipart.Scene, words pair, err error) {
	rng := rand.New(rand.NewPCG(p.seed, 1<<62|uint64(i)))
	scene, prompt := p.captioned.sampler.SampleMixed(p.split, rng)
	flawed, instruction, err := p.captioned.sampler.Flaw(scene, prompt, rng)
	return scene, flawed, pair{prompt: prompt.Text, asked: prompt, reflection: directions(scene, prompt, instruction, rng)}, err
}

// edit returns edit i: a scene, and the same scene with a flaw.
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

// redraw regenerates the flawed scenes of the first edits with the base.
func (p *pairs) redraw(ctx context.Context, model *flux1.Model, settings Redraw, opts StageOptions, dir string) error {
	settings.Images = min(settings.Images, p.edits)
	if err := settings.Validate(); err != nil || settings.Images == 0 {
		return err
	}
	p.redrawing = settings
	key := fmt.Sprintf("edits of %v at %d, first look %v", p.captioned.sampler.Known(), p.captioned.size, p.captioned.recipe.FirstLook)
	p.redrawn = &redrawn{size: p.captioned.size, seed: p.seed, key: key, how: settings, source: func(i int) (clipart.Scene, caption, error) {
		_, flawed, _, err := p.scenes(i)
		return flawed, caption{long: clipart.LongCaption(flawed), short: clipart.ShortCaption(clipart.SceneRequirements(flawed))}, err
	}}
	return p.redrawn.open(ctx, model, opts, dir)
}

func newPairs(r Recipe) (pairs, error) {
	data, err := newCaptioned(r)
	if err != nil {
		return pairs{}, err
	}
	c := r.Corrector
	p := pairs{captioned: data, edits: c.Edits, seed: c.Train.Seed, split: clipart.Train, mix: c.Mix, subsets: map[string][]int{}}
	if c.Triplets != "" {
		if p.triplets, err = readTriplets(c.Triplets); err != nil {
			return pairs{}, err
		}
	}
	for i, t := range p.triplets {
		p.subsets[t.Subset] = append(p.subsets[t.Subset], i)
	}
	p.rows, err = p.mix.available(func(subset string) bool {
		return len(p.subsets[subset]) > 0 || (subset == subsetEditing && p.edits > 0)
	})
	return p, err
}

// pick chooses a pair for an optimizer step: a subset by the mix, then any of its pairs. The
// rendered edits are in the subset editing.
func (p pairs) pick(step int, rng *rand.Rand) int {
	subset := p.mix.choose(p.rows, step, rng)
	of := p.subsets[subset]
	rendered := 0
	if subset == subsetEditing {
		rendered = p.edits
	}
	i := rng.IntN(rendered + len(of))
	if i < rendered {
		return i
	}
	return p.edits + of[i-rendered]
}

// caption returns the texts of pair i with the dropouts of the paper's data loader. Without its
// image or its reflection, only the prompt is left.
func (p pairs) caption(i int, c Corrector, rng *rand.Rand) (words caption, black bool) {
	prompt, reflection := p.words(i)
	if c.Critiques > 0 && i < p.edits && rng.Float64() < c.Critiques {
		if critique := p.critique(i, rng); critique != "" {
			reflection = critique
		}
	}
	dropText, dropReflection := rng.Float64() < c.DropText, rng.Float64() < c.DropReflection
	black = rng.Float64() < c.DropImage
	switch {
	case dropText:
		return caption{}, black
	case dropReflection || black:
		reflection = ""
	}
	return caption{long: flux1.Text(prompt, reflection), short: prompt}, black
}

// conditionSide returns the side of a reference in pixels for images of a side.
func conditionSide(model *flux1.Model, side int) int {
	unit := 2 * model.Folder.VAE.Factor()
	return unit * model.Settings.ConditionGrid(flux.Grid{Rows: side / unit, Cols: side / unit}).Rows
}

// encode encodes all pairs, and a black image after the flawed ones.
func (p pairs) encode(ctx context.Context, model *flux1.Model, opts StageOptions, dir string) (enhanced, flawed *latentCache, err error) {
	key := fmt.Sprintf("pairs %v, %d edits, redrawn %s, %d triplets, seed %d", p.captioned.sampler.Known(), p.edits, p.redrawing.cacheKey(), len(p.triplets), p.seed)
	encode := func(name string, side, n int, choose func(pair) image.Image) (*latentCache, error) {
		b, err := newLatentEncoder(opts, model.Store, model.Folder.VAE, side)
		if err != nil {
			return nil, err
		}
		return b.open(ctx, filepath.Join(dir, name+".safetensors"), name+" "+key, n, func(i int, pixels []uint8) error {
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
	flawed, err = encode("flawed", conditionSide(model, side), p.count()+1, func(e pair) image.Image { return e.flawed })
	return enhanced, flawed, err
}

func copyPixels(to []uint8, from *image.RGBA) {
	for i := range len(to) / 3 {
		copy(to[3*i:3*i+3], from.Pix[4*i:4*i+3])
	}
}
