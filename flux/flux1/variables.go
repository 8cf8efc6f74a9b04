package flux1

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/weights/layout"
)

// Components lists the four networks of the folder.
func (f *Folder) Components() []flux.Component {
	return []flux.Component{
		{Prefix: TransformerPrefix, Stem: flux.DiffusersStem, Variables: f.Transformer.variables, Layout: transformerLayout},
		{Prefix: VAEPrefix, Stem: flux.DiffusersStem, Variables: f.VAE.Variables, Layout: layout.Autoencoder},
		{Prefix: CLIPPrefix, Stem: flux.TransformersStem, Variables: f.CLIP.variables, Layout: layout.CLIP},
		{Prefix: T5Prefix, Stem: flux.TransformersStem, Variables: f.T5.variables, Layout: layout.T5},
	}
}

// variables lists the weights of [Transformer].
func (p Params) variables() ([]nn.Variable, error) {
	inputs := []shapes.Shape{floats(1, 1, p.InChannels), floats(1, 1, p.JointAttentionDim), floats(1, p.PooledProjectionDim), floats(1)}
	return nn.Variables(inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{Transformer(s, p, Inputs{
			Latents: in[0], Grid: flux.Grid{Rows: 1, Cols: 1}, Text: in[1], Pooled: in[2], Timestep: in[3], Guidance: in[3],
		})}, nil
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

func floats(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }
