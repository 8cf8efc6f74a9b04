package flux1

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/internal/wording"
	"reflectionflow/nn"
)

var _ flux.Model = (*Model)(nil)

// Spec implements [flux.Denoiser].
func (m *Model) Spec() flux.Spec {
	p := m.Folder.Transformer
	spec := flux.Spec{
		Store: m.Store, Unit: 2 * m.Folder.VAE.Factor(), Channels: p.InChannels,
		Embedding:       [][]int{{m.Settings.TextLength, p.JointAttentionDim}, {p.PooledProjectionDim}},
		GuidanceRescale: m.Settings.GuidanceRescale, Corrects: m.Corrector != nil || m.Folder.Edits(),
		TextPrefixes: []string{CLIPPrefix, T5Prefix},
	}
	if m.Settings.ClassifierFreeGuidance {
		spec.Guided = func(guidance float64) bool { return guidance != 1 }
	}
	return spec
}

// Text is [wording.Marked], which the corrector is trained on.
func Text(prompt, reflection string) string {
	return wording.Marked(reflectionflow.Request{Prompt: prompt, Reflection: reflection})
}

// text returns what the T5 encoder reads for a request. The mark goes only to the
// corrector that was trained with it.
func (m *Model) text(r reflectionflow.Request) string {
	switch {
	case m.Corrector != nil:
		return wording.Marked(r)
	case m.Folder.Edits():
		return wording.Instruction(r)
	}
	return wording.Appended(r)
}

// pooledPrompt returns the prompt of the CLIP encoder.
func pooledPrompt(r reflectionflow.Request) string {
	if strings.TrimSpace(r.PooledPrompt) == "" {
		return r.Prompt
	}
	return r.PooledPrompt
}

// negativePrompt is the T5 prompt that classifier-free guidance steers away from: the
// caption of the reference, or the empty prompt. CLIP's is always empty.
func negativePrompt(r reflectionflow.Request) string {
	if r.Reference == nil {
		return ""
	}
	return r.ReferenceCaption
}

// Texts implements [flux.TextEncoder]: ids for T5 and for CLIP. A tokenizer of whole
// words refuses what it does not know and a prompt that is too long; others cut it with a
// warning, as diffusers does.
func (m *Model) Texts(r reflectionflow.Request) (flux.Texts, error) {
	text, pooled, against := m.text(r), pooledPrompt(r), negativePrompt(r)
	read := text
	if m.T5Tokenizer.WordLevel() { // a corrector of the embedded kind may lose the end of a reflection
		read = r.Prompt
	}
	_, truncated := m.T5Tokenizer.Encode(read, m.Settings.TextLength)
	var warnings []string
	switch {
	case m.T5Tokenizer.WordLevel():
		for _, text := range []string{text, pooled, against} {
			if err := m.CheckWords(text); err != nil {
				return flux.Texts{}, err
			}
		}
		if truncated {
			return flux.Texts{}, fmt.Errorf("%w: the prompt is longer than the model's %d tokens: shorten it", reflectionflow.ErrInvalid, m.Settings.TextLength)
		}
	case truncated:
		warnings = append(warnings, fmt.Sprintf("the prompt is longer than the model's %d tokens: its end was not read", m.Settings.TextLength))
	}
	if _, cut := m.CLIPTokenizer.Encode(pooled, m.Folder.CLIP.Positions); cut && !m.CLIPTokenizer.WordLevel() {
		warnings = append(warnings, fmt.Sprintf("CLIP, which sums the prompt up, read only its first %d tokens: name what matters most at the beginning", m.Folder.CLIP.Positions))
	}
	return flux.Texts{Prompt: m.tokens(text, pooled), Negative: m.tokens(against, ""), Warnings: warnings}, nil
}

func (m *Model) tokens(long, short string) flux.Tokens {
	t5, clip := m.TextIDs(long, short)
	return flux.Tokens{t5, clip}
}

// Embed implements [flux.TextEncoder]: the outputs of the text encoders, [B, T, d] of
// T5 and [B, d'] of CLIP.
func (m *Model) Embed(s nn.Scope, tokens []*Node) []*Node {
	f := m.Folder
	return []*Node{T5Encode(s.In(T5Prefix), f.T5, tokens[0]), CLIPPooled(s.In(CLIPPrefix), f.CLIP, tokens[1])}
}

// Sigmas implements [flux.Denoiser].
func (m *Model) Sigmas(steps, tokens int) []float64 {
	return m.Folder.Scheduler.Sigmas(steps, tokens)
}

