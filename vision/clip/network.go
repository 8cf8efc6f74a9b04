package clip

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
	"reflectionflow/nn/encoder"
	"reflectionflow/vision/internal/tower"
)

// image returns the embeddings [B, width], of length 1, of images cut into patches.
func (c config) image(s nn.Scope, f Family, patches *Node) *Node {
	m := s.In("vision_model")
	if f == CLIP {
		x := tower.CLIPImage(m, c.Vision.Vision, patches, "pre_layrnorm") // sic
		x = Squeeze(Slice(x, AxisRange(), AxisElem(0), AxisRange()), 1)
		x = nn.LayerNormAffine(m.In("post_layernorm"), x, c.Vision.Epsilon)
		return tower.Unit(nn.LinearNoBias(s.In("visual_projection"), x, c.Projection))
	}
	v, e := c.Vision, m.In("embeddings")
	x := tower.Embed(e.In("patch_embedding"), v.Vision, patches)
	x = Add(x, Reshape(e.In("patch_embedding").Weight("bias", nn.InitZeros, v.Dim), 1, 1, v.Dim))
	x = Add(x, InsertAxes(e.In("position_embedding").Weight("weight", nn.InitNormal(0.02), v.Patches(), v.Dim), 0))
	x = nn.LayerNormAffine(m.In("post_layernorm"), encoder.Layers(m, v.Config, x, nil), v.Epsilon)
	return tower.Unit(pool(m.In("head"), v.Config, x))
}

// pool is SigLIP's head: a learned query attends to the patches.
func pool(s nn.Scope, c encoder.Config, x *Node) *Node {
	a := s.In("attention")
	batch := x.Shape().Dim(0)
	weight := a.Weight("in_proj_weight", nn.InitXavier, 3*c.Dim, c.Dim)
	bias := a.Weight("in_proj_bias", nn.InitZeros, 3*c.Dim)
	project := func(i int, x *Node) *Node {
		rows := AxisRange(i*c.Dim, (i+1)*c.Dim)
		y := nn.MatVec(x, Slice(weight, rows, AxisRange()))
		return nn.Heads(Add(y, Reshape(Slice(bias, rows), 1, 1, c.Dim)), c.Heads)
	}
	probe := BroadcastToDims(s.Weight("probe", nn.InitNormal(0.02), 1, 1, c.Dim), batch, 1, c.Dim)
	y := nn.Attention(project(0, probe), project(1, x), project(2, x), nil, c.Scale())
	y = nn.Linear(a.In("out_proj"), y, c.Dim)
	y = Add(y, encoder.FeedForward(s.In("mlp"), c, nn.LayerNormAffine(s.In("layernorm"), y, c.Epsilon)))
	return Squeeze(y, 1)
}

// text returns the embeddings [B, width], of length 1, of texts: ids [B, L] int32, and the positions [B]
// int32 of their last tokens.
func (c config) text(s nn.Scope, f Family, ids, last *Node) *Node {
	m := s.In("text_model")
	if f == CLIP {
		return tower.Unit(nn.LinearNoBias(s.In("text_projection"), tower.CLIPText(m, c.Text.Text, ids, last), c.Projection))
	}
	t := c.Text
	x := encoder.Layers(m, t.Config, encoder.Tokens(m.In("embeddings"), ids, t.Vocabulary, t.Positions, t.Dim), nil)
	x = Squeeze(Slice(x, AxisRange(), AxisElem(-1), AxisRange()), 1) // padding included
	x = nn.LayerNormAffine(m.In("final_layer_norm"), x, t.Epsilon)
	return tower.Unit(nn.Linear(m.In("head"), x, c.width(f)))
}
