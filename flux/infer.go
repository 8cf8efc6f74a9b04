package flux

import (
	"fmt"
	"strconv"
	"strings"

	"reflectionflow"
	"reflectionflow/weights"
)

// Dims returns the shape of a tensor, from which the sizes of a network are read where
// there is no config.json. A tensor that is missing or does not have n dimensions gives
// an error wrapping [reflectionflow.ErrInvalid].
func Dims(source weights.Source, name string, n int) ([]int, error) {
	info, err := source.Info(name)
	if err != nil {
		return nil, err
	}
	if len(info.Shape) != n {
		return nil, fmt.Errorf("%w: tensor %q has shape %v, must have %d dimensions", reflectionflow.ErrInvalid, name, info.Shape, n)
	}
	return info.Shape, nil
}

// BlockDims is [Dims] for a tensor that all blocks of a kind have, by what stands before and after their numbers: that of
// the first block that has it.
func BlockDims(source weights.Source, before, after string, n int) ([]int, error) {
	blocks := Numbered(source, before)
	for i := range blocks {
		if shape, err := Dims(source, fmt.Sprint(before, i, after), n); err == nil {
			return shape, nil
		}
	}
	return Dims(source, before+"0"+after, n)
}

// maxNumbered bounds [Numbered].
const maxNumbered = 1000

// Numbered returns how many blocks of a name there are, such as "down_blocks.": one more
// than the largest number behind it.
func Numbered(source weights.Source, before string) int {
	n := 0
	for _, name := range source.Names() {
		if rest, ok := strings.CutPrefix(name, before); ok {
			number, _, _ := strings.Cut(rest, ".")
			if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < maxNumbered {
				n = max(n, i+1)
			}
		}
	}
	return n
}

// autoencoderGroups is the number of groups of the norms in FLUX's autoencoders, which the
// shapes of the tensors do not show.
const autoencoderGroups = 32

// InferAutoencoder reads the sizes of an autoencoder from its tensors, in the naming of
// diffusers. The factors of the latents are FLUX.1's.
func InferAutoencoder(source weights.Source) (AutoencoderConfig, error) {
	var widths []int
	levels := Numbered(source, "encoder.down_blocks.")
	for level := range levels {
		shape, err := Dims(source, fmt.Sprintf("encoder.down_blocks.%d.resnets.0.conv1.weight", level), 4)
		if err != nil {
			return AutoencoderConfig{}, err
		}
		widths = append(widths, shape[0])
	}
	latent, err := Dims(source, "decoder.conv_in.weight", 4)
	if err != nil {
		return AutoencoderConfig{}, err
	}
	has := func(name string) bool {
		_, err := source.Info(name)
		return err == nil
	}
	c := NewAutoencoder(widths, latent[1], Numbered(source, "encoder.down_blocks.0.resnets."), autoencoderGroups, has("decoder.mid_block.attentions.0.to_q.weight"))
	c.UseQuant, c.UsePostQuant = has("quant_conv.weight"), has("post_quant_conv.weight")
	return c, c.Validate()
}
