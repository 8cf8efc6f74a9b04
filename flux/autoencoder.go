package flux

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
)

// autoencoderEpsilon is the epsilon of every group norm of AutoencoderKL.
const autoencoderEpsilon = 1e-6

// Encode is the encoder of diffusers' AutoencoderKL: images [B, H, W, 3] in
// [-1, 1] to the mean and the log-variance, clamped to [-30, 20], of the latent
// distribution, each [B, H/f, W/f, latent channels] for f = cfg.Factor(). H and W
// are multiples of f. The latents are raw: see [AutoencoderConfig.Scale].
func Encode(s nn.Scope, cfg AutoencoderConfig, images *Node) (mean, logvar *Node) {
	e := s.In("encoder")
	x := nn.Conv3(e.In("conv_in"), images, cfg.BlockOut[0])
	for level, width := range cfg.BlockOut {
		block := e.In(fmt.Sprintf("down_blocks.%d", level))
		for i := range cfg.LayersPerBlock {
			x = resnet(block.In(fmt.Sprintf("resnets.%d", i)), cfg, x, width)
		}
		if level < len(cfg.BlockOut)-1 {
			// Zeros to the right and below only: diffusers pads (0, 1, 0, 1).
			x = cfg.downsample(block.In("downsamplers.0.conv"), x, width)
		}
	}
	x = autoencoderMiddle(e.In("mid_block"), cfg, x)
	x = autoencoderTail(e, cfg, x, 2*cfg.LatentChannels)
	if cfg.UseQuant {
		x = nn.Conv1(s.In("quant_conv"), x, 2*cfg.LatentChannels)
	}
	mean = Slice(x, AxisRange(), AxisRange(), AxisRange(), AxisRange(0, cfg.LatentChannels))
	logvar = Slice(x, AxisRange(), AxisRange(), AxisRange(), AxisRange(cfg.LatentChannels, 2*cfg.LatentChannels))
	g := x.Graph()
	return mean, Min(Max(logvar, Scalar(g, x.DType(), -30)), Scalar(g, x.DType(), 20))
}

// Decode is the decoder of diffusers' AutoencoderKL: raw latents [B, h, w, latent
// channels] to images [B, f·h, f·w, 3], about [-1, 1] but not clamped.
func Decode(s nn.Scope, cfg AutoencoderConfig, latents *Node) *Node {
	x, last := latents, len(cfg.BlockOut)-1
	if cfg.UsePostQuant {
		x = nn.Conv1(s.In("post_quant_conv"), x, cfg.LatentChannels)
	}
	d := s.In("decoder")
	x = nn.Conv3(d.In("conv_in"), x, cfg.BlockOut[last])
	x = autoencoderMiddle(d.In("mid_block"), cfg, x)
	for level := range cfg.BlockOut {
		width := cfg.BlockOut[last-level]
		block := d.In(fmt.Sprintf("up_blocks.%d", level))
		for i := range cfg.LayersPerBlock + 1 {
			x = resnet(block.In(fmt.Sprintf("resnets.%d", i)), cfg, x, width)
		}
		if level < last {
			x = cfg.upsample(block.In("upsamplers.0.conv"), x, width)
		}
	}
	return autoencoderTail(d, cfg, x, cfg.OutChannels)
}

// Scale brings raw latents to the unit scale of the transformer:
// (z − shift_factor)·scaling_factor.
func (c AutoencoderConfig) Scale(latents *Node) *Node {
	return MulScalar(AddScalar(latents, -c.ShiftFactor), c.ScalingFactor)
}

// Unscale undoes [AutoencoderConfig.Scale].
func (c AutoencoderConfig) Unscale(latents *Node) *Node {
	return AddScalar(DivScalar(latents, c.ScalingFactor), c.ShiftFactor)
}

// resnet is the residual block: twice group norm, SiLU and a 3×3 convolution,
// with a 1×1 shortcut where the number of channels changes.
func resnet(s nn.Scope, cfg AutoencoderConfig, x *Node, out int) *Node {
	in := x.Shape().Dim(-1)
	first := nn.GroupStatisticsOf(x, cfg.Groups, autoencoderEpsilon)
	y := cfg.inBands(x, 1, max(in, out), func(b band) *Node {
		return nn.Same3().Rows(s.In("conv1"), nn.SiLU(first.Norm(s.In("norm1"), b.of(x))), out, b.zeros)
	})
	second := nn.GroupStatisticsOf(y, cfg.Groups, autoencoderEpsilon)
	return cfg.inBands(y, 1, max(in, out), func(b band) *Node {
		kernel := nn.Same3()
		kernel.Zero = true
		z := kernel.Rows(s.In("conv2"), nn.SiLU(second.Norm(s.In("norm2"), b.of(y))), out, b.zeros)
		skip := b.inner(x)
		if in != out {
			skip = nn.Conv1(s.In("conv_shortcut"), skip, out)
		}
		return Add(skip, z)
	})
}

// autoencoderMiddle is the coarsest level: two residual blocks around the
// attention, if there is one.
func autoencoderMiddle(s nn.Scope, cfg AutoencoderConfig, x *Node) *Node {
	width := x.Shape().Dim(-1)
	x = resnet(s.In("resnets.0"), cfg, x, width)
	if cfg.MidAttention {
		x = imageAttention(s.In("attentions.0"), cfg, x)
	}
	return resnet(s.In("resnets.1"), cfg, x, width)
}

// imageAttention is self-attention over all positions, with one head.
func imageAttention(s nn.Scope, cfg AutoencoderConfig, x *Node) *Node {
	d := x.Shape().Dimensions
	width := d[3]
	y := nn.GroupNorm(s.In("group_norm"), x, cfg.Groups, autoencoderEpsilon)
	y = Reshape(y, d[0], d[1]*d[2], width)
	q := nn.Heads(nn.Linear(s.In("to_q"), y, width), 1)
	k := nn.Heads(nn.Linear(s.In("to_k"), y, width), 1)
	v := nn.Heads(nn.Linear(s.In("to_v"), y, width), 1)
	y = nn.Attention(q, k, v, nil, 1/math.Sqrt(float64(width)))
	y = nn.Linear(s.In("to_out.0"), y, width)
	return Add(x, Reshape(y, d...))
}

// autoencoderTail is group norm, SiLU and the last convolution.
func autoencoderTail(s nn.Scope, cfg AutoencoderConfig, x *Node, out int) *Node {
	last := nn.GroupStatisticsOf(x, cfg.Groups, autoencoderEpsilon)
	return cfg.inBands(x, 1, x.Shape().Dim(-1), func(b band) *Node {
		return nn.Same3().Rows(s.In("conv_out"), nn.SiLU(last.Norm(s.In("conv_norm_out"), b.of(x))), out, b.zeros)
	})
}

// Variables lists the weights of [Encode] and [Decode].
func (c AutoencoderConfig) Variables() ([]nn.Variable, error) {
	inputs := []shapes.Shape{floats(1, c.Factor(), c.Factor(), 3), floats(1, 1, 1, c.LatentChannels)}
	return nn.Variables(inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		mean, logvar := Encode(s, c, in[0])
		return []*Node{mean, logvar, Decode(s, c, in[1])}, nil
	})
}
