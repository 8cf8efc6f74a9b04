package flux2

import (
	"encoding/json"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/flux/internal/fluxtest"
	"reflectionflow/nn"
)

// A transformer whose guidance is an input, as FLUX.2 [dev]'s.
func TestGuidanceEmbeddingEqualsDiffusers(t *testing.T) {
	f := fluxtest.OpenFixture(t, "guidance")
	var p Params
	f.Config(&p)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if !p.GuidanceEmbeds {
		t.Fatal("guidance_embeds was not read")
	}
	var inputs []*tensors.Tensor
	for _, name := range []string{"image", "text", "sigma", "guidance"} {
		d := f.Tensor("input." + name)
		inputs = append(inputs, tensors.FromFlatDataAndDimensions(d.Values, d.Dims...))
	}
	got := f.Run(func(s nn.Scope, in []*Node) []*Node {
		image := flux.Packed{Tokens: in[0], Grid: flux.Grid{Rows: 2, Cols: 3}}
		return []*Node{Transformer(s, p, Inputs{Image: image, Text: in[1], Sigma: in[2], Guidance: in[3]})}
	}, inputs...)
	fluxtest.Compare(t, "velocity", got[0], f.Output("velocity"))
}

// A transformer of an odd number of heads, one double block to three single ones and a text of three times the hidden
// size, as klein 9B's ratios are, on an image that is not square.
func TestGeometryEqualsDiffusers(t *testing.T) {
	f := fluxtest.OpenFixture(t, "geometry")
	var p Params
	f.Config(&p)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if p.NumAttentionHeads != 3 || p.NumLayers != 1 || p.NumSingleLayers != 3 || p.JointAttentionDim != 72 || p.GuidanceEmbeds {
		t.Fatalf("read %+v", p)
	}
	var inputs []*tensors.Tensor
	for _, name := range []string{"image", "text", "sigma"} {
		d := f.Tensor("input." + name)
		inputs = append(inputs, tensors.FromFlatDataAndDimensions(d.Values, d.Dims...))
	}
	got := f.Run(func(s nn.Scope, in []*Node) []*Node {
		image := flux.Packed{Tokens: in[0], Grid: flux.Grid{Rows: 5, Cols: 3}}
		return []*Node{Transformer(s, p, Inputs{Image: image, Text: in[1], Sigma: in[2]})}
	}, inputs...)
	fluxtest.Compare(t, "velocity", got[0], f.Output("velocity"))
}

// An autoencoder whose decoder is narrower than its encoder.
func TestAutoencoderEqualsDiffusers(t *testing.T) {
	f := fluxtest.OpenFixture(t, "decoder")
	var c AutoencoderConfig
	f.Config(&c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	grid := flux.Grid{Rows: 2, Cols: 3}
	got := f.Run(func(s nn.Scope, in []*Node) []*Node {
		tokens := Encode(s, c, in[0])
		return []*Node{tokens, Decode(s, c, flux.Packed{Tokens: tokens, Grid: grid})}
	}, f.Images("images"))
	fluxtest.Compare(t, "tokens", got[0], f.Output("tokens"))
	fluxtest.Compare(t, "decoded", got[1], fluxtest.ChannelsLast(f.Output("decoded")))
}

// Whatever a configuration file holds, it is refused or read as what it is written back
// as.
func FuzzConfigs(f *testing.F) {
	for _, c := range []any{Klein4B(), KleinAutoencoder(), defaultSettings()} {
		data, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"axes_dims_rope":[1],"decoder_block_out_channels":[8],"block_out_channels":null,"text_layers":[]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, fresh := range []func() interface{ Validate() error }{
			func() interface{ Validate() error } { return &Params{} },
			func() interface{ Validate() error } { return &AutoencoderConfig{} },
			func() interface{ Validate() error } { return &Settings{} },
		} {
			first, second := fresh(), fresh()
			if json.Unmarshal(data, first) != nil || first.Validate() != nil {
				continue
			}
			written, err := json.Marshal(first)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(written, second); err != nil || second.Validate() != nil {
				t.Fatalf("%s: %v", written, err)
			}
			again, err := json.Marshal(second)
			if err != nil || string(again) != string(written) {
				t.Fatalf("%s was read as %s (%v)", written, again, err)
			}
		}
	})
}
