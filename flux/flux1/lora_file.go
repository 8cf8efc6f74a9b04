package flux1

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// Names in the header and the tensors of a LoRA file.
const (
	loraFilePrefix  = "transformer."
	loraA, loraB    = ".lora_A.weight", ".lora_B.weight"
	adapterMetadata = "lora_adapter_metadata" // diffusers: LoraConfig as JSON
	streamsMetadata = "reflectionflow.streams"
)

// namedModules bounds the modules that an error names.
const namedModules = 3

// AdapterConfigFile describes a LoRA to PEFT: a LoraConfig as JSON, in the same
// folder as the weights.
const AdapterConfigFile = "adapter_config.json"

// LoadLoRA copies the file's adapter into the store under prefix and describes it.
// A file that is no adapter of this transformer, or lacks modules that its metadata
// lists, gives an error wrapping [reflectionflow.ErrInvalid].
func LoadLoRA(f *safetensors.File, p Params, store *nn.Store, prefix string) (LoRA, error) {
	linear, err := p.linearShapes()
	if err != nil {
		return LoRA{}, err
	}
	l := LoRA{AllStreams: f.Metadata()[streamsMetadata] == "all"}
	known := NewLoRA(p, 1, l.AllStreams).Modules
	for _, name := range f.Names() {
		info, err := f.Info(name)
		if err != nil {
			return LoRA{}, err
		}
		if err := l.add(f, info, known, linear); err != nil {
			return LoRA{}, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, f.Name(), err)
		}
	}
	slices.Sort(l.Modules)
	if err := l.readMetadata(f.Metadata()[adapterMetadata], linear); err != nil {
		return LoRA{}, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, f.Name(), err)
	}
	for _, name := range f.Names() {
		info, err := f.Info(name)
		if err == nil {
			err = f.CheckFinite(name)
		}
		var values []float32
		if err == nil {
			values, err = f.Float32(name)
		}
		if err != nil {
			return LoRA{}, err
		}
		store.Set(prefix+"."+strings.TrimPrefix(name, loraFilePrefix), values, info.Shape...)
	}
	return l, nil
}

// linearShapes returns the shapes [out, in] of the transformer's linear layers by
// module name.
func (p Params) linearShapes() (map[string][2]int, error) {
	variables, err := p.variables()
	if err != nil {
		return nil, err
	}
	shapes := make(map[string][2]int)
	for _, v := range variables {
		if module, ok := strings.CutSuffix(v.Name, ".weight"); ok && len(v.Shape) == 2 {
			shapes[module] = [2]int(v.Shape)
		}
	}
	return shapes, nil
}

// add takes the tensor into the adapter: half of a pair of matrices of a module
// that the model has, of the same rank as all others.
func (l *LoRA) add(f *safetensors.File, tensor safetensors.Info, known []string, linear map[string][2]int) error {
	stem, isA := strings.CutSuffix(tensor.Name, loraA)
	if !isA {
		stem = strings.TrimSuffix(tensor.Name, loraB)
	}
	module := strings.TrimPrefix(stem, loraFilePrefix)
	switch _, found := slices.BinarySearch(known, module); {
	case stem == tensor.Name || len(tensor.Shape) != 2:
		return fmt.Errorf("tensor %q is no matrix of a LoRA pair: names end in %s or %s", tensor.Name, loraA, loraB)
	case !f.Has(stem+loraA) || !f.Has(stem+loraB):
		return fmt.Errorf("tensor %q has no counterpart: a LoRA pair is %s and %s, the file is incomplete", tensor.Name, loraA, loraB)
	case !found:
		return fmt.Errorf("the model has no module %q to adapt: the adapter is for another model", module)
	}
	rank, width, want := tensor.Shape[1], tensor.Shape[0], linear[module][0]
	if isA {
		rank, width, want = tensor.Shape[0], tensor.Shape[1], linear[module][1]
		l.Modules = append(l.Modules, module)
	}
	if l.Rank == 0 {
		l.Rank = rank
	}
	switch {
	case rank != l.Rank || rank == 0:
		return fmt.Errorf("tensor %q has rank %d, others have %d: one rank for all is supported", tensor.Name, rank, l.Rank)
	case width != want:
		return fmt.Errorf("tensor %q has width %d, the module of this model has %d: the adapter is for another model", tensor.Name, width, want)
	}
	return nil
}

// loraConfig is diffusers' description of an adapter, without the prefix
// "transformer." of its keys.
type loraConfig struct {
	Rank       int             `json:"transformer.r"`
	Alpha      *float64        `json:"transformer.lora_alpha"`
	Targets    json.RawMessage `json:"transformer.target_modules"`
	Excluded   any             `json:"transformer.exclude_modules"`
	Layers     any             `json:"transformer.layers_to_transform"`
	Ranks      map[string]any  `json:"transformer.rank_pattern"`
	Alphas     map[string]any  `json:"transformer.alpha_pattern"`
	RootOfRank bool            `json:"transformer.use_rslora"`
	DoRA       bool            `json:"transformer.use_dora"`
}

// readMetadata takes alpha from diffusers' metadata, or the rank without it, and
// demands the modules that it lists.
func (l *LoRA) readMetadata(metadata string, linear map[string][2]int) error {
	l.Alpha = float64(l.Rank)
	if len(l.Modules) == 0 {
		return errors.New("the file has no LoRA tensors")
	}
	if metadata == "" {
		return nil
	}
	var config loraConfig
	if err := json.Unmarshal([]byte(metadata), &config); err != nil {
		return fmt.Errorf("%s: %w", adapterMetadata, err)
	}
	switch {
	case config.RootOfRank || config.DoRA || len(config.Ranks) > 0 || len(config.Alphas) > 0:
		return fmt.Errorf("%s: DoRA, rsLoRA and patterns of ranks are not supported", adapterMetadata)
	case config.Rank != 0 && config.Rank != l.Rank:
		return fmt.Errorf("%s: rank %d, but the tensors have rank %d", adapterMetadata, config.Rank, l.Rank)
	}
	if config.Alpha != nil {
		l.Alpha = *config.Alpha
	}
	return l.checkTargets(config, linear)
}

// checkTargets reports modules that the metadata lists and the file lacks: a file
// that was cut or filtered, which would otherwise correct by half.
func (l *LoRA) checkTargets(config loraConfig, linear map[string][2]int) error {
	var list []string
	var pattern string
	matches := func(string) bool { return false }
	switch {
	case json.Unmarshal(config.Targets, &list) == nil:
		plain := config.Excluded == nil && config.Layers == nil
		matches = func(module string) bool {
			return slices.ContainsFunc(list, func(target string) bool {
				return module == target || plain && strings.HasSuffix(module, "."+target)
			})
		}
	case json.Unmarshal(config.Targets, &pattern) == nil && config.Excluded == nil && config.Layers == nil:
		if re, err := regexp.Compile("^(?:" + pattern + ")$"); err == nil { // others are Python's
			matches = re.MatchString
		}
	}
	var lacking []string
	listed := 0
	for _, module := range slices.Sorted(maps.Keys(linear)) {
		if !matches(module) {
			continue
		}
		listed++
		if _, found := slices.BinarySearch(l.Modules, module); !found {
			lacking = append(lacking, module)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	names := lacking[:min(len(lacking), namedModules)]
	if len(lacking) > len(names) {
		names = append(slices.Clone(names), "…")
	}
	return fmt.Errorf("the file is incomplete: it lacks %d of the %d modules that its metadata lists (%s)", len(lacking), listed, strings.Join(names, ", "))
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
	metadata := map[string]string{"format": "pt", adapterMetadata: string(config)}
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
