package flux2

import (
	"fmt"
	"image"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/qwen3"
	"reflectionflow/internal/wording"
	"reflectionflow/nn"
)

// Model is what generates images: configurations, weights and tokenizer.
type Model struct {
	Folder    *Folder
	Store     *nn.Store // weights below TransformerPrefix, VAEPrefix and TextPrefix
	Tokenizer *qwen3.Tokenizer
}

var _ flux.Model = (*Model)(nil)

// LoadModel reads tokenizer and weights of the folder. A file that is missing or
// damaged, or does not fit the others, gives an error wrapping
// [reflectionflow.ErrInvalid].
func LoadModel(folder *Folder) (*Model, error) {
	m := &Model{Folder: folder, Store: nn.NewStore()}
	words, err := folder.Files.Tokenizer("tokenizer")
	if err == nil {
		m.Tokenizer, err = qwen3.NewTokenizer(words, folder.Text)
	}
	if err == nil {
		err = folder.LoadWeights(m.Store)
	}
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	return m, nil
}

// Spec implements [flux.Denoiser].
func (m *Model) Spec() flux.Spec {
	f := m.Folder
	spec := flux.Spec{
		Store: m.Store, Unit: m.unit(), Channels: f.Transformer.InChannels, Corrects: true, References: reflectionflow.MaxReferences, TextPrefixes: []string{TextPrefix},
		Embedding: [][]int{{f.Settings.TextLength, f.Transformer.JointAttentionDim}},
	}
	if !f.Distilled {
		spec.Guided = func(guidance float64) bool { return guidance > 1 }
	}
	return spec
}

// unit returns the side of a token in pixels.
func (m *Model) unit() int { return 2 * m.Folder.VAE.Factor() }

// Texts implements [flux.TextEncoder]: the ids of the text in Qwen3's chat, and how many
// are no padding. Guidance steers away from the empty text. A text that is too long is
// cut, as diffusers does.
func (m *Model) Texts(r reflectionflow.Request) (flux.Texts, error) {
	prompt, truncated := m.tokens(wording.Instruction(r))
	negative, _ := m.tokens("")
	texts := flux.Texts{Prompt: prompt, Negative: negative}
	if truncated {
		texts.Warnings = []string{fmt.Sprintf("the text is longer than the model's %d tokens: its end was not read", m.Folder.Settings.TextLength)}
	}
	return texts, nil
}

func (m *Model) tokens(text string) (tokens flux.Tokens, truncated bool) {
	ids, used, truncated := m.Tokenizer.Encode(text, m.Folder.Settings.TextLength)
	return flux.Tokens{ids, {int32(used)}}, truncated
}

// Embed implements [flux.TextEncoder]: the hidden states of [Settings.TextLayers] side
// by side.
func (m *Model) Embed(s nn.Scope, tokens []*Node) []*Node {
	f := m.Folder
	return []*Node{qwen3.Encode(s.In(TextPrefix), f.Text, f.Settings.TextLayers, tokens[0], Squeeze(tokens[1], -1))}
}

// Sigmas implements [flux.Denoiser] with the shift that was fitted for FLUX.2.
func (m *Model) Sigmas(steps, tokens int) []float64 {
	return m.Folder.Scheduler.Shifted(steps, empiricalMu(steps, tokens))
}

// empiricalMu is mu for an image of the given number of tokens: linear in it, at 10 and
// at 200 steps, and linear in the steps between them (diffusers' compute_empirical_mu).
func empiricalMu(steps, tokens int) float64 {
	const manyTokens = 4300 // from here on the line of 200 steps
	n := float64(tokens)
	at200 := 1.6927e-4*n + 0.45666666
	if tokens > manyTokens {
		return at200
	}
	at10 := 8.73809524e-5*n + 1.89833333
	slope := (at200 - at10) / 190
	return slope*float64(steps) + at200 - 200*slope
}

// Velocity implements [flux.Denoiser] by [Transformer].
func (m *Model) Velocity(s nn.Scope, in flux.Inputs) *Node {
	return Transformer(s.In(TransformerPrefix), m.Folder.Transformer, inputs(in))
}

func inputs(in flux.Inputs) Inputs {
	return Inputs{Image: in.Image, References: in.References, Text: in.Embedding[0], Sigma: in.Sigma, Guidance: in.Guidance}
}

// Pieces returns the transformer in pieces, one per block.
func (m *Model) Pieces() flux.Pieces {
	p := m.Folder.Transformer
	piece := func(kind, block string, run func(n network, state []*Node) []*Node) flux.Piece {
		return flux.Piece{Kind: kind, Block: block, Run: func(s nn.Scope, in flux.Inputs, shared, state []*Node) []*Node {
			return run(newNetwork(s.In(TransformerPrefix), p, inputs(in), shared), state)
		}}
	}
	pieces := flux.Pieces{Shared: func(s nn.Scope, in flux.Inputs) []*Node {
		return shared(s.In(TransformerPrefix), p, inputs(in))
	}}
	add := func(more flux.Piece) { pieces.List = append(pieces.List, more) }
	add(piece("", "", func(n network, _ []*Node) []*Node { return n.begin() }))
	for i := range p.NumLayers {
		add(piece("double", doubleName(i), func(n network, state []*Node) []*Node { return n.double(i, state) }))
	}
	add(piece("", "", func(n network, state []*Node) []*Node { return n.join(state) }))
	for i := range p.NumSingleLayers {
		add(piece("single", singleName(i), func(n network, state []*Node) []*Node { return n.single(i, state) }))
	}
	add(piece("", "", func(n network, state []*Node) []*Node { return []*Node{n.end(state)} }))
	return pieces
}

// Bounds of references, diffusers'.
const (
	minReferenceSide  = 64
	maxReferenceRatio = 8
	maxReferenceArea  = 1024 * 1024
)

// Frame implements [flux.Autoencoder]: a reference keeps its aspect ratio, whatever that
// of the image is. It is scaled down to at most 1024² pixels and cut at its edges to
// whole tokens.
func (m *Model) Frame(size image.Point, _ flux.Grid) (flux.Frame, error) {
	w, h := float64(size.X), float64(size.Y)
	switch {
	case size.X < minReferenceSide || size.Y < minReferenceSide:
		return flux.Frame{}, fmt.Errorf("%w: the reference image is %d×%d pixels: its sides must be at least %d", reflectionflow.ErrInvalid, size.X, size.Y, minReferenceSide)
	case max(w/h, h/w) > maxReferenceRatio:
		return flux.Frame{}, fmt.Errorf("%w: the reference image is %d×%d pixels: one side must be at most %d times the other", reflectionflow.ErrInvalid, size.X, size.Y, maxReferenceRatio)
	}
	frame := flux.Frame{Size: size, Lanczos: true}
	if w*h > maxReferenceArea {
		scale := math.Sqrt(maxReferenceArea / (w * h))
		frame.Size = image.Pt(int(w*scale), int(h*scale))
	}
	unit := m.unit()
	cut := image.Pt(frame.Size.X/unit*unit, frame.Size.Y/unit*unit)
	corner := frame.Size.Sub(cut).Div(2)
	frame.Crop = image.Rectangle{Min: corner, Max: corner.Add(cut)}
	return frame, nil
}

// Encode implements [flux.Autoencoder].
func (m *Model) Encode(s nn.Scope, images *Node) *Node {
	return Encode(s.In(VAEPrefix), m.Folder.VAE, images)
}

// Decode implements [flux.Autoencoder].
func (m *Model) Decode(s nn.Scope, x flux.Packed) *Node {
	return Decode(s.In(VAEPrefix), m.Folder.VAE, x)
}
