package flux1

import (
	"encoding/json"
	"fmt"

	"reflectionflow"
)

// Params sizes the transformer. The JSON form is the config.json of diffusers'
// FluxTransformer2DModel.
type Params struct {
	PatchSize           int    `json:"patch_size"`             // always 1: the 2×2 packing is outside the transformer
	InChannels          int    `json:"in_channels"`            // width of a packed token: 4 × latent channels
	OutChannels         int    `json:"out_channels,omitempty"` // 0 or null: InChannels
	NumLayers           int    `json:"num_layers"`             // double blocks
	NumSingleLayers     int    `json:"num_single_layers"`
	AttentionHeadDim    int    `json:"attention_head_dim"`
	NumAttentionHeads   int    `json:"num_attention_heads"`
	JointAttentionDim   int    `json:"joint_attention_dim"`   // width of the T5 encoder's output
	PooledProjectionDim int    `json:"pooled_projection_dim"` // width of the CLIP encoder's pooled output
	GuidanceEmbeds      bool   `json:"guidance_embeds"`       // the guidance scale is an input of the network
	AxesDimsRope        [3]int `json:"axes_dims_rope"`        // how AttentionHeadDim is divided among (type, row, column)
}

// Variants are the parameters of well-known models.
var Variants = []struct {
	Name   string
	Params Params
}{
	{"FLUX.1-dev", Params{
		PatchSize: 1, InChannels: 64, NumLayers: 19, NumSingleLayers: 38,
		AttentionHeadDim: 128, NumAttentionHeads: 24, JointAttentionDim: 4096, PooledProjectionDim: 768,
		GuidanceEmbeds: true, AxesDimsRope: [3]int{16, 56, 56},
	}},
	{"FLUX.1-schnell", Params{
		PatchSize: 1, InChannels: 64, NumLayers: 19, NumSingleLayers: 38,
		AttentionHeadDim: 128, NumAttentionHeads: 24, JointAttentionDim: 4096, PooledProjectionDim: 768,
		AxesDimsRope: [3]int{16, 56, 56},
	}},
	{"clipart", Params{
		PatchSize: 1, InChannels: 64, NumLayers: 2, NumSingleLayers: 4,
		AttentionHeadDim: 64, NumAttentionHeads: 3, JointAttentionDim: 128, PooledProjectionDim: 96,
		AxesDimsRope: [3]int{8, 28, 28},
	}},
}

const transformerClass = "FluxTransformer2DModel"

// UnmarshalJSON reads a config.json; a field that is absent takes diffusers'
// default, other fields are ignored.
func (p *Params) UnmarshalJSON(data []byte) error {
	type plain Params
	file := struct {
		ClassName string `json:"_class_name"`
		plain
	}{ClassName: transformerClass, plain: plain{
		PatchSize: 1, InChannels: 64, NumLayers: 19, NumSingleLayers: 38,
		AttentionHeadDim: 128, NumAttentionHeads: 24, JointAttentionDim: 4096, PooledProjectionDim: 768,
		AxesDimsRope: [3]int{16, 56, 56},
	}}
	if err := json.Unmarshal(data, &file); err != nil {
		return err
	}
	if file.ClassName != transformerClass {
		return p.invalid("config.json describes a %q, not a %s", file.ClassName, transformerClass)
	}
	*p = Params(file.plain)
	return nil
}

// MarshalJSON writes a config.json that diffusers reads.
func (p Params) MarshalJSON() ([]byte, error) {
	type plain Params
	return json.Marshal(struct {
		ClassName string `json:"_class_name"`
		plain
	}{transformerClass, plain(p)})
}

// Hidden returns the width of the transformer.
func (p Params) Hidden() int { return p.NumAttentionHeads * p.AttentionHeadDim }

// Largest sizes accepted from a configuration file; FLUX.1-dev is well below.
const (
	maxLayers = 512
	maxWidth  = 1 << 16
)

// Validate reports a size that no transformer can have, as an error wrapping
// [reflectionflow.ErrInvalid].
func (p Params) Validate() error {
	sizes := []struct {
		name       string
		value, max int
	}{
		{"in_channels", p.InChannels, maxWidth},
		{"attention_head_dim", p.AttentionHeadDim, maxWidth},
		{"num_attention_heads", p.NumAttentionHeads, maxWidth},
		{"joint_attention_dim", p.JointAttentionDim, maxWidth},
		{"pooled_projection_dim", p.PooledProjectionDim, maxWidth},
	}
	for _, s := range sizes {
		if s.value < 1 || s.value > s.max {
			return p.invalid("%s is %d, must be from 1 to %d", s.name, s.value, s.max)
		}
	}
	axes := p.AxesDimsRope
	switch {
	case p.PatchSize != 1:
		return p.invalid("patch_size is %d, only 1 is known", p.PatchSize)
	case p.InChannels%4 != 0:
		return p.invalid("in_channels is %d, must be a multiple of 4", p.InChannels)
	case p.OutChannels != p.InChannels && p.OutChannels != 0:
		return p.invalid("out_channels is %d, must be in_channels, %d", p.OutChannels, p.InChannels)
	case p.NumLayers < 0 || p.NumLayers > maxLayers:
		return p.invalid("num_layers is %d, must be from 0 to %d", p.NumLayers, maxLayers)
	case p.NumSingleLayers < 0 || p.NumSingleLayers > maxLayers:
		return p.invalid("num_single_layers is %d, must be from 0 to %d", p.NumSingleLayers, maxLayers)
	case p.Hidden() > maxWidth:
		return p.invalid("%d heads of %d are too wide", p.NumAttentionHeads, p.AttentionHeadDim)
	case axes[0]+axes[1]+axes[2] != p.AttentionHeadDim:
		return p.invalid("axes_dims_rope %v must add up to attention_head_dim, %d", axes, p.AttentionHeadDim)
	}
	for _, axis := range axes {
		if axis < 0 || axis%2 != 0 {
			return p.invalid("axes_dims_rope %v must be even", axes)
		}
	}
	return nil
}

func (p Params) invalid(format string, args ...any) error {
	return fmt.Errorf("%w: transformer: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
}
