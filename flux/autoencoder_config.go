package flux

import (
	"encoding/json"
	"fmt"

	"reflectionflow"
)

// AutoencoderConfig sizes the autoencoder. Its JSON form is the config.json of
// diffusers' AutoencoderKL; other fields of that file are ignored when read.
type AutoencoderConfig struct {
	ClassName        string   `json:"_class_name,omitempty"`
	ActFn            string   `json:"act_fn"`             // "silu"
	BlockOut         []int    `json:"block_out_channels"` // channels by level, the finest first
	DownBlockTypes   []string `json:"down_block_types"`
	ForceUpcast      bool     `json:"force_upcast"` // read by diffusers only: this package computes in float32
	InChannels       int      `json:"in_channels"`
	LatentChannels   int      `json:"latent_channels"`
	LayersPerBlock   int      `json:"layers_per_block"` // residual blocks per level; the decoder has one more
	MidAttention     bool     `json:"mid_block_add_attention"`
	Groups           int      `json:"norm_num_groups"`
	OutChannels      int      `json:"out_channels"`
	SampleSize       int      `json:"sample_size"`
	ScalingFactor    float64  `json:"scaling_factor"`
	ShiftFactor      float64  `json:"shift_factor"`
	UpBlockTypes     []string `json:"up_block_types"`
	UsePostQuant     bool     `json:"use_post_quant_conv"` // a 1×1 convolution before the decoder
	UseQuant         bool     `json:"use_quant_conv"`      // a 1×1 convolution after the encoder
	LatentsMean      any      `json:"latents_mean"`        // not supported: must be null
	LatentsStd       any      `json:"latents_std"`         // not supported: must be null
	DiffusersVersion string   `json:"_diffusers_version,omitempty"`

	bandNumbers int // about how many numbers of an image are computed at once; 0 means the constant of that name
}

// NewAutoencoder returns the configuration of a FLUX-shaped autoencoder (no
// quantization convolutions, factors of FLUX.1) of the given widths by level.
func NewAutoencoder(widths []int, latent, layers, groups int, attention bool) AutoencoderConfig {
	c := AutoencoderConfig{
		ClassName: "AutoencoderKL", ActFn: "silu", BlockOut: widths, InChannels: 3, OutChannels: 3,
		LatentChannels: latent, LayersPerBlock: layers, Groups: groups, MidAttention: attention,
		SampleSize: 1024, ScalingFactor: 0.3611, ShiftFactor: 0.1159, ForceUpcast: true,
	}
	for range widths {
		c.DownBlockTypes = append(c.DownBlockTypes, "DownEncoderBlock2D")
		c.UpBlockTypes = append(c.UpBlockTypes, "UpDecoderBlock2D")
	}
	return c
}

// FluxDevAutoencoder returns the configuration of FLUX.1-dev's autoencoder.
func FluxDevAutoencoder() AutoencoderConfig {
	return NewAutoencoder([]int{128, 256, 512, 512}, 16, 2, 32, true)
}

// UnmarshalJSON reads a config.json; a field that is absent takes diffusers'
// default.
func (c *AutoencoderConfig) UnmarshalJSON(data []byte) error {
	type plain AutoencoderConfig
	p := plain{
		ActFn: "silu", BlockOut: []int{64}, InChannels: 3, OutChannels: 3, LatentChannels: 4,
		LayersPerBlock: 1, Groups: 32, MidAttention: true, SampleSize: 32, ScalingFactor: 0.18215,
		ForceUpcast: true, UseQuant: true, UsePostQuant: true,
		DownBlockTypes: []string{"DownEncoderBlock2D"}, UpBlockTypes: []string{"UpDecoderBlock2D"},
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*c = AutoencoderConfig(p)
	return nil
}

// Factor returns the ratio of an image's sides to those of its latents.
func (c AutoencoderConfig) Factor() int { return 1 << (len(c.BlockOut) - 1) }

// Validate reports a configuration that cannot be built, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c AutoencoderConfig) Validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: autoencoder config: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
	}
	levels := len(c.BlockOut)
	switch {
	case c.ClassName != "" && c.ClassName != "AutoencoderKL":
		return fail("_class_name %q, only AutoencoderKL is supported", c.ClassName)
	case levels < 1 || levels > 8:
		return fail("block_out_channels has %d levels, must be 1 to 8", levels)
	case c.Groups < 1:
		return fail("norm_num_groups is %d, must be positive", c.Groups)
	case c.InChannels != 3 || c.OutChannels != 3:
		return fail("%d and %d image channels, must be 3", c.InChannels, c.OutChannels)
	case c.LatentChannels < 1 || c.LatentChannels > 256:
		return fail("latent_channels is %d, must be 1 to 256", c.LatentChannels)
	case c.LayersPerBlock < 1 || c.LayersPerBlock > 16:
		return fail("layers_per_block is %d, must be 1 to 16", c.LayersPerBlock)
	case c.ActFn != "silu":
		return fail("act_fn %q, only silu is supported", c.ActFn)
	case !(c.ScalingFactor > 0):
		return fail("scaling_factor is %v, must be positive", c.ScalingFactor)
	case c.LatentsMean != nil || c.LatentsStd != nil:
		return fail("latents_mean and latents_std are not supported")
	case len(c.DownBlockTypes) != levels || len(c.UpBlockTypes) != levels:
		return fail("%d down and %d up block types for %d levels", len(c.DownBlockTypes), len(c.UpBlockTypes), levels)
	}
	for i, width := range c.BlockOut {
		switch {
		case width < 1 || width > 8192 || width%c.Groups != 0:
			return fail("block_out_channels holds %d: must be 1 to 8192 and a multiple of norm_num_groups %d", width, c.Groups)
		case c.DownBlockTypes[i] != "DownEncoderBlock2D":
			return fail("down block type %q, only DownEncoderBlock2D is supported", c.DownBlockTypes[i])
		case c.UpBlockTypes[i] != "UpDecoderBlock2D":
			return fail("up block type %q, only UpDecoderBlock2D is supported", c.UpBlockTypes[i])
		}
	}
	return nil
}
