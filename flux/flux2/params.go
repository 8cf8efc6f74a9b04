package flux2

import (
	"encoding/json"
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
)

// Params sizes the transformer. The JSON form is the config.json of diffusers'
// Flux2Transformer2DModel.
type Params struct {
	PatchSize         int     `json:"patch_size"`             // always 1: the 2×2 packing is outside the transformer
	InChannels        int     `json:"in_channels"`            // width of a token: 4 × latent channels
	OutChannels       int     `json:"out_channels,omitempty"` // 0 or null: InChannels
	NumLayers         int     `json:"num_layers"`             // double blocks
	NumSingleLayers   int     `json:"num_single_layers"`
	AttentionHeadDim  int     `json:"attention_head_dim"`
	NumAttentionHeads int     `json:"num_attention_heads"`
	JointAttentionDim int     `json:"joint_attention_dim"` // width of the text embedding
	TimestepChannels  int     `json:"timestep_guidance_channels"`
	MLPRatio          float64 `json:"mlp_ratio"`
	AxesDimsRope      [4]int  `json:"axes_dims_rope"` // how AttentionHeadDim is divided among (image, row, column, text)
	RopeTheta         float64 `json:"rope_theta"`
	Epsilon           float64 `json:"eps"`
	GuidanceEmbeds    bool    `json:"guidance_embeds"` // the guidance scale is an input of the network
}

const transformerClass = "Flux2Transformer2DModel"

// Klein4B returns the parameters of FLUX.2 [klein] 4B and its base.
func Klein4B() Params {
	return Params{
		PatchSize: 1, InChannels: 128, NumLayers: 5, NumSingleLayers: 20, AttentionHeadDim: 128, NumAttentionHeads: 24,
		JointAttentionDim: 7680, TimestepChannels: 256, MLPRatio: 3, AxesDimsRope: [4]int{32, 32, 32, 32}, RopeTheta: 2000, Epsilon: 1e-6,
	}
}

// UnmarshalJSON reads a config.json; a field that is absent takes diffusers' default,
// other fields are ignored.
func (p *Params) UnmarshalJSON(data []byte) error {
	type plain Params
	file := struct {
		ClassName string `json:"_class_name"`
		plain
	}{ClassName: transformerClass, plain: plain{
		PatchSize: 1, InChannels: 128, NumLayers: 8, NumSingleLayers: 48, AttentionHeadDim: 128, NumAttentionHeads: 48,
		JointAttentionDim: 15360, TimestepChannels: 256, MLPRatio: 3, AxesDimsRope: [4]int{32, 32, 32, 32}, RopeTheta: 2000, Epsilon: 1e-6,
		GuidanceEmbeds: true,
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

// feedForward returns the width inside the gated MLPs.
func (p Params) feedForward() int { return int(float64(p.Hidden()) * p.MLPRatio) }

// Largest sizes accepted from a configuration file; FLUX.2 [dev] is well below.
const (
	maxLayers = 512
	maxWidth  = 1 << 16
)

// Validate reports a size that no transformer can have, as an error wrapping
// [reflectionflow.ErrInvalid].
func (p Params) Validate() error {
	err := flux.CheckLimits("transformer", []flux.Limit{
		{Name: "patch_size", Value: p.PatchSize, Low: 1, High: 1},
		{Name: "in_channels", Value: p.InChannels, Low: 4, High: maxWidth},
		{Name: "num_layers", Value: p.NumLayers, Low: 0, High: maxLayers},
		{Name: "num_single_layers", Value: p.NumSingleLayers, Low: 0, High: maxLayers},
		{Name: "attention_head_dim", Value: p.AttentionHeadDim, Low: 2, High: maxWidth},
		{Name: "num_attention_heads", Value: p.NumAttentionHeads, Low: 1, High: maxWidth},
		{Name: "joint_attention_dim", Value: p.JointAttentionDim, Low: 1, High: 1 << 20},
		{Name: "timestep_guidance_channels", Value: p.TimestepChannels, Low: 2, High: maxWidth},
	})
	if err != nil {
		return err
	}
	sum := 0
	for _, axis := range p.AxesDimsRope {
		if axis < 0 || axis%2 != 0 {
			return p.invalid("axes_dims_rope %v must be even", p.AxesDimsRope)
		}
		sum += axis
	}
	switch {
	case p.InChannels%4 != 0:
		return p.invalid("in_channels is %d, must be a multiple of 4", p.InChannels)
	case p.OutChannels != p.InChannels && p.OutChannels != 0:
		return p.invalid("out_channels is %d, must be in_channels, %d", p.OutChannels, p.InChannels)
	case p.Hidden() > maxWidth:
		return p.invalid("%d heads of %d are too wide", p.NumAttentionHeads, p.AttentionHeadDim)
	case sum != p.AttentionHeadDim:
		return p.invalid("axes_dims_rope %v must add up to attention_head_dim, %d", p.AxesDimsRope, p.AttentionHeadDim)
	case p.TimestepChannels%2 != 0:
		return p.invalid("timestep_guidance_channels is %d, must be even", p.TimestepChannels)
	case !(p.MLPRatio > 0 && p.MLPRatio <= 64) || p.feedForward() < 1:
		return p.invalid("mlp_ratio is %v, must be above 0 and at most 64", p.MLPRatio)
	case !(p.RopeTheta > 1 && p.RopeTheta <= 1e12):
		return p.invalid("rope_theta is %v, must be above 1", p.RopeTheta)
	case !(p.Epsilon > 0 && p.Epsilon < 1):
		return p.invalid("eps is %v, must be between 0 and 1", p.Epsilon)
	}
	return nil
}

func (p Params) invalid(format string, args ...any) error {
	return fmt.Errorf("%w: transformer: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
}

// Variables lists the weights of [Transformer].
func (p Params) Variables() ([]nn.Variable, error) {
	floats := func(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }
	inputs := []shapes.Shape{floats(1, 1, p.InChannels), floats(1, 1, p.JointAttentionDim), floats(1)}
	return nn.Variables(inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		image := flux.Packed{Tokens: in[0], Grid: flux.Grid{Rows: 1, Cols: 1}}
		return []*Node{Transformer(s, p, Inputs{Image: image, Text: in[1], Sigma: in[2], Guidance: in[2]})}, nil
	})
}
