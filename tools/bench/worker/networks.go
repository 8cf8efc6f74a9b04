package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/internal/bench"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

// textTokens is the length of the text beside a block's image.
const textTokens = 512

// part compiles a part of a model: the decoder of the autoencoder in the folder for an image of size pixels, or one
// block of the transformer in the folder, "double" or "single", for the tokens of such an image and 512 of a text. Its
// random inputs and its outputs go to the file, if there is one, as in0, in1 … and out0, out1 ….
func part(b compute.Backend, do, folder, file string, size int) (bench.Job, error) {
	open := block
	if do == "decode" {
		open = decoder
	}
	given, build, err := open(folder, do, size)
	if err != nil {
		return bench.Job{}, err
	}
	source, err := weights.Open(filepath.Join(folder, "diffusion_pytorch_model.safetensors"))
	if err != nil {
		return bench.Job{}, err
	}
	store := nn.NewStore()
	prefix := map[bool]string{true: flux1.VAEPrefix, false: flux1.TransformerPrefix}[do == "decode"]
	if err := store.AddSource(prefix, source); err != nil {
		return bench.Job{}, err
	}
	program, err := nn.Compile(b, store, given, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return build(s, in), nil
	}, nn.Options{Name: do})
	if err != nil {
		return bench.Job{}, err
	}
	var inputs []*tensors.Tensor
	for i, shape := range given {
		inputs = append(inputs, random(uint64(i), shape.Dimensions))
	}
	if file != "" {
		outputs, err := program.Run(inputs...)
		if err != nil {
			return bench.Job{}, err
		}
		if err := writeTensors(file, map[string][]*tensors.Tensor{"in": inputs, "out": outputs}); err != nil {
			return bench.Job{}, err
		}
	}
	return bench.Job{Close: program.Close, Run: func() error {
		outputs, err := program.Run(inputs...)
		for _, out := range outputs {
			err = errors.Join(err, out.FinalizeAll())
		}
		return err
	}}, nil
}

type builder func(s nn.Scope, in []*Node) []*Node

func decoder(folder, _ string, size int) ([]shapes.Shape, builder, error) {
	var c flux.AutoencoderConfig
	if err := readJSON(folder, &c); err != nil {
		return nil, nil, err
	}
	side := size / c.Factor()
	return []shapes.Shape{floats(1, side, side, c.LatentChannels)}, func(s nn.Scope, in []*Node) []*Node {
		return []*Node{flux.Decode(s.In(flux1.VAEPrefix), c, in[0])}
	}, nil
}

func block(folder, kind string, size int) ([]shapes.Shape, builder, error) {
	var p flux1.Params
	if err := readJSON(folder, &p); err != nil {
		return nil, nil, err
	}
	m := &flux1.Model{Folder: &flux1.Folder{Transformer: p}}
	grid := flux.Grid{Rows: size / 16, Cols: size / 16}
	given := []shapes.Shape{floats(1, p.Hidden()), floats(1, textTokens, p.Hidden()), floats(1, grid.Tokens(), p.Hidden())}
	if kind == "single" {
		given = []shapes.Shape{floats(1, p.Hidden()), floats(1, textTokens+grid.Tokens(), p.Hidden())}
	}
	for _, piece := range m.Pieces().List {
		if piece.Kind != kind {
			continue
		}
		return given, func(s nn.Scope, in []*Node) []*Node {
			zeros := func(dims ...int) *Node { return Zeros(in[0].Graph(), floats(dims...)) } // for their shapes
			return piece.Run(s, flux.Inputs{
				Image: flux.Packed{Tokens: zeros(1, grid.Tokens(), p.InChannels), Grid: grid}, Sigma: zeros(1), Guidance: zeros(1),
				Embedding: []*Node{zeros(1, textTokens, p.JointAttentionDim), zeros(1, p.PooledProjectionDim)},
			}, in[:1], in[1:])
		}, nil
	}
	return nil, nil, fmt.Errorf("%s has no %s block", folder, kind)
}

func floats(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }

func readJSON(folder string, into any) error {
	data, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// writeTensors writes lists of tensors under their names and numbers.
func writeTensors(file string, lists map[string][]*tensors.Tensor) error {
	var written []safetensors.Tensor
	for name, list := range lists {
		for i, t := range list {
			values, err := tensors.CopyFlatData[float32](t)
			if err != nil {
				return err
			}
			written = append(written, safetensors.Tensor{Name: fmt.Sprint(name, i), Shape: t.Shape().Dimensions, DType: safetensors.F32, Values: values})
		}
	}
	return safetensors.Write(file, written, nil)
}
