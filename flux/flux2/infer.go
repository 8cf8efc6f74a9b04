package flux2

import (
	"fmt"

	"reflectionflow/flux"
	"reflectionflow/flux/qwen3"
	"reflectionflow/weights"
	"reflectionflow/weights/layout"
)

// ReadTransformer finds a FLUX.2 transformer among the tensors of a file, in any naming,
// and returns its sizes. Another model, a missing tensor and a wrong shape give an error
// wrapping [reflectionflow.ErrInvalid].
func ReadTransformer(source weights.Source) (Params, error) {
	var f Folder
	if err := f.inferTransformer(source); err != nil {
		return Params{}, err
	}
	c := flux.Component{Prefix: TransformerPrefix, Variables: f.Transformer.Variables, Layout: layout.Flux2Transformer}
	problems, err := c.CheckSource(source)
	if err == nil {
		err = problems.Serious().Err()
	}
	return f.Transformer, err
}

func (f *Folder) inferTransformer(source weights.Source) error {
	laid, err := layout.Flux2Transformer(source)
	if err == nil {
		f.Transformer, err = inferParams(laid)
	}
	return err
}

func (f *Folder) inferVAE(source weights.Source) error {
	laid, err := layout.Autoencoder(source)
	if err == nil {
		f.VAE, err = inferAutoencoder(laid)
	}
	return err
}

func (f *Folder) inferText(source weights.Source) (err error) {
	f.Text, err = qwen3.Infer(source)
	return err
}

// dimension is a tensor whose shape tells sizes.
type dimension struct {
	name     string
	inBlocks bool // the name is what stands behind the number of a double block
	n        int  // dimensions
	set      func(shape []int)
}

func (d dimension) dims(source weights.Source) ([]int, error) {
	if d.inBlocks {
		return flux.BlockDims(source, "transformer_blocks.", d.name, d.n)
	}
	return flux.Dims(source, d.name, d.n)
}

// inferParams reads the sizes of a transformer from its tensors, in the naming of
// diffusers.
func inferParams(source weights.Source) (Params, error) {
	p := Klein4B()
	for _, d := range []dimension{
		{name: ".attn.norm_q.weight", inBlocks: true, n: 1, set: func(s []int) { p.AttentionHeadDim = s[0] }},
		{name: "x_embedder.weight", n: 2, set: func(s []int) { p.InChannels, p.NumAttentionHeads = s[1], s[0]/max(1, p.AttentionHeadDim) }},
		{name: "context_embedder.weight", n: 2, set: func(s []int) { p.JointAttentionDim = s[1] }},
		{name: "time_guidance_embed.timestep_embedder.linear_1.weight", n: 2, set: func(s []int) { p.TimestepChannels = s[1] }},
		{name: ".ff.linear_out.weight", inBlocks: true, n: 2, set: func(s []int) { p.MLPRatio = float64(s[1]) / float64(max(1, s[0])) }},
	} {
		shape, err := d.dims(source)
		if err != nil {
			return Params{}, fmt.Errorf("%s: %w", TransformerPrefix, err)
		}
		d.set(shape)
	}
	if p.AttentionHeadDim%8 != 0 {
		return Params{}, p.invalid("the rotary axes of heads of width %d are not known: use a folder with a config.json", p.AttentionHeadDim)
	}
	for i := range p.AxesDimsRope {
		p.AxesDimsRope[i] = p.AttentionHeadDim / 4
	}
	p.NumLayers, p.NumSingleLayers = flux.Numbered(source, "transformer_blocks."), flux.Numbered(source, "single_transformer_blocks.")
	_, err := source.Info("time_guidance_embed.guidance_embedder.linear_1.weight")
	p.GuidanceEmbeds = err == nil
	return p, p.Validate()
}

// inferAutoencoder reads the sizes of an autoencoder from its tensors, in the naming of
// diffusers.
func inferAutoencoder(source weights.Source) (AutoencoderConfig, error) {
	shared, err := flux.InferAutoencoder(source)
	if err != nil {
		return AutoencoderConfig{}, err
	}
	c := NewAutoencoder(shared.BlockOut, shared.LatentChannels, shared.LayersPerBlock, shared.Groups)
	c.MidAttention, c.UseQuant, c.UsePostQuant = shared.MidAttention, shared.UseQuant, shared.UsePostQuant
	var widths []int // the decoder's blocks begin with the coarsest
	levels := flux.Numbered(source, "decoder.up_blocks.")
	for level := range levels {
		shape, err := flux.Dims(source, fmt.Sprintf("decoder.up_blocks.%d.resnets.0.conv1.weight", levels-1-level), 4)
		if err != nil {
			return AutoencoderConfig{}, err
		}
		widths = append(widths, shape[0])
	}
	for i := range widths {
		if i >= len(c.BlockOut) || widths[i] != c.BlockOut[i] {
			c.DecoderBlockOut = widths
		}
	}
	return c, c.Validate()
}
