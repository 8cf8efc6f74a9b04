package flux

import (
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// component is one of the four networks of a folder.
type component struct {
	prefix, stem string
	// variables lists the weights that the network needs, without the prefix.
	variables func(f *Folder) ([]nn.Variable, error)
	// rename maps the names of a file to those of the network, for files that other programs wrote; "" drops a tensor that
	// the network does not use. nil keeps all names.
	rename func(name string, file *safetensors.File) string
}

var components = []component{
	{TransformerPrefix, DiffusersStem, func(f *Folder) ([]nn.Variable, error) { return f.Transformer.variables() }, nil},
	{VAEPrefix, DiffusersStem, func(f *Folder) ([]nn.Variable, error) { return f.VAE.variables() }, nil},
	{CLIPPrefix, TransformersStem, func(f *Folder) ([]nn.Variable, error) { return f.CLIP.variables() }, renameCLIP},
	{T5Prefix, TransformersStem, func(f *Folder) ([]nn.Variable, error) { return f.T5.variables() }, renameT5},
}

// variables lists the weights of [Transformer].
func (p Params) variables() ([]nn.Variable, error) {
	inputs := []shapes.Shape{floats(1, 1, p.InChannels), floats(1, 1, p.JointAttentionDim), floats(1, p.PooledProjectionDim), floats(1)}
	return nn.Variables(inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{Transformer(s, p, Inputs{
			Latents: in[0], Grid: Grid{1, 1}, Text: in[1], Pooled: in[2], Timestep: in[3], Guidance: in[3],
		})}, nil
	})
}

// variables lists the weights of [Encode] and [Decode].
func (c AutoencoderConfig) variables() ([]nn.Variable, error) {
	inputs := []shapes.Shape{floats(1, c.Factor(), c.Factor(), 3), floats(1, 1, 1, c.LatentChannels)}
	return nn.Variables(inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		mean, logvar := Encode(s, c, in[0])
		return []*Node{mean, logvar, Decode(s, c, in[1])}, nil
	})
}

// variables lists the weights of [CLIPPooled].
func (c CLIPConfig) variables() ([]nn.Variable, error) {
	ids := shapes.Make(dtypes.Int32, 1, 1)
	return nn.Variables([]shapes.Shape{ids}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{CLIPPooled(s, c, in[0])}, nil
	})
}

// variables lists the weights of [T5Encode].
func (c T5Config) variables() ([]nn.Variable, error) {
	ids := shapes.Make(dtypes.Int32, 1, 1)
	return nn.Variables([]shapes.Shape{ids}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{T5Encode(s, c, in[0])}, nil
	})
}

// renameCLIP accepts the names of transformers 5, which have no "text_model." before them, and drops what the pooled
// output does not need.
func renameCLIP(name string, _ *safetensors.File) string {
	for _, unused := range []string{"position_ids", "text_projection.weight", "logit_scale"} {
		if name == unused || strings.HasSuffix(name, "."+unused) {
			return ""
		}
	}
	for _, part := range []string{"embeddings.", "encoder.", "final_layer_norm."} {
		if strings.HasPrefix(name, part) {
			return "text_model." + name
		}
	}
	return name
}

// renameT5 accepts the token embedding under either of its two names and drops the decoder of a whole T5.
func renameT5(name string, file *safetensors.File) string {
	const shared, alias = "shared.weight", "encoder.embed_tokens.weight"
	switch {
	case name == alias && file.Has(shared), name == "lm_head.weight", strings.HasPrefix(name, "decoder."):
		return ""
	case name == alias:
		return shared
	}
	return name
}

// resolve returns the names of a file's tensors by the names that the network has for them, and without the prefix.
func (c component) resolve(file *safetensors.File) map[string]string {
	names := make(map[string]string)
	for _, name := range file.Names() {
		own := name
		if c.rename != nil {
			own = c.rename(name, file)
		}
		if own != "" {
			names[own] = name
		}
	}
	return names
}
