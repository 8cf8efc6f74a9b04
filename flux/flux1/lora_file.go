package flux1

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/lora"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

// Names in the header and the tensors of a LoRA file.
const (
	loraFilePrefix  = "transformer."
	loraA, loraB    = ".lora_A.weight", ".lora_B.weight"
	streamsMetadata = "reflectionflow.streams"
)

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

// Save writes the adapter's weights, found in the store under prefix, as dtype, and
// PEFT's adapter_config.json into the same folder. The same weights give the same
// bytes.
func (l LoRA) Save(path string, store *nn.Store, prefix string, dtype safetensors.DType) error {
	var tensors []safetensors.Tensor
	for _, module := range l.Modules {
		for _, suffix := range []string{loraA, loraB} {
			name := prefix + "." + module + suffix
			values, err := store.Values(name)
			if err != nil {
				return err
			}
			tensors = append(tensors, safetensors.Tensor{
				Name: loraFilePrefix + module + suffix, Shape: store.Dims(name), DType: dtype, Values: values,
			})
		}
	}
	config, err := json.Marshal(map[string]any{
		"transformer.r": l.Rank, "transformer.lora_alpha": l.Alpha, "transformer.target_modules": l.Modules,
		"transformer.rank_pattern": struct{}{}, "transformer.alpha_pattern": struct{}{}, // diffusers reads both
	})
	if err != nil {
		return fmt.Errorf("describe adapter: %w", err)
	}
	metadata := map[string]string{"format": "pt", lora.MetadataKey: string(config)}
	if l.AllStreams {
		metadata[streamsMetadata] = "all"
	}
	if err := safetensors.Write(path, tensors, metadata); err != nil {
		return err
	}
	return l.WriteConfig(filepath.Dir(path))
}

// WriteConfig writes adapter_config.json into dir, from which PEFT's
// LoraConfig.from_pretrained reads the adapter's shape.
func (l LoRA) WriteConfig(dir string) error {
	err := flux.WriteConfig(filepath.Join(dir, AdapterConfigFile), "", "", map[string]any{
		"peft_type": "LORA", "task_type": nil, "base_model_name_or_path": nil, "inference_mode": true,
		"r": l.Rank, "lora_alpha": l.Alpha, "target_modules": l.Modules, "lora_dropout": 0, "bias": "none",
		"fan_in_fan_out": false, "init_lora_weights": true, "use_rslora": false, "use_dora": false,
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", AdapterConfigFile, err)
	}
	return nil
}
