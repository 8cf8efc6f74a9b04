package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/nn"
)

// start takes a model from its files to two denoising steps and returns the seconds of the parts: opening the files,
// compiling the text encoder, encoding a text for the first time and again, compiling a step, the first step, and the
// second. What the first time takes longer is reading and checking the weights.
func start(backend compute.Backend, w config.Weights, size int) (seconds []float32, err error) {
	last := time.Now()
	lap := func() {
		seconds = append(seconds, float32(time.Since(last).Seconds()))
		last = time.Now()
	}
	model, files, err := assemble.Library{}.OpenFlux(w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	lap()
	spec := model.Spec()
	request := reflectionflow.Request{Prompt: "a photo of two red clocks", Seed: 1, Width: size, Height: size, Steps: 4, Guidance: 1}
	texts, err := model.Texts(request)
	if err != nil {
		return nil, err
	}
	var given []shapes.Shape
	var ids []*tensors.Tensor
	for _, list := range texts.Prompt {
		given = append(given, shapes.Make(dtypes.Int32, 1, len(list)))
		ids = append(ids, tensors.FromFlatDataAndDimensions(list, 1, len(list)))
	}
	encoder, err := nn.Compile(backend, spec.Store, given, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return model.Embed(s, in), nil
	}, nn.Options{Name: "text encoder"})
	if err != nil {
		return nil, err
	}
	lap()
	var embedding []*tensors.Tensor
	for range 2 {
		if embedding, err = encoder.Run(ids...); err != nil {
			return nil, err
		}
		lap()
	}
	for _, prefix := range spec.TextPrefixes {
		spec.Store.Release(prefix + ".")
	}
	last = time.Now()
	step, err := flux.NewPipeline(backend, model, flux.Options{}).StepProgram(request)
	if err != nil {
		return nil, err
	}
	lap()
	tokens := size / spec.Unit * (size / spec.Unit)
	level := func(v float32) *tensors.Tensor { return tensors.FromValue([]float32{v}) }
	x := tensors.FromFlatDataAndDimensions(flux.Noise(request.Seed, tokens*spec.Channels), 1, tokens, spec.Channels)
	for _, sigmas := range [][2]float32{{1, 0.9}, {0.9, 0.7}} {
		out, err := step.Run(append([]*tensors.Tensor{x, level(sigmas[0]), level(sigmas[1]), level(1)}, embedding...)...)
		if err != nil {
			return nil, fmt.Errorf("denoising step: %w", err)
		}
		x = out[0]
		lap()
	}
	return seconds, nil
}
