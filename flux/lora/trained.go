package lora

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// Trained is a LoRA to be trained and saved: y + Alpha/Rank·B(A(x)) (arXiv 2106.09685) of
// linear layers of the transformer. A store holds its weights as
// PREFIX.<module>.lora_A.weight [rank, in] and .lora_B.weight [out, rank].
type Trained struct {
	Rank    int
	Alpha   float64
	Modules []string // names of layers below the transformer, sorted
}

// Names in the header and the tensors of a file that is saved.
const (
	savedPrefix = "transformer."
	savedA      = "lora_A.weight"
	savedB      = "lora_B.weight"
)

// Adapter returns the hook for the transformer in the scope base. The scope weights holds
// <module>.lora_A.weight and .lora_B.weight. In training A starts with normal numbers of
// deviation 1/rank and B with zeros (PEFT's "gaussian"), so that the adapter changes
// nothing at first.
func (t Trained) Adapter(weights, base nn.Scope) nn.Adapter {
	prefix := ""
	if base.Path() != "" {
		prefix = base.Path() + "."
	}
	return func(path string, x, y *Node) *Node {
		module := strings.TrimPrefix(path, prefix)
		if _, found := slices.BinarySearch(t.Modules, module); !found {
			return y
		}
		a, b := t.weights(weights.In(module), y.Shape().Dim(-1), x.Shape().Dim(-1))
		return Add(y, MulScalar(nn.MatVec(nn.MatVec(x, a), b), t.Alpha/float64(t.Rank)))
	}
}

// weights returns both matrices of a layer [out, in].
func (t Trained) weights(s nn.Scope, out, in int) (a, b *Node) {
	a = s.Weight(savedA, nn.InitNormal(1/float64(t.Rank)), t.Rank, in)
	return a, s.Weight(savedB, nn.InitZeros, out, t.Rank)
}

// Init asks for the weights of every layer in the scope weights, so that a program that
// trains initializes those that the store lacks. dims returns the shape [out, in] of a
// layer.
func (t Trained) Init(weights nn.Scope, dims func(module string) []int) error {
	for _, module := range t.Modules {
		d := dims(module)
		if len(d) != 2 {
			return fmt.Errorf("the transformer has no layer %q", module)
		}
		t.weights(weights.In(module), d[0], d[1])
	}
	return nil
}

// Save writes the weights, found in the store under prefix, as dtype, in the form that PEFT
// and diffusers read, and PEFT's adapter_config.json into the same folder. metadata is
// added to the file's header. The same weights give the same bytes.
func (t Trained) Save(path string, store *nn.Store, prefix string, dtype safetensors.DType, metadata map[string]string) error {
	var tensors []safetensors.Tensor
	for _, module := range t.Modules {
		for _, matrix := range []string{savedA, savedB} {
			name := prefix + "." + module + "." + matrix
			values, err := store.Values(name)
			if err != nil {
				return err
			}
			tensors = append(tensors, safetensors.Tensor{
				Name: savedPrefix + module + "." + matrix, Shape: store.Dims(name), DType: dtype, Values: values,
			})
		}
	}
	config, err := json.Marshal(map[string]any{
		"transformer.r": t.Rank, "transformer.lora_alpha": t.Alpha, "transformer.target_modules": t.Modules,
		"transformer.rank_pattern": struct{}{}, "transformer.alpha_pattern": struct{}{}, // diffusers reads both
	})
	if err != nil {
		return fmt.Errorf("describe adapter: %w", err)
	}
	header := map[string]string{"format": "pt", MetadataKey: string(config)}
	maps.Copy(header, metadata)
	if err := safetensors.Write(path, tensors, header); err != nil {
		return err
	}
	return t.WriteConfig(filepath.Dir(path))
}

// WriteConfig writes adapter_config.json into dir, from which PEFT's
// LoraConfig.from_pretrained reads the adapter's shape.
func (t Trained) WriteConfig(dir string) error {
	err := flux.WriteConfig(filepath.Join(dir, peftSettings), "", "", map[string]any{
		"peft_type": "LORA", "task_type": nil, "base_model_name_or_path": nil, "inference_mode": true,
		"r": t.Rank, "lora_alpha": t.Alpha, "target_modules": t.Modules, "lora_dropout": 0, "bias": "none",
		"fan_in_fan_out": false, "init_lora_weights": true, "use_rslora": false, "use_dora": false,
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", peftSettings, err)
	}
	return nil
}
