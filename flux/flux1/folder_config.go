package flux1

import (
	"slices"
	"strings"

	"reflectionflow/flux"
)

// Diffusers' names of the pipelines of FLUX.1.
const (
	pipelineClass = "FluxPipeline"
	// KontextClass is the class of the index of a model that edits images natively; the
	// rest of its folder is FLUX.1-dev's.
	KontextClass = "FluxKontextPipeline"
)

// Edits tells whether the model edits images without a corrector, as FLUX.1 Kontext does.
func (f *Folder) Edits() bool { return f.Index.ClassName == KontextClass }

// checkIndex reports an index that is none of a FLUX.1 folder.
func checkIndex(index flux.ModelIndex) error {
	class := pipelineClass
	if index.ClassName == KontextClass {
		class = KontextClass
	}
	return index.Check(class, pipelineParts)
}

// pipelineParts are the subfolders of a FLUX.1 folder.
var pipelineParts = []flux.Part{
	{Name: "scheduler", Library: "diffusers", Classes: []string{"FlowMatchEulerDiscreteScheduler"}},
	{Name: "text_encoder", Library: "transformers", Classes: []string{"CLIPTextModel"}},
	{Name: "text_encoder_2", Library: "transformers", Classes: []string{"T5EncoderModel"}},
	{Name: "tokenizer", Library: "transformers", Classes: []string{"CLIPTokenizer", "CLIPTokenizerFast", plainTokenizer, "TokenizersBackend"}},
	{Name: "tokenizer_2", Library: "transformers", Classes: []string{"T5TokenizerFast", "T5Tokenizer", plainTokenizer, "TokenizersBackend"}},
	{Name: "transformer", Library: "diffusers", Classes: []string{"FluxTransformer2DModel"}},
	{Name: "vae", Library: "diffusers", Classes: []string{"AutoencoderKL"}},
}

// plainTokenizer is the class of a bare tokenizer.json file, which transformers 5 calls
// TokenizersBackend.
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
