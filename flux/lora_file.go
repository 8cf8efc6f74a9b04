package flux

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/flux/nn"
	"reflectionflow/flux/safetensors"
)

// Names in the header and the tensors of a LoRA file.
const (
	loraFilePrefix  = "transformer."
	loraA, loraB    = ".lora_A.weight", ".lora_B.weight"
	adapterMetadata = "lora_adapter_metadata" // diffusers: LoraConfig as JSON
	streamsMetadata = "reflectionflow.streams"
)

// LoadLoRA copies the file's adapter into the store under prefix and describes it.
// A file that is no adapter of this transformer gives an error wrapping
// [reflectionflow.ErrInvalid].
func LoadLoRA(f *safetensors.File, p Params, store *nn.Store, prefix string) (LoRA, error) {
	l := LoRA{AllStreams: f.Metadata()[streamsMetadata] == "all"}
	known := NewLoRA(p, 1, l.AllStreams).Modules
	for _, name := range f.Names() {
		info, err := f.Info(name)
		if err != nil {
			return LoRA{}, err
		}
		if err := l.add(f, info, known); err != nil {
			return LoRA{}, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, f.Name(), err)
		}
		if err := f.CheckFinite(name); err != nil {
			return LoRA{}, err
		}
		values, err := f.Float32(name)
		if err != nil {
			return LoRA{}, err
		}
		store.Set(prefix+"."+strings.TrimPrefix(name, loraFilePrefix), values, info.Shape...)
	}
	slices.Sort(l.Modules)
	alpha, err := loraAlpha(f.Metadata()[adapterMetadata], l.Rank)
	if len(l.Modules) == 0 {
		err = errors.New("there is no adapter in it")
	}
	if err != nil {
		return LoRA{}, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, f.Name(), err)
	}
	l.Alpha = alpha
	return l, nil
}

// add takes the tensor into the adapter: half of a pair of matrices of a module
// that the model has, of the same rank as all others.
func (l *LoRA) add(f *safetensors.File, tensor safetensors.Info, known []string) error {
	stem, isA := strings.CutSuffix(tensor.Name, loraA)
	if !isA {
		stem = strings.TrimSuffix(tensor.Name, loraB)
	}
	if stem == tensor.Name || len(tensor.Shape) != 2 || !f.Has(stem+loraA) || !f.Has(stem+loraB) {
		return fmt.Errorf("tensor %q is no matrix of a LoRA pair", tensor.Name)
	}
	module := strings.TrimPrefix(stem, loraFilePrefix)
	if _, found := slices.BinarySearch(known, module); !found {
		return fmt.Errorf("the model has no module %q to adapt", module)
	}
	rank := tensor.Shape[1]
	if isA {
		rank = tensor.Shape[0]
		l.Modules = append(l.Modules, module)
	}
	if l.Rank == 0 {
		l.Rank = rank
	}
	if rank != l.Rank || rank == 0 {
		return fmt.Errorf("tensor %q has rank %d, others have %d: one rank for all is supported", tensor.Name, rank, l.Rank)
	}
	return nil
}

// loraAlpha reads alpha from diffusers' metadata; without it alpha is the rank.
func loraAlpha(metadata string, rank int) (float64, error) {
	if metadata == "" {
		return float64(rank), nil
	}
	var config struct {
		Rank     int            `json:"transformer.r"`
		Alpha    *float64       `json:"transformer.lora_alpha"`
		Ranks    map[string]any `json:"transformer.rank_pattern"`
		Alphas   map[string]any `json:"transformer.alpha_pattern"`
		RankRoot bool           `json:"transformer.use_rslora"`
		DoRA     bool           `json:"transformer.use_dora"`
	}
	if err := json.Unmarshal([]byte(metadata), &config); err != nil {
		return 0, fmt.Errorf("%s: %w", adapterMetadata, err)
	}
	switch {
	case config.RankRoot || config.DoRA || len(config.Ranks) > 0 || len(config.Alphas) > 0:
		return 0, fmt.Errorf("%s: DoRA, rsLoRA and patterns of ranks are not supported", adapterMetadata)
	case config.Rank != 0 && config.Rank != rank:
		return 0, fmt.Errorf("%s: rank %d, but the tensors have rank %d", adapterMetadata, config.Rank, rank)
	case config.Alpha == nil:
		return float64(rank), nil
	}
	return *config.Alpha, nil
}

// Save writes the adapter's weights, found in the store under prefix, as dtype.
// The same weights give the same bytes.
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
	config, err := json.Marshal(map[string]any{"transformer.r": l.Rank, "transformer.lora_alpha": l.Alpha, "transformer.target_modules": l.Modules})
	if err != nil {
		return fmt.Errorf("describe adapter: %w", err)
	}
	metadata := map[string]string{"format": "pt", adapterMetadata: string(config)}
	if l.AllStreams {
		metadata[streamsMetadata] = "all"
	}
	return safetensors.Write(path, tensors, metadata)
}
