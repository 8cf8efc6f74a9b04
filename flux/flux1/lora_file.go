package flux1

import (
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/flux/lora"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

// streamsMetadata is an entry of a file's header, "all" for [LoRA].AllStreams.
const streamsMetadata = "reflectionflow.streams"

// AdapterConfigFile describes a LoRA to PEFT: a LoraConfig as JSON, in the same
// folder as the weights.
const AdapterConfigFile = "adapter_config.json"

// LoadLoRA reads the adapter of a file, of any of the conventions of package lora, into the store below prefix and
// describes it: Rank is the largest. A file that is no adapter of this transformer, or lacks modules that its metadata
// lists, gives an error wrapping [reflectionflow.ErrInvalid].
func LoadLoRA(f *safetensors.File, p Params, store *nn.Store, prefix string) (LoRA, error) {
	variables, err := p.variables()
	if err != nil {
		return LoRA{}, err
	}
	file, err := weights.FromSafetensors(f)
	if err != nil {
		return LoRA{}, err
	}
	adapters, err := lora.Load(store, prefix, []lora.Network{lora.FLUX1(TransformerPrefix, variables)}, []lora.File{{Weights: file, Weight: 1}})
	if err != nil {
		return LoRA{}, err
	}
	l := LoRA{AllStreams: f.Metadata()[streamsMetadata] == "all", loaded: adapters}
	known := NewLoRA(p, 1, l.AllStreams).Modules
	for _, layer := range adapters.Layers() {
		module := strings.TrimPrefix(layer.Name, TransformerPrefix+".")
		if _, found := slices.BinarySearch(known, module); !found {
			return LoRA{}, fmt.Errorf("%w: %s: the file adapts %q, which no reference passes through: it is no corrector", reflectionflow.ErrInvalid, f.Name(), module)
		}
		l.Modules = append(l.Modules, module)
		if layer.Rank > l.Rank {
			l.Rank, l.Alpha = layer.Rank, layer.Factor*float64(layer.Rank)
		}
	}
	return l, nil
}

// Save writes the adapter's weights, found in the store under prefix, as dtype; see
// [lora.Trained.Save].
func (l LoRA) Save(path string, store *nn.Store, prefix string, dtype safetensors.DType) error {
	var metadata map[string]string
	if l.AllStreams {
		metadata = map[string]string{streamsMetadata: "all"}
	}
	return l.Trained.Save(path, store, prefix, dtype, metadata)
}
