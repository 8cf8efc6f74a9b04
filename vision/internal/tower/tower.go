// Package tower builds CLIP's two networks, which OWLv2 has too: a text becomes one vector, an image
// becomes a vector per patch and one for the whole.
package tower

import (
	"context"
	"fmt"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/nn/encoder"
)

// Text is the text_config of transformers' config.json.
type Text struct {
	encoder.Config
	Vocabulary int `json:"vocab_size"`
	Positions  int `json:"max_position_embeddings"`
}

// Vision is its vision_config.
type Vision struct {
	encoder.Config
	Side     int `json:"image_size"`
	Patch    int `json:"patch_size"`
	Channels int `json:"num_channels"`
}

// Validate reports a configuration that cannot be built, as an error wrapping
// [reflectionflow.ErrInvalid].
func (t Text) Validate() error {
	if err := t.Config.Validate(); err != nil {
		return fmt.Errorf("text_config: %w", err)
	}
	return within("text_config", []limit{{"vocab_size", t.Vocabulary, 1 << 20}, {"max_position_embeddings", t.Positions, 1 << 12}})
}

// Validate is that of [Text].
func (v Vision) Validate() error {
	if err := v.Config.Validate(); err != nil {
		return fmt.Errorf("vision_config: %w", err)
	}
	if v.Channels != 3 {
		return fmt.Errorf("%w: vision_config: num_channels is %d: only 3 is supported", reflectionflow.ErrInvalid, v.Channels)
	}
	return within("vision_config", []limit{{"image_size", v.Side, 1 << 12}, {"patch_size", v.Patch, v.Side}})
}

type limit struct {
	name       string
	value, max int
}

func within(at string, limits []limit) error {
	for _, l := range limits {
		if l.value < 1 || l.value > l.max {
			return fmt.Errorf("%w: %s: %s is %d, must be 1 to %d", reflectionflow.ErrInvalid, at, l.name, l.value, l.max)
		}
	}
	return nil
}

// Grid is the number of patches along a side.
func (v Vision) Grid() int { return v.Side / v.Patch }

// Patches is the number of patches.
func (v Vision) Patches() int { return v.Grid() * v.Grid() }

// PatchValues is the length of a patch in numbers.
func (v Vision) PatchValues() int { return 3 * v.Patch * v.Patch }

// Cut divides pixels [side, side, 3] into patches [Patches, PatchValues], in the order of the kernel's
// weights: color, row, column. What is left at the right and bottom is dropped.
func (v Vision) Cut(pixels []float32) []float32 {
	patches := make([]float32, 0, v.Patches()*v.PatchValues())
	for row := range v.Grid() {
		for column := range v.Grid() {
			for c := range 3 {
				for y := range v.Patch {
					at := 3*((row*v.Patch+y)*v.Side+column*v.Patch) + c
					for x := range v.Patch {
						patches = append(patches, pixels[at+3*x])
					}
				}
			}
		}
	}
	return patches
}

// Embed is the patch embedding: patches [B, Patches, PatchValues] times "weight" [hidden_size, 3, p, p].
func Embed(s nn.Scope, v Vision, patches *Node) *Node {
	w := s.Weight("weight", nn.InitXavier, v.Dim, 3, v.Patch, v.Patch)
	return nn.MatVec(patches, Reshape(w, v.Dim, v.PatchValues()))
}

// CLIPImage returns the last hidden states [B, 1+Patches, hidden_size] of CLIP's image encoder below s
// ("vision_model"), before the last normalization. The first belongs to the whole image. norm names the
// normalization before the layers.
func CLIPImage(s nn.Scope, v Vision, patches *Node, norm string) *Node {
	e := s.In("embeddings")
	x := Embed(e.In("patch_embedding"), v, patches)
	whole := Reshape(e.Weight("class_embedding", nn.InitNormal(0.02), v.Dim), 1, 1, v.Dim)
	x = Concatenate([]*Node{BroadcastToDims(whole, x.Shape().Dim(0), 1, v.Dim), x}, 1)
	positions := e.In("position_embedding").Weight("weight", nn.InitNormal(0.02), v.Patches()+1, v.Dim)
	x = Add(x, InsertAxes(positions, 0))
	return encoder.Layers(s, v.Config, nn.LayerNormAffine(s.In(norm), x, v.Epsilon), nil)
}

// CLIPText returns the vectors [B, hidden_size] of texts: ids [B, L] int32, L at most
// max_position_embeddings, and the positions [B] int32 of their last tokens. Attention is causal, so what
// follows the last token changes nothing.
func CLIPText(s nn.Scope, t Text, ids, last *Node) *Node {
	length := ids.Shape().Dim(1)
	x := encoder.Tokens(s.In("embeddings"), ids, t.Vocabulary, t.Positions, t.Dim)
	x = encoder.Layers(s, t.Config, x, encoder.Causal(s.Graph(), length))
	x = ReduceSum(Mul(x, InsertAxes(OneHot(last, length, dtypes.Float32), -1)), 1)
	return nn.LayerNormAffine(s.In("final_layer_norm"), x, t.Epsilon)
}

// Unit divides vectors by their length.
func Unit(x *Node) *Node { return Div(x, Sqrt(ReduceAndKeep(Square(x), ReduceSum, -1))) }

// Lanes is how many items of a number of rows run at a time: enough that the products are large.
func Lanes(b compute.Backend, rows int) int {
	const enough, enoughXLA = 128, 4096
	if strings.HasPrefix(b.String(), "xla") {
		return min(max(enoughXLA/rows, 1), 32)
	}
	return min(max(enough/rows, 1), 8)
}

// Program is a compiled program for a fixed number of items, its lanes.
type Program struct {
	*nn.Program
	Lanes int
}

// RunAll executes the program on any number of items, in order: input returns the tensors of a group of
// items, of at most Lanes, and fills the lanes that are left with anything; keep is given the outputs.
func (p Program) RunAll(ctx context.Context, items int, input func(first, end int) ([]*tensors.Tensor, error), keep func(first, end int, outputs [][]float32)) error {
	for first := 0; first < items; first += p.Lanes {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(first+p.Lanes, items)
		in, err := input(first, end)
		if err != nil {
			return err
		}
		out, err := p.Run(in...)
		if err != nil {
			return err
		}
		values := make([][]float32, len(out))
		for i, t := range out {
			if values[i], err = tensors.CopyFlatData[float32](t); err != nil {
				return fmt.Errorf("read the network's output: %w", err)
			}
		}
		keep(first, end, values)
	}
	return ctx.Err()
}
