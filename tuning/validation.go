package tuning

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
	"reflectionflow/verifier/detect"
)

// validationPairs is the number of held-out flawed images that are corrected and judged;
// correctionsShown of them are on the sample sheet.
const (
	validationPairs  = 48
	correctionsShown = 12
)

// validation measures a corrector by its corrections: it corrects a fixed set of flawed images
// of validation prompts, and the detector reports how many corrections meet their prompts. It
// also measures the loss on the same pairs.
type validation struct {
	pairs    pairs
	requests []reflectionflow.Request
	prompts  []reflectionflow.Prompt
	flawed   []image.Image
	good     *latentCache
	bad      *latentCache
	model    string // folder of the model, which has the detector
}

func newValidation(ctx context.Context, model *flux1.Model, r Recipe, opts StageOptions) (*validation, error) {
	data, err := newCaptioned(r)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(opts.stage("corrector"), "validation")
	p := pairs{captioned: data, edits: validationPairs, seed: validationSeed, split: clipart.Validation}
	if err := p.redraw(ctx, model, r.Corrector.Redraw, opts, dir); err != nil {
		return nil, err
	}
	v := &validation{pairs: p, model: opts.model()}
	for i := range validationPairs {
		pair, err := p.pair(i)
		if err != nil {
			return nil, err
		}
		prompt, err := clipart.Parse(pair.prompt)
		if err != nil {
			return nil, err
		}
		v.prompts, v.flawed = append(v.prompts, prompt), append(v.flawed, pair.flawed)
		v.requests = append(v.requests, reflectionflow.Request{
			Prompt: pair.prompt, Reflection: pair.reflection, Reference: pair.flawed, Seed: uint64(i), //nolint:gosec // counts from 0
			Width: data.size, Height: data.size, Steps: model.Settings.Steps, Guidance: model.Settings.Guidance,
		})
	}
	v.good, v.bad, err = p.encode(ctx, model, opts, dir)
	return v, err
}

// run corrects the images, saves flawed images above their corrections in the file path, and
// returns measurements: "validation_loss", and with a trained detector "right", the share of
// corrections that meet their prompt, and "flawed_right", that of the flawed images.
func (v *validation) run(ctx context.Context, backend compute.Backend, model *flux1.Model, path string) (map[string]float64, error) {
	loss, err := v.loss(backend, model)
	if err != nil {
		return nil, err
	}
	measured := map[string]float64{"validation_loss": loss}
	generations, err := flux.NewPipeline(backend, model, flux.Options{}).Generate(ctx, v.requests)
	if err != nil {
		return nil, err
	}
	corrected := make([]image.Image, len(generations))
	for i, g := range generations {
		if g.Err != nil {
			return nil, fmt.Errorf("correct an image: %w", g.Err)
		}
		corrected[i] = g.Image
	}
	if err := saveGrid(path, append(append([]image.Image(nil), v.flawed[:correctionsShown]...), corrected[:correctionsShown]...), correctionsShown); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(v.model, DetectorPrefix)); errors.Is(err, fs.ErrNotExist) {
		return measured, nil // the detector is not trained yet
	}
	detector, err := detect.Load(backend, os.DirFS(v.model), DetectorPrefix)
	if err != nil {
		return nil, err
	}
	defer detector.Close() //nolint:errcheck // the weights stay in the store
	for name, images := range map[string][]image.Image{"right": corrected, "flawed_right": v.flawed} {
		found, err := detector.Detect(ctx, images)
		if err != nil {
			return nil, err
		}
		right := make([]bool, len(found))
		for i, objects := range found {
			right[i] = clipart.CheckAll(v.prompts[i].Requirements, objects)
		}
		measured[name] = fraction(right)
	}
	return measured, nil
}

// loss returns the mean velocity loss over all pairs, with the same noise and timesteps at
// every call.
func (v *validation) loss(backend compute.Backend, model *flux1.Model) (float64, error) {
	const batch = 16
	floats := func(b *latentCache) shapes.Shape {
		return shapes.Make(dtypes.Float32, batch, b.grid.Tokens(), b.channels)
	}
	length := model.Settings.TextLength
	ids := shapes.Make(dtypes.Int32, batch, length)
	inputs := []shapes.Shape{floats(v.good), floats(v.good), shapes.Make(dtypes.Float32, batch), ids, ids, floats(v.bad)}
	program, err := nn.Compile(backend, model.Store, inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		condition := correctorCondition(s, model, *model.Corrector, in[5], v.bad.grid)
		return []*Node{ReduceAllMean(velocityError(s, model, newFlow(s, model, in, v.good.grid), condition))}, nil
	}, nn.Options{Name: "validation loss"})
	if err != nil {
		return 0, err
	}
	defer program.Close()
	sum := 0.0
	for first := 0; first < validationPairs; first += batch {
		rng := rand.New(rand.NewPCG(validationSeed, uint64(first)<<8)) //nolint:gosec // counts from 0
		text := newTexts(model, batch)
		var good, bad []float32
		for i := first; i < first+batch; i++ {
			prompt, reflection := v.pairs.words(i)
			text.add(caption{long: flux1.Text(prompt, reflection), short: prompt})
			good, bad = append(good, v.good.at(i)...), append(bad, v.bad.at(i)...)
		}
		t5, clip := text.tensors()
		out, err := program.Run(
			tensors.FromFlatDataAndDimensions(good, batch, v.good.grid.Tokens(), v.good.channels),
			normal(rng, batch, v.good.grid.Tokens(), v.good.channels), timesteps(rng, batch, 0), t5, clip,
			tensors.FromFlatDataAndDimensions(bad, batch, v.bad.grid.Tokens(), v.bad.channels))
		if err != nil {
			return 0, err
		}
		sum += float64(tensors.ToScalar[float32](out[0])) * batch / validationPairs
	}
	return sum, nil
}