// Velocity implements [flux.Denoiser] by [Transformer]. A reference is the corrector's
// [Condition], or an input of a model that edits.
func (m *Model) Velocity(s nn.Scope, in flux.Inputs) *Node {
	return Transformer(s.In(TransformerPrefix), m.Folder.Transformer, m.inputs(s, in))
}

func (m *Model) inputs(s nn.Scope, in flux.Inputs) Inputs {
	inputs := Inputs{
		Latents: in.Image.Tokens, Grid: in.Image.Grid, Text: in.Embedding[0], Pooled: in.Embedding[1],
		Timestep: in.Sigma, Guidance: in.Guidance,
	}
	switch {
	case m.Corrector == nil:
		inputs.References = in.References
	case len(in.References) > 0:
		inputs.Condition = &Condition{
			Latents: in.References[0].Tokens, Grid: in.References[0].Grid, Aligned: m.Settings.AlignedReference,
			Adapter: m.Corrector.Adapter(s.In(CorrectorPrefix), s.In(TransformerPrefix)), AllStreams: m.Corrector.AllStreams, Scale: m.Settings.ReferenceScale,
		}
	}
	return inputs
}

// Pieces returns the transformer in pieces, one per block.
func (m *Model) Pieces() flux.Pieces {
	p := m.Folder.Transformer
	piece := func(kind, block string, run func(n network, state []*Node) []*Node) flux.Piece {
		return flux.Piece{Kind: kind, Block: block, Run: func(s nn.Scope, in flux.Inputs, shared, state []*Node) []*Node {
			return run(newNetwork(s.In(TransformerPrefix), p, m.inputs(s, in), shared), state)
		}}
	}
	pieces := flux.Pieces{Shared: func(s nn.Scope, in flux.Inputs) []*Node {
		return shared(s.In(TransformerPrefix), p, m.inputs(s, in))
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

// kontextSizes are the widths and heights of the images that FLUX.1 Kontext was trained
// on (diffusers' PREFERRED_KONTEXT_RESOLUTIONS).
var kontextSizes = []image.Point{
	{X: 672, Y: 1568},
	{X: 688, Y: 1504},
	{X: 720, Y: 1456},
	{X: 752, Y: 1392},
	{X: 800, Y: 1328},
	{X: 832, Y: 1248},
	{X: 880, Y: 1184},
	{X: 944, Y: 1104},
	{X: 1024, Y: 1024},
	{X: 1104, Y: 944},
	{X: 1184, Y: 880},
	{X: 1248, Y: 832},
	{X: 1328, Y: 800},
	{X: 1392, Y: 752},
	{X: 1456, Y: 720},
	{X: 1504, Y: 688},
	{X: 1568, Y: 672},
}

// Frame implements [flux.Autoencoder]: the whole reference is scaled, for the corrector
// to [Settings.ConditionGrid], and for a model that edits to the size nearest to its
// aspect ratio that the model was trained on.
func (m *Model) Frame(size image.Point, grid flux.Grid) (flux.Frame, error) {
	unit := 2 * m.Folder.VAE.Factor()
	if m.Corrector != nil {
		return flux.WholeFrame(m.Settings.ConditionGrid(grid), unit), nil
	}
	ratio := float64(size.X) / float64(size.Y)
	if size.X >= unit && size.Y >= unit { // of whole tokens, as diffusers measures it
		ratio = float64(size.X/unit) / float64(size.Y/unit)
	}
	distance := func(p image.Point) float64 { return math.Abs(ratio - float64(p.X)/float64(p.Y)) }
	nearest := slices.MinFunc(kontextSizes, func(a, b image.Point) int { return cmp.Compare(distance(a), distance(b)) })
	frame := flux.WholeFrame(flux.Grid{Rows: nearest.Y / unit, Cols: nearest.X / unit}, unit)
	frame.Lanczos = true
	return frame, nil
}

// Encode implements [flux.Autoencoder].
func (m *Model) Encode(s nn.Scope, images *Node) *Node {
	vae := m.Folder.VAE
	mean, _ := flux.Encode(s.In(VAEPrefix), vae, images)
	return flux.Pack(vae.Scale(mean))
}

// Decode implements [flux.Autoencoder].
func (m *Model) Decode(s nn.Scope, x flux.Packed) *Node {
	vae := m.Folder.VAE
	return flux.Decode(s.In(VAEPrefix), vae, vae.Unscale(flux.Unpack(x.Tokens, x.Grid)))
}
