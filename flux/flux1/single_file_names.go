package flux1

import (
	"fmt"
	"strings"

	"reflectionflow/flux"
	"reflectionflow/weights"
)

// move is a tensor of diffusers' layout and the rows of Black Forest Labs' tensor that it is; no cuts are all rows.
type move struct {
	from, to string
	cuts     []weights.Cut
}

// moves lists tensors of a transformer whose hidden width is known.
type moves struct {
	hidden int
	all    []move
}

// moves lists every tensor of the transformer.
func (l *fileLayout) moves() []move {
	m := &moves{}
	if info, err := l.source.Info(l.prefix + "img_in.weight"); err == nil && len(info.Shape) == 2 {
		m.hidden = info.Shape[0]
	}
	m.linear("img_in", "x_embedder", nil)
	m.linear("txt_in", "context_embedder", nil)
	m.embedder("time_in", "timestep_embedder")
	m.embedder("vector_in", "text_embedder")
	if l.has("guidance_in.in_layer.weight") {
		m.embedder("guidance_in", "guidance_embedder")
	}
	m.linear("final_layer.linear", "proj_out", nil)
	// Shift and scale, where diffusers has scale and shift.
	m.linear("final_layer.adaLN_modulation.1", "norm_out.linear", append(m.rest(1), m.rows(0)...))
	for i := range blocks(l.names, "double_blocks.") {
		from, to := fmt.Sprintf("double_blocks.%d.", i), fmt.Sprintf("transformer_blocks.%d.", i)
		m.stream(from+"img", to, imageNames)
		m.stream(from+"txt", to, textNames)
	}
	for i := range blocks(l.names, "single_blocks.") {
		m.single(fmt.Sprintf("single_blocks.%d.", i), fmt.Sprintf("single_transformer_blocks.%d.", i))
	}
	return m.all
}

// rows is the n-th of the parts of a fused matrix, which have the hidden width.
func (m *moves) rows(n int) []weights.Cut {
	return []weights.Cut{{Begin: n * m.hidden, End: (n + 1) * m.hidden}}
}

// rest is everything from the n-th of the parts on.
func (m *moves) rest(n int) []weights.Cut { return []weights.Cut{{Begin: n * m.hidden}} }

func (m *moves) linear(from, to string, cuts []weights.Cut) {
	m.all = append(m.all, move{from + ".weight", to + ".weight", cuts}, move{from + ".bias", to + ".bias", cuts})
}

func (m *moves) norms(from, query, key string) {
	m.all = append(m.all, move{from + "query_norm.scale", query + ".weight", nil}, move{from + "key_norm.scale", key + ".weight", nil})
}

func (m *moves) embedder(from, to string) {
	m.linear(from+".in_layer", "time_text_embed."+to+".linear_1", nil)
	m.linear(from+".out_layer", "time_text_embed."+to+".linear_2", nil)
}

// stream lists one stream of a double block.
func (m *moves) stream(from, to string, n doubleNames) {
	m.linear(from+"_mod.lin", to+n.norm+".linear", nil)
	m.linear(from+"_attn.qkv", to+n.q, m.rows(0))
	m.linear(from+"_attn.qkv", to+n.k, m.rows(1))
	m.linear(from+"_attn.qkv", to+n.v, m.rest(2))
	m.norms(from+"_attn.norm.", to+n.normQ, to+n.normK)
	m.linear(from+"_attn.proj", to+n.out, nil)
	m.linear(from+"_mlp.0", to+n.ff+".net.0.proj", nil)
	m.linear(from+"_mlp.2", to+n.ff+".net.2", nil)
}

// single lists a single block.
func (m *moves) single(from, to string) {
	m.linear(from+"modulation.lin", to+"norm.linear", nil)
	for part, name := range []string{"attn.to_q", "attn.to_k", "attn.to_v"} {
		m.linear(from+"linear1", to+name, m.rows(part))
	}
	m.linear(from+"linear1", to+"proj_mlp", m.rest(3))
	m.linear(from+"linear2", to+"proj_out", nil)
	m.norms(from+"norm.", to+"attn.norm_q", to+"attn.norm_k")
}

// readParams reads the sizes of a transformer from the shapes of its tensors, in diffusers' names. What they do not
// tell is as in all FLUX.1 models: the rotary axes take 1/8, 7/16 and 7/16 of a head.
func readParams(source weights.Source) (Params, error) {
	dim := func(name string, shape ...*int) error {
		have, err := flux.Dims(source, name, len(shape))
		if strings.HasPrefix(name, ".") {
			have, err = flux.BlockDims(source, "transformer_blocks.", name, len(shape))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", TransformerPrefix, err)
		}
		for i := range shape {
			*shape[i] = have[i]
		}
		return nil
	}
	p := Params{PatchSize: 1}
	var hidden, out, skip int
	for _, d := range []struct {
		name  string
		shape []*int
	}{
		{"x_embedder.weight", []*int{&hidden, &p.InChannels}},
		{"proj_out.weight", []*int{&out, &skip}},
		{"context_embedder.weight", []*int{&skip, &p.JointAttentionDim}},
		{"time_text_embed.text_embedder.linear_1.weight", []*int{&skip, &p.PooledProjectionDim}},
		{".attn.norm_q.weight", []*int{&p.AttentionHeadDim}},
	} {
		if err := dim(d.name, d.shape...); err != nil {
			return Params{}, err
		}
	}
	names := source.Names()
	p.NumLayers, p.NumSingleLayers = blocks(names, "transformer_blocks."), blocks(names, "single_transformer_blocks.")
	for _, name := range names {
		p.GuidanceEmbeds = p.GuidanceEmbeds || strings.HasPrefix(name, "time_text_embed.guidance_embedder.")
	}
	head := p.AttentionHeadDim
	switch {
	case p.InChannels != out:
		return Params{}, p.invalid("the network reads %d channels and writes %d: %s not supported", p.InChannels, out, conditioned(p.InChannels))
	case head < 1 || hidden%head != 0:
		return Params{}, p.invalid("the width %d is no multiple of the %d of a head", hidden, head)
	case head%32 != 0:
		return Params{}, p.invalid("the rotary axes of heads of width %d are not known: use a folder with a config.json", head)
	}
	p.NumAttentionHeads = hidden / head
	p.AxesDimsRope = [3]int{head / 8, 7 * head / 16, 7 * head / 16}
	return p, p.Validate()
}

// conditioned names the models that read more channels than they write.
func conditioned(channels int) string {
	switch channels {
	case 384:
		return "FLUX.1-Fill is"
	case 128:
		return "FLUX.1-Canny and FLUX.1-Depth are"
	case 196:
		return "Flex.2 is"
	}
	return "such models are"
}
