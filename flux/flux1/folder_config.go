package flux1

import (
	"slices"
	"strings"

	"reflectionflow/flux"
)

// pipelineClass is diffusers' name of a pipeline of FLUX.1.
const pipelineClass = "FluxPipeline"

// pipelineParts are the subfolders of a FLUX.1 folder.
var pipelineParts = []flux.Part{
	{Name: "scheduler", Library: "diffusers", Classes: []string{"FlowMatchEulerDiscreteScheduler"}},
	{Name: "text_encoder", Library: "transformers", Classes: []string{"CLIPTextModel"}},
	{Name: "text_encoder_2", Library: "transformers", Classes: []string{"T5EncoderModel"}},
	{Name: "tokenizer", Library: "transformers", Classes: []string{"CLIPTokenizer", "CLIPTokenizerFast", plainTokenizer}},
	{Name: "tokenizer_2", Library: "transformers", Classes: []string{"T5TokenizerFast", "T5Tokenizer", plainTokenizer}},
	{Name: "transformer", Library: "diffusers", Classes: []string{"FluxTransformer2DModel"}},
	{Name: "vae", Library: "diffusers", Classes: []string{"AutoencoderKL"}},
}

// plainTokenizer is the class of a bare tokenizer.json file.
const plainTokenizer = "PreTrainedTokenizerFast"

// NewModelIndex returns the index of a FluxPipeline. With plainTokenizers both
// tokenizers are bare tokenizer.json files (PreTrainedTokenizerFast).
func NewModelIndex(plainTokenizers bool) flux.ModelIndex {
	parts := slices.Clone(pipelineParts)
	for i := range parts {
		if plainTokenizers && strings.HasPrefix(parts[i].Name, "tokenizer") {
			parts[i].Classes = []string{plainTokenizer}
		}
	}
	return flux.NewModelIndex(pipelineClass, "0.30.0", parts)
}
