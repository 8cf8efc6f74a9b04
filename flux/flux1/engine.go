package flux1

import (
	"fmt"
	"image"
	"strings"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
)

var _ flux.Model = (*Model)(nil)

// Spec implements [flux.Denoiser].
func (m *Model) Spec() flux.Spec {
	p := m.Folder.Transformer
	spec := flux.Spec{
		Store: m.Store, Unit: 2 * m.Folder.VAE.Factor(), Channels: p.InChannels,
		Embedding:       [][]int{{m.Settings.TextLength, p.JointAttentionDim}, {p.PooledProjectionDim}},
		GuidanceRescale: m.Settings.GuidanceRescale, Corrects: m.Corrector != nil,
	}
	if m.Settings.ClassifierFreeGuidance {
		spec.Guided = func(guidance float64) bool { return guidance != 1 }
	}
	return spec
}

// Text returns what the T5 encoder reads for a request: the prompt, and the reflection
// after [reflectionflow.ReflectionMark] where there is one, as the corrector was
// trained (ReflectionFlow, train_flux).
func Text(prompt, reflection string) string {
	if reflection == "" {
		return prompt
	}
	return prompt + reflectionflow.ReflectionMark + reflection
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

// Tokens implements [flux.TextEncoder]: ids for T5 and for CLIP.
func (m *Model) Tokens(r reflectionflow.Request) (prompt, negative flux.Tokens, err error) {
	text, pooled, against := Text(r.Prompt, r.Reflection), pooledPrompt(r), negativePrompt(r)
	for _, text := range []string{text, pooled, against} {
		if err := m.CheckWords(text); err != nil {
			return nil, nil, err
		}
	}
	if ids, truncated := m.T5Tokenizer.Encode(r.Prompt, m.Settings.TextLength); truncated {
		return nil, nil, fmt.Errorf("%w: the prompt is longer than the model's %d tokens: shorten it", reflectionflow.ErrInvalid, len(ids))
	}
	return m.tokens(text, pooled), m.tokens(against, ""), nil
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

// Velocity implements [flux.Denoiser] by [Transformer]; a reference is the corrector's
// [Condition].
func (m *Model) Velocity(s nn.Scope, in flux.Inputs) *Node {
	inputs := Inputs{
		Latents: in.Image.Tokens, Grid: in.Image.Grid, Text: in.Embedding[0], Pooled: in.Embedding[1],
		Timestep: in.Sigma, Guidance: in.Guidance,
	}
	base := s.In(TransformerPrefix)
	if len(in.References) > 0 {
		inputs.Condition = &Condition{
			Latents: in.References[0].Tokens, Grid: in.References[0].Grid, Aligned: m.Settings.AlignedReference,
			Adapter: m.Corrector.Adapter(s.In(CorrectorPrefix), base), AllStreams: m.Corrector.AllStreams, Scale: m.Settings.ReferenceScale,
		}
	}
	return Transformer(base, m.Folder.Transformer, inputs)
}

// Frame implements [flux.Autoencoder]: the whole reference is scaled to
// [Settings.ConditionGrid], whatever its aspect ratio.
func (m *Model) Frame(_ image.Point, grid flux.Grid) (flux.Frame, error) {
	return flux.WholeFrame(m.Settings.ConditionGrid(grid), 2*m.Folder.VAE.Factor()), nil
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
