package flux1

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/lora"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/weights/safetensors"
)

// LoRAs of the text encoders change an embedding as if they were added to the weights.
func TestLoRAsOfTextEncoders(t *testing.T) {
	open := func() *Model {
		folder, err := OpenFolder("../../cmd/reflectionflow/testdata/tiny/flux1")
		if err != nil {
			t.Fatal(err)
		}
		model, err := LoadModel(folder, nil)
		if err != nil {
			t.Fatal(err)
		}
		return model
	}
	merged, base := open(), open()
	var list []safetensors.Tensor
	for name, own := range map[string]string{
		"lora_te1_text_model_encoder_layers_0_mlp_fc1":             "text_encoder.text_model.encoder.layers.0.mlp.fc1.weight",
		"lora_te3_encoder_block_0_layer_0_SelfAttention_q":         "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q.weight",
		"text_encoder_2.encoder.block.0.layer.1.DenseReluDense.wo": "text_encoder_2.encoder.block.0.layer.1.DenseReluDense.wo.weight",
	} {
		dims := merged.Store.Dims(own)
		values, err := merged.Store.Values(own)
		if err != nil {
			t.Fatal(err)
		}
		down, up := make([]float32, dims[1]), make([]float32, dims[0])
		for i := range down {
			down[i] = float32(i%7-3) / 8
		}
		for i := range up {
			up[i] = float32(i%5-2) / 4
		}
		for i := range values {
			values[i] += 0.5 * up[i/dims[1]] * down[i%dims[1]]
		}
		merged.Store.Set(own, values, dims...)
		list = append(list,
			safetensors.Tensor{Name: name + ".lora_down.weight", Shape: []int{1, dims[1]}, DType: safetensors.F32, Values: down},
			safetensors.Tensor{Name: name + ".lora_up.weight", Shape: []int{dims[0], 1}, DType: safetensors.F32, Values: up})
	}
	path := filepath.Join(t.TempDir(), "text.safetensors")
	if err := safetensors.Write(path, list, nil); err != nil {
		t.Fatal(err)
	}
	file, err := lora.Open(path, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	networks, err := base.Folder.Networks()
	if err != nil {
		t.Fatal(err)
	}
	adapted, err := lora.Adapt(base, networks, []lora.File{file})
	if err != nil {
		t.Fatal(err)
	}
	got, want, plain := embedding(t, adapted), embedding(t, merged), embedding(t, open())
	for i := range want {
		checkRelative(t, got[i], want[i])
		if slices.Equal(got[i], plain[i]) {
			t.Errorf("value %d of the embedding is not adapted", i)
		}
	}
}

// embedding runs the text encoders for a prompt.
func embedding(t *testing.T, model flux.Model) [][]float32 {
	t.Helper()
	texts, err := model.Texts(reflectionflow.Request{Prompt: "a red cup", Width: 16, Height: 16, Steps: 1})
	if err != nil {
		t.Fatal(err)
	}
	var given []shapes.Shape
	var ids []*tensors.Tensor
	for _, list := range texts.Prompt {
		given = append(given, shapes.Make(dtypes.Int32, 1, len(list)))
		ids = append(ids, tensors.FromFlatDataAndDimensions(list, 1, len(list)))
	}
	p, err := nn.Compile(nntest.Backend(t), model.Spec().Store, given, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return model.Embed(s, in), nil
	}, nn.Options{Name: "embed"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(ids...)
	if err != nil {
		t.Fatal(err)
	}
	var values [][]float32
	for _, o := range out {
		values = append(values, tensors.MustCopyFlatData[float32](o))
	}
	return values
}
