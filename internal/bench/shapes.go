package bench

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
	"reflectionflow/flux/qwen3"
	"reflectionflow/nn"
)

// modelShape is a model with one block of each kind, and how many the real one has.
type modelShape struct {
	model  flux.Model
	counts map[string]int
	texts  func(total *float64) []part
}

// words is the vocabulary of text encoders of random weights: its size does not change their time.
const words = 256

var modelShapes = map[string]func() modelShape{
	"flux1-dev":   fluxDev,
	"flux2-klein": klein,
}

func shapeNamed(name string) (modelShape, error) {
	shape, found := modelShapes[name]
	if !found {
		return modelShape{}, fmt.Errorf("%w: model %q: use a path, or %s for random weights", reflectionflow.ErrInvalid, name, strings.Join(Shapes(), " or "))
	}
	return shape(), nil
}

func tokens(length int) []shapes.Shape {
	return []shapes.Shape{shapes.Make(dtypes.Int32, 1, length), shapes.Make(dtypes.Int32, 1)}
}

// fluxDev is FLUX.1-dev with a text of 512 tokens.
func fluxDev() modelShape {
	p, t5, clip := flux1.Variants[0].Params, flux1.FluxDevT5(), flux1.FluxDevCLIP()
	counts := map[string]int{"double": p.NumLayers, "single": p.NumSingleLayers}
	layers := t5.Layers
	p.NumLayers, p.NumSingleLayers, t5.Layers, t5.Vocabulary = 1, 1, 1, words
	m := &flux1.Model{Folder: &flux1.Folder{Transformer: p, VAE: flux.FluxDevAutoencoder(), T5: t5, CLIP: clip}, Store: nn.NewStore()}
	m.Settings.TextLength = 512
	return modelShape{m, counts, func(total *float64) []part {
		return []part{
			{"T5-XXL layer", layers, total, tokens(512)[:1], func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
				return []*graph.Node{flux1.T5Encode(s.In(flux1.T5Prefix), t5, in[0])}, nil
			}},
			{"CLIP-L", 1, total, tokens(clip.Positions)[:1], func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
				return []*graph.Node{flux1.CLIPPooled(s.In(flux1.CLIPPrefix), clip, in[0])}, nil
			}},
		}
	}}
}

// klein is FLUX.2 [klein] 4B with a text of 512 tokens.
func klein() modelShape {
	p, text := flux2.Klein4B(), qwen3.Qwen4B()
	counts := map[string]int{"double": p.NumLayers, "single": p.NumSingleLayers}
	p.NumLayers, p.NumSingleLayers, text.Vocabulary = 1, 1, words
	layers := qwen3.Taps[len(qwen3.Taps)-1]
	m := &flux2.Model{Folder: &flux2.Folder{Transformer: p, VAE: flux2.KleinAutoencoder(), Text: text, Distilled: true}, Store: nn.NewStore()}
	m.Folder.Settings.TextLength = qwen3.Length
	return modelShape{m, counts, func(total *float64) []part {
		return []part{{"Qwen3-4B layer", layers, total, tokens(qwen3.Length), func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			return []*graph.Node{qwen3.Encode(s.In(flux2.TextPrefix), text, []int{1}, in[0], in[1])}, nil
		}}}
	}}
}

// embedder is the text encoder of a model with weights, on a short text.
func embedder(model flux.Model, total *float64) ([]part, error) {
	texts, err := model.Texts(reflectionflow.Request{Prompt: "a photo of two dogs", Width: modelSize, Height: modelSize, Steps: 1})
	if err != nil {
		return nil, err
	}
	var given []shapes.Shape
	for _, list := range texts.Prompt {
		given = append(given, shapes.Make(dtypes.Int32, 1, len(list)))
	}
	return []part{{"text encoder", 1, total, given, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return model.Embed(s, in), nil
	}}}, nil
}
