package flux2

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
)

// AutoencoderConfig sizes the autoencoder. Its JSON form is the config.json of
// diffusers' AutoencoderKLFlux2; other fields of that file are ignored when read.
type AutoencoderConfig struct {
	flux.AutoencoderConfig
	// DecoderBlockOut are the decoder's channels by level, the finest first; empty means
	// those of the encoder.
	DecoderBlockOut []int `json:"decoder_block_out_channels,omitempty"`
	// NormEpsilon is added to the variance of the tokens.
	NormEpsilon float64 `json:"batch_norm_eps"`
	PatchSize   [2]int  `json:"patch_size"` // always 2×2
}

const autoencoderClass = "AutoencoderKLFlux2"

// NewAutoencoder returns the configuration of a FLUX.2 autoencoder of the given sizes.
func NewAutoencoder(widths []int, latent, layers, groups int) AutoencoderConfig {
	c := AutoencoderConfig{AutoencoderConfig: flux.NewAutoencoder(widths, latent, layers, groups, true), NormEpsilon: 1e-4, PatchSize: [2]int{2, 2}}
	c.ClassName, c.UseQuant, c.UsePostQuant = autoencoderClass, true, true
	return c
}

// KleinAutoencoder returns the configuration of FLUX.2's autoencoder.
func KleinAutoencoder() AutoencoderConfig {
	return NewAutoencoder([]int{128, 256, 512, 512}, 32, 2, 32)
}

// UnmarshalJSON reads a config.json; a field that is absent takes diffusers' default.
func (c *AutoencoderConfig) UnmarshalJSON(data []byte) error {
	own := struct {
		DecoderBlockOut []int   `json:"decoder_block_out_channels"`
		NormEpsilon     float64 `json:"batch_norm_eps"`
		PatchSize       [2]int  `json:"patch_size"`
	}{NormEpsilon: 1e-4, PatchSize: [2]int{2, 2}}
	if err := json.Unmarshal(data, &own); err != nil {
		return err
	}
	// The rest by name, over the defaults of this class.
	defaults, err := json.Marshal(KleinAutoencoder().AutoencoderConfig)
	if err != nil {
		return err
	}
	fields := map[string]json.RawMessage{}
	for _, layer := range [][]byte{defaults, data} {
		if err := json.Unmarshal(layer, &fields); err != nil {
			return err
		}
	}
	if fields == nil {
		return c.invalid("config.json is no JSON object")
	}
	merged, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	var shared flux.AutoencoderConfig
	if err := json.Unmarshal(merged, &shared); err != nil {
		return err
	}
	shared.ClassName = cmp.Or(shared.ClassName, autoencoderClass)
	*c = AutoencoderConfig{AutoencoderConfig: shared, DecoderBlockOut: own.DecoderBlockOut, NormEpsilon: own.NormEpsilon, PatchSize: own.PatchSize}
	return nil
}

// networks returns the configurations of encoder and decoder as an AutoencoderKL's.
func (c AutoencoderConfig) networks() (encoder, decoder flux.AutoencoderConfig) {
	encoder = c.AutoencoderConfig
	encoder.ClassName = ""
	decoder = encoder
	if len(c.DecoderBlockOut) > 0 {
		decoder.BlockOut = c.DecoderBlockOut
	}
	return encoder, decoder
}

// Validate reports a configuration that cannot be built, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c AutoencoderConfig) Validate() error {
	encoder, decoder := c.networks()
	switch {
	case c.ClassName != "" && c.ClassName != autoencoderClass:
		return c.invalid("_class_name %q, FLUX.2's is %s", c.ClassName, autoencoderClass)
	case !(c.NormEpsilon > 0 && c.NormEpsilon < 1):
		return c.invalid("batch_norm_eps is %v, must be between 0 and 1", c.NormEpsilon)
	case c.PatchSize != [2]int{2, 2}:
		return c.invalid("patch_size is %v, only 2×2 is known", c.PatchSize)
	case len(decoder.BlockOut) != len(encoder.BlockOut):
		return c.invalid("decoder_block_out_channels has %d levels, block_out_channels %d", len(decoder.BlockOut), len(encoder.BlockOut))
	}
	if err := encoder.Validate(); err != nil {
		return err
	}
	return decoder.Validate()
}

func (c AutoencoderConfig) invalid(format string, args ...any) error {
	return fmt.Errorf("%w: autoencoder config: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
}

// Encode turns images [B, H, W, 3] in [-1, 1] into tokens [B, N, 4·latent channels]:
// the mean of the latents, packed, and normalized by the statistics of the autoencoder.
func Encode(s nn.Scope, c AutoencoderConfig, images *Node) *Node {
	encoder, _ := c.networks()
	latents, _ := flux.Encode(s, encoder, images)
	mean, deviation := c.statistics(s)
	return Div(Sub(flux.Pack(latents), mean), deviation)
}

// Decode is the inverse: tokens to images [B, H, W, 3], about [-1, 1] but not clamped.
func Decode(s nn.Scope, c AutoencoderConfig, x flux.Packed) *Node {
	_, decoder := c.networks()
	mean, deviation := c.statistics(s)
	return flux.Decode(s, decoder, flux.Unpack(Add(Mul(x.Tokens, deviation), mean), x.Grid))
}

// statistics are the mean and the standard deviation of every number of a token,
// [1, 1, 4·latent channels].
func (c AutoencoderConfig) statistics(s nn.Scope) (mean, deviation *Node) {
	bn, width := s.In("bn"), 4*c.LatentChannels
	mean = Reshape(bn.Weight("running_mean", nn.InitZeros, width), 1, 1, width)
	variance := Reshape(bn.Weight("running_var", nn.InitOnes, width), 1, 1, width)
	return mean, Sqrt(AddScalar(variance, c.NormEpsilon))
}

// Variables lists the weights of [Encode] and [Decode].
func (c AutoencoderConfig) Variables() ([]nn.Variable, error) {
	side := 2 * c.Factor()
	inputs := []shapes.Shape{shapes.Make(dtypes.Float32, 1, side, side, 3)}
	return nn.Variables(inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		tokens := Encode(s, c, in[0])
		return []*Node{Decode(s, c, flux.Packed{Tokens: tokens, Grid: flux.Grid{Rows: 1, Cols: 1}})}, nil
	})
}
