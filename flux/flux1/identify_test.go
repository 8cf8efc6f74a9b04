package flux1

import (
	"reflect"
	"testing"

	"reflectionflow/flux"
	"reflectionflow/weights/safetensors"
)

func TestIdentify(t *testing.T) {
	for _, test := range []struct {
		name    string
		tensors map[string][]int
		want    []flux.FilePart
	}{
		{"transformer", map[string][]int{"double_blocks.0.img_attn.qkv.weight": {2, 2}}, []flux.FilePart{{Kind: "transformer", Model: "FLUX.1"}}},
		{"FLUX.2", map[string][]int{"double_blocks.0.img_attn.qkv.weight": {2, 2}, "double_stream_modulation_img.lin.weight": {2, 2}}, []flux.FilePart{{Kind: "transformer", Model: "FLUX.2"}}},
		{"FLUX.2 of diffusers", map[string][]int{"double_stream_modulation_img.linear.weight": {2, 2}}, []flux.FilePart{{Kind: "transformer", Model: "FLUX.2"}}},
		{"combined checkpoint", map[string][]int{
			"model.diffusion_model.double_blocks.0.img_attn.qkv.weight":                    {2, 2},
			"text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1.weight":  {2, 2},
			"text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q.bias": {2},

			"vae.decoder.conv_in.weight": {2, 16, 3, 3},
		}, []flux.FilePart{{Kind: "transformer", Model: "FLUX.1"}, {Kind: "text encoder", Model: "CLIP"}, {Kind: "text encoder", Model: "T5"}, {Kind: "autoencoder", Model: "16 channels, as FLUX.1's"}}},
		{"T5 of llama.cpp", map[string][]int{"enc.blk.0.attn_q.weight": {2, 2}}, []flux.FilePart{{Kind: "text encoder", Model: "T5"}}},
		{"Qwen3", map[string][]int{"model.layers.0.self_attn.q_norm.weight": {2}}, []flux.FilePart{{Kind: "text encoder", Model: "Qwen3"}}},
		{"autoencoder of FLUX.2", map[string][]int{"decoder.conv_in.weight": {2, 32, 3, 3}}, []flux.FilePart{{Kind: "autoencoder", Model: "32 channels, as FLUX.2's"}}},
		{"LoRA", map[string][]int{"transformer.proj_out.lora_A.weight": {2, 2}}, []flux.FilePart{{Kind: "LoRA", Model: "transformer.proj_out.lora_A.weight"}}},
		{"LoRA of Black Forest Labs' names", map[string][]int{"double_blocks.0.img_attn.qkv.lora_A.weight": {2, 2}}, []flux.FilePart{{Kind: "LoRA", Model: "double_blocks.0.img_attn.qkv.lora_A.weight"}}},
		{"LoRA of XLabs", map[string][]int{"double_blocks.0.processor.qkv_lora1.down.weight": {2, 2}}, []flux.FilePart{{Kind: "LoRA", Model: "double_blocks.0.processor.qkv_lora1.down.weight"}}},
		{"unknown", map[string][]int{"fc1.weight": {2, 2}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := model{}
			for name, shape := range test.tensors {
				m[name] = safetensors.Tensor{Name: name, Shape: shape, DType: safetensors.BF16, Values: make([]float32, safetensors.Info{Shape: shape}.Elements())}
			}
			if got := flux.Identify(m.open(t)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
